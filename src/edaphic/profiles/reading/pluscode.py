"""Open location codes ("plus codes", 6FQCXMJQ+2X5) into coordinates.

Written from the public specification (Open Location Code, Google, 2014 ff.): 20 digits ``23456789CFGHJMPQRVWX``; five pairs of
digits of latitude and longitude, each 20 times finer than the one before, from 20 degrees; after them single digits, each of
which divides the cell into 5 rows and 4 columns.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALPHABET = "23456789CFGHJMPQRVWX"
PAIRS = 5
FINEST = 15
"""Digits that count; what follows is finer than a millimetre."""

_FULL = rf"[{ALPHABET[:9]}][{ALPHABET[:18]}][{ALPHABET}]{{6}}\+[{ALPHABET}]{{2,}}"
_ROWS, _COLUMNS = 5, 4


def decode(codes: pd.Series) -> tuple[Floats, Floats]:
    """Centre of the cell of each full code of ten digits or more.

    Parameters
    ----------
    codes : Series of str
        Capitals and blanks around them do not matter.

    Returns
    -------
    lon, lat : ndarrays of float64, shape (n,)
        Degrees WGS 84; NaN where the code is short, padded with zeros, or none.

    Examples
    --------
    >>> lon, lat = decode(pd.Series(["7FG49Q00+", "7FG49QCJ+2V", "7FG49QCJ+2VX"]))
    >>> lon.round(7).tolist(), lat.round(7).tolist()
    ([nan, 2.7821875, 2.7822344], [nan, 20.3700625, 20.3701125])
    """
    places, spelt = pd.factorize(codes.astype("str").str.strip().str.upper())
    texts = pd.Series(spelt, dtype="str")
    full = texts.str.fullmatch(_FULL).fillna(False).to_numpy(dtype=bool)
    lon, lat = np.full(len(texts) + 1, np.nan), np.full(len(texts) + 1, np.nan)
    if full.any():
        digits = _digits(texts[full].str.replace("+", "", regex=False))
        lon[:-1][full], lat[:-1][full] = _centres(digits)
    return lon[places], lat[places]


def _digits(codes: pd.Series) -> NDArray[np.int64]:
    """Value of each digit, shape (n, FINEST); -1 where the code has ended."""
    letters = codes.to_numpy(dtype=f"U{FINEST}").view(np.uint32).reshape(len(codes), FINEST)
    value = np.full(128, -1, dtype=np.int64)
    value[[ord(letter) for letter in ALPHABET]] = np.arange(len(ALPHABET))
    return np.asarray(value[letters], dtype=np.int64)


def _centres(digits: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Centres of cells, counted in whole steps of the finest cell so that nothing is lost to rounding."""
    fine = FINEST - 2 * PAIRS
    rows, columns = _ROWS**fine, _COLUMNS**fine
    south, west = np.zeros(len(digits), dtype=np.int64), np.zeros(len(digits), dtype=np.int64)
    step = 20**PAIRS // 20
    for pair in range(PAIRS):
        south += digits[:, 2 * pair] * step * rows
        west += digits[:, 2 * pair + 1] * step * columns
        step //= 20
    high = np.full(len(digits), rows, dtype=np.int64)
    wide = np.full(len(digits), columns, dtype=np.int64)
    for place in range(2 * PAIRS, FINEST):
        digit = digits[:, place]
        there = digit >= 0
        high, wide = np.where(there, high // _ROWS, high), np.where(there, wide // _COLUMNS, wide)
        south += np.where(there, digit // _COLUMNS * high, 0)
        west += np.where(there, digit % _COLUMNS * wide, 0)
    # 20 degrees are 20**5 / 20 steps of the fifth pair, which is 1/8000 degree.
    lat = (south + high / 2.0) / (8000.0 * rows) - 90.0
    lon = (west + wide / 2.0) / (8000.0 * columns) - 180.0
    return lon, lat
