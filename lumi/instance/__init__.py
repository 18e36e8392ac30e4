"""A whole installation, its files included, as one archive: written here (`exporting`), read there (`importing`)."""
