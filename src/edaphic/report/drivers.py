"""The section on what goes with soil carbon: importance, effects, response curves, classes, path models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from edaphic.account.paths import PathResult
from edaphic.errors import RunError
from edaphic.report import driver_pictures as draw
from edaphic.report.class_pictures import class_picture
from edaphic.report.folder import RunFolder, records
from edaphic.report.path_figure import path_pictures
from edaphic.report.pictures import Picture
from edaphic.report.section import Block, Section, heading, lists, says, section, shows
from edaphic.report.tables import PageTable, dense
from edaphic.report.words import capital, count, decimals_for, fixed, group_text, is_known, listing, number, unit_text, with_interval

LEAST_P = 0.001
ASSOCIATION = (
    "Everything here is association: what goes with carbon at the profiles, and what the model makes of it. A covariate may stand for "
    "another one that is not there. Nothing says what carbon would do if one of them were changed."
)
SUBJECTS: Mapping[str, tuple[str, str]] = {
    "soc_stock": ("SOC stock", "kg/m2"),
    "soc": ("SOC content", "g/kg"),
    "beta": ("beta", "1"),
}


def drivers(run: RunFolder) -> Section | None:
    """The section of a run that was asked for drivers; None for others."""
    blocks = [*_importance(run), *_effects(run), *_shap(run), *_curves(run), *_classes(run), *_paths(run)]
    if not blocks:
        return None
    return section("drivers", "What goes with soil carbon", "Drivers", [*says(ASSOCIATION), *blocks, *_notes(run)])


def _notes(run: RunFolder) -> list[Block]:
    """What the stage left out and assumed."""
    path = run.path / "tables" / "drivers.json"
    if not path.is_file():
        return []
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path}: cannot be read ({error}); expected the file as the run wrote it") from error
    notes = told.get("notes") if isinstance(told, dict) else None
    lines = tuple(capital(str(line).rstrip(".")) + "." for line in notes) if isinstance(notes, list) else ()
    return [Block(sentences=lines, folded=f"What was assumed and left out ({len(lines)})", note=True)] if lines else []


def _subject(run: RunFolder) -> tuple[str, str]:
    """What was observed, and its unit."""
    target = str(run.setting("model", "target") or "soc_stock").removeprefix("log_").replace("soc_density", "soc_stock")
    return SUBJECTS.get(target, SUBJECTS["soc_stock"])


def _units(run: RunFolder) -> dict[str, str]:
    return {str(r.name): str(r.unit) for r in records(run.table("covariates"))}


def _layers(table: pd.DataFrame) -> list[str]:
    """Layers of a table, the one that holds the others (or the first) in front."""
    names = [str(name) for name in dict.fromkeys(table["layer"])]
    bounds = {name: ends for name in names if (ends := _ends(name)) is not None}
    if len(bounds) != len(names) or not names:
        return names
    hull = (min(top for top, _ in bounds.values()), max(bottom for _, bottom in bounds.values()))
    whole = [name for name in names if bounds[name] == hull]
    return [*whole, *(name for name in names if name not in whole)]


def _ends(name: str) -> tuple[float, float] | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", name)
    return (float(found[1]), float(found[2])) if found else None


def _marked(picture: Picture, layer: str) -> Picture:
    """A picture of one layer under a name of its own."""
    stem = picture.name.removesuffix(".png")
    return replace(
        picture,
        name=f"{stem}_{re.sub(r'[^0-9A-Za-z.-]+', '_', layer)}.png",
        alt=f"{group_text(f'{layer} cm')}: {picture.alt}",
        caption=f"{group_text(f'{layer} cm')}. {picture.caption}",
    )


def _importance(run: RunFolder) -> list[Block]:
    table = run.table("driver_importance")
    if table is None:
        return []
    blocks = [
        heading("Which covariates the model leans on"),
        *says(
            "A long bar: the model would miss the covariate, or the family, much. Covariates that say the same share their importance, so "
            "a short bar is no proof that one does not matter."
        ),
    ]
    for place, layer in enumerate(dict.fromkeys(table["layer"])):
        own = table[table["layer"] == layer]
        measures = [name for name in ("permutation", "impurity") if (own["measure"] == name).any()]
        found = [draw.importance_picture(own, name) for name in measures]
        found = found if layer == "all" else [_marked(picture, str(layer)) for picture in found]
        blocks += shows(found, folded="" if place == 0 else f"The same in {group_text(f'{layer} cm')}")
    return [*blocks, *lists(_importance_table(table), "Shares of covariates and families", "tables/importance_of_drivers.csv")]


def _importance_table(table: pd.DataFrame) -> PageTable:
    rows = [
        (
            "all layers" if r.layer == "all" else group_text(f"{r.layer} cm"), str(r.level), str(r.name), str(r.measure),
            with_interval(r.share_pct, r.share_low_pct, r.share_high_pct, 1),
            fixed(r.sum_of_members_pct, 1),
        )
        for r in records(table)
    ]  # fmt: skip
    columns = ("Layer", "Level", "Name", "By", "Share of all (%), with its range", "Sum of its members (%)")
    return dense("Importance, all of a level together 100 %", columns, rows, (0, 1, 2, 3))


def _effects(run: RunFolder) -> list[Block]:
    table = run.table("effects")
    if table is None:
        return []
    named = table["class_name"].where(table["class_name"] != "", table["class"])
    pictures = draw.effect_pictures(table.assign(**{"class": named}), _points(run), _units(run))
    return [
        heading("How predictions go along a covariate"),
        *says(
            "Read the shape of a line, not its height alone: a flat line means that the prediction does not move with the covariate. Where "
            "covariates go together, accumulated local effects are the ones to trust."
        ),
        *shows(pictures),
    ]


def _shap(run: RunFolder) -> list[Block]:
    table = run.table("shap_by_depth")
    if table is None:
        return []
    words = (
        "Each cell says how far a covariate moves predictions of a layer up or down, on average; compare down a column to see what leads "
        "at that depth."
    )
    return [heading("What moves predictions, by depth"), *says(words), *shows([draw.shap_picture(table)])]


def _points(run: RunFolder) -> pd.DataFrame | None:
    """Covariates at the profiles."""
    path = run.path / "covariates" / "points.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def _curves(run: RunFolder) -> list[Block]:
    curves, breaks, points, layers = run.table("response_curves"), run.table("change_points"), _points(run), run.tables["layers"]
    if curves is None or breaks is None or points is None or layers is None:
        return []
    name, unit = _subject(run)
    column = {"kg/m2": "soc_stock_kg_m2", "g/kg": "soc_g_kg", "1": "beta"}[unit]
    known = points[points["reason"] == ""]
    blocks = [
        heading("How observed values go along a covariate"),
        *says(
            "Dots are profiles, the line is their mean near a value of the covariate; where the band holds the dashed line, nothing is "
            "seen. A vertical line is where the slope changes, if it does."
        ),
    ]
    for place, layer in enumerate(_layers(curves)):
        ends = _ends(layer)
        own, at = curves[curves["layer"] == layer], breaks[breaks["layer"] == layer]
        if ends is None or column not in layers:
            continue
        rows = layers[(layers["top_cm"] == ends[0]) & (layers["bottom_cm"] == ends[1]) & layers[column].notna()]
        both = rows[["profile_id", column]].merge(known, on="profile_id")
        values = both[column].to_numpy(dtype=np.float64)
        dots = {driver: (both[driver].to_numpy(dtype=np.float64), values) for driver in dict.fromkeys(own["driver"])}
        picture = _marked(draw.curve_picture(own, at, dots, target=name, unit=unit, units=_units(run)), layer)
        blocks += shows([picture], folded="" if place == 0 else f"The same in {group_text(f'{layer} cm')}")
    return [*blocks, *lists(_change_table(breaks), "Change points", "tables/change_points.csv")]


def _change_table(breaks: pd.DataFrame) -> PageTable:
    rows = [
        (
            group_text(f"{r.layer} cm"), str(r.driver), str(r.words), number(r.slope_below), number(r.slope_above), _p(r.p), count(r.n)
        )
        for r in records(breaks)
    ]  # fmt: skip
    columns = ("Layer", "Covariate", "Found", "Slope below", "Slope above", "p of a break", "n")
    return dense("Where the slope changes, with 95 % bootstrap intervals", columns, rows, (0, 1, 2))


def _p(value: float) -> str:
    """A p value.

    >>> _p(0.0004), _p(0.0312), _p(float("nan"))
    ('< 0.001', '0.031', '–')
    """
    return f"< {LEAST_P:g}" if is_known(value) and value < LEAST_P else fixed(value, 3)


def _classes(run: RunFolder) -> list[Block]:
    letters = run.table("group_letters")
    if letters is None:
        return []
    name, unit = _subject(run)
    tests, changes = run.table("group_tests"), run.table("layer_changes")
    blocks = [
        heading("Which classes differ"),
        *says(
            "Two classes without a common letter differ by more than chance explains, if profiles are independent; a class with few "
            "profiles seldom differs. These are means of what was sampled, not of the area of a class."
        ),
    ]
    for by in dict.fromkeys(letters["by"]):
        own = letters[letters["by"] == by]
        blocks.append(heading(f"By {by}"))
        for place, layer in enumerate(_layers(own)):
            picture = _class_picture(own[own["layer"] == layer], str(by), layer, name, unit)
            blocks += shows([picture], folded="" if place == 0 else f"{by}, {group_text(f'{layer} cm')}")
        blocks += lists(_letters_table(own, str(by), unit), f"{by}: means by layer", "tables/group_letters.csv")
        if tests is not None:
            blocks += lists(_tests_table(tests[tests["by"] == by], str(by)), f"{by}: tests", "tables/group_tests.csv")
        if changes is not None and (changes["by"] == by).any():
            table = _changes_table(changes[changes["by"] == by], str(by))
            blocks += lists(table, f"{by}: from layer to layer", "tables/layer_changes.csv")
    return blocks


def _class_picture(rows: pd.DataFrame, by: str, layer: str, name: str, unit: str) -> Picture:
    groups = rows.rename(columns={"class": "group"}).sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    intervals = rows[["class", "low", "high"]]
    test = str(rows["comparison"].iloc[0])
    test += " on the logarithm" if str(rows["scale"].iloc[0]) == "log" else ""
    alpha = float(rows["level"].iloc[0])
    return _marked(class_picture(groups, intervals, by=by, target=name, unit=unit, test=test, alpha=alpha), layer)


def _letters_table(rows: pd.DataFrame, by: str, unit: str) -> PageTable:
    layers = _layers(rows)
    spread = float(np.ptp(rows["mean"].to_numpy(dtype=np.float64)))
    places = max(2, decimals_for(spread, 2)) if spread > 0 else 2
    cells: dict[str, dict[str, str]] = {}
    for r in rows.to_dict("records"):
        told = f"{with_interval(r['mean'], r['low'], r['high'], places)} {r['letters']} (n = {count(float(r['n']))})"
        cells.setdefault(str(r["class"]), {})[str(r["layer"])] = told
    body = [(name, *(own.get(layer, "") for layer in layers)) for name, own in cells.items()]
    caption = f"Means by {by} ({unit_text(unit)}) with 95 % bootstrap intervals, letters, and number of profiles"
    return dense(caption, (by, *(group_text(f"{layer} cm") for layer in layers)), body, range(len(layers) + 1))


def _tests_table(rows: pd.DataFrame, by: str) -> PageTable:
    body = [
        (
            group_text(f"{r.layer} cm"), str(r.test), number(r.statistic), f"{number(r.df_between)}, {number(r.df_within)}", _p(r.p),
            fixed(r.eta2), fixed(r.omega2),
        )
        for r in records(rows)
    ]  # fmt: skip
    on = " on the logarithm" if (rows["scale"] == "log").all() else ""
    columns = ("Layer", "Test", "F", "Degrees of freedom", "p", "η²", "ω²")
    return dense(f"Do the classes of {by} differ at all{on}; the last two tests ask whether they spread alike", columns, body, (0, 1))


def _changes_table(rows: pd.DataFrame, by: str) -> PageTable:
    body = [
        (
            str(r["class"]), group_text(f"{r['from_top_cm']:g}-{r['from_bottom_cm']:g} cm"),
            group_text(f"{r['to_top_cm']:g}-{r['to_bottom_cm']:g} cm"), with_interval(r["difference"], r["low"], r["high"]),
            count(r["n_paired"]), fixed(r["difference_all"]),
        )
        for r in rows.to_dict("records")
    ]  # fmt: skip
    unit = unit_text(str(rows["unit"].iloc[0]))
    columns = (by, "From", "To", f"Change at the same profiles ({unit})", "n", f"Difference of the means of all ({unit})")
    return dense("Change from layer to layer: at profiles that have both, and of all", columns, body, (0, 1, 2))


def _paths(run: RunFolder) -> list[Block]:
    results = path_results(run)
    if not results:
        return []
    by = run.setting("drivers", "paths", "by")
    blocks = [
        heading("Path model"),
        *says(
            "An arrow is a standardised coefficient with all other arrows into the same box held fixed; the direction of the arrows is "
            "what the recipe says, and no outcome of the data. Dashed arrows may be nothing."
        ),
    ]
    for place, result in enumerate(results):
        depth = group_text(f"{result.group} cm") if by == "layer" else f"{by} {result.group}"
        title = depth if result.group else ""
        pictures = path_pictures(result, title, re.sub(r"[^\w.-]+", "_", result.group))
        blocks += shows(pictures, folded="" if place < 2 else f"Path model, {title}")
    return [*blocks, *lists(_paths_table(results), "Direct, indirect and total effects", "tables/paths_effects.csv")]


def _paths_table(results: Sequence[PathResult]) -> PageTable:
    rows = [
        (
            result.group, str(r["from"]), str(r["to"]),
            *(with_interval(r[kind], r[f"{kind}_lower"], r[f"{kind}_upper"]) for kind in ("direct", "indirect", "total")),
        )
        for result in results
        for r in result.effects.to_dict("records")
    ]  # fmt: skip
    explained = [
        f"{result.group + ': ' if result.group else ''}{r['latent']} {fixed(r['r2'])}"
        for result in results
        for r in result.latents[result.latents["type"] == "endogenous"].to_dict("records")
    ]
    caption = f"Effects with their bootstrap intervals. R² of {listing(explained)}"
    return dense(caption, ("Group", "From", "To", "Direct", "Indirect", "Total"), rows, (0, 1, 2))


def path_results(run: RunFolder) -> list[PathResult]:
    """Path models of a run, as far as figures need them."""
    inner, effects, quality = run.table("path_inner"), run.table("path_effects"), run.table("path_quality")
    if inner is None or effects is None or quality is None:
        return []
    bootstrap = run.table("path_bootstrap")
    none = pd.DataFrame()
    found = []
    for group in dict.fromkeys(inner["group"]):
        drawn = none if bootstrap is None else bootstrap[bootstrap["group"] == group]
        if len(drawn):
            drawn = drawn.assign(excludes_zero=drawn["excludes_zero"].str.lower() == "true")
        of = {name: table[table["group"] == group].drop(columns="group") for name, table in (("inner", inner), ("effects", effects))}
        latents = quality[quality["group"] == group].drop(columns="group")
        found.append(
            PathResult(
                str(group), 0, 0, 0, float("nan"), none, none, of["inner"], of["effects"], latents, none, none, drawn, none, []
            )
        )  # fmt: skip
    return found
