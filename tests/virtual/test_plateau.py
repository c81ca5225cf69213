"""The plateau: stocks end at the rock, latent variables follow their paths exactly, covariates are 71 in seven groups."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy import ndimage

from edaphic import recipe, run, virtual
from edaphic.account.paths import model_of, path_models
from edaphic.errors import GridError
from edaphic.virtual.ground import standard
from edaphic.virtual.plateau import (
    DEEP,
    GROUPS,
    LAYERS,
    LITHOLOGY,
    PATHS,
    PERMAFROST,
    SHALLOW,
    VEGETATION,
    Plateau,
    apart,
    plateau,
)
from edaphic.virtual.plateau_files import PRODUCTS, VALIDATION_SITES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plateau-3d")
    virtual.write_plateau(path, 7)
    return path


@pytest.fixture(scope="module")
def land() -> Plateau:
    return plateau(7)


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "truth" / "truth.json").read_text())


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1, masked=True).astype(float).filled(np.nan)


def effects(wanted: np.ndarray, land: Plateau, groups: tuple[str, ...]) -> np.ndarray:
    """Coefficients of least squares on latent variables, which have mean 0."""
    columns = np.column_stack([land.latent[group].ravel() for group in groups])
    return np.linalg.lstsq(columns, wanted.ravel() - wanted.mean(), rcond=None)[0]


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    virtual.write_plateau(tmp_path / "again", 7)
    for path in folder.rglob("*"):
        if path.suffix in (".tif", ".csv", ".json"):
            other = tmp_path / "again" / path.relative_to(folder)
            assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()
    assert (plateau(8).surface != plateau(7).surface).all()


def test_latent_variables_are_standard_and_follow_their_paths(land: Plateau) -> None:
    assert tuple(land.latent) == GROUPS
    for values in land.latent.values():
        assert values.mean() == pytest.approx(0.0, abs=1e-9)
        assert values.std() == pytest.approx(1.0, abs=1e-9)
    for group, told in PATHS.items():
        np.testing.assert_allclose(effects(land.latent[group], land, tuple(told)), list(told.values()), atol=1e-9)


def test_densities_follow_the_latent_variables_as_stated(land: Plateau) -> None:
    for density, told in ((land.surface, SHALLOW), (land.base, DEEP)):
        found = effects(np.log(density), land, GROUPS)
        ratio = found / np.array([told[group] for group in GROUPS])
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_effects_of_the_truth_file_are_those_of_a_regression(land: Plateau, truth: dict) -> None:
    for top, bottom in LAYERS:
        found = effects(standard(np.log(land.true_stock_kg_m2(top, bottom, cut=False))), land, GROUPS)
        told = truth["stocks"][f"{top}-{bottom}"]["direct_effects"]
        np.testing.assert_allclose(found, [told[group] for group in GROUPS], atol=1e-8)
        assert 0.6 < told["R2"] < 0.95
    shallow, deep = (truth["stocks"][layer]["direct_effects"]["paleoclimate"] for layer in ("0-30", "100-200"))
    assert deep < shallow < 0


def test_apart_of_itself_is_nothing_shared() -> None:
    rng = np.random.default_rng(1)
    one, two = standard(rng.random((20, 20))), rng.random((20, 20))
    left = apart(two, {"one": one})
    assert abs((left * one).mean()) < 1e-12
    assert left.std() == pytest.approx(1.0)


def test_stocks_end_at_the_rock(land: Plateau) -> None:
    thin = land.bedrock < 100.0
    assert thin.any()
    assert (land.true_stock_kg_m2(100, 200)[thin] == 0).all()
    whole = sum(land.true_stock_kg_m2(*layer) for layer in LAYERS[:3])
    np.testing.assert_allclose(whole, land.true_stock_kg_m2(0, 200), rtol=1e-12)
    deep = land.bedrock >= 200.0
    np.testing.assert_allclose(land.true_stock_kg_m2(0, 200)[deep], land.true_stock_kg_m2(0, 200, cut=False)[deep])
    assert deep.mean() == pytest.approx(0.9, abs=0.01)


def test_there_are_71_candidates_in_seven_groups(folder: Path) -> None:
    counts = {name: len(list((folder / name).glob("*.tif"))) for name in ("climate", "paleoclimate", "vegetation", "human")}
    counts |= {name: len(list((folder / name).glob("*.tif"))) for name in ("lithology", "permafrost")}
    told = recipe.parse(recipe.template("plateau-3d-virtual"), "plateau-3d.yaml")
    assert told.covariates.terrain is not None
    counts["topography"] = len(told.covariates.terrain.attributes)
    assert counts == {
        "climate": 19, "paleoclimate": 38, "vegetation": 2, "human": 3, "lithology": 1, "permafrost": 1, "topography": 7
    }  # fmt: skip
    assert sum(counts.values()) == 71
    with rasterio.open(folder / "climate" / "bio1.tif") as one, rasterio.open(folder / "paleoclimate" / "lgm_bio1.tif") as two:
        assert (one.res[0], two.res[0]) == (990.0, 1980.0)


def test_indicators_load_as_stated(land: Plateau) -> None:
    for name, loading in land.loadings.items():
        group, values = ("climate", land.climate) if name.startswith("bio") else ("paleoclimate", land.paleoclimate)
        # Logarithms where the indicator is one of precipitation.
        score = values[name] if int(name.split("bio")[1]) <= 11 else np.log(values[name])
        found = np.corrcoef(score.ravel(), land.latent[group].ravel())[0, 1]
        # The noise is a field of some tens of patches, and correlates with the latent variable by chance.
        assert found == pytest.approx(loading, abs=0.3)
        assert np.sign(found) == np.sign(loading)


def as_gridded(land: Plateau) -> dict[str, np.ndarray]:
    """Indicators of all cells, climate and paleoclimate as smooth as their grids of 1 and 2 km."""
    past = land.climate | land.paleoclimate
    table = {name: ndimage.uniform_filter(values, 22 if name.startswith("lgm") else 11).ravel() for name, values in past.items()}
    table |= {name: land.other[name].ravel() for name in ("ndvi", "lithology", "permafrost")}
    table |= {name: np.log(land.other[name]).ravel() for name in ("livestock", "population")}
    return table | {"elevation": land.elevation.ravel(), "slope": land.slope.ravel()}


@pytest.mark.parametrize("layer", [(0, 30), (100, 200)])
def test_a_path_model_of_the_covariates_finds_the_effects_that_made_them(land: Plateau, layer: tuple[int, int]) -> None:
    table = pd.DataFrame(as_gridded(land) | {"soc": np.log(land.true_stock_kg_m2(*layer, cut=False)).ravel()})
    names = {
        "topography": ["elevation", "slope"],
        "lithology": ["lithology"],
        "paleoclimate": list(land.paleoclimate),
        "climate": list(land.climate),
        "permafrost": ["permafrost"],
        "vegetation": ["ndvi"],
        "human": ["population", "livestock"],
        "soc": ["soc"],
    }
    latents = {group: {"indicators": [{"name": name} for name in indicators]} for group, indicators in names.items()}
    for group, sign in (("topography", "elevation"), ("paleoclimate", "mh_bio12"), ("climate", "bio12")):
        latents[group]["positive"] = sign
    paths = {group: list(told) for group, told in PATHS.items()} | {"soc": list(GROUPS)}
    model = model_of({"latents": latents, "paths": paths, "bootstrap": {"resamples": 0}})
    rows = np.random.default_rng(1).choice(len(table), 2000, replace=False)
    inner = path_models(table.iloc[rows].reset_index(drop=True), model)[0].inner
    found = {(row["from"], row["to"]): row["coefficient"] for _, row in inner.iterrows()}
    told = {(group, "soc"): value for group, value in land.coefficients(*layer).items() if group in GROUPS}
    told |= {(first, second): value for second, sources in PATHS.items() for first, value in sources.items()}
    assert set(found) == set(told)
    for key, value in told.items():
        assert found[key] == pytest.approx(value, abs=0.15), key
    assert found["paleoclimate", "soc"] < 0 < found["vegetation", "soc"] < found["climate", "soc"]


def test_classes_are_those_that_have_names(land: Plateau) -> None:
    for name, classes in (("vegetation", VEGETATION), ("lithology", LITHOLOGY), ("permafrost", PERMAFROST)):
        assert set(np.unique(land.other[name])) == set(classes)


def test_sources_report_what_they_report(folder: Path) -> None:
    book = pd.read_csv(folder / "profiles" / "survey_book.csv")
    assert set(zip(book["top_cm"], book["bottom_cm"], strict=True)) == set(LAYERS[:3])
    assert "soc_g_kg" not in book
    campaign = pd.read_csv(folder / "profiles" / "campaign.csv")
    assert campaign["id"].nunique() == VALIDATION_SITES
    assert set(campaign["bottom_cm"]) == {30.0, 100.0}
    others = [pd.read_csv(folder / "profiles" / f"{name}.csv")["id"] for name in ("base_sites", "census", "survey_book", "literature")]
    assert not set(campaign["id"]) & set(pd.concat(others))
    assert len(pd.concat(others).unique()) == 500


def test_products_are_biased_as_stated_and_two_have_gaps(folder: Path, land: Plateau) -> None:
    for name, (factor, _, empty) in PRODUCTS.items():
        for top, bottom in LAYERS:
            values = band(folder / "products" / f"{name}_{top}-{bottom}cm.tif")
            assert np.nanmean(values) == pytest.approx(10 * factor * land.true_stock_kg_m2(top, bottom).mean(), rel=0.1)
            assert np.isnan(values).any() == (empty > 0)


def test_the_recipe_passes_its_check_and_makes_stocks(folder: Path, land: Plateau, tmp_path: Path) -> None:
    path = folder / "plateau-3d.yaml"
    path.write_text(recipe.template("plateau-3d-virtual"))
    _, size = run.check(path)
    assert (size.covariates, size.cells, size.profiles) == (71, 10_000, 500)
    out = run.run(path, tmp_path / "run", until="profiles")
    layers = pd.read_parquet(out / "profiles" / "layers.parquet")
    top = layers[(layers["top_cm"] == 0) & (layers["bottom_cm"] == 30)]["soc_stock_kg_m2"]
    assert top.mean() == pytest.approx(land.true_stock_kg_m2(0, 30).mean(), rel=0.15)


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(GridError, match="size ''; expected one of small, full"):
        plateau(1, "")


@pytest.mark.slow
def test_its_maps_agree_with_the_truth(tmp_path: Path) -> None:
    out = run.demo(tmp_path / "demo", landscape="plateau-3d", workers=2)
    table = pd.read_csv(out / "tables" / "truth.csv")
    assert len(table) == 4
    assert (table["mec"] > 0.6).all()
    assert table["inside_fully_correlated"].all()
