"""Do the intervals of totals hold: forest, calibration and variogram estimated from a survey of a landscape whose total is known.

Landscapes of 60 x 60 cells of 2 km differ in how much of the carbon no covariate shows (10 to 50 % of the variance) and over what distance
that is alike (10 to 80 km), and in the number of profiles (200 to 1,000). For each: a forest on all profiles maps the cells, folds give
out-of-fold predictions, these the calibration, the scores and their variogram; then realisations of the total, of three climate zones and
of one small square. The truth is the sum of all cells.

- **modelled**: realisations given the profiles, as the account makes them.
- **unconditional**: the same without the profiles.
- **independent**, **fully correlated**: the two bounds.
- **trend**: with refitted forests among the realisations.

Under clustered surveys the scores come from kNNDM folds, whose distances are those of the map, and beside it from random folds.

``--landscapes`` sets how many per survey (default 250, of two surveys). Rows are added to ``results/totals_landscapes.csv`` as they
come; the same command goes on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from affine import Affine
from common import arguments, markdown, save
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.simulation.blocks import Tables, tabulate
from edaphic.account.simulation.fields import make_fields, sites
from edaphic.account.simulation.lattice import Lattice, make_lattice
from edaphic.account.simulation.modelled import Modelled, modelled_totals
from edaphic.account.simulation.scores import score_model, scores_of
from edaphic.account.simulation.trend_error import trend_error
from edaphic.account.totals import ClassLayer, bounds, quantities
from edaphic.covariates.grid import Window, cell_area_m2
from edaphic.model.bootstrap import counts_of
from edaphic.model.forest import Forest, Settings, train
from edaphic.model.traverse import predict
from edaphic.units import KG_PER_TG
from edaphic.validate.calibration import adjust, cross_calibrate, fit_adjustments, moves_for
from edaphic.validate.designs import KnndmFolds, RandomFolds, places
from edaphic.virtual.survey import Survey, send
from edaphic.virtual.world import CENTRE, Nature, World, make

Array = NDArray[np.float64]

SHAPE, CELL_M = (60, 60), 2000.0
LAYER = (0.0, 30.0)
LEVELS = (0.05, 0.5, 0.95)
FOREST = Settings(trees=100)
FOLDS = 10
REFITTED = 12
REALISATIONS = 500
SURVEYS = ("random", "clustered")


def nature_of(seed: int) -> tuple[Nature, int]:
    """What a landscape is like, and how many profiles it gets: drawn from its seed."""
    rng = np.random.default_rng([seed, 51])
    nature = Nature(
        shape=SHAPE,
        cell_m=CELL_M,
        residual_share=float(rng.uniform(0.1, 0.5)),
        residual_range_m=float(np.exp(rng.uniform(np.log(10e3), np.log(80e3)))),
    )
    return nature, int(np.exp(rng.uniform(np.log(200), np.log(1000))))


def grid_of() -> GeoBox:
    """The grid of the landscapes, as they place their cells."""
    half = SHAPE[1] * CELL_M / 2, SHAPE[0] * CELL_M / 2
    crs = f"+proj=laea +lon_0={CENTRE[0]} +lat_0={CENTRE[1]} +datum=WGS84"
    return GeoBox(SHAPE, Affine(CELL_M, 0.0, -half[0], 0.0, -CELL_M, half[1]), crs)


def out_of_fold(features: NDArray[np.float32], table: pd.DataFrame, fold: NDArray[np.int64], seed: int) -> pd.DataFrame:
    """Calibrated predictions of profiles that the forest has not seen, and the error of their measurement."""
    observed = table["observed"].to_numpy()
    out = table[["profile_id", "top_cm", "bottom_cm", "lon", "lat", "observed"]].assign(fold=fold)
    values = np.empty((len(table), 4))
    for k in np.unique(fold):
        held = fold == k
        said = predict(train(features[~held], observed[~held], FOREST, log=True, seed=seed), features[held], LEVELS)
        values[held] = np.column_stack([said.mean, said.quantiles])
    out[["predicted", "q05_raw", "q50", "q95_raw"]] = values
    return out


def calibrated(held: pd.DataFrame) -> pd.DataFrame:
    """With ``q05`` and ``q95``, each fold adjusted by the others."""
    return held.assign(**cross_calibrate(held, (LEVELS[0], LEVELS[2]), log=True)[["q05", "q95"]])


class Chart:
    """Maps of a landscape: mean and calibrated quantiles, arrays (h, w)."""

    def __init__(self, forest: Forest, world: World, held: pd.DataFrame) -> None:
        row, col = np.indices(SHAPE).reshape(2, -1)
        said = predict(forest, world.features(row, col, 2000), LEVELS)
        lower, upper = moves_for(fit_adjustments(held, (LEVELS[0], LEVELS[2]), log=True), LAYER)
        raw = said.quantiles
        low, high = adjust(raw[:, 0], raw[:, 1], raw[:, 2], lower, upper, log=True)
        low, high = np.minimum(low, said.mean), np.maximum(high, said.mean)
        self.mean, self.low, self.middle, self.high = (a.reshape(SHAPE) for a in (said.mean, low, raw[:, 1], high))

    def read(self, layer: tuple[float, float], window: Window) -> tuple[Array, Array, Array, Array]:
        """A window of them."""
        del layer
        part = window.slices
        return self.mean[part], self.low[part], self.middle[part], self.high[part]


def classes_of(world: World) -> tuple[ClassLayer, ClassLayer]:
    """Climate zones, and a square of 5 x 5 cells."""
    farm = np.full(SHAPE, np.nan)
    farm[20:25, 33:38] = 1
    zone = world.climate.astype(float)
    return ClassLayer("zone", lambda w: zone[w.slices], {}), ClassLayer("square", lambda w: farm[w.slices], {})


def refitted(features: NDArray[np.float32], observed: Array, world: World, lattice: Lattice, seed: int, area: Array) -> Array:
    """Logarithms of the means of blocks from forests of bootstrap samples of profiles, (forests, blocks, 1)."""
    row, col = np.indices(SHAPE).reshape(2, -1)
    cells = world.features(row, col, 2000)
    block = lattice.block_of[lattice.part_of(row, col)]
    out = []
    for number in range(REFITTED):
        weights = counts_of(len(observed), seed, number).astype(float)
        said = predict(train(features, observed, FOREST, log=True, seed=seed + number, weights=weights), cells, ()).mean
        out.append(np.bincount(block, weights=said * area) / np.bincount(block, weights=area))
    return np.log(np.stack(out))[:, :, None]


def one_landscape(survey: str, seed: int) -> list[dict[str, object]]:
    """Make, survey, map, account: one row for each method and region."""
    nature, profiles = nature_of(seed)
    world = make(seed, nature)
    table = send(world, Survey(design=survey, profiles=profiles, cluster_m=5000.0), seed)
    features = world.features(table["row"].to_numpy(), table["col"].to_numpy(), 2000)
    observed = table["observed"].to_numpy()
    forest = train(features, observed, FOREST, log=True, seed=seed)
    grid, place = grid_of(), places(table["lon"], table["lat"], 100.0)
    row, col = (index[::2, ::2].ravel() for index in np.indices(SHAPE))
    cells = np.column_stack(world.lon_lat(row, col))
    designs = {"random": RandomFolds(FOLDS, seed).fold_of(table, place)}
    if survey != "random":
        designs["knndm"] = KnndmFolds(FOLDS, seed, prediction=cells).fold_of(table, place)
    area = cell_area_m2(grid, Window(0, 0, *SHAPE))
    truth = world.true_stock_kg_m2(*LAYER) * area / KG_PER_TG
    classes = classes_of(world)
    lattice = make_lattice(grid, lambda w: np.ones(w.shape, dtype=bool), most=300)
    rows: list[dict[str, object]] = []
    for design, fold in designs.items():
        held = calibrated(out_of_fold(features, table, fold, seed).assign(error_sd=nature.measurement_cv * observed))
        chart = Chart(forest, world, held)
        tables = tabulate(grid, [LAYER], chart.read, lattice, classes)
        model = score_model(scores_of(held)[0], seed=seed, directions=False)
        scores = scores_of(held)[0]
        given = [sites(scores["lon"], scores["lat"], scores["departure"])]
        known = make_fields(lattice, model.variogram, model.matrix(), given)
        free = make_fields(lattice, model.variogram, model.matrix())
        told = {"survey": survey, "seed": seed, "profiles": profiles, "design": design, "range_km": nature.residual_range_m / 1e3}
        told |= {"field_share": model.field_share, "fitted_range_km": model.variogram.range_m / 1e3}
        about = (told, world, truth, tables)
        rows += _rows(*about, "modelled", modelled_totals(grid, tables, known, realisations=REALISATIONS, seed=seed))
        rows += _rows(*about, "corrected", modelled_totals(grid, tables, known, realisations=REALISATIONS, seed=seed, corrected=True))
        rows += _rows(*about, "unconditional", modelled_totals(grid, tables, free, realisations=REALISATIONS, seed=seed))
        if design == list(designs)[-1]:
            maps = refitted(features, observed, world, lattice, seed, area.ravel())
            g, share = trend_error(maps, (np.log(held["observed"]) - np.log(held["predicted"])).var())
            told["trend_share"] = float(np.mean(share))
            for name, f in (("modelled with trend", known), ("unconditional with trend", free)):
                said = modelled_totals(grid, tables, f, realisations=REALISATIONS, seed=seed, trend=g, trend_share=share)
                rows += _rows(*about, name, said)
        rows += _bounds(told, world, truth, chart, area)
    return rows


def _regions(world: World) -> dict[str, NDArray[np.bool_]]:
    farm = np.zeros(SHAPE, dtype=bool)
    farm[20:25, 33:38] = True
    return {"all": np.ones(SHAPE, dtype=bool)} | {f"zone {k}": world.climate == k for k in range(3)} | {"square": farm}


def _rows(told: dict[str, object], world: World, truth: Array, tables: Tables, method: str, said: Modelled) -> list[dict[str, object]]:
    del tables
    out = []
    names = said.table["by"] + np.where(said.table["by"] == "zone", " " + said.table["class"], "")
    for name, line in zip(names, said.table.to_dict("records"), strict=True):
        if line["class"] == "unclassified":
            continue
        true = float(truth[_regions(world)[name]].sum())
        low, high = line["modelled_low_Tg"], line["modelled_high_Tg"]
        out.append(told | {
            "method": method, "region": name, "true_Tg": true, "total_Tg": line["total_Tg"], "low_Tg": low, "high_Tg": high,
            "shift_Tg": line["profiles_shift_Tg"], "inside": low <= true <= high,
        })  # fmt: skip
    return out


def _bounds(told: dict[str, object], world: World, truth: Array, chart: Chart, area: Array) -> list[dict[str, object]]:
    out = []
    for name, here in _regions(world).items():
        true = float(truth[here].sum())
        sums = quantities(area[here], chart.mean[here], chart.low[here], chart.high[here]).sum(axis=1)
        found = bounds(sums)
        for method in ("independent", "fully_correlated"):
            low, high = found[f"{method}_low_Tg"], found[f"{method}_high_Tg"]
            out.append(told | {
                "method": method, "region": name, "true_Tg": true, "total_Tg": found["total_Tg"], "low_Tg": low, "high_Tg": high,
                "inside": low <= true <= high,
            })  # fmt: skip
    return out


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage, width and spread of the errors, by survey, design, method and region."""
    rows = rows.assign(
        region=rows["region"].str.replace(r" \d", "s", regex=True),
        width=(rows["high_Tg"] - rows["low_Tg"]) / rows["total_Tg"] / 2,
        error=(rows["total_Tg"] - rows["true_Tg"]) / rows["true_Tg"],
        below=rows["true_Tg"] < rows["low_Tg"],
        above=rows["true_Tg"] > rows["high_Tg"],
    )
    grouped = rows.groupby(["survey", "design", "method", "region"], sort=False)
    out = grouped.agg(
        landscapes=("seed", "nunique"), coverage=("inside", "mean"), below=("below", "mean"), above=("above", "mean"),
        half_width=("width", "mean"), bias=("error", "mean"), sd_error=("error", "std"),
    )  # fmt: skip
    out["coverage_se"] = np.sqrt(out["coverage"] * (1 - out["coverage"]) / out["landscapes"])
    return out.reset_index()


def main() -> None:
    """Go on where the table of results ends."""
    parser = arguments(__doc__)
    parser.add_argument("--landscapes", type=int, default=250, help="for each survey (default 250)")
    told = parser.parse_args()
    path = told.results / "totals_landscapes.csv"
    done = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["survey", "seed"])
    have = set(zip(done["survey"], done["seed"], strict=True))
    for seed in range(1, told.landscapes + 1):
        for survey in SURVEYS:
            if (survey, seed) in have:
                continue
            found = pd.DataFrame(one_landscape(survey, seed))
            done = pd.concat([done, found], ignore_index=True) if len(done) else found
            done.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    save(told.results, "totals", f"## Totals of landscapes whose truth is known\n\n{markdown(summary(done))}", {"totals": summary(done)})


if __name__ == "__main__":
    main()
