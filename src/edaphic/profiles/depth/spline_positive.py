"""A quadratic spline that is nowhere negative: the convex problem behind :func:`edaphic.profiles.depth.spline.fit`.

With ``w`` the sixths of the slopes at the inner boundaries and ``M`` the mean density of the profile, every spline of that mass is
``f(z) = M + phi(z)'w``, and the objective is a strictly convex quadratic in ``w`` with the Hessian (up to a factor)

    G = R K^-1 (R + c K) / H,   K = Q W^-1 Q',   so that   G^-1 = H (R + c K)^-1 K R^-1:

two tridiagonal solves. The condition ``f(z) >= 0`` for all z is met by exchange (cutting planes): ask for it where the curve is
lowest in each horizon that falls below 0, solve the small dual problem ``mu >= 0``, ask again. A quadratic has one lowest point
and a joining line none of its own, so nothing is missed. Cuts whose multiplier is 0 are dropped; the objective still rises in
every round. At the end the curve is mixed with the constant ``M``, which has the same mass and is positive, just as far as the
last rounding errors ask.

Arrays have one entry for each horizon (``h``, ``s``) or boundary (``gap``, ``w``); all is scaled to ``M = 1``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_ROUNDS = 60
EPSILON = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-11
"""A dip below 0 that is left to the mixing, as a share of the mean density of the profile."""
RIDGE = 1e-13
"""Added to the unit diagonal of the dual matrix: two cuts at nearly the same depth must not make it singular."""


@kernel
def lowest(s: float, slope: float, curvature: float, h: float) -> tuple[float, float]:
    """Least value of one quadratic over its horizon, and its depth below the top."""
    t = 0.0
    value = s - slope * (h / 2.0) - curvature * (h * h / 3.0)
    end = s + slope * (h - h / 2.0) + curvature * (h * h - h * h / 3.0)
    if end < value:
        t, value = h, end
    if curvature > 0.0 and slope < 0.0:
        inner = -slope / (2.0 * curvature)
        if inner < h:
            least = s + slope * (inner - h / 2.0) + curvature * (inner * inner - h * h / 3.0)
            if least < value:
                t, value = inner, least
    return value, t


@kernel
def floor_and_scale(n: int, h: Floats, w: Floats, s: Floats) -> tuple[float, float]:
    """Least value of the curve, and the size of its terms: rounding errors are a few 1e-16 of that."""
    least, scale = np.inf, 0.0
    for i in range(n):
        above = w[i - 1] if i > 0 else 0.0
        below = w[i] if i < n - 1 else 0.0
        slope, curvature = 6.0 * above, 3.0 * (below - above) / h[i]
        value, _ = lowest(s[i], slope, curvature, h[i])
        least = min(least, value)
        scale = max(scale, abs(s[i]) + abs(slope) * h[i] + abs(curvature) * h[i] * h[i])
    return least, scale


@kernel
def factor(m: int, diagonal: Floats, beside: Floats, pivot: Floats, ratio: Floats) -> None:
    """Elimination of a symmetric tridiagonal matrix of size m, diagonally dominant: no pivoting needed."""
    pivot[0] = diagonal[0]
    for j in range(1, m):
        ratio[j - 1] = beside[j - 1] / pivot[j - 1]
        pivot[j] = diagonal[j] - beside[j - 1] * ratio[j - 1]


@kernel
def solve(m: int, pivot: Floats, ratio: Floats, x: Floats) -> None:
    """Right-hand side ``x`` becomes the solution."""
    for j in range(1, m):
        x[j] -= ratio[j - 1] * x[j - 1]
    x[m - 1] /= pivot[m - 1]
    for j in range(m - 2, -1, -1):
        x[j] = x[j] / pivot[j] - ratio[j] * x[j + 1]


@kernel
def level(n: int, h: Floats, gap: Floats, w: Floats, mean: float, s: Floats) -> None:
    """Horizon means that belong to the slopes: differences ``R w``, thickness-weighted mean ``mean``."""
    s[0] = 0.0
    total, thickness = 0.0, h[0]
    for i in range(1, n):
        j = i - 1
        rise = (2.0 * (h[j] + h[i]) + 6.0 * gap[j]) * w[j]
        if j > 0:
            rise += h[j] * w[j - 1]
        if i < n - 1:
            rise += h[i] * w[i]
        s[i] = s[j] + rise
        total += h[i] * s[i]
        thickness += h[i]
    shift = mean - total / thickness
    for i in range(n):
        s[i] += shift


@kernel
def _respond(
    n: int, i: int, above: float, below: float, h: Floats, gap: Floats,
    first: tuple[Floats, Floats], both: tuple[Floats, Floats], x: Floats, d: Floats, ds: Floats,
) -> None:  # fmt: skip
    """``G^-1 phi`` for a depth in horizon i (slopes into d, means into ds), but for a factor that its length takes out.

    ``above`` and ``below`` are what the value there takes of the unknowns of the horizon's two boundaries, beside its mean.
    ``first`` holds the factors of R, ``both`` those of R + c K.
    """
    m = n - 1
    x[:m] = 0.0
    if i > 0:
        x[i - 1] = above
    if i < m:
        x[i] = below
    solve(m, first[0], first[1], x)
    for j in range(m):
        value = (1.0 / h[j] + 1.0 / h[j + 1]) * x[j]
        if j > 0:
            value -= x[j - 1] / h[j]
        if j < m - 1:
            value -= x[j + 1] / h[j + 1]
        d[j] = value
    if i > 0:
        d[i - 1] += 1.0 / h[i]
    if i < m:
        d[i] -= 1.0 / h[i]
    solve(m, both[0], both[1], d)
    level(n, h, gap, d, 0.0, ds)


@kernel
def _value(n: int, i: int, above: float, below: float, w: Floats, s: Floats) -> float:
    """Value of a curve at a depth in horizon i that was described as in ``_respond``."""
    value = float(s[i])
    if i > 0:
        value += above * w[i - 1]
    if i < n - 1:
        value += below * w[i]
    return value


@kernel
def _passive_solution(count: int, matrix: Floats, b: Floats, passive: Ints, lower: Floats, z: Floats) -> int:
    """Solve ``(P + ridge) z = -b`` over the passive cuts (by Cholesky); returns how many they are."""
    k = 0
    for a in range(count):
        if passive[a] < 0:
            continue
        passive[count + k] = a
        k += 1
    for p in range(k):
        a = passive[count + p]
        for q in range(p + 1):
            value = matrix[a, passive[count + q]]
            for r in range(q):
                value -= lower[p, r] * lower[q, r]
            if p == q:
                lower[p, p] = np.sqrt(max(value + RIDGE, RIDGE))
            else:
                lower[p, q] = value / lower[q, q]
        value = -b[a]
        for r in range(p):
            value -= lower[p, r] * z[r]
        z[p] = value / lower[p, p]
    for p in range(k - 1, -1, -1):
        value = z[p]
        for r in range(p + 1, k):
            value -= lower[r, p] * z[r]
        z[p] = value / lower[p, p]
    return k


@kernel
def _settle(count: int, matrix: Floats, b: Floats, mu: Floats, passive: Ints, lower: Floats, z: Floats) -> None:
    """Least squares over the passive cuts, leaving out those whose multiplier would not be positive."""
    for _ in range(count + 1):
        k = _passive_solution(count, matrix, b, passive, lower, z)
        share, leaving = 1.0, -1
        for p in range(k):
            a = passive[count + p]
            if z[p] <= 0.0:
                reach = mu[a] / (mu[a] - z[p]) if mu[a] > 0.0 else 0.0
                if reach < share or leaving < 0:
                    share, leaving = reach, a
        for p in range(k):
            a = passive[count + p]
            mu[a] = z[p] if leaving < 0 else max(mu[a] + share * (z[p] - mu[a]), 0.0)
        if leaving < 0:
            return
        mu[leaving] = 0.0
        passive[leaving] = -1


@kernel
def _multipliers(count: int, matrix: Floats, b: Floats, slack: Floats, mu: Floats, passive: Ints, lower: Floats, z: Floats) -> None:
    """Minimise ``mu'P mu / 2 + b'mu`` for ``mu >= 0`` by an active set, warm from the ``mu`` given.

    ``passive`` is 1 for a cut in use, -1 for one that is not, -2 for one that rounding keeps out.
    """
    for _ in range(3 * count + 10):
        worst, chosen = 0.0, -1
        for a in range(count):
            if passive[a] != -1:
                continue
            value = b[a]
            for q in range(count):
                value += matrix[a, q] * mu[q]
            if value < -slack[a] and value < worst:
                worst, chosen = value, a
        if chosen < 0:
            return
        passive[chosen] = 1
        _settle(count, matrix, b, mu, passive, lower, z)
        if mu[chosen] <= 0.0:
            passive[chosen] = -2


@kernel
def _cuts(
    n: int, count: int, tolerance: float, h: Floats, gap: Floats, w: Floats, s: Floats, where: Ints, above: Floats, below: Floats
) -> int:
    """Add a cut where the curve is lowest in each horizon that falls below 0; returns the new count."""
    for i in range(n):
        before = w[i - 1] if i > 0 else 0.0
        after = w[i] if i < n - 1 else 0.0
        value, t = lowest(s[i], 6.0 * before, 3.0 * (after - before) / h[i], h[i])
        # The end of a horizon that touches the next one is the top of that one: not asked for twice.
        if value >= -tolerance or (t == h[i] and i < n - 1 and gap[i] == 0.0):
            continue
        where[count] = i
        below[count] = 3.0 / h[i] * (t * t - h[i] * h[i] / 3.0)
        above[count] = 6.0 * (t - h[i] / 2.0) - below[count]
        count += 1
    return count


@kernel
def _add_cut(
    n: int, a: int, tolerance: float, where: Ints, above: Floats, below: Floats, h: Floats, gap: Floats,
    first: tuple[Floats, Floats], both: tuple[Floats, Floats], w_free: Floats, s_free: Floats, x: Floats,
    directions: Floats, means: Floats, matrix: Floats, b: Floats, slack: Floats, mu: Floats,
) -> None:  # fmt: skip
    """Row and column ``a`` of the dual problem, scaled so that the diagonal is 1."""
    _respond(n, where[a], above[a], below[a], h, gap, first, both, x, directions[a], means[a])
    length = np.sqrt(_value(n, where[a], above[a], below[a], directions[a], means[a]))
    directions[a, : n - 1] /= length
    means[a, :n] /= length
    b[a] = _value(n, where[a], above[a], below[a], w_free, s_free) / length
    slack[a] = 0.1 * tolerance / length
    mu[a] = 0.0
    for q in range(a):
        matrix[a, q] = _value(n, where[a], above[a], below[a], directions[q], means[q]) / length
        matrix[q, a] = matrix[a, q]
    matrix[a, a] = 1.0


@kernel
def _keep_used(
    n: int, count: int, where: Ints, above: Floats, below: Floats, b: Floats, slack: Floats, mu: Floats, matrix: Floats,
    directions: Floats, means: Floats,
) -> int:  # fmt: skip
    """Drop the cuts whose multiplier is 0; returns how many stay."""
    kept = 0
    for a in range(count):
        if mu[a] <= 0.0:
            continue
        if kept < a:
            where[kept], above[kept], below[kept] = where[a], above[a], below[a]
            b[kept], slack[kept], mu[kept] = b[a], slack[a], mu[a]
            directions[kept, : n - 1] = directions[a, : n - 1]
            means[kept, :n] = means[a, :n]
            for q in range(count):
                matrix[kept, q] = matrix[a, q]
            for q in range(count):
                matrix[q, kept] = matrix[q, a]
        kept += 1
    return kept


@kernel
def constrain(n: int, h: Floats, gap: Floats, both: tuple[Floats, Floats], w: Floats, s: Floats) -> bool:
    """Replace ``w`` and ``s`` by the best curve that is nowhere below 0 (but for ``TOLERANCE``); False if rounds ran out.

    ``both`` holds the factors of R + c K; mean density 1.
    """
    m, room = n - 1, 4 * n + 8
    x, z, b, slack, mu = np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.zeros(room)
    above, below, where, passive = np.empty(room), np.empty(room), np.empty(room, np.int64), np.empty(2 * room, np.int64)
    directions, means = np.empty((room, n)), np.empty((room, n))
    matrix, lower = np.empty((room, room)), np.empty((room, room))
    first = (np.empty(n), np.empty(n))
    factor(m, 2.0 * (h[:m] + h[1:n]) + 6.0 * gap[:m], h[1:n], first[0], first[1])
    w_free, s_free = w[:m].copy(), s[:n].copy()
    tolerance = max(TOLERANCE, 16.0 * EPSILON * floor_and_scale(n, h, w, s)[1])
    count = 0
    for _ in range(MAX_ROUNDS):
        known = count
        if known + n > room:
            return False
        count = _cuts(n, count, tolerance, h, gap, w, s, where, above, below)
        if count == known:
            return True
        for a in range(known, count):
            _add_cut(
                n, a, tolerance, where, above, below, h, gap, first, both, w_free, s_free, x, directions, means, matrix, b, slack, mu
            )
        for a in range(count):
            passive[a] = 1 if mu[a] > 0.0 else -1
        _multipliers(count, matrix, b, slack, mu, passive, lower, z)
        count = _keep_used(n, count, where, above, below, b, slack, mu, matrix, directions, means)
        w[:m] = w_free
        s[:n] = s_free
        for a in range(count):
            for j in range(m):
                w[j] += mu[a] * directions[a, j]
            for i in range(n):
                s[i] += mu[a] * means[a, i]
    return False


@kernel
def mix(n: int, h: Floats, w: Floats, s: Floats) -> float:
    """Mix with the constant 1 until the curve is at least a few rounding errors above 0; returns the share of the constant."""
    kept = 1.0
    for _ in range(4):
        mass, thickness = 0.0, 0.0
        for i in range(n):
            mass += h[i] * s[i]
            thickness += h[i]
        # Means of very different size carry the rounding errors of the largest: the mass is set right, the form stays.
        for i in range(n):
            s[i] += 1.0 - mass / thickness
        least, scale = floor_and_scale(n, h, w, s)
        margin = 16.0 * EPSILON * scale
        if least >= margin:
            break
        share = min(1.0, (2.0 * margin - least) / (1.0 - least))
        for j in range(n - 1):
            w[j] *= 1.0 - share
        for i in range(n):
            s[i] = 1.0 + (1.0 - share) * (s[i] - 1.0)
        kept *= 1.0 - share
    return 1.0 - kept
