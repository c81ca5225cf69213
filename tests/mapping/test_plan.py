"""Tiles: their sizes, their number, and the memory that they may have."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from toy_work import grid_of

from edaphic.covariates import Source
from edaphic.covariates.grid import Window
from edaphic.covariates.sources import open_any
from edaphic.errors import RunError
from edaphic.mapping import plan as plan_module
from edaphic.mapping.place import Place, read_memory, resident
from edaphic.mapping.plan import MARGIN, READING, WORKER, Plan, Tiles, plan_tiles

MB = 10**6


def plan_of(rows: int, cols: int, place: Place, per_cell: float = 100.0, fixed: int = 0, **more) -> Plan:
    return plan_tiles(grid_of(rows, cols), more.pop("layers", []), bytes_per_cell=per_cell, fixed_bytes=fixed, place=place, **more)


@given(rows=st.integers(1, 3000), cols=st.integers(1, 3000), high=st.integers(1, 900), wide=st.integers(1, 900))
def test_tiles_cover_each_cell_once(rows, cols, high, wide):
    tiles = Tiles((rows, cols), (high, wide))
    if len(tiles) > 2000:
        return
    assert sum(tile.height * tile.width for tile in tiles) == rows * cols
    assert [tiles.number(tile) for tile in tiles] == list(range(len(tiles)))
    assert all(tile.row % high == 0 and tile.col % wide == 0 for tile in tiles)


def test_a_million_tiles_take_no_room():
    tiles = Tiles((256_000, 256_000), (256, 256))
    assert len(tiles) == 1_000_000 and tiles[999_999] == Window(255_744, 255_744, 256, 256)
    assert tiles[-1] == tiles[999_999] and tiles[:2] == [Window(0, 0, 256, 256), Window(0, 256, 256, 256)]
    with pytest.raises(IndexError):
        tiles[1_000_000]
    with pytest.raises(RunError, match=r"expected at most 1,000,000"):
        plan_of(256_001, 256_000, Place(memory=10**10), window=256)


def test_a_window_that_is_no_tile_is_refused():
    with pytest.raises(ValueError, match="no tile"):
        Tiles((100, 100), (64, 64)).number(Window(0, 1, 64, 64))


def test_a_large_grid_gets_large_tiles_and_a_small_one_enough_of_them():
    assert plan_of(20_000, 20_000, Place(threads=2, memory=10**10)).tiles.size == (1024, 1024)
    assert plan_of(1500, 1500, Place(threads=4, memory=10**10)).tiles.size == (256, 256)
    assert plan_of(40, 50, Place(threads=4, memory=10**10)).tiles.size == (40, 50)


def test_the_peak_is_what_it_is_made_of():
    plan = plan_of(20_000, 20_000, Place(threads=2, memory=10**10), per_cell=300, fixed=100 * MB)
    assert plan.tile_bytes == 300 * 1024 * 1024
    beyond = MARGIN * (100 * MB + plan.cache_bytes + 2 * (plan.tile_bytes + READING))
    assert plan.peak_bytes == pytest.approx(resident() + beyond, rel=0.02)


def test_less_memory_makes_smaller_tiles_then_fewer_lanes_then_a_refusal():
    here = resident()
    sizes, lanes = [], []
    for room in (3000, 800, 420, 290, 200, 140):
        plan = plan_of(8000, 8000, Place(threads=2, memory=here + room * MB), per_cell=1000)
        assert plan.peak_bytes <= plan.memory_bytes == here + room * MB
        sizes.append(plan.tiles.size[0])
        lanes.append(plan.workers)
    assert sizes[0] == 1024 and sizes == sorted(sizes, reverse=True)[: sizes.index(min(sizes)) + 1] + sizes[sizes.index(min(sizes)) + 1 :]
    assert lanes[0] == 2 and lanes[-1] == 1
    assert "1 tiles at a time instead of 2" in " ".join(plan.notes)
    with pytest.raises(RunError, match=r"^--memory: \d.*; expected at least .*: .* are taken now, .* one tile of 64 x 64 cells"):
        plan_of(8000, 8000, Place(threads=2, memory=here + 50 * MB), per_cell=1000)


def test_what_a_refusal_asks_for_is_enough(monkeypatch):
    monkeypatch.setattr(plan_module, "resident", lambda: 300 * MB)  # what this process holds may change from one line to the next
    with pytest.raises(RunError) as refused:
        plan_of(8000, 8000, Place(threads=2, memory=100 * MB), per_cell=1000)
    asked = str(refused.value).split("expected at least ")[1].split(":")[0].replace(" ", "")
    assert plan_of(8000, 8000, Place(threads=2, memory=read_memory(asked)), per_cell=1000).workers == 1


def test_each_process_has_its_libraries_and_its_model():
    place = Place(processes=2, memory=10**10)
    one, two = (plan_of(5000, 5000, place, fixed=fixed) for fixed in (0, 500 * MB))
    assert two.peak_bytes - one.peak_bytes == pytest.approx(MARGIN * (2 * 2 + 1) * 500 * MB, rel=0.01)
    assert one.peak_bytes > resident() + 2 * WORKER
    with pytest.raises(RunError, match="--memory"):
        plan_of(5000, 5000, Place(processes=2, memory=resident() + 200 * MB))


def test_a_scheduler_needs_memory_elsewhere():
    plan = plan_of(5000, 5000, Place(scheduler="tcp://far:8786", memory=resident() + 2000 * MB), per_cell=300)
    assert plan.workers == 0 and plan.scheduler == "tcp://far:8786" and plan.tiles.size == (1024, 1024)


def test_tiles_that_are_kept_are_taken_where_they_fit():
    place = Place(threads=2, memory=10**10)
    assert plan_of(8000, 8000, place, kept=(128, 128)).tiles.size == (128, 128)
    short = Place(threads=2, memory=resident() + 400 * MB)
    plan = plan_of(8000, 8000, short, per_cell=1000, kept=(1024, 1024))
    assert plan.tiles.size[0] < 1024 and "all are computed anew" in " ".join(plan.notes)
    # With less memory than the first time: rather fewer lanes than to lose what is done.
    plan = plan_of(8000, 8000, short, per_cell=1000, kept=(400, 400))
    assert plan.tiles.size == (400, 400) and plan.workers == 1 and "1 tiles at a time instead of 2" in " ".join(plan.notes)


def test_the_window_of_the_recipe_is_taken_where_it_fits():
    assert plan_of(8000, 8000, Place(memory=10**10), window=300).tiles.size == (300, 300)
    plan = plan_of(8000, 8000, Place(memory=resident() + 300 * MB), per_cell=1000, window=2048)
    assert plan.tiles.size[0] < 2048 and "maps.window" in " ".join(plan.notes)


def test_what_will_be_taken_counts_in_place_of_what_is(monkeypatch):
    monkeypatch.setattr(plan_module, "resident", lambda: pytest.fail("looked at what is taken now"))
    place = Place(threads=1, memory=2000 * MB)
    some, more = (plan_of(8000, 8000, place, taken=taken) for taken in (300 * MB, 500 * MB))
    assert more.peak_bytes - some.peak_bytes == 200 * MB
    with pytest.raises(RunError, match=r"expected at least .*: 1.9 GB are taken by then"):
        plan_of(8000, 8000, place, taken=1950 * MB)


def test_one_tile_is_in_work_once(tmp_path):
    """More lanes than tiles need no more memory than there are tiles."""
    alone, four = (plan_of(100, 120, Place(threads=lanes, memory=10**10), lane_bytes=100 * MB, taken=0) for lanes in (1, 4))
    assert len(four.tiles) == 1 and four.peak_bytes == alone.peak_bytes


def test_small_sources_need_little_room(tmp_path):
    layer = raster(tmp_path / "small.tif", 200, 300)
    place = Place(threads=1, memory=10**10)
    with_small, without = (plan_of(200, 300, place, layers=layers, taken=0) for layers in ([layer], []))
    assert with_small.cache_bytes == plan_module.LEAST_CACHE < without.cache_bytes
    assert without.peak_bytes - with_small.peak_bytes > 0.9 * (plan_module.READING + without.cache_bytes - plan_module.LEAST_CACHE)


def raster(path, rows, cols, **how):
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "width": cols, "height": rows}
    grid = grid_of(rows, cols)
    with rasterio.open(path, "w", **profile, crs="EPSG:32634", transform=grid.affine, **how) as file:
        file.write(np.zeros((1, rows, cols), np.float32))
    return open_any(Source(path.stem, path), grid)


def test_strips_make_wide_tiles_and_small_ones_do_not(tmp_path):
    place = Place(threads=2, memory=resident() + 3000 * MB)
    strips = raster(tmp_path / "strips.tif", 2600, 2600, blockysize=1, tiled=False)
    plan = plan_of(2600, 2600, place, layers=[strips])
    assert plan.tiles.size[1] == 2600 and plan.tiles.size[0] <= 256
    small = raster(tmp_path / "small.tif", 600, 600, blockysize=1, tiled=False)
    assert plan_of(600, 600, place, layers=[small]).tiles.size == (256, 256)


def test_what_each_tile_in_work_needs_beside_its_cells_makes_fewer_lanes_before_a_refusal():
    place = Place(threads=8, memory=resident() + 1500 * MB)
    plan = plan_of(8000, 8000, place, lane_bytes=300 * MB)
    assert 1 <= plan.workers < 8 and plan.peak_bytes <= plan.memory_bytes
    assert plan_of(8000, 8000, Place(threads=1, memory=10**10), lane_bytes=100 * MB).peak_bytes == pytest.approx(
        plan_of(8000, 8000, Place(threads=1, memory=10**10), lane_bytes=300 * MB).peak_bytes - MARGIN * 200 * MB, rel=0.01
    )
    with pytest.raises(RunError, match="--memory"):
        plan_of(8000, 8000, place, lane_bytes=1500 * MB)


def test_a_file_that_is_one_block_is_held_by_every_thread(tmp_path):
    place = Place(threads=2, memory=10**10)
    usual = raster(tmp_path / "usual.tif", 1100, 1100, tiled=True, blockxsize=256, blockysize=256)
    whole = raster(tmp_path / "whole.tif", 1100, 1100, tiled=True, blockxsize=1104, blockysize=1104, compress="deflate")
    with_usual, with_whole = (plan_of(1100, 1100, place, layers=[layer], window=256).peak_bytes for layer in (usual, whole))
    assert with_whole - with_usual == pytest.approx(MARGIN * 2 * 2 * 4 * 1104**2, rel=0.1)


def test_odd_blocks_of_inputs_are_not_cut_apart(tmp_path):
    odd = raster(tmp_path / "odd.tif", 2000, 2000, tiled=True, blockxsize=400, blockysize=400)
    plan = plan_of(2000, 2000, Place(threads=1, memory=10**10), layers=[odd])
    assert plan.tiles.size == (800, 800)


@pytest.mark.parametrize("told", ["", "4", "GB", "-1GB", "0MB", "4 XB", "1e9B", "4GB!", 0, -5, "nanGB", "9" * 30 + "GB"])
def test_bad_sizes_of_memory_are_one_line(told):
    with pytest.raises(RunError, match=r"^--memory: found .*; expected a size such as 500MB, 4GB or 2GiB$"):
        read_memory(told)


@pytest.mark.parametrize(
    ("told", "size"),
    [("500MB", 500 * MB), ("2GiB", 2**31), ("1.5 gb", 1500 * MB), ("10b", 10), (4 * 10**9, 4 * 10**9), ("4.GB", 4 * 10**9)],
)
def test_sizes_of_memory(told, size):
    assert read_memory(told) == size


def test_faults_of_a_place_come_together():
    with pytest.raises(RunError) as refused:
        Place(threads=0, processes=-1, memory=0)
    assert len(refused.value.faults) == 3
