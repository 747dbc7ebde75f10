"""Data parallelism over the local devices: parameters everywhere, a share of the batch on each."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


class Shardings(NamedTuple):
    """Where arrays lie: `replicated` on every device, `batch` split along the first axis."""

    replicated: NamedSharding
    batch: NamedSharding


def make_shardings(batch_size: int, devices: Sequence[jax.Device] | None = None) -> Shardings:
    """Shardings for a batch over devices.

    Args:
      batch_size: examples in a batch.
      devices: devices to use; all local ones if None.

    Returns:
      The replicated and the batch sharding over one mesh.

    Raises:
      ValueError: the batch cannot be split evenly.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    if batch_size % len(devices):
        raise ValueError(
            f"a batch of {batch_size} cannot be split evenly over {len(devices)} devices: "
            f"set batch_size to a multiple of {len(devices)}"
        )
    mesh = jax.make_mesh((len(devices),), ("batch",), (AxisType.Auto,), devices=devices)
    return Shardings(
        replicated=NamedSharding(mesh, PartitionSpec()),
        batch=NamedSharding(mesh, PartitionSpec("batch")),
    )
