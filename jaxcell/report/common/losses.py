"""Loss curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from jaxcell.report.common import style


def series(rows: Sequence[Mapping], key: str) -> pd.Series:
    """The finite values of one key of metrics.jsonl by epoch, in its order."""
    table = pd.DataFrame(rows).reindex(columns=["epoch", key]).astype(float)
    table = table.replace([np.inf, -np.inf], np.nan).dropna()
    return table.set_index("epoch")[key].sort_index()


def draw_losses(axes: Axes, rows: Sequence[Mapping]) -> None:
    """Draws training and validation loss, on a log scale where they fall by factors.

    Args:
      axes: where to draw.
      rows: of metrics.jsonl, each with `epoch` and some of `train_loss`, `validation_loss`.
    """
    losses = {name: series(rows, f"{name}_loss") for name in ("train", "validation")}
    looks = ((style.BLUE, "-", "training"), (style.VERMILION, "--", "validation"))
    for loss, (colour, line, label) in zip(losses.values(), looks):
        few = "o" if len(loss) < 25 else None
        axes.plot(loss.index, loss, color=colour, ls=line, label=label, marker=few, ms=3)
    values = pd.concat(losses.values())
    if values.max() > 20 * values.min() > 0:
        style.set_scale(axes, values, wide=1)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right")
