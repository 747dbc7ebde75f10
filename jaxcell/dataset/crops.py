"""Random crops of fields of any size: which, where and how changed; cut in the compiled step."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcell.dataset.batches import SYMMETRIES, padded, transform


def train_crops(
    rows: np.ndarray,
    sizes: np.ndarray,
    side: int,
    batch_size: int,
    seed: int,
    coarse: float = 0.0,
) -> Callable[[int], Iterator[dict]]:
    """Endless random crops of some fields; a batch depends on seed and step alone.

    Args:
      rows: int [R], numbers of the fields.
      sizes: int [N, 2], height and width of every field.
      side: of a crop in pixels.
      batch_size: crops a batch.
      seed: of all that is random.
      coarse: share of the crops that are shown with half as many pixels a side, see
        `prepare_crops`.

    Returns:
      A function of the first step wanted. Each batch holds int32 [B] `index` (field), `y`, `x`
      (upper left corner), `symmetry` in 0..7, float32 [B] `weight` of ones, `gain` and `noise`
      (what `prepare_crops` changes the brightness by) and, unless `coarse` is 0, bool [B] `coarse`.
    """
    sizes = sizes[rows]
    share = sizes.prod(axis=1) / sizes.prod(axis=1).sum()

    def batch(step: int) -> dict:
        random = np.random.default_rng((seed, step))
        chosen = random.choice(len(rows), batch_size, p=share)
        corner = random.random((batch_size, 2)) * np.maximum(sizes[chosen] - side + 1, 1)
        y, x = corner.astype(np.int32).T
        batch = _untouched(rows[chosen], y, x) | {
            "symmetry": random.integers(SYMMETRIES, size=batch_size, dtype=np.int32),
            "gain": np.exp(0.25 * random.standard_normal(batch_size)).astype(np.float32),
            "noise": (0.05 * random.random(batch_size)).astype(np.float32),
        }
        return batch | ({"coarse": random.random(batch_size) < coarse} if coarse else {})

    def batches(step: int) -> Iterator[dict]:
        while True:
            yield batch(step)
            step += 1

    return batches


def check_crop(side: int, multiple: int) -> None:
    """Raises ValueError where a network that wants sides of a multiple cannot take such crops."""
    if side % multiple:
        raise ValueError(f"training.crop is {side}: use a multiple of {multiple}")


def validation_crops(
    rows: np.ndarray, sizes: np.ndarray, side: int, batch_size: int
) -> Callable[[], Iterator[dict]]:
    """Crops that cover some fields; the last batch is filled up.

    The last crop of a row or column ends with its field, over the one before where it must.

    Args:
      rows: int [R], numbers of the fields.
      sizes: int [N, 2], height and width of every field.
      side: of a crop in pixels.
      batch_size: crops a batch.

    Returns:
      A function that starts anew. Batches as in `train_crops`, nothing turned or changed.
    """
    corners = [
        (row, y, x)
        for row in rows
        for y in _corners(sizes[row][0], side)
        for x in _corners(sizes[row][1], side)
    ]
    corners, weight = padded(np.array(corners, np.int32), batch_size)
    index, y, x = corners.T

    def batches() -> Iterator[dict]:
        for first in range(0, len(index), batch_size):
            part = slice(first, first + batch_size)
            yield _untouched(index[part], y[part], x[part]) | {"weight": weight[part]}

    return batches


def _untouched(index: np.ndarray, y: np.ndarray, x: np.ndarray) -> dict:
    """A batch of crops that are neither turned nor changed in brightness."""
    ones, zeros = np.ones(len(index), np.float32), np.zeros(len(index), np.float32)
    turned = {"symmetry": zeros.astype(np.int32), "gain": ones, "noise": zeros}
    return {"index": index, "y": y, "x": x, "weight": ones, **turned}


def _corners(length: int, side: int) -> list[int]:
    """Where crops begin that cover a length."""
    last = max(length - side, 0)
    return sorted({*range(0, last, side), last})


def prepare_crops(side: int) -> Callable[[dict, dict], dict]:
    """What turns a batch of corners into crops, inside the compiled step.

    Args:
      side: of a crop in pixels.

    Returns:
      (data, batch) -> `weight`, `index`, and of each array [N, H, W, C] of `data` its crops
      [B, side, side, C]: all turned alike; `image`, which comes as float32, in another brightness
      and noise besides.
    """

    def cut(array: Array, raw: dict) -> Array:
        size = (1, side, side, array.shape[3])
        zero = jnp.zeros_like(raw["index"][0])

        def one(index: Array, y: Array, x: Array) -> Array:
            return jax.lax.dynamic_slice(array, (index, y, x, zero), size)[0]

        return jax.vmap(one)(raw["index"], raw["y"], raw["x"])

    def prepare(data: dict, raw: dict) -> dict:
        crops = {name: transform(cut(array, raw), raw["symmetry"]) for name, array in data.items()}
        image = crops["image"].astype(jnp.float32)
        gain, noise = (raw[name][:, None, None, None] for name in ("gain", "noise"))
        # The crop's corner seeds its noise, so that a batch still depends on its numbers alone.
        keys = jax.vmap(lambda y, x: jax.random.fold_in(jax.random.key(y), x))(raw["y"], raw["x"])
        if "coarse" in raw:
            image = jnp.where(raw["coarse"][:, None, None, None], _coarser(image), image)
        grain = jax.vmap(lambda key: jax.random.normal(key, image.shape[1:]))(keys)
        kept = {name: raw[name] for name in ("weight", "index")}
        return crops | kept | {"image": image * gain + noise * grain}

    return prepare


def _coarser(image: Array) -> Array:
    """Crops [B, S, S, C] as a camera of pixels twice as wide shows them, brought back to size."""
    batch, side, _, channels = image.shape
    squares = image.reshape(batch, side // 2, 2, side // 2, 2, channels).mean(axis=(2, 4))
    return jax.image.resize(squares, image.shape, "linear")
