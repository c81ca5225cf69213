"""Edgeroi with few trees: three grids, two coordinate systems, no bulk density, carbon to 2 m."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic import recipe, run
from edaphic.stages import stages_of

pytestmark = pytest.mark.slow


def test_edgeroi_runs_to_the_end(shared, tmp_path):
    told = yaml.safe_load(recipe.template("edgeroi"))
    told["root"] = str(shared / "data" / "edgeroi")
    told["model"] |= {"forest": {"trees": 20}, "tune": {"candidates": 2, "trees": 10}}
    told["evidence"]["bootstrap"] = 50
    path = tmp_path / "edgeroi.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    out = run.run(path, tmp_path / "run", workers=2)
    assert list(json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]) == list(stages_of(recipe.load(path)))
    summary = json.loads((out / "profiles" / "summary.json").read_text(encoding="utf-8"))
    assert summary["bulk_density"]["measured"] == 0 and summary["bulk_density"]["pedotransfer"] > 1000
    with rasterio.open(out / "maps" / "soc_stock_mean_0-200cm.tif") as source:
        whole = source.read(1)
        assert source.crs.to_epsg() == 28355 and source.res == (100, 100)
    assert np.isfinite(whole).mean() > 0.5 and 5 < np.nanmean(whole) < 40
    stocks = pd.read_csv(out / "tables" / "stocks.csv")
    assert set(stocks["by"]) == {"all", "PMTGEO5", "LNUABS6"}
