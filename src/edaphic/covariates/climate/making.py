"""Climate grids of a station table: read and checked, fitted, judged by withheld stations, written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from edaphic.covariates.band import BandWriter
from edaphic.covariates.bioclim import BIOCLIM
from edaphic.covariates.climate.derived import Bioclimate, bioclimate_of
from edaphic.covariates.climate.doubts import elevation_doubts, elevation_faults, value_doubts
from edaphic.covariates.climate.evidence import evidence
from edaphic.covariates.climate.heights import HIGHEST_M, LOWEST_M, Heights, open_heights
from edaphic.covariates.climate.memory import fit_threads, window_side
from edaphic.covariates.climate.model import How, Model, climate_faults, fit_climate
from edaphic.covariates.climate.notes import below_zero, fit_notes, withheld_notes
from edaphic.covariates.climate.spline import Floats
from edaphic.covariates.climate.stations import Period, Stations, Words, read_stations
from edaphic.covariates.climate.surfaces import Block, Extrapolation, blocks
from edaphic.covariates.grid import cells_of, grid_like
from edaphic.covariates.made import MadeLayer, making
from edaphic.errors import EdaphicError, RasterError, TableError
from edaphic.progress import Say, quiet

COMPRESS: dict[str, Literal["deflate", "none"]] = {"deflate": "deflate", "none": "none"}


@dataclass(frozen=True)
class Wanted:
    """What is written.

    Parameters
    ----------
    errors : bool
        A layer of standard errors, NAME_se, for each field.
    withhold : int
        Parts of the stations that are withheld in turn; 0 withholds none.
    mask : bool
        No value outside the hull and the elevations of the stations.
    unit : str
        Of the values, for the files; the numbers are those of the table.
    memory : int, optional
        Bytes that the process may have.
    compress : {"deflate", "none"}
    bioclim : bool
        bio1 to bio19 as well, where minimum and maximum temperature (C) and precipitation are mapped by month.
    precipitation_unit : {"mm", "cm", "in"}
        Of the table, for the bioclimatic variables.
    """

    errors: bool = False
    withhold: int = 10
    mask: bool = False
    unit: str = ""
    memory: int | None = None
    compress: str = "deflate"
    bioclim: bool = False
    precipitation_unit: str = "mm"


@dataclass(frozen=True)
class Checked:
    """Stations that can be used, and the DEM; made by :func:`read_checked`.

    Parameters
    ----------
    stations : Stations
        With elevations.
    layer : Heights
        Elevation on the target grid.
    metres : float
        In the unit of the DEM.
    notes : tuple of str
        What was decided, and what looks wrong.
    """

    stations: Stations
    layer: Heights
    metres: float
    notes: tuple[str, ...]

    def files(self) -> dict[str, str]:
        """Name of the file of each field, without ending."""
        names = {name: re.sub(r"[^\w.-]+", "_", name) for name in self.stations.names}
        if len(set(names.values())) < len(names):
            raise TableError("--value: two columns would have one file name; expected names that differ in letters or digits")
        return names


@dataclass(frozen=True)
class MadeClimate:
    """What was made: the model, its evidence (see :func:`evidence`), what is extrapolated, names of the rasters, and what is to be said."""

    model: Model
    fields: pd.DataFrame
    stations: pd.DataFrame
    found: Extrapolation
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_checked(
    stations: Path,
    values: Sequence[str],
    dem: Path,
    words: Words | None = None,
    period: Period | None = None,
    how: How | None = None,
    elevation_from_dem: bool = False,
    *,
    sites: Path | None = None,
    like: Path | None = None,
    dem_unit: str | None = None,
) -> Checked:
    """Stations and DEM, with the faults of each; :func:`check_climate` tells whether they carry what is wanted.

    Parameters
    ----------
    stations : Path
        Station table, see :func:`edaphic.covariates.climate.read_stations`.
    values : sequence of str
        Columns of the table.
    dem : Path
        Raster of elevation; its grid is that of the output.
    words, period, how
        What is said of the table, years and months, choices of the splines.
    elevation_from_dem : bool
        Take missing elevations of stations from the DEM.
    sites : Path, optional
        Table of positions, joined by station.
    like : Path, optional
        Raster whose grid is taken in place of the DEM's; the DEM is averaged or interpolated to it.
    dem_unit : {"m", "ft", "us-ft", "dm", "cm", "mm", "km"}, optional
        Of the DEM; what its file says, or m.

    Raises
    ------
    TableError, RasterError, GridError
        One line for each fault.
    """
    how = how or How()
    read = read_stations(stations, values, words, period, sites)
    layer, notes = open_heights(dem, grid_like(like or dem), dem_unit)
    read, doubts = _with_elevations(read, layer, how, elevation_from_dem)
    return Checked(read, layer, layer.metres, (*read.notes, *notes, *doubts, *_weight_notes(read, stations, how)))


def check_climate(checked: Checked, how: How, wanted: Wanted) -> list[str]:
    """Every fault that can be known before anything is fitted; empty where :func:`make_climate` can begin.

    Too few stations or on one line, stations without elevation, a transformation of a value that is not there or that its numbers do not
    have, degrees of freedom beyond the stations, months that the bioclimatic variables need, two columns with one file name.

    Parameters
    ----------
    checked : Checked
    how, wanted
        Choices of the splines and of the output.
    """
    faults = climate_faults(checked.stations, how)
    try:
        checked.files()
    except EdaphicError as fault:
        faults += fault.faults
    if wanted.bioclim:
        try:
            bioclimate_of(checked.stations, wanted.precipitation_unit)
        except EdaphicError as fault:
            faults += fault.faults
    return faults


def make_climate(
    checked: Checked, folder: Path, how: How, wanted: Wanted, files: dict[str, str] | None = None, say: Say = quiet
) -> MadeClimate:
    """Fit, judge, and write ``folder/NAME.tif`` of every field.

    Parameters
    ----------
    checked : Checked
    folder : Path
    how, wanted
        Choices of the splines and of the output.
    files : dict of str to str, optional
        Name of the file of each field, where it is not the field's.
    say : callable

    Raises
    ------
    TableError, RunError, RasterError
        Stations that do not carry the splines; too little memory; a DEM without a cell of ground; a file that cannot be written. Nothing
        is left half-written.
    """
    faults = check_climate(checked, how, wanted)
    if faults:
        raise TableError(faults)
    files = checked.files() if files is None else files
    bio = bioclimate_of(checked.stations, wanted.precipitation_unit) if wanted.bioclim else None
    threads = fit_threads(checked.stations, how, wanted.memory, wanted.errors)
    say("fitting", 0, 3)
    model = fit_climate(checked.stations, how, keep=wanted.errors, threads=threads)
    window_side(model, wanted.memory, wanted.errors)
    say("withholding stations", 1, 3)
    tables = evidence(model, wanted.withhold, say, threads)
    found, below, filled = Extrapolation(), dict.fromkeys(model.names, 0), 0
    layers = _layers(model, files, wanted, tables[0], bio)
    total = int(np.prod(checked.layer.grid.shape))
    with making(folder, checked.layer.grid, layers, COMPRESS[wanted.compress]) as writers:
        done = 0
        grid = blocks(
            model, checked.layer, errors=wanted.errors, mask=wanted.mask, memory=wanted.memory, found=found, dem_unit_m=checked.metres
        )
        for block in grid:
            _write_block(block, files, bio, writers)
            for name in model.names:
                below[name] += int(np.sum(block.values[name] < 0))
            filled += int(np.isfinite(block.values[model.names[0]]).sum())
            done += block.window.height * block.window.width
            say("grid", done, total)
        if not filled:
            raise RasterError(_no_cell(checked, found))
    told = [*fit_notes(model), *withheld_notes(model, tables[1]), *found.notes(), *below_zero(model, below)]
    notes = (*checked.notes, *told, *(bio.notes() if bio is not None else []))
    return MadeClimate(model, *tables, found, tuple(layer.name for layer in layers), notes)


def _no_cell(checked: Checked, found: Extrapolation) -> str:
    path = checked.layer.facts.path
    if found.cells:
        return f"elevation: {path}: no cell among the stations and their elevations; expected some, or no --mask"
    limits = f"{LOWEST_M:g} to {HIGHEST_M:,.0f} m"
    return f"elevation: {path}: no cell of the grid has an elevation of {limits}; expected some, or the unit by --dem-unit"


def _weight_notes(stations: Stations, path: Path, how: How) -> list[str]:
    """Weights need years that differ."""
    years = stations.years[np.isfinite(stations.values)]
    if not how.weighted or not len(years) or np.ptp(years) > 0:
        return []
    if years[0] <= 1:
        raise TableError(f"{path}: no value rests on more than one year; expected a column of years for --weights")
    return [f"every value rests on {years[0]:g} years: with --weights all count the same"]


def _with_elevations(stations: Stations, layer: Heights, how: How, elevation_from_dem: bool) -> tuple[Stations, list[str]]:
    """Stations with elevations, and what is doubtful of them."""
    row, col = cells_of(layer.grid, stations.lon, stations.lat)
    inside, there = row >= 0, np.full(len(row), np.nan)
    if not inside.any():
        _refuse_far(stations, layer)
    there[inside] = layer.read_cells(row[inside], col[inside]).astype(np.float64) * layer.metres
    doubts = []
    if how.elevation == "none" and elevation_from_dem:
        doubts.append("elevations from the DEM are not taken: elevation none does without")
    if how.elevation != "none":
        faults = elevation_faults(stations, there)
        if faults:
            raise TableError(faults)
        doubts += elevation_doubts(stations, there)
        if elevation_from_dem:
            stations = _filled(stations, there)
    return stations, [*doubts, *value_doubts(stations)]


def _refuse_far(stations: Stations, layer: Heights) -> None:
    swapped, _ = cells_of(layer.grid, np.clip(stations.lat, -180, 180), np.clip(stations.lon, -90, 90))
    hint = " (lon and lat swapped?)" if np.mean(swapped >= 0) > 0.5 else ""
    raise TableError(
        f"stations: none of {len(stations.ids)} lies on the DEM; they are at {np.median(stations.lon):.2f} E, "
        f"{np.median(stations.lat):.2f} N{hint}; expected stations in the region of {Path(layer.facts.path).name}"
    )


def _filled(stations: Stations, dem_m: Floats) -> Stations:
    missing = ~np.isfinite(stations.elevation_m)
    if not missing.any():
        return stations
    filled = replace(
        stations,
        elevation_m=np.where(missing, dem_m, stations.elevation_m),
        notes=(*stations.notes, f"elevation of {int((missing & np.isfinite(dem_m)).sum())} stations taken from the DEM"),
    )
    known = np.isfinite(filled.elevation_m)
    return filled if known.all() else filled.keep(known, f"{int((~known).sum())} stations without elevation lie outside the DEM: left out")


def _layers(model: Model, files: dict[str, str], wanted: Wanted, fields: pd.DataFrame, bio: Bioclimate | None) -> list[MadeLayer]:
    layers = []
    for (name, file), row in zip(files.items(), fields.itertuples(), strict=True):
        tags = {
            "METHOD": "thin-plate smoothing spline",
            "ELEVATION": str(row.elevation),
            "ORDER": str(row.order),
            "COORDINATES": str(row.coordinates),
            "TRANSFORM": str(row.transform),
            "SMOOTHING": str(row.smoothing),
            "STATIONS": str(row.n),
            "EFFECTIVE_DF": f"{row.df:.2f}",
            "LEAVE_ONE_OUT_RMSE": f"{row.loo_rmse:.6g}",
        }
        layers.append(MadeLayer(file, wanted.unit, f"{name} from {row.n} stations", tags))
        if wanted.errors:
            layers.append(MadeLayer(f"{file}_se", wanted.unit, f"Standard error of the surface of {name}", tags))
    if bio is not None:
        layers += [MadeLayer(name, unit, meaning, {"METHOD": "from monthly splines"}) for name, (unit, meaning) in BIOCLIM.items()]
    return layers


def _write_block(block: Block, files: dict[str, str], bio: Bioclimate | None, writers: dict[str, BandWriter]) -> None:
    for name, file in files.items():
        writers[file].write(block.window, block.values[name])
        if block.errors:
            writers[f"{file}_se"].write(block.window, block.errors[name])
    for name, values in (bio.variables(block.values) if bio is not None else {}).items():
        writers[name].write(block.window, values)
