"""Masks and measures of interaction: arrays in, arrays out."""
