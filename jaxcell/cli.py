"""What train.py and evaluate.py do, by the kind of experiment that a config names.

Modules are imported where they are needed: data sets, plotting and projections take seconds, and
no command needs all of them at once.
"""

import json
import time
from pathlib import Path

from ml_collections import ConfigDict

EXPERIMENTS = ("interaction", "segmentation", "masks", "sweep")


def train(config: ConfigDict, workdir: Path) -> str:
    """Trains a run, evaluates it on what it held out and writes its report.

    Args:
      config: of any of `EXPERIMENTS`.
      workdir: the run's folder.

    Returns:
      The closing table, or what a sweep says in place of it.

    Raises:
      ValueError, FileExistsError, FloatingPointError: said to the person who started it.
    """
    if config.experiment == "sweep":
        from jaxcell.experiments.sweep import run as sweep

        return sweep.run(config, workdir)
    began = time.monotonic()
    if config.experiment == "interaction":
        from jaxcell.experiments.interaction import train as experiment

        run = experiment.train(config, workdir)
        from jaxcell.experiments.interaction import evaluate as evaluation

        metrics = evaluation.evaluate_run(workdir, config, run)
    elif config.experiment == "segmentation":
        from jaxcell.experiments.segmentation import train as segmentation

        segmenter = segmentation.train(config, workdir)
        from jaxcell.experiments.segmentation.evaluate import evaluate_segmentation

        metrics = evaluate_segmentation(workdir, config, segmenter)
    elif config.experiment == "masks":
        from jaxcell.experiments.segmentation import masks

        masks.train(config, workdir)
        metrics = masks.evaluate(workdir)
    else:
        raise ValueError(f"experiment is {config.experiment!r}: use {' or '.join(EXPERIMENTS)}")
    from jaxcell.report.common.terminal import closing_table

    return closing_table(metrics, workdir / "report" / "index.html", time.monotonic() - began)


def evaluate(
    workdir: Path, plates: str, condition: str | None, skip: bool, standardise: bool
) -> str:
    """Evaluates a run on what it held out or, one of interaction, on any plates.

    Args:
      workdir: the run's folder.
      plates: folder of plates; empty: what the run held out.
      condition: of wells that no layout describes.
      skip: whether bad images are left out instead of stopping.
      standardise: whether codes are standardised plate by plate on control wells; where not, what
        the run's config says.

    Returns:
      The closing table.

    Raises:
      ValueError, FileExistsError: said to the person who started it.
    """
    began, report = time.monotonic(), workdir / "report"
    kind = _experiment(workdir)
    if standardise and kind != "interaction":
        raise ValueError(f"{workdir} is a run of {kind}: --standardise is for codes, it has none")
    if plates and kind != "interaction":
        raise ValueError(
            f"{workdir} is a run of {kind}: measure plates with it by python measure.py "
            f"--plates={plates} --segmentation={workdir}"
        )
    if kind == "segmentation":
        from jaxcell.experiments.segmentation import train as segmentation
        from jaxcell.experiments.segmentation.evaluate import evaluate_segmentation

        metrics = evaluate_segmentation(workdir, *segmentation.load(workdir))
    elif kind == "masks":
        from jaxcell.experiments.segmentation import masks

        metrics = masks.evaluate(workdir)
    else:
        from jaxcell.dataset.source import load_plates
        from jaxcell.experiments.interaction import evaluate as evaluation
        from jaxcell.inference.trained import load

        config, run = load(workdir)
        config.evaluation.standardise |= standardise
        if plates:
            config.data.plates = plates
            config.data.on_bad_image = "skip" if skip else "stop"
            found = load_plates(config, condition)
            name = Path(plates).resolve().name
            metrics, report = evaluation.evaluate_plates(workdir, config, run, found, name)
        else:
            metrics = evaluation.evaluate_run(workdir, config, run)
    from jaxcell.report.common.terminal import closing_table

    return closing_table(metrics, report / "index.html", time.monotonic() - began)


def _experiment(workdir: Path) -> str:
    """The kind of a run; of interaction where nothing says so, whose loading then says more."""
    if (workdir / "sweep.json").exists():
        raise ValueError(f"{workdir} is a sweep: give one of its runs, {workdir}/members/NAME")
    path = workdir / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    return config.get("experiment", "interaction")
