"""A segmentation run: fields with known cells in, a U-Net trained, cells of any field out."""

import json
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.analysis import detection
from jaxcell.dataset.labelled import (
    Labelled,
    device_fields,
    prepare_crops,
    read_pairs,
    read_simulated,
    scale_field,
    train_crops,
    validation_crops,
)
from jaxcell.experiment import load_plates
from jaxcell.interaction.instances import separate_cells
from jaxcell.models.tiling import apply_in_tiles
from jaxcell.models.unet import UNet
from jaxcell.run_folder import check_claim, claim, write
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit
from jaxcell.training.tasks import instance_task

# Longest side of a tile in pixels: four tiles to a field of 2048, at some 1.5 GiB.
TILE = 1152
# Necks tried on the validation fields, see `separate_cells`.
NECKS = (0.8, 0.85, 0.9, 0.94, 0.97, 0.985)


class Segmenter(NamedTuple):
    """A trained U-Net with all that turns a field into cells.

    Attributes:
      kinds: of cells, in the order of its answers.
      model, params: the network.
      necks: of each kind, see `separate_cells`; chosen on the validation fields.
      minimum_contrast: counts, see `scale_view`.
      minimum_area: pixels; smaller cells are dropped.
      maps: float32 [1, h, w, C] -> [1, h, w, 2 K], areas and distances in [0, 1], compiled.
    """

    kinds: tuple[str, ...]
    model: UNet
    params: Any
    necks: tuple[float, ...]
    minimum_contrast: float
    minimum_area: int
    maps: Callable[[np.ndarray], jax.Array]


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


def _model(config: ConfigDict, kinds: int) -> UNet:
    return UNet(outputs=2 * kinds, **config.unet.to_dict())


def _segmenter(
    config: ConfigDict, kinds: tuple[str, ...], params: Any, necks: tuple[float, ...]
) -> Segmenter:
    model = _model(config, len(kinds))

    @jax.jit
    def maps(params: Any, image: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(model.apply({"params": params}, image).astype(jnp.float32))

    return Segmenter(
        kinds, model, params, necks, config.data.minimum_contrast, config.data.minimum_area,
        partial(maps, params),
    )  # fmt: skip


def predict_maps(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    """Areas and distances of a field of any size, tile by tile.

    Args:
      segmenter: trained.
      image: uint16 [H, W, C], raw counts; views as in training.

    Returns:
      float32 [H, W, 2 K] in [0, 1].
    """
    model = segmenter.model
    scaled = scale_field(image, segmenter.minimum_contrast)
    return apply_in_tiles(
        segmenter.maps, scaled, limit=TILE, reach=model.reach, multiple=model.multiple
    )


def segment(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    """Finds the cells of a field.

    Args:
      segmenter: trained.
      image: uint16 [H, W, C], raw counts; views as in training.

    Returns:
      int32 [H, W, K], 0 outside cells, 1..n without gaps.
    """
    maps = predict_maps(segmenter, image)
    labels = [_cells(segmenter, maps, kind, neck) for kind, neck in enumerate(segmenter.necks)]
    return np.stack(labels, axis=-1)


def _cells(segmenter: Segmenter, maps: np.ndarray, kind: int, neck: float) -> np.ndarray:
    area, distance = maps[..., kind], maps[..., len(segmenter.kinds) + kind]
    return separate_cells(area, distance, neck=neck, minimum_area=segmenter.minimum_area)


def choose_necks(segmenter: Segmenter, fields: Labelled) -> list[float]:
    """The neck of each kind that finds most cells of the validation fields (F1 at IoU 0.5).

    Args:
      segmenter: trained; its own necks are not looked at.
      fields: with their true cells.

    Returns:
      float [K].
    """
    found: dict = {}
    rows = fields.rows("validation")
    for row in tqdm(rows, "choosing necks", unit=" fields", dynamic_ncols=True):
        maps = predict_maps(segmenter, fields.images[row])
        for kind in range(len(fields.kinds)):
            for neck in NECKS:
                cells = _cells(segmenter, maps, kind, neck)
                matched = detection.match(fields.labels[row][..., kind], cells)
                found.setdefault((kind, neck), []).append(matched)
    scores = {key: detection.scores(detection.total(some))["f1"] for key, some in found.items()}
    return [max(NECKS, key=lambda neck: scores[kind, neck]) for kind in range(len(fields.kinds))]
