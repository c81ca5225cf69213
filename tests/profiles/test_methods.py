"""Names of analytical methods, factors that the caller asks for, total minus inorganic carbon."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import TableError
from edaphic.profiles.reading.methods import (
    DIFFERENCE,
    METHODS,
    WALKLEY_BLACK_FACTOR,
    WALKLEY_BLACK_RANGE,
    correct,
    method_of,
    total_minus_inorganic,
)


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("Walkley-Black", "walkley_black"),
        ("walkley & black (1934), wet oxidation", "walkley_black"),
        ("Walkley_Black", "walkley_black"),
        ("WB", "walkley_black"),
        ("W&B", "walkley_black"),
        ("6A1c", "walkley_black"),
        ("Dry combustion", "dry combustion"),
        ("dry_combustion", "dry combustion"),
        ("Dumas", "dry combustion"),
        ("LECO CNS-2000", "dry combustion"),
        ("Elemental analyser (Carlo Erba)", "dry combustion"),
        ("element analysis", "dry combustion"),
        ("CN analyser", "dry combustion"),
        ("ISO 10694", "dry combustion"),
        ("Loss on ignition at 550 C", "loss on ignition"),
        ("LOI", "loss on ignition"),
        ("potassium dichromate", "wet oxidation"),
        ("Tyurin", "wet oxidation"),
        ("wet combustion", "wet oxidation"),
        ("vis-NIR spectroscopy", "spectroscopy"),
        ("total C minus inorganic C", DIFFERENCE),
        ("TC - TIC", DIFFERENCE),
        ("  weighing of the clouds ", "weighing of the clouds"),
        ("", ""),
    ],
)
def test_free_text(text: str, method: str) -> None:
    assert method_of(pd.Series([text])).tolist() == [method]


def test_canonical_names_are_their_own_and_missing_is_empty() -> None:
    assert method_of(pd.Series(list(METHODS))).tolist() == list(METHODS)
    assert method_of(pd.Series([None, "LOI"], index=[7, 3], dtype="str")).to_dict() == {7: "", 3: "loss on ignition"}


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"profile_id": "a", "row": [1, 2, 3], **columns})


def test_a_factor_is_applied_where_it_is_asked_for_and_logged() -> None:
    before = table(soc_g_kg=[10.0, 20.0, np.nan], soc_method=["walkley_black", "dry combustion", "walkley_black"])
    after, log = correct(before, {"walkley_black": WALKLEY_BLACK_FACTOR})
    assert after.soc_g_kg.fillna(-1).tolist() == pytest.approx([13.2, 20.0, -1.0])
    assert log[["row", "fault", "before", "after"]].to_numpy().tolist() == [
        [1, "soc method corrected", "10 g/kg walkley_black", "13.2 g/kg"]
    ]
    assert before.soc_g_kg[0] == 10.0
    untouched, log = correct(before, {})
    pd.testing.assert_frame_equal(untouched, before)
    assert log.empty


def test_the_factor_is_the_mean_recovery_and_lies_in_its_range() -> None:
    assert pytest.approx(1 / 0.76, abs=0.005) == WALKLEY_BLACK_FACTOR
    assert WALKLEY_BLACK_RANGE[0] < WALKLEY_BLACK_FACTOR < WALKLEY_BLACK_RANGE[1]


def test_factors_that_cannot_be_meant() -> None:
    there = table(soc_g_kg=10.0, soc_method="LOI")
    with pytest.raises(TableError) as caught:
        correct(there, {"walkley_black": 1.3, "LOI": -1.0})
    assert len(caught.value.faults) == 2
    with pytest.raises(TableError, match="no column soc_method"):
        correct(table(soc_g_kg=10.0), {"LOI": 1.0})


def test_total_minus_inorganic() -> None:
    found, log = total_minus_inorganic(
        table(
            soc_g_kg=[np.nan, np.nan, np.nan],
            total_carbon_g_kg=[30.0, 30.0, 10.0],
            inorganic_carbon_g_kg=[12.0, np.nan, np.nan],
            carbonate_g_kg=[0.0, 100.0, np.nan],
        )
    )
    assert found.soc_g_kg.fillna(-1).tolist() == pytest.approx([18.0, 30.0 - 12.0005596, -1.0])
    assert found.soc_method.tolist() == [DIFFERENCE, DIFFERENCE, ""]
    assert log.before.tolist()[0] == "total 30, inorganic 12 g/kg"


def test_what_is_measured_is_not_replaced_and_a_negative_difference_is_missing() -> None:
    found, log = total_minus_inorganic(table(soc_g_kg=[5.0, np.nan, np.nan], total_carbon_g_kg=9.0, inorganic_carbon_g_kg=[1.0, 9.0, 9.5]))
    assert found.soc_g_kg.fillna(-1).tolist() == [5.0, 0.0, -1.0]
    assert log[["row", "fault"]].to_numpy().tolist() == [
        [2, "soc from total minus inorganic carbon"],
        [3, "inorganic carbon above total"],
    ]
