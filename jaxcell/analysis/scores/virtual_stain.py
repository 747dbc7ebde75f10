"""How well a drawn stain agrees with the real one, pixel by pixel."""

import numpy as np
from skimage.metrics import structural_similarity


def scores(real: np.ndarray, drawn: np.ndarray, cells: np.ndarray) -> dict[str, float]:
    """Scores of one view of a field.

    Args:
      real: float [H, W], the stain, 0 dark and 1 bright.
      drawn: float [H, W], what was drawn in its place.
      cells: bool [H, W], where stained cells are.

    Returns:
      `pcc`, Pearson's correlation of pixels; `pcc_in_cells`, the same of the pixels of cells;
      `ssim`, structural similarity (Wang et al. 2004); `nrmse`, root mean square error over the SD
      of the real stain; `psnr`, peak signal-to-noise ratio in dB, of a peak of 1. NaN where one of
      the two does not vary, or there are no cells.
    """
    real, drawn = np.asarray(real, np.float64), np.asarray(drawn, np.float64)
    error = float(np.sqrt(np.mean((drawn - real) ** 2)))
    spread = float(real.std())
    return {
        "pcc": _pearson(real.ravel(), drawn.ravel()),
        "pcc_in_cells": _pearson(real[cells], drawn[cells]),
        "ssim": float(structural_similarity(real, drawn, data_range=1.0)),
        "nrmse": error / spread if spread else np.nan,
        "psnr": float(-20 * np.log10(error)) if error else np.inf,
    }


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient of two masks, bool [H, W]; NaN where both are empty (Dice 1945)."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else np.nan


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or not np.ptp(first) or not np.ptp(second):
        return np.nan
    return float(np.corrcoef(first, second)[0, 1])
