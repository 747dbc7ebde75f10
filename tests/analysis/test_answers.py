"""All questions at once: answers line up with their patches, and one that fails costs itself."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.answers import answer
from jaxcell.analysis.intervals.conformal import calibrate, fit_scale
from jaxcell.measures.catalogue import OVERLAP, Quantity


def _patches(wells: int = 8, each: int = 6, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    count = 2 * wells * each
    well = np.repeat(np.arange(2 * wells), each)
    target = random.exponential(3, count)
    return pd.DataFrame({
        "plate": np.where(well % 2 == 0, "P1", "P2"),
        "well": [f"B{number:02d}" for number in well], "row": 1, "column": well, "field": 1,
        "condition": np.where(well < wells, "OVA", "ConA"), "compound": "DMSO",
        "concentration_um": np.nan, "role": "vehicle", "faulty": False, "overlap": target,
        "target": target, "predicted": np.abs(target + random.normal(0, 0.3, count)),
        **dict.fromkeys(("bce", "bce_floor", "psnr_db", "ssim"), 0.5),
    })  # fmt: skip


def _ask(patches: pd.DataFrame, codes: np.ndarray, **changes):
    random = np.random.default_rng(1)
    error = random.normal(0, 0.3, 400)
    calibration = calibrate(
        np.repeat(np.arange(20), 20), np.full(400, 3.0), 3.0 + error,
        fit_scale(np.full(400, 3.0), error),
    )  # fmt: skip
    settings = {
        "places": 1, "target": OVERLAP, "level": 0.9,
        "methods": ("PCA",), "standardise": False, "seed": 0,
        "calibrations": [(calibration, np.ones(len(patches), bool))],
    } | changes  # fmt: skip
    baselines = {"raw-pixel PCA": random.normal(size=(len(patches), 5)).astype(np.float32)}
    return answer(patches, codes, baselines, **settings)


@pytest.fixture(scope="module")
def patches() -> pd.DataFrame:
    return _patches()


@pytest.fixture(scope="module")
def codes(patches) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(len(patches), 12)).astype(np.float32)


def test_answers_stand_in_the_order_of_the_patches(patches, codes):
    codes = codes.copy()
    codes[7] = 40.0
    answers = _ask(patches, codes)
    found = answers.patches
    pd.testing.assert_frame_equal(found[patches.columns], patches)
    assert found["unusual"].argmax() == 7 and found["unusual"].median() == pytest.approx(1)
    assert found["codes_pca_1"].abs().argmax() == 7
    np.testing.assert_array_equal(answers.projections["codes"]["PCA"].coordinates[:, 0],
                                  found["codes_pca_1"])  # fmt: skip
    assert ((found["low"] <= found["predicted"]) & (found["predicted"] < found["high"])).all()
    assert (found["low"] >= 0).all()
    distance = np.linalg.norm(codes[0] - codes, axis=1)
    assert answers.neighbours[0, 0] == np.argsort(distance)[1]
    assert len(answers.wells) == 16 and answers.wells[["low", "high"]].notna().all(axis=None)


def test_what_is_asked_of_the_same_is_answered_the_same(patches, codes):
    first, second = (_ask(patches, codes) for _ in range(2))
    pd.testing.assert_frame_equal(first.patches, second.patches)
    assert first.numbers == second.numbers


def test_a_spatial_code_is_asked_about_place_by_place_and_on_average(patches, codes):
    dense = _ask(patches, codes).numbers["structure"]["scores"]
    spatial = _ask(patches, codes, places=4).numbers["structure"]["scores"]
    assert set(spatial) - set(dense) == {"codes, averaged over places"}


def test_standardising_is_done_or_said_to_be_impossible(patches, codes):
    shifted = codes + np.float32(50) * (patches["plate"] == "P2").to_numpy(np.float32)[:, None]
    answers = _ask(patches, shifted, standardise=True)
    assert answers.numbers["standardised"] == "on control wells"
    middle = answers.patches.groupby("plate")["codes_pca_1"].mean()
    assert abs(middle["P1"] - middle["P2"]) < 1
    without = patches.assign(role="sample")
    answers = _ask(without, shifted, standardise=True)
    assert "no control wells" in answers.numbers["standardised"]
    middle = answers.patches.groupby("plate")["codes_pca_1"].mean()
    assert abs(middle["P1"] - middle["P2"]) > 20


def test_a_run_without_calibration_has_no_intervals_and_says_why(patches, codes):
    answers = _ask(patches, codes, calibrations="never calibrated")
    assert answers.numbers["coverage"] == {"reason": "never calibrated"}
    assert answers.patches[["low", "high"]].isna().all(axis=None)


def test_intervals_end_where_values_do(patches, codes):
    excess = patches.assign(target=patches["target"] - 9, predicted=patches["predicted"] - 9)
    free = _ask(excess, codes, target=Quantity("e", "excess", "%", -100.0, 100.0)).patches
    assert (free["low"] < 0).any() and (free["low"] < free["high"]).all()
    counted = _ask(patches, codes, target=Quantity("n", "cells", "", 0.0, 4.0)).patches
    assert counted["low"].min() == 0 and counted["high"].max() == 4


@pytest.mark.parametrize("case", ["one condition", "one well a condition", "all faulty",
                                  "codes not finite", "few patches", "one patch"])  # fmt: skip
def test_poor_input_is_answered_with_reasons(patches, codes, case):
    if case == "one condition":
        patches = patches.assign(condition="OVA")
    elif case == "one well a condition":
        keep = patches["well"].isin(["B00", "B09"])
        patches, codes = patches[keep].reset_index(drop=True), codes[keep]
    elif case == "all faulty":
        patches = patches.assign(faulty=True)
    elif case == "codes not finite":
        codes = np.full_like(codes, np.nan)
    elif case in ("few patches", "one patch"):
        count = 4 if case == "few patches" else 1
        patches, codes = patches.iloc[:count], codes[:count]
    # UMAP takes its time to import: where patches are too few it is refused before.
    methods = ("PCA", "t-SNE", "UMAP") if len(patches) < 9 else ("PCA",)
    answers = _ask(patches, codes, methods=methods)
    structure = answers.numbers["structure"]
    assert structure["answer"] == "unknown" and len(structure["why"]) > 20
    assert len(answers.patches) == len(patches) == len(answers.neighbours)
    for item in answers.projections["codes"].values():
        assert not isinstance(item, str) or item.endswith(".")
