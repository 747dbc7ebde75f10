"""Are the test for structure and the prediction intervals honest? On simulated plates.

    python -m benchmarks.honesty [--parts=structure,intervals] [--plates=1000] [--json=FILE]

`structure`: three conditions; codes of 20 features, 16 patches a well. Patches of a well scatter by
1 in every feature and wells differ at random by `WELL_SPREADS`, as the first principal components
of the codes of simulated plates do (1.6, 1.9, 0.37, 0.36, then 0 to 0.3). An effect of d separates
successive conditions by d SDs between wells, along a direction drawn for each plate; a position
gradient runs over the columns, from one side of the plate to the other by `GRADIENT` such SDs.
`intervals`: each plate has training, calibration and new wells, whose errors are unkind: every well
has a bias and a spread of its own, errors grow with the overlap, and their tails are heavy. Three
ways to set the width of an interval are compared: by wells, as jaxcell does; by patches pooled as
if they were independent; and by wells for the means of wells. About two minutes on one core.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import kstest
from tqdm import tqdm

from benchmarks.timing import arguments, keep
from jaxcell.analysis.evidence import minus_position
from jaxcell.analysis.intervals import conformal
from jaxcell.analysis.structure import design as well_design
from jaxcell.analysis.structure import probes
from jaxcell.analysis.structure import scores as well_scores
from jaxcell.analysis.structure.answer import conclude
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

LEVELS = (0.8, 0.9, 0.95)
CALIBRATION_WELLS = (9, 16, 40)
TRAINING_WELLS, NEW_WELLS = 40, 20
# As measured on real wells: two patches in five without overlap, others exponential (percent).
EMPTY_SHARE, MEAN_OVERLAP = 0.4, 4.0
# Bias and logarithm of the spread of a well (SD), in units of a patch's own error; Student's t.
WELL_BIAS, WELL_SPREAD, FREEDOM = 1.5, 0.5, 3
WAYS = ("by wells", "patches pooled", "means of wells")


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


def structure(plates: int) -> dict[str, list[dict]]:
    """What the test answers: without an effect, with a gradient alone, with known effects."""
    many, some, few = (max(1, plates // part) for part in (1, 5, 20))
    gradient = [Plate(layout, gradient=GRADIENT) for layout in LAYOUTS]
    effects = [
        Plate(layout, wells, effect) for layout in LAYOUTS for wells in BLOCKS for effect in EFFECTS
    ]
    return {
        "no effect, no gradient": false_positives(many),
        "no effect, position gradient": answers(gradient, some, "gradient"),
        "known effects, no gradient": answers(effects, few, "effects"),
    }


def simulate_wells(random: np.random.Generator, count: int) -> pd.DataFrame:
    """Patches of wells: plate, well, target and predicted in percent; 16 to 64 a well."""
    sizes = random.integers(16, 65, count)
    well = np.repeat(np.arange(count), sizes)
    strength = random.lognormal(0, 0.5, count)[well]
    predicted = random.exponential(MEAN_OVERLAP * strength)
    predicted[random.random(len(well)) < EMPTY_SHARE] = 0
    noise = random.standard_t(FREEDOM, len(well))
    noise *= random.lognormal(0, WELL_SPREAD, count)[well]
    bias = random.normal(0, WELL_BIAS, count)[well]
    target = predicted + (0.1 + 0.12 * predicted) * (bias + noise)
    return pd.DataFrame({"plate": "P", "well": well, "target": target, "predicted": predicted})


def one_plate(random: np.random.Generator, wells: int) -> dict[tuple, tuple[float, float]]:
    """(way, level) -> coverage in new wells and mean width in percent; absent where refused."""
    training, new = simulate_wells(random, TRAINING_WELLS), simulate_wells(random, NEW_WELLS)
    table = simulate_wells(random, wells)
    scale = conformal.fit_scale(training["predicted"], training["predicted"] - training["target"])
    by_wells = conformal.calibrate(table["well"], table["target"], table["predicted"], scale)
    pooled = conformal.calibrate(table.index, table["target"], table["predicted"], scale)
    means = new.groupby("well", as_index=False)[["target", "predicted"]].mean()
    sizes = new.groupby("well").size()
    ways = zip(
        WAYS,
        (conformal.interval, conformal.interval, partial(_of_means, sizes)),
        (by_wells, pooled, by_wells),
        (new, new, means),
    )
    result = {}
    for way, interval, calibration, rows in ways:
        for level in LEVELS:
            if conformal.why_no_interval(calibration, level) is None:
                low, high = interval(calibration, rows["predicted"], level, lowest=None)
                inside = (rows["target"] >= low) & (rows["target"] <= high)
                share = float(inside.groupby(rows["well"]).mean().mean())
                result[way, level] = share, float(np.mean(high - low))
    return result


def _of_means(sizes: pd.Series, calibration: dict, predicted: pd.Series, *ends, **limits) -> tuple:
    """Intervals of means of wells with so many patches."""
    return conformal.well_interval(calibration, predicted, sizes, *ends, **limits)


def coverage(plates: int) -> list[dict]:
    """One row for each number of wells, way and level: means over plates (width in percent); none
    of what is found where there are too few calibration wells."""
    rows = []
    for wells in CALIBRATION_WELLS:
        random = np.random.default_rng([0, wells])
        plate_results = [
            one_plate(random, wells) for _ in tqdm(range(plates), desc=f"{wells} calibration wells")
        ]
        for way in WAYS:
            for level in LEVELS:
                found = [result[way, level] for result in plate_results if (way, level) in result]
                row = {"calibration_wells": wells, "way": way, "promised": level, "found": None}
                if found:
                    shares, widths = np.array(found).T
                    row |= {
                        "found": float(shares.mean()),
                        "width": float(widths.mean()),
                        "standard_error": float(shares.std() / plates**0.5),
                    }
                rows.append(row)
    return rows


PARTS = {
    "structure": structure,
    "intervals": lambda plates: {"coverage in new wells": coverage(plates)},
}


def main() -> None:
    """Prints the tables of each part and keeps them."""
    parser = arguments(__doc__)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--plates", type=int, default=1_000)
    given = parser.parse_args()
    if given.plates < 2:
        parser.error("at least 2 plates are needed")
    tables = {}
    for part in given.parts.split(","):
        for title, rows in PARTS[part](given.plates).items():
            words = pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format)
            print(f"\n{title}\n{words}", flush=True)
            tables[title] = rows
    keep({"settings": vars(given), "tables": tables}, given.json)


if __name__ == "__main__":
    main()
