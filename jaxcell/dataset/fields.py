"""Which fields of the plates a data set takes, and their patches, read and labelled in threads."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.methods import field_masks, patch_masks
from jaxcell.cells.resampling import resampled
from jaxcell.dataset.flat_field import FlatFields, correct
from jaxcell.dataset.patches import (
    darkest_light,
    faulty_patches,
    label,
    remove_background,
    windows,
)
from jaxcell.dataset.reading_ahead import work_ahead
from jaxcell.dataset.splits import assign_wells
from jaxcell.dataset.truth import light_of, read_truth, true_values, values_by_masks
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.plates.folder import Plates
from jaxcell.plates.images import read_view

# Threads that hide reading and labelling behind the writing of a data set, and fields that each is
# ahead: a field takes tens of MiB.
THREADS, AHEAD = 2, 2


def select_fields(
    plates: Plates, config: Any, keep_empty: bool = False, kinds: Sequence[str] = VIEWS
) -> pd.DataFrame:
    """The fields a data set is made of, one row each.

    Args:
      plates: images and wells tables.
      config: an `ImmuneCellsConfig`: which subset, and how it is split.
      keep_empty: whether wells that the layout calls empty are kept.
      kinds: of cells whose views are taken.

    Returns:
      The wells table's columns, `field`, the path of each kind's view (`t_cell`, `dendritic_cell`)
      and, unless the split is by patch, `split`.

    Raises:
      ValueError: no well is left.
    """
    images = plates.images[plates.images["role"].isin(kinds)]
    paths = images.pivot(index=["plate", "well", "field"], columns="role", values="path")
    wells = plates.wells if keep_empty else plates.wells[plates.wells["role"] != "empty"]
    wells = wells[wells.set_index(["plate", "well"]).index.isin(paths.reset_index("field").index)]
    if config.subset == "dual":
        wells = wells[wells["condition"].isin(config.conditions)]
    if config.subset == "dmso":
        wells = wells[wells["role"] == "vehicle"]
    if wells.empty:
        raise ValueError(f"the data set {config.subset!r} has no well with images on these plates")
    wells = wells.sort_values(["plate", "well"]).reset_index(drop=True)
    if config.split_by == "none":
        wells["split"] = "test"
    elif config.split_by != "random_patch":
        wells["split"] = assign_wells(wells, config.split_by, config.split_seed)
    return wells.merge(paths.reset_index(), on=["plate", "well"])


def read_field(
    field: Any, flat: FlatFields, zoom: float = 1.0, kinds: Sequence[str] = VIEWS
) -> np.ndarray:
    """Reads the stained views of a field.

    Args:
      field: a row of `select_fields`.
      flat: what it is corrected by; empty: by nothing.
      zoom: how many pixels one pixel of the files becomes along a side.
      kinds: of cells whose views are read.

    Returns:
      uint16 [H, W, K], in the order of the kinds.
    """
    views = np.stack([read_view(getattr(field, view)) for view in kinds], axis=-1)
    views = correct(views, field.plate, tuple(kinds), flat) if flat else views
    return views if zoom == 1 else resampled(views, zoom)


def masks_of(views: np.ndarray, patches: np.ndarray, config: Any) -> np.ndarray:
    """Masks of a field's patches, found in each patch or in the field whole.

    Args:
      views: uint16 [H, W, 2], the field.
      patches: uint16 [N, w, w, 2], its windows.
      config: an `ImmuneCellsConfig`.

    Returns:
      As `patch_masks`.
    """
    if config.mask_scope != "field":
        return patch_masks(patches, config.mask_method, config.levels)
    whole = field_masks(views, config.mask_method, config.pixel_um, config.levels)[..., None]
    return windows(whole, config.window, config.stride)[0][..., 0]


def cut_fields(
    fields: pd.DataFrame,
    config: Any,
    flat: FlatFields,
    *,
    labelled: bool = True,
    threads: int = THREADS,
) -> Iterator:
    """Reads, cuts and labels fields in threads, a few ahead of whoever consumes them, in order.

    Args:
      fields: as `select_fields` gives them.
      config: an `ImmuneCellsConfig`.
      flat: what the fields are corrected by before anything else; empty: by nothing.
      labelled: whether patches are measured.
      threads: at work.

    Returns:
      Of each its row of `fields`, its patches uint16 [N, H, W, 2], their corners int32 [N, 2],
      and which of them are `faulty`, with what `label` says of them where they are measured.

    Raises:
      ValueError: a field cannot be read or cut; names plate, well and field.
    """

    zoom = config.from_um / config.pixel_um if config.from_um else 1.0

    def cut(field: Any) -> tuple[Any, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        try:
            views = read_field(field, flat, zoom)
            patches, corners = windows(views, config.window, config.stride)
            masks = masks_of(views, patches, config) if labelled or config.masked else None
        except ValueError as error:
            raise ValueError(f"{field.plate} {field.well}, field {field.field}: {error}") from error
        labels = {"faulty": faulty_patches(patches, darkest_light(views, config.levels))}
        if labelled and config.target in TRUTHS:
            labels |= label(patches, masks, "iou", config.pixel_um)
            labels |= _truth(field, views, patches, config)
        elif labelled:
            labels |= label(patches, masks, config.target, config.pixel_um)
        if config.masked:
            patches = remove_background(patches, masks)
        return field, patches, corners, labels

    return work_ahead(cut, fields.itertuples(index=False), threads, AHEAD)


def _truth(
    field: Any, views: np.ndarray, patches: np.ndarray, config: Any
) -> dict[str, np.ndarray]:
    """The true masks and target of a field's patches, and what masks say of that target."""
    truth = windows(read_truth(field)[..., None], config.window, config.stride)[0][..., 0]
    return {
        "masks": truth,
        "target": true_values(truth, config.target),
        "light": [light_of(field)] * len(patches),
        **values_by_masks(views, patches, config.target, config),
    }
