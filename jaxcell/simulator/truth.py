"""Tables of what is true of simulated plates: of wells and of fields, beside cells and contacts.

Pure: what was drawn in, rows out.
"""

from collections.abc import Mapping

import pandas as pd

from jaxcell.simulator.biology import Condition, log_odds
from jaxcell.simulator.field import CELL_TYPES, Field, Well
from jaxcell.simulator.layout import Treatment

COUNTS = ["t_cells", "dendritic_cells", "bound"]


def labelled(table: pd.DataFrame, about: Mapping) -> pd.DataFrame:
    """A table with columns of one value each in front."""
    for position, (name, value) in enumerate(about.items()):
        table.insert(position, name, value)
    return table


def field_row(well: Well, made: Field) -> dict:
    """A row of the fields' truth: how many cells there are, and what the light was."""
    light, is_t_cell = made.light, made.cells["type"] == CELL_TYPES[0]
    row = {
        "t_cells": int(is_t_cell.sum()),
        "dendritic_cells": int((~is_t_cell).sum()),
        "bound": int(made.cells["bound"].sum()),
    }
    row["lamp_brightfield"] = light.lamps[2].strength
    for kind, of_well, of_light, background, lamp in zip(
        CELL_TYPES, well.gain, light.gain, well.background, light.lamps
    ):
        row[f"gain_{kind}"] = of_well * of_light
        row[f"background_{kind}"] = background
        row[f"lamp_{kind}"] = lamp.strength
    return row | {
        "crosstalk": light.crosstalk,
        "defocus_px": light.defocus,
        "offset": light.offset,
        "read_noise": light.read_noise,
        "bits": light.bits,
    }


def well_row(
    plate: str,
    treatment: Treatment,
    medians: tuple[Condition, Condition],
    well: Well,
    fields: pd.DataFrame,
) -> pd.DataFrame:
    """A row of the wells' truth: what was done, cells of all fields, light of the mean field.

    Args:
      medians: what the median well of the condition is without and with the compound.
      fields: of `field_row`, with `well` and `field`.
    """
    without, with_compound = medians
    effect = log_odds(with_compound.association) - log_odds(without.association)
    drawn = {
        "association": well.association,
        "condition_association": without.association,
        "compound_effect": effect,
        "expected_t_cells": well.t_cells,
        "expected_dendritic_cells": well.dendritic_cells,
        "swelling_t_cell": well.swelling[0],
        "swelling_dendritic_cell": well.swelling[1],
    }
    about = {"plate": plate, "well": fields["well"].iloc[0], **treatment._asdict()} | drawn
    light = fields.drop(columns=["well", "field", *COUNTS]).mean()
    return pd.DataFrame([about | fields[COUNTS].sum().to_dict() | light.to_dict()])
