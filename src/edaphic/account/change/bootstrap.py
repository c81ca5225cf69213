"""Sums over places that are drawn with replacement, in a fixed order of addition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edaphic.compiled import kernel
from edaphic.errors import ModelError

Floats = NDArray[np.float64]


def drawn_sums(values: Floats, places: NDArray[np.int64], draws: int, seed: int) -> Floats:
    """Sums of rows in each of many samples of places.

    Parameters
    ----------
    values : array (n, k)
        Rows to add up.
    places : int array (n,)
        Number of the place of each row, from 0 without a gap: the rows of a place are drawn together.
    draws : int
        Samples, of as many places as there are.
    seed : int

    Returns
    -------
    array (draws, k)

    Raises
    ------
    ModelError
        Fewer than one draw.

    Examples
    --------
    One place is always drawn once:

    >>> drawn_sums(np.array([[1.0], [2.0]]), np.array([0, 0]), 2, 7).tolist()
    [[3.0], [3.0]]
    """
    if draws < 1:
        raise ModelError(f"bootstrap: {draws} draws; expected one or more")
    many = int(places.max()) + 1 if places.size else 0
    by_place = np.zeros((many, values.shape[1]))
    np.add.at(by_place, places, values)
    rng, out = np.random.default_rng(seed), np.zeros((draws, values.shape[1]))
    for draw in range(draws if many else 0):
        _add(rng.integers(many, size=many), by_place, out[draw])
    return out


@kernel
def _add(chosen: NDArray[np.int64], by_place: Floats, out: Floats) -> None:
    for place in chosen:
        for column in range(out.size):
            out[column] += by_place[place, column]
