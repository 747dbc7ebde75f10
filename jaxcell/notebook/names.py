"""Names that are not there, in the words of an error."""

from collections.abc import Sequence
from difflib import get_close_matches


def not_found(name: str, names: Sequence[str]) -> str:
    """Says what there is in place of a name: `'B2x': there are B02 ... P24; did you mean B02?`

    Args:
      name: as it was given.
      names: that there are, in their order.
    """
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    question = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"'{name}': there are {from_to(names)}{question}"


def from_to(names: Sequence[str]) -> str:
    """All of a few names, the first and the last of many."""
    return ", ".join(names) if len(names) < 10 else f"{names[0]} ... {names[-1]}"
