"""Sums and moments that do not depend on how a map was cut into windows."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel


@kernel  # type: ignore[untyped-decorator]
def _summed(values: NDArray[np.float64], cells: NDArray[np.intp], every: bool, found: NDArray[np.float64]) -> None:
    """Sum of each row over cells (or all), and what its rounding lost (Neumaier 1974)."""
    for row in range(values.shape[0]):
        total, lost = 0.0, 0.0
        for place in range(values.shape[1] if every else cells.size):
            part = values[row, place if every else cells[place]]
            new = total + part
            lost += (total - new) + part if abs(total) >= abs(part) else (part - new) + total
            total = new
        found[0, row], found[1, row] = total, lost


_NO_CELLS = np.zeros(0, dtype=np.intp)


class Sums:
    """Running sums of vectors, one for each key, with the rounding error of every addition carried along.

    Neumaier's (1974) compensated summation: the sum of any number of parts is as exact as if it had been made in twice
    the precision and rounded once, so that the same map cut into other windows gives the same total. Memory is one
    vector for each key, however many windows there are.

    Examples
    --------
    >>> sums = Sums(1)
    >>> for part in (1.0, 1e100, 1.0, -1e100):
    ...     sums.add("total", np.array([part]))
    >>> sums["total"]
    array([2.])
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._sums: dict[Hashable, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def add(self, key: Hashable, part: NDArray[np.float64]) -> None:
        """Add a vector to the sum of a key; a new key starts from zero."""
        total, lost = self._sums.get(key, (np.zeros(self._size), np.zeros(self._size)))
        new = total + part
        larger = np.abs(total) >= np.abs(part)
        lost = lost + np.where(larger, (total - new) + part, (part - new) + total)
        self._sums[key] = (new, lost)

    def add_cells(self, key: Hashable, values: NDArray[np.float64], cells: NDArray[np.intp] | None = None) -> None:
        """Add the columns of an array (size, n), or those of some cells, to the sum of a key.

        >>> sums = Sums(1)
        >>> sums.add_cells("total", np.array([[1.0, 1e100, 1.0, -1e100]]))
        >>> sums["total"]
        array([2.])
        """
        found = np.zeros((2, self._size))
        _summed(np.ascontiguousarray(values, np.float64), _NO_CELLS if cells is None else cells, cells is None, found)
        self.add(key, found[0])
        total, lost = self._sums[key]
        self._sums[key] = (total, lost + found[1])

    def __getitem__(self, key: Hashable) -> NDArray[np.float64]:
        """Sum of a key; zeros where nothing was added."""
        total, lost = self._sums.get(key, (np.zeros(self._size), np.zeros(self._size)))
        return total + lost

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._sums)


@dataclass
class Moments:
    """Means, squares and products of two variables, gathered part by part (Chan, Golub and LeVeque 1983).

    Examples
    --------
    >>> both = Moments()
    >>> both.add(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    >>> both.add(np.array([3.0]), np.array([6.0]))
    >>> both.mean_x, both.squares_x, both.pearson()
    (2.0, 2.0, 1.0)
    """

    count: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    squares_x: float = 0.0
    squares_y: float = 0.0
    products: float = 0.0

    def add(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """Take in values of both variables, shape (n,), without NaN."""
        if not x.size:
            return
        mean_x, mean_y = float(x.mean()), float(y.mean())
        dx, dy = mean_x - self.mean_x, mean_y - self.mean_y
        count = self.count + x.size
        weight = self.count * x.size / count
        self.squares_x += float(((x - mean_x) ** 2).sum()) + dx * dx * weight
        self.squares_y += float(((y - mean_y) ** 2).sum()) + dy * dy * weight
        self.products += float(((x - mean_x) * (y - mean_y)).sum()) + dx * dy * weight
        self.mean_x += dx * x.size / count
        self.mean_y += dy * x.size / count
        self.count = count

    def pearson(self) -> float:
        """Correlation; NaN where there are fewer than two pairs or one variable is constant."""
        if self.count < 2 or self.squares_x == 0.0 or self.squares_y == 0.0:
            return float("nan")
        return self.products / float(np.sqrt(self.squares_x * self.squares_y))
