"""What is said about a map, in its file and beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MapInfo:
    """What is to be said about one map, in its file and beside it.

    Parameters
    ----------
    name : str
        File name without ending, ``soc_stock_mean_0-30cm``; also the identifier of the STAC item.
    title, description : str
        One line, and what the numbers mean.
    unit : str
        Unit of the values, as in :mod:`edaphic.units`.
    tags : mapping of str to str
        Provenance: product, layer, statistic, version, recipe hash, seed.
    period : (first year, last year) or None
        Years that the profiles were sampled in; None where they are not known.
    colours : {"sequential", "uncertainty"}
        Ramp of the style: viridis for values, cividis for their uncertainty.
    """

    name: str
    title: str
    unit: str
    description: str
    tags: Mapping[str, str]
    period: tuple[int, int] | None = None
    colours: Literal["sequential", "uncertainty"] = "sequential"
