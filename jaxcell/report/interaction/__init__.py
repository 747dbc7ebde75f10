"""The report of an interaction run."""
