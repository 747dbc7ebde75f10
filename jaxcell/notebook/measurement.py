"""A well measured: its numbers, its cells, and a picture of both."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from threadpoolctl import threadpool_limits

from jaxcell.cells.kinds import Population
from jaxcell.configs import ranges
from jaxcell.configs.kinds import population_of, with_kinds
from jaxcell.configs.settings import changed, load_config
from jaxcell.experiments.measurement.cell_finding import CellFinder, make_cell_finder
from jaxcell.experiments.measurement.one_well import measure_one_well
from jaxcell.experiments.measurement.own_labels import label_columns, own_labels
from jaxcell.measures.catalogue import quantities
from jaxcell.notebook.names import not_found
from jaxcell.notebook.plates import Well
from jaxcell.plates.pixels import own_pixel_um
from jaxcell.storage.run_folder import TRAINED

if TYPE_CHECKING:  # slow to import, and needed for pictures alone
    from matplotlib.axes import Axes

# Settings of `jaxcell measure` that are of one well -> their sections.
SETTINGS = {
    "pixel_um": "plates",
    **dict.fromkeys(("mask_method", "mask_scope", "window"), "dataset"),
    **dict.fromkeys(
        (
            "segmentation",
            "labels_from",
            "minimum_area_um2",
            "contact_um",
            "near_um",
            "granularity_steps",
        ),
        "measurement",
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class Found:
    """What was found in a well.

    Attributes:
      well: which.
      measures: float64, the numbers of the well by name, as in `wells.csv`; what each is called,
        its unit and its meaning are in `measures.attrs`: "labels", "units" and "definitions".
      answer: whether its cells interact or meet by chance, or that there are too few to say; of
        several pairs of kinds of cells one after the other, and '' without a pair.
      cells: one row a cell, as in `cells.parquet`.
      labels: field -> kind of cell -> int32 [H, W], the number of the cell at each pixel, as in the
        column `cell`; 0 outside cells.
      pixel_um: width of a pixel.
      population: the kinds of cells, and pairs asked of.
    """

    well: Well
    measures: pd.Series
    answer: str
    cells: pd.DataFrame
    labels: dict[int, dict[str, np.ndarray]]
    pixel_um: float
    population: Population

    def show(self, field: int | None = None, axes: "Axes | None" = None) -> "Axes":
        """Draws a field with the outlines of its cells and a scale bar.

        Args:
          field: its number; the first where none is given.
          axes: where to draw; a new figure where none are given.

        Returns:
          The axes, in pixels: `axes.set(xlim=(0, 300), ylim=(300, 0))` shows the cells there.

        Raises:
          ValueError: the well has no such field.
        """
        from jaxcell.report.measurement.field import outlined_field

        field = next(iter(self.labels)) if field is None else field
        if field not in self.labels:
            fields = ", ".join(map(str, self.labels))
            raise ValueError(
                f"{self.well.plate} {self.well.name} has no field {field}: its fields are {fields}"
            )
        labels = np.stack([self.labels[field][kind] for kind in self.population.keys])
        title = f"{self.well.plate} {self.well.name}, field {field}"
        kinds = self.population.kinds
        return outlined_field(self.well.images[field], labels, self.pixel_um, title, axes, kinds)

    def __repr__(self) -> str:
        units, labels = self.measures.attrs["units"], self.measures.attrs["labels"]
        width = max(map(len, labels.values()))
        lines = [
            f"{label:<{width}} {self.measures[name]:10.5g} {units[name]}".rstrip()
            for name, label in labels.items()
        ]
        answer = f": {self.answer}" if self.answer else ""
        return "\n".join([f"{self.well!r}{answer}", *lines])


def measure(well: Well, *, pairs: Sequence[str] = (), **settings: float | str | Path) -> Found:
    """Measures how the cells of a well interact, and every cell.

    The kinds of cells are those of the plate, see `read_plate`.

    Args:
      well: of `read_plate`.
      pairs: whose interaction is asked, such as ["b_cell:macrophage"]; none: every two kinds.
      **settings: of `jaxcell measure`, where they are to differ from its defaults: `contact_um`,
        `near_um`, `minimum_area_um2`, `pixel_um`, `granularity_steps`, `mask_method`, `mask_scope`,
        `window`, or `segmentation`, the folder of a run whose network then finds the cells, or
        `labels_from`, a folder of label images whose cells are measured. Where the files say how
        large a pixel is, that is the default.

    Returns:
      What was found: the numbers that `jaxcell measure` gives for the well.

    Raises:
      TypeError: there is no such setting.
      ValueError: a setting is out of its range, or an image cannot be read or measured.
    """
    unknown = [name for name in settings if name not in SETTINGS]
    if unknown:
        raise TypeError(f"measure has no setting {not_found(unknown[0], list(SETTINGS))}")
    given = {f"{SETTINGS[name]}.{name}": str(value) for name, value in settings.items()}
    own = own_pixel_um(well.source.images)
    if "pixel_um" not in settings and not math.isnan(own):
        given["plates.pixel_um"] = str(own)
    config: Any = with_kinds(load_config("measure"), well.source.kinds)
    config = changed(config, given)
    config.measurement.pairs = tuple(pairs)
    ranges.check(config)
    population = population_of(config)
    trained = Path(config.measurement.segmentation) / TRAINED
    fields, config.plates.folder = well.fields, str(well.source.folder)
    if labelled := own_labels(well.plates, config):
        fields, find = (
            fields.merge(label_columns(labelled, population.keys), on=["plate", "well", "field"]),
            None,
        )
    else:
        made = trained.stat().st_mtime_ns if trained.exists() else 0
        find = _cell_finder(config.to_json(), made)
    # One thread adds up in one order: the same as the command, to the last digit.
    with threadpool_limits(1, "blas"):
        measures, cells, _, labels = measure_one_well(config, fields, flat={}, find=find)
    words = quantities(config.measurement.contact_um, config.measurement.near_um, population)
    series = pd.Series(
        {name: measures[name] for name in words}, dtype=float, name=f"{well.plate} {well.name}"
    )
    series.attrs["labels"] = {name: quantity.label for name, quantity in words.items()}
    series.attrs["units"] = {name: quantity.unit for name, quantity in words.items()}
    series.attrs["definitions"] = {name: quantity.definition for name, quantity in words.items()}
    by_kind: dict[int, dict[str, np.ndarray]] = {
        field: dict(zip(population.keys, both)) for field, both in labels.items()
    }
    answers = {pair: measures[f"{pair.prefix}answer"] for pair in population.pairs}
    answer = "; ".join(f"{pair.plural}: {said}" if pair.prefix else said
                       for pair, said in answers.items())  # fmt: skip
    return Found(well, series, answer, cells, by_kind, config.plates.pixel_um, population)


@lru_cache(maxsize=1)
def _cell_finder(settings: str, trained: int) -> CellFinder:
    """How cells are found, kept from well to well: a network takes seconds to open and compile.

    Args:
      settings: the config as JSON.
      trained: when the network was trained; another one is opened anew.
    """
    del trained
    config: Any = ConfigDict(json.loads(settings))
    if config.measurement.segmentation:
        from jaxcell.compute import backend  # JAX: thresholds need none

        backend.set_up()
    return make_cell_finder(config)
