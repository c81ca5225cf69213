"""Read a scene as reflectance, on its own cells or on those of another grid.

On another grid, cells are masked and scaled as they are, and only then brought to it. So neither clouds nor saturated numbers get
into a mean: a cell of 1 km is the mean of its clear cells of 30 m, if they are at least half of it.
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
from edaphic.covariates.facts import facts
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
    number, ``outside`` those whose number cannot be, ``saturated``, ``negative`` reflectance, and ``kept``. On another grid than the
    scene's they are cells of the scene, those at the edge of what is read at a time counted again (``resampled`` is 1 then).
    """

    bands: Mapping[str, Float]
    counts: Counter[str]


@dataclass(frozen=True)
class OpenScene:
    """A scene aligned to a grid; made by :func:`open_scene`. It holds no open file.

    ``reference`` is the band on whose cells layers and quality are, if these are not the cells of the grid; None if they are.
    """

    scene: Scene
    grid: GeoBox
    layers: Mapping[str, Layer]
    quality: tuple[tuple[Quality, Layer], ...]
    mask: tuple[str, ...]
    coefficients: Coefficients
    reference: Layer | None

    def read(self, window: Window) -> Reading:
        """Reflectance (or digital numbers) of a window by role, NaN where a band has no value or quality is bad."""
        if self.reference is None:
            return self._as_it_is(window)
        counts = Counter({"resampled": 1})
        bands = {role: np.full(window.shape, np.nan, dtype=np.float32) for role in self.layers}
        for piece in pieces(window):
            top, left = piece.row - window.row, piece.col - window.col
            for role, values in self._brought(self.reference, piece, counts).items():
                bands[role][top : top + piece.height, left : left + piece.width] = values
        return Reading(bands, counts)

    def _brought(self, reference: Layer, piece: Window, counts: Counter[str]) -> dict[str, Float]:
        """Bands of a piece of the grid, from masked values of the scene's own cells."""
        lattice, over_cells = lattice_of(reference.facts), reference.resampling in OVER_CELLS
        cols, rows = under_window(self.grid, piece, reference.facts.crs, lattice, over_cells)
        kernel = resample.average if over_cells else resample.bilinear
        values = {role: np.full(len(cols), np.nan) for role in self.layers}
        for part, (top, bottom), (left, right) in blocks(lattice, cols, rows, BLOCK):
            reading = self._as_it_is(Window(top, left, bottom - top, right - left))
            counts.update(reading.counts)
            for role, own in reading.bands.items():
                found = np.full(len(cols[part]), np.nan)
                kernel(own.astype(np.float64), top, left, cols[part], rows[part], 0, found)
                values[role][part] = found
        return {role: found.reshape(piece.shape).astype(np.float32) for role, found in values.items()}

    def _as_it_is(self, window: Window) -> Reading:
        """Values of a window of the grid that the layers are on."""
        counts: Counter[str] = Counter()
        values = {}
        for role, layer in self.layers.items():
            stored = layer.read(window)
            band = self.scene.band(role)
            assert band is not None
            given = np.isfinite(stored)
            if band.scaling.fill is not None:
                given &= stored != band.scaling.fill
            counts[f"given {role}"] = int(given.sum())
            made, counts[f"outside {role}"] = scaled(stored, band.scaling)
            values[role] = corrected(made, self.coefficients.get(role))
        covered = np.zeros(window.shape, dtype=bool)
        for band_values in values.values():
            covered |= np.isfinite(band_values)
        bad = self._spoil(window, values, counts)
        counts["cells"] = int(covered.sum())
        counts["masked"] = int((covered & bad).sum())
        for role, band_values in values.items():
            band_values[bad] = np.nan
            with np.errstate(invalid="ignore"):
                counts[f"negative {role}"] = int((band_values < 0.0).sum())
            counts[f"kept {role}"] = int(np.isfinite(band_values).sum())
        return Reading(values, counts)

    def _spoil(self, window: Window, values: Mapping[str, Float], counts: Counter[str]) -> NDArray[np.bool_]:
        """Cells that quality takes away; what is saturated in one band is taken out of that band."""
        bad = np.zeros(window.shape, dtype=bool)
        for quality, layer in self.quality:
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

    Where the grid has the cells of the finest band, numbers are read as they are. Else reflectance, masked, is averaged over the cell
    where the scene is finer by two or more (at least half of the cell must have values), and interpolated linearly elsewhere.

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
    finest = min(known, key=lambda role: known[role].resolution)
    try:
        reference = open_layer(sources[finest], grid)
    except RasterError as error:
        raise ElsewhereError(error.faults) from error
    told = reference.facts
    own = grid if reference.resampling == "none" else GeoBox((told.height, told.width), told.transform, told.crs)
    layers, quality = {}, []
    for role, source in sources.items():
        try:
            layers[role] = open_layer(source, own)
        except RasterError as error:
            faults += error.faults
    for part in scene.quality:
        try:
            quality.append((part, open_layer(quality_source(scene, part), own)))
        except RasterError as error:
            faults += error.faults
    if faults:
        raise RasterError(faults)
    aside = None if own is grid else reference
    return OpenScene(scene, grid, layers, tuple(quality), tuple(mask), dict(coefficients or {}), aside)
