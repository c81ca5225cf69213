"""Held-back rows predicted, importance by shuffling, and tables of scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.fit import TARGETS, TrainingTable, answer, fit
from edaphic.model.forest import Settings
from edaphic.model.traverse import Wish
from edaphic.model.zones import ZonedModel, ask, reply_all
from edaphic.validate.crossval import (
    LEVELS,
    by_layer,
    is_whole,
    level_name,
    permutation_importance,
    predict_rows,
    score_groups,
    score_table,
)
from edaphic.validate.metrics import scores

LAYERS, WHOLE, LEVELS_OF_LIMITS = ((0.0, 30.0), (30.0, 60.0)), (0.0, 60.0), (0.05, 0.95)
KINDS = {"wet": "continuous", "noise": "continuous", "rock": "class"}


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(8)
    ids = [f"p{i}" for i in range(80)]
    points = pd.DataFrame(
        {"wet": rng.normal(size=80), "noise": rng.normal(size=80), "rock": rng.integers(1, 3, 80).astype(float)}, index=ids
    )
    density = np.exp(2 + 0.6 * points["wet"] + 0.1 * rng.normal(size=80)).to_numpy()
    return TrainingTable(
        np.array(ids * 3, dtype=object), np.repeat([0, 1, 2], 80), np.concatenate([density, density / 2, density * 0.75]), 0,
        np.ones(240), np.full(240, 0.1),
    ), points  # fmt: skip


def model_of(world, form="3d", target="log_soc_density", seed=1):
    table, points = world
    told = {"name": "m", "target": TARGETS[target], "form": form, "layers": LAYERS, "whole": WHOLE, "seed": seed}
    return fit(table, points, KINDS, settings=Settings(20, 1.0, 3), **told)


@pytest.mark.parametrize("form", ["3d", "layers"])
@pytest.mark.parametrize("target", ["log_soc_density", "soc_density", "soc_stock"])
def test_rows_are_answered_in_the_unit_of_the_map(world, form, target):
    table, points = world
    model = model_of(world, form, target)
    said = predict_rows(model, table, points, LEVELS_OF_LIMITS, table)
    factor = 0.3 if target.endswith("density") else 1.0
    top = said[said["bottom_cm"] == 30]
    np.testing.assert_allclose(top["observed"], table.values[:80] * factor)
    expected = table.sd[:80] * (table.values[:80] if target.startswith("log") else 1) * factor
    np.testing.assert_allclose(top["error_sd"], expected)
    features = model.encoder.transform(points[list(model.covariates)].to_numpy())
    own = answer(model, features, 0, (0.05, 0.5, 0.95))
    np.testing.assert_array_equal(top["predicted"], own.mean)
    np.testing.assert_array_equal(top[["q05_raw", "q50", "q95_raw"]].to_numpy(), own.quantiles)
    np.testing.assert_array_equal(top[level_name(0.05)], top["q05_raw"])
    np.testing.assert_allclose(top["layer_mean"], table.values[:80].mean() * factor)


def test_the_whole_is_the_sum_of_its_layers(world):
    said = predict_rows(model_of(world), world[0], world[1], LEVELS_OF_LIMITS, world[0])
    parts = [said.loc[said["bottom_cm"] == bottom, "predicted"].to_numpy() for bottom in (30, 60)]
    whole = is_whole(said, WHOLE)
    below = said.loc[(said["top_cm"] == 30), "predicted"].to_numpy()
    np.testing.assert_allclose(said.loc[whole, "predicted"], parts[0] + below)
    assert not is_whole(said, None).any()


@pytest.mark.parametrize("form", ["3d", "layers"])
@pytest.mark.parametrize("target", ["log_soc_density", "soc"])
def test_the_whole_is_answered_as_in_the_maps(world, form, target):
    """What is scored and calibrated is what maps show: one pass over all depths, joint realisations and all."""
    model = model_of(world, form, target)
    said = predict_rows(model, *world, LEVELS_OF_LIMITS, world[0])
    cells = world[1][list(model.covariates)].to_numpy()
    maps = reply_all(ask(model, cells), Wish((0.05, 0.5, 0.95)))
    for i, (top, bottom) in enumerate(model.intervals):
        rows = said[(said["top_cm"] == top) & (said["bottom_cm"] == bottom)]
        for name, values in (("predicted", maps.mean), ("predicted_fit", maps.mean_fit), ("spread", maps.spread)):
            np.testing.assert_allclose(rows[name], values[i], rtol=1e-9, err_msg=f"{name} {i}")
        np.testing.assert_allclose(rows[["q05_raw", "q50", "q95_raw"]], maps.quantiles[i], rtol=1e-9)


def test_quantiles_rise_and_may_be_left_out(world):
    table, points = world
    model = model_of(world)
    said = predict_rows(model, table, points, LEVELS_OF_LIMITS, table)
    curves = said[[level_name(level) for level in LEVELS]].to_numpy()
    assert (np.diff(curves, axis=1) >= 0).all() and np.isfinite(curves).all()
    plain = predict_rows(model, table, points, LEVELS_OF_LIMITS, table, quantiles=False)
    assert set(said.columns) - set(plain.columns) == {"q05_raw", "q50", "q95_raw", *map(level_name, LEVELS)}
    pd.testing.assert_frame_equal(plain, said[list(plain.columns)])


def test_threads_change_no_bit(world):
    one, two = (predict_rows(model_of(world), *world, LEVELS_OF_LIMITS, world[0], workers=n) for n in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_rows_of_a_zone_are_answered_by_its_model(world):
    table, points = world
    own, base = model_of(world, seed=9), model_of(world)
    zoned = ZonedModel("rock", ((1, own),), base, ((1, 40), (2, 40)))
    said, one, two = (predict_rows(m, table, points, LEVELS_OF_LIMITS, table) for m in (zoned, own, base))
    inside = (points.loc[said["profile_id"], "rock"] == 1).to_numpy()
    pd.testing.assert_frame_equal(said[inside], one[inside])
    pd.testing.assert_frame_equal(said[~inside], two[~inside])


def test_a_layer_that_training_lacks_is_one_line(world):
    table, points = world
    upper = table.take(np.flatnonzero(table.interval == 0))
    with pytest.raises(ModelError, match=r"layer 30-60: a fold leaves no training profile"):
        predict_rows(model_of(world), table, points, LEVELS_OF_LIMITS, upper)


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_what_is_shuffled_counts_where_it_matters(world, form):
    table, points = world
    found = permutation_importance(model_of(world, form), table, points, 1).set_index("feature")["rmse_increase"]
    assert list(found.index) == ["wet", "noise", "rock", *(["depth"] if form == "3d" else [])]
    assert found["wet"] > 0.2 and abs(found["noise"]) < 0.1 * found["wet"]
    if form == "3d":
        assert found["depth"] > 0.2
    again = permutation_importance(model_of(world, form), table, points, 1, workers=2).set_index("feature")["rmse_increase"]
    pd.testing.assert_series_equal(found, again, check_exact=True)


def test_the_zone_is_shuffled_as_any_covariate(world):
    table, points = world
    points = points.assign(half=np.where(points["wet"] > 0, 1.0, 2.0))
    dry = table.take(np.flatnonzero(points.loc[list(table.profile_id), "half"] == 2))
    rest = table.take(np.flatnonzero(points.loc[list(table.profile_id), "half"] == 1))
    blind = {"name": "m", "target": TARGETS["log_soc_density"], "form": "3d", "layers": LAYERS, "whole": WHOLE, "seed": 1}
    own, base = (fit(some, points[["noise"]], KINDS, settings=Settings(10), **blind) for some in (dry, rest))
    zoned = ZonedModel("half", ((2, own),), base, ((1, 40), (2, 40)))
    found = permutation_importance(zoned, table, points, 1).set_index("feature")["rmse_increase"]
    assert list(found.index) == ["noise", "half", "depth"] and found["half"] > 0.1 > abs(found["noise"])


# Scores ---------------------------------------------------------------------------------------------------------------


def held(world) -> pd.DataFrame:
    said = predict_rows(model_of(world), *world, LEVELS_OF_LIMITS, world[0])
    return said.assign(group=said["profile_id"])


def test_scores_are_those_of_the_rows_on_both_scales(world):
    table = held(world)
    table["error_sd"] = 0.01 * table["observed"]
    found = score_table(table, TARGETS["log_soc_density"], WHOLE, 30, 1)
    assert found["layer"].unique().tolist() == ["all layers", "0-30 cm", "30-60 cm", "whole 0-60 cm"]
    assert found["scale"].tolist() == ["natural", "log"] * 4 and found["unit"].tolist() == ["kg/m2", "ln(kg/m2)"] * 4
    first, log = found.iloc[0], found.iloc[1]
    single = table[~is_whole(table, WHOLE)]
    by_hand = scores(single["observed"], single["predicted"], error_sd=single["error_sd"])
    for name in ("bias", "rmse", "mec", "rmse_net", "mec_net"):
        assert first[name] == pytest.approx(by_hand[name])
    on_logs = scores(np.log(single["observed"]), single["predicted_fit"], error_sd=0.01)
    assert log["rmse"] == pytest.approx(on_logs["rmse"]) and log["rmse_net"] == pytest.approx(on_logs["rmse_net"])
    assert first["n"] == 160 and first["n_profiles"] == 80 and first["crps"] > 0 and np.isnan(log["crps"])
    assert (found["rmse_low"] <= found["rmse"]).all() and (found["rmse"] <= found["rmse_high"]).all()


def test_errors_that_would_explain_most_of_the_misfit_leave_no_net_scores(world):
    """Such errors are shared by neighbours, or too large: a perfect map would be claimed."""
    table = held(world)
    rmse = np.sqrt(np.mean((table["predicted"] - table["observed"]) ** 2))
    found = score_table(table.assign(error_sd=3 * rmse), TARGETS["log_soc_density"], WHOLE, 10, 1)
    assert found.loc[found["scale"] == "natural", ["rmse_net", "mec_net"]].isna().all(axis=None)


def test_errors_that_are_not_known_leave_no_net_scores(world):
    found = score_table(held(world).assign(error_sd=0.0), TARGETS["log_soc_density"], WHOLE, 10, 1)
    assert found[["rmse_net", "mec_net"]].isna().all(axis=None)


def test_the_mean_of_the_layer_scores_nothing_within_it(world):
    found = score_table(held(world), TARGETS["log_soc_density"], WHOLE, 10, 1).query("scale == 'natural'").set_index("layer")
    np.testing.assert_allclose(found.loc[["0-30 cm", "30-60 cm"], "mec_layer_mean"], 0, atol=1e-12)
    assert found.loc["all layers", "mec_layer_mean"] > 0.1


def test_groups_of_one_row_are_left_out(world):
    table = held(world)
    alone, some = np.arange(len(table)) == 3, table["profile_id"].isin(["p1", "p2", "p3"]).to_numpy()
    found = score_groups(table, [("alone", alone), ("some", some)], TARGETS["log_soc_density"], 10, 1)
    assert found["group"].tolist() == ["some"] and found["n"].tolist() == [9] and "layer" not in found
    assert score_groups(table, [("alone", alone)], TARGETS["log_soc_density"], 10, 1).empty


def test_layers_are_told_apart_from_the_whole(world):
    parts = by_layer(held(world), WHOLE)
    assert [(name, len(part)) for name, part in parts] == [("all layers", 160), ("0-30 cm", 80), ("30-60 cm", 80), ("whole 0-60 cm", 80)]
    assert [name for name, _ in by_layer(held(world), None)][:2] == ["all layers", "0-30 cm"]
