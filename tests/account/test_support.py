"""Depth support: rules that can be worked out by hand, and mass that is never lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.account.products.support import GLOBAL_BETA, depth_support
from edaphic.errors import ModelError

SIX = [(0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200)]


def test_the_factor_from_30_to_20_cm() -> None:
    """0-30 to 0-20 cm is about 0.736 with the global beta (papers.md S1.A13)."""
    found = depth_support([(0, 30)], (0, 20))
    assert found.method == "beta"
    assert found.factor == pytest.approx((1 - 0.9786**20) / (1 - 0.9786**30), rel=1e-12)
    assert round(found.factor, 3) == 0.736
    assert "0.7356" in found.text and "0.9786" in found.text
    assert depth_support([(0, 30)], (0, 20), beta=1.0).factor == pytest.approx(2 / 3)


@pytest.mark.parametrize("beta", [0.9, 0.97, 0.9786, 1.0, 1.01])
def test_beta_by_hand(beta: float) -> None:
    expected = 10 / 30 if beta == 1 else (beta**20 - beta**30) / (1 - beta**30)
    assert depth_support([(0, 30)], (20, 30), beta=beta).factor == pytest.approx(expected, rel=1e-9)


def test_layers_that_tile_the_target_are_added() -> None:
    found = depth_support(SIX, (0, 30))
    assert found.method == "sum" and found.used == (0, 1, 2)
    stocks = np.arange(1.0, 7.0)[:, None]
    assert found.apply(stocks) == 6.0
    assert depth_support(SIX, (30, 100)).apply(stocks) == 9.0
    assert depth_support([(0, 30)], (0, 30)).text == "the layer itself"


def test_layers_that_are_not_needed_may_be_missing() -> None:
    stocks = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 3.0], [np.nan, 4.0], [np.nan, 5.0], [np.nan, 6.0]])
    found = depth_support(SIX, (0, 30)).apply(stocks)
    assert found[0] == 6.0 and np.isnan(found[1])


def test_nested_layers_are_subtracted() -> None:
    found = depth_support([(0, 30), (0, 100), (0, 200)], (30, 100))
    assert found.method == "difference" and found.apply([[5.0], [12.0], [20.0]]) == 7.0
    assert "0-100 cm - 0-30 cm" in found.text
    assert depth_support([(0, 30), (0, 100)], (0, 100)).text == "the layer itself"


def test_even_density_by_overlap() -> None:
    """Half of 15-30 cm lies above 22.5 cm."""
    found = depth_support(SIX, (0, 22.5), method="overlap")
    assert found.apply(np.arange(1.0, 7.0)[:, None]) == pytest.approx(1 + 2 + 1.5)


def test_the_spline_keeps_the_mass_of_each_layer() -> None:
    """Two parts of a layer add up to it, whatever the cut, and a layer itself comes back as it is."""
    stocks = np.random.default_rng(1).uniform(1.0, 9.0, (6, 50)) * np.array([3.0, 3, 3, 3, 2, 1])[:, None]
    upper, lower = (depth_support(SIX, layer).apply(stocks) for layer in ((15, 22), (22, 30)))
    assert depth_support(SIX, (15, 22)).method == "spline"
    np.testing.assert_allclose(upper + lower, stocks[2], rtol=1e-12)
    assert (upper >= 0).all() and (lower >= 0).all()


def test_the_spline_of_even_density_is_the_overlap() -> None:
    stocks = np.array([5.0, 10, 15, 30, 40, 100])[:, None] * np.array([0.1, 2.0])
    spline, even = (depth_support(SIX, (0, 20), method=method).apply(stocks) for method in ("spline", "overlap"))
    np.testing.assert_allclose(spline, even, rtol=1e-9)


def test_the_spline_ends_where_a_cell_ends() -> None:
    """A cell without the layers below 60 cm has a spline of its own; one that lacks a layer of the target has no value."""
    stocks = np.array([2.0, 3, 3, 4, 3, 3])[:, None] * np.ones(3)
    stocks[4:, 1] = np.nan
    stocks[0, 2] = np.nan
    found = depth_support(SIX, (0, 20)).apply(stocks)
    assert np.isfinite(found[:2]).all() and np.isnan(found[2])
    short = depth_support(SIX[:4], (0, 20)).apply(stocks[:4, 1:2])
    assert found[1] == pytest.approx(short[0], rel=1e-12)


def test_a_negative_difference_has_no_spline() -> None:
    found = depth_support([(0, 30), (0, 100)], (0, 20))
    assert found.method == "spline"
    assert np.isnan(found.apply([[5.0], [4.0]]))[0]
    assert np.isfinite(found.apply([[5.0], [9.0]]))[0]


def test_densities_at_depths() -> None:
    """From 20 at the surface to 8 kg/m3 at 30 cm: a mean of 14 over 0.3 m."""
    found = depth_support([(30, 30), (0, 0), (100, 100)], (0, 30))
    assert found.method == "trapezoid"
    assert found.apply([[8.0], [20.0], [2.0]]) == pytest.approx(4.2)
    half = depth_support([(0, 0), (30, 30)], (0, 15)).apply([[20.0], [8.0]])
    assert half == pytest.approx((20 + 14) / 2 * 0.15)


def test_beta_by_name_reaches_below() -> None:
    with pytest.raises(ModelError, match=r"do not reach over 0-100 cm.*beta"):
        depth_support([(0, 30)], (0, 100))
    found = depth_support([(0, 30)], (0, 100), method="beta")
    assert found.factor == pytest.approx((1 - GLOBAL_BETA**100) / (1 - GLOBAL_BETA**30))
    assert "below the product" in found.text


@given(
    st.lists(st.floats(0.5, 40.0), min_size=2, max_size=6),
    st.floats(0.05, 0.95),
    st.sampled_from(["overlap", "beta", "spline"]),
    st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_two_parts_of_the_whole_add_up(thickness: list[float], share: float, method: str, seed: int) -> None:
    edges = np.concatenate([[0.0], np.cumsum(thickness)])
    layers = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    stocks = np.random.default_rng(seed).uniform(0.1, 5.0, (len(layers), 3))
    cut = float(share * edges[-1])
    upper = depth_support(layers, (0.0, cut), method=method).apply(stocks)  # type: ignore[arg-type]
    lower = depth_support(layers, (cut, float(edges[-1])), method=method).apply(stocks)  # type: ignore[arg-type]
    np.testing.assert_allclose(upper + lower, stocks.sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("layers", "target", "options", "said"),
    [
        ([], (0, 30), {}, "no layers"),
        ([(0, 30), (0, 30)], (0, 30), {}, "stands 2 times"),
        ([(30, 0)], (0, 30), {}, "expected 0 <= top <= bottom"),
        ([(0, 0), (0, 30)], (0, 30), {}, "densities at a depth"),
        ([(0, 30)], (30, 30), {}, "target 30-30 cm"),
        ([(0, 30)], (0, 20), {"beta": -1.0}, "beta -1"),
        ([(0, 30)], (0, 20), {"method": "linear"}, "expected one of auto"),
        ([(0, 30)], (0, 20), {"method": "spline"}, "expected two or more for a spline"),
        ([(0, 5), (5, 15)], (0, 30), {}, "do not reach over 0-30 cm"),
        ([(0, 5), (15, 30)], (0, 20), {}, "do not reach over 0-20 cm"),
        ([(0, 0), (20, 20)], (0, 30), {}, "do not reach over 0-30 cm"),
    ],
)
def test_faults(layers: list[tuple[float, float]], target: tuple[float, float], options: dict, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        depth_support(layers, target, name="SoilX", **options)
    assert len(caught.value.faults) == 1 and caught.value.faults[0].startswith("SoilX: ") and said in caught.value.faults[0]
