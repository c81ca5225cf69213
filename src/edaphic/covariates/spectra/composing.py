"""What is made of a stack of scenes: indices, statistics, periods, bare soil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edaphic.covariates.spectra.indices import INDICES, Index
from edaphic.covariates.spectra.periods import Period
from edaphic.covariates.spectra.quality import DEFAULT_MASK
from edaphic.covariates.spectra.reflectance import Coefficients, Float
from edaphic.covariates.spectra.single import roles_of
from edaphic.covariates.spectra.statistics import read_statistic
from edaphic.covariates.spectra.vegetation import difference
from edaphic.errors import RasterError


@dataclass(frozen=True)
class BareSoil:
    """Which observations see bare soil: little green, little dry residue, no snow.

    The limits are those of GEOS3: Demattê, J.A.M., Fongaro, C.T., Rizzo, R., Safanelli, J.L. (2018), Remote Sensing of Environment
    212, 161-175. They depend on sensor and region and may be given. NDVI and NBR2 of snow are like those of bare soil; snow is dark in
    SWIR1, which soil is not: NDSII = (Red - SWIR1) / (Red + SWIR1) above 0.40 is snow after Xiao, X., Shen, Z., Qin, X. (2001),
    International Journal of Remote Sensing 22, 2479-2487.

    Parameters
    ----------
    ndvi_low, ndvi_high : float
        NDVI of bare soil; water lies below, vegetation above.
    nbr2_high : float
        Largest absolute NBR2 of bare soil; crop residue, and moist soil, lie above.
    ndsii_high : float
        Largest NDSII of bare soil; snow lies above.

    Examples
    --------
    Soil, and snow with the same NDVI and NBR2:

    >>> soil = {"red": 0.2, "nir": 0.25, "swir1": 0.3, "swir2": 0.27}
    >>> snow = {"red": 0.85, "nir": 0.8, "swir1": 0.12, "swir2": 0.1}
    >>> [bool(BareSoil().seen({role: np.float32(value) for role, value in bands.items()})) for bands in (soil, snow)]
    [True, False]
    """

    ndvi_low: float = -0.05
    ndvi_high: float = 0.30
    nbr2_high: float = 0.15
    ndsii_high: float = 0.40

    def __post_init__(self) -> None:
        if not (-1.0 <= self.ndvi_low < self.ndvi_high <= 1.0 and 0.0 < self.nbr2_high <= 1.0 and -1.0 < self.ndsii_high <= 1.0):
            raise RasterError(
                f"bare soil: found NDVI {self.ndvi_low:g} to {self.ndvi_high:g} NBR2 up to {self.nbr2_high:g} and "
                f"NDSII up to {self.ndsii_high:g}; expected rising limits between -1 and 1"
            )

    def seen(self, bands: Mapping[str, Float]) -> NDArray[np.bool_]:
        """Cells that are bare soil, of bands by role."""
        ndvi, nbr2, ndsii = INDICES["ndvi"](bands), INDICES["nbr2"](bands), difference(bands["red"], bands["swir1"])
        with np.errstate(invalid="ignore"):
            soil = (ndvi >= self.ndvi_low) & (ndvi <= self.ndvi_high) & (np.abs(nbr2) <= self.nbr2_high)
            return np.asarray(soil & (ndsii <= self.ndsii_high))


@dataclass(frozen=True)
class Composing:
    """What is made of a stack of scenes.

    Parameters
    ----------
    indices : mapping of str to Index
        See :func:`.indices.indices_of`.
    bands : tuple of str
        Roles of bands of which composites are made themselves.
    statistics : tuple of str
        "median", "mean", "min", "max", "p0" to "p100", "max_ndvi" (the observation with the largest NDVI).
    periods : tuple of Period
        One composite each; all scenes make one where there is none.
    months : tuple of int
        Months of the year that count; all where there is none.
    least : int
        Fewest observations from which a cell gets a value.
    mask : tuple of str
        Conditions of quality to leave out.
    bare_soil : BareSoil, optional
        Only observations of bare soil count; snow is masked then, whatever else is.
    first : {"indices", "bands"}
        Statistic of the indices of each scene, or indices of the statistic of each band.
    coefficients : mapping of sensor to mapping of band to (slope, intercept)
        Cross-sensor correction.
    memory_mb : float
        Memory for the values of windows, of both threads together.
    """

    indices: Mapping[str, Index]
    bands: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ("median",)
    periods: tuple[Period, ...] = ()
    months: tuple[int, ...] = ()
    least: int = 1
    mask: tuple[str, ...] = DEFAULT_MASK
    bare_soil: BareSoil | None = None
    first: Literal["indices", "bands"] = "indices"
    coefficients: Mapping[str, Coefficients] = field(default_factory=dict)
    memory_mb: float = 512.0

    def __post_init__(self) -> None:
        faults = []
        if not self.indices and not self.bands:
            faults.append("composite: found neither indices nor bands; expected some")
        if not self.statistics:
            faults.append("composite: found no statistic; expected some, such as median")
        names = []
        for text in self.statistics:
            try:
                names.append(read_statistic(text).name)
            except RasterError as error:
                faults += error.faults
        if self.least < 1:
            faults.append(f"composite: found {self.least} as fewest observations; expected 1 or more")
        if self.first not in ("indices", "bands"):
            faults.append(f"composite: found {self.first!r} first; expected indices or bands")
        if self.memory_mb < 16:
            faults.append(f"composite: found {self.memory_mb:g} MB; expected 16 or more")
        if faults:
            raise RasterError(faults)
        object.__setattr__(self, "statistics", tuple(dict.fromkeys(names)))  # as they stand in file names, whatever the case of the text

    @property
    def conditions(self) -> tuple[str, ...]:
        """Conditions of quality that are left out: those that are asked for, and snow where only bare soil counts."""
        return (*self.mask, "snow") if self.bare_soil is not None and self.mask and "snow" not in self.mask else self.mask

    @property
    def roles(self) -> list[str]:
        """Bands that must be read."""
        extra = (*self.bands, *(("red", "nir") if "max_ndvi" in self.statistics else ()))
        return roles_of(self.indices, (*extra, *(("red", "nir", "swir1", "swir2") if self.bare_soil else ())))
