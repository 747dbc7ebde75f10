"""A disk that fills, or may not be written to: one sentence, and what was there stays."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from every_command import COMMANDS, prepare, start_command
from tiny_plates import SETTINGS, finish, start

from jaxcell.simulator.plates import simulate_plates

# MB left on the disk.
LEFT = (0.2, 1.3, 3)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs to be root"),
]


@pytest.fixture
def disk(tmp_path):
    """Function (MB, options) -> folder on a disk of that size; skips where none can be mounted."""
    mounted = []

    def mount(megabytes: int, options: str = "rw") -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir(exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,{options}", "tmpfs", str(folder)]
        if subprocess.run(words, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def _said(process) -> str:
    output, errors = process.communicate(timeout=900)
    assert process.returncode not in (0, None), output
    assert "Traceback" not in errors, errors
    return " ".join(errors.split())


def _train(folder: Path, **settings):
    changes = SETTINGS | {name.replace("__", "."): value for name, value in settings.items()}
    return start("train", f"--workdir={folder / 'run'}", settings=changes)


@pytest.mark.parametrize("filled", [19.9, 19, 18, 16, 14, 12])
def test_a_disk_that_fills_at_any_stage_is_one_sentence_and_goes_on_once_there_is_room(
    disk, tmp_path, filled
):
    folder = disk(20)
    settings = {"machine__folder": folder / "data"}
    (folder / "filler").write_bytes(bytes(int(filled * 1e6)))
    process = _train(folder, **settings)
    output, errors = process.communicate(timeout=900)
    assert "Traceback" not in errors, errors
    if process.returncode:
        assert "is full" in errors or " left and " in errors
    (folder / "filler").unlink()
    finish(_train(folder, **settings), 900)
    assert (folder / "run" / "report" / "index.html").exists()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """What the commands take, on a disk with room."""
    home = tmp_path_factory.mktemp("full")
    prepare(home)
    return home


def _home_on(disk: Path, home: Path, name: str) -> Path:
    """The same on a small disk: what a command writes beside is copied, the rest lies elsewhere."""
    beside = {"evaluate": "made-train", "evaluate plates": "made-train", "score": "made-label"}
    for path in home.iterdir():
        if path.name == beside.get(name):
            shutil.copytree(path, disk / path.name)
        elif path.name == "plates" or path.name.startswith("made-"):
            (disk / path.name).symlink_to(path)
    return disk


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_that_a_disk_is_full_and_ends_once_there_is_room(disk, home, name):
    """Fuller first, each time with what the try before left behind."""
    folder = _home_on(disk(40 if name.startswith("evaluate") else 20), home, name)
    filler = folder / "filler"
    for left in LEFT:
        with filler.open("wb") as file:
            file.write(bytes(max(0, shutil.disk_usage(folder).free - int(left * 1e6))))
        process = start_command(name, folder, folder / "out")
        output, errors = process.communicate(timeout=900)
        assert "Traceback" not in errors, errors
        if process.returncode:
            assert "is full" in errors or " left and " in errors, errors
        filler.unlink()
        if name in ("plates", "label") and not process.returncode:
            return  # what is there is never replaced
    finish(start_command(name, folder, folder / "out"), 900)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_that_a_disk_may_not_be_written_to(disk, home, name):
    folder = _home_on(disk(40 if name.startswith("evaluate") else 20), home, name)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    said = _said(start_command(name, folder, folder / "out"))
    assert "may not be" in said, said


def test_a_disk_that_may_not_be_written_to_is_said_before_anything_is_computed(disk, tmp_path):
    folder = disk(20, "ro")
    simulate_plates(tmp_path / "plates", rows=1, columns=3, field_size=128)
    said = _said(_train(folder, machine__folder=tmp_path / "data"))
    assert "may not be written to" in said and not (tmp_path / "data").exists()
    said = _said(start("measure", str(tmp_path / "plates"), f"--out={folder / 'out'}"))
    assert "may not be written to" in said


def test_a_file_where_a_folder_is_needed_is_said(tmp_path):
    (tmp_path / "run").write_text("mine")
    said = _said(_train(tmp_path, machine__folder=tmp_path / "data"))
    assert "is no folder" in said and (tmp_path / "run").read_text() == "mine"
