import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model.features import design_matrix, make_encoder, screen_correlation

CONTINUOUS = dict.fromkeys("abcd", "continuous")


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
    encoder = make_encoder(points, {"a": "continuous", "rock": "class"}, depth=False)
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
