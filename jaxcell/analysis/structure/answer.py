"""Is there structure by condition in what a network saw, and can anything else explain it?

Everything is judged by well: wells are split, wells are shuffled, wells are drawn again. Patches of
a well share their dish, their light and their stain: they are not independent.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import NO_CONDITION, condition_names
from jaxcell.analysis.evidence import (
    CONFOUNDED,
    NONE,
    SIGNIFICANT,
    UNKNOWN,
    YES,
    minus_position,
    place_of,
    verdict,
)
from jaxcell.analysis.structure import probes
from jaxcell.analysis.structure import scores as well_scores
from jaxcell.analysis.structure.design import Chosen, Design, choose, design_wells
from jaxcell.analysis.structure.representations import drawn_patches, score_features, score_position

# What the answer is about: the code, and what is left of a spatial one when it is forgotten where
# in a patch cells lie, since that is not what a condition decides.
CODES, AVERAGED = "codes", "codes, averaged over places"


def structure(
    representations: Mapping[str, np.ndarray],
    patches: pd.DataFrame,
    *,
    seed: int = 0,
    permutations: int = 1999,
    bootstraps: int = 1000,
) -> dict:
    """Whether wells of different conditions can be told apart, beside what else could tell them.

    Faulty patches, patches without a condition and conditions with a single well are left out.
    `position` and `overlap` are added to what the caller gives.

    Args:
      representations: name -> float [N, D], D at most about 60. The answer is about `CODES` and,
        where it is among them, `AVERAGED`: about the one that tells more, its p doubled for having
        asked twice (Bonferroni). Neighbours are sought in the units given.
      patches: N rows: plate, well, row, column, condition, faulty, overlap (percent).
      permutations: shuffles of wells' labels, each among wells of the same plate and fold; fewer
        of very many wells and conditions, see `design_wells`.
      bootstraps: draws of wells with replacement inside conditions.

    Returns:
      dict of `reason` (None, or why there are no scores), `conditions`, `wells` (condition ->
      number), `patches`, numbers `left_out_...`, `folds`, `permutations`, `untestable` (None, or
      why there is no p), `chance` (balanced accuracy of guessing), `scores` (name -> `reason`,
      `probe`, `neighbours`, `silhouette`, `map`, `map_chance`, `map_p`; the first two hold
      `balanced_accuracy` and `auroc` over wells with their `interval` and `auroc_interval`,
      `patch_balanced_accuracy` and `p`), `answered` (the representation that the rest is about),
      `p` (corrected), `leaky` (`patch_balanced_accuracy` under a random split of patches, by
      `probe` and `neighbours`), `minus_position`, `answer` and `why` (see `conclude`).
    """
    chosen = choose(patches)
    result = _summary(patches, chosen)
    if chosen.reason:
        return result | {"answer": UNKNOWN, "why": f"Cannot be said: {chosen.reason}."}
    design = design_wells(patches, chosen, seed, permutations, bootstraps)
    result |= {
        "folds": int(design.folds.max()) + 1,
        "permutations": len(design.labellings) - 1,
        "untestable": design.untestable,
    }
    overlap = {"overlap": patches["overlap"].to_numpy(np.float64)[:, None]}
    draws = {}
    for name, features in {**representations, **overlap}.items():
        result["scores"][name], draws[name] = score_features(features, design, seed)
    result["scores"]["position"], draws["position"] = score_position(design)
    if draws.get(CODES) is None:
        why = result["scores"].get(CODES, {"reason": "there are no codes"})["reason"]
        return result | {"answer": UNKNOWN, "why": f"Cannot be said: {why}."}
    codes = {name: result["scores"][name] for name in (CODES, AVERAGED) if draws.get(name)}
    position = result["scores"]["position"]
    best = max(codes, key=lambda name: codes[name]["probe"]["auroc"])
    p = None if design.untestable else min(1.0, len(codes) * codes[best]["probe"]["p"])
    result |= {
        "answered": best,
        "p": p,
        "leaky": _leaky(representations[best], design, seed),
        "minus_position": minus_position(codes[best], position, draws[best], draws["position"]),
    }
    answer, why = conclude(
        best, codes[best], p, position, result["minus_position"], design.untestable
    )
    return result | {"answer": answer, "why": why}


def _summary(patches: pd.DataFrame, chosen: Chosen) -> dict:
    """What is known before anything is scored."""
    faulty = patches["faulty"].to_numpy(bool)
    named = condition_names(patches) != NO_CONDITION
    return {
        "reason": chosen.reason,
        "conditions": chosen.conditions,
        "wells": {name: chosen.wells[name] for name in chosen.conditions},
        "patches": len(chosen.rows),
        "left_out_faulty": int(np.count_nonzero(faulty)),
        "left_out_without_condition": int(np.count_nonzero(~faulty & ~named)),
        "left_out_conditions": [n for n in chosen.wells if n not in chosen.conditions],
        "folds": None,
        "permutations": 0,
        "untestable": None,
        "chance": 1 / len(chosen.conditions) if chosen.conditions else None,
        "scores": {},
        **dict.fromkeys(("answered", "p", "leaky", "minus_position")),
    }


def _leaky(features: np.ndarray, design: Design, seed: int) -> dict[str, dict]:
    """How well patches seem to be recognised when patches of one well stand on both sides."""
    features = np.asarray(features, np.float64)[design.rows]
    few = drawn_patches(design.well_of, seed)
    truth, result = design.labels[design.well_of], {}
    for name, reader, rows in (
        ("probe", probes.leaky_probe, np.arange(len(features))),
        ("neighbours", probes.leaky_neighbours, few),
    ):
        folds = np.random.default_rng(seed).permutation(len(rows)) % (design.folds.max() + 1)
        scores = reader(features[rows], design.well_of[rows], folds, design.labels)
        accuracy = well_scores.balanced_accuracy(scores, truth[rows])
        result[name] = {"patch_balanced_accuracy": accuracy}
    return result


def conclude(
    name: str,
    codes: Mapping,
    p: float | None,
    position: Mapping,
    difference: Mapping,
    untestable: str | None,
) -> tuple[str, str]:
    """The answer by the one standard of evidence, and a sentence for why.

    Args:
      name, codes: of the representation, and its scores.
      p: of its probe, corrected for the number of representations asked.
      position: scores of position.
      difference: of `minus_position`.
      untestable: None, or why labels cannot be shuffled.
    """
    place = place_of(position, difference, untestable)
    answer = verdict(None if untestable else p, place)
    if answer == UNKNOWN:
        return answer, f"Cannot be said: {untestable}."
    auroc = codes["probe"]["auroc"]
    score = f"AUROC {auroc:.2f} on wells that it had not seen, where guessing gives 0.50"
    told = f"A classifier tells conditions apart by the {name} ({score})"
    if answer == NONE:
        return answer, f"A classifier cannot tell conditions apart by the {name} ({score})."
    if answer == CONFOUNDED:
        return answer, (
            f"{told}, but the place of a well on its plate gives its condition away too (AUROC "
            f"{place.auroc:.2f}): illumination, edge effects or seeding may be all that the codes "
            "reflect."
        )
    if place.p > SIGNIFICANT:
        return YES, (
            f"{told}, and the place of a well on its plate does not give its condition away (AUROC "
            f"{place.auroc:.2f})."
        )
    return YES, (
        f"{told}, and better than by the place of a well on its plate (AUROC {place.auroc:.2f})."
    )
