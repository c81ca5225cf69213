"""Quantiles of maps: moved, in order, and turned round; and the share of a layer that is soil."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.errors import ModelError
from edaphic.mapping.mask import soil_share
from edaphic.mapping.names import level_of, map_keys, tree_level_of
from edaphic.mapping.quantiles import calibrate, exceedance, moves_at
from edaphic.recipe.stats import check_stat, expected_stat
from edaphic.validate.calibration import adjust, adjust_levels

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def rows(seed: int, n: int = 50) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).lognormal(1.0, 0.7, (n, 5)), axis=1)


@pytest.mark.parametrize("log", [True, False])
def test_without_crossing_it_is_what_the_evidence_does(log):
    raw = rows(1)
    shift = np.array([-0.3, -0.2, 0.0, 0.1, 0.2])
    found, widened = calibrate(raw, LEVELS, (0.05, 0.95), (0.3, 0.2), shift, log=log)
    low, high = adjust(raw[:, 0], raw[:, 2], raw[:, 4], 0.3, 0.2, log=log)
    np.testing.assert_array_equal(found[:, 0], low)
    np.testing.assert_array_equal(found[:, 4], high)
    np.testing.assert_array_equal(found[:, 2], raw[:, 2])
    free = adjust_levels(raw, shift, log=log)
    rising = (np.diff((raw * np.exp(shift)) if log else raw + shift, axis=1) >= 0).all(axis=1)
    np.testing.assert_allclose(found[rising], free[rising])
    assert not widened.any()


@given(seed=st.integers(0, 1000), log=st.booleans(), width=st.floats(0, 3), at=st.floats(0.1, 30))
def test_quantiles_never_cross_and_anchors_stay(seed, log, width, at):
    rng = np.random.default_rng(seed)
    raw = rows(seed, 20)
    lower, upper = rng.normal(0, width, 2)
    shift = rng.normal(0, width, 5)
    within = np.full(20, at)
    found, widened = calibrate(raw, LEVELS, (0.05, 0.95), (lower, upper), shift, log=log, within=within)
    assert (np.diff(found, axis=1) >= 0).all() and (found >= 0).all()
    low, high = adjust(raw[:, 0], raw[:, 2], raw[:, 4], lower, upper, log=log)
    np.testing.assert_array_equal(found[:, 0], np.minimum(low, at))
    np.testing.assert_array_equal(found[:, 4], np.maximum(high, at))
    np.testing.assert_array_equal(widened, (low > at) | (high < at))
    chances = [exceedance(found, LEVELS, value) for value in (0.5, 2.0, 8.0)]
    assert (np.diff(chances, axis=0) <= 0).all() and np.min(chances) >= 0.05 - 1e-12 and np.max(chances) <= 0.95 + 1e-12


def test_moves_between_levels_are_in_proportion_and_beyond_them_a_fault():
    moves = np.array([[-1.0, 0.0, 3.0], [0.0, 2.0, 2.0]])
    found = moves_at(moves, (0.1, 0.5, 0.9), (0.1, 0.3, 0.7, 0.9))
    np.testing.assert_allclose(found, [[-1, -0.5, 1.5, 3], [0, 1, 2, 2]])
    with pytest.raises(ModelError, match=r"quantiles at \[0\.95\]; expected levels from 0\.1 to 0\.9"):
        moves_at(moves, (0.1, 0.5, 0.9), (0.95,))


def test_exceedance_of_a_known_distribution():
    """An exponential distribution: P(X > v) = exp(-v)."""
    levels = tuple(np.linspace(0.005, 0.995, 199))
    quantiles = -np.log(1 - np.asarray(levels))[None]
    for value in (0.1, 0.7, 2.0, 4.0):
        assert exceedance(quantiles, levels, value)[0] == pytest.approx(np.exp(-value), abs=2e-4)
    assert exceedance(quantiles, levels, 0.0)[0] == 0.995 and exceedance(quantiles, levels, 99.0)[0] == pytest.approx(0.005)


def test_values_that_equal_a_threshold_do_not_exceed_it():
    flat = np.full((1, 5), 3.0)
    assert exceedance(flat, LEVELS, 3.0)[0] == pytest.approx(0.05)
    assert exceedance(flat, LEVELS, 2.999)[0] == pytest.approx(0.95)
    assert np.isnan(exceedance(np.array([[1.0, np.nan, 2.0, 3.0, 4.0]]), LEVELS, 3.0)[0])


@given(depth=st.floats(0, 500), cuts=st.lists(st.integers(1, 199), min_size=1, max_size=5, unique=True))
def test_a_uniform_column_loses_exactly_its_missing_share(depth, cuts):
    edges = [0.0, *sorted(float(cut) for cut in cuts), 200.0]
    layers = list(pairwise(edges))
    thickness = np.diff(edges)
    share = soil_share(np.array([depth]), layers)[0]
    assert np.sum(share * thickness) == pytest.approx(min(depth, 200.0), abs=1e-9)
    assert ((share >= 0) & (share <= 1)).all()


def test_odd_depths_are_no_depths():
    np.testing.assert_array_equal(soil_share(np.array([-9999.0, -1.0, np.inf, 1e30]), [(0.0, 30.0)]), 1.0)


def test_recipe_and_maps_read_the_same_names():
    for stat in ("q01", "q05", "q50", "q99", "q011", "q025", "q101", "q975", "q989"):
        assert check_stat(stat) == stat and level_of(stat) == pytest.approx(float("0." + stat[1:]))
        assert check_stat(f"tree_{stat}") == f"tree_{stat}" and tree_level_of(f"tree_{stat}") == level_of(stat)
    for stat in ("q5", "tree_q5", "q0500", "Q05", "q00", "q000", "q005", "q991", "q010", "q050", "q100", "q500", "q990"):
        for name in (stat, f"tree_{stat}".replace("tree_tree_", "tree_")):
            with pytest.raises(ValueError, match="expected"):
                check_stat(name)


def test_a_level_has_one_name():
    """No two names that are accepted are of one level, which would make one map twice."""
    digits = [f"{number:02d}" for number in range(100)] + [f"{number:03d}" for number in range(1000)]
    levels = [level_of(f"q{text}") for text in digits if not expected_stat(f"q{text}")]
    assert len(set(levels)) == len(levels) and min(levels) == 0.01 and max(levels) == 0.99
    assert {round(level, 3) for level in levels} == {number / 1000 for number in range(10, 991)}
    for text in digits:
        assert (expected_stat(f"q{text}") == "") == (expected_stat(f"tree_q{text}") == "")


def test_names_of_maps_are_all_different():
    periods = [(1985, 1990), (1990, 1995), (1995, 1996)]
    keys = map_keys(["mean", "q05", "applicability"], [5, 2.5], [(0, 30), (30, 60), (0, 60)], periods, mean_of_periods=True)
    names = [key.name for key in keys]
    assert len(set(names)) == len(names) == 3 * (3 * 4 + 1) + 3 and "mean_0-60cm_1985-1996" in names
