"""Coarse fragments of every horizon, with provenance and error.

Sources are asked in turn: measured (share of volume, or of mass), class of abundance, the other horizons of the profile,
values of a grid, a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError

Floats = NDArray[np.float64]

FRAGMENT_SOURCES = ("measured", "class", "profile", "grid", "assumed")
"""What ``coarse_fragments_source`` can say."""

MIN_OWN_CHECK = 30
"""Horizons that a table needs before its own error of a source replaces the one from WISE."""

WISE_SD_VOL_PCT = MappingProxyType({"profile": 14.6, "assumed": 20.0})
"""Root mean square error on ISRIC-WISE (Batjes 2009, the extract without South America): the mean of the other horizons of the
profile against 8,082 horizons with fragments; the median of the table against 8,358."""

_FAO = (
    ("n", "none", 0.0, 0.0),
    ("v", "very few", 0.0, 2.0),
    ("f", "few", 2.0, 5.0),
    ("c", "common", 5.0, 15.0),
    ("m", "many", 15.0, 40.0),
    ("a", "abundant", 40.0, 80.0),
    ("d", "dominant", 80.0, 100.0),
)

FAO_CLASSES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {name: (low, high) for code, word, low, high in _FAO for name in (code, word)}
)
"""Bounds in vol% of the classes of abundance in FAO (2006), Guidelines for soil description, 4th edition, by code and by
word. The middle is taken. A stone line (S) has no share of the volume."""

_FAO_BOUNDS = np.array([high for *_, high in _FAO[1:-1]])
_FAO_SD = np.array([high - low for *_, low, high in _FAO[1:]]) / np.sqrt(12.0)


@dataclass(frozen=True)
class Filled:
    """Coarse fragments of all horizons: share in vol% and its standard deviation (n,), and where each comes from."""

    vol_pct: Floats
    sd_vol_pct: Floats
    source: NDArray[np.str_]
    summary: dict[str, Any]


def measured_sd_vol_pct(vol_pct: Floats) -> Floats:
    """Standard deviation of a measured or visually estimated share, vol% (n,).

    Shares are mostly estimated by eye, with charts that tell the classes of FAO (2006) apart. The error is that of a value
    known to lie somewhere within its class: the width over the square root of 12.

    >>> measured_sd_vol_pct(np.array([0.0, 10.0, 30.0])).round(2)
    array([0.58, 2.89, 7.22])
    """
    sd = _FAO_SD[np.searchsorted(_FAO_BOUNDS, vol_pct)]
    return np.where(np.isnan(vol_pct), np.nan, sd)


def class_values(
    texts: pd.Series, classes: Mapping[str, float | tuple[float, float]] | None = None
) -> tuple[Floats, Floats, dict[str, int]]:
    """Share and error of classes of abundance.

    Parameters
    ----------
    texts : Series of str (n,)
        Names of classes, upper or lower case; empty or missing where there is none.
    classes : mapping, optional
        Text to vol%, or to the (lower, upper) bounds of the class, of which the middle is taken. Default
        :data:`FAO_CLASSES`.

    Returns
    -------
    vol_pct, sd_vol_pct : ndarray (n,)
        NaN where there is no class. The error is the width of the class over the square root of 12, of a single value that
        of :func:`measured_sd_vol_pct`.
    unknown : dict
        Texts that are no class, with their number.

    Examples
    --------
    >>> class_values(pd.Series(["C", "many", "", "boulders"]))
    (array([10. , 27.5,  nan,  nan]), array([2.88675135, 7.21687836,        nan,        nan]), {'boulders': 1})
    """
    known = {str(text).strip().lower(): value for text, value in (FAO_CLASSES if classes is None else classes).items()}
    code, names = pd.factorize(texts.astype("str").str.strip().str.lower().fillna(""))
    code = np.where(code < 0, len(names), code)
    value, sd = np.full(len(names) + 1, np.nan), np.full(len(names) + 1, np.nan)
    for i, name in enumerate(names):
        found = known.get(str(name))
        if isinstance(found, tuple | list):
            value[i], sd[i] = (found[0] + found[1]) / 2.0, (found[1] - found[0]) / np.sqrt(12.0)
        elif found is not None:
            value[i] = found
            sd[i] = measured_sd_vol_pct(np.array([float(found)]))[0]
    counts = np.bincount(code, minlength=len(names) + 1)
    unknown = {str(name): int(counts[i]) for i, name in enumerate(names) if name != "" and str(name) not in known}
    return value[code], sd[code], dict(sorted(unknown.items()))


def class_faults(classes: Mapping[str, float | tuple[float, float]] | None) -> list[str]:
    """What is wrong with a table of classes, one line each."""
    faults = []
    for text, value in (classes or {}).items():
        bounds = tuple(value) if isinstance(value, tuple | list) else (value, value)
        if len(bounds) != 2 or not 0.0 <= bounds[0] <= bounds[1] <= 100.0:
            faults.append(f"class of coarse fragments {text!r}: found {value}; expected vol% of 0 to 100 or two bounds in order")
    return faults


def others_of_profile(code: NDArray[np.intp], thickness_cm: Floats, vol_pct: Floats) -> Floats:
    """Thickness-weighted mean (n,) over the other horizons of the same profile that have a value; NaN where none has.

    >>> others_of_profile(np.array([0, 0, 0, 1]), np.array([10.0, 30.0, 20.0, 20.0]), np.array([8.0, 20.0, np.nan, 5.0]))
    array([20.,  8., 17., nan])
    """
    there = np.isfinite(vol_pct)
    weight = np.where(there, thickness_cm, 0.0)
    product = np.where(there, thickness_cm * vol_pct, 0.0)
    several = (np.bincount(code, there)[code] - there) > 0
    rest = np.bincount(code, weight)[code] - weight
    mean = np.full(vol_pct.shape, np.nan)
    np.divide(np.bincount(code, product)[code] - product, rest, out=mean, where=several & (rest > 0.0))
    return np.asarray(np.clip(mean, 0.0, 100.0))


def fill_fragments(
    horizons: pd.DataFrame,
    given_vol_pct: Floats,
    *,
    chain: Sequence[str] = ("measured", "class", "profile", "assumed"),
    missing_vol_pct: float | None = None,
    classes: Mapping[str, float | tuple[float, float]] | None = None,
    grid_vol_pct: Floats | None = None,
) -> Filled:
    """Coarse fragments of every horizon from the first source of a chain that has a value.

    Parameters
    ----------
    horizons : DataFrame
        ``profile_id, top_cm, bottom_cm`` and, for classes, ``coarse_fragments_class`` (n rows).
    given_vol_pct : ndarray (n,)
        Measured shares, NaN where there is none.
    chain : sequence of str
        Of :data:`FRAGMENT_SOURCES`.
    missing_vol_pct : float, optional
        What to assume; the median of the measured and classed horizons when left out, 0 where there is none.
    classes : mapping, optional
        As in :func:`class_values`.
    grid_vol_pct : ndarray (n,), optional
        Values of a grid for each horizon.

    Returns
    -------
    Filled
        ``summary``: counts by source, ``missing``, ``assumed_vol_pct`` and ``assumed_from`` (stated, median of the table, or nothing
        known), ``unknown_classes``, and under ``sd`` the error of
        profile means, constants and grid values with what it was checked on (this table from 30 horizons on, else WISE).

    Raises
    ------
    TableError
        Unknown source, class or share outside 0 to 100, no grid for "grid".

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a", "a", "b"], "top_cm": [0.0, 10, 0], "bottom_cm": [10.0, 40, 20],
    ...     "coarse_fragments_class": ["", "", "C"]})
    >>> filled = fill_fragments(table, np.array([20.0, np.nan, np.nan]))
    >>> filled.vol_pct, filled.source
    (array([20., 20., 10.]), array(['measured', 'profile', 'class'], dtype='<U8'))
    """
    faults = fragment_faults(chain, missing_vol_pct, classes, grid_vol_pct)
    if faults:
        raise TableError(faults)
    n = len(horizons)
    value, sd = np.full(n, np.nan), np.full(n, np.nan)
    unknown: dict[str, int] = {}
    if "class" in chain and "coarse_fragments_class" in horizons:
        value, sd, unknown = class_values(horizons["coarse_fragments_class"], classes)
    own = np.where(np.isfinite(given_vol_pct), given_vol_pct, value)
    thickness = (horizons["bottom_cm"] - horizons["top_cm"]).to_numpy(dtype=np.float64)
    of_profile = others_of_profile(pd.factorize(horizons["profile_id"])[0], thickness, own)
    origin = "stated"
    if missing_vol_pct is None:
        origin = "median" if np.isfinite(own).any() else "nothing"
        missing_vol_pct = float(np.median(own[np.isfinite(own)])) if np.isfinite(own).any() else 0.0
    constant = np.full(n, float(missing_vol_pct))
    grid = np.full(n, np.nan) if grid_vol_pct is None else grid_vol_pct
    errors = {
        "profile": _checked(of_profile - own, "profile"),
        "assumed": _checked(constant - own, "assumed"),
        "grid": _checked(grid - own, "assumed"),
    }
    offers = {
        "measured": (given_vol_pct, measured_sd_vol_pct(given_vol_pct)),
        "class": (value, sd),
        "profile": (of_profile, np.full(n, errors["profile"]["sd_vol_pct"])),
        "grid": (grid, np.full(n, errors["grid"]["sd_vol_pct"])),
        "assumed": (constant, np.full(n, errors["assumed"]["sd_vol_pct"])),
    }
    found, spread, index = _first(chain, offers, n)
    summary: dict[str, Any] = {"chain": list(chain)}
    summary |= {name: int((index == i + 1).sum()) for i, name in enumerate(FRAGMENT_SOURCES)}
    summary |= {
        "missing": int((index == 0).sum()),
        "assumed_vol_pct": float(missing_vol_pct),
        "assumed_from": origin,
        "unknown_classes": unknown,
        "sd": {name: error for name, error in errors.items() if name in chain},
    }
    return Filled(found, spread, np.array(["", *FRAGMENT_SOURCES])[index], summary)


def _first(chain: Sequence[str], offers: Mapping[str, tuple[Floats, Floats]], n: int) -> tuple[Floats, Floats, NDArray[np.int8]]:
    """Value, error and number of the first source that has one, for each of n horizons."""
    found, spread, index = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.int8)
    for name in chain:
        value, sd = offers[name]
        take = (index == 0) & np.isfinite(value)
        found, spread = np.where(take, value, found), np.where(take, sd, spread)
        index[take] = FRAGMENT_SOURCES.index(name) + 1
    return found, spread, index


def fragment_faults(
    chain: Sequence[str],
    missing_vol_pct: float | None,
    classes: Mapping[str, float | tuple[float, float]] | None,
    grid_vol_pct: Floats | None,
) -> list[str]:
    """What is wrong with the settings, one line each."""
    faults = chain_faults("coarse fragments", chain, FRAGMENT_SOURCES) + class_faults(classes)
    if missing_vol_pct is not None and not 0.0 <= missing_vol_pct <= 100.0:
        faults.append(f"missing coarse fragments: found {missing_vol_pct} vol%; expected 0 to 100")
    if "grid" in chain and grid_vol_pct is None:
        faults.append("coarse fragments: 'grid' in the chain without values; expected a value for each horizon")
    if grid_vol_pct is not None and ((grid_vol_pct < 0.0) | (grid_vol_pct > 100.0)).any():
        faults.append(f"coarse fragments of the grid: found {_range(grid_vol_pct)} vol%; expected 0 to 100")
    return faults


def chain_faults(what: str, chain: Sequence[str], known: Sequence[str]) -> list[str]:
    """What is wrong with an order of sources, one line each."""
    expected = f"expected one or more of {', '.join(known)}, each once"
    faults = [f"{what}: unknown source {name!r} in the chain; {expected}" for name in chain if name not in known]
    if not chain or len(set(chain)) < len(chain):
        faults.append(f"{what}: found the chain {', '.join(map(str, chain)) or 'empty'}; {expected}")
    return faults


def _range(values: Floats) -> str:
    return f"{np.nanmin(values):g} to {np.nanmax(values):g}"


def _checked(error: Floats, wise: str) -> dict[str, Any]:
    """Root mean square error on this table, or that of WISE where the table has too few."""
    error = error[np.isfinite(error)]
    own = error.size >= MIN_OWN_CHECK
    return {
        "sd_vol_pct": float(np.sqrt(np.mean(error**2))) if own else WISE_SD_VOL_PCT[wise],
        "checked_on": int(error.size) if own else None,
        "checked_against": "this table" if own else "ISRIC-WISE",
    }
