import pytest

from jaxcell.plates.addresses import Address, Plane, parse, plane_of


@pytest.mark.parametrize(
    "address",
    [
        Address(("/a/b.tif",)),
        Address(("/a/b #2.tif",), Plane(page=2)),
        Address(("/a/b.tif",), Plane(channel=1, z="max", time=3)),
        Address(("/a/z1.tif", "/a/z2.tif"), Plane(z="max")),
        Address(("/a/page=1.tif",), Plane(page=3, z=4)),
    ],
)
def test_an_address_survives_being_written(address):
    assert parse(str(address)) == address


def test_a_sign_in_a_file_name_is_no_plane():
    assert parse("/a/b#page=two.tif").files == ("/a/b#page=two.tif",)


def test_planes_of_a_table():
    assert plane_of({"channel": "2", "z": "Max", "page": ""}) == Plane(channel=2, z="max")
    for cells, words in (
        ({"page": "0"}, "page '0'"), ({"z": "middle"}, "from 1, or max"),
        ({"time": "1.5"}, "time '1.5'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            plane_of(cells)
