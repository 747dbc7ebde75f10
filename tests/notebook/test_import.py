"""The package by itself: light, and complete."""

import subprocess
import sys
from pathlib import Path

import pytest

import jaxcell

ROOT = Path(__file__).parents[2]


def _modules_after(code: str) -> set[str]:
    """Modules that a fresh interpreter has imported after some code."""
    code = f"import sys; {code}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_nothing_heavy_is_imported_until_it_is_used():
    heavy = {"jax", "pandas", "matplotlib", "numpy", "ml_collections", "tensorflow_datasets"}
    seen = _modules_after("import jaxcell; dir(jaxcell), jaxcell.__version__")
    assert "jaxcell" in seen and not heavy & seen
    seen = _modules_after("import jaxcell; jaxcell.read_plate")
    assert "pandas" in seen and not {"jax", "matplotlib", "skimage", "tensorflow_datasets"} & seen
    seen = _modules_after("import jaxcell; jaxcell.measure")
    assert not {"matplotlib", "flax", "tensorflow_datasets"} & seen


def test_all_that_is_named_is_there():
    assert dir(jaxcell) == sorted(jaxcell.__all__)
    assert {"read_plate", "measure", "open_run"} < set(jaxcell.__all__)
    for name in jaxcell.__all__:
        assert getattr(jaxcell, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'read_plates'"):
        jaxcell.read_plates  # noqa: B018


def test_rooms_are_imported_as_ever():
    from jaxcell import plates

    assert plates.__name__ == "jaxcell.plates"
