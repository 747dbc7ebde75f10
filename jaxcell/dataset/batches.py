"""From examples on disk to batches: held on the device where they fit, streamed where not."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from tqdm import tqdm

from jaxcell.cells.masks import BY_IMAGE, Levels
from jaxcell.dataset.light import relight
from jaxcell.dataset.patches import scale

SYMMETRIES = 8
WHOLE = slice(None)
# Files are read by several threads. Of examples in memory there are only numbers to be drawn: more
# than one thread would wait for the others.
READING = grain.ReadOptions(num_threads=4, prefetch_buffer_size=8)
DRAWING = grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)


class Examples(NamedTuple):
    """The examples of a data set.

    Attributes:
      table: one row an example: every feature but image and masks, and `split`; `overlap` in
        percent, `target` in its measure's unit.
      images: uint16 [N, H, W, 2] where they fit the memory given, otherwise None.
      source: random access to the examples on disk, in the table's order.
      with_masks: whether batches carry the cell masks too.
      masks: uint8 [N, H, W] (0 no cell, 1 T cell, 2 dendritic cell, 3 both) beside the images
        where `with_masks`, otherwise None.
      levels: what images are scaled by, see `patches.scale`.
    """

    table: pd.DataFrame
    images: np.ndarray | None
    source: Any
    with_masks: bool = False
    masks: np.ndarray | None = None
    levels: Levels = BY_IMAGE

    def rows(self, split: str) -> np.ndarray:
        """Row numbers, int32, of the examples of a split."""
        return np.flatnonzero(self.table["split"] == split).astype(np.int32)

    def without_masks(self) -> "Examples":
        """The same, for those that do not look at masks."""
        return self._replace(with_masks=False, masks=None)


def open_examples(builder: Any, memory_gib: float, with_masks: bool = False) -> Examples:
    """Reads the table of a data set, and its images where they fit.

    Args:
      builder: a prepared `ImmuneCells`.
      memory_gib: the images are held in memory where they, and the masks, take no more than this,
        counted once for each core of a CPU that is a device, since each has its own copy.
      with_masks: whether the cell masks are wanted too, as a segmentation trains on them.

    Returns:
      The examples of all splits.
    """
    splits = {name: info.num_examples for name, info in builder.info.splits.items()}
    count = sum(splits.values())
    source = builder.as_data_source(split="+".join(splits))
    shape = builder.info.features["image"].shape
    bytes_a_pixel = 4 + with_masks
    resident = fits(count * np.prod(shape[:2]) * bytes_a_pixel, memory_gib)
    images = np.empty((count, *shape), np.uint16) if resident else None
    masks = np.empty((count, *shape[:2]), np.uint8) if resident and with_masks else None
    rows = []
    for first in tqdm(range(0, count, 64), desc="reading", unit=" batches", dynamic_ncols=True):
        some = range(first, min(first + 64, count))
        for row, example in zip(some, source.__getitems__(list(some)), strict=True):
            for held, array in ((images, example.pop("image")), (masks, example.pop("masks"))):
                if held is not None:
                    held[row] = array
            rows.append({k: _text(value) for k, value in example.items()})
    table = pd.DataFrame(rows)
    table["split"] = np.repeat(list(splits), list(splits.values()))
    levels = builder.builder_config.levels
    return Examples(table, images, source, with_masks, masks, levels)


def fits(size: float, memory_gib: float) -> bool:
    """Whether so many bytes are held in that memory rather than streamed."""
    copies = jax.local_device_count() if jax.default_backend() == "cpu" else 1
    return copies * size <= memory_gib * 2**30


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def device_data(examples: Examples) -> dict[str, np.ndarray]:
    """Arrays to keep on the device for a whole run; none where the examples are streamed."""
    if examples.images is None:
        return {}
    target = examples.table["target"].to_numpy(np.float32)
    masks = {} if examples.masks is None else {"masks": examples.masks}
    return {"image": examples.images, "target": target, **masks}


def train_batches(
    examples: Examples,
    rows: np.ndarray,
    batch_size: int,
    seed: int,
    augment: bool = False,
    relit: bool = False,
    own: slice = WHOLE,
) -> Callable[[int], Iterator[dict]]:
    """Endless shuffled batches; the batch of a step depends on nothing but seed and step.

    Args:
      examples: where to draw from.
      rows: int32, the rows to draw; an epoch draws each once, but for a last batch too short.
      batch_size: examples a batch.
      seed: of the order and of the symmetries.
      augment: whether each patch is turned and mirrored; measures hardly change by it (counts of
        cells may, where a watershed meets a tie).
      relit: whether each patch is shown in another light, see `relight`.
      own: the rows of each batch that are wanted, which stay what they are in the whole batch;
        only these are read.

    Returns:
      A function of the first step wanted, so that a resumed run needs only its step. Each batch
      holds `index` int32 [B] (rows), `weight` float32 [B] of ones, `symmetry` int32 [B] in
      0..7, `light` uint32 [B] where `relit` and, where the examples are streamed, `image`,
      `target` and, if wanted, `masks`.

    Raises:
      ValueError: there are fewer rows than one batch.
    """
    if len(rows) < batch_size:
        raise ValueError(
            f"{len(rows)} training patches are fewer than one batch of {batch_size}: add wells, "
            "or lower batch_size in the config"
        )

    def load(index: np.ndarray, random: np.random.Generator) -> dict:
        symmetry = random.integers(SYMMETRIES if augment else 1, size=batch_size, dtype=np.int32)
        raw = _batch(examples, index[own], np.ones(batch_size, np.float32)[own], symmetry[own])
        if relit:
            raw["light"] = random.integers(1, 2**32, batch_size, dtype=np.uint32)[own]
        return raw

    batches = (
        grain.MapDataset.source(rows)
        .seed(seed)
        .shuffle()
        .batch(batch_size, drop_remainder=True)
        .repeat()
        .random_map(load)
    )
    return lambda step: iter(batches[step:].to_iter_dataset(_reading(examples)))


def evaluation_batches(
    examples: Examples, rows: np.ndarray, batch_size: int, own: slice = WHOLE
) -> Callable[[], Iterator[dict]]:
    """Each row once, in order; the last batch is filled up with examples of weight 0.

    Args:
      examples: where to read from.
      rows: int32, the rows to read.
      batch_size: examples a batch.
      own: as for `train_batches`.

    Returns:
      A function that starts anew. Batches as in `train_batches`, `symmetry` 0.
    """
    rows, weight = padded(rows.astype(np.int32), batch_size)

    def load(position: np.ndarray) -> dict:
        position = position[own]
        symmetry = np.zeros(len(position), np.int32)
        return _batch(examples, rows[position], weight[position], symmetry)

    batches = grain.MapDataset.range(len(rows)).batch(batch_size).map(load)
    return lambda: iter(batches.to_iter_dataset(_reading(examples)))


def padded(rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [N, ...], the last repeated until whole batches are full, and the weight float32 of
    each: 1, or 0 of a repeated one."""
    missing = -len(rows) % batch_size
    weight = np.r_[np.ones(len(rows)), np.zeros(missing)].astype(np.float32)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]), weight


def _reading(examples: Examples) -> grain.ReadOptions:
    return READING if examples.images is None else DRAWING


def _batch(examples: Examples, index: np.ndarray, weight: np.ndarray, symmetry: np.ndarray) -> dict:
    batch = {"index": index, "weight": weight, "symmetry": symmetry}
    if examples.images is None:
        read = examples.source.__getitems__(index.tolist())
        for name in ("image", "masks") if examples.with_masks else ("image",):
            batch[name] = np.stack([example[name] for example in read])
        batch["target"] = np.array([example["target"] for example in read], np.float32)
    return batch


def prepare(
    data: dict[str, Array], raw: dict[str, Array], levels: Levels = BY_IMAGE
) -> dict[str, Array]:
    """Turns what the host sends into what the model sees; runs inside the compiled step.

    Args:
      data: what `device_data` gives, on the device: of all examples, or empty.
      raw: a batch of `train_batches` or `evaluation_batches`.
      levels: of the examples.

    Returns:
      `image` float32 [B, H, W, 2] in [0, 1], `target` float32 [B] in its unit, `weight`, `index`
      and, where the examples are with masks, `masks` float32 [B, H, W, 2], 0 or 1, turned as the
      image is.
    """
    held = {name: array[raw["index"]] for name, array in data.items()} or raw
    batch = {
        "image": transform(scale(held["image"], levels), raw["symmetry"]),
        "target": held["target"],
        "weight": raw["weight"],
        "index": raw["index"],
    }
    if "masks" in held:
        coded = held["masks"]
        masks = jnp.stack([coded & jnp.uint8(1), coded >> jnp.uint8(1) & jnp.uint8(1)], axis=-1)
        batch["masks"] = transform(masks.astype(jnp.float32), raw["symmetry"])
    return batch


def prepare_truth(data: dict[str, Array], raw: dict[str, Array]) -> dict[str, Array]:
    """Like `prepare`, for a network that sees counts and learns the truth.

    Args:
      data, raw: as there, of examples with masks that are maps of the truth.

    Returns:
      `counts` float32 [B, H, W, 2], in another light where `raw` has one; `truth` uint8
      [B, H, W], turned alike; `target` float32 [B]; `weight`, `index`.
    """
    held = {name: array[raw["index"]] for name, array in data.items()} or raw
    counts = transform(held["image"].astype(jnp.float32), raw["symmetry"])
    if "light" in raw:
        counts = jax.vmap(relight)(raw["light"], counts)
    return {
        "counts": counts,
        "truth": transform(held["masks"][..., None], raw["symmetry"])[..., 0],
        "target": held["target"],
        "weight": raw["weight"],
        "index": raw["index"],
    }


def transform(image: Array, symmetry: Array) -> Array:
    """Turns and mirrors patches.

    Args:
      image: float [B, H, W, C], H equal to W.
      symmetry: int32 [B], which of the square's eight symmetries; 0 leaves a patch as it is.

    Returns:
      float [B, H, W, C].
    """
    symmetry = symmetry[:, None, None, None]
    image = jnp.where((symmetry & 1) > 0, image[:, ::-1], image)
    image = jnp.where((symmetry & 2) > 0, image[:, :, ::-1], image)
    return jnp.where((symmetry & 4) > 0, jnp.swapaxes(image, 1, 2), image)
