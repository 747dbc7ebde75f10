"""Label-free on one real field: what a network of simulated plates sees of it, and one of its half.

    python -m benchmarks.label_free_real runs/label_free FOLDER [--steps=400] [--json=FILE]

FOLDER holds one real field with both stains and brightfield. The run's network, which has seen
simulated plates alone, and filters and a network that were fitted to one half of the field, draw
the stains of the other half; then the halves change places. Nobody knows the truth there: all is
against the stains and the instrument's masks of them.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis.scores.virtual_stain import dice, scores
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.labelling import label_cells
from jaxcell.compute import backend
from jaxcell.dataset.crops import train_crops, validation_crops
from jaxcell.dataset.unstained_fields import (
    Levels,
    Seen,
    prepare_unstained,
    scale_inputs,
    scaled_stain,
)
from jaxcell.experiments.label_free.baselines import FEATURES, answer_linear, fit_linear
from jaxcell.experiments.label_free.judging import masks_of_stains
from jaxcell.inference.stainer import Answer, Stainer, answered, load, make_network, make_stainer
from jaxcell.plates.folder import read_plates
from jaxcell.plates.images import read_view
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit
from jaxcell.training.tasks import stain_task

SIDE, MARGIN = 128, 64  # pixels: of a crop, and between the halves, which no crop of both sees


def halves(folder: Path, stainer: Stainer) -> list[Seen]:
    """The upper and the lower half of a field; cells by the instrument's masks of the whole."""
    roles = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}
    images = read_plates(folder, roles, condition="").images.set_index("role")["path"]
    stain = np.stack([read_view(images[kind]) for kind in VIEWS], axis=-1)
    shown = np.stack([read_view(images[view]) for view in stainer.inputs], axis=-1)
    shown = scale_inputs(shown, stainer.inputs)
    masks = masks_of_stains(stain, stainer.pixel_um)
    labels = np.stack([label_cells(mask) for mask in masks], axis=-1)
    middle = len(stain) // 2
    rows = (np.s_[: middle - MARGIN // 2], np.s_[middle + MARGIN // 2 :])
    return [Seen(shown[part], stain[part], labels[part], labels[part]) for part in rows]


def levels_of(field: Seen) -> Levels:
    """Dark and bright counts of a field's stains."""
    ends = np.percentile(field.stain, (1.0, 99.8), axis=(0, 1))
    return tuple((float(dark), float(bright)) for dark, bright in ends.T)


def fitted_network(config: ConfigDict, field: Seen, steps: int, folder: Path) -> Stainer:
    """A network trained on one field alone, the last quarter of its columns kept for validation."""
    settings, width = ConfigDict(config.training.to_dict()), field.image.shape[1]
    edge = 3 * width // 4
    settings.epochs, settings.steps_per_epoch = 4, max(steps // 4, 25)
    parts = [np.s_[:, :edge], np.s_[:, edge:]]
    sizes = np.array([(len(field.image), edge), (len(field.image), width - edge)])
    like = {"image": field.image, "stain": field.stain, "shown": field.shown[..., None]}
    data = {}
    for name, array in like.items():
        data[name] = np.zeros((2, *array.shape[:1], edge, array.shape[2]), array.dtype)
        for number, part in enumerate(parts):
            data[name][number, :, : sizes[number, 1]] = array[part]
    levels = levels_of(field)
    fit(
        stain_task(make_network(config)),
        settings,
        data=data,
        train_batches=train_crops(
            np.array([0], np.int32), sizes, SIDE, settings.batch_size, settings.seed
        ),
        validation_batches=validation_crops(
            np.array([1], np.int32), sizes, SIDE, settings.batch_size
        ),
        prepare=prepare_unstained(SIDE, levels),
        folder=folder,
        name="stainer",
        describe_batch=lambda raw: "the real field",
    )
    params = best_params(folder / "stainer" / "checkpoints")
    return make_stainer(config, levels, jax.tree.map(np.asarray, params))


def judged(field: Seen, answer: Answer, levels: Levels, pixel_um: float) -> list[dict]:
    """Scores of the drawn stains of a half against the real ones, kind by kind."""
    real, drawn = (np.asarray(scaled_stain(of.stain, levels)) for of in (field, answer))
    masks = masks_of_stains(answer.stain, pixel_um)
    return [
        {"kind": kind}
        | scores(real[..., number], drawn[..., number], field.labels[..., number] > 0)
        | {"dice": dice(masks[number], field.labels[..., number] > 0)}
        for number, kind in enumerate(VIEWS)
    ]


def main(given: Sequence[str] | None = None) -> None:
    """Judges both halves, prints the table and keeps all numbers."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path, help="a trained label-free run")
    parser.add_argument("folder", type=Path, help="of the real field")
    parser.add_argument("--steps", type=int, default=400, help="of training on a half")
    options = parser.parse_args(given)
    backend.set_up()
    config, stainer = load(options.run)
    fields, lines = halves(options.folder, stainer), []
    for number, field in enumerate(fields):
        other = fields[1 - number]
        levels = levels_of(other)
        ways: dict[str, Callable[[np.ndarray], Answer]] = {
            "simulated plates": lambda image: answered(stainer, image)
        }
        for name in FEATURES:
            model = fit_linear(name, [other], levels)
            ways[f"{name}, of the other half"] = lambda image, model=model: answer_linear(
                model, image
            )
        with tempfile.TemporaryDirectory() as folder:
            network = fitted_network(config, other, options.steps, Path(folder))
            ways["network, of the other half"] = lambda image, network=network: answered(
                network, image
            )
            for name, way in ways.items():
                found = judged(field, way(field.image), levels, stainer.pixel_um)
                lines += [{"half": number, "by": name} | line for line in found]
    frame = pd.DataFrame(lines)
    names = ["pcc", "pcc_in_cells", "ssim", "nrmse", "psnr", "dice"]
    means = frame.groupby(["kind", "by"], sort=False)[names].mean().reset_index()
    rows = [[row[0], row[1], *(f"{value:.3f}" for value in row[2:])] for row in means.to_numpy()]
    print(table(["kind", "fitted to", *names], rows))
    keep({"steps": options.steps, "halves": lines}, options.json)


if __name__ == "__main__":
    main()
