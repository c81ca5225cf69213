"""Tables behind figures that readers of the papers know: samples by decade, covariates among each other, values by texture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError
from edaphic.profiles.texture import GROUPS, System, classify

Floats = NDArray[np.float64]

UNDATED = "undated"

HISTOGRAM_COLUMNS = ("decade", "top_cm", "bottom_cm", "low", "high", "count")

SUMMARY_COLUMNS = ("decade", "top_cm", "bottom_cm", "n", "mean", "sd", "median")

GROUP_COLUMNS = ("group", "n", "mean", "sd", "q25", "median", "q75")

_OPEN_FROM = 0.99
"""Share of the values that the bins of equal width hold; the last bin is open."""


def decade_histograms(
    layers: pd.DataFrame, *, value: str = "soc_stock_kg_m2", bins: int | Sequence[float] = 20, years: int = 10
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples by decade and depth: counts in bins that all decades of a layer share, and means.

    Parameters
    ----------
    layers : DataFrame
        Layer table: ``year``, ``top_cm``, ``bottom_cm`` and ``value``; rows without a value are left out.
    value : str
        Column that is counted.
    bins : int or sequence of float
        Bins of equal width from 0 (the least value, where that is below) to the 99th percentile of the layer, with an open one after
        them; or rising bounds, with an open bin after the last, and one before the first where something lies there.
    years : int
        Years of a "decade", which begins with a multiple of it.

    Returns
    -------
    histogram : DataFrame
        :data:`HISTOGRAM_COLUMNS`; decades in order (1980s as "1980-1989"; :data:`UNDATED` last), layers from the top down. The open
        bin has an infinite bound. Counts add up to the number of values.
    summary : DataFrame
        :data:`SUMMARY_COLUMNS`, one row for each decade and layer, in the unit of the value; sd with n - 1, NaN for one value.

    Raises
    ------
    TableError
        A column is missing, values are infinite, no value at all, bins that cannot be.

    Examples
    --------
    >>> table = pd.DataFrame({"year": [1985, 1989, 2004, np.nan], "top_cm": 0, "bottom_cm": 20, "soc_stock_kg_m2": [1.0, 3.0, 5.0, 2.0]})
    >>> counts, means = decade_histograms(table, bins=[0, 2, 4])
    >>> counts[["decade", "low", "high", "count"]].values.tolist()[:4]
    [['1980-1989', 0.0, 2.0, 1], ['1980-1989', 2.0, 4.0, 1], ['1980-1989', 4.0, inf, 0], ['2000-2009', 0.0, 2.0, 0]]
    >>> means[["decade", "n", "mean"]].values.tolist()
    [['1980-1989', 2, 2.0], ['2000-2009', 1, 5.0], ['undated', 1, 2.0]]
    """
    need(layers, ("year", "top_cm", "bottom_cm", value), "layer table")
    known = layers[layers[value].notna()].reset_index(drop=True)
    faults = [] if len(known) else [f"{value}: found no value; expected one at least"]
    if infinite := int(np.isinf(known[value].to_numpy(dtype=np.float64)).sum()):
        faults.append(f"{value}: found {infinite} infinite values; expected numbers")
    if years < 1:
        faults.append(f"years: found {years}; expected 1 or more")
    if isinstance(bins, int):
        faults += [f"bins: found {bins}; expected 1 or more"] if bins < 1 else []
    elif len(bins) < 2 or not (np.diff(np.asarray(bins, dtype=np.float64)) > 0).all():
        faults.append(f"bins: found {list(bins)}; expected two bounds or more, rising")
    if faults:
        raise TableError(faults)
    decade = _decades(known["year"].to_numpy(dtype=np.float64), years)
    counts, means = [], []
    for (top, bottom), rows in known.groupby(["top_cm", "bottom_cm"], sort=True):
        values = rows[value].to_numpy(dtype=np.float64)
        edges = _edges(values, bins)
        of = decade.loc[rows.index].to_numpy()
        for name in sorted(set(of), key=lambda text: (text == UNDATED, text)):
            own = values[of == name]
            number = np.histogram(own, edges)[0].tolist()
            counts += [(name, top, bottom, *bin_) for bin_ in zip(edges[:-1].tolist(), edges[1:].tolist(), number, strict=True)]
            spread = float(own.std(ddof=1)) if own.size > 1 else float("nan")
            means.append((name, top, bottom, int(own.size), float(own.mean()), spread, float(np.median(own))))
    return pd.DataFrame(counts, columns=list(HISTOGRAM_COLUMNS)), pd.DataFrame(means, columns=list(SUMMARY_COLUMNS))


def _decades(year: Floats, years: int) -> pd.Series:
    first = np.floor(np.where(np.isnan(year), 0.0, year) / years).astype(np.int64) * years
    texts = [UNDATED if np.isnan(own) else f"{start}-{start + years - 1}" for own, start in zip(year, first.tolist(), strict=True)]
    return pd.Series(texts)


def _edges(values: Floats, bins: int | Sequence[float]) -> Floats:
    if not isinstance(bins, int):
        edges = np.asarray(bins, dtype=np.float64)
        return np.concatenate([[-np.inf] if values.min() < edges[0] else [], edges, [np.inf]])
    low = min(0.0, float(values.min()))
    high = float(np.quantile(values, _OPEN_FROM))
    return np.append(np.linspace(low, high if high > low else low + 1.0, bins + 1), np.inf)


def correlations(points: pd.DataFrame, names: Sequence[str] | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Pearson matrix of covariates, over the rows where both have a value.

    Parameters
    ----------
    points : DataFrame
        Values of covariates at the profiles, a column each.
    names : sequence of str, optional
        Columns, in the order of the matrix; all of them unless given. Codes of classes do not belong here.

    Returns
    -------
    matrix : DataFrame
        Square, 1 on the diagonal, NaN where a covariate is constant or fewer than three rows have both.
    notes : list of str

    Raises
    ------
    TableError
        Unknown or repeated names, columns that are no numbers, fewer than two.

    Examples
    --------
    >>> found, notes = correlations(pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0], "c": [5.0, 5.0, 5.0]}))
    >>> found["b"].round(6).tolist(), notes
    ([1.0, 1.0, nan], ['c is constant: it correlates with nothing'])
    """
    wanted = list(points.columns if names is None else names)
    faults = [f"correlations: no column {name}; expected it" for name in wanted if name not in points]
    twice = dict.fromkeys(name for name in wanted if wanted.count(name) > 1)
    faults += [f"correlations: {name} is named twice; expected each once" for name in twice]
    numbers = [name for name in wanted if name in points and not pd.api.types.is_numeric_dtype(points[name])]
    faults += [f"correlations: {name} holds {points[name].dtype}; expected numbers" for name in numbers]
    if len(wanted) < 2:
        faults.append(f"correlations: found {len(wanted)} covariates; expected two or more")
    if faults:
        raise TableError(faults)
    table = points[wanted].astype(np.float64)
    constant = [name for name in wanted if table[name].nunique() < 2]
    matrix = table.corr(min_periods=3)
    matrix.loc[constant, :] = matrix.loc[:, constant] = np.nan
    for name in wanted:
        matrix.loc[name, name] = 1.0
    return matrix, [f"{name} is constant: it correlates with nothing" for name in constant]


def by_texture(
    clay_pct: ArrayLike, silt_pct: ArrayLike, sand_pct: ArrayLike, value: ArrayLike, *, system: System = "international"
) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """A value (beta, a stock) by the four groups of texture of the second paper.

    Parameters
    ----------
    clay_pct, silt_pct, sand_pct : array_like, shape (n,)
        Percent of the fine earth, silt to 20 um (:func:`edaphic.profiles.texture.silt_to_20_um` brings 50 um there).
    value : array_like, shape (n,)
        NaN where there is none.
    system : {"international"}
        The groups are of this system alone.

    Returns
    -------
    table : DataFrame
        :data:`GROUP_COLUMNS`: sandy soil, loam, clay loam, clay, each with a row, also where n is 0.
    group : Series of str, shape (n,)
        Group of each sample, empty where it has none: for tests of differences.
    notes : list of str
        How many have no group, and why.

    Raises
    ------
    TableError
        Another system, shapes that differ, infinite values.

    Examples
    --------
    >>> table, group, notes = by_texture([50, 5, 5], [25, 5, 5], [25, 90, 80], [0.98, 0.96, 0.97])
    >>> table[["group", "n", "mean"]].values.tolist()[0], group.tolist()
    (['sandy soil', 1, 0.96], ['clay', 'sandy soil', ''])
    >>> notes
    ['1 of 3 samples have no texture group: the three do not add up to 100 within the tolerance']
    """
    if system != "international":
        raise TableError(f"system: found {system!r}; expected international, whose classes the groups are of")
    values = np.asarray(value, dtype=np.float64)
    found = classify(clay_pct, silt_pct, sand_pct, system=system)
    faults = []
    if values.shape != found.group.shape or values.ndim != 1:
        faults.append(f"value: found shape {values.shape} beside {found.group.shape}; expected one shape (n,)")
    if np.isinf(values).any():
        faults.append(f"value: found {int(np.isinf(values).sum())} infinite values; expected numbers")
    if faults:
        raise TableError(faults)
    notes = [
        f"{int((found.reason == reason).sum())} of {values.size} samples have no texture group: {text}"
        for reason, text in _TEXTURE_REASONS.items()
        if (found.reason == reason).any()
    ]
    rows = [(name, *_told(values[(found.group == name) & np.isfinite(values)])) for name in GROUPS]
    return pd.DataFrame(rows, columns=list(GROUP_COLUMNS)), pd.Series(found.group, name="group"), notes


_TEXTURE_REASONS = {
    "missing": "clay, silt or sand is missing",
    "negative": "clay, silt or sand is below 0",
    "sum": "the three do not add up to 100 within the tolerance",
}


def _told(values: Floats) -> tuple[int, float, float, float, float, float]:
    if not values.size:
        return (0, *([float("nan")] * 5))  # type: ignore[return-value]
    low, middle, high = (float(number) for number in np.quantile(values, [0.25, 0.5, 0.75]))
    return values.size, float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else float("nan"), low, middle, high


def need(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Refuse a table without these columns."""
    if absent := [column for column in dict.fromkeys(columns) if column not in table]:
        raise TableError([f"{name}: no column {column}; expected it" for column in absent])
