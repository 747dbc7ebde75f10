"""One file an image format."""
