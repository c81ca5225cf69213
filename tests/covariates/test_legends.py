"""Names of class codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edaphic.covariates import close_rasters
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.legends import read_legend
from edaphic.errors import RasterError, TableError

CODES = np.array([[1, 2], [2, 1]], dtype="uint8")


def written(folder: Path, text: str) -> Path:
    path = folder / "legend.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "code,name\n1,forest\n2,water\n",
        "value;label;colour\n1;forest;green\n2;water;blue\n",
        "1,forest\n2,water\n",
        "\ufeffid\tdescription\n1\tforest\n2\twater\n\n",
        ",kg_zone,zoneNum\n7,forest,1\n8,water,2\n",
        "CLC,LABEL3,GRID_CODE\n111,forest,1\n112,water,2\n",
        "1.0,forest\n2.0,water\n",
    ],
)
def test_tables_of_many_shapes(tmp_path, text: str) -> None:
    assert read_legend(written(tmp_path, text)) == {1: "forest", 2: "water"}


def test_commas_within_quotes(tmp_path) -> None:
    assert read_legend(written(tmp_path, 'code,name\n1,"forest, dense"\n')) == {1: "forest, dense"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty; expected a table"),
        ("a,b,c\n1,2,3\n", "columns a, b, c; expected one named code and one named name"),
        ("code,name\none,forest\n", "legend.csv:2: 'one,forest'; expected a whole number and a name"),
        ("code,name\n1,forest\n1,water\n", "legend.csv:3: code 1 a second time"),
        ("code,name\n1.5,forest\n", "expected a whole number"),
        ("code,name\nnan,forest\n", "legend.csv:2: 'nan,forest'; expected a whole number and a name"),
        ("code,name\ninf,forest\n", "expected a whole number"),
        ("code,name\n1e400,forest\n", "expected a whole number"),
        ("code,name\n3\n", "expected a whole number and a name"),
    ],
)
def test_tables_that_are_no_legends(tmp_path, text: str, said: str) -> None:
    with pytest.raises(TableError) as caught:
        read_legend(written(tmp_path, text))
    assert len(caught.value.faults) == 1 and said in str(caught.value)


def test_where_names_come_from(raster, tmp_path) -> None:
    """Those of the user, then a table beside the file, then what the file holds."""
    path = raster("cover.tif", CODES)
    assert facts(Source("c", path, kind="class")).classes == {}
    (tmp_path / "cover.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><CategoryNames><Category/><Category>wood</Category><Category>sea</Category></CategoryNames>"
        "</PAMRasterBand></PAMDataset>"
    )
    close_rasters()
    known = facts(Source("c", path, kind="class"))
    assert known.classes == {1: "wood", 2: "sea"} and "classes named by the file" in known.notes
    (tmp_path / "cover_legend.csv").write_text("code,name\n1,forest\n2,water\n")
    known = facts(Source("c", path, kind="class"))
    assert known.classes == {1: "forest", 2: "water"} and "classes named by cover_legend.csv" in known.notes
    assert facts(Source("c", path, kind="class", classes={1: "x"})).classes == {1: "x"}
    mine = written(tmp_path, "1,a\n2,b\n")
    assert facts(Source("c", path, kind="class", classes=mine)).classes == {1: "a", 2: "b"}
    assert facts(Source("c", path)).classes == {}
    with pytest.raises(RasterError, match=r"c: no\.csv: no such file; expected a table with codes"):
        facts(Source("c", path, kind="class", classes="no.csv"))


def test_raster_attribute_tables(raster, tmp_path) -> None:
    path = raster("cover.tif", CODES)
    (tmp_path / "cover.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><GDALRasterAttributeTable tableType='thematic'>"
        "<FieldDefn index='0'><Name>Pixels</Name><Type>0</Type><Usage>1</Usage></FieldDefn>"
        "<FieldDefn index='1'><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>"
        "<FieldDefn index='2'><Name>Class_Name</Name><Type>2</Type><Usage>2</Usage></FieldDefn>"
        "<Row index='0'><F>70</F><F>1</F><F>Forest</F></Row><Row index='1'><F>30</F><F>2</F><F>Water</F></Row>"
        "</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"
    )
    assert facts(Source("c", path, kind="class")).classes == {1: "Forest", 2: "Water"}


def test_the_legend_of_climate_zones(shared) -> None:
    folder = shared / "data" / "global_coarse"
    known = facts(Source("kg", folder / "koppen_geiger_100arcsec.tif", kind="class", classes=folder / "koppen_geiger_legend.csv"))
    assert known.classes[1] == "Af" and len(known.classes) >= 30
