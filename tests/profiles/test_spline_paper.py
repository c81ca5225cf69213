"""The paper mode by hand; its results beside the R package are held in tests/oracles/test_mpspline.py."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.depth.spline_paper import FAULTS, STATUS, harmonise_paper

NAN = float("nan")


def test_point_values_by_hand() -> None:
    """Two layers of 10 cm, lam 0: w = -2 / 40; f = 3.5 - 0.015 z^2 above 10 cm."""
    result = harmonise_paper(["a", "a"], [0, 10], [10, 20], [3.0, 1.0], [0, 10], lam=0, points=True)
    assert result.points is not None
    np.testing.assert_allclose(result.points, [3.5 - 0.015 * np.arange(10.0) ** 2])
    assert result.means[0, 0] == pytest.approx(3.5 - 0.015 * 285 / 10)


def test_smoothing_counts_layers() -> None:
    """n lam: with R = 60, w = -2 / (60 + 2 * 6 * 2 * lam), lam 2.5 gives -1/60 and means 3 + 30 w, 1 - 30 w."""
    result = harmonise_paper(["a", "a"], [0, 10], [10, 30], [3.0, 1.0], [0, 10], lam=2.5)
    np.testing.assert_allclose(result.layers["s_bar"], [2.5, 1.5])
    assert result.rmse[0] == pytest.approx(0.5)
    assert result.rmse_iqr[0] == pytest.approx(0.5)


def test_values_are_cut_before_averaging() -> None:
    """f = 2 - 0.0225 z^2 and its mirror image: below 10 cm it is 0.0225 (20 - z)^2 - 1, negative from 13.33 cm."""
    z = np.arange(20.0)
    curve = np.where(z < 10, 3.5 - 0.0225 * z**2, -1.0 + 0.0225 * (20 - z) ** 2)
    result = harmonise_paper(["a", "a"], [0, 10], [10, 20], [2.75, -0.25], [(0, 20)], lam=0, vlow=0, vhigh=3)
    assert result.means[0, 0] == pytest.approx(np.clip(curve, 0, 3).mean())


def test_intervals_may_start_anywhere() -> None:
    result = harmonise_paper([7, 7], [10, 30], [30, 60], [4.0, 4.0], [(0, 5), (20, 50), (0, 40), (55, 100), (60, 70)])
    np.testing.assert_allclose(result.means, [[NAN, 4.0, 4.0, 4.0, NAN]])
    assert result.profile_ids.tolist() == ["7"]


def test_one_layer_is_its_value_where_it_was_observed() -> None:
    result = harmonise_paper(["a"], [10], [30], [8.0], [0, 10, 20, 30, 40])
    np.testing.assert_array_equal(result.means, [[NAN, 8.0, 8.0, NAN]])
    assert result.status.tolist() == ["one layer"]
    assert np.isnan(result.rmse).all()


def test_repairs_are_told() -> None:
    ids = ["a", "a", "a", "a", "a", "a", "b", "b", "c", "d", "d"]
    upper = [NAN, 10, 10, 20, 30, 40, 0, 15, 0, 0, NAN]
    lower = [10, 10, 20, 15, 40, NAN, 20, 30, 20, 10, 20]
    value = [9.0, 8, 7, 6, NAN, 5, 4, 3, NAN, 2, 1]
    result = harmonise_paper(ids, upper, lower, value, [0, 30])
    assert dict(zip(result.profile_ids, result.status, strict=True)) == {"a": "ok", "b": "overlap", "c": "no values", "d": "depth missing"}
    assert result.repairs[["profile_id", "row", "fault"]].values.tolist() == [
        ["a", 5, "value missing"],
        ["c", 9, "value missing"],
        ["a", 1, "first upper depth missing"],
        ["a", 6, "last lower depth missing"],
        ["d", 11, "depth missing"],
        ["a", 2, "zero thickness"],
        ["a", 4, "upper depth below lower depth"],
        ["b", 8, "overlap"],
    ]
    assert result.repairs.loc[3, ["before", "after"]].tolist() == ["40-nan cm", "50 cm"]
    assert (result.repairs["action"] == result.repairs["fault"].map(FAULTS)).all()
    assert result.layers[["profile_id", "row"]].values.tolist() == [["a", 1], ["a", 3], ["a", 6]]
    assert np.isnan(result.means[1:]).all()
    assert set(result.status) <= set(STATUS)


def test_layers_of_profiles_may_be_mixed() -> None:
    apart = harmonise_paper(list("aabb"), [0, 10, 0, 20], [10, 20, 20, 50], [4.0, 2, 8, 1], [0, 20, 50])
    mixed = harmonise_paper(list("baba"), [20, 10, 0, 0], [50, 20, 20, 10], [1.0, 2, 8, 4], [0, 20, 50])
    assert mixed.profile_ids.tolist() == ["b", "a"]
    np.testing.assert_array_equal(mixed.means[::-1], apart.means)


def test_no_rows() -> None:
    result = harmonise_paper([], [], [], [], [0, 30], points=True)
    assert result.means.shape == (0, 1) and result.points is not None and result.points.shape == (0, 30)
    assert len(result.repairs) == len(result.layers) == 0


@pytest.mark.parametrize("bounds", [[], [0], [10, 0], [-5, 10], [(10, 5)], [[0, 1, 2]], [0, NAN]])
def test_bounds_are_refused(bounds: NDArray) -> None:
    with pytest.raises(TableError, match="bounds"):
        harmonise_paper(["a"], [0], [10], [1.0], bounds)


@pytest.mark.parametrize(
    ("arguments", "options", "fault"),
    [
        ((["a"], [0], [10], ["much"]), {}, "expected numbers"),
        ((["a"], [0], [10], [1.0, 2.0]), {}, "shape"),
        (([None], [0], [10], [1.0]), {}, "without profile"),
        ((["a"], [0], [np.inf], [1.0]), {}, "infinite"),
        ((["a"], [0], [10], [1.0]), {"lam": -1}, "lam"),
        ((["a"], [0], [10], [1.0]), {"vlow": 5, "vhigh": 1}, "vlow"),
    ],
)
def test_input_is_refused(arguments: tuple, options: dict[str, float], fault: str) -> None:
    with pytest.raises(TableError, match=fault):
        harmonise_paper(*arguments, [0, 30], **options)
