"""Patches drawn for a person to annotate, and estimators scored on the answers."""
