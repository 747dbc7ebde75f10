"""SLURM on one node, this machine: controller, daemon and munge, in a folder of the test."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "sinfo")
SETTINGS = """
ClusterName=one
SlurmctldHost={node}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
CredType=cred/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm(home: Path) -> Iterator[dict[str, str]]:
    """Starts SLURM, and gives the environment in which its commands find it.

    Skips where it is not installed (Debian: slurm-wlm and munge) or this user may not start it.
    """
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"no SLURM here: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("SLURM's daemons are root's")
    munge = home / "munge"
    for folder in (munge, home / "state", home / "spool"):
        folder.mkdir(parents=True)
    munge.chmod(0o700)
    (munge / "key").write_bytes(os.urandom(1024))
    (munge / "key").chmod(0o400)
    settings = home / "slurm.conf"
    node, ports = platform.node().partition(".")[0], [_free_port(), _free_port()]
    settings.write_text(
        SETTINGS.format(node=node, ports=ports, home=home, cpus=len(os.sched_getaffinity(0)))
    )
    environment = {**os.environ, "SLURM_CONF": str(settings)}
    places = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log",
              "seed-file": "seed"}  # fmt: skip
    words = [f"--{name}={munge / file}" for name, file in places.items()]
    try:
        for command in (["munged", "--force", *words], ["slurmctld"], ["slurmd"]):
            subprocess.run(command, env=environment, check=True, timeout=60)
        _wait_for_the_node(environment)
        yield environment
    finally:
        for path in (home / "slurmd.pid", home / "slurmctld.pid", munge / "pid"):
            if path.exists():
                os.kill(int(path.read_text()), signal.SIGTERM)


def _wait_for_the_node(environment: dict[str, str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        said = subprocess.run(
            ["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True
        )
        if said.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    pytest.skip(f"SLURM does not start here: {said.stdout}{said.stderr}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
