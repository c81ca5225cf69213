import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from edaphic.errors import ModelError
from edaphic.validate.probability import (
    ClusterRandom,
    SimpleRandom,
    StratifiedRandom,
    UnequalProbability,
    difference_estimate,
    map_quality,
    mean_over_area,
)

DRAWS = 600


@pytest.fixture(scope="module")
def area():
    """4,000 cells in 4 strata and 100 clusters, a target, and a map with a bias and errors that grow with the target."""
    rng = np.random.default_rng(11)
    stratum = np.repeat([0, 1, 2, 3], [400, 800, 1200, 1600])
    cluster = rng.permutation(np.repeat(np.arange(100), np.repeat([20, 60], 50)))
    z = 5 + 3 * stratum + rng.normal(size=100)[cluster] + rng.gamma(2.0, 1.0, 4000)
    p = z + 0.5 + 0.3 * rng.normal(size=100)[cluster] + 0.15 * z * rng.normal(size=4000)
    truth = {"me": (p - z).mean(), "mae": np.abs(p - z).mean(), "mse": ((p - z) ** 2).mean(), "mec": 1 - ((p - z) ** 2).mean() / z.var()}
    truth["rmse"] = math.sqrt(truth["mse"])
    return {"z": z, "p": p, "stratum": stratum, "cluster": cluster, "truth": truth}


def draw_simple(area, rng):
    rows = rng.integers(0, 4000, 100)
    return rows, SimpleRandom(100)


def draw_stratified(area, rng):
    # The same number in each, so that small strata are over-represented.
    rows = np.concatenate([rng.choice(np.flatnonzero(area["stratum"] == k), 25) for k in range(4)])
    return rows, StratifiedRandom(area["stratum"][rows], {k: float((area["stratum"] == k).sum()) for k in range(4)})


def draw_clusters(area, rng):
    drawn = rng.integers(0, 100, 30)
    rows = np.concatenate([rng.choice(np.flatnonzero(area["cluster"] == k), 5, replace=False) for k in drawn])
    size = {i: float((area["cluster"] == k).sum()) for i, k in enumerate(drawn)}
    return rows, ClusterRandom(np.repeat(np.arange(30), 5), size)


def draw_clusters_by_size(area, rng):
    size = np.bincount(area["cluster"])
    drawn = rng.choice(100, 30, p=size / size.sum())
    rows = np.concatenate([rng.choice(np.flatnonzero(area["cluster"] == k), 5, replace=False) for k in drawn])
    return rows, ClusterRandom(np.repeat(np.arange(30), 5))


def draw_unequal(area, rng):
    chance = 1.0 + area["stratum"] + (np.arange(4000) % 3)
    rows = rng.choice(4000, 150, p=chance / chance.sum())
    return rows, UnequalProbability(chance[rows])


def draw_unequal_known(area, rng):
    chance = area["z"] / area["z"].sum()
    rows = rng.choice(4000, 150, p=chance)
    return rows, UnequalProbability(150 * chance[rows], population=4000)


@pytest.mark.parametrize("draw", [draw_simple, draw_stratified, draw_clusters, draw_clusters_by_size, draw_unequal, draw_unequal_known])
def test_estimates_are_unbiased_and_intervals_cover(area, draw):
    rng = np.random.default_rng(5)
    tables = []
    for _ in range(DRAWS):
        rows, design = draw(area, rng)
        tables.append(map_quality(area["z"][rows], area["p"][rows], design).to_numpy())
    found, names = np.array(tables), ["me", "mae", "mse", "rmse", "mec"]
    for k, name in enumerate(names):
        estimate, se, low, high = found[:, k].T
        truth = area["truth"][name]
        spread = estimate.std(ddof=1)
        # Ratios and roots have a bias of the order of the variance; means have none.
        bound = 4 * spread / math.sqrt(DRAWS) + (0.15 * spread if name in ("rmse", "mec") else 0.0)
        if draw is not draw_clusters:
            assert abs(estimate.mean() - truth) < bound, name
        else:
            assert abs(estimate.mean() - truth) < bound + 0.1 * spread, name
        assert math.sqrt((se**2).mean()) == pytest.approx(spread, rel=0.15), name
        assert 0.915 <= ((low <= truth) & (truth <= high)).mean() <= 0.98, name


# Closed forms.


def test_simple_random_by_hand():
    table = map_quality([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 5.0], SimpleRandom(4))
    # Errors 1, 0, 0, 1: mean 1/2, variance 1/3, of the mean 1/12; squared errors the same. Variance of the target 5/3.
    t = student.ppf(0.975, 3)
    se = math.sqrt(1 / 12)
    assert table.loc["me"].tolist() == pytest.approx([0.5, se, 0.5 - t * se, 0.5 + t * se])
    assert table.loc["mse", "se"] == pytest.approx(se)
    assert table.loc["rmse", "estimate"] == pytest.approx(math.sqrt(0.5))
    assert table.loc["mec", "estimate"] == pytest.approx(1 - 0.5 / (5 / 3))
    assert table.loc["mse", "low"] * table.loc["mse", "high"] == pytest.approx(0.25)


def test_all_of_a_finite_population_drawn_has_no_error_left():
    assert SimpleRandom(4, fraction=0.75).mean(np.array([1.0, 2, 3, 4]))[1] == pytest.approx(
        0.25 * SimpleRandom(4).mean(np.array([1.0, 2, 3, 4]))[1]
    )


def test_designs_agree_where_they_are_the_same_design():
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    simple = SimpleRandom(6).mean(values)
    assert ClusterRandom(np.arange(6)).mean(values) == pytest.approx(simple)
    assert UnequalProbability(np.full(6, 0.01)).mean(values) == pytest.approx(simple)
    assert UnequalProbability(np.full(6, 0.01), population=600).mean(values) == pytest.approx(simple)
    assert StratifiedRandom(["a"] * 6, {"a": 7.0}).mean(values) == pytest.approx(simple)


def test_unequal_chances_by_hand():
    # Weights 2 and 4: (2 * 1 + 4 * 4) / 6 = 3; parts -4/6 and 4/6, squared sum 8/9, times 2.
    assert UnequalProbability([0.5, 0.25]).mean(np.array([1.0, 4.0])) == pytest.approx((3.0, 16 / 9))
    # Horvitz-Thompson with 9 units: (2 + 16) / 9 = 2; parts 4/9 and 32/9, variance of their mean (28/9)^2 / 4.
    assert UnequalProbability([0.5, 0.25], population=9).mean(np.array([1.0, 4.0])) == pytest.approx((2.0, (28 / 9) ** 2 / 4))


def test_clusters_of_unequal_size_by_hand():
    # Totals 10 * 2 and 30 * 6 over 40: 5. Shares 0.5 and 1.5: deviations -1.5 and 1.5, variance 4.5 / 2.
    assert ClusterRandom(["x", "x", "y"], {"x": 10.0, "y": 30.0}).mean(np.array([1.0, 3.0, 6.0])) == pytest.approx((5.0, 2.25))


def test_a_perfect_map_and_a_constant_target():
    table = map_quality([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], SimpleRandom(3))
    assert table.loc[["me", "mae", "mse", "rmse"]].to_numpy().tolist() == [[0.0] * 4] * 4
    assert table.loc["mec"].tolist() == [1.0, 0.0, 1.0, 1.0]
    constant = map_quality([2.0, 2.0, 2.0], [1.0, 2.0, 4.0], SimpleRandom(3))
    assert constant.loc["mec"].isna().all() and constant.loc["mse", "estimate"] == pytest.approx(5 / 3)


def test_the_difference_estimate_is_unbiased_and_surer_than_the_sites_alone(area):
    rng, found = np.random.default_rng(6), []
    for _ in range(DRAWS):
        rows, design = draw_simple(area, rng)
        alone = mean_over_area(area["z"][rows], design)
        helped = difference_estimate(area["p"].mean(), area["z"][rows], area["p"][rows], design)
        found.append([*alone, *helped])
    found = np.array(found)
    truth = area["z"].mean()
    assert found[:, [0, 4]].mean(axis=0) == pytest.approx([truth, truth], abs=0.05)
    assert found[:, 5].mean() < 0.6 * found[:, 1].mean()
    for low, high in ((2, 3), (6, 7)):
        assert 0.925 <= ((found[:, low] <= truth) & (truth <= found[:, high])).mean() <= 0.975


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=3, max_size=30), st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_shifts(values, scale, shift):
    z = np.array(values)
    design = SimpleRandom(len(z))
    plain, other = map_quality(z, z + shift, design), map_quality(scale * z, scale * (z + shift), design)
    assert other.loc[["me", "mae", "rmse"]].to_numpy() == pytest.approx(scale * plain.loc[["me", "mae", "rmse"]].to_numpy(), abs=1e-6)
    assert plain.loc["me", "estimate"] == pytest.approx(shift, abs=1e-9)


# Faults.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimpleRandom(1), "at least two"),
        (lambda: SimpleRandom(5, 1.0), "fraction 1"),
        (lambda: StratifiedRandom(["a", "a", "b"], {"a": 1.0, "b": 1.0}), "stratum b: 1 validation sites"),
        (lambda: StratifiedRandom(["a", "a", "b", "b"], {"a": 1.0}), "stratum b: sites but no area"),
        (lambda: StratifiedRandom(["a", "a"], {"a": 1.0, "c": 2.0}), "stratum c: 0 validation sites"),
        (lambda: StratifiedRandom(["a", "a"], {"a": -1.0}), "area -1.0"),
        (lambda: StratifiedRandom([], {}), "no strata"),
        (lambda: ClusterRandom([1, 1, 1]), "1 cluster"),
        (lambda: ClusterRandom([1, 2], {1: 3.0}), "cluster 2: no size"),
        (lambda: UnequalProbability([0.1, 0.0, np.nan]), "2 of 3 without an inclusion probability"),
        (lambda: UnequalProbability([1.5, 0.2], population=10), "at most 1"),
        (lambda: map_quality([1.0, np.nan, 2.0], [1.0, 2.0, 3.0], SimpleRandom(3)), "1 of 3 values missing"),
        (lambda: map_quality([1.0, 2.0], [1.0, 2.0], SimpleRandom(3)), "3 sites of the design"),
        (lambda: difference_estimate(np.nan, [1.0, 2.0], [1.0, 2.0], SimpleRandom(2)), "mean of the map nan"),
    ],
)
def test_faults(make, message):
    with pytest.raises(ModelError, match=message):
        make()


@pytest.mark.parametrize("lost", [["a", "a", None, "b", "b"], [1.0, 1.0, np.nan, 2.0, 2.0]])
def test_sites_without_a_stratum_or_cluster_are_counted(lost):
    with pytest.raises(ModelError, match="1 of 5 without a stratum"):
        StratifiedRandom(lost, {"a": 1.0, "b": 1.0, 1.0: 1.0, 2.0: 1.0})
    with pytest.raises(ModelError, match="1 of 5 without a cluster"):
        ClusterRandom(lost)


def test_sizes_that_are_no_numbers_and_levels_that_are_none():
    with pytest.raises(ModelError, match="stratum a: area large; expected a number"):
        StratifiedRandom(["a", "a"], {"a": "large"})
    with pytest.raises(ModelError, match="cluster 1: no size above zero"):
        ClusterRandom([1, 1, 2], {1: math.inf, 2: 1.0})
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ModelError, match="confidence level"):
            map_quality([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], SimpleRandom(3), level)
