"""Duncan's test against stored results of R's agricolae 1.3-7.

Its studentized range iterates to about 1e-4 absolute, so quantiles are held to 2e-4 and limits to that times the standard error; p is
rounded there to four digits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.account.drivers.groups import Groups, anova, gather
from edaphic.account.drivers.ranges import duncan

CASES = (
    "chickwts_feed", "edgeroi_topsoil_logSOC_class", "insectsprays", "meuse_om_landuse", "sweetpotato_yield_virus", "two_groups_npk"
)  # fmt: skip
QUANTILE = 2e-4


def load(shared: Path, case: str) -> tuple[Groups, dict[str, Any]]:
    folder = shared / "oracles" / "duncan"
    data = pd.read_csv(folder / f"{case}_data.csv", dtype={"group": str}, keep_default_na=False)
    data["value"] = pd.to_numeric(data["value"])
    return gather(data["value"], data["group"]), json.loads((folder / f"{case}.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_analysis_of_variance(shared: Path, case: str) -> None:
    groups, told = load(shared, case)
    found = anova(groups)
    assert found.statistic == pytest.approx(told["anova"]["F"], rel=1e-9)
    assert found.p == pytest.approx(told["anova"]["p"], rel=1e-8)
    assert list(found.freedom) == told["anova"]["df"]
    assert int(groups.sizes.sum()) == told["n"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_letters_ranges_and_pairs(shared: Path, case: str, alpha: float) -> None:
    groups, told = load(shared, case)
    (result,) = [one for one in told["results"] if one["alpha"] == alpha]
    found = duncan(groups, alpha)
    assert dict(zip(found.groups["group"], found.groups["letters"], strict=True)) == {
        row["group"]: row["letters"] for row in result["groups"]
    }
    assert duncan(groups, alpha, rule="runs").groups["letters"].tolist() == found.groups["letters"].tolist()
    assert np.allclose(found.groups["mean"], [row["mean"] for row in result["groups"]], rtol=1e-12)
    table = result["table_recomputed"] if result["table_recomputed"] else result["duncan_table"]
    assert np.allclose(found.ranges["quantile"], [row["Table"] for row in table], atol=QUANTILE)
    error = np.sqrt(result["MSerror"] / result["harmonic_mean_r"]) if "harmonic_mean_r" in result else result["se_used"]
    assert np.allclose(found.ranges["range"], [row["CriticalRange"] for row in table], atol=QUANTILE * error)
    ours = {frozenset((row.group_a, row.group_b)): row for row in found.pairs.itertuples()}
    assert len(ours) == len(result["comparison"])
    for row in result["comparison"]:
        first, second = row["pair"].split(" - ")
        mine = ours[frozenset((first, second))]
        sign = 1.0 if mine.group_a == first else -1.0
        assert sign * mine.difference == pytest.approx(row["difference"], abs=1e-9)
        assert mine.p == pytest.approx(row["pvalue"], abs=6e-5)
        assert sorted((sign * mine.low, sign * mine.high)) == pytest.approx([row["LCL"], row["UCL"]], abs=2 * QUANTILE * error)
