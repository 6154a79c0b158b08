"""Many short runs in search of better settings."""
