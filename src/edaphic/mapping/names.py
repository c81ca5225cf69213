"""Names of statistics and maps: what ``q025`` asks for, and how its array and its file are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edaphic.model.soil import Interval, interval_name

Period = tuple[int, int]
"""First and last year."""

OF_TREES = ("mean", "se", "spread", "tree_se")
"""Statistics of the forest that have no level."""

OF_COVARIATES = ("applicability", "dissimilarity", "point_density")
"""Statistics of the covariates alone: one map for all depths, with no unit."""

_QUANTILE = re.compile(r"(?P<trees>tree_)?q(?P<digits>\d{2,3})")


@dataclass(frozen=True)
class MapKey:
    """One map: a statistic of a depth interval (cm), and of a period where there are several."""

    stat: str
    interval: Interval
    period: Period | None = None

    @property
    def name(self) -> str:
        """Name of its array; that of its file has the quantity before it.

        >>> MapKey("mean", (0.0, 30.0)).name, MapKey("p_above_2.5", (0.0, 7.5), (1985, 1990)).name
        ('mean_0-30cm', 'p_above_2.5_0-7.5cm_1985-1990')
        """
        when = "" if self.period is None else f"_{self.period[0]}-{self.period[1]}"
        return f"{self.stat}_{interval_name(self.interval)}cm{when}"


def level_of(stat: str) -> float | None:
    """Level of a calibrated quantile; None for another statistic.

    >>> [level_of(stat) for stat in ("q05", "q50", "q025", "q975", "mean", "tree_q05")]
    [0.05, 0.5, 0.025, 0.975, None, None]
    """
    return _level(stat, trees=False)


def tree_level_of(stat: str) -> float | None:
    """Level of a percentile of the trees' means; None for another statistic.

    >>> tree_level_of("tree_q05"), tree_level_of("q05")
    (0.05, None)
    """
    return _level(stat, trees=True)


def _level(stat: str, *, trees: bool) -> float | None:
    found = _QUANTILE.fullmatch(stat)
    if found is None or (found["trees"] is not None) != trees:
        return None
    return int(found["digits"]) / 10.0 ** len(found["digits"])


def threshold_stat(value: float) -> str:
    """Statistic of the probability to exceed a threshold.

    >>> threshold_stat(5.0), threshold_stat(2.5)
    ('p_above_5', 'p_above_2.5')
    """
    return f"p_above_{value:.15g}"


def map_keys(
    stats: Sequence[str],
    thresholds: Sequence[float],
    intervals: Sequence[Interval],
    periods: Sequence[Period | None],
    *,
    mean_of_periods: bool = False,
) -> tuple[MapKey, ...]:
    """All maps, in the order in which they are written.

    Parameters
    ----------
    stats : sequence of str
    thresholds : sequence of float
        In the unit of the maps.
    intervals : sequence of (top_cm, bottom_cm)
        The layers, then the whole depth where there is one.
    periods : sequence of (first, last)
        ``[None]`` for maps without a period in their names.
    mean_of_periods : bool
        Adds the mean over the periods of the means.

    Examples
    --------
    >>> [key.name for key in map_keys(["mean", "applicability"], [5.0], [(0, 30), (30, 60), (0, 60)], [None])]  # doctest: +ELLIPSIS
    ['mean_0-30cm', 'p_above_5_0-30cm', 'mean_30-60cm', ..., 'applicability_0-60cm']
    """
    own = [stat for stat in stats if stat not in OF_COVARIATES] + [threshold_stat(value) for value in thresholds]
    depth = (min(top for top, _ in intervals), max(bottom for _, bottom in intervals))
    keys = []
    for period in periods:
        keys += [MapKey(stat, interval, period) for interval in intervals for stat in own]
        keys += [MapKey(stat, depth, period) for stat in OF_COVARIATES if stat in stats]
    if mean_of_periods:
        keys += [MapKey("mean", interval, span(periods)) for interval in intervals]
    return tuple(keys)


def span(periods: Sequence[Period | None]) -> Period:
    """First year of the first period and last year of the last one.

    >>> span([(1985, 1990), (1990, 1995)])
    (1985, 1995)
    """
    known = [period for period in periods if period is not None]
    return (known[0][0], known[-1][1])
