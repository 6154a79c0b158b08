"""Shards of pictures: webdataset tars and Parquet files, opened or streamed."""
