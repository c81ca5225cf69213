"""The pictures of a comparison of products, each with its words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.report import map_figures
from edaphic.report.maps import read_image
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.product_figures import (
    MOST_CLASSES,
    UNIT,
    count_map,
    scatter,
    series,
    spread_bars,
    target_diagram,
    taylor_diagram,
    totals_bars,
)
from edaphic.report.words import count, dated_layer, fixed, number, quantity, unit_text

Floats = NDArray[np.float64]

_MAP_CELLS = 200_000


def product_pictures(
    tables: Mapping[str, pd.DataFrame], samples: Mapping[str, Mapping[str, Floats]], maps: Path
) -> list[Picture]:
    """All pictures of a comparison.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``comparison, pairs, taylor, totals, cv``, and ``published`` where there is one
        (:func:`~edaphic.account.products.comparing.compare_products`).
    samples : mapping
        For each layer (as in names of files, ``0-30cm`` or ``0-30cm_1990-1995``) and other product, cells (2, n), ours first.
    maps : Path
        Folder of ``cv_``, ``count_`` and ``relative_difference_`` maps.

    Returns
    -------
    list of Picture, in the order in which a page shows them.
    """
    out: list[Picture] = []
    for (top, bottom, period), taylor in tables["taylor"].groupby(["top_cm", "bottom_cm", "period"], sort=False):
        when = str(period)
        stem = f"{top:g}-{bottom:g}cm" + (f"_{when}" if when else "")
        title = dated_layer(float(str(top)), float(str(bottom)), when)
        out += _scatters(_of(tables["pairs"], top, bottom, when), samples.get(stem, {}), title, stem)
        out += _diagrams(taylor, title, stem)
        out += _maps(maps, stem, title, str(taylor["reference"].iloc[0]), list(taylor["product"]))
        published = tables.get("published")
        out += _bars(
            _of(tables["totals"], top, bottom, when), None if published is None else _of(published, top, bottom, when), title, stem
        )
    out += list(_spreads(tables["cv"]))
    out += list(_series(tables["totals"], tables.get("published")))
    return out


def _of(table: pd.DataFrame, top: object, bottom: object, period: str) -> pd.DataFrame:
    return table[(table["top_cm"] == top) & (table["bottom_cm"] == bottom) & (table["period"] == period)]


def _scatters(pairs: pd.DataFrame, samples: Mapping[str, Floats], title: str, stem: str) -> Iterator[Picture]:
    own = pairs[pairs["weights"] == "cells"]
    for name, cells in samples.items():
        row = own[own["theirs"] == name].iloc[0]
        ours = str(row["ours"])
        words = f"r² {fixed(row['r2_pearson'])}, CCC {fixed(row['ccc'])}, RMSE {number(row['rmse'])}, bias {number(row['bias'])}"
        yield picture_of(
            f"scatter_{slug(name)}_{stem}.png",
            scatter(cells[0], cells[1], title=f"{ours} and {name}, {title}", names=(ours, name), words=words),
            f"Stock of {ours} over that of {name} by cell, {title}: {words}.",
            f"{ours} and {name}, {title}, {count(row['cells'])} common cells, each counted once. Agreement between products, not accuracy. "
            f"RMSE and bias ({ours} minus {name}) in {unit_text(UNIT)}.",
        )


def _diagrams(taylor: pd.DataFrame, title: str, stem: str) -> list[Picture]:
    if not np.isfinite(taylor["sd_ratio"]).any():
        return []
    told = "; ".join(f"{row.product}: r {fixed(row.pearson_r)}, sd ratio {fixed(row.sd_ratio)}" for row in taylor.itertuples())
    off = "; ".join(f"{row.product}: bias {fixed(row.bias_ratio)}, centred RMSE {fixed(row.target_x)}" for row in taylor.itertuples())
    base = str(taylor["reference"].iloc[0])
    return [
        picture_of(
            f"taylor_{stem}.png",
            taylor_diagram(taylor, title=f"Taylor diagram, {title}"),
            f"Taylor diagram with {base} as the reference, {title}: {told}.",
            f"Pattern of each product beside that of {base} (star) over the cells that all have, {title}. Dotted: equal centred RMSE. "
            "The reference is our map, which is no truth.",
        ),
        picture_of(
            f"target_{stem}.png",
            target_diagram(taylor, title=f"Target diagram, {title}"),
            f"Target diagram with {base} as the reference, {title}: {off}.",
            f"Level and pattern together, {title}: on the outer circle the RMSE is one standard deviation of {base}.",
        ),
    ]


def _maps(folder: Path, stem: str, title: str, ours: str, names: Sequence[str]) -> Iterator[Picture]:
    """Maps that were written; tables alone may have been."""
    if not all((folder / f"{name}_{stem}.tif").is_file() for name in ("cv", "count")):
        return
    cv, counted = read_image(folder / f"cv_{stem}.tif", _MAP_CELLS), read_image(folder / f"count_{stem}.tif", _MAP_CELLS)
    yield picture_of(
        f"map_cv_{stem}.png",
        map_figures.width_map(cv, title=f"Spread of products, {title}", label="coefficient of variation (%)"),
        f"Map of the coefficient of variation across products, {title}: mean {quantity(cv.mean(), '%')}.",
        f"Coefficient of variation across products (divisor n − 1), {title}. Mean of the map {quantity(cv.mean(), '%')}.",
    )
    yield picture_of(
        f"map_count_{stem}.png",
        count_map(counted, len(names) + 1, title=f"Products, {title}"),
        f"Map of the number of products with a value, {title}: mean {number(counted.mean())} of {len(names) + 1}.",
        f"How many of the {len(names) + 1} products have a value, {title}: the coefficient of variation rests on these.",
    )
    for name in names:
        path = folder / f"relative_difference_{slug(name)}_{stem}.tif"
        if not path.is_file():
            continue
        image = read_image(path, _MAP_CELLS)
        known = image.values[np.isfinite(image.values)]
        middle = float(np.median(known)) if known.size else math.nan
        yield picture_of(
            f"map_relative_difference_{slug(name)}_{stem}.png",
            map_figures.difference_map(image, image.values, title=f"{ours} and {name}, {title}", label=f"({ours} − {name}) / {ours} (%)"),
            f"Map of the relative difference to {name}, {title}: median {quantity(middle, '%')}.",
            f"({ours} − {name}) / {ours}, {title}: red where {ours} is higher. Median of the cells {quantity(middle, '%')}.",
        )


def _bars(totals: pd.DataFrame, published: pd.DataFrame | None, title: str, stem: str) -> list[Picture]:
    own = totals[(totals["by"] == "all") & (totals["rows"] == "own")]
    studies = None
    if published is not None:
        totalled = published[(published["by"] == "all") & (published["quantity"] == "total")]
        studies = totalled.drop_duplicates(["name", "source", "published", "low", "high"])
    told = "; ".join(f"{row.product} {number(row.total_Tg)} Tg" for row in own.itertuples())
    return [
        picture_of(
            f"totals_{stem}.png",
            totals_bars(own, studies, title=f"Totals, {title}"),
            f"Totals by product, {title}: {told}.",
            f"Total of each product over all its cells on the grid, {title}. Products that cover less land have lower totals: those of the "
            "common cells stand in totals.csv.",
        )
    ]


def _spreads(cv: pd.DataFrame) -> Iterator[Picture]:
    named = cv.assign(
        layer=[dated_layer(top, bottom, when) for top, bottom, when in zip(cv["top_cm"], cv["bottom_cm"], cv["period"], strict=True)]
    )
    for by, table in named[named["by"] != "all"].groupby("by", sort=False):
        largest = table.groupby("class_name", sort=False)["area_km2"].max().sort_values(ascending=False, kind="stable")
        kept = set(largest.index[:MOST_CLASSES])
        shown = table[table["class_name"].isin(kept)]
        left = f" The {MOST_CLASSES} classes with the largest area are drawn." if len(largest) > MOST_CLASSES else ""
        yield picture_of(
            f"cv_by_{slug(str(by))}.png",
            spread_bars(shown, title=f"Spread of products by {by}"),
            f"Mean coefficient of variation across products by {by} and layer: "
            + "; ".join(f"{row.class_name} {row.layer} {number(row.mean_cv_pct)} %" for row in shown.itertuples()),
            f"Mean coefficient of variation across products by {by} and layer, weighted by area.{left}",
        )


def _series(totals: pd.DataFrame, published: pd.DataFrame | None) -> Iterator[Picture]:
    """Means by period of each layer that has several."""
    own = totals[(totals["by"] == "all") & (totals["rows"] == "common") & (totals["period"] != "") & np.isfinite(totals["mean_kg_m2"])]
    for (top, bottom), table in own.groupby(["top_cm", "bottom_cm"], sort=False):
        if table["period"].nunique() < 2:
            continue
        layer = dated_layer(float(str(top)), float(str(bottom)), "")
        studies = None
        if published is not None:
            same = (published["top_cm"] == top) & (published["bottom_cm"] == bottom) & (published["period"] != "")
            studies = published[same & (published["by"] == "all") & (published["quantity"] == "mean")]
            studies = studies.drop_duplicates(["name", "period", "published", "low", "high"])
        told = "; ".join(f"{row.product} {row.period} {number(row.mean_kg_m2)}" for row in table.itertuples())
        yield picture_of(
            f"series_{top:g}-{bottom:g}cm.png",
            series(table, studies, title=f"Mean stock by period, {layer}"),
            f"Mean stock by period, {layer}, {unit_text(UNIT)}: {told}.",
            f"Mean stock of the cells that all products have, by period, {layer}. A line is no trend that was tested.",
        )


def slug(name: str) -> str:
    """A product's name as part of the names of its files.

    >>> slug("Soil Grids 2.0")
    'Soil_Grids_2.0'
    """
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in ".-") else "_" for sign in name).strip("_.") or "product"
