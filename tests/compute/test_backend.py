"""Compiled programs are kept for the next run, unless the user's own settings say otherwise."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import jaxlib
import pytest

from jaxcell.compute import backend

CODE = """
from jaxcell.compute.backend import keep_compiled
import jax, jax.numpy as jnp
keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((4, 4))).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
"""


def _run(**settings: str) -> Path:
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    result = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=Path(__file__).parents[2],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(result.stdout.strip())


def test_programs_are_kept_in_the_users_cache_folder(tmp_path):
    folder = _run(XDG_CACHE_HOME=str(tmp_path))
    assert folder.is_relative_to(tmp_path / "jaxcell") and any(folder.iterdir())


def test_the_users_own_folder_is_kept_to(tmp_path):
    own = tmp_path / "own"
    assert _run(XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=str(own)) == own
    assert not (tmp_path / "jaxcell").exists()


@pytest.mark.parametrize("given", ["", "--xla_cpu_experimental_ynn_fusion_type=invalid"])
def test_slow_kernels_are_avoided_unless_the_users_flags_say_otherwise(given):
    code = """
from jaxcell.compute.backend import avoid_slow_kernels
import os, jax, jax.numpy as jnp
avoid_slow_kernels(), avoid_slow_kernels()
jnp.ones(3).sum().block_until_ready()  # an unknown flag ends the process here
print(os.environ.get("XLA_FLAGS", ""))
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "XLA_FLAGS": given, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    if given:
        assert result.stdout.strip() == given
    else:
        known = jaxlib.version.__version_info__[:2] == backend.KNOWS_THE_FLAG
        assert result.stdout.split() == ([f"{backend.SLOW_KERNELS}="] if known else [])


@pytest.mark.parametrize(
    "flags,setting,devices",
    [("", "", "cores"), ("--xla_force_host_platform_device_count=3", "", "3"), ("", "5", "5")],
)
def test_each_core_is_a_device_unless_the_user_says_how_many(flags, setting, devices):
    code = """
from jaxcell.compute.backend import cores, use_every_core
import jax
use_every_core()
print(jax.local_device_count(), cores())
"""
    unset = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    given = {"XLA_FLAGS": flags, "JAX_NUM_CPU_DEVICES": setting, "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**environment, **{name: value for name, value in given.items() if value}},
        capture_output=True,
        text=True,
        check=True,
    )
    found, there = result.stdout.split()
    assert found == (there if devices == "cores" else devices)


def test_a_cache_that_cannot_be_used_is_one_line(capsys, monkeypatch):
    others = []
    monkeypatch.setattr(
        warnings, "showwarning", lambda message, *given, **o: others.append(message)
    )
    with warnings.catch_warnings():
        backend.say_cache_faults_once()
        for number in range(3):
            warnings.warn(
                f"Error reading persistent compilation cache entry {number}", stacklevel=1
            )
        warnings.warn("something else", stacklevel=1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "compiled anew" in said
    assert [str(message) for message in others] == ["something else"]
