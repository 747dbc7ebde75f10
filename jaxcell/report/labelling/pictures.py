"""Pictures of a patch for a person to look at: both views in colour, and each alone in grey."""

from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from jaxcell.cells.kinds import VIEWS
from jaxcell.report.common.images import DEFAULT_COLOURS, colour_image
from jaxcell.report.common.outlines import brightness


def write_pictures(
    folder: Path,
    name: str,
    counts: np.ndarray,
    scale: tuple[np.ndarray, np.ndarray],
    *,
    enlarged: int = 4,
    colours: str = DEFAULT_COLOURS,
) -> None:
    """Writes `NAME_both.png` and, of each view, `NAME_KIND.png`.

    Args:
      folder: where to; created.
      name: of the patch.
      counts: uint16 [H, W, 2], raw counts of the T-cell and the dendritic-cell view.
      scale: counts that are drawn as black and as full light, of each view.
      enlarged: pixels of the picture a pixel of the camera.
      colours: as `colour_image` takes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    light = brightness(counts, *scale).repeat(enlarged, 0).repeat(enlarged, 1)
    imsave(folder / f"{name}_both.png", colour_image(light, colours))
    for view, kind in enumerate(VIEWS):
        imsave(folder / f"{name}_{kind}.png", light[..., view], cmap="gray", vmin=0, vmax=1)
