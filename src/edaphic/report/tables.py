"""Tables of a run as the page shows them: cells are finished texts, so that the template only lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from edaphic.report.designs import IN_SAMPLE, design_name, designs_of
from edaphic.report.facts import calibration, evidence_name, metric, natural, of_lead_period
from edaphic.report.folder import RunFolder, records
from edaphic.report.words import (
    MISSING,
    bounds,
    count,
    dated_layer,
    decimals_for,
    digits_apart,
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

    ``left`` holds the numbers of the columns that are texts (aligned left); the others are numbers. ``strong`` holds
    the numbers of rows that stand out (totals). An empty caption leaves it to the heading above.
    """

    caption: str
    columns: tuple[str, ...]
    rows: Rows
    left: frozenset[int] = frozenset({0})
    strong: frozenset[int] = frozenset()


def made(caption: str, columns: Iterable[str], rows: Iterable[Iterable[str]], left: Iterable[int] = (0,)) -> PageTable:
    """A table from its parts; the columns ``left`` hold texts."""
    return PageTable(caption, tuple(columns), tuple(tuple(row) for row in rows), frozenset(left))


def text_cell(value: str) -> str:
    """A text, or a dash where it is empty."""
    return value if value.strip() else MISSING


def metrics(run: RunFolder, scale: str) -> PageTable | None:
    """Metrics by design and layer with their bootstrap intervals, on one scale ("natural" or "log")."""
    table = run.table("metrics")
    if table is None:
        return None
    table = natural(table) if scale == "natural" else table[table["scale"] == scale]
    if table.empty:
        return None
    # A model that follows its own observations follows their errors too: there is nothing to take off.
    own = table["design"] == IN_SAMPLE
    table = table.assign(**{name: table[name].mask(own) for name in ("rmse_net", "mec_net")})
    designs = designs_of(run, "metrics", with_in_sample=True)
    rows = [
        (design_name(design), group_text(r.layer), *score_cells(r))
        for design in designs
        for r in records(table[table["design"] == design])
    ]
    columns = ("Design", "Layer", *score_columns(table["unit"]))
    return dense(f"Metrics on the {scale} scale, with 95 % bootstrap intervals", columns, rows, (0, 1))


def score_columns(units: Iterable[str]) -> tuple[str, ...]:
    """Headings of :func:`score_cells`; the unit where all rows share it."""
    known = [unit for unit in dict.fromkeys(units) if unit]
    unit = f" ({unit_text(known[0])})" if len(known) == 1 else ""
    return (
        "MEC", "MEC of depth alone", f"RMSE{unit}", f"MAE{unit}", f"Bias{unit}", "CCC", "r² (Pearson)", "RPIQ", f"CRPS{unit}",
        "MEC without error of observation", f"RMSE without error of observation{unit}", "n", "Profiles",
    )  # fmt: skip


def score_cells(r: Any) -> tuple[str, ...]:
    """Scores of one row with their intervals, as texts."""
    places = decimals_for(r.rmse)
    return (
        with_interval(r.mec, r.mec_low, r.mec_high), fixed(r.mec_layer_mean),
        with_interval(r.rmse, r.rmse_low, r.rmse_high, places), with_interval(r.mae, r.mae_low, r.mae_high, places),
        with_interval(r.bias, r.bias_low, r.bias_high, places), with_interval(r.ccc, r.ccc_low, r.ccc_high),
        fixed(r.r2_pearson), with_interval(r.rpiq, r.rpiq_low, r.rpiq_high), fixed(r.crps, places),
        fixed(r.mec_net if net_known(r) else None), fixed(r.rmse_net if net_known(r) else None, places), count(r.n), count(r.n_profiles),
    )  # fmt: skip


MOST_OF_ERROR = 0.5
"""Share of the squared error beyond which the stated errors of the observations are not taken off."""


def net_known(r: Any) -> bool:
    """Whether scores without the error of observation can be given: that error is at most half of the squared error."""
    return is_known(r.rmse_net) and r.rmse_net**2 >= (1.0 - MOST_OF_ERROR) * r.rmse**2


def net_words(run: RunFolder, name: str) -> str:
    """Why some scores without the error of observation are a dash, for one table of scores; empty where none is.

    Nothing is said of observations whose errors are not stated: no such score is to be expected of them.
    """
    table, held = run.table(name), run.table("out_of_fold")
    if table is None:
        return ""
    table = natural(table)
    own = table["design"] == IN_SAMPLE if "design" in table else pd.Series(False, index=table.index)
    rows = [r for r in records(table[~own]) if is_known(r.rmse)]
    of_held = name != "independent" and held is not None and "error_sd" in held and bool((held["error_sd"] > 0.0).any())
    stated = of_held or bool(table["rmse_net"].notna().any())
    if not stated or all(net_known(r) for r in rows):
        return ""
    return (
        "Without error of observation, a dash (or no column): the errors that the observations are said to have explain more than half "
        "of the squared error, and too little is left to judge the map by."
    )


def dense(caption: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: Iterable[int] = (0,)) -> PageTable:
    """A table without the columns in which no row has a value."""
    known = [k for k in range(len(columns)) if any(row[k] not in (MISSING, "") for row in rows)]
    texts = {known.index(k) for k in left if k in known}
    return made(caption, [columns[k] for k in known], [[row[k] for k in known] for row in rows], texts)


def calibration_table(run: RunFolder) -> PageTable | None:
    """Coverage and both tails by design and group."""
    table = run.table("calibration")
    if table is None:
        return None
    rows = [
        (design_name(design), group_text(r.group), *coverage_cells(r))
        for design in designs_of(run, "calibration", with_in_sample=True)
        for r in records(table[table["design"] == design])
    ]
    caption = "Coverage of the intervals, before and after the conformal adjustment"
    return dense(caption, ("Design", "Group", *COVERAGE_COLUMNS), rows, (0, 1))


COVERAGE_COLUMNS = (
    "n", "Nominal", "Coverage before", "Coverage after", "Its 95 % interval", "Below the interval", "Above the interval",
    "Mean width", "Interval score before", "Interval score after",
)  # fmt: skip
"""Headings of :func:`coverage_cells`."""


def coverage_cells(r: Any) -> tuple[str, ...]:
    """Coverage, both tails and width of one group, as texts."""
    ends = f"{percent(r.coverage_low, 1)} to {percent(r.coverage_high, 1)}" if is_known(r.coverage_low) else MISSING
    return (
        count(r.n), percent(r.nominal), percent(r.coverage_raw, 1), percent(r.coverage, 1), ends, percent(r.below, 1),
        percent(r.above, 1), number(r.mean_width), number(r.interval_score_raw), number(r.interval_score),
    )  # fmt: skip


_STOCK_COLUMNS = (
    "Total (Tg)", "Independent bound (Tg)", "Modelled interval (Tg)", "Fully correlated bound (Tg)", "Mean (kg/m²)", "Mean (t/ha)",
    "Area (km²)", "Cells",
)  # fmt: skip


def _stock_cells(r: Any) -> tuple[str, ...]:
    digits = digits_apart(r.independent_low_Tg, r.independent_high_Tg)
    return (
        number(r.total_Tg, digits),
        bounds(r.independent_low_Tg, r.independent_high_Tg),
        bounds(r.modelled_low_Tg, r.modelled_high_Tg),
        bounds(r.fully_correlated_low_Tg, r.fully_correlated_high_Tg),
        number(r.mean_kg_m2),
        fixed(10.0 * r.mean_kg_m2, 1),
        number(r.area_km2),
        count(r.cells),
    )


def _without_blank(table: PageTable) -> PageTable:
    """A table of stocks without the modelled interval, where none was modelled."""
    place = table.columns.index("Modelled interval (Tg)")
    if any(row[place] != MISSING for row in table.rows):
        return table
    columns, *rows = (row[:place] + row[place + 1 :] for row in (table.columns, *table.rows))
    return PageTable(table.caption, columns, tuple(rows), table.left, table.strong)


def stocks(rows: pd.DataFrame, whole: tuple[float, float] | None) -> PageTable:
    """Stock of each layer over the whole area."""
    body = [(layer_text(r.top_cm, r.bottom_cm), *_stock_cells(r)) for r in records(rows)]
    table = _without_blank(made("Stock by layer", ("Layer", *_STOCK_COLUMNS), body))
    strong = [place for place, r in enumerate(records(rows)) if (r.top_cm, r.bottom_cm) == whole and len(rows) > 1]
    return PageTable(table.caption, table.columns, table.rows, table.left, frozenset(strong))


def class_stocks(run: RunFolder) -> list[tuple[str, list[PageTable]]]:
    """Stocks by class: for each class layer its name and a table for each depth, the whole depth first."""
    table = run.table("stocks")
    if table is None:
        return []
    table, found = of_lead_period(run, table), []
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
            tables.append(_without_blank(made(f"Stock by {by}, {layer_text(top, bottom)}", ("Class", *_STOCK_COLUMNS), body)))
        found.append((by, tables))
    return found


def _class_name(code: str, name: str) -> str:
    if name == f"class {code}":
        return name
    return f"{name} ({code})" if name and name != code else text_cell(code)


def comparison(run: RunFolder, unit: str) -> PageTable | None:
    """Agreement with other maps on common cells, and the factor between the means; ``unit`` is that of the maps."""
    table = run.table("comparison")
    if table is None:
        return None
    rows = [
        (
            r.name, dated_layer(r.top_cm, r.bottom_cm, r.period), count(r.cells), fixed(r.pearson_r), fixed(r.spearman_r),
            number(r.mean_ours_kg_m2), number(r.mean_theirs_kg_m2), number(factor_of(r)), number(r.total_ours_Tg),
            number(r.total_theirs_Tg),
        )
        for r in records(table)
    ]  # fmt: skip
    shown = f" ({unit_text(unit)})" if unit else ""
    columns = (
        "Map", "Layer", "Common cells", "Pearson r", "Spearman r", f"Our mean{shown}", f"Their mean{shown}",
        "Ours ÷ theirs", "Our total (Tg)", "Their total (Tg)",
    )  # fmt: skip
    return made("Comparison on the cells that both maps have", columns, rows, (0, 1))


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
            dated_layer(r.top_cm, r.bottom_cm, r.period), number(r.true_total_Tg, digits), number(r.total_Tg, digits),
            bounds(r.independent_low_Tg, r.independent_high_Tg), yes_no(r.inside_independent),
            bounds(r.fully_correlated_low_Tg, r.fully_correlated_high_Tg), yes_no(r.inside_fully_correlated),
        )
        for r in records(table)
        for digits in (max(4, digits_apart(r.independent_low_Tg, r.independent_high_Tg)),)
    ]  # fmt: skip
    columns = (
        "Layer", "True total (Tg)", "Mapped total (Tg)", "Independent bound (Tg)", "Truth inside",
        "Fully correlated bound (Tg)", "Truth inside",
    )  # fmt: skip
    return made("Totals against the truth", columns, rows, (0, 4, 6))


def yes_no(value: object) -> str:
    """A truth value as a word.

    >>> yes_no(True), yes_no(False), yes_no(None)
    ('yes', 'no', '–')
    """
    return {True: "yes", False: "no"}.get(value, MISSING) if isinstance(value, bool) else MISSING


def truth_skill(run: RunFolder) -> PageTable | None:
    """Error of the map over all cells, beside what each cross-validation design had said from the profiles alone."""
    table = run.table("truth")
    if table is None:
        return None
    designs = designs_of(run, "metrics")
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
            rows.append(
                (layer_text(*layer), label, fixed(true, decimals), *_said(run, designs, column, name, decimals))
            )
        covered = [percent(calibration(run, d, "coverage", name), 1) for d in designs]
        rows.append((layer_text(*layer), "coverage", percent(r.coverage, 1), *covered))
    columns = ("Layer", "Measure", "True, over all cells", *(f"Said by {design_name(name)} design" for name in designs))
    return made("The map against the truth, and what the evidence had said", columns, rows, (0, 1))


def _said(run: RunFolder, designs: list[str], column: str, layer: str, decimals: int) -> list[str]:
    found = []
    for design in designs:
        value, low, high = (metric(run, design, column + end, layer) for end in ("", "_low", "_high"))
        found.append(with_interval(value, low, high, decimals))
    return found
