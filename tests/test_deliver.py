"""Deliveries of a run, end to end, and what a recipe may not ask for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml

from edaphic.errors import EdaphicError, RecipeError
from edaphic.recipe import DEPTHS, Deliver, dump, parse
from edaphic.recipe.cited import without_citations
from edaphic.run import run
from edaphic.stages import EVERY_STAGE, check, stages_of

SMALL = """\
edaphic: 1
name: small
grid: {like: dem.tif}
profiles: {sources: [{horizons: a/survey.csv}], layers: gsoc}
covariates: {layers: [{path: dem.tif}, {path: cover.tif, kind: class}]}
"""


def asked(told: dict[str, Any]) -> None:
    told["evidence"] |= {"folds": 2, "bootstrap": 20, "cells": 200, "baselines": ["layer_mean"], "designs": ["profile"]}
    told["maps"]["stats"] = ["mean", "q05", "q95", "applicability"]
    told["profiles"]["sources"][0] |= {"licence": "CC BY-SA 4.0", "citation": "Survey 2020"}
    told["deliver"] = {
        "gsocmap": {"country": "MKD"},
        "names": [
            {"pattern": "{ecosystem}_{depth}_SOCD", "maps": ["soc_stock_mean_*"]},
            {"pattern": "openlandmap", "maps": ["soc_stock_q*", "soc_stock_mean_*"]},
        ],
        "words": {"variable": "oc", "procedure": "iso.10694.1995.kg.m2", "area": "mk", "version": "v20250204"},
        "ecosystems": {"by": "land_cover", "codes": {1: "CL", 2: "GL", 3: "FL"}},
        "profiles": {"coordinates": "rounded"},
        "licence": "CC-BY-4.0",
        "contact": {"name": "Soil Office"},
        "licences": {"covariates/ndvi.tif": {"licence": "CC BY-NC-SA 4.0"}, "districts*": {"licence": "CC0"}},
    }


@pytest.fixture(scope="module")
def delivered(tiny, tmp_path_factory) -> tuple[Path, Path]:
    path = tiny.copy(tmp_path_factory.mktemp("delivered") / "input", asked)
    return path, run(path, path.parent.parent / "run", until="deliver")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


def test_the_folder_holds_what_was_asked_for(delivered):
    _, out = delivered
    folder = out / "deliver"
    top = {"LICENCES.md", "licences.csv", "manifest.csv", "maps", "gsocmap", "profiles.csv", "profiles_layers.csv", "profiles_sources.csv"}
    assert {path.name for path in folder.iterdir()} == top
    names = {path.stem for path in (folder / "maps").glob("*.tif")}
    assert {f"{word}_{depth}_SOCD" for word in ("CL", "GL", "FL") for depth in ("0-30", "30-60", "0-60")} <= names
    assert "oc_iso.10694.1995.kg.m2_p05_250m_b0cm..30cm_19960101_20191231_mk_epsg.32633_v20250204" in names
    assert len(names) == 9 + 9
    manifest = pd.read_csv(folder / "manifest.csv").set_index("file")
    for name, row in manifest.iterrows():
        assert hashlib.sha256((folder / str(name)).read_bytes()).hexdigest() == row["sha256"]
    assert manifest.loc["gsocmap/MKD_OCS_mean_0-30cm.tif", "unit"] == "t/ha"
    assert manifest.loc["maps/CL_0-30_SOCD.tif", "unit"] == "kg/m2"
    listed = json.loads((out / "run.json").read_text())["stages"]["deliver"]["outputs"]
    assert set(listed) == {f"deliver/{name}" for name in [*manifest.index, "manifest.csv"]}


def test_classes_part_the_map(delivered):
    """Each cell of the map is in the file of its class, and in no other."""
    _, out = delivered
    whole = read(out / "maps" / "soc_stock_mean_0-30cm.tif")
    parts = np.stack([read(out / "deliver" / "maps" / f"{word}_0-30_SOCD.tif") for word in ("CL", "GL", "FL")])
    assert (np.isfinite(parts).sum(axis=0) <= 1).all()
    there = np.isfinite(parts).any(axis=0)
    np.testing.assert_array_equal(np.nansum(parts, axis=0)[there], whole[there])
    item = json.loads((out / "deliver" / "maps" / "CL_0-30_SOCD.json").read_text())
    assert item["id"] == "CL_0-30_SOCD" and item["assets"]["data"]["href"] == "./CL_0-30_SOCD.tif"


def test_the_package_is_in_t_ha_and_its_checklist_filled(delivered):
    _, out = delivered
    folder = out / "deliver" / "gsocmap"
    mean = read(folder / "MKD_OCS_mean_0-30cm.tif")
    own = read(out / "maps" / "soc_stock_mean_0-30cm.tif")
    assert np.nanmean(mean) == pytest.approx(10 * np.nanmean(own), rel=0.05)
    table = pd.read_csv(folder / "MKD_checklist.csv").set_index("item")
    assert table.loc["Contact: name", "answer"] == "Soil Office"
    lost = set(table.index[table["state"] == "to fill in"])
    assert {"Contact: organisation", "Contact: email", "Citation"} <= lost and "Validation, with accuracy" not in lost
    assert "Survey 2020" in table.loc["Sources of soil data", "answer"]
    assert "## Point data" in (folder / "MKD_checklist.md").read_text()


def test_licences_are_rolled_up(delivered):
    _, out = delivered
    table = pd.read_csv(out / "deliver" / "licences.csv").set_index("name")
    assert table.loc["horizons", ["licence", "stated_in", "citation"]].tolist() == ["CC-BY-SA-4.0", "recipe", "Survey 2020"]
    assert table.loc["ndvi", ["licence", "stated_in"]].tolist() == ["CC-BY-NC-SA-4.0", "recipe, deliver.licences"]
    assert table.loc["elevation", "licence"] == "not stated"
    assert table.loc["districts", ["kind", "used_for", "licence"]].tolist() == ["division", "tables", "CC0-1.0"]
    text = (out / "deliver" / "LICENCES.md").read_text()
    assert "Cannot be met at once: CC-BY-SA-4.0 and CC-BY-NC-SA-4.0" in text and "Against it: CC-BY-SA-4.0" in text


def test_measurements_are_rounded(delivered):
    _, out = delivered
    table = pd.read_csv(out / "deliver" / "profiles.csv")
    assert (table["lon"] == table["lon"].round(2)).all() and (table["coordinate_error_m"] >= 600).all()
    assert set(table["profile_id"]) == set(pd.read_parquet(out / "profiles" / "horizons.parquet")["profile_id"])
    assert len(pd.read_csv(out / "deliver" / "profiles_layers.csv")) > 0


def test_a_licence_changes_the_deliveries_alone(delivered):
    path, out = delivered
    before = json.loads((out / "run.json").read_text())["stages"]
    files = {name: (out / name).stat().st_mtime_ns for stage in before for name in before[stage]["outputs"]}
    told = yaml.safe_load(path.read_text())
    told["profiles"]["sources"][0].pop("licence")
    told["covariates"]["layers"][1]["licence"] = "CC-BY-4.0"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    run(path, out, until="deliver")
    now = json.loads((out / "run.json").read_text())["stages"]
    changed = {name for name, time in files.items() if (out / name).exists() and (out / name).stat().st_mtime_ns != time}
    assert changed and all(name.startswith("deliver/") for name in changed)
    assert "deliver/profiles.csv" not in now["deliver"]["outputs"] and not (out / "deliver" / "profiles.csv").exists()
    reason = pd.read_csv(out / "deliver" / "profiles_sources.csv").loc[0, "reason"]
    assert reason.startswith("its licence is not stated; expected licence: with the source")


# ---- recipes ----


def test_depths_have_names() -> None:
    assert parse(SMALL).profiles.layers == ((0.0, 30.0),)
    six = parse(SMALL.replace("gsoc", "gsm"))
    assert [layer[1] for layer in six.profiles.layers] == [5, 15, 30, 60, 100, 200]
    assert yaml.safe_load(dump(six))["profiles"]["layers"] == ["0-5", "5-15", "15-30", "30-60", "60-100", "100-200"]
    assert DEPTHS["ipcc"] == DEPTHS["gsoc"]


def test_the_stage_is_there_on_demand_only() -> None:
    assert "deliver" not in stages_of(parse(SMALL))
    names = list(stages_of(parse(SMALL + "deliver: {roll_up: true}\n")))
    assert names[-3:] == ["account", "deliver", "report"]
    assert [name for name in EVERY_STAGE if name in ("maps", "montecarlo", "account", "deliver", "report")] == [
        "maps", "montecarlo", "account", "deliver", "report",
    ]  # fmt: skip
    assert not Deliver(licence="CC0").asked


def test_a_bare_pattern_is_for_all_maps_and_is_written_out() -> None:
    told = parse(SMALL + "deliver: {names: '{quantity}_{stat}_{depth}'}\n")
    assert [naming.maps for naming in told.deliver.names] == [("*",)]
    assert parse(dump(told)) == told


def test_licences_are_heeded_by_no_other_stage() -> None:
    assert without_citations([{"licence": "a", "citation": "b", "x": ({"licence": None},)}]) == [{"x": [{}]}]


@pytest.mark.parametrize(
    ("more", "where", "expected"),
    [
        ("deliver: {gsocmap: {country: MK}}", "deliver.gsocmap.country", "ISO 3166-1), such as MKD"),
        ("deliver: {gsocmap: {country: mkd}}", "deliver.gsocmap.country", "did you mean 'MKD'"),
        ("deliver: {gsocmap: {country: QQQ}}", "deliver.gsocmap.country", "three capital letters"),
        ("deliver: {gsocmap: {}}", "deliver.gsocmap.country", "found no such key"),
        ("deliver: {gsocmap: {country: MKD, pattern: soc}}", "deliver.gsocmap.pattern", "a pattern with {stat}"),
        ("deliver: {gsocmap: {country: MKD, pattern: '{stat}/{country}'}}", "deliver.gsocmap.pattern", "signs that are no part of a name"),
        ("deliver: {gsocmap: {country: MKD, period: [1990, 1995]}}", "deliver.gsocmap.period", "maps are of one time"),
        ("model: {target: soc}\ndeliver: {gsocmap: {country: MKD}}", "deliver.gsocmap", "a target of stock or density"),
        ("deliver: {names: '{statt}'}", "deliver.names", "did you mean 'stat'?"),
        ("deliver: {names: '{stat'}", "deliver.names", "plain fields in braces"),
        ("deliver: {names: '{top:03d}'}", "deliver.names", "the field 'top' with a format"),
        ("deliver: {names: openlandmap}", "deliver.names", "the field {variable}"),
        ("deliver: {names: [{pattern: 'a b_{stat}'}]}", "deliver.names[0]", "letters, digits"),
        ("deliver: {names: [{pattern: '{stat}', maps: []}]}", "deliver.names[0].maps", "at least 1 entry"),
        ("deliver: {words: {stat: x}}", "deliver.words.stat", "another word"),
        ("deliver: {words: {area: a/b}}", "deliver.words.area", "for the name of a file"),
        ("deliver: {names: '{stat}', ecosystems: {by: cover, codes: {1: CL}}}", "deliver.ecosystems", "a pattern with {ecosystem}"),
        (
            "deliver: {names: '{ecosystem}', ecosystems: {by: cover, codes: {1: A, 2: A}}}",
            "deliver.ecosystems.codes[2]",
            "a name of its own",
        ),
        ("deliver: {names: '{ecosystem}', ecosystems: {by: dem, codes: {1: CL}}}", "deliver.ecosystems.by", "which is continuous"),
        ("deliver: {contact: {email: nobody}}", "deliver.contact.email", "soil@example.org"),
        ("deliver: {profiles: {coordinates: blurred}}", "deliver.profiles.coordinates", "'rounded'"),
        ("deliver: {profiles: {coordinates: none, decimals: 2}}", "deliver.profiles.decimals", "coordinates: rounded"),
        ("deliver: {profiles: {share: [surwey]}}", "deliver.profiles.share[0]", "did you mean 'survey'?"),
    ],
)
def test_faults_of_deliveries(more: str, where: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(SMALL + more + "\n")
    faults = [fault for fault in caught.value.faults if f": {where}: found " in fault]
    assert faults and expected in faults[0], caught.value.faults
    assert all("\n" not in fault for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("gms", "expected a list of layers such as [0-30, 30-60], or one of gsm, gsoc, ipcc (did you mean 'gsm'?)"),
        ("0-30", "expected a list of layers such as [0-30, 30-60], or one of gsm, gsoc, ipcc"),
        ("[gsoc]", "expected a layer like 0-30"),
    ],
)
def test_an_unknown_name_of_depths_is_a_fault(layers: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(SMALL.replace("gsoc", layers))
    assert len(caught.value.faults) == 1 and expected in caught.value.faults[0]


def test_the_package_needs_its_layer() -> None:
    with pytest.raises(RecipeError, match=r"deliver.gsocmap: found gsocmap beside layers \[0-20\]; expected 0-30 among profiles.layers"):
        parse(SMALL.replace("gsoc", "[0-20]") + "deliver: {gsocmap: {country: MKD}}\n")
    parse(SMALL.replace("gsoc", "[0-10, 10-30]") + "deliver: {gsocmap: {country: MKD}}\n")  # all layers together


@pytest.mark.parametrize(
    ("deliver", "expected"),
    [
        ({"names": "{quantity}"}, "deliver.names: soc_stock_q05_0-30cm: the name 'soc_stock', which soc_stock_mean_0-30cm gets too"),
        ({"names": "{ecosystem}_{stat}"}, "has no {ecosystem}, which '{ecosystem}_{stat}' asks for; expected deliver.ecosystems"),
        ({"roll_up": True, "licences": {"nowhere.tif": {"licence": "CC0"}}}, "deliver.licences.nowhere.tif: fits no input"),
        ({"gsocmap": {"country": "MKD", "grid": "covariates/clay.tif"}}, "expected WGS 84 (EPSG:4326)"),
        ({"gsocmap": {"country": "MKD", "grid": "empty.tif"}}, "deliver.gsocmap.grid: found no file"),
    ],
)
def test_the_check_finds_faults_before_the_work(tiny, tmp_path, deliver, expected):
    path = tiny.copy(tmp_path / "input", lambda told: told.update(deliver=deliver))
    with pytest.raises(EdaphicError) as caught:
        check(path)
    assert any(expected in fault and "\n" not in fault for fault in caught.value.faults), caught.value.faults


def test_a_missing_contact_is_worth_a_note(tiny, tmp_path):
    path = tiny.copy(tmp_path / "input", lambda told: told.update(deliver={"gsocmap": {"country": "MKD"}}))
    _, size = check(path)
    assert "deliver.contact: no name, organisation, email: the checklist of the package will ask the user for it" in size.notes
