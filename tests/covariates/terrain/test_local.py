"""Attributes of the cell and its neighbours: closed forms, tilings, missing heights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.covariates.terrain.cells import CellSizes, cell_sizes
from edaphic.covariates.terrain.local import LOCAL, LocalRules, Margins, Method, local_attributes

Array = NDArray[np.float64]
METHODS: tuple[Method, ...] = ("zevenbergen_thorne", "horn", "evans")
CURVATURES = [name for name in LOCAL if name.endswith("curvature")]
INSIDE = np.s_[1:-1, 1:-1]


def _places(rows: int, cols: int, dx: float, dy: float) -> tuple[Array, Array]:
    """Eastings and northings of centres, 0 at the middle of the grid."""
    x = (np.arange(cols) - (cols - 1) / 2) * dx
    y = ((rows - 1) / 2 - np.arange(rows)) * dy
    return np.meshgrid(x, y)


def _cells(rows: int, dx: float, dy: float) -> CellSizes:
    return CellSizes(np.full(rows, dx), np.full(rows, dy))


def _all(z: Array, cells: CellSizes, names: list[str] | None = None, **rules: object) -> dict[str, NDArray[np.float32]]:
    return local_attributes(z, cells, names or LOCAL, rules=LocalRules(**rules))  # type: ignore[arg-type]


# ---- closed forms


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dx, dy", [(10.0, 10.0), (20.0, 30.0)])
@pytest.mark.parametrize("g, h", [(0.3, 0.4), (-0.2, 0.05), (0.0, -1.5), (2.0, 0.0), (-0.7, -0.7)])
def test_plane(method: Method, dx: float, dy: float, g: float, h: float) -> None:
    """Exact everywhere, at the edges too."""
    x, y = _places(7, 9, dx, dy)
    found = _all(100.0 + g * x + h * y, _cells(7, dx, dy), method=method)
    rise = np.hypot(g, h)
    assert found["slope"] == pytest.approx(np.degrees(np.arctan(rise)), rel=1e-6)
    assert found["aspect"] == pytest.approx(np.degrees(np.arctan2(-g, -h)) % 360, rel=1e-6)
    assert found["northness"] == pytest.approx(-h / rise, abs=1e-6)
    assert found["eastness"] == pytest.approx(-g / rise, abs=1e-6)
    for name in CURVATURES:
        assert found[name] == pytest.approx(0.0, abs=1e-13 / (dx * rise))


def test_plane_of_ruggedness() -> None:
    """Of a plane that rises 1 m a cell to the east: six of eight neighbours differ by 1 m."""
    x, _ = _places(5, 5, 1.0, 1.0)
    found = _all(x, _cells(5, 1.0, 1.0))
    assert found["tri"][INSIDE] == pytest.approx(np.sqrt(6.0))
    assert found["tpi"][INSIDE] == pytest.approx(0.0)
    assert found["roughness"][INSIDE] == pytest.approx(2.0)
    assert _all(x, _cells(5, 1.0, 1.0), ["tri"], tri="wilson")["tri"][INSIDE] == pytest.approx(6 / 8)
    assert _all(x, _cells(5, 1.0, 1.0), ["tri"], tri="saga")["tri"][INSIDE] == pytest.approx(np.sqrt(6 / 9))


def test_spike() -> None:
    """A single cell of 8 m on a level ground."""
    z = np.zeros((5, 5))
    z[2, 2] = 8.0
    found = _all(z, CellSizes.square(1.0, 5))
    assert found["tpi"][2, 2] == 8.0
    assert found["tpi"][1, 1] == -1.0
    assert found["tri"][2, 2] == pytest.approx(8 * np.sqrt(8))
    assert found["tri"][1, 1] == 8.0
    assert found["roughness"][2, 2] == found["roughness"][3, 3] == 8.0
    assert found["general_curvature"][2, 2] == 32.0
    assert found["general_curvature"][2, 1] == -8.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dx, dy", [(5.0, 5.0), (5.0, 8.0)])
def test_quadratic_surface(method: Method, dx: float, dy: float) -> None:
    """All methods are exact on a polynomial of second degree, whatever its direction: full second derivatives, not half ones."""
    a, b, c, d, e = 4e-3, -3e-3, 2.5e-3, 0.2, -0.1
    x, y = _places(9, 11, dx, dy)
    found = _all(a * x * x + b * x * y + c * y * y + d * x + e * y, _cells(9, dx, dy), method=method)
    truth = _curvatures(2 * a * x + b * y + d, b * x + 2 * c * y + e, 2 * a + 0 * x, b + 0 * x, 2 * c + 0 * x)
    for name in CURVATURES:
        assert found[name][INSIDE] == pytest.approx(truth[name][INSIDE], rel=1e-5), name


def _curvatures(p: Array, q: Array, r: Array, s: Array, t: Array) -> dict[str, Array]:
    """From the derivatives z_x, z_y, z_xx, z_xy, z_yy (Evans 1980; Krcho 1973; Mitasova and Hofierka 1993); convex positive."""
    steep = np.where((p == 0) & (q == 0), np.nan, p * p + q * q)
    along = r * p * p + 2 * s * p * q + t * q * q
    across = r * q * q - 2 * s * p * q + t * p * p
    return {
        "profile_curvature": -along / (steep * (1 + steep) ** 1.5),
        "plan_curvature": -across / steep**1.5,
        "tangential_curvature": -across / (steep * np.sqrt(1 + steep)),
        "general_curvature": -(r + t),
    }


def test_cone() -> None:
    """Slope the same everywhere; contours are circles (plan curvature 1/r); straight in profile."""
    x, y = _places(61, 61, 2.0, 2.0)
    radius = np.hypot(x, y)
    found = _all(500.0 - 0.5 * radius, CellSizes.square(2.0, 61))
    far = (radius > 30) & (radius < 55)
    assert found["slope"][far] == pytest.approx(np.degrees(np.arctan(0.5)), rel=2e-3)
    assert found["aspect"][far] == pytest.approx((np.degrees(np.arctan2(x, y)) % 360)[far], abs=0.05)
    assert found["plan_curvature"][far] == pytest.approx(1 / radius[far], rel=0.02)
    assert np.abs(found["profile_curvature"][far]).max() < 2e-4
    assert (found["plan_curvature"][far] > 0).all()
    bowl = _all(0.5 * radius, CellSizes.square(2.0, 61))
    assert bowl["plan_curvature"][far] == pytest.approx(-1 / radius[far], rel=0.02)


def test_paraboloid_and_its_top() -> None:
    """At the top, where no direction is steepest, profile and tangential curvature are those of every direction; the contour has none."""
    x, y = _places(21, 21, 1.0, 1.0)
    found = _all(-0.01 * (x * x + y * y), CellSizes.square(1.0, 21))
    assert found["profile_curvature"][10, 10] == pytest.approx(0.02)
    assert found["tangential_curvature"][10, 10] == pytest.approx(0.02)
    assert found["general_curvature"][10, 10] == pytest.approx(0.04)
    assert found["plan_curvature"][10, 10] == 0.0
    assert np.isnan(found["aspect"][10, 10])
    assert found["northness"][10, 10] == found["eastness"][10, 10] == 0.0


def _gauss(x: Array, y: Array) -> tuple[Array, tuple[Array, Array, Array, Array, Array]]:
    width, height = 100.0, 80.0
    z = height * np.exp(-(x * x + y * y) / (2 * width**2))
    p, q = -x / width**2 * z, -y / width**2 * z
    r, t = (x * x / width**4 - width**-2) * z, (y * y / width**4 - width**-2) * z
    return z, (p, q, r, x * y / width**4 * z, t)


@pytest.mark.parametrize("method", METHODS)
def test_gaussian_hill_is_met_with_the_square_of_the_cell(method: Method) -> None:
    errors: dict[str, list[float]] = {}
    for size in (8.0, 4.0):
        rows = int(320 / size) + 1
        x, y = _places(rows, rows, size, size)
        z, derivatives = _gauss(x, y)
        found = _all(z, CellSizes.square(size, rows), method=method)
        ring = (np.hypot(x, y) > 20) & (np.hypot(x, y) < 140)
        truth = _curvatures(*derivatives) | {"slope": np.degrees(np.arctan(np.hypot(*derivatives[:2])))}
        for name, values in truth.items():
            errors.setdefault(name, []).append(float(np.abs(found[name] - values)[ring].max()))
    for name, (coarse, fine) in errors.items():
        assert 3.0 < coarse / fine < 5.0, name


@pytest.mark.parametrize("north", [60.0, -35.0])
def test_plane_on_a_geographic_grid(north: float) -> None:
    """A surface that rises evenly on the ground to the east, and one to the north, on cells that are half as wide as high."""
    size = 1 / 1200
    cells = cell_sizes(GeoBox((40, 30), Affine(size, 0.0, 10.0, 0.0, -size, north), "EPSG:4326"))
    x = (np.arange(30) - 15.0)[None, :] * cells.dx_m[:, None]
    found = _all(0.25 * x, cells)
    assert found["slope"] == pytest.approx(np.degrees(np.arctan(0.25)), rel=2e-4)
    y = -np.cumsum(cells.dy_m)[:, None] + 0 * x
    found = _all(0.25 * y, cells)
    assert found["slope"] == pytest.approx(np.degrees(np.arctan(0.25)), rel=1e-5)
    assert found["aspect"] == pytest.approx(180.0)


def test_gaussian_hill_on_a_geographic_grid() -> None:
    size = 1 / 14400
    grid = GeoBox((401, 401), Affine(size, 0.0, 8.0, 0.0, -size, 47.0), "EPSG:4326")
    cells = cell_sizes(grid)
    x = (np.arange(401) - 200.0)[None, :] * cells.dx_m[200]
    y = (200.0 - np.arange(401))[:, None] * cells.dy_m[200]
    x, y = np.broadcast_arrays(x, y)
    z, derivatives = _gauss(x, y)
    found = _all(z, cells)
    ring = (np.hypot(x, y) > 40) & (np.hypot(x, y) < 200)
    for name, truth in _curvatures(*derivatives).items():
        assert np.abs(found[name] - truth)[ring].max() < 0.005 * np.abs(truth[ring]).max(), name
    slope = np.degrees(np.arctan(np.hypot(*derivatives[:2])))
    assert np.abs(found["slope"] - slope)[ring].max() < 0.06


def test_level_ground() -> None:
    found = _all(np.full((4, 5), 7.0), CellSizes.square(10.0, 4))
    assert np.isnan(found.pop("aspect")).all()
    for name, values in found.items():
        assert (values == 0.0).all(), name


# ---- missing heights


def test_a_missing_neighbour_is_the_plane_through_cell_and_opposite() -> None:
    x, y = _places(6, 6, 10.0, 10.0)
    z = 0.3 * x - 0.1 * y
    z[2, 3] = np.nan
    found = _all(z, CellSizes.square(10.0, 6))
    for name in ("slope", "aspect", "northness"):
        assert np.isnan(found[name]).nonzero() == ([2], [3])
        rest = np.delete(found[name].ravel(), 15)
        assert rest == pytest.approx(rest[0], rel=1e-6)
    assert np.isfinite(np.delete(found["profile_curvature"].ravel(), 15)).all()


def test_edges_left_empty() -> None:
    z = np.arange(30.0).reshape(5, 6) ** 1.5
    z[2, 2] = np.nan
    found = _all(z, CellSizes.square(1.0, 5), edges="empty")
    for name, values in found.items():
        whole = np.isfinite(values)
        assert whole.sum() == 3, name  # the column next to the right edge: all others touch the edge or the gap
        assert whole[1:4, 4].all()


def test_ruggedness_of_those_neighbours_that_are_there() -> None:
    """At the corner of a plane: three neighbours, differences 1, 1 and 0, brought to eight."""
    x, _ = _places(3, 3, 1.0, 1.0)
    found = _all(x, CellSizes.square(1.0, 3))
    assert found["tri"][0, 0] == pytest.approx(np.sqrt(8 * 2 / 3))
    assert found["tpi"][0, 0] == pytest.approx(-2 / 3)
    assert found["roughness"][0, 0] == 1.0
    saga = _all(x, CellSizes.square(1.0, 3), ["tri"], tri="saga")["tri"]
    assert saga[0, 0] == pytest.approx(np.sqrt(2 / 4))


def test_a_lonely_cell_is_level() -> None:
    z = np.full((3, 3), np.nan)
    z[1, 1] = 5.0
    found = _all(z, CellSizes.square(1.0, 3))
    assert np.isnan(found.pop("aspect")).all()
    for values in found.values():
        assert values[1, 1] == 0.0
        assert np.isnan(values).sum() == 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2)])
def test_small_grids(shape: tuple[int, int]) -> None:
    x, y = _places(*shape, 1.0, 1.0)
    found = _all(x + y, CellSizes.square(1.0, shape[0]))
    rise = np.hypot(float(shape[1] > 1), float(shape[0] > 1))
    assert found["slope"] == pytest.approx(np.degrees(np.arctan(rise)))


def test_rows_without_a_size_are_empty() -> None:
    """At a pole."""
    cells = CellSizes(np.array([np.nan, 1.0, 1.0]), np.array([np.nan, 1.0, 1.0]))
    found = _all(np.arange(9.0).reshape(3, 3), cells, ["slope"])["slope"]
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1:]).all()


# ---- what peers have


def test_saga_has_half_second_derivatives_and_nothing_on_level_cells() -> None:
    x, y = _places(9, 9, 1.0, 1.0)
    z = -0.01 * (x * x + y * y)
    ours, saga = _all(z, CellSizes.square(1.0, 9)), _all(z, CellSizes.square(1.0, 9), compat="saga")
    edge = (4, 2)  # on an axis, where the mixed derivative is 0
    for name in ("profile_curvature", "plan_curvature", "tangential_curvature"):
        assert saga[name][edge] == pytest.approx(ours[name][edge] / 2)
        assert saga[name][4, 4] == 0.0
    assert saga["general_curvature"][edge] == ours["general_curvature"][edge]
    assert saga["general_curvature"][4, 4] == 0.0


# ---- numbers


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "float32", "float64", ">f4"])
def test_types_of_heights(kind: str) -> None:
    z = np.arange(42).reshape(6, 7) % 11
    plain = _all(z.astype(float), CellSizes.square(3.0, 6))
    for name, values in _all(z.astype(kind), CellSizes.square(3.0, 6)).items():
        np.testing.assert_array_equal(values, plain[name])


def test_small_differences_of_large_heights() -> None:
    """Metres above a datum far below: heights of 64 bits keep what 32 bits would lose."""
    x, _ = _places(5, 5, 1.0, 1.0)
    assert _all(1e6 + 1e-4 * x, CellSizes.square(1.0, 5))["slope"] == pytest.approx(np.degrees(1e-4), rel=1e-4)


def test_aspects_stay_below_a_full_turn() -> None:
    x, y = _places(3, 3, 1.0, 1.0)
    assert _all(-y + 1e-9 * x, CellSizes.square(1.0, 3))["aspect"][1, 1] == 0.0


def test_only_what_is_asked_for() -> None:
    z = np.arange(12.0).reshape(3, 4) ** 2
    whole = _all(z, CellSizes.square(1.0, 3))
    for name in LOCAL:
        found = _all(z, CellSizes.square(1.0, 3), [name])
        assert list(found) == [name]
        np.testing.assert_array_equal(found[name], whole[name])


# ---- tilings


def _holed(seed: int, rows: int, cols: int) -> Array:
    rng = np.random.default_rng(seed)
    z = np.round(rng.normal(500, 30, (rows, cols)), 1)
    z[rng.random(z.shape) < 0.1] = np.nan
    return z


def _cuts(size: int) -> st.SearchStrategy[list[int]]:
    return st.sets(st.integers(1, size - 1), max_size=4).map(lambda inner: [0, *sorted(inner), size])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=_cuts(17),
    cols=_cuts(14),
    method=st.sampled_from(METHODS),
    edges=st.sampled_from(["extend", "empty"]),
    compat=st.sampled_from(["none", "saga"]),
)
def test_any_tiling_gives_the_same_bits(seed: int, rows: list[int], cols: list[int], method: Method, edges: str, compat: str) -> None:
    z = _holed(seed, 17, 14)
    cells = cell_sizes(GeoBox((17, 14), Affine(0.01, 0.0, 8.0, 0.0, -0.01, 66.0), "EPSG:4326"))
    rules = LocalRules(method=method, edges=edges, compat=compat)  # type: ignore[arg-type]
    whole = local_attributes(z, cells, LOCAL, rules=rules)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            margins = Margins(int(top > 0), int(bottom < 17), int(left > 0), int(right < 14))
            block = z[top - margins.top : bottom + margins.bottom, left - margins.left : right + margins.right]
            part = local_attributes(block, cells[top:bottom], LOCAL, rules=rules, margins=margins)
            for name in LOCAL:
                np.testing.assert_array_equal(part[name], whole[name][top:bottom, left:right])


@pytest.mark.parametrize("threads", [2, 3, 40])
def test_threads_give_the_same_bits(threads: int) -> None:
    z = _holed(1, 30, 1100)
    one = local_attributes(z, CellSizes.square(10.0, 30), LOCAL)
    more = local_attributes(z, CellSizes.square(10.0, 30), LOCAL, threads=threads)
    for name in LOCAL:
        np.testing.assert_array_equal(one[name], more[name])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), method=st.sampled_from(METHODS))
def test_turning_the_land_turns_the_aspect_and_nothing_else(seed: int, method: Method) -> None:
    z = np.random.default_rng(seed).normal(0, 3, (8, 8))
    cells = CellSizes.square(10.0, 8)
    plain, turned = _all(z, cells, method=method), _all(np.rot90(z, -1), cells, method=method)  # a quarter clockwise
    for name in ("slope", "tri", "tpi", "roughness", *CURVATURES):
        assert turned[name] == pytest.approx(np.rot90(plain[name], -1), rel=1e-4, abs=1e-7), name
    away = (turned["aspect"] - np.rot90(plain["aspect"], -1) - 90.0) % 360
    assert np.minimum(away, 360 - away).max() < 1e-3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_turning_hills_into_hollows_turns_the_sign(seed: int) -> None:
    z = np.random.default_rng(seed).normal(0, 3, (7, 7))
    hills, hollows = _all(z, CellSizes.square(10.0, 7)), _all(-z, CellSizes.square(10.0, 7))
    for name in (*CURVATURES, "tpi", "northness", "eastness"):
        np.testing.assert_array_equal(hills[name], -hollows[name])
    for name in ("slope", "tri", "roughness"):
        np.testing.assert_array_equal(hills[name], hollows[name])


# ---- faults


def _wrong(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_faults() -> None:
    z = np.zeros((3, 3))
    _wrong(lambda: local_attributes(z, CellSizes.square(1.0, 3), ["slop"]), "slop")
    _wrong(lambda: local_attributes(z, CellSizes.square(1.0, 2), ["slope"]), "do not fit")
    _wrong(lambda: local_attributes(z, CellSizes.square(1.0, 1), ["slope"], margins=Margins(1, 1, 2, 1)), "do not fit")
