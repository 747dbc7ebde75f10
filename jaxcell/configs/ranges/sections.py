"""The settings of each section of a config, with what each may be."""

from jaxcell.configs.ranges.values import (
    Range,
    number,
    one_of,
    optional,
    several,
    text,
    true_or_false,
    whole,
)
from jaxcell.measures.catalogue import TARGETS
from jaxcell.measures.contacts import MAXIMUM_UM
from jaxcell.simulator.layout import LAYOUTS
from jaxcell.simulator.light import REGIMES

# Kinds of cell of which a measurement needs a view; brightfield may be missing.
STAINED = ("t_cell", "dendritic_cell")

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
    **optional({"evaluation.codes": one_of("autoencoder", "regressor")}),
    "evaluation.colours": COLOURS,
}
MACHINE = {
    "machine.folder": text("a folder"),
    "machine.memory_gib": number(0, 65536, "GiB"),
}
# What may be said of a kind of cells, `kinds.NAME.FIELD`; the first three in words alone.
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
# Networks know two kinds by their places, which may be called otherwise.
NAMES = optional(
    {
        f"kinds.{kind}.{word}": KIND[word]
        for kind in STAINED
        for word in ("singular", "plural", "adjective")
    }
)
INTERACTION = EXPERIMENT | PLATES | DATASET | MODEL | TRAINING | EVALUATION | MACHINE | NAMES
UNET = {
    "model.features": STAGES,
    "model.patch": whole(1, 64, "pixels"),
    "model.dtype": DTYPE,
    "training.seed": SEED,
    **recipe("training"),
    **optional({"evaluation.colours": COLOURS}),
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
