"""From a config to plates, and from plates to an open data set."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.batches import Examples, open_examples
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.plates.findings import Finding
from jaxcell.plates.folder import Plates, leave_out, read_plates, require_good
from jaxcell.simulator.plates import simulate_plates

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


def open_data(config: ConfigDict) -> Opened:
    """Reads the plates of a config and builds their data set, unless it is there.

    Raises:
      BadPlates: an image or a layout is bad; lists all that are.
    """
    settings, plates = dataset_config(config), load_plates(config)
    builder = build(plates, settings, tfds_folder(config))
    examples = open_examples(builder, config.data.memory_gib)
    target = examples.table.loc[examples.rows("train"), "target"]
    dataset = {
        "name": builder.builder_config.name,
        "training_mean": float(target.mean()),
        "training_sd": float(target.astype(float).std(ddof=0)),
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


def load_plates(config: ConfigDict, condition: str | None = None) -> Plates:
    """Reads the plates of a config, simulated first where it names none, and judges them.

    Args:
      config: as `configs/default.py` describes.
      condition: given to wells without layout; None makes them a finding.

    Returns:
      Plates that are whole, with what was found, and left out by `on_bad_image=skip`.

    Raises:
      BadPlates: something is bad and `on_bad_image` is `stop`.
    """
    folder = Path(config.data.plates) if config.data.plates else _simulated(config)
    if not folder.is_dir():
        raise ValueError(f"there is no folder of plates {folder}: check --config.data.plates")
    plates = read_plates(folder, config.data.views.to_dict(), condition)
    judge = {"stop": require_good, "skip": leave_out}
    if config.data.on_bad_image not in judge:
        raise ValueError(f"data.on_bad_image is {config.data.on_bad_image!r}: use stop or skip")
    return judge[config.data.on_bad_image](plates)


def _simulated(config: ConfigDict) -> Path:
    """The folder of simulated plates of a config; simulated unless it is there."""
    settings = config.simulate.to_dict()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(config.data.folder) / "simulated" / digest
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        simulate_plates(folder, **settings)
    return folder


def tfds_folder(config: ConfigDict) -> Path:
    """Where the data sets of a config lie."""
    return Path(config.data.folder) / "tfds"


def dataset_config(config: ConfigDict, split_by: str | None = None) -> ImmuneCellsConfig:
    """The tfds configuration that a run's config asks for."""
    data = config.data
    return ImmuneCellsConfig(
        name="unnamed",  # `build` names it
        subset=data.subset,
        conditions=tuple(data.conditions),
        window=data.window,
        stride=data.stride,
        masked=data.masked,
        split_by=split_by or data.split_by,
        seed=data.split_seed,
        mask_method=data.mask_method,
        mask_scope=data.mask_scope,
        flat_field=data.flat_field,
        pixel_um=data.pixel_um,
        target=data.target,
    )
