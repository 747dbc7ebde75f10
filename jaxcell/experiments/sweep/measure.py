"""What a trained member is worth: reconstruction, interaction, structure and cost, held out."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.analysis.answers import main_directions
from jaxcell.analysis.scores import reconstruction
from jaxcell.analysis.scores.summary import summarise
from jaxcell.analysis.structure.answer import CODES, structure
from jaxcell.compute.flops import operations
from jaxcell.dataset.batches import Examples, device_data, evaluation_batches, prepare
from jaxcell.experiments.sweep.members import Member
from jaxcell.inference.trained import Run

# Only AUROC is wanted of the structure of a member's codes: no p, no intervals over wells.
PERMUTATIONS, BOOTSTRAPS = 99, 99


def measure(member: Member, run: Run, examples: Examples) -> list[dict]:
    """Scores of a member on the wells it held out, of a nested one at each of its sizes.

    Args:
      member: which.
      run: it, trained.
      examples: of its data set.

    Returns:
      Rows of the table of members: `latent_size`, `bce_excess` (nats), `psnr_db`, `ssim`,
      `rmse_over_sd`, `auroc` (of a linear probe on the code as it is, in the same folds of wells
      for every member; None where it cannot be said), `auroc_of_position` (of the better reader),
      `auroc_of_overlap`, `parameters`, `flops` (of one patch, forward), `train_seconds`,
      `code_bytes`, `validation_loss`.
    """
    seen, codes, patches = _look(run, examples, sizes_of(member), member.config)
    cost = _cost(member.config, run)
    rows = []
    for kept, scores in seen.items():
        of_size = patches.assign(**scores)
        summary = summarise(of_size, run.dataset["training_mean"])
        regressor, autoencoder = summary["regressor"], summary["autoencoder"]
        code = codes[:, :kept] if kept else codes
        told = structure(
            {CODES: main_directions(code, member.seed)},
            of_size,
            permutations=PERMUTATIONS,
            bootstraps=BOOTSTRAPS,
        )["scores"]
        rows.append({
            "latent_size": code.shape[1],
            **{name: autoencoder[name] for name in ("bce_excess", "psnr_db", "ssim")},
            "rmse_over_sd": _ratio(regressor["rmse"], regressor["sd_true"]),
            "auroc": _auroc(told, CODES),
            "auroc_of_position": _auroc(told, "position", ("probe", "neighbours")),
            "auroc_of_overlap": _auroc(told, "overlap"),
            "code_bytes": 4 * code.shape[1],
            **cost,
        })  # fmt: skip
    return rows


def pictures(
    member: Member, run: Run, examples: Examples, rows: np.ndarray
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Patches and their reconstructions.

    Args:
      member: which.
      run: it, trained.
      examples: of its data set.
      rows: int [P], which patches.

    Returns:
      Originals float32 [P, H, W, 2] in [0, 1], and by size of code their reconstructions, alike.
    """
    raw = next(evaluation_batches(examples._replace(images=None), rows, len(rows))())
    image = jnp.asarray(prepare({}, raw)["image"])
    size = run.models.autoencoder.apply(
        {"params": run.params["autoencoder"]}, image, method="encode"
    ).shape[1]
    shown = {
        kept or size: np.asarray(jax.nn.sigmoid(_logits(run, run.params, image, kept)))
        for kept in sizes_of(member)
    }
    return np.asarray(image), shown


def sizes_of(member: Member) -> list[int]:
    """The sizes at which a member is judged; 0 stands for its whole code."""
    return list(member.config.model.nested_sizes) or [0]


def _look(
    run: Run, examples: Examples, sizes: list[int], config: ConfigDict
) -> tuple[dict[int, dict[str, np.ndarray]], np.ndarray, pd.DataFrame]:
    """By size of code what is said of each held-out patch; whole codes; the patches."""
    regressor, batch_size = run.models.regressor, config.evaluation.batch_size
    from_codes = config.model.regression == "dense"

    @jax.jit
    def step(params: dict, data: dict, raw: dict) -> tuple[dict, Array]:
        image = prepare(data, raw)["image"]
        code = run.models.autoencoder.apply(
            {"params": params["autoencoder"]}, image, method="encode"
        )
        result = {}
        for kept in sizes:
            logits = _logits(run, params, image, kept)
            shown = jax.nn.sigmoid(logits)
            cut = {"kept": _everywhere(kept, image)} if kept and from_codes else {}
            result[kept] = {
                "bce": reconstruction.binary_cross_entropy(logits, image),
                "bce_floor": reconstruction.entropy_floor(image),
                "psnr_db": reconstruction.psnr_db(shown, image),
                "ssim": reconstruction.ssim(shown, image),
                "predicted": regressor.apply({"params": params["regressor"]}, image, **cut),
            }
        return result, code

    rows, data = examples.rows("test"), jax.device_put(device_data(examples))
    parts = []
    for raw in tqdm(
        evaluation_batches(examples, rows, batch_size)(),
        desc="measuring",
        unit=" batches",
        dynamic_ncols=True,
    ):
        real = raw["weight"] > 0
        values = jax.device_get(step(run.params, data, raw))
        parts.append(jax.tree.map(lambda array, real=real: array[real], values))
    seen, codes = jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)
    return seen, codes, examples.table.iloc[rows].reset_index(drop=True)


def _logits(run: Run, params: dict, image: Array, kept: int) -> Array:
    variables = {"params": params["autoencoder"]}
    if not kept:
        return run.models.autoencoder.apply(variables, image)
    return run.models.autoencoder.apply(variables, image, _everywhere(kept, image))


def _everywhere(kept: int, image: Array) -> Array:
    return jnp.full(len(image), kept, jnp.int32)


def _cost(config: ConfigDict, run: Run) -> dict:
    """What a member cost, and what it costs to use."""
    params, window = run.params["autoencoder"], config.dataset.window
    image = jax.ShapeDtypeStruct((1, window, window, 2), jnp.float32)
    return {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "flops": operations(run.models.autoencoder.apply, {"params": params}, image),
        "train_seconds": sum(row["seconds"] for rows in run.histories.values() for row in rows),
        "validation_loss": min(row["validation_loss"] for row in run.histories["autoencoder"]),
    }


def _ratio(value: float | None, unit: float | None) -> float | None:
    return value / unit if value is not None and unit else None


def _auroc(scores: dict, name: str, readers: tuple[str, ...] = ("probe",)) -> float | None:
    found = [scores.get(name, {}).get(reader) for reader in readers]
    return max((reading["auroc"] for reading in found if reading), default=None)
