"""Rasters as people have them, through `edaphic check` and the reading of maps: the right values, or one line that says what to mend."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from edaphic import cli, covariates, recipe, run
from edaphic.covariates import Window
from edaphic.covariates.window import apply, transformer
from edaphic.errors import RasterError
from edaphic.stages import grid_of, sources_of

UTM = "EPSG:32633"
CELL, WEST, NORTH = 250.0, 500000.0, 4790000.0
ROWS, COLS = 40, 50
OURS = Affine(CELL, 0.0, WEST, 0.0, -CELL, NORTH)
ROW, COL = np.indices((ROWS, COLS))
BASE = (100.0 * ROW + COL + 1.0).astype(np.float32)
"""A number for each cell that tells its row and column, which float32 and int16 hold exactly."""

Array = NDArray[Any]
Command = Callable[..., tuple[int, list[str], str]]
Told = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A bad raster: ``make`` writes it into a folder and gives the keys of its layer, the path relative to the folder."""

    make: Callable[[Path], Told]
    expected: Array | str
    change: Callable[[Told, Path], object] = field(default=lambda told, folder: None)
    near: float = 0.0


AFTER = ("scales", "offsets", "units", "gcps", "rpcs", "mask", "colormap")
"""What is written once the file stands."""


def put(folder: Path, values: Array, name: str = "bad.tif", **how: Any) -> Told:
    """A GeoTIFF on the lattice of the grid unless told otherwise."""
    array = values[None] if values.ndim == 2 else values
    after = {key: how.pop(key) for key in AFTER if key in how}
    count, height, width = array.shape
    known = dict(driver="GTiff", width=width, height=height, count=count, dtype=array.dtype, crs=UTM, transform=OURS) | how
    with rasterio.open(folder / name, "w", **{key: value for key, value in known.items() if value is not None}) as file:
        file.write(array)
        for key in AFTER[:5]:
            if key in after:
                setattr(file, key, after[key])
        if "colormap" in after:
            file.write_colormap(1, after["colormap"])
        if "mask" in after:
            file.write_mask(after["mask"])
    return {"path": name}


def plain(**how: Any) -> Callable[[Path], Told]:
    """The numbers of BASE, written in some way; ``values`` and ``keys`` of the layer where they differ."""
    values, keys = how.pop("values", BASE), how.pop("keys", {})
    return lambda folder: put(folder, values, **how) | keys


def cut(size: int | float, **how: Any) -> Callable[[Path], Told]:
    """The first bytes, or the first share of the bytes, of a good file."""

    def make(folder: Path) -> Told:
        told = put(folder, np.random.default_rng(1).normal(size=(ROWS, COLS)).astype(np.float32), **how)
        raw = (folder / "bad.tif").read_bytes()
        (folder / "bad.tif").write_bytes(raw[: size if isinstance(size, int) else int(size * len(raw))])
        return told

    return make


VRT = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{crs}</SRS><GeoTransform>{place}</GeoTransform>
<VRTRasterBand dataType="{dtype}" band="1">{nodata}<SimpleSource><SourceFilename relativeToVRT="1">{source}</SourceFilename>
<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="{cols}" ySize="{rows}"/>
<DstRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/></SimpleSource></VRTRasterBand></VRTDataset>"""
PLACE = f"{WEST}, {CELL}, 0, {NORTH}, 0, -{CELL}"


def virtual(values: Array | None = BASE, **how: Any) -> Callable[[Path], Told]:
    """A virtual raster over ``inner.tif``; without values there is no such file."""
    keys = how.pop("keys", {})

    def make(folder: Path) -> Told:
        rows, cols = (ROWS, COLS) if values is None else values.shape
        if values is not None:
            put(folder, values, "inner.tif")
        known = dict(width=cols, height=rows, rows=rows, cols=cols, crs=UTM, place=PLACE, dtype="Float32", nodata="", source="inner.tif")
        (folder / "bad.vrt").write_text(VRT.format(**known | how))
        return {"path": "bad.vrt"} | keys

    return make


def where(condition: Array, values: Array = BASE) -> Array:
    """Values where the condition holds, else none."""
    return np.where(condition, values, np.nan).astype(np.float32)


def with_cell(values: Array, dtype: str, odd: float, place: tuple[int, int] = (2, 3)) -> Array:
    """The values as another type, one cell of them odd."""
    out = values.astype(dtype)
    out[place] = odd
    return out


HERE = (ROW == 2) & (COL == 3)
"""The odd cell."""


# Right results ---------------------------------------------------------------------------------------------------------


def tiles_of_two_nodata(folder: Path) -> Told:
    (folder / "tiles").mkdir()
    left, right = BASE[:, :25].astype(np.int16), BASE[:, 25:].astype(np.int16)
    left[0, 0], left[0, 1], right[0, 0], right[0, 1] = -1, 0, 0, -1
    put(folder, left, "tiles/a.tif", nodata=-1)
    put(folder, right, "tiles/b.tif", nodata=0, transform=OURS @ Affine.translation(25, 0))
    return {"path": "tiles", "name": "bad"}


TWO_NODATA = where(~((ROW == 0) & np.isin(COL, (0, 25))))
TWO_NODATA[0, 1], TWO_NODATA[0, 26] = 0, -1


def directory_of_tif(folder: Path) -> Told:
    """Tiles in a folder whose name ends in .tif."""
    (folder / "bad.tif").mkdir()
    put(folder, BASE, "bad.tif/one.tif")
    return {"path": "bad.tif"}


def alpha(folder: Path) -> Told:
    values = np.stack([BASE.astype(np.uint16), np.where(HERE, 0, 65535).astype(np.uint16)])
    return put(folder, values, alpha="YES")


def internal_mask(folder: Path) -> Told:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        return put(folder, BASE, mask=~HERE)


def outer_mask(folder: Path) -> Told:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        return put(folder, BASE, mask=~HERE)


def geographic_west(told: Told, folder: Path) -> None:
    """The landscape and its profiles 30 degrees farther west, on a grid in degrees."""
    sites = pd.read_csv(folder / "sites.csv")
    sites.assign(LON=sites["LON"] - 30).to_csv(folder / "sites.csv", index=False)
    told["grid"] = {"crs": "EPSG:4326", "resolution": 0.01, "bounds": [-15.0, 43.17, -14.84, 43.27]}


FROM_0_TO_360 = np.tile(np.arange(360, dtype=np.int16), (180, 1))
"""On a globe of cells of one degree the longitude of a cell's western side, from 0 to 360."""


def over_the_date_line(told: Told, folder: Path) -> None:
    """A grid of a metric map of the Pacific, across 180 degrees."""
    metres = 6378137.0 * np.pi / 180
    west = 29.0 * metres  # of longitude 150
    told["grid"] = {"crs": "EPSG:3832", "resolution": metres / 4, "bounds": [west, 0.0, west + 2 * metres, metres]}
    sites = pd.read_csv(folder / "sites.csv")
    sites.assign(LON=179.5, LAT=0.5).to_csv(folder / "sites.csv", index=False)


GLOBE = Affine(1.0, 0.0, -180.0, 0.0, -1.0, 90.0)
CODES = np.tile(np.arange(1, 361, dtype=np.int16), (180, 1))


def crs_of(text: str) -> str:
    return str(CRS(text).to_wkt())


ONE_COLUMN_EAST = crs_of("+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0=500250 +y_0=0 +datum=WGS84 +units=m +no_defs")
IN_FEET = crs_of("+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0=500000 +y_0=0 +datum=WGS84 +units=us-ft +no_defs")
FOOT = 1200.0 / 3937.0

RIGHT: dict[str, Case] = {
    "quarter turn": Case(plain(values=np.ascontiguousarray(BASE.T), transform=Affine(0.0, CELL, WEST, -CELL, 0.0, NORTH)), BASE, near=1e-3),
    "first row in the south": Case(plain(values=BASE[::-1], transform=Affine(CELL, 0.0, WEST, 0.0, CELL, NORTH - ROWS * CELL)), BASE),
    "first column in the east": Case(
        plain(values=BASE[:, ::-1], transform=Affine(-CELL, 0.0, WEST + COLS * CELL, 0.0, -CELL, NORTH)), BASE
    ),
    "longitude 0 to 360": Case(
        plain(values=FROM_0_TO_360, crs="EPSG:4326", transform=Affine(1.0, 0.0, 0.0, 0.0, -1.0, 90.0), keys={"resampling": "nearest"}),
        np.full((10, 16), 345.0),
        geographic_west,
    ),
    "over the date line": Case(
        plain(values=CODES, crs="EPSG:4326", transform=GLOBE, keys={"kind": "class"}),
        np.tile(np.repeat([360.0, 1.0], 4), (4, 1)),
        over_the_date_line,
    ),
    "two nodata in two tiles": Case(tiles_of_two_nodata, TWO_NODATA),
    "folder named tif": Case(directory_of_tif, BASE),
    "nodata NaN of whole numbers": Case(
        virtual(with_cell(BASE, "int16", 0), dtype="Int16", nodata="<NoDataValue>nan</NoDataValue>"), np.where(HERE, 0, BASE)
    ),
    "nodata beyond the type": Case(
        virtual(with_cell(BASE, "int16", 0), dtype="Int16", nodata="<NoDataValue>-3.4e38</NoDataValue>"), np.where(HERE, 0, BASE)
    ),
    "nodata -9999 of bytes": Case(virtual((COL + 1).astype(np.uint8), dtype="Byte", nodata="<NoDataValue>-9999</NoDataValue>"), COL + 1.0),
    "nodata of float32, written as rounded": Case(
        plain(values=with_cell(BASE, "float32", np.float32(-3.4e38)), nodata=-3.4e38), where(~HERE)
    ),
    "nodata 0.1 of float32": Case(plain(values=with_cell(BASE, "float32", 0.1), keys={"nodata": 0.1}), where(~HERE)),
    "another nodata given": Case(plain(values=with_cell(BASE, "int16", -1), nodata=5, keys={"nodata": -1}), where(~HERE)),
    "signed bytes": Case(plain(values=(COL - 25).astype(np.int8)), COL - 25.0),
    "signed bytes with nodata": Case(plain(values=with_cell(COL - 25, "int8", -128), nodata=-128), where(~HERE, COL - 25.0)),
    "uint32": Case(plain(values=with_cell(BASE, "uint32", 2**32 - 1), nodata=2**32 - 1), where(~HERE)),
    "int64": Case(
        virtual(with_cell(BASE, "int64", -(2**63)), dtype="Int64", nodata=f"<NoDataValue>{-(2**63)}</NoDataValue>"), where(~HERE)
    ),
    "uint64": Case(plain(values=with_cell(BASE, "uint64", 2**40)), np.where(HERE, np.float32(2**40), BASE)),
    "float64": Case(plain(values=BASE.astype(np.float64) / 3), (BASE.astype(np.float64) / 3).astype(np.float32)),
    "scale and offset tags": Case(
        plain(values=with_cell(BASE, "int16", -32768), nodata=-32768, scales=(0.5,), offsets=(-10.0,)), where(~HERE, BASE * 0.5 - 10)
    ),
    "offset given, scale of the file": Case(plain(scales=(0.5,), offsets=(-10.0,), keys={"offset": 1.0}), BASE * 0.5 + 1),
    "negative scale": Case(plain(values=BASE.astype(np.int16), scales=(-1.0,), offsets=(0.0,)), -BASE),
    "1e38": Case(plain(values=with_cell(BASE, "float32", 1e38)), where(~HERE)),
    "float32's largest": Case(plain(values=with_cell(BASE, "float32", np.finfo(np.float32).max)), where(~HERE)),
    "1e300": Case(plain(values=with_cell(BASE, "float64", 1e300)), where(~HERE)),
    "infinite": Case(plain(values=with_cell(BASE, "float32", -np.inf)), where(~HERE)),
    "too large once scaled": Case(
        plain(values=with_cell(BASE, "float64", 9e29), keys={"scale": 1e10}), where(~HERE, BASE * np.float64(1e10))
    ),
    "one cell": Case(
        plain(values=np.full((1, 1), 7, dtype=np.float32), transform=Affine(2e4, 0.0, WEST - 2e3, 0.0, -2e4, NORTH + 2e3)),
        np.full((ROWS, COLS), 7.0),
    ),
    "one row": Case(plain(values=BASE[5:6], transform=OURS @ Affine.translation(0, 5)), where(ROW == 5)),
    "one column": Case(plain(values=np.ascontiguousarray(BASE[:, 5:6]), transform=OURS @ Affine.translation(5, 0)), where(COL == 5)),
    "half a cell of overlap": Case(
        plain(values=BASE, transform=OURS @ Affine.translation(COLS - 0.5, 0), keys={"resampling": "nearest"}),
        where(COL == COLS - 1, BASE[:, [0]]),
    ),
    "alpha band": Case(alpha, where(~HERE)),
    "mask inside": Case(internal_mask, where(~HERE)),
    "mask beside": Case(outer_mask, where(~HERE)),
    "palette": Case(
        plain(values=(COL % 5).astype(np.uint8), colormap={code: (code, 0, 0, 255) for code in range(5)}, keys={"kind": "class"}),
        COL % 5,
    ),
    "class codes as floats": Case(plain(values=(COL % 7).astype(np.float32), keys={"kind": "class"}), COL % 7),
    "negative class codes": Case(plain(values=(COL % 7 - 3).astype(np.int16), keys={"kind": "class"}), COL % 7 - 3),
    "strips of one row": Case(plain(blockysize=1, compress="deflate"), BASE),
    "blocks larger than the raster": Case(plain(tiled=True, blockxsize=512, blockysize=512, compress="lzw"), BASE),
    "CRS of no authority": Case(plain(crs=ONE_COLUMN_EAST), where(COL < COLS - 1, np.roll(BASE, -1, axis=1)), near=1e-2),
    "CRS in feet": Case(plain(crs=IN_FEET, transform=Affine.scale(1 / FOOT) @ OURS), BASE, near=2e-2),
    "elevation in feet": Case(plain(units=("ft",), keys={"name": "elevation"}), BASE),
    "odd name": Case(lambda folder: put(folder, BASE, "Höhe über NN %20 #1 (a&b).tif"), BASE),
    "blocks that were never written": Case(
        plain(values=np.where(ROW < 16, BASE, 0).astype(np.float32), sparse_ok=True, tiled=True, blockxsize=16, blockysize=16, nodata=0),
        where(ROW < 16),
    ),
    "a million by half a million cells": Case(
        virtual(
            FROM_0_TO_360,
            width=1_000_000,
            height=500_000,
            crs="EPSG:4326",
            place="0, 0.00036, 0, 90, 0, -0.00036",
            dtype="Int16",
            keys={"resampling": "nearest"},
        ),
        np.full((10, 16), 345.0),
        geographic_west,
    ),
    "big-endian": Case(plain(endianness="BIG"), BASE),
    "BigTIFF with predictor": Case(plain(bigtiff="YES", compress="zstd", predictor=3), BASE),
    "bands by pixel": Case(plain(values=np.stack([BASE * 0, BASE]), interleave="pixel", keys={"band": 2}), BASE),
}


def layer_of(path: Path) -> covariates.Stack:
    told = recipe.load(path)
    sources = [entry.source for entry in sources_of(told, path)]
    return covariates.build(sources, grid_of(told, path))


def laid(case: Case, tiny: Any, to: Path) -> Path:
    """A copy of the tiny landscape whose only covariate is the bad raster; gives the recipe."""
    path: Path = tiny.copy(to)
    folder = to / "bad"
    folder.mkdir()
    layer = case.make(folder)
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told["grid"] = {"like": "covariates/noise.tif"}
    told["covariates"]["layers"] = [layer | {"path": f"bad/{layer['path']}"}]
    told["maps"].pop("mask", None)
    told["account"] = {}
    case.change(told, to)
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command line; gives status, lines of faults and screen. GDAL says nothing of its own."""

    def call(*words: object) -> tuple[int, list[str], str]:
        monkeypatch.setattr(sys, "argv", ["edaphic", *map(str, words)])
        capfd.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        screen, said = capfd.readouterr()
        assert "Traceback" not in said, said
        lines = said.splitlines()
        strange = [line for line in lines if not re.match(r"edaphic: |[a-z]+: |  ", line)]
        assert not strange, strange
        return status, [line for line in lines if line.startswith("edaphic: ")], screen

    return call


@pytest.mark.parametrize("name", RIGHT)
def test_right_result(name, tiny, tmp_path, command, capfd):
    case = RIGHT[name]
    path = laid(case, tiny, tmp_path / "input")
    status, faults, _ = command("check", path)
    assert (status, faults) == (0, [])
    stack = layer_of(path)
    height, width = stack.grid.shape
    values = stack.read(Window(0, 0, height, width))[0]
    expected = np.asarray(case.expected, dtype=np.float32)
    np.testing.assert_allclose(values, expected, rtol=0, atol=case.near)
    parts = [stack.read(part)[0] for part in covariates.windows(stack.grid, 7)]
    assert all(
        np.array_equal(part, values[w.slices], equal_nan=True) for part, w in zip(parts, covariates.windows(stack.grid, 7), strict=True)
    )
    row, col = np.indices((height, width)).reshape(2, -1)
    x, y = apply(stack.grid.affine, col + 0.5, row + 0.5)
    lon, lat = transformer(stack.grid.crs, CRS("EPSG:4326")).transform(x, y)
    sampled, reason = stack.sample(lon, lat)
    assert np.array_equal(sampled.iloc[:, 0].to_numpy(dtype=np.float32), values.ravel(), equal_nan=True)
    assert ((reason == "") == ~np.isnan(values.ravel())).all()
    assert covariates.describe(stack)["valid_share"].iloc[0] == pytest.approx(np.mean(~np.isnan(expected)))
    assert not capfd.readouterr().err.strip()


# One clear line --------------------------------------------------------------------------------------------------------


def text(folder: Path) -> Told:
    (folder / "bad.tif").write_text("x,y,z\n1,2,3\n")
    return {"path": "bad.tif"}


def empty_folder(folder: Path) -> Told:
    (folder / "bad.tif").mkdir()
    return {"path": "bad.tif"}


def linked_in_a_loop(folder: Path) -> Told:
    (folder / "bad.tif").symlink_to("other.tif")
    (folder / "other.tif").symlink_to("bad.tif")
    return {"path": "bad.tif"}


def linked_to_nothing(folder: Path) -> Told:
    (folder / "bad.tif").symlink_to("nothing.tif")
    return {"path": "bad.tif"}


def unknown_codec(folder: Path) -> Told:
    """A file whose tag of compression names none that exists."""
    told = put(folder, BASE)
    raw = bytearray((folder / "bad.tif").read_bytes())
    place = raw.index(b"\x03\x01\x03\x00\x01\x00\x00\x00")  # tag 259, one short
    raw[place + 8 : place + 10] = (61234).to_bytes(2, "little")
    (folder / "bad.tif").write_bytes(bytes(raw))
    return told


def points_only(folder: Path) -> Told:
    points = [GroundControlPoint(row, col, WEST + CELL * col, NORTH - CELL * row) for row in (0, 40) for col in (0, 50)]
    return put(folder, BASE, crs=None, transform=None, gcps=(points, rasterio.crs.CRS.from_epsg(32633)))


def rational_polynomials(folder: Path) -> Told:
    some = [1.0, *[0.0] * 19]
    rpcs = RPC(
        height_off=0,
        height_scale=1,
        lat_off=43.2,
        lat_scale=0.1,
        long_off=15,
        long_scale=0.1,
        line_off=20,
        line_scale=20,
        samp_off=25,
        samp_scale=25,
        line_num_coeff=some,
        line_den_coeff=some,
        samp_num_coeff=some,
        samp_den_coeff=some,
    )
    return put(folder, BASE, crs=None, transform=None, rpcs=rpcs)


def two_variables(folder: Path) -> Told:
    xr = pytest.importorskip("xarray")
    y, x = NORTH - CELL * (np.arange(ROWS) + 0.5), WEST + CELL * (np.arange(COLS) + 0.5)
    named = {name: (("y", "x"), BASE) for name in ("rain", "snow")}
    xr.Dataset(named, coords={"y": y, "x": x}).to_netcdf(folder / "bad.nc")
    return {"path": "bad.nc"}


def of_itself(folder: Path) -> Told:
    return virtual(None, source="bad.vrt")(folder)


def without_leave(folder: Path) -> Told:
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("the owner of the machine may read everything")
    told = put(folder, BASE)
    (folder / "bad.tif").chmod(0)
    return told


def swapped(folder: Path) -> Told:
    """Latitude where longitude should stand."""
    return put(folder, BASE, crs="EPSG:4326", transform=Affine(0.002, 0.0, 43.17, 0.0, -0.002, 15.16))


def resolution(value: float, **grid: Any) -> Callable[[Told, Path], None]:
    def change(told: Told, folder: Path) -> None:
        told["grid"] = {"crs": UTM, "bounds": [WEST, NORTH - ROWS * CELL, WEST + COLS * CELL, NORTH], "resolution": value} | grid

    return change


DEGREES = {"crs": "EPSG:4326", "bounds": [15.0, 43.17, 15.16, 43.27]}
AT = r"^edaphic: recipe\.yaml:\d+: "
IN_PLACE = AT + r"covariates\.layers\[0\]: bad: \S*"
IN_BAD = IN_PLACE + r"bad/bad\.(tif|vrt|nc): .*; expected "

LINE: dict[str, Case] = {
    "no CRS": Case(plain(crs=None), IN_BAD + "a raster with a CRS"),
    "no geotransform": Case(plain(transform=None), IN_BAD + "a raster that says where"),
    "geotransform of NaN": Case(virtual(place="nan, 250, 0, nan, 0, -250"), IN_BAD + ".*where its cells lie"),
    "cells of no size": Case(virtual(place=f"{WEST}, 0, 0, {NORTH}, 0, 0"), IN_BAD + ".*where its cells lie"),
    "cells of no height": Case(virtual(place=f"{WEST}, 250, 0, {NORTH}, 0, 0"), IN_BAD + ".*where its cells lie"),
    "local CRS": Case(plain(crs='LOCAL_CS["mine",UNIT["metre",1]]'), IN_BAD + "a geographic or projected CRS"),
    "complex numbers": Case(plain(values=BASE.astype(np.complex64)), IN_BAD + "real numbers"),
    "no overlap": Case(plain(transform=OURS @ Affine.translation(200, 0)), IN_PLACE + r": no overlap .*expected part of"),
    "touches the grid": Case(plain(transform=OURS @ Affine.translation(COLS, 0)), IN_PLACE + r": no overlap .*expected part of"),
    "less than half a cell of overlap": Case(
        plain(transform=OURS @ Affine.translation(COLS - 0.4, 0)), IN_PLACE + r": no overlap .*expected part of"
    ),
    "latitude before longitude": Case(swapped, IN_PLACE + r": no overlap .*expected part of"),
    "a band too few": Case(plain(keys={"band": 3}), IN_BAD + "one of 1 to 1"),
    "band 0": Case(plain(keys={"band": 0}), r"recipe\.yaml:\d+: .*band.*0.*; expected"),
    "data cut short": Case(cut(0.6), IN_BAD + "a whole file"),
    "compressed data cut short": Case(cut(0.9, compress="deflate", tiled=True, blockxsize=16, blockysize=16), IN_BAD + "a whole file"),
    "header cut short": Case(cut(6), IN_BAD + "a whole one"),
    "directory cut short": Case(cut(40), IN_BAD + "a whole one"),
    "no bytes": Case(cut(0), IN_BAD + "a whole one"),
    "text": Case(text, IN_BAD + "a whole one"),
    "empty folder": Case(empty_folder, IN_BAD + "tiles"),
    "loop of links": Case(linked_in_a_loop, r"^edaphic: .*bad\.tif.*; expected a file that exists"),
    "link to nothing": Case(linked_to_nothing, r"^edaphic: .*bad\.tif.*; expected a file that exists"),
    "virtual raster of a missing file": Case(virtual(None, source="gone.tif"), IN_PLACE + r": .*gone\.tif.*; expected "),
    "virtual raster of itself": Case(of_itself, IN_BAD),
    "virtual raster without end": Case(
        lambda folder: (folder / "bad.vrt").write_text("<VRTDataset raster") and {"path": "bad.vrt"}, IN_BAD
    ),
    "virtual raster of no cells": Case(virtual(width=0, height=0), IN_BAD),
    "a scale of 0": Case(plain(values=BASE.astype(np.int16), scales=(0.0,), offsets=(0.0,)), IN_BAD + ".*scale that is not 0"),
    "a scale of NaN": Case(plain(values=BASE.astype(np.int16), scales=(np.nan,), offsets=(0.0,)), IN_BAD + "finite numbers"),
    "nodata given that cannot be": Case(plain(values=BASE.astype(np.uint16), keys={"nodata": -1}), IN_BAD + "one that can"),
    "nodata NaN given for whole numbers": Case(plain(values=BASE.astype(np.uint16), keys={"nodata": float("nan")}), "nodata.*expected"),
    "scaled codes": Case(plain(values=BASE.astype(np.int16), scales=(0.1,), offsets=(0.0,), keys={"kind": "class"}), IN_BAD + "codes as"),
    "unknown compression": Case(unknown_codec, IN_BAD),
    "control points only": Case(points_only, IN_BAD + "a raster with a CRS"),
    "rational polynomials only": Case(rational_polynomials, IN_BAD + "a raster with a CRS"),
    "which variable": Case(two_variables, IN_PLACE + r"bad\.nc: which variable\?; expected one of rain, snow"),
    "no leave to read": Case(without_leave, IN_BAD),
    "-9999 without a tag": Case(plain(values=with_cell(BASE, "float32", -9999)), r"bad: .*-9999.*; expected nodata"),
    "20,000 cells along each cell of the map": Case(
        virtual(width=1_000_000, height=800_000, place=f"{WEST}, 0.0125, 0, {NORTH}, 0, -0.0125"), IN_BAD
    ),
    "a resolution of a billionth": Case(plain(), AT + r"grid.resolution: .*; expected a coarser resolution", resolution(1e-9)),
    "metres for degrees": Case(
        plain(), AT + r"grid.resolution: 250 x 250 .*; expected less than the extent", resolution(250, **DEGREES)
    ),
    "degrees for metres": Case(plain(), AT + r"grid.resolution: 0.0025 .*; expected a coarser resolution", resolution(0.0025)),
    "a grid from 170 to 190": Case(
        plain(), AT + r"grid: longitude .*; expected -180 to 180", resolution(0.1, crs="EPSG:4326", bounds=[170, 0, 190, 10])
    ),
}


@pytest.mark.parametrize("name", LINE)
def test_one_line_before_the_work(name, tiny, tmp_path, command):
    case = LINE[name]
    path = laid(case, tiny, tmp_path / "input")
    status, faults, screen = command("check", path)
    assert (status, len(faults), screen) == (2, 1, ""), (faults, screen)
    assert re.search(str(case.expected), faults[0]), faults
    assert command("run", path, "-o", tmp_path / "run") == (2, faults, "")
    assert not (tmp_path / "run").exists()


LATE: dict[str, Case] = {
    "class code 1.5": Case(plain(values=with_cell(COL % 7, "float32", 1.5), keys={"kind": "class"}), r"value 1\.5; expected class codes"),
    "class code of four thousand million": Case(
        plain(values=with_cell(COL % 7, "uint32", 4_000_000_000), keys={"kind": "class"}), r"value 4e\+09; expected class codes"
    ),
    "no cell has a value": Case(plain(values=np.full((ROWS, COLS), -1, dtype=np.int16), nodata=-1), r"expected"),
    "no cell has a number": Case(plain(values=np.full((ROWS, COLS), np.inf, dtype=np.float32)), r"expected"),
}


@pytest.mark.parametrize("name", LATE)
def test_one_line_in_the_work(name, tiny, tmp_path, command):
    case = LATE[name]
    path = laid(case, tiny, tmp_path / "input")
    status, faults, screen = command("run", path, "-o", tmp_path / "run", "--until", "model")
    assert (status, len(faults), screen) == (2, 1, ""), faults
    assert re.search(str(case.expected), faults[0]) and "bad" in faults[0], faults


def test_a_raster_that_is_replaced_or_lost_under_way(tiny, tmp_path):
    path = laid(RIGHT["strips of one row"], tiny, tmp_path / "input")
    run.check(path)
    stack, file = layer_of(path), tmp_path / "input" / "bad" / "bad.tif"
    covariates.close_rasters()
    shutil.copy(file, tmp_path / "kept.tif")
    put(file.parent, np.ones((3, 3), dtype=np.float32))
    with pytest.raises(RasterError, match=r"^bad: \S*bad\.tif: the file has changed since it was described; expected it to stay the same$"):
        stack.read(Window(0, 0, 5, 5))
    file.unlink()
    with pytest.raises(RasterError, match=r"^bad: \S*bad\.tif: no such file; expected a raster$"):
        stack.read(Window(0, 0, 5, 5))
    with pytest.raises(RasterError, match=r"^bad: \S*bad\.tif: no such file; expected a raster$"):
        stack.sample([15.01], [43.2])
    shutil.copy2(tmp_path / "kept.tif", file)
    with pytest.raises(RasterError, match="has changed"):  # its time of change tells another file
        stack.read(Window(0, 0, 5, 5))
    assert np.array_equal(layer_of(path).read(Window(0, 0, 5, 5))[0], BASE[:5, :5])


def test_a_virtual_raster_whose_source_vanishes_never_gives_zeros(tiny, tmp_path):
    """GDAL gives them, without a fault, from the second reading on as long as any virtual raster is open."""
    path = laid(Case(virtual(), BASE), tiny, tmp_path / "input")
    folder = path.parent / "bad"
    (folder / "other").mkdir()
    virtual()(folder / "other")
    stack = layer_of(path)
    other = covariates.build([covariates.Source("other", folder / "other" / "bad.vrt")], stack.grid)
    corner = Window(0, 0, 5, 5)
    assert np.array_equal(other.read(corner), stack.read(corner))
    os.rename(folder / "inner.tif", folder / "away.tif")
    for _ in range(3):
        with pytest.raises(RasterError, match=r"^bad: \S*bad\.vrt: .*inner\.tif.*; expected [^\n]*$"):
            stack.read(corner)
        assert np.array_equal(other.read(corner)[0], BASE[:5, :5])
    assert covariates.check_sources([layer.source for layer in stack.layers])[0].endswith("expected the files that it is made of")
    os.rename(folder / "away.tif", folder / "inner.tif")
    assert np.array_equal(stack.read(corner)[0], BASE[:5, :5])


def test_a_raster_that_is_written_over_while_it_is_open(tiny, tmp_path):
    path = laid(RIGHT["strips of one row"], tiny, tmp_path / "input")
    stack, file = layer_of(path), path.parent / "bad" / "bad.tif"
    stack.read(Window(0, 0, 5, 5))
    put(file.parent, BASE + 1, "new.tif", blockysize=1, compress="deflate")
    file.write_bytes((file.parent / "new.tif").read_bytes())  # the same file for the system, with other numbers in it
    for row in (0, 30):
        with pytest.raises(RasterError, match=r"^bad: \S*bad\.tif: "):
            stack.read(Window(row, 0, 5, 5))
