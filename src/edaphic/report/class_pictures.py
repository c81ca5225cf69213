"""Figures of classes: means with their intervals, counts, and letters that say which differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edaphic.report.driver_pictures import CAUTION, short
from edaphic.report.figures import with_unit
from edaphic.report.folder import records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.style import BLACK, BLUE, GREY, SKY, new_figure, styled
from edaphic.report.words import count, number

ALIKE = 0.1
"""Range of means, as a share of the largest, below which they are drawn as dots."""


def class_picture(
    groups: pd.DataFrame, intervals: pd.DataFrame | None, *, by: str, target: str, unit: str, test: str, alpha: float
) -> Picture:
    """Means of classes with counts and letters.

    Parameters
    ----------
    groups : DataFrame
        ``Comparison.groups``.
    intervals : DataFrame, optional
        ``class``, ``low``, ``high``: rows of one layer of :func:`edaphic.account.drivers.observed.observed_by_class`.
    by, target, unit : str
    test : str
        Name of the comparison.
    alpha : float
    """
    told = ", ".join(f"{r.group} {number(r.mean)} {r.letters} (n = {count(float(r.n))})" for r in records(groups))
    lines = " Lines: bootstrap intervals of the means." if intervals is not None else ""
    return picture_of(
        f"classes_{''.join(c if c.isalnum() else '_' for c in by)}.png",
        class_figure(groups, intervals, label=with_unit(target, unit)),
        f"Mean {target} by {by}: {told}.",
        f"Mean observed {target} by {by}, with the number of profiles. Classes without a common letter differ "
        f"({test}, alpha {alpha:g}).{lines} {CAUTION}",
    )


@styled
def class_figure(groups: pd.DataFrame, intervals: pd.DataFrame | None, *, label: str) -> Figure:
    """Horizontal bars from the largest mean, letters at their ends, counts at their feet.

    Means that are much alike beside their size (of beta) are dots on a scale of their own: bars from zero would all look the same.
    """
    figure, axes = new_figure(0.9 + 0.32 * len(groups))
    y = np.arange(len(groups))
    mean = groups["mean"].to_numpy(dtype=np.float64)
    alike = bool(len(mean) > 1 and mean.min() > 0.0 and np.ptp(mean) < ALIKE * mean.max())
    if alike:
        axes.plot(mean, y, "o", color=BLUE, markersize=7)
    else:
        axes.barh(y, mean, color=SKY, height=0.72)
    end = mean.copy() if alike else np.maximum(mean, 0.0)
    start = mean.copy() if alike else np.minimum(mean, 0.0)
    if intervals is not None:
        known = intervals.set_index("class").reindex(groups["group"])
        axes.hlines(y, known["low"], known["high"], color=BLACK, linewidth=1.3)
        end = np.fmax(end, known["high"].to_numpy(dtype=np.float64))
        start = np.fmin(start, known["low"].to_numpy(dtype=np.float64)) if alike else start
    width = float(end.max() - start.min()) or 1.0
    for i, r in enumerate(records(groups)):
        axes.text(end[i] + 0.02 * width, i, str(r.letters), va="center", fontweight="bold")
    labels = [f"{short(r.group)} ({count(float(r.n))})" for r in records(groups)]
    axes.set_yticks(y, labels, parse_math=False)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlim(float(start.min()) - (0.05 * width if start.min() != 0.0 else 0.0), float(end.max()) + 0.12 * width)
    if not alike:
        axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(True, axis="x")
    return figure
