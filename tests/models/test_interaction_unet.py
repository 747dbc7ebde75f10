import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.compute.pooling import space_to_depth
from jaxcell.measures import truth
from jaxcell.models.interaction_unet import (
    AMOUNTS,
    SQUARE,
    TARGETS,
    InteractionUNet,
    doubt,
    expected_amounts,
    mirrored,
    relative,
    share,
)
from jaxcell.training.tasks import truth_task


def _counts(seed=0, side=96):
    """Cells on an uneven background, as a camera sees them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    light = 60.0 + 20 * x / side
    views = []
    for _ in range(2):
        view = light.copy()
        for cy, cx in random.uniform(8, side - 8, (9, 2)):
            view += 900 * np.exp(-(((y - cy) ** 2 + (x - cx) ** 2) / 18.0))
        views.append(view + random.normal(0, 4, view.shape))
    return np.stack(views, axis=-1)[None].astype(np.float32)


def _certain(truth_map):
    """Logits of a network that knows the truth."""
    deep = space_to_depth(jnp.asarray(truth_map)[None, ..., None], SQUARE)
    deep = np.asarray(deep)
    pixels = 60.0 * (np.arange(4)[:, None] == (deep & 3)[..., None, :])
    bits = np.stack([(deep >> bit & 1).max(axis=-1) for bit in (2, 3, 4)], axis=-1)
    return jnp.float32(pixels), jnp.float32(120.0 * bits - 60.0)


def _truth_map(seed=1, side=96):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    found = np.zeros((side, side), np.uint8)
    for bit, count in ((1, 7), (2, 5)):
        for cy, cx in random.integers(4, side - 4, (count, 2)):
            found[np.hypot(y - cy, x - cx) < 6] |= bit
    for number, (cy, cx) in enumerate(((10, 10), (30, 50), (70, 21), (81, 90))):
        found[cy, cx] |= 4 | 8 * (number > 0) | 16 * (number > 1)
    return found


def test_amounts_of_a_certain_network_are_those_of_the_truth():
    truth_map = _truth_map()
    amounts = np.asarray(expected_amounts(*_certain(truth_map)))[0]
    assert amounts == pytest.approx(truth.record(truth_map), abs=1e-3)
    record = [truth.record(truth_map)]
    known = (truth.iou, truth.overlap_share, truth.contact_share, truth.bound_share)
    for target, of_truth in zip(TARGETS, known, strict=True):
        assert float(share(amounts, target)) == pytest.approx(of_truth(record), abs=1e-3)


def test_shares_of_nothing_are_zero():
    nothing = jnp.zeros((2, len(AMOUNTS)))
    assert all((share(nothing, target) == 0).all() for target in TARGETS)


@pytest.mark.parametrize("gain, offset", [(16.0, 0.0), (0.25, 0.0), (1.0, 1000.0), (9.0, -300.0)])
def test_neither_gain_nor_offset_of_the_camera_reaches_the_network(gain, offset):
    counts = _counts()
    assert np.allclose(relative(gain * counts + offset), relative(counts), atol=2e-3)


def test_an_empty_view_stays_noise():
    noise = np.random.default_rng(0).normal(300, 4, (1, 96, 96, 2)).astype(np.float32)
    assert np.abs(relative(noise)).max() < np.abs(relative(_counts())).max() / 1.5
    assert np.isfinite(relative(np.full((1, 96, 96, 2), 7, np.uint16))).all()


def test_every_parameter_learns_and_the_loss_of_the_truth_is_least():
    counts, truth_map = _counts(), _truth_map()[None]
    model = InteractionUNet(features=(8, 8))
    batch = {
        "counts": jnp.asarray(counts),
        "truth": jnp.asarray(truth_map),
        "target": jnp.array([truth.iou([truth.record(truth_map[0])])], jnp.float32),
    }
    task = truth_task(model)
    params = task.init(jax.random.key(0), batch)
    gradients = jax.grad(lambda params: task.loss(params, batch, None)[0].sum())(params)
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(gradients))

    class Knows:
        target = "true_iou"

        @staticmethod
        def apply(variables, counts, method):
            return _certain(truth_map[0])

    loss, metrics = truth_task(Knows()).loss({}, batch, None)
    assert float(loss[0]) == pytest.approx(0, abs=1e-4)
    assert float(metrics["absolute_error"][0]) == pytest.approx(0, abs=1e-3)


def test_labels_are_where_the_pixels_are():
    class Known(InteractionUNet):
        def logits(self, counts):
            # What is seen of the mirror image is the mirror image of the truth.
            turned = bool((counts == mirrored(_counts())).all())
            return _certain(np.asarray(_turned(_truth_map())) if turned else _truth_map())

    labels = Known().apply({}, _counts(), method="labels")
    assert np.array_equal(labels[0], _truth_map() & 3)


def _turned(truth_map):
    return mirrored(truth_map[None, ..., None])[0, ..., 0]


def test_a_patch_and_its_mirror_image_are_answered_alike():
    counts, model = _counts(), InteractionUNet(features=(8, 8))
    params = model.init(jax.random.key(0), counts)
    ours, others = (
        model.apply(params, each, method="amounts") for each in (counts, mirrored(counts))
    )
    for one, other in zip(ours, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    # Which a single look does not.
    one, other = (model.apply(params, each) for each in (counts, mirrored(counts)))
    assert abs(one - other) > 1e-4 * abs(one)
    labels, turned = (
        model.apply(params, each, method="labels") for each in (counts, mirrored(counts))
    )
    assert (labels == mirrored(turned[..., None])[..., 0]).mean() > 0.999


def test_the_doubt_is_the_variance_of_shared_pixels_over_those_of_cells():
    sure, _ = _certain(_truth_map())
    assert float(doubt(sure)[0]) == pytest.approx(0, abs=1e-3)
    # One square of 16 pixels: nothing, a T cell, a dendritic cell or both, equally likely.
    chances = jnp.zeros((1, 1, 1, 4, 16))
    assert float(doubt(chances)[0]) == pytest.approx(100 * 16 * 0.25 * 0.75 / (16 * 0.75))


def test_the_light_of_one_corner_is_known_in_the_other():
    counts = _counts()
    model = InteractionUNet()
    params = model.init(jax.random.key(0), counts)
    changed = counts.copy()
    # Grain of mean 0, so that what the patch is held against stays the same.
    changed[:, :16, :16] += 40 * (np.indices((16, 16)).sum(0) % 2 * 2 - 1)[..., None]
    assert (relative(changed)[:, 16:] == relative(counts)[:, 16:]).all()
    ours, others = (model.apply(params, each, method="logits")[0] for each in (counts, changed))
    assert jnp.abs(ours - others)[:, -2:, -2:].max() > 1e-5
