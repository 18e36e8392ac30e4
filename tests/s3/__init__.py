"""A strict S3 on the loopback, and Lumi's files on it."""
