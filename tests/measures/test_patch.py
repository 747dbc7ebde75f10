"""What can be learnt of a patch: the mean over its cells, as the table of cells has them."""

import numpy as np
import pytest

from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.labelling import label_cells
from jaxcell.measures.catalogue import CELL_MEANS, MEASURES, SHAPES, TARGETS, TRUTHS
from jaxcell.measures.granularity import cell_granularity
from jaxcell.measures.morphology import measure_cells
from jaxcell.measures.patch import check_target, measure_patches
from jaxcell.simulator.field import simulate_field

PIXEL_UM = 0.741
OF_CELLS = sorted({*CELL_MEANS, "t_cells", "dendritic_cells"})
PLACE = {"y", "x", "touches_border"}


@pytest.fixture(scope="module")
def patches() -> tuple[np.ndarray, np.ndarray]:
    """Four patches of a field and their masks, uint16 and bool [4, 128, 128, 2]."""
    random = np.random.default_rng(3)
    field = simulate_field(random, 256, 0.3, droplet_share=0)
    cut = [np.s_[:, y : y + 128, x : x + 128] for y in (0, 128) for x in (0, 128)]
    images = np.stack([np.moveaxis(field.views[:2][window], 0, -1) for window in cut])
    return images, np.stack([np.moveaxis(field.labels[window] > 0, 0, -1) for window in cut])


def _columns(image: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Every column of the cells of one view."""
    labels = label_cells(mask)
    columns = measure_cells(labels, image, pixel_um=PIXEL_UM)
    spectrum = cell_granularity(image, labels)
    return columns | {f"granularity_{step}": spectrum[:, step - 1] for step in range(1, 7)}


def test_every_column_of_both_kinds_is_a_target_and_says_what_it_is():
    columns = set(SHAPES) | {f"granularity_{step}" for step in range(1, 7)}
    assert set(CELL_MEANS) == {f"{kind}_{column}" for kind in VIEWS for column in columns}
    assert set(TARGETS) == set(CELL_MEANS) | set(MEASURES) | set(TRUTHS)
    words = {name: measure.quantity for name, measure in TARGETS.items()}
    assert len({quantity.label for quantity in words.values()}) == len(TARGETS)
    for name, quantity in words.items():
        assert quantity.name == name and quantity.label and quantity.definition.endswith(".")
    assert words["t_cell_area_um2"].label == "T-cell area, mean"
    assert words["t_cell_area_um2"].unit == "µm²"
    assert "0 without any" in words["dendritic_cell_solidity"].definition
    assert "radius 4 px" in words["t_cell_granularity_2"].definition


@pytest.mark.parametrize("view, kind", list(enumerate(VIEWS)))
def test_targets_are_means_over_the_cells_of_a_patch(patches, view, kind):
    tables = [_columns(image, mask) for image, mask in zip(*(each[..., view] for each in patches))]
    counts = [len(table["y"]) for table in tables]
    assert max(counts) > 1
    for column in set(tables[0]) - PLACE:
        name = f"{kind}_{column}"
        found = measure_patches(*patches, name, pixel_um=PIXEL_UM)
        expected = [sum(map(float, table[column])) / max(len(table["y"]), 1) for table in tables]
        assert found.dtype == np.float32 and found.shape == (4,)
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)
        bounds = TARGETS[name].quantity[3:5]
        assert bounds[0] is None or (found >= bounds[0]).all()
        assert bounds[1] is None or (found <= bounds[1]).all()
    found = measure_patches(*patches, f"{kind}s", pixel_um=PIXEL_UM)
    np.testing.assert_array_equal(found, np.float32(counts))


def test_by_hand():
    """Two T cells, 8 x 8 of 300 and 4 x 8 of 600 counts at the border, on 100; one DC."""
    patch, mask = np.full((1, 64, 64, 2), 100, np.uint16), np.zeros((1, 64, 64, 2), bool)
    for y, height, count in ((20, 8, 300), (0, 4, 600)):
        patch[0, y : y + height, 20:28, 0], mask[0, y : y + height, 20:28, 0] = count, True
    patch[0, 40:50, 40:50, 1], mask[0, 40:50, 40:50, 1] = 1100, True
    expected = {
        "t_cells": 2,
        "t_cell_area_um2": 4 * 48,
        "t_cell_mean_intensity": 450,
        "t_cell_integrated_intensity": (64 * 300 + 32 * 600) / 2,
        "t_cell_intensity_above_background": (64 * 200 + 32 * 500) / 2,
        "t_cell_solidity": 1,
        "dendritic_cells": 1,
        "dendritic_cell_area_um2": 4 * 100,
        "dendritic_cell_mean_intensity": 1100,
        "dendritic_cell_eccentricity": 0,
    }
    for name, value in expected.items():
        found = measure_patches(patch, mask, name, pixel_um=2.0)
        np.testing.assert_allclose(found, [value], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", OF_CELLS)
def test_patches_without_cells_are_0_and_full_ones_finite(name):
    levels = (0, 300, 65535)
    bare = np.stack([np.full((48, 48, 2), level, np.uint16) for level in levels])
    found = measure_patches(bare, np.zeros(bare.shape, bool), name, pixel_um=PIXEL_UM)
    np.testing.assert_array_equal(found, np.zeros(3, np.float32))
    full = measure_patches(bare, np.ones(bare.shape, bool), name, pixel_um=PIXEL_UM)
    assert np.isfinite(full).all()
    assert measure_patches(bare[:0], bare[:0] > 0, name, pixel_um=PIXEL_UM).shape == (0,)


@pytest.mark.parametrize("view, kind", list(enumerate(VIEWS)))
def test_a_kind_does_not_need_the_other(patches, view, kind):
    images, masks = (values.copy() for values in patches)
    images[..., 1 - view], masks[..., 1 - view] = 65535, False
    for column in ("area_um2", "intensity_above_background"):
        alone = measure_patches(images, masks, f"{kind}_{column}", pixel_um=PIXEL_UM)
        both = measure_patches(*patches, f"{kind}_{column}", pixel_um=PIXEL_UM)
        np.testing.assert_array_equal(alone, both)


@pytest.mark.parametrize("name", ["t_cell", "t_cell_y", "area_um2", "t_cell_granularity_7"])
def test_an_unknown_target_is_an_error_that_says_where_all_stand(patches, name):
    with pytest.raises(ValueError, match=f"{name}' is not one of iou, .*measures/catalogue.py"):
        measure_patches(*patches, name, pixel_um=PIXEL_UM)
    with pytest.raises(ValueError, match="such as t_cell_area_um2"):
        check_target(name)


def test_a_pixel_without_width_is_an_error(patches):
    with pytest.raises(ValueError, match="side of a pixel"):
        measure_patches(*patches, "t_cell_area_um2", pixel_um=0.0)
