from __future__ import annotations

import numpy as np
import pytest

from edaphic.covariates.block import missing, read_block
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.handles import open_raster
from edaphic.errors import RasterError


def read(source: Source, rows=(0, 2), cols=(0, 3), wraps=0):
    with open_raster(source.path) as dataset:
        return read_block(dataset, facts(source), rows, cols, wraps)


@pytest.mark.parametrize(
    ("dtype", "nodata", "stored"),
    [
        ("uint8", 255, 255),
        ("int16", -9999, -9999),
        ("uint16", 65535, 65535),
        ("int32", -2147483648, -2147483648),
        ("uint32", 4294967295, 4294967295),
        ("float32", -9999.0, -9999.0),
        ("float32", 0.1, np.float32(0.1)),
        ("float32", -3.40282e38, np.finfo("float32").min),
        ("float32", None, np.finfo("float32").min),
        ("float64", -1.7976931348623157e308, -1.7976931348623157e308),
        ("float32", None, np.inf),
        ("float32", None, np.nan),
        ("float32", np.nan, np.nan),
    ],
)
def test_nodata_in_every_type(raster, dtype: str, nodata: float | None, stored: float) -> None:
    values = np.array([[1, stored, 3], [4, 5, 6]], dtype=dtype)
    expected = [[1, np.nan, 3], [4, 5, 6]]
    np.testing.assert_array_equal(read(Source("a", raster("tagged.tif", values, nodata=nodata))), expected)
    np.testing.assert_array_equal(read(Source("a", raster("plain.tif", values), nodata=nodata)), expected)


def test_a_given_nodata_replaces_the_tag(raster) -> None:
    path = raster("a.tif", np.array([[0, 1, 2], [3, 4, 5]], dtype="int16"), nodata=0)
    np.testing.assert_array_equal(read(Source("a", path, nodata=5)), [[0, 1, 2], [3, 4, np.nan]])


def test_a_mask_band_hides_values(raster) -> None:
    values = np.arange(6, dtype="uint8").reshape(2, 3)
    path = raster("a.tif", values, mask=values != 4)
    np.testing.assert_array_equal(read(Source("a", path)), [[0, 1, 2], [3, np.nan, 5]])


def test_an_alpha_band_hides_values(raster) -> None:
    values = np.arange(6, dtype="uint8").reshape(2, 3)
    alpha = np.where(values == 2, 0, 255).astype("uint8")
    path = raster("a.tif", np.stack([values, values, values, alpha]), photometric="RGB", alpha="YES")
    np.testing.assert_array_equal(read(Source("a", path)), [[0, 1, np.nan], [3, 4, 5]])


def test_values_that_a_tag_cannot_reach_stay(raster) -> None:
    assert not missing(np.array([0, 255, 241], dtype="uint8"), -9999).any()
    assert not missing(np.array([1, 2], dtype="int16"), 1.5).any()


def test_columns_go_round(raster) -> None:
    path = raster("a.tif", np.array([[0, 1, 2, 3], [4, 5, 6, 7]], dtype="int16"))
    expected = [[3, 0, 1, 2, 3, 0]]
    np.testing.assert_array_equal(read(Source("a", path), rows=(0, 1), cols=(-1, 5), wraps=4), expected)


def test_class_codes_are_exact_or_refused(raster) -> None:
    codes = np.array([[2**24, 2**24 - 1, -7]], dtype="int32")
    assert read(Source("a", raster("a.tif", codes), kind="class"), (0, 1)).astype("float32").tolist() == codes.tolist()
    for name, bad in (("b.tif", np.array([[2**24 + 1, 0, 0]], "int32")), ("c.tif", np.array([[0.5, 0, 1]], "float32"))):
        path = raster(name, bad)
        with pytest.raises(
            RasterError, match=rf"a: .*{name}: value .*; expected class codes, whole numbers up to 16777216"
        ):
            read(Source("a", path, kind="class"), (0, 1))


def test_a_file_that_breaks_when_read_is_one_line(raster) -> None:
    values = np.random.default_rng(0).normal(size=(200, 200)).astype("float32")
    path = raster("a.tif", values, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    whole = bytearray(path.read_bytes())
    whole[2000:30000] = b"\x07" * 28000  # the directory stays, the data are spoilt
    path.write_bytes(bytes(whole))
    with pytest.raises(RasterError) as caught:
        read(Source("a", path), (0, 200), (0, 200))
    assert len(caught.value.faults) == 1
    text = str(caught.value)
    assert text.startswith(f"a: {path}: rows 0 to 199, columns 0 to 199 cannot be read (")
    assert text.endswith("; expected a whole file") and "See previous exception" not in text
