"""Whether the light of a well bears its masks: crosstalk, noise, and the contrast at their edges.

Everything is relative to what a field itself shows, its noise and the light of its cells, never to
counts, and whatever found the cells is judged alike.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.cells.noise import pixel_noise
from jaxcell.measures.catalogue import Quantity
from jaxcell.measures.field import percent

# Cells looked at in a field, of each kind, spread over it: enough for a median.
CELLS_A_FIELD = 100
# The surroundings of a cell reach this many pixels beyond the box round it.
MARGIN = 4
# Pixels of a cell and of its surroundings below which they say nothing.
LEAST_INSIDE, LEAST_AROUND = 6, 10
# Edges are looked at in the brighter half of the cells: of what is taken for a cell and is none
# there is little among them.
BRIGHTER = 0.5
# Fewer cells say nothing.
MINIMUM_CELLS = 20
# A cell is faint that stands out by less than this share of what a bright one does (the 90th
# percentile).
FAINT, BRIGHT = 0.1, 90
# How often pixels are dropped that lie so many standard deviations (by the median) from the line of
# one view on the other: pixels of other cells.
TRIMS, FAR = 2, 3.0
# Samples of the bootstrap.
DRAWS = 400
# Side in pixels of the part of a field whose masks are made again with more noise.
REPEATED_SIDE = 576

Finder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class CellLight(NamedTuple):
    """Light of the cells of one kind in a field, of those looked at, float32 [n] each.

    Attributes:
      contrast: counts by which a cell stands out of its surroundings.
      edge: counts by which its edge does, the pixels with a neighbour outside.
      slopes: of every other view's counts on its own view's, over the cell and its surroundings,
        float32 [n, K - 1] in the order of the views.
    """

    contrast: np.ndarray
    edge: np.ndarray
    slopes: np.ndarray


class Light(NamedTuple):
    """What a field says of its light.

    Attributes:
      cells: of each kind.
      noise: of each view, standard deviation in counts of a pixel of the background.
      repeated: int64 [K, 2], of each kind the pixels in both and in either of two masks of the
        field's fullest part: as it is, and with the noise of half the light.
    """

    cells: tuple[CellLight, ...]
    noise: tuple[float, ...]
    repeated: np.ndarray


# What is said of every two views and of every kind: name, label, unit, bounds, definition.
_OF_VIEWS = (
    (
        "crosstalk", "crosstalk into the {own} view", "%", (None, None),
        "Light of {other} that shows in the {own} view, of their light in their own: the slope "
        "of the one view on the other in and round each cell, at the middle of the half of the "
        "cells that agree best.",
    ),
    (
        "crosstalk_low", "crosstalk into the {own} view, lower end", "%", (None, None),
        "Lower end of its 95 % interval over cells.",
    ),
    (
        "crosstalk_high", "crosstalk into the {own} view, upper end", "%", (None, None),
        "Upper end of its 95 % interval over cells.",
    ),
)  # fmt: skip
_OF_KINDS = (
    (
        "signal_to_noise", "signal to noise of {cells}", "", (None, None),
        "Median of the counts by which the {cells} found stand out of their surroundings, over "
        "the standard deviation of a pixel's noise.",
    ),
    (
        "repeated_share", "{own} mask that half the light repeats", "%", (0, 100),
        "Overlap (IoU) of the mask of {cells} with the mask that is found when so much noise "
        "is added as half the light would have.",
    ),
    (
        "edge_share", "light at the edge of {cells}", "%", (None, None),
        "Counts by which the edge of the mask stands out of its surroundings, of those by "
        "which the cell does; median over the brighter {cells}.",
    ),
    (
        "faint_share", "faint {cells}", "%", (0, 100),
        f"Share of the {{cells}} found that stand out by less than {100 * FAINT:g} % of what a "
        "bright one does (90th percentile).",
    ),
)  # fmt: skip


class Crosstalk(NamedTuple):
    """Two views, of which the light of one may show in the other.

    Attributes:
      own: kind of cells in whose view the light shows.
      other: kind whose light it is.
      end: of the columns about it.
    """

    own: Kind
    other: Kind
    end: str


def crosstalks(kinds: Sequence[Kind]) -> list[Crosstalk]:
    """Every two views of these kinds of cells, also where nobody asks whether they interact."""
    return [
        Crosstalk(own, other, own.key if len(kinds) == 2 else f"{own.key}_from_{other.key}")
        for own in kinds
        for other in kinds
        if own.key != other.key
    ]


def light_quantities(kinds: Sequence[Kind]) -> dict[str, Quantity]:
    """What is said of the light of a well with these kinds of cells, in the order of its columns.

    Args:
      kinds: in the order of the views.

    Returns:
      Column -> quantity.
    """
    several = len(kinds) > 2
    found = [
        Quantity(
            f"{name}_{pair.end}",
            label.format(own=pair.own.adjective)
            + (f", from {pair.other.plural}" if several else ""),
            unit,
            *bounds,
            definition.format(own=pair.own.adjective, other=pair.other.plural),
        )
        for name, label, unit, bounds, definition in _OF_VIEWS
        for pair in crosstalks(kinds)
    ]
    found += [
        Quantity(
            f"{name}_{kind.key}",
            label.format(own=kind.adjective, cells=kind.plural),
            unit,
            *bounds,
            definition.format(own=kind.adjective, cells=kind.plural),
        )
        for name, label, unit, bounds, definition in _OF_KINDS
        for kind in kinds
    ]
    return {words.name: words for words in found}


# Of T cells and dendritic cells.
LIGHT = light_quantities(USUAL.kinds)


def record_light(views: np.ndarray, labels: np.ndarray, find: Finder | None) -> Light:
    """Looks at the light of a field.

    Args:
      views: uint16 [K, H, W], raw counts, a view a kind of cell.
      labels: int32 [K, H, W], the cells found, 0 outside.
      find: what found them: uint16 [H, W, K] -> masks bool [K, H, W] and labels; None where that
        cannot be asked again.
    """
    cells = tuple(_cell_light(views, own, kind) for kind, own in enumerate(labels))
    noise = tuple(map(pixel_noise, views))
    if find is None:
        return Light(cells, noise, np.zeros((len(views), 2), np.int64))
    fullest = _fullest_part((labels > 0).any(axis=0))
    part = np.ascontiguousarray(np.moveaxis(views, 0, -1)[fullest])
    return Light(cells, noise, _repeat(part, noise, find))


def measure_light(fields: Sequence[Light], kinds: Sequence[Kind] = USUAL.kinds) -> dict[str, float]:
    """Every number of `light_quantities` of a well, from its fields; NaN of too few cells."""
    result = {}
    for kind in kinds:
        numbers = _contrast(fields, kind.view)
        result |= {f"{name}_{kind.key}": value for name, value in numbers.items()}
    for pair in crosstalks(kinds):
        view, source = pair.own.view, pair.other.view
        slope = _all(fields, source, "slopes")[:, view - (view > source)]
        # More light here than in their own view: what shines through from here and was taken for
        # cells there.
        numbers = _crosstalk(slope[slope < 1])
        result |= {f"{name}_{pair.end}": value for name, value in numbers.items()}
    return {name: result.get(name, np.nan) for name in light_quantities(kinds)}


def _crosstalk(slope: np.ndarray) -> dict[str, float]:
    """Crosstalk in percent with its interval, from the slope of each cell; nothing of too few."""
    if len(slope) < MINIMUM_CELLS:
        return {}
    numbers = 100 * np.array(_middle_with_interval(slope))
    return dict(zip(("crosstalk", "crosstalk_low", "crosstalk_high"), map(float, numbers)))


def _contrast(fields: Sequence[Light], view: int) -> dict[str, float]:
    """How the cells of a view stand out, in its masks and in its noise; nothing of too few."""
    contrast, edge = _all(fields, view, "contrast"), _all(fields, view, "edge")
    if len(contrast) < MINIMUM_CELLS:
        return {}
    noise = float(np.mean([field.noise[view] for field in fields]))
    both, either = np.sum([field.repeated[view] for field in fields], axis=0)
    bright = contrast >= max(np.quantile(contrast, 1 - BRIGHTER), np.finfo(np.float32).tiny)
    faint = contrast < FAINT * np.percentile(contrast, BRIGHT)
    return {
        "signal_to_noise": float(np.median(contrast)) / noise if noise else np.nan,
        "repeated_share": percent(both, either) if either else np.nan,
        "edge_share": 100 * float(np.median(edge[bright] / contrast[bright]))
        if bright.any()
        else np.nan,
        "faint_share": percent(np.count_nonzero(faint), len(faint)),
    }


def _all(fields: Sequence[Light], kind: int, name: str) -> np.ndarray:
    return np.concatenate([getattr(field.cells[kind], name) for field in fields])


def _cell_light(views: np.ndarray, labels: np.ndarray, kind: int) -> CellLight:
    boxes = ndimage.find_objects(labels)
    rows = []
    chosen = np.linspace(0, len(boxes) - 1, min(len(boxes), CELLS_A_FIELD)).round().astype(int)
    for number in chosen if boxes else ():
        if boxes[number] is None:
            continue
        box = tuple(slice(max(s.start - MARGIN, 0), s.stop + MARGIN) for s in boxes[number])
        own, around = labels[box] == number + 1, labels[box] == 0
        if np.count_nonzero(own) < LEAST_INSIDE or np.count_nonzero(around) < LEAST_AROUND:
            continue
        counts = views[kind][box].astype(np.float64)
        ground = np.median(counts[around])
        edge = np.median(counts[own & ~_inner(own)])
        seen = own | around
        slopes = [
            _slope(counts[seen], view[box][seen].astype(np.float64))
            for place, view in enumerate(views)
            if place != kind
        ]
        rows.append((counts[own].mean() - ground, edge - ground, *slopes))
    table = np.array(rows, np.float32).reshape(-1, 1 + len(views))
    return CellLight(table[:, 0], table[:, 1], table[:, 2:])


def _slope(light: np.ndarray, other: np.ndarray) -> float:
    """Slope of one view on another over pixels, float [P] each, cells of its own left out.

    Least squares, after pixels that lie far from the line were dropped, twice.
    """
    slope = 0.0
    for trim in range(TRIMS + 1):
        centred = light - light.mean()
        slope = centred @ other / max(centred @ centred, np.finfo(float).tiny)
        residual = other - slope * light
        residual = np.abs(residual - np.median(residual))
        # Counts are whole numbers: within one of the line nothing is far from it.
        kept = residual <= max(FAR * 1.4826 * np.median(residual), 1)
        if trim == TRIMS or np.count_nonzero(kept) < LEAST_AROUND:
            break
        light, other = light[kept], other[kept]
    return float(slope)


def _inner(own: np.ndarray) -> np.ndarray:
    """Pixels whose four neighbours are the cell's too."""
    padded = np.pad(own, 1)
    beside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return own & beside


def _fullest_part(inside: np.ndarray) -> tuple[slice, slice]:
    """Of the squares side by side in a mask, bool [H, W], the one that holds most of it."""
    parts = [
        tuple(slice(corner, corner + REPEATED_SIDE) for corner in corners)
        for corners in product(*(_corners(side) for side in inside.shape))
    ]
    return max(parts, key=lambda part: np.count_nonzero(inside[part]))


def _corners(side: int) -> range:
    return range(0, max(side - REPEATED_SIDE, 0) + 1, REPEATED_SIDE)


def _repeat(views: np.ndarray, noise: Sequence[float], find: Finder) -> np.ndarray:
    """Pixels in both and in either mask, int64 [K, 2], of views and of these with more noise.

    `views` are uint16 [H, W, K].
    """
    # The same at every call, so that a well has the same numbers whenever it is measured.
    random = np.random.default_rng(0)
    # As much noise again: against its noise a view then has as much light as at half the exposure,
    # up to a factor that a threshold relative to noise does not see.
    added = views + random.standard_normal(views.shape, np.float32) * np.float32(noise)
    noisier = np.clip(np.rint(added), 0, np.iinfo(views.dtype).max).astype(views.dtype)
    first, second = find(views)[0], find(noisier)[0]
    both, either = first & second, first | second
    return np.stack([both.sum(axis=(1, 2)), either.sum(axis=(1, 2))], axis=1)


def _middle_with_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Where values, float [n], crowd, and its 95 % interval.

    Cells under which a cell of the other kind lies have slopes of every kind. Those of the others
    agree, and are at least half of all.

    Source: the shorth (Andrews et al. 1972), here the median of the shortest half; Efron and
    Tibshirani 1993 (percentile bootstrap).
    """
    rows = np.random.default_rng(0).integers(len(values), size=(DRAWS, len(values)))
    drawn = _middle_of_shortest_half(values[rows])
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(_middle_of_shortest_half(values[None])[0]), float(low), float(high)


def _middle_of_shortest_half(values: np.ndarray) -> np.ndarray:
    """Median of the half of each row, float [R, n], that spans least; float [R]."""
    ordered = np.sort(values, axis=1)
    half = values.shape[1] // 2 + 1
    spans = ordered[:, half - 1 :] - ordered[:, : values.shape[1] - half + 1]
    middle = spans.argmin(axis=1) + (half - 1) / 2
    rows = np.arange(len(values))
    ends = ordered[rows, np.floor(middle).astype(int)], ordered[rows, np.ceil(middle).astype(int)]
    return np.mean(ends, axis=0)
