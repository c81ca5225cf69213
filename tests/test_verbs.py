"""Words of the commands and what verbs write, without the command line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from edaphic.errors import RunError, TableError
from edaphic.verbs.profiles import BESIDE, check_out, repair_lines, value_lines, write_tables
from edaphic.verbs.words import PRESETS, read_columns, read_layers


@pytest.mark.parametrize("name", PRESETS)
def test_presets_lie_one_below_the_other(name):
    layers = read_layers(name)
    assert layers[0][0] == 0 and all(above[1] == below[0] for above, below in pairwise(layers))


@pytest.mark.parametrize(
    ("word", "column", "unit", "basis"),
    [
        ("soc=OC:%", "OC", "%", None),
        ("soc=OC", "OC", None, None),
        ("soc=a:b:g/kg", "a:b", "g/kg", None),
        ("soc=OC:ppmm", "OC", "ppmm", None),
        ("bulk_density=BD:g/cm3:whole_soil", "BD", "g/cm3", "whole_soil"),
        ("bulk_density=a:b:g/cm3:whole_soil", "a:b", "g/cm3", "whole_soil"),
        ("bulk_density=BD:g/cm3:dry", "BD", "g/cm3", "dry"),
        ("bulk_density=BD:g/cm3", "BD", "g/cm3", None),
        ("profile_id=site:pit", "site:pit", None, None),
    ],
)
def test_words_of_a_column(word, column, unit, basis):
    found = read_columns([word])[word.partition("=")[0]]
    assert (found.column, found.unit, found.basis) == (column, unit, basis)


def test_all_wrong_words_at_once():
    with pytest.raises(TableError) as caught:
        read_columns(["soc", "carbon=a", "top==deep:cm", "soc=a:%", "soc=b:%"])
    assert len(caught.value.faults) == 4
    with pytest.raises(TableError) as caught:
        read_layers("0-30,x,5-1")
    assert len(caught.value.faults) == 2


def test_out_may_not_be_what_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n")
    check_out(path)
    with pytest.raises(RunError, match="found a table that is read; expected another name"):
        check_out(tmp_path / "." / "a.csv", (None, str(path)))
    with pytest.raises(RunError, match="an ending alone"):
        check_out(tmp_path / ".csv.gz")


@pytest.mark.parametrize("word", BESIDE)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_what_lies_beside_the_output_is_neither_read_nor_anothers(tmp_path, word, name):
    beside = tmp_path / f"a.{word}.csv"
    beside.write_text(",".join(BESIDE[word]) + "\n")
    check_out(tmp_path / name)
    with pytest.raises(RunError, match=rf"found a table that is read in a.{word}.csv, which it would write beside it"):
        check_out(tmp_path / name, (str(beside),))
    for content in ("id,upper,lower\n1,0,20\n", "", ",".join(BESIDE[word]) + ",more\n"):
        beside.write_text(content)
        with pytest.raises(RunError, match=rf"found a.{word}.csv, which Edaphic did not write"):
            check_out(tmp_path / name)
    if word == "duplicates":
        check_out(tmp_path / name, (), ("repairs",))


def test_tables_of_an_earlier_run_go_and_others_stay(tmp_path):
    table, log = pd.DataFrame({"a": [1]}), pd.DataFrame(columns=list(BESIDE["repairs"]))
    out, old = tmp_path / "o.csv", tmp_path / "o.repairs.csv"
    old.write_text(",".join(BESIDE["repairs"]) + "\n1,2,3,4,5,6\n")
    assert write_tables(out, table, {"repairs": log}) == [out] and not old.exists()
    old.write_text("mine\n")
    with pytest.raises(RunError, match="did not write"):
        write_tables(out, table, {"repairs": log})
    assert old.read_text() == "mine\n"


def test_share_of_carbon_and_name_of_the_label_in_the_sites():
    found = read_columns(["organic_matter=Humus:%:0.5", "profile_id=id"], "site")
    assert (found["organic_matter"].column, found["organic_matter"].unit, found["organic_matter"].to_carbon) == ("Humus", "%", 0.5)
    assert (found["profile_id"].column, found["profile_id"].site_column) == ("id", "site")
    plain = read_columns(["organic_matter=a:b:%"])["organic_matter"]
    assert (plain.column, plain.unit, plain.to_carbon) == ("a:b", "%", None)
    with pytest.raises(TableError, match="--site-id site: found no column of profile_id"):
        read_columns(["soc=OC:%"], "site")


def test_all_tables_or_none(tmp_path, monkeypatch):
    table = pd.DataFrame([range(6)], columns=list(BESIDE["repairs"]))
    out = tmp_path / "o.csv"
    assert write_tables(out, table, {"repairs": table, "duplicates": table[:0]}) == [out, tmp_path / "o.repairs.csv"]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full(self: pd.DataFrame, path: Path, **more: object) -> None:
        path.write_text("half")
        raise OSError(28, "no space left")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="no space left"):
        write_tables(out, table, {"repairs": table[:0]})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_lines_of_the_screen():
    log = pd.DataFrame({"fault": ["gap", "gap", "nested"], "action": ["left", "left", "dropped"]})
    assert repair_lines(log) == ["repairs     2 x gap: left", "repairs     1 x nested: dropped"]
    assert repair_lines(log[:0]) == ["repairs     none"]
    some = pd.DataFrame({"value": [1.0, None], "status": ["ok", "uncovered"]})
    assert value_lines("layers", some, "value") == ["layers      1 of 2 layers have one"]
