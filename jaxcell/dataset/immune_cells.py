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
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.core.splits import SplitDict, SplitInfo
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.config import SUBSETS, ImmuneCellsConfig
from jaxcell.dataset.fields import cut_fields, select_fields
from jaxcell.dataset.flat_field import FILE as FLAT_FIELDS
from jaxcell.dataset.flat_field import (
    FlatFields,
    estimate_flat_fields,
    read_flat_fields,
    write_flat_fields,
)
from jaxcell.dataset.record_files import RecordFile, count_examples, make_files, put_in_place
from jaxcell.dataset.splits import FRACTIONS
from jaxcell.dataset.truth import MASKS
from jaxcell.distributed.certificate import certify
from jaxcell.distributed.workers import HERE, Workers, own_share
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.plates.folder import Plates
from jaxcell.plates.images import fingerprint, image_shape
from jaxcell.plates.tables import place_of
from jaxcell.storage import content
from jaxcell.storage.atomic import remove
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import lock_beside, locked, owned, owned_in_part, say_freed
from jaxcell.storage.provenance import code_digest

# What decides the content of a data set, besides the plates and its config.
CODE = (
    "jaxcell.cells",
    "jaxcell.measures",
    "jaxcell.plates.readers",
    "jaxcell.dataset.dark_level",
    "jaxcell.dataset.fields",
    "jaxcell.dataset.flat_field",
    "jaxcell.dataset.patches",
    "jaxcell.dataset.splits",
    "jaxcell.dataset.truth",
)
# Beside a data set: its files, while other hands make them.
MADE = "files"
# Fields in a file, which is a task of those who share the building.
SHARD = 16


class _LocalInfo(tfds.core.DatasetInfo):
    """What is known of a data set that nobody has published."""

    def initialize_from_bucket(self) -> None:
        """Asks no server for it, and leaves no empty folder in the system's temporary one."""


class ImmuneCells(FileReaderBuilder):
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

    def __init__(self, *, plates: Plates | None = None, made: Path | None = None, **kwargs):
        """`plates` is needed to build the data set, not to open one that was built; `made` is the
        folder in which its files lie already, if they do."""
        self._plates, self._made = plates, made
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

    def _fields(self) -> pd.DataFrame:
        if self._plates is None:
            raise ValueError("ImmuneCells(plates=...) is needed to build the data set")
        return select_fields(self._plates, self.builder_config)

    def files(self) -> dict[str, list[RecordFile]]:
        """By split, its files."""
        fields, by_patch = self._fields(), self.builder_config.split_by == "random_patch"
        own = {name: fields if by_patch else fields[fields["split"] == name] for name in FRACTIONS}
        return {
            name: [
                RecordFile(path.name, some[first : first + SHARD], name if by_patch else None)
                for first, path in zip(
                    range(0, len(some), SHARD), self._paths(name, -(-len(some) // SHARD))
                )
            ]
            for name, some in own.items()
            if len(some)
        }

    def _paths(self, split: str, count: int) -> list[Path]:
        template = self._get_filename_template(split_name=split)
        paths = (template.sharded_filepath(shard_index=i, num_shards=count) for i in range(count))
        return [Path(path) for path in paths]

    def keep_flat_fields(self, folder: Path) -> FlatFields:
        """Estimates how the plates are lit and writes it into a folder, where that is wanted."""
        if not self.builder_config.flat_field:
            return {}
        fields, images = self._fields(), self._plates.images
        images = images[images["role"].isin(VIEWS) & images["plate"].isin(fields["plate"])]
        flat = estimate_flat_fields(images, self.builder_config.dark_counts)
        write_flat_fields(folder, flat)
        return flat

    def _download_and_prepare(self, dl_manager, download_config=None) -> None:
        """Writes all files, or takes those that were made elsewhere."""
        del dl_manager, download_config
        # The folder that tfds renames once the data set is whole.
        place, files, splits = Path(self.data_path), self.files(), []
        flat = {} if self._made else self.keep_flat_fields(place)
        if self._made and (self._made / FLAT_FIELDS).exists():
            put_in_place(self._made / FLAT_FIELDS, place / FLAT_FIELDS)
        total = sum(len(file.fields) for some in files.values() for file in some)
        bar = tqdm(None, "building", total, unit=" fields", dynamic_ncols=True)
        for name, some in files.items():
            for file in some:
                if self._made:
                    put_in_place(self._made / file.name, place / file.name)
                    bar.update(len(file.fields))
                else:
                    self.write_file(flat, place / file.name, file, bar)
            paths = [place / file.name for file in some]
            splits.append(
                SplitInfo(
                    name=name,
                    shard_lengths=[count_examples(path) for path in paths],
                    num_bytes=sum(path.stat().st_size for path in paths),
                    filename_template=self._get_filename_template(split_name=name),
                )
            )
        self.info.set_splits(SplitDict(splits))

    def write_file(
        self, flat: FlatFields, path: Path, file: RecordFile, bar: tqdm | None = None
    ) -> None:
        """Writes one file of the data set at a path; the same bytes in every process.

        Compressed by zstd at level 1, not 3: camera noise hardly compresses, and level 3 takes
        three times as long for 7 % less. Reading is the same.
        """
        features, bar = self.info.features, tqdm(disable=True) if bar is None else bar
        serializer = ExampleSerializer(features.get_serialized_info())
        options = "group_size:1,zstd:1"
        with contextlib.closing(ArrayRecordWriter(os.fspath(path), options)) as writer:
            for example in self._examples(file.fields, flat, file.patch_split, bar):
                record = serializer.get_tf_example(features.encode_example(example))
                # Features are a map, whose order is otherwise another in each process.
                writer.write(record.SerializeToString(deterministic=True))

    def _examples(
        self, fields: pd.DataFrame, flat: FlatFields, patch_split: str | None, bar: tqdm
    ) -> Iterator:
        """Yields the example of every patch of `fields`, or of one random share of them."""
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
                yield _example(field, patches[i], corners[i], of_patch)
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


def build(
    plates: Plates, config: ImmuneCellsConfig, folder: Path, workers: Workers = HERE
) -> ImmuneCells:
    """Builds a data set, or opens it where the same one was built before.

    The name on disk carries a digest of the input (which image is which, every byte of each file,
    the wells table), of the configuration and of the code that cuts, masks and
    labels, so that a changed plate, option or measure never meets an old data set, and a plate that
    was only moved meets its own.

    Args:
      plates: images and wells tables.
      config: what the data set holds; its `name` is completed here.
      folder: where tfds keeps its data sets.
      workers: who makes its files, all of them.

    Returns:
      The prepared builder.

    Raises:
      ValueError: there is no room for it.
    """
    config, prints = _named(plates, config)
    home = _home(folder, config.name)
    if _is_wanted(home):
        with locked(lock_beside(home), wait=True, doing=f"building the data set {config.name}"):
            _build(plates, config, folder, workers)
        if _prints(plates) != prints:
            remove([home])
            raise ValueError(
                "an image changed while the data set was built: start again once all are copied"
            )
    return ImmuneCells(config=config, data_dir=folder)


def build_share(
    plates: Plates, config: ImmuneCellsConfig, folder: Path, workers: Workers
) -> tuple[int, int]:
    """Makes a share of the files of a data set, for a call of `build` that collects them.

    Args:
      plates, config, folder: as for `build`.
      workers: with the share.

    Returns:
      How many files are not there yet, and how many there are in all; 0 of 0 where the data set is
      built.
    """
    config, _ = _named(plates, config)
    home = _home(folder, config.name)
    if not _is_wanted(home):
        return 0, 0
    builder = ImmuneCells(plates=plates, config=config, data_dir=folder)
    made = home.parent / MADE
    files = [file for some in builder.files().values() for file in some]
    begin = functools.partial(_begin, builder, made)
    with owned_in_part(made, workers.shard, "building a data set", begin) as flat:
        write = functools.partial(builder.write_file, flat)
        make_files(write, own_share(files, workers), config, made, home.parent, workers)
    return sum(not (made / file.name).exists() for file in files), len(files)


def _named(plates: Plates, config: ImmuneCellsConfig) -> tuple[ImmuneCellsConfig, list]:
    """The config with the data set's whole name, and what is in its images."""
    order = ["plate", "well", "field", "role"]
    images = plates.images.sort_values(order)
    wells = plates.wells.drop(columns="source", errors="ignore").sort_values(order[:2])
    prints = _prints(plates)
    made_of = [images[order].to_csv(), prints, wells.to_csv(index=False)]
    made_of += [dataclasses.asdict(config), code_digest(*CODE)]
    digest = hashlib.sha256(json.dumps(made_of, default=str).encode()).hexdigest()[:12]
    kind = "masked" if config.masked else "plain"
    name = f"{config.subset}_{kind}_{config.window}_{digest}"
    return dataclasses.replace(config, name=name), prints


def _prints(plates: Plates) -> list:
    images = plates.images.sort_values(["plate", "well", "field", "role"])
    return [fingerprint(path) for path in images["path"]]


def _is_wanted(home: Path) -> bool:
    """Whether a data set is still to be built, or anew."""
    return bool(content.damage(home, kept=True)) or not (home / content.LIST).exists()


def _begin(builder: ImmuneCells, made: Path) -> FlatFields:
    """What comes before the first file that other hands make: how the plates are lit."""
    return read_flat_fields(made) or builder.keep_flat_fields(made)


def _build(plates: Plates, config: ImmuneCellsConfig, folder: Path, workers: Workers) -> None:
    """Builds a data set where this process alone does, unless another has done it meanwhile."""
    home = _home(folder, config.name)
    # tfds builds in `incomplete.XXXXXX_VERSION` beside the place and renames that.
    say_freed(remove(home.parent.glob(f"incomplete.*_{home.name}")), folder)
    if wrong := content.damage(home, kept=True):
        print(f"{wrong}: the data set is built anew", file=sys.stderr)
        remove([home])
    if not home.exists():
        require_place(folder, _most_bytes(plates.images, config), "a data set of these plates")
    made = home.parent / MADE
    with contextlib.ExitStack() as stack:
        by_files = not home.exists() and (workers.on_cluster or made.exists())
        builder = ImmuneCells(
            plates=plates, config=config, data_dir=folder, made=made if by_files else None
        )
        if by_files:
            stack.enter_context(owned(made, "building a data set"))
            write = functools.partial(builder.write_file, _begin(builder, made))
            files = [file for some in builder.files().values() for file in some]
            make_files(write, files, config, made.resolve(), home.parent, workers)
        # Its own bars and lines speak of downloading and shuffling, which do not happen.
        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()
        if not (home / content.LIST).exists():
            content.list_content(home, kept=True)
    if by_files:
        remove([made])
        certify(home.parent, content.listed(home), failed=0)


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
