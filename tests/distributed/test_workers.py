"""Shares of a list, and ways to share it that contradict each other."""

import pytest

from jaxcell.distributed import workers as module
from jaxcell.distributed.workers import HERE, Workers, check_workers, own_share


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_shares_are_even_and_hold_each_item_once(count):
    items = list(range(23))
    shares = [own_share(items, Workers(shard=f"{i}/{count}")) for i in range(1, count + 1)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert own_share(items, HERE) == items


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/4/2"])
def test_a_share_of_no_form_is_refused(shard):
    with pytest.raises(ValueError, match="--shard is .*such as 1/4"):
        check_workers(Workers(shard=shard))


def test_two_ways_at_once_are_refused():
    with pytest.raises(ValueError, match="--scheduler and --shard"):
        check_workers(Workers(scheduler="tcp://here:1", shard="1/2"))


def test_without_dask_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    check_workers(Workers(shard="1/2"))
    with pytest.raises(ValueError, match=r"--scheduler-file needs Dask: .*jaxcell\[cluster\]"):
        check_workers(Workers(scheduler_file="scheduler.json"))
