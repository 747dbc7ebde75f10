"""What a network without stain is shown: light that no lamp or camera changes, and stains back."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from jaxcell.dataset.crops import train_crops
from jaxcell.dataset.truth import read_labels
from jaxcell.dataset.unstained_fields import (
    prepare_unstained,
    read_unstained,
    relative_light,
    scaled_stain,
    stain_counts,
    unstained_table,
)
from jaxcell.plates.folder import read_plates
from jaxcell.plates.images import read_view
from jaxcell.simulator.plates import simulate_plates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}
LEVELS = ((200.0, 2500.0), (150.0, 1800.0))


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unstained") / "plates"
    simulate_plates(folder, rows=4, columns=6, field_size=128, seed=3)
    return read_plates(folder, VIEWS)


def _brightfield():
    random = np.random.default_rng(0)
    cells = ndimage.gaussian_filter(random.standard_normal((256, 256)), 2)
    return (1000 * (1 + 0.3 * cells / cells.std() / 3)).astype(np.float32)


def test_neither_gain_nor_lamp_nor_shade_reaches_the_network():
    view = _brightfield()
    plain = relative_light(view)
    np.testing.assert_allclose(relative_light(4 * view), plain, atol=1e-4)
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    lit = relative_light(view * (1 + 0.4 * y - 0.2 * x * x))
    inside = np.s_[32:-32, 32:-32]
    assert np.corrcoef(lit[inside].ravel(), plain[inside].ravel())[0, 1] > 0.99


def test_what_is_darker_than_its_surroundings_is_below_zero():
    view = np.full((128, 128), 1300, np.uint16)
    view[60:68, 60:68] = 900
    found = relative_light(view)
    assert found[64, 64] < -0.5 and abs(float(found[10, 10])) < 0.05
    assert np.isfinite(relative_light(np.zeros((64, 60), np.uint16))).all()


def test_stains_come_back_from_what_the_network_draws():
    counts = np.random.default_rng(1).integers(0, 4096, (40, 30, 2)).astype(np.uint16)
    scaled = np.asarray(scaled_stain(counts, LEVELS))
    assert scaled[counts[..., 0] == 200].size == 0 or np.allclose(
        scaled[..., 0][counts[..., 0] == 200], 0
    )
    back = stain_counts(scaled, LEVELS).astype(int)
    assert np.abs(back - counts).max() <= 1
    assert np.isclose(np.asarray(scaled_stain(np.array([[2500, 1800]]), LEVELS)), 1).all()


def test_fields_keep_their_truth_and_wells_their_split(plates):
    fields = read_unstained(plates, ("brightfield",), 0, side=144)
    assert fields.image.shape == (24, 144, 144, 1) and fields.stain.shape == (24, 144, 144, 2)
    assert set(fields.table["split"]) == {"train", "validation", "test"}
    row = fields.table.iloc[5]
    labels = read_labels(row)
    shown = fields.shown[5, :128, :128, 0]
    np.testing.assert_array_equal((shown & 1) > 0, labels[..., 0] > 0)
    np.testing.assert_array_equal((shown & 2) > 0, labels[..., 1] > 0)
    np.testing.assert_array_equal(fields.stain[5, :128, :128, 0], read_view(row.t_cell))
    assert not fields.stain[:, 128:].any()
    dark, bright = fields.levels[0]
    assert 0 < dark < bright


def test_crops_of_image_stain_and_truth_are_turned_alike(plates):
    fields = read_unstained(plates, ("t_cell",), 0, side=64)
    data = {"image": fields.image, "stain": fields.stain, "shown": fields.shown}
    raw = next(train_crops(fields.rows("train"), fields.sizes, 64, 8, seed=2)(0))
    raw |= {"gain": np.ones(8, np.float32), "noise": np.zeros(8, np.float32)}
    batch = prepare_unstained(64, fields.levels)(data, raw)
    for image, stain in zip(np.asarray(batch["image"]), np.asarray(batch["stain"])):
        # Here the network is shown the T cells' stain itself.
        assert spearmanr(image[..., 0].ravel(), stain[..., 0].ravel()).statistic > 0.999
    assert set(np.unique(batch["shown"])) <= {0, 1, 2, 3}


def test_a_field_without_a_view_is_named(plates):
    lacking = plates._replace(
        images=plates.images[
            ~((plates.images["well"] == "C04") & (plates.images["role"] == "brightfield"))
        ]
    )
    with pytest.raises(ValueError, match="C04, field 1 has no brightfield view"):
        unstained_table(lacking, ("brightfield",), 0)
