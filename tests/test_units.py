import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edaphic.errors import UnitError
from edaphic.units import in_map_unit, mass_to_volume_pct, to_internal, units_of


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
    for quantity in ("depth", "soc", "bulk_density", "coarse_fragments", "texture", "soc_density", "soc_stock"):
        for unit in units_of(quantity):
            out = to_internal([1.0, np.nan], quantity, unit)
            assert out[0] > 0 and np.isnan(out[1])
