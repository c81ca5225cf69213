"""Pairs of two sensors: screens, tables, time series, and co-located cells of rasters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.covariates import Source
from edaphic.covariates.sensors import Mask, Screen, fit, match_days, raster_pairs, rasters, series_pairs, table_pairs, thinned
from edaphic.covariates.sensors.bands import band_sources
from edaphic.errors import RasterError, TableError


def sources(*pairs):
    return {
        f"b{k}": (Source(f"r{k}", one, band=band), Source(f"o{k}", two, band=band)) for k, (one, two, band) in enumerate(pairs, start=1)
    }


def numbered(count: int = 20, seed: int = 0):
    return np.random.default_rng(seed).uniform(0.1, 0.9, (count, count)).astype(np.float32)


def test_the_same_cells_are_the_pairs(raster):
    values = np.arange(12, dtype="int16").reshape(3, 4)
    one, two = raster("r.tif", values), raster("o.tif", 2 * values + 1)
    pairs, notes = raster_pairs(sources((one, two, 1)))
    assert pairs[0].y.tolist() == list(range(12)) and pairs[0].x.tolist() == [2 * k + 1 for k in range(12)]
    assert notes == [] and pairs[0].seen == 12 and pairs[0].dropped == {}


def test_a_shifted_raster_is_met_where_both_are(raster):
    values = numbered(10)
    one = raster("r.tif", values)
    two = raster("o.tif", values[2:, 3:], Affine(10.0, 0.0, 500030.0, 0.0, -10.0, 4599980.0))
    (pairs,), _ = raster_pairs(sources((one, two, 1)))
    assert len(pairs.x) == 8 * 7 and np.array_equal(pairs.x, pairs.y)


def test_samples_are_random_of_their_size_and_the_same_whatever_the_windows(raster, monkeypatch):
    one, two = raster("r.tif", numbered(70)), raster("o.tif", numbered(70, 1))
    how = {"sample": 200, "seed": 3}
    (whole,), _ = raster_pairs(sources((one, two, 1)), **how)
    monkeypatch.setattr(rasters, "SIZE", 17)
    (parts,), _ = raster_pairs(sources((one, two, 1)), **how)
    assert len(whole.x) == 200 and np.array_equal(whole.x, parts.x) and np.array_equal(whole.group, parts.group)
    (other,), _ = raster_pairs(sources((one, two, 1)), sample=200, seed=4)
    assert len(set(whole.x.tolist()) & set(other.x.tolist())) < 30
    assert len(np.unique(whole.x)) == 200 and len(np.unique(whole.group)) > 60


def test_samples_are_uniform(raster):
    """Over 100 seeds each of 100 cells is drawn 40 times of 100, give or take five."""
    one = raster("r.tif", np.arange(100, dtype="float32").reshape(10, 10))
    times = np.zeros(100)
    for seed in range(100):
        (pairs,), _ = raster_pairs(sources((one, one, 1)), sample=40, seed=seed)
        times[pairs.x.astype(int)] += 1
    assert times.sum() == 4000 and times.min() > 18 and times.max() < 62 and abs(times[:50].sum() - 2000) < 150


def test_missing_and_masked_cells(raster):
    values = np.ones((4, 5), dtype="int16")
    reference, other = values.copy() * 5, values.copy() * 7
    reference[0, 0], other[0, 1] = -1, -1
    clouds = np.zeros((4, 5), dtype="uint16")
    clouds[1], clouds[2, 0] = 0b1000, 0b10
    one, two = raster("r.tif", reference, nodata=-1), raster("o.tif", other, nodata=-1)
    qa = Source("qa", raster("qa.tif", clouds), kind="class")
    (pairs,), _ = raster_pairs(sources((one, two, 1)), masks=[Mask(qa, bits=(1, 3))])
    assert len(pairs.x) == 20 - 2 - 5 - 1 and pairs.dropped == {"masked": 6} and pairs.seen == 18
    tagged = Source("qa", raster("qa0.tif", clouds, nodata=0), kind="class")
    (none,), _ = raster_pairs(sources((one, two, 1)), masks=[Mask(tagged, bits=(1, 3))])
    assert none.dropped == {"masked": 6, "without a value in a mask (nodata 0)": 12}
    (kept,), _ = raster_pairs(sources((one, two, 1)), masks=[Mask(qa, keep=(8,))])
    assert len(kept.x) == 5


def test_a_saturated_cell_spoils_those_that_are_interpolated_from_it(raster):
    values = np.full((8, 8), 100, dtype="uint8")
    values[4, 4] = 255
    shifted = Affine(10.0, 0.0, 500005.0, 0.0, -10.0, 4599995.0)
    one, two = raster("r.tif", np.full((8, 8), 90, dtype="uint8")), raster("o.tif", values, shifted)
    (pairs,), notes = raster_pairs(sources((one, two, 1)))
    assert set(pairs.x.tolist()) == {100.0} and pairs.dropped == {"saturated": 4}
    assert any("255 counts as saturated" in note for note in notes) and any("interpolated" in note for note in notes)
    (all_of_them,), _ = raster_pairs(sources((one, two, 1)), saturated=None)
    assert all_of_them.x.max() > 100


def test_a_finer_raster_is_averaged_and_a_coarser_told(raster):
    fine = raster("fine.tif", np.kron(numbered(10), np.ones((4, 4))).astype("float32"), Affine(2.5, 0, 500000, 0, -2.5, 4600000))
    grid = raster("r.tif", numbered(10))
    (pairs,), notes = raster_pairs(sources((grid, fine, 1)))
    assert pairs.x == pytest.approx(pairs.y) and any("averaged" in note for note in notes)
    _, notes = raster_pairs(sources((fine, grid, 1)))
    assert any("4 times as wide" in note for note in notes)


def test_pixels_that_changed_are_dropped_from_all_bands(raster):
    one = raster("r.tif", np.stack([np.full((3, 3), 0.2), np.full((3, 3), 0.3)]).astype("float32"))
    changed = np.stack([np.full((3, 3), 0.21), np.full((3, 3), 0.31)]).astype("float32")
    changed[1, 0, 0] = 0.9
    two = raster("o.tif", changed)
    pairs, _ = raster_pairs(sources((one, two, 1), (one, two, 2)), screen=Screen(max_difference=0.1))
    assert [len(one.x) for one in pairs] == [8, 8] and [one.dropped for one in pairs] == [{"too different": 1}] * 2


def test_blocks(raster):
    one = raster("r.tif", numbered(12))
    (pairs,), _ = raster_pairs(sources((one, one, 1)), block=4)
    assert len(np.unique(pairs.group)) == 9 and pairs.grouped_by == "block of 4 x 4 cells"
    assert (np.bincount(np.unique(pairs.group, return_inverse=True)[1]) == 16).all()


def test_rasters_that_lie_apart(raster):
    one = raster("r.tif", numbered())
    two = raster("o.tif", numbered(), Affine(10, 0, 900000, 0, -10, 4600000))
    with pytest.raises(RasterError, match="no overlap") as caught:
        raster_pairs(sources((one, two, 1), (one, two, 1)))
    assert len(caught.value.faults) == 1


def test_bands_by_name(raster, tmp_path):
    path = raster("s.tif", np.zeros((2, 2, 2), dtype="int16"))
    assert [one.band for one in band_sources(path).values()] == [1, 2] and list(band_sources(path)) == ["band_1", "band_2"]
    assert {name: one.band for name, one in band_sources(path, {"nir": "2", "red": "1"}).items()} == {"nir": 2, "red": 1}
    with pytest.raises(RasterError, match="found no band 0"):
        band_sources(path, {"nir": "0"})
    assert list(band_sources(tmp_path)) == ["s"]


def test_screens():
    table = pd.DataFrame({"red_reference": [0.1, 0.2, np.nan, 2.0, 0.5], "red_other": [0.1, 0.9, 0.1, 0.1, 0.5]})
    (pairs,) = table_pairs(table, screen=Screen(0.0, 1.0, 0.3))
    assert pairs.x.tolist() == [0.1, 0.5]
    assert pairs.dropped == {"no value": 1, "outside the valid range": 1, "too different": 1} and pairs.seen == 5
    for wrong in ({"low": 1.0, "high": 0.0}, {"max_difference": 0.0}):
        with pytest.raises(ValueError, match="expected"):
            Screen(**wrong)


def test_a_change_screen_draws_the_line_to_1():
    """Why it is no default: screening by difference bends the line that it screens for."""
    random = np.random.default_rng(0)
    truth = random.uniform(0.05, 0.6, 5000)
    noise = random.normal(0, 0.02, (2, 5000))
    table = pd.DataFrame({"red_other": truth + noise[0], "red_reference": 1.3 * truth + noise[1]})
    plain, screened = (
        fit(one.x, one.y).slope for screen in (Screen(), Screen(max_difference=0.1)) for one in table_pairs(table, screen=screen)
    )
    assert plain == pytest.approx(1.3, abs=0.01) and 1.1 < screened < 1.28


def test_groups_of_a_table():
    table = pd.DataFrame({"red_reference": [1.0, 2, 3], "red_other": [1.0, 2, 3], "date": ["a", "b", "a"]})
    assert table_pairs(table, group="date")[0].group.tolist() == [0, 1, 0]
    table.loc[1, "date"] = None
    with pytest.raises(TableError, match="row 2: found none"):
        table_pairs(table, group="date")
    with pytest.raises(TableError, match="no column 'scene'"):
        table_pairs(table, group="scene")
    assert len(thinned(table_pairs(table)[0], 2, 0).x) == 2


def test_the_nearest_days_first_and_each_once():
    """Reference on days 0 and 10, other on 4, 9 and 30: 10 takes 9, then 0 takes 4."""
    pixel = np.zeros(3, dtype=np.int64)
    one, two = match_days(pixel[:2], np.array([0, 10]), pixel, np.array([4, 9, 30]), 8)
    assert list(zip(one.tolist(), two.tolist(), strict=True)) == [(0, 0), (1, 1)]
    # Day 9 is nearest to both 8 and 10; the earlier has it, and the other goes without.
    one, two = match_days(pixel[:2], np.array([8, 10]), pixel[:1], np.array([9]), 8)
    assert list(zip(one.tolist(), two.tolist(), strict=True)) == [(0, 0)]
    assert [len(part) for part in match_days(pixel[:0], pixel[:0], pixel, pixel, 8)] == [0, 0]


@given(st.integers(0, 1000), st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_matches_are_of_one_pixel_within_the_days_and_once(seed, days):
    random = np.random.default_rng(seed)
    pixel_one, pixel_two = random.integers(0, 4, 30), random.integers(0, 4, 25)
    day_one, day_two = random.integers(-40, 60, 30), random.integers(-40, 60, 25)
    one, two = match_days(pixel_one, day_one, pixel_two, day_two, days)
    assert np.array_equal(pixel_one[one], pixel_two[two]) and (np.abs(day_one[one] - day_two[two]) <= days).all()
    assert len(set(one.tolist())) == len(one) == len(set(two.tolist()))
    # None is left that could be matched with another that is left.
    left_one, left_two = np.setdiff1d(np.arange(30), one), np.setdiff1d(np.arange(25), two)
    near = (pixel_one[left_one][:, None] == pixel_two[left_two]) & (np.abs(day_one[left_one][:, None] - day_two[left_two]) <= days)
    assert not near.any()


def test_series_by_hand_with_dates_of_any_kind():
    days = ["2001-07-01", "2001-07-17", "2001-07-01"]
    reference = pd.DataFrame({"pixel": ["a", "a", "b"], "date": days, "red": [1.0, 2.0, 3.0]})
    other = pd.DataFrame({"pixel": ["b", "a"], "date": ["2001-07-05", "2001-07-18"], "red": [30.0, 20.0]})
    for change in (
        lambda t: t,
        lambda t: t.assign(date=pd.to_datetime(t["date"])),
        lambda t: t.assign(date=pd.to_datetime(t["date"]).map(pd.Timestamp.toordinal)),
    ):
        (pairs,) = series_pairs(change(reference), change(other), ["red"], max_days=8)
        assert pairs.y.tolist() == [2.0, 3.0] and pairs.x.tolist() == [20.0, 30.0] and len(set(pairs.group.tolist())) == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"date": ["2001-07-01", "yesterday"]}, "row 2: found 'yesterday'"),
        ({"date": [1.0, np.nan]}, "row 2: found none"),
        ({"red": [1.0, "x"]}, "column red, row 2"),
        ({"pixel": ["a", None]}, "column pixel, row 2"),
        ({"date": ["2009-07-01", "2009-07-02"]}, "no pixel was seen by both"),
        ({"date": [14000, 14001]}, "numbers in one and dates in the other"),
    ],
)
def test_series_that_cannot_be(change, fault):
    good = pd.DataFrame({"pixel": ["a", "b"], "date": ["2001-07-01", "2001-07-01"], "red": [1.0, 2.0]})
    with pytest.raises(TableError, match=fault):
        series_pairs(good.assign(**change), good, ["red"])
    for column in good.columns:
        with pytest.raises(TableError, match=f"no column '{column}'"):
            series_pairs(good.drop(columns=column), good, ["red"])


def test_the_harvard_forest(shared):
    """TM and ETM+ over one place: the red band of both is the same within a fifth, and the limits by date hold no slope of 2."""
    folder = shared / "data" / "landsat_timeseries_p013r030"
    stack = np.load(folder / "p013r030_r50_n423_b8.npz")["Y"]
    dates = pd.read_csv(folder / "dates.csv")
    clear = stack[7] == 0
    day, pixel = np.nonzero(clear)
    table = pd.DataFrame({"pixel": pixel, "date": dates["ordinal"].to_numpy()[day], "red": stack[2][clear] / 10000})
    etm = (dates["sensor"] == "LE7").to_numpy()[day]
    (pairs,) = series_pairs(table[etm], table[~etm], ["red"], screen=Screen(0.0001, 1.0))
    line = fit(pairs.x, pairs.y)
    assert len(pairs.x) > 10_000 and 50 < len(np.unique(pairs.group)) < 159
    assert line.slope == pytest.approx(1.2, abs=0.05) and line.correlation > 0.8
