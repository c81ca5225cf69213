"""Equivalent soil mass against stored results of SimpleESM (2022-12-16) and of the script of von Haden et al. (2020).

Files are in t/ha or g/cm2 and carry 15 digits; the tolerance is 1e-11 relative for carbon and mass. A difference of two
cumulative values and what is divided by it loses digits: 1e-9.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles.mass.esm_cumulative import cumulate
from edaphic.profiles.mass.esm_curve import KINDS, evaluate
from edaphic.profiles.mass.esm_peers import simple_esm_slices, simple_esm_spline, von_haden
from edaphic.profiles.mass.esm_reference import Reference

T_HA = 10.0
G_CM2 = 0.1
WHO = ["Campaign", "Plot", "Point"]
LAYERS = [(0.0, 10.0), (10.0, 20.0), (20.0, 35.0), (35.0, 40.0), (40.0, 60.0)]
HADEN = {"a_temporal_paired": 0, "b_temporal_random": 1, "d_protocol": 6}
"""Data sets, and how many levels lie below the sampled mass."""
HADEN_LAYERS = [(0.0, 10.0), (10.0, 30.0), (30.0, 50.0), (50.0, 100.0)]


def close(ours: pd.Series, theirs: pd.Series, factor: float = 1.0, rtol: float = 1e-11) -> None:
    np.testing.assert_allclose(ours.to_numpy() * factor, theirs.to_numpy(), rtol=rtol, atol=1e-15)


# --- SimpleESM ------------------------------------------------------------------------------------------------------


def fine(folder: Path) -> pd.DataFrame:
    """Its densities have finer limits than its concentrations, which are those of the layer around."""
    density = pd.read_csv(folder / "simpleesm_input_BD.csv")
    content = pd.read_csv(folder / "simpleesm_input_Concentrations.csv")
    table = density.merge(content, on=WHO, suffixes=("", "_of"))
    table = table[(table.Upper_cm <= table.Upper_cm_of) & (table.Lower_cm >= table.Lower_cm_of)]
    return pd.DataFrame(
        {
            "profile_id": table[WHO].agg("_".join, axis=1),
            "top_cm": -table.Upper_cm.astype(float),
            "bottom_cm": -table.Lower_cm.astype(float),
            "bulk_density_g_cm3": table.BD_g_cm3,
            "coarse_fragments_vol_pct": 0.0,
            "layer": -table.Upper_cm_of,
            **{name: table[name] for name in ("SOC_g_kg", "N_g_kg", "d13C_per1000", "d15N_per1000")},
        }
    ).reset_index(drop=True)


def coarse(table: pd.DataFrame) -> pd.DataFrame:
    """One horizon for each layer of concentrations, with the mean density."""
    table = table.assign(mass=table.bulk_density_g_cm3 * (table.bottom_cm - table.top_cm))
    groups = table.groupby(["profile_id", "layer"], sort=False)
    one = groups.first().assign(top_cm=groups.top_cm.min(), bottom_cm=groups.bottom_cm.max())
    return one.assign(bulk_density_g_cm3=groups.mass.sum() / (one.bottom_cm - one.top_cm)).reset_index()


def manual(folder: Path) -> Reference:
    masses = pd.read_csv(folder / "simpleesm_input_Ref_soil_mass.csv")
    return Reference.from_masses(-masses.Upper_cm, -masses.Lower_cm, masses.Ref_soil_mass_t_ha / T_HA)


def check(theirs: pd.DataFrame, table: pd.DataFrame, reference: Reference, mark: str) -> None:
    """Every column of a file; a ratio of isotopes is carbon weighted by it over carbon."""
    method = simple_esm_slices if mark == "ESM" else simple_esm_spline
    soc = method(table.assign(soc_g_kg=table.SOC_g_kg), reference)
    assert soc.profile_id.tolist() == theirs.Point_ID.tolist()
    close(soc.cumulative_mass_kg_m2, theirs[f"Soil_mass_cum_{mark}"], T_HA)
    close(soc.soil_mass_kg_m2, theirs[f"Soil_mass_{mark}"], T_HA)
    close(soc.cumulative_soc_kg_m2, theirs[f"SOC_stock_cum_{mark}"], T_HA)
    close(soc.soc_stock_kg_m2, theirs[f"SOC_stock_{mark}"], T_HA)
    close(soc.soc_g_kg, theirs[f"SOC_g_kg_{mark}"])
    if f"N_stock_{mark}" not in theirs:
        return
    n = method(table.assign(soc_g_kg=table.N_g_kg), reference)
    close(n.cumulative_soc_kg_m2, theirs[f"N_stock_cum_{mark}"], T_HA)
    close(n.soc_stock_kg_m2, theirs[f"N_stock_{mark}"], T_HA)
    close(n.soc_g_kg, theirs[f"N_g_kg_{mark}"])
    close(soc.soc_stock_kg_m2 / n.soc_stock_kg_m2, theirs[f"C_N_ratio_{mark}"])
    close(soc.cumulative_soc_kg_m2 / n.cumulative_soc_kg_m2, theirs[f"C_N_ratio_cum_{mark}"])
    c13 = method(table.assign(soc_g_kg=-table.SOC_g_kg * table.d13C_per1000), reference)
    n15 = method(table.assign(soc_g_kg=table.N_g_kg * table.d15N_per1000), reference)
    close(-c13.cumulative_soc_kg_m2 / soc.cumulative_soc_kg_m2, theirs[f"d13C_per1000_cum_{mark}"])
    close(-c13.soc_stock_kg_m2 / soc.soc_stock_kg_m2, theirs[f"d13C_per1000_{mark}"])
    close(n15.cumulative_soc_kg_m2 / n.cumulative_soc_kg_m2, theirs[f"d15N_per1000_cum_{mark}"])
    close(n15.soc_stock_kg_m2 / n.soc_stock_kg_m2, theirs[f"d15N_per1000_{mark}"])


@pytest.mark.parametrize("option", ["manualref", "autoref"])
@pytest.mark.parametrize("mark", ["ESM", "ESM2"])
def test_simple_esm(shared: Path, option: str, mark: str) -> None:
    folder = shared / "oracles" / "esm"
    table = fine(folder) if mark == "ESM" else coarse(fine(folder))
    if option == "manualref":
        reference = manual(folder)
    else:
        reference = Reference.from_profiles(table.assign(soc_g_kg=0.0), LAYERS, "minimum")
    check(pd.read_csv(folder / f"simpleesm_{option}_Output_{mark}.csv"), table, reference, mark)


def test_slices_fall_short_of_the_reference_by_less_than_one(shared: Path) -> None:
    """The quirk: it must be there, or the comparison above shows nothing."""
    folder = shared / "oracles" / "esm"
    table = fine(folder).assign(soc_g_kg=1.0)
    reference = manual(folder)
    reached = simple_esm_slices(table, reference).cumulative_mass_kg_m2.to_numpy().reshape(-1, 5)
    short = np.array(reference.mass_bottom_kg_m2) - reached
    assert short.max() > 1.0
    assert short.min() > -1e-9
    assert short.max() < 0.1 * 10 * table.bulk_density_g_cm3.max()


def test_simple_esm_fixed_depth(shared: Path) -> None:
    folder = shared / "oracles" / "esm"
    theirs = pd.read_csv(folder / "simpleesm_manualref_Output_FD.csv")
    table = coarse(fine(folder))
    for column, mark in (("SOC_g_kg", "SOC"), ("N_g_kg", "N")):
        sums = cumulate(table.assign(soc_g_kg=table[column]))
        close(pd.Series(sums.mass_kg_m2), theirs.Soil_mass_cum, T_HA)
        close(pd.Series(sums.soc_kg_m2), theirs[f"{mark}_stock_cum_FD"], T_HA)
    for element, isotope, sign in (("SOC_g_kg", "d13C_per1000", -1.0), ("N_g_kg", "d15N_per1000", 1.0)):
        whole = cumulate(table.assign(soc_g_kg=table[element]))
        weighted = cumulate(table.assign(soc_g_kg=sign * table[element] * table[isotope]))
        close(pd.Series(sign * weighted.soc_kg_m2 / whole.soc_kg_m2), theirs[f"{isotope}_cum_FD"])


# --- von Haden et al. -----------------------------------------------------------------------------------------------


def haden_input(folder: Path, name: str) -> pd.DataFrame:
    table = pd.read_csv(folder / f"vonhaden_{name}_input.csv")
    return pd.DataFrame(
        {
            "profile_id": table.ID + "#" + table.Rep.astype(str),
            "core": table.ID,
            "reference": table.Ref_ID,
            "top_cm": table.Upper_cm.astype(float),
            "bottom_cm": table.Lower_cm.astype(float),
            "soc_g_kg": table.SOC_pct * 10.0,
            "bulk_density_g_cm3": table.BD_g_cm3,
            "coarse_fragments_vol_pct": 0.0,
        }
    )


@pytest.mark.parametrize("name", HADEN)
def test_von_haden_fixed_depth(shared: Path, name: str) -> None:
    folder = shared / "oracles" / "esm"
    theirs = pd.read_csv(folder / f"vonhaden_{name}_fd.csv")
    theirs = theirs.assign(who=theirs.ID + "#" + theirs.Rep.astype(str))
    table = haden_input(folder, name)
    fine_earth, mineral = cumulate(table), cumulate(table, "mineral")
    who = table.drop_duplicates(["profile_id", "top_cm"]).profile_id
    theirs = theirs.set_index(["who", "Lower_cm"]).loc[list(zip(who, fine_earth.depth_cm, strict=True))]
    close(pd.Series(fine_earth.mass_kg_m2), theirs.Cum_Soil_g_cm2, G_CM2)
    close(pd.Series(mineral.mass_kg_m2), theirs.Cum_Min_Soil_g_cm2, G_CM2)
    close(pd.Series(mineral.soc_kg_m2), theirs.Cum_SOC_g_cm2, G_CM2)
    close(pd.Series(fine_earth.mass_kg_m2 - mineral.mass_kg_m2), theirs.Cum_SOM_g_cm2, G_CM2, 1e-11)


@pytest.mark.parametrize("name", HADEN)
@pytest.mark.parametrize("extrapolate", [True, False])
def test_von_haden(shared: Path, name: str, extrapolate: bool) -> None:
    """All columns of all rows; levels that the script drops are those without a value here, and no others."""
    folder = shared / "oracles" / "esm"
    theirs = pd.read_csv(folder / f"vonhaden_{name}_esm_{'extrap' if extrapolate else 'noextrap'}.csv")
    theirs = theirs.assign(who=theirs.ID + "#" + theirs.Rep.astype(str)).set_index(["who", "Lower_cm"])
    table = haden_input(folder, name)
    seen = dropped = 0
    for core in table.reference.unique():
        reference = Reference.from_profiles(table[table.core == core], HADEN_LAYERS, "mean", mass="mineral")
        cores = table[(table.reference == core) & (table.core != core)]
        ours = von_haden(cores, reference, extrapolate=extrapolate)
        dropped += int((ours.status == "dropped").sum())
        ours = ours[ours.status != "dropped"]
        them = theirs.loc[list(zip(ours.profile_id, ours.bottom_cm, strict=True))]
        seen += len(ours)
        close(ours.cumulative_mass_kg_m2, them.Cum_Min_Soil_g_cm2, G_CM2)
        close(ours.cumulative_soc_kg_m2, them.Cum_SOC_g_cm2, G_CM2)
        close(ours.soil_mass_kg_m2, them.Min_Soil_g_cm2, G_CM2)
        close(ours.soc_stock_kg_m2, them.SOC_g_cm2, G_CM2)
        close(ours.organic_matter_kg_m2, them.SOM_g_cm2, G_CM2)
        close(ours.fine_earth_kg_m2, them.Soil_g_cm2, G_CM2)
        close(ours.soc_g_kg, them.SOC_pct, 0.1)
        close(1000 * ours.organic_matter_kg_m2 / ours.fine_earth_kg_m2, them.SOM_pct, 0.1)
        close(ours.bulk_density_g_cm3, them.BD_g_cm3)
    assert seen == len(theirs)
    assert dropped == (0 if extrapolate else HADEN[name])


# --- which curve is nearest to what was sampled ---------------------------------------------------------------------


def test_curves_at_a_limit_that_was_left_out(shared: Path) -> None:
    """The figures of :mod:`edaphic.profiles.mass.esm`: ISRIC-WISE, each inner limit once taken out of its profile."""
    wise = pd.read_csv(shared / "data" / "wise_profiles" / "wise_layers.csv.gz", low_memory=False)
    table = pd.DataFrame(
        {
            "profile_id": wise.SOURCEID,
            "top_cm": wise.UHDICM,
            "bottom_cm": wise.LHDICM,
            "soc_g_kg": wise.ORCDRC.where(wise.ORCDRC <= 600),
            "bulk_density_g_cm3": (wise.BLD / 1000).where((wise.BLD / 1000).between(0.02, 2.65)),
            "coarse_fragments_vol_pct": wise.CRFVOL.fillna(0.0),
        }
    )
    sums = cumulate(table.drop_duplicates(["profile_id", "top_cm", "bottom_cm"]))
    spans = [(first, end, out) for first, end in pairwise(sums.start) if end - first >= 4 for out in range(first, end - 1)]
    kept = np.concatenate([np.delete(np.arange(first, end), out - first) for first, end, out in spans])
    start = np.append(0, np.cumsum([end - first - 1 for first, end, _ in spans]))
    out = np.array([out for _, _, out in spans])
    median, squared, mean = {}, {}, {}
    for kind in KINDS:
        found = evaluate(start, sums.mass_kg_m2[kept], sums.soc_kg_m2[kept], sums.mass_kg_m2[out][:, None], kind)[:, 0]
        error = found - sums.soc_kg_m2[out]
        share = error[sums.soc_kg_m2[out] > 0] / sums.soc_kg_m2[out][sums.soc_kg_m2[out] > 0]
        median[kind], mean[kind] = 100 * np.median(np.abs(share)), 100 * share.mean()
        squared[kind] = np.sqrt((error**2).mean())
    assert len(out) == pytest.approx(5813, abs=5)
    assert median == pytest.approx({"linear": 5.0, "hyman": 4.2, "pchip": 2.8}, abs=0.1)
    assert squared == pytest.approx({"linear": 1.93, "hyman": 1.75, "pchip": 1.62}, abs=0.01)
    assert mean == pytest.approx({"linear": -7.6, "hyman": -1.3, "pchip": -2.1}, abs=0.1)
