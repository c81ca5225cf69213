"""Equivalent soil mass: by hand, compaction, curves, references, what is not known, faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline, PchipInterpolator

from edaphic.errors import TableError
from edaphic.profiles.mass.esm import ESM_COLUMNS, ESM_STATUS, METHODS, equivalent_stocks
from edaphic.profiles.mass.esm_compare import COMPARE_COLUMNS, compare
from edaphic.profiles.mass.esm_cumulative import ENDS, cumulate
from edaphic.profiles.mass.esm_curve import evaluate
from edaphic.profiles.mass.esm_peers import simple_esm_slices, simple_esm_spline, von_haden
from edaphic.profiles.mass.esm_reference import Reference, parse_reference

LAYERS = [(0.0, 30.0), (30.0, 60.0), (0.0, 60.0)]


def horizons(*rows: tuple[str, float, float, float, float], **columns: Any) -> pd.DataFrame:
    """Table of (profile_id, top, bottom, soc, bulk density) rows without stones."""
    table = pd.DataFrame(rows, columns=["profile_id", "top_cm", "bottom_cm", "soc_g_kg", "bulk_density_g_cm3"])
    return table.assign(**{"coarse_fragments_vol_pct": 0.0, "row": np.arange(1, len(rows) + 1), "source": "s", **columns})


def two() -> pd.DataFrame:
    """One profile: 0-20 cm of 1.0 g/cm3 and 20 g/kg, 20-60 cm of 1.5 g/cm3 and 10 g/kg: 200 and 600 kg/m2, 4 and 6 kg/m2."""
    return horizons(("a", 0, 20, 20, 1.0), ("a", 20, 60, 10, 1.5))


def pressed(table: pd.DataFrame, k: float) -> pd.DataFrame:
    return table.assign(top_cm=table.top_cm * k, bottom_cm=table.bottom_cm * k, bulk_density_g_cm3=table.bulk_density_g_cm3 / k)


def faults(table: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(TableError) as caught:
        equivalent_stocks(table, Reference.from_masses([0], [30], [300.0]), **options)
    return "\n".join(caught.value.faults)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_layers_by_hand() -> None:
    """200 kg/m2 hold 4; 350 kg/m2 hold 4 + 150 x 0.01 = 5.5, at 20 + 150 / 15 = 30 cm."""
    result = equivalent_stocks(two(), Reference.from_masses([0, 20], [20, 30], [200.0, 150.0]), method="layers")
    assert list(result.columns) == list(ESM_COLUMNS)
    np.testing.assert_allclose(result.soc_stock_kg_m2, [4.0, 1.5], rtol=1e-14)
    np.testing.assert_allclose(result.depth_bottom_cm, [20.0, 30.0], rtol=1e-14)
    np.testing.assert_allclose(result.depth_top_cm, [0.0, 20.0], rtol=1e-14)
    assert result.status.tolist() == ["ok", "ok"]
    assert result.reason.tolist() == ["", ""]


@pytest.mark.parametrize("method", METHODS)
def test_sampled_limits_are_exact(method: str) -> None:
    table = horizons(("a", 0, 5, 40, 0.9), ("a", 5, 20, 25, 1.1), ("a", 20, 50, 8, 1.4), ("a", 50, 100, 3, 1.5))
    sums = cumulate(table)
    reference = Reference.from_profile(table, "a", [(0, 5), (0, 20), (0, 50), (0, 100)])
    result = equivalent_stocks(table, reference, method=method)
    assert result.soc_stock_kg_m2.tolist() == sums.soc_kg_m2.tolist()


def test_hyman_by_hand() -> None:
    """Knots 0, 4, 10 kg/m2 at masses 0, 200, 800: the parabola 0.02 x - 1.25e-5 x (x - 200) is monotone and stays."""
    reference = Reference.from_masses([0], [30], [500.0])
    result = equivalent_stocks(two(), reference, method="hyman")
    np.testing.assert_allclose(result.soc_stock_kg_m2, 8.125, rtol=1e-14)


def test_hyman_cuts_slopes_by_hand() -> None:
    """Knots 0, 8, 9.2 at 0, 200, 800: the parabola has slopes 0.0305 and -0.0265 where the lower chord, 0.002, allows 0.006 and 0.

    Half way between the last two: their mean and 600 x 0.006 / 8.
    """
    table = horizons(("a", 0, 20, 40, 1.0), ("a", 20, 60, 2, 1.5))
    result = equivalent_stocks(table, Reference.from_masses([0], [30], [500.0]), method="hyman")
    np.testing.assert_allclose(result.soc_stock_kg_m2, 8.6 + 0.45, rtol=1e-14)


def test_stones_are_no_soil() -> None:
    """A quarter of stones: the same fine earth reaches deeper by 4/3, and the carbon on it is the same."""
    reference = Reference.from_masses([0], [15], [150.0])
    plain = equivalent_stocks(two(), reference, method="layers")
    stony = equivalent_stocks(two().assign(coarse_fragments_vol_pct=25.0), reference, method="layers")
    np.testing.assert_allclose(stony.soc_stock_kg_m2, plain.soc_stock_kg_m2, rtol=1e-14)
    np.testing.assert_allclose(stony.depth_bottom_cm, plain.depth_bottom_cm * 4 / 3, rtol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_a_horizon_of_stones_only_takes_depth_and_nothing_else(method: str) -> None:
    table = horizons(("a", 0, 20, 20, 1.0), ("a", 20, 50, 10, 1.0), ("a", 50, 80, 10, 1.5), coarse_fragments_vol_pct=[0, 100, 0])
    result = equivalent_stocks(table, Reference.from_masses([0, 20, 30], [20, 30, 60], [200.0, 150.0, 300.0]), method=method)
    np.testing.assert_allclose(result.depth_bottom_cm, [20.0, 60.0, 80.0], rtol=1e-14)
    np.testing.assert_allclose(result.soc_stock_kg_m2.sum(), 8.5, rtol=1e-14)
    last = equivalent_stocks(table[:2], Reference.from_masses([0], [30], [300.0]), method=method, extrapolate=True)
    np.testing.assert_allclose(last.soc_stock_kg_m2, 6.0, rtol=1e-14)


def test_mineral_mass_leaves_organic_matter_out() -> None:
    """58 g/kg of carbon are 100 g/kg of organic matter: 200 kg/m2 of fine earth are 180 of mineral soil with 11.6 of carbon."""
    table = horizons(("a", 0, 20, 58, 1.0))
    reference = Reference.from_profile(table, "a", [(0, 20)], mass="mineral")
    np.testing.assert_allclose(reference.mass_bottom_kg_m2, [180.0], rtol=1e-14)
    np.testing.assert_allclose(equivalent_stocks(table, reference).soc_stock_kg_m2, 11.6, rtol=1e-14)


# --- compaction -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mass", ["fine_earth", "mineral"])
@pytest.mark.parametrize("method", METHODS)
@given(
    rows=st.lists(
        st.tuples(st.floats(1, 40), st.floats(0, 300), st.floats(0.1, 2.0), st.floats(0, 95)), min_size=1, max_size=7
    ),
    k=st.floats(0.5, 2.0),
    share=st.floats(0.05, 1.0),
)
@settings(max_examples=60, deadline=None)
def test_compaction_and_loosening_change_nothing(
    method: str, mass: str, rows: list[tuple[float, float, float, float]], k: float, share: float
) -> None:
    """T9: thicknesses times k, densities over k: no change on equivalent mass; the stock of fixed depth changes."""
    thick, soc, density, stones = np.array(rows).T
    bottom = np.cumsum(thick)
    table = pd.DataFrame(
        {
            "profile_id": "a", "top_cm": bottom - thick, "bottom_cm": bottom, "soc_g_kg": soc, "bulk_density_g_cm3": density,
            "coarse_fragments_vol_pct": stones,
        }
    )  # fmt: skip
    table["top_cm"] = [0.0, *bottom[:-1]]
    after = pressed(table, k)
    half = (0.0, float(bottom[-1] * share / 2)), (0.0, float(bottom[-1]))
    result = compare(table, after, half, method=method, mass=mass)
    assert result.status_after.tolist() == ["ok", "ok"]
    np.testing.assert_allclose(result.change_kg_m2, 0.0, atol=1e-9)
    np.testing.assert_allclose(result.depth_bottom_after_cm, k * result.depth_bottom_before_cm, rtol=1e-9)


def test_fixed_depth_reports_a_change_that_is_none() -> None:
    """Pressed to 4/5 by hand: 0-30 cm takes 6 cm more from below, of 1.875 g/cm3 and 10 g/kg, than the 24 cm it was."""
    result = compare(two(), pressed(two(), 0.8), [(0, 30)], method="layers")
    np.testing.assert_allclose(result.change_kg_m2, 0.0, atol=1e-12)
    np.testing.assert_allclose(result.fixed_depth_before_kg_m2, 5.5, rtol=1e-14)
    np.testing.assert_allclose(result.fixed_depth_change_kg_m2, 6 * 1.875 * 0.1, rtol=1e-13)
    loose = compare(two(), pressed(two(), 1.25), [(0, 30)], method="layers")
    assert loose.fixed_depth_change_kg_m2[0] < -0.5
    np.testing.assert_allclose(loose.change_kg_m2, 0.0, atol=1e-12)


def test_a_true_gain_is_seen() -> None:
    """1 g/kg more in 200 kg/m2 is 0.2 kg/m2, pressed or not."""
    richer = pressed(two(), 0.8).assign(soc_g_kg=[21.0, 10.0])
    result = compare(two(), richer, [(0, 20)], method="layers")
    np.testing.assert_allclose(result.change_kg_m2, 0.2, rtol=1e-12)


# --- curves ---------------------------------------------------------------------------------------------------------

rises = st.one_of(st.just(0.0), st.floats(1e-6, 20))
knots = st.lists(st.tuples(st.floats(0.1, 300), rises), min_size=1, max_size=8)


@pytest.mark.parametrize("kind", ["linear", "hyman", "pchip"])
@given(rows=knots)
@settings(max_examples=100, deadline=None)
def test_curves_never_fall(kind: str, rows: list[tuple[float, float]]) -> None:
    x, y = np.cumsum(np.array(rows), axis=0).T
    at = np.linspace(0, x[-1], 200)
    curve = evaluate(np.array([0, x.size]), x, y, at[None], kind)[0]
    assert np.diff(curve).min() >= -1e-9 * max(y[-1], 1.0)
    assert curve[0] == 0
    np.testing.assert_array_equal(evaluate(np.array([0, x.size]), x, y, x[None], kind)[0], y)


@given(rows=knots.filter(lambda rows: len(rows) > 1))
@settings(max_examples=100, deadline=None)
def test_pchip_is_scipys(rows: list[tuple[float, float]]) -> None:
    x, y = np.cumsum(np.array(rows), axis=0).T
    at = np.linspace(0, x[-1], 50)
    theirs = PchipInterpolator(np.append(0, x), np.append(0, y))(at)
    np.testing.assert_allclose(evaluate(np.array([0, x.size]), x, y, at[None], "pchip")[0], theirs, rtol=1e-9, atol=1e-9)


def test_unfiltered_spline_has_the_end_conditions_of_four_knots() -> None:
    """Where nothing has to be cut the curve is the cubic spline; a cubic through five knots is met exactly."""
    x = np.array([1.0, 2.0, 4.0, 5.0])

    def cubic(at: np.ndarray) -> np.ndarray:
        return 3 * at + 0.5 * at**2 - 0.05 * at**3

    at = np.linspace(0, 5, 21)
    curve = evaluate(np.array([0, 4]), x, cubic(x), at[None], "hyman")[0]
    np.testing.assert_allclose(curve, cubic(at), rtol=1e-12)
    natural = CubicSpline(np.append(0, x), np.append(0, cubic(x)), bc_type="natural")(at)
    assert np.abs(natural - curve).max() > 1e-3


def test_the_result_of_a_profile_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(3)
    thick = rng.uniform(5, 30, (50, 5))
    bottom = np.cumsum(thick, axis=1)
    table = pd.DataFrame(
        {
            "profile_id": np.repeat([f"p{i}" for i in range(50)], 5),
            "top_cm": np.hstack([np.zeros((50, 1)), bottom[:, :-1]]).ravel(),
            "bottom_cm": bottom.ravel(),
            "soc_g_kg": rng.uniform(1, 60, 250),
            "bulk_density_g_cm3": rng.uniform(0.5, 1.8, 250),
            "coarse_fragments_vol_pct": rng.uniform(0, 60, 250),
        }
    )
    reference = Reference.from_masses([0, 30], [30, 60], [200.0, 250.0])
    for method in METHODS:
        whole = equivalent_stocks(table, reference, method=method)
        shuffled = equivalent_stocks(table.sample(frac=1, random_state=1), reference, method=method)
        alone = equivalent_stocks(table[table.profile_id == "p31"], reference, method=method)
        pd.testing.assert_frame_equal(whole[whole.profile_id == "p31"].reset_index(drop=True), alone, check_exact=True)
        both = [one.sort_values(["profile_id", "top_cm"]).reset_index(drop=True) for one in (whole, shuffled)]
        pd.testing.assert_frame_equal(*both, check_exact=True)


# --- references -----------------------------------------------------------------------------------------------------


def test_reference_of_a_profile_mean_and_minimum() -> None:
    table = horizons(("a", 0, 60, 10, 1.0), ("b", 0, 60, 10, 1.5), ("short", 0, 30, 10, 0.5))
    assert Reference.from_profile(table, "b", LAYERS).mass_bottom_kg_m2 == (450.0, 900.0, 900.0)
    mean = Reference.from_profiles(table, LAYERS)
    assert mean.mass_bottom_kg_m2 == (375.0, 750.0, 750.0)
    assert mean.mass_top_kg_m2 == (0.0, 375.0, 0.0)
    assert mean.origin == "mean of 2 of 3 profiles"
    assert Reference.from_profiles(table, LAYERS, "minimum").mass_bottom_kg_m2 == (300.0, 600.0, 600.0)


def test_with_the_minimum_nothing_is_missing() -> None:
    rows = [(str(i), 0, 60, 10, 1 + i / 10) for i in range(6)]
    result = equivalent_stocks(horizons(*rows), Reference.from_profiles(horizons(*rows), LAYERS, "minimum"))
    assert set(result.status) == {"ok"}
    assert result.soc_stock_kg_m2.notna().all()


@pytest.mark.parametrize("column,factor", [("kg_m2", 1.0), ("t_ha", 10.0), ("Mg_ha", 10.0), ("g_cm2", 0.1)])
def test_table_of_masses_in_its_units(tmp_path: Path, column: str, factor: float) -> None:
    path = tmp_path / "masses.csv"
    path.write_text(f"top_cm,bottom_cm,soil_mass_{column}\n0,10,{120 * factor:g}\n10,30,{260 * factor:g}\n30,60,{400 * factor:g}\n")
    np.testing.assert_allclose(parse_reference(str(path), two(), None).mass_bottom_kg_m2, [120, 380, 780], rtol=1e-14)
    wanted = parse_reference(str(path), two(), LAYERS)
    np.testing.assert_allclose(wanted.mass_bottom_kg_m2, [380, 780, 780], rtol=1e-14)
    assert wanted.layers == tuple(LAYERS)


def test_parse_reference_names() -> None:
    assert parse_reference("profile: a", two(), LAYERS) == Reference.from_profile(two(), "a", LAYERS)
    assert parse_reference("mean", two(), LAYERS) == Reference.from_profiles(two(), LAYERS)
    assert parse_reference("minimum", two(), LAYERS, mass="mineral").mass == "mineral"


@pytest.mark.parametrize(
    "text,layers,told",
    [
        ("nowhere.csv", LAYERS, "no such file; expected a table of masses, profile:ID, mean or minimum"),
        ("profile:x", LAYERS, "no profile 'x'"),
        ("profile:a", [(0, 100)], "profile a: masses known to 60 cm at most (deepest sample); expected 100 cm"),
        ("mean", [(0, 100)], "reference mean: masses known to 60 cm"),
        ("mean", [], "found no layers"),
        ("minimum", [(30, 10)], "layers: found 30-10 cm"),
    ],
)
def test_parse_reference_faults(text: str, layers: list[tuple[float, float]], told: str) -> None:
    with pytest.raises(TableError, match=told.replace("(", r"\(").replace(")", r"\)")):
        parse_reference(text, two(), layers)


@pytest.mark.parametrize(
    "text,told",
    [
        ("top_cm,bottom_cm\n0,30\n", "no column of soil mass; expected one of soil_mass_kg_m2"),
        ("top_cm,bottom_cm,soil_mass_kg_m2,soil_mass_t_ha\n0,30,1,2\n", "found soil_mass_kg_m2, soil_mass_t_ha; expected one"),
        ("top_cm,soil_mass_t_ha\n0,30\n", "no column bottom_cm"),
        ("top_cm,bottom_cm,soil_mass_t_ha\n0,30,many\n", "soil_mass_t_ha holds text"),
        ("top_cm,bottom_cm,soil_mass_t_ha\n0,30,0\n", "soil mass of 0 kg/m2; expected above 0"),
        ("top_cm,bottom_cm,soil_mass_t_ha\n0,30,NA\n30,60,5\n", "soil mass of nan kg/m2"),
        ("top_cm,bottom_cm,soil_mass_t_ha\n0,30,10\n40,60,10\n", "found layer 40-60 cm; expected layers from 0 cm down"),
        ("top_cm,bottom_cm,soil_mass_t_ha\n5,30,10\n30,60,5\n", "found layer 5-30 cm"),
        ("top_cm,bottom_cm,soil_mass_t_ha\n0,20,10\n20,60,5\n", "no mass above 30 cm; expected limits out of 0, 20, 60 cm"),
    ],
)
def test_table_of_masses_faults(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "masses.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=told):
        parse_reference(str(path), two(), LAYERS)


@pytest.mark.parametrize(
    "limits,told",
    [
        (((0.0,), (30.0,), (0.0,), (0.0,)), "expected cumulative masses that increase"),
        (((0.0, 30.0), (30.0, 60.0), (0.0, 400.0), (400.0, 300.0)), "expected cumulative masses that increase"),
        (((0.0, 30.0), (30.0, 60.0), (0.0, 300.0), (400.0, 800.0)), "300 kg/m2 above 30 cm and 400 kg/m2 above 30 cm"),
        (((0.0,), (30.0,), (0.0,), (np.nan,)), "increase"),
        (((), (), (), ()), "no layers"),
        (((30.0,), (0.0,), (0.0,), (10.0,)), "expected 0 <= top < bottom"),
    ],
)
def test_reference_faults(limits: Any, told: str) -> None:
    with pytest.raises(TableError, match=told):
        Reference(*limits)


# --- what is not known ----------------------------------------------------------------------------------------------


def test_below_the_sample_nothing_is_made_up() -> None:
    """800 kg/m2 sampled; the layer from 500 to 1000 kg/m2 was sampled to three fifths."""
    reference = Reference.from_masses([0, 30, 60], [30, 60, 90], [500.0, 500.0, 100.0])
    plain = equivalent_stocks(two(), reference, method="layers")
    assert plain.status.tolist() == ["ok", "incomplete", "uncovered"]
    assert plain.reason.tolist() == ["", "deepest sample", "deepest sample"]
    np.testing.assert_allclose(plain.coverage, [1.0, 0.6, 0.0], rtol=1e-14)
    assert plain.soc_stock_kg_m2.isna().tolist() == [False, True, True]
    more = equivalent_stocks(two(), reference, extrapolate=True)
    assert more.status.tolist() == ["ok", "extrapolated", "extrapolated"]
    np.testing.assert_allclose(more.soc_stock_kg_m2[0] + more.soc_stock_kg_m2[1], 10 + 200 * 0.01, rtol=1e-14)
    np.testing.assert_allclose(more.soc_stock_kg_m2[2], 1.0, rtol=1e-12)
    np.testing.assert_allclose(more.depth_bottom_cm[1:], [60 + 200 / 15, 60 + 300 / 15], rtol=1e-14)
    assert set(plain.status) | set(more.status) <= set(ESM_STATUS)


@pytest.mark.parametrize(
    "change,reason,end_cm",
    [
        ({"top_cm": [0, 25]}, "gap", 20),
        ({"top_cm": [5, 20]}, "not sampled from the surface", 0),
        ({"bulk_density_g_cm3": [1.0, np.nan]}, "bulk density missing", 20),
        ({"bulk_density_g_cm3": [np.nan, 1.0]}, "bulk density missing", 0),
        ({"coarse_fragments_vol_pct": [0, np.nan]}, "coarse fragments missing", 20),
        ({"soc_g_kg": [20, np.nan]}, "soc missing", 20),
        ({"below": ["", "rock"]}, "rock", 60),
        ({"below": ["", "unknown"]}, "deepest sample", 60),
    ],
)
def test_what_ends_a_profile(change: dict[str, list[Any]], reason: str, end_cm: float) -> None:
    """And only the deepest sample is continued, when asked for."""
    table = pd.concat([two().assign(profile_id="z"), two().assign(**change), two().assign(profile_id="b")])
    sums = cumulate(table)
    assert sums.ends.tolist() == ["deepest sample", reason, "deepest sample"]
    assert sums.end_cm.tolist() == [60, end_cm, 60]
    assert reason in ENDS
    result = equivalent_stocks(table, Reference.from_masses([0], [90], [1000.0]), extrapolate=True)
    continued = reason == "deepest sample"
    assert result.reason.tolist() == ["deepest sample", reason, "deepest sample"]
    assert (result.status[1] == "extrapolated") is continued
    assert result.soc_stock_kg_m2.notna().tolist() == [True, continued, True]
    assert result.status[1] == {0: "uncovered"}.get(int(end_cm), "extrapolated" if continued else "incomplete")


def test_organic_horizon_has_no_mineral_mass() -> None:
    table = horizons(("a", 0, 10, 590, 0.1), ("a", 10, 40, 10, 1.4))
    reference = Reference.from_masses([0], [30], [300.0], mass="mineral")
    result = equivalent_stocks(table, reference)
    assert result.reason.tolist() == ["no mineral mass"]
    assert result.status.tolist() == ["uncovered"]


def test_one_horizon_is_a_straight_line() -> None:
    for method in METHODS:
        result = equivalent_stocks(horizons(("a", 0, 40, 20, 1.0)), Reference.from_masses([0], [25], [250.0]), method=method)
        np.testing.assert_allclose(result.soc_stock_kg_m2, 5.0, rtol=1e-14)


def test_place_year_and_order_are_carried() -> None:
    table = pd.concat([two().assign(profile_id=name, lon=lon, lat=41.0, year=2000.0) for name, lon in (("b", 1.0), ("a", 2.0))])
    result = equivalent_stocks(table, Reference.from_masses([0, 10], [10, 20], [100.0, 100.0]))
    assert result.profile_id.tolist() == ["b", "b", "a", "a"]
    assert result.lon.tolist() == [1, 1, 2, 2]
    assert result[["year", "source"]].values.tolist() == [[2000.0, "s"]] * 4
    assert equivalent_stocks(two(), Reference.from_masses([0], [10], [100.0])).lon.isna().all()


# --- two dates ------------------------------------------------------------------------------------------------------


def test_compare_pairs_by_a_column_and_tells_the_unpaired() -> None:
    before = pd.concat([two().assign(profile_id=f"{name}@2000", site=name, year=2000.0, lon=21.0) for name in "cab"])
    after = pd.concat([two().assign(profile_id=f"{name}@2020", site=name, year=2020.0, lat=41.0) for name in "bde"])
    result = compare(before, after, Reference.from_masses([0], [20], [200.0]), by="site")
    assert list(result.columns) == ["site", *COMPARE_COLUMNS]
    assert result.site.tolist() == list("cabde")
    assert result.status_before.tolist() == ["ok"] * 3 + ["not sampled"] * 2
    assert result.status_after.tolist() == ["not sampled"] * 2 + ["ok"] * 3
    np.testing.assert_array_equal(result.change_kg_m2, [np.nan, np.nan, 0.0, np.nan, np.nan])
    np.testing.assert_array_equal(result.year_after, [np.nan, np.nan, 2020, 2020, 2020])
    assert result.stock_before_kg_m2[0] == 4.0
    own = compare(before, after, [(0, 20)], by="site")
    assert own.status_after.tolist() == ["not sampled"] * 2 + ["ok"] + ["no reference"] * 2
    np.testing.assert_allclose(own.soil_mass_kg_m2[:3], 200.0, rtol=1e-14)


def test_compare_on_own_mass_that_is_not_known() -> None:
    result = compare(two(), two(), [(0, 30), (30, 100)])
    assert result.status_before.tolist() == ["ok", "no reference"]
    assert result.change_kg_m2.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "change,options,told",
    [
        ({}, {"by": "site"}, "before: no column site"),
        ({"site": "x"}, {"by": "site"}, "several profiles named 'x'"),
        ({"site": [np.nan] * 2 + ["b"] * 2}, {"by": "site"}, "missing for 1 profiles"),
        ({}, {"method": "cubic"}, "method: found 'cubic'; expected one of spline, hyman, layers"),
        ({}, {"mass": "dry"}, "mass: found 'dry'"),
    ],
)
def test_compare_faults(change: dict[str, Any], options: dict[str, Any], told: str) -> None:
    before = pd.concat([two(), two().assign(profile_id="b")]).assign(**change)
    with pytest.raises(TableError, match=told):
        compare(before, before, [(0, 20)], **options)
    with pytest.raises(TableError, match="expected 0 <= top < bottom"):
        compare(before, before, [(20, 0)])


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change,told",
    [
        ({"top_cm": [0, 15]}, "profile a, row 2 (of 1 horizons): horizons overlap; expected none (clean first)"),
        ({"top_cm": [-5, 20]}, "above the surface"),
        ({"bottom_cm": [20, np.nan]}, "depth missing"),
        ({"bottom_cm": [20, 20]}, "bottom not below top"),
        ({"bulk_density_g_cm3": [1.0, 0.0]}, "bulk density not above 0"),
        ({"coarse_fragments_vol_pct": [0, 101]}, "coarse fragments outside 0 to 100 %"),
        ({"soc_g_kg": [20, -1]}, "soc outside 0 to 1000 g/kg"),
        ({"soc_g_kg": ["20", "x"]}, "column soc_g_kg holds text"),
        ({"profile_id": ["a", None]}, "profile_id missing in 1 horizons"),
        ({"bulk_density_basis": ["fine_earth", "whole_soil"]}, "bulk density of the whole soil"),
    ],
)
def test_table_faults(change: dict[str, Any], told: str) -> None:
    assert told in faults(two().assign(**change))


def test_all_faults_at_once() -> None:
    found = faults(two().assign(soc_g_kg=-1.0, bulk_density_g_cm3=0.0)).splitlines()
    assert len(found) == 2
    missing = faults(two().drop(columns=["bulk_density_g_cm3", "coarse_fragments_vol_pct"])).splitlines()
    assert len(missing) == 2


def test_filled_bulk_density_is_of_the_fine_earth_whatever_it_was() -> None:
    table = two().assign(bulk_density_basis="whole_soil", bulk_density_source="measured")
    assert equivalent_stocks(table, Reference.from_masses([0], [20], [200.0])).status.tolist() == ["ok"]


def test_empty_table() -> None:
    result = equivalent_stocks(two()[:0], Reference.from_masses([0], [20], [200.0]))
    assert list(result.columns) == list(ESM_COLUMNS)
    assert result.empty
    assert compare(two(), two()[:0], [(0, 20)]).status_after.tolist() == ["not sampled"]
    with pytest.raises(TableError, match="masses known to no profiles"):
        Reference.from_profiles(two()[:0], LAYERS)


def test_peers_refuse_what_they_do_not_know() -> None:
    apart = Reference.from_profile(two(), "a", [(0, 30), (0, 60)])
    for method in (simple_esm_slices, simple_esm_spline):
        with pytest.raises(TableError, match="each from the limit above"):
            method(two(), apart)
    with pytest.raises(TableError, match="expected mineral"):
        von_haden(two(), Reference.from_masses([0], [20], [200.0]))
    with pytest.raises(TableError, match="whole millimetres"):
        simple_esm_slices(two().assign(top_cm=[0, 20.05], bottom_cm=[20.05, 60]), Reference.from_masses([0], [20], [200.0]))


def test_slices_go_on_below_the_sample() -> None:
    """20 cm of 1.25 g/cm3 are 250 kg/m2; 300 kg/m2 take 40 slices more."""
    reached = simple_esm_slices(horizons(("a", 0, 20, 10, 1.25)), Reference.from_masses([0], [20], [300.5]))
    np.testing.assert_allclose(reached.soil_mass_kg_m2, 300.0, rtol=1e-12)
    np.testing.assert_allclose(reached.soc_stock_kg_m2, 3.0, rtol=1e-12)
