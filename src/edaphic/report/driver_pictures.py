"""Figures of what goes with carbon: importance by family, effects, Shapley values by depth, response curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from edaphic.report.figures import with_unit
from edaphic.report.folder import records
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.style import BLACK, BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, SKY, VALUES, VERMILION, WIDTH_IN, YELLOW, new_figure, styled
from edaphic.report.words import count, fixed, is_known, listing, number, unit_text

MANY = 20
"""Bars of the figure of importance."""
COLUMNS = 2
ROOM = 16
"""Letters of all classes under one panel, beyond which they stand at an angle."""
_PANEL_IN = 2.3
_FAMILY_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK)
_LAYER_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK)
_MOST_DOTS = 2000
_MEASURES = {"impurity": "decrease of impurity", "permutation": "growth of the error when shuffled"}
CAUTION = "It says what goes with carbon here, not what causes it."


def importance_picture(table: pd.DataFrame, measure: str = "permutation") -> Picture:
    """Shares of covariates as bars in the colours of their families, and of the families beside them.

    Parameters
    ----------
    table : DataFrame
        Of :func:`edaphic.validate.importance.importance_table`.
    measure : {"impurity", "permutation"}
    """
    rows = table[table["measure"] == measure]
    alone, families = rows[rows["level"] == "covariate"], rows[rows["level"] == "family"]
    top = ", ".join(f"{r.name} {fixed(r.share_pct, 1)} %" for r in records(alone.head(5)))
    told = "; families: " + ", ".join(f"{r.name} {fixed(r.share_pct, 1)} %" for r in records(families)) if len(families) else ""
    more = f" The {MANY} largest of {len(alone)}." if len(alone) > MANY else ""
    return picture_of(
        f"importance_{measure}.png",
        importance_figure(alone.head(MANY), families, label=f"share of the {_MEASURES[measure]} (%)"),
        f"Importance of covariates by {_MEASURES[measure]}: {top}{told}.",
        f"Importance by {_MEASURES[measure]}, all covariates together 100 %. Lines: range over repeats"
        f"{' and folds' if measure == 'permutation' else ''}, which is no confidence interval.{more} "
        "Families are reckoned as one, all members together. " + CAUTION,
    )


@styled
def importance_figure(alone: pd.DataFrame, families: pd.DataFrame, *, label: str) -> Figure:
    """Bars of covariates, and below them those of families where there are any."""
    colour = _family_colours(alone, families)
    sizes = [len(alone), *([len(families)] if len(families) else [])]
    figure, panels = _panels(len(sizes), 1, 0.9 + 0.23 * sum(sizes) + 0.5 * len(sizes), ratios=sizes)
    for axes, rows, title in zip(panels, (alone, families), ("By covariate", "By family, all its members together"), strict=False):
        y = np.arange(len(rows))
        axes.barh(y, rows["share_pct"], color=[colour.get(family, SKY) for family in rows["family"]], height=0.72)
        axes.hlines(y, rows["share_low_pct"], rows["share_high_pct"], color=BLACK, linewidth=1.2)
        axes.set_yticks(y, [short(name) for name in rows["name"]], parse_math=False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0.0, None)
        axes.grid(True, axis="x")
        axes.set_title(title)
    panels[-1].set_xlabel(label)
    if len(families):
        handles = [Patch(color=colour[name], label=name) for name in families["name"] if name in colour]
        panels[0].legend(handles=handles, loc="lower right", fontsize=9)
    return figure


def effect_pictures(table: pd.DataFrame, features: pd.DataFrame | None = None, units: Mapping[str, str] | None = None) -> list[Picture]:
    """Panels of partial dependence and of accumulated local effects, a line for each layer.

    Parameters
    ----------
    table : DataFrame
        Of :func:`edaphic.validate.effects.effects`.
    features : DataFrame, optional
        Values of covariates at profiles, for the marks below each panel.
    units : mapping of str to str, optional
        Units of covariates.
    """
    titles = {"ale": "accumulated local effects", "pd": "partial dependence"}
    found = []
    for kind, title in titles.items():
        rows = table[table["kind"] == kind]
        if rows.empty:
            continue
        names = list(dict.fromkeys(rows["covariate"]))
        unit = str(rows["unit"].iloc[0])
        band = str(rows["band"].iloc[0])
        words = {"bags": "standard errors of the forest", "refits": "models of other samples of profiles"}
        shade = f" Bands: {words[band]}." if band in words else " No band was made."
        marks = " Marks below: tenths of the profiles." if features is not None else ""
        how = (
            "Difference from the mean of all, as the covariate moves within what is found near it."
            if kind == "ale"
            else "Mean prediction with the covariate set to a value everywhere, also where that value does not occur."
        )
        found.append(
            picture_of(
                f"effects_{kind}.png", effect_figure(rows, unit=unit, features=features, units=units or {}),
                f"{title.capitalize()} of {listing(names)} in {unit_text(unit)}, by layer. {_largest_span(rows)}",
                f"{title.capitalize()}. {how}{shade}{marks} {CAUTION}",
            )
        )  # fmt: skip
    return found


@styled
def effect_figure(rows: pd.DataFrame, *, unit: str, features: pd.DataFrame | None, units: Mapping[str, str]) -> Figure:
    """A panel for each covariate: lines with bands for numbers, dots with limits for classes."""
    names, layers = list(dict.fromkeys(rows["covariate"])), list(dict.fromkeys(rows["layer"]))
    high = -(-len(names) // COLUMNS)
    figure, panels = _panels(high, COLUMNS, 0.7 + _PANEL_IN * high)
    for axes, name in zip(panels, names, strict=False):
        for place, layer in enumerate(layers):
            part = rows[(rows["covariate"] == name) & (rows["layer"] == layer)]
            colour = _LAYER_COLOURS[place % len(_LAYER_COLOURS)]
            low, top = part["low"].to_numpy(dtype=np.float64), part["high"].to_numpy(dtype=np.float64)
            if part["x"].isna().all():
                at = np.arange(len(part)) + 0.12 * (place - (len(layers) - 1) / 2)
                axes.vlines(at, low, top, color=colour, linewidth=1.2)
                axes.plot(at, part["effect"], "o", color=colour, markersize=4, label=f"{layer} cm")
                labels = [short(name) for name in part["class"]]
                axes.set_xticks(np.arange(len(part)), labels, parse_math=False)
                if sum(map(len, labels)) > ROOM:
                    for text in axes.get_xticklabels():
                        text.set(rotation=35, ha="right", rotation_mode="anchor")
            else:
                if np.isfinite(low).any():
                    axes.fill_between(part["x"], low, top, color=colour, alpha=0.18, linewidth=0)
                axes.plot(part["x"], part["effect"], color=colour, linewidth=1.8, label=f"{layer} cm")
                axes.xaxis.set_major_locator(MaxNLocator(5))
        if features is not None and name in features and not rows.loc[rows["covariate"] == name, "x"].isna().all():
            marks = np.nanquantile(features[name].to_numpy(dtype=np.float64), np.linspace(0, 1, 11))
            axes.plot(marks, np.full(11, 0.02), "|", color=BLACK, markersize=7, transform=axes.get_xaxis_transform())
        axes.set_xlabel(with_unit(short(name), units.get(name, "")))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(True)
    _hide(panels[len(names) :])
    figure.supylabel(with_unit("prediction" if (rows["kind"] == "pd").all() else "effect on the prediction", unit), fontsize=10.5)
    _legend_over(figure, panels[0])
    return figure


def shap_picture(table: pd.DataFrame) -> Picture:
    """Mean size of the Shapley values by covariate and layer.

    Parameters
    ----------
    table : DataFrame
        Of :func:`edaphic.validate.shap.shap_by_depth`.
    """
    unit, layers = str(table["unit"].iloc[0]), list(dict.fromkeys(table["layer"]))
    leading = "; ".join(
        f"{layer} cm: {', '.join(table[table['layer'] == layer].nlargest(3, 'mean_abs_shap')['covariate'])}" for layer in layers
    )
    return picture_of(
        "shap_by_depth.png",
        shap_figure(table),
        f"Mean size of the Shapley values by covariate and layer; the largest in {leading}.",
        f"How far each covariate moves a prediction from the mean, on average over {count(float(table['rows'].iloc[0]))} rows "
        f"({unit_text(unit)} in the cells; colours: share of the layer's sum). {CAUTION}",
    )


@styled
def shap_figure(table: pd.DataFrame) -> Figure:
    """A heat map: covariates down, layers across."""
    layers = list(dict.fromkeys(table["layer"]))
    share = table.pivot(index="covariate", columns="layer", values="share_pct")[layers]
    share = share.loc[share.mean(axis=1).sort_values(ascending=False, kind="stable").index].head(MANY)
    size = table.pivot(index="covariate", columns="layer", values="mean_abs_shap").loc[share.index, layers]
    figure, axes = new_figure(1.2 + 0.27 * len(share))
    image = axes.imshow(share, cmap=VALUES, vmin=0.0, aspect="auto")
    shares, sizes = share.to_numpy(dtype=np.float64), size.to_numpy(dtype=np.float64)
    dark = 0.6 * float(np.nanmax(shares))
    for i in range(len(share)):
        for j in range(len(layers)):
            bright = shares[i, j] > dark
            axes.text(j, i, number(float(sizes[i, j]), 2), ha="center", va="center", fontsize=9, color=BLACK if bright else "white")
    axes.set_xticks(np.arange(len(layers)), [f"{layer} cm" for layer in layers])
    axes.set_yticks(np.arange(len(share)), [short(name) for name in share.index], parse_math=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="share of the layer (%)", pad=0.02)
    axes.set_title(with_unit("Mean size of Shapley values", str(table["unit"].iloc[0])))
    return figure


def curve_picture(
    curves: pd.DataFrame, breaks: pd.DataFrame, dots: Mapping[str, tuple[np.ndarray, np.ndarray]], *, target: str, unit: str,
    units: Mapping[str, str] | None = None,
) -> Picture:  # fmt: skip
    """Response curves: dots, smooth with band, mean, and change points.

    Parameters
    ----------
    curves, breaks : DataFrame
        Of :func:`edaphic.account.drivers.curves.response_table` and :func:`~edaphic.account.drivers.curves.break_table`.
    dots : mapping of str to (x, y)
        Observed values by driver.
    target, unit : str
        Name and unit of the observed.
    units : mapping of str to str, optional
        Units of drivers.
    """
    told = "; ".join(f"{r.driver}: {r.words}" for r in records(breaks.drop_duplicates("driver")))
    return picture_of(
        "response_curves.png",
        curve_figure(curves, breaks, dots, target=target, unit=unit, units=units or {}),
        f"Observed {target} along {listing(list(dict.fromkeys(curves['driver'])))}, with smooth, band and mean. {told}.",
        f"Observed {target} along each driver. Line: local mean with its 95 % bootstrap band; dashed: mean of all; vertical: change point "
        f"with its interval, where a broken line fits better than a straight one. {told}. Drivers go together, so a curve is not the "
        f"effect of one alone. {CAUTION}",
    )


@styled
def curve_figure(
    curves: pd.DataFrame, breaks: pd.DataFrame, dots: Mapping[str, tuple[np.ndarray, np.ndarray]], *, target: str, unit: str,
    units: Mapping[str, str],
) -> Figure:  # fmt: skip
    """A panel for each driver."""
    names = list(dict.fromkeys(curves["driver"]))
    high = -(-len(names) // COLUMNS)
    figure, panels = _panels(high, COLUMNS, 0.5 + _PANEL_IN * high)
    for axes, name in zip(panels, names, strict=False):
        part = curves[curves["driver"] == name]
        x, y = (np.asarray(values, dtype=np.float64) for values in dots[name])
        shown = np.arange(len(x))
        if len(x) > _MOST_DOTS:
            shown = np.sort(np.random.default_rng(0).choice(len(x), _MOST_DOTS, replace=False))
        axes.plot(x[shown], y[shown], ".", color=GREY, alpha=0.5, markersize=4, markeredgewidth=0)
        axes.fill_between(part["x"], part["low"], part["high"], color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(part["x"], part["smooth"], color=BLUE, linewidth=2.0)
        axes.axhline(float(part["mean"].iloc[0]), color=BLACK, linestyle="--", linewidth=1.0)
        for r in records(breaks[breaks["driver"] == name]):
            if is_known(r.at):
                axes.axvspan(r.low, r.high, color=VERMILION, alpha=0.18, linewidth=0)
                axes.axvline(r.at, color=VERMILION, linewidth=1.4)
        # A few far values would flatten the curve: the panel shows 98 % of them, and all of the curve.
        low, top = np.nanquantile(y, [0.01, 0.99])
        axes.set_ylim(min(low, part["low"].min()), max(top, part["high"].max()))
        axes.set_xlabel(with_unit(short(name), units.get(name, "")))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(True)
    _hide(panels[len(names) :])
    figure.supylabel(with_unit(target, unit), fontsize=10.5)
    return figure


def _panels(rows: int, columns: int, height_in: float, ratios: Sequence[float] | None = None) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    found = figure.subplots(rows, columns, squeeze=False, gridspec_kw=None if ratios is None else {"height_ratios": list(ratios)})
    return figure, list(found.ravel())


def _hide(panels: Sequence[Axes]) -> None:
    for axes in panels:
        axes.set_axis_off()


def _legend_over(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(labels)), fontsize=9.5)


def _family_colours(alone: pd.DataFrame, families: pd.DataFrame) -> dict[str, str]:
    # By name, so that a family has one colour in all figures of a page.
    names = sorted(families["name"]) if len(families) else []
    names += [name for name in sorted(set(alone["family"])) if name and name not in names and len(families)]
    return {name: _FAMILY_COLOURS[i] if i < len(_FAMILY_COLOURS) else GREY for i, name in enumerate(names)}


def _largest_span(rows: pd.DataFrame) -> str:
    by_layer = rows.groupby(["covariate", "layer"], sort=False)["effect"].agg(np.ptp)
    span = by_layer.groupby(level=0, sort=False).max().sort_values(ascending=False, kind="stable").head(3)
    return "Widest range in a layer: " + ", ".join(f"{name} {number(float(value))}" for name, value in span.items()) + "."


def short(name: object, most: int = 26) -> str:
    """A name that fits beside an axis."""
    text = str(name)
    return text if len(text) <= most else text[: most - 1] + "…"
