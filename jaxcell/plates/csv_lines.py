"""Lines of a CSV file, however a program or a country writes one."""

import codecs
import csv
import io
from pathlib import Path
from typing import NamedTuple

# Marks that begin a file, and the encoding that each stands for.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEPARATORS = ",;\t"
# Bytes in which a line of headings ends.
BEGINNING = 2**16


class Lines(NamedTuple):
    """What a CSV file holds.

    Attributes:
      headings: cells of the first line that says something, without the spaces round them.
      rows: number of the line, from 1, and cells, of every further line that says something.
      separator: what stands between cells.
    """

    headings: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str


def read_lines(path: Path) -> Lines:
    """Reads a CSV file in UTF-8 or UTF-16, separated by comma, semicolon or tab.

    Raises:
      OSError, UnicodeError, csv.Error: it cannot be read, or its encoding is another.
    """
    text = decoded(path)
    separator = separator_of(text)
    # A file's own line ends: `str.splitlines` knows ten more.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    headings = [heading.strip() for heading in rows[0][1]] if rows else []
    return Lines(headings, rows[1:], separator)


def read_headings(path: Path) -> list[str]:
    """The headings of a CSV file, by its beginning alone; as `read_lines`."""
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    encoding = encoding_of(beginning)
    text = beginning.decode(encoding, errors="ignore")  # a character may be cut in two
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    first = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
    return [heading.strip() for heading in first]


def decoded(path: Path) -> str:
    """The text of a file, by the mark it begins with; UTF-8 without one."""
    content = path.read_bytes()
    return content.decode(encoding_of(content))


def encoding_of(content: bytes) -> str:
    """Name of the encoding that the mark at the beginning stands for; UTF-8 without one."""
    return next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")


def separator_of(text: str) -> str:
    """What separates the cells of a text, by its first line that says something."""
    lines = (line for line in text.splitlines() if line.strip(SEPARATORS + " \ufeff"))
    return max(SEPARATORS, key=next(lines, "").count)
