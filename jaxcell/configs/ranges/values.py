"""What a setting may be: numbers, words, tuples of them, each with what a message says of it."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Range(NamedTuple):
    """What a setting may be.

    Attributes:
      words: for a message, after "use": "a whole number from 1 to 64, pixels".
      fits: whether a value is of it.
      optional: whether a config may be without the setting.
    """

    words: str
    fits: Callable[[Any], bool]
    optional: bool = False


def whole(low: int, high: int, unit: str = "") -> Range:
    """Whole numbers, both ends included."""
    return Range(
        f"a whole number from {low} to {high}{_of(unit)}",
        lambda value: type(value) is int and low <= value <= high,
    )


def number(low: float, high: float, unit: str = "", *, without_ends: bool = False) -> Range:
    """Finite numbers, both ends included unless `without_ends`."""

    def fits(value: Any) -> bool:
        if type(value) not in (int, float) or not math.isfinite(value):
            return False
        return low < value < high if without_ends else low <= value <= high

    span = f"above {low:g} and below {high:g}" if without_ends else f"from {low:g} to {high:g}"
    return Range(f"a number {span}{_of(unit)}", fits)


def true_or_false() -> Range:
    """True or False."""
    return Range("True or False", lambda value: type(value) is bool)


def one_of(*words: str) -> Range:
    """Words of a list."""
    return Range(_joined(words), lambda value: type(value) is str and value in words)


def text(what: str, *, empty: bool = False) -> Range:
    """Text on one line, without blanks at its ends."""

    def fits(value: Any) -> bool:
        return type(value) is str and value == value.strip() and value.isprintable()

    return Range(
        f"{what}, as text on one line{' or empty' if empty else ''}",
        lambda value: fits(value) and (empty or value != ""),
    )


def several(each: Range, least: int, most: int, *, distinct: bool = False) -> Range:
    """Tuples whose items are of a range, from `least` to `most` of them."""
    count = str(least) if least == most else f"{least} to {most}"
    words = f"a tuple of {count} of: {each.words}{'; each once' if distinct else ''}"

    def fits(value: Any) -> bool:
        # A config read back from JSON has lists.
        if not isinstance(value, tuple | list) or not least <= len(value) <= most:
            return False
        return all(map(each.fits, value)) and not (distinct and len(set(value)) < len(value))

    return Range(words, fits)


def optional(fields: Mapping[str, Range]) -> dict[str, Range]:
    """The same fields, which a config may be without."""
    return {name: range_._replace(optional=True) for name, range_ in fields.items()}


def _of(unit: str) -> str:
    return f", {unit}" if unit else ""


def _joined(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def shown(value: Any) -> str:
    """A value as a message shows it."""
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
