"""Batches: each row once an epoch, the same from any step, and the same streamed or held."""

from itertools import islice
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxcell.dataset.batches import (
    SYMMETRIES,
    Examples,
    device_data,
    evaluation_batches,
    open_examples,
    prepare,
    train_batches,
    transform,
)
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.dataset.patches import label, scale

ROWS = np.arange(3, 26, dtype=np.int32)  # 23: five batches of 4 and a short one
# Each of a CPU's holds its own copy of what is held.
DEVICES = jax.local_device_count()


def _examples(held: bool = True, with_masks: bool = False) -> Examples:
    """Thirty examples that lie in memory, and a stand-in for the files they are streamed from."""
    random = np.random.default_rng(0)
    images = random.integers(0, 4096, (30, 8, 8, 2), np.uint16)
    target = random.uniform(0, 50, 30).astype(np.float32)
    masks = random.integers(0, 4, (30, 8, 8), np.uint8)
    # Another measure than the target, which nothing may take for it.
    table = pd.DataFrame({"overlap": target + 1, "target": target})

    def read(rows: list[int]) -> list[dict]:
        return [
            {"image": images[row], "masks": masks[row], "overlap": -1.0, "target": target[row]}
            for row in rows
        ]

    source = SimpleNamespace(__getitems__=read)
    held_masks = masks if held and with_masks else None
    return Examples(table, images if held else None, source, with_masks, held_masks)


def _train(count: int, start: int = 0, seed: int = 7, **changes) -> list[dict]:
    examples = changes.pop("examples", None) or _examples()
    return list(islice(train_batches(examples, ROWS, 4, seed, **changes)(start), count))


def _index(batches: list[dict]) -> np.ndarray:
    return np.stack([batch["index"] for batch in batches])


def _assert_equal(one: list[dict], other: list[dict]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other):
        jax.tree.map(np.testing.assert_array_equal, a, b)


def test_an_epoch_draws_each_row_at_most_once_and_leaves_out_a_short_batch():
    for epoch in np.split(_index(_train(20)), 4):
        drawn = epoch.ravel()
        assert len(set(drawn)) == len(drawn) == 20
        assert set(drawn) <= set(ROWS)


def test_rows_that_fill_their_batches_are_all_drawn():
    rows = ROWS[:20]
    batches = islice(train_batches(_examples(), rows, 4, 0)(0), 10)
    for epoch in np.split(_index(list(batches)), 2):
        assert sorted(epoch.ravel()) == sorted(rows)


def test_every_epoch_has_another_order_and_leaves_out_other_rows():
    epochs = [epoch.ravel() for epoch in np.split(_index(_train(40)), 8)]
    assert len({tuple(epoch) for epoch in epochs}) == 8
    assert set(np.concatenate(epochs)) == set(ROWS)


def test_another_seed_has_another_order():
    assert (_index(_train(5)) != _index(_train(5, seed=8))).any()


@pytest.mark.parametrize("start", [1, 4, 5, 13])
@pytest.mark.parametrize("held", [True, False])
def test_the_batch_of_a_step_depends_on_seed_and_step_alone(start, held):
    """From inside an epoch, its end, and a later one; symmetries too."""
    examples = _examples(held)
    whole = _train(18, examples=examples, augment=True)
    _assert_equal(_train(18 - start, start, examples=examples, augment=True), whole[start:])


def test_symmetries_are_drawn_anew_and_only_when_asked_for():
    symmetry = np.stack([batch["symmetry"] for batch in _train(40, augment=True)])
    assert set(symmetry.ravel()) == set(range(SYMMETRIES))
    first, second = (dict(zip(_index(_train(10))[k:k + 5].ravel(), symmetry[k:k + 5].ravel()))
                     for k in (0, 5))  # fmt: skip
    assert any(first[row] != second[row] for row in first.keys() & second.keys())
    assert not np.stack([batch["symmetry"] for batch in _train(10)]).any()


def test_a_batch_is_what_the_steps_expect():
    batch = _train(1)[0]
    assert batch["index"].dtype == batch["symmetry"].dtype == np.int32
    assert batch["weight"].dtype == np.float32 and (batch["weight"] == 1).all()
    assert set(batch) == {"index", "weight", "symmetry"}
    assert set(_train(1, examples=_examples(held=False))[0]) == {*batch, "image", "target"}
    streamed = _train(1, examples=_examples(held=False, with_masks=True))[0]
    assert set(streamed) == {*batch, "image", "target", "masks"}


def test_fewer_rows_than_a_batch_are_an_error():
    with pytest.raises(ValueError, match="3 training patches are fewer than one batch of 4"):
        train_batches(_examples(), ROWS[:3], 4, 0)


@pytest.mark.parametrize("count", [1, 4, 7, 8])
def test_evaluation_covers_each_row_once(count):
    examples, rows = _examples(), ROWS[::-1][:count]
    batches = evaluation_batches(examples, rows, 4)
    for _ in range(2):
        every = list(batches())
        index, weight = (
            np.concatenate([batch[name] for batch in every]) for name in ("index", "weight")
        )
        assert all(len(batch["index"]) == 4 for batch in every)
        np.testing.assert_array_equal(index[weight > 0], rows)
        assert set(weight) <= {0, 1} and weight.sum() == count
        assert not any(batch["symmetry"].any() for batch in every)


def test_streamed_batches_are_the_held_ones(plates, tfds_folder):
    config = ImmuneCellsConfig(name="x", subset="dmso", window=96, stride=96)
    builder = build(plates, config, tfds_folder)
    held, streamed = (open_examples(builder, memory_gib=gib) for gib in (1.0, 0.0))
    assert streamed.images is None and device_data(streamed) == {}
    pd.testing.assert_frame_equal(held.table, streamed.table)
    for split in ("train", "test"):
        rows = held.rows(split)
        assert (held.table["split"].to_numpy()[rows] == split).all()
    rows = held.rows("train")
    step = jax.jit(prepare)
    for make in (
        lambda examples: islice(train_batches(examples, rows, 8, 0, True)(0), 6),
        lambda examples: evaluation_batches(examples, rows, 8)(),
    ):
        for one, other in zip(make(held), make(streamed), strict=True):
            whole, read = step(device_data(held), one), step(device_data(streamed), other)
            jax.tree.map(np.testing.assert_array_equal, whole, read)
            assert whole["image"].shape == (8, 96, 96, 2)
            expected = held.table["target"].to_numpy(np.float32)[np.asarray(one["index"])]
            np.testing.assert_array_equal(whole["target"], expected)
            assert "masks" not in whole


def test_masks_come_along_when_asked_for_held_or_streamed(plates, tfds_folder):
    config = ImmuneCellsConfig(name="x", subset="dmso", window=96, stride=96)
    builder = build(plates, config, tfds_folder)
    held, streamed = (open_examples(builder, gib, with_masks=True) for gib in (1.0, 0.0))
    np.testing.assert_array_equal(held.masks, label(held.images)["masks"])
    assert held.masks.any() and streamed.masks is None and device_data(streamed) == {}
    for raw, other in zip(
        islice(train_batches(held, held.rows("train"), 8, 0, True)(0), 4),
        train_batches(streamed, held.rows("train"), 8, 0, True)(0),
    ):
        whole, read = prepare(device_data(held), raw), prepare({}, other)
        jax.tree.map(np.testing.assert_array_equal, whole, read)
        # Turned as the image is: the pixels above a threshold still are those of the mask.
        assert whole["masks"].shape == whole["image"].shape
        assert whole["masks"].dtype == jnp.float32
        coded = held.masks[raw["index"]]
        views = np.stack([coded % 2, coded // 2], axis=-1).astype(np.float32)
        turned = transform(jnp.asarray(views), jnp.asarray(raw["symmetry"]))
        np.testing.assert_array_equal(whole["masks"], turned)
        image, mask = np.asarray(whole["image"]), np.asarray(whole["masks"]) > 0
        for patch, view in np.argwhere(mask.any(axis=(1, 2))):
            inside = mask[patch, ..., view]
            grey = image[patch, ..., view]
            assert grey[inside].min() > grey[~inside].max()


def test_masks_count_in_the_memory(plates, tfds_folder):
    config = ImmuneCellsConfig(name="x", subset="dmso", window=96, stride=96)
    builder = build(plates, config, tfds_folder)
    gib = DEVICES * 48 * 96 * 96 * 5 / 2**30
    assert open_examples(builder, gib, with_masks=True).masks is not None
    assert open_examples(builder, gib * 0.99, with_masks=True).images is None
    assert open_examples(builder, gib * 0.99).images is not None


def test_memory_is_the_images_own_size(plates, tfds_folder):
    config = ImmuneCellsConfig(name="x", subset="dmso", window=96, stride=96)
    builder = build(plates, config, tfds_folder)
    gib = DEVICES * 48 * 96 * 96 * 2 * 2 / 2**30
    assert open_examples(builder, gib).images is not None
    assert open_examples(builder, gib * 0.99).images is None


def test_prepare_scales_and_turns():
    examples = _examples(with_masks=True)
    raw = {
        "index": np.array([4, 9], np.int32),
        "weight": np.array([1, 0], np.float32),
        "symmetry": np.array([0, 4], np.int32),
    }
    batch = prepare(device_data(examples), raw)
    scaled = np.asarray(scale(jnp.asarray(examples.images[[4, 9]])))
    np.testing.assert_array_equal(batch["image"][0], scaled[0])
    np.testing.assert_array_equal(batch["image"][1], scaled[1].swapaxes(0, 1))
    views = np.stack([examples.masks[[4, 9]] % 2, examples.masks[[4, 9]] // 2], axis=-1)
    np.testing.assert_array_equal(batch["masks"][0], views[0])
    np.testing.assert_array_equal(batch["masks"][1], views[1].swapaxes(0, 1))
    np.testing.assert_array_equal(batch["target"], examples.table["target"][[4, 9]])
    np.testing.assert_array_equal(batch["index"], [4, 9])
    np.testing.assert_array_equal(batch["weight"], [1, 0])


def test_the_symmetries_are_the_eight_of_the_square():
    image = np.random.default_rng(0).normal(size=(5, 5, 2)).astype(np.float32)
    turned = transform(jnp.broadcast_to(image[None], (8, 5, 5, 2)), jnp.arange(8, dtype=jnp.int32))
    np.testing.assert_array_equal(turned[0], image)
    expected = [np.rot90(side, k) for side in (image, image[::-1]) for k in range(4)]
    assert {np.asarray(one).tobytes() for one in turned} == {
        np.ascontiguousarray(one).tobytes() for one in expected
    }
    assert len({np.asarray(one).tobytes() for one in turned}) == 8


def test_overlap_does_not_change_under_a_symmetry(plates, tfds_folder):
    config = ImmuneCellsConfig(name="x", subset="dmso", window=96, stride=96)
    examples = open_examples(build(plates, config, tfds_folder), 1.0)
    patch = examples.images[[int(examples.table["overlap"].argmax())]]
    turned = transform(
        jnp.broadcast_to(jnp.asarray(patch), (8, 96, 96, 2)), jnp.arange(8, dtype=jnp.int32)
    )
    labels = label(np.asarray(turned))
    assert labels["overlap"][0] > 0
    assert len(set(labels["overlap"])) == 1
    areas = np.stack([(labels["masks"] == code).sum(axis=(1, 2)) for code in range(4)])
    assert (areas == areas[:, :1]).all() and areas[3].any()
