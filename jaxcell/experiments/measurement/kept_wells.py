"""Measured wells kept one by one, so that a killed measurement goes on where it was."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pandas as pd
from ml_collections import ConfigDict

from jaxcell.cells.kinds import USUAL
from jaxcell.configs.kinds import how_found, population_of
from jaxcell.dataset.flat_field import FILE as FLAT_FIELDS
from jaxcell.experiments.measurement.label_images import label_paths, remove_labels, write_labels
from jaxcell.experiments.measurement.one_well import Measured
from jaxcell.experiments.measurement.own_labels import label_print
from jaxcell.plates.images import fingerprint
from jaxcell.storage.atomic import write, write_cells
from jaxcell.storage.file_names import file_name
from jaxcell.storage.provenance import code_digest
from jaxcell.storage.run_folder import IDENTITY, TRAINED
from jaxcell.training.checkpoint import best_params, params_digest

# Folders of a measurement.
WELLS, LABELS = "wells", "labels"
# What the name of a well's table of fields ends with.
FIELDS = ".fields.parquet"
# What decides the numbers of a well, besides its images and the settings.
CODE = (
    "jaxcell.cells",
    "jaxcell.configs.kinds",
    "jaxcell.measures",
    "jaxcell.plates.readers",
    "jaxcell.dataset.dark_level",
    "jaxcell.dataset.fields",
    "jaxcell.dataset.flat_field",
    "jaxcell.inference.segmenter",
    "jaxcell.experiments.measurement",
)


def settings_of(config: ConfigDict, own_labels: bool) -> dict:
    """What a measurement depends on besides the images: a folder holds those of one such only.

    Args:
      config: as `configs/measure.py` describes.
      own_labels: whether the cells are those of other programs.

    Returns:
      Its settings but for those that change no number, and which network finds the cells, by its
      weights. Where
      plates lie and what is done about bad ones is seen in the images of each well.
    """
    settings = config.to_dict()
    measurement = settings["measurement"]
    run = measurement.pop("segmentation")
    for changes_nothing in ("labels", "labels_from", "kinds", "pairs"):
        del measurement[changes_nothing]
    measurement |= _kinds_of(config)
    if own_labels:
        measurement["own_labels"] = True
    return {
        **{name: settings[name] for name in ("experiment", "dataset", "measurement")},
        "plates": {name: settings["plates"][name] for name in ("views", "pixel_um")},
        "network": network_of(Path(run)) if run else "",
    }


def _kinds_of(config: ConfigDict) -> dict:
    """Which kinds of cells are measured and how they are found; {} of the usual two."""
    kinds, pairs = population_of(config)
    found = {kind.key: how for kind in kinds if (how := how_found(config, kind.key))}
    names = [kind.key for kind in kinds]
    asked = [f"{pair.first.key}:{pair.second.key}" for pair in pairs]
    usual = [kind.key for kind in USUAL.kinds], [":".join(kind.key for kind in USUAL.kinds)]
    other = {} if (names, asked) == usual else {"kinds": names, "pairs": asked}
    return other | ({"found": found} if found else {})


def network_of(run: Path) -> str:
    """Digest of a trained segmentation, 12 hexadecimal digits: what it is, and its weights."""
    network = "".join((run / name).read_text() for name in ("dataset.json", TRAINED, IDENTITY))
    network += params_digest(best_params(run / "unet" / "checkpoints"))
    return hashlib.sha256(network.encode()).hexdigest()[:12]


def forget_other_code(folder: Path) -> None:
    """Empties a folder of kept wells and flat fields that other code than this has made."""
    made_by = folder / "code"
    if made_by.exists() and made_by.read_text() == code_digest(*CODE):
        return
    for numbers in folder.glob("*.json"):
        if _is_kept(numbers):
            for suffix in (".parquet", FIELDS, ".json"):
                numbers.with_name(f"{numbers.stem}{suffix}").unlink(missing_ok=True)
    for path in (folder / FLAT_FIELDS, made_by):
        path.unlink(missing_ok=True)


def note_code(folder: Path) -> None:
    """Notes in a folder of kept wells which code makes them."""
    (folder / "code").write_text(code_digest(*CODE))


def kept_of_other_images(
    folder: Path, groups: list[pd.DataFrame], kinds: Sequence[str]
) -> list[str]:
    """Wells that are kept in a folder and that other images than these would replace or leave out.

    Args:
      folder: of the results.
      groups: the fields of each well, rows of `select_fields`.
      kinds: of cells.

    Returns:
      Their names, `PLATE WELL`.
    """
    here = {well_name(fields): fields for fields in groups}
    kept = [path for path in (folder / WELLS).glob("*.json") if _is_kept(path)]
    return sorted(
        unquote(path.stem)
        for path in kept
        if path.stem not in here
        or json.loads(path.read_text())["images"] != _images(here[path.stem], kinds)
    )


def _is_kept(path: Path) -> bool:
    """Whether a file is a kept well's numbers: nothing else is ever removed or compared."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"images", "measures"} == found.keys()


class KeptWell(NamedTuple):
    """A measured well, as it is kept.

    Attributes:
      measures: of the well, with `seconds`.
      cells, fields: its tables, see `Measured`.
      found: whether it was kept already.
    """

    measures: dict[str, Any]
    cells: pd.DataFrame
    fields: pd.DataFrame
    found: bool


def keep_or_measure(
    fields: pd.DataFrame,
    *,
    measure: Callable[[pd.DataFrame], Measured],
    folder: Path,
    config: ConfigDict,
) -> KeptWell:
    """One well: read back where it was measured from the same images, else measured and kept.

    Args:
      fields: of the well, rows of `select_fields`.
      measure: measures it.
      folder: of the results; a file of numbers, one of cells, one of fields and, where the config
        wants them, the label images of each well are kept there.
      config: as `configs/measure.py` describes.

    Raises:
      ValueError: an image cannot be read or measured, or changed meanwhile.
    """
    kinds = population_of(config).keys
    images, place = _images(fields, kinds), _place(fields)
    numbers, cells, by_field = _files(folder, fields)
    wanted, home = config.measurement.labels, folder / LABELS
    pictures = label_paths(home, *place, fields["field"], kinds) if wanted else {}
    if _is_kept(numbers):
        kept = json.loads(numbers.read_text())
        if kept["images"] == images and all(path.exists() for path in pictures.values()):
            with suppress(OSError, ValueError):  # a damaged table is measured anew
                return read_well(folder, fields, found=True)
    numbers.unlink(missing_ok=True)
    remove_labels(home, *place, kinds)  # those of other images, wanted or not
    began = time.monotonic()
    measured = measure(fields)
    if _images(fields, kinds) != images:
        raise ValueError(
            f"{place[0]} {place[1]}: an image changed while it was measured; start again once "
            "all files are copied"
        )
    measures = measured.measures | {"seconds": round(time.monotonic() - began, 3)}
    write_cells(cells, measured.cells)
    write_cells(by_field, measured.fields)
    write_labels(pictures, measured.labels, config.plates.pixel_um, kinds)
    # Last, since it says that the well is whole.
    write(numbers, {"images": images, "measures": measures})
    return read_well(folder, fields, found=False)


def read_well(folder: Path, fields: pd.DataFrame, *, found: bool) -> KeptWell:
    """Reads a well that is kept; `found`, `folder` and `fields` as above.

    Raises:
      OSError, ValueError: it is not there, or damaged.
    """
    numbers, cells, by_field = _files(folder, fields)
    measures = json.loads(numbers.read_text())["measures"]
    return KeptWell(measures, pd.read_parquet(cells), pd.read_parquet(by_field), found)


def is_there(folder: Path, fields: pd.DataFrame) -> bool:
    """Whether a well is kept, of whatever images."""
    return _is_kept(_files(folder, fields)[0])


def _files(folder: Path, fields: pd.DataFrame) -> list[Path]:
    """Of a well: its numbers, its cells and its fields."""
    name = well_name(fields)
    return [folder / WELLS / f"{name}{suffix}" for suffix in (".json", ".parquet", FIELDS)]


def _images(fields: pd.DataFrame, kinds: Sequence[str]) -> list:
    """Which file is which image of a well, and what is in it: what it was measured from."""
    found = []
    for row in fields.itertuples():
        for view in kinds:
            path, labels = Path(getattr(row, view)), getattr(row, f"{view}_labels", "")
            try:
                found.append([int(row.field), view, path.name, fingerprint(path)])
                if labels:
                    found[-1].append(label_print(labels))
            except OSError as error:
                raise ValueError(
                    f"{row.plate} {row.well}: {path} cannot be read any more "
                    f"({error.strerror or error}): check the disk it lies on, then start again; "
                    "wells that are measured are kept"
                ) from error
    return sorted(found)


def _place(fields: pd.DataFrame) -> tuple[str, str]:
    return fields["plate"].iloc[0], fields["well"].iloc[0]


def well_name(fields: pd.DataFrame) -> str:
    """Of a well's files: a plate may be called anything, `CK19.2` or `a/b`, at any length."""
    plate, well = _place(fields)
    return f"{file_name(plate)} {well}"
