"""A run: its folder claimed, its plates read, its data set built, its two networks trained."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxcell.dataset.fields import VIEWS
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.dataset.pipeline import Examples, open_examples
from jaxcell.networks import Models, make_models
from jaxcell.plates.findings import Finding
from jaxcell.plates.folder import Plates, leave_out, read_plates, require_good
from jaxcell.plates.simulate import simulate_plates
from jaxcell.run_folder import check_claim, claim, write
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit
from jaxcell.trainings import autoencoder_training, regressor_training

NETWORKS = ("autoencoder", "regressor")
# Plate, well and field.
Place = tuple[str, str, int]


class Run(NamedTuple):
    """A trained run.

    Attributes:
      models: the networks.
      params: best parameters, of `autoencoder` and `regressor`.
      histories: the rows of each network's metrics.jsonl, one an epoch.
      dataset: the content of dataset.json: `name` of the data set, `training_mean` and
        `training_sd` of the target over its training patches, in the target's unit.
      findings: about its plates.
      image_files: as `image_files` gives, of its plates.
    """

    models: Models
    params: dict[str, Any]
    histories: dict[str, list[dict]]
    dataset: dict
    findings: list[Finding]
    image_files: dict[Place, dict[str, str]]


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


def train(config: ConfigDict, workdir: Path) -> Run:
    """Trains the autoencoder, then the regressor; goes on where a killed run stopped.

    Args:
      config: as `configs/default.py` describes.
      workdir: the run's folder; created, or one that belongs to the same config.

    Returns:
      The trained run.

    Raises:
      BadPlates: an image or a layout is bad; lists all that are.
      ValueError: the folder belongs to another config, or to plates that have changed since.
      FloatingPointError: a loss is not finite.
    """
    check_claim(workdir, "config.json", config.to_dict(), "config")
    require_sound(config)
    opened = open_data(config)
    models = begin(config, workdir, opened)
    training = autoencoder_training(config, models, opened.examples)
    autoencoder = fit(**training._asdict(), folder=workdir, name="autoencoder").best_params
    training = regressor_training(config, models, opened.examples, autoencoder)
    fit(**training._asdict(), folder=workdir, name="regressor")
    end(workdir)
    return load(workdir)[1]


def require_sound(config: ConfigDict) -> None:
    """Finds out, before anything is read, whether data set and networks of a config fit.

    Raises:
      ValueError: they do not.
    """
    dataset_config(config)
    make_models(config)


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


def begin(config: ConfigDict, workdir: Path, opened: Opened) -> Models:
    """Claims the folder of a run, and notes there what it belongs to.

    It comes after all that may stop on a bad plate or setting, so that no folder is left in the way
    of the next try.

    Returns:
      The networks of the run.

    Raises:
      ValueError: the folder belongs to another config, or to plates that have changed since.
    """
    claim(workdir, "config.json", config.to_dict(), "config")
    claim(workdir, "dataset.json", opened.dataset, "content of its plates")
    write(workdir / "findings.json", [list(finding) for finding in opened.findings])
    files = opened.image_files.items()
    write(workdir / "images.json", [[*place, views] for place, views in files])
    return make_models(config, opened.dataset)


def end(workdir: Path) -> None:
    """Notes that both networks of a run are trained, and after how many steps."""
    write(
        workdir / "trained.json", {name: _history(workdir, name)[-1]["step"] for name in NETWORKS}
    )


def _history(workdir: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (workdir / name / "metrics.jsonl").open()]


def load(workdir: Path) -> tuple[ConfigDict, Run]:
    """Opens a run that was trained.

    Args:
      workdir: the run's folder.

    Returns:
      Its config, and the run.

    Raises:
      ValueError: the folder is not a run, or its training has not ended.
    """
    if not (workdir / "trained.json").exists():
        raise ValueError(
            f"{workdir} is not a run whose training has ended, it has no trained.json: check "
            "--workdir, or start train.py with the same command again to go on with it"
        )
    config = ConfigDict(json.loads((workdir / "config.json").read_text()))
    if not (workdir / "images.json").exists() or "coverage" not in config.evaluation:
        raise ValueError(
            f"{workdir} was trained by an earlier version of jaxcell: evaluate it with that, or "
            "train again in another --workdir"
        )
    histories = {name: _history(workdir, name) for name in NETWORKS}
    params = {name: best_params(workdir / name / "checkpoints") for name in NETWORKS}
    dataset = json.loads((workdir / "dataset.json").read_text())
    findings = [Finding(*entry) for entry in json.loads((workdir / "findings.json").read_text())]
    files = json.loads((workdir / "images.json").read_text())
    images = {tuple(place): views for *place, views in files}
    return config, Run(make_models(config, dataset), params, histories, dataset, findings, images)


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
