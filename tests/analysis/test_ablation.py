"""Sweeps by hand calculation: means over seeds, the smallest sufficient code, fronts, nesting."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis import ablation
from jaxcell.analysis.ablation import (
    CRITERIA,
    best_member,
    by_size,
    nested_gap,
    nested_shares,
    pareto,
    smallest_sufficient,
    states,
)

EXCESS, PSNR, _, RMSE, AUROC = CRITERIA


def member(kind="separate", size=64, seed=0, excess=0.01, setting="", state="done", **values):
    """A row of the members table; scores that are not given do not depend on anything."""
    scores = {"bce_excess": excess, "psnr_db": 25.0, "ssim": 0.9, "rmse_over_sd": 0.3,
              "auroc": 0.7, "validation_loss": 0.1 + excess, "parameters": 1000, "flops": 1e6,
              "train_seconds": 10.0, "code_bytes": 4 * size} | values  # fmt: skip
    if state != "done":
        scores = dict.fromkeys(scores, np.nan)
    name = {"nested": "nested", "spatial": "spatial"}.get(kind, f"latent_{size}")
    return {"member": f"{setting}{name}-seed_{seed}", "kind": kind, "setting": setting,
            "latent_size": size, "seed": seed, "state": state, "reason": ""} | scores  # fmt: skip


def members(excess, **values):
    """A member a size and seed: {size: excess of each seed}."""
    return [member(size=size, seed=seed, excess=value, **values)
            for size, some in excess.items() for seed, value in enumerate(some)]  # fmt: skip


def table(rows):
    return pd.DataFrame(rows)


def test_means_and_intervals_over_seeds_by_hand():
    row = by_size(table(members({64: (0.010, 0.012, 0.017)}))).iloc[0]
    error = np.std([0.010, 0.012, 0.017], ddof=1) / np.sqrt(3)
    assert row["seeds"] == 3 and row["bce_excess_mean"] == pytest.approx(0.013)
    assert row["bce_excess_se"] == pytest.approx(error)
    assert row["bce_excess_low"] == pytest.approx(0.013 - 4.302653 * error)  # t of 2 degrees
    assert row["bce_excess_high"] == pytest.approx(0.013 + 4.302653 * error)
    assert row["code_bytes_mean"] == 256 and row["train_seconds_mean"] == 10


def test_one_seed_has_a_mean_and_no_interval():
    row = by_size(table([member(excess=0.02)])).iloc[0]
    assert row["bce_excess_mean"] == 0.02
    assert row[["bce_excess_se", "bce_excess_low", "bce_excess_high"]].isna().all()


def test_what_is_not_done_or_not_finite_is_left_out():
    rows = members({64: (0.01, 0.02)}) + [member(seed=2, state="diverged"),
                                          member(size=8, state="diverged")]  # fmt: skip
    rows[1]["auroc"] = np.nan
    sizes = by_size(table(rows))
    assert sizes["latent_size"].tolist() == [64] and sizes["seeds"].tolist() == [2]
    assert sizes["bce_excess_mean"][0] == pytest.approx(0.015)
    assert sizes["auroc_mean"][0] == 0.7 and np.isnan(sizes["auroc_se"][0])


def test_rows_come_by_setting_kind_and_size():
    rows = [member(kind, size, setting=setting) for setting in ("wide", "narrow")
            for kind in ("spatial", "nested", "separate") for size in (64, 8)]  # fmt: skip
    sizes = by_size(table(rows))
    assert sizes["setting"].tolist() == ["wide"] * 6 + ["narrow"] * 6
    assert sizes["kind"].tolist()[:6:2] == ["separate", "nested", "spatial"]
    assert sizes["latent_size"].tolist() == [8, 64] * 6


def test_the_smallest_size_within_one_standard_error_of_the_best():
    # Best at 256: mean 10, standard error 1. 64 has 10.9, 8 has 11.1; 2 is noisy and bad.
    rows = members({2: (5, 35, 20), 8: (11.1,) * 3, 64: (10.9,) * 3,
                    256: np.array([-1, 0, 1]) * np.sqrt(3) + 10, 512: (10.5,) * 3})  # fmt: skip
    (answer,) = smallest_sufficient(by_size(table(rows)), EXCESS)
    assert (answer.best_size, answer.size) == (256, 64)
    assert answer.best == pytest.approx(10) and answer.best_se == pytest.approx(1)


def test_where_higher_is_better_the_rule_turns_round():
    rows = [member(size=size, seed=seed, psnr_db=value + 0.3 * seed)
            for size, value in ((2, 20), (8, 24.9), (64, 25)) for seed in (0, 1)]  # fmt: skip
    (answer,) = smallest_sufficient(by_size(table(rows)), PSNR)
    assert (answer.best_size, answer.size) == (64, 8)


def test_one_seed_gives_the_best_size_and_says_so():
    (answer,) = smallest_sufficient(by_size(table(members({8: (2,), 64: (1,)}))), EXCESS)
    assert (answer.best_size, answer.size, answer.best_se) == (64, 64, None)


def test_kinds_and_settings_are_asked_apart_and_spatial_codes_not_at_all():
    rows = [row for setting, low in (("a", 8), ("b", 64)) for kind in ("separate", "nested")
            for row in members({8: (1 + (low != 8),) * 2, 64: (1 + (low != 64),) * 2}, kind=kind,
                               setting=setting)]  # fmt: skip
    rows += members({1152: (0.1, 0.1)}, kind="spatial", setting="a")
    answers = smallest_sufficient(by_size(table(rows)), EXCESS)
    assert [(item.setting, item.kind, item.size) for item in answers] == [
        ("a", "separate", 8),
        ("a", "nested", 8),
        ("b", "separate", 64),
        ("b", "nested", 64),
    ]


def test_a_criterion_that_nobody_knows_has_no_answer():
    rows = members({8: (1, 1)}, auroc=np.nan)
    assert smallest_sufficient(by_size(table(rows)), AUROC) == []
    assert smallest_sufficient(by_size(table([member(state="waiting")])), EXCESS) == []


@pytest.mark.parametrize(
    "values, useless", [((0.5, 0.6), True), ((0.69, 0.7), False), ((0.49,), True), ((0.51,), False)]
)
def test_a_code_no_better_than_guessing_is_useless(values, useless):
    rows = [member(seed=seed, auroc=value) for seed, value in enumerate(values)]
    (answer,) = smallest_sufficient(by_size(table(rows)), AUROC)
    assert answer.useless == useless
    mirrored = [row | {"rmse_over_sd": 1.5 - row["auroc"]} for row in rows]
    (answer,) = smallest_sufficient(by_size(table(mirrored)), RMSE)
    assert answer.useless == useless
    assert not smallest_sufficient(by_size(table(rows)), EXCESS)[0].useless


def test_a_row_is_on_the_front_unless_another_is_as_good_in_all_and_better_in_one():
    sizes = by_size(
        table(
            [
                member(size=8, excess=0.03),
                member(size=64, excess=0.03),  # larger than 8 and no better
                member(size=256, excess=0.02),
                member("nested", size=256, excess=0.02),  # equal to the one above: both stay
                member(size=512, excess=0.03, auroc=0.9),  # worse but for its AUROC
                member(size=512, excess=0.1, setting="other"),  # by itself
            ]
        )
    )
    assert sizes[~pareto(sizes)]["latent_size"].tolist() == [64]


def test_unknown_criteria_do_not_count_in_the_front():
    sizes = by_size(
        table(
            [
                member(size=8, excess=0.01, auroc=np.nan),
                member(size=64, excess=0.02),  # beaten by 8 in all that is known of both
                member(size=2, excess=np.nan, rmse_over_sd=np.nan, auroc=np.nan),
            ]
        )
    )
    assert sizes[pareto(sizes)]["latent_size"].tolist() == [8]


def test_a_front_of_two_axes():
    sizes = by_size(
        table(
            [
                member(size=8, excess=0.03, train_seconds=5),
                member(size=64, excess=0.02, train_seconds=5),
            ]
        )
    )
    assert pareto(sizes, ("train_seconds", "bce_excess")).tolist() == [False, True]
    assert pareto(sizes, ("code_bytes", "bce_excess")).tolist() == [True, True]


def test_the_gap_of_nested_codes_over_pairs_of_seeds():
    separate, nested = np.array([0.010, 0.020, 0.030]), np.array([0.011, 0.022, 0.036])
    rows = members({64: separate}) + members({64: nested, 2: (1, 1)}, kind="nested")
    (row,) = nested_gap(table(rows)).to_dict("records")
    assert row["latent_size"] == 64 and row["seeds"] == 3 and row["paired"]
    assert row["gap"] == pytest.approx(0.15)
    rest = nested - 1.15 * separate
    half = 4.302653 * np.std(rest, ddof=1) / np.sqrt(3) / 0.02
    assert row["high"] - row["gap"] == pytest.approx(half)
    assert row["gap"] - row["low"] == pytest.approx(half)
    # A difference between seeds that both kinds share is no doubt about the ratio.
    shared = members({64: separate}) + members({64: 1.1 * separate}, kind="nested")
    assert nested_gap(table(shared))["high"][0] == pytest.approx(0.1)


def test_the_gap_of_other_seeds_is_one_of_independent_means():
    rows = members({64: (0.9, 1.1)}) + members({64: (1.8, 2.0, 2.2)}, kind="nested")
    (row,) = nested_gap(table(rows)).to_dict("records")
    assert not row["paired"] and row["seeds"] == 2 and row["gap"] == pytest.approx(1)
    parts = np.array([0.02 / 2, 0.04 / 3 / 4])  # squared relative standard errors
    freedom = parts.sum() ** 2 / (parts[0] ** 2 / 1 + parts[1] ** 2 / 2)
    half = ablation.student.ppf(0.975, freedom) * 2 * np.sqrt(parts.sum())
    assert row["high"] == pytest.approx(1 + half) and row["low"] == pytest.approx(1 - half)


def test_the_interval_of_a_gap_holds_the_truth_as_often_as_it_says():
    random, held = np.random.default_rng(0), 0
    for _ in range(300):
        separate, nested = random.normal(1, 0.05, 3), random.normal(1.1, 0.05, 3)
        half = ablation._half_of_pairs(nested, separate)
        held += abs(nested.mean() / separate.mean() - 1.1) <= half
    assert 0.92 <= held / 300 <= 0.98


def test_a_gap_of_one_seed_has_no_interval_and_one_kind_has_no_gap():
    one = nested_gap(table([member(), member("nested", excess=0.012)]))
    assert one["gap"][0] == pytest.approx(0.2) and np.isnan(one["low"][0])
    assert nested_gap(table([member(), member("nested", size=8)])).empty
    assert nested_gap(table([member(), member("nested", state="diverged")])).empty


def test_a_nested_run_is_paid_once_for_all_its_sizes():
    rows = [member(size=size, seed=seed, train_seconds=seconds)
            for size, seconds in ((8, 10), (64, 30)) for seed in (0, 1)]  # fmt: skip
    rows += [member("nested", size, seed, train_seconds=20) for size in (8, 64) for seed in (0, 1)]
    rows += [member("spatial", 1152, seed, train_seconds=60) for seed in (0, 1)]
    (row,) = nested_shares(table(rows)).to_dict("records")
    assert row["sizes"] == 2 and row["time_share"] == pytest.approx(20 / 40)
    assert row["share_of_sweep"] == pytest.approx(20 / (2 * 40 + 2 * 60))
    assert nested_shares(table(rows[:4])).empty


def test_the_best_member_is_done_and_not_nested():
    rows = [member(seed=0, excess=0.02), member(seed=1, excess=0.01),
            member("nested", excess=0.001), member(seed=2, state="diverged")]  # fmt: skip
    assert best_member(table(rows)) == "latent_64-seed_1"
    assert best_member(table(rows[2:])) is None


def test_states_count_members_and_not_rows():
    rows = [member("nested", size) for size in (8, 64)] + [member(state="waiting")]
    assert states(table(rows)) == {"done": 1, "diverged": 0, "waiting": 1}


def test_nothing_done_gives_empty_tables_of_the_same_columns():
    empty = by_size(table([member(state="diverged")]))
    assert empty.empty and list(empty) == list(by_size(table([member()])))
    assert pareto(empty).empty and nested_shares(table([member(state="diverged")])).empty
