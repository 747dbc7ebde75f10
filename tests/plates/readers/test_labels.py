"""Label images of other programs are read as they are numbered, or refused by what they are."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from PIL import Image

from jaxcell.plates.readers.labels import read_label_image
from jaxcell.plates.readers.planes import BadImage


def _labels(largest=200):
    labels = np.zeros((20, 30), np.uint32)
    labels[2:8, 3:9], labels[10:15, 3:9], labels[2:8, 20:29] = 7, 3, largest
    return labels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int32,
                                   np.float32, np.float64])  # fmt: skip
@pytest.mark.parametrize("suffix", ["tif", "ome.tif", "TIFF"])
def test_tiff_of_every_kind_of_number(tmp_path, dtype, suffix):
    path = tmp_path / f"a.{suffix}"
    tifffile.imwrite(path, _labels().astype(dtype), compression="zlib")
    np.testing.assert_array_equal(read_label_image(path), _labels())
    assert read_label_image(path).dtype == np.uint32


def test_numbers_beyond_two_thousand_million(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _labels(4_000_000_000))
    assert read_label_image(tmp_path / "a.tif").max() == 4_000_000_000


def test_axes_of_length_one_and_imagej_are_taken_off(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _labels()[None, None].astype(np.float32), imagej=True)
    np.testing.assert_array_equal(read_label_image(tmp_path / "a.tif"), _labels())


def test_png_of_8_and_16_bits_and_of_a_palette(tmp_path):
    Image.fromarray(_labels().astype(np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), _labels())
    Image.fromarray(_labels(60_000).astype(np.uint16)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "b.png"), _labels(60_000))
    colours = Image.fromarray(_labels().astype(np.uint8), "P")
    colours.putpalette(np.random.default_rng(0).integers(0, 255, 768).astype(np.uint8).tobytes())
    colours.save(tmp_path / "c.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "c.png"), _labels())


def test_zarr_as_an_array_and_as_a_multiscale_image(tmp_path):
    zarr.save_array(tmp_path / "a.zarr", _labels()[None])
    np.testing.assert_array_equal(read_label_image(tmp_path / "a.zarr"), _labels())
    for place in ("old", "new"):
        group = zarr.open_group(tmp_path / f"{place}.zarr", mode="w")
        # The finest comes first, whatever its name.
        group.create_array("full", data=_labels())
        group.create_array("0", data=_labels()[::2, ::2])
        scales = {"multiscales": [{"datasets": [{"path": "full"}, {"path": "0"}]}]}
        group.attrs.update(scales if place == "old" else {"ome": scales})
        np.testing.assert_array_equal(read_label_image(tmp_path / f"{place}.zarr"), _labels())
    zarr.open_group(tmp_path / "plain.zarr", mode="w").create_group("labels")
    with pytest.raises(BadImage, match="not an array.*name the label image in it"):
        read_label_image(tmp_path / "plain.zarr")


def test_what_is_no_label_image_is_refused_by_what_it_is(tmp_path):
    wrong = {
        "half.tif": (_labels() / 2).astype(np.float32),
        "nan.tif": np.where(_labels(), np.nan, 0).astype(np.float32),
        "negative.tif": np.where(_labels() == 7, -1, 5).astype(np.int32),
        "colour.tif": np.stack([_labels().astype(np.uint8)] * 3, -1),
        "stack.tif": np.stack([_labels().astype(np.uint16)] * 4),
    }
    said = {"half": "not whole", "nan": "not whole", "negative": "from -1 to 5",
            "colour": "colour or a stack", "stack": "colour or a stack"}  # fmt: skip
    for name, image in wrong.items():
        tifffile.imwrite(
            tmp_path / name, image, photometric="rgb" if "col" in name else "minisblack"
        )
        with pytest.raises(BadImage, match=f"{said[name[:-4]]}.*{name}.* -> save it as a label"):
            read_label_image(tmp_path / name)
    Image.fromarray(wrong["colour.tif"]).save(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "half.tif").read_bytes()[:200])
    for name in ("colour.png", "text.png", "cut.tif", "gone.tif"):
        with pytest.raises(BadImage, match=name):
            read_label_image(tmp_path / name)


def test_the_cells_of_inform_are_whole(shared_data):
    """Against the area that inForm's own table gives of each cell."""
    folder = shared_data / "tissue"
    labels = read_label_image(folder / "binary_seg_maps.tif")
    table = pd.read_csv(folder / "cells.txt", sep="\t", encoding="latin1", na_values="#N/A")
    area = np.bincount(labels.ravel())[table["Cell ID"]]
    whole = table["Entire Cell Area (pixels)"]
    # inForm counts a membrane that parts two cells for both, here each of its pixels is one cell's.
    assert len(table) == labels.max() == 270 and (area <= whole).all()
    assert area.sum() > 0.85 * whole.sum() and np.corrcoef(area, whole)[0, 1] > 0.98
