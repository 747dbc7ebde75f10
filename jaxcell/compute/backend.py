"""How programs are compiled: for every core, kept, and without kernels known to be slow."""

import math
import os
import platform
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import jax
import jaxlib

# Programs that compile faster than this, in seconds, are not worth a file.
WORTH_KEEPING = 0.3
# jaxlib 0.10 hands convolutions on a CPU to YNNPACK, measured slower than XLA alone.
# Others may not know the flag, and end the process over one that they do not know.
SLOW_KERNELS = "--xla_cpu_experimental_ynn_fusion_type"
KNOWS_THE_FLAG = (0, 10)
# By which a user says how many devices a CPU is.
DEVICES = "--xla_force_host_platform_device_count"
# What JAX's warnings of its cache have in common.
CACHE_FAULT = "persistent compilation cache"
# Where Linux says how many microseconds of processor time a container has in how many.
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def set_up() -> None:
    """What every script does before it computes anything."""
    prepare_cpu()
    keep_compiled()
    say_cache_faults_once()


def prepare_cpu() -> None:
    """Whatever makes programs for a CPU fast; an accelerator is used as it is."""
    use_every_core()
    avoid_slow_kernels()


def use_every_core() -> None:
    """Has JAX take each core of a CPU for a device, unless the user says how many there are.

    The cores then share a batch (`compute/chunks.py`): a program of one device does not keep them
    busy. Before anything is computed.
    """
    if DEVICES not in os.environ.get("XLA_FLAGS", "") and jax.config.jax_num_cpu_devices < 0:
        with suppress(RuntimeError):  # a notebook may have computed already: its devices stay
            jax.config.update("jax_num_cpu_devices", cores())


def cores() -> int:
    """How many cores this process may use, and a container's share of them lets it use."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = QUOTA.read_text().split()
        return min(allowed, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # none, or `max`
        return allowed


def avoid_slow_kernels() -> None:
    """Has XLA compile convolutions itself, unless the user's XLA_FLAGS say otherwise.

    Before anything is computed: flags are read once.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if jaxlib.version.__version_info__[:2] == KNOWS_THE_FLAG and SLOW_KERNELS not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {SLOW_KERNELS}=".strip()


def keep_compiled() -> None:
    """Turns JAX's persistent compilation cache on, unless its own settings say where or whether.

    It lies in the user's cache folder, one for each machine: a program compiled for one processor
    may not run on another.
    """
    if jax.config.jax_compilation_cache_dir is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = Path(home) / "jaxcell" / "compiled" / (platform.node() or "here")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
            jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


def say_cache_faults_once() -> None:
    """Has one line said of compiled programs that cannot be kept or read, not a page of JAX.

    Nothing is lost by it: these programs are compiled anew.
    """
    show, said = warnings.showwarning, []

    def shown(message: object, *given: object, **options: object) -> None:
        if CACHE_FAULT not in str(message):
            show(message, *given, **options)
        elif not said:
            said.append(message)
            folder = jax.config.jax_compilation_cache_dir
            print(
                f"programs kept in {folder} cannot be used and are compiled anew, which takes "
                "longer; deleting that folder mends it",
                file=sys.stderr,
            )

    warnings.showwarning = shown
    warnings.filterwarnings("always", message=f".*{CACHE_FAULT}")
