"""What is said to a person who types a command wrongly: a sentence, and nothing is written."""

import pytest

from jaxcell import cli

# Words typed -> what the answer says.
WRONG = {
    "train --confg=demo": "jaxcell train has no flag --confg; did you mean --config?",
    "train --config=defualt": "there is no config 'defualt'; did you mean default?",
    "train --config=nowhere.py": "there is no config 'nowhere.py'",
    "train --config.model.latnt_dim=1": "did you mean model.latent_dim?",
    "train --config.latent_dim=1": "did you mean model.latent_dim?",
    "train --config.model.latent_dim=many": "model.latent_dim is 'many': give a whole number",
    "train --config.dataset.window=1.5": "dataset.window is '1.5': give a whole number",
    "train --config.experiment=interacton": "experiment is 'interacton'; did you mean interaction?",
    "train --config=default --plates=nowhere": "there is no folder of plates nowhere",
    "train plates/": "jaxcell train has no argument plates/",
    "train --views=FITC": "'FITC' is not of the form t_cell=GFP,dendritic_cell=Cy5",
    "train --views=tcell=GFP": "there is no setting plates.views.tcell",
    "evaluate": "name the run's folder: jaxcell evaluate RUN",
    "evaluate nowhere": "nowhere is not a run",
    "evaluate nowhere --stndardise": "did you mean --standardise?",
    "evaluate nowhere --config.model.latent_dim=1": "has no flag --config.model.latent_dim",
    "predict nowhere": "name a folder of plates: jaxcell predict RUN PLATES",
    "predict nowhere plates": "nowhere is not a run",
    "measure nowhere": "there is no folder of plates nowhere",
    "measure s3://bucket/p.zarr": "s3://bucket/p.zarr is an address, and plates are",
    "plates https://host/p.zarr": "https://host/p.zarr is an address, and plates are",
    "measure --segmentation=nowhere": "nowhere is not a run",
    "measure --config.measurement.contact_um=200": "measurement.contact_um is 200",
    "screen": "give tables of wells, --table FILE, or plates, --plates FOLDER",
    "screen --table nowhere.csv": "there is no table nowhere.csv",
    "design": "say how many compounds: jaxcell design --compounds N",
    "design --compounds=45 --plate=1536": "use 384 and several plates",
    "design --compounds=45 --plate=24": "a plate of 24 has 8 without its rim",
    "design --compounds=4 --doses=0": "give numbers above 0",
    "design --compounds=4 --conditions=all": "which is what reports call all wells together",
    "design --compounds=4 --plate=96 --names=A,B": "takes 1 plate and 2 names, each once",
    "design --compounds=4 --plate=96 --previous=nowhere.csv": "there is no table nowhere.csv",
    "design --compunds=4": "did you mean --compounds?",
    "masure": "invalid choice: 'masure'",
    "label nowhere": "there is no folder of plates nowhere",
    "label --patches=many": "labelling.patches is 'many': give a whole number",
    "label nowhere --patchs=9": "did you mean --patches?",
    "score": "name the sheet's folder: jaxcell score SHEET",
    "score nowhere": "nowhere is not a labelling sheet",
    "score nowhere --runs=a": "did you mean --run?",
    "settings --config=defualt": "did you mean default?",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_word_is_answered_in_a_sentence_with_flags_of_its_command(
    words, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    said = str(ended.value)
    assert WRONG[words] in said
    assert not list(tmp_path.iterdir())
    # Flags of other commands are not advised.
    if words.split()[0] in ("evaluate", "predict") and "--config" not in words:
        assert "--config" not in said
    for flag, commands in {
        "--workdir": "train evaluate predict",
        "--out": "measure predict label score",
    }.items():
        assert flag not in said or words.split()[0] in commands.split()


def test_a_corrected_second_try_finds_the_folder_free(tmp_path, monkeypatch):
    """A start that failed has claimed nothing."""
    monkeypatch.chdir(tmp_path)
    plates = tmp_path / "plates"
    plates.mkdir()
    (plates / "images.csv").write_text("plate,well,field,view,path\nP1,B02,1,FITC,gone.tif\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(["measure", str(plates), "--out=out"])
    assert "B02" in str(ended.value) and not (tmp_path / "out").exists()


def test_every_setting_is_listed_with_its_value(capsys):
    cli.main(["settings"])
    lines = capsys.readouterr().out.splitlines()
    window = next(line for line in lines if line.startswith("dataset.window=192"))
    assert "pixels" in window
    # Nearly all have a unit or a meaning; optimizers speak for themselves.
    without = [line for line in lines if "  " not in line and "optimizer" not in line]
    assert not without


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("jaxcell")
