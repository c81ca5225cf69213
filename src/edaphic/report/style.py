"""The look that all figures share, and their bytes: same figure, same bytes, whatever the user's matplotlib settings."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
GREY, PALE, INK = "#767676", "#E4E4E4", "#1A1A1A"
VALUES, WIDTHS, DIFFERENCES = "viridis", "cividis", "RdBu_r"

WIDTH_IN = 5.8
DPI = 150
_COLOURS = 256

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
    """The figure as a PNG of at most 256 colours, without time or software inside.

    Parameters
    ----------
    figure : Figure
        Any figure; its own size and resolution are used.

    Returns
    -------
    bytes, the same for the same figure.
    """
    raw = io.BytesIO()
    figure.savefig(raw, format="rgba", dpi=figure.dpi)
    size = FigureCanvasAgg(figure).get_width_height()
    flat = Image.frombytes("RGBA", size, raw.getvalue()).convert("RGB")
    # A palette makes noisy maps about three times lighter; without dithering equal values keep equal colours.
    small = flat.quantize(colors=_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, format="PNG", optimize=True)
    return out.getvalue()
