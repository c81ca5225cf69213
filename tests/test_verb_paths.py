"""``edaphic paths``: a table through the command line, the files that come of it, and calls that are refused with a line each."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MODEL = """\
latents:
  climate: [rain, heat]
  vegetation: {indicators: [ndvi, npp], mode: A, positive: ndvi}
  soil: [soc]
paths:
  vegetation: [climate]
  soil: [climate, vegetation]
bootstrap: 40
"""
FILES = ["bootstrap.csv", "crossloadings.csv", "discriminant.csv", "effects.csv", "inner_model.csv", "outer_model.csv", "paths.json"]


@pytest.fixture
def command(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    climate = rng.normal(size=120)
    green = 0.7 * climate + 0.6 * rng.normal(size=120)
    table = pd.DataFrame({"rain": climate + 0.3 * rng.normal(size=120), "heat": 0.5 * rng.normal(size=120) - climate})
    table = table.assign(ndvi=green + 0.3 * rng.normal(size=120), npp=green + 0.4 * rng.normal(size=120))
    table["soc"] = 10 + 2 * green + climate + rng.normal(size=120)
    table["layer"], table["profile"] = np.resize(["0-30", "30/100"], 120), np.arange(120) // 2
    table["use"] = np.resize(["crop", "wood"], 120)
    table.to_csv("points.csv", index=False)
    Path("model.yaml").write_text(MODEL)
    return partial(command, "paths")


def written(folder="out"):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_a_model(command):
    status, screen, _ = command("points.csv", "--model", "model.yaml", "-o", "out")
    assert status == 0 and "model: 120 rows" in screen and "soil: R2 0." in screen
    assert "climate: total -0." in screen  # one indicator of each sign: climate is turned, with a note
    assert written() == sorted([*FILES, "quality.csv", "scores.csv", "figures/paths.png", "figures/path_effects.png"])
    effects = pd.read_csv("out/effects.csv").set_index(["from", "to"]).loc[("climate", "soil")]
    inner = pd.read_csv("out/inner_model.csv").set_index(["from", "to"])["coefficient"]
    assert effects["indirect"] == pytest.approx(inner["climate", "vegetation"] * inner["vegetation", "soil"])
    assert effects["total_lower"] < effects["total"] < effects["total_upper"]
    told = json.loads(Path("out/paths.json").read_text())
    assert told["bootstrap"] == {"resamples": 40, "signs": "construct", "group": None, "level": 0.95, "seed": 1}
    assert told["models"][0]["rows"] == 120 and "Path diagram" in told["figures"]["figures/paths.png"]
    assert len(pd.read_csv("out/scores.csv")) == 120 and "'climate': as many indicators" in told["models"][0]["notes"][0]


def test_a_model_for_each_layer_from_parquet(command):
    pd.read_csv("points.csv").to_parquet("points.parquet")
    status, screen, _ = command("points.parquet", "--model", "model.yaml", "--by", "layer", "--bootstrap", 0, "-o", "out")
    assert status == 0 and "layer 0-30: 60 rows" in screen and "layer 30/100: 60 rows" in screen
    figures = [f"figures/path{kind}_{group}.png" for kind in ("s", "_effects") for group in ("0-30", "30_100")]
    assert written() == sorted([*FILES[1:], "quality.csv", "scores.parquet", *figures])
    assert pd.read_csv("out/inner_model.csv")["layer"].tolist() == ["0-30"] * 3 + ["30/100"] * 3
    assert "total_lower" not in pd.read_csv("out/effects.csv").columns


def test_the_same_call_writes_the_same_bytes(command):
    for folder, threads in (("one", 1), ("two", 2)):
        assert command("points.csv", "-m", "model.yaml", "--threads", threads, "-o", folder)[0] == 0
    assert written("one") == written("two")
    assert all(Path("one", name).read_bytes() == Path("two", name).read_bytes() for name in written("one"))
    assert command("points.csv", "-m", "model.yaml", "--seed", 9, "-o", "three")[0] == 0
    assert Path("one/bootstrap.csv").read_bytes() != Path("three/bootstrap.csv").read_bytes()


def test_a_second_call_leaves_nothing_of_the_first_but_what_is_not_its_own(command):
    assert command("points.csv", "-m", "model.yaml", "--by", "layer", "-o", "out")[0] == 0
    Path("out/mine.txt").write_text("kept")
    assert command("points.csv", "-m", "model.yaml", "--bootstrap", 0, "-o", "out")[0] == 0
    assert written() == sorted([*FILES[1:], "quality.csv", "scores.csv", "figures/paths.png", "figures/path_effects.png", "mine.txt"])


def test_the_template_is_a_model(command):
    status, screen, _ = command("--template")
    assert status == 0 and "latents:" in screen
    Path("template.yaml").write_text(screen)
    status, _, fault = command("points.csv", "-m", "template.yaml", "-o", "out")
    assert status == 2 and "no column 'mat_c' (indicator of 'climate')" in fault and "template.yaml" not in fault


def test_options_of_the_model(command):
    text = MODEL.replace("[rain, heat]", "[rain, heat, {name: use, as: dummies, reference: wood}]")
    Path("model.yaml").write_text(
        text.replace("bootstrap: 40", "bootstrap: {resamples: 20, group: profile}\nby: layer\nvif: 10\nscaled: false")
    )
    status, screen, said = command("points.csv", "-m", "model.yaml", "-o", "out")
    assert status == 0 and "layer 0-30" in screen and "screening.csv" in written()
    assert "crop: " not in screen and "use: every" not in said


REFUSED = [
    ("soil: [climate, vegetation]", "soil: [climate, soil]", "model.yaml:7: paths.soil: found the cycle soil -> soil; expected"),
    ("vegetation: [climate]", "vegetation: [soil]", "found the cycle"),
    ("vegetation: [climate]", "vegetation: [climat]", "paths.vegetation[0]: found the unknown latent 'climat'"),
    ("soil: [climate, vegetation]", "sol: [climate]", "model.yaml:7: paths.sol: found an unknown latent"),
    ("soil: [climate, vegetation]", "", "model.yaml:4: latents.soil: found a latent without a path"),
    ("[rain, heat]", "[]", "latents.climate.indicators: found an empty list; expected at least 1 entry"),
    ("[rain, heat]", "[rain, rain]", "latents.climate[1]: found 'rain' a second time (first in climate)"),
    ("soil: [soc]", "soil: [rain]", "model.yaml:4: latents.soil[0]: found 'rain' a second time"),
    ("mode: A", "mode: C", "latents.vegetation.mode: found 'C'; expected 'A' or 'B'"),
    ("positive: ndvi", "positive: evi", "latents.vegetation.positive: found 'evi'; expected an indicator of the block"),
    ("positive: ndvi", "sign: ndvi", "latents.vegetation.sign: found an unknown key; expected one of indicators, mode, positive"),
    ("[soc]", "[{name: soc, as: score}]", "latents.soil.indicators[0].as: found 'score'"),
    ("[soc]", "[{name: soc, as: scores}]", "found scores, and no rule for them; expected one of order, scores, mean_of"),
    ("[soc]", "[{name: soc, reference: a}]", "found reference of what is no dummy; expected 'as: dummies'"),
    ("[soc]", "[{name: use, as: scores, order: [crop]}]", "points.csv: column 'use': 'wood' without a score"),
    ("[soc]", "[use]", "points.csv: column 'use': found 'crop' (row 1, 120 such); expected numbers"),
    ("[soc]", "[carbon]", "points.csv: no column 'carbon' (indicator of 'soil')"),
    ("bootstrap: 40", "bootstrap: 4", "bootstrap.resamples: found 4; expected 0, or at least 20"),
    ("bootstrap: 40", "bootstrap: {group: pit}", "points.csv: no column 'pit' (bootstrap group)"),
    ("bootstrap: 40", "by: depth", "points.csv: no column 'depth' (by)"),
    ("bootstrap: 40", "scheme: pca", "scheme: found 'pca'"),
    ("bootstrap: 40", "vif: 1", "vif: found 1; expected a number above 1"),
    ("bootstrap: 40", "iterations: 1", "points.csv: iterations: the weights have not converged after 1"),
]


@pytest.mark.parametrize(("old", "new", "line"), REFUSED)
def test_refused(command, old, new, line):
    assert old in MODEL
    Path("model.yaml").write_text(MODEL.replace(old, new))
    status, screen, fault = command("points.csv", "-m", "model.yaml", "-o", "out")
    assert status == 2 and not screen and line in fault and "Traceback" not in fault
    assert not Path("out").exists()


def test_calls_that_are_refused(command):
    status, _, fault = command("points.csv")
    assert status == 2 and "paths: no --model MODEL.yaml; expected it" in fault and "paths: no -o DIR; expected it" in fault
    assert "model.yaml" in command("points.csv", "-m", "gone/model.yaml", "-o", "out")[2]
    assert "gone.csv" in command("gone.csv", "-m", "model.yaml", "-o", "out")[2]
    Path("taken").write_text("a file")
    assert "--out taken: found a file; expected a folder" in command("points.csv", "-m", "model.yaml", "-o", "taken")[2]
    Path("empty.yaml").write_text("")
    assert "found nothing; expected a path model" in command("points.csv", "-m", "empty.yaml", "-o", "out")[2]
    assert command("points.csv", "-m", "model.yaml", "--bootstrap", 3, "-o", "out")[0] == 2
    assert not Path("out").exists()


def test_a_constant_block_is_named_with_its_layer(command):
    table = pd.read_csv("points.csv")
    table.loc[table["layer"] == "0-30", "soc"] = 1.0
    table.to_csv("points.csv", index=False)
    status, _, fault = command("points.csv", "-m", "model.yaml", "--by", "layer", "-o", "out")
    assert status == 2 and "points.csv, layer 0-30: latents.soil: every indicator is constant (soc); expected" in fault
    assert not Path("out").exists()
