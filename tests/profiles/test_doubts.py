import numpy as np
import pandas as pd
import pytest

from edaphic.profiles import doubts, value_lines


def table(**changes):
    n = 100
    base = {
        "top_cm": np.zeros(n), "bottom_cm": np.full(n, 30.0), "soc_g_kg": np.linspace(5, 40, n),
        "bulk_density_g_cm3": np.full(n, 1.3),
    }  # fmt: skip
    return pd.DataFrame(base | changes)


def test_ordinary_soil_raises_no_doubt():
    assert doubts(table()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"soc_g_kg": np.full(100, 200.0)}, "more than 120 g/kg"),
        ({"soc_g_kg": np.r_[np.full(95, 20.0), np.full(5, 700.0)]}, "5% of the horizons hold more than 600"),
        ({"soc_g_kg": np.full(100, 0.9)}, "less than 1.5 g/kg"),
        ({"bottom_cm": np.full(100, 1500.0)}, "thicker than 200 cm"),
        ({"bottom_cm": np.full(100, 0.3)}, "reaches below 0.3 cm"),
        ({"bulk_density_g_cm3": np.full(100, 0.0013)}, "100% of the bulk densities"),
    ],
)
def test_a_unit_that_is_not_the_one_stated_is_doubted(changes, says):
    assert any(says in line for line in doubts(table(**changes)))


def test_value_lines_leave_out_what_is_not_there():
    lines = value_lines(table(bulk_density_g_cm3=np.full(100, np.nan)))
    assert [line.split(":")[0] for line in lines] == ["lower depth", "organic carbon"]
