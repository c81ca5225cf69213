"""Words of the commands and what verbs write, without the command line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from edaphic.errors import RunError, TableError
from edaphic.verbs.profiles import check_out, repair_lines, value_lines, write_tables
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


def test_all_tables_or_none(tmp_path, monkeypatch):
    table = pd.DataFrame({"a": [1]})
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
