"""Which settings each kind of experiment has."""

from jaxcell.configs.ranges.sections import (
    BATCH,
    COLOURS,
    DATASET,
    DISTANCE,
    ESTIMATED,
    EVALUATION,
    EXPERIMENT,
    FOLDER,
    INTERACTION,
    MACHINE,
    MASK_METHOD,
    MASK_SCOPE,
    NO_VIEW,
    PLATES,
    SEED,
    STAINED,
    SWEEP,
    UNET,
    WINDOW,
)
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
    "label_free": EXPERIMENT
    | PLATES
    | UNET
    | {
        "plates.simulate.unstained_cells": number(0, 10**5, "cells in a field of 2048 x 2048"),
        "dataset.inputs": several(one_of("brightfield", *STAINED), 1, 3, distinct=True),
        "dataset.window": WINDOW,
        "dataset.split_seed": SEED,
        "dataset.target": one_of("true_overlap_share", "true_iou"),
        "training.crop": WINDOW,
        "training.steps_per_epoch": whole(1, 10**6, "steps"),
        "evaluation.coverage": EVALUATION["evaluation.coverage"],
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
