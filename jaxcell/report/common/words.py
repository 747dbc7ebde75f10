"""Sentences in plain words from the numbers of metrics.json, and numbers as text."""

import math
from collections.abc import Mapping

from jaxcell.measures.catalogue import OVERLAP, Quantity

# Ratios of the root-mean-square error to the spread of the truth, and what to call them.
QUALITY = ((0.15, "very closely"), (0.3, "closely"), (0.5, "fairly well"), (0.8, "roughly"))


def number(value: object, digits: int = 2) -> str:
    """A number as text: a dash for None or NaN, thousands separated, counts without decimals."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
    return text.replace("-", "−")


def p_value(value: float | None, name: str = "") -> str:
    """A p or q as text, the same everywhere: two significant digits, `< 0.001` below.

    Args:
      value: from 0 to 1; None where there is none.
      name: `p` or `q`, for a sentence.

    Returns:
      `0.44`, `< 0.001` or a dash; with a name, `p = 0.44` or `p < 0.001`.
    """
    if value is None:
        return "–"
    if value < 0.001:
        return f"{name} < 0.001".strip()
    return f"{name} = {value:#.2g}" if name else f"{value:#.2g}"


def count(value: int, one: str, many: str | None = None) -> str:
    """`1 patch`, `2,345 patches`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def joined(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def on_input(
    evaluated: Mapping,
    by_condition: Mapping[str, Mapping],
    left_out: int,
    listed: int,
    target: Quantity = OVERLAP,
) -> list[str]:
    """What was analysed and what was not.

    Args:
      evaluated: `wells`, `patches`, `faulty` counts.
      by_condition: condition -> scores with `n`.
      left_out: number of findings that kept an image or a well out.
      listed: number of all findings, harmless ones included.
      target: what is predicted.

    Returns:
      Sentences.
    """
    patches, faulty = evaluated["patches"], evaluated["faulty"]
    parts = [f"{item['n']:,} {name}" for name, item in by_condition.items()]
    sentences = [
        f"This page shows how the trained models do on {count(patches, 'patch', 'patches')} of "
        f"{count(evaluated['wells'], 'well')}" + (f": {joined(parts)}." if parts else ".")
    ]
    if faulty:
        share = 100 * faulty / max(patches, 1)
        sentences.append(
            f"{count(faulty, 'patch is', 'patches are')} faulty ({share:.1f} %): no pixel there is "
            "brighter than unstained background. They count in the scores; one row of the table of "
            f"{target.label} leaves them out."
        )
    else:
        sentences.append("No patch is faulty.")
    if left_out:
        sentences.append(f"Left out for the reasons listed: {count(left_out, 'finding')}.")
    elif listed:
        sentences.append("Nothing was left out; what was noticed in the plates is listed.")
    else:
        sentences.append("Nothing was left out.")
    return sentences


def on_reconstruction(autoencoder: Mapping) -> list[str]:
    """Whether the autoencoder reconstructs, in words."""
    bce, floor, excess = (autoencoder.get(key) for key in ("bce", "bce_floor", "bce_excess"))
    if bce is None or floor is None:
        return ["The reconstruction has no score: some values are not finite numbers."]
    sentences = [
        f"The cross-entropy is {bce:.4f} nats a pixel, of which {floor:.4f} is the floor that even "
        f"a perfect reconstruction pays, and {excess:.4f} is what the model adds."
    ]
    if autoencoder.get("psnr_db") is not None and autoencoder.get("ssim") is not None:
        sentences.append(
            f"The peak signal-to-noise ratio is {autoencoder['psnr_db']:.1f} dB and the structural "
            f"similarity {autoencoder['ssim']:.2f} (1 is identical)."
        )
    return sentences


def amount(value: float, target: Quantity) -> str:
    """A difference of two values of the target as text, such as `0.30 points`."""
    return f"{value:.{target.digits}f} {target.difference_unit}".strip()


def on_regression(regressor: Mapping, target: Quantity = OVERLAP) -> list[str]:
    """How well a measure is predicted, in words, next to predicting the mean."""
    if not regressor.get("n") or regressor.get("rmse") is None:
        reason = regressor.get("reason") or "there are no patches"
        return [f"The prediction of {target.label} has no score: {reason}."]
    rmse, mean = regressor["rmse"], regressor["predicting_the_mean"]["rmse"]
    off = amount(rmse, target).replace("points", "percentage points")
    sentences = [f"The prediction of {target.label} is off by {off} (root mean square)."]
    ratio, digits = regressor["rmse_over_sd"], target.digits
    if ratio is not None:
        word = next((word for limit, word in QUALITY if ratio <= limit), None)
        follow = (
            f"the predictions follow the truth {word}"
            if word
            else "the predictions follow the truth hardly at all"
        )
        sentences.append(
            f"The truth varies by {amount(regressor['sd_true'], target)} (standard deviation), so "
            f"the error is {ratio:.2f} of that: {follow}."
        )
    else:
        sentences.append(f"There is no spread to set it against: {regressor['reason']}.")
    if mean is not None and rmse < mean:
        sentences.append(
            f"Answering every patch with the mean of the training patches would be off by "
            f"{mean:.{digits}f}: the regressor removes {100 * (1 - rmse / mean):.0f} % of that "
            "error."
        )
    elif mean is not None:
        sentences.append(
            f"Answering every patch with the mean of the training patches would be off by "
            f"{mean:.{digits}f}: the regressor is no better than that and of no use here."
        )
    bias = regressor.get("bias")
    if bias is not None and abs(bias) > 0.25 * rmse:
        sentences.append(
            f"On average it predicts {amount(abs(bias), target)} too "
            f"{'much' if bias > 0 else 'little'}."
        )
    return sentences + on_conditions(regressor, target)


def on_conditions(regressor: Mapping, target: Quantity = OVERLAP) -> list[str]:
    """Where the regressor is worst, and where it loses against predicting the mean."""
    table = {
        name: item
        for name, item in regressor.get("by_condition", {}).items()
        if item["rmse"] is not None
    }
    sentences, digits = [], target.digits
    if len(table) > 1:
        worst = max(table, key=lambda name: table[name]["rmse"])
        best = min(table, key=lambda name: table[name]["rmse"])
        sentences.append(
            f"The error is smallest for {best} ({table[best]['rmse']:.{digits}f}) and largest for "
            f"{worst} ({table[worst]['rmse']:.{digits}f})."
        )
    losing = [
        name
        for name, item in table.items()
        if item["predicting_the_mean"]["rmse"] is not None
        and item["rmse"] >= item["predicting_the_mean"]["rmse"]
    ]
    if losing and len(table) > 1:
        sentences.append(f"It is no better than the training mean for {joined(losing)}.")
    return sentences
