"""Experiments designed before they are done: layouts, their balance, their power."""
