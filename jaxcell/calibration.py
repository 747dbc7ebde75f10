"""How far a run's predictions can be trusted, from wells that its regressor was not fitted to."""

import json
from pathlib import Path

import numpy as np

from jaxcell.analysis import conformal
from jaxcell.dataset.pipeline import Examples
from jaxcell.experiment import Run
from jaxcell.inference import predict
from jaxcell.run_folder import write

FILE = "calibration.json"
# Training patches from which the usual size of an error is learnt.
SCALE_PATCHES = 2000


def calibrate(workdir: Path, run: Run, examples: Examples, batch_size: int, seed: int) -> dict:
    """Calibrates a run once, and keeps what was found in its folder.

    The usual size of an error at each prediction comes from training wells, how far to trust it
    from the validation wells. These chose the epoch whose parameters are kept, which flatters them
    a little; whether intervals hold is therefore reported on the test wells.

    Args:
      workdir: the run's folder.
      run: the trained run.
      examples: of its own data set.
      batch_size: patches a batch.
      seed: of the training patches that are drawn.

    Returns:
      As `analysis.conformal.calibrate`.
    """
    kept = load(workdir)
    if kept is not None:
        return kept
    train, validation = examples.rows("train"), examples.rows("validation")
    count = min(SCALE_PATCHES, len(train))
    train = np.sort(np.random.default_rng(seed).choice(train, count, replace=False))
    rows = np.concatenate([train, validation])
    predicted = predict(run, examples, rows, batch_size)
    target = examples.table["target"].to_numpy(np.float64)[rows]
    scale = conformal.fit_scale(predicted[:count], predicted[:count] - target[:count])
    wells = conformal.well_numbers(examples.table.iloc[validation])
    result = conformal.calibrate(wells, target[count:], predicted[count:], scale)
    write(workdir / FILE, result)
    return result


def load(workdir: Path) -> dict | None:
    """The calibration of a run, or None where it was never evaluated on its own wells."""
    path = workdir / FILE
    return json.loads(path.read_text()) if path.exists() else None
