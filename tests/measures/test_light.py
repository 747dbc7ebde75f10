"""Crosstalk, noise and contrast: known light is found, whatever the counts, and doubted in time."""

import numpy as np
import pytest
from scipy import ndimage

from jaxcell.cells.instrument import PROTOCOLS, protocol_mask
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.labelling import label_cells
from jaxcell.configs import measure
from jaxcell.experiments.measurement.cell_finding import make_cell_finder
from jaxcell.measures import light
from jaxcell.measures.doubts import doubts, summary
from jaxcell.plates.images import read_view
from jaxcell.simulator.field import simulate_field
from jaxcell.simulator.light import Light

FIND = make_cell_finder(measure.get_config())


def _views(seed: int = 0, association: float = 0.2, size: int = 512, **settings) -> np.ndarray:
    random = np.random.default_rng(seed)
    field = simulate_field(random, size, association, light=Light(**settings), droplet_share=0)
    return field.views[:2]


def _measured(views: np.ndarray) -> dict[str, float]:
    labels = FIND(np.ascontiguousarray(np.moveaxis(views, 0, -1)))[1]
    return light.measure_light([light.record_light(views, labels, FIND)])


def _problems(measured: dict[str, float]) -> set[tuple[str, str]]:
    found = doubts([{"plate": "P", "well": "B02"} | measured])
    return {(doubt.problem, doubt.kind) for doubt in found}


def _leaking(views: np.ndarray, into: int, share: float) -> np.ndarray:
    changed = views.astype(float)
    changed[into] += share * (views[1 - into] - np.percentile(views[1 - into], 10))
    return np.rint(changed).astype(np.uint16)


@pytest.mark.parametrize("association", [0.0, 0.6])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_crosstalk_through_the_optics_is_found_in_its_view_alone(share, association):
    measured = _measured(_views(2, association, 640, crosstalk=share))
    assert measured["crosstalk_t_cell"] == pytest.approx(100 * share, abs=0.5)
    assert measured["crosstalk_dendritic_cell"] == pytest.approx(0, abs=0.5)
    low, high = (measured[f"crosstalk_{end}_t_cell"] for end in ("low", "high"))
    assert low <= measured["crosstalk_t_cell"] <= high and high - low < 2
    assert _problems(measured) == ({("crosstalk", "t_cell")} if share else set())


def test_crosstalk_the_other_way_is_found_too():
    measured = _measured(_leaking(_views(2), 1, 0.1))
    assert measured["crosstalk_dendritic_cell"] == pytest.approx(10, abs=0.5)
    assert measured["crosstalk_t_cell"] == pytest.approx(0, abs=0.5)
    assert _problems(measured) == {("crosstalk", "dendritic_cell")}


def test_no_number_depends_on_the_unit_of_counts():
    views = _views(3)
    before, after = _measured(views), _measured(4 * views + 700)
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=0.5), name


def test_noise_and_dim_light_lower_what_is_repeated():
    values = [_measured(_views(4, gain=(gain, gain))) for gain in (1.0, 0.35, 0.12)]
    for kind in VIEWS:
        for name in ("repeated_share", "signal_to_noise"):
            numbers = [measured[f"{name}_{kind}"] for measured in values]
            assert numbers == sorted(numbers, reverse=True)
    assert not _problems(values[0])
    assert _problems(values[2]) == {("dim light", kind) for kind in VIEWS}
    # Of noise alone nothing is repeated: not a mask, and not enough cells to say so.
    noise = np.random.default_rng(0).normal(500, 12, (2, 256, 256)).astype(np.uint16)
    assert all(np.isnan(value) for value in _measured(noise).values())


def test_masks_in_the_skirts_of_the_light_are_doubted_and_those_of_a_denoised_image_are_none():
    views = _views(5)
    smooth = np.rint(ndimage.gaussian_filter(views.astype(float), (0, 1.5, 1.5))).astype(np.uint16)
    assert not _problems(_measured(views)) and not _problems(_measured(smooth))

    def find_too_much(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        protocols = [how._replace(sensitivity=90.0) for how in PROTOCOLS.values()]
        masks = [
            protocol_mask(np.ascontiguousarray(field[..., view]), how)
            for view, how in enumerate(protocols)
        ]
        return np.stack(masks), np.stack([label_cells(mask) for mask in masks])

    labels = find_too_much(np.moveaxis(smooth, 0, -1))[1]
    found = light.measure_light([light.record_light(smooth, labels, find_too_much)])
    assert {problem for problem, _ in _problems(found)} == {"no contrast"}
    assert found["edge_share_t_cell"] < 15 or found["faint_share_dendritic_cell"] > 5


def test_few_cells_say_nothing_and_fields_add_up():
    views = _views(6, size=96)
    labels = FIND(np.ascontiguousarray(np.moveaxis(views, 0, -1)))[1]
    field = light.record_light(views, labels, FIND)
    assert 0 < len(field.cells[0].slopes) < light.MINIMUM_CELLS
    few = light.measure_light([field])
    assert list(few) == list(light.LIGHT) and all(np.isnan(value) for value in few.values())
    assert not _problems(few)
    many = light.measure_light([field] * 8)
    assert np.isfinite(many["crosstalk_dendritic_cell"])
    empty = light.record_light(np.zeros((2, 64, 64), np.uint16), np.zeros((2, 64, 64), int), FIND)
    assert all(np.isnan(value) for value in light.measure_light([empty]).values())


def test_slope_contrast_and_edge_of_a_cell_by_hand():
    counts = np.full((2, 40, 40), 100, np.uint16)
    counts[0, 10:20, 10:20] = 300  # edge
    counts[0, 11:19, 11:19] = 500
    counts[1] = 50 + counts[0] // 4
    labels = np.zeros((2, 40, 40), np.int32)
    labels[0, 10:20, 10:20] = 1
    # The middle of the cells: nothing is looked at but a cell and its surroundings.
    counts[1, 30:, 30:] = 4000
    cells = light.record_light(counts, labels, FIND).cells[0]
    np.testing.assert_allclose(cells.slopes[:, 0], 0.25, atol=1e-6)
    np.testing.assert_allclose(cells.edge, 200)
    np.testing.assert_allclose(cells.contrast, (36 * 200 + 64 * 400) / 100)


def test_the_middle_of_the_shortest_half_is_that_of_brute_force():
    random = np.random.default_rng(0)
    for count in (10, 11, 40):
        values = random.normal(size=count)
        ordered, half = np.sort(values), count // 2 + 1
        halves = [ordered[start : start + half] for start in range(count - half + 1)]
        shortest = min(halves, key=np.ptp)
        found = light._middle_of_shortest_half(values[None])[0]
        assert found == pytest.approx(np.median(shortest))
    # Two cells in five that lie anywhere else do not move it.
    values = np.concatenate([random.normal(0.1, 0.005, 60), random.uniform(0.2, 3, 40)])
    middle, low, high = light._middle_with_interval(values)
    assert middle == pytest.approx(0.1, abs=0.005) and low <= middle <= high < 0.12


def test_doubts_name_the_well_and_are_summed_up():
    measured = _measured(_views(1, crosstalk=0.1))
    wells = [{"plate": "P1", "well": f"B{number:02d}"} | measured for number in range(2, 7)]
    found = doubts(wells)
    assert [(doubt.plate, doubt.well) for doubt in found] == [
        (w["plate"], w["well"]) for w in wells
    ]
    assert "dendritic cells shows in the T-cell view" in found[0].message
    assert summary(found) == "crosstalk in 5: P1 B02, P1 B03, P1 B04 and 2 more"
    assert not summary([])


def _read(folder) -> np.ndarray:
    path = next(folder.glob("*FITC - FITC*"))
    return np.stack([read_view(path), read_view(str(path).replace("FITC", "TexasRed"))])


def test_a_case_with_a_tenth_of_the_light_is_warned_of(shared_data):
    measured = _measured(_read(shared_data / "cases" / "bleed_through"))
    assert measured["crosstalk_dendritic_cell"] == pytest.approx(10, abs=0.5)
    assert _problems(measured) == {("crosstalk", "dendritic_cell")}


def test_a_real_well_is_not_doubted(shared_data):
    assert not _problems(_measured(_read(shared_data / "real_well")))
