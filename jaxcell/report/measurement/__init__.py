"""The report of a measurement."""
