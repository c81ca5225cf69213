"""The landscape of seven periods: its truth is exact, its change is known, its scenes and tables are a user's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from edaphic import recipe, run, virtual
from edaphic.errors import EdaphicError, GridError, RunError
from edaphic.verbs.normalise import Fitting, normalise
from edaphic.virtual.scenes import BANDS, CLEAR, DATES, FILES, SEEN, seen, to_etm
from edaphic.virtual.spacetime import (
    CELL_M,
    COVER,
    PERIODS,
    PIT_CORRELATION,
    RESIDUAL_CORRELATION,
    SpaceTime,
    period_of,
    space_time,
)
from edaphic.virtual.spacetime_files import PRODUCTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space-time")
    virtual.write_space_time(path, 7)
    return path


@pytest.fixture(scope="module")
def land() -> SpaceTime:
    return space_time(7)


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "truth" / "truth.json").read_text())


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1, masked=True).astype(float).filled(np.nan)


def hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    virtual.write_space_time(tmp_path / "again", 7)
    virtual.write_space_time(tmp_path / "other", 8)
    first, again, other = hashes(folder), hashes(tmp_path / "again"), hashes(tmp_path / "other")
    assert first == again
    assert set(first) == set(other)
    assert sum(first[name] == other[name] for name in first) == 0


def test_stocks_add_up_and_four_zones_are_there(land: SpaceTime) -> None:
    for k in range(len(PERIODS)):
        parts = land.true_stock_kg_m2(0, 20, k) + land.true_stock_kg_m2(20, 100, k)
        np.testing.assert_allclose(parts, land.true_stock_kg_m2(0, 100, k), rtol=1e-12)
    warm, wet = land.climate["mat"] >= 10.0, land.climate["map"] >= 400.0
    shares = [(a & b).mean() for a in (warm, ~warm) for b in (wet, ~wet)]
    assert min(shares) > 0.15
    assert sum(shares) == pytest.approx(1.0)


def test_truth_of_the_files_is_that_of_the_landscape(folder: Path, land: SpaceTime, truth: dict) -> None:
    for k, (first, last) in enumerate(PERIODS):
        stock = band(folder / "truth" / f"true_soc_stock_0-100cm_{first}_{last}.tif")
        np.testing.assert_allclose(stock, land.true_stock_kg_m2(0, 100, k), rtol=1e-6)
        assert truth["stocks"]["0-100"]["total_Tg"][k] == pytest.approx(stock.sum() * CELL_M**2 / 1e9, rel=1e-6)
    change = land.true_stock_kg_m2(0, 20, 6) - land.true_stock_kg_m2(0, 20, 0)
    told = truth["stocks"]["0-20"]["change_first_to_last_kg_m2"]
    assert told["mean"] == pytest.approx(change.mean(), rel=1e-9)
    assert told["share_of_cells_rising"] == pytest.approx((change > 0).mean())
    assert told["mean"] > 0


def test_what_covariates_do_not_show_is_correlated_in_time_as_stated() -> None:
    lands = [space_time(seed) for seed in range(10)]
    for lag in (1, 3, 6):
        found = [np.corrcoef(one.residual[0].ravel(), one.residual[lag].ravel())[0, 1] for one in lands]
        # Fields of some 20 patches a side: one landscape scatters by a few hundredths.
        assert np.mean(found) == pytest.approx(RESIDUAL_CORRELATION**lag, abs=0.05)
    assert np.mean([one.residual.std() for one in lands]) == pytest.approx(1.0, abs=0.05)


def test_period_of_a_year() -> None:
    assert [period_of(year) for year in (1900, 1985, 1994, 1995, 2015, 2100)] == [0, 0, 1, 2, 6, 6]


def test_scenes_show_the_greenness_of_their_period_as_their_sensor_sees_it(folder: Path, land: SpaceTime) -> None:
    for sensor, day in (("tm", "19860715"), ("etm", "20030710"), ("oli", "20190715")):
        start, numbers = FILES[sensor]
        name = folder / "landsat" / "scenes" / f"{start}_L2SP_120035_{day}_20200829_02_T1"
        clear = band(Path(f"{name}_QA_PIXEL.TIF")) == CLEAR
        assert 0.7 < clear.mean() < 0.9
        bands = np.stack([band(Path(f"{name}_SR_B{number}.TIF")) * 0.0000275 - 0.2 for number in numbers])
        as_etm = np.stack([values * slope + shift for values, (slope, shift) in zip(bands, to_etm(sensor).values(), strict=True)])
        red, nir = as_etm[BANDS.index("red")], as_etm[BANDS.index("nir")]
        error = ((nir - red) / (nir + red) - land.ndvi[period_of(int(day[:4]))])[clear]
        assert abs(error.mean()) < 0.005
        assert error.std() < 0.03
        if sensor != "etm":
            raw = (bands[3] - bands[2]) / (bands[3] + bands[2])
            assert abs((raw - land.ndvi[period_of(int(day[:4]))])[clear].mean()) > 0.02


def test_each_cell_is_seen_in_each_period(folder: Path) -> None:
    assert len(DATES) == 21
    for first, last in PERIODS:
        days = [(sensor, day) for sensor, day in DATES if first <= int(day[:4]) < last]
        assert len(days) == 3
        quality = [band(folder / "landsat" / "scenes" / f"{FILES[s][0]}_L2SP_120035_{day}_20200829_02_T1_QA_PIXEL.TIF") for s, day in days]
        assert (np.stack(quality) == CLEAR).any(axis=0).all()


@pytest.mark.parametrize("sensor", ["tm", "oli"])
def test_lines_fitted_to_the_pairs_are_those_of_the_sensors(folder: Path, tmp_path: Path, sensor: str) -> None:
    out = tmp_path / "lines.csv"
    pairs = folder / "landsat" / f"pairs_{sensor}_etm.csv"
    normalise(pairs, None, out, fitting=Fitting(bootstrap=0), sensors=(sensor, "etm"), figure=False)
    table = pd.read_csv(out).set_index("band")
    for name, (slope, shift) in to_etm(sensor).items():
        assert table.loc[name, "slope"] == pytest.approx(slope, abs=0.03)
        assert table.loc[name, "intercept"] == pytest.approx(shift, abs=0.008)


def test_sensors_undo_each_other() -> None:
    one = np.linspace(0.05, 0.4, 6)
    for sensor in SEEN:
        back = [slope * value + shift for value, (slope, shift) in zip(seen(sensor, one), to_etm(sensor).values(), strict=True)]
        np.testing.assert_allclose(back, one, rtol=1e-12)


def test_revisits_are_enough_and_correlate_as_stated(folder: Path) -> None:
    table = pd.read_csv(folder / "truth" / "revisits.csv")
    assert len(table) >= 60
    assert (table["second_year"] - table["first_year"]).min() >= 20
    first, second = (np.log(table[f"pit_{end}_0_20cm_kg_m2"] / table[f"cell_{end}_0_20cm_kg_m2"]) for end in ("first", "second"))
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(PIT_CORRELATION, abs=0.3)
    survey = pd.read_csv(folder / "profiles" / "survey.csv").drop_duplicates("PROF_NO").set_index("PROF_NO")
    record = pd.read_csv(folder / "profiles" / "record_sites.csv").set_index("site")
    for row in table.itertuples():
        assert (survey.loc[row.first_id, "LONG"], survey.loc[row.first_id, "LAT"]) == (row.lon, row.lat)
        assert (record.loc[row.second_id, "lon"], record.loc[row.second_id, "lat"]) == (row.lon, row.lat)


def test_the_network_reports_the_stock_of_its_plots(folder: Path, land: SpaceTime) -> None:
    table = pd.read_csv(folder / "profiles" / "network.csv")
    whole = table.groupby("plot")["SOCD_kg_m2"].sum()
    assert 0.7 * land.true_stock_kg_m2(0, 100, 4).mean() < whole.mean() < 1.4 * land.true_stock_kg_m2(0, 100, 4).mean()


def test_products_are_biased_as_stated_and_one_states_a_wrong_unit(folder: Path, land: SpaceTime, truth: dict) -> None:
    for name, (layer, unit, number, factor, _) in PRODUCTS.items():
        with rasterio.open(folder / "products" / f"{name}.tif") as source:
            assert source.units == (unit,)
            ratio = source.read(1).mean() / (number * land.true_stock_kg_m2(*layer, 5).mean())
        assert ratio == pytest.approx(factor, rel=0.05)
        assert truth["products"][name]["bias_factor"] == factor
    assert [name for name, about in PRODUCTS.items() if about[1] == "kg/m2" and about[2] != 1.0] == ["atlas_0-100cm"]


def test_land_cover_changes_and_codes_have_names(land: SpaceTime) -> None:
    assert set(np.unique(land.cover)) == set(COVER)
    assert (land.cover[-1] == 2).mean() > (land.cover[0] == 2).mean()
    assert (land.cover[-1] == 1).mean() < (land.cover[0] == 1).mean()


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(GridError, match="size 'huge'; expected one of small, full"):
        space_time(1, "huge")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"landscape": "moon"}, "--landscape moon: no such landscape; expected one of space-time, beta-subsoil, plateau-3d"),
        ({"size": "full"}, "--size full: found without a landscape"),
        ({"landscape": "plateau-3d", "size": "tiny"}, "--size tiny: no such size; expected one of small, full"),
    ],
)
def test_the_demo_refuses_what_it_does_not_know(tmp_path: Path, how: dict, said: str) -> None:
    with pytest.raises(RunError, match=said) as error:
        run.demo(tmp_path / "demo", **how)
    assert isinstance(error.value, EdaphicError)
    assert not (tmp_path / "demo").exists()


@pytest.fixture(scope="module")
def profiled(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe run as far as its profiles."""
    for sensor in ("tm", "oli"):
        out = folder / "landsat" / f"{sensor}_to_etm.csv"
        normalise(
            folder / "landsat" / f"pairs_{sensor}_etm.csv", None, out, fitting=Fitting(bootstrap=0), sensors=(sensor, "etm"), figure=False
        )
    path = folder / "space-time.yaml"
    path.write_text(recipe.template("space-time-virtual"))
    return run.run(path, tmp_path_factory.mktemp("run") / "run", until="profiles")


def test_copies_are_merged_and_revisits_are_not(profiled: Path, truth: dict) -> None:
    layers = pd.read_parquet(profiled / "profiles" / "layers.parquet")
    counts = dict(truth["profiles"])
    counts.pop("independent")
    left = layers["profile_id"].nunique()
    assert sum(counts.values()) - truth["incomplete_profiles_in_compilation"] - 3 <= left <= sum(counts.values())


def test_stocks_of_profiles_are_near_the_truth_of_their_cells(profiled: Path, folder: Path, land: SpaceTime) -> None:
    layers = pd.read_parquet(profiled / "profiles" / "layers.parquet")
    top = layers[(layers["top_cm"] == 0) & (layers["bottom_cm"] == 20)]
    means = np.mean([land.true_stock_kg_m2(0, 20, k)[land.access > np.median(land.access)].mean() for k in range(7)])
    assert top["soc_stock_kg_m2"].mean() == pytest.approx(means, rel=0.15)


@pytest.mark.slow
def test_its_maps_agree_with_the_truth(tmp_path: Path) -> None:
    out = run.demo(tmp_path / "demo", landscape="space-time", workers=2)
    table = pd.read_csv(out / "tables" / "truth.csv")
    assert len(table) == 6
    assert (table["mec"] > 0.6).all()
    assert (table["inside_fully_correlated"]).all()
