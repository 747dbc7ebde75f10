"""The report of a sweep written anew from whatever is there."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcell.configs.ranges import check_of_run
from jaxcell.experiments.lifecycle import Outcome, refuse
from jaxcell.experiments.sweep.members import grid
from jaxcell.experiments.sweep.results import members_table, report
from jaxcell.storage.atomic import read


def evaluate(workdir: Path, **options: Any) -> Outcome:
    """Writes the report of a sweep again; nothing is trained or measured.

    Args:
      workdir: of the sweep.
      **options: of other kinds, refused.
    """
    refuse(options, f"{workdir} is a sweep; evaluate one of its runs, {workdir}/members/NAME")
    config = ConfigDict(read(workdir / "config.json"))
    check_of_run(config, workdir)
    members = grid(config)
    table = members_table(members, workdir / "members")
    metrics = report(config, workdir, members, table)
    done = table.loc[table["state"] == "done", "member"].nunique()
    lines = {"members": f"{done} of {len(members)} done", "best": metrics["best_member"] or "none"}
    return Outcome(lines, workdir / "report" / "index.html")
