"""All depths in one pass: the whole is made of its layers, missing soil is missing, and cells know nothing of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import ModelError
from edaphic.model import answering
from edaphic.model.answering import Answers, answer, answer_layers
from edaphic.model.fit import TARGETS, SoilModel, TrainingTable, cells_between, fit
from edaphic.model.forest import Settings
from edaphic.model.traverse import Wish
from edaphic.model.zones import ZonedModel, ask, reply, reply_all

LAYERS, WHOLE = ((0.0, 30.0), (30.0, 60.0), (60.0, 100.0)), (0.0, 100.0)
THICKNESS = np.array([0.3, 0.3, 0.4])
RHO = 0.6
NOISE = np.array([0.4, 0.5, 0.6])
KINDS = {"wet": "continuous", "noise": "continuous", "rock": "class"}
WISH = Wish((0.05, 0.5, 0.95), (0.05, 0.95), error=False)
FIELDS = tuple(Answers.__dataclass_fields__)


def densities(n: int, seed: int, effect: float) -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    correlation = RHO ** np.abs(np.subtract.outer(range(3), range(3)))
    errors = rng.normal(size=(n, 3)) @ np.linalg.cholesky(correlation).T
    points = pd.DataFrame(
        {"wet": rng.normal(size=n), "noise": rng.normal(size=n), "rock": rng.integers(1, 3, n).astype(float)}, [f"p{i}" for i in range(n)]
    )
    return np.exp(np.array([2.5, 2.0, 1.5]) + effect * points[["wet"]].to_numpy() + NOISE * errors), points


def table_of(density: np.ndarray) -> TrainingTable:
    n = len(density)
    values = np.concatenate([*density.T, density @ THICKNESS])
    ids = np.array([f"p{i}" for i in range(n)] * 4, dtype=object)
    return TrainingTable(ids, np.repeat([0, 1, 2, 3], n), values, 0, np.ones(4 * n), np.zeros(4 * n))


@pytest.fixture(scope="module")
def world():
    return densities(150, 1, 0.5)


def model_of(world, form="3d", target="log_soc_density", bag=0, seed=1, whole=WHOLE) -> SoilModel:
    density, points = world
    settings = Settings(40, 1.0, 3, little_bags=bag)
    told = {"name": "m", "target": TARGETS[target], "form": form, "layers": LAYERS, "whole": whole, "seed": seed}
    return fit(table_of(density), points, KINDS, settings=settings, **told)


def cells_of(model: SoilModel, points: pd.DataFrame) -> np.ndarray:
    return model.encoder.transform(points[list(model.covariates)].to_numpy())


def same(one: Answers, other: Answers) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("target", ["log_soc_density", "soc_density", "soc_stock", "log_soc", "soc"])
@pytest.mark.parametrize("form", ["3d", "layers"])
def test_all_depths_at_once_are_each_depth_alone(world, form, target):
    model = model_of(world, form, target)
    features = cells_of(model, world[1])
    said = answer_layers(model, features, Wish((0.05, 0.5, 0.95)))
    for i in range(4):
        alone = answer(model, features.copy(), i, (0.05, 0.5, 0.95), workers=2)
        for name in ("mean", "mean_fit", "spread", "quantiles"):
            np.testing.assert_allclose(getattr(said, name)[i], getattr(alone, name), rtol=1e-12, err_msg=f"{name} {i}")
    weights = THICKNESS if target.endswith("soc") else np.ones(3)
    np.testing.assert_allclose(said.mean[3], weights @ said.mean[:3], rtol=1e-12)
    if not target.endswith("soc"):
        np.testing.assert_array_equal(said.mean[3], said.mean[0] + said.mean[1] + said.mean[2])
    # Narrower than limits that are added up, wider than those of layers that know nothing of each other.
    width = said.quantiles[:, :, 2] - said.quantiles[:, :, 0]
    assert (np.sqrt(weights**2 @ width[:3] ** 2).mean() < width[3].mean() < (weights @ width[:3]).mean())


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_cells_know_nothing_of_each_other(world, form, monkeypatch):
    model = model_of(world, form, bag=4)
    features = cells_of(model, world[1])
    thickness = np.random.default_rng(0).uniform(size=(150, 3))
    wish = replace(WISH, error=True)
    every = answer_layers(model, features, wish, thickness)
    order = np.random.default_rng(1).permutation(150)
    mixed = answer_layers(model, features[order], wish, thickness[order])
    one = answer_layers(model, features[[7]], wish, thickness[[7]])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(every, name)[:, order], getattr(mixed, name), err_msg=name)
        np.testing.assert_array_equal(getattr(every, name)[:, [7]], getattr(one, name), err_msg=name)
    monkeypatch.setattr(answering, "BLOCK", 37)
    same(every, answer_layers(model, features, wish, thickness))
    empty = answer_layers(model, features[:0], wish, thickness[:0])
    assert all(getattr(empty, name).shape[:2] == (4, 0) for name in FIELDS)


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_missing_soil_is_missing(world, form):
    model = model_of(world, form, bag=4)
    features, wish = cells_of(model, world[1]), replace(WISH, error=True)
    full = answer_layers(model, features, wish)
    same(full, answer_layers(model, features, wish, np.ones((150, 3))))
    half = answer_layers(model, features, wish, np.full((150, 3), 0.5))
    for name in ("mean", "spread", "quantiles", "tree_quantiles", "se"):
        np.testing.assert_allclose(getattr(half, name), 0.5 * getattr(full, name), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(half.mean_fit, full.mean_fit + np.log(0.5), rtol=1e-12)
    # Bedrock at 30 cm: the whole is the upper layer, to the bit.
    shallow = answer_layers(model, features, wish, np.tile([1.0, 0.0, 0.0], (150, 1)))
    assert (shallow.mean[1:3] == 0).all() and (shallow.quantiles[1:3] == 0).all()
    np.testing.assert_array_equal(shallow.mean[3], full.mean[0])
    np.testing.assert_array_equal(shallow.quantiles[3], full.quantiles[0])
    np.testing.assert_allclose(shallow.spread[3], full.spread[0], rtol=1e-9)
    np.testing.assert_allclose(shallow.mean_fit[3], full.mean_fit[0], rtol=1e-9)
    nothing = answer_layers(model, features, wish, np.zeros((150, 3)))
    assert (nothing.mean == 0).all() and (nothing.quantiles == 0).all()


def test_a_column_of_uniform_density_loses_its_missing_share(world):
    density = np.full((60, 3), 20.0)
    density[0] = 20.0001  # a target must vary
    model = model_of((density, world[1].iloc[:60]), target="soc_density")
    said = answer_layers(model, cells_of(model, world[1].iloc[5:6]), WISH, np.array([[1.0, 1.0, 0.5]]))
    np.testing.assert_allclose(said.mean[:, 0], [6.0, 6.0, 4.0, 16.0], rtol=1e-5)
    np.testing.assert_allclose(said.quantiles[3, 0], 16.0, rtol=1e-4)


def test_contents_of_the_whole_are_weighted_by_the_thickness_that_is_soil(world):
    model = model_of(world, target="soc")
    features = cells_of(model, world[1])
    share = np.tile([1.0, 0.5, 0.0], (150, 1))
    said, full = answer_layers(model, features, WISH, share), answer_layers(model, features, WISH)
    np.testing.assert_array_equal(said.mean[:3], full.mean[:3])
    np.testing.assert_allclose(said.mean[3], (0.3 * full.mean[0] + 0.15 * full.mean[1]) / 0.45, rtol=1e-12)
    none = answer_layers(model, features[:1], WISH, np.zeros((1, 3)))
    assert np.isnan(none.mean[3, 0]) and np.isnan(none.quantiles[3, 0]).all() and np.isfinite(none.mean[:3]).all()


def test_layers_that_are_known_to_go_together_give_limits_that_cover():
    """Covariates tell nothing, so every cell has the distribution of all profiles, and that of sums is known."""
    model = model_of(densities(1500, 3, 0.0))
    target = RHO ** np.abs(np.subtract.outer(range(3), range(3)))
    np.testing.assert_allclose(model.depth_correlation, target, atol=0.08)
    new, points = densities(4000, 4, 0.0)
    stock = (new * THICKNESS).sum(axis=1) / 1.0
    said = answer_layers(model, cells_of(model, points), Wish((0.05, 0.95)))
    covered = np.mean((stock >= said.quantiles[3, :, 0]) & (stock <= said.quantiles[3, :, 1]))
    assert 0.86 < covered < 0.94
    added = said.quantiles[:3].sum(axis=0)
    assert np.mean((stock >= added[:, 0]) & (stock <= added[:, 1])) > covered + 0.02


def test_the_logarithm_of_the_whole_is_near_that_of_realisations(world):
    for form in ("3d", "layers"):
        model = model_of(world, form)
        said = answer_layers(model, cells_of(model, world[1]), Wish(tuple(np.linspace(0.005, 0.995, 100))))
        np.testing.assert_allclose(said.mean_fit[3], np.log(said.quantiles[3]).mean(axis=1), atol=0.06)


def test_the_spread_of_the_whole_is_that_of_sums_tree_by_tree_in_one_forest(world):
    one, each = model_of(world), model_of(world, "layers")
    said = answer_layers(one, cells_of(one, world[1]), WISH)
    assert (said.spread[3] <= said.spread[:3].sum(axis=0) * (1 + 1e-12)).all()
    said = answer_layers(each, cells_of(each, world[1]), WISH)
    np.testing.assert_allclose(said.spread[3], np.sqrt((said.spread[:3] ** 2).sum(axis=0)), rtol=1e-12)
    width = said.tree_quantiles[..., 1] - said.tree_quantiles[..., 0]
    assert (width[3] < width[:3].sum(axis=0)).all() and (width[3] > width[:3].max(axis=0)).mean() > 0.95


def test_what_is_asked_beside_changes_nothing(world):
    model = model_of(world)
    features = cells_of(model, world[1])
    full = answer_layers(model, features, WISH)
    plain = answer_layers(model, features, Wish())
    for name in ("mean", "mean_fit", "spread"):
        np.testing.assert_array_equal(getattr(full, name), getattr(plain, name))
    assert plain.quantiles.shape == (4, 150, 0) and plain.se.shape == (4, 0)
    median = answer_layers(model, features, Wish((0.5,)))
    np.testing.assert_array_equal(median.quantiles[..., 0], full.quantiles[..., 1])


def test_layers_that_do_not_join_up_have_no_whole(world):
    model = model_of(world, whole=None)
    said = answer_layers(model, cells_of(model, world[1]), WISH)
    assert said.mean.shape == (3, 150)
    same(said, Answers(*(getattr(answer_layers(model_of(world), cells_of(model, world[1]), WISH), name)[:3] for name in FIELDS)))


# Standard errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_standard_errors_are_below_the_spread_and_those_of_the_whole_between_extremes(world, form):
    model = model_of(world, form, bag=4)
    assert model.se_prior.shape == (4, 2) and model.forests[0].bag == 4
    said = answer_layers(model, cells_of(model, world[1]), replace(WISH, error=True))
    assert (said.se > 0).all() and (said.se[:3].mean(axis=1) < said.spread[:3].mean(axis=1)).all()
    assert (np.sqrt((said.se[:3] ** 2).sum(axis=0)) * 0.9).mean() < said.se[3].mean() < said.se[:3].sum(axis=0).mean() * 1.1
    assert said.se_shrunk.dtype == bool and said.se_shrunk.shape == (4, 150)


def test_no_error_without_little_bags(world):
    model = model_of(world)
    with pytest.raises(ModelError, match="standard error: the forest has no little bags"):
        answer_layers(model, cells_of(model, world[1]), Wish(error=True))


def test_thickness_of_another_shape_is_one_line(world):
    model = model_of(world)
    with pytest.raises(ModelError, match=r"thickness: shape \(150, 2\); expected a share for each of 150 cells and 3 layers"):
        answer_layers(model, cells_of(model, world[1]), Wish(), np.ones((150, 2)))


def test_cells_between_profiles_keep_classes():
    profiles = np.array([[0.0, 1.0], [10.0, 2.0], [20.0, 1.0]])
    found = cells_between(profiles, ("wet", "rock"), KINDS, 3)
    assert set(found[:, 1]) == {1.0, 2.0} and set(found[:, 0]) == {5.0, 10.0, 15.0}
    np.testing.assert_array_equal(found, cells_between(profiles, ("wet", "rock"), KINDS, 3))


# Zones ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bag", [0, 4])
def test_zones_are_put_together(world, bag):
    base, own = model_of(world, bag=bag), model_of(densities(80, 9, 0.5), bag=bag, seed=7)
    assert not np.array_equal(base.depth_correlation, own.depth_correlation)
    model = ZonedModel("rock", ((2, own),), base, ((1, 75), (2, 75)))
    cells = world[1][["wet", "noise", "rock"]].to_numpy()
    wish, thickness = replace(WISH, error=bag > 0), np.random.default_rng(2).uniform(size=(150, 3))
    asked = ask(model, cells)
    said = reply_all(asked, wish, thickness)
    for part, here in ((own, cells[:, 2] == 2), (base, cells[:, 2] != 2)):
        alone = answer_layers(part, part.encoder.transform(cells[here]), wish, thickness[here])
        for name in FIELDS:
            got = getattr(said, name)
            np.testing.assert_array_equal(got[:, here] if got.shape[1] else got, getattr(alone, name), err_msg=name)
    plain = reply_all(asked, Wish((0.05, 0.5, 0.95)))
    for i in range(4):
        np.testing.assert_allclose(plain.quantiles[i], reply(asked, i, (0.05, 0.5, 0.95)).quantiles, rtol=1e-12)
    one = ask(base, cells)
    same(reply_all(one, wish), answer_layers(base, one.parts[0][2], wish))
