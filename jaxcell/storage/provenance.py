"""What made a result: versions, commit and device, for metrics.json."""

import platform
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "tensorflow-datasets", "numpy")
CHECKOUT = Path(__file__).parents[2]
UNKNOWN = "unknown"


def versions() -> dict[str, str]:
    """Versions and commit of jaxcell, of Python and the packages that numbers depend on; device."""
    device = jax.devices()[0]
    return {
        "jaxcell": own_version(),
        "commit": commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "device": f"{jax.device_count()} x {device.device_kind}",
    }


def own_version(checkout: Path = CHECKOUT) -> str:
    """The version of jaxcell: as installed or, where it is not, as in its pyproject.toml."""
    try:
        return version("jaxcell")
    except PackageNotFoundError:
        project = checkout / "pyproject.toml"
        content = tomllib.loads(project.read_text("utf-8")) if project.exists() else {}
        return content.get("project", {}).get("version", UNKNOWN)


def commit(checkout: Path = CHECKOUT) -> str:
    """The git commit of jaxcell, with `+` where tracked files differ from it; `unknown` without.

    Args:
      checkout: folder that holds the package. Only its own repository counts: an installed package
        may lie in somebody else's.

    Returns:
      12 hexadecimal digits, or more where these are not unique.
    """
    if not (checkout / ".git").exists():
        return UNKNOWN
    describe = ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=12"]
    try:
        found = subprocess.run(describe, cwd=checkout, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or one that does not trust the owner
        return UNKNOWN
    return found.stdout.strip()
