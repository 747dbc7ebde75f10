"""What threads do before it is asked for: a bounded number of items ahead, in order."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def work_ahead(
    work: Callable[[Any], Any], items: Iterable, threads: int, each: int
) -> Iterator[Any]:
    """Applies a function to items in threads.

    Args:
      work: item -> result.
      items: to work on; drawn by whoever asks for results.
      threads: at work.
      each: results that each thread may be ahead of the one asked for.

    Yields:
      Results in the order of the items.
    """
    items = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        begun = deque(pool.submit(work, item) for item in itertools.islice(items, each * threads))
        while begun:
            next_one = begun.popleft()
            begun.extend(pool.submit(work, item) for item in itertools.islice(items, 1))
            yield next_one.result()


def draw_ahead(items: Iterable, count: int) -> Iterator[Any]:
    """Draws items in a thread of its own, so many ahead of the one asked for.

    One thread, since a generator cannot be shared.
    """
    items, end = iter(items), object()
    drawn = work_ahead(lambda _: next(items, end), itertools.repeat(None), 1, count)
    return itertools.takewhile(lambda item: item is not end, drawn)
