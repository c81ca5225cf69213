"""Forests against stored results of ranger 0.14.1: out-of-bag R2, means and quantiles at points, over 20 seeds.

ranger's min.node.size of 5 leaves nodes of at most five observations whole and lets children be smaller. It counts an observation as
often as the bootstrap drew it, we count it once: trees are a little coarser than ours would be with the same number, so the tolerance is
four times the spread of its seeds and 0.01. Its quantile forest keeps one row of each leaf, drawn at random: the same in expectation.

Where a split tries one feature only and that is constant in the node, ranger makes a leaf; we look for another feature, as scikit-learn
does. On meuse, with two classes of three values among its five predictors, this gains 0.03 in R2; a forest of our own made to stop there
came to 0.74, ranger's 0.737.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.model.forest import Settings, train_oob
from edaphic.model.traverse import predict

MODELS = ("ranger_default", "ranger_mtry3", "ranger_all")
SEEDS = 4


def case(shared: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame, pd.DataFrame]:
    folder = shared / "oracles" / "random_forest"
    about = json.loads((folder / f"{name}.json").read_text())
    table, points = pd.read_csv(folder / f"{name}_train.csv"), pd.read_csv(folder / f"{name}_points.csv")
    columns = about["predictors"]
    return (
        table[columns].to_numpy(dtype=np.float32),
        table[about["response"]].to_numpy(dtype=np.float64),
        points[columns].to_numpy(dtype=np.float32),
        pd.read_csv(folder / f"{name}_oob_by_seed.csv"),
        pd.read_csv(folder / f"{name}_points_pred.csv"),
    )


def settings_of(mtry: int, features: int, engine: str) -> Settings:
    share = mtry / features
    return Settings(500, share, min_samples_leaf=1, min_samples_split=6, engine=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["meuse", "splot"])
def test_out_of_bag_r2(shared: Path, name: str, model: str, engine: str) -> None:
    x, y, _, by_seed, _ = case(shared, name)
    theirs = by_seed[by_seed["model"] == model]
    settings = settings_of(int(theirs["mtry"].iloc[0]), x.shape[1], engine)
    found = []
    for seed in range(SEEDS if engine == "edaphic" else 1):
        _, oob = train_oob(x, y, settings, log=False, seed=seed, workers=2)
        assert np.isfinite(oob).all()
        found.append(1 - np.mean((oob - y) ** 2) / np.var(y, ddof=1))
    gains = 0.035 if (name, model) == ("meuse", "ranger_mtry3") else 0.0
    assert np.mean(found) == pytest.approx(theirs["oob_r2"].mean() + gains, abs=4 * theirs["oob_r2"].std() + 0.01)


@pytest.mark.parametrize("engine", ["edaphic", "scikit-learn"])
@pytest.mark.parametrize("name", ["meuse", "splot"])
def test_means_spreads_and_quantiles_at_points(shared: Path, name: str, engine: str) -> None:
    x, y, points, by_seed, theirs = case(shared, name)
    settings = settings_of(int(by_seed.loc[by_seed["model"] == "ranger_default", "mtry"].iloc[0]), x.shape[1], engine)
    seeds = range(SEEDS if engine == "edaphic" else 1)
    said = [
        predict(train_oob(x, y, settings, log=False, seed=seed, workers=2)[0], points, (0.05, 0.5, 0.95), workers=2) for seed in seeds
    ]
    scale = y.std()
    for column, ours, median, p95 in (
        ("mean_seedmean", np.mean([one.mean for one in said], axis=0), 0.03, 0.12),
        ("tree_sd_seedmean", np.mean([one.spread for one in said], axis=0), 0.06, 0.2),
        ("qrf_q05_seedmean", np.mean([one.quantiles[:, 0] for one in said], axis=0), 0.1, 0.5),
        ("qrf_q50_seedmean", np.mean([one.quantiles[:, 1] for one in said], axis=0), 0.1, 0.4),
        ("qrf_q95_seedmean", np.mean([one.quantiles[:, 2] for one in said], axis=0), 0.1, 0.6),
    ):
        off = np.abs(ours - theirs[column].to_numpy()) / scale
        assert np.median(off) < median, (column, np.median(off))
        assert np.quantile(off, 0.95) < p95, (column, np.quantile(off, 0.95))
        signed = np.mean(ours - theirs[column].to_numpy()) / scale
        assert abs(signed) < 0.05, (column, signed)
