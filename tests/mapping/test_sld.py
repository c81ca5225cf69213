"""Styles: one set of stops for QGIS and for map servers, and a look for each kind of map."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.covariates import Window
from edaphic.errors import RasterError
from edaphic.mapping.info import APPLICABILITY, MapInfo
from edaphic.mapping.sld import SLD, sld_text, write_sld
from edaphic.mapping.style import LOOKS, RAMPS, dressed, ends_of, look_of, stops_of, write_style
from edaphic.mapping.write import BandWriter, publish, style_together

INFO = MapInfo("soc_stock_mean_0-30cm", "SOC stock <0-30 cm> & more", "t/ha", "Mean", {})
OF = {"s": SLD}


def entries(text: str) -> list[tuple[float, str, str]]:
    found = ET.fromstring(text.encode()).findall("s:NamedLayer/s:UserStyle/s:FeatureTypeStyle/s:Rule/s:RasterSymbolizer/s:ColorMap/*", OF)
    return [(float(entry.attrib["quantity"]), entry.attrib["color"], entry.attrib["label"]) for entry in found]


def test_the_sld_has_the_stops_and_labels_of_the_qml(tmp_path: Path) -> None:
    sld = write_sld(tmp_path / "a.tif", INFO, 0.0, 80.0).read_text()
    qml = ET.fromstring(write_style(tmp_path / "a.tif", INFO, 0.0, 80.0).read_text())
    items = qml.findall("pipe/rasterrenderer/rastershader/colorrampshader/item")
    assert entries(sld) == [(float(item.attrib["value"]), item.attrib["color"], item.attrib["label"]) for item in items]
    assert entries(sld)[1] == (10.0, RAMPS["sequential"][1], "10 t/ha")


def test_the_sld_has_the_elements_of_1_0_in_their_order() -> None:
    root = ET.fromstring(sld_text(INFO, 0.0, 1.0).encode())
    assert root.tag == f"{{{SLD}}}StyledLayerDescriptor" and root.get("version") == "1.0.0"
    style = root.find("s:NamedLayer/s:UserStyle", OF)
    assert style is not None and style.findtext("s:Title", namespaces=OF) == INFO.title  # escaped and read back
    symbol = style.find("s:FeatureTypeStyle/s:Rule/s:RasterSymbolizer", OF)
    assert symbol is not None
    assert [child.tag.split("}")[1] for child in symbol] == ["Opacity", "ChannelSelection", "ColorMap"]
    assert symbol.findtext("s:ChannelSelection/s:GrayChannel/s:SourceChannelName", namespaces=OF) == "1"
    assert symbol.find("s:ColorMap", OF).attrib == {}  # SLD 1.0 knows no attribute there  # type: ignore[union-attr]


def test_classes_are_not_blended() -> None:
    text = sld_text(replace(INFO, colours="classes", classes=APPLICABILITY, unit="1"), math.nan, math.nan)
    assert entries(text) == [(0.0, "#E69F00", "outside"), (1.0, "#0072B2", "inside")]
    assert '<ColorMap type="values">' in text


def test_each_kind_has_a_look() -> None:
    kinds = ["cv", "count", "relative_difference", "change", "p_increase", "slope", "probability", "difference", "mean", "uncertainty"]
    assert sorted(LOOKS) == sorted(kinds)
    assert {look.colours for look in LOOKS.values()} <= set(RAMPS)
    assert ends_of(dressed(INFO, "p_increase"), 0.2, 0.3) == (0.0, 1.0)
    assert ends_of(dressed(INFO, "cv"), 0.2, 0.3) == (0.2, 0.3)


@given(low=st.floats(-100, 100), width=st.floats(0.0, 100))
def test_no_change_is_white_whatever_the_map(low: float, width: float) -> None:
    info = dressed(INFO, "change")
    first, last = ends_of(info, low, low + width)
    assert first == -last and first <= low and last >= low + width
    middle = stops_of(info, first, last)[4]
    assert middle.value == pytest.approx(0.0, abs=1e-9) and middle.colour == RAMPS["diverging"][4]


@pytest.mark.parametrize(("low", "high"), [(0.0, math.nan), (-math.inf, 0.0), (2.0, 1.0)])
def test_limits_that_are_none_are_a_fault(tmp_path: Path, low: float, high: float) -> None:
    with pytest.raises(RasterError, match=r"style from .* expected two finite numbers in rising order"):
        write_sld(tmp_path / "a.tif", INFO, low, high)
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_names_those_there_are() -> None:
    with pytest.raises(RasterError, match="style of 'chnge': no such kind of map; expected one of mean, "):
        look_of("chnge")


def test_maps_of_change_share_a_ramp_around_nothing(tmp_path: Path) -> None:
    grid = GeoBox((2, 2), Affine(100.0, 0.0, 0.0, 0.0, -100.0, 0.0), "EPSG:3035")
    maps = []
    for number, values in enumerate(([[-1.0, 0.0], [0.5, 1.0]], [[0.0, 3.0], [1.0, 2.0]])):
        info, final = replace(dressed(INFO, "change"), name=f"change_{number}"), tmp_path / f"change_{number}.tif"
        with BandWriter(tmp_path / "work.tif", grid) as band:
            band.write(Window(0, 0, 2, 2), np.array(values))
        publish(tmp_path / "work.tif", final, info, grid)
        maps.append((final, info))
    assert entries(maps[0][0].with_suffix(".sld").read_text())[0][0] == -1.0
    style_together(maps)
    assert [entries(path.with_suffix(".sld").read_text())[0][0] for path, _ in maps] == [-3.0, -3.0]
