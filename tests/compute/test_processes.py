"""Who is which process, and whose rows are whose."""

import jax
import numpy as np
import pytest

from jaxcell.compute import processes
from jaxcell.compute.sharding import make_shardings

STEP = {
    "SLURM_JOB_ID": "5000",
    "SLURM_STEP_NODELIST": "node7",
    "SLURM_NTASKS": "3",
    "SLURM_PROCID": "2",
}


@pytest.mark.parametrize(
    "nodes, first",
    [
        ("node7", "node7"),
        ("node7,node9", "node7"),
        ("node[007-012,020],other3", "node007"),
        ("gpu-a[3,5]", "gpu-a3"),
        ("a1-2,b[1-4]", "a1-2"),
    ],
)
def test_the_first_node_of_srun_is_where_all_meet(nodes, first):
    address, count, number = processes._of_slurm(STEP | {"SLURM_STEP_NODELIST": nodes}, "")
    host, port = address.split(":")
    assert (host, count, number) == (first, 3, 2)
    assert 1024 < int(port) < 65536
    assert processes._of_slurm(STEP, "here:1234")[0] == "here:1234"


def test_salloc_without_srun_is_named(monkeypatch):
    for name in processes.SLURM:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "5000")
    monkeypatch.setenv("SLURM_NTASKS", "3")
    with pytest.raises(ValueError, match="needs SLURM_STEP_NODELIST, SLURM_PROCID, which"):
        with processes.together("slurm"):
            pass


@pytest.mark.parametrize(
    "given, named",
    [
        (("2", "2", "here:1234"), "--processes 2 --process 2"),
        (("2", "", "here:1234"), "--process nothing"),
        (("two", "0", "here:1234"), "--processes two"),
        (("", "0", ""), "--processes nothing"),
        (("2", "0", ""), "--coordinator is ''"),
        (("2", "0", "here"), "--coordinator is 'here'"),
    ],
)
def test_what_is_missing_is_named_before_anything_begins(given, named):
    with pytest.raises(ValueError, match=named):
        with processes.together(*given):
            pass


@pytest.mark.parametrize("given", [("",), ("1", "0"), ("1", "0", "here:1234")])
def test_one_process_is_alone(given):
    with processes.together(*given):
        assert processes.is_first() and processes.own_rows(8) == slice(0, 8)


@pytest.mark.parametrize("count, each", [(1, 12), (2, 6), (3, 4), (12, 1)])
def test_each_row_of_a_batch_is_one_processs(monkeypatch, count, each):
    monkeypatch.setattr(jax, "process_count", lambda: count)
    rows = []
    for number in range(count):
        monkeypatch.setattr(jax, "process_index", lambda number=number: number)
        own = np.arange(12)[processes.own_rows(12)]
        assert len(own) == each
        rows += own.tolist()
    assert rows == list(range(12))


class _Device:
    """A device of another machine, as far as shardings look at it."""

    platform = "cpu"

    def __init__(self, process_index):
        self.process_index = process_index


def test_a_batch_that_processes_cannot_share_evenly_is_refused():
    with pytest.raises(ValueError, match="a batch of 8 cannot be divided among 3 processes"):
        make_shardings(8, [_Device(process) for process in (0, 0, 1, 1, 2, 2)])
