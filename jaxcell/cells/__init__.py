"""Which pixels are cells, and which cell is which."""
