"""The same networks trained and asked in PyTorch, eagerly and compiled, proved equal first."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.pytorch_twins import torch_network
from jaxcell.compute.backend import cores

# Largest difference of answers and losses, of their largest value.
TOLERANCES = {"float32": 1e-3, "bfloat16": 5e-2}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def ways(
    case: Any, params: Any, image: np.ndarray, truth: np.ndarray, dtype: str, compiled: bool
) -> dict[str, dict[str, tuple]]:
    """Ways in PyTorch.

    Args:
      case: of `networks.cases`.
      params: of its linen module.
      image: float32 [B, H, W, 2].
      truth: what answers are compared with, images or float32 [B].
      dtype: `float32` or `bfloat16` (autocast).
      compiled: whether `torch.compile` is one.

    Returns:
      By `train` and `answer`, then by way: its call and its operations.

    Raises:
      AssertionError: the network answers otherwise, or learns otherwise, than the linen module.
      RuntimeError: PyTorch and JAX compute on different devices.
    """
    if DEVICE != {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend()):
        raise RuntimeError(
            f"PyTorch computes on {DEVICE} and JAX on {jax.default_backend()}: install a PyTorch "
            "for the same device, or set CUDA_VISIBLE_DEVICES= and JAX_PLATFORMS=cpu"
        )
    torch.set_num_threads(cores())
    network = torch_network(case.model, params).to(DEVICE, memory_format=torch.channels_last)
    given, wanted = _on_device(image), _on_device(truth)
    with jax.default_matmul_precision("highest"), torch.backends.cudnn.flags(allow_tf32=False):
        _require_equal(case, params, network, image, truth, dtype)
    # As JAX does: float32 products in TF32, and the fastest of a convolution's algorithms.
    torch.set_float32_matmul_precision("high" if DEVICE == "cuda" else "highest")
    torch.backends.cudnn.benchmark = True
    made = {"eager": copy.deepcopy(network)}
    if compiled:
        made["compiled"] = torch.compile(copy.deepcopy(network))
    found: dict[str, dict[str, tuple]] = {"train": {}, "answer": {}}
    for name, own in made.items():
        loss = getattr(functional, case.loss)
        found["train"][f"PyTorch {name}"] = _training(own, loss, given, wanted, dtype)
        found["answer"][f"PyTorch {name}"] = _answering(own, given, dtype)
    train, answer = (_operations(found[what]["PyTorch eager"][0]) for what in found)
    return {
        what: {name: (call, flops) for name, (call,) in some.items()}
        for (what, some), flops in zip(found.items(), (train, answer))
    }


def _training(
    network: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    image: Tensor,
    truth: Tensor,
    dtype: str,
) -> tuple[Callable[[], float]]:
    fused = DEVICE == "cuda"
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7, fused=fused)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with _precision(dtype):
            answers = network(image)
        value = loss(answers.float(), truth)
        value.backward()
        optimizer.step()
        return float(value.detach())

    return (step,)


def _answering(network: nn.Module, image: Tensor, dtype: str) -> tuple[Callable[[], None]]:
    def answer() -> None:
        with torch.inference_mode(), _precision(dtype):
            network(image)
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return (answer,)


def _precision(dtype: str) -> contextlib.AbstractContextManager:
    if dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(DEVICE, torch.bfloat16)


def _operations(call: Callable[[], object]) -> float:
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return counter.get_total_flops()


def _on_device(array: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(array).to(DEVICE)
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def _require_equal(
    case: Any, params: Any, network: nn.Module, image: np.ndarray, truth: np.ndarray, dtype: str
) -> None:
    """Raises AssertionError unless both answer, are judged and would learn the same."""
    count = min(4, len(image))
    batch = {"image": image[:count], **{name: few[:count] for name, few in case.truth.items()}}

    def judged(params: Any, batch: dict) -> tuple[jax.Array, jax.Array]:
        loss, _ = case.task.loss(params, batch, None)
        return loss.mean(), case.model.apply({"params": params}, batch["image"])

    (loss, here), gradients = jax.jit(jax.value_and_grad(judged, has_aux=True))(params, batch)
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradients)))
    with _precision(dtype):
        answers = network(_on_device(image[:count]))
    value = getattr(functional, case.loss)(answers.float(), _on_device(truth[:count]))
    value.backward()
    squares = (float((leaf.grad**2).sum()) for leaf in network.parameters())
    there = answers.detach().float().cpu()
    there = there.permute(0, 2, 3, 1) if there.ndim == 4 else there
    tolerance, here = TOLERANCES[dtype], np.asarray(here)
    np.testing.assert_allclose(there.numpy(), here, atol=tolerance * float(np.abs(here).max()))
    np.testing.assert_allclose(
        [float(value.detach()), np.sqrt(sum(squares))], [loss, norm], rtol=tolerance
    )
    network.zero_grad(set_to_none=True)
