"""What treatments do to cells: replicates share a compound's effect, doses follow their law."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxcell.simulator import biology
from jaxcell.simulator.biology import CONDITIONS, Compound, Condition, log_odds
from jaxcell.simulator.plates import simulate_plates

REST = CONDITIONS["Unstimulated"]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_dose_at_the_ic50_acts_by_half_and_doses_follow_the_logistic_law():
    compound = Compound(0.8, 0.3, 1.7, 0.0)
    assert biology.response(compound, 0.3) == pytest.approx(0.5)
    doses = np.logspace(-3, 2, 20)
    acting = np.array([biology.response(compound, dose) for dose in doses])
    # Hill's plot of a logistic law is a line: slope is the Hill coefficient, zero at the IC50.
    line = stats.linregress(np.log10(doses), np.log10(acting / (1 - acting)))
    assert line.slope == pytest.approx(1.7) and line.rvalue == pytest.approx(1)
    assert 10 ** (-line.intercept / line.slope) == pytest.approx(0.3)
    assert biology.response(compound, float("nan")) == 0


def test_association_falls_by_half_of_the_way_at_the_ic50_of_a_full_inhibitor():
    full = Compound(1.0, 2.0, 1.0, 0.0)
    stimulated = CONDITIONS["OVA"]
    half = biology.treated(stimulated, REST, full, 2.0)
    middle = (stimulated.association + REST.association) / 2
    assert half.association == pytest.approx(middle)
    most = biology.treated(stimulated, REST, full, 1e9)
    assert most.association == pytest.approx(REST.association)
    assert most.t_cells == pytest.approx(REST.t_cells * np.exp(biology.DIRECT[0]))


def test_neither_vehicle_nor_an_inert_compound_does_anything():
    for name, condition in CONDITIONS.items():
        for compound in (biology.VEHICLE, Compound(0.0, 1.0, 1.0, 0.0)):
            kept = biology.treated(condition, REST, compound, 10.0)
            for before, after in zip(condition, kept):
                np.testing.assert_allclose(after, before, err_msg=name)


def test_a_toxic_compound_leaves_fewer_cells_of_both_kinds_and_the_same_association():
    toxic = Compound(0.0, 1e-3, 1.0, np.log(0.5))
    left = biology.treated(CONDITIONS["ConA"], REST, toxic, 1e6)
    assert left.t_cells == pytest.approx(CONDITIONS["ConA"].t_cells / 2)
    assert left.dendritic_cells == pytest.approx(CONDITIONS["ConA"].dendritic_cells / 2)
    assert left.association == pytest.approx(CONDITIONS["ConA"].association)


def test_only_strong_compounds_act_against_a_stimulation_that_resists():
    compound = Compound(0.5, 1e-3, 1.0, 0.0)
    soft = Condition(0.3, 800, 700, (1.0, 1.1), resistance=1.0)
    effect = [
        0.3 - biology.treated(some, REST, compound, 1e6).association
        for some in (soft, soft._replace(resistance=3.0))
    ]
    assert effect[1] / effect[0] == pytest.approx(0.25)


def test_the_first_few_compounds_of_any_library_are_weak_and_strong_ones():
    for seed in range(20):
        few = [biology.compound(seed, number).efficacy for number in range(1, 8)]
        assert min(few) < 0.15 and max(few) > 0.6
    many = [biology.compound(0, number).efficacy for number in range(1, 400)]
    assert stats.kstest(many, stats.beta(*biology.EFFICACY).cdf).pvalue > 0.05


def test_replicates_differ_by_the_noise_between_wells_alone():
    odds = [
        log_odds(biology.draw_well(random(seed), CONDITIONS["OVA"]).association)
        for seed in range(400)
    ]
    middle = log_odds(CONDITIONS["OVA"].association)
    assert stats.kstest(odds, stats.norm(middle, biology.REPLICATE_SHIFT).cdf).pvalue > 0.01


def test_wells_at_the_rim_have_more_t_cells_fewer_dendritic_cells_and_more_glow():
    inner, rim = (
        [biology.draw_well(random(seed), REST, place=place) for seed in range(300)]
        for place in ((8, 12), (1, 12))
    )
    wells = [(a, b) for a, b in zip(inner, rim) if a.t_cells]
    ratios = np.log([[b.t_cells / a.t_cells, b.dendritic_cells / a.dendritic_cells,
                      b.background[0] / a.background[0]] for a, b in wells])  # fmt: skip
    gradient = (*biology.RIM_DENSITY, biology.RIM_BACKGROUND)
    np.testing.assert_allclose(ratios, np.broadcast_to(gradient, ratios.shape), atol=1e-3)
    assert biology.closeness_to_rim(16, 3) == biology.closeness_to_rim(5, 24) == 1


def test_wells_of_a_plate_share_its_batch():
    batches = [biology.draw_batch(random(seed)) for seed in range(300)]
    shifts = np.array([batch.shift for batch in batches])
    assert shifts.std() == pytest.approx(biology.BATCH_SHIFT, rel=0.15)
    batch = biology.Batch(1.5, (2.0, 1.0, 1.0), (3.0, 1.0))
    usual, shifted = (
        biology.draw_well(random(4), REST, some) for some in (biology.USUAL_BATCH, batch)
    )
    moved = log_odds(shifted.association) - log_odds(usual.association)
    assert moved == pytest.approx(1.5)
    assert shifted.t_cells == pytest.approx(2 * usual.t_cells)
    assert shifted.gain == pytest.approx((3 * usual.gain[0], usual.gain[1]))


def test_on_plates_replicates_share_their_compound_s_effect(tmp_path):
    simulate_plates(tmp_path / "p", plates=2, rows=6, columns=12, field_size=64, seed=4)
    wells = pd.concat(
        pd.read_parquet(tmp_path / "p" / name / "truth" / "wells.parquet")
        for name in ("SIM01", "SIM02")
    )
    treated = wells.groupby(["condition", "compound"])
    assert (treated["compound_effect"].nunique() == 1).all()
    effects = treated["compound_effect"].first().unstack("condition")
    assert np.abs(effects.loc["DMSO"]).max() < 1e-9
    assert np.abs(effects["Unstimulated"]).max() < 1e-9
    # The same compounds are strong in both stimulations, and none adds to them.
    assert stats.spearmanr(effects["OVA"], effects["ConA"]).statistic > 0.9
    assert effects.max().max() < 1e-9 and effects["ConA"].min() < -1
    # What is left is the noise between replicates and the batch of a plate.
    centre = wells["condition_association"].map(log_odds) + wells["compound_effect"]
    noise = wells["association"].map(log_odds) - centre
    assert noise.groupby(wells["plate"]).std().max() < 1.5 * biology.REPLICATE_SHIFT
