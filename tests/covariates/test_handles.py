from __future__ import annotations

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

from edaphic.covariates.facts import Source, facts
from edaphic.covariates.handles import Handles, close_rasters, is_local, open_raster, stamp
from edaphic.errors import RasterError

ONES = np.ones((4, 5), dtype="float32")


def test_a_raster_is_opened_once_and_used_again(raster) -> None:
    pool, path = Handles(), raster("a.tif", ONES)
    key = (str(path), stamp(path))
    with pool.take(key) as first:
        assert pool.waiting == 0
    with pool.take(key) as second:
        assert second is first
    assert pool.waiting == 1
    pool.close()
    assert first.closed and pool.waiting == 0


def test_two_readers_at_once_have_their_own(raster) -> None:
    pool, path = Handles(), raster("a.tif", ONES)
    key = (str(path), stamp(path))
    with pool.take(key) as one, pool.take(key) as other:
        assert one is not other
    assert pool.waiting == 2
    pool.close()


def test_the_longest_unused_is_closed_first(raster) -> None:
    pool = Handles(limit=2)
    opened = {}
    for name in ("a.tif", "b.tif", "c.tif"):
        path = raster(name, ONES)
        with pool.take((str(path), stamp(path))) as dataset:
            opened[name] = dataset
    assert [opened[name].closed for name in ("a.tif", "b.tif", "c.tif")] == [True, False, False]
    assert pool.waiting == 2
    pool.close()


def test_a_raster_whose_use_failed_is_closed(raster) -> None:
    pool, path = Handles(), raster("a.tif", ONES)
    with pytest.raises(KeyError), pool.take((str(path), stamp(path))) as dataset:
        raise KeyError
    assert dataset.closed and pool.waiting == 0


def test_a_file_that_changed_is_refused(raster) -> None:
    pool, path = Handles(), raster("a.tif", ONES)
    key = (str(path), stamp(path))
    raster("a.tif", np.zeros((40, 50)))
    with pytest.raises(RasterError, match="has changed since it was described"), pool.take(key):
        pass


def test_no_raster_is_used_by_two_threads_at_once(raster) -> None:
    pool, path = Handles(limit=3), raster("a.tif", ONES)
    key, busy, lock = (str(path), stamp(path)), set(), threading.Lock()

    def use(_: int) -> None:
        with pool.take(key) as dataset:
            with lock:
                assert id(dataset) not in busy
                busy.add(id(dataset))
            assert dataset.read(1).sum() == 20
            with lock:
                busy.remove(id(dataset))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(400)))
    assert pool.waiting <= 3
    pool.close()


def test_unreadable_files_are_faults(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("text")
    with pytest.raises(RasterError, match=r"a.tif: not a raster that can be read \(not recognized"):
        open_raster(tmp_path / "a.tif")
    with pytest.raises(RasterError, match="no such file"):
        open_raster(tmp_path / "b.tif")


def test_names_of_gdal_are_not_taken_for_files() -> None:
    assert is_local("covs/a.tif") and is_local("C:\\covs\\a.tif")
    assert not is_local("/vsicurl/https://example.org/a.tif") and not is_local('NETCDF:"a.nc":t2m')


def test_the_innermost_file_of_virtual_rasters_tells_a_change(raster, tmp_path: Path) -> None:
    path = raster("a.tif", ONES)
    inner, outer = tmp_path / "in" / "one.vrt", tmp_path / "two.vrt"
    inner.parent.mkdir()
    rasterio.shutil.copy(str(path), str(inner), driver="VRT")
    refer = '<SourceFilename relativeToVRT="1">{}</SourceFilename>'
    text = re.sub("<SourceFilename.*</SourceFilename>", refer.format("../a.tif"), inner.read_text())
    inner.write_text(text)
    outer.write_text(text.replace("../a.tif", "in/one.vrt"))
    before = stamp(outer)
    xml = f'<VRTDataset><VRTRasterBand><SourceFilename relativeToVRT="0">{outer}</SourceFilename></VRTRasterBand></VRTDataset>'
    mosaic = stamp(xml)
    raster("a.tif", np.zeros((40, 50)))
    assert stamp(outer) != before and stamp(xml) != mosaic
    assert facts(Source("a", outer)).key[1] == stamp(outer)


def test_a_virtual_raster_of_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.vrt"
    path.write_text('<VRTDataset><SourceFilename relativeToVRT="1">a.vrt</SourceFilename></VRTDataset>')
    assert stamp(path) == (path.stat().st_mtime_ns, path.stat().st_size)


def test_the_attributes_beside_a_shapefile_tell_a_change(tmp_path: Path) -> None:
    for name in ("a.shp", "a.dbf"):
        (tmp_path / name).write_bytes(b"1")
    before = stamp(tmp_path / "a.shp")
    os.utime(tmp_path / "a.dbf", (4e9, 4e9))
    assert stamp(tmp_path / "a.shp") != before


def test_closing_everything_does_no_harm() -> None:
    close_rasters()
    close_rasters()
