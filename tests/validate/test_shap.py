"""Shapley values: all orders written out, additivity, features that repeat on a path, depth, faults."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import ModelError
from edaphic.model.features import Encoder
from edaphic.model.forest import Forest, Settings, train
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.model.traverse import predict
from edaphic.validate.shap import by_covariate, shap_by_depth, shap_values


def grown(
    seed: int, features: int = 4, rows: int = 60, trees: int = 3, log: bool = False, engine: str = "edaphic"
) -> tuple[Forest, np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.round(random.normal(size=(rows, features)), 1).astype(np.float32)
    y = np.exp(0.5 * x[:, 0] + 0.5 * x[:, min(1, features - 1)] * x[:, -1] + 0.1 * random.normal(size=rows))
    settings = Settings(trees, 1.0, 2, engine=engine)  # type: ignore[arg-type]
    return train(x, y, settings, log=log, seed=seed), x


def known_by(forest: Forest, tree: int, row: np.ndarray, known: set[int], sizes: np.ndarray, means: np.ndarray) -> float:
    """Prediction of one tree with some features known; at the splits on others, both ways by their training rows."""

    def size(node: int) -> float:
        return sizes[forest.left[node]] if forest.feature[node] < 0 else size(forest.left[node]) + size(forest.right[node])

    def value(node: int) -> float:
        j = forest.feature[node]
        left, right = forest.left[node], forest.right[node]
        if j < 0:
            return float(means[left])
        if j in known:
            return value(left if row[j] <= forest.threshold[node] else right)
        return (size(left) * value(left) + size(right) * value(right)) / size(node)

    return value(int(forest.roots[tree]))


def enumerated(forest: Forest, row: np.ndarray, fit: bool = False) -> np.ndarray:
    """Shapley values by their definition, over all sets of features."""
    sizes = np.diff(forest.leaf_start).astype(float) if forest.leaf_total is None else forest.leaf_total
    means = forest.leaf_mean_fit if fit else forest.leaf_mean
    q = len(row)
    out = np.zeros(q)
    for tree in range(forest.trees):
        worth = {s: known_by(forest, tree, row, set(s), sizes, means) for k in range(q + 1) for s in combinations(range(q), k)}
        for j in range(q):
            for s, before in worth.items():
                if j not in s:
                    after = worth[tuple(sorted((*s, j)))]
                    out[j] += factorial(len(s)) * factorial(q - len(s) - 1) / factorial(q) * (after - before)
    return out / forest.trees


@pytest.mark.parametrize("features", [1, 2, 3, 5])
@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
def test_the_definition(features: int, engine: str) -> None:
    forest, x = grown(features, features, engine=engine)
    found = shap_values(forest, x[:6])
    for row, values in zip(x, found.values, strict=False):
        assert values == pytest.approx(enumerated(forest, row), abs=1e-11)


def test_on_the_scale_of_growth() -> None:
    forest, x = grown(9, log=True)
    found = shap_values(forest, x[:4], scale="fit")
    for row, values in zip(x, found.values, strict=False):
        assert values == pytest.approx(enumerated(forest, row, fit=True), abs=1e-11)
    assert found.base + found.values.sum(axis=1) == pytest.approx(predict(forest, x[:4]).mean_fit, abs=1e-11)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(10, 400))
def test_sums_are_predictions(seed: int, features: int, rows: int) -> None:
    forest, _ = grown(seed, features, rows, trees=5)
    other = np.random.default_rng(seed).normal(0, 3, (7, features)).astype(np.float32)
    found = shap_values(forest, other)
    assert found.base + found.values.sum(axis=1) == pytest.approx(predict(forest, other).mean, rel=1e-10)


def test_deep_trees_of_many_features() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(1500, 30)).astype(np.float32)
    forest = train(x, random.normal(size=1500) + x @ np.ones(30), Settings(20, 0.3, 1), log=False, seed=1)
    found = shap_values(forest, x[:50])
    assert np.abs(found.base + found.values.sum(axis=1) - predict(forest, x[:50]).mean).max() < 1e-9


def test_base_is_the_mean_over_training_rows_and_a_feature_unused_gets_nothing() -> None:
    _, x = grown(3)
    dull = np.column_stack([x, np.ones(len(x))]).astype(np.float32)
    own = train(dull, np.exp(x[:, 0].astype(float)), Settings(3, 1.0, 2), log=False, seed=1)
    assert not shap_values(own, dull).values[:, -1].any()
    sizes, leaves = np.diff(own.leaf_start), np.split(np.arange(len(own.leaf_mean)), _starts(own))
    expected = [np.average(own.leaf_mean[some], weights=sizes[some]) for some in leaves]
    assert shap_values(own, dull).base == pytest.approx(np.mean(expected), rel=1e-12)


def _starts(forest: Forest) -> list[int]:
    """First leaf of each tree but the first: leaves are numbered tree by tree."""
    return [int(forest.left[root:][forest.feature[root:] < 0].min()) for root in forest.roots[1:]]


def test_a_forest_of_leaves() -> None:
    forest, x = grown(1)
    leaf = int(np.flatnonzero(forest.feature < 0)[0])
    found = shap_values(replace(forest, roots=np.array([leaf])), x[:3])
    assert not found.values.any()
    assert found.base == forest.leaf_mean[forest.left[leaf]]


def test_neither_workers_nor_other_rows_change_a_bit() -> None:
    forest, x = grown(4, rows=200)
    one = shap_values(forest, x).values
    assert np.array_equal(one, shap_values(forest, x, workers=2).values)
    assert np.array_equal(one[150:151], shap_values(forest, x[150:151]).values)


def model(form: str) -> tuple[SoilModel, np.ndarray]:
    random = np.random.default_rng(2)
    n, layers = 120, ((0.0, 20.0), (20.0, 60.0))
    mat, rock = random.normal(size=n), random.integers(0, 2, n)
    encoder = Encoder(("mat", "rock"), (("rock", (0, 1)),), form == "3d")
    x = encoder.transform(np.column_stack([mat, rock]))
    forests = []
    if form == "3d":
        both = np.concatenate([x, x])
        both[:, -2:] = np.repeat(np.array(layers), n, axis=0)
        y = np.concatenate([10 + 3 * mat, 5 + rock])
        forests = [train(both, y, Settings(20), log=False, seed=1)]
    else:
        forests = [train(x, y, Settings(20), log=False, seed=1) for y in (10 + 3 * mat, 5.0 + rock)]
    target = TARGETS["soc_density"]
    return SoilModel("m", target, form, layers, None, encoder, tuple(forests), Settings(20), 1), x


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_by_depth(form: str) -> None:
    soil, x = model(form)
    table, notes = shap_by_depth(soil, x, most_rows=50)
    wide = table.pivot(index="covariate", columns="layer", values="mean_abs_shap")
    assert wide.loc["mat", "0-20"] > wide.loc["rock", "0-20"]
    assert (wide.loc["rock"] / wide.loc["mat"])["20-60"] > 2 * (wide.loc["rock"] / wide.loc["mat"])["0-20"]
    assert table.groupby("layer")["share_pct"].sum().to_numpy() == pytest.approx(100)
    assert "Shapley values: a sample of 50 of 120 rows" in notes
    assert set(table["covariate"]) == ({"mat", "rock", "depth"} if form == "3d" else {"mat", "rock"})
    first = table[table["layer"] == "0-20"]
    assert first["base"].iloc[0] + first["mean_shap"].sum() == pytest.approx(0.2 * 10, rel=0.2)


def test_columns_of_a_class_are_added_up() -> None:
    found = by_covariate(np.array([[1.0, 2.0, 3.0, 4.0]]), ["a", "rock", "rock", "top_cm"])
    assert found.to_dict("list") == {"a": [1.0], "rock": [5.0], "depth": [4.0]}


def test_faults() -> None:
    forest, x = grown(1)
    with pytest.raises(ModelError, match="expected \\(rows, 4\\)"):
        shap_values(forest, x[:, :2])
    with pytest.raises(ModelError, match="1 rows are not finite"):
        shap_values(forest, np.full((1, 4), np.nan, dtype=np.float32))
    with pytest.raises(ModelError, match="scale 'log'"):
        shap_values(forest, x, scale="log")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="expected a column for each"):
        by_covariate(np.zeros((2, 3)), ["a"])
    with pytest.raises(ModelError, match="0 rows"):
        shap_by_depth(model("3d")[0], np.empty((0, 5), dtype=np.float32))
