"""Figures of the diagnostics: samples by decade, strips of longitude, biomes, correlations, groups."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from edaphic.account.describe.biomes import Biome
from edaphic.report.figures import legend_above, with_unit
from edaphic.report.style import (
    BLACK,
    BLUE,
    DIFFERENCES,
    DPI,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    WIDTH_IN,
    YELLOW,
    new_figure,
    styled,
)
from edaphic.report.words import layer_text, number, period_words

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY)
_STYLES = ("-", "--", "-.", ":")
_FEW_POINTS = 800
_MOST_NAMES = 40


def rows_of_axes(rows: int, height_in: float, *, shared: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure of axes one below the other, at the width of a page on a phone."""
    figure = Figure(figsize=(WIDTH_IN, height_in * rows + 0.6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=shared, squeeze=False)
    return figure, [one for row in axes for one in row]


@styled
def decades(counts: pd.DataFrame, means: pd.DataFrame, *, unit: str, layer: tuple[float, float]) -> Figure:
    """Histograms of the samples of one layer, a panel for each decade, with the mean of each.

    Parameters
    ----------
    counts, means : DataFrame
        Of :func:`edaphic.account.describe.diagnostics.decade_histograms`.
    unit : str
    layer : (top_cm, bottom_cm)

    Returns
    -------
    Figure
    """
    own, told = (table[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1])] for table in (counts, means))
    names = list(dict.fromkeys(own["decade"]))
    figure, panels = rows_of_axes(len(names), 1.35)
    edges = own[np.isfinite(own["low"]) & np.isfinite(own["high"])]
    width = float((edges["high"] - edges["low"]).median())
    for place, (axes, name) in enumerate(zip(panels, names, strict=True)):
        bins = own[own["decade"] == name]
        low = np.where(np.isfinite(bins["low"]), bins["low"], bins["high"] - width)
        high = np.where(np.isfinite(bins["high"]), bins["high"], bins["low"] + width)
        axes.bar(low, bins["count"], high - low, align="edge", color=COLOURS[place % len(COLOURS)], edgecolor="white", linewidth=0.4)
        row = told[told["decade"] == name].iloc[0]
        axes.axvline(float(row["mean"]), color=BLACK, linewidth=1.4, linestyle="--")
        axes.set_title(
            f"{period_words(str(name))}: n = {int(row['n']):,}, mean {number(float(row['mean']))}", fontsize=10, fontweight="normal"
        )
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.grid(True, axis="y")
    panels[-1].set_xlabel(with_unit(f"{'beta' if unit == '1' else 'stock'} of {layer_text(*layer)}", "" if unit == "1" else unit))
    figure.supylabel("samples", fontsize=10.5)
    figure.suptitle(f"Samples by decade, {layer_text(*layer)}", x=0.01, ha="left", fontweight="bold", fontsize=11.5)
    return figure


@styled
def strips(table: pd.DataFrame, *, axis: str, unit: str, title: str) -> Figure:
    """Mean of maps along longitude (or latitude), with one standard deviation of the cells to each side.

    Parameters
    ----------
    table : DataFrame
        Of :func:`edaphic.account.describe.transects.along`.
    axis : {"lon", "lat"}
    unit, title : str

    Returns
    -------
    Figure
        Gaps where no cell has a value.
    """
    names = list(dict.fromkeys(table["map"]))
    figure, panels = rows_of_axes(2, 2.0)
    for place, name in enumerate(names):
        rows = table[table["map"] == name]
        x = ((rows["low_deg"] + rows["high_deg"]) / 2).to_numpy(dtype=np.float64)
        mean, sd, variance = (rows[column].to_numpy(dtype=np.float64) for column in ("mean", "sd", "variance"))
        gaps = np.flatnonzero(np.diff(x) > 1.5 * float((rows["high_deg"] - rows["low_deg"]).median())) + 1
        x, mean, sd, variance = (np.insert(values, gaps, np.nan) for values in (x, mean, sd, variance))
        colour, style = COLOURS[place % len(COLOURS)], _STYLES[place // len(COLOURS) % len(_STYLES)]
        panels[0].plot(x, mean, color=colour, linewidth=1.8, linestyle=style, label=str(name))
        if len(names) == 1:
            panels[0].fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.22, linewidth=0, label="one sd of the cells")
        panels[1].plot(x, variance, color=colour, linewidth=1.5, linestyle=style)
    panels[0].set_ylabel(with_unit("mean", unit))
    panels[1].set_ylabel(f"variance, ({unit})$^2$" if unit else "variance")
    panels[1].set_ylim(0.0, None)
    panels[1].set_xlabel({"lon": "longitude (degrees east)", "lat": "latitude (degrees north)"}[axis])
    for axes in panels:
        axes.grid(True)
    legend_above(panels[0], title, columns=3)
    return figure


@styled
def whittaker(mat_c: NDArray[np.float64], map_mm: NDArray[np.float64], biomes: Sequence[Biome], *, title: str) -> Figure:
    """Profiles in the plane of climate, over the biomes.

    Parameters
    ----------
    mat_c, map_mm : ndarray, shape (n,)
        Mean annual temperature (C) and precipitation (mm); rows with NaN are not drawn.
    biomes : sequence of Biome
    title : str

    Returns
    -------
    Figure
        Biomes are numbered in the plane, and named below it.
    """
    figure, axes = new_figure(4.6 + 0.2 * len(biomes))
    shades = matplotlib.colormaps["Pastel1"](np.linspace(0.0, 1.0, 9))
    for place, biome in enumerate(biomes):
        corners = np.array(biome.corners)
        shade = shades[place % len(shades)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=shade, edgecolor=GREY, linewidth=0.8, label=f"{place + 1} {biome.name}"))
        x, y = corners.mean(axis=0).tolist()
        axes.text(x, y, str(place + 1), ha="center", va="center", fontsize=12, color=GREY, fontweight="bold")
    known = np.isfinite(mat_c) & np.isfinite(map_mm)
    size, alpha = (12, 0.6) if known.sum() <= _FEW_POINTS else (4, 0.25)
    axes.scatter(mat_c[known], map_mm[known], s=size, color=BLUE, alpha=alpha, linewidths=0, zorder=3)
    corners = np.concatenate([np.array(biome.corners) for biome in biomes])
    warm, wet = np.concatenate([corners[:, 0], mat_c[known]]), np.concatenate([corners[:, 1], map_mm[known]])
    axes.set(xlim=(float(warm.min()) - 1.0, float(warm.max()) + 1.0), ylim=(min(0.0, float(wet.min())), 1.02 * float(wet.max())))
    axes.set_xlabel("mean annual temperature (°C)")
    axes.set_ylabel("mean annual precipitation (mm)")
    axes.set_title(title)
    figure.legend(loc="outside lower left", fontsize=9.0, handlelength=1.2)
    return figure


@styled
def correlation_matrix(matrix: pd.DataFrame, *, title: str, threshold: float | None = None) -> Figure:
    """Pearson matrix as colours, with numbers where they can be read.

    Parameters
    ----------
    matrix : DataFrame
        Of :func:`edaphic.account.describe.diagnostics.correlations`; of more than 40 covariates the first 40 are drawn.
    title : str
    threshold : float, optional
        Pairs with a larger absolute correlation get a frame.

    Returns
    -------
    Figure
    """
    shown = matrix.iloc[:_MOST_NAMES, :_MOST_NAMES]
    count = len(shown)
    figure, axes = new_figure(5.6)
    values = shown.to_numpy(dtype=np.float64)
    picture = axes.imshow(values, cmap=DIFFERENCES, vmin=-1.0, vmax=1.0)
    size = 9.0 if count <= 12 else 7.0 if count <= 20 else 5.5
    axes.set_xticks(range(count), shown.columns, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(range(count), shown.index, fontsize=size, parse_math=False)
    axes.tick_params(length=0)
    axes.set_facecolor(PALE)
    for (i, j), value in np.ndenumerate(values):
        if count <= 12 and np.isfinite(value):
            axes.text(
                j, i, f"{value:.2f}".replace("-", "−"), ha="center", va="center", fontsize=7.5, color="white" if abs(value) > 0.6 else BLACK
            )
        if threshold is not None and i != j and abs(value) > threshold:
            axes.add_patch(
                Polygon([(j - 0.5, i - 0.5), (j + 0.5, i - 0.5), (j + 0.5, i + 0.5), (j - 0.5, i + 0.5)], fill=False, linewidth=1.4)
            )
    figure.colorbar(picture, ax=axes, location="bottom", shrink=0.7, aspect=30, label="Pearson correlation")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11.5)
    return figure


@styled
def groups(table: pd.DataFrame, *, value: str, unit: str, title: str, letters: Sequence[str] | None = None) -> Figure:
    """A value by group: quartiles, median and mean, the number of samples, and letters of a test where there are any.

    Parameters
    ----------
    table : DataFrame
        ``group, n, mean, q25, median, q75`` in the order to be drawn, as of :func:`edaphic.account.describe.diagnostics.by_texture`.
    value, unit, title : str
    letters : sequence of str, optional
        For each row: groups with a letter in common do not differ.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(1.5 + 0.48 * len(table))
    y = np.arange(len(table))
    low, middle, high, mean = (table[name].to_numpy(dtype=np.float64) for name in ("q25", "median", "q75", "mean"))
    axes.hlines(y, low, high, color=SKY, linewidth=9.0, label="middle half")
    axes.plot(middle, y, "|", color=BLACK, markersize=15, markeredgewidth=1.8, linestyle="none", label="median")
    axes.plot(mean, y, "D", color=VERMILION, markersize=6, linestyle="none", label="mean")
    signs = [f"  {letter}" for letter in letters] if letters is not None else [""] * len(table)
    labels = [f"{name}\nn = {int(n):,}{sign}" for name, n, sign in zip(table["group"], table["n"], signs, strict=True)]
    axes.set_yticks(y, labels, parse_math=False)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlabel(with_unit(value, unit))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(True, axis="x")
    legend_above(axes, title, columns=3)
    return figure
