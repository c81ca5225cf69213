"""Depth-weighted means: the printed equations, other targets by hand, missing layers, points of depth, and rasters."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.covariates import Source, grid_like
from edaphic.covariates.depth_means import depth_mean, layer_weights, point_mean, write_depth_means
from edaphic.errors import RasterError, UnitError

GSM = [(0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200)]
POINTS = [0, 5, 15, 30, 60, 100, 200]


def test_equation_6():
    """X(0-20) = X(0-5)/4 + X(5-15)/2 + X(15-30)/4."""
    assert layer_weights(GSM, (0, 20)).tolist() == [1 / 4, 1 / 2, 1 / 4, 0, 0, 0]


def test_equation_7():
    """X(0-100) = X(0-5)/20 + X(5-15)/10 + 3 X(15-30)/20 + 3 X(30-60)/10 + 2 X(60-100)/5."""
    assert layer_weights(GSM, (0, 100)).tolist() == pytest.approx([1 / 20, 1 / 10, 3 / 20, 3 / 10, 2 / 5, 0], abs=1e-15)


@pytest.mark.parametrize(
    ("target", "weights"),
    [((5, 15), [0, 1, 0, 0, 0, 0]), ((10, 40), [0, 1 / 6, 1 / 2, 1 / 3, 0, 0]), ((20, 100), [0, 0, 1 / 8, 3 / 8, 1 / 2, 0])],
)
def test_other_targets(target, weights):
    assert layer_weights(GSM, target).tolist() == pytest.approx(weights)


def test_the_order_of_layers_does_not_matter():
    values = np.random.default_rng(0).normal(size=(6, 50))
    order = [3, 1, 5, 0, 2, 4]
    assert np.array_equal(depth_mean(values, GSM, (0, 100)), depth_mean(values[order], [GSM[k] for k in order], (0, 100)))


def test_a_missing_layer():
    values = np.array([[10.0, 10], [20, np.nan], [30, 30]])
    layers = GSM[:3]
    assert depth_mean(values, layers, (0, 20)).tolist() == pytest.approx([20, np.nan], nan_ok=True)
    # Half of the target is known: (10/4 + 30/4) / (1/2).
    assert depth_mean(values, layers, (0, 20), 0.5).tolist() == pytest.approx([20, 20])
    assert depth_mean(values, layers, (0, 20), 0.51).tolist() == pytest.approx([20, np.nan], nan_ok=True)
    # A layer beyond the target may miss.
    assert depth_mean(values, layers, (0, 5)).tolist() == [10, 10]
    assert np.isnan(depth_mean([np.nan] * 3, layers, (0, 20), 0.01))


@pytest.mark.parametrize(
    ("layers", "target", "fault"),
    [
        ([(0, 5), (10, 20)], (0, 20), "gap between 0-5 and 10-20"),
        ([(0, 10), (5, 20)], (0, 20), "0-10 and 5-20 cm overlap"),
        ([(0, 10), (0, 10)], (0, 10), "overlap"),
        ([(0, 10), (10, 10)], (0, 10), "10-10 cm has no thickness"),
        ([(0, 10)], (10, 0), "target 10-0 cm has no thickness"),
        ([(0, np.nan)], (0, 10), "no thickness"),
        ([], (0, 10), "no layers"),
        ([(0, 10)], (0, 20), "covers 50 % of 0-20"),
        ([(0, 10)], (20, 30), "covers 0 %"),
    ],
)
def test_layers_that_do_not_fit(layers, target, fault):
    with pytest.raises(ValueError, match=fault):
        depth_mean(np.ones((len(layers), 2)), layers, target)


def test_coverage_must_be_a_share():
    for share in (0.0, 1.5, -1.0):
        with pytest.raises(ValueError, match="min_coverage"):
            depth_mean([1.0], [(0, 10)], (0, 10), share)
    with pytest.raises(ValueError, match="expected 2 layers first"):
        depth_mean([1.0], [(0, 10), (10, 20)], (0, 10))


def test_points_are_joined_by_lines():
    """SoilGrids 2017, equation 1: over 0-30 the trapezes of 0-5, 5-15, 15-30."""
    values = np.array([8.0, 6, 4, 1, 0, 0, 0])
    by_hand = (5 * (8 + 6) / 2 + 10 * (6 + 4) / 2 + 15 * (4 + 1) / 2) / 30
    assert point_mean(values, POINTS, (0, 30)) == pytest.approx(by_hand)
    # 0-20: the line from 4 at 15 to 1 at 30 is at 3 at 20.
    assert point_mean(values, POINTS, (0, 20)) == pytest.approx((35 + 50 + 5 * (4 + 3) / 2) / 20)
    assert np.isnan(point_mean(np.where(np.arange(7) == 1, np.nan, values), POINTS, (0, 30)))
    # Where the value at 5 cm misses, 15-30 is what is known: half of the target.
    assert point_mean(np.where(np.arange(7) == 1, np.nan, values), POINTS, (0, 30), 0.5) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("depths", "target", "fault"),
    [([0], (0, 5), "two or more"), ([0, 5, 5], (0, 5), "increase"), ([0, 5], (0, 10), "reach|covers"), ([0, 5], (3, 3), "thickness")],
)
def test_points_that_do_not_fit(depths, target, fault):
    with pytest.raises(ValueError, match=fault):
        point_mean(np.ones(len(depths)), depths, target)


@given(top=st.floats(0, 150), thickness=st.floats(0.01, 50), slope=st.floats(-5, 5), start=st.floats(-10, 10))
@settings(deadline=None)
def test_straight_lines_are_met_exactly(top, thickness, slope, start):
    """A property that is linear in depth has its value at the middle of any target."""
    target, middle = (top, top + thickness), top + 0.5 * thickness
    values = start + slope * np.array(POINTS, dtype=float)
    assert point_mean(values, POINTS, target) == pytest.approx(start + slope * middle, abs=1e-6)


@given(cut=st.floats(1, 99), values=st.lists(st.floats(0, 100), min_size=6, max_size=6))
@settings(deadline=None)
def test_parts_make_up_the_whole(cut, values):
    whole, upper, lower = (float(depth_mean(values, GSM, target)) for target in ((0, 100), (0, cut), (cut, 100)))
    assert cut * upper + (100 - cut) * lower == pytest.approx(100 * whole, abs=1e-6)


def test_rasters(raster, tmp_path):
    upper = raster("a.tif", np.array([[10, 20], [30, -1]], dtype="int16"), nodata=-1, scales=[0.1], units=["g/kg"])
    lower = raster("b.tif", np.array([[30, 40], [50, 60]], dtype="int16"), nodata=-1, scales=[0.1], units=["g/kg"])
    sources = {(0, 10): Source("upper", upper), (10, 30): Source("lower", lower)}
    out = write_depth_means(sources, [(0, 20), (20, 30)], grid_like(upper), tmp_path / "made", name="soc", tags={"SOURCE": "test"})
    assert [path.name for path in out] == ["soc_0-20cm.tif", "soc_20-30cm.tif"]
    with rasterio.open(out[0]) as file:
        assert file.read(1).ravel().tolist() == pytest.approx([2, 3, 4, np.nan], nan_ok=True)
        assert file.units == ("g/kg",) and file.tags()["SOURCE"] == "test" and file.tags()["DEPTHS"] == "0-10, 10-30"
    with rasterio.open(out[1]) as file:
        assert file.read(1).ravel().tolist() == pytest.approx([3, 4, 5, 6])


def test_rasters_of_points(raster, tmp_path):
    sources = {
        float(depth): Source(f"d{depth}", raster(f"{depth}.tif", np.full((2, 2), value, dtype="float32")))
        for depth, value in ((0, 4), (10, 2))
    }
    (out,) = write_depth_means(sources, [(0, 5)], grid_like(sources[0.0].path), tmp_path / "made", name="ph", unit="1")
    with rasterio.open(out) as file:
        assert file.read(1).ravel().tolist() == [3.5] * 4


def test_rasters_that_do_not_fit(raster, tmp_path):
    one, two = (raster(name, np.ones((2, 2), dtype="float32"), units=[unit]) for name, unit in (("a.tif", "g/kg"), ("b.tif", "%")))
    grid = grid_like(one)
    with pytest.raises(UnitError, match="'%', 'g/kg'"):
        write_depth_means({(0, 5): Source("a", one), (5, 10): Source("b", two)}, [(0, 10)], grid, tmp_path / "made", name="soc")
    with pytest.raises(RasterError, match="gap between"):
        write_depth_means({(0, 5): Source("a", one), (6, 10): Source("b", one)}, [(0, 10)], grid, tmp_path / "made", name="soc")
    with pytest.raises(RasterError, match="not both"):
        write_depth_means({(0, 5): Source("a", one), 6.0: Source("b", one)}, [(0, 5)], grid, tmp_path / "made", name="soc")
    with pytest.raises(RasterError, match="no such file"):
        write_depth_means({(0, 5): Source("a", tmp_path / "none.tif")}, [(0, 5)], grid, tmp_path / "made", name="soc")
    assert not (tmp_path / "made").exists()
