"""A trained U-Net: cells of any field."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict
from tqdm import tqdm

from jaxcell.analysis.scores import detection
from jaxcell.cells.instances import separate_cells
from jaxcell.configs import ranges
from jaxcell.dataset.labelled_fields import Labelled, scale_field
from jaxcell.inference.tiling import apply_in_tiles
from jaxcell.models.unet import UNet
from jaxcell.storage.atomic import read
from jaxcell.storage.run_folder import TRAINED, load_config
from jaxcell.training.checkpoint import best_params

# Longest side of a tile in pixels: four tiles to a field of 2048, at some 1.5 GiB.
TILE = 1152
# Necks tried on the validation fields, see `separate_cells`.
NECKS = (0.8, 0.85, 0.9, 0.94, 0.97, 0.985)


class Segmenter(NamedTuple):
    """A trained U-Net with all that turns a field into cells.

    Attributes:
      kinds: of cells, in the order of its answers.
      model: the network.
      necks: of each kind, see `separate_cells`; chosen on the validation fields.
      minimum_contrast: counts, see `scale_view`.
      minimum_area: pixels; smaller cells are dropped.
      maps: float32 [1, h, w, C] -> [1, h, w, 2 K], areas and distances in [0, 1], compiled.
    """

    kinds: tuple[str, ...]
    model: UNet
    necks: tuple[float, ...]
    minimum_contrast: float
    minimum_area: int
    maps: Callable[[np.ndarray], jax.Array]


def make_unet(config: ConfigDict, kinds: int) -> UNet:
    """The network of a config, for so many kinds of cells: areas, then distances."""
    return UNet(outputs=2 * kinds, **config.model.to_dict())


def load(workdir: Path) -> tuple[FrozenConfigDict, Segmenter]:
    """Opens a segmentation run that was trained.

    Args:
      workdir: the run's folder.

    Returns:
      Its config and the segmenter.

    Raises:
      ValueError: the folder is not a segmentation run, or its training has not ended.
    """
    config = load_config(workdir, "segmentation")
    ranges.check(config)  # it may be a stranger's
    kinds = tuple(read(workdir / "dataset.json")["kinds"])
    necks = tuple(read(workdir / TRAINED)["necks"])
    params = best_params(workdir / "unet" / "checkpoints")
    return config, make_segmenter(config, kinds, params, necks)


def make_segmenter(
    config: ConfigDict | FrozenConfigDict,
    kinds: tuple[str, ...],
    params: Any,
    necks: tuple[float, ...],
) -> Segmenter:
    """A segmenter of trained parameters, which are sent to the device once."""
    model = make_unet(config, len(kinds))

    @jax.jit
    def maps(params: Any, image: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(model.apply({"params": params}, image).astype(jnp.float32))

    return Segmenter(
        kinds, model, necks, config.dataset.minimum_contrast, config.dataset.minimum_area,
        partial(maps, jax.device_put(params)),
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
    """Finds the cells of a field, int32 [H, W, K]: 0 outside cells, 1..n without gaps.

    Args:
      segmenter, image: as for `predict_maps`.
    """
    maps = predict_maps(segmenter, image)
    labels = [_cells(segmenter, maps, kind, neck) for kind, neck in enumerate(segmenter.necks)]
    return np.stack(labels, axis=-1)


def _cells(segmenter: Segmenter, maps: np.ndarray, kind: int, neck: float) -> np.ndarray:
    area, distance = maps[..., kind], maps[..., len(segmenter.kinds) + kind]
    return separate_cells(area, distance, neck=neck, minimum_area=segmenter.minimum_area)


def choose_necks(segmenter: Segmenter, fields: Labelled) -> list[float]:
    """The neck of each kind that finds most cells of the validation fields (F1 at IoU 0.5).

    The segmenter's own necks play no part.
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
