"""The members of a sweep: which runs a grid asks for, which train together, which are whose."""

import itertools
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxcell.experiments import lifecycle
from jaxcell.training.tasks import RECONSTRUCTION_LOSSES

# Axis -> the field of a run's config that it sets; `depth` sets the number of stages.
AXES = {
    "window": "dataset.window",
    "masked": "dataset.masked",
    "depth": "model.autoencoder.features",
    "activation": "model.autoencoder.activation",
    "downsampling": "model.autoencoder.downsampling",
    "loss": "training.autoencoder.loss",
    "learning_rate": "training.autoencoder.optimizer.learning_rate",
}
# What else would be found out only by a training that fails.
_FITS = {
    "latent_dim": (lambda value: value >= 0, "0 or more numbers"),
    "seed": (lambda value: 0 <= value < 2**31, "0 to 2147483647"),
    "depth": (lambda value: value >= 1, "1 or more stages"),
    "loss": (lambda value: value in RECONSTRUCTION_LOSSES, " or ".join(RECONSTRUCTION_LOSSES)),
    "learning_rate": (lambda value: value > 0, "above 0"),
}
# Fields that belong to a call, not to the sweep.
OF_A_CALL = ("shard", "plan")


class Member(NamedTuple):
    """One run of a sweep.

    Attributes:
      name: of its folder.
      config: of its run, as `configs/default.py` describes.
      setting: the values of all axes but latent size and seed, in words; empty without any.
      nested: whether its first k numbers are a code of size k.
      seed: of its training.
    """

    name: str
    config: ConfigDict
    setting: str
    nested: bool
    seed: int

    @property
    def kind(self) -> str:
        """`nested`, `separate` (a dense code of one size) or `spatial` (no dense code)."""
        if self.nested:
            return "nested"
        return "separate" if self.config.model.latent_dim else "spatial"


def grid(config: ConfigDict) -> list[Member]:
    """All members of a sweep, those that train together side by side.

    Args:
      config: as `configs/latent_sweep.py` describes.

    Returns:
      Members by data set, then by setting, latent size and seed; nested ones after the others.

    Raises:
      ValueError: an axis that a sweep needs is empty, has a value twice, or does not fit.
    """
    sweep = config.sweep
    for axis in ("latent_dim", "seed", *AXES):
        values = sweep[axis]
        if axis in ("latent_dim", "seed") and not values:
            raise ValueError(f"sweep.{axis} is empty: give at least one value")
        if len(set(values)) < len(values):
            raise ValueError(f"sweep.{axis} has a value twice: {values}")
        fits, wanted = _FITS.get(axis, (lambda value: True, ""))
        for value in values:
            if not fits(value):
                raise ValueError(f"sweep.{axis} holds {value!r}: use {wanted}")
    axes = [axis for axis in AXES if sweep[axis]]
    members = []
    for values in itertools.product(*(sweep[axis] for axis in axes)):
        chosen = dict(zip(axes, values, strict=True))
        run = _with_settings(config, chosen)
        setting = ", ".join(_in_words(axis, value) for axis, value in chosen.items())
        for latent_dim, seed in itertools.product(sweep.latent_dim, sweep.seed):
            size = f"latent_{latent_dim}" if latent_dim else "spatial"
            members.append(_member(run, chosen, size, setting, latent_dim, seed))
        if sweep.nested:
            members += [_nested(run, chosen, setting, sweep, seed) for seed in sweep.seed]
    return members


def groups(members: list[Member]) -> list[list[Member]]:
    """Members that share everything but the seed, and so train together in one program."""
    return [list(some) for _, some in itertools.groupby(members, _but_the_seed)]


def share(members: list[Member], shard: str) -> list[Member]:
    """The members of one of several calls, machines or jobs of an array.

    Groups are dealt out whole, so that seeds stay together, unless there are more calls than
    groups.

    Args:
      members: of `grid`.
      shard: `i/n`, i from 1 to n.

    Returns:
      Members that no other i of the same n gets; over all i, all of them.

    Raises:
      ValueError: `shard` is not of that form.
    """
    number, slash, count = shard.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"sweep.shard is {shard!r}: use i/n with i from 1 to n, such as 1/4")
    hands = groups(members)
    if int(count) > len(hands):
        hands = [[member] for member in members]
    return list(itertools.chain(*hands[int(number) - 1 :: int(count)]))


def identity(config: ConfigDict) -> dict:
    """What of a config a sweep is: what its runs are, and the grid."""
    grid_of = {k: v for k, v in config.sweep.to_dict().items() if k not in OF_A_CALL}
    return lifecycle.identity(config) | {"sweep": grid_of}


def _with_settings(config: ConfigDict, chosen: dict[str, Any]) -> ConfigDict:
    """The config of a run under chosen settings, still without latent size and seed."""
    run = ConfigDict(config.to_dict())
    del run.sweep
    run.experiment = "interaction"
    for axis, value in chosen.items():
        parent, name = AXES[axis].rsplit(".", 1)
        section = run
        for part in parent.split("."):
            section = section[part]
        if axis == "depth":
            # As many stages, the last one again where there are more than the config names.
            features = tuple(section[name])
            value = (features + features[-1:] * value)[:value]
        section[name] = value
    return run


def _member(
    run: ConfigDict, chosen: dict, size: str, setting: str, latent_dim: int, seed: int
) -> Member:
    own = ConfigDict(run.to_dict())
    own.model.latent_dim, own.training.seed = latent_dim, seed
    parts = [*(f"{axis}_{value}" for axis, value in chosen.items()), size, f"seed_{seed}"]
    return Member("-".join(parts), own, setting, bool(own.model.nested_sizes), seed)


def _nested(run: ConfigDict, chosen: dict, setting: str, sweep: ConfigDict, seed: int) -> Member:
    sizes = tuple(sorted(size for size in sweep.latent_dim if size))
    if not sizes:
        raise ValueError("sweep.nested needs sizes in sweep.latent_dim: give some, or set it False")
    own = ConfigDict(run.to_dict())
    own.model.nested_sizes = sizes
    own.training.autoencoder.epochs = sweep.nested_epochs
    return _member(own, chosen, "nested", setting, max(sizes), seed)


def _in_words(axis: str, value: Any) -> str:
    units = {"window": " pixels", "depth": " stages"}
    if axis == "masked":
        return "masked" if value else "plain images"
    return f"{axis.replace('_', ' ')} {value}{units.get(axis, '')}"


def _but_the_seed(member: Member) -> str:
    config = ConfigDict(member.config.to_dict())
    config.training.seed = 0
    return config.to_json(sort_keys=True)
