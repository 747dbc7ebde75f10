"""The house's order: one direction, no way back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# room -> rooms it may import
ALLOWED = {
    "interaction": set(),
    "models": set(),
    "analysis": set(),
    "plates": {"interaction"},
    "dataset": {"plates", "interaction"},
    "training": {"models", "dataset"},
    "report": {"analysis"},
}


def _imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    rooms = {name.split(".")[1] for name in names if name.startswith("jaxcell.")}
    return rooms & set(ALLOWED)


def test_every_room_imports_only_what_it_may():
    broken = {
        f"{path.relative_to(ROOT)} imports {room}"
        for own, allowed in ALLOWED.items()
        for path in (ROOT / "jaxcell" / own).rglob("*.py")
        for room in _imported_rooms(path) - allowed - {own}
    }
    assert not broken


def test_plotting_is_imported_by_the_report_alone():
    outside = [path for path in (ROOT / "jaxcell").rglob("*.py") if path.parent.name != "report"]
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
        *((script, "jax pandas") for script in ("train", "evaluate", "predict")),
        ("measure", "jax matplotlib"),
        ("jaxcell.commands", "umap tensorflow_datasets matplotlib bokeh sklearn"),
        ("jaxcell.experiment", "umap matplotlib bokeh"),  # what a training begins with
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module, heavy):
    code = f"import sys, {module}; print([m for m in {heavy.split()} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
