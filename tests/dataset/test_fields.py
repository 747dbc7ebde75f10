import numpy as np
import pytest

from jaxcell.dataset.fields import resampled
from jaxcell.dataset.immune_cells import ImmuneCellsConfig


def _disc(side=96, radius=20):
    y, x = np.mgrid[:side, :side] + 0.5
    disc = 200 + 2000 * (np.hypot(y - side / 2, x - side / 2) < radius)
    return np.stack([disc, np.full((side, side), 700)], axis=-1).astype(np.uint16)


def test_pixels_that_grow_are_means_over_their_area():
    views = np.random.default_rng(0).integers(0, 4096, (64, 48, 2)).astype(np.uint16)
    means = views.reshape(32, 2, 24, 2, 2).mean(axis=(1, 3))
    found = resampled(views, 0.5)
    assert found.shape == (32, 24, 2) and found.dtype == np.uint16
    assert np.abs(found - means).max() <= 0.5


@pytest.mark.parametrize("zoom", [0.4, 0.5, 1.7, 2.47])
def test_areas_grow_with_the_square_and_a_constant_view_stays(zoom):
    found = resampled(_disc(), zoom)
    assert found.shape[0] == round(96 * zoom) and (found[..., 1] == 700).all()
    assert (found[..., 0] > 1200).sum() == pytest.approx(zoom**2 * np.pi * 20**2, rel=0.03)


def test_the_truth_is_not_resampled():
    with pytest.raises(ValueError, match="--pixel-um"):
        ImmuneCellsConfig(name="t", target="true_iou", from_um=0.3)
    assert ImmuneCellsConfig(name="t", target="iou", from_um=0.3).from_um == 0.3
