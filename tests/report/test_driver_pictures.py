"""Figures of drivers: made from the tables of their functions, the same bytes each time, with words that hold the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.account.drivers.curves import break_table, response_curve, response_table
from edaphic.account.drivers.groups import gather
from edaphic.account.drivers.observed import observed_by_class
from edaphic.account.drivers.ranges import duncan
from edaphic.model.features import Encoder
from edaphic.model.forest import Settings, train
from edaphic.model.ranking import Task
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.report import class_pictures
from edaphic.report import driver_pictures as drivers
from edaphic.report.pictures import Picture
from edaphic.validate.effects import effects
from edaphic.validate.importance import importance_table
from edaphic.validate.shap import shap_by_depth

LAYERS = ((0.0, 30.0), (30.0, 60.0), (60.0, 100.0))
NAMES = ("MAT", "MAP", "slope", "ndvi", "clay")
UNITS = {"MAT": "degC", "MAP": "mm", "clay": "%"}


def landscape(n: int = 240) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(1)
    mat = random.uniform(-5, 25, n)
    cells = pd.DataFrame(
        {
            "MAT": mat, "MAP": 300 + 40 * (mat + 5) + random.normal(0, 200, n), "slope": random.gamma(2, 3, n),
            "ndvi": random.uniform(0, 0.9, n), "clay": random.uniform(5, 60, n), "land": random.integers(1, 5, n),
        }
    )  # fmt: skip
    stock = 12 - 0.4 * np.minimum(mat, 12.0) + 6 * cells["ndvi"] + 1.5 * (cells["land"] == 2) + random.normal(0, 1, n)
    return cells, stock.to_numpy()


@pytest.fixture(scope="module")
def soil() -> tuple[SoilModel, np.ndarray, Task]:
    cells, stock = landscape()
    encoder = Encoder((*NAMES, "land"), (("land", (1, 2, 3, 4)),), True)
    x = encoder.transform(cells.to_numpy())
    rows = np.concatenate([x] * 3)
    rows[:, -2:] = np.repeat(np.array(LAYERS), len(x), axis=0)
    values = np.concatenate([stock, 0.6 * stock, np.full(len(x), 3.0) + 0.02 * cells["clay"]])
    some = Settings(40, 0.6, 3, little_bags=5)
    forest = train(rows, values, some, log=False, seed=1)
    which = np.arange(len(rows)) % len(x) % 3
    folds = [(np.flatnonzero(which != k), np.flatnonzero(which == k)) for k in range(3)]
    task = Task(rows, values, encoder.sources, folds, some)
    return SoilModel("m", TARGETS["soc_stock"], "3d", LAYERS, None, encoder, (forest,), some, 1), x, task


def pictures(soil: tuple[SoilModel, np.ndarray, Task]) -> list[Picture]:
    model, x, task = soil
    cells, stock = landscape()
    importance, _ = importance_table(
        task, {"climate": ["MA*"], "relief": ["slope"], "vegetation": ["ndvi", "land"], "soil": ["clay"]}, repeats=2
    )
    table, _ = effects(model, x, points=10, most_rows=150)
    curves = [response_curve(cells[name], stock, driver=name, draws=60, seed=1) for name in NAMES[:3]]
    land = cells["land"].map({1: "forest", 2: "alpine meadow", 3: "steppe", 4: "desert"})
    observed = observed_by_class(
        pd.DataFrame({"profile_id": np.arange(len(stock)), "top_cm": 0.0, "bottom_cm": 30.0, "soc_stock_kg_m2": stock, "land": land}),
        "land",
    )
    test = duncan(gather(stock, land))
    return [
        drivers.importance_picture(importance, "permutation"),
        drivers.importance_picture(importance, "impurity"),
        *drivers.effect_pictures(table, cells, UNITS),
        drivers.shap_picture(shap_by_depth(model, x, most_rows=40)[0]),
        drivers.curve_picture(
            response_table(curves), break_table(curves), {curve.driver: (curve.x, curve.y) for curve in curves},
            target="SOC stock", unit="kg/m2", units=UNITS,
        ),
        class_pictures.class_picture(
            test.groups, observed.table, by="land cover", target="SOC stock", unit="kg/m2", test=test.name, alpha=0.05
        ),
    ]  # fmt: skip


def test_pictures(soil: tuple[SoilModel, np.ndarray, Task]) -> None:
    made = pictures(soil)
    names = [
        "importance_permutation",
        "importance_impurity",
        "effects_ale",
        "effects_pd",
        "shap_by_depth",
        "response_curves",
        "classes_land_cover",
    ]
    assert [picture.name for picture in made] == [f"{name}.png" for name in names]
    for picture in made:
        width, height = picture.size
        assert 700 < width < 900 and 200 < height < 2500
        assert picture.alt and picture.caption.endswith("not what causes it.")
    by = {picture.name: picture for picture in made}
    assert "climate" in by["importance_permutation.png"].alt
    assert "MAT: flattens above" in by["response_curves.png"].alt
    assert "slope: no break shown" in by["response_curves.png"].alt
    assert "alpine meadow" in by["classes_land_cover.png"].alt and "(n = " in by["classes_land_cover.png"].alt
    assert "standard errors of the forest" in by["effects_ale.png"].caption


def test_same_bytes(soil: tuple[SoilModel, np.ndarray, Task]) -> None:
    table, _ = effects(soil[0], soil[1], ["MAT"], points=5)
    one, other = (drivers.effect_pictures(table)[0].png for _ in range(2))
    assert one == other


def test_without_families_or_bands() -> None:
    table = pd.DataFrame(
        {
            "measure": "impurity", "level": "covariate", "name": ["a" * 60, "b_$x$"], "family": "", "share_pct": [70.0, 30.0],
            "share_low_pct": [60.0, np.nan], "share_high_pct": [80.0, np.nan],
        }
    )  # fmt: skip
    picture = drivers.importance_picture(table, "impurity")
    assert "70.0 %" in picture.alt
    groups = pd.DataFrame({"group": ["x"], "n": [1], "mean": [2.0], "sd": [np.nan], "letters": ["a"]})
    assert class_pictures.class_picture(groups, None, by="x/y", target="beta", unit="", test="t", alpha=0.05).name == "classes_x_y.png"


def test_means_that_are_much_alike_are_dots_and_others_bars():
    groups = pd.DataFrame({"group": ["a", "b"], "mean": [0.98, 0.97], "n": [5, 6], "letters": ["a", "b"]})
    dots = class_pictures.class_figure(groups, None, label="beta").axes[0]
    assert not dots.patches and dots.get_xlim()[0] > 0.9
    bars = class_pictures.class_figure(groups.assign(mean=[9.0, 3.0]), None, label="stock").axes[0]
    assert len(bars.patches) == 2 and bars.get_xlim()[0] == 0.0
