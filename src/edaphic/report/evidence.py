"""The evidence side by side: what each design answers, which one speaks for the map, and how accuracy differs between groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

import pandas as pd

from edaphic.report.designs import (
    IN_SAMPLE,
    PROBABILITY,
    calibrated_by,
    design_name,
    design_title,
    design_words,
    designs_of,
    headline_of,
    headline_reason,
    lead_of,
    words_of,
)
from edaphic.report.facts import ALL_LAYERS, evidence_name, metric
from edaphic.report.folder import RunFolder, records
from edaphic.report.tables import PageTable, dense, score_cells, score_columns
from edaphic.report.words import (
    MISSING,
    capital,
    count,
    decimals_for,
    fixed,
    group_text,
    is_known,
    layer_text,
    listing,
    number,
    percent,
    plural,
    quantity,
    unit_text,
    with_interval,
)


def designs_told(run: RunFolder) -> list[tuple[str, str]]:
    """Designs of the metrics table: name, and what each leaves out and answers."""
    names = designs_of(run, "metrics", with_in_sample=True)
    return [(design_name(name), f"{design_words(run, name)}. {capital(words_of(name).answers)}") for name in names]


def headline_words(run: RunFolder) -> tuple[str, str]:
    """Which score is the map's, and why; empty where the run names none."""
    headline, reason = headline_of(run), headline_reason(run)
    if not headline:
        return "", ""
    name = "the estimate from sites drawn at random" if headline == PROBABILITY else f"the score by {design_name(headline)}"
    return f"The accuracy of the map is {name}.", f"The reason: {reason}." if reason else ""


def side_by_side(run: RunFolder) -> PageTable | None:
    """One row for each design: its scores over all layers and the MEC of the whole depth."""
    designs = designs_of(run, "metrics", with_in_sample=True)
    table = run.table("metrics")
    if table is None or not designs:
        return None
    units = [unit for unit in dict.fromkeys(table.loc[table["scale"] != "log", "unit"]) if unit]
    unit = f" ({unit_text(units[0])})" if len(units) == 1 else ""
    whole = run.whole if run.whole is not None and len(run.layers) > 1 else None
    rows = []
    for design in designs:
        places = decimals_for(metric(run, design, "rmse"))
        own = [_told(run, design, name, ALL_LAYERS, at) for name, at in (("mec", 2), ("rmse", places), ("bias", places), ("ccc", 2))]
        of_whole = MISSING if whole is None else _told(run, design, "mec", evidence_name(run, whole), 2)
        rows.append((_marked(run, design), *own, of_whole, capital(words_of(design).answers)))
    columns = ("Design", "MEC", f"RMSE{unit}", f"Bias{unit}", "CCC", f"MEC of {layer_text(*whole)}" if whole else "", "What it answers")
    return dense("Scores over all layers, side by side, with 95 % bootstrap intervals", columns, rows, (0, 6))


def _marked(run: RunFolder, design: str) -> str:
    if design == headline_of(run):
        return f"{design_name(design)} (headline)"
    return f"{design_name(design)} (no evidence)" if design == IN_SAMPLE else design_name(design)


def _told(run: RunFolder, design: str, name: str, layer: str, decimals: int) -> str:
    value, low, high = (metric(run, design, name + end, layer) for end in ("", "_low", "_high"))
    return with_interval(value, low, high, decimals)


def distance_words(run: RunFolder) -> str:
    """How closely the held-out profiles of kNNDM lie as far away as the cells of the map do."""
    told = run.designs.get("knndm")
    if not isinstance(told, Mapping) or not is_known(told.get("w_m")):
        return ""
    others = [
        f"{quantity(told[key], 'm')} {name}"
        for key, name in (("w_profile_m", "by profile"), ("w_random_m", "with single layers at random"))
        if is_known(told.get(key))
    ]
    beside = f", against {' and '.join(others)}" if others else ""
    cells = f" of {plural(told['cells'], 'cell')} drawn from the map" if is_known(told.get("cells")) else ""
    return (
        f"Between the distances of the held-out profiles and those{cells} there are on average {quantity(told['w_m'], 'm')} "
        f"by kNNDM (W){beside}. The smaller, the more the test asks what the map is asked."
    )


def notes(run: RunFolder) -> list[str]:
    """What the run noted on its designs, its blocks and its other sets of profiles, each once."""
    told = run.designs.get("notes")
    found = []
    for design, lines in told.items() if isinstance(told, Mapping) else ():
        found += [_sentence(str(line)) for line in lines if design != "block" or "not the accuracy" not in str(line)]
    side, others = run.designs.get("block_side"), run.designs.get("independent")
    found += [_sentence(side)] if isinstance(side, str) and side else []
    found += [f"Other profiles, {str(line).strip().rstrip('.')}." for line in others] if isinstance(others, list) else []
    domain = run.domain.get("notes")
    found += [_sentence(str(line)) for line in domain] if isinstance(domain, list) else []
    return list(dict.fromkeys(found))


def _sentence(text: str) -> str:
    return capital(text.strip().rstrip(".")) + "."


def group_rows(run: RunFolder, design: str) -> pd.DataFrame | None:
    """Scores of one design by zone, decade, class and applicability, on the natural scale."""
    table = run.table("groups")
    if table is None:
        return None
    rows = table[(table["design"] == design) & (table["scale"] != "log")]
    return None if rows.empty else rows


def by_group(run: RunFolder) -> list[PageTable]:
    """Accuracy by group, one table for each design, the headline first."""
    table = run.table("groups")
    if table is None:
        return []
    found = []
    for design in designs_of(run, "groups"):
        rows = group_rows(run, design)
        body = [(named(run, r.group), *score_cells(r), _covered(run, design, r.group)) for r in records(rows)]
        columns = ("Group", *score_columns(table["unit"]), "Coverage of the intervals")
        found.append(dense(f"{design_title(design)} design: scores by group, all layers together", columns, body))
    return found


def named(run: RunFolder, group: str) -> str:
    """A group with the name of its class where the recipe gives one.

    Groups of a class covariate are written as its name and a code.
    """
    covariate, _, code = group.rpartition(" ")
    zone = run.setting("model", "zones")
    if covariate == "zone" and isinstance(zone, str):
        covariate = zone
    names = _class_names(run, covariate)
    name = names.get(code, "")
    return f"{covariate}: {name}" if name else group_text(group)


def _class_names(run: RunFolder, covariate: str) -> dict[str, str]:
    layers = run.setting("covariates", "layers")
    for layer in layers if isinstance(layers, list) else []:
        if not isinstance(layer, Mapping) or not isinstance(layer.get("classes"), Mapping):
            continue
        if PurePath(str(layer.get("name") or layer.get("path") or "")).stem == covariate:
            return {str(code): str(name) for code, name in layer["classes"].items()}
    return {}


def _covered(run: RunFolder, design: str, group: str) -> str:
    table = run.table("calibration")
    if table is None:
        return MISSING
    rows = table[(table["design"] == design) & (table["group"] == group)]
    return percent(float(rows["coverage"].iloc[0]), 1) if len(rows) else MISSING


def group_words(run: RunFolder) -> str:
    """What the groups are by, and where the error differs from that of all by more than chance."""
    lead = lead_of(run, "groups")
    rows, overall = group_rows(run, lead), metric(run, lead, "rmse")
    if rows is None or not is_known(overall):
        return ""
    worse = [named(run, r.group) for r in records(rows) if is_known(r.rmse_low) and r.rmse_low > overall]
    better = [named(run, r.group) for r in records(rows) if is_known(r.rmse_high) and r.rmse_high < overall]
    parts = [f"clearly {how} for {listing(names)}" for how, names in (("larger", worse), ("smaller", better)) if names]
    start = f"By {design_name(lead)}, the error (RMSE) is "
    return start + ("; ".join(parts) if parts else "nowhere clearly another than that of all together") + "."


def curves_table(run: RunFolder) -> PageTable | None:
    """G statistic of the coverage at all levels, before and after adjustment."""
    table = run.table("curves")
    if table is None:
        return None
    rows = []
    for design in designs_of(run, "curves"):
        here = table[table["design"] == design]
        for layer in dict.fromkeys(here["layer"]):
            part = here[here["layer"] == layer]
            values = [part.loc[part["quantiles"] == stage, "g_statistic"] for stage in ("raw", "adjusted")]
            shown = [fixed(float(value.iloc[0]), 3) if len(value) else MISSING for value in values]
            rows.append((design_name(design), group_text(layer), *shown))
    return dense("Closeness of the coverage to all levels (G)", ("Design", "Layer", "G before", "G after"), rows, (0, 1))


def calibration_words(run: RunFolder) -> str:
    """Which design's adjustment the maps carry, and how many profiles it rests on."""
    used = calibrated_by(run)
    if not used:
        return ""
    text = (
        "Coverage is told for each design with an adjustment from its own other folds; the intervals of the maps carry that of "
        f"the {design_name(used)} design"
    )
    table = run.table("conformal")
    known = [] if table is None else [r for r in records(table) if is_known(r.n_profiles) and not is_known(r.zone)]
    known = sorted(known, key=lambda r: ((r.top_cm, r.bottom_cm) == run.whole, r.top_cm))
    parts = [f"{layer_text(r.top_cm, r.bottom_cm)} on {count(r.n_profiles)}" for r in known]
    text += f", which rests on held-out profiles: {', '.join(parts)}." if parts else "."
    return " ".join([text, *_pooled(table)])


def _pooled(table: pd.DataFrame | None) -> Iterable[str]:
    pooled = [] if table is None else [r for r in records(table) if r.pooled is True]
    zones = [r for r in pooled if is_known(r.zone)]
    if zones:
        of = sum(is_known(r.zone) for r in records(table))
        yield (
            f"{plural(len(zones), 'group')} of {of} by layer and zone {'has' if len(zones) == 1 else 'have'} too few profiles for an "
            "adjustment of their own: that of the layer takes its place."
        )
    names = dict.fromkeys(layer_text(r.top_cm, r.bottom_cm) for r in pooled if not is_known(r.zone))
    if names:
        yield f"{listing(list(names))}: too few profiles for an adjustment of their own; that of all layers takes its place."
    short = [] if table is None else [r for r in records(table) if r.enough is False]
    if short:
        names = dict.fromkeys(layer_text(r.top_cm, r.bottom_cm) for r in short)
        yield f"In {', '.join(names)} the outermost tail is as far as the largest error seen, for want of observations."


def tails_by_layer(run: RunFolder) -> PageTable | None:
    """Both tails of each layer in the design that calibrates, with their intervals."""
    table, used = run.table("calibration"), calibrated_by(run)
    lead = used if table is not None and used in set(table["design"]) else lead_of(run, "calibration")
    if table is None or not lead:
        return None
    rows = table[(table["design"] == lead) & (table["group"].str.endswith(" cm") | (table["group"] == ALL_LAYERS))]
    body = [
        (
            group_text(r.group), count(r.n), _share(r.coverage, r.coverage_low, r.coverage_high),
            _share(r.below, r.below_low, r.below_high), _share(r.above, r.above_low, r.above_high), number(r.mean_width_raw),
            number(r.mean_width),
        )
        for r in records(rows)
    ]  # fmt: skip
    columns = ("Layer", "n", "Inside", "Below it", "Above it", "Mean width before", "Mean width after")
    return dense(f"Both tails by layer, {design_name(lead)} design, with 95 % intervals", columns, body)


def _share(value: float, low: float, high: float) -> str:
    ends = f" [{percent(low, 1)}, {percent(high, 1)}]" if is_known(low) and is_known(high) else ""
    return percent(value, 1) + ends
