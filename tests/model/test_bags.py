"""Standard errors from little bags: the closed form, what is learned from many cells, and the truth by drawing new samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.model.bags import learn_prior, variance_of_mean
from edaphic.model.forest import Settings, train
from edaphic.model.traverse import Wish, predict, traverse


@pytest.mark.parametrize("prior", [(0.0, 1.0), (30.0, 1.4), (196.0, 2.0)])
@pytest.mark.parametrize("between", [0.002, 0.02, 0.05, 0.4])
def test_the_closed_form_is_the_mean_of_the_posterior_above_what_few_trees_explain(prior, between):
    within, bags, bag = 0.2, 50, 10
    single, (freedom, scale) = within / bag, prior
    a, b = (freedom + bags - 1) / 2, (freedom * scale * single + (bags - 1) * between) / 2

    theta = single * np.exp(np.linspace(0, np.log(100 * max(between, single * scale) / single), 400_001))
    log_density = -(a + 1) * np.log(theta / single) - b / theta
    density = np.exp(log_density - log_density.max())
    theta = np.trapezoid(theta * density, theta) / np.trapezoid(density, theta)
    found, shrunk = variance_of_mean(np.array([between]), np.array([within]), bags, bag, prior)
    assert found[0] == pytest.approx(theta - single + theta / bags, rel=1e-5)
    assert shrunk[0] == (between <= single)


def test_priors_that_cells_were_drawn_from_are_found():
    rng = np.random.default_rng(1)
    bags, bag, n = 50, 10, 4000
    for freedom, scale in ((20.0, 1.8), (60.0, 3.0)):
        single = rng.uniform(0.5, 2, n)
        theta = single * scale * freedom / rng.chisquare(freedom, n)
        between, within = theta * rng.chisquare(49, n) / 49, bag * single * rng.chisquare(450, n) / 450
        found = learn_prior(between, within, bags, bag)
        assert found == (pytest.approx(freedom, rel=0.15), pytest.approx(scale, rel=0.03))
        # Shrinking is worth it: it comes nearer to the truth than what a cell alone tells.
        true = theta - single + theta / bags
        lent, alone = (variance_of_mean(between, within, bags, bag, prior)[0] for prior in (found, (0.0, 1.0)))
        assert np.mean((np.sqrt(lent) - np.sqrt(true.clip(0))) ** 2) < 0.9 * np.mean((np.sqrt(alone) - np.sqrt(true.clip(0))) ** 2)


def test_cells_that_do_not_differ_lend_as_much_as_is_allowed_and_too_few_lend_nothing():
    rng = np.random.default_rng(2)
    between, within = 2 * rng.chisquare(49, 500) / 49, 10 * rng.chisquare(450, 500) / 450
    freedom, scale = learn_prior(between, within, 50, 10)
    assert freedom == 4 * 49 and scale == pytest.approx(2, rel=0.02)
    assert learn_prior(between[:9], within[:9], 50, 10) == (0.0, 1.0)
    assert learn_prior(np.zeros(50), np.ones(50), 50, 10) == (0.0, 1.0)
    # Bags that differ less than their trees allow tell of no sampling error: the least that a prior can say.
    assert learn_prior(between / 4, within, 50, 10)[1] == 1.0


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.integers(4, 200), st.integers(2, 20), st.floats(0, 800), st.floats(1, 50))
@settings(max_examples=100, deadline=None)
def test_errors_are_above_zero_and_grow_with_what_bags_differ(between, within, bags, bag, freedom, scale):
    pair = np.array([between, between * 1.5])
    found, _ = variance_of_mean(pair, np.full(2, within), bags, bag, (min(freedom, 4.0 * (bags - 1)), scale))
    assert np.isfinite(found).all() and (found > 0).all() and found[1] >= found[0] * (1 - 1e-9)
    alone, _ = variance_of_mean(pair[:1], np.full(1, within), bags, bag, (min(freedom, 4.0 * (bags - 1)), scale))
    assert alone[0] == found[0]


def test_cells_where_all_trees_agree_have_no_error():
    found, shrunk = variance_of_mean(np.array([0.0, 0.0]), np.array([0.0, 1.0]), 50, 10, (20.0, 1.5))
    assert found[0] == 0 and found[1] > 0 and shrunk.all()


def test_bags_that_agree_to_the_bit_have_an_error_too_where_nothing_is_lent():
    found, shrunk = variance_of_mean(np.array([0.0, 1e-9]), np.array([0.2, 0.2]), 10, 10, (0.0, 1.0))
    # Nothing but the cut at w speaks: theta is w a / (a - 1), a = 4.5.
    single = 0.2 / 10
    theta = single * 4.5 / 3.5
    assert found[0] == pytest.approx(theta - single + theta / 10) and found[1] == pytest.approx(found[0]) and shrunk.all()


def test_standard_errors_are_those_of_new_samples():
    """A hundred forests on a hundred samples tell how a forest's mean scatters; twelve of them tell their own error."""
    cells = np.random.default_rng(99).uniform(size=(40, 4)).astype(np.float32)
    options = Settings(300, 1 / 3, 5, little_bags=6)
    means, told, raw = [], [], []
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        x = rng.uniform(size=(200, 4)).astype(np.float32)
        y = 2 * np.sin(3 * x[:, 0]) + 2 * x[:, 1] + rng.normal(size=200)
        forest = train(x, y, options, log=False, seed=seed)
        means.append(predict(forest, cells).mean)
        if seed < 12:
            pairs = rng.integers(0, 200, (400, 2))
            between_cells = ((x[pairs[:, 0]] + x[pairs[:, 1]]) / 2).astype(np.float32)
            known = traverse(forest, np.ascontiguousarray(between_cells.T), None, Wish(error=True))
            said = traverse(forest, np.ascontiguousarray(cells.T), None, Wish(error=True))
            prior = learn_prior(known.between[0], known.within[0], 50, 6)
            told.append(np.sqrt(variance_of_mean(said.between[0], said.within[0], 50, 6, prior)[0]))
            raw.append(np.sqrt(np.maximum(said.between[0] - said.within[0] / 6, 0)))
    true = np.std(means, axis=0, ddof=1)
    ratio = np.array(told) / true
    assert 0.85 < ratio.mean() < 1.15 and np.mean(np.abs(ratio - 1)) < 0.2
    assert np.mean(np.abs(ratio - 1)) < 0.6 * np.mean(np.abs(np.array(raw) / true - 1))
