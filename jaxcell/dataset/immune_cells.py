"""The tfds builder: plate tables become labelled patches in `array_record`, no TensorFlow."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from tensorflow_datasets.core import file_adapters
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.masks import Levels
from jaxcell.dataset.fields import cut_fields, select_fields
from jaxcell.dataset.flat_field import FlatFields, estimate_flat_fields, write_flat_fields
from jaxcell.dataset.splits import FRACTIONS
from jaxcell.dataset.truth import MASKS
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.measures.patch import check_target
from jaxcell.plates.folder import Plates
from jaxcell.plates.images import fingerprint, image_shape
from jaxcell.plates.tables import place_of
from jaxcell.storage import content
from jaxcell.storage.atomic import remove
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import lock_beside, locked, say_freed
from jaxcell.storage.provenance import code_digest

# What decides the content of a data set, besides the plates and its config.
CODE = (
    "jaxcell.cells",
    "jaxcell.measures",
    "jaxcell.plates.readers",
    "jaxcell.dataset.fields",
    "jaxcell.dataset.flat_field",
    "jaxcell.dataset.patches",
    "jaxcell.dataset.splits",
    "jaxcell.dataset.truth",
)
# Fields in a file: their examples are in memory together, some 300 MiB of fields of 2048 x 2048.
SHARD = 16
SUBSETS = ("full", "dual", "dmso")
SPLITS = ("well", "plate", "random_patch", "none")
MASK_METHODS = ("two_means", "mean_sd", "instrument")
MASK_SCOPES = ("patch", "field")


@dataclasses.dataclass(kw_only=True)
class ImmuneCellsConfig(tfds.core.BuilderConfig):
    """What a data set holds.

    Attributes:
      subset: `full` (every well with cells), `dual` (the two `conditions`) or `dmso` (the vehicle
        control wells).
      conditions: the two conditions of `dual`.
      window: side of a patch in pixels.
      stride: distance between patches in pixels; 0: the window, so that patches do not overlap.
      masked: whether pixels outside the cell masks are zero.
      split_by: `well`; `plate`; `random_patch` (the reference study's: patches of one well on
        both sides, so its scores flatter); `none` (all is test: a plate to evaluate on).
      split_seed: of the split.
      mask_method: how cells are found: `two_means`, `mean_sd`, or `instrument` (the protocols of
        the IN Cell, on whole fields alone).
      mask_scope: what a mask is made from: each `patch` by itself, or the whole `field`.
      background_counts: nothing below is a stained cell, and what reaches no higher is faulty; 0:
        estimated from the images.
      minimum_contrast_counts: between cells and background; 0: a multiple of each image's noise.
      flat_field: whether fields are corrected for uneven light first, by an estimate over all
        fields of their plate; images of examples are then corrected counts.
      pixel_um: µm, edge of a pixel.
      from_um: µm, edge of a pixel of the files where it is another: fields are then resampled to
        `pixel_um`; 0: the same.
      target: what is learnt, a name in `catalogue.TARGETS`; one of `TRUTHS` asks for plates whose
        truth is known, and examples then carry what masks say of it, `by_METHOD`.
    """

    subset: str = "full"
    conditions: tuple[str, str] = ("Unstimulated", "OVA")
    window: int = 192
    stride: int = 0
    masked: bool = False
    split_by: str = "well"
    split_seed: int = 0
    mask_method: str = "two_means"
    mask_scope: str = "patch"
    background_counts: float = 0.0
    minimum_contrast_counts: float = 0.0
    flat_field: bool = False
    pixel_um: float = 0.741
    from_um: float = 0.0
    target: str = "iou"

    def __post_init__(self):
        for name, known in (
            ("subset", SUBSETS),
            ("split_by", SPLITS),
            ("mask_method", MASK_METHODS),
            ("mask_scope", MASK_SCOPES),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")
        check_target(self.target)
        if self.mask_method == "instrument" and self.mask_scope != "field":
            raise ValueError(
                "the instrument's masks are made of whole fields: dataset.mask_method instrument "
                "needs dataset.mask_scope field"
            )
        if not self.pixel_um > 0:
            raise ValueError(f"pixel_um {self.pixel_um}: give a pixel's edge, more than 0 µm")
        if not 0 <= self.from_um < np.inf:
            raise ValueError(f"a pixel of {self.from_um} µm: give its edge, more than 0 µm")
        if self.from_um and self.target in TRUTHS:
            raise ValueError(
                "the truth of a simulated plate is known at its own pixel size alone: leave "
                "--pixel-um out"
            )
        if not (
            0 <= self.background_counts < np.inf and 0 <= self.minimum_contrast_counts < np.inf
        ):
            raise ValueError("background_counts and minimum_contrast_counts: give counts from 0 on")
        if self.window < 1 or self.stride < 0:
            raise ValueError(f"window {self.window} and stride {self.stride}: use positive pixels")
        self.stride = self.stride or self.window
        self.conditions = tuple(self.conditions)
        if self.split_by == "random_patch" and self.stride < self.window:
            raise ValueError("a split by random_patch of patches that overlap would share pixels")

    @property
    def levels(self) -> Levels:
        """What masks take for background and for too little contrast."""
        return Levels(self.background_counts, self.minimum_contrast_counts)


class QuickArrayRecord(file_adapters.ArrayRecordFileAdapter):
    """`array_record` files compressed at zstd level 1 instead of 3.

    Camera noise hardly compresses: level 3 takes three times as long for 7 % less, and was what the
    building of a data set waited for. Reading is the same.
    """

    @classmethod
    def write_examples(cls, path, iterator):
        """Writes serialized examples; as tfds does, but for the level."""
        options = "group_size:1,zstd:1"
        with contextlib.closing(ArrayRecordWriter(os.fspath(path), options)) as writer:
            for _, serialized in iterator:
                writer.write(serialized)


file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.ARRAY_RECORD] = QuickArrayRecord


class _LocalInfo(tfds.core.DatasetInfo):
    """What is known of a data set that nobody has published."""

    def initialize_from_bucket(self) -> None:
        """Asks no server for it, and leaves no empty folder in the system's temporary one."""


class ImmuneCells(tfds.core.ShardBasedBuilder):
    """Patches of T cells and dendritic cells, their masks and how they interact.

    Files are written one after the other, a few fields each: tfds's usual builder holds a whole
    split in memory, and asks for TensorFlow above a GiB.
    """

    # Changed code needs none: its digest is a part of the data set's name.
    VERSION = tfds.core.Version("2.0.0")
    BUILDER_CONFIGS = [
        ImmuneCellsConfig(name=f"{subset}_{kind}", subset=subset, masked=kind == "masked")
        for subset in SUBSETS
        for kind in ("plain", "masked")
    ]

    def __init__(self, *, plates: Plates | None = None, **kwargs):
        """`plates` is needed to build the data set, not to open one that was built."""
        self._plates = plates
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        window, of_truth = self.builder_config.window, self.builder_config.target in TRUTHS
        features = {
            # `bytes` writes five times as fast as the default encoding.
            "image": tfds.features.Tensor(
                shape=(window, window, 2), dtype=np.uint16, encoding="bytes"
            ),
            # 0 no cell, 1 T cell, 2 dendritic cell, 3 both, with the further bits of
            # `measures.truth` where the target is one of truth; compressed to next to nothing.
            "masks": tfds.features.Tensor(shape=(window, window), dtype=np.uint8, encoding="bytes"),
            "overlap": np.float32,
            "target": np.float32,
            "faulty": np.bool_,
            "plate": tfds.features.Text(),
            "well": tfds.features.Text(),
            "condition": tfds.features.Text(),
            "compound": tfds.features.Text(),
            "concentration_um": np.float32,
            "stimulus_ug_per_ml": np.float32,
            "role": tfds.features.Text(),
            **{name: np.int32 for name in ("row", "column", "field", "y", "x")},
            # What masks say in place of the truth, and the light that a plate was simulated in.
            **({f"by_{name}": np.float32 for name in MASKS} if of_truth else {}),
            **({"light": tfds.features.Text()} if of_truth else {}),
        }
        return _LocalInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(features),
            # Plate order on disk; the pipeline shuffles, by seed.
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager):
        """By split, what yields the examples of each of its files."""
        del dl_manager
        if self._plates is None:
            raise ValueError("ImmuneCells(plates=...) is needed to build the data set")
        config = self.builder_config
        fields = select_fields(self._plates, config)
        flat = {}
        if config.flat_field:
            images = self._plates.images
            images = images[images["role"].isin(VIEWS) & images["plate"].isin(fields["plate"])]
            flat = estimate_flat_fields(images)
            # Here `data_path` is the folder that tfds renames once the data set is whole.
            write_flat_fields(Path(self.data_path), flat)
        by_patch = config.split_by == "random_patch"
        own = {name: fields if by_patch else fields[fields["split"] == name] for name in FRACTIONS}
        total = sum(map(len, own.values()))
        bar = tqdm(None, "building", total, unit=" fields", dynamic_ncols=True)
        return {
            name: [
                functools.partial(
                    self._examples,
                    some[first : first + SHARD],
                    flat,
                    name if by_patch else None,
                    bar,
                )
                for first in range(0, len(some), SHARD)
            ]
            for name, some in own.items()
            if len(some)
        }

    def _examples(
        self, fields: pd.DataFrame, flat: FlatFields, patch_split: str | None, bar: tqdm
    ) -> Iterator:
        """Yields key and example of every patch of `fields`, or of one random share of them."""
        config = self.builder_config
        for number, (field, patches, corners, labels) in zip(
            fields.index, cut_fields(fields, config, flat)
        ):
            keep = range(len(patches))
            if patch_split is not None:
                random = np.random.default_rng((config.split_seed, number))
                drawn = random.choice(list(FRACTIONS), len(patches), p=list(FRACTIONS.values()))
                keep = np.flatnonzero(drawn == patch_split)
            for i in keep:
                of_patch = {name: values[i] for name, values in labels.items()}
                yield (
                    number * len(patches) + int(i),
                    _example(field, patches[i], corners[i], of_patch),
                )
            bar.update()


def _example(field, patch: np.ndarray, corner: np.ndarray, labels: dict) -> dict:
    return {
        "image": patch,
        **labels,
        "plate": field.plate,
        "well": field.well,
        "condition": field.condition,
        "compound": field.compound,
        "concentration_um": np.float32(field.concentration_um),
        "stimulus_ug_per_ml": np.float32(field.stimulus_ug_per_ml),
        "role": field.role,
        "row": place_of(field.well)[0],
        "column": place_of(field.well)[1],
        "field": field.field,
        "y": corner[0],
        "x": corner[1],
    }


def build(plates: Plates, config: ImmuneCellsConfig, folder: Path) -> ImmuneCells:
    """Builds a data set, or opens it where the same one was built before.

    The name on disk carries a digest of the input (which image is which, every byte of each file,
    the wells table), of the configuration and of the code that cuts, masks and
    labels, so that a changed plate, option or measure never meets an old data set, and a plate that
    was only moved meets its own.

    Args:
      plates: images and wells tables.
      config: what the data set holds; its `name` is completed here.
      folder: where tfds keeps its data sets.

    Returns:
      The prepared builder.

    Raises:
      ValueError: there is no room for it.
    """
    order = ["plate", "well", "field", "role"]
    images = plates.images.sort_values(order)
    wells = plates.wells.drop(columns="source", errors="ignore").sort_values(order[:2])
    prints = [fingerprint(path) for path in images["path"]]
    made_of = [images[order].to_csv(), prints, wells.to_csv(index=False)]
    made_of += [dataclasses.asdict(config), code_digest(*CODE)]
    digest = hashlib.sha256(json.dumps(made_of, default=str).encode()).hexdigest()[:12]
    kind = "masked" if config.masked else "plain"
    name = f"{config.subset}_{kind}_{config.window}_{digest}"
    home, config = _home(folder, name), dataclasses.replace(config, name=name)
    if content.damage(home, kept=True) or not (home / content.LIST).exists():
        with locked(lock_beside(home), wait=True, doing=f"building the data set {name}"):
            _build(plates, config, folder, home, _most_bytes(images, config))
        if [fingerprint(path) for path in images["path"]] != prints:
            remove([home])
            raise ValueError(
                "an image changed while the data set was built: start again once all are copied"
            )
    return ImmuneCells(config=config, data_dir=folder)


def _build(
    plates: Plates, config: ImmuneCellsConfig, folder: Path, home: Path, most_bytes: int
) -> None:
    """Builds a data set where this process alone does, unless another has done it meanwhile."""
    # tfds builds in `incomplete.XXXXXX_VERSION` beside the place and renames that.
    say_freed(remove(home.parent.glob(f"incomplete.*_{home.name}")), folder)
    if wrong := content.damage(home, kept=True):
        print(f"{wrong}: the data set is built anew", file=sys.stderr)
        remove([home])
    if not home.exists():
        require_place(folder, most_bytes, "a data set of these plates")
    builder = ImmuneCells(plates=plates, config=config, data_dir=folder)
    # Its own bars and lines speak of downloading and shuffling, which do not happen.
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare()
    if not (home / content.LIST).exists():
        content.list_content(home, kept=True)


def _home(folder: Path, name: str) -> Path:
    """Where tfds keeps a data set."""
    return folder / ImmuneCells.name / name / str(ImmuneCells.VERSION)


def _most_bytes(images: pd.DataFrame, config: ImmuneCellsConfig) -> int:
    """What a data set takes at most: its patches overlap, and noise hardly compresses."""
    shapes = [image_shape(path) for path in images.loc[images["role"].isin(VIEWS), "path"]]
    zoom = config.from_um / config.pixel_um if config.from_um else 1.0
    pixels = sum(height * width for height, width in shapes) * zoom**2
    return int(2 * pixels * (config.window / config.stride) ** 2)


def open_built(config: ImmuneCellsConfig, name: str, folder: Path) -> ImmuneCells:
    """Opens a data set that `build` made.

    Args:
      config: what it holds.
      name: its name, from `builder_config.name`.
      folder: where tfds keeps its data sets.

    Returns:
      The prepared builder.

    Raises:
      ValueError: it is not there.
    """
    home, cure = _home(folder, name), "train the run again with the same settings"
    if wrong := content.damage(home, kept=True):
        raise ValueError(f"{wrong}: delete {home} and {cure}, which builds it anew")
    builder = ImmuneCells(config=dataclasses.replace(config, name=name), data_dir=folder)
    if not builder.is_prepared():
        raise ValueError(
            f"the data set {name} is not in {folder} any more: {cure}, which builds it anew"
        )
    return builder
