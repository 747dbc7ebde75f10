"""The report of a segmentation run."""
