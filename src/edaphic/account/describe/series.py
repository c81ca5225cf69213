"""Tables made of a finished stock table: carbon by depth in each class, and means by period beside published ones."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from edaphic.account.describe.diagnostics import need
from edaphic.account.describe.shares import depth_shares
from edaphic.account.products.published import PUBLISHED_COLUMNS
from edaphic.errors import TableError

PROFILE_COLUMNS = ("by", "class_name", "top_cm", "bottom_cm", "density_kg_m3", "low_kg_m3", "high_kg_m3", "share")

SERIES_COLUMNS = ("period", "first_year", "last_year", "top_cm", "bottom_cm", "mean_kg_m2", "low_kg_m2", "high_kg_m2")

RANGE_COLUMNS = ("name", "first_year", "last_year", "top_cm", "bottom_cm", "low_kg_m2", "mean_kg_m2", "high_kg_m2")


def depth_profiles(
    stocks: pd.DataFrame, by: str, *, low: str = "fully_correlated_low_Tg", high: str = "fully_correlated_high_Tg"
) -> pd.DataFrame:
    """Carbon by depth in each class of a stock table: density of each layer with its interval, and its share of the whole.

    Layers of different thickness compare by density (kg/m3), not by stock.

    Parameters
    ----------
    stocks : DataFrame
        As of :func:`edaphic.account.totals.stock_table`, of one period: ``by``, ``class_name``, ``top_cm``, ``bottom_cm``, ``area_km2``,
        ``mean_kg_m2``, ``total_Tg`` and the two columns named.
    by : str
        Which rows of the column ``by``: "all", or a class layer.
    low, high : str
        Columns (Tg) of the interval. Those of the stock table are bounds; where totals were simulated, name those.

    Returns
    -------
    DataFrame
        :data:`PROFILE_COLUMNS`: classes in their order, layers from the top down; layers that are made of others are left out. ``share``
        is of all layers of the class together. Classes without any area are left out.

    Raises
    ------
    TableError
        A column is missing, no such rows, layers that overlap or leave gaps.

    Examples
    --------
    >>> table = pd.DataFrame({"by": "cover", "class_name": "forest", "top_cm": [0, 50, 0], "bottom_cm": [50, 100, 100], "area_km2": 1.0,
    ...     "mean_kg_m2": [6.0, 2.0, 8.0], "total_Tg": [0.006, 0.002, 0.008],
    ...     "fully_correlated_low_Tg": [0.005, 0.001, 0.006], "fully_correlated_high_Tg": [0.007, 0.003, 0.010]})
    >>> depth_profiles(table, "cover").drop(columns=["by", "class_name"]).round(6).values.tolist()
    [[0.0, 50.0, 12.0, 10.0, 14.0, 0.75], [50.0, 100.0, 4.0, 2.0, 6.0, 0.25]]
    """
    need(stocks, ("by", "class_name", "top_cm", "bottom_cm", "area_km2", "mean_kg_m2", "total_Tg", low, high), "stock table")
    own = stocks[stocks["by"] == by]
    if own.empty:
        known = ", ".join(dict.fromkeys(stocks["by"].astype(str)))
        raise TableError(f"stock table: no rows by {by!r}; expected one of {known or 'some'}")
    rows = []
    for name in dict.fromkeys(own["class_name"]):
        mine = own[(own["class_name"] == name) & (own["area_km2"] > 0.0)]
        if mine.empty or not mine["total_Tg"].sum() > 0.0:
            continue
        bounds = list(zip(mine["top_cm"].astype(float), mine["bottom_cm"].astype(float), strict=True))
        shares = depth_shares(bounds, mine["total_Tg"].to_numpy(dtype=np.float64))
        parts = _parts(shares)
        for layer, share in parts.items():
            row = mine.iloc[bounds.index(layer)]
            thickness_m = (layer[1] - layer[0]) / 100.0
            limits = (float(row[column]) * 1e9 / (float(row["area_km2"]) * 1e6) / thickness_m for column in (low, high))
            rows.append((by, str(name), *layer, float(row["mean_kg_m2"]) / thickness_m, *limits, share))
    return pd.DataFrame(rows, columns=list(PROFILE_COLUMNS))


def _parts(shares: pd.DataFrame) -> dict[tuple[float, float], float]:
    """The layers that the others are made of: the first rows, up to where the bottom no longer grows from top to top."""
    parts: dict[tuple[float, float], float] = {}
    for top, bottom, share in zip(shares["top_cm"], shares["bottom_cm"], shares["share"], strict=True):
        if parts and top < max(known for _, known in parts):
            break
        parts[(float(top), float(bottom))] = float(share)
    return parts


def period_series(
    stocks: pd.DataFrame, *, by: str = "all", low: str = "fully_correlated_low_Tg", high: str = "fully_correlated_high_Tg"
) -> pd.DataFrame:
    """Mean stock of each period and layer, with its interval: the national time series.

    Parameters
    ----------
    stocks : DataFrame
        Stock table with a column ``period`` ("1985-1990"); rows of a mean of periods and rows of one time are left out.
    by : str
        Which rows of the column ``by``; with a class layer the sum over its classes, which are taken to move together.
    low, high : str
        Columns (Tg) of the interval, as of :func:`depth_profiles`; missing numbers stay missing.

    Returns
    -------
    DataFrame
        :data:`SERIES_COLUMNS`: layers from the top down, periods in order.

    Raises
    ------
    TableError
        A column is missing, no rows of a period.

    Examples
    --------
    >>> table = pd.DataFrame({"by": "all", "class_name": "all", "period": ["1985-1990", "1990-1995"], "top_cm": 0, "bottom_cm": 20,
    ...     "area_km2": 1000.0, "total_Tg": [4.0, 5.0], "fully_correlated_low_Tg": [3.0, 4.0], "fully_correlated_high_Tg": [6.0, 7.0]})
    >>> period_series(table)[["period", "mean_kg_m2", "low_kg_m2", "high_kg_m2"]].values.tolist()
    [['1985-1990', 4.0, 3.0, 6.0], ['1990-1995', 5.0, 4.0, 7.0]]
    """
    need(stocks, ("by", "period", "top_cm", "bottom_cm", "area_km2", "total_Tg", low, high), "stock table")
    period = stocks["period"].fillna("").astype(str)
    own = stocks[(stocks["by"] == by) & period.str.fullmatch(r"\d+-\d+")]
    if own.empty:
        raise TableError(f"stock table: no rows by {by!r} of a period such as 1985-1990; expected one at least")
    rows = []
    for (_, _, name), mine in own.groupby(["top_cm", "bottom_cm", "period"], sort=True):
        first, last = (int(year) for year in str(name).split("-"))
        area = float(mine["area_km2"].sum())
        sums = (float(mine[column].sum(skipna=False)) * 1e3 / area if area > 0.0 else float("nan") for column in ("total_Tg", low, high))
        rows.append((str(name), first, last, float(mine["top_cm"].iloc[0]), float(mine["bottom_cm"].iloc[0]), *sums))
    found = pd.DataFrame(rows, columns=list(SERIES_COLUMNS))
    return found.sort_values(["bottom_cm", "top_cm", "first_year", "last_year"], ascending=[True, False, True, True], ignore_index=True)


def published_ranges(published: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Published means of everything, with their years, ready to stand behind a series of periods.

    Parameters
    ----------
    published : DataFrame
        Of :func:`edaphic.account.products.published.read_published`. Means (kg/m2) over everything are taken whose ``period`` is a year or
        two: "2000", "1980-1989".

    Returns
    -------
    table : DataFrame
        :data:`RANGE_COLUMNS`: a mean alone is a range of no width, a range alone has its middle for a mean.
    notes : list of str
        Which rows were left out, and why.

    Raises
    ------
    TableError
        A column is missing; years in the wrong order.

    Examples
    --------
    >>> row = {"name": "A", "by": "all", "class": "", "top_cm": 0.0, "bottom_cm": 20.0, "period": "1980-1989", "total": 4.2, "low": 3.5,
    ...     "high": np.nan, "unit": "kg/m2", "source": "", "quantity": "mean"}
    >>> table, notes = published_ranges(pd.DataFrame([row, row | {"name": "B", "period": ""}]))
    >>> table[["name", "first_year", "last_year", "low_kg_m2", "mean_kg_m2", "high_kg_m2"]].values.tolist()
    [['A', 1980, 1989, 3.5, 4.2, 4.2]]
    >>> notes
    ['published: B: no period; left out of the series']
    """
    need(published, (*PUBLISHED_COLUMNS, "quantity"), "published values")
    rows, notes, faults = [], [], []
    for row in published.to_dict("records"):
        where, period = f"published: {row['name']}", str(row["period"])
        years = [int(year) for year in period.split("-")] if re.fullmatch(r"\d{4}(-\d{4})?", period) else []
        reason = ""
        if row["quantity"] != "mean":
            reason = "a total, and no mean per area"
        elif row["by"] not in ("", "all"):
            reason = f"of {row['by']} {row['class']}, and not of everything"
        elif not years:
            reason = f"period {period!r}, which is no year or two" if period else "no period"
        elif years[0] > years[-1]:
            faults.append(f"{where}: found the period {period}; expected the first year before the last")
            continue
        if reason:
            notes.append(f"{where}: {reason}; left out of the series")
            continue
        mean, low, high = (float(str(row[name])) for name in ("total", "low", "high"))
        middle = (low + high) / 2.0 if np.isnan(mean) else mean
        ends = middle if np.isnan(low) else low, middle if np.isnan(high) else high
        layer = float(str(row["top_cm"])), float(str(row["bottom_cm"]))
        rows.append((str(row["name"]), years[0], years[-1], *layer, ends[0], middle, ends[1]))
    if faults:
        raise TableError(faults)
    return pd.DataFrame(rows, columns=list(RANGE_COLUMNS)), notes
