"""Figures that readers of a soil map know: samples by decade, biomes, area by class of stock, strips, depth by class, texture, periods."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edaphic.account.describe.diagnostics import HISTOGRAM_COLUMNS, SUMMARY_COLUMNS
from edaphic.account.describe.series import period_series, published_ranges
from edaphic.report import diagnostic_figures
from edaphic.report.diagnostic_pictures import (
    area_picture,
    biome_picture,
    correlation_picture,
    decade_pictures,
    profile_picture,
    series_pictures,
    share_picture,
    strip_picture,
)
from edaphic.report.facts import Target
from edaphic.report.folder import RunFolder, records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.section import Block, Section, heading, section, shows
from edaphic.report.words import is_known, layer_text, number, percent, plural, unit_text

MOST_CLASSES = 8
"""Classes of a figure of depth profiles."""

LEVEL = 0.9


def samples_section(run: RunFolder, target: Target) -> Section | None:
    """The profiles and covariates behind the map."""
    blocks: list[Block] = []
    decades = run.table("decades")
    if decades is not None:
        blocks += [heading("When they were sampled"), *_folded(_decades(decades, target), "Samples")]
    blocks += shows([*_biomes(run), *_correlations(run)])
    blocks += shows(_texture(run, target))
    return section("samples", "The samples behind the map", "Samples", blocks)


def patterns_section(run: RunFolder) -> Section | None:
    """How the stock lies over the region, the depth and the periods."""
    blocks: list[Block] = []
    blocks += _folded(_areas(run), "Area by class")
    blocks += _strips(run)
    blocks += _series(run)
    return section("patterns", "Where the carbon lies", "Patterns", blocks)


def depth_pictures(run: RunFolder) -> list[tuple[str, tuple[Picture, ...]]]:
    """For each division its profile by depth and the share of each layer."""
    table = run.table("depth_profiles")
    if table is None:
        return []
    found: list[tuple[str, tuple[Picture, ...]]] = []
    for place, by in enumerate(dict.fromkeys(table["by"])):
        rows = table[table["by"] == by]
        if len(rows[["top_cm", "bottom_cm"]].drop_duplicates()) < 2:
            continue
        # The largest share of the whole is not known here: classes in their order.
        names = list(dict.fromkeys(rows["class_name"]))
        kept = rows[rows["class_name"].isin(names[:MOST_CLASSES])]
        kind = {"modelled": "modelled interval"}.get(str(rows["interval"].iloc[0]), "fully correlated bound")
        interval = f"{kind} of the mean of the class, {percent(LEVEL)}"
        pictures = (profile_picture(kept, interval=interval, name=f"depth_by_class_{place}.png"),
                    share_picture(kept, name=f"depth_shares_{place}.png"))  # fmt: skip
        title = "Everything" if by == "all" else f"By {by}"
        left = f" (the first {MOST_CLASSES} of {len(names)} classes)" if len(names) > MOST_CLASSES else ""
        found.append((title + left, pictures))
    return found


def _folded(pictures: list[Picture], words: str) -> list[Block]:
    """The last two pictures open (the deepest layers), the others below a summary."""
    return [*shows(pictures[-2:]), *shows(pictures[:-2], folded=f"{words}, other layers ({len(pictures) - 2})")]


def _decades(table: pd.DataFrame, target: Target) -> list[Picture]:
    counts = table[list(HISTOGRAM_COLUMNS)]
    means = table[list(SUMMARY_COLUMNS)].drop_duplicates(["decade", "top_cm", "bottom_cm"], ignore_index=True)
    return decade_pictures(counts, means, unit=target.unit)


def _biomes(run: RunFolder) -> list[Picture]:
    table = run.table("biomes")
    if table is None:
        return []
    mat, rain = (table[name].to_numpy(dtype=np.float64) for name in ("mat_c", "map_mm"))
    return [biome_picture(mat, rain)] if (np.isfinite(mat) & np.isfinite(rain)).any() else []


def _correlations(run: RunFolder) -> list[Picture]:
    table = run.table("correlations")
    if table is None or len(table) < 2:
        return []
    names = [name for name in table["covariate"] if name in table]
    matrix = table.set_index("covariate").loc[names, names].apply(pd.to_numeric, errors="coerce")
    threshold = run.setting("model", "screen", "correlation")
    limit = float(threshold) if isinstance(threshold, (int, float)) and not isinstance(threshold, bool) else None
    return [correlation_picture(matrix, threshold=limit)]


def _texture(run: RunFolder, target: Target) -> list[Picture]:
    table = run.table("texture_groups")
    if table is None:
        return []
    found = []
    for (top, bottom), rows in table.groupby(["top_cm", "bottom_cm"], sort=True):
        own = rows[rows["n"] > 0]
        if own.empty:
            continue
        layer, unit = layer_text(float(str(top)), float(str(bottom))), target.unit
        said = "; ".join(f"{r.group} {number(r.mean)} ({plural(int(r.n), 'sample')})" for r in records(own))
        found.append(
            picture_of(
                f"texture_{top:g}-{bottom:g}cm.png",
                diagnostic_figures.groups(own, value=target.name, unit=unit, title=f"{target.name} by texture, {layer}"),
                f"{target.name} by group of texture, {layer}; means{' in ' + unit_text(unit) if unit else ''}: {said}.",
                f"{target.name} of the profiles by group of texture, {layer}: middle half, median and mean. Clay, silt and sand are those "
                "of the same layer.",
            )
        )
    return found


def _areas(run: RunFolder) -> list[Picture]:
    table = run.table("area_by_class")
    if table is None:
        return []
    found = []
    for (top, bottom), rows in table.groupby(["top_cm", "bottom_cm"], sort=False, dropna=False):
        layer = layer_text(float(str(top)), float(str(bottom))) if is_known(top) else ""
        named = rows.assign(map=[name or layer or "this map" for name in rows["map"]])
        if not named["share"].notna().any():
            continue
        stem = f"_{top:g}-{bottom:g}cm" if layer else ""
        found.append(area_picture(named, name=f"area_by_class{stem}.png"))
    return found


def _strips(run: RunFolder) -> list[Block]:
    """Strips of the deepest layer open, those of the others below a summary."""
    by_layer: dict[tuple[float, float], list[Picture]] = {}
    for axis, name in (("lon", "along_longitude"), ("lat", "along_latitude")):
        table = run.table(name)
        for (top, bottom), rows in [] if table is None else table.groupby(["top_cm", "bottom_cm"], sort=False):
            layer = float(str(top)), float(str(bottom))
            named = rows.assign(map=[f"{layer_text(*layer)}{', ' + own if own else ''}" for own in rows["map"]])
            if len(named) > 1:
                by_layer.setdefault(layer, []).append(strip_picture(named, axis=axis, name=f"{name}_{top:g}-{bottom:g}cm.png"))
    if not by_layer:
        return []
    lead = max(by_layer, key=lambda layer: layer[1] - layer[0])
    rest = [picture for layer, pictures in by_layer.items() if layer != lead for picture in pictures]
    return [*shows(by_layer[lead]), *shows(rest, folded=f"Strips of the other layers ({len(rest)})")]


def _series(run: RunFolder) -> list[Block]:
    """Means by period beside published ones, where there are two periods or more."""
    stocks = run.table("stocks")
    if stocks is None or len(run.periods) < 2:
        return []
    kind = "modelled" if stocks.loc[stocks["period"].isin(run.periods), "modelled_low_Tg"].notna().any() else "fully_correlated"
    own = stocks[stocks["period"].isin(run.periods)]
    if own[own["by"] == "all"].empty:
        return []
    ours = period_series(own, low=f"{kind}_low_Tg", high=f"{kind}_high_Tg")
    table = run.table("published")
    theirs = None
    if table is not None:
        rows = table.assign(total=table["published"], by=table["by"].replace("", "all"))
        theirs, _ = published_ranges(rows.drop_duplicates(["name", "quantity", "by", "class", "top_cm", "bottom_cm", "period"]))
    interval = f"{percent(LEVEL)} {'modelled interval' if kind == 'modelled' else 'fully correlated bound'}"
    return _folded(series_pictures(ours, theirs, interval=interval), "Means by period")
