"""All that is asked of a screen: are controls told apart, what acts, and how sure is that."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.screening import counts as cell_counts
from jaxcell.analysis.screening.doses import Response, respond
from jaxcell.analysis.screening.empty import empty_wells
from jaxcell.analysis.screening.hits import Hits, call, compare, in_series, places_of
from jaxcell.analysis.screening.position import LineTest, line_tests
from jaxcell.analysis.screening.quality import plate_quality
from jaxcell.analysis.screening.replicates import agreement
from jaxcell.analysis.screening.scale import Scale, choose_scale
from jaxcell.analysis.screening.selectivity import beside_counts
from jaxcell.measures.catalogue import Quantity

# Measures of which a smaller value means more interaction.
LESS_IS_MORE = ("distance_um",)
# Rows and columns of the plates that there are, smallest first.
PLATE_SIZES = {96: (8, 12), 384: (16, 24)}
# Share of the wells inside the rim of a small plate, from which wells within it are all there are.
SHARE_OF_INNER = 0.9


class Screened(NamedTuple):
    """What a screen came to.

    Attributes:
      scale: on which wells were compared.
      hits: of the measure.
      counts: column of counts -> the same of the counts.
      effects: one row a compound, dose and condition, see `compare` and `with_counts`, with `call`.
      quality: as `plate_quality`.
      agreement: as `replicates.agreement`.
      lines: plate -> as `line_tests`.
      empty: as `empty_wells`.
      curves: one a dose series.
      of_counts: column of counts -> the same of the counts; without draws.
      series: one row a dose series: `Response.row` and, of each count, NAME_ with `answer`,
        `half_um`, `half_um_low`, `half_um_high` and what `beside_counts` gives.
    """

    scale: Scale
    hits: Hits
    counts: dict[str, Hits]
    effects: pd.DataFrame
    quality: list[dict]
    agreement: list[dict]
    lines: dict[str, dict[str, LineTest]]
    empty: dict
    curves: list[Response]
    of_counts: dict[str, list[Response]]
    series: pd.DataFrame


def screen(
    wells: pd.DataFrame,
    measure: Quantity,
    counts: Sequence[str] = (),
    *,
    correct: bool = True,
    seed: int = 0,
) -> Screened:
    """Asks everything of a screen.

    Args:
      wells: plate, well, row, column (from 1), condition, compound, concentration_um (µM), role,
        the measure and the counts, one row a well.
      measure: the words of the column that is screened; its name is the column's.
      counts: columns of counts of cells, the first kind first.
      correct: whether wells are freed of what they owe to their place.
      seed: of all draws.

    Raises:
      ValueError: nothing can be compared.
    """
    wells = wells.assign(edge=at_the_edge(wells))
    scale = choose_scale(wells[measure.name].to_numpy(), measure.minimum, measure.maximum)
    hits = compare(wells, measure.name, scale, correct=correct)
    if hits.effects.empty:
        why = "; ".join(hits.reasons) or "no well of a compound has a value"
        raise ValueError(f"no compound can be compared with controls: {why}")
    of_cells = cell_counts.compare_counts(wells, list(counts), correct=correct)
    effects = cell_counts.with_counts(hits, of_cells)
    less_is_more = measure.name in LESS_IS_MORE
    calls = [call(*pair, less_is_more) for pair in zip(effects["effect"], effects["q"])]
    table = hits.wells
    curves, of_counts, series = _series(hits, of_cells, scale, measure, seed)
    # A row of a dose plate is a compound, a column a dose: only replicates and controls tell.
    series_groups = in_series(table)
    return Screened(
        scale=scale,
        hits=hits,
        counts=of_cells,
        effects=effects.assign(call=calls),
        quality=plate_quality(wells, measure.name, seed=seed),
        agreement=agreement(table, seed=seed),
        lines={
            plate: line_tests(own["scaled"].to_numpy(), places_of(own, series_groups))
            for plate, own in table.groupby("plate")
        },
        empty=empty_wells(wells, measure.name, list(counts)),
        curves=curves,
        of_counts=of_counts,
        series=series,
    )


def _series(
    hits: Hits, counts: dict[str, Hits], scale: Scale, measure: Quantity, seed: int
) -> tuple[list[Response], dict[str, list[Response]], pd.DataFrame]:
    """Dose series of the measure, each beside those of the counts of its wells."""
    bounds = measure.minimum, measure.maximum
    curves = respond(hits, scale, bounds, seed=seed)
    table, of_counts = pd.DataFrame([item.row for item in curves]), {}
    pairs = {(item.series.condition, item.series.compound): item for item in curves}
    for number, (name, found) in enumerate(counts.items(), 1) if curves else ():
        own = respond(found, found.scale, (0, None), seed=seed + number, beside=pairs)
        rows = {(item.series.condition, item.series.compound): item.row for item in own}
        said = pd.DataFrame(beside_counts(curves, own)).add_prefix(f"{name}_")
        for column in ("answer", "half_um", "half_um_low", "half_um_high"):
            values = [rows.get(pair, {}).get(column) for pair in pairs]
            said.insert(0, f"{name}_{column}", values)
        table = table.join(said)
        of_counts[name] = [item._replace(noise=None, draws=None) for item in own]
    return [item._replace(noise=None) for item in curves], of_counts, table


def at_the_edge(wells: pd.DataFrame) -> np.ndarray:
    """Whether each well is in the outermost row or column of its physical plate, bool [N].

    A plate has 384 wells unless all it holds lies in those of 96 and nearly fills them, with their
    rim or without.

    Args:
      wells: plate, row, column (from 1).
    """
    result = np.zeros(len(wells), bool)
    for _, own in wells.reset_index(drop=True).groupby("plate"):
        rows, columns = PLATE_SIZES[96]
        inside = (own["row"] <= rows).all() and (own["column"] <= columns).all()
        enough = len(own) >= SHARE_OF_INNER * (rows - 2) * (columns - 2)
        height, width = PLATE_SIZES[96 if inside and enough else 384]
        edge = own["row"].isin((1, height)) | own["column"].isin((1, width))
        result[own.index] = edge.to_numpy()
    return result
