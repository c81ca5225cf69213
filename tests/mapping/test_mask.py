"""Masks and the depth to bedrock, cell by cell as by window."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.covariates import Source, Window, cells_inside, open_layer, region_mask
from edaphic.mapping.mask import Bedrock, Mask

GRID = GeoBox((30, 40), Affine(250.0, 0.0, 500_000.0, 0.0, -250.0, 4_600_000.0), "EPSG:32634")
ROW, COL = (place.ravel() for place in np.indices(GRID.shape))
EVERYWHERE = Window(0, 0, 30, 40)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A coarser raster with gaps, and a triangle in degrees that cuts through the grid."""
    folder = tmp_path_factory.mktemp("masks")
    values = np.random.default_rng(1).uniform(-20, 120, (10, 10)).astype(np.float32)
    values[3:5] = np.nan
    how = dict(driver="GTiff", width=10, height=10, count=1, dtype="float32", crs="EPSG:32634", nodata=np.nan)
    with rasterio.open(folder / "share.tif", "w", transform=Affine(900.0, 0, 500_100.0, 0, -700.0, 4_600_000.0), **how) as file:
        file.write(values, 1)
    triangle = shapely.Polygon([(21.0, 41.5), (21.11, 41.52), (21.05, 41.56)])
    geopandas.GeoDataFrame(geometry=[triangle], crs="EPSG:4326").to_file(folder / "lake.gpkg")
    return folder


def test_single_cells_are_those_of_any_window(files):
    layer = open_layer(Source("share", files / "share.tif"), GRID)
    code = float(layer.read(EVERYWHERE)[0, 5])
    masks = [
        Mask("above", layer, above=50.0), Mask("below", layer, below=10.0), Mask("lake", polygons=files / "lake.gpkg"),
        Mask("codes", open_layer(Source("codes", files / "share.tif", resampling="nearest"), GRID), classes=(code,)),
    ]  # fmt: skip
    for mask in masks:
        whole = mask.removed(GRID, EVERYWHERE)
        np.testing.assert_array_equal(mask.removed_cells(GRID, ROW, COL), whole.ravel(), err_msg=mask.name)
        assert mask.name == "codes" or 0 < whole.sum() < whole.size, mask.name
    rock = Bedrock(layer, "m")
    np.testing.assert_array_equal(rock.depth_cm_cells(ROW, COL), rock.depth_cm(EVERYWHERE).ravel())
    assert {-1.0, np.inf} <= set(rock.depth_cm_cells(ROW, COL))


@settings(max_examples=20, deadline=None)
@given(corners=st.lists(st.tuples(st.floats(20.99, 21.13), st.floats(41.47, 41.56)), min_size=3, max_size=3, unique=True))
def test_cells_inside_polygons_are_those_of_the_window(tmp_path_factory, corners):
    shape = shapely.Polygon(corners)
    if shape.area < 1e-6:
        return
    path = tmp_path_factory.mktemp("any") / "any.gpkg"
    geopandas.GeoDataFrame(geometry=[shape], crs="EPSG:4326").to_file(path)
    np.testing.assert_array_equal(cells_inside(GRID, ROW, COL, path), region_mask(GRID, EVERYWHERE, path).ravel())


def test_a_mask_of_nothing_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="neither layer nor polygons"):
        Mask("none").removed_cells(GRID, ROW, COL)
