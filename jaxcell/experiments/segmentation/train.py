"""A segmentation run: fields with known cells in, a U-Net trained, cells of any field out."""

import json
import zlib
from pathlib import Path

import jax
from ml_collections import ConfigDict

from jaxcell.dataset.labelled_fields import (
    Labelled,
    device_fields,
    prepare_crops,
    read_pairs,
    read_simulated,
    train_crops,
    validation_crops,
)
from jaxcell.dataset.source import load_plates
from jaxcell.inference.segmenter import Segmenter, _model, _segmenter, choose_necks
from jaxcell.storage.atomic import write
from jaxcell.storage.run_folder import check_claim, claim
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit
from jaxcell.training.tasks import instance_task


def train(config: ConfigDict, workdir: Path) -> Segmenter:
    """Trains a U-Net on fields with known cells; goes on where a killed run stopped.

    Args:
      config: as `configs/segmentation.py` describes.
      workdir: the run's folder; created, or one that belongs to the same config.

    Returns:
      The trained segmenter.

    Raises:
      ValueError: no field with known cells, or the folder belongs to another config.
      FloatingPointError: a loss is not finite.
    """
    check_claim(workdir, "config.json", config.to_dict(), "config")
    fields = read_fields(config)
    model = _model(config, len(fields.kinds))
    if config.training.crop % model.multiple:
        raise ValueError(
            f"training.crop is {config.training.crop}: use a multiple of {model.multiple}"
        )
    claim(workdir, "config.json", config.to_dict(), "config")
    claim(workdir, "dataset.json", _content(fields), "content of its fields")
    settings = ConfigDict(config.training.to_dict())
    settings.seed, side = config.seed, settings.crop
    result = fit(
        instance_task(model),
        settings,
        data=device_fields(fields, config.data.minimum_contrast, side),
        train_batches=train_crops(fields, side, settings.batch_size, config.seed),
        validation_batches=validation_crops(fields, side, settings.batch_size),
        prepare=prepare_crops(side),
        folder=workdir,
        name="unet",
        describe_batch=lambda raw: ", ".join(sorted({fields.names[row] for row in raw["index"]})),
    )
    if not (workdir / "trained.json").exists():
        params, necks = jax.device_get(result.best_params), (0.9,) * len(fields.kinds)
        untuned = _segmenter(config, fields.kinds, params, necks)
        necks = choose_necks(untuned, fields)
        write(workdir / "trained.json", {"step": int(result.state.step), "necks": necks})
    return load(workdir)[1]


def load(workdir: Path) -> tuple[ConfigDict, Segmenter]:
    """Opens a segmentation run that was trained.

    Args:
      workdir: the run's folder.

    Returns:
      Its config and the segmenter.

    Raises:
      ValueError: the folder is not a segmentation run, or its training has not ended.
    """
    path = workdir / "config.json"
    config = ConfigDict(json.loads(path.read_text()) if path.exists() else {})
    trained = (workdir / "trained.json").exists()
    if config.get("experiment") != "segmentation" or not trained:
        raise ValueError(
            f"{workdir} is not a segmentation run whose training has ended: train one with "
            "python train.py --config=jaxcell/configs/segmentation.py"
        )
    kinds = tuple(json.loads((workdir / "dataset.json").read_text())["kinds"])
    necks = tuple(json.loads((workdir / "trained.json").read_text())["necks"])
    return config, _segmenter(config, kinds, best_params(workdir / "unet" / "checkpoints"), necks)


def read_fields(config: ConfigDict) -> Labelled:
    """Reads the fields of a config: pairs of image and labels, or simulated plates."""
    if config.data.pairs:
        return read_pairs(Path(config.data.pairs), config.data.kind, config.data.split_seed)
    return read_simulated(load_plates(config), config.data.split_seed)


def _content(fields: Labelled) -> dict:
    content = zip(fields.images, fields.labels, strict=True)
    sums = [zlib.crc32(labels.tobytes(), zlib.crc32(image.tobytes())) for image, labels in content]
    splits = dict(zip(fields.names, fields.splits.tolist(), strict=True))
    return {"kinds": list(fields.kinds), "splits": splits, "checksums": sums}












