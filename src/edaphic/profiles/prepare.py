"""Sources to clean horizons: stacked, methods corrected, repaired, duplicates merged. The way that every verb takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from edaphic.profiles.cleaning.clean import clean, concat_repairs
from edaphic.profiles.cleaning.dedupe import merge_duplicates
from edaphic.profiles.reading.methods import correct
from edaphic.profiles.reading.read import stack_sources


@dataclass(frozen=True)
class Tidying:
    """What is done on request, see :func:`edaphic.profiles.clean`, :func:`edaphic.profiles.merge_duplicates` and
    :func:`edaphic.profiles.correct`."""

    shift_organic: bool = False
    last_thickness_cm: float | None = None
    bounding_box: tuple[float, float, float, float] | None = None
    merge: bool = True
    distance_m: float = 100.0
    years: float = 1.0
    depth_cm: float = 1.0
    share: float = 0.05
    copies_within_source: bool = False
    soc_methods: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tidy:
    """Horizons before and after, the repair log of the whole way, and the merged profiles."""

    raw: pd.DataFrame
    horizons: pd.DataFrame
    repairs: pd.DataFrame
    duplicates: pd.DataFrame


AS_IT_IS = Tidying()


def tidy(sources: Sequence[tuple[pd.DataFrame, pd.DataFrame]], how: Tidying = AS_IT_IS, *, places: bool = True) -> Tidy:
    """Clean horizons of several sources.

    Parameters
    ----------
    sources : sequence of (horizons, repairs)
        As :func:`edaphic.profiles.read_source` gave them.
    how : Tidying
    places : bool
        Profiles without coordinates are dropped; else they are kept without a place.

    Examples
    --------
    The same profile from two sources, once with a bulk density:

    >>> one = pd.DataFrame({
    ...     "profile_id": ["a"], "lon": [21.0], "lat": [41.0], "year": [2000.0], "top_cm": [0.0], "bottom_cm": [20.0],
    ...     "soc_g_kg": [20.0], "bulk_density_g_cm3": [1.3], "source": ["s"], "row": [1]})
    >>> two = one.assign(profile_id="b", bulk_density_g_cm3=float("nan"), source="t")
    >>> found = tidy([(one, concat_repairs([])), (two, concat_repairs([]))])
    >>> found.horizons["profile_id"].tolist(), len(found.duplicates)
    (['a'], 1)
    """
    raw, unread = stack_sources(sources)
    corrected, factors = correct(raw, how.soc_methods)
    horizons, repairs = clean(
        corrected,
        shift_organic=how.shift_organic,
        last_thickness_cm=how.last_thickness_cm,
        bounding_box=how.bounding_box,
        need_places=places,
    )
    log = [unread, factors, repairs]
    merged, duplicates = (
        merge_duplicates(
            horizons,
            distance_m=how.distance_m,
            years=how.years,
            depth_cm=how.depth_cm,
            share=how.share,
            copies_within_source=how.copies_within_source,
        )
        if how.merge
        else (horizons, merge_duplicates(horizons.iloc[:0])[1])
    )
    return Tidy(raw, merged, concat_repairs(log), duplicates)
