"""Do the prediction intervals hold in wells never seen? Coverage on simulated plates.

    python -m benchmarks.conformal [--plates=1000] [--json]

Each simulated plate has training, calibration and new wells, whose errors are unkind: every well
has a bias and a spread of its own, errors grow with the overlap, and their tails are heavy. Three
ways to set the width of an interval are compared: by wells, as jaxcell does; by patches pooled as
if they were independent; and by wells for the means of wells. About two minutes on one core.
"""

import argparse
import json

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.analysis.intervals import conformal

LEVELS = (0.8, 0.9, 0.95)
CALIBRATION_WELLS = (9, 16, 40)
TRAINING_WELLS, NEW_WELLS = 40, 20
# As measured on real wells: two patches in five without overlap, others exponential (percent).
EMPTY_SHARE, MEAN_OVERLAP = 0.4, 4.0
# Bias and logarithm of the spread of a well (SD), in units of a patch's own error; Student's t.
WELL_BIAS, WELL_SPREAD, FREEDOM = 1.5, 0.5, 3
WAYS = ("by wells", "patches pooled", "means of wells")


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
    ways = zip(
        WAYS,
        (conformal.interval, conformal.interval, conformal.well_interval),
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


def summary(plates: int, seed: int) -> list[dict]:
    """One row for each number of wells, way and level: means over plates (width in percent)."""
    rows = []
    for wells in CALIBRATION_WELLS:
        random = np.random.default_rng([seed, wells])
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


def main() -> None:
    """Prints a table, and with --json a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.plates < 2:
        parser.error("at least 2 plates are needed")
    rows = summary(arguments.plates, arguments.seed)
    print(f"\ncoverage in new wells, mean of {arguments.plates} simulated plates, in %")
    print(f"{'wells':>5}  {'way':15}{'promised':>9}{'found':>7}{'± SE':>6}{'width':>8}")
    for row in rows:
        line = f"{row['calibration_wells']:5}  {row['way']:15}{100 * row['promised']:9.0f}"
        if row["found"] is None:
            print(line + "  refused: too few calibration wells")
            continue
        print(
            line + f"{100 * row['found']:7.1f}{100 * row['standard_error']:6.2f}{row['width']:8.2f}"
        )
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
