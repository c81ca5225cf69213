"""Stocks of a horizon: the three papers' formulas, units, and published stocks of real profiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import UnitError
from edaphic.profiles import soc_stock_kg_m2


def test_the_three_papers_formulas_give_one_stock() -> None:
    """2 %, 1.3 g/cm3, 20 cm, no stones: 5.2 kg/m2 = 52 t/ha; and with a quarter of stones three quarters of that."""
    for fragments in (0.0, 25.0):
        china_kg_m2 = 20.0 * 1.3 * 20.0 / 100 * (1 - fragments / 100)
        beta_t_ha = 20.0 * 1.3 * 20.0 * (1 - fragments / 100) / 10
        plateau_t_ha = 2.0 / 100 * 0.2 * 1300.0 * (1 - fragments / 100) * 10
        ours = [
            soc_stock_kg_m2(
                20.0, 1.3, 20.0, fragments, soc_unit="g/kg", bulk_density_unit="g/cm3", thickness_unit="cm"
            ),
            soc_stock_kg_m2(20.0, 1.3, 20.0, fragments, soc_unit="mg/g", bulk_density_unit="t/m3", thickness_unit="cm"),
            soc_stock_kg_m2(2.0, 1300.0, 0.2, fragments, soc_unit="%", bulk_density_unit="kg/m3", thickness_unit="m"),
        ]
        np.testing.assert_allclose(ours, [china_kg_m2, beta_t_ha / 10, plateau_t_ha / 10], rtol=1e-14)
        assert ours[0] == pytest.approx(5.2 * (1 - fragments / 100), rel=1e-14)


def test_fragments_by_mass() -> None:
    """Half of the mass at 1.325 g/cm3 is a third of the volume."""
    units = {"soc_unit": "g/kg", "bulk_density_unit": "g/cm3", "thickness_unit": "cm"}
    by_mass = soc_stock_kg_m2(20.0, 1.325, 20.0, 50.0, **units, coarse_fragments_unit="mass%")
    by_volume = soc_stock_kg_m2(20.0, 1.325, 20.0, 1 / 3, **units, coarse_fragments_unit="vol_fraction")
    assert by_mass == pytest.approx(by_volume)


def test_missing_units_are_all_named() -> None:
    with pytest.raises(UnitError) as caught:
        soc_stock_kg_m2(2, 1.3, 20, 0, soc_unit=None, bulk_density_unit="g", thickness_unit=None)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["soc", "bulk_density", "thickness"]
    with pytest.raises(TypeError):
        soc_stock_kg_m2(2, 1.3, 20, 0)  # type: ignore[call-arg]


@pytest.mark.parametrize(("name", "stones"), [("profile_CAN_organic", 1.0), ("profile_399_EDGEROI_ed079", 0.0)])
def test_published_stocks_of_single_profiles(shared: Path, name: str, stones: float) -> None:
    """A manual's stocks of a peat and of a clay soil, from rounded numbers; those of the clay leave the stones out."""
    table = pd.read_csv(shared / "data" / "spline_examples" / f"{name}.csv")
    ours = soc_stock_kg_m2(
        table.carbon_content,
        table.bulk_density,
        table.lower_limit - table.upper_limit,
        table.CF * stones,
        soc_unit="g/kg",
        bulk_density_unit="kg/m3",
        thickness_unit="cm",
    )
    np.testing.assert_allclose(ours, table.SOCS, rtol=0.003, atol=0.0501)
