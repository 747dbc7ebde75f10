"""The table that ends a command on the terminal."""

from collections.abc import Mapping
from pathlib import Path

# Characters of the rules above and below: as long as the longest line, but no longer than this.
WIDEST_RULE = 100


def closing_table(lines: Mapping[str, str], page: Path | None, seconds: float) -> str:
    """What a command came to.

    Args:
      lines: name -> text, which may have several lines; see `summary_lines` of each report.
      page: path of the report's page; None where the command writes none.
      seconds: what the command took.

    Returns:
      Lines of text, for a terminal; the last two tell the time and where the report is.
    """
    sections = {**lines, "time": f"{round(seconds) // 60} min {round(seconds) % 60} s"}
    if page is not None:
        sections["report"] = str(page)
    width = max(map(len, sections))
    table = [
        f"{name if number == 0 else '':<{width}}  {line}"
        for name, text in sections.items()
        for number, line in enumerate(text.split("\n"))
    ]
    rule = "-" * min(max(map(len, table)), WIDEST_RULE)
    return "\n".join(["", rule, *table, rule])
