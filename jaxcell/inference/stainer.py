"""A trained label-free network: what the stains would show, of any field."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.resampling import SAME_PIXEL, resampled
from jaxcell.configs.ranges import check_of_run
from jaxcell.dataset.unstained_fields import Levels, scale_inputs, stain_counts
from jaxcell.inference.tiling import apply_in_tiles
from jaxcell.models.build import parameters_of
from jaxcell.models.interaction_unet import CLASSES
from jaxcell.models.unet import UNet
from jaxcell.storage.atomic import read
from jaxcell.storage.run_folder import TRAINED, load_config, notes_of
from jaxcell.training.checkpoint import best_params, require_fit

KIND = "label_free"
NETWORK = "stainer"
# What an evaluation keeps for predictions: the line to the truth, and the errors that are left.
CALIBRATION = "calibration.json"
TILE = 1152  # pixels, longest side of a tile: four to a field of 2048


class Stainer(NamedTuple):
    """A trained network with all that turns a field without stain into an answer.

    Attributes:
      inputs: roles of the views that it is shown.
      model: the network.
      levels: counts that are dark and bright in the stains that it draws.
      pixel_um: width of the pixels that it learnt.
      maps: float32 [1, h, w, V] -> [1, h, w, 4 + 2]: chances of what a pixel shows, then both
        stains as `scaled_stain` scales them; compiled.
    """

    inputs: tuple[str, ...]
    model: UNet
    levels: Levels
    pixel_um: float
    maps: Callable[[np.ndarray], jax.Array]


class Answer(NamedTuple):
    """What a network says of a field, in the pixels that it learnt.

    Attributes:
      chances: float32 [H, W, 4], of showing no cell, a round cell, a dendritic cell, both.
      stain: uint16 [H, W, 2], counts of both stains.
    """

    chances: np.ndarray
    stain: np.ndarray


def make_network(config: ConfigDict | FrozenConfigDict) -> UNet:
    """The network of a config: chances of `CLASSES`, then the stains."""
    return UNet(outputs=CLASSES + len(VIEWS), **config.model.to_dict())


def load(workdir: Path) -> tuple[FrozenConfigDict, Stainer]:
    """Opens a label-free run that was trained.

    Raises:
      ValueError: the folder is not such a run, its training has not ended, it is damaged, or
        another version of the program made it.
    """
    config = load_config(workdir, KIND)
    check_of_run(config, workdir)
    with notes_of(workdir):
        levels = tuple(map(tuple, read(workdir / TRAINED)["levels"]))
    params, model = best_params(workdir / NETWORK / "checkpoints"), make_network(config)
    made = parameters_of(model, model.multiple, channels=len(config.dataset.inputs))
    require_fit(params, made, workdir / NETWORK)
    return config, make_stainer(config, levels, params)


def make_stainer(config: ConfigDict | FrozenConfigDict, levels: Levels, params: Any) -> Stainer:
    """A stainer of trained parameters, which are sent to the device once."""
    model = make_network(config)

    @jax.jit
    def maps(params: Any, image: jax.Array) -> jax.Array:
        answer = model.apply({"params": params}, image).astype(jnp.float32)
        chances = jax.nn.softmax(answer[..., :CLASSES], axis=-1)
        return jnp.concatenate([chances, answer[..., CLASSES:]], axis=-1)

    inputs = tuple(config.dataset.inputs)
    on_device = partial(maps, jax.device_put(params))
    return Stainer(inputs, model, levels, config.plates.pixel_um, on_device)


def stained(stainer: Stainer, views: np.ndarray, pixel_um: float = 0.0) -> Answer:
    """What the stains would show of a field of any size.

    Args:
      stainer: trained.
      views: uint16 [H, W, V], raw counts of `stainer.inputs`.
      pixel_um: width of their pixels, from which they are resampled; 0: those of the network.
    """
    zoom = (pixel_um or stainer.pixel_um) / stainer.pixel_um
    views = views if abs(zoom - 1) <= SAME_PIXEL else resampled(views, zoom)
    return answered(stainer, scale_inputs(views, stainer.inputs))


def answered(stainer: Stainer, image: np.ndarray) -> Answer:
    """The same of a field that is scaled already, float [H, W, V] as `scale_inputs` gives it."""
    model = stainer.model
    answer = apply_in_tiles(
        stainer.maps,
        image.astype(np.float32),
        limit=TILE,
        reach=model.reach,
        multiple=model.multiple,
    )
    return Answer(answer[..., :CLASSES], stain_counts(answer[..., CLASSES:], stainer.levels))


def expected_areas(chances: np.ndarray) -> np.ndarray:
    """Pixels expected of round cells, of dendritic cells and of both, float64 [3], of [..., 4]."""
    _, round_cell, dendritic_cell, both = chances.reshape(-1, CLASSES).sum(axis=0, dtype=np.float64)
    return np.array([round_cell + both, dendritic_cell + both, both])


def cells_shown(chances: np.ndarray) -> np.ndarray:
    """Round cells and dendritic cells, int32 [H, W, 2], by the chances of pixels [H, W, 4]."""
    inside = (chances[..., 1] + chances[..., 3], chances[..., 2] + chances[..., 3])
    return np.stack([label_cells(chance > 0.5) for chance in inside], axis=-1)
