"""Observed stocks by class and layer: counts, means and their intervals, on all profiles and on those that have every layer.

The deeper the layer, the fewer the profiles, and they are others: a table of all profiles may show a layer with more carbon than the one
above it, or a whole that is not the sum of its layers, where no profile does. So each figure stands twice: of all profiles of the layer,
and of the ``paired``, which have all layers. These are means of what was sampled. They are no estimate for the area of a class unless its
profiles were drawn at random from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import t as t_distribution

from edaphic.account.drivers.groups import label_of
from edaphic.errors import TableError

Array = NDArray[np.float64]
Layer = tuple[float, float]
Method = Literal["bca", "percentile"]
QUANTILES = (0.05, 0.25, 0.75, 0.95)
FEW = 10
"""Clusters below which a bootstrap interval is too narrow to be trusted."""
CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Observed:
    """``table``: one row for each class, layer and subset; ``notes``: what was left out or is doubtful."""

    table: pd.DataFrame
    notes: tuple[str, ...]


def observed_by_class(
    table: pd.DataFrame,
    by: str,
    *,
    value: str = "soc_stock_kg_m2",
    unit: str = "kg/m2",
    cluster: str = "profile_id",
    layers: Sequence[Layer] | None = None,
    order: Sequence[str] | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    method: Method = "bca",
) -> Observed:
    """Observed values by class and layer, with bootstrap intervals of the mean.

    Parameters
    ----------
    table : DataFrame
        Layer table with ``profile_id``, ``top_cm``, ``bottom_cm``, and the columns named below.
    by : str
        Column of the class.
    value, unit : str
        Column of the values, and its unit.
    cluster : str
        What the bootstrap draws whole: ``profile_id``, or the column of a survey, a site or a block where profiles stand in clusters.
    layers : sequence of (top_cm, bottom_cm), optional
        Layers of the table, in order; all it has where left out.
    order : sequence of str, optional
        Classes, in order.
    level : float
        Of the intervals.
    draws, seed : int
    method : {"bca", "percentile"}
        Bias-corrected and accelerated (Efron 1987, Journal of the American Statistical Association 82, 171-185), or plain percentiles.
        Both lie between the smallest and the largest value: never below zero for stocks.

    Returns
    -------
    Observed
        ``class``, ``top_cm``, ``bottom_cm``, ``subset`` (all or paired), ``n`` (values), ``clusters``, ``mean``, ``median``, ``sd``,
        ``q05``, ``q25``, ``q75``, ``q95``, ``low``, ``high`` (bootstrap), ``t_low``, ``t_high`` (mean -+ t sd / sqrt(n), which takes
        profiles as independent and values as normal, and may fall below zero), ``unit``. An interval is NaN where only one cluster is.

    Raises
    ------
    TableError
        Columns that are missing; two values of one profile and layer; level, draws or method that cannot be used; no values.

    Examples
    --------
    >>> some = pd.DataFrame({"profile_id": list("pqr"), "top_cm": 0.0, "bottom_cm": 30.0, "soc_stock_kg_m2": [1.0, 2.0, 6.0], "a": "fen"})
    >>> row = observed_by_class(some, "a").table.iloc[0]
    >>> int(row["n"]), float(row["mean"]), float(row["median"]), bool(row["t_low"] < 0 < 1 <= row["low"])
    (3, 3.0, 2.0, True)
    """
    rows, wanted, notes = _rows(table, by, value, cluster, layers, order, level, draws, method)
    paired = _paired(rows, wanted)
    out, below = [], 0
    for number, name in enumerate(dict.fromkeys(rows["class"]) if order is None else [str(item) for item in order]):
        for place, (top, bottom) in enumerate(wanted):
            here = (rows["class"] == name) & (rows["top_cm"] == top) & (rows["bottom_cm"] == bottom)
            for subset, kept in (("all", here), ("paired", here & paired)):
                part = rows[kept]
                if part.empty and subset == "all":
                    notes.append(f"{name}, {top:g}-{bottom:g} cm: no values")
                if len(wanted) == 1 and subset == "paired":
                    continue
                # The same draws for both subsets of a layer would be no more than chance; each has its own, fixed by its place.
                found = _summary(part, level, draws, [seed, number, place, int(subset == "paired")], method)
                below += found["t_low"] < 0
                out.append({"class": name, "top_cm": top, "bottom_cm": bottom, "subset": subset} | found | {"unit": unit})
    result = pd.DataFrame(out)
    if below and (rows["value"] >= 0).all():
        notes.append(
            f"{below} intervals by t begin below zero, where no value lies: few and skewed values; the bootstrap interval is to be told"
        )
    few = int(((result["clusters"] > 1) & (result["clusters"] < FEW)).sum())
    if few:
        notes.append(f"{few} intervals rest on fewer than {FEW} clusters, and are too narrow")
    return Observed(result, tuple(notes))


def layer_changes(
    table: pd.DataFrame, by: str, *, value: str = "soc_stock_kg_m2", unit: str = "kg/m2", cluster: str = "profile_id",
    layers: Sequence[Layer] | None = None, order: Sequence[str] | None = None, level: float = 0.95, draws: int = 1000, seed: int = 0,
    method: Method = "bca",
) -> Observed:  # fmt: skip
    """From one layer to the next: the difference of the means of all profiles, and that of the profiles that have both.

    Parameters
    ----------
    table, by, value, unit, cluster, layers, order, level, draws, seed, method
        As in :func:`observed_by_class`. Give layers of equal thickness, or densities: else stocks differ by thickness alone.

    Returns
    -------
    Observed
        ``class``, ``from_top_cm``, ``from_bottom_cm``, ``to_top_cm``, ``to_bottom_cm``, ``n_from``, ``n_to``, ``difference_all`` (of unlike
        profiles), ``n_paired``, ``difference``, ``low``, ``high`` (of the same profiles), ``unit``. Where the two differences have unlike
        signs a note says so.
    """
    rows, wanted, notes = _rows(table, by, value, cluster, layers, order, level, draws, method)
    out = []
    for number, name in enumerate(dict.fromkeys(rows["class"]) if order is None else [str(item) for item in order]):
        for place in range(len(wanted) - 1):
            upper, lower = (_of_layer(rows, name, layer) for layer in wanted[place : place + 2])
            both = upper.merge(lower[["profile_id", "value"]], on="profile_id", suffixes=("", "_to"))
            both = both.assign(value=both["value_to"] - both["value"])
            found = _summary(both, level, draws, [seed, number, place, 2], method)
            plain = float(lower["value"].mean() - upper["value"].mean()) if len(upper) and len(lower) else np.nan
            if plain * found["mean"] < 0:
                (a, b), (c, d) = wanted[place], wanted[place + 1]
                notes.append(
                    f"{name}: from {a:g}-{b:g} to {c:g}-{d:g} cm the mean of all profiles changes by {plain:+.3g} {unit}, "
                    f"that of the {found['n']} profiles with both by {found['mean']:+.3g}; the profiles differ, not the soil"
                )
            out.append(
                {
                    "class": name, "from_top_cm": wanted[place][0], "from_bottom_cm": wanted[place][1],
                    "to_top_cm": wanted[place + 1][0], "to_bottom_cm": wanted[place + 1][1], "n_from": len(upper), "n_to": len(lower),
                    "difference_all": plain, "n_paired": found["n"], "difference": found["mean"], "low": found["low"],
                    "high": found["high"], "unit": unit,
                }
            )  # fmt: skip
    return Observed(pd.DataFrame(out), tuple(notes))


def bootstrap_mean(
    values: Array, clusters: NDArray[np.int64], level: float, draws: int, seed: Sequence[int], method: Method = "bca"
) -> tuple[float, float]:
    """Interval of a mean by drawing whole clusters with replacement.

    Parameters
    ----------
    values : float64 (n,)
    clusters : int64 (n,)
        Counted from 0 without gaps.
    level : float
    draws : int
    seed : sequence of int
    method : {"bca", "percentile"}

    Returns
    -------
    (low, high)
        (NaN, NaN) for one cluster.
    """
    sums, sizes = np.bincount(clusters, values), np.bincount(clusters).astype(np.float64)
    k = len(sizes)
    if k < 2:
        return float("nan"), float("nan")
    random, means = np.random.default_rng(seed), np.empty(draws)
    step = max(1, CHUNK_CELLS // k)
    for at in range(0, draws, step):
        drawn = random.integers(0, k, (min(step, draws - at), k))
        means[at : at + len(drawn)] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        ends = _bca(means, float(values.mean()), (sums.sum() - sums) / (sizes.sum() - sizes), ends)
    low, high = np.quantile(means, ends)
    return float(low), float(high)


def _bca(means: Array, whole: float, left_out: Array, ends: Array) -> Array:
    """Levels of the percentiles: Efron (1987), equations 3.9 and 6.6."""
    below = (np.sum(means < whole) + 0.5 * np.sum(means == whole)) / len(means)
    apart = left_out.mean() - left_out
    size = float(np.sum(apart**2))
    if size == 0 or not 0 < below < 1:
        return ends
    acceleration = float(np.sum(apart**3)) / (6 * size**1.5)
    bias = float(ndtri(below))
    z = bias + ndtri(ends)
    return np.asarray(ndtr(bias + z / np.maximum(1 - acceleration * z, 1e-6)))


def _summary(part: pd.DataFrame, level: float, draws: int, seed: Sequence[int], method: Method) -> dict[str, float]:
    values = part["value"].to_numpy(dtype=np.float64)
    n = len(values)
    codes, names = pd.factorize(part["cluster"])
    out: dict[str, float] = {"n": n, "clusters": len(names)}
    out |= {"mean": float(values.mean()) if n else np.nan, "median": float(np.median(values)) if n else np.nan}
    out["sd"] = float(values.std(ddof=1)) if n > 1 else np.nan
    quantiles = np.quantile(values, QUANTILES) if n else np.full(len(QUANTILES), np.nan)
    out |= {f"q{round(100 * q):02d}": float(x) for q, x in zip(QUANTILES, quantiles, strict=True)}
    out["low"], out["high"] = bootstrap_mean(values, codes.astype(np.int64), level, draws, seed, method) if n else (np.nan, np.nan)
    margin = float(t_distribution.ppf((1 + level) / 2, n - 1)) * out["sd"] / np.sqrt(n) if n > 1 else np.nan
    return out | {"t_low": out["mean"] - margin, "t_high": out["mean"] + margin}


def _of_layer(rows: pd.DataFrame, name: str, layer: Layer) -> pd.DataFrame:
    return rows[(rows["class"] == name) & (rows["top_cm"] == layer[0]) & (rows["bottom_cm"] == layer[1])]


def _paired(rows: pd.DataFrame, layers: Sequence[Layer]) -> pd.Series:
    """Rows of profiles that have a value in every layer."""
    count = rows.groupby("profile_id", sort=False)["value"].transform("size")
    return count == len(layers)


def _rows(
    table: pd.DataFrame, by: str, value: str, cluster: str, layers: Sequence[Layer] | None, order: Sequence[str] | None, level: float,
    draws: int, method: str,
) -> tuple[pd.DataFrame, list[Layer], list[str]]:  # fmt: skip
    """Rows that can be used, the layers, and what was left out."""
    needed = dict.fromkeys(["profile_id", "top_cm", "bottom_cm", by, value, cluster])
    faults = [f"observed values: no column '{name}'; expected it in the layer table" for name in needed if name not in table]
    if not 0 < level < 1:
        faults.append(f"observed values: level {level:g}; expected a number between 0 and 1")
    if draws < 1:
        faults.append(f"observed values: {draws} draws; expected 1 or more")
    if method not in ("bca", "percentile"):
        faults.append(f"observed values: method {method!r}; expected bca or percentile")
    if faults:
        raise TableError(faults)
    wanted = [(float(top), float(bottom)) for top, bottom in layers] if layers is not None else _layers_of(table)
    own = pd.DataFrame({name: table[name].to_numpy() for name in ("profile_id", "top_cm", "bottom_cm")})
    own["value"] = table[value].to_numpy(dtype=np.float64, na_value=np.nan)
    own["cluster"] = table[cluster].to_numpy()
    in_layers = pd.Series([(float(a), float(b)) in wanted for a, b in zip(own["top_cm"], own["bottom_cm"], strict=True)], dtype=bool)
    labels = _labels(table[by])
    own["class"] = labels
    good = np.isfinite(own["value"]) & (own["class"] != "") & in_layers & own["cluster"].notna()
    notes = []
    for words, lost in (
        ("without a value", ~np.isfinite(own["value"]) & in_layers),
        (f"without a class in '{by}'", (own["class"] == "") & in_layers),
        (f"without '{cluster}'", own["cluster"].isna() & in_layers),
    ):
        if lost.any():
            notes.append(f"observed values: {int(lost.sum())} of {int(in_layers.sum())} rows {words}, left out")
    own = own[good]
    if own.empty:
        raise TableError("observed values: no row has a value, a class and one of the layers; expected at least one")
    twice = own.duplicated(["profile_id", "top_cm", "bottom_cm"])
    if twice.any():
        first = own[twice].iloc[0]
        raise TableError(
            f"observed values: {int(twice.sum())} rows repeat a profile and layer (such as {first['profile_id']}, "
            f"{first['top_cm']:g}-{first['bottom_cm']:g} cm); expected one value for each"
        )
    if order is not None and (strange := sorted(set(own["class"]) - {str(item) for item in order})):
        notes.append(f"observed values: classes left out, as they are not in the order given: {', '.join(strange[:5])}")
    # The bootstrap draws by position: sorted, so that the order of the rows that are given changes nothing.
    own = own.sort_values(["class", "cluster", "profile_id", "top_cm"], kind="stable", key=_sortable, ignore_index=True)
    return own, wanted, notes


def _sortable(column: pd.Series) -> pd.Series:
    """A column of names of unlike types as text; numbers as they are."""
    return column if pd.api.types.is_numeric_dtype(column) else column.astype(str)


def _labels(column: pd.Series) -> list[str]:
    """Names of classes as :func:`edaphic.account.drivers.groups.gather` has them; empty where there is none."""
    codes, unique = pd.factorize(column)
    named = [label_of(item) for item in unique]
    return ["" if code < 0 else named[code] for code in codes]


def _layers_of(table: pd.DataFrame) -> list[Layer]:
    return sorted({(float(a), float(b)) for a, b in zip(table["top_cm"], table["bottom_cm"], strict=True)})
