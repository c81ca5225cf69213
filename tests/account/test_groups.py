"""Tests over groups: closed forms, scipy, invariants, and what cannot be tested."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edaphic.account.drivers.groups import Groups, anova, gather, group_tests, levene, welch
from edaphic.errors import TableError


def drawn(seed: int, sizes: tuple[int, ...] = (8, 12, 5, 20), shift: float = 1.0) -> Groups:
    random = np.random.default_rng(seed)
    values = [random.normal(shift * i, 1 + i, n) for i, n in enumerate(sizes)]
    return gather(np.concatenate(values), np.repeat([f"g{i}" for i in range(len(sizes))], sizes))


def test_against_scipy() -> None:
    groups = drawn(1)
    own, other = anova(groups), stats.f_oneway(*groups.values)
    assert (own.statistic, own.p) == pytest.approx((other.statistic, other.pvalue), rel=1e-10)
    centres = ("median", "mean")
    for centre in centres:
        found, peer = levene(groups, centre), stats.levene(*groups.values, center=centre)  # type: ignore[arg-type]
        assert (found.statistic, found.p) == pytest.approx((peer.statistic, peer.pvalue), rel=1e-10)


def test_welch_of_two_groups_is_the_square_of_his_t() -> None:
    groups = drawn(2, (9, 31))
    found, peer = welch(groups), stats.ttest_ind(*groups.values, equal_var=False)
    assert (found.statistic, found.p, found.freedom[1]) == pytest.approx((peer.statistic**2, peer.pvalue, peer.df), rel=1e-10)


def test_omega_squared_is_about_zero_by_chance_and_eta_is_not() -> None:
    found = [anova(drawn(seed, (6, 6, 6, 6), 0.0)) for seed in range(400)]
    assert np.mean([one.omega2 for one in found]) == pytest.approx(0.0, abs=0.02)
    assert np.mean([one.eta2 for one in found]) > 0.1


def test_welch_holds_its_level_where_the_analysis_of_variance_does_not() -> None:
    random = np.random.default_rng(5)
    ours, plain = [], []
    for _ in range(1000):
        values = np.concatenate([random.normal(0, 4, 8), random.normal(0, 1, 30), random.normal(0, 1, 30)])
        groups = gather(values, np.repeat(list("abc"), (8, 30, 30)))
        ours.append(welch(groups).p < 0.05)
        plain.append(anova(groups).p < 0.05)
    assert 0.03 < np.mean(ours) < 0.075
    assert np.mean(plain) > 0.15


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(-1e6, 1e6), st.floats(0.01, 100.0))
def test_neither_level_nor_unit_changes_a_test(seed: int, level: float, unit: float) -> None:
    groups = drawn(seed)
    moved = Groups(groups.names, tuple(level + unit * part for part in groups.values))
    for one, other in ((anova(groups), anova(moved)), (welch(groups), welch(moved)), (levene(groups), levene(moved))):
        assert one.statistic == pytest.approx(other.statistic, rel=1e-5, abs=1e-9)


def test_table_of_all_tests() -> None:
    table = group_tests(drawn(3))
    assert table["test"].tolist() == ["one-way ANOVA", "Welch's ANOVA", "Brown-Forsythe test", "Levene's test"]
    assert set(table["n"]) == {45}
    assert table["eta2"].notna().tolist() == [True, False, False, False]


def test_what_is_left_out_is_told() -> None:
    values = [1.0, 2.0, np.nan, np.inf, 5.0, 6.0, 7.0, 7.0, 9.0]
    groups = gather(values, ["a", "a", "a", "b", None, "b", "c", "c", "d"], order=["a", "b", "c", "e"])
    assert groups.names == ("a", "b", "c")
    assert groups.notes == (
        "values: 2 of 9 not finite, left out",
        "groups: 1 of 9 values without a class, left out",
        "groups: left out, as they are not in the order given: d",
        "groups: no values, left out: e",
        "groups of one value, whose spread is not known: b",
        "groups whose values are all the same: c",
    )
    found = welch(groups)
    assert np.isnan(found.p)
    assert found.notes == (
        "Welch's ANOVA: without spread, left out: b, c",
        "Welch's ANOVA: fewer than two groups with spread, not computed",
    )
    assert np.isfinite(anova(groups).p)


def test_codes_of_classes_that_were_read_as_numbers() -> None:
    assert gather([1.0, 2.0, 3.0, 5.0], np.array([10.0, 10.0, 20.0, np.nan])).names == ("10", "20")


@pytest.mark.parametrize(
    ("values", "groups", "words"),
    [
        ([1.0, 2.0], ["a"], "1 names for values of shape (2,)"),
        ([1.0, 2.0], ["a", "a"], "groups: 1 with values; expected at least two"),
        ([np.nan, 2.0], ["a", "b"], "groups: 1 with values; expected at least two"),
        ([], [], "groups: 0 with values; expected at least two"),
        (["x", "y"], ["a", "b"], "values: not all are numbers"),
        ([1.0, 2.0], ["a", "b"], "every group has one value"),
        ([1.0, 1.0, 2.0, 2.0], ["a", "a", "b", "b"], "no value differs from the others of its group"),
    ],
)
def test_faults(values: list[float], groups: list[str], words: str) -> None:
    with pytest.raises(TableError) as told:
        anova(gather(values, groups))
    assert len(told.value.faults) == 1
    assert words in told.value.faults[0]


def test_a_class_twice_in_the_order() -> None:
    with pytest.raises(TableError, match="stands twice"):
        gather([1.0, 2.0], ["a", "b"], order=["a", "a"])
