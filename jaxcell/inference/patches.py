"""A trained run over patches: predictions, scores of the images, codes, and small pictures."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from sklearn.decomposition import PCA

from jaxcell.analysis.scores import reconstruction
from jaxcell.dataset.batches import Examples
from jaxcell.inference.mapping import map_examples
from jaxcell.inference.trained import Run, by_own_masks, estimates
from jaxcell.models.autoencoder import Autoencoder
from jaxcell.models.interaction_unet import AMOUNTS, code

# What the raw images are reduced to, as a baseline that has learnt nothing; and the memory that the
# images from which the directions are found may take: a thousand patches of 192 x 192.
PIXEL_DIRECTIONS = 50
PIXEL_BYTES = 2**28


class EvaluatedPatches(NamedTuple):
    """Patches with what a run says of them.

    Attributes:
      patches: the examples' table of these rows with `predicted` (in the unit of `target`) and
        what else `estimates` gives, `bce`, `bce_floor` (nats), `psnr_db`, `ssim`.
      codes: float32 [N, latent size].
      places: number of places of a spatial code, whose channels come last; 1 for a dense one.
      raw_pixels: float32 [N, at most `PIXEL_DIRECTIONS`], the images' coordinates along their own
        directions of largest variance.
      intensity: float32 [N, 2], mean raw counts of each view.
      thumbnails: uint8 [N, s, s, 3], red, green and blue.
    """

    patches: pd.DataFrame
    codes: np.ndarray
    places: int
    raw_pixels: np.ndarray
    intensity: np.ndarray
    thumbnails: np.ndarray


def evaluate_patches(
    run: Run,
    examples: Examples,
    rows: np.ndarray,
    batch_size: int,
    thumbnail_side: int,
    colour: Callable[[Array], Array],
    seed: int,
    whose: str = "autoencoder",
) -> EvaluatedPatches:
    """Runs both networks over patches, each read once but for those that find the directions.

    Args:
      run, examples: the trained run, and what it is evaluated on.
      rows: int32 [N], which of them.
      batch_size: patches a batch.
      thumbnail_side: pixels.
      colour: gives images [B, s, s, 2] in [0, 1] their colours, [B, s, s, 3].
      seed: of the patches that the directions of the raw pixels are found from.
      whose: codes, the `autoencoder`'s or, of a network that learns the truth, the
        `regressor`'s, see `interaction_unet.code`.
    """
    mean, directions = _pixel_directions(examples, rows, batch_size, seed)
    autoencoder, regressor = run.models
    of_regressor = whose == "regressor"

    def evaluate(params: dict, batch: dict[str, Array]) -> dict[str, Array]:
        image = batch["image"]
        variables = {"params": params["autoencoder"]}
        estimated = estimates(regressor, params["regressor"], batch)
        if of_regressor:
            codes = code(jnp.stack([estimated[name] for name in AMOUNTS], axis=-1))
        else:
            codes = autoencoder.apply(variables, image, method="encode")
        return {
            **estimated,
            **by_own_masks(regressor, params["regressor"], batch),
            **reconstruction.scores(autoencoder.apply(variables, image), image),
            "code": codes,
            "raw_pixels": (image.reshape(len(image), -1) - params["mean"][None])
            @ params["directions"],
            "intensity": batch["counts"].astype(jnp.float32).mean(axis=(1, 2)),
            "thumbnail": _thumbnails(image, thumbnail_side, colour),
        }

    params = run.params | {"mean": mean, "directions": directions}
    values = map_examples(evaluate, params, examples, rows, batch_size, "evaluating")[0]
    scores = {k: value for k, value in values.items() if np.ndim(value) == 1 and k != "row"}
    return EvaluatedPatches(
        examples.table.iloc[rows].reset_index(drop=True).assign(**scores),
        values["code"],
        1 if of_regressor else math.prod(code_shape(run, examples.source[0]["image"].shape)[:-1]),
        values["raw_pixels"],
        values["intensity"],
        values["thumbnail"],
    )


def predict_patches(
    run: Run, examples: Examples, rows: np.ndarray, batch_size: int, words: str
) -> pd.DataFrame:
    """What the regressor says of some rows: the columns that `estimates` gives, in their order."""

    def predict(params: dict, batch: dict[str, Array]) -> dict[str, Array]:
        return estimates(run.models.regressor, params, batch)

    params = run.params["regressor"]
    found = map_examples(predict, params, examples, rows, batch_size, words)[0]
    return pd.DataFrame(found).drop(columns="row")


def label_patches(run: Run, examples: Examples, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """What each pixel of some rows most probably shows, of a network of truth.

    uint8 [N, H, W]: 0 nothing, 1 a T cell, 2 a dendritic cell, 3 both.
    """

    def find(params: dict, batch: dict[str, Array]) -> dict[str, Array]:
        regressor = run.models.regressor
        return {"labels": regressor.apply({"params": params}, batch["counts"], method="labels")}

    params, batch_size = run.params["regressor"], min(batch_size, len(rows))
    return map_examples(find, params, examples, rows, batch_size, "outlining")[0]["labels"]


def reconstruct_patches(
    run: Run, examples: Examples, rows: np.ndarray, batch_size: int, sizes: Sequence[int] = (0,)
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Originals of some rows and their reconstructions from codes of some sizes.

    Args:
      run, examples: the trained run, and where to read from.
      rows: int32 [N], which of them.
      batch_size: patches a batch, at most.
      sizes: as for `logits_of_size`.

    Returns:
      Originals, and by size their reconstructions, float32 [N, H, W, 2] each in [0, 1].
    """

    def reconstruct(params: dict, batch: dict[str, Array]) -> dict:
        image = batch["image"]
        logits = {size: logits_of_size(run.models.autoencoder, params, image, size)
                  for size in sizes}  # fmt: skip
        return {"image": image, "shown": jax.tree.map(jax.nn.sigmoid, logits)}

    params, batch_size = run.params["autoencoder"], min(batch_size, len(rows))
    values = map_examples(reconstruct, params, examples, rows, batch_size, "reconstructing")[0]
    return values["image"], values["shown"]


def logits_of_size(model: Autoencoder, params: dict, image: Array, size: int) -> Array:
    """Logits of reconstructions from the first numbers of their codes alone.

    Args:
      model, params: the autoencoder.
      image: float32 [B, H, W, 2] in [0, 1].
      size: how many numbers; 0: all.

    Returns:
      float32 [B, H, W, 2].
    """
    kept = jnp.full(len(image), size, jnp.int32) if size else None
    return model.apply({"params": params}, image, kept)


def code_shape(run: Run, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the code of an image [H, W, 2]: [h, w, channels] or [size]."""
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    params, model = {"params": run.params["autoencoder"]}, run.models.autoencoder
    code = jax.eval_shape(lambda x: model.apply(params, x, method=lambda m, x: m.encoder(x)), image)
    return code.shape[1:]


def _thumbnails(image: Array, side: int, colour: Callable[[Array], Array]) -> Array:
    """Images float32 [B, H, W, 2] as uint8 [B, side, side, 3]."""
    small = colour(jax.image.resize(image, (len(image), side, side, 2), "linear"))
    return jnp.round(255 * small).astype(jnp.uint8)


def _pixel_directions(
    examples: Examples, rows: np.ndarray, batch_size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean float32 [pixels] of the images and their main directions float32 [pixels, k]."""
    first = examples.source[int(rows[0])]["image"]
    count = min(len(rows), max(2, PIXEL_BYTES // (4 * first.size)))
    drawn = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    values, _ = map_examples(
        lambda _, batch: {"image": batch["image"]}, {}, examples, drawn, batch_size, "reading"
    )
    images = values["image"].reshape(count, -1)
    if count < 2:
        return images[0], np.zeros((images.shape[1], 1), np.float32)
    analysis = PCA(min(PIXEL_DIRECTIONS, count - 1), svd_solver="randomized", random_state=seed)
    analysis.fit(images)
    return analysis.mean_, np.ascontiguousarray(analysis.components_.T)
