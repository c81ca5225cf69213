"""How far two products agree: scatter statistics, Taylor and target diagrams, and the spread over several products.

None of this is accuracy. Two maps can agree and both be wrong, and often do where one was made from the other or both from the same
profiles. Names say so: agreement *between products*.

Definitions, with w the weight of a cell (its area, or 1), x ours, y theirs, means and variances weighted by w:

========================  ========================================================================================================
``bias``                  mean of x - y
``rmse``                  root of the mean of (x - y)^2
``mec_theirs_reference``  1 - sum w (x - y)^2 / sum w (y - mean y)^2: ours as a model of theirs
``mec_ours_reference``    the same over sum w (x - mean x)^2: theirs as a model of ours
``ccc``                   2 cov / (var x + var y + bias^2) (Lin 1989, Biometrics 45: 255-268)
``slope, intercept``      least squares of ours on theirs: x = intercept + slope y
========================  ========================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.account.sums import Sums
from edaphic.errors import ModelError

Floats = NDArray[np.float64]

LABEL = "agreement between products, not accuracy"

AGREEMENT = (
    "cells",
    "mean_ours",
    "mean_theirs",
    "sd_ours",
    "sd_theirs",
    "bias",
    "rmse",
    "mec_theirs_reference",
    "mec_ours_reference",
    "pearson_r",
    "r2_pearson",
    "ccc",
    "slope",
    "intercept",
)

TAYLOR = ("sd_reference", "sd_ratio", "pearson_r", "centred_rmse", "centred_rmse_ratio", "bias_ratio", "target_x")

_LOST = 1e-13
"""A variance below this share of the second moment is rounding."""


class Pairs:
    """Weighted sums of pairs, gathered part by part; the result does not depend on the parts (compensated sums).

    Examples
    --------
    >>> pairs = Pairs()
    >>> pairs.add(np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    >>> pairs.add(np.array([6.0]), np.array([3.0]), np.array([1.0]))
    >>> found = pairs.agreement()
    >>> [round(found[name], 9) for name in ("bias", "slope", "pearson_r", "mec_theirs_reference")]
    [2.0, 2.0, 1.0, -6.0]
    """

    def __init__(self) -> None:
        self._sums = Sums(8)

    def add(self, ours: Floats, theirs: Floats, weight: Floats) -> None:
        """Take in values (n,) without NaN and their weights, 0 or more."""
        if not ours.size:
            return
        error = ours - theirs
        parts = (np.ones_like(ours), weight, weight * ours, weight * theirs, weight * ours**2, weight * theirs**2)
        self._sums.add_cells("", np.stack([*parts, weight * ours * theirs, weight * error**2]))

    @property
    def count(self) -> int:
        """Pairs so far."""
        return int(self._sums[""][0])

    @property
    def area_m2(self) -> float:
        """Sum of the weights."""
        return float(self._sums[""][1])

    def agreement(self) -> dict[str, float]:
        """The statistics :data:`AGREEMENT`; NaN where one is not defined (no pairs, a constant product)."""
        count, total, x, y, xx, yy, xy, ee = (float(value) for value in self._sums[""])
        if not count or total <= 0.0:
            return {name: float("nan") for name in AGREEMENT} | {"cells": 0}
        mx, my, mse = x / total, y / total, ee / total
        vx, vy = _variance(xx / total, mx), _variance(yy / total, my)
        cov = xy / total - mx * my if vx > 0.0 and vy > 0.0 else 0.0
        r = float(np.clip(cov / np.sqrt(vx * vy), -1.0, 1.0)) if vx > 0.0 and vy > 0.0 else float("nan")
        spread = vx + vy + (mx - my) ** 2
        values = (
            int(count), mx, my, float(np.sqrt(vx)), float(np.sqrt(vy)), mx - my, float(np.sqrt(mse)),
            1.0 - mse / vy if vy > 0.0 else float("nan"), 1.0 - mse / vx if vx > 0.0 else float("nan"), r, r * r,
            2.0 * cov / spread if spread > 0.0 else float("nan"), cov / vy if vy > 0.0 else float("nan"),
            mx - cov / vy * my if vy > 0.0 else float("nan"),
        )  # fmt: skip
        return dict(zip(AGREEMENT, values, strict=True))


def _variance(second: float, mean: float) -> float:
    found = second - mean * mean
    return found if found > _LOST * second else 0.0


def agreement(ours: ArrayLike, theirs: ArrayLike, weight: ArrayLike | None = None) -> dict[str, float]:
    """The statistics :data:`AGREEMENT` of two arrays, over the places where both have a value.

    Parameters
    ----------
    ours, theirs : array_like of one shape
        Same unit, NaN where there is no value.
    weight : array_like, optional
        Weight of each place, such as the area of the cell; 1 without it.

    Raises
    ------
    ModelError
        Shapes that differ, negative weights.

    Examples
    --------
    A product beside itself agrees wholly; beside itself plus one only the level is off:

    >>> same = agreement([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    >>> same["rmse"], same["ccc"], same["mec_theirs_reference"]
    (0.0, 1.0, 1.0)
    >>> off = agreement([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    >>> [round(off[name], 4) for name in ("bias", "ccc", "r2_pearson", "mec_theirs_reference")]
    [1.0, 0.5714, 1.0, -0.5]
    """
    x, y = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    w = np.ones(x.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    if not x.shape == y.shape == w.shape:
        raise ModelError(f"agreement: values of shape {x.shape} and {y.shape}, weights {w.shape}; expected one shape")
    if (w < 0.0).any():
        raise ModelError("agreement: negative weights; expected areas, 0 or more")
    both = np.isfinite(x) & np.isfinite(y) & np.isfinite(w)
    pairs = Pairs()
    pairs.add(x[both], y[both], w[both])
    return pairs.agreement()


def taylor(found: Mapping[str, float]) -> dict[str, float]:
    """What Taylor and target diagrams show of another product, with ours as the reference.

    Parameters
    ----------
    found : mapping
        Of :func:`agreement`.

    Returns
    -------
    dict with the keys :data:`TAYLOR`
        ``sd_ratio`` sd of theirs over ours; ``centred_rmse`` root of the mean squared difference once both means are taken out;
        ``centred_rmse_ratio`` it over the sd of ours, so that ratio^2 = 1 + sd_ratio^2 - 2 sd_ratio r (Taylor 2001, Journal of
        Geophysical Research 106: 7183-7192); ``bias_ratio`` (theirs - ours) over the sd of ours, the target diagram's y; ``target_x`` the
        centred RMSE ratio with the sign of (sd theirs - sd ours) (Jolliff et al. 2009, Journal of Marine Systems 76: 64-82).
        The distance from the origin of the target diagram is the RMSE over the sd of ours.

    Examples
    --------
    >>> told = taylor(agreement([1.0, 2.0, 3.0], [3.0, 5.0, 7.0]))
    >>> [round(told[key], 9) for key in ("sd_ratio", "pearson_r", "centred_rmse_ratio", "target_x")]
    [2.0, 1.0, 1.0, 1.0]
    """
    sd, other, bias, r = found["sd_ours"], found["sd_theirs"], found["bias"], found["pearson_r"]
    centred = float(np.sqrt(max(found["rmse"] ** 2 - bias**2, 0.0))) if np.isfinite(found["rmse"]) else float("nan")
    if not sd > 0.0:
        none = float("nan")
        return dict(zip(TAYLOR, (sd, none, none, centred, none, none, none), strict=True))
    sign = -1.0 if other < sd else 1.0
    return dict(zip(TAYLOR, (sd, other / sd, r, centred, centred / sd, -bias / sd, sign * centred / sd), strict=True))


def spread(values: ArrayLike) -> tuple[Floats, Floats]:
    """Coefficient of variation across products in each cell, and how many products it rests on.

    CV = 100 s / m with s the standard deviation over the products that have a value in the cell (divisor n - 1) and m their mean.

    Parameters
    ----------
    values : array_like (k, ...)
        Products in one unit, NaN where one has no value.

    Returns
    -------
    cv_pct, count : float arrays (...)
        The CV is NaN where fewer than two products have a value or their mean is not positive; the count is NaN where none has.

    Examples
    --------
    >>> cv, count = spread([[4.0, 4.0, 4.0], [6.0, 4.0, np.nan], [8.0, np.nan, np.nan]])
    >>> cv.round(6).tolist(), count.tolist()
    ([33.333333, 0.0, nan], [3.0, 2.0, 1.0])
    """
    stack = np.asarray(values, dtype=np.float64)
    known = np.isfinite(stack)
    count = known.sum(axis=0).astype(np.float64)
    first = np.zeros(stack.shape[1:])
    for place in range(len(stack) - 1, -1, -1):
        first = np.where(known[place], stack[place], first)
    # From the first value, so that equal products have exactly no spread.
    apart = np.where(known, stack - first, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = apart.sum(axis=0) / count
        squares = np.where(known, (apart - shift) ** 2, 0.0).sum(axis=0)
        mean = first + shift
        cv = 100.0 * np.sqrt(squares / (count - 1.0)) / mean
    defined = (count >= 2.0) & (mean > 0.0)
    return np.where(defined, cv, np.nan), np.where(count > 0.0, count, np.nan)


def relative_difference(ours: ArrayLike, theirs: ArrayLike) -> Floats:
    """(ours - theirs) / ours x 100, percent; NaN where a value is missing or ours is zero.

    >>> relative_difference([4.0, 4.0, 0.0], [2.0, 4.0, 1.0]).tolist()
    [50.0, 0.0, nan]
    """
    x, y = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(x != 0.0, 100.0 * (x - y) / x, np.nan))
