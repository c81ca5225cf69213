"""Single figures looked up in a finished run: what is mapped, how good it is, how much there is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edaphic.report.designs import design_name, designs_of
from edaphic.report.folder import RunFolder
from edaphic.report.words import is_known, layer_text

ALL_LAYERS = "all layers"


@dataclass(frozen=True)
class Target:
    """What the maps show: its name, unit, and whether it is a stock that can be summed over an area."""

    name: str
    unit: str
    is_stock: bool


_TARGETS = {
    "soc_stock": Target("SOC stock", "kg/m2", True),
    "soc_density": Target("SOC density", "kg/m3", False),
    "soc": Target("SOC content", "g/kg", False),
    "beta": Target("beta", "", False),
}


def target_of(run: RunFolder) -> Target:
    """What the run maps: by the maps' names, else by the recipe; an unknown name is shown as it is, without unit.

    A model trained on densities answers with stocks, so without maps both stand for stocks.
    """
    trained = str(run.setting("model", "target") or "soc_stock").removeprefix("log_").replace("soc_density", "soc_stock")
    mapped = [layer.target for layer in run.maps]
    own = not mapped or any(name == trained or name.startswith(f"{trained}_") for name in mapped)
    return quantity_of(trained if own else mapped[0])


def quantity_of(name: str) -> Target:
    """The quantity of maps by the start of their names; of maps of one zone with the zone.

    >>> quantity_of("soc_stock").name, quantity_of("beta_open-forest").name, quantity_of("soc_stock_cropland").unit
    ('SOC stock', 'beta of open-forest', 'kg/m2')
    """
    if name in _TARGETS:
        return _TARGETS[name]
    start = max((known for known in _TARGETS if name.startswith(f"{known}_")), key=len, default="")
    if not start:
        return Target(name, "", False)
    whole = _TARGETS[start]
    return Target(f"{whole.name} of {name.removeprefix(start + '_')}", whole.unit, whole.is_stock)


def accounted(run: RunFolder) -> str:
    """Name of the maps that totals and plain means are of: those of the stock where there are any, else of what the model answers."""
    names = [layer.target for layer in run.maps]
    return "soc_stock" if "soc_stock" in names else next((name for name in names if name in _TARGETS), names[0] if names else "")


def interval_of(run: RunFolder) -> float:
    """Nominal coverage of the intervals: from the calibration table, else the recipe, else 0.9."""
    table = run.table("calibration")
    if table is not None and table["nominal"].notna().any():
        return float(table["nominal"].dropna().iloc[0])
    setting = run.setting("evidence", "interval")
    return float(setting) if isinstance(setting, (int, float)) and not isinstance(setting, bool) else 0.9


def natural(metrics: pd.DataFrame) -> pd.DataFrame:
    """Rows on the scale of the target itself."""
    return metrics[metrics["scale"] != "log"]


def metric(run: RunFolder, design: str, name: str, layer: str = ALL_LAYERS) -> float:
    """One metric on the natural scale, NaN where it is not in the table.

    A run with one layer may have no row for all layers together: its only layer answers for it.
    """
    table = run.table("metrics")
    if table is None or name not in table:
        return math.nan
    rows = natural(table)
    rows = rows[rows["design"] == design]
    found = rows[rows["layer"] == layer]
    if found.empty and layer == ALL_LAYERS and len(rows) == 1:
        found = rows
    return float(found[name].iloc[0]) if len(found) else math.nan


def calibration(run: RunFolder, design: str, name: str, group: str = ALL_LAYERS) -> float:
    """One figure of the calibration table, NaN where it is not in the table."""
    table = run.table("calibration")
    if table is None:
        return math.nan
    rows = table[table["design"] == design]
    found = rows[rows["group"] == group]
    if found.empty and group == ALL_LAYERS:
        groups = rows[rows["group"].str.endswith(" cm")]
        found = groups if len(groups) == 1 else found
    return float(found[name].iloc[0]) if len(found) else math.nan


def held_out(run: RunFolder, design: str) -> pd.DataFrame | None:
    """Held-out predictions of one design, without those of the whole depth where it repeats single layers."""
    table = run.table("out_of_fold")
    if table is None:
        return None
    known = (table["design"] == design) & table["observed"].notna() & table["predicted"].notna()
    pairs = list(zip(table["top_cm"], table["bottom_cm"], strict=True))
    layers = {pair for pair, ours in zip(pairs, known, strict=True) if ours}
    if len(layers) > 1:
        hull = (min(top for top, _ in layers), max(bottom for _, bottom in layers))
        known &= pd.Series([pair != hull for pair in pairs], index=table.index)
    return table.loc[known]


def evidence_name(run: RunFolder, layer: tuple[float, float]) -> str:
    """How the evidence tables name a layer: "0-30 cm", or "whole 0-100 cm" where that row is the one there is."""
    plain = f"{layer[0]:g}-{layer[1]:g} cm"
    table = run.table("metrics")
    names = set() if table is None else set(table["layer"])
    return f"whole {plain}" if plain not in names and f"whole {plain}" in names else plain


BOUNDS_LEVEL = 0.9
"""Level of the bounds of totals: they are added up from the maps q05 and q95."""


def of_lead_period(run: RunFolder, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the last period, all of them where the table has no periods."""
    return table[table["period"] == run.lead_period] if "period" in table and (table["period"] == run.lead_period).any() else table


def stock_rows(run: RunFolder) -> pd.DataFrame | None:
    """Rows of the stock table over all classes, of the last period, whole depth last; None where there are none."""
    table = run.table("stocks")
    if table is None:
        return None
    rows = of_lead_period(run, table)
    rows = rows[rows["by"] == "all"]
    whole = [(top, bottom) == run.whole for top, bottom in zip(rows["top_cm"], rows["bottom_cm"], strict=True)]
    rows = rows.assign(_whole=whole).sort_values(["_whole", "top_cm", "bottom_cm"], kind="stable")
    return None if rows.empty else rows.drop(columns="_whole").reset_index(drop=True)


def has_bounds(run: RunFolder) -> bool:
    """Whether the stock table gives the bounds of a total."""
    rows = stock_rows(run)
    return rows is not None and bool(rows[["independent_low_Tg", "fully_correlated_low_Tg"]].notna().any(axis=None))


def whole_stock(run: RunFolder) -> Mapping[str, Any] | None:
    """The stock table's row of the whole depth; of the only layer where there is one; else None."""
    rows = stock_rows(run)
    if rows is None:
        return None
    found = (
        rows
        if len(rows) == 1
        else rows[[pair == run.whole for pair in zip(rows["top_cm"], rows["bottom_cm"], strict=True)]]
    )
    return None if found.empty else {str(name): value for name, value in found.iloc[0].items()}


def single_layers(run: RunFolder) -> list[tuple[float, float]]:
    """Layers without the one that holds all others (unless it is the only one)."""
    layers = list(run.layers)
    return [layer for layer in layers if layer != run.whole] or layers


def covers(layers: list[tuple[float, float]], whole: tuple[float, float] | None) -> bool:
    """Whether layers follow each other without gap or overlap from the whole depth's top to its bottom.

    >>> covers([(0.0, 30.0), (30.0, 100.0)], (0.0, 100.0)), covers([(0.0, 30.0), (60.0, 100.0)], (0.0, 100.0))
    (True, False)
    """
    if whole is None or not layers:
        return False
    edges = [edge for layer in sorted(layers) for edge in layer]
    return (edges[0], edges[-1]) == whole and all(edges[i] == edges[i + 1] for i in range(1, len(edges) - 1, 2))


def depth_words(run: RunFolder) -> str:
    """The depth that all layers span together.

    Empty where no layer is known.
    """
    if not run.layers:
        return ""
    return layer_text(min(top for top, _ in run.layers), max(bottom for _, bottom in run.layers))


def without_covariates(run: RunFolder) -> dict[str, int]:
    """How many profiles have no covariates, by reason, most frequent first: from the points, else the summary."""
    if run.points is not None:
        counts = run.points[run.points != ""].value_counts(sort=False)
        found = {str(reason): int(n) for reason, n in counts.items()}
    else:
        given = run.summary.get("points_without_covariates")
        found = {str(k): int(n) for k, n in given.items() if is_known(n)} if isinstance(given, Mapping) else {}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def counted(run: RunFolder, *keys: str) -> float:
    """A count of profiles/summary.json, NaN where it is not given."""
    here: Any = run.summary
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return float(here) if isinstance(here, (int, float)) and not isinstance(here, bool) else math.nan


def outside_box(run: RunFolder) -> float:
    """Profiles that were dropped because they lie outside a bounding box that the recipe itself sets, 0 where there is none."""
    if not isinstance(run.setting("profiles", "cleaning", "bounding_box"), (list, tuple)):
        return 0.0
    dropped = counted(run, "repairs", "coordinates outside the bounding box", "count")
    return dropped if is_known(dropped) else 0.0


def share(part: float, *others: float) -> float:
    """Part of a whole made of the part and the others; NaN where nothing is known.

    >>> share(30.0, 70.0)
    0.3
    """
    whole = part + sum(others)
    return part / whole if math.isfinite(whole) and whole > 0.0 else math.nan


def share_inside(run: RunFolder) -> float:
    """Share of the map inside the area of applicability: of all its cells where they were looked at, else of those drawn.

    NaN where neither is known.
    """
    of_map = share_of_map(run)
    if is_known(of_map):
        return of_map
    told = run.designs.get("applicability")
    share = told.get("share_inside") if isinstance(told, dict) else None
    return float(share) if isinstance(share, (int, float)) and is_known(share) else math.nan


def only_inside(run: RunFolder) -> bool:
    """Whether cells outside the area of applicability are left empty."""
    return run.setting("maps", "only_applicable") is True


def share_of_map(run: RunFolder) -> float:
    """Share of the cells that could be mapped which lie inside the area of applicability, NaN where not known.

    Cells are counted only where a map of the applicability was asked for: without one their count says nothing.
    """
    names = ("inside_applicability", "with_all_covariates", "masked")
    inside, known, masked = (run.cells.get(name, math.nan) for name in names)
    if not run.covariate_maps:
        return math.nan
    if not all(isinstance(value, (int, float)) and is_known(value) for value in (inside, known, masked)):
        return math.nan
    cells = float(known) - float(masked)
    return float(inside) / cells if cells > 0.0 else math.nan


def depth_table(run: RunFolder, target: Target) -> tuple[pd.DataFrame, str, str] | None:
    """Observed and predicted values by depth, one row per single layer, for the depth figure.

    Stocks of layers are divided by their thickness, so that thin and thick layers can be compared. Rows come from the
    held-out predictions of the first design (observed and predicted of the same profiles); where there are none, from
    the layer table (observed only).

    Returns
    -------
    (DataFrame, unit, where it is from) or None. Columns top_cm, bottom_cm, n, observed_q05, observed_q25, observed_q75,
    observed_q95, observed_mean, predicted_mean.
    """
    table, source = _depth_rows(run, target)
    if table is None:
        return None
    unit = "kg/m3" if target.is_stock else target.unit
    rows = []
    for layer in sorted(set(zip(table["top_cm"], table["bottom_cm"], strict=True)) & set(single_layers(run))):
        here = table[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1]) & table["observed"].notna()]
        if here.empty:
            continue
        thickness_m = 0.01 * (layer[1] - layer[0]) if target.is_stock else 1.0
        observed = here["observed"].to_numpy() / thickness_m
        low, quarter, three_quarters, high = np.quantile(observed, [0.05, 0.25, 0.75, 0.95])
        predicted = here["predicted"].to_numpy() / thickness_m
        mean = float(predicted.mean()) if np.isfinite(predicted).all() else math.nan
        rows.append((*layer, len(here), low, quarter, three_quarters, high, observed.mean(), mean))
    names = "top_cm bottom_cm n observed_q05 observed_q25 observed_q75 observed_q95 observed_mean predicted_mean"
    return (pd.DataFrame(rows, columns=names.split()), unit, source) if rows else None


def _depth_rows(run: RunFolder, target: Target) -> tuple[pd.DataFrame | None, str]:
    designs = designs_of(run, "out_of_fold")
    rows = held_out(run, designs[0]) if designs else None
    if rows is not None:
        return rows, f"held-out predictions of the {design_name(designs[0])} design and the values observed there"
    column = {"SOC stock": "soc_stock_kg_m2", "SOC density": "soc_density_kg_m3", "SOC content": "soc_g_kg"}.get(
        target.name
    )
    layers = run.table("layers")
    if layers is None or column is None:
        return None, ""
    return layers.rename(columns={column: "observed"}).assign(predicted=math.nan), "the values observed at the profiles"
