"""Figures and one page that works offline: the only room that imports a plotting library."""
