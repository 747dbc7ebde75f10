"""The reference study's U-Net: a network that learns the masks which label the data sets."""

from functools import partial
from pathlib import Path

from ml_collections import ConfigDict, FrozenConfigDict

from jaxcell.cells.kinds import VIEWS
from jaxcell.compute.processes import own_rows
from jaxcell.dataset.batches import (
    Examples,
    device_data,
    evaluation_batches,
    open_examples,
    prepare,
    train_batches,
)
from jaxcell.dataset.immune_cells import build
from jaxcell.dataset.source import dataset_config, load_plates, tfds_folder
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction.trainings import describe
from jaxcell.models.unet import UNet
from jaxcell.plates.folder import is_simulated
from jaxcell.training.loop import fit
from jaxcell.training.tasks import mask_task


def train(config: ConfigDict, workdir: Path) -> None:
    """Trains a U-Net on the masks of a data set; goes on where a killed run stopped.

    Args:
      config: as `configs/mask_unet.py` describes.
      workdir: the run's folder; created, or one of the same run.

    Raises:
      BadPlates, ValueError, FloatingPointError: as `lifecycle.train`.
    """
    lifecycle.train(config, workdir, check=dataset_config, open_data=_open, notes=_notes, fit=_fit)


def make_unet(config: ConfigDict | FrozenConfigDict) -> UNet:
    """The network of a config: a mask of each kind of cell."""
    return UNet(outputs=len(VIEWS), **config.model.to_dict())


def _open(config: ConfigDict) -> tuple[dict, Examples]:
    """The content of dataset.json, and the examples."""
    plates = load_plates(config)
    builder = build(plates, dataset_config(config), tfds_folder(config))
    examples = open_examples(builder, config.machine.memory_gib, with_masks=True)
    dataset = {"name": builder.builder_config.name, "simulated": is_simulated(plates)}
    return dataset, examples


def _notes(opened: tuple[dict, Examples]) -> dict:
    return {"dataset.json": opened[0]}


def _fit(config: ConfigDict, workdir: Path, opened: tuple[dict, Examples]) -> dict:
    _, examples = opened
    rows, settings = examples.rows("train"), ConfigDict(config.training.to_dict())
    own = own_rows(settings.batch_size)
    settings.steps_per_epoch = len(rows) // settings.batch_size
    result = fit(
        mask_task(make_unet(config)),
        settings,
        data=device_data(examples),
        train_batches=train_batches(
            examples, rows, settings.batch_size, settings.seed, augment=True, own=own
        ),
        validation_batches=evaluation_batches(
            examples, examples.rows("validation"), settings.batch_size, own
        ),
        prepare=partial(prepare, levels=examples.levels),
        folder=workdir,
        name="unet",
        describe_batch=describe(examples),
    )
    return {"step": int(result.state.step)}
