"""Fields of blocks: averages of correlations by hand, covariances of draws, kriging against the textbook, the same bits twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from edaphic.account.simulation.fields import cholesky, draw_blocks, draw_parts, make_fields, sites, symmetric_root
from edaphic.account.simulation.lattice import Lattice, law_of, make_lattice, own_correlation, point_correlation, rho, support_of
from edaphic.covariates.grid import Window, cell_area_m2
from edaphic.errors import ModelError, RasterError
from edaphic.validate.grouping import EARTH_RADIUS_M
from edaphic.validate.kriging import gather, ordinary_kriging
from edaphic.validate.residuals import unit_vectors
from edaphic.validate.variogram import MODELS, Variogram

Plain = Callable[[int, int], GeoBox]
FIELD = Variogram("exponential", 0.0, 1.0, 12_000.0)


def every(window: Window) -> np.ndarray:
    return np.ones(window.shape, dtype=bool)


def lattice_of(grid: GeoBox, most: int) -> Lattice:
    return make_lattice(grid, every, most=most)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_kernels_have_the_correlations_of_the_variogram(model: str) -> None:
    v = Variogram(model, 0.2, 0.8, 500.0)
    for h in (0.0, 100.0, 499.0, 501.0, 2000.0):
        assert rho(int(law_of(v)[0]), h / 500.0) == pytest.approx(float(v.correlation(h)), abs=1e-12)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 140.0])
def test_anisotropy_is_that_of_the_variogram(angle: float) -> None:
    v = Variogram("exponential", 0.0, 1.0, 50_000.0, anisotropy_ratio=0.4, anisotropy_angle_deg=angle)
    lon, lat = np.array([10.0, 10.1, 10.05]), np.array([0.0, 0.0, 0.08])
    xyz = EARTH_RADIUS_M * unit_vectors(lon, lat)
    east, north = (np.radians(a[1:] - a[0]) * EARTH_RADIUS_M for a in (lon, lat))
    found = point_correlation(xyz[:1], xyz[1:], v)[0]
    np.testing.assert_allclose(found, v.correlation(v.distance(east, north)), rtol=1e-3)


def test_lattice_is_the_finest_with_so_many_blocks(plain: Plain) -> None:
    grid = plain(30, 40)
    assert lattice_of(grid, 3000).blocks == 1200
    coarse = lattice_of(grid, 100)
    assert coarse.side == 4 and coarse.blocks == 8 * 10
    assert coarse.area_m2.sum() == pytest.approx(float(cell_area_m2(grid, Window(0, 0, 30, 40)).sum()))
    np.testing.assert_allclose(np.bincount(coarse.block_of, weights=coarse.share), 1.0)


def test_lattice_holds_mapped_cells_only(plain: Plain) -> None:
    grid = plain(40, 40)
    here = np.zeros((40, 40), dtype=bool)
    here[3:9, 30:37] = True
    lattice = make_lattice(grid, lambda w: here[w.slices], most=16, window_size=7)
    assert 4 <= lattice.blocks <= 16
    assert lattice.area_m2.sum() == pytest.approx(float(cell_area_m2(grid, Window(0, 0, 40, 40))[here].sum()))
    row, col = np.nonzero(here)
    assert (lattice.part_of(row, col) >= 0).all()
    with pytest.raises(RasterError, match="no cell of the maps has a value"):
        make_lattice(grid, lambda w: np.zeros(w.shape, dtype=bool))


def test_block_covariances_are_means_over_their_cells(plain: Plain) -> None:
    """Against the mean over all pairs of cells, for blocks of 4 x 4 and of 6 x 6 cells (the latter in parts of one and two)."""
    for most, tolerance in ((9, 1e-3), (4, 0.02)):
        grid = plain(12, 12)
        lattice = lattice_of(grid, most)
        row, col = np.indices((12, 12)).reshape(2, -1)
        block = lattice.block_of[lattice.part_of(row, col)]
        cell = lattice_of(grid, 3000)
        whole = point_correlation(cell.xyz, cell.xyz, FIELD)
        mean = np.array([[whole[np.ix_(block == a, block == b)].mean() for b in range(lattice.blocks)] for a in range(lattice.blocks)])
        np.testing.assert_allclose(support_of(lattice, FIELD).between, mean, rtol=tolerance)


def test_parts_of_one_cell_are_points() -> None:
    size, count = np.array([[1000.0, 1000.0], [2000.0, 1000.0]]), np.array([[1, 1], [2, 1]])
    found = own_correlation(size, count, FIELD)
    assert found[0] == 1.0
    assert found[1] == pytest.approx((1 + float(FIELD.correlation(1000.0))) / 2)


def test_draws_have_the_covariance_of_blocks_parts_and_layers(plain: Plain) -> None:
    lattice = lattice_of(plain(8, 8), 4)
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    fields = make_fields(lattice, FIELD, correlation)
    blocks = np.concatenate([draw_blocks(fields, k, 100, 1) for k in range(200)], axis=2)
    np.testing.assert_allclose(np.cov(blocks[0]), fields.support.between, atol=0.03)
    assert np.corrcoef(blocks[0, 1], blocks[1, 1])[0, 1] == pytest.approx(0.6, abs=0.02)
    parts = np.concatenate([draw_parts(fields, blocks[:, :, k * 100 : (k + 1) * 100], k, 1) for k in range(200)], axis=2)
    assert parts[0].var(axis=1) == pytest.approx(1.0, abs=0.05)  # parts are cells
    first = lattice.block_of == 0
    np.testing.assert_allclose(lattice.share[first] @ parts[0, first], blocks[0, 0], atol=1e-9)


def test_the_same_seed_gives_the_same_bits_and_more_draws_begin_alike(plain: Plain) -> None:
    fields = make_fields(lattice_of(plain(8, 8), 4), FIELD, np.eye(1))
    few, many = (draw_blocks(fields, 0, n, 7) for n in (10, 100))
    np.testing.assert_array_equal(few, many[:, :, :10])
    assert not np.array_equal(many, draw_blocks(fields, 0, 100, 8))


def test_fields_given_profiles_are_those_of_ordinary_kriging(plain: Plain) -> None:
    """Mean and variance in a cell against the kriging of the evidence; nugget and measurement are noise of the data."""
    rng = np.random.default_rng(3)
    grid = plain(12, 12)
    v = Variogram("spherical", 0.2, 0.7, 9000.0, measurement_variance=0.1)
    lattice = lattice_of(grid, 3000)
    middle = lattice.xyz.mean(axis=0)
    lon0, lat0 = np.degrees(np.arctan2(middle[1], middle[0])), np.degrees(np.arcsin(middle[2] / np.linalg.norm(middle)))
    lon, lat, score = lon0 + 0.06 * rng.standard_normal(30), lat0 + 0.04 * rng.standard_normal(30), rng.standard_normal(30)
    fields = make_fields(lattice, v, np.eye(1), [sites(lon, lat, score)])
    plain_v = Variogram("spherical", 0.3, 0.7, 9000.0)
    mean, variance = ordinary_kriging(gather(lon, lat, score), plain_v, lattice.xyz, neighbours=30)
    np.testing.assert_allclose(np.sqrt(0.7) * fields.mean[0], mean, atol=0.01)
    np.testing.assert_allclose(0.7 * np.einsum("ij,ij->i", fields.root[0], fields.root[0]), variance - 0.3, atol=0.01)


def test_layers_with_the_same_profiles_share_a_root_and_others_do_not(plain: Plain) -> None:
    lattice = lattice_of(plain(6, 6), 3000)
    lon, lat = (np.degrees(a) for a in (np.arctan2(lattice.xyz[:5, 1], lattice.xyz[:5, 0]), np.arcsin(lattice.xyz[:5, 2] / EARTH_RADIUS_M)))
    rng = np.random.default_rng(1)
    one, two = rng.standard_normal(5), rng.standard_normal(5)
    fields = make_fields(lattice, FIELD, np.eye(2), [sites(lon, lat, one), sites(lon, lat, two)])
    assert fields.root[0] is fields.root[1]
    assert not np.allclose(fields.mean[0], fields.mean[1])
    fields = make_fields(lattice, FIELD, np.eye(2), [sites(lon, lat, one), sites(lon[:3], lat[:3], two[:3])])
    assert np.diag(fields.root[1] @ fields.root[1].T).sum() > np.diag(fields.root[0] @ fields.root[0].T).sum()


def test_too_many_profiles_are_averaged_and_said() -> None:
    rng = np.random.default_rng(2)
    many = sites(20 + rng.random(500), 40 + rng.random(500), rng.standard_normal(500), most=100)
    assert len(many.score) <= 100 and many.rows.sum() == 500
    assert "500 profiles averaged" in many.notes[0]


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ModelError, match="scores at profiles: 2 with some not finite"):
        sites([1.0, 2.0], [1.0, 2.0], [0.0, np.nan])


def test_a_covariance_without_a_root_gets_a_jitter_that_is_named() -> None:
    notes: list[str] = []
    matrix = np.array([[1.0, 1.0001], [1.0001, 1.0]])
    root = cholesky(matrix, notes)
    np.testing.assert_allclose(root @ root.T, matrix, atol=2e-3)
    assert len(notes) == 1 and "of the variance added" in notes[0]
    assert cholesky(np.eye(2), notes)[0, 0] == pytest.approx(1.0) and len(notes) == 1


def test_symmetric_root_of_a_singular_matrix() -> None:
    matrix = np.ones((3, 3))
    np.testing.assert_allclose(symmetric_root(matrix) @ symmetric_root(matrix).T, matrix, atol=1e-12)
