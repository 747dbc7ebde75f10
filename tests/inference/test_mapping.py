"""One pass over examples: every real one once, in order, compiled once, however it is split."""

import time
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

from jaxcell.dataset.batches import Examples
from jaxcell.dataset.patches import scale
from jaxcell.inference import mapping
from jaxcell.inference.mapping import Batch, map_batches, map_examples

PARAMS = {"weights": np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)}
ROWS = np.array([7, 3, 4, 29, 0, 1, 2, 11, 12, 25, 18], np.int32)  # ragged in batches of 4 and 3


@pytest.fixture(autouse=True)
def _no_bars(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def _examples(held: bool) -> Examples:
    """Thirty examples in memory, or streamed from a stand-in for their files."""
    random = np.random.default_rng(0)
    images = random.integers(0, 4096, (30, 8, 8, 2), np.uint16)
    target = random.uniform(0, 50, 30).astype(np.float32)
    source = SimpleNamespace(
        __getitems__=lambda rows: [{"image": images[row], "target": target[row]} for row in rows]
    )
    return Examples(pd.DataFrame({"target": target}), images if held else None, source)


def _function(params: dict, batch: dict) -> dict:
    """A little of each: a number, a vector and a tree for each example."""
    means = batch["image"].mean(axis=(1, 2))
    return {
        "code": means @ params["weights"],
        "parts": {"target": batch["target"], "brightest": batch["counts"].max(axis=(1, 2, 3))},
    }


def _mapped(batch_size: int, held: bool = False, rows: np.ndarray = ROWS) -> dict:
    return map_examples(_function, PARAMS, _examples(held), rows, batch_size, "testing")[0]


@pytest.mark.parametrize("held", [True, False], ids=["held", "streamed"])
@pytest.mark.parametrize("batch_size", [3, 4, 11, 40])
def test_every_row_is_answered_once_in_order(batch_size, held):
    found, examples = _mapped(batch_size, held), _examples(held=True)
    images = examples.images[ROWS]
    np.testing.assert_array_equal(found["row"], ROWS)
    expected = np.asarray(scale(images)).mean(axis=(1, 2)) @ PARAMS["weights"]
    np.testing.assert_allclose(found["code"], expected, rtol=1e-5)
    target = examples.table["target"].to_numpy()[ROWS]
    np.testing.assert_array_equal(found["parts"]["target"], target)
    np.testing.assert_array_equal(found["parts"]["brightest"], images.max(axis=(1, 2, 3)))
    assert isinstance(found["code"], np.ndarray) and found["code"].dtype == np.float32


def test_split_over_devices_equals_one(monkeypatch):
    assert jax.local_device_count() == 4
    used = []
    make_shardings = mapping.make_shardings

    def of(devices):
        def made(batch_size):
            used.append(make_shardings(batch_size, devices))
            return used[-1]

        return made

    found = []
    for devices in (jax.local_devices(), jax.local_devices()[:1]):
        monkeypatch.setattr(mapping, "make_shardings", of(devices))
        found.append(_mapped(8))
    assert [shardings.batch.mesh.size for shardings in used] == [4, 1]
    jax.tree.map(lambda *both: np.testing.assert_allclose(*both, rtol=1e-6), *found)


def test_many_batches_are_traced_no_more_often_than_one():
    traced = []

    def counted(params, batch):
        traced.append(1)
        return _function(params, batch)

    counts = []
    for rows in (ROWS[:4], ROWS):
        traced.clear()
        map_examples(counted, PARAMS, _examples(held=False), rows, 4, "testing")
        counts.append(len(traced))
    assert counts[0] == counts[1] > 0


def test_parameters_are_sent_once_and_few_batches_are_in_memory(monkeypatch):
    drawn, sent = [], []

    def batches():
        for number in range(20):
            drawn.append(number)
            yield Batch(np.full((4, 2), number, np.float32), {"number": np.full(4, number)}, number)

    class SlowBar(tqdm):
        def update(self, n=1):
            time.sleep(0.005)
            self.n += n
            ahead = mapping.BATCHES_AHEAD + mapping.IN_FLIGHT + 1
            assert len(drawn) <= min(20, self.n + 1 + ahead)

    put = jax.device_put
    monkeypatch.setattr(jax, "device_put", lambda tree, *to: sent.append(tree) or put(tree, *to))
    bar = SlowBar(total=20)
    found, _ = map_batches(lambda w, x: {"sum": x @ w}, np.ones(2, np.float32), batches(), 4, bar)
    assert bar.n == 20 and len(sent) == 21
    np.testing.assert_array_equal(found["number"], np.repeat(np.arange(20), 4))
    np.testing.assert_array_equal(found["sum"], 2 * found["number"])


@pytest.mark.parametrize("slow", ["batches", "bar"])
def test_seconds_say_who_waited_for_whom(slow):
    class Bar(tqdm):
        def update(self, n=1):
            time.sleep(0.1 * (slow == "bar"))

    def batches():
        for number in range(6):
            time.sleep(0.1 * (slow == "batches"))
            yield Batch(np.zeros((4, 2), np.float32), {"number": np.full(4, number)}, number + 1)

    began, bar = time.perf_counter(), Bar(total=6)
    _, seconds = map_batches(lambda w, x: {"y": x + w}, np.float32(1), batches(), 4, bar)
    assert sum(seconds) == pytest.approx(time.perf_counter() - began, abs=0.2)
    assert min(seconds) > 0 and (seconds.waiting_share > 0.5) == (slow == "batches")
