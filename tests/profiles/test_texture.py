"""Texture classes: limits, borders, groups, sums, conversion of silt, faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import TableError
from edaphic.profiles import texture

INSIDE = {
    "heavy clay": (60, 20), "silty clay": (30, 60), "light clay": (35, 30), "sandy clay": (30, 5), "silty clay loam": (20, 60),
    "clay loam": (20, 30), "sandy clay loam": (20, 10), "silt loam": (10, 60), "loam": (10, 40), "sandy loam": (10, 15),
    "loamy sand": (8, 3), "sand": (2, 2),
}  # fmt: skip


def _class(clay: float, silt: float, system: texture.System = "international") -> str:
    return str(texture.classify([clay], [silt], [100 - clay - silt], system=system).name[0])


@pytest.mark.parametrize("name", INSIDE)
def test_a_point_inside_each_class(name: str) -> None:
    clay, silt = INSIDE[name]
    assert _class(clay, silt) == name


def test_the_classes_are_the_published_limits() -> None:
    """Clay at 15, 25 and 45 %, silt at 45 % across, sand at 55, 65 and 85 %."""
    rng = np.random.default_rng(1)
    clay, silt, sand = (100 * rng.dirichlet([1, 1, 1], 5000)).T
    expected = np.select(
        [
            clay > 45,
            (clay > 25) & (silt > 45),
            (clay > 25) & (sand < 55),
            clay > 25,
            (clay > 15) & (silt > 45),
            (clay > 15) & (silt > 20),
            clay > 15,
            silt > 45,
            sand < 65,
            sand < 85,
            clay > 5 - silt / 3,
        ],
        [
            "heavy clay", "silty clay", "light clay", "sandy clay", "silty clay loam", "clay loam", "sandy clay loam", "silt loam",
            "loam", "sandy loam", "loamy sand",
        ],
        "sand",
    )  # fmt: skip
    assert np.array_equal(texture.classify(clay, silt, sand).name, expected)


def test_limits_of_the_united_states_from_the_words_of_the_manual() -> None:
    rng = np.random.default_rng(2)
    clay, silt, sand = (100 * rng.dirichlet([1, 1, 1], 5000)).T
    expected = np.select(
        [
            silt + 1.5 * clay < 15,
            silt + 2 * clay < 30,
            (clay >= 40) & (silt >= 40),
            (clay >= 35) & (sand > 45),
            clay >= 40,
            (clay >= 27) & (sand <= 20),
            clay >= 27,
            (clay >= 20) & (silt < 28),
            (silt >= 80) & (clay < 12),
            silt >= 50,
            (clay >= 7) & (sand <= 52),
            clay >= 0,
        ],
        ["Sa", "LoSa", "SiCl", "SaCl", "Cl", "SiClLo", "ClLo", "SaClLo", "Si", "SiLo", "Lo", "SaLo"],
        "",
    )
    # Sandy clay loam has more than 45 % sand; with 27 % clay and less sand the soil is a clay loam.
    expected = np.where((clay >= 27) & (clay < 40) & (sand > 45) & (expected == "ClLo"), "SaClLo", expected)
    assert np.array_equal(texture.classify(clay, silt, sand, system="usda").code, expected)


def test_a_border_belongs_to_the_finer_class() -> None:
    assert _class(45, 0) == "heavy clay"
    assert _class(25, 45) == "silty clay"
    assert _class(25, 30) == "light clay"
    assert _class(15, 0) == "sandy clay loam"
    assert _class(10, 45) == "silt loam"
    assert _class(5, 0) == "loamy sand"
    assert _class(20, 20) == "clay loam"
    assert _class(40, 15, "usda") == "clay"


def test_each_system_names_the_finest_first_and_each_class_once() -> None:
    for classes in texture.CLASSES.values():
        assert len({one.code for one in classes}) == len({one.name for one in classes}) == len(classes) == 12
        area = [_area(one.corners) for one in classes]
        assert sum(area) == pytest.approx(5000)


def _area(corners: tuple[tuple[float, float], ...]) -> float:
    x, y = np.array(corners).T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def test_groups_hold_every_class_once_and_follow_clay_and_sand() -> None:
    members = [name for names in texture.GROUPS.values() for name in names]
    assert sorted(members) == sorted(one.name for one in texture.CLASSES["international"])
    clay, silt, sand = (100 * np.random.default_rng(3).dirichlet([1, 1, 1], 3000)).T
    expected = np.select([sand > 85, clay < 15, clay < 25], ["sandy soil", "loam", "clay loam"], "clay")
    assert np.array_equal(texture.classify(clay, silt, sand).group, expected)
    assert texture.classify([20], [40], [40], system="usda").group.tolist() == [""]


def test_sand_as_the_rest_may_be_below_zero_by_the_last_bit() -> None:
    found = texture.classify([200 / 3], [100 / 3], [100 - 200 / 3 - 100 / 3 - 1e-14])
    assert (found.name[0], found.reason[0]) == ("heavy clay", "")
    assert texture.classify([60], [40.001], [-0.001]).reason[0] == "negative"


def test_sums_missing_and_negative_values() -> None:
    clay, silt, sand = [20, 20, 20, np.nan, -1, 0], [40, 40, 40, 40, 41, 0], [40, 39, 38, 40, 60, 0]
    found = texture.classify(clay, silt, sand)
    assert found.reason.tolist() == ["", "", "sum", "missing", "negative", "sum"]
    assert found.name.tolist() == ["clay loam", "clay loam", "", "", "", ""]
    assert found.code.tolist() == ["ClLo", "ClLo", "", "", "", ""]
    assert found.sum_pct[:3].tolist() == [100, 99, 98]
    scaled = texture.classify(clay, silt, sand, normalise=True)
    assert scaled.reason.tolist() == ["", "", "scaled", "missing", "negative", "sum"]
    assert scaled.name[2] == "clay loam"
    assert set(scaled.reason) | set(found.reason) <= {"", *texture.REASONS}


def test_a_sum_within_the_tolerance_is_scaled_before_it_is_classed() -> None:
    """44.8 of 99.1 is more than 45 %."""
    assert texture.classify([44.8], [30.0], [24.3]).name[0] == "heavy clay"
    assert texture.classify([44.8], [30.0], [24.3], tolerance_pct=0.5).reason[0] == "sum"


def test_shapes() -> None:
    assert texture.classify(30.0, 30.0, 40.0).name.shape == ()
    assert texture.classify(np.full((2, 3), 30), np.full((2, 3), 30), np.full((2, 3), 40)).group.shape == (2, 3)
    assert texture.classify([], [], []).name.shape == (0,)


def test_silt_to_twenty_micrometres_by_hand() -> None:
    """Silt to 200 um spans two decades from 2 um, that to 20 um one of them."""
    clay, silt, sand = texture.silt_to_20_um([10.0, np.nan], [60.0, 60.0], [30.0, 40.0], silt_to_um=200)
    assert (clay[0], silt[0], sand[0]) == pytest.approx((10, 30, 60))
    assert np.isnan(clay[1])
    assert [float(a) for a in texture.silt_to_20_um(10, 60, 30, silt_to_um=20)] == [10, 60, 30]
    assert float(texture.silt_to_20_um(0, 100, 0)[1]) == pytest.approx(100 / np.log10(25))


shares = st.tuples(*[st.floats(0, 100)] * 3).filter(lambda three: sum(three) > 1)


@settings(deadline=None)
@given(shares, st.sampled_from(["international", "usda"]))
def test_every_point_of_the_triangle_has_a_class(three: tuple[float, float, float], system: texture.System) -> None:
    clay, silt = (100 * value / sum(three) for value in three[:2])
    assert _class(clay, silt, system) != ""
    assert texture.classify([three[0]], [three[1]], [three[2]], system=system, normalise=True).name[0] != ""


@settings(deadline=None)
@given(shares)
def test_conversion_keeps_the_sum_and_moves_silt_to_sand(three: tuple[float, float, float]) -> None:
    clay, silt, sand = texture.silt_to_20_um(*three)
    assert clay == three[0]
    assert silt <= three[1]
    assert float(clay + silt + sand) == pytest.approx(sum(three))


def test_faults() -> None:
    with pytest.raises(TableError) as caught:
        texture.classify([1, 2], [1], [np.inf], system="other", tolerance_pct=-1)  # type: ignore[arg-type]
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["system", "clay, silt, sand", "tolerance_pct", "sand_pct"]
    with pytest.raises(TableError, match="silt_to_um: found 10"):
        texture.silt_to_20_um(1, 2, 3, silt_to_um=10)
