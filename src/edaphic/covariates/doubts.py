"""Rasters that are declared continuous but look like codes of classes, or like angles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edaphic.covariates.address import is_local
from edaphic.covariates.facts import Source, facts
from edaphic.covariates.handles import HANDLES
from edaphic.covariates.polygon_layers import is_polygons

FEWEST_VALUES = 12
LOOKED_AT = 256


def looks_like_classes(source: Source) -> str:
    """Why a raster looks like classes; empty where it does not.

    A colour table, a legend file ``NAME_legend.csv`` beside it, or whole numbers of which a thinned reading (256 x 256 cells at
    most) shows no more than twelve.
    """
    path = Path(source.path)
    if is_polygons(source) or not is_local(str(source.path)):
        return ""  # polygons say what they are; a thinned reading of a remote raster may fetch all of it
    if path.with_name(f"{path.stem}_legend.csv").is_file():
        return f"{path.stem}_legend.csv stands beside it"
    known = facts(source)
    with HANDLES.take(known.key) as raster:
        if np.dtype(raster.dtypes[known.band - 1]).kind not in "iu" or (known.scale, known.offset) != (1.0, 0.0):
            return ""
        try:
            raster.colormap(known.band)
        except ValueError:
            pass
        else:
            return "it has a colour table"
        shape = (min(LOOKED_AT, raster.height), min(LOOKED_AT, raster.width))
        values = raster.read(known.band, out_shape=shape, masked=True).compressed()
    distinct = np.unique(values)
    return f"it holds {len(distinct)} whole numbers only" if 2 < len(distinct) <= FEWEST_VALUES else ""


def class_doubts(sources: Sequence[Source]) -> list[str]:
    """One note for each continuous source that looks like classes."""
    reasons = [(source.name, looks_like_classes(source)) for source in sources if source.kind == "continuous"]
    notes = [f"{name} is taken for continuous, but {why}: kind: class?" for name, why in reasons if why]
    return notes + angle_doubts([source.name for source in sources if source.kind == "continuous"])


def angle_doubts(names: Sequence[str]) -> list[str]:
    """One note for each name of an aspect.

    >>> angle_doubts(["slope", "aspect_90m"])
    ['aspect_90m looks like an angle, and 359 and 1 degree have no mean between them: northness and eastness in its place?']
    """
    return [
        f"{name} looks like an angle, and 359 and 1 degree have no mean between them: northness and eastness in its place?"
        for name in names
        if "aspect" in name.lower()
    ]
