"""The explorer of every patch."""
