"""Tables of the diagnostics from a run's own files, and the sections that show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin

from edaphic.recipe.load import parse
from edaphic.report.diagnostics_section import depth_pictures, patterns_section, samples_section
from edaphic.report.facts import target_of
from edaphic.report.folder import read_run
from edaphic.stages.diagnostics import class_limits, write_diagnostics
from edaphic.stages.job import Job

RECIPE = """
edaphic: 1
name: small
grid: {crs: EPSG:4326, resolution: 0.5, bounds: [10, 40, 20, 45]}
profiles:
  sources:
    - name: made up
      horizons: h.csv
      columns:
        profile_id: id
        lon: lon
        lat: lat
        top: {column: top, unit: cm}
        bottom: {column: bottom, unit: cm}
        soc: {column: soc, unit: g/kg}
        bulk_density: {column: bd, unit: g/cm3, basis: fine_earth}
  layers: [0-30, 30-100]
covariates:
  layers: [{name: MAT, path: mat.tif, unit: K}, {name: map, path: map.tif, unit: mm}, {name: cover, path: c.tif, kind: class}]
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A run of four profiles and of maps whose stock is the number of the half of the region: 4 in the west, 8 in the east."""
    out = tmp_path / "run"
    for name in ("profiles", "covariates", "maps", "tables"):
        (out / name).mkdir(parents=True)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (out / "recipe.yaml").write_text(RECIPE)
    (out / "run.json").write_text("{}")
    names = [f"P{place}" for place in range(4)]
    years = [1985.0, 1989.0, 2004.0, np.nan]
    layers = [
        {"profile_id": name, "year": year, "top_cm": top, "bottom_cm": bottom, "soc_stock_kg_m2": stock, "soc_density_kg_m3": 9.0}
        for name, year, stock in zip(names, years, (1.0, 3.0, 5.0, 7.0), strict=True)
        for top, bottom in ((0.0, 30.0), (30.0, 100.0))
    ]
    pd.DataFrame(layers).to_parquet(out / "profiles" / "layers.parquet")
    soil = {"clay_pct": [50.0, 5.0, np.nan, 5.0], "silt_pct": [25.0, 5.0, 5.0, 5.0], "sand_pct": [25.0, 90.0, 90.0, 90.0]}
    pd.DataFrame({"profile_id": names, "top_cm": 0.0, "bottom_cm": [100.0, 30.0, 100.0, 100.0], **soil}).to_parquet(
        out / "profiles" / "horizons.parquet"
    )
    points = {"MAT": [273.15, 283.15, 298.15, 300.0], "map": [300.0, 900.0, 2800.0, np.nan], "cover": [1.0, 2.0, 1.0, 2.0]}
    pd.DataFrame({"profile_id": names, "reason": "", **points}).to_parquet(out / "covariates" / "points.parquet")
    (out / "covariates" / "layers.csv").write_text("name,kind,unit\nMAT,continuous,K\nmap,continuous,mm\ncover,class,\n")
    values = np.repeat([[4.0] * 10 + [8.0] * 10], 10, axis=0).astype(np.float32)
    options: dict[str, Any] = {"driver": "GTiff", "height": 10, "width": 20, "count": 1, "dtype": "float32", "nodata": np.nan}
    for layer in ("0-30", "30-100", "0-100"):
        path = out / "maps" / f"soc_stock_mean_{layer}cm.tif"
        with rasterio.open(path, "w", crs="EPSG:4326", transform=from_origin(10, 45, 0.5, 0.5), **options) as file:
            file.write(values * (2.0 if layer == "0-100" else 1.0), 1)
    ends = {"independent": (1.0, 1.0), "fully_correlated": (0.5, 2.0), "modelled": (0.8, 1.5)}
    rows = [
        {
            **{"period": "", "by": by, "class": code, "class_name": name, "top_cm": top, "bottom_cm": bottom, "area_km2": 1000.0},
            **{"mean_kg_m2": mean, "total_Tg": mean, "cells": 200},
            **{f"{kind}_{end}_Tg": f * mean for kind, pair in ends.items() for end, f in zip(("low", "high"), pair, strict=True)},
        }
        for by, code, name in (("all", "", "all"), ("cover", "1", "NA"))
        for top, bottom, mean in ((0, 30, 6.0), (30, 100, 6.0), (0, 100, 12.0))
    ]
    pd.DataFrame(rows).to_csv(out / "tables" / "stocks.csv", index=False)
    return Job(parse(RECIPE, "recipe.yaml"), tmp_path / "recipe.yaml", out, 1, "0", "", lambda *_: None)


def read(job: Job, name: str) -> pd.DataFrame:
    return pd.read_csv(job.out / "tables" / f"{name}.csv", keep_default_na=False, na_values=[""])


def test_tables_are_those_of_the_files(job: Job) -> None:
    notes = write_diagnostics(job, job.out / "tables")
    decades = read(job, "decades")
    means = decades.drop_duplicates(["decade", "top_cm"])[["decade", "n", "mean"]].values.tolist()[:3]
    assert means == [["1980-1989", 2, 2.0], ["2000-2009", 1, 5.0], ["undated", 1, 7.0]]
    biomes = read(job, "biomes")
    assert biomes["mat_c"].round(6).tolist() == [0.0, 10.0, 25.0, 26.85]
    assert biomes["biome"].notna().tolist() == [True, True, True, False]
    matrix = read(job, "correlations").set_index("covariate")
    assert list(matrix.columns) == ["MAT", "map"]
    assert matrix.loc["MAT", "map"] == pytest.approx(np.corrcoef([273.15, 283.15, 298.15], [300.0, 900.0, 2800.0])[0, 1])
    assert any("MAT is taken for the mean annual temperature" in note for note in notes)
    texture = read(job, "texture_groups")
    top = texture[texture["bottom_cm"] == 30].set_index("group")
    # P0 is a clay, P1 and P3 sandy, P2 has no clay; below 30 cm P1 was not seen.
    assert (top.loc["clay", "n"], top.loc["sandy soil", "n"], top.loc["sandy soil", "mean"]) == (1, 2, 5.0)
    assert texture[texture["bottom_cm"] == 100].set_index("group").loc["sandy soil", "n"] == 1


def test_maps_are_summed_by_class_and_strip(job: Job) -> None:
    write_diagnostics(job, job.out / "tables")
    areas = read(job, "area_by_class")
    top = areas[areas["bottom_cm"] == 30]
    assert top["high"].tolist()[:-1] == class_limits(6.0) == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    shares = top.set_index("low")["share"]
    assert shares[4.0] == pytest.approx(0.5) and shares[8.0] == pytest.approx(0.5)
    along = read(job, "along_longitude")
    along = along[along["bottom_cm"] == 30]
    assert (along.loc[along["high_deg"] <= 15, "mean"] == 4.0).all() and (along.loc[along["low_deg"] >= 15, "mean"] == 8.0).all()
    profiles = read(job, "depth_profiles")
    cover = profiles[profiles["by"] == "cover"]
    assert cover["class_name"].tolist() == ["NA", "NA"] and set(cover["interval"]) == {"modelled"}
    assert cover["density_kg_m3"].round(6).tolist() == [20.0, round(6.0 / 0.7, 6)]
    assert cover["low_kg_m3"].round(6).tolist() == [16.0, round(4.8 / 0.7, 6)]


def test_units_that_are_not_given_are_not_guessed(job: Job) -> None:
    (job.out / "covariates" / "layers.csv").write_text("name,kind,unit\nMAT,continuous,\nmap,continuous,mm\n")
    notes = write_diagnostics(job, job.out / "tables")
    assert not (job.out / "tables" / "biomes.csv").exists()
    assert any("MAT in no unit and map in mm" in note for note in notes)


def test_what_cannot_be_made_is_left_out(job: Job) -> None:
    """No years, no texture, no stocks: no such table, and no fault."""
    layers = pd.read_parquet(job.out / "profiles" / "layers.parquet").assign(year=np.nan)
    layers.to_parquet(job.out / "profiles" / "layers.parquet")
    horizons = pd.read_parquet(job.out / "profiles" / "horizons.parquet").drop(columns="clay_pct")
    horizons.to_parquet(job.out / "profiles" / "horizons.parquet")
    (job.out / "tables" / "stocks.csv").unlink()
    write_diagnostics(job, job.out / "tables")
    assert sorted(path.name for path in (job.out / "tables").iterdir()) == ["biomes.csv", "correlations.csv"]


def test_sections_show_every_table(job: Job) -> None:
    write_diagnostics(job, job.out / "tables")
    run = read_run(job.out)
    samples, patterns = samples_section(run, target_of(run)), patterns_section(run)
    assert samples is not None and patterns is not None
    names = {picture.name for picture in (*samples.pictures, *patterns.pictures)}
    wanted = {"samples_0-30cm.png", "biomes.png", "correlations.png", "texture_0-30cm.png", "area_by_class_30-100cm.png"}
    assert wanted | {"along_longitude_0-30cm.png", "along_latitude_30-100cm.png"} <= names
    assert len(names) == len(samples.pictures) + len(patterns.pictures)
    assert [title for title, _ in depth_pictures(run)] == ["Everything", "By cover"]
    assert "modelled interval" in depth_pictures(run)[1][1][0].caption


def test_a_run_without_the_tables_has_no_such_section(job: Job) -> None:
    run = read_run(job.out)
    assert samples_section(run, target_of(run)) is None and patterns_section(run) is None and depth_pictures(run) == []
