"""Other products beside this map, and totals beside published ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.report.account_figures import Interval, beside
from edaphic.report.folder import RunFolder, records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.product_pictures import product_pictures
from edaphic.report.section import Block, Section, lists, says, section, shows
from edaphic.report.tables import PageTable, dense
from edaphic.report.words import bounds, count, dated_layer, fixed, is_known, number, quantity, unit_text

Floats = NDArray[np.float64]

_MOST_BESIDE = 14
"""Rows of the figure of published numbers."""


def products_section(run: RunFolder) -> Section | None:
    """Products beside each other; None where the run compares none."""
    tables = {name: run.table(f"product_{name}") for name in ("pairs", "taylor", "cv", "totals")}
    known = {name: table for name, table in tables.items() if table is not None}
    if len(known) < len(tables):
        return None
    pictures = product_pictures({**known, **_published(run)}, _samples(run), run.path / "maps" / "products")
    first, rest = _by_layer(known["taylor"], pictures)
    blocks = says(
        "Everything here is agreement between products, which is no accuracy: two maps can agree because both are right, because one was "
        "made from the other, or because both rest on the same profiles. The scores at points are accuracy, at those points."
    )
    blocks += [*shows(first), *shows(rest, folded=f"More figures of the comparison ({len(rest)})")]
    blocks += lists(_pairs(known["pairs"]), whole="tables/product_pairs.csv")
    blocks += lists(_points(run), whole="tables/product_points.csv")
    blocks += lists(_spread(known["cv"]), folded="Coefficient of variation across products, by class", whole="tables/product_cv.csv")
    blocks += lists(_totals(known["totals"]), folded="Totals of the products", whole="tables/product_totals.csv")
    return section("other-products", "Beside other products", "Other products", blocks)


def _published(run: RunFolder) -> dict[str, pd.DataFrame]:
    table = run.table("published")
    return {} if table is None else {"published": table}


def _by_layer(taylor: pd.DataFrame, pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Pictures of the deepest layer and the last period, and of what all layers share, apart from those of other layers."""
    stems = {
        f"{r.top_cm:g}-{r.bottom_cm:g}cm" + (f"_{r.period}" if r.period else ""): (r.bottom_cm - r.top_cm, r.period)
        for r in records(taylor)
    }
    lead = max(stems, key=lambda stem: stems[stem])
    others = [stem for stem in stems if stem != lead]
    later = [one for one in pictures if any(one.name.endswith(f"_{stem}.png") for stem in others)]
    return [one for one in pictures if one not in later], later


def _samples(run: RunFolder) -> dict[str, dict[str, Floats]]:
    """Cells of ours and of each other product, by layer (and period) and product."""
    table = run.table("product_samples")
    found: dict[str, dict[str, Floats]] = {}
    if table is None:
        return found
    for (top, bottom, period, product), rows in table.groupby(["top_cm", "bottom_cm", "period", "product"], sort=False):
        stem = f"{top:g}-{bottom:g}cm" + (f"_{period}" if period else "")
        both = rows[["ours", "theirs"]].dropna().to_numpy(dtype=np.float64)
        if len(both) > 2:
            found.setdefault(stem, {})[str(product)] = both.T
    return found


def _pairs(table: pd.DataFrame) -> PageTable:
    rows = table[table["weights"] == "area"] if (table["weights"] == "area").any() else table
    body = [
        (
            r.ours, r.theirs, dated_layer(r.top_cm, r.bottom_cm, r.period), count(r.cells), number(r.bias), number(r.rmse),
            fixed(r.r2_pearson), fixed(r.ccc), number(r.factor), r.explanation,
        )
        for r in records(rows)
    ]  # fmt: skip
    unit = unit_text("kg/m2")
    columns = (
        "First", "Second", "Layer", "Common cells", f"Bias, first minus second ({unit})", f"RMSE ({unit})", "r²", "CCC",
        "Mean of the first over the second", "What it looks like",
    )  # fmt: skip
    return dense("Every pair of products, weighted by area", columns, body, (0, 1, 2, 9))


def _points(run: RunFolder) -> PageTable | None:
    table = run.table("product_points")
    if table is None:
        return None
    kept = table[table["rows"] == "common"] if (table["rows"] == "common").any() else table
    body = []
    for key, rows in kept.groupby(["set", "top_cm", "bottom_cm", "product"], sort=False, dropna=False):
        points, top, bottom, product = key
        values: Mapping[str, float] = {r.score: r.value for r in records(rows)}
        layer = dated_layer(float(str(top)), float(str(bottom)), "") if is_known(top) else ""
        scores = (number(values.get("rmse")), fixed(values.get("mec")), number(values.get("bias")), fixed(values.get("ccc")))
        body.append((str(points), layer, str(product), *scores, count(float(rows["n"].max()))))
    columns = ("Points", "Layer", "Product", "RMSE", "MEC", "Bias", "CCC", "n")
    return dense("Scores at the same points", columns, body, (0, 1, 2))


def _spread(table: pd.DataFrame) -> PageTable:
    body = [
        (
            "all" if r.by == "all" else f"{r.by}: {r.class_name or r.code}", dated_layer(r.top_cm, r.bottom_cm, r.period),
            number(r.area_km2), number(r.mean_cv_pct), number(r.mean_count),
        )
        for r in records(table.rename(columns={"class": "code"}))
    ]  # fmt: skip
    return dense("", ("Class", "Layer", "Area (km²)", "Mean coefficient of variation (%)", "Mean number of products"), body, (0, 1))


def _totals(table: pd.DataFrame) -> PageTable:
    body = [
        (
            r.product, "all" if r.by == "all" else f"{r.by}: {r.class_name or r.code}", dated_layer(r.top_cm, r.bottom_cm, r.period),
            {"own": "all its cells", "common": "common cells"}.get(r.rows, r.rows), number(r.area_km2), number(r.mean_kg_m2),
            number(r.total_Tg),
        )
        for r in records(table.rename(columns={"class": "code"}))
    ]  # fmt: skip
    return dense("", ("Product", "Class", "Layer", "Cells", "Area (km²)", "Mean (kg/m²)", "Total (Tg)"), body, (0, 1, 2, 3))


# Published numbers -------------------------------------------------------------------------------------------------------


def published_section(run: RunFolder) -> Section | None:
    """Our numbers beside published ones; None where no table of them was given."""
    table = run.table("published")
    if table is None:
        return None
    own = table[table["product"] == table["product"].iloc[0]]
    blocks: list[Block] = []
    for kind, unit, title in (("total", "Tg", "Totals beside published ones"), ("mean", "kg/m2", "Means beside published ones")):
        rows = own[own["quantity"] == kind]
        blocks += shows([_beside(run, rows, unit, title, f"published_{kind}.png")] if len(rows) else [])
    blocks += lists(_table(table), whole="tables/published.csv")
    blocks += says(
        "A published total is of the area of its study, ours of the mapped one: where they differ, the means compare more fairly.",
        note=True,
    )
    return section("published", "Beside published numbers", "Published numbers", blocks)


def _beside(run: RunFolder, rows: pd.DataFrame, unit: str, title: str, name: str) -> Picture:
    keys = ["by", "class", "top_cm", "bottom_cm", "period"]
    ours, published = [], []
    for _, part in list(rows.groupby(keys, sort=False))[:_MOST_BESIDE]:
        r = part.iloc[0]
        low, high = _interval(run, r, unit)
        where = "" if r["by"] in ("", "all") else f"{r['class']}, "
        ours.append(Interval(f"{where}{dated_layer(r['top_cm'], r['bottom_cm'], r['period'])}", float(r["value"]), low, high))
        published.append([Interval(own.name_, own.published, own.low, own.high) for own in records(part.rename(columns={"name": "name_"}))])
    ends = np.array([[one.value, one.low, one.high] for own in (ours, *published) for one in own], dtype=np.float64)
    scale, shown = (1000.0, "Pg") if unit == "Tg" and np.nanmax(ends) >= 1000.0 else (1.0, unit)
    ours, published = [_over(one, scale) for one in ours], [[_over(one, scale) for one in own] for own in published]
    told = "; ".join(
        f"{one.label}: {number(one.value)}, published "
        + ", ".join(f"{their.label} {number(their.value) if is_known(their.value) else bounds(their.low, their.high)}" for their in own)
        for one, own in zip(ours, published, strict=True)
    )
    kind = _kind_of(run)
    left = f" The first {_MOST_BESIDE} are drawn." if rows.groupby(keys).ngroups > _MOST_BESIDE else ""
    return picture_of(
        name,
        beside(ours, published, unit=shown, title=title),
        f"{title}, in {unit_text(shown)}: {told}.",
        f"{title}; lines are published ranges" + (f", and of ours the {kind}" if kind else "") + f".{left}",
    )


def _over(one: Interval, scale: float) -> Interval:
    return Interval(one.label, one.value / scale, one.low / scale, one.high / scale)


def _kind_of(run: RunFolder) -> str:
    stocks = run.table("stocks")
    if stocks is None:
        return ""
    return "modelled interval" if stocks["modelled_low_Tg"].notna().any() else "fully correlated bound"


def _interval(run: RunFolder, r: pd.Series, unit: str) -> tuple[float, float]:
    """Our interval of the same row, in the unit of the figure; NaN where the stock table has no such row."""
    stocks = run.table("stocks")
    if stocks is None:
        return np.nan, np.nan
    by = r["by"] or "all"
    same = (stocks["by"] == by) & (stocks["top_cm"] == r["top_cm"]) & (stocks["bottom_cm"] == r["bottom_cm"])
    if by != "all":
        same &= (stocks["class"] == r["class"]) | (stocks["class_name"] == r["class"])
    if r["period"] and (stocks["period"] == r["period"]).any():
        same &= stocks["period"] == r["period"]
    found = stocks[same]
    if len(found) != 1:
        return np.nan, np.nan
    start = "modelled" if is_known(float(found["modelled_low_Tg"].iloc[0])) else "fully_correlated"
    ends = (float(found[f"{start}_{end}_Tg"].iloc[0]) for end in ("low", "high"))
    low, high = ends if unit == "Tg" else (end * 1e3 / float(found["area_km2"].iloc[0]) for end in ends)
    return low, high


def _table(table: pd.DataFrame) -> PageTable:
    body = [
        (
            r.study, "all" if r.by in ("", "all") else f"{r.by}: {r.code}", dated_layer(r.top_cm, r.bottom_cm, r.period), r.product,
            quantity(r.value, r.unit), quantity(r.published, r.unit), bounds(r.low, r.high), fixed(r.value_over_published), r.within,
            r.source, r.explanation,
        )
        for r in records(table.rename(columns={"name": "study", "class": "code"}))
    ]  # fmt: skip
    columns = (
        "Study", "Class", "Layer", "Map", "Ours", "Published", "Published range", "Ours ÷ published", "Within the range", "Source",
        "What explains it",
    )  # fmt: skip
    return dense("Ours beside published numbers", columns, body, (0, 1, 2, 3, 8, 9, 10))
