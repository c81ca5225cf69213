"""Totals and means beside published ones, from a table that the user keeps.

The table has a row for each published number: ``name`` (of the study), ``by`` and ``class`` (a division and its class; empty or ``all``
for everything), ``top_cm``, ``bottom_cm``, ``period``, ``total`` (or empty, where only a range is known), ``low``, ``high``, ``unit``,
``source``. The unit says what the number is: Pg, Tg ... a total; kg/m2, t/ha ... a mean.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from edaphic.account.compare import explain_factor
from edaphic.account.products.opening import STOCKS, known_unit
from edaphic.errors import TableError
from edaphic.units import to_internal

PUBLISHED_COLUMNS = ("name", "by", "class", "top_cm", "bottom_cm", "period", "total", "low", "high", "unit", "source")
NEEDED = ("name", "top_cm", "bottom_cm", "unit")

TG: Mapping[str, float] = MappingProxyType(
    {"Pg": 1e3, "Gt": 1e3, "Tg": 1.0, "Mt": 1.0, "Gg": 1e-3, "kt": 1e-3, "Mg": 1e-6, "t": 1e-6, "kg": 1e-9}
)
"""Tg in each unit of a total."""

BESIDE_PUBLISHED = (
    "name",
    "source",
    "quantity",
    "unit",
    "by",
    "class",
    "top_cm",
    "bottom_cm",
    "period",
    "published",
    "low",
    "high",
    "product",
    "value",
    "value_over_published",
    "within",
    "explanation",
)
_PERIOD = re.compile(r"(\d{4})(?:\s*-\s*(\d{4}))?")
_NUMBERS = ("top_cm", "bottom_cm", "total", "low", "high")


def read_published(path: Path) -> pd.DataFrame:
    """Published totals and means, from a CSV table (commas, semicolons or tabs).

    Returns
    -------
    DataFrame
        :data:`PUBLISHED_COLUMNS` and ``quantity`` (total or mean); numbers in Tg or kg/m2, ``unit`` says which, NaN where there is none.

    Raises
    ------
    TableError
        The file is missing or empty, lacks a column, or rows cannot be read: a line for each.
    """
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table of published totals")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=separator)]
    head = [cell.lower() for cell in rows[0]] if rows else []
    missing = [name for name in NEEDED if name not in head]
    if not {"total", "low", "high"} & set(head):
        missing.append("total (or low and high)")
    unknown = [name for name in head if name and name not in PUBLISHED_COLUMNS]
    twice = sorted({name for name in head if name and head.count(name) > 1})
    faults = [f"{path}: no column {', '.join(missing)}; expected {', '.join(PUBLISHED_COLUMNS)}"] if missing else []
    faults += [f"{path}: unknown column {name}; expected {', '.join(PUBLISHED_COLUMNS)}" for name in unknown]
    faults += [f"{path}: column {name} stands {head.count(name)} times; expected once" for name in twice]
    if faults:
        raise TableError(faults)
    table = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) > len(head):
            faults.append(f"{path}:{line}: {len(row)} cells; expected {len(head)} (a comma within a cell needs quotes)")
            continue
        told, said = _row(dict(zip(head, row, strict=False)), f"{path}:{line}")
        faults += said
        table.append(told)
    if not table and not faults:
        faults.append(f"{path}: no rows; expected at least one published number")
    if faults:
        raise TableError(faults)
    return pd.DataFrame(table, columns=[*PUBLISHED_COLUMNS, "quantity"])


def _row(cells: Mapping[str, str], where: str) -> tuple[dict[str, object], list[str]]:
    """A row in Tg or kg/m2, and what is wrong with it."""
    faults: list[str] = []
    numbers = {name: _number(cells.get(name, ""), name, where, faults) for name in _NUMBERS}
    unit = cells.get("unit", "")
    stock = known_unit(unit) if unit not in TG else None
    if unit in TG:
        factor, quantity, told = TG[unit], "total", "Tg"
    elif stock in STOCKS:
        factor, quantity, told = float(to_internal(1.0, "soc_stock", stock)), "mean", "kg/m2"
    else:
        factor, quantity, told = math.nan, "", ""
        said = f"unit {unit!r}" if unit else "no unit"
        faults.append(f"{where}: {said}; expected one of {', '.join((*TG, *STOCKS))}")
    if not cells.get("name"):
        faults.append(f"{where}: no name; expected that of the study")
    top, bottom, total, low, high = (numbers[name] for name in _NUMBERS)
    if not faults and not 0.0 <= top < bottom:
        faults.append(f"{where}: layer {top:g}-{bottom:g} cm; expected 0 <= top_cm < bottom_cm")
    if not faults and math.isnan(total) and (math.isnan(low) or math.isnan(high)):
        faults.append(f"{where}: neither total nor low and high; expected a number or a range")
    if low > high:
        faults.append(f"{where}: low {low:g} above high {high:g}; expected low <= high")
    if total < low or total > high:
        faults.append(f"{where}: total {total:g} outside {low:g} to {high:g}; expected it between low and high")
    if any(value < 0.0 for value in (total, low, high)):
        faults.append(f"{where}: a negative number; expected 0 or more")
    by = cells.get("by", "") or "all"
    code, period = cells.get("class", ""), cells.get("period", "")
    years = _PERIOD.fullmatch(period)
    if period and (years is None or int(years[1]) > int(years[2] or years[1])):
        faults.append(f"{where}: period {period!r}; expected years such as 1990 or 1985-1995")
    if by == "all" and code not in ("", "all"):
        faults.append(f"{where}: class {code!r} without by; expected the name of the class layer in by")
    texts = {"name": cells.get("name", ""), "by": by, "class": "" if by == "all" else code, "period": period}
    values = {"top_cm": top, "bottom_cm": bottom, "total": total * factor, "low": low * factor, "high": high * factor}
    return {**texts, **values, "unit": told, "source": cells.get("source", ""), "quantity": quantity}, faults


def _number(text: str, name: str, where: str, faults: list[str]) -> float:
    if not text:
        if name in ("top_cm", "bottom_cm"):
            faults.append(f"{where}: no {name}; expected a depth in cm")
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        faults.append(f"{where}: {name} {text!r}; expected a number")
        return math.nan
    return value


def beside_published(totals: pd.DataFrame, published: pd.DataFrame, *, rows: str = "own") -> tuple[pd.DataFrame, list[str]]:
    """Each published number beside that of every product with the same division, layer and period.

    Parameters
    ----------
    totals : DataFrame
        ``product, rows, by, class, class_name, top_cm, bottom_cm, period, mean_kg_m2, total_Tg``
        (:func:`~edaphic.account.products.comparing.compare_products`).
    published : DataFrame
        Of :func:`read_published`.
    rows : {"own", "common"}
        Which cells of a product are taken: all that it has, or those that all products have.

    Returns
    -------
    table : DataFrame
        :data:`BESIDE_PUBLISHED`. ``within``: "yes" or "no" where a range is known, else empty. ``explanation`` is told where the two differ
        by a factor near 10, 100, 1000 or 0.58.
    notes : list of str
        Published rows that no product has.

    Notes
    -----
    A class is matched by its code or its name. A row without a period is set beside products of every period; one with a period beside
    products without one, and those whose period lies within it.

    Examples
    --------
    >>> ours = pd.DataFrame({"product": ["ours"], "rows": ["own"], "by": ["all"], "class": [""], "class_name": ["all"], "top_cm": [0.0],
    ...     "bottom_cm": [30.0], "period": [""], "mean_kg_m2": [6.0], "total_Tg": [54.0]})
    >>> theirs = pd.DataFrame({"name": ["study"], "by": ["all"], "class": [""], "top_cm": [0.0], "bottom_cm": [30.0], "period": [""],
    ...     "total": [60.0], "low": [50.0], "high": [70.0], "unit": ["Tg"], "source": [""], "quantity": ["total"]})
    >>> beside_published(ours, theirs)[0][["published", "product", "value", "value_over_published", "within"]].values.tolist()
    [[60.0, 'ours', 54.0, 0.9, 'yes']]
    """
    taken = totals[totals["rows"] == rows]
    found, notes = [], []
    for row in published.to_dict("records"):
        same = taken[(taken["top_cm"] == row["top_cm"]) & (taken["bottom_cm"] == row["bottom_cm"]) & (taken["by"] == row["by"])]
        if row["by"] != "all":
            wanted = str(row["class"]).casefold()
            same = same[(same["class"].str.casefold() == wanted) | (same["class_name"].str.casefold() == wanted)]
        if row["period"]:
            same = same[[_within(str(own), str(row["period"])) for own in same["period"]]]
        if same.empty:
            division = "" if row["by"] == "all" else f", {row['by']} {row['class']}"
            when = f", {row['period']}" if row["period"] else ""
            layer = f"{row['top_cm']:g}-{row['bottom_cm']:g} cm"
            notes.append(f"published: {row['name']}: {layer}{division}{when}: no product has that; left out")
        found += [_beside(row, own) for own in same.to_dict("records")]
    return pd.DataFrame(found, columns=list(BESIDE_PUBLISHED)), notes


def _within(period: str, published: str) -> bool:
    """Whether a period of ours lies within a published one; what has no period stands beside all.

    >>> _within("1990-1995", "1985-1995"), _within("1990", "1990"), _within("", "1990"), _within("1980-1990", "1985-1995")
    (True, True, True, False)
    """
    if not period:
        return True
    (first, last), (start, end) = (_years(text) for text in (period, published))
    return start <= first and last <= end


def _years(text: str) -> tuple[int, int]:
    found = _PERIOD.fullmatch(text.removeprefix("mean "))
    return (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))


def _beside(row: Mapping[Hashable, object], own: Mapping[Hashable, object]) -> dict[str, object]:
    value = float(str(own["total_Tg" if row["quantity"] == "total" else "mean_kg_m2"]))
    total, low, high = (float(str(row[name])) for name in ("total", "low", "high"))
    ratio = value / total if total > 0.0 else float("nan")
    ranged = math.isfinite(low) and math.isfinite(high)
    far = np.isfinite(ratio) and ratio > 0.0 and not 1.0 / 1.5 < ratio < 1.5
    told = {name: row[name] for name in ("name", "source", "quantity", "unit", "by", "class", "top_cm", "bottom_cm")}
    return {
        **told,
        "period": own["period"],
        "published": total,
        "low": low,
        "high": high,
        "product": own["product"],
        "value": value,
        "value_over_published": ratio,
        "within": ("yes" if low <= value <= high else "no") if ranged and math.isfinite(value) else "",
        "explanation": (_slip_of_total(ratio) if row["quantity"] == "total" else explain_factor(ratio)) if far else "",
    }


def _slip_of_total(ratio: float) -> str:
    """What a factor between two totals looks like: the same mass, called by another unit.

    >>> _slip_of_total(0.00105)
    'factor 0.00105, near 0.001: as if Tg stood for Pg, or Pg for Tg'
    """
    slips = {3: "Tg stood for Pg, or Pg for Tg", 6: "Mg stood for Tg, or t for Mt", 1: "a factor of 10 were lost", 2: "one of 100 were"}
    for power, text in slips.items():
        if abs(abs(math.log10(ratio)) - power) < 0.1:
            return f"factor {ratio:.3g}, near {10.0 ** math.copysign(power, math.log10(ratio)):g}: as if {text}"
    return explain_factor(ratio)
