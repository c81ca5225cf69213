"""A layer as the user describes it, and what its container tells before the raster itself is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from affine import Affine
from odc.geo.crs import CRS

Kind = Literal["continuous", "class"]
Wanted = Literal["auto", "nearest", "bilinear", "average", "mode"]
Measure = Literal["class", "value", "mean", "density", "share"]


@dataclass(frozen=True)
class Source:
    """A layer, as the user describes it.

    Parameters
    ----------
    name : str
        Name of the layer in the stack.
    path : str or Path
        Any raster that GDAL reads, a VRT, a folder or a pattern of tiles, a NetCDF file or Zarr store, a STAC item, or
        a vector file of polygons. Local, in a zip file (``covs.zip/dem.tif``), or at an address that begins with
        ``http://``, ``https://``, ``s3://``, ``gs://`` or GDAL's ``/vsi...``.
    kind : {"continuous", "class"}
        Class codes are never blended.
    band : int
        Band of the file, from 1.
    nodata : float, optional
        Value that means "no value", in the numbers stored in the file. It replaces what the file says. Numbers that are
        not finite or are beyond 1e30 never count as values.
    scale, offset : float, optional
        Value = stored number x scale + offset. They replace what the file says.
    unit : str, optional
        Unit of the values. It replaces what the file says.
    classes : mapping of int to str, or path of a CSV table with codes and names, optional
        Names of the class codes. They replace what the file says.
    resampling : {"auto", "nearest", "bilinear", "average", "mode"}
        How values come to a grid with other cells; see :func:`edaphic.covariates.open_layer`.
    variable : str, optional
        Variable of a NetCDF file or Zarr store.
    time : str, optional
        Time steps of a variable: ``"1990"``, ``"1990-07"``, ``"1990-07-15"``, or a period with both its ends,
        ``"1981/2010"``. The mean of several steps is taken.
    months : sequence of int, optional
        Of these steps only those of the months, 1 to 12.
    asset : str, optional
        Key of the asset of a STAC item.
    column : str, optional
        Attribute of polygons.
    measure : {"class", "value", "mean", "density", "share"}, optional
        What a cell takes from polygons; see :class:`edaphic.covariates.PolygonLayer`.
    value : optional
        With measure share: polygons whose attribute is this one.

    Examples
    --------
    >>> Source("elevation", "dem.tif", nodata=-9999, unit="m").kind
    'continuous'
    """

    name: str
    path: str | Path
    kind: Kind = "continuous"
    band: int = 1
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    classes: Mapping[int, str] | str | Path | None = None
    resampling: Wanted = "auto"
    variable: str | None = None
    time: str | None = None
    months: tuple[int, ...] | None = None
    asset: str | None = None
    column: str | None = None
    measure: Measure | None = None
    value: str | float | None = None


@dataclass(frozen=True)
class Told:
    """Where the numbers of a source are, and what its container says of them; None where only the raster itself can.

    Parameters
    ----------
    address : str
        What GDAL opens: a file name, a subdataset, or the XML of a VRT.
    bands : tuple of int
        Bands whose mean is taken.
    nodata : float, optional
        It holds as it is, in the numbers that the address gives.
    without_nodata : bool
        The raster's own nodata is not to be used.
    """

    address: str
    bands: tuple[int, ...]
    crs: CRS | None = None
    transform: Affine | None = None
    nodata: float | None = None
    without_nodata: bool = False
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    classes: Mapping[int, str] | None = None
    notes: tuple[str, ...] = ()
