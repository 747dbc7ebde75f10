"""Ablations: many runs that differ in a few settings, trained and shown as one."""
