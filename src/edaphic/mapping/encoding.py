"""Maps as 16-bit whole numbers with a scale: half the size, and an error that is known and said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.band import BandWriter
from edaphic.covariates.band_statistics import bounded_cache, pieces
from edaphic.covariates.window import Window

LARGEST = 32767
NODATA = -32768

NARROW = 0.01
"""Share of the largest value that a map's range must reach for the offset to stay 0. A narrower map would have fewer than some 300
different values left."""


@dataclass(frozen=True)
class Coding:
    """How numbers are stored: value = stored x scale + offset.

    >>> Coding(0.001).stored(np.array([0.0, 7.1234, np.nan])).tolist()
    [0, 7123, -32768]
    >>> Coding(0.001).error
    0.0005
    """

    scale: float
    offset: float = 0.0

    @property
    def error(self) -> float:
        """Largest rounding error: half a step."""
        return 0.5 * self.scale

    def stored(self, values: NDArray[np.floating]) -> NDArray[np.int16]:
        """Stored numbers of values, rounded to the nearest (halves to the even one); NaN becomes :data:`NODATA`."""
        steps = np.rint((np.asarray(values, dtype=np.float64) - self.offset) / self.scale)
        return np.where(np.isnan(steps), NODATA, steps).astype(np.int16)


def coding_for(low: float, high: float, *, whole: bool = False) -> Coding:
    """The finest scale of the series 1, 2, 5 times a power of ten that holds a range of values.

    Parameters
    ----------
    low, high : float
        Smallest and largest value; NaN where there is none.
    whole : bool
        The values are codes or counts: the scale is 1 where they fit.

    Returns
    -------
    Coding
        Its offset is 0 unless the range is narrower than :data:`NARROW` of the largest size: then it is the middle of the range,
        rounded to whole steps.

    Examples
    --------
    >>> coding_for(0.4, 28.0), coding_for(0.0, 1.0), coding_for(1000.0, 1000.5)
    (Coding(scale=0.001, offset=0.0), Coding(scale=5e-05, offset=0.0), Coding(scale=1e-05, offset=1000.25))
    >>> coding_for(0.0, 1.0, whole=True), coding_for(7.5, 7.5), coding_for(float("nan"), float("nan"))
    (Coding(scale=1.0, offset=0.0), Coding(scale=1.0, offset=7.5), Coding(scale=1.0, offset=0.0))
    """
    size = max(abs(low), abs(high))
    if not math.isfinite(size) or size == 0.0 or (whole and size <= LARGEST):
        return Coding(1.0)
    if low == high:
        return Coding(1.0, low)
    if high - low >= NARROW * size:
        return Coding(_step(size))
    step = _step(0.501 * (high - low))  # a little room, since the middle is rounded
    return Coding(step, float(_of_steps(round((0.5 * low + 0.5 * high) / step), step)))


def _step(size: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten of which :data:`LARGEST` reach a size.

    >>> _step(32.767), _step(32.7676), _step(1.0)
    (0.001, 0.002, 5e-05)
    """
    power = math.floor(math.log10(size / LARGEST)) - 1
    steps = (float(f"{digit}e{power + more}") for more in range(4) for digit in (1, 2, 5))
    return next(step for step in steps if round(size / step) <= LARGEST)


def _of_steps(number: int, step: float) -> float:
    """So many steps, as a short decimal number."""
    return float(f"{number * step:.15g}")


def encode(source: Path, target: Path, grid: GeoBox, coding: Coding) -> None:
    """Write a working file of whole numbers beside one of float32, piece by piece.

    Raises
    ------
    RasterError
        It cannot be written.
    """
    target.unlink(missing_ok=True)
    with bounded_cache(), rasterio.open(source) as dataset, BandWriter(target, grid, "int16", NODATA) as writer:
        for piece in pieces(dataset):
            place = Window(piece.row_off, piece.col_off, piece.height, piece.width)
            writer.write_stored(place, coding.stored(dataset.read(1, window=piece)))
