"""The camera's counts in the dark, found again from fields under an uneven lamp."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from jaxcell.dataset.dark_level import Cells, bright_cells, dark_level
from jaxcell.dataset.flat_field import estimate_flat_field
from jaxcell.simulator.field import Well, simulate_field
from jaxcell.simulator.light import Light, draw_lamp, lamp_profile

CASE = Path(__file__).parents[3] / "shared" / "data" / "cases" / "camera_offset_flat_field"
OFFSETS = (0, 48, 100, 1000, 32768)
SIZE, FIELDS = 320, 16


@pytest.fixture(scope="module")
def plate() -> tuple[np.ndarray, np.ndarray]:
    """The T-cell view of a plate's fields without an offset, uint16 [N, H, W], and its lamp."""
    rng = np.random.default_rng(5)
    lamps = tuple(draw_lamp(rng, 0.4) for _ in range(3))
    light = Light(lamps=lamps, offset=0.0)
    fields = []
    for _ in range(FIELDS):
        glow = 230 * np.exp(0.3 * rng.standard_normal())
        well = Well(0.3, background=(glow, glow))
        fields.append(simulate_field(rng, SIZE, 0.3, well=well, light=light).views[0])
    lamp = lamp_profile(lamps[0], SIZE)
    return np.stack(fields), lamp / lamp.mean()


@pytest.mark.parametrize("offset", OFFSETS)
def test_the_light_is_found_whatever_the_cameras_offset(plate, offset):
    fields, lamp = plate
    found = estimate_flat_field(fields + np.uint16(offset))
    assert found.dark == pytest.approx(offset, abs=40)
    share = np.polyfit(lamp.ravel() - 1, found.light.ravel() - 1, 1)[0]
    assert share == pytest.approx(0.95, abs=0.15)


def test_a_scale_of_counts_changes_nothing_and_a_known_level_is_taken(plate):
    fields, lamp = plate
    found = estimate_flat_field(fields + np.uint16(100))
    scaled = estimate_flat_field(8 * (fields + np.uint16(100)))
    assert scaled.dark == pytest.approx(8 * found.dark, rel=0.02)
    known = estimate_flat_field(fields + np.uint16(100), 100.0)
    assert known.dark == 100 and np.std(known.light / lamp) < 0.05


def _shaded(levels: np.ndarray, dark: float) -> tuple[np.ndarray, np.ndarray]:
    """Backgrounds of blocks under a lamp that falls off to one side, and that lamp."""
    rng = np.random.default_rng(0)
    lamp = np.linspace(1.3, 0.7, 12)[:, None] * np.ones(12)
    return dark + levels[:, None, None] * lamp + rng.normal(0, 1, (len(levels), 12, 12)), lamp


def _cells(lamp: np.ndarray, count: int) -> Cells:
    rng = np.random.default_rng(count)
    y, x = rng.uniform(0, 1, (2, count))
    light = 500 * lamp[(12 * y).astype(int), 0] * rng.lognormal(0, 0.2, count)
    return Cells(y, x, light)


def test_fields_of_several_levels_tell_it_without_any_cell():
    backgrounds, _ = _shaded(np.linspace(100, 400, 12), 1000.0)
    assert dark_level(backgrounds, [Cells(*np.zeros((3, 0)))] * 12) == pytest.approx(1000, abs=8)


def test_cells_tell_it_where_all_fields_are_of_one_level():
    backgrounds, lamp = _shaded(np.full(12, 200.0), 1000.0)
    cells = [_cells(lamp, 40 + number) for number in range(12)]
    assert dark_level(backgrounds, cells) == pytest.approx(1000, abs=20)


def test_where_nothing_tells_it_the_light_is_rather_corrected_too_little():
    backgrounds, _ = _shaded(np.full(12, 200.0), 1000.0)
    nothing = [Cells(*np.zeros((3, 0)))] * 12
    assert 0 <= dark_level(backgrounds, nothing) <= backgrounds.min()
    assert dark_level(np.full((8, 4, 4), 700.0), nothing[:8]) == 0
    # Darker than nothing is no camera.
    assert dark_level(_shaded(np.linspace(100, 400, 12), 0.0)[0], nothing) < 8


def test_cells_are_found_where_they_are_and_as_bright_as_they_are():
    rng = np.random.default_rng(0)
    field = rng.normal(1000, 5, (160, 160))
    field[40:50, 80:90] += 600
    field[120:130, 20:30] += 300
    cells = bright_cells(field.astype(np.uint16), np.full((10, 10), 1000.0))
    order = np.argsort(cells.light)[::-1]
    np.testing.assert_allclose(cells.light[order], [600, 300], atol=10)
    np.testing.assert_allclose(160 * cells.y[order], [45, 125], atol=4)
    np.testing.assert_allclose(160 * cells.x[order], [85, 25], atol=4)


@pytest.mark.skipif(not CASE.exists(), reason="the case is not there")
@pytest.mark.parametrize("offset", OFFSETS)
def test_the_public_case_of_a_camera_with_another_offset(offset):
    y, x = np.mgrid[-1:1:320j, -1:1:320j]
    lamp = 1 - 0.25 * (x * x + y * y)
    lamp /= lamp.mean()
    fields = [tifffile.imread(CASE / f"f{number}.tif").astype(int) for number in range(8)]
    found = estimate_flat_field((field - 1000 + offset).astype(np.uint16) for field in fields)
    assert found.dark == pytest.approx(offset, abs=15)
    share = np.polyfit(lamp.ravel() - 1, found.light.ravel() - 1, 1)[0]
    assert share == pytest.approx(0.95, abs=0.05)
