"""Pictures of the evidence that every run has: skill, observed against predicted, coverage, tails, importance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edaphic.report import figures
from edaphic.report.designs import design_name, design_title, designs_of, judged, words_of
from edaphic.report.facts import ALL_LAYERS, Target, held_out, interval_of, metric, natural
from edaphic.report.folder import RunFolder
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.words import fixed, is_known, listing, percent, plural, unit_text


def scatter(run: RunFolder, target: Target) -> list[Picture]:
    """Observed against predicted for the headline, by profile and by block, on the same axes."""
    parts = [(design, held_out(run, design)) for design in judged(run, "out_of_fold")]
    known = [(design, rows) for design, rows in parts if rows is not None and len(rows)]
    if not known:
        return []
    pooled = pd.concat([rows for _, rows in known])
    ends, log, beyond = figures.shared_limits(pooled["observed"].to_numpy(), pooled["predicted"].to_numpy())
    found = []
    for design, rows in known:
        figure = figures.observed_predicted(
            rows["observed"].to_numpy(), rows["predicted"].to_numpy(),
            title=f"Design: {design_name(design)}", unit=target.unit, limits=ends, log=log,
        )  # fmt: skip
        mec = metric(run, design, "mec")
        score = f" MEC {fixed(mec)}." if is_known(mec) else ""
        caption = (
            f"{design_title(design)} design ({words_of(design).left_out}): "
            f"{plural(len(rows), 'held-out prediction')} of all layers.{score}"
        )
        if log:
            caption += " Logarithmic axes."
        if beyond:
            caption += f" {plural(beyond, 'value')} of all designs lie beyond the axes."
        alt = (
            f"Observed against predicted {target.name}, {design_name(design)} design, {len(rows)} points around the 1:1 line.{score}"
        )
        found.append(picture_of(f"observed_predicted_{_file_text(design)}.png", figure, alt, caption))
    return found


def _file_text(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def skill(run: RunFolder) -> Picture | None:
    """MEC by layer and design."""
    table = run.table("metrics")
    designs = designs_of(run, "metrics")
    if table is None or not designs:
        return None
    rows = _by_design(natural(table), designs)
    rows = rows[rows["mec"].notna()]
    if rows.empty:
        return None
    return picture_of(
        "skill.png",
        figures.skill(rows),
        f"MEC by layer for the designs {', '.join(map(design_name, designs))}; the numbers are in the table below.",
        "MEC with its 95 % bootstrap interval. The black tick is what the mean of each layer alone would explain: what "
        "lies to the right of it is owed to the covariates.",
    )


def _by_design(table: pd.DataFrame, designs: list[str]) -> pd.DataFrame:
    return pd.concat([table[table["design"] == design] for design in designs])


def coverage(run: RunFolder) -> Picture | None:
    """Coverage by layer, before and after the conformal adjustment."""
    table = run.table("calibration")
    designs = judged(run, "calibration")
    if table is None or not designs:
        return None
    rows = _by_design(table, designs)
    rows = rows[(rows["group"].str.endswith(" cm") | (rows["group"] == ALL_LAYERS)) & rows["coverage"].notna()]
    if rows.empty:
        return None
    nominal = percent(interval_of(run))
    return picture_of(
        "coverage.png",
        figures.coverage(rows),
        f"Coverage of the {nominal} intervals by layer and design, before and after adjustment; numbers in the table.",
        f"Share of held-out observations inside their {nominal} interval. Hollow: as the forest gives it; full: after "
        "the conformal adjustment. The grey band is three points either side of the nominal share.",
    )


def tails(run: RunFolder) -> list[Picture]:
    """Both tails by decile of the prediction, for each design that has deciles."""
    table = run.table("calibration")
    found = []
    for design in judged(run, "calibration"):
        assert table is not None
        rows = table[(table["design"] == design) & table["group"].str.startswith("decile")]
        rows = rows[rows["below"].notna() & rows["above"].notna()]
        if rows.empty:
            continue
        order = np.argsort([int("".join(filter(str.isdigit, group)) or 0) for group in rows["group"]], kind="stable")
        side = percent(0.5 * (1.0 - interval_of(run)))
        found.append(
            picture_of(
                f"tails_{_file_text(design)}.png",
                figures.tails(rows.iloc[order], title=f"Both tails, {design_name(design)} design"),
                f"Share of observations above and below the interval by decile of the prediction, {design_name(design)} design; "
                f"each should be {side}.",
                f"{design_title(design)} design: observations outside their interval, by decile of the prediction. "
                f"Each tail should hold {side} (dashed): a longer bar upwards means that high values are missed there.",
            )
        )
    return found


def importance(run: RunFolder) -> Picture | None:
    """The 20 covariates whose shuffling costs most."""
    table = run.table("importance")
    if table is None:
        return None
    rows = table.sort_values(["rmse_increase", "feature"], ascending=[False, True], kind="stable")
    rows = rows[rows["rmse_increase"].notna()]
    if rows.empty:
        return None
    unit = next((unit for unit in rows["unit"] if unit), "")
    top = ", ".join(rows["feature"].head(5))
    more = f" The table of all {len(rows)} is evidence/importance.csv." if len(rows) > 20 else ""
    return picture_of(
        "importance.png",
        figures.importance(rows, unit=unit),
        f"Permutation importance of the covariates; the first are {top}.",
        f"How much the error (RMSE{', ' + unit_text(unit) if unit else ''}) grows when one covariate is shuffled, with "
        "its standard deviation over folds or repeats"
        f"{_in_some_folds(rows)}. {_not_in_model(rows)}{_unclear(rows)}Correlated covariates share their importance; it says what the "
        f"model uses, not what causes carbon.{more}",
    )


def _not_in_model(rows: pd.DataFrame) -> str:
    """Covariates that some folds chose and the final model does not have, among those drawn."""
    top = rows.head(figures.MANY)
    names = [name for name, kept in zip(top["feature"], top["in_model"], strict=True) if kept is False]
    return f"Grey, with an asterisk: not in the final model, only in models of some folds ({listing(names)}). " if names else ""


def _unclear(rows: pd.DataFrame) -> str:
    """Bars that are no longer than their standard deviation."""
    top = rows.head(figures.MANY)
    names = list(top.loc[top["rmse_increase"] < top["rmse_increase_sd"], "feature"])
    if not names:
        return ""
    rest = [name for name in top["feature"] if name not in names]
    if len(names) <= 6 or not rest:
        which = listing(names) if len(names) <= 6 else "all of them"
    else:
        which = f"all but {listing(rest)}" if len(rest) <= 6 else f"{len(names)} of {len(top)}"
    return f"Smaller than their standard deviation, and so not clearly more than nothing: {which}. "


def _in_some_folds(rows: pd.DataFrame) -> str:
    """A covariate that some folds did not keep has no importance there."""
    folds = rows["folds"].dropna()
    some = rows.loc[rows["folds"] < folds.max(), "feature"] if len(folds) else rows["feature"].head(0)
    return f" ({listing(list(some))}: over the folds that kept it)" if 0 < len(some) <= 6 else ""
