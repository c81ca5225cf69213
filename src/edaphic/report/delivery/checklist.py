"""The checklist of the GSOCmap package: each question with what the run answers, or that the user has to.

Questions follow the technical overview and checklist of the Soil Organic Carbon Mapping Cookbook of the FAO, and its list of
deliverables; they are put into words of our own. Nothing is made up: a question that neither run nor recipe answers says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from edaphic.report.delivery.gsocmap import STATS, T_HA_OF_KG_M2, Package

OPEN = "not known: the user must fill this in"

GROUPS = (
    "Description",
    "Point data",
    "Covariates",
    "Statistical inference",
    "Spatial prediction",
    "Stocks",
    "Evaluation and quality",
    "Files",
)
"""Parts of the checklist, in their order."""

LAYER_NAMES = ("0-30 cm", "whole 0-30 cm")
"""What tables of evidence call the layer of the package."""

DESIGNS = {
    "profile": "cross-validation by profile",
    "block": "cross-validation by spatial block (transfer, not accuracy)",
    "knndm": "kNNDM cross-validation",
}


@dataclass(frozen=True)
class Facts:
    """What a run knows of itself; tables and documents are those of the run folder, empty where it has none.

    ``recipe``: the recipe as used. ``summary``: profiles/summary.json. ``covariates``: covariates/layers.csv. ``metrics``:
    evidence/metrics.csv. ``calibration``: evidence/calibration.csv. ``importance``: evidence/importance.csv. ``variogram``:
    evidence/variogram.json. ``cells``: maps/summary.json. ``stocks``: tables/stocks.csv. ``years``: first and last year of sampling.
    ``version``: of Edaphic. ``country``: code.
    """

    recipe: Mapping[str, Any]
    summary: Mapping[str, Any]
    covariates: pd.DataFrame
    metrics: pd.DataFrame
    calibration: pd.DataFrame
    importance: pd.DataFrame
    variogram: Mapping[str, Any]
    cells: Mapping[str, Any]
    stocks: pd.DataFrame
    years: tuple[int, int] | None
    version: str
    country: str
    period: tuple[int, int] | None = None


def checklist(facts: Facts, package: Package) -> pd.DataFrame:
    """The filled checklist.

    Returns
    -------
    DataFrame
        ``group``, ``item``, ``answer``, ``state`` ("answered", or "to fill in"), ``from`` (where the answer stands).
    """
    rows: list[tuple[str, str, str, str, str]] = []
    for group, questions in zip(GROUPS, _QUESTIONS, strict=True):
        for item, source, answer in questions:
            text = answer(facts, package)
            known = bool(text)
            rows.append((group, item, text or OPEN, "answered" if known else "to fill in", source if known else ""))
    return pd.DataFrame(rows, columns=["group", "item", "answer", "state", "from"])


def text_of(table: pd.DataFrame, title: str) -> str:
    """The checklist as a page in Markdown."""
    to_fill = int((table["state"] == "to fill in").sum())
    answered = f"{len(table) - to_fill} of {len(table)} items are answered by the run or its recipe; {to_fill} are to be filled in."
    lines = [f"# GSOCmap package: {title}", "", answered, ""]
    for group, rows in table.groupby("group", sort=False):
        lines += [f"## {group}", "", "| item | answer | from |", "|---|---|---|"]
        for row in rows.itertuples(index=False):
            cells = [str(cell).replace("|", "\\|").replace("\n", " ") for cell in (row.item, row.answer, row[4])]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _told(facts: Facts, *keys: str) -> Any:
    here: Any = facts.recipe
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


def _contact(key: str) -> Callable[[Facts, Package], str]:
    return lambda facts, _: str(_told(facts, "deliver", "contact", key) or "")


def _setting(*keys: str) -> Callable[[Facts, Package], str]:
    return lambda facts, _: str(_told(facts, *keys) or "")


def _sources(facts: Facts, _: Package) -> str:
    sources = _told(facts, "profiles", "sources") or ()
    return "; ".join(f"{own.get('name') or own.get('horizons')} ({own.get('citation') or 'no citation given'})" for own in sources)


def _bounds(_: Facts, package: Package) -> str:
    west, south, east, north = package.bounds
    return f"west {west:.6g}, south {south:.6g}, east {east:.6g}, north {north:.6g} degrees"


def _profiles(facts: Facts, _: Package) -> str:
    if not facts.summary:
        return ""
    own = next((layer for layer in facts.summary.get("layers", ()) if (layer["top_cm"], layer["bottom_cm"]) == (0.0, 30.0)), None)
    valued = f", {own['valued']} of them with a value for 0-30 cm" if own else ""
    return f"{facts.summary.get('profiles_kept')}{valued}"


def _places(facts: Facts, _: Package) -> str:
    summary = facts.summary
    if not summary:
        return ""
    lost = {fault: own.get("count") for fault, own in summary.get("repairs", {}).items() if "coordinate" in fault}
    told = "; ".join(f"{fault}: {count}" for fault, count in lost.items()) or "none was missing or out of range"
    return f"yes: {summary.get('profiles_kept')} of {summary.get('profiles_read')} profiles kept; coordinates: {told}"


def _repairs(facts: Facts, _: Package) -> str:
    repairs = facts.summary.get("repairs")
    if repairs is None:
        return ""
    told = "; ".join(f"{fault}: {own['count']} ({own['action']})" for fault, own in repairs.items())
    return f"yes: {told}" if told else "yes: nothing was found"


def _correlation(facts: Facts, _: Package) -> str:
    own = facts.variogram.get("layers", {}).get("0-30 cm")
    if not own:
        return ""
    sill = own["nugget"] + own["partial_sill"]
    share = own["partial_sill"] / sill if sill else 0.0
    return f"of the residuals: {own['model']} variogram, range {own['range_m'] / 1000:.3g} km, {share:.0%} of the sill structured"


def _residuals(facts: Facts, package: Package) -> str:
    told = _correlation(facts, package)
    return f"{told}; residuals are not kriged" if told else ""


def _target(facts: Facts, _: Package) -> str:
    target = _told(facts, "model", "target")
    if not target:
        return ""
    how = "yes: the logarithm is modelled" if str(target).startswith("log_") else "no transformation"
    return f"{how} (target {target}); the forest needs no normal distribution"


def _organic(facts: Facts, _: Package) -> str:
    from_matter = facts.summary.get("organic_matter_to_carbon") or []
    return "soil organic carbon" + (f"; organic matter was converted: {from_matter}" if from_matter else "")


def _crs(facts: Facts, _: Package) -> str:
    if facts.covariates.empty:
        return ""
    names = sorted({str(name) for name in facts.covariates["source_crs"].dropna()})
    return f"all were brought to the grid of the run; they came in {', '.join(names)}"


def _resampling(facts: Facts, _: Package) -> str:
    if facts.covariates.empty:
        return ""
    rows = facts.covariates.groupby("kind", sort=True)["resampling"]
    return "; ".join(f"{kind}: {', '.join(sorted({str(how) for how in hows}))}" for kind, hows in rows)


def _nodata(facts: Facts, _: Package) -> str:
    if facts.covariates.empty or "valid_share" not in facts.covariates:
        return ""
    least = facts.covariates.sort_values("valid_share", kind="stable").iloc[0]
    return f"yes: empty cells are left out; least covered: {least['name']}, {least['valid_share']:.1%} of the grid"


def _ranges(facts: Facts, _: Package) -> str:
    if facts.covariates.empty or "minimum" not in facts.covariates:
        return ""
    number = facts.covariates[facts.covariates["kind"] == "continuous"]
    rows = number[["name", "minimum", "maximum", "unit"]].fillna({"unit": ""}).itertuples(index=False, name=None)
    return "; ".join(f"{name}: {low:.4g} to {high:.4g} {unit}".rstrip() for name, low, high, unit in rows)


def _classes(facts: Facts, _: Package) -> str:
    if facts.covariates.empty:
        return ""
    names = facts.covariates.loc[facts.covariates["kind"] == "class", "name"].tolist()
    return f"yes: {', '.join(map(str, names))}" if names else "there is none"


def _model(facts: Facts, _: Package) -> str:
    form, trees = _told(facts, "model", "form"), _told(facts, "model", "forest", "trees")
    if not trees:
        return ""
    shape = "one with depth as a covariate" if form == "3d" else "one for each layer"
    return f"random forest of {trees} trees ({shape}), quantile regression forest for the limits; residuals are not kriged"


def _row(facts: Facts, design: str) -> pd.Series[Any] | None:
    """Scores of 0-30 cm in kg/m2, None where there are none."""
    table = facts.metrics
    if table.empty:
        return None
    rows = table[
        (table["design"] == design) & (table["scale"] == "natural") & table["layer"].isin(LAYER_NAMES) & (table["unit"] == "kg/m2")
    ]
    return None if rows.empty else rows.iloc[0]


def _scores(facts: Facts, design: str) -> str:
    row, to = _row(facts, design), T_HA_OF_KG_M2
    if row is None:
        return ""
    return (
        f"ME {to * row['bias']:.3g} t/ha, MAE {to * row['mae']:.3g} t/ha, RMSE {to * row['rmse']:.3g} t/ha, "
        f"MSE {(to * row['rmse']) ** 2:.4g} (t/ha)2, MEC {row['mec']:.3g}, R2 {row['r2_pearson']:.3g}, {int(row['n_profiles'])} profiles"
    )


def _overfit(facts: Facts, _: Package) -> str:
    held, fitted = _scores(facts, "profile"), _scores(facts, "in_sample")
    return f"held-out profiles: {held}. In the sample, for comparison only: {fitted}" if held and fitted else ""


def _validation(facts: Facts, _: Package) -> str:
    found = [f"{words}: {told}" for design, words in DESIGNS.items() if (told := _scores(facts, design))]
    return "; ".join(found)


def _important(facts: Facts, _: Package) -> str:
    table = facts.importance
    if table.empty or "share" not in table:
        return ""
    first = table.sort_values("share", ascending=False, kind="stable").head(5)
    return "most important: " + ", ".join(f"{row.feature} ({row.share:.0%})" for row in first.itertuples())


def _gaps(facts: Facts, package: Package) -> str:
    cells = facts.cells
    if not cells:
        return ""
    unseen = cells.get("with_class_unseen_in_training")
    classes = f", {unseen} with a class that no profile has" if unseen else ""
    return (
        f"{cells.get('mapped')} of {cells.get('cells')} cells of the run have a value ({cells.get('masked')} masked{classes}); "
        f"{package.cells} of {package.grid.width * package.grid.height} cells of the package"
    )


def _limits(facts: Facts, _: Package) -> str:
    table = facts.calibration
    rows = table[table["group"].isin(LAYER_NAMES)] if not table.empty and "group" in table else table
    if rows.empty:
        return "90 % prediction limits are mapped (q05, q95)"
    told = "; ".join(f"{DESIGNS.get(str(row.design), row.design)} {row.coverage:.1%}" for row in rows.itertuples())
    return f"90 % prediction limits are mapped (q05, q95); held-out profiles between them: {told}"


def _back(facts: Facts, _: Package) -> str:
    target = str(_told(facts, "model", "target") or "")
    return "yes: all maps are in the natural unit, t/ha" if target.startswith("log_") else "not needed: nothing was transformed"


def _stocks(facts: Facts, _: Package) -> str:
    table = facts.stocks
    if table.empty:
        return ""
    rows = table[(table["by"] == "all") & (table["top_cm"] == 0) & (table["bottom_cm"] == 30)]
    if rows.empty:
        return ""
    row = rows.iloc[-1]
    bounds = ""
    if pd.notna(row.get("fully_correlated_low_Tg")):
        narrow = f"{row['independent_low_Tg']:.4g} to {row['independent_high_Tg']:.4g}"
        wide = f"{row['fully_correlated_low_Tg']:.4g} to {row['fully_correlated_high_Tg']:.4g}"
        bounds = f"; bounds, neither of them its error: independent {narrow}, fully correlated {wide} Tg"
    if pd.notna(row.get("modelled_low_Tg")):
        own = f"{row['modelled_low_Tg']:.4g} to {row['modelled_high_Tg']:.4g}"
        bounds = f"; 90 % interval from correlated errors {own} Tg{bounds}"
    return f"{row['total_Tg']:.4g} Tg on {row['area_km2']:,.0f} km2 (0-30 cm){bounds}; by class in tables/stocks.csv"


def _bias(facts: Facts, _: Package) -> str:
    row = _row(facts, "knndm")
    if row is None:
        return ""
    low, high = T_HA_OF_KG_M2 * row["bias_low"], T_HA_OF_KG_M2 * row["bias_high"]
    what = "higher" if low > 0 else "lower" if high < 0 else "neither higher nor lower, as far as the interval tells,"
    return f"predictions are {what} than held-out observations: ME {T_HA_OF_KG_M2 * row['bias']:.3g} t/ha ({low:.3g} to {high:.3g})"


def _agreement(_: Facts, package: Package) -> str:
    return (
        f"area-weighted mean {package.own_mean:.4g} t/ha on {package.own_area_km2:,.1f} km2 in the run, "
        f"{package.mean:.4g} t/ha on {package.area_km2:,.1f} km2 in the package"
    )


def _cells(_: Facts, package: Package) -> str:
    if package.finer:
        return "area-weighted mean of the cells of the run; a value where at least half of the cell has one"
    return "cells of the run are larger than 30 arc-seconds: they were cut, and the package is no finer than the run"


def _years(facts: Facts, _: Package) -> str:
    told = f"profiles sampled {facts.years[0]} to {facts.years[1]}" if facts.years else "years of sampling are not in the data"
    return f"{told}; map stands for {facts.period[0]} to {facts.period[1]}" if facts.period else (told if facts.years else "")


def _files(_: Facts, package: Package) -> str:
    return "; ".join(f"{path.name} ({STATS[stat][0]})" for stat, path in package.rasters.items())


def _constant(text: str) -> Callable[[Facts, Package], str]:
    return lambda *_: text


Question = tuple[str, str, Callable[[Facts, Package], str]]

_NOBODY = _constant("")

_QUESTIONS: Sequence[Sequence[Question]] = (
    (
        ("Title", "recipe", _setting("name")),
        ("Country", "recipe", lambda facts, _: facts.country),
        ("Contact: name", "recipe", _contact("name")),
        ("Contact: organisation", "recipe", _contact("organisation")),
        ("Contact: email", "recipe", _contact("email")),
        ("Licence, terms of use", "recipe", _setting("deliver", "licence")),
        ("Citation", "recipe", _setting("deliver", "citation")),
        ("Date of publication", "", _NOBODY),
        ("Time that the data stand for", "profiles/layers.parquet, recipe", _years),
        ("Sources of soil data", "recipe", _sources),
        ("Number of profiles", "profiles/summary.json", _profiles),
        ("Depth", "package", _constant("0-30 cm")),
        ("Unit", "package", _constant("t/ha of organic carbon")),
        ("Coordinate system and cells", "package", _constant("WGS 84 (EPSG:4326), 30 arc-seconds")),
        ("Bounding box", "package", _bounds),
        ("Software", "run.json", lambda facts, _: f"Edaphic {facts.version}"),
    ),
    (
        ("Profiles without coordinates left out?", "profiles/summary.json", _places),
        ("Outliers and odd values of carbon, density, stones and depths looked for?", "profiles/summary.json", _repairs),
        ("Is there spatial correlation?", "evidence/variogram.json", _correlation),
        ("Distribution looked at, and transformed where needed?", "recipe", _target),
        ("Organic carbon or organic matter?", "profiles/summary.json", _organic),
        ("Forest litter reported apart?", "", _NOBODY),
    ),
    (
        ("Suitable projection?", "covariates/layers.csv", _crs),
        ("How brought to one cell size", "covariates/layers.csv", _resampling),
        ("Missing values set as missing?", "covariates/layers.csv", _nodata),
        ("Outliers, above all in the elevation model?", "covariates/layers.csv (smallest and largest value; to be judged)", _ranges),
        ("Classes treated as classes?", "covariates/layers.csv", _classes),
    ),
    (
        ("Model", "recipe", _model),
        ("Does it overfit?", "evidence/metrics.csv", _overfit),
        ("Validation, with accuracy", "evidence/metrics.csv", _validation),
        ("Most important covariates", "evidence/importance.csv", _important),
        ("Structure left in the residuals, and kriged?", "evidence/variogram.json", _residuals),
    ),
    (
        ("Is the map complete?", "maps/summary.json", _gaps),
        ("Do patterns make sense (judged by an expert)?", "", _NOBODY),
        ("90 % limits", "evidence/calibration.csv", _limits),
        ("Predictions transformed back?", "recipe", _back),
        ("From the run's grid to the package", "package", _cells),
    ),
    (("Totals with their uncertainty", "tables/stocks.csv", _stocks),),
    (
        ("Quality: ME, MAE, MSE", "evidence/metrics.csv", _validation),
        ("Under- or overestimation", "evidence/metrics.csv", _bias),
        ("Uncertainty layer: definition", "package", _constant(STATS["sd"][2])),
        ("Mean of the run's map and of the package", "maps, package", _agreement),
        ("Spatial patterns, described and related to the landscape", "", _NOBODY),
    ),
    (("Rasters", "package", _files),),
)
