"""A certificate says when a table is another, and whose hands made it."""

import pandas as pd
import pytest

from jaxcell.distributed.certificate import certified, certify, note_call, table_hash
from jaxcell.distributed.tasks import Done, Failure
from jaxcell.distributed.workers import HERE, Workers

TABLE = pd.DataFrame({"well": ["A01", "A02"], "share": [0.5, float("nan")], "cells": [3, 4]})


@pytest.mark.parametrize(
    "other",
    [
        TABLE.assign(share=[0.5 + 2**-53, float("nan")]),
        TABLE.rename(columns={"cells": "cell"}),
        TABLE.astype({"cells": "int32"}),
        TABLE.iloc[::-1],
        TABLE.assign(well=["A01", "A03"]),
    ],
)
def test_any_other_bit_name_type_or_order_is_another_hash(other):
    assert table_hash(TABLE.copy()) == table_hash(TABLE)
    assert table_hash(other) != table_hash(TABLE)


def test_calls_are_put_together(tmp_path):
    note_call(tmp_path, Done([1, 2, None], [Failure("A", "bad")]), HERE, found=1, began=1.0)
    cluster = Done([1, 2, 3], [], workers=2, retries=4, lost=1)
    note_call(tmp_path, cluster, Workers(scheduler="tcp://here:1"), found=2, began=2.0)
    note_call(tmp_path, Done([1, 2, 3], []), HERE, found=3, began=3.0)
    found = certify(tmp_path, {"wells": table_hash(TABLE)}, failed=0)
    assert (found["tasks"], found["workers"], found["retries"]) == (2, 3, 4)
    assert [call["by"] for call in found["calls"]] == ["one process", "cluster", "one process"]
    assert found["content"] == {"wells": table_hash(TABLE)}
    assert certified(found).endswith(": 2 tasks, 3 workers, 2 calls, 4 retries")
