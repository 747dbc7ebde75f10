"""What is exported is read again as it was, by the libraries the tools build on."""

import anndata
import numpy as np
import pandas as pd
import pytest

from jaxcell.storage.anndata import to_anndata
from jaxcell.storage.atomic import write_anndata, write_cells

MEANINGS = {"area_um2": ("µm²", "number of pixels times the area of a pixel")}


def _table(rows: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "plate": pd.array(["CK19"] * rows, dtype="string"),
            "well": [f"B{row // 2 + 2:02d}" for row in range(rows)],
            "field": np.ones(rows, np.int32),
            "condition": pd.Categorical(["OVA", "ConA"] * (rows // 2)),
            "compound": ["Compound 1", None] * (rows // 2),
            "concentration_um": [10.0, np.nan] * (rows // 2),
            "touches_border": [True, False] * (rows // 2),
            "count": pd.array([1, None] * (rows // 2), dtype="Int64"),
            "y": rng.uniform(0, 2048, rows),
            "x": rng.uniform(0, 2048, rows),
            "area_um2": rng.uniform(30, 200, rows).astype(np.float32),
            "solidity": rng.uniform(0.5, 1, rows),
        }
    )


OBS = ["plate", "well", "field", "condition", "compound", "concentration_um", "touches_border",
       "count"]  # fmt: skip
FEATURES = ["area_um2", "solidity"]


def test_cells_are_read_again(tmp_path):
    path = tmp_path / "new" / "cells.parquet"
    cells = _table()
    write_cells(path, cells)
    again = pd.read_parquet(path)
    pd.testing.assert_frame_equal(again, cells, check_dtype=False)
    assert again["touches_border"].dtype == bool and again["area_um2"].dtype == np.float32
    assert [file.name for file in path.parent.iterdir()] == ["cells.parquet"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "cells.parquet"
    write_cells(path, _table())
    with pytest.raises(Exception):  # noqa: B017  whatever pyarrow raises
        write_cells(path, pd.DataFrame({"mixed": [1, "a", object()]}))
    assert len(pd.read_parquet(path)) == 6


def test_anndata_is_read_again(tmp_path):
    table = _table()
    codes = {"X_autoencoder": np.arange(18.0).reshape(6, 3)}
    made = to_anndata(table, FEATURES, OBS, pixel_um=0.741, meanings=MEANINGS, codes=codes,
                      versions={"jax": "1"})  # fmt: skip
    path = tmp_path / "cells.h5ad"
    write_anndata(path, made)
    again = anndata.read_h5ad(path)
    assert [file.name for file in tmp_path.iterdir()] == ["cells.h5ad"]
    assert again.X.dtype == np.float32 and again.X.shape == (6, 2)
    np.testing.assert_allclose(again.X, table[FEATURES].to_numpy(), rtol=1e-6)
    np.testing.assert_array_equal(again.obsm["X_autoencoder"], codes["X_autoencoder"])
    np.testing.assert_allclose(again.obsm["spatial"], table[["x", "y"]] * 0.741, rtol=1e-6)
    assert again.uns["pixel_um"] == 0.741 and again.uns["versions"] == {"jax": "1"}
    assert list(again.var_names) == FEATURES
    assert list(again.var["unit"]) == ["µm²", ""]
    assert again.var.loc["area_um2", "definition"] == MEANINGS["area_um2"][1]


def test_text_truth_and_missing_values_survive(tmp_path):
    table = _table()
    write_anndata(tmp_path / "a.h5ad", to_anndata(table, FEATURES, OBS, pixel_um=1.0))
    obs = anndata.read_h5ad(tmp_path / "a.h5ad").obs
    assert list(obs["plate"]) == ["CK19"] * 6 and list(obs["condition"]) == ["OVA", "ConA"] * 3
    assert list(obs["compound"].isna()) == [False, True] * 3
    assert obs["compound"].iloc[0] == "Compound 1"
    assert obs["touches_border"].dtype == bool and list(obs["touches_border"]) == [True, False] * 3
    np.testing.assert_array_equal(obs["concentration_um"], table["concentration_um"])
    np.testing.assert_array_equal(obs["count"], [1, np.nan] * 3)
    assert obs["field"].dtype == np.int32
    # Two rows of each well lie in the same field of view, no others.
    assert list(obs["image"]) == [f"CK19_B{row // 2 + 2:02d}_1" for row in range(6)]
    assert obs.index.is_unique


@pytest.mark.parametrize("kind", ["object", "string", "category", "str"])
def test_every_kind_of_text_is_written(tmp_path, kind):
    table = _table()
    table["compound"] = table["compound"].astype(kind)
    write_anndata(tmp_path / "a.h5ad", to_anndata(table, FEATURES, ["compound"], pixel_um=1.0))
    again = anndata.read_h5ad(tmp_path / "a.h5ad").obs["compound"]
    assert list(again.astype(object).iloc[[0, 2]]) == ["Compound 1"] * 2


def test_no_rows_are_a_file_too(tmp_path):
    write_anndata(tmp_path / "a.h5ad", to_anndata(_table()[:0], FEATURES, OBS, pixel_um=1.0))
    assert anndata.read_h5ad(tmp_path / "a.h5ad").shape == (0, 2)


def test_what_scanpy_could_not_use_is_refused():
    table = _table()
    with pytest.raises(ValueError, match="no roundness"):
        to_anndata(table, ["roundness"], OBS, pixel_um=1.0)
    with pytest.raises(ValueError, match="twice: solidity"):
        to_anndata(table, ["solidity", "solidity"], OBS, pixel_um=1.0)
    with pytest.raises(ValueError, match="give \\[6, D\\]"):
        to_anndata(table, FEATURES, OBS, pixel_um=1.0, codes={"code": np.zeros((5, 2))})
    table.loc[2, "solidity"] = np.nan
    with pytest.raises(ValueError, match="solidity in 1 rows"):
        to_anndata(table, FEATURES, OBS, pixel_um=1.0)
