"""Figures of the account: three intervals of a total side by side, a change over correlations in time, ours beside published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from edaphic.report.diagnostic_figures import COLOURS
from edaphic.report.figures import legend_above
from edaphic.report.style import BLACK, BLUE, GREEN, GREY, INK, ORANGE, PALE, SKY, VERMILION, new_figure, styled
from edaphic.report.words import number, unit_text

Floats = NDArray[np.float64]

TG_PER_PG = 1000.0

INTERVALS = {"independent": "independent bound", "modelled": "modelled interval", "fully_correlated": "fully correlated bound"}
"""The three intervals of a total, by the start of their columns."""

_LOOKS = {"independent": (SKY, 3.0), "modelled": (BLUE, 5.5), "fully_correlated": (GREY, 2.0)}


class Interval(NamedTuple):
    """A labelled number with an interval; NaN where there is none."""

    label: str
    value: float
    low: float
    high: float


def scale_of(values: Floats) -> tuple[float, str]:
    """What totals in Tg are divided by for a figure, and the unit then.

    >>> scale_of(np.array([20.0, 4000.0])), scale_of(np.array([20.0])), scale_of(np.array([2e-4]))
    ((1000.0, 'Pg'), (1.0, 'Tg'), (1e-06, 't'))
    """
    known = np.abs(values[np.isfinite(values)])
    most = float(known.max()) if known.size else 1.0
    steps = ((TG_PER_PG, TG_PER_PG, "Pg"), (0.1, 1.0, "Tg"), (1e-3, 1e-3, "Gg"))
    return next(((scale, unit) for least, scale, unit in steps if most >= least), (1e-6, "t"))


@styled
def forest(rows: pd.DataFrame, *, title: str) -> Figure:
    """Totals with up to three intervals each, one below the other.

    Parameters
    ----------
    rows : DataFrame
        ``label, total_Tg`` and, for each of :data:`INTERVALS` that is known, ``NAME_low_Tg, NAME_high_Tg``; in the order to be drawn.
    title : str

    Returns
    -------
    Figure
        In a unit that the largest end suits.
    """
    kinds = [name for name in INTERVALS if f"{name}_low_Tg" in rows and rows[f"{name}_low_Tg"].notna().any()]
    columns = ["total_Tg", *(f"{name}_{end}_Tg" for name in kinds for end in ("low", "high"))]
    scale, unit = scale_of(rows[columns].to_numpy(dtype=np.float64).ravel())
    figure, axes = new_figure(1.5 + (0.25 + 0.2 * len(kinds)) * len(rows))
    places = np.arange(len(rows), dtype=np.float64)
    step = 0.6 / max(1, len(kinds) - 1)
    for order, name in enumerate(kinds):
        colour, width = _LOOKS[name]
        y = places + (order - (len(kinds) - 1) / 2) * step * 0.75
        low, high = (rows[f"{name}_{end}_Tg"].to_numpy(dtype=np.float64) / scale for end in ("low", "high"))
        axes.hlines(y, low, high, color=colour, linewidth=width, label=INTERVALS[name])
        if name != "modelled":  # ends that can be seen, however near each other they lie
            for x in (low, high):
                axes.plot(x, y, "|", color=colour, markersize=8, markeredgewidth=2.0, linestyle="none")
    total = rows["total_Tg"].to_numpy(dtype=np.float64) / scale
    axes.vlines(total, places - 0.42, places + 0.42, color=VERMILION, linewidth=1.6, label="mapped total")
    axes.set_yticks(places, list(rows["label"].astype(str)), parse_math=False)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    ends = rows[columns].to_numpy(dtype=np.float64) / scale
    axes.set_xlim(min(0.0, float(np.nanmin(ends))), 1.05 * float(np.nanmax(ends)))
    axes.set_xlabel(f"total ({unit})")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.grid(True, axis="x")
    legend_above(axes, title)
    return figure


@styled
def score_variogram(distance_m: Floats, gamma: Floats, *, parts: Sequence[tuple[str, float]], range_m: float, title: str) -> Figure:
    """The variogram of scores as fitted, with the range and the parts of the variance.

    Parameters
    ----------
    distance_m, gamma : ndarray of shape (n,)
        The fitted curve without what is drawn anew at each point.
    parts : sequence of (name, share)
        Shares of the variance, from the bottom up: error of observation, nugget, field.
    range_m : float
        Where the correlation has fallen to a twentieth; not drawn where it lies beyond the curve.
    title : str

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(3.6)
    x = distance_m / 1000.0
    base = 0.0
    for place, (name, share) in enumerate(parts[:-1]):
        axes.axhspan(base, base + share, color=(PALE, SKY)[place % 2], alpha=0.7, linewidth=0, label=f"{name} {100 * share:.0f} %")
        base += share
    name, share = parts[-1]
    axes.plot(x, base + gamma, color=BLUE, linewidth=2.2, label=f"{name} {100 * share:.0f} %")
    if 0.0 < range_m <= distance_m[-1]:
        axes.axvline(range_m / 1000.0, color=VERMILION, linewidth=1.4, linestyle="--", label=f"range {number(range_m / 1000.0)} km")
    axes.set(xlim=(0.0, float(x[-1])), ylim=(0.0, 1.08 * max(1.0, float(base + gamma.max()))))
    axes.set_xlabel("distance (km)")
    axes.set_ylabel("semivariance of scores")
    axes.grid(True)
    legend_above(axes, title)
    return figure


@styled
def sensitivity(table: pd.DataFrame, *, column: str, unit: str, known: tuple[float, float, float] | None, title: str) -> Figure:
    """A change and its interval over the correlation in time of the errors.

    Parameters
    ----------
    table : DataFrame
        ``rho, COLUMN, low, high``, rising in rho.
    column, unit, title : str
        The change, in the unit of the axis.
    known : (rho, low, high), optional
        The correlation that was stated or estimated, with limits (NaN where it has none); None where it is not known.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(3.5)
    rho, change, low, high = (table[name].to_numpy(dtype=np.float64) for name in ("rho", column, "low", "high"))
    axes.fill_between(rho, low, high, color=SKY, alpha=0.35, linewidth=0, label="interval of the change")
    axes.plot(rho, change, "o-", color=BLUE, linewidth=1.8, markersize=4.5, label="change")
    axes.axhline(0.0, color=BLACK, linewidth=1.0)
    if known is not None:
        axes.axvline(known[0], color=VERMILION, linewidth=1.6, linestyle="--", label=f"correlation used, {known[0]:.2f}")
        if np.isfinite(known[1]) and np.isfinite(known[2]):
            axes.axvspan(known[1], known[2], color=VERMILION, alpha=0.12, linewidth=0, label="its limits")
    axes.set_xlabel("correlation in time of the errors")
    axes.set_ylabel(f"change ({unit_text(unit)})")
    axes.grid(True)
    legend_above(axes, title)
    return figure


@styled
def beside(ours: Sequence[Interval], published: Sequence[Sequence[Interval]], *, unit: str, title: str) -> Figure:
    """Our numbers beside published ones: for each row ours with its interval and, below it, those of each study.

    Parameters
    ----------
    ours : sequence of Interval
        A row each; an interval of NaN is not drawn.
    published : sequence of sequences of Interval
        For each row the published numbers.
    unit, title : str

    Returns
    -------
    Figure
    """
    lines = sum(1 + len(own) for own in published)
    figure, axes = new_figure(1.4 + 0.3 * lines + 0.12 * len(ours))
    studies = list(dict.fromkeys(one.label for own in published for one in own))
    looks = {name: ((ORANGE, GREEN, *COLOURS[3:])[place % (len(COLOURS) - 1)], "sDv^P"[place % 5]) for place, name in enumerate(studies)}
    y, ticks, told = 0.0, [], set()
    for own, theirs in zip(ours, published, strict=True):
        ticks.append((y + 0.5 * len(theirs), own.label))
        for one, (colour, marker), name in ((own, (BLUE, "o"), "this map"), *((one, looks[one.label], one.label) for one in theirs)):
            if np.isfinite(one.low) and np.isfinite(one.high):
                axes.hlines(y, one.low, one.high, color=colour, linewidth=3.0)
            middle = one.value if np.isfinite(one.value) else np.nan
            axes.plot(middle, y, marker, color=colour, markersize=6.5, linestyle="none", label=None if name in told else name)
            told.add(name)
            y += 1.0
        y += 0.4
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], parse_math=False)
    axes.set_ylim(y - 0.7, -0.7)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel(unit_text(unit))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.tick_params(axis="y", colors=INK)
    axes.grid(True, axis="x")
    legend_above(axes, title)
    return figure


def worst_first(rows: pd.DataFrame, column: str, most: int) -> pd.DataFrame:
    """The ``most`` rows with the largest values of a column, in the order of the table.

    >>> worst_first(pd.DataFrame({"a": [1.0, 9.0, 5.0]}), "a", 2)["a"].tolist()
    [9.0, 5.0]
    """
    kept = set(rows[column].sort_values(ascending=False, kind="stable").index[:most])
    return rows[[index in kept for index in rows.index]]
