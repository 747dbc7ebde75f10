"""Two processes are never at one folder, and a killed one holds nothing back."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcell.storage.owner import check_free, locked, owned, owned_in_part, replacing, tidy

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from jaxcell.storage.owner import locked, owned, replacing
how, path, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
hold = locked(path, wait=True, doing="building it") if how == "locked" else globals()[how](path, "training it")
with hold:
    print("held", flush=True)
    time.sleep(seconds)
"""  # noqa: E501


def _hold(how: str, path: Path, seconds: float = 60.0) -> subprocess.Popen:
    words = [sys.executable, "-c", HOLD, how, str(path), str(seconds)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("how,take", [("owned", owned), ("replacing", replacing)])
def test_the_second_is_refused_by_name_and_gets_it_once_the_first_is_killed(tmp_path, how, take):
    folder = tmp_path / "run"
    process = _hold(how, folder)
    try:
        with pytest.raises(ValueError) as error, take(folder, "evaluating it"):
            raise AssertionError("both have it")
        assert str(process.pid) in str(error.value) and "training it since" in str(error.value)
        assert str(folder) in str(error.value)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with take(folder, "evaluating it"):
        pass


def test_looking_makes_nothing(tmp_path):
    check_free(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    process = _hold("owned", tmp_path / "run")
    with pytest.raises(ValueError, match="in use"):
        check_free(tmp_path / "run")
    process.kill()
    process.wait()
    check_free(tmp_path / "run")


def test_who_can_use_the_result_waits_and_says_for_whom(tmp_path, capsys):
    process = _hold("locked", tmp_path / "lock", 4.0)
    began = time.monotonic()
    with locked(tmp_path / "lock", wait=True) as ours:
        assert ours and process.wait(10) == 0
    assert time.monotonic() - began > 2
    said = capsys.readouterr().err
    assert f"process {process.pid}" in said and "building it since" in said


def test_the_owner_clears_what_a_killed_one_left(tmp_path, capsys):
    (tmp_path / ".jaxcell-unfinished-a-1").write_bytes(b"x" * 2_000_000)
    with owned(tmp_path, "training it"):
        assert not (tmp_path / ".jaxcell-unfinished-a-1").exists()
    assert "cleared 2.0 MB" in capsys.readouterr().err


KILLED = """
import os, sys
from pathlib import Path
from jaxcell.storage.atomic import whole, whole_folder
path = Path(sys.argv[1])
with whole_folder(path) as partial:
    (partial / "half").write_bytes(b"x" * 2_000_000)
    with whole(path.with_name("table.csv")) as table:
        table.write_text("half")
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("name", ["report", "n" * 200, "odd [a-z]*"])
def test_who_replaces_a_folder_clears_what_a_killed_one_left_of_it_alone(tmp_path, capsys, name):
    for killed in (name, f"{name}2"):
        words = [sys.executable, "-c", KILLED, str(tmp_path / killed)]
        assert subprocess.run(words, cwd=ROOT).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".jaxcell-unfinished-*"))) == 4
    with replacing(tmp_path / name, "evaluating it"):
        pass
    assert "cleared 2.0 MB" in capsys.readouterr().err
    left = sorted(path.name for path in tmp_path.glob(".jaxcell-unfinished-*"))
    assert len(left) == 3 and any((tmp_path / each / "half").exists() for each in left)
    tidy(tmp_path / "table.csv")
    with replacing(tmp_path / f"{name}2", "evaluating it"):
        pass
    assert not list(tmp_path.glob(".jaxcell-unfinished-*"))


def test_shares_are_held_by_one_each_and_nobody_owns_all_meanwhile(tmp_path):
    begun = []
    take = functools.partial(owned_in_part, tmp_path, doing="measuring into it")
    with take("1/3", begin=lambda: begun.append(1) or "flat") as flat, take("2/3", begin=list):
        assert flat == "flat" and begun == [1]
        check_free(tmp_path)  # the folder itself is held at the beginning alone
        with pytest.raises(ValueError, match="measuring into it, share 1/3 since"):
            with owned(tmp_path, "measuring into it"):
                raise AssertionError("both have it")
        with pytest.raises(ValueError, match="share 2/3"), take("2/3", begin=list):
            raise AssertionError("both have it")
    with owned(tmp_path, "measuring into it"):
        pass
