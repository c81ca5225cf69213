"""Path models that cannot be: one clear line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.account.paths import Block, Bootstrap, Indicator, PathModel, path_models
from edaphic.errors import EdaphicError


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 40))
    c = a + b + rng.normal(size=40)
    return pd.DataFrame(
        {"a0": a, "a1": a + 0.3 * b, "b0": b, "c0": c, "c1": c + 0.5 * a, "flat": 2.0, "use": ["x", "y"] * 20, "empty": np.nan}
    )


def block(name: str, *columns: str, mode: Any = "A", **more: Any) -> Block:
    return Block(name, tuple(Indicator(column, **more) for column in columns), mode)


A, B, C = block("a", "a0", "a1"), block("b", "b0"), block("c", "c0", "c1")
SOUND = PathModel((A, B, C), {"c": ("a", "b")}, bootstrap=Bootstrap(0))


def with_block(changed: Block) -> PathModel:
    return replace(SOUND, blocks=(changed, B, C))


def test_the_sound_model_is_sound() -> None:
    assert path_models(table(), SOUND)[0].rows == 40


COLLINEAR = replace(SOUND, blocks=(block("a", "c2"), B, block("c", "c0"), block("d", "a1")), paths={"d": ("a", "c"), "b": ("a",)})
CASES: list[tuple[str, PathModel, str]] = [
    ("cycle", replace(SOUND, paths={"c": ("a",), "b": ("c",), "a": ("b",)}), "found the cycle"),
    ("own cause", replace(SOUND, paths={"c": ("a", "b", "c")}), "found the cycle c -> c"),
    ("unknown cause", replace(SOUND, paths={"c": ("a", "b", "z")}), "paths.c: unknown latent 'z'; expected some of a, b, c"),
    ("unknown effect", replace(SOUND, paths={"c": ("a", "b"), "z": ("a",)}), "paths.z: unknown latent 'z'"),
    ("cause twice", replace(SOUND, paths={"c": ("a", "b", "a")}), "paths.c: a latent stands there twice"),
    ("no path", replace(SOUND, paths={"c": ("a",)}), "latents.b: no path from or to it"),
    ("no indicator", with_block(Block("a", ())), "latents.a: no indicator; expected at least one"),
    ("indicator twice", with_block(block("a", "a0", "a0")), "indicator 'a0' is in 'a' already"),
    ("indicator of two", with_block(block("a", "a0", "b0")), "indicator 'b0' is in 'a' already"),
    ("latent twice", replace(SOUND, blocks=(A, B, C, block("a", "flat"))), "'a' stands there twice"),
    ("unknown mode", with_block(block("a", "a0", mode="C")), "mode 'C'; expected A or B"),
    ("positive elsewhere", with_block(replace(A, positive="b0")), "positive 'b0' is no indicator of the block"),
    ("scores without a rule", with_block(block("a", "use", coding="scores")), "'use' as scores from 0 rules"),
    ("no column", with_block(block("a", "a00", "a1")), "table: no column 'a00' (indicator of 'a'); expected 'a0'?"),
    ("no target", with_block(block("a", "use", coding="scores", mean_of="soc")), "no column 'soc' (scores of 'use')"),
    ("words", with_block(block("a", "use")), "column 'use': found 'x' (row 1, 40 such); expected numbers, or 'as: dummies'"),
    ("class without score", with_block(block("a", "use", coding="scores", order=("x",))), "column 'use': 'y' without a score"),
    ("no such reference", with_block(block("a", "use", coding="dummies", reference="z")), "reference 'z' not found"),
    ("constant block", with_block(block("a", "flat")), "table: latents.a: every indicator is constant (flat)"),
    ("no value", with_block(block("a", "empty")), "table: indicator 'empty' has no value"),
    ("collinear in mode B", replace(SOUND, blocks=(A, B, block("c", "c0", "c2", mode="B"))), "'c0', 'c2' are an exact combination"),
    ("collinear latents", COLLINEAR, "the scores of a, c are collinear"),
    ("no convergence", replace(SOUND, iterations=2, tolerance=1e-30), "not converged after 2 (last change"),
    ("uncorrelated block", with_block(block("a", "noise", "noise2")), "latents.a: does not correlate with the latents beside it"),
    ("group missing", replace(SOUND, bootstrap=Bootstrap(50, group="profile")), "no column 'profile' (bootstrap group)"),
    ("gaps in groups", replace(SOUND, bootstrap=Bootstrap(50, group="part")), "bootstrap group 'part': 1 rows without a value"),
    ("one group", replace(SOUND, bootstrap=Bootstrap(50, group="flat")), "bootstrap: one group only; expected at least 2"),
    ("few resamples", replace(SOUND, bootstrap=Bootstrap(5)), "bootstrap: 5 resamples; expected 0, or at least 20"),
    ("unknown signs", replace(SOUND, bootstrap=Bootstrap(50, signs="some")), "signs: 'some'; expected one of none, individual, construct"),  # type: ignore[arg-type]
    ("unknown scheme", replace(SOUND, scheme="wild"), "scheme: 'wild'; expected one of centroid, factorial, path"),  # type: ignore[arg-type]
    ("vif of 1", replace(SOUND, vif=1.0), "vif: 1; expected a number above 1"),
    ("level of 1", replace(SOUND, bootstrap=Bootstrap(50, level=1.0)), "bootstrap: level 1; expected between 0 and 1"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_fault(model: PathModel, said: str) -> None:
    found = table()
    found["c2"] = 2 * found["c0"] + 1
    # Orthogonal to the only neighbour to the last bit: c repeats in halves, and the signs of the noise turn.
    found["noise"] = np.repeat([1.0, -1.0], 20)
    found["noise2"] = found["noise"] * np.tile(np.arange(20.0), 2)
    found["part"] = [None, *"abc" * 13]
    if "does not correlate" in said:
        found.loc[20:, ["c0", "c1", "b0"]] = found.loc[:19, ["c0", "c1", "b0"]].to_numpy()
    with pytest.raises(EdaphicError) as caught:
        path_models(found, model)
    lines = caught.value.faults
    assert sum(said in line for line in lines) == 1 and len(lines) <= 2
    assert all("; expected" in line and len(line) < 260 for line in lines)


def test_few_rows() -> None:
    few = table().iloc[:4].assign(a2=[1.0, 5, 2, 7], a3=[2.0, 1, 1, 5])
    wide = block("a", "a0", "a1", "a2", "a3", mode="B")
    checks: list[tuple[pd.DataFrame, PathModel, str]] = [
        (few, with_block(wide), "latents.a: 4 rows for 4 indicators in mode B"),
        (few.iloc[:3], SOUND, "paths.c: 3 rows for 2 causes; expected at least 4"),
        (few.iloc[:2], SOUND, "2 rows without a gap; expected at least 3"),
        (few.iloc[:0], SOUND, "table: no rows"),
    ]
    for rows, model, said in checks:
        with pytest.raises(EdaphicError, match=said):
            path_models(rows, model)


def test_by_faults() -> None:
    for by, said in (("layer", "no column 'layer' \\(by\\)"), ("empty", "column 'empty' is empty")):
        with pytest.raises(EdaphicError, match=said):
            path_models(table(), SOUND, by=by)


def test_all_faults_at_once() -> None:
    model = replace(SOUND, blocks=(block("a", "gone", "use"), B, block("c", "lost")))
    with pytest.raises(EdaphicError) as caught:
        path_models(table(), model, by="nowhere")
    assert len(caught.value.faults) == 4


def test_infinite_values() -> None:
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda t: t.assign(b0=t["b0"].where(t.index != 3, np.inf))  # noqa: E731
    with pytest.raises(EdaphicError, match="column 'b0', row 4: infinite"):
        path_models(change(table()), SOUND)
