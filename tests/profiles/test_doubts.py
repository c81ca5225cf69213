import numpy as np
import pandas as pd
import pytest

from edaphic.profiles import depth_doubts, doubts, value_lines


def table(**changes):
    n = 100
    base = {
        "top_cm": np.zeros(n), "bottom_cm": np.full(n, 30.0), "soc_g_kg": np.linspace(5, 40, n),
        "bulk_density_g_cm3": np.full(n, 1.3),
    }  # fmt: skip
    return pd.DataFrame(base | changes)


def test_ordinary_soil_raises_no_doubt():
    assert doubts(table()) == []
    assert doubts(table(coarse_fragments_vol_pct=np.zeros(100), clay_pct=np.full(100, 20.0))) == []
    peat = table(soc_g_kg=np.full(100, 100.0), bulk_density_g_cm3=np.full(100, 0.6))
    assert doubts(peat) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"soc_g_kg": np.full(100, 200.0)}, "more than 120 g/kg"),
        ({"soc_g_kg": np.r_[np.full(95, 20.0), np.full(5, 700.0)]}, "5% of the horizons hold more than 600"),
        ({"soc_g_kg": np.full(100, 0.9)}, "less than 1.5 g/kg"),
        ({"bottom_cm": np.full(100, 1500.0)}, "thicker than 200 cm"),
        ({"bottom_cm": np.full(100, 0.3)}, "reaches below 0.3 cm"),
        ({"bulk_density_g_cm3": np.full(100, 0.0013)}, "100% of the bulk densities"),
        ({"bulk_density_g_cm3": np.full(100, 1300.0)}, "100% of the bulk densities"),
        ({"soc_g_kg": np.full(100, 70.0)}, "100% of the horizons with a bulk density hold more than 60 g/kg"),
        ({"soc_g_kg": np.full(100, 2.5)}, "uppermost horizons hold less than 3 g/kg"),
        ({"coarse_fragments_vol_pct": np.linspace(0, 0.6, 100)}, "no horizon has more than 1 vol% coarse fragments"),
        ({"clay_pct": np.full(100, 0.3)}, "no horizon has more than 1 % clay"),
    ],
)
def test_a_unit_that_is_not_the_one_stated_is_doubted(changes, says):
    assert any(says in line for line in doubts(table(**changes)))


def test_depths_alone_for_a_property_of_any_unit():
    odd = table(soc_g_kg=np.full(100, 0.001), bottom_cm=np.full(100, 0.3))
    assert depth_doubts(odd) == ["no horizon reaches below 0.3 cm: is the unit of the depths right?"]


def test_value_lines_leave_out_what_is_not_there():
    lines = value_lines(table(bulk_density_g_cm3=np.full(100, np.nan)))
    assert [line.split(":")[0] for line in lines] == ["lower depth", "organic carbon"]
