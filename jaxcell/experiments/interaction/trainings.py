"""What each of a run's two networks is trained on: a task, its settings and its batches."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxcell.compute.processes import own_rows
from jaxcell.dataset.batches import (
    Examples,
    device_data,
    evaluation_batches,
    prepare,
    prepare_truth,
    train_batches,
)
from jaxcell.models.build import Models, learns_truth
from jaxcell.training.steps import Prepare
from jaxcell.training.tasks import Task, autoencoder_task, regressor_task, truth_task


class Training(NamedTuple):
    """One training, in the words of `fit`, but for where it is written."""

    task: Task
    config: ConfigDict
    data: Any
    train_batches: Callable[[int], Iterator[Any]]
    validation_batches: Callable[[], Iterator[Any]]
    prepare: Prepare
    describe_batch: Callable[[Any], str]
    init_params: Any = None


def autoencoder_training(config: ConfigDict, models: Models, examples: Examples) -> Training:
    """The training of a run's autoencoder.

    Args:
      config: of the run.
      models: of the run.
      examples: of its data set.
    """
    task = autoencoder_task(
        models.autoencoder, config.training.autoencoder.loss, config.model.nested_sizes
    )
    return _training(task, config, config.training.autoencoder, examples)


def regressor_training(
    config: ConfigDict, models: Models, examples: Examples, autoencoder: Any
) -> Training:
    """The training of a run's regressor.

    Args:
      config: of the run.
      models: of the run.
      examples: of its data set, with masks for a network that learns the truth.
      autoencoder: parameters of its trained autoencoder, from whose encoder a dense one starts.
    """
    settings = config.training.regressor
    if learns_truth(config):
        task = truth_task(models.regressor)
        return _training(task, config, settings, examples, truth=True)
    dense = config.model.regression == "dense"
    task = regressor_task(models.regressor, config.model.nested_sizes if dense else ())
    start = {"encoder": autoencoder["encoder"]} if dense else None
    return _training(task, config, settings, examples, start)


def _training(
    task: Task,
    config: ConfigDict,
    settings: ConfigDict,
    examples: Examples,
    start: Any = None,
    truth: bool = False,
) -> Training:
    rows, batch_size = examples.rows("train"), settings.batch_size
    seed, augment, relit = config.training.seed, settings.augment, settings.get("relit", False)
    loop = ConfigDict(settings.to_dict())
    loop.seed, loop.steps_per_epoch = seed, len(rows) // batch_size
    own = own_rows(batch_size)
    if not truth:
        examples = examples.without_masks()
    return Training(
        task,
        loop,
        device_data(examples),
        train_batches(examples, rows, batch_size, seed, augment, relit, own),
        evaluation_batches(examples, examples.rows("validation"), batch_size, own),
        prepare_truth if truth else partial(prepare, levels=examples.levels),
        describe(examples),
        start,
    )


def describe(examples: Examples) -> Callable[[dict], str]:
    """Says which wells a raw batch holds, for the message of a run that failed."""

    def wells(raw: dict) -> str:
        rows = examples.table.loc[raw["index"], ["plate", "well"]].drop_duplicates()
        return ", ".join(f"{plate} {well}" for plate, well in sorted(rows.to_numpy().tolist()))

    return wells
