"""Whole plates predicted in one pass from their files, without a data set in between.

Threads read fields and cut them into windows, one more fills batches and sends them to the device,
the caller's does nothing but answer them. Each is a bounded number ahead of the next, so that but
for the tables memory does not grow with the plates.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jax.sharding import Sharding
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.compute import chunks
from jaxcell.compute.sharding import Shardings, make_shardings
from jaxcell.dataset.fields import masks_of, read_field, select_fields
from jaxcell.dataset.flat_field import FlatFields, estimate_flat_fields
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.dataset.patches import faulty_patches, remove_background, scale, windows
from jaxcell.dataset.source import dataset_config
from jaxcell.inference.trained import Run
from jaxcell.plates.folder import Plates
from jaxcell.plates.tables import WELL_COLUMNS

# Threads that read and cut fields: each field ahead takes tens of MiB.
THREADS = min(8, os.cpu_count() or 1)
# Fields that each of them may be ahead, and batches that lie ready on the device.
FIELDS_AHEAD, BATCHES_AHEAD = 2, 2
WELL = ["plate", "well"]


class Seconds(NamedTuple):
    """Wall-clock seconds of a prediction.

    Attributes:
      preparing: compiling the step and, of a run that corrects fields, reading some to see how
        they are lit; before the pass begins.
      waiting: of the pass, in which the device had nothing to do, since no batch was ready.
      answering: of the pass, from a batch's being there to its answers' being back.
    """

    preparing: float
    waiting: float
    answering: float

    @property
    def waiting_share(self) -> float:
        """Share of the pass, in [0, 1], in which the step was starved."""
        return self.waiting / (self.waiting + self.answering)


class Predictions(NamedTuple):
    """What a run predicts of plates.

    Attributes:
      patches: one row a patch, by plate, well, field and place: `plate`, `well`, `field`, `y` and
        `x` (pixels, upper left corner), `faulty` and `predicted` (float32, in the unit of the
        run's target).
      wells: one row a well: the columns of the wells table, `fields`, `patches` and `faulty`
        (counts), `predicted_mean` and `predicted_sd` over all its patches (of the population, so 0
        for one patch).
      seconds: what it took.
    """

    patches: pd.DataFrame
    wells: pd.DataFrame
    seconds: Seconds


def predict_plates(run: Run, config: ConfigDict, plates: Plates) -> Predictions:
    """Predicts every window of every field of some plates, none of which need have a label.

    The answers are those of `evaluation.evaluate_plates`: the same fields, windows, masks of a run
    on masked images, flat fields and scaling.

    Faulty patches, of which a view has no pixel above the background of unstained cells (a droplet,
    an empty region), are predicted, marked and counted into their well's mean, as an evaluation
    does: that needs no mask, and leaving them out is the reader's choice. Labels and what else
    follows from masks are not computed.

    Args:
      run: the trained run; its regressor alone is used.
      config: of the run.
      plates: images and wells; any number.

    Returns:
      Tables of patches and wells, and the time.

    Raises:
      ValueError: no well has images, or a field cannot be read or cut; names plate, well and field.
    """
    began = time.perf_counter()
    settings = dataset_config(config, split_by="none", subset="full")
    fields = select_fields(plates, settings)
    flat = _flat_fields(plates, fields) if settings.flat_field else {}
    size = config.evaluation.batch_size
    shardings = make_shardings(size)
    params = jax.device_put(run.params["regressor"], shardings.replicated)
    answer = _compiled(run, params, (size, settings.window, settings.window, 2), shardings)
    number_of_well = fields.groupby(WELL, sort=False).ngroup().to_numpy()
    preparing, waiting, answering = time.perf_counter() - began, 0.0, 0.0
    batches = _batches_ahead(fields, settings, flat, size, shardings.batch)
    parts = []
    with tqdm(
        total=int(number_of_well[-1]) + 1, desc="predicting", unit=" wells", dynamic_ncols=True
    ) as bar:
        while True:
            asked = time.perf_counter()
            batch = next(batches)
            there = time.perf_counter()
            waiting += there - asked
            if batch is None:
                break
            image, places = batch
            predicted = jax.device_get(answer(params, image))[: len(places)]
            answering += time.perf_counter() - there
            parts.append(places.assign(predicted=predicted))
            # A well counts once another has begun.
            bar.update(int(number_of_well[places["number"].iloc[-1]]) - bar.n)
        bar.update(bar.total - bar.n)
    patches = _patches(fields, pd.concat(parts, ignore_index=True))
    seconds = Seconds(preparing, waiting, answering)
    return Predictions(patches, _wells(fields, patches), seconds)


def _compiled(
    run: Run, params: Any, shape: tuple[int, ...], shardings: Shardings
) -> Callable[[Any, Array], Array]:
    """The step (params, uint16 images of one shape) -> float32 [B], compiled once and for all."""

    def one(params: Any, image: Array) -> Array:
        return run.models.regressor.apply({"params": params}, scale(image))

    step = chunks.jitted(one, shardings)
    return step.lower(params, jax.ShapeDtypeStruct(shape, jnp.uint16)).compile()


def _flat_fields(plates: Plates, fields: pd.DataFrame) -> FlatFields:
    """How the plates are lit, estimated from what a data set of them would be estimated from."""
    images = plates.images
    return estimate_flat_fields(
        images[images["role"].isin(VIEWS) & images["plate"].isin(fields["plate"])]
    )


def _batches_ahead(
    fields: pd.DataFrame,
    settings: ImmuneCellsConfig,
    flat: FlatFields,
    size: int,
    sharding: Sharding,
) -> Iterator[tuple[Array, pd.DataFrame] | None]:
    """Batches as `_batches` makes them, some of them before they are asked for; then None."""

    def cut(row: tuple[int, Any]) -> tuple[np.ndarray, pd.DataFrame]:
        return _cut(*row, settings, flat)

    rows = enumerate(fields.itertuples(index=False))
    batches = _batches(_ahead(cut, rows, THREADS, FIELDS_AHEAD), size, sharding)
    # One thread, since a generator is nobody's to share: it waits for fields, copies and sends.
    return _ahead(lambda _: next(batches, None), itertools.repeat(None), 1, BATCHES_AHEAD)


def _ahead(work: Callable, items: Iterable, threads: int, each: int) -> Iterator:
    """Results in the order of the items; beside the one asked for at most `each` a thread begun."""
    items = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        begun = deque(pool.submit(work, item) for item in itertools.islice(items, each * threads))
        while begun:
            next_one = begun.popleft()
            begun.extend(pool.submit(work, item) for item in itertools.islice(items, 1))
            yield next_one.result()


def _cut(
    number: int, field: Any, settings: ImmuneCellsConfig, flat: FlatFields
) -> tuple[np.ndarray, pd.DataFrame]:
    """Patches of a field, uint16 [N, w, w, 2], and their number of field, y, x and `faulty`."""
    try:
        views = read_field(field, flat)
        patches, corners = windows(views, settings.window, settings.stride)
        faulty = faulty_patches(patches)  # before anything is masked
        if settings.masked:
            patches = remove_background(patches, masks_of(views, patches, settings))
    except ValueError as error:
        raise ValueError(f"{field.plate} {field.well}, field {field.field}: {error}") from error
    y, x = corners.T
    return patches, pd.DataFrame({"number": number, "y": y, "x": x, "faulty": faulty})


def _batches(
    cut: Iterator[tuple[np.ndarray, pd.DataFrame]], size: int, sharding: Sharding
) -> Iterator[tuple[Array, pd.DataFrame]]:
    """Patches of fields in batches of one size, on the device; the last is filled up with zeros.

    Args:
      cut: patches and places of fields, as `_cut` gives them.
      size: patches a batch.
      sharding: where a batch lies.

    Yields:
      uint16 [size, w, w, 2], and the places of those that are real.
    """
    filled, places = 0, []
    for patches, about in cut:
        taken = 0
        while taken < len(patches):
            if not filled:
                # Another for each batch: the device may use the host's memory as it is.
                image, places = np.zeros((size, *patches.shape[1:]), np.uint16), []
            count = min(size - filled, len(patches) - taken)
            image[filled : filled + count] = patches[taken : taken + count]
            places.append(about.iloc[taken : taken + count])
            taken, filled = taken + count, (filled + count) % size
            if not filled:
                yield jax.device_put(image, sharding), pd.concat(places)
    if filled:
        yield jax.device_put(image, sharding), pd.concat(places)


def _patches(fields: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """The table of patches: what field each is of, in place of the field's number."""
    of = fields[[*WELL, "field"]].iloc[places["number"]].reset_index(drop=True)
    return of.join(places.drop(columns="number"))


def _wells(fields: pd.DataFrame, patches: pd.DataFrame) -> pd.DataFrame:
    """The table of wells."""
    groups = patches.groupby(WELL)
    found = groups.agg(
        fields=("field", "nunique"),
        patches=("predicted", "size"),
        faulty=("faulty", "sum"),
        predicted_mean=("predicted", "mean"),
    )
    found["predicted_sd"] = groups["predicted"].std(ddof=0)
    about = fields.drop_duplicates(WELL)[list(WELL_COLUMNS)]
    return about.merge(found.reset_index(), on=WELL, validate="one_to_one")
