from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.control import GroundControlPoint

from edaphic.covariates.facts import Source, expand, facts, stored
from edaphic.errors import RasterError

ONES = np.ones((4, 5), dtype="float32")


def fault(source: Source) -> str:
    """The only fault, on one line."""
    with pytest.raises(RasterError) as caught:
        facts(source)
    assert len(caught.value.faults) == 1
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_facts_of_a_file(raster) -> None:
    path = raster("a.tif", ONES, nodata=-1.0, scales=(0.1,), offsets=(3.0,), units=("m",))
    found = facts(Source("a", path))
    assert (found.dtype, found.width, found.height, found.nodata) == ("float32", 5, 4, -1.0)
    assert (found.scale, found.offset, found.unit) == (0.1, 3.0, "m")
    assert found.resolution == (10.0, 10.0)
    assert found.bounds == (500000.0, 4599960.0, 500050.0, 4600000.0)
    assert found.crs.epsg == 32634
    assert found.notes == ()


def test_what_the_user_says_replaces_what_the_file_says(raster) -> None:
    path = raster("a.tif", ONES, nodata=-1.0, scales=(0.1,), offsets=(3.0,), units=("m",))
    found = facts(Source("a", path, nodata=0.0, scale=10.0, offset=0.0, unit="cm"))
    assert (found.nodata, found.scale, found.offset, found.unit) == (0.0, 10.0, 0.0, "cm")
    assert found.notes == (
        "nodata 0 given, in place of the file's -1",
        "scale and offset given, in place of the file's 0.1 and 3",
    )


def test_a_nodata_tag_that_cannot_occur_is_noted(tmp_path: Path, raster) -> None:
    path = raster("a.tif", ONES.astype("int16"))
    wrapped = tmp_path / "a.vrt"
    wrapped.write_text(
        f"""<VRTDataset rasterXSize="5" rasterYSize="4"><SRS>EPSG:32634</SRS>
        <GeoTransform>500000, 10, 0, 4600000, 0, -10</GeoTransform><VRTRasterBand dataType="Int16" band="1">
        <NoDataValue>-9999.5</NoDataValue><SimpleSource><SourceFilename>{path}</SourceFilename></SimpleSource>
        </VRTRasterBand></VRTDataset>"""
    )
    found = facts(Source("a", wrapped))
    assert found.notes == ("the file's nodata -9999.5 cannot occur in int16",)


def test_a_band_of_several_is_noted(raster) -> None:
    path = raster("a.tif", np.ones((3, 4, 5), dtype="uint8"))
    assert facts(Source("a", path, band=2)).notes == ("band 2 of 3",)
    assert fault(Source("a", path, band=4)) == f"a: {path}: no band 4; expected one of 1 to 3"


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.tif"
    assert fault(Source("a", path)) == f"a: {path}: no such file; expected a raster"


def test_text_named_tif(tmp_path: Path) -> None:
    path = tmp_path / "text.tif"
    path.write_text("hello")
    assert fault(Source("a", path)).startswith(f"a: {path}: not a raster that can be read (not recognized as")


def test_a_folder_without_tiles_is_no_raster(tmp_path: Path) -> None:
    assert "a folder without rasters" in fault(Source("a", tmp_path))


def test_no_crs(raster) -> None:
    assert fault(Source("a", raster("a.tif", ONES, crs=None))).endswith(
        "no coordinate reference system; expected a raster with a CRS"
    )


@pytest.mark.filterwarnings("ignore:The given matrix is equal to Affine.identity")
def test_no_geotransform(raster) -> None:
    assert "no geotransform" in fault(Source("a", raster("a.tif", ONES, transform=Affine.identity())))


def test_a_local_crs_is_refused(raster) -> None:
    wkt = 'LOCAL_CS["mine",UNIT["metre",1]]'
    assert "a local coordinate system; expected" in fault(Source("a", raster("a.tif", ONES, crs=wkt)))


def test_complex_numbers_are_refused(raster) -> None:
    assert "complex64; expected real numbers" in fault(Source("a", raster("a.tif", ONES.astype("complex64"))))


def test_nodata_that_cannot_be_stored_is_refused(raster) -> None:
    path = raster("a.tif", ONES.astype("uint8"))
    assert "nodata -9999 cannot occur in values of type uint8" in fault(Source("a", path, nodata=-9999))


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_an_impossible_scale_is_refused(raster, bad: float) -> None:
    assert "expected finite numbers" in fault(Source("a", raster("a.tif", ONES), scale=bad))


def test_an_unknown_kind_is_refused(raster) -> None:
    assert "kind 'classes'; expected continuous or class" in fault(Source("a", raster("a.tif", ONES), kind="classes"))


def test_scaled_classes_are_refused_unless_the_scale_is_taken_back(raster) -> None:
    path = raster("a.tif", ONES, scales=(0.1,))
    assert "class codes with scale 0.1" in fault(Source("a", path, kind="class"))
    assert facts(Source("a", path, kind="class", scale=1.0)).scale == 1.0


@pytest.mark.parametrize("options", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 64, "blockysize": 64}])
def test_a_file_cut_short_is_found_without_reading_it(raster, options: dict[str, object]) -> None:
    values = np.random.default_rng(1).normal(size=(300, 300)).astype("float32")
    path = raster("a.tif", values, **options)
    assert facts(Source("a", path)).width == 300
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    text = fault(Source("a", path))
    assert "cut short" in text or "not a raster that can be read" in text


def test_all_faults_of_a_file_are_told(raster) -> None:
    with pytest.raises(RasterError) as caught:
        facts(Source("a", raster("a.tif", ONES.astype("uint8"), crs=None), nodata=300, scale=0))
    assert len(caught.value.faults) == 3


def test_a_nodata_value_as_stored() -> None:
    assert stored(255, np.dtype("uint8")) == 255
    assert stored(256, np.dtype("uint8")) is None
    assert stored(0.5, np.dtype("int16")) is None
    assert stored(math.nan, np.dtype("int16")) is None
    assert stored(2**63, np.dtype("uint64")) == np.uint64(2**63)
    assert stored(0.1, np.dtype("float32")) == np.float32(0.1)


def test_expand_sorts_files(raster, tmp_path: Path) -> None:
    for name in ("b.tif", "a.tif", "c.png.tif"):
        raster(name, ONES)
    (tmp_path / "d.tif").mkdir()
    assert [path.name for path in expand(tmp_path / "*.tif")] == ["a.tif", "b.tif", "c.png.tif"]
    with pytest.raises(RasterError, match="no file matches; expected at least one raster"):
        expand(tmp_path / "*.nc")


@pytest.mark.filterwarnings("ignore:The given matrix is equal to Affine.identity")
def test_control_points_alone_are_refused(raster) -> None:
    points = [GroundControlPoint(r, c, 500000 + 10 * c, 4600000 - 10 * r) for r, c in ((0, 0), (0, 5), (4, 0), (4, 5))]
    path = raster("a.tif", ONES, transform=Affine.identity(), gcps=points)
    assert "ground control points only; expected a raster with a CRS" in fault(Source("a", path))
