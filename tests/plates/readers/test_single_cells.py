"""File names of imaging flow cytometers: what is an object and what is not."""

import pytest

from jaxcell.plates.find import find_sources
from jaxcell.plates.readers.single_cells import INSTRUMENT, parse

GOOD = {
    "day 1_12_Ch3.ome.tif": ("day 1", 12, "Ch3"),
    "a_b_0_ch11.tif": ("a_b", 0, "Ch11"),
    "sub/7_Ch2.TIF": ("sub", 7, "Ch2"),
}


def test_objects_are_the_fields_of_a_samples_one_well(tmp_path):
    for name in GOOD:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (source,), _ = find_sources(tmp_path)
    assert source.instrument == INSTRUMENT
    assert set(source.images["well"]) == {"A01"}
    named = {
        path.removeprefix(f"{tmp_path}/"): tuple(row)
        for path, *row in source.images[["path", "plate", "field", "view"]].itertuples(index=False)
    }
    assert named == GOOD


@pytest.mark.parametrize(
    "name", ["_Ch2.tif", "x_Ch2.tif", "a_1_Ch.tif", "a_1_FITC.tif", "a_1_Ch2_labels.tif"]
)
def test_other_names_are_no_objects(name):
    assert parse(name) is None
