"""What is wrong with a plate, said to the person at the microscope."""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple


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
        super().__init__("\n".join([heading, *map(describe, self.findings)]))


def describe(finding: Finding) -> str:
    """Returns the finding as one line: `plate well: message [file] -> cure`."""
    place = " ".join(part for part in (finding.plate, finding.well) if part)
    file = f" [{finding.path}]" if finding.path else ""
    return visible(f"{place or 'plates'}: {finding.message}{file} -> {finding.cure}")


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
