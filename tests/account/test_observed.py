"""Observed values by class and layer: hand-made tables, coverage, subsets of profiles, faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.account.drivers.observed import bootstrap_mean, layer_changes, observed_by_class
from edaphic.errors import TableError


def table(values: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    """Profiles as (id, class) with a value for each layer of 100 cm, NaN where there is none."""
    rows = [
        {"profile_id": name, "land": land, "top_cm": 100.0 * i, "bottom_cm": 100.0 * (i + 1), "soc_stock_kg_m2": value}
        for (name, land), column in values.items()
        for i, value in enumerate(column)
    ]
    return pd.DataFrame(rows)


TWO_LAYERS = table(
    {("p", "wood"): [10.0, 8.0], ("q", "wood"): [14.0, 12.0], ("r", "wood"): [3.0, np.nan], ("s", "bog"): [40.0, 44.0], ("t", "bog"):
    [50.0, 54.0]}
)  # fmt: skip


def test_figures_by_hand() -> None:
    found = observed_by_class(TWO_LAYERS, "land").table.set_index(["class", "top_cm", "subset"])
    assert found.index.get_level_values(0).unique().tolist() == ["bog", "wood"]
    wood = found.loc[("wood", 0.0, "all")]
    assert (wood["n"], wood["mean"], wood["median"]) == (3, 9.0, 10.0)
    assert wood["sd"] == pytest.approx(np.sqrt(31.0))
    assert found.loc[("wood", 0.0, "paired")][["n", "mean"]].tolist() == [2, 12.0]
    assert found.loc[("wood", 100.0, "all")][["n", "mean"]].tolist() == [2, 10.0]
    assert (found["unit"] == "kg/m2").all()


def test_means_of_the_paired_add_up_and_those_of_all_do_not() -> None:
    wide = TWO_LAYERS.groupby(["profile_id", "land"], as_index=False)["soc_stock_kg_m2"].sum(min_count=2)
    whole = wide.assign(top_cm=0.0, bottom_cm=200.0)
    both = pd.concat([TWO_LAYERS, whole], ignore_index=True)
    found = observed_by_class(both, "land", layers=[(0, 100), (100, 200), (0, 200)]).table
    wood = found[found["class"] == "wood"].set_index(["subset", "top_cm", "bottom_cm"])["mean"]
    assert wood["paired", 0.0, 100.0] + wood["paired", 100.0, 200.0] == wood["paired", 0.0, 200.0]
    assert wood["all", 0.0, 100.0] + wood["all", 100.0, 200.0] != wood["all", 0.0, 200.0]


def test_change_with_depth_of_the_same_profiles() -> None:
    found = layer_changes(TWO_LAYERS, "land")
    wood = found.table.set_index("class").loc["wood"]
    assert (wood["difference_all"], wood["difference"], wood["n_paired"]) == (1.0, -2.0, 2)
    assert (wood["low"], wood["high"]) == (-2.0, -2.0)
    assert len(found.notes) == 2
    assert "changes by +1 kg/m2, that of the 2 profiles with both by -2" in found.notes[1]


def test_intervals_stay_within_the_data_and_the_t_interval_is_explained() -> None:
    values = table({(f"p{i}", "fen"): [value] for i, value in enumerate([0.1, 0.2, 0.1, 0.3, 30.0])})
    found = observed_by_class(values, "land")
    row = found.table.iloc[0]
    assert row["t_low"] < 0 < 0.1 <= row["low"] < row["mean"] < row["high"] <= 30.0
    assert any("1 intervals by t begin below zero" in note for note in found.notes)
    assert any("fewer than 10 clusters" in note for note in found.notes)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_coverage_of_the_mean(method: str) -> None:
    random = np.random.default_rng(4)
    inside = []
    for draw in range(300):
        values = random.gamma(2.0, 1.0, 60)
        low, high = bootstrap_mean(values, np.arange(60), 0.95, 400, [draw], method)  # type: ignore[arg-type]
        inside.append(low <= 2.0 <= high)
    assert 0.90 < np.mean(inside) < 0.98


def test_clusters_are_drawn_whole() -> None:
    """Ten profiles of one value at each of twelve sites: the mean is known as from twelve values, not from 120."""
    random = np.random.default_rng(5)
    sites = random.normal(10, 2, 12)
    values = table({(f"p{i}", "fen"): [sites[i // 10]] for i in range(120)})
    values["site"] = [f"s{i // 10}" for i in range(120)]
    by_profile = observed_by_class(values, "land").table.iloc[0]
    by_site = observed_by_class(values, "land", cluster="site").table.iloc[0]
    ratio = (by_site["high"] - by_site["low"]) / (by_profile["high"] - by_profile["low"])
    assert ratio == pytest.approx(np.sqrt(10), rel=0.25)
    assert (by_site["clusters"], by_profile["clusters"]) == (12, 120)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20), st.integers(0, 5))
def test_intervals_hold_no_values_that_cannot_be(values: list[float], seed: int) -> None:
    some = np.array(values)
    for method in ("bca", "percentile"):
        low, high = bootstrap_mean(some, np.arange(len(some)), 0.9, 50, [seed], method)  # type: ignore[arg-type]
        assert some.min() * (1 - 1e-12) <= low <= high <= some.max() * (1 + 1e-12)


def test_the_order_of_rows_changes_nothing() -> None:
    mixed = TWO_LAYERS.sample(frac=1.0, random_state=1)
    one, other = (observed_by_class(rows, "land").table for rows in (TWO_LAYERS, mixed))
    pd.testing.assert_frame_equal(one, other)


def test_what_is_left_out_is_told() -> None:
    rows = TWO_LAYERS.assign(land=["wood", "wood", None, None, "wood", "wood", "bog", "bog", "bog", "bog"])
    found = observed_by_class(rows, "land", order=["wood", "moor"])
    text = "\n".join(found.notes)
    for words in (
        "1 of 10 rows without a value",
        "2 of 10 rows without a class in 'land'",
        "not in the order given: bog",
        "moor, 0-100 cm: no values",
    ):
        assert words in text
    assert found.table.loc[found.table["class"] == "moor", "n"].eq(0).all()
    single = observed_by_class(table({("p", "fen"): [2.0]}), "land").table.iloc[0]
    assert single["mean"] == 2.0
    assert np.isnan([single["sd"], single["low"], single["t_low"]]).all()


def test_faults() -> None:
    with pytest.raises(TableError) as told:
        observed_by_class(TWO_LAYERS, "cover", value="x", level=2.0, draws=0, method="normal")  # type: ignore[arg-type]
    assert len(told.value.faults) == 5
    with pytest.raises(TableError, match=r"repeat a profile and layer \(such as p, 0-100 cm\)"):
        observed_by_class(pd.concat([TWO_LAYERS, TWO_LAYERS.head(1)]), "land")
    with pytest.raises(TableError, match="no row has a value"):
        observed_by_class(TWO_LAYERS, "land", layers=[(0, 30)])
