"""Indices of vegetation and water. Arguments are reflectance; differences over sums may also be computed from other numbers.

Every function takes arrays of any numeric type and computes in float64, so that bands of 8 and 16 bits cannot overflow. The result is
float32, NaN where a band has no value or a denominator is zero; it is never infinite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float32]
Double = NDArray[np.float64]


def floats(*bands: ArrayLike) -> list[Double]:
    """Bands as float64, whatever their type."""
    return [np.asarray(band).astype(np.float64) for band in bands]


def finished(values: Double) -> Float:
    """Values as float32, NaN in place of what is not finite there."""
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.asarray(values).astype(np.float32)
    return np.where(np.isfinite(out), out, np.float32(np.nan))


def quotient(above: Double, below: Double) -> Float:
    """Above / below, NaN where below is zero."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finished(np.where(below == 0.0, np.nan, above / below))


def difference(one: ArrayLike, other: ArrayLike) -> Float:
    """Normalised difference (one - other) / (one + other).

    >>> difference(np.uint8([200, 0]), np.uint8([100, 0])).tolist()
    [0.3333333432674408, nan]
    """
    a, b = floats(one, other)
    return quotient(a - b, a + b)


def ndvi(nir: ArrayLike, red: ArrayLike) -> Float:
    """Normalised difference vegetation index (NIR - Red) / (NIR + Red); water and snow below 0, dense vegetation above 0.6.

    Rouse, J.W., Haas, R.H., Schell, J.A., Deering, D.W. (1974).

    >>> round(float(ndvi(0.5, 0.25)), 6)  # 0.25 / 0.75
    0.333333
    """
    return difference(nir, red)


def evi(nir: ArrayLike, red: ArrayLike, blue: ArrayLike) -> Float:
    """Enhanced vegetation index 2.5 (NIR - Red) / (NIR + 6 Red - 7.5 Blue + 1). Reflectance.

    Huete, A., and others (2002). The denominator nears zero over cloud, snow and bright sand: beyond -1 to 1 it means nothing.

    >>> float(evi(0.5, 0.25, 0.125))  # 2.5 x 0.25 / 2.0625
    0.3030303120613098
    """
    n, r, b = floats(nir, red, blue)
    return quotient(2.5 * (n - r), n + 6.0 * r - 7.5 * b + 1.0)


def evi2(nir: ArrayLike, red: ArrayLike) -> Float:
    """Two-band enhanced vegetation index 2.5 (NIR - Red) / (NIR + 2.4 Red + 1). Reflectance.

    Jiang, Z., Huete, A.R., Didan, K., Miura, T. (2008).

    >>> round(float(evi2(0.5, 0.25)), 6)  # 0.625 / 2.1
    0.297619
    """
    n, r = floats(nir, red)
    return quotient(2.5 * (n - r), n + 2.4 * r + 1.0)


def savi(nir: ArrayLike, red: ArrayLike) -> Float:
    """Soil-adjusted vegetation index 1.5 (NIR - Red) / (NIR + Red + 0.5). Reflectance.

    Huete, A.R. (1988), with L = 0.5.

    >>> round(float(savi(0.5, 0.25)), 6)  # 0.375 / 1.25
    0.3
    """
    n, r = floats(nir, red)
    return quotient(1.5 * (n - r), n + r + 0.5)


def savi_printed(nir: ArrayLike, red: ArrayLike) -> Float:
    """(NIR - Red) / ((NIR + Red + 0.5) x 1.5): as printed in the paper that Edaphic follows, 2.25 times smaller than SAVI.

    >>> round(float(savi(0.5, 0.25)) / float(savi_printed(0.5, 0.25)), 5)
    2.25
    """
    n, r = floats(nir, red)
    return quotient(n - r, (n + r + 0.5) * 1.5)


def osavi(nir: ArrayLike, red: ArrayLike) -> Float:
    """Optimised soil-adjusted vegetation index (NIR - Red) / (NIR + Red + 0.16). Reflectance.

    Rondeaux, G., Steven, M., Baret, F. (1996).

    >>> round(float(osavi(0.5, 0.25)), 6)  # 0.25 / 0.91
    0.274725
    """
    n, r = floats(nir, red)
    return quotient(n - r, n + r + 0.16)


def msavi2(nir: ArrayLike, red: ArrayLike) -> Float:
    """Modified soil-adjusted vegetation index (2 NIR + 1 - sqrt((2 NIR + 1)^2 - 8 (NIR - Red))) / 2. Reflectance.

    Qi, J., Chehbouni, A., Huete, A.R., Kerr, Y.H., Sorooshian, S. (1994).

    >>> round(float(msavi2(0.5, 0.25)), 6)  # (2 - sqrt(4 - 2)) / 2
    0.292893
    """
    n, r = floats(nir, red)
    twice = 2.0 * n + 1.0
    with np.errstate(invalid="ignore"):
        return finished((twice - np.sqrt(twice**2 - 8.0 * (n - r))) / 2.0)


def gndvi(nir: ArrayLike, green: ArrayLike) -> Float:
    """Green normalised difference vegetation index (NIR - Green) / (NIR + Green).

    Gitelson, A.A., Kaufman, Y.J., Merzlyak, M.N. (1996).

    >>> float(gndvi(0.75, 0.25))
    0.5
    """
    return difference(nir, green)


def ndre(nir: ArrayLike, red_edge1: ArrayLike) -> Float:
    """Normalised difference of near infrared and red edge (NIR - RE1) / (NIR + RE1); Sentinel-2 only.

    Barnes, E.M., and others (2000).

    >>> float(ndre(0.75, 0.25))
    0.5
    """
    return difference(nir, red_edge1)


def lswi(nir: ArrayLike, swir1: ArrayLike) -> Float:
    """Land surface water index (NIR - SWIR1) / (NIR + SWIR1): water in leaves and soil. Also called NDMI, and NDWI of Gao (1996).

    Xiao, X., and others (2002).

    >>> float(lswi(0.75, 0.25))
    0.5
    """
    return difference(nir, swir1)


def ndwi(green: ArrayLike, nir: ArrayLike) -> Float:
    """Normalised difference water index (Green - NIR) / (Green + NIR): open water above 0.

    McFeeters, S.K. (1996).

    >>> float(ndwi(0.75, 0.25))
    0.5
    """
    return difference(green, nir)


def mndwi(green: ArrayLike, swir1: ArrayLike) -> Float:
    """Modified normalised difference water index (Green - SWIR1) / (Green + SWIR1): open water above 0. As snow index: NDSI.

    Xu, H. (2006).

    >>> float(mndwi(0.75, 0.25))
    0.5
    """
    return difference(green, swir1)
