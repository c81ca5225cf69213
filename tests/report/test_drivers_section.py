"""The section on what goes with soil carbon: what it shows of which tables, and that it is not there without them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.account.drivers.curves import break_table, response_curve, response_table
from edaphic.errors import RunError
from edaphic.report import build_report
from edaphic.report.drivers import drivers, path_results
from edaphic.report.folder import RunFolder, read_run

BOUNDS = [("0-30", 0.0, 30.0), ("0-100", 0.0, 100.0)]


def importance() -> pd.DataFrame:
    rows = []
    for measure in ("impurity", "permutation"):
        for level, name, family, share in (
            ("covariate", "ndvi", "plants", 70.0), ("covariate", "slope", "terrain", 30.0),
            ("family", "plants", "plants", 75.0), ("family", "terrain", "terrain", 25.0),
        ):  # fmt: skip
            rows.append(
                {
                    "layer": "all", "measure": measure, "level": level, "name": name, "family": family, "importance": share / 100,
                    "sd": 0.1, "low": 0.1, "high": 0.9, "share_pct": share, "share_low_pct": share - 5, "share_high_pct": share + 5,
                    "sum_of_members_pct": 70.0 if level == "family" else np.nan, "members": 1, "repeats": 3, "unit": "1",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def effects() -> pd.DataFrame:
    head = {"top_cm": 0.0, "bottom_cm": 30.0, "layer": "0-30", "band": "refits", "n": 10, "unit": "kg/m2"}
    line = [{**head, "covariate": "ndvi", "kind": "ale", "x": x, "class": "", "class_name": "", "effect": x, "low": x - 1, "high": x + 1}
            for x in (0.1, 0.5, 0.9)]  # fmt: skip
    dots = [{**head, "covariate": "cover", "kind": "pd", "x": np.nan, "class": code, "class_name": name, "effect": 5.0, "low": 4, "high": 6}
            for code, name in (("1", "Forest <mixed>"), ("2", ""))]  # fmt: skip
    return pd.DataFrame(line + dots)


def letters() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "by": "cover", "layer": layer, "top_cm": top, "bottom_cm": bottom, "class": name, "n": n, "mean": mean, "letters": letter,
            "median": mean, "low": mean - 1, "high": mean + 1, "scale": "log", "unit": "kg/m2", "comparison": "Games-Howell test",
            "level": 0.05,
        }
        for layer, top, bottom in BOUNDS
        for name, n, mean, letter in (("fen", 12, 20.0, "a"), ("bog", 5, 9.0, "b"))
    )  # fmt: skip


def path_tables() -> dict[str, pd.DataFrame]:
    effect = {"group": "0-30", "from": "climate", "to": "soc", "direct": 0.5, "indirect": 0.0, "total": 0.5}
    effect |= {f"{kind}_{end}": value for kind in ("direct", "total") for end, value in (("lower", 0.2), ("upper", 0.8))}
    inner = {"group": "0-30", "to": "soc", "from": "climate", "coefficient": 0.5, "standard_error": 0.1, "t": 5.0, "p": 0.0001, "vif": 1.0}
    drawn = {
        "group": "0-30",
        "kind": "path",
        "from": "climate",
        "to": "soc",
        "original": 0.5,
        "lower": 0.2,
        "upper": 0.8,
        "excludes_zero": True,
    }
    quality = pd.DataFrame(
        {"group": "0-30", "latent": ["climate", "soc"], "type": ["exogenous", "endogenous"], "mode": "A", "r2": [0.0, 0.25]}
    )
    tables = {"paths_inner_model": inner, "paths_effects": effect, "paths_bootstrap": drawn}
    return {name: pd.DataFrame([row]) for name, row in tables.items()} | {"paths_quality": quality}


def tables_of(run: RunFolder) -> dict[str, pd.DataFrame]:
    """Tables of a stage of drivers, those of curves from the run's own profiles."""
    layers = run.tables["layers"]
    assert layers is not None
    names = layers["profile_id"].unique()
    points = pd.DataFrame({"profile_id": names, "reason": "", "ndvi": np.random.default_rng(1).normal(size=len(names))})
    points.to_parquet(run.path / "covariates" / "points.parquet")
    curves, breaks = [], []
    for layer, top, bottom in BOUNDS:
        rows = layers[(layers["top_cm"] == top) & (layers["bottom_cm"] == bottom)].merge(points, on="profile_id")
        curve = response_curve(rows["ndvi"], rows["soc_stock_kg_m2"], driver="ndvi", draws=20)
        head = {"layer": layer, "top_cm": top, "bottom_cm": bottom, "unit": "kg/m2"}
        curves.append(response_table([curve]).assign(**head))
        breaks.append(break_table([curve]).assign(**head))
    shap = pd.DataFrame({"layer": "0-30", "top_cm": 0.0, "bottom_cm": 30.0, "covariate": ["ndvi", "slope"], "mean_abs_shap": [2.0, 1.0],
                         "mean_shap": 0.0, "share_pct": [66.7, 33.3], "base": 5.0, "rows": 60, "unit": "kg/m2"})  # fmt: skip
    tests = pd.DataFrame({"by": "cover", "layer": [layer for layer, _, _ in BOUNDS], "test": "one-way ANOVA", "statistic": 9.0,
                          "df_between": 1.0, "df_within": 15.0, "p": 0.0002, "eta2": 0.4, "omega2": 0.35, "groups": 2, "n": 17,
                          "notes": "", "scale": "log"})  # fmt: skip
    changes = pd.DataFrame([{"by": "cover", "class": "fen", "from_top_cm": 0.0, "from_bottom_cm": 30.0, "to_top_cm": 30.0,
                             "to_bottom_cm": 60.0, "n_from": 12, "n_to": 9, "difference_all": 1.5, "n_paired": 9, "difference": -2.5,
                             "low": -3.5, "high": -1.5, "unit": "kg/m3"}])  # fmt: skip
    return {
        "importance_of_drivers": importance(), "effects": effects(), "shap_by_depth": shap, "response_curves": pd.concat(curves),
        "change_points": pd.concat(breaks), "group_tests": tests, "group_letters": letters(), "layer_changes": changes, **path_tables(),
    }  # fmt: skip


@pytest.fixture
def folder(fake_folder: Any, tmp_path: Path) -> Path:
    path: Path = fake_folder(tmp_path / "run").folder
    for name, table in tables_of(read_run(path)).items():
        table.to_csv(path / "tables" / f"{name}.csv", index=False)
    told = {"notes": ["groups cover, 0-30 cm: 3 of 20 values without a class, left out"]}
    (path / "tables" / "drivers.json").write_text(json.dumps(told))
    return path


@pytest.mark.usefixtures("undrawn")
def test_every_table_has_its_figure_and_a_sentence_on_how_to_read_it(folder):
    found = drivers(read_run(folder))
    assert found is not None
    names = [picture.name for picture in found.pictures]
    assert names == [
        "importance_permutation.png", "importance_impurity.png", "effects_ale.png", "effects_pd.png", "shap_by_depth.png",
        "response_curves_0-100.png", "response_curves_0-30.png", "classes_cover_0-100.png", "classes_cover_0-30.png", "paths_0-30.png",
        "path_effects_0-30.png",
    ]  # fmt: skip
    assert all(picture.alt and picture.caption for picture in found.pictures)
    heads = [place for place, block in enumerate(found.blocks) if block.heading and not block.heading.startswith("By ")]
    assert len(heads) == 6 and all(len(found.blocks[place + 1].sentences) == 1 for place in heads)
    assert "association" in found.blocks[0].sentences[0]
    shown = [block for block in found.blocks if block.pictures and not block.folded]
    assert [picture.name for block in shown for picture in block.pictures if "0-30" in picture.name] == [
        "paths_0-30.png",
        "path_effects_0-30.png",
    ]


@pytest.mark.usefixtures("undrawn")
def test_the_numbers_of_the_tables_are_on_the_page(folder):
    html = build_report(folder).read_text(encoding="utf-8")
    part = html[html.index('<section id="drivers">') :]
    part = part[: part.index("</section>")]
    assert '<a href="#drivers">Drivers</a>' in html and (folder / "figures" / "shap_by_depth.png").is_file()
    plain = re.sub(r"<[^>]+>", " ", part)
    assert "20.00 [19.00, 21.00] a (n = 12)" in plain and "9.00 [8.00, 10.00] b (n = 5)" in plain
    assert "Games-Howell test on the logarithm, alpha 0.05" in plain and "&lt; 0.001" in plain
    assert "0.50 [0.20, 0.80]" in plain and "R² of 0-30: soc 0.25" in plain
    assert "−2.50 [−3.50, −1.50]" in plain and "3 of 20 values without a class" in plain
    assert "75.0 [70.0, 80.0]" in plain


@pytest.mark.usefixtures("undrawn")
def test_only_what_was_asked_for_is_there(folder):
    for name in ("importance_of_drivers", "effects", "shap_by_depth", "response_curves", "paths_inner_model"):
        (folder / "tables" / f"{name}.csv").unlink()
    found = drivers(read_run(folder))
    assert found is not None and {picture.name[:7] for picture in found.pictures} == {"classes"}
    (folder / "tables" / "group_letters.csv").unlink()
    assert drivers(read_run(folder)) is None


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_drivers_has_no_such_section(fake_folder, tmp_path):
    path = fake_folder(tmp_path / "run").folder
    html = build_report(path).read_text(encoding="utf-8")
    assert 'id="drivers"' not in html and "#drivers" not in html and "importance_of_drivers" not in html


def test_path_models_are_read_back(folder):
    (result,) = path_results(read_run(folder))
    assert result.group == "0-30" and result.bootstrap["excludes_zero"].tolist() == [True]
    assert result.effects["total_lower"].tolist() == [0.2] and result.latents["r2"].tolist() == [0.0, 0.25]


def test_a_damaged_list_of_notes_is_named(folder):
    (folder / "tables" / "drivers.json").write_text("{")
    with pytest.raises(RunError, match=r"drivers\.json: cannot be read"):
        drivers(read_run(folder))
