"""What every setting may be: type, range and unit, in one table, checked before anything is read.

A new field is one entry, beside those of its section; a config with a field that has none fails a
test. What two settings must be to each other is a function in `AGREEMENTS`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcell.configs.kinds import population_in
from jaxcell.configs.settings import flat, nearest
from jaxcell.measures.catalogue import TARGETS
from jaxcell.measures.contacts import MAXIMUM_UM
from jaxcell.simulator.layout import LAYOUTS
from jaxcell.simulator.light import REGIMES

# Kinds of cell of which a measurement needs a view; brightfield may be missing.
STAINED = ("t_cell", "dendritic_cell")
# Pixels of all windows of one batch: float32 of a stage of 64 channels then takes 64 GiB.
LARGEST_BATCH_PIXELS = 2**28
# A pixel is in at most so many patches, squared: a data set grows by as much.
MOST_OVERLAP = 16
# Channels that a residual block normalises together.
GROUPS = 8


class Range(NamedTuple):
    """What a setting may be.

    Attributes:
      words: for a message, after "use": "a whole number from 1 to 64, pixels".
      fits: whether a value is of it.
      optional: whether a config may be without the setting.
    """

    words: str
    fits: Callable[[Any], bool]
    optional: bool = False


def whole(low: int, high: int, unit: str = "") -> Range:
    """Whole numbers, both ends included."""
    return Range(
        f"a whole number from {low} to {high}{_of(unit)}",
        lambda value: type(value) is int and low <= value <= high,
    )


def number(low: float, high: float, unit: str = "", *, without_ends: bool = False) -> Range:
    """Finite numbers, both ends included unless `without_ends`."""

    def fits(value: Any) -> bool:
        if type(value) not in (int, float) or not math.isfinite(value):
            return False
        return low < value < high if without_ends else low <= value <= high

    span = f"above {low:g} and below {high:g}" if without_ends else f"from {low:g} to {high:g}"
    return Range(f"a number {span}{_of(unit)}", fits)


def true_or_false() -> Range:
    """True or False."""
    return Range("True or False", lambda value: type(value) is bool)


def one_of(*words: str) -> Range:
    """Words of a list."""
    return Range(_joined(words), lambda value: type(value) is str and value in words)


def text(what: str, *, empty: bool = False) -> Range:
    """Text on one line, without blanks at its ends."""

    def fits(value: Any) -> bool:
        return type(value) is str and value == value.strip() and value.isprintable()

    return Range(
        f"{what}, as text on one line{' or empty' if empty else ''}",
        lambda value: fits(value) and (empty or value != ""),
    )


def several(each: Range, least: int, most: int, *, distinct: bool = False) -> Range:
    """Tuples whose items are of a range, from `least` to `most` of them."""
    count = str(least) if least == most else f"{least} to {most}"
    words = f"a tuple of {count} of: {each.words}{'; each once' if distinct else ''}"

    def fits(value: Any) -> bool:
        # A config read back from JSON has lists.
        if not isinstance(value, tuple | list) or not least <= len(value) <= most:
            return False
        return all(map(each.fits, value)) and not (distinct and len(set(value)) < len(value))

    return Range(words, fits)


def optional(fields: Mapping[str, Range]) -> dict[str, Range]:
    """The same fields, which a config may be without."""
    return {name: range_._replace(optional=True) for name, range_ in fields.items()}


def _of(unit: str) -> str:
    return f", {unit}" if unit else ""


def _joined(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


SEED = whole(0, 2**31 - 1)
WINDOW = whole(16, 4096, "pixels")
CHANNELS = whole(1, 4096, "channels")
STAGES = several(CHANNELS, 1, 8)
UNITS = several(whole(1, 65536, "units"), 2, 2)
BATCH = whole(1, 65536, "patches of a batch")
EPOCHS = whole(1, 100_000, "epochs")
LATENT = whole(0, 65536, "numbers; 0: the spatial code")
LEARNING_RATE = number(0, 10, without_ends=True)
COLOURS = one_of("magenta_green", "red_green")
MASK_METHOD, MASK_SCOPE = one_of("two_means", "mean_sd", "instrument"), one_of("patch", "field")
DTYPE = one_of("float32", "bfloat16")
ACTIVATION, DOWNSAMPLING = one_of("prelu", "relu"), one_of("pool", "stride")
LOSS = one_of("cross_entropy", "squared_error")
DISTANCE = Range(
    f"a number from 0 to below {MAXIMUM_UM:g}, µm",
    lambda value: number(0, MAXIMUM_UM).fits(value) and value < MAXIMUM_UM,
)
FOLDER = text("a folder", empty=True)
ESTIMATED = number(0, 65535, "counts; 0: estimated from the images")


def optimizer(section: str) -> dict[str, Range]:
    """Fields of an optimizer; all but the learning rate have a default."""
    fields = {
        "name": one_of("adam", "adamw", "muon"),
        "weight_decay": number(0, 1),
        "warmup_steps": whole(0, 10**9, "steps"),
        "decay": one_of("constant", "cosine"),
        "clip_global_norm": number(0, 1e6),
        "epsilon": number(0, 1, without_ends=True),
        "plateau_epochs": whole(0, 100_000, "epochs"),
        "plateau_factor": number(0, 1, without_ends=True),
        "plateau_tolerance": number(0, 1e6),
        "minimum_learning_rate": LEARNING_RATE,
    }
    fields = optional(fields) | {"learning_rate": LEARNING_RATE}
    return {f"{section}.optimizer.{name}": range_ for name, range_ in fields.items()}


def recipe(section: str) -> dict[str, Range]:
    """Fields of one network's training."""
    fields = {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "checkpoint_every_steps": whole(0, 10**9, "steps; 0: at the end of an epoch alone"),
        "early_stopping_epochs": whole(0, 100_000, "epochs; 0: never"),
    }
    return {f"{section}.{name}": range_ for name, range_ in fields.items()} | optimizer(section)


EXPERIMENT = {
    "experiment": Range(
        "the name of a folder in jaxcell/experiments, or of a package with a dot",
        lambda value: type(value) is str and all(map(str.isidentifier, value.split("."))),
    )
}
NO_VIEW = text("a view's name", empty=True)
PLATES = {
    "plates.folder": FOLDER,
    **{f"plates.views.{kind}": text("a view's name") for kind in STAINED},
    "plates.views.brightfield": NO_VIEW,
    "plates.on_bad_image": one_of("stop", "skip"),
    "plates.pixel_um": number(0.02, 50, "µm"),
    "plates.simulate.plates": whole(1, 1000),
    "plates.simulate.rows": whole(1, 16, "rows of wells"),
    "plates.simulate.columns": whole(3, 24, "columns of wells, one at least a condition"),
    "plates.simulate.fields": whole(1, 100, "fields a well"),
    "plates.simulate.field_size": whole(64, 16384, "pixels"),
    "plates.simulate.seed": SEED,
    "plates.simulate.layout": one_of(*LAYOUTS),
    "plates.simulate.doses_um": several(number(1e-9, 1e6, "µM"), 1, 24),
    "plates.simulate.light": several(one_of(*REGIMES), 1, 1000),
}
DATASET = {
    "dataset.subset": one_of("full", "dual", "dmso"),
    "dataset.conditions": several(text("a condition"), 2, 2, distinct=True),
    "dataset.window": WINDOW,
    "dataset.stride": whole(0, 4096, "pixels; 0: the window"),
    "dataset.masked": true_or_false(),
    "dataset.mask_method": MASK_METHOD,
    "dataset.mask_scope": MASK_SCOPE,
    # Earlier runs have none.
    **optional(
        {f"dataset.{name}_counts": ESTIMATED for name in ("background", "minimum_contrast", "dark")}
    ),
    "dataset.flat_field": true_or_false(),
    "dataset.target": one_of(*TARGETS),
    "dataset.split_by": one_of("well", "plate", "random_patch"),
    "dataset.split_seed": SEED,
}
MODEL = {
    "model.architecture": one_of("residual", "plain"),
    "model.latent_dim": LATENT,
    "model.nested_sizes": several(whole(1, 65536, "numbers"), 0, 64, distinct=True),
    "model.dtype": DTYPE,
    "model.regression": one_of("interaction_unet", "soft_overlap", "dense"),
    # Which of these there are is the architecture's to say.
    **optional(
        {
            "model.autoencoder.patch": whole(1, 64, "pixels"),
            "model.autoencoder.features": STAGES,
            "model.autoencoder.blocks": whole(1, 64, "blocks a stage"),
            "model.autoencoder.code_features": CHANNELS,
            "model.autoencoder.activation": ACTIVATION,
            "model.autoencoder.downsampling": DOWNSAMPLING,
            "model.regressor.features": STAGES,
            "model.regressor.hidden": UNITS,
            "model.regressor.dropout": Range(
                "a number from 0 to below 1", lambda value: number(0, 1).fits(value) and value < 1
            ),
        }
    ),
}
TRAINING = {
    "training.seed": SEED,
    **recipe("training.autoencoder"),
    "training.autoencoder.augment": true_or_false(),
    "training.autoencoder.loss": LOSS,
    **recipe("training.regressor"),
    "training.regressor.augment": true_or_false(),
    **optional({"training.regressor.relit": true_or_false()}),
}
EVALUATION = {
    "evaluation.batch_size": BATCH,
    "evaluation.projections": several(one_of("PCA", "t-SNE", "UMAP"), 0, 3, distinct=True),
    "evaluation.coverage": number(0, 1, "a share of wells", without_ends=True),
    "evaluation.standardise": true_or_false(),
    "evaluation.colours": COLOURS,
}
MACHINE = {
    "machine.folder": text("a folder"),
    "machine.memory_gib": number(0, 65536, "GiB"),
}
INTERACTION = EXPERIMENT | PLATES | DATASET | MODEL | TRAINING | EVALUATION | MACHINE
UNET = {
    "model.features": STAGES,
    "model.patch": whole(1, 64, "pixels"),
    "model.dtype": DTYPE,
    "training.seed": SEED,
    **recipe("training"),
    "evaluation.colours": COLOURS,
    "machine.folder": text("a folder"),
}
SWEEP = {
    "sweep.latent_dim": several(LATENT, 1, 1000, distinct=True),
    "sweep.seed": several(SEED, 1, 1000, distinct=True),
    "sweep.window": several(WINDOW, 0, 100, distinct=True),
    "sweep.depth": several(whole(1, 8, "stages"), 0, 8, distinct=True),
    "sweep.masked": several(true_or_false(), 0, 2, distinct=True),
    "sweep.activation": several(ACTIVATION, 0, 2, distinct=True),
    "sweep.downsampling": several(DOWNSAMPLING, 0, 2, distinct=True),
    "sweep.loss": several(LOSS, 0, 2, distinct=True),
    "sweep.learning_rate": several(LEARNING_RATE, 0, 100, distinct=True),
    "sweep.nested": true_or_false(),
    "sweep.nested_epochs": EPOCHS,
    "sweep.shard": text("i/n with i from 1 to n, such as 1/4"),
    "sweep.plan": true_or_false(),
}
# What may be said of a kind of cells, `kinds.NAME.FIELD`.
KIND = {
    "singular": text("a name", empty=True),
    "plural": text("a name", empty=True),
    "adjective": text("a name", empty=True),
    "colour": text("a colour", empty=True),
    "mask_method": one_of("", "two_means", "mean_sd", "instrument"),
    "radius_um": number(0, 1000, "µm; 0: the usual"),
    "sensitivity": number(0, 1000, "0: the usual"),
    "minimum_area_um2": number(0, 1e6, "µm²; 0: the usual"),
}
# Kind of experiment -> its settings.
FIELDS: dict[str, dict[str, Range]] = {
    "interaction": INTERACTION,
    "sweep": INTERACTION | SWEEP,
    "segmentation": EXPERIMENT
    | PLATES
    | UNET
    | {
        "plates.pairs": FOLDER,
        "plates.kind": text("a kind of cell", empty=True),
        "dataset.split_seed": SEED,
        "dataset.minimum_contrast": number(0, 65535, "counts; 0: by the noise"),
        "dataset.minimum_area": whole(0, 10**6, "pixels"),
        "training.crop": WINDOW,
        "training.steps_per_epoch": whole(1, 10**6, "steps"),
        **optional({"training.coarse": number(0, 1, "a share of the crops")}),
    },
    "masks": EXPERIMENT
    | PLATES
    | DATASET
    | UNET
    | {
        "evaluation.batch_size": BATCH,
        "machine.memory_gib": MACHINE["machine.memory_gib"],
    },
    "measurement": EXPERIMENT
    | PLATES
    # A kind without a view is not measured.
    | {name: NO_VIEW for name in PLATES if name.startswith("plates.views.")}
    | {
        "measurement.kinds": several(text("a kind of cell"), 1, 100, distinct=True),
        "measurement.pairs": several(text("two kinds, FIRST:SECOND"), 0, 100),
        "dataset.mask_method": MASK_METHOD,
        "dataset.mask_scope": MASK_SCOPE,
        "dataset.window": WINDOW,
        "dataset.flat_field": true_or_false(),
        **optional({"dataset.dark_counts": ESTIMATED}),
        "measurement.segmentation": FOLDER,
        "measurement.labels_from": FOLDER,
        "measurement.minimum_area_um2": number(0, 1e6, "µm²"),
        "measurement.contact_um": DISTANCE,
        "measurement.near_um": DISTANCE,
        "measurement.granularity_steps": whole(0, 64, "steps"),
        "measurement.labels": true_or_false(),
        "measurement.empty_wells": true_or_false(),
        "evaluation.colours": COLOURS,
        "machine.folder": text("a folder"),
        "machine.threads": whole(1, 256, "wells at a time"),
    },
    "labelling": EXPERIMENT
    | PLATES
    | {
        "labelling.patches": whole(1, 10**6, "patches"),
        "labelling.window": WINDOW,
        "labelling.enlarged": whole(1, 16, "screen pixels a pixel"),
        "labelling.seed": SEED,
        "evaluation.colours": COLOURS,
        "machine.folder": text("a folder"),
    },
}


def check(config: Any) -> None:
    """Checks every setting of a config, before anything is read or claimed.

    Args:
      config: a ConfigDict of any kind. Of a kind that is somebody else's package, fields that are
        not known here are theirs.

    Raises:
      ValueError: a field is missing, unknown, or not of its type and range, or two do not agree;
        says all that is wrong, a line each.
    """
    values = flat(config.to_dict())
    kind = values.get("experiment", "")
    wrong = list(_wrong(values, kind))
    if not wrong and kind in FIELDS:
        wrong = [said for agree in AGREEMENTS if (said := agree(values))]
    if wrong:
        raise ValueError("\n".join(wrong))


def check_of_run(config: Any, workdir: Path) -> None:
    """As `check`, of the config that a run's folder holds: it may be a stranger's, or old.

    Raises:
      ValueError: as `check`, with the file and what to do.
    """
    try:
        check(config)
    except ValueError as error:
        raise ValueError(
            f"{workdir / 'config.json'} does not fit this version of jaxcell: use the version that "
            f"trained the run, or train again in another folder\n{error}"
        ) from error


def _wrong(values: Mapping[str, Any], kind: Any) -> Iterator[str]:
    """What is wrong with each field by itself."""
    if not EXPERIMENT["experiment"].fits(kind):
        yield f"experiment is {kind!r}: use {EXPERIMENT['experiment'].words}"
        return
    every = {name: range_ for fields in FIELDS.values() for name, range_ in fields.items()}
    known = FIELDS.get(kind, every)
    if kind == "measurement":
        known = known | _of_any_kind(values)
    for name, value in values.items():
        if value == {} and any(field.startswith(f"{name}.") for field in (*known, "kinds.")):
            continue  # a section without fields: which of them it must have is said below
        if name not in known and kind in FIELDS:
            yield f"there is no setting {name}{nearest(name, known)}"
        elif name in known and not known[name].fits(value):
            yield f"{name} is {_shown(value)}: use {known[name].words}"
    if kind in FIELDS:
        missing = [name for name, range_ in known.items() if not range_.optional]
        yield from (
            f"the config has no {name}: use {known[name].words}"
            for name in missing
            if name not in values
        )


def _of_any_kind(values: Mapping[str, Any]) -> dict[str, Range]:
    """Settings of kinds of cells of any name, as far as a config has them."""
    measured = values.get("measurement.kinds")
    measured = measured if isinstance(measured, tuple | list) else STAINED
    found = {f"plates.views.{kind}": NO_VIEW for kind in STAINED if kind not in measured}
    for name in values:
        if name.startswith("plates.views.") and name not in PLATES:
            found[name] = NO_VIEW
        field = name.rpartition(".")[2]
        if name.startswith("kinds.") and name.count(".") == 2 and field in KIND:
            found[name] = KIND[field]
    return optional(found)


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."


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
            f"model.autoencoder.features is {_shown(features)}: use multiples of {GROUPS} with the "
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


AGREEMENTS = (
    _views,
    _kinds,
    _stride,
    _simulated_field,
    _instrument,
    _batches,
    _optimizers,
    _residual,
    _pairs,
    _own_labels,
)
