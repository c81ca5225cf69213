"""Flow accumulation: mass, symmetry, closed forms, edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.fill import fill
from edaphic.covariates.terrain.flow import accumulate, flow_area
from edaphic.covariates.terrain.neighbours import COLUMNS_AWAY, ROWS_AWAY, distances
from edaphic.covariates.terrain.wetness import specific_catchment_area

Grid = NDArray[np.floating[Any]]
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "d8"},
    {"method": "mfd"},
    {"method": "mfd", "convergence": 1.0, "contour": True},
    {"method": "mfd", "convergence": 4.0},
)
KINDS = st.sampled_from(METHODS)


def landscapes() -> st.SearchStrategy[Grid]:
    """Small grids of finely graded heights with holes."""
    graded = st.floats(0.0, 100.0).map(lambda z: round(z, 9))
    values = st.one_of(graded, graded, st.integers(0, 5).map(float), st.just(math.nan))
    return arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=values)


def lowest(z: Grid) -> NDArray[np.bool_]:
    """Cells without a lower neighbour."""
    wide = np.pad(z, 1, constant_values=np.nan)
    around = [wide[1 + r : 1 + r + z.shape[0], 1 + c : 1 + c + z.shape[1]] for r, c in zip(ROWS_AWAY, COLUMNS_AWAY, strict=True)]
    return np.asarray(~np.any([other < z for other in around], axis=0) & ~np.isnan(z))


def plainly(z: Grid, cells: CellSizes, method: str = "mfd", convergence: float = 1.1, contour: bool = False) -> Grid:
    """The same from high to low, in plain Python."""
    area = np.where(np.isnan(z), np.nan, cells.area_m2[:, None])
    away = distances(cells)
    places = sorted(map(tuple, np.argwhere(~np.isnan(z))), key=lambda p: -z[p])
    for row, column in places:
        gets: list[tuple[tuple[int, int], float]] = []
        for k in range(8):
            other = (row + int(ROWS_AWAY[k]), column + int(COLUMNS_AWAY[k]))
            if 0 <= other[0] < z.shape[0] and 0 <= other[1] < z.shape[1] and z[other] < z[row, column]:
                slope = (z[row, column] - z[other]) / away[row, k]
                side = cells.dx_m[row] if k % 4 == 0 else cells.dy_m[row]
                length = (away[row, k] / 4 if k % 2 else side / 2) if contour else 1.0
                gets.append((other, slope if method == "d8" else slope**convergence * length))
        if method == "d8" and gets:
            gets = [(max(gets, key=lambda g: g[1])[0], 1.0)]
        total = sum(share for _, share in gets)
        for other, share in gets:
            area[other] += area[row, column] * share / total
    return area


@settings(max_examples=150, deadline=None)
@given(landscapes(), KINDS)
def test_as_in_plain_python(z: Grid, kind: dict[str, Any]) -> None:
    cells = CellSizes(np.linspace(20.0, 25.0, len(z)), np.linspace(30.0, 29.0, len(z)))
    found = flow_area(z, cells, **kind)
    np.testing.assert_allclose(found, plainly(z, cells, **kind), rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(landscapes(), KINDS)
def test_no_area_is_lost(z: Grid, kind: dict[str, Any]) -> None:
    cells = CellSizes(np.linspace(20.0, 25.0, len(z)), np.linspace(30.0, 29.0, len(z)))
    surface = fill(z, cells)
    found = flow_area(surface, cells, **kind)
    total = np.where(np.isnan(z), 0.0, cells.area_m2[:, None]).sum()
    assert found[lowest(surface)].sum() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("kind", METHODS)
def test_no_area_is_lost_on_a_large_rough_grid(kind: dict[str, Any]) -> None:
    z = np.random.default_rng(4).normal(500.0, 30.0, (300, 400)).astype(np.float32)
    cells = CellSizes.square(10.0, 300)
    surface = fill(z, cells)
    found = flow_area(surface, cells, **kind)
    leaving = lowest(surface)
    rim = np.zeros_like(leaving)
    rim[[0, -1]] = rim[:, [0, -1]] = True
    assert not (leaving & ~rim).any()
    assert found[leaving].sum() == pytest.approx(z.size * 100.0, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(landscapes(), st.sampled_from(METHODS[1:]))
def test_turning_the_ground_turns_the_flow(z: Grid, kind: dict[str, Any]) -> None:
    found = flow_area(z, CellSizes.square(10.0, z.shape[0]), **kind)
    turned = np.rot90(flow_area(np.rot90(z), CellSizes.square(10.0, z.shape[1]), **kind), -1)
    np.testing.assert_allclose(turned, found, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(landscapes(), KINDS, st.sampled_from([0.25, 8.0]))
def test_scales_with_cells_and_not_with_heights(z: Grid, kind: dict[str, Any], scale: float) -> None:
    """Factors of 2, so that no rounding turns a tie."""
    found = flow_area(z, CellSizes.square(10.0, len(z)), **kind)
    np.testing.assert_allclose(flow_area(z, CellSizes.square(10.0 * scale, len(z)), **kind), found * scale**2, rtol=1e-9)
    np.testing.assert_allclose(flow_area(z * scale, CellSizes.square(10.0, len(z)), **kind), found, rtol=1e-9)


@pytest.mark.parametrize("kind", METHODS)
def test_plane_that_falls_to_the_south(kind: dict[str, Any]) -> None:
    """Far from the sides the area grows by a cell for each row; MFD spreads to both sides alike."""
    z = np.repeat(np.arange(20.0, 0.0, -1.0)[:, None], 101, axis=1)
    found = flow_area(z, CellSizes.square(10.0, 20), **kind)
    np.testing.assert_allclose(found[:, 50], 100.0 * np.arange(1, 21), rtol=1e-12)


def test_cone_spreads_its_flow() -> None:
    """On a cone that falls outwards r^2 pi drains over 2 r pi: half the radius for a metre of contour.

    MFD comes to it within 8 % with the side of the cell as width: on average it goes as far as 0.935 (22.5 degrees off the axes) to
    1.006 sides with a step, whatever the direction.
    """
    y, x = np.mgrid[-120:121, -120:121].astype(float)
    r = np.hypot(x, y)
    cells = CellSizes.square(1.0, 241)
    ring = (r > 60) & (r < 100)
    ratio = specific_catchment_area(flow_area(200.0 - r, cells), cells)[ring] / (r[ring] / 2)
    assert np.mean(ratio) == pytest.approx(1.04, abs=0.03)
    assert ratio.min() > 0.95 and ratio.max() < 1.1


def test_bowl_gathers_its_flow() -> None:
    """On a cone that falls inwards all within radius R crosses the circle r: (R^2 - r^2) / 2r for a metre of contour."""
    y, x = np.mgrid[-100:101, -100:101].astype(float)
    r = np.hypot(x, y)
    cells = CellSizes.square(1.0, 201)
    found = flow_area(np.where(r <= 100.0, r, np.nan), cells)
    ring = (r > 20) & (r < 60)
    ratio = specific_catchment_area(found, cells)[ring] / ((100.0**2 - r[ring] ** 2) / (2 * r[ring]))
    assert np.mean(ratio) == pytest.approx(1.04, abs=0.03)
    assert found[100, 100] == pytest.approx(np.sum(r <= 100.0), rel=1e-9)


def test_equal_descents_go_to_the_first_direction() -> None:
    """N before NE before E and so on: the mound gives its cell to the north; without it, to the east."""
    z = np.zeros((3, 3))
    z[1, 1] = 1.0
    assert flow_area(z, CellSizes.square(1.0, 3), method="d8")[0, 1] == 2.0
    z[0, 1] = 5.0
    assert flow_area(z, CellSizes.square(1.0, 3), method="d8")[1, 2] == 2.0


def test_diagonals_are_further() -> None:
    """10 m over 1.414 sides are steeper than 7 m over one, and gentler than 8."""
    z = np.array([[12.0, 12.0, 0.0], [12.0, 10.0, 3.0], [12.0, 12.0, 12.0]])
    cells = CellSizes.square(1.0, 3)
    flow = [accumulate(z - np.array([[0, 0, 0], [0, 0, lower], [0, 0, 0]]), cells, method="d8").area_m2 for lower in (0.0, 1.0)]
    assert flow[1][1, 2] - flow[0][1, 2] == flow[0][1, 1] > 1.0


def test_sizes_of_rows_count() -> None:
    """Rows near a pole: narrow cells, so the way to the east is short and steep."""
    z = np.array([[9.0, 9.0, 9.0], [9.0, 5.0, 4.0], [9.0, 3.0, 9.0]])
    wide = CellSizes(np.full(3, 30.0), np.full(3, 30.0))
    narrow = CellSizes(np.full(3, 10.0), np.full(3, 30.0))
    assert flow_area(z, wide, method="d8")[2, 1] > flow_area(z, wide, method="d8")[1, 2]
    found = flow_area(z, narrow, method="d8")
    assert found[1, 1] < found[1, 2]


def test_high_convergence_comes_to_d8() -> None:
    z = np.random.default_rng(2).normal(0.0, 1.0, (30, 30))
    d8 = flow_area(z, CellSizes.square(1.0, 30), method="d8")
    np.testing.assert_allclose(flow_area(z, CellSizes.square(1.0, 30), convergence=1e10), d8, rtol=1e-6)


def test_tiny_differences_keep_their_flow() -> None:
    """The power of the least difference that a number can hold is 0; its share is not."""
    z = np.array([[0.0, 0.0, 0.0], [0.0, 5e-324, 0.0], [0.0, 0.0, 0.0]])
    found = flow_area(z, CellSizes.square(1.0, 3), convergence=8.0)
    assert found.sum() - 1.0 == pytest.approx(9.0) and found.min() >= 1.0


def test_edge_reaches_what_lies_below_it() -> None:
    """A ridge along the middle column, falling to the south: its sides and the last row are what the edge drains to."""
    z = np.array([[4.0, 9.0, 4.0], [3.0, 8.0, 3.0], [2.0, 7.0, 2.0]])
    assert accumulate(z, CellSizes.square(1.0, 3)).from_edge.all()
    y, x = np.mgrid[-10:11, -10:11].astype(float)
    cone = accumulate(100.0 - np.hypot(x, y), CellSizes.square(1.0, 21)).from_edge
    assert not cone[1:-1, 1:-1].any() and cone[0].all() and cone[:, -1].all()
    bowl = accumulate(np.hypot(x, y), CellSizes.square(1.0, 21), method="d8").from_edge
    assert bowl[10, 10] and bowl.mean() > 0.3


@settings(max_examples=60, deadline=None)
@given(landscapes(), KINDS)
def test_from_edge_is_where_a_rim_of_extra_area_shows(z: Grid, kind: dict[str, Any]) -> None:
    """Marked are exactly the cells that would see more water if cells that miss a neighbour got more."""
    flow = accumulate(z, CellSizes.square(1.0, len(z)), **kind)
    wide = np.pad(z, 1, constant_values=np.nan)
    missing = [
        np.isnan(wide[1 + r : 1 + r + z.shape[0], 1 + c : 1 + c + z.shape[1]]) for r, c in zip(ROWS_AWAY, COLUMNS_AWAY, strict=True)
    ]
    rim = np.any(missing, axis=0) & ~np.isnan(z)
    assert flow.from_edge[rim].all()
    assert not flow.from_edge[np.isnan(z)].any()
    if not rim.all():
        assert (flow.area_m2[~flow.from_edge & ~np.isnan(z)] <= (~rim & ~np.isnan(z)).sum() * (1 + 1e-9)).all()


def test_peer_rules_lose_water_over_the_edge() -> None:
    z = np.repeat(np.arange(5.0, 0.0, -1.0)[:, None], 5, axis=1)
    cells = CellSizes.square(1.0, 5)
    assert flow_area(z, cells, method="d8", compat="saga").tolist()[4] == [1.0, 4.0, 4.0, 4.0, 1.0]
    inner = flow_area(z, cells, compat="saga")
    assert inner[4].sum() < 25.0 - 1e-9 and inner[4].sum() == pytest.approx(flow_area(z, cells)[4].sum() - 25.0 + inner[4].sum())


def test_the_same_bits_each_time() -> None:
    z = np.random.default_rng(9).normal(0.0, 5.0, (80, 90)).astype(np.float32)
    cells = CellSizes.square(10.0, 80)
    surface = fill(z, cells)
    assert flow_area(surface, cells).tobytes() == flow_area(surface.copy(), cells).tobytes()


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize(
    "z", [np.full((2, 3), np.nan), np.array([[5.0]]), np.array([[3.0, 2.0, 1.0]]), np.zeros((4, 4))], ids=["none", "cell", "row", "level"]
)
def test_small_and_empty(z: Grid, kind: dict[str, Any]) -> None:
    found = flow_area(z, CellSizes.square(10.0, len(z)), **kind)
    expected = np.where(np.isnan(z), np.nan, 100.0)
    if z.shape == (1, 3):
        expected = np.array([[100.0, 200.0, 300.0]])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"method": "dinf"}, "expected 'mfd' or 'd8'"), ({"convergence": 0.0}, "positive"), ({"compat": "grass"}, "expected 'saga'")],
)
def test_unknown_wishes(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        flow_area(np.zeros((3, 3)), CellSizes.square(1.0, 3), **asked)
