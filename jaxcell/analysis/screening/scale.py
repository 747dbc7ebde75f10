"""The scale on which wells are compared: log odds for shares, logarithms for counts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LOG_ODDS, LOGARITHM, AS_IS = "log odds", "logarithm", "as it is"


class Scale(NamedTuple):
    """A monotone scale on which the spread of replicates depends little on their mean.

    Attributes:
      name: `LOG_ODDS`, `LOGARITHM` or `AS_IS`.
      maximum: of a share: 1, or 100 for percent; else None.
      offset: what keeps values at a bound finite, in the unit of the measure.
    """

    name: str
    maximum: float | None = None
    offset: float = 0.0

    def forward(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Values of the measure on this scale, float64; NaN stays NaN."""
        values = np.asarray(values, np.float64)
        if self.name == AS_IS:
            return values
        if self.name == LOGARITHM:
            return np.log(values + self.offset)
        return np.log(values + self.offset) - np.log(self.maximum - values + self.offset)

    def backward(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Values of this scale in the unit of the measure, float64, within its bounds."""
        values = np.asarray(values, np.float64)
        if self.name == AS_IS:
            return values
        if self.name == LOGARITHM:
            return np.maximum(np.exp(values) - self.offset, 0)
        share = 1 / (1 + np.exp(-values))
        wide = self.maximum + 2 * self.offset
        return np.clip(share * wide - self.offset, 0, self.maximum)


def choose_scale(values: np.ndarray, minimum: float | None, maximum: float | None) -> Scale:
    """The scale for a measure with these bounds.

    Log odds for a share (from 0 to 1 or to 100), a logarithm for what is bounded by 0 alone and is
    not mostly 0, else as it is. A value at a bound is drawn in by half the least distance from it
    that any value has (Berkson 1953 adds half an event).

    Args:
      values: float [N], in the unit of the measure.
      minimum, maximum: of the measure; None where nothing bounds it.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if minimum != 0 or not len(values) or (values < 0).any():
        return Scale(AS_IS)
    if maximum in (1, 100):
        if (values > maximum).any():
            return Scale(AS_IS)
        apart = np.concatenate([values, maximum - values])
        name = LOG_ODDS
    elif maximum is None and np.median(values) > 0:
        apart, name = values, LOGARITHM
    else:
        return Scale(AS_IS)
    offset = 0.0 if (apart > 0).all() else 0.5 * float(apart[apart > 0].min())
    return Scale(name, None if name == LOGARITHM else float(maximum), offset)
