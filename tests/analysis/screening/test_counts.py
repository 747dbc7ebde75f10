import numpy as np
import pytest
from screens import screen_wells

from jaxcell.analysis.screening.counts import compare_counts, with_counts
from jaxcell.analysis.screening.hits import compare
from jaxcell.analysis.screening.scale import AS_IS, Scale


def _screened(seed=0, toxic="3", acting="5"):
    """One compound kills cells, and the value follows the count; another acts by itself."""
    wells = screen_wells(seed, noise=0.05, effects={("ConA", acting): -1.0})
    random = np.random.default_rng(seed + 100)
    log_count = np.log(1000) + 0.15 * random.normal(size=len(wells))
    log_count[(wells["compound"] == toxic).to_numpy()] -= 1.0
    wells["t_cells"] = np.exp(log_count)
    wells["value"] += 0.8 * (log_count - np.log(1000))
    hits = compare(wells, "value", Scale(AS_IS))
    return with_counts(hits, compare_counts(wells, ["t_cells"]))


def test_a_toxic_compound_is_flagged_and_has_no_effect_at_equal_counts():
    effects = _screened().set_index(["condition", "compound"])
    toxic, acting = effects.loc[("ConA", "3")], effects.loc[("ConA", "5")]
    assert toxic["toxic"] and toxic["q"] < 0.05
    assert toxic["t_cells_ratio"] == pytest.approx(np.exp(-1), rel=0.3)
    assert toxic["t_cells_low"] < toxic["t_cells_ratio"] < toxic["t_cells_high"]
    assert abs(toxic["equal_effect"]) < 3 * toxic["equal_error"]
    assert not acting["toxic"] and acting["equal_p"] < 1e-4
    assert acting["equal_effect"] == pytest.approx(-1.0, abs=0.25)


def test_without_counts_nothing_is_said_of_them():
    wells = screen_wells()
    effects = with_counts(compare(wells, "value", Scale(AS_IS)), {})
    assert not effects["toxic"].any() and effects["equal_effect"].isna().all()
