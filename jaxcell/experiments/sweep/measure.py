"""What a trained member is worth: reconstruction, interaction, structure and cost, held out."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from ml_collections import ConfigDict

from jaxcell.analysis.answers import main_directions
from jaxcell.analysis.scores import reconstruction
from jaxcell.analysis.scores.summary import summarise
from jaxcell.analysis.structure.answer import CODES, structure
from jaxcell.compute.flops import operations
from jaxcell.dataset.batches import Examples
from jaxcell.experiments.sweep.members import Member
from jaxcell.inference.mapping import map_examples
from jaxcell.inference.patches import code_shape, logits_of_size, reconstruct_patches
from jaxcell.inference.trained import Run

# Only AUROC is wanted of the structure of a member's codes: no p, no intervals over wells.
PERMUTATIONS, BOOTSTRAPS = 99, 99


def measure(member: Member, run: Run, examples: Examples) -> list[dict]:
    """Scores of a member on the wells it held out, of a nested one at each of its sizes.

    Returns:
      Rows of the table of members: `latent_size`, `bce_excess` (nats), `psnr_db`, `ssim`,
      `rmse_over_sd`, `auroc` (of a linear probe on the code as it is, in the same folds of wells
      for every member; None where it cannot be said), `auroc_of_position` (of the better reader),
      `auroc_of_overlap`, `parameters`, `flops` (of one patch, forward), `train_seconds`,
      `code_bytes`, `validation_loss`.
    """
    patches = examples.table.iloc[examples.rows("test")].reset_index(drop=True)
    codes, scores_by_size = _evaluate(run, examples, sizes_of(member), member.config)
    cost = _cost(member.config, run)
    rows = []
    for size, scores in scores_by_size.items():
        of_size = patches.assign(**scores)
        summary = summarise(of_size, run.dataset["training_mean"])
        regressor, autoencoder = summary["regressor"], summary["autoencoder"]
        code = codes[:, :size] if size else codes
        answers = structure(
            {CODES: main_directions(code, member.seed)},
            of_size,
            permutations=PERMUTATIONS,
            bootstraps=BOOTSTRAPS,
        )["scores"]
        rows.append({
            "latent_size": code.shape[1],
            **{name: autoencoder[name] for name in ("bce_excess", "psnr_db", "ssim")},
            "rmse_over_sd": _ratio(regressor["rmse"], regressor["sd_true"]),
            "auroc": _auroc(answers, CODES),
            "auroc_of_position": _auroc(answers, "position", ("probe", "neighbours")),
            "auroc_of_overlap": _auroc(answers, "overlap"),
            "code_bytes": 4 * code.shape[1],
            **cost,
        })  # fmt: skip
    return rows


def pictures(
    member: Member, run: Run, examples: Examples, rows: np.ndarray
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Some rows of its examples as float32 [P, H, W, 2] in [0, 1], and by size of code their
    reconstructions, alike."""
    batch_size = member.config.evaluation.batch_size
    originals, shown = reconstruct_patches(run, examples, rows, batch_size, sizes_of(member))
    whole = math.prod(code_shape(run, originals.shape[1:]))
    return originals, {size or whole: images for size, images in shown.items()}


def sizes_of(member: Member) -> list[int]:
    """The sizes at which a member is judged; 0 stands for its whole code."""
    return list(member.config.model.nested_sizes) or [0]


def _evaluate(
    run: Run, examples: Examples, sizes: list[int], config: ConfigDict
) -> tuple[np.ndarray, dict[int, dict[str, np.ndarray]]]:
    """Whole codes of the held-out patches and, by size of code, the scores of each patch."""
    autoencoder, regressor = run.models
    of_codes = config.model.regression == "dense"

    def evaluate(params: dict, batch: dict[str, Array]) -> dict:
        image, scores = batch["image"], {}
        for size in sizes:
            kept = {"kept": jnp.full(len(image), size, jnp.int32)} if size and of_codes else {}
            logits = logits_of_size(autoencoder, params["autoencoder"], image, size)
            scores[size] = {
                "predicted": regressor.apply({"params": params["regressor"]}, image, **kept),
                **reconstruction.scores(logits, image),
            }
        variables = {"params": params["autoencoder"]}
        code = autoencoder.apply(variables, image, method="encode")
        return {"code": code, "scores": scores}

    rows, batch_size = examples.rows("test"), config.evaluation.batch_size
    values = map_examples(evaluate, run.params, examples, rows, batch_size, "measuring")[0]
    return values["code"], values["scores"]


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
