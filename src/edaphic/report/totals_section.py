"""Totals and how sure they are: three intervals by name, and what the one that is modelled rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from edaphic.errors import ModelError
from edaphic.report.account_figures import INTERVALS, forest, score_variogram, worst_first
from edaphic.report.facts import BOUNDS_LEVEL, of_lead_period, stock_rows
from edaphic.report.folder import RunFolder, records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.section import Block, Section, lists, says, section, shows
from edaphic.report.tables import PageTable, dense, made
from edaphic.report.words import bounds, capital, count, fixed, is_known, layer_text, number, percent, period_words, quantity
from edaphic.validate.variogram import Variogram

MOST_CLASSES = 12
"""Classes of a forest plot."""

_POINTS = 200


def known_intervals(table: pd.DataFrame) -> list[str]:
    """Which of the three intervals a stock table has."""
    return [name for name in INTERVALS if f"{name}_low_Tg" in table and table[f"{name}_low_Tg"].notna().any()]


def interval_terms(run: RunFolder) -> list[tuple[str, str]]:
    """What each interval of a total is, a sentence or two each; none where a run has no intervals."""
    rows = stock_rows(run)
    if rows is None:
        return []
    level = percent(BOUNDS_LEVEL)
    if run.totals:
        alike = "errors are alike over the distance that held-out profiles show, and not beyond. "
    else:
        alike = "those of Monte Carlo, whose inputs err alike over the distance that the recipe states. "
    told = {
        "independent": f"{level} interval if the errors of the cells had nothing to do with each other: they cancel in the sum. "
        "Too narrow, for neighbours err alike.",
        "modelled": f"{percent(_level(run))} interval from realisations of the total: {alike}"
        "Of the three this is the one that is meant as the uncertainty of the total.",
        "fully_correlated": f"{level} interval if every cell erred in one direction at once: the sum of the limits of the cells. "
        "Too wide, unless something that all profiles share is wrong. Many published totals have this one.",
    }
    return [(capital(INTERVALS[name]), told[name]) for name in known_intervals(rows)]


def _level(run: RunFolder) -> float:
    level = run.totals.get("interval")
    return float(level) if is_known(level) and level is not None else BOUNDS_LEVEL


def forests(run: RunFolder) -> list[Picture]:
    """The intervals of the total of each layer, and of each class over the whole depth, of the last period."""
    rows = stock_rows(run)
    table = run.table("stocks")
    if rows is None or table is None or not known_intervals(rows):
        return []
    named = rows.assign(label=[layer_text(r.top_cm, r.bottom_cm) for r in records(rows)])
    found = [_forest(named, "layers", "Totals by layer", "by layer")]
    here = of_lead_period(run, table)
    for place, by in enumerate(name for name in dict.fromkeys(here["by"]) if name != "all"):
        last = rows.iloc[-1]
        own = here[(here["by"] == by) & (here["top_cm"] == last["top_cm"]) & (here["bottom_cm"] == last["bottom_cm"])]
        own = own[own["total_Tg"] > 0.0].rename(columns={"class": "code"})
        if own.empty or not known_intervals(own):
            continue
        kept = worst_first(own, "total_Tg", MOST_CLASSES)
        kept = kept.assign(label=[r.class_name or r.code for r in records(kept)])
        depth = layer_text(float(last["top_cm"]), float(last["bottom_cm"]))
        left = f" The {MOST_CLASSES} largest of {len(own)} classes are drawn." if len(own) > MOST_CLASSES else ""
        found.append(_forest(kept, f"classes_{place}", f"Totals by {by}, {depth}", f"by {by}, {depth}", left))
    return found


def _forest(rows: pd.DataFrame, name: str, title: str, words: str, left: str = "") -> Picture:
    told = []
    for r in records(rows):
        parts = [
            f"{INTERVALS[kind]} {bounds(getattr(r, f'{kind}_low_Tg'), getattr(r, f'{kind}_high_Tg'))}"
            for kind in known_intervals(rows)
            if is_known(getattr(r, f"{kind}_low_Tg"))
        ]
        told.append(f"{r.label} {quantity(r.total_Tg, 'Tg')}" + (f" ({', '.join(parts)})" if parts else ""))
    return picture_of(
        f"totals_{name}.png",
        forest(rows, title=title),
        f"Mapped totals {words} with their intervals in Tg: {'; '.join(told)}.",
        f"The mapped total (upright line) {words}, and its intervals.{left}",
    )


def totals_section(run: RunFolder) -> Section | None:
    """What the modelled interval rests on; None where no totals were modelled."""
    if not run.totals and run.table("totals") is None:
        return None
    return section(
        "totals",
        "How sure the totals are",
        "Totals",
        [
            *says(
                "A map errs in patches: where it is too high, it is mostly too high around. How far such a patch reaches decides how much "
                "cancels in a total. The held-out errors of the profiles tell it: each is expressed as a score, a standard normal number "
                "wherever the interval of its cell holds, and the variogram of the scores gives their range."
            ),
            *shows(_variogram(run)),
            *_facts(run),
            *lists(_correlations(run), folded="Correlation of the errors of layers"),
            *lists(_modelled(run), folded="Modelled totals, with their standard deviations", whole="tables/totals.csv"),
            *says(*_notes(run), note=True),
        ],
    )


def _fitted(run: RunFolder) -> Variogram | None:
    told = run.totals.get("variogram_of_scores")
    if not isinstance(told, Mapping):
        return None
    names = ("model", "nugget", "partial_sill", "range_m", "anisotropy_ratio", "anisotropy_angle_deg", "measurement_variance")
    try:
        return Variogram.from_dict({name: told[name] for name in names if name in told})
    except (ModelError, KeyError, TypeError):
        return None


def effective_range_m(fitted: Variogram) -> float:
    """Distance at which the correlation has fallen to a twentieth, along the longest direction (m); 0 without any."""
    if fitted.partial_sill <= 0.0 or fitted.range_m <= 0.0:
        return 0.0
    low, high = 0.0, fitted.range_m
    while _left(fitted, high) > 0.05 and high < 1e9:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _left(fitted, middle) > 0.05 else (low, middle)
    return high


def _left(fitted: Variogram, distance: float) -> float:
    """What is left of the correlated part at a distance, as a share of it."""
    gamma = float(np.asarray(fitted.gamma(np.array([distance])))[0])
    return (fitted.nugget + fitted.partial_sill - gamma) / fitted.partial_sill


def _shares(run: RunFolder) -> list[tuple[str, float]]:
    names = {"measurement_share": "error of observation", "nugget_share": "differs from point to point", "field_share": "alike nearby"}
    return [(words, float(share)) for name, words in names.items() if is_known(share := run.totals.get(name)) and share is not None]


def _variogram(run: RunFolder) -> list[Picture]:
    fitted, parts = _fitted(run), _shares(run)
    if fitted is None or len(parts) != 3:
        return []
    reach = effective_range_m(fitted)
    far = 1.6 * reach if reach > 0.0 else 1.0e5
    x = np.linspace(far / _POINTS, far, _POINTS)
    told = "; ".join(f"{name} {percent(share)}" for name, share in parts)
    words = f"correlation falls to a twentieth within {quantity(reach / 1000.0, 'km')}" if reach > 0.0 else "no correlation in space"
    return [
        picture_of(
            "totals_variogram.png",
            score_variogram(
                x, np.asarray(fitted.gamma(x)) - fitted.nugget, parts=parts, range_m=reach, title="Over what distance errors are alike"
            ),
            f"Variogram of the scores of held-out errors: {words}. Variance: {told}.",
            f"Fitted variogram of the scores ({fitted.model}): {words}. Only the part that is alike nearby stays in a total of many cells; "
            "what differs from point to point cancels, and the error of observation is none of the map's.",
        )
    ]


def _facts(run: RunFolder) -> list[Block]:
    told, fitted = run.totals, _fitted(run)
    terms: list[tuple[str, str]] = []
    if fitted is not None and (reach := effective_range_m(fitted)) > 0.0:
        words = f"{quantity(reach / 1000.0, 'km')}, where the correlation has fallen to a twentieth."
        if fitted.anisotropy_ratio < 1.0:
            across = quantity(reach * fitted.anisotropy_ratio / 1000.0, "km")
            words += f" Across the direction of {number(fitted.anisotropy_angle_deg)}° it is {across}."
        terms.append(("Range", words))
    if parts := _shares(run):
        terms.append(("Variance of a held-out error", ", ".join(f"{name} {percent(share)}" for name, share in parts)))
    trend = told.get("trend_share")
    if isinstance(trend, Mapping) and is_known(trend.get("mean")):
        many = f" ({count(told.get('forests'))} forests refitted to other samples of the profiles)" if is_known(told.get("forests")) else ""
        largest = f", at most {percent(trend.get('largest'), 1)}" if is_known(trend.get("largest")) else ""
        terms.append(("Error of the trend", f"{percent(trend.get('mean'), 1)} of the variance on average{largest}{many}."))
    elif is_known(trend):
        terms.append(("Error of the trend", f"{percent(trend, 1)} of the variance."))
    if is_known(told.get("realisations")):
        where = f" on {count(told.get('blocks'))} blocks of cells" if is_known(told.get("blocks")) else ""
        given = ", given the errors at the profiles" if told.get("conditional") is True else ""
        terms.append(("Realisations", f"{count(told.get('realisations'))}{where}{given}."))
    return [Block(terms=tuple(terms))] if terms else []


def _correlations(run: RunFolder) -> PageTable | None:
    matrix, layers = run.totals.get("correlation_of_layers"), run.totals.get("layers")
    if not isinstance(matrix, list) or len(matrix) < 2:
        return None
    names = [layer_text(*layer) for layer in layers] if isinstance(layers, list) and len(layers) == len(matrix) else []
    names = names or [f"layer {place}" for place in range(1, len(matrix) + 1)]
    return made("", ("Layer", *names), [(name, *(fixed(value) for value in row)) for name, row in zip(names, matrix, strict=True)])


def _modelled(run: RunFolder) -> PageTable | None:
    table = run.table("totals")
    if table is None:
        return None
    body = [
        (
            "all" if r.by == "all" else f"{r.by}: {r.class_name or r.code}", layer_text(r.top_cm, r.bottom_cm),
            period_words(r.period), number(r.total_Tg), bounds(r.modelled_low_Tg, r.modelled_high_Tg), number(r.modelled_sd_Tg),
            number(r.fully_correlated_sd_Tg), _ratio(r.modelled_sd_Tg, r.fully_correlated_sd_Tg), number(r.profiles_shift_Tg),
        )
        for r in records(table.rename(columns={"class": "code"}))
    ]  # fmt: skip
    columns = (
        "Class", "Layer", "Period", "Total (Tg)", "Modelled interval (Tg)", "Its sd (Tg)", "Fully correlated sd (Tg)",
        "Ratio of the two", "What the profiles would move it by (Tg)",
    )  # fmt: skip
    return dense("", columns, body, (0, 1, 2))


def _ratio(one: float, other: float) -> str:
    return fixed(one / other) if is_known(one) and is_known(other) and other > 0.0 else fixed(math.nan)


def _notes(run: RunFolder) -> list[str]:
    notes = run.totals.get("notes")
    return [f"{capital(str(note)).rstrip('.')}." for note in notes] if isinstance(notes, list) else []
