"""Any images segmented by a trained run: label images, a table of cells and one of images."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.cells.kinds import kind_called
from jaxcell.experiments.measurement.kept_wells import network_of
from jaxcell.experiments.measurement.label_images import write_label_image
from jaxcell.experiments.segmentation.images_to_segment import (
    Image,
    check_readable,
    find_images,
    own_pixel_um,
)
from jaxcell.inference.segmenter import Segmenter, load, segment
from jaxcell.measures.field import percent
from jaxcell.measures.morphology import measure_cells
from jaxcell.plates.images import fingerprint
from jaxcell.report.common.terminal import closing_table
from jaxcell.storage.atomic import read, write, write_cells, write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import check_free, owned
from jaxcell.storage.provenance import code_digest
from jaxcell.storage.run_folder import IDENTITY, check_claim, claim
from jaxcell.storage.source import check_source, note_source

# In the folder of the results: what is kept of each image, and its labels.
PARTS, LABELS = "segmented", "labels"
# What decides the cells of an image, besides its pixels and the network.
CODE = (
    "jaxcell.cells",
    "jaxcell.measures.morphology",
    "jaxcell.plates.readers",
    "jaxcell.dataset.fields",
    "jaxcell.inference",
    "jaxcell.experiments.segmentation.segment",
)
# Cells by so much larger or smaller than those learnt are doubted.
UNLIKE = 1.6


def segment_folder(
    run: Path,
    folder: Path,
    out: Path,
    *,
    pixel_um: float = 0.0,
    views: Mapping[str, str] | None = None,
    skip: bool = False,
) -> str:
    """Finds the cells of every image of a folder; goes on where it was cut off.

    Args:
      run: a trained segmentation.
      folder: of the images, see `find_images`.
      out: of the results; created, or one that the same command began.
      pixel_um: width of the images' pixels; 0: as their files say, else that of the images that the
        run learnt from.
      views: kind of cell -> view that shows it, of plates.
      skip: whether images that cannot be used are left out and listed.

    Returns:
      The closing table.

    Raises:
      ValueError: an image cannot be used, or `out` is of something else.
    """
    began = time.monotonic()
    require_place(out, what="labels and tables")
    check_free(out)
    config, segmenter = load(run)
    known = {kind: config.plates.views.get(kind, "") for kind in segmenter.kinds}
    chosen = {kind: view for kind, view in known.items() if view and len(known) > 1}
    chosen |= dict(views or {})
    images = find_images(folder, segmenter.kinds, chosen, out)
    bad = check_readable(images)
    if bad and (not skip or len(bad) == len(images)):  # nothing would be left
        raise ValueError("\n".join([f"{len(bad)} image(s) cannot be used:", *bad.values()]))
    pixel_um, origin = _pixel(images, pixel_um, segmenter.pixel_um)
    settings = {"experiment": "segmented", "network": network_of(run), "pixel_um": pixel_um}
    settings["views"] = dict(chosen)
    check_claim(out, IDENTITY, settings, "other settings")
    with owned(out, "segmenting into it"):
        names = {image.name for image in images}
        check_source(out, str(folder), lambda: sorted(set(_kept_names(out)) - names))
        claim(out, IDENTITY, settings, "other settings")
        note_source(out, str(folder))
        (out / PARTS).mkdir(exist_ok=True)
        code = code_digest(*CODE)
        todo = [image for image in images if image.name not in bad]
        bar = tqdm(todo, "segmenting", unit=" images", dynamic_ncols=True)
        kept = [_keep_or_segment(image, segmenter, out, pixel_um, code) for image in bar]
        _remove_others(out, {image.name for image in todo}, segmenter.kinds)
        rows = pd.DataFrame([row for rows, _ in kept for row in rows])
        cells = pd.concat([cells for _, cells in kept], ignore_index=True)
        write_csv(out / "images.csv", rows)
        write_csv(out / "cells.csv", cells)
    return closing_table(
        _lines(segmenter, rows, cells, bad, f"pixels of {pixel_um:g} µm, {origin}", out),
        None,
        time.monotonic() - began,
    )


def _pixel(images: Sequence[Image], asked_um: float, run_um: float) -> tuple[float, str]:
    """Edge of the images' pixels in um, and who says so; 0 where nobody asked for one."""
    if asked_um:
        return asked_um, "as --pixel-um says"
    own = own_pixel_um(images)
    if math.isnan(own):
        return run_um, "as the run's; --pixel-um says others"
    return own, "as the files say"


def _keep_or_segment(
    image: Image, segmenter: Segmenter, out: Path, pixel_um: float, code: str
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Rows of the table of images, one a kind, and the cells of an image, read back or found."""
    part = out / PARTS / _part(image.name)
    labels = label_paths(out, image.name, segmenter.kinds)
    of = {"name": image.name, "code": code, "images": [fingerprint(path) for path in image.paths]}
    try:
        found = json.loads(part.with_suffix(".json").read_text())
        if found["of"] == of and all(path.exists() for path in labels.values()):
            return found["rows"], pd.read_parquet(part.with_suffix(".parquet"))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or damaged: found anew
    part.with_suffix(".json").unlink(missing_ok=True)
    began = time.perf_counter()
    pixels = image.read()
    result = segment(segmenter, pixels, pixel_um)
    seconds = round(time.perf_counter() - began, 3)
    rows, tables = [], []
    for kind, name in enumerate(segmenter.kinds):
        view = pixels[..., kind if pixels.shape[-1] == len(segmenter.kinds) else 0]
        own = np.ascontiguousarray(result[..., kind])
        write_label_image(labels[name], own, pixel_um)
        table = pd.DataFrame(measure_cells(own, view, pixel_um=pixel_um))
        table.insert(0, "image", image.name)
        table.insert(1, "kind", name)
        table.insert(2, "cell", np.arange(1, len(table) + 1, dtype=np.int32))
        tables.append(table)
        rows.append(_row(image.name, name, own, table) | {"seconds": seconds})
    cells = pd.concat(tables, ignore_index=True)
    write_cells(part.with_suffix(".parquet"), cells)
    # Last, since it says that the image is whole.
    write(part.with_suffix(".json"), {"of": of, "rows": rows})
    return rows, cells


def _row(image: str, kind: str, labels: np.ndarray, cells: pd.DataFrame) -> dict[str, Any]:
    means = cells[["area_um2", "equivalent_diameter_um", "mean_intensity"]].mean()
    return {
        "image": image,
        "kind": kind,
        "height": labels.shape[0],
        "width": labels.shape[1],
        "cells": len(cells),
        "touching_border": int(cells["touches_border"].sum()),
        "area_share": percent(np.count_nonzero(labels), labels.size),
        **{name: None if np.isnan(value) else float(value) for name, value in means.items()},
    }


def label_paths(out: Path, name: str, kinds: Sequence[str]) -> dict[str, Path]:
    """The label images of an image, `labels/NAME_labels.tif`, of several kinds `NAME_KIND_labels`.

    Args:
      out: folder of the results.
      name: of the image.
      kinds: of cells.

    Returns:
      Kind -> path.
    """
    middles = {kind: f"_{kind}" if len(kinds) > 1 else "" for kind in kinds}
    return {kind: out / LABELS / f"{name}{middle}_labels.tif" for kind, middle in middles.items()}


def _part(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def _kept_names(out: Path) -> list[str]:
    """Names of the images that are kept in a folder of results."""
    return [read(path)["of"]["name"] for path in (out / PARTS).glob("*.json")]


def _remove_others(out: Path, names: set[str], kinds: Sequence[str]) -> None:
    """Forgets images that are no longer there, so that tables and labels are of one folder."""
    for name in set(_kept_names(out)) - names:
        part = out / PARTS / _part(name)
        ours = [part.with_suffix(".parquet"), *label_paths(out, name, kinds).values()]
        for path in (*ours, part.with_suffix(".json")):
            path.unlink(missing_ok=True)


def _lines(
    segmenter: Segmenter,
    rows: pd.DataFrame,
    cells: pd.DataFrame,
    bad: Mapping[str, str],
    pixels: str,
    out: Path,
) -> dict[str, str]:
    lines = {"images": f"{rows['image'].nunique():,}, {pixels}"}
    for kind, learnt in zip(segmenter.kinds, segmenter.diameters_um or (0.0,) * len(rows)):
        own = cells[cells["kind"] == kind]["equivalent_diameter_um"]
        text = f"{len(own):,}"
        if len(own):
            text += f", {own.median():.1f} µm wide (median)"
        if len(own) and learnt and not 1 / UNLIKE < own.median() / learnt < UNLIKE:
            text += f"; those learnt {learnt:.1f} µm: check --pixel-um, look at the labels"
        lines[kind_called(kind).plural] = text
    if bad:
        lines["left out"] = "\n".join(bad.values())
    return lines | {"tables": f"cells.csv, images.csv, {LABELS}/ in {out}"}
