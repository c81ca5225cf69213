"""Maps from a stored model: the run's own where the ground is the run's, clear lines where it is not what the model learned from."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
import yaml

from edaphic import run
from edaphic.model.artefact import load_kit, save, save_kit
from edaphic.stages import maps as of_maps
from edaphic.verbs import predict as verb

STATS = ["mean", "se", "q05", "q95", "applicability"]


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A run up to its maps: where its input is, and its folder."""

    def change(told: dict[str, Any]) -> None:
        told["model"]["forest"] |= {"little_bags": 2}
        told["maps"] |= {"stats": STATS, "thresholds": [5]}
        told["model"]["tune"] |= {"candidates": 1}
        told["evidence"] |= {"designs": ["profile"], "baselines": []}

    place = tmp_path_factory.mktemp("predict")
    path = tiny.copy(place / "input", change)
    out = place / "run"
    run.run(path, out, until="maps", workers=2)
    return path, out


@pytest.fixture(scope="module")
def model(made) -> Path:
    """The folder of the model, away from its run: what a stranger gets."""
    path, out = made
    return shutil.copytree(out / "model" / "forest", path.parent.parent / "stranger" / "forest")


@pytest.fixture(scope="module")
def aligned(made, tmp_path_factory) -> Path:
    """A folder of rasters on the run's grid, one for each covariate of the model."""
    path, out = made
    folder = tmp_path_factory.mktemp("aligned")
    for name in load_kit(out / "model" / "forest").model.covariates:
        shutil.copy(path.parent / "covariates" / f"{name}.tif", folder)
    return folder


def values(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def maps_of(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: values(path) for path in sorted(folder.glob("*.tif"))}


def same_maps(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def grid_of(made) -> Path:
    return made[1] / "maps" / "soc_stock_mean_0-30cm.tif"


# The run's own maps ------------------------------------------------------------------------------------------------------


def test_the_runs_own_recipe_gives_the_runs_own_maps(made, model, command, tmp_path):
    path, out = made
    status, said, _ = command("predict", model, "--covariates", path, "-o", tmp_path / "out", "--threads", 2)
    assert status == 0 and "16 in" in said
    same_maps(maps_of(tmp_path / "out"), maps_of(out / "maps"))
    for name in ("catalog.json", "summary.json", "soc_stock_mean_0-30cm.json", "soc_stock_mean_0-30cm.qml"):
        assert (tmp_path / "out" / name).is_file()
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == json.loads((out / "maps" / "summary.json").read_text())
    told = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert told["model_sha256"] == load_kit(model).sha256 and told["stats"] == STATS and "covariates/slope.tif" in told["inputs"]


def test_maps_tell_the_seed_and_the_years_of_the_profiles(made, model, aligned, command, tmp_path):
    """They are those of the model, not of the recipe of the maps."""
    path, out = made
    text = path.read_text()
    seed = yaml.safe_load(text)["seed"]
    other = path.with_name("other-seed.yaml")
    other.write_text(text.replace(f"seed: {seed}", f"seed: {seed + 1}"))
    name = "soc_stock_mean_0-30cm"
    wanted = json.loads((out / "maps" / f"{name}.json").read_text())["properties"]
    years = wanted["edaphic:period"]
    assert years != "unknown" and load_kit(model).provenance["profile_years"] == years
    for number, ground in enumerate((other, aligned)):
        asked = ["--stats", "mean", "--layers", "0-30", "--like", grid_of(made)]
        assert command("predict", model, "--covariates", ground, "-o", tmp_path / str(number), *asked)[0] == 0
        told = json.loads((tmp_path / str(number) / f"{name}.json").read_text())["properties"]
        assert told["edaphic:period"] == years and told["start_datetime"] == wanted["start_datetime"]
        with rasterio.open(tmp_path / str(number) / f"{name}.tif") as file:
            assert file.tags()["EDAPHIC_SEED"] == str(seed)


@pytest.mark.parametrize("told", [None, "soon", "2015-1985", "0-0", 1985, ["1985-2015"]])
def test_years_that_are_none_are_not_known(model, told):
    kit = load_kit(model)
    assert verb._sampled(kit) is not None
    assert verb._sampled(replace(kit, provenance={} if told is None else {"profile_years": told})) is None


def test_a_folder_of_rasters_gives_them_too(made, model, aligned, command, tmp_path):
    path, out = made
    asked = ["--stats", ",".join([*STATS, "p_above_5"]), "--like", grid_of(made)]
    status, _, _ = command("predict", model, "--covariates", aligned, "-o", tmp_path / "out", *asked)
    assert status == 0
    ours, theirs = maps_of(tmp_path / "out"), maps_of(out / "maps")
    assert ours.keys() == theirs.keys()
    masked = values(path.parent / "covariates" / "land_cover.tif") == 5
    assert masked.any()
    for name, found in ours.items():
        np.testing.assert_array_equal(np.where(masked, np.nan, found), theirs[name], err_msg=name)


def test_some_layers_and_statistics_are_those_of_all(made, model, command, tmp_path):
    path, out = made
    theirs = maps_of(out / "maps")
    for number, (layers, names) in enumerate(
        {"30-60": ["30-60cm"], "0-30, 30-60": ["0-30cm", "30-60cm"], "0-60": ["0-60cm"], "0-60,0-30": ["0-30cm", "0-60cm"]}.items()
    ):
        folder = tmp_path / str(number)
        assert command("predict", model, "--covariates", path, "--layers", layers, "--stats", "mean,se,q95", "-o", folder)[0] == 0
        ours = maps_of(folder)
        assert set(ours) == {f"soc_stock_{stat}_{name}.tif" for stat in ("mean", "se", "q95") for name in names}
        same_maps(ours, {name: theirs[name] for name in ours})


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ("0-30,30-60", "no map of 0-60 cm, which the model has and --layers does not name"),
        ("0-30", ""),
        ("all", ""),
        ("30-60,0-60", ""),
    ],
)
def test_layers_without_a_map_of_them_together_are_told(made, model, command, tmp_path, layers, why):
    asked = ["--layers", layers, "--stats", "mean"]
    status, _, said = command("predict", model, "--covariates", made[0], "-o", tmp_path / "out", *asked)
    assert status == 0 and ("no map of" in said) == bool(why) and why in said


def test_some_of_the_layers_have_no_calibration_together(model):
    three = replace(load_kit(model).model, layers=((0.0, 30.0), (30.0, 60.0), (60.0, 100.0)), whole=(0.0, 100.0))
    (note,) = verb._not_together(three, three.layers[:2])
    assert note.startswith("no map of 0-60 cm together: the evidence of the model calibrates 0-30, 30-60, 60-100, 0-100 cm only.")
    assert verb._not_together(three, (three.layers[0], three.layers[2])) == []
    assert verb._not_together(three, three.intervals) == verb._not_together(three, three.layers[:1]) == []


def test_by_default_a_folder_gives_the_usual_maps_and_the_area_of_applicability(made, model, aligned, command, tmp_path):
    status, said, _ = command("predict", model, "--covariates", aligned, "--like", grid_of(made), "-o", tmp_path / "out")
    assert status == 0 and "catalog.json" in said
    stats = {path.stem.removeprefix("soc_stock_").rpartition("_")[0] for path in (tmp_path / "out").glob("*.tif")}
    assert stats == {"mean", "q05", "q95", "spread", "applicability", "dissimilarity"}


def test_a_recipe_for_maps_needs_no_profiles(made, model, command, tmp_path):
    path, out = made
    told = yaml.safe_load(path.read_text())
    few = {key: told[key] for key in ("edaphic", "name", "seed", "grid", "covariates", "maps")}
    few["root"] = str(path.parent)
    (tmp_path / "ground.yaml").write_text(yaml.safe_dump(few, sort_keys=False))
    assert command("predict", model, "--covariates", tmp_path / "ground.yaml", "-o", tmp_path / "out")[0] == 0
    same_maps(maps_of(tmp_path / "out"), maps_of(out / "maps"))


def test_covariates_are_made_where_the_recipe_says_so(made, model, command, tmp_path):
    path = made[0]
    told = yaml.safe_load(path.read_text())
    told["root"] = str(path.parent)
    told["covariates"]["terrain"] = {"dem": "covariates/elevation.tif", "attributes": ["slope"]}
    told["covariates"]["exclude"] = []
    told["covariates"]["layers"] = [
        {"path": f"covariates/{name}.tif", **({"kind": "class"} if name in ("land_cover", "parent_material") else {})}
        for name in {*load_kit(model).model.covariates, "land_cover"} - {"slope"}
    ]
    told["maps"]["stats"], told["maps"]["thresholds"] = ["mean", "q05", "q95"], []
    (tmp_path / "ground.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    status, _, said = command("predict", model, "--covariates", tmp_path / "ground.yaml", "-o", tmp_path / "out")
    assert status == 0, said
    assert [p.name for p in (tmp_path / "out" / ".edaphic" / "made" / "covariates").glob("*.tif")] == ["slope.tif"]
    assert not (tmp_path / "out" / "slope.tif").exists()
    slope = tmp_path / "out" / ".edaphic" / "made" / "covariates" / "slope.tif"
    when = slope.stat().st_mtime_ns
    words = ["predict", model, "--covariates", tmp_path / "ground.yaml", "-o", tmp_path / "out", "--layers", "0-30"]
    assert command(*words)[0] == 0 and slope.stat().st_mtime_ns == when
    assert command(*words, "--fresh")[0] == 0 and slope.stat().st_mtime_ns != when


# Again, and after a kill -----------------------------------------------------------------------------------------------------


def test_what_is_there_is_not_made_again_and_what_changed_is(made, model, aligned, command, tmp_path):
    folder = shutil.copytree(aligned, tmp_path / "ground")
    words = ["predict", model, "--covariates", folder, "--like", grid_of(made), "--stats", "mean", "-o", tmp_path / "out"]
    assert command(*words)[0] == 0
    first = maps_of(tmp_path / "out")
    when = (tmp_path / "out" / "soc_stock_mean_0-30cm.tif").stat().st_mtime_ns
    assert "unchanged" in command(*words)[1]
    assert (tmp_path / "out" / "soc_stock_mean_0-30cm.tif").stat().st_mtime_ns == when
    name = load_kit(model).model.covariates[0]
    with rasterio.open(folder / f"{name}.tif", "r+") as file:
        file.write(file.read(1)[::-1].copy(), 1)
    assert "unchanged" not in command(*words)[1]
    assert any(not np.array_equal(first[key], found, equal_nan=True) for key, found in maps_of(tmp_path / "out").items())
    assert "unchanged" not in command(*words, "--fresh")[1]
    # Other layers take the place of those before.
    assert command(*words, "--layers", "0-30")[0] == 0
    assert set(maps_of(tmp_path / "out")) == {"soc_stock_mean_0-30cm.tif"}


@pytest.mark.slow
def test_a_killed_call_goes_on_to_the_same_bits(made, model, tmp_path):
    path, out = made
    told = yaml.safe_load(path.read_text())
    told["root"] = str(path.parent)
    told["maps"]["window"] = 16
    (tmp_path / "ground.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    words = [sys.executable, "-m", "edaphic", "predict", model, "--covariates", tmp_path / "ground.yaml", "-o", tmp_path / "out"]
    words += ["--threads", "1"]
    process = subprocess.Popen([str(word) for word in words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "computing tile 4" in line:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "out" / "catalog.json").exists()
    again = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True)
    assert "finished before and are taken up" in again.stderr
    same_maps(maps_of(tmp_path / "out"), maps_of(out / "maps"))


def test_interrupted_and_asked_for_something_else_says_what_is_lost(made, model, command, tmp_path, monkeypatch):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    words = ["predict", model, "--covariates", made[0], "-o", tmp_path / "out", "--stats"]
    monkeypatch.setattr(of_maps, "_write_files", stopped)
    assert command(*words, "mean,q95")[0] == 130
    monkeypatch.undo()
    status, _, said = command(*words, "mean")
    assert status == 0
    assert "note: predict: 1 finished tile of an interrupted run is not taken up (recipe: maps.stats changed)" in said
    assert {path.name.split("_")[2] for path in (tmp_path / "out").glob("*.tif")} == {"mean"}


def test_an_input_that_changes_on_the_way_is_no_map(made, model, command, tmp_path, monkeypatch):
    path = Path(shutil.copytree(made[0].parent, tmp_path / "ground")) / made[0].name
    real = verb.write_maps

    def meanwhile(*told: Any) -> Any:
        found = real(*told)
        with rasterio.open(path.parent / "covariates" / "slope.tif", "r+") as file:
            file.write(file.read(1) + 1, 1)
        return found

    monkeypatch.setattr(verb, "write_maps", meanwhile)
    status, _, said = command("predict", model, "--covariates", path, "-o", tmp_path / "out", "--stats", "mean")
    assert status == 2 and not list((tmp_path / "out").glob("*.tif"))
    assert said.splitlines()[-1].endswith("slope.tif: changed while the run was at work; expected inputs to stay as they are until it "
                                          "ends: the same command goes on")  # fmt: skip


def test_a_run_does_not_replace_maps_of_predict(made, model, command, tmp_path):
    assert command("predict", model, "--covariates", made[0], "-o", tmp_path / "out", "--stats", "mean")[0] == 0
    before = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    status, _, said = command("run", made[0], "-o", tmp_path / "out")
    assert status == 2 and "a folder of maps that edaphic predict made; expected a new or empty folder" in said.splitlines()[-1]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == before


def test_an_option_that_is_given_twice_counts_twice(made, model, command, tmp_path):
    asked = ["--stats", "mean", "--stats", "q05,q95", "--layers", "0-30", "--layers", "30-60"]
    assert command("predict", model, "--covariates", made[0], "-o", tmp_path / "out", *asked)[0] == 0
    names = {f"soc_stock_{stat}_{layer}cm.tif" for stat in ("mean", "q05", "q95") for layer in ("0-30", "30-60")}
    assert set(maps_of(tmp_path / "out")) == names


def test_a_raster_in_place_of_its_folder_is_told(made, refused, aligned):
    raster = next(aligned.glob("*.tif"))
    assert refused(raster)[0].startswith(f"--covariates {raster}: a file that is no text; expected a folder of rasters, or a recipe")


def test_one_threshold_in_two_ways_of_writing_is_one_map(made, model, command, tmp_path):
    asked = ["--stats", "p_above_5,p_above_5.0", "--layers", "0-30"]
    status, said, _ = command("predict", model, "--covariates", made[0], "-o", tmp_path / "out", *asked)
    assert status == 0 and said.startswith("maps        1 in")


def test_two_calls_at_once_do_not_share_a_folder(made, model, command, tmp_path):
    hidden = tmp_path / "out" / ".edaphic"
    hidden.mkdir(parents=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        started = psutil.Process(other.pid).create_time()
        (hidden / "lock").write_text(json.dumps({"pid": other.pid, "started": started}))
        status, _, said = command("predict", model, "--covariates", made[0], "-o", tmp_path / "out")
    finally:
        other.kill()
        other.wait()
    assert status == 2 and "is running in it" in said


# What cannot be --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def refused(made, model, command, tmp_path) -> Callable[..., list[str]]:
    """Lines of a call that is refused before anything is written."""

    def call(ground: object, *words: object, artefact: object = model) -> list[str]:
        status, _, said = command("predict", artefact, "--covariates", ground, "-o", tmp_path / "out", *words)
        assert status == 2 and not (tmp_path / "out").exists()
        lines = [line.removeprefix("edaphic: ") for line in said.splitlines() if line.startswith("edaphic: ")]
        assert lines and "Traceback" not in said
        return lines

    return call


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--layers", "0-20"], "--layers: 0-20 cm, which the model does not have; expected some of 0-30, 30-60, 0-60 cm"),
        (["--layers", "deep"], "--layers: found 'deep'"),
        (["--layers", "0-30,0-30"], "one layer twice"),
        (["--layers", ""], "--layers: found ''"),
        (["--stats", "mean,median"], "--stats: found 'median'"),
        (["--stats", "mean,median"], "(did you mean 'q50'?)"),
        (["--stats", "q00"], "--stats: found 'q00'; expected a quantile from q01 to q99"),
        (["--stats", "q100,mean"], "--stats: found 'q100'; expected q10 (two digits are percent"),
        (["--stats", "tree_q500"], "--stats: found 'tree_q500'; expected tree_q50 ("),
        (["--stats", "q10,mean,q10"], "--stats: found 'q10' a second time; expected each once"),
        (["--stats", ","], "--stats: found none"),
        (["--stats", "p_above_much"], "expected a number above 0"),
        (["--stats", "p_above_-1"], "expected a number above 0"),
        (["--memory", "much"], "--memory: found 'much'"),
        (["--like", "none.tif"], "none.tif: no such file"),
    ],
)
def test_words_that_make_no_maps(made, refused, words, why):
    assert why in refused(made[0], *words)[0]


def test_several_grids_ask_for_one(refused, aligned):
    assert "expected --like RASTER" in refused(aligned)[0]


def test_all_missing_covariates_at_once_and_the_case_of_letters(refused, aligned, model, tmp_path):
    names = load_kit(model).model.covariates
    folder = tmp_path / "ground"
    folder.mkdir()
    shutil.copy(aligned / f"{names[0]}.tif", folder / f"{names[0].upper()}.tif")
    lines = refused(folder)
    assert len(lines) == len(names) and all("no raster of" in line for line in lines)
    assert "the case of letters counts" in lines[0]


def test_two_files_for_a_covariate_are_a_question(refused, aligned, model, tmp_path):
    folder = shutil.copytree(aligned, tmp_path / "ground")
    name = load_kit(model).model.covariates[0]
    shutil.copy(folder / f"{name}.tif", folder / f"{name}.tiff")
    assert f"{name}.tif, {name}.tiff for {name!r}" in refused(folder)[0]


def test_rasters_of_one_grid_need_no_other(made, model, aligned, command, tmp_path):
    folder = tmp_path / "ground"
    folder.mkdir()
    with rasterio.open(grid_of(made)) as like:
        profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "width": like.width, "height": like.height}
        profile |= {"crs": like.crs, "transform": like.transform, "nodata": np.nan}
    for name in load_kit(model).model.covariates:
        with rasterio.open(aligned / f"{name}.tif") as source, rasterio.open(folder / f"{name}.tif", "w", **profile) as file:
            file.write(source.read(1, out_shape=(profile["height"], profile["width"])).astype("float32"), 1)
    status, _, said = command("predict", model, "--covariates", folder, "--stats", "mean", "-o", tmp_path / "out")
    assert status == 0, said
    assert np.isfinite(maps_of(tmp_path / "out")["soc_stock_mean_0-60cm.tif"]).any()


def test_covariates_that_a_recipe_lacks_are_listed(made, model, refused, tmp_path):
    told = yaml.safe_load(made[0].read_text())
    told["root"], told["maps"] = str(made[0].parent), {}
    told["account"], told["model"], told["evidence"] = {}, {}, {}
    told["covariates"] = {"layers": [{"path": "covariates/noise.tif"}]}
    (tmp_path / "ground.yaml").write_text(yaml.safe_dump(told))
    lines = refused(tmp_path / "ground.yaml")
    assert [line for line in lines if "which the model asks for" in line] == lines
    assert len(lines) == len([name for name in load_kit(model).model.covariates if name != "noise"])


def test_units_and_classes_of_the_model_count(made, model, refused, aligned, tmp_path):
    kit = load_kit(model)
    name = next(name for name, facts in kit.covariates.items() if facts.unit and facts.kind == "continuous")
    folder = shutil.copytree(aligned, tmp_path / "ground")
    with rasterio.open(folder / f"{name}.tif", "r+") as file:
        file.units = ("furlong",)
    assert f"{name}: in furlong here, in {kit.covariates[name].unit} in the model" in refused(folder, "--like", grid_of(made))[0]


def test_a_class_of_another_name_is_a_fault_and_a_new_one_is_told(made, model, refused, aligned, command, tmp_path):
    kit = load_kit(model)
    name, facts = next((name, facts) for name, facts in kit.covariates.items() if facts.classes)
    folder = shutil.copytree(aligned, tmp_path / "ground")
    legend = {code: title.upper() for code, title in facts.classes.items()}
    code = min(legend)

    def write(changes: dict[int, str]) -> None:
        rows = [f"{number},{title}" for number, title in (legend | changes).items()]
        (folder / f"{name}_legend.csv").write_text("\n".join(["code,name", *rows, ""]))

    write({code: "glacier"})
    line = refused(folder, "--like", grid_of(made))[0]
    assert f"{name}: class {code} is 'glacier' here, {facts.classes[code]!r} in the model" in line
    write({77: "glacier"})
    status, _, said = command("predict", model, "--covariates", folder, "--like", grid_of(made), "--stats", "mean", "-o", tmp_path / "out")
    assert status == 0 and f"{name}: 1 classes that the model's legend does not have, such as 77 (glacier)" in said


def test_of_rasters_by_period_the_latest_is_mapped(made, model, aligned, command, tmp_path):
    name = next(name for name, facts in load_kit(model).covariates.items() if facts.kind == "continuous")
    folder = shutil.copytree(aligned, tmp_path / "ground")
    shutil.move(folder / f"{name}.tif", folder / f"{name}_1995-1999.tif")
    shutil.copy(folder / f"{name}_1995-1999.tif", folder / f"{name}_1990-1994.tif")
    with rasterio.open(folder / f"{name}_1990-1994.tif", "r+") as file:
        file.write(file.read(1)[::-1].copy(), 1)
    asked = ["--like", grid_of(made), "--stats", "mean"]
    said = [command("predict", model, "--covariates", ground, *asked, "-o", tmp_path / f"of_{ground.name}") for ground in (aligned, folder)]
    assert [status for status, *_ in said] == [0, 0] and f"note: {name} of 1995 to 1999 is mapped" in said[1][2]
    same_maps(maps_of(tmp_path / f"of_{aligned.name}"), maps_of(tmp_path / "of_ground"))


def test_what_lies_far_beyond_the_training_is_told(made, model, aligned, command, tmp_path):
    kit = load_kit(model)
    name = next(name for name, facts in kit.covariates.items() if facts.kind == "continuous")
    folder = shutil.copytree(aligned, tmp_path / "ground")
    with rasterio.open(folder / f"{name}.tif", "r+") as file:
        file.write(file.read(1) + 1e4, 1)
    status, _, said = command(
        "predict", model, "--covariates", folder, "--like", grid_of(made), "--stats", "mean,applicability", "-o", tmp_path / "out"
    )
    assert status == 0 and f"note: {name}: 100% of the cells looked at" in said
    assert not maps_of(tmp_path / "out")["soc_stock_applicability_0-60cm.tif"].any() or "applicability" not in kit.covariates


def test_a_model_that_is_none_or_was_altered(made, model, refused, tmp_path):
    assert "no such folder" in refused(made[0], artefact=tmp_path / "none")[0]
    folder = shutil.copytree(model, tmp_path / "altered")
    data = bytearray((folder / "forest.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "forest.npz").write_bytes(data)
    assert "altered or cut short" in refused(made[0], artefact=folder)[0]


def test_what_the_model_cannot_give_is_told(made, model, refused, tmp_path):
    folder = shutil.copytree(model, tmp_path / "plain")
    kit = load_kit(folder)
    forests = tuple(replace(forest, bag=0) for forest in kit.model.forests)
    save(replace(kit.model, forests=forests, se_prior=np.empty((0, 2))), folder, {}, (), kit.covariates)
    save_kit(folder, folder, kit.levels, {"conformal.csv": model / "conformal.csv"}, None)
    lines = refused(made[0], "--stats", "se,applicability", artefact=folder)
    assert [line.split(";")[0] for line in lines] == [
        "--stats: se of a model without little bags",
        "--stats: applicability, which the folder of the model does not tell",
    ]
    assert "conformal_levels.csv" in refused(made[0], "--stats", "mean,q25", artefact=folder)[0]


@pytest.mark.parametrize(("words", "why"), [(["--memory", "50MB"], "memory"), (["--scheduler", "tcp://127.0.0.1:9"], "scheduler")])
def test_a_place_that_cannot_do_it_leaves_no_folder(made, refused, words, why):
    assert why in refused(made[0], *words)[0]


def test_other_folders_are_left_alone(made, model, command, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for folder, why in ((tmp_path / "mine", "holds files that are not"), (made[1], "the folder of a run")):
        before = sorted(p.name for p in folder.rglob("*"))
        status, _, said = command("predict", model, "--covariates", made[0], "-o", folder)
        assert status == 2 and why in said
        assert sorted(p.name for p in folder.rglob("*")) == before
