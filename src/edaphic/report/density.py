"""Where the bulk density and the coarse fragments of the profiles come from, and what that does to organic soils."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from edaphic.report.facts import Target, counted, share
from edaphic.report.folder import RunFolder
from edaphic.report.tables import PageTable, made
from edaphic.report.words import NO_BREAK_SPACE, capital, count, fixed, is_known, listing, number, plural

ESTIMATES: Mapping[str, str] = {
    "reported": "by the source itself",
    "pedotransfer": "by a pedotransfer rule",
    "gap_filling": "by gap filling",
    "grid": "from a grid",
}
"""Sources of bulk density that are estimates, in words."""

_CHAIN = {"measured": "measured", "reported": "reported by the source", "pedotransfer": "pedotransfer rule"}
_CHAIN |= {"gap_filling": "gap filling", "grid": "grid", "class": "class of abundance"}
_CHAIN |= {"profile": "other horizons of the profile", "assumed": "assumed value"}
_FRAGMENTS: Mapping[str, str] = {
    "class": "from a class of abundance in",
    "profile": "taken from other horizons of the profile in",
    "grid": "from a grid in",
    "assumed": "assumed in",
}
_UNIT = f"{NO_BREAK_SPACE}g/cm³"


def estimated_share(run: RunFolder) -> float:
    """Share of the horizons with a bulk density whose density was not measured, NaN where not known."""
    return _share_without(run, "bulk_density", ESTIMATES, ("measured",))


def assumed_share(run: RunFolder) -> float:
    """Share of the horizons with coarse fragments whose fragments are an assumed value, NaN where not known."""
    return _share_without(run, "coarse_fragments", ("assumed",), ("measured", "class", "profile", "grid"))


def _share_without(run: RunFolder, what: str, parts: Iterable[str], others: Iterable[str]) -> float:
    """A source that the summary does not name has given nothing; without any there is nothing to say."""
    of_parts, of_others = ([counted(run, what, name) for name in names] for names in (parts, others))
    if not any(is_known(n) for n in of_parts + of_others):
        return math.nan
    return share(*(sum(n for n in numbers if is_known(n)) for numbers in (of_parts, of_others)))


def density_error(run: RunFolder) -> float:
    """Error (sd, g/cm3) of the estimate that most of the horizons without a measured density have, NaN where not told."""
    used = {name: counted(run, "bulk_density", name) for name in ESTIMATES}
    known = {name: n for name, n in used.items() if is_known(n) and n > 0}
    if not known:
        return math.nan
    most = max(known, key=lambda name: known[name])
    keys = {"pedotransfer": ("error_sd_g_cm3",), "gap_filling": ("gap_filling_score", "rmse_g_cm3")}
    return counted(run, "bulk_density", *keys.get(most, ("errors", most, "error_sd_g_cm3")))


def density_facts(run: RunFolder) -> list[tuple[str, str]]:
    """Where bulk density and coarse fragments come from, as terms and sentences."""
    density, fragments = run.summary.get("bulk_density"), run.summary.get("coarse_fragments")
    found: list[tuple[str, str]] = []
    if isinstance(density, Mapping):
        found += [
            ("Bulk density", _sources(density)),
            ("Pedotransfer rule", _rule(density)),
            ("Gap filling", _gap_filling(density.get("gap_filling_score"))),
            ("Estimates of others", _others(density)),
            ("Basis of bulk density", _basis(density)),
            ("Organic horizons", _organic(density.get("organic"))),
        ]
    if isinstance(fragments, Mapping):
        found.append(("Coarse fragments", _fragments(fragments)))
    factors = run.summary.get("organic_matter_to_carbon")
    if isinstance(factors, list) and factors:
        shares = ", ".join(fixed(float(factor), 3) for factor in dict.fromkeys(factors))
        found.append(("Organic matter", f"taken to hold {shares} of carbon (an assumption of the recipe)."))
    # The name of a rule stays as recipes spell it.
    return [(term, words if term == "Pedotransfer rule" else capital(words)) for term, words in found if words]


def _own(table: object) -> str:
    """Where an error was found; a page has many tables."""
    return str(table).replace("this table", "this run")


def _positive(value: object) -> float:
    """A count, 0 where there is none."""
    return float(value) if isinstance(value, (int, float)) and is_known(value) else 0.0


def _sources(density: Mapping[str, Any]) -> str:
    return _counts(density) + "." + _asked(density) + _unused(density)


def _counts(density: Mapping[str, Any]) -> str:
    """How many horizons have a density from where."""
    text = f"measured in {plural(_positive(density.get('measured')), 'horizon')}"
    used = [f"{words} in {count(density[name])}" for name, words in ESTIMATES.items() if _positive(density.get(name))]
    text += f", estimated {listing(used)}" if used else ", estimated in none"
    return text + (f", missing in {count(density['missing'])}" if _positive(density.get("missing")) else "")


def _asked(summary: Mapping[str, Any]) -> str:
    """The order in which the sources were asked."""
    chain = summary.get("chain")
    if not isinstance(chain, list) or not chain:
        return ""
    return f" Asked in this order: {', then '.join(_CHAIN.get(str(name), str(name)) for name in chain)}."


def _unused(density: Mapping[str, Any]) -> str:
    n = _positive(density.get("measured_not_used"))
    return f" {plural(n, 'measured value')} gave way to an earlier source." if n else ""


def _rule(density: Mapping[str, Any]) -> str:
    if not density.get("rule") or not _positive(density.get("pedotransfer")):
        return ""
    text = _error_words(density) + "."
    second, choice = density.get("second_rule"), density.get("choice")
    if isinstance(second, Mapping):
        text += f" Without texture: {_error_words(second)}."
    if isinstance(choice, Mapping) and choice.get("asked") == "best":
        text += _choice(choice)
    held = _positive(density.get("held_at_range_end"))
    if held:
        text += f" {plural(held, 'horizon')} outside the range of the rule took the value at its end."
    return text


def _choice(choice: Mapping[str, Any]) -> str:
    """How the best rule was found."""
    if choice.get("reason"):
        return f" The best rule was asked for, but found {choice['reason']}."
    rules = choice.get("rmse_g_cm3")
    of = f" of {len(rules)}" if isinstance(rules, Mapping) else ""
    text = f" Chosen as the best{of} on {count(choice.get('compared_on'))} measured horizons"
    checked = choice.get("cross_checked_rmse_g_cm3")
    return text + (f"; RMSE of the choice on profiles without part in it {fixed(checked, 3)}{_UNIT}." if is_known(checked) else ".")


def _error_words(rule: Mapping[str, Any]) -> str:
    """Name and citation of a pedotransfer rule, and how wrong it is."""
    text = str(rule.get("rule"))
    if rule.get("citation"):
        text += f" ({rule['citation']})"
    if is_known(rule.get("error_sd_g_cm3")):
        text += f", error {fixed(rule['error_sd_g_cm3'], 3)}{_UNIT} (sd)"
    if is_known(rule.get("bias_g_cm3")):
        text += f", bias {fixed(rule['bias_g_cm3'], 3)}{_UNIT}"
    if is_known(rule.get("checked_on")):
        text += f", checked on {count(rule['checked_on'])} measured horizons"
        text += f" of {_own(rule['checked_against'])}" if rule.get("checked_against") else ""
    return text


def _gap_filling(score: object) -> str:
    if not isinstance(score, Mapping):
        return ""
    text = f"trained on {count(score.get('horizons'))} measured horizons of {count(score.get('profiles'))} profiles"
    text += f" ({score['engine']})" if score.get("engine") else ""
    text += f"; out of fold ({score['folds']})" if score.get("folds") else "; out of fold"
    text += f" RMSE {fixed(score.get('rmse_g_cm3'), 3)}{_UNIT}, bias {fixed(score.get('bias_g_cm3'), 3)}{_UNIT}"
    text += f", MEC {fixed(score['mec'])}" if is_known(score.get("mec")) else ""
    text += f". Organic horizons by {score['organic']}" if score.get("organic") else ""
    beside = [row for row in score.get("beside") or [] if isinstance(row, Mapping) and is_known(row.get("rmse_g_cm3"))]
    if beside:
        best = min(beside, key=lambda row: float(row["rmse_g_cm3"]))
        own = best.get("gap_filling")
        text += f". The best rule, {best.get('rule')}, has RMSE {fixed(best['rmse_g_cm3'], 3)}{_UNIT}"
        if isinstance(own, Mapping):
            text += f" on {count(best.get('horizons'))} of them, where gap filling has {fixed(own.get('rmse_g_cm3'), 3)}{_UNIT}"
    return text + "."


def _others(density: Mapping[str, Any]) -> str:
    """Errors of densities that the source itself estimates, and of a grid."""
    errors = density.get("errors")
    found = []
    for name, error in errors.items() if isinstance(errors, Mapping) else ():
        if _positive(density.get(name)) and isinstance(error, Mapping) and is_known(error.get("error_sd_g_cm3")):
            against = str(error.get("checked_against") or "")
            where = (
                _own(against) if against.startswith("not") else f"checked on {count(error.get('checked_on'))} horizons of {_own(against)}"
            )
            found.append(f"{_CHAIN.get(name, name)}, error {fixed(error['error_sd_g_cm3'], 3)}{_UNIT} (sd), {where}")
    return capital("; ".join(found)) + "." if found else ""


def _basis(density: Mapping[str, Any]) -> str:
    converted, assumed = density.get("converted_to_fine_earth"), _positive(density.get("basis_assumed_fine_earth"))
    parts = [f"{count(n)} {name}" for name, n in converted.items() if _positive(n)] if isinstance(converted, Mapping) else []
    text = f"{listing(parts)} converted to fine earth" if parts else ""
    if assumed:
        text += f"{'; ' if text else ''}{count(assumed)} without a stated basis taken to be of fine earth (an assumption)"
    return text + "." if text else ""


def _organic(organic: object) -> str:
    """Organic horizons by source, and the curve where it was used."""
    if not isinstance(organic, Mapping):
        return ""
    if not any(_positive(organic.get(name)) for name in ("measured", "missing", *ESTIMATES)):
        return ""
    text = _counts(organic)
    if _positive(organic.get("pedotransfer")) and organic.get("rule"):
        text += f". Rule: {_error_words(organic)}"
    far = _positive(organic.get("measured_far_above_curve"))
    if far:
        text += f". {plural(far, 'measured density', 'measured densities')} far above the curve, kept as measured"
    return text + "."


def _fragments(fragments: Mapping[str, Any]) -> str:
    used = [f"{words} {count(fragments[name])}" for name, words in _FRAGMENTS.items() if _positive(fragments.get(name))]
    text = ", ".join([f"measured in {count(fragments.get('measured'))} horizons", *used])
    if _positive(fragments.get("assumed")) and is_known(fragments.get("assumed_vol_pct")):
        text += f" ({number(fragments['assumed_vol_pct'], 2)}{NO_BREAK_SPACE}% of the volume)"
    if _positive(fragments.get("missing")):
        text += f", missing in {count(fragments['missing'])}"
    unknown = fragments.get("unknown_classes")
    if isinstance(unknown, Mapping) and unknown:
        text += f". Classes that are not known: {listing([f'{name} ({count(n)})' for name, n in unknown.items()])}"
    return text + "." + _asked(fragments)


def organic_choices(run: RunFolder) -> list[Mapping[str, Any]]:
    """Stock of the organic horizons under each choice of bulk density; empty without organic horizons."""
    density = run.summary.get("bulk_density")
    organic = density.get("organic") if isinstance(density, Mapping) else None
    rows = organic.get("choices") if isinstance(organic, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping) and _positive(row.get("horizons"))] if isinstance(rows, list) else []


def organic_table(run: RunFolder, target: Target) -> PageTable | None:
    """What the choice of bulk density does to the carbon of the organic horizons."""
    choices = organic_choices(run)
    if not choices or target.name == "SOC content":
        return None
    rows = [
        (
            f"{'ours, ' if row.get('choice') == 'kept' else ''}{row.get('meaning') or row.get('choice')}",
            count(row.get("changed")),
            number(row.get("soc_density_kg_m3")),
            number(row.get("soc_stock_kg_m2")),
            fixed(row.get("ratio")),
        )
        for row in choices
    ]
    first = choices[0]
    given, horizons = _positive(first.get("given")), _positive(first.get("horizons"))
    caption = (
        f"Carbon of {plural(horizons, 'organic horizon')} (above 8 % carbon; density given for {count(given)}) by choice of bulk density"
    )
    columns = ("Choice", "Horizons changed", "Mean density (kg/m³)", "Stock, sum of horizons (kg/m²)", "Against ours")
    return made(caption, columns, rows)
