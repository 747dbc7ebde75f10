"""Plates that differ, and what standardising on their controls mends."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.structure.batches import batch_effects, standardise_on_controls


def two_plates(shift=5.0, effect=2.5, seed=0):
    """Codes [N, 4] of 2 plates x 2 conditions x 8 wells x 5 patches; 3 of 8 wells are controls."""
    random = np.random.default_rng(seed)
    rows = [
        (plate, f"{'AB'[condition]}{well:02d}", ("OVA", "ConA")[condition],
         "vehicle" if well < 3 else "sample")
        for plate in ("P1", "P2") for condition in (0, 1) for well in range(8)
    ]  # fmt: skip
    wells = pd.DataFrame(rows, columns=["plate", "well", "condition", "role"])
    means = 0.5 * random.normal(size=(32, 4))
    means[:, 0] += effect * (wells["condition"] == "ConA") + shift * (wells["plate"] == "P2")
    means[:, 1:3] += shift * (wells["plate"] == "P2").to_numpy()[:, None]
    of_well = np.repeat(np.arange(32), 5)
    patches = wells.iloc[of_well].assign(faulty=False).reset_index(drop=True)
    return means[of_well] + 0.5 * random.normal(size=(160, 4)), patches


def test_controls_of_every_plate_have_mean_0_and_sd_1_whatever_their_number():
    codes, patches = two_plates()
    surplus = (patches["plate"] == "P1") & (patches["well"] == "B01")
    patches.loc[surplus, "role"] = "sample"
    result = standardise_on_controls(codes, patches)
    assert result.dtype == np.float32 and result.shape == codes.shape
    for plate in ("P1", "P2"):
        own = (patches["plate"] == plate) & (patches["role"] == "vehicle")
        groups = [result[own & (patches["condition"] == c)] for c in ("OVA", "ConA")]
        assert np.allclose(np.mean([g.mean(axis=0) for g in groups], axis=0), 0, atol=1e-5)
        assert np.allclose(np.mean([(g**2).mean(axis=0) for g in groups], axis=0), 1, atol=1e-5)


def test_faulty_patches_broken_codes_and_flat_features_spoil_nothing():
    codes, patches = two_plates()
    expected = standardise_on_controls(codes, patches)
    wild = np.concatenate([codes, codes[:2] + 1e6, np.full((1, 4), np.nan)])
    more = pd.concat([patches, patches[:3]], ignore_index=True)
    more.loc[[160, 161], "faulty"] = True
    result = standardise_on_controls(wild, more)
    assert np.allclose(result[:160], expected) and np.isnan(result[162]).all()
    assert np.isfinite(standardise_on_controls(codes * [1, 0, 1, 1], patches)).all()


def test_only_conditions_with_controls_everywhere_count():
    codes, patches = two_plates(shift=0)
    lost = (patches["plate"] == "P1") & (patches["condition"] == "ConA")
    patches.loc[lost, "role"] = "sample"
    result = standardise_on_controls(codes, patches)
    control = (patches["role"] == "vehicle") & (patches["condition"] == "OVA")
    for plate in ("P1", "P2"):
        own = result[control & (patches["plate"] == plate)]
        assert np.allclose(own.mean(axis=0), 0, atol=1e-5)
    patches.loc[(patches["plate"] == "P2") & (patches["condition"] == "OVA"), "role"] = "sample"
    with pytest.raises(ValueError, match="no condition has control wells on every plate"):
        standardise_on_controls(codes, patches)
    with pytest.raises(ValueError, match="plate P2 has no control wells"):
        standardise_on_controls(codes, patches.assign(
            role=np.where(patches["plate"] == "P2", "sample", "vehicle")))  # fmt: skip


def test_standardising_hides_the_plate_and_frees_the_condition():
    codes, patches = two_plates()
    result = batch_effects(codes, patches, seed=0)
    before, after = result["as_is"], result["standardised"]
    assert before["plate"]["balanced_accuracy"] == 1 and before["plate"]["chance"] == 0.5
    assert after["plate"]["balanced_accuracy"] < 0.8
    # A shift of a whole plate moves its wells over the classifier's edge, not among each other.
    assert before["condition"]["balanced_accuracy"] < 0.6
    assert after["condition"]["balanced_accuracy"] > 0.9
    assert min(item["condition"]["auroc"] for item in (before, after)) > 0.9
    assert after["condition"]["map"] > after["condition"]["map_chance"] + 0.1
    json.dumps(result, allow_nan=False)


def test_what_cannot_be_compared_is_said():
    codes, patches = two_plates()
    one = (patches["plate"] == "P1").to_numpy()
    assert "one plate" in batch_effects(codes[one], patches[one], seed=0)["reason"]
    nameless = patches.assign(condition=None)
    result = batch_effects(codes, nameless, seed=0)
    assert "two conditions" in result["as_is"]["condition"]["reason"]
    assert result["as_is"]["plate"]["balanced_accuracy"] == 1
    assert "control" in result["standardised"]["reason"]
    result = batch_effects(codes, patches.assign(role="sample"), seed=0)
    assert "plate P1 has no control wells" in result["standardised"]["reason"]
    codes[3] = np.nan
    assert "1 of 160" in batch_effects(codes, patches, seed=0)["as_is"]["reason"]
    faulty = batch_effects(codes, patches.assign(faulty=True), seed=0)
    assert "two plates" in faulty["as_is"]["plate"]["reason"]
    json.dumps([result, faulty], allow_nan=False)


def test_plates_that_differ_and_hold_conditions_unevenly_feign_nothing():
    found = []
    for seed in range(20):
        codes, patches = two_plates(shift=0, effect=0, seed=seed)
        offset = np.random.default_rng(seed).choice([-5, 5])
        shift = np.where(patches["plate"] == "P1", offset, -offset)
        number = patches["well"].str[1:].astype(int)
        few = np.where(patches["plate"] == "P1", "ConA", "OVA")
        keep = (patches["condition"] != few) | (number < 3)
        result = batch_effects((codes + shift[:, None])[keep], patches[keep], seed=0)
        found.append(result["as_is"]["condition"]["auroc"])
    assert np.std(found) < 0.2 and abs(np.mean(found) - 0.5) < 0.12
