"""Files of several planes: OME-TIFF, ImageJ, pages, colour, PNG."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from jaxcell.plates.images import (
    check_images,
    fingerprint,
    image_shape,
    inspect_images,
    read_view,
)
from jaxcell.plates.readers import tiff
from jaxcell.plates.readers.planes import BadImage

DRAW = np.random.default_rng(3)
# Channel, z, y, x.
STACK = DRAW.integers(100, 4096, (2, 3, 20, 30), np.uint16)


def _ome(path, **metadata):
    names = {"axes": "CZYX", "Channel": {"Name": ["FITC", "Cy5"]}}
    tifffile.imwrite(path, STACK, ome=True, metadata=names | metadata)


def _imagej(path):
    planes = np.moveaxis(STACK, 0, 1)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZCYX"})


def _tiled(path):
    tifffile.imwrite(
        path, STACK, ome=True, metadata={"axes": "CZYX"}, tile=(16, 16), compression="zlib"
    )


@pytest.mark.parametrize("write", [_ome, _imagej, _tiled])
def test_a_plane_of_a_stack_and_its_maximum(tmp_path, write):
    path = tmp_path / "a.tif"
    write(path)
    np.testing.assert_array_equal(read_view(f"{path}#channel=2&z=3"), STACK[1, 2])
    np.testing.assert_array_equal(read_view(f"{path}#channel=1&z=max"), STACK[0].max(axis=0))
    assert image_shape(f"{path}#channel=1&z=1") == (20, 30)
    for chosen, words in (
        ("", "2 channels and 3 planes|3 planes of focus and 2 channels"),
        ("#channel=1", "planes of focus"), ("#channel=3&z=1", "no channel 3, but 2"),
        ("#channel=1&z=4", "no z 4, but 3"), ("#page=7", "no page 7, but 6"),
    ):  # fmt: skip
        with pytest.raises(BadImage, match=words):
            read_view(f"{path}{chosen}")
    header = tiff.read_header(path, None)
    assert header.sizes == {"channel": 2, "z": 3} and header.shape == (20, 30)


def test_names_and_pixels_as_the_file_says_them(tmp_path):
    _ome(tmp_path / "a.ome.tif", PhysicalSizeX=325.0, PhysicalSizeXUnit="nm")
    header = tiff.read_header(tmp_path / "a.ome.tif", None)
    assert header.channels == ("FITC", "Cy5") and header.pixel_um == pytest.approx(0.325)


@pytest.mark.parametrize(
    ("length", "unit"),
    [(0.65, "&#181;m"), (0.65, "&#xB5;m"), (0.65, "µm"), (6500, "Å"), (650, "nm"), (0.65, None)],
)
def test_the_units_of_ome_as_any_program_writes_them(tmp_path, length, unit):
    """Some writers of XML put signs that are not ASCII as numbers."""
    said = "" if unit is None else f' PhysicalSizeXUnit="{unit}"'
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="20" SizeZ="1"'
        f' SizeC="1" SizeT="1" PhysicalSizeX="{length}"{said}>'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK[0, 0], description=xml.encode(), metadata=None)
    assert tiff.read_header(path).pixel_um == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("options", "pixel_um"),
    [
        ({"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "um"}}, 0.5),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "\\u00B5m"}}, 0.5),
        ({"resolution": (1, 1), "imagej": True, "metadata": {"unit": "pixel"}}, None),
        ({"description": "<BTIImageMetaData><PixelWidth>30</PixelWidth><ImageWidthMicrons>15"
          "</ImageWidthMicrons></BTIImageMetaData>", "metadata": None}, 0.5),
    ],
)  # fmt: skip
def test_the_size_of_a_pixel_in_several_tongues(tmp_path, options, pixel_um):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0], photometric="minisblack", **options)
    found = tiff.read_header(tmp_path / "a.tif", None).pixel_um
    assert found == pytest.approx(pixel_um or np.nan, nan_ok=True)


def _parts(folder):
    """Two files of one OME-TIFF, a channel each, which name each other by UUID."""
    uuids = {f"c{n}.ome.tif": f"urn:uuid:0000000{n}-0000-0000-0000-000000000000" for n in (0, 1)}
    for number, (name, own) in enumerate(uuids.items()):
        parts = "".join(
            f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1"><UUID FileName="{other}">{uuid}</UUID>'
            "</TiffData>"
            for c, (other, uuid) in enumerate(uuids.items())
        )
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{own}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
            'SizeX="30" SizeY="20" SizeC="2" SizeZ="1" SizeT="1"><Channel ID="Channel:0:0"/>'
            f'<Channel ID="Channel:0:1"/>{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, STACK[number, 0], description=xml, metadata=None)
    return folder / "c0.ome.tif"


def test_a_set_of_files_by_uuid_and_one_that_is_gone(tmp_path):
    path = _parts(tmp_path)
    for channel in (1, 2):
        np.testing.assert_array_equal(read_view(f"{path}#channel={channel}"), STACK[channel - 1, 0])
    (tmp_path / "c1.ome.tif").unlink()
    for channel in (1, 2):
        with pytest.raises(BadImage, match="lacks c1.ome.tif"):
            read_view(f"{path}#channel={channel}")


def test_an_image_of_a_set_is_known_by_the_file_that_holds_it(tmp_path):
    """Else what was measured once would stand for another image."""
    path = _parts(tmp_path)
    before = {channel: fingerprint(f"{path}#channel={channel}") for channel in (1, 2)}
    assert before[1] != before[2]
    # It is the same image, whichever file of the set names it.
    (finding,) = check_images(_one(f"{path}#channel=2", f"{tmp_path / 'c1.ome.tif'}#channel=2"))
    assert finding.problem == "same image"
    other = tmp_path / "c1.ome.tif"
    other.write_bytes(other.read_bytes() + b"\0")
    assert fingerprint(f"{path}#channel=2") != before[2]


def test_min_is_white_is_turned_and_said(tmp_path):
    dark = STACK[0, 0]
    for name, kind, full in (("a", np.uint16, 65535), ("b", np.uint8, 255)):
        numbers = (dark if name == "a" else dark // 16).astype(kind)
        tifffile.imwrite(tmp_path / f"{name}.tif", full - numbers, photometric="miniswhite")
        expected = numbers if name == "a" else numbers.astype(np.uint16) * 16
        np.testing.assert_array_equal(read_view(tmp_path / f"{name}.tif"), expected)
    (note,) = check_images(_one(tmp_path / "a.tif"))
    assert note.problem == "min is white" and not note.fatal


def test_png_is_read_as_tiff_is(tmp_path):
    grey = STACK[0, 0]
    Image.fromarray(grey).save(tmp_path / "16.png")
    Image.fromarray((grey // 16).astype(np.uint8)).save(tmp_path / "8.png")
    colour = (STACK[:, :, :, :].reshape(6, 20, 30)[:3] // 16).astype(np.uint8)
    Image.fromarray(np.moveaxis(colour, 0, -1)).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_view(tmp_path / "16.png"), grey)
    np.testing.assert_array_equal(read_view(tmp_path / "8.png"), grey // 16 * 16)
    green = read_view(f"{tmp_path / 'colour.png'}#channel=2")
    np.testing.assert_array_equal(green, colour[1].astype(np.uint16) * 16)
    with pytest.raises(BadImage, match="3 channels"):
        read_view(tmp_path / "colour.png")
    seen, findings = inspect_images(_one(tmp_path / "16.png"))
    assert not findings and seen.loc[0, ["height", "width", "kind"]].tolist() == [20, 30, "uint16"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_cut_png_is_found(tmp_path, share):
    path = tmp_path / "a.png"
    Image.fromarray(STACK[0, 0]).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    (finding,) = check_images(_one(path))
    assert finding.fatal and ("damaged" in finding.message or "not a PNG" in finding.message)


COLOURS = DRAW.integers(0, 250, (2, 20, 30, 3), np.uint8)


def test_colours_of_pages_are_told_apart(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOURS, photometric="rgb", metadata=None)
    addresses = [f"{path}#page={page}&channel={channel}" for page in (1, 2) for channel in (1, 3)]
    for address, page, colour in zip(addresses, (0, 0, 1, 1), (0, 2, 0, 2)):
        expected = COLOURS[page, ..., colour].astype(np.uint16) * 16
        np.testing.assert_array_equal(read_view(address), expected)
    assert not check_images(_one(*addresses))
    (finding,) = check_images(_one(addresses[0], addresses[0]))
    assert finding.fatal and "one and the same" in finding.message


def test_a_page_of_grey_has_no_channel_beside(tmp_path):
    _ome(tmp_path / "a.tif")
    with pytest.raises(BadImage, match="page 4 is one channel of the file already"):
        read_view(f"{tmp_path / 'a.tif'}#page=4&channel=1")


def test_channels_of_colours_are_numbered_through(tmp_path):
    """Two channels of three samples are six, the samples the fastest."""
    path = tmp_path / "a.ome.tif"
    names = {"axes": "CYXS", "Channel": {"Name": ["left", "right"]}}
    tifffile.imwrite(path, COLOURS, photometric="rgb", metadata=names)
    for number in range(1, 7):
        expected = COLOURS[(number - 1) // 3, ..., (number - 1) % 3].astype(np.uint16) * 16
        np.testing.assert_array_equal(read_view(f"{path}#channel={number}"), expected)
    with pytest.raises(BadImage, match="no channel 7, but 6"):
        read_view(f"{path}#channel=7")


def test_planes_of_several_files_become_their_maximum(tmp_path):
    for z in range(3):
        tifffile.imwrite(tmp_path / f"{z}.tif", STACK[0, z], photometric="minisblack")
    joined = "|".join(str(tmp_path / f"{z}.tif") for z in range(3))
    np.testing.assert_array_equal(read_view(f"{joined}#z=max"), STACK[0].max(axis=0))
    tifffile.imwrite(tmp_path / "1.tif", STACK[0, 1, :10], photometric="minisblack")
    with pytest.raises(BadImage, match="differ in size"):
        read_view(f"{joined}#z=max")


def _one(*paths):
    rows = [("P", "A01", 1, f"view{n}", str(path)) for n, path in enumerate(paths)]
    return pd.DataFrame(rows, columns=["plate", "well", "field", "view", "path"])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_views_that_show_nothing_or_are_clipped_are_noted(tmp_path, compression):
    counts = STACK[0, 0].copy()
    clipped = np.minimum(counts * 3, 4095).astype(np.uint16)
    named = {"dead": np.zeros_like(counts), "clipped": clipped, "good": counts}
    for name, array in named.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", array, compression=compression)
    found = check_images(_one(*(tmp_path / f"{name}.tif" for name in named)))
    assert [(note.problem, note.fatal) for note in found] == [
        ("dead view", False), ("clipped view", False)
    ]  # fmt: skip
    share = (clipped == 4095).mean()
    assert f"{share:.1%}" in found[1].message


@pytest.mark.parametrize("top", [255, 1023, 2000, 4095, 16383, 65535])
@pytest.mark.parametrize("offset", [0, 48])
def test_clipped_light_is_seen_at_any_depth_and_counts_that_are_few_are_none(tmp_path, top, offset):
    light = np.random.default_rng(0).exponential(top / 5, (200, 200))
    whole = light / light.max() * top
    small = np.random.default_rng(0).normal(20, 1, (200, 200))  # few counts, none piled up
    named = {"clipped": light.clip(0, top - offset) + offset, "whole": whole, "small": small}
    kind = np.uint8 if top == 255 and not offset else np.uint16
    for name, array in named.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", np.rint(array).astype(kind))
    found = check_images(_one(*(tmp_path / f"{name}.tif" for name in named)))
    assert [note.problem for note in found] == ["clipped view"]
    assert f"clipped at {top * (16 if kind == np.uint8 else 1)} counts" in found[0].message


@pytest.mark.parametrize("full", [1, 4095])
def test_a_dead_image_of_floats_is_of_no_other_scale(tmp_path, full):
    """Nothing but 0 may be shares of 1 or counts."""
    for n in range(3):
        shares = STACK[0, n] / STACK.max() * full * (n > 0)
        tifffile.imwrite(tmp_path / f"{n}.tif", shares.astype(np.float32))
    images = _one(*(tmp_path / f"{n}.tif" for n in range(3))).assign(view="GFP", field=[1, 2, 3])
    (note,) = check_images(images)
    assert note.problem == "dead view" and not note.fatal


def test_one_file_for_two_views_is_refused_unless_they_are_other_planes_of_it(tmp_path):
    path = tmp_path / "a.tif"
    _ome(path)
    (finding,) = check_images(_one(f"{path}#channel=1&z=1", f"{path}#channel=1&z=1"))
    assert finding.fatal and "one and the same" in finding.message and "a.tif" in finding.path
    assert not check_images(_one(f"{path}#channel=1&z=1", f"{path}#channel=2&z=1"))
    # A page by its number, and a copy under another name, are the same image too.
    tifffile.imwrite(tmp_path / "b.tif", STACK[0, 0])
    (tmp_path / "copy.tif").write_bytes((tmp_path / "b.tif").read_bytes())
    for other in ("b.tif#page=1", "b.tif#z=2", "copy.tif"):
        (finding,) = check_images(_one(tmp_path / "b.tif", tmp_path / other))
        assert finding.problem == "same image" and finding.fatal


@pytest.mark.parametrize(
    ("case", "views", "words"),
    [
        ("ome_says_two_planes", 1, "says 2 planes and holds 1"),
        ("one_file_for_both_views", 1, "one and the same"),
        ("mixed_z", 1, "FITC is of z 5, TexasRed is of z 1"),
    ],
)
def test_cases_that_once_went_wrong_in_silence(shared_data, case, views, words):
    from jaxcell.plates.folder import read_plates

    plates = read_plates(
        shared_data / "cases" / case, {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
    )
    (finding,) = [found for found in plates.findings if found.fatal]
    assert words in finding.message


def test_the_inverted_case_is_read_as_the_other(shared_data):
    home = shared_data / "cases"
    name = "P - A - 01(fld 1 wv FITC - FITC).tif"
    turned = read_view(home / "inverted_miniswhite" / name)
    upright = read_view(home / "mixed_z" / "P - A - 01(fld 1 wv FITC - FITC z 5).tif")
    np.testing.assert_array_equal(turned, upright)
