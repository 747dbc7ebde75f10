"""A data set of files made by other hands is, byte for byte, what one process builds alone."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from local_cluster import cluster, once

from jaxcell.dataset import immune_cells, record_files
from jaxcell.dataset.flat_field import FlatField
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build, build_share
from jaxcell.distributed.certificate import CERTIFICATE
from jaxcell.distributed.workers import Workers


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setattr(immune_cells, "SHARD", 4)


def _config(**changes) -> ImmuneCellsConfig:
    return ImmuneCellsConfig(**{"name": "unnamed", "window": 96, "stride": 96, **changes})


def _content(folder: Path) -> dict[str, bytes]:
    """Every file of a data set, that of digests too."""
    home = next(folder.glob("immune_cells/*/2.0.0"))
    return {path.name: path.read_bytes() for path in home.iterdir()}


@pytest.mark.parametrize("changes", [{}, {"split_by": "random_patch", "mask_method": "mean_sd"}])
def test_shares_are_collected_by_a_call_without(plates, tmp_path, changes):
    config = _config(**changes)
    build(plates, config, tmp_path / "alone")
    shares = [Workers(shard=f"{number}/3") for number in (1, 2)]
    left = [build_share(plates, config, tmp_path / "shared", share) for share in shares]
    files = left[0][1]
    assert files >= 7 and 0 < left[1][0] < left[0][0] < files
    # What is missing is made by the one that collects.
    built = build(plates, config, tmp_path / "shared")
    assert _content(tmp_path / "shared") == _content(tmp_path / "alone")
    assert sum(info.num_examples for info in built.info.splits.values()) == 4 * 6 * 4
    home = next((tmp_path / "shared" / "immune_cells").glob("*_96_*"))
    certificate = json.loads((home / CERTIFICATE).read_text())
    assert certificate["tasks"] == files and certificate["workers"] == 3
    assert not (home / immune_cells.MADE).exists()
    assert build_share(plates, config, tmp_path / "shared", Workers(shard="1/3")) == (0, 0)


def _prepare(settings):
    """Workers of which one is killed in the middle of its first file."""
    work, folder = record_files.prepare(settings), Path(settings.folder)

    def make(file):
        if once(folder / "locks" / "killed"):
            (folder / f".jaxcell-unfinished-{file.name[:40]}-12345678").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return work(file)

    return make


def test_a_cluster_makes_the_same_bytes_though_a_worker_is_killed(plates, tmp_path, monkeypatch):
    config = _config(flat_field=True)
    monkeypatch.setattr(immune_cells, "estimate_flat_fields", _half_lit)
    build(plates, config, tmp_path / "alone")
    monkeypatch.setattr(record_files, "prepare", _prepare)
    monkeypatch.chdir(tmp_path)
    with cluster(2) as two:
        build(plates, config, Path("shared"), Workers(scheduler=two.scheduler_address))
    assert _content(tmp_path / "shared") == _content(tmp_path / "alone")
    home = next((tmp_path / "shared" / "immune_cells").glob("*_96_*"))
    certificate = json.loads((home / CERTIFICATE).read_text())
    assert certificate["lost_workers"] == 1 and certificate["retries"] >= 1


def _half_lit(images, dark_counts):
    """A light that no other function gives, so that it is seen whether it is used."""
    light = np.ones((200, 200), np.float32)
    light[:100] = 0.5
    return {key: FlatField(light, 48.0) for key in images.groupby(["plate", "role"]).groups}


def test_a_file_that_cannot_be_made_is_said_by_its_wells(plates, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no image")
    images = plates.images.copy()
    first = images.index[images["role"] == "t_cell"][0]
    images.loc[first, "path"] = str(bad)
    place = " ".join(images.loc[first, ["plate", "well"]])
    with pytest.raises(ValueError, match=f"1 files failed(.|\n)*{place}(.|\n)*bad.tif"):
        build_share(
            plates._replace(images=images), _config(), tmp_path / "tfds", Workers(shard="1/1")
        )
    made = list((tmp_path / "tfds").rglob("*array_record*"))
    assert len(made) >= 6
