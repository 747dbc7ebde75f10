"""Distances and contacts agree with brute force, with dilation, and with the simulator's truth."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import perimeter_crofton

from jaxcell.measures import contacts
from jaxcell.measures.field import Field
from jaxcell.simulator.field import simulate_field

PIXEL_UM = 0.741


def measure_contacts(
    *labels: np.ndarray, maximum_um: float = 100.0, **settings: float
) -> contacts.Contacts:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contacts, "MAXIMUM_UM", maximum_um)
        return contacts.record(Field(None, None, labels.__getitem__, **settings))


def _cells(rng: np.random.Generator, count: int, radius: int, size: int) -> np.ndarray:
    """Discs at random, some cut by the border, some painted over by others, int32."""
    labels = np.zeros((size, size), np.int32)
    y, x = np.ogrid[:size, :size]
    for number, (cy, cx) in enumerate(rng.integers(0, size, (count, 2)), start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


@pytest.fixture(scope="module")
def labels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return _cells(rng, 30, 4, 140), _cells(rng, 15, 7, 140)


def _gaps(t_labels: np.ndarray, dendritic_labels: np.ndarray) -> np.ndarray:
    """Edge-to-edge distance in pixels of every T cell and DC by brute force; inf if absent."""
    gaps = np.full((t_labels.max(), dendritic_labels.max()), np.inf)
    for d in range(gaps.shape[1]):
        if not (dendritic_labels == d + 1).any():
            continue
        far = ndimage.distance_transform_edt(dendritic_labels != d + 1)
        for t in range(gaps.shape[0]):
            gaps[t, d] = far[t_labels == t + 1].min(initial=np.inf)
    return np.maximum(gaps - 1, 0)


@pytest.mark.parametrize("contact_um", [0.0, 1.5, 6.0])
def test_distances_and_pairs_are_those_of_brute_force(labels, contact_um):
    gaps = PIXEL_UM * _gaps(*labels)
    found = measure_contacts(*labels, pixel_um=PIXEL_UM, contact_um=contact_um, maximum_um=20)
    np.testing.assert_allclose(found.distance_um, np.minimum(gaps.min(1), 20), atol=1e-4)
    near = gaps.min(1) < 20
    at_nearest = gaps[near, found.nearest[near] - 1]
    np.testing.assert_allclose(at_nearest, gaps.min(1)[near], atol=1e-4)
    assert (found.nearest[~near] == 0).all() and 0 < near.sum() < len(near)
    np.testing.assert_array_equal(found.pairs, np.argwhere(gaps <= contact_um + 1e-6) + 1)
    touching = gaps <= contact_um + 1e-6
    np.testing.assert_array_equal(found.dendritic_cells_in_contact, touching.sum(1))
    np.testing.assert_array_equal(found.t_cells_in_contact, touching.sum(0))


def test_a_contact_is_what_dilation_reaches(labels):
    """Dilated by 2 px and one, a dendritic cell shares a pixel with the T cells in contact."""
    t_labels, dendritic_labels = labels
    y, x = np.mgrid[-3:4, -3:4]
    found = measure_contacts(t_labels, dendritic_labels, pixel_um=0.5, contact_um=1.0)
    for number in np.unique(dendritic_labels)[1:]:
        reached = ndimage.binary_dilation(dendritic_labels == number, y**2 + x**2 <= 9)
        expected = np.setdiff1d(t_labels[reached], 0)
        np.testing.assert_array_equal(found.pairs[found.pairs[:, 1] == number, 0], expected)


def test_distances_by_hand():
    t_labels, dendritic_labels = np.zeros((2, 30, 30), np.int32)
    t_labels[2:5, 2:5], dendritic_labels[2:5, 5:8] = 1, 1  # side by side
    t_labels[10:12, 10:12], dendritic_labels[12:14, 12:14] = 2, 2  # corner by corner
    t_labels[20:22, 2:4], dendritic_labels[20:22, 7:9] = 3, 3  # three pixels between
    found = measure_contacts(t_labels, dendritic_labels, pixel_um=2.0, contact_um=1.0)
    np.testing.assert_allclose(found.distance_um, [0, 2 * (np.sqrt(2) - 1), 6], rtol=1e-6)
    np.testing.assert_array_equal(found.pairs, [[1, 1], [2, 2]])
    np.testing.assert_array_equal(found.nearest, [1, 2, 3])


def test_the_nearest_of_overlapping_cells_shares_most_pixels():
    t_labels, dendritic_labels = np.zeros((2, 20, 20), np.int32)
    t_labels[5:15, 5:15] = 1  # cells of the other type lie wholly inside
    dendritic_labels[6:8, 6:8], dendritic_labels[10:14, 10:14] = 1, 2
    found = measure_contacts(t_labels, dendritic_labels, pixel_um=1.0, contact_um=0)
    assert (found.distance_um, found.nearest) == ([0], [2])
    np.testing.assert_array_equal(found.pairs, [[1, 1], [1, 2]])
    np.testing.assert_array_equal(found.dendritic_cells_in_contact, [2])


def test_length_of_contact_is_the_outline_within_reach():
    y, x = np.mgrid[:80, :80]
    t_labels = ((y - 40) ** 2 + (x - 40) ** 2 <= 20**2).astype(np.int32)
    whole = perimeter_crofton(t_labels > 0, directions=4)
    everywhere = measure_contacts(t_labels, np.ones_like(t_labels), pixel_um=1.0)
    np.testing.assert_allclose(everywhere.contact_length_um, whole, rtol=1e-5)
    assert whole == pytest.approx(2 * np.pi * 20.5, rel=0.03)
    half = measure_contacts(t_labels, (x < 40).astype(np.int32), pixel_um=2.0, contact_um=0.0)
    assert half.contact_length_um[0] == pytest.approx(2 * whole / 2, rel=0.05)
    none = measure_contacts(t_labels, (x < 10).astype(np.int32), pixel_um=1.0)
    assert none.contact_length_um[0] == 0 and none.distance_um[0] == 10


def test_the_fields_border_is_no_outline():
    t_labels = np.zeros((20, 20), np.int32)
    t_labels[:, :10] = 1
    dendritic_labels = np.ones_like(t_labels)
    found = measure_contacts(t_labels, dendritic_labels, pixel_um=1.0)
    # One side of 20 pixels, by the formula pi / 8 (20 + 2 * 19 / sqrt 2).
    expected = np.pi / 8 * (20 + 38 / np.sqrt(2))
    np.testing.assert_allclose(found.contact_length_um, [expected], rtol=1e-6)


def test_contacts_of_the_simulator_are_found_exactly():
    field = simulate_field(np.random.default_rng(5), 512, 0.3)
    found = measure_contacts(*field.labels, pixel_um=PIXEL_UM, contact_um=0.5 * PIXEL_UM)
    known = field.contacts.to_numpy()
    assert len(known) > 20
    np.testing.assert_array_equal(found.pairs, known)
    assert set(known[:, 0]) == set(np.flatnonzero(found.distance_um < 0.42 * PIXEL_UM) + 1)


def test_without_cells_everything_is_defined():
    empty, one = np.zeros((32, 32), np.int32), np.zeros((32, 32), np.int32)
    one[3:8, 3:8] = 1
    found = measure_contacts(one, empty, pixel_um=PIXEL_UM, maximum_um=50)
    assert (found.distance_um, found.nearest, found.contact_length_um) == ([50], [0], [0])
    assert found.pairs.shape == (0, 2) and found.t_cells_in_contact.shape == (0,)
    found = measure_contacts(empty, one, pixel_um=PIXEL_UM)
    assert found.distance_um.shape == (0,) and found.t_cells_in_contact.tolist() == [0]
    found = measure_contacts(empty, empty, pixel_um=PIXEL_UM)
    assert [len(values) for values in found] == [0] * 7
    # Number 1 has no pixel, as a cell that others have covered.
    found = measure_contacts(2 * one, one, pixel_um=PIXEL_UM, maximum_um=50)
    assert found.distance_um.tolist() == [50, 0] and found.nearest.tolist() == [0, 1]


def test_types_and_shapes():
    labels = np.ones((8, 8), np.uint16)
    found = measure_contacts(labels, labels, pixel_um=1.0)
    kinds = [values.dtype for values in found]
    assert kinds == [np.float32, bool, np.int32, np.float32, np.int32, np.int32, np.int32]
    with pytest.raises(ValueError, match="shapes"):
        measure_contacts(labels, labels[:4], pixel_um=1.0)
    with pytest.raises(ValueError, match="whole numbers"):
        measure_contacts(np.full((8, 8), np.nan), labels, pixel_um=1.0)
