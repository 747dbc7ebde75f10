"""Contacts in a real tissue by several ways to find its cells, beside the published ones.

    python -m benchmarks.tissue FOLDER [--json=FILE]

FOLDER holds `component_data.tif`, `binary_seg_maps.tif` and `cells.txt` of the test data of the R
package phenoptr: a multispectral field of a lymphoid tissue, and the cells and kinds of another
program. Published are 14 helper T cells and 23 B cells that touch, in 31 pairs.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from skimage.segmentation import expand_labels

from benchmarks.timing import arguments, keep
from jaxcell.analysis.scores import detection
from jaxcell.cells.packed import cells_of, cells_with_stain, label_packed_cells
from jaxcell.configs import measure
from jaxcell.experiments.measurement.cell_finding import make_cell_finder
from jaxcell.measures import contacts
from jaxcell.measures.field import CONTACT_UM, Field

PIXEL_UM = 0.497
# Pages of the stains; what is left is the light of the tissue itself.
CYTOTOXIC, B, NUCLEI, HELPER = 0, 2, 3, 4
# Counts a unit of a component: enough that rounding does not matter.
COUNTS = 100
SETTINGS = [
    {"smoothing_um": smoothing, "neck": neck}
    for smoothing in (0.5, 0.75, 1.0)
    for neck in (0.9, 0.925, 0.95)
]
Found = tuple[str, np.ndarray | None, np.ndarray, np.ndarray]  # words, all cells, helper, B


def published(folder: Path) -> tuple[np.ndarray, pd.Series]:
    """The other program's cells, int32 [H, W], each with its membrane, and their kinds."""
    nuclei, cytoplasm, membrane = tifffile.imread(folder / "binary_seg_maps.tif", key=[1, 2, 3])
    cells = np.where(nuclei > 0, nuclei, cytoplasm).astype(np.int32)
    cells = np.where((membrane > 0) | (cells > 0), expand_labels(cells, 1.5), 0)
    table = pd.read_csv(folder / "cells.txt", sep="\t", encoding="latin1")
    return cells, table.set_index("Cell ID")["Phenotype"].reindex(np.arange(1, cells.max() + 1))


def by_stain(cells: np.ndarray, stains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Helper T cells and B cells of all cells, by their stains."""
    helper, cytotoxic = (cells_with_stain(cells, stains[page]) for page in (HELPER, CYTOTOXIC))
    return cells_of(cells, helper & ~cytotoxic), cells_of(cells, ~helper & ~cytotoxic)


def ways(stains: np.ndarray, cells: np.ndarray, kinds: pd.Series) -> Iterator[Found]:
    """Every way to find the cells."""
    pair = (cells_of(cells, (kinds == name).to_numpy()) for name in ("Helper T", "B"))
    yield "published cells and kinds", cells, *pair
    yield "published cells, kinds by stain", cells, *by_stain(cells, stains)
    for words, pages in (
        ("packed cells, B membranes", [B]),
        ("packed cells, all membranes", [B, HELPER, CYTOTOXIC]),
        ("packed cells, nuclei alone", []),
    ):
        own = label_packed_cells(stains[NUCLEI], stains[pages], pixel_um=PIXEL_UM)
        yield words, own, *by_stain(own, stains)
    for setting in SETTINGS:
        own = label_packed_cells(stains[NUCLEI], stains[[B]], pixel_um=PIXEL_UM, **setting)
        words = f"packed cells, smoothed {setting['smoothing_um']} um, neck {setting['neck']}"
        yield words, own, *by_stain(own, stains)
    counts = np.rint(COUNTS * stains[[HELPER, B]]).astype(np.uint16)
    for method, scope in (("instrument", "field"), ("two_means", "field"), ("mean_sd", "field")):
        config = measure.get_config()
        config.plates.pixel_um = PIXEL_UM
        config.dataset.update({"mask_method": method, "mask_scope": scope})
        labels = make_cell_finder(config)(np.ascontiguousarray(np.moveaxis(counts, 0, -1)))[1]
        yield f"jaxcell measure, {method} of the two stains", None, *labels


def main() -> None:
    """Counts, prints a table and keeps the figures."""
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    with tifffile.TiffFile(given.folder / "component_data.tif") as file:
        stains = np.stack([page.asarray() for page in file.pages[:5]])
    cells, kinds = published(given.folder)
    rows = []
    for words, own, helper, b_cells in ways(stains, cells, kinds):
        field = Field(None, None, [helper, b_cells].__getitem__, PIXEL_UM, CONTACT_UM)
        found = contacts.record(field)
        scores = {} if own is None else detection.scores(detection.match(cells, own))
        rows.append({
            "way": words,
            "cells": None if own is None else int(own.max()),
            "f1": scores.get("f1"),
            "helper": int(helper.max()),
            "b": int(b_cells.max()),
            "helper_touching": int((found.dendritic_cells_in_contact > 0).sum()),
            "b_touching": int((found.t_cells_in_contact > 0).sum()),
            "pairs": len(found.pairs),
        })  # fmt: skip
    print(pd.DataFrame(rows).to_string(index=False, na_rep="-", float_format="{:.2f}".format))
    keep({"ways": rows}, given.json)


if __name__ == "__main__":
    main()
