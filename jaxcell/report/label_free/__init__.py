"""The report of a label-free run."""
