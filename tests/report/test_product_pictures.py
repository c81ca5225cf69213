"""Pictures of products: each is drawn, says in words what it shows, and places its marks where the numbers are."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edaphic.report import product_figures as drawn
from edaphic.report.pictures import Picture
from edaphic.report.product_page import comparison_page
from edaphic.report.product_pictures import slug


def taylor(**products: tuple[float, float]) -> pd.DataFrame:
    """Products by sd ratio and correlation."""
    rows = []
    for name, (s, r) in products.items():
        ratio = math.sqrt(max(1 + s * s - 2 * s * r, 0.0))
        rows.append({"reference": "ours", "product": name, "sd_ratio": s, "pearson_r": r, "centred_rmse_ratio": ratio,
                     "bias_ratio": 0.3, "target_x": math.copysign(ratio, s - 1)})  # fmt: skip
    return pd.DataFrame(rows)


def marks(figure: Figure) -> dict[str, tuple[float, float]]:
    lines = figure.axes[0].get_lines()
    return {str(line.get_label()): (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines if len(line.get_xdata()) == 1}


def test_taylor_places() -> None:
    """At correlation 0.6 and sd ratio 2 the mark is at (1.2, 1.6); its distance from the reference is the centred RMSE."""
    table = taylor(a=(2.0, 0.6), b=(0.5, 1.0))
    found = marks(drawn.taylor_diagram(table, title="t"))
    assert found["a"] == pytest.approx((1.2, 1.6)) and found["b"] == pytest.approx((0.5, 0.0))
    assert math.dist(found["a"], (1.0, 0.0)) == pytest.approx(table["centred_rmse_ratio"][0])


def test_taylor_with_a_negative_correlation_and_one_that_is_not_defined() -> None:
    figure = drawn.taylor_diagram(taylor(a=(1.0, -0.6), b=(math.nan, math.nan)), title="t")
    found = marks(figure)
    assert found["a"] == pytest.approx((-0.6, 0.8)) and "b" not in found
    assert figure.axes[0].get_xlim()[0] < 0.0


def test_target_places() -> None:
    found = marks(drawn.target_diagram(taylor(a=(2.0, 0.6)), title="t"))
    assert found["a"] == pytest.approx((math.sqrt(2.6), 0.3))


def test_totals_in_pg_or_tg() -> None:
    totals = pd.DataFrame({"product": ["ours", "GSOC"], "total_Tg": [54_900.0, 61_000.0]})
    nan = math.nan
    studies = pd.DataFrame({"name": ["a", "b"], "published": [55_000.0, nan], "low": [nan, 40_000.0], "high": [nan, 70_000.0]})
    axes = drawn.totals_bars(totals, studies, title="t").axes[0]
    assert axes.get_xlabel() == "total (Pg)" and [bar.get_width() for bar in axes.patches] == pytest.approx([54.9, 61.0])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ours", "GSOC", "a", "b"]
    assert {text.get_text().strip() for text in axes.texts} >= {"54.9", "55.0", "40.0 to 70.0"}
    small = drawn.totals_bars(totals.assign(total_Tg=[1.0, 2.0]), None, title="t")
    assert small.axes[0].get_xlabel() == "total (Tg)"


@pytest.mark.parametrize("n", [50, 5000])
def test_scatter(n: int) -> None:
    rng = np.random.default_rng(1)
    y = rng.gamma(4.0, 1.5, n)
    figure = drawn.scatter(y + rng.normal(0.0, 0.5, n), y, title="t", names=("ours", "GSOC"), words="r 0.9")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "GSOC (kg/m²)" and axes.get_ylabel() == "ours (kg/m²)" and axes.texts[0].get_text().startswith("r 0.9")
    assert axes.get_xlim() == axes.get_ylim()


def test_spread_by_class_and_layer() -> None:
    table = pd.DataFrame({"class_name": ["a", "b", "a"], "layer": ["0-30", "0-30", "30-60"], "mean_cv_pct": [10.0, 20.0, math.nan]})
    axes = drawn.spread_bars(table, title="t").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [10.0, 20.0, 0.0, 0.0]
    assert [text.get_text() for text in axes.texts].count(" none") == 2


def test_names_of_files() -> None:
    assert slug("HWSD v2.0 (0-20)") == "HWSD_v2.0__0-20" and slug("...") == "product" and "/" not in slug("../a/b")


def test_the_page_escapes_and_carries_its_pictures() -> None:
    one = Picture("a.png", bytes(40), 'an "alt" <text>', "a & b")
    table = pd.DataFrame({"name": ["<b>"], "value": [1.23456], "label": ["agreement"], "period": [""]})
    page = comparison_page({"comparison": table}, [one], ["note & <i>"])
    assert "&lt;b&gt;" in page and "note &amp; &lt;i&gt;" in page and "alt=\"an &quot;alt&quot; &lt;text&gt;\"" in page
    assert "<th>period</th>" not in page and "1.235" in page and "agreement between products" in page


def test_series_by_period() -> None:
    table = pd.DataFrame({"product": ["ours", "ours", "dyn"], "period": ["1985-1990", "1990-1995", "1990"], "mean_kg_m2": [3.0, 3.2, 4.0]})
    study = pd.DataFrame({"name": ["a"], "period": ["1980-1990"], "published": [3.5], "low": [3.0], "high": [4.0]})
    axes = drawn.series(table, study, title="t").axes[0]
    assert axes.get_lines()[0].get_xdata().tolist() == [1987.5, 1992.5] and axes.get_lines()[1].get_xdata().tolist() == [1990.0]
    assert axes.get_lines()[2].get_xdata().tolist() == [1985.0]
