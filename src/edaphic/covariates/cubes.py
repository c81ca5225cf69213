"""A variable of a NetCDF file or a Zarr store: where it lies, and which of its time steps are meant (CF conventions)."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from edaphic.covariates import calendars
from edaphic.covariates.address import gdal_name, is_remote, network, read_bytes, shown, subdataset
from edaphic.covariates.handles import open_raster
from edaphic.covariates.source import Source, Told
from edaphic.errors import RasterError

UNEVEN = 0.01
"""Steps between coordinates may differ by this part of a step: coordinates are often rounded to float32."""

_EAST = ("degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee")
_NORTH = ("degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen")
_NETCDF = (".nc", ".nc4", ".cdf", ".netcdf")
_BOUNDS = ("_bnds", "_bounds")
_ZARR_FILES = (".zgroup", ".zarray", ".zmetadata", "zarr.json")


@dataclass(frozen=True)
class _Variable:
    """A variable as GDAL opens it, and what describes it."""

    address: str
    name: str
    own: str
    dims: tuple[str, ...]
    tags: Mapping[str, Mapping[str, str]]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    strict_nodata: bool = False


def is_cube(source: Source) -> bool:
    """Whether a source is a variable of a NetCDF file or Zarr store.

    >>> is_cube(Source("t", "era5.nc", variable="t2m")), is_cube(Source("dem", "dem.tif"))
    (True, False)
    """
    path = str(source.path).rstrip("/")
    named = subdataset(path)
    return source.variable is not None or path.lower().endswith((*_NETCDF, ".zarr")) or _is_store(path) or named is not None


def _is_store(path: str) -> bool:
    return Path(path).is_dir() and any((Path(path) / name).exists() for name in _ZARR_FILES)


def locate_cube(source: Source) -> Told:
    """Which bands of which subdataset are meant, and where their cells lie.

    Longitude and latitude are cell centres in even steps; they are taken for WGS 84 where the file names no CRS and their units say
    degrees_east and degrees_north. The steps that ``time`` and ``months`` choose are averaged.

    Raises
    ------
    RasterError
        No such variable or time; coordinates that are curved, uneven or without a CRS.

    Examples
    --------
    >>> locate_cube(Source("t", "missing.nc", variable="t2m"))
    Traceback (most recent call last):
    edaphic.errors.RasterError: missing.nc: no such file; expected a NetCDF file or Zarr store
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        variable = _find(source)
        with open_raster(variable.address) as dataset, network(variable.address):
            crs, transform = dataset.crs, dataset.transform
            size, count = (dataset.height, dataset.width), dataset.count
        place, told_crs, notes = _place(variable, None if crs is None else CRS(crs), transform, size)
        bands, more = _bands(variable, source, count)
    nodata, without = (_nodata(variable.attributes), True) if variable.strict_nodata else (None, False)
    notes = (f"variable {variable.name}", *notes, *more)
    return Told(
        variable.address, bands, crs=told_crs, transform=place, nodata=_in_place(source, nodata), without_nodata=without, notes=notes
    )


def _in_place(source: Source, nodata: float | None) -> float | None:
    """What the store says is no value, unless the user says something else."""
    return None if source.nodata is not None else nodata


def _find(source: Source) -> _Variable:
    given = subdataset(str(source.path))
    path, wanted = given if given else (str(source.path).rstrip("/"), source.variable)
    where = gdal_name(path)
    if not is_remote(where) and not where.startswith("/vsi") and not Path(path).exists():
        raise RasterError(f"{path}: no such file; expected a NetCDF file or Zarr store")
    store = _is_store(path) or path.lower().endswith(".zarr")
    names = [name for name in (_arrays(where, wanted) if store else _variables(where)) if not name.endswith(_BOUNDS)]
    if wanted is None and len(names) == 1:
        wanted = names[0]
    if wanted not in names:
        said = "which variable?" if wanted is None else f"no variable {wanted!r}"
        have = f"one of {', '.join(names)}" if len(names) > 1 else "".join(names) or "a file with maps in it"
        raise RasterError(f"{shown(path)}: {said}; expected {have}")
    return _in_zarr(where, wanted) if store else _in_netcdf(where, wanted)


def _variables(where: str) -> list[str]:
    """Variables of a NetCDF file with two dimensions or more."""
    with open_raster(where) as dataset:
        found = [name.rsplit(":", 1)[1] for name in dataset.subdatasets]
        alone = dataset.tags(1).get("NETCDF_VARNAME") if dataset.count and not found else None
    return sorted([*found, *([alone] if alone else [])])


def _arrays(where: str, wanted: str | None) -> list[str]:
    """Arrays of a Zarr store with two dimensions or more."""
    shapes: dict[str, int] = {}
    if is_remote(where):
        try:
            listed = json.loads(read_bytes(f"{where}/.zmetadata"))["metadata"]
        except (RasterError, ValueError, KeyError):
            return [] if wanted is None else [wanted]  # no list of what is in it: the array itself will tell
        shapes = {key.removesuffix("/.zarray"): len(value["shape"]) for key, value in listed.items() if key.endswith("/.zarray")}
    for file in [*Path(where).glob("*/.zarray"), *Path(where).glob("*/zarr.json")] if not is_remote(where) else []:
        try:
            shapes[file.parent.name] = len(json.loads(file.read_text(encoding="utf-8")).get("shape", ()))
        except ValueError as error:
            raise RasterError(f"{file}: not JSON ({error}); expected the description of an array") from error
    return sorted(name for name, dims in shapes.items() if dims >= 2)


def _in_netcdf(where: str, name: str) -> _Variable:
    address = f'NETCDF:"{where}":{name}'
    with open_raster(address) as dataset, network(where):
        tags: dict[str, dict[str, str]] = {}
        for key, value in dataset.tags().items():
            owner, mark, attribute = key.partition("#")
            if mark:
                tags.setdefault(owner, {})[attribute] = value
        extra = dataset.tags().get("NETCDF_DIM_EXTRA", "").strip("{}")
    return _Variable(address, name, f'NETCDF:"{where}":', tuple(part for part in extra.split(",") if part), tags)


def _in_zarr(where: str, name: str) -> _Variable:
    known = _zarr_attributes(where, name)
    dims = tuple(str(dim) for dim in known.get("_ARRAY_DIMENSIONS", ()))
    if not known and is_remote(where):
        raise RasterError(f"{shown(where)}: no array {name!r} that names its dimensions; expected one, as xarray writes it")
    if len(dims) < 2:
        raise RasterError(f"{shown(where)}: {name} does not name its dimensions; expected an array with coordinates, as xarray writes it")
    if len(dims) > 3:
        raise RasterError(f"{shown(where)}: {name} has dimensions {', '.join(dims)}; expected at most one beside y and x")
    tags = {dim: {key: str(value) for key, value in _zarr_attributes(where, dim).items()} for dim in dims}
    if known.get("_zarr_3"):
        _check_version_3(where, name)
    return _Variable(f'ZARR:"{where}":/{name}', name, f'ZARR:"{where}":/', dims, tags, known, bool(known.get("_zarr_3")))


def _check_version_3(where: str, name: str) -> None:
    """GDAL of late 2024 does not know the final form of version 3."""
    try:
        open_raster(f'ZARR:"{where}":/{name}').close()
    except RasterError as error:
        found = f"a Zarr store of version 3, which GDAL {rasterio.__gdal_version__} cannot read here"
        raise RasterError(f"{shown(where)}: {found}; expected version 2, or NetCDF") from error


def _zarr_attributes(root: str, name: str) -> dict[str, Any]:
    """Attributes of an array, with the names of its dimensions, in version 2 or 3 of the format."""
    try:
        told = json.loads(read_bytes(f"{root}/{name}/zarr.json"))
        dims = told.get("dimension_names") or ()
        return {**told.get("attributes", {}), "_ARRAY_DIMENSIONS": dims, "_dtype": told.get("data_type"), "_zarr_3": True}
    except RasterError:
        pass
    except ValueError as error:
        raise RasterError(f"{shown(root)}: the description of {name} cannot be read ({error}); expected a whole store") from error
    try:
        return dict(json.loads(read_bytes(f"{root}/{name}/.zattrs")))
    except (RasterError, ValueError):
        return {}


def _nodata(attributes: Mapping[str, Any]) -> float | None:
    """What means "no value" in version 3, where the fill value is for chunks that are not there, not for values."""
    told = attributes.get("_FillValue", attributes.get("missing_value"))
    if isinstance(told, str):
        try:
            return float(np.frombuffer(base64.b64decode(told), dtype=np.float64)[0])
        except (ValueError, IndexError):
            return None
    return None if told is None else float(told)


def _coordinates(variable: _Variable, name: str) -> NDArray[np.float64]:
    with open_raster(f"{variable.own}{name}") as dataset:
        values: NDArray[np.float64] = dataset.read(1).astype(np.float64)
        scale, offset = dataset.scales[0], dataset.offsets[0]
    return np.asarray((values[0] if len(values) == 1 else values) * scale + offset)


def _place(
    variable: _Variable, crs: CRS | None, transform: Affine, size: tuple[int, int]
) -> tuple[Affine, CRS, tuple[str, ...]]:
    """Geotransform of the cells as GDAL reads them, and their CRS."""
    what = f"{shown(_file(variable))}: {variable.name}"
    lon = _axis(variable, _EAST, "longitude", "projection_x_coordinate")
    lat = _axis(variable, _NORTH, "latitude", "projection_y_coordinate")
    if variable.own.startswith("ZARR"):
        lat, lon = variable.dims[-2:]
    if lon is None or lat is None:
        if crs is not None and not transform.is_identity:
            return transform, crs, ()
        found = "no coordinates that tell where its cells lie"
        raise RasterError(f"{what}: {found}; expected lon and lat in degrees_east and degrees_north, or a CRS")
    try:
        east, north = _coordinates(variable, lon), _coordinates(variable, lat)
    except RasterError as error:
        raise RasterError(f"{what}: the coordinates {lon} and {lat} are not in it; expected one for each row and column") from error
    degrees = all(
        variable.tags.get(name, {}).get("units", "").lower() in units for name, units in ((lon, _EAST), (lat, _NORTH))
    )
    if crs is None and not degrees:
        units = ", ".join(f"{name} in {variable.tags.get(name, {}).get('units') or 'no unit'}" for name in (lon, lat))
        raise RasterError(f"{what}: no coordinate reference system, and {units}; expected one, or degrees_east and degrees_north")
    if east.shape != (size[1],) or north.shape != (size[0],):
        raise RasterError(f"{what}: {lon} and {lat} are not one for each column and row (a curved grid?); expected a regular grid")
    first_x, step_x = _even(east, f"{what}: {lon}", 360.0 if degrees else None)
    first_y, step_y = _even(north, f"{what}: {lat}", None)
    if not variable.own.startswith("ZARR") and step_y > 0:  # GDAL turns NetCDF so that the north comes first
        first_y, step_y = first_y + (len(north) - 1) * step_y, -step_y
    place = Affine(step_x, 0.0, first_x - 0.5 * step_x, 0.0, step_y, first_y - 0.5 * step_y)
    notes = () if crs is not None else ("no CRS in the file: longitude and latitude taken for WGS 84",)
    return place, crs if crs is not None else CRS("EPSG:4326"), notes


def _file(variable: _Variable) -> str:
    found = subdataset(variable.address)
    return found[0] if found else variable.address


def _axis(variable: _Variable, units: tuple[str, ...], *names: str) -> str | None:
    for name, tags in variable.tags.items():
        if tags.get("units", "").lower() in units or tags.get("standard_name", "").lower() in names:
            return name
    return None


def _even(values: NDArray[np.float64], what: str, turn: float | None) -> tuple[float, float]:
    """First coordinate and step of evenly spaced coordinates."""
    if len(values) < 2 or not np.isfinite(values).all():
        raise RasterError(f"{what}: {len(values)} coordinates; expected two or more, all of them numbers")
    values = values if turn is None else np.unwrap(values, period=turn)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    off = np.abs(values - (values[0] + step * np.arange(len(values))))
    if step == 0.0 or off.max() > max(UNEVEN * abs(step), 1e-7 * float(np.abs(values).max())):
        steps = np.abs(np.diff(values))
        raise RasterError(f"{what}: steps from {steps.min():.6g} to {steps.max():.6g}; expected even ones")
    return float(values[0]), step


def _bands(variable: _Variable, source: Source, count: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Bands that are meant, and what is to be said of them."""
    what = shown(_file(variable))
    if source.time is None and source.months is None:
        return _one_band(variable, source, count, what)
    extra = [dim for dim in variable.dims if not variable.own.startswith("ZARR") or dim not in variable.dims[-2:]]
    if len(extra) != 1:
        have = ", ".join(extra) or "none"
        raise RasterError(f"{what}: dimensions of {variable.name} beside y and x: {have}; expected time and no other")
    days = _days(variable, extra[0], what)
    try:
        steps = calendars.chosen(days, source.time, source.months)
    except ValueError as error:
        raise RasterError(f"{what}: {error}") from error
    if not steps:
        months = "" if source.months is None else f" in the months {', '.join(map(str, source.months))}"
        asked = f"{source.time or 'any time'}{months}"
        raise RasterError(f"{what}: no time step of {variable.name} in {asked}; expected part of {_span(days)}")
    picked = [days[step] for step in steps]
    note = f"time step {calendars.text(picked[0])}" if len(steps) == 1 else f"mean of {_span(picked)}"
    return tuple(step + 1 for step in steps), (note,)


def _one_band(variable: _Variable, source: Source, count: int, what: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    timed = [dim for dim in variable.dims if "since" in variable.tags.get(dim, {}).get("units", "")]
    if count > 1 and timed and source.band == 1:
        have = _span(_days(variable, timed[0], what))
        raise RasterError(f"{what}: which time? {variable.name} has {have}; expected time, such as time: 1990")
    if not 1 <= source.band <= count:
        raise RasterError(f"{what}: no band {source.band}; expected one of 1 to {count}")
    return (source.band,), (() if count == 1 else (f"band {source.band} of {count}",))


def _days(variable: _Variable, dim: str, what: str) -> list[calendars.Day]:
    tags = variable.tags.get(dim, {})
    try:
        values = np.ravel(_coordinates(variable, dim))
        return calendars.dates(values, tags.get("units", ""), tags.get("calendar", "standard"))
    except (ValueError, RasterioError, RasterError) as error:
        raise RasterError(f"{what}: {dim} of {variable.name}: {error}") from error


def _span(days: list[calendars.Day]) -> str:
    return f"{len(days)} time steps, {calendars.text(min(days))} to {calendars.text(max(days))}"
