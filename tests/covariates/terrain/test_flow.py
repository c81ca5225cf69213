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


def height(z: Grid, row: int, column: int) -> float:
    """NaN beyond the grid."""
    return float(z[row, column]) if 0 <= row < z.shape[0] and 0 <= column < z.shape[1] else math.nan


def drops(z: Grid, row: int, column: int) -> tuple[list[float], list[bool]]:
    """Descent to each neighbour and whether it is there; missing ones are mirrored, corners else on the plane of their sides."""
    here = float(z[row, column])
    down = [here - height(z, row + int(r), column + int(c)) for r, c in zip(ROWS_AWAY, COLUMNS_AWAY, strict=True)]
    there = [not math.isnan(drop) for drop in down]
    mirrored = [drop if known else -down[(k + 4) % 8] for k, (drop, known) in enumerate(zip(down, there, strict=True))]
    whole = [
        mirrored[k - 1] + mirrored[(k + 1) % 8] if k % 2 and math.isnan(drop) else drop for k, drop in enumerate(mirrored)
    ]
    return whole, there


def lowest(z: Grid) -> NDArray[np.bool_]:
    """Cells without a lower neighbour, there or beyond."""
    found = np.zeros(z.shape, dtype=bool)
    for row, column in np.argwhere(~np.isnan(z)):
        found[row, column] = not any(drop > 0 for drop in drops(z, row, column)[0])
    return found


def plainly(z: Grid, cells: CellSizes, method: str = "mfd", convergence: float = 1.1, contour: bool = False) -> tuple[Grid, float]:
    """The same from high to low, in plain Python: areas, and what left."""
    area = np.where(np.isnan(z), np.nan, cells.area_m2[:, None])
    away = distances(cells)
    gone = 0.0
    places = sorted(map(tuple, np.argwhere(~np.isnan(z))), key=lambda p: -z[p])
    for row, column in places:
        gets: list[tuple[int, float]] = []
        down, there = drops(z, row, column)
        for k in range(8):
            if down[k] > 0:
                slope = down[k] / away[row, k]
                side = cells.dx_m[row] if k % 4 == 0 else cells.dy_m[row]
                length = (away[row, k] / 4 if k % 2 else side / 2) if contour else 1.0
                gets.append((k, slope if method == "d8" else slope**convergence * length))
        if method == "d8" and gets:
            gets = [(max(gets, key=lambda g: g[1])[0], 1.0)]
        total = sum(share for _, share in gets)
        for k, share in gets:
            part = area[row, column] * share / total
            if there[k]:
                area[row + int(ROWS_AWAY[k]), column + int(COLUMNS_AWAY[k])] += part
            else:
                gone += part
    return area, gone


@settings(max_examples=150, deadline=None)
@given(landscapes(), KINDS)
def test_as_in_plain_python(z: Grid, kind: dict[str, Any]) -> None:
    cells = CellSizes(np.linspace(20.0, 25.0, len(z)), np.linspace(30.0, 29.0, len(z)))
    found = accumulate(z, cells, **kind)
    area, gone = plainly(z, cells, **kind)
    np.testing.assert_allclose(found.area_m2, area, rtol=1e-9)
    assert found.left_m2 == pytest.approx(gone, rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(landscapes(), KINDS)
def test_no_area_is_lost(z: Grid, kind: dict[str, Any]) -> None:
    """What leaves, with what the outlets without any descent keep, is all there is."""
    cells = CellSizes(np.linspace(20.0, 25.0, len(z)), np.linspace(30.0, 29.0, len(z)))
    surface = fill(z, cells)
    found = accumulate(surface, cells, **kind)
    total = np.where(np.isnan(z), 0.0, cells.area_m2[:, None]).sum()
    assert found.left_m2 + found.area_m2[lowest(surface)].sum() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("kind", METHODS)
def test_no_area_is_lost_on_a_large_rough_grid(kind: dict[str, Any]) -> None:
    z = np.random.default_rng(4).normal(500.0, 30.0, (150, 200)).astype(np.float32)
    cells = CellSizes.square(10.0, 150)
    surface = fill(z, cells)
    found = accumulate(surface, cells, **kind)
    leaving = lowest(surface)
    rim = np.zeros_like(leaving)
    rim[[0, -1]] = rim[:, [0, -1]] = True
    assert not (leaving & ~rim).any()
    assert found.left_m2 + found.area_m2[leaving].sum() == pytest.approx(z.size * 100.0, rel=1e-9)
    assert found.left_m2 > 0.95 * z.size * 100.0


def south_west(side: int) -> Grid:
    """A plane that falls by a metre for each cell to the west and to the south, its north-east half without heights."""
    row, column = np.indices((side, side))
    return np.where(column - row <= 0, 1000.0 + column - row, np.nan)


@pytest.mark.parametrize("kind", METHODS)
def test_plane_has_the_areas_of_the_inside_along_its_low_edges(kind: dict[str, Any]) -> None:
    """Each diagonal gives a share s to the next by either side and 1 - 2 s to the one after; D8 gives all to that one.

    So the area depends on the diagonal alone, up to the cells on the west and south edges and in their corner. Only the two tips,
    whose neighbours to both sides are missing, keep all on the grid; by the 25th diagonal that is forgotten.
    """
    z = south_west(40)
    found = accumulate(z, CellSizes.square(10.0, 40), **kind)
    side, corner = 1.0, math.sqrt(2.0) ** kind.get("convergence", 1.1)
    if kind.get("contour"):
        corner *= math.sqrt(2.0) / 2
    by_side = 0.0 if kind["method"] == "d8" else side / (2 * side + corner)
    area = [100.0, 100.0 + 2 * by_side * 100.0]
    for n in range(2, 40):
        area.append(100.0 + 2 * by_side * area[n - 1] + (1 - 2 * by_side) * area[n - 2])
    row, column = np.indices(z.shape)
    there = column <= row
    inner = there & (column > 0) & (row < 39)
    low = (row - column >= 25) & ~inner
    np.testing.assert_allclose(found.area_m2[inner], np.array(area)[(row - column)[inner]], rtol=1e-12)
    np.testing.assert_allclose(found.area_m2[low], np.array(area)[(row - column)[low]], rtol=1e-8)
    growth = 100.0 / (2 * by_side + 2 * (1 - 2 * by_side))  # m2 for each diagonal, far from the first
    assert area[39] - area[19] == pytest.approx(20 * growth, rel=1e-3)
    assert found.left_m2 == pytest.approx(there.sum() * 100.0, rel=1e-12)


@pytest.mark.parametrize("kind", METHODS)
def test_coast_takes_the_water_that_comes_to_it(kind: dict[str, Any]) -> None:
    """The same plane with a sea in its lower part: above it nothing changes, along it no channel runs."""
    z = south_west(40)
    row, column = np.indices(z.shape)
    land = np.where(row - column < 25, z, np.nan)
    whole, coast = (flow_area(heights, CellSizes.square(10.0, 40), **kind) for heights in (z, land))
    np.testing.assert_allclose(coast[~np.isnan(land)], whole[~np.isnan(land)], rtol=1e-12)


@pytest.mark.parametrize("kind", METHODS)
def test_no_channel_runs_along_the_rim_of_a_hill(kind: dict[str, Any]) -> None:
    """On the rim of a cut-out the areas are those of a wider DEM, but for what runs along the edge and comes back."""
    y, x = np.mgrid[-60:61, -60:61].astype(float)
    hill = 200.0 * np.exp(-(x**2 + y**2) / (2 * 20.0**2))
    inner = (slice(25, 96), slice(25, 96))
    whole = flow_area(hill, CellSizes.square(30.0, 121), **kind)[inner]
    found = flow_area(hill[inner], CellSizes.square(30.0, 71), **kind)
    np.testing.assert_allclose(found[1:-1, 1:-1], whole[1:-1, 1:-1], rtol=0.05)
    rim = np.ones(found.shape, dtype=bool)
    rim[1:-1, 1:-1] = False
    assert found[rim].max() <= 1.01 * whole[rim].max()
    assert np.mean(found[rim]) == pytest.approx(np.mean(whole[rim]), rel=0.1)


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
    cone = 100.0 - np.hypot(x, y)
    assert accumulate(cone, CellSizes.square(1.0, 21), compat="saga").from_edge[[0, -1]].all()
    assert not accumulate(-(x**2) - y**2, CellSizes.square(1.0, 21)).from_edge[10].any()
    bowl = accumulate(np.hypot(x, y), CellSizes.square(1.0, 21), method="d8").from_edge
    assert bowl[10, 10] and bowl.mean() > 0.3


def entered(z: Grid) -> NDArray[np.bool_]:
    """Cells with a missing neighbour that is higher or of which nothing is known."""
    found = np.zeros(z.shape, dtype=bool)
    for row, column in np.argwhere(~np.isnan(z)):
        down, there = drops(z, row, column)
        found[row, column] = any(not known and not drop >= 0 for drop, known in zip(down, there, strict=True))
    return found


@settings(max_examples=60, deadline=None)
@given(landscapes(), KINDS)
def test_from_edge_is_what_lies_below_the_cells_that_water_may_enter(z: Grid, kind: dict[str, Any]) -> None:
    """All of those, nothing without a height, and elsewhere no more area than the others have together."""
    flow = accumulate(z, CellSizes.square(1.0, len(z)), **kind)
    first = entered(z)
    assert flow.from_edge[first].all()
    assert not flow.from_edge[np.isnan(z)].any()
    others = ~flow.from_edge & ~np.isnan(z)
    assert (flow.area_m2[others] <= (~first & ~np.isnan(z)).sum() * (1 + 1e-9)).all()
    assert flow.from_edge.any() == first.any()


def test_where_the_edge_falls_catchments_are_whole() -> None:
    """A hill in the middle of the DEM: no water comes in, nothing is marked. A plane: it comes in from above."""
    y, x = np.mgrid[-10:11, -10:11].astype(float)
    cells = CellSizes.square(1.0, 21)
    for method in ("d8", "mfd"):
        hill = accumulate(100.0 - (x**2 + 0.3 * np.abs(x) + y**2), cells, method=method).from_edge  # type: ignore[arg-type]
        assert not hill[1:-1, 1:-1].any()
        plane = accumulate(x - 2 * y + 100.0, cells, method=method).from_edge  # type: ignore[arg-type]
        assert plane[0].all() and plane[:, -1].all()


def test_peer_rules_lose_water_over_the_edge() -> None:
    z = np.repeat(np.arange(5.0, 0.0, -1.0)[:, None], 5, axis=1)
    cells = CellSizes.square(1.0, 5)
    assert flow_area(z, cells, method="d8", compat="saga").tolist()[4] == [1.0, 4.0, 4.0, 4.0, 1.0]
    assert accumulate(z, cells, method="d8", compat="saga").left_m2 == 0.0
    inner = accumulate(z, cells, compat="saga")
    assert inner.left_m2 + inner.area_m2[4, [0, -1]].sum() > 0 and inner.area_m2[4].sum() < 25.0 - 1e-9


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
