import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, ShuffleSplit

from edaphic.errors import ModelError
from edaphic.model.forest import Settings, train
from edaphic.model.traverse import predict
from edaphic.model.tuning import USUAL, WIDE, Between, candidates, tune

SMALL = Settings(20, 1.0, 5)


def data(n: int = 120, seed: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return x, np.exp(0.5 * x[:, 0] + 0.3 * rng.normal(size=n))


# Candidates


def test_the_first_is_the_default_and_all_are_distinct():
    for number in (1, 8, 20):
        found = candidates(number, 100, 3)
        assert found[0] == Settings(trees=100)
        assert len(found) == len(set(found)) == number
    assert candidates(8, 100, 3) == candidates(8, 100, 3) != candidates(8, 100, 4)


def test_more_than_there_are_gives_all():
    assert len(candidates(500, 100, 0)) == len(USUAL["max_features"]) * len(USUAL["min_samples_leaf"])


def test_a_grid_is_the_full_product_in_its_order():
    space = {"max_depth": (None, 5), "split": ("variance", "extra")}
    found = candidates(1, 30, 0, how="grid", space=space)
    assert [(c.max_depth, c.split, c.trees) for c in found] == [
        (None, "variance", 30), (None, "extra", 30), (5, "variance", 30), (5, "extra", 30)
    ]  # fmt: skip
    assert len(candidates(0, 1, 0, how="grid", space=WIDE)) == 3 * 5 * 5 * 4 * 2


def test_what_is_fixed_is_the_same_in_all():
    found = candidates(6, 100, 1, fixed={"min_samples_leaf": 11, "split": "extra"})
    assert {(c.min_samples_leaf, c.split) for c in found} == {(11, "extra")}
    # Five shares of features and the default, which is one of them.
    assert len(found) == 5
    assert candidates(9, 100, 1, fixed={"min_samples_leaf": 2, "max_features": 0.3}) == [Settings(100, 0.3, 2)]


def test_ranges_are_drawn_within_their_ends():
    space = {
        "max_features": Between(0.05, 0.9, log=True),
        "min_samples_leaf": Between(1, 20, whole=True),
        "trees": Between(50, 500, whole=True, log=True),
    }
    found = candidates(40, 100, 5, space=space)
    assert len(set(found)) == 40 and found[0] == Settings(trees=100)
    for one in found[1:]:
        assert 0.05 <= one.max_features <= 0.9 and 50 <= one.trees <= 500
        assert isinstance(one.min_samples_leaf, int) and 1 <= one.min_samples_leaf <= 20
    assert len(candidates(10, 100, 5, space={"min_samples_leaf": Between(1, 3, whole=True)})) == 4


def test_huge_lists_are_drawn_from_too():
    space = {"max_features": tuple(np.linspace(0.1, 1, 500)), "min_samples_leaf": range(1, 500)}
    assert len(set(candidates(12, 100, 2, space=space))) == 12


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"space": {"mtry": (1, 2)}}, "'mtry' is no setting"),
        ({"fixed": {"leaf": 3}}, "'leaf' is no setting"),
        ({"space": {"max_depth": ()}}, "'max_depth' has no values"),
        ({"how": "grid", "space": {"max_features": Between(0.1, 0.5)}}, "is a range"),
        ({"space": {"max_features": Between(0.5, 0.1)}}, "not empty"),
        ({"how": "bayes"}, "how 'bayes'"),
    ],
)
def test_faults_of_the_space(told: dict[str, object], words: str):
    with pytest.raises(ModelError, match=words):
        candidates(3, 10, 0, **told)  # type: ignore[arg-type]


# Scores


def test_large_leaves_win_in_noise_and_every_setting_is_in_the_table():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(150, 3)).astype(np.float32)
    y = x[:, 0] + 3.0 * rng.normal(size=150)
    table = tune(x, y, [Settings(20, 1.0, 1), Settings(20, 1.0, 40)], KFold(3).split(x), log=False, seed=1)
    assert table["chosen"].tolist() == [False, True]
    assert {"candidate", "trees", "max_features", "min_samples_leaf", "max_depth", "split", "score", "metric", "scale"} <= set(table)
    assert set(table["metric"]) == {"rmse"} and set(table["scale"]) == {"natural"}


@pytest.mark.parametrize("log", [False, True])
def test_metrics_are_their_definitions(log: bool):
    x, y = data()
    folds = list(KFold(3, shuffle=True, random_state=1).split(x))
    observed = np.concatenate([y[test] for _, test in folds])
    observed = np.log(observed) if log else observed
    predicted = np.concatenate(
        [predict(train(x[inside], y[inside], SMALL, log=log, seed=2), x[outside]).mean_fit for inside, outside in folds]
    )
    error = predicted - observed
    covariance = np.mean((observed - observed.mean()) * (predicted - predicted.mean()))
    expected = {
        "rmse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "mec": 1 - np.sum(error**2) / np.sum((observed - observed.mean()) ** 2),
        "r2_pearson": np.corrcoef(observed, predicted)[0, 1] ** 2,
        "ccc": 2 * covariance / (observed.var() + predicted.var() + (observed.mean() - predicted.mean()) ** 2),
    }
    for metric, value in expected.items():
        table = tune(x, y, [SMALL], folds, log=log, seed=2, metric=metric)
        assert table["score"].item() == pytest.approx(value, rel=1e-9), metric
        assert table["scale"].item() == ("log" if log else "natural")


@pytest.mark.parametrize("metric", ["mec", "ccc", "r2_pearson"])
def test_scores_of_skill_are_made_large(metric: str):
    x, y = data()
    table = tune(x, y, [Settings(20, 1.0, 55), SMALL], KFold(3).split(x), log=True, seed=0, metric=metric)
    assert table["chosen"].tolist() == [False, True] and table["score"].is_monotonic_increasing


def test_a_metric_of_ones_own():
    x, y = data()

    def largest_error(observed: np.ndarray, predicted: np.ndarray) -> float:
        return float(np.abs(observed - predicted).max())

    table = tune(x, y, [SMALL, Settings(20, 1.0, 30)], KFold(3).split(x), log=False, seed=0, metric=largest_error)
    assert set(table["metric"]) == {"largest_error"}
    assert table.loc[table["chosen"], "score"].item() == table["score"].min()
    up = tune(x, y, [SMALL, Settings(20, 1.0, 30)], KFold(3).split(x), log=False, seed=0, metric=largest_error, maximise=True)
    assert up.loc[up["chosen"], "score"].item() == up["score"].max()


def test_bootstrap_draws_and_a_hold_out_are_folds_too():
    x, y = data()
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(4)]
    bootstrap = [(drawn, np.setdiff1d(np.arange(len(y)), drawn)) for drawn in draws]
    hold_out = ShuffleSplit(1, test_size=0.2, random_state=0).split(x)
    for folds in (bootstrap, hold_out):
        table = tune(x, y, [SMALL], folds, log=True, seed=0)
        assert 0.2 < table["score"].item() < 0.6


def test_weights_count_in_fit_and_score():
    x, y = data()
    folds = list(KFold(3).split(x))
    ones = tune(x, y, [SMALL], folds, log=False, seed=0, weights=np.ones(len(y)))["score"].item()
    assert ones == pytest.approx(tune(x, y, [SMALL], folds, log=False, seed=0)["score"].item(), rel=1e-9)
    weights = np.where(x[:, 0] > 0, 100.0, 0.01)
    heavy = tune(x, y, [SMALL], folds, log=False, seed=0, weights=weights)["score"].item()
    assert heavy > 1.1 * ones


def test_workers_and_order_do_not_change_the_table():
    x, y = data()
    folds = list(KFold(3).split(x))
    one = tune(x, y, [SMALL, Settings(20, 0.5, 2)], folds, log=True, seed=3)
    two = tune(x, y, [SMALL, Settings(20, 0.5, 2)], folds, log=True, seed=3, workers=2)
    assert one.equals(two)
    back = tune(x, y, [Settings(20, 0.5, 2), SMALL], folds, log=True, seed=3)
    assert back["score"].tolist() == one["score"].tolist()[::-1]


def test_a_score_that_is_not_defined_is_never_the_best():
    x, y = data()

    def odd(observed: np.ndarray, predicted: np.ndarray) -> float:
        return float("nan") if predicted.std() > 0.2 else 5.0

    table = tune(x, y, [SMALL, Settings(20, 1.0, 59)], KFold(3).split(x), log=True, seed=0, metric=odd)
    assert np.isnan(table["score"][0]) and table["chosen"].tolist() == [False, True]


def test_faults_come_at_once():
    x, y = data()
    with pytest.raises(ModelError) as caught:
        tune(x, y, [], [], log=False, seed=0, metric="r2")
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["folds", "tuning", "tuning"]
    rows = np.arange(len(y))
    with pytest.raises(ModelError, match="fold 1: 120 training and 0 test rows"):
        tune(x, y, [SMALL], [(rows, rows[:0])], log=False, seed=0)
    with pytest.raises(ModelError, match="fold 1: 10 rows are in training and in test"):
        tune(x, y, [SMALL], [(rows, rows[:10])], log=False, seed=0)


def test_whole_numbers_stay_within_ranges_with_broken_ends():
    rng = np.random.default_rng(0)
    assert {Between(1.5, 3.7, whole=True).draw(rng) for _ in range(50)} == {2, 3}
    assert {Between(0.5, 2.2, whole=True, log=True).draw(rng) for _ in range(50)} == {1, 2}


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"min_samples_leaf": Between(1, np.inf, whole=True)}, "expected a finite range"),
        ({"min_samples_leaf": Between(1.2, 1.8, whole=True)}, "expected a finite range that is not empty"),
        ({"min_samples_leaf": Between(1, 9)}, "min_samples_leaf is .*; expected a whole number"),
        ({"max_features": (0.2, -1.0)}, "max_features is -1; expected a share"),
        ({"split": "extra"}, "'split' has the text 'extra'; expected a list"),
    ],
)
def test_values_that_no_forest_can_have(space: dict[str, object], words: str):
    with pytest.raises(ModelError, match=words):
        candidates(5, 10, 0, space=space)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="0 candidates"):
        candidates(0, 10, 0)


def test_faults_of_rows_and_of_errors_made_large():
    x, y = data()
    folds = list(KFold(3).split(x))
    with pytest.raises(ModelError, match="metric 'rmse' is to be large"):
        tune(x, y, [SMALL], folds, log=True, seed=0, maximise=True)
    with pytest.raises(ModelError, match="50 rows of features, 120 values"):
        tune(x[:50], y, [SMALL], folds, log=True, seed=0)
    with pytest.raises(ModelError, match="has no logarithm"):
        tune(x, y - 1, [SMALL], folds, log=True, seed=0)


def test_a_table_with_an_index_of_its_own_is_taken_by_position():
    x, y = data()
    folds, odd = list(KFold(3).split(x)), np.arange(120) % 7 + 3
    table = tune(pd.DataFrame(x, index=odd), pd.Series(y, index=odd), [SMALL], folds, log=True, seed=0)
    assert table.equals(tune(x, y, [SMALL], folds, log=True, seed=0))
