import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.errors import UnitError
from edaphic.units import (
    BASES,
    carbon_of_carbonate,
    fine_earth_from,
    in_map_unit,
    length_m_of_text,
    mass_to_volume_pct,
    stock_of_density,
    to_internal,
    units_of,
    years_of,
)


@pytest.mark.parametrize(
    ("quantity", "value", "unit", "expected"),
    [
        ("depth", 1.0, "m", 100.0), ("depth", 10.0, "in", 25.4), ("soc", 2.0, "%", 20.0), ("soc", 200.0, "dg/kg", 20.0),
        ("bulk_density", 1300.0, "kg/m3", 1.3), ("bulk_density", 130.0, "cg/cm3", 1.3), ("texture", 350.0, "g/kg", 35.0),
        ("soc_stock", 52.0, "t/ha", 5.2), ("soc_stock", 5200.0, "g/m2", 5.2), ("soc_density", 260.0, "hg/m3", 26.0),
        ("coarse_fragments", 0.2, "vol_fraction", 20.0),
    ],
)  # fmt: skip
def test_conversions_by_mental_arithmetic(quantity, value, unit, expected):
    assert to_internal([value], quantity, unit)[0] == pytest.approx(expected)


def test_a_missing_or_unknown_unit_names_what_is_known():
    with pytest.raises(UnitError, match="no unit for soc; expected one of g/kg, %"):
        to_internal([1.0], "soc", None)
    with pytest.raises(UnitError, match="column OC: unit 'kg/m2'"):
        to_internal([1.0], "soc", "kg/m2", where="column OC")


def test_units_of_other_maps():
    assert in_map_unit([52.0], "t/ha", (0, 20), "kg/m2")[0] == pytest.approx(5.2)
    assert in_map_unit([52.0], "kg/m3", (0, 50), "kg/m2")[0] == pytest.approx(26.0)
    assert in_map_unit([52.0], "%", (0, 20), "g/kg")[0] == pytest.approx(520.0)
    with pytest.raises(UnitError):
        in_map_unit([52.0], "g/kg", (0, 20), "kg/m2")


@given(st.floats(0, 100), st.floats(0.05, 2.6))
def test_fragments_by_volume_lie_below_those_by_mass_where_rock_is_denser(mass, density):
    volume = mass_to_volume_pct([mass], [density])[0]
    assert -1e-9 <= volume <= mass + 1e-9


def test_every_unit_of_every_quantity_is_positive_and_nan_stays():
    for quantity in ("depth", "soc", "bulk_density", "coarse_fragments", "texture", "soc_density", "soc_stock", "length"):
        for unit in units_of(quantity):
            out = to_internal([1.0, np.nan], quantity, unit)
            assert out[0] > 0 and np.isnan(out[1])


# --- bulk density and its basis --------------------------------------------------------------------------------------


@given(st.floats(0.05, 2.0), st.floats(0, 95), st.floats(2.0, 3.0))
def test_every_basis_leads_back_to_the_same_fine_earth(density, fragments, rock):
    share = fragments / 100
    stated = {
        "fine_earth": density,
        "whole_soil": density * (1 - share) + share * rock,
        "fine_earth_whole_volume": density * (1 - share),
    }
    mass = 100 * share * rock / stated["whole_soil"]
    for basis in BASES:
        assert fine_earth_from(basis, [stated[basis]], [fragments], rock)[0] == pytest.approx(density, rel=1e-6)
        assert mass_to_volume_pct([mass], [stated[basis]], rock, basis)[0] == pytest.approx(fragments, rel=1e-6, abs=1e-9)


def test_fine_earth_that_cannot_be_is_missing():
    bases = ["whole_soil", "whole_soil", "fine_earth_whole_volume", "", "fine_earth"]
    found = fine_earth_from(bases, [0.5, 1.3, 1.0, 1.3, -1.0], [20.0, np.nan, 100.0, 0.0, 0.0])
    assert np.isnan(found).all()
    with pytest.raises(UnitError, match="found basis 'dry'; expected one of fine_earth, whole_soil"):
        fine_earth_from("dry", [1.3], [0.0])


def test_fragments_need_not_be_known_for_fine_earth():
    assert fine_earth_from(["fine_earth"], [1.3], [np.nan])[0] == 1.3


def test_carbonate_and_density_by_mental_arithmetic():
    assert carbon_of_carbonate([100.087])[0] == pytest.approx(12.011)
    assert stock_of_density([50.0], [30.0])[0] == pytest.approx(15.0)
    for inch in ("in", "inch", "inches"):
        assert to_internal([10.0], "depth", inch)[0] == pytest.approx(25.4)
    assert to_internal([2.0], "length", "km")[0] == 2000.0


# --- years ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "year", "is_range"),
    [
        ("1998-07-14", 1998, False), ("14.7.1998", 1998, False), ("7/14/1998", 1998, False), ("14 July 1998", 1998, False),
        ("Jul-1998", 1998, False), ("1998-07-14T10:00:00Z", 1998, False), ("19980714", 1998, False), ("1998.5", 1998.5, False),
        ("1998-07", 1998, False), ("1998-2001", 1999.5, True), ("1998/2000", 1999, True), ("1998-99", 1998.5, True),
        ("2001-01-01/2001-12-31", 2001, False), ("14.7.98", None, False), ("?", None, False),
    ],
)  # fmt: skip
def test_years_of_dates(text, year, is_range):
    years, ranges = years_of(pd.Series([text, None], dtype="str"))
    assert years[0] == year if year is not None else np.isnan(years[0])
    assert np.isnan(years[1])
    assert ranges.tolist() == [is_range, False]


def test_years_of_other_types():
    assert years_of(pd.Series(pd.to_datetime(["1998-07-14", None])))[0][0] == 1998
    assert years_of(pd.Series([1998, 19980714]))[0].tolist() == [1998, 1998]
    assert years_of(pd.Series(["35990", "x"]), "excel_serial")[0][0] == 1998
    assert years_of(pd.Series([36161.0]), "excel_serial")[0][0] == 1999
    assert len(years_of(pd.Series([], dtype="str"))[0]) == 0


def test_lengths_in_words():
    words = ["100 m - 1 km", "circa 100 m", "1 km - 10 km", "10 m", "unknown", None]
    assert length_m_of_text(pd.Series(words)).fillna(-1).tolist() == [1000, 100, 10000, 10, -1, -1]


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("19122005", 2005), ("19071998", 1998), ("20011998", 1998), ("12312001", 2001), ("19980714", 1998), ("199807", 1998),
        ("20150820191500", 2015), ("20150820T1915", 2015), ("2015-08-20 1915", 2015), ("1998-07-14 00:00:00.2000", 1998),
        ("1999/00", 1999.5), ("1998-07", 1998), ("14.7.1998", 1998),
    ],
)  # fmt: skip
def test_digits_are_a_date_only_with_a_month_and_a_day(written: str, year: float) -> None:
    assert years_of(pd.Series([written]))[0].tolist() == [year]


def test_lengths_in_words_with_commas_blanks_and_exponents() -> None:
    words = ["0,5 km", "1,000 m", "10 000 m", "1e3 m", "1 km - 100 m", "100 M", "5 cm"]
    np.testing.assert_array_equal(length_m_of_text(pd.Series(words)), [500.0, np.nan, 10000.0, 1000.0, 1000.0, 100.0, 0.05])
