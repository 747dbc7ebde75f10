"""Ablations: many runs that differ in a few settings, trained, measured and shown as one."""
