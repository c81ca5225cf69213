"""How often intervals hold what they should: by layer, decile of the prediction, zone, decade and applicability, each tail by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.validate.probabilistic import interval_scores
from edaphic.validate.reliability import share_interval

Array = NDArray[np.float64]


def coverage_row(part: pd.DataFrame, group: str, nominal: float, band: float = 0.95) -> dict[str, object]:
    """Coverage of one group of out-of-fold predictions: both tails, before and after adjustment.

    Parameters
    ----------
    part : DataFrame
        ``observed``, ``q05_raw``, ``q95_raw``, ``q05``, ``q95``; where they are there, ``profile_id``, ``group`` (what is alike: a place or
        block) and ``truth`` (a virtual landscape's values without measurement error).
    group : str
    nominal : float
    band : float
        Level of the intervals of the shares.

    Returns
    -------
    dict
        ``group``, ``n``, ``n_profiles``, ``nominal``, ``coverage``, ``coverage_low``, ``coverage_high`` (:func:`share_interval` by
        ``group``, or ``profile_id``), ``coverage_raw``, ``below`` and ``above`` with their intervals, ``below_raw``, ``above_raw``,
        ``mean_width``, ``mean_width_raw``, ``interval_score``, ``interval_score_raw``; with ``truth`` also ``coverage_truth``.
    """
    observed, low, high = (part[name].to_numpy(dtype=float) for name in ("observed", "q05", "q95"))
    below_raw = observed < part["q05_raw"].to_numpy(dtype=float)
    above_raw = observed > part["q95_raw"].to_numpy(dtype=float)
    hits = np.column_stack([(observed >= low) & (observed <= high), observed < low, observed > high])
    alike = next((part[name].to_numpy() for name in ("group", "profile_id") if name in part), None)
    row: dict[str, object] = {
        "group": group,
        "n": len(part),
        "n_profiles": int(part["profile_id"].nunique()) if "profile_id" in part else len(part),
        "nominal": nominal,
    }
    shares = share_interval(hits, alike, band=band)
    for j, name in enumerate(("coverage", "below", "above")):
        for suffix, values in zip(("", "_low", "_high"), shares, strict=True):
            row[name + suffix] = float(values[j])
    row |= {"coverage_raw": float(np.mean(~below_raw & ~above_raw))}
    row |= {"below_raw": float(np.mean(below_raw)), "above_raw": float(np.mean(above_raw))}
    scored = interval_scores(part, nominal)
    row |= {name: scored[name] for name in ("mean_width", "mean_width_raw", "interval_score", "interval_score_raw")}
    if "truth" in part:
        truth = part["truth"].to_numpy(dtype=float)
        row["coverage_truth"] = float(np.mean((truth >= low) & (truth <= high)))
    return row


def deciles(predicted: Array) -> NDArray[np.int64]:
    """Decile (1 to 10) of each prediction; equal predictions share one.

    >>> deciles(np.arange(20.0)).tolist()[:4]
    [1, 1, 2, 2]
    """
    edges = np.quantile(predicted, np.arange(1, 10) / 10)
    return np.searchsorted(edges, predicted, side="left").astype(np.int64) + 1


def coverage_table(table: pd.DataFrame, groups: Sequence[tuple[str, NDArray[np.bool_]]], nominal: float) -> pd.DataFrame:
    """One :func:`coverage_row` for each named group that has rows."""
    return pd.DataFrame([coverage_row(table[rows], name, nominal) for name, rows in groups if rows.any()])


def coverage_groups(
    table: pd.DataFrame, whole: tuple[float, float] | None = None, zone_names: Mapping[int, str] | None = None
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Groups by which coverage is told: all layers, each layer, decile of the prediction, zone, decade, in and out of applicability.

    Parameters
    ----------
    table : DataFrame
        ``top_cm``, ``bottom_cm``, ``predicted``; where they are there, ``zone``, ``year``, ``in_applicability``.
    whole : (top_cm, bottom_cm), optional
        Its rows repeat those of the layers, and are a group of their own only.
    zone_names : mapping of code to name, optional

    Returns
    -------
    list of (name, bool (n,))
        For :func:`coverage_table`. Rows without zone, year or applicability are in ``zone unknown``, ``decade unknown`` and
        ``applicability unknown``.
    """
    depth = table[["top_cm", "bottom_cm"]].to_numpy(dtype=float)
    is_whole = np.zeros(len(table), dtype=bool) if whole is None else (depth == whole).all(axis=1)
    single = ~is_whole
    out = [("all layers", single)]
    for top, bottom in np.unique(depth[single], axis=0):
        out.append((f"{top:g}-{bottom:g} cm", single & (depth == (top, bottom)).all(axis=1)))
    if whole is not None and is_whole.any():
        out.append((f"whole {whole[0]:g}-{whole[1]:g} cm", is_whole))
    if "predicted" in table and single.any():
        decile = np.zeros(len(table), dtype=np.int64)
        decile[single] = deciles(table["predicted"].to_numpy(dtype=float)[single])
        out += [(f"decile {d}", decile == d) for d in range(1, 11)]
    names = {} if zone_names is None else zone_names
    if "zone" in table:
        zone = table["zone"].to_numpy(dtype=float, na_value=np.nan)
        out += [(f"zone {names.get(int(z), f'{z:g}')}", single & (zone == z)) for z in np.unique(zone[np.isfinite(zone)])]
        out.append(("zone unknown", single & np.isnan(zone)))
    if "year" in table:
        decade = np.floor(table["year"].to_numpy(dtype=float, na_value=np.nan) / 10) * 10
        out += [(f"decade {d:.0f}s", single & (decade == d)) for d in np.unique(decade[np.isfinite(decade)])]
        out.append(("decade unknown", single & np.isnan(decade)))
    if "in_applicability" in table:
        known = table["in_applicability"].notna().to_numpy(dtype=bool)
        inside = np.zeros(len(table), dtype=bool)
        inside[known] = table["in_applicability"][known].to_numpy(dtype=bool)
        out += [("inside applicability", single & known & inside), ("outside applicability", single & known & ~inside)]
        out.append(("applicability unknown", single & ~known))
    return [(name, rows) for name, rows in out if rows.any()]
