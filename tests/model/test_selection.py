from itertools import chain, combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from edaphic.errors import ModelError
from edaphic.model.forest import Settings, train
from edaphic.model.ranking import JOIN, Task, rank, score_sets
from edaphic.model.selection import backward, exhaustive, forward, search
from edaphic.model.traverse import predict

FAST = Settings(trees=10, max_features=0.5, min_samples_leaf=5)


def task(n: int = 90, noise: int = 3, seed: int = 0, **change: object) -> Task:
    """Two covariates that matter, ``s0`` more than ``s1``, and some that do not."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2 + noise)).astype(np.float32)
    y = 3.0 * x[:, 0] + 1.5 * x[:, 1] + 0.3 * rng.normal(size=n)
    told = {
        "features": x,
        "values": y,
        "sources": ("s0", "s1", *(f"n{i}" for i in range(noise))),
        "folds": list(KFold(3, shuffle=True, random_state=0).split(x)),
        "settings": FAST,
    }
    return Task(**(told | change))  # type: ignore[arg-type]


def with_class_and_depth(n: int = 120) -> Task:
    """A class in three columns that says most, a continuous covariate that says some, one of noise, and depth."""
    rng = np.random.default_rng(1)
    rock, weak, noise = rng.integers(0, 3, n), rng.normal(size=n), rng.normal(size=n)
    top = rng.choice([0.0, 30.0], n)
    x = np.column_stack([weak, rock == 0, rock == 1, rock == 2, noise, top, top + 30]).astype(np.float32)
    y = 4.0 * (rock == 1) + weak - top / 30 + 0.2 * rng.normal(size=n)
    sources = ("weak", "rock", "rock", "rock", "noise", "top_cm", "bottom_cm")
    return Task(x, y, sources, list(KFold(3).split(x)), FAST)


def brute(one: Task, names: tuple[str, ...]) -> float:
    """Out-of-fold RMSE of one subset by plain loops."""
    columns = [i for i, source in enumerate(one.sources) if source in names or source in ("top_cm", "bottom_cm")]
    x = np.ascontiguousarray(one.features[:, columns])
    square, count = 0.0, 0
    for inside, outside in one.folds:
        forest = train(x[inside], one.values[inside], one.settings, log=one.log, seed=one.seed)
        square += float(np.sum((predict(forest, x[outside]).mean_fit - one.values[outside]) ** 2))
        count += len(outside)
    return float(np.sqrt(square / count))


# Scores of sets


def test_scores_of_sets_by_hand():
    one = task()
    table = score_sets(one, [("s0",), ("s0", "n1")])
    by_fold = [brute(task(folds=[fold]), ("s0",)) for fold in one.folds]
    assert table["rmse"][0] == pytest.approx(brute(one, ("s0",)), rel=0.1)
    assert table["rmse"][0] == pytest.approx(np.sqrt(np.mean(np.square(by_fold))), rel=0.1)
    assert table["mec"][0] == pytest.approx(1 - table["rmse"][0] ** 2 / one.values.var(), rel=1e-9)
    assert table["number"].tolist() == [1, 2] and table["features"].tolist() == ["s0", "s0 + n1"]
    folds = [score_sets(task(folds=[fold]), [("s0",)])["rmse"].item() for fold in one.folds]
    assert table["se"][0] == pytest.approx(np.std(folds, ddof=1) / np.sqrt(3))
    assert np.isnan(score_sets(task(folds=one.folds[:1]), [("s0",)])["se"].item())


def test_scores_do_not_depend_on_workers_or_on_the_other_sets():
    sets = [("s0",), ("s1", "n0"), ("n2",)]
    together = score_sets(task(), sets)
    assert together.equals(score_sets(task(workers=2), sets))
    for i, names in enumerate(sets):
        assert score_sets(task(), [names])["rmse"].item() == together["rmse"][i]


# Rankings


@pytest.mark.parametrize("by", ["impurity", "permutation"])
def test_rankings_find_what_matters(by: str):
    table = rank(task(), by=by)  # type: ignore[arg-type]
    assert table["feature"].tolist()[:2] == ["s0", "s1"] and table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["share"].sum() == pytest.approx(1.0) and table["importance"].is_monotonic_decreasing
    assert (table["sd"].notna() == (by == "permutation")).all()


@pytest.mark.parametrize("by", ["impurity", "permutation"])
def test_columns_of_a_class_and_depths_are_ranked_together(by: str):
    table = rank(with_class_and_depth(), by=by)  # type: ignore[arg-type]
    assert sorted(table["feature"]) == ["depth", "noise", "rock", "weak"]
    assert table["feature"][0] == "rock"
    # Depth has two values only, and impurity favours many: there noise may stand before it.
    assert by == "impurity" or table["feature"][3] == "noise"


def test_shuffling_a_group_shows_what_two_copies_hide():
    one = task(n=200, noise=1)
    copied = np.column_stack([one.features, one.features[:, 0]])
    two = task(n=200, noise=1, features=copied, sources=("s0", "s1", "n0", "copy"))
    alone = rank(two, by="permutation").set_index("feature")["importance"]
    family = rank(two, by="permutation", groups={"family": ["s0", "copy"]}).set_index("feature")["importance"]
    assert sorted(family.index) == ["family", "n0", "s1"]
    assert family["family"] > 1.5 * max(alone["s0"], alone["copy"])
    impurity = rank(two, groups={"family": ["s0", "copy"]}).set_index("feature")["importance"]
    parts = rank(two).set_index("feature")["importance"]
    assert impurity["family"] == pytest.approx(parts["s0"] + parts["copy"])


def test_permutation_importance_of_an_additive_target_is_twice_its_variance():
    # With a forest close to the truth, shuffling x in y = x + z adds twice the variance of x (Gregorutti et al. 2017).
    rng = np.random.default_rng(2)
    x = rng.uniform(size=(3000, 2)).astype(np.float32)
    y = 2.0 * x[:, 0] + 1.0 * x[:, 1]
    one = Task(x, y, ("a", "b"), list(KFold(2).split(x)), Settings(60, 1.0, 2))
    table = rank(one, by="permutation").set_index("feature")["importance"]
    assert table["a"] == pytest.approx(2 * 4 / 12, rel=0.1) and table["b"] == pytest.approx(2 / 12, rel=0.1)


def test_a_covariate_called_depth_is_not_the_layer():
    one = with_class_and_depth()
    named = Task(one.features, one.values, ("depth", *one.sources[1:]), one.folds, FAST)
    assert sorted(rank(named)["feature"]) == ["depth", "noise", "rock", "top_cm + bottom_cm"]


# Searches


def test_exhaustive_search_agrees_with_brute_force():
    one = task()
    found = exhaustive(one, k=5)
    every = list(chain.from_iterable(combinations(one.sources, size) for size in range(1, 6)))
    assert set(found.table["features"]) == {JOIN.join(names) for names in every} and len(found.table) == 31
    scores = {names: score_sets(one, [names])["rmse"].item() for names in every}
    assert found.chosen == min(scores, key=scores.get)  # type: ignore[arg-type]
    by_name = found.table.set_index("features")["rmse"]
    assert [by_name[JOIN.join(names)] for names in every] == list(scores.values())
    plain = np.array([brute(one, names) for names in every])
    # The quick forests are not the same trees, so the two agree as seeds do.
    assert np.corrcoef(plain, list(scores.values()))[0, 1] > 0.98
    assert {"s0", "s1"} <= set(found.chosen)
    assert found.table["chosen"].sum() == 1 and found.notes == ()


def test_ten_covariates_have_1023_subsets():
    one = task(n=40, noise=10, settings=Settings(1, 1.0, 10), folds=list(KFold(2).split(np.zeros(40))))
    names = rank(one)["feature"].tolist()
    found = exhaustive(one, names)
    assert len(found.table) == 1023 == found.table["features"].nunique()
    assert found.table.groupby("number").size().tolist() == [10, 45, 120, 210, 252, 210, 120, 45, 10, 1]
    assert all(set(row.split(JOIN)) <= set(names[:10]) for row in found.table["features"])


def test_one_standard_error_takes_the_smallest_set_that_is_near():
    one = task(n=60, noise=4)
    best, near = exhaustive(one, k=4), exhaustive(one, k=4, rule="one_se")
    limit = best.table.loc[best.table["chosen"], ["rmse", "se"]].sum(axis=1).item()
    row = near.table.loc[near.table["chosen"]]
    assert row["rmse"].item() <= limit
    assert row["number"].item() == near.table.loc[near.table["rmse"] <= limit, "number"].min()
    assert len(near.chosen) <= len(best.chosen)


def test_protected_covariates_are_in_every_set():
    one = task()
    found = exhaustive(one, ["s0", "n0", "s1"], k=2, protected=["n2"])
    assert found.table["features"].tolist() == ["n2", "s0 + n2", "n0 + n2", "s0 + n0 + n2"]
    assert "n2" in found.chosen
    for other in (forward(one, protected=["n2"]), backward(one, protected=["n2"])):
        assert all("n2" in row.split(JOIN) for row in other.table["features"]) and "n2" in other.chosen
    assert backward(one, protected=["n2"]).table["features"].iloc[-1] == "n2"


def test_forward_takes_the_best_at_each_step():
    one = task()
    found = forward(one, patience=9)
    taken = found.table[found.table["taken"]]
    assert taken["number"].tolist() == [1, 2, 3, 4, 5] and len(found.table) == 15
    assert taken["features"].tolist()[:2] == ["s0", "s0 + s1"]
    for step, rows in found.table.groupby("step"):
        assert taken.set_index("step").at[step, "rmse"] == rows["rmse"].min()
    assert taken.loc[taken["chosen"], "rmse"].item() == taken["rmse"].min()
    assert len(forward(one, most=2, patience=9).table) == 9


def test_forward_stops_and_says_so():
    found = forward(task(n=60, noise=6), patience=1)
    assert "stopped at" in found.notes[0]
    taken = found.table[found.table["taken"]]["rmse"].to_numpy()
    assert taken[-1] >= taken[:-1].min()


@pytest.mark.parametrize("by", ["impurity", "permutation"])
def test_backward_takes_noise_away_first(by: str):
    found = backward(task(), by=by)  # type: ignore[arg-type]
    assert found.table["number"].tolist() == [5, 4, 3, 2, 1]
    assert found.table["features"].tolist()[-2:] == ["s0 + s1", "s0"]
    assert {"s0", "s1"} <= set(found.chosen)
    sets = [set(row.split(JOIN)) for row in found.table["features"]]
    assert all(later < earlier for earlier, later in pairwise(sets))
    assert backward(task(), drop=2).table["number"].tolist() == [5, 3, 1]


def test_a_class_goes_as_a_whole_and_depth_stays():
    one = with_class_and_depth()
    found = exhaustive(one, k=3)
    assert len(found.table) == 7 and set(found.chosen) >= {"rock", "weak"}
    assert one.columns(("rock",)) == (1, 2, 3, 5, 6)
    assert set(backward(one).table["features"].iloc[-1].split(JOIN)) == {"rock"}


@pytest.mark.parametrize("method", ["exhaustive", "forward", "backward"])
def test_search_is_the_same_on_any_number_of_workers(method: str):
    one = task()
    told = {"sources": one.sources, "best": 3, "rank": "impurity", "log": False, "seed": 5}
    first = search(method, one.features, one.values, one.folds, FAST, **told)  # type: ignore[arg-type]
    second = search(method, one.features, one.values, one.folds, FAST, **told, workers=2)  # type: ignore[arg-type]
    assert first.table.equals(second.table) and first.chosen == second.chosen
    assert {"s0", "s1"} <= set(first.chosen)


def test_a_single_covariate_is_chosen():
    one = task()
    single = Task(np.ascontiguousarray(one.features[:, :1]), one.values, ("s0",), one.folds, FAST)
    for found in (exhaustive(single), forward(single), backward(single), backward(single, by="permutation")):
        assert found.chosen == ("s0",) and len(found.table) == 1
    assert "all are searched" in exhaustive(single).notes[0]


def test_one_fold_has_no_standard_error_and_says_so():
    found = exhaustive(task(folds=task().folds[:1]), k=2, rule="one_se")
    assert found.notes == ("one standard error: not known with one fold; the smallest error is taken",)
    assert found.table.loc[found.table["chosen"], "rmse"].item() == found.table["rmse"].min()


def test_copies_of_one_covariate_and_fewer_rows_than_covariates_are_no_fault():
    x = np.repeat(task(n=24).features[:, :1], 30, axis=1)
    one = Task(x, task(n=24).values, tuple(f"c{i}" for i in range(30)), list(KFold(2).split(x)), Settings(5, 0.5, 2))
    assert len(exhaustive(one, k=3).table) == 7
    assert len(backward(one, drop=10).table) == 4


# Faults


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.full(90, 2.0)}, "the same value in all 90 rows"),
        ({"values": np.full(90, np.nan)}, "target: 90 of 90 values are not finite"),
        ({"log": True}, "has no logarithm"),
        ({"folds": []}, "folds: none"),
        ({"folds": [(np.arange(90), np.arange(0))]}, "fold 1: 90 training and 0 test rows"),
        ({"folds": [(np.arange(0), np.arange(90))]}, "fold 1: 0 training and 90 test rows"),
        ({"folds": [(np.arange(50), np.arange(45, 90))]}, "fold 1: 5 rows are in training and in test"),
        ({"folds": [(np.arange(50), np.arange(60, 91))]}, "fold 1: rows that do not exist"),
        ({"sources": ("a", "b")}, r"expected 90 rows and 2 columns"),
        ({"sources": ("top_cm", "bottom_cm", "top_cm", "top_cm", "top_cm")}, "no covariate beside depth"),
        ({"weights": np.full(90, -1.0)}, "weights: expected one number, 0 or more, for each row"),
        ({"weights": np.ones(3)}, "weights: expected one number, 0 or more, for each row"),
        ({"weights": np.repeat([0.0, 1.0], [80, 10]), "folds": [(np.arange(80, 90), np.arange(80))]}, "fold 1: no test row has a weight"),
    ],
)
def test_faults_of_the_task(change: dict[str, object], words: str):
    with pytest.raises(ModelError, match=words):
        task(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_covariates_that_are_not_finite_are_named(bad: float):
    x = task().features.copy()
    x[3:5, 1] = bad
    with pytest.raises(ModelError, match=r"^covariate 's1': 2 values are not finite; expected numbers$"):
        task(features=x)


def test_faults_of_a_search_come_at_once():
    with pytest.raises(ModelError) as caught:
        exhaustive(task(), ["s0", "s0", "x"], rule="two_se", protected=["y"])  # type: ignore[arg-type]
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["covariates to search", "protected", "covariates to search", "rule"]
    for call, words in [
        (lambda: exhaustive(task(), k=0), "k 0; expected 1 or more"),
        (lambda: exhaustive(task(noise=20), k=20), "1,048,575 subsets"),
        (lambda: forward(task(), most=0), "most 0"),
        (lambda: forward(task(), ["s0"], protected=["s0"]), "no covariate to choose from"),
        (lambda: backward(task(), drop=0), "drop 0"),
        (lambda: rank(task(), by="gini"), "'gini'; expected impurity or permutation"),  # type: ignore[arg-type]
        (lambda: rank(task(), by="permutation", repeats=0), "0 repeats"),
        (lambda: rank(task(), groups={"g": ["s0", "q"], "h": ["s0"]}), "'q' is no covariate"),
        (lambda: score_sets(task(), [()]), "no covariates has no columns"),
    ]:
        with pytest.raises(ModelError, match=words):
            call()


# Canaries: skill that is not there


def naive_and_nested(x: np.ndarray, y: np.ndarray, settings: Settings, best: int, seed: int) -> tuple[float, float]:
    """MEC of the best ranked covariates: chosen on all rows and then cross-validated, and chosen again inside each training fold."""
    sources = tuple(f"x{i}" for i in range(x.shape[1]))
    folds = list(KFold(5, shuffle=True, random_state=seed).split(x))
    every = Task(x, y, sources, folds, settings, seed=seed)
    chosen = rank(every)["feature"].tolist()[:best]
    naive = score_sets(every, [chosen])["mec"].item()
    square = 0.0
    for inside, outside in folds:
        inner = Task(x[inside], y[inside], sources, list(KFold(2).split(x[inside])), settings, seed=seed)
        columns = list(inner.columns(rank(inner)["feature"].tolist()[:best]))
        forest = train(np.ascontiguousarray(x[np.ix_(inside, columns)]), y[inside], settings, log=False, seed=seed)
        square += float(np.sum((predict(forest, np.ascontiguousarray(x[np.ix_(outside, columns)])).mean_fit - y[outside]) ** 2))
    return naive, float(1 - square / np.sum((y - y.mean()) ** 2))


def noise_only(seed: int, n: int = 300, q: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, q)).astype(np.float32), rng.normal(size=n)


def test_naive_selection_finds_skill_in_noise_and_nested_selection_finds_none():
    x, y = noise_only(11)
    naive, nested = naive_and_nested(x, y, Settings(trees=50, max_features=0.1, min_samples_leaf=5), best=10, seed=0)
    assert naive > 0.05
    assert nested <= 0.02


@pytest.mark.slow
def test_the_canary_sings_on_five_landscapes_of_noise():
    scores = [naive_and_nested(*noise_only(seed), Settings(trees=100, max_features=0.1), best=10, seed=seed) for seed in range(5)]
    naive, nested = np.mean(scores, axis=0)
    assert naive > 0.08
    assert nested <= 0.0


@pytest.mark.slow
def test_a_search_over_subsets_flatters_too_and_nesting_it_does_not():
    x, y = noise_only(3, q=300)
    settings = Settings(trees=30, max_features=0.5)
    sources = tuple(f"x{i}" for i in range(x.shape[1]))
    folds = list(KFold(5, shuffle=True, random_state=3).split(x))
    found = exhaustive(Task(x, y, sources, folds, settings, workers=2), k=6)
    naive = found.table.loc[found.table["chosen"], "mec"].item()
    square = 0.0
    for inside, outside in folds:
        inner = Task(x[inside], y[inside], sources, list(KFold(3).split(x[inside])), settings, workers=2)
        columns = list(inner.columns(exhaustive(inner, k=6).chosen))
        forest = train(np.ascontiguousarray(x[np.ix_(inside, columns)]), y[inside], settings, log=False, seed=3)
        square += float(np.sum((predict(forest, np.ascontiguousarray(x[np.ix_(outside, columns)])).mean_fit - y[outside]) ** 2))
    assert naive > 0.03 and 1 - square / np.sum((y - y.mean()) ** 2) <= 0.02


def test_groups_that_would_hide_a_covariate_are_refused():
    with pytest.raises(ModelError, match="group 's0': has the name of a covariate that is not in it"):
        rank(task(), groups={"s0": ["n0", "n1"]})
    assert sorted(rank(task(), groups={"s0": ["s0", "n0"]})["feature"]) == ["n1", "n2", "s0", "s1"]
    with pytest.raises(ModelError, match="group 'g': 'top_cm' is no covariate"):
        rank(with_class_and_depth(), groups={"g": ["weak", "top_cm"]})


def test_sets_with_a_name_that_is_none_are_not_scored_as_if_it_were_not_there():
    with pytest.raises(ModelError, match="sets: 'slope' is no covariate; expected one of s0"):
        score_sets(task(), [("s0", "slope")])


def test_names_of_any_kind_and_protected_ones_once():
    assert exhaustive(task(), np.array(["s0", "n0"])).chosen in {("s0",), ("s0", "n0")}
    with pytest.raises(ModelError, match="protected: a name stands twice"):
        forward(task(), protected=("s0", "s0"))


def test_tables_with_an_index_of_their_own_are_taken_by_position():
    plain = task()
    odd = np.arange(90) % 7 + 3
    columns = pd.DataFrame(plain.features.astype(np.float64), index=odd)
    told = task(features=columns, values=pd.Series(plain.values, index=odd), weights=[1] * 90)
    assert score_sets(told, [("s0",)])["rmse"].item() == score_sets(plain, [("s0",)])["rmse"].item()
    assert rank(told, by="permutation").equals(rank(plain, by="permutation"))
