"""Cells in transmitted light: what tells the kinds apart, and that stains know nothing of it."""

import numpy as np
import pytest

from jaxcell.dataset.unstained_fields import relative_light
from jaxcell.simulator.field import Well, simulate_field
from jaxcell.simulator.plates import simulate_plates

SIZE = 512


def _field(**well):
    return simulate_field(
        np.random.default_rng(4), SIZE, 0.0, well=Well(0.0, **well), droplet_share=0.0
    )


@pytest.fixture(scope="module")
def lymphocytes():
    """T cells alone, and unstained cells alone."""
    t_cells = _field(t_cells=400, dendritic_cells=0, unstained_cells=0)
    return t_cells, _field(t_cells=0, dendritic_cells=0, unstained_cells=400)


def _profile(field, radius=7):
    """Mean light around the centres of cells by distance in pixels."""
    view = field.views[2].astype(float)
    view /= np.median(view)
    reach = np.arange(-radius, radius + 1)
    distance = np.hypot(*np.meshgrid(reach, reach))
    crops = [
        view[y - radius : y + radius + 1, x - radius : x + radius + 1]
        for y, x in field.cells[["y", "x"]].to_numpy().round().astype(int)
        if radius < y < SIZE - radius - 1 and radius < x < SIZE - radius - 1
    ]
    mean = np.mean(crops, axis=0)
    return [mean[(distance >= r - 0.5) & (distance < r + 0.5)].mean() for r in range(radius)]


def test_t_cells_are_dark_discs_in_a_bright_ring(lymphocytes):
    profile = _profile(lymphocytes[0])
    # As around T cells of the real field with a brightfield view: 0.8 within, 1.03 around.
    assert 0.7 < np.mean(profile[:3]) < 0.9
    assert 1.0 < profile[6] < 1.1


def test_dendritic_cells_are_pale_and_reach_beyond_their_outline():
    field = _field(t_cells=0, dendritic_cells=300, unstained_cells=0)
    profile = _profile(field)
    assert 0.85 < np.mean(profile[:4]) < 0.97
    rough = np.abs(relative_light(field.views[2]))
    beyond = np.zeros((SIZE, SIZE), bool)
    for y, x, width in field.cells[["y", "x", "diameter_um"]].to_numpy():
        rows, columns = np.ogrid[:SIZE, :SIZE]
        q = np.hypot(rows - y, columns - x) / (width / 0.741 / 2)
        beyond |= (q > 1.15) & (q < 1.4)
    beyond &= field.labels[1] == 0
    far = np.ones((SIZE, SIZE), bool)
    far[field.labels[1] > 0] = False
    assert rough[beyond].mean() > 1.5 * np.median(rough[far])


def test_unstained_cells_show_in_brightfield_alone_and_look_like_t_cells(lymphocytes):
    t_cells, unstained = lymphocytes
    assert unstained.views[2].std() == pytest.approx(t_cells.views[2].std(), rel=0.25)
    assert not unstained.labels.any()
    assert unstained.views[0].std() < 0.3 * t_cells.views[0].std()


def test_the_same_seed_gives_the_same_brightfield(lymphocytes):
    again = _field(t_cells=400, dendritic_cells=0, unstained_cells=0)
    np.testing.assert_array_equal(again.views, lymphocytes[0].views)


def test_unstained_cells_have_labels_of_their_own(lymphocytes, tmp_path):
    t_cells, unstained = lymphocytes
    assert not t_cells.unstained.any() and 10 < unstained.unstained.max() < 60
    for count in (None, 800.0):
        folder = tmp_path / str(count)
        simulate_plates(folder, rows=1, columns=3, field_size=64, unstained_cells=count)
        found = list(folder.rglob("*unstained.tif"))
        assert len(found) == (3 if count else 0)
