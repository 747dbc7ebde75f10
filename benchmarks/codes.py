"""What codes keep: conditions told apart on plates never seen, and replicates of a compound found.

    python -m benchmarks.codes runs/default [--seed=3000] [--plates=3] [--json=FILE]

Simulates plates with conditions, compounds and wells by lot, from a seed that no training has used.
The condition of a well is read from its patches by a rule that the other plates taught, and each
well asks for its replicates (same condition, same compound) among all wells of its condition, the
nearest by standardised means first. Codes
of the autoencoder and of the network that learns the truth stand beside overlap alone, true and
estimated, classic measures and raw-pixel PCA; the ceiling is that of a reader who knows the true
association of every well. It takes some ten minutes on two cores.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis.structure.design import choose, design_wells, shuffled
from jaxcell.analysis.structure.probes import well_means
from jaxcell.analysis.structure.representations import score_features
from jaxcell.analysis.structure.scores import mean_average_precision, p_value, standardised
from jaxcell.compute import backend
from jaxcell.dataset.batches import open_examples
from jaxcell.dataset.immune_cells import build
from jaxcell.dataset.source import dataset_config
from jaxcell.dataset.truth import read_ceiling
from jaxcell.inference.patches import evaluate_patches
from jaxcell.inference.trained import load
from jaxcell.models.interaction_unet import AMOUNTS, code
from jaxcell.plates.folder import read_plates
from jaxcell.report.common.images import colour_image
from jaxcell.simulator.plates import simulate_plates

ROWS, COLUMNS, FIELD_SIZE = 6, 9, 1152
SHUFFLES = 1999


def representations(run, config, examples) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The table of all patches, and what each representation says of them, float [N, D]."""
    rows = np.arange(len(examples.table), dtype=np.int32)
    found = evaluate_patches(
        run, examples, rows, config.evaluation.batch_size, 8, colour_image, seed=0
    )
    patches = found.patches
    spatial = found.codes.reshape(len(rows), found.places, -1)
    averaged = np.concatenate([spatial.mean(axis=1), spatial.std(axis=1)], axis=1)
    return patches, {
        "true overlap alone": patches[["target"]].to_numpy(float),
        "estimated overlap alone": patches[["predicted"]].to_numpy(float),
        "overlap by the instrument's masks": patches[["by_instrument"]].to_numpy(float),
        "codes of the regressor": np.asarray(code(patches[list(AMOUNTS)].to_numpy(np.float32))),
        "codes of the autoencoder, averaged": averaged,
        "raw-pixel PCA": found.raw_pixels,
        "mean intensity": found.intensity,
    }


def of_conditions(patches: pd.DataFrame, features: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """AUROC of the condition of wells of each plate, read by what the other plates taught."""
    design = design_wells(patches, choose(patches), 0, SHUFFLES, 1000)
    by_plate = pd.factorize(design.wells["plate"])[0]
    shuffles = shuffled(design.labels, by_plate, SHUFFLES, 0)
    labellings = np.concatenate([design.labels[None], shuffles])
    design = design._replace(folds=by_plate, labellings=labellings)
    result, draws = {}, {}
    for name, values in features.items():
        found, drawn = score_features(values, design, 0)
        result[name], draws[name] = found["probe"], drawn["probe"]
    for name, found in result.items():
        apart = draws[name] - draws["estimated overlap alone"]
        found["above_overlap_interval"] = np.percentile(apart, (2.5, 97.5)).tolist()
    return result


def of_replicates(patches: pd.DataFrame, features: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """Mean average precision of wells that ask for their replicates within their condition."""
    groups = patches.groupby(["plate", "well"], sort=True)
    wells = groups[["condition", "compound", "role"]].first().reset_index()
    well_of = groups.ngroup().to_numpy()
    conditions = pd.factorize(wells["condition"])[0]
    treatments = pd.factorize(wells["condition"] + " " + wells["compound"])[0]
    allowed = (conditions[:, None] == conditions) & ~np.eye(len(wells), dtype=bool)
    groups_of = pd.factorize(wells["condition"] + wells["plate"])[0]
    labels = np.concatenate([treatments[None], shuffled(treatments, groups_of, SHUFFLES, 0)])
    result = {}
    for name, values in features.items():
        means = well_means(values, well_of, len(wells))
        found = mean_average_precision(nearest_first(means, allowed), labels)
        chance = found[1:]
        result[name] = {
            "map": float(found[0]), "chance": float(chance.mean()), "p": p_value(found)
        }  # fmt: skip
    return result


def nearest_first(means: np.ndarray, allowed: np.ndarray) -> list[np.ndarray]:
    """For each well those that may answer its query, nearest first, of standardised features.

    The profiling field's cosine would know no more of a single number than its sign.
    """
    order = np.argsort(cdist(*[standardised(means)] * 2), axis=1, kind="stable")
    return [row[allowed[well, row]] for well, row in enumerate(order)]


def main(given: Sequence[str] | None = None) -> None:
    """Judges the codes of a run, prints the table and keeps all numbers."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path, help="a trained run that learns the truth")
    parser.add_argument("--seed", type=int, default=3000, help="of the new plates")
    parser.add_argument("--plates", type=int, default=3)
    options = parser.parse_args(given)
    backend.set_up()
    config, run = load(options.run)
    with tempfile.TemporaryDirectory() as folder:
        plates = Path(folder) / "plates"
        simulate_plates(
            plates, plates=options.plates, rows=ROWS, columns=COLUMNS, field_size=FIELD_SIZE,
            seed=options.seed, layout="lot",
        )  # fmt: skip
        read = read_plates(plates, config.plates.views.to_dict())
        settings = dataset_config(config, split_by="none", subset="full")
        builder = build(read, settings, Path(folder) / "tfds")
        examples = open_examples(builder, memory_gib=8)
        patches, features = representations(run, config, examples)
        ceiling = read_ceiling(read)
    conditions = of_conditions(patches, features)
    replicates = of_replicates(patches, features)
    rows = [
        [
            name,
            f"{features[name].shape[1]}",
            f"{conditions[name]['auroc']:.3f}",
            " to ".join(f"{end:.3f}" for end in conditions[name]["auroc_interval"]),
            " to ".join(f"{end:+.3f}" for end in conditions[name]["above_overlap_interval"]),
            f"{replicates[name]['map']:.3f}",
            f"{replicates[name]['chance']:.3f}",
            f"{replicates[name]['p']:.4f}",
        ]
        for name in features
    ]
    heads = ["representation", "numbers", "AUROC", "95 %", "minus overlap's", "mAP", "chance", "p"]
    print(table(heads, rows))
    print("ceiling:", ceiling)
    keep(
        {"seed": options.seed, "conditions": conditions, "replicates": replicates,
         "ceiling": ceiling}, options.json,
    )  # fmt: skip


if __name__ == "__main__":
    main()
