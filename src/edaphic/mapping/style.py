"""QGIS style of a map: opens with colours, legend and unit, without a click."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from edaphic.errors import RasterError
from edaphic.files import write_text
from edaphic.mapping.info import MapClass, MapInfo

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
    }
)  # fmt: skip
"""Nine steps: viridis and cividis, even in lightness and readable with any colour vision and in grey; for probabilities purple
(unlikely) over white (one half) to orange (likely), told apart with any colour vision."""


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
    if not info.classes and not (math.isfinite(vmin) and math.isfinite(vmax) and vmin <= vmax):
        raise RasterError(f"{final}: style from {vmin} to {vmax}; expected two finite numbers in rising order")
    if vmin == vmax:
        vmin, vmax = vmin - 0.5, vmax + 0.5
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    if info.classes:
        _add_classes(pipe, info.classes)
    else:
        _add_ramp(pipe, info, float(vmin), float(vmax))
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
    _add_shader(ET.SubElement(renderer, "rastershader"), RAMPS[info.colours], vmin, vmax, "" if info.unit == "1" else info.unit)


def _add_shader(parent: ET.Element, colours: Sequence[str], vmin: float, vmax: float, unit: str) -> None:
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
    shares = [step / (len(colours) - 1) for step in range(len(colours))]
    rgba = [",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5)) + ",255" for colour in colours]
    stops = ":".join(f"{share:g};{value}" for share, value in zip(shares[1:-1], rgba[1:-1], strict=True))
    gradient = ET.SubElement(shader, "colorramp", type="gradient", name="[source]")
    # the older "prop" form is read by every QGIS 3; the newer "Option" form is not
    facts = {"color1": rgba[0], "color2": rgba[-1], "discrete": "0", "rampType": "gradient", "stops": stops}
    for key, text in facts.items():
        ET.SubElement(gradient, "prop", k=key, v=text)
    for share, colour in zip(shares, colours, strict=True):
        value = vmin + share * (vmax - vmin)
        ET.SubElement(shader, "item", alpha="255", value=repr(value), label=f"{value:.4g} {unit}".rstrip(), color=colour)
    legend = {"direction": "0", "orientation": "2", "useContinuousLegend": "1", "prefix": "", "suffix": f" {unit}".rstrip()}
    ET.SubElement(shader, "rampLegendSettings", legend | {"minimumLabel": "", "maximumLabel": ""})
