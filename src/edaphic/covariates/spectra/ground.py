"""Indices of bare soil, minerals, fire and tillage. Arguments, types and missing values as in :mod:`.vegetation`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from edaphic.covariates.spectra.vegetation import Float, difference, finished, floats, quotient


def bsi(swir: ArrayLike, red: ArrayLike, nir: ArrayLike, blue: ArrayLike) -> Float:
    """Bare soil index ((SWIR + Red) - (NIR + Blue)) / ((SWIR + Red) + (NIR + Blue)).

    Rikimaru, A., Roy, P.S., Miyatake, S. (2002). With SWIR1 it is ``bsi``; ``bsi_swir2`` takes SWIR2, as some sources do.

    >>> round(float(bsi(0.4, 0.2, 0.1, 0.1)), 6)  # 0.4 / 0.8
    0.5
    """
    s, r, n, b = floats(swir, red, nir, blue)
    return quotient((s + r) - (n + b), (s + r) + (n + b))


def nbr(nir: ArrayLike, swir2: ArrayLike) -> Float:
    """Normalised burn ratio (NIR - SWIR2) / (NIR + SWIR2).

    Key, C.H., Benson, N.C. (2006).

    >>> float(nbr(0.75, 0.25))
    0.5
    """
    return difference(nir, swir2)


def nbr2(swir1: ArrayLike, swir2: ArrayLike) -> Float:
    """Normalised difference of the two shortwave infrared bands (SWIR1 - SWIR2) / (SWIR1 + SWIR2): low over dry bare soil.

    USGS (2017), Landsat surface reflectance-derived spectral indices.

    >>> float(nbr2(0.75, 0.25))
    0.5
    """
    return difference(swir1, swir2)


def ndti(swir1: ArrayLike, swir2: ArrayLike) -> Float:
    """Normalised difference tillage index (SWIR1 - SWIR2) / (SWIR1 + SWIR2): crop residue. The same formula as NBR2.

    van Deventer, A.P., Ward, A.D., Gowda, P.H., Lyon, J.G. (1997).

    >>> float(ndti(0.75, 0.25))
    0.5
    """
    return difference(swir1, swir2)


def bi(red: ArrayLike, green: ArrayLike, blue: ArrayLike) -> Float:
    """Brightness index sqrt((Red^2 + Green^2 + Blue^2) / 3). Reflectance.

    Mathieu, R., Pouget, M., Cervelle, B., Escadafal, R. (1998).

    >>> float(bi(0.5, 0.5, 0.5))
    0.5
    """
    r, g, b = floats(red, green, blue)
    return finished(np.sqrt((r**2 + g**2 + b**2) / 3.0))


def ci(red: ArrayLike, green: ArrayLike) -> Float:
    """Coloration index (Red - Green) / (Red + Green).

    Mathieu and others (1998).

    >>> float(ci(0.75, 0.25))
    0.5
    """
    return difference(red, green)


def ri(red: ArrayLike, green: ArrayLike, blue: ArrayLike) -> Float:
    """Redness index Red^2 / (Blue Green^3): haematite. Reflectance.

    Mathieu and others (1998).

    >>> float(ri(0.5, 0.5, 0.5))
    4.0
    """
    r, g, b = floats(red, green, blue)
    return quotient(r**2, b * g**3)


def si(red: ArrayLike, blue: ArrayLike) -> Float:
    """Saturation index (Red - Blue) / (Red + Blue): purity of the colour.

    Mathieu and others (1998).

    >>> float(si(0.75, 0.25))
    0.5
    """
    return difference(red, blue)


def hi(red: ArrayLike, green: ArrayLike, blue: ArrayLike) -> Float:
    """Hue index (2 Red - Green - Blue) / (Green - Blue): primary colours.

    Mathieu and others (1998).

    >>> float(hi(0.5, 0.375, 0.25))
    3.0
    """
    r, g, b = floats(red, green, blue)
    return quotient(2.0 * r - g - b, g - b)


def clay(swir1: ArrayLike, swir2: ArrayLike) -> Float:
    """Clay mineral ratio SWIR1 / SWIR2: hydroxyl and carbonate absorb in SWIR2.

    Drury, S.A. (1987).

    >>> float(clay(0.5, 0.25))
    2.0
    """
    return quotient(*floats(swir1, swir2))


def ferrous(swir1: ArrayLike, nir: ArrayLike) -> Float:
    """Ferrous mineral ratio SWIR1 / NIR.

    Segal, D. (1982).

    >>> float(ferrous(0.5, 0.25))
    2.0
    """
    return quotient(*floats(swir1, nir))


def iron_oxide(red: ArrayLike, blue: ArrayLike) -> Float:
    """Iron oxide ratio Red / Blue.

    Drury, S.A. (1987).

    >>> float(iron_oxide(0.5, 0.25))
    2.0
    """
    return quotient(*floats(red, blue))


def carbonate(red: ArrayLike, green: ArrayLike) -> Float:
    """Carbonate ratio Red / Green.

    Boettinger, J.L., and others (2008).

    >>> float(carbonate(0.5, 0.25))
    2.0
    """
    return quotient(*floats(red, green))


def salinity(blue: ArrayLike, red: ArrayLike) -> Float:
    """Salinity index sqrt(Blue Red): salt crusts are bright. Reflectance.

    Khan, N.M., Rastoskuev, V.V., Sato, Y., Shiozawa, S. (2005).

    >>> float(salinity(0.25, 1.0))
    0.5
    """
    b, r = floats(blue, red)
    with np.errstate(invalid="ignore"):
        return finished(np.sqrt(b * r))


def tasselled_cap(weights: tuple[float, ...], *bands: ArrayLike) -> Float:
    """Weighted sum of blue, green, red, NIR, SWIR1 and SWIR2. Reflectance.

    >>> float(tasselled_cap((1, 0, 0, 0, 0, -1), 0.5, 0, 0, 0, 0, 0.25))
    0.25
    """
    total = np.zeros(())
    for weight, band in zip(weights, floats(*bands), strict=True):
        total = total + weight * band
    return finished(total)


TASSELLED_CAP: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    # Crist, E.P. (1985), table of TM reflectance factors.
    "tm": {
        "tcb": (0.2043, 0.4158, 0.5524, 0.5741, 0.3124, 0.2303),
        "tcg": (-0.1603, -0.2819, -0.4934, 0.7940, -0.0002, -0.1446),
        "tcw": (0.0315, 0.2021, 0.3102, 0.1594, -0.6806, -0.6109),
    },
    # Huang, C., Wylie, B., Yang, L., Homer, C., Zylstra, G. (2002), at-satellite reflectance.
    "etm": {
        "tcb": (0.3561, 0.3972, 0.3904, 0.6966, 0.2286, 0.1596),
        "tcg": (-0.3344, -0.3544, -0.4556, 0.6966, -0.0242, -0.2630),
        "tcw": (0.2626, 0.2141, 0.0926, 0.0656, -0.7629, -0.5388),
    },
    # Baig, M.H.A., Zhang, L., Shuai, T., Tong, Q. (2014), at-satellite reflectance.
    "oli": {
        "tcb": (0.3029, 0.2786, 0.4733, 0.5599, 0.5080, 0.1872),
        "tcg": (-0.2941, -0.2430, -0.5424, 0.7276, 0.0713, -0.1608),
        "tcw": (0.1511, 0.1973, 0.3283, 0.3407, -0.7117, -0.4559),
    },
}
"""Weights of brightness, greenness and wetness by sensor."""
