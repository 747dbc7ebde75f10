"""Who does the tasks of a command: this process, a Dask cluster, or several calls on one disk."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Workers(NamedTuple):
    """Who does the tasks; this process, where nothing is named.

    Attributes:
      scheduler: address of a Dask scheduler, such as `tcp://node1:8786`.
      scheduler_file: the file that `dask scheduler --scheduler-file` writes, in its place.
      shard: `i/n`, i from 1 to n: this call does the i-th of n shares of the tasks; others that
        share the disk do the rest.
    """

    scheduler: str = ""
    scheduler_file: str = ""
    shard: str = ""

    @property
    def on_cluster(self) -> bool:
        """Whether a Dask cluster does them."""
        return bool(self.scheduler or self.scheduler_file)


HERE = Workers()


def check_workers(workers: Workers) -> None:
    """Finds out now what would otherwise stop a command later.

    Raises:
      ValueError: more than one is named, a shard is not of its form, or Dask is not installed.
    """
    named = [f"--{name.replace('_', '-')}" for name, value in workers._asdict().items() if value]
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} are two ways to share the tasks: choose one")
    if workers.shard:
        _number_and_count(workers.shard)
    if workers.on_cluster and find_spec("distributed") is None:
        raise ValueError(f"{named[0]} needs Dask: pip install 'jaxcell[cluster]'")


def own_share(items: Sequence[Item], workers: Workers) -> list[Item]:
    """The items that fall to this call: over all shards each item once.

    Every n-th is taken, so that shares are as even as they can be and no plate is one call's alone.
    """
    if not workers.shard:
        return list(items)
    number, count = _number_and_count(workers.shard)
    return list(items[number - 1 :: count])


def _number_and_count(shard: str) -> tuple[int, int]:
    number, slash, count = shard.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"--shard is {shard!r}: use i/n with i from 1 to n, such as 1/4")
    return int(number), int(count)
