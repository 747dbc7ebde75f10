"""The spectrum is CellProfiler's, written here once more the slow way, and finds sizes."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import dilation, disk, erosion, reconstruction

from jaxcell.measures import granularity
from jaxcell.measures.granularity import _reconstruct, cell_granularity


def _slowly(image, labels, steps, subsample, background_subsample, radius):
    """CellProfiler's steps in its order, in float64; spectra of the cells."""

    def shrink(pixels, shape, share):
        if share == 1:
            return pixels.copy()
        places = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float) / share
        return ndimage.map_coordinates(pixels, places, order=1, mode="nearest")

    def restore(pixels, shape, small_shape):
        places = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
        for axis in range(2):
            places[axis] *= (small_shape[axis] - 1) / (shape[axis] - 1)
        return ndimage.map_coordinates(pixels, places, order=1, mode="nearest")

    image = image.astype(float)
    small = np.array(image.shape) * subsample
    pixels = shrink(image, small, subsample)
    smaller = small * background_subsample
    background = shrink(pixels, smaller, background_subsample)
    background = dilation(erosion(background, disk(radius)), disk(radius))
    if background_subsample < 1:
        background = restore(background, small, smaller)
    pixels = np.maximum(pixels - background, 0)
    numbers = np.arange(1, labels.max() + 1)
    of_cells = [ndimage.mean(image, labels, numbers)]
    eroded = pixels
    for _ in range(steps):
        eroded = erosion(eroded, disk(1))
        left = reconstruction(eroded, pixels, footprint=disk(1))
        full = restore(left, image.shape, small) if subsample < 1 else left
        of_cells.append(ndimage.mean(full, labels, numbers))
    return -100 * np.diff(np.array(of_cells), axis=0).T / of_cells[0][:, None]


def _field(seed: int, shape=(140, 171)) -> tuple[np.ndarray, np.ndarray]:
    """Discs of 2 to 9 px on an uneven, noisy background, and their labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(300 + y, 15)
    mask = np.zeros(shape, bool)
    for radius in rng.uniform(2, 9, 25):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        disc = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        image[disc] += rng.uniform(300, 2000)
        mask |= disc
    return image.clip(0).astype(np.uint16), ndimage.label(mask)[0].astype(np.int32)


@pytest.mark.parametrize(
    "parameters",
    [(16, 0.25, 0.25, 10), (6, 0.5, 0.25, 10), (4, 1.0, 0.25, 5), (3, 0.6, 1.0, 4)],
    ids=["CellProfiler's defaults", "ours", "every pixel", "odd shares"],
)
def test_spectra_are_those_of_cell_profiler(parameters):
    image, labels = _field(0)
    expected = _slowly(image, labels, *parameters)
    assert expected[:, 1:].sum() > 5  # there is something to compare
    cells = cell_granularity(image, labels, *parameters)
    assert cells.dtype == np.float32 and cells.shape == expected.shape
    np.testing.assert_allclose(cells, expected, atol=1e-3)


def test_places_are_sampled_in_parts_to_the_same_spectra(monkeypatch):
    whole = cell_granularity(*_field(2))
    monkeypatch.setattr(granularity, "AT_A_TIME", 200)
    np.testing.assert_array_equal(cell_granularity(*_field(2)), whole)


def test_defaults_are_the_ones_described():
    image, labels = _field(1)
    cells = cell_granularity(image, labels)
    np.testing.assert_array_equal(cells, cell_granularity(image, labels, 6, 0.5, 0.25, 10))
    assert cells.shape == (labels.max(), 6)


@pytest.mark.parametrize("kind", ["noise", "few grey values", "a spiral"])
def test_reconstruction_is_exact(kind):
    rng = np.random.default_rng(2)
    mask = rng.normal(100, 20, (90, 70)).astype(np.float32)
    marker = mask - rng.exponential(15, mask.shape).astype(np.float32)
    if kind == "few grey values":
        mask, marker = np.round(mask / 20), np.round(marker / 20)
    if kind == "a spiral":  # far longer than the sweeps reach
        mask = np.zeros((41, 41), np.float32)
        y, x, step = 0, 0, 40
        for turn in range(38):
            dy, dx = ((0, 1), (1, 0), (0, -1), (-1, 0))[turn % 4]
            for _ in range(step):
                mask[y, x] = 5
                y, x = y + dy, x + dx
            step -= 2 * (turn % 2 == 0 and turn > 0)
        marker = np.zeros_like(mask)
        marker[0, 0] = 3
    marker = np.minimum(marker, mask)
    expected = reconstruction(marker, mask, footprint=disk(1))
    np.testing.assert_array_equal(_reconstruct(marker, mask), expected)
    assert not np.array_equal(expected, marker)


@pytest.mark.parametrize("radius", [2, 4, 5, 7])
def test_a_disc_is_lost_at_the_step_of_its_radius(radius):
    image = np.full((128, 128), 300, np.uint16)
    labels = np.zeros((128, 128), np.int32)
    y, x = np.mgrid[:128, :128]
    for number, centre in enumerate((32, 96), start=1):
        disc = (y - centre) ** 2 + (x - 64) ** 2 <= radius**2
        image[disc], labels[disc] = 1300, number
    cells = cell_granularity(image, labels, 9, 1.0)
    # A cross of radius k fits a disc of radius r as long as k <= r: gone at step r + 1.
    background = 100 * 300 / 1300
    expected = np.zeros((2, 9))
    expected[:, 0], expected[:, radius] = background, 100 - background
    np.testing.assert_allclose(cells, expected, atol=1e-3)


def test_entries_are_shares():
    image, labels = _field(3)
    cells = cell_granularity(image, labels, 12)
    assert (cells[:, 1:] >= -1e-3).all() and (cells.sum(axis=1) <= 100.001).all()
    assert 50 < cells.sum(axis=1).mean()
    brighter = cell_granularity(image.astype(np.float64) * 7, labels, 12)
    np.testing.assert_allclose(brighter, cells, atol=1e-3)


def test_images_without_structure():
    labels = np.zeros((40, 40), np.int32)
    labels[3:9, 3:9], labels[0, 39] = 1, 2
    for value in (0, 700, 65535):
        image = np.full((40, 40), value, np.uint16)
        # All a cell holds is background, which is lost at once; of nothing, nothing is lost.
        expected = np.zeros((2, 6))
        expected[:, 0] = 100 if value else 0
        np.testing.assert_allclose(cell_granularity(image, labels), expected)
    assert cell_granularity(image, np.zeros_like(labels)).shape == (0, 6)
    one = np.ones((1, 1), np.int32)
    assert cell_granularity(np.full((1, 1), 9, np.uint16), one).tolist() == [[100, 0, 0, 0, 0, 0]]


def test_bad_input_says_what_to_do():
    image, labels = _field(4, (40, 40))
    broken = image.astype(np.float32)
    broken[2, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        cell_granularity(broken, labels)
    with pytest.raises(ValueError, match="negative"):
        cell_granularity(image.astype(np.float32) - 2000, labels)
    with pytest.raises(ValueError, match="grey image"):
        cell_granularity(image[None], labels)
    with pytest.raises(ValueError, match="without gaps"):
        cell_granularity(image, labels * 2)
    for wrong in ({"subsample": 0.0}, {"subsample": 2.0}, {"steps": 0}, {"background_radius": 0}):
        with pytest.raises(ValueError, match="subsample|steps"):
            cell_granularity(image, labels, **wrong)
