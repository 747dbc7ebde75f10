"""Which wells are lit so that their masks are in doubt, and what to do about it.

The limits were set on simulated plates; docs/results/light.md says how often each warns.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures.light import crosstalks

# Of the other view's light, in percent: crosstalk is warned of where its interval lies above.
CROSSTALK = 2.0
# Of a mask that half the light repeats, in percent: below, a third of it comes and goes with noise.
REPEATED = 100 * 2 / 3
# Light at the edge of a mask in percent of its cells' own: below, the threshold lies in the skirts
# of the light. By the instrument's protocol it is 20 to 60 in usual light.
EDGE = 15.0
# Cells that hardly shine, in percent of those found.
FAINT = 5.0
# A problem -> the column of `light.LIGHT`, without its kind, that it is mostly judged by.
PROBLEMS = {"crosstalk": "crosstalk", "dim light": "repeated_share", "no contrast": "edge_share"}


class Doubt(NamedTuple):
    """A well whose light puts a mask in doubt.

    Attributes:
      problem: of `PROBLEMS`.
      plate, well: where.
      kind: of the cells whose mask it is.
      message: what was found, a sentence without its full stop.
      cure: what to do, likewise.
    """

    problem: str
    plate: str
    well: str
    kind: str
    message: str
    cure: str


def doubts(wells: Sequence[Mapping], kinds: Sequence[Kind] = USUAL.kinds) -> list[Doubt]:
    """Says which wells are in doubt for their light.

    Args:
      wells: plate, well and every number of `light_quantities`; NaN is not in doubt.
      kinds: of cells in them.

    Returns:
      Doubts in the order of `PROBLEMS`, of kinds and of wells.
    """
    found = [
        Doubt(problem, well["plate"], well["well"], kind.key, message, cure)
        for well in wells
        for kind in kinds
        for problem, message, cure in (
            *_crosstalk(well, kind, kinds), *_of_view(well, kind)
        )
    ]  # fmt: skip
    problems, order = list(PROBLEMS), [kind.key for kind in kinds]
    return sorted(found, key=lambda one: (problems.index(one.problem), order.index(one.kind)))


def _crosstalk(well: Mapping, own: Kind, kinds: Sequence[Kind]) -> Iterator[tuple[str, str, str]]:
    """Problem, message and cure of the light of other kinds in the view of one."""
    for _, other, end in (pair for pair in crosstalks(kinds) if pair.own.key == own.key):
        low, high = well[f"crosstalk_low_{end}"], well[f"crosstalk_high_{end}"]
        if low > CROSSTALK:
            yield (
                "crosstalk",
                f"{well[f'crosstalk_{end}']:.1f} % of the light of {other.plural} shows in the "
                f"{own.adjective} view (95 % interval {low:.1f} to {high:.1f} %)",
                f"look at a well with {other.plural} alone, excite the dyes one after the other or "
                f"narrow the filter; until then some {own.plural} may be {other.plural}",
            )


def _of_view(well: Mapping, own: Kind) -> Iterator[tuple[str, str, str]]:
    """Problem, message and cure of each other doubt about the mask of one kind of cells."""
    kind = own.key
    repeated, signal = well[f"repeated_share_{kind}"], well[f"signal_to_noise_{kind}"]
    if repeated < REPEATED:
        yield (
            "dim light",
            f"half the light would repeat only {repeated:.0f} % of the mask of {own.plural}, which "
            f"stand {signal:.0f} times the noise above their surroundings",
            "expose longer or stain more strongly; until then cells near the threshold come and go "
            "with noise",
        )
    edge, faint = well[f"edge_share_{kind}"], well[f"faint_share_{kind}"]
    if edge < EDGE or faint > FAINT:
        yield (
            "no contrast",
            f"the edge of {own.plural} has {edge:.0f} % of their light, and {faint:.0f} % of those "
            "found hardly shine",
            "the masks reach too far: look at the outlines, and find cells by another "
            "dataset.mask_method or by a U-Net",
        )


def summary(found: Sequence[Doubt]) -> str:
    """All doubts in a few lines for the terminal: of each problem in which wells."""
    lines = []
    for problem in PROBLEMS:
        places = [f"{one.plate} {one.well}" for one in found if one.problem == problem]
        places = list(dict.fromkeys(places))
        if places:
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            lines.append(f"{problem} in {len(places)}: {', '.join(places[:3])}{more}")
    return "\n".join(lines)
