"""Ctrl-C and SIGTERM end a command with a sentence, whatever it is in the middle of."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# How long whoever is at work may take to come to an end, in seconds.
GRACE = 3.0


@contextmanager
def stopping(say: Callable[[int], str]) -> Iterator[None]:
    """Has a signal end the process with a sentence and the code 128 + its number.

    The signal first interrupts Python, so that files are closed as after an error. A compiler, a
    library or the tasks of a pool of threads may not come to an end for minutes: then the process
    ends without them, which is no harm, since all that is kept is whole or absent.

    Args:
      say: number of the signal -> what to say.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted by signals
        return
    received: list[int] = []
    told: list[int] = []
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def tell(number: int) -> None:
        if not told:  # tasks of a pool may keep a process that has said so from ending
            told.append(number)
            with suppress(OSError, ValueError):
                print(f"\n{say(number)}", file=sys.stderr, flush=True)

    def end(number: int) -> None:
        tell(number)
        os._exit(128 + number)

    def interrupt(number: int, frame: object) -> None:
        del frame
        received.append(number)
        if len(received) > 1:  # asked twice
            end(number)
        raise KeyboardInterrupt

    def watch() -> None:
        # The interpreter writes a signal's number there at once, whoever is at work.
        while number := os.read(reading, 1)[0]:
            if number in SIGNALS:
                time.sleep(GRACE)
                end(number)

    # A shell has what it runs in the background ignore Ctrl-C, and that stays so.
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    pipe_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:
        # Whatever an interrupted library makes of it.
        if received:
            tell(received[0])
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        signal.set_wakeup_fd(pipe_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        if not received:
            os.write(writing, b"\0")
            watcher.join()
            os.close(reading)
            os.close(writing)
