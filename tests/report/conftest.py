"""A made-up evaluation that looks like a real one: tables, images, histories."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.answers import answer
from jaxcell.analysis.intervals.conformal import calibrate, fit_scale, well_numbers
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.interaction.page import Images

# Share of patches exactly 0, and scale of the others in percent: as on the plate CK19.
SPREAD = {"Unstimulated": (0.63, 2.7), "OVA": (0.54, 3.1), "ConA": (0.34, 5.7)}


@pytest.fixture(scope="session")
def make_patches():
    """Function (conditions, wells a condition, patches a well) -> table of patches."""
    return synthetic_patches


@pytest.fixture(scope="session")
def make_report_arguments():
    """Function (patches) -> keyword arguments of write_report."""
    return report_arguments


@pytest.fixture(scope="session")
def ask_questions():
    """Function (patches, codes) -> the answers."""
    return ask


def synthetic_patches(conditions=tuple(SPREAD), wells=4, each=25, plates=1, seed=0) -> pd.DataFrame:
    """A table of patches, conditions in blocks of columns."""
    random = np.random.default_rng(seed)
    tables = []
    for plate in range(plates):
        for block, condition in enumerate(conditions):
            zeros, scale = SPREAD.get(condition, (0.5, 3.0))
            for index in range(wells):
                row, column = index % 16, 8 * block + index // 16 + 2 * (index % 3)
                true = random.exponential(scale, each) * random.lognormal(0, 0.3)
                true[random.random(each) < zeros] = 0
                faulty = random.random(each) < 0.02
                true[faulty] = 0
                noise = random.normal(0, 0.25 + 0.12 * true)
                floor = random.uniform(0.05, 0.1, each)
                tables.append(
                    pd.DataFrame(
                        {
                            "plate": f"SIM{plate + 1:02d}",
                            "well": f"{chr(65 + row)}{column + 1:02d}",
                            "row": row,
                            "column": column,
                            "condition": condition,
                            "compound": "DMSO",
                            "concentration_um": np.nan,
                            "role": "vehicle",
                            "field": 1,
                            "y": 192 * (np.arange(each) // 10),
                            "x": 192 * (np.arange(each) % 10),
                            "faulty": faulty,
                            "overlap": true.astype(np.float32),
                            "target": true.astype(np.float32),
                            "predicted": np.maximum(0.93 * true + noise, 0).astype(np.float32),
                            "bce": (floor + random.uniform(0.002, 0.01, each)).astype(np.float32),
                            "bce_floor": floor.astype(np.float32),
                            "psnr_db": random.normal(27, 2, each).astype(np.float32),
                            "ssim": random.uniform(0.7, 0.95, each).astype(np.float32),
                        }
                    )
                )
    return pd.concat(tables, ignore_index=True)


def report_arguments(patches: pd.DataFrame, target: Quantity = OVERLAP, size: int = 24) -> dict:
    """Keyword arguments of write_report for a table of patches."""
    random = np.random.default_rng(1)
    codes = random.normal(size=(len(patches), 16)).astype(np.float32)
    codes[:, 0] += patches["target"]
    names = [name for name in dict.fromkeys(patches["condition"]) if isinstance(name, str)]
    images = random.uniform(size=(6, size, size, 2)).astype(np.float32)
    captions = [f"SIM01 B0{place}\n{place} → 7 %" for place in range(6)]
    thumbnails = random.integers(0, 256, (len(patches), 16, 16, 3), np.uint8)
    return {
        "metrics": {
            "seed": 0,
            "split": "well",
            "target": target._asdict(),
            "wells": {"train": 48, "validation": 8, "test": 12},
        },
        "answers": ask(patches, codes, target),
        "codes": codes,
        "histories": {
            name: history(scale) for name, scale in (("autoencoder", 0.09), ("regressor", 9.0))
        },
        "images": Images(
            {name: (images, 0.8 * images, np.arange(6.0)) for name in names},
            (images, captions),
            (images, captions),
            thumbnails,
            None,
            192,
        ),
        "findings": [
            (
                "missing_view",
                "CK91",
                "B03",
                "/plates/CK91/CK91 - B - 03.tif",
                "no TexasRed image of field 1",
                "export the view again",
            )
        ],
        "config": {"seed": 0, "data": {"window": 192, "stride": 192, "views": {"t_cell": "FITC"}}},
        "title": "Synthetic plate",
        "simulated": True,
    }


def ask(patches: pd.DataFrame, codes: np.ndarray, target: Quantity = OVERLAP):
    """The answers of a table of patches, calibrated on another one."""
    other = synthetic_patches(wells=5, seed=1)
    truth, predicted = other["target"].to_numpy(), other["predicted"].to_numpy()
    scale = fit_scale(predicted, predicted - truth)
    return answer(
        patches,
        codes,
        {"raw-pixel PCA": codes[:, 8:]},
        places=4,
        target=target,
        calibrations=[
            (calibrate(well_numbers(other), truth, predicted, scale), np.ones(len(patches), bool))
        ],
        level=0.9,
        methods=("PCA",),
        standardise=False,
        seed=0,
    )


def history(scale: float, epochs: int = 20) -> list[dict]:
    """Rows as in metrics.jsonl, the learning rate stepping down once."""
    return [
        {
            "epoch": epoch,
            "step": 40 * epoch,
            "train_loss": scale * (1 + 3 * np.exp(-epoch / 3)),
            "validation_loss": scale * (1.1 + 3 * np.exp(-epoch / 3)),
            "learning_rate": 1e-3 if epoch < 12 else 2e-4,
        }
        for epoch in range(1, epochs + 1)
    ]
