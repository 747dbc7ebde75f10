"""One field of 100 million pixels is measured in less than 4 GiB."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
from tiny_plates import ROOT

from jaxcell.simulator.plates import simulate_plates

SIDE = 10_000
# Runs a command and prints what it had at most in memory, KiB.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@pytest.mark.slow
def test_a_field_of_100_million_pixels_is_measured_in_4_gib(tmp_path):
    simulate_plates(tmp_path / "simulated", plates=1, rows=1, columns=3, field_size=SIDE // 5)
    plates = tmp_path / "plates"
    plates.mkdir()
    images = []
    for view in ("FITC", "TexasRed"):
        (path, *_) = sorted((tmp_path / "simulated").rglob(f"*- 02*wv {view}*.tif"))
        tifffile.imwrite(plates / f"{view}.tif", np.tile(tifffile.imread(path), (5, 5)))
        images.append({"plate": "P", "well": "A02", "field": 1, "view": view,
                       "path": f"{view}.tif"})  # fmt: skip
    pd.DataFrame(images).to_csv(plates / "images.csv", index=False)
    well = {"plate": "P", "well": "A02", "condition": "ConA", "compound": "DMSO",
            "concentration_um": np.nan, "role": "vehicle"}  # fmt: skip
    pd.DataFrame([well]).to_csv(plates / "wells.csv", index=False)
    words = [sys.executable, "-m", "jaxcell.cli", "measure", plates, f"--out={tmp_path / 'out'}"]
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True,
                          cwd=ROOT)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.rpartition("peak")[2]) < 4 * 2**20
    wells = pd.read_csv(tmp_path / "out" / "wells.csv")
    assert wells["t_cells"].item() > 1000
    assert "could not be drawn" not in (tmp_path / "out" / "report" / "index.html").read_text()
