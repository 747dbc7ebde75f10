"""A trained U-Net: cells of any field."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict
from tqdm import tqdm

from jaxcell.analysis.scores import detection
from jaxcell.cells.instances import Separation, separate_cells
from jaxcell.cells.numbering import close_up
from jaxcell.cells.resampling import SAME_PIXEL, nearest, resampled
from jaxcell.configs.ranges import check_of_run
from jaxcell.dataset.labelled_fields import Labelled, scale_field
from jaxcell.inference.tiling import apply_in_tiles
from jaxcell.models.build import parameters_of
from jaxcell.models.unet import UNet
from jaxcell.storage.atomic import read
from jaxcell.storage.run_folder import TRAINED, load_config, notes_of
from jaxcell.training.checkpoint import best_params, require_fit

# Longest side of a tile in pixels: four tiles to a field of 2048, at some 1.5 GiB.
TILE = 1152
# Pixels may be so many times as wide as those learnt: what is smaller cannot be seen any more.
WIDEST = 8
# What is tried on the validation fields, see `Separation`; of equals the first is chosen, so that a
# few easy fields do not choose an extreme. Wider cells have more bumps.
NECKS = (0.9, 0.94, 0.85, 0.97, 0.8, 0.985)
SMOOTHINGS = (1.0, 2.0)
INSIDES = (0.5, 0.4, 0.6)


class Segmenter(NamedTuple):
    """A trained U-Net with all that turns a field into cells.

    Attributes:
      kinds: of cells, in the order of its answers.
      model: the network.
      separations: of each kind; chosen on the validation fields.
      minimum_contrast: counts, see `scale_view`.
      minimum_area: pixels; smaller cells are dropped.
      pixel_um: width of the pixels that it learnt.
      diameters_um: of the cells that it learnt, the median equivalent diameter of each kind; empty
        where that was not kept.
      maps: float32 [1, h, w, C] -> [1, h, w, 2 K], areas and distances in [0, 1], compiled.
    """

    kinds: tuple[str, ...]
    model: UNet
    separations: tuple[Separation, ...]
    minimum_contrast: float
    minimum_area: int
    pixel_um: float
    diameters_um: tuple[float, ...]
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
      ValueError: the folder is not a segmentation run, its training has not ended, it is damaged,
        or another version of the program made it.
    """
    config = load_config(workdir, "segmentation")
    check_of_run(config, workdir)
    with notes_of(workdir):
        kinds = tuple(read(workdir / "dataset.json")["kinds"])
        trained = read(workdir / TRAINED)
        diameters = tuple(trained.get("diameters_um", ()))
        # Earlier runs chose necks alone.
        chosen = trained.get("separations") or [{"neck": neck} for neck in trained["necks"]]
        separations = tuple(Separation(**how) for how in chosen)
    params = best_params(workdir / "unet" / "checkpoints")
    model = make_unet(config, len(kinds))
    made = parameters_of(model, model.multiple, channels=len(kinds))
    require_fit(params, made, workdir / "unet")
    return config, make_segmenter(config, kinds, params, separations, diameters)


def make_segmenter(
    config: ConfigDict | FrozenConfigDict,
    kinds: tuple[str, ...],
    params: Any,
    separations: tuple[Separation, ...],
    diameters_um: tuple[float, ...] = (),
) -> Segmenter:
    """A segmenter of trained parameters, which are sent to the device once."""
    model = make_unet(config, len(kinds))

    @jax.jit
    def maps(params: Any, image: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(model.apply({"params": params}, image).astype(jnp.float32))

    return Segmenter(
        kinds, model, separations, config.dataset.minimum_contrast, config.dataset.minimum_area,
        config.plates.pixel_um, diameters_um, partial(maps, jax.device_put(params)),
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


def segment(segmenter: Segmenter, image: np.ndarray, pixel_um: float | None = None) -> np.ndarray:
    """Finds the cells of a field, int32 [H, W, K]: 0 outside cells, 1..n without gaps.

    Args:
      segmenter: trained. A network knows cells by their size in pixels: an image of other pixels
        is resampled to those that it learnt, and the cells back.
      image: as for `predict_maps`.
      pixel_um: width of the image's pixels; None: that of the network's.

    Raises:
      ValueError: its pixels are so wide that no cell is seen.
    """
    zoom = (pixel_um or segmenter.pixel_um) / segmenter.pixel_um
    if zoom > WIDEST:
        raise ValueError(
            f"pixels of {pixel_um} µm are {zoom:.0f} times as wide as those of "
            f"{segmenter.pixel_um} µm that the network learnt: check the width of a pixel"
        )
    same = abs(zoom - 1) <= SAME_PIXEL
    maps = predict_maps(segmenter, image if same else resampled(image, zoom))
    labels = [_cells(segmenter, maps, kind, how) for kind, how in enumerate(segmenter.separations)]
    if not same:
        labels = [
            _at_size(own, maps[..., kind], segmenter.separations[kind].inside, image.shape[:2])
            for kind, own in enumerate(labels)
        ]
    return np.stack(labels, axis=-1)


def _at_size(
    labels: np.ndarray, probability: np.ndarray, inside: float, shape: tuple[int, int]
) -> np.ndarray:
    """Cells of a resampled image, int32 [h, w], in the pixels of the image itself."""
    result = nearest(labels, shape)
    if shape[0] > labels.shape[0]:
        # Outlines run where the chance, interpolated, does, not along the large pixels' edges.
        from skimage.segmentation import expand_labels
        from skimage.transform import resize

        smooth = resize(probability, shape, order=1, mode="edge", preserve_range=True)
        result = expand_labels(result, shape[0] / labels.shape[0]) * (smooth > inside)
    return close_up(result)[0]


def _cells(segmenter: Segmenter, maps: np.ndarray, kind: int, how: Separation) -> np.ndarray:
    area, distance = maps[..., kind], maps[..., len(segmenter.kinds) + kind]
    return separate_cells(area, distance, how, minimum_area=segmenter.minimum_area)


def choose_separations(segmenter: Segmenter, fields: Labelled) -> list[Separation]:
    """How each kind is separated so that most cells of the validation fields are found.

    First neck and smoothing together, then the chance at which cells end. The segmenter's own
    separations play no part.

    Returns:
      Of each kind the first that has the highest F1 at IoU 0.5.
    """
    tried = [Separation(neck, smoothing=width) for width in SMOOTHINGS for neck in NECKS]
    best = _best(segmenter, fields, [tried] * len(fields.kinds))
    return _best(
        segmenter, fields, [[how._replace(inside=inside) for inside in INSIDES] for how in best]
    )


def _best(
    segmenter: Segmenter, fields: Labelled, tried: Sequence[Sequence[Separation]]
) -> list[Separation]:
    found: dict = {}
    rows = fields.rows("validation")
    for row in tqdm(rows, "choosing separation", unit=" fields", dynamic_ncols=True):
        maps = predict_maps(segmenter, fields.images[row])
        for kind, some in enumerate(tried):
            for how in some:
                cells = _cells(segmenter, maps, kind, how)
                matched = detection.match(fields.labels[row][..., kind], cells)
                found.setdefault((kind, how), []).append(matched)
    scores = {key: detection.scores(detection.total(some))["f1"] for key, some in found.items()}
    return [max(some, key=lambda how: scores[kind, how]) for kind, some in enumerate(tried)]
