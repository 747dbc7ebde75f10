"""The catalogue of measures of interaction: names, units and definitions."""

from typing import NamedTuple

from jaxcell.measures.chance import FARTHEST_SHIFT_UM, MINIMUM_CELLS, NEAREST_SHIFT_UM

CONTACT_UM = 1.5  # two pixels of the laboratory's microscope between the edges of two masks
NEAR_UM = 20.0  # about the width of one T cell and one dendritic cell
MAXIMUM_UM = 100.0  # distances are looked for, and reported, up to this
_SHIFTS = (
    "no shift and all shifts of one mask by "
    f"{NEAREST_SHIFT_UM:g}-{FARTHEST_SHIFT_UM:g} µm (less in small images)"
)


class Measure(NamedTuple):
    """What a measure is called and what it means.

    Attributes:
      label: for an axis or a column, without the unit.
      unit: '%', 'µm', 'µm²', 'counts', or '' for a number without one.
      minimum, maximum: what its value cannot pass; None where nothing bounds it.
      definition: one sentence.
    """

    label: str
    unit: str
    minimum: float | None
    maximum: float | None
    definition: str


def _share(label: str, definition: str) -> Measure:
    return Measure(label, "%", 0, 100, definition)


def describe_measures(
    contact_um: float = CONTACT_UM, near_um: float = NEAR_UM
) -> dict[str, Measure]:
    """The catalogue, with the distances that were measured with in its definitions.

    Args:
      contact_um, near_um: as for `record_field` and `measure_well`.

    Returns:
      name -> measure.
    """
    return {
        "iou": _share("overlap (IoU)", "Area in both masks over area in either (Jaccard 1912)."),
        "overlap_share": _share(
            "overlap / T-cell area",
            "Area in both masks over the area of the T-cell mask, as the instrument reports it.",
        ),
        "manders_t_cell": _share(
            "Manders M1, T cells",
            "Light of the T-cell view in both masks over that in the T-cell mask (Manders 1993).",
        ),
        "manders_dendritic_cell": _share(
            "Manders M2, DCs",
            "Light of the DC view in both masks over that in the DC mask (Manders 1993).",
        ),
        "pearson": Measure(
            *("Pearson correlation", "", -1, 1),
            "Correlation of the two views' counts over all pixels, about each field's own means.",
        ),
        "contact_share": _share(
            "T cells in contact",
            f"Share of T cells whose edge is within {contact_um:g} µm of a DC's.",
        ),
        "t_cells_per_dendritic_cell": Measure(
            *("T cells per DC", "", 0, None),
            f"Mean number of T cells within {contact_um:g} µm of a DC, edge to edge.",
        ),
        "contact_length_um": Measure(
            *("contact length", "µm", 0, None),
            f"Length of a T cell's outline within {contact_um:g} µm of a DC, mean over T cells.",
        ),
        "distance_um": Measure(
            *("distance to the nearest DC", "µm", 0, MAXIMUM_UM),
            f"Edge-to-edge distance of a T cell to its nearest DC, median over T cells; "
            f"{MAXIMUM_UM:g} µm stands for that or more, and for no T cells.",
        ),
        "near_share": _share(
            "T cells near a DC",
            f"Share of T cells whose edge is within {near_um:g} µm of a DC's.",
        ),
        "chance_z": Measure(
            *("overlap against chance (z)", "", None, None),
            f"Overlap area less its mean over {_SHIFTS}, in standard deviations over these; "
            f"unsteady below some {MINIMUM_CELLS} cells of a type.",
        ),
        "chance_excess": Measure(
            *("overlap beyond chance", "%", -100, 100),
            f"Overlap / T-cell area less its mean over {_SHIFTS}.",
        ),
    }


MEASURES = describe_measures()


class Target(NamedTuple):
    """The measure of interaction that is predicted, in words.

    Attributes:
      name: as the config names it.
      label: what a reader calls it, such as `overlap`.
      unit: `%`, `µm`, ...; empty where it has none.
      definition: in a sentence; may be empty.
      minimum, maximum: what its value cannot pass; None where nothing bounds it.
    """

    name: str
    label: str
    unit: str
    definition: str = ""
    minimum: float | None = None
    maximum: float | None = None

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two values: that of two percentages is points."""
        return "points" if self.unit == "%" else self.unit

    @property
    def digits(self) -> int:
        """Decimals that tell two values apart: one more for what has no unit, such as Pearson's."""
        return 2 if self.unit else 3


OVERLAP = Target(
    "iou",
    "overlap",
    "%",
    "Overlap is the share of pixels in either cell mask that lie in both, in percent.",
    0.0,
    100.0,
)
