"""What a sweep would cost: time, memory and disk, said before anything is built or trained."""

import functools
import math
import operator
import statistics
import timeit
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.compute import chunks
from jaxcell.compute.sharding import dividing
from jaxcell.dataset.batches import Examples, fits
from jaxcell.dataset.fields import select_fields
from jaxcell.dataset.patches import windows
from jaxcell.dataset.source import dataset_config, load_plates
from jaxcell.dataset.splits import FRACTIONS
from jaxcell.experiments.interaction.trainings import (
    Training,
    autoencoder_training,
    regressor_training,
)
from jaxcell.experiments.sweep.members import Member, groups
from jaxcell.experiments.sweep.results import duration, text_table
from jaxcell.models.build import make_models
from jaxcell.plates.folder import Plates
from jaxcell.plates.images import image_shape
from jaxcell.report.common.words import count
from jaxcell.simulator.biology import CONDITIONS
from jaxcell.simulator.layout import VEHICLE_SHARE
from jaxcell.simulator.plates import VIEWS
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.program import side_by_side

TIMED = 3  # calls of each step, after a first
VALIDATING = 1 / 3  # of a training step's time: the forward pass alone
PIXEL_BYTES = 4  # two views of 16 bits
NUMBER_BYTES = 4  # float32
NETWORKS = ("autoencoder", "regressor")


class Patches(NamedTuple):
    """How many patches a data set holds in each split."""

    train: int
    validation: int
    test: int


class Step(NamedTuple):
    """A step of one network: seconds of its gradients, and bytes of their compiled program."""

    seconds: float
    program_bytes: int


class Row(NamedTuple):
    """What a group, members that train together, still costs.

    Attributes:
      members: its members.
      left: how many of them are still to be trained.
      latent_size: numbers in a code.
      parameters: of the autoencoder.
      seconds: of training those that are left.
      memory_bytes: on each device, of all that lies there while they train together; 0 where none
        is left.
      checkpoint_bytes: of those left, the checkpoints that stay.
    """

    members: list[Member]
    left: int
    latent_size: int
    parameters: int
    seconds: float = 0.0
    memory_bytes: int = 0
    checkpoint_bytes: int = 0


class Plan(NamedTuple):
    """What a sweep, or a share of it, still costs.

    Attributes:
      rows: of its groups, in order.
      measured: how many finished members stand for timed steps.
      data_bytes: of simulated plates and data sets, as if none were there yet or compressed.
    """

    rows: list[Row]
    measured: int
    data_bytes: int


def make_plan(members: list[Member], finished: Mapping[str, float]) -> Plan:
    """Times what members of a sweep would do. Reads tags of images; builds and trains nothing.

    Of members that differ in the size of a dense code alone, the largest is timed: a longer code
    lengthens two layers alone, and so a step by a fifth from 8 numbers to 512.

    Args:
      members: of `grid` or `share`, at least one.
      finished: name of each member that needs no more training -> seconds that its training took,
        NaN where nobody knows. Where any is known of one setting and kind, they stand for its
        timed steps.

    Raises:
      BadPlates: an image or a layout is bad.
      ValueError: a member's networks or learning rates do not fit, there are too few patches, or
        no window fits into a field.
    """
    counted, alike = count_groups(members), operator.attrgetter("setting", "kind")
    waiting = [member for member in members if member.name not in finished]
    waiting.sort(key=lambda member: member.config.model.latent_dim)
    largest = {alike(member): member.config for member in waiting}
    measured = [member for member in members if finished.get(member.name, 0.0) > 0]  # NaN is not
    steps = {
        key: time_steps(config)
        for key, config in tqdm(
            largest.items(), desc="timing steps", unit=" kinds", dynamic_ncols=True
        )
    }
    rows, data_sets = [], {}
    for group, patches in counted:
        first, left = group[0], sum(member.name not in finished for member in group)
        took = [finished[member.name] for member in measured if alike(member) == alike(first)]
        rows.append(_row(group, left, patches, steps.get(alike(first)), took))
        if left:
            images = sum(patches) * first.config.dataset.window**2 * PIXEL_BYTES
            data_sets[first.config.dataset.to_json(sort_keys=True)] = images
    data_bytes = sum(data_sets.values())
    if data_sets and not members[0].config.plates.folder:
        simulate = members[0].config.plates.simulate
        fields = simulate.plates * simulate.rows * simulate.columns * simulate.fields
        data_bytes += fields * simulate.field_size**2 * len(VIEWS) * 2  # bytes a pixel
    return Plan(rows, len(measured), data_bytes)


def count_groups(members: list[Member]) -> list[tuple[list[Member], Patches]]:
    """Groups of members and the patches of their data sets, proved to be enough to train on.

    Raises:
      As `make_plan`.
    """
    plates = load_plates(members[0].config) if members[0].config.plates.folder else None
    result = []
    for group in groups(members):
        patches = count_patches(group[0].config, plates)
        _require_steps(group[0].name, group[0].config, patches)
        result.append((group, patches))
    return result


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
        dual = sum(name in CONDITIONS for name in settings.conditions) / len(CONDITIONS)
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


def time_steps(config: ConfigDict) -> dict[str, Step]:
    """Compiles and times a training step of either network of a run, on random patches.

    Args:
      config: of the run.

    Returns:
      By `autoencoder` and `regressor`, of one member, on one device.
    """
    window, batch = (
        config.dataset.window,
        max(config.training[name].batch_size for name in NETWORKS),
    )
    random = np.random.default_rng(0)
    images = random.integers(2**12, size=(batch, window, window, 2), dtype=np.uint16)
    table = pd.DataFrame({"split": ["train"] * batch, "target": 1.0})
    examples, models = Examples(table, images, source=None), make_models(config)
    return {
        "autoencoder": _time_step(autoencoder_training(config, models, examples)),
        "regressor": _time_step(regressor_training(config, models, examples, {"encoder": None})),
    }


def _time_step(training: Training) -> Step:
    """Of a step's gradients: the optimizer takes as long to compile again, and little time."""
    raw = next(iter(training.train_batches(0)))

    def gradients(params: Any, data: Any, raw: Any) -> Any:
        def total(params: Any, some: Any, key: jax.Array) -> jax.Array:
            return jnp.sum(training.task.loss(params, some, key)[0])

        batch = training.prepare(data, raw)
        return chunks.value_and_grad(total, params, batch, jax.random.key(0))

    batch = jax.eval_shape(training.prepare, training.data, raw)
    shapes = jax.eval_shape(training.task.init, jax.random.key(0), batch)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    given = jax.device_put((params, training.data, raw))
    program = jax.jit(gradients).lower(*given).compile()
    first, *others = timeit.repeat(
        lambda: jax.block_until_ready(program(*given)), repeat=1 + TIMED, number=1
    )
    memory = program.memory_analysis()
    used = (memory.argument_size_in_bytes, memory.output_size_in_bytes, memory.temp_size_in_bytes)
    return Step(statistics.median(others), sum(used))


def plan_text(plan: Plan) -> str:
    """A plan as a table and a few lines, for a terminal."""
    members = sum(len(row.members) for row in plan.rows)
    time = duration(sum(row.seconds for row in plan.rows))
    checkpoints = _gib(sum(row.checkpoint_bytes for row in plan.rows))
    source = "from steps just timed"
    if plan.measured:
        source += f" and {count(plan.measured, 'finished member')}"
    return "\n".join([
        *text_table(pd.DataFrame(map(_cells, plan.rows))),
        "size: numbers in a code. parameters: of the autoencoder.",
        "minutes: to train the members left, all epochs. MiB: on each device while they train.",
        "",
        f"members  {members}, of which {members - sum(row.left for row in plan.rows)} done",
        f"time     about {time} on this machine, {source};",
        "         compiling, data, evaluation on top",
        f"memory   {_gib(max(row.memory_bytes for row in plan.rows))} at a time on each device",
        f"disk     {checkpoints} of checkpoints and at most {_gib(plan.data_bytes)} of images, "
        "where not there yet",
    ])  # fmt: skip


def _require_steps(name: str, config: ConfigDict, patches: Patches) -> None:
    """Finds out now what would otherwise stop a sweep when half of it is trained."""
    for network in NETWORKS:
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


def _row(
    group: list[Member],
    left: int,
    patches: Patches,
    steps: Mapping[str, Step] | None,
    took: list[float],
) -> Row:
    """What a group costs: as its steps are timed, or as members like it took."""
    config, window = group[0].config, group[0].config.dataset.window
    models, key = make_models(config), jax.random.key(0)
    image = jax.ShapeDtypeStruct((1, window, window, 2), jnp.float32)
    params = [jax.eval_shape(model.init, key, image) for model in models]
    encode = functools.partial(models.autoencoder.apply, method="encode")
    numbers = [sum(leaf.size for leaf in jax.tree.leaves(some)) for some in params]
    row = Row(group, left, jax.eval_shape(encode, params[0], image).shape[1], numbers[0])
    if not left:
        return row
    # Devices share the members between them; those of one device are taken to take turns.
    turns = left // len(dividing(left, jax.local_devices()))
    seconds = turns * sum(
        step.seconds * _count_steps(config.training[name], patches) for name, step in steps.items()
    )
    images = sum(patches) * window**2 * PIXEL_BYTES
    at_once = turns if side_by_side() else 1
    program_bytes = at_once * max(step.program_bytes for step in steps.values())
    # Of every member the parameters and Adam's two moments; gradients are the program's.
    states_bytes = 3 * turns * NUMBER_BYTES * max(numbers)
    held = images if fits(images, config.machine.memory_gib) else 0
    return row._replace(
        seconds=left * statistics.mean(took) if took else seconds,
        memory_bytes=held + program_bytes + states_bytes,
        # The latest and the best, each of parameters and Adam's two moments.
        checkpoint_bytes=left * 2 * 3 * NUMBER_BYTES * sum(numbers),
    )


def _count_steps(settings: ConfigDict, patches: Patches) -> float:
    """Steps of all epochs of a network, those of validation by what they cost."""
    validation = math.ceil(patches.validation / settings.batch_size)
    return settings.epochs * (patches.train // settings.batch_size + VALIDATING * validation)


def _cells(row: Row) -> dict[str, str]:
    first = row.members[0]
    return {
        "kind": first.kind,
        "setting": first.setting,
        "size": f"{row.latent_size:,}",
        "members": str(len(row.members)),
        "done": str(len(row.members) - row.left),
        "parameters": f"{row.parameters:,}",
        "minutes": f"{row.seconds / 60:,.1f}" if row.left else "–",
        "MiB": f"{row.memory_bytes / 2**20:,.0f}" if row.left else "–",
    }


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
