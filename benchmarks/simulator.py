"""Are simulated plates like a real one? Plate CK19 in halves, and the simulator beside them.

    python -m benchmarks.simulator FOLDER [--rows=IJKLMNOP] [--size=2048] [--seed=0] [--json=FILE]

FOLDER holds the reference study's files of CK19: its layout, the instrument's table and the labels
of its patches. The simulator's constants were fitted to rows A-H; rows I-P judge them. Wells of
these rows are simulated in memory, treated as the real layout says, and measured by this program's
own masks: 2-means a patch for labels, the instrument's protocol for numbers, areas and the overlap
share. The instrument's share is compared by ranks alone: its formula is not published.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from tqdm import tqdm

from benchmarks.timing import arguments, keep, table
from jaxcell.cells.instrument import PROTOCOLS, protocol_mask
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.masks import cell_threshold
from jaxcell.measures.patch import measure_patches
from jaxcell.plates.layouts.workbook import open_layout
from jaxcell.simulator import biology, plates
from jaxcell.simulator.layout import ROWS, VEHICLE, Treatment
from jaxcell.simulator.light import draw_light

CONDITIONS = tuple(biology.CONDITIONS)
WINDOW, PATCHES = 192, 100
COUNTS = ("t_cells", "dendritic_cells", "t_cell_area", "dendritic_cell_area")
TABLE_COLUMNS = {2: "t_cell_area", 3: "t_cells", 4: "dendritic_cell_area", 5: "dendritic_cells"}
# The labels of the first 44 wells stand in another order than those of the others: A3 ... A24,
# B3 ... B24 one place late, and C10 and C11 at their ends, nobody knows which. See docs.
NUMERIC, UNKNOWN = (*range(3, 12), *range(13, 25)), ("C10", "C11")


def real_wells(folder: Path) -> pd.DataFrame:
    """Wells of CK19: treatment, what the instrument counted, and `labels` in percent."""
    workbook = openpyxl.load_workbook(
        folder / "layouts" / "CK19 BTCure exp 19 INCell data 24h.xlsx", data_only=True
    )
    rows = []
    for row in workbook["Sheet1"].iter_rows(min_row=5, values_only=True):
        if row[0] and row[8] is not None:
            letter, number = row[0].split(" - ")
            found = {name: float(row[column]) for column, name in TABLE_COLUMNS.items()}
            rows.append({"well": f"{letter}{int(number):02d}", "share": float(row[8]), **found})
    wells = pd.DataFrame(rows).set_index("well")
    stored = np.load(folder / "overlap_labels" / "CK19_patch_overlap.npz")["overlap"]
    lexical = sorted(wells.index, key=lambda name: (name[0], str(int(name[1:]))))
    place = {name: number for number, name in enumerate(lexical)}
    for row, letter in enumerate("AB"):
        for number, column in enumerate(NUMERIC):
            place[f"{letter}{column:02d}"] = 1 + row * len(NUMERIC) + number
    wells["labels"] = [100 * stored[place[name]].astype(float) for name in wells.index]
    wells.loc[list(UNKNOWN), "labels"] = None
    layout = open_layout(folder / "layouts" / "CK19 plate layout.xlsx").wells.set_index("well")
    return wells.join(layout[["condition", "compound", "concentration_um"]])


def simulated_wells(treated: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """The same columns as `real_wells` of simulated wells with the same treatments."""
    wells = {
        (ROWS.index(name[0]) + 1, int(name[1:])): Treatment(
            condition, compound if compound.isdecimal() else VEHICLE, dose
        )
        for name, condition, compound, dose in treated[
            ["condition", "compound", "concentration_um"]
        ].itertuples()
    }
    random = np.random.default_rng([seed, 1])
    plate = plates.Plate(
        "CK19", (seed, 1), wells, "base", draw_light(random), biology.draw_batch(random)
    )

    def one(place: tuple[int, int]) -> dict:
        truth, fields = plates.simulate_well(
            plate, place, biology.CONDITIONS, 1, size, plates.DROPLET_SHARE
        )
        return {**truth["wells"].iloc[0], **measure(fields[0].views)}

    with ThreadPoolExecutor(2) as pool:
        rows = list(tqdm(pool.map(one, wells), "simulating", len(wells)))
    return pd.DataFrame(rows).set_index("well")


def measure(views: np.ndarray) -> dict:
    """Labels of patches, and numbers, areas and overlap share by the instrument's protocol."""
    count = views.shape[-1] // WINDOW
    cut = views[:2, : count * WINDOW, : count * WINDOW].reshape(2, count, WINDOW, count, WINDOW)
    patches = cut.transpose(0, 1, 3, 2, 4).reshape(2, -1, WINDOW, WINDOW)
    masks = np.stack([view > cell_threshold(view)[:, None, None] for view in patches], axis=-1)
    labels = measure_patches(np.moveaxis(patches, 0, -1), masks, "iou", pixel_um=0.741)
    found = [protocol_mask(view, PROTOCOLS[kind]) for view, kind in zip(views, PROTOCOLS)]
    share = (found[0] & found[1]).sum() / max(found[0].sum(), 1)
    numbers = [int(label_cells(mask).max()) for mask in found]
    scale = 2048**2 / views[0].size
    result = {"labels": labels.astype(float), "share": share}
    for name, mask, number in zip(("t_cell", "dendritic_cell"), found, numbers):
        result[f"{name}s"] = number * scale
        result[f"{name}_area"] = mask.sum() / max(number, 1)
    return result


def summary(wells: pd.DataFrame) -> dict[str, float]:
    """All that is compared, by name."""
    result = {}
    by_condition = {name: wells[wells["condition"] == name] for name in CONDITIONS}
    for name, some in by_condition.items():
        for what in COUNTS:
            result[f"{name}, {what}, median"] = some[what].median()
        labels = np.stack(some["labels"].dropna().to_list())
        result |= {
            f"{name}, label mean %": labels.mean(),
            f"{name}, label SD %": labels.std(),
            f"{name}, label exactly 0, %": 100 * (labels == 0).mean(),
            f"{name}, label 95th percentile %": np.percentile(labels, 95),
            f"{name}, label 99th percentile %": np.percentile(labels, 99),
            f"{name}, SD of wells' labels %": labels.mean(axis=1).std(ddof=1),
            f"{name}, intraclass correlation": intraclass_correlation(labels),
            f"{name}, replicate r of labels": replicate_correlation(some),
        }
    for one, other in ((0, 1), (1, 2), (0, 2)):
        shares = [by_condition[CONDITIONS[number]]["share"].to_numpy() for number in (one, other)]
        higher = np.sign(np.subtract.outer(shares[1], shares[0]))
        result[f"AUROC of share, {CONDITIONS[one]} / {CONDITIONS[other]}"] = (1 + higher.mean()) / 2
    return result


def intraclass_correlation(labels: np.ndarray) -> float:
    """Share of the variance of patches [wells, patches] that is between wells: one-way ANOVA."""
    patches = labels.shape[1]
    between = patches * labels.mean(axis=1).var(ddof=1)
    within = labels.var(axis=1, ddof=1).mean()
    return (between - within) / (between + (patches - 1) * within)


def replicate_correlation(wells: pd.DataFrame) -> float:
    """Pearson's r of the mean labels of the two wells of each compound."""
    samples = wells[wells["concentration_um"].notna() & wells["labels"].notna()]
    means = samples.assign(mean=[labels.mean() for labels in samples["labels"]])
    pairs = [group["mean"].to_numpy() for _, group in means.groupby("compound") if len(group) == 2]
    return float(np.corrcoef(np.array(pairs).T)[0, 1])


def main() -> None:
    """Measures both halves and a simulated plate, and prints them side by side."""
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", default="IJKLMNOP")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(sys.argv[1:])
    real = real_wells(given.folder)
    halves = {"rows A-H": real[real.index < "I"], "rows I-P": real[real.index >= "I"]}
    treated = real[real.index.str[0].isin(list(given.rows)) & real["condition"].ne("")]
    simulated = simulated_wells(treated, given.size, given.seed)
    found = {name: summary(wells) for name, wells in halves.items()}
    found["both halves"] = summary(real)
    found[f"simulated, seed {given.seed}"] = summary(simulated)
    rows = [
        [name, *(f"{column[name]:.4g}" for column in found.values())]
        for name in found["both halves"]
    ]
    print(table(["", *found], rows))
    keep(found, given.json)


if __name__ == "__main__":
    main()
