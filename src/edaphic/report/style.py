"""The look that all figures share, and their bytes: same figure, same bytes, whatever the user's own settings."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
PURPLE, YELLOW = "#CC79A7", "#B8A500"
GREY, PALE, INK = "#767676", "#E4E4E4", "#1A1A1A"
# 128 steps each, so that a map and its letters fit a palette of 256 colours.
VALUES, WIDTHS, DIFFERENCES, CHANCES = (
    matplotlib.colormaps[name].resampled(128) for name in ("viridis", "cividis", "RdBu_r", "PuOr_r")
)

WIDTH_IN = 5.0
DPI = 170
_COLOURS = 256
_MARGIN_PX = 6

_RC: dict[Any, Any] = {
    **{key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"},
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def styled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run a drawing function under the shared settings, whatever the user's own are."""

    @functools.wraps(function)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with matplotlib.rc_context(_RC):
            return function(*args, **kwargs)

    return inside


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, drawn without any global state."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


@styled
def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG of at most 256 colours, white rows above and below cut off, without time or software inside.

    Parameters
    ----------
    figure : Figure
        Any figure; its own size and resolution are used.

    Returns
    -------
    bytes, the same for the same figure.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[..., :3]  # type: ignore[no-untyped-call]
    indices, palette = with_palette(_without_margins(pixels))
    picture = Image.fromarray(indices)
    picture.putpalette(palette.tobytes())
    out = io.BytesIO()
    picture.save(out, format="PNG", optimize=True)
    return out.getvalue()


def _without_margins(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut white rows above and below the drawing: a map of fixed shape seldom fills its figure."""
    drawn = np.flatnonzero((pixels != 255).any(axis=(1, 2)))
    if drawn.size == 0:
        return pixels
    return pixels[max(0, int(drawn[0]) - _MARGIN_PX) : int(drawn[-1]) + 1 + _MARGIN_PX]


def with_palette(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Write a picture with its 256 most frequent colours; each rarer colour becomes the nearest of these.

    A palette makes noisy maps about three times lighter. The colours of maps are frequent (the colour bar alone shows
    each many times), so only the soft edges of letters and lines change, and those unseen.

    Parameters
    ----------
    pixels : ndarray of uint8 (height, width, 3)

    Returns
    -------
    (indices, palette) : uint8 (height, width) and uint8 (colours, 3)

    Examples
    --------
    >>> indices, palette = with_palette(np.array([[[9, 9, 9], [255, 0, 0], [9, 9, 9]]], dtype=np.uint8))
    >>> indices.tolist(), palette.tolist()
    ([[0, 1, 0]], [[9, 9, 9], [255, 0, 0]])
    """
    red, green, blue = (pixels[..., band].astype(np.uint32) for band in range(3))
    found, where, times = np.unique((red << 16) | (green << 8) | blue, return_inverse=True, return_counts=True)
    order = np.argsort(-times, kind="stable")
    colours = np.stack([found >> 16, (found >> 8) & 255, found & 255], axis=1)[order].astype(np.int64)
    palette, rare = colours[:_COLOURS], colours[_COLOURS:]
    nearest = [int(((palette - colour) ** 2).sum(axis=1).argmin()) for colour in rare]
    index_of = np.empty(len(found), dtype=np.uint8)
    index_of[order] = np.concatenate([np.arange(len(palette)), np.asarray(nearest, dtype=np.int64)])
    return index_of[where].reshape(pixels.shape[:2]), palette.astype(np.uint8)
