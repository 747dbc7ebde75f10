"""The report of a screen."""
