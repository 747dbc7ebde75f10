"""The report of a sweep is whole, answers how small a code may be, and says how surely."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from drawing import words
from html_page import Page

from jaxcell.analysis import ablation
from jaxcell.report.common import page as common_page
from jaxcell.report.sweep import figures
from jaxcell.report.sweep import page as writer
from jaxcell.report.sweep.page import write_sweep_report
from jaxcell.report.sweep.reconstructions import reconstructions_figure

SIZES = (8, 64, 1152)
VALUES = ("validation_loss", "bce_excess", "psnr_db", "ssim", "rmse_over_sd", "auroc",
          "parameters", "flops", "train_seconds", "code_bytes")  # fmt: skip
FIGURES = ("quality_1", "pareto_1", "nested_1", "reconstructions")
SIMPLE = ("nested_1", "reconstructions")


def sweep(settings=("",), seeds=3, kinds=("separate", "nested", "spatial"), sizes=SIZES):
    """A members table: 64 numbers are as good as 1,152 but for cross-entropy."""
    rows = []
    for setting in settings:
        for kind in kinds:
            for size in sizes if kind != "spatial" else (1152,):
                for seed in range(seeds):
                    noise, enough = 0.002 * (seed - 1), size > 8
                    excess = (0.05 - 0.004 * np.log2(size)) * (1.04 if kind == "nested" else 1)
                    name = {"separate": f"latent_{size}"}.get(kind, kind)
                    values = (
                        0.1 + excess,
                        excess * (1 + noise),
                        20 + 2 * enough + noise,
                        0.8 + noise,
                        0.5 - 0.2 * enough + noise,
                        0.6 + 0.1 * enough + noise,
                        1000 * size,
                        1e6,
                        20.0 if kind == "nested" else 10.0,
                        4 * size,
                    )
                    rows.append(
                        {
                            "member": f"{setting}{name}-seed_{seed}",
                            "kind": kind,
                            "setting": setting,
                            "latent_size": size,
                            "seed": seed,
                            "state": "done",
                            "reason": "",
                        }
                        | dict(zip(VALUES, values))
                    )
    return pd.DataFrame(rows)


def without(members, rows, state, reason=""):
    """The same with some rows not done."""
    members = members.astype(dict.fromkeys(VALUES, float))
    members.loc[rows, list(VALUES)] = np.nan
    members.loc[rows, ["state", "reason"]] = state, reason
    return members


def pictures(kinds=("separate", "nested", "spatial"), side=12):
    random = np.random.default_rng(0)
    images = random.uniform(size=(2, side, side, 2)).astype(np.float32)
    return {"original": images} | {
        kind: {size: 0.9 * images for size in (SIZES if kind != "spatial" else SIZES[-1:])}
        for kind in kinds
    }


@pytest.fixture
def arguments():
    return {
        "members": sweep(), "pictures": pictures(), "window": 192, "pixel_um": 0.741,
        "facts": {"held-out wells": 27, "machine": "2 CPU cores", "auroc_of_position": 0.64,
                  "auroc_of_overlap": 0.9},
        "config": {"sweep": {"seed": [0, 1, 2]}},
        "title": "sweep <of> codes", "simulated": True,
    }  # fmt: skip


@pytest.fixture
def build_only(monkeypatch):
    """Figures are built, and what goes wrong there is raised, but not drawn: that takes seconds."""

    def build(folder, builders):
        for draw in builders.values():
            draw()
        return {name: {"source": "data:image/png;base64,"} for name in builders}

    monkeypatch.setattr(common_page, "save_figures", build)


@pytest.fixture
def draw_simple_ones(monkeypatch):
    """All figures are built, and those that draw quickly drawn."""
    save = common_page.save_figures

    def some(folder, builders):
        for draw in builders.values():
            draw()
        drawn = save(folder, {name: builders[name] for name in SIMPLE})
        return {name: drawn.get(name, {"source": "data:image/png;base64,"}) for name in builders}

    monkeypatch.setattr(common_page, "save_figures", some)


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(
        common_page,
        "save_figures",
        lambda folder, builders: {name: {"source": "data:image/png;base64,"} for name in builders},
    )


def read(folder):
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", re.sub(r"base64,[^\"]*", "", html))
    page = Page(html)
    assert "could not be drawn" not in page.text
    assert not re.search(r"\bnan\b|\bNone\b(?!:)", page.text)
    return page


def test_the_report_is_whole_and_gives_the_answer(tmp_path, arguments, draw_simple_ones):
    folder = tmp_path / "report"
    metrics = write_sweep_report(folder, **arguments)
    page = read(folder)
    assert {item.name for item in folder.glob("[!.]*")} == {
        "index.html",
        "metrics.json",
        "members.csv",
        "sizes.csv",
        "figures",
    }
    assert [item.name for item in tmp_path.iterdir()] == ["report"]
    assert (
        "Reconstruction needs 1,152, interaction needs 64 and structure needs 64 numbers"
        in page.text
    )
    assert "For reconstruction that is the largest size tried" in page.text
    assert "67 % of the time of the 3 separate networks" in page.text  # 20 s against 3 times 10
    assert "on average 4 % worse" in page.text
    assert "over training seeds, judged on the same held-out wells" in page.text
    assert "No code does better than overlap alone." in page.text
    assert "diverged" not in page.text and "192 × 192 pixels (142 µm)" in page.text
    assert len(page.images) == len(FIGURES) and all(image["alt"] for image in page.images)
    written = json.loads((folder / "metrics.json").read_text())
    assert written == written | metrics and written["simulated"] is True
    assert metrics["best_member"].startswith(("latent_1152", "spatial"))
    assert metrics["members"] == {"done": 15, "diverged": 0, "waiting": 0}
    assert len(pd.read_csv(folder / "members.csv")) == len(arguments["members"])
    assert len(pd.read_csv(folder / "sizes.csv")) == len(metrics["sizes"]) == 7
    for name in SIMPLE:
        for kind in ("png", "svg"):
            assert (folder / "figures" / f"{name}.{kind}").stat().st_size > 3000


def test_one_seed_says_that_it_cannot_tell(tmp_path, arguments, build_only):
    arguments["members"] = sweep(seeds=1, kinds=("separate", "nested"))
    metrics = write_sweep_report(tmp_path / "report", **arguments)
    page = read(tmp_path / "report")
    assert "with one seed there is no telling" in page.text and "no intervals" in page.text
    assert "standard error of the best." not in page.text
    assert all(item["best_se"] is None for item in metrics["smallest_sufficient"]["auroc"])


def test_what_diverged_or_waits_is_noticed_at_the_top(tmp_path, arguments, build_only):
    members = sweep()
    members = without(members, members["member"].eq("latent_64-seed_1"), "diverged", "loss <inf>")
    members = without(members, members["member"].str.startswith("nested"), "waiting")
    metrics = write_sweep_report(tmp_path / "report", **arguments | {"members": members})
    page = read(tmp_path / "report")
    assert "Of 15 members: 1 diverged and 3 waiting." in page.text
    assert re.search("latent_64-seed_1 ?diverged ?loss <inf>", page.text)
    assert page.text.count("nested-seed_0") == 1  # a row a member, not one a size
    assert metrics["members"] == {"done": 11, "diverged": 1, "waiting": 3}
    assert "One network for all sizes" not in page.text


def test_nothing_done_still_gives_a_page(tmp_path, arguments, build_only):
    arguments |= {
        "members": without(sweep(), slice(None), "diverged", "not finite"),
        "pictures": {},
        "facts": {},
    }
    metrics = write_sweep_report(tmp_path / "report", **arguments)
    page = read(tmp_path / "report")
    assert "no answer yet" in page.text and "no patch to show" in page.text
    assert metrics["sizes"] == [] and metrics["best_member"] is None


def test_codes_that_hold_nothing_suffice_for_nothing(tmp_path, arguments, no_figures):
    arguments["members"] = sweep().assign(auroc=0.5, rmse_over_sd=1.01)
    write_sweep_report(tmp_path / "report", **arguments)
    page = read(tmp_path / "report")
    assert "No code is surely better at telling conditions than guessing is." in page.text
    assert "No code is surely better at predicting overlap" in page.text
    assert "suffice for structure" not in page.text and "Reconstruction needs" in page.text


def test_an_unknown_auroc_is_left_out(tmp_path, arguments, build_only):
    arguments["members"] = sweep(kinds=("separate",), sizes=(8, 1152)).assign(auroc=np.nan)
    write_sweep_report(tmp_path / "report", **arguments)
    page = read(tmp_path / "report")
    assert "structure needs" not in page.text and "AUROC of conditions is" not in page.text


def test_every_setting_has_its_own_figures(tmp_path, arguments, no_figures):
    settings = [f"window {size} pixels" for size in (48, 96, 192, 384)]
    arguments["members"] = sweep(settings, seeds=2)
    write_sweep_report(tmp_path / "report", **arguments)
    page = read(tmp_path / "report")
    assert "With window 48 pixels, the setting of the best member:" in page.text
    assert len(page.images) == 4 * 3 + 1
    assert all(page.text.count(setting) >= 4 for setting in settings)


def test_an_old_report_stays_until_the_new_one_is_whole(tmp_path, arguments, no_figures):
    write_sweep_report(tmp_path / "report", **arguments)
    with pytest.raises(KeyError):
        write_sweep_report(tmp_path / "report", **arguments | {"members": sweep()[["member"]]})
    assert "<h1>sweep &lt;of&gt; codes</h1>" in (tmp_path / "report/index.html").read_text()
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="not a report"):
        write_sweep_report(tmp_path / "mine", **arguments)


def test_what_is_not_known_is_neither_drawn_nor_written(tmp_path, arguments, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        common_page,
        "save_figures",
        lambda folder, builders: (
            drawn.append(words(builders["quality_1"]()))
            or {name: {"failure": "-"} for name in builders}
        ),
    )
    members = sweep()
    members = without(members, members["kind"].eq("spatial"), "diverged")
    # The size of a spatial code is not known before it is trained; sizes are then not integers.
    members.loc[members["kind"] == "spatial", "latent_size"] = np.nan
    facts = {"auroc_of_position": np.nan, "auroc_of_overlap": 0.6}
    metrics = write_sweep_report(
        tmp_path / "report", **arguments | {"members": members, "facts": facts}
    )
    read(tmp_path / "report")
    assert "plate position" not in drawn[0] and "nan" not in drawn[0] and "8.0" not in drawn[0]
    assert [row["latent_size"] for row in metrics["sizes"]] == [*SIZES, *SIZES]
    assert all(isinstance(row["latent_size"], int) for row in metrics["sizes"])


@pytest.mark.slow
def test_every_figure_finds_its_layout(tmp_path, arguments):
    for settings in (("",), ("window 96 pixels", "window 192 pixels")):
        folder = tmp_path / f"report_{len(settings)}"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            write_sweep_report(folder, **arguments | {"members": sweep(settings)})
        assert len(read(folder).images) == 3 * len(settings) + 1
        for name in FIGURES:
            assert (folder / "figures" / f"{name}.png").stat().st_size > 3000


@pytest.mark.parametrize(
    "low, high, said",
    [
        (3.2, 6.8, "3 to 7 % worse"),
        (-2, 7.1, "2 % better to 7 % worse"),
        (-6, -2, "2 to 6 % better"),
        (3.9, 4.1, "4 % worse"),
    ],
)
def test_a_gap_in_words(low, high, said):
    assert writer._gap_in_words(low, high) == said


def test_the_quality_figure_names_what_it_draws():
    members = sweep()
    members = without(members, members["member"].eq("latent_64-seed_1"), "diverged")
    figure = figures.quality_figure(ablation.by_size(members), members,
                                    {"auroc_of_position": 0.64})  # fmt: skip
    text = words(figure)
    for label in (
        "reference study, 1,152",
        "plate position alone (0.64)",
        "diverged",
        "nested",
        "smallest sufficient size",
        "structural similarity",
    ):
        assert label in text
    assert "overlap alone (" not in text
    panels = {axes.get_ylabel().split(",")[0].replace("\n", " "): axes for axes in figure.axes}
    excess = panels["cross-entropy over its floor"]
    assert excess.get_yscale() == "log" and excess.get_xscale() == "log"
    low, high = panels["condition told from the code"].get_ylim()
    assert low < 0.5 and high > 0.7  # guessing and all seeds are in view


def test_a_size_that_always_diverged_keeps_its_place():
    members = sweep(kinds=("separate",))
    members = without(members, members["latent_size"].eq(8), "diverged")
    figure = figures.quality_figure(ablation.by_size(members), members, {})
    axes = figure.axes[0]
    assert axes.get_xlim()[0] < 8 and "8" in [tick.get_text() for tick in axes.get_xticklabels()]


def test_rings_stand_on_the_smallest_sufficient_sizes():
    members = sweep(kinds=("separate",))
    figure = figures.quality_figure(ablation.by_size(members), members, {})
    rings = [line.get_xdata()[0] for axes in figure.axes[:5] for line in axes.lines
             if line.get_markersize() == 12]  # fmt: skip
    assert rings == [1152, 64, 8, 64, 64]


def test_a_wild_interval_does_not_squeeze_the_rest_of_its_panel():
    members = sweep(kinds=("separate",), seeds=2)
    members.loc[(members["latent_size"] == 8) & (members["seed"] == 1), "psnr_db"] += 1
    figure = figures.quality_figure(ablation.by_size(members), members, {})
    low, high = figure.axes[1].get_ylim()
    assert high - low < 8  # where the interval, by t of one degree, is 13 wide


def test_a_patch_stands_in_one_row_at_every_size():
    figure = reconstructions_figure(pictures())
    # Two patches: the original, three sizes and the spatial code; below, three nested ones.
    places = [image.get_extent() for image in figure.axes[0].images]
    assert len(places) == 2 * (1 + 3 + 1 + 3)
    rows = sorted({round(place[3], 3) for place in places})
    assert [sum(round(place[3], 3) == row for place in places) for row in rows] == [5, 3, 5, 3]
    assert "1,152 spatial" in words(figure) and "µm" in words(figure)
    assert len(reconstructions_figure(pictures(("spatial",))).axes[0].images) == 4


def test_figures_of_nothing_say_so():
    members = without(sweep(), slice(None), "diverged")
    sizes = ablation.by_size(members)
    assert "No cross-entropy" in words(figures.pareto_figure(sizes))
    assert "no patches" in words(reconstructions_figure({"original": np.zeros((0,))}))
