"""How smooth a spline is: criteria for the smoothing parameter, and the search for their lowest value.

In the basis of the eigenvectors a spline is diagonal. With eigenvalues d, the data's coordinates u along them, n stations, p terms without
penalty and the smoothing parameter lam:

- residual sum of squares = sum of (lam / (d + lam))^2 u^2,
- residual degrees of freedom = trace of (I - A) = sum of lam / (d + lam), effective degrees of freedom = n less that,
- GCV = n RSS / trace(I - A)^2 (Craven and Wahba 1979),
- REML = (n - p) log(sum of u^2 / (d + lam)) + sum of log(d + lam) (Wahba 1985, generalised maximum likelihood).

So any number of fields costs a few sums for each smoothing that is tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

Floats = NDArray[np.float64]
Criterion = Literal["gcv", "reml"]

ROUGHEST = 0.95
"""The search stops where the effective degrees of freedom are this share of the stations: beyond it a surface follows single stations."""

SMOOTHEST = 0.01
"""It stops where they exceed the number of terms without penalty by this much: there the surface is the plane for all that matters."""

TRIED = 120
"""Smoothing parameters looked at before the lowest is refined, so that no second minimum is missed."""

EXACT = 1e-12
"""Data whose part off the plane is below this share of the data lie on the plane, but for rounding."""


class TooFree(ValueError):
    """Degrees of freedom that no smoothing of these stations has."""


@dataclass(frozen=True)
class Spectrum:
    """What the criteria need of a factorisation.

    Parameters
    ----------
    eigenvalues : float array of shape (n - p,), not negative
    terms : int
        p: terms without penalty.
    """

    eigenvalues: Floats
    terms: int

    @property
    def stations(self) -> int:
        """n."""
        return len(self.eigenvalues) + self.terms

    def df(self, lam: float) -> float:
        """Effective degrees of freedom: trace of the smoother.

        >>> Spectrum(np.array([1.0, 3.0]), 3).df(1.0)
        4.25
        """
        return self.terms + float(np.sum(self.eigenvalues / (self.eigenvalues + lam)))


@dataclass(frozen=True)
class Choice:
    """The smoothing of one field.

    Parameters
    ----------
    lam : float
        Of the scaled coordinates; infinite for the plane.
    df, gcv, reml : float
        Effective degrees of freedom and the criteria there.
    variance : float
        Of the noise: RSS / trace(I - A) (Wahba 1983).
    variance_reml : float
        Of the noise, by restricted maximum likelihood of the Gaussian process at this smoothing: lam / (n - p) x sum of u^2 / (d + lam).
    note : str
        Empty, or what is to be known: no minimum inside the range.
    """

    lam: float
    df: float
    gcv: float
    reml: float
    variance: float
    variance_reml: float
    note: str = ""


def choose(spectrum: Spectrum, squares: Floats, method: Criterion | float, scale: float = 1.0) -> Choice:
    """Smoothing parameter of one field.

    Parameters
    ----------
    spectrum : Spectrum
    squares : float array of shape (n - p,)
        Squared coordinates of the data along the eigenvectors.
    method : {"gcv", "reml"} or float
        A number is the effective degrees of freedom wanted.
    scale : float
        Sum of squares of the data, against which rounding is judged.

    Raises
    ------
    TooFree
        Degrees of freedom that no smoothing can have.

    Examples
    --------
    >>> spectrum = Spectrum(np.array([1.0, 3.0]), 3)
    >>> round(choose(spectrum, np.array([1.0, 1.0]), 4.25).lam, 9)
    1.0
    """
    if not isinstance(method, str):
        return _measured(spectrum, squares, _of_df(spectrum, float(method)), "")
    if np.sum(squares) <= EXACT**2 * scale:
        return _measured(spectrum, squares, math.inf, "the values lie on the terms without penalty exactly: no roughness is needed")
    low, high = _range(spectrum)
    tried = np.linspace(low, high, TRIED)
    scores = np.array([_score(spectrum, squares, math.exp(x), method) for x in tried])
    best = int(np.argmin(scores))
    if best == 0:
        note = f"{method.upper()} has no minimum: it falls as far as {ROUGHEST:g} n degrees of freedom, which were taken"
        return _measured(spectrum, squares, math.exp(low), note)
    if best == TRIED - 1:
        return _measured(spectrum, squares, math.inf, f"{method.upper()} is lowest for the terms without penalty alone: they were taken")
    found = minimize_scalar(
        lambda x: _score(spectrum, squares, math.exp(x), method),
        bounds=(tried[best - 1], tried[best + 1]),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return _measured(spectrum, squares, math.exp(float(found.x)), "")


def shrinkage(eigenvalues: Floats, lam: float) -> Floats:
    """lam / (d + lam): the share of each coordinate that stays residual."""
    return np.ones_like(eigenvalues) if math.isinf(lam) else lam / (eigenvalues + lam)


def _measured(spectrum: Spectrum, squares: Floats, lam: float, note: str) -> Choice:
    left = shrinkage(spectrum.eigenvalues, lam)
    trace, rss = float(left.sum()), float(np.sum(left**2 * squares))
    df = spectrum.stations - trace if trace < spectrum.stations / 2 else spectrum.terms + float(np.sum(1.0 - left))
    gcv = spectrum.stations * rss / trace**2 if trace > 0 else math.nan
    reml = math.nan if math.isinf(lam) or lam == 0.0 else _score(spectrum, squares, lam, "reml")
    likely = float(np.mean(left * squares))
    return Choice(lam, df, gcv, reml, rss / trace if trace > 0 else math.nan, likely, note)


def _score(spectrum: Spectrum, squares: Floats, lam: float, method: Criterion) -> float:
    d = spectrum.eigenvalues
    if method == "gcv":
        left = lam / (d + lam)
        return math.log(spectrum.stations) + math.log(float(np.sum(left**2 * squares))) - 2.0 * math.log(float(left.sum()))
    return len(d) * math.log(float(np.sum(squares / (d + lam)))) + float(np.sum(np.log(d + lam)))


def _range(spectrum: Spectrum) -> tuple[float, float]:
    """Logarithms of the smoothing parameters between which the criterion is searched."""
    n, p = spectrum.stations, spectrum.terms
    most = p + float(np.count_nonzero(_positive(spectrum)))
    rough = min(ROUGHEST * n, p + 0.99 * (most - p)) if ROUGHEST * n > p else p + ROUGHEST * (most - p)
    return math.log(_of_df(spectrum, rough)), math.log(_of_df(spectrum, p + SMOOTHEST * min(1.0, most - p)))


def _positive(spectrum: Spectrum) -> NDArray[np.bool_]:
    # Stations at one place add eigenvalues of 0: no smoothing makes the surface pass through both.
    return np.asarray(spectrum.eigenvalues > 1e-13 * spectrum.eigenvalues.max(initial=0.0))


def _of_df(spectrum: Spectrum, df: float) -> float:
    """The smoothing parameter with these effective degrees of freedom."""
    used = spectrum.eigenvalues[_positive(spectrum)]
    most = spectrum.terms + len(used)
    if not spectrum.terms < df < most:
        raise TooFree(f"degrees of freedom {df:g}: expected more than {spectrum.terms} and fewer than {most}")

    def excess(x: float) -> float:
        return float(np.sum(used / (used + math.exp(x)))) + spectrum.terms - df

    low = math.log(used.min()) - 40.0
    high = math.log(used.max()) + 40.0
    return math.exp(float(brentq(excess, low, high, xtol=1e-12)))
