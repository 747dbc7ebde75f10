"""A cell's measures are scikit-image's, and are defined for every cell there can be."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops
from skimage.segmentation import relabel_sequential

from jaxcell.measures.catalogue import SHAPES
from jaxcell.measures.morphology import measure_cells

COLUMNS = ["y", "x", *SHAPES, "touches_border"]
SAME = {
    "equivalent_diameter_um": "equivalent_diameter_area",
    "major_axis_um": "axis_major_length",
    "minor_axis_um": "axis_minor_length",
}


def _blobs(seed: int, size: int = 160, amount: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Ragged cells of one to some hundred pixels, many cut by the border, and an image."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal((size, size + 30)), 2.5)
    mask = noise > np.quantile(noise, 1 - amount)
    mask |= rng.random(mask.shape) > 0.995
    labels = ndimage.label(mask)[0].astype(np.int32)
    return labels, rng.integers(200, 4096, mask.shape).astype(np.uint16)


def _reference(labels: np.ndarray, image: np.ndarray, pixel_um: float) -> dict[str, list]:
    cells = regionprops(labels, image)
    columns = {
        "y": [cell.centroid[0] for cell in cells],
        "x": [cell.centroid[1] for cell in cells],
        "area_um2": [cell.area * pixel_um**2 for cell in cells],
        "eccentricity": [cell.eccentricity for cell in cells],
        "solidity": [cell.solidity for cell in cells],
        "mean_intensity": [cell.intensity_mean for cell in cells],
        "integrated_intensity": [cell.image_intensity.sum(dtype=float) for cell in cells],
    }
    return columns | {
        ours: [getattr(cell, theirs) * pixel_um for cell in cells] for ours, theirs in SAME.items()
    }


@pytest.mark.parametrize("seed", range(3))
def test_measures_are_those_of_scikit_image(seed):
    labels, image = _blobs(seed)
    measured = measure_cells(labels, image, pixel_um=0.741)
    assert list(measured) == COLUMNS
    reference = _reference(labels, image, 0.741)
    assert len(measured["y"]) == labels.max() > 60
    for name, expected in reference.items():
        np.testing.assert_allclose(measured[name], expected, rtol=2e-5, atol=2e-5, err_msg=name)
        assert measured[name].dtype == np.float32


def test_hulls_of_long_ragged_and_scattered_cells():
    rng = np.random.default_rng(5)
    scattered = np.zeros((300, 90), np.int32)
    for number, share in enumerate((0.02, 0.1, 0.5, 0.9), start=1):
        box = scattered[(number - 1) * 75 : number * 75 - 3]
        box[rng.random(box.shape) < share] = number
    image = np.ones(scattered.shape, np.uint16)
    expected = [cell.solidity for cell in regionprops(scattered)]
    measured = measure_cells(scattered, image, pixel_um=1.0)
    np.testing.assert_allclose(measured["solidity"], expected, rtol=1e-6)


def test_a_disc_and_an_l_by_hand():
    y, x = np.mgrid[:60, :60]
    labels = ((y - 20) ** 2 + (x - 25) ** 2 <= 100).astype(np.int32)
    labels[40:50, 40:43] = 2
    labels[47:50, 43:50] = 2  # an L of 51 px
    image = np.where(labels > 0, 700, 300).astype(np.uint16)
    measured = measure_cells(labels, image, pixel_um=0.5)
    assert (measured["y"][0], measured["x"][0]) == (20, 25)
    assert measured["area_um2"][1] == pytest.approx(51 / 4)
    assert measured["equivalent_diameter_um"][0] == pytest.approx(10, rel=0.01)
    assert measured["major_axis_um"][0] == pytest.approx(10, rel=0.01)
    assert measured["eccentricity"][0] < 1e-3 and measured["eccentricity"][1] > 0.3
    assert measured["solidity"][0] > 0.92 and measured["solidity"][1] < 0.75
    assert measured["mean_intensity"][1] == 700
    assert measured["integrated_intensity"][1] == 51 * 700
    assert measured["intensity_above_background"][1] == 51 * 400
    assert not measured["touches_border"].any()


def test_the_smallest_cells_and_those_at_the_border():
    labels = np.zeros((12, 20), np.int32)
    labels[5, 5] = 1
    labels[7, 3:9] = 2
    labels[2:6, 12] = 3
    labels[0, 0:2] = 4
    labels[11, 10] = 5
    labels[8, 19] = 6
    labels[[9, 10], [15, 16]] = 7  # a diagonal
    measured = measure_cells(labels, np.full((12, 20), 500, np.uint16), pixel_um=2.0)
    assert all(np.isfinite(values).all() for values in measured.values())
    assert measured["area_um2"][0] == 4 and measured["major_axis_um"][0] == 0
    np.testing.assert_array_equal(measured["eccentricity"], [0, 1, 1, 1, 0, 0, 1])
    np.testing.assert_array_equal(measured["solidity"], np.ones(7))
    np.testing.assert_array_equal(measured["minor_axis_um"], np.zeros(7))
    np.testing.assert_array_equal(measured["touches_border"], [0, 0, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(measured["intensity_above_background"], np.zeros(7))


def test_no_cells_one_cell_everywhere_and_saturation():
    none = measure_cells(np.zeros((8, 8), np.int32), np.zeros((8, 8), np.uint16), pixel_um=1.0)
    assert {len(values) for values in none.values()} == {0} and list(none) == COLUMNS
    image = np.full((64, 80), 65535, np.uint16)
    full = measure_cells(np.ones((64, 80), np.int32), image, pixel_um=1.0)
    assert full["solidity"][0] == 1 and full["mean_intensity"][0] == 65535
    # No pixel is left to tell the background from, so it is taken as 0.
    assert full["intensity_above_background"][0] == np.float32(64 * 80 * 65535)


def test_numbering_and_pixel_size_change_nothing_else():
    labels, image = _blobs(7, size=100)
    order = np.random.default_rng(0).permutation(labels.max()) + 1
    renumbered = np.concatenate([[0], order])[labels].astype(np.int32)
    first = measure_cells(labels, image, pixel_um=1.0)
    second = measure_cells(renumbered, image.astype(np.float32), pixel_um=3.0)
    for name, values in first.items():
        factor = {"um": 3, "um2": 9}.get(name.split("_")[-1], 1)
        np.testing.assert_allclose(second[name][order - 1], values * factor, rtol=1e-6)


def test_bad_input_says_what_to_do():
    labels, image = _blobs(0, size=40)
    with pytest.raises(ValueError, match="relabel_sequential"):
        measure_cells(labels * 2, image, pixel_um=1.0)
    gaps = np.where(labels == 2, 0, labels)
    measure_cells(relabel_sequential(gaps)[0], image, pixel_um=1.0)  # the cure it names
    with pytest.raises(ValueError, match="no pixel has 2"):
        measure_cells(gaps, image, pixel_um=1.0)
    broken = image.astype(np.float32)
    broken[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        measure_cells(labels, broken, pixel_um=1.0)
    with pytest.raises(ValueError, match="whole numbers"):
        measure_cells(-labels, image, pixel_um=1.0)
    with pytest.raises(ValueError, match="one grey image"):
        measure_cells(labels, image[:-1], pixel_um=1.0)
    with pytest.raises(ValueError, match="side of a pixel"):
        measure_cells(labels, image, pixel_um=0.0)
