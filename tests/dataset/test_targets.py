"""How cells are found and what is learnt of them: each choice gives what it says."""

import numpy as np
import pytest
import tifffile

from jaxcell.cells.methods import decoded, field_masks
from jaxcell.dataset.batches import open_examples
from jaxcell.dataset.immune_cells import VIEWS, ImmuneCellsConfig, build
from jaxcell.dataset.patches import label, windows
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.patch import measure_patches


def _config(**changes) -> ImmuneCellsConfig:
    return ImmuneCellsConfig(**{"name": "unnamed", "subset": "dmso", "window": 96, **changes})


def _field(plates, row) -> np.ndarray:
    """The two views of an example's field, by another reader than the builder's."""
    images = plates.images.set_index(["plate", "well", "field", "role"])["path"]
    views = [tifffile.imread(images[row.plate, row.well, row.field, role]) for role in VIEWS]
    return np.stack(views, axis=-1)


@pytest.mark.parametrize("method", ["two_means", "mean_sd", "instrument"])
def test_masks_can_be_made_of_whole_fields(plates, tfds_folder, method):
    config = _config(mask_method=method, mask_scope="field", stride=48)
    examples = open_examples(build(plates, config, tfds_folder), 1.0, with_masks=True)
    assert examples.masks.any()
    for _, rows in examples.table.groupby(["plate", "well", "field"]):
        masks = field_masks(_field(plates, rows.iloc[0]), method, 0.741)
        expected = windows(masks[..., None], 96, 48)[0][..., 0]
        np.testing.assert_array_equal(examples.masks[rows.index], expected)


@pytest.mark.parametrize("target", sorted(set(MEASURES) - {"iou"}))
def test_the_target_is_the_measure_asked_for(plates, tfds_folder, target):
    config = _config(split_by="none", target=target, window=200)
    examples = open_examples(build(plates, config, tfds_folder), 1.0, with_masks=True)
    cells = np.stack(decoded(examples.masks), axis=-1)
    expected = measure_patches(examples.images, cells, target, pixel_um=0.741)
    np.testing.assert_allclose(examples.table["target"], expected, rtol=1e-5, atol=1e-6)
    overlap = label(examples.images)["overlap"]
    np.testing.assert_array_equal(examples.table["overlap"].to_numpy(np.float32), overlap)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"mask_method": "instrument"}, "needs dataset.mask_scope field"),
        ({"mask_method": "otsu"}, "mask_method 'otsu' is not one of two_means, mean_sd"),
        ({"mask_scope": "well"}, "patch, field"),
        ({"target": "overlap"}, "target 'overlap' is not one of iou"),
        ({"pixel_um": 0.0}, "more than 0 µm"),
    ],
)
def test_settings_of_masks_and_target_that_cannot_be_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        _config(**settings)
