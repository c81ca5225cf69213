"""Fields of errors: standard normal at every cell, alike nearby, and the same whatever the tile."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.stats import kstest, norm

from edaphic.covariates.window import Window
from edaphic.errors import ModelError
from edaphic.mapping.noise import RANGE, Noise, _inverse_normal, correlation, stream_of

METRES = GeoBox((60, 90), Affine(1000.0, 0.0, 500000.0, 0.0, -1000.0, 4600000.0), "EPSG:32634")
DEGREES = GeoBox((60, 90), Affine(0.02, 0.0, 10.0, 0.0, -0.01, 65.0), "EPSG:4326")
"""At 65 degrees a step of 0.02 of longitude is as long as 0.0085 of latitude."""

STREAMS = [stream_of(f"input {i}") for i in range(50)]


def whole(grid: GeoBox) -> tuple[Window, np.ndarray]:
    rows, cols = grid.shape
    return Window(0, 0, rows, cols), np.arange(rows * cols)


def drawn(grid: GeoBox, range_km: float | None, realisations: int, seed: int = 1) -> np.ndarray:
    """Fields (realisations x streams, height, width)."""
    placed = Noise(grid, seed, range_km).place(*whole(grid))
    return np.concatenate([placed.draw(r, STREAMS) for r in range(realisations)]).reshape(-1, *grid.shape)


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    return drawn(METRES, 20.0, 80)


def test_inverse_normal_is_that_of_scipy():
    for p in (1e-16, 1e-9, 0.001, 0.07, 0.075, 0.3, 0.5, 0.8, 0.925, 0.93, 0.999, 1 - 1e-12):
        assert _inverse_normal(p) == pytest.approx(norm.ppf(p), rel=1e-13, abs=1e-15)


def test_mean_0_and_variance_1_at_every_cell(fields):
    n = len(fields)
    assert np.abs(fields.mean(axis=0)).max() < 5 / np.sqrt(n)
    assert np.abs(fields.var(axis=0) - 1).max() < 5 * np.sqrt(2 / n)


def test_weights_have_unit_length():
    placed = Noise(METRES, 1, 20.0).place(*whole(METRES))
    assert np.abs((placed.weight**2).sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("range_km", [20.0, None])
def test_values_of_a_cell_are_normal(range_km):
    values = drawn(METRES, range_km, 80)[:, 17, 33]
    assert kstest(values, "norm").pvalue > 0.001


@pytest.mark.parametrize("step", [2, 5, 8, 12, 20, 34])
def test_correlation_by_distance_is_as_documented(fields, step):
    """Steps of 1 km; the mean over places and two directions, against the product of the axes averaged over directions."""
    found = np.mean([np.mean(fields[:, :, :-step] * fields[:, :, step:]), np.mean(fields[:, :-step] * fields[:, step:])])
    rng = np.random.default_rng(0)
    way = rng.normal(size=(4000, 3))
    way /= np.linalg.norm(way, axis=1)[:, None]
    spacing = 20.0 / RANGE
    expected = np.mean([np.prod([correlation(step * part, spacing) for part in one]) for one in way])
    assert found == pytest.approx(expected, abs=0.04)


def test_correlation_has_fallen_to_a_twentieth_at_the_range(fields):
    assert np.mean(fields[:, :, :-20] * fields[:, :, 20:]) == pytest.approx(0.05, abs=0.02)


def test_range_is_one_of_the_ground_in_both_directions_of_a_geographic_grid():
    fields = drawn(DEGREES, 20.0, 80)
    east, north = 111.4 * 0.02 * np.cos(np.radians(64.7)), 111.4 * 0.01
    for km in (5.0, 10.0, 20.0):
        i, j = round(km / east), round(km / north)
        along, up = np.mean(fields[:, :, :-i] * fields[:, :, i:]), np.mean(fields[:, :-j] * fields[:, j:])
        assert along == pytest.approx(up, abs=0.06)


def test_neighbours_across_the_antimeridian_are_alike():
    globe = GeoBox((4, 3600), Affine(0.1, 0.0, -180.0, 0.0, -0.1, 0.2), "EPSG:4326")
    placed = Noise(globe, 1, 200.0).place(Window(1, 0, 1, 3600), np.array([0, 3599]))
    values = np.concatenate([placed.draw(r, STREAMS) for r in range(20)])
    assert np.corrcoef(values.T)[0, 1] > 0.95


def test_the_same_bits_in_any_tile(fields):
    noise = Noise(METRES, 1, 20.0)
    for window in (Window(0, 0, 7, 11), Window(13, 29, 1, 1), Window(40, 0, 20, 90), Window(31, 77, 29, 13)):
        cells = np.arange(window.height * window.width)[:: 3 if window.height > 1 else 1]
        own = noise.place(window, cells).draw(2, STREAMS[:4])
        assert np.array_equal(own, fields[100:104][:, window.slices[0], window.slices[1]].reshape(4, -1)[:, cells])


def test_white_noise_has_the_same_bits_in_any_tile_and_no_neighbours():
    all_of_it = drawn(METRES, None, 4)
    own = Noise(METRES, 1, None).place(Window(20, 30, 5, 6), np.arange(30)).draw(0, STREAMS[:2])
    assert np.array_equal(own, all_of_it[:2, 20:25, 30:36].reshape(2, -1))
    assert abs(np.mean(all_of_it[:, :, :-1] * all_of_it[:, :, 1:])) < 0.005


def test_a_stream_does_not_depend_on_those_beside_it():
    placed = Noise(METRES, 1, 20.0).place(Window(0, 0, 5, 5), np.arange(25))
    assert np.array_equal(placed.draw(3, STREAMS)[7], placed.draw(3, [STREAMS[7]])[0])


def test_realisations_streams_and_seeds_are_independent(fields):
    mean = [np.mean(fields[i] * fields[j]) for i, j in ((0, 1), (0, 50), (0, 51), (3, 153))]
    assert np.abs(mean).max() < 0.45  # some 20 ranges squared in the grid
    apart = drawn(METRES, 20.0, 40)[:, ::20, ::30].reshape(40 * 50, -1)
    by_realisation = np.corrcoef(apart[:-50].ravel(), apart[50:].ravel())[0, 1]
    by_seed = np.corrcoef(apart.ravel(), drawn(METRES, 20.0, 40, seed=2)[:, ::20, ::30].ravel())[0, 1]
    assert abs(by_realisation) < 0.04 and abs(by_seed) < 0.04


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 10**6), st.text(max_size=8), st.floats(1.0, 5000.0))
def test_any_key_gives_finite_numbers_and_the_same_ones_again(seed, realisation, name, range_km):
    noise = Noise(METRES, seed, range_km)
    first, again = (noise.place(Window(3, 4, 2, 2), np.arange(4)).draw(realisation, [stream_of(name)]) for _ in range(2))
    assert np.isfinite(first).all() and np.abs(first).max() < 9 and np.array_equal(first, again)


def test_a_range_that_is_none_is_refused():
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match="expected a number above 0"):
            Noise(METRES, 1, wrong)


def test_no_cells_are_no_cells():
    placed = Noise(METRES, 1, 20.0).place(Window(0, 0, 2, 2), np.empty(0, dtype=np.intp))
    assert placed.draw(0, STREAMS[:3]).shape == (3, 0)
