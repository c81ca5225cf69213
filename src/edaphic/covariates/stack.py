"""Named layers on one grid: sampled at places, read by window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.block import opened, read_block
from edaphic.covariates.facts import LayerFacts
from edaphic.covariates.grid import cells_of
from edaphic.covariates.polygons import rasterise
from edaphic.covariates.sentinels import OF_RASTERS
from edaphic.covariates.sources import AnyLayer, Layer, Source, check_sources, open_any
from edaphic.covariates.window import PIECE, Window, inside, pieces
from edaphic.errors import RasterError

__all__ = ["Stack", "build", "describe", "rasterise"]

THREADS = 1
"""Layers that are sampled at a time, unless told otherwise."""

OUTSIDE, NODATA = "outside its source", "nodata"

LOOKED_AT = 16
"""Most windows of 256 rows and columns that :func:`describe` reads of each layer."""

FAR = 500.0
"""A negative number such as -9999 that lies farther than this, and than the others among themselves, below all others is no value."""


@dataclass(frozen=True)
class Stack:
    """Layers aligned to one grid; made by :func:`build`."""

    grid: GeoBox
    layers: tuple[AnyLayer, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers, in order."""
        return tuple(layer.name for layer in self.layers)

    def select(self, names: Iterable[str]) -> Stack:
        """The stack of the named layers, in the order of the names.

        Raises
        ------
        RasterError
            A name is not in the stack.
        """
        known = {layer.name: layer for layer in self.layers}
        wanted = list(names)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            have = ", ".join(self.names)
            raise RasterError(f"covariates: no layer {name!r}; expected one of {have}" for name in unknown)
        return Stack(self.grid, tuple(known[name] for name in wanted))

    def read(self, window: Window) -> NDArray[np.float32]:
        """Values of all layers in a window.

        Returns
        -------
        ndarray of float32, shape (layers, height, width), NaN where there is no value.

        Raises
        ------
        RasterError
            A file cannot be read; see :meth:`Layer.read`.
        """
        inside(self.grid, window)
        values = np.empty((len(self.layers), *window.shape), dtype=np.float32)
        for piece in pieces(window):  # layers of one CRS share the places of a piece
            top, left = piece.row - window.row, piece.col - window.col
            for number, layer in enumerate(self.layers):
                values[number, top : top + piece.height, left : left + piece.width] = layer.read(piece)
        return values

    def sample(self, lon: ArrayLike, lat: ArrayLike, threads: int = THREADS) -> tuple[pd.DataFrame, pd.Series[str]]:
        """Values of the cells in which places lie: what a map made from the stack would use there.

        Parameters
        ----------
        lon, lat : array_like, shape (n,)
            Degrees, WGS 84.
        threads : int
            Layers that are read at a time. It changes no value.

        Returns
        -------
        values : DataFrame of float64, shape (n, layers)
            Indexed 0 to n - 1; NaN where there is no value.
        reason : Series of str, shape (n,)
            Empty where every layer has a value; else "outside the grid", or "no value in NAME: nodata" (the source has none there) or
            "no value in NAME: outside its source", of the first such layer, with " (and k more)" where there are more.

        Raises
        ------
        RasterError
            A file cannot be read; see :meth:`Layer.read`.
        """
        row, col = cells_of(self.grid, lon, lat)
        within = np.flatnonzero(row >= 0)
        # Places in one cell are read once, and cells in the order of their rows.
        cells, which = np.unique(row[within] * self.grid.shape[1] + col[within], return_inverse=True)
        rows, cols = np.divmod(cells, self.grid.shape[1])
        found = self._read_cells(rows, cols, threads)
        values = np.full((row.size, len(self.layers)), np.nan)
        values[within] = found[which]
        reasons = np.full(row.size, "outside the grid", dtype=object)
        reasons[within] = self._reasons(found, rows, cols)[which]
        return pd.DataFrame(values, columns=list(self.names)), pd.Series(reasons, dtype=str, name="reason")

    def missing(self, lon: ArrayLike, lat: ArrayLike) -> pd.DataFrame:
        """Every value that places lack, and why; see :meth:`sample`.

        Returns
        -------
        DataFrame with a row for each missing value: place (number of the place), layer (its name, empty where the place is outside the
            grid) and reason ("nodata", "outside its source", "outside the grid").
        """
        row, col = cells_of(self.grid, lon, lat)
        within = np.flatnonzero(row >= 0)
        found = self._read_cells(row[within], col[within], THREADS)
        outside = np.flatnonzero(row < 0)
        parts = [pd.DataFrame({"place": outside, "layer": "", "reason": "outside the grid"})]
        for number, layer in enumerate(self.layers):
            empty = within[np.isnan(found[:, number])]
            beyond = layer.outside(row[empty], col[empty])
            parts.append(pd.DataFrame({"place": empty, "layer": layer.name, "reason": np.where(beyond, OUTSIDE, NODATA)}))
        return pd.concat(parts, ignore_index=True).sort_values("place", kind="stable", ignore_index=True)

    def _read_cells(self, row: NDArray[np.int64], col: NDArray[np.int64], threads: int) -> NDArray[np.float32]:
        """Values of cells, shape (n, layers)."""
        values = np.full((row.size, len(self.layers)), np.nan, dtype=np.float32)
        if not row.size:
            return values
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for number, found in enumerate(pool.map(lambda layer: layer.read_cells(row, col), self.layers)):
                values[:, number] = found
        return values

    def _reasons(self, values: NDArray[np.float32], row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.object_]:
        """Why cells lack a value; empty for those that lack none."""
        reasons = np.full(row.size, "", dtype=object)
        if not self.layers:
            return reasons
        empty = np.isnan(values)
        count = empty.sum(axis=1)
        first = np.argmax(empty, axis=1)
        for number, layer in enumerate(self.layers):
            here = np.flatnonzero((first == number) & (count > 0))
            if not here.size:
                continue
            why = np.where(layer.outside(row[here], col[here]), OUTSIDE, NODATA)
            for word in (OUTSIDE, NODATA):
                for more in np.unique(count[here]):
                    tail = f" (and {more - 1} more)" if more > 1 else ""
                    reasons[here[(why == word) & (count[here] == more)]] = f"no value in {layer.name}: {word}{tail}"
        return reasons


def build(sources: Sequence[Source], grid: GeoBox) -> Stack:
    """Align layers to a grid. Nothing is read yet.

    Raises
    ------
    RasterError
        One line for each fault of every source; see :func:`check_sources`.

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((1, 4), Affine(10.0, 0, 0, 0, -10.0, 10.0), "EPSG:32634")
    >>> build([Source("slope", "missing.tif")], grid)
    Traceback (most recent call last):
    edaphic.errors.RasterError: slope: missing.tif: no such file; expected a raster
    """
    found = check_sources(sources, grid)
    if not sources:
        found.append("covariates: no layers; expected at least one")
    if found:
        raise RasterError(found)
    return Stack(grid, tuple(open_any(source, grid) for source in sources))


def describe(stack: Stack) -> pd.DataFrame:
    """What each layer is, how it was aligned, and how much of the grid it covers.

    Returns
    -------
    DataFrame, one row per layer
        name, path, kind, unit, source_crs, source_resolution (units of the source's CRS; "polygons"), resampling, nodata (NaN:
        none), scale, offset (value = stored number x scale + offset), classes ("1=forest; 2=grass"), valid_share (of grid cells),
        minimum, maximum, note. Share and limits are of the whole grid if it has no
        more than 16 windows of 256 rows and columns, else of 16 that are spread evenly. The note tells what the file
        left to be decided, and values that look like a missing nodata tag.

    Raises
    ------
    RasterError
        A file cannot be read.
    """
    looked_at = _spread(*stack.grid.shape)
    rows = []
    for layer in stack.layers:
        share, low, high = _range(layer, looked_at)
        facts = layer.facts
        notes = [*facts.notes, *_suspicion(layer)]
        rows.append(
            {
                "name": layer.name,
                "path": facts.path,
                "kind": facts.kind,
                "unit": facts.unit,
                "source_crs": facts.crs_name,
                "source_resolution": _resolution(facts),
                "resampling": layer.resampling,
                "nodata": np.nan if facts.nodata is None else facts.nodata,
                "scale": facts.scale,
                "offset": facts.offset,
                "classes": "; ".join(f"{code}={name}" for code, name in sorted(facts.classes.items())),
                "valid_share": share,
                "minimum": low,
                "maximum": high,
                "note": "; ".join(notes),
            }
        )
    return pd.DataFrame(rows)


def _resolution(facts: LayerFacts) -> str:
    return "polygons" if facts.form == "polygons" else " x ".join(f"{size:.9g}" for size in facts.resolution)


def _range(layer: AnyLayer, looked_at: Sequence[Window]) -> tuple[float, float, float]:
    """Share of cells that have a value, and the smallest and largest value."""
    cells, valid, low, high = 0, 0, np.inf, -np.inf
    for window in looked_at:
        values = layer.read(window)
        given = values[~np.isnan(values)]
        cells, valid = cells + values.size, valid + given.size
        if given.size:
            low, high = min(low, float(given.min())), max(high, float(given.max()))
    return valid / cells, low if valid else np.nan, high if valid else np.nan


def nodata_doubts(stack: Stack) -> tuple[list[str], list[str]]:
    """Layers whose smallest or largest number looks like a missing nodata tag.

    Returns
    -------
    (faults, notes) : lists of str
        A fault where a negative one such as -9999 lies far from all other numbers, a note else.

    Raises
    ------
    RasterError
        A file cannot be read.
    """
    faults, notes = [], []
    for layer in stack.layers:
        for said, far in _suspects(layer):
            if far:
                faults.append(f"{layer.name}: {layer.facts.path}: {said}, far from all others; expected nodata for it, or as the file says")
            else:
                notes.append(f"{layer.name}: {said}: give nodata if it means none")
    return faults, notes


def _suspicion(layer: AnyLayer) -> list[str]:
    return [f"{said}: give nodata if it means none" for said, _ in _suspects(layer)]


def _suspects(layer: AnyLayer) -> list[tuple[str, bool]]:
    """Numbers that look like a missing nodata tag, in evenly spread parts of the file, and whether they are far below all others."""
    facts = layer.facts
    if facts.nodata is not None or facts.masked or not isinstance(layer, Layer):
        return []
    with opened(facts) as dataset:
        blocks = [
            read_block(dataset, facts, (part.row, part.row + part.height), (part.col, part.col + part.width)).ravel()
            for part in _spread(facts.height, facts.width)
        ]
    values = np.concatenate(blocks)
    values = values[~np.isnan(values)]
    found = []
    for extreme in (values.min(initial=np.inf), values.max(initial=-np.inf)):
        if extreme in OF_RASTERS:
            others = values[values != extreme]
            share = 100.0 * (values.size - others.size) / values.size
            far = bool(extreme < 0 and others.size and others.min() - extreme > max(np.ptp(others), FAR))
            found.append((f"no nodata tag, and {extreme:.9g} in {share:.2g} % of its cells", far))
    return found


def _spread(height: int, width: int) -> list[Window]:
    """At most ``LOOKED_AT`` windows of so many rows and columns, evenly spread; all are never listed, for there may be millions."""
    down, across = -(-height // PIECE), -(-width // PIECE)
    chosen = np.unique(np.linspace(0, down * across - 1, min(LOOKED_AT, down * across)).round().astype(np.int64))
    corners = [(int(number) // across * PIECE, int(number) % across * PIECE) for number in chosen]
    return [Window(row, col, min(PIECE, height - row), min(PIECE, width - col)) for row, col in corners]
