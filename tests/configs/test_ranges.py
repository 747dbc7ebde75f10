"""Every field of every config has a range, and nonsense in any of them is said in a sentence."""

import itertools
import math

import pytest
from ml_collections import ConfigDict

from jaxcell.analysis.projection import METHODS
from jaxcell.configs import ranges, settings
from jaxcell.dataset.config import MASK_METHODS, MASK_SCOPES, SPLITS, SUBSETS
from jaxcell.models.build import ARCHITECTURES, REGRESSORS
from jaxcell.report.common.images import COLOURS
from jaxcell.simulator.biology import CONDITIONS
from jaxcell.training.tasks import RECONSTRUCTION_LOSSES

NAMES = (*settings.names(), "latent_sweep:study")
NONSENSE = (
    None, True, -1, 0, 2**31, 10**12, -8, 1e-6, -0.5, math.inf, -math.inf, math.nan, 1e300, "",
    " ", "nonsense", "PCA", "a\nb", "a\0b", "\u202eabc", b"bytes", (), (0,), (-8,), ("MDS",),
    (8, "8"), [1], {"a": 1}, {}, object(), 3 + 4j,
)  # fmt: skip


def _config(name: str) -> ConfigDict:
    return settings.load_config(name)


def _set(config: ConfigDict, field: str, value: object) -> ConfigDict:
    """The config, unlocked, with a field of any value at all."""
    config = ConfigDict(config.to_dict())
    _put(config, field, value)
    return config


def _put(config: ConfigDict, field: str, value: object) -> None:
    section, _, name = field.rpartition(".")
    parent = config
    for part in section.split(".") if section else ():
        parent = parent[part]
    with parent.ignore_type():
        parent[name] = value


@pytest.mark.parametrize("name", NAMES)
def test_every_config_is_of_a_known_kind_and_every_field_has_a_range(name):
    config = _config(name)
    assert config.experiment in ranges.FIELDS, (
        f"add the kind {config.experiment} to FIELDS in jaxcell/configs/ranges/experiments.py"
    )
    without = settings.flat(config.to_dict()).keys() - ranges.FIELDS[config.experiment].keys()
    assert not without, f"add a range for {sorted(without)} to jaxcell/configs/ranges"
    ranges.check(config)


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_in_any_field_is_said_by_field_and_range_or_is_in_range(name):
    """Nothing but ValueError, which names the field; and every field refuses most nonsense."""
    config = ConfigDict(_config(name).to_dict())
    for field, sound in settings.flat(config.to_dict()).items():
        refused = 0
        for value in NONSENSE:
            _put(config, field, value)
            try:
                ranges.check(config)
            except ValueError as error:
                refused += 1
                assert field in str(error), (value, str(error))
                assert "use " in str(error) or "there is no setting" in str(error), value
        assert refused > len(NONSENSE) // 2, field
        _put(config, field, sound)
    ranges.check(config)


@pytest.mark.parametrize(
    "field,value,said",
    [
        ("training.seed", 2**31, "from 0 to 2147483647"),
        ("evaluation.coverage", 1.0, "above 0 and below 1"),
        ("evaluation.projections", ("MDS",), "PCA, t-SNE or UMAP"),
        ("evaluation.projections", "PCA", "a tuple of"),
        ("plates.pixel_um", math.inf, "µm"),
        ("plates.pixel_um", 1e-6, "µm"),
        ("model.autoencoder.features", (), "channels"),
        ("training.autoencoder.optimizer.decay", "linear", "constant or cosine"),
        ("dataset.stride", 1, "12 pixels"),
        ("dataset.window", 4096, "field_size"),
        ("evaluation.batch_size", 60_000, "at most 7281 patches"),
    ],
)
def test_what_was_found_late_or_never_is_found_first(field, value, said):
    with pytest.raises(ValueError) as error:
        ranges.check(_set(_config("default"), field, value))
    assert said in str(error.value) and field in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_too_many_or_too_few_is_named(name):
    config = _config(name)
    with pytest.raises(ValueError, match="there is no setting machine.foldr; did you mean"):
        ranges.check(_set(config, "machine.foldr", "data"))
    for field in settings.flat(config.to_dict()):
        section, _, last = field.rpartition(".")
        less, optional = ConfigDict(config.to_dict()), ranges.FIELDS[config.experiment][field][2]
        parent = less
        for part in section.split(".") if section else ():
            parent = parent[part]
        del parent[last]
        if field.endswith("optimizer.name"):  # adam, which has no weight decay
            continue
        if optional:
            ranges.check(less)
        else:
            with pytest.raises(ValueError, match=field if section else "experiment"):
                ranges.check(less)


def test_all_that_is_wrong_is_said_at_once():
    config = _set(_config("demo"), "training.seed", -1)
    with pytest.raises(ValueError) as error:
        ranges.check(_set(config, "dataset.window", 1.5))
    assert "training.seed" in str(error.value) and "dataset.window" in str(error.value)


def test_choices_are_those_of_the_code():
    """The table may not import what it speaks of: here both are compared."""
    table = ranges.INTERACTION
    for field, known in {
        "evaluation.projections": METHODS,
        "dataset.subset": SUBSETS,
        "dataset.split_by": [split for split in SPLITS if split != "none"],  # of plates to predict
        "dataset.mask_method": MASK_METHODS,
        "dataset.mask_scope": MASK_SCOPES,
        "model.architecture": ARCHITECTURES,
        "model.regression": REGRESSORS,
        "evaluation.colours": COLOURS,
        "training.autoencoder.loss": RECONSTRUCTION_LOSSES,
    }.items():
        for word in known:
            wrapped = (word,) if field == "evaluation.projections" else word
            assert table[field].fits(wrapped), (field, word)
            assert word in table[field].words
        assert not table[field].fits("none" if field == "dataset.split_by" else "another")
    assert not table["plates.simulate.columns"].fits(len(CONDITIONS) - 1)
    assert table["plates.simulate.columns"].fits(len(CONDITIONS))


def test_a_package_of_somebody_elses_may_have_fields_of_its_own():
    config = _set(_config("default"), "experiment", "their.package")
    ranges.check(_set(config, "model.theirs", object()))
    with pytest.raises(ValueError, match="dataset.window"):
        ranges.check(_set(config, "dataset.window", -5))


def test_pairs_of_ranges_agree_with_their_ends():
    for low, high in itertools.combinations((0, 1, 7, 64), 2):
        inside = [value for value in range(-2, 70) if ranges.whole(low, high).fits(value)]
        assert inside == list(range(low, high + 1))
        assert not ranges.number(low, high, without_ends=True).fits(low)
        assert ranges.number(low, high).fits(high)
