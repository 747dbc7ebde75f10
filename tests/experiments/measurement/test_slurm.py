"""The batch scripts of docs/how-to/cluster.md, run by a real SLURM of one node."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from one_node_slurm import slurm
from tiny_plates import SETTINGS

from jaxcell.distributed.certificate import CERTIFICATE
from jaxcell.simulator.plates import simulate_plates

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "cluster.md"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The disk that all share: plates, and the two commands as a module of a cluster has them."""
    home = tmp_path_factory.mktemp("shared")
    simulate_plates(home / "plates", rows=2, columns=3, field_size=128)
    (home / "bin").mkdir()
    for name, module in (("jaxcell", "jaxcell.cli"), ("dask", "dask")):
        path = home / "bin" / name
        path.write_text(f'#!/bin/bash\nPYTHONPATH={ROOT} exec {sys.executable} -m {module} "$@"\n')
        path.chmod(0o755)
    return home


@pytest.fixture(scope="module")
def environment(shared):
    with slurm(shared / "slurm") as environment:
        yield {**environment, "PATH": f"{shared / 'bin'}:{environment['PATH']}"}


def _script(name: str, shared: Path, out: str) -> Path:
    """A script of the page, for two jobs of one core, with results in a folder of its own."""
    text = PAGE.read_text()
    script = re.search(rf"```text\n(#!/bin/bash\n# {name}\n.*?)```", text, re.DOTALL)[1]
    tiny = " ".join(shlex.quote(f"--config.{name}={value}") for name, value in SETTINGS.items())
    for old, new in (
        ("--config default --plates /shared/plates", f"--config default {tiny}"),
        ("nodes=2", "nodes=1"),
        ("ntasks-per-node=4", "ntasks-per-node=2"),
        ("#SBATCH --gpus-per-task=1\n", ""),
        ("cpus-per-task=8", "cpus-per-task=1"),
        ("/shared/measured", "RESULTS"),
        ("/shared", str(shared)),
        ("RESULTS", str(shared / out)),
        ("array=1-32", "array=1-2"),
        ("ntasks=64", "ntasks=2"),
        ("cpus-per-task=4", "cpus-per-task=1"),
        ("threads=4", "threads=1 --config.measurement.granularity_steps=0"),
    ):
        script = script.replace(old, new)
    if name == "cluster.sh":
        script = script.replace(" --scheduler-file $file\nscancel",
                                " --config.measurement.granularity_steps=0"
                                " --scheduler-file $file\nscancel")  # fmt: skip
    path = shared / name
    path.write_text(script)
    return path


def _run(words, environment, shared, check=True):
    done = subprocess.run(
        words, env=environment, cwd=shared, capture_output=True, text=True, timeout=900
    )
    logs = "\n".join(path.read_text() for path in shared.glob("slurm-*.out"))
    assert not check or done.returncode == 0, done.stdout + done.stderr + logs
    return logs


def test_an_array_and_a_cluster_of_srun_give_the_same_tables(environment, shared):
    _run(["sbatch", "--wait", _script("measure.sh", shared, "array")], environment, shared)
    collect = f"jaxcell measure {shared}/plates --out {shared}/array"
    collect += " --config.measurement.granularity_steps=0"
    _run(["sbatch", "--wait", "--wrap", collect], environment, shared)
    # The job ends itself by scancel, which is no success.
    logs = _run(
        ["sbatch", "--wait", _script("cluster.sh", shared, "dask")], environment, shared, False
    )
    assert (shared / "dask" / CERTIFICATE).exists(), logs
    array, cluster = (
        json.loads((shared / out / CERTIFICATE).read_text()) for out in ("array", "dask")
    )
    assert array["hash"] == cluster["hash"]
    assert [call["by"] for call in array["calls"]][-1] == "one process"
    assert sorted(call["by"] for call in array["calls"])[1:] == ["share 1/2", "share 2/2"]
    assert cluster["tasks"] == array["tasks"] == 6 and cluster["calls"][0]["by"] == "cluster"


def test_two_tasks_of_srun_train_one_run(environment, shared):
    script = _script("train.sh", shared, "")
    logs = _run(["sbatch", "--wait", script], environment, shared)
    run = shared / "runs" / "together"
    assert (run / "trained.json").exists() and (run / "report" / "index.html").exists(), logs
    # Each batch of 8 is that of both: the first alone has told of it.
    assert logs.count(str(run / "report" / "index.html")) == 1
    # In the job but without srun there is nobody to train with.
    alone = script.with_name("alone.sh")
    alone.write_text(re.sub("srun --[^ ]+ ", "", script.read_text()))
    logs = _run(["sbatch", "--wait", alone], environment, shared, False)
    assert "needs SLURM_STEP_NODELIST, which srun sets" in logs
