"""Importance: known structure, families that stand in for each other, sums of shares, faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.forest import Settings, train
from edaphic.model.ranking import Task, rank
from edaphic.validate.importance import families_of, importance_table, impurity_of, joint_share


def made(seed: int = 1, n: int = 240, **more: object) -> Task:
    """bio1 and bio2 are all but the same and carry the target with slope; noise says nothing; two columns of a class, and depth."""
    random = np.random.default_rng(seed)
    bio = random.normal(size=n)
    rock = random.integers(0, 2, n)
    slope, noise, top = random.normal(size=n), random.normal(size=n), np.tile([0.0, 30.0], n // 2)
    x = np.column_stack([bio, bio + 0.05 * random.normal(size=n), slope, noise, rock, 1 - rock, top, top + 30])
    y = 3 * bio + slope + 0.5 * rock + 0.05 * top + random.normal(0, 0.3, n) + 20
    rows = np.arange(n)
    folds = [(rows[rows // 2 % 3 != k], rows[rows // 2 % 3 == k]) for k in range(3)]
    sources = ("bio1", "bio2", "slope", "noise", "rock", "rock", "top_cm", "bottom_cm")
    return Task(x.astype(np.float32), y, sources, folds, Settings(40), **more)  # type: ignore[arg-type]


FAMILIES = {"climate": ["bio*"], "relief": ["slope"], "geology": ["rock"]}


def test_shares_add_up_and_families_are_recomputed() -> None:
    table, notes = importance_table(made(), FAMILIES, repeats=2)
    for _, part in table.groupby(["measure", "level"]):
        assert part["share_pct"].sum() == pytest.approx(100)
    assert notes == ["covariates in no family, taken as 'other': noise"]
    families = table[(table["measure"] == "impurity") & (table["level"] == "family")].set_index("name")
    assert families["share_pct"].to_numpy() == pytest.approx(families["sum_of_members_pct"].to_numpy())
    assert families.loc["climate", "members"] == 2
    assert set(families.index) == {"climate", "relief", "geology", "other", "depth"}
    assert joint_share(table, ["climate", "relief"]) == pytest.approx(families.loc[["climate", "relief"], "share_pct"].sum())


def test_members_stand_in_for_each_other_under_permutation() -> None:
    table, _ = importance_table(made(), FAMILIES, by=["permutation"], repeats=3)
    alone = table[table["level"] == "covariate"].set_index("name")["importance"]
    together = table[table["level"] == "family"].set_index("name")["importance"]
    assert together["climate"] > 1.4 * (alone["bio1"] + alone["bio2"])
    assert together["relief"] == alone["slope"]
    assert table.loc[table["level"] == "family", "name"].iloc[0] == "climate"
    assert abs(alone["noise"]) < 0.05 * together["climate"]


def test_single_covariates_are_those_of_the_ranking() -> None:
    task = made()
    table, _ = importance_table(task, repeats=2)
    for measure in ("impurity", "permutation"):
        known = rank(task, by=measure, repeats=2).set_index("feature")["importance"]  # type: ignore[arg-type]
        ours = table[table["measure"] == measure].set_index("name")["importance"]
        if measure == "permutation":
            assert ours.loc[known.index].to_numpy() == pytest.approx(known.to_numpy())
        else:
            assert ours.loc[known.index].to_numpy() == pytest.approx(known.to_numpy(), abs=0.05)
            assert importance_table(task, by=["impurity"], repeats=1)[0].set_index("name")["importance"]["bio1"] == known["bio1"]


def test_bands_hold_the_mean_and_do_not_depend_on_workers() -> None:
    one, _ = importance_table(made(), FAMILIES, repeats=3)
    two, _ = importance_table(made(workers=2), FAMILIES, repeats=3)
    pd.testing.assert_frame_equal(one, two)
    assert (one["low"] <= one["high"]).all()
    assert (one["share_low_pct"] <= one["share_high_pct"]).all()
    assert set(one.loc[one["measure"] == "permutation", "repeats"]) == {9}


def test_without_depth() -> None:
    table, notes = importance_table(made(), FAMILIES, by=["impurity"], repeats=1, depth=False)
    whole, _ = importance_table(made(), FAMILIES, by=["impurity"], repeats=1)
    assert "depth" not in set(table["name"])
    assert table.groupby("level")["share_pct"].sum().to_numpy() == pytest.approx(100)
    assert "without depth" in notes[-1]
    alone, all_of = (some[some["level"] == "covariate"].set_index("name")["importance"] for some in (table, whole))
    assert alone.to_dict() == all_of.drop("depth").to_dict()


def test_logarithms_and_weights() -> None:
    task = made(log=True, weights=np.linspace(0.5, 2, 240))
    table, _ = importance_table(task, repeats=1)
    assert np.isfinite(table["importance"]).all()


def test_impurity_of_a_forest_that_is_there() -> None:
    task = made()
    forest = train(task.features, task.values, task.settings, log=False, seed=0)
    found = impurity_of(forest, task.sources)
    assert found.sum() == pytest.approx(100)
    assert found["rock"] == pytest.approx(100 * forest.importance[4:6].sum())
    assert list(found.index) == ["bio1", "bio2", "slope", "noise", "rock", "depth"]


def test_printed_shares_of_the_plateau_paper() -> None:
    """Climate 29.6 and palaeoclimate 18.5 % are 48.1 % together, not over 50; the five printed groups are 91.8 % of all."""
    printed = {"climate": 29.6, "topography": 20.9, "paleoclimate": 18.5, "vegetation": 12.4, "human": 10.4}
    table = pd.DataFrame({"measure": "impurity", "level": "family", "name": printed.keys(), "share_pct": printed.values()})
    assert joint_share(table, ["climate", "paleoclimate"]) == pytest.approx(48.1)
    assert joint_share(table, list(printed)) == pytest.approx(91.8)


def test_families_and_their_faults() -> None:
    found, notes = families_of(["bio1", "bio_lgm1", "x"], {"climate": ["bio*"], "past": ["bio_lgm1"], "soil": ["clay*"]})
    assert found == {"climate": ("bio1",), "past": ("bio_lgm1",), "other": ("x",)}
    assert notes == ["family 'soil': nothing fits 'clay*'", "covariates in no family, taken as 'other': x"]
    with pytest.raises(ModelError) as told:
        families_of(["bio1"], {"a": ["b*"], "b": ["bio*"], "other": ["q"]})
    assert told.value.faults == (
        "family 'other': a name of our own; expected another",
        "covariate 'bio1': fits the families a, b; expected one",
    )
    with pytest.raises(ModelError) as told:
        importance_table(made(), by=["gain"], repeats=0, level=1.0)  # type: ignore[list-item]
    assert len(told.value.faults) == 3
    table, _ = importance_table(made(), FAMILIES, by=["impurity"], repeats=1)
    with pytest.raises(ModelError, match="no family 'human'"):
        joint_share(table, ["human"])
    with pytest.raises(ModelError, match="stands twice"):
        joint_share(table, ["climate", "climate"])
