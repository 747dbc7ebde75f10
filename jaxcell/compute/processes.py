"""Several processes, on one or many machines, that train one run together.

Each takes its rows of every batch. The first one alone writes, speaks and holds locks; what it
makes the others read from the disk that all share.
"""

import atexit
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

# Set by srun for each process that it starts.
SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID")
# Seconds: for all to come, until a silent one is given up, and for one to build a data set.
ARRIVAL, SILENCE, PATIENCE = 300, 30, 7 * 24 * 3600
LOST = (
    "a process of this training was lost or never came, so all of them end: what was trained up "
    "to the last checkpoint is kept; the same command, started for all, goes on"
)
# What a collective operation or a barrier says of a process that is gone.
_GONE = re.compile("gloo|nccl|connection|coordination|barrier", re.IGNORECASE)
_numbers = itertools.count()


@contextmanager
def together(processes: str, process: str = "", coordinator: str = "") -> Iterator[None]:
    """Makes this process one of several, before any device is touched.

    Args:
      processes: how many, or `slurm`: as srun says; empty: this one alone.
      process: which of them this is, from 0.
      coordinator: HOST:PORT at which the first can be reached; empty: the first node of srun.

    Raises:
      ValueError: it is not said who they are.
    """
    address, count, number = _place(processes, process, coordinator)
    if count == 1:
        yield
        return
    # A lost process has JAX end the others from within, with nothing of Python called: a shell
    # that waits for this process to say how it ended speaks for one that did not.
    words = ["sh", "-c", 'read -r said || echo "$0" >&2', f"\n{LOST}"]
    guard = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    # It would take SIGTERM from `stopping`.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *(address, count, number),
            cluster_detection_method="deactivate",
            initialization_timeout=ARRIVAL,
            heartbeat_timeout_seconds=SILENCE,
        )
        with ExitStack() as stack:
            if number:
                nothing = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(redirect_stdout(nothing))
                stack.enter_context(redirect_stderr(nothing))
            yield
    except jax.errors.JaxRuntimeError as error:
        if _GONE.search(str(error)):
            os._exit(1)
        _end_by(guard, error)
        raise
    except BaseException as error:
        _end_by(guard, error)
        raise
    guard.communicate(b"said\n")


def _end_by(guard: subprocess.Popen, error: BaseException) -> None:
    """Lets this process say its error, and then end without waiting for the others."""
    guard.communicate(b"said\n")
    if isinstance(error, Exception):
        atexit.register(_end)


def _end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _place(processes: str, process: str, coordinator: str) -> tuple[str, int, int]:
    """Address of the first process, how many there are, and which this is."""
    if processes == "slurm":
        return _of_slurm(os.environ, coordinator)
    if not (processes or process or coordinator):
        return "", 1, 0
    if not (processes.isdecimal() and process.isdecimal() and int(process) < int(processes)):
        raise ValueError(
            f"--processes {processes or 'nothing'} --process {process or 'nothing'}: say how many "
            "processes train together and which this is, from 0; or --processes slurm under srun"
        )
    if not re.fullmatch(r".+:\d+", coordinator) and int(processes) > 1:
        raise ValueError(
            f"--coordinator is {coordinator!r}: use HOST:PORT, a free port of the machine of "
            "process 0 that all others can reach"
        )
    return coordinator, int(processes), int(process)


def _of_slurm(variables: Mapping[str, str], coordinator: str) -> tuple[str, int, int]:
    if missing := [name for name in SLURM if name not in variables]:
        raise ValueError(
            f"--processes slurm needs {', '.join(missing)}, which srun sets for each process that "
            "it starts, and neither salloc nor sbatch alone: srun jaxcell train ..."
        )
    job, nodes, count, number = (variables[name] for name in SLURM)
    # `node7`, `node7,other` or `node[007-012,020],other`
    first = re.match(r"([^,\[]+)(?:\[(\w+))?", nodes)
    port = 61440 + int(job) % 4096
    return coordinator or f"{first[1]}{first[2] or ''}:{port}", int(count), int(number)


def is_first() -> bool:
    """Whether this process is the one that writes and speaks; true where it is alone."""
    return jax.process_index() == 0


def wait() -> None:
    """Waits until all processes are here, however long one takes.

    `multihost_utils.sync_global_devices` waits in a collective operation, which a library may give
    up: a reduce-scatter of gloo does after 30 s.
    """
    if jax.process_count() > 1:
        from orbax.checkpoint import multihost

        everyone = set(range(jax.process_count()))
        name = f"jaxcell-{next(_numbers)}"
        multihost.sync_global_processes(name, timeout=PATIENCE, processes=everyone)


@contextmanager
def first_before_others() -> Iterator[None]:
    """Has the others begin when the first has come through, and find what it has made."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def require_same(number: int, otherwise: str) -> None:
    """Raises ValueError where a number below 2^32 is another one in another process.

    Args:
      number: of this process.
      otherwise: what another process then has, and what to do.
    """
    numbers = multihost_utils.process_allgather(np.uint32(number % 2**32), tiled=False)
    if different := np.flatnonzero(numbers != numbers[0]).tolist():
        raise ValueError(f"process {different[0]} has {otherwise}")


def compiled_by_all(function: Any) -> Callable:
    """A jitted function that none runs before all have compiled it, for the same reason."""
    if jax.process_count() == 1:
        return function
    compiled: list[Callable] = []

    def call(*given: Any) -> Any:
        if not compiled:
            compiled.append(function.lower(*given).compile())
            wait()
        return compiled[0](*given)

    return call


def own_rows(count: int) -> slice:
    """The rows of a batch of so many that are this process's; all where it is alone."""
    number, processes = jax.process_index(), jax.process_count()
    return slice(number * count // processes, (number + 1) * count // processes)


def put(tree: Any, sharding: Sharding) -> Any:
    """Arrays on the devices of all processes: each gives its rows, or all that is replicated."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree
    )


def first_goes_on_alone() -> bool:
    """Ends what processes do together; whether this is the one that goes on."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()
    return is_first()
