"""Change points of a response: broken lines, a test against the straight line, and intervals of the breaks.

The broken line is continuous: y = a + b x + c_1 (x - t_1)+ + ... (Hinkley 1971, Journal of the American Statistical Association 66,
736-743; Muggeo 2003, Statistics in Medicine 22, 3055-3071). The breaks are searched over a grid of the driver's quantiles, then between
its points.

The test takes the largest F over all breaks that are possible (Andrews 1993, Econometrica 61, 821-856). Its distribution under the line
with fewer breaks comes from a wild bootstrap: the residuals of each cluster of rows get one random sign, so that neither unequal spread nor
rows that go together make breaks. A smooth bend is not a straight line either: what is shown then is where a broken line would bend.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edaphic.errors import TableError

Array = NDArray[np.float64]
LEVEL = 0.05
"""p at or below which a break is shown."""
EDGE = 0.1
"""Share of the rows that must lie on either side of a break and between two."""
CANDIDATES = 60
PAIR_CANDIDATES = 24
FLAT = 1 / 3
"""A slope that is at most so much of the one before it, in size, is called flatter."""
REFINED = 17
EXACT = 1e-10
"""Share of the variance below which residuals are rounding."""


@dataclass(frozen=True)
class Break:
    """Change points along a driver.

    ``at``, ``low``, ``high``: breaks in ascending order with their bootstrap intervals, empty where none is shown; ``slopes``: of the
    pieces, one more than breaks; ``p``: of the last test made (NaN where none was); ``words``: what a reader is told; ``line_x``,
    ``line_y``: ends and corners of the broken line; ``notes``.
    """

    at: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    slopes: tuple[float, ...]
    p: float
    words: str
    line_x: tuple[float, ...]
    line_y: tuple[float, ...]
    notes: tuple[str, ...] = ()


def find_breaks(
    x: Array, y: Array, clusters: NDArray[np.int64], *, most: int = 1, level: float = 0.95, draws: int = 400, seed: int = 0
) -> Break:
    """Change points of the mean of y along x.

    Parameters
    ----------
    x, y : float64 (n,)
        Finite, sorted by x.
    clusters : int64 (n,)
        Counted from 0 without gaps.
    most : {0, 1, 2}
        A second break is looked for only where the first is shown.
    level : float
        Of the intervals: percentiles of the breaks of bootstrap samples of whole clusters.
    draws, seed : int

    Returns
    -------
    Break

    Examples
    --------
    >>> x = np.linspace(0, 10, 101)
    >>> found = find_breaks(x, np.minimum(x, 4.0), np.arange(101), draws=50)
    >>> [round(t, 3) for t in found.at], [round(b, 3) + 0.0 for b in found.slopes], found.words
    ([4.0], [1.0, 0.0], 'flattens above 4 [4, 4]')
    """
    if most not in (0, 1, 2):
        raise TableError(f"change points: {most} breaks; expected 0, 1 or 2")
    candidates = _candidates(x, CANDIDATES)
    found: tuple[float, ...] = ()
    p, notes = float("nan"), list[str]()
    if most and not len(candidates):
        notes.append("change points: too few different values of the driver away from its ends, none looked for")
    if most and len(candidates):
        random = np.random.default_rng([seed, 2])
        p = wild_test(x, y, clusters, (), candidates, draws, random)
        if p <= LEVEL:
            found = best_breaks(x, y, 1)
            if most == 2 and len(rest := _apart(x, candidates, found)):
                second = wild_test(x, y, clusters, found, rest, draws, random)
                if second <= LEVEL and len(both := best_breaks(x, y, 2)) == 2:
                    found, p = both, second
    beta = _least_squares(_columns(x, found), y)
    slopes = tuple(float(b) for b in np.cumsum(beta[1:]))
    low, high = _intervals(x, y, clusters, len(found), level, draws, np.random.default_rng([seed, 3])) if found else ((), ())
    corners = (float(x[0]), *found, float(x[-1]))
    line = _columns(np.array(corners), found) @ beta
    words = _words(found, low, high, slopes)
    return Break(found, low, high, slopes, p, words, corners, tuple(float(v) for v in line), tuple(notes))


def wild_test(
    x: Array, y: Array, clusters: NDArray[np.int64], known: tuple[float, ...], candidates: Array, draws: int, random: np.random.Generator
) -> float:
    """p of one break more among the candidates, given the breaks that are known.

    (1 + number of draws whose largest F is at least the one found) / (1 + draws).
    """
    base, _ = np.linalg.qr(_columns(x, known))
    hinges = np.maximum(x[:, None] - candidates[None, :], 0.0)
    size = np.sum(hinges**2, axis=0)
    hinges -= base @ (base.T @ hinges)
    hinges -= base @ (base.T @ hinges)
    left = np.sum(hinges**2, axis=0)
    use = left > 1e-10 * size
    hinges = hinges[:, use] / np.sqrt(left[use])
    residual = y - base @ (base.T @ y)
    total = float(residual @ residual)
    if total <= EXACT * float(np.sum((y - y.mean()) ** 2)) or not use.any():
        return 1.0

    def largest(values: Array) -> Array:
        values = values - base @ (base.T @ values)
        whole = np.sum(values**2, axis=0)
        gain = np.max((hinges.T @ values) ** 2, axis=0)
        return np.asarray(gain / np.maximum(whole - gain, EXACT * whole))

    own = float(largest(residual[:, None])[0])
    signs = random.integers(0, 2, (int(clusters.max()) + 1, draws)) * 2.0 - 1.0
    drawn = largest(residual[:, None] * signs[clusters])
    return float((1 + np.sum(drawn >= own * (1 - 1e-12))) / (1 + draws))


def best_breaks(x: Array, y: Array, count: int, weights: Array | None = None) -> tuple[float, ...]:
    """The one or two breaks of the smallest squared error."""
    own = np.ones((1, len(x))) if weights is None else np.atleast_2d(weights)
    return tuple(float(t) for t in _searched(x, y, own, count)[0])


def _searched(x: Array, y: Array, weights: Array, count: int) -> Array:
    """Breaks for each row of weights, shape (draws, count), in two rounds: over the grid, then around the best."""
    sums = _Sums(x, y, weights)
    grid = _candidates(x, CANDIDATES if count == 1 else PAIR_CANDIDATES)
    sets = _sets(x, grid, count)
    if not len(sets):
        return np.empty((len(weights), 0))
    best = sets[np.argmin(sums.errors(np.broadcast_to(sets, (len(weights), *sets.shape))), axis=1)]
    gap = np.diff(grid, prepend=grid[0], append=grid[-1])
    half = np.maximum(gap[:-1], gap[1:])[np.searchsorted(grid, best)]
    for _ in range(3 if count == 1 else 5):
        around = np.clip(best[:, None, :] + half[:, None, :] * np.linspace(-1, 1, REFINED)[:, None], grid[0], grid[-1])
        if count == 2:
            a, b = np.meshgrid(np.arange(REFINED), np.arange(REFINED), indexing="ij")
            around = np.stack([around[:, a.ravel(), 0], around[:, b.ravel(), 1]], axis=2)
        errors = sums.errors(around)
        # Two breaks at one spot are a step, which no broken line is: a tenth of the rows lies between them.
        rank = np.searchsorted(x, around)
        errors[np.any(np.diff(rank, axis=2) < EDGE * len(x), axis=2)] = np.inf
        best = np.take_along_axis(around, np.argmin(errors, axis=1)[:, None, None], axis=1)[:, 0]
        half = half * 4 / (REFINED - 1)
    return np.asarray(best)


class _Sums:
    """Squared errors of broken lines from running sums, so that a bootstrap needs no fits."""

    def __init__(self, x: Array, y: Array, weights: Array) -> None:
        self.scale = float(np.ptp(x)) or 1.0
        self.start = float(x[0])
        z, v = (x - self.start) / self.scale, y - y.mean()
        self.z = z
        powers = np.stack([np.ones_like(z), z, z * z, v, z * v], axis=0)
        running = np.cumsum(weights[:, None, :] * powers[None], axis=2)
        # Sums over all rows from a place on; the last column is nothing.
        total = running[:, :, -1:]
        before = np.concatenate([np.zeros_like(total), running[:, :, :-1]], axis=2)
        self.after = np.concatenate([total - before, np.zeros_like(total)], axis=2)
        self.square = weights @ (v * v)

    def errors(self, sets: Array) -> Array:
        """Squared errors (draws, sets) of breaks (draws, sets, count)."""
        t = (sets - self.start) / self.scale
        count, draws = t.shape[2], np.arange(len(t))[:, None, None]
        place = np.searchsorted(self.z, t, side="right")
        n, s1, s2, v0, v1 = (self.after[draws, i, place] for i in range(5))
        whole = self.after[:, :, 0]
        p = 2 + count
        matrix, right = np.empty((*t.shape[:2], p, p)), np.empty((*t.shape[:2], p))
        matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1] = (whole[:, i, None] for i in (0, 1, 2))
        right[..., 0], right[..., 1] = whole[:, 3, None], whole[:, 4, None]
        matrix[..., 0, 2:], matrix[..., 1, 2:] = s1 - t * n, s2 - t * s1
        right[..., 2:] = v1 - t * v0
        for i in range(count):
            for j in range(i, count):
                # The later hinge is above zero where both are.
                matrix[..., 2 + i, 2 + j] = s2[..., j] - (t[..., i] + t[..., j]) * s1[..., j] + t[..., i] * t[..., j] * n[..., j]
        upper = np.triu_indices(p, 1)
        matrix[..., upper[1], upper[0]] = matrix[..., upper[0], upper[1]]
        # A little on the diagonal: draws may leave a piece without rows.
        matrix[..., np.arange(p), np.arange(p)] *= 1 + 1e-11
        matrix[..., np.arange(p), np.arange(p)] += 1e-12
        beta = np.linalg.solve(matrix, right[..., None])[..., 0]
        return np.asarray(self.square[:, None] - np.sum(beta * right, axis=2))


def _intervals(
    x: Array, y: Array, clusters: NDArray[np.int64], count: int, level: float, draws: int, random: np.random.Generator
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    k = int(clusters.max()) + 1
    often = random.multinomial(k, np.full(k, 1 / k), size=draws).astype(np.float64)
    step = max(1, 2_000_000 // (len(x) * 5))
    found = np.concatenate([_searched(x, y, often[a : a + step][:, clusters], count) for a in range(0, draws, step)])
    ends = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return tuple(float(v) for v in ends[0]), tuple(float(v) for v in ends[1])


def _candidates(x: Array, most: int) -> Array:
    """Places where a break may be: quantiles of x that leave enough rows and two different values on either side."""
    different = np.unique(x)
    if len(different) < 5:
        return np.empty(0)
    inner = np.unique(np.quantile(x, np.linspace(EDGE, 1 - EDGE, most)))
    return np.asarray(inner[(inner >= different[1]) & (inner <= different[-2])])


def _apart(x: Array, candidates: Array, known: tuple[float, ...]) -> Array:
    """Candidates with enough rows between them and the breaks that are known."""
    place = np.searchsorted(x, candidates)
    near = np.min([np.abs(place - np.searchsorted(x, t)) for t in known], axis=0)
    return np.asarray(candidates[near >= EDGE * len(x)])


def _sets(x: Array, grid: Array, count: int) -> Array:
    if count == 1:
        return np.asarray(grid[:, None])
    place = np.searchsorted(x, grid)
    pairs = [(grid[i], grid[j]) for i, j in combinations(range(len(grid)), 2) if place[j] - place[i] >= EDGE * len(x)]
    return np.array(pairs).reshape(-1, 2)


def _columns(x: Array, breaks: tuple[float, ...]) -> Array:
    return np.column_stack([np.ones_like(x), x, *(np.maximum(x - t, 0.0) for t in breaks)])


def _least_squares(columns: Array, y: Array) -> Array:
    return np.asarray(np.linalg.lstsq(columns, y, rcond=None)[0])


def _words(at: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...], slopes: tuple[float, ...]) -> str:
    """What a reader is told, such as ``flattens above 20 [18, 22]``."""
    if not at:
        return "no break shown"
    told = []
    for place, (t, a, b) in enumerate(zip(at, low, high, strict=True)):
        before, after = slopes[place], slopes[place + 1]
        if abs(after) <= FLAT * abs(before):
            what = "flattens"
        elif abs(before) <= FLAT * abs(after):
            what = "begins to fall" if after < 0 else "begins to rise"
        elif before * after < 0:
            what = "turns to fall" if after < 0 else "turns to rise"
        else:
            what = "becomes steeper" if abs(after) > abs(before) else "becomes less steep"
        told.append(f"{what} above {_told(t)} [{_told(a)}, {_told(b)}]")
    return "; ".join(told)


def _told(value: float) -> str:
    """Three significant digits, whole numbers in full.

    >>> _told(1274.6), _told(0.01234), _told(-12.0)
    ('1275', '0.0123', '-12')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"
