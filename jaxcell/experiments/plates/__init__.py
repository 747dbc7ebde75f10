"""Folders of plates looked over: what is seen, and the two tables of it."""
