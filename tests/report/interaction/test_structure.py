"""Figures of projections and structure show the numbers they are given; poor input is survived."""

import io

import numpy as np
import pytest
from drawing import words
from matplotlib.colors import to_hex

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.projection import Projection
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.interaction import structure

DISTANCE = Quantity("nearest_um", "median distance to the nearest dendritic cell", "µm")


def draw(figure) -> None:
    """A full drawing: some mistakes show only then."""
    figure.savefig(io.BytesIO(), dpi=30)


def projected(patches, trust=0.87, **changes) -> Projection:
    points = np.random.default_rng(0).normal(size=(len(patches), 2)).astype(np.float32)
    return Projection(points, trust, 1.0, ("across (no unit)", "up (no unit)"))._replace(**changes)


def shown(patches, by_source, target=OVERLAP):
    palette = style.palette(conditions(patches))
    figure = structure.projections(by_source, patches, palette, target)
    draw(figure)
    return figure


def points_by_colour(axes) -> dict[str, np.ndarray]:
    """Colour -> points drawn in it."""
    found = {}
    for group in axes.collections:
        if len(group.get_offsets()):
            found.setdefault(to_hex(group.get_facecolor()[0]), []).append(group.get_offsets())
    return {colour: np.concatenate(parts) for colour, parts in found.items()}


def test_every_patch_is_drawn_in_the_colour_of_its_condition(make_patches):
    patches = make_patches(wells=2, each=15).assign(faulty=False)
    item = projected(patches)
    (axes,) = shown(patches, {"codes": {"PCA": item}}).axes
    drawn = points_by_colour(axes)
    assert len(drawn) == 3
    for name, mark in style.palette(conditions(patches)).items():
        own = item.coordinates[(patches["condition"] == name).to_numpy()]
        points = np.asarray(drawn[mark.colour.lower()])
        np.testing.assert_allclose(np.sort(points, axis=0), np.sort(own, axis=0), rtol=1e-6)


def test_faulty_patches_are_crosses_and_what_is_not_finite_is_left_out(make_patches):
    patches = make_patches(wells=1, each=10).assign(faulty=np.arange(30) < 4)
    item = projected(patches)
    item.coordinates[:7] = np.nan
    item.coordinates[3] = 1.0
    (axes,) = shown(patches, {"codes": {"UMAP": item}}).axes
    groups = [np.asarray(group.get_offsets()) for group in axes.collections]
    assert sum(map(len, groups)) == 24
    assert groups[-1].tolist() == [[1.0, 1.0]]


def test_size_grows_with_the_target(make_patches):
    patches = make_patches(("OVA",), wells=1, each=12).assign(faulty=False)
    patches["target"] = np.linspace(0, 40, 12)
    item = projected(patches)
    for target in (OVERLAP, DISTANCE):
        (axes,) = shown(patches, {"codes": {"PCA": item}}, target).axes
        areas = np.concatenate([group.get_sizes() for group in axes.collections])
        points = np.concatenate([group.get_offsets() for group in axes.collections])
        order = [int(np.abs(item.coordinates - point).sum(axis=1).argmin()) for point in points]
        assert (np.diff(areas[np.argsort(order)]) > 0).all()


def test_a_panel_for_each_source_and_method_with_its_trustworthiness(make_patches):
    patches = make_patches(wells=1, each=10)
    figure = shown(patches, {
        "codes": {"PCA": projected(patches, 0.91), "UMAP": "UMAP needs more patches."},
        "raw pixels": {"PCA": projected(patches, 0.62, note="10 of 30 patches at random")},
    })  # fmt: skip
    text = words(figure)
    assert len(figure.axes) == 4
    for said in (
        "PCA of codes",
        "UMAP of raw pixels",
        "trustworthiness 0.91",
        "Not asked for.",
        "trustworthiness 0.62",
        "UMAP needs more patches.",
        "10 of 30 patches at random",
        "across (no unit)",
        "5 %",
    ):
        assert said in text


@pytest.mark.parametrize("change", ["no condition", "all faulty", "target not finite"])
def test_poor_patches_are_drawn(change, make_patches):
    patches = make_patches(("OVA",), wells=1, each=5)
    if change == "no condition":
        patches["condition"] = None
    elif change == "all faulty":
        patches["faulty"] = True
    else:
        patches["target"] = np.nan
    for target in (OVERLAP, DISTANCE):
        shown(patches, {"codes": {"PCA": projected(patches)}}, target)


def test_nothing_to_project_leaves_a_sentence(make_patches):
    patches = make_patches(wells=1, each=5)
    assert "no projections" in words(shown(patches, {}))
    assert "no projections" in words(shown(patches.iloc[:0], {"codes": {"PCA": "None."}}))


def score(value, p=0.02, width=0.1) -> dict:
    interval = [value - width, value + width]
    return {
        "balanced_accuracy": value,
        "interval": interval,
        "patch_balanced_accuracy": 0.4,
        "auroc": value,
        "auroc_interval": interval,
        "p": p,
    }


def found() -> dict:
    none = dict.fromkeys(score(0.5))
    return {
        "reason": None, "permutations": 1999, "chance": 1 / 3, "why": "It is so.",
        "scores": {
            "codes": {"reason": None, "probe": score(0.8, 0.0005), "neighbours": score(0.75)},
            "raw-pixel PCA": {"reason": "3 patches are not finite", "probe": none,
                              "neighbours": none},
            "position": {"reason": None, "probe": score(0.6, None), "neighbours": score(0.55)},
        },
        "answered": "codes",
        "leaky": {"probe": {"patch_balanced_accuracy": 0.7},
                  "neighbours": {"patch_balanced_accuracy": 0.9}},
    }  # fmt: skip


def marks(axes, colour) -> list[float]:
    return [
        float(line.get_xdata()[0])
        for line in axes.lines
        if len(line.get_xdata()) == 1 and line.get_color() == colour
    ]


def test_structure_shows_every_score_with_its_interval():
    figure = structure.structure(found())
    draw(figure)
    left, right = figure.axes
    assert marks(left, style.BLUE) == [0.8, 0.75]
    assert sorted(marks(left, style.MUTED)) == [0.55, 0.6]
    spans = [
        tuple(np.round(line.get_xdata(), 6))
        for line in left.lines
        if len(line.get_xdata()) == 2 and line.get_color() == style.BLUE
    ]
    assert spans == [(0.7, 0.9), (0.65, 0.85)]
    assert marks(right, style.VERMILION) == [0.7, 0.9]
    assert marks(right, style.BLUE) == [0.8, 0.75, 0.4, 0.4]
    guesses = [
        float(line.get_xdata()[0])
        for axes in (left, right)
        for line in axes.lines
        if line.get_linestyle() == "--"
    ]
    assert guesses == pytest.approx([0.5, 1 / 3])
    text = words(figure)
    assert "p < 0.001" in text and "p = 0.02" in text
    assert "not tested: 3 patches are not finite" in text


def test_structure_without_codes_or_scores_is_drawn_or_said():
    result = found() | {"leaky": None, "answered": None}
    del result["scores"]["codes"]
    draw(structure.structure(result))
    figure = structure.structure({"scores": {}, "why": "Cannot be said: one condition."})
    assert words(figure) == "Cannot be said: one condition."
