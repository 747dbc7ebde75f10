"""The kinds of cells, what each is called and drawn in: the only list of them."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of cell.

    Attributes:
      key: its name in tables and configs.
      singular, plural, adjective: its name in sentences.
      view: its place along an axis of views, masks or labels.
      colour: that it is drawn in, `#rrggbb`.
    """

    key: str
    singular: str
    plural: str
    adjective: str
    view: int
    colour: str


# In the order of the views.
KINDS = {
    "t_cell": Kind("t_cell", "T cell", "T cells", "T-cell", 0, "#00c853"),
    "dendritic_cell": Kind(
        "dendritic_cell", "dendritic cell", "dendritic cells", "dendritic-cell", 1, "#e040fb"
    ),
}
VIEWS = tuple(KINDS)
_NUCLEUS = Kind("nucleus", "nucleus", "nuclei", "nuclear", 0, "#40c4ff")  # of a public data set


def kind_called(key: str) -> Kind:
    """A kind by its key; what a segmentation finds besides is called by its key."""
    words = key.replace("_", " ")
    return (KINDS | {"nucleus": _NUCLEUS}).get(key) or Kind(key, words, f"{words}s", words, 0, "")
