"""Broken and odd files by the thousand: a right result or one clear message, nothing else.

`silent` is a result that is wrong and of which nothing was said; `traceback` an error that is no
sentence for the person at the microscope.
"""

import csv
import io
import json
import random
import string
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile

from jaxcell.experiments.labelling.sheet import COLUMNS, read_sheet
from jaxcell.plates.find import find_images
from jaxcell.plates.findings import Finding, describe
from jaxcell.plates.images import image_shape, read_view
from jaxcell.plates.layouts.results_table import read_results
from jaxcell.plates.layouts.workbook import read_layout
from jaxcell.plates.readers.planes import BadImage
from jaxcell.plates.tables import ROLES, WELL_NAME, read_images, read_wells
from jaxcell.simulator.layout import block_layout
from jaxcell.simulator.layout_workbook import write_workbook
from jaxcell.storage.csv_cells import defused

RIGHT, MESSAGE, SILENT, TRACEBACK = "right", "message", "silent", "traceback"
# Characters of which tables and names go wrong.
ODD = "\0\x07\t\n\r\"',;=+-@$<>&%/\\|éµ中\u202e\u200b\ufeff\u00a0 "


def _count(judge: Callable[[random.Random, Path], str], cases: int, folder: Path) -> Counter:
    """Outcomes over seeded cases; prints the seeds of those that must not be."""
    outcomes: Counter = Counter()
    for seed in range(cases):
        try:
            outcome = judge(random.Random(seed), folder)
        except Exception as error:
            outcome = TRACEBACK
            print(f"{judge.__name__} {seed}: {type(error).__name__}: {error}")
        if outcome == SILENT:
            print(f"{judge.__name__} {seed}: silent")
        outcomes[outcome] += 1
    return outcomes


def _plain(text: str) -> bool:
    """Whether a message is one line that a person can read."""
    return bool(text) and text.isprintable() and "Traceback" not in text


def _judged(findings: list[Finding], sound: bool) -> str:
    if not all(_plain(describe(finding)) for finding in findings):
        return TRACEBACK
    return MESSAGE if findings else RIGHT if sound else SILENT


def tiff_file(draw: random.Random, folder: Path) -> str:
    """A TIFF that is cut, or whose bytes are others."""
    pixels = np.random.default_rng(draw.randrange(9)).integers(0, 4096, (24, 32), dtype=np.uint16)
    how, stream = draw.choice((None, "zlib", "lzw")), io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="minisblack", compression=how)
    whole = bytearray(stream.getvalue())
    kind, path = draw.choice(("cut", "bytes", "appended")), folder / "image.tif"
    with tifffile.TiffFile(io.BytesIO(bytes(whole))) as file:
        page = file.pages.first
        places = list(zip(page.dataoffsets, page.databytecounts))
    inside = {place for start, size in places for place in range(start, start + size)}
    changed = bytearray(whole)
    if kind == "cut":
        del changed[draw.randrange(len(changed)) :]
    elif kind == "appended":
        changed += draw.randbytes(draw.randrange(64))
    else:
        for _ in range(draw.randrange(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    path.write_bytes(changed)
    try:
        found = read_view(path)
        shape = image_shape(path)
    except BadImage as error:
        return MESSAGE if _plain(str(error)) and _plain(error.cure) else TRACEBACK
    if found.dtype != np.uint16 or found.shape != shape:
        return SILENT
    changes = [place for place, (one, other) in enumerate(zip(whole, changed)) if one != other]
    if kind == "bytes" and changes:
        if how or not inside.issuperset(changes):
            return RIGHT  # by the format's rules another TIFF, as sound as this one
        start, size = places[0]
        pixels = np.frombuffer(bytes(changed[start : start + size]), "<u2").reshape(pixels.shape)
    return RIGHT if np.array_equal(found, pixels) else SILENT


def _rows(draw: random.Random) -> list[list[str]]:
    wells = [f"{row}{column:02d}" for row in "BC" for column in range(2, 6)]
    conditions, doses = ("OVA", "ConA", "my drug"), ("", "1.5")
    return [
        ["P1", well, draw.choice(conditions), "", draw.choice(doses), "sample"] for well in wells
    ]


def _spoilt(draw: random.Random, text: str) -> str:
    """A text with a few characters more, fewer or others."""
    for _ in range(draw.randrange(4)):
        place = draw.randrange(len(text) + 1)
        cut = place + draw.randrange(3)
        odd = "".join(draw.choices(ODD + string.ascii_letters + string.digits, k=draw.randrange(3)))
        text = text[:place] + odd + text[cut:]
    return text


def wells_csv(draw: random.Random, folder: Path) -> str:
    """A table of wells in which cells, headings, lines or bytes are others."""
    heading = ["plate", "well", "condition", "compound", "concentration_um", "role"]
    rows = _rows(draw)
    kind = draw.choice(("cell", "heading", "text", "bytes", "twice"))
    if kind == "cell":
        row, column = draw.randrange(len(rows)), draw.randrange(len(heading))
        rows[row][column] = _spoilt(draw, rows[row][column])
    elif kind == "heading":
        heading[draw.randrange(len(heading))] = draw.choice([*heading, "x", ""])
    elif kind == "twice":
        rows.append(draw.choice(rows))
    text = "\n".join(",".join(cells) for cells in [heading, *rows]) + "\n"
    text = _spoilt(draw, text) if kind == "text" else text
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    if kind == "bytes":
        content[draw.randrange(len(content))] = draw.randrange(256)
    path = folder / "wells.csv"
    path.write_bytes(content)
    found, findings = read_wells(path)
    sound = (
        all(WELL_NAME.fullmatch(well) for well in found["well"])
        and set(found["role"]) <= set(ROLES)
        and not found.duplicated(["plate", "well"]).any()
        and all(map(str.isprintable, [*found["plate"], *found["condition"], *found["compound"]]))
        and not (found["condition"].str.casefold() == "all").any()
        and len(found) >= len(rows) - (kind in ("text", "bytes"))
    )
    return _judged(findings, sound)


def results_csv(draw: random.Random, folder: Path) -> str:
    """Another program's table of results in which anything is odd."""
    heading = ["Plate", "Well", "condition", "compound", "Dose [nM]", "role", "value"]
    rows = [[*row, str(number)] for number, row in enumerate(_rows(draw))]
    kind = draw.choice(("cell", "heading", "text", "bytes", "longer", "sound"))
    if kind == "cell":
        row, column = draw.randrange(len(rows)), draw.randrange(len(heading))
        rows[row][column] = _spoilt(draw, rows[row][column])
    elif kind == "heading":
        heading[draw.randrange(len(heading))] = draw.choice([*heading, "x", "", "well"])
    elif kind == "longer":
        rows = [["0", *row] if draw.random() < 0.9 else row for row in rows]
    elif kind == "sound":
        named = draw.choice(("NA", "None", "=1+1", "@x", "007", "1.50"))
        rows = [[*row[:3], named, *row[4:]] for row in rows]
    stream = io.StringIO()
    csv.writer(stream).writerows([map(defused, cells) for cells in [heading, *rows]])
    text = _spoilt(draw, stream.getvalue()) if kind == "text" else stream.getvalue()
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    if kind == "bytes":
        content[draw.randrange(len(content))] = draw.randrange(256)
    path = folder / f"results.{draw.choice(('csv', 'tsv', 'txt'))}"
    path.write_bytes(content)
    try:
        found = read_results(path)
    except ValueError as error:
        return MESSAGE if _plain(str(error)) and path.name in str(error) else TRACEBACK
    names = [str(name) for column in ("plate", "condition", "compound") if column in found
             for name in found[column]]  # fmt: skip
    sound = (
        all(WELL_NAME.fullmatch(well) for well in found["well"])
        and ("role" not in found or set(found["role"]) <= set(ROLES))
        and all(map(str.isprintable, names))
        and len(found) >= len(rows) - (kind in ("text", "bytes"))
        and (kind != "sound" or list(found["compound"]) == [named] * len(rows))
    )
    return RIGHT if sound else SILENT


def results_workbook(draw: random.Random, folder: Path) -> str:
    """A workbook or Parquet file of results whose bytes are others, or that is cut."""
    suffix, stream = draw.choice((".xlsx", ".parquet", ".xls")), io.BytesIO()
    table = pd.DataFrame(
        {"plate": "P1", "well": ["B02", "B03", "C02"], "compound": ["1", "2", "DMSO"], "value": 1.5}
    )
    table.to_parquet(stream) if suffix == ".parquet" else table.to_excel(stream, index=False)
    content = bytearray(stream.getvalue())
    for _ in range(draw.randrange(4)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    if draw.random() < 0.3:
        del content[draw.randrange(len(content)) :]
    path = folder / f"results{suffix}"
    path.write_bytes(content)
    try:
        found = read_results(path)
    except ValueError as error:
        return MESSAGE if _plain(str(error)) and path.name in str(error) else TRACEBACK
    # A flipped byte inside a text of Parquet, which keeps no sums unless asked, may go unseen.
    return RIGHT if list(found["well"].str.len()) == [3, 3, 3] else SILENT


def labelling_sheet(draw: random.Random, folder: Path) -> str:
    """A labelling sheet of which a file was spoilt, or filled in oddly."""
    sheet = folder / "sheet"
    sheet.mkdir(exist_ok=True)
    settings = {"plates": "x", "views": {}, "window": 96, "pixel_um": 0.7, "simulated": True}
    rows = [[str(n), draw.choice(("", "3", "2,5", "7 %")), "", "", "", "", "no", ""]
            for n in (1, 2, 3)]  # fmt: skip
    given = [list(COLUMNS), *rows]
    places = [["P1", "B02", "OVA", 1, 0, 96 * n, "a.tif", "b.tif"] for n in (1, 2, 3)]
    heads = ["patch", "plate", "well", "condition", "field", "y", "x", "t_cell", "dendritic_cell"]
    key = [heads, *([n, *place] for n, place in enumerate(places, 1))]
    separator = draw.choice(",;\t")

    def text(table, separator=","):
        stream = io.StringIO()
        csv.writer(stream, delimiter=separator).writerows(table)
        return stream.getvalue()

    contents = {"answers.csv": text(given, separator), "key.csv": text(key),
                "sheet.json": json.dumps(settings)}  # fmt: skip
    spoilt = draw.choice(("answers.csv", "answers.csv", "key.csv", "sheet.json", ""))
    for name, content in contents.items():
        content = _spoilt(draw, content) if name == spoilt else content
        (sheet / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        found = read_sheet(sheet)
    except ValueError as error:
        return MESSAGE if _plain(str(error)) else TRACEBACK
    iou = found.answers["iou"].to_numpy(float)
    sound = len(found.key) >= 2 and len(iou) == len(found.key) and not (iou > 100).any()
    return RIGHT if sound and not (iou < 0).any() else SILENT


def images_csv(draw: random.Random, folder: Path) -> str:
    """A table of images in which anything is odd."""
    lines = ["plate,well,field,view,path"]
    lines += [f"P1,B{column:02d},1,FITC,b{column}.tif" for column in range(2, 6)]
    path = folder / "images.csv"
    path.write_bytes(_spoilt(draw, "\n".join(lines) + "\n").encode("utf-8", "surrogatepass"))
    found, findings = read_images(path)
    named = [*found["plate"], *found["view"]]
    return _judged(findings, all(map(str.isprintable, named)) and (found["field"] >= 0).all())


def workbook(draw: random.Random, folder: Path) -> str:
    """A layout workbook with odd cells, or with bytes or parts that are others."""
    path = folder / "SIM01 plate layout.xlsx"
    path.unlink(missing_ok=True)
    wells = block_layout(3, 6, ["Unstimulated", "OVA", "ConA"], (10.0,))
    write_workbook(path, "SIM01", wells)
    if draw.random() < 0.5:
        book = openpyxl.load_workbook(path)
        sheet = book.worksheets[0]
        for _ in range(draw.randrange(1, 4)):
            cell = draw.choice([cell for row in sheet.iter_rows() for cell in row])
            value = draw.choice(("=1+1", "x", 7, -1.5, True, None, "OVA", "µ" * 300, "$a$", "<b>"))
            if not isinstance(cell, openpyxl.cell.cell.MergedCell):
                cell.value = value
        book.save(path)
    else:
        content = bytearray(path.read_bytes())
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        for _ in range(draw.randrange(1, 5)):
            if content:
                content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
    found, findings = read_layout(path)
    fatal = [finding for finding in findings if finding.fatal]
    return _judged(findings, bool(fatal) or not found.duplicated(["plate", "well"]).any())


def file_name(draw: random.Random, folder: Path) -> str:
    """An image whose name is odd: it is of a plate and well, or it is said that it is not."""
    name = _spoilt(draw, "CK19 - B - 02(fld 1 wv FITC - FITC)") + ".tif"
    name = name.replace("/", "").replace("\0", "")
    home = folder / "names"
    home.mkdir(exist_ok=True)
    path = home / name
    if len(name.encode()) > 255 or name.startswith("."):
        return RIGHT
    path.write_bytes(b"x")
    try:
        found, findings = find_images(home)
    finally:
        path.unlink()
    if len(found) + len(findings) != 1:
        return SILENT
    return _judged(findings, all(map(str.isprintable, [*found["plate"], *found["view"]])))


JUDGES = {
    tiff_file: 250, wells_csv: 400, images_csv: 200, workbook: 25, file_name: 300,
    results_csv: 200, results_workbook: 60, labelling_sheet: 100,
}  # fmt: skip
# A slow run has so many times the cases: more than 10,000 in all.
MANY = 10


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
def test_a_right_result_or_one_clear_message(judge, tmp_path):
    outcomes = _count(judge, JUDGES[judge], tmp_path)
    print(judge.__name__, dict(outcomes))
    assert outcomes[SILENT] == outcomes[TRACEBACK] == 0
    assert outcomes[MESSAGE] > 0 and outcomes[RIGHT] > 0


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
def test_a_right_result_or_one_clear_message_ten_thousand_times(judge, tmp_path):
    outcomes = _count(judge, MANY * JUDGES[judge], tmp_path)
    print(judge.__name__, dict(outcomes))
    assert outcomes[SILENT] == outcomes[TRACEBACK] == 0


def test_a_small_archive_that_unpacks_to_very_much_is_refused(tmp_path):
    path = tmp_path / "P1 layout.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b" " * 50_000_000)
    found, findings = read_layout(path)
    assert found.empty and findings and all(_plain(describe(finding)) for finding in findings)


def test_names_that_a_spreadsheet_runs_are_text_everywhere():
    for name in ("=cmd|' /C calc'!A0", "@SUM(1+1)", "+1", "-2+3", "\t=1"):
        assert defused(name)[0] == "'"
