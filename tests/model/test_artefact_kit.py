"""The folder of a model holds what maps need, and what stands in it is of that model and as it was written."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.artefact import CovariateFacts, load_kit, save, save_kit
from edaphic.model.artefact_files import digest_of
from edaphic.model.features import Encoder
from edaphic.model.forest import Settings, train
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.validate.applicability import Applicability, fit_applicability

LAYERS = ((0.0, 30.0), (30.0, 60.0))
LEVELS = (0.05, 0.95)
FACTS = {"wet": CovariateFacts("continuous", "mm", {}, (), -2.0, 2.0), "rock": CovariateFacts("class", "", {3: "granite", 7: "sand"})}


def model_of(seed: int = 1) -> SoilModel:
    encoder = Encoder(("wet", "rock"), (("rock", (3, 7)),), True)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 5)).astype(np.float32)
    forest = train(x, np.exp(x[:, 0]), Settings(6, 1.0, 3), log=True, seed=seed)
    return SoilModel(
        "m", TARGETS["log_soc_density"], "3d", LAYERS, (0.0, 60.0), encoder, (forest,), Settings(6, 1.0, 3), seed,
        depth_correlation=np.array([[1.0, 0.4], [0.4, 1.0]]),
    )  # fmt: skip


def adjustments() -> pd.DataFrame:
    rows = [("profile", top, bottom, np.nan, 0.1 + top / 3e3, 0.2, 60) for top, bottom in (*LAYERS, (0.0, 60.0))]
    return pd.DataFrame(rows, columns=["design", "top_cm", "bottom_cm", "zone", "lower", "upper", "n"])


def by_level() -> pd.DataFrame:
    rows = [(top, bottom, np.nan, level, 0.01) for top, bottom in (*LAYERS, (0.0, 60.0)) for level in (0.25, 0.5, 0.75)]
    return pd.DataFrame(rows, columns=["top_cm", "bottom_cm", "zone", "level", "move"])


def where() -> Applicability:
    rng = np.random.default_rng(3)
    points = np.column_stack([rng.normal(size=40), rng.integers(0, 2, 40), rng.integers(0, 2, 40)])
    return fit_applicability(points, [1.0, 0.5, 0.0], rng.integers(0, 4, 40), ["wet", "rock=3", "rock=7"])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run's evidence and the folder of its model."""
    place = tmp_path_factory.mktemp("kit")
    folder = place / "m"
    folder.mkdir()
    save(model_of(), folder, {"edaphic": "0"}, (), FACTS)
    tables = {"conformal.csv": adjustments(), "conformal_levels.csv": by_level()}
    for name, table in tables.items():
        table.to_csv(place / name, index=False, lineterminator="\n")
    save_kit(folder, folder, LEVELS, {name: place / name for name in tables}, where().to_arrays())
    return folder


@pytest.fixture
def copy(written, tmp_path):
    return shutil.copytree(written, tmp_path / "copy")


def resign(folder, **changes) -> None:
    """A forged kit: its hashes are right."""
    path = folder / "kit.json"
    document = json.loads(path.read_text()) | changes
    document["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in document["files"]}
    path.write_text(json.dumps(document | {"sha256": digest_of(document)}))


def refused(folder) -> str:
    with pytest.raises(ModelError) as caught:
        load_kit(folder)
    assert len(caught.value.faults) == 1
    return caught.value.faults[0]


def test_a_kit_comes_back_as_it_was(written):
    kit = load_kit(written)
    assert kit.levels == LEVELS and kit.covariates == FACTS and kit.provenance == {"edaphic": "0"}
    pd.testing.assert_frame_equal(kit.adjustments, adjustments())
    pd.testing.assert_frame_equal(kit.level_adjustments, by_level())
    again = Applicability.from_arrays(kit.applicability)
    for name, array in where().to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], array, err_msg=name)
    assert kit.sha256 == hashlib.sha256((written / "forest.npz").read_bytes()).hexdigest()


def test_a_kit_may_lack_what_only_some_maps_need(written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "few")
    for name in ("kit.json", "conformal_levels.csv", "applicability.npz"):
        (folder / name).unlink()
    save_kit(folder, folder, LEVELS, {"conformal.csv": written.parent / "conformal.csv"}, None)
    kit = load_kit(folder)
    assert kit.applicability is None and len(kit.level_adjustments) == 0
    assert list(kit.level_adjustments) == ["top_cm", "bottom_cm", "zone", "level", "move"]


def test_a_model_without_evidence_is_told_so(copy):
    (copy / "kit.json").unlink()
    assert "expected a model whose evidence is finished" in refused(copy)


def test_a_kit_of_another_model_is_refused(copy):
    save(model_of(2), copy, {})
    assert "belongs to another model" in refused(copy)


def test_a_folder_that_is_not_there_is_told_so(tmp_path):
    assert "no such folder" in refused(tmp_path / "none")


@pytest.mark.parametrize("file", ["kit.json", "conformal.csv", "conformal_levels.csv", "applicability.npz"])
def test_bytes_that_change_and_files_cut_short_are_noticed(copy, file):
    path, true = copy / file, (copy / file).read_bytes()
    rng = np.random.default_rng(1)
    first = load_kit(copy)
    found = 0
    for place in rng.integers(0, len(true), 40):
        spoilt = bytearray(true)
        spoilt[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        try:
            kit = load_kit(copy)
        except ModelError as fault:
            assert len(fault.faults) == 1
            found += 1
        else:
            assert file == "kit.json" and kit.levels == first.levels
            pd.testing.assert_frame_equal(kit.adjustments, first.adjustments)
    assert found == 40 if file != "kit.json" else found > 20
    for length in [0, 1, *rng.integers(0, len(true) - 2, 10)]:
        path.write_bytes(true[:length])
        refused(copy)
    path.unlink()
    refused(copy)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("conformal.csv", lambda t: t[t["top_cm"] > 0], "nothing for 0-30 cm"),
        ("conformal.csv", lambda t: t.assign(zone=3.0), "nothing for 0-30 cm"),
        ("conformal.csv", lambda t: t.assign(lower=np.nan), "no numbers"),
        ("conformal.csv", lambda t: t.assign(upper=np.inf), "no numbers"),
        ("conformal.csv", lambda t: t.assign(upper="=cmd()"), "no table of adjustments"),
        ("conformal.csv", lambda t: t.drop(columns="lower"), "no table of adjustments"),
        ("conformal.csv", lambda t: t[:0], "nothing for 0-30 cm"),
        ("conformal_levels.csv", lambda t: t.assign(level=1.0), "levels outside"),
        ("conformal_levels.csv", lambda t: t.assign(move=1e300), "no numbers"),
    ],
)
def test_forged_tables_are_refused(copy, name, change, why):
    change(pd.read_csv(copy / name)).to_csv(copy / name, index=False)
    resign(copy)
    assert why in refused(copy)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"a,b\n1,2,3,4\n", b'"' * 999, b"top_cm\n" + b"1e" * 50])
def test_tables_that_are_none_are_refused(copy, data):
    (copy / "conformal.csv").write_bytes(data)
    resign(copy)
    refused(copy)


def test_a_forged_area_of_applicability_is_refused(copy):
    with np.load(copy / "applicability.npz") as archive:
        true = dict(archive)
    wrong = {
        "columns": [true["columns"] + 9, true["columns"] - 9, true["columns"][:1], true["columns"] * 0],
        "scale": [true["scale"] * 0, true["scale"] * np.nan, true["scale"][:1]],
        "centre": [true["centre"] * np.inf],
        "weights": [-true["weights"]],
        "points": [true["points"][:, :1], true["points"][:3], true["points"] * np.nan, true["points"][0]],
        "mean_distance": [np.array(0.0), np.array(np.nan), np.zeros(2)],
        "threshold": [np.array(-1.0), np.array(np.inf)],
        "train_di": [true["train_di"][:2], true["train_di"].astype("<f4")],
    }
    for name, arrays in wrong.items():
        for array in arrays:
            np.savez(copy / "applicability.npz", **(true | {name: array}))
            resign(copy)
            refused(copy)
    np.savez(copy / "applicability.npz", **true)
    for names in ([], ["wet"], ["wet", "rock=3", "rock=9"], None, [1, 2, 3]):
        resign(copy, names=names)
        refused(copy)
    resign(copy, names=["wet", "rock=3", "rock=7"])
    load_kit(copy)


@pytest.mark.parametrize("levels", [None, [0.05], [0.95, 0.05], [0.0, 1.0], [0.05, "x"], [0.05, 0.5, 0.95]])
def test_forged_levels_are_refused(copy, levels):
    resign(copy, levels=levels)
    refused(copy)


def test_a_kit_that_names_files_elsewhere_does_not_read_them(copy, tmp_path):
    document = json.loads((copy / "kit.json").read_text())
    document["files"] = {"../conformal.csv": "0", "/etc/passwd": "0"}
    (copy / "kit.json").write_text(json.dumps(document | {"sha256": digest_of(document)}))
    assert "not those of a kit" in refused(copy)
