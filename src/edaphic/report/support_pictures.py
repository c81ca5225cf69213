"""Pictures of what stands behind the evidence: distances, coverage at all levels, groups, the variogram of the residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.report import evidence_figures as figures
from edaphic.report.designs import calibrated_by, design_name, designs_of, lead_of
from edaphic.report.evidence import distance_words, group_rows, named
from edaphic.report.facts import ALL_LAYERS, metric
from edaphic.report.figures import DESIGN_COLOURS
from edaphic.report.folder import RunFolder, records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.style import GREEN
from edaphic.report.words import fixed, group_text, is_known, number, percent, quantity, unit_text
from edaphic.validate.variogram import Variogram

_LINE_POINTS = 200


def distances(run: RunFolder) -> Picture | None:
    """Why kNNDM speaks for the map: how far cells and held-out profiles lie from the profiles of the training set."""
    table = run.table("knndm")
    if table is None:
        return None
    middle = table[["gij_m", "gj_star_m", "gj_profile_m"]].median()
    parts = [("cells of the map", "gij_m"), ("folds by kNNDM", "gj_star_m"), ("folds by profile", "gj_profile_m")]
    told = ", ".join(f"{label} {quantity(float(middle[column]), 'm')}" for label, column in parts if is_known(float(middle[column])))
    return picture_of(
        "distances.png",
        figures.distances(table),
        f"Distance to the nearest profile of the training set, as shares; medians: {told}.",
        "A test speaks for the map where its held-out profiles lie as far from the training set as the cells of the map do: where "
        f"its line follows the black one. A line to the left of it asks for less than the map does. {distance_words(run)} "
        f"Blocks are not drawn{_block_words(run)}.",
    )


def _block_words(run: RunFolder) -> str:
    side = run.designs.get("block_km")
    return f"; their side is {quantity(side, 'km')}" if is_known(side) else ""


def curves(run: RunFolder) -> list[Picture]:
    """Coverage at all levels over all layers, in the design that calibrates (else the headline): of intervals and of quantiles."""
    table = run.table("curves")
    if table is None:
        return []
    used = calibrated_by(run)
    design = used if used in set(table["design"]) else next(iter(designs_of(run, "curves")), "")
    rows = table[table["design"] == design]
    layer = ALL_LAYERS if (rows["layer"] == ALL_LAYERS).any() else rows["layer"].iloc[0]
    rows = rows[rows["layer"] == layer].sort_values("level", kind="stable")
    raw, adjusted = (rows[rows["quantiles"] == stage] for stage in ("raw", "adjusted"))
    found = []
    for score, title, what in (
        ("picp", "Intervals of every level", "observations inside intervals of each level (PICP)"),
        ("qcp", "Quantiles of every level", "observations below quantiles of each level (QCP)"),
    ):
        if adjusted[score].isna().all():
            continue
        colour = DESIGN_COLOURS.get(design, GREEN)
        g = [float(part["g_statistic"].iloc[0]) if len(part) else np.nan for part in (raw, adjusted)]
        told = ""
        if score == "picp" and is_known(g[1]):
            told = f" G, 1 where all levels hold, is {fixed(g[0], 3)} before and {fixed(g[1], 3)} after."
        reading = (
            "Above the diagonal the intervals are wider than they say, below it narrower."
            if score == "picp"
            else "It tells the two sides of an interval apart: above the diagonal a quantile lies too high, below it too low."
        )
        found.append(
            picture_of(
                f"curve_{score}.png",
                figures.coverage_curve(raw, adjusted, score=score, title=title, colour=colour),
                f"Share of {what}, {design_name(design)} design, {layer}, before and after adjustment, beside the diagonal.",
                f"Share of {what}, {design_name(design)} design, {group_text(layer)}. {reading}{told}",
            )
        )
    return found


def groups(run: RunFolder) -> Picture | None:
    """RMSE by group in the headline."""
    lead = lead_of(run, "groups")
    rows = group_rows(run, lead)
    if rows is None:
        return None
    rows = rows.assign(group=[named(run, group) for group in rows["group"]])
    overall, unit = metric(run, lead, "rmse"), next((unit for unit in rows["unit"] if unit), "")
    colour = DESIGN_COLOURS.get(lead, GREEN)
    return picture_of(
        "groups.png",
        figures.groups(rows, overall=overall, unit=unit, title=f"Error by group, {design_name(lead)} design", colour=colour),
        f"RMSE by group in the {design_name(lead)} design: from {number(float(rows['rmse'].min()))} to "
        f"{quantity(float(rows['rmse'].max()), unit)}.",
        "RMSE over all layers in each group, with its 95 % bootstrap interval; in brackets the number of profiles. A group of richer "
        "soils has the larger error without being mapped worse: MEC and bias are in the table.",
    )


def variograms(run: RunFolder) -> list[Picture]:
    """Semivariances of the out-of-fold errors of each layer and the variogram fitted to them."""
    table, told = run.table("variogram"), run.variogram.get("layers")
    if table is None or not isinstance(told, Mapping):
        return []
    log = run.variogram.get("scale") == "log"
    return [
        _variogram(layer, table[table["layer"] == layer], fields, log)
        for layer, fields in told.items()
        if isinstance(fields, Mapping) and (table["layer"] == layer).any()
    ]


def _variogram(layer: str, rows: pd.DataFrame, fields: Mapping[str, Any], log: bool) -> Picture:
    try:
        fitted = Variogram.from_dict(fields)
    except (ModelError, KeyError, TypeError):
        fitted = None
    rows = rows[rows["gamma"].notna() & rows["distance_m"].notna()]
    apart = fitted is not None and fitted.anisotropy_ratio < 1.0 and bool(rows["direction_deg"].notna().any())
    nugget = fitted.nugget if fitted is not None else 0.0
    file = "".join(letter if letter.isalnum() else "_" for letter in layer)
    return picture_of(
        f"variogram_{file}.png",
        figures.variogram(
            _points(rows, directed=apart),
            [] if fitted is None else _lines(fitted, float(rows["distance_m"].max()), directed=apart),
            nugget=nugget,
            title=f"Residuals, {group_text(layer)}",
            label="semivariance" + (" (of the logarithm)" if log else ""),
        ),
        f"Variogram of the out-of-fold errors in {layer}: {_fit_words(fitted)}",
        f"Out-of-fold errors{' of the logarithm' if log else ''}, {group_text(layer)}. {_fit_words(fitted)}",
    )


def _points(rows: pd.DataFrame, *, directed: bool) -> dict[str, figures.LagPoints]:
    if not directed:
        # Lags within a place stand in both tables, with and without directions.
        return {"all directions": _lags(rows[rows["direction_deg"].isna()].drop_duplicates("distance_m"))}
    directions = sorted(rows["direction_deg"].dropna().unique())
    return {f"towards {direction:g}°": _lags(rows[rows["direction_deg"] == direction]) for direction in directions}


def _lags(rows: pd.DataFrame) -> figures.LagPoints:
    distance, gamma, pairs = (rows[name].to_numpy(dtype=np.float64) for name in ("distance_m", "gamma", "pairs"))
    return figures.LagPoints(distance, gamma, np.where(np.isfinite(pairs), pairs, np.inf))


def _lines(fitted: Variogram, far: float, *, directed: bool) -> list[figures.FittedLine]:
    x: NDArray[np.float64] = np.linspace(far / _LINE_POINTS, far, _LINE_POINTS)
    along = figures.FittedLine(x, np.asarray(fitted.gamma(x)), "fitted, along" if directed else "fitted")
    if not directed:
        return [along]
    # Across, the same semivariance is reached at a shorter distance.
    return [along, figures.FittedLine(x, np.asarray(fitted.gamma(x / fitted.anisotropy_ratio)), "fitted, across")]


def _fit_words(fitted: Variogram | None) -> str:
    if fitted is None:
        return "No variogram was fitted."
    if fitted.partial_sill == 0.0 or fitted.range_m == 0.0:
        return f"Nugget only ({number(fitted.nugget)}): errors of neighbours are no more alike than those of places far apart."
    text = (
        f"{fitted.model.capitalize()}: nugget {number(_nugget(fitted))}, {percent(fitted.nugget / fitted.sill)} of the sill "
        f"{number(fitted.sill)}; range {quantity(fitted.range_m / 1000.0, 'km')}"
    )
    if fitted.anisotropy_ratio < 1.0:
        across = quantity(fitted.range_m * fitted.anisotropy_ratio / 1000.0, "km")
        text += f" along {fitted.anisotropy_angle_deg:.0f}° from north, {across} across"
    text += "" if fitted.levels_off else "; the range lies beyond the distances that were looked at, and is a guess"
    return text + "."


def _nugget(fitted: Variogram) -> float:
    """Zero where next to nothing of the sill."""
    return fitted.nugget if fitted.nugget > 1e-6 * fitted.sill else 0.0


def variogram_words(run: RunFolder) -> str:
    """What the variogram is for."""
    if not variograms_told(run):
        return ""
    unit = next((unit for unit in [r.unit for r in records(run.table("metrics")) if r.scale != "log"] if unit), "")
    scale = "the logarithm" if run.variogram.get("scale") == "log" else f"the target{f' ({unit_text(unit)})' if unit else ''}"
    return (
        f"How unlike two out-of-fold errors of {scale} are, by their distance. Where the curve rises, errors of neighbours go together, "
        "and totals are less sure than if they were independent. The nugget holds what differs within a place: errors of the "
        "observations and soil that changes over short distances. Hollow points rest on fewer than thirty pairs of places."
    )


def variograms_told(run: RunFolder) -> bool:
    """Whether the run has a variogram to show."""
    return run.table("variogram") is not None and isinstance(run.variogram.get("layers"), Mapping)
