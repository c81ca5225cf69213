"""Figures of products beside one another: scatter, Taylor and target diagrams, counts as a map, totals, spread by class, series."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from edaphic.report import map_figures
from edaphic.report.figures import shared_limits
from edaphic.report.maps import MapImage
from edaphic.report.pictures import with_values
from edaphic.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VALUES,
    VERMILION,
    YELLOW,
    new_figure,
    styled,
)
from edaphic.report.words import number, unit_text

Floats = NDArray[np.float64]

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, GREY)
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<")
UNIT = "kg/m2"
MOST_CLASSES = 20

_FEW = 300
_TG_PER_PG = 1000.0
_CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)


@styled
def scatter(ours: Floats, theirs: Floats, *, title: str, names: tuple[str, str], words: str) -> Figure:
    """Ours over theirs, cell by cell, with the 1:1 line: points where they are few, else counts in hexagons.

    Parameters
    ----------
    ours, theirs : float arrays (n,)
        kg/m2, without NaN.
    title : str
    names : (ours, theirs)
    words : str
        Statistics, written under the title.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(5.7)
    (low, high), log, beyond = shared_limits(ours, theirs)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    if ours.size < _FEW:
        axes.scatter(theirs, ours, s=16, color=BLUE, alpha=0.55, linewidths=0)
    else:
        ends = tuple(np.log10([low, high, low, high])) if log else (low, high, low, high)
        scale: Literal["log", "linear"] = "log" if log else "linear"
        cells = axes.hexbin(
            theirs, ours, gridsize=48, mincnt=1, bins="log", cmap=VALUES, linewidths=0.1, xscale=scale, yscale=scale, extent=ends
        )
        bar = figure.colorbar(cells, ax=axes, location="bottom", shrink=0.8, aspect=32, label="cells of the map in a hexagon")
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.xaxis.set_minor_formatter(NullFormatter())
    axes.plot([low, high], [low, high], color=VERMILION, linewidth=1.6, linestyle="--", label="1:1 line")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_title(f"{title}\n", pad=8.0)
    said = words + (f"; {beyond} beyond the axes" if beyond else "")
    axes.text(0.0, 1.015, said, transform=axes.transAxes, fontsize=9.5, va="bottom")
    axes.grid(True)
    axes.set(xlabel=f"{names[1]} ({unit_text(UNIT)})", ylabel=f"{names[0]} ({unit_text(UNIT)})")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return figure


@styled
def taylor_diagram(table: pd.DataFrame, *, title: str) -> Figure:
    """Taylor diagram: distance from the origin is the sd over that of the reference, the angle the correlation, the distance from the
    reference the centred RMSE.

    Parameters
    ----------
    table : DataFrame
        ``product, sd_ratio, pearson_r, centred_rmse_ratio``, a row for each product; ``reference``.
    title : str

    Returns
    -------
    Figure
        Two quadrants where a correlation is negative. Products without a correlation are left out.
    """
    known = table[np.isfinite(table["sd_ratio"]) & np.isfinite(table["pearson_r"])]
    most = 1.15 * max(1.45, float(known["sd_ratio"].max()) if len(known) else 0.0)
    wide = bool((known["pearson_r"] < 0.0).any())
    figure, axes = new_figure((5.0 if not wide else 3.9) + 0.22 * math.ceil(len(known) / 3))
    axes.set_aspect("equal")
    axes.set(xlim=(-1.16 * most if wide else 0.0, 1.16 * most), ylim=(0.0, 1.16 * most))
    _taylor_net(axes, most, wide)
    axes.plot([1.0], [0.0], marker="*", markersize=13, color=INK, linestyle="none", clip_on=False, zorder=5)
    axes.annotate(str(table["reference"].iloc[0]), (1.0, 0.0), textcoords="offset points", xytext=(4, 9), fontsize=9.5)
    for place, row in enumerate(known.itertuples()):
        angle = math.acos(float(np.clip(row.pearson_r, -1.0, 1.0)))
        x, y = row.sd_ratio * math.cos(angle), row.sd_ratio * math.sin(angle)
        _mark(axes, x, y, place, str(row.product))
    axes.set_title(title, pad=14.0)
    axes.spines["left"].set_visible(not wide)
    axes.set_xlabel("standard deviation / that of the reference")
    ticks = [tick for tick in MaxNLocator(5).tick_values(0.0, most) if 0.0 <= tick <= most]
    axes.set_xticks([*(-tick for tick in reversed(ticks) if tick and wide), *ticks])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))
    axes.set_yticks([] if wide else ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _legend(figure, len(known))
    return figure


def _taylor_net(axes: Axes, most: float, wide: bool) -> None:
    """Arcs of equal sd and of equal centred RMSE, rays of equal correlation."""
    turn = np.linspace(0.0, math.pi if wide else math.pi / 2.0, 181)
    for radius in [1.0, *(float(tick) for tick in MaxNLocator(5).tick_values(0.0, most) if 0.0 < tick < most and tick != 1.0)]:
        one = radius == 1.0
        axes.plot(radius * np.cos(turn), radius * np.sin(turn), color=INK if one else PALE, linewidth=1.0, linestyle="--" if one else "-")
    axes.plot(most * np.cos(turn), most * np.sin(turn), color=GREY, linewidth=1.0)
    around = np.linspace(0.0, math.pi, 181)
    for radius in [tick for tick in MaxNLocator(4).tick_values(0.0, most) if 0.0 < tick < most]:
        x, y = 1.0 + radius * np.cos(around), radius * np.sin(around)
        inside = (np.hypot(x, y) < most) & (x >= (-most if wide else 0.0))
        axes.plot(np.where(inside, x, np.nan), np.where(inside, y, np.nan), color=GREEN, linewidth=0.8, linestyle=":", alpha=0.8)
    for r in [*_CORRELATIONS, *(-r for r in _CORRELATIONS if r and wide)]:
        up = math.sqrt(1.0 - r * r)
        axes.plot([0.0, most * r], [0.0, most * up], color=PALE, linewidth=0.8)
        axes.text(1.05 * most * r, 1.05 * most * up, f"{r:g}", fontsize=8.5, ha="center", va="center")
    half = 1.14 * most * math.sqrt(0.5)
    axes.text(half, half, "correlation", fontsize=9.5, rotation=-45.0, ha="center", va="center")


@styled
def target_diagram(table: pd.DataFrame, *, title: str) -> Figure:
    """Target diagram: bias over centred RMSE, both over the sd of the reference; the distance from the middle is the RMSE.

    Parameters
    ----------
    table : DataFrame
        ``product, target_x, bias_ratio, reference``.
    title : str

    Returns
    -------
    Figure
    """
    known = table[np.isfinite(table["target_x"]) & np.isfinite(table["bias_ratio"])]
    size = np.abs(known[["target_x", "bias_ratio"]].to_numpy(dtype=float))
    most = 1.15 * max(1.2, float(size.max()) if size.size else 0.0)
    figure, axes = new_figure(5.2 + 0.22 * math.ceil(len(known) / 3))
    axes.set(xlim=(-most, most), ylim=(-most, most), aspect="equal")
    for radius in (0.5, 1.0):
        axes.add_patch(Circle((0.0, 0.0), radius, fill=False, edgecolor=INK if radius == 1.0 else GREY, linestyle="--", linewidth=1.0))
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    for place, row in enumerate(known.itertuples()):
        _mark(axes, float(row.target_x), float(row.bias_ratio), place, str(row.product))
    axes.set_title(title)
    axes.set(
        xlabel="centred RMSE / sd of the reference\nleft: less variable than the reference, right: more",
        ylabel="bias / sd of the reference (product - reference)",
    )
    axes.grid(True)
    _legend(figure, len(known))
    return figure


def _mark(axes: Axes, x: float, y: float, place: int, name: str) -> None:
    size = max(5.0, 14.0 - 3.0 * place)  # later ones smaller, so that none hides another
    axes.plot(
        [x], [y], marker=MARKERS[place % len(MARKERS)], markersize=size, color=COLOURS[place % len(COLOURS)], label=name,
        linestyle="none", markeredgecolor="white", clip_on=False, zorder=6,
    )  # fmt: skip


def _legend(figure: Figure, entries: int) -> None:
    if entries:
        figure.legend(loc="outside lower left", ncols=min(entries, 3), columnspacing=1.2)


@styled
def totals_bars(totals: pd.DataFrame, published: pd.DataFrame | None, *, title: str) -> Figure:
    """Totals of the products as bars, published totals and ranges beside them.

    Parameters
    ----------
    totals : DataFrame
        ``product, total_Tg``, a row for each product.
    published : DataFrame, optional
        ``name, published, low, high`` in Tg, a row for each study.
    title : str

    Returns
    -------
    Figure
        In Pg where the largest reaches 1 Pg.
    """
    names = [] if published is None else [str(name) for name in published["name"]]
    studies = np.zeros((0, 3)) if published is None else published[["published", "low", "high"]].to_numpy(dtype=float)
    ends = np.concatenate([totals["total_Tg"].to_numpy(dtype=float), studies.ravel()])
    most = float(np.nanmax(ends)) if np.isfinite(ends).any() else 1.0
    scale, unit = (_TG_PER_PG, "Pg") if most >= _TG_PER_PG else (1.0, "Tg")
    rows = len(totals) + len(studies)
    figure, axes = new_figure(1.25 + 0.36 * rows + (0.5 if names else 0.0))
    for place, value in enumerate(totals["total_Tg"].to_numpy(dtype=float) / scale):
        axes.barh(place, value, height=0.62, color=COLOURS[0] if place == 0 else SKY)
        axes.text(value, place, f" {number(value)}", va="center", fontsize=9.5)
    for place, (middle, low, high) in enumerate(studies / scale, start=len(totals)):
        if np.isfinite(low) and np.isfinite(high):
            axes.plot([low, high], [place, place], color=ORANGE, linewidth=5.0, solid_capstyle="butt")
        if np.isfinite(middle):
            axes.plot([middle], [place], marker="D", color=INK, markersize=6.5, linestyle="none")
        last = max(end for end in (middle, low, high) if np.isfinite(end))
        text = number(middle) if np.isfinite(middle) else f"{number(low)} to {number(high)}"
        axes.text(last, place, f"  {text}", va="center", fontsize=9.5)
    axes.set_yticks(range(rows), [*map(str, totals["product"]), *names])
    axes.invert_yaxis()
    axes.set(xlabel=f"total ({unit})", xlim=(0.0, 1.18 * most / scale))
    axes.set_title(title)
    axes.grid(True, axis="x")
    if names:
        handles = [Patch(color=SKY, label="products, all their cells"), Patch(color=ORANGE, label="published: number (diamond), range")]
        figure.legend(handles=handles, loc="outside lower left")
    return figure


@styled
def spread_bars(table: pd.DataFrame, *, title: str) -> Figure:
    """Mean coefficient of variation across products, by class and layer.

    Parameters
    ----------
    table : DataFrame
        ``class_name, layer, mean_cv_pct``; of classes the first :data:`MOST_CLASSES` are drawn.
    title : str

    Returns
    -------
    Figure
    """
    names, layers = list(dict.fromkeys(table["class_name"]))[:MOST_CLASSES], list(dict.fromkeys(table["layer"]))
    figure, axes = new_figure(1.1 + len(names) * (0.16 + 0.17 * len(layers)) + (0.3 if len(layers) > 1 else 0.0))
    height = 0.8 / len(layers)
    found = table.set_index(["class_name", "layer"])["mean_cv_pct"]
    for place, layer in enumerate(layers):
        values = [float(found.get((name, layer), math.nan)) for name in names]
        at = np.arange(len(names)) + (place - 0.5 * (len(layers) - 1)) * height
        axes.barh(at, np.nan_to_num(values), height=0.92 * height, color=COLOURS[place % len(COLOURS)], label=layer)
        for y, value in zip(at, values, strict=True):
            axes.text(np.nan_to_num(value), y, f" {number(value)}" if np.isfinite(value) else " none", va="center", fontsize=8.5)
    axes.set_yticks(range(len(names)), [str(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    known = table["mean_cv_pct"].to_numpy(dtype=float)
    most = float(np.nanmax(known)) if np.isfinite(known).any() else 1.0
    axes.set(xlabel="mean coefficient of variation across products (%)", xlim=(0.0, 1.15 * (most or 1.0)))
    axes.set_title(title)
    axes.grid(True, axis="x")
    if len(layers) > 1:
        figure.legend(loc="outside lower left", ncols=3)
    return figure


@styled
def count_map(image: MapImage, most: int, *, title: str) -> Figure:
    """Map of how many products have a value, a colour for each number from 1 to ``most``."""
    whole = with_values(image, np.round(image.values).astype(np.float32))
    figure = map_figures.value_map(whole, title=title, label="products with a value", limits=(0.5, most + 0.5))
    figure.axes[0].images[0].set_cmap(VALUES.resampled(most))
    bar = figure.axes[-1]
    axis = bar.yaxis if bar.get_ylim() == (0.5, most + 0.5) else bar.xaxis
    axis.set_major_locator(FixedLocator([float(number) for number in range(1, most + 1)]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_tick_params(length=0)
    return figure


@styled
def series(table: pd.DataFrame, published: pd.DataFrame | None, *, title: str) -> Figure:
    """Mean stock of each product by period, published means and ranges beside them.

    Parameters
    ----------
    table : DataFrame
        ``product, period, mean_kg_m2``; periods as ``1985-1990``.
    published : DataFrame, optional
        ``name, period, published, low, high``, kg/m2.
    title : str

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(3.9 + 0.2 * table["product"].nunique() / 3.0)
    for place, (name, own) in enumerate(table.groupby("product", sort=False)):
        years = [_middle(when) for when in own["period"]]
        look: dict[str, Any] = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        axes.plot(years, own["mean_kg_m2"].to_numpy(dtype=float), label=str(name), markersize=6.5, **look)
    if published is not None and len(published):
        years = [_middle(when) for when in published["period"]]
        numbers = published[["published", "low", "high"]].to_numpy(dtype=float)
        axes.vlines(years, numbers[:, 1], numbers[:, 2], color=GREY, linewidth=3.0, alpha=0.7, label="published range")
        axes.plot(years, numbers[:, 0], color=INK, marker="D", linestyle="none", markersize=5.5, label="published")
    axes.set(xlabel="year (middle of the period)", ylabel=f"mean stock ({unit_text(UNIT)})")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(title)
    axes.grid(True)
    figure.legend(loc="outside lower left", ncols=3)
    return figure


def _middle(period: object) -> float:
    """Middle year of a period."""
    first, _, last = str(period).partition("-")
    return 0.5 * (float(first) + float(last or first))
