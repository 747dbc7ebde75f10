"""A list of tasks done in this process, and what is known of a list that was done anywhere.

A task is idempotent and committed as a whole: done twice, or by two at once, it leaves the same
files, and one that was killed leaves none.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tqdm import tqdm

# So many tasks that failed are said one by one.
SAID = 10


class Failure(NamedTuple):
    """A task that could not be done: its name and why."""

    name: str
    error: str


class Done(NamedTuple):
    """A list of tasks, done.

    Attributes:
      results: one a task, in order; None of those that failed.
      failures: of those.
      workers: processes that did any.
      retries: tasks begun again after an error, or because their worker was lost.
      lost: workers that were lost meanwhile.
    """

    results: list[Any]
    failures: list[Failure]
    workers: int = 1
    retries: int = 0
    lost: int = 0


def do_here(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    names: Sequence[str],
    *,
    threads: int,
    doing: str,
    unit: str,
) -> Done:
    """Does tasks in threads of this process; one that fails does not stop the others.

    An error of the input, `ValueError`, is a failure of its task, and not tried again: the same
    file gives it again. Any other, such as that of a full disk, ends all.

    Args:
      work: item -> result.
      items: one a task.
      names: of the tasks, for a person.
      threads: at work.
      doing, unit: words of the bar.
    """

    def attempt(item: Any) -> tuple[Any, str]:
        try:
            return work(item), ""
        except ValueError as error:
            return None, str(error)

    with ThreadPoolExecutor(threads) as pool:
        attempts = pool.map(attempt, items)
        done = list(tqdm(attempts, doing, len(items), unit=f" {unit}", dynamic_ncols=True))
    failures = [Failure(name, error) for name, (_, error) in zip(names, done) if error]
    return Done([result for result, _ in done], failures)


def failed(failures: Iterable[Failure], unit: str, cure: str) -> str:
    """What to say of tasks that failed.

    Args:
      failures: at least one.
      unit: what a task is, in the plural: "wells".
      cure: what to do about it.
    """
    failures = list(failures)
    lines = [
        failure.error if failure.name in failure.error else f"{failure.name}: {failure.error}"
        for failure in failures
    ]
    more = [f"and {len(lines) - SAID} more"] if len(lines) > SAID else []
    heading = f"{len(lines)} {unit} failed, the others are done and kept:"
    return "\n".join([heading, *lines[:SAID], *more, cure])
