"""Column names of the usual soil databases: a source that uses them needs no mapping.

One table for each schema. A unit or a basis stands here only where the documentation of the schema fixes it; where it does not,
the source has to say it (or to leave the column out), and reading tells so. ``columns`` of a source override single roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class Alias(NamedTuple):
    """A column that stands for a role; the first of several that is there is taken.

    Attributes
    ----------
    column : str
        Name, compared without regard to capitals. A profile may need several: "entry_name + pro_name".
    unit, basis : str or None
        None where the schema does not fix it.
    note : str
        What a user should know.
    censored_at : float or None
        Numbers from here on say "not reached": they are read as missing.
    """

    column: str
    unit: str | None = None
    basis: str | None = None
    note: str = ""
    censored_at: float | None = None


class Schema(NamedTuple):
    """The names of one database.

    Attributes
    ----------
    title, source : str
        What it is, and where its names are documented.
    columns : mapping of role to aliases
    marks : tuple of str
        Names that tell it from another schema with the same names for depth and carbon; one of them is enough.
    file : str
        Part of the name of the file, for tables that do not name the property they hold.
    """

    title: str
    source: str
    columns: Mapping[str, tuple[Alias, ...]]
    marks: tuple[str, ...] = ()
    file: str = ""


_THIRD_BAR = "oven-dry mass over the volume at 1/3 bar: the volume is not oven dry"
_OVEN_DRY = "oven-dry mass over the oven-dry volume"
_AIR_DRY = "volume air dry"
_MOIST = "volume field moist"
_UNKNOWN_STATE = "moisture of the volume not specified"

WOSIS_SNAPSHOT: Mapping[str, tuple[Alias, ...]] = MappingProxyType(
    {
        "profile_id": (Alias("profile_id"),),
        "lon": (Alias("longitude"), Alias("X")),
        "lat": (Alias("latitude"), Alias("Y")),
        "year": (Alias("orgc_date"), Alias("date")),
        "top": (Alias("upper_depth", "cm"), Alias("top", "cm")),
        "bottom": (Alias("lower_depth", "cm"), Alias("bottom", "cm")),
        "soc": (Alias("orgc_value_avg", "g/kg"),),
        "soc_method": (Alias("orgc_method"),),
        "total_carbon": (Alias("totc_value_avg", "g/kg"),),
        "carbonate": (Alias("tceq_value_avg", "g/kg"),),
        "bulk_density": (
            Alias("bdfiod_value_avg", "kg/dm3", "fine_earth", _OVEN_DRY),
            Alias("bdfi33_value_avg", "kg/dm3", "fine_earth", _THIRD_BAR),
            Alias("bdfi33l_value_avg", "kg/dm3", "fine_earth", _THIRD_BAR),
            Alias("bdfiad_value_avg", "kg/dm3", "fine_earth", _AIR_DRY),
            Alias("bdfifm_value_avg", "kg/dm3", "fine_earth", _MOIST),
            Alias("bdfins_value_avg", "kg/dm3", "fine_earth", _UNKNOWN_STATE),
            Alias("bdwsod_value_avg", "kg/dm3", "whole_soil", _OVEN_DRY),
            Alias("bdws33_value_avg", "kg/dm3", "whole_soil", _THIRD_BAR),
            Alias("bdwsad_value_avg", "kg/dm3", "whole_soil", _AIR_DRY),
            Alias("bdwsfm_value_avg", "kg/dm3", "whole_soil", _MOIST),
            Alias("bdwsns_value_avg", "kg/dm3", "whole_soil", _UNKNOWN_STATE),
        ),
        "coarse_fragments": (Alias("cfvo_value_avg", "vol%"), Alias("cfgr_value_avg", "mass%")),
        "clay": (Alias("clay_value_avg", "%"),),
        "silt": (Alias("silt_value_avg", "%"),),
        "sand": (Alias("sand_value_avg", "%"),),
        "ph_h2o": (Alias("phaq_value_avg"),),
        "total_n": (Alias("nitkjd_value_avg", "g/kg"), Alias("ntot_value_avg", "g/kg")),
        "position_error": (Alias("positional_uncertainty", "as_written"),),
    }
)
"""WoSIS snapshots 2016, 2019 and wide tables made of 2023: Batjes et al. (2017, 2020, 2024), Earth Syst. Sci. Data, Appendix A
(codes, units, analytical methods); Ribeiro et al. (2018), ISRIC report 2018/01."""

WOSIS_LATEST: Mapping[str, tuple[Alias, ...]] = MappingProxyType(
    {
        "profile_id": (Alias("profile_id"),),
        "lon": (Alias("longitude"), Alias("X")),
        "lat": (Alias("latitude"), Alias("Y")),
        "year": (Alias("date"),),
        "top": (Alias("upper_depth", "cm"),),
        "bottom": (Alias("lower_depth", "cm"),),
        "soc": (Alias("value_avg", "g/kg", note="organic carbon by the name of the file"),),
        "soc_method": (Alias("method"),),
        "position_error": (Alias("positional_uncertainty", "as_written", note="the larger end of a span"),),
    }
)
"""WoSIS latest and snapshot 2023, one table for each property (orgc): Calisto, de Sousa and Batjes (2023),
doi:10.17027/isric-wdcsoils-20231130; Batjes et al. (2024), Earth Syst. Sci. Data 16, 4735-4765."""

NRCS: Mapping[str, tuple[Alias, ...]] = MappingProxyType(
    {
        "profile_id": (Alias("pedon_key"), Alias("peiid"), Alias("pedoniid"), Alias("pedlabsampnum"), Alias("cokey")),
        "lon": (
            Alias("x"), Alias("longstddecimaldegrees"), Alias("longitude_std_decimal_degrees"), Alias("longitude_decimal_degrees"),
            Alias("longitude"),
        ),
        "lat": (
            Alias("y"), Alias("latstddecimaldegrees"), Alias("latitude_std_decimal_degrees"), Alias("latitude_decimal_degrees"),
            Alias("latitude"),
        ),
        "year": (Alias("obs_date"), Alias("site_obsdate"), Alias("obsdate")),
        "top": (Alias("hzn_top", "cm"), Alias("hzdept", "cm"), Alias("hzdept_r", "cm")),
        "bottom": (Alias("hzn_bot", "cm"), Alias("hzdepb", "cm"), Alias("hzdepb_r", "cm")),
        "soc": (Alias("oc", "%"), Alias("estimated_oc", "%"), Alias("organic_carbon_walkley_black", "%")),
        "organic_matter": (Alias("om_r", "%"), Alias("estimated_om", "%")),
        "total_carbon": (Alias("c_tot", "%"), Alias("total_carbon_ncs", "%")),
        "carbonate": (Alias("caco3", "%"), Alias("caco3_lt_2_mm", "%")),
        "bulk_density": (
            Alias("db_od", "g/cm3", "fine_earth", _OVEN_DRY),
            Alias("bulk_density_oven_dry", "g/cm3", "fine_earth", _OVEN_DRY),
            Alias("dbovendry_r", "g/cm3", "fine_earth", _OVEN_DRY),
            Alias("db_13b", "g/cm3", "fine_earth", _THIRD_BAR),
            Alias("bulk_density_third_bar", "g/cm3", "fine_earth", _THIRD_BAR),
            Alias("dbthirdbar_r", "g/cm3", "fine_earth", _THIRD_BAR),
        ),
        "coarse_fragments": (
            Alias("fragvoltot_r", "vol%"), Alias("total_frags_pct", "vol%"), Alias("total_frag_wt_pct_gt_2_mm_ws", "mass%"),
            Alias("wpg2", "mass%"), Alias("frags", note="by volume or by mass: the name does not say"),
        ),
        "clay": (Alias("clay", "%"), Alias("claytotal_r", "%"), Alias("clay_total", "%"), Alias("clay_tot_psa", "%")),
        "silt": (Alias("silt", "%"), Alias("silttotal_r", "%"), Alias("silt_total", "%"), Alias("silt_tot_psa", "%")),
        "sand": (Alias("sand", "%"), Alias("sandtotal_r", "%"), Alias("sand_total", "%"), Alias("sand_tot_psa", "%")),
        "ph_h2o": (Alias("ph_h2o"), Alias("ph1to1h2o_r")),
        "total_n": (Alias("n_tot", "%"), Alias("total_nitrogen_ncs", "%")),
        "rock_depth": (Alias("bedrckdepth", "cm"),),
    }
)  # fmt: skip
"""Kellogg laboratory (KSSL), NASIS and SSURGO names: soilDB (fetchKSSL, fetchNASIS); SSURGO metadata, tables chorizon and
pedon; Soil Survey Investigations Report 45 (bulk densities are of the fabric below 2 mm)."""

ISRAD: Mapping[str, tuple[Alias, ...]] = MappingProxyType(
    {
        "profile_id": (Alias("entry_name + site_name + pro_name"), Alias("entry_name + pro_name")),
        "lon": (Alias("pro_long"), Alias("site_long")),
        "lat": (Alias("pro_lat"), Alias("site_lat")),
        "year": (Alias("lyr_obs_date_y"),),
        "top": (Alias("lyr_top", "cm"),),
        "bottom": (Alias("lyr_bot", "cm"),),
        "soc": (Alias("lyr_c_org", "%"),),
        "total_carbon": (Alias("lyr_c_tot", "%"),),
        "inorganic_carbon": (Alias("lyr_c_inorg", "%"),),
        "soc_stock": (Alias("lyr_soc", "g/cm2"),),
        "bulk_density": (
            Alias("lyr_bd_samp", "g/cm3", "fine_earth_whole_volume", "coarse fragments removed from the mass"),
            Alias("lyr_bd_tot", "g/cm3", "whole_soil", "with coarse fragments"),
        ),
        "coarse_fragments": (Alias("lyr_coarse_tot", "mass%", note="lyr_bd_samp = lyr_bd_tot (1 - lyr_coarse_tot / 100)"),),
        "clay": (Alias("lyr_clay_tot_psa", "%"),),
        "silt": (Alias("lyr_silt_tot_psa", "%"),),
        "sand": (Alias("lyr_sand_tot_psa", "%"),),
        "ph_h2o": (Alias("lyr_ph_h2o"),),
        "total_n": (Alias("lyr_n_tot", "%"),),
        "rock_depth": (Alias("pro_bedrock_depth", "cm"),),
    }
)
"""International Soil Radiocarbon Database: Lawrence et al. (2020), Earth Syst. Sci. Data 12, 61-76; second and third header row
of its template (names in words, units), and its carbon stocks (bulk density times carbon, without a share of stones)."""

GSIF: Mapping[str, tuple[Alias, ...]] = MappingProxyType(
    {
        "profile_id": (Alias("SOURCEID"),),
        "lon": (Alias("LONWGS84"),),
        "lat": (Alias("LATWGS84"),),
        "year": (Alias("TIMESTRR"),),
        "top": (Alias("UHDICM", "cm"),),
        "bottom": (Alias("LHDICM", "cm"),),
        "soc": (Alias("ORCDRC", "g/kg"),),
        "bulk_density": (
            Alias("BLDFIE", "kg/m3", "fine_earth"),
            Alias("BLD", note="found in t/m3 and in kg/m3, of fine earth and of whole soil: the name does not say"),
        ),
        "coarse_fragments": (Alias("CRFVOL", "vol%"),),
        "clay": (Alias("CLYPPT", "%"),),
        "silt": (Alias("SLTPPT", "%"),),
        "sand": (Alias("SNDPPT", "%"),),
        "ph_h2o": (Alias("PHIHOX"),),
        "total_n": (Alias("NTO", "g/kg"),),
        "rock_depth": (Alias("BDRICM", "cm", note="200 cm and more means that no rock was reached", censored_at=200.0),),
    }
)
"""GSIF and SoilGrids variable codes: Hengl et al. (2017), PLoS ONE 12(2) e0169748; Hengl and MacMillan (2019), Predictive Soil
Mapping with R, chapter 3."""

OPENLANDMAP: Mapping[str, tuple[Alias, ...]] = MappingProxyType(
    {
        "profile_id": (Alias("site_key"), Alias("usiteid"), Alias("olc_id")),
        "lon": (Alias("longitude_decimal_degrees"),),
        "lat": (Alias("latitude_decimal_degrees"),),
        "plus_code": (Alias("olc_id"),),
        "year": (Alias("site_obsdate"), Alias("observation_year")),
        "top": (Alias("hzn_top", "cm"),),
        "bottom": (Alias("hzn_bot", "cm"),),
        "soc": (Alias("oc", "g/kg"),),
        "bulk_density": (
            Alias("db_od", "t/m3", note="compiled from sources of several bases: the name does not say which"),
            Alias("db_13b", "t/m3", note="compiled from sources of several bases: the name does not say which"),
        ),
        "coarse_fragments": (Alias("wpg2", note="compiled from shares by volume and by mass: the name does not say which"),),
        "clay": (Alias("clay_tot_psa", "%"),),
        "silt": (Alias("silt_tot_psa", "%"),),
        "sand": (Alias("sand_tot_psa", "%"),),
        "ph_h2o": (Alias("ph_h2o"),),
        "total_n": (Alias("n_tot", "g/kg"),),
    }
)
"""OpenLandMap's compiled soil samples: Hengl et al., Open Compendium of Soil Sample and Soil Profile Datasets (OpenGeoHub)."""

_OPENLANDMAP_MARKS = ("oc_d", "olc_id", "source_db", "confidence_degree")
_NRCS_MARKS = (
    "pedon_key", "peiid", "pedoniid", "pedlabsampnum", "cokey", "c_tot", "estimated_oc", "om_r", "total_carbon_ncs",
    "organic_carbon_walkley_black",
)  # fmt: skip

SCHEMAS: Mapping[str, Schema] = MappingProxyType(
    {
        "wosis_snapshot": Schema("WoSIS snapshot", "Batjes et al. (2020)", WOSIS_SNAPSHOT),
        "wosis_latest": Schema("WoSIS latest", "Calisto et al. (2023)", WOSIS_LATEST, file="orgc"),
        "nrcs": Schema("NRCS laboratory and survey", "soilDB; SSURGO metadata", NRCS, marks=_NRCS_MARKS),
        "israd": Schema("ISRaD", "Lawrence et al. (2020)", ISRAD),
        "gsif": Schema("GSIF", "Hengl and MacMillan (2019)", GSIF),
        "openlandmap": Schema("OpenLandMap", "Hengl et al.", OPENLANDMAP, marks=_OPENLANDMAP_MARKS),
    }
)
"""Every schema that is recognised, by the name that ``schema`` of a source takes."""

NO_SCHEMA = "edaphic"
"""Name that ``schema`` of a source takes where no alias is wanted: canonical names alone."""

_CARBON = ("soc", "organic_matter", "total_carbon")


def find(column: str, names: Iterable[str]) -> str | None:
    """The name in the table that an alias means: as it is written, else without regard to capitals.

    >>> find("X", ["x", "y"]), find("x", ["X", "x"]), find("z", ["x"])
    ('x', 'x', None)
    """
    listed = list(names)
    if column in listed:
        return column
    alike = [name for name in listed if name.casefold() == column.casefold()]
    return alike[0] if len(alike) == 1 else None


def find_all(column: str, names: Iterable[str]) -> str | None:
    """As :func:`find`, for a name made of several: "entry_name + pro_name" where both are there.

    >>> find_all("entry_name + pro_name", ["PRO_NAME", "entry_name"])
    'entry_name + PRO_NAME'
    """
    listed = list(names)
    parts = [find(part.strip(), listed) for part in column.split(" + ")]
    return None if None in parts else " + ".join(str(part) for part in parts)


def recognise(names: Iterable[str], file: str) -> tuple[str, ...]:
    """Schemas whose names for depth and carbon are all there: one, none, or several that cannot be told apart.

    Parameters
    ----------
    names : iterable of str
        Columns of the table of horizons.
    file : str
        Name of its file.

    Examples
    --------
    >>> recognise(["SOURCEID", "UHDICM", "LHDICM", "ORCDRC"], "a.csv")
    ('gsif',)
    >>> recognise(["hzn_top", "hzn_bot", "oc"], "a.csv")
    ('nrcs', 'openlandmap')
    >>> recognise(["hzn_top", "hzn_bot", "oc", "olc_id"], "a.csv")
    ('openlandmap',)
    """
    listed = list(names)
    fitting = [
        key
        for key, schema in SCHEMAS.items()
        if schema.file in file.casefold()
        and all(_has(schema, role, listed) for role in ("top", "bottom"))
        and any(_has(schema, role, listed) for role in _CARBON)
    ]
    marked = [key for key in fitting if any(find(mark, listed) for mark in SCHEMAS[key].marks)]
    unmarked = [key for key in fitting if not SCHEMAS[key].marks]
    return tuple(marked + unmarked or fitting)


def _has(schema: Schema, role: str, names: list[str]) -> bool:
    return any(find_all(alias.column, names) for alias in schema.columns.get(role, ()))
