"""Random-effects regression: balanced closed forms, generalised least squares written out, predictions, faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.validate.mixed import fit, fit_folds


def made(seed: int, groups: int = 40, rows: int = 5, between: float = 4.0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    x = pd.DataFrame({"MAT": random.normal(10, 5, len(group)), "clay": random.uniform(0, 60, len(group))})
    y = 3 + 0.5 * x["MAT"] - 0.1 * x["clay"] + random.normal(0, np.sqrt(between), groups)[group] + random.normal(0, 1, len(group))
    return x, y.to_numpy(), group


def test_balanced_one_way_is_the_analysis_of_variance() -> None:
    random = np.random.default_rng(1)
    y = random.normal(size=(12, 6)) + random.normal(0, 2, (12, 1))
    between_square, within_square = 6 * y.mean(axis=1).var(ddof=1), y.var(axis=1, ddof=1).mean()
    found = fit(pd.DataFrame(index=range(72)), y.ravel(), np.repeat(np.arange(12), 6))
    assert found.within == pytest.approx(within_square, rel=1e-6)
    assert found.between == pytest.approx((between_square - within_square) / 6, rel=1e-6)
    assert found.effects["se"][0] == pytest.approx(np.sqrt(between_square / 72), rel=1e-6)


def test_fixed_effects_are_generalised_least_squares() -> None:
    x, y, group = made(2)
    found = fit(x, y, group)
    columns = np.column_stack([np.ones(len(y)), x])
    v = found.within * np.eye(len(y)) + found.between * (group[:, None] == group[None, :])
    inverse = np.linalg.inv(v)
    covariance = np.linalg.inv(columns.T @ inverse @ columns)
    assert found.effects["estimate"].to_numpy() == pytest.approx(covariance @ columns.T @ inverse @ y, rel=1e-6)
    assert found.effects["se"].to_numpy() == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-6)
    blup = found.between * (group[:, None] == np.arange(40)).T @ inverse @ (y - found.predict(x))
    assert found.groups.loc[np.arange(40)].to_numpy() == pytest.approx(blup, abs=1e-6)


def test_intervals_cover_and_variances_are_found() -> None:
    found = [fit(*made(seed)) for seed in range(60)]
    inside = [one.effects.set_index("term").loc["MAT", ["low", "high"]].tolist() for one in found]
    assert np.mean([low <= 0.5 <= high for low, high in inside]) > 0.87
    assert np.mean([one.between for one in found]) == pytest.approx(4.0, rel=0.15)
    assert np.mean([one.within for one in found]) == pytest.approx(1.0, rel=0.05)


def test_without_groups_it_is_ordinary_least_squares() -> None:
    x, y, _ = made(3, between=0.0)
    found = fit(x, y, np.arange(len(y)))
    columns = np.column_stack([np.ones(len(y)), x])
    beta, rest, *_ = np.linalg.lstsq(columns, y, rcond=None)
    assert found.effects["estimate"].to_numpy() == pytest.approx(beta)
    assert found.within == pytest.approx(rest[0] / (len(y) - 3))
    assert "cannot be told" in found.notes[0]


def test_collinear_and_constant_columns_go_with_a_note() -> None:
    x, y, group = made(4)
    more = x.assign(twice=2 * x["MAT"] + 1, same=5.0)
    found = fit(more, y, group)
    assert found.names == ("MAT", "clay")
    assert len(found.notes) == 2
    assert found.predict(more) == pytest.approx(fit(x, y, group).predict(x))


def test_folds() -> None:
    x, y, group = made(5)
    rows = np.arange(len(y))
    by_group = [(rows[group % 4 != k], rows[group % 4 == k]) for k in range(4)]
    found = fit_folds(x, y, group, by_group)
    assert sorted(found["row"]) == rows.tolist()
    assert found["predicted"].equals(found["predicted_group"])
    within = [(rows[rows % 5 != k], rows[rows % 5 == k]) for k in range(5)]
    known = fit_folds(x, y, group, within)
    error = ((known["predicted_group"] - known["observed"]) ** 2).mean(), ((known["predicted"] - known["observed"]) ** 2).mean()
    assert error[0] < 0.5 * error[1]


def test_faults() -> None:
    x, y, group = made(6)
    with pytest.raises(ModelError, match="expected one of each"):
        fit(x, y[:5], group)
    with pytest.raises(ModelError, match="column 'MAT' is not finite"):
        fit(x.assign(MAT=np.nan), y, group)
    with pytest.raises(ModelError, match="expected at least three that differ"):
        fit(x, np.ones(len(y)), group)
    with pytest.raises(ModelError, match="3 effects for 3 rows"):
        fit(x.head(3), y[:3], group[:3])
    with pytest.raises(ModelError, match="no folds"):
        fit_folds(x, y, group, [])
