"""The light of every well in a figure: crosstalk, noise, and the contrast at the edges of masks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.cells.kinds import KINDS
from jaxcell.measures import doubts
from jaxcell.report.common import style

# Column without its kind -> title, limit, and whether wells above it are in doubt.
PANELS = {
    "crosstalk": ("Crosstalk into\nthe view, %", doubts.CROSSTALK, True),
    "repeated_share": ("Mask repeated at\nhalf the light, %", doubts.REPEATED, False),
    "edge_share": ("Light at the edge\nof masks, %", doubts.EDGE, False),
    "faint_share": ("Faint cells among\nthose found, %", doubts.FAINT, True),
}
IN_DOUBT, FINE = style.Mark(style.VERMILION, "X"), style.Mark(style.BLUE, "o")


@style.legible
def light(wells: pd.DataFrame) -> Figure:
    """Draws what doubts about the light are judged by, a point a well and view.

    Args:
      wells: every column of `measures.light.LIGHT`.

    Returns:
      The figure, a panel a number, its limit a dashed line, the side in doubt shaded; crosstalk
      with its intervals.
    """
    figure = style.new_figure(7.2, 2.9)
    for axes, (name, (title, limit, above)) in zip(figure.subplots(1, len(PANELS)), PANELS.items()):
        axes.set_title(title, size=9.5)
        for at, kind in enumerate(KINDS):
            _points(axes, at, wells, name, kind, limit, above)
        low, high = axes.get_ylim()
        low, high = min(low, 0), max(high, 2 * limit if above else 100)
        axes.axhspan(
            *((limit, high) if above else (low, limit)), color=style.FAINT, alpha=0.5, lw=0
        )
        axes.axhline(limit, color=style.MUTED, ls="--", lw=1)
        axes.set(xlim=(-0.5, len(KINDS) - 0.5), ylim=(low, high))
        axes.set_xticks(range(len(KINDS)), ["T cells", "DCs"])
        axes.tick_params(axis="x", length=0)
    handles = [style.handle(IN_DOUBT, "a well in doubt"), style.handle(FINE, "a well in order")]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _points(
    axes: Axes, at: int, wells: pd.DataFrame, name: str, kind: str, limit: float, above: bool
) -> None:
    """The wells of one view, those in doubt in front."""
    values = wells[f"{name}_{kind}"].astype(float)
    judged = wells[f"crosstalk_low_{kind}"].astype(float) if name == "crosstalk" else values
    in_doubt = judged > limit if above else judged < limit
    x = at + 0.3 * np.random.default_rng(0).uniform(-1, 1, len(values))
    for rows, mark in ((~in_doubt, FINE), (in_doubt, IN_DOUBT)):
        if name == "crosstalk":
            ends = (wells[f"crosstalk_{end}_{kind}"][rows].astype(float) for end in ("low", "high"))
            axes.vlines(x[rows], *ends, color=mark.colour, lw=0.8, alpha=0.6)
        style.points(axes, x[rows], values[rows], mark, s=16, alpha=0.8)
