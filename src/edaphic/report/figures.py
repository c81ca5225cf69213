"""Figures of the evidence: arrays and tables in, matplotlib figures out, nothing read and nothing kept."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from edaphic.report.designs import design_name
from edaphic.report.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
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
from edaphic.report.words import group_text, number, unit_text

DESIGN_COLOURS = {"knndm": GREEN, "profile": BLUE, "block": VERMILION, "strata_in_proportion": SKY, "hold_out": PURPLE}
DESIGN_COLOURS |= {"strata_left_out": ORANGE, "zone": YELLOW, "time": BLACK, "random": GREY}
DESIGN_MARKERS = {"knndm": "D", "profile": "o", "block": "s", "strata_in_proportion": "p", "hold_out": "h"}
DESIGN_MARKERS |= {"strata_left_out": "^", "zone": "v", "time": "<", "random": "X"}
_FEW_POINTS = 300
MANY = 20
"""Bars of the figure of importance."""
_LOWEST_MEC = -1.0
_SEEN_MEC = 0.02


@styled
def observed_predicted(
    observed: NDArray[np.float64],
    predicted: NDArray[np.float64],
    *,
    title: str,
    unit: str,
    limits: tuple[float, float],
    log: bool,
) -> Figure:
    """Observed against predicted values with the 1:1 line; points where they are few, else counts in hexagons.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
        In ``unit``, without NaN.
    title, unit : str
    limits : tuple of float
        Both axes' ends, from :func:`shared_limits`.
    log : bool
        Logarithmic axes.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(5.6)
    low, high = limits
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    scale: Literal["log", "linear"] = "log" if log else "linear"
    if len(observed) < _FEW_POINTS:
        axes.scatter(predicted, observed, s=16, color=BLUE, alpha=0.55, linewidths=0)
    else:
        ends = tuple(np.log10([low, high, low, high])) if log else (low, high, low, high)
        cells = axes.hexbin(
            predicted, observed, gridsize=48, mincnt=1, bins="log", cmap=VALUES, linewidths=0.1,
            xscale=scale, yscale=scale, extent=ends,
        )  # fmt: skip
        bar = figure.colorbar(
            cells, ax=axes, location="bottom", shrink=0.8, aspect=32, label="observations in a hexagon"
        )
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.xaxis.set_minor_formatter(NullFormatter())
    axes.plot([low, high], [low, high], color=VERMILION, linewidth=1.6, linestyle="--", label="1:1 line")
    axes.set(xlim=limits, ylim=limits, aspect="equal", title=title)
    if log:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 500 else (1.0,)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
    axes.grid(True)
    axes.set_xlabel(with_unit("predicted", unit))
    axes.set_ylabel(with_unit("observed", unit))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return figure


def shared_limits(*values: NDArray[np.float64]) -> tuple[tuple[float, float], bool, int]:
    """Axis ends that serve all arrays, whether the axes should be logarithmic, and how many values lie beyond them.

    Skewed positive values (the 99th percentile above five times the median) ask for logarithmic axes. A few values far
    out are left beyond linear axes, so that the others can be seen.

    Examples
    --------
    >>> shared_limits(np.array([1.0, 2.0, 3.0]))
    ((0.0, 3.09), False, 0)
    """
    pooled = np.concatenate(values)
    low, high = float(pooled.min()), float(pooled.max())
    middle, far = np.quantile(pooled, [0.5, 0.99])
    if low > 0.0 and far > 5.0 * middle:
        return (0.9 * low, 1.1 * high), True, 0
    end = float(np.quantile(pooled, 0.995))
    high = end if high > 2.0 * end > 0.0 else high
    edge = 0.03 * (high - min(low, 0.0)) or 1.0
    ends = (min(low - edge, 0.0) if low < 0.0 else 0.0, high + edge)
    return ends, False, int((pooled > ends[1]).sum())


@styled
def skill(metrics: pd.DataFrame) -> Figure:
    """MEC by layer and design with its bootstrap interval, and what the layer mean alone would explain.

    Parameters
    ----------
    metrics : DataFrame
        Columns design, layer, mec, mec_low, mec_high, mec_layer_mean; one row per design and layer.

    Returns
    -------
    Figure
        MEC below -1 is drawn at -1 with its number beside it.
    """
    layers, designs = list(dict.fromkeys(metrics["layer"])), list(dict.fromkeys(metrics["design"]))
    figure, axes = new_figure(1.6 + 0.3 * len(layers) * (1 + len(designs)) * 0.62)
    step = 0.7 / max(1, len(designs))
    for place, design in enumerate(designs):
        rows = metrics[metrics["design"] == design]
        y = np.array([layers.index(layer) for layer in rows["layer"]]) + step * (place - 0.5 * (len(designs) - 1))
        mec, low, high = (rows[name].to_numpy() for name in ("mec", "mec_low", "mec_high"))
        shown = np.maximum(mec, _LOWEST_MEC)
        colour = DESIGN_COLOURS.get(design, GREEN)
        axes.hlines(y, np.maximum(low, _LOWEST_MEC), np.maximum(high, _LOWEST_MEC), color=colour, linewidth=2.2)
        axes.plot(shown, y, DESIGN_MARKERS.get(design, "D"), color=colour, markersize=7, linestyle="none", label=design_name(design))
        for at, value in zip(y[mec < _LOWEST_MEC], mec[mec < _LOWEST_MEC], strict=True):
            axes.annotate(f" ← {number(float(value))}", (_LOWEST_MEC, at), va="center", fontsize=9)
        plain = rows["mec_layer_mean"].to_numpy()
        known = np.isfinite(plain) & (plain > _SEEN_MEC)
        if known.any():
            axes.plot(
                plain[known], y[known], "|", color=BLACK, markersize=9, markeredgewidth=1.8, linestyle="none",
                label="depth alone" if place == 0 else None,
            )  # fmt: skip
    axes.axvline(0.0, color=GREY, linewidth=1.0)
    axes.set_yticks(range(len(layers)), [group_text(layer) for layer in layers])
    least = min(0.0, float(np.nanmin(metrics[["mec", "mec_low", "mec_layer_mean"]].to_numpy(dtype=float))))
    axes.set(ylim=(len(layers) - 0.5, -0.5), xlim=(max(_LOWEST_MEC, least) - 0.04, 1.0))
    axes.set_xlabel("MEC (1 perfect, 0 no better than the mean)")
    axes.grid(True, axis="x")
    legend_above(axes, "Share of variance explained")
    return figure


@styled
def coverage(calibration: pd.DataFrame, tolerance: float = 0.03) -> Figure:
    """Coverage of the intervals by group and design, before and after the conformal adjustment.

    Parameters
    ----------
    calibration : DataFrame
        Columns design, group, nominal, coverage, coverage_raw; one row per design and group.
    tolerance : float
        Half width of the band drawn around the nominal coverage.

    Returns
    -------
    Figure
    """
    groups, designs = list(dict.fromkeys(calibration["group"])), list(dict.fromkeys(calibration["design"]))
    figure, axes = new_figure(1.8 + 0.3 * len(groups) * (1 + len(designs)) * 0.62)
    nominal = float(calibration["nominal"].iloc[0])
    axes.axvspan(nominal - tolerance, nominal + tolerance, color=PALE, zorder=0)
    axes.axvline(nominal, color=GREY, linewidth=1.2)
    step = 0.7 / max(1, len(designs))
    for place, design in enumerate(designs):
        rows = calibration[calibration["design"] == design]
        y = np.array([groups.index(group) for group in rows["group"]]) + step * (place - 0.5 * (len(designs) - 1))
        colour, marker = DESIGN_COLOURS.get(design, GREEN), DESIGN_MARKERS.get(design, "D")
        before, after = rows["coverage_raw"].to_numpy(), rows["coverage"].to_numpy()
        axes.hlines(y, before, after, color=colour, linewidth=1.2)
        if np.isfinite(before).any():
            axes.plot(
                before, y, marker, markerfacecolor="white", markeredgecolor=colour, markersize=7, linestyle="none",
                label=f"{design_name(design)}, before",
            )  # fmt: skip
        axes.plot(after, y, marker, color=colour, markersize=7, linestyle="none", label=f"{design_name(design)}, after")
    axes.set_yticks(range(len(groups)), [group_text(group) for group in groups])
    values = calibration[["coverage", "coverage_raw"]].to_numpy(dtype=float)
    low = min(nominal - 0.08, float(np.nanmin(values)) - 0.02)
    axes.set(
        ylim=(len(groups) - 0.5, -0.5), xlim=(max(0.0, low), min(1.005, max(nominal + 0.08, np.nanmax(values) + 0.02)))
    )
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    axes.set_xlabel(f"held-out observations inside the {100 * nominal:g} % interval")
    axes.grid(True, axis="x")
    legend_above(axes, "Coverage of the intervals")
    return figure


@styled
def tails(deciles: pd.DataFrame, *, title: str) -> Figure:
    """Share of observations above and below the interval, by decile of the prediction.

    Parameters
    ----------
    deciles : DataFrame
        Columns group ("decile 1" ...), below, above, nominal; in the order to be drawn.
    title : str

    Returns
    -------
    Figure
        Above the interval upwards, below it downwards; dashed lines where both tails should end.
    """
    figure, axes = new_figure(3.9)
    x = np.arange(1, len(deciles) + 1)
    side = 0.5 * (1.0 - float(deciles["nominal"].iloc[0]))
    axes.bar(x, deciles["above"], color=ORANGE, width=0.75, label="above the interval")
    axes.bar(x, -deciles["below"], color=SKY, width=0.75, label="below the interval")
    for line in (-side, side):
        axes.axhline(line, color=BLACK, linestyle="--", linewidth=1.1)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    most = max(2.2 * side, 1.1 * float(np.nanmax(deciles[["above", "below"]].to_numpy(dtype=float))))
    axes.set(ylim=(-most, most), xlim=(0.4, len(deciles) + 0.6), xlabel="decile of the prediction (1 lowest)")
    axes.xaxis.set_major_locator(FixedLocator(x.tolist()))
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * abs(value):.3g} %"))
    axes.set_ylabel("share of observations")
    axes.grid(True, axis="y")
    legend_above(axes, title)
    return figure


@styled
def importance(table: pd.DataFrame, *, unit: str) -> Figure:
    """Increase of the RMSE when one covariate is shuffled: the 20 largest.

    Parameters
    ----------
    table : DataFrame
        Columns feature, rmse_increase, rmse_increase_sd (may be NaN), largest first. Where there is a column in_model, covariates
        that the final model does not have (False) are grey, with an asterisk.
    unit : str

    Returns
    -------
    Figure
    """
    top = table.head(MANY)
    figure, axes = new_figure(1.1 + 0.24 * len(top))
    y = np.arange(len(top))
    spread = top["rmse_increase_sd"].fillna(0.0).to_numpy()
    absent = [value is False for value in top["in_model"]] if "in_model" in top else [False] * len(top)
    axes.barh(y, top["rmse_increase"], color=[GREY if gone else SKY for gone in absent], height=0.72)
    axes.hlines(y, top["rmse_increase"] - spread, top["rmse_increase"] + spread, color=BLACK, linewidth=1.2)
    labels = [_shorten(name) + (" *" if gone else "") for name, gone in zip(top["feature"], absent, strict=True)]
    axes.set_yticks(y, labels, parse_math=False)
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlabel(with_unit("increase of RMSE when shuffled", unit))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(True, axis="x")
    axes.set_title("Which covariates carry the map")
    return figure


@styled
def depth_profile(table: pd.DataFrame, *, unit: str, quantity: str) -> Figure:
    """Observed and predicted values by depth: mean, and the range of the observed.

    Parameters
    ----------
    table : DataFrame
        One row per layer: top_cm, bottom_cm, observed_q05, observed_q25, observed_q75, observed_q95, observed_mean,
        predicted_mean (NaN where there is no prediction).
    unit, quantity : str

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(4.4)
    column = {str(name): table[name].to_numpy(dtype=np.float64) for name in table.columns}
    top, bottom = column["top_cm"], column["bottom_cm"]
    for low, high, shade, name in (
        (column["observed_q05"], column["observed_q95"], "#D6EAF8", "observed, 5 to 95 %"),
        (column["observed_q25"], column["observed_q75"], "#9CCBEB", "observed, 25 to 75 %"),
    ):
        axes.barh(top, high - low, bottom - top, low, align="edge", color=shade, label=name)
    axes.vlines(column["observed_mean"], top, bottom, color=BLUE, linewidth=2.4, label="observed mean")
    known = np.isfinite(column["predicted_mean"])
    if known.any():
        axes.vlines(
            column["predicted_mean"][known], top[known], bottom[known], color=VERMILION, linewidth=2.4,
            linestyle=(0, (3, 1.5)), label="predicted mean (held out)",
        )  # fmt: skip
    axes.set(ylim=(bottom.max(), min(0.0, top.min())), xlim=(min(0.0, column["observed_q05"].min()), None))
    axes.set_ylabel("depth (cm)")
    axes.yaxis.set_major_locator(FixedLocator(sorted({0.0, *top.tolist(), *bottom.tolist()})))
    axes.set_xlabel(with_unit(quantity, unit))
    axes.grid(True, axis="x")
    legend_above(axes, "Observed and predicted by depth")
    return figure


def legend_above(axes: Axes, title: str, columns: int = 2) -> None:
    """Title and, below it, the legend: both outside the axes, so that no data are hidden."""
    figure = axes.get_figure()
    assert figure is not None
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11.5)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(columns, max(1, len(labels))),
        borderaxespad=0.2, handletextpad=0.5, columnspacing=1.4,
    )  # fmt: skip


def with_unit(text: str, unit: str) -> str:
    """The label of an axis with its unit in brackets."""
    return f"{text} ({unit_text(unit)})" if unit else text


def _shorten(name: str, most: int = 28) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
