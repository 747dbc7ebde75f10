"""Any table of wells becomes what a screen needs: where, what was added, the measure, the cells."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from jaxcell.cells.kinds import USUAL, Kind, Population, kind_called
from jaxcell.configs.kinds import population_of
from jaxcell.configs.settings import nearest
from jaxcell.measures.catalogue import TARGETS, Quantity, quantities
from jaxcell.plates.findings import BadPlates, Finding
from jaxcell.plates.layouts.choose import read_layouts
from jaxcell.plates.layouts.instrument_table import read_instrument_table
from jaxcell.plates.layouts.results_table import read_results
from jaxcell.plates.layouts.workbook import PLATE_ID, read_layout
from jaxcell.plates.tables import WELL_COLUMNS, place_of, read_wells

OF_A_WELL = {*WELL_COLUMNS, "row", "column", "fields", "seconds", "answer", "patches", "faulty"}
# Channels of the instrument's table beside the names of its views.
CHANNELS = {"TexasRed": ("TexasRed", "Texas Red", "TR")}
# What is screened where nobody says: the first of these that the table has.
USUALLY = ("overlap_share", "predicted_mean")


class ScreenTable(NamedTuple):
    """Wells to be screened.

    Attributes:
      wells: plate, well, row, column (from 1), condition, compound, concentration_um (µM), role,
        and every column of numbers.
      measure: the words of the column that is screened; its name is that of the column.
      kinds: of cells that were counted, those of the measurement first; their columns are
        `Kind.counts`. May be empty.
      findings: what was noticed, none of it fatal.
      columns: that could be screened.
    """

    wells: pd.DataFrame
    measure: Quantity
    kinds: tuple[Kind, ...]
    findings: list[Finding]
    columns: list[str]


def read_screen_table(
    paths: Sequence[Path],
    *,
    layouts: Sequence[Path] = (),
    plate: str = "",
    measure: str = "",
    views: Mapping[str, str] | None = None,
    counts: Mapping[str, str] | None = None,
    population: Population = USUAL,
) -> ScreenTable:
    """Reads tables of wells, with the layouts of their plates where they do not say it themselves.

    Args:
      paths: CSV, TSV, Parquet or .xlsx, of this program, another, or the instrument.
      layouts: tidy tables or workbooks; none: those beside each table.
      plate: id of the plate, where a single table and its layout do not agree on one.
      measure: column to screen; '': a usual one, or the only one.
      views: kind of cell -> name of its channel in the instrument's table.
      counts: kind of cell -> column of its count.
      population: which cells the tables are of, where no measurement's config beside them says it.

    Raises:
      BadPlates: a table or a layout cannot be read for certain.
      ValueError: there is no such column, or nobody says which.
    """
    if plate and len(paths) > 1:
        raise ValueError("--plate names the plate of one table: give one table, or none of --plate")
    parts, findings = [], []
    population = _measured(paths[0]) or population
    for path in paths:
        wells, said = _read(path, plate, dict(views or {}), population)
        if "role" not in wells:
            wells, more = _with_layout(wells, path, layouts, plate)
            said = said + more
        parts.append(wells)
        findings += said
    fatal = [finding for finding in findings if finding.fatal]
    if fatal:
        raise BadPlates(fatal)
    wells = pd.concat(parts, ignore_index=True)
    twice = wells[wells.duplicated(["plate", "well"])]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"well {first['well']} of plate {first['plate']} is in the tables more than once "
            f"({len(twice)} such rows): a screen needs one row a well, so average its fields first"
        )
    places = wells["well"].map(place_of)
    wells["row"], wells["column"] = map(list, zip(*places))
    wells, kinds = _counted(wells, dict(counts or {}), population)
    columns = [name for name in wells if name not in OF_A_WELL and _is_numeric(wells[name])]
    chosen = _chosen(measure, columns, [kind.counts for kind in kinds])
    words = _words(chosen, wells, paths[0], population)
    return ScreenTable(wells, words, kinds, findings, columns)


def _read(
    path: Path, plate: str, views: dict[str, str], population: Population
) -> tuple[pd.DataFrame, list[Finding]]:
    """A table with `plate` and `well`, and what was found; with `role` where it says all itself."""
    if not path.exists():
        beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        raise ValueError(f"there is no table {path}{nearest(path.name, beside)}")
    if path.suffix.lower() in (".xlsx", ".xls"):
        found = read_instrument_table(path)
        if found is not None:
            table, findings = found
            table = _instrument_columns(table, path, views, population)
            name = plate or _id_of(path)
            return table.assign(plate=name), [item._replace(plate=name) for item in findings]
    table = read_results(path)
    if "plate" not in table or plate:
        table = table.assign(plate=plate or _id_of(path))
    table["plate"] = table["plate"].astype(str)
    return table, []


def _id_of(path: Path) -> str:
    """The plate id that a file name begins with, or the name itself."""
    match = re.match(PLATE_ID.pattern + r"(?![A-Za-z0-9])", path.stem)
    return match[0] if match else path.stem


def _instrument_columns(
    table: pd.DataFrame, path: Path, views: dict[str, str], population: Population
) -> pd.DataFrame:
    """The instrument's counts and overlap share under this program's names too."""
    found = {}
    for kind, view in views.items():
        for channel in CHANNELS.get(view, (view,)):
            found.setdefault(kind, next(
                (channel for name in table if name.casefold() == f"count {channel}".casefold()),
                None,
            ))  # fmt: skip
            if found[kind]:
                table[kind_called(kind).counts] = table[_same(table, f"count {found[kind]}")]
                break
            found.pop(kind)
    first = found.get(population.kinds[0].key)
    share = first and _same(table, f"area overlap/area {first}")
    if share:
        values = table[share]
        if (values > 1).any() or (values < 0).any():
            raise ValueError(
                f"{path}: '{share}' is a share of area and lies from 0 to 1, but "
                f"{values.max():g} is among its values"
            )
        table["overlap_share"] = 100 * values
    return table


def _same(table: pd.DataFrame, name: str) -> str | None:
    """The column of that name, whatever its case."""
    return next((column for column in table if column.casefold() == name.casefold()), None)


def _with_layout(
    wells: pd.DataFrame, path: Path, layouts: Sequence[Path], plate: str
) -> tuple[pd.DataFrame, list[Finding]]:
    """Wells of a table with what the layout of their plate says of them."""
    plates = sorted(wells["plate"].unique())
    if layouts:
        parts = [
            read_wells(layout) if layout.suffix.lower() not in (".xlsx", ".xls")
            else read_layout(layout, plate or None)
            for layout in layouts
        ]  # fmt: skip
        layout = pd.concat([part for part, _ in parts], ignore_index=True)
        findings = [finding for _, said in parts for finding in said]
    else:
        images = pd.DataFrame({"plate": plates, "path": str(path.absolute())})
        layout, findings = read_layouts(path.absolute().parent, images)
        findings = [finding for finding in findings if finding.problem != "unused layout"]
    known = set(layout["plate"])
    if any(finding.fatal for finding in findings):
        return wells, findings
    if missing := [name for name in plates if name not in known]:
        there = f" (layouts of {', '.join(sorted(known))})" if known else ""
        message = f"no layout says what is in the wells of plate {', '.join(missing)}{there}"
        cure = "give it with --layout FILE, and the plate's id with --plate if the files differ"
        return wells, [*findings, Finding("no layout", missing[0], "", str(path), message, cure)]
    layout = layout[layout["plate"].isin(plates)][list(WELL_COLUMNS)]
    own = wells.drop(columns=[name for name in WELL_COLUMNS if name in wells and
                              name not in ("plate", "well")])  # fmt: skip
    joined = layout.merge(own, "outer", ["plate", "well"], indicator=True)
    findings += _one_sided(joined, path)
    return joined[joined["_merge"] != "right_only"].drop(columns="_merge"), findings


def _one_sided(joined: pd.DataFrame, path: Path) -> list[Finding]:
    """Wells that only the table or only the layout knows."""
    findings = []
    only = joined[joined["_merge"] == "right_only"]
    if len(only):
        message = f"{len(only)} wells of the table are not in the layout"
        cure = "they were left out: add them to the layout"
        place = (only["plate"].iloc[0], only["well"].iloc[0], str(path))
        findings.append(Finding("no layout", *place, message, cure, fatal=False))
    gone = joined[(joined["_merge"] == "left_only") & (joined["role"] != "empty")]
    if len(gone):
        message = (
            f"{len(gone)} wells of the layout are not in the table, such as {gone['well'].iloc[0]}"
        )
        cure = "know that they are missing"
        place = (gone["plate"].iloc[0], gone["well"].iloc[0], str(path))
        findings.append(Finding("no values", *place, message, cure, fatal=False))
    return findings


def _counted(
    wells: pd.DataFrame, counts: dict[str, str], population: Population
) -> tuple[pd.DataFrame, tuple[Kind, ...]]:
    """Wells with the counts of cells under this program's names, and the kinds that have any."""
    kinds = {kind.key: kind for kind in population.kinds}
    for name, column in counts.items():
        if name not in kinds:
            raise ValueError(
                f"{name} is no kind of cell of these tables{nearest(name, list(kinds))}; "
                f"--kinds {name}=VIEW,... says which kinds of cells are"
            )
        if column not in wells:
            raise ValueError(f"there is no column {column}{nearest(column, list(wells))}")
        wells[kinds[name].counts] = wells[column]
    found = (kind for kind in kinds.values() if kind.counts in wells)
    return wells, tuple(kind for kind in found if _is_numeric(wells[kind.counts]))


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and bool(np.isfinite(column.astype(float)).any())


def _chosen(measure: str, columns: list[str], counts: list[str]) -> str:
    """The column that is screened."""
    if measure:
        if measure not in columns:
            listed = ", ".join(columns)
            raise ValueError(
                f"there is no column of numbers {measure}{nearest(measure, columns)}; there are: "
                f"{listed}"
            )
        return measure
    usual = [name for name in USUALLY if name in columns]
    others = [name for name in columns if name not in counts]
    if usual or len(others) == 1:
        return (usual or others)[0]
    if not others:
        raise ValueError("the table has no column of numbers beside counts of cells")
    raise ValueError(f"say which column is screened, --measure NAME: {', '.join(others)}")


def _words(name: str, wells: pd.DataFrame, path: Path, population: Population) -> Quantity:
    """The words of a measure: of the catalogue, of the run that predicted it, or its own name."""
    if (measured := quantities(population=population)) and name in measured:
        return measured[name]
    if name in TARGETS:
        return TARGETS[name].quantity
    if name == "predicted_mean":
        for folder in path.resolve().parents[:2]:
            if target := _target_of(folder / "config.json"):
                words = TARGETS[target].quantity
                return words._replace(name=name, label=f"predicted {words.label}")
    values = wells[name].astype(float)
    values = values[np.isfinite(values)]
    percent = "%" in name or "percent" in name.casefold()
    highest = 100 if percent else 1
    share = percent or not (values == values.round()).all()
    bounded = share and bool(((values >= 0) & (values <= highest)).all())
    ends = (0, highest) if bounded else (0 if (values >= 0).all() else None, None)
    return Quantity(name, name, "%" if percent else "", *ends)


def _measured(path: Path) -> Population | None:
    """The kinds of cells of the measurement whose table this is; None where it is of none."""
    try:
        config = ConfigDict(json.loads((path.resolve().parent / "config.json").read_text()))
        return population_of(config) if config.experiment == "measurement" else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None


def _target_of(path: Path) -> str | None:
    """What the run predicts whose config this is; None where it is no run's: names are not ours."""
    try:
        target = json.loads(path.read_text()).get("dataset", {}).get("target", "iou")
        return target if target in TARGETS else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
