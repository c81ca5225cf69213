"""Pairs of realisations of totals: of two periods, under errors that are correlated in time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from edaphic.account.change.cells import check_options
from edaphic.compiled import kernel
from edaphic.errors import ModelError, TableError

Floats = NDArray[np.float64]

Totals = Callable[[Floats], Floats]
"""Fields of scores (draws, blocks) -> totals (draws, rows), Tg."""

Pairs = Callable[[float], tuple[Floats, Floats]]
"""Correlation in time -> realisations of the totals of both periods (draws, rows), Tg."""


def later_field(first: ArrayLike, fresh: ArrayLike, rho: float) -> Floats:
    """Scores of the later period: ``rho e1 + sqrt(1 - rho^2) w``, with w another draw of the same field.

    They have the distribution, and the correlation in space, of the first ones, and the correlation rho with them.

    Parameters
    ----------
    first, fresh : array_like (draws, blocks)
        Independent draws of one random field.
    rho : float

    Examples
    --------
    >>> later_field([[1.0]], [[2.0]], 0.6).round(9).tolist()  # 0.6 x 1 + 0.8 x 2
    [[2.2]]
    """
    check_options(rho, 0.9, 0.8)
    return rho * np.asarray(first, dtype=np.float64) + float(np.sqrt(1.0 - rho * rho)) * np.asarray(fresh, dtype=np.float64)


def paired_totals(
    first: ArrayLike,
    fresh: ArrayLike,
    before: Totals,
    after: Totals,
    *,
    refits: tuple[ArrayLike, ArrayLike] | None = None,
    refit_share: ArrayLike = 0.0,
) -> Pairs:
    """Realisations of the totals of two periods, as a function of the correlation of their errors in time.

    Parameters
    ----------
    first, fresh : array_like (draws, blocks)
        Independent draws of the field of errors, standard normal scores. The same draws serve every rho, so that rows of a sensitivity
        table differ by rho only.
    before, after : callable
        Scores (draws, blocks) -> totals (draws, rows) of each period, Tg; :func:`table_totals` makes one of a table.
    refits : pair of array_like (draws, blocks), optional
        Scores of the trend's error in each period, of refitted forests: one forest maps both periods, so that how alike its errors are in
        time is known and not a matter of rho.
    refit_share : array_like, scalar or (blocks,)
        Share of the variance that is the error of the trend.

    Returns
    -------
    callable
        rho -> (totals before, totals after).

    Raises
    ------
    ModelError
        Draws of different shapes, shares outside 0 to 1.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(fresh, dtype=np.float64)
    share = np.asarray(refit_share, dtype=np.float64)
    others = [np.asarray(one_refit, dtype=np.float64) for one_refit in refits or ()]
    faults = []
    if one.ndim != 2 or any(field.shape != one.shape for field in (two, *others)):
        shapes = ", ".join(str(field.shape) for field in (one, two, *others))
        faults.append(f"change: fields of shapes {shapes}; expected one shape (draws, blocks)")
    if not ((share >= 0.0) & (share <= 1.0)).all():
        faults.append("change: share of the error of the trend outside 0 to 1; expected a share of the variance")
    if refits is None and (share > 0.0).any():
        faults.append("change: a share of the error of the trend without refitted forests; expected both or none")
    if faults:
        raise ModelError(faults)

    def pairs(rho: float) -> tuple[Floats, Floats]:
        fields = one, later_field(one, two, rho)
        if others:
            fields = tuple(np.sqrt(1.0 - share) * e + np.sqrt(share) * g for e, g in zip(fields, others, strict=True))  # type: ignore[assignment]
        return before(fields[0]), after(fields[1])

    return pairs


def mixed_totals(before: ArrayLike, after: ArrayLike, after_fresh: ArrayLike) -> Pairs:
    """Pairs from finished realisations: of both periods under one field of errors, and of the later one under another field.

    The later totals are turned into normal scores by their own distribution, mixed as ``rho y(e1) + sqrt(1 - rho^2) y(w)``, and turned
    back. So they keep their distribution, and the totals of one field stand as they are at rho = 1. That is what :func:`paired_totals` does
    where a total is linear in the scores, or rises with one score whatever its shape; in between it is close.

    Parameters
    ----------
    before, after : array_like (draws, rows)
        Totals of the two periods made with the same draws of the field, Tg.
    after_fresh : array_like (draws, rows)
        Totals of the later period made with other draws.

    Returns
    -------
    callable
        rho -> (totals before, totals after).

    Raises
    ------
    ModelError
        Realisations of different shapes.

    Examples
    --------
    >>> pairs = mixed_totals([[1.0], [3.0]], [[2.0], [4.0]], [[5.0], [1.0]])
    >>> [pairs(rho)[1].round(9).tolist() for rho in (1.0, 0.0)]
    [[[2.0], [4.0]], [[5.0], [1.0]]]
    """
    first, same, fresh = (np.asarray(one, dtype=np.float64) for one in (before, after, after_fresh))
    if first.ndim != 2 or not first.size or first.shape != same.shape or first.shape != fresh.shape:
        raise ModelError(f"change: realisations of shapes {first.shape}, {same.shape}, {fresh.shape}; expected one shape (draws, rows)")
    draws = len(same)
    ranked = np.sort(np.concatenate([same, fresh]), axis=0)
    places = ndtri((np.arange(2 * draws) + 0.5) / (2 * draws))
    rank = rankdata(np.concatenate([same, fresh]), axis=0)  # ties share their mean rank
    scores = ndtri((rank - 0.5) / (2 * draws))

    def pairs(rho: float) -> tuple[Floats, Floats]:
        mixed = later_field(scores[:draws], scores[draws:], rho)
        columns = [np.interp(mixed[:, row], places, ranked[:, row]) for row in range(same.shape[1])]
        return first, np.stack(columns, axis=1)

    return pairs


def table_totals(nodes: ArrayLike, table: ArrayLike) -> Totals:
    """Totals from a table of what each block adds to each row at some scores.

    Parameters
    ----------
    nodes : array_like (k,)
        Scores, rising.
    table : array_like (blocks, rows, k)
        Amount at each score. Between two nodes the line, beyond the last ones their line goes on.

    Returns
    -------
    callable

    Examples
    --------
    >>> total = table_totals([-1.0, 0.0, 1.0], [[[1.0, 2.0, 4.0]], [[0.0, 10.0, 20.0]]])
    >>> total(np.array([[0.5, 0.1], [2.0, 0.0]])).tolist()  # 3 + 11, and 6 + 10
    [[14.0], [16.0]]
    """
    scores, amounts = np.asarray(nodes, dtype=np.float64), np.ascontiguousarray(table, dtype=np.float64)
    if scores.ndim != 1 or scores.size < 2 or not (np.diff(scores) > 0).all():
        raise ModelError(f"change: {scores.size} nodes of a table of blocks; expected two or more that rise")
    if amounts.ndim != 3 or amounts.shape[2] != scores.size:
        raise ModelError(f"change: table of blocks of shape {amounts.shape}; expected (blocks, rows, {scores.size})")

    def totals(fields: Floats) -> Floats:
        if fields.ndim != 2 or fields.shape[1] != amounts.shape[0]:
            raise ModelError(f"change: fields of shape {fields.shape} for a table of {amounts.shape[0]} blocks")
        return np.asarray(_interpolated(np.ascontiguousarray(fields, dtype=np.float64), scores, amounts))

    return totals


@kernel
def _interpolated(fields: Floats, nodes: Floats, amounts: Floats) -> Floats:
    draws, blocks = fields.shape
    rows, last = amounts.shape[1], nodes.size - 2
    out = np.zeros((draws, rows))
    for d in range(draws):
        for b in range(blocks):
            z = fields[d, b]
            i = min(max(np.searchsorted(nodes, z) - 1, 0), last)
            share = (z - nodes[i]) / (nodes[i + 1] - nodes[i])
            for r in range(rows):
                out[d, r] += amounts[b, r, i] + share * (amounts[b, r, i + 1] - amounts[b, r, i])
    return out


KEYS = ("by", "class", "top_cm", "bottom_cm")


def wide_totals(realisations: pd.DataFrame) -> tuple[pd.DataFrame, Floats]:
    """A long table of realisations as an array.

    Parameters
    ----------
    realisations : DataFrame
        ``by``, ``class``, ``top_cm``, ``bottom_cm``, ``realisation`` and ``total_Tg``.

    Returns
    -------
    keys : DataFrame (rows)
        The first four, in the order in which they first appear.
    totals : array (draws, rows)
        By rising number of the realisation.

    Raises
    ------
    TableError
        A column is missing, or the rows do not all have the same realisations, once each.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "by": "all", "class": "", "top_cm": [0, 30, 0, 30], "bottom_cm": [30, 60, 30, 60], "realisation": [0, 0, 1, 1],
    ...     "total_Tg": [5.0, 2.0, 6.0, 3.0]})
    >>> wide_totals(table)[1].tolist()
    [[5.0, 2.0], [6.0, 3.0]]
    """
    wanted = [*KEYS, "realisation", "total_Tg"]
    if faults := [f"realisations: no column {name}; expected {', '.join(wanted)}" for name in wanted if name not in realisations]:
        raise TableError(faults)
    groups = realisations.groupby(list(KEYS), sort=False, dropna=False)
    row = groups.ngroup().to_numpy()
    keys = realisations.loc[~realisations.duplicated(list(KEYS)), list(KEYS)].reset_index(drop=True)
    draw, names = pd.factorize(realisations["realisation"], sort=True)
    count = np.bincount(draw * max(len(keys), 1) + row, minlength=len(names) * len(keys))
    if not count.size or (count != 1).any():
        raise TableError(f"realisations: {len(realisations)} numbers for {len(keys)} rows and {len(names)} draws; expected one of each")
    out = np.empty((len(names), len(keys)))
    out[draw, row] = realisations["total_Tg"].to_numpy(dtype=np.float64)
    return keys, out
