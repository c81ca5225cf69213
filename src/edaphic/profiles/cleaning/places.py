"""What a profile as a whole has once: label, place, year, weight, what lies below."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.cleaning.rules import place, requested, text
from edaphic.profiles.cleaning.worktable import Bools, Worktable

Box = tuple[float, float, float, float]
Floats = NDArray[np.float64]

# Coordinates of one profile that differ by less (0.1 m) are one place.
SAME_PLACE_DEG = 1e-6
# No angle is that large: such numbers are metres of a projected CRS.
METRES = 1000.0
OF_PROFILE = MappingProxyType(
    {
        "weight": "weight negative or infinite",
        "position_error_m": "position error negative or infinite",
        "rock_depth_cm": "rock depth negative or infinite",
        "below": "",
    }
)
"""Columns with one value for each profile, and the fault of values that cannot be."""
# They tell how a profile ends and are often written on its last horizon only: that is no gap to be told.
_OFTEN_ONCE = ("rock_depth_cm", "below")


def check_box(box: Box | None) -> None:
    """Refuse a bounding box that is none.

    Parameters
    ----------
    box : (west, south, east, north) in degrees; west above east crosses the antimeridian.

    Raises
    ------
    TableError

    Examples
    --------
    >>> check_box((170, -50, -170, -30))
    """
    if box is None:
        return
    if len(box) == 4:
        west, south, east, north = box
        if -180 <= west <= 180 and -180 <= east <= 180 and west != east and -90 <= south < north <= 90:
            return
    raise TableError(
        f"bounding_box: found {', '.join(f'{side:g}' for side in box)}; expected west, south, east, north in degrees, "
        "-180 to 180 and -90 to 90, south below north"
    )


def within(lon: Floats, lat: Floats, box: Box | None) -> Bools:
    """Whether places are on the earth and in the box; the edges belong to it.

    >>> within(np.array([175.0, -175.0, 0.0]), np.array([-40.0, -40.0, -40.0]), (170, -50, -170, -30)).tolist()
    [True, True, False]
    """
    inside: Bools = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    if box is None:
        return inside
    west, south, east, north = box
    between = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return inside & between & (lat >= south) & (lat <= north)


def ids(work: Worktable) -> None:
    """Every horizon has a label, and no two sources share one."""
    blank = np.array([not str(label).strip() for label in work.labels], dtype=np.bool_)
    profile = work.core["profile"].to_numpy()
    # Missing labels have no number: they are -1.
    nameless = profile < 0
    nameless[~nameless] |= blank[profile[~nameless]]
    work.labels = np.append(work.labels, "")  # What -1 stands for in the log.
    work.drop(nameless, "profile_id missing")
    profile, origin = work.core["profile"].to_numpy(), work.core["origin"].to_numpy()
    low, high = np.full(len(work.labels), len(work.sources)), np.full(len(work.labels), -1)
    np.minimum.at(low, profile, origin)
    np.maximum.at(high, profile, origin)
    work.rename(
        origin,
        (low < high)[profile],
        lambda rows: [f"{work.sources[o]}:{work.labels[p]}" for o, p in zip(rows["origin"], rows["profile"], strict=True)],
        "same profile_id in several sources",
    )


def places(work: Worktable, box: Box | None, needed: bool = True) -> None:
    """One place for each profile: the first valid one; without any it is dropped where places are ``needed``, else kept.

    A profile outside the box is dropped in any case. Of a table without any coordinates nothing is told.
    """
    _turn(work)
    _swap(work, box)
    lon, lat = work.core["lon"].to_numpy(), work.core["lat"].to_numpy()
    missing = np.isnan(lon) | np.isnan(lat)
    origin = (lon == 0) & (lat == 0)
    largest = np.maximum(np.abs(lon), np.abs(lat))
    metres = np.isfinite(largest) & (largest >= METRES)
    outside = ~missing & ~metres & ~within(lon, lat, None)
    beyond = ~(missing | origin | metres | outside) & ~within(lon, lat, box)
    valid = ~(missing | origin | metres | outside | beyond)
    first = work.first(valid)[work.core["profile"]]
    homeless = first < 0
    heads = work.heads(homeless)
    for bad, fault in (
        (missing & (needed or not missing.all()), "coordinates missing"),
        (origin, "coordinates 0, 0"),
        (metres, "coordinates like metres"),
        (outside, "coordinates outside -180 to 180, -90 to 90"),
    ):
        work.note(heads & bad, fault, place, action=None if needed else requested(fault))
    work.note(heads & beyond, "coordinates outside the bounding box", place)
    kept = work.core.assign(lon=np.where(homeless, np.nan, lon[first]), lat=np.where(homeless, np.nan, lat[first]))
    here = ~homeless & ~missing
    apart = np.zeros(len(here), dtype=np.bool_)
    for given, chosen in ((lon, kept["lon"].to_numpy()), (lat, kept["lat"].to_numpy())):
        apart[here] |= np.abs(given[here] - chosen[here]) > SAME_PLACE_DEG
    work.note(apart, "several coordinates", place, kept)
    _note_filled(work, missing & ~homeless, "lon, lat", place(kept[work.heads(missing & ~homeless)]))
    gone = np.zeros(len(work.labels), dtype=np.bool_)
    gone[work.core["profile"].to_numpy()[homeless & (beyond | needed)]] = True
    work.core = kept[~gone[work.core["profile"].to_numpy()]]


def _turn(work: Worktable) -> None:
    """Longitudes of 0 to 360 to -180 to 180, where a whole source is written so."""
    lon, origin = work.core["lon"].to_numpy(), work.core["origin"].to_numpy()
    other = np.bincount(origin, ~np.isnan(lon) & ~((lon >= 0) & (lon <= 360)), len(work.sources)) > 0
    turned = (lon > 180) & ~other[origin]
    after = work.core.assign(lon=np.where(turned, lon - 360.0, lon))
    work.note(work.heads(turned), "longitudes 0 to 360", place, after)
    work.core = after


def _swap(work: Worktable, box: Box | None) -> None:
    """Exchange longitude and latitude where only that gives a place on the earth; or in a source that, for the most part, lies in the box
    only the other way round. A few rows that do are elsewhere: their other order lies in the box by chance.
    """
    lon, lat = work.core["lon"].to_numpy(), work.core["lat"].to_numpy()
    as_it_is, exchanged = within(lon, lat, None), within(lat, lon, None)
    swapped = ~as_it_is & exchanged
    if box is not None:
        origin = work.core["origin"].to_numpy()
        inside = within(lon, lat, box)
        other_way = as_it_is & exchanged & ~inside & within(lat, lon, box)
        counts = [np.bincount(origin, rows, len(work.sources)) for rows in (inside, other_way)]
        swapped |= other_way & (counts[1] > counts[0])[origin]
    swapped &= ~((lon == 0) & (lat == 0))
    after = work.core.assign(lon=np.where(swapped, lat, lon), lat=np.where(swapped, lon, lat))
    work.note(work.heads(swapped), "coordinates swapped", place, after)
    work.core = after


def years(work: Worktable) -> None:
    """One year for each profile; a profile sampled in several years is several profiles."""
    year, profile = work.core["year"].to_numpy(), work.core["profile"].to_numpy()
    bad = ~np.isnan(year) & ~((year >= 1800) & (year <= 2100))
    work.note(bad, "year outside 1800 to 2100", lambda rows: list(rows["year"]))
    year = np.where(bad, np.nan, year)
    first = work.first(~np.isnan(year))[profile]
    filled = np.where(np.isnan(year) & (first >= 0), year[first], year)
    lacking = np.isnan(year) & ~np.isnan(filled)
    _note_filled(work, lacking, "year", [text(float(number)) for number in filled[work.heads(lacking)]])
    work.core = work.core.assign(year=filled)
    several = np.zeros(len(work.labels), dtype=np.bool_)
    several[profile[(first >= 0) & (filled != year[first])]] = True
    number = pd.factorize(filled)[0].astype(np.int64)
    work.rename(
        np.where(number < 0, 0, number),
        several[profile],
        lambda rows: [f"{work.labels[p]}@{text(float(y))}" for p, y in zip(rows["profile"], rows["year"], strict=True)],
        "several years",
    )


def attributes(work: Worktable) -> None:
    """One weight, position error, depth of rock and kind of what lies below for each profile: the first."""
    for name, fault in OF_PROFILE.items():
        if name in work:
            if fault:
                _set_missing(work, name, fault)
            _one(work, name)


def _set_missing(work: Worktable, name: str, fault: str) -> None:
    values = work.values(name).to_numpy()
    bad = ~np.isnan(values) & ~((values >= 0) & np.isfinite(values))
    work.write(work.core[bad], fault, [f"{name} {text(float(value))}" for value in values[bad]])
    if bad.any():
        work.put(name, work.core.index[bad], np.full(int(bad.sum()), np.nan))


def _one(work: Worktable, name: str) -> None:
    values = work.values(name)
    codes, found = pd.factorize(values)
    blank = np.array([not str(value).strip() for value in found], dtype=np.bool_)
    known = codes >= 0
    known[known] = ~blank[codes[known]]
    first = work.first(known)[work.core["profile"]]
    if not (first >= 0).any():
        return
    kept = np.where(first >= 0, codes[first], codes)
    apart = known & (codes != kept)
    lacking = ~known & (first >= 0)
    told = [f"{name} {text(value)}" for value in found]
    work.write(work.core[apart], "several values in one profile", [told[c] for c in codes[apart]], [told[c] for c in kept[apart]])
    if name not in _OFTEN_ONCE:
        _note_filled(work, lacking, name, [text(found[c]) for c in kept[work.heads(lacking)]])
    changed = apart | lacking
    if changed.any():
        work.put(name, work.core.index[changed], np.asarray(found)[kept[changed]])


def _note_filled(work: Worktable, lacking: Bools, name: str, after: list[str]) -> None:
    """One row for each profile that has a value on some of its horizons only."""
    heads = work.heads(lacking)
    work.write(work.core[heads], "missing in part of the profile", [f"{name} missing"] * int(heads.sum()), [f"{name} {t}" for t in after])
