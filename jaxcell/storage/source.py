"""What a result is of, so that one of other plates never takes its place unnoticed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxcell.storage.atomic import write

FILE = "source.json"


def source_of(plates: str, content: str = "") -> dict:
    """What is kept of the plates that a result is of.

    Args:
      plates: their folder; empty: simulated ones.
      content: digest of all that lies in it, if known.

    Returns:
      `folder`, its name; `place`, a digest of its path, which says nothing of the machine;
      `content`.
    """
    place = Path(plates).resolve() if plates else Path("simulated")
    digest = hashlib.sha256(str(place).encode()).hexdigest()[:12]
    return {"folder": place.name, "place": digest, "content": content}


def refuse_other(result: Path, old: dict | None, new: dict) -> None:
    """Refuses to replace a result of other plates.

    Plates that were moved are the same by content; plates that lie in the same place and were
    added to are the same by place.

    Args:
      result: folder of the result.
      old: what it is of, as `source_of` gives it; None where that is not known.
      new: what is to take its place.

    Raises:
      ValueError: they are of other plates.
    """
    if old is None or old["place"] == new["place"]:
        return
    if not (old["content"] and old["content"] == new["content"]):
        raise ValueError(_refusal(result, old["folder"]))


def check_source(folder: Path, plates: str, others: Callable[[], Sequence[str]]) -> None:
    """Refuses to go on in a folder whose kept parts are of other plates.

    Args:
      folder: of the results.
      plates: folder of the plates.
      others: names kept parts that these plates would replace or leave out; called only where the
        plates lie elsewhere than before, since it may read them all.

    Raises:
      ValueError: there are such parts.
    """
    old = read_source(folder / FILE)
    if old is None or old["place"] == source_of(plates)["place"]:
        return
    if kept := others():
        raise ValueError(f"{_refusal(folder, old['folder'])} (it holds, for one, {kept[0]})")


def note_source(folder: Path, plates: str) -> None:
    """Notes in a folder of results what they are of."""
    write(folder / FILE, source_of(plates))


def read_source(path: Path, key: str = "") -> dict | None:
    """What a result says that it is of.

    Args:
      path: of a JSON file.
      key: where in it, if not everywhere.

    Returns:
      As `source_of`; None where it says nothing.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = found.get(key) if key and isinstance(found, dict) else found
    known = isinstance(found, dict) and {"folder", "place", "content"} <= found.keys()
    return found if known else None


def _refusal(result: Path, folder: str) -> str:
    return (
        f"{result} holds results of other plates, from a folder {folder!r} that lies elsewhere: "
        "choose another folder for the results, or move these away"
    )
