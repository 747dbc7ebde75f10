"""Are hits and IC50s what they say they are: plates without effects, of hits, and of doses.

    python -m benchmarks.screening [--plates=200] [--seed=20261203] [--json=FILE]

Wells come from the law of the simulator (`jaxcell.simulator.biology`: compounds, replicates, rims,
batches, wells in which nothing was dispensed) as rows of a table, not as images: a well's T cells
are Poisson, those bound are binomial, and their share is screened. So the truth of every compound
is known. A gradient moves the log odds of wells along the columns by so many standard deviations of
replicates.

Plates of hits are laid out as the laboratory's CK19: three conditions in blocks of columns, 45
compounds in two wells each, six vehicle wells; plates of doses as its CK22: one half unstimulated,
one stimulated, seven compounds in ten doses, two wells each.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.timing import arguments, keep, seconds
from jaxcell.analysis.screening.answers import at_the_edge, screen
from jaxcell.analysis.screening.doses import BELOW, BEYOND, FOUND, respond
from jaxcell.analysis.screening.hits import FALSE_DISCOVERIES, compare
from jaxcell.analysis.screening.scale import choose_scale
from jaxcell.measures.catalogue import TARGETS
from jaxcell.simulator import biology
from jaxcell.simulator.layout import VEHICLE, Place, Treatment, block_layout

MEASURE = TARGETS["overlap_share"].quantity
COUNTS = ["t_cells", "dendritic_cells"]
DOSES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
COMPOUNDS, DOSED, DOSE_UM = 45, 7, 10.0
GRADIENTS = (0.0, 0.5)
# Share of a library's compounds that do nothing, on plates of hits and of doses.
INERT_SHARE = 0.5
# Share of stimulation taken away from which a compound ought to be found.
STRONG = 0.25


def laboratory_layout() -> dict[Place, Treatment]:
    """Three blocks of six columns: all compounds down the columns, three vehicles, and again."""
    replicate = [str(number + 1) for number in range(COMPOUNDS)] + [VEHICLE] * 3
    wells = {}
    for block, condition in enumerate(biology.CONDITIONS):
        for number, compound in enumerate(2 * replicate):
            place = number % 16 + 1, 4 + 6 * block + number // 16
            dose = np.nan if compound == VEHICLE else DOSE_UM
            wells[place] = Treatment(condition, compound, dose)
    return wells


def dose_layout(condition: str) -> dict[Place, Treatment]:
    """Half a plate unstimulated, half in a condition: a column a dose, a row a compound."""
    return block_layout(16, 20, ["Unstimulated", condition], DOSES)


def draw_library(
    random: np.random.Generator, compounds: int, inert: float
) -> dict[str, biology.Compound]:
    """Compounds by name, of which a share does nothing."""
    library = {VEHICLE: biology.VEHICLE}
    for number in range(1, compounds + 1):
        drawn = biology.draw_compound(random, random.random())
        library[str(number)] = biology.VEHICLE if random.random() < inert else drawn
    return library


def draw_wells(
    random: np.random.Generator,
    layout: Mapping[Place, Treatment],
    library: Mapping[str, biology.Compound],
    gradient: float = 0.0,
) -> pd.DataFrame:
    """The wells of one plate, as a table to be screened.

    Args:
      gradient: SD over columns of what they add to the log odds, in SDs of replicates.
    """
    batch, rows = biology.draw_batch(random), []
    columns = np.array([place[1] for place in layout], float)
    rest = biology.CONDITIONS["Unstimulated"]
    for (row, column), given in layout.items():
        median = biology.treated(
            biology.CONDITIONS[given.condition], rest, library[given.compound],
            given.concentration_um,
        )  # fmt: skip
        trend = gradient * biology.REPLICATE_SHIFT * (column - columns.mean()) / columns.std()
        here = batch._replace(shift=batch.shift + trend)
        well = biology.draw_well(random, median, here, (row, column))
        t_cells = random.poisson(well.t_cells)
        bound = random.binomial(t_cells, well.association)
        is_vehicle = given.compound == VEHICLE
        rows.append({
            "plate": "SIM", "well": f"{chr(64 + row)}{column:02d}", "row": row, "column": column,
            **given._asdict(), "role": "vehicle" if is_vehicle else "sample",
            MEASURE.name: 100 * bound / t_cells if t_cells else np.nan,
            "t_cells": t_cells, "dendritic_cells": random.poisson(well.dendritic_cells),
        })  # fmt: skip
    wells = pd.DataFrame(rows)
    return wells.assign(edge=at_the_edge(wells))


def taken_away(compound: biology.Compound, condition: str) -> float:
    """Share of the stimulation that a compound takes away at most; 0 where there is none."""
    if condition == "Unstimulated":
        return 0.0
    return compound.efficacy ** biology.CONDITIONS[condition].resistance


def screen_plate(wells: pd.DataFrame) -> pd.DataFrame:
    """Effects with q, one row a compound and condition."""
    scale = choose_scale(wells[MEASURE.name].to_numpy(), MEASURE.minimum, MEASURE.maximum)
    return compare(wells, MEASURE.name, scale).effects


def hits_of_plate(seed: int, number: int, inert: float, gradient: float) -> dict:
    """What is right and wrong on one plate of compounds, of which a share is inert."""
    random = np.random.default_rng([seed, number])
    library = draw_library(random, COMPOUNDS, inert)
    effects = screen_plate(draw_wells(random, laboratory_layout(), library, gradient))
    hit = (effects["q"] <= FALSE_DISCOVERIES).to_numpy()
    pairs = zip(effects["compound"], effects["condition"])
    away = np.array([taken_away(library[name], condition) for name, condition in pairs])
    acting = away * [biology.response(library[name], DOSE_UM) for name in effects["compound"]]
    own = effects[acting == 0]
    return {
        "inert": inert, "gradient": gradient, "hits": int(hit.sum()),
        "false": int((hit & (acting == 0)).sum()),
        "strong": int((acting >= STRONG).sum()),
        "strong_found": int((hit & (acting >= STRONG)).sum()),
        "held": float(((own["low_effect"] <= 0) & (own["high_effect"] >= 0)).mean()),
    }  # fmt: skip


def summarise_hits(rows: Sequence[Mapping]) -> pd.DataFrame:
    """One row for each share of inert compounds and gradient; shares with standard errors."""
    plates = pd.DataFrame(rows)
    plates["share"] = plates["false"] / plates["hits"].clip(lower=1)
    groups = plates.groupby(["inert", "gradient"])
    strong = groups[["strong", "strong_found", "hits"]].sum()
    return pd.DataFrame({
        "plates": groups.size(),
        "hits": strong["hits"],
        "share_of_false_discoveries": groups["share"].mean(),
        "standard_error": groups["share"].sem(),
        "plates_with_a_false_hit": groups["false"].agg(lambda own: (own > 0).mean()),
        "strong": strong["strong"],
        "strong_found": strong["strong_found"] / strong["strong"],
        "intervals_of_inert_hold_0": groups["held"].mean(),
    }).reset_index()  # fmt: skip


def doses_of_plate(seed: int, number: int, gradient: float) -> list[dict]:
    """Dose series of one plate with what is true of them."""
    random = np.random.default_rng([seed, number])
    library = draw_library(random, DOSED, INERT_SHARE)
    wells = draw_wells(random, dose_layout(("ConA", "OVA")[number % 2]), library, gradient)
    scale = choose_scale(wells[MEASURE.name].to_numpy(), MEASURE.minimum, MEASURE.maximum)
    found = respond(compare(wells, MEASURE.name, scale), scale,
                    (MEASURE.minimum, MEASURE.maximum), seed=number)  # fmt: skip
    truths = [library[item.row["compound"]] for item in found]
    return [
        {"plate": number, "gradient": gradient, **item.row, "true_um": truth.ic50_um,
         "away": taken_away(truth, item.row["condition"])}
        for item, truth in zip(found, truths)
    ]  # fmt: skip


def summarise_doses(rows: Sequence[Mapping]) -> dict:
    """Whether IC50s are near, their intervals hold, and flat curves have none."""
    series = pd.DataFrame(rows)
    flat, acting = series[series["away"] == 0], series[series["away"] > 0]
    found = acting[acting["answer"] == FOUND]
    held = (found["half_um_low"] <= found["true_um"]) & (found["true_um"] <= found["half_um_high"])
    beyond = acting[acting["answer"] == BEYOND]
    below = acting[acting["answer"] == BELOW]
    strong = acting[acting["away"] >= STRONG]
    apart = np.abs(np.log10(found["half_um"].astype(float) / found["true_um"]))
    return {
        "flat": len(flat),
        "flat_without_ic50": float((flat["answer"] != FOUND).mean()),
        "flat_without_effect": float((flat["answer"] == "no effect").mean()),
        "acting": len(acting), "found": len(found),
        "interval_holds": float(held.mean()),
        "misses_below": float((found["true_um"] < found["half_um_low"]).mean()),
        "misses_above": float((found["true_um"] > found["half_um_high"]).mean()),
        "median_log10_error": float(apart.median()),
        "median_width_log10": float(np.log10(
            found["half_um_high"].astype(float) / found["half_um_low"].astype(float)).median()),
        "strong": len(strong), "strong_answers": strong["answer"].value_counts().to_dict(),
        "beyond": len(beyond),
        "beyond_limit_holds": float((beyond["true_um"] >= beyond["half_um_low"]).mean()),
        "below": len(below),
        "below_limit_holds": float((below["true_um"] <= below["half_um_high"]).mean()),
    }  # fmt: skip


def study_time(seed: int) -> dict[str, tuple[float, float]]:
    """Seconds, and seconds of a core, that all answers take of a plate of either kind."""
    found = {}
    for name, layout in (("compounds", laboratory_layout()), ("doses", dose_layout("ConA"))):
        random = np.random.default_rng(seed)
        wells = draw_wells(random, layout, draw_library(random, COMPOUNDS, INERT_SHARE))
        began = time.process_time()
        wall = seconds(lambda wells=wells: screen(wells, MEASURE, COUNTS))
        found[name] = wall, time.process_time() - began
    return found


def main() -> None:
    """Measures, prints tables and keeps the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--plates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261203)
    given = parser.parse_args()
    # As in `jaxcell screen`: many small products, threads would wait for each other.
    threadpool_limits(1, "blas")
    print("seconds, and seconds of a core, of a plate:", spent := study_time(given.seed))
    plates = range(given.plates)
    hits = [hits_of_plate(given.seed, number, inert, gradient)
            for inert in (1.0, INERT_SHARE) for gradient in GRADIENTS
            for number in tqdm(plates, f"{inert:.0%} inert, gradient {gradient:g}")]  # fmt: skip
    print(summarise_hits(hits).to_string(float_format="{:.3f}".format))
    doses = {
        gradient: [row for number in tqdm(plates, f"doses, gradient {gradient:g}")
                   for row in doses_of_plate(given.seed, number, gradient)]
        for gradient in GRADIENTS
    }  # fmt: skip
    summaries = {
        f"gradient {gradient:g}": summarise_doses(rows) for gradient, rows in doses.items()
    }
    print(pd.DataFrame(summaries).to_string(float_format="{:.3f}".format))
    keep({"settings": vars(given), "seconds": spent, "hits": hits, "doses": summaries}, given.json)


if __name__ == "__main__":
    main()
