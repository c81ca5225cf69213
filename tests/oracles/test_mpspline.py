"""The spline as the R package mpspline2 0.1.9 computes it, against its stored results; every data set, smoothing and set of depths.

Tolerance 1e-8 of the value, with 1e-9 absolute: both sides solve the same small systems, the peer by an inverse, and the values are
stored with fifteen digits. Exceptions, each of them a slip of the peer that is not copied, all held to exactly what it does instead:

- Profiles of one layer: the peer's centimetres are shifted, its means come out for intervals that were not observed and are
  missing where they were. We compare its fitted mean and our own rule, the layer's value where it was observed.
- Profiles whose lowest depth is no whole number and lies above the lowest depth asked for: the peer leaves its last centimetre
  filled with a value of its curve recycled from above. Our points are spoilt the same way here, and have to agree then.
- The RMSE of a constant profile: 0 here, 1e-15 there.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles.depth.spline import fit
from edaphic.profiles.depth.spline_paper import PaperResult, harmonise_paper

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
DEPTHS = {"D2": (0, 20, 100), "D5": (0, 20, 40, 60, 80, 100), "D3": (0, 30, 100, 200), "GSM": (0, 5, 15, 30, 60, 100, 200)}
LAMS = (0.01, 0.1, 1.0, 10.0)
FAULT_OF_MESSAGE = {
    "with negative depths removed": "negative depth",
    "with thickness of 0 removed": "zero thickness",
    "with missing analytical data removed": "value missing",
    "as upper depth exceeded lower depth": "upper depth below lower depth",
    "Missing surface upper depth": "first upper depth missing",
    "Missing deepest lower depth": "last lower depth missing",
}
STATUS_OF_MESSAGE = {
    "Overlapping depth ranges": "overlap",
    "No data values": "no values",
    "is.matrix(R_inv)": "depth missing",
    "only has data for one depth range": "one layer",
}


@lru_cache(maxsize=64)
def _table(folder: Path, name: str) -> pd.DataFrame | None:
    found = [path for path in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if path.exists()]
    return pd.read_csv(found[0], dtype={"profile_id": str}) if found else None


def _read(folder: Path, name: str) -> pd.DataFrame:
    table = _table(folder, name)
    assert table is not None
    return table


def _ours(folder: Path, name: str, lam: float, depths: str = "GSM") -> PaperResult:
    table = _read(folder, f"{name}_input")
    return harmonise_paper(table.profile_id, table.upper_cm, table.lower_cm, table.value, DEPTHS[depths], lam, points=True)


def _spoilt(ours: PaperResult) -> np.ndarray:
    """Our points with the peer's slip: the last centimetre of a profile with a fractional end is recycled from above."""
    assert ours.points is not None
    points, deepest = ours.points.copy(), ours.points.shape[1]
    ends = ours.layers.groupby("profile_id").lower_cm.max().reindex(ours.profile_ids).to_numpy()
    for p in np.flatnonzero((ours.status == "ok") & (ends % 1 != 0) & (ends < deepest)):
        points[p, deepest - 1] = points[p, (deepest - 1) % int(ends[p])]
    return points


@pytest.fixture
def folder(shared: Path) -> Path:
    return shared / "oracles" / "mpspline"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("lam", LAMS)
def test_fitted_means(folder: Path, name: str, lam: float) -> None:
    theirs = _read(folder, f"{name}_est_icm")
    theirs = theirs[theirs.lam == lam].sort_values("profile_id", kind="stable")
    ours = _ours(folder, name, lam).layers.sort_values("profile_id", kind="stable")
    assert ours.profile_id.tolist() == theirs.profile_id.tolist()
    np.testing.assert_allclose(ours.s_bar, theirs.s_bar, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("depths", DEPTHS)
@pytest.mark.parametrize("lam", LAMS)
def test_means_of_intervals(folder: Path, name: str, lam: float, depths: str) -> None:
    theirs = _read(folder, f"{name}_est_dcm")
    theirs = theirs[(theirs.lam == lam) & (theirs.d_set == depths)]
    ours = _ours(folder, name, lam, depths)
    splined = ours.profile_ids[ours.status == "ok"]
    known = set(ours.profile_ids[np.isin(ours.status, ["ok", "one layer"])])
    assert set(theirs.profile_id) == known
    table = theirs.pivot(index="profile_id", columns="upper_cm", values="value").reindex(splined).to_numpy()
    spoilt = _spoilt(ours)[ours.status == "ok"]
    mean = np.full(table.shape, np.nan)
    for k, (top, bottom) in enumerate(zip(ours.tops.astype(int), ours.bottoms.astype(int), strict=True)):
        part = spoilt[:, top:bottom]
        seen = np.isfinite(part).any(axis=1)
        mean[seen, k] = np.nanmean(part[seen], axis=1)
    np.testing.assert_allclose(mean, table, rtol=1e-8, atol=1e-9)
    # Where the slip plays no part our own means are those, to the same tolerance.
    means = ours.means[ours.status == "ok"]
    untouched = ~(np.isfinite(spoilt[:, -1]) & ~np.isfinite(ours.points[ours.status == "ok", -1]))  # type: ignore[index]
    assert untouched.mean() > 0.9
    np.testing.assert_allclose(means[untouched], table[untouched], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(means[:, :-1], table[:, :-1], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_values_of_centimetres(folder: Path, name: str) -> None:
    theirs = _read(folder, f"{name}_est_1cm")
    for lam in theirs.lam.unique():
        ours = _ours(folder, name, lam)
        splined = ours.status == "ok"
        expected = np.full((splined.sum(), 200), np.nan)
        one = theirs[(theirs.lam == lam) & theirs.profile_id.isin(ours.profile_ids[splined])]
        expected[pd.Index(ours.profile_ids[splined]).get_indexer(one.profile_id), one.cm_index] = one.value
        np.testing.assert_allclose(_spoilt(ours)[splined], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("lam", LAMS)
def test_errors(folder: Path, name: str, lam: float) -> None:
    theirs = _read(folder, f"{name}_est_err")
    theirs = theirs[theirs.lam == lam].set_index("profile_id")
    ours = _ours(folder, name, lam)
    mine = pd.DataFrame({"RMSE": ours.rmse, "RMSE_IQR": ours.rmse_iqr}, index=ours.profile_ids).reindex(theirs.index)
    np.testing.assert_allclose(mine.RMSE, theirs.RMSE, rtol=1e-8, atol=1e-9)
    real = ~(theirs.RMSE < 1e-12)
    np.testing.assert_allclose(mine.RMSE_IQR[real], theirs.RMSE_IQR[real], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_status_and_messages(folder: Path, name: str) -> None:
    """The same profiles are refused for the same reason, and each message has its repairs."""
    theirs = _table(folder, f"{name}_status")
    ours = _ours(folder, name, 0.1)
    status, said = {}, set()
    if theirs is not None:
        theirs = theirs[(theirs.lam == 0.1) & (theirs.d_set == "GSM")].astype(object).fillna("")
        for row in theirs.itertuples():
            told = f"{row.messages} {row.error}"
            status[row.profile_id] = next((mine for text, mine in STATUS_OF_MESSAGE.items() if text in told), "ok")
            said |= {(row.profile_id, mine) for text, mine in FAULT_OF_MESSAGE.items() if text in told}
    assert dict(zip(ours.profile_ids, ours.status, strict=True)) == {name: status.get(name, "ok") for name in ours.profile_ids}
    repairs = ours.repairs[~ours.repairs.fault.isin(["overlap", "depth missing"])]
    # It says nothing about the missing values of a profile that it refuses or that has no others.
    silent = ours.profile_ids[~np.isin(ours.status, ["ok", "one layer"])]
    repairs = repairs[~repairs.profile_id.isin(silent)]
    assert set(zip(repairs.profile_id, repairs.fault, strict=True)) == said


def test_limits(folder: Path) -> None:
    """The range that values are cut to."""
    theirs, table = _read(folder, "aqp_sp3_tc_limits_est_dcm"), _read(folder, "aqp_sp3_tc_input")
    for (vlow, vhigh), part in theirs.groupby(["vlow", "vhigh"]):
        ours = harmonise_paper(table.profile_id, table.upper_cm, table.lower_cm, table.value, DEPTHS["GSM"], 0.1, vlow, vhigh)
        expected = part.pivot(index="profile_id", columns="upper_cm", values="value").reindex(ours.profile_ids)
        np.testing.assert_allclose(ours.means, expected.to_numpy(), rtol=1e-8, atol=1e-9)


def test_one_layer_is_its_value_where_observed(folder: Path) -> None:
    ours = _ours(folder, "hard_cases", 0.1, "D2")
    means = pd.DataFrame(ours.means, index=ours.profile_ids)
    table = _read(folder, "hard_cases_input").set_index("profile_id")
    np.testing.assert_array_equal(means.loc["A_single_0_20"], [table.loc["A_single_0_20", "value"], np.nan])
    np.testing.assert_array_equal(means.loc["A_single_10_30"], [table.loc["A_single_10_30", "value"]] * 2)
    assert means.loc["A_single_deep"].isna().all()


def test_exact_mode_is_the_same_fit_for_equal_thicknesses(folder: Path) -> None:
    """Real values put into equal horizons: where all count the same by thickness too, the fitted means are the peer's formula."""
    table = _read(folder, "edgeroi_ORCDRC_input").dropna()
    place = table.groupby("profile_id").cumcount().to_numpy()
    ids = pd.factorize(table.profile_id, sort=False)[0]
    order = np.argsort(ids, kind="stable")
    code, top, value = ids[order], 10.0 * place[order], table.value.to_numpy()[order]
    exact = fit(code, top, top + 10, value, 0.1, nonnegative=False)
    paper = harmonise_paper(code, top, top + 10, value, [0, 30], 0.1)
    np.testing.assert_allclose(exact.s_bar, paper.layers.s_bar, rtol=1e-10, atol=1e-12)
