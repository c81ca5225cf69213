"""Coordinates: distances on the globe, limits, and the antimeridian."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.covariates.climate.places import EARTH_KM, middle, places_for

SPHERE = pyproj.Geod(a=EARTH_KM * 1000, b=EARTH_KM * 1000)


@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(-170, 170), st.floats(-85, 85))
def test_distances_from_the_middle_are_true(lon0, lat0, lon, lat):
    one = places_for([lon0], [lat0], None, "km", "none")
    km = np.hypot(*one.points([lon], [lat])[0])
    assert km == pytest.approx(SPHERE.inv(one.lon, one.lat, lon, lat)[2] / 1000, abs=1e-6)


def test_projection_is_that_of_proj():
    lon, lat = np.meshgrid(np.linspace(-5, 25, 7), np.linspace(35, 60, 6))
    one = places_for(lon.ravel(), lat.ravel(), None, "km", "none")
    proj = pyproj.Proj(f"+proj=aeqd +lon_0={one.lon} +lat_0={one.lat} +R={EARTH_KM * 1000}")
    assert one.points(lon, lat) == pytest.approx(np.stack(proj(lon.ravel(), lat.ravel()), axis=1) / 1000, abs=1e-6)


def test_across_the_antimeridian():
    lon = np.array([179.0, -179.0, 178.0, -178.5])
    lat = np.array([-17.0, -16.0, -18.0, -15.0])
    for metric in ("km", "degrees", "range"):
        there = places_for(lon, lat, None, metric, "none").points(lon, lat)
        east = np.where(lon < 0, lon + 360, lon) - 100
        here = places_for(east, lat, None, metric, "none").points(east, lat)
        assert there - there[0] == pytest.approx(here - here[0], abs=1e-3)


def test_sphere():
    one = places_for([0, 90, 45], [0, 0, 90], [0, 1000, 2000], "sphere", "linear")
    assert one.dims == 3 and one.surface == "sphere"
    found = one.points([0, 90, 45], [0, 0, 90], [0, 1000, 2000])
    assert found == pytest.approx(np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 2]]), abs=1e-15)


@pytest.mark.parametrize(
    ("metric", "scale", "wanted"), [("km", None, 150.0), ("degrees", None, 1.5), ("degrees", 0.125, 0.1875), ("km", 50, 75)]
)
def test_elevation_scale(metric, scale, wanted):
    one = places_for([0, 1], [0, 1], [0, 2000], metric, "spline", scale)
    assert one.dims == 3 and one.points([0], [0], [1500])[0, 2] == pytest.approx(wanted)


def test_range():
    one = places_for([10, 14], [40, 50], [200, 1200], "range", "spline")
    assert one.points([10, 14, 12], [40, 50, 45], [200, 1200, 700]) == pytest.approx(np.array([[0] * 3, [1] * 3, [0.5] * 3]))


def test_middle():
    assert middle([10.0, 20.0], [0.0, 0.0])[:2] == (15.0, 0.0)
    assert middle([10.0, 20.0], [0.0, 0.0])[2] == pytest.approx(EARTH_KM * np.radians(5))


def test_refused():
    with pytest.raises(ValueError, match="on the sphere"):
        places_for([0], [0], [0], "sphere", "spline")
    with pytest.raises(ValueError, match="expected one for each place"):
        places_for([0, 1], [0, 1], [0, 1], "km", "linear").points([0], [0])
