"""Oddities against a plain search, planted odd wells, and poor input."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis import oddity
from jaxcell.analysis.oddity import FEWEST_OTHERS, nearest, unusual_patches, unusual_wells
from jaxcell.measures.catalogue import Quantity


def plate(wells: int = 12, each: int = 8, conditions=("OVA", "ConA")) -> pd.DataFrame:
    """Patches of wells that take turns in condition."""
    random = np.random.default_rng(0)
    count = wells * each
    well = np.repeat(np.arange(wells), each)
    true = random.uniform(0, 9, count)
    return pd.DataFrame(
        {
            "plate": "P1",
            "well": [f"B{number + 1:02d}" for number in well],
            "condition": np.array(conditions)[well % len(conditions)],
            "faulty": False,
            "target": true,
            "predicted": true + random.normal(0, 0.5, count),
        }
    )


def features_of(patches: pd.DataFrame, dimensions: int = 5) -> np.ndarray:
    random = np.random.default_rng(1)
    features = random.normal(size=(len(patches), dimensions)).astype(np.float32)
    return features + 3 * (patches["condition"] == "ConA").to_numpy()[:, None].astype(np.float32)


def distances(features: np.ndarray) -> np.ndarray:
    return np.linalg.norm(features[:, None] - features[None], axis=2)


def test_nearest_neighbours_are_those_of_a_plain_search():
    features = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    apart = distances(features) + np.diag(np.full(90, np.inf))
    found = nearest(features, 6)
    assert found.dtype == np.int32 and not (found == np.arange(90)[:, None]).any()
    expected = np.sort(apart, axis=1)[:, :6]
    np.testing.assert_allclose(np.take_along_axis(apart, found, 1), expected, rtol=1e-3)


def test_nearest_survives_few_and_bad_patches():
    features = np.arange(5, dtype=float)[:, None] ** 2
    features[3] = np.nan
    assert nearest(features, 8).tolist() == [
        [1, 2, 4], [0, 2, 4], [1, 0, 4], [-1, -1, -1], [2, 1, 0],
    ]  # fmt: skip
    assert nearest(features[:1]).shape == (1, 0)
    assert nearest(np.zeros((0, 3))).shape == (0, 0)


@pytest.mark.parametrize("each", [3, 40])
def test_unusual_patches_look_at_other_wells_only(each, monkeypatch):
    monkeypatch.setattr(oddity, "BLOCK", 100)  # several blocks, the last one short
    patches = plate(wells=4, each=each)
    features = features_of(patches)
    # A well whose patches are all alike and far from every other well.
    features[:each] = 40 + 0.01 * features[:each]
    well = patches["well"].to_numpy()
    apart = np.where(well[:, None] == well[None], np.inf, distances(features))
    expected = np.sort(apart, axis=1)[:, :5].mean(axis=1)
    found = unusual_patches(features, patches, neighbours=5)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert found[:each].min() > 5 * found[each:].max()


def test_wells_of_one_name_on_two_plates_are_two_wells():
    patches = plate(wells=1, each=6)
    patches.loc[3:, "plate"] = "P2"
    assert np.isfinite(unusual_patches(features_of(patches), patches)).all()
    patches["plate"] = "P1"
    assert np.isnan(unusual_patches(features_of(patches), patches)).all()


def test_a_patch_without_finite_features_is_no_neighbour():
    patches = plate()
    features = features_of(patches)
    features[7] = np.inf
    found = unusual_patches(features, patches)
    assert np.flatnonzero(np.isnan(found)).tolist() == [7]


def test_planted_oddities_are_found_first_and_named():
    patches = plate(wells=24, each=10)
    features = features_of(patches)
    features[patches["well"] == "B03"] += 4
    patches.loc[patches["well"] == "B06", "predicted"] += 20
    patches.loc[patches.index[patches["well"] == "B10"][:7], "faulty"] = True
    wells = unusual_wells(features, patches)
    assert len(wells) == 24 and (wells["oddness"].diff().dropna() <= 0).all()
    why = wells.set_index("well")["why"]
    assert set(wells["well"][:3]) == {"B03", "B06", "B10"}
    assert why["B03"].startswith("codes unlike those of the other OVA wells (")
    assert why["B06"].startswith("predicted with an error of 19.8")
    assert "points (usual for ConA wells: 0." in why["B06"]
    assert why["B10"].startswith("7 of 10 patches faulty")
    assert (why != "").sum() <= 4
    assert (wells["reason"] == "").all()


def test_oddity_of_a_well_does_not_depend_on_the_unit_or_the_order():
    patches = plate(wells=16)
    features = features_of(patches)
    first = unusual_wells(features, patches)
    other = unusual_wells(7 * features[::-1] + 3, patches[::-1].reset_index(drop=True))
    columns = ["distance_sd", "rmse_sd", "oddness"]
    assert (first["well"] == other["well"]).all()
    np.testing.assert_allclose(first[columns], other[columns], rtol=1e-2, atol=1e-3)


def test_faulty_patches_do_not_make_the_codes_of_a_well_odd():
    patches = plate(wells=16)
    features = features_of(patches)
    before = unusual_wells(features, patches).set_index("well")["distance_sd"]
    patches.loc[0, "faulty"] = True
    clean = unusual_wells(features, patches).set_index("well")["distance_sd"]
    features[0] = 1e6
    after = unusual_wells(features, patches).set_index("well")["distance_sd"]
    np.testing.assert_allclose(after, clean)
    assert before["B01"] != clean["B01"]


def test_what_cannot_be_compared_says_why():
    few = unusual_wells(features_of(plate(wells=4)), plate(wells=4))
    assert few["reason"].str.contains(f"fewer than {FEWEST_OTHERS} other").all()
    assert few["distance_sd"].isna().all() and (few["oddness"] == 0).all()
    patches = plate()
    features = features_of(patches)
    empty = unusual_wells(features, patches.assign(faulty=True))
    assert empty["reason"].str.contains("all its patches are faulty").all()
    assert (empty["why"] == "8 of 8 patches faulty").all()
    unknown = unusual_wells(np.full_like(features, np.nan), patches.assign(predicted=np.nan))
    assert unknown["reason"].str.contains("finite").all() and (unknown["why"] == "").all()


def test_errors_are_told_in_the_unit_of_the_target():
    patches = plate(wells=12)
    patches.loc[patches["well"] == "B02", "predicted"] += 30
    wells = unusual_wells(features_of(patches), patches, Quantity("d", "distance", "µm"))
    assert " µm (usual for ConA wells: " in wells["why"].iloc[0]


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="96 patches"):
        unusual_wells(np.zeros((5, 2)), plate())
