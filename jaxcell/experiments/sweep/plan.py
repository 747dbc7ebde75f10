"""What a sweep would cost: time, memory and disk, said before anything is built or trained."""

import functools
import timeit
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxcell.compute.flops import operations
from jaxcell.dataset.batches import fits
from jaxcell.dataset.fields import select_fields
from jaxcell.dataset.patches import windows
from jaxcell.dataset.source import dataset_config, load_plates
from jaxcell.dataset.splits import FRACTIONS
from jaxcell.experiments.sweep.members import Member, groups
from jaxcell.models.build import Models, make_models
from jaxcell.plates.folder import Plates
from jaxcell.plates.images import image_shape
from jaxcell.report.common.words import count
from jaxcell.simulator.layout_workbook import VEHICLE_SHARE
from jaxcell.simulator.plates import ASSOCIATION, VIEWS
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.program import side_by_side

# Share of a matrix product's speed that training reaches. Measured on two CPU cores: 66 patches
# a second of 340 million operations each, where the product reached 75 to 83 GFLOP/s.
REACHED = 0.28
TRAINING = 3  # forward passes that a training step costs: gradients by images and parameters
SIDE = 2048  # of the matrices whose product is timed
PIXEL_BYTES = 4  # two views of 16 bits
NUMBER_BYTES = 4  # float32
HEADING = "code size setting members done parameters MFLOP minutes MiB".split()


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
      members: its members.
      left: how many of them are still to be trained.
      cost: of one.
      seconds: of training those that are left, one after the other.
      memory_bytes: of their arrays while they train together; 0 where none is left.
    """

    members: list[Member]
    left: int
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
      members: of `grid` or `share`, at least one.
      finished: name of each member that needs no more training -> seconds that its training took,
        NaN where nobody knows. Where any is known, they replace the assumed speed.

    Raises:
      BadPlates: an image or a layout is bad.
      ValueError: a member's networks or learning rates do not fit, there are too few patches, or
        no window fits into a field.
    """
    plates = load_plates(members[0].config) if members[0].config.plates.folder else None
    costs, known, data_sets = [], [], {}
    for group in groups(members):
        config = group[0].config
        patches = count_patches(config, plates)
        _require_steps(group[0].name, config, patches)
        cost = cost_of(config, make_models(config), patches)
        left = sum(member.name not in finished for member in group)
        images = sum(patches) * config.dataset.window**2 * PIXEL_BYTES
        if left:
            data_sets[config.dataset.to_json(sort_keys=True)] = images
        held = images if fits(images, config.machine.memory_gib) else 0
        # Parameters, gradients and Adam's two moments of all; activations of those that are
        # computed at once.
        at_once = left if side_by_side() else 1
        memory = held + left * 4 * NUMBER_BYTES * cost.parameters + at_once * cost.activation_bytes
        costs.append((group, left, cost, memory if left else 0))
        times = (finished.get(member.name, 0.0) for member in group)
        known += [(cost.training, took) for took in times if took > 0]  # NaN is not
    operations, seconds = map(sum, zip(*known)) if known else (REACHED * matrix_product_speed(), 1)
    speed = operations / seconds
    rows = [
        Row(group, left, cost, left * cost.training / speed, memory)
        for group, left, cost, memory in costs
    ]
    data_bytes = sum(data_sets.values())
    if data_sets and not plates:
        told = members[0].config.plates.simulate
        fields = told.plates * told.rows * told.columns * told.fields
        data_bytes += fields * told.field_size**2 * len(VIEWS) * 2  # bytes a pixel
    checkpoint_bytes = sum(row.left * row.cost.checkpoint_bytes for row in rows)
    return Plan(rows, speed, len(known), checkpoint_bytes, data_bytes)


def count_patches(config: ConfigDict, plates: Plates | None) -> Patches:
    """Counts the patches of a run's data set before it is there.

    Args:
      config: of a run, as `configs/default.py` describes.
      plates: of `load_plates`; None: simulated ones, taken to be split in just the shares wanted.

    Raises:
      ValueError: a field holds no window, or no well is left.
    """
    settings = dataset_config(config)

    def in_field(shape: tuple[int, int]) -> int:
        # One number seen as a whole view: the cutting itself is asked, without an image.
        field = np.broadcast_to(np.zeros(1, bool), (*shape, 1))
        return len(windows(field, settings.window, settings.stride)[0])

    if plates is None:
        simulate = config.plates.simulate
        dual = sum(name in ASSOCIATION for name in settings.conditions) / len(ASSOCIATION)
        share = {"full": 1.0, "dual": dual, "dmso": VEHICLE_SHARE}[settings.subset]
        wells = round(simulate.plates * simulate.rows * simulate.columns * share)
        in_well = simulate.fields * in_field((simulate.field_size, simulate.field_size))
        return Patches(*(round(wells * FRACTIONS[name]) * in_well for name in Patches._fields))
    fields = select_fields(plates, settings)
    # The fields of a plate are of one size.
    shapes = {plate: image_shape(some["t_cell"].iloc[0]) for plate, some in fields.groupby("plate")}
    counts = fields["plate"].map({plate: in_field(shape) for plate, shape in shapes.items()})
    if "split" not in fields:
        return Patches(*(round(int(counts.sum()) * FRACTIONS[name]) for name in Patches._fields))
    return Patches(*(int(counts[fields["split"] == name].sum()) for name in Patches._fields))


def cost_of(config: ConfigDict, models: Models, patches: Patches) -> Cost:
    """What one member costs.

    Args:
      config: of its run.
      models: its networks.
      patches: of its data set.

    Returns:
      Operations as XLA counts them, a multiplication and an addition being two; none is done.
    """
    (autoencoder, regressor), window = models, config.dataset.window
    image = jax.ShapeDtypeStruct((1, window, window, 2), jnp.float32)
    key = jax.random.key(0)
    params = jax.eval_shape(autoencoder.init, key, image)
    encode = functools.partial(autoencoder.apply, method="encode")
    code = jax.eval_shape(encode, params, image)
    forward = operations(autoencoder.apply, params, image)
    training = _fitting(config.training.autoencoder, patches, forward)
    weights = jax.eval_shape(regressor.init, key, image)
    regressing = operations(regressor.apply, weights, image)
    training += _fitting(config.training.regressor, patches, regressing)
    parameters = _numbers(params)
    return Cost(
        latent_size=code.shape[1],
        parameters=parameters,
        forward=forward,
        training=training,
        activation_bytes=config.training.autoencoder.batch_size
        * _answer_bytes(autoencoder, params, image),
        # The latest and the best, each of parameters and Adam's two moments.
        checkpoint_bytes=2 * 3 * NUMBER_BYTES * (parameters + _numbers(weights)),
    )


def matrix_product_speed() -> float:
    """Floating-point operations a second of a large float32 matrix product, the best of three."""
    product, matrix = jax.jit(jnp.matmul), jnp.ones((SIDE, SIDE), jnp.float32)
    # The first of four compiles.
    seconds = timeit.repeat(lambda: product(matrix, matrix).block_until_ready(), repeat=4, number=1)
    return 2 * SIDE**3 / min(seconds[1:])


def plan_text(plan: Plan) -> str:
    """A plan as a table and a few lines, for a terminal."""
    columns = [column for column in zip(HEADING, *map(_cells, plan.rows)) if any(column[1:])]
    top, *table = map("  ".join, zip(*map(aligned, columns)))
    rule, members = "-" * len(top), sum(len(row.members) for row in plan.rows)
    source = f"taken to be {100 * REACHED:.0f} % of a matrix product's, just timed"
    if plan.measured:
        source = f"measured on {count(plan.measured, 'finished member')}"
    return "\n".join([
        top, rule, *table, rule,
        "size: numbers in a code. MFLOP: million operations of one patch, forward.",
        "minutes: to train the members left, all epochs. MiB: of their arrays while they train.",
        "",
        f"members  {members}, of which {members - sum(row.left for row in plan.rows)} done",
        f"time     about {duration(sum(row.seconds for row in plan.rows))} on this machine, at "
        f"{plan.speed / 1e9:,.1f} GFLOP/s",
        f"         ({source}); compiling, data, evaluation on top",
        f"memory   {_gib(max(row.memory_bytes for row in plan.rows))} at a time, the program "
        "itself not counted",
        f"disk     {_gib(plan.checkpoint_bytes)} of checkpoints and at most "
        f"{_gib(plan.data_bytes)} of images, where not there yet",
    ])  # fmt: skip


def _require_steps(name: str, config: ConfigDict, patches: Patches) -> None:
    """Finds out now what would otherwise stop a sweep when half of it is trained."""
    for network in ("autoencoder", "regressor"):
        settings = config.training[network]
        steps = settings.epochs * (patches.train // settings.batch_size)
        if not steps:
            raise ValueError(
                f"{name}: {network}.epochs {settings.epochs} and batch_size {settings.batch_size} "
                f"make no step of {patches.train} training patches"
            )
        try:
            make_optimizer(steps, **settings.optimizer)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}, {network}: {error}") from error


def _fitting(settings: ConfigDict, patches: Patches, forward: float) -> float:
    """Operations of all epochs of a network, given those of a patch forward."""
    trained = patches.train // settings.batch_size * settings.batch_size
    return settings.epochs * forward * (TRAINING * trained + patches.validation)


def _answer_bytes(model: nn.Module, params: Any, image: jax.ShapeDtypeStruct) -> int:
    """Bytes of what all modules answer to a patch, twice, for the gradients too.

    Compiled training steps of configs/latent_sweep.py take 1.1 to 1.3 times as much.
    """
    applied = functools.partial(model.apply, capture_intermediates=True)
    answers = jax.tree.leaves(jax.eval_shape(applied, params, image)[1]["intermediates"])
    return 2 * sum(array.size * array.dtype.itemsize for array in answers)


def _numbers(params: Any) -> int:
    return sum(array.size for array in jax.tree.leaves(params))


def _cells(row: Row) -> list[str]:
    first, done = row.members[0], len(row.members) - row.left
    kind = "separate" if first.config.model.latent_dim else "spatial"
    words = ["nested" if first.nested else kind, f"{row.cost.latent_size:,}", first.setting]
    numbers = [f"{row.cost.parameters:,}", f"{row.cost.forward / 1e6:,.1f}"]
    left = [f"{row.seconds / 60:,.1f}", f"{row.memory_bytes / 2**20:,.0f}"]
    return [*words, str(len(row.members)), str(done), *numbers, *(left if row.left else "––")]


def aligned(column: tuple[str, ...]) -> list[str]:
    side = "<" if column[0] in ("code", "setting") else ">"
    return [f"{cell:{side}{max(map(len, column))}}" for cell in column]


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
