"""The landscape of three ecosystems: beta and stocks are those of the paper's equations, drivers act as stated, tables are a user's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from pyproj import Geod
from scipy.stats import linregress

from edaphic import recipe, run, virtual
from edaphic.errors import GridError
from edaphic.units import KG_PER_TG
from edaphic.virtual.subsoil import (
    ECOSYSTEMS,
    HIDDEN_SD,
    MEAN_BETA,
    PIT_BETA_SD,
    RESPONSES,
    STEPS,
    STRENGTH,
    TOPSOIL_ERROR,
    BetaSubsoil,
    beta_subsoil,
    cell_areas_m2,
    curve_of,
    response,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("beta-subsoil")
    virtual.write_beta_subsoil(path, 7)
    return path


@pytest.fixture(scope="module")
def land() -> BetaSubsoil:
    return beta_subsoil(7)


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "truth" / "truth.json").read_text())


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1, masked=True).astype(float).filled(np.nan)


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    virtual.write_beta_subsoil(tmp_path / "again", 7)
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".tif", ".csv", ".json") and "run" not in path.parts:
            other = tmp_path / "again" / path.relative_to(folder)
            assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()
    assert (beta_subsoil(8).beta[1] != beta_subsoil(7).beta[1]).all()


@pytest.mark.parametrize("code", ECOSYSTEMS)
def test_stocks_are_those_of_equation_3(land: BetaSubsoil, code: int) -> None:
    beta = land.beta[code]
    np.testing.assert_allclose(land.true_stock_kg_m2(code, 0, 20), land.topsoil, rtol=1e-12)
    for top, bottom in (*STEPS, (20, 100)):
        by_hand = (beta**top - beta**bottom) / (1 - beta**20) * land.topsoil
        np.testing.assert_allclose(land.true_stock_kg_m2(code, top, bottom), by_hand, rtol=1e-9)


def test_mean_beta_is_that_of_the_paper_and_rises_from_cropland_to_forest(land: BetaSubsoil) -> None:
    means = [np.average(land.beta[code], weights=land.fractions[code]) for code in ECOSYSTEMS]
    np.testing.assert_allclose(means, list(MEAN_BETA.values()), atol=3e-4)
    assert means == sorted(means)


def test_fractions_share_the_cell(land: BetaSubsoil) -> None:
    total = sum(land.fractions.values())
    assert total.max() <= 1.0
    assert total.min() > 0.3
    assert min(values.min() for values in land.fractions.values()) > 0
    np.testing.assert_array_equal(land.dominant, 1 + np.argmax(np.stack(list(land.fractions.values())), axis=0))
    assert min((land.dominant == code).mean() for code in ECOSYSTEMS) > 0.1


@pytest.mark.parametrize("code", ECOSYSTEMS)
def test_beta_is_responses_plus_a_field_of_known_size(land: BetaSubsoil, code: int) -> None:
    signal = sum(response(name, land.drivers[name]) for name in RESPONSES)
    inside = (land.beta[code] > 0.9401) & (land.beta[code] < 0.9919)
    fit = linregress(signal[inside], land.beta[code][inside])
    assert fit.slope == pytest.approx(STRENGTH[code], rel=0.1)
    left = land.beta[code][inside] - STRENGTH[code] * signal[inside]
    assert left.std() == pytest.approx(HIDDEN_SD, rel=0.1)


def test_responses_flatten_and_step_at_their_thresholds() -> None:
    for name, (kind, limit, height) in RESPONSES.items():
        below, above = response(name, np.array([0.5 * limit, 3.0 * limit]))
        if kind == "flat above":
            assert (below, above) == (pytest.approx(0.5 * limit * height), pytest.approx(limit * height))
            assert response(name, np.array([limit]))[0] == response(name, np.array([2 * limit]))[0]
        else:
            low, high = (below, above) if kind == "step above" else (above, below)
            assert low == pytest.approx(0.0, abs=2e-5)
            assert high == pytest.approx(height, abs=2e-5)


def test_drivers_made_of_carbon_follow_it(land: BetaSubsoil) -> None:
    log = np.log(land.topsoil).ravel()
    for name in ("tn", "mc", "mn"):
        assert np.corrcoef(np.log(land.drivers[name]).ravel(), log)[0, 1] > 0.6
    np.testing.assert_allclose(land.drivers["tn"] * land.drivers["cn"], land.topsoil / 0.2 / 1.2)


def test_areas_are_those_on_the_ellipsoid(land: BetaSubsoil) -> None:
    geod = Geod(ellps="WGS84")
    for row in (0, 59):
        north = land.place.transform.f + land.place.transform.e * row
        lat = np.concatenate([np.full(50, north), np.full(50, north - land.place.cell)])
        lon = np.concatenate([np.linspace(0, land.place.cell, 50), np.linspace(land.place.cell, 0, 50)])
        assert cell_areas_m2(land.place)[row, 0] == pytest.approx(abs(geod.polygon_area_perimeter(lon, lat)[0]), rel=1e-6)


def test_totals_are_sums_over_area_and_fraction(folder: Path, land: BetaSubsoil, truth: dict) -> None:
    for code, name in ECOSYSTEMS.items():
        stock = band(folder / "truth" / f"true_soc_stock_{name}_20-100cm.tif")
        total = (stock * land.fractions[code] * cell_areas_m2(land.place)).sum() / KG_PER_TG
        assert truth["ecosystems"][name]["stocks"]["20-100"]["total_Tg"] == pytest.approx(total, rel=1e-6)


def test_the_topsoil_grid_errs_as_stated(folder: Path, land: BetaSubsoil) -> None:
    ratio = np.log(band(folder / "soil" / "topsoil_stock_0-20cm.tif") / land.topsoil)
    assert ratio.std() == pytest.approx(TOPSOIL_ERROR, rel=0.05)
    assert ratio.mean() == pytest.approx(-(TOPSOIL_ERROR**2) / 2, abs=0.01)


def test_surface_and_scale_give_beta_back() -> None:
    surface, scale = curve_of(np.array([0.96, 0.98]), np.array([3.0, 5.0]))
    np.testing.assert_allclose(np.exp(-1 / scale), [0.96, 0.98])
    np.testing.assert_allclose(surface * scale * (1 - np.exp(-20 / scale)) / 100, [3.0, 5.0])


def test_tables_have_gaps_and_matter_as_stated(folder: Path) -> None:
    literature = pd.read_csv(folder / "profiles" / "literature.csv")
    matter = pd.read_csv(folder / "profiles" / "literature_matter.csv")
    horizons = pd.read_csv(folder / "profiles" / "database_horizons.csv")
    assert "som_g_kg" in matter and "soc_g_kg" not in matter
    assert 0.2 < literature["bd_g_cm3"].isna().mean() < 0.6
    assert horizons["bd_g_cm3"].isna().mean() > 0.5
    assert set(literature.groupby("site").size()) == {3, 5}
    assert 0.2 < literature["mat"].isna().mean() < 0.6
    assert set(literature["ecosystem"]) == set(ECOSYSTEMS)


def test_beta_of_the_profiles_is_that_of_their_pits(folder: Path, tmp_path: Path) -> None:
    """From raw tables to beta by profile, against the beta that each was made with."""
    path = folder / "beta-subsoil.yaml"
    path.write_text(recipe.template("beta-subsoil-virtual"))
    _, size = run.check(path)
    assert size.covariates == 10
    out = run.run(path, tmp_path / "run", until="profiles")
    layers = pd.read_parquet(out / "profiles" / "layers.parquet").dropna(subset="beta")
    true = pd.read_csv(folder / "truth" / "profiles.csv")
    layers["site"] = layers["profile_id"].str.extract(r"([LMW]\d{5})$")
    both = layers.drop_duplicates("site").merge(true, on="site", suffixes=("", "_true"))
    assert len(both) > 300
    error = both["beta"] - both["beta_true"]
    # Errors of bulk density from grids, of the laboratory and of the spline; below half of what pits differ by.
    assert abs(error.mean()) < 0.002
    assert error.std() < 1.2 * PIT_BETA_SD


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(GridError, match="size 'world'; expected one of small, full"):
        beta_subsoil(1, "world")


@pytest.mark.slow
def test_its_map_agrees_with_the_truth(tmp_path: Path) -> None:
    out = run.demo(tmp_path / "demo", landscape="beta-subsoil", workers=2)
    made, true = band(out / "maps" / "beta_mean_0-100cm.tif"), band(tmp_path / "demo" / "input" / "truth" / "true_beta_dominant.tif")
    assert 1 - np.mean((made - true) ** 2) / true.var() > 0.7
    assert (out / "maps" / "monte_carlo").is_dir()
