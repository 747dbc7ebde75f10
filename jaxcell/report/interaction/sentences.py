"""The numbers of metrics.json in plain words, for the page and the terminal."""

from collections.abc import Mapping, Sequence

from jaxcell.analysis.evidence import SIGNIFICANT
from jaxcell.analysis.scores.estimators import ESTIMATORS, MEAN
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common.words import (
    amount,
    count,
    joined,
    number,
    p_value,
    sentence,
    signed,
)

ANSWERS = {
    "yes": "Yes",
    "no": "None found",
    "confounded": "Confounded with plate position",
    "unknown": "Cannot be said",
}
# Ratios of the root-mean-square error to the spread of the truth, and what to call them.
QUALITY = ((0.15, "very closely"), (0.3, "closely"), (0.5, "fairly well"), (0.8, "roughly"))


def against_threshold(p: float) -> str:
    """`p = 0.0077, below 0.05`."""
    return f"{p_value(p, 'p')}, {'above' if p > SIGNIFICANT else 'below'} {SIGNIFICANT:g}"


def on_structure(structure: Mapping) -> str:
    """The answer on structure in a sentence or two, with the p that decided it."""
    said = sentence(structure["why"].removeprefix("Cannot be said: "))
    if structure["p"] is not None:
        said += f" By shuffling the conditions of wells, {against_threshold(structure['p'])}."
    ceiling = structure.get("ceiling")
    if ceiling and ceiling["association"] is not None:
        said += (
            " On these simulated plates the best AUROC possible is "
            f"{number(ceiling['association'])} by the true association of each well, "
            f"{number(ceiling['cells'])} by its association and its cells together."
        )
    return said


def on_strength(strength: Mapping, target: Quantity = OVERLAP) -> list[str]:
    """Which conditions differ from the reference, each verdict beside its threshold.

    Args:
      strength: as `analysis.strength.strength` gives.
      target: what is compared.

    Returns:
      Sentences.
    """
    if strength["reason"]:
        return [sentence(strength["reason"])]
    items, reference = strength["against_reference"], strength["reference"]
    tested = [name for name, item in items.items() if item["q"] is not None]
    said = {
        verdict: [name for name in tested if items[name]["verdict"] == verdict]
        for verdict in ANSWERS
    }

    def with_numbers(names: Sequence[str]) -> str:
        return joined([
            f"{name} ({signed(items[name]['difference'], target.digits)} "
            f"{target.difference_unit}".rstrip() + f", {p_value(items[name]['q'], 'q')})"
            for name in names
        ])  # fmt: skip

    differs = f"The mean {target.label} of a well differs from {reference} in"
    sentences = []
    if said["yes"]:
        sentences.append(f"{differs} {with_numbers(said['yes'])}.")
    if said["confounded"]:
        place = max(items[name]["place_auroc"] for name in said["confounded"])
        sentences.append(
            f"{ANSWERS['confounded']}: {differs[0].lower()}{differs[1:]} "
            f"{with_numbers(said['confounded'])}, but the place of a well on its plate gives its "
            f"condition away (AUROC {place:.2f}), so that illumination, edge effects or seeding "
            "may be all of it."
        )
    if said["unknown"]:
        why = items[said["unknown"][0]]["place_reason"]
        sentences.append(
            f"Whether the place of wells explains the difference in "
            f"{with_numbers(said['unknown'])} cannot be said: {why}."
        )
    if said["no"]:
        shown = (
            f"no difference from {reference} is shown"
            if len(said["no"]) == len(tested)
            else "no difference is shown"
        )
        sentences.append(f"For {joined(said['no'])} {shown} (q above {SIGNIFICANT:g}).")
    if len(tested) > 1:
        sentences.append(
            f"q is p corrected for {count(len(tested), 'comparison')} (Benjamini and Hochberg)."
        )
    untested = [name for name in items if name not in tested]
    if untested:
        sentences.append(f"Not tested: {joined(untested)}.")
    return sentences


def of_strength(metrics: Mapping, target: Quantity) -> str:
    """What the strength of a well was taken from."""
    if metrics.get("estimated"):
        return ", as predicted"
    if target.label.startswith("true "):
        return ", as the simulation made it"
    return ", measured and not predicted"


def on_compounds(strength: Mapping, target: Quantity = OVERLAP) -> str:
    """Which compounds differ from their vehicle, or why that is not known."""
    if strength["compounds_reason"]:
        return f"Compounds are not compared with their vehicle: {strength['compounds_reason']}."
    tested = [item for item in strength["compounds"] if item["q"] is not None]
    if not tested:
        return ""
    found = [item for item in tested if item["q"] <= SIGNIFICANT]
    found.sort(key=lambda item: item["q"])
    listed = joined(
        [
            f"{item['compound']} with {item['condition']} "
            f"({signed(item['difference'], target.digits)}, {p_value(item['q'], 'q')}, "
            f"{ANSWERS[item['verdict']].lower()})"
            for item in found[:10]
        ]
    )
    certain = sum(item["verdict"] == "yes" for item in found)
    return (
        f"Of {count(len(tested), 'pair')} of compound and condition, compared with the vehicle "
        f"wells of that condition, {len(found)} differ at a false discovery rate of "
        f"{100 * SIGNIFICANT:.0f} % (q), {certain} of them beyond what the place of their wells "
        f"could explain{f': {listed}' if listed else ''}."
    )


def on_regression(regressor: Mapping, target: Quantity = OVERLAP) -> list[str]:
    """How well a measure is predicted, in words, next to predicting the mean."""
    if not regressor.get("n") or regressor.get("rmse") is None:
        reason = regressor.get("reason") or "there are no patches"
        return [f"The prediction of {target.label} has no score: {reason}."]
    rmse, mean = regressor["rmse"], regressor["predicting_the_mean"]["rmse"]
    sentences = [f"The prediction of {target.label} is off by {amount(rmse, target)} (RMSE)."]
    ratio = regressor["rmse_over_sd"]
    known = "The truth" if target.label.startswith("true ") else "What was measured"
    if ratio is not None:
        word = next((word for limit, word in QUALITY if ratio <= limit), "hardly at all")
        sentences.append(
            f"{known} varies by {amount(regressor['sd_true'], target)} (standard deviation), so "
            f"the error is {ratio:.3f} of that: the predictions follow it {word}."
        )
    else:
        sentences.append(f"There is no spread to compare this with: {regressor['reason']}.")
    if mean is not None:
        gain = (
            f"the regressor removes {100 * (1 - rmse / mean):.0f} % of that error"
            if rmse < mean
            else "the regressor is no better than that and of no use here"
        )
        sentences.append(
            f"Predicting the mean of the training patches for every patch would be off by "
            f"{amount(mean, target)}: {gain}."
        )
    bias = regressor.get("bias")
    if bias is not None and abs(bias) > 0.25 * rmse:
        direction = "much" if bias > 0 else "little"
        sentences.append(f"On average it predicts {amount(abs(bias), target)} too {direction}.")
    return sentences + _on_conditions(regressor, target)


def _on_conditions(regressor: Mapping, target: Quantity) -> list[str]:
    """Where the regressor is worst, and where it is no better than predicting the mean."""
    scored = {
        name: item
        for name, item in regressor.get("by_condition", {}).items()
        if item["rmse"] is not None
    }
    if len(scored) < 2:
        return []
    best, *_, worst = sorted(scored, key=lambda name: scored[name]["rmse"])
    sentences = [
        f"The error is smallest for {best} ({number(scored[best]['rmse'], target.digits)}) and "
        f"largest for {worst} ({number(scored[worst]['rmse'], target.digits)})."
    ]
    losing = [
        name
        for name, item in scored.items()
        if item["predicting_the_mean"]["rmse"] is not None
        and item["rmse"] >= item["predicting_the_mean"]["rmse"]
    ]
    if losing:
        sentences.append(f"It is no better than the training mean for {joined(losing)}.")
    return sentences


def on_truth(estimators: Sequence[Mapping], target: Quantity) -> str:
    """Which estimator comes closest to the truth, and how close the network comes."""
    if not estimators:
        return ""
    network, *others = estimators
    ratio = network["patches"]["rmse_over_sd"]
    masks = [
        item
        for item in others
        if item["name"] not in (MEAN, ESTIMATORS["by_own_masks"])
        and item["patches"]["rmse_over_sd"] is not None
    ]
    if ratio is None or not masks:
        return f"There is no spread of the {target.label} to compare with."
    best = min(masks, key=lambda item: item["patches"]["rmse_over_sd"])
    return (
        f"This network estimates the {target.label} of a patch with an error of {ratio:.3f} "
        f"standard deviations of the truth; the best of the masks, {best['name']}, have "
        f"{best['patches']['rmse_over_sd']:.3f}."
    )


def on_coverage(coverage: Mapping) -> str:
    """How often intervals contain the true value, in a line, or why there are none."""
    share = None if coverage["reason"] else coverage["overall"]["coverage"]
    if share is None:
        return coverage["reason"] or coverage["overall"]["reason"]
    return (
        f"{100 * share:.1f} % of intervals contain the true value; "
        f"{100 * coverage['level']:.0f} % promised"
    )


def summary_lines(metrics: Mapping) -> dict[str, str]:
    """What a run came to, for the terminal.

    Args:
      metrics: the content of metrics.json.

    Returns:
      Name -> text.
    """
    autoencoder, regressor = metrics["autoencoder"], metrics["regressor"]
    target, structure = Quantity(**metrics["target"]), metrics["structure"]
    by_condition = regressor["by_condition"].items()
    return {
        "wells": _counts(metrics["wells"]),
        "patches": _counts(metrics["patches"]),
        "interaction": " ".join(on_strength(metrics["strength"], target)),
        "structure": f"{ANSWERS[structure['answer']]}. {on_structure(structure)}",
        **_against_truth(metrics.get("estimators") or []),
        **_beside(metrics.get("beside") or [], target),
        target.label: _errors(regressor, target),
        **{f"  {name}": _errors(scores, target) for name, scores in by_condition},
        "intervals": on_coverage(metrics["coverage"]),
        "reconstruction": (
            f"cross-entropy {number(autoencoder['bce'], 4)} nats over a floor of "
            f"{number(autoencoder['bce_floor'], 4)}, PSNR {number(autoencoder['psnr_db'], 1)} dB, "
            f"SSIM {number(autoencoder['ssim'], 3)}, {metrics['latent_size']:,} numbers a code"
        ),
    }


def _against_truth(estimators: Sequence[Mapping]) -> dict[str, str]:
    """RMSE / SD of every estimator, one a line."""
    if not estimators:
        return {}
    width = max(len(item["name"]) for item in estimators)
    lines = [
        f"{item['name']:<{width}}  patches {number(item['patches']['rmse_over_sd'], 3):>5}"
        f"  wells {number(item['wells']['rmse_over_sd'], 3):>5}"
        + "".join(f"  {light} {number(value, 3):>5}" for light, value in item["lights"].items())
        for item in estimators
    ]
    return {"RMSE / SD to truth": "\n".join(lines)}


def _beside(estimators: Sequence[Mapping], target: Quantity) -> dict[str, str]:
    """Mean of every estimator where nobody knows the truth, and how far the network is from it."""
    if not estimators:
        return {}
    width = max(len(item["name"]) for item in estimators)
    lines = [
        f"{item['name']:<{width}}  mean {number(item['mean'], target.digits):>6}"
        + (f"  r {number(item['r'], 3)}" if item["r"] is not None else "")
        for item in estimators
    ]
    return {"no truth is known": "\n".join(lines)}


def _counts(by_split: Mapping[str, int]) -> str:
    return ", ".join(f"{number(many)} {split}" for split, many in by_split.items())


def _errors(scores: Mapping, target: Quantity) -> str:
    known = "the truth" if target.label.startswith("true ") else "what was measured"
    return (
        f"RMSE {amount(scores['rmse'], target)}, SD of {known} "
        f"{amount(scores['sd_true'], target)}, RMSE / SD {number(scores['rmse_over_sd'], 3)} "
        f"({count(scores['n'], 'patch', 'patches')})"
    )
