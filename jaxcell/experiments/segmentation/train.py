"""A U-Net trained on fields with known cells."""

import zlib
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from jaxcell.dataset.crops import check_crop, train_crops, validation_crops
from jaxcell.dataset.labelled_fields import (
    Labelled,
    device_fields,
    prepare_labelled,
    read_pairs,
    read_simulated,
)
from jaxcell.dataset.source import load_plates
from jaxcell.experiments import lifecycle
from jaxcell.inference.segmenter import choose_separations, make_segmenter, make_unet
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit
from jaxcell.training.tasks import instance_task


def train(config: ConfigDict, workdir: Path) -> None:
    """Trains a U-Net on fields with known cells; goes on where a killed run stopped.

    Args:
      config: as `configs/segmentation.py` describes.
      workdir: the run's folder; created, or one of the same run.

    Raises:
      BadPlates, ValueError, FloatingPointError: as `lifecycle.train`.
    """
    lifecycle.train(config, workdir, check=_check, open_data=read_fields, notes=_notes, fit=_fit)


def _check(config: ConfigDict) -> None:
    check_crop(config.training.crop, make_unet(config, kinds=1).multiple)


def _notes(fields: Labelled) -> dict:
    content = zip(fields.images, fields.labels, strict=True)
    sums = [zlib.crc32(labels.tobytes(), zlib.crc32(image.tobytes())) for image, labels in content]
    splits = dict(zip(fields.names, fields.splits.tolist(), strict=True))
    return {"dataset.json": {"kinds": list(fields.kinds), "splits": splits, "checksums": sums}}


def _fit(config: ConfigDict, workdir: Path, fields: Labelled) -> dict:
    settings, side, sizes = config.training, config.training.crop, fields.sizes
    result = fit(
        instance_task(make_unet(config, len(fields.kinds))),
        settings,
        data=device_fields(fields, config.dataset.minimum_contrast, side),
        train_batches=train_crops(
            *(fields.rows("train"), sizes, side, settings.batch_size, settings.seed),
            settings.get("coarse", 0.0),
        ),
        validation_batches=validation_crops(
            fields.rows("validation"), sizes, side, settings.batch_size
        ),
        prepare=prepare_labelled(side),
        folder=workdir,
        name="unet",
        describe_batch=lambda raw: ", ".join(sorted({fields.names[row] for row in raw["index"]})),
    )
    params = best_params(workdir / "unet" / "checkpoints")
    separations = choose_separations(make_segmenter(config, fields.kinds, params, ()), fields)
    diameters = [
        median_diameter_um([fields.labels[row][..., kind] for row in fields.rows("train")],
                           config.plates.pixel_um)
        for kind in range(len(fields.kinds))
    ]  # fmt: skip
    return {
        "step": int(result.state.step),
        "separations": [how._asdict() for how in separations],
        "diameters_um": diameters,
    }


def median_diameter_um(labels: list[np.ndarray], pixel_um: float) -> float:
    """Median equivalent diameter of the cells of label images, int [H, W] each; 0 without any."""
    areas = np.concatenate([np.bincount(own.ravel())[1:] for own in labels])
    areas = areas[areas > 0]
    return float(np.sqrt(4 * np.median(areas) / np.pi) * pixel_um) if len(areas) else 0.0


def read_fields(config: ConfigDict) -> Labelled:
    """Reads the fields of a config: pairs of image and labels, or simulated plates."""
    if config.plates.pairs:
        return read_pairs(Path(config.plates.pairs), config.plates.kind, config.dataset.split_seed)
    return read_simulated(load_plates(config), config.dataset.split_seed)
