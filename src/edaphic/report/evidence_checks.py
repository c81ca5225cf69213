"""Checks of the evidence: skill, bias, coverage, simple models, zones, area of applicability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edaphic.report.choosing import beaten_by, zones_beaten
from edaphic.report.designs import design_name, judged, lead_of
from edaphic.report.facts import calibration, held_out, interval_of, metric, only_inside, share_inside, single_layers
from edaphic.report.folder import RunFolder
from edaphic.report.intervals import worst
from edaphic.report.skill import LayerScore, layer_scores
from edaphic.report.words import fixed, is_known, layer_text, listing, percent

_TOLERANCE_COVERAGE = 0.03
_LEAST_DECILE_COVERAGE = 0.8
_LEAST_INSIDE = 0.8
_MOST_BIAS = 0.1

OK, LOOK, WRONG = "ok", "look", "wrong"


@dataclass(frozen=True)
class Check:
    """One check: what was found, what is expected, and "ok", "look" or "wrong"."""

    name: str
    found: str
    expected: str
    verdict: str


def evidence_checks(run: RunFolder) -> list[Check]:
    """All checks of the evidence that the run's files allow, in the order of the page."""
    groups: tuple[Callable[[RunFolder], list[Check]], ...] = (_skill, _layers, _coverage, _simple_models, _zones, _domain)
    return [check for group in groups for check in group(run)]


def _skill(run: RunFolder) -> list[Check]:
    found = []
    for design in judged(run, "metrics"):
        mec, alone = metric(run, design, "mec"), metric(run, design, "mec_layer_mean")
        if is_known(mec):
            found.append(Check(f"MEC by {design_name(design)}", fixed(mec), "above 0", OK if mec > 0.0 else LOOK))
        if is_known(mec) and is_known(alone) and len(single_layers(run)) > 1:
            text = f"{fixed(mec)} against {fixed(alone)}"
            found.append(
                Check(
                    f"MEC by {design_name(design)} against depth alone", text, "more than depth alone", OK if mec > alone else LOOK
                )
            )
        found += _bias(run, design)
    return found


def _layers(run: RunFolder) -> list[Check]:
    """Layers that the headline finds no skill in: a score over all layers hides them, for depth explains much of it."""
    lead = lead_of(run, "metrics")
    scores = layer_scores(run, lead)
    if len(scores) < 2:
        return []
    none: list[LayerScore] = [score for score in scores if score.without_skill]
    text = f"not shown in {listing([f'{score.name} (MEC {score.words()})' for score in none])}" if none else "shown in each"
    return [Check(f"skill in each layer by {design_name(lead)}", text, "interval of the MEC above 0", LOOK if none else OK)]


def _bias(run: RunFolder, design: str) -> list[Check]:
    """The largest bias of a layer over the mean observed there: biases of layers can cancel in their sum."""
    rows = held_out(run, design)
    if rows is None:
        return []
    shares = {}
    for layer in sorted(set(zip(rows["top_cm"], rows["bottom_cm"], strict=True))):
        here = rows[(rows["top_cm"] == layer[0]) & (rows["bottom_cm"] == layer[1])]
        mean = float(here["observed"].mean())
        if mean > 0.0:
            shares[layer] = float((here["predicted"] - here["observed"]).mean()) / mean
    if not shares:
        return []
    worst = max(shares, key=lambda layer: abs(shares[layer]))
    good = abs(shares[worst]) <= _MOST_BIAS
    text = f"{percent(shares[worst], 1)} of the observed mean in {layer_text(*worst)}"
    return [Check(f"largest bias of a layer by {design_name(design)}", text, "within ±10 %", OK if good else LOOK)]


def _coverage(run: RunFolder) -> list[Check]:
    nominal, found = interval_of(run), []
    for design in judged(run, "calibration"):
        low, high = nominal - _TOLERANCE_COVERAGE, min(1.0, nominal + _TOLERANCE_COVERAGE)
        value = calibration(run, design, "coverage")
        if is_known(value):
            ends = (calibration(run, design, "coverage_low"), calibration(run, design, "coverage_high"))
            by_chance = is_known(ends[0]) and is_known(ends[1]) and ends[0] <= nominal <= ends[1]
            shown = percent(value, 1) + (f" [{percent(ends[0], 1)}, {percent(ends[1], 1)}]" if is_known(ends[0]) else "")
            text = f"{percent(low)} to {percent(high)}" + (", or as near as so few profiles can tell" if is_known(ends[0]) else "")
            good = low <= value <= high or by_chance
            found.append(Check(f"coverage by {design_name(design)}", shown, text, OK if good else LOOK))
        table = run.table("calibration")
        if table is None:
            continue
        rows = table[(table["design"] == design) & table["coverage"].notna()]
        if rows["coverage_low"].notna().any():
            found.append(_groups(run, design))
            continue
        rows = rows[rows["group"].str.startswith("decile")]
        if len(rows):
            least = rows.iloc[int(rows["coverage"].to_numpy().argmin())]
            good = float(least["coverage"]) >= _LEAST_DECILE_COVERAGE
            text = f"{percent(float(least['coverage']), 1)} in {least['group']}"
            expected = f"at least {percent(_LEAST_DECILE_COVERAGE)}"
            found.append(Check(f"lowest coverage of a decile by {design_name(design)}", text, expected, OK if good else LOOK))
    return found


def _groups(run: RunFolder, design: str) -> Check:
    """The worst layer, zone or class, and decile, where coverage is off beyond chance."""
    off = worst(run, design)
    text = f"worst: {', '.join(item.words() for item in off.values())}" if off else "nowhere off beyond chance"
    name = f"coverage of each group by {design_name(design)}"
    expected = f"{percent(interval_of(run))} within the 95 % interval of each layer, zone, class and decile"
    return Check(name, text, expected, LOOK if off else OK)


def _simple_models(run: RunFolder) -> list[Check]:
    if run.table("baselines") is None:
        return []
    names = beaten_by(run)
    text = f"worse than {listing(names)}" if names else "nowhere worse beyond chance"
    return [Check("the forest against simple models", text, "not worse than any", LOOK if names else OK)]


def _zones(run: RunFolder) -> list[Check]:
    if run.table("zoning") is None:
        return []
    layers = zones_beaten(run)
    text = f"worse in {listing(layers)}; the maps use zones nevertheless, as the recipe says" if layers else "nowhere worse beyond chance"
    return [Check("models by zone against one for all", text, "not worse", LOOK if layers else OK)]


def _domain(run: RunFolder) -> list[Check]:
    share = share_inside(run)
    if not is_known(share):
        return []
    name, expected = "map inside the area of applicability", f"at least {percent(_LEAST_INSIDE)}"
    found = f"{percent(share, 1)}{', the rest left empty' if only_inside(run) else ''}"
    return [Check(name, found, expected, OK if share >= _LEAST_INSIDE else LOOK)]
