"""Response curves: lines that stay lines, known breaks, straight lines that get none, bands, faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.account.drivers.breaks import best_breaks, find_breaks, wild_test
from edaphic.account.drivers.curves import break_table, local_linear, response_curve, response_table, tricube
from edaphic.errors import TableError


def stick(seed: int, n: int = 300, noise: float = 0.5, breaks: tuple[float, ...] = (6.0,)) -> tuple[np.ndarray, np.ndarray]:
    """Slope 1 up to the first break, 0 up to the second, then -1.5."""
    random = np.random.default_rng(seed)
    x = np.sort(random.uniform(0, 10, n))
    slopes = np.diff([1.0, 0.0, -1.5][: len(breaks) + 1])
    y = x + sum(change * np.maximum(x - t, 0) for change, t in zip(slopes, breaks, strict=True))
    return x, y + random.normal(0, noise, n)


def test_without_noise_breaks_are_exact() -> None:
    x, y = stick(1, noise=0.0)
    assert best_breaks(x, y, 1) == pytest.approx([6.0], abs=2e-3)
    x, y = stick(1, noise=0.0, breaks=(3.0, 7.0))
    assert best_breaks(x, y, 2) == pytest.approx([3.0, 7.0], abs=2e-2)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_neither_level_nor_unit_moves_a_break(unit: float) -> None:
    x, y = stick(2)
    plain = find_breaks(x, y, np.arange(300), draws=60)
    moved = find_breaks(1e3 * unit + unit * x, -5 + 100 * y, np.arange(300), draws=60)
    assert (np.array(moved.at) / unit - 1e3) == pytest.approx(plain.at, abs=1e-3)
    assert moved.p == plain.p
    assert np.array(moved.slopes) * unit / 100 == pytest.approx(np.array(plain.slopes), abs=1e-3)


def test_intervals_hold_the_break() -> None:
    inside = []
    for seed in range(30):
        x, y = stick(seed, 200)
        found = find_breaks(x, y, np.arange(200), draws=150, seed=seed)
        assert found.words.startswith("flattens above")
        inside.append(found.low[0] <= 6.0 <= found.high[0])
    assert np.mean(inside) >= 0.85


def test_two_breaks() -> None:
    x, y = stick(3, 600, breaks=(3.0, 7.0))
    found = find_breaks(x, y, np.arange(600), most=2, draws=200)
    assert found.at == pytest.approx((3.0, 7.0), abs=0.4)
    assert found.slopes == pytest.approx((1.0, 0.0, -1.5), abs=0.2)
    assert found.words.startswith("flattens above") and "; begins to fall above" in found.words
    assert len(find_breaks(x, y, np.arange(600), most=1, draws=50).at) == 1
    x, y = stick(4, 600)
    assert len(find_breaks(x, y, np.arange(600), most=2, draws=200).at) == 1


@pytest.mark.parametrize("kind", ["plain", "unequal spread", "clusters"])
def test_straight_lines_get_few_breaks(kind: str) -> None:
    """At a level of 5 %: 300 lines, so 2 to 9 % is within chance."""
    random = np.random.default_rng(7)
    shown = []
    for _ in range(300):
        x = np.sort(random.uniform(0, 10, 120))
        clusters = np.arange(120)
        noise = random.normal(size=120)
        if kind == "unequal spread":
            noise *= 0.2 + x
        elif kind == "clusters":
            clusters = np.repeat(np.arange(40), 3)
            noise = noise * 0.3 + random.normal(size=40)[clusters]
        shown.append(wild_test(x, 2 * x + noise, clusters, (), np.quantile(x, np.linspace(0.1, 0.9, 30)), 99, random) <= 0.05)
    assert 0.015 < np.mean(shown) < 0.095


def test_nothing_shown_on_a_line_without_noise() -> None:
    x = np.linspace(0, 1, 50)
    found = find_breaks(x, 3 - 2 * x, np.arange(50), draws=50)
    assert (found.words, found.p, found.at, found.slopes) == ("no break shown", 1.0, (), (pytest.approx(-2.0),))


def test_smooth_of_a_line_is_the_line_and_weights_are_tricube() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0, 10.0])
    kernel = tricube(x, np.array([0.0]), 0.6)
    assert kernel[0] == pytest.approx([1.0, (1 - 0.125) ** 3, 0.0, 0.0, 0.0], abs=1e-4)
    at = np.array([0.0, 2.5, 10.0])
    fitted = local_linear(x, 4 - 3 * x, at, tricube(x, at, 0.8), np.ones((5, 1)))
    assert fitted[:, 0] == pytest.approx(4 - 3 * at)


def test_a_draw_is_the_fit_of_the_rows_drawn() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=30), random.normal(size=30)
    at, often = np.array([0.0]), random.integers(0, 3, (30, 1)).astype(float)
    kernel = tricube(x, at, 0.7)
    line = np.polyfit(x, y, 1, w=np.sqrt(kernel[0] * often[:, 0]))
    assert local_linear(x, y, at, kernel, often)[0, 0] == pytest.approx(np.polyval(line, 0.0))


def test_band_covers_the_curve() -> None:
    inside = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        x = random.uniform(0, 1, 200)
        y = np.sin(3 * x) + random.normal(0, 0.3, 200)
        found = response_curve(x, y, span=0.3, points=11, most_breaks=0, draws=200, seed=seed).table
        inside.append(((found["low"] <= np.sin(3 * found["x"])) & (np.sin(3 * found["x"]) <= found["high"])).mean())
    assert 0.86 < np.mean(inside) <= 1.0


def test_rows_of_a_profile_are_drawn_together() -> None:
    random = np.random.default_rng(2)
    x = np.repeat(random.uniform(0, 1, 40), 10)
    y = np.repeat(random.normal(size=40), 10)
    alone = response_curve(x, y, draws=200, most_breaks=0).table
    together = response_curve(x, y, np.repeat(np.arange(40), 10), draws=200, most_breaks=0).table
    assert (together["high"] - together["low"]).mean() > 2 * (alone["high"] - alone["low"]).mean()


def test_tables() -> None:
    curves = [
        response_curve(*stick(1), driver="MAT", draws=50, points=9),
        response_curve(*stick(2, 50, 5.0), driver="MAP", draws=50, points=7),
    ]
    table, breaks = response_table(curves), break_table(curves)
    assert table.groupby("driver", sort=False).size().to_dict() == {"MAT": 9, "MAP": 7}
    assert breaks["driver"].tolist() == ["MAT", "MAP"]
    assert breaks["breaks"].tolist() == [1, 0]
    assert breaks.loc[1, "words"] == "no break shown"
    assert breaks.loc[1, "slope_below"] == breaks.loc[1, "slope_above"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(5, 12))
def test_ties_and_few_values_give_finite_curves(seed: int, values: int) -> None:
    random = np.random.default_rng(seed)
    x = np.concatenate([np.arange(values), random.integers(0, values, 60)]).astype(float)
    found = response_curve(x, random.normal(size=len(x)), draws=30, most_breaks=2)
    assert np.isfinite(found.table.to_numpy()).all()
    assert (found.table["low"] <= found.table["high"]).all()


def test_same_seed_same_bits_whatever_the_order_of_rows() -> None:
    x, y = stick(5)
    order = np.random.default_rng(1).permutation(300)
    one, other = response_curve(x, y, draws=40), response_curve(x[order], y[order], draws=40)
    assert one.table.equals(other.table)
    assert one.breaks == other.breaks


def test_what_is_left_out_and_faults() -> None:
    x, y = stick(1, 40)
    found = response_curve(np.append(x, np.nan), np.append(y, 1.0), draws=20, driver="MAT")
    assert found.notes[0] == "curve of 'MAT': 1 of 41 rows without a value, left out"
    with pytest.raises(TableError, match="10 rows with 10 different values"):
        response_curve(x[:10], y[:10])
    with pytest.raises(TableError, match="40 rows with 1 different values"):
        response_curve(np.ones(40), y)
    with pytest.raises(TableError, match="expected three of one length"):
        response_curve(x, y[:5])
    with pytest.raises(TableError) as told:
        response_curve(x, y, span=0.0, points=1, level=1.0)
    assert len(told.value.faults) == 3
    with pytest.raises(TableError, match="expected 0, 1 or 2"):
        response_curve(x, y, most_breaks=3)
