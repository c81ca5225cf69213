"""The diagnostics as pictures: each figure with the words that stand for it where it cannot be seen, and a caption with its limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.account.describe.biomes import BIOMES, OUTSIDE, Biome, biome_counts, classify_biomes
from edaphic.report import diagnostic_figures as figures
from edaphic.report import stock_figures
from edaphic.report.folder import records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.words import capital, layer_text, listing, number, percent, period_words, plural, quantity, unit_text

Layer = tuple[float, float]

_MOST_SAID = 6
"""Things that an alternative text names; of more it says how many there are."""


def decade_pictures(counts: pd.DataFrame, means: pd.DataFrame, *, unit: str = "kg/m2") -> list[Picture]:
    """Histograms of samples by decade, one picture for each layer (S1.39).

    Parameters
    ----------
    counts, means : DataFrame
        Of :func:`edaphic.account.describe.diagnostics.decade_histograms`.
    unit : str
        Of the values.

    Returns
    -------
    list of Picture, layers from the top down
    """
    found = []
    for top, bottom in _layers(means):
        rows = means[(means["top_cm"] == top) & (means["bottom_cm"] == bottom)]
        said = "; ".join(
            f"{period_words(str(name))} {number(float(mean))} ({plural(int(n), 'sample')})"
            for name, mean, n in zip(rows["decade"], rows["mean"], rows["n"], strict=True)
        )
        found.append(
            picture_of(
                f"samples_{_stem(top, bottom)}.png",
                figures.decades(counts, means, unit=unit, layer=(top, bottom)),
                f"Histograms of samples in {layer_text(top, bottom)} by decade; means in {unit_text(unit)}: {said}.",
                f"Samples of {layer_text(top, bottom)} by decade; dashed: their mean; the last bar holds all larger values. "
                "Decades were sampled at different places, so their means are no change of the soil.",
            )
        )
    return found


def area_picture(table: pd.DataFrame, *, unit: str = "kg/m2", name: str = "area_by_class.png") -> Picture:
    """Area by class of stock in each map (S1.39, S3.28); a table of :func:`edaphic.account.describe.transects.area_by_class`."""
    known = table[table["share"].notna()]
    best = known.loc[known.groupby("map", sort=False)["share"].idxmax()]
    said = _said(
        [
            f"{period_words(str(row.map))}: {percent(float(row.share))} of the area with {stock_figures.class_text(row.low, row.high)}"
            for row in records(best)
        ],
        "maps",
    )
    return picture_of(
        name,
        stock_figures.area_shares(table, unit=unit, title="Area by class of stock"),
        f"Bars of the area by class of stock ({unit_text(unit)}). Largest class of {said}.",
        "Share of the mapped area in each class of the mean map, by true area. Maps of means have fewer high and low values than "
        "soils have.",
    )


def strip_picture(table: pd.DataFrame, *, axis: str = "lon", unit: str = "kg/m2", name: str | None = None) -> Picture:
    """Mean and variance of maps along longitude or latitude (S1.39); a table of :func:`edaphic.account.describe.transects.along`."""
    word = {"lon": "longitude", "lat": "latitude"}[axis]
    parts = []
    for own, rows in table.groupby("map", sort=False):
        mean, place = (rows[column].to_numpy(dtype=np.float64) for column in ("mean", "low_deg"))
        least, most = int(mean.argmin()), int(mean.argmax())
        said = f"{own} from {number(float(mean[least]))} at {place[least]:g} to {quantity(float(mean[most]), unit)}"
        parts.append(f"{said} at {place[most]:g} degrees")
    return picture_of(
        name or f"along_{word}.png",
        figures.strips(table, axis=axis, unit=unit_text(unit), title=f"Mean and variance along {word}"),
        f"Lines of the mean and of the variance along {word}. Means: {_said(parts, 'maps')}.",
        f"Mean of the map in strips of {word}, and the variance of its cells within each, by true area. The variance is spread over space, "
        "no error of the map.",
    )


def biome_picture(
    mat_c: NDArray[np.float64], map_mm: NDArray[np.float64], biomes: Sequence[Biome] = BIOMES, *, name: str = "biomes.png"
) -> Picture:
    """Profiles in the plane of climate over biomes (S1.39)."""
    counts = biome_counts(classify_biomes(mat_c, map_mm, biomes), biomes)
    there = counts[counts["profiles"] > 0].sort_values("profiles", ascending=False, kind="stable")
    said = _said([f"{row.biome} {row.profiles:,}" for row in records(there)], "biomes")
    empty = counts[(counts["profiles"] == 0) & ~counts["biome"].isin([OUTSIDE, "unknown"])]["biome"].tolist()
    own = list(biomes) == list(BIOMES)
    return picture_of(
        name,
        figures.whittaker(mat_c, map_mm, biomes, title="Profiles by climate"),
        f"Profiles by mean annual temperature and precipitation, over biomes. Profiles in each: {said}.",
        ("Biomes by simple limits after the order of Whittaker (1975), not his curves. " if own else "Biomes as given. ")
        + (f"Without a profile: {listing(empty)}." if empty else "Each has a profile."),
    )


def correlation_picture(matrix: pd.DataFrame, *, threshold: float | None = None, name: str = "correlations.png") -> Picture:
    """Pearson matrix of the covariates (S1.39)."""
    values = matrix.to_numpy(dtype=np.float64)
    upper = np.triu(np.isfinite(values), 1)
    pairs = [(abs(values[i, j]), i, j) for i, j in np.argwhere(upper)]
    strongest = sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))[:3]
    said = "; ".join(f"{matrix.index[i]} and {matrix.columns[j]} {number(float(values[i, j]), 2)}" for _, i, j in strongest)
    shown = min(len(matrix), figures._MOST_NAMES)
    framed = f" Framed: above {threshold:g}, of which one is left out." if threshold is not None else ""
    part = f" The first {shown} of {len(matrix)} are drawn." if shown < len(matrix) else ""
    return picture_of(
        name,
        figures.correlation_matrix(matrix, title="Covariates among each other", threshold=threshold),
        f"Matrix of the correlations of {plural(len(matrix), 'covariate')} at the profiles. Strongest: {said or 'none known'}.",
        f"Pearson correlation at the profiles. Grey: constant, or too few values.{framed}{part}",
    )


def group_picture(
    table: pd.DataFrame, *, value: str, unit: str = "", letters: Sequence[str] | None = None, test: str = "", name: str = "groups.png"
) -> Picture:
    """A value by group of texture, or any other (S2.8, S2.28); a table of :func:`edaphic.account.describe.diagnostics.by_texture`."""
    said = _said([f"{row.group} {number(float(row.mean), 4)} (n = {row.n:,})" for row in records(table)], "groups")
    tested = f" Groups with a letter in common do not differ ({test})." if letters is not None else ""
    return picture_of(
        name,
        figures.groups(table, value=value, unit=unit, title=f"{capital(value)} by group", letters=letters),
        f"{capital(value)} by group; means{f' in {unit_text(unit)}' if unit else ''}: {said}.",
        f"{capital(value)} by group: middle half, median and mean of the samples.{tested}",
    )


def share_picture(table: pd.DataFrame, *, name: str = "depth_shares.png") -> Picture:
    """Shares of the layers by class (S3 figure of depth shares); a table of :func:`edaphic.account.describe.series.depth_profiles`."""
    parts = []
    for own, rows in table.groupby("class_name", sort=False):
        parts.append(f"{own} " + ", ".join(percent(float(share)) for share in rows["share"]))
    layers = listing([layer_text(top, bottom) for top, bottom in _layers(table)])
    return picture_of(
        name,
        stock_figures.share_bars(table, title="Where in the profile the carbon lies"),
        f"Bars of the share of each layer ({layers}) in the stock. From the top down: {_said(parts, 'classes')}.",
        "Share of each layer in the stock of all layers together.",
    )


def profile_picture(table: pd.DataFrame, *, interval: str, name: str = "depth_by_class.png") -> Picture:
    """Carbon by depth in each class; ``interval`` says what the lines are (such as "fully correlated bound of the 90 % interval")."""
    parts = []
    for own, rows in table.groupby("class_name", sort=False):
        parts.append(f"{own} " + ", ".join(number(float(value)) for value in rows["density_kg_m3"]))
    return picture_of(
        name,
        stock_figures.profiles_by_class(table, title="Depth profile by class"),
        f"Carbon per volume by depth in {plural(len(parts), 'class', 'classes')}; in kg/m³ from the top down: {_said(parts, 'classes')}.",
        f"Mean SOC density of each layer (stock over thickness, so that layers of different thickness compare). Lines: {interval}.",
    )


def series_pictures(ours: pd.DataFrame, published: pd.DataFrame | None = None, *, interval: str) -> list[Picture]:
    """Mean stock by period beside published ranges (S1.38), one picture for each layer.

    Parameters
    ----------
    ours : DataFrame
        Of :func:`edaphic.account.describe.series.period_series`.
    published : DataFrame, optional
        Of :func:`edaphic.account.describe.series.published_ranges`.
    interval : str
        What the band is.

    Returns
    -------
    list of Picture
    """
    found = []
    for top, bottom in _layers(ours):
        rows = ours[(ours["top_cm"] == top) & (ours["bottom_cm"] == bottom)]
        said = _said([f"{period_words(str(row.period))} {number(float(row.mean_kg_m2))}" for row in records(rows)], "periods", most=12)
        beside = 0 if published is None else int(((published["top_cm"] == top) & (published["bottom_cm"] == bottom)).sum())
        found.append(
            picture_of(
                f"series_{_stem(top, bottom)}.png",
                stock_figures.time_series(ours, published, layer=(top, bottom), title=f"Mean stock by period, {layer_text(top, bottom)}"),
                f"Mean stock of {layer_text(top, bottom)} by period in kg/m², beside {plural(beside, 'published value')}: {said}.",
                f"Mean of the map by period; band: {interval}, of each period by itself. Bands that overlap say nothing of change: "
                "errors of periods go together.",
            )
        )
    return found


def _layers(table: pd.DataFrame) -> list[Layer]:
    return [(float(top), float(bottom)) for top, bottom in dict.fromkeys(zip(table["top_cm"], table["bottom_cm"], strict=True))]


def _stem(top: float, bottom: float) -> str:
    return f"{top:g}-{bottom:g}cm"


def _said(parts: Sequence[str], what: str, most: int = _MOST_SAID) -> str:
    """The first parts, and how many more there are."""
    more = f"; and {len(parts) - most} more {what}" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more
