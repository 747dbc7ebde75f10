"""Fields in other pixels: to the size that a method knows cells at, and what it finds back."""

import numpy as np

# Sizes of a pixel that differ by less than this share count as one: no cell notices.
SAME_PIXEL = 0.05


def resampled(views: np.ndarray, zoom: float, order: int = 1) -> np.ndarray:
    """Views of a field with other pixels: means over their area where they grow, else splines.

    Args:
      views: uint16 [H, W, C].
      zoom: how many pixels one pixel becomes along a side.
      order: of the spline where pixels shrink; 1 is linear, 3 keeps edges sharper.

    Returns:
      uint16 [H zoom, W zoom, C], rounded.
    """
    # Not on import: scikit-image's transforms take a quarter of a second.
    from skimage.transform import resize, resize_local_mean

    size = tuple(max(1, round(zoom * side)) for side in views.shape[:2])
    planes = np.moveaxis(views, -1, 0).astype(np.float32)
    if zoom < 1:
        planes = [resize_local_mean(plane, size, preserve_range=True) for plane in planes]
    else:
        planes = [
            resize(plane, size, order=order, mode="edge", preserve_range=True) for plane in planes
        ]
    whole = np.rint(np.stack(planes, axis=-1)).clip(0, np.iinfo(np.uint16).max)
    return whole.astype(np.uint16)


def nearest(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask or labels of a resampled field, [h, w], in the pixels of the field itself.

    Args:
      image: [h, w].
      shape: H, W.

    Returns:
      [H, W], of each pixel what the nearest has.
    """
    rows, columns = (
        ((np.arange(side) + 0.5) * own / side).astype(int)
        for side, own in zip(shape, image.shape, strict=True)
    )
    return image[np.ix_(rows, columns)]
