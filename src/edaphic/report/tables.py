"""Tables of a run as the page shows them: cells are finished texts, so that the template only lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from edaphic.report.facts import DESIGN_WORDS, calibration, designs_of, evidence_name, metric, natural
from edaphic.report.folder import RunFolder, records
from edaphic.report.words import (
    MISSING,
    NO_BREAK_SPACE,
    capital,
    count,
    decimals_for,
    fixed,
    group_text,
    is_known,
    layer_text,
    number,
    percent,
    unit_text,
    with_interval,
)

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class PageTable:
    """A table for the page.

    ``left`` holds the numbers of the columns that are texts (aligned left); the others are numbers. ``strong`` holds the
    numbers of rows that stand out (totals). An empty caption leaves it to the heading above.
    """

    caption: str
    columns: tuple[str, ...]
    rows: Rows
    left: frozenset[int] = frozenset({0})
    strong: frozenset[int] = frozenset()


def _made(caption: str, columns: Iterable[str], rows: Iterable[Iterable[str]], left: Iterable[int] = (0,)) -> PageTable:
    return PageTable(caption, tuple(columns), tuple(tuple(row) for row in rows), frozenset(left))


def _text(value: str) -> str:
    return value if value.strip() else MISSING


def layer_counts(run: RunFolder) -> PageTable | None:
    """How many profiles reach each layer wholly, in part, not at all."""
    found = run.summary.get("layers")
    if not isinstance(found, list) or not found:
        return None
    rows = [
        (
            layer_text(entry["top_cm"], entry["bottom_cm"]),
            *(count(entry.get(name)) for name in ("complete", "partial", "none")),
        )
        for entry in found
        if is_known(entry.get("top_cm")) and is_known(entry.get("bottom_cm"))
    ]
    return _made("Profiles by layer", ("Layer", "Observed wholly", "In part", "Not at all"), rows)


def repairs(run: RunFolder) -> PageTable | None:
    """Faults found in the profile tables, what was done, and how often: from the repair log, else from its summary."""
    columns = ("Fault", "Action", "Cases", "Profiles")
    log = run.table("repairs")
    if log is not None:
        groups = log.groupby(["fault", "action"], sort=True)["profile_id"].agg(["size", "nunique"]).reset_index()
        groups = groups.sort_values(["size", "fault", "action"], ascending=[False, True, True], kind="stable")
        rows = [
            (_text(r.fault), _text(r.action), count(float(r.size_)), count(float(r.nunique_))) for r in _named(groups)
        ]
        return _made("Repairs by fault", columns, rows, (0, 1))
    summed = run.summary.get("repairs")
    if not isinstance(summed, Mapping) or not summed:
        return None
    rows = [
        (str(fault), _text(str(entry.get("action", ""))), count(entry.get("count")), MISSING)
        for fault, entry in summed.items()
        if isinstance(entry, Mapping)
    ]
    return _made("Repairs by fault", columns, rows, (0, 1))


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
            r.name, _text(r.kind), _text(unit_text(r.unit)), _text(r.source_crs), _text(r.source_resolution), _text(r.resampling),
            percent(r.valid_share, 1),
        )
        for r in records(table)
    ]  # fmt: skip
    columns = ("Covariate", "Kind", "Unit", "Source CRS", "Source cell", "Brought to the grid by", "Cells with a value")
    return _made("Covariates", columns, rows, range(6))


def selection(run: RunFolder) -> PageTable | None:
    """Covariates dropped before the fit, and why."""
    table = run.table("selection")
    if table is None:
        return None
    dropped = table[[kept is False for kept in table["kept"]]]
    if dropped.empty:
        return None
    rows = [(r.feature, _text(r.reason), _text(r.correlated_with), fixed(r.r, 3)) for r in records(dropped)]
    return _made("Covariates left out before the fit", ("Covariate", "Reason", "Correlated with", "r"), rows, (0, 1, 2))


def tuning(run: RunFolder) -> PageTable | None:
    """Candidate settings of the forest and their cross-validated error."""
    table = run.table("tuning")
    if table is None:
        return None
    rows = [
        (
            number(r.candidate), _text(r.max_features), number(r.min_samples_leaf), number(r.score, 4), _text(r.scale),
            "chosen" if r.chosen is True else "",
        )
        for r in records(table)
    ]  # fmt: skip
    columns = ("Candidate", "Covariates tried at a split", "Least samples in a leaf", "RMSE", "Scale", "")
    return _made("Settings tried", columns, rows, (1, 4, 5))


def metrics(run: RunFolder, scale: str) -> PageTable | None:
    """Metrics by design and layer with their bootstrap intervals, on one scale ("natural" or "log")."""
    table = run.table("metrics")
    if table is None:
        return None
    table = natural(table) if scale == "natural" else table[table["scale"] == scale]
    if table.empty:
        return None
    units = [unit for unit in dict.fromkeys(table["unit"]) if unit]
    unit = f" ({unit_text(units[0])})" if len(units) == 1 else ""
    rows = []
    for design in designs_of(table, with_in_sample=True):
        for r in records(table[table["design"] == design]):
            places = decimals_for(r.rmse)
            rows.append(
                (
                    design.replace("_", " "), group_text(r.layer), count(r.n), count(r.n_profiles),
                    with_interval(r.mec, r.mec_low, r.mec_high), fixed(r.mec_layer_mean),
                    with_interval(r.rmse, r.rmse_low, r.rmse_high, places), with_interval(r.bias, r.bias_low, r.bias_high, places),
                    with_interval(r.ccc, r.ccc_low, r.ccc_high), fixed(r.r2_pearson),
                )
            )  # fmt: skip
    columns = (
        "Design", "Layer", "n", "Profiles", "MEC", "MEC of depth alone", f"RMSE{unit}", f"Bias{unit}", "CCC", "r² (Pearson)",
    )  # fmt: skip
    return _made(f"Metrics on the {scale} scale, with 95 % bootstrap intervals", columns, rows, (0, 1))


def calibration_table(run: RunFolder) -> PageTable | None:
    """Coverage and both tails by design and group."""
    table = run.table("calibration")
    if table is None:
        return None
    rows = [
        (
            design.replace("_", " "), group_text(r.group), count(r.n), percent(r.nominal), percent(r.coverage_raw, 1),
            percent(r.coverage, 1), percent(r.below, 1), percent(r.above, 1), number(r.mean_width),
        )
        for design in designs_of(table, with_in_sample=True)
        for r in records(table[table["design"] == design])
    ]  # fmt: skip
    columns = (
        "Design", "Group", "n", "Nominal", "Coverage before", "Coverage after", "Below the interval", "Above the interval",
        "Mean width",
    )  # fmt: skip
    return _made("Coverage of the intervals, before and after the conformal adjustment", columns, rows, (0, 1))


_STOCK_COLUMNS = (
    "Cells", "Area (km²)", "Mean (kg/m²)", "Mean (t/ha)", "Total (Tg)", "Independent errors (Tg)", "Fully correlated errors (Tg)",
)  # fmt: skip


def _stock_cells(r: Any) -> tuple[str, ...]:
    return (
        count(r.cells), number(r.area_km2), number(r.mean_kg_m2), fixed(10.0 * r.mean_kg_m2, 1), number(r.total_Tg),
        bounds(r.independent_low_Tg, r.independent_high_Tg), bounds(r.fully_correlated_low_Tg, r.fully_correlated_high_Tg),
    )  # fmt: skip


def bounds(low: float, high: float) -> str:
    """Two ends of a total's range, as many digits as they need to differ.

    >>> bounds(92.91, 93.89), bounds(41.0, 160.2), bounds(93.412, 93.418)
    ('92.9 to 93.9', '41.0 to 160', '93.412 to 93.418')
    """
    if not (is_known(low) and is_known(high)):
        return MISSING
    for digits in range(3, 7):
        texts = number(low, digits), number(high, digits)
        if texts[0] != texts[1]:
            break
    return f"{texts[0]} to {texts[1]}"


def stocks(rows: pd.DataFrame, whole: tuple[float, float] | None) -> PageTable:
    """Stock of each layer over the whole area."""
    body = [(layer_text(r.top_cm, r.bottom_cm), *_stock_cells(r)) for r in records(rows)]
    table = _made("Stock by layer", ("Layer", *_STOCK_COLUMNS), body)
    strong = [place for place, r in enumerate(records(rows)) if (r.top_cm, r.bottom_cm) == whole and len(rows) > 1]
    return PageTable(table.caption, table.columns, table.rows, table.left, frozenset(strong))


def class_stocks(run: RunFolder) -> list[tuple[str, list[PageTable]]]:
    """Stocks by class: for each class layer its name and a table for each depth, the whole depth first."""
    table = run.table("stocks")
    if table is None:
        return []
    found = []
    for by in dict.fromkeys(table["by"]):
        rows = table[table["by"] == by].rename(columns={"class": "code"})
        if by == "all" or rows.empty:
            continue
        layers = sorted(
            set(zip(rows["top_cm"], rows["bottom_cm"], strict=True)), key=lambda layer: (layer != run.whole, layer)
        )
        tables = []
        for top, bottom in layers:
            here = rows[(rows["top_cm"] == top) & (rows["bottom_cm"] == bottom)]
            body = [(_class_name(r.code, r.class_name), *_stock_cells(r)) for r in records(here)]
            tables.append(_made(f"Stock by {by}, {layer_text(top, bottom)}", ("Class", *_STOCK_COLUMNS), body))
        found.append((by, tables))
    return found


def _class_name(code: str, name: str) -> str:
    return f"{name} ({code})" if name and name != code else _text(code)


def comparison(run: RunFolder) -> PageTable | None:
    """Agreement with other maps on common cells, and the factor between the means."""
    table = run.table("comparison")
    if table is None:
        return None
    rows = [
        (
            r.name, layer_text(r.top_cm, r.bottom_cm), count(r.cells), fixed(r.pearson_r), fixed(r.spearman_r),
            number(r.mean_ours_kg_m2), number(r.mean_theirs_kg_m2), number(factor_of(r)), number(r.total_ours_Tg),
            number(r.total_theirs_Tg),
        )
        for r in records(table)
    ]  # fmt: skip
    columns = (
        "Map", "Layer", "Common cells", "Pearson r", "Spearman r", "Our mean (kg/m²)", "Their mean (kg/m²)", "Ours ÷ theirs",
        "Our total (Tg)", "Their total (Tg)",
    )  # fmt: skip
    return _made("Comparison on the cells that both maps have", columns, rows, (0, 1))


def factor_of(row: Any) -> float:
    """Our mean divided by theirs: from the two means, else as the table gives it."""
    ours, theirs = float(row.mean_ours_kg_m2), float(row.mean_theirs_kg_m2)
    return ours / theirs if is_known(ours) and is_known(theirs) and theirs != 0.0 else float(row.factor)


def truth_totals(run: RunFolder) -> PageTable | None:
    """True totals and whether they lie inside the bounds."""
    table = run.table("truth")
    if table is None:
        return None
    rows = [
        (
            layer_text(r.top_cm, r.bottom_cm), number(r.true_total_Tg, 4), number(r.total_Tg, 4),
            bounds(r.independent_low_Tg, r.independent_high_Tg), yes_no(r.inside_independent),
            bounds(r.fully_correlated_low_Tg, r.fully_correlated_high_Tg), yes_no(r.inside_fully_correlated),
        )
        for r in records(table)
    ]  # fmt: skip
    columns = (
        "Layer", "True total (Tg)", "Mapped total (Tg)", "Independent errors (Tg)", "Truth inside", "Fully correlated errors (Tg)",
        "Truth inside",
    )  # fmt: skip
    return _made("Totals against the truth", columns, rows, (0, 4, 6))


def yes_no(value: object) -> str:
    """A truth value as a word.

    >>> yes_no(True), yes_no(False), yes_no(None)
    ('yes', 'no', '–')
    """
    return {True: "yes", False: "no"}.get(value, MISSING) if isinstance(value, bool) else MISSING


def truth_skill(run: RunFolder) -> PageTable | None:
    """Error of the map over all cells, beside what each cross-validation design had predicted from the profiles alone."""
    table = run.table("truth")
    if table is None:
        return None
    designs = designs_of(run.table("metrics"))
    rows = []
    for r in records(table):
        layer = (r.top_cm, r.bottom_cm)
        name = evidence_name(run, layer)
        places = decimals_for(r.rmse)
        for label, true, column, decimals in (
            ("MEC", r.mec, "mec", 2),
            ("RMSE", r.rmse, "rmse", places),
            ("bias", r.bias, "bias", places),
        ):
            rows.append((layer_text(*layer), label, fixed(true, decimals), *_said(run, designs, column, name, decimals)))
        covered = [percent(calibration(run, d, "coverage", name), 1) for d in designs]
        rows.append((layer_text(*layer), "coverage", percent(r.coverage, 1), *covered))
    columns = ("Layer", "Measure", "True, over all cells", *(f"Said by {name} design" for name in designs))
    return _made("The map against the truth, and what the evidence had said", columns, rows, (0, 1))


def _said(run: RunFolder, designs: list[str], column: str, layer: str, decimals: int) -> list[str]:
    found = []
    for design in designs:
        value, low, high = (metric(run, design, column + end, layer) for end in ("", "_low", "_high"))
        found.append(with_interval(value, low, high, decimals))
    return found


def stages(run: RunFolder) -> PageTable | None:
    """Seconds and memory of each stage. The report itself is left out: it cannot know its own."""
    found = run.run.get("stages")
    if not isinstance(found, Mapping):
        return None
    rows = [
        (
            str(name), fixed(entry.get("seconds"), 1), count(entry.get("peak_memory_mb")), _text(str(entry.get("finished") or "")),
            _text(str(entry.get("status") or "")), _text(str(entry.get("key") or "")[:12]),
        )
        for name, entry in found.items()
        if isinstance(entry, Mapping) and name != "report"
    ]  # fmt: skip
    return (
        _made("Stages", ("Stage", "Seconds", "Peak memory (MB)", "Finished", "Status", "Key"), rows, (0, 3, 4, 5))
        if rows
        else None
    )


def pairs(run: RunFolder, key: str, caption: str, columns: tuple[str, str]) -> PageTable | None:
    """A mapping of run.json (inputs, versions, machine) as a table of two columns."""
    found = run.run.get(key)
    if not isinstance(found, Mapping) or not found:
        return None
    return _made(
        caption,
        columns,
        [(capital(str(name)) if key == "machine" else str(name), str(found[name])) for name in found],
        (0, 1),
    )


def design_words(run: RunFolder) -> list[tuple[str, str]]:
    """Designs of the metrics table and what each leaves out."""
    names = designs_of(run.table("metrics"), with_in_sample=True)
    return [(name.replace("_", " "), DESIGN_WORDS[name]) for name in names if name in DESIGN_WORDS]


def density_facts(run: RunFolder) -> list[tuple[str, str]]:
    """Where bulk density and coarse fragments come from, as terms and sentences."""
    density, fragments = run.summary.get("bulk_density"), run.summary.get("coarse_fragments")
    facts = []
    if isinstance(density, Mapping):
        facts.append(("Bulk density", _density_sentence(density)))
    if isinstance(fragments, Mapping):
        facts.append(("Coarse fragments", _fragments_sentence(fragments)))
    return facts


def _density_sentence(density: Mapping[str, Any]) -> str:
    measured, estimated = density.get("measured"), density.get("pedotransfer")
    text = f"measured in {count(measured)} horizons, estimated by a pedotransfer rule in {count(estimated)}"
    if density.get("rule"):
        text += f" (rule {density['rule']}"
        if is_known(density.get("error_sd_g_cm3")):
            text += f"; error sd {number(density['error_sd_g_cm3'])}{NO_BREAK_SPACE}g/cm³"
        if is_known(density.get("bias_g_cm3")):
            text += f", bias {number(density['bias_g_cm3'])}{NO_BREAK_SPACE}g/cm³"
        if is_known(density.get("checked_on")):
            text += f", checked on {count(density['checked_on'])} measured horizons"
        text += ")"
    return text + "."


def _fragments_sentence(fragments: Mapping[str, Any]) -> str:
    text = (
        f"measured in {count(fragments.get('measured'))} horizons, taken from other horizons of the profile in "
        f"{count(fragments.get('profile'))}, assumed in {count(fragments.get('assumed'))}"
    )
    if fragments.get("assumed") and is_known(fragments.get("assumed_vol_pct")):
        text += f" ({number(fragments['assumed_vol_pct'])}{NO_BREAK_SPACE}% of the volume)"
    return text + "."
