"""What a sweep would cost: time, memory and disk, said before anything is built or trained."""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxcell.dataset.fields import select_fields
from jaxcell.dataset.patches import windows
from jaxcell.dataset.splits import FRACTIONS
from jaxcell.experiment import Models, dataset_config, load_plates, make_models
from jaxcell.plates.folder import Plates
from jaxcell.plates.layout_form import VEHICLE_SHARE
from jaxcell.plates.pixels import image_shape
from jaxcell.plates.simulate import ASSOCIATION
from jaxcell.plates.simulate import VIEWS as SIMULATED_VIEWS
from jaxcell.sweep.members import Member, groups

# Share of a matrix product's speed that training reaches. Measured on two CPU cores: 66 patches
# a second of 340 million operations each, where the product reached 75 to 83 GFLOP/s.
REACHED = 0.28
# A training step to a forward pass: the gradients by images and by parameters cost one each.
TRAINING = 3
# Side of the matrices whose product is timed.
SIDE = 2048
PIXEL_BYTES = 4  # two views of 16 bits
NUMBER_BYTES = 4  # float32


class Patches(NamedTuple):
    """How many patches a data set holds in each split."""

    train: int
    validation: int
    test: int


class Cost(NamedTuple):
    """What one member costs.

    Attributes:
      latent_size: numbers in a code.
      parameters: of the autoencoder.
      forward: floating-point operations of one patch through the autoencoder.
      training: floating-point operations of training both networks.
      activation_bytes: of one batch in a training step of the autoencoder.
      checkpoint_bytes: of the checkpoints that stay.
    """

    latent_size: int
    parameters: int
    forward: float
    training: float
    activation_bytes: int
    checkpoint_bytes: int


class Row(NamedTuple):
    """What a group, members that train together, still costs.

    Attributes:
      kind: `separate`, `spatial` or `nested`.
      setting: as in `Member`.
      members: how many there are.
      finished: how many of them need no more training.
      cost: of one.
      seconds: of training those that are left, one after the other.
      memory_bytes: of their arrays while they train together; 0 where none is left.
    """

    kind: str
    setting: str
    members: int
    finished: int
    cost: Cost
    seconds: float
    memory_bytes: int


class Plan(NamedTuple):
    """What a sweep, or a share of it, still costs.

    Attributes:
      rows: of its groups, in order.
      speed: floating-point operations a second that training is taken to reach.
      measured: how many finished members the speed is from; 0: assumed from a matrix product.
      checkpoint_bytes: of all members left.
      data_bytes: of simulated plates and data sets, as if none were there yet or compressed.
    """

    rows: list[Row]
    speed: float
    measured: int
    checkpoint_bytes: int
    data_bytes: int


def make_plan(members: list[Member], finished: Mapping[str, float]) -> Plan:
    """Estimates what members of a sweep cost. Reads tags of images; builds and trains nothing.

    Args:
      members: of `grid` or `share`.
      finished: name of each member that needs no more training -> seconds that its training took,
        NaN where nobody knows. Where any is known, they replace the assumed speed.

    Returns:
      The plan.

    Raises:
      BadPlates: an image or a layout is bad.
      ValueError: a member's networks do not fit, or no window fits into a field.
    """
    plates = load_plates(members[0].config) if members and members[0].config.data.plates else None
    together = groups(members)
    patches = [count_patches(group[0].config, plates) for group in together]
    costs = [_cost_of(group[0], counts) for group, counts in zip(together, patches, strict=True)]
    known = [
        (cost.training, finished[member.name])
        for group, cost in zip(together, costs, strict=True)
        for member in group
        if math.isfinite(finished.get(member.name, math.nan))
    ]
    speed = _speed(known)
    rows, data_sets = [], {}
    for group, counts, cost in zip(together, patches, costs, strict=True):
        config, left = group[0].config, sum(member.name not in finished for member in group)
        size = sum(counts) * config.data.window**2 * PIXEL_BYTES
        if left:
            data_sets[config.data.to_json(sort_keys=True)] = size
        memory = memory_bytes(cost, left, size, config.data.memory_gib)
        rows.append(
            Row(
                kind="nested" if group[0].nested else _kind(config),
                setting=group[0].setting,
                members=len(group),
                finished=len(group) - left,
                cost=cost,
                seconds=left * cost.training / speed,
                memory_bytes=memory,
            )
        )
    checkpoints = sum((row.members - row.finished) * row.cost.checkpoint_bytes for row in rows)
    simulated = 0 if plates or not data_sets else _simulated_bytes(members[0].config)
    return Plan(rows, speed, len(known), checkpoints, simulated + sum(data_sets.values()))


def count_patches(config: ConfigDict, plates: Plates | None) -> Patches:
    """Counts the patches of a run's data set before it is there.

    Args:
      config: of a run, as `configs/default.py` describes.
      plates: of `load_plates`; None: plates that will be simulated, whose wells are taken to be
        split in just the shares wanted.

    Raises:
      ValueError: a field holds no window, or no well is left.
    """
    settings = dataset_config(config)

    def in_field(shape: tuple[int, int]) -> int:
        # A view of one number: the cutting is asked itself, without an image.
        field = np.broadcast_to(np.zeros(1, bool), (*shape, 1))
        return len(windows(field, settings.window, settings.stride)[0])

    if plates is None:
        simulate = config.simulate
        known = [name for name in settings.conditions if name in ASSOCIATION]
        share = {"full": 1.0, "dual": len(known) / len(ASSOCIATION), "dmso": VEHICLE_SHARE}
        wells = round(simulate.plates * simulate.rows * simulate.columns * share[settings.subset])
        in_well = simulate.fields * in_field((simulate.field_size, simulate.field_size))
        return Patches(*(round(wells * FRACTIONS[name]) * in_well for name in Patches._fields))
    fields = select_fields(plates, settings)
    # Cameras differ between plates at most.
    shapes = {plate: image_shape(some["t_cell"].iloc[0]) for plate, some in fields.groupby("plate")}
    in_plate = {plate: in_field(shape) for plate, shape in shapes.items()}
    counts = fields["plate"].map(in_plate)
    if "split" in fields:
        return Patches(*(int(counts[fields["split"] == name].sum()) for name in Patches._fields))
    return Patches(*(round(int(counts.sum()) * FRACTIONS[name]) for name in Patches._fields))


def cost(config: ConfigDict, models: Models, patches: Patches) -> Cost:
    """What one member costs.

    Args:
      config: of its run.
      models: its networks.
      patches: of its data set.

    Returns:
      Operations as XLA counts them, a multiplication and an addition being two; none is done.
    """
    autoencoder, window = models.autoencoder, config.data.window
    batch = config.autoencoder.batch_size
    image = jax.ShapeDtypeStruct((1, window, window, 2), jnp.float32)
    params = jax.eval_shape(autoencoder.init, jax.random.key(0), image)
    code = jax.eval_shape(lambda *given: autoencoder.apply(*given, method="encode"), params, image)
    on_code = config.model.regression == "dense_on_code"
    seen = code if on_code else image
    answering = jax.eval_shape(models.regressor.init, jax.random.key(0), seen)
    forward = _operations(autoencoder, params, image)
    encoding = _operations(autoencoder, params, image, method="encode")
    regressing = _operations(models.regressor, answering, seen)
    # One that is nested is validated and answered from at each of its sizes; it encodes but once.
    sizes = max(1, len(config.model.nested_sizes))
    validating = encoding + sizes * (forward - encoding)
    training = _fitting(config.autoencoder, patches, forward, validating)
    training += sizes * _fitting(config.regressor, patches, regressing, regressing)
    training += sum(patches) * encoding if on_code else 0
    numbers = _numbers(params)
    return Cost(
        latent_size=code.shape[-1],
        parameters=numbers,
        forward=forward,
        training=training,
        activation_bytes=_activation_bytes(autoencoder, params, (batch, *image.shape[1:])),
        # The latest and the best, each of parameters and Adam's two moments.
        checkpoint_bytes=2 * 3 * NUMBER_BYTES * (numbers + sizes * _numbers(answering)),
    )


def memory_bytes(cost: Cost, members: int, data_bytes: int, memory_gib: float) -> int:
    """Bytes of the arrays of members that train together; 0 of none.

    Args:
      cost: of one.
      members: how many.
      data_bytes: of the data set's images.
      memory_gib: GiB up to which a data set is held on the device.
    """
    if not members:
        return 0
    held = data_bytes if data_bytes <= memory_gib * 2**30 else 0
    # Parameters, their gradients and Adam's two moments. Within a step members take turns, so that
    # activations are of one.
    return held + members * 4 * NUMBER_BYTES * cost.parameters + cost.activation_bytes


def matrix_product_speed() -> float:
    """Floating-point operations a second of a large float32 matrix product, the best of three."""
    product, matrix = jax.jit(jnp.matmul), jnp.ones((SIDE, SIDE), jnp.float32)
    product(matrix, matrix).block_until_ready()  # compiles
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(seconds)


def plan_text(plan: Plan) -> str:
    """A plan as lines of text, at most 100 characters wide but for long settings."""
    if not plan.rows:
        return "No member of the sweep falls to this share."
    heading = ("code", "size", "setting", "members", "done", "parameters", "MFLOP", "minutes",
               "MiB")  # fmt: skip
    lines = [heading, *map(_cells, plan.rows)]
    if not any(row.setting for row in plan.rows):
        lines = [line[:2] + line[3:] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    words = ("code", "setting")
    table = [
        "  ".join(
            f"{cell:<{width}}" if name in words else f"{cell:>{width}}"
            for name, cell, width in zip(lines[0], line, widths, strict=True)
        )
        for line in lines
    ]
    rule = "-" * len(table[0])
    members = sum(row.members for row in plan.rows)
    done = sum(row.finished for row in plan.rows)
    if plan.measured:
        source = f"measured on {plan.measured} finished members" if plan.measured > 1 else (
            "measured on the one finished member"
        )
    else:
        source = f"assumed: {REACHED:.0%} of a large matrix product's here, just timed"
    disk = plan.checkpoint_bytes + plan.data_bytes
    sentences = [
        "size: numbers in a code. MFLOP: million operations of one patch, forward.",
        "minutes: to train the members left, all epochs. MiB: of their arrays while they train.",
        "",
        f"members  {members}, of which {done} done",
        f"time     about {_duration(sum(row.seconds for row in plan.rows))} on this machine at "
        f"{plan.speed / 1e9:,.1f} GFLOP/s ({source});",
        "         compiling, building data sets and evaluating come on top",
        f"memory   {_gib(max(row.memory_bytes for row in plan.rows))} at most at a time, "
        "the program itself not counted",
        f"disk     {_gib(disk)} at most: checkpoints {_gib(plan.checkpoint_bytes)}, data "
        f"{_gib(plan.data_bytes)} where not there yet",
    ]
    return "\n".join([table[0], rule, *table[1:], rule, *sentences])


def _cost_of(member: Member, patches: Patches) -> Cost:
    try:
        return cost(member.config, make_models(member.config), patches)
    except ValueError as error:
        raise ValueError(f"member {member.name}: {error}") from error


def _kind(config: ConfigDict) -> str:
    return "separate" if config.model.latent_dim else "spatial"


def _speed(known: list[tuple[float, float]]) -> float:
    """Operations a second, from operations and seconds of members, or assumed without any."""
    if not known:
        return REACHED * matrix_product_speed()
    operations, seconds = map(sum, zip(*known, strict=True))
    return operations / seconds


def _fitting(settings: ConfigDict, patches: Patches, forward: float, validating: float) -> float:
    """Operations of all epochs of a network, of a patch's forward pass and of its validation."""
    trained = patches.train // settings.batch_size * settings.batch_size
    return settings.epochs * (TRAINING * forward * trained + validating * patches.validation)


def _operations(model: nn.Module, params: Any, given: jax.ShapeDtypeStruct, **how: str) -> float:
    """Floating-point operations of a forward pass, nothing computed."""
    lowered = jax.jit(lambda *arrays: model.apply(*arrays, **how)).lower(params, given)
    return float(lowered.cost_analysis()["flops"])


def _activation_bytes(model: nn.Module, params: Any, shape: tuple[int, ...]) -> int:
    """Bytes of what all modules answer to a batch of that shape, kept for the gradients, twice.

    Compiled training steps of the default networks took 1.1 to 1.3 times as much.
    """

    def answers(params: Any, image: jax.Array) -> Any:
        return model.apply(params, image, capture_intermediates=True)[1]["intermediates"]

    kept = jax.eval_shape(answers, params, jax.ShapeDtypeStruct(shape, jnp.float32))
    return 2 * sum(array.size * array.dtype.itemsize for array in jax.tree.leaves(kept))


def _numbers(params: Any) -> int:
    return sum(array.size for array in jax.tree.leaves(params))


def _simulated_bytes(config: ConfigDict) -> int:
    simulate = config.simulate
    fields = simulate.plates * simulate.rows * simulate.columns * simulate.fields
    return fields * simulate.field_size**2 * len(SIMULATED_VIEWS) * 2  # bytes a pixel


def _cells(row: Row) -> tuple[str, ...]:
    left = row.finished < row.members
    return (
        row.kind,
        f"{row.cost.latent_size:,}",
        row.setting,
        str(row.members),
        str(row.finished),
        f"{row.cost.parameters:,}",
        f"{row.cost.forward / 1e6:,.1f}",
        f"{row.seconds / 60:,.1f}" if left else "–",
        f"{row.memory_bytes / 2**20:,.0f}" if left else "–",
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
