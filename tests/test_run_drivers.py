"""A run with drivers: its tables against what can be worked out apart from it, what it does again, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import f_oneway

from edaphic import recipe, run
from edaphic.errors import EdaphicError, TableError
from edaphic.model.features import make_encoder
from edaphic.model.forest import Settings, train
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.model.traverse import predict
from edaphic.recipe import Groups
from edaphic.recipe.path_model import PathIndicator
from edaphic.run import Listener
from edaphic.stages import STAGES, stages_of
from edaphic.stages.driver_models import in_columns_of
from edaphic.stages.driver_tables import Found, Layers, class_names, compared, textures
from edaphic.stages.drivers import path_table

FAMILIES = {"climate": ["temperature", "precip*"], "terrain": ["elevation*", "slope", "wetness"], "organisms": ["ndvi", "land_cover"]}
ASKED: dict[str, Any] = {
    "importance": {"families": FAMILIES, "repeats": 2},
    "effects": {"covariates": ["land_cover", "precip*"], "forests": 3, "shap": 20},
    "curves": {"most": 2},
    "groups": [{"by": "land_cover", "test": "duncan"}, {"by": "source"}],
    "paths": {
        "latents": {"climate": ["temperature"], "terrain": ["slope"], "soc": ["soc_density_kg_m3"]},
        "paths": {"soc": ["climate", "terrain"]},
        "by": "layer",
        "bootstrap": {"resamples": 20, "group": "profile_id"},
    },
}
EVERY = [*list(STAGES)[:7], "drivers"]


def asked(told: dict[str, Any], **changes: Any) -> None:
    told["drivers"] = {**ASKED, **changes}
    told["account"] = {"total": {"realisations": 0}}
    told["model"]["forest"] = {"trees": 12, "max_features": 0.5, "min_samples_leaf": 3}
    told["model"]["tune"] = {"candidates": 1, "trees": 5, "folds": 2, "design": "profile"}
    told["evidence"] |= {"folds": 2, "bootstrap": 20, "designs": ["profile"]}


def followed(path: Path, out: Path, **options: Any) -> tuple[list[str], list[str]]:
    """Run up to the drivers; the stages that were not skipped, and the notes."""
    worked: list[str] = []
    notes: list[str] = []
    stage = lambda name, note: worked.append(name) if name in EVERY and "skipped" not in note else None  # noqa: E731
    until = "drivers" if "drivers" in path.read_text(encoding="utf-8") else "account"
    listener = Listener(stage, lambda text, done, total: notes.append(text), lambda seconds: None)
    run.run(path, out, until=until, listener=listener, **options)
    return worked, notes


def digests(out: Path) -> dict[str, str]:
    names = sorted(json.loads((out / "run.json").read_text())["stages"]["drivers"]["outputs"])
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("drivers")
    path = tiny.copy(place / "input", asked)
    worked, notes = followed(path, place / "run")
    assert worked == EVERY
    return path, place / "run", notes


@pytest.fixture
def again(finished, tmp_path):
    path, out, _ = finished
    shutil.copytree(path.parent, tmp_path / "input")
    shutil.copytree(out, tmp_path / "run")
    return tmp_path / "input" / path.name, tmp_path / "run"


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / "tables" / f"{name}.csv")


@pytest.fixture(scope="module")
def observed(finished):
    """Layers with covariates, joined apart from the stage."""
    _, out, _ = finished
    layers = pd.read_parquet(out / "profiles" / "layers.parquet")
    points = pd.read_parquet(out / "covariates" / "points.parquet")
    return layers.merge(points[points["reason"] == ""], on="profile_id", how="left")


def test_importance_is_shared_out_over_covariates_and_over_families(finished):
    _, out, _ = finished
    found = table(out, "importance_of_drivers")
    assert set(found["measure"]) == {"impurity", "permutation"} and set(found["level"]) == {"covariate", "family"}
    sums = found.groupby(["layer", "measure", "level"])["share_pct"].sum()
    assert np.allclose(sums, 100) and (found["layer"] == "all").all()
    families = found[(found["level"] == "family") & (found["measure"] == "impurity")]
    assert np.allclose(families["share_pct"], families["sum_of_members_pct"])  # of impurity a family is the sum of its members
    alone = found[(found["level"] == "covariate") & (found["measure"] == "permutation")].set_index("name")["share_pct"]
    assert alone["noise"] < alone.max() / 3 and "depth" not in alone.index
    assert set(families["name"]) == {"climate", "terrain", "organisms", "other"}


def test_effects_have_bands_of_bootstrap_forests_and_names_of_classes(finished):
    _, out, _ = finished
    found = table(out, "effects")
    assert set(found["covariate"]) == {"land_cover", "precipitation"} and set(found["layer"]) == {"0-30", "30-60"}
    assert (found["band"] == "refits").all() and (found["low"] <= found["high"]).all()
    classes = found[found["covariate"] == "land_cover"]
    assert set(classes["kind"]) == {"pd"} and set(classes["class_name"]) <= {"cropland", "grassland", "forest", "wetland", "water"}
    shap = table(out, "shap_by_depth")
    assert np.allclose(shap.groupby("layer")["share_pct"].sum(), 100) and (shap["rows"] == 20).all()
    told = json.loads((out / "tables" / "drivers.json").read_text())
    assert told["effects"] == ["land_cover", "precipitation"] and told["refits"] == 3 and told["asked"]["effects"]["forests"] == 3


def test_curves_are_of_the_observed_values(finished, observed):
    _, out, _ = finished
    curves, points = table(out, "response_curves"), table(out, "change_points")
    assert set(curves["layer"]) == {"0-30", "30-60", "0-60"} and curves["driver"].nunique() == 2
    ranked = pd.read_csv(out / "evidence" / "importance.csv").sort_values("rmse_increase", ascending=False)["feature"]
    assert list(dict.fromkeys(curves["driver"])) == [name for name in ranked if name not in ("depth", "land_cover", "parent_material")][:2]
    for (layer, driver), part in curves.groupby(["layer", "driver"]):
        top, bottom = map(float, str(layer).split("-"))
        rows = observed[(observed["top_cm"] == top) & (observed["bottom_cm"] == bottom)]
        rows = rows.dropna(subset=["soc_stock_kg_m2", str(driver)])
        assert part["mean"].iloc[0] == pytest.approx(rows["soc_stock_kg_m2"].mean()) and part["n"].iloc[0] == len(rows)
        assert part["x"].between(rows[str(driver)].min(), rows[str(driver)].max()).all()
        assert (part["low"] <= part["high"]).all()
    assert len(points) >= 6 and points["words"].str.len().gt(0).all()


def test_classes_are_means_tests_and_letters_of_the_same_rows(finished, observed):
    _, out, _ = finished
    names = {1: "cropland", 2: "grassland", 3: "forest", 4: "wetland", 5: "water"}
    rows = observed[(observed["bottom_cm"] == 30)].dropna(subset=["soc_stock_kg_m2", "land_cover"])
    rows = rows.assign(name=rows["land_cover"].astype(int).map(names))
    means = table(out, "observed_by_class")
    here = means[(means["by"] == "land_cover") & (means["bottom_cm"] == 30) & (means["subset"] == "all")].set_index("class")
    assert here["mean"].sort_index().to_numpy() == pytest.approx(rows.groupby("name")["soc_stock_kg_m2"].mean().sort_index().to_numpy())
    assert here["n"].sum() == len(rows) and ((here["low"] < here["mean"]) & (here["mean"] < here["high"])).all()
    tests = table(out, "group_tests")
    anova = tests[(tests["by"] == "land_cover") & (tests["layer"] == "0-30") & (tests["test"] == "one-way ANOVA")].iloc[0]
    theirs = f_oneway(*(np.log(part["soc_stock_kg_m2"]) for _, part in rows.groupby("name")))
    assert anova["statistic"] == pytest.approx(theirs.statistic) and anova["p"] == pytest.approx(theirs.pvalue)
    letters = table(out, "group_letters")
    letters = letters[(letters["by"] == "land_cover") & (letters["layer"] == "0-30")].set_index("class")
    pairs = table(out, "group_pairs")
    for pair in pairs[(pairs["by"] == "land_cover") & (pairs["layer"] == "0-30")].itertuples():
        shared = set(letters.loc[pair.group_a, "letters"]) & set(letters.loc[pair.group_b, "letters"])
        assert bool(shared) != bool(pair.differs)
    assert letters["mean"].to_dict() == pytest.approx(here["mean"].to_dict()) and (letters["scale"] == "log").all()
    changes = table(out, "layer_changes")
    upper = observed[observed["bottom_cm"] == 30].set_index("profile_id")
    lower = observed[(observed["top_cm"] == 30)].set_index("profile_id")["soc_density_kg_m3"]
    both = (lower - upper["soc_density_kg_m3"]).dropna()
    forest = both[upper.loc[both.index, "land_cover"] == 3]
    row = changes[(changes["by"] == "land_cover") & (changes["class"] == "forest")].iloc[0]
    assert row["difference"] == pytest.approx(forest.mean()) and row["n_paired"] == len(forest) and row["unit"] == "kg/m3"


def test_a_division_of_one_class_is_told_and_has_no_test(finished):
    _, out, notes = finished
    assert "source" in set(table(out, "observed_by_class")["by"]) and "source" not in set(table(out, "group_letters")["by"])
    assert any("groups source" in note and "expected at least two; no test" in note for note in notes)


def test_a_path_model_of_single_indicators_is_a_regression(finished, observed):
    _, out, _ = finished
    inner = table(out, "paths_inner_model")
    assert list(dict.fromkeys(inner["group"])) == ["0-30", "30-60"]
    for group, part in inner.groupby("group"):
        top, bottom = map(float, str(group).split("-"))
        rows = observed[(observed["top_cm"] == top) & (observed["bottom_cm"] == bottom)]
        rows = rows[["temperature", "slope", "soc_density_kg_m3"]].dropna()
        z = ((rows - rows.mean()) / rows.std(ddof=0)).to_numpy()
        expected = np.linalg.lstsq(z[:, :2], z[:, 2], rcond=None)[0]
        assert part.set_index("from").loc[["climate", "terrain"], "coefficient"].to_numpy() == pytest.approx(expected, abs=1e-8)
    effects = table(out, "paths_effects")
    assert np.allclose(effects["total"], effects["direct"]) and "total_lower" in effects
    scores = table(out, "paths_scores")
    assert set(scores.columns) == {"group", "profile_id", "top_cm", "bottom_cm", "climate", "terrain", "soc"}
    assert not (out / "tables" / "paths_screening.csv").exists()  # tables without a row are not written


def test_the_same_bits_on_other_threads_and_only_what_changed_is_done_again(again):
    path, out = again
    assert followed(path, out)[0] == []
    before = digests(out)
    (out / "tables" / "effects.csv").unlink()
    assert followed(path, out, workers=2)[0] == ["drivers"] and digests(out) == before
    rewrite(path, lambda told: told["drivers"].update(curves=None))
    assert followed(path, out)[0] == ["drivers"]
    assert not (out / "tables" / "change_points.csv").exists() and digests(out)["tables/effects.csv"] == before["tables/effects.csv"]
    rewrite(path, lambda told: told.pop("drivers"))
    followed(path, out)
    assert not (out / "tables" / "drivers.json").exists() and "drivers" not in json.loads((out / "run.json").read_text())["stages"]


def test_nobody_asks_for_drivers_by_default(tiny, tmp_path):
    told = recipe.load(tiny.copy(tmp_path / "input"))
    assert "drivers" not in stages_of(told)
    told = recipe.load(tiny.copy(tmp_path / "other", asked))
    assert list(stages_of(told)).index("drivers") > list(stages_of(told)).index("account")


def paths_with(**changes: Any) -> dict[str, Any]:
    return {"paths": {**ASKED["paths"], **changes}}


def latent(*indicators: Any) -> dict[str, Any]:
    return paths_with(latents={"climate": ["temperature"], "terrain": list(indicators), "soc": ["soc_density_kg_m3"]})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "family pattern": ({"importance": {"families": {"climate": ["bio*"]}}}, "families.climate: 'bio*', which no covariate is called"),
    "family twice": ({"importance": {"families": {"a": ["temp*"], "b": ["*perature"]}}}, "'temperature': fits the families a, b"),
    "family of ours": ({"importance": {"families": {"other": ["slope"]}}}, "family 'other': a name of our own"),
    "effect of nothing": ({"effects": {"covariates": ["temprature"]}}, "effects.covariates: 'temprature', .* expected 'temperature'?"),
    "curve of nothing": ({"curves": {"covariates": ["bio*"]}}, "curves.covariates: 'bio*', which no covariate is called"),
    "curve of a class": ({"curves": {"covariates": ["land_cover"]}}, "'land_cover', whose classes have no order"),
    "group of nothing": ({"groups": [{"by": "landcover"}]}, "groups[0].by: 'landcover', which is no covariate and no column"),
    "group of numbers": ({"groups": [{"by": "elevation"}]}, "groups[0].by: 'elevation', which holds numbers"),
    "group of a measurement": ({"groups": [{"by": "clay_pct"}]}, "groups[0].by: 'clay_pct', which holds numbers"),
    "group of profiles": ({"groups": [{"by": "profile_id"}]}, "groups[0].by: 'profile_id', which is no class"),
    "group twice": ({"groups": [{"by": "source"}, {"by": "source"}]}, "groups[1].by: 'source' a second time"),
    "texture of clay alone": ({"groups": [{"by": "texture"}]}, "no silt_pct, sand_pct in the tables of profiles"),
    "indicator of nothing": (latent("slpoe"), "paths.latents.terrain: 'slpoe', which is no column; expected 'slope'?"),
    "class as a number": (latent("land_cover"), "'land_cover', which holds classes; expected 'as: dummies'"),
    "number as dummies": (latent({"name": "slope", "as": "dummies"}), "'slope' as dummies, which holds numbers"),
    "beta without beta": (latent("beta"), "paths.latents.terrain: 'beta', which is no column"),
    "scores of nothing": (latent({"name": "land_cover", "as": "scores", "mean_of": "npp"}), "mean_of 'npp', which is no column"),
    "parted by nothing": (paths_with(by="depth"), "paths.by: 'depth', which is no column"),
    "parted by numbers": (paths_with(by="slope"), "paths.by: 'slope', which holds numbers"),
    "drawn by nothing": (paths_with(bootstrap={"group": "site"}), "paths.bootstrap.group: 'site', which is no column"),
    "a cycle": (paths_with(paths={"soc": ["climate"], "climate": ["terrain"], "terrain": ["soc"]}), "cycle"),
    "one forest": ({"effects": {"forests": 1}}, "drivers.effects.forests"),
    "an unknown test": ({"groups": [{"by": "source", "test": "scheffe"}]}, "drivers.groups"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_is_told_before_the_work_starts(what, tiny, tmp_path):
    change, words = BAD[what]
    path = tiny.copy(tmp_path / "input", lambda told: told.update(drivers=change))
    with pytest.raises(EdaphicError) as caught:
        run.check(path)
    lines = [line for line in caught.value.faults if "drivers" in line]
    assert len(lines) == len(caught.value.faults) == 1, caught.value.faults
    first, _, last = words.partition(" .* ")
    assert first in lines[0] and last in lines[0] and "\n" not in lines[0], lines[0]


def test_a_covariate_does_not_take_the_place_of_a_column_of_the_layers(tiny, tmp_path):
    def change(told: dict[str, Any]) -> None:
        told["drivers"] = {"curves": {"most": 1}}
        told["covariates"]["layers"].append({"path": "covariates/noise.tif", "name": "coverage"})

    with pytest.raises(EdaphicError, match="the covariate 'coverage' is called as a column of the layer table is"):
        run.check(tiny.copy(tmp_path / "input", change))


def made_layers(values: list[float], classes: list[int], **horizons: list[float]) -> Layers:
    names = [f"p{i}" for i in range(len(values))]
    rows = pd.DataFrame(
        {
            "profile_id": names, "top_cm": 0.0, "bottom_cm": 30.0, "soc_stock_kg_m2": values, "value": values, "cover": classes,
            "slope": np.arange(len(values), dtype=float), "has_covariates": True,
        }
    )  # fmt: skip
    deep = pd.DataFrame({"profile_id": names, "top_cm": 0.0, "bottom_cm": 40.0, **horizons})
    layer = ((0.0, 30.0),)
    return Layers(rows, "soc_stock_kg_m2", "kg/m2", layer, layer, {"cover": "class", "slope": "continuous"}, deep, True)


def test_classes_come_from_legends_layers_and_horizons():
    layers = made_layers([1.0, 2.0, 3.0], [1, 2, 9], method=["dry", "wet", "dry"])
    assert class_names(layers, "cover", {"cover": {1: "fen", 2: "bog"}}) == ["fen", "bog", "9"]
    assert class_names(layers, "method", {}) == ["dry", "wet", "dry"]
    with pytest.raises(TableError, match="no class covariate and no column"):
        class_names(layers, "nothing", {})


def test_values_that_have_no_logarithm_are_left_out_of_the_tests_alone():
    layers = made_layers([0.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 1, 2, 2, 2])
    found = compared(layers, [Groups(by="cover", test="tukey")], {"cover": list("aaabbb")}, 1)
    assert any("1 values of 0 or below have no logarithm" in note for note in found.notes)
    means = found.tables["observed_by_class"]
    assert means[(means["class"] == "a") & (means["subset"] == "all")]["n"].tolist() == [3]
    assert found.tables["group_letters"].set_index("class").loc["a", "n"] == 2
    assert set(found.tables["group_pairs"]["unit"]) == {"ln(kg/m2)"}


def test_texture_is_told_where_the_tables_have_it():
    # All silt lies below 50 um; 0.715 of it below 20 um: clay 50, silt 25 becomes clay; sand 90 is sandy soil.
    clay, silt, sand = [50.0, 52.0, 5.0, 4.0], [25.0, 23.0, 5.0, 6.0], [25.0, 25.0, 90.0, 90.0]
    layers = made_layers([5.0, 6.0, 1.0, 2.0], [1, 1, 1, 1], clay_pct=clay, silt_pct=silt, sand_pct=sand)
    found = textures(layers, [Groups(by="cover", test="duncan")], 1)
    letters = found.tables["group_letters"].set_index("class")
    assert letters["mean"].to_dict() == pytest.approx({"clay": 5.5, "sandy soil": 1.5}) and (letters["by"] == "texture").all()
    assert any("50 um" in note for note in found.notes)
    assert textures(made_layers([1.0], [1]), [Groups(by="cover")], 1) == Found()


def test_path_tables_speak_of_classes_as_the_recipe_does():
    layers = made_layers([1.0, 2.0, np.nan], [1, 2, 1])
    legends = {"cover": {1: "fen", 2: "bog"}}
    named = path_table(layers, legends, [PathIndicator.model_validate({"name": "cover", "as": "dummies"})])
    assert named["cover"].tolist() == ["fen", "bog"] and named["layer"].tolist() == ["0-30", "0-30"]  # no row without a value
    coded = path_table(layers, legends, [PathIndicator.model_validate({"name": "cover", "as": "scores", "order": ("2", "1")})])
    assert coded["cover"].tolist() == [1, 2]
    with pytest.raises(EdaphicError, match="no row with a value"):
        path_table(replace(layers, table=layers.table.assign(value=np.nan)), legends, [])


def test_a_forest_without_a_class_answers_the_same_in_the_columns_of_all():
    random = np.random.default_rng(1)
    points = pd.DataFrame({"a": random.normal(size=40), "c": random.integers(1, 4, 40).astype(float), "b": random.normal(size=40)})
    kinds = {"a": "continuous", "c": "class", "b": "continuous"}

    def model(rows: pd.DataFrame) -> SoilModel:
        encoder = make_encoder(rows, kinds, depth=False)
        features = encoder.transform(rows.to_numpy())
        forest = train(features, (rows["a"] + rows["c"] - rows["b"]).to_numpy(), Settings(5), log=False, seed=1)
        return SoilModel("m", TARGETS["soc"], "layers", ((0.0, 30.0),), None, encoder, (forest,), Settings(5), 1)

    whole, part = model(points), model(points[points["c"] != 2])
    moved = in_columns_of(whole, part)
    assert moved is not None and moved.encoder == whole.encoder and in_columns_of(whole, whole) is whole
    cells = points.to_numpy()
    theirs = predict(part.forests[0], part.encoder.transform(cells)).mean
    assert np.array_equal(predict(moved.forests[0], whole.encoder.transform(cells)).mean, theirs)
    assert in_columns_of(part, whole) is None  # a column that the model does not have
