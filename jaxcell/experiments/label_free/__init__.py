"""Label-free: stains, cells and their interaction from brightfield alone."""
