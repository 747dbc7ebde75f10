"""Light of simulated plates: one lamp a view and plate, crosstalk, focus, bits of the camera."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from jaxcell.simulator.field import Well, simulate_field
from jaxcell.simulator.light import REGIMES, Lamp, Light, draw_light, field_light, lamp_profile
from jaxcell.simulator.plates import simulate_plates

EMPTY = Well(0.0, 0.0, 0.0, 0.0, background=(400.0, 400.0))
DRY = {"droplet_share": 0.0}


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", ["base", "defocus", "dim", "uneven"])
def test_fields_of_a_plate_share_lamps_and_filters(name):
    plate = draw_light(random(), REGIMES[name])
    fields = [field_light(random(seed), REGIMES[name], plate) for seed in range(5)]
    assert {light._replace(defocus=0.0) for light in fields} == {plate._replace(defocus=0.0)}
    assert len({lamp._replace(strength=0.0) for lamp in plate.lamps}) == 3


def test_every_field_of_varied_light_is_its_own_and_fills_the_range():
    regime = REGIMES["varied"]
    rng, plate = random(), draw_light(random(), regime)
    fields = [field_light(rng, regime, plate) for _ in range(200)]
    for name in ("crosstalk", "defocus", "offset", "read_noise"):
        low, high = getattr(regime, name)
        values = np.array([getattr(light, name) for light in fields])
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.01
    gains = np.log([light.gain for light in fields]).ravel()
    low, high = np.log(regime.gain)
    assert stats.kstest(gains, stats.uniform(low, high - low).cdf).pvalue > 0.01


def test_a_view_without_cells_shows_the_lamp_of_its_channel():
    lamps = (Lamp(0.5, 0.3, 0.0), Lamp(0.5, 0.0, -0.3), Lamp())
    field = simulate_field(random(), 256, 0.0, well=EMPTY, light=Light(lamps=lamps), **DRY)
    for view, lamp in zip(field.views, lamps[:2]):
        seen = (ndimage.uniform_filter(view.astype(float), 31) - 48) / 400
        np.testing.assert_allclose(seen[20:-20, 20:-20], lamp_profile(lamp, 256)[20:-20, 20:-20],
                                   atol=0.06)  # fmt: skip


def test_lamps_have_the_mean_of_an_even_one():
    profiles = [lamp_profile(draw_light(random(seed), REGIMES["uneven"]).lamps[0], 64)
                for seed in range(200)]  # fmt: skip
    assert np.mean(profiles) == pytest.approx(1, abs=0.05)
    assert np.mean([profile.std() for profile in profiles]) > 0.15


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2])
def test_crosstalk_is_the_slope_of_one_view_on_the_other(share):
    well = Well(0.0, 0.0, 900.0, 0.0)
    field = simulate_field(random(3), 512, 0.0, well=well, light=Light(crosstalk=share), **DRY)
    green, red = field.views[:2].astype(float)
    cells = field.labels[1] > 0
    calm = red < 3500  # away from debris and full wells
    # Where the cells are and where they are not: noise of single pixels would flatten a fit.
    rises = [view[calm & cells].mean() - view[calm & ~cells].mean() for view in (green, red)]
    assert rises[0] / rises[1] == pytest.approx(share, abs=0.01)


def test_bit_depth_scales_the_counts_and_no_more():
    views = {
        bits: simulate_field(random(5), 192, 0.3, light=Light(bits=bits), **DRY).views[:2]
        for bits in (8, 12, 16)
    }
    assert views[8].max() <= 255 and views[12].max() <= 4095 and views[16].max() <= 65535
    dark = views[12] < 4080
    assert np.abs(views[12][dark] / 16.0 - views[8][dark]).max() <= 0.54
    assert np.abs(views[16][dark] / 16.0 - views[12][dark]).max() <= 0.54


def test_defocus_blurs_the_image_and_leaves_the_truth():
    sharp = simulate_field(random(7), 256, 0.3, light=Light(), **DRY)
    blurred = simulate_field(random(7), 256, 0.3, light=Light(defocus=3.0), **DRY)
    np.testing.assert_array_equal(sharp.labels, blurred.labels)
    assert (blurred.cells["focus"] < sharp.cells["focus"]).all()
    for before, after in zip(sharp.views[:2].astype(float), blurred.views[:2].astype(float)):
        # Light is spread, not lost; edges are softer.
        assert after.mean() == pytest.approx(before.mean(), rel=0.02)
        assert ndimage.sobel(after).std() < 0.6 * ndimage.sobel(before).std()


def test_gain_is_of_the_stain_alone():
    usual = simulate_field(random(9), 256, 0.3, light=Light(), **DRY)
    dim = simulate_field(random(9), 256, 0.3, light=Light(gain=(0.35, 1.0)), **DRY)
    t_cells = usual.labels[0] > 0
    rise = [field.views[0][t_cells].mean() - np.median(field.views[0]) for field in (usual, dim)]
    assert rise[1] / rise[0] == pytest.approx(0.35, abs=0.05)
    np.testing.assert_array_equal(usual.labels, dim.labels)


def test_truth_says_what_the_light_was(tmp_path):
    simulate_plates(tmp_path / "p", rows=1, columns=3, fields=2, field_size=64, light="varied")
    truth = tmp_path / "p" / "SIM01" / "truth"
    fields = pd.read_parquet(truth / "fields.parquet")
    wells = pd.read_parquet(truth / "wells.parquet")
    light = [*fields.columns[fields.columns.get_loc("bound") + 1 :]]
    assert len(fields) == 6 and len(wells) == 3
    assert (fields[["gain_t_cell", "crosstalk", "defocus_px", "lamp_t_cell"]].nunique() == 6).all()
    means = fields.groupby("well")[light].mean()
    pd.testing.assert_frame_equal(wells.set_index("well")[light], means, check_like=True)


def test_an_unknown_light_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="'dark'.*: use one or several of base, defocus"):
        simulate_plates(tmp_path / "p", light="dark")
    assert not list(tmp_path.iterdir())
