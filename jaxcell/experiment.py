"""A run: its folder claimed, its plates read, its data set built, its two networks trained."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxcell.dataset.fields import VIEWS
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.dataset.pipeline import (
    Examples,
    device_data,
    evaluation_batches,
    open_examples,
    prepare,
    train_batches,
)
from jaxcell.models.autoencoder import Autoencoder, plain_autoencoder, residual_autoencoder
from jaxcell.models.regressor import SOFT_TARGETS, DenseRegressor, SoftOverlapRegressor
from jaxcell.plates.findings import Finding
from jaxcell.plates.folder import Plates, leave_out, read_plates, require_good
from jaxcell.plates.simulate import simulate_plates
from jaxcell.run_folder import check_claim, claim, write
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import FitResult, fit
from jaxcell.training.tasks import Task, autoencoder_task, regressor_task

NETWORKS = ("autoencoder", "regressor")
# Plate, well and field.
Place = tuple[str, str, int]


class Models(NamedTuple):
    """The two networks of a run."""

    autoencoder: Autoencoder
    regressor: DenseRegressor | SoftOverlapRegressor


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
    settings = dataset_config(config)
    make_models(config)  # only to see that they fit, before anything is read
    plates = load_plates(config)
    builder = build(plates, settings, tfds_folder(config))
    examples = open_examples(builder, config.data.memory_gib)
    # Only now: what stops on a bad plate or setting leaves no folder in the way of the next try.
    claim(workdir, "config.json", config.to_dict(), "config")
    target = examples.table.loc[examples.rows("train"), "target"]
    dataset = {
        "name": builder.builder_config.name,
        "training_mean": float(target.mean()),
        "training_sd": float(target.astype(float).std(ddof=0)),
    }
    models = make_models(config, dataset)
    claim(workdir, "dataset.json", dataset, "content of its plates")
    write(workdir / "findings.json", [list(finding) for finding in plates.findings])
    files = image_files(plates).items()
    write(workdir / "images.json", [[*place, views] for place, views in files])
    data = device_data(examples)

    def run(name: str, task: Task, settings: ConfigDict, start: Any = None) -> FitResult:
        rows, batch_size = examples.rows("train"), settings.batch_size
        loop = ConfigDict(settings.to_dict())
        loop.seed, loop.steps_per_epoch = config.seed, len(rows) // batch_size
        return fit(
            task,
            loop,
            data=data,
            train_batches=train_batches(examples, rows, batch_size, config.seed, loop.augment),
            validation_batches=evaluation_batches(
                examples, examples.rows("validation"), batch_size
            ),
            prepare=prepare,
            folder=workdir,
            name=name,
            describe_batch=describe(examples),
            init_params=start,
        )

    results = {}
    task = autoencoder_task(models.autoencoder)
    results["autoencoder"] = run("autoencoder", task, config.autoencoder)
    start = None
    if config.model.regression == "dense":
        start = {"encoder": results["autoencoder"].best_params["encoder"]}
    results["regressor"] = run(
        "regressor", regressor_task(models.regressor), config.regressor, start
    )
    write(workdir / "trained.json", {name: int(end.state.step) for name, end in results.items()})
    return load(workdir)[1]


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
    histories = {
        name: [json.loads(line) for line in (workdir / name / "metrics.jsonl").open()]
        for name in NETWORKS
    }
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


def make_models(config: ConfigDict, dataset: dict | None = None) -> Models:
    """The networks of a config, proved to fit its windows.

    Args:
      config: as `configs/default.py` describes.
      dataset: of the run, as in `Run`, where it is known: `DenseRegressor` answers any target but
        `iou`, which the study answers as it is, from the mean and in the SD of the training
        patches.

    Raises:
      ValueError: an architecture, a kind of regression or a dtype that does not exist, fields that
        belong to another, a target that the regression cannot answer, or windows that the networks
        cannot shrink.
    """
    model, window = config.model, config.data.window
    architectures = {"plain": plain_autoencoder, "residual": residual_autoencoder}
    _require(model, "architecture", architectures)
    _require(model, "regression", ("dense", "soft_overlap"))
    _require(model, "dtype", ("float32", "bfloat16"))
    shared = {"dtype": model.dtype}
    _require_answer(model.regression, config.data.target)
    try:
        autoencoder = architectures[model.architecture](
            window, model.latent_dim, **model.autoencoder.to_dict(), **shared
        )
        if model.regression == "dense":
            shared["encoder"] = autoencoder.encoder
            if dataset and config.data.target != "iou":
                # A target that never varies has no SD: its mean is then all there is to answer.
                sd = dataset["training_sd"] or 1.0
                shared |= {"mean": dataset["training_mean"], "sd": sd}
        else:
            shared["target"] = config.data.target
        kind = {"dense": DenseRegressor, "soft_overlap": SoftOverlapRegressor}[model.regression]
        models = Models(autoencoder, kind(**model.regressor.to_dict(), **shared))
    except TypeError as error:
        raise ValueError(
            f"model.autoencoder or model.regressor has a field that {model.architecture} or "
            f"{model.regression} does not know ({error}): start from configs/dissertation.py for "
            "plain and dense, from configs/default.py for residual and soft_overlap"
        ) from error
    image = jax.ShapeDtypeStruct((1, window, window, 2), jnp.float32)
    jax.eval_shape(autoencoder.init, jax.random.key(0), image)
    return models


def _require_answer(regression: str, target: str) -> None:
    if regression == "soft_overlap" and target not in SOFT_TARGETS:
        raise ValueError(
            f"model.regression soft_overlap answers {' and '.join(SOFT_TARGETS)}, not the "
            f"data.target {target!r}: start from --config=jaxcell/configs/dense.py"
        )


def _require(settings: ConfigDict, name: str, known: Iterable[str]) -> None:
    if settings[name] not in known:
        raise ValueError(f"model.{name} is {settings[name]!r}: use {' or '.join(known)}")


def describe(examples: Examples) -> Callable[[dict], str]:
    """Says which wells a raw batch holds, for the message of a run that failed."""

    def wells(raw: dict) -> str:
        rows = examples.table.loc[raw["index"], ["plate", "well"]].drop_duplicates()
        return ", ".join(f"{plate} {well}" for plate, well in sorted(rows.to_numpy().tolist()))

    return wells
