"""Kinds of experiment, each from data to report."""
