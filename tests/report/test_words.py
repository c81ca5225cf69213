"""Numbers as the page prints them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.report import words


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "3", float("-inf")])
def test_what_is_no_number_is_a_dash(value: object) -> None:
    for show in (words.number, words.fixed, words.count, words.percent):
        assert show(value) == "–"


@given(st.floats(-1e12, 1e12).filter(lambda x: abs(x) >= 1e-4))
def test_three_digits_are_kept(value: float) -> None:
    shown = float(words.number(value).replace(",", "").replace("−", "-"))
    assert math.isclose(shown, value, rel_tol=0.0051)


@given(st.floats(-0.0049, 0.0049))
def test_no_minus_before_zero(value: float) -> None:
    assert words.fixed(value, 2) == "0.00"


@pytest.mark.parametrize(
    ("low", "high", "text"), [(92.91, 93.89, "92.9 to 93.9"), (93.412, 93.418, "93.41 to 93.42"), (1.0, 1.0, None)]
)
def test_bounds_get_the_digits_they_need(low: float, high: float, text: str | None) -> None:
    assert words.bounds(low, high) == (text or "1.00000 to 1.00000")


def test_units_are_raised() -> None:
    assert words.unit_text("kg/m2") == "kg/m²"
    assert words.unit_text("ln(kg/m3)") == "ln(kg/m³)"
    assert words.unit_text("vol%") == "vol%"
