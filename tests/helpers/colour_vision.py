"""How colours look to eyes that lack one kind of cone, and how far apart they then are."""

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0: applied to linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def seen(colours: np.ndarray, vision: str) -> np.ndarray:
    """sRGB colours, float [..., 3] in [0, 1], as one of `VISIONS` sees them."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ VISIONS[vision].T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def difference(first: np.ndarray, second: np.ndarray, vision: str) -> float:
    """CIEDE2000 between two sRGB colours, float [3] in [0, 1]: below about 2 nobody sees any."""
    pair = [rgb2lab(seen(np.asarray(colour, float), vision)) for colour in (first, second)]
    return float(deltaE_ciede2000(*pair))
