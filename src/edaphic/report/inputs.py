"""What a run was made from: its area, profiles, covariates and model, and what was repaired or assumed on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from edaphic.report.facts import (
    Target,
    counted,
    only_inside,
    single_layers,
    stock_rows,
    without_covariates,
)
from edaphic.report.folder import RunFolder, records
from edaphic.report.maps import read_grid
from edaphic.report.tables import PageTable, dense, made, text_cell
from edaphic.report.words import (
    MISSING,
    capital,
    count,
    fixed,
    is_known,
    layer_text,
    listing,
    number,
    percent,
    plural,
    quantity,
    unit_text,
)


def mapped(run: RunFolder, target: Target) -> list[tuple[str, str]]:
    """What was mapped and from what, as terms and words.

    Raises
    ------
    RasterError
        A map cannot be read.
    """
    found = [("Quantity", f"{target.name} in {unit_text(target.unit)}" if target.unit else target.name)]
    if run.layers:
        found.append(("Layers", ", ".join(layer_text(*layer) for layer in (*single_layers(run), *_whole(run)))))
    period = run.setting("maps", "period")
    if isinstance(period, list) and len(period) == 2:
        found.append(("Period", f"{period[0]} to {period[1]}, as the recipe says"))
    found += _grid_words(run) + _profile_words(run) + _covariate_words(run) + _model_words(run)
    return found


def _whole(run: RunFolder) -> list[tuple[float, float]]:
    return [run.whole] if run.whole is not None and len(run.layers) > 1 else []


def _grid_words(run: RunFolder) -> list[tuple[str, str]]:
    found, on_grid = [], None
    if run.maps:
        grid = read_grid(next(iter(run.maps[0].paths.values())))
        cell = " × ".join(dict.fromkeys(f"{side:.6g}" for side in grid.resolution))
        size = f"{count(grid.width)} × {count(grid.height)} cells of {cell} {grid.unit}{'' if cell == '1' else 's'}"
        found.append(("Grid", f"{size}, {grid.crs_text}"))
        on_grid = grid.width * grid.height
    rows = stock_rows(run)
    if rows is not None:
        cells = sorted(set(rows["cells"].dropna()))
        areas = sorted(set(rows["area_km2"].dropna()))
        if cells and areas:
            differ = "" if len(cells) == 1 else " (it differs between layers)"
            found.append(("Mapped", f"{count(cells[-1])} cells, {quantity(areas[-1], 'km2')}{differ}"))
    empty = _empty_words(run, on_grid)
    return found + ([("Left empty", empty)] if empty else []) + _unseen_words(run)


def whole_number(value: object) -> int | None:
    """A count of a JSON file, None where it is something else.

    >>> whole_number(3), whole_number(None)
    (3, None)
    """
    return value if isinstance(value, int) else None


def _empty_words(run: RunFolder, on_grid: int | None) -> str:
    """Cells of the grid that have no value, and why: each cell under its first reason, so that they and the mapped ones are all cells."""
    names = ("cells", "with_all_covariates", "masked", "inside_applicability", "mapped")
    cells, known, masked, inside, mapped = (whole_number(run.cells.get(name)) for name in names)
    if cells is None or known is None or masked is None:
        return ""
    parts = [f"{count(on_grid - cells)} outside the region"] if on_grid is not None and on_grid > cells else []
    parts.append(f"{count(masked)} by the mask")
    parts.append(f"{count(cells - known)} for want of a value of every covariate")
    left = known - masked
    if only_inside(run) and inside is not None:
        parts.append(f"{count(left - inside)} outside the area of applicability")
        left = inside
    if mapped is not None and mapped < left:
        parts.append(f"{count(left - mapped)} without soil above the bedrock")
        left = mapped
    total = (on_grid if on_grid is not None and on_grid > cells else cells) - left
    return f"{plural(total, 'cell')}: {listing(parts)}"


def _unseen_words(run: RunFolder) -> list[tuple[str, str]]:
    """Cells that have a value although no profile had their class: no reason for a cell to be empty."""
    unseen = whole_number(run.cells.get("with_class_unseen_in_training"))
    return [("Class that no profile has", f"{plural(unseen, 'cell')}, mapped where no other reason keeps them empty")] if unseen else []


def _profile_words(run: RunFolder) -> list[tuple[str, str]]:
    found = []
    for name in ("profiles", "horizons"):
        read, kept = counted(run, f"{name}_read"), counted(run, f"{name}_kept")
        if is_known(read) and is_known(kept):
            words = f"{count(kept)} kept of {count(read)} read"
            if name == "profiles" and is_known(run.designs.get("profiles")):
                words += f", {count(run.designs['profiles'])} with a layer and covariates to learn from"
            found.append((capital(name), words))
    layers = run.table("layers")
    if layers is not None:
        sources = layers.groupby("source", sort=True)["profile_id"].nunique()
        named = [f"{source} ({count(float(n))})" for source, n in sources.items() if source]
        if named:
            found.append(("Sources", listing(named)))
        years = layers["year"].dropna()
        if len(years):
            found.append(("Years", f"{int(years.min())} to {int(years.max())}"))
    reasons = without_covariates(run)
    if reasons:
        parts = [f"{count(float(n))} ({reason})" for reason, n in list(reasons.items())[:6]]
        more = " and others" if len(reasons) > len(parts) else ""
        found.append(("Profiles without covariates", listing(parts) + more))
    return found


def _covariate_words(run: RunFolder) -> list[tuple[str, str]]:
    table = run.table("covariates")
    if table is None:
        return []
    each = table[~_covariate_of_raster(run, table).duplicated()]
    kinds = each["kind"].value_counts().sort_index()
    words = f"{count(len(each))} ({listing([f'{count(float(n))} {kind}' for kind, n in kinds.items()])})"
    if len(each) < len(table):
        words += f" of {count(len(table))} rasters"
    selection = run.table("selection")
    if selection is not None:
        words += f"; {count(sum(kept is True for kept in selection['kept']))} kept by the screening"
    return [("Covariates", words), *_period_words(run), *_climate_words(run)]


def _covariate_of_raster(run: RunFolder, table: pd.DataFrame) -> pd.Series:
    """Name of the covariate that each raster is of: those of several periods are one covariate."""
    periods = run.table("periods")
    dated = set() if periods is None else set(periods["name"])
    bare = table["name"].str.replace(r"_\d+(-\d+)?$", "", regex=True)
    return table["name"].where(~bare.isin(dated), bare)


CLIMATE_SHOWN = 6
"""Climate grids whose errors are told one by one."""


def _climate_words(run: RunFolder) -> list[tuple[str, str]]:
    """How far climate grids that the run made were off at stations that were withheld."""
    table = run.table("climate")
    if table is None:
        return []
    parts = []
    for row in table.head(CLIMATE_SHOWN).to_dict("records"):
        errors = [(row["random_spline_rmse"], "by chance"), (row["block_spline_rmse"], "by blocks")]
        told = [f"{number(error)} {how}" for error, how in errors if is_known(error)] or [f"{number(row['loo_rmse'])} one by one"]
        parts.append(f"{row['field']} ({plural(int(row['n']), 'station')}): {listing(told)}")
    more = f"; and {count(len(table) - CLIMATE_SHOWN)} more" if len(table) > CLIMATE_SHOWN else ""
    return [("RMSE of climate at withheld stations", "; ".join(parts) + more)]


def _period_words(run: RunFolder) -> list[tuple[str, str]]:
    """Which periods of a covariate the profiles took, and how well their years fit."""
    table = run.table("periods")
    if table is None:
        return []
    found = []
    for name, rows in table.groupby("name", sort=False):
        dated = rows[rows["period"] != ""]
        parts = [f"{period} ({plural(int(samples), 'profile')})" for period, samples in zip(dated["period"], dated["samples"], strict=True)]
        words = f"{name}: {listing(parts)}"
        outside, without = int(dated["outside"].sum()), int(rows.loc[rows["period"] == "", "samples"].sum())
        if outside:
            gap = plural(float(dated["largest_gap_years"].max()), "year")
            words += f"; {plural(outside, 'profile')} outside these years, by up to {gap}"
        if without:
            words += f"; {plural(without, 'profile')} without a year near them, left out"
        found.append(("Covariate by period", words))
    return found


def _model_words(run: RunFolder) -> list[tuple[str, str]]:
    trees = run.setting("model", "forest", "trees")
    form = {"3d": "one forest for all depths", "layers": "one forest for each layer"}.get(
        str(run.setting("model", "form"))
    )
    parts = [f"random forest of {count(trees)} trees" if is_known(trees) else "", form or ""]
    target = run.setting("model", "target")
    zones = run.setting("model", "zones")
    if isinstance(zones, str) and zones:
        parts.append(f"a model for each zone of {zones}")
    if isinstance(target, str) and target.startswith("log_"):
        parts.append("fitted to the logarithm")
    words = ", ".join(part for part in parts if part)
    if run.models:
        words += f"{' ' if words else ''}(model/{', model/'.join(run.models)})"
    return [("Model", capital(words))] if words else []


def layer_counts(run: RunFolder) -> PageTable | None:
    """How many profiles reach each layer wholly, in part, not at all, and how many have a value there."""
    found = run.summary.get("layers")
    if not isinstance(found, list) or not found:
        return None
    names = ("complete", "partial", "none", "valued")
    rows = [
        (layer_text(entry["top_cm"], entry["bottom_cm"]), *(count(entry.get(name)) for name in names))
        for entry in found
        if is_known(entry.get("top_cm")) and is_known(entry.get("bottom_cm"))
    ]
    return made("Profiles by layer", ("Layer", "Observed wholly", "In part", "Not at all", "With a value"), rows)


def repairs(run: RunFolder) -> PageTable | None:
    """Faults found in the profile tables, what was done, and how often: from the repair log, else from its summary."""
    columns = ("Fault", "Action", "Cases", "Profiles")
    log = run.table("repairs")
    if log is not None:
        groups = log.groupby(["fault", "action"], sort=True)["profile_id"].agg(["size", "nunique"]).reset_index()
        groups = groups.sort_values(["size", "fault", "action"], ascending=[False, True, True], kind="stable")
        rows = [
            (text_cell(unit_text(r.fault)), text_cell(r.action), count(float(r.size_)), count(float(r.nunique_)))
            for r in _named(groups)
        ]
        return made("Repairs by fault", columns, rows, (0, 1))
    summed = run.summary.get("repairs")
    if not isinstance(summed, Mapping) or not summed:
        return None
    rows = [
        (str(fault), text_cell(str(entry.get("action", ""))), count(entry.get("count")), MISSING)
        for fault, entry in summed.items()
        if isinstance(entry, Mapping)
    ]
    return made("Repairs by fault", columns, rows, (0, 1))


def _named(groups: pd.DataFrame) -> Iterable[Any]:
    """Rows by name; "size" and "nunique" would hide methods of the row."""
    return records(groups.rename(columns={"size": "size_", "nunique": "nunique_"}))


def covariates(run: RunFolder) -> PageTable | None:
    """The covariates: kind, unit, source grid, how they were brought to the grid, and where they have values."""
    table = run.table("covariates")
    if table is None:
        return None
    rows = [
        (
            r.name, text_cell(r.kind), text_cell(unit_text(r.unit)), text_cell(r.source_crs),
            text_cell(r.source_resolution), text_cell(r.resampling), percent(r.valid_share, 1),
        )
        for r in records(table)
    ]  # fmt: skip
    columns = ("Covariate", "Kind", "Unit", "Source CRS", "Source cell", "Brought to the grid by", "Cells with a value")
    return made("Covariates", columns, rows, range(6))


def selection(run: RunFolder) -> PageTable | None:
    """Covariates dropped before the fit, and why."""
    table = run.table("selection")
    if table is None:
        return None
    dropped = table[[kept is False for kept in table["kept"]]]
    if dropped.empty:
        return None
    rows = [
        (r.feature, text_cell(r.reason), text_cell(r.correlated_with), fixed(r.r, 3), fixed(r.vif, 1), count(r.step))
        for r in records(dropped)
    ]
    columns = ("Covariate", "Reason", "Correlated with", "r", "VIF when it went", "Step")
    return dense("Covariates left out before the fit", columns, rows, (0, 1, 2))


def tuning(run: RunFolder) -> PageTable | None:
    """Candidate settings of the forest and their cross-validated score."""
    table = run.table("tuning")
    if table is None:
        return None
    rows = [
        (
            count(r.candidate), count(r.trees), text_cell(rounded(r.max_features)), count(r.min_samples_leaf),
            count(r.max_depth) if is_known(r.max_depth) else "no limit" if table["max_depth"].notna().any() else MISSING,
            text_cell(r.split), number(r.score, 4), text_cell(r.scale), "chosen" if r.chosen is True else "",
        )
        for r in records(table)
    ]  # fmt: skip
    metrics = [name for name in dict.fromkeys(table["metric"]) if name]
    score = SCORE_NAMES.get(metrics[0], metrics[0]) if len(metrics) == 1 else "RMSE"
    columns = (
        "Candidate", "Trees of a trial", "Covariates tried at a split", "Least samples in a leaf", "Depth of a tree", "Split rule",
        score, "Scale", " ",
    )  # fmt: skip
    return dense("Settings tried", columns, rows, (2, 5, 7, 8))


SCORE_NAMES = {"rmse": "RMSE", "mae": "MAE", "mec": "MEC", "ccc": "CCC", "r2_pearson": "r² (Pearson)"}
"""Scores as the page names them."""


def rounded(text: str) -> str:
    """A number with three digits, other texts ("sqrt") as they are.

    >>> rounded("0.3333333333333333"), rounded("sqrt")
    ('0.333', 'sqrt')
    """
    return number(float(text)) if text.replace(".", "", 1).isdigit() else text
