"""What the members of a sweep left on disk, as one table, and what the report shows beside it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from jaxcell.analysis.ablation import best_member
from jaxcell.analysis.scores.summary import spread_over_target
from jaxcell.dataset.batches import Examples, open_examples
from jaxcell.dataset.immune_cells import open_built
from jaxcell.dataset.source import dataset_config, tfds_folder
from jaxcell.experiments.sweep.measure import pictures
from jaxcell.experiments.sweep.members import Member
from jaxcell.inference.trained import load
from jaxcell.report.sweep.page import write_sweep_report
from jaxcell.storage.atomic import read

# What a member leaves that is trained and measured.
MEASURED = "measured.json"
# What a member that diverged leaves, beside what was sound until then.
DIVERGED = "diverged.json"
NUMBERS = (
    "validation_loss", "bce_excess", "psnr_db", "ssim", "rmse_over_sd", "auroc", "parameters",
    "flops", "train_seconds", "code_bytes", "auroc_of_position", "auroc_of_overlap",
)  # fmt: skip
# Column of the table of members -> its heading on the terminal.
SHOWN = {
    "bce_excess": "excess nats",
    "ssim": "SSIM",
    "rmse_over_sd": "RMSE / SD",
    "auroc": "AUROC",
}


def is_finished(folder: Path) -> bool:
    """Whether nothing is left to do for a member: it is measured, or it diverged."""
    return (folder / MEASURED).exists() or reason(folder) is not None


def reason(folder: Path) -> str | None:
    """Why a member diverged; None unless it did."""
    path = folder / DIVERGED
    return read(path)["reason"] if path.exists() else None


def members_table(members: list[Member], folder: Path) -> pd.DataFrame:
    """The table of members.

    Args:
      members: of the sweep.
      folder: of their folders.

    Returns:
      One row a member, of a nested one that is done one row a size: `member`, `kind` (`separate`,
      `spatial` or `nested`), `setting`, `latent_size` (NaN of a spatial code that is not done),
      `seed`, `state` (`done`, `diverged` or `waiting`), `reason`, and as `measure` gives, NaN
      where it is not done.
    """
    rows, words = [], ("member", "kind", "setting", "seed", "state", "reason", "latent_size")
    for member in members:
        path, why = folder / member.name / MEASURED, reason(folder / member.name)
        about = {
            "member": member.name,
            "kind": member.kind,
            "setting": member.setting,
            "seed": member.seed,
            "state": "diverged" if why else "done" if path.exists() else "waiting",
            "reason": why or "",
        }
        nothing = [{"latent_size": member.config.model.latent_dim or math.nan}]
        measured = read(path) if path.exists() and not why else nothing
        rows += [about | row for row in measured]
    return (
        pd.DataFrame(rows).reindex(columns=[*words, *NUMBERS]).astype(dict.fromkeys(NUMBERS, float))
    )


def report(config: ConfigDict, workdir: Path, members: list[Member], table: pd.DataFrame) -> dict:
    """Writes the report of whatever is there.

    Args:
      config: of the sweep.
      workdir: of the sweep.
      members: of the sweep.
      table: of `members_table`.

    Returns:
      The content of metrics.json.
    """
    done = table[table["state"] == "done"]
    shown = _shown(members, set(done["member"]), best_member(table))
    examples = _examples(shown[0].config, workdir / "members" / shown[0].name) if shown else None
    return write_sweep_report(
        workdir / "report",
        members=table,
        pictures=_pictures(shown, workdir / "members", examples) if shown else {},
        window=shown[0].config.dataset.window if shown else config.dataset.window,
        pixel_um=config.plates.pixel_um,
        facts=_facts(done, shown, examples),
        config=config.to_dict(),
        simulated=bool(shown) and _dataset(workdir / "members" / shown[0].name)["simulated"],
        title=f"{workdir.resolve().name}: how small may a code be?",
        colours=config.evaluation.colours,
    )


def _shown(members: list[Member], done: set[str], best: str | None) -> list[Member]:
    """Members whose reconstructions are shown: done, of the best one's setting, of one seed."""
    some = [member for member in members if member.name in done]
    setting = {member.name: member.setting for member in some}.get(best)
    some = [member for member in some if setting in (None, member.setting)]
    return [member for member in some if member.seed == some[0].seed]


def _examples(config: ConfigDict, folder: Path) -> Examples:
    """The data set of a member, as it was when it was trained."""
    builder = open_built(dataset_config(config), _dataset(folder)["name"], tfds_folder(config))
    return open_examples(builder, memory_gib=0)


def _dataset(folder: Path) -> dict:
    return read(folder / "dataset.json")


def _pictures(shown: list[Member], folder: Path, examples: Examples) -> dict:
    """The same held-out patches, one a condition, reconstructed by each member at each size."""
    rows = examples.rows("test")
    patches = examples.table.iloc[rows].reset_index(drop=True)
    middle = [some[len(some) // 2] for some in spread_over_target(patches, 3).values()]
    result = {}
    for member in shown:
        _, run = load(folder / member.name)
        originals, by_size = pictures(member, run, examples, rows[np.array(middle)])
        result["original"] = originals
        result[member.kind] = result.get(member.kind, {}) | by_size
    return result


def _facts(done: pd.DataFrame, shown: list[Member], examples: Examples | None) -> dict:
    """What the report says of how it was made."""
    if examples is None:
        return {}
    first = done[done["member"] == shown[0].name].iloc[0]
    table = examples.table
    wells = table.drop_duplicates(["split", "plate", "well"])["split"].value_counts()
    patches = table["split"].value_counts()
    seconds = done.drop_duplicates("member")["train_seconds"].sum()
    return {
        "wells": ", ".join(f"{wells[name]} {name}" for name in patches.index),
        "patches": ", ".join(f"{patches[name]} {name}" for name in patches.index),
        "seconds of training": round(float(seconds)),
        "auroc_of_position": first["auroc_of_position"],
        "auroc_of_overlap": first["auroc_of_overlap"],
    }


def status(table: pd.DataFrame, running: set[str], elapsed: float) -> str:
    """Which members are done, running and waiting, what those done are worth, and the time left.

    Args:
      table: of `members_table`.
      running: names of members that are being trained.
      elapsed: seconds since this call began.

    Returns:
      Lines for a terminal, one a kind, setting and size of code, and one of sums.
    """
    # Of a nested member, the row of its largest size stands for it.
    each = table.sort_values("latent_size").drop_duplicates("member", keep="last")
    each["state"] = each["state"].mask(each["member"].isin(running), "running")
    groups = each.groupby(["kind", "setting", "latent_size"], dropna=False)
    counts = groups["state"].value_counts().unstack(fill_value=0)
    scores = groups[list(SHOWN)].mean().rename(columns=SHOWN)
    lines = text_table(counts.join(scores).rename_axis(index={"latent_size": "size"}).reset_index())
    done, waiting = (each[each["state"] == state] for state in ("done", "waiting"))
    text = f"{len(done)} of {len(each)} members done, {duration(elapsed)} so far"
    if len(done) and len(waiting):
        by_setting = done.groupby("setting")["train_seconds"].mean()
        left = waiting["setting"].map(by_setting).fillna(done["train_seconds"].mean()).sum()
        text += f", about {duration(left)} of training left"
    return "\n".join(["", *lines, text])


def text_table(table: pd.DataFrame) -> list[str]:
    """Lines of a table between two rules, without columns in which nothing stands."""
    some = table.loc[:, (table.notna() & (table != "")).any()]
    top, *lines = some.to_string(index=False, na_rep="", float_format="{:,.4g}".format).split("\n")
    rule = "-" * len(top)
    return [top, rule, *lines, rule]


def duration(seconds: float) -> str:
    """`5 min`, `1 h 5 min`."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
