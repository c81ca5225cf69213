"""Change between periods: verdicts, what they would be under other correlations in time, revisited sites, maps, trends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from edaphic.report import map_figures
from edaphic.report.account_figures import sensitivity
from edaphic.report.folder import RunFolder, records
from edaphic.report.maps import read_image
from edaphic.report.pictures import Picture, cells_for_each, picture_of
from edaphic.report.section import Block, Section, heading, lists, says, section, shows
from edaphic.report.tables import PageTable, dense
from edaphic.report.words import (
    MISSING,
    bounds,
    capital,
    count,
    fixed,
    group_text,
    is_known,
    layer_text,
    number,
    percent,
    period_words,
    quantity,
)

UNIT = "kg/m2"

_LAYER = re.compile(r"(?P<top>\d+(?:\.\d+)?)-(?P<bottom>\d+(?:\.\d+)?)cm(?:_(?P<period>.+))?$")
_STATS = (
    ("minimum_detectable", re.compile(r"detectable")), ("p_increase", re.compile(r"p_increase")),
    ("p_adjusted", re.compile(r"p_adjusted|slope_p(_|$)")), ("limit", re.compile(r"(^|_)(low|high|slope_low|slope_high|tau|count)_")),
    ("sd", re.compile(r"(^|_)sd_")), ("slope", re.compile(r"(^|_)slope_")), ("p", re.compile(r"(^|_)p_\d")),
    ("change", re.compile(r"change|(^|_)mean_")),
)  # fmt: skip
"""What a map of change or trend is, by its name; the first that fits."""

_LIKELY = 0.9
"""Probability above which (or below one minus it) a change of a cell is called likely in a caption."""


class ChangeMap(NamedTuple):
    """A map of change or of trend: what it is, its layer (cm), its periods as the name has them, its file."""

    stat: str
    top_cm: float
    bottom_cm: float
    period: str
    path: Path

    @property
    def title(self) -> str:
        """Layer and periods as a heading."""
        when = f", {period_words(self.period.replace('_', ' to '))}" if self.period else ""
        return layer_text(self.top_cm, self.bottom_cm) + when


def change_section(run: RunFolder) -> Section | None:
    """The section; None where the run compares no periods."""
    blocks: list[Block] = []
    table = run.table("change")
    if table is not None:
        blocks += says(*verdict_words(table))
        blocks += lists(_totals(table), whole="tables/change.csv")
        blocks += says(_reading(table), note=True)
    blocks += shows(_sensitivities(run))
    blocks += _revisits(run)
    blocks += _sites(run)
    blocks += _maps(run)
    blocks += _trend(run)
    return section("change", "Change between periods", "Change", blocks)


def verdict_words(table: pd.DataFrame) -> list[str]:
    """The verdict on the total of each pair of periods, in one sentence each; over the whole depth where there are several layers."""
    rows = table[table["by"] == "all"]
    found = []
    for (first, last), part in rows.groupby(["from_period", "to_period"], sort=False):
        r: Any = list(records(_whole(part)))[-1]
        start = f"{period_words(str(first))} to {period_words(str(last))}, {layer_text(r.top_cm, r.bottom_cm)}: "
        changed = f"{_signed(r.change_Tg)} Tg"
        if not is_known(r.rho):
            found.append(
                f"{start}the maps differ by {changed}, but {_unknown(r.verdict)}. The figure below shows what each correlation would mean."
            )
            continue
        level = f"{percent(r.level)} interval " if is_known(r.level) else "interval "
        found.append(
            f"{start}{r.verdict}. The total changed by {changed} ({level}{_signed(r.low_Tg)} to {_signed(r.high_Tg)}); the probability of "
            f"an increase is {fixed(r.p_increase)}. A change smaller than {quantity(r.minimum_detectable_Tg, 'Tg')} could not "
            "have been seen."
        )
    return found


def _unknown(verdict: str) -> str:
    return verdict if verdict else "nothing can be inferred: the correlation of errors in time is not known"


def _signed(value: object) -> str:
    text = number(value)
    return f"+{text}" if isinstance(value, float) and value > 0.0 and text != MISSING else text


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the deepest layer, that holds all others where there is one."""
    hull = rows[(rows["top_cm"] == rows["top_cm"].min()) & (rows["bottom_cm"] == rows["bottom_cm"].max())]
    return hull if len(hull) else rows


def _totals(table: pd.DataFrame) -> PageTable:
    body = [
        (
            f"{period_words(r.from_period)} to {period_words(r.to_period)}",
            "all" if r.by == "all" else f"{r.by}: {r.class_name or r.code}",
            layer_text(r.top_cm, r.bottom_cm), number(r.before_Tg), number(r.after_Tg), _signed(r.change_Tg), bounds(r.low_Tg, r.high_Tg),
            fixed(r.p_increase), number(r.minimum_detectable_Tg), "nothing can be inferred" if not is_known(r.rho) else r.verdict,
        )
        for r in records(table.rename(columns={"class": "code"}))
    ]  # fmt: skip
    columns = (
        "Periods", "Class", "Layer", "Before (Tg)", "After (Tg)", "Change (Tg)", "Its interval (Tg)", "Probability of increase",
        "Smallest detectable (Tg)", "Verdict",
    )  # fmt: skip
    return dense("Change of totals", columns, body, (0, 1, 2, 9))


def _reading(table: pd.DataFrame) -> str:
    row: Any = next(iter(records(table)))
    words = (
        "Two maps of one model err alike: where the first is too high, the second mostly is too. How alike decides how sure a change is."
    )
    if is_known(row.rho):
        words += f" The correlation used is {fixed(row.rho)}: {row.rho_origin}."
    elif row.rho_origin:
        words += f" Here it is not known: {row.rho_origin}. State it in the recipe (account.change.correlation), or revisit sites."
    if is_known(row.rho) and is_known(row.power) and is_known(row.level):
        words += f" Smallest detectable: seen at a level of {percent(row.level)} with a power of {percent(row.power)}."
    return words


def _sensitivities(run: RunFolder) -> list[Picture]:
    """Change of the total over the correlation in time, for each pair of periods."""
    table, told = run.table("change_sensitivity"), run.table("change")
    if table is None:
        return []
    rows, found = table[table["by"] == "all"], []
    for place, ((first, last), part) in enumerate(rows.groupby(["from_period", "to_period"], sort=False)):
        own = _whole(part).sort_values("rho", kind="stable").rename(columns={"low_Tg": "low", "high_Tg": "high"})
        if len(own) < 2:
            continue
        layer = layer_text(float(own["top_cm"].iloc[0]), float(own["bottom_cm"].iloc[0]))
        periods = f"{period_words(str(first))} to {period_words(str(last))}"
        said = "; ".join(f"at {r.rho:g} {_signed(r.change_Tg)} ({bounds(r.low, r.high)}): {r.verdict}" for r in records(own))
        found.append(
            picture_of(
                f"change_sensitivity_{place}.png",
                sensitivity(
                    own,
                    column="change_Tg",
                    unit="Tg",
                    known=_known(told, str(first), str(last), run),
                    title=f"Change of {layer}, {periods}",
                ),
                f"Change of the total of {layer} from {periods} in Tg over the correlation in time of the errors: {said}.",
                f"Change of the total, {layer}, {periods}, and its interval, for each correlation in time of the errors. The higher the "
                "correlation, the more errors cancel in the difference.",
            )
        )
    return found


def _known(told: pd.DataFrame | None, first: str, last: str, run: RunFolder) -> tuple[float, float, float] | None:
    """The correlation that was used, with the limits of its estimate where revisited sites gave it."""
    if told is None:
        return None
    rows = told[(told["from_period"] == first) & (told["to_period"] == last) & told["rho"].notna()]
    if rows.empty:
        return None
    visits = run.table("revisits")
    stated = str(rows["rho_origin"].iloc[0]).startswith("stated")
    ends = (np.nan, np.nan) if visits is None or stated else (float(visits["rho_low"].iloc[0]), float(visits["rho_high"].iloc[0]))
    return (float(rows["rho"].iloc[0]), *ends)


def _revisits(run: RunFolder) -> list[Block]:
    table = run.table("revisits")
    if table is None:
        return []
    body = [
        (
            group_text(r.layer), r.lag, count(r.pairs), count(r.places), number(r.mean_lag_years), fixed(r.rho),
            f"{fixed(r.rho_low)} to {fixed(r.rho_high)}" if is_known(r.rho_low) else MISSING, r.verdict,
        )
        for r in records(table)
    ]  # fmt: skip
    columns = ("Layer", "Years between visits", "Pairs", "Places", "Mean lag (years)", "Correlation", "Its interval", "Verdict")
    shown = dense("Correlation in time of the errors at revisited sites", columns, body, (0, 1, 7))
    return [heading("What revisited sites tell"), *lists(shown)]


def _sites(run: RunFolder) -> list[Block]:
    table = run.table("sites_change")
    if table is None:
        return []
    body = [
        (
            text or "all", layer_text(r.top_cm, r.bottom_cm), r.basis, count(r.pairs), count(r.places), _signed(r.mean_change_kg_m2),
            bounds(r.low_kg_m2, r.high_kg_m2), r.verdict,
        )
        for r in records(table)
        for text in (r.class_name,)
    ]  # fmt: skip
    columns = ("Class", "Layer", "Basis", "Pairs", "Places", "Mean change (kg/m²)", "Its interval (kg/m²)", "Verdict")
    return [
        *lists(dense("Change measured at revisited sites", columns, body, (0, 1, 2, 7)), whole="tables/sites_change.csv"),
        *says(
            "These are the profiles themselves, without the map. On fixed depth a soil that is compacted gains carbon without any input; "
            "on equivalent soil mass it does not. Sites are where somebody went twice, which is no sample of the region.",
            note=True,
        ),
    ]


# Maps --------------------------------------------------------------------------------------------------------------------


def maps_in(folder: Path) -> list[ChangeMap]:
    """Maps of change or trend of a folder, by layer and periods; those whose names tell no layer or no known statistic are left out."""
    found = []
    for path in sorted(folder.glob("*.tif")):
        name = _LAYER.search(path.stem)
        stat = next((stat for stat, pattern in _STATS if pattern.search(path.stem)), "limit")
        if name is not None and stat != "limit":
            found.append(ChangeMap(stat, float(name["top"]), float(name["bottom"]), name["period"] or "", path))
    return found


def _grouped(maps: Iterable[ChangeMap]) -> Iterator[tuple[str, dict[str, ChangeMap]]]:
    """Maps of one layer and pair of periods, the whole depth first."""
    groups: dict[tuple[float, float, str], dict[str, ChangeMap]] = {}
    for one in maps:
        groups.setdefault((one.top_cm, -one.bottom_cm, one.period), {}).setdefault(one.stat, one)
    for key in sorted(groups):
        yield next(iter(groups[key].values())).title, groups[key]


def _maps(run: RunFolder) -> list[Block]:
    cells = cells_for_each(run)
    blocks: list[Block] = []
    for place, (title, group) in enumerate(_grouped(maps_in(run.path / "maps" / "change"))):
        pictures = [picture for stat in ("change", "sd", "p_increase", "minimum_detectable") if stat in group
                    for picture in _change_picture(group[stat], title, cells)]  # fmt: skip
        blocks += shows(pictures, folded="" if place == 0 else f"Maps of the change, {title}")
    table = run.table("change_cells")
    if table is not None:
        blocks += lists(_cells(table), folded="Change of cells, by class", whole="tables/change_cells.csv")
    return [heading("Where it changed"), *blocks] if blocks else []


def _change_picture(own: ChangeMap, title: str, cells: int) -> list[Picture]:
    image = read_image(own.path, cells)
    known = image.values[np.isfinite(image.values)]
    if not known.size:
        return []
    name, mean = f"change_{own.path.stem}.png", quantity(image.mean(), UNIT)
    layer = layer_text(own.top_cm, own.bottom_cm)
    if own.stat == "change":
        figure = map_figures.difference_map(image, image.values, title=f"Change, {layer}", label=f"change of the mean ({UNIT})")
        said = f"Change, {title}: red where the later map has more. Mean {mean}."
        return [picture_of(name, figure, f"Map of the change in {title}: mean {mean}.", said)]
    if own.stat == "p_increase":
        figure = map_figures.chance_map(image, title=f"Increase, {layer}", label="probability of an increase")
        rises, falls = (percent(float(share)) for share in ((known > _LIKELY).mean(), (known < 1.0 - _LIKELY).mean()))
        told = f"above {_LIKELY:g} in {rises} of the cells, below {1.0 - _LIKELY:.1f} in {falls}"
        said = f"probability of an increase, {title}: {told}."
        return [picture_of(name, figure, f"Map of the {said}", capital(said))]
    words = {"sd": "standard deviation of the change", "minimum_detectable": "smallest change that could be seen"}[own.stat]
    short = "Uncertainty" if own.stat == "sd" else "Detectable"
    figure = map_figures.width_map(image, title=f"{short}, {layer}", label=f"{words} ({UNIT})")
    return [
        picture_of(
            name, figure, f"Map of the {words} in {title}: mean {mean}.", f"{capital(words)} of a single cell, {title}. Mean {mean}."
        )
    ]


def _cells(table: pd.DataFrame) -> PageTable:
    body = [
        (
            "all" if r.by == "all" else f"{r.by}: {r.class_name or r.code}",
            layer_text(r.top_cm, r.bottom_cm) if is_known(r.top_cm) else "",
            f"{period_words(r.from_period)} to {period_words(r.to_period)}" if r.from_period else "",
            count(r.cells), _signed(r.change_kg_m2), number(r.cell_sd_kg_m2), percent(r.increase_share, 1), percent(r.decrease_share, 1),
            percent(r.not_shown_share, 1),
        )
        for r in records(table.rename(columns={"class": "code"}))
    ]  # fmt: skip
    columns = (
        "Class", "Layer", "Periods", "Cells", "Mean change (kg/m²)", "Mean sd of a cell (kg/m²)", "Area with an increase shown",
        "With a decrease shown", "With no change shown",
    )  # fmt: skip
    return dense("", columns, body, (0, 1, 2))


def _trend(run: RunFolder) -> list[Block]:
    table = run.table("trend")
    cells = cells_for_each(run)
    blocks: list[Block] = []
    for place, (title, group) in enumerate(_grouped(maps_in(run.path / "maps" / "trend"))):
        pictures = [_trend_picture(group[stat], title, cells) for stat in ("slope", "p_adjusted", "p") if stat in group]
        pictures = pictures[:2]
        blocks += shows(pictures, folded="" if place == 0 else f"Maps of the trend, {title}")
    if table is not None:
        blocks += lists(_trends(table), whole="tables/trend.csv")
        blocks += says(*(f"{capital(note).rstrip('.')}." for note in dict.fromkeys(table["note"]) if note), note=True)
    return [heading("Trend over all periods"), *blocks] if blocks else []


def _trend_picture(own: ChangeMap, title: str, cells: int) -> Picture:
    image = read_image(own.path, cells)
    name = f"trend_{own.path.stem}.png"
    if own.stat == "slope":
        mean = quantity(image.mean(), f"{UNIT} per year")
        figure = map_figures.difference_map(image, image.values, title=f"Theil-Sen slope, {title}", label=f"slope ({UNIT} per year)")
        said = f"Theil-Sen slope over the periods, {title}: mean {mean}."
        return picture_of(name, figure, f"Map of the {said}", said)
    known = image.values[np.isfinite(image.values)]
    small = percent(float((known <= 0.05).mean())) if known.size else MISSING
    words = "adjusted p of Mann-Kendall" if own.stat == "p_adjusted" else "p of Mann-Kendall"
    figure = map_figures.width_map(image, title=f"{capital(words)}, {title}", label=words, limits=(0.0, 1.0))
    return picture_of(
        name,
        figure,
        f"Map of the {words} in {title}: at most 0.05 in {small} of the cells.",
        f"{capital(words)}, {title}: at most 0.05 in {small} of the cells.",
    )


def _trends(table: pd.DataFrame) -> PageTable:
    body = [
        (
            "all" if r.by == "all" else f"{r.by}: {r.class_name or r.code}",
            layer_text(r.top_cm, r.bottom_cm) if is_known(r.top_cm) else "",
            count(r.cells), number(r.mean_slope_kg_m2_per_year), percent(r.rising_share, 1), percent(r.falling_share, 1),
            percent(r.shown_rising_share, 1), percent(r.shown_falling_share, 1),
        )
        for r in records(table.rename(columns={"class": "code"}))
    ]  # fmt: skip
    row: Any = next(iter(records(table)))
    rate = f" (false discoveries {percent(row.false_discovery)}, {row.control})" if is_known(row.false_discovery) else ""
    columns = (
        "Class", "Layer", "Cells", "Mean slope (kg/m² per year)", "Area that rises", "That falls", f"Rise shown{rate}", "Fall shown",
    )  # fmt: skip
    return dense("Slope over the periods", columns, body, (0, 1))
