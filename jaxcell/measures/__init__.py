"""How strongly cells interact and what they look like: arrays in, numbers out."""
