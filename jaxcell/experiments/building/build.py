"""Data sets built and nothing trained: by machines that share the work, before one that trains."""

import json
import time
from pathlib import Path

from ml_collections import ConfigDict

from jaxcell.configs import ranges
from jaxcell.dataset.immune_cells import build, build_share
from jaxcell.dataset.source import dataset_config, load_plates, tfds_folder
from jaxcell.distributed.workers import HERE, Workers, check_workers
from jaxcell.experiments.sweep.members import grid
from jaxcell.report.common.terminal import closing_table

# Kinds of experiments whose data sets are of patches.
OF_PATCHES = ("interaction", "masks", "sweep")


def build_data_sets(config: ConfigDict, workers: Workers = HERE) -> str:
    """Builds the data set that training a config would build, or all of a sweep's.

    Args:
      config: of a training.
      workers: who makes the files. A call that does a share leaves them for one without, which
        makes the data set of them; so does a training.

    Returns:
      What to tell the person who started it.

    Raises:
      ValueError: a setting is wrong, the plates are bad, or files could not be made.
    """
    began = time.monotonic()
    ranges.check(config)
    check_workers(workers)
    if config.experiment not in OF_PATCHES:
        raise ValueError(
            f"a training of {config.experiment} reads its fields as they are and has no data set "
            "to build: start it"
        )
    lines = {}
    for one in _configs(config):
        plates, settings = load_plates(one), dataset_config(one)
        if workers.shard:
            left, count = build_share(plates, settings, tfds_folder(one), workers)
            lines[f"data set {len(lines) + 1}"] = f"{left} of {count} files are not there yet"
            continue
        builder = build(plates, settings, tfds_folder(one), workers)
        splits = {name: info.num_examples for name, info in builder.info.splits.items()}
        lines[builder.builder_config.name] = ", ".join(
            f"{count:,} {name}" for name, count in splits.items()
        )
    lines["kept in"] = str(Path(tfds_folder(config)))
    if workers.shard:
        lines["next"] = "once all shares are done, start once more without --shard"
    return closing_table(lines, None, time.monotonic() - began)


def _configs(config: ConfigDict) -> list[ConfigDict]:
    """One config of each data set."""
    if config.experiment != "sweep":
        return [config]
    members = {json.dumps(dict(one.config.dataset.to_dict()), default=list): one.config
               for one in grid(config)}  # fmt: skip
    return list(members.values())
