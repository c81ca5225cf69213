"""Response curves: how observed values go along one driver, with a smooth, its band, and where the slope changes.

A curve along one driver holds all that goes with it: rain rises where temperature falls. It is an association, not the effect of the
driver alone. Profiles (or clusters of them) are drawn whole in every bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.account.drivers.breaks import Break, find_breaks
from edaphic.errors import TableError

Array = NDArray[np.float64]
FEWEST = 20
"""Fewest rows, with at least five different values of the driver, that a curve is drawn from."""
FEWEST_DIFFERENT = 5
CHUNK_CELLS = 8_000_000


@dataclass(frozen=True)
class Curve:
    """A response curve.

    ``table``: ``x``, ``smooth``, ``low``, ``high`` (percentiles of the bootstrap, pointwise), ``n_near`` (effective number of rows);
    ``mean``: of the values; ``breaks``: change points; ``x``, ``y``: the rows used; ``notes``.
    """

    driver: str
    table: pd.DataFrame
    mean: float
    breaks: Break
    x: Array
    y: Array
    notes: tuple[str, ...]


def response_curve(
    x: ArrayLike,
    y: ArrayLike,
    clusters: Iterable[object] | None = None,
    *,
    driver: str = "x",
    span: float = 0.5,
    points: int = 60,
    most_breaks: int = 1,
    level: float = 0.95,
    draws: int = 400,
    seed: int = 0,
) -> Curve:
    """Smooth of values along a driver, its bootstrap band, and its change points.

    The smooth is local linear regression with tricube weights over the nearest ``span`` of the rows (Cleveland 1979, Journal of the
    American Statistical Association 74, 829-836, without his robust steps, so that the curve is one of means), at ``points`` quantiles of
    the driver. The width of each window is that of the data and stays in the draws.

    Parameters
    ----------
    x, y : array_like (n,)
        Driver and value; rows where one is not finite are left out.
    clusters : iterable (n,), optional
        Rows of a cluster (a profile, a site) are drawn together; each row its own where left out.
    driver : str
        Name for notes and words.
    span : float
        Share of the rows in a window, above 0 to 1.
    points : int
        Places at which the curve is told.
    most_breaks : {0, 1, 2}
        Change points that are looked for (:func:`edaphic.account.drivers.breaks.find_breaks`).
    level : float
        Of the band and of the intervals of the change points.
    draws, seed : int

    Returns
    -------
    Curve

    Raises
    ------
    TableError
        Lengths that differ; fewer than 20 rows, or fewer than five different values of the driver; numbers out of range.

    Examples
    --------
    A straight line stays one, to the ends.

    >>> x = np.arange(40.0)
    >>> found = response_curve(x, 1 + 2 * x, points=5, draws=20)
    >>> bool(np.allclose(found.table["smooth"], 1 + 2 * found.table["x"])), found.breaks.words
    (True, 'no break shown')
    """
    own_x, own_y, codes, notes = _rows(x, y, clusters, driver)
    _check(span, points, level, draws)
    at = np.unique(np.quantile(own_x, np.linspace(0, 1, points)))
    kernel = tricube(own_x, at, span)
    smooth = local_linear(own_x, own_y, at, kernel, np.ones((len(own_x), 1)))[:, 0]
    often = cluster_counts(codes, draws, np.random.default_rng([seed, 1]))
    step = max(1, CHUNK_CELLS // len(own_x))
    parts = [local_linear(own_x, own_y, at, kernel, often[codes, a : a + step]) for a in range(0, draws, step)]
    low, high = np.nanquantile(np.concatenate(parts, axis=1), [(1 - level) / 2, (1 + level) / 2], axis=1)
    near = kernel.sum(axis=1) ** 2 / (kernel**2).sum(axis=1)
    table = pd.DataFrame({"x": at, "smooth": smooth, "low": low, "high": high, "n_near": near})
    breaks = find_breaks(own_x, own_y, codes, most=most_breaks, level=level, draws=draws, seed=seed)
    return Curve(driver, table, float(own_y.mean()), breaks, own_x, own_y, (*notes, *breaks.notes))


def response_table(curves: Sequence[Curve]) -> pd.DataFrame:
    """All curves below each other: ``driver``, ``x``, ``smooth``, ``low``, ``high``, ``n_near``, ``mean``, ``n``."""
    return pd.concat(
        [curve.table.assign(mean=curve.mean, n=len(curve.x)).pipe(_first, "driver", curve.driver) for curve in curves], ignore_index=True
    )


def break_table(curves: Sequence[Curve]) -> pd.DataFrame:
    """One row for each change point, and one for each driver without: ``driver``, ``breaks``, ``at``, ``low``, ``high``, ``slope_below``,
    ``slope_above``, ``p``, ``words``, ``n``."""
    rows: list[dict[str, object]] = []
    for curve in curves:
        found = curve.breaks
        common: dict[str, object] = {"driver": curve.driver, "breaks": len(found.at), "p": found.p, "words": found.words, "n": len(curve.x)}
        for place in range(max(1, len(found.at))):
            here = place < len(found.at)
            row: dict[str, object] = {"at": found.at[place] if here else np.nan, "low": found.low[place] if here else np.nan}
            row |= {"high": found.high[place] if here else np.nan, "slope_below": found.slopes[place]}
            rows.append(common | row | {"slope_above": found.slopes[place + 1] if here else found.slopes[place]})
    columns = ["driver", "breaks", "at", "low", "high", "slope_below", "slope_above", "p", "words", "n"]
    return pd.DataFrame(rows, columns=columns)


def tricube(x: Array, at: Array, span: float) -> Array:
    """Weights of rows at places, shape (places, n): (1 - (d / h)^3)^3, h being the distance to the row that closes the span.

    A window widens until it holds three different values of x, so that a line can be fitted.
    """
    apart = np.abs(at[:, None] - x[None, :])
    wanted = min(len(x), max(3, int(np.ceil(span * len(x)))))
    width = np.partition(apart, wanted - 1, axis=1)[:, wanted - 1]
    different = np.abs(at[:, None] - np.unique(x)[None, :])
    third = np.sort(different, axis=1)[:, min(2, different.shape[1] - 1)]
    # A little wider than the last row, so that it has a weight too.
    width = np.maximum(width, third) * (1 + 1e-6)
    return np.asarray((1 - np.minimum(apart / width[:, None], 1.0) ** 3) ** 3)


def local_linear(x: Array, y: Array, at: Array, kernel: Array, counts: Array) -> Array:
    """Local linear fits, shape (places, draws), with rows counted ``counts`` (n, draws) times; NaN where no row is near."""
    middle = x.mean()
    z, a = x - middle, at - middle
    level = y.mean()
    v = y - level
    s0, s1, s2 = (kernel * power @ counts for power in (np.ones_like(z), z, z * z))
    t0, t1 = (kernel * power @ counts for power in (v, z * v))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_z, mean_v = s1 / s0, t0 / s0
        spread = s2 / s0 - mean_z**2
        scale = 1e-10 * max(float(np.ptp(x)) ** 2, np.finfo(float).tiny)
        slope = np.where(spread > scale, (t1 / s0 - mean_z * mean_v) / np.where(spread > scale, spread, 1.0), 0.0)
        return np.asarray(np.where(s0 > 0, mean_v + slope * (a[:, None] - mean_z) + level, np.nan))


def cluster_counts(codes: NDArray[np.int64], draws: int, random: np.random.Generator) -> Array:
    """How often each cluster is drawn, shape (clusters, draws)."""
    k = int(codes.max()) + 1
    return random.multinomial(k, np.full(k, 1 / k), size=draws).T.astype(np.float64)


def _rows(x: ArrayLike, y: ArrayLike, clusters: Iterable[object] | None, driver: str) -> tuple[Array, Array, NDArray[np.int64], list[str]]:
    """Rows that can be used, sorted by the driver, with codes of their clusters."""
    own_x, own_y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    names = np.arange(len(own_x)) if clusters is None else np.asarray(pd.Series(list(clusters)), dtype=object)
    if own_x.ndim != 1 or own_y.shape != own_x.shape or len(names) != len(own_x):
        raise TableError(f"curve of '{driver}': {own_x.shape}, {own_y.shape} and {len(names)} clusters; expected three of one length")
    good = np.isfinite(own_x) & np.isfinite(own_y) & ~np.asarray(pd.isna(names))
    notes = [] if good.all() else [f"curve of '{driver}': {int((~good).sum())} of {len(good)} rows without a value, left out"]
    own_x, own_y, names = own_x[good], own_y[good], names[good]
    different = len(np.unique(own_x))
    if len(own_x) < FEWEST or different < FEWEST_DIFFERENT:
        raise TableError(
            f"curve of '{driver}': {len(own_x)} rows with {different} different values of the driver; "
            f"expected at least {FEWEST} and {FEWEST_DIFFERENT}"
        )
    order = np.lexsort((own_y, own_x))
    return own_x[order], own_y[order], pd.factorize(names[order])[0].astype(np.int64), notes


def _check(span: float, points: int, level: float, draws: int) -> None:
    faults = []
    if not 0 < span <= 1:
        faults.append(f"curve: span {span:g}; expected a share above 0 and not above 1")
    if points < 2 or draws < 1:
        faults.append(f"curve: {points} points, {draws} draws; expected at least 2 and 1")
    if not 0 < level < 1:
        faults.append(f"curve: level {level:g}; expected a number between 0 and 1")
    if faults:
        raise TableError(faults)


def _first(table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    table.insert(0, name, value)
    return table
