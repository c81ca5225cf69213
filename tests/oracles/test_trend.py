"""Trend tests beside trend 1.1.6 and Kendall 2.2.1 of R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.account.change.trend import Trend, trend

SERIES = (
    "nile", "lakehuron", "maxau_s", "maxau_q", "ties_small", "ties_all_equal_but_one", "short5", "int_soc", "ndvi_decline", "missing",
)  # fmt: skip


@pytest.fixture(scope="module")
def peers(shared: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    folder = shared / "oracles" / "trend"
    return pd.read_csv(folder / "series.csv"), json.loads((folder / "results.json").read_text())


def ours(table: pd.DataFrame, name: str) -> Trend:
    values = table.loc[table["series"] == name, "value"].to_numpy(float)
    return trend(values, np.arange(len(values)))


@pytest.mark.parametrize("name", SERIES[:-1])
def test_mann_kendall_and_sen_as_in_the_trend_package(peers: tuple[pd.DataFrame, dict[str, Any]], name: str) -> None:
    found, test, slope = ours(peers[0], name), peers[1][name]["mk_test"], peers[1][name]["sens_slope"]
    assert int(found.count) == peers[1][name]["n"]
    assert float(found.s) == test["S"]
    for mine, theirs in ((found.variance, "varS"), (found.tau, "tau"), (found.z, "z"), (found.p, "p")):
        assert float(mine) == pytest.approx(test[theirs], rel=1e-12)
    for mine, theirs in ((found.slope, "slope"), (found.slope_low, "lower95"), (found.slope_high, "upper95")):
        assert float(mine) == pytest.approx(slope[theirs], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", SERIES)
def test_kendall_package_in_single_precision_and_with_gaps(peers: tuple[pd.DataFrame, dict[str, Any]], name: str) -> None:
    found, peer = ours(peers[0], name), peers[1][name]["kendall_package"]
    assert float(found.s) == peer["S"]
    assert float(found.variance) == pytest.approx(peer["varS"], rel=1e-6)
    assert float(found.tau) == pytest.approx(peer["tau"], rel=1e-6)
    assert float(found.p) == pytest.approx(peer["p"], rel=1e-4, abs=1e-7)


def test_all_series_at_once_are_each_on_its_own(peers: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    table = peers[0]
    stack = np.full((100, len(SERIES)), np.nan)
    for column, name in enumerate(SERIES):
        values = table.loc[table["series"] == name, "value"].to_numpy(float)
        stack[: len(values), column] = values
    together = trend(stack, np.arange(100))
    for column, name in enumerate(SERIES):
        assert float(together.p[column]) == float(ours(table, name).p)
        assert float(together.slope[column]) == float(ours(table, name).slope)
