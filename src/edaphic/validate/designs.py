"""The designs of validation by name: ways to hold profiles back, and which of them is the headline.

Each design is a scikit-learn splitter: ``split(X, y, groups)``, where X is a table with ``lon`` and ``lat``, one row per
profile or per layer, and groups are the places (:func:`places`). Rows of one place are never on both sides, except where the
design says so by name and note.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import ModelError
from edaphic.validate.folds import BlockFolds, ProfileFolds, RandomFolds, block_side_m
from edaphic.validate.grouping import EARTH_RADIUS_M, Folds, Ints, Split, places, spread_over_folds
from edaphic.validate.holdout import BootstrapSplits, RepeatedHoldOut
from edaphic.validate.knndm import KnndmFacts, KnndmFolds
from edaphic.validate.strata import LeaveTimeOut, LeaveZoneOut, StrataFolds

__all__ = [
    "DESIGNS",
    "EARTH_RADIUS_M",
    "BlockFolds",
    "BootstrapSplits",
    "Design",
    "Folds",
    "KnndmFacts",
    "KnndmFolds",
    "LeaveTimeOut",
    "LeaveZoneOut",
    "ProfileFolds",
    "RandomFolds",
    "RepeatedHoldOut",
    "StrataFolds",
    "block_side_m",
    "headline",
    "make_design",
    "places",
    "spread_over_folds",
]


class Design(Protocol):
    """What every design offers; where folds are a partition there is ``fold_of(X, groups)`` too."""

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of splits; designs by zone and by time need the rows to count them."""
        ...

    def split(self, X: pd.DataFrame, y: Any = None, groups: Ints | None = None) -> Iterator[Split]:
        """Pairs of training rows and held-back rows."""
        ...

    def notes(self, X: pd.DataFrame, groups: Ints) -> list[str]:
        """What must be said about the splits of these rows, in plain sentences."""
        ...


def headline(designs: Collection[str], probability: bool) -> tuple[str, str]:
    """The design whose score is the accuracy of the map, and why.

    The design-based estimate where validation sites were drawn by probability (de Bruin et al. 2022; Wadoux et al. 2021); else
    kNNDM, whose held-back profiles lie as far from the rest as cells of the map do; else profiles, with the reservation that
    they may be clustered. Spatial blocks, strata, zones and periods left out test transfer, random rows test the filling in of
    known profiles: neither is ever the accuracy of the map.

    Parameters
    ----------
    designs : collection of str
        Names of the designs that were run.
    probability : bool
        Whether validation sites were drawn by probability.

    Returns
    -------
    str, str
        Name ("probability" for the design-based estimate) and reason.

    Raises
    ------
    ModelError
        No design that can stand for the map.

    Examples
    --------
    >>> headline(["profile", "block", "knndm"], probability=False)[0]
    'knndm'
    """
    if probability:
        return "probability", "validation sites were drawn by probability: estimate and error follow from the draw, whatever the map"
    if "knndm" in designs:
        return "knndm", (
            "no validation sites drawn by probability: kNNDM holds profiles back at the distances at which cells of the map lie from "
            "profiles; spatial blocks are a test of transfer, not the accuracy of the map"
        )
    for name in ("profile", "hold_out", "strata_in_proportion"):
        if name in designs:
            return name, (
                "neither validation sites drawn by probability nor kNNDM: the score at profiles drawn like the old ones, "
                "too good where profiles are clustered"
            )
    raise ModelError(f"evidence: designs {', '.join(designs) or 'none'}; expected knndm or profile among them for the accuracy of the map")


def make_design(
    name: str,
    *,
    folds: int,
    seed: int,
    block_m: float | None = None,
    prediction: NDArray[np.float64] | None = None,
    period_years: float = 10,
    test_share: float = 0.3,
) -> Design:
    """A design by its name in ``DESIGNS``.

    Parameters
    ----------
    name : str
    folds : int
        Folds, or repeats of a hold-out; zones and periods count themselves.
    seed : int
    block_m : float, optional
        Side of blocks, metres; ``block`` needs it (:func:`block_side_m`).
    prediction : float (m, 2), optional
        Longitude and latitude of cells of the map; ``knndm`` needs them.
    period_years : float
        Of strata and of periods left out.
    test_share : float
        Of hold-outs.

    Raises
    ------
    ModelError
        Unknown name, or what the design needs is missing.
    """
    if name not in DESIGNS:
        raise ModelError(f"evidence: design '{name}'; expected one of {', '.join(DESIGNS)}")
    if name == "block":
        if block_m is None:
            raise ModelError("evidence: design block without a side; expected block_m in metres")
        return BlockFolds(folds, seed, block_m)
    if name == "knndm":
        if prediction is None:
            raise ModelError("evidence: design knndm without prediction points; expected lon and lat of cells of the map")
        return KnndmFolds(folds, seed, prediction)
    if name == "zone":
        return LeaveZoneOut()
    if name == "time":
        return LeaveTimeOut(period_years)
    if name == "hold_out":
        return RepeatedHoldOut(folds, seed, test_share)
    if name in ("strata_left_out", "strata_in_proportion"):
        return StrataFolds(folds, seed, "left_out" if name == "strata_left_out" else "in_proportion", period_years)
    return RandomFolds(folds, seed) if name == "random" else ProfileFolds(folds, seed)


DESIGNS: Mapping[str, type] = MappingProxyType(
    {
        "random": RandomFolds,
        "profile": ProfileFolds,
        "block": BlockFolds,
        "strata_left_out": StrataFolds,
        "strata_in_proportion": StrataFolds,
        "zone": LeaveZoneOut,
        "time": LeaveTimeOut,
        "hold_out": RepeatedHoldOut,
        "knndm": KnndmFolds,
    }
)
