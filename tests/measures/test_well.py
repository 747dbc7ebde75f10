"""The catalogue: every measure defined, pooled over fields, the same on any microscope."""

import numpy as np
import pytest

from jaxcell.cells.labelling import label_cells
from jaxcell.measures import contacts
from jaxcell.measures.catalogue import MEASURES, quantities
from jaxcell.measures.chance import ANSWERS, Shifts, compare_with_chance, shift_overlaps
from jaxcell.measures.contacts import MAXIMUM_UM
from jaxcell.measures.patch import measure_patches
from jaxcell.measures.well import measure_well, record_field
from jaxcell.simulator.field import simulate_field

PIXEL_UM = 0.741
COUNTS = {"t_cells", "dendritic_cells"}


def measure_field(*field: np.ndarray, **settings: float) -> dict:
    return measure_well([record_field(*field, **settings)])


def _field(seed: int, association: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Views, masks and labels of a simulated field, numbered without gaps."""
    field = simulate_field(np.random.default_rng(seed), 384, association, droplet_share=0)
    masks = field.labels > 0
    return field.views[:2], masks, np.stack([label_cells(mask) for mask in masks])


@pytest.fixture(scope="module")
def fields():
    return [_field(seed) for seed in range(3)]


def test_a_field_has_every_measure_within_its_bounds(fields):
    for field in fields:
        measures = measure_field(*field, pixel_um=PIXEL_UM)
        assert list(measures) == [*MEASURES, "answer"]
        for name, quantity in quantities().items():
            assert type(measures[name]) is (int if name in COUNTS else float)
            assert np.isfinite(measures[name])
            assert quantity.minimum is None or measures[name] >= quantity.minimum
            assert quantity.maximum is None or measures[name] <= quantity.maximum
        assert measures["answer"] in ANSWERS
        assert measures["t_cells"] == field[2][0].max()


def test_a_fields_measures_are_those_of_the_parts(fields):
    views, masks, labels = fields[0]
    found = measure_field(views, masks, labels, pixel_um=PIXEL_UM)
    both = masks.all(axis=0)
    assert found["iou"] == pytest.approx(100 * both.sum() / masks.any(axis=0).sum())
    assert found["overlap_share"] == pytest.approx(100 * both.sum() / masks[0].sum())
    for name, view, mask in zip(("manders_t_cell", "manders_dendritic_cell"), views, masks):
        assert found[name] == pytest.approx(100 * view[both].sum() / view[mask].sum())
    expected = np.corrcoef(views[0].ravel(), views[1].ravel())[0, 1]
    assert found["pearson"] == pytest.approx(expected, rel=1e-5)
    record = record_field(views, masks, labels, pixel_um=PIXEL_UM)[contacts.record]
    assert found["contact_share"] == pytest.approx(100 * (record.distance_um <= 1.5).mean())
    expected = len(record.pairs) / labels[1].max()
    assert found["t_cells_per_dendritic_cell"] == pytest.approx(expected)
    assert found["near_share"] == pytest.approx(100 * (record.distance_um <= 20).mean())
    assert found["distance_um"] == pytest.approx(np.median(record.distance_um))
    assert found["contact_length_um"] == pytest.approx(record.contact_length_um.mean())
    overlaps = shift_overlaps(*masks, pixel_um=PIXEL_UM)
    regions = len(overlaps) * (PIXEL_UM / 15) ** 2
    chance = compare_with_chance([Shifts(overlaps, 1, regions)])
    assert (found["chance_z"], found["chance_p"]) == (chance.z, chance.p)
    expected = found["overlap_share"] - 100 * chance.mean / masks[0].sum()
    assert found["chance_excess"] == pytest.approx(expected)


def test_a_well_pools_cells_and_pixels_not_ratios(fields):
    """One field twice is that field; a well of two fields side by side is one wide field."""
    one = record_field(*fields[0], pixel_um=PIXEL_UM)
    single, double = measure_well([one]), measure_well([one, one])
    for name in MEASURES:
        assert double[name] == pytest.approx(single[name] * (2 if name in COUNTS else 1))

    records = [record_field(*field, pixel_um=PIXEL_UM) for field in fields]
    well = measure_well(records)
    masks = np.concatenate([field[1] for field in fields], axis=1)
    assert well["iou"] == pytest.approx(100 * masks.all(axis=0).sum() / masks.any(axis=0).sum())
    distances = np.concatenate([record[contacts.record].distance_um for record in records])
    assert well["distance_um"] == pytest.approx(np.median(distances))
    assert well["answer"] == "interaction"


def test_magnification_does_not_matter(fields):
    """Four pixels in the place of each: lengths hardly change, shares of pixels not at all."""
    coarse = measure_field(*fields[1], pixel_um=2 * PIXEL_UM, contact_um=3, near_um=20)
    finer = [values.repeat(2, 1).repeat(2, 2) for values in fields[1]]
    fine = measure_field(*finer, pixel_um=PIXEL_UM, contact_um=3, near_um=20)
    for name in ("iou", "overlap_share", "manders_t_cell", "manders_dendritic_cell", "pearson"):
        assert fine[name] == pytest.approx(coarse[name])
    assert fine["contact_share"] == pytest.approx(coarse["contact_share"], abs=6)
    assert fine["distance_um"] == pytest.approx(coarse["distance_um"], abs=1.5)
    assert fine["contact_length_um"] == pytest.approx(coarse["contact_length_um"], rel=0.15)
    assert fine["chance_excess"] == pytest.approx(coarse["chance_excess"], abs=0.5)


@pytest.fixture(scope="module")
def patches() -> tuple[np.ndarray, np.ndarray]:
    """Six patches and their masks, uint16 and bool [6, 192, 192, 2]; the last two without cells."""
    views, masks, _ = _field(7)
    cut = [np.s_[:, y : y + 192, x : x + 192] for y in (0, 192) for x in (0, 192)]
    images = np.stack([np.moveaxis(views[window], 0, -1) for window in cut])
    inside = np.stack([np.moveaxis(masks[window], 0, -1) for window in cut])
    bare = np.stack([np.full((192, 192, 2), level, np.uint16) for level in (300, 65535)])
    nothing = np.zeros(bare.shape, bool)
    return np.concatenate([images, bare]), np.concatenate([inside, nothing])


@pytest.mark.parametrize("name", MEASURES)
def test_patches_are_measured_as_fields_are(patches, name):
    found = measure_patches(*patches, name, pixel_um=PIXEL_UM)
    assert found.shape == (6,) and found.dtype == np.float32
    expected = []
    for patch, mask in zip(*patches):
        views, masks = np.moveaxis(patch, -1, 0), np.moveaxis(mask, -1, 0)
        labels = np.stack([label_cells(each) for each in masks])
        expected.append(measure_field(views, masks, labels, pixel_um=PIXEL_UM)[name])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert measure_patches(*(values[:0] for values in patches), name, pixel_um=1.0).shape == (0,)


@pytest.mark.parametrize("empty", [(True, True), (True, False), (False, True)])
def test_an_empty_or_saturated_view_has_defined_measures(fields, empty):
    views, masks, labels = (values.copy() for values in fields[0])
    for view, without in enumerate(empty):
        if without:
            views[view], masks[view], labels[view] = 65535, False, 0
    found = measure_field(views, masks, labels, pixel_um=PIXEL_UM)
    zero = set(MEASURES) - {"distance_um", "chance_p", "chance_p_less"} - COUNTS
    assert {name: found[name] for name in zero} == dict.fromkeys(zero, 0.0)
    assert found["distance_um"] == MAXIMUM_UM
    assert found["chance_p"] == found["chance_p_less"] == 1
    assert [found["t_cells"], found["dendritic_cells"]] == [view.max() for view in labels]
    assert found["answer"] == "too few cells to say"


def test_a_single_cell_cut_by_the_border(fields):
    views, masks, labels = (np.zeros_like(values) for values in fields[0])
    masks[:, :6, :6], labels[:, :6, :6], views[:, :6, :6] = True, 1, 4095
    found = measure_field(views, masks, labels, pixel_um=PIXEL_UM)
    assert np.isfinite([found[name] for name in MEASURES]).all()
    assert (found["iou"], found["contact_share"], found["distance_um"]) == (100, 100, 0)
    assert found["t_cells_per_dendritic_cell"] == 1
    assert found["answer"] == "too few cells to say"


def test_errors_name_the_cure(fields, patches):
    views, masks, labels = fields[0]
    with pytest.raises(ValueError, match="not one of iou"):
        measure_patches(*patches, "overlap", pixel_um=PIXEL_UM)
    with pytest.raises(ValueError, match="T cells first"):
        record_field(views, masks[:1], labels, pixel_um=PIXEL_UM)
    with pytest.raises(ValueError, match="leave it out"):
        measure_well([])
    with pytest.raises(ValueError, match="NaN"):
        record_field(np.where(masks, np.nan, views), masks, labels, pixel_um=PIXEL_UM)
    small = [values[:, :120, :120] for values in fields[0]]
    records = [record_field(*field, pixel_um=PIXEL_UM) for field in (fields[0], small)]
    assert measure_well(records)["answer"] == "cannot be said"


AGAINST_CHANCE = [name for name in MEASURES if name.startswith("chance_") or name.endswith(
    ("_excess", "_z"))]  # fmt: skip


def test_a_field_too_small_to_be_shifted_is_measured_but_for_chance(fields):
    """A crop of 35 x 23 pixels round a pair of cells, as imaging flow cytometers give."""
    views, masks, labels = (np.zeros((2, 35, 23), dtype) for dtype in (np.uint16, bool, np.int32))
    masks[0, 8:16, 8:16], masks[1, 14:28, 6:20] = True, True
    labels[masks], views[masks] = 1, 3000
    small = record_field(views, masks, labels, pixel_um=PIXEL_UM)
    found = measure_well([small])
    assert len(AGAINST_CHANCE) >= 4
    assert np.isnan([found[name] for name in AGAINST_CHANCE]).all()
    assert np.isfinite([found[name] for name in set(MEASURES) - set(AGAINST_CHANCE)]).all()
    assert found["answer"] == "cannot be said"
    assert found["overlap_share"] == pytest.approx(100 * 16 / 64) and found["contact_share"] == 100
    # Of many together, and of small and large ones together, nothing more can be said.
    many = measure_well([small] * 500)
    assert many["t_cells"] == 500 and many["answer"] == "cannot be said"
    large = record_field(*fields[0], pixel_um=PIXEL_UM)
    for mixed in ([small, large], [large, small]):
        measures = measure_well(mixed)
        assert measures["answer"] == "cannot be said" and np.isnan(measures["chance_z"])
        assert measures["t_cells"] == measure_well([large])["t_cells"] + 1


def test_the_smallest_field_that_can_be_shifted_is(fields):
    for pixel_um in (PIXEL_UM, 0.5, 1.0, 7.0):
        side = 2 * int(np.ceil(30 / pixel_um))
        for length, said in ((side, False), (side - 1, True)):
            empty = [np.zeros((2, length, length + 9), dtype) for dtype in
                     (np.uint16, bool, np.int32)]  # fmt: skip
            found = measure_field(*empty, pixel_um=pixel_um)
            assert (found["answer"] == "cannot be said") == said, (pixel_um, length)


def test_patches_too_small_for_chance_are_no_targets(patches):
    small = [values[:, :30, :30] for values in patches]
    with pytest.raises(ValueError, match="too small for chance_z"):
        measure_patches(*small, "chance_z", pixel_um=PIXEL_UM)
    assert np.isfinite(measure_patches(*small, "iou", pixel_um=PIXEL_UM)).all()


def test_definitions_name_the_distances_that_were_measured_with():
    described = quantities(contact_um=5.0, near_um=33.0)
    assert "5 µm" in described["contact_share"].definition
    assert "33 µm" in described["near_share"].definition
    assert "1.5 µm" in MEASURES["contact_share"].quantity.definition
