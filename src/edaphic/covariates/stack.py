"""Named layers on one grid: sampled at places, read by window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.block import read_block
from edaphic.covariates.grid import cells_of
from edaphic.covariates.handles import HANDLES
from edaphic.covariates.polygons import rasterise
from edaphic.covariates.sources import Layer, Source, check_sources, open_layer
from edaphic.covariates.window import Window, inside, pieces, windows
from edaphic.errors import RasterError

__all__ = ["Stack", "build", "describe", "rasterise"]

LOOKED_AT = 16
"""Most windows of 256 rows and columns that :func:`describe` reads of each layer."""

SUSPECTS = (-999.0, -9999.0, -99999.0, -32768.0, 32767.0, 255.0, 65535.0, float(np.finfo(np.float32).min))
"""Values that files without a nodata tag often use to say "no value"."""


@dataclass(frozen=True)
class Stack:
    """Layers aligned to one grid; made by :func:`build`."""

    grid: GeoBox
    layers: tuple[Layer, ...]

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

    def sample(self, lon: ArrayLike, lat: ArrayLike) -> tuple[pd.DataFrame, pd.Series[str]]:
        """Values of the cells in which places lie: what a map made from the stack would use there.

        Parameters
        ----------
        lon, lat : array_like, shape (n,)
            Degrees, WGS 84.

        Returns
        -------
        values : DataFrame of float64, shape (n, layers)
            Indexed 0 to n - 1; NaN where there is no value.
        reason : Series of str, shape (n,)
            Empty where every layer has a value; else "outside the grid" or "no value in NAME (and k more)".

        Raises
        ------
        RasterError
            A file cannot be read; see :meth:`Layer.read`.
        """
        row, col = cells_of(self.grid, lon, lat)
        values = np.full((row.size, len(self.layers)), np.nan)
        within = row >= 0
        if within.any():
            for number, layer in enumerate(self.layers):
                values[within, number] = layer.read_cells(row[within], col[within])
        return pd.DataFrame(values, columns=list(self.names)), self._reasons(values, row < 0)

    def _reasons(self, values: NDArray[np.float64], outside: NDArray[np.bool_]) -> pd.Series[str]:
        empty = np.isnan(values)
        count = empty.sum(axis=1)
        reasons = []
        for place, out in enumerate(outside):
            if out:
                reasons.append("outside the grid")
            elif not count[place]:
                reasons.append("")
            else:
                more = f" (and {count[place] - 1} more)" if count[place] > 1 else ""
                reasons.append(f"no value in {self.names[int(np.argmax(empty[place]))]}{more}")
        return pd.Series(reasons, dtype=str, name="reason")


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
    return Stack(grid, tuple(open_layer(source, grid) for source in sources))


def describe(stack: Stack) -> pd.DataFrame:
    """What each layer is, how it was aligned, and how much of the grid it covers.

    Returns
    -------
    DataFrame, one row per layer
        name, path, kind, unit, source_crs, source_resolution (units of the source's CRS), resampling, nodata (NaN:
        none), valid_share (of grid cells), minimum, maximum, note. Share and limits are of the whole grid if it has no
        more than 16 windows of 256 rows and columns, else of 16 that are spread evenly. The note tells what the file
        left to be decided, and values that look like a missing nodata tag.

    Raises
    ------
    RasterError
        A file cannot be read.
    """
    looked_at = _spread(windows(stack.grid))
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
                "source_resolution": " x ".join(f"{size:.9g}" for size in facts.resolution),
                "resampling": layer.resampling,
                "nodata": np.nan if facts.nodata is None else facts.nodata,
                "valid_share": share,
                "minimum": low,
                "maximum": high,
                "note": "; ".join(notes),
            }
        )
    return pd.DataFrame(rows)


def _range(layer: Layer, looked_at: Sequence[Window]) -> tuple[float, float, float]:
    """Share of cells that have a value, and the smallest and largest value."""
    cells, valid, low, high = 0, 0, np.inf, -np.inf
    for window in looked_at:
        values = layer.read(window)
        given = values[~np.isnan(values)]
        cells, valid = cells + values.size, valid + given.size
        if given.size:
            low, high = min(low, float(given.min())), max(high, float(given.max()))
    return valid / cells, low if valid else np.nan, high if valid else np.nan


def _suspicion(layer: Layer) -> list[str]:
    """A smallest or largest stored number that looks like a missing nodata tag, in evenly spread parts of the file."""
    facts = layer.facts
    if facts.nodata is not None or facts.masked:
        return []
    parts = pieces(Window(0, 0, facts.height, facts.width))
    with HANDLES.take(facts.key) as dataset:
        blocks = [
            read_block(dataset, facts, (part.row, part.row + part.height), (part.col, part.col + part.width)).ravel()
            for part in _spread(parts)
        ]
    values = np.concatenate(blocks)
    values = values[~np.isnan(values)]
    notes = []
    for extreme in (values.min(initial=np.inf), values.max(initial=-np.inf)):
        if extreme in SUSPECTS:
            share = float((values == extreme).mean())
            notes.append(
                f"no nodata tag, and {extreme:.9g} in {100 * share:.2g} % of its cells: give nodata if it means none"
            )
    return notes


def _spread(parts: Sequence[Window]) -> list[Window]:
    """At most ``LOOKED_AT`` windows, evenly spread."""
    chosen = np.unique(np.linspace(0, len(parts) - 1, min(LOOKED_AT, len(parts))).round().astype(int))
    return [parts[number] for number in chosen]
