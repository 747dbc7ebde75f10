"""Plates screened: from tables of wells, or plates measured first, to hits and a report."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from ml_collections import ConfigDict
from threadpoolctl import threadpool_limits

from jaxcell.analysis.screening.answers import Screened, screen
from jaxcell.cells.kinds import USUAL
from jaxcell.configs.kinds import population_of
from jaxcell.distributed.workers import HERE, Workers
from jaxcell.experiments.measurement.measure import measure_plates
from jaxcell.experiments.screening.tables import ScreenTable, read_screen_table
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.screening.page import write_screen_report
from jaxcell.report.screening.sentences import summary_lines
from jaxcell.storage.atomic import read, write, write_cells, write_csv
from jaxcell.storage.content import digest
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import LOCKS, owned, replacing
from jaxcell.storage.source import read_source, refuse_other, source_of

# What the folder of a screen holds beside its tables.
MADE_FROM, MEASURED = "screen.json", "measured"


def screen_plates(
    folder: Path,
    *,
    tables: Sequence[Path] = (),
    config: ConfigDict | None = None,
    layouts: Sequence[Path] = (),
    plate: str = "",
    measure: str = "",
    views: Mapping[str, str],
    counts: Mapping[str, str],
    correct: bool = True,
    condition: str | None = None,
    workers: Workers = HERE,
) -> str:
    """Screens wells and writes tables and report.

    Args:
      folder: of the results; created, or that of an earlier screen of the same wells, whose tables
        are replaced.
      tables: of wells; none: the plates that the config names are measured first.
      config: as `configs/measure.py` describes; where there are tables it says which kinds of
        cells they are of.
      layouts, plate, measure, views, counts: as for `read_screen_table`.
      correct: whether wells are freed of what they owe to their place.
      condition: of wells that no layout describes, where plates are measured.
      workers: who measures them; a call that does a share screens nothing.

    Returns:
      The closing table.

    Raises:
      ValueError, FileExistsError: said to the person who started it.
    """
    began = time.monotonic()
    require_place(folder, what="a screen")
    _check_folder(folder)
    source = _source(tables, config)
    refuse_other(folder, read_source(folder / MADE_FROM, "source"), source)
    if workers.shard and not tables:
        return measure_plates(config, folder / MEASURED, condition, workers)
    read_tables = partial(
        read_screen_table,
        layouts=layouts,
        plate=plate,
        measure=measure,
        views=views,
        counts=counts,
        population=population_of(config) if config else USUAL,
    )
    # Before anything is claimed: a table that cannot be read leaves no folder behind.
    table = read_tables(tables) if tables else None
    # From the first well on, so that nobody replaces what was measured before it is read.
    with replacing(folder, "screening into it"):
        refuse_other(folder, read_source(folder / MADE_FROM, "source"), source)
        simulated = False
        if table is None:
            measure_plates(config, folder / MEASURED, condition, workers)
            simulated = _is_simulated(folder / MEASURED)
            tables = [folder / MEASURED / "wells.csv"]
            table = read_tables(tables)
        columns = [kind.counts for kind in table.kinds]
        # Many small products of matrices: threads of the linear algebra would wait for each other.
        with threadpool_limits(1, "blas"):
            found = screen(table.wells, table.measure, columns, correct=correct)
        made_from = {
            "tables": [path.name for path in tables],
            "measure": table.measure.name,
            "counts": columns,
            "corrected": correct,
        }
        with owned(folder, "screening into it"):
            page = _write(folder, table, found, made_from, source, simulated)
    lines = summary_lines(found, table.measure, table.kinds)
    lines |= {"tables": f"compounds.csv, wells.csv (and .parquet) in {folder}"}
    return closing_table(lines, page, time.monotonic() - began)


def _write(
    folder: Path,
    table: ScreenTable,
    found: Screened,
    made_from: Mapping,
    source: dict,
    simulated: bool,
) -> Path:
    """Tables and page of a screen."""
    write(folder / MADE_FROM, {**made_from, "source": source})
    _write_tables(folder, found, table)
    return write_screen_report(
        folder / "report",
        title=f"{_named(table.wells)}: which compounds act",
        simulated=simulated,
        found=found,
        wells=table.wells,
        measure=table.measure,
        findings=[finding[:6] for finding in table.findings],
        made={name: _in_words(value) for name, value in made_from.items()},
        kinds=table.kinds,
    )


def _check_folder(folder: Path) -> None:
    """Raises FileExistsError where a folder holds something that is no screen."""
    begun = folder.is_dir() and any(path.name != LOCKS for path in folder.iterdir())
    if begun and not any((folder / name).exists() for name in (MADE_FROM, MEASURED)):
        raise FileExistsError(f"{folder} exists and holds no screen: name another with --out")


def _source(tables: Sequence[Path], config: ConfigDict | None) -> dict:
    """What a screen is of: the first of its tables, all that is in them, or its plates."""
    if not tables:
        return source_of(config.plates.folder if config else "")
    missing = [path for path in tables if not path.is_file()]  # which is said when it is read
    content = "" if missing else " ".join(digest(path) for path in tables)
    return source_of(str(tables[0]), content)


def _named(wells: pd.DataFrame) -> str:
    """The plates by name, or how many there are."""
    names = sorted(wells["plate"].astype(str).unique())
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} plates"


def _in_words(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return {"True": "yes", "False": "no"}.get(words, words)


def _is_simulated(measured: Path) -> bool:
    return bool(read(measured / "report" / "metrics.json").get("simulated"))


def _write_tables(folder: Path, found: Screened, table: ScreenTable) -> None:
    """One row a compound and dose, one a dose series, one a well, each as CSV and Parquet."""
    tables = {"compounds": found.effects.drop(columns="group")}
    if found.curves:
        tables["curves"] = found.series
    else:  # those of an earlier screen would be taken for this one's
        for name in ("curves.csv", "curves.parquet"):
            (folder / name).unlink(missing_ok=True)
    corrected = found.hits.wells[["plate", "well", "scaled", "place_effect", "corrected"]]
    wells = table.wells.merge(corrected, "left", ["plate", "well"])
    wells["corrected_value"] = found.scale.backward(wells["corrected"])
    for name, rows in {**tables, "wells": wells}.items():
        write_csv(folder / f"{name}.csv", rows)
        write_cells(folder / f"{name}.parquet", _one_type(rows))


def _one_type(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns of mixed values as texts: Parquet takes no others."""
    mixed = [name for name in rows if rows[name].dtype == object]
    return rows.assign(**{name: rows[name].fillna("").astype(str) for name in mixed})
