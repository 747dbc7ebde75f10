"""Tables for other programs: cells as Parquet, patches or cells as AnnData."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # slow to import, and a run without export needs none of them
    import pandas as pd
    from anndata import AnnData

# What names a field of view; tools that look at neighbours must not mix two of them.
FIELD_KEYS = ("plate", "well", "field")


def to_anndata(
    table: "pd.DataFrame",
    features: Sequence[str],
    obs: Sequence[str],
    *,
    pixel_um: float,
    meanings: Mapping[str, tuple[str, str]] | None = None,
    codes: Mapping[str, np.ndarray] | None = None,
    versions: Mapping[str, str] | None = None,
) -> "AnnData":
    """Arranges patches or cells as scanpy and squidpy expect them.

    Text becomes categories, which is how both tools colour and group; a missing text is a missing
    category, a missing number (a concentration) stays NaN. Places are counted within a field: with
    several, give squidpy `library_key="image"`, which is added where plate, well and field are
    among `obs`.

    Args:
      table: one row a patch or cell, with `y` and `x` in pixels and all columns named below.
      features: columns that become `X`.
      obs: columns that describe a row: plate, well, condition, compound, concentration, ...
      pixel_um: side of a pixel in µm.
      meanings: unit and definition of features, for `var`; empty text for any that is not there.
      codes: float [N, D] by name, for `obsm`, e.g. the autoencoder's.
      versions: of the programs that made the table, for `uns`.

    Returns:
      `X` float32 [N, features]; `obs`; `var` with unit and definition; `obsm["spatial"]`
      float32 [N, 2], x and y in µm, and `codes`; `uns` with pixel_um and versions.

    Raises:
      ValueError: a column is missing or named twice, a feature or code is not finite (scanpy's
        analyses fail on those), or a code's length is not the table's.
    """
    import pandas as pd
    from anndata import AnnData

    _check(table, features, obs, codes or {})
    values = table[list(features)].to_numpy(np.float32)
    _check_finite(values, features)
    names = [str(row) for row in range(len(table))]
    about = pd.DataFrame({name: _writable(table[name]) for name in obs}).set_axis(names)
    if set(FIELD_KEYS) <= set(obs):
        image = table[FIELD_KEYS[0]].astype(str)
        for key in FIELD_KEYS[1:]:
            image = image + "_" + table[key].astype(str)
        about["image"] = pd.Categorical(image.to_numpy(object))
    units = [(meanings or {}).get(name, ("", "")) for name in features]
    var = pd.DataFrame(units, index=list(features), columns=["unit", "definition"]).astype(object)
    places = table[["x", "y"]].to_numpy(np.float64) * pixel_um
    obsm = {"spatial": places.astype(np.float32)}
    obsm |= {name: np.asarray(code, np.float32) for name, code in (codes or {}).items()}
    uns = {"pixel_um": float(pixel_um), "versions": dict(versions or {})}
    return AnnData(values, obs=about, var=var, obsm=obsm, uns=uns)


def patches_with_codes(
    patches: "pd.DataFrame", codes: np.ndarray, *, pixel_um: float, versions: Mapping | None
) -> "AnnData":
    """Patches as AnnData: codes as features, what is known and measured of each patch beside them.

    Args:
      patches: one row a patch, with `y` and `x` in pixels.
      codes: float32 [N, D].
      pixel_um: side of a pixel in µm.
      versions: of the programs that made them.

    Returns:
      As `to_anndata`; the features are `code_0`, `code_1`, ...

    Raises:
      ValueError: a code is not finite.
    """
    import pandas as pd

    features = [f"code_{number}" for number in range(codes.shape[1])]
    table = patches.join(pd.DataFrame(codes, columns=features, index=patches.index))
    obs = [name for name in patches if name not in ("y", "x")]
    return to_anndata(table, features, obs, pixel_um=pixel_um, versions=versions)


def _check(table, features, obs, codes) -> None:
    wanted = [*features, *obs]
    missing = [name for name in (*wanted, "y", "x") if name not in table.columns]
    if missing:
        raise ValueError(f"the table has no {', '.join(missing)}: it has {', '.join(table)}")
    for kind in (features, obs):
        twice = sorted({name for name in kind if list(kind).count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
    for name, code in codes.items():
        if np.ndim(code) != 2 or len(code) != len(table):
            raise ValueError(
                f"code {name} has shape {np.shape(code)}: give [{len(table)}, D], a row a row"
            )
        _check_finite(np.asarray(code, np.float32), [name] * np.shape(code)[1])


def _check_finite(values: np.ndarray, names: Sequence[str]) -> None:
    broken = (~np.isfinite(values)).sum(axis=0)
    if broken.any():
        named = {name: int(count) for name, count in zip(names, broken) if count}
        raise ValueError(
            f"not finite: {', '.join(f'{name} in {count} rows' for name, count in named.items())}; "
            "leave the rows (table.dropna) or the columns out"
        )


def _writable(column: "pd.Series") -> "np.ndarray | pd.Categorical":
    """A column as a .h5ad holds it: numbers and truth values as they are, anything else as text."""
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(column.dtype) and not column.isna().any():
        return column.to_numpy(bool)
    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        whole = types.is_integer_dtype(column.dtype) and not column.isna().any()
        return column.to_numpy() if whole else column.to_numpy(np.float64, na_value=np.nan)
    # Text of any of pandas' kinds. Categories of plain Python text are written by every version.
    text = [None if missing else str(value) for value, missing in zip(column, column.isna())]
    return pd.Categorical(np.array(text, object))
