"""False discoveries among many tests: p values of all cells of a map, adjusted together.

Of a thousand cells without any trend, fifty fall below 0.05. Benjamini and Hochberg (1995, Journal of the Royal Statistical Society B 57,
289-300) bound the expected share of false discoveries among all discoveries, for tests that are independent or positively dependent;
Benjamini and Yekutieli (2001, Annals of Statistics 29, 1165-1188) do it under any dependence, at the price of a factor that grows with the
logarithm of the number of tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from edaphic.errors import ModelError

Floats = NDArray[np.float64]

CONTROLS = ("benjamini-hochberg", "benjamini-yekutieli")
_PENDING = 2_000_000


class FalseDiscovery:
    """p values, gathered part by part, then adjusted for their number.

    Only the different values and how often each came are kept. A rank test of a short series knows few values, so that the memory does not
    grow with the map.

    Parameters
    ----------
    control : {"benjamini-hochberg", "benjamini-yekutieli"}

    Raises
    ------
    ModelError
        Unknown control; p values outside 0 to 1; a value to adjust that was never added.

    Examples
    --------
    With p values 0.01, 0.04, 0.03 of three tests, the second in rank is 3 x 0.03 / 2 = 0.045, the third 3 x 0.04 / 3:

    >>> found = FalseDiscovery()
    >>> found.add([0.01, 0.04]); found.add([0.03, np.nan])
    >>> found.adjusted([0.01, 0.04, 0.03, np.nan]).round(6).tolist()
    [0.03, 0.04, 0.04, nan]
    """

    def __init__(self, control: str = "benjamini-hochberg") -> None:
        if control not in CONTROLS:
            raise ModelError(f"trend: control of false discoveries: found {control!r}; expected one of {', '.join(CONTROLS)}")
        self._control = control
        self._values: Floats = np.zeros(0)
        self._counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._pending: list[Floats] = []
        self._waiting = 0

    def add(self, p: ArrayLike) -> None:
        """Take in p values of any shape; NaN is no test."""
        values = np.asarray(p, dtype=np.float64).ravel()
        values = values[~np.isnan(values)]
        if values.size and (values.min() < 0.0 or values.max() > 1.0):
            raise ModelError(f"trend: p values from {values.min():g} to {values.max():g}; expected 0 to 1")
        self._pending.append(values)
        self._waiting += values.size
        if self._waiting > _PENDING:
            self._merge()

    def _merge(self) -> None:
        every = np.concatenate([self._values, *self._pending])
        often = np.concatenate([self._counts, np.ones(every.size - self._values.size, dtype=np.int64)])
        self._values, which = np.unique(every, return_inverse=True)
        # whole numbers up to 2**53 are exact in the float64 that bincount adds in
        self._counts = np.bincount(which.ravel(), weights=often, minlength=self._values.size).astype(np.int64)
        self._pending, self._waiting = [], 0

    @property
    def tests(self) -> int:
        """Number of p values so far."""
        return int(self._counts.sum()) + self._waiting

    def adjusted(self, p: ArrayLike) -> Floats:
        """Adjusted p values: the smallest rate of false discoveries at which each test is a discovery.

        p of rank k of m becomes the minimum over all ranks j >= k of c m p_j / j, at most 1; c is 1, or the sum of 1 / i for i = 1 to m.
        """
        self._merge()
        values = np.asarray(p, dtype=np.float64)
        known = ~np.isnan(values)
        out = np.full(values.shape, np.nan)
        if not known.any():
            return out
        total = self.tests
        factor = 1.0 if self._control == CONTROLS[0] else float(digamma(total + 1) + np.euler_gamma)
        raised = factor * total * self._values / np.cumsum(self._counts)
        raised = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0) if raised.size else raised
        place = np.minimum(np.searchsorted(self._values, values[known]), max(self._values.size - 1, 0))
        if not self._values.size or not np.array_equal(self._values[place], values[known]):
            raise ModelError("trend: a p value to adjust is none of those that were gathered; expected the same tests twice")
        out[known] = raised[place]
        return out


def adjust(p: ArrayLike, control: str = "benjamini-hochberg") -> Floats:
    """Adjusted p values of one array of tests; see :class:`FalseDiscovery`.

    >>> adjust([0.02, 0.01]).tolist(), adjust([0.02, 0.01], "benjamini-yekutieli").round(6).tolist()
    ([0.02, 0.02], [0.03, 0.03])
    """
    found = FalseDiscovery(control)
    found.add(p)
    return found.adjusted(p)
