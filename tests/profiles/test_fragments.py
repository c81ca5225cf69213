"""Coarse fragments: classes, means of profiles, the chain of sources and their errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles.density.fragments import (
    FRAGMENT_SOURCES,
    WISE_SD_VOL_PCT,
    class_values,
    fill_fragments,
    measured_sd_vol_pct,
    others_of_profile,
)

NAN = np.nan


def horizons(ids: str, thickness: list[float] | None = None, **columns: object) -> pd.DataFrame:
    bottom = np.cumsum(thickness or [10.0] * len(ids))
    top = bottom - (thickness or [10.0] * len(ids))
    return pd.DataFrame({"profile_id": list(ids), "top_cm": top, "bottom_cm": bottom}).assign(**columns)


def test_fao_classes() -> None:
    value, sd, unknown = class_values(pd.Series(["N", "V", "F", "C", "M", "A", "D", "very few", " dominant ", "S", None, ""]))
    np.testing.assert_array_equal(value, [0, 1, 3.5, 10, 27.5, 60, 90, 1, 90, NAN, NAN, NAN])
    np.testing.assert_allclose(sd[:7], np.array([0, 2, 3, 10, 25, 40, 20]) / np.sqrt(12))
    assert unknown == {"s": 1}


def test_own_classes() -> None:
    value, sd, unknown = class_values(pd.Series(["stony", "Rocky", "C"]), {"Stony": 20.0, "rocky": (40.0, 80.0)})
    np.testing.assert_array_equal(value, [20, 60, NAN])
    np.testing.assert_allclose(sd, [25 / np.sqrt(12), 40 / np.sqrt(12), NAN])
    assert unknown == {"c": 1}


def test_error_of_an_estimate_by_eye_is_that_of_its_class() -> None:
    found = measured_sd_vol_pct(np.array([0.0, 2.0, 2.1, 15.0, 15.1, 80.0, 100.0, NAN]))
    np.testing.assert_allclose(found * np.sqrt(12), [2, 2, 3, 10, 25, 40, 20, NAN])


def test_other_horizons_of_the_profile_by_thickness() -> None:
    """Of a: (10 x 8 + 30 x 20) / 40 for the third; the first sees the second only. Of b nothing else is known."""
    found = others_of_profile(np.array([0, 0, 0, 1]), np.array([10.0, 30, 20, 5]), np.array([8.0, 20, NAN, 4]))
    np.testing.assert_allclose(found, [20, 8, 17, NAN])


def test_chain_in_order_with_provenance_and_error() -> None:
    table = horizons("aaabbc", [10, 30, 20, 20, 20, 20], coarse_fragments_class=["C", "", "", "M", "", ""])
    filled = fill_fragments(table, np.array([8.0, 20.0, NAN, NAN, NAN, NAN]))
    assert filled.source.tolist() == ["measured", "measured", "profile", "class", "profile", "assumed"]
    np.testing.assert_allclose(filled.vol_pct, [8, 20, 17, 27.5, 27.5, 20])
    np.testing.assert_allclose(filled.sd_vol_pct, [10 / 12**0.5, 25 / 12**0.5, 14.6, 25 / 12**0.5, 14.6, 20.0])
    counts = {"measured": 2, "class": 1, "profile": 2, "grid": 0, "assumed": 1, "missing": 0, "assumed_vol_pct": 20.0}
    assert {name: filled.summary[name] for name in counts} == counts


def test_other_order() -> None:
    table = horizons("ab", coarse_fragments_class=["C", "F"])
    filled = fill_fragments(
        table, np.array([30.0, NAN]), chain=("class", "measured", "grid"), grid_vol_pct=np.array([1.0, 2.0]), classes={"c": 12.0}
    )
    assert filled.vol_pct.tolist() == [12.0, 2.0]
    assert filled.source.tolist() == ["class", "grid"]
    assert filled.summary["unknown_classes"] == {"f": 1}


def test_without_a_constant_missing_stays_missing() -> None:
    filled = fill_fragments(horizons("ab"), np.array([30.0, NAN]), chain=("measured", "profile"))
    np.testing.assert_array_equal(filled.vol_pct, [30.0, NAN])
    assert filled.source.tolist() == ["measured", ""]
    assert np.isnan(filled.sd_vol_pct[1])
    assert filled.summary["missing"] == 1


def test_nothing_known_is_no_stones() -> None:
    filled = fill_fragments(horizons("ab"), np.array([NAN, NAN]))
    assert filled.vol_pct.tolist() == [0.0, 0.0]
    assert fill_fragments(horizons("ab"), np.array([NAN, 9.0]), missing_vol_pct=5.0).vol_pct.tolist() == [5.0, 9.0]


def test_own_error_from_thirty_horizons_on() -> None:
    """Pairs that differ by 6: the other horizon is always 6 off; 10 assumed is 0 and 6 off in turn."""
    table = horizons("".join(chr(97 + i) * 2 for i in range(15)) + "z")
    filled = fill_fragments(table, np.append(np.tile([10.0, 16.0], 15), NAN), missing_vol_pct=10.0)
    errors = filled.summary["sd"]
    assert errors["profile"] == {"sd_vol_pct": 6.0, "checked_on": 30, "checked_against": "this table"}
    assert errors["assumed"]["sd_vol_pct"] == pytest.approx(np.sqrt(18))
    assert filled.sd_vol_pct[-1] == pytest.approx(np.sqrt(18))


def test_errors_are_those_measured_on_wise(shared: Path) -> None:
    raw = pd.read_csv(shared / "data" / "wise_profiles" / "wise_layers.csv.gz")
    table = pd.DataFrame({"profile_id": raw.SOURCEID, "top_cm": raw.UHDICM, "bottom_cm": raw.LHDICM})
    usable = raw.CRFVOL.between(0, 100) & (raw.LHDICM > raw.UHDICM)
    filled = fill_fragments(table[usable], raw.CRFVOL[usable].to_numpy())
    found = {name: error["sd_vol_pct"] for name, error in filled.summary["sd"].items()}
    assert found == pytest.approx(dict(WISE_SD_VOL_PCT), abs=0.06)
    assert [filled.summary["sd"][name]["checked_on"] for name in ("profile", "assumed")] == [8082, 8358]


_rows = st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.just(NAN), st.floats(0, 100)), st.sampled_from(["", "C", "x"])), min_size=1)


@settings(max_examples=60, deadline=None)
@given(_rows, st.permutations(FRAGMENT_SOURCES[:3]))
def test_filling_completes_and_changes_no_measurement(rows: list[tuple[str, float, str]], order: list[str]) -> None:
    ids, given_vol_pct, texts = zip(*rows, strict=True)
    table, measured = horizons("".join(ids), coarse_fragments_class=list(texts)), np.array(given_vol_pct)
    filled = fill_fragments(table, measured, chain=(*order, "assumed"))
    assert ((filled.vol_pct >= 0) & (filled.vol_pct <= 100)).all()
    assert (filled.sd_vol_pct >= 0).all()
    kept = filled.source == "measured"
    assert (filled.vol_pct[kept] == measured[kept]).all()
    assert sum(filled.summary[name] for name in FRAGMENT_SOURCES) == len(rows)


def test_faults_are_all_told() -> None:
    with pytest.raises(TableError) as caught:
        fill_fragments(
            horizons("a"), np.array([1.0]), chain=("measured", "guess", "grid", "grid"), missing_vol_pct=120.0,
            classes={"C": 130.0, "M": (40.0, 15.0)},
        )  # fmt: skip
    assert [fault.split(";")[0] for fault in caught.value.faults] == [
        "coarse fragments: unknown source 'guess' in the chain",
        "coarse fragments: found the chain measured, guess, grid, grid",
        "class of coarse fragments 'C': found 130.0",
        "class of coarse fragments 'M': found (40.0, 15.0)",
        "missing coarse fragments: found 120.0 vol%",
        "coarse fragments: 'grid' in the chain without values",
    ]
    with pytest.raises(TableError, match="found -1 to 5 vol%; expected 0 to 100"):
        fill_fragments(horizons("ab"), np.array([1.0, 1.0]), chain=("grid",), grid_vol_pct=np.array([-1.0, 5.0]))
