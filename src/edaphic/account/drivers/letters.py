"""Letters that say which groups differ: two groups share a letter exactly where they were not found to differ.

The display is made by inserting and absorbing (Piepho, H.-P. 2004, An algorithm for a letter-based representation of all-pairwise
comparisons, Journal of Computational and Graphical Statistics 13, 456-466), without his last step of sweeping, so a group may carry a
letter more than it needs.
"""

from __future__ import annotations

from itertools import combinations
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError

ALPHABET = ascii_lowercase + ascii_uppercase


def letter(number: int) -> str:
    """The letter of a column: a to z, A to Z, then a1, b1 ...

    >>> letter(0), letter(27), letter(52)
    ('a', 'B', 'a1')
    """
    turn, place = divmod(number, len(ALPHABET))
    return ALPHABET[place] + (str(turn) if turn else "")


def compact_letters(means: ArrayLike, differs: ArrayLike) -> tuple[str, ...]:
    """Letters of each group from the decisions about all pairs.

    Parameters
    ----------
    means : array_like (k,)
        The group of the largest mean gets an a; at a tie, the first.
    differs : array_like of bool (k, k)
        Symmetric, false on the diagonal.

    Returns
    -------
    tuple of str (k,)

    Raises
    ------
    TableError
        Shapes that do not fit, a matrix that is not symmetric, a mean that is not finite.

    Examples
    --------
    The first and the last differ, the one between differs from neither.

    >>> compact_letters([3.0, 2.0, 1.0], [[False, False, True], [False, False, False], [True, False, False]])
    ('a', 'ab', 'b')
    """
    level, apart = np.asarray(means, dtype=np.float64), np.asarray(differs, dtype=bool)
    k = len(level)
    if apart.shape != (k, k) or not np.array_equal(apart, apart.T) or apart.diagonal().any():
        raise TableError(f"letters: decisions of shape {apart.shape} for {k} groups; expected a symmetric table, false on its diagonal")
    if not np.isfinite(level).all():
        raise TableError("letters: a mean that is not finite; expected numbers")
    order = descending(level)
    columns = _absorbed([frozenset(range(k))])
    for i, j in combinations(range(k), 2):
        if apart[order[i], order[j]]:
            split = [part for column in columns for part in ((column - {i}, column - {j}) if {i, j} <= column else (column,))]
            columns = _absorbed(split)
    return _written(columns, order)


def run_letters(means: ArrayLike, differs: ArrayLike) -> tuple[str, ...]:
    """Letters by runs down the ranked means: each run ends before the first group that differs from its top.

    What tables of Duncan's test print in practice. It is the display of :func:`compact_letters` unless a wider range of means was not
    found to differ although a narrower one inside it was; then it does not tell all decisions.
    """
    level, apart = np.asarray(means, dtype=np.float64), np.asarray(differs, dtype=bool)
    order = descending(level)
    ranked = apart[np.ix_(order, order)]
    runs, reached = [], -1
    for top in range(len(order)):
        beyond = np.flatnonzero(ranked[top, top:])
        end = top + (int(beyond[0]) if len(beyond) else len(order) - top)
        if end - 1 > reached:
            runs.append(frozenset(range(top, end)))
            reached = end - 1
    return _written(runs, order)


def descending(means: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of the means from the largest; equal ones in their own order."""
    return np.argsort(-means, kind="stable")


def _absorbed(columns: list[frozenset[int]]) -> list[frozenset[int]]:
    """Columns that are not inside another one."""
    unique = list(dict.fromkeys(columns))
    return [one for one in unique if not any(one < other for other in unique)]


def _written(columns: list[frozenset[int]], order: NDArray[np.intp]) -> tuple[str, ...]:
    ranked = sorted(columns, key=lambda column: sorted(column))
    out = [""] * len(order)
    for number, column in enumerate(ranked):
        for place in sorted(column):
            out[order[place]] += letter(number)
    return tuple(out)
