"""The fill colours of a layout workbook, and the stimulation they stand for."""

import colorsys
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from openpyxl.cell import Cell
from openpyxl.styles.colors import COLOR_INDEX, Color

from jaxcell.plates.findings import Finding
from jaxcell.plates.tables import canonical_condition

RGB = tuple[int, int, int]
# The XML lists dark before light, but a cell's theme number counts light before dark.
THEME_ORDER = ("lt1", "dk1", "lt2", "dk2", *(f"accent{number}" for number in range(1, 7)))
# Hue in degrees up to which a name reaches; red begins again at 345.
HUES = (
    (15, "red"), (38, "orange"), (52, "gold"), (65, "yellow"), (165, "green"), (190, "turquoise"),
    (255, "blue"), (300, "purple"), (345, "pink"), (360, "red"),
)  # fmt: skip
# Lightness above which a fill is none.
WHITE = 0.98
SYNONYMS = {"violet": "purple", "gray": "grey", "cyan": "turquoise", "magenta": "pink"}
LEGEND = re.compile(r"(?P<condition>[^=]+?)\s*=\s*(?P<colours>[a-z ,&/]+)", re.IGNORECASE)


class Legend(NamedTuple):
    """What a sheet says about one colour: the condition, and the cell that says so."""

    condition: str
    cell: str


def theme_colours(xml: bytes | None) -> list[RGB]:
    """Returns the colours of a workbook's theme part in the order in which cells number them."""
    if not xml:
        return []
    scheme = next(node for node in ElementTree.fromstring(xml).iter() if _tag(node) == "clrScheme")
    # A system colour ('windowText') has its value in `lastClr`, any other in `val`.
    values = {_tag(node): node[0].get("lastClr") or node[0].get("val") for node in scheme}
    return [_from_hex(values[name]) for name in THEME_ORDER]


def fill_colour(cell: Cell, theme: list[RGB]) -> RGB | None:
    """Returns the colour a cell is filled with, None for no fill or a white one."""
    if cell.fill is None or cell.fill.fill_type is None:
        return None
    rgb = _resolve(cell.fill.fgColor, theme)
    if rgb is None:
        return None
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in rgb))
    tint = cell.fill.fgColor.tint
    # ECMA-376 part 1, 18.3.1.19: tint moves the lightness towards black or towards white.
    lightness = lightness * (1 + tint) if tint < 0 else lightness * (1 - tint) + tint
    if lightness > WHITE:
        return None
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def is_white(rgb: RGB) -> bool:
    """Whether a colour is one of paper."""
    return colorsys.rgb_to_hls(*(value / 255 for value in rgb))[1] > WHITE


def colour_name(rgb: RGB) -> str:
    """Names a colour by its hue, whatever its lightness; 'grey' where it has almost none."""
    hue, _, saturation = colorsys.rgb_to_hls(*(value / 255 for value in rgb))
    if saturation < 0.1:
        return "grey"
    return next(name for limit, name in HUES if hue * 360 <= limit)


def read_legend(texts: Iterable[tuple[str, str]]) -> dict[str, Legend]:
    """Finds what the colours of a sheet mean, e.g. 'pOVA = blue and orange'; by colour name.

    `texts` are the names and texts of all cells outside the grid. A colour claimed for two
    conditions is left out, so that the cells of this colour stay unread and are reported.
    """
    claims: dict[str, set[Legend]] = {}
    for cell, text in texts:
        match = LEGEND.fullmatch(text.strip())
        condition = canonical_condition(match["condition"]) if match else None
        for part in re.split(r",|&|/|\band\b", match["colours"]) if condition else ():
            if part.strip():
                name = part.split()[-1].casefold()
                claims.setdefault(SYNONYMS.get(name, name), set()).add(Legend(condition, cell))
    unique = {name: legends for name, legends in claims.items() if len(legends) == 1}
    return {name: legends.pop() for name, legends in unique.items()}


def conditions_of_fills(
    fills: Mapping[RGB, str], legend: Mapping[str, Legend]
) -> tuple[dict[RGB, str], list[Finding]]:
    """Finds the condition each fill colour stands for, and says what matched by elimination or not.

    Colours match by the name of their hue. If then exactly one fill and exactly one name of the
    legend are left over, they belong to each other; of more than one nothing can be said.
    `fills` has the cells filled so, in words.
    """
    names = {fill: colour_name(fill) for fill in fills}
    known = {fill: legend[name].condition for fill, name in names.items() if name in legend}
    strange = [fill for fill in fills if fill not in known]
    unused = [name for name in legend if name not in names.values()]
    if not strange:
        return known, []
    fill = strange[0]
    if len(strange) == len(unused) == 1:
        name, (condition, cell) = unused[0], legend[unused[0]]
        message = (
            f"cells {fills[fill]} are {names[fill]}, which no legend names; '{name}' ({cell}) is "
            f"the only colour that no cell has, so they were read as {condition}"
        )
        cure = "check it, and colour the cells as the legend says"
        finding = Finding("colour by elimination", "", "", "", message, cure, fatal=False)
        return known | {fill: condition}, [finding]
    cells = "; ".join(f"{fills[fill]} {names[fill]}" for fill in strange)
    left = ", ".join(f"{name} ({legend[name].cell})" for name in unused) or "none"
    message = f"no legend says what these colours mean: {cells} (colours on no cell: {left})"
    cure = "name each colour in the legend, as in 'ConA = purple and green'"
    return known, [Finding("unreadable colour", "", "", "", message, cure)]


def _resolve(colour: Color, theme: list[RGB]) -> RGB | None:
    """A colour without its tint; None where the workbook does not state it."""
    if colour.type == "theme":
        return theme[colour.theme] if colour.theme < len(theme) else None
    if colour.type == "indexed":
        # 64 and 65 are the system's own text and window colours: no fill.
        return _from_hex(COLOR_INDEX[colour.indexed]) if colour.indexed < 64 else None
    return _from_hex(colour.rgb)


def _from_hex(text: str) -> RGB:
    """Reads 'RRGGBB' or 'AARRGGBB'."""
    return tuple(int(text[-6:][start : start + 2], 16) for start in (0, 2, 4))


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]
