"""``edaphic harmonise`` and ``edaphic stock``: results by hand, what lies beside them, and calls that are refused."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HEAD = "profile_id,lon,lat,top_cm,bottom_cm,soc_g_kg,bulk_density_g_cm3,bulk_density_basis,coarse_fragments_vol_pct,clay_pct\n"
ROWS = (
    "a,21.0,41.0,0,20,20,1.3,fine_earth,0,30\na,21.0,41.0,20,50,10,1.4,fine_earth,0,32\n"
    "b,21.5,41.2,0,20,15,1.2,fine_earth,0,20\nb,21.5,41.2,20,60,8,1.5,fine_earth,0,25\n"
)
STOCK = ("stock", "h.csv", "--layers", "0-20,20-50", "-o", "out.csv")
HARMONISE = ("harmonise", "h.csv", "--value", "clay_pct", "--layers", "0-20,20-50", "-o", "out.csv")


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("h.csv").write_text(HEAD + ROWS)
    return command


def stocks(name: str = "out.csv", value: str = "soc_stock_kg_m2") -> list[float]:
    return pd.read_csv(name)[value].tolist()


def test_stock_by_hand(command):
    """20 g/kg x 1.3 g/cm3 x 20 cm = 5.2 kg/m2, and so on."""
    status, screen, _ = command(*STOCK, "--method", "weighted")
    assert status == 0 and "profiles    2 of 2, horizons 4 of 4" in screen and "stocks      4 of 4 layers have one" in screen
    assert stocks() == pytest.approx([5.2, 4.2, 3.6, 3.6])
    assert pd.read_csv("out.csv")["lon"].tolist() == [21.0, 21.0, 21.5, 21.5]
    assert sorted(path.name for path in Path().iterdir()) == ["h.csv", "out.csv"]


def test_harmonise_by_hand(command):
    assert command(*HARMONISE, "--method", "weighted")[0] == 0
    assert stocks(value="value") == pytest.approx([30, 32, 20, 25])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--lam", "0", "--layers", "0-20,20-60"), [5.2, np.nan, 3.6, 4.8]),
        (("--method", "weighted", "--missing-fragments", "10", "--ignore", "coarse_fragments"), [4.68, 3.78, 3.24, 3.24]),
        (("--method", "weighted", "--layers", "0-20,20-60"), [5.2, np.nan, 3.6, 4.8]),
        (("--method", "weighted", "--layers", "0-20,20-60", "--min-coverage", "0.5"), [5.2, 4.2 * 40 / 30, 3.6, 4.8]),
        (("--method", "weighted", "--layers", "0-50,0-20"), [9.4, 5.2, 7.2, 3.6]),
        (("--method", "weighted", "-c", "soc=soc_g_kg:%", "--layers", "0-20,20-50"), [52, 42, 36, 36]),
    ],
)
def test_options_of_stock(command, options, expected):
    assert command(*STOCK, *options)[0] == 0
    # Lambda 0 follows the horizons; what was observed of a layer stands for all of it, as far as min_coverage lets it.
    assert stocks() == pytest.approx(expected, nan_ok=True, rel=1e-6)


@pytest.mark.parametrize("options", [("--mode", "paper"), ("--lam", "5"), ("--bulk-density", "pedotransfer"), ("--method", "weighted")])
def test_each_of_these_changes_the_stocks(command, options):
    assert command(*STOCK)[0] == 0
    before = stocks()
    assert command(*STOCK, *options)[0] == 0
    assert stocks() != pytest.approx(before, rel=1e-6)


def test_gap_reported_duplicates(command):
    Path("h.csv").write_text(
        "profile_id,lon,lat,top_cm,bottom_cm,soc_g_kg,bulk_density_g_cm3,bulk_density_basis,soc_stock_kg_m2\n"
        + "".join(f"{p},21.0,41.0,0,20,20,1.3,fine_earth,7\n{p},21.0,41.0,22,50,20,1.3,fine_earth,7\n" for p in "ab")
    )
    words = ("stock", "h.csv", "--layers", "0-20,0-50", "-o", "out.csv", "--method", "weighted")
    assert "1 profiles merged" in command(*words)[1]
    assert stocks() == pytest.approx([5.2, np.nan], nan_ok=True) and Path("out.duplicates.csv").is_file()
    assert command(*words, "--max-gap-cm", "2", "--keep-duplicates")[0] == 0
    assert stocks() == pytest.approx([5.2, 13.0] * 2) and not Path("out.duplicates.csv").exists()
    assert command(*words, "--reported")[0] == 0
    assert stocks()[0] == pytest.approx(7)


def test_outputs_are_equal(command):
    for name in ("out.csv", "out.csv.gz", "out.parquet"):
        assert command("stock", "h.csv", "--layers", "gsm", "-o", name)[0] == 0
    plain = pd.read_csv("out.csv", keep_default_na=False, na_values=[""])
    assert len(plain) == 12
    numbers = plain.select_dtypes("number").columns
    for other in (pd.read_csv("out.csv.gz"), pd.read_parquet("out.parquet")):
        np.testing.assert_array_equal(other[numbers].to_numpy(dtype=float), plain[numbers].to_numpy(dtype=float))
        assert other["status"].tolist() == plain["status"].tolist()


def test_repairs_lie_beside_it_only_where_there_are_any(command):
    Path("bad.csv").write_text(HEAD + ROWS + "b,21.5,41.2,60,60,3,1.5,fine_earth,0,25\n")
    for words in (("stock",), ("harmonise", "--value", "clay_pct")):
        verb, *more = words
        assert "1 x zero thickness: horizon dropped" in command(verb, "bad.csv", *more, "--layers", "0-20", "-o", "out.csv")[1]
        assert pd.read_csv("out.repairs.csv")["fault"].tolist() == ["zero thickness"]
        assert "repairs     none" in command(verb, "h.csv", *more, "--layers", "0-20", "-o", "out.csv")[1]
        assert not Path("out.repairs.csv").exists()


@pytest.mark.parametrize(
    ("reference", "mass"),
    [("mean", [250, 435]), ("minimum", [240, 440]), ("profile:a", [260, 420]), ("masses.csv", [200, 300])],
)
def test_equivalent_mass(command, reference, mass):
    """Soil masses of 0-20 cm: 260 and 240 kg/m2; of 20-50 cm: 420 and 450."""
    Path("masses.csv").write_text("top_cm,bottom_cm,soil_mass_kg_m2\n0,20,200\n20,50,300\n")
    assert command(*STOCK, "--esm", reference)[0] == 0
    assert stocks(value="soil_mass_kg_m2") == pytest.approx(mass * 2)
    if reference == "profile:a":
        assert stocks()[:2] == pytest.approx([5.2, 4.2])


def test_paper_equals_the_peer(command, shared):
    peer = pd.read_csv(shared / "oracles/mpspline/package_example_est_dcm.csv")
    wanted = peer[(peer["lam"] == 0.1) & (peer["d_set"] == "GSM")]["value"]
    columns = ("-c", "top=upper_cm:cm", "-c", "bottom=lower_cm:cm")
    table = shared / "oracles/mpspline/package_example_input.csv"
    words = ("harmonise", table, "--value", "value", "--layers", "gsm", "--mode", "paper", *columns, "-o", "out.csv")
    assert command(*words)[0] == 0
    np.testing.assert_allclose(stocks(value="value"), wanted, rtol=1e-10)


def test_beta_and_negative(command):
    Path("h.csv").write_text("profile_id,top_cm,bottom_cm,d\np,0,20,3\np,20,100,3\nq,0,20,-3\nq,20,100,-1\n")
    words = ("harmonise", "h.csv", "--value", "d", "--layers", "0-20,20-100", "-o", "out.csv", "--method")
    status, _, said = command(*words, "weighted")
    assert status == 2 and "row 3); expected none, or the option --negative" in said
    assert command(*words, "weighted", "--negative")[0] == 0
    assert stocks(value="value") == pytest.approx([3, 3, -3, -1])
    Path("h.csv").write_text("profile_id,top_cm,bottom_cm,d\np,0,20,3\np,20,100,3\n")
    assert command(*words, "beta")[0] == 0
    assert stocks(value="value")[0] == pytest.approx(3)


def test_sites_constants_and_tables_without_places(command):
    Path("c.csv").write_text("id,oc,bd\np,2,1.3\nq,1,1.3\n")
    Path("s.csv").write_text("id,lon,lat\np,21,41\nq,22,41\n")
    columns = ("profile_id=id", "soc=oc:%", "bulk_density=bd:g/cm3:fine_earth", "top==0:cm", "bottom==20:cm")
    words = ["stock", "c.csv", "--layers", "0-20", "-o", "out.csv", *(part for column in columns for part in ("-c", column))]
    assert command(*words)[0] == 0
    assert stocks() == pytest.approx([5.2, 2.6]) and np.isnan(stocks(value="lon")).all()
    assert command(*words, "--sites", "s.csv")[0] == 0
    assert stocks(value="lon") == [21, 22]


SOURCES = {
    "wosis": "profile_id,longitude,latitude,upper_depth,lower_depth,orgc_value_avg,bdfiod_value_avg\nw,10,50,0,30,20,1.3\n",
    "nrcs": "pedon_key,x,y,hzn_top,hzn_bot,oc,db_od,c_tot\nn,-100,40,0,30,2,1.3,2\n",
    "israd": "entry_name,site_name,pro_name,pro_long,pro_lat,lyr_top,lyr_bot,lyr_c_org,lyr_bd_samp\ne,s,i,12,50,0,30,2,1.3\n",
    "gsif": "SOURCEID,LONWGS84,LATWGS84,UHDICM,LHDICM,ORCDRC,BLDFIE\ng,10,50,0,30,20,1300\n",
    "edaphic": "profile_id,lon,lat,top_cm,bottom_cm,soc_g_kg,bulk_density_g_cm3,bulk_density_basis\ne,14,50,0,30,20,1.3,fine_earth\n",
}


def test_five_vocabularies_through_a_recipe(command):
    """One profile stands in wosis and in gsif: it is merged; all stocks are 20 g/kg x 1.3 g/cm3 x 30 cm = 7.8 kg/m2."""
    for name, text in SOURCES.items():
        Path(f"{name}.csv").write_text(text)
    listed = "".join(f"    - {{horizons: {name}.csv}}\n" for name in SOURCES)
    Path("recipe.yaml").write_text(f"edaphic: 1\nname: five\nprofiles:\n  sources:\n{listed}  layers: [0-30]\n")
    status, screen, said = command("stock", "recipe.yaml", "-o", "out.csv")
    assert status == 0, said
    assert "profiles    4 of 5" in screen and "1 profiles merged" in screen
    assert stocks() == pytest.approx([7.8] * 4)
    assert len(set(stocks(value="source"))) == 4


def table(**changed: object) -> str:
    """The table with other values in some columns."""
    frame = pd.read_csv(StringIO(HEAD + ROWS), dtype=str)
    return frame.assign(**changed).to_csv(index=False)


TABLES = {
    "empty": ("", "found an empty file"),
    "header only": (HEAD, "found no rows"),
    "pipes": ((HEAD + ROWS).replace(",", "|"), "line 1.*found"),
    "no header": (ROWS, "no column for|line 1"),
    "cut": ((HEAD + ROWS)[:-8], "row 4 .line 5.: found"),
    "open quote": (HEAD + 'a,"21,41', "found a quote that is not closed"),
    "name twice": (HEAD.replace("clay_pct", "soc_g_kg") + ROWS, "found name 'soc_g_kg' for columns 6, 10"),
    "more cells": (HEAD + ROWS + "c,1,2,0,10,3,1,fine_earth,0,1,2\n", r"row 5 \(line 6\): found 11 cells"),
    "NUL": (HEAD + ROWS.replace("a,", "a\0,", 1), "NUL byte"),
    "web page": ("<!DOCTYPE html>\n<html><body>404</body></html>", "found a web page"),
    "JSON": ('[{"id": 1, "soc": 2}]', "found JSON"),
    "text in carbon": (table(soc_g_kg="high"), "row 1: column 'soc_g_kg': found 'high'"),
    "dates as depths": (table(top_cm="2020-01-10"), "row 1: column 'top_cm': found"),
    "no carbon": (table(soc_g_kg=""), "soc.*expected numbers"),
    "no depth": (table(top_cm=""), "top.*expected numbers"),
    "carbon inf": (table(soc_g_kg="inf"), "expected"),
    "carbon 1e308": (table(soc_g_kg="1e308"), r"no horizon is left of 4 \(most often: soc outside 0 to 600 g/kg, 4 times\)"),
    "carbon below 0": (table(soc_g_kg="-5"), "no horizon is left of 4.*soc outside"),
    "depths inf": (table(bottom_cm="inf"), "expected"),
    "depths 1e308": (table(top_cm="1e308", bottom_cm="2e308"), "expected"),
    "depths below 0": (table(top_cm="-20", bottom_cm="-10"), r"no horizon is left of 4 \(most often: above the surface, 4 times\)"),
    "no thickness": (table(top_cm="5", bottom_cm="5"), "no horizon is left of 4.*zero thickness, 4 times"),
    "off the earth": (table(lon="500000", lat="4600000"), "off the earth"),
    "basis unknown": (table(bulk_density_basis="dry"), "row 1.*basis|basis.*expected"),
}  # fmt: skip


def refused(command, words, place: str, pattern: str) -> None:
    before = sorted(Path().rglob("*"))
    status, screen, said = command(*words)
    lines = [line for line in said.splitlines() if line.startswith("edaphic: ")]
    assert (status, screen) == (2, ""), said
    assert lines and "Traceback" not in said
    assert all("expected" in line for line in lines)
    assert any(place in line for line in lines), lines
    assert pd.Series(lines).str.contains(pattern).any(), lines
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("case", TABLES)
def test_broken_tables(command, case):
    content, pattern = TABLES[case]
    Path("h.csv").write_text(content)
    refused(command, STOCK, "h.csv", pattern)


BD = ("--ignore", "bulk_density_basis", "-c")
CALLS = {
    "layer upside down": (("--layers", "30-0"), "--layers", "found '30-0'"),
    "layer empty": (("--layers", ""), "--layers", "found ''"),
    "layer endless": (("--layers", "0-1e400"), "--layers", "found '0-1e400'"),
    "a comma at the end": (("--layers", "0-30,"), "--layers", "found ''"),
    "out of another kind": (("-o", "x.xlsx"), "--out x.xlsx", "found another ending"),
    "out in no folder": (("-o", "nowhere/x.csv"), "--out", "found no folder 'nowhere'"),
    "out is an ending": (("-o", ".csv"), "--out", "an ending alone"),
    "out is the input": (("-o", "h.csv"), "--out h.csv", "found a table that is read"),
    "no such sites": (("--sites", "none.csv"), "none.csv", "no such file"),
    "unknown unit": (("-c", "soc=soc_g_kg:ppmm"), "soc", "found 'ppmm'"),
    "unit mistyped": (("-c", "soc=soc_g_kg:g/kgg"), "soc", "found 'g/kgg'"),
    "unknown role": (("-c", "carbon=soc_g_kg:%"), "--column", "carbon"),
    "role without column": (("-c", "soc="), "--column", "soc="),
    "role twice": (("-c", "soc=a:%", "-c", "soc=b:%"), "--column", "a second time"),
    "no basis": (("-c", "bulk_density=clay_pct:g/cm3"), "bulk_density", "found no basis"),
    "unknown basis": ((*BD, "bulk_density=bulk_density_g_cm3:g/cm3:dry"), "bulk_density", "found 'dry'"),
    "no such column": (("-c", "soc=OC:%"), "h.csv", "no column 'OC'"),
    "constant of letters": (("-c", "top==deep:cm"), "--column", "found the constant 'deep'"),
    "constant without unit": (("-c", "top==0"), "top", "found no unit"),
    "reference unknown": (("--esm", "median"), "reference 'median'", "no such file"),
    "reference profile unknown": (("--esm", "profile:zz"), "reference", "no profile 'zz'"),
    "reference too shallow": (("--layers", "0-300", "--esm", "mean"), "reference mean", "expected 300 cm"),
    "lam below 0": (("--lam", "-1"), "lam", "found -1"),
    "lam nan": (("--lam", "nan"), "lam", "found nan"),
    "unknown method": (("--method", "linear"), "method", "found 'linear'"),
    "unknown mode": (("--mode", "peer"), "mode", "found 'peer'"),
    "coverage 0": (("--min-coverage", "0"), "min_coverage", "found 0"),
    "coverage above 1": (("--min-coverage", "1.5"), "min_coverage", "found 1.5"),
    "gap below 0": (("--max-gap-cm", "-1"), "max_gap_cm", "found -1"),
    "unknown pedotransfer": (("--pedotransfer", "mine"), "pedotransfer", "found 'mine'"),
    "unknown source": (("--bulk-density", "measured,guessed"), "bulk_density", "found 'guessed'"),
    "too many stones": (("--missing-fragments", "120"), "missing_fragments_vol_pct", "found 120"),
    "unknown vocabulary": (("--vocabulary", "mine"), "vocabulary", "found 'mine'"),
    "unknown crs": (("--crs", "EPSG:999999"), "h.csv", "found crs"),
    "unknown role ignored": (("--ignore", "carbon"), "ignore", "found 'carbon'"),
    "spline of means": (("--method", "weighted", "--mode", "paper", "--lam", "50"), "--method weighted", "found --mode, --lam beside it"),
    "mode of beta": (("--method", "beta", "--mode", "exact"), "--method beta", "found --mode beside it"),
    "rule without use": (("--pedotransfer", "best", "--bulk-density", "measured"), "--bulk-density measured", "found --pedotransfer"),
    "copies kept": (("--keep-duplicates", "--copies-within-source"), "--keep-duplicates", "found --copies-within-source"),
    "no stocks reported": (("--reported",), "--reported", "no source with soc_stock"),
    "site id without sites": (("--site-id", "site"), "no --sites", "found --site-id"),
    "share of carbon": (("-c", "organic_matter=soc_g_kg:%:58"), "organic_matter", "58"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_broken_calls(command, case):
    options, place, pattern = CALLS[case]
    refused(command, (*STOCK, *options), place, pattern)


def test_a_recipe_says_everything(command):
    Path("r.yaml").write_text("edaphic: 1\nname: r\nprofiles:\n  sources: [{horizons: h.csv}]\n  layers: [0-20, 20-50]\n")
    refused(
        command, ("stock", "r.yaml", "-o", "out.csv", "--lam", "0.1", "--keep-duplicates", "-c", "soc=OC:%", "--reported"), "r.yaml",
        "found --lam, --reported, --keep-duplicates, --column beside it; expected --out, --layers and --esm alone",
    )  # fmt: skip
    assert command("stock", "r.yaml", "-o", "out.csv", "--layers", "0-20", "--esm", "mean")[0] == 0
    assert len(pd.read_csv("out.csv")) == 2


def test_no_input_is_written_over_and_no_file_of_another(command):
    Path("own.repairs.csv").write_text(HEAD + ROWS)
    Path("mine.duplicates.csv").write_text("a,b\n1,2\n")
    Path("m.repairs.csv").write_text("top_cm,bottom_cm,soil_mass_kg_m2\n0,20,200\n20,50,300\n")
    refused(command, ("stock", "own.repairs.csv", *STOCK[2:-1], "own.csv"), "own.repairs.csv", "expected another name")
    refused(command, ("harmonise", "own.repairs.csv", *HARMONISE[2:-1], "own.csv"), "own.repairs.csv", "expected another name")
    refused(command, (*STOCK[:-1], "mine.csv"), "mine.duplicates.csv", "did not write")
    refused(command, (*STOCK[:-1], "m.csv", "--esm", "m.repairs.csv"), "m.repairs.csv", "expected another name")
    assert command(*HARMONISE[:-1], "mine.csv")[0] == 0 and Path("mine.duplicates.csv").read_text() == "a,b\n1,2\n"


def test_paper_mode_of_a_property_takes_no_cleaning(command):
    for option in (("--min-coverage", "1"), ("--max-gap-cm", "5"), ("--shift-organic",)):
        refused(command, (*HARMONISE, "--mode", "paper", *option), "--mode paper", f"found {option[0]} beside it; expected none: it takes")
    status, screen, _ = command(*HARMONISE, "--mode", "paper")
    assert status == 0 and "note        mode paper: horizons uncleaned" in screen


def test_thousands_in_a_file_of_commas(command):
    Path("h.csv").write_text('id,upper,lower,OC\nA,0,20,"12,345"\nB,0,20,900\n')
    words = ("stock", "h.csv", "--layers", "0-20", "-o", "out.csv", "-c", "profile_id=id", "-c", "top=upper:cm", "-c", "bottom=lower:cm")
    refused(command, (*words, "-c", "soc=OC:mg/kg"), "h.csv: row 1: column 'OC'", "found '12,345'.*thousands")
    Path("h.csv").write_text('id,upper,lower,OC\nA,0,20,"12,34"\nB,0,20,9\n')
    assert command(*words, "-c", "soc=OC:g/kg")[0] == 0 and stocks(value="soc_g_kg") == pytest.approx([12.34, 9])


@pytest.mark.parametrize(
    ("changed", "options", "said"),
    [
        ({}, (), "values      organic carbon: 5 % 8.3"),
        ({}, ("-c", "soc=soc_g_kg:%"), "note        75% of the horizons with a bulk density hold more than 60 g/kg"),
        ({}, ("-c", "soc=soc_g_kg:mg/kg"), "note        half of the horizons hold less than 1.5 g/kg"),
        ({"top_cm": ["0", ".2"] * 2, "bottom_cm": [".2", "1"] * 2}, (), "note        no horizon reaches below 1 cm"),
        ({"bulk_density_g_cm3": "1300"}, (), "note        100% of the bulk densities lie outside"),
        ({"coarse_fragments_vol_pct": "0.2"}, (), "note        no horizon has more than 1 vol% coarse fragments"),
    ],
)
def test_units_that_are_not_those_stated(command, changed, options, said):
    Path("h.csv").write_text(table(**changed))
    status, screen, fault = command(*STOCK, "--keep-duplicates", *options)
    assert status == 0 and said in screen, (screen, fault)


def test_depths_of_a_property_in_another_unit(command):
    Path("h.csv").write_text(table(top_cm=["0", ".2"] * 2, bottom_cm=[".2", "1"] * 2))
    assert "note        no horizon reaches below 1 cm" in command(*HARMONISE)[1]


def test_what_was_assumed_of_stones_and_density_is_told(command):
    Path("h.csv").write_text(table(coarse_fragments_vol_pct=["", "", "40", ""], bulk_density_g_cm3=["", "1.4", "1.2", "1.5"]))
    screen = command(*STOCK, "--method", "weighted")[1]
    said = "sources     bulk density: 3 measured, 1 estimated by manrique_jones_1991 (error 0.24, bias -0.028 g/cm3 on ISRIC-WISE)"
    assert said in screen
    assert "1 measured, 1 as the profile's other horizons" in screen and "2 assumed at 40 vol%, the median of the table" in screen
    assert pd.read_csv("out.csv")["coarse_fragments_source"].tolist() == ["assumed", "assumed", "measured", "profile"]
    assert "2 assumed at 15 vol%, as stated" in command(*STOCK, "--missing-fragments", "15")[1]
    assert "4 assumed at 0 vol%, as the table has none" in command(*STOCK, "--ignore", "coarse_fragments")[1]
    assert "best pedotransfer rule: manrique_jones_1991 (3 measured mineral" in command(*STOCK, "--pedotransfer", "best")[1]


def test_the_rule_that_best_has_chosen_and_its_error(command):
    rng = np.random.default_rng(1)
    carbon, packing = rng.uniform(5, 50, 60), rng.normal(0, 0.03, 60)
    density = 1.66 - 0.318 * np.sqrt(carbon / 10) + packing
    rows = [f"p{i},0,20,{carbon[i]:.3f},{density[i]:.3f},fine_earth" for i in range(60)] + ["q,0,20,20,,"]
    Path("h.csv").write_text("profile_id,top_cm,bottom_cm,soc_g_kg,bulk_density_g_cm3,bulk_density_basis\n" + "\n".join(rows) + "\n")
    screen = command("stock", "h.csv", "--layers", "0-20", "-o", "out.csv", "--pedotransfer", "best")[1]
    line = next(line for line in screen.splitlines() if "best pedotransfer rule" in line)
    assert "manrique_jones_1991, of 9 compared on 60 measured horizons; error 0.025" in line
    assert "g/cm3 on profiles that had no part in the choice" in line


def test_a_rule_without_its_predictors_is_named(command):
    Path("h.csv").write_text(table().replace(",clay_pct", ",other"))
    words = (*STOCK, "--pedotransfer", "hollis_2012", "--bulk-density", "pedotransfer")
    refused(command, words, "h.csv", "rule hollis_2012 lacks sand_pct in 4, clay_pct in 4 horizons")


def test_organic_matter_and_its_share_of_carbon(command):
    words = (*STOCK, "--method", "weighted", "--ignore", "soc", "-c")
    screen = command(*words, "organic_matter=soc_g_kg:g/kg")[1]
    assert "in g/kg, as stated; 0.58 of it carbon (by default;" in screen
    assert stocks()[0] == pytest.approx(5.2 * 0.58)
    screen = command(*words, "organic_matter=soc_g_kg:g/kg:0.5")[1]
    assert "in g/kg, as stated; 0.5 of it carbon, as stated" in screen
    assert stocks()[0] == pytest.approx(2.6)


def test_a_curve_that_cannot_follow_is_told(command):
    Path("h.csv").write_text(table(soc_g_kg=["80", "1", "15", "14"]))
    for words in (STOCK, (*HARMONISE[:3], "soc_g_kg", *HARMONISE[4:])):
        screen = command(*words)[1]
        assert "note        1 of 2 profiles: the curve departs more than 10 % from the mean of a horizon (most:" in screen
        assert "the curve departs" not in command(*words, "--method", "weighted")[1]
    assert "the curve departs" not in command(*STOCK, "--esm", "mean")[1]


def test_profiles_of_the_file_are_counted(command):
    Path("s.csv").write_text("site,lon,lat\na,21,41\n")
    words = ("stock", "h.csv", "--layers", "0-20", "-o", "out.csv", "--sites", "s.csv", "-c", "profile_id=profile_id", "--site-id", "site")
    status, screen, said = command(*words)
    assert status == 0, said
    assert "profiles    1 of 2, horizons 2 of 4" in screen and "1 x horizons without site" in screen
    listed = "".join(f"    - {{horizons: {name}.csv}}\n" for name in ("h", "g"))
    Path("g.csv").write_text(table(lon="30", soc_g_kg="7"))
    Path("r.yaml").write_text(f"edaphic: 1\nname: two\nprofiles:\n  sources:\n{listed}  layers: [0-20]\n")
    assert "profiles    4 of 4, horizons 8 of 8" in command("stock", "r.yaml", "-o", "out.csv")[1]
    Path("h.csv").write_text(table(year=["1990", "1990", "2010", "2010"]).replace("\nb,21.5,41.2", "\na,21.0,41.0"))
    assert "profiles    2 from 1, horizons 4 of 4" in command(*STOCK, "--keep-duplicates")[1]


def test_names_in_messages_are_those_of_the_command(command):
    refused(command, (*HARMONISE[:3], "profile_id", *HARMONISE[4:]), "column 'profile_id'", "in 4 of 4 cells; expected numbers")
    Path("h.csv").write_text(table().replace(",lon,lat,", ",u,v,"))
    refused(command, (*STOCK, "--crs", "EPSG:4326"), "h.csv", "found crs 'EPSG:4326' and no coordinates")
    assert "openlandmap" in command("stock", "--help")[1]


def test_copies_within_a_source(command):
    """Two plots 20 m apart that differ by 3 %: alike, but no copies."""
    alike = {"lon": "21.0", "lat": ["41.0", "41.0", "41.0002", "41.0002"], "bottom_cm": ["20", "50"] * 2, "clay_pct": "30"}
    Path("h.csv").write_text(table(**alike, bulk_density_g_cm3=["1.3", "1.4"] * 2, soc_g_kg=["20", "10", "20.6", "10.3"]))
    assert "profiles    1 of 2" in command(*STOCK)[1]
    assert "profiles    2 of 2" in command(*STOCK, "--copies-within-source")[1]


def test_a_spreadsheet_that_names_its_delimiter(command):
    Path("h.csv").write_text("sep=;\n" + (HEAD + ROWS).replace(",", ";"))
    status, screen, said = command(*STOCK, "--method", "weighted")
    assert status == 0 and "line 1 names the delimiter ';'" in screen, said
    assert stocks() == pytest.approx([5.2, 4.2, 3.6, 3.6])


def test_the_example_of_the_documentation(command):
    """Table, command and recipe as they stand on the page; both ways give the numbers of its table."""
    page = (Path(__file__).parents[1] / "docs" / "profiles.md").read_text(encoding="utf-8")
    blocks = [block.partition("\n") for block in page.split("```")[1::2]]
    texts = {kind: [text for found, _, text in blocks if found == kind] for kind in ("text", "yaml")}
    Path("horizons.csv").write_text(texts["text"][0])
    Path("recipe.yaml").write_text(texts["yaml"][0])
    line = texts["text"][1].replace("\\\n", " ").split()
    shown = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith(("| P1 | 0 ", "| P2 | "))][:3]
    for words in (line[1:], ["stock", "recipe.yaml", "-o", "stocks.csv"]):
        status, _, said = command(*words)
        assert status == 0, said
        made = pd.read_csv("stocks.csv").dropna(subset="soc_stock_kg_m2")
        found = [[f"{value:.2f}" for value in row] for row in made[["soc_stock_kg_m2", "value_sd", "coverage"]].to_numpy()]
        assert found == [row[3:6] for row in shown]


def test_no_layers_and_no_file(command):
    refused(command, ("stock", "h.csv", "-o", "out.csv"), "--layers", "found none")
    refused(command, ("stock", "none.csv", "--layers", "0-30", "-o", "out.csv"), "none.csv", "no such file")
    refused(command, ("stock", "none.yaml", "-o", "out.csv"), "none.yaml", "found no readable file")
    refused(command, (*HARMONISE[:3], "zz", *HARMONISE[4:]), "h.csv", "--value: no column 'zz'")
    refused(command, (*HARMONISE, "-o", "h.csv"), "--out h.csv", "found a table that is read")


def test_no_layer_with_a_value_is_said(command):
    for words in (STOCK, HARMONISE):
        status, screen, _ = command(*words, "--layers", "100-120")
        assert status == 0 and "0 of 2 layers have one: no layer has a value (2 x uncovered)" in screen


def test_densities_alone_give_no_stock(command):
    """Horizons are clean, but none has a density of soil: the fault that left them out is named."""
    Path("d.csv").write_text("profile_id,top_cm,bottom_cm,d\np,0,20,12\n")
    words = ("stock", "d.csv", "-c", "soc_density=d:kg/m3", "--layers", "0-20", "-o", "out.csv")
    refused(command, words, "d.csv", "no horizon is left of 1 .most often: bulk density or fragments missing, 1 times")
    assert command(*words, "--reported")[0] == 0 and stocks() == pytest.approx([2.4])


def test_equivalent_mass_takes_no_choices_of_fixed_depth(command, tmp_path):
    table = tmp_path / "h.csv"
    table.write_text(
        "profile_id,lon,lat,top_cm,bottom_cm,soc_g_kg,bulk_density_g_cm3,coarse_fragments_vol_pct\n"
        "a,21,41,0,20,20,1.3,0\na,21,41,20,50,10,1.4,0\n"
    )
    call = ("stock", table, "--layers", "0-20,20-40", "--esm", "mean", "-o", tmp_path / "o.csv")
    status, _, said = command(*call, "--lam", "1", "--max-gap-cm", "5")
    assert status == 2 and said.count("edaphic: --esm: found") == 2 and not (tmp_path / "o.csv").exists()
    status, _, said = command(*call, "--method", "beta")
    assert status == 2 and "expected spline or weighted" in said
    curves = []
    for method in ("spline", "weighted"):
        assert command(*call, "--method", method)[0] == 0
        curves.append(pd.read_csv(tmp_path / "o.csv")["soc_stock_kg_m2"])
    # The reference is the profile itself: its own stocks at its own limit, other ones within its second horizon.
    assert curves[0][0] == pytest.approx(5.2) and curves[1].tolist() == pytest.approx([5.2, 2.8])
    assert abs(curves[0][1] - 2.8) > 0.01
