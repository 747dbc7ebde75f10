"""Fields larger than a network can take at once: tiles whose answers meet without a seam."""

from collections.abc import Callable

import numpy as np
from jax import Array


def place_tiles(length: int, limit: int, reach: int, multiple: int) -> tuple[int, list[int]]:
    """Fewest tiles that cover a side of a field, each with `reach` pixels to spare inside it.

    Args:
      length: of the side in pixels, a multiple of `multiple`.
      limit: longest tile in pixels.
      reach: pixels at an inner edge of a tile whose answers its neighbour gives.
      multiple: lengths and starts of tiles are multiples of it.

    Returns:
      The tiles' length and where each starts; the last one ends where the side does.

    Raises:
      ValueError: the limit leaves no room between two reaches.
    """
    if length <= limit:
        return length, [0]
    if limit < 2 * reach + multiple:
        raise ValueError(
            f"tiles of {limit} pixels are too small for a network that looks {reach} pixels far: "
            f"use at least {2 * reach + multiple}"
        )
    count = 1
    tile = length
    while tile > limit:
        count += 1
        tile = -(-(length + 2 * reach * (count - 1)) // (count * multiple)) * multiple
    step = tile - 2 * reach
    return tile, [min(number * step, length - tile) for number in range(count)]


def apply_in_tiles(
    apply: Callable[[np.ndarray], Array],
    image: np.ndarray,
    *,
    limit: int,
    reach: int,
    multiple: int,
) -> np.ndarray:
    """Runs a network over a field of any size, as if in one piece.

    Args:
      apply: float32 [1, h, w, C] -> [1, h, w, K], the same at every place; compiled once, since all
        tiles have one size.
      image: float32 [H, W, C].
      limit: longest side of a tile in pixels.
      reach: how far the network looks in pixels, a multiple of `multiple`.
      multiple: of which the network wants its sides; a field that is not one is mirrored beyond
        its lower and right edge and the answer cropped.

    Returns:
      float32 [H, W, K].
    """
    height, width = image.shape[:2]
    image = np.pad(image, ((0, -height % multiple), (0, -width % multiple), (0, 0)), "symmetric")
    tall, tops = place_tiles(image.shape[0], limit, reach, multiple)
    wide, lefts = place_tiles(image.shape[1], limit, reach, multiple)
    result = None
    for top in tops:
        for left in lefts:
            answer = np.asarray(apply(image[None, top : top + tall, left : left + wide]))[0]
            if result is None:
                result = np.empty((*image.shape[:2], answer.shape[-1]), np.float32)
            # Inner edges are the neighbour's; what two tiles both know is the same.
            y, x = (reach if top else 0), (reach if left else 0)
            result[top + y : top + tall, left + x : left + wide] = answer[y:, x:]
    return result[:height, :width]
