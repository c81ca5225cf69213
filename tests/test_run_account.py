"""A run's account beyond sums: errors of totals, change between periods, trends, other products, published totals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic import recipe, run
from edaphic.errors import EdaphicError, RecipeError

PERIODS = [[1990, 1997], [1998, 2005], [2006, 2012], [2013, 2019]]
PUBLISHED = "name,by,class,top_cm,bottom_cm,total,low,high,unit\nstudy,all,,0,30,0.8,0.5,1.2,Tg\nrange,land_cover,forest,0,60,,0.1,0.9,Tg\n"


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as opened:
        return opened.read(1, masked=True).astype(np.float64).filled(np.nan)


def like(path: Path, model: Path, values: np.ndarray) -> None:
    with rasterio.open(model) as opened:
        keys = {"driver": "GTiff", "crs": opened.crs, "transform": opened.transform, "width": opened.width, "height": opened.height}
    with rasterio.open(path, "w", count=1, dtype="float32", nodata=-1, **keys) as out:
        out.write(np.nan_to_num(values, nan=-1).astype(np.float32), 1)


def asked(told: dict[str, Any]) -> None:
    told["covariates"]["layers"].append({"path": "dated/ndvi_{from}_{to}.tif"})
    told["covariates"]["max_gap_years"] = 30
    del told["maps"]["period"]
    told["maps"] |= {"stats": ["mean", "q05", "q50", "q95"], "periods": PERIODS}
    shares = {name: {"path": f"share_{name}.tif", "unit": "%"} for name in ("crops", "grass")}
    told["account"] = {
        "by": ["land_cover", {"name": "use", "shares": shares}],
        "total": {"realisations": 200, "forests": 2, "trees": 10},
        "change": {"correlation": 0.6},
        "trend": {},
        "products": [
            {
                "name": "Truth",
                "layers": {"0-30": "truth/true_soc_stock_0-30cm.tif", "30-60": "truth/true_soc_stock_30-60cm.tif"},
                "unit": "kg/m2",
            },
            {"name": "Ten times", "layers": {"0-60": "ten_0-60cm.tif"}, "unit": "kg/m2", "uses": ["slope"]},
        ],
        "published": "published.csv",
    }


@pytest.fixture(scope="module")
def land(tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tiny.copy(tmp_path_factory.mktemp("account") / "input", asked)
    folder = path.parent
    (folder / "dated").mkdir()
    found = folder / "covariates" / "ndvi.tif"
    ndvi = band(found if found.exists() else folder / "covariates" / "elevation.tif")
    for i, (first, last) in enumerate(PERIODS):
        like(folder / "dated" / f"ndvi_{first}_{last}.tif", folder / "covariates" / "land_cover.tif", ndvi * (1 + 0.05 * i))
    found.unlink(missing_ok=True)
    cover = folder / "covariates" / "land_cover.tif"
    codes, rng = band(cover), np.random.default_rng(2)
    for name, code in (("crops", 1), ("grass", 2)):
        like(folder / f"share_{name}.tif", cover, np.where(codes == code, rng.uniform(30, 60, codes.shape), 20))
    like(folder / "ten_0-60cm.tif", cover, 10 * band(folder / "truth" / "true_soc_stock_0-60cm.tif"))
    (folder / "published.csv").write_text(PUBLISHED, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(land: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.run(land, tmp_path_factory.mktemp("account-run") / "run", until="account")


def table(done: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(done / "tables" / name, dtype={"class": str}, keep_default_na=False, na_values={"class_name": []})


def test_totals_have_three_intervals_in_order_of_what_they_assume(done: Path) -> None:
    stocks = pd.read_csv(done / "tables" / "stocks.csv", dtype={"class": str})
    assert set(stocks["period"]) == {f"{first}-{last}" for first, last in PERIODS}
    whole = stocks[(stocks["by"] == "all")]
    width = {
        kind: (whole[f"{kind}_high_Tg"] - whole[f"{kind}_low_Tg"]).to_numpy() for kind in ("independent", "modelled", "fully_correlated")
    }
    assert (width["independent"] < width["modelled"]).all() and (width["modelled"] < width["fully_correlated"]).all()
    mapped = stocks[stocks["cells"] > 0]
    assert ((mapped["modelled_low_Tg"] <= mapped["total_Tg"]) & (mapped["total_Tg"] <= mapped["modelled_high_Tg"])).all()


def test_the_whole_depth_of_a_realisation_is_the_sum_of_its_layers(done: Path) -> None:
    drawn = pd.read_parquet(done / "tables" / "total_realisations.parquet")
    some = drawn[(drawn["by"] == "all") & (drawn["period"] == "1990-1997")]
    wide = some.pivot_table(index="realisation", columns=["top_cm", "bottom_cm"], values="total_Tg")
    np.testing.assert_allclose(wide[0.0, 30.0] + wide[30.0, 60.0], wide[0.0, 60.0], rtol=1e-9)
    facts = json.loads((done / "tables" / "totals.json").read_text())
    assert facts["realisations"] == 200 == len(wide) and facts["forests"] == 2 and 0 <= facts["trend_share"]["mean"] < 1
    shares = facts["field_share"] + facts["nugget_share"] + facts["measurement_share"]
    assert shares == pytest.approx(1.0)


def test_shares_of_cells_add_up_with_what_is_left(done: Path) -> None:
    stocks = pd.read_csv(done / "tables" / "stocks.csv", dtype={"class": str}, keep_default_na=False)
    for period in set(stocks["period"]):
        part = stocks[(stocks["period"] == period) & (stocks["top_cm"] == 0) & (stocks["bottom_cm"] == 60)]
        use = part[part["by"] == "use"]
        assert set(use["class_name"]) == {"crops", "grass", "unclassified"}
        assert use["total_Tg"].sum() == pytest.approx(part[part["by"] == "all"]["total_Tg"].item(), rel=1e-9)
        assert use["area_km2"].sum() == pytest.approx(part[part["by"] == "all"]["area_km2"].item(), rel=1e-9)


def test_change_is_between_the_first_and_the_last_period(done: Path) -> None:
    change, stocks = table(done, "change.csv"), pd.read_csv(done / "tables" / "stocks.csv")
    row = change[(change["by"] == "all") & (change["top_cm"] == 0) & (change["bottom_cm"] == 60)].iloc[0]
    assert (row["from_period"], row["to_period"], row["rho"], row["rho_origin"]) == ("1990-1997", "2013-2019", 0.6, "stated")
    whole = stocks[(stocks["by"] == "all") & (stocks["top_cm"] == 0) & (stocks["bottom_cm"] == 60)].set_index("period")["total_Tg"]
    assert row["change_Tg"] == pytest.approx(whole["2013-2019"] - whole["1990-1997"], abs=0.2 * row["sd_Tg"])
    beside = table(done, "change_sensitivity.csv")
    spread = beside[(beside["by"] == "all") & (beside["bottom_cm"] == 60) & (beside["top_cm"] == 0)].set_index("rho")["sd_Tg"]
    assert spread[0.0] > spread[0.5] > spread[0.95]
    before, after = (band(done / "maps" / f"soc_stock_mean_0-30cm_{period}.tif") for period in ("1990-1997", "2013-2019"))
    mapped = band(done / "maps" / "change" / "soc_stock_change_0-30cm_1990-1997_2013-2019.tif")
    np.testing.assert_allclose(mapped, after - before, atol=2e-5)
    rising = band(done / "maps" / "change" / "soc_stock_p_increase_0-30cm_1990-1997_2013-2019.tif")
    known = np.isfinite(mapped) & (np.abs(mapped) > 0.05)
    assert ((rising > 0.5) == (mapped > 0))[known].mean() > 0.9


def test_the_trend_is_called_a_description(done: Path) -> None:
    trend = table(done, "trend.csv")
    assert trend["note"].str.contains("descri").all() and set(trend["by"]) == {"all", "land_cover"}
    slope = band(done / "maps" / "trend" / "soc_stock_slope_0-30cm_1990-1997_2013-2019.tif")
    mean = trend[(trend["by"] == "all") & (trend["bottom_cm"] == 30)]["mean_slope_kg_m2_per_year"].item()
    assert float(mean) == pytest.approx(np.nanmean(slope), rel=0.02, abs=1e-5)


def test_products_are_compared_and_slips_named(done: Path) -> None:
    found = table(done, "product_comparison.csv")
    ten = found[(found["name"] == "Ten times") & (found["bottom_cm"] == 60)].iloc[0]
    assert float(ten["factor"]) == pytest.approx(0.1, rel=0.2) and "0.1" in ten["explanation"] and "slope" in ten["shared_inputs"]
    truth = found[(found["name"] == "Truth") & (found["top_cm"] == 0) & (found["bottom_cm"] == 60)].iloc[0]
    assert truth["support"].startswith("sum") and float(truth["pearson_r"]) > 0.5
    maps = done / "maps" / "products"
    ours = band(done / "maps" / "soc_stock_mean_0-30cm_2013-2019.tif")
    theirs = band(next(maps.glob("relative_difference_Truth_0-30cm*.tif")))
    count = band(next(maps.glob("count_0-30cm*.tif")))
    assert np.nanmax(count) == 3.0 and np.isfinite(theirs[np.isfinite(ours)]).all()
    assert {"product_pairs.csv", "product_taylor.csv", "product_totals.csv", "product_cv.csv"} <= {
        p.name for p in (done / "tables").iterdir()
    }


def test_published_totals_stand_beside_ours(done: Path) -> None:
    found = table(done, "published.csv")
    assert set(found["name"]) == {"study", "range"} and set(found["within"]) <= {"yes", "no"}
    assert len(found[found["name"] == "study"]) == 4  # a row for each period


def test_without_a_correlation_nothing_is_inferred(land: Path, done: Path, tmp_path: Path) -> None:
    told = yaml.safe_load(land.read_text(encoding="utf-8"))
    told["account"]["change"] = {"maps": False}
    told["root"] = str(land.parent)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    out = run.run(path, tmp_path / "run", until="account")
    change = pd.read_csv(out / "tables" / "change.csv")
    assert (
        change["verdict"].str.contains("nothing can be inferred").all()
        and change["sd_Tg"].isna().all()
        and change["before_Tg"].notna().all()
    )
    assert (out / "tables" / "change_sensitivity.csv").is_file() and "cannot be estimated" in (out / "tables" / "revisits.csv").read_text()
    assert not (out / "maps" / "change").exists()


Change = Callable[[dict[str, Any]], object]

CONTRADICTIONS: dict[str, tuple[Change, str]] = {
    "change of one time": (
        lambda told: told["maps"].pop("periods"),
        r"account\.change: found change with 0 periods; expected maps\.periods with 2",
    ),
    "trend of three": (
        lambda told: told["maps"].update(periods=PERIODS[:3]),
        r"account\.trend: found trend with 3 periods; expected maps\.periods with 4",
    ),
    "no median": (
        lambda told: told["maps"].update(stats=["mean", "q05", "q95"]),
        r"maps\.stats: found .*with maps of change; expected q50 among them",
    ),
    "correlation above one": (lambda told: told["account"]["change"].update(correlation=1.5), r"account\.change\.correlation: found 1\.5"),
    "pairs of no kind": (lambda told: told["account"]["change"].update(pairs="some"), r"account\.change\.pairs: found 'some'"),
    "few realisations": (
        lambda told: told["account"]["total"].update(realisations=99),
        r"account\.total\.realisations: found 99; expected 0, or at least 100",
    ),
    "one forest": (lambda told: told["account"]["total"].update(forests=1), r"account\.total\.forests: found 1; expected 0, or at least 2"),
    "many blocks": (lambda told: told["account"]["total"].update(blocks=10**6), r"account\.total\.blocks"),
    "corrected by nothing": (
        lambda told: told["account"]["total"].update(corrected=True, conditional=False),
        r"account\.total\.corrected: found corrected totals without errors given those at the profiles",
    ),
    "unknown control": (lambda told: told["account"]["trend"].update(control="bonferroni"), r"account\.trend\.control: found 'bonferroni'"),
    "unit of contents": (lambda told: told["account"]["products"][0].update(unit="g/kg"), r"account\.products\[0\]\.unit: found 'g/kg'"),
    "no layer": (
        lambda told: told["account"]["products"][0].update(layers={"topsoil": "a.tif"}),
        r"account\.products\[0\]\.layers.*topsoil",
    ),
    "beta with a spline": (
        lambda told: told["account"]["products"][0].update(support="spline", beta=0.97),
        r"products\[0\]\.beta: found beta with support: spline",
    ),
    "a period without map": (
        lambda told: told["account"]["products"][0].update(period=[1950, 1960]),
        r"products\[0\]\.period: found \[1950, 1960\]",
    ),
    "a name twice": (lambda told: told["account"]["products"][1].update(name="Truth"), r"account\.products.*'Truth' a second time"),
    "shares of no unit": (lambda told: told["account"]["by"][1]["shares"]["crops"].update(unit="km2"), r"shares\.crops\.unit"),
    "a division of no kind": (lambda told: told["account"]["by"].append({"name": "x"}), r"account\.by\[2\]"),
    "another target": (lambda told: told["model"].update(target="soc"), r"account\.change: found change beside the target soc"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_recipes_that_contradict_themselves(land: Path, case: str) -> None:
    change, line = CONTRADICTIONS[case]
    told = yaml.safe_load(land.read_text(encoding="utf-8"))
    change(told)
    with pytest.raises(RecipeError, match=line):
        recipe.parse(yaml.safe_dump(told), "recipe.yaml")


FILES: dict[str, tuple[Change, str]] = {
    "a product that is not there": (
        lambda told: told["account"]["products"][0]["layers"].update({"0-30": "gone.tif"}),
        r"products\[0\]\.layers.*gone\.tif",
    ),
    "a product that reaches no layer": (
        lambda told: told["account"]["products"].append(
            {"name": "deep", "layers": {"100-200": "ten_0-60cm.tif"}, "unit": "kg/m2", "support": "overlap"}
        ),
        r"account\.products deep: none of our layers can be made of its layers",
    ),
    "no published table": (lambda told: told["account"].update(published="gone.csv"), r"account\.published.*gone\.csv"),
    "a table of something else": (lambda told: told["account"].update(published="horizons.csv"), r"account\.published: .*no column"),
    "a share that is not there": (
        lambda told: told["account"]["by"][1]["shares"]["grass"].update(path="gone.tif"),
        r"account\.by\[1\]\.shares\.grass\.path.*gone\.tif",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_are_looked_at_before_the_work(land: Path, tmp_path: Path, case: str) -> None:
    change, line = FILES[case]
    told = yaml.safe_load(land.read_text(encoding="utf-8"))
    change(told)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(told | {"root": str(land.parent)}), encoding="utf-8")
    with pytest.raises(EdaphicError, match=line):
        run.check(path)
