"""Path models of a table: one, or one for each group of its rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.account.paths.bootstrap import BOOTSTRAP_COLUMNS, Sample, bootstrap
from edaphic.account.paths.effects import effects_table, inner_table
from edaphic.account.paths.encode import Encoded, check_columns, encode, prefixed
from edaphic.account.paths.estimate import Layout, Rules, Solution, solve
from edaphic.account.paths.model import PathModel, check_model
from edaphic.account.paths.quality import discriminant_table, goodness_of_fit, latent_table
from edaphic.errors import EdaphicError, ModelError
from edaphic.progress import Say, quiet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PathResult:
    """A path model that was estimated.

    Parameters
    ----------
    group : str
        Group of the rows; empty where all are in one model.
    rows, dropped : int
        Rows in the model, and those left out for a gap.
    iterations : int
    gof : float
        Goodness of fit; NaN where all blocks have one indicator.
    outer : DataFrame
        ``indicator``, ``latent``, ``mode``, ``weight``, ``loading``, ``communality``, ``redundancy``.
    cross : DataFrame
        ``indicator``, ``latent``, and the correlation with each latent.
    inner : DataFrame
        ``to``, ``from``, ``coefficient``, ``standard_error``, ``t``, ``p``, ``vif``.
    effects : DataFrame
        ``from``, ``to``, ``direct``, ``indirect``, ``total``, and ``lower`` and ``upper`` of each after a bootstrap.
    latents : DataFrame
        R2, communality, redundancy, AVE, one-dimensionality.
    discriminant : DataFrame
        Correlation of the scores, Fornell and Larcker's test and HTMT of each pair of latents.
    scores : DataFrame
        ``row`` (from 1, of the table) and a column for each latent.
    bootstrap : DataFrame
        Intervals; without rows where there was none.
    screening : DataFrame
        Which indicators went for their VIF, in which order.
    notes : list of str
        What was assumed, left out or is doubtful.
    """

    group: str
    rows: int
    dropped: int
    iterations: int
    gof: float
    outer: pd.DataFrame
    cross: pd.DataFrame
    inner: pd.DataFrame
    effects: pd.DataFrame
    latents: pd.DataFrame
    discriminant: pd.DataFrame
    scores: pd.DataFrame
    bootstrap: pd.DataFrame
    screening: pd.DataFrame
    notes: list[str]


def path_models(
    table: pd.DataFrame, model: PathModel, *, by: str | None = None, threads: int = 1, where: str = "table", say: Say = quiet
) -> list[PathResult]:
    """Estimate a path model, or one for each group of rows.

    Parameters
    ----------
    table : DataFrame
        A row for each observation, a column for each indicator.
    model : PathModel
    by : str, optional
        Column whose values part the rows, such as a depth layer; a model for each, in their natural order.
    threads : int
        Of the bootstrap; the results do not depend on it.
    where : str
        What the table is called in faults.
    say : callable, optional

    Returns
    -------
    list of PathResult

    Raises
    ------
    EdaphicError
        All faults of the model, or of the table, or of the groups, a line each.

    Examples
    --------
    >>> from edaphic.account.paths.model import model_of
    >>> table = pd.DataFrame({"rain": [1.0, 2, 3, 4, 5, 6], "soc": [1.0, 3, 2, 5, 4, 6]})
    >>> blocks = {"climate": {"indicators": [{"name": "rain"}]}, "soil": {"indicators": [{"name": "soc"}]}}
    >>> model = model_of({"latents": blocks, "paths": {"soil": ["climate"]}, "bootstrap": {"resamples": 0}})
    >>> path_models(table, model)[0].inner["coefficient"].round(6).tolist()  # the correlation of the two
    [0.885714]
    """
    check_model(model)
    check_columns(table, model, by, where)
    parts, notes = _parts(table, by)
    results: list[PathResult] = []
    faults: list[str] = []
    for done, (group, places) in enumerate(parts.items()):
        say(f"path model{f' of {group}' if group else ''}", done, len(parts))
        named = f"{where}, {by} {group}" if by is not None else where
        try:
            results.append(_one(table.iloc[places], places, model, group, named, threads, notes))
        except EdaphicError as fault:
            faults += prefixed(fault, named)
    if faults:
        raise ModelError(faults)
    return results


def _parts(table: pd.DataFrame, by: str | None) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """Places of the rows of each group, and what was left out."""
    if by is None:
        return {"": np.arange(len(table))}, []
    codes, values = pd.factorize(table[by])
    names = [f"{value:.15g}" if isinstance(value, float) else str(value) for value in values]
    order = sorted(range(len(names)), key=lambda i: natural(names[i]))
    lost = int((codes < 0).sum())
    notes = [f"{lost} rows without {by} are in no model"] if lost else []
    return {names[i]: np.flatnonzero(codes == i) for i in order}, notes


def natural(text: str) -> list[tuple[int, float, str]]:
    """Key of an order in which numbers within texts count as numbers.

    >>> sorted(["100-200", "0-20", "20-40"], key=natural)
    ['0-20', '20-40', '100-200']
    """
    parts = re.findall(r"\d+(?:\.\d+)?|\D+", text)
    return [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]


def _one(
    table: pd.DataFrame, places: NDArray[np.int64], model: PathModel, group: str, where: str, threads: int, before: list[str]
) -> PathResult:
    encoded = encode(table, model, where)
    layout, values = encoded.layout, encoded.values
    rules = Rules(model.scheme, model.tolerance, model.iterations)
    covariance = values.T @ values / len(values)
    solution = solve(covariance, layout, rules)
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    latents = latent_table(correlation, solution, layout, len(values))
    notes = [*before, *encoded.notes, *_of_signs(solution, layout)]
    effects, intervals = effects_table(solution, layout), pd.DataFrame(columns=list(BOOTSTRAP_COLUMNS))
    how = model.bootstrap
    if how.resamples:
        codes = None if how.group is None else _codes(table[how.group].iloc[encoded.rows], how.group, where)
        sample = Sample(values, encoded.names, codes, model.scaled)
        intervals, said = bootstrap(sample, solution, layout, rules, how, threads)
        notes += said
        effects = _with_intervals(effects, intervals)
    scores = pd.DataFrame(values @ _wide(solution, layout), columns=list(layout.names))
    scores.insert(0, "row", places[encoded.rows] + 1)
    return PathResult(
        group=group,
        rows=len(values),
        dropped=encoded.dropped,
        iterations=solution.iterations,
        gof=goodness_of_fit(latents),
        outer=_outer(solution, encoded, latents),
        cross=_cross(solution, encoded),
        inner=inner_table(solution, layout, len(values)),
        effects=effects,
        latents=latents,
        discriminant=discriminant_table(correlation, solution, layout),
        scores=scores,
        bootstrap=intervals,
        screening=encoded.screening,
        notes=notes,
    )


def _codes(groups: pd.Series, name: str, where: str) -> NDArray[np.int64]:
    codes, _ = pd.factorize(groups, sort=True)
    if (codes < 0).any():
        raise ModelError(f"{where}: bootstrap group '{name}': {int((codes < 0).sum())} rows without a value; expected one in each row")
    return np.asarray(codes, dtype=np.int64)


def _of_signs(solution: Solution, layout: Layout) -> list[str]:
    return [
        f"'{name}': as many indicators correlate negatively as positively, so its sign says nothing; 'positive' names one that decides"
        for name, tied in zip(layout.names, solution.tied.tolist(), strict=True)
        if tied
    ]


def _wide(solution: Solution, layout: Layout) -> Floats:
    return np.asarray(layout.members * solution.weights[:, None])


def _outer(solution: Solution, encoded: Encoded, latents: pd.DataFrame) -> pd.DataFrame:
    owner = encoded.layout.owner
    loading = solution.cross[np.arange(len(owner)), owner]
    table = pd.DataFrame({
        "indicator": encoded.names,
        "latent": [encoded.layout.names[j] for j in owner],
        "mode": ["B" if encoded.layout.formative[j] else "A" for j in owner],
        "weight": solution.weights,
        "loading": loading,
        "communality": loading**2,
    })  # fmt: skip
    return table.assign(redundancy=table["communality"] * latents["r2"].to_numpy()[owner])


def _cross(solution: Solution, encoded: Encoded) -> pd.DataFrame:
    table = pd.DataFrame(solution.cross, columns=list(encoded.layout.names))
    table.insert(0, "indicator", list(encoded.names))
    table.insert(1, "of_latent", [encoded.layout.names[j] for j in encoded.layout.owner])
    return table


def _with_intervals(effects: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Intervals of direct, indirect and total effects beside them."""
    kinds: Mapping[str, str] = {"direct": "path", "indirect": "indirect", "total": "total"}
    out = effects
    for kind, called in kinds.items():
        found = intervals.loc[intervals["kind"] == called, ["from", "to", "lower", "upper"]]
        named = found.rename(columns={"lower": f"{kind}_lower", "upper": f"{kind}_upper"})
        out = out.merge(named, on=["from", "to"], how="left", validate="one_to_one")
    return out
