import pandas as pd
import pytest
from dose_plates import dose_wells
from screens import screen_wells

from jaxcell import cli
from jaxcell.analysis.screening.answers import at_the_edge, screen
from jaxcell.experiments.screening.tables import read_screen_table
from jaxcell.simulator.plates import simulate_plates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
# Those that the laboratory took to its dose plate by this measure, but for one.
FOUND = {"7", "9", "10", "11", "18", "36"}


def test_the_laboratorys_plate_gives_the_compounds_that_it_took_on(shared_data):
    path = shared_data / "layouts" / "CK19 BTCure exp 19 INCell data 24h.xlsx"
    table = read_screen_table([path], views=VIEWS)
    found = screen(table.wells, table.measure, [kind.counts for kind in table.kinds])
    effects = found.effects
    for name in ("ConA", "OVA"):
        own = effects[effects["condition"] == name].set_index("compound")
        assert len(own) == 45
        assert (own.loc[list(FOUND), "q"] <= 0.01).all()
    strongest = effects[effects["condition"] == "ConA"].nsmallest(6, "effect")
    assert set(strongest["compound"]) == FOUND
    assert not (effects.loc[effects["condition"] == "Unstimulated", "q"] <= 0.05).any()
    agree = {row["condition"]: row["r"] for row in found.agreement}
    assert agree["ConA"] == pytest.approx(0.93, abs=0.01)
    assert agree["OVA"] == pytest.approx(0.76, abs=0.02)


def test_a_table_becomes_tables_of_compounds_and_wells(tmp_path, capsys):
    wells = screen_wells(compounds=8, effects={("ConA", "2"): -8.0})
    wells.drop(columns=["edge", "row", "column"]).to_csv(tmp_path / "P1.csv", index=False)
    out = tmp_path / "out"
    cli.main(["screen", f"--table={tmp_path / 'P1.csv'}", "--measure=value", f"--out={out}"])
    assert "1 inhibitor (2)" in capsys.readouterr().out
    compounds = pd.read_parquet(out / "compounds.parquet")
    assert len(compounds) == 24 and len(pd.read_csv(out / "compounds.csv")) == 24
    hit = compounds[(compounds["condition"] == "ConA") & (compounds["compound"] == "2")].iloc[0]
    assert hit["call"] == "inhibitor" and hit["q"] < 0.05
    assert len(pd.read_parquet(out / "wells.parquet")) == len(wells)
    # Once more into the same folder, but not into one of something else.
    cli.main(["screen", f"--table={tmp_path / 'P1.csv'}", "--measure=value", f"--out={out}"])
    with pytest.raises(SystemExit, match="holds no screen"):
        cli.main(["screen", f"--table={tmp_path / 'P1.csv'}", "--measure=value",
                  f"--out={tmp_path}"])  # fmt: skip


def test_a_dose_plate_becomes_a_table_of_curves_beside_those_of_the_cells(tmp_path, capsys):
    curves = {"9": (60, 25, 0.3, 1.0), "10": (60, 60, 1, 1)}
    of_cells = {"9": (1000, 100, 0.3, 1.0), "10": (1000, 1000, 1, 1)}
    wells = dose_wells(1, curves=curves, sd=2).assign(
        t_cells=dose_wells(2, curves=of_cells, sd=50)["value"].clip(lower=1)
    )
    wells.drop(columns=["edge", "row", "column"]).to_csv(tmp_path / "P1.csv", index=False)
    cli.main(["screen", f"--table={tmp_path / 'P1.csv'}", f"--out={tmp_path / 'out'}"])
    assert "1 of 2 compounds respond to the dose: 9 (IC50 0." in capsys.readouterr().out
    assert (tmp_path / "out" / "report" / "index.html").exists()
    found = pd.read_parquet(tmp_path / "out" / "curves.parquet")
    assert found["compound"].tolist() == ["9", "10"]  # in the order of people
    first, second = found.to_dict("records")
    assert first["answer"] == "found" and second["answer"] == "no effect"
    assert first["half_um"] == pytest.approx(0.3, rel=0.5)
    assert first["t_cells_cells"] == "fall at the same doses"
    assert first["t_cells_answer"] == "found"
    assert first["t_cells_half_um"] == pytest.approx(0.3, rel=1)


def test_plates_are_measured_and_wells_called_empty_looked_at(tmp_path, capsys):
    plates, out = tmp_path / "plates", tmp_path / "out"
    simulate_plates(plates, rows=4, columns=4, field_size=256, layout="lot", droplet_share=0.0,
                    association={"Unstimulated": 0.0, "ConA": 0.6})  # fmt: skip
    layout = plates / "SIM01" / "wells.csv"
    wells = pd.read_csv(layout)
    emptied = wells[(wells["condition"] == "ConA") & (wells["role"] == "sample")].index[:1]
    wells.loc[emptied, ["role", "condition", "compound"]] = ["empty", "", ""]
    wells.to_csv(layout, index=False)
    cli.main(
        ["screen", f"--plates={plates}", f"--out={out}", "--config.measurement.granularity_steps=0"]
    )
    said = capsys.readouterr().out
    assert "1 of 1 well that the layout calls empty hold" in said
    found = pd.read_csv(out / "wells.csv").set_index("well")
    assert len(found) == 16 and found.loc[wells.loc[emptied[0], "well"], "t_cells"] > 20
    page = (out / "report" / "index.html").read_text()
    assert "Simulated plates." in page and (out / "measured" / "report" / "index.html").exists()


@pytest.mark.parametrize(
    "rows,columns,edges",
    [
        (range(1, 17), range(1, 25), 76),
        (range(2, 16), range(2, 24), 0),
        (range(1, 9), range(1, 13), 36),
        (range(2, 8), range(2, 12), 0),
        (range(1, 4), range(1, 5), 6),
    ],
)
def test_the_edge_is_that_of_the_physical_plate(rows, columns, edges):
    wells = pd.DataFrame(
        [("P", r, c) for r in rows for c in columns], columns=["plate", "row", "column"]
    )
    assert at_the_edge(wells).sum() == edges
