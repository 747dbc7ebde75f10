"""What made a result: versions and device, for metrics.json."""

import platform
from importlib.metadata import version

import jax

PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "tensorflow-datasets", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, and the device."""
    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "device": f"{jax.device_count()} x {device.device_kind}",
    }
