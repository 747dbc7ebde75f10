"""The kinds of cells."""

VIEWS = ("t_cell", "dendritic_cell")


VIEW_NAMES = {"t_cell": "T cells", "dendritic_cell": "dendritic cells"}
