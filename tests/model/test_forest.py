import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from edaphic.errors import ModelError
from edaphic.model.forest import Settings, flatten, train
from edaphic.model.traverse import predict


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 6)).astype(np.float32)
    y = np.exp(x[:, 0] + 0.3 * rng.normal(size=300))
    return x, y, rng.normal(size=(101, 6)).astype(np.float32)


def grown(x, y, **options):
    return RandomForestRegressor(n_estimators=20, random_state=5, **options).fit(x, y)


def test_mean_and_spread_equal_those_of_scikit_learn(data):
    x, y, new = data
    grower = grown(x, y, min_samples_leaf=3)
    said = predict(flatten(grower, x, y, log=False), new)
    by_tree = np.array([tree.predict(new) for tree in grower.estimators_])
    np.testing.assert_allclose(said.mean, by_tree.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(said.spread, by_tree.std(axis=0), rtol=1e-9, atol=1e-12)


def test_quantiles_by_brute_force(data):
    x, y, new = data
    grower = grown(x, y, min_samples_leaf=4)
    levels = (0.05, 0.5, 0.95)
    said = predict(flatten(grower, x, y, log=False), new[:15], levels)
    order = np.argsort(y, kind="stable")
    weight = np.zeros((15, len(y)))
    for tree, sample in zip(grower.estimators_, grower.estimators_samples_, strict=True):
        count = np.bincount(sample, minlength=len(y))
        leaf, leaf_new = tree.apply(x), tree.apply(new[:15])
        for row in range(15):
            share = count * (leaf == leaf_new[row])
            weight[row] += share / share.sum() / 20
    for row in range(15):
        cumulated = np.cumsum(weight[row][order])
        expected = [y[order][np.searchsorted(cumulated, level - 1e-6)] for level in levels]
        np.testing.assert_array_equal(said.quantiles[row], expected)
        # The same weights give the mean: one distribution for both.
        assert said.mean[row] == pytest.approx(weight[row] @ y)


def test_splits_on_thresholds_that_float32_cannot_hold():
    # Neighbouring float32 values: the midpoint threshold lies between them and rounds up to the larger.
    low = np.float32(1.0)
    x = np.repeat([low, np.nextafter(low, np.float32(2))], 20)[:, None].astype(np.float32)
    y = np.repeat([1.0, 9.0], 20)
    grower = RandomForestRegressor(n_estimators=5, random_state=0, bootstrap=True).fit(x, y)
    np.testing.assert_allclose(predict(flatten(grower, x, y, log=False), x).mean, grower.predict(x))


def test_trees_on_logarithms_answer_the_mean_not_the_geometric_mean(data):
    rng = np.random.default_rng(0)
    x = np.zeros((4000, 1), dtype=np.float32)
    y = np.exp(rng.normal(size=4000))
    said = predict(train(x, y, Settings(50, 1.0, 5), log=True, seed=1), x[:1])
    assert said.mean[0] == pytest.approx(y.mean(), rel=0.02)
    assert said.mean_fit[0] == pytest.approx(np.log(y).mean(), abs=0.02)
    assert np.exp(said.mean_fit[0]) < 0.7 * said.mean[0]


def test_same_bits_on_any_number_of_threads_and_in_any_parts(data):
    x, y, new = data
    one = train(x, y, Settings(30), log=True, seed=9, workers=1)
    two = train(x, y, Settings(30), log=True, seed=9, workers=2)
    np.testing.assert_array_equal(one.member_rank, two.member_rank)
    whole = predict(one, new, (0.1, 0.9), workers=1)
    threads = predict(two, new, (0.1, 0.9), workers=2)
    parts = [predict(one, part, (0.1, 0.9), workers=2) for part in np.array_split(new, 7)]
    for name in ("mean", "mean_fit", "spread", "quantiles"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(threads, name))
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))


def test_quantiles_ascend_and_stay_within_the_training_values(data):
    x, y, new = data
    said = predict(train(x, y, Settings(30), log=False, seed=2), new, (0.0, 0.05, 0.5, 0.95, 1.0))
    assert (np.diff(said.quantiles, axis=1) >= 0).all()
    assert said.quantiles.min() >= y.min() and said.quantiles.max() <= y.max()


def test_levels_out_of_order_are_refused(data):
    x, y, new = data
    with pytest.raises(ValueError, match="ascending"):
        predict(train(x, y, Settings(5), log=False, seed=2), new, (0.9, 0.1))


@pytest.mark.parametrize(
    ("values", "log", "says"),
    [(np.ones(20), False, "the target is 1"), (np.arange(20.0), True, "no logarithm"), (np.arange(5.0), False, "5 rows")],
)
def test_targets_that_cannot_be_learned(values, log, says):
    with pytest.raises(ModelError, match=says):
        train(np.zeros((len(values), 1), dtype=np.float32), values, Settings(5), log=log, seed=0)


def test_settings_are_plain_json():
    assert json.loads(json.dumps(Settings().__dict__))["trees"] == 500
