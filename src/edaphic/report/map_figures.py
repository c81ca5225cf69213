"""Pictures of maps: values, interval widths, differences. Colours, coordinates and scale are told outside the data."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from edaphic.report.maps import MapImage
from edaphic.report.style import BLUE, CHANCES, DIFFERENCES, INK, ORANGE, PALE, VALUES, WIDTH_IN, WIDTHS, new_figure, styled
from edaphic.report.words import unit_text

_WIDEST_FOR_SCALE_DEGREES = 60.0
_MAP_HEIGHT_IN = 5.0
_SCALE_BAR_IN = 0.11
_PANEL_IN = 2.2
# Around a map, in inches: room for what is written beside, above and below it, and its colours.
_LEFT_IN, _RIGHT_IN, _EDGE_IN, _NAME_IN, _ABOVE_IN, _BELOW_IN = 0.72, 0.74, 0.3, 0.2, 0.62, 0.6
_BAR_IN, _BAR_PAD_IN, _BAR_BELOW_IN = 0.12, 0.11, 0.55
_EXTEND: dict[tuple[bool, bool], Literal["neither", "min", "max", "both"]] = {
    (False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both",
}  # fmt: skip
CLASSES = ListedColormap([ORANGE, BLUE])


@styled
def value_map(image: MapImage, *, title: str, label: str, limits: tuple[float, float] | None = None) -> Figure:
    """Map of a value in viridis; the colours span the 2nd to 98th percentile unless ``limits`` are given.

    Parameters
    ----------
    image : MapImage
    title, label : str
        Above the map; beside the colours, with the unit.
    limits : tuple of float, optional
        Values of the first and last colour.

    Returns
    -------
    Figure
    """
    return _draw(image, image.values, title, label, VALUES, limits or stretch_limits(image.values))


@styled
def width_map(image: MapImage, *, title: str, label: str, limits: tuple[float, float] | None = None) -> Figure:
    """Map of an uncertainty in cividis, drawn as :func:`value_map`."""
    return _draw(image, image.values, title, label, WIDTHS, limits or stretch_limits(image.values, from_zero=True))


@styled
def chance_map(image: MapImage, *, title: str, label: str) -> Figure:
    """Map of a probability: purple below one half, white at one half, orange above, whatever the map's own range."""
    return _draw(image, image.values, title, label, CHANCES, (0.0, 1.0))


@styled
def panel_map(image: MapImage, *, title: str, colours: Colormap, limits: tuple[float, float]) -> Figure:
    """A small map without coordinates, one of several with the same colours.

    Parameters
    ----------
    image : MapImage
    title : str
    colours : Colormap
    limits : tuple of float
        Values of the first and last colour.

    Returns
    -------
    Figure
    """
    left, right, bottom, top = image.extent
    ratio = (right - left) / ((top - bottom) * image.stretch)
    figure, axes = new_figure(max(_PANEL_IN * min(1.0 / ratio, 1.6) + 0.35, 0.8), _PANEL_IN)
    axes.set_facecolor(PALE)
    axes.imshow(
        image.values, extent=image.extent, aspect=image.stretch, interpolation="nearest", cmap=colours, vmin=limits[0], vmax=limits[1]
    )
    if not np.isfinite(image.values).any():
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center")
    axes.set(xticks=[], yticks=[], title=title)
    return figure


@styled
def colour_bar(colours: Colormap, limits: tuple[float, float], label: str, *, beyond: tuple[bool, bool] = (False, False)) -> Figure:
    """The colours that several panels share; ``beyond``: whether there are values below and above them."""
    figure, axes = new_figure(0.75)
    extend = _EXTEND[beyond]
    bar = figure.colorbar(ScalarMappable(Normalize(*limits), colours), cax=axes, orientation="horizontal", extend=extend)
    bar.set_label(unit_text(label))
    bar.locator = MaxNLocator(5)
    bar.update_ticks()
    return figure


@styled
def difference_map(image: MapImage, difference: NDArray[np.float32], *, title: str, label: str) -> Figure:
    """Map of a difference, red above and blue below zero, both sides to the 98th percentile of its size.

    Parameters
    ----------
    image : MapImage
        Where the map lies.
    difference : ndarray of shape (height, width)
    title, label : str

    Returns
    -------
    Figure
    """
    known = np.abs(difference[np.isfinite(difference)])
    most = float(np.quantile(known, 0.98)) if known.size else 1.0
    return _draw(image, difference, title, label, DIFFERENCES, (-(most or 1.0), most or 1.0))


def stretch_limits(*values: NDArray[np.float32], from_zero: bool = False) -> tuple[float, float]:
    """2nd and 98th percentile of all known values: the ends of the colours.

    >>> stretch_limits(np.arange(101, dtype=np.float32))
    (2.0, 98.0)
    """
    known = np.concatenate([array[np.isfinite(array)].ravel() for array in values])
    if known.size == 0:
        return 0.0, 1.0
    low, high = (float(end) for end in np.quantile(known, [0.02, 0.98]))
    if from_zero and low >= 0.0:
        low = 0.0
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    return low, high


def nice_length_m(most_m: float) -> float:
    """The longest of 1, 2, 5 times a power of ten that is not above a length.

    >>> nice_length_m(68_000.0), nice_length_m(340.0)
    (50000.0, 200.0)
    """
    power = 10.0 ** math.floor(math.log10(most_m))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most_m)


def _draw(
    image: MapImage, values: NDArray[np.float32], title: str, label: str, colours: Colormap, limits: tuple[float, float]
) -> Figure:
    left, right, bottom, top = image.extent
    ratio = (right - left) / ((top - bottom) * image.stretch)
    margins = (_LEFT_IN if image.geographic else _LEFT_IN + _NAME_IN, _RIGHT_IN if _upright(ratio) else _EDGE_IN)
    figure, axes, bar_axes = _frame(ratio, margins)
    axes.set_facecolor(PALE)
    picture = axes.imshow(
        values,
        extent=image.extent,
        aspect=image.stretch,
        interpolation="nearest",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
    )
    known = values[np.isfinite(values)]
    if known.size == 0:
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center")
    extend = _EXTEND[(bool((known < limits[0]).any()), bool((known > limits[1]).any()))]
    bar = figure.colorbar(picture, cax=bar_axes, orientation="vertical" if _upright(ratio) else "horizontal", extend=extend)
    bar.set_label(unit_text(label))
    bar.locator = MaxNLocator(5)
    bar.update_ticks()
    _coordinates(axes, image)
    axes.set_title(title, pad=20.0)
    _scale_bar(axes, image)
    for spine in axes.spines.values():
        spine.set_visible(True)
    _make_room(figure, axes, bar_axes, ratio, margins)
    return figure


def _upright(ratio: float) -> bool:
    """Whether the colours stand beside the map; else they lie below it."""
    return ratio < 1.0


def _frame(ratio: float, margins: tuple[float, float]) -> tuple[Figure, Axes, Axes]:
    """A figure with the axes of a map and of its colours. Their places do not depend on what is written beside them, so that maps of one
    grid are of one size."""
    figure, axes = new_figure(WIDTH_IN)
    figure.set_layout_engine("none")
    bar_axes = figure.add_axes((0.0, 0.0, 0.1, 0.1))
    _place(figure, axes, bar_axes, ratio, margins)
    return figure, axes, bar_axes


def _place(figure: Figure, axes: Axes, bar_axes: Axes, ratio: float, margins: tuple[float, float]) -> None:
    """Set map and colours between margins (in inches), to the left where the map is narrower; the height of the figure follows."""
    upright = _upright(ratio)
    room = WIDTH_IN - sum(margins) - (_BAR_PAD_IN + _BAR_IN if upright else 0.0)
    width = min(room, _MAP_HEIGHT_IN * ratio)
    height, left = width / ratio, margins[0]
    below = _BELOW_IN + (0.0 if upright else _BAR_BELOW_IN)
    whole = height + below + _ABOVE_IN
    figure.set_size_inches(WIDTH_IN, whole)
    axes.set_position((left / WIDTH_IN, below / whole, width / WIDTH_IN, height / whole))
    if upright:
        place = (left + width + _BAR_PAD_IN, below + 0.1 * height, _BAR_IN, 0.8 * height)
    else:
        place = (left + 0.1 * width, _BAR_BELOW_IN, 0.8 * width, _BAR_IN)
    bar_axes.set_position((place[0] / WIDTH_IN, place[1] / whole, place[2] / WIDTH_IN, place[3] / whole))


def _make_room(figure: Figure, axes: Axes, bar_axes: Axes, ratio: float, margins: tuple[float, float]) -> None:
    """Shrink a map whose numbers are too long for the margins."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    boxes = [box for part in (axes.xaxis, axes.yaxis, bar_axes) if (box := part.get_tightbbox(renderer)) is not None]
    over_left = max(0.0, max(-box.x0 for box in boxes) / figure.dpi)
    over_right = max(0.0, max(box.x1 for box in boxes) / figure.dpi - WIDTH_IN)
    if over_left > 0.0 or over_right > 0.0:
        _place(figure, axes, bar_axes, ratio, (margins[0] + over_left, margins[1] + over_right))


def _coordinates(axes: Axes, image: MapImage) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.tick_params(labelsize=9.5, color=INK)
    if image.geographic:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: degrees_text(value, "E", "W")))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: degrees_text(value, "N", "S")))
        return
    for axis, name in ((axes.xaxis, "easting"), (axes.yaxis, "northing")):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:,.10g}"))
        axis.set_label_text(f"{name} ({'km' if image.unit == 'metre' else '1000 ' + image.unit})", fontsize=9.5)


def degrees_text(value: float, positive: str, negative: str) -> str:
    """An angle with its side.

    >>> degrees_text(-12.5, "E", "W"), degrees_text(0.0, "E", "W")
    ('12.5° W', '0°')
    """
    value = round(value, 6)
    side = "" if value == 0.0 else f" {positive if value > 0.0 else negative}"
    return f"{abs(value):g}°{side}"


def _scale_bar(axes: Axes, image: MapImage) -> None:
    """A bar between title and map; none where the scale is unknown or changes much over the map."""
    left, right = image.extent[:2]
    width_m = (right - left) * image.ground_m
    if not math.isfinite(width_m) or (image.geographic and right - left > _WIDEST_FOR_SCALE_DEGREES):
        return
    length_m = nice_length_m(0.25 * width_m)
    share = length_m / width_m
    text = f"{length_m / 1000:,g} km" if length_m >= 1000.0 else f"{length_m:g} m"
    figure = axes.get_figure()
    assert figure is not None
    above = axes.transAxes + ScaledTranslation(0.0, _SCALE_BAR_IN, figure.dpi_scale_trans)
    axes.hlines(1.0, 1.0 - share, 1.0, transform=above, color=INK, linewidth=3.0, clip_on=False)
    axes.text(1.0 - share - 0.02, 1.0, text, transform=above, ha="right", va="center", fontsize=9.5)


@styled
def class_map(image: MapImage, *, title: str, names: tuple[str, str]) -> Figure:
    """Map of two classes (0 and 1) in orange and blue; a drawn cell that averages several takes the more frequent one.

    Parameters
    ----------
    image : MapImage
        Values of 0 and 1.
    title : str
    names : tuple of str
        What 0 and 1 stand for.

    Returns
    -------
    Figure
    """
    values = np.where(np.isfinite(image.values), np.round(image.values), np.nan).astype(np.float32)
    figure = _draw(image, values, title, "", CLASSES, (-0.5, 1.5))
    bar = figure.axes[-1]
    upright = bar.get_ylim() == (-0.5, 1.5)
    axis = bar.yaxis if upright else bar.xaxis
    axis.set_major_locator(FixedLocator([0.0, 1.0]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: names[round(value)]))
    axis.set_tick_params(length=0)
    return figure
