"""From source cells to grid cells: nearest, bilinear, and the average or the most frequent class over a cell.

These kernels stand in for GDAL's warper, whose results depend on the chunk that is warped (its transformer is
approximate by default) and which projects every cell again for every layer. Here the value of a cell follows from its
own coordinates alone.

One rule for missing values holds for all: a cell has a value where the source has one under the cell's centre, or, for
the average and the most frequent class, under at least half of the cell. So empty areas neither grow nor shrink; and where there is a
value, source cells without one are left out and the weights of the others made up to one.

Places are columns and rows of the source as real numbers: 0 is the outer edge of the first cell, 0.5 its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.covariates.window import apply

Float = NDArray[np.float64]

DECIMALS = 6
"""Places are rounded to a millionth of a source cell, so that a centre on an edge between two source cells always
falls to the same side, whatever the rounding of the projection."""

NO_SHARE = 1e-12
"""Smaller parts of a source cell are rounding errors."""

HALF_LESS = 1e-9
"""What half of a footprint may lack by rounding."""


@dataclass(frozen=True)
class Lattice:
    """The cells of a source: where they lie, how many there are, and how many columns make a full turn of longitude.

    Examples
    --------
    >>> globe = Lattice(Affine(90.0, 0.0, -180.0, 0.0, -90.0, 90.0), width=4, height=2, turn=360.0)
    >>> globe.wraps, globe.locate(np.array([-135.0, 225.0]), np.array([45.0, 45.0]))
    (4, (array([0.5, 0.5]), array([0.5, 0.5])))
    """

    transform: Affine
    width: int
    height: int
    turn: float | None

    @property
    def period(self) -> float | None:
        """Columns in a full turn of longitude; None where columns do not follow longitude."""
        if self.turn is None or self.transform.b or self.transform.d:
            return None
        return float(self.turn / abs(self.transform.a))

    @property
    def wraps(self) -> int:
        """Columns after which the source repeats itself, if it goes all around the Earth; else 0."""
        period = self.period
        if period is None or abs(period - round(period)) > 1e-3 or self.width < round(period):
            return 0
        return round(period)

    def locate(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Columns and rows of coordinates; NaN where they are not finite."""
        with np.errstate(invalid="ignore"):
            col, row = (np.round(place, DECIMALS) for place in apply(~self.transform, x, y))
            col = np.round(col - self._turns(col), DECIMALS)
        lost = ~(np.isfinite(col) & np.isfinite(row))
        return np.where(lost, np.nan, col), np.where(lost, np.nan, row)

    def _turns(self, col: Float) -> Float:
        """Columns of the full turns that take a place away from the turn around the middle of the source."""
        if self.period is None:
            return np.zeros_like(col)
        west = 0.5 * (self.width - self.period)
        return np.floor((col - west) / self.period) * self.period

    def within(self, col: Float, row: Float) -> NDArray[np.bool_]:
        """Whether places lie on the source."""
        return (col >= 0) & (col < self.width) & (row >= 0) & (row < self.height)

    def in_one_piece(self, cols: Float) -> Float:
        """Columns (n, 4) of the corners of footprints, without the jump of a full turn between two corners.

        Across the seam of a global source they go on beyond its width, or below 0.
        """
        if self.period is None:
            return cols
        cols = cols - np.round((cols - cols[:, :1]) / self.period) * self.period
        return np.asarray(cols - self._turns(cols.mean(axis=1, keepdims=True)))


def footprints(nodes: Float) -> Float:
    """The four corners of each cell, around it, from the corners of a window.

    >>> footprints(np.array([[0.0, 1.0], [10.0, 11.0]])).tolist()
    [[0.0, 1.0, 11.0, 10.0]]
    """
    around = nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, 1:], nodes[1:, :-1]
    return np.stack([corner.ravel() for corner in around], axis=1)


def detail(cols: Float, rows: Float) -> float:
    """How many source cells a footprint spans in the direction in which it spans fewest.

    Parameters
    ----------
    cols, rows : arrays of shape (4,)
        One footprint.

    Examples
    --------
    >>> detail(np.array([0.0, 3.0, 3.0, 0.0]), np.array([0.0, 0.0, 2.0, 2.0]))
    2.0
    """
    across = np.array([cols[1] - cols[0] + cols[2] - cols[3], rows[1] - rows[0] + rows[2] - rows[3]]) / 2
    down = np.array([cols[3] - cols[0] + cols[2] - cols[1], rows[3] - rows[0] + rows[2] - rows[1]]) / 2
    return float(np.linalg.svd(np.stack([across, down]), compute_uv=False)[-1].round(DECIMALS))


# The kernels take a block of the source as float64 with NaN, and the row and column of the source at which it starts.
# ``wraps`` turns a column beyond one end of the block into the same column beyond the other.


@kernel
def _column(col: int, start: int, width: int, wraps: int) -> int:
    """Column of the block, or -1 where the block does not have it."""
    at = col - start
    if wraps > 0:
        at = at % wraps
    return at if 0 <= at < width else -1


@kernel
def nearest(block: Float, row0: int, col0: int, col: Float, row: Float, wraps: int, out: Float) -> None:
    """Value of the source cell in which each place lies; ``out`` (n,) keeps what it holds elsewhere."""
    height, width = block.shape
    for k in range(col.size):
        if np.isnan(col[k]):
            continue
        r = int(np.floor(row[k])) - row0
        c = _column(int(np.floor(col[k])), col0, width, wraps)
        if 0 <= r < height and c >= 0:
            out[k] = block[r, c]


@kernel
def bilinear(block: Float, row0: int, col0: int, col: Float, row: Float, wraps: int, out: Float) -> None:
    """Linear interpolation between the four source cells around each place, where the place's own cell has a value."""
    height, width = block.shape
    for k in range(col.size):
        if np.isnan(col[k]):
            continue
        r = int(np.floor(row[k])) - row0
        c = _column(int(np.floor(col[k])), col0, width, wraps)
        if r < 0 or r >= height or c < 0 or np.isnan(block[r, c]):
            continue
        above, left = int(np.floor(row[k] - 0.5)), int(np.floor(col[k] - 0.5))
        below_weight, right_weight = row[k] - 0.5 - above, col[k] - 0.5 - left
        total, weights = 0.0, 0.0
        for i in range(2):
            r = above + i - row0
            if r < 0 or r >= height:
                continue
            for j in range(2):
                c = _column(left + j, col0, width, wraps)
                if c < 0 or np.isnan(block[r, c]):
                    continue
                weight = (below_weight if i else 1.0 - below_weight) * (right_weight if j else 1.0 - right_weight)
                total += weight * block[r, c]
                weights += weight
        out[k] = total / weights


@kernel
def _signed_area(x: Float, y: Float) -> float:
    """Area of a quadrilateral, from its diagonals; negative if it is turned the other way."""
    return float(0.5 * ((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0])))


@kernel
def _add_side(share: Float, x0: float, y0: float, x1: float, y1: float) -> None:
    """Add one side of a polygon to a table of signed areas, whose running sums along rows are the shares of the cells.

    A piece of side inside one cell, of height d, takes part of that cell and all of the cells to its right: exact, and
    only the cells that the side crosses are visited. It is how font renderers find the coverage of pixels.
    """
    if y0 == y1:
        return
    sign = -1.0 if y1 > y0 else 1.0
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    slope = (x1 - x0) / (y1 - y0)
    for r in range(int(np.floor(y0)), int(np.ceil(y1))):
        above, below = max(y0, float(r)), min(y1, r + 1.0)
        start, stop = x0 + (above - y0) * slope, x0 + (below - y0) * slope
        # Not beyond the ends of the side, where rounding might put a place outside the table.
        left, right = max(min(start, stop), min(x0, x1)), min(max(start, stop), max(x0, x1))
        first, last = int(np.floor(left)), int(np.floor(right))
        for c in range(first, last + 1):
            here, there = max(left, float(c)), min(right, c + 1.0)
            part = (there - here) / (right - left) if right > left else 1.0
            signed, middle = sign * (below - above) * part, 0.5 * (here + there) - c
            share[r, c] += signed * (1.0 - middle)
            share[r, c + 1] += signed * middle


@kernel
def _shares(share: Float, x: Float, y: Float, high: int, wide: int) -> None:
    """Fill a table with the signed areas of a footprint; running sums along its rows are the shares of the cells."""
    share[:high, : wide + 1] = 0.0
    for i in range(4):
        j = (i + 1) % 4
        _add_side(share, x[i], y[i], x[j], y[j])


@kernel(inline="always")  # a call for each cell would cost up to a tenth
def _footprint(cols: Float, rows: Float, share: Float) -> tuple[int, int, int, int, float, Float]:
    """First row and column of the source under a footprint (4,), how many there are, its signed area, and its table of signed areas.

    The table is ``share``, or a larger one where that does not hold it.
    """
    top, left = int(np.floor(rows.min())), int(np.floor(cols.min()))
    x, y = cols - left, rows - top
    high, wide = int(np.floor(y.max())) + 1, int(np.floor(x.max())) + 1
    if share.shape[0] < high or share.shape[1] < wide + 1:
        share = np.zeros((high, wide + 1))
    _shares(share, x, y, high, wide)
    return top, left, high, wide, _signed_area(x, y), share


@kernel
def average(block: Float, row0: int, col0: int, cols: Float, rows: Float, wraps: int, out: Float) -> None:
    """Mean of the source cells in each footprint (n, 4), weighted by the area shared.

    ``out`` (n,) keeps what it holds where less than half of the footprint has values.
    """
    height, width = block.shape
    share = np.zeros((1, 1))
    for k in range(out.size):
        if np.isnan(cols[k].sum() + rows[k].sum()):
            continue
        top, left, high, wide, area, share = _footprint(cols[k], rows[k], share)
        total, weights = 0.0, 0.0
        for i in range(high):
            r, weight = top + i - row0, 0.0
            for j in range(wide):
                weight += share[i, j]
                if abs(weight) < NO_SHARE or r < 0 or r >= height:
                    continue
                c = _column(left + j, col0, width, wraps)
                if c >= 0 and not np.isnan(block[r, c]):
                    total += weight * block[r, c]
                    weights += weight
        if area != 0.0 and weights / area >= 0.5 - HALF_LESS:
            out[k] = total / weights


@kernel
def mode(block: Float, row0: int, col0: int, cols: Float, rows: Float, wraps: int, out: Float) -> None:
    """Class with the largest share of each footprint (n, 4), by the area shared; of classes with equal shares the smallest code.

    ``out`` (n,) keeps what it holds where less than half of the footprint has values.
    """
    height, width = block.shape
    share = np.zeros((1, 1))
    codes, areas = np.empty(16), np.empty(16)
    for k in range(out.size):
        if np.isnan(cols[k].sum() + rows[k].sum()):
            continue
        top, left, high, wide, area, share = _footprint(cols[k], rows[k], share)
        weights, known = 0.0, 0
        for i in range(high):
            r, weight, last = top + i - row0, 0.0, 0
            for j in range(wide):
                weight += share[i, j]
                if abs(weight) < NO_SHARE or r < 0 or r >= height:
                    continue
                c = _column(left + j, col0, width, wraps)
                if c < 0 or np.isnan(block[r, c]):
                    continue
                if last >= known or codes[last] != block[r, c]:  # neighbours are mostly of one class
                    last = 0
                    while last < known and codes[last] != block[r, c]:
                        last += 1
                if last == known:
                    if known == codes.size:
                        codes, areas = np.append(codes, np.empty(known)), np.append(areas, np.empty(known))
                    codes[known], areas[known] = block[r, c], 0.0
                    known += 1
                areas[last] += weight / area
                weights += weight / area
        if known > 0 and weights >= 0.5 - HALF_LESS:
            out[k] = _largest(codes, areas, known)


@kernel
def _largest(codes: Float, areas: Float, known: int) -> float:
    """Code with the largest area; areas that differ by rounding only are equal."""
    most, found = 0.0, np.inf
    for i in range(known):
        most = max(most, areas[i])
    for i in range(known):
        if areas[i] >= most - HALF_LESS and codes[i] < found:
            found = codes[i]
    return float(found)
