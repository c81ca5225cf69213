"""Figures of what stands behind the evidence: distances, coverage at all levels, groups, the variogram of the residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from edaphic.report.figures import DESIGN_COLOURS, legend_above, with_unit
from edaphic.report.folder import records
from edaphic.report.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure, styled
from edaphic.report.words import count, group_text

_FAR = 0.99
_FEW_PAIRS = 30
_DIRECTIONS = (BLUE, ORANGE, GREEN, VERMILION, BLACK, GREY)


@styled
def distances(curves: pd.DataFrame) -> Figure:
    """Share of cells, or of held-out profiles, that have a profile of the training set within a distance.

    Parameters
    ----------
    curves : DataFrame
        ``p`` and, at each, the quantile of the distance (m): ``gij_m`` (cells of the map), ``gj_star_m`` (folds by kNNDM),
        ``gj_profile_m`` (folds by profile), ``gj_random_m`` (single layers left out); columns without values are left out.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(3.9)
    lines = (
        ("gj_random_m", "single layers at random", GREY, (0, (1.0, 1.2)), 2.2),
        ("gj_profile_m", "folds by profile", DESIGN_COLOURS["profile"], (0, (5.0, 2.0)), 2.0),
        ("gj_star_m", "folds by kNNDM", DESIGN_COLOURS["knndm"], "-", 2.6),
        ("gij_m", "cells of the map", BLACK, "-", 1.4),
    )
    known = [
        (curves[column].to_numpy(dtype=np.float64), label, colour, style, width)
        for column, label, colour, style, width in lines
        if curves[column].notna().any()
    ]
    # The farthest cell may lie several times as far as any other.
    far = max((float(np.interp(_FAR, curves["p"].to_numpy(dtype=np.float64), metres)) for metres, *_ in known), default=1.0)
    per, unit = (1000.0, "km") if far > 1000.0 else (1.0, "m")
    for metres, label, colour, style, width in known:
        axes.plot(metres / per, curves["p"], color=colour, linestyle=style, linewidth=width, label=label)
    axes.set(xlim=(-0.015 * far / per, max(far, 1.0) / per), ylim=(0.0, 1.01))
    axes.yaxis.set_major_formatter(FuncFormatter(_as_percent))
    axes.set_xlabel(f"distance to the nearest profile of the training set ({unit})")
    axes.set_ylabel("share that is nearer")
    axes.grid(True)
    legend_above(axes, "How far away what is predicted lies")
    return figure


def _as_percent(value: float, _: object) -> str:
    return f"{100.0 * value:.3g} %"


@styled
def coverage_curve(raw: pd.DataFrame, adjusted: pd.DataFrame, *, score: str, title: str, colour: str) -> Figure:
    """Share of observations inside intervals (or below quantiles) of each level, before and after adjustment.

    Parameters
    ----------
    raw, adjusted : DataFrame
        ``level`` and the columns ``score``, ``score``_low, ``score``_high. ``raw`` may be empty.
    score : {"picp", "qcp"}
    title, colour : str

    Returns
    -------
    Figure
        The diagonal is where every level holds what it says; the band is the 95 % interval of what was found.
    """
    figure, axes = new_figure(4.4)
    axes.plot([0.0, 1.0], [0.0, 1.0], color=BLACK, linestyle="--", linewidth=1.1, label="as it should be")
    if len(raw):
        axes.plot(raw["level"], raw[score], color=GREY, linewidth=1.8, label="before adjustment")
    low, high = (adjusted[f"{score}_{end}"].to_numpy(dtype=np.float64) for end in ("low", "high"))
    if np.isfinite(low).any():
        axes.fill_between(adjusted["level"], low, high, color=colour, alpha=0.22, linewidth=0, label="its 95 % interval")
    axes.plot(adjusted["level"], adjusted[score], color=colour, linewidth=2.2, label="after adjustment")
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_as_percent))
        axis.set_major_locator(MaxNLocator(5))
    what = {"picp": ("level of the interval", "observations inside it"), "qcp": ("level of the quantile", "observations below it")}
    axes.set_xlabel(what[score][0])
    axes.set_ylabel(what[score][1])
    axes.grid(True)
    legend_above(axes, title)
    return figure


@styled
def groups(rows: pd.DataFrame, *, overall: float, unit: str, title: str, colour: str) -> Figure:
    """RMSE of each group with its interval, and that of all together.

    Parameters
    ----------
    rows : DataFrame
        ``group``, ``rmse``, ``rmse_low``, ``rmse_high``, ``n_profiles``; in the order to be drawn.
    overall : float
        RMSE over all layers, NaN where not known.
    unit, title, colour : str

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(1.5 + 0.3 * len(rows))
    y = np.arange(len(rows))
    if np.isfinite(overall):
        axes.axvline(overall, color=GREY, linewidth=1.4, linestyle="--", label="all together")
    axes.hlines(y, rows["rmse_low"], rows["rmse_high"], color=colour, linewidth=2.2)
    axes.plot(rows["rmse"], y, "o", color=colour, markersize=7, linestyle="none", label="RMSE, 95 % interval")
    axes.set_yticks(y, [f"{group_text(r.group)} ({count(r.n_profiles)})" for r in records(rows)], parse_math=False)
    most = float(np.nanmax(rows[["rmse", "rmse_high"]].to_numpy(dtype=np.float64)))
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0.0, 1.06 * max(most, overall if np.isfinite(overall) else 0.0)))
    axes.set_xlabel(with_unit("RMSE", unit))
    axes.grid(True, axis="x")
    legend_above(axes, title, columns=1)
    return figure


@dataclass(frozen=True)
class FittedLine:
    """One line of a fitted variogram: distances (m), semivariances, and what it is."""

    distance_m: NDArray[np.float64]
    gamma: NDArray[np.float64]
    label: str


@dataclass(frozen=True)
class LagPoints:
    """Lags of one direction: mean distances (m), semivariances, pairs of places."""

    distance_m: NDArray[np.float64]
    gamma: NDArray[np.float64]
    pairs: NDArray[np.float64]


@styled
def variogram(
    points: Mapping[str, LagPoints], lines: Sequence[FittedLine], *, nugget: float, title: str, label: str
) -> Figure:
    """Semivariances of the residuals by distance and the variogram that was fitted to them.

    Parameters
    ----------
    points : mapping of label to LagPoints
        Hollow where fewer than thirty pairs of places stand behind them.
    lines : sequence of FittedLine
    nugget : float
        Drawn as a dotted line.
    title : str
    label : str
        Of the axis of semivariances, with their unit.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(3.7)
    far = max((float(lags.distance_m.max()) for lags in points.values() if len(lags.distance_m)), default=1.0)
    per, name = (1000.0, "km") if far > 1000.0 else (1.0, "m")
    many = len(points) > 1
    for place, (label_of, lags) in enumerate(points.items()):
        colour, size = _DIRECTIONS[place % len(_DIRECTIONS)] if many else BLUE, 4.5 if many else 6.0
        few = lags.pairs < _FEW_PAIRS
        for chosen, inside, said in ((~few, colour, label_of), (few, "white", None)):
            axes.plot(
                lags.distance_m[chosen] / per, lags.gamma[chosen], "o", markeredgecolor=colour, markerfacecolor=inside,
                markersize=size, linestyle="none", label=said,
            )  # fmt: skip
    for place, line in enumerate(lines):
        style = ("-", (0, (5.0, 2.0)))[place % 2]
        axes.plot(line.distance_m / per, line.gamma, color=BLACK, linewidth=1.8, linestyle=style, label=line.label)
    axes.axhline(nugget, color=GREY, linewidth=1.3, linestyle=":", label="nugget")
    drawn = [lags.gamma for lags in points.values()] + [line.gamma for line in lines]
    tallest = [nugget, *(float(values.max()) for values in drawn if len(values))]
    axes.set(xlim=(0.0, 1.03 * far / per), ylim=(0.0, 1.12 * max(tallest) or 1.0))
    axes.set_xlabel(f"distance ({name})")
    axes.set_ylabel(label)
    axes.grid(True)
    legend_above(axes, title)
    return figure
