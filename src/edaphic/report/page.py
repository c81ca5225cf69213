"""The page of a finished run: one HTML file that holds all it shows and works without a network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from edaphic.report import (
    budget,
    change_section,
    choosing,
    density,
    diagnostics_section,
    domain,
    drivers,
    ecosystems_section,
    evidence,
    evidence_pictures,
    inputs,
    limits,
    map_pictures,
    map_words,
    others,
    pictures,
    plausibility,
    products_section,
    provenance,
    support_pictures,
    tables,
    totals_section,
)
from edaphic.report.answer import answer, title_of
from edaphic.report.facts import (
    BOUNDS_LEVEL,
    Target,
    accounted,
    counted,
    depth_words,
    has_bounds,
    interval_of,
    quantity_of,
    single_layers,
    stock_rows,
    target_of,
    whole_stock,
)
from edaphic.report.folder import RunFolder, read_run, records
from edaphic.report.follows import PAGE, followed
from edaphic.report.formats import FORMATS
from edaphic.report.map_pictures import LayerPictures
from edaphic.report.pictures import Picture
from edaphic.report.section import Section
from edaphic.report.words import (
    capital,
    dated_layer,
    is_known,
    listing,
    number,
    percent,
    plural,
    quantity,
)

_OPTIONAL = frozenset(
    {"comparison", "truth", "selection", "tuning", "periods", "climate", "zoning", "search", "steps", "baselines", "conformal"}
    | {"driver_importance", "effects", "shap_by_depth", "response_curves", "change_points", "group_tests", "group_letters"}
    | {"layer_changes", "path_inner", "path_effects", "path_quality", "path_bootstrap"}
    | {"totals", "change", "change_sensitivity", "revisits", "change_cells", "sites_change", "trend", "monte_carlo_beta"}
    | {"product_pairs", "product_taylor", "product_cv", "product_totals", "product_points", "product_samples", "published"}
    | {"decades", "area_by_class", "along_longitude", "along_latitude", "depth_profiles", "texture_groups", "biomes", "correlations"}
    | {"monte_carlo", "independent", "independent_coverage", "overlap", "by_design", "products"}
)
"""Tables that a run has only where it was asked for them, or that only add to others."""
_TEMPLATES = ("page.html.j2", "evidence.html.j2", "section.html.j2", "macros.html.j2", "page.css")


def build_report(run_dir: Path, out: Path | None = None) -> Path:
    """Write the report of a finished run: figures/*.png and report.html.

    Parameters
    ----------
    run_dir : Path
        Folder of a finished run. Only its files are read; the true rasters of a virtual landscape are read where the
        recipe names them.
    out : Path, optional
        Folder that report and figures are written to; ``run_dir`` itself when left out.

    Returns
    -------
    Path of report.html. The same run folder gives the same bytes.

    Raises
    ------
    RunError
        run.json or recipe.yaml is missing, or a file of the run cannot be understood; nothing is written.
    RasterError
        A map cannot be read; nothing is written.
    """
    run = read_run(run_dir)
    context, drawn = _context(run)
    html = _environment().get_template("page.html.j2").render(**context)
    out = run_dir if out is None else out
    _write_figures(out / "figures", drawn)
    return _write(out / "report.html", html.encode("utf-8"))


def _environment() -> jinja2.Environment:
    folder = files("edaphic.report")
    loader = jinja2.DictLoader({name: folder.joinpath(name).read_text(encoding="utf-8") for name in _TEMPLATES})
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _write(path: Path, content: bytes) -> Path:
    """Write beside and move, so that no half-written file is ever seen."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, path)
    return path


def _write_figures(folder: Path, drawn: list[Picture]) -> None:
    """Write the figures and remove those of an earlier report that this one does not have."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in drawn:
        _write(folder / picture.name, picture.png)
    names = {picture.name for picture in drawn}
    for path in sorted(folder.glob("*.png")):
        if path.name not in names:
            path.unlink()


def _context(run: RunFolder) -> tuple[dict[str, Any], list[Picture]]:
    """All that the template shows, and the pictures among it."""
    target = target_of(run)
    maps = map_pictures.layer_maps(run, target)
    added_up, mapped = accounted(run), quantity_of(accounted(run)) if run.maps else target
    facts = {layer.layer: layer.facts for layer in reversed(maps) if layer.target == added_up}
    means = {layer: facts[layer].mean for layer in (*single_layers(run), run.whole) if layer in facts}
    checks = plausibility.checks(run, mapped, facts)
    shown = _evidence(run, target)
    truth = _truth(run, target)
    rows = stock_rows(run)
    of_drivers = drivers.drivers(run)
    parts = _sections(run, target)
    forests, by_depth = totals_section.forests(run), diagnostics_section.depth_pictures(run)
    context: dict[str, Any] = {
        "title": title_of(run),
        "subtitle": _subtitle(run, mapped),
        "cards": answer(run, mapped, means),
        "verdict": plausibility.verdict(checks),
        "checks": checks,
        "mapped": inputs.mapped(run, mapped),
        "layer_counts": inputs.layer_counts(run),
        "covariates": inputs.covariates(run),
        "selection": inputs.selection(run),
        "tuning": inputs.tuning(run),
        "repairs": inputs.repairs(run),
        "density": budget.profile_facts(run) + density.density_facts(run),
        "organic_choices": density.organic_table(run, target),
        "budget": budget.error_budget(run, target),
        "budget_words": " ".join(budget.defaults_words(run)),
        "maps": maps,
        "map_facts": map_words.map_facts(run, target),
        "reduction": _reduction(maps),
        "colour_words": map_pictures.colour_words(run),
        "designs": evidence.designs_told(run),
        "target": target,
        "nominal": percent(interval_of(run)),
        "metrics": tables.metrics(run, "natural"),
        "log_metrics": tables.metrics(run, "log"),
        "calibration": tables.calibration_table(run),
        "calibrated_by": evidence.calibration_words(run),
        "stocks": None if rows is None else tables.stocks(rows, run.whole),
        "bounds_words": "" if run.totals else _bounds_words(run),
        "class_stocks": tables.class_stocks(run),
        "lead_words": map_words.lead_words(run, "stand below"),
        "period_stocks": map_words.period_stocks(run),
        "monte_carlo": map_words.monte_carlo(run),
        "comparison": tables.comparison(run, mapped.unit),
        "factors": _factors(run),
        "drivers": of_drivers,
        **parts,
        "forests": forests,
        "intervals": totals_section.interval_terms(run),
        "depth_by_class": by_depth,
        "follows": followed(run),
        "papers_page": PAGE,
        "limits": limits.limits(run, target),
        "missing": _missing(run),
        "version": str(run.run.get("edaphic", "")),
        "seed": str(run.run.get("seed", "")),
        "recipe_sha256": str(run.run.get("recipe_sha256", "")),
        "provenance": provenance.provenance(run),
        **_words(run),
        **shown,
        **truth,
    }
    found = [picture for one in (*parts.values(), of_drivers) if one is not None for picture in one.pictures]
    found += [*forests, *(picture for _, several in by_depth for picture in several)]
    return context, [*_all_pictures(maps, shown, truth), *found]


def _sections(run: RunFolder, target: Target) -> dict[str, Section | None]:
    """Sections that a run has only where it made their tables."""
    return {
        "samples": diagnostics_section.samples_section(run, target),
        "totals": totals_section.totals_section(run),
        "subsoil": ecosystems_section.ecosystems_section(run),
        "published": products_section.published_section(run),
        "patterns": diagnostics_section.patterns_section(run),
        "change": change_section.change_section(run),
        "other_products": products_section.products_section(run),
    }


def _evidence(run: RunFolder, target: Target) -> dict[str, Any]:
    return {
        "scatter": evidence_pictures.scatter(run, target),
        "skill": evidence_pictures.skill(run),
        "distances": support_pictures.distances(run),
        "groups": support_pictures.groups(run),
        "coverage": evidence_pictures.coverage(run),
        "curves": support_pictures.curves(run),
        "tails": evidence_pictures.tails(run),
        "domain_maps": domain.domain_maps(run),
        "importance": evidence_pictures.importance(run),
        "variograms": support_pictures.variograms(run),
        "depth": pictures.depth(run, target),
    }


def _words(run: RunFolder) -> dict[str, Any]:
    """Tables and sentences of the evidence."""
    return {
        "headline": evidence.headline_words(run),
        "net_words": tables.net_words(run, "metrics") or tables.net_words(run, "groups"),
        "independent_net_words": tables.net_words(run, "independent"),
        "side_by_side": evidence.side_by_side(run),
        "by_group": evidence.by_group(run),
        "group_words": evidence.group_words(run),
        "tails_by_layer": evidence.tails_by_layer(run),
        "curves_table": evidence.curves_table(run),
        "by_design": others.by_design(run),
        "independent": others.independent(run),
        "independent_coverage": others.independent_coverage(run),
        "independent_words": others.overlap_words(run) + others.coverage_words(run),
        "products": others.products(run),
        "product_words": others.product_words(run),
        "domain_words": domain.domain_words(run),
        "naive": choosing.naive(run),
        "naive_words": choosing.naive_words(run),
        "steps": choosing.steps(run),
        "search": choosing.search(run),
        "choices": choosing.choices(run),
        "choice_words": choosing.choice_words(run),
        "baselines": choosing.baselines(run),
        "baseline_words": choosing.baseline_words(run),
        "zoning": choosing.zoning(run),
        "zoning_words": choosing.zoning_words(run),
        "variogram_words": support_pictures.variogram_words(run),
    }


def _truth(run: RunFolder, target: Target) -> dict[str, Any]:
    found, not_there = pictures.truth_maps(run, target)
    return {
        "truth_totals": tables.truth_totals(run),
        "truth_skill": tables.truth_skill(run),
        "truth_maps": found,
        "truth_missing": listing(not_there),
    }


def _all_pictures(maps: list[LayerPictures], shown: Mapping[str, Any], truth: Mapping[str, Any]) -> list[Picture]:
    found = [picture for layer in maps for picture in layer.all]
    for value in shown.values():
        found += value if isinstance(value, list) else [value] if isinstance(value, Picture) else []
    return found + [picture for _, several in truth["truth_maps"] for picture in several]


def _subtitle(run: RunFolder, target: Target) -> str:
    depth = depth_words(run)
    stock = whole_stock(run)
    parts = [f"{target.name}{', ' + depth if depth else ''}"]
    if stock is not None and is_known(stock["area_km2"]):
        parts.append(quantity(stock["area_km2"], "km2"))
    if is_known(counted(run, "profiles_kept")):
        parts.append(plural(counted(run, "profiles_kept"), "profile"))
    return " · ".join(parts)


def _reduction(maps: list[LayerPictures]) -> str:
    if not maps or all(layer.facts.every_cell for layer in maps):
        return ""
    return "The maps are drawn smaller than they are: each drawn cell is the mean of several. The full maps are in maps/."


def _bounds_words(run: RunFolder) -> str:
    if not has_bounds(run):
        return ""
    level = percent(BOUNDS_LEVEL)
    return (
        f"Both bounds are {level} bounds of the total, made from the intervals of the cells. If the errors of the "
        "cells were independent, they would nearly cancel in the sum, and the total would be known closely. If they "
        "were fully correlated, all cells would be too high or too low together, and nothing would cancel. Real errors "
        "are alike among neighbours and unlike far apart: unless something that all profiles "
        "share is wrong, the uncertainty of the total lies between the two."
    )


def _factors(run: RunFolder) -> list[str]:
    """For each reference map the factor between the means, and why where the run says so."""
    table = run.table("comparison")
    found = []
    for r in records(table):
        factor = tables.factor_of(r)
        start = f"{r.name}, {dated_layer(r.top_cm, r.bottom_cm, r.period)}: "
        if is_known(factor):
            start += f"our mean is {number(factor)} times theirs"
            if is_known(r.total_ours_Tg) and is_known(r.total_theirs_Tg):
                start += f" ({quantity(r.total_ours_Tg, 'Tg')} against {quantity(r.total_theirs_Tg, 'Tg')})"
        else:
            start += "no factor can be given"
        why = str(r.explanation).strip().rstrip(".")
        found.append(f"{start}. {capital(why) + '.' if why else 'The run gives no reason for the difference.'}")
    return found


def _missing(run: RunFolder) -> list[str]:
    """Files that a full run has and this one has not, so that what is not shown is not taken for nothing."""
    found = [form.path for name, form in FORMATS.items() if name not in _OPTIONAL and run.tables[name] is None]
    found += ["profiles/summary.json"] if not run.summary else []
    return found + (["maps"] if not run.maps else [])
