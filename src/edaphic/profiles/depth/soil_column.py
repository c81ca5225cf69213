"""The horizons of all profiles as one column of soil, and what a depth function makes of their values in layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.depth import beta
from edaphic.profiles.depth.departure import departures, largest_in_layers
from edaphic.profiles.depth.spline import COVER_DECIMALS, SplineFit, fit, integrate, overlap_quadrature, step
from edaphic.profiles.depth.spline_paper import harmonise_paper

Floats = NDArray[np.float64]

SHALLOW_CM, DEEP_CM = 20.0, 100.0
"""Depths between which the beta function of a profile is fitted."""


@dataclass(frozen=True)
class DepthFunction:
    """How horizons become layers.

    Attributes
    ----------
    method : {"spline", "weighted", "beta"}
        Mass-preserving spline; thickness-weighted mean of the horizons; or the beta function between 0-20 and 0-100 cm.
    mode : {"exact", "paper"}
        Of the spline: mass kept, never negative, integrated in closed form; or as the R package mpspline2 computes it.
    order : {"density", "content"}
        Carbon density of the horizons, or their content and afterwards the mean bulk density and fragments of the layer.
    lam : float
        Smoothing of the spline, 0 or more.
    min_coverage : float
        Share of a layer, above 0 up to 1, that must be observed for it to get a value.
    max_gap_cm : float
        Gaps up to this width count as observed.
    """

    method: str = "spline"
    mode: str = "exact"
    order: str = "density"
    lam: float = 0.1
    min_coverage: float = 1.0
    max_gap_cm: float = 0.0

    def faults(self) -> list[str]:
        """What is wrong with the choices."""
        found = [
            f"{name}: found {given!r}; expected one of {', '.join(known)}"
            for name, given, known in (
                ("method", self.method, tuple(METHODS)),
                ("mode", self.mode, ("exact", "paper")),
                ("order", self.order, ("density", "content")),
            )
            if given not in known
        ]
        if not self.lam >= 0:
            found.append(f"lam: found {self.lam}; expected 0 or more")
        if not 0 < self.min_coverage <= 1:
            found.append(f"min_coverage: found {self.min_coverage}; expected above 0 up to 1")
        if not self.max_gap_cm >= 0:
            found.append(f"max_gap_cm: found {self.max_gap_cm}; expected 0 or more")
        return found


EXACT = DepthFunction()


@dataclass(frozen=True)
class SoilColumn:
    """Horizons of all profiles from top to bottom, and the layers that are wanted; values are given to its methods.

    ``code`` (n,) code of the profile of each horizon, not decreasing; ``top``, ``bottom`` (n,) cm; ``tops``, ``bottoms`` (m,) cm;
    ``rock`` (n_profiles,) depth in cm from which on there is rock, infinite where none is known.
    """

    code: NDArray[np.int64]
    top: Floats
    bottom: Floats
    tops: Floats
    bottoms: Floats
    rock: Floats
    how: DepthFunction

    @property
    def thickness(self) -> Floats:
        """Of the layers, cm."""
        return np.round(self.bottoms - self.tops, COVER_DECIMALS)

    def covered(self) -> Floats:
        """Thickness in cm, (n_profiles, m), that was observed within horizons."""
        return self._integral(step(self.code, self.top, self.bottom, np.zeros(self.code.size)))[1]

    def rocky(self) -> Floats:
        """Thickness in cm, (n_profiles, m), that is rock: observed, and without carbon."""
        deep: Floats = np.clip(self.bottoms - np.maximum(self.tops, self.rock[:, None]), 0.0, None)
        return np.round(deep, COVER_DECIMALS)

    def sum_of(self, values: Floats, nonnegative: bool = True) -> Floats:
        """Integral of the depth function over the observed part of each layer, unit of the values times cm."""
        return METHODS[self.how.method](self, values, nonnegative)

    def stepped(self, values: Floats, nonnegative: bool = True) -> Floats:
        """Thickness-weighted sum over the observed part of each layer; gaps that count as observed are joined by a line."""
        del nonnegative  # a mean never leaves the range of its values
        return self._integral(step(self.code, self.top, self.bottom, values))[0]

    def quadrature(self, sd: Floats) -> Floats:
        """Error of :meth:`stepped` where the errors of the horizons are independent."""
        return overlap_quadrature(step(self.code, self.top, self.bottom, sd), sd, self.tops, self.bottoms)

    def departure(self, values: Floats, nonnegative: bool = True) -> Floats:
        """Largest departure of the curve from the means of the horizons that reach into each layer, (n_profiles, m), as a share.

        NaN where none does, and for the beta function, which is not drawn through horizons.
        """
        if self.how.method == "spline" and self.how.mode == "paper":
            lowest = 0.0 if nonnegative else -np.inf
            bounds = list(zip(self.tops, self.bottoms, strict=True))
            used = harmonise_paper(self.code, self.top, self.bottom, values, bounds, self.how.lam, lowest, np.inf).layers
            fitted = np.full(values.shape, np.nan)
            fitted[used["row"].to_numpy() - 1] = used["s_bar"].to_numpy()
        elif self.how.method == "spline":
            fitted = fit(self.code, self.top, self.bottom, values, self.how.lam, nonnegative=nonnegative).s_bar
        else:
            fitted = values if self.how.method == "weighted" else np.full(values.shape, np.nan)
        start = np.flatnonzero(np.diff(self.code, prepend=-1)).astype(np.int64)
        share = departures(fitted, values)
        found = largest_in_layers(start, self.top, self.bottom, share, self.tops, self.bottoms)
        return found if self.how.method != "beta" else np.full(found.shape, np.nan)

    def splined(self, values: Floats, nonnegative: bool = True) -> Floats:
        """Integral of the spline."""
        if self.how.mode == "paper":
            layers = list(zip(self.tops, self.bottoms, strict=True))
            lowest = 0.0 if nonnegative else -np.inf
            # The peer cuts at 1000, in the unit of a content: a density has another.
            means = harmonise_paper(self.code, self.top, self.bottom, values, layers, self.how.lam, lowest, np.inf).means
            covered = self.covered()
            return np.where(covered > 0, means * covered, 0.0)
        return self._integral(fit(self.code, self.top, self.bottom, values, self.how.lam, nonnegative=nonnegative))[0]

    def by_beta(self, values: Floats, nonnegative: bool = True) -> Floats:
        """Stocks by the beta function that the profile's own stocks of 0-20 and 0-100 cm give; NaN where there is none."""
        del nonnegative  # carbon is
        depths = np.array([SHALLOW_CM, DEEP_CM])
        whole = SoilColumn(self.code, self.top, self.bottom, np.zeros(2), depths, self.rock, self.how)
        integral, covered = whole._integral(fit(self.code, self.top, self.bottom, values, self.how.lam))
        # A curve that goes on below rock would put carbon there.
        known = np.where((covered >= depths - 1e-9) & (self.rock[:, None] >= DEEP_CM), integral, np.nan)
        function = beta.fit(depths, known, method="ratio", shallow_cm=SHALLOW_CM, deep_cm=DEEP_CM, n_layers=None)
        layers = list(zip(self.tops, self.bottoms, strict=True))
        split = beta.layers_by_difference(function.beta, known[:, 0], layers, known_depth_cm=SHALLOW_CM)
        rock, found = self.rock[:, None], np.asarray(split, dtype=np.float64).T
        return np.where(self.tops >= rock, 0.0, np.where(self.bottoms > rock, np.nan, found))

    def _integral(self, curve: SplineFit) -> tuple[Floats, Floats]:
        return integrate(curve, self.tops, self.bottoms, self.how.max_gap_cm)


METHODS: Mapping[str, Callable[[SoilColumn, Floats, bool], Floats]] = MappingProxyType(
    {"spline": SoilColumn.splined, "weighted": SoilColumn.stepped, "beta": SoilColumn.by_beta}
)
"""Depth functions by the name that a recipe gives them."""


def column_of(used: pd.DataFrame, layers: Sequence[tuple[float, float]], how: DepthFunction) -> SoilColumn:
    """Horizons of a clean table (with ``rock_cm``, see :func:`edaphic.profiles.layers.rock_depths`) and the layers that are wanted."""
    code = pd.factorize(used["profile_id"])[0].astype(np.int64)
    bounds = np.asarray(layers, dtype=np.float64)
    bottom = used["bottom_cm"].to_numpy(dtype=np.float64)
    last = np.flatnonzero(np.diff(code, append=code[-1] + 1)) if code.size else np.empty(0, dtype=np.int64)
    rock = used["rock_cm"].to_numpy(dtype=np.float64)[last]
    return SoilColumn(code, used["top_cm"].to_numpy(dtype=np.float64), bottom, bounds[:, 0], bounds[:, 1], rock, how)
