"""Files of every kind that is read, and of some that are not."""

from __future__ import annotations

import gzip
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from shapely.geometry import LineString, Point

from edaphic.errors import TableError
from edaphic.profiles import read_table


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "soc", "note, with; both"], ["p1", "1.5", "deep"], ["p2", "NA", ""]]
    table = read_table(write(tmp_path / "a.csv", "\n".join(delimiter.join(f'"{c}"' for c in row) for row in rows)))
    assert table.columns.tolist() == ["id", "soc", "note, with; both"]
    assert table.soc.tolist()[0] == 1.5
    assert np.isnan(table.soc.tolist()[1])
    assert table["note, with; both"].isna().tolist() == [False, True]


def test_numbers_and_labels(tmp_path: Path) -> None:
    text = "a,b,c,d,e,f\n1,007,1e3,<0.1,,-0.5\n2,012,2,3,NA,0\n"
    table = read_table(write(tmp_path / "a.csv", text))
    assert table.a.tolist() == [1, 2]
    assert table.b.tolist() == ["007", "012"]
    assert table.c.tolist() == [1000.0, 2.0]
    assert table.d.tolist() == ["<0.1", "3"]
    assert table.e.isna().all()
    assert table.f.tolist() == [-0.5, 0.0]


def test_decimal_comma_only_between_semicolons(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.csv", "x;y\n1,5;2\n,25;3\n")).x.tolist() == [1.5, 0.25]
    assert read_table(write(tmp_path / "b.csv", 'x,y\n"1,5",2\n')).x.tolist() == ["1,5"]


def test_byte_order_mark_blank_cells_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfid , soc\r\n p1 , 2\r\n p2 , NA \r\n")
    table = read_table(path)
    assert table.id.tolist() == ["p1", "p2"]
    assert table.soc.dropna().tolist() == [2.0]


def test_gzip_parquet_and_geopackage_agree(tmp_path: Path) -> None:
    plain = pd.DataFrame({"id": ["a", "b"], "soc": [1.5, np.nan]})
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(plain.to_csv(index=False).encode()))
    plain.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.csv.gz"), plain)
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet"), plain)

    points = gpd.GeoDataFrame(plain, geometry=[Point(500000, 4600000), Point(500100, 4600100)], crs="EPSG:32634")
    points.to_file(tmp_path / "a.gpkg", engine="pyogrio")
    points.to_parquet(tmp_path / "b.parquet")
    for name in ("a.gpkg", "b.parquet"):
        table = read_table(tmp_path / name)
        assert table.x.tolist() == [500000.0, 500100.0]
        assert table.y.tolist() == [4600000.0, 4600100.0]
        assert table.attrs["crs"] == "EPSG:32634"
        assert table.id.tolist() == ["a", "b"]


def test_refused_files(tmp_path: Path) -> None:
    lines = gpd.GeoDataFrame({"id": ["a"]}, geometry=[LineString([(0, 0), (1, 1)])], crs="EPSG:4326")
    lines.to_file(tmp_path / "lines.gpkg", engine="pyogrio")
    pyogrio.write_dataframe(lines, tmp_path / "two.gpkg", layer="one")
    pyogrio.write_dataframe(lines, tmp_path / "two.gpkg", layer="two", append=True)
    (tmp_path / "latin.csv").write_bytes("site,soc\nCórdoba,1\n".encode("latin-1"))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"id,soc\n" * 1000)[:30])
    (tmp_path / "not.csv.gz").write_bytes(b"id,soc\n1,2\n")
    (tmp_path / "not.parquet").write_bytes(b"id,soc\n1,2\n")
    (tmp_path / "not.gpkg").write_bytes(b"id,soc\n1,2\n")
    write(tmp_path / "empty.csv", "")
    write(tmp_path / "header.csv", "id,soc\n")
    write(tmp_path / "ragged.csv", "id,soc\n1,2\n1,2,3,4\n")
    write(tmp_path / "wide.csv", "id,soc\n1,2,3\n4,5,6\n")
    write(tmp_path / "a.xlsx", "")
    expected = {
        "none.csv": "no such file",
        "latin.csv": "byte 10 is not UTF-8",
        "cut.csv.gz": "cannot be read",
        "not.csv.gz": "cannot be read",
        "not.parquet": "expected a Parquet file",
        "not.gpkg": "expected a GeoPackage",
        "lines.gpkg": "found geometry LineString; expected points",
        "two.gpkg": "found layers one, two; expected a file with one layer",
        "empty.csv": "expected a header",
        "header.csv": "found no rows",
        "ragged.csv": "rows of equal length",
        "wide.csv": "more cells than the header",
        "a.xlsx": "another kind of file",
    }
    for name, message in expected.items():
        with pytest.raises(TableError, match=message) as caught:
            read_table(tmp_path / name)
        assert name in str(caught.value)
        assert len(caught.value.faults) == 1


def test_every_shared_table_can_be_read(shared: Path) -> None:
    files = [path for kind in ("*.csv", "*.csv.gz") for path in (shared / "data").rglob(kind)]
    assert len(files) > 20
    unreadable = []
    for path in sorted(files):
        try:
            assert not read_table(path).empty
        except TableError as error:
            unreadable.append(str(error))
    assert unreadable == []
