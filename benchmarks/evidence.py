"""How often is something claimed where there is nothing? On simulated plates, wells and fields.

    python -m benchmarks.evidence [--parts=strength,wells,fields,intervals] [--count=200]

`strength`: `--count` plates of three conditions of 12 wells, unit noise, no effect, conditions in
blocks of columns or by lot, under a gradient over the columns of so many SDs of the noise.
`wells`: T cells of one simulated field over dendritic cells of another, of `FIELD` pixels; plates
of 384 such wells are drawn from all pairs, and the share with any well called interacting is by
answers of single wells, by q of the share of shifts, and by q as jaxcell gives it.
`fields`: contacts, nearness, distance and correlation beyond chance in `--count` fields without
interaction: pairs of fields that do not know of each other, fields without association, and the
first in the light of one lamp. `intervals`: coverage in three groups of wells of unequal spread.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from tqdm import tqdm

from benchmarks.timing import arguments, keep
from jaxcell.analysis.intervals import by_group
from jaxcell.analysis.strength import strength
from jaxcell.measures import chance, colocalisation, shifted_contacts
from jaxcell.measures.field import Field
from jaxcell.simulator.cells import PIXEL_UM
from jaxcell.simulator.field import simulate_field

CONDITIONS = ("Unstimulated", "OVA", "ConA")
ROWS, COLUMNS = 4, 3  # of wells of a condition
GRADIENTS = (0.0, 0.5)
FIELD, LAMP = 1024, 1.0
WELLS = 384
# Calibration wells of a group, their patches, patches of new wells, spread of each group.
CALIBRATION, PATCHES, FEWER, SPREADS = 12, 36, (1, 4, 16, 36), (0.3, 0.3, 2.0)


def plate(layout: str, gradient: float, seed: int) -> pd.DataFrame:
    """Wells without an effect of their condition."""
    random = np.random.default_rng(seed)
    count = ROWS * COLUMNS * len(CONDITIONS)
    column, row = np.divmod(np.arange(count), ROWS)
    condition = np.repeat(CONDITIONS, ROWS * COLUMNS)
    if layout == "by lot":
        condition = random.permutation(condition)
    side = (column - column.mean()) / column.std()
    return pd.DataFrame({
        "plate": "P", "well": [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column)],
        "row": row + 1, "column": column + 1, "condition": condition, "compound": "",
        "target_mean": random.normal(size=count) + gradient * side,
    })  # fmt: skip


def claims(count: int) -> list[dict]:
    """Share of plates with a difference of p <= 0.05, and with one that is called *yes*."""
    rows = []
    for layout in ("in blocks", "by lot"):
        for gradient in GRADIENTS:
            found = [
                [*strength(plate(layout, gradient, seed), seed=seed)["against_reference"].values()]
                for seed in tqdm(range(count), f"{layout}, {gradient:g}")
            ]
            verdicts = [{item["verdict"] for item in items} for items in found]
            rows.append({
                "conditions": layout, "gradient": gradient, "plates": count,
                "p <= 0.05, one comparison": np.mean([items[0]["p"] <= 0.05 for items in found]),
                "p <= 0.05, either": np.mean([min(i["p"] for i in both) <= 0.05 for both in found]),
                **{verdict: np.mean([verdict in some for some in verdicts])
                   for verdict in ("yes", "confounded")},
            })  # fmt: skip
    return rows


def simulated(seed: int, field_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Views uint16 [2, H, W] and cells int32 [2, H, W] of a field without association."""
    made = simulate_field(np.random.default_rng([17, seed]), field_size, 0.0, droplet_share=0)
    return made.views[:2], made.labels.astype(np.int32)


def wells(count: int) -> list[dict]:
    """Share of plates without interaction in which a well is called interacting."""
    cells = [simulated(seed, FIELD // 2)[1] > 0 for seed in tqdm(range(count // 4), "fields")]
    found = []
    for first, one in enumerate(tqdm(cells, "pairs")):
        for second, other in enumerate(cells):
            if first != second:
                masks = np.stack([one[0], other[1]])
                record = chance.record(Field(masks, masks, masks.__getitem__, PIXEL_UM))
                own, all_ = record.overlaps[0], record.overlaps
                p = chance.compare_with_chance([record])
                found.append([p.p, p.p_less, (all_ >= own).mean(), (all_ <= own).mean()])
    p, p_less, share, share_less = np.transpose(found)
    random, ways = np.random.default_rng(0), {}
    for name, more, less in (("share of shifts", share, share_less), ("jaxcell's p", p, p_less)):
        any_well = {"single wells": 0, "q": 0}
        for _ in range(1000):
            drawn = random.integers(0, len(p), WELLS)
            both = chance.two_sided(more[drawn], less[drawn])
            higher = more[drawn] < less[drawn]
            any_well["single wells"] += (higher & (both <= chance.LEVEL)).any() / 1000
            q = false_discovery_control(both)
            any_well["q"] += (higher & (q <= chance.LEVEL)).any() / 1000
        ways[name] = {
            "p": name, "pairs": len(p), "p <= 0.01": np.mean(more <= 0.01),
            "p <= 0.001": np.mean(more <= 0.001),
            **{f"plates with any interaction, {way}": value for way, value in any_well.items()},
        }  # fmt: skip
    return list(ways.values())


def fields(count: int) -> list[dict]:
    """Means over fields of what is beyond chance, and their standard errors."""
    side = np.linspace(-1, 1, FIELD)
    lamp = np.exp(-LAMP * (side[:, None] ** 2 + side**2))
    found: dict[str, list] = {"no association": [], "other field": [], "other field, one lamp": []}
    before = simulated(count, FIELD)
    for seed in tqdm(range(count), "fields"):
        views, cells = now = simulated(seed, FIELD)
        mixed = np.stack([views[0], before[0][1]]), np.stack([cells[0], before[1][1]])
        lit = (mixed[0] * lamp).astype(np.uint16)
        for name, some, own in zip(found, (views, mixed[0], lit), (cells, mixed[1], mixed[1])):
            field = Field(some, own > 0, own.__getitem__, PIXEL_UM)
            shifted = [shifted_contacts.record(field)]
            light = [colocalisation.record_shifts(field)]
            found[name].append([
                shifted_contacts.contact(shifted)[0], shifted_contacts.near(shifted)[0],
                shifted_contacts.distance(shifted)[0],
                colocalisation.pearson([colocalisation.record_spread(field)]),
                colocalisation.pearson_beyond_chance(light)[0],
            ])  # fmt: skip
        before = now
    names = ("contact_excess", "near_excess", "distance_excess", "pearson", "pearson_excess")
    rows = []
    for name, values in found.items():
        mean, error = np.mean(values, axis=0), np.std(values, axis=0) / len(values) ** 0.5
        pairs = (f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error))
        rows.append({"fields": name, "count": len(values)} | dict(zip(names, pairs)))
    return rows


def errors(random: np.random.Generator, each: int, patches: int) -> np.ndarray:
    """Errors [wells, patches] of `each` wells of each group: of the well, and of its patches."""
    shape = (each * len(SPREADS), patches)
    tails = 0.5 * random.normal(size=(shape[0], 1)) + random.standard_t(3, shape)
    return np.repeat(SPREADS, each)[:, None] * tails


def intervals(count: int) -> list[dict]:
    """Share of patches, and of means of new wells, inside 90 % intervals, by group."""
    random, found = np.random.default_rng(0), {}
    groups = np.repeat([f"spread {i + 1}" for i in range(len(SPREADS))], CALIBRATION)
    level = {"at": [0.0], "scale": [1.0], "reason": None}
    for _ in tqdm(range(count), "calibrations"):
        error = errors(random, CALIBRATION, PATCHES)
        well = np.repeat(np.arange(len(groups)), PATCHES)
        given = np.repeat(groups, PATCHES), well, 5 + error.ravel(), np.full(error.size, 5.0)
        own = by_group.calibrate(*given, level)
        new, at = errors(random, CALIBRATION, PATCHES), np.full(len(groups), 50.0)
        for way, calibration in (("by group", own), ("pooled", own | {"groups": {}})):
            _, high = by_group.interval(calibration, groups, at)
            inside = (np.abs(new) <= high[:, None] - 50).mean(axis=1)
            found.setdefault((way, "patches"), []).append(inside)
            for patches in FEWER:
                sizes = np.full(len(groups), patches)
                _, high = by_group.well_interval(calibration, groups, at, sizes)
                inside = np.abs(new[:, :patches].mean(axis=1)) <= high - 50
                found.setdefault((way, f"means of {patches}"), []).append(inside)
    return [
        {"calibrated": way, "of": what, "calibrations": count}
        | {name: np.mean(values, axis=0)[groups == name].mean() for name in np.unique(groups)}
        for (way, what), values in found.items()
    ]


PARTS = {"strength": claims, "wells": wells, "fields": fields, "intervals": intervals}


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table of each part and keeps them."""
    parser = arguments(__doc__)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args(given)
    tables = {}
    for part in options.parts.split(","):
        tables[part] = PARTS[part](options.count)
        words = pd.DataFrame(tables[part]).to_string(index=False, float_format="{:.3f}".format)
        print(f"\n{part}\n{words}", flush=True)
    keep({"count": options.count} | tables, options.json)


if __name__ == "__main__":
    main()
