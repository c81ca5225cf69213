"""Intervals by bootstrap: each resample is a covariance matrix of weighted rows."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edaphic.account.paths.effects import r_squared, reachable, total_effects
from edaphic.account.paths.estimate import Layout, Rules, Solution, solve
from edaphic.account.paths.model import Bootstrap, Signs
from edaphic.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CHUNK = 4096
"""Rows that are weighted and multiplied together: few enough for the cache, and always the same, so that sums have one order."""
FLAT = 1e-9
"""An indicator whose spread in a resample is below this share of that in all rows is constant in it."""
LEAST_SHARE = 0.5
"""Share of the resamples that must be estimable."""
BOOTSTRAP_COLUMNS = ("kind", "from", "to", "original", "mean", "bias", "standard_error", "lower", "upper", "excludes_zero", "resamples")


@dataclass(frozen=True)
class Sample:
    """What is resampled: centred values (n, p), their names, and the group of each row (n,)."""

    values: Floats
    names: tuple[str, ...]
    groups: Ints | None
    scaled: bool

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation of each indicator in all rows."""
        return np.asarray(np.sqrt((self.values**2).mean(axis=0)))


def bootstrap(
    sample: Sample, original: Solution, layout: Layout, rules: Rules, how: Bootstrap, threads: int = 1
) -> tuple[pd.DataFrame, list[str]]:
    """Percentile intervals of weights, loadings, paths, effects and R2.

    Rows are drawn with replacement, or groups with all their rows. Resample b has a random stream of its own, so the numbers do not
    depend on the number of threads. Quantiles are of type 7 (Hyndman and Fan 1996). An indicator that is constant in a resample, such as
    the dummy of a rare class, is left out of it, as it would be of a table; its weight and loading then have fewer resamples.

    Parameters
    ----------
    sample : Sample
    original : Solution
        Signs are aligned to it.
    layout, rules
        As in :func:`edaphic.account.paths.estimate.solve`.
    how : Bootstrap
        ``signs``: ``none``, each resample has the signs that the rule of signs gives it; ``individual``, each number has the sign of the
        original (Tenenhaus et al. 2005); ``construct``, each latent is turned so that its loadings have a positive product
        with the original ones.
    threads : int

    Returns
    -------
    (DataFrame, notes)
        ``kind`` (weight, loading, path, indirect, total, r2), ``from``, ``to``, ``original``, ``mean``, ``bias``,
        ``standard_error``, ``lower``, ``upper``, ``excludes_zero``, ``resamples`` (that were estimated).

    Raises
    ------
    ModelError
        One group only, or fewer than half of the resamples can be estimated.
    """
    if sample.groups is not None and sample.groups.max() < 1:
        raise ModelError("bootstrap: one group only; expected at least 2")
    with threadpool_limits(1), ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(lambda b: _resample(sample, original, layout, rules, how, b), range(how.resamples)))
    good = [one for one in found if not isinstance(one, str)]
    notes = []
    if len(good) < how.resamples:
        why = Counter(one for one in found if isinstance(one, str))
        told = "; ".join(f"{count} x {what}" for what, count in sorted(why.items()))
        if len(good) < LEAST_SHARE * how.resamples:
            raise ModelError(f"bootstrap: {len(good)} of {how.resamples} resamples can be estimated ({told}); expected at least half")
        notes.append(f"bootstrap: {how.resamples - len(good)} of {how.resamples} resamples left out ({told})")
    return _table(_numbers(original, layout), np.array(good), _labels(sample.names, layout), how.level), notes


def _resample(sample: Sample, original: Solution, layout: Layout, rules: Rules, how: Bootstrap, b: int) -> Floats | str:
    """Numbers of one resample; a text where there are none."""
    weights = _draw(sample, np.random.default_rng(np.random.SeedSequence(how.seed, spawn_key=(b,))))
    covariance = weighted_covariance(sample.values, weights)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    varies = spread > FLAT * sample.spread
    if len(set(layout.owner[varies].tolist())) < len(layout.names):
        return "a block is constant"
    kept = covariance[np.ix_(varies, varies)]
    if sample.scaled:
        kept = kept / np.outer(spread[varies], spread[varies])
    try:
        solution = solve(kept, layout if varies.all() else _part(layout, varies), rules)
    except ModelError as fault:
        return fault.faults[0].split(";")[0].split(" (")[0]
    return aligned(solution if varies.all() else _whole(solution, varies), original, layout, how.signs)


def _part(layout: Layout, varies: Bools) -> Layout:
    """The layout of the indicators that vary."""
    places = np.cumsum(varies) - 1
    there = (layout.anchors >= 0) & varies[np.maximum(layout.anchors, 0)]
    return replace(layout, owner=layout.owner[varies], anchors=np.where(there, places[np.maximum(layout.anchors, 0)], -1))


def _whole(solution: Solution, varies: Bools) -> Solution:
    """A solution with NaN for the indicators that do not vary."""
    weights, cross = np.full(len(varies), np.nan), np.full((len(varies), solution.cross.shape[1]), np.nan)
    weights[varies], cross[varies] = solution.weights, solution.cross
    return replace(solution, weights=weights, cross=cross)


def _draw(sample: Sample, rng: np.random.Generator) -> Floats:
    """How often each row is in the resample."""
    rows = len(sample.values)
    if sample.groups is None:
        return np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64)
    count = int(sample.groups.max()) + 1
    return np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)[sample.groups]


def weighted_covariance(values: Floats, weights: Floats) -> Floats:
    """Covariance with whole numbers as weights, divisor their sum.

    >>> weighted_covariance(np.array([[0.0], [3.0]]), np.array([2.0, 1.0])).tolist()
    [[2.0]]
    """
    total = weights.sum()
    p = values.shape[1]
    products, sums = np.zeros((p, p)), np.zeros(p)
    drawn = np.flatnonzero(weights)
    for start in range(0, len(drawn), CHUNK):
        rows = drawn[start : start + CHUNK]
        part = values[rows] * np.sqrt(weights[rows])[:, None]
        products += part.T @ part
        sums += np.sqrt(weights[rows]) @ part
    mean = sums / total
    return np.asarray(products / total - np.outer(mean, mean))


def aligned(solution: Solution, original: Solution, layout: Layout, signs: Signs) -> Floats:
    """Numbers of a resample, with signs as asked for."""
    if signs == "construct":
        own = np.arange(len(layout.owner)), layout.owner
        products = np.bincount(layout.owner, np.nan_to_num(solution.cross[own] * original.cross[own]), minlength=len(layout.names))
        turn = np.where(products < 0, -1.0, 1.0)
        solution = replace(
            solution,
            weights=solution.weights * turn[layout.owner],
            cross=solution.cross * turn,
            latent=solution.latent * np.outer(turn, turn),
            coefficients=solution.coefficients * np.outer(turn, turn),
        )
    numbers = _numbers(solution, layout)
    return np.copysign(numbers, _numbers(original, layout)) if signs == "individual" else numbers


def _numbers(solution: Solution, layout: Layout) -> Floats:
    """Weights, loadings, paths, indirect effects, total effects and R2 in one row, in the order of :func:`_labels`."""
    own = np.arange(len(layout.owner)), layout.owner
    total = total_effects(solution.coefficients)
    arrows, routes = layout.arrows.T, reachable(layout.arrows).T
    endogenous = layout.arrows.any(axis=1)
    indirect = (total - solution.coefficients).T[routes]
    parts = (
        solution.weights, solution.cross[own], solution.coefficients.T[arrows], indirect, total.T[routes], r_squared(solution)[endogenous]
    )  # fmt: skip
    return np.concatenate(parts)


def _labels(names: tuple[str, ...], layout: Layout) -> list[tuple[str, str, str]]:
    """Kind, from and to of each number: of a weight or loading the indicator and its latent, of R2 the latent."""
    homes = [layout.names[j] for j in layout.owner]
    of_blocks = [(kind, name, home) for kind in ("weight", "loading") for name, home in zip(names, homes, strict=True)]
    pairs = {
        kind: [(layout.names[k], layout.names[j]) for k, j in zip(*np.nonzero(matrix.T), strict=True)]
        for kind, matrix in (("path", layout.arrows), ("indirect", reachable(layout.arrows)), ("total", reachable(layout.arrows)))
    }
    of_pairs = [(kind, source, target) for kind, found in pairs.items() for source, target in found]
    return [*of_blocks, *of_pairs, *(("r2", "", layout.names[j]) for j in np.flatnonzero(layout.arrows.any(axis=1)))]


def _table(original: Floats, found: Floats, labels: list[tuple[str, str, str]], level: float) -> pd.DataFrame:
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    mean = np.nanmean(found, axis=0)
    table = pd.DataFrame(labels, columns=["kind", "from", "to"])
    table["original"], table["mean"], table["bias"] = original, mean, mean - original
    table["standard_error"] = np.nanstd(found, axis=0, ddof=1)
    table["lower"], table["upper"] = low, high
    table["excludes_zero"] = (low > 0) | (high < 0)
    table["resamples"] = np.isfinite(found).sum(axis=0)
    return table[list(BOOTSTRAP_COLUMNS)]
