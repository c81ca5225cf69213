"""Monte Carlo of a map: what a realisation costs, and what coherent errors do to the interval of a total.

A square of land with smooth covariates, forests grown on bootstrap samples of drawn profiles. Processor time of the work on tiles, one
thread, by cells, realisations and trees: it should grow in proportion to each. Beside it the cells asked of scikit-learn's forest of as
many trees (its ``predict``, three calls for three layers, one thread), which is what a script would do for each draw. Then the interval of
the total of the square, with errors of the inputs that are alike over different ranges, and independent ones.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from affine import Affine
from common import arguments, markdown, save
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestRegressor

from edaphic.covariates.grid import Window
from edaphic.mapping.drawing import Draws, Error
from edaphic.mapping.montecarlo import Ground, MonteWork
from edaphic.mapping.noise import Noise
from edaphic.mapping.regional import Regions, Totals, mean_cell_m2, total_tables
from edaphic.model.bootstrap import Resampling, bootstrap_model, save_means
from edaphic.model.features import make_encoder
from edaphic.model.fit import TrainingTable
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.model.structure import Settings

SEED = 7
CELL_M = 250.0
LAYERS = ((0.0, 30.0), (30.0, 100.0), (100.0, 200.0))


@dataclass(frozen=True)
class Square:
    """Covariates of a square, float64 (rows, columns, covariates)."""

    values: np.ndarray

    def __call__(self, window: Window) -> Ground:
        rows, cols = window.slices
        part = self.values[rows, cols].reshape(-1, self.values.shape[2])
        return Ground(np.arange(len(part)), part)


def main() -> None:
    """Grow forests, time the work, compare intervals, write."""
    parser = arguments(__doc__)
    parser.add_argument("--side", type=int, default=96, help="cells of a side of the square")
    parser.add_argument("--training", type=int, default=2400, help="profiles")
    parser.add_argument("--covariates", type=int, default=22)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--forests", type=int, default=4)
    parser.add_argument("--draws", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rng = np.random.default_rng(SEED)
    names = [f"c{i:02d}" for i in range(asked.covariates)]
    white = rng.normal(size=(asked.covariates, asked.side, asked.side))
    smooth = np.stack([gaussian_filter(field, 15 if i % 2 else 2) for i, field in enumerate(white)], axis=2)
    smooth = 10 + smooth / smooth.std(axis=(0, 1))
    table, points = _rows(rng, smooth.reshape(-1, asked.covariates), names, asked.training)
    grid = GeoBox((asked.side, asked.side), Affine(CELL_M, 0, 5e5, 0, -CELL_M, 4.6e6), "EPSG:32634")
    kinds = dict.fromkeys(names, "continuous")
    encoder, target = make_encoder(points, kinds, depth=True), TARGETS["log_soc_density"]
    final = SoilModel("m", target, "3d", LAYERS, None, encoder, (), Settings(min_samples_leaf=5), SEED)
    with tempfile.TemporaryDirectory(prefix="edaphic_benchmark_") as place:
        paths = {}
        for trees in (asked.trees // 2, asked.trees):
            given = Resampling(table, points, kinds, final, None, trees, SEED)
            paths[trees] = tuple(Path(place) / f"{trees}_{i}.npz" for i in range(asked.forests))
            for i, path in enumerate(paths[trees]):
                save_means(path, bootstrap_model(given, i, asked.workers)[0])
        work = MonteWork(
            grid=grid, reader=Square(smooth), covariates=tuple(names), target=final.target, layers=LAYERS, whole=(0.0, 200.0),
            forests=paths[asked.trees], draws=Draws("crossed", asked.forests, asked.draws),
            errors=tuple(Error(name, relative=0.1) for name in names), noise=Noise(grid, SEED, 20.0), residuals=None,
            residual_noise=Noise(grid, SEED, 20.0), regions=Regions(grid, (), mean_cell_m2(grid)),
        )  # fmt: skip
        costs = _costs(work, paths, asked)
        plain = _scikit(work, table, points, asked)
        widths = _widths(work)
    cost = costs.iloc[-1]["ns_per_value"]
    ratios = pd.DataFrame([{"what": "scikit-learn's predict over ours, one thread", "ratio": plain / cost}])
    costs = pd.concat([costs, pd.DataFrame([{"what": "scikit-learn's predict", "ns_per_value": plain}])], ignore_index=True)
    words = (
        f"{asked.training} profiles, {asked.covariates} covariates, half of them smooth at 15 cells, three layers, {asked.trees} trees. "
        "`ns_per_value`: processor time for one tree, layer, cell and realisation, all in: draws, forests, percentiles, totals."
    )
    text = ["## Monte Carlo", "", words, "", markdown(costs), "", markdown(ratios), "", "Interval of the total (2.5 to 97.5 %):", ""]
    save(asked.results, "monte_carlo", "\n".join([*text, markdown(widths)]) + "\n", {"monte_carlo": costs, "monte_carlo_totals": widths})


def _rows(rng: np.random.Generator, cells: np.ndarray, names: list[str], profiles: int) -> tuple[TrainingTable, pd.DataFrame]:
    chosen = cells[rng.integers(0, len(cells), profiles)]
    points = pd.DataFrame(chosen, columns=names, index=pd.Index([f"p{i}" for i in range(profiles)], name="profile_id"))
    level = (chosen[:, 0] - 10) + 0.5 * (chosen[:, 1] - 10) * (chosen[:, 2] - 10)
    interval = np.tile(np.arange(3), profiles)
    values = np.exp(2.5 - 0.8 * interval + 0.4 * np.repeat(level, 3) + rng.normal(0, 0.4, 3 * profiles))
    ids = np.repeat(points.index.to_numpy(dtype=object), 3)
    return TrainingTable(ids, interval, values, 0, np.ones(len(ids)), np.zeros(len(ids))), points


def _costs(work: MonteWork, paths: dict[int, tuple[Path, ...]], asked) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Seconds of the work with half the cells, realisations and trees, and with all."""
    rows, half = asked.side // 2, asked.draws // 2
    cases = {
        "half the cells": (work, rows, asked.draws, asked.trees),
        "half the realisations": (_with(work, draws=Draws("crossed", asked.forests, half)), asked.side, half, asked.trees),
        "half the trees": (_with(work, forests=paths[asked.trees // 2]), asked.side, asked.draws, asked.trees // 2),
        "independent errors": (_with(work, noise=Noise(work.grid, SEED, None)), asked.side, asked.draws, asked.trees),
        "all": (work, asked.side, asked.draws, asked.trees),
    }
    work(Window(0, 0, 2, 2))  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(asked.rounds):
        for name, (own, high, _, _) in cases.items():
            begun = time.process_time()
            own(Window(0, 0, high, asked.side))
            seconds[name].append(time.process_time() - begun)
    return pd.DataFrame(
        [
            {
                "what": name,
                "cells": high * asked.side,
                "realisations": draws,
                "trees": trees,
                "median_s": statistics.median(seconds[name]),
                "ns_per_value": statistics.median(seconds[name]) / (high * asked.side * draws * trees * len(LAYERS)) * 1e9,
            }
            for name, (_, high, draws, trees) in cases.items()
        ]
    )


def _scikit(work: MonteWork, table: TrainingTable, points: pd.DataFrame, asked) -> float:  # type: ignore[no-untyped-def]
    """Nanoseconds of scikit-learn's forest for one tree, layer and cell, on the cells of the square as they are."""
    depths = np.asarray(LAYERS)
    rows = np.column_stack([points.loc[list(table.profile_id)].to_numpy(), depths[table.interval]]).astype(np.float32)
    grower = RandomForestRegressor(asked.trees, max_features=1 / 3, min_samples_leaf=5, random_state=SEED, n_jobs=1)
    grower.fit(rows, np.log(table.values))
    cells = work.reader(Window(0, 0, asked.side, asked.side)).values
    taken = []
    for _ in range(asked.rounds):
        begun = time.process_time()
        for depth in depths:
            grower.predict(np.column_stack([cells, np.tile(depth, (len(cells), 1))]).astype(np.float32))
        taken.append(time.process_time() - begun)
    return statistics.median(taken) / (len(cells) * asked.trees * len(LAYERS)) * 1e9


def _widths(work: MonteWork) -> pd.DataFrame:
    """Intervals of the total of the square by range."""
    rows = []
    for range_km in (None, 2.0, 10.0, 50.0):
        own = _with(work, noise=Noise(work.grid, SEED, range_km))
        totals = Totals((len(own.intervals), own.draws.realisations + len(own.levels) + 1))
        totals.add_facts(own(Window(0, 0, *work.grid.shape))[1]["totals"])
        said = total_tables(totals, own.regions, own.intervals, own.levels, stock=True)[1].iloc[-1]
        width, limits = said["total_Tg_q975"] - said["total_Tg_q025"], said["sum_of_q975_maps"] - said["sum_of_q025_maps"]
        rows.append(
            {
                "range_km": "independent" if range_km is None else range_km,
                "total_Tg": said["total_Tg"],
                "width_share": width / said["total_Tg"],
                "width_of_sums_of_limits": limits / said["total_Tg"],
            }
        )
    return pd.DataFrame(rows)


def _with(work: MonteWork, **changes) -> MonteWork:  # type: ignore[no-untyped-def]
    return MonteWork(**{**{name: getattr(work, name) for name in MonteWork.__dataclass_fields__}, **changes})


if __name__ == "__main__":
    main()
