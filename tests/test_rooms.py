"""The house's order: one direction, no way back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxcell"
GROUND = {"plates", "cells", "simulator", "compute", "storage"}
# Room -> rooms that it may import. A folder that is not named here fails the test.
ALLOWED = {
    "plates": {"storage"},
    "cells": set(),
    "simulator": {"storage"},
    "compute": set(),
    "storage": set(),
    "distributed": {"storage"},
    "configs": {"measures", "simulator"},
    "measures": {"cells"},
    "models": {"compute"},
    "training": {"compute", "models", "storage"},
    "dataset": {"plates", "cells", "measures", "simulator", "storage", "distributed"},
    "analysis": {"measures", "storage"},
    "report": {"analysis", "measures", "cells", "storage"},
    "inference": GROUND | {"configs", "dataset", "models", "training", "measures", "analysis"},
    "experiments": GROUND
    | {"configs", "measures", "models", "training", "dataset", "analysis", "report", "inference"}
    | {"distributed"},
    "cli": {"compute", "configs", "distributed", "experiments", "storage"},
    "__init__.py": {"notebook", "storage"},
    "notebook": GROUND | {"measures", "dataset", "inference", "experiments", "report", "configs"},
}


def _files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def _imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "jaxcell":
            names |= {f"jaxcell.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("jaxcell.")}


def test_every_file_stands_in_a_room_with_a_rule():
    assert {_room(path) for path in _files()} <= set(ALLOWED)
    folders = [path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert len(folders) <= 17
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_every_room_imports_only_what_it_may():
    broken = {
        f"{path.relative_to(ROOT)} imports {room}"
        for path in _files()
        for room in _imported_rooms(path) - ALLOWED[_room(path)] - {_room(path)}
    }
    assert not broken


def test_plotting_is_imported_by_the_report_alone():
    outside = [path for path in _files() if _room(path) != "report"]
    assert not [path for path in outside if "import matplotlib" in path.read_text()]


def test_a_training_step_needs_no_data_set_library():
    code = (
        "import sys, jaxcell.models.autoencoder, jaxcell.models.regressor, jaxcell.training.steps;"
        "print([m for m in ('tensorflow_datasets', 'pandas', 'grain') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "module,heavy",
    [
        *(
            (module, "jax pandas numpy dask distributed")
            for module in ("train", "evaluate", "jaxcell.cli")
        ),
        # What a training begins with.
        ("jaxcell.experiments.interaction.train", "umap matplotlib bokeh dask"),
        ("jaxcell.experiments.measurement.measure", "dask distributed umap"),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module, heavy):
    code = f"import sys, {module}; print([m for m in {heavy.split()} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
