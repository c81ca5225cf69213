"""Statistics through time, cell by cell. Every cell is computed on its own and in one order, so windows and threads change nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.errors import RasterError

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Statistic:
    """A statistic: "mean", "max_ndvi", or a percentile with its percentage.

    Parameters
    ----------
    name : str
        As it is written in file names: median, p10, min, max, mean, max_ndvi.
    percent : float, optional
        Of a percentile; 50 is the median, 0 the least, 100 the largest value.
    """

    name: str
    percent: float | None = None


def read_statistic(text: str) -> Statistic:
    """A statistic by name.

    >>> read_statistic("p25"), read_statistic("median").percent
    (Statistic(name='p25', percent=25.0), 50.0)
    >>> read_statistic("mode")
    Traceback (most recent call last):
    edaphic.errors.RasterError: statistic: found 'mode'; expected median, mean, min, max, max_ndvi, or a percentile such as p10
    """
    word = text.strip().lower()
    if word in STATISTICS:
        return STATISTICS[word]
    found = re.fullmatch(r"p(\d{1,3}(?:\.\d+)?)", word)
    if found is not None and float(found[1]) <= 100.0:
        return Statistic(word, float(found[1]))
    raise RasterError(f"statistic: found {text!r}; expected median, mean, min, max, max_ndvi, or a percentile such as p10")


def reduced(cube: Float, statistic: Statistic, least: int = 1, best: NDArray[np.int64] | None = None) -> Float:
    """A statistic of the values of each cell.

    Parameters
    ----------
    cube : ndarray of float32, shape (n, height, width)
        Values by observation, NaN where there is none.
    statistic : Statistic
    least : int
        Fewest values from which a statistic is made.
    best : ndarray of int64, shape (height, width), optional
        Observation of each cell that "max_ndvi" takes; -1 for none.

    Returns
    -------
    ndarray of float32, shape (height, width), NaN where there are fewer values than ``least``.

    Notes
    -----
    Percentiles are interpolated linearly between order statistics (type 7 of Hyndman and Fan 1996, NumPy's default), means summed
    in float64 in the order of the observations.

    Examples
    --------
    >>> cube = np.array([[[1.0]], [[np.nan]], [[4.0]], [[3.0]]], dtype=np.float32)
    >>> [float(reduced(cube, read_statistic(name))[0, 0]) for name in ("median", "mean", "p25", "max")]
    [3.0, 2.6666667461395264, 2.0, 4.0]
    >>> float(reduced(cube, read_statistic("median"), least=4)[0, 0])
    nan
    """
    cube = np.ascontiguousarray(cube, dtype=np.float32)
    out = np.full(cube.shape[1:], np.nan, dtype=np.float32)
    if statistic.percent is not None:
        _percentile(cube, statistic.percent / 100.0, least, out)
    elif statistic.name == "mean":
        _mean(cube, least, out)
    else:
        if best is None:
            raise ValueError("max_ndvi needs the observation that is best in each cell")
        _picked(cube, best, least, out)
    return out


def greenest(ndvi: Float) -> NDArray[np.int64]:
    """The observation with the largest NDVI of each cell, the first of equal ones; -1 where there is none.

    >>> greenest(np.array([[[0.1, np.nan]], [[0.5, np.nan]]], dtype=np.float32)).tolist()
    [[1, -1]]
    """
    out = np.full(ndvi.shape[1:], -1, dtype=np.int64)
    _greenest(np.ascontiguousarray(ndvi, dtype=np.float32), out)
    return out


@kernel
def _percentile(cube: Float, share: float, least: int, out: Float) -> None:
    count, height, width = cube.shape
    rows = np.empty((width, count), dtype=np.float32)
    found = np.empty(width, dtype=np.int64)
    for i in range(height):
        found[:] = 0
        for k in range(count):  # along rows: the memory is read in its order
            for j in range(width):
                value = cube[k, i, j]
                if not np.isnan(value):
                    rows[j, found[j]] = value
                    found[j] += 1
        for j in range(width):
            n = found[j]
            if n < least or n == 0:
                continue
            values = rows[j, :n]
            values.sort()
            place = share * (n - 1)
            below = int(np.floor(place))
            above = min(below + 1, n - 1)
            low, high = float(values[below]), float(values[above])
            out[i, j] = low + (high - low) * (place - below)


@kernel
def _mean(cube: Float, least: int, out: Float) -> None:
    count, height, width = cube.shape
    for i in range(height):
        total = np.zeros(width)
        found = np.zeros(width, dtype=np.int64)
        for k in range(count):
            for j in range(width):
                value = cube[k, i, j]
                if not np.isnan(value):
                    total[j] += value
                    found[j] += 1
        for j in range(width):
            if found[j] >= least and found[j] > 0:
                out[i, j] = total[j] / found[j]


@kernel
def _picked(cube: Float, best: NDArray[np.int64], least: int, out: Float) -> None:
    count, height, width = cube.shape
    for i in range(height):
        for j in range(width):
            if best[i, j] < 0:
                continue
            found = 0
            for k in range(count):
                if not np.isnan(cube[k, i, j]):
                    found += 1
            if found >= least:
                out[i, j] = cube[best[i, j], i, j]


@kernel
def _greenest(ndvi: Float, out: NDArray[np.int64]) -> None:
    count, height, width = ndvi.shape
    for i in range(height):
        for j in range(width):
            most = -np.inf
            for k in range(count):
                value = ndvi[k, i, j]
                if not np.isnan(value) and value > most:
                    most = value
                    out[i, j] = k


STATISTICS = {
    "median": Statistic("median", 50.0),
    "mean": Statistic("mean"),
    "min": Statistic("min", 0.0),
    "max": Statistic("max", 100.0),
    "max_ndvi": Statistic("max_ndvi"),
}
"""Statistics by name; percentiles are named p0 to p100."""
