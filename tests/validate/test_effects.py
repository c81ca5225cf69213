"""Effects of covariates: forests that are steps and sums, covariates that go together, bands, layers, classes, faults."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from edaphic.errors import ModelError
from edaphic.model.features import Encoder
from edaphic.model.forest import Forest, Settings, train
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.model.traverse import predict
from edaphic.validate.effects import accumulated_effects, effects, partial_dependence


def grown(y: object, x: np.ndarray, trees: int = 60, bags: int = 0) -> Forest:
    return train(x.astype(np.float32), np.asarray(y, dtype=float), Settings(trees, 1.0, 3, little_bags=bags), log=False, seed=1)


def edges_of(x: np.ndarray, points: int = 15) -> np.ndarray:
    return np.unique(np.quantile(x, np.linspace(0, 1, points), method="inverted_cdf").astype(np.float32))


def test_partial_dependence_is_the_mean_prediction() -> None:
    x = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    forest = grown(x[:, 0] * x[:, 1] + x[:, 2], x)
    found = partial_dependence(forest, x, [1], np.array([[-1.0], [0.5]])).mean(axis=0)
    for value, own in zip((-1.0, 0.5), found, strict=True):
        moved = x.copy()
        moved[:, 1] = value
        assert own == pytest.approx(predict(forest, moved).mean.mean(), rel=1e-12)


def test_accumulated_effects_by_their_definition() -> None:
    x = np.random.default_rng(2).normal(size=(150, 2)).astype(np.float32)
    forest = grown(x[:, 0] * x[:, 1], x)
    edges = edges_of(x[:, 0], 6)
    found, count = accumulated_effects(forest, x, 0, edges)
    steps = []
    for low, high in pairwise(edges):
        inside = (x[:, 0] > low) & (x[:, 0] <= high) | ((x[:, 0] == edges[0]) & (low == edges[0]))
        ends = []
        for value in (low, high):
            moved = x[inside].copy()
            moved[:, 0] = value
            ends.append(predict(forest, moved).mean.mean())
        steps.append(ends[1] - ends[0])
    curve = np.concatenate([[0], np.cumsum(steps)])
    curve -= np.average((curve[1:] + curve[:-1]) / 2, weights=count)
    assert found.mean(axis=0) == pytest.approx(curve, abs=1e-10)
    assert count.sum() == 150


def test_both_find_an_additive_effect() -> None:
    random = np.random.default_rng(3)
    x = random.uniform(-1, 1, (1500, 2)).astype(np.float32)
    forest = grown(3 * x[:, 0] + 5 * x[:, 1] ** 2, x, 40)
    edges = edges_of(x[:, 0])
    ale = accumulated_effects(forest, x, 0, edges)[0].mean(axis=0)
    pd = partial_dependence(forest, x, [0], edges[:, None].astype(float)).mean(axis=0)
    assert ale == pytest.approx(3 * edges, abs=0.5)
    assert pd - pd.mean() == pytest.approx(ale - ale.mean(), abs=0.3)


def test_where_covariates_go_together_the_two_part() -> None:
    """The target is x1 x2, and x2 all but equals x1: partial dependence is flat, since x2 is 0 on average; the local effect x2 is not."""
    random = np.random.default_rng(4)
    one = random.uniform(-1, 1, 2000)
    x = np.column_stack([one, one + random.normal(0, 0.05, 2000)]).astype(np.float32)
    forest = grown(x[:, 0] * x[:, 1], x, 40)
    edges = edges_of(x[:, 0], 21)
    ale = sum(accumulated_effects(forest, x, j, edges_of(x[:, j], 21))[0].mean(axis=0) for j in (0, 1))
    assert ale[0] - ale[10] == pytest.approx(1.0, abs=0.3)
    pd = sum(partial_dependence(forest, x, [j], edges[:, None].astype(float)).mean(axis=0) for j in (0, 1))
    assert abs(pd[0] - pd[10]) < abs(ale[0] - ale[10])


def model(form: str = "3d", bags: int = 0, seed: int = 1, encoding: str = "onehot") -> tuple[SoilModel, np.ndarray]:
    random = np.random.default_rng(2)
    n, layers = 150, ((0.0, 20.0), (20.0, 60.0))
    mat, rock = random.normal(size=n), random.integers(0, 2, n) * 7
    means = (("rock", (5.0, 9.0)),) if encoding == "ordered" else ()
    encoder = Encoder(("mat", "rock"), (("rock", (0, 7)),), form == "3d", means, 7.0)
    x = encoder.transform(np.column_stack([mat, rock]))
    some, y = Settings(40, 1.0, 1, little_bags=bags), (10 + 3 * mat, 5 + rock / 7)
    if form == "3d":
        both = np.concatenate([x, x])
        both[:, -2:] = np.repeat(np.array(layers), n, axis=0)
        forests = [train(both, np.concatenate(y), some, log=False, seed=seed)]
    else:
        forests = [train(x, one, some, log=False, seed=seed) for one in y]
    return SoilModel("m", TARGETS["soc_density"], form, layers, None, encoder, tuple(forests), some, 1), x


@pytest.mark.parametrize("form", ["3d", "layers"])
def test_by_layer_in_the_unit_of_the_answers(form: str) -> None:
    soil, x = model(form)
    table, notes = effects(soil, x, points=8)
    span = table[(table["covariate"] == "mat") & (table["kind"] == "ale")].groupby("layer")["effect"].agg(np.ptp)
    assert span["0-20"] == pytest.approx(0.2 * 3 * np.ptp(x[:, 0]), rel=0.3)
    assert span["20-60"] < 0.7 * span["0-20"]
    rock = table[(table["covariate"] == "rock") & (table["layer"] == "20-60")].set_index("class")
    assert rock["kind"].tolist() == ["pd", "pd"]
    assert rock["n"].sum() == 150
    assert rock["effect"].mean() == pytest.approx(0.4 * 5.5, rel=0.25)
    assert "effects: 'rock' has classes without an order; partial dependence only" in notes
    assert any("no band" in note for note in notes)
    assert table["low"].isna().all()


def test_ordered_classes() -> None:
    soil, x = model(encoding="ordered")
    table, _ = effects(soil, x, ["rock"])
    assert table["class"].unique().tolist() == ["0", "7"]
    assert table[table["layer"] == "0-20"]["n"].sum() == 150


def test_bands() -> None:
    soil, x = model(bags=5)
    table, _ = effects(soil, x, ["mat"], points=6, ice=(0.1, 0.9))
    assert set(table["band"]) == {"bags"}
    assert ((table["low"] <= table["effect"]) & (table["effect"] <= table["high"])).all()
    # Below 20 cm the target does not depend on it, and no tree of this forest splits there: no error, no band.
    first = table[table["layer"] == "0-20"]
    assert (first["high"] > first["low"]).all()
    single = table[table["kind"] == "pd"]
    assert (single["ice_low"] <= single["ice_high"]).all()
    refits = [model(seed=seed)[0] for seed in range(2, 8)]
    again, _ = effects(model()[0], x, ["mat"], points=6, refits=refits)
    assert set(again["band"]) == {"refits"}
    assert (again["high"] - again["low"]).max() < 1.0


def test_a_band_of_bags_is_as_wide_as_forests_of_other_samples_scatter() -> None:
    """The standard error at one place against the standard deviation over 24 data sets."""
    found, told = [], []
    for seed in range(24):
        random = np.random.default_rng(seed)
        x = random.normal(size=(120, 1)).astype(np.float32)
        forest = train(x, x[:, 0] + random.normal(size=120), Settings(200, 1.0, 5, little_bags=10), log=False, seed=seed)
        encoder = Encoder(("a",), (), False)
        soil = SoilModel("m", TARGETS["soc"], "layers", ((0.0, 20.0),), None, encoder, (forest,), Settings(200), 1)
        table = effects(soil, np.array([[-1.0], [1.0]], dtype=np.float32), kinds=["pd"], points=2, level=0.6827)[0]
        found.append(table["effect"].to_numpy())
        told.append(((table["high"] - table["low"]) / 2).to_numpy())
    ratio = np.mean(told) / np.std(found, axis=0, ddof=1).mean()
    assert 0.6 < ratio < 1.6


def test_neither_workers_nor_the_order_of_trees_matter() -> None:
    soil, x = model()
    assert effects(soil, x, points=5)[0].equals(effects(soil, x, points=5, workers=2)[0])


def test_a_constant_covariate_and_a_sample() -> None:
    soil, x = model()
    same = x.copy()
    same[:, 0] = 1.0
    table, notes = effects(soil, same, ["mat"], most_rows=50)
    assert table.empty
    assert notes[0] == "effects: a sample of 50 of 150 rows"
    assert "effects: 'mat' has the same value in all rows, left out" in notes


def test_faults() -> None:
    soil, x = model()
    with pytest.raises(ModelError) as told:
        effects(soil, x, ["map"], kinds=["ice"], points=1, level=0.0, ice=(0.9, 0.1), refits=[model("layers")[0]])  # type: ignore[list-item]
    assert len(told.value.faults) == 7
    assert told.value.faults[0] == "effects: 'map' is no covariate of the model; expected one of mat, rock"
    with pytest.raises(ModelError, match="some rows of 5 columns"):
        effects(soil, x[:, :2])
    with pytest.raises(ModelError, match="not finite"):
        effects(soil, np.where(np.arange(5) == 0, np.nan, x).astype(np.float32))
    with pytest.raises(ModelError, match="expected edges at values of the rows"):
        accumulated_effects(soil.forests[0], np.nan_to_num(x), 0, np.array([0.0, 1.0], dtype=np.float32))
    assert replace(soil).covariates == ("mat", "rock")
