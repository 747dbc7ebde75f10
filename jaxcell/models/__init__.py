"""Flax linen modules: pure functions of parameters and images.

A module's `dtype` is that of its arithmetic; parameters stay float32.
"""
