"""How far predictions are from the truth."""
