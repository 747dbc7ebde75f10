"""Pages that are written from the code when the site is built, so that they cannot disagree."""

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # undone when this file is loaded

from jaxcell.configs.settings import described  # noqa: E402
from jaxcell.measures.catalogue import (  # noqa: E402
    PLACE,
    SHAPES,
    Quantity,
    granularity_step,
    quantities,
)
from jaxcell.measures.light import LIGHT  # noqa: E402

MARKER = re.compile(
    r"<!-- (settings|measures|light|morphology|rooms)(?:: (\w+)(?: unlike (\w+))?)? -->"
)


def on_page_markdown(markdown: str, **kwargs) -> str:
    """Replaces each marker of a page by what the code says."""
    del kwargs
    writers = {
        "settings": _settings,
        "measures": _measures,
        "light": lambda: _words(LIGHT.values()),
        "morphology": _morphology,
        "rooms": _rooms,
    }
    return MARKER.sub(lambda match: writers[match[1]](*filter(None, match.groups()[1:])), markdown)


def _table(heads: str, rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads.split(), ["---"] * len(heads.split()), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _settings(name: str, unlike: str = "") -> str:
    """The settings of a config; those that another one has too, with the same value, left out."""
    other = {row.name: row.value for row in described(unlike)} if unlike else {}
    own = described(name)
    shown = [row for row in own if row.name not in other or other[row.name] != row.value]
    gone = [setting for setting in other if setting not in {row.name for row in own}]
    table = _table(
        "setting value meaning",
        [(f"`{row.name}`", f"`{row.value!r}`", row.meaning) for row in shown],
    )
    return table + (f"\n\nWithout {', '.join(f'`{each}`' for each in gone)}." if gone else "")


def _measures() -> str:
    return _words(quantities().values())


def _morphology() -> str:
    return _words([*SHAPES.values(), *map(granularity_step, (1, 2)), *PLACE.values()])


def _words(shown: Iterable[Quantity]) -> str:
    return _table(
        "column unit meaning",
        [(f"`{one.name}`", one.unit, f"{one.label}: {one.definition}") for one in shown],
    )


def _rooms() -> str:
    """Who may import whom, as tests/test_rooms.py holds it."""
    tree = ast.parse((ROOT / "tests" / "test_rooms.py").read_text())
    wanted = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("GROUND", "ALLOWED")
    ]
    scope: dict = {}
    exec(compile(ast.Module(wanted, []), "rooms", "exec"), scope)
    rows = [
        (f"`{room}`", ", ".join(f"`{name}`" for name in sorted(allowed)) or "nothing")
        for room, allowed in scope["ALLOWED"].items()
    ]
    return _table("room imports", rows)
