"""Profiles that were never trained on, and other products at the same points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from edaphic.report.designs import PROBABILITY, headline_of
from edaphic.report.folder import RunFolder, records
from edaphic.report.tables import COVERAGE_COLUMNS, PageTable, coverage_cells, dense, score_cells, score_columns
from edaphic.report.words import (
    count,
    decimals_for,
    fixed,
    group_text,
    is_known,
    layer_text,
    listing,
    number,
    percent,
    plural,
    unit_text,
    with_interval,
)

OURS = "this map"

Layer = tuple[float, float]


def probability_set(run: RunFolder) -> str:
    """Name of the set of sites drawn at random that the headline rests on, empty where there is none."""
    found = run.designs.get("probability_set")
    if headline_of(run) != PROBABILITY or not isinstance(found, str) or run.table("by_design") is None:
        return ""
    return found


def estimates(run: RunFolder, name: str) -> dict[Layer, dict[str, Any]]:
    """Estimates of one set that rest on the draw of its sites: rows by layer and statistic, the whole depth first."""
    table = run.table("by_design")
    if table is None:
        return {}
    found: dict[Layer, dict[str, Any]] = {}
    for r in records(table[table["set"] == name]):
        found.setdefault((r.top_cm, r.bottom_cm), {})[r.statistic] = r
    return dict(sorted(found.items(), key=lambda item: (item[0] != run.whole, item[0])))


def by_design(run: RunFolder) -> PageTable | None:
    """Accuracy of the map over its area as the draw of the sites tells it."""
    table = run.table("by_design")
    if table is None:
        return None
    units = [unit for unit in dict.fromkeys(table["unit"]) if unit]
    unit = f" ({unit_text(units[0])})" if len(units) == 1 else ""
    body = []
    for name in dict.fromkeys(table["set"]):
        for layer, rows in estimates(run, name).items():
            places = decimals_for(rows["rmse"].estimate) if "rmse" in rows else 2
            cells = [
                with_interval(rows[key].estimate, rows[key].low, rows[key].high, 2 if key == "mec" else places) if key in rows else ""
                for key in ("mec", "rmse", "mae", "me")
            ]
            sites = next(iter(rows.values())).sites
            body.append((name, layer_text(*layer), *cells, count(sites)))
    columns = ("Set", "Layer", "MEC", f"RMSE{unit}", f"MAE{unit}", f"Bias{unit}", "Sites")
    return dense("Accuracy over the area by the draw of the sites, with 95 % confidence intervals", columns, body, (0, 1))


def independent(run: RunFolder) -> PageTable | None:
    """Scores of the finished model at sets of other profiles."""
    table = run.table("independent")
    if table is None:
        return None
    table = table[table["scale"] != "log"]
    rows = [(r.set, group_text(r.layer), *score_cells(r)) for r in records(table)]
    caption = "Scores at profiles that were not trained on, with 95 % bootstrap intervals"
    return dense(caption, ("Set", "Layer", *score_columns(table["unit"])), rows, (0, 1))


def independent_coverage(run: RunFolder) -> PageTable | None:
    """Coverage of the intervals of the maps at sets of other profiles."""
    table = run.table("independent_coverage")
    if table is None:
        return None
    rows = [(r.set, group_text(r.group), *coverage_cells(r)) for r in records(table)]
    caption = "Coverage of the intervals of the maps at profiles that were not trained on"
    return dense(caption, ("Set", "Group", *COVERAGE_COLUMNS), rows, (0, 1))


def coverage_words(run: RunFolder) -> list[str]:
    """Whether the intervals of the maps hold at the other profiles."""
    table = run.table("independent_coverage")
    found = []
    for r in records(table[table["group"] == "all layers"] if table is not None else None):
        ends = (r.coverage_low, r.coverage_high)
        known = is_known(ends[0]) and is_known(ends[1])
        shown = percent(r.coverage, 1) + (f" [{percent(ends[0], 1)}, {percent(ends[1], 1)}]" if known else "")
        text = f"At {r.set}, the {percent(r.nominal)} intervals of the maps hold {shown} of the observations"
        if known:
            text += (
                ": fewer than they promise" if ends[1] < r.nominal else ": more than they promise" if ends[0] > r.nominal
                else ": as they promise, as far as so few profiles can tell"
            )  # fmt: skip
        found.append(text + ".")
    return found


def overlap_words(run: RunFolder) -> list[str]:
    """How many profiles of each set stand at a training profile and were left out."""
    table = run.table("overlap")
    found = []
    for name in dict.fromkeys(table["set"]) if table is not None else ():
        rows = table[table["set"] == name] if table is not None else None
        if rows is None:
            continue
        copies = int((rows["duplicate_of"] != "").sum())
        text = f"{plural(rows['profile_id'].nunique(), 'profile')} of {name} {'lies' if len(rows) == 1 else 'lie'} at a training profile"
        text += f" ({count(copies)} with its values: likely copies)" if copies else ""
        found.append(f"{text} and {'was' if len(rows) == 1 else 'were'} left out.")
    return found


def products(run: RunFolder) -> PageTable | None:
    """Other products at the same points, on the rows that all of them have."""
    table = run.table("products")
    if table is None:
        return None
    common = table[table["rows"] == "common"]
    units = [unit for unit in dict.fromkeys(common["unit"]) if unit]
    unit = f" ({unit_text(units[0])})" if len(units) == 1 else ""
    body = []
    for (name, top, bottom, product), rows in _parts(common, "set", "top_cm", "bottom_cm", "product"):
        values = {r.score: r for r in records(rows)}
        rmse, mec, bias = (values.get(key) for key in ("rmse", "mec", "bias"))
        if rmse is None:
            continue
        places = decimals_for(rmse.value)
        apart = with_interval(rmse.ours_minus_it, rmse.ours_minus_it_low, rmse.ours_minus_it_high, places)
        body.append(
            (
                name, layer_text(top, bottom), product, fixed(mec.value) if mec is not None else "",
                with_interval(rmse.value, rmse.low, rmse.high, places), fixed(bias.value, places) if bias is not None else "",
                apart, count(rmse.n),
            )
        )  # fmt: skip
    columns = ("Points", "Layer", "Map", "MEC", f"RMSE{unit}", f"Bias{unit}", f"Our RMSE minus its{unit}", "n")
    return dense("This map and other products at the same points", columns, body, (0, 1, 2))


def _parts(table: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Groups of rows by some columns, in the order of the table."""
    return iter(table.groupby(list(columns), sort=False))


def product_words(run: RunFolder) -> list[str]:
    """For each set and layer: which products this map is better than, cannot be told apart from, and is worse than."""
    table = run.table("products")
    if table is None:
        return []
    rows = table[(table["rows"] == "common") & (table["score"] == "rmse") & (table["product"] != OURS)]
    found = []
    for (name, top, bottom), part in _parts(rows, "set", "top_cm", "bottom_cm"):
        told = []
        for verdict, how in (("better", "is better than"), ("even", "cannot be told apart from"), ("worse", "is worse than")):
            names = [f"{r.product} (RMSE {number(r.value)})" for r in records(part) if _verdict(r) == verdict]
            told += [f"{how} {listing(names)}"] if names else []
        if told:
            where = "At the held-out profiles" if name == "held out" else f"At {name}"
            found.append(f"{where}, in {layer_text(top, bottom)}, this map {'; it '.join(told)}.")
    return found + _opposite(rows)


def _opposite(rows: pd.DataFrame) -> list[str]:
    """Products that this map beats at the held-out profiles and not at others, or the other way round: the places differ."""
    found = []
    for (top, bottom, product), part in _parts(rows, "top_cm", "bottom_cm", "product"):
        verdicts = [(r, _verdict(r)) for r in records(part)]
        for held, said in verdicts:
            for other, against in verdicts:
                if held.set == "held out" and other.set != "held out" and {said, against} == {"better", "worse"}:
                    found.append(
                        f"The two verdicts on {product} in {layer_text(top, bottom)} are opposite, but they are of different places: "
                        f"{count(held.n)} held-out observations, predicted without their profiles, and {count(other.n)} of {other.set}, "
                        "predicted by the finished map. Neither cancels the other."
                    )
    return found


def _verdict(r: Any) -> str:
    if not (is_known(r.ours_minus_it_low) and is_known(r.ours_minus_it_high)):
        return ""
    return "better" if r.ours_minus_it_high < 0.0 else "worse" if r.ours_minus_it_low > 0.0 else "even"
