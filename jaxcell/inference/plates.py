"""Whole plates predicted in one pass from their files, without a data set in between."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jax import Array
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.fields import select_fields
from jaxcell.dataset.flat_field import FlatFields, estimate_flat_fields
from jaxcell.dataset.patches import scale
from jaxcell.dataset.source import dataset_config
from jaxcell.inference.mapping import Seconds, make_pass
from jaxcell.inference.trained import Run, estimates
from jaxcell.inference.windows import window_batches
from jaxcell.models.interaction_unet import AMOUNTS, TARGETS, share
from jaxcell.plates.folder import Plates
from jaxcell.plates.tables import WELL_COLUMNS

WELL = ["plate", "well"]


class Predictions(NamedTuple):
    """What a run predicts of plates.

    Attributes:
      patches: one row a patch, by plate, well, field and place: `plate`, `well`, `field`, `y` and
        `x` (pixels, upper left corner), `faulty` and `predicted` (float32, in the unit of the
        run's target); of a network that learns the truth also `doubt` and the `AMOUNTS` expected.
      wells: one row a well: the columns of the wells table, `fields`, `patches` and `faulty`
        (counts), `predicted_mean` and `predicted_sd` over all its patches (of the population, so 0
        for one patch); where there are amounts their sums, and `pooled_TARGET` of these, percent.
      seconds: what it took; `preparing` includes reading some fields to see how they are lit, of a
        run that corrects them.
    """

    patches: pd.DataFrame
    wells: pd.DataFrame
    seconds: Seconds


def predict_plates(
    run: Run, config: ConfigDict, plates: Plates, pixel_um: float = 0.0
) -> Predictions:
    """Predicts every window of every field of some plates, none of which need have a label.

    The predictions are those of `evaluate_plates`: the same fields, windows, masks of a run
    on masked images, flat fields and scaling.

    Faulty patches, of which a view has no pixel above the background of unstained cells (a droplet,
    an empty region), are predicted, marked and counted into their well's mean, as an evaluation
    does: that needs no mask, and leaving them out is the reader's choice. Labels and what else
    follows from masks are not computed.

    Args:
      run: the trained run; its regressor alone is used.
      config: of the run.
      plates: images and wells; any number.
      pixel_um: µm, edge of a pixel of their images, which are resampled to the run's; 0: the same.
        Places of patches are in pixels of the run.

    Returns:
      Tables of patches and wells, and the time.

    Raises:
      ValueError: no well has images, or a field cannot be read or cut; names plate, well and field.
    """
    began = time.perf_counter()
    fields = fields_to_predict(config, plates)
    flat = plates_light(config, plates, fields)
    predict = make_predictor(run, config, flat, pixel_um)
    prepared = time.perf_counter() - began
    with tqdm(total=len(fields), desc="predicting", unit=" fields", dynamic_ncols=True) as bar:
        patches, seconds = predict(fields, bar)
    seconds = seconds._replace(preparing=prepared + seconds.preparing)
    return Predictions(patches, wells_of(fields, patches), seconds)


def make_predictor(
    run: Run, config: ConfigDict, flat: FlatFields, pixel_um: float = 0.0
) -> Callable[[pd.DataFrame, tqdm], tuple[pd.DataFrame, Seconds]]:
    """What predicts fields, some after others; compiled once.

    Args:
      run, config, pixel_um: as for `predict_plates`.
      flat: as `plates_light` gives it.

    Returns:
      (rows of `fields_to_predict`, progress bar) -> their table of patches, and the time.
    """
    settings, size = _settings(config, pixel_um), config.evaluation.batch_size

    def predict(params: Any, counts: Array) -> dict[str, Array]:
        batch = {"image": scale(counts, settings.levels), "counts": counts}
        return estimates(run.models.regressor, params, batch)

    go_through = make_pass(predict, run.params["regressor"], size)

    def predict_fields(fields: pd.DataFrame, bar: tqdm) -> tuple[pd.DataFrame, Seconds]:
        values, seconds = go_through(window_batches(fields, settings, flat, size), bar)
        return _patches(fields, pd.DataFrame(values)), seconds

    return predict_fields


def _settings(config: ConfigDict, pixel_um: float = 0.0) -> ImmuneCellsConfig:
    # Nothing is labelled, so no target asks for anything.
    return dataset_config(config, split_by="none", subset="full", target="iou", from_um=pixel_um)


def fields_to_predict(config: ConfigDict, plates: Plates) -> pd.DataFrame:
    """The fields of some plates that are predicted, one row each, see `select_fields`."""
    return select_fields(plates, _settings(config))


def plates_light(config: ConfigDict, plates: Plates, fields: pd.DataFrame) -> FlatFields:
    """How the plates are lit, estimated from what a data set of them would be estimated from;
    nothing where the run corrects nothing."""
    settings, images = _settings(config), plates.images
    if not settings.flat_field:
        return {}
    stained = images["role"].isin(VIEWS) & images["plate"].isin(fields["plate"])
    return estimate_flat_fields(images[stained], settings.dark_counts)


def _patches(fields: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """The table of patches: what field each is of, in place of the field's number."""
    of = fields[[*WELL, "field"]].iloc[places["number"]].reset_index(drop=True)
    estimated = [name for name in ("predicted", "doubt", *AMOUNTS) if name in places]
    known = [name for name in places if name not in ("number", *estimated)]
    return of.join(places[known + estimated])


def wells_of(fields: pd.DataFrame, patches: pd.DataFrame) -> pd.DataFrame:
    """The table of wells of `Predictions`, from its patches and the fields they are of."""
    groups = patches.groupby(WELL)
    found = groups.agg(
        fields=("field", "nunique"),
        patches=("predicted", "size"),
        faulty=("faulty", "sum"),
        predicted_mean=("predicted", "mean"),
    )
    found["predicted_sd"] = groups["predicted"].std(ddof=0)
    if AMOUNTS[0] in patches:
        sums = groups[list(AMOUNTS)].sum()
        found = found.join(sums)
        for target in TARGETS:
            found[f"pooled_{target}"] = np.asarray(share(sums.to_numpy(np.float32), target))
    about = fields.drop_duplicates(WELL)[list(WELL_COLUMNS)]
    return about.merge(found.reset_index(), on=WELL, validate="one_to_one")
