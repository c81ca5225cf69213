"""Values of grids by depth: impossible ones are faults, and what looks like another unit is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic import profiles
from edaphic.units import to_internal

UNITS = ("g/cm3", "cg/cm3", "kg/m3")


def table(n: int = 40, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"soc_g_kg": np.linspace(2.0, 30.0, n), **columns})


def densities(n: int = 40) -> np.ndarray:
    return np.linspace(1.2, 1.5, n)


@given(true=st.sampled_from(UNITS), said=st.sampled_from(UNITS), level=st.floats(0.9, 1.6))
@settings(max_examples=60)
def test_the_unit_that_would_fit_is_named_and_no_other(true: str, said: str, level: float) -> None:
    """Rasters in one unit that are read as another: right ones pass in silence."""
    stored = np.full(40, level) / to_internal([1.0], "bulk_density", true)[0]
    faults, notes = profiles.grid_doubts(table(), to_internal(stored, "bulk_density", said), "bulk_density", said)
    if true == said:
        assert (faults, notes) == ([], [])
        return
    assert len(faults) + len(notes) == 1
    line = (faults + notes)[0]
    end = line.rsplit("?")[-1].rsplit(";")[-1]
    assert line.startswith("bulk_density_grid: ") and end.startswith(f" {true}") and end.endswith(" would fit")


def test_what_was_measured_counts_before_what_is_estimated() -> None:
    measured = table(bulk_density_g_cm3=densities())
    (note,) = profiles.grid_doubts(measured, densities() / 10.0, "bulk_density", "kg/m3")[1]
    assert "as measured it is 1.35 g/cm3 at the same 40 horizons, 10 times as much" in note and "cg/cm3 (kg/m3 x 10) would fit" in note
    peat = table(bulk_density_g_cm3=densities() / 10.0)
    assert profiles.grid_doubts(peat, densities() / 10.0, "bulk_density", "g/cm3") == ([], [])
    few = table(bulk_density_g_cm3=np.where(np.arange(40) < 4, densities(), np.nan))
    (note,) = profiles.grid_doubts(few, densities() / 10.0, "bulk_density", "kg/m3")[1]
    assert "by manrique_jones_1991" in note


def test_reported_estimates_count_where_nothing_was_measured() -> None:
    reported = table(bulk_density_reported_g_cm3=densities())
    (note,) = profiles.grid_doubts(reported, densities() / 10.0, "bulk_density", "kg/m3")[1]
    assert "as the tables report it is 1.35" in note


@pytest.mark.parametrize(("value", "unit", "end"), [(135.0, "g/cm3", "cg/cm3 (kg/m3 x 10) would fit"), (0.0, "g/cm3", "expected none")])
def test_impossible_densities_are_a_fault(value: float, unit: str, end: str) -> None:
    faults, notes = profiles.grid_doubts(table(), np.full(40, value), "bulk_density", unit)
    assert notes == [] and len(faults) == 1 and faults[0].endswith(end)
    assert "found 40 of 40 values at the profiles outside 0.02 to 2.65 g/cm3" in faults[0]


def test_one_impossible_density_is_a_fault_without_another_unit() -> None:
    values = densities()
    values[3] = 3.0
    (fault,) = profiles.grid_doubts(table(), values, "bulk_density", "g/cm3")[0]
    assert "found 1 of 40 values" in fault and fault.endswith("expected none")


def test_a_factor_that_no_unit_makes_up_for_is_told() -> None:
    (note,) = profiles.grid_doubts(table(), densities() / 10.0, "bulk_density", "g/cm3")[1]
    assert note.endswith("they would fit multiplied by 10")


def test_densities_a_third_off_are_no_doubt() -> None:
    measured = table(bulk_density_g_cm3=densities())
    for factor in (0.67, 1.5):
        assert profiles.grid_doubts(measured, factor * densities(), "bulk_density", "g/cm3") == ([], [])


def test_without_any_value_the_grid_may_lie_elsewhere() -> None:
    assert profiles.grid_doubts(table(), np.full(40, np.nan), "bulk_density", "g/cm3") == (
        [],
        ["bulk_density_grid: no value at any profile: do its rasters lie elsewhere?"],
    )


def test_fragments_in_per_mille_and_in_fractions() -> None:
    stones = np.where(np.arange(40) % 2 == 0, 0.0, 8.0)
    measured = table(coarse_fragments_vol_pct=stones)
    assert profiles.grid_doubts(measured, stones, "coarse_fragments", "vol%") == ([], [])
    (note,) = profiles.grid_doubts(measured, 10.0 * stones, "coarse_fragments", "vol%")[1]
    assert "the mean of its values at the profiles is 40 vol%; as measured it is 4 vol%" in note and "multiplied by 0.1" in note
    (note,) = profiles.grid_doubts(table(), stones / 100.0, "coarse_fragments", "vol%")[1]
    assert "no value at the profiles is above 1 vol%" in note
    (fault,) = profiles.grid_doubts(measured, 100.0 * stones, "coarse_fragments", "vol_fraction")[0]
    assert "outside 0 to 100 vol%" in fault and fault.endswith("vol% would fit")
