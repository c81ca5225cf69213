"""Multiple comparisons: closed forms, scipy, letters that tell the decisions, levels, and groups that cannot be compared."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from edaphic.account.drivers import ranges
from edaphic.account.drivers.groups import Groups, gather
from edaphic.account.drivers.letters import compact_letters, run_letters
from edaphic.account.drivers.ranges import Comparison, duncan, duncan_quantile, games_howell, tukey_kramer
from edaphic.errors import TableError


def drawn(seed: int, sizes: tuple[int, ...] = (8, 12, 5, 20), shift: float = 1.0, spread: float = 1.0) -> Groups:
    random = np.random.default_rng(seed)
    values = [random.normal(shift * i, spread, n) for i, n in enumerate(sizes)]
    return gather(np.concatenate(values), np.repeat([f"g{i}" for i in range(len(sizes))], sizes))


def says_its_pairs(found: Comparison) -> bool:
    """Two groups share a letter exactly where they do not differ."""
    letters = dict(zip(found.groups["group"], found.groups["letters"], strict=True))
    return all(bool(set(letters[r.group_a]) & set(letters[r.group_b])) != r.differs for r in found.pairs.itertuples())


def test_two_groups_are_a_t_test() -> None:
    groups = drawn(1, (9, 9))
    p = stats.ttest_ind(*groups.values).pvalue
    for found in (duncan(groups), tukey_kramer(groups)):
        assert found.pairs["p"][0] == pytest.approx(p, abs=1e-9)
    unequal = drawn(2, (9, 25))
    expected = stats.ttest_ind(*unequal.values)
    assert duncan(unequal, sizes="kramer").pairs["p"][0] == pytest.approx(expected.pvalue, abs=1e-9)
    assert games_howell(unequal).pairs["p"][0] == pytest.approx(stats.ttest_ind(*unequal.values, equal_var=False).pvalue, abs=1e-9)


def test_tukey_kramer_against_scipy() -> None:
    groups = drawn(3)
    peer = stats.tukey_hsd(*groups.values)
    limits = peer.confidence_interval(0.95)
    place = {name: i for i, name in enumerate(groups.names)}
    for row in tukey_kramer(groups).pairs.itertuples():
        a, b = place[row.group_a], place[row.group_b]
        assert row.p == pytest.approx(peer.pvalue[a, b], abs=1e-8)
        assert (row.low, row.high) == pytest.approx((limits.low[a, b], limits.high[a, b]), abs=1e-6)


def test_games_howell_against_scipy() -> None:
    groups = drawn(4, (9, 14, 30), 0.7)
    peer = stats.tukey_hsd(*groups.values, equal_var=False)
    place = {name: i for i, name in enumerate(groups.names)}
    for row in games_howell(groups).pairs.itertuples():
        assert row.p == pytest.approx(peer.pvalue[place[row.group_a], place[row.group_b]], abs=1e-8)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
@pytest.mark.parametrize("freedom", [1.0, 7.0, 250.0])
def test_a_range_of_two_is_the_root_of_two_times_t(alpha: float, freedom: float) -> None:
    assert duncan_quantile(2, freedom, alpha) == pytest.approx(np.sqrt(2) * stats.t.ppf(1 - alpha / 2, freedom), rel=1e-5)


@pytest.mark.parametrize("span", [3, 6, 15])
def test_quantile_of_many_degrees_of_freedom_is_that_of_the_range_of_normals(span: int) -> None:
    q = duncan_quantile(span, 1e7, 0.05)

    def density(z: float) -> float:
        return float(span * stats.norm.pdf(z) * (stats.norm.cdf(z) - stats.norm.cdf(z - q)) ** (span - 1))

    assert quad(density, -10, 20)[0] == pytest.approx(0.95 ** (span - 1), abs=1e-6)


def test_a_wider_range_needs_a_larger_difference() -> None:
    found = duncan(drawn(5))
    assert (np.diff(found.ranges["quantile"]) > 0).all()
    assert np.isclose(found.ranges["range"] / found.ranges["quantile"], found.pairs["se"].iloc[0]).all()


def test_p_and_limits_tell_the_same() -> None:
    for found in (
        duncan(drawn(6)),
        duncan(drawn(6), sizes="kramer"),
        tukey_kramer(drawn(6)),
        games_howell(drawn(6)),
        duncan(drawn(6), 0.2),
    ):
        assert ((found.pairs["low"] > 0) == found.pairs["differs"]).all()
        assert ((found.pairs["p"] <= found.alpha) == found.pairs["differs"]).all()
        assert says_its_pairs(found)


def test_duncan_holds_the_level_of_pairs_and_tukey_that_of_the_family() -> None:
    quantiles = duncan(drawn(1, (10, 10, 10, 10, 10))).ranges["quantile"].to_numpy()
    random = np.random.default_rng(3)
    means = np.sort(random.normal(size=(20_000, 5)), axis=1)
    error = np.sqrt(random.chisquare(45, 20_000) / 45)
    by_span = [((means[:, span:] - means[:, :-span]) / error[:, None] > quantiles[span - 1]).any(axis=1) for span in range(1, 5)]
    # The widest range alone differs by chance in 1 - 0.95^4 of the studies.
    assert by_span[-1].mean() == pytest.approx(1 - 0.95**4, abs=0.01)
    assert by_span[-1].mean() <= np.any(by_span, axis=0).mean() < 0.25
    widest = (means[:, -1] - means[:, 0]) / error
    assert (widest > stats.studentized_range.ppf(0.95, 5, 45)).mean() == pytest.approx(0.05, abs=0.006)


def contradicting() -> Groups:
    """The first two of three means differ, the first and the last, which is farther, do not: the wider range needs a larger q."""
    base = np.array([-1.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0])
    base = base / base.std(ddof=1) * np.sqrt(8)
    # One standard error is 1; quantiles on 21 degrees of freedom are 2.94 and 3.09.
    return gather(np.concatenate([base + 3.01, base, base - 0.01]), np.repeat(list("abc"), 8))


def test_the_three_rules_where_ranges_contradict() -> None:
    groups = contradicting()
    by = {rule: duncan(groups, rule=rule) for rule in ("pairwise", "protected", "runs")}  # type: ignore[arg-type]
    assert by["pairwise"].pairs["differs"].tolist() == [True, False, False]
    assert by["pairwise"].groups["letters"].tolist() == ["a", "b", "ab"]
    assert by["protected"].pairs["differs"].tolist() == [False, False, False]
    assert by["protected"].groups["letters"].tolist() == ["a", "a", "a"]
    assert by["runs"].groups["letters"].tolist() == ["a", "b", "b"]
    for found in by.values():
        assert sum("1 pairs differ (a and b) inside a wider range" in note for note in found.notes) == 1


@given(st.integers(1, 9), st.data())
def test_letters_tell_any_decisions(k: int, data: st.DataObject) -> None:
    differs = np.zeros((k, k), dtype=bool)
    for i, j in combinations(range(k), 2):
        differs[i, j] = differs[j, i] = data.draw(st.booleans())
    means = np.array(data.draw(st.permutations(range(k))), dtype=np.float64)
    letters = compact_letters(means, differs)
    for i, j in combinations(range(k), 2):
        assert bool(set(letters[i]) & set(letters[j])) != differs[i, j]
    assert letters[int(np.argmax(means))].startswith("a")


@given(st.lists(st.floats(0, 10), min_size=2, max_size=9, unique=True), st.floats(0.1, 5))
def test_letters_of_one_limit_are_runs(means: list[float], limit: float) -> None:
    differs = np.abs(np.subtract.outer(means, means)) > limit
    assert compact_letters(means, differs) == run_letters(means, differs)


def test_no_decisions_and_all() -> None:
    assert compact_letters([1.0, 2.0, 3.0], np.zeros((3, 3))) == ("a", "a", "a")
    assert compact_letters([1.0, 2.0, 3.0], ~np.eye(3, dtype=bool)) == ("c", "b", "a")


def test_equal_means_never_differ() -> None:
    groups = gather([1.0, 2.0, 3.0] * 3, np.repeat(list("abc"), 3))
    for found in (duncan(groups), tukey_kramer(groups), games_howell(groups)):
        assert found.pairs["p"].tolist() == [1.0, 1.0, 1.0]
        assert found.groups["letters"].tolist() == ["a", "a", "a"]


def test_far_apart() -> None:
    groups = gather(np.concatenate([np.arange(5.0), 1e6 + np.arange(5.0)]), np.repeat(list("ab"), 5))
    for found in (duncan(groups), tukey_kramer(groups), games_howell(groups)):
        assert 0 <= found.pairs["p"][0] < 1e-10
        assert found.groups["letters"].tolist() == ["a", "b"]


def test_groups_of_one_and_constant_groups() -> None:
    groups = gather([1.0, 2.0, 3.0, 9.0, 5.0, 5.0], ["a", "a", "a", "b", "c", "c"])
    assert duncan(groups).pairs["p"].notna().all()
    found = games_howell(groups)
    tested = {frozenset((r.group_a, r.group_b)): r for r in found.pairs.itertuples()}
    assert np.isnan(tested[frozenset("ab")].p) and not tested[frozenset("ab")].differs
    assert np.isfinite(tested[frozenset("ac")].p)
    assert any("2 pairs without a known spread, not tested" in note for note in found.notes)


@pytest.mark.parametrize("compare", [duncan, tukey_kramer, games_howell])
def test_faults(compare: object) -> None:
    assert callable(compare)
    with pytest.raises(TableError, match="every group has one value"):
        compare(gather([1.0, 2.0], ["a", "b"]))
    with pytest.raises(TableError, match="no value differs"):
        compare(gather([1.0, 1.0, 2.0, 2.0], list("aabb")))
    for alpha in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(TableError, match="expected a number between 0 and 1"):
            compare(drawn(1), alpha)


def test_faults_of_names() -> None:
    with pytest.raises(TableError, match="sizes 'harmonic'"):
        duncan(drawn(1), sizes="harmonic")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="rule 'x'"):
        duncan(drawn(1), rule="x")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="expected a symmetric table"):
        compact_letters([1.0, 2.0], [[False, True], [False, False]])
    with pytest.raises(TableError, match="not finite"):
        compact_letters([1.0, np.nan], np.zeros((2, 2)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(-100, 100), st.floats(0.1, 10))
def test_neither_level_nor_unit_changes_letters(seed: int, level: float, unit: float) -> None:
    groups = drawn(seed, (4, 6, 5))
    moved = Groups(groups.names, tuple(level + unit * part for part in groups.values))
    assert duncan(groups).groups["letters"].tolist() == duncan(moved).groups["letters"].tolist()


def test_quantiles_are_worked_out_once() -> None:
    ranges._quantile.cache_clear()
    duncan(drawn(7))
    duncan(drawn(8))
    assert ranges._quantile.cache_info().misses == 3
