"""SLD style of a map (OGC Styled Layer Descriptor 1.0): the colours and labels of the QGIS style, for map servers and other programs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from edaphic.files import write_text
from edaphic.mapping.info import MapInfo
from edaphic.mapping.style import stops_of

SLD = "http://www.opengis.net/sld"
_SCHEMA = "http://schemas.opengis.net/sld/1.0.0/StyledLayerDescriptor.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def write_sld(final: Path, info: MapInfo, vmin: float, vmax: float) -> Path:
    """SLD of a map, beside it as ``.sld``: the same stops and labels as its QGIS style.

    The numbers are in the unit of the map. Of a map stored as whole numbers the stored numbers are others: a program that does not apply
    the scale of the band needs the map as float32 for its colours to fit.

    Parameters
    ----------
    final : Path
        The map.
    info : MapInfo
        Gives name, title, unit, and ramp or classes.
    vmin, vmax : float
        Values of the first and the last colour, in the map's unit.

    Raises
    ------
    RasterError
        A limit is not a finite number, or vmin > vmax.
    """
    text = sld_text(info, vmin, vmax)
    return write_text(final.with_suffix(".sld"), text)


def sld_text(info: MapInfo, vmin: float, vmax: float) -> str:
    """Text of the SLD of a map.

    A ramp has no attribute ``type``, which SLD 1.0 does not know: programs take it for a ramp. Classes bear ``type="values"``, as
    GeoServer and QGIS ask for, lest codes be blended.

    Examples
    --------
    >>> text = sld_text(MapInfo("soc", "SOC", "kg/m2", "", {}), 0.0, 8.0)
    >>> 'quantity="1.0" label="1 kg/m2"' in text
    True
    """
    root = ET.Element(
        "StyledLayerDescriptor",
        {"version": "1.0.0", "xmlns": SLD, "xmlns:xsi": _XSI, "xsi:schemaLocation": f"{SLD} {_SCHEMA}"},
    )
    layer = ET.SubElement(root, "NamedLayer")
    ET.SubElement(layer, "Name").text = info.name
    style = ET.SubElement(layer, "UserStyle")
    ET.SubElement(style, "Name").text = info.name
    ET.SubElement(style, "Title").text = info.title
    ET.SubElement(style, "Abstract").text = info.description
    rule = ET.SubElement(ET.SubElement(style, "FeatureTypeStyle"), "Rule")
    symbol = ET.SubElement(rule, "RasterSymbolizer")
    ET.SubElement(symbol, "Opacity").text = "1"
    grey = ET.SubElement(ET.SubElement(symbol, "ChannelSelection"), "GrayChannel")
    ET.SubElement(grey, "SourceChannelName").text = "1"
    colours = ET.SubElement(symbol, "ColorMap", {"type": "values"} if info.classes else {})
    for stop in stops_of(info, vmin, vmax):
        facts = {"color": stop.colour, "opacity": "1", "quantity": repr(stop.value), "label": stop.label}
        ET.SubElement(colours, "ColorMapEntry", facts)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
