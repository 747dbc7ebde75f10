"""How far a run's predictions can be trusted, from wells that had no say in its regressor."""

from pathlib import Path

import numpy as np
import pandas as pd

from jaxcell.analysis.answers import Calibrations
from jaxcell.analysis.conditions import condition_names
from jaxcell.analysis.intervals import by_group, conformal
from jaxcell.dataset.batches import Examples
from jaxcell.inference.patches import predict_patches
from jaxcell.inference.trained import Run
from jaxcell.storage.atomic import read, write
from jaxcell.storage.owner import tidy

FILE = "calibration.json"
# Training patches from which the usual size of an error is learnt.
SCALE_PATCHES = 2000


def calibrate(
    workdir: Path, run: Run, examples: Examples, patches: pd.DataFrame, batch_size: int, seed: int
) -> Calibrations:
    """Calibrates each half of the test wells on the other half, and keeps what both give together.

    The usual size of an error, at each prediction or at each doubt of a network that has one, comes
    from training wells, how far to trust it from test wells: validation wells would flatter, since
    they chose the epoch whose parameters were kept. What is kept in the run's folder, of all test
    wells, is for other plates.

    Args:
      workdir, run, examples: the run, its folder and its own data set.
      patches: its test patches: plate, well, condition, target and what `estimates` gives.
      batch_size: patches a batch.
      seed: of the training patches and of the halves.

    Returns:
      The calibration of each half, of the other half, with that half's rows.
    """
    kept = workdir / FILE
    scale = read(kept)["scale"] if kept.exists() else None
    if scale is None:
        train = examples.rows("train")
        count = min(SCALE_PATCHES, len(train))
        train = np.sort(np.random.default_rng(seed).choice(train, count, replace=False))
        found = predict_patches(run, examples, train, batch_size, "calibrating")
        target = examples.table["target"].to_numpy(np.float64)[train]
        scale = conformal.fit_scale(conformal.places(found), found["predicted"] - target)
    tidy(kept)
    write(kept, _of_wells(patches, scale))
    first = _first_half(patches, seed)
    return [(_of_wells(patches[~half], scale), half) for half in (first, ~first)]


def load(workdir: Path, count: int) -> Calibrations | None:
    """The calibration of a run for `count` patches of other plates, or None where it has none.

    One that an earlier version kept, without groups of wells, is none.
    """
    kept = workdir / FILE
    calibration = read(kept) if kept.exists() else {}
    return [(calibration, np.ones(count, bool))] if "groups" in calibration else None


def _of_wells(patches: pd.DataFrame, scale: dict) -> dict:
    target, predicted = (patches[name].to_numpy() for name in ("target", "predicted"))
    wells, names = conformal.well_numbers(patches), condition_names(patches)
    return by_group.calibrate(names, wells, target, predicted, scale, conformal.places(patches))


def _first_half(patches: pd.DataFrame, seed: int) -> np.ndarray:
    """Rows, bool [N], of a random half of the wells, the same share of each condition."""
    wells = patches[["plate", "well", "condition"]].drop_duplicates(["plate", "well"])
    shuffled = wells.sample(frac=1, random_state=seed).sort_values("condition", kind="stable")
    half = pd.MultiIndex.from_frame(shuffled[["plate", "well"]].iloc[::2])
    return pd.MultiIndex.from_frame(patches[["plate", "well"]]).isin(half)
