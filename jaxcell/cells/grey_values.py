"""How often each grey value occurs."""

import numpy as np

# Pixels counted at a time: each is a whole number of 8 bytes meanwhile.
AT_A_TIME = 2**23


def count_values(image: np.ndarray) -> np.ndarray:
    """Counts the pixels of every grey value, in little memory whatever the size of the image.

    Args:
      image: uint8 or uint16, of any shape.

    Returns:
      int64 [highest value + 1]; [0] of no pixel.
    """
    pixels = image.ravel()
    parts = range(0, pixels.size, AT_A_TIME)
    length = int(pixels.max(initial=0)) + 1 if pixels.size else 0
    counts = np.zeros(length, np.int64)
    for start in parts:
        counts += np.bincount(pixels[start : start + AT_A_TIME], minlength=length)
    return counts
