"""What stands behind the maps in words and tables: cells left empty, bedrock, shrunk errors, the whole depth, periods, Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pandas as pd
import rasterio
from rasterio.errors import RasterioError

from edaphic.errors import RasterError
from edaphic.report.facts import Target, of_lead_period, only_inside, single_layers
from edaphic.report.folder import RunFolder, records
from edaphic.report.inputs import whole_number
from edaphic.report.tables import PageTable, made, text_cell
from edaphic.report.words import (
    capital,
    count,
    fixed,
    group_text,
    is_known,
    layer_text,
    listing,
    number,
    percent,
    period_words,
    plural,
    quantity,
)

_MOST_PAIRS = 6
_MOST_GROUPS = 60


def map_facts(run: RunFolder, target: Target) -> list[tuple[str, str]]:
    """What a reader of the maps has to know, as terms and sentences; only what the run's files tell."""
    parts = (
        ("Periods", _periods(run)),
        ("Masks", _masks(run)),
        ("Bedrock", _bedrock(run, target)),
        ("Standard error", _errors(run)),
        ("Whole depth", _whole_depth(run, target)),
        ("Numbers", _rounding(run, target)),
    )
    return [(term, words) for term, words in parts if words]


def _periods(run: RunFolder) -> str:
    if len(run.periods) < 2:
        return ""
    words = f"Maps of {listing([period_words(period) for period in run.periods])}. "
    words += "Large maps, totals and evidence are those of the last one."
    if any(layer.period and layer.period not in run.periods for layer in run.maps):
        words += " The mean of the periods is the mean of their maps, cell by cell; it has no intervals."
    return words


def _masks(run: RunFolder) -> str:
    cells, masks = whole_number(run.cells.get("cells")), run.cells.get("masks")
    if not cells or not isinstance(masks, Mapping):
        return ""
    known = [(str(name), int(n)) for name, n in masks.items() if isinstance(n, int)]
    parts = [f"{name} {count(n)} ({percent(n / cells, 1)} of all)" for name, n in known]
    words = f"Cells left empty by each mask: {listing(parts)}. A cell may fall under several." if parts else ""
    inside, with_all, masked = (whole_number(run.cells.get(name)) for name in ("inside_applicability", "with_all_covariates", "masked"))
    if only_inside(run) and None not in (inside, with_all, masked):
        left = (with_all or 0) - (masked or 0)
        words += f" {count(left - (inside or 0))} of {count(left)} cells lie outside the area of applicability and are left empty too."
    return words.strip()


def _bedrock(run: RunFolder, target: Target) -> str:
    ends, unknown, mapped = (whole_number(run.cells.get(name)) for name in ("soil_ends_within", "bedrock_not_known", "mapped"))
    if ends is None or not mapped:
        return ""
    if target.is_stock:
        words = f"In {count(ends)} of {plural(mapped, 'mapped cell')} ({percent(ends / mapped, 1)}) the soil ends within the layers: "
        words += "amounts there are density times the thickness that is soil."
    else:  # cells without any soil are among those whose soil ends, and have no value
        words = f"In {plural(ends, 'cell')} the soil ends within the layers: layers without soil have no value, and the whole depth is the "
        words += "mean of what is soil."
    if unknown:
        negative = whole_number(run.cells.get("bedrock_negative"))
        also = f", {count(negative)} of them for a negative depth," if negative else ""
        words += f" {plural(unknown, 'cell')} without a depth to bedrock{also} {'counts' if unknown == 1 else 'count'} in full."
    return words


def _errors(run: RunFolder) -> str:
    """Share of cells whose plain variance of the forest mean was at or below zero."""
    shrunk, mapped = run.cells.get("se_shrunk"), whole_number(run.cells.get("mapped"))
    if not isinstance(shrunk, Mapping) or not shrunk or not mapped:
        return ""
    shares = {name.removeprefix("se_").replace("cm", " cm"): n / mapped for name, n in shrunk.items() if isinstance(n, int)}
    told = listing([f"{group_text(name)} {percent(share, 1)}" for name, share in shares.items()])
    words = "Share of cells where the plain variance of the forest mean was at or below zero, and was drawn towards that of all cells"
    return f"{words}: {told}." if told else ""


def _whole_depth(run: RunFolder, target: Target) -> str:
    """How the quantiles of the whole depth came about."""
    if run.whole is None or len(run.layers) < 3 or run.depth_correlation is None:
        return ""
    layers, matrix = sorted(single_layers(run)), run.depth_correlation
    added = ("the sum of the means of its layers", "sums") if target.is_stock else ("the mean of its layers by thickness", "means")
    words = (
        f"The mean of {layer_text(*run.whole)} is {added[0]}. Its quantiles are not {added[1]} of quantiles: "
        "they come from joint realisations of the layers"
    )
    if len(matrix) != len(layers):
        return words + "."
    pairs = [(i, j) for i, j in combinations(range(len(layers)), 2)]
    told = [f"{layer_text(*layers[i])} with {layer_text(*layers[j])} {fixed(matrix[i, j])}" for i, j in pairs[:_MOST_PAIRS]]
    values = [float(matrix[i, j]) for i, j in pairs]
    more = f", and so on from {fixed(min(values))} to {fixed(max(values))}" if len(pairs) > _MOST_PAIRS else ""
    return f"{words}, whose residuals go together with the correlations {', '.join(told)}{more}."


def _rounding(run: RunFolder, target: Target) -> str:
    """Largest rounding error of maps of whole numbers."""
    if run.setting("maps", "encoding") != "int16":
        return ""
    errors = [error for layer in run.maps for stat, path in layer.paths.items() if stat == "mean" and is_known(error := _error_of(path))]
    largest = f": those of the mean by at most {quantity(max(errors), target.unit)}" if errors else ""
    return f"The maps are stored as whole numbers with a scale, and so rounded{largest}."


def _error_of(path: Path) -> float:
    try:
        with rasterio.open(path) as file:
            return float(file.tags().get("EDAPHIC_ROUNDING_ERROR", math.nan))
    except (RasterioError, ValueError) as error:
        raise RasterError(f"{path}: cannot be read ({error}); expected a GeoTIFF") from error


# Tables ------------------------------------------------------------------------------------------------------------------


def period_stocks(run: RunFolder) -> PageTable | None:
    """Totals of each period and layer; None where there is one time only."""
    table = run.table("stocks")
    if table is None or table["period"].nunique() < 2:
        return None
    rows = table[table["by"] == "all"]
    layers = sorted(set(zip(rows["top_cm"], rows["bottom_cm"], strict=True)), key=lambda layer: (layer == run.whole, layer))
    body = []
    for period in dict.fromkeys(rows["period"]):
        here = {(r.top_cm, r.bottom_cm): r for r in records(rows[rows["period"] == period])}
        totals = [number(here[layer].total_Tg, 4) if layer in here else "\u2013" for layer in layers]
        body.append([capital(period_words(period)), *totals])
    return made("Total (Tg) by period", ("Period", *(layer_text(*layer) for layer in layers)), body)


def monte_carlo(run: RunFolder) -> list[tuple[str, PageTable]]:
    """Tables of the Monte Carlo realisations: all cells, then each division; what the totals of realisations say, not sums of limits."""
    table = run.table("monte_carlo")
    if table is None:
        return []
    found = []
    for by in dict.fromkeys(table["by"]):
        rows = table[table["by"] == by].head(_MOST_GROUPS)
        title = "All mapped cells" if by == "all" else f"By {by}"
        found.append((title, _drawn(rows, by)))
    return found


def _drawn(rows: pd.DataFrame, by: str) -> PageTable:
    """One table; which columns there are depends on the levels of the recipe, and on whether the target has totals."""
    main = next((name for name in ("total_Tg", "mean") if name in rows), "")
    unit = " (Tg)" if main == "total_Tg" else ""
    shown = {main: f"Mean{unit}", f"{main}_sd": "sd", "sd": "sd"}
    starts = (f"{main}_q", "q0", "q5", "q9", "sum_of_q")
    names = [name for name in rows.columns if name in shown or name.startswith(starts)]
    headings = [shown.get(name) or _heading(name, main) for name in names]
    first = ["Layer"] if by == "all" else ["Region", "Layer"]
    body = []
    for place in range(len(rows)):
        row = rows.iloc[place]
        words = [group_text(str(row["layer"]))] if by == "all" else [text_cell(str(row["name"])), group_text(str(row["layer"]))]
        body.append([*words, *(number(_float(row[name]), 4) for name in names)])
    return made("", [*first, *headings], body, range(len(first)))


def _heading(name: str, main: str) -> str:
    """The heading of a column of quantiles.

    >>> _heading("total_Tg_q025", "total_Tg"), _heading("sum_of_q975_maps", "total_Tg")
    ('2.5\\xa0%', 'Sum of the 97.5\\xa0% map')
    """
    summed = name.startswith("sum_of_")
    digits = name.removeprefix("sum_of_").removesuffix("_maps").removeprefix(f"{main}_").removeprefix("q")
    level = f"{100.0 * int(digits) / 10.0 ** len(digits):g}\u00a0%" if digits.isdigit() else name
    return f"Sum of the {level} map" if summed else level


def _float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def lead_words(run: RunFolder, where: str = "are in the section on stocks") -> str:
    """Which period the totals are of, and ``where`` the others are; empty where there is one time only."""
    table = run.table("stocks")
    if table is None or not run.lead_period or len(of_lead_period(run, table)) == len(table):
        return ""
    which = f"Totals of {period_words(run.lead_period)}, the last of {len(run.periods)} periods"
    return f"{which}; those of the others {where}."
