"""Change of totals between two periods, from pairs of realisations whose errors are correlated in time.

Two maps of one model err alike: where the first is too high, the second mostly is too. How alike, rho, decides how sure a change is, and no
map tells it. It is estimated from sites that were visited in both periods (:mod:`edaphic.account.change.revisits`) or stated by the user.
Without either nothing can be inferred, and the tables say so. What each rho would mean stands beside every result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from edaphic.account.change.cells import check_options
from edaphic.account.change.pairs import Pairs
from edaphic.errors import ModelError

Floats = NDArray[np.float64]

SENSITIVITY = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Correlations in time that stand beside every change."""

FEWEST_DRAWS = 100

UNKNOWN = "nothing can be inferred: the correlation of errors in time is neither stated nor estimated"
INCREASE, DECREASE, NOT_SHOWN = "increase", "decrease", "no change shown"

CHANGE_COLUMNS = (
    "before_Tg", "after_Tg", "change_Tg", "sd_Tg", "low_Tg", "high_Tg", "p_increase", "minimum_detectable_Tg", "level", "power",
    "realisations", "rho", "rho_origin", "verdict",
)  # fmt: skip

SENSITIVITY_COLUMNS = ("rho", "change_Tg", "sd_Tg", "low_Tg", "high_Tg", "p_increase", "minimum_detectable_Tg", "verdict")


@dataclass(frozen=True)
class TimeCorrelation:
    """Correlation of errors between two periods, and where it comes from.

    Attributes
    ----------
    rho : float, optional
        None where it is not known.
    origin : str
        "stated", or how it was estimated, or why it could not be.
    low, high : float, optional
        Limits of an estimate; both join the sensitivity table.

    Raises
    ------
    ModelError
        Out of -1 to 1.

    Examples
    --------
    >>> TimeCorrelation(0.6, "stated").known, TimeCorrelation().known
    (True, False)
    """

    rho: float | None = None
    origin: str = "neither stated nor estimated"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        for value in (self.rho, self.low, self.high):
            if value is not None and not -1.0 <= value <= 1.0:
                raise ModelError(f"change: correlation of errors in time {value:g}; expected -1 to 1, or nothing where it is not known")

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return self.rho is not None

    def without_noise(self, share: float) -> TimeCorrelation:
        """The correlation of what is not drawn anew at each visit.

        Errors of measurement and differences within the distance between two visits are drawn anew at each visit. They lower the
        correlation of pairs and have no part in the error of a mean of many cells: rho / (1 - share), at most 1.

        Parameters
        ----------
        share : float
            Share of the variance of scores that is drawn anew: the nugget of their variogram, 0 to below 1.

        Raises
        ------
        ModelError
            A share out of range.

        Examples
        --------
        >>> found = TimeCorrelation(0.5, "estimated").without_noise(0.375)
        >>> found.rho, found.origin
        (0.8, 'estimated; divided by 1 - 0.375 for what is drawn anew at each visit')
        """
        if not 0.0 <= share < 1.0:
            raise ModelError(f"change: share of noise {share:g}; expected 0 to below 1")
        one, low, high = (None if x is None else max(min(x / (1.0 - share), 1.0), -1.0) for x in (self.rho, self.low, self.high))
        told = f"{self.origin}; divided by 1 - {share:g} for what is drawn anew at each visit" if one is not None else self.origin
        return TimeCorrelation(one, told, low, high)

    def sensitivity(self, values: Sequence[float] = SENSITIVITY) -> list[float]:
        """Correlations to try: the usual ones, its own and its limits, rising."""
        own = [value for value in (self.rho, self.low, self.high) if value is not None]
        return sorted({float(value) for value in (*values, *own)})


def verdict_of(low: float, high: float) -> str:
    """Words for the interval of a change.

    >>> verdict_of(0.1, 2.0), verdict_of(-2.0, -0.1), verdict_of(-1.0, 1.0)
    ('increase', 'decrease', 'no change shown')
    """
    return INCREASE if low > 0.0 else DECREASE if high < 0.0 else NOT_SHOWN


@dataclass(frozen=True)
class RegionalChange:
    """Tables of the change of totals.

    Attributes
    ----------
    changes : DataFrame
        The columns of the keys, then :data:`CHANGE_COLUMNS`.
    sensitivity : DataFrame
        The columns of the keys, then :data:`SENSITIVITY_COLUMNS`: a row for each correlation in time that was tried.
    """

    changes: pd.DataFrame
    sensitivity: pd.DataFrame


def regional_change(
    pairs: Pairs,
    keys: pd.DataFrame,
    correlation: TimeCorrelation,
    *,
    level: float = 0.9,
    power: float = 0.8,
    sensitivity: Sequence[float] = SENSITIVITY,
) -> RegionalChange:
    """Mean change of totals, its interval, the probability of an increase, and the smallest change that could be seen.

    Parameters
    ----------
    pairs : callable
        rho -> realisations of the totals of both periods, (draws, rows) each, Tg; see :mod:`edaphic.account.change.pairs`.
    keys : DataFrame (rows)
        What each row is: class, layer, periods.
    correlation : TimeCorrelation
        Where it is not known all results but the totals are NaN, and ``verdict`` says that nothing can be inferred. The sensitivity table
        is there all the same.
    level : float
        Of the interval.
    power : float
        With which ``minimum_detectable_Tg`` = (z(1 - a / 2) + z(power)) sd, a = 1 - level, is seen.
    sensitivity : sequence of float
        Correlations to try besides.

    Returns
    -------
    RegionalChange
        ``verdict``: "increase" where the whole interval lies above zero, "decrease" below, else "no change shown".

    Raises
    ------
    ModelError
        Realisations that are too few, not finite, or not as many as keys; a correlation, level or power out of range.

    Examples
    --------
    >>> keys = pd.DataFrame({"class_name": ["all"]})
    >>> draws = np.linspace(-1.0, 1.0, 101)[:, None]
    >>> found = regional_change(lambda rho: (10.0 + draws, 12.0 + draws), keys, TimeCorrelation(0.5, "stated"), sensitivity=[0.5])
    >>> found.changes[["change_Tg", "p_increase", "verdict"]].round(9).values.tolist()
    [[2.0, 1.0, 'increase']]
    """
    check_options(correlation.rho, level, power)
    tried = {rho: _numbers(*_checked(pairs(rho), len(keys), rho), level, power) for rho in correlation.sensitivity(sensitivity)}
    told = keys.reset_index(drop=True)
    beside = [told.assign(rho=rho, **{name: table[name] for name in SENSITIVITY_COLUMNS if name != "rho"}) for rho, table in tried.items()]
    many = pd.concat(beside, keys=range(len(beside))).swaplevel().sort_index(kind="stable").reset_index(drop=True)
    return RegionalChange(_changes(told, tried, correlation, level, power), many[[*keys.columns, *SENSITIVITY_COLUMNS]])


def _changes(
    keys: pd.DataFrame, tried: dict[float, pd.DataFrame], correlation: TimeCorrelation, level: float, power: float
) -> pd.DataFrame:
    # Totals of each period do not depend on rho: any of the tables has them.
    table = tried[next(iter(tried)) if correlation.rho is None else float(correlation.rho)]
    if correlation.rho is None:
        unknown = [name for name in SENSITIVITY_COLUMNS if name not in ("rho", "verdict")]
        table = table.assign(**dict.fromkeys(unknown, np.nan), verdict=UNKNOWN)
    rho = np.nan if correlation.rho is None else correlation.rho
    out = keys.join(table).assign(level=level, power=power, rho=rho, rho_origin=correlation.origin)
    return out[[*keys.columns, *CHANGE_COLUMNS]]


def _checked(found: tuple[Floats, Floats], rows: int, rho: float) -> tuple[Floats, Floats]:
    before, after = (np.asarray(one, dtype=np.float64) for one in found)
    where = f"change, realisations at rho {rho:g}"
    if before.ndim != 2 or before.shape != after.shape or before.shape[1] != rows:
        raise ModelError(f"{where}: shapes {before.shape} and {after.shape}; expected (draws, {rows}) both")
    faults = []
    if before.shape[0] < FEWEST_DRAWS:
        faults.append(f"{where}: {before.shape[0]} draws; expected {FEWEST_DRAWS} or more")
    if odd := int((~np.isfinite(before + after)).any(axis=0).sum()):
        faults.append(f"{where}: {odd} of {rows} rows hold numbers that are not finite; expected totals")
    if faults:
        raise ModelError(faults)
    return before, after


def _numbers(before: Floats, after: Floats, level: float, power: float) -> pd.DataFrame:
    """What the realisations of each row say."""
    difference = after - before
    sd = difference.std(axis=0, ddof=1)
    low, high = np.quantile(difference, [0.5 - level / 2.0, 0.5 + level / 2.0], axis=0)
    rises = (difference > 0).mean(axis=0) + 0.5 * (difference == 0).mean(axis=0)
    return pd.DataFrame(
        {
            "before_Tg": before.mean(axis=0),
            "after_Tg": after.mean(axis=0),
            "change_Tg": difference.mean(axis=0),
            "sd_Tg": sd,
            "low_Tg": low,
            "high_Tg": high,
            "p_increase": rises,
            "minimum_detectable_Tg": float(ndtri(0.5 + level / 2.0) + ndtri(power)) * sd,
            "realisations": before.shape[0],
            "verdict": [verdict_of(a, b) for a, b in zip(low, high, strict=True)],
        }
    )
