"""A trained network put to use on picture and video files: reading, tiles, blending, writing in strips, records."""
