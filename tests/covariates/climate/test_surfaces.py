"""Grids: the same bits in any tiling, a plane by hand, extrapolation, memory."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates.climate import Extrapolation, How, Stations, blocks, evidence, fit_climate
from edaphic.covariates.climate.hull import Hull
from edaphic.covariates.climate.memory import window_side
from edaphic.covariates.window import Window
from edaphic.errors import RunError


class Dem:
    """Elevation by a formula, with a hole."""

    def __init__(self, shape=(130, 150), crs="EPSG:4326"):
        cell = 0.02 if crs == "EPSG:4326" else 2000.0
        x, y = (10.0, 48.0) if crs == "EPSG:4326" else (4_000_000.0, 3_000_000.0)
        self.grid = GeoBox(shape, Affine(cell, 0, x, 0, -cell, y), crs)
        row, col = np.mgrid[: shape[0], : shape[1]]
        self.values = (500 + 3 * row + 400 * np.sin(col / 9)).astype(np.float32)
        self.values[40:50, 70:90] = np.nan

    def read(self, window: Window):
        return self.values[window.slices]


def stations(n=60, seed=0, fields=2) -> Stations:
    rng = np.random.default_rng(seed)
    lon, lat, metres = rng.uniform(10.2, 12.8, n), rng.uniform(45.6, 47.8, n), rng.uniform(100, 1500, n)
    values = (20 - 0.0065 * metres + np.sin(3 * lon))[:, None] + 0.3 * rng.standard_normal((n, fields))
    values[::9, 1:] = np.nan
    names = tuple(f"t{k}" for k in range(fields))
    return Stations(tuple(f"s{k}" for k in range(n)), lon, lat, metres, names, names, values, np.ones((n, fields)))


def whole(model, dem, side, **options):
    found = Extrapolation()
    out = {name: np.full(dem.grid.shape, -1.0) for name in model.names}
    errors = {name: np.full(dem.grid.shape, -1.0) for name in model.names}
    for block in blocks(model, dem, side=side, found=found, **options):
        for name in model.names:
            out[name][block.window.slices] = block.values[name]
            if block.errors:
                errors[name][block.window.slices] = block.errors[name]
    return out, errors, found


@pytest.mark.parametrize("elevation", ["linear", "spline", "none"])
@pytest.mark.parametrize("transform", ["none", "sqrt"])
def test_any_tiling_gives_the_same_bits(elevation, transform):
    model = fit_climate(stations(), How(elevation=elevation, transform={"t1": transform}), keep=True)
    dem = Dem()
    one = whole(model, dem, 1024, errors=True)
    for side in (32, 64, 96):
        other = whole(model, dem, side, errors=True)
        for k in (0, 1):
            for name in model.names:
                assert np.array_equal(one[k][name], other[k][name], equal_nan=True)
        assert vars(one[2]) == vars(other[2])
    assert np.isnan(one[0]["t0"][45, 80]) and np.isnan(one[1]["t0"][45, 80])
    assert np.isfinite(one[1]["t0"]).sum() == np.isfinite(dem.values).sum()
    cells = (10.01, 47.99), dem.values[0, 0]
    assert one[0]["t0"][0, 0] == model.predict([cells[0][0]], [cells[0][1]], [cells[1]])[0, 0]
    assert one[1]["t1"][0, 0] == pytest.approx(model.standard_error([cells[0][0]], [cells[0][1]], [cells[1]])[0, 1], rel=1e-9)


def test_lapse_rate_by_hand():
    """Values 15 - 6.5 degrees for each km give the same on the grid, in any projection, and the rate stands in the evidence."""
    have = stations()
    have = Stations(
        have.ids, have.lon, have.lat, have.elevation_m, ("t",), ("t",), (15 - 0.0065 * have.elevation_m)[:, None], np.ones((60, 1))
    )
    for crs in ("EPSG:4326", "EPSG:3035"):
        dem = Dem(crs=crs)
        model = fit_climate(have)
        out, _, _ = whole(model, dem, 64)
        assert out["t"] == pytest.approx(15 - 0.0065 * dem.values.astype(float), abs=1e-9, nan_ok=True)
    table, points = evidence(model)
    assert table["lapse_per_km"].tolist() == pytest.approx([-6.5]) and table["df"].tolist() == [4.0]
    for column in ("loo_rmse", "random_spline_rmse", "block_spline_rmse", "random_regression_rmse"):
        assert table[column].iloc[0] == pytest.approx(0, abs=1e-9)
    assert table["random_nearest_rmse"].iloc[0] > 1
    assert len(points) == 60 and points["random"].to_numpy() == pytest.approx(points["observed"].to_numpy())


def test_extrapolation_is_counted_and_masked():
    model, dem = fit_climate(stations()), Dem()
    out, _, found = whole(model, dem, 64)
    assert found.cells == np.isfinite(dem.values).sum() and 0 < found.outside_hull < found.cells
    metres = model.stations.elevation_m
    assert found.outside_elevations == np.sum((dem.values < metres.min()) | (dem.values > metres.max()))
    masked, _, again = whole(model, dem, 64, mask=True)
    left = np.isfinite(masked["t0"])
    assert left.sum() >= found.cells - found.outside_hull - found.outside_elevations and left.sum() < found.cells
    assert np.array_equal(masked["t0"][left], out["t0"][left]) and again.outside_hull == found.outside_hull
    assert not left[0, 0]  # the corner of the grid lies beyond all stations


def test_a_dem_in_feet_and_sentinels():
    model, dem = fit_climate(stations()), Dem()
    plain, _, _ = whole(model, dem, 64)
    dem.values = dem.values / np.float32(0.3048)
    feet, _, _ = whole(model, dem, 64, dem_unit_m=0.3048)
    assert feet["t0"] == pytest.approx(plain["t0"], abs=1e-5, nan_ok=True)
    dem.values[0, :7] = -9999
    _, _, found = whole(model, dem, 64, dem_unit_m=0.3048)
    assert found.odd_elevations == 7 and "taken for no value" in found.notes()[0]


def test_memory_bounds_the_windows():
    model = fit_climate(stations())
    assert window_side(model, None, False) == 1024
    assert window_side(model, 2**40, False) == 1024
    with pytest.raises(RunError, match="expected at least"):
        window_side(model, 10**6, False)


def test_evidence_beats_baselines_and_says_more():
    model = fit_climate(stations(120, seed=3), How(elevation="linear"))
    table, points = evidence(model, 5)
    assert (table["random_spline_rmse"] < table["random_nearest_rmse"]).all()
    assert (table["random_spline_rmse"] < table["random_regression_rmse"]).all()
    assert table["n"].tolist() == [120, 106] and len(points) == 226
    assert table["loo_rmse"].to_numpy() == pytest.approx(table["random_spline_rmse"].to_numpy(), rel=0.2)
    none, bare = evidence(model, 0)
    assert "random_spline_rmse" not in none and "random" not in bare
    again, _ = evidence(model, 5)
    assert table.equals(again)


def test_hull_on_the_sphere():
    """A region on the sphere has the hull it has in km; only stations that no hemisphere holds span the world."""
    have, dem = stations(), Dem()
    found = [whole(fit_climate(have, How(metric=metric)), dem, 64)[2] for metric in ("km", "sphere")]
    assert found[1].outside_hull == pytest.approx(found[0].outside_hull, rel=0.01) and found[0].outside_hull > 1000
    wide = Stations(**{**vars(have), "lon": (have.lon - 11.5) * 40, "lat": (have.lat - 46.7) * 40})
    model = fit_climate(wide)
    assert model.places.metric == "sphere" and whole(model, dem, 64)[2].outside_hull == 0
    hull = Hull(model.places.globe(wide.lon, wide.lat))
    assert hull.outside(model.places.globe([0.0, 180.0, 0.0], [0.0, 0.0, 85.0])).tolist() == [False, True, True]
    world = model.places.globe([0.0, 90.0, 180.0, -90.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 90.0, -90.0])
    assert not Hull(world).outside(model.places.globe([33.0, -140.0], [50.0, -70.0])).any()
