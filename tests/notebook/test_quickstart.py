"""The notebook that people start from: every cell runs, and what is kept of it is small."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
# Bytes: everybody who clones the repository has it in every version.
LARGEST = 200_000


def test_it_runs_from_folder_to_prediction(tmp_path, monkeypatch):
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # as whoever opens it has it
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(ROOT)}}
    done = client.NotebookClient(notebook, timeout=600, resources=where).execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output["data"] for output in outputs if "data" in output]
    assert any("image/jpeg" in data for data in shown)
    texts = " ".join(data["text/plain"] for data in shown)
    assert "T cells in contact" in texts and "predicted_mean" in texts


def test_what_is_kept_of_it_is_small_and_whole():
    assert NOTEBOOK.stat().st_size < LARGEST
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count == number for number, cell in enumerate(code, 1))
    said = [output for cell in code for output in cell.outputs]
    # Neither warnings nor progress bars of whoever ran it last.
    assert not [output for output in said if output.get("name") == "stderr"]
