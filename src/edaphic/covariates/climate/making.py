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
from edaphic.covariates.climate.doubts import TEMPERATURE, elevation_doubts, elevation_faults, value_doubts
from edaphic.covariates.climate.evidence import evidence
from edaphic.covariates.climate.model import How, Model, fit_climate
from edaphic.covariates.climate.spline import Floats
from edaphic.covariates.climate.stations import UNITS, Period, Stations, Words, read_stations
from edaphic.covariates.climate.surfaces import HIGHEST_M, LOWEST_M, Block, Extrapolation, blocks, fit_threads, window_side
from edaphic.covariates.climate.tables import named
from edaphic.covariates.grid import cells_of, grid_like
from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.sources import Layer, Source, open_layer
from edaphic.errors import TableError
from edaphic.progress import Say, quiet

FEET = ("ft", "feet", "foot", "us survey foot", "us_ft", "usft")
COMPRESS: dict[str, Literal["deflate", "none"]] = {"deflate": "deflate", "none": "none"}

HALF = 0.5
"""Share of effective degrees of freedom in the stations above which a network is thin for its field (Hutchinson and Gessler 1994)."""


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
    layer : Layer
        Elevation on the target grid.
    metres : float
        In the unit of the DEM.
    notes : tuple of str
        What was decided, and what looks wrong.
    """

    stations: Stations
    layer: Layer
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
    """Stations and DEM, with every fault that can be known before fitting, but for too few stations.

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
    dem_unit : {"m", "ft", "km"}, optional
        Of the DEM; what its file says, or m.

    Raises
    ------
    TableError, RasterError, GridError
        One line for each fault.
    """
    read = read_stations(stations, values, words, period, sites)
    layer = open_layer(Source("elevation", dem), grid_like(like or dem))
    metres, notes = _metres(layer, dem_unit)
    read, doubts = _with_elevations(read, layer, metres, how or How(), elevation_from_dem)
    return Checked(read, layer, metres, (*read.notes, *notes, *doubts))


def write_climate(
    stations: Path,
    values: Sequence[str],
    dem: Path,
    folder: Path,
    *,
    how: How,
    words: Words,
    period: Period,
    wanted: Wanted,
    elevation_from_dem: bool = False,
    say: Say = quiet,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read, check and make; notes are said. Returns the evidence: one row for each field, and one for each station of each field."""
    checked = read_checked(stations, values, dem, words, period, how, elevation_from_dem)
    made = make_climate(checked, folder, how, wanted, say=say)
    for note in made.notes:
        say(f"note: {note}", 0, 0)
    return made.fields, made.stations


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
        Stations that do not carry the splines; too little memory; a file that cannot be written. Nothing is left half-written.
    """
    files = checked.files() if files is None else files
    bio = bioclimate_of(checked.stations, wanted.precipitation_unit) if wanted.bioclim else None
    threads = fit_threads(checked.stations, wanted.memory, wanted.errors)
    say("fitting", 0, 3)
    model = fit_climate(checked.stations, how, keep=wanted.errors, threads=threads)
    window_side(model, wanted.memory, wanted.errors)
    say("withholding stations", 1, 3)
    tables = evidence(model, wanted.withhold, say, threads)
    found, below = Extrapolation(), dict.fromkeys(model.names, 0)
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
            done += block.window.height * block.window.width
            say("grid", done, total)
    notes = (*checked.notes, *_fit_notes(model), *_below_zero(model, below), *(bio.notes() if bio is not None else []))
    return MadeClimate(model, *tables, found, tuple(layer.name for layer in layers), notes)


def _metres(layer: Layer, unit: str | None) -> tuple[float, list[str]]:
    """Metres in the unit of the DEM."""
    if unit is not None:
        return UNITS[unit], []
    if layer.facts.unit.strip().lower() in FEET:
        return UNITS["ft"], [f"{Path(layer.facts.path).name}: in feet by its unit tag, brought to m"]
    return 1.0, []


def _with_elevations(stations: Stations, layer: Layer, metres: float, how: How, elevation_from_dem: bool) -> tuple[Stations, list[str]]:
    """Stations with elevations, and what is doubtful of them."""
    row, col = cells_of(layer.grid, stations.lon, stations.lat)
    inside, there = row >= 0, np.full(len(row), np.nan)
    if not inside.any():
        _refuse_far(stations, layer)
    there[inside] = layer.read_cells(row[inside], col[inside]).astype(np.float64) * metres
    there[(there < LOWEST_M) | (there > HIGHEST_M)] = np.nan
    doubts = []
    if how.elevation != "none":
        faults = elevation_faults(stations, there)
        if faults:
            raise TableError(faults)
        doubts += elevation_doubts(stations, there)
        if elevation_from_dem:
            stations = _filled(stations, there)
    return stations, [*doubts, *value_doubts(stations)]


def _refuse_far(stations: Stations, layer: Layer) -> None:
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


def _fit_notes(model: Model) -> list[str]:
    """Where the smoothing has no minimum: one line for each reason."""
    fields: dict[str, list[str]] = {}
    for name, choice in zip(model.names, model.splines.choices, strict=True):
        if choice.note:
            fields.setdefault(choice.note, []).append(name)
    notes = [f"{named(names)}: {note}" for note, names in fields.items()]
    free = [
        name
        for k, (name, choice) in enumerate(zip(model.names, model.splines.choices, strict=True))
        if isinstance(model.how.smoothing, str) and not choice.note and choice.df > HALF * np.isfinite(model.stations.values[:, k]).sum()
    ]
    if free:
        notes.append(
            f"{named(free)}: more degrees of freedom than half the stations: the surface follows single ones; compare --smoothing reml"
        )
    if model.how.metric == "auto" and model.places.metric == "sphere":
        notes.append("stations more than 3,000 km from their middle: splines on the sphere")
    return notes


def _below_zero(model: Model, below: dict[str, int]) -> list[str]:
    """Notes on surfaces below 0 of what is never below 0 at a station, temperatures apart."""
    lowest = dict(zip(model.names, np.nanmin(model.stations.values, axis=0), strict=True))
    notes = []
    for variable in dict.fromkeys(model.stations.variables):
        fields = [name for name, of in zip(model.names, model.stations.variables, strict=True) if of == variable]
        cells = sum(below[name] for name in fields)
        if cells and min(lowest[name] for name in fields) >= 0 and not TEMPERATURE.match(variable):
            worst = max(fields, key=lambda name: below[name])
            most = f" (most of them of {worst})" if len(fields) > 1 else ""
            notes.append(f"{variable}: {cells:,} cells below 0 though no station is{most}: --transform {variable}=sqrt keeps them above")
    return notes


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
