"""What it costs to have wells measured by a Dask cluster on this machine, and what a task costs.

    python -m benchmarks.cluster [--wells=24] [--side=1024] [--tasks=400] [--repeats=3] [--json=F]

The same simulated wells are measured by threads of this process and by as many workers of one
thread as there are cores, which are there already; no tables' page is drawn. Tasks that do nothing
have items as large as a well's. Ways take turns.
"""

import os
import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
from distributed import LocalCluster

from benchmarks.timing import arguments, keep, table, take_turns
from jaxcell.configs import measure
from jaxcell.distributed.cluster import Job, do_on_cluster
from jaxcell.distributed.workers import HERE, Workers
from jaxcell.experiments.measurement import measure as measurement
from jaxcell.simulator.plates import simulate_plates

# Wells of a row of the simulated plate.
COLUMNS = 6
HEADING = ["", "s", "fastest-slowest, s", "a task, ms"]


def do_nothing(settings: None) -> object:
    """The work of tasks that cost what a task costs."""
    del settings
    return len


def _measure(plates: Path, folder: Path, workers: Workers) -> None:
    config = measure.get_config()
    config.plates.folder = str(plates)
    config.machine.threads = os.cpu_count()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        measurement.measure_plates(config, Path(out) / "out", None, workers)


def _do_nothing(folder: Path, count: int, workers: Workers) -> None:
    item = pd.DataFrame({name: ["/shared/plates/image.tif"] * 4 for name in "abcdefghij"})
    job = Job(do_nothing, None, str(folder), ())
    names = [str(number) for number in range(count)]
    do_on_cluster(job, [item] * count, names, workers=workers, doing="nothing", unit="tasks")


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__, repeats=3)
    for name, value in (("wells", 24), ("side", 1024), ("tasks", 400)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    measurement.write_measurement_report = lambda folder, **what: folder
    cores = os.cpu_count() or 1
    with (
        tempfile.TemporaryDirectory() as place,
        LocalCluster(n_workers=cores, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        folder, workers = Path(place), Workers(scheduler=cluster.scheduler_address)
        plates, plate_rows = folder / "plates", -(-given.wells // COLUMNS)
        simulate_plates(plates, rows=plate_rows, columns=COLUMNS, field_size=given.side)
        tasks = dict.fromkeys(("in this process", "by workers"), plate_rows * COLUMNS)
        tasks["nothing, by workers"] = given.tasks
        ways = {
            "in this process": partial(_measure, plates, folder, HERE),
            "by workers": partial(_measure, plates, folder, workers),
            "nothing, by workers": partial(_do_nothing, folder, given.tasks, workers),
        }
        found = take_turns(ways, given.repeats)
    rows = [
        [name, f"{timing.median:.2f}", timing.spread, f"{1000 * timing.median / tasks[name]:.1f}"]
        for name, timing in found.items()
    ]
    print(table(HEADING, rows))
    timings = {name: timing._asdict() for name, timing in found.items()}
    keep({"settings": vars(given), "cores": cores, "cluster": timings}, given.json)


if __name__ == "__main__":
    main()
