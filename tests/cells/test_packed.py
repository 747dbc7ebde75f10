"""Packed cells are parted where a mask is one piece, and a real tissue's contacts come near."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage
from skimage.segmentation import expand_labels

from jaxcell.analysis.scores import detection
from jaxcell.cells.packed import cells_of, cells_with_stain, label_packed_cells
from jaxcell.measures import contacts
from jaxcell.measures.field import Field

PIXEL_UM = 0.5
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "tissue.md"


@pytest.fixture(scope="module")
def tissue():
    """Cells packed like bricks: true labels, nuclei and membranes, blurred and noisy."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:240, :240]
    centres = [
        (row * 17 + 10 + random.normal(0, 0.7), column * 19 + 10 + row % 2 * 9)
        for row in range(14)
        for column in range(12)
    ]
    distance = np.stack([np.hypot(y - cy, x - cx) for cy, cx in centres])
    labels = distance.argmin(axis=0) + 1
    nearest, second = np.sort(distance, axis=0)[:2]
    nuclei = (nearest < 7.5) * random.uniform(0.7, 1.3, len(centres))[labels - 1]
    membranes = np.exp(-(((second - nearest) / 2.5) ** 2))
    nuclei, membranes = (ndimage.gaussian_filter(each, 1.3) for each in (nuclei, membranes))
    noise = 0.03 * random.standard_normal((2, *labels.shape))
    return labels, nuclei + noise[0] + 0.1, membranes + noise[1] + 0.1


def test_packed_cells_are_found_one_by_one(tissue):
    truth, nuclei, membranes = tissue
    found = label_packed_cells(nuclei, [membranes], pixel_um=PIXEL_UM)
    scores = detection.scores(detection.match(truth, found))
    assert scores["f1"] > 0.95 and found.dtype == np.int32
    assert ndimage.label(membranes > membranes.mean())[1] < 10
    # The unit of a stain does not matter, nor does a stain that shows nothing.
    again = label_packed_cells(300 * nuclei, [7 * membranes, 0 * nuclei], pixel_um=PIXEL_UM)
    np.testing.assert_array_equal(found, again)


def test_half_the_pixel_is_the_same_cells(tissue):
    truth, *stains = tissue
    large = [ndimage.zoom(stain, 2, order=1) for stain in stains]
    found = label_packed_cells(large[0], large[1:], pixel_um=PIXEL_UM / 2)
    assert detection.scores(detection.match(ndimage.zoom(truth, 2, order=0), found))["f1"] > 0.9


def test_cells_with_a_stain_are_told_from_those_without(tissue):
    truth, *_ = tissue
    random = np.random.default_rng(1)
    carries = random.random(truth.max()) < 0.1
    stain = np.where(carries[truth - 1], 30.0, 5.0) + random.normal(0, 4, truth.shape)
    np.testing.assert_array_equal(cells_with_stain(truth, stain), carries)
    chosen = cells_of(truth, carries)
    assert chosen.max() == carries.sum()
    np.testing.assert_array_equal(chosen > 0, carries[truth - 1])
    assert not len(cells_with_stain(np.zeros((4, 4), int), np.ones((4, 4))))


def test_stains_of_other_fields_are_refused():
    with pytest.raises(ValueError, match="registered stains"):
        label_packed_cells(np.ones((9, 9)), [np.ones((9, 8))], pixel_um=0.5)
    with pytest.raises(ValueError, match="width of a pixel"):
        label_packed_cells(np.ones((9, 9)), [], pixel_um=0)


def _counts(t_cells, b_cells, pixel_um, contact_um=1.5):
    found = contacts.record(Field(None, None, [t_cells, b_cells].__getitem__, pixel_um, contact_um))
    return (*(len(np.unique(side)) for side in found.pairs.T), len(found.pairs))


def test_contacts_of_the_published_cells_are_the_published_ones(shared_data):
    folder = shared_data / "tissue"
    nuclei, cytoplasm, membrane = tifffile.imread(folder / "binary_seg_maps.tif", key=[1, 2, 3])
    cells = np.where(nuclei > 0, nuclei, cytoplasm).astype(np.int32)
    # A membrane pixel belongs to one of its neighbours.
    cells = np.where((membrane > 0) | (cells > 0), expand_labels(cells, 1.5), 0)
    table = pd.read_csv(folder / "cells.txt", sep="\t", encoding="latin1")
    kind = table.set_index("Cell ID")["Phenotype"].reindex(np.arange(1, cells.max() + 1))
    pair = [cells_of(cells, (kind == name).to_numpy()) for name in ("Helper T", "B")]
    assert _counts(*pair, 0.497) == (14, 23, 31)


def test_the_documented_way_comes_near_the_published_contacts(shared_data, monkeypatch):
    code = re.search(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)[1]
    monkeypatch.chdir(shared_data / "tissue")
    scope: dict = {}
    exec(compile(code, str(HOW_TO), "exec"), scope)
    # Published: 14 of 15 helper T cells, 23 of 249 B cells, 31 pairs.
    assert 250 <= scope["cells"].max() <= 300
    t_cells, b_cells, pairs = _counts(scope["helper"], scope["b_cells"], 0.497)
    assert 9 <= t_cells <= 14 and 18 <= b_cells <= 28 and 21 <= pairs <= 36
