"""What bootstrap intervals of path models promise, over many samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.account.paths import model_of, path_models

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("signs", ["none", "construct"])
def test_intervals_hold_the_coefficients_as_often_as_they_say(signs: str) -> None:
    """200 samples of 150 rows, one indicator in each block: 95 % intervals hold between 90 and 98 % (binomial error 1.5 %)."""
    spread = np.sqrt(0.09 + 0.25 + 0.3 * 0.6 + 0.36)
    truth = {
        ("path", "a", "b"): 0.6,
        ("path", "b", "c"): 0.5 / spread,
        ("indirect", "a", "c"): 0.3 / spread,
        ("total", "a", "c"): 0.6 / spread,
    }
    model = model_of({
        "latents": {name: {"indicators": [{"name": name}]} for name in "abc"},
        "paths": {"b": ["a"], "c": ["a", "b"]},
        "bootstrap": {"resamples": 150, "signs": signs},
    })  # fmt: skip
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=150)
        b = 0.6 * a + 0.8 * rng.normal(size=150)
        table = pd.DataFrame({"a": a, "b": b, "c": 0.3 * a + 0.5 * b + 0.6 * rng.normal(size=150)})
        found = path_models(table, model)[0].bootstrap.set_index(["kind", "from", "to"])
        held.append([found.loc[key, "lower"] <= value <= found.loc[key, "upper"] for key, value in truth.items()])
    assert np.all((np.mean(held, axis=0) >= 0.90) & (np.mean(held, axis=0) <= 0.98))
