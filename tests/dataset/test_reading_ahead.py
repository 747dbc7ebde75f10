"""Threads work ahead by a bounded number of items, and results keep their order."""

import time

import pytest

from jaxcell.dataset.reading_ahead import draw_ahead, work_ahead


def test_no_more_is_begun_than_asked_for():
    begun = []
    threads, each = 3, 2
    results = work_ahead(lambda n: begun.append(n) or n, range(100), threads, each)
    for number, result in enumerate(results):
        time.sleep(0.002)  # long enough for threads without a bound to run away
        assert result == number
        assert len(begun) <= number + 1 + threads * each
    assert sorted(begun) == list(range(100))


def test_no_more_is_drawn_than_asked_for():
    drawn = []
    items = (drawn.append(number) or number for number in range(50))
    for number, item in enumerate(draw_ahead(items, 2)):
        time.sleep(0.002)
        assert item == number and len(drawn) <= number + 3
    assert drawn == list(range(50))


def test_an_error_in_a_thread_is_raised_where_its_result_would_be():
    def inverse(number):
        return 1 / number

    results = work_ahead(inverse, [2, 4, 0, 5], 2, 1)
    assert [next(results), next(results)] == [0.5, 0.25]
    with pytest.raises(ZeroDivisionError):
        next(results)
    drawn = draw_ahead(map(inverse, [2, 0]), 2)
    assert next(drawn) == 0.5
    with pytest.raises(ZeroDivisionError):
        next(drawn)
