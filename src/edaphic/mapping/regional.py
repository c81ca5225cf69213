"""Totals of regions that do not depend on how a map was cut into tiles: sums of whole numbers.

What a cell adds to a total is its value times its area, rounded to a whole number of units of (mean area of a cell) / 2^24: less than a
ten-millionth of one unit of the map on one cell. Whole numbers add up exactly, in any order.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.compiled import kernel
from edaphic.covariates.grid import Window, cell_area_m2
from edaphic.covariates.polygons import rasterise
from edaphic.covariates.sources import AnyLayer
from edaphic.errors import RasterError
from edaphic.model.soil import Interval, interval_name
from edaphic.units import KG_PER_TG, M2_PER_KM2

Array = NDArray[np.float64]

PARTS = 2**24
"""Parts of a cell's area that sums are counted in."""

TOGETHER = 256
"""Cells whose realisations are sorted at a time."""

UNCLASSIFIED = "unclassified"
Group = tuple[str, str]
"""Division and code of a class; ("all", "") for all cells."""


def check_codes(name: str, codes: NDArray[np.floating]) -> None:
    """Refuse codes of classes that are no whole numbers; NaN is none.

    Raises
    ------
    RasterError
    """
    if odd := int(np.count_nonzero((codes != np.rint(codes)) & ~np.isnan(codes))):
        raise RasterError(
            f"class layer {name}: {odd} codes are no whole numbers; expected those of classes (was it resampled as a continuous layer?)"
        )


@dataclass(frozen=True)
class Division:
    """Regions that totals are made for: the classes of ``layer``, or the polygons of a file by ``column``."""

    name: str
    labels: Mapping[int, str]
    layer: AnyLayer | None = None
    polygons: Path | None = None
    column: str = ""

    def codes(self, grid: GeoBox, window: Window) -> NDArray[np.floating]:
        """Codes of a window, (height, width); NaN where a cell is in no region.

        Raises
        ------
        RasterError
            Codes that are no whole numbers.
        """
        if self.layer is None:
            if self.polygons is None:
                raise ValueError(f"division {self.name}: neither layer nor polygons")
            found = np.asarray(rasterise(self.polygons, self.column, grid, window)[0])
        else:
            found = self.layer.read(window)
        check_codes(self.name, found)
        return found


@dataclass(frozen=True)
class Regions:
    """Divisions of a grid. ``cell_m2``: about the mean area of a cell, the same for all tiles."""

    grid: GeoBox
    divisions: tuple[Division, ...]
    cell_m2: float

    def codes(self, window: Window, cells: NDArray[np.intp]) -> list[NDArray[np.floating]]:
        """Codes of some cells of a window, for each division."""
        return [division.codes(self.grid, window).ravel()[cells] for division in self.divisions]

    def groups(self, codes_of: Sequence[NDArray[np.floating]], n: int) -> list[tuple[Group, NDArray[np.intp]]]:
        """Groups of n cells, each with positions among them: all, then the classes of each division in order."""
        found: list[tuple[Group, NDArray[np.intp]]] = [(("all", ""), np.arange(n))]
        for division, codes in zip(self.divisions, codes_of, strict=True):
            known = ~np.isnan(codes)
            found += [((division.name, f"{code:.0f}"), np.flatnonzero(codes == code)) for code in np.unique(codes[known])]
            if not known.all():
                found.append(((division.name, UNCLASSIFIED), np.flatnonzero(~known)))
        return found

    def areas(self, window: Window, cells: NDArray[np.intp]) -> NDArray[np.int64]:
        """Areas of cells, in parts of the mean area."""
        area = np.nan_to_num(cell_area_m2(self.grid, window).ravel()[cells], nan=0.0)
        return np.rint(area / self.cell_m2 * PARTS).astype(np.int64)


def mean_cell_m2(grid: GeoBox) -> float:
    """Area of the cell in the middle of a grid; where that is no place on the Earth, the nominal one, or 1."""
    rows, cols = grid.shape
    area = float(cell_area_m2(grid, Window(rows // 2, cols // 2, 1, 1))[0, 0])
    return area if np.isfinite(area) and area > 0 else abs(grid.affine.a * grid.affine.e) or 1.0


@kernel
def weighted_sums(values, areas, cells):  # type: ignore[no-untyped-def]  # compiled
    """Sums over some cells of values (r, m) times areas (m,), each product rounded to a whole number: int64 (r,); NaN is left out."""
    out = np.zeros(values.shape[0], dtype=np.int64)
    for r in range(values.shape[0]):
        total = np.int64(0)
        for j in range(cells.shape[0]):
            i = cells[j]
            if values[r, i] == values[r, i]:
                total += np.int64(np.floor(np.float64(values[r, i]) * areas[i] + 0.5))
        out[r] = total
    return out


class Totals:
    """Sums by group, of one tile or of all: for each group, int64 or larger whole numbers (intervals, columns)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.sums: dict[Group, NDArray[np.object_]] = {}
        self.cells: dict[Group, int] = {}

    def add(self, group: Group, cells: int, sums: NDArray[Any]) -> None:
        """Add a number of cells and sums (intervals, columns)."""
        self.cells[group] = self.cells.get(group, 0) + cells
        known = self.sums.get(group)
        # Whole numbers of Python have no largest one.
        self.sums[group] = np.asarray(sums, dtype=object) + (0 if known is None else known)

    def rows(self, which: slice) -> Totals:
        """Some of the intervals."""
        part = Totals((len(range(self.shape[0])[which]), self.shape[1]))
        part.sums, part.cells = {group: own[which] for group, own in self.sums.items()}, dict(self.cells)
        return part

    def to_facts(self) -> list[list[Any]]:
        """What JSON can say of the totals of one tile: [division, code, cells, sums as packed 64-bit numbers]."""
        return [[*group, self.cells[group], _pack(self.sums[group])] for group in sorted(self.sums)]

    def add_facts(self, facts: Sequence[Sequence[Any]]) -> None:
        """Add what :meth:`to_facts` said of a tile."""
        for division, code, cells, packed in facts:
            self.add((division, code), int(cells), _unpack(packed, self.shape))


def _pack(sums: NDArray[np.object_]) -> str:
    return base64.b64encode(zlib.compress(sums.astype("<i8").tobytes())).decode("ascii")


def _unpack(text: str, shape: tuple[int, int]) -> NDArray[np.int64]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<i8").reshape(shape)


def summaries(values: NDArray[np.floating], levels: Sequence[float]) -> Array:
    """Mean, standard deviation and percentiles of realisations, cell by cell.

    Parameters
    ----------
    values : array (r, n)
    levels : sequence of float (k,)

    Returns
    -------
    float64 (2 + k, n)
        Percentiles interpolate between the two realisations next to them, as ``numpy.quantile`` does. Standard deviation over r - 1.

    >>> summaries(np.array([[1], [2], [3], [6]], dtype=np.float32), (0.5,)).ravel().round(3).tolist()
    [3.0, 2.16, 2.5]
    """
    r, n = values.shape
    out = np.empty((2 + len(levels), n))
    for start in range(0, n, TOGETHER):
        ordered = np.sort(values[:, start : start + TOGETHER].T, axis=1).astype(np.float64)
        part = out[:, start : start + TOGETHER]
        # A cumulative sum adds one after the other, whatever stands beside it.
        part[0] = np.cumsum(ordered, axis=1)[:, -1] / r
        part[1] = np.sqrt(np.cumsum((ordered - part[0][:, None]) ** 2, axis=1)[:, -1] / max(1, r - 1))
        for k, level in enumerate(levels):
            place = level * (r - 1)
            below = min(int(place), r - 1)
            above, share = min(below + 1, r - 1), place - below
            low, high = ordered[:, below], ordered[:, above]
            part[2 + k] = low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
    return out


def level_name(level: float) -> str:
    """A level as in the names of maps.

    >>> level_name(0.025), level_name(0.5), level_name(0.05)
    ('q025', 'q50', 'q05')
    """
    return f"q{f'{level:g}'.partition('.')[2]:0<2}"


def total_tables(
    totals: Totals, regions: Regions, intervals: Sequence[Interval], levels: Sequence[float], *, stock: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Totals of regions: of each realisation, and what they say of the total.

    Parameters
    ----------
    totals : Totals
        Of all tiles; its columns are the realisations, the percentiles, and the area of the cells that have a value.
    regions : Regions
    intervals : sequence of (top_cm, bottom_cm)
    levels : sequence of float
        Of the percentiles.
    stock : bool
        Whether values are stocks in kg/m2, which have totals.

    Returns
    -------
    (realisations, summary) : DataFrames
        Totals in Tg of stocks; of other targets the mean over the area, in the unit of the maps. The columns ``sum_of_qNNN`` are the
        sums over cells of the percentile maps: what many products print as the interval of a total, and what it is not.
    """
    labels = {division.name: division.labels for division in regions.divisions}
    part, quantity = regions.cell_m2 / PARTS, "total_Tg" if stock else "mean"
    rows, drawn = [], []
    for group in _in_order(totals, labels):
        name = group[0] if group[0] == "all" else _label(labels, group)
        for i, interval in enumerate(intervals):
            *sums, area = (float(value) for value in totals.sums[group][i])
            with np.errstate(invalid="ignore", divide="ignore"):
                found = np.array(sums) * (part / KG_PER_TG) if stock else np.array(sums) / np.float64(area)
            r = len(found) - len(levels)
            own = {"by": group[0], "class": group[1], "name": name, "layer": f"{interval_name(interval)} cm"}
            drawn.append(pd.DataFrame({"realisation": np.arange(r), **own, "total": found[:r]}))
            said = summaries(found[:r, None], levels)[:, 0]
            row = {**own, "cells": totals.cells[group], "area_km2": area * part / M2_PER_KM2, quantity: said[0], f"{quantity}_sd": said[1]}
            row |= {f"{quantity}_{level_name(level)}": value for level, value in zip(levels, said[2:], strict=True)}
            rows.append(row | {f"sum_of_{level_name(level)}_maps": value for level, value in zip(levels, found[r:], strict=True)})
    return pd.concat(drawn, ignore_index=True), pd.DataFrame(rows)


def _in_order(totals: Totals, labels: Mapping[str, Mapping[int, str]]) -> list[tuple[str, str]]:
    """All, then the divisions as they were given, their codes rising."""
    order = {name: i for i, name in enumerate(["all", *labels])}

    def key(group: tuple[str, str]) -> tuple[int, float]:
        return order[group[0]], float(group[1]) if group[1].lstrip("-").isdigit() else (np.inf if group[1] else -np.inf)

    return sorted(totals.sums, key=key)


def _label(labels: Mapping[str, Mapping[int, str]], group: tuple[str, str]) -> str:
    if not group[1].lstrip("-").isdigit():
        return group[1]
    return labels[group[0]].get(int(group[1]), f"class {group[1]}")
