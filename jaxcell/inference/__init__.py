"""Trained networks applied to examples, fields and whole plates."""
