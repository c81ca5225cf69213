"""Soil texture classes from clay, silt and sand.

International system (Atterberg's limits, adopted by the International Society of Soil Science in 1927: clay below 2 um, silt
2-20 um, sand 20-2000 um; class limits after Verheye and Ameryckx 1984, Pedologie 2: 215-225) and the system of the United
States (silt 2-50 um; Soil Survey Manual, Soil Science Division Staff 2017, chapter 3). The two measure silt
differently: most data have silt to 50 um and need :func:`silt_to_20_um` before they get an international class.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError

Floats = NDArray[np.float64]
System = Literal["international", "usda"]

BORDER_PCT = 1e-9
"""A point this close to a border is on it."""


@dataclass(frozen=True)
class TextureClass:
    """Short code, name, and the corners (clay, silt) in percent, one after the other; sand is the rest."""

    code: str
    name: str
    corners: tuple[tuple[float, float], ...]


CLASSES = MappingProxyType(
    {
        "international": (
            TextureClass("HCl", "heavy clay", ((100, 0), (45, 0), (45, 45), (45, 55))),
            TextureClass("SiCl", "silty clay", ((45, 45), (25, 45), (25, 75), (45, 55))),
            TextureClass("LCl", "light clay", ((45, 0), (25, 20), (25, 45), (45, 45))),
            TextureClass("SaCl", "sandy clay", ((45, 0), (25, 0), (25, 20))),
            TextureClass("SiClLo", "silty clay loam", ((25, 45), (15, 45), (15, 85), (25, 75))),
            TextureClass("ClLo", "clay loam", ((25, 20), (15, 20), (15, 45), (25, 45))),
            TextureClass("SaClLo", "sandy clay loam", ((25, 0), (15, 0), (15, 20), (25, 20))),
            TextureClass("SiLo", "silt loam", ((15, 45), (0, 45), (0, 100), (15, 85))),
            TextureClass("Lo", "loam", ((15, 20), (0, 35), (0, 45), (15, 45))),
            TextureClass("SaLo", "sandy loam", ((15, 0), (0, 15), (0, 35), (15, 20))),
            TextureClass("LoSa", "loamy sand", ((15, 0), (5, 0), (0, 15))),
            TextureClass("Sa", "sand", ((5, 0), (0, 0), (0, 15))),
        ),
        "usda": (
            TextureClass("Cl", "clay", ((100, 0), (55, 0), (40, 15), (40, 40), (60, 40))),
            TextureClass("SiCl", "silty clay", ((60, 40), (40, 40), (40, 60))),
            TextureClass("SaCl", "sandy clay", ((55, 0), (35, 0), (35, 20))),
            TextureClass("SiClLo", "silty clay loam", ((40, 40), (27, 53), (27, 73), (40, 60))),
            TextureClass("ClLo", "clay loam", ((40, 15), (27, 28), (27, 53), (40, 40))),
            TextureClass("SaClLo", "sandy clay loam", ((35, 0), (20, 0), (20, 28), (27, 28), (35, 20))),
            TextureClass("Si", "silt", ((12, 80), (0, 80), (0, 100), (12, 88))),
            TextureClass("SiLo", "silt loam", ((27, 50), (0, 50), (0, 80), (12, 80), (12, 88), (27, 73))),
            TextureClass("Lo", "loam", ((27, 28), (20, 28), (7, 41), (7, 50), (27, 50))),
            TextureClass("SaLo", "sandy loam", ((20, 0), (15, 0), (0, 30), (0, 50), (7, 50), (7, 41), (20, 28))),
            TextureClass("LoSa", "loamy sand", ((15, 0), (10, 0), (0, 15), (0, 30))),
            TextureClass("Sa", "sand", ((10, 0), (0, 0), (0, 15))),
        ),
    }
)
"""The classes of each system, the finest first: a point on a border belongs to the first class that holds it."""

GROUPS = MappingProxyType(
    {
        "sandy soil": ("sand", "loamy sand"),
        "loam": ("sandy loam", "loam", "silt loam"),
        "clay loam": ("sandy clay loam", "clay loam", "silty clay loam"),
        "clay": ("sandy clay", "light clay", "silty clay", "heavy clay"),
    }
)
"""The four groups of the twelve international classes, as the system is taught and used in China: sandy soil with 85 % sand or
more; else loam to 15 % clay, clay loam to 25 %, clay above. Tables there split heavy clay at 65 % and do not split sand; the
groups are the same either way."""

REASONS = MappingProxyType(
    {
        "missing": "clay, silt or sand is missing",
        "negative": "clay, silt or sand is below 0",
        "sum": "the three do not add up to 100 within the tolerance",
        "scaled": "the three did not add up to 100 within the tolerance and were scaled, as asked",
    }
)
"""What ``reason`` can say; all but ``scaled`` go with an empty class."""


@dataclass(frozen=True)
class Texture:
    """Classes of n samples, in the shape of the input.

    Attributes
    ----------
    name, code : str array
        Name and short code of the class, empty where there is none.
    group : str array
        One of :data:`GROUPS`; empty for ``usda``, to whose classes they do not apply.
    reason : str array
        Empty, or a key of :data:`REASONS`.
    sum_pct : float array
        Clay + silt + sand as given.
    """

    name: NDArray[np.str_]
    code: NDArray[np.str_]
    group: NDArray[np.str_]
    reason: NDArray[np.str_]
    sum_pct: Floats


def classify(
    clay_pct: ArrayLike,
    silt_pct: ArrayLike,
    sand_pct: ArrayLike,
    *,
    system: System = "international",
    tolerance_pct: float = 1.0,
    normalise: bool = False,
) -> Texture:
    """Texture class of each sample.

    Parameters
    ----------
    clay_pct, silt_pct, sand_pct : float arrays of one shape
        Percent of the fine earth, in the size limits of the system; NaN where missing.
    system : {"international", "usda"}
    tolerance_pct : float
        How far the sum may be from 100. The default is what rounding to whole percents can do. Within it the three are scaled
        to 100.
    normalise : bool
        Scale every other positive sum as well; ``reason`` says where that was done.

    Returns
    -------
    Texture

    Raises
    ------
    TableError
        Unknown system, shapes that differ, negative tolerance, infinite values.

    Notes
    -----
    Point in polygon in the plane of clay and silt. A point on a border belongs to the finer class: the order of
    :data:`CLASSES`, more clay first, then less sand.

    Examples
    --------
    >>> found = classify([50, 20, 15, 30], [25, 40, 0, 30], [25, 40, 85, 30])
    >>> found.name.tolist(), found.group.tolist()
    (['heavy clay', 'clay loam', 'sandy clay loam', ''], ['clay', 'clay loam', 'clay loam', ''])
    >>> found.reason.tolist(), found.sum_pct.tolist()
    (['', '', '', 'sum'], [100.0, 100.0, 100.0, 90.0])
    """
    clay, silt, sand = _checked(clay_pct, silt_pct, sand_pct, system, tolerance_pct)
    total = clay + silt + sand
    # Decimals such as 33.3 do not add up exactly: a deviation of the tolerance itself must not fail by the last bit.
    off = np.abs(total - 100.0) > tolerance_pct + BORDER_PCT
    # Sand as 100 - clay - silt can be below 0 by the last bit.
    negative = (clay < -BORDER_PCT) | (silt < -BORDER_PCT) | (sand < -BORDER_PCT)
    refused = off & (~(total > 0) | (not normalise))
    reason = np.select([np.isnan(total), negative, refused, off], ["missing", "negative", "sum", "scaled"], "")
    index = np.full(clay.shape, -1)
    classed = (reason == "") | (reason == "scaled")
    scale = 100.0 / total[classed]
    index[classed] = _index(clay[classed] * scale, silt[classed] * scale, CLASSES[system])
    names, codes = (np.array([*(getattr(one, what) for one in CLASSES[system]), ""]) for what in ("name", "code"))
    name = np.asarray(names[index])
    groups = group(name) if system == "international" else np.full(name.shape, "")
    return Texture(name, np.asarray(codes[index]), groups, reason, np.asarray(total))


def group(name: ArrayLike) -> NDArray[np.str_]:
    """The group of each international class: :data:`GROUPS`; empty where the name is none of them.

    >>> group(["silt loam", "heavy clay", ""]).tolist()
    ['loam', 'clay', '']
    """
    names = np.asarray(name, dtype=np.str_)
    return np.select([np.isin(names, members) for members in GROUPS.values()], list(GROUPS), "")


def silt_to_20_um(
    clay_pct: ArrayLike, silt_pct: ArrayLike, sand_pct: ArrayLike, *, silt_to_um: float = 50.0
) -> tuple[Floats, Floats, Floats]:
    """Clay, silt and sand with silt to 20 um from silt to 50 um (or another limit), by log-linear interpolation.

    The cumulative curve is taken as a straight line in the logarithm of the diameter between 2 um and the old limit:
    ``silt x ln(20/2) / ln(50/2)`` stays silt (0.715 of it), the rest becomes sand.

    Parameters
    ----------
    clay_pct, silt_pct, sand_pct : float arrays, shapes that broadcast
    silt_to_um : float
        Upper limit of silt in the data, 20 or more (50 in the United States and FAO, 63 in Germany and Britain).

    Returns
    -------
    clay, silt, sand : float arrays
        Percent; the sum does not change.

    Raises
    ------
    TableError
        A limit below 20.

    Notes
    -----
    Of four procedures compared by Nemes et al. (1999, Geoderma 90: 187-202) this one, the only one that needs no more than
    three fractions, was the least accurate. A class of the international system found this way is an estimate.

    Examples
    --------
    >>> clay, silt, sand = silt_to_20_um(20.0, 50.0, 30.0)
    >>> float(clay), round(float(silt), 3), round(float(sand), 3)
    (20.0, 35.767, 44.233)
    """
    if not 20.0 <= silt_to_um < np.inf:
        raise TableError(f"silt_to_um: found {silt_to_um:g}; expected 20 or more")
    arrays = (np.asarray(values, dtype=np.float64) for values in (clay_pct, silt_pct, sand_pct))
    clay, silt, sand = np.broadcast_arrays(*arrays)
    fine = silt * (np.log(10.0) / np.log(silt_to_um / 2.0))
    return clay.copy(), fine, sand + (silt - fine)


def _index(clay: Floats, silt: Floats, classes: tuple[TextureClass, ...]) -> NDArray[np.int64]:
    """First class whose polygon holds each point, border included; -1 where none does."""
    return np.select([_inside(clay, silt, one.corners) for one in classes], range(len(classes)), -1).astype(np.int64)


def _inside(x: Floats, y: Floats, corners: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Whether points lie in a polygon or on its border."""
    crossings = np.zeros(x.shape, dtype=bool)
    border = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
        border |= np.hypot(x - ax - along * dx, y - ay - along * dy) <= BORDER_PCT
        if dy != 0:
            crossings ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * (dx / dy))
    return crossings | border


def _checked(clay: ArrayLike, silt: ArrayLike, sand: ArrayLike, system: str, tolerance_pct: float) -> tuple[Floats, Floats, Floats]:
    """The three arrays, or all that is wrong with them."""
    given = {"clay_pct": clay, "silt_pct": silt, "sand_pct": sand}
    arrays = [np.asarray(values, dtype=np.float64) for values in given.values()]
    faults = []
    if system not in CLASSES:
        faults.append(f"system: found {system!r}; expected one of {', '.join(CLASSES)}")
    if len({array.shape for array in arrays}) > 1:
        faults.append(f"clay, silt, sand: found shapes {', '.join(str(array.shape) for array in arrays)}; expected one shape")
    if not 0 <= tolerance_pct < np.inf:
        faults.append(f"tolerance_pct: found {tolerance_pct}; expected 0 or more")
    infinite = {name: int(np.isinf(array).sum()) for name, array in zip(given, arrays, strict=True)}
    faults += [f"{name}: found {count} infinite values; expected percent" for name, count in infinite.items() if count]
    if faults:
        raise TableError(faults)
    return arrays[0], arrays[1], arrays[2]
