"""Writes the report of a sweep: how small may a code be, what does it cost, and how surely."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis import ablation
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import count, joined, number
from jaxcell.report.sweep import comparisons, figures
from jaxcell.storage.atomic import plain

# What a code is for -> the criterion that says how well it serves.
PURPOSES = {"reconstruction": "bce_excess", "interaction": "rmse_over_sd", "structure": "auroc"}
USELESS = {"interaction": "at predicting overlap than the mean is",
           "structure": "at telling conditions than guessing is"}  # fmt: skip
DIGITS = {"bce_excess": 4, "psnr_db": 2, "ssim": 3, "rmse_over_sd": 3, "auroc": 3}
# Of codes of the reference study's size: criterion, words before and after its value.
REFERENCE = (
    ("bce_excess", "the cross-entropy lies", " nats over its floor"),
    ("rmse_over_sd", "the error of overlap is", " of its spread"),
    ("auroc", "the AUROC of conditions is", ""),
)


def write_sweep_report(
    folder: Path,
    *,
    members: pd.DataFrame,
    pictures: Mapping,
    window: int,
    pixel_um: float,
    facts: Mapping,
    config: Mapping,
    title: str,
    simulated: bool,
) -> dict:
    """Writes the page, its numbers, tables and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself; a report that is there stays until the new one is whole.
      members: as `ablation.by_size` takes, and member, reason.
      pictures: as `sweep_comparisons.reconstructions_figure` takes; empty where there are none.
      window: pixels, side of the patches in `pictures`.
      pixel_um: µm, edge of their pixels.
      facts: words -> value, on how the sweep was made; `auroc_of_position` and `auroc_of_overlap`,
        where given, are drawn beside the codes.
      config: nested settings of the sweep.
      title: of the page.
      simulated: whether the plates were simulated.

    Returns:
      The content of metrics.json: `members` (state -> number), `best_member`, `sizes` (of
      `ablation.by_size`, and `on_front`), `smallest_sufficient` (criterion -> answers),
      `nested_gap`, `nested_shares`, `intervals`, `facts`.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    sizes = ablation.by_size(members)
    sizes["on_front"] = ablation.pareto(sizes)
    gap = ablation.nested_gap(members)
    metrics = plain(
        {
            "members": ablation.states(members),
            "best_member": ablation.best_member(members),
            "sizes": sizes.to_dict("records"),
            "smallest_sufficient": {
                by.name: [answer._asdict() for answer in ablation.smallest_sufficient(sizes, by)]
                for by in ablation.CRITERIA
            },
            "nested_gap": gap.to_dict("records"),
            "nested_shares": ablation.nested_shares(members).to_dict("records"),
            "intervals": "95 %, over training seeds on the same held-out wells",
            "facts": facts,
        }
    )
    builders = _builders(sizes, members, gap, metrics["facts"])
    if len(pictures.get("original", ())):
        builders["reconstructions"] = lambda: comparisons.reconstructions_figure(pictures, pixel_um)
    write_page(
        folder,
        "sweep/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=builders,
        files={
            "members.csv": lambda path: members.to_csv(path, index=False),
            "sizes.csv": lambda path: sizes.to_csv(path, index=False),
        },
        content=dict(
            verdict=on_verdict(metrics, members),
            notice=on_state(metrics["members"]),
            structure=on_structure(metrics),
            nested=on_nested(metrics),
            tiles=tiles(metrics, main_setting(metrics, members)),
            criteria=ablation.CRITERIA,
            digits=DIGITS,
            answers=answer_rows(metrics),
            some_useless=any(answer["useless"] for answer in
                             sum(metrics["smallest_sufficient"].values(), [])),
            settings=list(dict.fromkeys(row["setting"] for row in metrics["sizes"])),
            unfinished=plain(members[members["state"] != "done"].drop_duplicates("member")
                             .sort_values("state", kind="stable").to_dict("records")),
            single=all(row["seeds"] < 2 for row in metrics["sizes"]),
            patch=f"{window} × {window} pixels ({window * pixel_um:.0f} µm)",
        ),
        made=_made(metrics),
        config=config,
    )  # fmt: skip
    return metrics


def _builders(
    sizes: pd.DataFrame, members: pd.DataFrame, gap: pd.DataFrame, facts: Mapping
) -> dict[str, Callable[[], Figure]]:
    """Name of each figure -> what draws it."""
    settings, step = list(dict.fromkeys(sizes["setting"])), figures.MOST_COLUMNS
    parts = [settings[start : start + step] for start in range(0, len(settings), step)]
    builders = {}
    for place, part in enumerate(parts, 1):
        own, some = (table[table["setting"].isin(part)] for table in (sizes, members))
        builders |= {
            f"quality_{place}": lambda own=own, some=some: figures.quality_figure(own, some, facts),
            f"cost_{place}": lambda own=own: figures.cost_figure(own),
            f"pareto_{place}": lambda own=own: comparisons.pareto_figure(own),
        }
    if len(gap):
        builders["nested"] = lambda: comparisons.nested_figure(gap)
    return builders


def _made(metrics: Mapping) -> dict[str, object]:
    """Rows of the table on how it was made."""
    rows = dict(metrics["facts"])
    if metrics["best_member"]:
        rows["best member, by held-out cross-entropy"] = metrics["best_member"]
    return {
        key: number(value, 3) if isinstance(value, float | None) else value
        for key, value in rows.items()
    }


def main_setting(metrics: Mapping, members: pd.DataFrame) -> str | None:
    """The setting that the page begins with: the best member's; None without done members."""
    if metrics["best_member"]:
        return members.loc[members["member"] == metrics["best_member"], "setting"].iloc[0]
    return metrics["sizes"][0]["setting"] if metrics["sizes"] else None


def answer_of(metrics: Mapping, name: str, setting: str | None) -> dict | None:
    """The smallest sufficient size by a criterion, of separate networks where there are any."""
    found = [item for item in metrics["smallest_sufficient"][name] if item["setting"] == setting]
    return next((item for kind in ablation.SIZED for item in found if item["kind"] == kind), None)


def on_verdict(metrics: Mapping, members: pd.DataFrame) -> list[str]:
    """The answer of the page: smallest sufficient sizes, the reference size, nested networks."""
    setting = main_setting(metrics, members)
    if setting is None:
        return ["No member of this sweep was trained to the end, so there is no answer yet."]
    sentences = [f"With {setting}, the setting of the best member:"] if setting else []
    sentences += on_sizes(metrics, setting) + on_reference(metrics, setting)
    shares = [row for row in metrics["nested_shares"] if row["setting"] == setting]
    gaps = [100 * row["gap"] for row in metrics["nested_gap"] if row["setting"] == setting]
    if shares and gaps:
        time, networks = shares[0]["time_share"], count(shares[0]["sizes"], "separate network")
        sentences.append(
            f"One nested network gives all sizes in {100 * time:.0f} % of the time "
            f"of the {networks}; in cross-entropy over the floor "
            f"its codes are on average {_gap_in_words(min(gaps), max(gaps))}."
        )
    return sentences


def on_sizes(metrics: Mapping, setting: str) -> list[str]:
    """Which size each purpose asks for, and which purposes no code serves."""
    tried = max(
        (row["latent_size"] for row in metrics["sizes"] if row["kind"] in ablation.SIZED), default=0
    )
    needs, best, useless, largest = [], [], [], []
    for purpose, name in PURPOSES.items():
        answer = answer_of(metrics, name, setting)
        if answer and answer["useless"]:
            useless.append(purpose)
        elif answer and answer["best_se"] is None:
            best.append(f"{answer['best_size']:,} for {purpose}")
        elif answer:
            needs.append(f"{purpose} needs {answer['size']:,}")
            largest += [purpose] if answer["size"] == tried else []
    sentences, text = [], joined(needs)
    if needs:
        sentences.append(
            f"{text[0].upper()}{text[1:]} numbers: the smallest codes within one standard error of "
            "the best."
        )
    if largest:
        sentences.append(f"For {joined(largest)} that is the largest size tried: more may help.")
    if best:
        sentences.append(
            f"The best size is {joined(best)}; with one seed there is no telling whether smaller "
            "codes do as well."
        )
    return sentences + [f"No code is surely better {USELESS[purpose]}." for purpose in useless]


def on_reference(metrics: Mapping, setting: str) -> list[str]:
    """What codes of the reference study's size give, in brackets those that keep places."""
    rows = {row["kind"]: row for row in metrics["sizes"] if row["setting"] == setting
            and row["latent_size"] == figures.REFERENCE_SIZE}  # fmt: skip
    shown = [rows[kind] for kind in ("separate", "spatial") if kind in rows] or [*rows.values()]
    if not shown:
        return []
    parts = []
    for name, before, after in REFERENCE:
        value, *other = [number(row[f"{name}_mean"], DIGITS[name]) for row in shown]
        if value != number(None):
            parts.append(f"{before} {value}{f' ({other[0]})' if other else ''}{after}")
    kept = " (in brackets: a code that keeps places)" if len(shown) > 1 else ""
    kept = " (a code that keeps places)" if shown[0]["kind"] == "spatial" else kept
    where = f"At the reference study’s size, {figures.REFERENCE_SIZE:,} numbers{kept}"
    return [f"{where}, {joined(parts)}."]


def _gap_in_words(low: float, high: float) -> str:
    """`3 to 7 % worse`, `2 % better to 7 % worse`, from percent."""
    if low < 0 < high:
        return f"{-low:.0f} % better to {high:.0f} % worse"
    ends = sorted({round(abs(end)) for end in (low, high)})
    return f"{' to '.join(map(str, ends))} % {'worse' if high > 0 else 'better'}"


def on_state(found: Mapping[str, int]) -> str:
    """What is missing from the sweep; empty where nothing is."""
    total = count(sum(found.values()), "member")
    missing = [f"{found[state]:,} {state}" for state in ("diverged", "waiting") if found[state]]
    rest = " What follows is of the rest." if found["done"] else ""
    return f"Of {total}: {joined(missing)}.{rest}" if missing else ""


def on_structure(metrics: Mapping) -> str:
    """Whether codes tell conditions better than what explains them away; empty where not known."""
    known = [row["auroc_mean"] for row in metrics["sizes"] if row["auroc_mean"] is not None]
    others = {words: metrics["facts"].get(name) for name, (words, _) in figures.BASELINES.items()}
    others = {words: value for words, value in others.items() if value is not None}
    if not known or not others:
        return ""
    text = joined([f"{words} {number(float(value), 3)}" for words, value in others.items()])
    beaten = [words for words, value in others.items() if max(known) <= value]
    more = f" No code does better than {joined(beaten)}." if beaten else ""
    return f"For comparison, AUROC of {text}; of the best code {max(known):.3f}.{more}"


def on_nested(metrics: Mapping) -> list[str]:
    """How close nested codes come, setting by setting, and in what share of the time."""
    sentences, near = [], figures.NEAR
    for share in metrics["nested_shares"]:
        rows = [row for row in metrics["nested_gap"] if row["setting"] == share["setting"]]
        where = f"{share['setting']}: one" if share["setting"] else "One"
        text = (
            f"{where[0].upper()}{where[1:]} nested run takes {100 * share['time_share']:.0f} % of "
            f"the time of one seed of the {count(share['sizes'], 'separate size')}, and "
            f"{100 * share['share_of_sweep']:.1f} % of that of all separate and spatial members"
        )
        if rows:
            close = sum(abs(row["gap"]) <= near for row in rows)
            sure = sum(row["low"] is not None and -near <= row["low"] and row["high"] <= near
                       for row in rows)  # fmt: skip
            text += (
                f"; its codes are on average within {100 * near:.0f} % at {close} of "
                f"{count(len(rows), 'size')} (with the whole interval at {sure or 'none'})"
            )
        sentences.append(text + ".")
    if any(row["low"] is None for row in metrics["nested_gap"]):
        sentences.append("Sizes with one seed of either kind have no interval.")
    return sentences


def tiles(metrics: Mapping, setting: str | None) -> list[tuple[str, str]]:
    """Number and words of each tile at the top."""
    found = []
    for purpose, name in PURPOSES.items():
        answer = answer_of(metrics, name, setting)
        if answer and not answer["useless"]:
            words = "numbers suffice" if answer["best_se"] is not None else "numbers (one seed)"
            found.append((f"{answer['size']:,}", f"{words} for {purpose}"))
    for share in metrics["nested_shares"]:
        if share["setting"] == setting:
            found.append(
                (
                    f"{100 * share['time_share']:.0f} %",
                    "of the time of separate networks for one nested network",
                )
            )
    return [*found, (f"{metrics['members']['done']:,}", "members trained and judged")]


def answer_rows(metrics: Mapping) -> dict[tuple[str, str], dict]:
    """The table of smallest sufficient sizes: (setting, kind) -> criterion -> answer."""
    rows = {}
    for name, answers in metrics["smallest_sufficient"].items():
        for answer in answers:
            rows.setdefault((answer["setting"], answer["kind"]), {})[name] = answer
    return rows


def summary_lines(metrics: Mapping, members: pd.DataFrame, folder: Path) -> dict[str, str]:
    """What a sweep came to, for the terminal.

    Args:
      metrics: see `write_sweep_report`.
      members: see `write_sweep_report`.
      folder: of the members' folders.

    Returns:
      Name -> text.
    """
    lines = {"members": ", ".join(f"{n} {state}" for state, n in metrics["members"].items() if n)}
    if metrics["best_member"]:
        lines["best"] = f"python evaluate.py --workdir={folder / metrics['best_member']}"
    diverged = members[members["state"] == "diverged"].drop_duplicates("member")
    if len(diverged):
        lines["diverged"] = "\n".join(
            f"{row.member}: {row.reason}. To try again, delete {folder / row.member}"
            for row in diverged.itertuples()
        )
    if waiting := metrics["members"]["waiting"]:
        lines["waiting"] = (
            f"{count(waiting, 'member')} that another call trains or did not finish: start again"
        )
    return lines
