"""The worlds that judge: their truth is exact, their variance is shared out as promised, their surveys go where they say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.spatial import cKDTree

from edaphic.errors import GridError, TableError
from edaphic.virtual.fields import gaussian_field
from edaphic.virtual.survey import CHANCES, Survey, chance_of, send
from edaphic.virtual.world import BASE_YEAR, Nature, World, make

SMALL = Nature(shape=(40, 50))


@pytest.fixture(scope="module")
def world() -> World:
    return make(7, SMALL)


# --- the truth -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("top", "bottom", "year"), [(0, 30, 2000), (30, 100, 1985), (12.5, 187.0, 2020)])
def test_stock_is_the_integral_of_density(world: World, top: float, bottom: float, year: int) -> None:
    stock = world.true_stock_kg_m2(top, bottom, year)
    for cell in ((0, 0), (17, 33), (39, 49)):
        surface, base, scale = (values[cell] for values in world.density_curve(year))
        mass, _ = quad(lambda z, s=surface, b=base, l=scale: s * np.exp(-z / l) + b, top, bottom)
        assert stock[cell] == pytest.approx(mass / 100, rel=1e-10)


def test_stock_by_hand() -> None:
    nature = Nature(shape=(8, 8), residual_share=0.0, profile_share=0.0)
    flat = make(1, nature)
    # A world without wetness, whose signal is centred on what it is: e = 0 everywhere.
    still = {name: np.zeros((8, 8)) for name in flat.static}
    zero = np.zeros((8, 8))
    world = replace(flat, static=still, greenness=(zero, zero), residual=zero, centring=(-0.35, 1.0))
    by_hand = (30 * 22 * (1 - np.exp(-30 / 22)) + 3 * 30) / 100
    np.testing.assert_allclose(world.true_stock_kg_m2(0, 30), by_hand, rtol=1e-12)


def test_the_changing_covariate_changes_the_stock_and_nothing_else_does(world: World) -> None:
    np.testing.assert_array_equal(world.greenness_in(BASE_YEAR), world.greenness[0])
    np.testing.assert_allclose(world.greenness_in(1990), world.greenness[0] - world.greenness[1])
    before, after = world.true_stock_kg_m2(0, 30, 1980), world.true_stock_kg_m2(0, 30, 2020)
    change = np.log(after / before)
    spread = world.nature.log_sd * np.sqrt(world.nature.signal_share) / world.centring[1]
    np.testing.assert_allclose(change, spread * 0.4 * 4 * world.greenness[1], rtol=1e-9)
    still = make(7, replace(SMALL, greening_per_decade=0.0))
    np.testing.assert_array_equal(still.true_stock_kg_m2(0, 30, 1980), still.true_stock_kg_m2(0, 30, 2020))


@pytest.mark.parametrize("year", [1990, 2015])
def test_variance_is_shared_out_as_promised(world: World, year: int) -> None:
    surface = world.density_curve(year)[0]
    n = world.nature
    shown = n.log_sd * np.sqrt(n.signal_share) * world.signal(year)
    hidden = np.log(surface / 30) - n.own_sd**2 / 2 - shown
    np.testing.assert_allclose(hidden, n.log_sd * np.sqrt(n.residual_share) * world.residual, atol=1e-12)
    assert world.residual.std() == pytest.approx(1)
    assert world.signal(BASE_YEAR).std() == pytest.approx(1)
    assert n.signal_share + n.residual_share + n.profile_share == pytest.approx(1)


def test_pits_scatter_around_their_cell_without_bias_and_so_do_measurements(world: World) -> None:
    rng = np.random.default_rng(1)
    stock = np.full(40_000, 5.0)
    pits = world.pits(stock, rng)
    assert pits.mean() == pytest.approx(5, rel=4 * world.nature.own_sd / 200)
    assert np.log(pits).std() == pytest.approx(world.nature.own_sd, rel=0.02)
    measured = world.measured(pits, rng) / pits
    assert measured.mean() == pytest.approx(1, rel=4 * 0.1 / 200)
    assert measured.std() == pytest.approx(world.nature.measurement_cv, rel=0.03)
    exact = make(1, replace(SMALL, profile_share=0.0, measurement_cv=0.0))
    np.testing.assert_array_equal(exact.measured(exact.pits(stock, rng), rng), stock)


def test_fields_have_the_range_they_are_given() -> None:
    """Correlation at one length of an exponential field is 1/e; the mean over fields, for one field is too short to tell."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(40):
        f = gaussian_field(rng, (200, 200), 1.0, 5.0, 1.5)
        found.append([np.mean(f[:, :-lag] * f[:, lag:]) for lag in (5, 15)])
    # Each field is centred on itself, which takes a little off.
    np.testing.assert_allclose(np.mean(found, axis=0), np.exp([-1, -3]), atol=0.03)


def test_same_seed_same_bits_other_seed_other_bits(world: World) -> None:
    again, other = make(7, SMALL), make(8, SMALL)
    for name in world.static:
        np.testing.assert_array_equal(world.static[name], again.static[name])
        assert not np.array_equal(world.static[name], other.static[name])
    survey = Survey(profiles=30)
    assert send(world, survey, 1).equals(send(again, survey, 1))
    assert not send(world, survey, 1).equals(send(world, survey, 2))


def test_nothing_can_be_changed(world: World) -> None:
    with pytest.raises(FrozenInstanceError):
        world.seed = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        world.residual[0, 0] = 1
    with pytest.raises(TypeError):
        world.static["warmth"] = world.residual  # type: ignore[index]


def test_places_are_a_cell_apart(world: World) -> None:
    lon, lat = world.lon_lat(np.array([20, 20, 19]), np.array([25, 26, 25]))
    metres = np.array([111_412 * np.cos(np.radians(43)), 111_100])
    point = np.column_stack([lon, lat]) * metres
    assert np.hypot(*(point[1] - point[0])) == pytest.approx(1000, rel=0.01)
    assert np.hypot(*(point[2] - point[0])) == pytest.approx(1000, rel=0.01)
    assert lat[2] > lat[0]
    assert lon[1] > lon[0]


# --- surveys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", list(CHANCES))
def test_what_a_survey_writes_down(world: World, design: str) -> None:
    survey = Survey(design=design, profiles=60, layers_cm=((0, 30), (30, 60), (60, 100)), periods=((1981, 1984), (2010, 2019)))
    table = send(world, survey, 3)
    assert len(table) == 180
    sites = table.drop_duplicates("profile_id")
    assert len(sites) == 60
    assert not sites.duplicated(["row", "col"]).any()
    assert (sites["year"].between(1981, 1984) | sites["year"].between(2010, 2019)).all()
    assert sites["year"].between(1981, 1984).mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 60))
    np.testing.assert_array_equal(sites["zone"], world.climate[sites["row"], sites["col"]])
    for row in table.itertuples():
        assert row.true_cell == world.true_stock_kg_m2(row.top_cm, row.bottom_cm, row.year)[row.row, row.col]
    ratio = (table["true"] / table["true_cell"]).to_numpy().reshape(60, 3)
    np.testing.assert_allclose(ratio - ratio[:, :1], 0, atol=1e-12)
    error = (table["observed"] / table["true"]).to_numpy()
    assert error.std() == pytest.approx(0.1, rel=0.3)


def test_features_are_those_of_the_cell_in_its_year(world: World) -> None:
    table = send(world, Survey(profiles=20, periods=((1980, 2020),)), 1)
    row, col, year = (table[name].to_numpy() for name in ("row", "col", "year"))
    features = world.features(row, col, year)
    assert features.dtype == np.float32
    assert features.shape == (20, len(world.names))
    for k in range(20):
        expected = [values[row[k], col[k]] for values in world.static.values()] + [world.greenness_in(year[k])[row[k], col[k]]]
        np.testing.assert_allclose(features[k], expected, rtol=1e-6)


def _nearest(table: pd.DataFrame) -> tuple[float, float]:
    """Mean distance to the nearest profile, from the others and from all cells, over that of a random pattern (Clark and Evans 1954)."""
    points = table[["row", "col"]].to_numpy(dtype=float)
    cells = np.indices((100, 100)).reshape(2, -1).T
    at_random = 0.5 * np.sqrt(10_000 / len(points))
    tree = cKDTree(points)
    return tree.query(points, k=2)[0][:, 1].mean() / at_random, tree.query(cells)[0].mean() / at_random


def test_designs_are_what_they_are_called() -> None:
    near, far, dense = {}, {}, []
    for design in CHANCES:
        tables = [send(make(seed), Survey(design=design), seed) for seed in range(1, 6)]
        near[design], far[design] = np.mean([_nearest(table) for table in tables], axis=0)
        if design == "climate":
            dense = [table["zone"].value_counts(normalize=True).max() for table in tables]
    assert 0.95 < near["random"] < 1.1
    assert 0.95 < far["random"] < 1.1
    assert near["clustered"] < 0.75
    assert near["roads"] < 0.75
    assert far["clustered"] > 2
    assert far["roads"] > 2
    assert 1.1 < far["climate"] < 2
    np.testing.assert_allclose(dense, 0.85, atol=4 * np.sqrt(0.85 * 0.15 / 300))


def test_clusters_are_as_many_and_as_tight_as_asked() -> None:
    world = make(2)
    survey = Survey(design="clustered", clusters=4, cluster_m=2000.0)
    chance = chance_of(world, survey, np.random.default_rng(1))
    reached = np.count_nonzero(chance)
    assert reached <= 4 * np.pi * 6**2 * 1.15
    assert chance.sum() == pytest.approx(4)
    with pytest.raises(TableError, match=r"700 profiles; expected \d+ at most \(cells that 'clustered' reaches\)"):
        send(world, replace(survey, profiles=700), 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": (7, 20)}, "expected 8 x 8"),
        ({"cell_m": 0.0}, "above 0 m"),
        ({"residual_range_m": 0.0}, "numbers above 0"),
        ({"ranges_m": (1.0, 2.0)}, "expected 5"),
        ({"residual_share": 0.8, "profile_share": 0.3}, "1 together at most"),
        ({"log_sd": 0.0}, "log_sd 0"),
    ],
)
def test_a_nature_that_cannot_be(change: dict[str, object], said: str) -> None:
    with pytest.raises(GridError, match=said):
        Nature(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"design": "grid"}, "expected one of random, clustered, roads, climate"),
        ({"profiles": 0}, "1 or more"),
        ({"dense_share": 1.0}, "dense_share 1"),
        ({"layers_cm": ((30, 30),)}, "top < bottom"),
        ({"periods": ((2001, 2000),)}, "first <= last"),
    ],
)
def test_a_survey_that_cannot_be(change: dict[str, object], said: str) -> None:
    with pytest.raises(TableError, match=said):
        Survey(**change)  # type: ignore[arg-type]
    with pytest.raises(TableError, match="2001 profiles; expected 2000 at most"):
        send(make(1, SMALL), Survey(profiles=2001), 1)
