"""Change on fixed depth and on equivalent soil mass: compaction, agreement with profiles, maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from edaphic.account.change.mass import mass_change, mass_change_windows
from edaphic.covariates.grid import Window
from edaphic.errors import RasterError, TableError
from edaphic.profiles.mass.esm_compare import compare

Readers = Callable[[np.ndarray], Callable[[Window], np.ndarray]]
Grids = Callable[[int, int], GeoBox]

LIMITS = np.array([20.0, 40.0, 60.0, 80.0, 100.0])
LAYERS = [(top, top + 20.0) for top in range(0, 100, 20)]


def soils(seed: int, cells: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(2, 40, (5, cells)), axis=0)[::-1], rng.uniform(180, 320, (5, cells))


@pytest.mark.parametrize("method", ["spline", "hyman", "layers"])
@pytest.mark.parametrize("pressed", [0.7, 0.95])
def test_compaction_alone_changes_nothing_on_equivalent_mass(method: str, pressed: float) -> None:
    content, mass = soils(0)
    found = mass_change(content, mass, content, mass, LIMITS, limits_after_cm=LIMITS * pressed, method=method)
    np.testing.assert_allclose(found.change, 0.0, atol=1e-9)
    held = 100.0 * pressed >= LIMITS
    assert (found.fixed_change[held].sum(axis=0) > 0.1).all()


def test_loosening_looks_like_a_loss_on_fixed_depth() -> None:
    content, mass = soils(1)
    found = mass_change(content, mass, content, mass, LIMITS, limits_after_cm=LIMITS * 1.2)
    np.testing.assert_allclose(found.change, 0.0, atol=1e-9)
    assert (found.fixed_change.sum(axis=0) < -0.1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(0.6, 1.5), st.sampled_from(["spline", "layers"]))
def test_as_for_profiles(seed: int, pressed: float, method: str) -> None:
    rng = np.random.default_rng(seed)
    content, mass = soils(seed, 3)
    later = content * rng.uniform(0.8, 1.2, content.shape)
    moved = LIMITS * pressed
    found = mass_change(content, mass, later, mass, LIMITS, limits_after_cm=moved, method=method)
    tables = []
    for values, limits in ((content, LIMITS), (later, moved)):
        thick = np.diff(limits, prepend=0.0)
        columns = {
            "profile_id": np.repeat(["a", "b", "c"], 5), "top_cm": np.tile(limits - thick, 3), "bottom_cm": np.tile(limits, 3),
            "soc_g_kg": values.T.ravel(), "bulk_density_g_cm3": (mass / (10 * thick[:, None])).T.ravel(), "coarse_fragments_vol_pct": 0.0,
        }  # fmt: skip
        tables.append(pd.DataFrame(columns))
    theirs = compare(tables[0], tables[1], LAYERS, method=method)
    for mine, column in (
        (found.change, "change_kg_m2"), (found.fixed_change, "fixed_depth_change_kg_m2"), (found.soil_mass, "soil_mass_kg_m2")
    ):  # fmt: skip
        np.testing.assert_allclose(mine.T.ravel(), theirs[column], rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["spline", "hyman", "layers"]))
def test_layers_add_up_and_times_turned_round_negate(seed: int, method: str) -> None:
    one, two = soils(seed, 4), soils(seed + 1, 4)
    there = mass_change(*one, *two, LIMITS, reference="minimum", method=method)
    back = mass_change(*two, *one, LIMITS, reference="minimum", method=method)
    np.testing.assert_allclose(there.change, -back.change, atol=1e-12)
    np.testing.assert_allclose(there.fixed_before, one[0] * one[1] / 1000, atol=1e-9)
    assert np.isfinite(there.change).all()


def test_the_reference_can_be_either_date_or_given() -> None:
    content, mass = np.array([20.0, 10.0]), np.array([300.0, 300.0])
    heavier = mass * 1.2
    found = {name: mass_change(content, mass, content, heavier, [30, 60], reference=name) for name in ("before", "after", "minimum")}
    np.testing.assert_allclose(found["before"].soil_mass, mass)
    np.testing.assert_allclose(found["after"].soil_mass, heavier)
    assert np.isfinite(found["before"].change).all()
    assert np.isnan(found["after"].change[1])  # the earlier soil does not hold so much
    np.testing.assert_allclose(found["minimum"].change, found["before"].change)
    longer = mass_change(content, mass, content, heavier, [30, 60], reference="after", extrapolate=True, method="layers")
    # earlier soil: 360 kg/m2 hold 6 + 0.6, 720 kg/m2 hold 9 + 1.2; later soil 7.2 and 10.8
    np.testing.assert_allclose(longer.before, [6.6, 3.6])
    np.testing.assert_allclose(longer.change, [0.6, 0.0], atol=1e-12)
    given_mass = mass_change(content, mass, content, heavier, [30, 60], reference=[150.0, 150.0], method="layers")
    np.testing.assert_allclose(given_mass.before, [3.0, 3.0])


def test_a_gap_ends_the_cell() -> None:
    content, mass = soils(3, 2)
    content[2, 0] = np.nan
    found = mass_change(content, mass, content, mass, LIMITS)
    assert np.isfinite(found.change[:2, 0]).all()
    assert np.isnan(found.change[2:, 0]).all()
    assert np.isfinite(found.change[:, 1]).all()


def truth(depth: np.ndarray, pressed: float) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative mass and carbon of a soil of 1.2 g/cm3 and 30 exp(-depth / 25) + 3 g/kg, after it was pressed."""
    old = depth / pressed
    return 12.0 * old, (12.0 * (30 * 25 * (1 - np.exp(-old / 25)) + 3 * old)) / 1000


def test_maps_of_layers_remove_most_of_what_compaction_feigns(plain: Grids, reader: Readers) -> None:
    """Maps keep their depths, so that the soil moves through the layers: what remains is the error of the curve between the limits."""
    dates = []
    for pressed in (1.0, 0.9):
        mass, carbon = (np.diff(one, prepend=0.0) for one in truth(LIMITS, pressed))
        shaped = [np.repeat(one, 20).reshape(5, 4, 5) for one in (1000 * carbon / mass, mass)]
        dates.append([[reader(layer) for layer in one] for one in shaped])
    notes: list[str] = []
    parts = list(mass_change_windows(LAYERS, *dates[0], *dates[1], plain(4, 5), notes, window_size=3))
    assert len(parts) == 4
    for window, found in parts:
        assert found.change.shape == (5, window.height, window.width)
        top = found.fixed_change[0]
        assert (top > 0.4).all()  # kg/m2 that no one added
        assert (np.abs(found.change[0]) < 0.01 * top).all()
        assert (np.abs(found.change.sum(axis=0)) < 0.03 * found.fixed_change.sum(axis=0)).all()
    assert notes == []


def test_maps_of_one_density_are_told_of(plain: Grids, reader: Readers) -> None:
    rng = np.random.default_rng(4)
    contents = [[reader(rng.uniform(5, 30, (4, 5))) for _ in LAYERS] for _ in range(2)]
    masses = [reader(np.full((4, 5), 250.0)) for _ in LAYERS]
    notes: list[str] = []
    for _, found in mass_change_windows(LAYERS, contents[0], masses, contents[1], masses, plain(4, 5), notes):
        np.testing.assert_allclose(found.change, found.fixed_change, atol=1e-9)
    assert len(notes) == 1
    assert "the same at both dates" in notes[0]


def test_cells_that_do_not_reach_the_mass_are_counted(plain: Grids, reader: Readers) -> None:
    content = [reader(np.full((2, 2), 10.0))] * 5
    before, after = ([reader(np.full((2, 2), one))] * 5 for one in (250.0, 240.0))
    notes: list[str] = []
    list(mass_change_windows(LAYERS, content, before, content, after, plain(2, 2), notes))
    assert notes == ["change on soil mass, 80-100 cm: 4 cells do not hold the mass of the reference at both dates and have no change on it"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limits_cm": [30, 20]}, "limits [30.0, 20.0] cm; expected depths that rise"),
        ({"content_after": [10.0]}, "expected one shape with 2 layers first"),
        ({"content_before": [-1.0, 10.0]}, "before: 1 contents outside 0 to 1000 g/kg"),
        ({"mass_after": [-1.0, 300.0]}, "after: 1 masses below 0 or infinite"),
        ({"method": "akima"}, "method 'akima'; expected one of spline, hyman, layers"),
        ({"reference": "mean"}, "reference 'mean'; expected one of before, after, minimum"),
        ({"reference": [0.0, 300.0]}, "masses of the reference; expected one above 0"),
        ({"limits_after_cm": [24.0]}, "after: limits of the sampled layers"),
    ],
)
def test_faults(options: dict[str, object], words: str) -> None:
    names = ("content_before", "mass_before", "content_after", "mass_after", "limits_cm")
    told = dict(zip(names, ([20.0, 10.0], [300.0, 300.0], [20.0, 10.0], [300.0, 300.0], [30.0, 60.0]), strict=True)) | options
    first = [told.pop(name) for name in names]
    with pytest.raises(TableError) as fault:
        mass_change(*first, **told)  # type: ignore[arg-type]
    assert len(fault.value.faults) == 1
    assert words in fault.value.faults[0]


def test_faults_of_maps(plain: Grids, reader: Readers) -> None:
    one = [reader(np.ones((2, 2)))]
    with pytest.raises(RasterError) as fault:
        list(mass_change_windows([(0, 20), (30, 40)], one, one, one * 2, one, plain(2, 2), []))
    assert len(fault.value.faults) == 2
    with pytest.raises(RasterError, match="map of 0-20 cm"):
        list(mass_change_windows([(0, 20)], one, one, one, one, plain(3, 2), []))
