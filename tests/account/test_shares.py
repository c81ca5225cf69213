"""Small sums: by hand, whatever the numbers, and with numbers that cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.account.describe.shares import (
    NOT_LISTED,
    area_weighted_mean,
    denominators,
    depth_shares,
    group_bounds,
    relative_uncertainty,
    residual_half_width,
)
from edaphic.errors import TableError

positive = st.floats(0.01, 1e6)


def test_width_of_arrays_and_of_nothing() -> None:
    found = relative_uncertainty([[1.0, 0.0], [np.nan, -2.0]], [[2.0, 0.0], [3.0, -1.0]], [[4.0, 1.0], [5.0, 0.0]])
    assert found.full.shape == (2, 2)
    assert found.full[0, 0] == 1.5
    assert found.half[0, 0] == 0.75
    assert np.isnan(found.full[0, 1])
    assert np.isnan(found.full[1]).all()


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=20))
def test_weighted_mean_lies_within_and_ignores_the_unit_of_areas(pairs: list[tuple[float, float]]) -> None:
    values, areas = np.array(pairs).T
    found = area_weighted_mean(values, areas)
    assert values.min() * (1 - 1e-12) <= found <= values.max() * (1 + 1e-12)
    assert area_weighted_mean(values, areas * 100.0) == pytest.approx(found, rel=1e-12)
    assert found == pytest.approx(float(np.average(values, weights=areas)))


def test_a_class_without_a_value_takes_its_area_with_it() -> None:
    assert area_weighted_mean([10.0, np.nan], [1.0, 9.0]) == 10.0
    assert np.isnan(area_weighted_mean([np.nan], [1.0]))
    assert np.isnan(area_weighted_mean([5.0], [0.0]))


@given(st.lists(positive, min_size=1, max_size=8))
def test_shares_of_layers_add_up(totals: list[float]) -> None:
    layers = [(10.0 * k, 10.0 * (k + 1)) for k in range(len(totals))]
    found = depth_shares(layers[::-1], totals[::-1])  # in any order
    assert found["share"].sum() == pytest.approx(1.0)
    assert found["top_cm"].tolist() == [top for top, _ in layers]
    assert found["total"].tolist() == totals


def test_whole_depths_are_checked_against_their_parts() -> None:
    found = depth_shares([(0, 10), (10, 30), (30, 60), (0, 30), (0, 60)], [1.0, 2.0, 3.0, 3.3, 6.0])
    assert found[["top_cm", "bottom_cm"]].values.tolist()[3:] == [[0.0, 30.0], [0.0, 60.0]]
    assert found["share"].tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6, 1.1, 1.0])


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), positive, min_size=1, max_size=6), st.floats(1.0, 3.0))
def test_both_denominators(totals: dict[str, float], more: float) -> None:
    whole = sum(totals.values()) * more
    found = denominators(totals, whole)
    assert found["class_name"].tolist() == [*totals, NOT_LISTED]
    assert found["share_of_listed"].sum() == pytest.approx(1.0)
    assert found["share_of_overall"].sum() == pytest.approx(1.0)
    assert found["total"].sum() == pytest.approx(whole)


def test_classes_that_are_more_than_all_show_it() -> None:
    assert denominators({"a": 3.0}, 2.0).iloc[-1]["total"] == -1.0
    assert denominators({"a": 3.0}).iloc[-1]["share_of_overall"] == 0.0


@given(st.lists(st.tuples(positive, positive, positive), min_size=1, max_size=8))
def test_independent_lies_within_fully_correlated(groups: list[tuple[float, float, float]]) -> None:
    total, below, above = np.array(groups).T
    found = group_bounds(total, total - below, total + above)
    slack = 1e-9 * (abs(found.total) + float(below.sum() + above.sum()))
    assert found.fully_correlated_low <= found.independent_low + slack
    assert found.independent_high <= found.fully_correlated_high + slack
    assert found.independent_low <= found.total + slack
    if len(groups) == 1:
        assert found.independent_low == pytest.approx(found.fully_correlated_low, abs=slack)


def test_residual_width_of_a_perfect_model_is_none() -> None:
    assert residual_half_width(10.0, 5.0, 1.0) == 0.0
    assert residual_half_width(10.0, 10.0, 0.0) == 0.0
    even = residual_half_width(10.0, 10.0 / np.sqrt(2.0), 0.0, level=0.6826894921370859)  # sd = mean, one sd to a side
    assert even == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: relative_uncertainty([2.0], [2.0], [1.0]), "limits: found 1 low limits above the high ones; expected low <= high"),
        (lambda: relative_uncertainty([0.0], [np.inf], [1.0]), "mean: found 1 infinite values; expected numbers"),
        (lambda: area_weighted_mean([1.0], [1.0, 2.0]), r"values and areas: found shapes \(1,\) and \(2,\); expected one shape"),
        (lambda: area_weighted_mean([1.0], [-1.0]), "areas: found 1 negative, missing or infinite; expected 0 or more"),
        (lambda: depth_shares([(0, 20), (30, 40)], [1, 1]), "layers: found 0-20 and then 30-40 cm; expected neither gap nor overlap"),
        (lambda: depth_shares([(0, 30), (20, 40)], [1, 1]), "layers: found 0-30 and then 20-40 cm; expected neither gap nor overlap"),
        (lambda: depth_shares([(0, 20), (20, 20)], [1, 1]), "layers: found 20-20 cm; expected 0 <= top < bottom"),
        (lambda: depth_shares([(0, 20), (0, 20)], [1, 1]), "layers: found 0-20 cm more than once; expected each once"),
        (lambda: depth_shares([(0, 20), (20, 40), (0, 30)], [1, 1, 1]), "found 0-30 and then 20-40 cm|expected the bounds"),
        (lambda: depth_shares([(0, 20)], [-1]), "totals: found 1 negative, missing or infinite; expected 0 or more"),
        (lambda: depth_shares([(0, 20)], [0]), "totals: found a sum of 0; expected more than 0"),
        (lambda: depth_shares([], []), "totals: found shape .* expected one for each layer, and one at least"),
        (lambda: denominators({}), "totals: found a sum of 0 over 0 classes; expected more than 0"),
        (lambda: denominators({"a": -1.0}), "a: found a total of -1.0; expected 0 or more"),
        (lambda: denominators({"a": 1.0}, 0.0), "overall: found 0; expected more than 0"),
        (lambda: denominators({NOT_LISTED: 1.0}), "not listed: the name is taken; expected another one"),
        (lambda: group_bounds([1.0], [2.0], [3.0]), "limits: found 1 that do not enclose their total; expected low <= total <= high"),
        (lambda: group_bounds([1.0], [np.nan], [3.0]), "totals and limits: found 1 missing or infinite; expected numbers"),
        (lambda: group_bounds([], [], []), "totals and limits: found shapes .* expected one shape"),
        (lambda: residual_half_width(1.0, 2.0, 0.5), "mean and median: found 1 and 2; expected 0 < median <= mean"),
        (lambda: residual_half_width(2.0, 1.0, 1.5, level=1.0), "efficiency: found 1.5; expected at most 1\nlevel: found 1; expected"),
    ],
)
def test_faults(call, line: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TableError, match=line):
        call()
