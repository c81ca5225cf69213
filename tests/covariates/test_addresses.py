"""Rasters in archives and behind a network; items of a catalogue. The server is of this machine."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from edaphic.covariates import address
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.grid import grid_from_bounds
from edaphic.covariates.handles import stamp
from edaphic.covariates.sources import check_sources, open_any, open_layer
from edaphic.covariates.stack import build, describe
from edaphic.covariates.window import Window
from edaphic.errors import RasterError

GRID = grid_from_bounds("EPSG:32634", 10, (500000, 4599960, 500040, 4600000))
NUMBERS = np.arange(1, 17, dtype="int16").reshape(4, 4)
WHOLE = Window(0, 0, 4, 4)


class _Files(http.server.BaseHTTPRequestHandler):
    """Files of a folder, in ranges, as web servers give them."""

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        self._answer(True)

    def _answer(self, body: bool) -> None:
        self.server.asked.append(self.path)
        path = self.server.folder / self.path.split("?")[0].lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data, size, status = path.read_bytes(), path.stat().st_size, 200
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found and int(found[1]) >= size:
            self.send_error(416)
            return
        if found:
            first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
            data, status = data[first : last + 1], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as serving:
        serving.folder, serving.asked = tmp_path, []
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def url(server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def fault(source: Source) -> str:
    with pytest.raises(RasterError) as caught:
        facts(source)
    assert len(caught.value.faults) == 1 and str(caught.value).startswith(f"{source.name}: ")
    return str(caught.value)


# --- Archives ---------------------------------------------------------------------------------------------------------


def zipped(folder: Path, name: str, *files: Path) -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"in/{file.name}")
    return folder / name


def test_a_raster_in_a_zip_file(raster, tmp_path) -> None:
    one, other = raster("one.tif", NUMBERS), raster("other.tif", NUMBERS * 2)
    alone, both = zipped(tmp_path, "alone.zip", one), zipped(tmp_path, "both.zip", one, other)
    for path in (alone, f"{both}/in/one.tif", f"{both}!in/one.tif", f"/vsizip/{both}/in/one.tif"):
        np.testing.assert_array_equal(open_layer(Source("a", path), GRID).read(WHOLE), NUMBERS)
    assert facts(Source("a", alone)).key[1] == stamp(alone)


def test_zip_files_without_the_raster(raster, tmp_path) -> None:
    path = zipped(tmp_path, "a.zip", raster("one.tif", NUMBERS), raster("other.tif", NUMBERS))
    assert fault(Source("a", f"{path}/in/two.tif")) == (
        f"a: {path}: no file 'in/two.tif' in it (in/one.tif, in/other.tif); expected one that is"
    )
    assert "a zip file with 2 rasters (in/one.tif, in/other.tif); expected the name of one" in fault(Source("a", path))
    (tmp_path / "text.txt").write_text("text")
    assert "with 0 rasters" in fault(Source("a", zipped(tmp_path, "empty.zip", tmp_path / "text.txt")))
    (tmp_path / "broken.zip").write_text("text")
    assert "not a zip file that can be read" in fault(Source("a", tmp_path / "broken.zip"))


def test_polygons_in_a_zip_file(polygons, tmp_path) -> None:
    path = polygons("a.geojson", [shapely.box(21.0, 41.0, 21.1, 42.0)], crs="EPSG:4326", n=[3])
    source = Source("a", f"{zipped(tmp_path, 'a.zip', path)}/in/a.geojson", column="n")
    assert (open_any(source, GRID).read(WHOLE) == 3).all()


# --- Network ----------------------------------------------------------------------------------------------------------


def test_a_raster_by_http(raster, server, url) -> None:
    raster("a.tif", NUMBERS)
    raster("b.tif", NUMBERS)
    zipped(server.folder, "b.zip", server.folder / "b.tif")
    for path in (f"{url}/a.tif", Path(f"{url}/a.tif"), f"/vsicurl/{url}/a.tif", f"{url}/b.zip!in/b.tif", f"{url}/a.tif?token=secret"):
        layer = open_layer(Source("a", path), GRID)
        np.testing.assert_array_equal(layer.read(WHOLE), NUMBERS)
        assert layer.facts.key[1] is None
        assert "secret" not in layer.facts.path
    assert check_sources([Source("a", f"{url}/a.tif")], GRID) == []


def test_only_a_part_of_a_large_file_is_fetched(raster, server, url) -> None:
    values = np.random.default_rng(40).normal(size=(2000, 2000)).astype("float32")
    path = raster("big.tif", values, tiled=True, blockxsize=256, blockysize=256)
    layer = open_layer(Source("a", f"{url}/big.tif"), GRID)
    np.testing.assert_array_equal(layer.read(WHOLE), values[:4, :4])
    assert path.stat().st_size > 16_000_000 and len(server.asked) < 12


def test_a_bucket(raster, server, monkeypatch) -> None:
    """The S3 protocol without a signature, served from this machine."""
    (server.folder / "bucket").mkdir()
    raster("bucket/a.tif", NUMBERS)
    told = {"AWS_NO_SIGN_REQUEST": "YES", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    for key, value in {**told, "AWS_S3_ENDPOINT": f"127.0.0.1:{server.server_address[1]}"}.items():
        monkeypatch.setenv(key, value)
    np.testing.assert_array_equal(open_layer(Source("a", "s3://bucket/a.tif"), GRID).read(WHOLE), NUMBERS)


def test_what_is_not_there_and_who_does_not_answer(url) -> None:
    assert fault(Source("a", f"{url}/no.tif")) == (
        f"a: {url}/no.tif: not a raster that can be read (HTTP response code: 404); expected a whole one, such as a GeoTIFF"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "Failed to connect" in fault(Source("a", f"http://127.0.0.1:{port}/a.tif"))
    assert "not a raster that can be read" in fault(Source("a", "https://nowhere.invalid/a.tif"))


def test_a_server_that_accepts_and_says_nothing_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(address, "NETWORK", {**address.NETWORK, "GDAL_HTTP_TIMEOUT": 1, "GDAL_HTTP_MAX_RETRY": 0})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        said = fault(Source("a", f"http://127.0.0.1:{silent.getsockname()[1]}/a.tif"))
    assert time.monotonic() - begun < 20 and "not a raster that can be read" in said


def test_a_server_that_goes_away_is_one_line(raster, server, url) -> None:
    values = np.random.default_rng(41).normal(size=(1500, 1500)).astype("float32")
    path = raster("a.tif", values, tiled=True, blockxsize=256, blockysize=256)
    grid = grid_from_bounds("EPSG:32634", 10, (500000, 4585000, 515000, 4600000))
    layer = open_layer(Source("a", f"{url}/a.tif?key=secret"), grid)
    path.unlink()
    with pytest.raises(RasterError) as caught:
        layer.read(Window(1000, 1000, 300, 300))
    assert len(caught.value.faults) == 1 and "secret" not in str(caught.value)


def test_passwords_are_never_shown(url) -> None:
    host = url.removeprefix("http://")
    said = fault(Source("a", f"http://me:hunter2@{host}/no.tif?sig=abc&token=def"))
    assert "hunter2" not in said and "abc" not in said and "def" not in said and "/no.tif?..." in said
    said = fault(Source("a", f"http://me:hunter2@{host}/no.json?sig=abc", asset="red"))
    assert "hunter2" not in said and "abc" not in said


# --- STAC items -------------------------------------------------------------------------------------------------------


def item(folder: Path, **assets: dict) -> Path:
    path = folder / "item.json"
    path.write_text(json.dumps({"type": "Feature", "stac_version": "1.1.0", "id": "x", "assets": assets}))
    return path


def test_an_asset_with_what_the_item_says_of_it(raster, tmp_path, server, url) -> None:
    raster("red.tif", NUMBERS)
    band = {"scale": 0.5, "offset": -1, "nodata": 3, "unit": "1"}
    for red in ({"href": "red.tif", "raster:bands": [band]}, {"href": "./red.tif", "bands": [band]}, {"href": "red.tif", **band}):
        path = item(tmp_path, red=red, blue={"href": "no.tif"})
        for where in (path, f"{url}/item.json"):
            layer = open_layer(Source("a", where, asset="red"), GRID)
            np.testing.assert_array_equal(layer.read(WHOLE), np.where(NUMBERS == 3, np.nan, NUMBERS * 0.5 - 1))
            assert (layer.facts.unit, layer.facts.nodata) == ("1", 3)
            assert "scale 0.5 by the STAC item" in layer.facts.notes
    mine = open_layer(Source("a", path, asset="red", scale=1.0, offset=0.0, nodata=-1), GRID)
    np.testing.assert_array_equal(mine.read(WHOLE), NUMBERS)


def test_scale_of_the_item_replaces_that_of_the_file(raster, tmp_path) -> None:
    raster("red.tif", NUMBERS, scales=(0.1,), offsets=(7.0,))
    path = item(tmp_path, red={"href": "red.tif", "raster:bands": [{"scale": 0.5}]})
    np.testing.assert_array_equal(open_layer(Source("a", path), GRID).read(WHOLE), NUMBERS * 0.5)


def test_classes_of_the_item(raster, tmp_path) -> None:
    raster("cover.tif", NUMBERS.astype("uint8"))
    classes = [{"value": 1, "name": "forest"}, {"value": 2, "description": "Open water"}]
    path = item(tmp_path, map={"href": "cover.tif", "classification:classes": classes})
    assert facts(Source("a", path, kind="class")).classes == {1: "forest", 2: "Open water"}
    table = describe(build([Source("a", path, kind="class")], GRID))
    assert table.loc[0, "classes"] == "1=forest; 2=Open water"


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"nodata": "none"}, "nodata 'none'; expected a number"),
        ({"scale": True}, "scale True; expected a number"),
        ({"raster:bands": {"scale": 2}}, "raster:bands is no list; expected an entry for each band"),
        ({"bands": ["red"]}, "bands: 'red' for band 1; expected an object"),
        ({"classification:classes": [{"value": "w"}]}, '{"value": "w"}; expected a value that is a whole number, and a name'),
        ({"classification:classes": [{"name": "water"}]}, '{"name": "water"}; expected a value that is a whole number, and a name'),
        ({"classification:classes": "water"}, '"water"; expected a value that is a whole number, and a name'),
    ],
)
def test_what_an_item_says_that_is_no_number(raster, tmp_path, odd: dict, said: str) -> None:
    raster("red.tif", NUMBERS)
    found = fault(Source("a", item(tmp_path, red={"href": "red.tif", **odd})))
    assert found.startswith(f"a: {tmp_path / 'item.json'}: asset 'red': ") and found.endswith(said)


def test_odd_items_that_are_understood(raster, tmp_path) -> None:
    path = raster("a red.tif", NUMBERS)
    for odd in (
        {"roles": None},
        {"type": None},
        {"raster:bands": [None]},
        {"nodata": "nan"},
        {"href": "./a%20red.tif"},
        {"href": str(path).replace(" ", "%20")},
        {"href": path.as_uri()},
    ):
        thumb = {"href": "a.png", "type": None, "roles": ["thumbnail"]}
        layer = open_layer(Source("a", item(tmp_path, red={"href": "a red.tif", **odd}, thumb=thumb)), GRID)
        np.testing.assert_array_equal(layer.read(WHOLE), NUMBERS)
    raster("b%20.tif", NUMBERS * 2)
    np.testing.assert_array_equal(open_layer(Source("a", item(tmp_path, red={"href": "b%20.tif"})), GRID).read(WHOLE), NUMBERS * 2)


def test_items_that_do_not_help(tmp_path, url) -> None:
    path = item(tmp_path, red={"href": "red.tif"}, blue={"href": "blue.tif"}, thumb={"href": "a.png", "type": "image/png"})
    assert fault(Source("a", path, asset="nir")) == f"a: {path}: no asset 'nir'; expected one of red, blue"
    assert fault(Source("a", path)) == f"a: {path}: which asset?; expected one of red, blue"
    assert "red.tif: no such file" in fault(Source("a", path, asset="red"))
    assert "cannot be read (Not Found)" in fault(Source("a", f"{url}/no.json"))
    path.write_text("{")
    assert "not JSON" in fault(Source("a", path))
    path.write_text('{"type": "Collection"}')
    assert "no assets; expected a STAC item" in fault(Source("a", path))
    path.write_text('{"type": "Feature", "assets": {"red": {}}}')
    assert "the asset 'red' has no href" in fault(Source("a", path))


# --- Variables by http ------------------------------------------------------------------------------------------------


def test_a_netcdf_file_by_http(raster, server, url) -> None:
    rasterio.shutil.copy(str(raster("a.tif", NUMBERS)), str(server.folder / "a.nc"), driver="netCDF")
    try:
        layer = open_layer(Source("a", f"{url}/a.nc"), GRID)
    except RasterError as error:  # some systems do not let the library read what is no file
        assert len(error.faults) == 1
    else:
        np.testing.assert_array_equal(layer.read(WHOLE), NUMBERS)


def test_a_store_that_is_not_there(url) -> None:
    assert "no array 'tas' that names its dimensions" in fault(Source("a", f"{url}/no.zarr", variable="tas"))
