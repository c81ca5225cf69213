"""Stocks by layer and class, with true cell areas and the two bounds of the total that can be had from maps alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Layer, MapReader, Reader, check_shape, layer_name, open_maps, quantile_names
from edaphic.account.sums import Sums
from edaphic.covariates.grid import Window, cell_area_m2, windows
from edaphic.errors import RasterError
from edaphic.mapping.regional import UNCLASSIFIED, check_codes
from edaphic.units import KG_PER_TG, M2_PER_KM2

Code = int | str
"""Code of a class; "" for all cells, "unclassified" for those without one."""

STOCK_COLUMNS = (
    "by",
    "class",
    "class_name",
    "top_cm",
    "bottom_cm",
    "cells",
    "area_km2",
    "mean_kg_m2",
    "total_Tg",
    "independent_low_Tg",
    "independent_high_Tg",
    "fully_correlated_low_Tg",
    "fully_correlated_high_Tg",
    "unmapped_km2",
)

BOUNDS = ("independent_low_Tg", "independent_high_Tg", "fully_correlated_low_Tg", "fully_correlated_high_Tg")

# rows of what is summed over cells
_CELLS, _AREA, _UNMAPPED, _TOTAL, _SQUARES, _LOW, _HIGH = range(7)


@dataclass(frozen=True)
class ClassLayer:
    """A layer of classes to account by.

    Parameters
    ----------
    name : str
        As it is to stand in the table.
    read : callable
        Window -> codes (height, width), whole numbers as float32, NaN where a cell has no class.
    labels : mapping of int to str
        Names of the codes; a code without one is called "class CODE".
    """

    name: str
    read: Reader
    labels: Mapping[int, str]


@dataclass(frozen=True)
class ShareLayer:
    """Classes of which a cell may hold several, each with its share of the area.

    Parameters
    ----------
    name : str
    read : callable
        Window -> shares (classes, height, width), 0 to 1, adding up to 1 at most; NaN counts as none. What is left of a cell is
        "unclassified".
    codes : sequence of int
        Code of each class, in the order of the shares.
    labels : mapping of int to str
    """

    name: str
    read: Reader
    codes: Sequence[int]
    labels: Mapping[int, str]


def stock_table(
    grid: GeoBox,
    maps: Mapping[Layer, Mapping[str, Path]],
    classes: Sequence[ClassLayer | ShareLayer] = (),
    *,
    interval: float = 0.9,
    unit: str = "kg/m2",
    bounded: bool = True,
    window_size: int = 512,
) -> pd.DataFrame:
    """Total stocks of the mapped cells: all of them, and by class.

    A total is the sum over cells of stock times the true area of the cell on the ellipsoid. Two bounds stand beside it,
    at the level of ``interval``. **Neither is the error of the total**:

    - *independent*: total +/- z times the root of the sum of (area x sd)^2, the error of every cell being its own. With
      sd from the calibrated interval, (q95 - q05) / 2z, z cancels out. Where few cells make up the total its two sides
      are as uneven as theirs (see :func:`bounds`). Errors of neighbouring cells are alike, so this
      is **too narrow**, and a finer grid makes it narrower still without a single new observation.
    - *fully correlated*: sum of area q05 and sum of area q95, as if every cell of the map were at its lower (upper)
      limit at once. Most published products print this one as the interval of their total. Since errors far apart are
      hardly related, it is **too wide**, unless something shared by all profiles (a pedotransfer rule, a laboratory
      method, a sampling design) is wrong in the same direction everywhere and is not seen by the interval either.

    The error of the total lies between the two where errors are positively correlated over some distance; finding where
    takes a model of that correlation.

    Parameters
    ----------
    grid : GeoBox
        Grid of the maps.
    maps : mapping of (top_cm, bottom_cm) to mapping of str to Path
        For each layer its maps "mean", and "q05" and "q95" (for another interval the names of
        :func:`~edaphic.account.maps.quantile_names`).
    classes : sequence of ClassLayer or ShareLayer
        What to account by, besides all cells together. A cell that holds several classes counts for each with its share of the area.
    interval : float
        Level of the prediction interval that the two quantile maps bound.
    unit : str
        Unit of the maps.
    bounded : bool
        False where there are no quantile maps (the mean of several periods): the bounds are NaN.
    window_size : int
        Cells read at once, a side: bounds the memory, does not change the result.

    Returns
    -------
    DataFrame with the columns :data:`STOCK_COLUMNS`. Rows: "all", then for each class layer its codes in rising order,
    each with the layers from the top down. ``unmapped_km2`` is the area of the cells without a value: of the whole grid
    for "all", of the class for a class. Cells without a class have their own row, "unclassified", where there are any,
    so that cells, areas and totals over the rows of a class layer add up to those of "all". Areas in km2, ``total_Tg``
    in Tg (1e9 kg).

    Raises
    ------
    RasterError
        Maps missing or unlike the grid, quantiles that cross or do not cover the same cells as the mean, codes that are
        no whole numbers.
    UnitError
        ``unit`` is no unit of a stock, so that it has no total.

    Notes
    -----
    Sums are compensated (:class:`~edaphic.account.sums.Sums`), in float64, windows in a fixed order.
    """
    layers = sorted(maps, key=lambda layer: (layer[1], -layer[0]))  # from the top down, what spans others after them
    paths = named_paths(maps, interval, bounded=bounded)
    check_names(classes)
    sums = Sums(7)
    with open_maps(paths, grid, unit) as readers:
        for window in windows(grid, window_size):
            area = cell_area_m2(grid, window).ravel()
            groups = [("all", "", None), *groups_of([by for by in classes if isinstance(by, ClassLayer)], window)]
            parts = [part for by in classes if isinstance(by, ShareLayer) for part in parts_of(by, window)]
            for layer in layers:
                found = layer_values(readers, layer, window, interval, bounded=bounded)
                values = quantities(area, *found)
                for by_name, code, cells in groups:
                    sums.add_cells((by_name, code, layer), values, cells)
                for by_name, code, cells, share in parts:
                    sums.add_cells((by_name, code, layer), quantities(area[cells] * share, *(own[cells] for own in found)))
    rows = []
    for by_name, code, name in table_rows(sums, classes):
        for layer in layers:
            key = {"by": by_name, "class": "" if code == "" else str(code), "class_name": name}
            row = stock_row(sums[(by_name, code, layer)], layer)
            rows.append(key | (row if bounded else row | dict.fromkeys(BOUNDS, float("nan"))))
    return pd.DataFrame(rows, columns=list(STOCK_COLUMNS))


def named_paths(maps: Mapping[Layer, Mapping[str, Path]], interval: float, *, bounded: bool = True) -> dict[str, Path]:
    """Paths of the maps of all layers, each under its layer and statistic; without the quantiles where they are not asked for.

    Raises
    ------
    RasterError
        A layer lacks the mean or one of the two quantiles.
    """
    wanted = ("mean", *(quantile_names(interval) if bounded else ()))
    lacking = [
        f"maps of {layer_name(layer)}: no {statistic!r} among {', '.join(sorted(maps[layer])) or 'none'}"
        for layer in sorted(maps)
        for statistic in wanted
        if statistic not in maps[layer]
    ]
    if lacking or not maps:
        raise RasterError(lacking or "maps: none given; expected at least one layer")
    return {f"{layer_name(layer)} {name}": maps[layer][name] for layer in sorted(maps) for name in wanted}


def layer_values(
    readers: Mapping[str, MapReader], layer: Layer, window: Window, interval: float, *, bounded: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean and both quantiles of a layer in a window, flat, kg/m2; the mean for all three where there are no bounds.

    Raises
    ------
    RasterError
        They do not cover the same cells, or the quantiles cross by more than maps of whole numbers are rounded.
    """
    where = layer_name(layer)
    mean = readers[f"{where} mean"](window).ravel()
    if not bounded:
        return mean, mean, mean
    names = quantile_names(interval)
    low, high = (readers[f"{where} {name}"](window).ravel() for name in names)
    faults = []
    for name, values in zip(names, (low, high), strict=True):
        if unlike := int(np.count_nonzero(np.isnan(values) != np.isnan(mean))):
            faults.append(f"maps of {where}: {name} and mean cover different cells ({unlike} in {window})")
    room = 1.001 * sum(readers[f"{where} {name}"].error for name in names)
    if crossing := int(np.count_nonzero(low > high + room)):
        faults.append(f"maps of {where}: {names[0]} above {names[1]} in {crossing} cells of {window}")
    if faults:
        raise RasterError(faults)
    return mean, np.minimum(low, high), np.maximum(low, high)


def quantities(
    area_m2: NDArray[np.float64], mean: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is summed, cell by cell, shape (7, n); a cell without a mean counts as unmapped area only.

    Rows: mapped (0 or 1), mapped area, unmapped area, stock (kg), squared half width of its interval (kg2), stock at
    the lower and at the upper limit.
    """
    mapped = ~np.isnan(mean)
    area = np.nan_to_num(area_m2, nan=0.0)  # corners of a projection that are no place on the Earth
    weight = np.where(mapped, area, 0.0)
    stock, half, lower, upper = np.where(mapped, np.stack([mean, (high - low) / 2.0, low, high]), 0.0) * weight
    return np.stack([mapped.astype(np.float64), weight, area - weight, stock, half**2, lower, upper])


def bounds(sums: NDArray[np.float64]) -> dict[str, float]:
    """Total and both of its bounds in Tg, from sums of :func:`quantities`.

    With D_l and D_u the sums of area (mean - q05) and area (q95 - mean), D their mean and s the root of the sum of squared half widths,
    the sides of the independent bound are s + (s / D)^2 (D_l - D) and s + (s / D)^2 (D_u - D): (D / s)^2 is the number of cells, where all
    weigh the same, and the skewness of a sum of n independent errors falls with the root of n (Cornish, E. A. and Fisher, R. A. 1938,
    Moments and cumulants in the specification of distributions, Revue de l'Institut International de Statistique 5, 307-320). So the bound
    of a single cell is its interval, and that of very many is even. It never leaves the fully correlated one.

    Examples
    --------
    Four cells of 1 km2, each 10 kg/m2 with an interval from 9 to 11:

    >>> one = np.array([1e6]), np.array([10.0]), np.array([9.0]), np.array([11.0])
    >>> [round(value, 6) for value in bounds(4 * quantities(*one)[:, 0]).values()]
    [0.04, 0.038, 0.042, 0.036, 0.044]

    A single cell with an interval from 9 to 14:

    >>> [round(value, 6) for value in bounds(quantities(one[0], one[1], one[2], np.array([14.0]))[:, 0]).values()]
    [0.01, 0.009, 0.014, 0.009, 0.014]
    """
    total, low, high = (float(sums[row]) / KG_PER_TG for row in (_TOTAL, _LOW, _HIGH))
    even, all_at_once = float(np.sqrt(sums[_SQUARES])) / KG_PER_TG, (high - low) / 2.0
    below = above = 0.0
    if all_at_once > 0.0:
        lean = (even / all_at_once) ** 2 * ((high - total) - all_at_once)
        below, above = max(even - lean, 0.0), max(even + lean, 0.0)
    return {
        "total_Tg": total,
        "independent_low_Tg": max(total - below, min(low, total)),
        "independent_high_Tg": min(total + above, max(high, total)),
        "fully_correlated_low_Tg": low,
        "fully_correlated_high_Tg": high,
    }


def stock_row(sums: NDArray[np.float64], layer: Layer) -> dict[str, object]:
    """Numbers of a row of the table, from sums of :func:`quantities`."""
    area = float(sums[_AREA])
    return {
        "top_cm": float(layer[0]),
        "bottom_cm": float(layer[1]),
        "cells": int(sums[_CELLS]),
        "area_km2": area / M2_PER_KM2,
        "mean_kg_m2": float(sums[_TOTAL]) / area if area > 0.0 else float("nan"),
        "unmapped_km2": float(sums[_UNMAPPED]) / M2_PER_KM2,
        **bounds(sums),
    }


def groups_of(
    classes: Sequence[ClassLayer], window: Window, cells: NDArray[np.intp] | None = None
) -> Iterator[tuple[str, Code, NDArray[np.intp] | None]]:
    """Cells of each class in a window: name of the division, code, positions; of some ``cells`` of the window, positions among them."""
    for by in classes:
        codes = check_shape(np.asarray(by.read(window)), window, f"class layer {by.name}").ravel()
        yield from _split(by.name, codes if cells is None else codes[cells])


def parts_of(by: ShareLayer, window: Window) -> Iterator[tuple[str, Code, NDArray[np.intp], NDArray[np.float64]]]:
    """Cells of a window that hold a part of each class, and their shares; what is left of cells under :data:`UNCLASSIFIED`."""
    held = np.nan_to_num(np.asarray(by.read(window), dtype=np.float64)).reshape(len(by.codes), -1)
    check_shares(by, held, window)
    rest = np.maximum(1.0 - held.sum(axis=0), 0.0)
    rest[rest < 1e-6] = 0.0
    codes: list[Code] = [*by.codes, UNCLASSIFIED]
    for code, share in zip(codes, [*held, rest], strict=True):
        cells = np.flatnonzero(share > 0)
        if len(cells):
            yield by.name, code, cells, share[cells]


def check_names(classes: Sequence[ClassLayer | ShareLayer]) -> None:
    """Refuse two divisions of one name.

    Raises
    ------
    RasterError
    """
    names = ["all", *(by.name for by in classes)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RasterError([f"class layer {name}: the name is taken; expected another one" for name in twice])


def _split(name: str, codes: NDArray[np.floating]) -> Iterator[tuple[str, Code, NDArray[np.intp]]]:
    """Cells of each code of a window, in order; those without a code under :data:`UNCLASSIFIED`."""
    check_codes(name, codes)
    order = np.argsort(codes, kind="stable")  # NaN last
    ranked = codes[order]
    starts = np.flatnonzero(np.r_[True, (ranked[1:] != ranked[:-1]) & ~(np.isnan(ranked[1:]) & np.isnan(ranked[:-1]))])
    for cells in np.split(order, starts[1:]):
        code = codes[cells[0]]
        yield name, UNCLASSIFIED if np.isnan(code) else int(code), cells


def table_rows(sums: Sums, classes: Sequence[ClassLayer | ShareLayer]) -> Iterator[tuple[str, Code, str]]:
    """Division, code and name of each row of the table, in order."""
    yield "all", "", "all"
    seen = {key[:2] for key in sums if isinstance(key, tuple)}
    for by in classes:
        for code in sorted(code for name, code in seen if name == by.name and isinstance(code, int)):
            yield by.name, code, by.labels.get(code, f"class {code}")
        if (by.name, UNCLASSIFIED) in seen:
            yield by.name, UNCLASSIFIED, UNCLASSIFIED


def check_shares(by: ShareLayer, held: NDArray[np.float64], window: Window) -> None:
    """Refuse shares (classes, n) that are none.

    Raises
    ------
    RasterError
    """
    if len(held) != len(by.codes):
        raise RasterError(f"class layer {by.name}: {len(held)} shares for {len(by.codes)} classes; expected one for each")
    odd = int(np.count_nonzero((held < 0) | (held > 1 + 1e-6)) + np.count_nonzero(held.sum(axis=0) > 1 + 1e-3))
    if odd:
        raise RasterError(f"class layer {by.name}: {odd} shares of area in {window} beyond 0 to 1, or of more than a whole cell together")
