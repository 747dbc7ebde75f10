"""Every figure is drawn from ordinary and from poor input, and shows what it says."""

import re

import numpy as np
import pytest
from drawing import ink, words

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.scores.regression import wells_table
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.images import scale_bar
from jaxcell.report.interaction import plates, predictions, training

PEARSON = Quantity("pearson", "Pearson correlation", "")
DISTANCE = Quantity("nearest_um", "median distance to the nearest dendritic cell", "µm")


def of_patches(patches, target=OVERLAP) -> dict:
    palette, wells = style.palette(conditions(patches)), wells_table(patches)
    return {
        "scatter": predictions.scatter(patches, palette, target),
        "histograms": predictions.histograms(patches, palette, target),
        "errors": predictions.errors(patches, palette, target),
        "plate_map": plates.plate_map(wells, target),
    }


def poor(name, make_patches):
    patches = make_patches(conditions=("OVA",), wells=2, each=4)
    if name == "ordinary":
        patches = make_patches(wells=3, each=20)
    elif name == "five conditions, three plates":
        patches = make_patches(("ConA", *"abcd"), wells=1, each=3, plates=3)
    elif name == "without condition":
        patches["condition"] = ""
    elif name == "all faulty":
        patches = patches.assign(faulty=True, target=np.float32(0))
    elif name == "one patch":
        patches = patches.iloc[:1]
    elif name == "predictions not finite":
        patches = patches.assign(predicted=np.float32("nan"))
    elif name == "wells of no plate":
        patches = patches.assign(well="somewhere")
    elif name == "1,536 wells":
        patches = patches.assign(well="AF48")
    return patches


@pytest.mark.parametrize(
    "name",
    [
        "ordinary",
        "five conditions, three plates",
        "without condition",
        "all faulty",
        "one patch",
        "predictions not finite",
        "wells of no plate",
        "1,536 wells",
    ],
)
def test_every_figure_is_drawn(name, make_patches):
    for figure_name, figure in of_patches(poor(name, make_patches)).items():
        assert ink(figure) > 0.004, figure_name


@pytest.mark.parametrize("scale, shift, target", [(0.02, -0.4, PEARSON), (20, 5, DISTANCE)])
def test_other_targets_are_drawn_in_their_own_words_and_range(scale, shift, target, make_patches):
    patches = make_patches(wells=2, each=20)
    for column in ("target", "predicted"):
        patches[column] = scale * patches[column] + shift
    drawn = of_patches(patches, target)
    for name, figure in drawn.items():
        assert ink(figure) > 0.004, name
        text = words(figure)
        assert "overlap" not in text and "points" not in text
        assert name == "plate_map" or target.label in text, name
    low, high = drawn["scatter"].axes[0].get_xlim()
    both = np.concatenate([patches["target"], patches["predicted"]])
    span = max(both.max(), 0) - min(both.min(), 0)
    assert low <= both.min() and both.max() <= high and high - low == pytest.approx(1.06 * span)
    edges = {patch.get_x() for patch in drawn["histograms"].axes[0].patches[:-1]}
    assert 10 < len(edges) <= 50
    assert re.search(rf"patches per [\d.]+ ?{target.unit} ", words(drawn["histograms"]))


def test_axes_name_the_target_and_its_unit(make_patches):
    patches = make_patches(wells=2, each=5)
    drawn = of_patches(patches)
    assert "measured overlap (IoU), %" in words(drawn["scatter"])
    assert "predicted overlap (IoU), %" in words(drawn["scatter"])
    assert "patches per 0.5 %" in words(drawn["histograms"])
    assert "error (predicted − measured), percentage points" in words(drawn["errors"])
    drawn = of_patches(patches, DISTANCE)
    assert "median distance to the nearest dendritic cell, µm" in words(drawn["scatter"])
    assert "error (predicted − true), µm" in words(drawn["plate_map"])
    curves = training.loss_curves({"regressor": [{"epoch": 1, "train_loss": 1.0}]}, DISTANCE)
    assert curves.axes[0].get_ylabel() == "squared error, µm²"


def test_flat_fields_share_one_scale_of_colours():
    y, _ = np.mgrid[-1:1:300j, -1:1:300j]
    flat = {
        (plate, view): 1 + strength * y
        for plate, view, strength in (
            ("P1", "t_cell", 0.2),
            ("P1", "dendritic_cell", 0.05),
            ("P2", "t_cell", 0.1),
        )
    }
    figure = plates.flat_fields(flat)
    pictures = [image for axes in figure.axes for image in axes.images]
    assert len(pictures) == 3
    assert all(image.get_clim() == pytest.approx((0.8, 1.2)) for image in pictures)
    assert max(max(image.get_array().shape) for image in pictures) <= 256
    text = words(figure)
    assert "relative illumination" in text and "P1, T cells" in text
    assert ink(figure) > 0.1
    even = plates.flat_fields({("P1", "t_cell"): np.ones((8, 8))})
    assert ink(even) > 0.004
    assert "No flat field" in words(plates.flat_fields({}))


@pytest.mark.parametrize(("width_um", "bar"), [(142.3, 50.0), (71.0, 20.0), (1518.0, 500.0)])
def test_scale_bar_is_round_and_fits(width_um, bar):
    assert scale_bar(width_um) == pytest.approx(bar)


def test_scale_bar_has_the_length_it_names():
    images = np.zeros((3, 192, 192, 2))
    figure = training.reconstructions(
        {"OVA": (images, images, np.zeros(3))}, style.palette(["OVA"]), 0.741
    )
    (axes,) = figure.axes
    left, right, _, _ = axes.images[0].get_extent()
    (bar,) = [line for line in axes.lines if len(line.get_xdata()) == 2]
    share = np.ptp(bar.get_xdata()) / (right - left)
    assert share * 192 * 0.741 == pytest.approx(50.0)
    assert "50 µm" in [text.get_text() for text in axes.texts]


def test_reconstructions_stand_below_their_originals():
    originals = np.full((2, 12, 12, 2), 0.9)
    figure = training.reconstructions(
        {"OVA": (originals, originals / 9, np.ones(2))}, style.palette(["OVA"])
    )
    (axes,) = figure.axes
    bright, dark = [
        [image.get_extent() for image in axes.images if np.isclose(image.get_array().max(), value)]
        for value in (0.9, 0.1)
    ]
    assert len(bright) == 2 and axes.yaxis_inverted()
    for above, below in zip(bright, dark, strict=True):
        assert max(above[2:]) < min(below[2:])
        assert above[:2] == below[:2]


def test_no_examples_and_no_history_leave_a_sentence():
    assert training.reconstructions({}, {}).texts[0].get_text().startswith("There are no patches")
    assert training.loss_curves({"autoencoder": []}).texts[0].get_text().startswith("No history")


def test_loss_curves_mark_a_step_of_the_learning_rate_but_no_curve():
    rows = [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "validation_loss": float("nan"),
            "learning_rate": 1e-3 if epoch < 3 else 2e-4,
        }
        for epoch in (1, 2, 3, 4)
    ]
    axes = training.loss_curves({"autoencoder": rows, "regressor": []}).axes
    assert len(axes) == 1
    steps = [line.get_xdata()[0] for line in axes[0].lines if line.get_linestyle() == ":"]
    assert steps == [2.5]
    cosine = [row | {"learning_rate": 1e-3 / row["epoch"] ** 3} for row in rows]
    lines = training.loss_curves({"autoencoder": cosine}).axes[0].lines
    assert not [line for line in lines if line.get_linestyle() == ":"]


def test_wells_lie_at_their_place_on_the_plate(make_patches):
    wells = wells_table(make_patches(wells=2, each=3)).iloc[:1].assign(well="C05", error=1.5)
    image = plates.plate_map(wells).axes[0].images[0].get_array()
    assert image.shape == (3, 6)  # down to the last row and column in use, at least 2 x 6
    assert np.argwhere(~image.mask).tolist() == [[2, 4]]
    assert float(image[2, 4]) == pytest.approx(1.5)
