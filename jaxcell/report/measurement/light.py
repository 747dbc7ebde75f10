"""The light of every well in a figure: crosstalk, noise, and the contrast at the edges of masks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures import doubts
from jaxcell.measures.light import crosstalks
from jaxcell.report.common import style

# Characters that fit side by side below a panel.
ROOM = 16
# Column without its kind -> title, limit, and whether wells above it are in doubt.
PANELS = {
    "crosstalk": ("Crosstalk into\nthe view, %", doubts.CROSSTALK, True),
    "repeated_share": ("Mask repeated at\nhalf the light, %", doubts.REPEATED, False),
    "edge_share": ("Light at the edge\nof masks, %", doubts.EDGE, False),
    "faint_share": ("Faint cells among\nthose found, %", doubts.FAINT, True),
}
IN_DOUBT, FINE = style.Mark(style.VERMILION, "X"), style.Mark(style.BLUE, "o")


@style.legible
def light(wells: pd.DataFrame, kinds: Sequence[Kind] = USUAL.kinds) -> Figure:
    """Draws what doubts about the light are judged by, a point a well and view.

    Args:
      wells: every column of `light_quantities`.
      kinds: of cells.

    Returns:
      The figure, a panel a number, its limit a dashed line, the side in doubt shaded; crosstalk
      with its intervals.
    """
    figure = style.new_figure(7.2, 2.9)
    # The light of one view shows in no other.
    panels = {name: how for name, how in PANELS.items() if name != "crosstalk" or len(kinds) > 1}
    for axes, (name, (title, limit, above)) in zip(figure.subplots(1, len(panels)), panels.items()):
        axes.set_title(title, size=9.5)
        for at, kind in enumerate(kinds):
            into = [pair.end for pair in crosstalks(kinds) if pair.own == kind]
            for end in into if name == "crosstalk" else [kind.key]:
                _points(axes, at, wells, name, end, limit, above)
        low, high = axes.get_ylim()
        low, high = min(low, 0), max(high, 2 * limit if above else 100)
        axes.axhspan(
            *((limit, high) if above else (low, limit)), color=style.FAINT, alpha=0.5, lw=0
        )
        axes.axhline(limit, color=style.MUTED, ls="--", lw=1)
        axes.set(xlim=(-0.5, len(kinds) - 0.5), ylim=(low, high))
        _name_kinds(axes, kinds)
        axes.tick_params(axis="x", length=0)
    handles = [style.handle(IN_DOUBT, "a well in doubt"), style.handle(FINE, "a well in order")]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _name_kinds(axes: Axes, kinds: Sequence[Kind]) -> None:
    """Kinds along the axis, slanted where they have no room side by side."""
    words = [kind.shorts for kind in kinds]
    slanted = sum(map(len, words)) > ROOM
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(len(words)), words, **turned)


def _points(
    axes: Axes, at: int, wells: pd.DataFrame, name: str, end: str, limit: float, above: bool
) -> None:
    """The wells of one view, those in doubt in front; `end` of the column."""
    values = wells[f"{name}_{end}"].astype(float)
    judged = wells[f"crosstalk_low_{end}"].astype(float) if name == "crosstalk" else values
    in_doubt = judged > limit if above else judged < limit
    x = at + 0.3 * np.random.default_rng(0).uniform(-1, 1, len(values))
    for rows, mark in ((~in_doubt, FINE), (in_doubt, IN_DOUBT)):
        if name == "crosstalk":
            ends = (
                wells[f"crosstalk_{side}_{end}"][rows].astype(float) for side in ("low", "high")
            )
            axes.vlines(x[rows], *ends, color=mark.colour, lw=0.8, alpha=0.6)
        style.points(axes, x[rows], values[rows], mark, s=16, alpha=0.8)
