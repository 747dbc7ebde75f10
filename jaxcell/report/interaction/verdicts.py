"""Answers in plain words: is there structure, how strong is the interaction, how sure is that."""

from collections.abc import Mapping, Sequence

import pandas as pd

from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common.words import amount, count, joined, number

ANSWERS = {
    "yes": "Yes",
    "no": "None found",
    "confounded": "Confounded with plate position",
    "unknown": "Cannot be said",
}


def lead_of(structure: Mapping) -> str:
    """The sentence behind the answer, which is said before it."""
    return _sentence(structure["why"].removeprefix("Cannot be said: "))


def on_structure(structure: Mapping) -> list[str]:
    """Whether conditions can be told apart in the codes, and what that is worth, in words.

    Args:
      structure: as `analysis.structure.structure` gives.

    Returns:
      Sentences; none where there are no scores.
    """
    if not structure["answered"]:
        return []
    probe, sentences = structure["scores"][structure["answered"]]["probe"], []
    low, high = probe["auroc_interval"]
    tested = ""
    if structure["p"] is not None:
        tested = f", and p = {_p(structure['p'])} by shuffling the conditions of wells"
        if any(name != structure["answered"] and name.startswith("codes")
               for name in structure["scores"]):  # fmt: skip
            tested += " (doubled, since codes are asked in two forms)"
    sentences.append(f"The 95 % interval over wells is {low:.2f} to {high:.2f}{tested}.")
    others = {
        name: item["probe"]["auroc"]
        for name, item in structure["scores"].items()
        if name != structure["answered"] and not item["reason"]
    }
    if others:
        said = joined([f"{name} {value:.2f}" for name, value in others.items()])
        sentences.append(f"With nothing but these in its place it reaches: {said}.")
    leaky = structure.get("leaky")
    if leaky and leaky["probe"]:
        honest = probe["patch_balanced_accuracy"]
        seeming = leaky["probe"]["patch_balanced_accuracy"]
        sentences.append(
            f"Of single patches it recognises {100 * honest:.0f} % (balanced; guessing gives "
            f"{100 * structure['chance']:.0f} %). Had patches of the same wells stood on both "
            f"sides, as in a random split of patches, it would seem {100 * seeming:.0f} %"
            + (": the difference is leakage." if seeming > honest else ": no leakage is seen.")
        )
    return sentences + _left_out(structure)


def _left_out(structure: Mapping) -> list[str]:
    """What the question was not asked of."""
    faulty, nameless = structure["left_out_faulty"], structure["left_out_without_condition"]
    parts = [count(faulty, "faulty patch", "faulty patches")] if faulty else []
    if nameless:
        parts.append(f"{count(nameless, 'patch', 'patches')} without condition")
    if structure["left_out_conditions"]:
        parts.append(f"{joined(structure['left_out_conditions'])} (one well each)")
    return [f"Left out of this question: {joined(parts)}."] if parts else []


def on_batches(batches: Mapping) -> list[str]:
    """How much plates differ, and what standardising on controls changes, in words."""
    if batches.get("reason"):
        return [_sentence(batches["reason"])]
    sentences = []
    for key, words in (("as_is", "As they are"), ("standardised", "Standardised plate by plate "
                       "on the control wells")):  # fmt: skip
        item = batches.get(key)
        if not item:
            continue
        if item.get("reason"):
            sentences.append(f"{words}: not possible, since {item['reason']}.")
            continue
        plate, condition = item["plate"], item["condition"]
        told = plate["reason"] or (
            f"codes tell the plate of a well with a balanced accuracy of "
            f"{plate['balanced_accuracy']:.2f}{_range(plate['interval'])}, where guessing gives "
            f"{plate['chance']:.2f}"
        )
        elsewhere = condition["reason"] or (
            f"its condition, on a plate never fitted to, with a balanced accuracy of "
            f"{condition['balanced_accuracy']:.2f}{_range(condition['interval'])}, where guessing "
            f"gives {condition['chance']:.2f}, and an AUROC within plates of "
            f"{condition['auroc']:.2f}{_range(condition['auroc_interval'])}; wells of the same "
            f"condition on other plates are retrieved with a mean average precision of "
            f"{condition['map']:.2f}, by chance {condition['map_chance']:.2f}"
        )
        sentences.append(f"{words}: {told}; {elsewhere}.")
    return sentences


def on_strength(strength: Mapping, target: Quantity = OVERLAP) -> list[str]:
    """How strong the interaction is by condition, and against the reference, in words.

    Args:
      strength: as `analysis.strength.strength` gives.
      target: what is compared.

    Returns:
      Sentences.
    """
    parts = [
        f"{name} {item['mean']:.{target.digits}f}{_range(item['interval'], target.digits, '')} in "
        f"{count(item['wells'], 'well')}"
        for name, item in strength["conditions"].items()
    ]
    if not parts:
        return [f"Nothing can be said: {strength['reason']}."]
    unit = f" ({target.unit})" if target.unit else ""
    sentences = [
        f"Measured mean {target.label}{unit} of a well, with 95 % intervals over wells: "
        f"{joined(parts)}."
    ]
    if strength["reason"]:
        sentences.append(_sentence(strength["reason"]))
    for name, item in strength["against_reference"].items():
        against = f"{name} against {strength['reference']}"
        if item["difference"] is None:
            sentences.append(f"{against}: not compared, since {item['reason']}.")
            continue
        difference = f"{item['difference']:+.{target.digits}f}".replace("-", "−")
        said = f"{against}: {difference} {target.difference_unit}".rstrip()
        said += _range(item["interval"], target.digits, "")
        if item["p"] is not None:
            said += f", p = {_p(item['p'])} by shuffling wells within plates"
        sentences.append(said + (f" ({item['reason']})." if item["reason"] else "."))
    if strength["compounds_reason"]:
        none = f"Compounds are not compared with their vehicle: {strength['compounds_reason']}."
        return [*sentences, none]
    return sentences + _on_compounds(strength["compounds"], target)


def _on_compounds(compounds: Sequence[Mapping], target: Quantity) -> list[str]:
    tested = [item for item in compounds if item["q"] is not None]
    if not tested:
        return []
    found = sorted((item for item in tested if item["q"] <= 0.05), key=lambda item: item["q"])
    differences = [f"{item['difference']:+.{target.digits}f}".replace("-", "−") for item in found]
    named = joined([
        f"{item['compound']} with {item['condition']} ({difference})"
        for item, difference in zip(found[:10], differences)
    ])  # fmt: skip
    said = (
        f"Of {count(len(tested), 'pair')} of compound and condition compared with the vehicle "
        "wells of that condition"
    )
    return [
        f"{said}, {len(found)} differ at a false discovery rate of 5 %"
        + (f": {named}." if found else ".")
    ]


def on_intervals(coverage: Mapping, level: float, target: Quantity = OVERLAP) -> list[str]:
    """How wide prediction intervals are and how often they hold, in words.

    Args:
      coverage: `reason`, or as `analysis.coverage.coverage` gives.
      level: the coverage promised, a share.
      target: what is predicted.

    Returns:
      Sentences.
    """
    if coverage.get("reason"):
        return [f"There are no prediction intervals: {coverage['reason']}."]
    overall = coverage["overall"]
    if overall["coverage"] is None:
        return [f"Prediction intervals cannot be judged: {overall['reason']}."]
    sentences = [
        f"Each prediction comes with an interval that is to hold the true value for "
        f"{100 * level:.0f} % of the patches of a new well. Here it held for "
        f"{100 * overall['coverage']:.1f} %{_range(overall['interval'], 1, ' over wells', 100)}; "
        f"the middle interval is {amount(overall['median_width'], target)} wide."
    ]
    parts = [
        f"{name} {100 * item['coverage']:.0f} %{_range(item['interval'], 0, '', 100)}"
        for name, item in coverage["by_condition"].items()
        if item["coverage"] is not None
    ]
    if len(parts) > 1:
        sentences.append(f"By condition: {joined(parts)}.")
    sentences.append(
        (
            "Each half of these wells is calibrated on the other half"
            if coverage["halves"]
            else "Intervals are calibrated on the wells that the run held out"
        )
        + f", at least {count(coverage['wells'], 'well')}, each counting once (few wells make them "
        "wide); they are wide where errors are usually large and narrow where they are small. They "
        "are promised for wells like those, so not for another stain, microscope or cell, nor "
        "within one condition."
    )
    return sentences


def coverage_in_words(coverage: Mapping) -> str:
    """How often intervals contain the true value, in a line, or why there are none."""
    if coverage["reason"]:
        return coverage["reason"]
    share = coverage["overall"]["coverage"]
    return (
        f"{number(share and 100 * share, 1)} % of intervals contain the true value; "
        f"{100 * coverage['level']:.0f} % promised"
    )


def on_agreement(limits: Mapping, target: Quantity = OVERLAP) -> list[str]:
    """How predicted means of wells agree with measured ones, in words."""
    if limits["bias"] is None:
        return [f"The agreement over wells cannot be said: {limits['reason']}."]
    correlation = f"r = {limits['r']:.3f}, " if limits["r"] is not None else ""
    wells = count(limits["n"], "well")
    sentences = [
        f"Predicted against measured means of {wells}: {correlation}mean difference "
        f"{amount(limits['bias'], target)}".replace("-", "−")
        + "."
    ]
    if limits["low"] is None:
        return sentences + [_sentence(limits["reason"])]
    low, high = (f"{limits[name]:.{target.digits}f}".replace("-", "−") for name in ("low", "high"))
    return sentences + [
        f"For 95 % of wells the two differ by between {low} and {high} {target.difference_unit}"
        .rstrip() + " (limits of agreement, if differences are normal)."
    ]  # fmt: skip


def on_odd(wells: pd.DataFrame) -> list[str]:
    """How many wells are odd, in words."""
    odd = int((wells["why"] != "").sum()) if len(wells) else 0
    if not odd:
        return ["No well stands out by its codes, its share of faulty patches or its errors."]
    return [
        f"{count(odd, 'well stands', 'wells stand')} out of {len(wells)} by codes unlike those of "
        "the other wells of the condition, by faulty patches or by large errors."
    ]


def _p(value: float) -> str:
    return f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _range(
    pair: Sequence[float] | None, digits: int = 2, words: str = "95 % interval ", scale: float = 1
) -> str:
    """` (0.80 to 0.93)`, with words before; nothing where there is no interval."""
    if pair is None:
        return ""
    low, high = (f"{scale * value:.{digits}f}".replace("-", "−") for value in pair)
    return f" ({words.strip() + ' ' if words.strip() else ''}{low} to {high})"


def _sentence(reason: str) -> str:
    """A reason as a sentence of its own."""
    return reason[:1].upper() + reason[1:].rstrip(".") + "."
