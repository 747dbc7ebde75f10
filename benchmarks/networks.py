"""A training step and an answer of each network: how fast, how near the machine's limits, and,
where PyTorch is installed, how fast the same network is there.

    pip install -e '.[benchmarks]'
    python -m benchmarks.networks [--networks=study,default] [--batch=64] [--json=FILE]

Random patches that already lie on the device; every way sees the same ones and starts from the
same weights. That PyTorch's twins are the same functions is checked before anything is timed:
equal answers, equal losses, gradients of equal norm. PyTorch runs eagerly and through
`torch.compile`, both with channels last in memory. Ways take turns. Each network is shown, and the
file written, as soon as it is measured.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from benchmarks.timing import (
    Machine,
    Timing,
    arguments,
    as_it_is,
    keep,
    measure_machine,
    table,
    take_turns,
)
from jaxcell.compute import chunks
from jaxcell.compute.backend import prepare_cpu
from jaxcell.compute.flops import operations
from jaxcell.compute.sharding import make_shardings
from jaxcell.configs import default, dissertation, segmentation
from jaxcell.models.build import make_models
from jaxcell.models.unet import UNet
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_train_step, train_step
from jaxcell.training.tasks import Task, autoencoder_task, mask_task, regressor_task

WINDOW = 192
HEADING = ["network", "what", "way", "ms", "fastest-slowest, s", "patches/s", "GFLOP/s",
           "of limit", "GB/s", "of limit", "MiB", "first call, s", "times PyTorch"]  # fmt: skip


class Case(NamedTuple):
    """A network and what is asked of it.

    Attributes:
      model: linen module.
      task: it is trained on.
      truth: what a batch holds beside the images, by name.
      loss: PyTorch's name of the same loss.
    """

    model: Any
    task: Task
    truth: dict[str, np.ndarray]
    loss: str


class Way(NamedTuple):
    """One way to do a thing: a call; its operations, bytes moved and memory, if known; and seconds
    in which it was compiled ahead of its first call."""

    call: Callable[[], Any]
    flops: float
    bytes: float | None = None
    memory: float | None = None
    compiling: float = 0.0


def cases(batch: int, dtype: str) -> dict[str, Case]:
    """The networks that are timed, by name, for batches of that many patches."""
    random = np.random.default_rng(1)
    study, usual = (_models(config, dtype) for config in (dissertation, default))
    regressor = study.regressor.clone(dropout=0.0)  # what is dropped would differ
    unet = UNet(outputs=2, **{**segmentation.get_config().model.to_dict(), "dtype": dtype})
    target = {"target": 10 * random.random(batch, np.float32)}
    masks = {"masks": random.integers(0, 2, (batch, WINDOW, WINDOW, 2)).astype(np.float32)}
    entropy = "binary_cross_entropy_with_logits"
    return {
        "study": Case(study.autoencoder, autoencoder_task(study.autoencoder), {}, entropy),
        "regressor": Case(regressor, regressor_task(regressor), target, "mse_loss"),
        "default": Case(usual.autoencoder, autoencoder_task(usual.autoencoder), {}, entropy),
        "truth": Case(usual.regressor, regressor_task(usual.regressor), target, "mse_loss"),
        "unet": Case(unet, mask_task(unet), masks, entropy),
    }


def _models(config: Any, dtype: str) -> Any:
    settings: ConfigDict = config.get_config()
    settings.model.dtype = dtype
    return make_models(settings)


def measure(
    case: Case, batch: int, dtype: str, repeats: int, compiled: bool
) -> Iterator[tuple[str, dict[str, tuple[Way, Timing]]]]:
    """Times training, then answering.

    Args:
      case: which network.
      batch: patches a step.
      dtype: `float32` or `bfloat16`.
      repeats: of every way.
      compiled: whether `torch.compile` is a way too.

    Yields:
      `train` or `answer`, and by way: its `Way` and its `Timing`.

    Raises:
      AssertionError: PyTorch's twin is another function.
    """
    image = np.random.default_rng(0).random((batch, WINDOW, WINDOW, 2), np.float32)
    raw = {"image": image, "weight": np.ones(batch, np.float32), **case.truth}
    params = jax.device_get(jax.jit(case.model.init)(jax.random.key(0), image[:1])["params"])
    ways = _here(case, params, raw)
    try:
        from benchmarks import pytorch_twins
    except ImportError:
        print("PyTorch is not installed: pip install -e '.[benchmarks]'")
    else:
        truth = next(iter(case.truth.values()), image)
        twins = pytorch_twins.ways(case, params, image, truth, dtype, compiled)
        for what, more in twins.items():
            ways[what] |= {name: Way(*way) for name, way in more.items()}
    for what, some in ways.items():
        timings = take_turns({name: way.call for name, way in some.items()}, repeats)
        yield what, {name: (way, timings[name]) for name, way in some.items()}


def _here(case: Case, params: Any, raw: dict) -> dict[str, dict[str, Way]]:
    """Training and answering by this project's own steps."""
    optimizer = make_optimizer(1000, name="adam", learning_rate=1e-3, epsilon=1e-7)
    shardings = make_shardings(len(raw["image"]))
    start, placed = jax.device_put((params, raw), (shardings.replicated, shardings.batch))
    init = make_init(case.task, optimizer, as_it_is, shardings.replicated)
    held = [init((), placed, 0, start)]
    train = _compiled(
        make_train_step(case.task, optimizer, as_it_is, shardings), held[0], (), placed
    )
    answer = _compiled(chunks.jitted(_answers(case.model), shardings), start, placed["image"])

    def step() -> float:
        held[0], metrics = train.program(held[0], (), placed)
        return float(metrics["loss"])

    def reply() -> Any:
        return answer.program(start, placed["image"])

    # What one device takes through the networks at a time.
    size = chunks.chunk_size(
        lambda params, raw: case.task.loss(params, raw, None)[0],
        params,
        raw,
        shardings.batch.mesh.size,
    )
    some, times = jax.tree.map(lambda leaf: leaf[:size], raw), len(raw["image"]) // size
    lone, asked = (held[0], (), some), (params, some["image"])
    learning = train_step(case.task, optimizer, as_it_is)
    return {
        "train": {"jaxcell": _way(step, train, learning, lone, times)},
        "answer": {"jaxcell": _way(reply, answer, _answers(case.model), asked, times)},
    }


def _answers(model: Any) -> Callable[[Any, Any], Any]:
    return lambda params, image: model.apply({"params": params}, image)


class Compiled(NamedTuple):
    """A program for so many devices, and the seconds in which it was compiled."""

    program: Any
    devices: int
    seconds: float


def _compiled(step: Any, *given: Any) -> Compiled:
    """Compiles a jitted function once, to be called as it is."""
    began = time.perf_counter()
    program = step.lower(*given).compile()
    devices = jax.tree.leaves(program.input_shardings[0])[0].num_devices
    return Compiled(program, devices, time.perf_counter() - began)


def _way(
    call: Callable[[], Any], compiled: Compiled, chunk: Callable, given: tuple, times: int
) -> Way:
    """A way with what XLA says of its program.

    Args:
      call: it.
      compiled: what it calls.
      chunk: what its program does with a chunk of the batch, on one device.
      given: arguments of `chunk`.
      times: chunks in the batch.
    """
    memory = compiled.program.memory_analysis()
    # The arguments too: what lies on a device while it runs.
    held = memory.temp_size_in_bytes + memory.argument_size_in_bytes
    if times == 1:
        cost, times_moved = compiled.program.cost_analysis(), compiled.devices
    else:  # XLA counts the body of a loop over chunks but once
        cost, times_moved = jax.jit(chunk).lower(*given).compile().cost_analysis(), times
    moved = times_moved * cost["bytes accessed"] if "bytes accessed" in (cost or {}) else None
    return Way(call, times * operations(chunk, *given), moved, held, compiled.seconds)


def rows(
    name: str, what: str, ways: dict[str, tuple[Way, Timing]], batch: int, machine: Machine
) -> list[list[str]]:
    """The table's rows of training a network, or of its answers."""
    theirs = [timing.median for way, (_, timing) in ways.items() if way != "jaxcell"]
    result = []
    for way, (about, timing) in ways.items():
        ours = way == "jaxcell" and theirs
        result.append([
            name, what, way, f"{1000 * timing.median:.0f}", timing.spread,
            f"{batch / timing.median:.1f}", *_rate(about.flops, timing, machine.flops),
            *_rate(about.bytes, timing, machine.bytes),
            f"{about.memory / 2**20:.0f}" if about.memory else "",
            f"{about.compiling + timing.first:.1f}",
            f"{min(theirs) / timing.median:.2f}" if ours else "",
        ])  # fmt: skip
    return result


def _rate(amount: float | None, timing: Timing, limit: float) -> list[str]:
    if amount is None:
        return ["", ""]
    rate = amount / timing.median
    return [f"{rate / 1e9:.1f}", f"{100 * rate / limit:.0f} %"]


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__, repeats=7)
    parser.add_argument("--networks", default="study,regressor,default,truth,unet")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--no-torch-compile", action="store_true")
    given = parser.parse_args()
    # PyTorch wants some of an accelerator's memory too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    prepare_cpu()
    machine = measure_machine(jnp.dtype(given.dtype))
    print(f"limits: {machine.flops / 1e9:,.0f} GFLOP/s (matrix product, {given.dtype}), "
          f"{machine.bytes / 1e9:,.1f} GB/s (copy)", flush=True)  # fmt: skip
    known, shown, kept = cases(given.batch, given.dtype), [], {}
    result = {"machine": machine._asdict(), "settings": vars(given), "networks": kept}
    for name in given.networks.split(","):
        timed = measure(
            known[name], given.batch, given.dtype, given.repeats, not given.no_torch_compile
        )
        kept[name] = {}
        for what, ways in timed:
            new = rows(name, what, ways, given.batch, machine)
            print(table(HEADING, new), flush=True)
            shown += new
            kept[name][what] = {
                way: about._replace(call=None)._asdict() | timing._asdict()
                for way, (about, timing) in ways.items()
            }
            if given.json:  # a run that is cut off leaves what it measured
                keep(result, given.json)
    print(table(HEADING, shown))
    if not given.json:
        keep(result, "")


if __name__ == "__main__":
    main()
