"""What tables are, by a digest, and by whose hands: so that it can be seen that it changes nothing.

Every call that does tasks in a folder of results leaves a note of its own there, and the call that
collects puts them together.
"""

import hashlib
import json
import platform
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcell.distributed.tasks import Done
from jaxcell.distributed.workers import Workers
from jaxcell.storage.atomic import write
from jaxcell.storage.provenance import code_digest

if TYPE_CHECKING:
    import pandas as pd

CERTIFICATE, CALLS = "certificate.json", "calls"


def note_call(folder: Path, done: Done, workers: Workers, found: int, began: float) -> None:
    """Notes in a folder of results what one call has done for it.

    Args:
      folder: of the results.
      done: by this call.
      workers: who did it.
      found: tasks of these that were done before.
      began: when, in seconds of the clock.
    """
    by = "cluster" if workers.on_cluster else workers.shard and f"share {workers.shard}"
    note = {
        "by": by or "one process",
        "machine": platform.node(),
        "began": round(began, 3),
        "seconds": round(time.time() - began, 3),
        "tasks": len(done.results),
        "found": found,
        "failed": [failure.name for failure in done.failures],
        "workers": done.workers,
        "retries": done.retries,
        "lost_workers": done.lost,
        "code": code_digest("jaxcell"),
    }
    write(folder / CALLS / f"{uuid.uuid4().hex}.json", note)


def certify(folder: Path, content: Mapping[str, str], failed: int) -> dict[str, Any]:
    """Writes what some results are and how they came to be.

    Args:
      folder: of the results, in which calls left their notes.
      content: digest of each table, see `table_hash`, or file: of what another call gives bit by
        bit, and no time that anything took.
      failed: tasks that are left out.

    Returns:
      `hash` of all, 64 hexadecimal digits; that of each under `content`; `tasks` that were done
      and `failed`; of all calls that did any together `workers`, `retries` and `lost_workers`;
      and all `calls`.
    """
    notes = [json.loads(path.read_text()) for path in (folder / CALLS).glob("*.json")]
    calls = sorted(notes, key=lambda note: note["began"])
    worked = [call for call in calls if call["tasks"] > call["found"]]
    certificate = {
        "hash": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        "content": dict(content),
        "failed": failed,
        **{
            name: sum(call[name] for call in worked)
            for name in ("workers", "retries", "lost_workers")
        },
        "tasks": sum(call["tasks"] - call["found"] - len(call["failed"]) for call in worked),
        "calls": calls,
    }
    write(folder / CERTIFICATE, certificate)
    return certificate


def certified(certificate: Mapping[str, Any]) -> str:
    """A certificate in a line, for the terminal and the report."""
    calls = sum(call["tasks"] > call["found"] for call in certificate["calls"])
    words = [
        f"{certificate['tasks']} tasks",
        f"{certificate['workers']} worker{'s' * (certificate['workers'] != 1)}",
        f"{calls} call{'s' * (calls != 1)}",
        f"{certificate['retries']} retries",
    ]
    return f"{certificate['hash'][:16]}: {', '.join(words)}"


def table_hash(table: "pd.DataFrame") -> str:
    """Digest of a table, its columns, types and every value, 64 hexadecimal digits."""
    import pandas as pd

    digest = hashlib.sha256(json.dumps([*map(str, table.dtypes.items())]).encode())
    rows = pd.util.hash_pandas_object(table, index=False, categorize=False)
    digest.update(rows.to_numpy("<u8").tobytes())
    return digest.hexdigest()
