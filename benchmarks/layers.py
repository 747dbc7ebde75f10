"""A roofline of a network: each layer's time beside the shortest that the machine allows.

    python -m benchmarks.layers [--network=study] [--batch=16] [--json=FILE]

The shortest time of a layer is that of its operations at the speed of a large matrix product, or
that of its compulsory bytes (its input, answer and parameters, once each, and in training their
gradients) at the speed of a large copy, whichever is longer. Layers are timed alone, forward and
in training: on a CPU shared by the cores, in chunks as the network's training step takes them; on
one accelerator, the whole batch. The U-Net's upsampling convolutions, which are no modules, are not
listed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.networks import WINDOW, Case, cases
from benchmarks.timing import Machine, arguments, keep, measure_machine, table, take_turns
from jaxcell.compute import chunks
from jaxcell.compute.backend import prepare_cpu
from jaxcell.compute.sharding import make_shardings
from jaxcell.models.blocks import Conv, Convolution, GroupNorm

# Calls of an accelerator in a row: starting one may take longer than a layer does.
CALLS = 8
LAYERS = (Convolution, Conv, GroupNorm, nn.LayerNorm, nn.Dense)
HEADING = ["layer", "in", "out", "MFLOP", "MB", "bound by", "forward, ms", "of limit",
           "training, ms", "of limit"]  # fmt: skip


class Layer(NamedTuple):
    """A layer of a network, unbound, and what of one example it is given."""

    path: tuple[str, ...]
    module: nn.Module
    given: tuple[int, ...]
    dtype: Any


def layers_of(model: nn.Module, params: Any, image: Any) -> list[Layer]:
    """The layers of a network in the order in which an image meets them; nothing is computed."""
    found: list[Layer] = []

    def note(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
        module = context.module
        if context.method_name == "__call__" and isinstance(module, LAYERS):
            unbound = module.clone(parent=None, name=None)
            found.append(Layer(module.path, unbound, args[0].shape[1:], args[0].dtype))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        jax.eval_shape(lambda params, image: model.apply({"params": params}, image), params, image)
    return found


def chunk_of(case: Case, params: Any, batch: int) -> int:
    """How many patches of a batch a device takes through a training step at a time."""
    raw = {"image": jnp.zeros((batch, WINDOW, WINDOW, 2)), **case.truth}
    devices = make_shardings(batch).batch.mesh.size
    size = chunks.chunk_size(
        lambda params, raw: case.task.loss(params, raw, None)[0], params, raw, devices
    )
    return min(size, batch // devices)


def ways(layer: Layer, params: Any, batch: int, size: int, first: bool) -> dict[str, Callable]:
    """Forward and training of a layer alone.

    Args:
      layer: which.
      params: of the network.
      batch: examples.
      size: how many of them go through it at a time.
      first: whether it is the network's first, whose input's gradient nobody asks for.
    """
    for name in layer.path:
        params = params[name]
    x = jnp.asarray(np.random.default_rng(0).random((batch, *layer.given), np.float32))
    x = x.astype(layer.dtype)

    def answer(params: Any, x: Array) -> Array:
        return layer.module.apply({"params": params}, x)

    def learn(params: Any, x: Array) -> Any:
        own = (params,) if first else (params, x)
        answers, back = jax.vjp(lambda params, x=x: answer(params, x), *own)
        return back(answers)

    if jax.default_backend() != "cpu":
        return {"forward": _queued(answer, params, x), "training": _queued(learn, params, x)}
    return {
        "forward": _in_chunks(answer, params, x, size),
        "training": _in_chunks(learn, params, x, size),
    }


def _in_chunks(function: Callable, params: Any, x: Array, size: int) -> Callable[[], Any]:
    """A call of which each core does its own examples, `size` at a time."""
    shardings = make_shardings(len(x))
    whole, own = shardings.replicated.spec, shardings.batch.spec
    split = jax.device_put(x.reshape(-1, size, *x.shape[1:]), shardings.batch)
    params = jax.device_put(params, shardings.replicated)

    def part(params: Any, split: Array) -> Array:
        def add(total: Array, chunk: Array) -> tuple[Array, None]:
            leaves = jax.tree.leaves(function(params, chunk))
            return total + sum(jnp.sum(leaf.astype(jnp.float32)) for leaf in leaves), None

        return jax.lax.scan(add, jnp.float32(0), split)[0][None]

    mesh = shardings.batch.mesh
    program = jax.jit(
        jax.shard_map(part, mesh=mesh, in_specs=(whole, own), out_specs=own, check_vma=False)
    )
    return lambda: program(params, split)


def _queued(function: Callable, params: Any, x: Array) -> Callable[[], Any]:
    """`CALLS` calls, none of which waits for the one before."""
    program = jax.jit(function)
    return lambda: [program(params, x) for _ in range(CALLS)][-1]


def bounds(layer: Layer, params: Any, batch: int) -> dict[str, Any]:
    """Operations and compulsory bytes of a layer's forward pass over a batch, as plainly written.

    A multiplication and an addition are two operations; a 3x3 convolution has 9 of either for each
    pair of channels and each pixel of its answer. Those of a normalisation are not counted: memory
    bounds it anywhere.
    """
    for name in layer.path:
        params = params[name]
    x = jax.ShapeDtypeStruct((batch, *layer.given), layer.dtype)
    answer = jax.eval_shape(lambda params, x: layer.module.apply({"params": params}, x), params, x)
    kernel = params.get("kernel", jnp.zeros((0, 1)))
    shrunk = 4 if getattr(layer.module, "pooled", False) else 1
    # Upsampled, four taps of nine fall on pixels of their own.
    taps = 4 / 9 if getattr(layer.module, "upsampled", False) else 1
    flops = 2 * taps * kernel.size * shrunk * answer.size / kernel.shape[-1]
    weights = sum(leaf.size for leaf in jax.tree.leaves(params)) * 4
    moved = (x.size + answer.size) * x.dtype.itemsize + weights
    return {"flops": flops, "bytes": moved, "answer": answer.shape[1:]}


def row(
    layer: Layer, about: dict, seconds: dict[str, float], machine: Machine, first: bool
) -> list[str]:
    """A layer's row of the table."""
    arithmetic, traffic = about["flops"] / machine.flops, about["bytes"] / machine.bytes
    least = max(arithmetic, traffic)
    # Training: forward, the parameters' gradient and, but for the first layer, the input's.
    shares = {"forward": least, "training": (2 if first else 3) * least}
    times = [
        cell
        for name, shortest in shares.items()
        for cell in (f"{1000 * seconds[name]:.1f}", f"{100 * shortest / seconds[name]:.0f} %")
    ]
    return [
        "/".join(layer.path), _shape(layer.given), _shape(about["answer"]),
        f"{about['flops'] / 1e6:.0f}", f"{about['bytes'] / 1e6:.1f}",
        "arithmetic" if arithmetic > traffic else "memory", *times,
    ]  # fmt: skip


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def main() -> None:
    """Measures, prints the table and keeps the figures."""
    parser = arguments(__doc__, repeats=7)
    parser.add_argument("--network", default="study")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    given = parser.parse_args()
    prepare_cpu()
    case = cases(given.batch, given.dtype)[given.network]
    model = case.model
    image = jnp.zeros((1, WINDOW, WINDOW, 2))
    params = jax.jit(model.init)(jax.random.key(0), image)["params"]
    size = chunk_of(case, params, given.batch)
    machine, shown, kept = measure_machine(jnp.dtype(given.dtype)), [], []
    for place, layer in enumerate(layers_of(model, params, image)):
        about = bounds(layer, params, given.batch)
        both = ways(layer, params, given.batch, size, place == 0)
        found = take_turns(both, given.repeats)
        calls = 1 if jax.default_backend() == "cpu" else CALLS
        seconds = {name: timing.median / calls for name, timing in found.items()}
        shown.append(row(layer, about, seconds, machine, place == 0))
        kept.append({"layer": "/".join(layer.path), **about, "seconds": seconds})
    print(f"{given.network}, {given.batch} patches; limits {machine.flops / 1e9:,.0f} GFLOP/s, "
          f"{machine.bytes / 1e9:,.1f} GB/s")  # fmt: skip
    print(table(HEADING, shown))
    keep({"machine": machine._asdict(), "settings": vars(given), "layers": kept}, given.json)


if __name__ == "__main__":
    main()
