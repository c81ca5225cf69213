"""Mass-preserving (equal-area quadratic) spline, all profiles at once.

Inside a horizon the curve is a quadratic, between horizons that do not touch it is a straight line; value and slope are
continuous, the slope is zero at both ends of the profile. The mean of each quadratic is the fitted mean of its horizon,
``s_bar``, which minimises

    (1/n) sum (y_i - s_bar_i)^2 + lam * integral of f'(z)^2

(Bishop, McBratney and Laslett 1999, Geoderma 91: 27-45; Malone et al. 2009, Geoderma 154: 138-152). This gives
``(I + 6 n lam Q' R^-1 Q) s_bar = y`` with ``R`` tridiagonal in the horizon thicknesses and ``Q`` the first difference.

Departures from the usual programs, all of them after the fit, which is the same: the curve is integrated in closed form
and not summed at 1 cm steps, it is not clamped, nothing is made up for a part of a layer that was not observed, and one
horizon alone is a constant over that horizon and over nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solveh_banded

from edaphic.errors import TableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COVER_DECIMALS = 9


@dataclass(frozen=True)
class SplineFit:
    """Fitted depth functions of many profiles; arrays have one entry for each horizon unless said otherwise.

    With ``t`` the depth below the top of a horizon and ``h`` its thickness, the curve is
    ``s_bar + slope (t - h/2) + curvature (t^2 - h^2/3)``. Between two horizons of a profile that do not touch it is the
    straight line that joins them.

    Attributes
    ----------
    start : int array (n_profiles,)
        Index of the first horizon of each profile.
    codes : int array (n_profiles,)
        Code of each profile, as given.
    top, bottom : float array (n,)
        Depths in cm.
    s_bar : float array (n,)
        Fitted mean of each horizon, in the unit of the values.
    slope : float array (n,)
        Slope at the top of the horizon, unit per cm.
    curvature : float array (n,)
        Half the second derivative, unit per cm2.
    lam : float
        Smoothing that was used.
    """

    start: Ints
    codes: Ints
    top: Floats
    bottom: Floats
    s_bar: Floats
    slope: Floats
    curvature: Floats
    lam: float


def fit(profile: ArrayLike, top: ArrayLike, bottom: ArrayLike, value: ArrayLike, lam: float = 0.1) -> SplineFit:
    """Fit one spline to each profile.

    Parameters
    ----------
    profile : int array (n,)
        Code of the profile of each horizon, not decreasing.
    top, bottom : float array (n,)
        Depths in cm, in order and without overlap within a profile; gaps are allowed.
    value : float array (n,)
        Mean of the property in each horizon.
    lam : float
        Smoothing, 0 or more; 0 keeps every horizon mean. It is multiplied by the number of horizons of the profile.

    Returns
    -------
    SplineFit

    Raises
    ------
    TableError
        Missing values, horizons that overlap or are out of order, thickness not positive, or negative ``lam``.

    Notes
    -----
    With ``w = R^-1 Q s_bar`` the system becomes ``(R + 6 n lam Q Q') w = Q y``, ``s_bar = y - 6 n lam Q' w``, and the
    slopes at the boundaries are ``6 w``. It is tridiagonal and positive definite, and profiles are not coupled: one
    banded solve in O(n) fits all of them, and the numbers of a profile do not depend on the others.

    Examples
    --------
    Two horizons of 10 cm: the one unknown is w = (1 - 3) / (40 + 2 c) with c = 6 * 2 * lam.

    >>> fit([0, 0], [0, 10], [10, 20], [3.0, 1.0], lam=5 / 3).s_bar.round(12)
    array([2.5, 1.5])
    >>> fit([0, 0], [0, 10], [10, 20], [3.0, 1.0], lam=0).s_bar
    array([3., 1.])
    """
    codes, u, v, y = _checked(profile, top, bottom, value, lam)
    h = v - u
    start = _starts(codes)
    penalty = np.asarray(6.0 * lam * _sizes(start, codes.size), dtype=np.float64)
    w = _boundary_unknowns(codes, u, v, y, penalty)
    above, below = np.append(0.0, w[:-1]), w
    s_bar = y + penalty * (below - above)
    slope = 6.0 * above
    return SplineFit(
        start=start,
        codes=codes[start],
        top=u,
        bottom=v,
        s_bar=s_bar,
        slope=slope,
        curvature=3.0 * (below - above) / h,
        lam=float(lam),
    )


def step(profile: ArrayLike, top: ArrayLike, bottom: ArrayLike, value: ArrayLike) -> SplineFit:
    """The step function through the horizons, in the same form; its integral is the thickness-weighted sum.

    >>> integral, covered = integrate(step([0, 0], [0, 10], [10, 30], [4.0, 1.0]), [0], [20])
    >>> float(integral[0, 0]), float(covered[0, 0])
    (50.0, 20.0)
    """
    codes, u, v, y = _checked(profile, top, bottom, value, 0.0)
    start = _starts(codes)
    zero = np.zeros(codes.size)
    return SplineFit(start, codes[start], u, v, y, zero, zero, 0.0)


def integrate(fitted: SplineFit, tops: ArrayLike, bottoms: ArrayLike, max_gap_cm: float = 0.0) -> tuple[Floats, Floats]:
    """Exact integral of each spline over each target layer, and how much of the layer was observed.

    Parameters
    ----------
    fitted : SplineFit
    tops, bottoms : float array (n_layers,)
        Target layers in cm.
    max_gap_cm : float
        Gaps between horizons up to this width count as observed, along the line that joins them; wider ones do not.
        Above the first and below the last horizon there is nothing to count.

    Returns
    -------
    integral : float array (n_profiles, n_layers)
        Unit of the values times cm, over the observed part of the layer.
    covered : float array (n_profiles, n_layers)
        Observed thickness in cm, rounded to 1e-9 cm: nothing is observed by the last bit of a subtraction.

    Examples
    --------
    A profile to 70 cm covers a quarter of 60-100 cm.

    >>> integral, covered = integrate(fit([0, 0], [0, 30], [30, 70], [2.0, 2.0]), [0, 60], [30, 100])
    >>> integral.tolist(), covered.tolist()
    ([[60.0, 20.0]], [[30.0, 10.0]])
    """
    upper, lower = np.atleast_1d(np.asarray(tops, float)), np.atleast_1d(np.asarray(bottoms, float))
    if upper.shape != lower.shape or not (lower > upper).all():
        raise TableError("layers: a bottom is not below its top; expected top < bottom for each layer")
    shape = (fitted.start.size, upper.size)
    if fitted.start.size == 0:
        return np.zeros(shape), np.zeros(shape)
    u, h = fitted.top[:, None], (fitted.bottom - fitted.top)[:, None]
    from_top, to_bottom = np.clip(upper - u, 0.0, h), np.clip(lower - u, 0.0, h)
    area = _antiderivative(fitted, to_bottom) - _antiderivative(fitted, from_top)
    integral = np.add.reduceat(area, fitted.start, axis=0)
    last = np.append(fitted.start[1:], fitted.top.size) - 1
    covered = np.clip(
        np.minimum(lower, fitted.bottom[last, None]) - np.maximum(upper, fitted.top[fitted.start, None]), 0.0, None
    )
    owner, gap_integral, gap_cover, bridged = _gaps(fitted, upper, lower, max_gap_cm)
    np.add.at(integral, owner[bridged], gap_integral[bridged])
    np.add.at(covered, owner[~bridged], -gap_cover[~bridged])
    return integral, np.round(covered, COVER_DECIMALS)


def _gaps(
    fitted: SplineFit, upper: Floats, lower: Floats, max_gap_cm: float
) -> tuple[Ints, Floats, Floats, NDArray[np.bool_]]:
    """Gaps within profiles: profile, integral of the joining line over each layer, overlap in cm, narrow enough."""
    inside = np.ones(fitted.top.size, dtype=bool)
    inside[fitted.start] = False
    below = np.flatnonzero(inside & (fitted.top > np.append(0.0, fitted.bottom[:-1])))
    above = below - 1
    width = fitted.top[below] - fitted.bottom[above]
    start_value = (_curve(fitted, fitted.bottom - fitted.top))[above]
    end_value = (_curve(fitted, np.zeros(fitted.top.size)))[below]
    rise = (end_value - start_value) / width
    v = fitted.bottom[above, None]
    a, b = np.clip(upper - v, 0.0, width[:, None]), np.clip(lower - v, 0.0, width[:, None])
    integral = start_value[:, None] * (b - a) + rise[:, None] * (b * b - a * a) / 2.0
    owner = np.searchsorted(fitted.start, below, side="right") - 1
    # Depths carry two decimals: a gap of exactly max_gap_cm must not fail by the last bit of a subtraction.
    return owner, integral, b - a, width <= max_gap_cm + 1e-9


def _curve(fitted: SplineFit, t: Floats) -> Floats:
    """Value at depth t below the top of each horizon."""
    h = fitted.bottom - fitted.top
    return fitted.s_bar + fitted.slope * (t - h / 2.0) + fitted.curvature * (t * t - h * h / 3.0)


def _antiderivative(fitted: SplineFit, t: Floats) -> Floats:
    """Integral from the top of each horizon to t (n, n_layers); at t = h it is s_bar * h exactly, term by term."""
    h = (fitted.bottom - fitted.top)[:, None]
    return (
        fitted.s_bar[:, None] * t
        + fitted.slope[:, None] * t * (t - h) / 2.0
        + fitted.curvature[:, None] * t * (t - h) * (t + h) / 3.0
    )


def _boundary_unknowns(codes: Ints, u: Floats, v: Floats, y: Floats, penalty: Floats) -> Floats:
    """The w below each horizon, (n,); 0 below the last horizon of a profile."""
    joined = np.append(codes[1:] == codes[:-1], False)
    if not joined.any():
        return np.zeros(codes.size)
    h, h_next = v - u, np.append((v - u)[1:], 0.0)
    gap, rise = np.append(u[1:] - v[:-1], 0.0), np.append(np.diff(y), 0.0)
    # A boundary between two profiles is no unknown: its row is 1 * w = 0, not coupled to its neighbours.
    diagonal = np.where(joined, 2.0 * (h + h_next) + 6.0 * gap + 2.0 * penalty, 1.0)
    coupled = joined & np.append(joined[1:], False)
    beside = np.where(coupled, h_next - penalty, 0.0)
    w = solveh_banded(np.vstack([diagonal, beside]), np.where(joined, rise, 0.0), lower=True)
    return np.where(joined, w, 0.0)


def _starts(codes: Ints) -> Ints:
    """Index of the first horizon of each profile."""
    return np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: codes.size]).astype(np.int64)


def _sizes(start: Ints, n: int) -> Ints:
    """Number of horizons of the profile that each horizon is of."""
    count = np.diff(np.append(start, n))
    return np.repeat(count, count)


def _checked(
    profile: ArrayLike, top: ArrayLike, bottom: ArrayLike, value: ArrayLike, lam: float
) -> tuple[Ints, Floats, Floats, Floats]:
    """The four arrays, or all that is wrong with them."""
    codes = np.asarray(profile, dtype=np.int64)
    u, v, y = (np.asarray(array, dtype=np.float64) for array in (top, bottom, value))
    if codes.ndim != 1 or not codes.shape == u.shape == v.shape == y.shape:
        shapes = f"{codes.shape}, {u.shape}, {v.shape}, {y.shape}"
        raise TableError(f"spline: found arrays of shape {shapes}; expected four of (n,)")
    same = codes[1:] == codes[:-1]
    faults = {
        "lam is negative or not a number": int(not lam >= 0),
        "profile codes out of order": int((codes[1:] < codes[:-1]).sum()),
        "depth or value missing": int((~np.isfinite(u + v + y)).sum()),
        "bottom not below top": int((u >= v).sum()),
        "horizon overlaps or lies above the one before": int((same & (u[1:] < v[:-1])).sum()),
    }
    found = [
        f"spline: {fault} ({count} times); expected none (clean first)" for fault, count in faults.items() if count > 0
    ]
    if found:
        raise TableError(found)
    return codes, u, v, y
