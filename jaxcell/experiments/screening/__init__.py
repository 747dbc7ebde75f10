"""Plates of compounds screened: hits, doses, and plates designed before the experiment."""
