"""Data parallelism over devices: parameters everywhere, a share of the batch on each."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


class Shardings(NamedTuple):
    """Where arrays lie: `replicated` on every device, `batch` split along the first axis."""

    replicated: NamedSharding
    batch: NamedSharding


def make_shardings(batch_size: int, devices: Sequence[jax.Device] | None = None) -> Shardings:
    """Shardings for a batch over as many of the devices (None: all local ones) as divide it.

    Each process gives as many as any other, and has its rows of a batch in one piece. An
    accelerator that stays idle is warned of; the cores of a CPU, each of which may be a device,
    help each other out.

    Raises:
      ValueError: the batch cannot be divided among the processes whose devices these are.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    of_process: dict[int, list[jax.Device]] = {}
    for device in devices:
        of_process.setdefault(device.process_index, []).append(device)
    if batch_size % len(of_process):
        raise ValueError(
            f"a batch of {batch_size} cannot be divided among {len(of_process)} processes: use a "
            f"batch_size that is a multiple of {len(of_process)}"
        )
    fewest = min(map(len, of_process.values()))
    each = len(dividing(batch_size // len(of_process), devices[:fewest]))
    used = [device for process in sorted(of_process) for device in of_process[process][:each]]
    if len(used) < len(devices) and devices[0].platform != "cpu":
        warnings.warn(
            f"a batch of {batch_size} is split over {len(used)} of {len(devices)} devices: "
            f"a batch_size that is a multiple of {len(devices)} uses all",
            stacklevel=2,
        )
    mesh = jax.make_mesh((len(used),), ("batch",), (AxisType.Auto,), devices=used)
    return Shardings(
        replicated=NamedSharding(mesh, PartitionSpec()),
        batch=NamedSharding(mesh, PartitionSpec("batch")),
    )


def over_devices(
    function: Callable, mesh: Mesh, arguments: str, results: PartitionSpec | None = None
) -> Callable:
    """A function of which each device of a mesh of one axis does its rows.

    Args:
      arguments: a letter an argument: `s`, split along its first axis, or `w`, given whole.
      results: where they lie; split if None.
    """
    split, whole = PartitionSpec(*mesh.axis_names), PartitionSpec()
    specs = tuple(split if letter == "s" else whole for letter in arguments)
    results = split if results is None else results
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=results, check_vma=False)


def dividing(count: int, devices: Sequence[jax.Device]) -> list[jax.Device]:
    """As many of the devices as divide `count` evenly."""
    used = max(n for n in range(1, len(devices) + 1) if count % n == 0)
    return list(devices[:used])
