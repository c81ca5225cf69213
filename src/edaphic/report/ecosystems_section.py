"""Stocks below a known topsoil by beta: topsoil, subsoil and both by ecosystem, and the relative uncertainty U by its two widths."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pandas as pd

from edaphic.account.describe.shares import relative_uncertainty
from edaphic.report.facts import of_lead_period
from edaphic.report.folder import RunFolder, records
from edaphic.report.section import Section, lists, says, section
from edaphic.report.tables import PageTable, dense
from edaphic.report.words import bounds, fixed, group_text, is_known, layer_text, number, percent

Layer = tuple[float, float]

_QUANTILE = re.compile(r"(?P<main>total_Tg|mean)_q(?P<digits>\d{2,4})")


def ecosystems_section(run: RunFolder) -> Section | None:
    """The stock table and U; None where the run has no stocks below a known topsoil."""
    if run.setting("maps", "subsoil", "topsoil") is None:
        return None
    blocks = says(
        "The topsoil is given, and beta carries it downwards, cell by cell. Totals of classes are over shares of cells where the recipe "
        "has them."
    )
    blocks += lists(stock_table(run), whole="tables/stocks.csv")
    blocks += lists(uncertainty_table(run), whole="tables/monte_carlo.csv")
    blocks += says(
        "U is the width of the interval over the mean. Some tables print the full width (equation 7 of the paper on subsoils), most the "
        "half width, which is the number behind a plus or minus; so both stand here.",
        note=True,
    )
    return section("subsoil", "Topsoil and subsoil by ecosystem", "Topsoil and subsoil", blocks)


def _three(run: RunFolder) -> list[tuple[str, Layer]]:
    """Topsoil, subsoil and both, as far as the stock table has them."""
    given = run.setting("maps", "subsoil", "topsoil", "layer")
    top = _layer(given)
    if top is None or run.whole is None:
        return []
    named = [("topsoil", top), ("subsoil", (top[1], run.whole[1])), ("total", run.whole)]
    return [(name, layer) for name, layer in named if layer in run.layers]


def _layer(given: object) -> Layer | None:
    if isinstance(given, (list, tuple)) and len(given) == 2:
        return float(given[0]), float(given[1])
    parts = str(given).split("-")
    return (float(parts[0]), float(parts[1])) if len(parts) == 2 and all(part.replace(".", "", 1).isdigit() for part in parts) else None


def stock_table(run: RunFolder) -> PageTable | None:
    """Area, density and stock of each class in topsoil, subsoil and both, with the interval of the sum, and published values beside."""
    table, layers = run.table("stocks"), _three(run)
    if table is None or not layers:
        return None
    own = of_lead_period(run, table).rename(columns={"class": "code"})
    kind = "modelled" if own["modelled_low_Tg"].notna().any() else "fully_correlated"
    published = _published(run)
    body: list[tuple[str, ...]] = []
    strong: list[int] = []
    for by, code in dict.fromkeys(zip(own["by"], own["code"], strict=True)):
        rows = {(r.top_cm, r.bottom_cm): r for r in records(own[(own["by"] == by) & (own["code"] == code)])}
        first = next(iter(rows.values()))
        names = (by, code, first.class_name)
        strong += [len(body)] if by == "all" else []
        cells = ["All land" if by == "all" else first.class_name or code, number(first.area_km2 / 1e4)]
        for _, layer in layers:
            r = rows.get(layer)
            cells += ["", "", "", ""] if r is None else [
                fixed(10.0 * r.mean_kg_m2, 1), number(r.total_Tg / 1e3),
                bounds(getattr(r, f"{kind}_low_Tg") / 1e3, getattr(r, f"{kind}_high_Tg") / 1e3), _beside(published, names, layer),
            ]  # fmt: skip
        body.append(tuple(cells))
    heads = ["Ecosystem", "Area (Mha)"]
    for name, layer in layers:
        start = f"{name.capitalize()} {layer_text(*layer)}"
        heads += [f"{start} (t/ha)", f"{start} (Pg)", f"{kind.replace('_', ' ').capitalize()} (Pg)", "Published (Pg)"]
    made = dense("Stock by ecosystem", tuple(heads), body)
    return PageTable(made.caption, made.columns, made.rows, made.left, frozenset(strong))


def _published(run: RunFolder) -> pd.DataFrame | None:
    table = run.table("published")
    return None if table is None else table[table["quantity"] == "total"].rename(columns={"class": "code", "name": "study"})


def _beside(published: pd.DataFrame | None, names: Sequence[str], layer: Layer) -> str:
    """Published totals (Pg) of a class and layer, study by study."""
    if published is None:
        return ""
    by, *classes = names
    here = published[(published["top_cm"] == layer[0]) & (published["bottom_cm"] == layer[1])]
    same = here["by"].isin(["", "all"]) if by == "all" else (here["by"] == by) & here["code"].isin(classes)
    told = []
    for r in records(here[same].drop_duplicates(["study", "published", "low", "high"])):
        value = number(r.published / 1e3) if is_known(r.published) else ""
        ends = bounds(r.low / 1e3, r.high / 1e3) if is_known(r.low) and is_known(r.high) else ""
        told.append(f"{value} ({ends})" if value and ends else value or ends)
    return "; ".join(told)


def uncertainty_table(run: RunFolder) -> PageTable | None:
    """Relative uncertainty of the totals by layer and class, and of beta, from the Monte Carlo realisations."""
    body = []
    for name, what in (("monte_carlo", "stock"), ("monte_carlo_beta", "beta")):
        table = run.table(name)
        ends = None if table is None else _ends(list(table.columns))
        if table is None or ends is None:
            continue
        main, low, high, level = ends
        for row in table.to_dict("records"):
            lower, middle, upper = (_float(row[column]) for column in (low, main, high))
            if not (is_known(lower) and is_known(upper)) or lower > upper:
                continue
            told = relative_uncertainty(lower, middle, upper)
            where = "All land" if row["by"] == "all" else str(row["name"])
            mean = number(middle / 1e3) + "\u00a0Pg" if main == "total_Tg" else number(middle, 4)
            shown = bounds(lower / 1e3, upper / 1e3) + "\u00a0Pg" if main == "total_Tg" else f"{number(lower, 4)} to {number(upper, 4)}"
            widths = (percent(float(told.full), 1), percent(float(told.half), 1))
            body.append((where, what, group_text(str(row["layer"])), mean, f"{shown} ({percent(level)})", *widths))
    columns = ("Ecosystem", "Of", "Layer", "Mean", "Interval", "U, full width", "Half width")
    return dense("Relative uncertainty from the Monte Carlo realisations", columns, body, (0, 1, 2)) if body else None


def _ends(columns: list[str]) -> tuple[str, str, str, float] | None:
    """The mean, the lowest and the highest quantile of a table of realisations, and the level of what lies between."""
    found = [match for name in columns if (match := _QUANTILE.fullmatch(name))]
    if len(found) < 2:
        return None
    share = {match.string: int(match["digits"]) / 10.0 ** len(match["digits"]) for match in found}
    low, high = min(share, key=lambda name: share[name]), max(share, key=lambda name: share[name])
    return found[0]["main"], low, high, share[high] - share[low]


def _float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan
