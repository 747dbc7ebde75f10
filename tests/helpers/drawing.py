"""What the tests of figures read off a drawn figure: how much is on it, and its words."""

import io

import numpy as np
from matplotlib.text import Text


def ink(figure) -> float:
    """Share of pixels that are not white, after a full drawing."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=40, format="raw")
    pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, 4)[:, :3]
    return float((pixels < 250).any(axis=1).mean())


def words(figure) -> str:
    """All text in a figure, lines joined."""
    return " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")


def pixel_at(axes, x: float, y: float) -> np.ndarray:
    """The colour, float [3] in [0, 1], that is drawn at a place of the axes."""
    figure = axes.figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=figure.dpi)
    width, height = figure.canvas.get_width_height()
    pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)
    right, up = axes.transData.transform((x, y))
    return pixels[height - 1 - int(up), int(right), :3] / 255
