"""What can be learnt of a patch: the measures of interaction, and the morphology of its cells.

Named are the measures of `catalogue.MEASURES` and, for either kind of cell, `t_cell_` or
`dendritic_cell_` with `count`, with one of `SHAPES` (`t_cell_area_um2`) or with `granularity_1` to
`granularity_6`. But for the count these are means over the cells of a patch.
"""

import numpy as np

from jaxcell.cells.labelling import label_cells
from jaxcell.measures import well
from jaxcell.measures.catalogue import MEASURES, Measure
from jaxcell.measures.granularity import STEPS, SUBSAMPLE, cell_granularity
from jaxcell.measures.morphology import MORPHOLOGY, measure_cells

# kind -> one in a compound word, several; in the order of the views.
KINDS = {"t_cell": ("T-cell", "T cells"), "dendritic_cell": ("DC", "DCs")}
# Of where a cell lies the mean says nothing.
SHAPES = [name for name in MORPHOLOGY if name not in ("y", "x", "touches_border")]
# What the definition of a column alone does not say; others start at 0 and have no end.
BOUNDS = {
    "eccentricity": (0, 1),
    "solidity": (0, 1),
    "intensity_above_background": (None, None),
    # A little below 0 where resampling smears light into a cell.
    "granularity_1": (None, 100),
    **{f"granularity_{step}": (0, 100) for step in range(2, STEPS + 1)},
}
SPECTRUM = {
    f"granularity_{step}": (
        "%",
        f"light lost with structures of radius {step / SUBSAMPLE:g} px, step {step} of the "
        "granularity spectrum as CellProfiler defines it",
    )
    for step in range(1, STEPS + 1)
}


def _of_cells(one: str, several: str) -> dict[str, Measure]:
    """The measures of one kind of cell, by column."""
    described = {
        "count": Measure(
            f"number of {several}", "", 0, None, f"Number of {several} in a patch, cut ones too."
        )
    }
    columns = {name: MORPHOLOGY[name] for name in SHAPES} | SPECTRUM
    for column, (unit, definition) in columns.items():
        words = column.removesuffix("_um2").removesuffix("_um").replace("_", " ")
        described[column] = Measure(
            f"{one} {words}, mean",
            unit,
            *BOUNDS.get(column, (0, None)),
            f"Mean over the {several} of a patch, 0 without any: {definition}.",
        )
    return described


# name -> view, column, measure.
_CELLS = {
    f"{kind}_{column}": (view, column, measure)
    for view, (kind, words) in enumerate(KINDS.items())
    for column, measure in _of_cells(*words).items()
}
TARGETS: dict[str, Measure] = MEASURES | {name: entry[2] for name, entry in _CELLS.items()}


def check_target(name: str) -> None:
    """Checks that a target exists.

    Args:
      name: of `TARGETS`.

    Raises:
      ValueError: it does not.
    """
    if name not in TARGETS:
        raise ValueError(
            f"target {name!r} is not one of {', '.join(MEASURES)}, nor of the morphology of cells, "
            "such as t_cell_area_um2: the head of jaxcell/measures/patch.py says all names"
        )


def measure_patches(
    patches: np.ndarray, masks: np.ndarray, name: str, *, pixel_um: float
) -> np.ndarray:
    """Computes one target of each patch, and only what that needs.

    Cells are labelled in each patch by itself; one cut by its border counts as a cell, by the part
    that is inside. A patch without cells of the kind has count 0 and means 0, in every unit. A
    granularity takes some 40 ms a patch of 192 x 192, anything else a few.

    Args:
      patches: uint16 [N, H, W, 2], raw counts of the T-cell and the dendritic-cell view.
      masks: bool [N, H, W, 2], True inside cells.
      name: of `TARGETS`.
      pixel_um: width of a pixel.

    Returns:
      float32 [N], in the unit of `TARGETS[name]`.

    Raises:
      ValueError: there is no such target, `pixel_um` is not positive, or, of measures by chance,
        the patches are too small to be shifted.

    Source: `measures.measure_patches`, `morphology.measure_cells`, `granularity.cell_granularity`.
    """
    check_target(name)
    if name in MEASURES:
        return well.measure_patches(patches, masks, name, pixel_um=pixel_um)
    view, column, _ = _CELLS[name]
    images, inside = (np.ascontiguousarray(values[..., view]) for values in (patches, masks))
    measured = (
        _measure_cells(image, label_cells(mask), column, pixel_um)
        for image, mask in zip(images, inside)
    )
    return np.fromiter(measured, np.float32, len(images))


def _measure_cells(image: np.ndarray, labels: np.ndarray, column: str, pixel_um: float) -> float:
    """Number of the cells, or mean of a column over them; 0 without any."""
    count = labels.max(initial=0)
    if column == "count" or count == 0:
        return float(count)
    if column in SPECTRUM:
        step = int(column.removeprefix("granularity_"))
        values = cell_granularity(image, labels, step)[:, -1]
    else:
        values = measure_cells(labels, image, pixel_um=pixel_um)[column]
    return values.mean(dtype=np.float64)
