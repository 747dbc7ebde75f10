"""Plates measured without training anything."""
