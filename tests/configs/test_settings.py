"""Every setting is described, by the comment of its own line and no other's."""

import pytest

from jaxcell.configs import settings


def _meanings(name: str) -> dict[str, str]:
    return {row.name: row.meaning for row in settings.described(name)}


@pytest.mark.parametrize("name", settings.names())
def test_every_setting_has_its_value_and_a_meaning(name):
    rows = settings.described(name)
    assert [row.name for row in rows if not row.meaning] == []
    config = settings.load_config(name)
    for row in rows:
        value = config
        for part in row.name.split("."):
            value = value[part]
        assert value == row.value


def test_settings_of_the_same_last_name_are_told_apart():
    meanings = _meanings("default")
    assert "simulated plates and data sets" in meanings["machine.folder"]
    assert meanings["plates.folder"].startswith("of plates")
    assert "noise" in meanings["plates.simulate.seed"]
    assert "dropout" in meanings["training.seed"]
    assert "symmetries" in meanings["training.autoencoder.augment"]


def test_a_config_speaks_before_those_it_starts_from():
    assert "crops" in _meanings("segmentation")["training.seed"]
    assert "watershed" in _meanings("measure")["dataset.mask_method"]
    assert "Data Science Bowl" in _meanings("nuclei")["plates.pixel_um"]


def test_what_sections_share_is_described_in_each():
    meanings = _meanings("dissertation")
    for section in ("autoencoder", "regressor"):
        assert meanings[f"training.{section}.optimizer.epsilon"] == "Keras's default"


def test_a_file_of_ones_own_is_described(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "from jaxcell.configs import demo\n\n\n"
        "def get_config():\n"
        "    config = demo.get_config()\n"
        "    # Ours is finer\n"
        "    config.plates.pixel_um = 0.325  # um\n"
        "    return config\n"
    )
    rows = {row.name: row for row in settings.described(str(own))}
    assert rows["plates.pixel_um"][1:] == (0.325, "Ours is finer; um")
    assert rows["dataset.window"].meaning == _meanings("default")["dataset.window"]
