import numpy as np
import pytest
import tifffile
from vendor_plates import PIXEL_UM, planes, write_incell, write_opera

from jaxcell.configs import default
from jaxcell.dataset.source import load_plates, resampled_from, with_own_pixels
from jaxcell.plates.findings import BadPlates
from jaxcell.plates.folder import read_tables
from jaxcell.plates.pixels import own_pixel_um

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}


def _config(folder, pixel_um=None):
    config = default.get_config()
    config.plates.folder = str(folder)
    if pixel_um:
        config.plates.pixel_um = pixel_um
    return config


def test_what_the_files_say_is_used_and_said(tmp_path, capsys):
    write_opera(tmp_path, planes())
    config = with_own_pixels(_config(tmp_path), given=False)
    assert config.plates.pixel_um == pytest.approx(PIXEL_UM)
    assert "0.65 µm, as the files say" in capsys.readouterr().err
    plates = load_plates(config, "OVA")
    assert not [found for found in plates.findings if found.problem == "pixel size"]


def test_what_a_person_gives_stands_and_the_contradiction_is_said(tmp_path, capsys):
    write_opera(tmp_path, planes())
    config = with_own_pixels(_config(tmp_path, 0.325), given=True)
    assert config.plates.pixel_um == 0.325
    (note,) = [
        found for found in load_plates(config, "OVA").findings if found.problem == "pixel size"
    ]
    assert not note.fatal and "0.65" in note.message and "0.325" in note.message
    assert "0.65" in capsys.readouterr().err


def test_files_that_say_nothing_leave_the_size_as_it_is(tmp_path, capsys):
    write_incell(tmp_path, planes()).unlink()
    assert with_own_pixels(_config(tmp_path), given=False).plates.pixel_um == 0.741
    plates = load_plates(_config(tmp_path), "OVA")
    assert resampled_from(plates, 0.0, 0.741) == 0.0 and not capsys.readouterr().err


def test_plates_of_two_magnifications_are_refused_by_name(tmp_path):
    for name, pixel_um in (("P1", 0.5), ("P2", 1.0)):
        for view in VIEWS.values():
            counts = np.random.default_rng(1).integers(100, 900, (16, 16), np.uint16)
            path = tmp_path / f"{name} - B - 02(fld 1 wv {view} - {view}).tif"
            size = (1e4 / pixel_um, 1e4 / pixel_um)
            tifffile.imwrite(path, counts, resolution=size, resolutionunit="CENTIMETER")
    with pytest.raises(ValueError, match="P1 0.5 µm, P2 1 µm"):
        own_pixel_um(read_tables(tmp_path, VIEWS, "OVA").images)


def test_plates_of_other_pixels_are_resampled_from_their_own(tmp_path, capsys):
    write_opera(tmp_path, planes())
    plates = load_plates(_config(tmp_path, PIXEL_UM), "OVA")
    assert resampled_from(plates, 0.0, 0.741) == pytest.approx(PIXEL_UM)
    assert resampled_from(plates, 0.0, PIXEL_UM * 1.001) == 0.0
    assert "become 0.741 µm" in capsys.readouterr().err
    assert resampled_from(plates, 0.5, 0.741) == 0.5
    said = capsys.readouterr().err
    assert "pixels of 0.65 µm, but 0.5 µm is used" in said
    assert "--config" not in said  # neither predict nor evaluate has such a setting


def test_counts_too_few_for_a_background_in_counts_stop_what_asks_for_it(tmp_path):
    """By each image cells are found; 255 counts for background leave none, and no word."""
    few = [plane._replace(counts=plane.counts // 20) for plane in planes()]
    write_opera(tmp_path, few)
    config = _config(tmp_path, PIXEL_UM)
    assert not load_plates(config, "OVA").findings
    config.dataset.background_counts = 255.0
    with pytest.raises(BadPlates, match="255 are taken for background.*background_counts=0"):
        load_plates(config, "OVA")
    config.plates.on_bad_image = "skip"
    assert load_plates(config, "OVA").images.empty
