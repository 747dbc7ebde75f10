"""Numbers, counts and lists as text, the same on every page."""

import math
from collections.abc import Sequence

from jaxcell.measures.catalogue import Quantity


def number(value: object, digits: int = 2) -> str:
    """A number as text: a dash for None or NaN, thousands separated, counts without decimals."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    # + 0.0: a small negative number is no −0.00.
    text = f"{value:,}" if isinstance(value, int) else f"{round(value, digits) + 0.0:,.{digits}f}"
    return text.replace("-", "−")


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign, and without one where it rounds to zero."""
    if value is None or round(value, digits) == 0:
        return number(value and abs(value), digits)
    return ("+" if value > 0 else "") + number(value, digits)


def p_value(value: float | None, name: str = "") -> str:
    """A p or q as text, the same everywhere: two significant digits, `< 0.001` below.

    Args:
      value: from 0 to 1; None where there is none.
      name: `p` or `q`, for a sentence.

    Returns:
      `0.44`, `< 0.001` or a dash; with a name, `p = 0.44` or `p < 0.001`.
    """
    if value is None:
        return "–"
    if value < 0.001:
        return f"{name} < 0.001".strip()
    return f"{name} = {value:#.2g}" if name else f"{value:#.2g}"


def count(value: int, one: str, many: str | None = None) -> str:
    """`1 patch`, `2,345 patches`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


# Names in a sentence.
MOST_JOINED = 24


def joined(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of very many the first, and how many others."""
    if len(words) > MOST_JOINED:
        words = [*words[:MOST_JOINED], f"{len(words) - MOST_JOINED:,} others"]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def capital(text: str) -> str:
    """Words that begin a sentence or a column."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """A reason as a sentence of its own."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def reference(target: Quantity) -> str:
    """What predictions are compared with: the truth, or what was measured in its place."""
    return target.label if target.label.startswith("true ") else f"measured {target.label}"


def predicted(target: Quantity) -> str:
    """What is predicted: of a truth, without saying so twice."""
    return f"predicted {target.label.removeprefix('true ')}"


def amount(value: float | None, target: Quantity) -> str:
    """A difference of two values as text, such as `0.30 percentage points`."""
    return f"{number(value, target.digits)} {target.difference_unit}".strip()
