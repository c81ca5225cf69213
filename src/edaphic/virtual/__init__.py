"""A virtual landscape whose true soil organic carbon is known at every place and depth.

Maps of real soil are never checked against the truth: nobody knows it. Here covariates and carbon are made up together,
people sample where they can get to, their tables get gaps and typing faults, and all is written as the raw files that a
user would have. A run of the usual recipe can then be held against ``truth/``.

What is true: the carbon density (kg/m3) of a cell at depth z (cm) is ``surface * exp(-z / scale) + base``, so that the
stock between any two depths is a closed form, at all depths (rock is not modelled: a profile ends where its digger
stopped). The three parameters follow covariates through curves and classes, times spatially correlated fields that no
covariate shows. A profile has the density of its cell times a factor of its own, lognormal with mean one: the truth of
a cell is the mean of all profiles that could be dug in it. At a profile, content times bulk density times share of fine
earth is that density exactly, at each depth, and the means of a horizon multiply to its mean density; to these the
laboratory adds errors of mean zero.

The place lies in the open Adriatic, so that nobody takes it for a real one.

:func:`landscape`, :func:`sample` and :func:`write` make that place and its files: the demo. :mod:`edaphic.virtual.world` is plainer and
much faster: landscapes by the hundred, made to judge the methods themselves. The function ``landscape`` lives in ``land.py``: a file of
its own name would hide it.

:data:`LANDSCAPES` are three more, each of the structure of a published product, with what real data of that kind never have together: a
truth.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from edaphic.virtual.files import write
from edaphic.virtual.land import CRS, DISTRICTS, LAND_COVER, PARENT_MATERIAL, Landscape, landscape
from edaphic.virtual.plateau_files import write_plateau
from edaphic.virtual.sampling import FAULTS, NUGGET, Pedons, dig, sample
from edaphic.virtual.sampling import _laboratory as _laboratory
from edaphic.virtual.spacetime_files import write_space_time
from edaphic.virtual.subsoil_files import write_beta_subsoil

LANDSCAPES: Mapping[str, Callable[[Path, int, str], object]] = MappingProxyType(
    {"space-time": write_space_time, "beta-subsoil": write_beta_subsoil, "plateau-3d": write_plateau}
)
"""Functions that write raw files and truth into a folder, from a seed and a size (one of ``LAND_SIZES``)."""

LAND_SIZES = ("small", "full")

__all__ = [
    "CRS",
    "DISTRICTS",
    "FAULTS",
    "LANDSCAPES",
    "LAND_COVER",
    "LAND_SIZES",
    "NUGGET",
    "PARENT_MATERIAL",
    "Landscape",
    "Pedons",
    "dig",
    "landscape",
    "sample",
    "write",
    "write_beta_subsoil",
    "write_plateau",
    "write_space_time",
]
