"""Is the test for structure honest, and what does it find? On simulated codes of plates.

    python -m benchmarks.honesty [--plates=1000] [--json=FILE]

Three conditions; codes of 20 features, 16 patches a well. Patches of a well scatter by 1 in every
feature and wells differ at random by `WELL_SPREADS`, as the first principal components of the codes
of simulated plates do (1.6, 1.9, 0.37, 0.36, then 0 to 0.3). An effect of d separates successive
conditions by d SDs between wells, along a direction drawn for each plate; a position gradient runs
over the columns, from one side of the plate to the other by `GRADIENT` such SDs.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import kstest
from tqdm import tqdm

from jaxcell.analysis.structure import design as well_design
from jaxcell.analysis.structure import probes
from jaxcell.analysis.structure import scores as well_scores
from jaxcell.analysis.structure.answer import conclude, minus_position
from jaxcell.analysis.structure.representations import score_features, score_position

CONDITIONS = ("Unstimulated", "OVA", "ConA")
WELL_SPREADS = np.array([1.7, 1.7, 0.4, 0.4] + [0.12] * 16)
PATCHES_A_WELL = 16
GRADIENT = 4.0
# Wells a condition -> rows and columns of its block.
BLOCKS = {6: (3, 2), 12: (4, 3), 24: (6, 4)}
EFFECTS = (0.5, 1.0, 2.0, 3.0)
LAYOUTS = ("blocks", "randomised")
SHUFFLES, PATCH_SHUFFLES, DRAWS = 499, 199, 200
ANSWERS = ("yes", "confounded", "no")


class Plate(NamedTuple):
    """What a simulated plate is like.

    Attributes:
      layout: `blocks` (a condition is a block of columns) or `randomised`.
      wells: of each condition.
      effect: distance of successive conditions, SDs between wells.
      gradient: distance of the outer columns, SDs between wells.
    """

    layout: str
    wells: int = 12
    effect: float = 0.0
    gradient: float = 0.0


def simulate(plate: Plate, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Codes float64 [N, 20] of a plate's patches, and their table."""
    random = np.random.default_rng([seed, 1])  # not the stream that the test draws from
    rows, columns = BLOCKS[plate.wells]
    count = plate.wells * len(CONDITIONS)
    column, row = np.divmod(np.arange(count), rows)
    condition = np.repeat(np.arange(len(CONDITIONS)), plate.wells)
    if plate.layout == "randomised":
        condition = random.permutation(condition)
    # What separates wells is their own spread and what the mean of their patches leaves of theirs.
    spread = np.sqrt(WELL_SPREADS**2 + 1 / PATCHES_A_WELL)
    effect, gradient = (_direction(random) * spread for _ in range(2))
    side = column / (columns * len(CONDITIONS) - 1)
    means = random.normal(size=(count, len(spread))) * WELL_SPREADS
    means += np.outer(plate.effect * condition, effect) + np.outer(plate.gradient * side, gradient)
    well = np.repeat(np.arange(count), PATCHES_A_WELL)
    codes = means[well] + random.normal(size=(len(well), len(spread)))
    table = pd.DataFrame({"plate": "P1", "row": row[well] + 1, "column": column[well] + 1})
    table["well"] = [f"{chr(64 + r)}{c:02d}" for r, c in zip(table["row"], table["column"])]
    table["condition"] = np.array(CONDITIONS)[condition[well]]
    return codes, table.assign(faulty=False)


def _direction(random: np.random.Generator) -> np.ndarray:
    direction = random.normal(size=len(WELL_SPREADS))
    return direction / np.linalg.norm(direction)


def p_of(plate: Plate, seed: int) -> float:
    """p of the probe on a simulated plate, shuffling wells."""
    codes, table = simulate(plate, seed)
    design = well_design.design_wells(table, well_design.choose(table), seed, SHUFFLES, 1)
    scores, _ = probes.probe(codes, design.well_of, design.folds, design.labellings, 3)
    return well_scores.p_value(well_scores.auroc(scores, design.labellings))


def p_of_patches(plate: Plate, seed: int) -> float:
    """The same when patches are split and shuffled as if each were a well."""
    codes, table = simulate(plate, seed)
    labels = table["condition"].map(CONDITIONS.index).to_numpy()
    one_plate, alone = np.zeros(len(labels), int), np.arange(len(labels))
    folds = well_design.fold_wells(labels, one_plate, well_design.FOLDS, seed)
    shuffles = well_design.shuffled(labels, folds, PATCH_SHUFFLES, seed)
    labellings = np.concatenate([labels[None], shuffles])
    scores, _ = probes.probe(codes, alone, folds, labellings, len(CONDITIONS))
    return well_scores.p_value(well_scores.auroc(scores, labellings))


def answer_of(plate: Plate, seed: int) -> str:
    """The answer that the report would give of a simulated plate."""
    codes, table = simulate(plate, seed)
    design = well_design.design_wells(table, well_design.choose(table), seed, SHUFFLES, DRAWS)
    found, draws = score_features(codes, design, seed)
    position, position_draws = score_position(design)
    difference = minus_position(found, position, draws, position_draws)
    return conclude("codes", found, found["probe"]["p"], position, difference, design.untestable)[0]


def over_plates(action, plates: Iterable[Plate], count: int, said: str) -> dict[Plate, list]:
    """What an action gives on `count` plates of each kind, by kind; all cores."""
    kinds = list(plates)
    jobs = [(kind, seed) for kind in range(len(kinds)) for seed in range(count)]
    parallel = Parallel(n_jobs=-1, return_as="generator", batch_size=8)
    results = parallel(delayed(action)(kinds[kind], 1000 * kind + seed) for kind, seed in jobs)
    found: dict[Plate, list] = {kind: [] for kind in kinds}
    for (kind, _), result in zip(jobs, tqdm(results, total=len(jobs), desc=said)):
        found[kinds[kind]].append(result)
    return found


def false_positives(count: int) -> list[dict]:
    """No effect and no gradient: how p is distributed."""
    rows = []
    for name, action, plates in (
        ("wells", p_of, count), ("patches", p_of_patches, max(1, count // 10))
    ):  # fmt: skip
        found = over_plates(action, map(Plate, LAYOUTS), plates, f"shuffling {name}")
        for plate, values in found.items():
            share = float(np.mean(np.array(values) <= 0.05))
            ks = float(kstest(values, "uniform").pvalue)
            rows.append({"shuffled": name, "layout": plate.layout, "plates": plates,
                         "p_at_most_0.05": share, "uniform_ks_p": ks})  # fmt: skip
    return rows


def answers(plates: Iterable[Plate], count: int, said: str) -> list[dict]:
    """Share of each answer, for each kind of plate."""
    found = over_plates(answer_of, plates, count, said)
    return [
        plate._asdict() | {"plates": count} | {a: values.count(a) / count for a in ANSWERS}
        for plate, values in found.items()
    ]


def print_table(title: str, rows: list[dict]) -> None:
    """Prints rows of one kind."""
    print(f"\n{title}\n{pd.DataFrame(rows).to_string(index=False, float_format='{:.3f}'.format)}")


def main() -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    many, some, few = (max(1, arguments.plates // part) for part in (1, 5, 20))
    gradient = [Plate(layout, gradient=GRADIENT) for layout in LAYOUTS]
    effects = [
        Plate(layout, wells, effect) for layout in LAYOUTS for wells in BLOCKS for effect in EFFECTS
    ]
    tables = {
        "no effect, no gradient": false_positives(many),
        "no effect, position gradient": answers(gradient, some, "gradient"),
        "known effects, no gradient": answers(effects, few, "effects"),
    }
    for title, rows in tables.items():
        print_table(title, rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
