"""What is wrong with a plate, said to the person at the microscope."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# So many findings of one kind are listed one by one; more become one.
LISTED = 2
# What differs between findings of one kind: which view it is, names in quotes and of files, numbers
# and wells.
DIFFERING = re.compile(
    r"^field \d+, view .*?: |'[^']*'|\(also [^)]*\)|\b[A-Z]{0,2}\d[\d,.]*|view \S+"
)


class Finding(NamedTuple):
    """One problem with the user's files, with its cure.

    Attributes:
      problem: a short fixed name, e.g. 'missing view', by which reports may count.
      plate, well, path: what it belongs to, and the file it was found in; '' where there is none.
      message: what was found, a sentence without its full stop.
      cure: what to do about it, likewise.
      fatal: whether the run stops for it; False for what the user should merely know.
    """

    problem: str
    plate: str
    well: str
    path: str
    message: str
    cure: str
    fatal: bool = True


class BadPlates(ValueError):
    """Plates that cannot be used as they are; its text lists every finding."""

    def __init__(self, findings: Iterable[Finding]):
        self.findings = list(findings)
        heading = f"{len(self.findings)} problem(s) in the plates:"
        super().__init__("\n".join([heading, *map(describe, gathered(self.findings))]))


def describe(finding: Finding) -> str:
    """Returns the finding as one line: `plate well: message [file] -> cure`."""
    place = " ".join(part for part in (finding.plate, finding.well) if part)
    file = f" [{finding.path}]" if finding.path else ""
    return visible(f"{place or 'plates'}: {finding.message}{file} -> {finding.cure}")


def gathered(findings: Iterable[Finding]) -> list[Finding]:
    """Findings for a person to read: of many of one kind the first, and how many more there are."""
    kinds: dict[tuple, list[Finding]] = {}
    for place, finding in enumerate(findings):
        kind = (finding.problem, finding.plate, finding.cure, finding.fatal)
        alike = DIFFERING.sub("", finding.message)
        whole_plate = finding.plate and not finding.well
        kinds.setdefault((*kind, place if whole_plate else alike), []).append(finding)
    return [each for kind in kinds.values() for each in _summary(kind)]


def _summary(kind: Sequence[Finding]) -> Sequence[Finding]:
    if len(kind) <= LISTED:
        return kind
    wells = in_order(finding.well for finding in kind)
    where = f", {len(wells)} wells: {wells[0]} ... {wells[-1]}" if len(wells) > 1 else ""
    return [kind[0]._replace(message=f"{kind[0].message}; {len(kind) - 1} more such{where}")]


def in_order(wells: Iterable[str]) -> list[str]:
    """Names of wells once each, row by row: AA01 comes after Z48."""
    return sorted(set(wells), key=lambda well: (len(well), well))


def visible(text: str) -> str:
    """A text on one line, with the code of each character that cannot be seen in its place."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in line)


def spaced(text: str) -> str:
    """A text with plain spaces alone, none at its ends: other widths look the same."""
    return "".join(" " if unicodedata.category(each) == "Zs" else each for each in text).strip()


def unseen(text: str) -> str:
    """The first character of a text that cannot be seen, by code and name; '' where all can.

    These are control characters, marks of text direction and the like: two names that differ in
    them alone look the same. A space of any width is seen.
    """
    for each in text:
        if not each.isprintable() and unicodedata.category(each) != "Zs":
            return f"U+{ord(each):04X} {unicodedata.name(each, 'a control character')}"
    return ""
