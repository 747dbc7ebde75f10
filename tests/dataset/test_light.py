import jax
import jax.numpy as jnp
import numpy as np

from jaxcell.dataset.light import relight

SEEDS = jnp.arange(1, 65, dtype=jnp.uint32)


def _patch():
    y, x = np.mgrid[:96, :96]
    spots = 2000.0 * (np.hypot(y % 32 - 16, x % 32 - 16) < 5)
    return np.stack([300 + spots, 300 + np.roll(spots, 16, axis=1)], -1).astype(np.float32)


def _relit(seeds, patch):
    return np.asarray(jax.jit(jax.vmap(relight, (0, None)))(seeds, patch))


def test_seed_zero_leaves_a_patch_as_it_is_and_others_change_it():
    patch = _patch()
    assert np.array_equal(relight(jnp.uint32(0), patch), patch)
    changed = _relit(SEEDS, patch)
    assert np.isfinite(changed).all()
    assert (np.abs(changed - patch).max(axis=(1, 2, 3)) > 0).mean() > 0.95
    assert len(np.unique(changed.std(axis=(1, 2, 3)).round(3))) > 50


def test_the_same_seed_gives_the_same_light():
    assert np.array_equal(_relit(SEEDS, _patch()), _relit(SEEDS, _patch()))


def test_light_is_relative_to_the_contrast_of_the_patch():
    patch = _patch()
    faint = _relit(SEEDS, 0.1 * patch)
    assert np.allclose(faint, 0.1 * _relit(SEEDS, patch), atol=0.02 * 200)


def test_cells_stay_where_they_are():
    changed = _relit(SEEDS, _patch())
    inside = _patch()[..., 0] > 1000
    means = [(view[inside].mean(), view[~inside].mean()) for view in changed[..., 0]]
    assert all(bright > dark + 500 for bright, dark in means)
