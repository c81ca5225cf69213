"""Cells that stand for the map: each square metre has the same chance, and what is not mapped has none."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from edaphic.covariates import Source, build, draw_cells, grid_like
from edaphic.errors import RasterError

DEGREES = from_origin(10, 60, 1, 1)


@pytest.fixture
def stack_of(tmp_path):
    """A stack of rasters of one grid: name and values, of EPSG:4326 or another system."""

    def make(crs="EPSG:4326", transform=DEGREES, **layers):
        sources = []
        for name, values in layers.items():
            path = tmp_path / f"{name}.tif"
            kind = "class" if values.dtype.kind == "u" else "continuous"
            told = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype}
            with rasterio.open(path, "w", crs=crs, transform=transform, nodata=None if kind == "class" else np.nan, **told) as out:
                out.write(values, 1)
            sources.append(Source(name, path, kind=kind))
        return build(sources, grid_like(sources[0].path))

    return make


def numbers(height: int, width: int) -> np.ndarray:
    return np.arange(height * width, dtype=np.float32).reshape(height, width)


def test_cells_of_a_geographic_grid_are_drawn_by_their_area(stack_of):
    """From 60 degrees north to the equator; the northern half holds (sin 60 - sin 30) / sin 60 of the area."""
    stack = stack_of(transform=from_origin(10, 60, 0.5, 0.5), height=numbers(120, 200))
    drawn = draw_cells(stack, 4000, 1)
    share = float((drawn["lat"] > 30).mean())
    expected = (np.sin(np.radians(60)) - 0.5) / np.sin(np.radians(60))
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 4000))
    assert abs(share - 0.5) > 0.05


def test_cells_of_a_projected_grid_are_drawn_alike(stack_of):
    drawn = draw_cells(stack_of("EPSG:32633", from_origin(500_000, 5_000_000, 100, 100), height=numbers(100, 100)), 2000, 1)
    row = drawn["height"].to_numpy() // 100
    assert np.mean(row < 50) == pytest.approx(0.5, abs=0.05)


def test_no_cell_twice_and_the_values_are_those_of_the_cell(stack_of):
    stack = stack_of(height=numbers(20, 30))
    drawn = draw_cells(stack, 250, 3)
    assert len(drawn) == 250 and not drawn.duplicated().any()
    row, col = np.divmod(drawn["height"].to_numpy(), 30)
    np.testing.assert_allclose(drawn["lon"], 10 + col + 0.5)
    np.testing.assert_allclose(drawn["lat"], 60 - row - 0.5)


def test_the_same_seed_draws_the_same_cells(stack_of):
    stack = stack_of(height=numbers(20, 30))
    one, two, other = (draw_cells(stack, 50, seed) for seed in (5, 5, 6))
    assert one.equals(two) and not one.equals(other)


def test_fewer_come_back_where_the_map_has_fewer(stack_of):
    values = numbers(6, 5)
    values[2:] = np.nan
    drawn = draw_cells(stack_of(height=values), 500, 1)
    assert sorted(drawn["height"]) == list(range(10))


def test_masks_gaps_and_what_lies_outside_the_region_are_left_out(stack_of, tmp_path):
    values, codes = numbers(10, 10), np.ones((10, 10), dtype=np.uint8)
    values[0] = np.nan
    codes[:, 3] = 7
    codes[:, 4] = 8
    geopandas.GeoDataFrame(geometry=[shapely.box(10, 50, 16, 60)], crs="EPSG:4326").to_file(tmp_path / "region.gpkg")
    drawn = draw_cells(stack_of(height=values, cover=codes), 500, 1, masks=[("cover", (7, 8))], region=tmp_path / "region.gpkg")
    row, col = np.divmod(drawn["height"].to_numpy().astype(int), 10)
    assert set(zip(row, col, strict=True)) == {(i, j) for i in range(1, 10) for j in (0, 1, 2, 5)}
    assert set(drawn["cover"]) == {1}


def test_what_else_is_removed_is_left_out_and_nothing_else_is_drawn_for_it(stack_of):
    """The cells that stay are those that were drawn before, in their order, as long as they are enough."""
    stack = stack_of(height=numbers(20, 30))
    before = draw_cells(stack, 100, 3)
    drawn = draw_cells(stack, 100, 3, removed=lambda row, col: (row < 4) | (col == 7))
    row, col = np.divmod(drawn["height"].to_numpy().astype(int), 30)
    assert len(drawn) == 100 and (row >= 4).all() and (col != 7).all()
    row, col = np.divmod(before["height"].to_numpy().astype(int), 30)
    stays = before[(row >= 4) & (col != 7)]
    assert drawn["height"].head(len(stays)).tolist() == stays["height"].tolist()


@pytest.mark.parametrize("why", ["mask", "gaps", "region", "removed"])
def test_a_map_without_cells_is_one_line(stack_of, tmp_path, why):
    values, codes = numbers(5, 5), np.ones((5, 5), dtype=np.uint8)
    if why == "gaps":
        values[:] = np.nan
    geopandas.GeoDataFrame(geometry=[shapely.box(100, 50, 101, 51)], crs="EPSG:4326").to_file(tmp_path / "region.gpkg")
    with pytest.raises(RasterError, match=r"none has a value of every .* by region, masks and bedrock; expected cells to map") as caught:
        draw_cells(
            stack_of(height=values, cover=codes), 10, 1, masks=[("cover", (1,))] if why == "mask" else (),
            region=tmp_path / "region.gpkg" if why == "region" else None,
            removed=(lambda row, col: np.ones(len(row), dtype=bool)) if why == "removed" else None,
        )  # fmt: skip
    assert len(caught.value.faults) == 1
