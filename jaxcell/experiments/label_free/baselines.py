"""What a few filters see of a field without stain: the least that a network must beat."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from jaxcell.dataset.unstained_fields import Levels, Seen, scaled_stain, stain_counts
from jaxcell.inference.stainer import Answer
from jaxcell.models.interaction_unet import CLASSES

SCALES = (1.0, 2.0, 4.0, 8.0)  # pixels, SD of the filters
GRAIN, RIM = 2.0, 4.0  # pixels: granules, and the ring of a cell
PIXELS = 4000  # of a field, from which weights are fitted


def filter_bank(image: np.ndarray) -> np.ndarray:
    """Blurred, edge-enhanced and local contrast at four scales of each view, [H, W, F]."""
    planes = np.moveaxis(image.astype(np.float32), -1, 0)
    maps = []
    for plane in planes:
        for scale in SCALES:
            maps += [
                ndimage.gaussian_filter(plane, scale),
                scale**2 * ndimage.gaussian_laplace(plane, scale),
                _local_sd(plane, scale),
            ]
    return np.stack(maps, axis=-1)


def rim_and_grain(image: np.ndarray) -> np.ndarray:
    """How strong a ring of the size of a cell, and how strong its granules, [H, W, 2 V]."""
    planes = np.moveaxis(image.astype(np.float32), -1, 0)
    maps = [
        found
        for plane in planes
        for found in (RIM**2 * ndimage.gaussian_laplace(plane, RIM), _local_sd(plane, GRAIN))
    ]
    return np.stack(maps, axis=-1)


def nothing(image: np.ndarray) -> np.ndarray:
    """No feature at all, [H, W, 0]: what is fitted is the mean image."""
    return np.zeros((*image.shape[:2], 0), np.float32)


FEATURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "filter_bank": filter_bank,
    "rim_and_grain": rim_and_grain,
    "mean": nothing,
}


class Linear(NamedTuple):
    """Weights float64 [F + 1, 4 + 2] of features and 1: of chances, and of both stains, scaled."""

    features: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray
    levels: Levels


def fit_linear(name: str, fields: Sequence[Seen], levels: Levels, seed: int = 0) -> Linear:
    """Least squares on pixels of training fields.

    Args:
      name: of `FEATURES`.
      fields: for training.
      levels: of the stains, as `scaled_stain` takes them.
      seed: of the pixels.
    """
    random, features, wanted = np.random.default_rng(seed), [], []
    for field in fields:
        height, width = field.image.shape[:2]
        y, x = random.integers(height, size=PIXELS), random.integers(width, size=PIXELS)
        features.append(FEATURES[name](field.image)[y, x])
        stain = np.asarray(scaled_stain(field.stain[y, x], levels))
        wanted.append(np.concatenate([np.eye(CLASSES)[field.shown[y, x]], stain], axis=-1))
    x = _with_one(np.concatenate(features))
    weights, *_ = np.linalg.lstsq(x, np.concatenate(wanted), rcond=None)
    return Linear(FEATURES[name], weights, levels)


def answer_linear(model: Linear, image: np.ndarray) -> Answer:
    """What it says of a field, float [H, W, V] as `Unstained.image`."""
    found = _with_one(model.features(image)) @ model.weights
    chances = np.clip(found[..., :CLASSES], 0, None)
    chances /= np.maximum(chances.sum(axis=-1, keepdims=True), 1e-6)
    return Answer(chances, stain_counts(found[..., CLASSES:], model.levels))


def _with_one(features: np.ndarray) -> np.ndarray:
    ones = np.ones((*features.shape[:-1], 1), np.float32)
    return np.concatenate([features, ones], axis=-1).astype(np.float64)


def _local_sd(plane: np.ndarray, scale: float) -> np.ndarray:
    mean = ndimage.gaussian_filter(plane, scale)
    return np.sqrt(np.maximum(ndimage.gaussian_filter(plane**2, scale) - mean**2, 0))
