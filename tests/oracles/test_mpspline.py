"""The spline against stored results of the R package mpspline2 0.1.9.

Its repairs are made here first, in its own order, because Edaphic repairs other things (and makes up no depth): a
missing first top becomes 0, a missing last bottom the top + 10 cm; rows with a missing value, a negative depth
or a thickness that is not positive go; profiles with overlaps are refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles import spline

SETS = (
    "afsp_ORCDRC",
    "aqp_jacobs2000_clay",
    "aqp_overlap_pH",
    "aqp_sp1_prop",
    "aqp_sp3_tc",
    "aqp_sp6_C",
    "edgeroi_ORCDRC",
    "hard_cases",
    "package_example",
)


def _table(folder: Path, name: str) -> pd.DataFrame:
    path = next(p for p in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if p.exists())
    return pd.read_csv(path, dtype={"profile_id": str})


def _peer_repairs(table: pd.DataFrame) -> pd.DataFrame:
    table = table.dropna(subset=["value"]).reset_index(drop=True)
    first = ~table.profile_id.duplicated()
    last = ~table.profile_id.duplicated(keep="last")
    table.loc[first & table.upper_cm.isna(), "upper_cm"] = 0.0
    table.loc[last & table.lower_cm.isna(), "lower_cm"] = table.upper_cm + 10.0
    unusable = table.profile_id[table.upper_cm.isna() | table.lower_cm.isna()]
    table = table[~table.profile_id.isin(unusable)]
    table = table[(table.upper_cm >= 0) & (table.lower_cm > table.upper_cm)]
    table = table.sort_values(["profile_id", "upper_cm"], kind="stable").reset_index(drop=True)
    overlap = table.upper_cm < table.groupby("profile_id").lower_cm.shift()
    return table[~table.profile_id.isin(table.profile_id[overlap])].reset_index(drop=True)


def _fit(table: pd.DataFrame, lam: float) -> spline.SplineFit:
    return spline.fit(pd.factorize(table.profile_id)[0], table.upper_cm, table.lower_cm, table.value, lam)


@pytest.mark.parametrize("lam", [0.01, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", SETS)
def test_fitted_means_are_the_peers(shared: Path, name: str, lam: float) -> None:
    folder = shared / "oracles" / "mpspline"
    theirs = _table(folder, f"{name}_est_icm")
    theirs = theirs[theirs.lam == lam].sort_values("profile_id", kind="stable")
    table = _peer_repairs(_table(folder, f"{name}_input"))

    assert table.profile_id.tolist() == theirs.profile_id.tolist()
    np.testing.assert_allclose(_fit(table, lam).s_bar, theirs.s_bar, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_curve_passes_the_peers_points(shared: Path, name: str) -> None:
    """Its 1 cm value k is the curve at depth k, clamped to 0 and 1000: compared where it was not clamped."""
    folder = shared / "oracles" / "mpspline"
    table = _peer_repairs(_table(folder, f"{name}_input"))
    several = table.groupby("profile_id").upper_cm.transform("size") > 1
    table = table[several].reset_index(drop=True)
    points = _table(folder, f"{name}_est_1cm")
    points = points[(points.lam == 0.1) & points.profile_id.isin(table.profile_id)]

    # The mean over a sliver below depth k, minus half its own trend, is the value there to rounding.
    fitted, sliver = _fit(table, 0.1), 2e-3
    depths = np.arange(int(points.cm_index.max()) + 1, dtype=float)
    area, covered = spline.integrate(fitted, depths, depths + sliver, max_gap_cm=np.inf)
    half, _ = spline.integrate(fitted, depths, depths + sliver / 2, max_gap_cm=np.inf)
    whole = covered >= sliver * (1 - 1e-9)
    value = np.where(whole, (4 * half - area) / sliver, np.nan)

    ids = table.profile_id.unique()
    ours = value[pd.Index(ids).get_indexer(points.profile_id), points.cm_index.astype(int)]
    compared = np.isfinite(ours) & points.value.between(0, 1000, inclusive="neither").to_numpy()
    assert compared.sum() > 0.9 * np.isfinite(ours).sum()
    # A knot inside the sliver (depths that are no whole numbers) changes the second derivative only.
    np.testing.assert_allclose(ours[compared], points.value.to_numpy()[compared], rtol=1e-6, atol=1e-6)
    # Nothing is observed where the peer has no value either: above the first top, below the last bottom.
    counts = points.groupby("profile_id").size().reindex(ids).to_numpy()
    assert (whole.sum(axis=1) <= counts).all()


def test_integral_is_near_the_peers_riemann_sum(shared: Path) -> None:
    """It sums left edges of centimetres; the closed form differs by a per cent or so, never by a factor."""
    folder = shared / "oracles" / "mpspline"
    table = _peer_repairs(_table(folder, "edgeroi_ORCDRC_input"))
    theirs = _table(folder, "edgeroi_ORCDRC_est_dcm")
    theirs = theirs[(theirs.lam == 0.1) & (theirs.d_set == "D2") & (theirs.upper_cm == 0)].set_index("profile_id").value
    integral, covered = spline.integrate(_fit(table, 0.1), [0.0], [20.0])
    ours = pd.Series(integral[:, 0] / 20, index=table.profile_id.unique())[covered[:, 0] == 20]
    ratio = (theirs.reindex(ours.index) / ours).dropna()
    assert len(ratio) > 100
    assert abs(ratio.median() - 1) < 0.03
