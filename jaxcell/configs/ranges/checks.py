"""A config checked, setting by setting and then together, before anything is read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxcell.configs.ranges.agreements import AGREEMENTS
from jaxcell.configs.ranges.experiments import FIELDS
from jaxcell.configs.ranges.sections import (
    EXPERIMENT,
    KIND,
    NO_VIEW,
    PLATES,
    STAINED,
)
from jaxcell.configs.ranges.values import (
    Range,
    optional,
    shown,
)
from jaxcell.configs.settings import flat, nearest


def check(config: Any) -> None:
    """Checks every setting of a config, before anything is read or claimed.

    Args:
      config: a ConfigDict of any kind. Of a kind that is somebody else's package, fields that are
        not known here are theirs.

    Raises:
      ValueError: a field is missing, unknown, or not of its type and range, or two do not agree;
        says all that is wrong, a line each.
    """
    values = flat(config.to_dict())
    kind = values.get("experiment", "")
    wrong = list(_wrong(values, kind))
    if not wrong and kind in FIELDS:
        wrong = [said for agree in AGREEMENTS if (said := agree(values))]
    if wrong:
        raise ValueError("\n".join(wrong))


def check_of_run(config: Any, workdir: Path) -> None:
    """As `check`, of the config that a run's folder holds: it may be a stranger's, or old.

    Raises:
      ValueError: as `check`, with the file and what to do.
    """
    try:
        check(config)
    except ValueError as error:
        raise ValueError(
            f"{workdir / 'config.json'} does not fit this version of jaxcell: use the version that "
            f"trained the run, or train again in another folder\n{error}"
        ) from error


def _wrong(values: Mapping[str, Any], kind: Any) -> Iterator[str]:
    """What is wrong with each field by itself."""
    if not EXPERIMENT["experiment"].fits(kind):
        yield f"experiment is {kind!r}: use {EXPERIMENT['experiment'].words}"
        return
    every = {name: range_ for fields in FIELDS.values() for name, range_ in fields.items()}
    known = FIELDS.get(kind, every)
    if kind == "measurement":
        known = known | _of_any_kind(values)
    for name, value in values.items():
        if value == {} and any(field.startswith(f"{name}.") for field in (*known, "kinds.")):
            continue  # a section without fields: which of them it must have is said below
        if name not in known and kind in FIELDS:
            yield f"there is no setting {name}{nearest(name, known)}"
        elif name in known and not known[name].fits(value):
            yield f"{name} is {shown(value)}: use {known[name].words}"
    if kind in FIELDS:
        missing = [name for name, range_ in known.items() if not range_.optional]
        yield from (
            f"the config has no {name}: use {known[name].words}"
            for name in missing
            if name not in values
        )


def _of_any_kind(values: Mapping[str, Any]) -> dict[str, Range]:
    """Settings of kinds of cells of any name, as far as a config has them."""
    measured = values.get("measurement.kinds")
    measured = measured if isinstance(measured, tuple | list) else STAINED
    found = {f"plates.views.{kind}": NO_VIEW for kind in STAINED if kind not in measured}
    for name in values:
        if name.startswith("plates.views.") and name not in PLATES:
            found[name] = NO_VIEW
        field = name.rpartition(".")[2]
        if name.startswith("kinds.") and name.count(".") == 2 and field in KIND:
            found[name] = KIND[field]
    return optional(found)
