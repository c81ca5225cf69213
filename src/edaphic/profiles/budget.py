"""The error of a layer stock, from one budget of six parts.

Each part is one standard deviation in kg/m2, and the parts are independent of each other:

- ``soc``: repeatability of the laboratory, independent from horizon to horizon;
- ``method``: what the laboratory method may be off as a whole, one error for all horizons of a profile;
- ``bulk_density``: of measured values independent from horizon to horizon, of estimated ones one error for the profile;
- ``coarse_fragments``: likewise;
- ``spline``: how carbon lies within horizons that a layer cuts, and what smoothing moves between them;
- ``coverage``: the part of the layer that was not observed.

A source seldom states any of them. What is not known has the default of :class:`Errors`, which a recipe can change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PARTS = ("soc", "method", "bulk_density", "coarse_fragments", "spline", "coverage")
"""Parts of the budget, in the order of the columns ``sd_PART_kg_m2``."""

METHOD_SHARE: Mapping[str, float] = MappingProxyType(
    {
        "dry combustion": 0.05,
        "total minus inorganic": 0.10,
        "walkley_black": 0.15,
        "loss on ignition": 0.20,
        "": 0.10,
    }
)
"""Share of the value that a laboratory method may be off as a whole; "" stands for a method that is unknown or not listed.

Conventions of Edaphic in the range that comparisons between laboratories report: a few percent between instruments of dry
combustion; a recovery of Walkley-Black of 60 to 90 % around the assumed one (Lettens et al. 2007, Soil Use and Management 23:
10-19); a share of carbon in organic matter of 0.4 to 0.6 (Pribyl 2010, Geoderma 156: 75-83).
"""

SPLINE_SHARE = 1.6
SPLINE_SHARE_TOP = 2.5
"""Error of a spline's integral in distances from the thickness-weighted mean; the second where a layer cuts the first horizon.

Measured on ISRIC-WISE profiles: pairs of adjoining horizons were joined, and the content above each lost boundary predicted from the
joined horizons. Over 6,960 boundaries below the first joined horizon the error is 1.64 distances between spline and weighted mean (root
mean squares), over 4,782 within it 2.51: there the spline is flatter than the soil. Where the two agree, the stock hardly depends on how
carbon lies within horizons."""


@dataclass(frozen=True)
class Errors:
    """Errors of what was measured, one standard deviation each, where a source does not state its own.

    Attributes
    ----------
    soc_share : float
        Organic carbon of one horizon, share of the value: repeatability of one laboratory.
    method_share : mapping of method to float
        See :data:`METHOD_SHARE`; methods that are not named keep the default.
    reported_share : float
        A stock that the source reports, share of the value; it stands in the part ``method``.
    unobserved_share : float
        The part of a layer that was not observed, share of its estimate.
    """

    soc_share: float = 0.05
    method_share: Mapping[str, float] = field(default_factory=dict)
    reported_share: float = 0.15
    unobserved_share: float = 0.5

    def of_method(self, methods: pd.Series) -> Floats:
        """Share of the value for each method.

        >>> Errors(method_share={"walkley_black": 0.2}).of_method(pd.Series(["walkley_black", "dry combustion", "", "titration"])).tolist()
        [0.2, 0.05, 0.1, 0.1]
        """
        shares = {**METHOD_SHARE, **self.method_share}
        return np.asarray(methods.map(shares).fillna(shares[""]), dtype=np.float64)


@dataclass(frozen=True)
class HorizonErrors:
    """Errors of the carbon density of each horizon, kg/m3, (n,): parts that are independent between the horizons of a profile, and
    parts that all of them share."""

    independent: Mapping[str, Floats]
    shared: Mapping[str, Floats]


def horizon_errors(horizons: pd.DataFrame, errors: Errors) -> HorizonErrors:
    """Errors of the carbon density of every horizon.

    Parameters
    ----------
    horizons : DataFrame
        Filled horizon table, with ``reported`` (bool: its stock is the one that the source reports).
    errors : Errors

    Examples
    --------
    20 g/kg, 1.3 g/cm3, no stones: 26 kg/m3, of which 5 % by repeatability; a density known to 0.13 g/cm3 adds 2.6.

    >>> table = pd.DataFrame({
    ...     "soc_g_kg": [20.0], "bulk_density_g_cm3": [1.3], "bulk_density_sd_g_cm3": [0.13], "bulk_density_source": ["pedotransfer"],
    ...     "coarse_fragments_vol_pct": [0.0], "coarse_fragments_sd_vol_pct": [0.0], "coarse_fragments_source": ["measured"],
    ...     "soc_method": [""], "reported": [False], "density": [26.0]})
    >>> found = horizon_errors(table, Errors())
    >>> found.independent["soc"].round(3), found.shared["bulk_density"].round(3)
    (array([1.3]), array([2.6]))
    """
    computed = ~horizons["reported"].to_numpy(dtype=bool)
    soc = np.nan_to_num(horizons["soc_g_kg"].to_numpy(dtype=np.float64))
    earth = 1.0 - np.nan_to_num(horizons["coarse_fragments_vol_pct"].to_numpy(dtype=np.float64)) / 100.0
    weight = np.nan_to_num(horizons["bulk_density_g_cm3"].to_numpy(dtype=np.float64))
    density = horizons["density"].to_numpy(dtype=np.float64)
    weight_sd = np.nan_to_num(horizons["bulk_density_sd_g_cm3"].to_numpy(dtype=np.float64))
    stones_sd = np.nan_to_num(horizons["coarse_fragments_sd_vol_pct"].to_numpy(dtype=np.float64))
    by_weight = np.where(computed, soc * earth * weight_sd, 0.0)
    by_stones = np.where(computed, soc * weight * stones_sd / 100.0, 0.0)
    weighed = (horizons["bulk_density_source"] == "measured").to_numpy()
    sieved = horizons["coarse_fragments_source"].isin(["measured", "class"]).to_numpy()
    return HorizonErrors(
        independent={
            "soc": np.where(computed, density * errors.soc_share, 0.0),
            "bulk_density": np.where(weighed, by_weight, 0.0),
            "coarse_fragments": np.where(sieved, by_stones, 0.0),
        },
        shared={
            "method": density * np.where(computed, errors.of_method(horizons["soc_method"]), errors.reported_share),
            "bulk_density": np.where(weighed, 0.0, by_weight),
            "coarse_fragments": np.where(sieved, 0.0, by_stones),
        },
    )
