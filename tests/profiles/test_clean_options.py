"""What is done only on request: organic layers moved, a last thickness assumed, a bounding box; and how places are mended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.errors import TableError
from edaphic.profiles.cleaning.clean import clean
from edaphic.profiles.cleaning.places import within
from edaphic.profiles.cleaning.rules import requested

NAN = np.nan


def horizons(*rows: tuple[Any, ...], **columns: Any) -> pd.DataFrame:
    """Table of (top, bottom) rows of one profile at one place."""
    table = pd.DataFrame([("a", *row, 9.0) for row in rows], columns=["profile_id", "top_cm", "bottom_cm", "soc_g_kg"])
    return table.assign(**{"lon": 21.0, "lat": 41.0, **columns})


def spans(table: pd.DataFrame) -> list[tuple[int, float, float]]:
    return list(zip(table.row, table.top_cm, table.bottom_cm, strict=True))


# --- organic layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "dropped", "shifted"),
    [
        # the three ways of writing
        ([(-5, 0), (0, 10)], [(2, 0, 10)], [(1, 0, 5), (2, 5, 15)]),
        ([(0, -5), (0, 10)], [(2, 0, 10)], [(1, 0, 5), (2, 5, 15)]),
        ([(5, 0), (0, 10)], [(2, 0, 10)], [(1, 0, 5), (2, 5, 15)]),
        # several organic horizons
        ([(8, 3), (3, 0), (0, 10)], [(3, 0, 10)], [(1, 0, 5), (2, 5, 8), (3, 8, 18)]),
        ([(-8, -3), (-3, 0), (0, 10)], [(3, 0, 10)], [(1, 0, 5), (2, 5, 8), (3, 8, 18)]),
        ([(0, 10), (10, 40), (3, 0), (8, 3)], [(1, 0, 10), (2, 10, 40)], [(4, 0, 5), (3, 5, 8), (1, 8, 18), (2, 18, 48)]),
        # upside down, not upwards: alone, without a horizon from 0, or not joined to the surface
        ([(5, 0)], [(1, 0, 5)], [(1, 0, 5)]),
        ([(5, 0), (5, 10)], [(1, 0, 5), (2, 5, 10)], [(1, 0, 5), (2, 5, 10)]),
        ([(0, 20), (20, 50), (60, 50)], [(1, 0, 20), (2, 20, 50), (3, 50, 60)], [(1, 0, 20), (2, 20, 50), (3, 50, 60)]),
        ([(5, 0), (0, 20), (60, 20)], [(2, 0, 20), (3, 20, 60)], [(1, 0, 5), (2, 5, 25), (3, 25, 65)]),
        # above the surface, but no organic layer that is known as one
        ([(-3, 10), (10, 20)], [(2, 10, 20)], [(2, 10, 20)]),
        ([(0, -20), (-20, -50)], [], []),
        ([(-5, -5), (0, 10)], [(2, 0, 10)], [(2, 0, 10)]),
    ],
)
def test_organic_layers(rows: list[tuple[float, float]], dropped: list[tuple[Any, ...]], shifted: list[tuple[Any, ...]]) -> None:
    assert spans(clean(horizons(*rows))[0]) == dropped
    assert spans(clean(horizons(*rows), shift_organic=True)[0]) == shifted


def test_each_horizon_of_a_moved_profile_is_in_the_log() -> None:
    table, log = clean(horizons((5, 0), (0, 10), (30, 10), rock_depth_cm=30.0), shift_organic=True)
    assert spans(table) == [(1, 0, 5), (2, 5, 15), (3, 15, 35)]
    assert table.rock_depth_cm.tolist() == [35.0] * 3
    assert log[["row", "fault", "before", "after"]].to_numpy().tolist() == [
        [1, "above the surface", "5-0 cm", "0-5 cm"],
        [2, "above the surface", "0-10 cm", "5-15 cm"],
        [3, "above the surface", "30-10 cm", "35-15 cm"],
        [1, "above the surface", "rock_depth_cm 30", "rock_depth_cm 35"],
        [3, "reversed", "35-15 cm", "15-35 cm"],
    ]
    assert set(log.action[:4]) == {requested("above the surface")}


def test_other_profiles_do_not_move() -> None:
    rows = horizons((5, 0), (0, 10), (0, 10), rock_depth_cm=50.0).assign(profile_id=["a", "a", "b"])
    table, _ = clean(rows, shift_organic=True)
    assert spans(table) == [(1, 0, 5), (2, 5, 15), (3, 0, 10)]
    assert table.rock_depth_cm.tolist() == [55.0, 55.0, 50.0]


def test_a_code_for_unknown_is_no_organic_layer() -> None:
    table, _ = clean(horizons((-9999, 0), (0, 10), (10, -999)), shift_organic=True, last_thickness_cm=10)
    assert spans(table) == [(2, 0, 10), (3, 10, 20)]


# --- the last lower depth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "kept", "fault"),
    [
        ([(0, 20), (20, NAN)], [(1, 0, 20), (2, 20, 30)], "last lower depth missing"),
        ([(0, NAN)], [(1, 0, 10)], "last lower depth missing"),
        ([(0, 20), (10, NAN)], [(1, 0, 20)], "depth missing"),
        ([(0, NAN), (0, 20)], [(2, 0, 20)], "depth missing"),
        ([(0, NAN), (20, 40)], [(2, 20, 40)], "depth missing"),
        ([(0, 20), (NAN, 40)], [(1, 0, 20)], "depth missing"),
        ([(0, 20), (NAN, NAN)], [(1, 0, 20)], "depth missing"),
        ([(NAN, 20), (20, 40)], [(2, 20, 40)], "first upper depth missing"),
        ([(-5, NAN)], [], "depth missing"),
    ],
)
def test_only_the_last_horizon_gets_a_thickness(rows: list[tuple[float, float]], kept: list[tuple[Any, ...]], fault: str) -> None:
    table, log = clean(horizons(*rows), last_thickness_cm=10.0)
    assert spans(table) == kept
    assert fault in log.fault.tolist()


def test_a_thickness_below_an_organic_layer() -> None:
    """8-0 above the surface is not deeper than 5 cm below it."""
    table, _ = clean(horizons((8, 0), (0, 5), (5, NAN)), shift_organic=True, last_thickness_cm=10.0)
    assert spans(table) == [(1, 0, 8), (2, 8, 13), (3, 13, 23)]


@pytest.mark.parametrize("thickness", [0.0, -10.0, NAN, np.inf])
def test_a_thickness_is_positive(thickness: float) -> None:
    with pytest.raises(TableError, match="last_thickness_cm: found"):
        clean(horizons((0, 20)), last_thickness_cm=thickness)


# --- places ---------------------------------------------------------------------------------------------------------


def located(lon: Any, lat: Any, **options: Any) -> tuple[list[list[float]], list[str]]:
    table, log = clean(horizons(*[(0, 20)] * len(lon), lon=lon, lat=lat, profile_id=list("abcdef")[: len(lon)]), **options)
    return table[["lon", "lat"]].to_numpy().tolist(), log.fault.tolist()


def test_coordinates_are_swapped_only_where_that_is_certain() -> None:
    assert located([41.0], [21.0]) == ([[41.0, 21.0]], [])
    assert located([41.0], [121.0]) == ([[121.0, 41.0]], ["coordinates swapped"])
    assert located([121.0], [121.0]) == ([], ["coordinates outside -180 to 180, -90 to 90"])
    box = (20.0, 40.0, 23.0, 43.0)
    assert located([41.0], [21.0], bounding_box=box) == ([[21.0, 41.0]], ["coordinates swapped"])
    assert located([41.0], [30.0], bounding_box=box) == ([], ["coordinates outside the bounding box"])
    # Most of the source lies in the box as it is: the odd one is elsewhere, though its other order lies in the box by chance.
    assert located([21.0, 22.0, 41.0], [41.0, 42.0, 21.0], bounding_box=box) == (
        [[21.0, 41.0], [22.0, 42.0]], ["coordinates outside the bounding box"]
    )  # fmt: skip
    assert located([41.0], [121.0], bounding_box=box) == ([], ["coordinates swapped", "coordinates outside the bounding box"])
    # Both orders lie in the box: nothing is certain.
    assert located([41.0], [42.0], bounding_box=(40.0, 40.0, 43.0, 43.0)) == ([[41.0, 42.0]], [])


def test_a_box_may_cross_the_antimeridian() -> None:
    box = (170.0, -50.0, -170.0, -30.0)
    assert within(np.array([175.0, -175.0, 0.0]), np.full(3, -40.0), box).tolist() == [True, True, False]
    places, faults = located([175.0, -175.0, 170.0, 0.0], [-40.0, -40.0, -30.0, -40.0], bounding_box=box)
    assert places == [[175.0, -40.0], [-175.0, -40.0], [170.0, -30.0]]
    assert faults == ["coordinates outside the bounding box"]


def test_longitudes_are_turned_only_for_a_whole_source() -> None:
    assert located([350.0, 10.0], [41.0, 41.0]) == ([[-10.0, 41.0], [10.0, 41.0]], ["longitudes 0 to 360"])
    assert located([350.0, -10.0], [41.0, 41.0]) == ([[-10.0, 41.0]], ["coordinates outside -180 to 180, -90 to 90"])
    rows = horizons((0, 20), (0, 20), lon=[350.0, -10.0], profile_id=["a", "b"], source=["s", "t"])
    assert clean(rows)[0].lon.tolist() == [-10.0, -10.0]


def test_a_mended_place_is_told_once_for_each_profile() -> None:
    table, log = clean(horizons((0, 20), (20, 40), (40, 60), lon=[41.0, 41.0, 121.0], lat=[121.0, 121.0, 41.0]))
    assert table.lon.tolist() == [121.0] * 3
    assert log.row.tolist() == [1]


def test_the_first_place_in_the_box_counts() -> None:
    table, log = clean(horizons((0, 20), (20, 40), lon=[25.0, 21.0]), bounding_box=(20.0, 40.0, 23.0, 43.0))
    assert table.lon.tolist() == [21.0, 21.0]
    assert log[["row", "fault", "before", "after"]].to_numpy().tolist() == [[1, "several coordinates", "25, 41", "21, 41"]]


@pytest.mark.parametrize("box", [(0, 10, 20, 5), (0, 0, 0, 10), (-200, 0, 10, 10), (0, 0, 10, 95), (0, 0, NAN, 10), (0, 0, 10)])
def test_a_box_must_be_one(box: Any) -> None:
    with pytest.raises(TableError, match="bounding_box: found"):
        clean(horizons((0, 20)), bounding_box=box)
