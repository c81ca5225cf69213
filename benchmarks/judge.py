"""Judge the designs and the intervals by the truth: hundreds of virtual worlds, surveyed as people survey.

For each world and survey a forest is trained on all profiles and maps every cell. Because the truth is known, so is the error of that map.
Each design then estimates it from the same profiles by holding some of them back.

- **Truth.** The error of the map is the root mean square, over all cells (layers, years), of the prediction minus the stock of one new pit
  at a random point of the cell, without measurement error. It is a closed form: the squared error against the mean of the cell plus the
  variance of its pits.
- **Estimate.** The out-of-fold RMSE against measured stocks, less the variance of the measurement, which is known here: like with like.
- **Ratio.** Estimate over truth, the mean over the worlds with its 95 % interval. Below 1 the design promises too much.
- **Intervals.** 5 % and 95 % quantiles of the forest as they are and after the conformal adjustment that each design's out-of-fold
  predictions call for; coverage of one new pit in every cell, with measurement error and without, and of the mean of the cell.

``--worlds`` sets how many per survey (default 200), ``--workers`` how many are worked on at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
from common import arguments, markdown, save
from numpy.typing import NDArray
from scipy.stats import t as student

from edaphic.model.forest import Forest, Settings, train
from edaphic.model.traverse import Prediction, predict
from edaphic.validate.calibration import adjust, cross_calibrate, fit_adjustments, moves_for
from edaphic.validate.designs import BlockFolds, KnndmFolds, ProfileFolds, RandomFolds, places
from edaphic.virtual.survey import Survey, send
from edaphic.virtual.world import Nature, World, make

Array = NDArray[np.float64]

LEVELS = (0.05, 0.95)
NOMINAL = 0.9
PLACE_M = 100.0
FOREST = Settings(trees=100)
FIRST_SEED = 1
SPACE_TIME = ((0.0, 30.0), (30.0, 100.0))


@dataclass(frozen=True)
class Trial:
    """What is made, how it is surveyed, what is trained, how many folds."""

    nature: Nature
    survey: Survey
    years: tuple[int, ...] = (2000,)
    folds: int = 10
    settings: Settings = FOREST


NATURE = Nature()
STILL = {design: Trial(NATURE, Survey(design=design)) for design in ("random", "clustered", "roads", "climate")}
MOVING = {
    f"{name}, 2 layers, 1980-2020": replace(
        trial,
        survey=replace(trial.survey, profiles=250, layers_cm=SPACE_TIME, periods=((1980, 1989), (2000, 2009), (2010, 2020))),
        years=(1985, 2015),
    )
    for name, trial in STILL.items()
    if name in ("random", "clustered")
}
CLUSTERED = STILL["clustered"]
OTHERS = {
    "clustered, 10 centres": replace(CLUSTERED, survey=replace(CLUSTERED.survey, clusters=10)),
    "clustered, 40 centres of 2.5 km, 500 profiles": replace(
        CLUSTERED, survey=replace(CLUSTERED.survey, clusters=40, cluster_m=2500.0, profiles=500)
    ),
    "clustered, no hidden field": replace(CLUSTERED, nature=replace(NATURE, residual_share=0.0)),
    "clustered, hidden field half of the variance, range 50 km": replace(
        CLUSTERED, nature=replace(NATURE, residual_share=0.5, residual_range_m=50_000.0)
    ),
}
"""The clustered survey where the world or the clusters are others: whether what is found hangs on one choice."""
TRIALS: Mapping[str, Trial] = MappingProxyType(STILL | MOVING | OTHERS)


@dataclass(frozen=True)
class Map:
    """What the forest says of every cell, layer and year, and what is true there; arrays (n,)."""

    said: Prediction
    depth: NDArray[np.float64]
    cell: Array
    pit: Array
    measured: Array

    def rmse(self, own_sd: float) -> float:
        """Against one new pit in each cell, in the mean over all pits."""
        within = self.cell**2 * np.expm1(own_sd**2)
        return float(np.sqrt(np.mean((self.said.mean - self.cell) ** 2 + within)))

    def rmse_log(self, own_sd: float) -> float:
        """The same for logarithms."""
        middle = np.log(self.cell) - own_sd**2 / 2
        return float(np.sqrt(np.mean((self.said.mean_fit - middle) ** 2) + own_sd**2))


def features_of(world: World, table: pd.DataFrame, *, layers: int) -> NDArray[np.float32]:
    """Covariates in the year of each row, with both depths where there are several layers."""
    rows, cols, years = (table[name].to_numpy() for name in ("row", "col", "year"))
    found = world.features(rows, cols, years)
    if layers == 1:
        return found
    return np.column_stack([found, table[["top_cm", "bottom_cm"]].to_numpy(dtype=np.float32)])


def mapped(world: World, trial: Trial, forest: Forest, seed: int) -> Map:
    """The map and the truth."""
    rng = np.random.default_rng([seed, 21])
    row, col = np.indices(world.nature.shape).reshape(2, -1)
    tables, cells = [], []
    for year in trial.years:
        for top, bottom in trial.survey.layers_cm:
            tables.append(pd.DataFrame({"row": row, "col": col, "year": year, "top_cm": top, "bottom_cm": bottom}))
            cells.append(world.true_stock_kg_m2(top, bottom, year).ravel())
    every, cell = pd.concat(tables, ignore_index=True), np.concatenate(cells)
    features = features_of(world, every, layers=len(trial.survey.layers_cm))
    pit = world.pits(cell, rng)
    said = predict(forest, features, (LEVELS[0], 0.5, LEVELS[1]))
    return Map(said, every[["top_cm", "bottom_cm"]].to_numpy(), cell, pit, world.measured(pit, rng))


def folds_of(world: World, trial: Trial, table: pd.DataFrame, seed: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Fold of each row in each design."""
    place = places(table["lon"], table["lat"], PLACE_M)
    row, col = (index[::2, ::2].ravel() for index in np.indices(world.nature.shape))
    cells = np.column_stack(world.lon_lat(row, col))
    k = trial.folds
    yield "random", RandomFolds(k, seed).fold_of(table, place)
    if len(trial.survey.layers_cm) > 1:  # else they are the random folds
        yield "profile", ProfileFolds(k, seed).fold_of(table, place)
    # The size that a residual variogram would tell if it were seen without error.
    blocks = BlockFolds(k, seed, block_m=trial.nature.residual_range_m)
    few = len(np.unique(blocks.blocks(table, place)))
    yield "block", replace(blocks, n_splits=min(k, few)).fold_of(table, place)
    yield "knndm", KnndmFolds(k, seed, prediction=cells).fold_of(table, place)


def out_of_fold(
    features: NDArray[np.float32], table: pd.DataFrame, fold: NDArray[np.int64], settings: Settings, seed: int
) -> pd.DataFrame:
    """Predictions of rows that the forest has not seen."""
    observed = table["observed"].to_numpy()
    out = table[["profile_id", "top_cm", "bottom_cm", "year", "zone", "lon", "lat", "observed"]].assign(fold=fold)
    names = ["predicted", "predicted_fit", "q05_raw", "q50", "q95_raw"]
    values = np.empty((len(table), len(names)))
    for k in np.unique(fold):
        held = fold == k
        forest = train(features[~held], observed[~held], settings, log=True, seed=seed)
        said = predict(forest, features[held], (LEVELS[0], 0.5, LEVELS[1]))
        values[held] = np.column_stack([said.mean, said.mean_fit, said.quantiles])
    out[names] = values
    return out


def one_world(name: str, seed: int, trials: Mapping[str, Trial] = TRIALS) -> list[dict[str, object]]:
    """Make, survey, map, and let each design estimate: one row per design."""
    trial = trials[name]
    world = make(seed, trial.nature)
    table = send(world, trial.survey, seed)
    features = features_of(world, table, layers=len(trial.survey.layers_cm))
    forest = train(features, table["observed"].to_numpy(), trial.settings, log=True, seed=seed)
    chart = mapped(world, trial, forest, seed)
    own = trial.nature.own_sd
    truth = {"true_rmse": chart.rmse(own), "true_rmse_log": chart.rmse_log(own)}
    truth["true_mec"] = 1 - truth["true_rmse"] ** 2 / (chart.cell.var() + np.mean(chart.cell**2) * np.expm1(own**2))
    told = {"survey": name, "seed": seed} | truth
    rows, known = [], dict[bytes, pd.DataFrame]()
    for design, fold in folds_of(world, trial, table, seed):
        # Designs often agree: where profiles are as dispersed as the cells of the map, kNNDM takes random folds.
        key = fold.tobytes()
        if key not in known:
            known[key] = out_of_fold(features, table, fold, trial.settings, seed)
        held = known[key]
        facts = {"design": design, "folds": len(np.unique(fold)), "largest_fold": np.bincount(fold).max() / len(fold)}
        rows.append(told | facts | estimated(held, trial.nature, truth) | covered(held, chart))
    return rows


def estimated(held: pd.DataFrame, nature: Nature, truth: Mapping[str, float]) -> dict[str, float]:
    """RMSE out of fold, less the variance of the measurement, over the truth."""
    observed, cv2 = held["observed"].to_numpy(), nature.measurement_cv**2
    # E[observed^2] = (1 + cv^2) E[stock^2], and the variance of the measurement is cv^2 E[stock^2].
    square = np.mean((held["predicted"].to_numpy() - observed) ** 2) - cv2 / (1 + cv2) * np.mean(observed**2)
    square_log = np.mean((held["predicted_fit"].to_numpy() - np.log(observed)) ** 2) - np.log1p(cv2)
    rmse, rmse_log = np.sqrt(max(square, 0.0)), np.sqrt(max(square_log, 0.0))
    return {"rmse": rmse, "rmse_log": rmse_log, "ratio": rmse / truth["true_rmse"], "ratio_log": rmse_log / truth["true_rmse_log"]}


def covered(held: pd.DataFrame, chart: Map) -> dict[str, float]:
    """Coverage out of fold, and of the map: raw, and adjusted by this design."""
    calibrated = cross_calibrate(held, LEVELS, log=True)
    moves = fit_adjustments(held, LEVELS, log=True)
    low_raw, middle, high_raw = chart.said.quantiles.T
    low, high = np.empty_like(low_raw), np.empty_like(high_raw)
    for top, bottom in pd.DataFrame(chart.depth).drop_duplicates().itertuples(index=False):
        here = (chart.depth == (top, bottom)).all(axis=1)
        lower, upper = moves_for(moves, (top, bottom))
        low[here], high[here] = adjust(low_raw[here], middle[here], high_raw[here], lower, upper, log=True)
    observed = held["observed"].to_numpy()
    out = {
        "out_of_fold_raw": _inside(observed, held["q05_raw"].to_numpy(), held["q95_raw"].to_numpy()),
        "out_of_fold": _inside(observed, calibrated["q05"].to_numpy(), calibrated["q95"].to_numpy()),
        "wider": float(np.mean(np.log(high / low)) / np.mean(np.log(high_raw / low_raw))),
    }
    for what, values in (("measured", chart.measured), ("pit", chart.pit), ("cell", chart.cell)):
        out[f"{what}_raw"], out[what] = _inside(values, low_raw, high_raw), _inside(values, low, high)
    out["below"], out["above"] = float(np.mean(chart.measured < low)), float(np.mean(chart.measured > high))
    return out


def _inside(values: Array, low: Array, high: Array) -> float:
    return float(np.mean((values >= low) & (values <= high)))


def mean_with_interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean over the worlds, and its 95 % interval by Student's t."""
    n = len(values)
    half = student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def summary(rows: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Means of some columns with their intervals, by survey and design."""
    out = []
    for (survey, design), part in rows.groupby(["survey", "design"], sort=False):
        line: dict[str, object] = {"survey": survey, "design": design, "worlds": len(part), "single": float(part["ratio"].std(ddof=1))}
        for column in columns:
            line[column], line[f"{column}_low"], line[f"{column}_high"] = mean_with_interval(part[column])
        out.append(line)
    return pd.DataFrame(out)


def compact(table: pd.DataFrame, *more: str) -> pd.DataFrame:
    """Mean and interval in one cell."""
    out = table[["survey", "design", "worlds", *more]].copy()
    for column in (name for name in table.columns if f"{name}_low" in table.columns):
        values = zip(table[column], table[f"{column}_low"], table[f"{column}_high"], strict=True)
        out[column] = [f"{mean:.3f} ({low:.3f} to {high:.3f})" for mean, low, high in values]
    return out


def world_in_words() -> str:
    """What the worlds and surveys are, from their settings."""
    n, s, m = NATURE, Survey(), next(iter(MOVING.values()))
    side_km = n.shape[0] * n.cell_m / 1000
    ranges = ", ".join(f"{r / 1000:g}" for r in (*n.ranges_m, n.greenness_range_m))
    return (
        f"Worlds of {n.shape[0]} x {n.shape[1]} cells of {n.cell_m / 1000:g} km ({side_km:g} km a side). Covariates are Gaussian fields "
        f"with exponential covariance: six that matter, with effective ranges of {ranges} km, and {n.useless} without effect. The "
        f"logarithm of the stock has a standard deviation of {n.log_sd:g}: {n.signal_share:.0%} of its variance is a curved function of "
        f"the covariates with interactions, {n.residual_share:.0%} a field that no covariate shows (range {n.residual_range_m / 1000:g} "
        f"km), {n.profile_share:.0%} differs from pit to pit within a cell. A measurement errs by {n.measurement_cv:.0%}. {s.profiles} "
        f"profiles of one layer (0-30 cm), one year. Surveys: *random*, all cells alike; *clustered*, {s.clusters} centres, profiles "
        f"around them with a standard deviation of {s.cluster_m / 1000:g} km; *roads*, {s.roads} straight roads, chance falling with "
        f"exp(-distance / {s.reach_m / 1000:g} km); *climate*, {s.dense_share:.0%} of the profiles in one of three climate zones. Two "
        f"trials have {m.survey.profiles} profiles of two layers (0-30, 30-100 cm), dug in 1980-1989, 2000-2009 and 2010-2020 while "
        f"one covariate moved; depth limits are predictors, the maps are of {' and '.join(map(str, m.years))}. Forests of {FOREST.trees} "
        f"trees on logarithms, {Trial(n, s).folds} folds, blocks with the side of the residual range, kNNDM towards every fourth cell. "
        f"The last trials repeat the clustered survey with other clusters and other worlds, as they say."
    )


RATIOS = """RMSE that a design estimates over the true RMSE of the map, mean over the worlds with its 95 % interval; `ratio` on the natural
scale, `ratio_log` on logarithms; `single` is the standard deviation of the ratio between single worlds. Truth: one new pit in every cell,
without measurement error; the known variance of the measurement is taken off the estimates. Where profiles have one layer, folds by profile
are the random ones."""
COVERAGE = """Coverage of 90 % intervals in every cell of the map: of a new pit as it would be measured (`measured`), and of its true stock
(`pit`); `_raw` are the quantiles of the forest, the others are adjusted by the out-of-fold predictions of the design."""
COVERAGES = ("out_of_fold_raw", "out_of_fold", "measured_raw", "measured", "below", "above", "pit_raw", "pit", "cell_raw", "cell", "wider")


def run(name: str, worlds: int, processes: int) -> pd.DataFrame:
    """All worlds of one trial; the order of the rows does not depend on the number of processes."""
    begun = time.perf_counter()
    seeds = range(FIRST_SEED, FIRST_SEED + worlds)
    with ProcessPoolExecutor(processes) as pool:
        found = [row for rows in pool.map(partial(one_world, name), seeds, chunksize=2) for row in rows]
    print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    return pd.DataFrame(found)


def page(rows: pd.DataFrame) -> str:
    """The tables as Markdown, with what must be known to read them."""
    ratios, cover = summary(rows, ("ratio", "ratio_log")), summary(rows, ("measured_raw", "measured", "pit_raw", "pit"))
    tables = markdown(compact(ratios, "single")), markdown(compact(cover))
    return "\n\n".join(["## Judged by truth", world_in_words(), RATIOS, tables[0], COVERAGE, tables[1]])


def main() -> None:
    """Run, summarise, save; trials that are not asked for keep the rows they have."""
    parser = arguments(__doc__)
    parser.add_argument("--worlds", type=int, default=200, help="worlds per survey (default 200)")
    parser.add_argument("--only", nargs="*", choices=list(TRIALS), default=list(TRIALS), help="surveys; none: only summarise")
    asked = parser.parse_args()
    stored = asked.results / "judge_worlds.csv"
    known = [pd.read_csv(stored)] if stored.exists() else []
    for name in asked.only:
        known = [pd.concat([*(part[part["survey"] != name] for part in known), run(name, asked.worlds, asked.workers)])]
        asked.results.mkdir(parents=True, exist_ok=True)
        known[0].round(4).to_csv(stored, index=False, lineterminator="\n")
    rows = known[0].set_index("survey").loc[[name for name in TRIALS if name in set(known[0]["survey"])]].reset_index()
    table = summary(rows, ("ratio", "ratio_log", *COVERAGES))
    save(asked.results, "judge", page(rows), {"judge": table, "judge_worlds": rows.round(4)})


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
