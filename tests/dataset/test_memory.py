"""Memory stays bounded when a data set is ten times the memory given to it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.plates.folder import read_plates, require_good
from jaxcell.simulator.plates import simulate_plates

ROOT = Path(__file__).parents[2]
STATUS = Path("/proc/self/status")
VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}
PATCH_MIB = 192 * 192 * 2 * 2 / 2**20
# Strides: of the small data set, 16 windows a field, and of the large one, 169.
SMALL, LARGE = 96, 24
GIVEN_MIB = 13.0
BATCHES = 150  # of 4: an epoch of the large data set
# What is freed goes back to the system at once, so that the peak is what was in use together. As
# it comes, glibc keeps some tens of MiB for threads that may want them again.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "32768"}

# The process's own peak, and not `ru_maxrss`: a child begins with that of its parent.
CODE = """
import sys
from itertools import islice
from pathlib import Path

from jaxcell.dataset.immune_cells import ImmuneCellsConfig, open_built
from jaxcell.dataset.batches import open_examples, train_batches

folder, name, stride, mib, count = sys.argv[1:]
config = ImmuneCellsConfig(name="x", window=192, stride=int(stride))
examples = open_examples(open_built(config, name, Path(folder)), float(mib) / 1024)
batches = train_batches(examples, examples.rows("train"), 4, 0)(0)
for raw in islice(batches, int(count)):
    assert ("image" in raw) == (examples.images is None)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(examples.images is None, int(peak.split()[1]) / 1024)
"""


class _Drawn(NamedTuple):
    """Whether a child that drew batches streamed them, and its peak memory."""

    streamed: bool
    peak_mib: float


def _draw(folder: Path, name: str, stride: int, given_mib: float) -> _Drawn:
    arguments = [str(folder), name, str(stride), str(given_mib), str(BATCHES)]
    result = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=ROOT,
        env={**os.environ, **ALLOCATOR},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    streamed, peak = result.stdout.split()
    return _Drawn(streamed == "True", float(peak))


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="a process's own peak is read from Linux's /proc")
def test_memory_does_not_grow_with_a_data_set_ten_times_what_is_given(tmp_path):
    """Dense windows make many patches of few fields. A third child, which holds them all, proves
    that the measure would show it."""
    simulate_plates(tmp_path / "plates", rows=2, columns=3, field_size=480)
    plates = require_good(read_plates(tmp_path / "plates", VIEWS))
    names, size_mib = {}, {}
    for stride in (SMALL, LARGE):
        builder = build(plates, ImmuneCellsConfig(name="x", window=192, stride=stride), tmp_path)
        names[stride] = builder.builder_config.name
        count = sum(split.num_examples for split in builder.info.splits.values())
        size_mib[stride] = count * PATCH_MIB
    assert size_mib[SMALL] > GIVEN_MIB
    assert size_mib[LARGE] > 10 * max(GIVEN_MIB, size_mib[SMALL])

    few, many, held = (
        _draw(tmp_path, names[stride], stride, given)
        for stride, given in ((SMALL, GIVEN_MIB), (LARGE, GIVEN_MIB), (LARGE, 1024.0))
    )
    assert (few.streamed, many.streamed, held.streamed) == (True, True, False)
    assert many.peak_mib - few.peak_mib < GIVEN_MIB
    assert held.peak_mib - many.peak_mib > size_mib[LARGE] / 2
