"""What a label-free network and all beside it say of fields whose stain and truth are known."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.analysis.scores import detection
from jaxcell.analysis.scores.label_free import AREAS
from jaxcell.analysis.scores.virtual_stain import dice, scores
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.methods import decoded, field_masks
from jaxcell.dataset.unstained_fields import Levels, Seen, read_seen, scaled_stain
from jaxcell.experiments.label_free.baselines import FEATURES, answer_linear, fit_linear
from jaxcell.inference.stainer import Answer, Stainer, answered, cells_shown, expected_areas

# Training fields that the baselines are fitted to.
FIELDS = 24
PLACE = ("plate", "well", "field", "condition")
# Cells that are found -> those that they are held against.
PAIRS = (("shown", "all"), ("drawn", "stained"), ("drawn", "true"), ("stained", "true"))


class Judged(NamedTuple):
    """What was said of fields.

    Attributes:
      areas: one row a field and method (`METHODS`, `truth`): `PLACE`, method and `AREAS`.
      pixels: one row a field, kind of cell and method that draws: `PLACE`, kind, method and
        `virtual_stain.scores`; of the network `dice` besides, against the real stain's masks.
      cells: (kind, found, against) -> `detection.Matches` of each field.
    """

    areas: pd.DataFrame
    pixels: pd.DataFrame
    cells: dict[tuple[str, str, str], list]


def drawing(
    stainer: Stainer, train: pd.DataFrame, seed: int = 0
) -> dict[str, Callable[[np.ndarray], Answer]]:
    """The network and the baselines, each from a scaled field to its answer.

    Args:
      stainer: trained.
      train: rows of `unstained_table` of the training fields, of which some fit the baselines.
      seed: of these, and of their pixels.
    """
    some = train.sample(min(FIELDS, len(train)), random_state=seed)
    rows = tqdm(list(some.itertuples()), "fitting baselines", unit=" fields", dynamic_ncols=True)
    fields = [read_seen(row, stainer.inputs) for row in rows]
    models = {name: fit_linear(name, fields, stainer.levels, seed) for name in FEATURES}
    linear = {
        name: lambda image, model=model: answer_linear(model, image)
        for name, model in models.items()
    }
    return {"network": lambda image: answered(stainer, image), **linear}


def judge(
    draw: Mapping[str, Callable[[np.ndarray], Answer]],
    table: pd.DataFrame,
    stainer: Stainer,
) -> Judged:
    """What everything says of some fields.

    Args:
      draw: as `drawing` gives.
      table: rows of `unstained_table`.
      stainer: whose views and levels count.
    """
    areas, pixels, cells = [], [], {}
    for row in tqdm(list(table.itertuples()), "evaluating", unit=" fields", dynamic_ncols=True):
        seen = read_seen(row, stainer.inputs)
        answers = {name: answer(seen.image) for name, answer in draw.items()}
        masks = {
            "stained": masks_of_stains(seen.stain, stainer.pixel_um),
            "drawn": masks_of_stains(answers["network"].stain, stainer.pixel_um),
        }
        place = {name: getattr(row, name) for name in PLACE}
        found = {name: expected_areas(answer.chances) for name, answer in answers.items()}
        found |= {"stained": areas_of(masks["stained"]), "drawn_stain": areas_of(masks["drawn"])}
        found["truth"] = areas_of(np.moveaxis(seen.labels > 0, -1, 0))
        areas += [place | {"method": name} | dict(zip(AREAS, of)) for name, of in found.items()]
        pixels += [place | line for line in _pixels(seen, answers, masks, stainer.levels)]
        for key, matched in _cells(seen, masks, answers["network"]).items():
            cells.setdefault(key, []).append(matched)
    return Judged(pd.DataFrame(areas), pd.DataFrame(pixels), cells)


def areas_of(masks: Any) -> np.ndarray:
    """Pixels of T cells, of dendritic cells and of both, int [3], of two masks."""
    t_cell, dendritic_cell = masks
    return np.array([mask.sum() for mask in (t_cell, dendritic_cell, t_cell & dendritic_cell)])


def masks_of_stains(stain: np.ndarray, pixel_um: float) -> tuple[np.ndarray, np.ndarray]:
    """The instrument’s masks of both stains, bool [H, W] each, of uint16 [H, W, 2]."""
    return decoded(field_masks(stain, "instrument", pixel_um))


def _pixels(
    seen: Seen, answers: Mapping[str, Answer], masks: Mapping, levels: Levels
) -> list[dict]:
    real, lines = np.asarray(scaled_stain(seen.stain, levels)), []
    for method, answer in answers.items():
        drawn = np.asarray(scaled_stain(answer.stain, levels))
        for number, kind in enumerate(VIEWS):
            line = {"kind": kind, "method": method}
            line |= scores(real[..., number], drawn[..., number], seen.labels[..., number] > 0)
            if method == "network":
                line["dice"] = dice(masks["stained"][number], masks["drawn"][number])
            lines.append(line)
    return lines


def _cells(
    seen: Seen, masks: Mapping, answer: Answer
) -> dict[tuple[str, str, str], detection.Matches]:
    labels = {name: [label_cells(mask) for mask in pair] for name, pair in masks.items()}
    of_field = {"true": seen.labels, "all": seen.cells, "shown": cells_shown(answer.chances)}
    labels |= {name: list(np.moveaxis(array, -1, 0)) for name, array in of_field.items()}
    return {
        (kind, found, against): detection.match(labels[against][number], labels[found][number])
        for number, kind in enumerate(VIEWS)
        for found, against in PAIRS
    }
