"""Whether the numbers of a run can be believed: named checks with what was found and what is expected.

The limits are rules of thumb for soils and for evidence. "wrong" marks what cannot be in a sound map (negative carbon,
bounds that do not hold their total); "look" marks what can be true but has to be explained before the numbers are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edaphic.report.density import assumed_share, estimated_share
from edaphic.report.evidence_checks import LOOK, OK, WRONG, Check, evidence_checks
from edaphic.report.facts import Target, counted, covers, outside_box, single_layers, stock_rows, whole_stock
from edaphic.report.folder import RunFolder, records
from edaphic.report.tables import factor_of
from edaphic.report.words import (
    bounds,
    digits_apart,
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

Layer = tuple[float, float]

# Mean carbon density (kg/m3): 1 to 30 kg/m2 in 0-30 cm of topsoil; deeper soil holds less, down to nearly nothing.
_TOPSOIL_KG_M3 = (1.0 / 0.3, 30.0 / 0.3)
_ANY_SOIL_KG_M3 = (0.2, 100.0)
_CONTENT_G_KG = (1.0, 300.0)
_MOST_ESTIMATED = 0.5
_MOST_LOST = 0.3
_FEW_PROFILES = 50
_MOST_FACTOR = 2.0
_ADDITIVE_WITHIN = 0.01

@dataclass(frozen=True)
class MapFacts:
    """What the drawn maps of one layer say: mean, lowest value, lowest lower bound, whether bounds keep their order."""

    mean: float
    lowest: float
    lowest_bound: float
    ordered: bool | None
    every_cell: bool


def checks(run: RunFolder, target: Target, facts: Mapping[Layer, MapFacts]) -> list[Check]:
    """All checks that the run's files allow, in the order of the page.

    Parameters
    ----------
    run : RunFolder
    target : Target
    facts : mapping of layer to MapFacts

    Returns
    -------
    list of Check
    """
    groups: tuple[Callable[[], list[Check]], ...] = (
        lambda: _levels(run, target, facts),
        lambda: _signs(facts),
        lambda: _against_profiles(run, target, facts),
        lambda: _totals(run),
        lambda: evidence_checks(run),
        lambda: _inputs(run),
        lambda: _references(run),
        lambda: _truth(run),
    )
    return [check for group in groups for check in group()]


def verdict(found: list[Check]) -> tuple[str, str]:
    """The worst verdict and a sentence that says it.

    >>> verdict([Check("a", "1", "1", "ok")])
    ('ok', 'The numbers are plausible: the one check passed.')
    >>> verdict([Check("a", "1", "1", "ok"), Check("b", "0", "1", "look")])
    ('look', 'The numbers are plausible with reservations: 1 of 2 checks asks for a look (b).')
    """
    if not found:
        return LOOK, "The run has no figures that could be checked for plausibility."
    wrong = [check.name for check in found if check.verdict == WRONG]
    look = [check.name for check in found if check.verdict == LOOK]
    if wrong:
        return WRONG, f"The numbers are not plausible as they stand: {listing(wrong)}."
    if look:
        ask = "asks" if len(look) == 1 else "ask"
        of = f"{len(look)} of {plural(len(found), 'check')}"
        return LOOK, f"The numbers are plausible with reservations: {of} {ask} for a look ({listing(look)})."
    passed = "the one check passed" if len(found) == 1 else f"all {len(found)} checks passed"
    return OK, f"The numbers are plausible: {passed}."


def _in_range(name: str, value: float, low: float, high: float, unit: str, *, miss: str = LOOK) -> list[Check]:
    if not is_known(value):
        return []
    expected = f"{low:g} to {high:g} {unit_text(unit)}"
    return [Check(name, quantity(value, unit), expected, OK if low <= value <= high else miss)]


def _levels(run: RunFolder, target: Target, facts: Mapping[Layer, MapFacts]) -> list[Check]:
    means = {layer: fact.mean for layer, fact in facts.items()}
    rows = stock_rows(run)
    if rows is not None and target.is_stock:
        means |= {(r.top_cm, r.bottom_cm): r.mean_kg_m2 for r in records(rows)}
    found = []
    for (top, bottom), mean in sorted(means.items(), key=lambda item: (item[0] == run.whole, item[0])):
        name = f"mean {target.name} {layer_text(top, bottom)}"
        if target.name == "SOC content":
            found += _in_range(name, mean, *_CONTENT_G_KG, target.unit)
        elif target.unit in ("kg/m2", "kg/m3"):
            low, high = _TOPSOIL_KG_M3 if top == 0.0 and bottom <= 30.0 else _ANY_SOIL_KG_M3
            thickness_m = 0.01 * (bottom - top) if target.is_stock else 1.0
            found += _in_range(name, mean, low * thickness_m, high * thickness_m, target.unit)
    return found


def _signs(facts: Mapping[Layer, MapFacts]) -> list[Check]:
    drawn = "" if all(fact.every_cell for fact in facts.values()) else ", in the maps as drawn (cells averaged)"
    found = []
    for name, values, miss in (
        ("lowest mapped mean", {layer: fact.lowest for layer, fact in facts.items()}, WRONG),
        ("lowest lower bound", {layer: fact.lowest_bound for layer, fact in facts.items()}, LOOK),
    ):
        known = {layer: value for layer, value in values.items() if is_known(value)}
        if known:
            where = min(known, key=lambda layer: known[layer])
            text = f"{number(known[where])} in {layer_text(*where)}{drawn}"
            found.append(Check(name, text, "not below 0", miss if known[where] < 0.0 else OK))
    crossing = [layer_text(*layer) for layer, fact in facts.items() if fact.ordered is False]
    if any(fact.ordered is not None for fact in facts.values()):
        text = f"crossing in {listing(crossing)}" if crossing else "lower bound never above the upper one"
        expected = "lower bound never above the upper one"
        found.append(Check("order of the interval's ends", text, expected, WRONG if crossing else OK))
    return found


def _against_profiles(run: RunFolder, target: Target, facts: Mapping[Layer, MapFacts]) -> list[Check]:
    column = {"SOC stock": "soc_stock_kg_m2", "SOC density": "soc_density_kg_m3", "SOC content": "soc_g_kg"}.get(
        target.name
    )
    table = run.table("layers")
    if table is None or column is None:
        return []
    found = []
    for layer in single_layers(run):
        rows = table[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1])]
        observed = float(rows[column].mean())
        mapped = facts[layer].mean if layer in facts else math.nan
        if not (is_known(observed) and is_known(mapped) and observed > 0.0):
            continue
        ratio = mapped / observed
        text = f"{quantity(mapped, target.unit)} against {quantity(observed, target.unit)}, factor {fixed(ratio)}"
        good = 1.0 / _MOST_FACTOR <= ratio <= _MOST_FACTOR
        name = f"mean of the map against the profiles' {layer_text(*layer)}"
        found.append(Check(name, text, "factor 0.5 to 2", OK if good else LOOK))
    return found


def _totals(run: RunFolder) -> list[Check]:
    rows = stock_rows(run)
    if rows is None:
        return []
    found = []
    for r in records(rows):
        inner, outer = (
            (r.independent_low_Tg, r.independent_high_Tg),
            (r.fully_correlated_low_Tg, r.fully_correlated_high_Tg),
        )
        if not all(is_known(value) for value in (*inner, *outer, r.total_Tg)):
            continue
        inside = inner[0] <= r.total_Tg <= inner[1] and outer[0] <= r.total_Tg <= outer[1]
        text = f"{number(r.total_Tg, digits_apart(*inner))} in {bounds(*inner)} and in {bounds(*outer)} Tg"
        name = f"total {layer_text(r.top_cm, r.bottom_cm)} inside its bounds"
        found.append(Check(name, text, "total inside both", OK if inside else WRONG))
    whole, layers = whole_stock(run), single_layers(run)
    if whole is not None and len(layers) > 1 and covers(layers, run.whole):
        parts = rows[[pair != run.whole for pair in zip(rows["top_cm"], rows["bottom_cm"], strict=True)]]
        total, summed = float(whole["total_Tg"]), float(parts["total_Tg"].sum())
        if len(parts) == len(layers) and is_known(summed) and total > 0.0:
            off = summed / total - 1.0
            text = f"sum of layers {quantity(summed, 'Tg')}, whole {quantity(total, 'Tg')} ({percent(off, 1)})"
            found.append(
                Check("layers add up to the whole", text, "within 1 %", OK if abs(off) <= _ADDITIVE_WITHIN else LOOK)
            )
    return found


def _inputs(run: RunFolder) -> list[Check]:
    found = []
    for name, value in (("bulk density estimated", estimated_share(run)), ("coarse fragments assumed", assumed_share(run))):
        if is_known(value):
            good = value <= _MOST_ESTIMATED
            found.append(Check(name, f"{percent(value)} of horizons", "at most 50 %", OK if good else LOOK))
    found += _lost(run)
    profiles = counted(run, "profiles_kept")
    if is_known(profiles):
        good = profiles >= _FEW_PROFILES
        found.append(Check("number of profiles", number(profiles), f"at least {_FEW_PROFILES}", OK if good else LOOK))
    return found


def _lost(run: RunFolder) -> list[Check]:
    """How much the cleaning dropped. What lies outside a bounding box of the recipe was not wanted, and is no loss."""
    kept, read, beyond = counted(run, "horizons_kept"), counted(run, "horizons_read"), outside_box(run)
    if not beyond:
        return _loss("horizons", kept, read, "")
    # How many horizons the profiles outside had is not on record: those that were logged are counted instead.
    told = run.summary.get("repairs")
    entries = [entry for entry in told.values() if isinstance(entry, Mapping)] if isinstance(told, Mapping) else []
    dropped = sum(
        float(entry["count"]) for entry in entries if "horizon dropped" in str(entry.get("action")) and is_known(entry.get("count"))
    )
    note = f" of those inside the bounding box of the recipe; {plural(beyond, 'profile')} outside it are not counted"
    profiles = _loss("profiles", counted(run, "profiles_kept"), counted(run, "profiles_read") - beyond, note)
    return [*profiles, *_loss("horizons", kept, kept + dropped, " of those inside the bounding box of the recipe")]


def _loss(what: str, kept: float, read: float, note: str) -> list[Check]:
    if not (is_known(kept) and is_known(read) and read > 0.0):
        return []
    lost = 1.0 - kept / read
    verdict = OK if lost <= _MOST_LOST else LOOK if lost <= 0.5 else WRONG
    return [Check(f"{what} dropped by the cleaning", f"{percent(lost)}{note}", f"at most {percent(_MOST_LOST)}", verdict)]


def _references(run: RunFolder) -> list[Check]:
    table, found = run.table("comparison"), []
    for r in records(table):
        factor = factor_of(r)
        if is_known(factor):
            good = 1.0 / _MOST_FACTOR <= factor <= _MOST_FACTOR
            name = f"mean against {r.name} {layer_text(r.top_cm, r.bottom_cm)}"
            found.append(Check(name, f"factor {number(factor)}", "factor 0.5 to 2", OK if good else LOOK))
    return found


def _truth(run: RunFolder) -> list[Check]:
    table, found = run.table("truth"), []
    for r in records(table):
        if isinstance(r.inside_fully_correlated, bool):
            name = f"true total {layer_text(r.top_cm, r.bottom_cm)} inside the fully correlated bounds"
            text = "inside" if r.inside_fully_correlated else "outside"
            found.append(Check(name, text, "inside", OK if r.inside_fully_correlated else WRONG))
    return found
