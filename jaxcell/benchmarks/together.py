"""Seeds of one network in one program against the same seeds one after the other.

    python -m jaxcell.benchmarks.together [members] [batch]

A step of the network of configs/latent_sweep.py (64 numbers) on random patches of 192 x 192, in
interleaved repeats: `alone`, one program a step, called once a member; `map`, members one after
the other inside one program, as sweeps do; `vmap`, members side by side, whose convolutions
become grouped ones; `unrolled`, members written out one by one in one program.
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcell.benchmarks.timing import keep, take_turns
from jaxcell.compiled import avoid_slow_kernels
from jaxcell.configs import latent_sweep
from jaxcell.networks import make_models
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import first_state
from jaxcell.training.steps import train_step
from jaxcell.training.tasks import autoencoder_task
from jaxcell.versions import versions

REPEATS = 7


def main(members: int = 3, batch: int = 16) -> None:
    """Measures and prints a table and a line of JSON."""
    avoid_slow_kernels()
    config = latent_sweep.get_config()
    config.model.latent_dim = 64
    task = autoencoder_task(make_models(config).autoencoder)
    optimizer = make_optimizer(100, **config.autoencoder.optimizer)
    window = config.data.window
    images = jax.random.uniform(jax.random.key(0), (members, batch, window, window, 2))
    raw = {"image": images, "weight": jnp.ones((members, batch))}
    step = train_step(task, optimizer, _as_it_is)
    begin = first_state(task, optimizer, _as_it_is)
    states = jax.jit(
        lambda: jax.lax.map(
            lambda seed: begin(seed, (), jax.tree.map(lambda leaf: leaf[0], raw), {}),
            jnp.arange(members),
        )
    )()

    def split(tree: Any) -> list[Any]:
        return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(members)]

    def one(state: Any, own: Any) -> tuple:
        return step(state, (), own)

    alone = jax.jit(one)
    each = list(zip(split(states), split(raw), strict=True))
    ways: dict[str, Callable[[], Any]] = {"alone": lambda: [alone(*given) for given in each]}
    compiled = {
        "map": jax.jit(lambda states, raw: jax.lax.map(lambda given: one(*given), (states, raw))),
        "vmap": jax.jit(jax.vmap(one)),
        "unrolled": jax.jit(
            lambda states, raw: [one(*given) for given in zip(split(states), split(raw))]
        ),
    }
    for name, program in compiled.items():
        ways[name] = lambda program=program: program(states, raw)
    result = take_turns(ways, REPEATS)
    print(f"{members} members, batch {batch}, {versions()['device']}")
    for name, timing in result.items():
        print(
            f"{name:<9} {timing.median:7.3f} s a step of all ({timing.spread}), "
            f"{members * batch / timing.median:7.1f} patches a second, "
            f"first call {timing.first:.1f} s"
        )
    seconds = {name: timing._asdict() for name, timing in result.items()}
    keep({"members": members, "batch": batch, "seconds": seconds}, "")


def _as_it_is(data: Any, raw: dict) -> dict:
    del data
    return raw


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
