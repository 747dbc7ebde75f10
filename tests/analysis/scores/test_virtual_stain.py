"""Scores of drawn stains: against what is known of them."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from jaxcell.analysis.scores.virtual_stain import dice, scores


def test_a_stain_drawn_as_it_is_scores_as_well_as_can_be():
    real = np.random.default_rng(0).random((32, 32))
    found = scores(real, real, real > 0.5)
    assert found["pcc"] == pytest.approx(1) and found["pcc_in_cells"] == pytest.approx(1)
    assert found["ssim"] == pytest.approx(1) and found["nrmse"] == 0 and found["psnr"] == np.inf


def test_scores_follow_their_definitions():
    random = np.random.default_rng(1)
    real, noise = random.random((64, 64)), 0.1 * random.standard_normal((64, 64))
    cells = np.zeros((64, 64), bool)
    cells[:20] = True
    found = scores(real, real + noise, cells)
    assert found["nrmse"] == pytest.approx(np.sqrt(np.mean(noise**2)) / real.std())
    expected = peak_signal_noise_ratio(real, real + noise, data_range=1.0)
    assert found["psnr"] == pytest.approx(expected)
    expected = np.corrcoef(real[:20].ravel(), (real + noise)[:20].ravel())[0, 1]
    assert found["pcc_in_cells"] == pytest.approx(expected)


def test_a_constant_image_correlates_with_nothing():
    real = np.random.default_rng(2).random((16, 16))
    found = scores(real, np.full((16, 16), real.mean()), np.zeros((16, 16), bool))
    assert np.isnan(found["pcc"]) and np.isnan(found["pcc_in_cells"])
    assert found["nrmse"] == pytest.approx(1)


def test_dice_counts_shared_pixels_twice():
    first, second = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    first[:2], second[1:3] = True, True
    assert dice(first, second) == pytest.approx(0.5)
    assert np.isnan(dice(first & False, second & False))
