"""Writes the report of a sweep: how small may a code be, what does it cost, and how surely."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis import ablation
from jaxcell.report.common.images import COLOURS, DEFAULT_COLOURS
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import count, joined, number
from jaxcell.report.sweep import figures
from jaxcell.report.sweep.reconstructions import reconstructions_figure
from jaxcell.storage.atomic import plain, write_csv

# What a code is for -> the criterion that says how well it serves.
PURPOSES = {"reconstruction": "bce_excess", "interaction": "rmse_over_sd", "structure": "auroc"}
USELESS = {
    "interaction": "at predicting overlap (IoU) than the mean is",
    "structure": "at telling conditions than guessing is",
}
DIGITS = {"bce_excess": 4, "psnr_db": 2, "ssim": 3, "rmse_over_sd": 3, "auroc": 3}


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
    colours: str = DEFAULT_COLOURS,
) -> dict:
    """Writes the page, its numbers, tables and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself; a report that is there stays until the new one is whole.
      members: as `ablation.by_size` takes, and member, reason.
      pictures: as `reconstructions_figure` takes; empty where there are none.
      window: pixels, side of the patches in `pictures`.
      pixel_um: µm, edge of their pixels.
      facts: words -> value, on how the sweep was made; `auroc_of_position` and `auroc_of_overlap`,
        where given, are drawn beside the codes.
      config: nested settings of the sweep.
      title: of the page.
      simulated: whether the plates were simulated.
      colours: of the patches, as `colour_image` takes.

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
    setting = main_setting(metrics, members)
    left = members[members["state"] != "done"].drop_duplicates("member")
    builders: dict[str, Callable[[], Figure]] = {}
    settings = list(dict.fromkeys(row["setting"] for row in metrics["sizes"]))
    for place, name in enumerate(settings, 1):
        own, some, apart = (table[table["setting"] == name] for table in (sizes, members, gap))
        builders |= {
            f"quality_{place}": partial(figures.quality_figure, own, some, metrics["facts"]),
            f"pareto_{place}": partial(figures.pareto_figure, own),
        }
        if len(apart):
            builders[f"nested_{place}"] = partial(figures.nested_figure, apart)
    if len(pictures.get("original", ())):
        draw = reconstructions_figure
        builders["reconstructions"] = partial(draw, pictures, pixel_um, colours)
    best = {"best member, by held-out cross-entropy": metrics["best_member"] or "none"}
    write_page(
        folder,
        "sweep/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=builders,
        files={
            "members.csv": lambda path: write_csv(path, members),
            "sizes.csv": lambda path: write_csv(path, sizes),
        },
        content={
            "verdict": on_verdict(metrics, setting),
            "notice": on_state(metrics["members"]),
            "structure": on_structure(metrics),
            "tiles": tiles(metrics, setting),
            "criteria": ablation.CRITERIA,
            "columns": [(criterion.label, criterion.unit) for criterion in ablation.CRITERIA],
            "digits": DIGITS,
            "answers": answer_rows(metrics),
            "settings": settings,
            "unfinished": plain(left.sort_values("state", kind="stable").to_dict("records")),
            "seeds": sorted({row["seeds"] for row in metrics["sizes"]}),
            "colours": COLOURS[colours],
            "patch": f"{window} × {window} pixels ({window * pixel_um:.0f} µm)",
        },
        made={
            name: number(value, 3) if isinstance(value, float | None) else value
            for name, value in (metrics["facts"] | best).items()
        },
        config=config,
    )
    return metrics


def main_setting(metrics: Mapping, members: pd.DataFrame) -> str | None:
    """The setting that the page begins with: the best member's; None without done members."""
    if metrics["best_member"]:
        return members.loc[members["member"] == metrics["best_member"], "setting"].iloc[0]
    return metrics["sizes"][0]["setting"] if metrics["sizes"] else None


def answer_rows(metrics: Mapping) -> dict[tuple[str, str], dict]:
    """The table of smallest sufficient sizes: (setting, kind) -> criterion -> answer."""
    rows = {}
    for name, answers in metrics["smallest_sufficient"].items():
        for answer in answers:
            rows.setdefault((answer["setting"], answer["kind"]), {})[name] = answer
    return rows


def answers_by_purpose(metrics: Mapping, setting: str | None) -> dict[str, dict]:
    """Purpose -> smallest sufficient size, of separate networks where there are any."""
    found = {}
    for purpose, name in PURPOSES.items():
        answers = [item for item in metrics["smallest_sufficient"][name]
                   if item["setting"] == setting]  # fmt: skip
        if answers:
            found[purpose] = min(answers, key=lambda item: ablation.SIZED.index(item["kind"]))
    return found


def on_verdict(metrics: Mapping, setting: str | None) -> list[str]:
    """The answer of the page: smallest sufficient sizes, and what a nested network costs."""
    if setting is None:
        return ["No member of this sweep was trained to the end, so there is no answer yet."]
    sentences = [f"With {setting}, the setting of the best member:"] if setting else []
    sentences += on_sizes(metrics, setting)
    shares = [row for row in metrics["nested_shares"] if row["setting"] == setting]
    gaps = [100 * row["gap"] for row in metrics["nested_gap"] if row["setting"] == setting]
    if shares and gaps:
        time, networks = shares[0]["time_share"], count(shares[0]["sizes"], "separate network")
        sentences.append(
            f"One nested network gives all sizes in {100 * time:.0f} % of the time of the "
            f"{networks}; the cross-entropy over the floor of its codes is on average "
            f"{_gap_in_words(min(gaps), max(gaps))}."
        )
    return sentences


def on_sizes(metrics: Mapping, setting: str) -> list[str]:
    """Which size each purpose asks for, and which purposes no code serves."""
    tried = [row["latent_size"] for row in metrics["sizes"] if row["kind"] in ablation.SIZED]
    answers = answers_by_purpose(metrics, setting)
    useless = [purpose for purpose, item in answers.items() if item["useless"]]
    needs, best, largest, sentences = [], [], [], []
    for purpose, item in answers.items():
        if purpose not in useless and item["best_se"] is None:
            best.append(f"{item['best_size']:,} for {purpose}")
        elif purpose not in useless:
            needs.append(f"{purpose} needs {item['size']:,}")
            largest += [purpose] if item["size"] == max(tried) else []
    if text := joined(needs):
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


def _gap_in_words(low: float, high: float) -> str:
    """`3 to 7 % worse`, `2 % better to 7 % worse`, from percent."""
    if low < 0 < high:
        return f"{-low:.0f} % better to {high:.0f} % worse"
    ends = sorted({round(abs(end)) for end in (low, high)})
    return f"{' to '.join(map(str, ends))} % {'worse' if high > 0 else 'better'}"


def on_state(found: Mapping[str, int]) -> str:
    """What is missing from the sweep; empty where nothing is."""
    missing = [f"{found[state]:,} {state}" for state in ("diverged", "waiting") if found[state]]
    rest = " This page is about the rest." if found["done"] else ""
    total = count(sum(found.values()), "member")
    return f"Of {total}: {joined(missing)}.{rest}" if missing else ""


def on_structure(metrics: Mapping) -> str:
    """Whether codes tell conditions better than what explains them away; empty where not known."""
    known = [row["auroc_mean"] for row in metrics["sizes"] if row["auroc_mean"] is not None]
    others = {words: metrics["facts"].get(name) for name, (words, _) in figures.BASELINES.items()}
    others = {words: value for words, value in others.items() if value is not None}
    if not known or not others:
        return ""
    text = joined([f"{words} {value:.3f}" for words, value in others.items()])
    beaten = [words for words, value in others.items() if max(known) <= value]
    more = f" No code does better than {joined(beaten)}." if beaten else ""
    return f"For comparison, AUROC of {text}; of the best code {max(known):.3f}.{more}"


def tiles(metrics: Mapping, setting: str | None) -> list[tuple[str, str]]:
    """Number and words of each tile at the top."""
    found = []
    for purpose, answer in answers_by_purpose(metrics, setting).items():
        if not answer["useless"]:
            words = "numbers suffice" if answer["best_se"] is not None else "numbers (one seed)"
            found.append((f"{answer['size']:,}", f"{words} for {purpose}"))
    for share in metrics["nested_shares"]:
        if share["setting"] == setting:
            words = "of the time of separate networks for one nested network"
            found.append((f"{100 * share['time_share']:.0f} %", words))
    return [*found, (f"{metrics['members']['done']:,}", "members trained and judged")]


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
        lines["best"] = f"jaxcell evaluate {folder / metrics['best_member']}"
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
