"""Area of applicability against stored results of the R package CAST (1.1.0).

Its files carry ten significant digits: the tolerance is 1e-8 relative, and the answer inside or outside must be the same for
every point.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.validate.applicability import dissimilarity_and_density, fit_applicability, is_inside

VARIANTS = [f"{weights}_{folds}" for weights in ("unweighted", "weighted") for folds in ("noCV", "folds")]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "oracles" / "spatial_validation"


@pytest.mark.parametrize("variant", VARIANTS)
def test_dissimilarity_threshold_and_area(folder, variant):
    told = json.loads((folder / "splot_chile_aoa.json").read_text())
    train, new = (pd.read_csv(folder / f"splot_chile_aoa_{name}.csv") for name in ("train", "new"))
    result = pd.read_csv(folder / "splot_chile_aoa_result.csv")
    names, peer = told["variables"], told[variant]
    weights = None if peer["weights"] is None else [peer["weights"][name] for name in names]
    fold = train["fold"].to_numpy() if variant.endswith("folds") else None

    ours = fit_applicability(train[names], weights, fold, names)

    np.testing.assert_allclose(ours.centre, list(peer["scale_mean"].values()), rtol=1e-12)
    np.testing.assert_allclose(ours.scale, list(peer["scale_sd"].values()), rtol=1e-12)
    assert ours.mean_distance == pytest.approx(peer["trainDist_avrgmean"], rel=1e-12)
    assert ours.threshold == pytest.approx(peer["threshold"], rel=1e-8)
    theirs = pd.read_csv(folder / f"splot_chile_aoa_trainDI_{variant}.csv")["trainDI"]
    np.testing.assert_allclose(ours.train_di, theirs, rtol=1e-8)
    di, density = dissimilarity_and_density(ours, new[names])
    np.testing.assert_allclose(di, result[f"{variant}.DI"], rtol=1e-8)
    assert (is_inside(ours, di) == result[f"{variant}.AOA"].astype(bool)).all()
    assert is_inside(ours, di).sum() == peer["n_inside"]
    assert ((density > 0) == is_inside(ours, di)).all()
    assert any("no folds" in note for note in ours.notes) == variant.endswith("noCV")
