"""Canaries: skill where there is none to be had. A scheme that reports some leaks; a scheme that is honest reports none.

Each is judged over several worlds, for a single one scatters; the tolerances follow from that scatter.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from edaphic.model.forest import Settings, train
from edaphic.model.traverse import predict
from edaphic.validate.designs import ProfileFolds, RandomFolds, places
from edaphic.virtual.survey import Survey, send
from edaphic.virtual.world import Nature, World, make

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
FOREST = Settings(trees=60)
WORLDS = 6
# Nothing that a covariate shows, and no field: all variance is the pit's own, which its layers share, and the error of measurement.
PROFILE_EFFECT = Nature(shape=(60, 60), residual_share=0.0, profile_share=1.0, measurement_cv=0.1)
LAYERS = ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 40.0))


def layered(world: World, seed: int) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """200 profiles of four layers, and the logarithm of their stocks less its mean over the depth: depth itself explains nothing."""
    table = send(world, Survey(profiles=200, layers_cm=LAYERS), seed)
    log = np.log(table["observed"])
    return table, (log - log.groupby(table["top_cm"]).transform("mean")).to_numpy()


def mec(features: NDArray[np.float32], values: NDArray[np.float64], folds: Folds, seed: int) -> float:
    """Model efficiency of out-of-fold predictions, against the mean of the training rows."""
    wrong = known = 0.0
    for inside, outside in folds:
        forest = train(features[inside], values[inside], FOREST, log=False, seed=seed)
        wrong += float(np.sum((predict(forest, features[outside]).mean - values[outside]) ** 2))
        known += float(np.sum((values[inside].mean() - values[outside]) ** 2))
    return 1 - wrong / known


@pytest.mark.slow
def test_layers_of_one_profile_on_both_sides_are_skill_out_of_nothing() -> None:
    """Covariates are useless, but those of a profile's other layers tell which profile it is, and with it the profile's own effect."""
    found = {"random": [], "profile": []}
    for seed in range(WORLDS):
        world = make(seed, PROFILE_EFFECT)
        table, values = layered(world, seed)
        features = world.features(*(table[name].to_numpy() for name in ("row", "col", "year")))
        place = places(table["lon"], table["lat"], 100.0)
        for name, design in (("random", RandomFolds(5, seed)), ("profile", ProfileFolds(5, seed))):
            found[name].append(mec(features, values, list(design.split(table, groups=place)), seed))
    assert np.min(found["random"]) > 0.3
    assert np.mean(found["random"]) > 0.5
    # A forest grown on noise does worse than the mean of its training rows; by how much scatters by 0.04 between worlds.
    assert np.max(found["profile"]) < 0.05
    assert -0.3 < np.mean(found["profile"]) < 0.0


@pytest.mark.slow
def test_selecting_among_noise_before_the_folds_is_skill_out_of_nothing() -> None:
    """2,000 predictors of pure noise, 300 samples; the ten that correlate best are kept, once on all rows, once within each fold."""
    naive, nested = [], []
    for seed in range(WORLDS):
        rng = np.random.default_rng([seed, 31])
        noise = rng.standard_normal((300, 2000)).astype(np.float32)
        values = rng.standard_normal(300)
        fold = rng.permutation(300) % 5
        folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(5)]
        naive.append(mec(noise[:, best(noise, values)], values, folds, seed))
        wrong = known = 0.0
        for inside, outside in folds:
            kept = noise[:, best(noise[inside], values[inside])]
            forest = train(kept[inside], values[inside], FOREST, log=False, seed=seed)
            wrong += float(np.sum((predict(forest, kept[outside]).mean - values[outside]) ** 2))
            known += float(np.sum((values[inside].mean() - values[outside]) ** 2))
        nested.append(1 - wrong / known)
    assert 0.06 < np.mean(naive) < 0.25
    assert np.mean(nested) < 0.0
    assert np.max(nested) < 0.06


def best(features: NDArray[np.float32], values: NDArray[np.float64], count: int = 10) -> NDArray[np.intp]:
    """Columns with the largest absolute correlation."""
    centred = features - features.mean(axis=0)
    r = (centred * (values - values.mean())[:, None]).sum(axis=0) / np.sqrt((centred**2).sum(axis=0))
    return np.argsort(-np.abs(r), kind="stable")[:count]


@pytest.mark.slow
def test_a_covariate_unique_to_each_profile_does_not_raise_the_grouped_score() -> None:
    """Beside covariates that do explain, a number that only tells profiles apart."""
    gain = []
    for seed in range(WORLDS):
        world = make(seed, Nature(shape=(60, 60), residual_share=0.0, profile_share=0.4))
        table, values = layered(world, seed)
        features = world.features(*(table[name].to_numpy() for name in ("row", "col", "year")))
        own = np.random.default_rng(seed).permutation(200).repeat(len(LAYERS)).astype(np.float32)
        place = places(table["lon"], table["lat"], 100.0)
        folds = list(ProfileFolds(5, seed).split(table, groups=place))
        without = mec(features, values, folds, seed)
        assert without > 0.2
        gain.append(mec(np.column_stack([features, own]), values, folds, seed) - without)
    assert abs(np.mean(gain)) < 0.02
