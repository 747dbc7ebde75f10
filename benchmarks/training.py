"""Seeds of one network in one program against the same seeds one after the other.

    python -m benchmarks.training [--members=3] [--batch=16] [--json=FILE]

A step of the network of configs/latent_sweep.py (64 numbers) on random patches of 192 x 192.
Ways take turns: `alone`, the step of an ordinary run, called once a member; `map`, the step of a
sweep's program, members one after the other inside it; and on one device, as that program could
have been written, `vmap`, members side by side, whose convolutions become grouped ones, and
`unrolled`, members written out one by one.
"""

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.networks import WINDOW
from benchmarks.timing import as_it_is, keep, table, take_turns
from jaxcell.compute.backend import prepare_cpu
from jaxcell.compute.sharding import make_shardings
from jaxcell.configs import latent_sweep
from jaxcell.models.build import make_models
from jaxcell.training.optimizer import Optimizer, make_optimizer
from jaxcell.training.program import make_program
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_train_step, train_step
from jaxcell.training.tasks import Task, autoencoder_task

HEADING = ["way", "s a step of all", "fastest-slowest, s", "patches/s", "first call, s"]


def ways(task: Task, optimizer: Optimizer, members: int, batch: int) -> dict[str, Callable]:
    """A step of all members, in each of the ways; every call goes on from the one before."""
    images = np.random.default_rng(0).random((members, batch, WINDOW, WINDOW, 2), np.float32)
    raw = {"image": images, "weight": np.ones((members, batch), np.float32)}
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], raw) for i in range(members)]
    seeds, all_of_them = np.arange(members, dtype=np.int32), np.ones(members, bool)

    shardings = make_shardings(batch)
    step = make_train_step(task, optimizer, as_it_is, shardings)
    lone = [
        make_init(task, optimizer, as_it_is, shardings, seed)((), each[seed], {})
        for seed in range(members)
    ]
    program = make_program(task, optimizer, as_it_is, members, early_stopping_epochs=0)
    held = {name: program.init(seeds, {}, (), each[0]) for name in ("map", "vmap", "unrolled")}
    device = jax.local_devices()[0]
    held |= {name: jax.device_put(held[name], device) for name in ("vmap", "unrolled")}

    def one(state: Any, own: Any) -> Any:
        return train_step(task, optimizer, as_it_is)(state, (), own)[0]

    def unrolled(states: Any, raw: Any) -> Any:
        found = [
            one(*jax.tree.map(lambda leaf, i=i: leaf[i], (states, raw))) for i in range(members)
        ]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)

    programs = {
        "map": lambda states, raw: program.train(states, (), raw, all_of_them)[0],
        "vmap": jax.jit(jax.vmap(one), donate_argnums=0),
        "unrolled": jax.jit(unrolled, donate_argnums=0),
    }

    def alone() -> Any:
        for i in range(members):
            lone[i], _ = step(lone[i], (), each[i])
        return lone

    def go_on(name: str) -> Any:
        held[name] = programs[name](held[name], raw)
        return held[name]

    return {"alone": alone} | {name: lambda name=name: go_on(name) for name in programs}


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", default="", help="file for the figures; printed without it")
    given = parser.parse_args()
    prepare_cpu()
    config = latent_sweep.get_config()
    config.model.latent_dim = 64
    task = autoencoder_task(make_models(config).autoencoder)
    optimizer = make_optimizer(100, **config.autoencoder.optimizer)
    found = take_turns(ways(task, optimizer, given.members, given.batch), given.repeats)
    print(f"{given.members} members, batches of {given.batch}")
    rows = [
        [
            name, f"{timing.median:.3f}", timing.spread,
            f"{given.members * given.batch / timing.median:.1f}", f"{timing.first:.1f}",
        ]
        for name, timing in found.items()
    ]  # fmt: skip
    print(table(HEADING, rows))
    seconds = {name: timing._asdict() for name, timing in found.items()}
    keep({"settings": vars(given), "seconds": seconds}, given.json)


if __name__ == "__main__":
    main()
