"""The maps of each layer as pictures: mean and interval, what else was mapped, and all periods side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Colormap
from numpy.typing import NDArray

from edaphic.report import map_figures
from edaphic.report.facts import Target, quantity_of
from edaphic.report.folder import MapLayer, RunFolder
from edaphic.report.maps import MapImage, read_image
from edaphic.report.pictures import Layer, Picture, cells_for_each, picture_of, with_values
from edaphic.report.plausibility import MapFacts
from edaphic.report.style import CHANCES, VALUES, WIDTHS
from edaphic.report.words import capital, layer_text, listing, number, percent, period_words, quantity, unit_text

_SPREADS = {
    "se": "standard error of the mean",
    "spread": "spread of the trees",
    "tree_se": "spread over the root of trees",
}
"""Statistics of the trees under their own names: none of them is a prediction interval."""

_SHORT = {"se": "Standard error", "tree_se": "Noise of the trees"}
"""For the titles of pictures."""

_MOST_PANELS = 8
_PANEL_CELLS = 30_000


@dataclass(frozen=True)
class PanelRow:
    """Small maps of one statistic, a period each, and the colours that they share; ``open``: shown without a click."""

    title: str
    bar: Picture
    panels: tuple[Picture, ...]
    note: str
    open: bool


@dataclass(frozen=True)
class LayerPictures:
    """The pictures of one layer's maps and what the maps say.

    ``pictures`` are the mean and its interval, ``more`` the other statistics, ``rows`` the periods. ``open``: more is shown without a
    click. ``target``: what the names of the maps begin with. ``folded``: a part of the map (a zone), shown when it is asked for.
    """

    title: str
    layer: Layer
    pictures: tuple[Picture, ...]
    facts: MapFacts
    note: str
    more: tuple[Picture, ...] = ()
    rows: tuple[PanelRow, ...] = ()
    open: bool = False
    target: str = ""
    folded: bool = False

    @property
    def all(self) -> list[Picture]:
        """Every picture of the layer."""
        return [*self.pictures, *self.more, *(picture for row in self.rows for picture in (row.bar, *row.panels))]


def layer_maps(run: RunFolder, target: Target) -> list[LayerPictures]:
    """Mean and uncertainty of each layer (the whole depth last), of the last period where there are several.

    Parameters
    ----------
    run : RunFolder
    target : Target

    Returns
    -------
    list of LayerPictures, one for each layer that has a map of the mean.

    Raises
    ------
    RasterError
        A map cannot be read.
    """
    cells = cells_for_each(run)
    lead = [layer for layer in run.maps if "mean" in layer.paths and layer.period == run.lead_period]
    lead.sort(key=lambda layer: _of_zone(layer.target))  # zones after the maps of all cells
    colours = {key: _shared(group, cells) for key, group in _groups(run, lead).items()}
    last = max((number for number, layer in enumerate(lead) if not _of_zone(layer.target)), default=-1)
    return [
        _layer_maps(run, layer, _named(run, layer, target), cells, colours[_group(run, layer)], shown=number == last)
        for number, layer in enumerate(lead)
    ]


def colour_words(run: RunFolder) -> str:
    """Which of the large maps have the same colours."""
    lead = [layer for layer in run.maps if "mean" in layer.paths and layer.period == run.lead_period]
    if all(len(group) == 1 for group in _groups(run, lead).values()):
        return "Each map has its own colours, from the 2nd to the 98th percentile; grey has no value."
    apart = any(run.whole == layer.depth and quantity_of(layer.target).is_stock for layer in lead)
    return (
        "Layers of one quantity have the same colours, from the 2nd to the 98th percentile of all of them"
        + ("; the whole depth, which is their sum, has its own" if apart else "")
        + ". Each map of an uncertainty stands beside its map. Grey has no value."
    )


Limits = tuple[tuple[float, float], tuple[float, float]]
"""Ends of the colours of means, and of widths of intervals."""


def _group(run: RunFolder, layer: MapLayer) -> tuple[str, bool]:
    """Maps that have the same colours: layers of one quantity; a stock of the whole depth is another, since it is their sum."""
    return layer.target, quantity_of(layer.target).is_stock and layer.depth == run.whole


def _groups(run: RunFolder, layers: Iterable[MapLayer]) -> dict[tuple[str, bool], list[MapLayer]]:
    found: dict[tuple[str, bool], list[MapLayer]] = {}
    for layer in layers:
        found.setdefault(_group(run, layer), []).append(layer)
    return found


def _shared(layers: list[MapLayer], cells: int) -> Limits:
    """Ends of the colours that maps share."""
    means = [read_image(layer.paths["mean"], cells).values for layer in layers]
    widths = [image.values for layer in layers if (image := _width(layer, cells)) is not None]
    return map_figures.stretch_limits(*means), map_figures.stretch_limits(*widths, from_zero=True) if widths else (0.0, 1.0)


def _of_zone(name: str) -> bool:
    return " of " in quantity_of(name).name


def _named(run: RunFolder, layer: MapLayer, target: Target) -> Target:
    """What a map shows: ``target`` unless maps of several quantities are there."""
    return target if len({own.target for own in run.maps}) == 1 else quantity_of(layer.target)


def _file(run: RunFolder, layer: MapLayer) -> str:
    """Layer and period as the names of pictures have them, with the quantity where there are several."""
    return layer.stem if len({own.target for own in run.maps}) == 1 else f"{layer.target}_{layer.stem}"


def _layer_maps(run: RunFolder, layer: MapLayer, target: Target, cells: int, colours: Limits, *, shown: bool) -> LayerPictures:
    mean = read_image(layer.paths["mean"], cells)
    several = len({own.target for own in run.maps}) > 1
    title = layer_text(*layer.depth) + (f", {period_words(layer.period)}" if layer.period else "")
    short = f"{capital(target.name)}, {title}" if several else title
    low, high = map_figures.stretch_limits(mean.values)
    label = f"{target.name} ({target.unit})" if target.unit else target.name
    pictures = [
        picture_of(
            f"map_mean_{_file(run, layer)}.png",
            map_figures.value_map(mean, title=f"Mean, {title}", label=label, limits=colours[0]),
            f"Map of the mean {target.name} in {title}: mostly from {number(low)} to {quantity(high, target.unit)}.",
            f"Mean {target.name}, {title}. Mean of the map {quantity(mean.mean(), target.unit)}.",
        )
    ]
    ends = _ends(layer)
    ordered, lowest_bound, more = None, math.nan, [stat for stat in ("se",) if stat in layer.paths]
    if ends is not None:
        lower, upper = (read_image(layer.paths[stat], cells) for stat in ends)
        ordered, lowest_bound = not bool((lower.values > upper.values + _rounding(upper)).any()), _lowest(lower)
        pictures.append(_width_picture(_file(run, layer), mean, lower, upper, target, title, ends, colours[1]))
    else:
        found = next((stat for stat in _SPREADS if stat in layer.paths), None)
        more = [stat for stat in more if stat != found]
        pictures += [_spread_picture(run, layer, found, target, title, cells)] if found else []
    others = [_spread_picture(run, layer, stat, target, title, cells) for stat in more]
    others += [_chance_picture(run, layer, stat, target, title, cells) for stat in _chances(layer)]
    others += _monte_carlo_pictures(run, layer, target, title, cells)
    facts = MapFacts(mean.mean(), _lowest(mean), lowest_bound, ordered, mean.reduction <= 1.0)
    note = "" if len(pictures) > 1 else "This run has no map of the uncertainty of this layer."
    rows = _rows(run, layer, target, shown)
    zone = _of_zone(layer.target)
    return LayerPictures(short, layer.depth, tuple(pictures), facts, note, tuple(others), rows, shown, layer.target, zone)


def _rounding(image: MapImage) -> float:
    """Room for maps of whole numbers: a step of some ten-thousandths of the largest value."""
    known = image.values[np.isfinite(image.values)]
    return float(2e-4 * np.abs(known).max()) if known.size else 0.0


def _level(stat: str) -> float:
    """Probability of a quantile's name: "q05" is 0.05, "q025" 0.025."""
    return float(f"0.{stat[1:]}")


def _ends(layer: MapLayer) -> tuple[str, str] | None:
    """The outermost quantiles of a layer, where there is one on each side of the median."""
    known = sorted((stat for stat in layer.paths if stat.startswith("q")), key=_level)
    return (known[0], known[-1]) if len(known) > 1 and _level(known[0]) < 0.5 < _level(known[-1]) else None


def _chances(layer: MapLayer) -> list[str]:
    """Probabilities of more than a threshold, rising."""
    return sorted((stat for stat in layer.paths if stat.startswith("p_above_")), key=lambda stat: float(stat.removeprefix("p_above_")))


def _threshold(stat: str, target: Target) -> str:
    """A threshold as the recipe gives it, with the unit of the maps."""
    return f"{float(stat.removeprefix('p_above_')):g}\u00a0{unit_text(target.unit)}".strip()


def _lowest(image: MapImage) -> float:
    known = image.values[np.isfinite(image.values)]
    return float(known.min()) if known.size else math.nan


def _width_picture(
    file: str,
    mean: MapImage,
    lower: MapImage,
    upper: MapImage,
    target: Target,
    title: str,
    stats: tuple[str, str],
    limits: tuple[float, float],
) -> Picture:
    width = with_values(mean, upper.values - lower.values)
    level = percent(_level(stats[-1]) - _level(stats[0]))
    unit = f" ({target.unit})" if target.unit else ""
    known = np.isfinite(width.values) & np.isfinite(mean.values) & (mean.values > 0.0)
    middle = float(np.median(width.values[known])) if known.any() else math.nan
    relative = float(np.median(width.values[known] / mean.values[known])) if known.any() else math.nan
    return picture_of(
        f"map_width_{file}.png",
        map_figures.width_map(width, title=f"Uncertainty, {title}", label=f"width of the {level} interval{unit}", limits=limits),
        f"Map of the width of the {level} interval in {title}: median {quantity(middle, target.unit)}.",
        f"Width of the {level} interval ({stats[0]} to {stats[-1]}), {title}. Median {quantity(middle, target.unit)}, "
        f"{number(relative, 2)} times the mean there.",
    )


def _spread_picture(run: RunFolder, layer: MapLayer, stat: str, target: Target, title: str, cells: int) -> Picture:
    name, image = _SPREADS[stat], read_image(layer.paths[stat], cells)
    return picture_of(
        f"map_{stat}_{_file(run, layer)}.png",
        map_figures.width_map(image, title=f"{_SHORT.get(stat, capital(name))}, {title}", label=f"{name} ({target.unit})"),
        f"Map of the {name} in {title}: mean {quantity(image.mean(), target.unit)}.",
        f"{capital(name)}, {title}. This is not a prediction interval: single profiles differ more.",
    )


def _chance_picture(run: RunFolder, layer: MapLayer, stat: str, target: Target, title: str, cells: int) -> Picture:
    image = read_image(layer.paths[stat], cells)
    over = _threshold(stat, target)
    known = image.values[np.isfinite(image.values)]
    likely = percent(float((known > 0.5).mean())) if known.size else "none"
    return picture_of(
        f"map_{stat}_{_file(run, layer)}.png",
        map_figures.chance_map(image, title=f"More than {over}, {title}", label=f"probability of more than {over}"),
        f"Map of the probability that {target.name} exceeds {over} in {title}: mean {percent(image.mean())}.",
        f"Probability that a profile has more than {over} in {title}. It is more likely than not in {likely} of the mapped cells.",
    )


def _monte_carlo_pictures(run: RunFolder, layer: MapLayer, target: Target, title: str, cells: int) -> list[Picture]:
    """Spread of the Monte Carlo realisations of the same layer, where there are any."""
    same = [own for own in run.monte_carlo_maps if own.depth == layer.depth and own.target == layer.target]
    drawn = next((own for own in same if "mc_sd" in own.paths), None)
    if drawn is None:
        return []
    image = read_image(drawn.paths["mc_sd"], cells)
    return [
        picture_of(
            f"map_mc_sd_{_file(run, layer)}.png",
            map_figures.width_map(image, title=f"Monte Carlo, {title}", label=f"standard deviation of the realisations ({target.unit})"),
            f"Map of the standard deviation of the Monte Carlo realisations in {title}: mean {quantity(image.mean(), target.unit)}.",
            f"Standard deviation of the Monte Carlo realisations of inputs and model, {title}.",
        )
    ]


# Periods -----------------------------------------------------------------------------------------------------------------


def _rows(run: RunFolder, lead: MapLayer, target: Target, shown: bool) -> tuple[PanelRow, ...]:
    """Maps of all periods of a layer, statistic by statistic; none where there is one time only."""
    dated = {own.period: own for own in run.maps if own.period and own.depth == lead.depth and own.target == lead.target}
    known = [period for period in run.periods if period in dated]
    if len(known) < 2:
        return ()
    mean_of = [own for period, own in dated.items() if period not in known and "mean" in own.paths]
    kept = few(known)
    unit = f" ({target.unit})" if target.unit else ""
    rows = [_row(run, lead, "mean", f"Mean {target.name} by period", target.name + unit, VALUES, [*(dated[p] for p in kept), *mean_of])]
    if _ends(lead) is not None:
        title = "Width of the interval by period"
        rows.append(_row(run, lead, "width", title, f"width of the interval{unit}", WIDTHS, [dated[p] for p in kept]))
    for stat in [*(["se"] if "se" in lead.paths else []), *_chances(lead)]:
        name = _SPREADS.get(stat) or f"probability of more than {_threshold(stat, target)}"
        colours = WIDTHS if stat in _SPREADS else CHANCES
        label = name + (unit if stat in _SPREADS else "")
        rows.append(_row(run, lead, stat, f"{capital(name)} by period", label, colours, [dated[p] for p in kept]))
    left = [period_words(period) for period in known if period not in kept]
    note = f" Not drawn: {listing(left)}." if left else ""
    return tuple(PanelRow(r.title, r.bar, r.panels, r.note + note, shown and i == 0) for i, r in enumerate(rows))


def few(periods: list[str], most: int = _MOST_PANELS) -> list[str]:
    """So many of the periods at most, evenly spaced, first and last among them.

    >>> few(["a", "b", "c", "d", "e"], 3), few(["a", "b"], 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    if len(periods) <= most:
        return periods
    return [periods[round(place)] for place in np.linspace(0.0, len(periods) - 1.0, most)]


def _row(run: RunFolder, lead: MapLayer, stat: str, title: str, label: str, colours: Colormap, layers: Iterable[MapLayer]) -> PanelRow:
    cells = min(cells_for_each(run), _PANEL_CELLS)
    images = [(own, image) for own in layers if (image := _width(own, cells) if stat == "width" else _one(own, stat, cells)) is not None]
    values = [image.values for _, image in images]
    limits = (0.0, 1.0) if stat.startswith("p_above_") else map_figures.stretch_limits(*values, from_zero=colours is WIDTHS)
    panels = tuple(_panel(run, own, stat, image, colours, limits) for own, image in images)
    bar = picture_of(
        f"map_{stat}_{_file(run, lead).removesuffix(f'_{lead.period}')}_colours.png",
        map_figures.colour_bar(colours, limits, label, beyond=_beyond(values, limits)),
        f"Colours of the maps below: {label} from {number(limits[0])} to {number(limits[1])}.",
        "",
    )
    return PanelRow(f"{title}, {layer_text(*lead.depth)}", bar, panels, "All have the same colours.", open=False)


def _beyond(values: list[NDArray[np.float32]], limits: tuple[float, float]) -> tuple[bool, bool]:
    """Whether any value lies below or above the colours."""
    return any(bool((own < limits[0]).any()) for own in values), any(bool((own > limits[1]).any()) for own in values)


def _one(layer: MapLayer, stat: str, cells: int) -> MapImage | None:
    return read_image(layer.paths[stat], cells) if stat in layer.paths else None


def _width(layer: MapLayer, cells: int) -> MapImage | None:
    ends = _ends(layer)
    if ends is None:
        return None
    low, high = (read_image(layer.paths[stat], cells) for stat in ends)
    return with_values(low, high.values - low.values)


def _panel(run: RunFolder, layer: MapLayer, stat: str, image: MapImage, colours: Colormap, limits: tuple[float, float]) -> Picture:
    of_all = layer.period not in run.periods
    title = period_words(layer.period) if not of_all else "mean of the periods"
    return picture_of(
        f"map_{stat}_{_file(run, layer)}_small.png",
        map_figures.panel_map(image, title=title, colours=colours, limits=limits),
        f"Small map of {period_words(layer.period)}{', mean of the periods' if of_all else ''}: mean {number(image.mean())}.",
        f"Mean of the map {number(image.mean())}.",
    )
