"""A signal ends a command with one sentence and its code, whatever it is in the middle of."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUSY = {
    "Python": "while True: pass",
    "a sleep": "time.sleep(60)",
    "a worker's task": """
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda _: [sum(range(10**6)) for _ in range(10**6)], range(2)))
""",
    # Nothing in Python runs until it returns, as in a compiler.
    "a library": "ctypes.CDLL(None).usleep.restype; [ctypes.CDLL(None).sleep(60)]",
    "what swallows it": """
try:
    time.sleep(60)
except BaseException:
    raise RuntimeError("Event loop is closed")
""",
}
PROGRAM = """
import ctypes, sys, time
from concurrent.futures import ThreadPoolExecutor
from jaxcell.compute.stopping import stopping
with stopping(lambda number: f"stopped by {number}: what was finished is kept"):
    print("busy", flush=True)
    exec(sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", BUSY)
def test_it_ends_soon_with_a_sentence_and_the_code(what, number):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, BUSY[what]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a shell, they ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "busy\n"
    time.sleep(0.2)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert said.strip() == f"stopped by {int(number)}: what was finished is kept"
    assert process.returncode == 128 + number


def test_what_a_shell_has_ignored_is_ignored():
    code = PROGRAM.replace("exec(sys.argv[1])", "time.sleep(2); print('done')")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "done\n" and process.returncode == 0


def test_what_was_there_before_is_there_again():
    from jaxcell.compute.stopping import stopping

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stopping(str):
        pass
    with pytest.raises(KeyError), stopping(str):
        raise KeyError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
