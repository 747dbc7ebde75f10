"""From the views of a field to its masks and its cells, by threshold or by network."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jaxcell.cells.instrument import LABORATORY_PIXEL_UM, PROTOCOLS, protocol_mask
from jaxcell.cells.kinds import Kind, Population
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.masks import field_mask
from jaxcell.cells.methods import in_laboratory_pixels
from jaxcell.cells.numbering import close_up
from jaxcell.cells.resampling import nearest
from jaxcell.configs.kinds import how_found, population_of
from jaxcell.experiments.measurement.own_labels import read_own_labels

# uint16 [H, W, K] -> masks bool [K, H, W] and labels int32 [K, H, W].
CellFinder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
# Whose protocol finds kinds of cells that have none of their own: its square is wide enough for
# cells of any usual size.
LIKE = "dendritic_cell"


class FieldCells(NamedTuple):
    """The cells of a field.

    Attributes:
      masks: bool [K, H, W], True inside cells.
      labels: int32 [K, H, W], 0 outside cells, 1..n without gaps.
      numbers: of each kind [n], the number that each cell has in its file; None of cells that were
        found here.
    """

    masks: np.ndarray
    labels: np.ndarray
    numbers: list[np.ndarray] | None


def cells_of_field(
    row: Any, views: np.ndarray, find: CellFinder | None, kinds: Sequence[str]
) -> FieldCells:
    """The cells of a field.

    Args:
      row: of the field; where nothing is to be found, with the columns of `label_columns`.
      views: uint16 [H, W, K].
      find: finds them; None: another program has.
      kinds: of cells.

    Raises:
      ValueError: a label image cannot be used.
    """
    if find is not None:
        return FieldCells(*find(views), None)
    own = read_own_labels(row, views.shape[:2], kinds)
    labels = np.stack([one.labels for one in own])
    return FieldCells(labels > 0, labels, [one.numbers for one in own])


def make_cell_finder(config: ConfigDict) -> CellFinder:
    """How a measurement finds cells.

    Args:
      config: as `configs/measure.py` describes.

    Returns:
      uint16 [H, W, K] -> masks bool [K, H, W] and labels int32 [K, H, W]; the masks are the area
      of the labelled cells.

    Raises:
      ValueError: a method or scope that does not exist, or a run that finds other cells.
    """
    population = population_of(config)
    if config.measurement.segmentation:
        run = Path(config.measurement.segmentation)
        return _by_network(run, config.plates.pixel_um, population)
    masks_of_views = [_mask_of_view(config, kind) for kind in population.kinds]
    minimum_um2, pixel_um = config.measurement.minimum_area_um2, config.plates.pixel_um

    def find(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = in_laboratory_pixels(views, pixel_um)
        size_um = pixel_um if own is views else LABORATORY_PIXEL_UM
        masks = [
            mask(np.ascontiguousarray(own[..., view])) for view, mask in enumerate(masks_of_views)
        ]
        minimum_area = max(round(minimum_um2 / size_um**2), 1)
        labels = [label_cells(mask, minimum_area) for mask in masks]
        if own is not views:
            labels = [close_up(nearest(each, views.shape[:2]))[0] for each in labels]
        labels = np.stack(labels)
        return labels > 0, labels

    return find


def _mask_of_view(config: ConfigDict, kind: Kind) -> Callable[[np.ndarray], np.ndarray]:
    """How one kind of cells is masked: uint16 [H, W] -> bool [H, W]."""
    own = how_found(config, kind.key)
    method, scope = own.get("mask_method", config.dataset.mask_method), config.dataset.mask_scope
    if method not in ("two_means", "mean_sd", "instrument") or scope not in ("patch", "field"):
        raise ValueError(
            f"dataset.mask_method is {method!r} and dataset.mask_scope {scope!r}: use two_means, "
            "mean_sd or instrument, and patch or field"
        )
    if method == "instrument" and scope != "field":
        raise ValueError(
            "the instrument's masks are made of whole fields: set dataset.mask_scope to field"
        )

    if method != "instrument":
        window = None if scope == "field" else config.dataset.window
        return partial(field_mask, method=method, window=window)
    # In pixels of the laboratory, in which every field is looked at.
    protocol = PROTOCOLS.get(kind.key, PROTOCOLS[LIKE])
    if "radius_um" in own:
        kernel = max(round(own["radius_um"] / LABORATORY_PIXEL_UM), 1)
        protocol = protocol._replace(kernel=kernel)
    if "sensitivity" in own:
        protocol = protocol._replace(sensitivity=own["sensitivity"])
    if "minimum_area_um2" in own:
        area = round(own["minimum_area_um2"] / LABORATORY_PIXEL_UM**2)
        protocol = protocol._replace(minimum_area=area)
    return partial(protocol_mask, protocol=protocol)


def _by_network(workdir: Path, pixel_um: float, population: Population) -> CellFinder:
    from jaxcell.inference.segmenter import load, segment  # slow to import

    _, segmenter = load(workdir)
    order = _places(segmenter.kinds, population.keys)
    if order is None:
        raise ValueError(
            f"{workdir} finds {_joined(segmenter.kinds)}, not "
            f"{_joined([kind.plural for kind in population.kinds])}: find its cells by jaxcell "
            "segment, train one with the config segmentation, or measure as many kinds of cells "
            "as it knows, --kinds"
        )

    def find(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_run = np.ascontiguousarray(views[..., np.argsort(order)])
        found = segment(segmenter, of_run, pixel_um)[..., order]
        labels = np.ascontiguousarray(np.moveaxis(found, -1, 0))
        return labels > 0, labels

    return find


def _places(known: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Of each kind of cells its place among a network's; None where the network is of others.

    A network knows stains, not names: of kinds that it has never heard of the first is its first.
    """
    if set(known) == set(wanted):
        return [known.index(name) for name in wanted]
    if len(known) == len(wanted) and not set(known) & set(wanted):
        return list(range(len(known)))
    return None


def _joined(words: Sequence[str]) -> str:
    return " and ".join(words)
