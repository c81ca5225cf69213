"""Colours of maps: the look of each kind of map, and the QGIS style beside it, which opens with legend and unit without a click."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from edaphic.errors import RasterError
from edaphic.files import write_text
from edaphic.mapping.info import Colours, MapClass, MapInfo

RAMPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sequential": (
            "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725",
        ),
        "uncertainty": (
            "#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838",
        ),
        "probability": (
            "#2d004b", "#5f3a91", "#9990bf", "#cfcfe5", "#f7f7f6", "#fed59f", "#ee9b39", "#bd6109", "#7f3b08",
        ),
        "diverging": (
            "#543005", "#995d13", "#cfa256", "#f1dfb3", "#f4f5f5", "#b4e2db", "#58b0a7", "#0c7169", "#003c30",
        ),
    }
)  # fmt: skip
"""Nine steps: viridis and cividis, even in lightness and readable with any colour vision and in grey; for probabilities purple
(unlikely) over white (one half) to orange (likely), for changes and differences brown (less) over white to green (more), told apart
with any colour vision."""


@dataclass(frozen=True)
class Look:
    """Colours of a kind of map: its ramp, and its ends or its middle where they do not depend on the map."""

    colours: Colours = "sequential"
    limits: tuple[float, float] | None = None
    centre: float | None = None


def look_of(kind: str) -> Look:
    """Look of a kind of map.

    Parameters
    ----------
    kind : str
        One of :data:`LOOKS`.

    Raises
    ------
    RasterError
        No such kind.

    Examples
    --------
    >>> look_of("p_increase").limits, look_of("change").centre
    ((0.0, 1.0), 0.0)
    """
    if kind not in LOOKS:
        raise RasterError(f"style of {kind!r}: no such kind of map; expected one of {', '.join(LOOKS)}")
    return LOOKS[kind]


def dressed(info: MapInfo, kind: str) -> MapInfo:
    """What is said of a map, with the look of its kind.

    >>> dressed(MapInfo("change", "Change", "t/ha", "", {}), "change").colours
    'diverging'
    """
    look = look_of(kind)
    return replace(info, colours=look.colours, limits=look.limits, centre=look.centre)


def ends_of(info: MapInfo, low: float, high: float) -> tuple[float, float]:
    """Ends of the ramp of a map whose values run from ``low`` to ``high``.

    >>> ends_of(dressed(MapInfo("a", "a", "t/ha", "", {}), "change"), -2.0, 5.0)
    (-5.0, 5.0)
    """
    if info.limits is not None:
        return info.limits
    if info.centre is None:
        return low, high
    reach = max(abs(low - info.centre), abs(high - info.centre))
    return info.centre - reach, info.centre + reach


@dataclass(frozen=True)
class Stop:
    """A step of a legend: value, colour as #rrggbb, label."""

    value: float
    colour: str
    label: str


def stops_of(info: MapInfo, vmin: float, vmax: float) -> tuple[Stop, ...]:
    """Steps of the legend of a map: codes of its classes, else nine even steps of its ramp, with the unit.

    Raises
    ------
    RasterError
        A limit is not a finite number, or vmin > vmax.

    Examples
    --------
    >>> [stop.label for stop in stops_of(MapInfo("a", "a", "t/ha", "", {}), 0.0, 8.0)][:2]
    ['0 t/ha', '1 t/ha']
    """
    if info.classes:
        return tuple(Stop(each.code, each.colour, each.name) for each in info.classes)
    vmin, vmax = _spread(info.name, vmin, vmax)
    unit, colours = _unit(info), RAMPS[info.colours]
    values = [vmin + step / (len(colours) - 1) * (vmax - vmin) for step in range(len(colours))]
    return tuple(Stop(value, colour, f"{value:.4g} {unit}".rstrip()) for value, colour in zip(values, colours, strict=True))


def _spread(name: object, vmin: float, vmax: float) -> tuple[float, float]:
    """Ends of a ramp; one single value gets a ramp one unit wide around it."""
    if not (math.isfinite(vmin) and math.isfinite(vmax) and vmin <= vmax):
        raise RasterError(f"{name}: style from {vmin} to {vmax}; expected two finite numbers in rising order")
    return (vmin - 0.5, vmax + 0.5) if vmin == vmax else (float(vmin), float(vmax))


def _unit(info: MapInfo) -> str:
    return "" if info.unit == "1" else info.unit


def write_style(final: Path, info: MapInfo, vmin: float, vmax: float) -> Path:
    """QGIS style of a map, beside it as ``.qml``: a continuous ramp from vmin to vmax, labels with the unit; of classes a colour each.

    QGIS takes it up by itself when the map is opened, since it has the map's name. A map of one single value gets a
    ramp one unit wide around it.

    Parameters
    ----------
    final : Path
        The map.
    info : MapInfo
        Gives unit and ramp.
    vmin, vmax : float
        Values of the first and the last colour, in the map's unit.

    Raises
    ------
    RasterError
        A limit is not a finite number, or vmin > vmax.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    if info.classes:
        _add_classes(pipe, info.classes)
    else:
        _add_ramp(pipe, info, *_spread(final, vmin, vmax))
    ET.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ET.SubElement(root, "blendMode").text = "0"
    ET.indent(root)
    head = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return write_text(final.with_suffix(".qml"), head + ET.tostring(root, encoding="unicode") + "\n")


def _add_classes(pipe: ET.Element, classes: Sequence[MapClass]) -> None:
    """One colour and one word for each code."""
    renderer = ET.SubElement(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor="")
    ET.SubElement(renderer, "rasterTransparency")
    palette = ET.SubElement(renderer, "colorPalette")
    for each in classes:
        ET.SubElement(palette, "paletteEntry", value=str(each.code), color=each.colour, label=each.name, alpha="255")


def _add_ramp(pipe: ET.Element, info: MapInfo, vmin: float, vmax: float) -> None:
    facts = {"type": "singlebandpseudocolor", "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""}
    limits = {"classificationMin": repr(vmin), "classificationMax": repr(vmax)}
    renderer = ET.SubElement(pipe, "rasterrenderer", facts | limits)
    ET.SubElement(renderer, "rasterTransparency")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    ET.SubElement(origin, "limits").text = "None"
    ET.SubElement(origin, "extent").text = "WholeRaster"
    ET.SubElement(origin, "statAccuracy").text = "Exact"
    _add_shader(ET.SubElement(renderer, "rastershader"), stops_of(info, vmin, vmax), vmin, vmax, _unit(info))


def _add_shader(parent: ET.Element, steps: Sequence[Stop], vmin: float, vmax: float, unit: str) -> None:
    """The ramp, once as a gradient (so that QGIS can stretch it again) and once as labelled steps."""
    shader = ET.SubElement(
        parent,
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="2",
        clip="0",
        labelPrecision="4",
        minimumValue=repr(vmin),
        maximumValue=repr(vmax),
    )
    colours = [step.colour for step in steps]
    shares = [step / (len(colours) - 1) for step in range(len(colours))]
    rgba = [",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5)) + ",255" for colour in colours]
    stops = ":".join(f"{share:g};{value}" for share, value in zip(shares[1:-1], rgba[1:-1], strict=True))
    gradient = ET.SubElement(shader, "colorramp", type="gradient", name="[source]")
    # the older "prop" form is read by every QGIS 3; the newer "Option" form is not
    facts = {"color1": rgba[0], "color2": rgba[-1], "discrete": "0", "rampType": "gradient", "stops": stops}
    for key, text in facts.items():
        ET.SubElement(gradient, "prop", k=key, v=text)
    for step in steps:
        ET.SubElement(shader, "item", alpha="255", value=repr(step.value), label=step.label, color=step.colour)
    legend = {"direction": "0", "orientation": "2", "useContinuousLegend": "1", "prefix": "", "suffix": f" {unit}".rstrip()}
    ET.SubElement(shader, "rampLegendSettings", legend | {"minimumLabel": "", "maximumLabel": ""})


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "mean": Look(),
        "uncertainty": Look("uncertainty"),
        "probability": Look("probability", (0.0, 1.0)),
        "p_increase": Look("probability", (0.0, 1.0)),
        "cv": Look("uncertainty"),
        "count": Look(),
        "relative_difference": Look("diverging", centre=0.0),
        "difference": Look("diverging", centre=0.0),
        "change": Look("diverging", centre=0.0),
        "slope": Look("diverging", centre=0.0),
    }
)
"""Look of each kind of map: values, their uncertainty, probabilities; of several products the coefficient of variation, the number of
products and the relative difference; of several periods the change, its slope and the probability of an increase."""
