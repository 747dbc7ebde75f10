"""What made a result: versions, commit and device, for metrics.json, and the code itself."""

import hashlib
import platform
import subprocess
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "tensorflow-datasets", "numpy")
CHECKOUT = Path(__file__).parents[2]
UNKNOWN = "unknown"


def versions() -> dict[str, str]:
    """Versions and commit of jaxcell, of Python and the packages that numbers depend on; device."""
    import jax  # slow, and `jaxcell.__version__` needs none

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


@cache
def code_digest(*modules: str) -> str:
    """Digest of the source text of some modules: what they made is out of date when it changes.

    Args:
      modules: dotted names; of a package every Python file counts.

    Returns:
      12 hexadecimal digits, the same wherever the code lies.

    Raises:
      ValueError: there is no such module.
    """
    digest = hashlib.sha256()
    for module in modules:
        spec = find_spec(module)
        if spec is None:
            raise ValueError(f"there is no module {module}: name the one that took its place")
        path = Path(spec.origin)
        files = sorted(path.parent.rglob("*.py")) if spec.submodule_search_locations else [path]
        for file in files:
            name = file.relative_to(path.parent).as_posix()
            digest.update(f"{module} {name} {file.read_text(encoding='utf-8')}".encode())
    return digest.hexdigest()[:12]
