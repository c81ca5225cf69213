"""A small made-up run folder whose tables and maps agree with each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from rasterio.transform import from_origin

from edaphic.report import build_report
from edaphic.report.folder import RunFolder
from edaphic.report.formats import FORMATS

LAYERS = ((0.0, 30.0), (30.0, 60.0), (60.0, 100.0))
WHOLE = (0.0, 100.0)
TITLE = 'Plateau <b>& "hills"</b>'
SOURCE = "survey <1998> & co"
CLASS_NAMES = {"1": "Forest <mixed>", "2": "Grassland & scrub", "3": "NA"}
PARTS = {"soc": 0.04, "method": 0.16, "bulk_density": 0.5, "coarse_fragments": 0.2, "spline": 0.1, "coverage": 0.0}
"""Share of each part in the variance of a stock."""
Z = 1.645


def smooth(random: np.random.Generator, shape: tuple[int, int], times: int) -> np.ndarray:
    """A smooth random field of zero mean and unit sd."""
    field = random.normal(size=shape)
    for _ in range(times):
        padded = np.pad(field, 1, mode="edge")
        field = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + field) / 5.0
    return (field - field.mean()) / field.std()


class FakeRun:
    """Writes the folder step by step; what one step makes the next ones use."""

    def __init__(
        self, folder: Path, *, shape: tuple[int, int], profiles: int, target: str, crs: str, seed: int
    ) -> None:
        self.folder, self.shape, self.n, self.target, self.crs = folder, shape, profiles, target, crs
        self.random = np.random.default_rng(seed)
        self.unit = "g/kg" if target == "soc" else "kg/m2"
        self.cell_km2 = 1.0
        for name in ("profiles", "covariates", "model/forest", "evidence", "maps", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def write(self) -> None:
        self.maps()
        self.profile_tables()
        self.covariate_tables()
        self.evidence()
        self.accounts()
        self.comparison()
        self.truth()
        self.run_files()

    def raster(self, path: Path, values: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.crs == "EPSG:4326":
            grid = from_origin(20.5, 42.4, 0.01, 0.01)
        else:
            grid = from_origin(500_000.0, 4_700_000.0, 1000.0, 1000.0)
        options = {"driver": "GTiff", "height": self.shape[0], "width": self.shape[1], "count": 1, "dtype": "float32"}
        with rasterio.open(
            path, "w", crs=self.crs, transform=grid, nodata=np.nan, compress="deflate", **options
        ) as file:
            file.write(values.astype(np.float32), 1)

    def maps(self) -> None:
        base = smooth(self.random, self.shape, 30)
        self.outside = smooth(self.random, self.shape, 40) < -1.3
        self.true: dict[tuple[float, float], np.ndarray] = {}
        self.mean: dict[tuple[float, float], np.ndarray] = {}
        for level, layer in zip((7.0, 3.5, 2.6), LAYERS, strict=True):
            detail = 0.35 * smooth(self.random, self.shape, 6)
            self.true[layer] = np.where(self.outside, np.nan, level * np.exp(0.35 * base + detail))
            self.mean[layer] = np.where(self.outside, np.nan, level * np.exp(0.33 * base + 0.3 * detail + 0.05))
        self.true[WHOLE] = sum(self.true[layer] for layer in LAYERS)
        self.mean[WHOLE] = sum(self.mean[layer] for layer in LAYERS)
        self.low = {layer: mean * np.exp(-Z * 0.45) for layer, mean in self.mean.items()}
        self.high = {layer: mean * np.exp(Z * 0.42) for layer, mean in self.mean.items()}
        for layer in (*LAYERS, WHOLE):
            stem = f"{layer[0]:g}-{layer[1]:g}cm.tif"
            for stat, values in (("mean", self.mean), ("q05", self.low), ("q95", self.high)):
                self.raster(self.folder / "maps" / f"{self.target}_{stat}_{stem}", values[layer])

    def profile_tables(self) -> None:
        inside = np.flatnonzero(~self.outside.ravel())
        self.cells = self.random.choice(inside, self.n, replace=len(inside) < self.n)
        self.observed = {
            layer: self.true[layer].ravel()[self.cells] * np.exp(self.random.normal(0.0, 0.3, self.n))
            for layer in LAYERS
        }
        self.observed[WHOLE] = np.sum([self.observed[layer] for layer in LAYERS], axis=0)
        rows = []
        for place in range(self.n):
            for layer in (*LAYERS, WHOLE):
                stock = self.observed[layer][place]
                thickness_m = 0.01 * (layer[1] - layer[0])
                rows.append(
                    {
                        "profile_id": f"P{place:04d}", "lon": 21.0, "lat": 42.0, "year": float(1998 + place % 9),
                        "top_cm": layer[0], "bottom_cm": layer[1], "soc_stock_kg_m2": stock,
                        "soc_density_kg_m3": stock / thickness_m, "soc_g_kg": stock / thickness_m / 1.3,
                        "coverage": 1.0,
                        "bulk_density_source": "pedotransfer" if place % 4 else "measured", "value_sd": 0.1 * stock,
                        **{f"sd_{part}_kg_m2": 0.1 * stock * np.sqrt(part_share) for part, part_share in PARTS.items()},
                        "organic_soil": place in (3, 7), "below": "rock" if place < 4 else "unknown", "status": "ok",
                        "source": SOURCE if place % 3 else "legacy",
                    }
                )  # fmt: skip
        self.layer_table = pd.DataFrame(rows)
        self.layer_table.to_parquet(self.folder / "profiles" / "layers.parquet")
        faults = ["overlap"] * 12 + ["identical horizons"] * 5 + ["soc missing"] * 40 + ["gap"] * 9
        actions = {"overlap": "top moved to the bottom above", "identical horizons": "first kept"}
        actions |= {"soc missing": "dropped", "gap": "left unobserved"}
        pd.DataFrame(
            {
                "profile_id": [f"P{k % 31:04d}" for k in range(len(faults))], "row": range(1, len(faults) + 1),
                "fault": faults, "action": [actions[fault] for fault in faults], "before": "a", "after": "",
            }
        ).to_csv(self.folder / "profiles" / "repairs.csv", index=False)  # fmt: skip
        rule = {"rule": "manrique_jones_1991", "citation": "Manrique & Jones <1991>", "error_sd_g_cm3": 0.187}
        rule |= {"bias_g_cm3": -0.021, "checked_on": self.n, "checked_against": "this table"}
        choices = [
            {
                "choice": name, "meaning": meaning, "horizons": 3, "given": 0, "changed": changed, "thickness_cm": 90.0,
                "soc_density_kg_m3": 40.0 * ratio, "soc_stock_kg_m2": 36.0 * ratio, "ratio": ratio,
            }
            for name, meaning, changed, ratio in (
                ("kept", "as filled", 0, 1.0), ("mineral_rule", "mineral rule", 3, 1.25), ("curve_as_cap", "curve as cap", 0, 1.0),
            )
        ]  # fmt: skip
        none = {"reported": 0, "gap_filling": 0, "grid": 0, "missing": 0}
        organic = rule | none | {"rule": "organic_curve", "measured": 0, "pedotransfer": 3, "choices": choices}
        density = {"chain": ["measured", "pedotransfer"], "measured": self.n, **none, "pedotransfer": 3 * self.n, **rule}
        density |= {"choice": {"asked": "manrique_jones_1991"}, "second_rule": None, "measured_sd_share": 0.06, "errors": {}}
        density |= {"converted_to_fine_earth": {"measured": 17, "reported": 0}, "basis_assumed_fine_earth": 0}
        density |= {"gap_filling_score": None, "organic": organic}
        fragments = {"chain": ["measured", "profile", "assumed"], "measured": 3 * self.n, "class": 0, "profile": self.n - 40}
        fragments |= {"grid": 0, "assumed": 40, "missing": 0, "assumed_vol_pct": 8.5, "unknown_classes": {}}
        fragments["sd"] = {"assumed": {"sd_vol_pct": 20.0, "checked_on": None, "checked_against": "ISRIC-WISE"}}
        n = self.n
        summary = {
            "profiles_read": self.n + 21, "horizons_read": 4 * self.n + 80, "profiles_kept": self.n,
            "horizons_kept": 4 * self.n, "bulk_density": density, "coarse_fragments": fragments,
            "repairs": {fault: {"action": actions[fault], "count": faults.count(fault)} for fault in actions},
            "layers": [
                {"top_cm": t, "bottom_cm": b, "complete": n - 5, "partial": 5, "none": int(t), "valued": n - 3}
                for t, b in (*LAYERS, WHOLE)
            ],
            "points_without_covariates": {}, "duplicates": 2, "organic_matter_to_carbon": [],
        }  # fmt: skip
        pd.DataFrame({"kept_profile_id": ["P0000", "P0001"], "dropped_profile_id": ["Q0", "Q1"]}).to_csv(
            self.folder / "profiles" / "duplicates.csv", index=False
        )
        self.write_json("profiles/summary.json", summary)

    def covariate_tables(self) -> None:
        names = [
            "elevation",
            "slope",
            "ndvi",
            "annual_precipitation",
            "mean_temperature",
            "land_cover",
            *(f"band_{k}" for k in range(20)),
        ]
        pd.DataFrame(
            {
                "name": names, "path": [f"covs/{name}.tif" for name in names],
                "kind": ["class" if name == "land_cover" else "continuous" for name in names], "unit": "m",
                "source_crs": "EPSG:4326", "source_resolution": "0.00833", "resampling": "bilinear", "nodata": "",
                "valid_share": 0.987,
            }
        ).to_csv(self.folder / "covariates" / "layers.csv", index=False)  # fmt: skip
        reasons = ["outside the grid"] * 3 + ["no value in ndvi"] * 2 + [""] * self.n
        pd.DataFrame({"profile_id": [f"P{k}" for k in range(len(reasons))], "reason": reasons}).to_parquet(
            self.folder / "covariates" / "points.parquet"
        )
        growth = np.sort(self.random.gamma(0.6, 0.15, len(names)))[::-1]
        growth[-1] = -0.002
        pd.DataFrame(
            {"feature": names, "rmse_increase": growth, "rmse_increase_sd": 0.1 * np.abs(growth), "unit": self.unit}
        ).to_csv(self.folder / "evidence" / "importance.csv", index=False)
        pd.DataFrame(
            {
                "feature": [*names, "band_20"], "kept": [True] * len(names) + [False],
                "reason": [""] * len(names) + ["correlated"], "correlated_with": [""] * len(names) + ["band_3"],
                "r": [np.nan] * len(names) + [0.981],
            }
        ).to_csv(self.folder / "evidence" / "selection.csv", index=False)  # fmt: skip
        pd.DataFrame(
            {
                "candidate": [1, 2, 3], "max_features": ["0.33", "0.5", "sqrt"], "min_samples_leaf": [2, 5, 3],
                "score": [2.4112, 2.4375, 2.4251], "scale": "natural", "chosen": [True, False, False],
            }
        ).to_csv(self.folder / "evidence" / "tuning.csv", index=False)  # fmt: skip

    def evidence(self) -> None:
        names = ["observed", "predicted", "q05", "q50", "q95", "q05_raw", "q95_raw"]
        parts = []
        for design, noise, width in (("profile", 0.12, 0.4), ("block", 0.3, 0.5)):
            for layer in LAYERS:
                predicted = self.mean[layer].ravel()[self.cells] * np.exp(self.random.normal(0.0, noise, self.n))
                limits = [predicted * np.exp(sign * Z * width) for sign in (-1, 0, 1, -0.8, 0.8)]
                part = pd.DataFrame(dict(zip(names, [self.observed[layer], predicted, *limits], strict=True)))
                part = part.assign(top_cm=layer[0], bottom_cm=layer[1], design=design, fold=np.arange(self.n) % 5)
                parts.append(part.assign(profile_id=[f"P{k:04d}" for k in range(self.n)], year=np.nan, repeat=0))
        table = pd.concat(parts, ignore_index=True)
        whole = table.groupby(["profile_id", "design", "fold"], sort=False)[names].sum().reset_index()
        whole = whole.assign(top_cm=WHOLE[0], bottom_cm=WHOLE[1], year=np.nan, repeat=0)
        both = pd.concat([table, whole], ignore_index=True)
        both["in_applicability"] = both["fold"] != 3
        both.to_parquet(self.folder / "evidence" / "out_of_fold.parquet")
        self.write_json(
            "evidence/designs.json", {"folds": 5, "blocks": 14, "block_km": 8.5, "calibrated_by": "profile"}
        )
        self.metrics(table, whole)
        self.calibration(table, whole)

    def write_json(self, path: str, document: object) -> None:
        (self.folder / path).write_text(json.dumps(document), encoding="utf-8")

    def metrics(self, table: pd.DataFrame, whole: pd.DataFrame) -> None:
        rows: list[dict[str, Any]] = []
        layer_mean = table.groupby(["design", "top_cm"])["observed"].transform("mean")
        for design in ("profile", "block", "in_sample"):
            source = "profile" if design == "in_sample" else design
            groups = {"all layers": table[table["design"] == source]}
            for top, bottom in LAYERS:
                groups[f"{top:g}-{bottom:g} cm"] = table[(table["design"] == source) & (table["top_cm"] == top)]
            groups["whole 0-100 cm"] = whole[whole["design"] == source]
            for scale in ("natural", "log"):
                for name, rows_here in groups.items():
                    alone = layer_mean.loc[rows_here.index] if name == "all layers" else rows_here["observed"].mean()
                    shrink = 0.3 if design == "in_sample" else 1.0
                    unit = self.unit if scale == "natural" else f"ln({self.unit})"
                    rows.append(metric_row(design, scale, name, rows_here, alone, shrink) | {"unit": unit})
        pd.DataFrame(rows).to_csv(self.folder / "evidence" / "metrics.csv", index=False)

    def calibration(self, table: pd.DataFrame, whole: pd.DataFrame) -> None:
        rows = []
        for design in ("profile", "block"):
            here = table[table["design"] == design]
            groups = {"all layers": here}
            groups |= {f"{top:g}-{bottom:g} cm": here[here["top_cm"] == top] for top, bottom in LAYERS}
            groups["whole 0-100 cm"] = whole[whole["design"] == design]
            decile = pd.qcut(here["predicted"].rank(method="first"), 10, labels=False)
            groups |= {f"decile {k + 1}": here[decile == k] for k in range(10)}
            for name, part in groups.items():
                rows.append(
                    {
                        "design": design, "group": name, "n": len(part), "nominal": 0.9,
                        "coverage": part["observed"].between(part["q05"], part["q95"]).mean(),
                        "coverage_raw": part["observed"].between(part["q05_raw"], part["q95_raw"]).mean(),
                        "below": (part["observed"] < part["q05"]).mean(),
                        "above": (part["observed"] > part["q95"]).mean(),
                        "mean_width": (part["q95"] - part["q05"]).mean(),
                    }
                )  # fmt: skip
        pd.DataFrame(rows).to_csv(self.folder / "evidence" / "calibration.csv", index=False)

    def accounts(self) -> None:
        cells = int(self.outside.size)
        counts = {"cells": cells, "with_all_covariates": cells - 4, "masked": int(self.outside.sum()) - 4}
        self.write_json("maps/summary.json", counts | {"with_class_unseen_in_training": 2})
        classes = np.digitize(smooth(self.random, self.shape, 20), [-0.5, 0.6]) + 1
        rows = []
        for by in ("all", "land_cover"):
            for code in ("",) if by == "all" else tuple(CLASS_NAMES):
                chosen = ~self.outside & ((classes == int(code)) if code else True)
                names = {"by": by, "class": code, "class_name": CLASS_NAMES.get(code, "")}
                rows += [{**names, **self.total(layer, chosen)} for layer in (*LAYERS, WHOLE)]
        pd.DataFrame(rows).assign(unmapped_km2=12.5).to_csv(self.folder / "tables" / "stocks.csv", index=False)

    def total(self, layer: tuple[float, float], chosen: np.ndarray) -> dict[str, float]:
        tg = self.cell_km2 * 1e6 / 1e9
        mean, low, high = (values[layer][chosen] for values in (self.mean, self.low, self.high))
        half = 0.5 * np.sqrt(((high - low) ** 2).sum()) * tg
        total = float(mean.sum() * tg)
        return {
            "top_cm": layer[0], "bottom_cm": layer[1], "cells": int(chosen.sum()),
            "area_km2": chosen.sum() * self.cell_km2, "mean_kg_m2": float(mean.mean()), "total_Tg": total,
            "independent_low_Tg": total - half, "independent_high_Tg": total + half,
            "fully_correlated_low_Tg": float(low.sum() * tg), "fully_correlated_high_Tg": float(high.sum() * tg),
        }  # fmt: skip

    def comparison(self) -> None:
        ours = float(np.nanmean(self.mean[LAYERS[0]]))
        total = ours * int((~self.outside).sum()) / 1000
        row = {"name": "published <v1>", "top_cm": 0.0, "bottom_cm": 30.0, "cells": int((~self.outside).sum())}
        row |= {"pearson_r": 0.734, "spearman_r": 0.711, "mean_ours_kg_m2": ours, "mean_theirs_kg_m2": ours / 5.8}
        row |= {"factor": 5.8, "total_ours_Tg": total, "total_theirs_Tg": total / 5.8}
        row["explanation"] = "percent was taken for g/kg in the reference"
        other = row | {"name": "other", "spearman_r": np.nan, "mean_theirs_kg_m2": 1.1 * ours, "factor": 1 / 1.1}
        other |= {"total_ours_Tg": np.nan, "total_theirs_Tg": np.nan, "explanation": ""}
        pd.DataFrame([row, other]).to_csv(self.folder / "tables" / "comparison.csv", index=False)

    def truth(self) -> None:
        rows = []
        chosen = ~self.outside
        for layer in (*LAYERS, WHOLE):
            # Kept in t/ha, so that the page has to convert it.
            self.raster(self.truth_path(layer), 10.0 * self.true[layer])
            error = (self.mean[layer] - self.true[layer])[chosen]
            true = self.true[layer][chosen]
            figures = self.total(layer, chosen)
            total = float(true.sum()) * self.cell_km2 / 1000
            within = (true >= self.low[layer][chosen]) & (true <= self.high[layer][chosen])
            row = {name: figures[name] for name in ("top_cm", "bottom_cm", "cells")}
            row |= {"bias": error.mean(), "rmse": np.sqrt((error**2).mean()), "coverage": within.mean()}
            row |= {"mec": 1 - (error**2).sum() / ((true - true.mean()) ** 2).sum(), "below": 0.04, "above": 0.05}
            row |= {"true_total_Tg": total, **{name: v for name, v in figures.items() if name.endswith("Tg")}}
            for kind in ("independent", "fully_correlated"):
                row[f"inside_{kind}"] = figures[f"{kind}_low_Tg"] <= total <= figures[f"{kind}_high_Tg"]
            rows.append(row)
        pd.DataFrame(rows).to_csv(self.folder / "tables" / "truth.csv", index=False)

    def truth_path(self, layer: tuple[float, float]) -> Path:
        return self.folder.parent / "input" / "truth" / f"true_{layer[0]:g}-{layer[1]:g}cm.tif"

    def run_files(self) -> None:
        stages = ("profiles", "covariates", "model", "evidence", "maps", "account")
        stage = {"key": "ef" * 32, "seconds": 12.25, "peak_memory_mb": 512.0, "finished": "2001-02-03T04:05:06Z"}
        run = {
            "edaphic": "0.1.0", "name": TITLE, "seed": 7, "recipe_sha256": "ab" * 32, "versions": {"numpy": "2.0.0"},
            "inputs": {"horizons.csv": "cd" * 32}, "machine": {"system": "test machine", "cores": 2}, "workers": 3,
            "stages": {name: stage | {"status": "done", "outputs": {}} for name in (*stages, "report")},
        }  # fmt: skip
        self.write_json("run.json", run)
        truth = [
            {"path": f"truth/{self.truth_path(layer).name}", "layer": f"{layer[0]:g}-{layer[1]:g}", "unit": "t/ha"}
            for layer in (*LAYERS, WHOLE)
        ]
        model = {"target": f"log_{self.target}", "form": "3d", "forest": {"trees": 300}}
        recipe = {
            "edaphic": 1, "name": TITLE, "seed": 7, "root": "../input", "model": model,
            "evidence": {"interval": 0.9, "calibrate": "profile"}, "maps": {"period": [1998, 2006]},
            "account": {"truth": truth}, "report": {"title": None},
        }  # fmt: skip
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        self.write_json("model/forest/model.json", {})


def metric_row(design: str, scale: str, layer: str, rows: pd.DataFrame, alone: Any, shrink: float) -> dict[str, Any]:
    """One row of metrics.csv by the plain formulas."""
    observed = rows["observed"].to_numpy()
    predicted = observed + shrink * (rows["predicted"].to_numpy() - observed)
    alone = np.broadcast_to(np.asarray(alone), observed.shape)
    if scale == "log":
        observed, predicted, alone = np.log(observed), np.log(predicted), np.log(alone)
    error = predicted - observed
    squares = ((observed - observed.mean()) ** 2).sum()
    mec, rmse, bias = 1 - (error**2).sum() / squares, np.sqrt((error**2).mean()), error.mean()
    r = np.corrcoef(observed, predicted)[0, 1]
    ccc = 2 * np.cov(observed, predicted, bias=True)[0, 1] / (observed.var() + predicted.var() + bias**2)
    row = {"design": design, "scale": scale, "layer": layer, "n": len(rows), "n_profiles": rows["profile_id"].nunique()}
    for name, value, half in (("bias", bias, 0.1), ("rmse", rmse, 0.15), ("mec", mec, 0.07), ("ccc", ccc, 0.05)):
        row |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
    row |= {"r2_pearson": r**2, "mec_layer_mean": 1 - ((observed - alone) ** 2).sum() / squares}
    return row


def write_run(
    folder: Path,
    *,
    shape: tuple[int, int] = (30, 45),
    profiles: int = 120,
    target: str = "soc_stock",
    crs: str = "EPSG:32634",
    seed: int = 1,
) -> FakeRun:
    """Write a whole run folder."""
    run = FakeRun(folder, shape=shape, profiles=profiles, target=target, crs=crs, seed=seed)
    run.write()
    return run


@pytest.fixture
def fake_run(tmp_path: Path) -> Callable[..., FakeRun]:
    """Writes a run folder into the test's own folder and gives its maker."""

    def make(**options: Any) -> FakeRun:
        return write_run(tmp_path / "run", **options)

    return make


@pytest.fixture(scope="session")
def fake_folder() -> Callable[[Path], FakeRun]:
    """Writes a run folder where it is told to, for fixtures that many tests share."""
    return lambda folder: write_run(folder, shape=(14, 20), profiles=60)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """One run folder with its report, for tests that only look."""
    run = write_run(tmp_path_factory.mktemp("built") / "run", shape=(14, 20), profiles=60)
    build_report(run.folder)
    return run


@pytest.fixture(scope="session")
def html(built: FakeRun) -> str:
    """The report of :func:`built`."""
    return (built.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def run_with() -> Callable[..., RunFolder]:
    """Makes a run folder in memory from tables (as lists of rows) and documents."""

    def make(
        *,
        summary: dict | None = None,
        recipe: dict | None = None,
        designs: dict | None = None,
        cells: dict | None = None,
        covariate_maps: dict | None = None,
        domain: dict | None = None,
        **rows: list[dict],
    ) -> RunFolder:
        tables: dict[str, pd.DataFrame | None] = dict.fromkeys(FORMATS)
        for name, given in rows.items():
            form = FORMATS[name]
            table = pd.DataFrame(given)
            blank = {column: "" if column in form.text else np.nan for column in form.needed + form.wanted}
            tables[name] = table.assign(**{c: blank[c] for c in blank if c not in table})
        told = (recipe or {}, summary or {}, designs or {}, cells or {})
        return RunFolder(Path("run"), {}, *told, tables, None, (), (), {}, domain or {}, covariate_maps or {})

    return make


@pytest.fixture
def bare_run(tmp_path: Path) -> Path:
    """A run folder with nothing but run.json and recipe.yaml."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"edaphic": "0.1.0", "name": "bare", "stages": {}}))
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"edaphic": 1, "name": "bare"}))
    return folder
