"""Two sensors beside each other: a panel for each band, the density of the pairs, the 1:1 line and the line of the fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from edaphic.report.style import BLACK, BLUE, DPI, VALUES, VERMILION, styled
from edaphic.report.words import number

_FEW = 300
_COLUMNS = 3
_SIDE_IN = 2.45


@dataclass(frozen=True)
class Panel:
    """One band of a pair of sensors: pairs without NaN, and the line y = slope x + intercept."""

    title: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    slope: float
    intercept: float
    correlation: float
    x_label: str
    y_label: str


@styled
def sensor_panels(panels: Sequence[Panel], columns: int = _COLUMNS) -> Figure:
    """Panels in rows; with six bands of two pairs of sensors the figure of twelve panels of the first paper.

    Parameters
    ----------
    panels : sequence of Panel
    columns : int
        Panels in a row.

    Returns
    -------
    Figure
        Counts of pairs in hexagons on one scale; points where a panel has fewer than 300 pairs. One in a thousand pairs at either end may
        lie beyond the axes, so that the others can be seen.
    """
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(columns * _SIDE_IN + 0.1, rows * (_SIDE_IN + 0.65) + 0.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    cells = [_draw(axis, panel) for axis, panel in zip(axes, panels, strict=False)]
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    dense = [one for one in cells if one is not None]
    if dense:
        norm = LogNorm(1, max(2.0, max(float(one.get_array().max()) for one in dense)))  # type: ignore[union-attr]
        for one in dense:
            one.set_norm(norm)
        drawn = [axis for axis, one in zip(axes, cells, strict=False) if one is not None]
        bar = figure.colorbar(dense[0], ax=drawn, location="bottom", shrink=0.6, aspect=40, label="pairs in a hexagon")
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.xaxis.set_minor_formatter(NullFormatter())
    return figure


def _draw(axes: Axes, panel: Panel) -> PolyCollection | None:
    low, high = _limits(panel.x, panel.y)
    cells = None
    if len(panel.x) < _FEW:
        axes.scatter(panel.x, panel.y, s=9, color=BLUE, alpha=0.5, linewidths=0)
    else:
        cells = axes.hexbin(panel.x, panel.y, gridsize=44, mincnt=1, cmap=VALUES, linewidths=0.1, extent=(low, high, low, high))
    ends = np.array([low, high])
    axes.plot(ends, ends, color=BLACK, linewidth=1.1, linestyle="--", label="1:1 line")
    axes.plot(ends, panel.slope * ends + panel.intercept, color=VERMILION, linewidth=1.7, label="fitted line")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_title(panel.title, pad=30)
    axes.set_xlabel(panel.x_label, fontsize=9)
    axes.set_ylabel(panel.y_label, fontsize=9)
    axes.tick_params(labelsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
    axes.grid(True)
    sign = "+" if panel.intercept >= 0 else "−"
    # Above the axes: inside them the words would hide pairs.
    text = f"y = {number(panel.slope)} x {sign} {number(abs(panel.intercept))}\nr = {panel.correlation:.3f}, n = {len(panel.x):,}"
    axes.text(0.0, 1.02, text, transform=axes.transAxes, va="bottom", fontsize=8.5)
    return cells


def _limits(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of both axes.

    >>> _limits(np.array([0.0, 1.0]), np.array([0.5, 2.0]))
    (-0.1, 2.1)
    """
    ends = np.array([np.quantile(part, [0.001, 0.999], method="nearest") for part in (x, y)])
    low, high = float(ends.min()), float(ends.max())
    edge = 0.05 * (high - low) or 1.0
    return low - edge, high + edge
