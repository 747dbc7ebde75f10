"""Contacts, distances and light against chance: brute force, null fields, and cells that meet."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, uniform_filter

from jaxcell.measures import colocalisation, contacts, shifted_contacts
from jaxcell.measures.chance import SOME_SHIFTS, some_shifts
from jaxcell.measures.field import Field

PIXEL_UM = 0.741


def disc(radius):
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y[y**2 + x**2 <= radius**2], x[y**2 + x**2 <= radius**2]


def drawn(centres, radius, size):
    """Discs on a torus, int32 [size, size]; a later one lies on top."""
    labels, (y, x) = np.zeros((size, size), np.int32), disc(radius)
    for number, centre in enumerate(centres, 1):
        labels[(centre[0] + y) % size, (centre[1] + x) % size] = number
    return labels


def field(labels, views=None, pixel_um=PIXEL_UM):
    views = np.zeros(labels.shape, np.uint16) if views is None else views
    return Field(views, labels > 0, labels.__getitem__, pixel_um)


def pair(seed, bound=0.0, size=384, t_cells=60, dendritic_cells=30, apart=14):
    """T cells and dendritic cells; a share of the T cells lies so far from a dendritic cell's."""
    random = np.random.default_rng(seed)
    others = random.integers(0, size, (dendritic_cells, 2))
    own = random.integers(0, size, (t_cells, 2))
    meets = random.random(t_cells) < bound
    angle = random.uniform(0, 2 * np.pi, t_cells)
    beside = others[random.integers(0, dendritic_cells, t_cells)]
    beside = beside + np.rint(apart * np.stack([np.sin(angle), np.cos(angle)], axis=1)).astype(int)
    own[meets] = beside[meets]
    return np.stack([drawn(own, 5, size), drawn(others, 8, size)])


def test_every_shift_agrees_with_brute_force():
    # Pixels so wide that the grid of distances is that of pixels.
    labels, pixel_um, size = pair(0, 0.3, 120, 20, 12), 2.0, 120
    found = shifted_contacts.record(field(labels, pixel_um=pixel_um))
    shifts = [(0, 0), *some_shifts((size, size), pixel_um)]
    apart = distance_transform_edt(np.tile(labels[1], (3, 3)) == 0)[size:-size, size:-size]
    for place in (0, 1, 50, SOME_SHIFTS):
        # Shifted forward, a cell stands where its pixels' distance is looked up.
        rolled = np.roll(labels[0], shifts[place], axis=(0, 1))
        numbers = np.unique(rolled[rolled > 0])
        least = np.array([apart[rolled == number].min() for number in numbers])
        expected = np.minimum(np.maximum(least - 1, 0) * pixel_um, contacts.MAXIMUM_UM)
        np.testing.assert_allclose(found.distance_um[place], expected, rtol=1e-6)
        assert found.contacts[place] == np.sum(least <= 1.5 / pixel_um + 1 + 1e-6)
        assert found.near[place] == np.sum(expected <= 20)


def test_shifts_are_allowed_ones_and_spread_evenly():
    shifts = some_shifts((2048, 2048), PIXEL_UM)
    length = PIXEL_UM * np.hypot(*shifts.T)
    assert len(shifts) == SOME_SHIFTS and 29.4 <= length.min() and length.max() <= 75.6
    assert np.abs(shifts.mean(axis=0)).max() < 2  # no side is preferred
    inner = (length < np.sqrt((30**2 + 75**2) / 2)).mean()
    assert inner == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ValueError, match="leaves no shift"):
        some_shifts((60, 60), PIXEL_UM)


def test_where_both_views_start_on_the_torus_changes_nothing():
    labels = pair(1, 0.3)
    moved = np.roll(labels, (57, 201), axis=(1, 2))
    first, second = (shifted_contacts.record(field(one)) for one in (labels, moved))
    np.testing.assert_array_equal(first.contacts, second.contacts)


def test_what_is_found_without_a_shift_is_what_contacts_find():
    labels = pair(2, 0.3)
    for edge in (slice(0, 30), slice(-30, None)):  # no T cell by the border, torus or not
        labels[0, edge] = labels[0, :, edge] = 0
    shifted = shifted_contacts.record(field(labels))
    plain = contacts.record(field(labels))
    assert shifted.contacts[0] == np.count_nonzero(plain.dendritic_cells_in_contact)
    present = np.unique(labels[0][labels[0] > 0]) - 1
    difference = shifted.distance_um[0] - plain.distance_um[present]
    assert np.median(np.abs(difference)) < shifted_contacts.GRID_UM
    assert abs(difference.mean()) < shifted_contacts.GRID_UM / 2


def test_cells_that_do_not_know_of_each_other_have_no_excess():
    found = []
    for seed in range(60):
        records = [shifted_contacts.record(field(pair(100 + seed)))]
        reduced = (shifted_contacts.contact, shifted_contacts.near, shifted_contacts.distance)
        found.append([reduce(records) for reduce in reduced])
    excess, z = np.moveaxis(np.array(found), -1, 0)
    assert (np.abs(excess.mean(axis=0)) <= 3 * excess.std(axis=0) / np.sqrt(60)).all()
    assert (np.abs(z.mean(axis=0)) < 0.45).all() and (z.std(axis=0) < 1.5).all()


def test_cells_that_meet_have_one():
    records = [shifted_contacts.record(field(pair(seed, 0.4))) for seed in range(2)]
    excess, z = shifted_contacts.contact(records)
    assert excess > 20 and z > 5
    assert shifted_contacts.near(records)[0] > 5 and shifted_contacts.distance(records)[0] < -2
    # A well's cells count alike, whichever field they are in.
    counts = sum(record.contacts for record in records)
    cells = sum(record.distance_um.shape[1] for record in records)
    assert excess == pytest.approx(100 * (counts[0] - counts[1:].mean()) / cells)


def test_without_cells_of_a_kind_there_is_none():
    labels = pair(3)
    for empty in (0, 1):
        some = labels.copy()
        some[empty] = 0
        records = [shifted_contacts.record(field(some))]
        for reduce in (shifted_contacts.contact, shifted_contacts.near, shifted_contacts.distance):
            assert reduce(records) == (0, 0)


def test_light_of_a_shared_lamp_is_no_excess_of_correlation_and_shared_cells_are():
    random, size = np.random.default_rng(4), 512
    y, x = np.mgrid[:size, :size] / size - 0.5
    lamp = np.exp(-4 * (y**2 + x**2))
    excess = {"lamp": [], "cells": []}
    for seed in range(8):
        alone, meeting = pair(seed, 0.0, size), pair(seed, 0.6, size, apart=4)
        for name, labels in (("lamp", alone), ("cells", meeting)):
            light = (300 + 400 * (labels > 0)) * lamp
            views = random.poisson(light).astype(np.uint16)
            some = field(labels, views)
            pearson = colocalisation.pearson([colocalisation.record_spread(some)])
            record = colocalisation.record_shifts(some)
            beyond, _ = colocalisation.pearson_beyond_chance([record])
            excess[name].append(beyond)
            assert pearson > 0.3
    assert abs(np.mean(excess["lamp"])) < 0.02
    assert np.mean(excess["cells"]) > np.mean(excess["lamp"]) + 0.01


def test_correlation_at_each_shift_agrees_with_brute_force():
    random, size, pixel_um = np.random.default_rng(5), 96, 2.9
    views = random.integers(0, 1000, (2, size, size)).astype(np.uint16)
    labels = np.zeros((2, size, size), np.int32)
    record = colocalisation.record_shifts(field(labels, views, pixel_um=pixel_um))
    views = views.astype(np.float64)
    first, second = (
        view - uniform_filter(view, round(90 / pixel_um), mode="nearest") for view in views
    )
    shifts = [(0, 0), *some_shifts((size, size), pixel_um)]
    for place in (0, 1, 40):
        product = (first * np.roll(second, tuple(-np.array(shifts[place])), axis=(0, 1))).sum()
        assert record[2 + place] == pytest.approx(product, abs=1e-4 * record[0])
    flat = field(labels, np.full((2, size, size), 7, np.uint16), pixel_um=pixel_um)
    assert colocalisation.pearson_beyond_chance([colocalisation.record_shifts(flat)]) == (0, 0)
