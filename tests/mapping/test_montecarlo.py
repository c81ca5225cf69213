"""Monte Carlo of inputs, forests and residuals: closed forms of a linear model, whole numbers, and the same bits in any tile."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window, windows
from edaphic.errors import ModelError
from edaphic.mapping import montecarlo
from edaphic.mapping.drawing import Draws, Error, Residuals, residuals_of
from edaphic.mapping.engine import run_tiles
from edaphic.mapping.montecarlo import Ground, MonteWork, array_name
from edaphic.mapping.noise import Noise
from edaphic.mapping.place import Place
from edaphic.mapping.plan import plan_tiles
from edaphic.mapping.regional import PARTS, Division, Regions, Totals, level_name, mean_cell_m2, summaries, total_tables
from edaphic.mapping.store import TileStore
from edaphic.model import bootstrap
from edaphic.model.fit import TrainingTable, fit
from edaphic.model.soil import TARGETS
from edaphic.model.structure import Settings
from edaphic.model.zones import ZonedModel

GRID = GeoBox((24, 30), Affine(1000.0, 0.0, 500000.0, 0.0, -1000.0, 4600000.0), "EPSG:32634")
LAYERS = ((0.0, 30.0), (30.0, 100.0))
WHOLE = (0.0, 100.0)
EVERY = Window(0, 0, 24, 30)


@dataclass(frozen=True)
class Plain:
    """Two covariates, a and b, that are 10 and 20 everywhere; without the cells of the first column."""

    grid: GeoBox = GRID

    def __call__(self, window: Window) -> Ground:
        cells = np.arange(window.height * window.width)
        cells = cells[cells % window.width + window.col > 0]
        return Ground(cells, np.tile([10.0, 20.0], (len(cells), 1)))


@dataclass(frozen=True)
class Halves:
    """A class layer: 1 in the west, 2 in the east, none in the first three rows."""

    def read(self, window: Window) -> np.ndarray:
        row, col = np.indices(window.shape)
        return np.where(row + window.row < 3, np.nan, np.where(col + window.col < 15, 1.0, 2.0)).astype(np.float32)


@dataclass(frozen=True)
class Linear:
    """Stands for a model that answers a + b / 2 for the upper layer and 2 b + the number of its forest for the lower one."""

    number: int
    covariates: tuple[str, ...] = ("a", "b")


def toy(**changes) -> MonteWork:
    work = MonteWork(
        grid=GRID, reader=Plain(), covariates=("a", "b"), target=TARGETS["soc_stock"], layers=LAYERS, whole=WHOLE,
        forests=(Path("0"),), draws=Draws("crossed", 1, 400), errors=(), noise=Noise(GRID, 1, 10.0), residuals=None,
        residual_noise=Noise(GRID, 1, 10.0), regions=Regions(GRID, (Division("half", {1: "west"}, Halves()),), mean_cell_m2(GRID)),
    )  # fmt: skip
    return replace(work, **changes)


def forests(n: int) -> tuple[Path, ...]:
    return tuple(Path(str(i)) for i in range(n))


@pytest.fixture(autouse=True)
def linear(monkeypatch):
    """A linear model in place of the forests."""

    def means(model, cells):
        fit = np.stack([cells[:, 0] + cells[:, 1] / 2, 2 * cells[:, 1] + model.number])
        return fit, fit

    monkeypatch.setattr(montecarlo, "load_means", lambda path: Linear(int(path.name)))
    monkeypatch.setattr(montecarlo, "layer_means", means)


def tables(work: MonteWork, parts: list[Window]) -> tuple[pd.DataFrame, pd.DataFrame]:
    totals = Totals((len(work.intervals), work.draws.realisations + len(work.levels) + 1))
    for window in parts:
        totals.add_facts(work(window)[1]["totals"])
    return total_tables(totals, work.regions, work.intervals, work.levels, stock=True)


# --- closed forms


def test_without_errors_all_realisations_are_the_models_answer():
    arrays, facts = toy()(EVERY)
    for stat, value in (("mc_mean", 20.0), ("mc_q025", 20.0), ("mc_q975", 20.0), ("mc_sd", 0.0)):
        found = arrays[array_name(stat, LAYERS[0])]
        assert np.isnan(found[:, 0]).all() and (found[:, 1:] == value).all()
    assert (arrays["mc_mean_0-100cm"][:, 1:] == 60.0).all() and facts["cells"] == 24 * 29 and facts["below_zero"] == 0


@pytest.mark.parametrize("range_km", [10.0, None])
def test_spread_of_a_linear_model_is_that_of_its_inputs(range_km):
    """sd of a + b / 2 is the root of sa^2 + sb^2 / 4; b moves both layers, so their sum has sa^2 + (2.5 sb)^2."""
    errors = (Error("a", relative=0.1), Error("b", sd=3.0))
    arrays, _ = toy(errors=errors, noise=Noise(GRID, 1, range_km), draws=Draws("crossed", 1, 2000))(EVERY)
    for interval, sd, mean in ((LAYERS[0], np.hypot(1, 1.5), 20), (LAYERS[1], 6.0, 40), (WHOLE, np.hypot(1, 7.5), 60)):
        assert np.nanmean(arrays[array_name("mc_sd", interval)]) == pytest.approx(sd, rel=0.03)
        assert np.nanmean(arrays[array_name("mc_mean", interval)]) == pytest.approx(mean, rel=0.01)
        width = arrays[array_name("mc_q975", interval)] - arrays[array_name("mc_q025", interval)]
        assert np.nanmean(width) == pytest.approx(2 * 1.96 * sd, rel=0.04)


def test_forests_that_differ_are_in_the_spread():
    arrays, _ = toy(forests=forests(5), draws=Draws("crossed", 5, 20))(EVERY)
    assert arrays["mc_sd_30-100cm"][5, 5] == pytest.approx(np.std(np.repeat(np.arange(5), 4), ddof=1), rel=1e-6)
    assert arrays["mc_mean_30-100cm"][5, 5] == pytest.approx(42.0)


def normal_residuals(sd: float, correlation: float) -> Residuals:
    held = pd.DataFrame({"top_cm": 0.0, "bottom_cm": 30.0, "observed": 0.0, "predicted_fit": -sd * np.linspace(-3, 3, 4001)})
    weight = np.exp(-np.linspace(-3, 3, 4001) ** 2 / 2)
    held = held.loc[np.repeat(np.arange(4001), np.rint(weight * 10).astype(int))]
    both = pd.concat([held, held.assign(top_cm=30.0, bottom_cm=100.0)])
    return residuals_of(both, LAYERS, TARGETS["soc_stock"], np.array([[1, correlation], [correlation, 1]]))[0]


@pytest.mark.parametrize("correlation", [0.0, 0.6, 1.0])
def test_residuals_of_layers_go_together_as_the_model_says(correlation):
    work = toy(residuals=normal_residuals(2.0, correlation), draws=Draws("crossed", 1, 2000), residual_noise=Noise(GRID, 1, None))
    arrays, _ = work(EVERY)
    assert np.nanmean(arrays["mc_sd_0-30cm"]) == pytest.approx(2.0, rel=0.04)
    assert np.nanmean(arrays["mc_sd_0-100cm"]) == pytest.approx(2.0 * np.sqrt(2 + 2 * correlation), rel=0.04)
    assert np.nanmean(arrays["mc_mean_0-30cm"]) == pytest.approx(20.0, rel=0.005)


def test_residuals_of_logarithms_multiply_and_start_from_the_mean_of_logarithms(monkeypatch):
    means = (np.full((2, 24 * 29), 9.0), np.full((2, 24 * 29), np.log(5.0)))
    monkeypatch.setattr(montecarlo, "layer_means", lambda model, cells: tuple(np.tile(part, len(cells) // (24 * 29)) for part in means))
    held = pd.DataFrame({"top_cm": 0.0, "bottom_cm": 30.0, "observed": np.exp(np.r_[[-1.0] * 50, [1.0] * 50]), "predicted_fit": 0.5})
    residuals, notes = residuals_of(held, LAYERS, TARGETS["log_soc_density"], None)
    assert len(notes) == 2  # too few of the lower layer; no correlation
    arrays, _ = toy(residuals=residuals, target=TARGETS["log_soc_density"])(EVERY)
    assert arrays["mc_q025_0-30cm"][4, 4] == pytest.approx(5 * 0.3 / np.e, rel=1e-5)
    assert arrays["mc_q975_0-30cm"][4, 4] == pytest.approx(5 * 0.3 * np.e, rel=1e-5)
    plain, _ = toy(target=TARGETS["log_soc_density"])(EVERY)
    assert plain["mc_mean_0-30cm"][4, 4] == pytest.approx(9 * 0.3)


def test_residuals_are_drawn_around_their_mean():
    residuals = residuals_of(
        pd.DataFrame({"top_cm": 0.0, "bottom_cm": 30.0, "observed": np.arange(100.0) + 7, "predicted_fit": 0.0}), LAYERS[:1],
        TARGETS["soc_stock"], None,
    )[0]  # fmt: skip
    assert residuals.values[0].mean() == pytest.approx(0.0, abs=1e-12) and np.ptp(residuals.values[0]) == 99


def test_values_below_zero_are_set_to_zero_and_counted():
    arrays, facts = toy(residuals=normal_residuals(30.0, 0.0))(EVERY)
    assert facts["below_zero"] > 0 and arrays["mc_q025_0-30cm"][4, 4] == 0.0


def test_stocks_shrink_with_the_soil_and_contents_do_not():
    @dataclass(frozen=True)
    class Rock(Plain):
        def __call__(self, window: Window) -> Ground:
            ground = super().__call__(window)
            return replace(ground, thickness=np.tile([1.0, 0.25], (len(ground.cells), 1)))

    stock, _ = toy(reader=Rock())(EVERY)
    assert [stock[f"mc_mean_{name}cm"][3, 3] for name in ("0-30", "30-100", "0-100")] == [20.0, 10.0, 30.0]
    content, _ = toy(reader=Rock(), target=TARGETS["soc"])(EVERY)
    expected = (20 * 30 + 40 * 17.5) / 47.5
    assert [content[f"mc_mean_{name}cm"][3, 3] for name in ("0-30", "30-100", "0-100")] == pytest.approx([20.0, 40.0, expected])


def test_classes_are_wrong_as_often_as_said_and_then_any_other():
    error = Error("cover", wrong=0.3, classes=(10, 20, 30))
    fields = np.random.default_rng(0).normal(size=(2, 40_000))
    found = error.drawn(np.full(40_000, 20.0), fields)
    shares = [np.mean(found == code) for code in (10, 20, 30)]
    assert shares == pytest.approx([0.15, 0.7, 0.15], abs=0.01)
    unseen = error.drawn(np.full(40_000, 99.0), fields)
    assert [np.mean(unseen == code) for code in (10, 20, 30, 99)] == pytest.approx([0.1, 0.1, 0.1, 0.7], abs=0.01)
    assert Error("cover", wrong=0.3, classes=(10,)).streams == () and Error("cover", classes=(10, 20)).streams == ()


# --- design


def test_designs_count_their_realisations():
    assert Draws("crossed", 100, 1000).realisations == 1000 and Draws("single", 7, 7).realisations == 7
    assert Draws("nested", 10, 30).realisations == 300
    crossed, nested = Draws("crossed", 4, 12), Draws("nested", 4, 12)
    assert sorted(pair for f in range(4) for pair in crossed.of(f)) == [(i, i) for i in range(12)]
    assert sorted(r for f in range(4) for r, _ in nested.of(f)) == list(range(48))
    assert all([draw for _, draw in nested.of(f)] == list(range(12)) for f in range(4))
    with pytest.raises(ModelError, match="expected a multiple"):
        Draws("crossed", 3, 10)


def test_nested_draws_are_the_same_for_every_forest():
    """Forests differ by their number in the lower layer, and inputs by the draw: the table of both has no interaction."""
    work = toy(forests=forests(3), draws=Draws("nested", 3, 8), errors=(Error("b", sd=1.0),))
    drawn, _ = tables(work, [EVERY])
    lower = drawn.query("by == 'all' and layer == '30-100 cm'")["total"].to_numpy().reshape(3, 8)
    own = lower - lower.mean(axis=0) - lower.mean(axis=1)[:, None] + lower.mean()
    assert np.abs(own).max() < 1e-6 * lower.mean() and np.std(lower, axis=1).min() > 0


# --- percentiles and regions


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_percentiles_are_those_of_numpy(r, n, seed):
    values = np.random.default_rng(seed).normal(5, 3, (r, n)).astype(np.float32)
    levels = (0.025, 0.3, 0.5, 0.975)
    found = summaries(values, levels)
    wide = values.astype(np.float64)
    assert np.array_equal(found[2:], np.quantile(wide, levels, axis=0))
    assert found[0] == pytest.approx(wide.mean(axis=0)) and found[1] == pytest.approx(wide.std(axis=0, ddof=1))


def test_maps_are_percentiles_of_all_realisations():
    work = toy(errors=(Error("a", relative=0.2),), draws=Draws("crossed", 1, 50), levels=(0.1, 0.5, 0.9), relative_width=True)
    arrays, _ = work(EVERY)
    cell = 4 * 30 + 7
    placed = work.noise.place(EVERY, np.array([cell]))
    drawn = np.array([10 + 2 * placed.draw(d, work.errors[0].streams)[0, 0] + 10 for d in range(50)], dtype=np.float32)
    expected = np.quantile(drawn.astype(np.float64), work.levels).astype(np.float32)
    assert [arrays[f"mc_{name}_0-30cm"][4, 7] for name in ("q10", "q50", "q90")] == expected.tolist()
    mean, width = arrays["mc_mean_0-30cm"][4, 7], arrays["mc_relative_width_0-30cm"][4, 7]
    assert width == pytest.approx((expected[2] - expected[0]) / mean, rel=1e-5)


def test_totals_are_true_areas_times_values_and_classes_add_up():
    _, said = tables(toy(), [EVERY])
    upper = said[said["layer"] == "0-30 cm"].set_index(["by", "class"])
    assert upper.loc[("all", ""), "area_km2"] == pytest.approx(24 * 29 * 1000**2 / 0.9996**2 / 1e6, rel=1e-4)
    assert upper.loc[("all", ""), "total_Tg"] == pytest.approx(upper.loc[("all", ""), "area_km2"] * 1e6 * 20 / 1e9, rel=1e-9)
    assert upper.loc["half", "total_Tg"].sum() == pytest.approx(upper.loc[("all", ""), "total_Tg"], rel=1e-12)
    assert upper.loc["half", "name"].tolist() == ["west", "class 2", "unclassified"]
    assert upper.loc["half", "cells"].tolist() == [21 * 14, 21 * 15, 3 * 29]


def test_total_of_coherent_errors_is_far_wider_than_of_independent_ones():
    """Independent: sd of the sum of n cells is sd root(n). Alike everywhere: n sd. Between them, by the correlation of each pair."""
    width = {}
    for name, range_km in (("alone", None), ("some", 10.0), ("all", 3000.0)):
        work = toy(errors=(Error("a", sd=1.0),), noise=Noise(GRID, 1, range_km), draws=Draws("crossed", 1, 1000))
        said = tables(work, [EVERY])[1].query("by == 'all' and layer == '0-30 cm'")
        width[name] = said["total_Tg_sd"].iloc[0]
    n, cell = 24 * 29, mean_cell_m2(GRID) / 1e9
    assert width["alone"] == pytest.approx(np.sqrt(n) * cell, rel=0.08)
    assert width["all"] == pytest.approx(n * cell, rel=0.08)
    placed = Noise(GRID, 1, 10.0).place(EVERY, Plain()(EVERY).cells)
    sums = np.zeros(len(placed.nodes))
    np.add.at(sums, placed.index.ravel(), placed.weight.ravel())
    assert width["some"] == pytest.approx(np.sqrt((sums**2).sum()) * cell, rel=0.08)
    assert width["all"] > 2 * width["some"] > 10 * width["alone"] > 0


def test_sums_of_limits_are_wider_than_limits_of_sums():
    work = toy(errors=(Error("a", sd=1.0),), draws=Draws("crossed", 1, 400))
    row = tables(work, [EVERY])[1].query("by == 'all' and layer == '0-30 cm'").iloc[0]
    assert row["sum_of_q025_maps"] < row["total_Tg_q025"] < row["total_Tg"] < row["total_Tg_q975"] < row["sum_of_q975_maps"]
    assert row["sum_of_q975_maps"] == pytest.approx(row["total_Tg"] + 1.96 * row["area_km2"] * 1e6 / 1e9, rel=0.02)


# --- bits


def busy(**changes) -> MonteWork:
    errors = (Error("a", relative=0.1), Error("b", sd=3.0))
    told = {"errors": errors, "residuals": normal_residuals(5.0, 0.4), "forests": forests(4), "draws": Draws("crossed", 4, 40)}
    return toy(**(told | changes))


@pytest.mark.parametrize("changes", [{}, {"noise": Noise(GRID, 1, None)}, {"draws": Draws("nested", 4, 10)}])
def test_the_same_bits_in_any_tile_and_block(changes):
    work = busy(**changes)
    arrays, _ = work(EVERY)
    drawn, said = tables(work, [EVERY])
    for parts, room in ((windows(GRID, 7), work.room), (windows(GRID, 16)[::-1], work.room), ([EVERY], 1)):
        other = replace(work, room=room)
        for window in parts:
            for name, values in other(window)[0].items():
                assert np.array_equal(values, arrays[name][window.slices], equal_nan=True), name
        again = tables(other, parts)
        pd.testing.assert_frame_equal(again[0], drawn, check_exact=True)
        pd.testing.assert_frame_equal(again[1], said, check_exact=True)
    assert replace(work, room=1).block < 24 * 29


def test_work_can_be_sent_and_does_the_same():
    work = busy()
    there = pickle.loads(pickle.dumps(work))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(work(EVERY)[0].values(), there(EVERY)[0].values(), strict=True))


@dataclass(frozen=True)
class Dying:
    """Work that fails at a tile, as if it had been killed there."""

    work: MonteWork
    at: tuple[int, int]

    def __call__(self, window: Window):
        if (window.row, window.col) == self.at:
            raise KeyboardInterrupt
        return self.work(window)


def test_an_interrupted_run_goes_on_with_the_same_bits(tmp_path):
    work = busy()
    place = Place(1, memory=8 * 10**9)
    plan = plan_tiles(GRID, [], bytes_per_cell=work.bytes_per_cell, fixed_bytes=work.fixed_bytes, place=place, window=16)
    found = {}
    for name, stops in (("once", []), ("twice", [(0, 16), (16, 16)])):
        for at in stops:
            with pytest.raises(KeyboardInterrupt):
                run_tiles(Dying(work, at), plan, TileStore(tmp_path / name, plan, work.arrays, "key"), lambda *_: None)
        store = TileStore(tmp_path / name, plan, work.arrays, "key")
        assert len(store.missing()) < 4 or not stops
        run_tiles(work, plan, store, lambda *_: None)
        found[name] = [values.tobytes() for array in work.arrays for _, values in store.read(array)], list(store.facts())
    assert found["once"] == found["twice"]


# --- whole numbers


def test_totals_of_a_billion_tiles_do_not_overflow():
    totals = Totals((1, 2))
    part = np.array([[2**62, -(2**62)]], dtype=np.int64)
    for _ in range(5):
        totals.add(("all", ""), 1, part)
    assert totals.sums[("all", "")].tolist() == [[5 * 2**62, -5 * 2**62]]
    again = Totals((1, 2))
    small = Totals((1, 2))
    small.add(("half", "2"), 3, part)
    again.add_facts(small.to_facts())
    assert again.sums[("half", "2")].tolist() == part.tolist() and again.cells == {("half", "2"): 3}


def test_areas_are_counted_in_parts_of_a_cell():
    regions = Regions(GRID, (), mean_cell_m2(GRID))
    area = regions.areas(EVERY, np.arange(24 * 30))
    assert np.abs(area / PARTS - 1).max() < 1e-3


# --- forests


def rows(n: int = 60, seed: int = 0) -> tuple[TrainingTable, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    points = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "zone": rng.integers(1, 3, n).astype(float)})
    points.index = pd.Index([f"p{i}" for i in range(n)], name="profile_id")
    ids = np.repeat(points.index.to_numpy(dtype=object), 2)
    interval = np.tile([0, 1], n)
    values = np.exp(np.repeat(points["a"].to_numpy(), 2) - interval + rng.normal(0, 0.1, 2 * n)) + 1
    return TrainingTable(ids, interval, values, 0, np.ones(2 * n), np.zeros(2 * n)), points


def model_of(table: TrainingTable, points: pd.DataFrame, form: str = "3d"):
    kinds = {"a": "continuous", "b": "continuous", "zone": "class"}
    return fit(
        table, points, kinds, name="m", target=TARGETS["log_soc_density"], form=form, layers=LAYERS, whole=WHOLE,
        settings=Settings(trees=10), seed=1,
    )  # fmt: skip


def resampling(model, **changes) -> bootstrap.Resampling:
    table, points = rows()
    kinds = {"a": "continuous", "b": "continuous", "zone": "class"}
    return replace(bootstrap.Resampling(table, points, kinds, model, None, 15, 3), **changes)


def test_profiles_are_drawn_whole_and_with_replacement():
    counts = np.stack([bootstrap.counts_of(400, 1, i) for i in range(50)])
    assert (counts.sum(axis=1) == 400).all()
    assert np.mean(counts == 0) == pytest.approx(np.exp(-1), abs=0.01)
    assert np.array_equal(counts[3], bootstrap.counts_of(400, 1, 3)) and not np.array_equal(counts[3], bootstrap.counts_of(400, 2, 3))


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_a_kept_forest_answers_as_the_one_that_was_grown(form, tmp_path):
    table, points = rows()
    given_ = resampling(model_of(table, points, form))
    model, poor = bootstrap.bootstrap_model(given_, 2)
    bootstrap.save_means(tmp_path / "f.npz", model)
    cells = points.to_numpy()
    kept = bootstrap.layer_means(bootstrap.load_means(tmp_path / "f.npz"), cells)
    own = bootstrap.layer_means(model, cells)
    assert not poor and all(np.array_equal(a, b) for a, b in zip(kept, own, strict=True))
    again = bootstrap.layer_means(bootstrap.bootstrap_model(given_, 2, workers=2)[0], cells)
    assert np.array_equal(again[0], own[0])
    assert not np.array_equal(bootstrap.layer_means(bootstrap.bootstrap_model(given_, 3)[0], cells)[0], own[0])


def test_rows_that_were_not_drawn_do_not_train():
    table, points = rows()
    given_ = resampling(model_of(table, points))
    drawn = bootstrap.counts_of(60, 3, 0)[np.repeat(np.arange(60), 2)] > 0
    spoilt = replace(given_, table=replace(table, values=np.where(drawn, table.values, 1e6)))
    cells = points.to_numpy()
    first, second = (bootstrap.layer_means(bootstrap.bootstrap_model(one, 0)[0], cells)[0] for one in (given_, spoilt))
    assert np.array_equal(first, second)


def test_zones_have_forests_of_their_own_and_poor_ones_take_that_of_all(tmp_path):
    table, points = rows()
    everywhere = model_of(table, points)
    model = ZonedModel("zone", ((1, everywhere), (9, everywhere)), everywhere, ((1, 30), (2, 30)))
    found, poor = bootstrap.bootstrap_model(resampling(model), 0)
    assert poor == [9] and [code for code, _ in found.models] == [1]
    bootstrap.save_means(tmp_path / "f.npz", found)
    kept = bootstrap.load_means(tmp_path / "f.npz")
    cells = points.to_numpy()
    assert np.array_equal(bootstrap.layer_means(kept, cells)[0], bootstrap.layer_means(found, cells)[0])


def test_one_forest_without_errors_is_that_forest(tmp_path, monkeypatch):
    monkeypatch.setattr(montecarlo, "load_means", bootstrap.load_means)
    monkeypatch.setattr(montecarlo, "layer_means", bootstrap.layer_means)
    table, points = rows()
    model, _ = bootstrap.bootstrap_model(resampling(model_of(table, points)), 0)
    bootstrap.save_means(tmp_path / "f.npz", model)

    @dataclass(frozen=True)
    class Points:
        def __call__(self, window: Window) -> Ground:
            return Ground(np.arange(60), points.to_numpy())

    work = toy(
        reader=Points(), covariates=("a", "b", "zone"), target=TARGETS["log_soc_density"], forests=(tmp_path / "f.npz",),
        draws=Draws("single", 1, 1), regions=Regions(GRID, (), 1.0),
    )  # fmt: skip
    arrays, _ = work(Window(0, 0, 2, 30))
    expected = bootstrap.layer_means(model, points.to_numpy())[0][1] * 0.7
    for stat in ("mc_mean", "mc_q025", "mc_q975"):
        assert np.array_equal(arrays[f"{stat}_30-100cm"].ravel(), expected.astype(np.float32))


def test_a_damaged_forest_is_refused(tmp_path):
    (tmp_path / "f.npz").write_bytes(b"no forest")
    with pytest.raises(ModelError, match="not a readable bootstrap forest"):
        bootstrap.load_means(tmp_path / "f.npz")
    table, points = rows()
    bootstrap.save_means(tmp_path / "f.npz", bootstrap.bootstrap_model(resampling(model_of(table, points)), 0)[0])
    whole = (tmp_path / "f.npz").read_bytes()
    for at in range(5, len(whole), len(whole) // 40):
        harmed = bytearray(whole)
        harmed[at : at + 40] = bytes(byte ^ 255 for byte in harmed[at : at + 40])
        (tmp_path / "f.npz").write_bytes(harmed)
        with pytest.raises(ModelError, match="the same command grows it again"):
            bootstrap.load_means(tmp_path / "f.npz")
    for end in range(0, len(whole), len(whole) // 20):
        (tmp_path / "f.npz").write_bytes(whole[:end])
        with pytest.raises(ModelError, match="the same command grows it again"):
            bootstrap.load_means(tmp_path / "f.npz")


# --- faults


def test_too_few_residuals_and_forests_that_do_not_fit():
    held = pd.DataFrame({"top_cm": [0.0] * 10, "bottom_cm": 30.0, "observed": 1.0, "predicted_fit": 1.0})
    with pytest.raises(ModelError, match="10 held-out residuals; expected at least 30"):
        residuals_of(held, LAYERS, TARGETS["soc_stock"], None)
    with pytest.raises(ModelError, match="2 forests; expected 1"):
        toy(forests=forests(2))


def test_names_of_levels():
    assert [level_name(level) for level in (0.025, 0.975, 0.05, 0.1, 0.5, 0.005)] == ["q025", "q975", "q05", "q10", "q50", "q005"]
