"""A network that draws the stains of brightfield views, trained on plates that have both."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcell.dataset.crops import check_crop, train_crops, validation_crops
from jaxcell.dataset.source import load_plates
from jaxcell.dataset.truth import has_truth
from jaxcell.dataset.unstained_fields import Unstained, prepare_unstained, read_unstained
from jaxcell.experiments import lifecycle
from jaxcell.inference.stainer import NETWORK, make_network
from jaxcell.training.loop import fit
from jaxcell.training.tasks import stain_task


def train(config: ConfigDict, workdir: Path) -> None:
    """Trains on fields with all views and known cells; goes on where a killed run stopped.

    Args:
      config: as `configs/label_free.py` describes.
      workdir: the run's folder; created, or one of the same run.

    Raises:
      BadPlates, ValueError, FloatingPointError: as `lifecycle.train`.
    """
    lifecycle.train(config, workdir, check=_check, open_data=_open, notes=_notes, fit=_fit)


def _check(config: ConfigDict) -> None:
    check_crop(config.training.crop, make_network(config).multiple)


def _open(config: ConfigDict) -> Unstained:
    plates = load_plates(config)
    if not has_truth(plates):
        raise ValueError(
            f"{config.plates.folder} has no truth, from which cells are learnt: train on simulated "
            "plates, without --plates, and then `jaxcell predict RUN FOLDER`"
        )
    settings = config.dataset
    return read_unstained(plates, settings.inputs, settings.split_seed, config.training.crop)


def _notes(fields: Unstained) -> dict:
    table = fields.table
    names = table["plate"] + " " + table["well"] + " field " + table["field"].astype(str)
    content = {
        name: float(getattr(fields, name).mean(dtype="float64")) for name in ("image", "stain")
    }
    return {"dataset.json": {"splits": dict(zip(names, table["split"])), "means": content}}


def _fit(config: ConfigDict, workdir: Path, fields: Unstained) -> dict:
    settings, side = config.training, config.training.crop
    table = fields.table
    result = fit(
        stain_task(make_network(config)),
        settings,
        data={"image": fields.image, "stain": fields.stain, "shown": fields.shown},
        train_batches=train_crops(
            *(fields.rows("train"), fields.sizes, side, settings.batch_size, settings.seed)
        ),
        validation_batches=validation_crops(
            fields.rows("validation"), fields.sizes, side, settings.batch_size
        ),
        prepare=prepare_unstained(side, fields.levels),
        folder=workdir,
        name=NETWORK,
        describe_batch=lambda raw: ", ".join(
            sorted({f"{table['plate'][row]} {table['well'][row]}" for row in raw["index"]})
        ),
    )
    return {"step": int(result.state.step), "levels": fields.levels}
