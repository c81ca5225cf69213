"""Cells: marks of laboratories, codes for missing, words."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles.reading.cells import MARKS, MISSING_CODES, Cells, as_text, below_of, read_numbers


def cells(values: list[object], role: str = "clay", quantity: str = "texture", unit: str | None = "%") -> Cells:
    rows = pd.DataFrame({"profile_id": "a", "row": np.arange(1, len(values) + 1)})
    return Cells(role, quantity, pd.Series(values), rows, ("a.csv", "C"), unit)


@pytest.mark.parametrize(("text", "number"), [("<0.5", 0.25), ("< 0.5", 0.25), ("<=3", 1.5), ("<0,5", 0.25), ("≤ .5", 0.25)])
def test_half_the_detection_limit(text: str, number: float) -> None:
    found = read_numbers(cells(["1", text]))
    assert found.numbers.tolist() == [1.0, number]
    assert found.log[0][["row", "fault", "before", "after"]].to_numpy().tolist() == [
        [2, "below the detection limit", f"clay {text}", f"clay {number:g}"]
    ]


@pytest.mark.parametrize("mark", MARKS)
def test_every_mark_is_missing_and_logged_however_many_there_are(mark: str) -> None:
    found = read_numbers(cells(["1", mark, mark.upper(), f" {mark} "]))
    assert found.faults == []
    assert np.isnan(found.numbers[1:]).all()
    assert sum(len(part) for part in found.log) == 3


def test_a_limit_of_depth_or_place_is_no_number() -> None:
    for role, quantity in (("bottom", "depth"), ("lon", "coordinate")):
        found = read_numbers(cells(["<50"] + ["1"] * 40, role, quantity))
        assert np.isnan(found.numbers[0])
        assert [part.fault.tolist() for part in found.log if len(part)] == [["not a number"]]


def test_codes_for_missing_only_where_nothing_is_negative() -> None:
    found = read_numbers(cells([5.0, *MISSING_CODES, -1.0]))
    assert np.isnan(found.numbers[1:-1]).all()
    assert (found.numbers[0], found.numbers[-1]) == (5.0, -1.0)
    assert len(found.log[0]) == len(MISSING_CODES)
    for role, quantity in (("lon", "coordinate"), ("top", "depth")):
        assert read_numbers(cells([-99.0, 1.0], role, quantity)).numbers[0] == -99.0


def test_decimal_comma_beside_a_mark() -> None:
    assert read_numbers(cells(["1,5", "n.d.", "2"])).numbers[[0, 2]].tolist() == [1.5, 2.0]
    assert read_numbers(cells(["1,5", "2.5"])).faults


@pytest.mark.parametrize(
    ("texts", "numbers", "said"),
    [
        (["12,345", "9,500", "900"], None, "found '12,345'.*2 cells.*thousands"),
        (["900", "<1,000"], None, "found '<1,000'.*thousands"),
        (["12,345", "3,5", "900"], [12.345, 3.5, 900.0], ""),
        (["0,125", "0,250"], [0.125, 0.25], ""),
        (["12,5", "n.d."], [12.5, np.nan], ""),
    ],
)
def test_a_comma_before_three_digits_in_a_file_of_commas(texts: list[str], numbers: list[float] | None, said: str) -> None:
    given = dataclasses.replace(cells(list(texts), "soc", "soc", "mg/kg"), commas_part_cells=True)
    found = read_numbers(given)
    if numbers is None:
        assert len(found.faults) == 1 and re.search(said, found.faults[0]) and "expected" in found.faults[0]
        elsewhere = read_numbers(dataclasses.replace(given, commas_part_cells=False))
        assert not elsewhere.faults and len(elsewhere.notes) == 1
    else:
        assert not found.faults and not found.notes
        np.testing.assert_array_equal(found.numbers, numbers)


def test_dates_and_truth_are_no_numbers() -> None:
    for values in (pd.Timestamp("1998-07-14"), True):
        assert "expected numbers" in read_numbers(cells([values, values])).faults[0]


def test_nullable_numbers() -> None:
    told = cells([1, 2])
    values = pd.Series([1, None], dtype="Int64")
    assert read_numbers(Cells("clay", "texture", values, told.rows, told.place, "%")).numbers[0] == 1.0


def test_labels() -> None:
    assert as_text(pd.Series([12.0, 3.0])).tolist() == ["12", "3"]
    assert as_text(pd.Series([1.5, 3.0])).tolist() == ["1.5", "3.0"]
    assert as_text(pd.Series([" a ", "", None])).fillna("?").tolist() == ["a", "?", "?"]


@pytest.mark.parametrize(
    ("text", "ends"),
    [("R", "rock"), ("2R", "rock"), ("hard rock", "rock"), ("Bedrock", "rock"), ("lithic contact", "rock"), ("no rock", "unknown"),
     ("C", "unknown"), ("water", "unknown"), ("not rock", "unknown")],
)  # fmt: skip
def test_what_ends_a_profile(text: str, ends: str) -> None:
    assert below_of(pd.Series([text, None])).tolist() == [ends, ""]
