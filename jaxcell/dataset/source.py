"""From a config to plates, and from plates to an open data set."""

import difflib
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FrozenConfigDict

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.batches import Examples, open_examples
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.immune_cells import build
from jaxcell.dataset.truth import has_truth, read_ceiling
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.plates.files import no_folder
from jaxcell.plates.findings import Finding, describe, gathered
from jaxcell.plates.folder import (
    OPTIONAL_ROLES,
    Plates,
    is_simulated,
    leave_out,
    read_plates,
    read_tables,
    require_good,
)
from jaxcell.plates.images import too_dark
from jaxcell.plates.pixels import contradiction, one_size, own_pixel_um
from jaxcell.simulator.plates import simulate_plates
from jaxcell.storage.atomic import remove
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import lock_beside, locked, say_freed

Config = ConfigDict | FrozenConfigDict
# What runs learnt that say nothing of it: earlier ones knew no other.
EARLIER = {"background_counts": 255.0, "minimum_contrast_counts": 150.0, "dark_counts": 48.0}
# Plate, well and field.
Place = tuple[str, str, int]


class Opened(NamedTuple):
    """A data set, opened.

    Attributes:
      examples: all of it.
      dataset: as in `Run`.
      findings: about its plates.
      image_files: as in `Run`.
    """

    examples: Examples
    dataset: dict
    findings: list[Finding]
    image_files: dict[Place, dict[str, str]]


def open_data(config: Config) -> Opened:
    """Reads the plates of a config and builds their data set, unless it is there.

    Raises:
      BadPlates: an image or a layout is bad; lists all that are.
      ValueError: the target is one of truth, and the plates have none.
    """
    settings, plates = dataset_config(config), load_plates(config)
    of_truth = settings.target in TRUTHS
    if of_truth and not has_truth(plates):
        raise ValueError(
            f"{config.plates.folder} has no truth, and dataset.target {settings.target} asks for "
            "it: train on simulated plates, without --plates, and then `jaxcell evaluate RUN "
            "FOLDER` or `jaxcell predict RUN FOLDER`; or learn what masks say, --config=dense"
        )
    builder = build(plates, settings, tfds_folder(config))
    examples = open_examples(builder, config.machine.memory_gib, with_masks=of_truth)
    target = examples.table.loc[examples.rows("train"), "target"]
    dataset = {
        "name": builder.builder_config.name,
        "training_mean": float(target.mean()),
        "training_sd": float(target.astype(float).std(ddof=0)),
        "simulated": is_simulated(plates),
        "ceiling": read_ceiling(plates),
    }
    return Opened(examples, dataset, plates.findings, image_files(plates))


def image_files(plates: Plates) -> dict[Place, dict[str, str]]:
    """The image files of each field, `t_cell` and `dendritic_cell` -> folder and name.

    The rest of a path says more of the machine than of the image, and reports are sent around.
    """
    files: dict[Place, dict[str, str]] = {}
    images = plates.images[plates.images["role"].isin(VIEWS)]
    for image in images.itertuples():
        place = files.setdefault((image.plate, image.well, int(image.field)), {})
        place[image.role] = str(Path(*Path(image.path).parts[-2:]))
    return files


def load_plates(
    config: Config,
    condition: str | None = None,
    *,
    folder: str = "",
    views: Mapping[str, str] | None = None,
    skip: bool | None = None,
    keep_empty: bool = False,
    kinds: Sequence[str] = VIEWS,
    optional: Sequence[str] = OPTIONAL_ROLES,
) -> Plates:
    """Reads plates, simulated first where nobody names any, and judges them.

    Args:
      config: as `configs/default.py` describes.
      condition: given to wells without layout; None makes them a finding.
      folder, views, skip: in place of what the config says of plates.
      keep_empty: whether wells that the layout calls empty are kept where they have images.
      kinds: of cells, or roles, whose views every field must have.
      optional: roles whose views are read where they are.

    Returns:
      Plates that are whole, with what was found, and left out where bad images are skipped.

    Raises:
      BadPlates: something is bad and nothing is skipped.
      ValueError: there is no such folder, or a setting does not exist.
    """
    named = folder or config.plates.folder
    place = Path(named) if named else _simulated(config)
    if not place.is_dir():
        raise ValueError(f"{no_folder(place, 'plates')}{_nearest(place)}")
    said = config.plates.views.to_dict() | dict(views or {})
    known = {role: said.get(role, "") for role in (*optional, *kinds)}
    plates = read_plates(place, known, condition, keep_empty, optional)
    if background := config.get("dataset", {}).get("background_counts", 0):
        plates = plates._replace(findings=plates.findings + too_dark(plates.images, background))
    if not folder:
        # Of other plates than the run's, whoever reads them resamples.
        findings = contradiction(plates.images, config.plates.pixel_um)
        say(findings)
        plates = plates._replace(findings=plates.findings + findings)
    how = config.plates.on_bad_image if skip is None else ("skip" if skip else "stop")
    judge = {"stop": require_good, "skip": partial(leave_out, required=kinds)}
    if how not in judge:
        raise ValueError(f"plates.on_bad_image is {how!r}: use stop or skip")
    return judge[how](plates)


def say(findings: Sequence[Finding]) -> None:
    """Tells notes to the person at the terminal."""
    for finding in gathered(findings):
        print(f"note: {describe(finding)}", file=sys.stderr)


def with_own_pixels(config: ConfigDict, given: bool) -> ConfigDict:
    """A config whose plates' pixels are as large as their files say.

    Args:
      config: as `configs/default.py` describes; changed in place.
      given: whether a person gave `plates.pixel_um`, which then stands.

    Returns:
      The config.

    Raises:
      ValueError: the plates have pixels of different sizes.
    """
    folder = Path(config.plates.folder)
    if given or not config.plates.folder or not folder.is_dir():
        return config
    pixel_um = own_pixel_um(read_tables(folder, config.plates.views.to_dict(), "").images)
    if not one_size([pixel_um, config.plates.pixel_um]):
        print(f"pixels of {pixel_um:g} µm, as the files say", file=sys.stderr)
        config.plates.pixel_um = float(pixel_um)
    return config


def resampled_from(plates: Plates, asked_um: float, run_um: float) -> float:
    """Edge in um of a pixel from which plates are resampled to a run's; 0: they have its pixels.

    Args:
      plates: whose files may say it.
      asked_um: by a person; 0: nobody said.
      run_um: of the run.

    Raises:
      ValueError: the plates have pixels of different sizes.
    """
    own = own_pixel_um(plates.images)
    if asked_um:
        cure = "leave out the size that was given, or know that the files err"
        said = contradiction(plates.images.assign(pixel_um=own), asked_um)
        say([finding._replace(cure=cure) for finding in said])
        return asked_um
    if one_size([own, run_um]):
        return 0.0
    print(f"pixels of {own:g} µm, as the files say, become {run_um:g} µm", file=sys.stderr)
    return own


def _nearest(place: Path) -> str:
    """The folder beside it whose name is most like it, as the end of a message."""
    beside = [path.name for path in place.parent.glob("*/")] if place.parent.is_dir() else []
    close = difflib.get_close_matches(place.name, beside, n=1)
    return f"; did you mean {place.parent / close[0]}?" if close else ""


def _simulated(config: Config) -> Path:
    """The folder of simulated plates of a config; simulated unless it is there."""
    settings = config.plates.simulate.to_dict()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(config.machine.folder) / "simulated" / digest
    if not folder.exists():
        lock = lock_beside(folder)
        with locked(lock, wait=True, doing=f"simulating the plates {folder}"):
            say_freed(remove(folder.parent.glob(f".{folder.name}.unfinished-*")), folder.parent)
            if not folder.exists():  # another process may have made them meanwhile
                size = settings["fields"] * 3 * 2 * settings["field_size"] ** 2
                wells = settings["plates"] * settings["rows"] * settings["columns"]
                require_place(folder, wells * size, "simulated plates")
                simulate_plates(folder, **settings)
    return folder


def tfds_folder(config: Config) -> Path:
    """Where the data sets of a config lie."""
    return Path(config.machine.folder) / "tfds"


def dataset_config(config: Config, **changes: Any) -> ImmuneCellsConfig:
    """The tfds configuration that a run's config asks for.

    Args:
      config: as `configs/default.py` describes; its section `dataset` names the fields.
      **changes: fields that are to be others.
    """
    settings = EARLIER | config.dataset.to_dict() | {"pixel_um": config.plates.pixel_um} | changes
    return ImmuneCellsConfig(name="unnamed", **settings)  # `build` names it
