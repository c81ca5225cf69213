"""Published totals: read, converted, matched; and the numbers that papers print."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from edaphic.account.products.published import beside_published, read_published
from edaphic.errors import TableError

HEAD = "name,by,class,top_cm,bottom_cm,period,total,low,high,unit,source\n"


def table(tmp_path: Path, *rows: str, head: str = HEAD) -> Path:
    path = tmp_path / "published.csv"
    path.write_text(head + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def totals() -> pd.DataFrame:
    rows = [
        ("ours", "own", "all", "", "all", "", 5.0, 661_000.0), ("ours", "common", "all", "", "all", "", 5.0, 600_000.0),
        ("ours", "own", "land", "1", "Forest", "", 7.0, 148_000.0), ("other", "own", "all", "", "all", "", 0.5, 66_000.0),
    ]  # fmt: skip
    names = ["product", "rows", "by", "class", "class_name", "period", "mean_kg_m2", "total_Tg"]
    return pd.DataFrame(rows, columns=names).assign(top_cm=20.0, bottom_cm=100.0)


def test_units_of_totals_and_of_means(tmp_path: Path) -> None:
    """The ecosystems of a global subsoil product add up: 62 + 148 + 451 = 661 Pg; a mean of 150.4 t/ha is 15.04 kg/m2."""
    rows = [f"p,eco,{name},20,100,,{value},,,Pg,x" for name, value in (("crop", 62), ("forest", 148), ("grass", 451))]
    found = read_published(table(tmp_path, *rows, "sum,,,20,100,,661,,,Gt,x", "density,,,20,100,,150.4,,,t/ha,x"))
    assert found["total"][:3].sum() == found["total"][3] == 661_000.0
    assert found["quantity"].tolist() == ["total"] * 4 + ["mean"]
    assert found["total"][4] == pytest.approx(15.04) and found["unit"].tolist()[3:] == ["Tg", "kg/m2"]
    assert found["by"].tolist() == ["eco"] * 3 + ["all"] * 2


def test_beside(tmp_path: Path) -> None:
    studies = ("a,,,20,100,,661,600,700,Pg,x", "b,land,forest,20,100,,,150,160,Pg,x")
    means = ("c,,,0,20,,1,,,Pg,x", "d,,,20,100,1990-2000,50,40,60,t/ha,x")
    published = read_published(table(tmp_path, *studies, *means))
    found, notes = beside_published(totals(), published)
    rows = found.set_index(["name", "product"])
    assert rows.loc[("a", "ours"), "value_over_published"] == 1.0 and rows.loc[("a", "ours"), "within"] == "yes"
    assert rows.loc[("a", "other"), "within"] == "no" and "near 0.1" in rows.loc[("a", "other"), "explanation"]
    assert rows.loc[("b", "ours"), "value"] == 148_000.0 and rows.loc[("b", "ours"), "within"] == "no"
    assert rows.loc[("d", "ours"), "value_over_published"] == pytest.approx(1.0)
    assert notes == ["published: c: 0-20 cm: no product has that; left out"]
    common, _ = beside_published(totals(), published, rows="common")
    assert common.set_index(["name", "product"]).loc[("a", "ours"), "value"] == 600_000.0


def test_periods_are_matched(tmp_path: Path) -> None:
    """Ours of 1990-1995 lies within a published 1988-1998; a row without a period stands beside both."""
    published = read_published(table(tmp_path, "a,,,20,100,1988-1998,661,,,Pg,x", "b,,,20,100,,661,,,Pg,x"))
    dated = pd.concat([totals()[:1].assign(period=when) for when in ("1985-1990", "1990-1995")])
    found, _ = beside_published(dated, published)
    assert found[["name", "period"]].values.tolist() == [["a", "1990-1995"], ["b", "1985-1990"], ["b", "1990-1995"]]


def test_semicolons_and_fewer_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "a;0;30;1.5;Tg", head="name;top_cm;bottom_cm;total;unit\n")
    assert read_published(path)[["total", "by", "source"]].values.tolist() == [[1.5, "all", ""]]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,,,0,30,,1,,,Zg,x", "unit 'Zg'; expected one of Pg"),
        ("a,,,0,30,,1,,,,x", "no unit; expected one of Pg"),
        ("a,,,0,30,,1,,,g/kg,x", "unit 'g/kg'"),
        (",,,0,30,,1,,,Pg,x", "no name"),
        ("a,,,30,0,,1,,,Pg,x", "layer 30-0 cm"),
        ("a,,,,30,,1,,,Pg,x", "no top_cm"),
        ("a,,,0,30,,about 5,,,Pg,x", "total 'about 5'; expected a number"),
        ("a,,,0,30,,,5,,Pg,x", "neither total nor low and high"),
        ("a,,,0,30,,,5,4,Pg,x", "low 5 above high 4"),
        ("a,,,0,30,,9,4,5,Pg,x", "total 9 outside 4 to 5"),
        ("a,,,0,30,,-1,,,Pg,x", "a negative number"),
        ("a,,,0,30,the 1990s,1,,,Pg,x", "period 'the 1990s'"),
        ("a,,,0,30,1995-1990,1,,,Pg,x", "period '1995-1990'"),
        ("a,,forest,0,30,,1,,,Pg,x", "class 'forest' without by"),
        ("a,,,0,30,,1,,,Pg,Smith, 2001", "12 cells; expected 11"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(TableError) as caught:
        read_published(table(tmp_path, row))
    assert len(caught.value.faults) == 1 and said in caught.value.faults[0] and "published.csv:2" in caught.value.faults[0]


def test_bad_tables(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        read_published(tmp_path / "missing.csv")
    with pytest.raises(TableError, match="no column unit"):
        read_published(table(tmp_path, "a,0,30,1", head="name,top_cm,bottom_cm,total\n"))
    with pytest.raises(TableError, match=r"no column total \(or low and high\)"):
        read_published(table(tmp_path, "a,0,30,Pg", head="name,top_cm,bottom_cm,unit\n"))
    with pytest.raises(TableError, match="unknown column stock"):
        read_published(table(tmp_path, "a,0,30,Pg,1,2", head="name,top_cm,bottom_cm,unit,total,stock\n"))
    with pytest.raises(TableError, match="no rows"):
        read_published(table(tmp_path))
    with pytest.raises(TableError) as caught:
        read_published(table(tmp_path, "a,,,0,30,,1,,,Zg,x", "b,,,0,30,,x,,,Pg,x"))
    assert len(caught.value.faults) == 2
