"""Bulk density by gradient boosting on the table's own measured horizons, with an error from profiles held out.

Place is no predictor: it would let the trees copy the horizons next door, and folds by profile would not see that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from edaphic.errors import TableError
from edaphic.profiles.density.given_density import DENSITY_RANGE_G_CM3
from edaphic.profiles.density.pedotransfer import MINERAL_RULES, ORGANIC_SOC_G_KG, Rule, blended, predictor

try:
    import xgboost  # type: ignore[import-not-found, import-untyped, unused-ignore]
except ImportError:  # an extra: only asked for by name
    xgboost = None

Floats = NDArray[np.float64]

ENGINES = ("sklearn", "xgboost")

PREDICTORS = ("soc_g_kg", "mid_cm", "thickness_cm", "clay_pct", "silt_pct", "sand_pct", "ph_h2o", "coarse_fragments_vol_pct")
"""What the trees see; a missing value is a branch of its own. There is no flag for organic soil: it is a cut of carbon."""

MIN_HORIZONS = 200
MIN_PROFILES = 50
MIN_ORGANIC = 100
"""Measured organic horizons from which on the trees, and not the organic curve, estimate organic soil."""

FOLDS = 5
_ROUNDS = 300
_RATE = 0.05
_LEAVES = 15
_LEAST = 20


@dataclass(frozen=True)
class GapFiller:
    """Trees that were trained on measured horizons.

    Attributes
    ----------
    engine : {"sklearn", "xgboost"}
    model : object
        Fitted on all measured horizons.
    covers_organic : bool
        Whether enough organic horizons were measured for the trees to estimate others.
    sd_g_cm3 : (mineral, organic)
        Root mean square error on profiles held out; without organic horizons the second is NaN.
    score : dict
        ``horizons, profiles, organic_horizons, folds, rmse_g_cm3, bias_g_cm3, mec`` out of fold, ``organic`` (who estimates
        organic soil) and ``beside``: the same figures of every pedotransfer rule and of the trees on the horizons for which
        the rule has a value.
    """

    engine: str
    model: Any
    covers_organic: bool
    sd_g_cm3: tuple[float, float]
    score: dict[str, Any]

    def predict(self, horizons: pd.DataFrame, fragments_vol_pct: Floats) -> Floats:
        """Bulk density of the fine earth, g/cm3 (n,)."""
        return _predicted(self.model, features(horizons, fragments_vol_pct))


def engine_faults(engine: str) -> list[str]:
    """What is wrong with the name of an engine, one line each."""
    if engine not in ENGINES:
        return [f"gap filling: unknown engine {engine!r}; expected one of {', '.join(ENGINES)}"]
    if engine == "xgboost" and xgboost is None:
        return ["gap filling: engine 'xgboost' is not installed; expected the package xgboost, or engine 'sklearn'"]
    return []


def features(horizons: pd.DataFrame, fragments_vol_pct: Floats) -> Floats:
    """Predictors (n, 8) in the order of :data:`PREDICTORS`, NaN where unknown.

    >>> features(pd.DataFrame({"top_cm": [0.0], "bottom_cm": [20.0], "soc_g_kg": [15.0], "clay_pct": [30.0]}), np.array([5.0]))
    array([[15., 10., 20., 30., nan, nan, nan,  5.]])
    """
    top, bottom = predictor(horizons, "top_cm"), predictor(horizons, "bottom_cm")
    made = {"mid_cm": (top + bottom) / 2.0, "thickness_cm": bottom - top, "coarse_fragments_vol_pct": fragments_vol_pct}
    return np.column_stack([made[name] if name in made else predictor(horizons, name) for name in PREDICTORS])


def train(
    horizons: pd.DataFrame, density_g_cm3: Floats, fragments_vol_pct: Floats, *, engine: str = "sklearn", seed: int = 0
) -> GapFiller:
    """Train on the horizons with a measured bulk density, and find the error on profiles held out.

    Parameters
    ----------
    horizons : DataFrame
        ``profile_id, top_cm, bottom_cm, soc_g_kg`` and, where there are, texture and pH (n rows).
    density_g_cm3 : ndarray (n,)
        Measured bulk density of the fine earth, NaN where there is none.
    fragments_vol_pct : ndarray (n,)
        Measured or classed coarse fragments, NaN where there are none.
    engine : {"sklearn", "xgboost"}
        Histogram gradient boosting of either library; the same number of rounds, rate and size of trees.
    seed : int
        Same seed, same trees, on any number of threads.

    Returns
    -------
    GapFiller

    Raises
    ------
    TableError
        Fewer than 200 measured horizons or than 50 profiles with one; unknown or missing engine.

    Notes
    -----
    Five folds of whole profiles: each horizon is estimated by trees that saw no other horizon of its profile. The model
    efficiency (MEC) is ``1 - SSE / SST``.
    """
    known = np.flatnonzero(np.isfinite(density_g_cm3))
    groups = pd.factorize(horizons["profile_id"].iloc[known])[0]
    profiles = int(groups.max()) + 1 if groups.size else 0
    faults = engine_faults(engine)
    if known.size < MIN_HORIZONS or profiles < MIN_PROFILES:
        faults.append(
            f"gap filling: found {known.size} horizons with a measured bulk density in {profiles} profiles; expected at least "
            f"{MIN_HORIZONS} in {MIN_PROFILES}, or another source of bulk density"
        )
    if faults:
        raise TableError(faults)
    # Threads lose more by waiting for each other over trees this small than they win.
    with threadpool_limits(limits=1, user_api="openmp"):
        return _trained(horizons.iloc[known], density_g_cm3[known], fragments_vol_pct[known], groups, engine, seed)


def _trained(rows: pd.DataFrame, truth: Floats, fragments_vol_pct: Floats, groups: NDArray[np.intp], engine: str, seed: int) -> GapFiller:
    """Error from the folds, and trees on all rows."""
    inputs = features(rows, fragments_vol_pct)
    held_out = out_of_fold(inputs, truth, groups, engine=engine, seed=seed)
    organic = predictor(rows, "soc_g_kg") > ORGANIC_SOC_G_KG
    covers = int(organic.sum()) >= MIN_ORGANIC
    error = held_out - truth
    score = {
        "engine": engine,
        "horizons": len(rows),
        "profiles": int(groups.max()) + 1,
        "organic_horizons": int(organic.sum()),
        "folds": f"{FOLDS} of whole profiles",
        **scores(truth, held_out),
        "organic": "gap filling" if covers else f"organic curve: {int(organic.sum())} measured, fewer than {MIN_ORGANIC}",
        "beside": beside(rows, truth, held_out, MINERAL_RULES),
    }
    return GapFiller(engine, _fitted(inputs, truth, engine, seed), covers, (_rms(error[~organic]), _rms(error[organic])), score)


def out_of_fold(inputs: Floats, truth: Floats, groups: NDArray[np.intp], *, engine: str, seed: int) -> Floats:
    """Estimates (n,) by models that saw no horizon of the same profile."""
    found = np.empty(truth.shape)
    for learn, test in GroupKFold(n_splits=FOLDS).split(inputs, truth, groups):
        found[test] = _predicted(_fitted(inputs[learn], truth[learn], engine, seed), inputs[test])
    return found


def beside(horizons: pd.DataFrame, truth: Floats, held_out: Floats, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Every pedotransfer rule, blended into the organic curve, and the trees on the same horizons."""
    rows = []
    for rule in rules:
        value, _ = blended(horizons, rule)
        there = np.isfinite(value)
        if there.any():
            gap = scores(truth[there], held_out[there])
            rows.append({"rule": rule.name, "horizons": int(there.sum()), **scores(truth[there], value[there]), "gap_filling": gap})
    return rows


def scores(truth: Floats, value: Floats) -> dict[str, float | None]:
    """Root mean square error, mean of (value - truth), and model efficiency 1 - SSE / SST (None where truth is constant).

    >>> scores(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    {'rmse_g_cm3': 0.7071067811865476, 'bias_g_cm3': -0.5, 'mec': -1.0}
    """
    error = value - truth
    spread = float(np.sum((truth - truth.mean()) ** 2))
    mec = 1.0 - float(np.sum(error**2)) / spread if spread > 0.0 else None
    return {"rmse_g_cm3": _rms(error), "bias_g_cm3": float(np.mean(error)), "mec": mec}


def _rms(error: Floats) -> float:
    return float(np.sqrt(np.mean(error**2))) if error.size else float("nan")


def _fitted(inputs: Floats, truth: Floats, engine: str, seed: int) -> Any:
    # The bins of a predictor that no row has cannot be made; a constant is never split either.
    inputs = np.where(np.isfinite(inputs).any(axis=0), inputs, 0.0)
    if engine == "xgboost":
        # Sums of gradients depend on how rows are dealt out to threads: one thread, the same bits everywhere.
        model = xgboost.XGBRegressor(
            n_estimators=_ROUNDS, learning_rate=_RATE, max_leaves=_LEAVES, max_depth=0, grow_policy="lossguide",
            min_child_weight=_LEAST, tree_method="hist", reg_lambda=1.0, random_state=seed, n_jobs=1,
        )  # fmt: skip
    else:
        # Its histograms are summed feature by feature: the number of threads changes no bit.
        model = HistGradientBoostingRegressor(
            max_iter=_ROUNDS, learning_rate=_RATE, max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAST, l2_regularization=1.0,
            early_stopping=False, random_state=seed,
        )  # fmt: skip
    return model.fit(inputs, truth)


def _predicted(model: Any, inputs: Floats) -> Floats:
    found: Floats = np.clip(np.asarray(model.predict(inputs), dtype=np.float64), *DENSITY_RANGE_G_CM3)
    return found
