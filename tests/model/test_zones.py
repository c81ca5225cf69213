"""Models of zones: who answers where, and that they come back from the disk as they were."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.artefact import load, save
from edaphic.model.fit import TARGETS, SoilModel, TrainingTable, fit
from edaphic.model.forest import Settings
from edaphic.model.zones import ZonedModel, ask, reply, zone_codes, zones_with_enough

LAYERS = ((0.0, 30.0), (30.0, 60.0))
KINDS = {"wet": "continuous", "rock": "class"}


def rows_of(ids: list[str], value: np.ndarray) -> TrainingTable:
    n = len(ids)
    values = np.concatenate([value, value / 2])
    return TrainingTable(np.array(ids * 2, dtype=object), np.repeat([0, 1], n), values, 0, np.ones(2 * n), np.zeros(2 * n))


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(2)
    ids = [f"p{i}" for i in range(60)]
    rock = rng.integers(1, 4, 60).astype(float)
    points = pd.DataFrame({"wet": rng.normal(size=60), "rock": rock, "zone": np.repeat([3.0, 7.0], 30)}, ids)
    value = np.exp(1 + 0.5 * points["wet"] * np.where(points["zone"] == 3, 1, -1) + 0.1 * rng.normal(size=60)).to_numpy()
    return rows_of(ids, value), points


def model_of(table: TrainingTable, points: pd.DataFrame, seed: int, form: str = "3d", encoding: str = "onehot") -> SoilModel:
    return fit(
        table, points[["wet", "rock"]], KINDS, name="m", target=TARGETS["log_soc_density"], form=form, layers=LAYERS, whole=None,
        settings=Settings(8, 1.0, 3), seed=seed, encoding=encoding,
    )  # fmt: skip


def zoned(world, form: str = "3d", encoding: str = "onehot") -> ZonedModel:
    table, points = world
    own = np.flatnonzero(points.loc[list(table.profile_id), "zone"] == 3)
    return ZonedModel(
        "zone", ((3, model_of(table.take(own), points, 5, form, encoding)),), model_of(table, points, 1, form, encoding), ((3, 30), (7, 30))
    )


def cells_of(points: pd.DataFrame) -> np.ndarray:
    return points[["wet", "rock", "zone"]].to_numpy(copy=True)


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_each_cell_is_answered_by_the_model_of_its_zone(world, form):
    model = zoned(world, form)
    cells = cells_of(world[1])
    cells[-5:, 2] = 99  # a zone that nobody saw
    levels = (0.05, 0.5, 0.95)
    asked = ask(model, cells)
    assert sorted(np.concatenate([rows for _, rows, _ in asked.parts])) == list(range(len(cells)))
    for i in range(2):
        said = reply(asked, i, levels)
        for own, here in ((model.models[0][1], cells[:, 2] == 3), (model.everywhere, cells[:, 2] != 3)):
            alone = reply(ask(own, cells[here][:, :2]), i, levels)
            for name in ("mean", "mean_fit", "spread", "quantiles"):
                np.testing.assert_array_equal(getattr(said, name)[here], getattr(alone, name), err_msg=name)
    assert zone_codes(model, cells).tolist() == cells[:, 2].astype(int).tolist()
    assert zone_codes(model.everywhere, cells[:, :2]) is None


def test_order_of_rows_changes_no_bit(world):
    model, cells = zoned(world), cells_of(world[1])
    order = np.random.default_rng(1).permutation(len(cells))
    np.testing.assert_array_equal(reply(ask(model, cells), 0).mean[order], reply(ask(model, cells[order]), 0).mean)


def test_a_model_without_zones_of_its_own_is_the_model_of_all(world):
    base = zoned(world)
    empty = ZonedModel("zone", (), base.everywhere, base.counts)
    cells = cells_of(world[1])
    np.testing.assert_array_equal(reply(ask(empty, cells), 1).mean, reply(ask(base.everywhere, cells[:, :2]), 1).mean)
    assert len(ask(empty, cells[:0]).parts) == 0 and reply(ask(empty, cells[:0]), 0).mean.shape == (0,)


def test_the_zone_may_be_a_covariate_too(world):
    table, points = world
    known = points.rename(columns={"rock": "zone", "zone": "rock"})
    base = fit(
        table, known[["wet", "zone"]], {"wet": "continuous", "zone": "class"}, name="m", target=TARGETS["soc_stock"], form="3d",
        layers=LAYERS, whole=None, settings=Settings(5), seed=1,
    )  # fmt: skip
    model = ZonedModel("zone", (), base, ())
    assert model.covariates == ("wet", "zone")
    assert (model.name, model.form, model.layers, model.intervals, model.whole) == ("m", "3d", LAYERS, LAYERS, None)


def test_zones_need_profiles_and_rows_that_differ():
    ids = [f"p{i}" for i in range(45)]
    zone = pd.Series([1.0] * 20 + [2.0] * 15 + [3.0] * 10, index=ids)
    value = np.arange(1.0, 46.0)
    table = rows_of(ids, value)
    assert zones_with_enough(table, zone, 2, 10) == ([1, 2, 3], {1: 20, 2: 15, 3: 10})
    assert zones_with_enough(table, zone, 2, 15)[0] == [1, 2]
    # Fifteen profiles with nine rows of the lower layer, or with one value, have no model.
    few = table.take(np.r_[0:45, 45:65, 65:74, 80:90])
    assert zones_with_enough(few, zone, 2, 10)[0] == [1, 3]
    same = rows_of(ids, np.where(np.arange(45) < 20, 5.0, value))
    assert zones_with_enough(same, zone, 2, 10)[0] == [2, 3]
    # One profile in a zone is counted, and has none.
    alone = zone.copy()
    alone.iloc[0] = 9.0
    enough, counts = zones_with_enough(table, alone, 2, 10)
    assert counts[9] == 1 and 9 not in enough


# On the disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["onehot", "ordered"])
@pytest.mark.parametrize("form", ["3d", "layers"])
def test_zoned_models_come_back_bit_for_bit(world, tmp_path, form, encoding):
    model = zoned(world, form, encoding)
    save(model, tmp_path, {"note": "test"}, ["one more line"])
    again = load(tmp_path)
    assert isinstance(again, ZonedModel)
    assert (again.zone, again.counts, again.covariates) == (model.zone, model.counts, model.covariates)
    assert [code for code, _ in again.models] == [3]
    assert again.everywhere.encoder == model.everywhere.encoder and again.models[0][1].encoder == model.models[0][1].encoder
    assert (again.models[0][1].seed, again.everywhere.seed) == (5, 1)
    cells = cells_of(world[1])
    cells[:4, 1] = 77  # a class that nobody saw
    for i in range(2):
        one, two = (reply(ask(m, cells), i, (0.05, 0.5, 0.95)) for m in (model, again))
        for name in ("mean", "mean_fit", "spread", "quantiles"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    card = (tmp_path / "card.md").read_text()
    assert "Zones of `zone` with a model of their own: 3 (30 profiles); too few profiles for one of their own: 7 (30)" in card
    assert "- one more line" in card
    with np.load(tmp_path / "forest.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "iufb" for name in arrays.files)


def spoil_json(change):
    def spoil(folder):
        told = json.loads((folder / "model.json").read_text())
        change(told)
        (folder / "model.json").write_text(json.dumps(told))

    return spoil


def spoil_arrays(name, change):
    def spoil(folder):
        with np.load(folder / "forest.npz") as arrays:
            held = dict(arrays)
        held[name] = change(held[name])
        np.savez(folder / "forest.npz", **held)

    return spoil


SPOILT = {
    "an earlier format": (spoil_json(lambda told: told.update(format=1)), "format 1, made by an older version"),
    "no target of that name": (spoil_json(lambda told: told.update(target="gold")), "altered or damaged"),
    "no model of all": (spoil_json(lambda told: told["parts"].pop("all")), "altered or damaged"),
    "a zone that is no number": (spoil_json(lambda told: told["parts"].update(zone_x=told["parts"].pop("zone_3"))), "altered or damaged"),
    "a list": (lambda folder: (folder / "model.json").write_text("[]"), "not a readable document"),
    "half a file": (lambda folder: (folder / "forest.npz").write_bytes((folder / "forest.npz").read_bytes()[:900]), "altered or cut short"),
    "children outside": (spoil_arrays("zone_3_0_right", lambda a: a + 10**6), "altered or cut short"),
    "features outside": (spoil_arrays("zone_3_0_feature", lambda a: np.where(a >= 0, 50, a).astype(a.dtype)), "altered or cut short"),
    "members outside": (spoil_arrays("all_0_member_rank", lambda a: a + 10**6), "altered or cut short"),
    "no roots": (spoil_arrays("all_0_roots", lambda a: a[:0]), "altered or cut short"),
    "fractions for indices": (spoil_arrays("all_0_left", lambda a: a + 0.5), "altered or cut short"),
    "a table for a column": (spoil_arrays("all_0_threshold", lambda a: a[:, None]), "altered or cut short"),
    "words": (spoil_arrays("all_0_values", lambda a: a.astype(str)), "altered or cut short"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_files_are_one_line(world, tmp_path, name):
    spoil, expected = SPOILT[name]
    save(zoned(world), tmp_path, {})
    spoil(tmp_path)
    with pytest.raises(ModelError, match=expected) as caught:
        load(tmp_path)
    assert len(caught.value.faults) == 1
