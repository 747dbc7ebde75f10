"""The catalogue: every measure of interaction and of cells, its words and what computes it.

A new measure is a file beside this one, with a `record` of one field and a function that reduces
the records of a well's fields to a number, and an entry in `MEASURES`. Tables of wells, targets of
patches and the report follow from the entry. It is written about T cells and dendritic cells; the
pair of other kinds that a measurement is of takes their place (`renamed`).
"""

import re
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from jaxcell.cells.kinds import KINDS, USUAL, Kind, Pair, Population
from jaxcell.measures import (
    chance,
    colocalisation,
    contacts,
    granularity,
    morphology,
    overlap,
    shifted_contacts,
    truth,
)
from jaxcell.measures.field import CONTACT_UM, NEAR_UM, Field

_IN_CONTACT, _NEAR = f"within {CONTACT_UM:g} µm", f"within {NEAR_UM:g} µm"
_SHIFTS = (
    "no shift and all shifts of one mask by "
    f"{chance.NEAREST_SHIFT_UM:g}-{chance.FARTHEST_SHIFT_UM:g} µm (less in small images)"
)
_SOME_SHIFTS = (
    f"{chance.SOME_SHIFTS} shifts by {chance.NEAREST_SHIFT_UM:g}-{chance.FARTHEST_SHIFT_UM:g} µm "
    "(less in small images)"
)


class Quantity(NamedTuple):
    """What a number is called and what it means.

    Attributes:
      name: in tables and configs.
      label: for an axis, a column or a sentence, without the unit.
      unit: '%', 'µm', 'µm²', 'counts', or '' for a number without one.
      minimum, maximum: what its value cannot pass; None where nothing bounds it.
      definition: in a sentence or two; may be empty.
    """

    name: str
    label: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    definition: str = ""

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two values: that of two percentages is percentage points."""
        return "percentage points" if self.unit == "%" else self.unit

    @property
    def digits(self) -> int:
        """Decimals that tell two values apart: one more for what has no unit, such as Pearson's."""
        return 2 if self.unit else 3


class Measure(NamedTuple):
    """A number of a well, or of a patch.

    Attributes:
      quantity: its words.
      record: gathers what is needed of one field. Measures that share it have it called once.
      reduce: the records of all fields -> the number, in the unit of the quantity; defined for
        fields without cells too.
    """

    quantity: Quantity
    record: Callable[[Field], Any]
    reduce: Callable[[Sequence[Any]], float]


def _beyond_chance(of: Quantity, record: Callable, reduce: Callable) -> tuple[Measure, Measure]:
    """Excess over chance and z of a measure; `reduce` gives both."""
    name = of.name.removesuffix("_share").removesuffix("_um")
    bounds = (of.minimum - of.maximum, of.maximum - of.minimum)
    excess = Quantity(
        f"{name}_excess", f"{of.label} beyond chance", of.unit, *bounds,
        f"{of.definition} Less its mean over {_SOME_SHIFTS} of T cells over dendritic cells.",
    )  # fmt: skip
    z = Quantity(
        f"{name}_z", f"{of.label} against chance (z)", "", None, None,
        f"{excess.label[0].upper()}{excess.label[1:]}, in standard deviations over the shifts.",
    )  # fmt: skip
    return (
        Measure(excess, record, lambda records: reduce(records)[0]),
        Measure(z, record, lambda records: reduce(records)[1]),
    )


def _by_name(*measures: Measure) -> dict[str, Measure]:
    return {measure.quantity.name: measure for measure in measures}


def count(kind: Kind) -> Measure:
    """How many cells of a kind there are."""
    words = Quantity(
        kind.counts, f"number of {kind.plural}", "", 0, None,
        f"Number of {kind.plural}, those cut by the border of an image too.",
    )  # fmt: skip
    return Measure(words, partial(morphology.count, view=kind.view), sum)


# In the order of the columns of wells.csv.
# fmt: off
MEASURES = _by_name(
    Measure(Quantity(
        "iou", "overlap (IoU)", "%", 0, 100,
        "Area in both masks over area in either (Jaccard 1912).",
    ), overlap.record, overlap.iou),
    Measure(Quantity(
        "overlap_share", "overlap share of T cells", "%", 0, 100,
        "Area in both masks over the area of the T-cell mask, as the instrument reports it.",
    ), overlap.record, overlap.overlap_share),
    Measure(Quantity(
        "manders_t_cell", "Manders M1, T cells", "%", 0, 100,
        "Light of the T-cell view in both masks over that in the T-cell mask (Manders 1993).",
    ), partial(colocalisation.record_light, view=0), colocalisation.manders),
    Measure(Quantity(
        "manders_dendritic_cell", "Manders M2, dendritic cells", "%", 0, 100,
        "Light of the dendritic-cell view in both masks over that in the dendritic-cell mask "
        "(Manders 1993).",
    ), partial(colocalisation.record_light, view=1), colocalisation.manders),
    Measure(Quantity(
        "pearson", "Pearson correlation", "", -1, 1,
        "Correlation of the two views' counts over all pixels, about each field's own means.",
    ), colocalisation.record_spread, colocalisation.pearson),
    Measure(Quantity(
        "contact_share", "T cells in contact", "%", 0, 100,
        f"Share of T cells whose edge is {_IN_CONTACT} of a dendritic cell's.",
    ), contacts.record, contacts.contact_share),
    Measure(Quantity(
        "t_cells_per_dendritic_cell", "T cells per dendritic cell", "", 0, None,
        f"Mean number of T cells {_IN_CONTACT} of a dendritic cell, edge to edge.",
    ), contacts.record, contacts.t_cells_per_dendritic_cell),
    Measure(Quantity(
        "contact_length_um", "contact length", "µm", 0, None,
        f"Length of a T cell's outline {_IN_CONTACT} of a dendritic cell, mean over T cells.",
    ), contacts.record, contacts.contact_length_um),
    Measure(Quantity(
        "distance_um", "distance to the nearest dendritic cell", "µm", 0, contacts.MAXIMUM_UM,
        "Edge-to-edge distance of a T cell to its nearest dendritic cell, median over T cells; "
        f"{contacts.MAXIMUM_UM:g} µm stands for that or more, and for no T cells.",
    ), contacts.record, contacts.distance_um),
    Measure(Quantity(
        "near_share", "T cells near a dendritic cell", "%", 0, 100,
        f"Share of T cells whose edge is {_NEAR} of a dendritic cell's.",
    ), contacts.record, contacts.near_share),
    *map(count, KINDS.values()),
    Measure(Quantity(
        "chance_z", "overlap against chance (z)", "", None, None,
        f"Overlap area less its mean over {_SHIFTS}, in standard deviations over these; "
        f"unsteady below some {chance.MINIMUM_CELLS} cells of a kind.",
    ), chance.record, partial(chance.part, name="z")),
    Measure(Quantity(
        "chance_excess", "overlap share beyond chance", "%", -100, 100,
        f"Overlap share of T cells less its mean over {_SHIFTS}.",
    ), chance.record, partial(chance.part, name="excess")),
    Measure(Quantity(
        "chance_p", "p of interaction", "", 0, 1,
        f"Share of {_SHIFTS} with at least the overlap area found.",
    ), chance.record, partial(chance.part, name="p")),
    Measure(Quantity(
        "chance_p_less", "p of avoidance", "", 0, 1,
        f"Share of {_SHIFTS} with at most the overlap area found.",
    ), chance.record, partial(chance.part, name="p_less")),
)
# fmt: on
for _name, _record, _reduce in (
    ("contact_share", shifted_contacts.record, shifted_contacts.contact),
    ("near_share", shifted_contacts.record, shifted_contacts.near),
    ("distance_um", shifted_contacts.record, shifted_contacts.distance),
    ("pearson", colocalisation.record_shifts, colocalisation.pearson_beyond_chance),
):
    MEASURES |= _by_name(*_beyond_chance(MEASURES[_name].quantity, _record, _reduce))
OVERLAP = MEASURES["iou"].quantity


def renamed(text: str, pair: Pair) -> str:
    """A column or words of `MEASURES` with other kinds of cells in place of the usual two."""
    places = {
        theirs: ours
        for usual, own in zip(USUAL.pairs[0][:2], pair[:2])
        for theirs, ours in (
            (usual.one, own.one),
            (usual.plural, own.plural),
            (usual.adjective, own.adjective),
            (usual.singular, own.singular),
            (usual.counts, own.counts),
            (usual.key, own.key),
        )
    }
    longest_first = sorted(places, key=len, reverse=True)
    # All at once: the words of one kind may be those of the other's place.
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: places[found[0]], text)


def in_words_of(words: Quantity, pair: Pair) -> Quantity:
    """A quantity in the words of other kinds of cells; its name, a column, stays."""
    label, definition = renamed(words.label, pair), renamed(words.definition, pair)
    return words._replace(label=label, definition=definition)


def columns_of_pair(pair: Pair) -> dict[str, str]:
    """Every measure of a pair but the counts: its name in `MEASURES` -> its column."""
    counts = {kind.counts for kind in KINDS.values()}
    return {name: pair.prefix + renamed(name, pair) for name in MEASURES if name not in counts}


def quantities(
    contact_um: float = CONTACT_UM, near_um: float = NEAR_UM, population: Population = USUAL
) -> dict[str, Quantity]:
    """The words of all measures of a well, with the distances that were measured with.

    Args:
      contact_um, near_um: as for `record_field`.
      population: which cells are measured.

    Returns:
      Column -> quantity. In the order of `MEASURES` where one pair is asked of; else counts first.
    """
    counts = {kind.counts: count(kind).quantity for kind in population.kinds}
    of_pairs = [_of_pair(pair, contact_um, near_um) for pair in population.pairs]
    if not population.lone_pair:
        return counts | {name: words for some in of_pairs for name, words in some.items()}
    place = list(MEASURES).index(USUAL.kinds[0].counts)
    before = dict(list(of_pairs[0].items())[:place])
    return before | counts | of_pairs[0]


def _of_pair(pair: Pair, contact_um: float, near_um: float) -> dict[str, Quantity]:
    """The words of the measures of a pair, by column."""
    found = {}
    for name, column in columns_of_pair(pair).items():
        words = MEASURES[name].quantity
        text = words.definition.replace(_IN_CONTACT, f"within {contact_um:g} µm")
        text = text.replace(_NEAR, f"within {near_um:g} µm")
        label, definition = renamed(words.label, pair), renamed(text, pair)
        found[column] = words._replace(name=column, label=label, definition=definition)
    return found


# Of one cell, in the table of cells: its shape and light, which targets are means of.
# fmt: off
SHAPES = {words.name: words for words in (
    Quantity("area_um2", "area", "µm²", 0, None, "Number of pixels times the area of a pixel."),
    Quantity("equivalent_diameter_um", "equivalent diameter", "µm", 0, None,
             "Diameter of the disc of the same area."),
    Quantity("major_axis_um", "major axis", "µm", 0, None,
             "Major axis of the ellipse with the same second central moments."),
    Quantity("minor_axis_um", "minor axis", "µm", 0, None,
             "Minor axis of the ellipse with the same second central moments."),
    Quantity("eccentricity", "eccentricity", "", 0, 1,
             "Focal distance over major axis of the ellipse with the same second central moments; "
             "0 a disc, 1 a line."),
    Quantity("solidity", "solidity", "", 0, 1, "Pixels over pixels of the convex hull."),
    Quantity("mean_intensity", "mean intensity", "counts", 0, None,
             "Mean raw count of the cell's pixels."),
    Quantity("integrated_intensity", "integrated intensity", "counts", 0, None,
             "Sum of the raw counts of the cell's pixels."),
    Quantity("intensity_above_background", "intensity above background", "counts", None, None,
             "Integrated intensity less area times the background, the median count outside all "
             "cells."),
)}
# Where it lies and whom it meets.
PLACE = {words.name: words for words in (
    Quantity("y", "row", "px", 0, None, "Mean row of the cell's pixels."),
    Quantity("x", "column", "px", 0, None, "Mean column of the cell's pixels."),
    Quantity("touches_border", "touches the border", "", 0, 1,
             "Whether a pixel of the cell lies on the border of the image."),
    Quantity("contacts", "contacts", "", 0, None,
             "Number of cells of the other kind within the contact distance."),
    Quantity("distance_um", "distance to the nearest dendritic cell", "µm", 0, contacts.MAXIMUM_UM,
             "Of a T cell: edge-to-edge distance to the nearest dendritic cell."),
    Quantity("nearest", "nearest dendritic cell", "", 0, None,
             "Of a T cell: number of that dendritic cell, 0 without one."),
    Quantity("contact_length_um", "contact length", "µm", 0, None,
             "Of a T cell: length of its outline within the contact distance of a dendritic cell."),
)}
# fmt: on


def granularity_step(step: int) -> Quantity:
    """The words of one step of a cell's granularity spectrum, from 1 on."""
    return Quantity(
        f"granularity_{step}",
        f"granularity {step}",
        "%",
        # A little below 0 where resampling smears light into a cell.
        *(None if step == 1 else 0, 100),
        f"Light lost with structures of radius {step / granularity.SUBSAMPLE:g} px, step {step} of "
        "the granularity spectrum as CellProfiler defines it"
        + ("; the background's light is lost here too." if step == 1 else "."),
    )


def _mean(kind: Kind, of: Quantity, record: Callable) -> Measure:
    """The mean of something over the cells of a kind."""
    words = of._replace(
        name=f"{kind.key}_{of.name}",
        label=f"{kind.adjective} {of.label}, mean",
        definition=f"Mean over the {kind.plural} of a patch, 0 without any. {of.definition}",
    )
    return Measure(words, partial(record, view=kind.view), morphology.mean_over_cells)


# Of patches alone: wells have a table of cells.
CELL_MEANS = _by_name(
    *(
        _mean(kind, words, partial(morphology.record, column=name))
        for kind in KINDS.values()
        for name, words in SHAPES.items()
    ),
    *(
        _mean(kind, granularity_step(step), partial(granularity.record, step=step))
        for kind in KINDS.values()
        for step in range(1, granularity.STEPS + 1)
    ),
)
# Of patches whose truth is known, that is of simulated plates: `record` takes a map of the truth.
# fmt: off
TRUTHS = _by_name(
    Measure(Quantity(
        "true_iou", "true overlap (IoU)", "%", 0, 100,
        "Area shared by true T cells and dendritic cells over the area of either (Jaccard 1912).",
    ), truth.record, truth.iou),
    Measure(Quantity(
        "true_overlap_share", "true overlap share of T cells", "%", 0, 100,
        "Area shared by true T cells and dendritic cells over the true area of T cells.",
    ), truth.record, truth.overlap_share),
    Measure(Quantity(
        "true_contact_share", "T cells truly in contact", "%", 0, 100,
        "Share of T cells whose true outline meets or crosses that of a dendritic cell.",
    ), truth.record, truth.contact_share),
    Measure(Quantity(
        "bound_share", "bound T cells", "%", 0, 100,
        "Share of T cells that were bound to a dendritic cell; those that lie by one by chance do "
        "not count, so that no mask shows it.",
    ), truth.record, truth.bound_share),
)
# fmt: on
# The measure that masks give in place of the truth.
BY_MASKS = {
    "true_iou": "iou",
    "true_overlap_share": "overlap_share",
    "true_contact_share": "contact_share",
    "bound_share": "contact_share",
}
# What can be learnt of a patch.
TARGETS: Mapping[str, Measure] = ChainMap(MEASURES, CELL_MEANS, TRUTHS)
