"""A label-free run on new simulated plates: interaction, cells and stains, beside what is simpler.

    python -m benchmarks.label_free runs/label_free [--seed=2000] [--json=FILE]

Simulates a plate of 36 wells in each light with seeds that no training has used, and with as many
unstained cells as the run was trained with. Everything is put on the scale of the truth by a
line through the run's own validation wells. It takes some ten minutes on two cores.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis.scores.label_free import wells_of
from jaxcell.compute import backend
from jaxcell.dataset.source import load_plates
from jaxcell.dataset.unstained_fields import unstained_table
from jaxcell.experiments.label_free.evaluate import metrics_of
from jaxcell.experiments.label_free.judging import drawing, judge
from jaxcell.inference.stainer import load
from jaxcell.report.label_free.page import METHODS

LIGHTS = ("base", "defocus", "uneven")
ROWS, COLUMNS = 4, 9


def new_plate(folder: Path, config: ConfigDict, seed: int, light: str) -> pd.DataFrame:
    """The fields of a new plate in one light, conditions by lot."""
    changed = ConfigDict(config.to_dict())
    changed.machine.folder = str(folder)
    changed.plates.folder = ""
    changed.plates.simulate.update(
        {"plates": 1, "rows": ROWS, "columns": COLUMNS, "seed": seed, "light": (light,)}
    )
    changed.plates.simulate.layout = "lot"
    return unstained_table(load_plates(changed), changed.dataset.inputs, 0)


def r_within(wells: pd.DataFrame, method: str) -> float:
    """Correlation with the truth of wells of one condition: the condition itself tells nothing."""
    groups = wells.groupby("condition")
    apart = [wells[name] - groups[name].transform("mean") for name in ("truth", method)]
    return float(np.corrcoef(*apart)[0, 1]) if apart[1].std() else float("nan")


def main(given: Sequence[str] | None = None) -> None:
    """Judges a run on new plates, prints the tables and keeps all numbers."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path, help="a trained label-free run")
    parser.add_argument("--seed", type=int, default=2000, help="of the first new plate")
    options = parser.parse_args(given)
    backend.set_up()
    config, stainer = load(options.run)
    own = unstained_table(load_plates(config), stainer.inputs, config.dataset.split_seed)
    draw = drawing(stainer, own[own["split"] == "train"])
    target = config.dataset.target
    fitted = wells_of(judge(draw, own[own["split"] == "validation"], stainer).areas, target)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, light in enumerate(LIGHTS):
            fields = new_plate(Path(folder) / light, config, options.seed + number, light)
            judged = judge(draw, fields, stainer)
            wells = wells_of(judged.areas, target)
            results[light] = metrics_of(judged, wells, fitted, config.evaluation.coverage)
            for name in METHODS:
                results[light]["measure"][name]["r_within"] = r_within(wells, name)
            keep({"seed": options.seed, "results": results}, options.json)
    print(table(*_measures(results)))
    print(table(*_cells(results)))
    print(table(*_stained(results)))


def _measures(results: dict) -> tuple[list[str], list[list[str]]]:
    heads = ["light", "estimate", "RMSE / SD", "r", "r in conditions", "above the network's"]
    lines = [
        [
            light,
            words,
            f"{found['rmse_over_sd']:.3f}",
            _number(found["r"]),
            _number(found["r_within"]),
            " to ".join(f"{end:.2f}" for end in found.get("worse_by_interval", [])),
        ]
        for light, metrics in results.items()
        for name, words in METHODS.items()
        for found in [metrics["measure"][name]]
    ]
    return heads, lines


def _cells(results: dict) -> tuple[list[str], list[list[str]]]:
    heads = ["light", "kind", "r", "r in cells", "SSIM", "Dice", *_PAIRS]
    lines = []
    for light, metrics in results.items():
        for kind, methods in metrics["pixels"].items():
            drawn, cells = methods["network"], metrics["cells"][kind]
            means = [_number(drawn.get(name, {}).get("mean")) for name in _SCORES]
            scores = [f"{cells[pair]['f1']:.3f}" for pair in _PAIRS]
            lines.append([light, kind, *means, *scores])
    return heads, lines


_SCORES = ("pcc", "pcc_in_cells", "ssim", "dice")
_PAIRS = ("shown_all", "drawn_stained", "drawn_true", "stained_true")


def _stained(results: dict) -> tuple[list[str], list[list[str]]]:
    heads = ["light", "stained wells", "RMSE / SD", "of their mean", "intervals hold", "said"]
    lines = [
        [light, str(row["stained"]), *(_number(row[name]) for name in heads_of)]
        for light, metrics in results.items()
        for row in metrics["stained_wells"]["stained"]
        for heads_of in [("rmse", "rmse_of_mean", "hold", "said")]
    ]
    return heads, lines


def _number(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    main()
