"""What `import jaxcell` offers to a notebook: thin, over the rooms that do the work."""
