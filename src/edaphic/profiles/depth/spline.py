"""Mass-preserving (equal-area quadratic) spline, all profiles at once.

Inside a horizon the curve is a quadratic, between horizons that do not touch it is a straight line; value and slope are
continuous, the slope is zero at both ends of the profile (Bishop, McBratney and Laslett 1999, Geoderma 91: 27-45; Malone et
al. 2009, Geoderma 154: 138-152). With ``h`` the thickness of a horizon and ``H`` their sum, the curve minimises

    (1/H) sum h_i (y_i - s_i)^2 + lam * integral of f'(z)^2

where ``s_i`` is its mean in horizon i. In the sixths ``w`` of the slopes at the inner boundaries this is

    (R + c Q W^-1 Q') w = Q y,   s = y - c W^-1 Q' w,   c = 6 H lam,   W = diag(h)

with ``Q`` the first difference and ``R`` tridiagonal: ``2 (h_i + h_i+1) + 6 gap_i`` on the diagonal, ``h_i+1`` beside it.

How it differs from the usual programs, which :mod:`edaphic.profiles.depth.spline_paper` follows step for step:

- A horizon counts by its thickness. The programs give a horizon of 2 cm the weight of one of 50 cm; the two are the same where all
  horizons are equally thick. With the thickness as weight the mass of the profile is kept by itself, for any ``lam``: the
  columns of ``Q'`` are differences, so ``sum h_i s_i = sum h_i y_i - c 1'Q'w`` and the last sum telescopes to 0.
- The curve is nowhere negative. Where the minimiser falls below 0 it is replaced by the minimiser among the curves that do not
  (:mod:`edaphic.profiles.depth.spline_positive`), not cut off at 0, which would add mass.
- It is integrated in closed form, not summed at steps of 1 cm, and nothing is made up for a depth that was not observed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError
from edaphic.profiles.depth.spline_kernels import fit_profiles, integrals, quadrature, values

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

COVER_DECIMALS = 9
LAM_MAX = 1e15


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
    constrained : bool array (n_profiles,)
        The curve without the condition fell below 0 somewhere, and this is the best one that does not.
    mixed : float array (n_profiles,)
        Share of the constant curve (the mean of the profile) that was mixed in so that rounding leaves nothing below 0: 0 where
        not constrained, about 1e-11 where constrained. It grows where horizons of very different thickness make the sums inexact, or
        where the search for the best curve ended early: this one is then near to it, by about that share of the mean.
    """

    start: Ints
    codes: Ints
    top: Floats
    bottom: Floats
    s_bar: Floats
    slope: Floats
    curvature: Floats
    lam: float
    constrained: Flags
    mixed: Floats

    @property
    def end(self) -> Ints:
        """Index after the last horizon of each profile, (n_profiles,)."""
        return np.append(self.start[1:], self.top.size)[: self.start.size].astype(np.int64)


def fit(
    profile: ArrayLike, top: ArrayLike, bottom: ArrayLike, value: ArrayLike, lam: float = 0.1, *, nonnegative: bool = True
) -> SplineFit:
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
        Smoothing in cm, 0 to 1e15; 0 keeps every horizon mean where the curve stays positive.
    nonnegative : bool
        The curve is 0 or more at every depth. Without it the fit is linear in the values, for a property that can be negative
        and for errors.

    Returns
    -------
    SplineFit
        The numbers of a profile do not depend on the other profiles, to the bit.

    Raises
    ------
    TableError
        Missing values, horizons that overlap or are out of order, thickness not positive, ``lam`` out of range, values below 0
        where the curve is to be nonnegative.

    Notes
    -----
    The mass of each profile, the sum of value times thickness, is kept. A profile of one horizon is a constant.

    Examples
    --------
    Two horizons of 10 cm: the one unknown is w = (1 - 3) / (40 + 2 c / 10) with c = 6 * 20 * lam.

    >>> fit([0, 0], [0, 10], [10, 20], [3.0, 1.0], lam=5 / 3).s_bar.round(12)
    array([2.5, 1.5])
    >>> fit([0, 0], [0, 10], [10, 20], [3.0, 1.0], lam=0).s_bar
    array([3., 1.])

    Without carbon below 10 cm the curve of these means would fall to -0.75 at 20 cm. The best one that does not fall below 0:

    >>> fitted = fit([0, 0], [0, 10], [10, 20], [3.0, 0.0], lam=0)
    >>> fitted.s_bar.round(9), fitted.constrained
    (array([2.5, 0.5]), array([ True]))
    """
    codes, u, v, y = _checked(profile, top, bottom, value, lam, nonnegative)
    fitted = _empty(codes, u, v, float(lam))
    fit_profiles(
        fitted.start, fitted.end, u, v, y, float(lam), True, nonnegative,
        fitted.s_bar, fitted.slope, fitted.curvature, fitted.constrained, fitted.mixed,
    )  # fmt: skip
    if not np.isfinite(fitted.s_bar).all():
        raise TableError("spline: values too large to be added up; expected less than 1e150")
    return fitted


def step(profile: ArrayLike, top: ArrayLike, bottom: ArrayLike, value: ArrayLike) -> SplineFit:
    """The step function through the horizons, in the same form; its integral is the thickness-weighted sum.

    >>> integral, covered = integrate(step([0, 0], [0, 10], [10, 30], [4.0, 1.0]), [0], [20])
    >>> float(integral[0, 0]), float(covered[0, 0])
    (50.0, 20.0)
    """
    codes, u, v, y = _checked(profile, top, bottom, value, 0.0, False)
    fitted = _empty(codes, u, v, 0.0)
    fitted.s_bar[:] = y
    return fitted


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

    Raises
    ------
    TableError
        A layer whose bottom is not below its top.

    Examples
    --------
    A profile to 70 cm covers a quarter of 60-100 cm.

    >>> integral, covered = integrate(fit([0, 0], [0, 30], [30, 70], [2.0, 2.0]), [0, 60], [30, 100])
    >>> integral.tolist(), covered.tolist()
    ([[60.0, 20.0]], [[30.0, 10.0]])
    """
    upper, lower = _layers(tops, bottoms)
    shape = (fitted.start.size, upper.size)
    integral, covered = np.zeros(shape), np.zeros(shape)
    integrals(
        fitted.start, fitted.end, fitted.top, fitted.bottom, fitted.s_bar, fitted.slope, fitted.curvature,
        upper, lower, float(max_gap_cm), integral, covered,
    )  # fmt: skip
    return integral, covered


def evaluate(fitted: SplineFit, depths: ArrayLike, max_gap_cm: float = 0.0) -> Floats:
    """Value of each curve at each depth.

    Parameters
    ----------
    fitted : SplineFit
    depths : float array (n_depths,)
        In cm.
    max_gap_cm : float
        As in :func:`integrate`.

    Returns
    -------
    float array (n_profiles, n_depths)
        In the unit of the values; NaN where nothing was observed: above the first horizon, below the last one, inside a gap
        wider than ``max_gap_cm``. At the boundary of two horizons it is the value of the lower one (a step jumps there).

    Examples
    --------
    Two horizons of 10 cm, w = -2 / 40: the slope is -0.3 per cm at 10 cm and 0 at both ends.

    >>> evaluate(fit([0, 0], [0, 10], [10, 20], [3.0, 1.0], lam=0), [0, 10, 20, 21]).round(12)
    array([[3.5, 2. , 0.5, nan]])
    """
    at = np.atleast_1d(_floats(depths))
    found = np.full((fitted.start.size, at.size), np.nan)
    values(
        fitted.start, fitted.end, fitted.top, fitted.bottom, fitted.s_bar, fitted.slope, fitted.curvature,
        at, float(max_gap_cm), found,
    )  # fmt: skip
    return found


def overlap_quadrature(fitted: SplineFit, sd: ArrayLike, tops: ArrayLike, bottoms: ArrayLike) -> Floats:
    """Error of an integral whose horizon errors are independent: ``sqrt(sum_i (overlap_i sd_i)^2)``.

    Parameters
    ----------
    fitted : SplineFit
        For the horizons; the curve plays no part.
    sd : float array (n,)
        Standard error of the mean of each horizon, in the unit of the values.
    tops, bottoms : float array (n_layers,)
        Target layers in cm.

    Returns
    -------
    float array (n_profiles, n_layers)
        Unit of the values times cm; 0 where the layer was not observed. Gaps add nothing.

    Raises
    ------
    TableError
        ``sd`` of another length, or negative; a layer whose bottom is not below its top.

    Examples
    --------
    30 cm of 0.1 and 40 cm of 0.1: 3 and 4, together 5.

    >>> overlap_quadrature(step([0, 0], [0, 30], [30, 90], [2.0, 1.0]), [0.1, 0.1], [0], [70]).round(12)
    array([[5.]])
    """
    upper, lower = _layers(tops, bottoms)
    error = _floats(sd)
    if error.shape != fitted.top.shape or (error < 0).any():
        raise TableError(f"spline: sd of shape {error.shape}, or below 0; expected one of 0 or more for each of {fitted.top.size} horizons")
    found = np.zeros((fitted.start.size, upper.size))
    quadrature(fitted.start, fitted.end, fitted.top, fitted.bottom, error, upper, lower, found)
    return found


def _empty(codes: Ints, u: Floats, v: Floats, lam: float) -> SplineFit:
    """A fit of the right size, all 0."""
    start = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: codes.size]).astype(np.int64)
    n, profiles = codes.size, start.size
    return SplineFit(
        start, codes[start], u, v, np.zeros(n), np.zeros(n), np.zeros(n), lam, np.zeros(profiles, dtype=np.bool_), np.zeros(profiles)
    )


def _floats(array: ArrayLike) -> Floats:
    """Contiguous and writable: for columns of a table that may not be written to the loops would be compiled once more."""
    return np.require(array, np.float64, ["C", "W"])


def _layers(tops: ArrayLike, bottoms: ArrayLike) -> tuple[Floats, Floats]:
    upper, lower = np.atleast_1d(_floats(tops)), np.atleast_1d(_floats(bottoms))
    if upper.shape != lower.shape or not (lower > upper).all():
        raise TableError("layers: a bottom is not below its top; expected top < bottom for each layer")
    return upper, lower


def _checked(
    profile: ArrayLike, top: ArrayLike, bottom: ArrayLike, value: ArrayLike, lam: float, nonnegative: bool
) -> tuple[Ints, Floats, Floats, Floats]:
    """The four arrays, or all that is wrong with them."""
    codes = np.asarray(profile, dtype=np.int64)
    u, v, y = (_floats(array) for array in (top, bottom, value))
    if codes.ndim != 1 or not codes.shape == u.shape == v.shape == y.shape:
        shapes = f"{codes.shape}, {u.shape}, {v.shape}, {y.shape}"
        raise TableError(f"spline: found arrays of shape {shapes}; expected four of (n,)")
    same = codes[1:] == codes[:-1]
    faults = {
        f"lam is not a number from 0 to {LAM_MAX:g}": int(not 0 <= lam <= LAM_MAX),
        "profile codes out of order": int((codes[1:] < codes[:-1]).sum()),
        "depth or value missing": int((~np.isfinite(u + v + y)).sum()),
        "bottom not below top": int((u >= v).sum()),
        "horizon overlaps or lies above the one before": int((same & (u[1:] < v[:-1])).sum()),
        "value below 0 for a curve that is to be nonnegative": int((y < 0).sum()) if nonnegative else 0,
    }
    found = [f"spline: {fault} ({count} times); expected none (clean first)" for fault, count in faults.items() if count > 0]
    if found:
        raise TableError(found)
    return codes, u, v, y
