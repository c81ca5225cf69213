"""Variables of NetCDF files and Zarr stores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine

from edaphic.covariates.calendars import dates
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.grid import grid_from_bounds
from edaphic.covariates.sources import Layer, open_layer
from edaphic.covariates.window import Window
from edaphic.errors import RasterError

LON, LAT = np.arange(2.5, 360, 5.0), np.arange(-87.5, 90, 5.0)
"""Cell centres; longitude from 0 to 360, the south first."""
DAYS = np.array([15.0, 45.0, 74.0, 380.0])  # 16 January, 15 February and 16 March 1990, 16 January 1991
NUMBERS = np.random.default_rng(30).integers(0, 1000, size=(4, 36, 72)).astype("int16")
NUMBERS[:, :3] = -999
GLOBE = grid_from_bounds("EPSG:4326", 5, (-180, -90, 180, 90))


def whole(layer: Layer) -> np.ndarray:
    return layer.read(Window(0, 0, *layer.grid.shape))


def as_on_globe(values: np.ndarray) -> np.ndarray:
    """The north first, and from 180 degrees west."""
    return np.roll(values[::-1], 36, axis=1)


def dataset(lon=LON, lat=LAT, numbers=NUMBERS, calendar="standard", lon_units=None) -> xarray.Dataset:
    attributes = {"scale_factor": 0.1, "add_offset": 5.0, "_FillValue": np.int16(-999), "units": "degC"}
    time = {"units": "days since 1990-01-01", "calendar": calendar}
    return xarray.Dataset(
        {"tas": (("time", "lat", "lon"), numbers, attributes), "orog": (("lat", "lon"), numbers[0].astype("float32"), {"units": "m"})},
        coords={
            "time": ("time", DAYS, time),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, lon_units or {"units": "degrees_east"}),
        },
    )


def zarr2(path: Path, values: xarray.Dataset) -> Path:
    """A store of version 2, as the format's description has it."""
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    for name, array in values.variables.items():
        (path / str(name)).mkdir()
        attributes = dict(array.attrs)
        fill = attributes.pop("_FillValue", None)
        head = {"zarr_format": 2, "shape": array.shape, "chunks": array.shape, "dtype": array.values.dtype.str, "compressor": None}
        head |= {"fill_value": None if fill is None else int(fill), "order": "C", "filters": None}
        (path / str(name) / ".zarray").write_text(json.dumps(head))
        (path / str(name) / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": array.dims, **attributes}))
        (path / str(name) / ".".join("0" * array.ndim)).write_bytes(array.values.tobytes())
    return path


def zarr3(path: Path, values: xarray.Dataset) -> Path:
    """A store of version 3."""
    path.mkdir()
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    for name, array in values.variables.items():
        attributes = {key: value.item() if hasattr(value, "item") else value for key, value in array.attrs.items()}
        head = {"zarr_format": 3, "node_type": "array", "shape": array.shape, "data_type": str(array.dtype), "fill_value": 0}
        head |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": array.shape}}}
        head |= {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}}
        head |= {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "dimension_names": array.dims}
        chunk = path / str(name) / "c" / "/".join("0" * array.ndim)
        chunk.parent.mkdir(parents=True)
        chunk.write_bytes(array.values.tobytes())
        (path / str(name) / "zarr.json").write_text(json.dumps({**head, "attributes": attributes}))
    return path


def netcdf(path: Path, values: xarray.Dataset) -> Path:
    values.to_netcdf(path, engine="scipy")
    return path


@pytest.fixture(params=["netcdf", "zarr2"])
def store(request, tmp_path):
    """Write a dataset in one of the formats."""
    make = {"netcdf": netcdf, "zarr2": zarr2}[request.param]
    return lambda values: make(tmp_path / ("a.nc" if request.param == "netcdf" else "a.zarr"), values)


def fault(source: Source) -> str:
    with pytest.raises(RasterError) as caught:
        facts(source)
    assert len(caught.value.faults) == 1
    return str(caught.value)


# --- Values -----------------------------------------------------------------------------------------------------------


def test_a_time_step_with_scale_fill_unit_and_place(store) -> None:
    path = store(dataset())
    layer = open_layer(Source("t", path, variable="tas", time="1990-02"), GLOBE)
    stored = as_on_globe(NUMBERS[1]).astype(float)
    np.testing.assert_allclose(whole(layer), np.where(stored == -999, np.nan, stored * 0.1 + 5), rtol=1e-6)
    known = layer.facts
    assert (known.unit, known.scale, known.offset, known.crs_name) == ("degC", 0.1, 5.0, "EPSG:4326")
    assert known.notes == ("variable tas", "no CRS in the file: longitude and latitude taken for WGS 84", "time step 1990-02-15")


def test_the_mean_over_a_period_and_over_months(store) -> None:
    numbers = NUMBERS.copy()
    numbers[1:, 20, 20], numbers[2:, 20, 21] = -999, -999  # one of four, two of four
    path = store(dataset(numbers=numbers))
    values = np.where(numbers == -999, np.nan, numbers * 0.1 + 5)
    found = whole(open_layer(Source("t", path, variable="tas", time="1990/1991"), GLOBE))
    with np.errstate(invalid="ignore"):
        expected = np.where(np.isfinite(values).sum(axis=0) >= 2, np.nansum(values, axis=0) / np.isfinite(values).sum(axis=0), np.nan)
    np.testing.assert_allclose(found, as_on_globe(expected), rtol=1e-6)
    january = open_layer(Source("t", path, variable="tas", months=(1,)), GLOBE)
    assert january.facts.notes[-1] == "mean of 2 time steps, 1990-01-16 to 1991-01-16"
    np.testing.assert_allclose(whole(january)[5], as_on_globe(values[[0, 3]].mean(axis=0))[5], rtol=1e-6)


def test_a_variable_without_time_and_one_that_need_not_be_named(tmp_path) -> None:
    path = netcdf(tmp_path / "a.nc", dataset())
    np.testing.assert_array_equal(whole(open_layer(Source("z", path, variable="orog"), GLOBE)), as_on_globe(NUMBERS[0]))
    alone = netcdf(tmp_path / "b.nc", dataset()[["orog"]])
    assert whole(open_layer(Source("z", alone), GLOBE)).shape == (36, 72)
    assert open_layer(Source("z", f'NETCDF:"{path}":orog'), GLOBE).facts.notes[0] == "variable orog"


def test_the_north_first_or_the_south_first_is_the_same(store) -> None:
    path = store(dataset(lat=LAT[::-1], numbers=NUMBERS[:, ::-1]))
    found = whole(open_layer(Source("t", path, variable="tas", time="1991"), GLOBE))
    stored = as_on_globe(NUMBERS[3]).astype(float)
    np.testing.assert_allclose(found, np.where(stored == -999, np.nan, stored * 0.1 + 5), rtol=1e-6)


def test_longitudes_that_jump_at_the_date_line(store) -> None:
    path = store(dataset(lon=np.where(LON > 180, LON - 360, LON)))
    layer = open_layer(Source("z", path, variable="orog"), GLOBE)
    np.testing.assert_array_equal(whole(layer), as_on_globe(NUMBERS[0]))


def test_coordinates_rounded_to_float32(tmp_path) -> None:
    lon, lat = (np.arange(40) / 120 + 20.004).astype("float32"), (41.896 - np.arange(30) / 120).astype("float32")
    values = np.arange(1200.0).reshape(30, 40)
    data = xarray.Dataset(
        {"v": (("lat", "lon"), values)},
        coords={"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})},
    )
    known = facts(Source("v", netcdf(tmp_path / "a.nc", data)))
    assert known.resolution == pytest.approx((1 / 120, 1 / 120), rel=1e-4)
    for ascending in (False, True):
        path = netcdf(tmp_path / f"{ascending}.nc", data.isel(lat=slice(None, None, -1)) if ascending else data)
        grid = grid_from_bounds("EPSG:4326", 1 / 120, (20.0, 41.7, 20.2, 41.9))
        cell = whole(open_layer(Source("v", path, resampling="nearest"), grid))[0, 0]
        assert cell == values[0, 0]


def test_a_projected_variable_with_its_grid_mapping(raster, tmp_path) -> None:
    values = np.arange(12.0, dtype="float32").reshape(3, 4)
    path = tmp_path / "a.nc"
    rasterio.shutil.copy(str(raster("a.tif", values)), str(path), driver="netCDF")
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4599970, 500040, 4600000))
    layer = open_layer(Source("a", path), grid)
    assert layer.resampling == "none" and layer.facts.crs.epsg == 32634
    np.testing.assert_array_equal(whole(layer), values)


def test_netcdf_4_written_by_gdal(raster, tmp_path) -> None:
    """Chunks, and a codec; the coordinates are those of the geotransform."""
    values = np.random.default_rng(31).normal(size=(30, 40)).astype("float32")
    path = raster("a.tif", values, Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326")
    rasterio.shutil.copy(str(path), str(tmp_path / "a.nc"), driver="netCDF", COMPRESS="DEFLATE", FORMAT="NC4")
    layer = open_layer(Source("a", tmp_path / "a.nc"), grid_from_bounds("EPSG:4326", 0.5, (10, 35, 30, 50)))
    np.testing.assert_array_equal(whole(layer), values)


@pytest.mark.parametrize("codec", ["NONE", "ZLIB", "BLOSC", "ZSTD"])
def test_a_zarr_store_written_by_gdal(raster, tmp_path, codec: str) -> None:
    values = np.random.default_rng(31).normal(size=(300, 400)).astype("float32")
    path = raster("a.tif", values, Affine(0.05, 0, 10, 0, -0.05, 50), "EPSG:4326")
    rasterio.shutil.copy(str(path), str(tmp_path / "a.zarr"), driver="Zarr", COMPRESS=codec, BLOCKSIZE="64,64")
    layer = open_layer(Source("a", tmp_path / "a.zarr"), grid_from_bounds("EPSG:4326", 0.05, (10, 35, 30, 50)))
    np.testing.assert_array_equal(whole(layer), values)


def test_version_3_of_zarr_is_read_or_refused(tmp_path) -> None:
    """As the installed GDAL can; its fill value is no missing value."""
    source = Source("z", zarr3(tmp_path / "a.zarr", dataset()), variable="orog")
    try:
        layer = open_layer(source, GLOBE)
    except RasterError as error:
        assert len(error.faults) == 1 and "a Zarr store of version 3, which GDAL" in str(error)
    else:
        np.testing.assert_array_equal(whole(layer), as_on_globe(NUMBERS[0]))


# --- Time -------------------------------------------------------------------------------------------------------------


def test_days_since_the_year_one_are_counted_as_netcdf_does() -> None:
    """Reanalyses count hours from 1-1-1 in the mixed calendar, two days off today's: 1 January 1948 is 17,067,072."""
    assert dates(np.array([17067072.0]), "hours since 1-1-1 00:00:0.0", "standard") == [(1948, 1, 1)]
    assert dates(np.array([17067072.0]), "hours since 1-1-1 00:00:0.0", "proleptic_gregorian") == [(1948, 1, 3)]


def test_units_and_calendars() -> None:
    one = np.array([365.0])
    assert dates(one, "days since 2000-01-01", "standard") == [(2000, 12, 31)]
    assert dates(one, "days since 2000-01-01", "noleap") == [(2001, 1, 1)]
    assert dates(one, "days since 2000-01-01", "all_leap") == [(2000, 12, 31)]
    assert dates(one, "days since 2000-01-01", "360_day") == [(2001, 1, 6)]
    assert dates(np.array([14.0]), "months since 2000-01-15", "standard") == [(2001, 3, 15)]
    assert dates(np.array([2.0]), "years since 1999-07-01", "standard") == [(2001, 7, 1)]
    assert dates(np.array([86399.0, 86400.0]), "seconds since 1970-01-01", "standard") == [(1970, 1, 1), (1970, 1, 2)]
    assert dates(np.array([1.0]), "hours since 1999-12-31 23:00:00", "standard") == [(2000, 1, 1)]
    for unit, calendar in (("fortnights since 2000-01-01", "standard"), ("K", "standard"), ("days since 2000-01-01", "mayan")):
        with pytest.raises(ValueError, match="expected"):
            dates(one, unit, calendar)


# --- Faults -----------------------------------------------------------------------------------------------------------


def test_variables_and_times_that_are_not_there(store) -> None:
    path = store(dataset())
    assert fault(Source("t", path, variable="tmax")) == f"t: {path}: no variable 'tmax'; expected one of orog, tas"
    assert fault(Source("t", path)) == f"t: {path}: which variable?; expected one of orog, tas"
    assert fault(Source("t", path, variable="tas", time="2050")).endswith(
        "no time step of tas in 2050; expected part of 4 time steps, 1990-01-16 to 1991-01-16"
    )
    assert "no time step of tas in 1990 in the months 7, 8" in fault(Source("t", path, variable="tas", time="1990", months=(7, 8)))
    assert "which time? tas has 4 time steps, 1990-01-16 to 1991-01-16" in fault(Source("t", path, variable="tas"))
    assert "time 'soon'; expected a year" in fault(Source("t", path, variable="tas", time="soon"))
    assert "dimensions of orog beside y and x: none" in fault(Source("t", path, variable="orog", time="1990"))
    assert "the mean of 3 time steps of class codes" in fault(
        Source("t", path, kind="class", variable="tas", time="1990", scale=1.0, offset=0.0)
    )


def test_uneven_coordinates_and_units_that_are_no_degrees(store) -> None:
    uneven = LAT.copy()
    uneven[10] += 1.0
    path = store(dataset(lat=uneven))
    assert fault(Source("t", path, variable="orog")).endswith("lat: steps from 4 to 6; expected even ones")


def test_coordinates_without_a_crs(store) -> None:
    path = store(dataset(lon_units={"units": "km"}))
    said = fault(Source("t", path, variable="orog"))
    assert "no coordinate" in said and said.count("expected") == 1


def test_a_store_without_coordinates_and_one_without_names(tmp_path) -> None:
    bare = zarr2(tmp_path / "a.zarr", dataset()[["orog"]].drop_vars(["lon", "lat"]))
    assert "the coordinates lon and lat are not in it" in fault(Source("z", bare, variable="orog"))
    nameless = zarr2(tmp_path / "b.zarr", dataset()[["orog"]])
    (nameless / "orog" / ".zattrs").write_text("{}")
    assert "orog does not name its dimensions" in fault(Source("z", nameless, variable="orog"))


def test_files_that_are_missing_broken_or_without_maps(tmp_path) -> None:
    assert fault(Source("t", tmp_path / "no.nc")).endswith("no.nc: no such file; expected a NetCDF file or Zarr store")
    (tmp_path / "text.nc").write_text("text")
    assert "not a raster that can be read" in fault(Source("t", tmp_path / "text.nc", variable="tas"))
    series = netcdf(tmp_path / "series.nc", xarray.Dataset({"t": (("time",), np.arange(4.0))}))
    assert "not a raster that can be read" in fault(Source("t", series, variable="t"))


def test_curved_grids_are_refused(tmp_path) -> None:
    lon, lat = np.meshgrid(np.arange(8.0), np.arange(6.0))
    data = xarray.Dataset(
        {"v": (("y", "x"), np.ones((6, 8)), {"coordinates": "lon lat"})},
        coords={
            "lon": (("y", "x"), lon + 0.1 * lat, {"units": "degrees_east"}),
            "lat": (("y", "x"), lat, {"units": "degrees_north"}),
        },
    )
    assert "curved" in fault(Source("v", netcdf(tmp_path / "a.nc", data), variable="v"))


def test_time_of_a_raster_without_time(raster) -> None:
    assert "time for a raster without time" in fault(Source("a", raster("a.tif", np.ones((4, 4))), time="1990"))
