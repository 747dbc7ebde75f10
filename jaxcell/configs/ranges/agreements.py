"""What two settings of a config must be to each other."""

from collections.abc import Mapping
from typing import Any

from jaxcell.configs.kinds import population_in
from jaxcell.configs.ranges.sections import (
    STAINED,
)
from jaxcell.configs.ranges.values import shown

# Pixels of all windows of one batch: float32 of a stage of 64 channels then takes 64 GiB.
LARGEST_BATCH_PIXELS = 2**28
# A pixel is in at most so many patches, squared: a data set grows by as much.
MOST_OVERLAP = 16
# Channels that a residual block normalises together.
GROUPS = 8


def _views(values: Mapping[str, Any]) -> str | None:
    shown: dict[str, str] = {}
    for kind in values.get("measurement.kinds", STAINED):
        view = values.get(f"plates.views.{kind}", "")
        other = shown.setdefault("".join(view.split()).casefold(), kind)
        if view and other != kind:
            return (
                f"plates.views.{other} and plates.views.{kind} are both {view!r}: each kind of "
                "cell needs a view of its own"
            )
    return None


def _kinds(values: Mapping[str, Any]) -> str | None:
    if "measurement.kinds" not in values:
        return None
    try:
        population_in(values)
    except ValueError as error:
        return str(error)
    return None


def _stride(values: Mapping[str, Any]) -> str | None:
    stride, window = values.get("dataset.stride", 0), values.get("dataset.window", 0)
    if stride and stride * MOST_OVERLAP < window:
        return (
            f"dataset.stride is {stride}, dataset.window {window}: use 0 or at least "
            f"{-(-window // MOST_OVERLAP)} pixels, or every pixel is in thousands of patches"
        )
    if stride and stride < window and values.get("dataset.split_by") == "random_patch":
        return (
            f"dataset.stride is {stride}, less than the dataset.window of {window} pixels: patches "
            "that overlap would share pixels between splits by random_patch; use 0"
        )
    return None


def _simulated_field(values: Mapping[str, Any]) -> str | None:
    if values["plates.folder"] or values.get("plates.pairs"):
        return None
    side = values["plates.simulate.field_size"]
    for name in ("dataset.window", "training.crop"):
        if values.get(name, 0) > side:
            return (
                f"{name} is {values[name]} pixels and a simulated field {side} "
                "(plates.simulate.field_size): use a window that fits"
            )
    return None


def _instrument(values: Mapping[str, Any]) -> str | None:
    method, scope = values.get("dataset.mask_method"), values.get("dataset.mask_scope")
    if method == "instrument" and scope != "field":
        return (
            "the instrument's masks are made of whole fields: dataset.mask_method instrument "
            "needs dataset.mask_scope field"
        )
    return None


def _batches(values: Mapping[str, Any]) -> str | None:
    side = values.get("training.crop", values.get("dataset.window", 1))
    for name, value in values.items():
        if name.endswith("batch_size") and value * side**2 > LARGEST_BATCH_PIXELS:
            return (
                f"{name} is {value}: use at most {LARGEST_BATCH_PIXELS // side**2} patches of "
                f"{side} x {side} pixels"
            )
    return None


def _optimizers(values: Mapping[str, Any]) -> str | None:
    for section in {name.rpartition(".")[0] for name in values if ".optimizer." in name}:
        of = {name: values.get(f"{section}.{name}") for name in ("name", "weight_decay")}
        if of["weight_decay"] and (of["name"] or "adam") == "adam":
            return (
                f"{section}.weight_decay is {of['weight_decay']}, which {section}.name adam has "
                "not: use adamw or muon"
            )
        if values.get(f"{section}.plateau_epochs"):
            lowest = values.get(f"{section}.minimum_learning_rate", 1e-4)
            highest = values[f"{section}.learning_rate"]
            if lowest > highest:
                return (
                    f"{section}.learning_rate is {highest}, below "
                    f"{section}.minimum_learning_rate {lowest}, to which a plateau would raise it: "
                    "use a higher rate or a lower minimum"
                )
    return None


def _residual(values: Mapping[str, Any]) -> str | None:
    features = values.get("model.autoencoder.features", ())
    if values.get("model.architecture") == "residual" and any(each % GROUPS for each in features):
        return (
            f"model.autoencoder.features is {shown(features)}: use multiples of {GROUPS} with the "
            "residual architecture, whose channels are normalised in groups"
        )
    return None


def _pairs(values: Mapping[str, Any]) -> str | None:
    if values.get("plates.pairs") and not values["plates.kind"]:
        return "plates.kind is empty: use the name of the kind of cell that plates.pairs shows"
    return None


def _own_labels(values: Mapping[str, Any]) -> str | None:
    if values.get("measurement.segmentation") and values.get("measurement.labels_from"):
        return (
            "measurement.segmentation and measurement.labels_from are both given: a network finds "
            "the cells, or label images hold them; use one of the two"
        )
    return None


def _codes(values: Mapping[str, Any]) -> str | None:
    regression = values.get("model.regression", "interaction_unet")
    if values.get("evaluation.codes") == "regressor" and regression != "interaction_unet":
        return (
            f"evaluation.codes is regressor and model.regression {regression}: codes come from an "
            "interaction_unet, or from the autoencoder"
        )
    return None


AGREEMENTS = (
    _views,
    _kinds,
    _stride,
    _simulated_field,
    _instrument,
    _batches,
    _optimizers,
    _residual,
    _codes,
    _pairs,
    _own_labels,
)
