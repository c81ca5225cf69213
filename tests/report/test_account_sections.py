"""Totals, change, products, published numbers and subsoil on the page: the numbers are those of the tables, and each is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from edaphic.account.change.regional import UNKNOWN
from edaphic.errors import RunError
from edaphic.report import build_report, tables
from edaphic.report.change_section import change_section, maps_in
from edaphic.report.ecosystems_section import ecosystems_section
from edaphic.report.facts import stock_rows
from edaphic.report.folder import read_run
from edaphic.report.follows import PAPERS
from edaphic.report.products_section import _samples, products_section, published_section
from edaphic.report.section import Section
from edaphic.report.totals_section import effective_range_m
from edaphic.validate.variogram import Variogram

SCORES = {
    "model": "exponential", "nugget": 0.3, "partial_sill": 0.55, "range_m": 60_000.0, "measurement_variance": 0.15,
}  # fmt: skip


def html_of(folder: Path) -> str:
    return build_report(folder).read_text(encoding="utf-8")


def told(found: Section | None) -> str:
    """All words of a section, and its figures by name; cells of a table are parted by bars."""
    assert found is not None
    parts = []
    for block in found.blocks:
        parts += [block.heading, *block.sentences, *(f"{term}: {words}" for term, words in block.terms)]
        if block.table is not None:
            parts += [" | ".join(row) for row in (block.table.columns, *block.table.rows)]
        parts += [f"{picture.name}: {picture.alt} {picture.caption}" for picture in block.pictures]
        assert all(picture.alt and picture.caption for picture in block.pictures)
    text = "\n".join(parts).replace("\u00a0", " ")
    assert "nan" not in text
    return text


def rows_of(found: Section | None, *columns: str) -> list[dict[str, str]]:
    """Rows of the first table of a section that has these columns."""
    assert found is not None
    tables = [block.table for block in found.blocks if block.table is not None and set(columns) <= set(block.table.columns)]
    return [dict(zip(tables[0].columns, (cell.replace("\u00a0", " ") for cell in row), strict=True)) for row in tables[0].rows]


def section_of(html: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', html, re.DOTALL)
    return found.group(0) if found else ""


def plain(html: str) -> str:
    text = re.sub(r"<[^>]+>", " ", re.sub(r'src="data:[^"]+"', "", html))
    return re.sub(r"\s+", " ", text.replace("\u00a0", " "))


def add_totals(folder: Path) -> pd.DataFrame:
    """A modelled interval in the stock table, and the two files of totals."""
    stocks = pd.read_csv(folder / "tables" / "stocks.csv", dtype={"class": str}, keep_default_na=False)
    stocks["modelled_low_Tg"], stocks["modelled_high_Tg"] = 0.8 * stocks["total_Tg"], 1.3 * stocks["total_Tg"]
    stocks.to_csv(folder / "tables" / "stocks.csv", index=False)
    totals = stocks[["by", "class", "class_name", "top_cm", "bottom_cm", "total_Tg", "modelled_low_Tg", "modelled_high_Tg"]]
    totals.assign(period="", modelled_sd_Tg=0.1, fully_correlated_sd_Tg=0.4).to_csv(folder / "tables" / "totals.csv", index=False)
    facts = {"variogram_of_scores": SCORES, "field_share": 0.55, "nugget_share": 0.3, "measurement_share": 0.15, "blocks": 1200}
    facts |= {"realisations": 500, "forests": 20, "trend_share": {"mean": 0.04, "largest": 0.12}, "interval": 0.9, "conditional": True}
    facts |= {"correlation_of_layers": [[1.0, 0.62], [0.62, 1.0]], "layers": [[0, 30], [30, 60]], "notes": ["three <b>places</b> are one"]}
    (folder / "tables" / "totals.json").write_text(json.dumps(facts))
    return stocks


def add_change(folder: Path, *, known: bool) -> None:
    keys = {"from_period": "1990-1994", "to_period": "2010-2014", "by": "all", "class": "", "class_name": "all"}
    rows, tried = [], []
    for bottom, change in ((30.0, 2.0), (100.0, 3.0)):
        own = keys | {"top_cm": 0.0, "bottom_cm": bottom, "before_Tg": 40.0, "after_Tg": 40.0 + change, "change_Tg": change}
        told = {"sd_Tg": 1.0, "low_Tg": change - 1.6, "high_Tg": change + 1.6, "p_increase": 0.97, "minimum_detectable_Tg": 2.49}
        verdict = {"rho": 0.7, "rho_origin": "stated", "verdict": "increase"}
        if not known:
            told = dict.fromkeys(told, np.nan)
            verdict = {"rho": np.nan, "rho_origin": "no site was visited twice", "verdict": UNKNOWN}
        rows.append(own | told | verdict | {"level": 0.9, "power": 0.8, "realisations": 500})
        for rho in (0.0, 0.5, 0.9):
            half = 4.0 * np.sqrt(1.0 - rho)
            tried.append(own | {"rho": rho, "low_Tg": change - half, "high_Tg": change + half, "verdict": "no change shown"})
    pd.DataFrame(rows).to_csv(folder / "tables" / "change.csv", index=False)
    pd.DataFrame(tried).to_csv(folder / "tables" / "change_sensitivity.csv", index=False)


@pytest.fixture
def folder(fake_folder: Callable[[Path], Any], tmp_path: Path) -> Path:
    made: Path = fake_folder(tmp_path / "run").folder
    return made


def test_three_intervals_stand_side_by_side(folder: Path) -> None:
    stocks = add_totals(folder)
    html = html_of(folder)
    run = read_run(folder)
    shown = stock_rows(run)
    assert shown is not None
    table = tables.stocks(shown, run.whole)
    assert table.columns[2:5] == ("Independent bound (Tg)", "Modelled interval (Tg)", "Fully correlated bound (Tg)")
    whole = stocks[(stocks["by"] == "all") & (stocks["top_cm"] == 0) & (stocks["bottom_cm"] == 100)].iloc[0]
    low, high = table.rows[-1][3].split(" to ")
    assert table.rows[-1][3] in plain(html)
    assert float(low) == pytest.approx(0.8 * whole["total_Tg"], rel=0.01)
    assert float(high) == pytest.approx(1.3 * whole["total_Tg"], rel=0.01)
    stocks_text = plain(section_of(html, "stocks"))
    assert all(name in stocks_text for name in ("Independent bound", "Modelled interval", "Fully correlated bound"))
    assert 'id="figure-totals_layers"' in html and 'id="figure-totals_classes_0"' in html
    totals = plain(section_of(html, "totals"))
    for words in ("60.0 km", "alike nearby 55 %", "500 on 1,200 blocks", "0.62", "4.0 % of the variance", "Three <b>places</b> are one"):
        assert words in totals.replace("&lt;", "<").replace("&gt;", ">")
    assert "interval, from errors that are alike nearby" in plain(html)


def test_without_modelled_totals_nothing_is_said_of_them(html: str) -> None:
    assert "Modelled interval" not in html and 'id="totals"' not in html and 'href="#change"' not in html
    assert "figure-totals_layers" in html


def test_the_range_is_where_a_twentieth_is_left() -> None:
    """The exponential model of the package has its range at a twentieth, so has the spherical one sooner."""
    assert effective_range_m(Variogram.from_dict(SCORES)) == pytest.approx(60_000.0, rel=0.01)
    spherical = Variogram.from_dict(SCORES | {"model": "spherical"})
    u = effective_range_m(spherical) / 60_000.0
    assert 1.0 - 1.5 * u + 0.5 * u**3 == pytest.approx(0.05, abs=1e-6)
    assert effective_range_m(Variogram.from_dict(SCORES | {"partial_sill": 0.0})) == 0.0


def test_a_change_has_its_verdict_and_its_sensitivity(folder: Path) -> None:
    add_change(folder, known=True)
    found = change_section(read_run(folder))
    text = told(found)
    assert "1990–1994 to 2010–2014, 0–100 cm: increase. The total changed by +3.00 Tg (90 % interval +1.40 to +4.60)" in text
    assert "smaller than 2.49 Tg" in text and "change_sensitivity_0.png" in text
    assert [row["Verdict"] for row in rows_of(found, "Change (Tg)", "Verdict")] == ["increase", "increase"]


def test_without_a_correlation_nothing_is_inferred(folder: Path) -> None:
    add_change(folder, known=False)
    text = told(change_section(read_run(folder)))
    assert "nothing can be inferred" in text and "no site was visited twice" in text
    assert "interval +" not in text and "change_sensitivity_0.png" in text


def test_maps_of_change_and_trend_are_shown(folder: Path, fake_folder: Any) -> None:
    add_change(folder, known=True)
    maker = fake_folder(folder.parent / "other")
    values = np.linspace(-2.0, 2.0, maker.shape[0] * maker.shape[1]).reshape(maker.shape)
    when = "1990-1994_2010-2014"
    for name in ("change_0-100cm", "change_sd_0-100cm", "p_increase_0-30cm", "change_detectable_0-30cm", "change_low_0-100cm"):
        maker.raster(folder / "maps" / "change" / f"soc_stock_{name}_{when}.tif", values if "p_" not in name else np.abs(values) / 2.0)
    for name in ("slope", "slope_p", "slope_low", "tau"):
        maker.raster(folder / "maps" / "trend" / f"soc_stock_{name}_0-30cm.tif", np.abs(values) / 2.0)
    assert [(one.stat, one.bottom_cm) for one in maps_in(folder / "maps" / "change")] == [
        ("change", 100.0),
        ("minimum_detectable", 30.0),
        ("sd", 100.0),
        ("p_increase", 30.0),
    ]
    assert [one.stat for one in maps_in(folder / "maps" / "trend")] == ["slope", "p_adjusted"]
    text = told(change_section(read_run(folder)))
    assert "change_soc_stock_change_0-100cm_1990-1994_2010-2014.png" in text
    assert "trend_soc_stock_slope_0-30cm.png" in text and "tau" not in text


def test_products_and_published_numbers(folder: Path) -> None:
    head = {"top_cm": 0.0, "bottom_cm": 30.0, "period": ""}
    pair = head | {
        "ours": "ours",
        "theirs": "Other",
        "weights": "area",
        "cells": 100,
        "bias": -0.5,
        "rmse": 1.25,
        "r2_pearson": 0.6,
        "ccc": 0.5,
    }
    pairs = [pair | {"factor": 0.9, "explanation": "", "label": "agreement"}, pair | {"weights": "cells", "rmse": 9.0}]
    taylor = head | {"reference": "ours", "product": "Other", "cells": 100, "sd_reference": 2.0, "sd_ratio": 1.1, "pearson_r": 0.8}
    taylor |= {"centred_rmse": 1.2, "centred_rmse_ratio": 0.6, "bias_ratio": 0.2, "target_x": 0.6}
    total = head | {"rows": "own", "by": "all", "class": "", "class_name": "all", "cells": 100, "area_km2": 280.0, "mean_kg_m2": 7.0}
    spread = head | {"by": "all", "class": "", "class_name": "all", "cells": 100, "area_km2": 280.0, "mean_cv_pct": 12.5, "mean_count": 2.0}
    totals = [total | {"product": "ours", "total_Tg": 2.0}, total | {"product": "Other", "total_Tg": 2.4}]
    given = {"pairs": pairs, "taylor": [taylor], "totals": totals, "cv": [spread]}
    for name, rows in given.items():
        pd.DataFrame(rows).to_csv(folder / "tables" / f"product_{name}.csv", index=False)
    own = {"name": "A <study>", "source": "A (2020)", "quantity": "total", "unit": "Tg", "by": "all", "class": "", "product": "ours"}
    row = (
        own
        | head
        | {"published": 2.5, "low": 1.9, "high": 3.0, "value": 2.0, "value_over_published": 0.8, "within": "yes", "explanation": ""}
    )
    pd.DataFrame([row]).to_csv(folder / "tables" / "published.csv", index=False)
    run = read_run(folder)
    products, published = products_section(run), published_section(run)
    assert rows_of(products, "First", "Second", "CCC")[0]["RMSE (kg/m²)"] == "1.25"
    text = told(products)
    assert all(f"{name}_0-30cm.png" in text for name in ("taylor", "target", "totals")) and "agreement between products" in text
    assert rows_of(published, "Study", "Within the range")[0]["Published range"] == "1.90 to 3.00"
    assert "published_total.png" in told(published) and "A <study> 2.50" in told(published)


def test_cells_of_products_are_told_by_layer_and_product(folder: Path) -> None:
    rows = [
        {
            "product": name,
            "ours": float(place),
            "theirs": 2.0 * place if place else np.nan,
            "top_cm": 0.0,
            "bottom_cm": 30.0,
            "period": when,
        }
        for name, when in (("My map", ""), ("Another", "1990-1994"))
        for place in range(5)
    ]
    pd.DataFrame(rows).to_parquet(folder / "tables" / "product_samples.parquet", index=False)
    found = _samples(read_run(folder))
    assert {stem: list(names) for stem, names in found.items()} == {"0-30cm": ["My map"], "0-30cm_1990-1994": ["Another"]}
    np.testing.assert_array_equal(found["0-30cm"]["My map"], [[1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0]])


def test_subsoil_by_ecosystem_and_both_widths_of_u(folder: Path) -> None:
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["maps"] = {"subsoil": {"topsoil": {"path": "top.tif", "layer": [0, 30]}, "layers": [[30, 100]]}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    base = {"by": "all", "class": "", "class_name": "all", "area_km2": 1e6, "mean_kg_m2": 6.2, "independent_low_Tg": 61_000.0}
    base |= {"independent_high_Tg": 63_000.0, "fully_correlated_low_Tg": 52_000.0, "fully_correlated_high_Tg": 73_000.0, "cells": 10}
    rows = [base | {"top_cm": top, "bottom_cm": bottom, "total_Tg": 62_000.0} for top, bottom in ((0, 30), (30, 100), (0, 100))]
    pd.DataFrame(rows).to_csv(folder / "tables" / "stocks.csv", index=False)
    drawn = {"by": "all", "class": "", "name": "all", "layer": "30-100 cm", "cells": 10, "area_km2": 1e6}
    drawn |= {"total_Tg": 62_000.0, "total_Tg_sd": 5_000.0, "total_Tg_q025": 52_000.0, "total_Tg_q975": 73_000.0}
    pd.DataFrame([drawn]).to_csv(folder / "tables" / "monte_carlo.csv", index=False)
    found = ecosystems_section(read_run(folder))
    width = rows_of(found, "U, full width", "Half width")[0]
    assert width["U, full width"] == "33.9 %" and width["Half width"] == "16.9 %"
    stock = rows_of(found, "Ecosystem", "Area (Mha)")[0]
    assert stock["Area (Mha)"] == "100" and "52.0 to 73.0" in stock.values() and "62.0" in stock.values()


def test_a_run_that_follows_a_paper_says_where_it_departs(folder: Path) -> None:
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["report"] = {"follows": "plateau-3d"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    html = html_of(folder)
    assert "Where this differs from the paper" in html and "docs/papers.md, S3.A3" in plain(html)
    assert "S2.A6" not in html


def test_each_row_that_the_box_names_is_on_the_page_of_papers() -> None:
    text = (Path(__file__).parents[2] / "docs" / "papers.md").read_text(encoding="utf-8")
    for paper in PAPERS.values():
        for _, theirs, ours, rows in paper.differences:
            assert theirs.endswith(".") and ours.endswith(".")
            assert all(row.startswith(f"{paper.short}.A") and f"| {row} |" in text for row in rows.split(", ")), rows


def test_a_table_that_lacks_a_column_is_named(folder: Path) -> None:
    (folder / "tables" / "change.csv").write_text("from_period,to_period,by\n1990,2000,all\n")
    (folder / "tables" / "totals.json").write_text("[1, 2]")
    with pytest.raises(RunError) as found:
        build_report(folder)
    text = "\n".join(found.value.faults)
    assert len(found.value.faults) == 2
    assert "totals.json: found list; expected names with values" in text
    assert "change.csv: no column class, top_cm, bottom_cm, change_Tg, verdict" in text
