"""Units and the only conversions in Edaphic.

Names inside Edaphic end in their unit (``top_cm``, ``soc_g_kg``, ``soc_stock_kg_m2``). A number enters with its unit stated
beside it and is converted here, once. A unit that is not listed is refused, never guessed.

Internal units: depth cm, organic carbon g/kg of fine earth, bulk density g/cm3 of fine earth, coarse fragments volume percent,
density of carbon kg/m3, stock kg/m2, total Tg, length m.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import UnitError

Floats = NDArray[np.float64]

ORGANIC_MATTER_TO_CARBON = 0.58
"""Share of carbon in organic matter (van Bemmelen's factor 1/1.724)."""

CARBONATE_TO_CARBON = 12.011 / 100.087
"""Share of carbon in calcium carbonate (molar masses of C and CaCO3)."""

ROCK_DENSITY_G_CM3 = 2.65
"""Density of rock fragments, for fragments given by mass (quartz)."""

PERCENT = 100.0
CM_PER_M = 100.0
M2_PER_KM2 = 1e6
KG_PER_TG = 1e9

BASES = MappingProxyType(
    {
        "fine_earth": "mass of fine earth over its own volume",
        "whole_soil": "mass of all soil, stones too, over the whole volume",
        "fine_earth_whole_volume": "mass of fine earth over the whole volume, stones too",
    }
)
"""What a bulk density can be the density of."""

EXCEL_SERIAL = "excel_serial"
"""Unit of a year that is given as days of a spreadsheet, counted from 30 December 1899."""

METRES = MappingProxyType({"m": 1.0, "ft": 0.3048, "us-ft": 1200.0 / 3937.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "km": 1000.0})
"""Metres in each unit of heights."""

_METRES_NAMES = MappingProxyType(
    {
        **{unit: unit for unit in METRES},
        **dict.fromkeys(("metre", "metres", "meter", "meters", "mtr", "masl", "mamsl"), "m"),
        **dict.fromkeys(("foot", "feet", "international foot", "international feet"), "ft"),
        **dict.fromkeys(("ftus", "us ft", "usft", "us survey foot", "us survey feet", "foot us", "survey foot"), "us-ft"),
        **dict.fromkeys(("decimetre", "decimetres", "decimeter", "decimeters"), "dm"),
        **dict.fromkeys(("centimetre", "centimetres", "centimeter", "centimeters"), "cm"),
        **dict.fromkeys(("millimetre", "millimetres", "millimeter", "millimeters"), "mm"),
        **dict.fromkeys(("kilometre", "kilometres", "kilometer", "kilometers"), "km"),
    }
)
"""Units of heights by the names that files give them, in lower case."""

_SEA_LEVEL = ("above mean sea level", "above sea level", "amsl", "asl", "a.m.s.l", "a.s.l")
"""What may follow a unit of heights, in lower case."""

_FACTORS = MappingProxyType(
    {
        "depth": MappingProxyType({"cm": 1.0, "m": 100.0, "mm": 0.1, "dm": 10.0, "in": 2.54, "inch": 2.54, "inches": 2.54}),
        "soc": MappingProxyType({"g/kg": 1.0, "%": 10.0, "dg/kg": 0.1, "mg/g": 1.0, "mg/kg": 0.001}),
        "bulk_density": MappingProxyType(
            {"g/cm3": 1.0, "t/m3": 1.0, "Mg/m3": 1.0, "kg/dm3": 1.0, "kg/m3": 0.001, "cg/cm3": 0.01}
        ),
        "coarse_fragments": MappingProxyType({"vol%": 1.0, "vol_fraction": 100.0, "mass%": 1.0, "mass_fraction": 100.0}),
        "texture": MappingProxyType({"%": 1.0, "g/kg": 0.1, "fraction": 100.0}),
        "soc_density": MappingProxyType({"kg/m3": 1.0, "g/cm3": 1000.0, "hg/m3": 0.1, "g/dm3": 1.0}),
        "soc_stock": MappingProxyType({"kg/m2": 1.0, "t/ha": 0.1, "Mg/ha": 0.1, "g/m2": 0.001, "g/cm2": 10.0}),
        "beta": MappingProxyType({"1": 1.0}),
        # "as_written": the cells name their unit themselves, as in "100 m - 1 km"; see length_m_of_text.
        "length": MappingProxyType({"m": METRES["m"], "km": METRES["km"], "as_written": 1.0}),
    }
)

_YEAR = r"(?<!\d)((?:18|19|20)\d\d)(?!\d)"
_SHORT_RANGE = r"^\s*((?:18|19|20)\d\d)\s*[-/–]\s*(\d\d)\s*$"


def units_of(quantity: str) -> tuple[str, ...]:
    """Units that a quantity may be given in.

    >>> units_of("soc")
    ('g/kg', '%', 'dg/kg', 'mg/g', 'mg/kg')
    """
    return tuple(_FACTORS[quantity])


def to_internal(values: ArrayLike, quantity: str, unit: str | None, where: str = "") -> NDArray[np.float64]:
    """Convert values to the internal unit of their quantity.

    Parameters
    ----------
    values : array_like
        Numbers in ``unit``; NaN stays NaN.
    quantity : {"depth", "soc", "bulk_density", "coarse_fragments", "texture", "soc_density", "soc_stock", "length"}
        What the numbers measure.
    unit : str or None
        Unit they are given in; None is an error.
    where : str
        What to name in the message.

    Returns
    -------
    ndarray of float64, same shape, in cm, g/kg, g/cm3, %, kg/m3, kg/m2 or m. Coarse fragments by mass stay by mass: they need
    :func:`mass_to_volume_pct`. A bulk density keeps its basis: see :func:`fine_earth_from`.

    Raises
    ------
    UnitError
        The unit is missing or is none of :func:`units_of`.

    Examples
    --------
    >>> to_internal([2.0], "soc", "%")
    array([20.])
    >>> to_internal([52.0], "soc_stock", "t/ha")
    array([5.2])
    """
    known = _FACTORS[quantity]
    if unit is None or unit not in known:
        found = "no unit" if unit is None else f"unit {unit!r}"
        raise UnitError(f"{where or quantity}: {found} for {quantity}; expected one of {', '.join(known)}")
    return np.asarray(np.asarray(values, dtype=np.float64) * known[unit])


def mass_to_volume_pct(
    mass_pct: ArrayLike,
    bulk_density_g_cm3: ArrayLike,
    rock_density_g_cm3: float = ROCK_DENSITY_G_CM3,
    basis: ArrayLike = "fine_earth",
) -> NDArray[np.float64]:
    """Coarse fragments by volume from coarse fragments by mass.

    With a mass share m of fragments in the whole soil, and a bulk density B, the fragments fill of the volume

    - ``fine_earth``: ``(m / rock) / (m / rock + (1 - m) / B)``,
    - ``whole_soil``: ``B m / rock``,
    - ``fine_earth_whole_volume``: ``B m / ((1 - m) rock)``, because the whole soil weighs ``B / (1 - m)``.

    Parameters
    ----------
    mass_pct, bulk_density_g_cm3 : array_like, percent of the mass of the whole soil and g/cm3
    rock_density_g_cm3 : float
    basis : str or array_like of str
        Of the bulk density, a key of :data:`BASES` each; "" gives NaN.

    Returns
    -------
    ndarray of float64
        Percent of the whole volume. It can pass 100 where the numbers contradict each other.

    Raises
    ------
    UnitError
        A basis is not known.

    Examples
    --------
    >>> mass_to_volume_pct([50.0], [1.325]).round(3)
    array([33.333])
    >>> mass_to_volume_pct([50.0, 50.0], [1.06, 0.53], basis=["whole_soil", "fine_earth_whole_volume"])
    array([20., 20.])
    """
    share = np.asarray(mass_pct, dtype=np.float64) / 100.0
    density = np.asarray(bulk_density_g_cm3, dtype=np.float64)
    named = _known_bases(basis)
    rock = share / rock_density_g_cm3
    with np.errstate(divide="ignore", invalid="ignore"):
        # No stones fill nothing, whatever the density.
        own = np.where(share == 0, 0.0, rock / (rock + (1.0 - share) / density))
        whole = np.where(share == 0, 0.0, density * rock)
        mixed = np.where(share == 0, 0.0, np.where(share < 1, density * rock / (1.0 - share), np.nan))
    return 100.0 * _by_basis(named, own, whole, mixed)


def fine_earth_from(
    basis: ArrayLike,
    bulk_density_g_cm3: ArrayLike,
    fragments_vol_pct: ArrayLike,
    rock_density_g_cm3: float = ROCK_DENSITY_G_CM3,
) -> NDArray[np.float64]:
    """Bulk density of fine earth (its mass over its own volume) from a bulk density of another basis.

    With a volume share f of fragments: ``whole_soil`` ``(B - f rock) / (1 - f)``; ``fine_earth_whole_volume`` ``B / (1 - f)``;
    ``fine_earth`` is B itself and needs no fragments.

    Parameters
    ----------
    basis : str or array_like of str
        A key of :data:`BASES` each; "" gives NaN.
    bulk_density_g_cm3, fragments_vol_pct : array_like, g/cm3 and percent of the whole volume
    rock_density_g_cm3 : float

    Returns
    -------
    ndarray of float64
        g/cm3; NaN where the result is not positive (the stones would outweigh the soil) or a number is missing.

    Raises
    ------
    UnitError
        A basis is not known.

    Examples
    --------
    >>> fine_earth_from(["fine_earth", "whole_soil", "fine_earth_whole_volume"], 1.57, [20.0, 20.0, 20.0]).round(4)
    array([1.57  , 1.3   , 1.9625])
    >>> fine_earth_from("whole_soil", [0.5], [20.0])
    array([nan])
    """
    density = np.asarray(bulk_density_g_cm3, dtype=np.float64)
    share = np.asarray(fragments_vol_pct, dtype=np.float64) / 100.0
    named = _known_bases(basis)
    with np.errstate(divide="ignore", invalid="ignore"):
        free = np.where(share < 1.0, 1.0 - share, np.nan)
        found = _by_basis(named, density, (density - share * rock_density_g_cm3) / free, density / free)
        return np.where(found > 0.0, found, np.nan)


def _known_bases(basis: ArrayLike) -> NDArray[np.str_]:
    """Bases as an array of text, all of them known or empty."""
    named = np.asarray(basis).astype("str")
    strange = sorted(set(np.unique(named).tolist()) - {*BASES, "", "nan", "None"})
    if strange:
        raise UnitError(f"bulk density: found basis {strange[0]!r}; expected one of {', '.join(BASES)}")
    return named


def _by_basis(named: NDArray[np.str_], own: Floats, whole: Floats, mixed: Floats) -> Floats:
    """The number that belongs to each basis; NaN where there is none."""
    picked = np.where(named == "whole_soil", whole, np.where(named == "fine_earth_whole_volume", mixed, np.nan))
    return np.asarray(np.where(named == "fine_earth", own, picked), dtype=np.float64)


def carbon_of_carbonate(carbonate_g_kg: ArrayLike) -> NDArray[np.float64]:
    """Inorganic carbon (g/kg) of a content of calcium carbonate equivalent (g/kg).

    >>> carbon_of_carbonate([100.0]).round(4)
    array([12.0006])
    """
    return np.asarray(carbonate_g_kg, dtype=np.float64) * CARBONATE_TO_CARBON


def stock_of_density(density_kg_m3: ArrayLike, thickness_cm: ArrayLike) -> NDArray[np.float64]:
    """Stock (kg/m2) of a density of carbon (kg/m3, stones included in the volume) over a thickness.

    >>> stock_of_density([20.0], [10.0])
    array([2.])
    """
    return np.asarray(density_kg_m3, dtype=np.float64) * np.asarray(thickness_cm, dtype=np.float64) / CM_PER_M


def in_map_unit(values: ArrayLike, unit: str, layer: tuple[float, float], map_unit: str) -> NDArray[np.float64]:
    """Values of another product in the unit of a map of ours; a density becomes a stock over the thickness of the layer.

    Parameters
    ----------
    values : array_like
        Numbers in ``unit``.
    unit : str
        A unit of stock or density where the map is in kg/m2, one of content where it is in g/kg; 1 for beta.
    layer : (top_cm, bottom_cm)
    map_unit : {"kg/m2", "g/kg", "1"}

    Raises
    ------
    UnitError
        The unit does not fit the map.

    Examples
    --------
    >>> in_map_unit([10.0], "kg/m3", (0, 30), "kg/m2")
    array([3.])
    """
    if map_unit in ("g/kg", "1"):
        return to_internal(values, "soc" if map_unit == "g/kg" else "beta", unit)
    if unit in _FACTORS["soc_density"]:
        return stock_of_density(to_internal(values, "soc_density", unit), layer[1] - layer[0])
    return to_internal(values, "soc_stock", unit)


def height_unit(name: str) -> str | None:
    """The unit of heights, a key of :data:`METRES`, that a name in a file means; None where it is not known.

    >>> height_unit("Metre"), height_unit("US_survey_foot"), height_unit("cm"), height_unit("furlong")
    ('m', 'us-ft', 'cm', None)
    >>> height_unit("metres above sea level")
    'm'
    """
    plain = " ".join(name.lower().replace("_", " ").split()).rstrip(".")
    for reference in _SEA_LEVEL:
        plain = plain.removesuffix(f" {reference}")
    return _METRES_NAMES.get(plain)


def metres_of(name: str) -> float | None:
    """Metres in a unit of heights, by any of its names; None where it is not known.

    >>> metres_of("ft"), metres_of("Metre"), metres_of("furlong") is None
    (0.3048, 1.0, True)
    """
    unit = height_unit(name)
    return None if unit is None else METRES[unit]


def length_m_of_text(texts: pd.Series) -> pd.Series:
    """Length in m of words with their unit (km, m, cm); of a span the larger end.

    >>> length_m_of_text(pd.Series(["100 m - 1 km", "circa 100 m", "0,5 km", "10 000 m", "1,000 m", "unknown"])).tolist()
    [1000.0, 100.0, 500.0, 10000.0, nan, nan]
    """
    texts = texts.reset_index(drop=True) if not isinstance(texts.index, pd.RangeIndex) else texts
    spelt = texts.astype("str").str.replace(r"(?<=\d) (?=\d{3}\b)", "", regex=True)
    # 0,5 is a half; 1,000 could be a thousand or one: it is not guessed.
    spelt = spelt.mask(spelt.str.contains(r"\d,\d{3}\b")).str.replace(r"(?<=\d),(?=\d)", ".", regex=True)
    found = spelt.str.extractall(r"(?<![\d.])(\d+(?:\.\d+)?(?:[eE]\d+)?)\s*([kK][mM]|[cC][mM]|[mM])\b")
    factor = found[1].str.lower().map(dict(METRES)).astype("float64")
    metres = pd.to_numeric(found[0], errors="coerce").astype("float64") * factor
    return metres.groupby(level=0).max().reindex(range(len(texts))).set_axis(texts.index)


def years_of(values: pd.Series, unit: str | None = None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Year of dates of any usual form.

    Timestamps; numbers (1998, 1998.5, and 8 digits as 19980714); text that holds a year of four digits (1998-07-14, 14.7.1998,
    7/14/1998, 14 July 1998, 1998-07-14T10:00). Of text with two years (1998-2001, 1998/99) the middle of the first and the last.
    Years of two digits (14.7.98) are not guessed. Days of a spreadsheet are read only where the unit says so, because 36000
    could be anything.

    Parameters
    ----------
    values : Series
        Cells of any type.
    unit : {None, "excel_serial"}

    Returns
    -------
    years : ndarray of float64
        NaN where there is none.
    is_range : ndarray of bool
        Where the middle of two years was taken.

    Examples
    --------
    >>> years, is_range = years_of(pd.Series(["1998-07-14", "14.7.1998", "19980714", "1998-2001", "unknown"]))
    >>> years.tolist(), is_range.tolist()
    ([1998.0, 1998.0, 1998.0, 1999.5, nan], [False, False, False, True, False])
    >>> years_of(pd.Series([35990]), "excel_serial")[0].tolist()
    [1998.0]
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.year.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(values), dtype=bool)
    if pd.api.types.is_numeric_dtype(values):
        return _years_of_numbers(values, unit), np.zeros(len(values), dtype=bool)
    # Dates repeat: each spelling is read once.
    codes, spelt = pd.factorize(values.astype("str"))
    texts = pd.Series(spelt, dtype="str")
    # The time of day can look like a year.
    texts = texts.str.replace(r"(?<=\d)(?:[T ]\s*\d{1,2}:\d.*|T\d{2,6}.*)$", "", regex=True)
    texts = texts.str.replace(r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}) \d{4,6}$", r"\1", regex=True)
    years = pd.Series(_years_of_numbers(pd.to_numeric(texts, errors="coerce"), unit))
    short = texts.str.extract(_SHORT_RANGE).astype("float64")
    first = pd.to_numeric(texts.str.extract(_YEAR, expand=False), errors="coerce").astype("float64")
    last = pd.to_numeric(texts.str.extract(r"^.*" + _YEAR, expand=False), errors="coerce").astype("float64")
    end = first // 100 * 100 + short[1]
    end = end.mask(short[1] == 0, end + 100)  # 1999/00
    # 1998-07 is a month, 1998-99 two years.
    last = last.mask(((short[1] > 12) | (short[1] == 0)) & (end > first), end)
    middle = years.isna() & first.notna() & (first != last)
    years = years.fillna((first + last) / 2.0)
    missing = codes < 0
    found = np.where(missing, np.nan, years.to_numpy(dtype=np.float64)[codes] if len(years) else np.nan)
    return found, np.asarray(~missing & (middle.to_numpy(dtype=bool)[codes] if len(years) else False))


def _years_of_numbers(values: pd.Series, unit: str | None) -> Floats:
    """Years of numbers: as they are, of 8 digits, or of days of a spreadsheet."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if unit == EXCEL_SERIAL:
        days = pd.Series(np.where(np.abs(numbers) < 1e5, numbers, np.nan))
        dates = pd.Timestamp("1899-12-30") + pd.to_timedelta(days, unit="D")
        return np.asarray(dates.dt.year.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    digits_only = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers > 0) & (numbers < 1e15)
    whole = np.where(digits_only, numbers, 0.0).astype(np.int64)
    # 1998071410, 199807141030 and 19980714103000 carry the time behind the date.
    for digits in (10, 12, 14):
        timed = (whole >= 10 ** (digits - 1)) & (whole < 10**digits)
        whole = np.where(timed, whole // 10 ** (digits - 8), whole)
    ymd = _is_date(whole // 10000, whole // 100 % 100, whole % 100)
    dmy = _is_date(whole % 10000, whole // 10000 % 100, whole // 1000000)
    mdy = _is_date(whole % 10000, whole // 1000000, whole // 10000 % 100)
    month = (whole >= 1800_01) & (whole <= 2100_12) & (whole % 100 >= 1) & (whole % 100 <= 12)
    other = (dmy | mdy) & ~ymd
    years = np.select([ymd & ~(dmy | mdy), other, month], [whole // 10000, whole % 10000, whole // 100], numbers)
    # 20011998 is a date of 1998 or, read the other way, none: what fits both ways is not guessed.
    both = ymd & (dmy | mdy) & (whole // 10000 != whole % 10000)
    return np.asarray(np.where(both, np.nan, np.where(ymd & ~both, whole // 10000, years)), dtype=np.float64)


def _is_date(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (year >= 1800) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
