"""From rows to a model: screens, search, tuning and fit in their order; nothing but the training rows is looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.fit import TARGETS, TrainingTable, answer
from edaphic.model.forest import Settings, train_oob
from edaphic.model.learning import Learner, Searching, encoded, learn, refit
from edaphic.model.zones import ZonedModel

LAYERS = ((0.0, 30.0), (30.0, 60.0))
KINDS = {"wet": "continuous", "twin": "continuous", "noise": "continuous", "rock": "class", "flat": "continuous"}


def landscape(profiles: int = 90, seed: int = 3) -> tuple[TrainingTable, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = [f"p{i}" for i in range(profiles)]
    wet = rng.normal(size=profiles)
    points = pd.DataFrame(
        {"wet": wet, "twin": wet + 1e-3 * rng.normal(size=profiles), "noise": rng.normal(size=profiles),
         "rock": rng.integers(1, 4, profiles).astype(float), "flat": 1.0}, index=ids,
    )  # fmt: skip
    value = np.exp(1.0 + 0.6 * wet + 0.3 * (points["rock"] == 2) + 0.05 * rng.normal(size=profiles)).to_numpy()
    rows = 3 * profiles
    return TrainingTable(
        np.array(ids * 3, dtype=object),
        np.repeat([0, 1, 2], profiles),
        np.concatenate([value, value / 2, value * 0.75]),
        0,
        np.ones(rows),
        np.zeros(rows),
    ), points


def learner(**more: object) -> Learner:
    plain = Learner(
        kinds=KINDS,
        name="m",
        target=TARGETS["log_soc_density"],
        form="3d",
        layers=LAYERS,
        whole=(0.0, 60.0),
        candidates=(Settings(10, 1 / 3, 5), Settings(10, 1.0, 2)),
        trees=15,
        seed=1,
        workers=1,
    )
    return replace(plain, **more)


class Halves:
    """Two folds by profile; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, TrainingTable]] = []

    def __call__(self, job: str, table: TrainingTable) -> list[tuple[np.ndarray, np.ndarray]]:
        self.asked.append((job, table))
        half = np.array([int(name[1:]) % 2 for name in table.profile_id])
        return [(np.flatnonzero(half != k), np.flatnonzero(half == k)) for k in (0, 1)]


def test_each_step_stands_in_its_table():
    table, points = landscape()
    split = Halves()
    said: list[str] = []
    found = learn(learner(vif=10.0), table, points, split, lambda text, done, total: said.append(text))
    assert found.selection["feature"].tolist() == list(points.columns)
    assert {"kept", "reason", "correlated_with", "r", "vif", "step", "target_derived"} <= set(found.selection.columns)
    chosen = found.selection.set_index("feature")
    assert chosen.loc["flat", "reason"] == "the same value at all profiles"
    assert chosen.loc[["wet", "twin"], "kept"].sum() == 1 and chosen.loc[["noise", "rock"], "kept"].all()
    assert found.kept == tuple(chosen.index[chosen["kept"]])
    assert found.steps["step"].tolist() == ["all covariates", "after |r| > 0.95", "after VIF >= 10"]
    assert found.steps["covariates"].tolist() == [5, 3, 3] and set(found.steps["scale"]) == {"log"}
    # The same covariates have the same score, and a copy and a constant add nothing to speak of.
    assert found.steps["rmse"].iloc[1] == found.steps["rmse"].iloc[2]
    assert found.steps["mec"].gt(0.6).all()
    assert found.tuning["chosen"].sum() == 1 and found.tuning["candidate"].tolist() == [0, 1]
    best = found.tuning.loc[found.tuning["chosen"], "min_samples_leaf"].iloc[0]
    assert found.settings.min_samples_leaf == best and found.tuning["score"].idxmin() == found.tuning["chosen"].idxmax()
    assert found.settings.trees == 15 and found.model.forests[0].trees == 15
    assert found.searched.empty and found.notes == ()
    assert said[0].startswith("accuracy") and said[-1] == "growing 15 trees"
    assert [job for job, _ in split.asked] == ["tune"]


def test_choices_rest_on_the_layers_and_the_whole_repeats_them():
    table, points = landscape()
    split = Halves()
    learn(learner(searching=Searching("forward", trees=5)), table, points, split)
    assert [job for job, _ in split.asked] == ["tune", "select"]
    assert all(set(rows.interval) == {0, 1} for _, rows in split.asked)


@pytest.mark.parametrize("method", ["exhaustive", "forward", "backward"])
def test_a_search_finds_what_counts(method):
    table, points = landscape()
    found = learn(learner(searching=Searching(method, best=3, trees=20), protected=("noise",)), table, points, Halves())
    assert "noise" in found.kept and {"wet", "twin"} & set(found.kept)
    assert found.steps["step"].iloc[-1] == f"after {method} search" and found.steps["covariates"].iloc[-1] == len(found.kept)
    assert found.searched["chosen"].sum() == 1
    gone = found.selection[found.selection["reason"].str.startswith("not in the best set")]
    assert not gone["kept"].any()


def test_nothing_but_the_training_rows_is_looked_at():
    """Profiles that do not train may have any covariates at all, even none."""
    table, points = landscape()
    inside = np.flatnonzero([int(name[1:]) < 60 for name in table.profile_id])
    ours = learn(learner(encoding="ordered"), table.take(inside), points, Halves())
    wild = points.copy()
    wild.iloc[60:] = np.nan
    theirs = learn(learner(encoding="ordered"), table.take(inside), wild, Halves())
    pd.testing.assert_frame_equal(ours.tuning, theirs.tuning)
    pd.testing.assert_frame_equal(ours.steps, theirs.steps)
    for one, other in zip(ours.model.forests, theirs.model.forests, strict=True):
        np.testing.assert_array_equal(one.leaf_mean, other.leaf_mean)


def test_the_same_choices_fitted_again_are_the_same_model():
    table, points = landscape()
    found = learn(learner(), table, points, Halves())
    again, notes = refit(learner(), table, points, found.kept, found.settings)
    assert notes == []
    for one, other in zip(found.model.forests, again.forests, strict=True):
        np.testing.assert_array_equal(one.threshold, other.threshold)
        np.testing.assert_array_equal(one.leaf_mean, other.leaf_mean)
    one, two = (learn(learner(workers=n), table, points, Halves()) for n in (1, 2))
    pd.testing.assert_frame_equal(one.tuning, two.tuning)
    np.testing.assert_array_equal(one.model.forests[0].leaf_mean, two.model.forests[0].leaf_mean)


def test_accuracies_choose_nothing():
    table, points = landscape()
    with_it, without = (learn(learner(), table, points, Halves(), accuracy=told) for told in (True, False))
    assert without.steps.columns.tolist() == ["step", "covariates"]
    assert with_it.kept == without.kept and with_it.settings == without.settings
    np.testing.assert_array_equal(with_it.model.forests[0].leaf_mean, without.model.forests[0].leaf_mean)


def test_trees_that_are_tuned_are_those_of_the_model():
    table, points = landscape()
    some = (Settings(3), Settings(12))
    found = learn(learner(candidates=some), table, points, Halves())
    assert found.settings in some and found.model.forests[0].trees == found.settings.trees


def test_covariates_made_of_carbon_are_flagged_or_dropped():
    table, points = landscape()
    points = points.assign(total_n=points["noise"])
    kinds = {**KINDS, "total_n": "continuous"}
    flagged = learn(learner(kinds=kinds), table, points, Halves()).selection.set_index("feature")
    assert flagged.loc["total_n", "target_derived"] and (flagged.drop(index="total_n")["target_derived"] == "").all()
    dropped = learn(learner(kinds=kinds, drop_derived=True), table, points, Halves())
    row = dropped.selection.set_index("feature").loc["total_n"]
    assert not row["kept"] and row["reason"].startswith("made of carbon")
    assert dropped.steps["step"].iloc[1] == "without those made of carbon"
    kept = learn(learner(kinds=kinds, drop_derived=True, protected=("total_n",)), table, points, Halves())
    assert "total_n" in kept.kept
    with pytest.raises(ModelError, match="all are made of carbon"):
        learn(learner(kinds=kinds, drop_derived=True), table, points[["total_n"]], Halves())


@pytest.mark.parametrize("zone", [None, "rock"])
def test_little_bags_are_those_of_the_model_and_of_no_trial(zone):
    table, points = landscape()
    plain = learn(learner(trees=20, zone=zone, fewest_in_zone=15), table, points, Halves())
    bagged = learn(learner(trees=20, zone=zone, fewest_in_zone=15, little_bags=5), table, points, Halves())
    pd.testing.assert_frame_equal(plain.tuning, bagged.tuning)
    parts = [bagged.model] if zone is None else [bagged.model.everywhere, *(part for _, part in bagged.model.models)]
    assert all(part.forests[0].bag == 5 and part.settings.little_bags == 5 and part.se_prior.shape == (3, 2) for part in parts)
    assert bagged.settings == plain.settings


def test_what_is_assumed_of_errors_of_layers_is_said_by_zone():
    table, points = landscape()
    # Upper layers of some profiles, lower layers of the others: no profile has both.
    number = np.array([int(name[1:]) for name in table.profile_id])
    apart = table.take(np.flatnonzero((table.interval == 0) & (number % 2 == 0) | (table.interval == 1) & (number % 2 == 1)))
    model, notes = refit(learner(zone="rock", fewest_in_zone=10), apart, points, ["wet"], Settings(10))
    assert (model.everywhere.depth_correlation == 1).all()
    assert "go together fully" in notes[0]
    assert all(note.startswith(f"rock {zone}: ") for note, (zone, _) in zip(notes[1:], model.models, strict=False))


# Weights --------------------------------------------------------------------------------------------------------------


def test_weights_of_rows_count_by_their_ratios_only():
    table, points = landscape()
    weight = np.where(table.values > np.median(table.values), 3.0, 1.0)
    ours, _ = refit(learner(weighting="rows"), replace(table, weight=weight), points, ["noise"], Settings(10))
    scaled, _ = refit(learner(weighting="rows"), replace(table, weight=4 * weight), points, ["noise"], Settings(10))
    plain, _ = refit(learner(), replace(table, weight=weight), points, ["noise"], Settings(10))
    np.testing.assert_allclose(ours.forests[0].leaf_mean, scaled.forests[0].leaf_mean)
    features = ours.encoder.transform(points[["noise"]].to_numpy())
    # Noise tells nothing: what is predicted is the mean of the rows, by weight.
    assert answer(ours, features.copy(), 0).mean.mean() > answer(plain, features.copy(), 0).mean.mean()


def test_weights_by_error_are_the_inverse_of_what_is_not_explained_and_the_error():
    table, points = landscape()
    sd = np.where(np.arange(len(table.values)) % 2 == 0, 0.05, 0.5)
    noisy = replace(table, sd=sd)
    how = learner(weighting="error")
    model, notes = refit(how, noisy, points, ["wet", "rock"], Settings(12))
    # The whole depth trains nothing, so it tells no weights either.
    single = noisy.take(np.flatnonzero(noisy.interval < 2))
    _, features = encoded(how, single, points[["wet", "rock"]])
    _, oob = train_oob(features, single.values, Settings(12), log=True, seed=1, workers=1)
    known = np.isfinite(oob)
    residual = np.mean((oob - np.log(single.values))[known] ** 2)
    rest = max(residual - np.mean(single.sd**2), residual / 10)
    ratio = (rest + 0.25) / (rest + 0.0025)
    assert notes == [f"weights: by the error of values; the largest weight is {ratio:.3g} times the smallest"]
    by_hand, _ = refit(learner(weighting="rows"), replace(table, weight=1 / (rest + sd**2)), points, ["wet", "rock"], Settings(12))
    np.testing.assert_allclose(model.forests[0].leaf_mean, by_hand.forests[0].leaf_mean, rtol=1e-9)


def test_without_errors_all_rows_count_alike():
    table, points = landscape()
    ours, notes = refit(learner(weighting="error"), table, points, ["wet"], Settings(10))
    plain, _ = refit(learner(), table, points, ["wet"], Settings(10))
    assert notes == ["weights: the error of no value is known; all rows count alike"]
    np.testing.assert_array_equal(ours.forests[0].leaf_mean, plain.forests[0].leaf_mean)


def test_weights_count_in_tuning_and_in_accuracies_too():
    table, points = landscape()
    weight = np.where(np.arange(len(table.values)) % 3 == 0, 10.0, 1.0)
    ours = learn(learner(weighting="rows"), replace(table, weight=weight), points, Halves())
    plain = learn(learner(), replace(table, weight=weight), points, Halves())
    assert not np.array_equal(ours.tuning["score"], plain.tuning["score"])
    assert not np.array_equal(ours.steps["rmse"], plain.steps["rmse"])


# Zones ----------------------------------------------------------------------------------------------------------------


def test_zones_get_models_of_their_own_and_the_rest_is_said():
    table, points = landscape()
    counts = points["rock"].astype(int).value_counts()
    fewest = int(counts.max())
    found = learn(learner(zone="rock", fewest_in_zone=fewest), table, points, Halves())
    assert isinstance(found.model, ZonedModel)
    assert dict(found.model.counts) == counts.to_dict()
    assert [zone for zone, _ in found.model.models] == sorted(counts.index[counts >= fewest])
    assert len(found.notes) == 1 and "too few profiles" in found.notes[0] and f"min_zone_profiles: {fewest}" in found.notes[0]


def test_one_zone_is_a_model_of_all_its_rows():
    table, points = landscape()
    points = points.assign(rock=2.0)
    found, _ = refit(learner(zone="rock", fewest_in_zone=10), table, points, ["wet"], Settings(10))
    (zone, own), = found.models
    assert zone == 2
    # The seeds differ, the rows do not.
    np.testing.assert_array_equal(own.forests[0].values, found.everywhere.forests[0].values)
