"""Stocks of organic horizons under three choices of bulk density, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import TableError
from edaphic.profiles.density.organic import ORGANIC_CHOICES, organic_choices


def filled(soc: list[float], density: list[float], source: list[str], **columns: object) -> pd.DataFrame:
    table = pd.DataFrame({"soc_g_kg": soc, "bulk_density_g_cm3": density, "bulk_density_source": source})
    return table.assign(top_cm=0.0, bottom_cm=20.0, coarse_fragments_vol_pct=10.0).assign(**columns)


def test_by_hand() -> None:
    """Two organic horizons of 20 cm with a tenth of stones; the mineral one and the one without a density do not count."""
    curve, estimated = 1.38 - 0.31 * np.log(21), 1.38 - 0.31 * np.log(41)
    table = filled([200.0, 400.0, 50.0, 300.0], [0.6, estimated, 1.0, np.nan], ["reported", "pedotransfer", "measured", ""])
    found = organic_choices(table, "saini_1966").set_index("choice")
    mineral = 1.62 - 0.06 * 8 / 0.58
    parts = np.array([[200 * 0.6, 400 * estimated], [200 * 0.6, 400 * mineral], [200 * curve, 400 * estimated]])
    np.testing.assert_allclose(found.soc_stock_kg_m2, parts.sum(axis=1) * 0.9 * 0.2)
    np.testing.assert_allclose(found.soc_density_kg_m3, parts.mean(axis=1) * 0.9)
    assert found.horizons.tolist() == [2] * 3
    assert found.given.tolist() == [1] * 3
    assert found.changed.tolist() == [0, 1, 1]
    assert found.thickness_cm.tolist() == [40.0] * 3
    assert list(found.index) == [name for name, _ in ORGANIC_CHOICES]


def test_cap_never_raises_and_rule_without_texture_is_the_default() -> None:
    table = filled([200.0], [0.1], ["measured"])
    assert organic_choices(table).changed.tolist() == [0, 0, 0]
    table = filled([200.0], [0.4], ["pedotransfer"])
    assert organic_choices(table, "hollis_2012").soc_stock_kg_m2[1] == organic_choices(table).soc_stock_kg_m2[1]


def test_no_organic_horizons() -> None:
    found = organic_choices(filled([20.0], [1.3], ["measured"]))
    assert found.soc_stock_kg_m2.tolist() == [0.0] * 3
    assert found.ratio.isna().all()


def test_faults() -> None:
    with pytest.raises(TableError, match="no column bulk_density_source; expected a table with bulk density filled"):
        organic_choices(filled([200.0], [0.4], ["x"]).drop(columns="bulk_density_source"))
    with pytest.raises(TableError, match="unknown mineral rule 'organic_curve'"):
        organic_choices(filled([200.0], [0.4], ["measured"]), "organic_curve")
