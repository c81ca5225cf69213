"""Tables that cannot be used as they are: each says where, what was found and what is expected, in one line."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from shapely.geometry import Point, Polygon

from edaphic.errors import EdaphicError
from edaphic.profiles.reading.columns import Column
from edaphic.profiles.reading.read import check_source, read_source
from edaphic.profiles.reading.tables import read_table

HEAD = "profile_id,lon,lat,top_cm,bottom_cm,soc_g_kg\n"
GOOD = HEAD + "".join(f"p{i},{21 + i / 10},41.5,{10 * j},{10 * j + 10},{20 - j}\n" for i in range(10) for j in range(3))

LAYOUT: list[tuple[str, str, str | bytes, str]] = [
    ("pipe", "a.csv", GOOD.replace(",", "|"), r"line 1.*found '\|' between cells; expected commas"),
    ("blanks", "a.txt", GOOD.replace(",", " "), "line 1.*found blanks between cells; expected commas"),
    ("colon", "a.txt", GOOD.replace(",", ":"), "line 1.*found ':' between cells; expected commas"),
    ("decimal comma between commas", "a.csv", "id,soc,clay\n1,2,3\n2,1,5,3\n", r"row 2 \(line 3\): found 4 cells, more.*a decimal comma"),
    ("header only", "a.csv", HEAD, "found no rows; expected a header and at least one row"),
    ("empty file", "a.csv", "", "found an empty file; expected a header"),
    ("empty gzip", "a.csv.gz", gzip.compress(b""), "found an empty file; expected a header"),
    ("only whitespace", "a.csv", " \n\t\n  \n", "found an empty file; expected a header"),
    ("only a mark", "a.csv", b"\xef\xbb\xbf", "found an empty file; expected a header"),
    ("only comments", "a.csv", "# made 2020\n# by us\n", "found no rows; expected a header"),
    ("no header", "a.csv", "1,21.5,0\n2,21.6,10\n", r"line 1.*found numbers \(1, 21.5, 0\); expected a name for every column"),
    ("only delimiters", "a.csv", ",,,\n,,,\n", "line 1.*found no name; expected a name for every column"),
    ("units in a second line", "a.csv", "id,top,soc\n,cm,g/kg\na,0,12.5\n", r"row 1 \(line 2\): .*'cm' in column 'top'.*expected numbers"),
    ("units, decimal commas", "a.csv", "id;top;soc\nx;cm;%\na;0;1,5\n", r"row 1 \(line 2\): .*'%' in column 'soc'"),
    ("gzip cut", "a.csv.gz", gzip.compress(GOOD.encode())[:-20], "line [0-9]+: cannot be read, the gzip file ends within it"),
    ("gzip of nothing", "a.csv.gz", b"\x1f\x8b", "cannot be read"),
    ("no gzip", "a.csv.gz", GOOD, "cannot be read.*expected a CSV file"),
    ("cut within quotes", "a.csv", 'id,note\n1,"a"\n2,"deep and', r"row 2 \(line 3\): column 'note': found a quote that is not closed"),
    ("cut within a row", "a.csv", GOOD[:-8], r"row 30 \(line 31\): found [45] cells, fewer than the 6 names.*is the file cut"),
    ("names twice", "a.csv", "id,soc,top,soc\n1,2,3,4\n", "line 1.*found name 'soc' for columns 2, 4; expected a name of its own"),
    ("names twice after stripping", "a.csv", "id,soc, soc \n1,2,3\n", "found name 'soc' for columns 2, 3"),
    ("more cells", "a.csv", GOOD + "p9,21,41,0,10,5,7\n", r"row 31 \(line 32\): found 7 cells, more than the 6 names"),
    ("fewer cells", "a.csv", HEAD + "p1,21,41\n" + GOOD[len(HEAD) :], r"row 1 \(line 2\): found 3 cells, fewer than the 6 names"),
    ("index without a name in every row", "a.csv", "top,soc\n1,0,5\n2,10,4\n", "found 2 names, but every row has 3.*index without a name"),
    ("labels without a name", "a.csv", ",top,soc\na,0,5\nb,10,4\n", "line 1.*column 1: found values .*'a'.*no name; expected a name"),
    ("values without a name", "a.csv", "id,,soc\na,0,5\nb,10,4\n", "line 1.*column 2: found values .*no name; expected a name"),
    ("Excel named csv", "a.csv", b"PK\x03\x04" + bytes(range(256)), "found a zip archive or an Excel workbook; expected a table as text"),
    ("old Excel named csv", "a.csv", b"\xd0\xcf\x11\xe0" + bytes(range(256)), "found an old Excel workbook"),
    ("gzip named csv", "a.csv", gzip.compress(GOOD.encode()), "found a gzip file.*should end in .gz"),
    ("pdf named csv", "a.csv", b"%PDF-1.7\n1 0 obj", "found a PDF document"),
    ("binary named csv", "a.csv", bytes(range(256)) * 8, "found a NUL byte; expected text"),
    ("page of an error", "a.csv", "\n<!DOCTYPE html>\n<html><body>404, not found</body></html>", "found a web page"),
    ("JSON named csv", "a.csv", '[{"id": 1, "soc": 2}, {"id": 2}]', "found JSON; expected a table as text"),
    ("NUL byte", "a.csv", "id,soc\n1,2\n2,3\0\n", r"row 2 \(line 3\): column 'soc': found a NUL byte"),
    ("UTF-16 without a mark", "a.csv", GOOD.encode("utf-16-le"), "column .*: found a NUL byte; expected text"),
    ("UTF-16 cut", "a.csv", GOOD.encode("utf-16")[:-1], "line 31: found bytes that are not UTF-16; expected a whole file"),
    ("one wrong byte", "a.csv", "id,site\n1,Čačak\n2,".encode() + b"C\xf3rd\n", r"row 2 \(line 3\): column 'site': found byte 0xf3"),
    ("neither UTF-8 nor Windows-1252", "a.csv", b"id,site\n1,a\x81b\n", r"row 1 \(line 2\): column 'site': found byte 0x81.*neither"),
    ("wrong ending", "a.xlsx", GOOD, "found another kind of file; expected a name that ends in .csv"),
    ("no ending", "horizons", GOOD, "found another kind of file; expected a name that ends in .csv"),
    ("no Parquet", "a.parquet", GOOD, "cannot be read.*expected a Parquet file"),
    ("no GeoPackage", "a.gpkg", GOOD, "cannot be read.*expected a GeoPackage"),
]  # fmt: skip


def assert_clear(faults: list[str] | tuple[str, ...], name: str, words: str) -> None:
    """Every fault is one line with the file's name, what was found and what is expected."""
    assert faults
    for fault in faults:
        assert "\n" not in fault
        assert name in fault
        assert "expected" in fault
        assert re.search(r"Traceback|Error\b|Exception|<class|0x7f", fault) is None, fault
    assert any(re.search(words, fault) for fault in faults), faults


def refused(path: Path | str, name: str, words: str, **more: Any) -> None:
    with pytest.raises(EdaphicError) as caught:
        read_table(path, **more)
    assert_clear(caught.value.faults, name, words)


@pytest.mark.parametrize(("name", "content", "words"), [case[1:] for case in LAYOUT], ids=[case[0] for case in LAYOUT])
def test_layout(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(path, name, words)


def test_all_faults_of_a_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,soc,soc\n1,2\n1,2,3,4\n# note\n\n5,6,7\n8,\0,9\n")
    with pytest.raises(EdaphicError) as caught:
        read_table(path)
    found = [fault.split(": ", 1)[1] for fault in caught.value.faults]
    assert [fault.split(": found")[0] for fault in found] == [
        "row 4 (line 7): column 'soc'", "row of names (line 1)", "row 2 (line 3)", "row 1 (line 2)"
    ]  # fmt: skip


def test_many_rows_of_wrong_length_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GOOD + "1,2\n" * 25)
    with pytest.raises(EdaphicError) as caught:
        read_table(path)
    assert len(caught.value.faults) == 11
    assert "found 15 further rows with fewer cells" in caught.value.faults[-1]


def test_folders_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    refused(tmp_path / "a.csv", "a.csv", "found a folder; expected a file")
    refused(tmp_path / "b.csv", "b.csv", "no such file; expected a table")
    (tmp_path / "c.csv").write_text(GOOD)
    refused(tmp_path / "c.csv", "c.csv", "found layer 'x' for a file without layers", layer="x")


def points(n: int = 3) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"id": list("abcdef")[:n]}, geometry=[Point(21 + i, 41) for i in range(n)], crs="EPSG:4326")


def nested() -> pd.DataFrame:
    return pd.DataFrame({"id": ["a"], "layers": [[1.0, 2.0]], "place": [{"x": 1.0, "y": 2.0}]})


def write_parquet_cut(path: Path) -> None:
    pd.DataFrame({"a": np.arange(1000.0)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:2000])


def write_gpkg_cut(path: Path) -> None:
    points().to_file(path)
    path.write_bytes(path.read_bytes()[:5000])


def write_two_layers(path: Path) -> None:
    pyogrio.write_dataframe(points(), path, layer="one")
    pyogrio.write_dataframe(points(), path, layer="two", append=True)


def write_polygons(path: Path) -> None:
    frame = points()
    frame.loc[[1], "geometry"] = [Polygon([(0, 0), (1, 0), (1, 1)])]
    frame.to_file(path)


def write_parquet_names(path: Path) -> None:
    pd.DataFrame([[1, 2]], columns=["soc", "soc "]).to_parquet(path)


WRITTEN: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("Parquet cut", "a.parquet", write_parquet_cut, "cannot be read.*expected a Parquet file that is whole"),
    ("Parquet nested", "a.parquet", lambda path: nested().to_parquet(path), "column 'layers': found list<.*expected one number or text"),
    ("Parquet of bytes", "a.parquet", lambda path: pd.DataFrame({"soc": [b"1"]}).to_parquet(path), "column 'soc': found binary; expected"),
    ("Parquet spans", "a.parquet", lambda path: pd.DataFrame({"top": pd.to_timedelta([1], unit="s")}).to_parquet(path), "found duration"),
    ("Parquet names twice", "a.parquet", write_parquet_names, "column 'soc': found the name 2 times"),
    ("Parquet without rows", "a.parquet", lambda path: nested()[["id"]].head(0).to_parquet(path), "found no rows"),
    ("GeoPackage cut", "a.gpkg", write_gpkg_cut, "cannot be read.*expected"),
    ("GeoPackage without rows", "a.gpkg", lambda path: points().head(0).to_file(path), "found no rows"),
    ("GeoPackage of polygons", "a.gpkg", write_polygons, "row 2: .*found geometry Polygon; expected points"),
    ("two layers", "a.gpkg", write_two_layers, "found layers one, two; expected a file with one layer or a choice such as a.gpkg:one"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "words"), [case[1:] for case in WRITTEN], ids=[case[0] for case in WRITTEN])
def test_written_files(tmp_path: Path, name: str, write: Callable[[Path], object], words: str) -> None:
    write(tmp_path / name)
    refused(tmp_path / name, name, words)


def test_layer_that_is_not_there(tmp_path: Path) -> None:
    write_two_layers(tmp_path / "a.gpkg")
    refused(f"{tmp_path}/a.gpkg:three", "a.gpkg", "found layers one, two, no layer 'three'; expected one of those there")


def test_workbook_named_csv(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    (tmp_path / "a.csv").write_bytes(held.getvalue())
    refused(tmp_path / "a.csv", "a.csv", "Excel workbook")


BASE = {
    "profile_id": Column("id"), "lon": Column("lon"), "lat": Column("lat"), "top": Column("top", unit="cm"),
    "bottom": Column("bottom", unit="cm"), "soc": Column("soc", unit="g/kg"),
}  # fmt: skip
BD = Column("bd", unit="g/cm3", basis="fine_earth")


def plain(**columns: Any) -> pd.DataFrame:
    """Ten profiles of two horizons, with some columns put in another way."""
    n = 20
    table = {
        "id": [f"p{i // 2}" for i in range(n)], "lon": [21 + i // 2 / 100 for i in range(n)], "lat": [41.5] * n, "top": [0, 10] * 10,
        "bottom": [10, 30] * 10, "soc": [20.5, 11.0] * 10, "bd": [1.3] * n,
    }  # fmt: skip
    return pd.DataFrame(table | columns)


def without(*names: str) -> pd.DataFrame:
    return plain().drop(columns=list(names))


SOURCES: list[tuple[str, pd.DataFrame, dict[str, Column | None], str | None, str]] = [
    ("missing column", without("soc"), {}, None, "columns.soc: no column 'soc'; expected one of those there"),
    ("missing role", without("soc"), {"soc": None}, None, "no column for soc.*expected columns.soc"),
    ("lat missing", without("lat"), {"lat": None}, None, "no column for lat.*expected columns.lat"),
    ("unit not stated", plain(), {"soc": Column("soc")}, None, "columns.soc: found no unit; expected one of the units g/kg"),
    ("depth unit not stated", plain(), {"top": Column("top")}, None, "columns.top: found no unit; expected one of the units cm"),
    ("unknown unit", plain(), {"soc": Column("soc", unit="ppmm")}, None, "columns.soc: found unit 'ppmm'; expected one of"),
    ("unit of another quantity", plain(), {"top": Column("top", unit="g/kg")}, None, "columns.top: found unit 'g/kg'; expected one of"),
    ("unknown role", plain(), {"carbonn": Column("soc", unit="%")}, None, "columns.carbonn: unknown role; expected one of"),
    ("basis not stated", plain(), {"bulk_density": Column("bd", unit="g/cm3")}, None, "bulk_density: found no basis; expected basis"),
    ("basis unknown", plain(), {"bulk_density": Column("bd", unit="g/cm3", basis="dry")}, None, "found basis 'dry'; expected one of"),
    ("soc and organic matter", plain(), {"organic_matter": Column("soc", unit="%")}, None, "found both soc and organic_matter; expected"),
    ("constant of wrong type", plain(), {"top": Column(value="surface", unit="cm")}, None, "found value 'surface'; expected a number"),
    ("constant not finite", plain(), {"top": Column(value=np.inf, unit="cm")}, None, "found value inf; expected a number"),
    ("column and constant", plain(), {"top": Column("top", unit="cm", value=0.0)}, None, "both of column and value; expected one"),
    ("text in numbers", plain(soc=["high", "low"] * 10), {}, None, "row 1: column 'soc': found 'high' .*20 of 20.*expected numbers"),
    ("some text in numbers", plain(soc=[1.0] * 17 + ["n.a. yet"] * 3), {}, None, "row 18: column 'soc': found 'n.a. yet' .*3 of 20"),
    ("no depths", plain(top=[np.nan] * 20), {}, None, "top.*expected numbers"),
    ("dates as depths", plain(top=["2020-01-10"] * 20), {}, None, "row 1: column 'top': found '2020-01-10'.*expected numbers"),
    ("spreadsheet dates as depths", plain(top=["10. Jan", "20. Feb"] * 10), {}, None, "row 1: column 'top'.*expected numbers"),
    ("yes and no as numbers", plain(soc=["TRUE", "FALSE"] * 10), {}, None, "row 1: column 'soc': found 'T.*expected numbers"),
    ("thousands", plain(soc=["1 200,5", "1.300,5"] * 10), {}, None, "row 1: column 'soc': found '1 200,5'.*expected numbers"),
    ("metres with degrees", plain(lon=[500000.0] * 20, lat=[4600000.0] * 20), {}, None, "found 20 of 20 rows off the earth.*expected"),
    ("degrees with metres", plain(), {"x": Column("lon"), "y": Column("lat"), "lon": None, "lat": None}, "EPSG:32634", "like degrees"),
    ("unknown crs", plain(), {}, "EPSG:999999", "found crs 'EPSG:999999'; expected a code"),
    ("crs of letters", plain(), {}, "lambert", "found crs 'lambert'; expected a code"),
    ("no crs", plain(), {"x": Column("lon"), "y": Column("lat"), "lon": None, "lat": None}, None, "found no crs for x and y; expected"),
    ("coordinates swapped and beyond", plain(lon=[460.0] * 20, lat=[-21.0] * 20), {}, None, "off the earth.*expected"),
    ("crs of elsewhere", plain(), {}, "EPSG:4283", "found the middle of the coordinates at 21.0., 41.50.*expected the crs"),
    ("no coordinates", plain(lat=[np.nan] * 20), {}, None, "expected numbers"),
    ("no profile_id, one place", plain(lon=[21.0] * 20), {"profile_id": None}, None, "found rows of one place and no profile_id; expected"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "changed", "crs", "words"), [case[1:] for case in SOURCES], ids=[case[0] for case in SOURCES])
def test_sources(tmp_path: Path, table: pd.DataFrame, changed: dict[str, Column | None], crs: str | None, words: str) -> None:
    table.to_csv(tmp_path / "soil.csv", index=False)
    columns = {role: column for role, column in (BASE | changed).items() if column is not None}
    faults, counts = check_source(tmp_path / "soil.csv", columns, crs=crs)
    assert_clear(faults, "soil.csv", words)
    assert counts == (0, 0)
    with pytest.raises(EdaphicError) as caught:
        read_source(tmp_path / "soil.csv", columns, crs=crs)
    assert list(caught.value.faults) == faults


def test_good_source_has_no_fault(tmp_path: Path) -> None:
    plain().to_csv(tmp_path / "soil.csv", index=False)
    assert check_source(tmp_path / "soil.csv", {**BASE, "bulk_density": BD}) == ([], (10, 20))


def test_site_tables(tmp_path: Path) -> None:
    plain().drop(columns=["lon", "lat"]).to_csv(tmp_path / "soil.csv", index=False)
    place = pd.DataFrame({"lon": [21.0, 21.1], "lat": [41.0, 41.1]})
    place.assign(id=["q1", "q2"]).to_csv(tmp_path / "other.csv", index=False)
    place.to_csv(tmp_path / "none.csv", index=False)
    (tmp_path / "cut.csv").write_text('id,lon,lat\np1,21,"41')
    for name, words in (
        ("other.csv", r"no profile_id .*'p0'.* is in other.csv .*'q1'.*; expected the same labels"),
        ("none.csv", "none.csv: .*no column 'id' for profile_id; expected"),
        ("cut.csv", r"cut.csv: row 1 \(line 2\): column 'lat': found a quote"),
    ):
        faults, _ = check_source(tmp_path / "soil.csv", BASE, sites=tmp_path / name)
        assert_clear(faults, ".csv", words)


@pytest.mark.parametrize(
    ("role", "values", "words"),
    [
        ("soc", [True, False] * 10, "row 1: column 'soc': found 'True' .*expected numbers"),
        ("top", pd.to_datetime(["2020-01-10"] * 20), "row 1: column 'top': found '2020-01-10.*expected numbers"),
    ],
    ids=["yes and no", "dates"],
)
def test_types_of_parquet_that_are_no_numbers(tmp_path: Path, role: str, values: Any, words: str) -> None:
    plain(**{role: values}).to_parquet(tmp_path / "soil.parquet")
    assert_clear(check_source(tmp_path / "soil.parquet", BASE)[0], "soil.parquet", words)


HOSTILE = {
    "infinite": {"soc": [np.inf, 11.0] * 10},
    "infinite depths": {"bottom": [np.inf, 30] * 10},
    "infinite places": {"lon": [np.inf] * 20},
    "places swapped": {"lon": [46.0] * 20, "lat": [-100.0] * 20},
    "huge": {"soc": [1e308, 11.0] * 10},
    "huge depths": {"top": [1e308, 10] * 10},
    "beyond a float": {"soc": ["1e400", "11"] * 10},
    "negative depths": {"top": [-10, -20] * 10, "bottom": [-5, -10] * 10},
    "metres as cm": {"top": [0, 0.1] * 10, "bottom": [0.1, 0.3] * 10},
    "labels of 20 digits": {"id": [f"{12345678901234567890 + i // 2}" for i in range(20)]},
}


@pytest.mark.parametrize("changed", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_values_are_a_fault_or_a_table(tmp_path: Path, changed: dict[str, Any]) -> None:
    plain(**changed).to_csv(tmp_path / "soil.csv", index=False)
    faults, counts = check_source(tmp_path / "soil.csv", BASE)
    assert counts == ((0, 0) if faults else (10, 20))
    if faults:
        assert_clear(faults, "soil.csv", "expected")


@pytest.mark.parametrize("seed", range(60))
def test_damage_raises_nothing_else(tmp_path: Path, seed: int) -> None:
    """Bytes that are cut, put in or changed by chance: a table or a clear fault."""
    random = np.random.default_rng(seed)
    data = bytearray((GOOD + '# x\np,"21",41,0,"1""0",\n').encode())
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(0, len(data)))
        put = random.choice(list(b'",;\t\r\n\0\xff\xc3#1'), int(random.integers(0, 3)))
        data[at : at + int(random.integers(0, 3))] = bytes(put.tolist())
    if seed % 3 == 0:
        data = data[: int(random.integers(0, len(data)))]
    (tmp_path / "a.csv").write_bytes(data)
    try:
        read_table(tmp_path / "a.csv")
    except EdaphicError as error:
        assert_clear(error.faults, "a.csv", "expected")
