"""The compiled loop of the trend of many short series."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Floats = NDArray[np.float64]

FEWEST = 4
"""Values that a series needs: of three, the smallest two-sided p is one third."""
MOST_EXACT = 10
ROWS = 10
"""count, slope, slope_low, slope_high, s, variance, z, tau, p, exact: the fields of a trend in their order."""


@lru_cache(maxsize=1)
def exact_p() -> Floats:
    """Two-sided p of S among all orders of n different values, at [n, abs(S)]; NaN for n below 4.

    The number of orders with k falling pairs follows from that of one value less, which may take any place among the others.

    >>> exact_p()[4, [0, 2, 4, 6]].tolist()  # 1, 3, 5, 6, 5, 3, 1 orders of four values with 0 to 6 falling pairs
    [1.0, 0.75, 0.3333333333333333, 0.08333333333333333]
    """
    out = np.full((MOST_EXACT + 1, MOST_EXACT * (MOST_EXACT - 1) // 2 + 1), np.nan)
    orders = np.ones(1)
    for n in range(2, MOST_EXACT + 1):
        orders = np.convolve(orders, np.ones(n))
        s = np.abs(n * (n - 1) // 2 - 2 * np.arange(orders.size))
        if n >= FEWEST:
            for size in range(n * (n - 1) // 2 + 1):
                out[n, size] = orders[s >= size].sum() / math.factorial(n)
    return out


@kernel
def trends(values: Floats, times: Floats, quantile: float, exact: Floats, use_exact: bool) -> Floats:
    """Trend of each column of values (periods, cells), as :data:`ROWS` rows."""
    periods, cells = values.shape
    out = np.full((ROWS, cells), np.nan)
    x, t, ranked = np.empty(periods), np.empty(periods), np.empty(periods)
    slopes = np.empty(max(periods * (periods - 1) // 2, 1))
    for cell in range(cells):
        n = 0
        for i in range(periods):
            if np.isfinite(values[i, cell]):
                x[n] = values[i, cell]
                t[n] = times[i]
                n += 1
        out[0, cell] = n
        out[9, cell] = 0.0
        if n < FEWEST:
            continue
        s = _pairs(n, x, t, slopes)
        pairs = n * (n - 1) // 2
        ranked[:n] = x[:n]
        ranked[:n].sort()
        tied_pairs, tied_variance = _ties(n, ranked)
        variance = (n * (n - 1.0) * (2.0 * n + 5.0) - tied_variance) / 18.0
        _slope(slopes[:pairs], quantile * math.sqrt(variance), out[1:4, cell])
        z = (s - np.sign(s)) / math.sqrt(variance) if variance > 0.0 else 0.0
        out[4, cell], out[5, cell], out[6, cell] = s, variance, z
        if pairs > tied_pairs:
            out[7, cell] = s / (math.sqrt(pairs - tied_pairs) * math.sqrt(pairs))
        out[8, cell] = math.erfc(abs(z) / math.sqrt(2.0))
        if use_exact and tied_pairs == 0.0 and n <= MOST_EXACT:
            out[8, cell], out[9, cell] = exact[n, int(abs(s))], 1.0
    return out


@kernel
def _pairs(n: int, x: Floats, t: Floats, slopes: Floats) -> float:
    """Slopes of all pairs, and the pairs that rise less those that fall."""
    s, place = 0.0, 0
    for i in range(n - 1):
        for j in range(i + 1, n):
            slopes[place] = (x[j] - x[i]) / (t[j] - t[i])
            place += 1
            if x[j] > x[i]:
                s += 1.0
            elif x[j] < x[i]:
                s -= 1.0
    return s


@kernel
def _ties(n: int, ranked: Floats) -> tuple[float, float]:
    """Tied pairs, and what ties take from 18 times the variance."""
    pairs, variance, first = 0.0, 0.0, 0
    for i in range(1, n + 1):
        if i == n or ranked[i] != ranked[first]:
            size = float(i - first)
            pairs += size * (size - 1.0) / 2.0
            variance += size * (size - 1.0) * (2.0 * size + 5.0)
            first = i
    return pairs, variance


@kernel
def _slope(slopes: Floats, reach: float, out: Floats) -> None:
    """Median and limits of the slopes; ranks counted from 1, NaN where a rank lies outside."""
    k = slopes.size
    slopes.sort()
    out[0] = 0.5 * (slopes[(k - 1) // 2] + slopes[k // 2])
    low, high = int(np.rint((k - reach) / 2.0)), int(np.rint((k + reach) / 2.0 + 1.0))
    if low >= 1:
        out[1] = slopes[low - 1]
    if high <= k:
        out[2] = slopes[high - 1]
