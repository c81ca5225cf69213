"""Rectangles of a source file, as float64 with NaN where there is no value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as FileWindow

from edaphic.covariates.facts import LARGEST_CODE, LayerFacts, stored
from edaphic.covariates.handles import HANDLES, reason
from edaphic.errors import RasterError

TOGETHER = 24
"""Bands that are read at a time when their mean is asked for, which bounds memory."""

HUGE = 1e30
"""Larger floating-point numbers, of either sign, are no measurements: files without a value often hold -3.4028235e38,
and their tag, if any, a rounded number or -1.8e308, which is not even reported because float32 cannot hold it."""


@contextmanager
def opened(facts: LayerFacts) -> Iterator[DatasetReader]:
    """The file of a layer, opened for the caller alone.

    Raises
    ------
    RasterError
        See :meth:`Handles.take`; every line names the layer.
    """
    try:
        with HANDLES.take(facts.key) as dataset:
            yield dataset
    except RasterError as error:
        own = f"{facts.name}: "
        raise RasterError(fault if fault.startswith(own) else own + fault for fault in error.faults) from error


def read_block(
    dataset: DatasetReader, facts: LayerFacts, rows: tuple[int, int], cols: tuple[int, int], wraps: int = 0
) -> NDArray[np.float64]:
    """Stored numbers (before scale and offset) of a rectangle of a source.

    Parameters
    ----------
    dataset : DatasetReader
        The opened file, used by nobody else meanwhile.
    facts : LayerFacts
        What to read, and what means "no value".
    rows, cols : (int, int)
        First, and one after the last.
    wraps : int
        If not 0, column ``c`` is column ``c`` modulo ``wraps``.

    Returns
    -------
    ndarray of float64, shape (rows, cols).

    Raises
    ------
    RasterError
        The file cannot be read there, or holds what is no class code.
    """
    (top, bottom), (left, right) = rows, cols
    parts = []
    while left < right:
        start = left % wraps if wraps else left
        stop = min(start + right - left, wraps) if wraps else right
        parts.append(_rectangle(dataset, facts, FileWindow(start, top, stop - start, bottom - top)))
        left += stop - start
    return np.concatenate(parts, axis=1)


def _rectangle(dataset: DatasetReader, facts: LayerFacts, window: FileWindow) -> NDArray[np.float64]:
    try:
        if len(facts.bands) > 1:
            return _mean(dataset, facts, window)
        raw = dataset.read(facts.band, window=window)
        mask = dataset.read_masks(facts.band, window=window) if facts.masked else None
    except (RasterioError, OSError) as error:
        last_row, last_col = window.row_off + window.height, window.col_off + window.width
        where = f"rows {window.row_off} to {last_row - 1}, columns {window.col_off} to {last_col - 1}"
        raise RasterError(
            f"{facts.name}: {facts.path}: {where} cannot be read ({reason(error, facts.path)}); expected a whole file"
        ) from error
    values: NDArray[np.float64] = raw.astype(np.float64)
    values[missing(raw, facts.nodata)] = np.nan
    if mask is not None:
        values[mask == 0] = np.nan
    if facts.kind == "class":
        _check_codes(values, raw.dtype, facts)
    return values


def _mean(dataset: DatasetReader, facts: LayerFacts, window: FileWindow) -> NDArray[np.float64]:
    """Mean of the bands at each cell; none where fewer than half of them have a value."""
    total = np.zeros((window.height, window.width))
    count = np.zeros(total.shape, dtype=np.int64)
    for start in range(0, len(facts.bands), TOGETHER):
        for raw in dataset.read(list(facts.bands[start : start + TOGETHER]), window=window):
            given = ~missing(raw, facts.nodata)
            total[given] += raw[given]
            count += given
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * count >= len(facts.bands), total / count, np.nan)


def missing(raw: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Where stored numbers mean "no value": equal to nodata as their own data type holds it, not finite, or beyond
    1e30.

    Examples
    --------
    >>> missing(np.array([0, 255], dtype=np.uint8), -1.0).tolist()  # 255 is not -1
    [False, False]
    >>> missing(np.array([0.1, np.inf, 0.25, -3.4e38], dtype=np.float32), 0.1).tolist()
    [True, True, False, True]
    """
    empty = np.zeros(raw.shape, dtype=bool)
    if raw.dtype.kind == "f":
        empty = ~(np.abs(raw) <= HUGE)
    value = None if nodata is None else stored(nodata, raw.dtype)
    return np.asarray(empty if value is None else empty | (raw == value), dtype=bool)


def _check_codes(values: NDArray[np.float64], dtype: np.dtype[Any], facts: LayerFacts) -> None:
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return
    given = values[~np.isnan(values)]
    odd = given[(given != np.round(given)) | (np.abs(given) > LARGEST_CODE)]
    if odd.size:
        raise RasterError(
            f"{facts.name}: {facts.path}: value {odd[0]:.9g}; expected class codes, whole numbers up to {LARGEST_CODE}"
        )
