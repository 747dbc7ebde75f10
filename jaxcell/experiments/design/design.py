"""An experiment laid out on plates before it is done, with what it will be able to show."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.analysis.design.balance import Balance, balance
from jaxcell.analysis.design.blocks import proofs
from jaxcell.analysis.design.layout import in_blocks, lay_out, shuffled
from jaxcell.analysis.design.plan import PLATES, Experiment
from jaxcell.analysis.design.power import power, tables_of
from jaxcell.experiments.design.drawing import Source, of_previous, of_simulator
from jaxcell.plates.doses import micromolar
from jaxcell.plates.tables import EVERY, WELL_COLUMNS, canonical_condition
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.common.words import count
from jaxcell.report.design.page import write_design_report
from jaxcell.report.design.sentences import summary_lines
from jaxcell.storage import csv_cells
from jaxcell.storage.atomic import write, write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import LOCKS, owned

MADE_FROM, LAYOUT, POWER = "design.json", "wells.csv", "power.csv"
# First columns of the power table.
ABOUT = ("source", "condition", "replicates", "plates", "wells", "vehicle_wells")
# Wells of a compound for which power is drawn, beside those of the design.
REPLICATES = (2, 3, 4, 6)


def design_plates(
    folder: Path,
    *,
    compounds: int,
    replicates: int = 2,
    wells: int = 384,
    conditions: str = "Unstimulated,OVA,ConA",
    doses: str = "10",
    rim: bool = False,
    names: str = "",
    seed: int = 0,
    previous: Path | None = None,
    measure: str = "",
    drawn: int = 40,
) -> str:
    """Lays an experiment out and writes the layout, what it can show, and a page.

    Args:
      folder: of the results; created, or that of the same design.
      compounds: how many.
      replicates: wells of each at one dose in one condition.
      wells: of a plate.
      conditions, doses, names: separated by commas; doses in uM or with their units, names of the
        plates.
      rim: whether the outermost wells are used.
      seed: of the layout and of all draws.
      previous: table of an earlier plate; None: power is drawn from the simulator alone.
      measure: its column.
      drawn: compounds for each effect in the power table; 0: none.

    Returns:
      The closing table.

    Raises:
      ValueError, FileExistsError: said to the person who started it.
    """
    began = time.monotonic()
    require_place(folder, what="a design")
    experiment = Experiment(compounds, replicates, read_conditions(conditions), read_doses(doses))
    sources = [] if previous is None else [of_previous(previous, measure, experiment)]
    layout = lay_out(experiment, wells, rim=rim, seed=seed, names=_names(names))
    _check_names(layout, _names(names))
    table = whole_plates(layout, wells)
    sources = [of_simulator(experiment, PLATES[wells]), *sources]
    made_from = {
        **experiment._asdict(),
        "plate": wells,
        "rim": rim,
        "seed": seed,
        "plates": layout["plate"].unique().tolist(),
        "previous": previous.name if previous else None,
        "measure": measure or None,
        "drawn": drawn,
    }
    _check_folder(folder, table)
    with owned(folder, "designing into it"):
        write(folder / MADE_FROM, made_from)
        write_csv(folder / LAYOUT, table[list(WELL_COLUMNS)])
        doubts = list(dict.fromkeys(source.doubt for source in sources if source.doubt))
        found = _power(experiment, layout, sources, wells, rim, seed, drawn)
        if len(found):
            write_csv(folder / POWER, found)
        else:
            (folder / POWER).unlink(missing_ok=True)
        first = layout[layout["plate"] == layout["plate"].iloc[0]]
        evidence = proofs(first, seed=seed)
        compared = _compared(layout, seed)
        page = write_design_report(
            folder / "report",
            experiment=experiment,
            layout=table,
            balance=compared,
            proofs=evidence,
            power=found,
            measures={source.name: (source.measure, source.unit) for source in sources},
            components=sources[-1].components,
            doubts=doubts,
            config=made_from,
        )
    lines = summary_lines(experiment, layout, compared["this design"], found, evidence, doubts)
    lines |= {"layout": str(folder / LAYOUT)}
    return closing_table(lines, page, time.monotonic() - began)


def read_conditions(text: str) -> list[str]:
    """Conditions separated by commas, known ones under their usual names.

    Raises:
      ValueError: a name that no table may have.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names) or EVERY in map(str.casefold, names):
        raise ValueError(
            f"conditions are '{text}': give names separated by commas, and none of them '{EVERY}', "
            "which is what reports call all wells together"
        )
    return [canonical_condition(name) or name for name in names]


def read_doses(text: str) -> list[float]:
    """Doses separated by commas, in µM where they have no unit.

    Raises:
      ValueError: a text that is no dose.
    """
    texts = [dose.strip() for dose in text.split(",")]
    with_units = any(dose[-1:].isalpha() for dose in texts)
    try:
        found = micromolar(texts, "" if with_units else "um")
    except ValueError as error:
        raise ValueError(f"doses are '{text}', of which {error}") from None
    if not np.isfinite(found).all():
        raise ValueError(f"doses are '{text}': give numbers separated by commas, such as 1,3,10")
    return found


def whole_plates(layout: pd.DataFrame, wells: int) -> pd.DataFrame:
    """A layout as the project's table of wells: all wells of each plate, those not used as empty.

    Args:
      layout: as `lay_out` gives.
      wells: of a plate.
    """
    rows, columns = PLATES[wells]
    places = pd.DataFrame(
        [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)],
        columns=["row", "column"],
    )
    places["well"] = [
        f"{chr(ord('A') + row - 1)}{column:02d}" for row, column in places.to_numpy().tolist()
    ]
    plates = [
        places.assign(plate=plate).merge(own, "left", ["plate", "well", "row", "column"])
        for plate, own in layout.groupby("plate", sort=False)
    ]
    table = pd.concat(plates, ignore_index=True)
    texts = {"condition": "", "compound": "", "role": "empty"}
    return table.fillna(texts).assign(stimulus_ug_per_ml=np.nan)


def _compared(layout: pd.DataFrame, seed: int) -> dict[str, Balance]:
    """Figures of balance of the layout and of other ways to fill its wells."""
    return {
        "this design": balance(layout),
        "by lot": balance(shuffled(layout, np.random.default_rng(seed))),
        "in blocks": balance(in_blocks(layout)),
    }


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def _check_names(layout: pd.DataFrame, names: Sequence[str]) -> None:
    plates = layout["plate"].nunique()
    if names and (len(names) != plates or len(set(names)) < plates or not all(names)):
        raise ValueError(
            f"names are {', '.join(names)}: the experiment takes {count(plates, 'plate')} and "
            f"{count(len(names), 'name')}, each once and separated by commas"
        )


def _check_folder(folder: Path, table: pd.DataFrame) -> None:
    """Raises FileExistsError where a folder holds something else, or another layout."""
    if not folder.is_dir() or not any(path.name != LOCKS for path in folder.iterdir()):
        return
    if not (folder / MADE_FROM).exists():
        raise FileExistsError(f"{folder} exists and holds no design: name another with --out")
    if not (folder / LAYOUT).exists():
        return
    ours = csv_cells.harmless(table[list(WELL_COLUMNS)]).to_csv(index=False)
    if (folder / LAYOUT).read_text(encoding="utf-8") != ours:
        raise FileExistsError(
            f"{folder} holds another layout, which may be on the bench already: name another "
            "folder with --out, or move that one away"
        )


def _power(
    experiment: Experiment,
    layout: pd.DataFrame,
    sources: Sequence[Source],
    wells: int,
    rim: bool,
    seed: int,
    drawn: int,
) -> pd.DataFrame:
    """Power of the design and of others with more or fewer wells a compound, one row an effect."""
    sources = [source for source in sources if source.can_draw]
    if not drawn or not sources:
        return pd.DataFrame()
    replicates = sorted({*REPLICATES, experiment.replicates})
    pairs = experiment.compounds * len(experiment.doses_um)
    total = len(sources) * len(replicates) * tables_of(pairs, drawn)
    rows = []
    with tqdm(total=total, desc="drawing plates", unit="table") as progress:
        for number in replicates:
            own = layout
            if number != experiment.replicates:
                other = experiment._replace(replicates=number)
                own = lay_out(other, wells, rim=rim, seed=seed)
            for source in sources:
                table, inert = power(
                    own, source.draw, source.scale, seed=seed, drawn=drawn, progress=progress.update
                )
                rows.append(table.assign(**_about(own, source, number), **inert))
    found = pd.concat(rows, ignore_index=True)
    expected = {source.name: source.expected for source in sources}
    for column, zero in (("control", 0.0), ("expected", 1.0)):
        found[column] = [
            expected[row.source](row.condition, zero * row.inhibition) for row in found.itertuples()
        ]
    return found[[*ABOUT, *(name for name in found if name not in ABOUT)]]


def _about(layout: pd.DataFrame, source: Source, replicates: int) -> dict:
    """What each row of the power table says of its design."""
    vehicle = layout[layout["role"] == "vehicle"].groupby(["plate", "condition"]).size()
    return {
        "source": source.name,
        "replicates": replicates,
        "plates": layout["plate"].nunique(),
        "wells": len(layout),
        "vehicle_wells": int(vehicle.min()),
    }
