"""Pictures in tables: Parquet and Arrow files, here and on the Hub."""
