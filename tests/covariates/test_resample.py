from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely import box
from shapely.geometry import Polygon

from edaphic.covariates.resample import Lattice, average, bilinear, detail, footprints, mode, nearest

NAN = np.nan
NUMBERS = np.arange(1.0, 13.0).reshape(3, 4)


def places(*pairs: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p[0] for p in pairs], dtype=float), np.array([p[1] for p in pairs], dtype=float)


def run(kernel, block, col, row, wraps=0, row0=0, col0=0):
    out = np.full(len(col), NAN)
    kernel(np.asarray(block, dtype=float), row0, col0, col, row, wraps, out)
    return out


def test_nearest_is_the_cell_under_the_place() -> None:
    assert run(nearest, NUMBERS, *places((0.0, 0.0), (0.999, 0.5), (1.0, 2.9), (3.5, 1.5))).tolist() == [1, 1, 10, 8]


def test_nearest_and_bilinear_have_nothing_beyond_the_block() -> None:
    outside = places((-0.1, 0.5), (4.0, 0.5), (0.5, 3.0), (0.5, -0.1), (NAN, NAN))
    for kernel in (nearest, bilinear):
        assert np.isnan(run(kernel, NUMBERS, *outside)).all()


def test_bilinear_at_a_centre_is_the_cell_to_the_bit() -> None:
    values = np.array([[0.1, 1e30], [7.7, -3.3]])
    col, row = places((0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5))
    assert run(bilinear, values, col, row).tolist() == [0.1, 1e30, 7.7, -3.3]


def test_bilinear_between_centres_by_hand() -> None:
    assert run(bilinear, [[0, 10], [20, 50]], *places((1.0, 1.0), (1.0, 0.5), (0.75, 1.25))).tolist() == [20, 5, 21.25]


def test_bilinear_is_flat_in_the_outer_half_cell() -> None:
    assert run(bilinear, [[3, 5]], *places((0.0, 0.1), (0.4, 0.9), (1.99, 0.5))).tolist() == [3, 3, 5]


def test_bilinear_leaves_out_missing_neighbours() -> None:
    block = [[1, NAN], [3, NAN]]
    # The place lies in column 0, half way to its edge: weights 0.75 and 0.25, of which the second has no value.
    assert run(bilinear, block, *places((0.75, 0.5), (0.75, 1.0))).tolist() == [1, 2]


def test_bilinear_has_no_value_where_its_own_cell_has_none() -> None:
    assert np.isnan(run(bilinear, [[1, NAN]], *places((1.01, 0.5)))).all()


@given(
    st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5), st.lists(st.tuples(st.floats(0.5, 3.5), st.floats(0.5, 2.5)))
)
def test_bilinear_keeps_a_plane(a: float, b: float, c: float, where: list[tuple[float, float]]) -> None:
    row, col = np.mgrid[0:3, 0:4] + 0.5
    x, y = places(*where)
    np.testing.assert_allclose(run(bilinear, a + b * col + c * row, x, y), a + b * x + c * y, atol=1e-12)


def test_a_block_may_start_anywhere() -> None:
    col, row = places((1.2, 1.3), (2.9, 2.2))
    for kernel in (nearest, bilinear):
        expected = run(kernel, NUMBERS, col, row)
        assert run(kernel, NUMBERS[1:, 1:], col, row, row0=1, col0=1)[1] == expected[1]


def footprint(*corners: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[c[0] for c in corners]], dtype=float), np.array([[c[1] for c in corners]], dtype=float)


def rectangle(left: float, top: float, right: float, bottom: float) -> tuple[np.ndarray, np.ndarray]:
    return footprint((left, top), (right, top), (right, bottom), (left, bottom))


def test_average_of_whole_cells() -> None:
    assert run(average, NUMBERS, *rectangle(0, 0, 2, 2)).tolist() == [(1 + 2 + 5 + 6) / 4]
    assert run(average, NUMBERS, *rectangle(1, 1, 4, 3)).tolist() == [9]


def test_average_weighs_parts_of_cells() -> None:
    # Half of column 0, all of column 1, a quarter of column 2, in row 0.
    expected = (0.5 * 1 + 1 * 2 + 0.25 * 3) / 1.75
    assert run(average, NUMBERS, *rectangle(0.5, 0, 2.25, 1))[0] == pytest.approx(expected, rel=1e-15)


def test_average_over_a_diamond_by_hand() -> None:
    diamond = footprint((1, 0), (2, 1), (1, 2), (0, 1))  # half of each of four cells
    assert run(average, NUMBERS, *diamond)[0] == pytest.approx((1 + 2 + 5 + 6) / 4, rel=1e-15)


def test_average_does_not_mind_the_turn_of_the_footprint() -> None:
    cols, rows = footprint((0.3, 0.1), (3.1, 0.7), (2.9, 2.9), (0.2, 2.2))
    ours = run(average, NUMBERS, cols, rows)[0]
    assert run(average, NUMBERS, cols[:, ::-1], rows[:, ::-1])[0] == pytest.approx(ours, rel=1e-14)


def test_average_leaves_out_what_has_no_value() -> None:
    block = NUMBERS.copy()
    block[0, 0] = NAN
    assert run(average, block, *rectangle(0, 0, 2, 2)).tolist() == [(2 + 5 + 6) / 3]


@pytest.mark.parametrize(("missing", "value"), [(2, (5 + 6) / 2), (3, NAN)])
def test_average_wants_half_of_the_footprint(missing: int, value: float) -> None:
    block = NUMBERS.copy()
    block[[0, 0, 1][:missing], [0, 1, 0][:missing]] = NAN
    np.testing.assert_array_equal(run(average, block, *rectangle(0, 0, 2, 2)), [value])


def test_average_counts_what_lies_beyond_the_source_as_missing() -> None:
    assert run(average, NUMBERS, *rectangle(-1, 0, 1, 1)).tolist() == [1]  # just half
    assert np.isnan(run(average, NUMBERS, *rectangle(-1.1, 0, 1, 1))).all()


corner = st.tuples(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))


@given(corner, corner, corner, corner)
def test_average_has_the_exact_shares_of_a_quadrilateral(a, b, c, d) -> None:
    """Against polygon overlay, one source cell at a time: the average of a cell of 1 among 0 is its share."""
    points = [(2 + a[0], 2 + a[1]), (5 + b[0], 2 + b[1]), (5 + c[0], 5 + c[1]), (2 + d[0], 5 + d[1])]
    cols, rows = (np.round(part, 6) for part in footprint(*points))
    shape = Polygon(zip(cols[0], rows[0], strict=True))
    for r, k in ((1, 2), (2, 2), (3, 3), (4, 1), (5, 5), (3, 4)):
        block = np.zeros((8, 8))
        block[r, k] = 1.0
        expected = shape.intersection(box(k, r, k + 1, r + 1)).area / shape.area
        assert run(average, block, cols, rows)[0] == pytest.approx(expected, abs=1e-9)


@given(st.floats(1.5, 6.0), st.integers(0, 2**32 - 1))
def test_average_keeps_the_total(ratio: float, seed: int) -> None:
    """Footprints that tile the source give back its sum: nothing is counted twice, nothing lost."""
    values = np.random.default_rng(seed).normal(size=(12, 12))
    edges = np.unique(np.clip(np.round(np.arange(0.0, 12.0 + ratio, ratio), 6), 0, 12))
    parts = [rectangle(left, top, right, bottom) for top, bottom in pairwise(edges) for left, right in pairwise(edges)]
    cols, rows = (np.concatenate(side) for side in zip(*parts, strict=True))
    areas = (cols[:, 2] - cols[:, 0]) * (rows[:, 2] - rows[:, 0])
    assert (run(average, values, cols, rows) * areas).sum() == pytest.approx(values.sum(), abs=1e-9)


def test_a_constant_stays_a_constant() -> None:
    cols, rows = footprint((0.3, 0.1), (3.1, 0.7), (2.9, 2.9), (0.2, 2.2))
    assert np.float32(run(average, np.full((3, 4), 0.1), cols, rows)[0]) == np.float32(0.1)


GLOBE = Lattice(Affine(90.0, 0.0, -180.0, 0.0, -90.0, 90.0), 4, 2, 360.0)


def test_longitude_is_found_however_it_is_counted() -> None:
    lon = np.array([-135.0, 225.0, 585.0])
    assert GLOBE.locate(lon, np.full(3, 45.0))[0].tolist() == [0.5] * 3
    pacific = Lattice(Affine(10.0, 0.0, 150.0, 0.0, -10.0, 10.0), 6, 2, 360.0)  # 150 to 210 E
    assert pacific.locate(np.array([-175.0, 155.0, 205.0]), np.zeros(3))[0].tolist() == [3.5, 0.5, 5.5]
    assert pacific.wraps == 0 and GLOBE.wraps == 4


def test_places_that_do_not_exist_are_missing() -> None:
    col, row = GLOBE.locate(np.array([np.inf, 0.0]), np.array([0.0, np.nan]))
    assert np.isnan(col).all() and np.isnan(row).all()


def test_a_centre_on_an_edge_always_falls_to_the_same_side() -> None:
    lattice = Lattice(Affine(0.1, 0.0, 0.0, 0.0, -0.1, 0.0), 100, 100, None)
    col, _ = lattice.locate(np.array([0.3, 0.1 * 3, 0.7, 0.1 * 7]), np.zeros(4))
    assert np.floor(col).tolist() == [3, 3, 7, 7]


def test_values_go_on_across_the_seam_of_a_globe() -> None:
    block = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    col, row = GLOBE.locate(np.array([-180.0, 180.0, 179.0]), np.full(3, 45.0))
    np.testing.assert_allclose(run(bilinear, block, col, row, wraps=4), [2.5, 2.5, 2.5 + 3 / 90], rtol=1e-6)
    col, row = GLOBE.locate(np.array([[135.0, 225.0], [135.0, 225.0]]), np.array([[90.0, 90.0], [0.0, 0.0]]))
    cols, rows = GLOBE.in_one_piece(footprints(col)), footprints(row)
    assert run(average, block, cols, rows, wraps=4).tolist() == [2.5]


def test_a_footprint_over_the_west_edge_of_a_source_that_is_no_globe() -> None:
    lattice = Lattice(Affine(10.0, 0.0, 150.0, 0.0, -10.0, 10.0), 6, 2, 360.0)
    col, _ = lattice.locate(np.array([[145.0, 155.0], [145.0, 155.0]]), np.array([[10.0, 10.0], [0.0, 0.0]]))
    assert lattice.in_one_piece(footprints(col)).tolist() == [[-0.5, 0.5, 0.5, -0.5]]


def test_detail_is_the_coarser_direction() -> None:
    assert detail(np.array([0.0, 5.0, 5.0, 0.0]), np.array([0.0, 0.0, 3.0, 3.0])) == 3.0
    tilted = np.array([0.0, 4.0, 1.0, -3.0]), np.array([0.0, 3.0, 7.0, 4.0])  # 5 x 5, turned
    assert detail(*tilted) == pytest.approx(5.0)


# --- The most frequent class ------------------------------------------------------------------------------------------


def most(block, cols, rows, wraps: int = 0) -> np.ndarray:
    out = np.full(len(cols), np.nan)
    mode(np.asarray(block, dtype=float), 0, 0, np.asarray(cols, dtype=float), np.asarray(rows, dtype=float), wraps, out)
    return out


CODES = [[3, 3, 1, 1], [3, 2, 2, 1], [9, 9, 9, 9], [9, 9, 9, 9]]


def test_the_class_with_the_largest_area_counts() -> None:
    assert most(CODES, [[0, 2, 2, 0]], [[0, 0, 2, 2]]) == [3]  # 3 3 3 2
    assert most(CODES, [[1, 3, 3, 1]], [[0.5, 0.5, 2, 2]]) == [2]  # 2 and 2 whole, 3 and 1 by half
    assert most(CODES, [[0, 4, 4, 0]], [[0, 0, 4, 4]]) == [9]


def test_of_equal_areas_the_smallest_code_counts() -> None:
    assert most(CODES, [[1, 3, 3, 1]], [[0, 0, 1, 1]]) == [1]
    assert most(np.array(CODES)[:, ::-1], [[1, 3, 3, 1]], [[0, 0, 1, 1]]) == [1]
    third = 1 / 3  # shares that differ by rounding only
    assert most([[7, 5, 6]], [[0, 3, 3, 0]], [[third, third, 2 * third, 2 * third]]) == [5]


def test_the_most_frequent_class_wants_values_in_half_of_the_cell() -> None:
    block = np.array([[4.0, np.nan], [np.nan, np.nan]])
    assert np.isnan(most(block, [[0, 2, 2, 0]], [[0, 0, 2, 2]]))
    block[1, 1] = 8
    assert most(block, [[0, 2, 2, 0]], [[0, 0, 2, 2]]) == [4]


def test_footprints_turned_either_way_and_over_the_seam() -> None:
    assert most(CODES, [[0, 0, 2, 2]], [[0, 2, 2, 0]]) == [3]
    assert most(CODES, [[3, 5, 5, 3]], [[0, 0, 1, 1]], wraps=4) == [1]


def test_many_classes_in_one_cell() -> None:
    """More than the table of codes begins with."""
    block = np.arange(1600.0).reshape(40, 40)
    block[30, 30] = block[31, 31] = 777
    assert most(block, [[0, 40, 40, 0]], [[0, 0, 40, 40]]) == [777]


def test_the_most_frequent_class_is_what_counting_says() -> None:
    random = np.random.default_rng(60)
    block = random.integers(1, 5, size=(60, 60)).astype(float)
    block[random.random(block.shape) < 0.2] = np.nan
    cells = [(row, col) for row in range(0, 60, 6) for col in range(0, 60, 6)]
    found = most(block, [[c, c + 6, c + 6, c] for _, c in cells], [[r, r, r + 6, r + 6] for r, _ in cells])
    for (row, col), code in zip(cells, found, strict=True):
        part = block[row : row + 6, col : col + 6]
        values, counts = np.unique(part[np.isfinite(part)], return_counts=True)
        assert code == (values[np.argmax(counts)] if counts.sum() >= 18 else pytest.approx(np.nan, nan_ok=True))
