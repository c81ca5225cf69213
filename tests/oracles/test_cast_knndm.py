"""kNNDM against stored results of the R package CAST 1.1.0: distances and W of the peer's own folds, and folds of ours."""

import json

import numpy as np
import pandas as pd
import pytest

from edaphic.validate.knndm import match_folds
from edaphic.validate.nearest import OtherFolds, distances_to, leave_one_out_distances, wasserstein

CASES = ("meuse", "meuse_k10", "meuse_clustered", "meuse_clustered_kmeans")


@pytest.fixture(params=CASES)
def case(request, shared):
    start = shared / "oracles" / "spatial_validation" / f"{request.param}_knndm"
    tables = {name: pd.read_csv(f"{start}_{name}.csv") for name in ("train", "pred", "train_nnd", "pred_nnd")}
    return tables | {"told": json.loads(start.with_suffix(".json").read_text())}


def test_distances_and_w_of_the_peers_folds(case):
    points, cells = case["train"][["X", "Y"]].to_numpy(float), case["pred"][["X", "Y"]].to_numpy(float)
    other = OtherFolds(points)
    gij = distances_to(cells, points)
    gj_star = other.distances(case["train"]["fold"].to_numpy())
    gj_random = other.distances(case["train_nnd"]["random_fold"].to_numpy())
    np.testing.assert_allclose(leave_one_out_distances(points), case["train_nnd"]["Gj"], rtol=1e-8)
    np.testing.assert_allclose(gij, case["pred_nnd"]["Gij"], rtol=1e-8)
    np.testing.assert_allclose(gj_star, case["train_nnd"]["Gjstar"], rtol=1e-8)
    np.testing.assert_allclose(gj_random, case["train_nnd"]["random_Gjstar"], rtol=1e-8)
    assert wasserstein(gj_star, gij) == pytest.approx(case["told"]["W"], rel=1e-8)
    assert wasserstein(gj_random, gij) == pytest.approx(case["told"]["W_random"], rel=1e-8)


@pytest.mark.parametrize("clustering", ["hierarchical", "kmeans"])
def test_our_folds_match_no_worse_than_the_peers(case, clustering):
    told = case["told"]
    ours = match_folds(case["train"][["X", "Y"]], case["pred"][["X", "Y"]], told["k"], seed=1, clustering=clustering, maxp=told["maxp"])
    assert (ours.clusters == "random") == (told["q"] == "random CV")
    if ours.clusters != "random":  # W of random folds depends on the draw alone.
        assert ours.w <= 1.02 * told["W"]
    assert len(np.unique(ours.fold)) == told["k"]
    assert np.bincount(ours.fold).max() <= told["maxp"] * len(ours.fold)
