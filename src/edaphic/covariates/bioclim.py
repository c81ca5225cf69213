"""Bioclimatic variables bio1 to bio19 from monthly grids, as WorldClim defines them.

The definitions are those of ANUCLIM (Xu and Hutchinson 2011) as WorldClim took them over (Hijmans and others 2005, International Journal of
Climatology 25, 1965-1978) and its R function biovars computes them. What the names leave open:

- A quarter is three months in a row; it wraps around the year, so that there are twelve: from January to March until December to
  February. Where several are the wettest, driest, warmest or coldest alike, the one that starts first in the year counts. Sums that
  differ by less than 1e-9 of the largest are alike, so that no rounding decides.
- bio3 is in percent: 100 bio2 / bio7. Where bio7 is 0 it has no value.
- bio4 is 100 times the sample standard deviation (over n - 1 = 11) of the twelve monthly means, in hundredths of a degree.
- bio15 is the coefficient of variation, in percent: 100 times the sample standard deviation over 1 mm + the monthly mean. The 1 mm keeps
  deserts from values without bound.
- The mean temperature of a month is the middle of its minimum and maximum unless monthly means are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.facts import Source
from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.sources import check_sources, open_layer
from edaphic.covariates.window import windows
from edaphic.errors import RasterError
from edaphic.progress import Say

Floats = NDArray[np.float64]

MONTHS = 12
ALIKE = 1e-9

BIOCLIM = {
    "bio1": ("degree_C", "Annual mean temperature"),
    "bio2": ("degree_C", "Mean diurnal range: mean of monthly maximum less minimum"),
    "bio3": ("percent", "Isothermality: bio2 / bio7"),
    "bio4": ("0.01 degree_C", "Temperature seasonality: standard deviation of monthly means x 100"),
    "bio5": ("degree_C", "Maximum temperature of the warmest month"),
    "bio6": ("degree_C", "Minimum temperature of the coldest month"),
    "bio7": ("degree_C", "Annual temperature range: bio5 - bio6"),
    "bio8": ("degree_C", "Mean temperature of the wettest quarter"),
    "bio9": ("degree_C", "Mean temperature of the driest quarter"),
    "bio10": ("degree_C", "Mean temperature of the warmest quarter"),
    "bio11": ("degree_C", "Mean temperature of the coldest quarter"),
    "bio12": ("mm", "Annual precipitation"),
    "bio13": ("mm", "Precipitation of the wettest month"),
    "bio14": ("mm", "Precipitation of the driest month"),
    "bio15": ("percent", "Precipitation seasonality: coefficient of variation, of monthly precipitation + 1 mm"),
    "bio16": ("mm", "Precipitation of the wettest quarter"),
    "bio17": ("mm", "Precipitation of the driest quarter"),
    "bio18": ("mm", "Precipitation of the warmest quarter"),
    "bio19": ("mm", "Precipitation of the coldest quarter"),
}
"""Unit and meaning of each."""

OF_TEMPERATURE = tuple(f"bio{number}" for number in (1, 2, 3, 4, 5, 6, 7, 10, 11))
OF_PRECIPITATION = tuple(f"bio{number}" for number in (12, 13, 14, 15, 16, 17))
OF_BOTH = tuple(f"bio{number}" for number in (8, 9, 18, 19))


def bioclim(
    tmin_c: ArrayLike,
    tmax_c: ArrayLike,
    precipitation_mm: ArrayLike,
    tmean_c: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
) -> dict[str, Floats]:
    """Bioclimatic variables from monthly grids.

    Parameters
    ----------
    tmin_c, tmax_c : array_like, shape (12, ...)
        Mean daily minimum and maximum temperature of each month, January first, C.
    precipitation_mm : array_like, shape (12, ...)
        Precipitation of each month, mm.
    tmean_c : array_like, shape (12, ...), optional
        Mean temperature of each month; the middle of minimum and maximum unless given.
    names : sequence of str, optional
        Which variables, of ``BIOCLIM``; all unless given.

    Returns
    -------
    dict of str to ndarray of float64, shape (...)
        NaN where a month that the variable needs has no value: a gap in precipitation leaves the variables of temperature alone.

    Raises
    ------
    ValueError
        Other than twelve months, unlike shapes, unknown names, precipitation below 0, or a minimum above the maximum.

    Examples
    --------
    >>> cold, warm = [0.0] * 6 + [10.0] * 6, [10.0] * 6 + [20.0] * 6
    >>> found = bioclim(cold, warm, [30.0] * 12)
    >>> [float(found[name]) for name in ("bio1", "bio2", "bio3", "bio7", "bio10", "bio12", "bio16")]
    [10.0, 10.0, 50.0, 20.0, 15.0, 360.0, 90.0]
    """
    low, high, rain = (_monthly(word, given) for word, given in (("tmin", tmin_c), ("tmax", tmax_c), ("precipitation", precipitation_mm)))
    mean = 0.5 * (low + high) if tmean_c is None else _monthly("tmean", tmean_c)
    wanted = tuple(BIOCLIM) if names is None else tuple(names)
    _check(low, high, rain, mean, wanted)
    warmth, wetness = _quarters(mean) / 3.0, _quarters(rain)
    found: dict[str, Floats] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        found |= _of_temperature(low, high, mean, warmth)
        found |= _of_precipitation(rain, wetness)
    found["bio8"], found["bio9"] = _at(warmth, wetness), _at(warmth, -wetness)
    found["bio18"], found["bio19"] = _at(wetness, warmth), _at(wetness, -warmth)
    return {name: found[name] for name in wanted}


def mean_annual_temperature(tmin_c: ArrayLike, tmax_c: ArrayLike, tmean_c: ArrayLike | None = None) -> Floats:
    """Mean annual temperature (MAT, bio1) from monthly grids of shape (12, ...), C; months count alike, as in WorldClim.

    >>> float(mean_annual_temperature([0.0] * 12, [10.0] * 12))
    5.0
    """
    mean = 0.5 * (_monthly("tmin", tmin_c) + _monthly("tmax", tmax_c)) if tmean_c is None else _monthly("tmean", tmean_c)
    return _total(mean) / MONTHS


def mean_annual_precipitation(precipitation_mm: ArrayLike) -> Floats:
    """Annual precipitation (MAP, bio12) from monthly grids of shape (12, ...), mm.

    >>> float(mean_annual_precipitation([10.0] * 12))
    120.0
    """
    return _total(_monthly("precipitation", precipitation_mm))


def write_bioclim(
    tmin_c: Sequence[Source],
    tmax_c: Sequence[Source],
    precipitation_mm: Sequence[Source],
    grid: GeoBox,
    folder: Path,
    *,
    tmean_c: Sequence[Source] | None = None,
    names: Sequence[str] | None = None,
    say: Say | None = None,
) -> list[Path]:
    """Bioclimatic variables of a grid, as ``folder/bio1.tif`` and so on.

    Parameters
    ----------
    tmin_c, tmax_c, precipitation_mm : sequence of 12 Source
        The months, January first, of any projection and resolution.
    grid : GeoBox
    folder : Path
    tmean_c : sequence of 12 Source, optional
    names : sequence of str, optional
        Which variables; all unless given.
    say : callable, optional

    Returns
    -------
    list of Path

    Raises
    ------
    RasterError
        Other than twelve months, unknown names, files that cannot be read or do not overlap the grid, and numbers that cannot be.
    """
    wanted = tuple(BIOCLIM) if names is None else tuple(names)
    given = {"tmin": tmin_c, "tmax": tmax_c, "precipitation": precipitation_mm} | ({} if tmean_c is None else {"tmean": tmean_c})
    faults = [f"bioclim: {word}: found {len(months)} months; expected 12" for word, months in given.items() if len(months) != MONTHS]
    faults += [f"bioclim: found {name}; expected some of bio1 to bio19" for name in wanted if name not in BIOCLIM]
    for months in given.values():  # of each variable alone, for January may bear one name in all of them
        faults += check_sources(months, grid)
    if faults:
        raise RasterError(faults)
    layers = {word: [open_layer(source, grid) for source in months] for word, months in given.items()}
    parts = windows(grid, 256)
    with making(folder, grid, [MadeLayer(name, *BIOCLIM[name]) for name in wanted]) as writers:
        for number, window in enumerate(parts):
            if say is not None:
                say("bioclimatic variables", number, len(parts))
            months_read = {word: np.stack([layer.read(window) for layer in twelve]) for word, twelve in layers.items()}
            try:
                found = bioclim(
                    months_read["tmin"], months_read["tmax"], months_read["precipitation"], months_read.get("tmean"), names=wanted
                )
            except ValueError as error:
                raise RasterError(f"bioclim: {error}") from error
            for name, values in found.items():
                writers[name].write(window, values.astype(np.float32))
    return [folder / f"{name}.tif" for name in wanted]


def _monthly(word: str, given: ArrayLike) -> Floats:
    months = np.asarray(given, dtype=np.float64)
    if months.ndim < 1 or months.shape[0] != MONTHS:
        raise ValueError(f"{word} of shape {months.shape}; expected 12 months first")
    return np.where(np.isfinite(months), months, np.nan)


def _total(months: Floats) -> Floats:
    """Sum over the months, one after the other: numpy's own order of sums depends on the shape, and so its last bit on the window."""
    total = np.zeros(months.shape[1:])
    for month in months:
        total = total + month
    return total


def _deviation(months: Floats) -> Floats:
    """Sample standard deviation over the months."""
    return np.sqrt(_total((months - _total(months) / MONTHS) ** 2) / (MONTHS - 1))


def _check(low: Floats, high: Floats, rain: Floats, mean: Floats, names: Sequence[str]) -> None:
    if not low.shape == high.shape == rain.shape == mean.shape:
        raise ValueError(f"shapes {low.shape}, {high.shape}, {rain.shape}, {mean.shape} of tmin, tmax, precipitation, tmean; expected one")
    unknown = [name for name in names if name not in BIOCLIM]
    if unknown:
        raise ValueError(f"variables {', '.join(unknown)}; expected some of bio1 to bio19")
    if (rain < 0).any():
        raise ValueError(f"precipitation of {np.nanmin(rain):g} mm; expected none below 0: is its nodata known?")
    if (low > high).any():
        month = int(np.argwhere(low > high)[0][0]) + 1
        raise ValueError(f"a minimum temperature above the maximum in month {month}; expected it below: are they swapped?")


def _quarters(months: Floats) -> Floats:
    """Sums of three months in a row, one that starts in each month; the year goes round."""
    return months + np.roll(months, -1, axis=0) + np.roll(months, -2, axis=0)


def _at(quarters: Floats, chosen_by: Floats) -> Floats:
    """The quarter in which the other variable is largest, the first of those alike; NaN where a month of either is missing."""
    size = np.abs(chosen_by).max(axis=0)
    which = np.argmax(chosen_by >= chosen_by.max(axis=0) - ALIKE * size, axis=0)
    found = np.take_along_axis(quarters, which[None], axis=0)[0]
    # A quarter of its own may be whole where another month is missing, but whether it is the largest is not known then.
    return np.where(np.isnan(size) | np.isnan(quarters).any(axis=0), np.nan, found)


def _of_temperature(low: Floats, high: Floats, mean: Floats, warmth: Floats) -> dict[str, Floats]:
    top, bottom = high.max(axis=0), low.min(axis=0)
    diurnal, yearly = _total(high - low) / MONTHS, top - bottom
    return {
        "bio1": _total(mean) / MONTHS,
        "bio2": diurnal,
        "bio3": np.where(yearly == 0.0, np.nan, 100.0 * diurnal / yearly),
        "bio4": 100.0 * _deviation(mean),
        "bio5": top,
        "bio6": bottom,
        "bio7": yearly,
        "bio10": warmth.max(axis=0),
        "bio11": warmth.min(axis=0),
    }


def _of_precipitation(rain: Floats, wetness: Floats) -> dict[str, Floats]:
    return {
        "bio12": _total(rain),
        "bio13": rain.max(axis=0),
        "bio14": rain.min(axis=0),
        "bio15": 100.0 * _deviation(rain) / (1.0 + _total(rain) / MONTHS),
        "bio16": wetness.max(axis=0),
        "bio17": wetness.min(axis=0),
    }
