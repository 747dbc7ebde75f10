import os

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.plates.images import check_images, image_shape, read_view
from jaxcell.plates.readers import tiff
from jaxcell.plates.readers.planes import BadImage

COUNTS = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)


def _truncate(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def _table(*paths, field=1):
    rows = [("CK1", "D07", field, f"view{n}", str(path)) for n, path in enumerate(paths)]
    return pd.DataFrame(rows, columns=["plate", "well", "field", "view", "path"])


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"tile": (16, 16)}]
)
def test_good_files_are_read_exactly(tmp_path, options):
    path = tmp_path / "good.tif"
    tifffile.imwrite(path, COUNTS, **options)
    pixels_read = read_view(path)
    assert pixels_read.dtype == np.uint16 and pixels_read.dtype.isnative
    np.testing.assert_array_equal(pixels_read, COUNTS)
    assert image_shape(path) == (64, 48)
    assert check_images(_table(path)) == []


def test_real_files_are_good(shared_data):
    paths = sorted((shared_data / "real_well").glob("*.tif"))
    assert len(paths) == 3 and check_images(_table(*paths)) == []


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_file_is_found(tmp_path, compression, share):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, COUNTS, compression=compression, rowsperstrip=8)
    _truncate(path, int(path.stat().st_size * share))
    (finding,) = check_images(_table(path))
    assert finding.fatal and finding.path == str(path) and finding.well == "D07"
    assert "field 1, view view0" in finding.message and "again" in finding.cure
    with pytest.raises(BadImage, match="cut.tif"):
        read_view(path)


def test_truncation_is_found_without_decoding(tmp_path, monkeypatch):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, COUNTS)
    _truncate(path, path.stat().st_size - 1)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda page: pytest.fail("decoded"))
    assert "1 of" in check_images(_table(path))[0].message


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (COUNTS.astype(np.float32) - 1, {}, "below 0"),
        (COUNTS.astype(np.float32) * np.nan, {}, "NaN"),
        (COUNTS.astype(np.uint32) + 65000, {}, "above 65535"),
        (COUNTS.astype(np.complex64), {}, "no light"),
        (np.stack([COUNTS] * 3, -1).astype(np.uint8), {"photometric": "rgb"}, "3 channels"),
        (np.stack([COUNTS] * 4), {"photometric": "minisblack"}, "4 pages"),
    ],
)
def test_what_is_no_image_of_light_is_named_with_its_cure(tmp_path, array, options, words):
    path = tmp_path / "other.tif"
    tifffile.imwrite(path, array, **options)
    (finding,) = check_images(_table(path))
    assert words in finding.message and ("save it" in finding.cure or "jaxcell" in finding.cure)
    with pytest.raises(BadImage, match="other.tif"):
        read_view(path)


def test_files_that_are_no_tiff(tmp_path):
    text, empty, missing = (tmp_path / name for name in ("text.tif", "empty.tif", "missing.tif"))
    text.write_text("this is not an image")
    empty.write_bytes(b"")
    messages = [found.message for found in check_images(_table(text, empty, missing))]
    for message, words in zip(
        messages, ("not a TIFF", "empty, 0 bytes", "no such file"), strict=True
    ):
        assert words in message


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "a.tif").write_bytes(b"II")
    monkeypatch.setattr(tiff.tifffile, "TiffFile", refuse)
    assert "may not be read" in check_images(_table(tmp_path / "a.tif"))[0].message


def test_an_image_without_a_width_is_no_image_of_no_pixels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COUNTS, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags["ImageWidth"].offset
    content = bytearray(path.read_bytes())
    content[tag + 1] = 0xE4  # another code: the tag is then not known
    path.write_bytes(content)
    assert "how large" in check_images(_table(path))[0].message
    with pytest.raises(BadImage, match="how large"):
        read_view(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.tif")
    (tmp_path / "folder.tif").mkdir()
    found = check_images(_table(tmp_path / "x.tif", tmp_path / "folder.tif"))
    assert len(found) == 2 and all("no file" in finding.message for finding in found)


def test_a_compression_without_decoder_is_not_called_damage(tmp_path, monkeypatch):
    def refuse(page):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COUNTS, compression="zlib")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    with pytest.raises(BadImage, match="compression cannot be read .* install"):
        read_view(path)


def test_views_of_one_field_must_have_one_size(tmp_path):
    for name, array in (("a", COUNTS), ("b", COUNTS + 1), ("c", COUNTS[:32]), ("d", COUNTS + 2)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    same = _table(tmp_path / "a.tif", tmp_path / "b.tif", field=1)
    other = _table(tmp_path / "d.tif", tmp_path / "c.tif", field=2)
    (finding,) = check_images(pd.concat([same, other]))
    assert finding.well == "D07" and "field 2" in finding.message
    assert "64 x 48" in finding.message and "32 x 48" in finding.message
