"""Lines with errors in both variables against stored results of the R package lmodel2 1.7-4."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.covariates.sensors import major_axis
from edaphic.covariates.sensors.line import Line
from edaphic.covariates.sensors.major_axis import How

CASES = ("landsat7_red_green", "landsat7_red_nir", "mod2ex1", "mod2ex2", "mod2ex3", "mod2ex5")
METHODS = ("OLS", "MA", "SMA", "RMA")
TIGHT = 1e-9
"""The stored numbers have 15 digits; the rest is for the order of sums."""


def case(shared: Path, name: str) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    folder = shared / "oracles" / "major_axis"
    table = pd.read_csv(folder / f"{name}_data.csv")
    return json.loads((folder / f"{name}.json").read_text()), table["x"].to_numpy(), table["y"].to_numpy()


def ours(theirs: dict[str, Any], method: str, x: np.ndarray, y: np.ndarray) -> Line:
    return major_axis.fit(x, y, How(method.lower(), ranges=(theirs["range_y"], theirs["range_x"])))


def row(theirs: dict[str, Any], table: str, method: str) -> dict[str, Any]:
    return next(one for one in theirs[table] if one["method"] == method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_lines_are_the_peers(shared: Path, name: str, method: str) -> None:
    theirs, x, y = case(shared, name)
    line, wanted = ours(theirs, method, x, y), row(theirs, "regression", method)
    assert line.slope == pytest.approx(wanted["slope"], rel=TIGHT)
    assert line.intercept == pytest.approx(wanted["intercept"], rel=TIGHT)
    assert line.angle_deg == pytest.approx(wanted["angle_deg"], rel=TIGHT)
    assert line.correlation == pytest.approx(theirs["r"], rel=TIGHT)
    assert line.count == theirs["n"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_limits_are_the_peers(shared: Path, name: str, method: str) -> None:
    theirs, x, y = case(shared, name)
    line, wanted = ours(theirs, method, x, y), row(theirs, "confidence", method)
    if wanted["slope_2.5"] is None:
        assert math.isnan(line.slope_low) and "above 1" in line.reason
        return
    if wanted["slope_2.5"] > wanted["slope_97.5"] and method == "RMA":
        # The interval goes through the vertical: the peer prints its ends, which bound no interval of slopes.
        assert math.isnan(line.slope_low) and "vertical" in line.reason
        return
    assert (line.slope_low, line.slope_high) == pytest.approx((wanted["slope_2.5"], wanted["slope_97.5"]), rel=TIGHT)
    assert (line.intercept_low, line.intercept_high) == pytest.approx((wanted["int_2.5"], wanted["int_97.5"]), rel=TIGHT)
    assert line.reason == ""


def test_ends_through_the_vertical_are_the_peers(shared: Path) -> None:
    theirs, x, y = case(shared, "mod2ex5")
    how, wanted = How("rma"), row(theirs, "confidence", "RMA")
    ratio = float((np.ptp(y) / np.ptp(x)) ** 2)
    ends = major_axis.parametric(major_axis.moments(x, y), major_axis.fit(x, y, how), how, ratio)
    assert list(ends) == pytest.approx([wanted["slope_2.5"], wanted["slope_97.5"]], rel=TIGHT)


def test_correlation_near_zero_is_told(shared: Path) -> None:
    _, x, y = case(shared, "mod2ex5")
    assert "no firm direction" in major_axis.fit(x, y).notes[0]
