"""The page: its numbers are those of the tables, it needs no network, and it says nothing that the run does not."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from edaphic.errors import RasterError, RunError
from edaphic.report import build_report

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Texts, tables, attributes and headings of a page; complains about tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.headings: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += "\n"

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data.replace("\u00a0", " ")
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            tag, text = self.headings[-1]
            self.headings[-1] = (tag, text + data)

    def table(self, *columns: str) -> list[dict[str, str]]:
        """Rows of the first table that has these columns, by column."""
        for rows in self.tables:
            if set(columns) <= set(rows[0]):
                return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        raise AssertionError(f"no table with {columns}; found {[rows[0] for rows in self.tables]}")


def number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-").replace(" %", ""))


def near(text: str, value: float) -> bool:
    """Whether a printed number is the value, rounded."""
    shown = number(text)
    decimals = len(text.replace(" %", "").partition(".")[2])
    return abs(shown - value) <= 0.5000001 * 10.0**-decimals


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def read(run: Any, path: str) -> pd.DataFrame:
    return pd.read_csv(run.folder / path, keep_default_na=False, na_values={"r": [""], "spearman_r": [""]})


def test_every_figure_is_in_the_page_and_in_its_folder(built: Any, html: str) -> None:
    files = {path.name: path.read_bytes() for path in (built.folder / "figures").iterdir()}
    embedded = [base64.b64decode(found) for found in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]
    assert sorted(embedded) == sorted(files.values())
    assert len(files) == 4 * 2 + 2 + 1 + 1 + 2 + 1 + 1 + 4 * 2 + 2
    assert all(content.startswith(b"\x89PNG") for content in embedded)
    assert {"map_mean_0-30cm.png", "map_width_0-100cm.png", "truth_difference_30-60cm.png", "skill.png"} <= set(files)


def test_nothing_is_fetched(page: Page) -> None:
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action", "data", "poster"):
            assert value.startswith(("data:", "#")), (tag, name, value[:60])
        assert name != "style" and not name.startswith("on")
    assert not {"script", "iframe", "object", "base"} & {tag for tag, _, _ in page.attributes}


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    links = [value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")]
    assert links and set(links) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_every_picture_has_words(page: Page) -> None:
    alts = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == sum((tag, name) == ("img", "src") for tag, name, _ in page.attributes)
    assert all(len(alt) > 20 for alt in alts) and len(set(alts)) == len(alts)


def test_no_missing_number_shows(page: Page) -> None:
    assert not re.search(r"\b(nan|none|inf|NaT|null|undefined)\b", page.text.replace("NA (3)", ""), re.IGNORECASE)
    assert "{{" not in page.text and "{%" not in page.text


def test_words_of_the_user_are_shown_and_never_obeyed(page: Page, html: str) -> None:
    assert ("h1", 'Plateau <b>& "hills"</b>') in page.headings
    assert "<b>" not in html and "<mixed>" not in html and "<1998>" not in html and "<v1>" not in html
    assert "survey <1998> & co" in page.text and "Manrique & Jones <1991>" in page.text


def test_the_answer_comes_first_and_sections_in_order(page: Page) -> None:
    found = [text for tag, text in page.headings if tag == "h2"]
    assert found == [
        "The answer",
        "What was mapped, and from what",
        "What was repaired and assumed",
        "Maps and their uncertainty",
        "How good the map is",
        "Whether the intervals hold",
        "What the map is made of",
        "Through the depth",
        "Stocks",
        "Against reference maps",
        "Are the numbers plausible?",
        "What the numbers do not say",
        "Against the truth",
        "Provenance",
    ]


def test_times_and_machine_only_in_the_foot(html: str) -> None:
    body, foot = html.split("<footer", 1)
    for text in ("2001-02-03T04:05:06Z", "test machine", "12.2"):
        assert text in foot
        assert text not in re.sub(r"base64,[^\"]+", "", body) or text == "12.2"
    assert "ab" * 32 in foot and "cd" * 32 in foot


def test_stocks_are_those_of_the_table(built: Any, page: Page) -> None:
    table = read(built, "tables/stocks.csv")
    shown = page.table("Layer", "Total (Tg)", "Independent bound (Tg)")
    rows = table[table["by"] == "all"]
    assert [row["Layer"] for row in shown] == ["0–30 cm", "30–60 cm", "60–100 cm", "0–100 cm"]
    for text, (_, row) in zip(shown, rows.iterrows(), strict=True):
        assert near(text["Cells"], row["cells"])
        assert near(text["Mean (kg/m²)"], row["mean_kg_m2"])
        assert near(text["Mean (t/ha)"], 10 * row["mean_kg_m2"])
        assert near(text["Total (Tg)"], row["total_Tg"])
        for column, kind in (
            ("Independent bound (Tg)", "independent"),
            ("Fully correlated bound (Tg)", "fully_correlated"),
        ):
            low, high = text[column].split(" to ")
            assert near(low, row[f"{kind}_low_Tg"]) and near(high, row[f"{kind}_high_Tg"])
    classes = page.table("Class", "Total (Tg)")
    assert [row["Class"] for row in classes] == ["Forest <mixed> (1)", "Grassland & scrub (2)", "NA (3)"]
    whole = table[(table["by"] == "land_cover") & (table["bottom_cm"] == 100) & (table["top_cm"] == 0)]
    assert all(near(text["Total (Tg)"], total) for text, total in zip(classes, whole["total_Tg"], strict=True))


def test_the_headline_is_the_whole_stock(built: Any, page: Page) -> None:
    table = read(built, "tables/stocks.csv").iloc[3]
    top = page.text.split("What was mapped, and from what")[0].replace("\u00a0", " ")
    shown = re.search(r"([\d.,]+) Tg C", top)
    assert shown and near(shown[1], table["total_Tg"])
    bounds = re.search(
        r"independent: ([\d.,]+) to ([\d.,]+) Tg; if they were fully correlated: ([\d.,]+) to ([\d.,]+) Tg", top
    )
    assert bounds
    columns = ["independent_low_Tg", "independent_high_Tg", "fully_correlated_low_Tg", "fully_correlated_high_Tg"]
    assert all(near(text, table[name]) for text, name in zip(bounds.groups(), columns, strict=True))
    assert "true uncertainty lies between" in top


def test_metrics_are_those_of_the_table(built: Any, page: Page) -> None:
    table = read(built, "evidence/metrics.csv")
    table = table[table["scale"] == "natural"]
    shown = page.table("Design", "MEC", "MEC of depth alone", "RMSE (kg/m²)")
    assert len(shown) == len(table) == 15
    order = {name: place for place, name in enumerate(("profile", "block", "in_sample"))}
    table = table.sort_values("design", key=lambda names: names.map(order), kind="stable")
    for text, (_, row) in zip(shown, table.iterrows(), strict=True):
        assert text["Design"] == row["design"].replace("_", " ")
        assert text["Layer"] == row["layer"].replace("-", "–")
        assert near(text["n"], row["n"]) and near(text["MEC of depth alone"], row["mec_layer_mean"])
        for column, name in (("MEC", "mec"), ("RMSE (kg/m²)", "rmse"), ("Bias (kg/m²)", "bias"), ("CCC", "ccc")):
            value, low, high = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", text[column]).groups()  # type: ignore[union-attr]
            assert near(value, row[name]) and near(low, row[f"{name}_low"]) and near(high, row[f"{name}_high"])


def test_calibration_is_that_of_the_table(built: Any, page: Page) -> None:
    table = read(built, "evidence/calibration.csv")
    shown = page.table("Group", "Coverage before", "Coverage after")
    assert len(shown) == len(table) == 30
    columns = {"Coverage before": "coverage_raw", "Coverage after": "coverage"}
    columns |= {"Below the interval": "below", "Above the interval": "above"}
    for text, (_, row) in zip(shown, table.iterrows(), strict=True):
        assert all(near(text[label], 100 * row[name]) for label, name in columns.items())


def test_repairs_add_up(built: Any, page: Page) -> None:
    log = read(built, "profiles/repairs.csv")
    shown = page.table("Fault", "Cases")
    assert {row["Fault"]: int(row["Cases"]) for row in shown} == log["fault"].value_counts().to_dict()
    assert {row["Fault"]: int(row["Profiles"]) for row in shown} == log.groupby("fault")[
        "profile_id"
    ].nunique().to_dict()


def test_truth_stands_beside_what_was_said(built: Any, page: Page) -> None:
    truth, metrics = read(built, "tables/truth.csv"), read(built, "evidence/metrics.csv")
    shown = page.table("Layer", "Measure", "True, over all cells", "Said by block design")
    rows = {(row["Layer"], row["Measure"]): row for row in shown}
    first = truth.iloc[0]
    assert near(rows["0–30 cm", "MEC"]["True, over all cells"], first["mec"])
    assert near(rows["0–30 cm", "coverage"]["True, over all cells"], 100 * first["coverage"])
    said = metrics[(metrics["design"] == "block") & (metrics["layer"] == "0-30 cm") & (metrics["scale"] == "natural")]
    assert near(rows["0–30 cm", "RMSE"]["Said by block design"].split(" [")[0], said["rmse"].iloc[0])
    whole = metrics[
        (metrics["design"] == "profile") & (metrics["layer"] == "whole 0-100 cm") & (metrics["scale"] == "natural")
    ]
    assert near(rows["0–100 cm", "MEC"]["Said by profile design"].split(" [")[0], whole["mec"].iloc[0])
    totals = page.table("True total (Tg)")
    yes_no = {True: "yes", False: "no"}
    for text, (_, row) in zip(totals, truth.iterrows(), strict=True):
        assert near(text["True total (Tg)"], row["true_total_Tg"])
        assert text["Truth inside"] == yes_no[row["inside_fully_correlated"]]


def test_true_rasters_are_brought_to_our_unit(built: Any, page: Page) -> None:
    """They are kept in t/ha; their mean is told in kg/m2."""
    mean = float(np.nanmean(built.true[(0.0, 30.0)]))
    shown = re.search(r"True SOC stock, 0–30 cm\. Mean ([\d.]+) kg/m²", page.text.replace("\u00a0", " "))
    assert shown and near(shown[1], mean)


def test_the_factor_between_maps_is_named_with_its_reason(page: Page) -> None:
    text = page.text.replace("\u00a0", " ")
    assert "published <v1>, 0–30 cm: our mean is 5.80 times theirs" in text
    assert "Percent was taken for g/kg in the reference." in text
    assert "The run gives no reason for the difference." in text
    shown = page.table("Ours ÷ theirs")
    assert [row["Ours ÷ theirs"] for row in shown] == ["5.80", "0.909"]
    assert shown[1]["Spearman r"] == shown[1]["Our total (Tg)"] == "–"


def test_what_was_mapped(built: Any, page: Page) -> None:
    text = page.text.replace("\u00a0", " ")
    assert "20 × 14 cells of 1000 metres, EPSG:32634" in text
    assert f"{int((~built.outside).sum())} cells" in text
    assert "60 kept of 81 read" in text and "3 (outside the grid) and 2 (no value in ndvi)" in text
    assert "26 (1 class and 25 continuous); 26 kept by the screening" in text
    assert "one forest for all depths, fitted to the logarithm (model/forest)" in text
    assert "14 blocks of 8.50 km a side, 5 folds" in text


def test_same_run_same_bytes(built: Any, html: str, tmp_path: Path) -> None:
    path = build_report(built.folder, tmp_path / "again")
    assert path == tmp_path / "again" / "report.html"
    assert path.read_text(encoding="utf-8") == html
    before = {file.name: file.read_bytes() for file in (built.folder / "figures").iterdir()}
    assert {file.name: file.read_bytes() for file in (path.parent / "figures").iterdir()} == before


def test_an_almost_empty_run_says_nothing_false(bare_run: Path) -> None:
    (bare_run / "figures").mkdir()
    (bare_run / "figures" / "old.png").write_bytes(b"of an earlier run")
    page = Page(build_report(bare_run).read_text(encoding="utf-8"))
    assert [text for tag, text in page.headings if tag == "h2"] == [
        "The answer",
        "What was mapped, and from what",
        "What the numbers do not say",
        "Provenance",
    ]
    assert "Not in this run" in page.text and "evidence/metrics.csv" in page.text
    assert "tables/truth.csv" not in page.text
    assert "plausible" not in page.text.lower().replace("checked for plausibility", "")
    assert not list((bare_run / "figures").iterdir())
    assert not list(bare_run.glob("*.part"))


def test_contents_have_no_total(fake_run: Callable[..., Any]) -> None:
    run = fake_run(target="soc", shape=(8, 9), profiles=50)
    shutil.rmtree(run.folder / "tables")
    for path in (run.folder / "maps").glob("*q*.tif"):
        path.unlink()
    page = Page(build_report(run.folder).read_text(encoding="utf-8"))
    text = page.text.replace("\u00a0", " ")
    assert "Mean SOC content by layer" in text and "g/kg" in text
    assert "Tg" not in text and "kg/m²" not in text and "Stocks" not in text and "two bounds" not in text
    assert "This run has no map of the uncertainty of this layer." in text
    means = page.table("Layer", "Mean (g/kg)")
    assert near(means[0]["Mean (g/kg)"], float(np.nanmean(run.mean[(0.0, 30.0)])))


def test_a_single_layer_without_bounds_or_truth(fake_run: Callable[..., Any]) -> None:
    run = fake_run(shape=(8, 9), profiles=50, crs="EPSG:4326")
    for path in (run.folder / "maps").glob("*.tif"):
        if "0-30cm" not in path.name or "_q" in path.name:
            path.unlink()
    run.raster(run.folder / "maps" / "soc_stock_spread_0-30cm.tif", run.mean[(0.0, 30.0)])
    stocks = pd.read_csv(run.folder / "tables" / "stocks.csv", dtype={"class": str}, keep_default_na=False)
    columns = [name for name in stocks if "independent" in name or "correlated" in name]
    stocks[columns] = np.nan
    stocks[stocks["bottom_cm"] == 30].to_csv(run.folder / "tables" / "stocks.csv", index=False)
    for name in (
        "tables/truth.csv",
        "tables/comparison.csv",
        "evidence/out_of_fold.parquet",
        "evidence/importance.csv",
    ):
        (run.folder / name).unlink()
    page = Page(build_report(run.folder).read_text(encoding="utf-8"))
    text = page.text.replace("\u00a0", " ")
    assert "0–100 cm" not in text.split("What was mapped")[0]
    assert "This is not a prediction interval" in text
    assert "Against the truth" not in text and "Against reference maps" not in text
    assert not re.search(r"\bnan\b", text)
    assert "The true uncertainty lies between" not in text


@pytest.mark.usefixtures("undrawn")
def test_a_missing_true_raster_is_told(fake_run: Callable[..., Any]) -> None:
    run = fake_run(shape=(8, 9), profiles=50)
    for path in (run.folder / "maps").glob("*.tif"):
        if "_0-30cm" not in path.name and "_30-60cm" not in path.name:
            path.unlink()
    run.truth_path((30.0, 60.0)).unlink()
    page = Page(build_report(run.folder).read_text(encoding="utf-8"))
    assert "No true raster was found for 30–60 cm" in page.text.replace("\u00a0", " ")
    assert "figure-truth_difference_0-30cm" in page.ids and "figure-truth_difference_30-60cm" not in page.ids


@pytest.mark.usefixtures("undrawn")
def test_a_failed_build_leaves_the_old_report(fake_run: Callable[..., Any]) -> None:
    run = fake_run(shape=(8, 9), profiles=50)
    (run.folder / "report.html").write_text("old")
    (run.folder / "maps" / "soc_stock_mean_0-30cm.tif").write_bytes(b"II*\0cut")
    with pytest.raises(RasterError, match=r"soc_stock_mean_0-30cm\.tif"):
        build_report(run.folder)
    (run.folder / "run.json").unlink()
    with pytest.raises(RunError):
        build_report(run.folder)
    assert (run.folder / "report.html").read_text() == "old"
    assert not (run.folder / "figures").exists()


def test_title_of_the_recipe(bare_run: Path) -> None:
    (bare_run / "recipe.yaml").write_text(yaml.safe_dump({"name": "x", "report": {"title": "Carbon & <co>"}}))
    page = Page(build_report(bare_run).read_text(encoding="utf-8"))
    assert page.headings[0] == ("h1", "Carbon & <co>")


@pytest.mark.slow
def test_many_noisy_maps_stay_light(fake_run: Callable[..., Any]) -> None:
    """Seven layers of pure noise, larger than they are drawn."""
    run = fake_run(shape=(8, 9), profiles=50)
    for path in (run.folder / "maps").glob("*.tif"):
        path.unlink()
    run.shape = (600, 800)
    noise = run.random.gamma(2.0, 3.0, run.shape)
    edges = (0, 5, 15, 30, 60, 100, 200)
    for top, bottom in [*pairwise(edges), (0, 200)]:
        for stat, factor in (("mean", 1.0), ("q05", 0.3), ("q95", 3.0)):
            run.raster(run.folder / "maps" / f"soc_stock_{stat}_{top}-{bottom}cm.tif", factor * noise)
    path = build_report(run.folder)
    assert path.stat().st_size < 6e6
    assert "Layers of one quantity have the same colours" in path.read_text(encoding="utf-8")
    assert "drawn smaller than they are" in path.read_text(encoding="utf-8")
