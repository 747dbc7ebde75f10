"""The networks of `jaxcell.models` as one would write them in PyTorch, trained and asked there.

Layers are the ordinary ones (`nn.Conv2d`, `nn.MaxPool2d`, `nn.Upsample`, ...); images are
[B, C, H, W] in channels-last memory. Parameters come from those of the linen modules, so that
both are the same function; that is proved before anything is timed.
"""

import contextlib
import copy
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from jaxcell.compute.backend import cores
from jaxcell.models.autoencoder import Autoencoder
from jaxcell.models.encoder import Encoder
from jaxcell.models.interaction_unet import CLASSES, SQUARE, USUAL, InteractionUNet
from jaxcell.models.regressor import DenseRegressor
from jaxcell.models.unet import UNet

Params = Mapping[str, Any]
# Largest difference of answers and losses, of their largest value.
TOLERANCES = {"float32": 1e-3, "bfloat16": 5e-2}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Images on which a network and its twin are proved equal.
PROVED = 2


def torch_network(model: Any, params: Params) -> nn.Module:
    """A linen module's twin.

    Args:
      model: `Autoencoder`, `DenseRegressor` with the study's encoder (dropout is left out), `UNet`,
        or `InteractionUNet` that answers with the overlap; of spatial codes.
      params: of it.

    Returns:
      A module, float [B, C, H, W] -> what the linen module answers, images as [B, C, H, W].

    Raises:
      TypeError: another kind of module.
    """
    if isinstance(model, UNet):
        return _UNet(model, params)
    if isinstance(model, InteractionUNet) and model.target == "true_iou":
        return _InteractionUNet(model, params)
    if isinstance(model, DenseRegressor):
        return _DenseRegressor(model, params)
    if isinstance(model, Autoencoder) and isinstance(model.encoder, Encoder):
        return nn.Sequential(
            plain_encoder(model.encoder, params["encoder"]), _plain_decoder(params["decoder"])
        )
    if isinstance(model, Autoencoder):
        return nn.Sequential(
            _residual_encoder(model.encoder, params["encoder"]),
            _residual_decoder(model.decoder, params["decoder"]),
        )
    raise TypeError(f"{type(model).__name__} has no twin")


def plain_encoder(model: Encoder, params: Params) -> nn.Sequential:
    """The study's encoder, to the spatial code [B, C, h, w]."""
    layers: list[nn.Module] = []
    for stage in range(len(model.features)):
        layers += _with_slope(params[f"Convolution_{stage}"]) + [nn.MaxPool2d(2)]
    # Of stride 2 `SAME` pads an even image after its last row and column alone.
    last = params[f"Convolution_{len(model.features)}"]
    return nn.Sequential(
        *layers, nn.ZeroPad2d((0, 1, 0, 1)), *_with_slope(last, stride=2, padding=0)
    )


def _plain_decoder(params: Params) -> nn.Sequential:
    layers = _with_slope(params["Convolution_0"])
    for stage in range(1, len(params)):
        layers += [nn.Upsample(scale_factor=2), *_with_slope(params[f"Convolution_{stage}"])]
    return nn.Sequential(*layers)


def _residual_encoder(model: Any, params: Params) -> nn.Sequential:
    layers: list[nn.Module] = []
    for stage in range(len(model.features)):
        layers.append(_SpaceToDepth(2 if stage else model.patch))
        layers.append(_convolution(params[f"Conv_{stage}"]))
        layers += [
            _Residual(params[f"Residual_{stage * model.blocks + block}"])
            for block in range(model.blocks)
        ]
    return nn.Sequential(*layers, _convolution(params[f"Conv_{len(model.features)}"]))


def _residual_decoder(model: Any, params: Params) -> nn.Sequential:
    layers: list[nn.Module] = []
    for stage in range(len(model.features)):
        layers.append(_convolution(params[f"Conv_{stage}"]))
        if stage:
            layers.append(_DepthToSpace(2))
        layers += [
            _Residual(params[f"Residual_{stage * model.blocks + block}"])
            for block in range(model.blocks)
        ]
    last = _convolution(params[f"Conv_{len(model.features)}"])
    return nn.Sequential(*layers, nn.SiLU(), last, _DepthToSpace(model.patch))


class _Residual(nn.Module):
    def __init__(self, params: Params):
        super().__init__()
        layers: list[nn.Module] = []
        for place in (0, 1):
            own = params[f"GroupNorm_{place}"]
            norm = nn.GroupNorm(8, len(own["scale"]), eps=1e-6)
            _fill(norm, own["scale"], own["bias"])
            layers += [norm, nn.SiLU(), _convolution(params[f"Conv_{place}"])]
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class _DenseRegressor(nn.Module):
    def __init__(self, model: DenseRegressor, params: Params):
        super().__init__()
        self.encoder = plain_encoder(model.encoder, params["encoder"])
        self.first, self.second = _dense(params["Dense_0"]), _dense(params["Dense_1"])
        self.last = _dense(params)

    def forward(self, x: Tensor) -> Tensor:
        code = self.encoder(x).permute(0, 2, 3, 1).flatten(1)
        x = self.second(functional.relu(self.first(code)))
        # As there: non-negative in use, free underneath.
        free = self.last.weight
        weight = free + (functional.relu(free) - free).detach()
        return functional.linear(x, weight, self.last.bias)[:, 0]


class _UNet(nn.Module):
    def __init__(self, model: UNet, params: Params):
        super().__init__()
        self.stages, branches = len(model.features), iter(range(2 * len(model.features) - 1))
        convolution = [_convolution(params[f"Conv_{n}"]) for n in range(self.stages + 3)]
        self.narrow = nn.ModuleList(convolution[: self.stages])
        self.full, self.mix, self.last = convolution[self.stages :]
        self.branch = nn.ModuleList(_Branch(params[f"_Branch_{n}"]) for n in branches)
        ups = (_convolution({"kernel": params[f"up_{n}"]}) for n in range(self.stages - 1))
        self.up = nn.ModuleList(ups)
        self.patch = model.patch

    def forward(self, image: Tensor) -> Tensor:
        x, skips = _space_to_depth(image, self.patch), []
        for stage in range(self.stages):
            if stage:
                skips.append(x)
                x = _space_to_depth(x, 2)
            x = self.narrow[stage](x)
            x = self.branch[stage](x) + x
        for step, (stage, skip) in enumerate(reversed(list(enumerate(skips)))):
            x = skip + self.up[stage](functional.interpolate(x, scale_factor=2))
            x = self.branch[self.stages + step](x) + x
        x = torch.cat([_depth_to_space(self.full(x), self.patch), image], 1)
        return self.last(functional.silu(self.mix(x)))


class _Branch(nn.Module):
    def __init__(self, params: Params):
        super().__init__()
        self.norms, self.convolutions = nn.ModuleList(), nn.ModuleList()
        for place in (0, 1):
            own = params[f"LayerNorm_{place}"]
            norm = nn.LayerNorm(len(own["scale"]), eps=1e-6)
            _fill(norm, own["scale"], own["bias"])
            self.norms.append(norm)
            self.convolutions.append(_convolution(params[f"Conv_{place}"]))

    def forward(self, x: Tensor) -> Tensor:
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            # Channels are last in memory: neither permutation copies.
            x = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            x = convolution(functional.silu(x))
        return x


class _InteractionUNet(nn.Module):
    def __init__(self, model: InteractionUNet, params: Params):
        super().__init__()
        self.stages = len(model.features)
        made = iter(
            [_convolution(params[f"Conv_{n}"]) for n in range(len(params) + 1 - self.stages)]
        )
        self.down = nn.ModuleList(nn.ModuleList([next(made), next(made)]) for _ in model.features)
        self.whole, self.scale = next(made), next(made)
        ups = [_convolution({"kernel": params[f"up_{n}"]}) for n in range(self.stages - 1)]
        self.up = nn.ModuleList(nn.ModuleList([up, next(made)]) for up in reversed(ups))
        self.last = next(made)

    def forward(self, counts: Tensor) -> Tensor:
        x, skips = _space_to_depth(_relative(counts), SQUARE), []
        for stage, (first, second) in enumerate(self.down):
            if stage:
                skips.append(x)
                x = _space_to_depth(x, 2)
            x = first(x)
            x = x + second(functional.relu(x))
        whole = functional.relu(x).mean((2, 3), keepdim=True)
        slope, shift = self.scale(functional.relu(self.whole(whole))).chunk(2, 1)
        x = x * (1 + slope) + shift
        for (up, after), skip in zip(self.up, reversed(skips), strict=True):
            x = skip + up(functional.interpolate(functional.relu(x), scale_factor=2))
            x = x + after(functional.relu(x))
        pixels = CLASSES * SQUARE**2
        shown = self.last(functional.relu(x))[:, :pixels].float().unflatten(1, (CLASSES, -1))
        shown = shown + shown.new_tensor(USUAL)[:, None, None, None]
        _, t_cell, dendritic_cell, both = shown.softmax(1).sum((2, 3, 4)).unbind(1)
        return 100 * both / (t_cell + dendritic_cell + both).clamp(min=1)


def _relative(counts: Tensor) -> Tensor:
    means = functional.avg_pool2d(counts, 8).flatten(2).sort(2).values
    last = means.shape[2] - 1
    low, middle, high = (
        means[:, :, round(share * last), None, None] for share in (0.10, 0.45, 0.995)
    )
    variation = torch.maximum(2 * (middle - low), (high - low) / 100).clamp(min=1e-6)
    z = (counts - middle) / variation
    return z.sign() * ((1 + z.abs()).sqrt() - 1)


class _SpaceToDepth(nn.Module):
    def __init__(self, block: int):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return _space_to_depth(x, self.block)


class _DepthToSpace(_SpaceToDepth):
    def forward(self, x: Tensor) -> Tensor:
        return _depth_to_space(x, self.block)


def _space_to_depth(x: Tensor, block: int) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // block, block, width // block, block)
    x = x.permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, -1, height // block, width // block)


def _depth_to_space(x: Tensor, block: int) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.reshape(batch, block, block, channels // block**2, height, width)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, block * height, block * width)


def _with_slope(params: Params, **settings: Any) -> list[nn.Module]:
    """A convolution, and PReLU where it has slopes."""
    layers: list[nn.Module] = [_convolution(params, **settings)]
    if "slope" in params:
        layers.append(nn.PReLU(len(params["slope"])))
        layers[-1].weight.data = _tensor(params["slope"])
    return layers


def _convolution(params: Params, stride: int = 1, padding: int | None = None) -> nn.Conv2d:
    kernel = np.asarray(params["kernel"])
    side, _, inputs, outputs = kernel.shape
    padding = side // 2 if padding is None else padding
    layer = nn.Conv2d(inputs, outputs, side, stride, padding, bias="bias" in params)
    _fill(layer, kernel.transpose(3, 2, 0, 1), params.get("bias"))
    return layer


def _dense(params: Params) -> nn.Linear:
    kernel = np.asarray(params["kernel"])
    layer = nn.Linear(*kernel.shape)
    _fill(layer, kernel.T, params["bias"])
    return layer


def _fill(layer: Any, weight: Any, bias: Any) -> None:
    layer.weight.data = _tensor(weight)
    if bias is not None:
        layer.bias.data = _tensor(bias)


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


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
    loss = getattr(functional, case.loss)
    found = {
        "train": {name: _training(own, loss, given, wanted, dtype) for name, own in made.items()},
        "answer": {name: _answering(own, given, dtype) for name, own in made.items()},
    }
    flops = {what: _operations(calls["eager"]) for what, calls in found.items()}
    return {
        what: {f"PyTorch {name}": (call, flops[what]) for name, call in calls.items()}
        for what, calls in found.items()
    }


def _training(
    network: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    image: Tensor,
    truth: Tensor,
    dtype: str,
) -> Callable[[], float]:
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

    return step


def _answering(network: nn.Module, image: Tensor, dtype: str) -> Callable[[], None]:
    def answer() -> None:
        with torch.inference_mode(), _precision(dtype):
            network(image)
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return answer


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
    image, truth = image[:PROVED], truth[:PROVED]
    batch = {"image": image, **{name: few[:PROVED] for name, few in case.truth.items()}}

    def judged(params: Any, batch: dict) -> tuple[jax.Array, jax.Array]:
        loss, _ = case.task.loss(params, batch, None)
        return loss.mean(), case.model.apply({"params": params}, batch["image"])

    # It runs once: trying out kernels would take minutes on a GPU.
    quick = {"xla_gpu_autotune_level": 0}
    judge = jax.jit(jax.value_and_grad(judged, has_aux=True), compiler_options=quick)
    (loss, here), gradients = judge(params, batch)
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradients)))
    with _precision(dtype):
        answers = network(_on_device(image))
    value = getattr(functional, case.loss)(answers.float(), _on_device(truth))
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
