"""Measured wells kept one by one, so that a killed measurement goes on where it was."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.storage.atomic import write, write_cells
from jaxcell.storage.provenance import code_digest
from jaxcell.storage.run_folder import IDENTITY, TRAINED

# What decides the numbers of a well, besides its images and the settings.
CODE = (
    "jaxcell.cells",
    "jaxcell.measures",
    "jaxcell.plates.readers",
    "jaxcell.dataset.fields",
    "jaxcell.dataset.flat_field",
    "jaxcell.dataset.illumination",
    "jaxcell.inference.segmenter",
    "jaxcell.experiments.measurement",
)


class Measured(NamedTuple):
    """A measured well.

    Attributes:
      measures: as `measure_well` gives them, with `plate`, `well`, `fields` and `seconds`.
      cells: one row a cell, see `cell_table`.
    """

    measures: dict[str, Any]
    cells: pd.DataFrame


def settings_of(config: ConfigDict) -> dict:
    """What a measurement depends on besides the images: a folder holds those of one such only.

    Args:
      config: as `configs/measure.py` describes.

    Returns:
      Its settings but for those that change no number, and which network finds the cells. Where
      plates lie and what is done about bad ones is seen in the images of each well.
    """
    settings = config.to_dict()
    measurement = settings["measurement"]
    workdir, _ = Path(measurement.pop("segmentation")), measurement.pop("labels")
    names = ("dataset.json", TRAINED) if config.measurement.segmentation else ()
    network = "".join((workdir / name).read_text() for name in (*names, IDENTITY) if names)
    return {
        **{name: settings[name] for name in ("experiment", "dataset", "measurement")},
        "plates": {name: settings["plates"][name] for name in ("views", "pixel_um")},
        "network": hashlib.sha256(network.encode()).hexdigest()[:12] if names else "",
    }


def forget_other_code(folder: Path) -> None:
    """Empties a folder of kept wells and flat fields that other code than this has made."""
    made_by = folder / "code"
    if made_by.exists() and made_by.read_text() == code_digest(*CODE):
        return
    for path in folder.glob("*"):
        path.unlink()


def keep_or_measure(
    groups: list[pd.DataFrame],
    measure: Callable[[pd.DataFrame], Measured],
    folder: Path,
    threads: int,
) -> Iterator[Measured]:
    """Every well in order: read back where it was measured from the same images, else measured.

    Args:
      groups: the fields of each well, rows of `select_fields`.
      measure: measures one well.
      folder: where they are kept, one file of numbers and one of cells a well.
      threads: wells measured at a time.

    Yields:
      The measured wells.
    """

    def work(fields: pd.DataFrame) -> Measured:
        images = _images(fields)
        first = fields.iloc[0]
        # A plate may be called anything, `CK19.2` or `a/b`.
        name = f"{quote(first.plate, safe=' ')} {first.well}"
        numbers, cells = folder / f"{name}.json", folder / f"{name}.parquet"
        if numbers.exists():
            kept = json.loads(numbers.read_text())
            if kept["images"] == images:
                return Measured(kept["measures"], pd.read_parquet(cells))
        numbers.unlink(missing_ok=True)
        began = time.monotonic()
        measured = measure(fields)
        measured.measures["seconds"] = round(time.monotonic() - began, 3)
        write_cells(cells, measured.cells)
        # Last, since it says that the well is whole.
        write(numbers, {"images": images, "measures": measured.measures})
        return Measured(json.loads(numbers.read_text())["measures"], pd.read_parquet(cells))

    (folder / "code").write_text(code_digest(*CODE))
    with ThreadPoolExecutor(threads) as pool:
        yield from tqdm(
            pool.map(work, groups), "measuring", len(groups), unit=" wells", dynamic_ncols=True
        )


def _images(fields: pd.DataFrame) -> list:
    """Which file is which image of a well, its size and time: what it was measured from."""
    found = []
    for row in fields.itertuples():
        for view in VIEWS:
            path = Path(getattr(row, view))
            stat = path.stat()
            found.append([int(row.field), view, path.name, stat.st_size, stat.st_mtime_ns])
    return sorted(found)
