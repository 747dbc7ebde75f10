"""Plates without stain: a measure of interaction for every well, and the stains drawn."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from tqdm import tqdm

from jaxcell.analysis.intervals.stained_wells import LEAST, Rest, predict_rest, rank_of
from jaxcell.analysis.scores.label_free import AREAS, WELL, measure_of
from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.source import load_plates, resampled_from
from jaxcell.distributed.workers import HERE, Workers
from jaxcell.experiments.label_free.judging import areas_of, masks_of_stains
from jaxcell.inference.stainer import CALIBRATION, Answer, Stainer, expected_areas, load, stained
from jaxcell.plates.folder import Plates, content_digest
from jaxcell.report.common.terminal import closing_table
from jaxcell.storage.atomic import read, whole_folder, write, write_cells, write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.file_names import file_name
from jaxcell.storage.owner import replacing
from jaxcell.storage.source import FILE as SOURCE
from jaxcell.storage.source import read_source, refuse_other, source_of

# What a folder of predictions holds: tables, and the drawn stains as a folder of plates.
WELLS, PATCHES, STAINED = "wells.csv", "patches.parquet", "stained"


def predict_folder(
    workdir: Path,
    plates: str,
    folder: Path,
    views: Mapping[str, str],
    skip: bool,
    pixel_um: float = 0.0,
    workers: Workers = HERE,
) -> str:
    """Predicts a folder of plates, of which some wells may be stained, or writes nothing.

    Args:
      workdir: the run's folder.
      plates: folder of plates; wells without layout have an empty condition.
      folder: of the tables and the drawn stains.
      views: which view shows what, where the run's config does not say.
      skip: whether bad images are left out and listed instead of stopping.
      pixel_um: µm, edge of a pixel of their images; 0: as their files say, else the run's.
      workers: this process alone.

    Returns:
      The closing table.

    Raises:
      ValueError, FileExistsError: said to the person who started it.
    """
    began = time.monotonic()
    if workers.on_cluster or workers.shard:
        raise ValueError(f"{workdir} is a label-free run, which predicts in one process")
    require_place(folder, what="predictions")
    config, stainer = load(workdir)
    if folder.exists() and not (folder / WELLS).exists():
        raise FileExistsError(f"{folder} exists and holds no predictions: move it away")
    shown = stainer.inputs
    found = load_plates(
        config, condition="", folder=plates, views=views, skip=skip, kinds=shown,
        optional=[role for role in (*VIEWS, "brightfield") if role not in shown],
    )  # fmt: skip
    pixel_um = resampled_from(found, pixel_um, config.plates.pixel_um)
    source = source_of(plates, content_digest(found))
    with replacing(folder, "predicting into it"):
        refuse_other(folder, read_source(folder / SOURCE), source)
        with whole_folder(folder) as temporary:
            patches, fields = _go_through(stainer, config, found, pixel_um, temporary / STAINED)
            wells, reasons = wells_table(fields, found, config, workdir)
            write_csv(temporary / WELLS, wells)
            write_cells(temporary / PATCHES, patches)
            write(temporary / SOURCE, source)
    lines = {
        "wells": f"{len(wells)}, of which {int(wells['stained'].sum())} are stained",
        "intervals": "; ".join(reasons),
        "speed": f"{len(wells) / (time.monotonic() - began):.2f} wells a second",
        "tables": f"{WELLS}, {PATCHES} in {folder}",
        "drawn stains": f"{folder / STAINED}, a folder of plates for every other command",
    }
    return closing_table(lines, None, time.monotonic() - began)


def _go_through(
    stainer: Stainer, config: Any, plates: Plates, pixel_um: float, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draws the stains of every field; tables of patches and of fields."""
    roles = set(plates.images["role"]) & {*VIEWS, *stainer.inputs}
    settings = ImmuneCellsConfig(name="unstained", split_by="none")
    table = select_fields(plates, settings, kinds=sorted(roles))
    names = [config.plates.views[kind] for kind in VIEWS]
    patches, fields, images = [], [], []
    for row in tqdm(list(table.itertuples()), "predicting", unit=" fields", dynamic_ncols=True):
        place = {name: getattr(row, name) for name in (*WELL, "field")}
        answer = stained(stainer, read_field(row, {}, kinds=stainer.inputs), pixel_um)
        patches += [place | patch for patch in _patches(answer, config)]
        line = place | dict(zip(AREAS, expected_areas(answer.chances)))
        if all(isinstance(getattr(row, kind, None), str) for kind in VIEWS):
            real = areas_of(masks_of_stains(read_field(row, {}), pixel_um or stainer.pixel_um))
            line |= {f"stained_{name}": value for name, value in zip(AREAS, real)}
        fields.append(line)
        images += [place | image for image in _write(folder, place, answer, names)]
    write_csv(folder / "images.csv", pd.DataFrame(images).assign(pixel_um=stainer.pixel_um))
    known = plates.wells[plates.wells["condition"] != ""]
    if len(known):
        write_csv(folder / "wells.csv", known)
    return pd.DataFrame(patches), pd.DataFrame(fields)


def _patches(answer: Answer, config: Any) -> list[dict]:
    side, lines = config.dataset.window, []
    height, width = answer.chances.shape[:2]
    for y in range(0, height - side + 1, side):
        for x in range(0, width - side + 1, side):
            areas = expected_areas(answer.chances[y : y + side, x : x + side])
            lines.append({"y": y, "x": x, "predicted": measure_of(areas, config.dataset.target)})
    return lines


def _write(folder: Path, place: Mapping, answer: Answer, views: list[str]) -> list[dict]:
    """Writes the drawn stains of a field; rows of the images table."""
    home = folder / file_name(str(place["plate"]))
    home.mkdir(parents=True, exist_ok=True)
    rows = []
    for number_of, view in enumerate(views):
        path = home / f"{place['well']}_field{place['field']}_{file_name(view)}.tif"
        tifffile.imwrite(path, answer.stain[..., number_of], photometric="minisblack")
        rows.append({"view": view, "path": str(path.relative_to(folder))})
    return rows


def wells_table(
    fields: pd.DataFrame, plates: Plates, config: Any, workdir: Path
) -> tuple[pd.DataFrame, list[str]]:
    """What is said of each well, plate by plate.

    Args:
      fields: one row a field: plate, well, field, `AREAS`, and `stained_AREA` where it is stained.
      plates: of them.
      config: of the run.
      workdir: of the run, whose errors give intervals where too few wells are stained.

    Returns:
      One row a well: the layout's columns; `seen`, the network's estimate; `stained`, whether every
      field is; `by_stain`, what the stains' masks say there; `predicted`, `low`, `high`; `said`,
      whether anything should be said of it. And how intervals were made, in sentences.
    """
    of_stain = [f"stained_{name}" for name in AREAS]
    fields = fields.reindex(columns=[*fields.columns.union(of_stain, sort=False)])
    target, rows = config.dataset.target, []
    for place, group in fields.groupby(WELL, sort=False):
        full = bool(group[of_stain].notna().all(axis=None))
        rows.append(
            dict(zip(WELL, place))
            | {
                "fields": len(group),
                "seen": measure_of(group[list(AREAS)].sum(), target),
                "stained": full,
                "by_stain": measure_of(group[of_stain].sum(), target) if full else np.nan,
            }
        )
    wells = plates.wells.merge(pd.DataFrame(rows), on=WELL, validate="one_to_one")
    coverage, parts, reasons = config.evaluation.coverage, [], []
    for plate, group in wells.groupby("plate", sort=False):
        rest = predict_rest(group["seen"], group["by_stain"], coverage)
        stained = group["stained"].to_numpy()
        reason = rest.reason
        if stained.sum() < LEAST:
            rest = _as_in_the_run(group["seen"].to_numpy(float), workdir, coverage)
            reason = rest.reason or "promised for plates like those of the run"
        if reason is None:
            quiet = int((~rest.said[~stained]).sum())
            reason = f"by its {int(stained.sum())} stained wells"
            reason += f"; of {quiet} others they say no more than their mean" * bool(quiet)
        reasons.append(f"{plate}: {reason}")
        ends = {name: np.clip(getattr(rest, name), 0, 100) for name in ("predicted", "low", "high")}
        parts.append(group.assign(**ends, said=rest.said))
    return pd.concat(parts, ignore_index=True), reasons


def _as_in_the_run(seen: np.ndarray, workdir: Path, coverage: float) -> Rest:
    """By the line through the run's own validation wells, and its errors in its test wells."""
    path, none = workdir / CALIBRATION, np.full(len(seen), np.nan)
    if not path.exists():
        reason = "no intervals: `jaxcell evaluate RUN` calibrates them, or stain some wells"
        return Rest(seen, none, none.copy(), np.zeros(len(seen), bool), reason)
    kept = read(path)
    predicted, errors = kept["start"] + kept["slope"] * seen, sorted(kept["errors"])
    rank = rank_of(len(errors), coverage)
    if rank > len(errors):
        reason = f"no intervals: the run held out {len(errors)} wells, too few"
        return Rest(predicted, none, none.copy(), np.zeros(len(seen), bool), reason)
    low, high = predicted - errors[rank - 1], predicted + errors[rank - 1]
    return Rest(predicted, low, high, np.ones(len(seen), bool), None)
