"""From a DEM to files of its attributes: local ones by window, those of flow from the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.band import BandWriter, Compress
from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.terrain import breach, fill, flow, wetness
from edaphic.covariates.terrain.attributes import ATTRIBUTES, TerrainOptions, formula_of, settings_of
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.dem import Dem
from edaphic.covariates.terrain.focal import Spans, disc_of_cells, disc_of_metres, position_in_disc, reach
from edaphic.covariates.terrain.limits import check_memory, check_radius
from edaphic.covariates.terrain.local import LOCAL, Margins, local_attributes
from edaphic.covariates.window import Window, windows
from edaphic.errors import RasterError
from edaphic.progress import Say

TILE = 512
"""Side of the windows; discs that reach far are computed in larger ones."""

TOLD = 4
"""How often the progress of a pass is told."""

WITH_SLOPE = ("sca", "twi", "spi", "ls")
"""Attributes of flow that need slope and aspect of the filled surface."""


@dataclass(frozen=True)
class Made:
    """An attribute that was written: its file, and how many of its cells are empty."""

    name: str
    path: Path
    empty: int


def make_terrain(
    dem: Dem, names: Sequence[str], folder: Path, options: TerrainOptions, *, compress: Compress = "deflate", say: Say
) -> list[Made]:
    """Compute attributes of a DEM on its own grid and write ``folder/NAME.tif`` of each; all or none.

    Local attributes are computed by window, whatever the size of the DEM. Those of flow need all of it in memory: the heights, the
    surface without depressions and the catchment areas.

    Parameters
    ----------
    dem : Dem
    names : sequence of str
        Of :data:`edaphic.covariates.terrain.attributes.ATTRIBUTES`.
    folder : Path
    options : TerrainOptions
    compress : {"deflate", "none"}
    say : callable

    Returns
    -------
    list of Made
        In the order of the names.

    Raises
    ------
    RasterError
        A file cannot be read or written; a radius that is none, smaller than a cell or wider than the DEM; too little memory
        for the attributes of flow.
    """
    wanted = list(dict.fromkeys(names))
    check_memory(dem, wanted)
    check_radius(dem, wanted, options)
    layers = [_layer(name, dem, options) for name in wanted]
    local = [name for name in wanted if ATTRIBUTES[name].group != "flow"]
    routed = [name for name in wanted if ATTRIBUTES[name].group == "flow"]
    disc = _disc(dem, options) if "tpi" in wanted and options.radius is not None else None
    with making(folder, dem.grid, layers, compress) as writers:
        sink = _Sink(writers)
        if local:
            _write_local(dem, local, disc, options, sink, say)
        if routed:
            _write_routed(dem, routed, options, sink, say)
        say("finishing files", 1, 1)
    return [Made(name, folder / f"{name}.tif", sink.empty[name]) for name in wanted]


class _Sink:
    """Where blocks of attributes go: their files, and the count of empty cells; for any number of threads."""

    def __init__(self, writers: Mapping[str, BandWriter]) -> None:
        self._writers = writers
        self._lock = Lock()
        self.empty = dict.fromkeys(writers, 0)

    def write(self, window: Window, found: Mapping[str, NDArray[Any]]) -> None:
        for name, values in found.items():
            self._writers[name].write(window, values)
            count = int(np.count_nonzero(np.isnan(values)))
            with self._lock:
                self.empty[name] += count


def _layer(name: str, dem: Dem, options: TerrainOptions) -> MadeLayer:
    attribute = ATTRIBUTES[name]
    tags = {
        "FORMULA": formula_of(name, options),
        "REFERENCE": attribute.source,
        "SOURCE": Path(dem.facts.path).name,
        **settings_of(name, options),
    }
    told = {key: value for key, value in tags.items() if value}
    return MadeLayer(name, attribute.unit, attribute.meaning, told, circular=name == "aspect")


def _disc(dem: Dem, options: TerrainOptions) -> Spans:
    assert options.radius is not None
    metres = options.radius_unit == "m"
    spans = disc_of_metres(dem.cells, options.radius) if metres else disc_of_cells(dem.shape[0], options.radius)
    if max(reach(spans)) == 0:
        size = f"{float(np.nanmin(dem.cells.dx_m)):.6g} m"
        raise RasterError(
            f"--radius {options.radius:g} {options.radius_unit}: within it no other cell lies; expected at least a cell ({size})"
        )
    return spans


def _each(work: Callable[[Window], None], grid: GeoBox, side: int, threads: int, text: str, say: Say) -> None:
    """Do the work of every window, and tell how far it is."""
    tiles = windows(grid, side)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for done, _ in enumerate(pool.map(work, tiles), start=1):
            if done * TOLD // len(tiles) > (done - 1) * TOLD // len(tiles):
                say(f"{text}: {done:,} of {len(tiles):,} windows", done, len(tiles))


def _write_local(dem: Dem, names: Sequence[str], disc: Spans | None, options: TerrainOptions, sink: _Sink, say: Say) -> None:
    near = [name for name in names if name in LOCAL and not (name == "tpi" and disc is not None)]
    high, wide = (0, 0) if disc is None else reach(disc)

    def work(window: Window) -> None:
        rows = slice(window.row, window.row + window.height)
        if "elevation" in names or near:
            z, margins = dem.block(window, 1, 1)
            if "elevation" in names:
                sink.write(window, {"elevation": z[margins.within(z)]})
            if near:
                sink.write(window, local_attributes(z, dem.cells[rows], near, rules=options.rules, margins=margins))
        if disc is not None:
            z, margins = dem.block(window, high, wide)
            sink.write(window, {"tpi": position_in_disc(z, disc[rows], margins=margins, centre=options.centre)})

    # Around a window as much is read again as the disc reaches: large discs want large windows.
    _each(work, dem.grid, max(TILE, TILE * (4 * max(high, wide) // TILE)), options.threads, "local attributes", say)


def _write_routed(dem: Dem, names: Sequence[str], options: TerrainOptions, sink: _Sink, say: Say) -> None:
    height, width = dem.shape
    say(f"depressions: {options.depressions}", 0, 3)
    z = DEPRESSIONS[options.depressions](dem.read(Window(0, 0, height, width)), dem.cells, options)
    compat: wetness.Compat | None = "saga" if options.rules.compat == "saga" else None
    if "filled" in names:
        _each(lambda window: sink.write(window, {"filled": z[window.slices]}), dem.grid, TILE, options.threads, "elevation", say)
    methods: tuple[flow.Method, ...] = ("d8", "mfd")
    for method in methods:
        direct, follow = f"flow_{method}" in names, [name for name in names if name in WITH_SLOPE and options.flow == method]
        if not direct and not follow:
            continue
        say(f"flow accumulation: {method}", 1, 3)
        area = flow.flow_area(z, dem.cells, method=method, convergence=options.convergence, compat=compat)

        def work(
            window: Window, area: NDArray[np.float64] = area, direct: bool = direct, follow: list[str] = follow, own: str = method
        ) -> None:
            found = {f"flow_{own}": area[window.slices]} if direct else {}
            sink.write(window, found | (_indices(z, area, dem.cells, window, follow, options, compat) if follow else {}))

        _each(work, dem.grid, TILE, options.threads, "indices of flow", say)
        del work, area  # before those of the other method are made


def _indices(
    z: NDArray[Any], area: NDArray[np.float64], cells: CellSizes, window: Window, names: Sequence[str], options: TerrainOptions, compat: Any
) -> dict[str, NDArray[np.float64]]:
    """Specific catchment area and what follows from it, of a window."""
    top, left, bottom, right = window.row, window.col, window.row + window.height, window.col + window.width
    margins = Margins(int(top > 0), int(bottom < z.shape[0]), int(left > 0), int(right < z.shape[1]))
    block = z[top - margins.top : bottom + margins.bottom, left - margins.left : right + margins.right]
    sizes = cells[top:bottom]
    local = local_attributes(block, sizes, ["slope", "aspect"], rules=replace(options.rules, edges="extend"), margins=margins)
    slope, aspect = local["slope"], local["aspect"]
    # On cones the side of the cell is nearer to the true area per width (4 % high) than the width seen along the aspect (16 % low).
    sca = wetness.specific_catchment_area(area[window.slices], sizes, aspect if compat == "saga" else None, compat=compat)
    found = {"sca": sca} if "sca" in names else {}
    if "twi" in names:
        found["twi"] = wetness.topographic_wetness_index(sca, slope)
    if "spi" in names:
        found["spi"] = wetness.stream_power_index(sca, slope)
    if "ls" in names:
        own = area[window.slices]
        found["ls"] = wetness.ls_factor(sca, slope, method=options.ls, cells=sizes, aspect_deg=aspect, area_m2=own, compat=compat)
    return found


def _fill(z: NDArray[Any], cells: CellSizes, options: TerrainOptions) -> NDArray[Any]:
    return fill.fill(z, cells, min_slope_deg=options.min_slope_deg)


def _breach(z: NDArray[Any], cells: CellSizes, options: TerrainOptions) -> NDArray[Any]:
    limits = {"max_depth_m": options.breach_depth_m, "max_length_m": options.breach_length_m}
    return _fill(breach.breach(z, cells, min_slope_deg=options.min_slope_deg, **limits), cells, options)


def _leave(z: NDArray[Any], cells: CellSizes, options: TerrainOptions) -> NDArray[Any]:
    return z


DEPRESSIONS: Mapping[str, Callable[[NDArray[Any], CellSizes, TerrainOptions], NDArray[Any]]] = {
    "fill": _fill,
    "breach": _breach,
    "none": _leave,
}
"""What is done to depressions, by its name; what breaching leaves is filled."""
