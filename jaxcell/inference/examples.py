"""A trained run over patches: predictions, scores of the images, codes, and small pictures."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from sklearn.decomposition import PCA
from tqdm import tqdm

from jaxcell.analysis.scores import reconstruction
from jaxcell.compute import chunks
from jaxcell.compute.sharding import make_shardings
from jaxcell.dataset.batches import Examples, evaluation_batches, prepare
from jaxcell.inference.trained import Run

# What the raw images are reduced to, as a baseline that has learnt nothing; and the memory that the
# images from which the directions are found may take: a thousand patches of 192 x 192.
PIXEL_DIRECTIONS = 50
PIXEL_BYTES = 2**28


class Seen(NamedTuple):
    """What a run says of patches.

    Attributes:
      patches: the examples' table of these rows with `predicted` (in the unit of `target`), `bce`,
        `bce_floor` (nats), `psnr_db`, `ssim`.
      codes: float32 [N, latent size].
      places: number of places of a spatial code, whose channels come last; 1 for a dense one.
      raw_pixels: float32 [N, at most `PIXEL_DIRECTIONS`], the images' coordinates along their own
        directions of largest variance.
      intensity: float32 [N, 2], mean raw counts of each view.
      thumbnails: uint8 [N, s, s, 3], dendritic cells red, T cells green.
    """

    patches: pd.DataFrame
    codes: np.ndarray
    places: int
    raw_pixels: np.ndarray
    intensity: np.ndarray
    thumbnails: np.ndarray


def look(
    run: Run, examples: Examples, rows: np.ndarray, batch_size: int, thumbnail_side: int, seed: int
) -> Seen:
    """Runs both networks over patches, each read once but for those that find the directions.

    Args:
      run: the trained run.
      examples: where to read from.
      rows: int32 [N], which of them.
      batch_size: patches a batch.
      thumbnail_side: pixels.
      seed: of the patches that the directions of the raw pixels are found from.

    Returns:
      What is said of them, in the order of `rows`.
    """
    mean, directions = _pixel_directions(examples, rows, seed)

    def see(params: dict, raw: dict) -> dict[str, Array]:
        image = prepare({}, raw)["image"]
        variables = {"params": params["autoencoder"]}
        logits = run.models.autoencoder.apply(variables, image)
        shown = jax.nn.sigmoid(logits)
        side = (len(image), thumbnail_side, thumbnail_side, 2)
        small = jnp.clip(jax.image.resize(image, side, "linear"), 0, 1)
        small = jnp.stack([small[..., 1], small[..., 0], jnp.zeros_like(small[..., 0])], axis=-1)
        return {
            "predicted": run.models.regressor.apply({"params": params["regressor"]}, image),
            "bce": reconstruction.binary_cross_entropy(logits, image),
            "bce_floor": reconstruction.entropy_floor(image),
            "psnr_db": reconstruction.psnr_db(shown, image),
            "ssim": reconstruction.ssim(shown, image),
            "code": run.models.autoencoder.apply(variables, image, method="encode"),
            "raw_pixels": (image.reshape(len(image), -1) - params["mean"][None])
            @ params["directions"],
            "intensity": raw["image"].astype(jnp.float32).mean(axis=(1, 2)),
            "thumbnail": jnp.round(255 * small).astype(jnp.uint8),
        }

    shardings = make_shardings(batch_size)
    step = chunks.jitted(see, shardings)
    params = run.params | {"mean": mean, "directions": directions}
    params = jax.device_put(params, shardings.replicated)
    parts: list[dict] = []
    for raw, real in _streamed(examples, rows, batch_size, "evaluating"):
        values = jax.device_get(step(params, raw))
        parts.append({name: array[real] for name, array in values.items()})
    # Taken out as they are joined: codes and thumbnails of a screen fill gigabytes.
    whole = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    scores = ("predicted", "bce", "bce_floor", "psnr_db", "ssim")
    table = examples.table.iloc[rows].reset_index(drop=True)
    return Seen(
        table.assign(**{name: whole[name] for name in scores}),
        whole["code"],
        _places(run, examples),
        whole["raw_pixels"],
        whole["intensity"],
        whole["thumbnail"],
    )


def predict(run: Run, examples: Examples, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """The regressor's answers, float32 [N], to some rows, in the unit of the target."""

    def answer(params: dict, raw: dict) -> Array:
        return run.models.regressor.apply({"params": params}, prepare({}, raw)["image"])

    shardings = make_shardings(batch_size)
    step = chunks.jitted(answer, shardings)
    params = jax.device_put(run.params["regressor"], shardings.replicated)
    answers = [
        jax.device_get(step(params, raw))[real]
        for raw, real in _streamed(examples, rows, batch_size, "calibrating")
    ]
    return np.concatenate(answers)


def reconstructions(
    run: Run, examples: Examples, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Originals and their reconstructions, float32 [N, H, W, 2] each in [0, 1], of some rows."""

    @jax.jit
    def step(params: dict, raw: dict) -> tuple[Array, Array]:
        image = prepare({}, raw)["image"]
        logits = run.models.autoencoder.apply({"params": params["autoencoder"]}, image)
        return image, jax.nn.sigmoid(logits)

    raw = next(evaluation_batches(examples._replace(images=None), rows, len(rows))())
    return jax.device_get(step(run.params, raw))


def _streamed(
    examples: Examples, rows: np.ndarray, batch_size: int, words: str
) -> Iterator[tuple[dict, np.ndarray]]:
    """Batches that carry their images, and which of each are real, behind a progress bar."""
    streamed = examples._replace(images=None)
    batches = evaluation_batches(streamed, rows, batch_size)
    with tqdm(total=len(rows), desc=words, unit=" patches", dynamic_ncols=True) as bar:
        for raw in batches():
            real = raw["weight"] > 0
            yield raw, real
            bar.update(int(real.sum()))


def _places(run: Run, examples: Examples) -> int:
    """Places of the spatial code: its shape but for the channels."""
    height, width = examples.source[0]["image"].shape[:2]
    image = jax.ShapeDtypeStruct((1, height, width, 2), jnp.float32)
    params = {"params": run.params["autoencoder"]}
    model = run.models.autoencoder
    code = jax.eval_shape(lambda x: model.apply(params, x, method=lambda m, x: m.encoder(x)), image)
    return int(np.prod(code.shape[1:-1]))


def _pixel_directions(
    examples: Examples, rows: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean float32 [pixels] of the images and their main directions float32 [pixels, k]."""
    first = examples.source[int(rows[0])]["image"]
    count = min(len(rows), max(2, PIXEL_BYTES // (4 * first.size)))
    drawn = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    raw = next(evaluation_batches(examples._replace(images=None), drawn, count)())
    images = np.asarray(prepare({}, raw)["image"]).reshape(count, -1)
    if count < 2:
        return images[0], np.zeros((images.shape[1], 1), np.float32)
    analysis = PCA(min(PIXEL_DIRECTIONS, count - 1), svd_solver="randomized", random_state=seed)
    analysis.fit(images)
    return analysis.mean_, np.ascontiguousarray(analysis.components_.T)
