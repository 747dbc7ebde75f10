"""Data parallelism over the local devices: parameters everywhere, a share of the batch on each."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


class Shardings(NamedTuple):
    """Where arrays lie: `replicated` on every device, `batch` split along the first axis."""

    replicated: NamedSharding
    batch: NamedSharding


def make_shardings(batch_size: int, devices: Sequence[jax.Device] | None = None) -> Shardings:
    """Shardings for a batch over devices: over as many of them as divide it.

    Args:
      batch_size: examples in a batch.
      devices: devices to use; all local ones if None. An accelerator that stays idle is warned
        of; the cores of a CPU, each of which may be a device, help each other out.

    Returns:
      The replicated and the batch sharding over one mesh.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    used = max(n for n in range(1, len(devices) + 1) if batch_size % n == 0)
    if used < len(devices) and devices[0].platform != "cpu":
        warnings.warn(
            f"a batch of {batch_size} is split over {used} of {len(devices)} devices: "
            f"a batch_size that is a multiple of {len(devices)} uses all",
            stacklevel=2,
        )
    mesh = jax.make_mesh((used,), ("batch",), (AxisType.Auto,), devices=devices[:used])
    return Shardings(
        replicated=NamedSharding(mesh, PartitionSpec()),
        batch=NamedSharding(mesh, PartitionSpec("batch")),
    )
