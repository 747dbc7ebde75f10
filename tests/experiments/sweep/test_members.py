"""Every combination once, each under a name of its own, dealt out without loss."""

import json
import re

import jax
import jax.numpy as jnp
import pytest

from jaxcell.configs import dissertation, latent_sweep
from jaxcell.experiments.sweep.members import grid, groups, identity, share
from jaxcell.models.build import make_models

SIZES = (2, 64, 0)


def _config(**sweep):
    config = latent_sweep.get_config()
    config.sweep.update({"latent_dim": SIZES, "seed": (0, 1), "nested": False, **sweep})
    return config


def _plain(**sweep):
    config = _config(**sweep)
    config.model.update(dissertation.get_config().model)
    config.model.regression = "dense"
    # The residual network's own fields stay behind an update.
    del config.model.autoencoder.patch, config.model.autoencoder.blocks
    return config


def _names(members):
    return [member.name for member in members]


def test_every_combination_is_there_once():
    config = _config(window=(96, 192), masked=(False, True), loss=("cross_entropy",))
    found = [
        (
            run.dataset.window,
            run.dataset.masked,
            run.training.autoencoder.loss,
            run.model.latent_dim,
            run.training.seed,
        )
        for run in (member.config for member in grid(config))
    ]
    wanted = {
        (window, masked, "cross_entropy", size, seed)
        for window in (96, 192) for masked in (False, True) for size in SIZES for seed in (0, 1)
    }  # fmt: skip
    assert len(found) == len(wanted)
    assert set(found) == wanted


def test_a_member_is_a_run_of_its_own():
    config = _config()
    members = grid(config)
    for member in members:
        assert "sweep" not in member.config
        assert member.config.experiment == "interaction"
        assert member.config.training.seed == member.seed
        assert not member.nested and not member.config.model.nested_sizes
    members[0].config.training.autoencoder.optimizer.learning_rate = 7.0
    assert members[1].config.training.autoencoder.optimizer.learning_rate < 1
    assert config.training.autoencoder.optimizer.learning_rate < 1


def test_names_are_unique_and_say_what_differs():
    members = grid(_config(window=(96, 192), masked=(False, True), nested=True))
    names = _names(members)
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) and len(name) < 200 for name in names)
    assert "window_96-masked_True-latent_64-seed_1" in names
    assert "window_192-masked_False-spatial-seed_0" in names
    assert "window_192-masked_True-nested-seed_1" in names
    # A name stays when seeds or sizes are added later.
    assert set(names) < set(
        _names(grid(_config(window=(96, 192), masked=(False, True), nested=True,
                            seed=(0, 1, 5), latent_dim=(*SIZES, 8))))
    )  # fmt: skip


def test_settings_are_words():
    assert {member.setting for member in grid(_config(nested=True))} == {""}
    members = grid(_config(window=(96,), masked=(False, True), nested=True))
    assert {member.setting for member in members} == {
        "window 96 pixels, plain images", "window 96 pixels, masked"
    }  # fmt: skip
    plain = grid(_plain(depth=(3,), activation=("relu",), downsampling=("stride",)))
    assert plain[0].setting == "depth 3 stages, activation relu, downsampling stride"


def test_depth_is_the_number_of_halvings():
    for depth in (3, 4, 5):
        (member,) = grid(_plain(depth=(depth,), latent_dim=(0,), seed=(0,)))
        features = tuple(member.config.model.autoencoder.features)
        assert features == (64, 32, 32, 32, 32)[:depth]
        model = make_models(member.config).autoencoder
        image = jax.ShapeDtypeStruct((1, 192, 192, 2), jnp.float32)
        code = jax.eval_shape(
            lambda image, model=model: model.init_with_output(
                jax.random.key(0), image, method=lambda self, image: self.encoder(image)
            )[0],
            image,
        )
        assert code.shape[1:3] == (192 // 2 ** (depth + 1),) * 2


def test_axes_reach_the_networks():
    config = _plain(activation=("prelu", "relu"), downsampling=("pool", "stride"), seed=(0,),
                    latent_dim=(0,))  # fmt: skip
    encoders = [make_models(member.config).autoencoder.encoder for member in grid(config)]
    asked = {(some.activation, some.downsampling) for some in encoders}
    assert len(encoders) == len(asked) == 4


def test_a_nested_member_is_of_all_sizes_at_once():
    config = _config(nested=True, latent_dim=(64, 2, 0, 16), nested_epochs=9)
    nested = [member for member in grid(config) if member.nested]
    assert [member.seed for member in nested] == [0, 1]
    for member in nested:
        assert tuple(member.config.model.nested_sizes) == (2, 16, 64)
        assert member.config.model.latent_dim == 64
        assert member.config.training.autoencoder.epochs == 9
    others = [member for member in grid(config) if not member.nested]
    assert {member.config.training.autoencoder.epochs for member in others} == {
        config.training.autoencoder.epochs
    }


def test_groups_share_everything_but_the_seed():
    members = grid(_config(masked=(False, True), nested=True, seed=(0, 1, 2)))
    together = groups(members)
    assert [member for group in together for member in group] == members
    assert {len(group) for group in together} == {3}
    for group in together:
        alike = set()
        for member in group:
            run = member.config.to_dict()
            del run["training"]["seed"]
            alike.add(json.dumps(run, sort_keys=True, default=list))
        assert len(alike) == 1
        assert [member.seed for member in group] == [0, 1, 2]
    # As many programs as there are data sets times sizes and nested.
    assert len(together) == 2 * (len(SIZES) + 1)


def test_members_of_one_data_set_lie_side_by_side():
    members = grid(_config(window=(96, 192), loss=("cross_entropy", "squared_error")))
    windows = [member.config.dataset.window for member in members]
    assert windows == sorted(windows)


@pytest.fixture(scope="module")
def members():
    """Four groups of two seeds."""
    return grid(_config(nested=True))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 11])
def test_shares_are_disjoint_and_cover_all(members, count):
    dealt = [_names(share(members, f"{number}/{count}")) for number in range(1, count + 1)]
    assert sorted(name for names in dealt for name in names) == sorted(_names(members))
    sizes = [len(names) for names in dealt]
    assert max(sizes) == (2 * -(-4 // count) if count <= 4 else -(-8 // count))
    if count > 4:
        return
    for names in dealt:  # seeds stay together
        stems = [name.rsplit("-", 1)[0] for name in names]
        assert all(stems.count(stem) == 2 for stem in stems)


@pytest.mark.parametrize(
    "shard", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1.0/2", "1/", "/2"]
)
def test_a_bad_shard_is_refused(members, shard):
    with pytest.raises(ValueError, match="sweep.shard"):
        share(members, shard)


@pytest.mark.parametrize(
    "sweep, said",
    [
        ({"latent_dim": ()}, "sweep.latent_dim is empty"),
        ({"seed": ()}, "sweep.seed is empty"),
        ({"latent_dim": (2, 4, 2)}, "sweep.latent_dim has a value twice"),
        ({"window": (96, 96)}, "sweep.window has a value twice"),
        ({"nested": True, "latent_dim": (0,)}, "sweep.nested needs sizes"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(sweep, said):
    with pytest.raises(ValueError, match=said):
        grid(_config(**sweep))


def test_what_belongs_to_a_call_does_not_change_the_sweep():
    first, second = _config(), _config(shard="2/3", plan=True)
    assert identity(first) == identity(second)
    assert _names(grid(first)) == _names(grid(second))
    assert identity(first) != identity(_config(seed=(0, 1, 2)))
    assert second.sweep.shard == "2/3"
