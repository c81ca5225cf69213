"""Path models: closed forms and models that are exact, invariances, classes and gaps, and what the bootstrap promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.account.paths import PathResult, model_of, path_models
from edaphic.account.paths.effects import total_effects
from edaphic.errors import EdaphicError

SCHEMES = ("centroid", "factorial", "path")


def model(latents: dict[str, Any], paths: dict[str, list[str]], resamples: int = 0, **more: Any) -> Any:
    """A model from names of columns."""

    def block(told: Any) -> dict[str, Any]:
        told = told if isinstance(told, dict) else {"indicators": told}
        return told | {"indicators": [one if isinstance(one, dict) else {"name": one} for one in told["indicators"]]}

    boot = {"resamples": resamples} | more.pop("bootstrap", {})
    return model_of({"latents": {name: block(told) for name, told in latents.items()}, "paths": paths, "bootstrap": boot} | more)


def one(table: pd.DataFrame, *args: Any, **more: Any) -> PathResult:
    return path_models(table, model(*args, **more))[0]


def simulated(rows: int = 400, seed: int = 1) -> pd.DataFrame:
    """Three latents of three indicators: a acts on b with 0.6, a and b on c with 0.3 and 0.5."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows)
    b = 0.6 * a + 0.8 * rng.normal(size=rows)
    c = 0.3 * a + 0.5 * b + np.sqrt(1 - 0.09 - 0.25 - 2 * 0.15 * 0.6) * rng.normal(size=rows)
    latents = {"a": a, "b": b, "c": c}
    return pd.DataFrame({f"{name}{i}": 0.9 * score + 0.4 * rng.normal(size=rows) for name, score in latents.items() for i in range(3)})


BLOCKS = {name: [f"{name}{i}" for i in range(3)] for name in "abc"}
ARROWS = {"b": ["a"], "c": ["a", "b"]}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mode", "AB")
def test_one_indicator_in_each_block_is_least_squares(scheme: str, mode: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 2)) @ np.array([[1.0, 0.4], [0.0, 1.0]])
    y = 2.0 + 3.0 * x[:, 0] - 1.0 * x[:, 1] + rng.normal(size=60)
    blocks = {"p": {"indicators": ["x0"], "mode": mode}, "q": ["x1"], "r": ["y"]}
    found = one(pd.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "y": y}), blocks, {"r": ["p", "q"]}, scheme=scheme)
    design = np.column_stack([np.ones(60), x])
    beta, rest = np.linalg.lstsq(design, y, rcond=None)[:2]
    error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * rest[0] / 57)
    assert found.inner["coefficient"].tolist() == pytest.approx((beta[1:] * x.std(axis=0) / y.std()).tolist(), abs=1e-12)
    assert found.inner["t"].tolist() == pytest.approx((beta[1:] / error[1:]).tolist(), rel=1e-9)
    last = found.latents.set_index("latent").loc["r"]
    assert last["r2"] == pytest.approx(1 - rest[0] / ((y - y.mean()) ** 2).sum(), abs=1e-12)
    assert last["r2_adjusted"] == pytest.approx(1 - (1 - last["r2"]) * 59 / 57)
    r = np.corrcoef(x.T)[0, 1]
    assert found.inner["vif"].tolist() == pytest.approx([1 / (1 - r**2)] * 2)
    assert np.isnan(found.gof)
    assert found.outer["loading"].tolist() == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_exact_model_is_found_exactly(scheme: str) -> None:
    """Indicators that are multiples of their latent: loadings are 1, and an effect through another is the product of its parts."""
    rng = np.random.default_rng(3)
    base = np.linalg.qr(np.column_stack([np.ones(80), rng.normal(size=(80, 3))]))[0][:, 1:] * np.sqrt(80)  # variance 1, correlation 0
    a, b = base[:, 0], 0.6 * base[:, 0] + 0.8 * base[:, 1]
    c = 0.5 * b + np.sqrt(0.75) * base[:, 2]
    table = pd.DataFrame(
        {f"{name}{i}": k * score + 7 for name, score in zip("abc", (a, b, c), strict=True) for i, k in enumerate((1, 5, 0.1))}
    )
    found = one(table, BLOCKS, {"b": ["a"], "c": ["b"]}, scheme=scheme)
    assert found.outer["loading"].tolist() == pytest.approx([1.0] * 9)
    effects = found.effects.set_index(["from", "to"])
    assert effects.loc[("a", "b")].tolist() == pytest.approx([0.6, 0.0, 0.6])
    assert effects.loc[("a", "c")].tolist() == pytest.approx([0.0, 0.3, 0.3])
    assert found.latents["r2"].tolist() == pytest.approx([0.0, 0.36, 0.25])
    assert found.gof == pytest.approx(np.sqrt((0.36 + 0.25) / 2))
    assert found.latents["cronbach_alpha"].tolist() == pytest.approx([1.0] * 3)
    assert np.allclose(found.scores["a"], a, atol=1e-12)


def test_mode_b_of_two_blocks_is_canonical_correlation() -> None:
    """Two blocks in mode B: their scores are the first canonical variates (Wold 1982)."""
    table = simulated(150)
    left, right = (table[BLOCKS[name]].to_numpy() for name in "ab")
    q = [np.linalg.qr(part - part.mean(axis=0))[0] for part in (left, right)]
    largest = np.linalg.svd(q[0].T @ q[1])[1][0]
    blocks = {name: {"indicators": BLOCKS[name], "mode": "B"} for name in "ab"}
    for scheme in SCHEMES:
        found = one(table, blocks, {"b": ["a"]}, scheme=scheme, tolerance=1e-20)
        assert abs(found.inner["coefficient"].iloc[0]) == pytest.approx(largest, abs=1e-9)


def test_total_effects_are_the_sum_over_all_routes() -> None:
    matrix = np.zeros((4, 4))
    matrix[1, 0], matrix[2, 0], matrix[3, 1], matrix[3, 2], matrix[3, 0] = 0.5, 0.4, 0.3, -0.2, 0.1
    total = total_effects(matrix)
    assert total[3, 0] == pytest.approx(0.1 + 0.5 * 0.3 + 0.4 * -0.2)
    assert np.allclose(total, np.linalg.inv(np.eye(4) - matrix) - np.eye(4))


def test_blocks_may_stand_in_any_order() -> None:
    table = simulated()
    straight = one(table, BLOCKS, ARROWS).effects.set_index(["from", "to"]).sort_index()
    turned = one(table, {name: BLOCKS[name] for name in "cab"}, ARROWS).effects.set_index(["from", "to"]).sort_index()
    pd.testing.assert_frame_equal(straight, turned, atol=1e-7, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**9 - 1), st.sampled_from(SCHEMES), st.sampled_from("AB"), st.integers(0, 1000))
def test_signs_units_and_order_of_rows_do_not_matter(flips: int, scheme: str, mode: str, seed: int) -> None:
    table = simulated(120, seed=seed % 5)
    blocks = {name: {"indicators": columns, "mode": mode, "positive": f"{name}0"} for name, columns in BLOCKS.items()}
    rules: Any = {"scheme": scheme, "tolerance": 1e-22, "iterations": 5000}
    before = one(table, blocks, ARROWS, **rules)
    rng = np.random.default_rng(seed)
    sign = np.array([-1.0 if flips >> i & 1 else 1.0 for i in range(9)])
    changed = (table * sign * np.exp(rng.normal(0, 2, 9)) + rng.normal(0, 50, 9)).sample(frac=1, random_state=seed)
    after = one(changed, blocks, ARROWS, **rules)
    own = sign[[0, 3, 6]]
    assert (after.outer["loading"] * sign * np.repeat(own, 3)).tolist() == pytest.approx(before.outer["loading"].tolist(), abs=1e-8)
    turned = after.effects["total"] * [own["abc".index(s)] * own["abc".index(t)] for s, t in after.effects[["from", "to"]].to_numpy()]
    assert turned.tolist() == pytest.approx(before.effects["total"].tolist(), abs=1e-8)
    assert after.gof == pytest.approx(before.gof, abs=1e-8)


def test_units_matter_where_indicators_are_only_centred() -> None:
    table = simulated()
    wide = table.assign(a0=100 * table["a0"])
    assert one(wide, BLOCKS, ARROWS).outer["loading"].tolist() == pytest.approx(one(table, BLOCKS, ARROWS).outer["loading"].tolist())
    assert one(wide, BLOCKS, ARROWS, scaled=False).outer["loading"].iloc[0] == pytest.approx(1.0, abs=1e-4)


def test_scores_have_variance_one_and_are_weighted_sums() -> None:
    table = simulated()
    found = one(table, BLOCKS, ARROWS)
    z = (table - table.mean()) / table.std(ddof=0)
    for name in "abc":
        weights = found.outer[found.outer["latent"] == name].set_index("indicator")["weight"]
        assert np.allclose(z[weights.index] @ weights, found.scores[name])
        assert found.scores[name].std(ddof=0) == pytest.approx(1.0)
    loadings = found.outer.set_index("indicator")["loading"]
    assert loadings["b1"] == pytest.approx(np.corrcoef(table["b1"], found.scores["b"])[0, 1])
    cross = found.cross.set_index("indicator")
    assert cross.loc["b1", "c"] == pytest.approx(np.corrcoef(table["b1"], found.scores["c"])[0, 1])


def test_discriminant_by_hand() -> None:
    table = simulated()
    found = one(table, BLOCKS, ARROWS).discriminant.set_index(["latent", "other"]).loc[("a", "b")]
    r = np.abs(np.corrcoef(table.to_numpy().T))
    within = [(r[i : i + 3, i : i + 3].sum() - 3) / 6 for i in (0, 3)]
    assert found["htmt"] == pytest.approx(r[:3, 3:6].mean() / np.sqrt(within[0] * within[1]))
    assert found["fornell_larcker"] == "yes" and found["htmt"] == pytest.approx(0.6, abs=0.1)


def test_rows_with_gaps() -> None:
    table = simulated(100)
    table.loc[[3, 8], "b1"] = np.nan
    dropped = one(table, BLOCKS, ARROWS)
    assert (dropped.rows, dropped.dropped) == (98, 2) and "2 of 100 rows left out for a gap: b1 2" in dropped.notes
    assert dropped.inner["coefficient"].tolist() == one(table.dropna(), BLOCKS, ARROWS).inner["coefficient"].tolist()
    assert 4 not in dropped.scores["row"].tolist() and 5 in dropped.scores["row"].tolist()
    filled = one(table, BLOCKS, ARROWS, missing="mean")
    assert filled.rows == 100 and any("2 gaps filled" in note for note in filled.notes)
    by_hand = table.assign(b1=table["b1"].fillna(table["b1"].mean()))
    assert filled.inner["coefficient"].tolist() == one(by_hand, BLOCKS, ARROWS).inner["coefficient"].tolist()


def test_classes_as_dummies_and_scores() -> None:
    table = simulated(90)
    table["use"] = np.array(["crop", "wood", "grass"])[np.arange(90) % 3]
    table.loc[0, "use"] = "wood"
    blocks = BLOCKS | {"a": ["a0", {"name": "use", "as": "dummies"}]}
    dummies = one(table, blocks, ARROWS)
    assert [name for name in dummies.outer["indicator"] if "use" in name] == ["use=crop", "use=grass"]
    assert "use: 2 dummies; 'wood' (31 rows) is the reference" in dummies.notes
    by_hand = table.assign(crop=1.0 * (table["use"] == "crop"), grass=1.0 * (table["use"] == "grass"))
    assert dummies.gof == pytest.approx(one(by_hand, BLOCKS | {"a": ["a0", "crop", "grass"]}, ARROWS).gof, abs=1e-12)
    other = one(table, BLOCKS | {"a": ["a0", {"name": "use", "as": "dummies", "reference": "crop"}]}, ARROWS)
    assert [name for name in other.outer["indicator"] if "use" in name] == ["use=grass", "use=wood"]
    told: list[tuple[dict[str, Any], dict[str, float]]] = [
        ({"order": ["crop", "grass", "wood"]}, {"crop": 1, "grass": 2, "wood": 3}),
        ({"scores": {"crop": 0.0, "grass": 0.5, "wood": 9.0}}, {"crop": 0, "grass": 0.5, "wood": 9}),
        ({"mean_of": "c0"}, table.groupby("use")["c0"].mean().to_dict()),
    ]
    for how, scores in told:
        found = one(table, BLOCKS | {"a": ["a0", {"name": "use", "as": "scores"} | how]}, ARROWS)
        expected = one(table.assign(use=table["use"].map(scores)), BLOCKS | {"a": ["a0", "use"]}, ARROWS)
        assert found.gof == pytest.approx(expected.gof, abs=1e-12)
        assert any(note.startswith("use: classes as scores") for note in found.notes)


def test_codes_are_classes_whether_whole_or_not() -> None:
    table = simulated(60)
    table["code"] = np.arange(60) % 2 + 1.0
    found = one(table, BLOCKS | {"a": ["a0", {"name": "code", "as": "scores", "order": ["1", "2"]}]}, ARROWS)
    assert "code" in found.outer["indicator"].tolist()


def test_constants_beside_others_go_with_a_note() -> None:
    found = one(simulated().assign(flat=3.0), BLOCKS | {"a": ["a0", "flat"]}, ARROWS)
    assert "flat of 'a' left out: the same value in all rows" in found.notes and "flat" not in found.outer["indicator"].tolist()


def test_collinear_indicators_go_the_worst_first() -> None:
    table = simulated()
    table["copy"] = table["a0"] + 0.01 * table["a1"]
    found = one(table, BLOCKS | {"a": ["a0", "a1", "a2", "copy"]}, ARROWS, vif=10.0)
    gone = found.screening[~found.screening["kept"]]
    assert len(gone) == 1 and gone["latent"].tolist() == ["a"] and gone["indicator"].iloc[0] in ("a0", "copy")
    assert any("left out, in this order, for a VIF of at least 10" in note for note in found.notes)
    blocks = BLOCKS | {"a": {"indicators": ["a0", "a1", "a2", "copy"], "positive": "copy"}}
    assert "copy" in one(table, blocks, ARROWS, vif=10.0).outer["indicator"].tolist()


def test_signs_of_latents() -> None:
    table = simulated()
    table["a1"] *= -1
    assert one(table, BLOCKS, ARROWS).outer["loading"].gt(0).tolist()[:3] == [True, False, True]
    told = one(table, BLOCKS | {"a": {"indicators": BLOCKS["a"], "positive": "a1"}}, ARROWS)
    assert told.outer["loading"].gt(0).tolist()[:3] == [False, True, False] and not told.notes
    even = one(table, BLOCKS | {"a": ["a0", "a1"]}, ARROWS)
    assert any("'a': as many indicators correlate negatively as positively" in note for note in even.notes)


def test_an_indicator_and_its_mirror_image() -> None:
    """Equal weights cancel out at the start; the block has one dimension all the same."""
    table = simulated().assign(mirror=lambda t: -t["a0"])
    found = one(table, BLOCKS | {"a": {"indicators": ["a0", "mirror"], "positive": "a0"}}, ARROWS)
    assert found.outer["loading"].tolist()[:2] == pytest.approx([1.0, -1.0])


def test_an_only_indicator_may_be_uncorrelated() -> None:
    table = pd.DataFrame({"x": [1.0, -1, 1, -1, 1, -1, 1, -1], "z": [1.0, 1, -1, -1, 1, 1, -1, -1], "y": [1.0, 2, -1, -2, 1, 2, -1, -2]})
    for scheme in SCHEMES:
        found = one(table[["x", "y", "z"]], {"p": ["x"], "q": ["z"], "r": ["y"]}, {"q": ["p"], "r": ["q"]}, scheme=scheme)
        assert found.inner["coefficient"].tolist() == pytest.approx([0.0, 1.5 / np.sqrt(2.5)])


def test_a_model_for_each_group() -> None:
    table = simulated(300)
    table["layer"] = np.array(["30-100", "0-30", "100-200"])[np.arange(300) % 3]
    found = path_models(table, model(BLOCKS, ARROWS), by="layer")
    assert [one.group for one in found] == ["0-30", "30-100", "100-200"]
    alone = path_models(table[table["layer"] == "30-100"], model(BLOCKS, ARROWS))[0]
    assert found[1].inner["coefficient"].tolist() == alone.inner["coefficient"].tolist()
    assert found[1].scores["row"].tolist() == list(range(1, 301, 3))


@pytest.mark.parametrize("signs", ["none", "construct", "individual"])
def test_the_number_of_threads_does_not_matter(signs: str) -> None:
    asked = model(BLOCKS, ARROWS, 40, bootstrap={"signs": signs})
    first, second = (path_models(simulated(120), asked, threads=threads)[0].bootstrap for threads in (1, 3))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    other = path_models(simulated(120), model(BLOCKS, ARROWS, 40, bootstrap={"signs": signs, "seed": 2}))[0].bootstrap
    assert not first["lower"].equals(other["lower"])


def test_a_resample_is_a_model_of_repeated_rows() -> None:
    """The weighted covariance gives what the rows, repeated, give; quantiles are of type 7."""
    table = simulated(60)
    found = path_models(table, model(BLOCKS, ARROWS, 25, bootstrap={"signs": "none"}))[0].bootstrap
    drawn = []
    for b in range(25):
        rows = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(b,))).integers(0, 60, 60)
        drawn.append(one(table.iloc[rows], BLOCKS, ARROWS).effects["total"].to_numpy())
    total = found[found["kind"] == "total"]
    assert total["mean"].tolist() == pytest.approx(np.mean(drawn, axis=0).tolist(), abs=1e-9)
    assert total["standard_error"].tolist() == pytest.approx(np.std(drawn, axis=0, ddof=1).tolist(), abs=1e-9)
    assert total["lower"].tolist() == pytest.approx(np.quantile(drawn, 0.025, axis=0).tolist(), abs=1e-9)
    assert total["upper"].tolist() == pytest.approx(np.quantile(drawn, 0.975, axis=0).tolist(), abs=1e-9)


def test_rows_of_a_group_are_drawn_together() -> None:
    """Each row five times: resampling rows believes in five times the evidence, resampling profiles does not."""
    table = simulated(100)
    again = pd.concat([table.assign(profile=range(100))] * 5, ignore_index=True)
    width = {}
    for group, rows in ((None, table), (None, again), ("profile", again)):
        boot = one(rows, BLOCKS, ARROWS, 200, bootstrap={"group": group}).bootstrap
        width[group, len(rows)] = float((boot["upper"] - boot["lower"])[boot["kind"] == "path"].mean())
    assert width["profile", 500] == pytest.approx(width[None, 100], rel=0.15)
    assert width[None, 500] == pytest.approx(width[None, 100] / np.sqrt(5), rel=0.15)


def test_alignment_of_signs() -> None:
    """A block with an even split of signs: without correction its path wanders between plus and minus."""
    table = simulated(80, seed=4)
    table["a1"] *= -1
    blocks = BLOCKS | {"a": ["a0", "a1"]}
    errors = {}
    for signs in ("none", "construct", "individual"):
        boot = one(table, blocks, ARROWS, 100, bootstrap={"signs": signs}).bootstrap.set_index(["kind", "from", "to"])
        errors[signs] = boot.loc[("path", "a", "b")]
    assert errors["construct"]["standard_error"] < 0.15
    assert errors["individual"]["lower"] * errors["individual"]["original"] > 0
    assert errors["none"]["standard_error"] >= errors["construct"]["standard_error"]


def held(seed: int, rows: int = 150, resamples: int = 60) -> list[bool]:
    """Whether the intervals of one sample hold the true coefficients; indicators without error, so that nothing is attenuated."""
    rng = np.random.default_rng(1000 + seed)
    a = rng.normal(size=rows)
    b = 0.6 * a + 0.8 * rng.normal(size=rows)
    table = pd.DataFrame({"a0": a, "b0": b, "c0": 0.3 * a + 0.5 * b + 0.6 * rng.normal(size=rows)})
    spread = np.sqrt(0.09 + 0.25 + 0.3 * 0.6 + 0.36)
    boot = one(table, {name: [f"{name}0"] for name in "abc"}, ARROWS, resamples).bootstrap.set_index(["kind", "from", "to"])
    truth = {
        ("path", "a", "b"): 0.6,
        ("path", "b", "c"): 0.5 / spread,
        ("indirect", "a", "c"): 0.3 / spread,
        ("total", "a", "c"): 0.6 / spread,
    }
    return [bool(boot.loc[key, "lower"] <= value <= boot.loc[key, "upper"]) for key, value in truth.items()]


def test_intervals_cover_known_coefficients() -> None:
    """95 % intervals of 20 samples; tests/slow has more."""
    assert 0.82 <= np.mean([held(seed) for seed in range(20)]) <= 1.0


def test_resamples_that_fail_are_counted() -> None:
    table = simulated(60)
    table["rare"] = np.where(np.arange(60) == 5, "x", "y")
    alone = one(table, BLOCKS | {"a": [{"name": "rare", "as": "dummies"}]}, ARROWS, 50)
    left = int(alone.bootstrap["resamples"].iloc[0])
    assert 25 <= left < 50 and f"bootstrap: {50 - left} of 50 resamples left out ({50 - left} x a block is constant)" in alone.notes
    for mode in "AB":
        beside = {"indicators": ["a0", {"name": "rare", "as": "dummies"}], "mode": mode}
        boot = one(table, BLOCKS | {"a": beside}, ARROWS, 50).bootstrap.set_index(["kind", "from", "to"])
        assert boot.loc[("loading", "rare=x", "a"), "resamples"] == left and boot.loc[("path", "a", "b"), "resamples"] == 50
        assert np.isfinite(boot[["lower", "upper"]]).all(axis=None)


def test_faults_of_all_groups_come_together() -> None:
    table = simulated(90)
    table["layer"] = np.arange(90) % 3
    table.loc[table["layer"] > 0, "a0"] = 1.0
    with pytest.raises(EdaphicError) as caught:
        path_models(table, model(BLOCKS | {"a": ["a0"]}, ARROWS), by="layer")
    assert [line.split(":")[0] for line in caught.value.faults] == ["table, layer 1", "table, layer 2"]
