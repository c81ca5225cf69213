"""Tiles of maps: what they hold, cell by cell, whatever the size of the windows."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.covariates.grid import Window
from edaphic.covariates.stack import Stack
from edaphic.errors import ModelError
from edaphic.mapping.mask import Bedrock, Mask
from edaphic.mapping.place import Place
from edaphic.mapping.plan import plan_tiles
from edaphic.mapping.predict import Calibration, TileWork, applicability_features
from edaphic.mapping.quantiles import calibrate, exceedance
from edaphic.model.fit import TARGETS, TrainingTable, fit
from edaphic.model.forest import Settings
from edaphic.model.traverse import Wish
from edaphic.model.zones import ZonedModel, ask, reply_all
from edaphic.validate.applicability import fit_applicability

LAYERS = ((0.0, 30.0), (30.0, 100.0))
WHOLE = (0.0, 100.0)
GRID = GeoBox((30, 41), Affine(90.0, 0.0, 500000.0, 0.0, -90.0, 4600000.0), "EPSG:32634")
EVERYWHERE = Window(0, 0, 30, 41)
OF_DEPTHS = ("mean", "se", "spread", "tree_se", "q05", "q25", "q50", "q95", "q975", "tree_q05")
STATS = (*OF_DEPTHS, "applicability", "dissimilarity", "point_density")
NAMED = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q95": 0.95, "q975": 0.975}


@dataclass(frozen=True, eq=False)
class Plane:
    """A layer that is an array; ``read_by`` counts how often it is read."""

    name: str
    values: np.ndarray
    reads: list

    def read(self, window: Window) -> np.ndarray:
        self.reads.append(window)
        return self.values[window.slices].astype(np.float32)


def plane(name: str, values: np.ndarray) -> Plane:
    return Plane(name, values, [])


def rows_of(ids: list[str], value: np.ndarray) -> TrainingTable:
    n = len(ids)
    values = np.concatenate([value, value / 2])
    return TrainingTable(np.array(ids * 2, dtype=object), np.repeat([0, 1], n), values, 0, np.ones(2 * n), np.zeros(2 * n))


def made(target: str = "log_soc_density", form: str = "3d", seed: int = 3, slope: float = 0.5):
    rng = np.random.default_rng(seed)
    ids = [f"p{i}" for i in range(60)]
    points = pd.DataFrame({"wet": rng.normal(size=60), "rock": rng.integers(1, 4, 60).astype(float)}, ids)
    value = np.exp(1 + slope * points["wet"] + 0.1 * rng.normal(size=60)).to_numpy()
    model = fit(
        rows_of(ids, value), points, {"wet": "continuous", "rock": "class"}, name="m", target=TARGETS[target], form=form, layers=LAYERS,
        whole=WHOLE, settings=Settings(12, 1.0, 3, little_bags=3), seed=seed,
    )  # fmt: skip
    return model, points


def land(seed: int = 1) -> Stack:
    rng = np.random.default_rng(seed)
    wet = np.add.outer(np.sin(np.arange(30) / 5), np.cos(np.arange(41) / 7)) + 0.1 * rng.normal(size=(30, 41))
    wet[3:5, 6:9] = np.nan
    rock = rng.integers(1, 5, (30, 41)).astype(float)  # 4: unseen
    cover = np.where(np.add.outer(np.arange(30), np.arange(41)) % 7 == 0, 210.0, 10.0)
    return Stack(GRID, (plane("wet", wet), plane("rock", rock), plane("cover", cover)))


def moves(lower: float = 0.1, upper: float = 0.2) -> Calibration:
    depths = [*LAYERS, WHOLE]
    adjustments = pd.DataFrame([(t, b, np.nan, lower, upper) for t, b in depths], columns=["top_cm", "bottom_cm", "zone", "lower", "upper"])
    levels = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
    by_level = pd.DataFrame(
        [(t, b, np.nan, level, 0.2 * (level - 0.5)) for t, b in depths for level in levels],
        columns=["top_cm", "bottom_cm", "zone", "level", "move"],
    )
    return Calibration((0.05, 0.95), adjustments, by_level)


@pytest.fixture(scope="module")
def model():
    return made()[0]


@pytest.fixture(scope="module")
def where():
    model, points = made()
    return fit_applicability(applicability_features(model, points.to_numpy()), fold=np.arange(60) % 5)


@pytest.fixture(scope="module")
def work(model, where):
    return TileWork(
        model, (land(),), STATS, moves(), thresholds=(5.0, 2.5), class_masks=(("cover", (210,)),), applicability=where,
        masks=(Mask("water", plane("water", np.tile(np.arange(41.0), (30, 1))), above=35.0),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def everywhere(work):
    return work(EVERYWHERE)


def cells(stack: Stack) -> np.ndarray:
    return np.stack([layer.values.astype(np.float32).ravel() for layer in stack.layers[:2]], axis=1).astype(float)


def test_each_statistic_of_a_cell_is_what_the_model_says_there(work, everywhere):
    arrays, facts = everywhere
    stack = work.stacks[0]
    rows = cells(stack)
    kept = np.isfinite(rows).all(axis=1) & (stack.layers[2].values.ravel() != 210) & (np.tile(np.arange(41), 30) <= 35)
    levels = work.asked.wish.levels
    said = reply_all(ask(work.model, rows[kept]), Wish(levels=levels, tree_levels=(0.05,), error=True))
    for i, name in enumerate(["0-30", "30-100", "0-100"]):
        within = None
        if i == 2:
            within = (said.mean[0].astype(np.float32).astype(float) + said.mean[1].astype(np.float32)).astype(np.float32).astype(float)
        shift = np.interp(levels, work.calibration.known, [0.2 * (level - 0.5) for level in work.calibration.known])
        q, _ = calibrate(said.quantiles[i], levels, (0.05, 0.95), (0.1, 0.2), shift, log=True, within=within)
        expected = {
            "se": said.se[i], "spread": said.spread[i], "tree_se": said.spread[i] / np.sqrt(12),
            "tree_q05": said.tree_quantiles[i, :, 0],
            "p_above_5": exceedance(q, levels, 5.0), "p_above_2.5": exceedance(q, levels, 2.5),
        }  # fmt: skip
        expected |= {stat: q[:, levels.index(level)] for stat, level in NAMED.items()}
        expected["mean"] = said.mean[i] if within is None else within
        for stat, values in expected.items():
            found = arrays[f"{stat}_{name}cm"].ravel()
            assert np.isnan(found[~kept]).all(), stat
            np.testing.assert_allclose(found[kept], values, rtol=1e-6, err_msg=f"{stat} {name}")
    counts = facts["by_period"][0]
    assert counts["cells"] == 1230 and counts["mapped"] == kept.sum()
    assert counts["with_all_covariates"] - counts["masked"] == kept.sum()
    assert counts["masks"]["cover"] == (stack.layers[2].values == 210).sum() and counts["masks"]["water"] == 30 * 5
    assert counts["se_shrunk"] == {f"se_{name}cm": int(said.se_shrunk[i].sum()) for i, name in enumerate(["0-30", "30-100", "0-100"])}
    assert counts["with_class_unseen_in_training"] == (rows[kept, 1] == 4).sum()
    assert counts["inside_applicability"] == np.nansum(arrays["applicability_0-100cm"])


def test_maps_without_quantiles_ask_for_none_and_are_the_same(work, everywhere):
    stats = ("mean", "spread", "tree_q05", "se")
    plain = replace(work, stats=stats, thresholds=(), applicability=None)
    assert plain.asked.wish.levels == () and plain.lane_bytes < work.lane_bytes
    arrays, facts = plain(EVERYWHERE)
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, everywhere[0][name], err_msg=name)
    assert len(arrays) == 12 and facts["by_period"][0]["mapped"] == everywhere[1]["by_period"][0]["mapped"]
    bare = replace(plain, calibration=Calibration((0.05, 0.95), moves().adjustments.iloc[:0]))
    np.testing.assert_array_equal(bare(EVERYWHERE)[0]["mean_0-100cm"], arrays["mean_0-100cm"])


def test_the_whole_is_the_sum_of_its_layers_as_stored(everywhere):
    arrays = everywhere[0]
    total = arrays["mean_0-30cm"].astype(float) + arrays["mean_30-100cm"]
    np.testing.assert_array_equal(arrays["mean_0-100cm"], total.astype(np.float32))
    held = (arrays["q05_0-100cm"] <= arrays["mean_0-100cm"]) & (arrays["mean_0-100cm"] <= arrays["q95_0-100cm"])
    assert held[np.isfinite(arrays["mean_0-100cm"])].all()


def test_quantiles_rise_and_thresholds_fall(everywhere):
    arrays = everywhere[0]
    for name in ("0-30", "30-100", "0-100"):
        levels = np.stack([arrays[f"{stat}_{name}cm"] for stat in ("q05", "q25", "q50", "q95", "q975")])
        assert (np.diff(levels, axis=0) >= 0)[:, np.isfinite(levels[0])].all()
        below, above = arrays[f"p_above_2.5_{name}cm"], arrays[f"p_above_5_{name}cm"]
        assert (below >= above)[np.isfinite(above)].all() and np.nanmin(above) >= 0 and np.nanmax(below) <= 1


def tiled(work: TileWork, rows: int, cols: int, backwards: bool) -> tuple[dict, list[dict]]:
    out = {name: np.full(GRID.shape, 7.0, dtype=np.float32) for name in work.arrays}
    tiles = [
        Window(row, col, min(rows, 30 - row), min(cols, 41 - col)) for row in range(0, 30, rows) for col in range(0, 41, cols)
    ]  # fmt: skip
    facts = []
    for tile in reversed(tiles) if backwards else tiles:
        arrays, found = work(tile)
        assert list(arrays) == list(work.arrays)
        facts.append(found["by_period"][0])
        for name, values in arrays.items():
            out[name][tile.slices] = values
    return out, facts


@settings(max_examples=12, deadline=None)
@given(rows=st.integers(1, 30), cols=st.integers(3, 41), backwards=st.booleans())
def test_tiles_change_no_bit_and_no_count(work, everywhere, rows, cols, backwards):
    if rows * cols < 40:
        rows = 15
    found, facts = tiled(work, rows, cols, backwards)
    for name, values in everywhere[0].items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    whole = everywhere[1]["by_period"][0]
    for name, count in whole.items():
        for key in count if isinstance(count, dict) else [None]:
            assert sum(one[name] if key is None else one[name][key] for one in facts) == (count if key is None else count[key]), name


def test_small_parts_of_a_tile_change_no_bit(work, everywhere, monkeypatch):
    monkeypatch.setattr("edaphic.mapping.predict.CHUNK_BYTES", 1)
    monkeypatch.setattr(np, "clip", lambda value, low, high, clip=np.clip: 97 if low == 1024 else clip(value, low, high))
    again = replace(work)
    assert again._part == 97
    for name, values in again(EVERYWHERE)[0].items():
        np.testing.assert_array_equal(everywhere[0][name], values, err_msg=name)


def test_work_can_be_sent_elsewhere(work, everywhere):
    again = pickle.loads(pickle.dumps(work))
    for name, values in again(EVERYWHERE)[0].items():
        np.testing.assert_array_equal(everywhere[0][name], values, err_msg=name)
    assert work.fixed_bytes > 1000 and work.bytes_per_cell > 4 * len(work.arrays)


def test_memory_for_answers_is_known_and_each_tile_in_work_needs_it(work):
    less = replace(work, stats=("mean",), thresholds=(), applicability=None)
    assert work.lane_bytes > less.lane_bytes > 8 * less._part * 3 * len(less.asked.wish.levels)  # the answers alone
    usual = dict(bytes_per_cell=100.0, fixed_bytes=0, window=16, place=Place(threads=4, memory=10**11))
    small, large = (plan_tiles(GRID, [], lane_bytes=each, **usual).peak_bytes for each in (0, 10**9))
    assert large - small > 4 * (10**9 - 10**8)


def test_masked_tiles_read_no_covariates(work):
    stack = land()
    mask = Mask("water", plane("water", np.full((30, 41), 80.0)), above=50.0)
    again = replace(work, stacks=(stack,), masks=(mask,))
    arrays, facts = again(Window(0, 0, 10, 10))
    assert [len(layer.reads) for layer in stack.layers] == [0, 0, 1]  # cover, for its own count
    assert all(np.isnan(values).all() for values in arrays.values())
    counts = facts["by_period"][0]
    assert counts["masked"] == counts["cells"] == 100 and counts["mapped"] == 0 and counts["with_all_covariates"] == 100


def test_a_mask_keeps_what_it_does_not_know(model):
    share = np.full((30, 41), 20.0)
    share[0, 0], share[0, 1], share[0, 2] = 80.0, np.nan, 50.0
    bare = dict(stacks=(land(),), stats=("mean", "q05", "q95"), calibration=moves())
    found = TileWork(model, masks=(Mask("water", plane("water", share), above=50.0),), **bare)(EVERYWHERE)
    assert np.isnan(found[0]["mean_0-30cm"][0]).tolist()[:3] == [True, False, False]
    masks = (Mask("ice", plane("ice", share), classes=(80, 50)), Mask("low", plane("low", share), below=30.0))
    codes = TileWork(model, masks=masks, **bare)
    empty = np.isnan(codes(EVERYWHERE)[0]["mean_0-30cm"])
    assert empty[0].tolist()[:3] == [True, False, True] and empty[1:].all()


def test_cells_outside_the_area_of_applicability_are_left_empty_on_demand(work, everywhere):
    arrays, facts = replace(work, only_applicable=True)(EVERYWHERE)
    outside = everywhere[0]["applicability_0-100cm"] == 0
    assert outside.any()
    for name, values in everywhere[0].items():
        own = name.startswith(("applicability", "dissimilarity", "point_density"))
        np.testing.assert_array_equal(arrays[name], values if own else np.where(outside, np.nan, values), err_msg=name)
    counts = facts["by_period"][0]
    assert counts["mapped"] == counts["inside_applicability"] < everywhere[1]["by_period"][0]["mapped"]


# --- bedrock


def bedrock(depth: np.ndarray, unit: str = "cm") -> Bedrock:
    return Bedrock(plane("bedrock", depth), unit)


@pytest.mark.parametrize("target", ["log_soc_density", "soc_density", "soc_stock", "log_soc_stock"])
@pytest.mark.parametrize("form", ["3d", "layers"])
def test_a_column_loses_exactly_its_missing_share(target, form):
    model, _ = made(target, form)
    log = model.target.log
    bare = TileWork(model, (land(),), OF_DEPTHS, moves(0.1, 0.2) if log else moves(0.3, 0.4))
    full = bare(EVERYWHERE)[0]
    depth = np.full((30, 41), 65.0)
    depth[10], depth[11], depth[12], depth[13], depth[14] = 200.0, 15.0, 0.0, np.nan, -9999.0
    arrays, facts = replace(bare, bedrock=bedrock(depth))(EVERYWHERE)
    shares = {0: (1.0, 0.5), 10: (1, 1), 11: (0.5, 0), 12: (0, 0), 13: (1, 1), 14: (1, 1)}
    for row, share in shares.items():
        for name, part in zip(("0-30", "30-100"), share, strict=True):
            for stat in bare.stats:
                key = f"{stat}_{name}cm"
                np.testing.assert_allclose(arrays[key][row], full[key][row] * part, rtol=2e-6, atol=1e-12, err_msg=f"{key} row {row}")
        total = arrays["mean_0-30cm"][row].astype(float) + arrays["mean_30-100cm"][row]
        np.testing.assert_array_equal(arrays["mean_0-100cm"][row], total.astype(np.float32))
        assert (arrays["q05_0-100cm"][row] <= arrays["mean_0-100cm"][row])[np.isfinite(total)].all()
    for stat in bare.stats:
        whole = arrays[f"{stat}_0-100cm"]
        np.testing.assert_allclose(whole[10], full[f"{stat}_0-100cm"][10], rtol=1e-6)
        assert np.nanmax(whole[12]) == 0
        assert (whole[11] < full[f"{stat}_0-100cm"][11])[np.isfinite(whole[11])].all()
    mapped = np.isfinite(full["mean_0-30cm"])
    counts = facts["by_period"][0]
    assert counts["bedrock_not_known"] == mapped[13:15].sum() and counts["bedrock_negative"] == mapped[14].sum()
    assert counts["soil_ends_within"] == mapped.sum() - mapped[10].sum() - mapped[13:15].sum()


def test_errors_are_not_shrunk_where_nothing_is_soil(model):
    bare = TileWork(model, (land(),), ("mean", "se"), moves())

    def shrunk(work):
        return work(EVERYWHERE)[1]["by_period"][0]["se_shrunk"]

    full = shrunk(bare)
    assert all(full.values())
    none, half = (shrunk(replace(bare, bedrock=bedrock(np.full((30, 41), depth)))) for depth in (0.0, 30.0))
    assert none == dict.fromkeys(full, 0)
    assert half["se_0-30cm"] == full["se_0-30cm"] and half["se_30-100cm"] == 0 < half["se_0-100cm"] < full["se_0-30cm"] + full["se_0-100cm"]


@pytest.mark.parametrize("target", ["log_soc_density", "soc_stock", "soc"])
def test_the_whole_of_a_cell_with_soil_in_one_layer_is_that_layer_calibrated_too(target):
    model, _ = made(target)
    every = moves()
    by_depth = {depth: i for i, depth in enumerate([*LAYERS, WHOLE])}
    own = every.adjustments.assign(upper=[0.1, 0.3, 0.5])
    told = every.by_level[["top_cm", "bottom_cm", "move"]].to_numpy()
    levels = every.by_level.assign(move=[(1 + by_depth[top, bottom]) * move for top, bottom, move in told])
    work = TileWork(
        model, (land(),), ("mean", "q05", "q50", "q75", "q95", "q975"), replace(every, adjustments=own, by_level=levels), thresholds=(2.0,),
        bedrock=bedrock(np.tile([20.0, 30.0, 31.0] + [100.0] * 38, (30, 1))),
    )  # fmt: skip
    arrays, _ = work(EVERYWHERE)
    held = (arrays["q05_0-30cm"] <= arrays["mean_0-30cm"]) & (arrays["mean_0-30cm"] <= arrays["q95_0-30cm"])
    assert held[:, :2].sum() > 40  # elsewhere limits of the whole are widened
    for stat in (*work.stats, "p_above_2"):
        one, whole = arrays[f"{stat}_0-30cm"], arrays[f"{stat}_0-100cm"]
        np.testing.assert_array_equal(one[:, :2][held[:, :2]], whole[:, :2][held[:, :2]], err_msg=stat)
    assert (arrays["q95_0-30cm"][:, 3:] != arrays["q95_0-100cm"][:, 3:])[np.isfinite(arrays["mean_0-100cm"][:, 3:])].all()


@pytest.mark.parametrize("target", ["log_soc_density", "soc_stock"])
def test_quantiles_of_the_whole_follow_the_depth_of_the_soil_and_are_never_below_a_layer(target):
    model, _ = made(target)
    every = moves()
    own = every.adjustments.assign(upper=[0.9, 0.3, 0.05], lower=[0.05, 0.2, 0.4])
    stats = ("mean", "q05", "q50", "q95")
    work = TileWork(model, (land(),), stats, replace(every, adjustments=own), thresholds=(2.0, 4.0))

    def at(depth):
        return replace(work, bedrock=bedrock(np.full((30, 41), depth)))(EVERYWHERE)[0]

    for stat in stats:
        for depth in (30.0, 100.0):
            # Where a second layer begins, quantiles of one layer give way to those of realisations: of few trees, whose quantiles are
            # steps, those are right within some percent.
            here, room = at(depth)[f"{stat}_0-100cm"], 0.05 if depth == 30.0 and stat != "mean" else 1e-4
            np.testing.assert_allclose(at(depth - 1e-4)[f"{stat}_0-100cm"], here, rtol=1e-4)
            np.testing.assert_allclose(at(depth + 1e-4)[f"{stat}_0-100cm"], here, rtol=room)
    for depth in (12.0, 31.5, 55.0, 500.0):
        arrays = at(depth)
        for stat in (*stats, "p_above_2", "p_above_4"):
            whole = arrays[f"{stat}_0-100cm"]
            known = np.isfinite(whole)
            for layer in ("0-30", "30-100"):
                if stat != "q05":  # a lower limit gives way to the mean that it has to hold
                    assert (whole >= arrays[f"{stat}_{layer}cm"] - 1e-6)[known].all(), (stat, layer, depth)
        low, mean, high = (arrays[f"{stat}_0-100cm"] for stat in ("q05", "mean", "q95"))
        assert ((low <= mean) & (mean <= high))[known].all()


def test_depths_in_metres_are_those_in_centimetres(model):
    bare = TileWork(model, (land(),), ("mean", "q05", "q95"), moves(), thresholds=(5.0,))
    depth = np.linspace(0, 2, 30 * 41).reshape(30, 41)
    depth = np.round(depth * 4) / 4  # the same number in either unit
    metres, centimetres = (replace(bare, bedrock=bedrock(d, u))(EVERYWHERE)[0] for d, u in ((depth, "m"), (depth * 100, "cm")))
    for name in metres:
        np.testing.assert_array_equal(metres[name], centimetres[name])
    assert (metres["p_above_5_30-100cm"][depth == 0.25][:3] == 0).all()  # nothing exceeds anything where there is no soil


def test_contents_have_no_value_where_there_is_no_soil():
    model, _ = made("soc")
    bare = TileWork(model, (land(),), ("mean", "q05", "q95", "spread"), moves(0.1, 0.1))
    full = bare(EVERYWHERE)[0]
    depth = np.full((30, 41), 65.0)
    depth[10], depth[11] = 30.0, 0.0
    arrays, _ = replace(bare, bedrock=bedrock(depth))(EVERYWHERE)
    np.testing.assert_allclose(arrays["mean_0-30cm"][:11], full["mean_0-30cm"][:11], rtol=1e-6)
    np.testing.assert_allclose(arrays["mean_30-100cm"][:10], full["mean_30-100cm"][:10], rtol=1e-6)
    assert np.isnan(arrays["mean_30-100cm"][10]).all() and np.isnan(arrays["q95_30-100cm"][10]).all()
    np.testing.assert_allclose(arrays["mean_0-100cm"][10], arrays["mean_0-30cm"][10], rtol=1e-6)
    expected = (30 * full["mean_0-30cm"][0].astype(float) + 35 * full["mean_30-100cm"][0]) / 65
    np.testing.assert_allclose(arrays["mean_0-100cm"][0], expected, rtol=1e-6)
    assert all(np.isnan(values[11]).all() for values in arrays.values())


# --- periods


def test_periods_read_static_layers_once_and_have_a_mean(work, model):
    first = land()
    wet, rock, cover = first.layers
    later = Stack(GRID, (plane("wet", wet.values + 0.5), rock, plane("cover", np.full((30, 41), 210.0) * (np.arange(41) > 20))))
    later.layers[0].values[20, 30] = np.nan
    periods = ((1985, 1990), (1990, 1995))
    both = replace(work, stacks=(first, later), periods=periods, masks=(), mean_of_periods=True, thresholds=())
    arrays, facts = both(EVERYWHERE)
    assert [len(layer.reads) for layer in (wet, rock, cover, later.layers[0], later.layers[2])] == [1, 1, 1, 1, 1]
    for stack, period, counts in zip((first, later), periods, facts["by_period"], strict=True):
        alone, its = replace(both, stacks=(stack,), periods=(None,), mean_of_periods=False)(EVERYWHERE)
        assert its["by_period"][0] == counts
        for name, values in alone.items():
            np.testing.assert_array_equal(arrays[f"{name}_{period[0]}-{period[1]}"], values, err_msg=name)
    for name in ("0-30", "30-100", "0-100"):
        parts = [arrays[f"mean_{name}cm_{a}-{b}"].astype(float) for a, b in periods]
        np.testing.assert_array_equal(arrays[f"mean_{name}cm_1985-1995"], ((parts[0] + parts[1]) / 2).astype(np.float32))
    assert np.isnan(arrays["mean_0-30cm_1985-1995"]).sum() > max(np.isnan(part).sum() for part in parts)


# --- zones


def test_zones_answer_with_their_own_trees_and_calibration(model):
    own, _ = made(seed=9, slope=-0.5)
    zone = np.where(np.arange(41) < 20, 3.0, 7.0) * np.ones((30, 1))
    zoned = ZonedModel("zone", ((3, own),), model, ((3, 30), (7, 30)))
    stack = land()
    whole = Stack(GRID, (*stack.layers, plane("zone", zone)))
    base = moves()
    both = pd.concat([base.adjustments.assign(zone=3.0, lower=0.9), base.adjustments], ignore_index=True)
    work = TileWork(zoned, (whole,), ("mean", "q05", "q95", "tree_se"), replace(base, adjustments=both))
    arrays = work(EVERYWHERE)[0]
    alone = TileWork(own, (stack,), work.stats, replace(base, adjustments=base.adjustments.assign(lower=0.9)))(EVERYWHERE)[0]
    rest = TileWork(model, (stack,), work.stats, base)(EVERYWHERE)[0]
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, np.where(zone == 3, alone[name], rest[name]), err_msg=name)


# --- faults


def test_what_is_lacking_is_said_at_once(model):
    stack = (land(),)
    with pytest.raises(ModelError, match=r"conformal_levels\.csv") as fault:
        TileWork(replace(model, forests=tuple(replace(f, bag=0) for f in model.forests)), stack, ("mean", "se", "q25", "applicability"),
                 replace(moves(), by_level=None))  # fmt: skip
    assert len(fault.value.faults) == 3
    lacking = replace(moves(), adjustments=moves().adjustments[:2])
    with pytest.raises(ModelError, match=r"no calibration for the depths \[\(0\.0, 100\.0\)\]"):
        TileWork(model, stack, ("mean", "q05", "q95"), lacking)
    with pytest.raises(ModelError, match="only_applicable without an area of applicability"):
        TileWork(model, stack, ("mean",), moves(), only_applicable=True)
    with pytest.raises(ModelError, match="1 stacks for 2 periods"):
        TileWork(model, stack, ("mean",), moves(), periods=((1985, 1990), (1990, 1995)))
    with pytest.raises(ModelError, match="a depth to bedrock beside beta; expected a model of stock, density or content"):
        TileWork(replace(model, target=TARGETS["beta"]), stack, ("mean",), moves(), bedrock=bedrock(np.ones((30, 41))))
    with pytest.raises(ModelError, match="the mean of periods without their means; expected mean among the statistics"):
        TileWork(model, stack * 2, ("spread",), moves(), periods=((1985, 1990), (1990, 1995)), mean_of_periods=True)


def test_quantiles_too_far_out_for_the_profiles_are_said(model):
    few = replace(moves(), by_level=moves().by_level.assign(n=30, pooled=False))
    work = TileWork(model, (land(),), ("mean", "q05", "q95", "q01", "q25"), few)
    assert work.asked.notes(model.layers) == [
        f"{name} cm: 30 held-out profiles are too few to calibrate q01; it moves by the largest error seen" for name in ("0-30", "30-100")
    ]
    enough = replace(work, calibration=replace(few, by_level=few.by_level.assign(n=99)))
    assert enough.asked.notes(model.layers) == []
