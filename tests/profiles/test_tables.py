"""Files of every kind that is read, and of some that are not."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPoint, Point

from edaphic.errors import TableError
from edaphic.profiles.reading import tables_database
from edaphic.profiles.reading.tables import read_table
from edaphic.profiles.reading.tables_database import public_address, read_database
from edaphic.profiles.reading.tables_points import from_ewkb, looks_like_ewkb, with_points
from edaphic.profiles.reading.tables_scan import scan


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


def read(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> pd.DataFrame:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(tmp_path / name)


def test_numbers_are_those_that_python_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=500) * 10.0 ** rng.integers(-300, 300, 500)
    table = read(tmp_path, "a,b\n" + "".join(f"{v!r},x\n" for v in values.tolist()))
    assert table.a.tolist() == values.tolist()


def test_what_is_no_number_stays_text(tmp_path: Path) -> None:
    text = "hex;thousands;signs;dates;long;plus;inf\n0x10;1.234,5;1,5;2020-01-01;12345678901234567890;+5;Inf\n"
    text += "0x11;2;2.5;2;12345678901234567891;-5;1\n"
    table = read(tmp_path, text)
    assert [pd.api.types.is_numeric_dtype(table[name]) for name in table] == [False] * 5 + [True] * 2
    assert table.thousands.tolist() == ["1.234,5", "2"]
    assert table.signs.tolist() == ["1,5", "2.5"]
    assert table.long.tolist() == ["12345678901234567890", "12345678901234567891"]
    assert table.plus.tolist() == [5, -5]


def test_decimal_comma_that_may_be_thousands_is_noted(tmp_path: Path) -> None:
    table = read(tmp_path, "id;bd;soc\na;1,234;1,5\nb;1,100;2\n")
    assert table.bd.tolist() == [1.234, 1.1]
    note = "every comma stands before three digits and was read as the decimal sign: 1,234 as 1.234"
    assert table.attrs["notes"] == [f"a.csv: column 'bd': {note}"]


@pytest.mark.parametrize(("mark", "end"), [(";", "\n"), (",", "\r\n"), ("\t", "\n")])
def test_a_first_line_that_names_the_delimiter(tmp_path: Path, mark: str, end: str) -> None:
    lines = [f"sep={mark}", mark.join(["id", "soc"]), mark.join(["a", "2"]), mark.join(["b", "3", "4"])]
    table = read(tmp_path, end.join(lines[:3]) + end)
    assert table.to_numpy().tolist() == [["a", 2]] and list(table) == ["id", "soc"]
    assert table.attrs["notes"] == [f"a.csv: line 1 names the delimiter {mark!r}"]
    with pytest.raises(TableError, match=r"row 2 .line 4.: found 3 cells"):
        read(tmp_path, end.join(lines) + end)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le-mark", "utf-16-be-mark"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "id,site\n1,Čačak 北\n2,Córdoba\n"
    marks = {"utf-16-le-mark": b"\xff\xfe", "utf-16-be-mark": b"\xfe\xff"}
    raw = marks[encoding] + text.encode(encoding.removesuffix("-mark")) if encoding in marks else text.encode(encoding)
    table = read(tmp_path, raw)
    assert table.site.tolist() == ["Čačak 北", "Córdoba"]
    assert table.columns.tolist() == ["id", "site"]
    assert table.attrs["notes"] == []


def test_windows_1252_is_read_and_noted(tmp_path: Path) -> None:
    table = read(tmp_path, "año,site\n1,ok\n2,Córdoba – €\n".encode("cp1252"))
    assert table.columns.tolist() == ["año", "site"]
    assert table.site.tolist() == ["ok", "Córdoba – €"]
    assert table.attrs["notes"] == [
        "a.csv: row of names (line 1): column 'año': byte 0xf1 is not UTF-8; the file was read as Windows-1252"
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_quoted_line_ends(tmp_path: Path, end: str) -> None:
    table = read(tmp_path, f'id,note{end}1,"deep{end}and ""wet"", it is"{end}2,dry')
    assert table.id.tolist() == [1, 2]
    assert table.note.tolist() == [f'deep{end}and "wet", it is', "dry"]


def test_comments_and_blank_lines(tmp_path: Path) -> None:
    table = read(tmp_path, "# soil, of us, 2020, all\n\nid,soc\n1,2\n   \n# doubtful from here\n2,3\n#3,4\n\n")
    assert table.id.tolist() == ["1", "2", "#3"]
    assert table.attrs["notes"] == [
        "a.csv: 2 lines that begin with # were left out, the first is line 1",
        "a.csv: 1 rows that begin with # were read as data, the first is row 3 (line 8)",
    ]


def test_names_behind_a_comment_sign(tmp_path: Path) -> None:
    table = read(tmp_path, "# by us\n# id, soc\n1,2\n")
    assert table.columns.tolist() == ["id", "soc"]
    assert table.attrs["notes"][0] == "a.csv: line 2 begins with # and was read as the names of the columns"


def test_delimiters_at_the_end(tmp_path: Path) -> None:
    for content in ("id,soc,\n1,2,\n3,4,\n", "id,soc\n1,2,\n3,4\n", "id,soc,,\n1,2\n3,4,,\n", "id,soc\n1,2,,\n3,4,\n,\n,,\n"):
        table = read(tmp_path, content)
        assert table.columns.tolist() == ["id", "soc"], content
        assert table.values.tolist() == [[1, 2], [3, 4]], content
    assert table.attrs["notes"] == [
        "a.csv: 2 rows of empty cells at the end were left out", "a.csv: empty cells beyond the 2 names at the end of rows were left out"
    ]  # fmt: skip


def test_row_numbers_of_r_are_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, '"","id","soc"\n"1","a",2\n"5","b",3\n')
    assert table.columns.tolist() == ["id", "soc"]
    assert table.attrs["notes"] == ["a.csv: column 1 has no name and holds numbers of rows; it was left out"]


def test_commas_in_names_between_semicolons(tmp_path: Path) -> None:
    table = read(tmp_path, "id;depth, top;depth, bottom\na;0,5;10,5\nb;1,5;2,5\n")
    assert table.columns.tolist() == ["id", "depth, top", "depth, bottom"]
    assert table["depth, top"].tolist() == [0.5, 1.5]


def test_first_row_of_words_among_words_is_data(tmp_path: Path) -> None:
    assert len(read(tmp_path, "id,site,soc\na,cm,<0.1\nb,m,2\n")) == 2


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), max_size=8).map(lambda s: f"x{s}y")


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6), delimiter=st.sampled_from(",;\t"))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str) -> None:
    path = tmp_path_factory.mktemp("text") / "a.csv"
    pd.DataFrame(rows, columns=["a", "b", "c"]).to_csv(path, index=False, sep=delimiter, quoting=1, lineterminator="\n")
    assert read_table(path).values.tolist() == rows


def test_scan_counts_lines_within_quotes() -> None:
    rows = scan(np.frombuffer(b'a,b\r\n"1\r\n2",3\r\n4,"5', dtype=np.uint8), ",")
    assert rows.line.tolist() == [1, 2, 4]
    assert rows.cells.tolist() == [2, 2, 2]
    assert (rows.open_cell, rows.breaks) == (2, True)


def test_parquet_of_all_kinds(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["p", "q"], "soc": [1.5, None], "kind": pd.Categorical(["a", "b"]), "none": [None, None]})
    frame.set_index("id").to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert sorted(table.columns) == ["id", "kind", "none", "soc"]
    assert table.id.tolist() == ["p", "q"]
    assert table.kind.tolist() == ["a", "b"]
    assert table.none.dtype == "float64"


def test_layers_of_a_geopackage(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    points = gpd.GeoDataFrame({"id": ["a"]}, geometry=[Point(21, 41)], crs="EPSG:4326")
    pyogrio.write_dataframe(points, path, layer="sites")
    pyogrio.write_dataframe(pd.DataFrame({"id": ["a", "a"], "top": [0, 10]}), path, layer="horizons", append=True)
    assert read_table(f"{path}:horizons").top.tolist() == [0, 10]
    assert read_table(path, layer="sites").x.tolist() == [21.0]
    assert read_table(path, layer="sites").attrs["crs"] == "EPSG:4326"
    with pytest.raises(TableError, match="found layer 'sites' besides"):
        read_table(f"{path}:horizons", layer="sites")


def test_points_of_multipoints_and_missing_ones() -> None:
    table = with_points(pd.DataFrame({"x": [9, 9, 9]}), [MultiPoint([(1, 2)]), None, Point(3, 4)], None, "a.gpkg")
    assert table.x.tolist()[::2] == [1.0, 3.0]
    assert np.isnan(table.y[1])
    assert table.attrs["notes"] == [
        "a.gpkg: 1 multipoints of one part were read as points", "a.gpkg: columns x were replaced by the coordinates of the geometry"
    ]  # fmt: skip


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("srid", [0, 4326, 32634])
def test_ewkb(order: int, srid: int) -> None:
    shapes = shapely.set_srid(shapely.points([[21.5, 41.25], [-3.0, 2.0]]), srid)
    column = pd.Series([*shapely.to_wkb(shapes, hex=True, include_srid=True, byte_order=order), None], name="geom")
    assert looks_like_ewkb(column)
    back, crs = from_ewkb(column, "db")
    assert shapely.get_coordinates(back).tolist() == [[21.5, 41.25], [-3.0, 2.0]]
    assert crs == (f"EPSG:{srid}" if srid else None)
    raw = pd.Series(shapely.to_wkb(shapes, include_srid=True, byte_order=order))
    assert looks_like_ewkb(raw)
    assert from_ewkb(raw, "db")[1] == crs


def test_ewkb_of_several_systems_and_broken_ewkb() -> None:
    mixed = [shapely.to_wkb(shapely.set_srid(Point(1, 2), srid), hex=True, include_srid=True) for srid in (4326, 3857)]
    with pytest.raises(TableError, match="column 'geom': found SRIDs 3857, 4326; expected one"):
        from_ewkb(pd.Series(mixed, name="geom"), "db")
    with pytest.raises(TableError, match="row 2: column 'geom': found '0101000020'; expected geometry as EWKB"):
        from_ewkb(pd.Series([mixed[0], "0101000020"], name="geom"), "db")
    assert not looks_like_ewkb(pd.Series(["007", "0101"]))
    assert not looks_like_ewkb(pd.Series([1.0]))


def soil_database(folder: Path) -> str:
    """A SQLite file with horizons, and sites whose geometry is EWKB as PostGIS sends it."""
    place = shapely.to_wkb(shapely.set_srid(Point(21, 41), 4326), hex=True, include_srid=True)
    with sqlite3.connect(folder / "soil.db") as database:
        database.execute("CREATE TABLE horizons (id INTEGER PRIMARY KEY, profile TEXT, top REAL, soc REAL, note TEXT)")
        database.executemany("INSERT INTO horizons VALUES (?,?,?,?,?)", [(2, "007", 10, None, None), (1, "007", 0, 12.5, None)])
        database.execute('CREATE TABLE "the sites" (label TEXT, geom TEXT)')
        database.executemany('INSERT INTO "the sites" VALUES (?,?)', [("b", None), ("a", place)])
        database.execute("CREATE TABLE hollow (a TEXT)")
    return f"sqlite:///{folder / 'soil.db'}"


def test_database(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra edaphic[postgis])")
    address = soil_database(tmp_path)
    table = read_table(f"{address}?table=horizons")
    assert table.columns.tolist() == ["id", "profile", "top", "soc", "note"]
    assert table.id.tolist() == [1, 2]
    assert table.profile.tolist() == ["007", "007"]
    assert table.soc.tolist()[0] == 12.5
    assert table.note.dtype == "float64"
    sites = read_table(f"{address}?table=the sites")
    assert sites.label.tolist() == ["a", "b"]
    assert sites.x.tolist()[0] == 21.0
    assert sites.attrs["crs"] == "EPSG:4326"
    assert "no primary key" in sites.attrs["notes"][0]
    read_table(str(Path(f"{address}?table=horizons")))


def test_database_faults(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra edaphic[postgis])")
    address = soil_database(tmp_path)
    for wrong, words in (
        ("?table=soils", "found no table 'soils'; expected one of those there: hollow, horizons, the sites"),
        ("", "found no name of a table; expected for example postgresql://"),
        ("?table=hollow", "found no rows; expected"),
    ):
        with pytest.raises(TableError, match=words) as caught:
            read_table(address + wrong)
        assert len(caught.value.faults) == 1
        assert "soil.db" in str(caught.value)
    (tmp_path / "text.db").write_text("id,soc\n1,2\n" * 100)
    with pytest.raises(TableError, match=r"text.db.*cannot be read.*not a database.*expected"):
        read_table(f"sqlite:///{tmp_path / 'text.db'}?table=a")
    with pytest.raises(TableError, match="no such file; expected a database"):
        read_table(f"sqlite:///{tmp_path / 'none.db'}?table=a")
    assert not (tmp_path / "none.db").exists()


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_database, "sqlalchemy", None)
    with pytest.raises(TableError, match=r"found no SQLAlchemy; expected the extra edaphic\[postgis\]"):
        read_table("postgresql://me@host/soil?table=horizons")


@pytest.mark.parametrize("address", ["postgresql://me:se@cr%2Fet@host/soil?table=a", "postgresql://me@host/soil?table=a&password=se@cr%2Fet"])
def test_passwords_are_refused_and_never_shown(address: str) -> None:
    assert "cr%2Fet" not in public_address(address)
    with pytest.raises(TableError, match="found a password in the address; expected it in PGPASSWORD") as caught:
        read_database(address)
    assert "cr%2Fet" not in str(caught.value)


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
