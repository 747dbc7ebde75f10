"""Compiled programs kept between runs: the same step need not be compiled twice."""

import os
import platform
from pathlib import Path

import jax

# Programs that compile faster than this, in seconds, are not worth a file.
WORTH_KEEPING = 0.3


def keep_compiled() -> None:
    """Turns JAX's persistent compilation cache on, unless its own settings say where or whether.

    It lies in the user's cache folder, one for each machine: a program compiled for one processor
    may not run on another.
    """
    if jax.config.jax_compilation_cache_dir is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = Path(home) / "jaxcell" / "compiled" / (platform.node() or "here")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
