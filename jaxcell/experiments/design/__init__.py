"""Plates laid out before the experiment."""
