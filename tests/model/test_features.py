import json

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.features import Encoder, TargetMeans, design_matrix, make_encoder
from edaphic.model.screening import screen_correlation

CONTINUOUS = dict.fromkeys("abcd", "continuous")
ROCK = {"a": "continuous", "rock": "class"}


def test_a_copy_goes_and_the_reason_names_its_twin():
    rng = np.random.default_rng(1)
    a, c = rng.normal(size=(2, 50))
    points = pd.DataFrame({"a": a, "b": 3 * a + 1, "c": c})
    table = screen_correlation(points, CONTINUOUS, 0.95).set_index("feature")
    assert table["kept"].sum() == 2 and table.at["c", "kept"]
    gone = table.index[~table["kept"]][0]
    assert gone in ("a", "b")
    assert table.at[gone, "correlated_with"] == ({"a", "b"} - {gone}).pop()
    assert table.at[gone, "r"] == pytest.approx(1.0)


def test_no_kept_pair_is_above_the_limit_and_every_dropped_one_has_a_witness():
    rng = np.random.default_rng(2)
    base = rng.normal(size=(200, 4))
    points = pd.DataFrame({f"x{i}": base[:, i % 4] + 0.2 * rng.normal(size=200) for i in range(16)})
    kinds = dict.fromkeys(points.columns, "continuous")
    table = screen_correlation(points, kinds, 0.9)
    kept = table.loc[table["kept"], "feature"].tolist()
    r = np.abs(np.corrcoef(points[kept].to_numpy(), rowvar=False)) - np.eye(len(kept))
    assert r.max() <= 0.9
    assert (table.loc[~table["kept"], "r"] > 0.9).all()


def test_constant_covariates_go_and_classes_stay():
    points = pd.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 4, 4], "c": [1.0, 2, 3]})
    table = screen_correlation(points, {"a": "continuous", "b": "continuous", "c": "class"}, 0.95)
    assert table["kept"].tolist() == [True, False, True]


def test_nothing_left_is_an_error():
    with pytest.raises(ModelError, match="none of 1 varies"):
        screen_correlation(pd.DataFrame({"a": [1.0, 1.0]}), CONTINUOUS, 0.95)


def test_one_hot_columns_sum_to_one_and_unseen_classes_are_zero():
    points = pd.DataFrame({"a": [0.5, 1.5, 2.5], "rock": [3.0, 7.0, 3.0]})
    encoder = make_encoder(points, ROCK, depth=False)
    assert encoder.features == ("a", "rock=3", "rock=7")
    out = encoder.transform(points.to_numpy())
    np.testing.assert_array_equal(out[:, 1:].sum(axis=1), 1)
    new = np.array([[0.5, 9.0]])
    np.testing.assert_array_equal(encoder.transform(new), [[0.5, 0, 0]])
    assert encoder.unseen(new).tolist() == [True]


def test_depth_columns_come_last():
    points = pd.DataFrame({"a": [5.0, 6.0]}, index=["p", "q"])
    encoder = make_encoder(points, {"a": "continuous"}, depth=True)
    matrix = design_matrix(encoder, points, ["q", "p", "q"], np.array([[0, 30], [0, 30], [30, 60]]))
    np.testing.assert_array_equal(matrix, [[6, 0, 30], [5, 0, 30], [6, 30, 60]])


def ordered(points: pd.DataFrame, kinds: dict[str, str], *, depth: bool = False, **means: object) -> Encoder:
    return make_encoder(points, kinds, depth=depth, encoding="ordered", target_means=TargetMeans(**means))  # type: ignore[arg-type]


def test_ordered_classes_are_the_means_of_their_rows():
    points = pd.DataFrame({"a": [1.0, 2, 3, 4], "rock": [7.0, 3, 7, -2]})
    encoder = ordered(points, ROCK, depth=True, values=np.array([10.0, 4, 20, 6]), shrinkage=0.0)
    assert encoder.features == ("a", "rock", "top_cm", "bottom_cm") == encoder.sources
    assert encoder.encoding == "ordered"
    out = encoder.transform(np.array([[1, 7], [1, 3], [1, -2], [1, 5], [1, 99], [1, -99]], dtype=float), (0, 30))
    assert out[:, 1].tolist() == [15.0, 4.0, 6.0, 10.0, 10.0, 10.0]
    assert encoder.unseen(np.array([[1, 7], [1, 5.0]])).tolist() == [False, True]


def test_shrunken_and_weighted_means_by_hand():
    points = pd.DataFrame({"a": [1.0, 2, 3], "rock": [1.0, 1, 2]})
    # Weights 1, 1, 4 become 1/2, 1/2, 2; the overall mean is (1 + 3 + 4 * 8) / 6 = 6.
    encoder = ordered(points, ROCK, values=np.array([1.0, 3.0, 8.0]), weights=np.array([1.0, 1.0, 4.0]), shrinkage=2.0)
    assert dict(encoder.means)["rock"] == pytest.approx(((0.5 + 1.5 + 2 * 6) / 3, (16 + 2 * 6) / 4))
    assert encoder.overall == pytest.approx(6.0)


def test_rows_of_several_layers_count_once_each_and_layers_may_be_taken_off():
    points = pd.DataFrame({"a": [1.0, 2.0], "rock": [1.0, 2.0]}, index=["p", "q"])
    rows = {"values": np.array([9.0, 3.0, 11.0]), "profile_ids": ["p", "p", "q"], "shrinkage": 0.0}
    assert dict(ordered(points, ROCK, **rows).means)["rock"] == pytest.approx((6.0, 11.0))
    # Means of the layers are 10 and 3, of all 23/3: differences -1, 0 and 1.
    layers = ordered(points, ROCK, **rows, strata=np.array([0, 1, 0]))
    assert dict(layers.means)["rock"] == pytest.approx((23 / 3 - 0.5, 23 / 3 + 1.0))


def test_a_class_of_profiles_without_rows_gets_the_overall_mean():
    points = pd.DataFrame({"a": [1.0, 2.0], "rock": [1.0, 2.0]}, index=["p", "q"])
    encoder = ordered(points, ROCK, values=np.array([9.0, 3.0]), profile_ids=["p", "p"], shrinkage=0.0)
    assert dict(encoder.means)["rock"] == pytest.approx((6.0, 6.0))


def test_an_encoder_learned_in_training_rows_does_not_change_with_the_others():
    rng = np.random.default_rng(3)
    points = pd.DataFrame({"a": rng.normal(size=60), "rock": rng.integers(0, 5, 60).astype(float)})
    values = rng.normal(size=60)
    changed = np.where(np.arange(60) < 40, values, 1000.0)
    first = ordered(points[:40], ROCK, values=values[:40])
    assert first == ordered(points[:40], ROCK, values=changed[:40])
    assert first != ordered(points, ROCK, values=changed)


@pytest.mark.parametrize("encoding", ["onehot", "ordered"])
def test_an_encoder_goes_through_json(encoding: str):
    points = pd.DataFrame({"a": [1.0, 2, 3], "rock": [7.0, 3, 7], "use": [1.0, 2, 3]})
    kinds = {"a": "continuous", "rock": "class", "use": "class"}
    means = TargetMeans(np.array([0.1, 1 / 3, 7e-9]))
    encoder = make_encoder(points, kinds, depth=True, encoding=encoding, target_means=means)  # type: ignore[arg-type]
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder and hash(again) == hash(encoder)


@pytest.mark.parametrize(
    "change", [{"classes": {"rock": "x"}}, {"classes": {"clay": [1]}}, {"means": {"rock": [1.0]}}, {"depth": None, "covariates": None}]
)
def test_a_damaged_encoder_is_refused(change: dict[str, object]):
    document = Encoder(("a", "rock"), (("rock", (3, 7)),), False, (("rock", (1.5, 2.0)),), 1.75).to_dict()
    with pytest.raises(ModelError, match=r"^encoder: "):
        Encoder.from_dict(document | change)


@pytest.mark.parametrize("code", [np.nan, np.inf, 2.5, 1e300])
def test_codes_that_are_not_whole_are_named(code: float):
    points = pd.DataFrame({"a": [1.0, 2], "rock": [code, 3.0]})
    with pytest.raises(ModelError, match=r"covariate 'rock': 1 of 2 class codes are not whole numbers"):
        make_encoder(points, ROCK, depth=False)


def test_faults_of_the_target_come_at_once():
    points = pd.DataFrame({"a": [1.0, 2], "rock": [1.0, 3.0]})
    with pytest.raises(ModelError) as caught:
        ordered(points, ROCK, values=np.array([1.0, np.nan]), weights=np.array([1.0, 0.0]), strata=np.array([1]), shrinkage=-1.0)
    assert len(caught.value.faults) == 4
    with pytest.raises(ModelError, match="3 values for 2 rows"):
        ordered(points, ROCK, values=np.ones(3))
    with pytest.raises(ModelError, match="1 profiles without covariates"):
        ordered(points, ROCK, values=np.ones(2), profile_ids=[0, "x"])
    with pytest.raises(ModelError, match="target_means"):
        make_encoder(points, ROCK, depth=False, encoding="ordered")
    with pytest.raises(ModelError, match="'hot'; expected one of"):
        make_encoder(points, ROCK, depth=False, encoding="hot")  # type: ignore[arg-type]


def test_without_classes_ordered_and_one_hot_are_the_same():
    points = pd.DataFrame({"a": [1.0, 2]})
    assert make_encoder(points, CONTINUOUS, depth=True, encoding="ordered") == make_encoder(points, CONTINUOUS, depth=True)


def test_one_class_is_one_constant_column():
    points = pd.DataFrame({"a": [1.0, 2], "rock": [4.0, 4.0]})
    assert make_encoder(points, ROCK, depth=False).transform(points.to_numpy())[:, 1].tolist() == [1, 1]
    assert ordered(points, ROCK, values=np.array([2.0, 4.0])).transform(points.to_numpy())[:, 1].tolist() == [3, 3]


@pytest.mark.parametrize("codes", [["a", "b"], pd.Categorical(["a", "b"]), pd.array(["a", "b"], dtype="string")])
def test_classes_that_are_words_are_named(codes: object):
    with pytest.raises(ModelError, match="covariate 'rock': 2 of 2 class codes are no numbers"):
        make_encoder(pd.DataFrame({"rock": codes}), {"rock": "class"}, depth=False)


def test_nullable_and_boolean_classes_are_codes():
    points = pd.DataFrame({"rock": pd.array([7, 3], dtype="Int64"), "wet": [True, False]})
    assert make_encoder(points, {"rock": "class", "wet": "class"}, depth=False).features == ("rock=3", "rock=7", "wet=0", "wet=1")


def test_covariates_without_a_kind_or_named_twice():
    with pytest.raises(ModelError) as caught:
        make_encoder(pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "a", "b"]), {"a": "klass"}, depth=False)
    assert list(caught.value.faults) == [
        "covariate 'a': stands twice; expected each once",
        "covariate 'a': kind 'klass'; expected continuous or class",
        "covariate 'b': kind None; expected continuous or class",
    ]


def test_profiles_without_covariates_or_with_two_rows_of_them():
    points = pd.DataFrame({"rock": [3, 7, 7]}, index=["a", "a", "b"])
    encoder = make_encoder(points, {"rock": "class"}, depth=False)
    means = TargetMeans(np.ones(3), profile_ids=["a", "b", "z"])
    for call in (
        lambda: design_matrix(encoder, points, ["a", "b", "z"], np.zeros((3, 2))),
        lambda: make_encoder(points, {"rock": "class"}, depth=False, encoding="ordered", target_means=means),
    ):
        with pytest.raises(ModelError) as caught:
            call()
        assert list(caught.value.faults) == [
            "covariates: 1 profiles without covariates (such as z); expected one row of covariates for each",
            "covariates: 1 profiles with covariates twice (such as a); expected one row of covariates for each",
        ]
