"""``climate``: a table of stations and a DEM in, climate grids out, with the evidence of their errors beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from edaphic.covariates import close_rasters
from edaphic.covariates.bioclim import BIOCLIM
from edaphic.covariates.climate import How, Model, Period, Words
from edaphic.covariates.climate.making import COMPRESS, Checked, Wanted, make_climate, read_checked
from edaphic.errors import RunError, TableError
from edaphic.files import replacing
from edaphic.progress import Say
from edaphic.units import METRES

__all__ = ["Wanted", "climate"]

TABLES = ("evidence", "stations")
"""What stands beside the rasters."""

SHOWN = 13
"""Fields that the screen has a line for."""


def climate(
    stations: Path,
    values: Sequence[str],
    dem: Path,
    out: Path,
    *,
    how: How,
    words: Words,
    period: Period,
    wanted: Wanted,
    sites: Path | None = None,
    like: Path | None = None,
    elevation_from_dem: bool = False,
    dem_unit: str | None = None,
    say: Say,
) -> list[str]:
    """Climate grids from stations by thin-plate smoothing splines.

    Parameters
    ----------
    stations : Path
        Station table, see :func:`edaphic.covariates.climate.read_stations`.
    values : sequence of str
        Columns of the table.
    dem : Path
        Raster of elevation; its grid is that of the output.
    out : Path
        A file ``NAME.tif`` for one field, else a folder. ``NAME.evidence.csv`` and ``NAME.stations.csv`` are written beside it.
    how, words, period, wanted
        Choices of the splines, of the table, of the years and months, of the output.
    sites : Path, optional
        Table of positions, joined by station.
    like : Path, optional
        Raster whose grid is taken in place of the DEM's; the DEM is averaged or interpolated to it.
    elevation_from_dem : bool
        Take missing elevations of stations from the DEM.
    dem_unit : {"m", "ft", "us-ft", "dm", "cm", "mm", "km"}, optional
        Of the DEM; what its file says, or m.
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.
    """
    single = out.suffix.lower() in (".tif", ".tiff")
    out = out if out.name not in ("", "..") else out.resolve()
    try:
        _check_wanted(values, out, wanted, (("--elevation-unit", words.elevation_unit), ("--dem-unit", dem_unit)))
        say(f"reading {stations.name}", 0, 3)
        checked = read_checked(stations, values, dem, words, period, how, elevation_from_dem, sites=sites, like=like, dem_unit=dem_unit)
        files = _files(out, checked) if single else None
        _spare_inputs(out, single, checked, [path for path in (stations, dem, sites, like) if path is not None])
        made = make_climate(checked, out.parent if single else out, how, wanted, files, say)
    finally:
        close_rasters()
    for note in made.notes:
        say(f"note: {note}", 0, 0)
    written = [(out.parent if single else out) / f"{name}.tif" for name in made.names]
    for what, table in zip(TABLES, (made.fields, made.stations), strict=True):
        written.append(_beside(out, single, what))
        _save(table, written[-1])
    told = [*_field_lines(made.fields, made.model), *made.found.lines()]
    return told + [f"note        {note}" for note in made.notes] + [f"wrote       {path}" for path in written]


def _beside(out: Path, single: bool, what: str) -> Path:
    return out.parent / f"{out.stem if single else out.name}.{what}.csv"


def _spare_inputs(out: Path, single: bool, checked: Checked, inputs: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    names = [out.stem] if single else list(checked.files().values())
    rasters = [*names, *(f"{name}_se" for name in names), *BIOCLIM]
    outputs = [(out.parent if single else out) / f"{name}.tif" for name in rasters] + [_beside(out, single, what) for what in TABLES]
    faults = [
        f"--out {out}: found {given.name}, which is read, where {path.name} would be written; expected another place"
        for path in outputs
        for given in inputs
        if path.exists() and given.exists() and path.samefile(given)
    ]
    if faults:
        raise RunError(faults)


def _check_wanted(values: Sequence[str], out: Path, wanted: Wanted, units: Sequence[tuple[str, str | None]]) -> None:
    faults = [f"{name}: found {unit!r}; expected {', '.join(METRES)}" for name, unit in units if unit is not None and unit not in METRES]
    if not values:
        faults.append("--value: none; expected a column of the table")
    faults += [f"--value {name}: found twice; expected each once" for name in sorted({v for v in values if list(values).count(v) > 1})]
    if wanted.compress not in COMPRESS:
        faults.append(f"--compress: found {wanted.compress!r}; expected {' or '.join(COMPRESS)}")
    if not wanted.bioclim and wanted.precipitation_unit != "mm":
        faults.append(f"--precipitation-unit {wanted.precipitation_unit}: without --bioclim nothing is converted; expected both")
    if wanted.withhold < 0 or wanted.withhold == 1:
        faults.append(f"--withhold {wanted.withhold}: expected 0, or 2 parts or more")
    single = out.suffix.lower() in (".tif", ".tiff")
    if out.exists() and out.is_dir() == single:
        faults.append(f"--out {out}: found a {'folder' if single else 'file'}; expected a {'file' if single else 'folder'}")
    if faults:
        raise TableError(faults)


def _files(out: Path, checked: Checked) -> dict[str, str]:
    """The one field bears the name of the file."""
    names = checked.stations.names
    if len(names) > 1:
        raise RunError(f"--out {out}: a file for {len(names)} fields; expected a folder")
    return {names[0]: out.stem}


def _save(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as beside:
        table.to_csv(beside[path], index=False, float_format="%.10g", lineterminator="\n")


def _field_lines(fields: pd.DataFrame, model: Model) -> list[str]:
    lines = [f"stations    {len(model.stations.ids):,}, coordinates {model.places.metric}, elevation {model.how.elevation}"]
    for row in fields.head(SHOWN).to_dict("records"):
        withheld = "".join(
            f", {design} {row[f'{design}_spline_rmse']:.4g} (nearest {row[f'{design}_nearest_rmse']:.4g})"
            for design in ("random", "block")
            if f"{design}_spline_rmse" in row
        )
        withheld = f"; withheld:{withheld[1:]}" if withheld else ""
        lines.append(f"{row['field']:<11} {row['n']} stations, {row['df']:.1f} df, RMSE leave-one-out {row['loo_rmse']:.4g}{withheld}")
    if len(fields) > SHOWN:
        lines.append(f"            and {len(fields) - SHOWN} more fields in the table of evidence")
    return lines
