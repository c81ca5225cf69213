"""Figures of a path model: the diagram, and the effects on what it explains in the end."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve

from edaphic.account.paths import PathResult
from edaphic.report.path_layout import Drawing, Edge, draw_levels
from edaphic.report.pictures import Picture, picture_of
from edaphic.report.style import BLUE, DPI, GREEN, GREY, INK, ORANGE, PALE, VERMILION, new_figure, styled

BELOW_IN = 0.42
"""Room for the legend under the diagram."""
SURE = 0.05
"""Largest p of a solid arrow where there is no bootstrap."""
EFFECTS = (("total", BLUE), ("direct", ORANGE), ("indirect", GREEN))


def path_pictures(result: PathResult, title: str = "", name: str = "") -> list[Picture]:
    """The diagram and the effects of a path model, with the words that stand for them.

    Parameters
    ----------
    result : PathResult
    title : str
        What the model is of, such as ``layer 0-20``.
    name : str
        Part of the file names, where there are several models.
    """
    behind = f"_{name}" if name else ""
    of = f", {title}" if title else ""
    inner = "; ".join(f"{row['from']} to {row['to']} {row['coefficient']:+.2f}" for row in result.inner.to_dict("records"))
    explained = result.latents[result.latents["type"] == "endogenous"]
    r2 = "; ".join(f"{row['latent']} {row['r2']:.2f}" for row in explained.to_dict("records"))
    told = _held_by(result)
    effects = _of_ends(result)
    total = "; ".join(f"{row['from']} on {row['to']} {row['total']:+.2f}" for row in effects.to_dict("records"))
    return [
        picture_of(
            f"paths{behind}.png",
            path_diagram(result, title),
            f"Path diagram{of}. Coefficients: {inner}. R2: {r2}.",
            f"Path model{of}: standardised coefficients on the arrows, R2 in the boxes. Dashed: {told}.",
        ),
        picture_of(
            f"path_effects{behind}.png",
            effects_bars(result, title),
            f"Bars of total, direct and indirect effects{of}. Total: {total}.",
            f"Total, direct and indirect effects{of}" + ("; lines are bootstrap intervals." if len(result.bootstrap) else "."),
        ),
    ]


def _held_by(result: PathResult) -> str:
    return "the bootstrap interval holds 0" if len(result.bootstrap) else f"p of at least {SURE:g}"


def _doubtful(result: PathResult) -> dict[Edge, bool]:
    """Whether an arrow may be 0."""
    if not len(result.bootstrap):
        return {(row["from"], row["to"]): not row["p"] < SURE for row in result.inner.to_dict("records")}
    paths = result.bootstrap[result.bootstrap["kind"] == "path"]
    return {(row["from"], row["to"]): not row["excludes_zero"] for row in paths.to_dict("records")}


@styled
def path_diagram(result: PathResult, title: str = "") -> Figure:
    """Latents as boxes from causes (above) to effects (below), arrows with their coefficients.

    Blue is positive, vermilion negative; width grows with size; dashed arrows may be 0, by the bootstrap interval, or without a
    bootstrap by p.
    """
    coefficients = {(row["from"], row["to"]): float(row["coefficient"]) for row in result.inner.to_dict("records")}
    names = [str(name) for name in result.latents["latent"]]
    drawing = draw_levels(names, list(coefficients))
    above = 0.3
    height = drawing.height + BELOW_IN + above
    figure, axes = new_figure(height, drawing.width)
    figure.set_layout_engine("none")
    axes.set_position((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0.0, drawing.width)
    axes.set_ylim(-BELOW_IN, drawing.height + above)
    axes.axis("off")
    axes.text(0.08, drawing.height + above - 0.08, f"Path coefficients{f', {title}' if title else ''}", weight="bold", va="top", size=11.5)
    doubtful = _doubtful(result)
    for edge, coefficient in coefficients.items():
        _arrow(axes, drawing, edge, coefficient, doubtful[edge])
    for edge, coefficient in coefficients.items():
        x, y = drawing.labels[edge]
        white = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"}
        axes.text(x, y, _signed(coefficient), color=_colour(coefficient), size=9, ha="center", va="center", bbox=white, zorder=4)
    for row in result.latents.to_dict("records"):
        _box(axes, drawing, str(row["latent"]), f"R² = {row['r2']:.2f}" if row["type"] == "endogenous" else "")
    _legend(axes, drawing, _held_by(result))
    return figure


def _signed(value: float) -> str:
    """A coefficient with two digits and a true minus.

    >>> _signed(-0.256), _signed(0.5), _signed(-0.001)
    ('−0.26', '0.50', '0.00')
    """
    text = f"{value:.2f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _colour(value: float) -> str:
    return BLUE if value >= 0 else VERMILION


def _arrow(axes: Axes, drawing: Drawing, edge: Edge, coefficient: float, doubtful: bool) -> None:
    width = min(0.8 + 5.0 * abs(coefficient), 5.0)
    curve, colour = drawing.curves[edge], _colour(coefficient)
    long, wide = (4.0 + 1.2 * width) / 72, (2.0 + 0.85 * width) / 72
    x, y = (float(value) for value in curve[-1])
    # The curve is upright at its end, and stops within the head.
    line = Curve(curve[curve[:, 1] >= y + 0.7 * long])
    style = (0.0, (2.2, 1.6)) if doubtful else "solid"
    axes.add_patch(PathPatch(line, fill=False, edgecolor=colour, linewidth=width, linestyle=style, capstyle="butt", zorder=2))
    axes.add_patch(Polygon([(x, y), (x - wide, y + long), (x + wide, y + long)], facecolor=colour, edgecolor="none", zorder=2))


def _box(axes: Axes, drawing: Drawing, name: str, below: str) -> None:
    (x, y), (width, height) = drawing.centres[name], drawing.box
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.09"
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor="#F4F6F8", edgecolor=INK, linewidth=0.9, zorder=3))
    lines, size = _fitted(name, width, 1 if below else 2)
    axes.text(x, y + (0.1 if below else 0.0), "\n".join(lines), ha="center", va="center", size=size, weight="bold", zorder=5)
    if below:
        axes.text(x, y - 0.13, below, ha="center", va="center", size=8.5, zorder=5)


def _fitted(name: str, width: float, most: int) -> tuple[list[str], float]:
    """Lines of a name and the size of its letters, so that it stays within its box.

    >>> _fitted("soc", 1.2, 1)
    (['soc'], 9.5)
    >>> _fitted("human influence", 1.0, 2)[0]
    ['human', 'influence']
    """
    text = name.replace("_", " ")
    for size in (9.5, 8.5, 7.5, 6.5):
        letters = max(4, int((width - 0.1) * 72 / (0.68 * size)))
        lines = textwrap.wrap(text, letters, break_long_words=False)
        if len(lines) <= most and max(map(len, lines)) <= letters:
            return lines, size
    return textwrap.wrap(textwrap.shorten(text, letters * most, placeholder="..."), letters)[:most] or [text[:letters]], size


def _legend(axes: Axes, drawing: Drawing, held_by: str) -> None:
    lines = [
        Line2D([], [], color=BLUE, linewidth=2.5, label="positive"),
        Line2D([], [], color=VERMILION, linewidth=2.5, label="negative"),
        Line2D([], [], color=GREY, linewidth=2.5, linestyle=(0.0, (2.2, 1.6)), label=f"dashed: {held_by}"),
    ]
    axes.legend(handles=lines, loc="lower center", ncols=3, fontsize=9, bbox_to_anchor=(0.5, 0.0), borderaxespad=0.3)


def _of_ends(result: PathResult) -> pd.DataFrame:
    """Effects on the latents that act on no other."""
    ends = set(result.inner["to"]) - set(result.inner["from"])
    return result.effects[result.effects["to"].isin(ends)]


@styled
def effects_bars(result: PathResult, title: str = "") -> Figure:
    """Total, direct and indirect effects on the latents that act on no other, the largest above, with bootstrap intervals."""
    effects = _of_ends(result)
    ends = [name for name in result.latents["latent"] if name in set(effects["to"])]
    parts = [effects[effects["to"] == end].sort_values("total", key=np.abs, kind="stable") for end in ends]
    heights = [0.35 + 0.52 * len(part) for part in parts]
    figure = Figure(figsize=(6.0, sum(heights) + 0.75 * len(ends)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(ends), 1, squeeze=False, height_ratios=heights, sharex=True)[:, 0]
    for axes, end, part in zip(panels, ends, parts, strict=True):
        _bars(axes, part)
        axes.set_title(f"Effects on {end}{f', {title}' if title else ''}")
    panels[-1].set_xlabel("standardised effect" + (", with bootstrap interval" if len(result.bootstrap) else ""))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _bars(axes: Axes, part: pd.DataFrame) -> None:
    places = np.arange(len(part), dtype=np.float64)
    axes.axvline(0.0, color=GREY, linewidth=0.9, zorder=1)
    axes.grid(axis="x", color=PALE)
    for k, (kind, colour) in enumerate(EFFECTS):
        values = part[kind].to_numpy(np.float64)
        at = places + 0.25 * (1 - k)
        axes.barh(at, values, height=0.22, color=colour, label=f"{kind} effect", zorder=2)
        if f"{kind}_lower" in part:
            low, high = part[f"{kind}_lower"].to_numpy(np.float64), part[f"{kind}_upper"].to_numpy(np.float64)
            known = np.isfinite(low) & ((low != 0) | (high != 0))
            axes.hlines(at[known], low[known], high[known], color=INK, linewidth=1.1, zorder=3)
    axes.set_yticks(places, [str(name).replace("_", " ") for name in part["from"]])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
