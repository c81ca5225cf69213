"""Figures of stocks: area by class, shares and profiles by depth, means by period beside published ones."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from edaphic.report.diagnostic_figures import COLOURS
from edaphic.report.figures import legend_above
from edaphic.report.folder import records
from edaphic.report.style import BLACK, BLUE, DPI, SKY, VALUES, WIDTH_IN, new_figure, styled
from edaphic.report.words import layer_text, period_words, unit_text

_LEAST_LABEL = 0.06
"""Parts of a bar below this share bear no number."""


@styled
def area_shares(table: pd.DataFrame, *, unit: str, title: str) -> Figure:
    """Share of the area in each class of stock, a bar for each map.

    Parameters
    ----------
    table : DataFrame
        Of :func:`edaphic.account.describe.transects.area_by_class`.
    unit, title : str

    Returns
    -------
    Figure
    """
    names = list(dict.fromkeys(table["map"]))
    classes = list(dict.fromkeys(zip(table["low"], table["high"], strict=True)))
    figure, axes = new_figure(1.5 + 0.22 * ((len(classes) + 2) // 3) + 0.42 * len(names))
    shades = VALUES(np.linspace(0.95, 0.08, len(classes)))
    left = np.zeros(len(names))
    for shade, (low, high) in zip(shades, classes, strict=True):
        rows = table[(table["low"] == low) & (table["high"] == high)].set_index("map")["share"].reindex(names)
        share = np.nan_to_num(rows.to_numpy(dtype=np.float64))
        axes.barh(range(len(names)), share, left=left, color=shade, height=0.72, label=class_text(low, high))
        _numbers(axes, share, left, shade)
        left = left + share
    _share_axis(axes, [period_words(str(name)) for name in names])
    axes.set_xlabel(f"share of the area, by class of stock ({unit_text(unit)})")
    legend_above(axes, title, columns=3)
    return figure


def class_text(low: float, high: float) -> str:
    """A class of values between two limits.

    >>> class_text(2.0, 4.0), class_text(-np.inf, 2.0), class_text(4.0, np.inf)
    ('2 to 4', 'below 2', '4 and more')
    """
    if np.isinf(low):
        return f"below {high:g}"
    return f"{low:g} and more" if np.isinf(high) else f"{low:g} to {high:g}"


def _numbers(axes: Axes, share: NDArray[np.float64], left: NDArray[np.float64], shade: Sequence[float]) -> None:
    """Percent inside the parts of bars that are wide enough, light on dark and dark on light."""
    light = float(np.dot(np.asarray(shade)[:3], [0.299, 0.587, 0.114]))
    for place, (width, start) in enumerate(zip(share, left, strict=True)):
        if width >= _LEAST_LABEL:
            axes.text(
                start + width / 2,
                place,
                f"{100 * width:.0f}",
                ha="center",
                va="center",
                fontsize=9,
                color=BLACK if light > 0.5 else "white",
            )


def _share_axis(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), list(names), parse_math=False)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(0.0, 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


@styled
def share_bars(table: pd.DataFrame, *, title: str) -> Figure:
    """Share of each layer in the stock of each class, stacked.

    Parameters
    ----------
    table : DataFrame
        ``class_name, top_cm, bottom_cm, share``, as of :func:`edaphic.account.describe.series.depth_profiles`.
    title : str

    Returns
    -------
    Figure
    """
    names = list(dict.fromkeys(table["class_name"]))
    layers = list(dict.fromkeys(zip(table["top_cm"], table["bottom_cm"], strict=True)))
    figure, axes = new_figure(1.4 + 0.42 * len(names))
    shades = matplotlib.colormaps["YlOrBr"](np.linspace(0.25, 0.9, len(layers)))
    left = np.zeros(len(names))
    for shade, layer in zip(shades, layers, strict=True):
        rows = table[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1])].set_index("class_name")["share"].reindex(names)
        share = np.nan_to_num(rows.to_numpy(dtype=np.float64))
        axes.barh(range(len(names)), share, left=left, color=shade, height=0.72, label=layer_text(*layer))
        _numbers(axes, share, left, shade)
        left = left + share
    _share_axis(axes, names)
    axes.set_xlabel("share of the stock of all layers")
    legend_above(axes, title, columns=4)
    return figure


@styled
def profiles_by_class(table: pd.DataFrame, *, title: str) -> Figure:
    """Carbon per volume by depth, a panel for each class, with the interval of each layer.

    Parameters
    ----------
    table : DataFrame
        Of :func:`edaphic.account.describe.series.depth_profiles`.
    title : str

    Returns
    -------
    Figure
        All panels on one scale, so that classes compare.
    """
    names = list(dict.fromkeys(table["class_name"]))
    columns = 2 if len(names) > 1 else 1
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(WIDTH_IN, 0.7 + 1.75 * lines), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = [one for row in figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False) for one in row]
    deepest, most = float(table["bottom_cm"].max()), float(table[["density_kg_m3", "high_kg_m3"]].max().max())
    for axes, name in zip(panels, names, strict=False):
        for row in records(table[table["class_name"] == name]):
            top, bottom = float(row.top_cm), float(row.bottom_cm)
            axes.barh(top, row.density_kg_m3, bottom - top, align="edge", color=SKY, edgecolor="white", linewidth=0.8)
            axes.hlines((top + bottom) / 2, row.low_kg_m3, row.high_kg_m3, color=BLACK, linewidth=1.4)
        axes.set_title(str(name), fontsize=9.5, fontweight="normal")
        axes.grid(True, axis="x")
    for axes in panels[len(names) :]:
        axes.remove()
        panels[len(names) - columns].tick_params(labelbottom=True)  # the lowest of its column now
    panels[0].set(ylim=(deepest, 0.0), xlim=(0.0, 1.05 * most))
    panels[0].set_yticks(sorted({0.0, *table["bottom_cm"].astype(float)}))
    figure.supxlabel("SOC density (kg/m³)", fontsize=10.5)
    figure.supylabel("depth (cm)", fontsize=10.5)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11.5)
    return figure


@styled
def time_series(ours: pd.DataFrame, published: pd.DataFrame | None, *, layer: tuple[float, float], title: str) -> Figure:
    """Mean stock of each period with its interval, beside published values.

    Parameters
    ----------
    ours : DataFrame
        Of :func:`edaphic.account.describe.series.period_series`.
    published : DataFrame, optional
        Of :func:`edaphic.account.describe.series.published_ranges`; rows of other layers are left out.
    layer : (top_cm, bottom_cm)
    title : str

    Returns
    -------
    Figure
    """
    own = ours[(ours["top_cm"] == layer[0]) & (ours["bottom_cm"] == layer[1])]
    figure, axes = new_figure(4.2)
    if published is not None:
        theirs = published[(published["top_cm"] == layer[0]) & (published["bottom_cm"] == layer[1])]
        for place, row in enumerate(records(theirs)):
            colour = COLOURS[1 + place % (len(COLOURS) - 1)]
            x = (row.first_year + row.last_year) / 2
            axes.fill_between(
                [row.first_year, max(row.last_year, row.first_year + 0.5)],
                row.low_kg_m2,
                row.high_kg_m2,
                color=colour,
                alpha=0.18,
                linewidth=0,
            )
            axes.errorbar(
                x, row.mean_kg_m2, xerr=(row.last_year - row.first_year) / 2, fmt="s", color=colour, markersize=5, label=str(row.name)
            )
    middle = (own["first_year"] + own["last_year"]).to_numpy(dtype=np.float64) / 2
    mean, low, high = (own[name].to_numpy(dtype=np.float64) for name in ("mean_kg_m2", "low_kg_m2", "high_kg_m2"))
    if np.isfinite(low).any():
        axes.fill_between(middle, low, high, color=BLUE, alpha=0.15, linewidth=0, label="interval of this map")
    axes.plot(middle, mean, "o-", color=BLUE, linewidth=2.0, markersize=6, label="this map")
    axes.set_xlabel("year")
    axes.set_ylabel(f"mean stock of {layer_text(*layer)} (kg/m²)")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(y=0.12)
    axes.grid(True)
    legend_above(axes, title)
    return figure
