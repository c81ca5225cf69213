"""Quality of cells: bits and classes that come with images, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import RasterError

Bool = NDArray[np.bool_]

DEFAULT_MASK = ("fill", "defective", "dilated_cloud", "cirrus", "cloud", "cloud_shadow")
"""What is left out unless the user says otherwise."""


@dataclass(frozen=True)
class Bits:
    """A condition coded in some bits of a number: true if they hold one of the values.

    Parameters
    ----------
    first, last : int
        Bits, from 0, the least significant.
    values : tuple of int
        Values of these bits, read as a number, for which the condition is met.
    """

    first: int
    last: int
    values: tuple[int, ...] = (1,)

    def met(self, codes: NDArray[np.int64]) -> Bool:
        """Where the condition is met."""
        full = (1 << (self.last - self.first + 1)) - 1
        if self.values == (full,):
            return np.asarray((codes & (full << self.first)) == full << self.first)
        return np.asarray(np.isin((codes >> self.first) & full, self.values))


@dataclass(frozen=True)
class Classes:
    """A condition coded as one of some whole numbers."""

    values: tuple[int, ...]

    def met(self, codes: NDArray[np.int64]) -> Bool:
        """Where the condition is met."""
        return np.asarray(np.isin(codes, self.values))


Scheme = Mapping[str, Bits | Classes]


def flagged(codes: ArrayLike, scheme: str, names: Sequence[str] = DEFAULT_MASK) -> Bool:
    """Cells for which any of the named conditions holds.

    Parameters
    ----------
    codes : array_like
        Numbers of the quality band, of any type; NaN is fill. Negative ones are 16-bit numbers that were stored with a sign.
    scheme : str
        One of :data:`SCHEMES`.
    names : sequence of str
        Conditions. Those that the scheme does not know, and the default mask asks for, are passed over, as Landsat 5 knows no cirrus.

    Returns
    -------
    ndarray of bool, of the shape of ``codes``.

    Raises
    ------
    RasterError
        An unknown scheme, a name that no scheme knows, codes that are no whole numbers.

    Examples
    --------
    21824 is clear land, 22280 cloud, 23888 cloud shadow, 1 fill (Landsat 8, Collection 2).

    >>> flagged([21824, 22280, 23888, 1], "qa_pixel").tolist()
    [False, True, True, True]
    >>> flagged([21824, 22280, 23888, 1], "qa_pixel", ["cloud_shadow"]).tolist()
    [False, False, True, False]
    >>> flagged([4, 5, 9, 3, 0, 1], "scl").tolist()
    [False, False, True, True, True, True]
    """
    known = scheme_of(scheme)
    check_names(names)
    numbers = np.asarray(codes).astype(np.float64)
    missing = ~np.isfinite(numbers)
    if (np.round(numbers[~missing]) != numbers[~missing]).any():
        odd = numbers[~missing][np.round(numbers[~missing]) != numbers[~missing]][0]
        raise RasterError(f"quality band: found {odd:g}; expected whole numbers, codes of {scheme}")
    whole = np.where(missing, 0, numbers).astype(np.int64)
    whole = np.where(whole < 0, whole + 65536, whole)
    out = missing & ("fill" in names)
    for name in names:
        if name in known:
            out |= known[name].met(whole) & ~missing
    return out


def scheme_of(name: str) -> Scheme:
    """The conditions of a scheme by name.

    >>> sorted(scheme_of("fmask"))
    ['clear', 'cloud', 'cloud_shadow', 'fill', 'snow', 'water']
    """
    if name not in SCHEMES:
        raise RasterError(f"quality scheme: found {name!r}; expected one of {', '.join(SCHEMES)}")
    return SCHEMES[name]


def is_code(scheme: str, number: float) -> bool:
    """Whether a number tells something of a cell in a scheme of classes, other than that it is fill.

    A file whose nodata is such a number says "no value" where the scheme says "clear" or "cloud".

    >>> is_code("mask", 0), is_code("fmask", 255), is_code("scl", 0), is_code("qa60", 0), is_code("qa_pixel", 1)
    (True, False, False, True, False)
    """
    if number == 0 and scheme in ("mask", "qa60"):
        return True
    known = SCHEMES.get(scheme, {})
    told = {value for name, part in known.items() if name != "fill" and isinstance(part, Classes) for value in part.values}
    return number in told


def check_names(names: Sequence[str]) -> None:
    """Refuse names of conditions that no scheme knows.

    >>> check_names(["clouds"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    edaphic.errors.RasterError: mask: found 'clouds'; expected some of bare, cirrus, ..., water
    """
    every = sorted({condition for scheme in SCHEMES.values() for condition in scheme})
    faults = [f"mask: found {name!r}; expected some of {', '.join(every)}" for name in names if name not in every]
    if faults:
        raise RasterError(faults)


def saturated(codes: ArrayLike, bits: Sequence[int]) -> Bool:
    """Cells that QA_RADSAT says are saturated in any of some bands.

    Parameters
    ----------
    codes : array_like
        QA_RADSAT of Landsat Collection 2, or radsat_qa of Collection 1 with its own bits.
    bits : sequence of int
        See :func:`saturation_bits`.

    Examples
    --------
    Bit 3 stands for band 4.

    >>> saturated([0, 8, 16], [3]).tolist()
    [False, True, False]
    """
    numbers = np.asarray(codes).astype(np.float64)
    whole = np.where(np.isfinite(numbers), numbers, 0).astype(np.int64)
    wanted = 0
    for bit in bits:
        wanted |= 1 << bit
    return np.asarray((whole & wanted) != 0)


def saturation_bits(numbers: Sequence[str], collection: str = "02") -> list[int]:
    """Bits of QA_RADSAT of some bands: bit n - 1 for bands 1 to 7 of Collection 2, bit n of Collection 1's radsat_qa.

    >>> saturation_bits(["3", "4"]), saturation_bits(["3"], "01")
    ([2, 3], [3])
    """
    shift = 0 if collection == "01" else 1
    return [int(number) - shift for number in numbers if number.isdigit() and 1 <= int(number) <= 7]


def scheme_of_part(part: str, level: str) -> str:
    """Scheme of a quality file by the part of its name that tells what it holds; "" if it is none.

    >>> scheme_of_part("QA_PIXEL", "L2"), scheme_of_part("BQA", "L1"), scheme_of_part("SCL", "L2"), scheme_of_part("SR_B4", "L2")
    ('qa_pixel', 'bqa', 'scl', '')
    """
    return _PARTS.get(part.upper(), "")


_PARTS = {"QA_PIXEL": "qa_pixel", "BQA": "bqa", "PIXEL_QA": "pixel_qa", "SCL": "scl", "QA60": "qa60", "FMASK": "fmask"}

SCHEMES: Mapping[str, Scheme] = {
    # USGS (2022), Landsat Collection 2 Level-2 science product guides, table of QA_PIXEL. Bit 2 is not used for Landsat 4 to 7.
    "qa_pixel": {
        "fill": Bits(0, 0),
        "dilated_cloud": Bits(1, 1),
        "cirrus": Bits(2, 2),
        "cloud": Bits(3, 3),
        "cloud_shadow": Bits(4, 4),
        "snow": Bits(5, 5),
        "clear": Bits(6, 6),
        "water": Bits(7, 7),
        "cloud_medium": Bits(8, 9, (2, 3)),
        "cloud_high": Bits(8, 9, (3,)),
        "cloud_shadow_high": Bits(10, 11, (3,)),
        "snow_high": Bits(12, 13, (3,)),
        "cirrus_high": Bits(14, 15, (3,)),
    },
    # USGS (2019), Landsat Collection 1 Level-1 quality assessment band. Of shadow, snow and cirrus it tells confidence only.
    "bqa": {
        "fill": Bits(0, 0),
        "terrain_occlusion": Bits(1, 1),
        "saturated": Bits(2, 3, (1, 2, 3)),
        "cloud": Bits(4, 4),
        "cloud_medium": Bits(5, 6, (2, 3)),
        "cloud_high": Bits(5, 6, (3,)),
        "cloud_shadow": Bits(7, 8, (3,)),
        "snow": Bits(9, 10, (3,)),
        "cirrus": Bits(11, 12, (3,)),
    },
    # USGS (2019), LaSRC and LEDAPS product guides: pixel_qa of Collection 1 Level 2.
    "pixel_qa": {
        "fill": Bits(0, 0),
        "clear": Bits(1, 1),
        "water": Bits(2, 2),
        "cloud_shadow": Bits(3, 3),
        "snow": Bits(4, 4),
        "cloud": Bits(5, 5),
        "cloud_medium": Bits(6, 7, (2, 3)),
        "cloud_high": Bits(6, 7, (3,)),
        "cirrus": Bits(8, 9, (3,)),
        "terrain_occlusion": Bits(10, 10),
    },
    # ESA (2021), Sentinel-2 Level-2A: scene classification of Sen2Cor.
    "scl": {
        "fill": Classes((0,)),
        "defective": Classes((1,)),  # ESA: saturated or defective
        "saturated": Classes((1,)),
        "dark": Classes((2,)),
        "cloud_shadow": Classes((3,)),
        "vegetation": Classes((4,)),
        "bare": Classes((5,)),
        "water": Classes((6,)),
        "unclassified": Classes((7,)),
        "cloud_medium": Classes((8,)),
        "cloud": Classes((8, 9)),
        "cloud_high": Classes((9,)),
        "cirrus": Classes((10,)),
        "snow": Classes((11,)),
    },
    # ESA (2015), Sentinel-2 user handbook: QA60 of Level-1C.
    "qa60": {"cloud": Bits(10, 10), "cirrus": Bits(11, 11)},
    # Zhu, Z., Woodcock, C.E. (2012): classes of Fmask.
    "fmask": {
        "fill": Classes((255,)),
        "clear": Classes((0,)),
        "water": Classes((1,)),
        "cloud_shadow": Classes((2,)),
        "snow": Classes((3,)),
        "cloud": Classes((4,)),
    },
    # A mask of one's own: 1 is left out.
    "mask": {"cloud": Classes((1,))},
}
"""Quality schemes: condition -> bits or classes."""
