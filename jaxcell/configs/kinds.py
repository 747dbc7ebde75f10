"""From a measurement's config to the kinds of cells that it is of."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcell.configs.settings import flat
from jaxcell.measures.population import WORDS, Population, make_population


def population_of(config: Any) -> Population:
    """The kinds of cells of a measurement: those of `measurement.kinds` whose view is named.

    Args:
      config: as `configs/measure.py` describes.

    Raises:
      ValueError: a kind cannot be called so, has no view, or a pair is none.
    """
    return population_in(flat(config.to_dict()))


def population_in(values: Mapping[str, Any]) -> Population:
    """The same of settings by dotted name."""
    names = tuple(values["measurement.kinds"])
    for name in names:
        if f"plates.views.{name}" not in values:
            raise ValueError(
                f"measurement.kinds names {name}, and nothing says which view shows it: use "
                f"--kinds {name}=VIEW, or set plates.views.{name} too"
            )
    shown = [name for name in names if values[f"plates.views.{name}"]]
    words: dict[str, dict[str, str]] = {}
    for setting, value in values.items():
        section, _, rest = setting.partition(".")
        name, _, word = rest.rpartition(".")
        if section == "kinds" and name and name not in set(names) - set(shown):
            words.setdefault(name, {}).update({word: value} if word in WORDS else {})
    return make_population(shown, values["measurement.pairs"], words)


def with_kinds(config: Any, views: Mapping[str, str]) -> Any:
    """A measurement of these kinds of cells, and of no other.

    Args:
      config: as `configs/measure.py` describes; changed in place.
      views: kind -> the view that shows it, in the order of the kinds; `brightfield` is none.

    Returns:
      The config.
    """
    kinds = [name for name in views if name != "brightfield"]
    brightfield = {"brightfield": config.plates.views.get("brightfield", "")}
    config.plates.views = ConfigDict(brightfield | dict(views))
    config.measurement.kinds = tuple(kinds)
    return config


def how_found(config: Any, name: str) -> dict[str, Any]:
    """What the config says of how a kind of cells is found; what it leaves open is not there."""
    said = config.get("kinds", {}).get(name, {})
    return {field: value for field, value in said.items() if field not in WORDS and value}
