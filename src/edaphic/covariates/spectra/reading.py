"""Read a scene as reflectance, on its own cells or on those of another grid.

Each band whose cells are not those of the grid is masked and scaled on its own cells, and only then brought to it. So neither clouds nor
saturated numbers get into a mean or into a neighbour: a cell of 1 km is the mean of its clear cells of 30 m, if they are at least half of
it, and cells of 10 m around a saturated one of 20 m keep their own value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates import resample
from edaphic.covariates.align import OVER_CELLS, lattice_of, under_window
from edaphic.covariates.facts import LayerFacts, Source, facts
from edaphic.covariates.parts import blocks
from edaphic.covariates.sources import Layer, open_layer
from edaphic.covariates.spectra.bands import band_numbers
from edaphic.covariates.spectra.quality import DEFAULT_MASK, check_names, flagged, saturated, saturation_bits, scheme_of
from edaphic.covariates.spectra.reflectance import Coefficients, Float, corrected, scaled
from edaphic.covariates.spectra.scene import Quality, Scene, band_source, missing, quality_source
from edaphic.covariates.window import Window, pieces
from edaphic.errors import RasterError

BLOCK = 500_000
"""Most cells of a scene that are read at a time for another grid; what lies under a single cell is still read whole."""


class ElsewhereError(RasterError):
    """A scene does not overlap the grid."""


@dataclass(frozen=True)
class Reading:
    """Bands of a window: values by role, and counts of cells.

    ``cells`` are those that the scene covers with values, ``masked`` those that quality took away. Of each role: ``given`` cells with a
    number, ``outside`` those whose number cannot be, ``saturated``, ``negative`` reflectance, and ``kept``. Of bands on other cells than
    the grid's they are cells of the band, those at the edge of what is read at a time counted again (``resampled`` is 1 then).
    """

    bands: Mapping[str, Float]
    counts: Counter[str]


@dataclass(frozen=True)
class Own:
    """Bands of a scene that lie on the same cells, and the quality bands on these cells.

    ``reference`` is one of the bands, if their cells are not those of the grid; None if they are.
    """

    layers: Mapping[str, Layer]
    quality: tuple[tuple[Quality, Layer], ...]
    reference: Layer | None


@dataclass(frozen=True)
class OpenScene:
    """A scene aligned to a grid; made by :func:`open_scene`. It holds no open file."""

    scene: Scene
    grid: GeoBox
    owns: tuple[Own, ...]
    mask: tuple[str, ...]
    coefficients: Coefficients

    def read(self, window: Window) -> Reading:
        """Reflectance (or digital numbers) of a window by role, NaN where a band has no value or quality is bad."""
        counts: Counter[str] = Counter()
        found: dict[str, Float] = {}
        bad: NDArray[np.bool_] | None = None
        for own in self.owns:
            if own.reference is None:
                values, bad = self._as_it_is(own, window, counts)
                found |= values
            else:
                counts["resampled"] = 1
                found |= self._from_elsewhere(own, own.reference, window, counts)
        if bad is not None and len(self.owns) > 1:
            for values_there in found.values():
                values_there[bad] = np.nan
        return Reading({role: found[role] for own in self.owns for role in own.layers}, counts)

    def _from_elsewhere(self, own: Own, reference: Layer, window: Window, counts: Counter[str]) -> dict[str, Float]:
        """Bands of a window of the grid that lie on other cells."""
        bands = {role: np.full(window.shape, np.nan, dtype=np.float32) for role in own.layers}
        for piece in pieces(window):
            top, left = piece.row - window.row, piece.col - window.col
            for role, values in self._brought(own, reference, piece, counts).items():
                bands[role][top : top + piece.height, left : left + piece.width] = values
        return bands

    def _brought(self, own: Own, reference: Layer, piece: Window, counts: Counter[str]) -> dict[str, Float]:
        """Bands of a piece of the grid, from masked values of their own cells."""
        lattice, over_cells = lattice_of(reference.facts), reference.resampling in OVER_CELLS
        cols, rows = under_window(self.grid, piece, reference.facts.crs, lattice, over_cells)
        kernel = resample.average if over_cells else resample.bilinear
        values = {role: np.full(len(cols), np.nan) for role in own.layers}
        for part, (top, bottom), (left, right) in blocks(lattice, cols, rows, BLOCK):
            bands, _ = self._as_it_is(own, Window(top, left, bottom - top, right - left), counts)
            for role, theirs in bands.items():
                found = np.full(len(cols[part]), np.nan)
                kernel(theirs.astype(np.float64), top, left, cols[part], rows[part], 0, found)
                values[role][part] = found
        return {role: found.reshape(piece.shape).astype(np.float32) for role, found in values.items()}

    def _as_it_is(self, own: Own, window: Window, counts: Counter[str]) -> tuple[dict[str, Float], NDArray[np.bool_]]:
        """Values of a window of the cells that the layers are on, and which of them quality takes away."""
        values = {}
        for role, layer in own.layers.items():
            stored = layer.read(window)
            band = self.scene.band(role)
            assert band is not None
            given = np.isfinite(stored)
            if band.scaling.fill is not None:
                given &= stored != band.scaling.fill
            counts[f"given {role}"] += int(given.sum())
            made, outside = scaled(stored, band.scaling)
            counts[f"outside {role}"] += outside
            values[role] = corrected(made, self.coefficients.get(role))
        covered = np.zeros(window.shape, dtype=bool)
        for band_values in values.values():
            covered |= np.isfinite(band_values)
        bad = self._spoil(own, window, values, counts)
        counts["cells"] += int(covered.sum())
        counts["masked"] += int((covered & bad).sum())
        for role, band_values in values.items():
            band_values[bad] = np.nan
            with np.errstate(invalid="ignore"):
                counts[f"negative {role}"] += int((band_values < 0.0).sum())
            counts[f"kept {role}"] += int(np.isfinite(band_values).sum())
        return values, bad

    def _spoil(self, own: Own, window: Window, values: Mapping[str, Float], counts: Counter[str]) -> NDArray[np.bool_]:
        """Cells that quality takes away; what is saturated in one band is taken out of that band."""
        bad = np.zeros(window.shape, dtype=bool)
        for quality, layer in own.quality:
            codes = layer.read(window)
            if not quality.scheme.startswith("radsat"):
                bad |= flagged(codes, quality.scheme, self.mask)
                continue
            numbers = band_numbers(self.scene.sensor)
            for role, band_values in values.items():
                bits = saturation_bits([numbers.get(role, "")], "01" if quality.scheme == "radsat1" else "02")
                full = saturated(codes, bits) & np.isfinite(band_values)
                counts[f"saturated {role}"] += int(full.sum())
                band_values[full] = np.nan
        return bad


def open_scene(
    scene: Scene,
    grid: GeoBox,
    roles: Sequence[str],
    mask: Sequence[str] = DEFAULT_MASK,
    coefficients: Coefficients | None = None,
) -> OpenScene:
    """Align bands and quality of a scene to a grid.

    Bands that have the cells of the grid are read as they are. Of the others reflectance, masked on their own cells, is averaged over the
    cell of the grid where they are finer by two or more (at least half of it must have values), and interpolated linearly elsewhere; where
    some bands have the grid's cells, the quality of these takes the same cells out of all.

    Parameters
    ----------
    scene : Scene
    grid : GeoBox
    roles : sequence of str
        Bands that will be read.
    mask : sequence of str
        Conditions of :data:`.quality.SCHEMES` to leave out.
    coefficients : mapping of str to (slope, intercept), optional
        Cross-sensor correction by role, applied to the scaled values.

    Raises
    ------
    ElsewhereError
        The scene does not overlap the grid.
    RasterError
        A band that the scene does not have, a file that cannot be read, or that does not overlap the others.
    """
    check_names(mask)
    for part in scene.quality:
        if not part.scheme.startswith("radsat"):
            scheme_of(part.scheme)
    faults = [missing(scene, role) for role in roles if scene.band(role) is None]
    sources = {role: band_source(f"{scene.name}: {role}", band) for role in roles if (band := scene.band(role)) is not None}
    known = {}
    for role, source in sources.items():
        try:
            known[role] = facts(source)
        except RasterError as error:
            faults += error.faults
    if faults:
        raise RasterError(faults)
    finest = _cells(known[min(known, key=lambda role: known[role].resolution)])
    for role, source in sources.items():
        if _cells(known[role]) != finest:
            faults += _faults(source, finest)
    placed: dict[GeoBox, dict[str, Layer]] = {}
    for role, source in sources.items():
        try:
            layer = open_layer(source, grid)
        except RasterError as error:
            raise ElsewhereError(error.faults) from error
        placed.setdefault(grid if layer.resampling == "none" else _cells(known[role]), {})[role] = layer
    if faults:
        raise RasterError(faults)
    owns = tuple(_own(scene, cells, layers, sources, cells is not grid) for cells, layers in placed.items())
    return OpenScene(scene, grid, owns, tuple(mask), dict(coefficients or {}))


def _cells(told: LayerFacts) -> GeoBox:
    return GeoBox((told.height, told.width), told.transform, told.crs)


def _faults(source: Source, cells: GeoBox) -> list[str]:
    """Why a file cannot be laid on some cells."""
    try:
        open_layer(source, cells)
    except RasterError as error:
        return list(error.faults)
    return []


def _own(scene: Scene, cells: GeoBox, layers: Mapping[str, Layer], sources: Mapping[str, Source], aside: bool) -> Own:
    """Bands and quality on cells that the bands have, or on the cells of the grid."""
    quality: list[tuple[Quality, Layer]] = []
    faults: list[str] = []
    for part in scene.quality:
        try:
            quality.append((part, open_layer(quality_source(scene, part), cells)))
        except RasterError as error:
            faults += error.faults
    if faults:
        raise RasterError(faults)
    if not aside:
        return Own(layers, tuple(quality), None)
    return Own({role: open_layer(sources[role], cells) for role in layers}, tuple(quality), next(iter(layers.values())))
