"""How the model was chosen and whether it pays: screens, search, settings by fold, the naive score, simple models, zones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from edaphic.report.designs import design_name, designs_of
from edaphic.report.facts import ALL_LAYERS
from edaphic.report.folder import RunFolder, records
from edaphic.report.inputs import rounded
from edaphic.report.tables import PageTable, dense, text_cell
from edaphic.report.words import (
    MISSING,
    count,
    decimals_for,
    fixed,
    group_text,
    is_known,
    listing,
    number,
    percent,
    plural,
    quantity,
    unit_text,
    with_interval,
)

MODEL_NAMES = {
    "layer_mean": "the mean of each layer",
    "class_mean": "the mean of each class",
    "linear": "a linear model",
    "random_effects": "a regression with random effects",
    "regression_kriging": "regression kriging",
}
"""Simple models in words."""

_NESTED, _FOREST = "chosen in each fold", "forest"
_ZONED = "a model for each zone"
_BEST_SUBSETS = 10
_ALL_FOLDS = 0.999


def _name(what: str) -> str:
    return MODEL_NAMES.get(what, what.replace("_", " "))


def _verdict(r: Any) -> str:
    """Where a model stands against ours: "better", "worse" or "even", by the interval of the paired difference of RMSE."""
    if not (is_known(r.rmse_minus_ours_low) and is_known(r.rmse_minus_ours_high)):
        return ""
    return "worse" if r.rmse_minus_ours_low > 0.0 else "better" if r.rmse_minus_ours_high < 0.0 else "even"


def baseline_words(run: RunFolder) -> list[str]:
    """For each layer: which simple models the forest is better than, cannot be told apart from, and is worse than."""
    table = run.table("baselines")
    if table is None:
        return []
    found = []
    for layer in dict.fromkeys(table["layer"]):
        rows = [r for r in records(table[(table["layer"] == layer) & (table["what"] != _FOREST)])]
        told = [
            f"{how} {listing([_name(r.what) for r in rows if _verdict(r) == verdict])}"
            for verdict, how in (("worse", "better than"), ("even", "cannot be told apart from"), ("better", "worse than"))
            if any(_verdict(r) == verdict for r in rows)
        ]
        if told:
            words = [text if text.startswith("cannot") else f"is {text}" for text in told]
            found.append(f"{_start(layer)} the forest {'; it '.join(words)}.")
    return found


def _start(layer: str) -> str:
    if layer.startswith("whole "):
        return f"For the {group_text(layer)}"
    return "Over all layers" if layer == ALL_LAYERS else f"In {group_text(layer)}"


def beaten_by(run: RunFolder) -> list[str]:
    """Simple models that are better than the forest beyond chance, each with its layer."""
    return [
        f"{_name(r.what)} in {group_text(r.layer)}"
        for r in records(run.table("baselines"))
        if r.what != _FOREST and _verdict(r) == "better"
    ]


def baselines(run: RunFolder) -> PageTable | None:
    """Simple models on the folds of the headline, beside the forest."""
    return _compared(run, "baselines", "The forest and simple models on the same folds", "RMSE minus ours", _name)


def zoning(run: RunFolder) -> PageTable | None:
    """A model for each zone beside one model for all."""
    return _compared(run, "zoning", "A model for each zone, and one for all, on the same folds", "RMSE minus that by zones", str)


def naive(run: RunFolder) -> PageTable | None:
    """Covariates and settings chosen once on all profiles, beside those chosen anew in each fold."""
    caption = "Covariates and settings chosen within each fold, and once on all profiles"
    return _compared(run, "naive", caption, "RMSE minus that of each fold", str)


def _compared(run: RunFolder, name: str, caption: str, apart: str, label: Any) -> PageTable | None:
    table = run.table(name)
    if table is None:
        return None
    units = [unit for unit in dict.fromkeys(table["unit"]) if unit]
    unit = f" ({unit_text(units[0])})" if len(units) == 1 else ""
    designs = listing([design_name(design) for design in dict.fromkeys(table["design"])])
    rows = []
    for layer in dict.fromkeys(table["layer"]):
        here = list(records(table[table["layer"] == layer]))
        first = here[0].what
        for r in here:
            places = decimals_for(r.rmse)
            # More digits, for a difference may be far smaller than what differs.
            beside = (
                MISSING if r.what == first else with_interval(r.rmse_minus_ours, r.rmse_minus_ours_low, r.rmse_minus_ours_high, places + 1)
            )
            rows.append((group_text(layer), label(r.what), fixed(r.mec), fixed(r.rmse, places), beside, fixed(r.bias, places), count(r.n)))
    columns = ("Layer", "Model", "MEC", f"RMSE{unit}", f"{apart}{unit}", f"Bias{unit}", "n")
    return dense(f"{caption} ({designs})", columns, rows, (0, 1))


def _pair(run: RunFolder, name: str, first: str) -> tuple[Any, Any] | None:
    """Rows of all layers (else of the first layer): that named, and the one beside it."""
    table = run.table(name)
    if table is None:
        return None
    layer = ALL_LAYERS if (table["layer"] == ALL_LAYERS).any() else table["layer"].iloc[0]
    here = list(records(table[table["layer"] == layer]))
    ours, theirs = [r for r in here if r.what == first], [r for r in here if r.what != first]
    return (ours[0], theirs[0]) if ours and theirs else None


def naive_words(run: RunFolder) -> str:
    """How much better the naive score looks than the nested one."""
    pair = _pair(run, "naive", _NESTED)
    if pair is None:
        return ""
    nested, once = pair
    layers = [
        group_text(r.layer)
        for r in records(run.table("naive"))
        if r.what != _NESTED and r.layer != once.layer and _verdict(r) == "better"
    ]
    end = {
        "better": "The naive score is too good by the difference: it chose with the profiles that it is judged by.",
        "worse": "Here the naive score is even a little worse: the choice had nothing to gain.",
    }.get(_verdict(once), "The two cannot be told apart: the choice has not fitted itself to these profiles.")
    return (
        "Covariates, classes and settings are chosen anew within each fold, without the profiles that are held back. "
        f"By {design_name(nested.design)} that gives MEC {fixed(nested.mec, 3)} and RMSE {quantity(nested.rmse, nested.unit)}; "
        f"chosen once on all profiles (naive) it would be MEC {fixed(once.mec, 3)} and RMSE {quantity(once.rmse, once.unit)}. {end}"
        + (f" Too good beyond chance in {listing(layers)}." if layers else "")
    )


def zones_beaten(run: RunFolder) -> list[str]:
    """Layers in which one model for all is better than a model for each zone, beyond chance."""
    return [group_text(r.layer) for r in records(run.table("zoning")) if r.what != _ZONED and _verdict(r) == "better"]


def zoning_words(run: RunFolder) -> str:
    """Did zoning help?"""
    pair = _pair(run, "zoning", _ZONED)
    if pair is None:
        return ""
    _, one = pair
    apart = with_interval(one.rmse_minus_ours, one.rmse_minus_ours_low, one.rmse_minus_ours_high, decimals_for(one.rmse) + 1)
    answer = {
        "worse": "Yes: one model for all has the larger error",
        "better": "No: one model for all has the smaller error",
    }.get(_verdict(one), "That cannot be told: the two differ no more than chance allows")
    unit = f" {unit_text(one.unit)}" if one.unit else ""
    text = f"{answer} (RMSE of one model minus that by zones {apart}{unit}, by {design_name(one.design)})."
    for verdict, model in (("worse", "Models by zone are"), ("better", "One model for all is")):
        layers = [
            group_text(r.layer)
            for r in records(run.table("zoning"))
            if r.what != _ZONED and r.layer != one.layer and _verdict(r) == verdict != _verdict(one)
        ]
        text += f" {model} better beyond chance in {listing(layers)}." if layers else ""
    return text


def steps(run: RunFolder) -> PageTable | None:
    """Accuracy with the covariates that each screen leaves."""
    table = run.table("steps")
    if table is None:
        return None
    rows = [(r.step, count(r.covariates), number(r.rmse, 4), fixed(r.mec, 3), text_cell(r.scale)) for r in records(table)]
    return dense("Accuracy before and after each screen", ("Covariates", "Number", "RMSE", "MEC", "Scale"), rows, (0, 4))


def search(run: RunFolder) -> PageTable | None:
    """The best sets of covariates that the search tried."""
    table = run.table("search")
    if table is None:
        return None
    best = table.sort_values("rmse", kind="stable").head(_BEST_SUBSETS)
    chosen = table[[value is True for value in table["chosen"]]]
    shown = pd.concat([best, chosen[~chosen.index.isin(best.index)]])
    rows = [
        (r.features, count(r.number), number(r.rmse, 4), number(r.se, 2), fixed(r.mec, 3), "chosen" if r.chosen is True else "")
        for r in records(shown)
    ]
    caption = f"The best of {plural(len(table), 'set')} of covariates that were tried"
    return dense(caption, ("Covariates", "Number", "RMSE", "Its standard error", "MEC", " "), rows, (0, 5))


def choice_words(run: RunFolder) -> list[str]:
    """How stable the choices are over the folds."""
    table = run.table("choices")
    if table is None:
        return []
    fitted = pd.Series([f"{r.trees} {r.max_features} {r.min_samples_leaf} {r.max_depth} {r.split}" for r in records(table)])
    most = fitted.value_counts()
    folds, designs = plural(len(table), "fold"), plural(table["design"].nunique(), "design")
    settings = (
        "all chose the same settings"
        if len(most) == 1
        else f"{count(float(most.iloc[0]))} chose the same settings; {plural(len(most), 'setting')} were chosen in all"
    )
    kept = _kept(table)
    always = [name for name, share in kept.items() if share > _ALL_FOLDS]
    others = [f"{name} ({percent(share)})" for name, share in kept.items() if share <= _ALL_FOLDS]
    found = [f"Of {folds} in {designs}, {settings}."]
    named = f": {listing(always)}" if always else ""
    found.append(f"{plural(len(always), 'covariate')} of {len(kept)} {'was' if len(always) == 1 else 'were'} kept in every fold{named}.")
    if others:
        found.append(f"Kept in some folds only: {listing(others)}.")
    return found


def _kept(table: pd.DataFrame) -> dict[str, float]:
    """Share of the folds that kept each covariate, most first."""
    names: dict[str, int] = {}
    for text in table["names"]:
        for name in text.split():
            names[name] = names.get(name, 0) + 1
    return {name: n / len(table) for name, n in sorted(names.items(), key=lambda item: (-item[1], item[0]))}


def choices(run: RunFolder) -> PageTable | None:
    """What each fold chose."""
    table = run.table("choices")
    if table is None:
        return None
    everywhere = {name for name, share in _kept(table).items() if share > _ALL_FOLDS}
    rows = [
        (
            design_name(design), count(r.fold + 1), count(r.covariates),
            ", ".join(name for name in r.names.split() if name not in everywhere) or "none",
            count(r.trees), text_cell(rounded(r.max_features)), count(r.min_samples_leaf), count(r.max_depth), text_cell(r.split),
        )
        for design in designs_of(run, "choices")
        for r in records(table[table["design"] == design])
    ]  # fmt: skip
    columns = (
        "Design", "Fold", "Covariates", "Those not kept in every fold", "Trees", "Covariates tried at a split",
        "Least samples in a leaf", "Depth of a tree", "Split rule",
    )  # fmt: skip
    return dense("What each fold chose", columns, rows, (0, 3, 5, 8))


def derived(run: RunFolder) -> Iterable[str]:
    """Covariates made of carbon that the model uses."""
    for r in records(run.table("selection")):
        if r.target_derived and r.kept is True:
            yield f"{r.feature} ({r.target_derived})"
