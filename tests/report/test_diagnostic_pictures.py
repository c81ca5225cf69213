"""Pictures of the diagnostics: drawn from any table of theirs, readable on a phone, with words that tell what they show."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image

from edaphic.account.describe.biomes import Biome
from edaphic.account.describe.diagnostics import by_texture, correlations, decade_histograms
from edaphic.account.describe.series import depth_profiles, period_series, published_ranges
from edaphic.account.describe.transects import along, area_by_class
from edaphic.covariates.grid import Window
from edaphic.report import diagnostic_pictures as pictures
from edaphic.report.pictures import Picture
from edaphic.report.style import DPI, WIDTH_IN

GRID = GeoBox((40, 120), Affine(0.25, 0.0, 75.0, 0.0, -0.25, 45.0), "EPSG:4326")


def field(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = 4.0 + np.sin(np.arange(120) / 12.0)[None, :] * 2.0 + rng.gamma(2.0, 0.7, (40, 120))
    values[:, 60:64] = np.nan
    return values


def maps(*names: str) -> dict[str, object]:
    def reader(values: np.ndarray):  # type: ignore[no-untyped-def]
        return lambda window: values[window.slices] if isinstance(window, Window) else values

    return {name: reader(field(seed)) for seed, name in enumerate(names)}


def decade_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(1)
    n = 600
    top = rng.choice([0, 20], n)
    stock = rng.gamma(2.0, 2.0, n) * np.where(top == 0, 1.0, 2.0)
    year = rng.choice([1982.0, 1988.0, 2005.0, 2015.0, np.nan], n, p=[0.3, 0.2, 0.2, 0.28, 0.02])
    return decade_histograms(
        pd.DataFrame({"year": year, "top_cm": top, "bottom_cm": np.where(top == 0, 20, 100), "soc_stock_kg_m2": stock})
    )


def stocks(classes: int = 5) -> pd.DataFrame:
    rows = []
    for place in range(classes):
        area = 1000.0 * (place + 1)
        for (top, bottom), mean in zip(
            [(0, 30), (30, 100), (100, 200), (0, 200)], [6.0, 5.0 - 0.3 * place, 3.0, 14.0 - 0.3 * place], strict=True
        ):
            total = mean * area / 1000.0
            rows.append(("cover", f"class {place + 1}", top, bottom, area, mean, total, 0.8 * total, 1.3 * total))
    columns = ["by", "class_name", "top_cm", "bottom_cm", "area_km2", "mean_kg_m2", "total_Tg"]
    return pd.DataFrame(rows, columns=[*columns, "fully_correlated_low_Tg", "fully_correlated_high_Tg"])


def series() -> pd.DataFrame:
    rows = []
    for place, first in enumerate(range(1985, 2020, 5)):
        for bottom, mean in ((20, 4.0 + 0.03 * place), (100, 10.0)):
            total = mean * 9.6e6 / 1000.0
            rows.append(("all", "all", f"{first}-{first + 5}", 0, bottom, 9.6e6, total, 0.9 * total, 1.1 * total))
    columns = ["by", "class_name", "period", "top_cm", "bottom_cm", "area_km2", "total_Tg"]
    return period_series(pd.DataFrame(rows, columns=[*columns, "fully_correlated_low_Tg", "fully_correlated_high_Tg"]))


def ranges() -> pd.DataFrame:
    row = {
        "name": "study A",
        "by": "all",
        "class": "",
        "top_cm": 0.0,
        "bottom_cm": 20.0,
        "period": "1980-1989",
        "unit": "kg/m2",
        "source": "",
    }
    row |= {"total": 4.1, "low": 3.5, "high": 4.6, "quantity": "mean"}
    table = pd.DataFrame([row, row | {"name": "study B", "period": "2000", "total": 3.9, "low": np.nan, "high": np.nan}])
    return published_ranges(table)[0]


def climates(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    mat = rng.uniform(-6.0, 25.0, n)
    return mat, np.maximum(50.0, 200.0 + 45.0 * mat + rng.normal(0.0, 250.0, n))


def matrix(names: int) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    base = rng.normal(size=(80, 3))
    table = pd.DataFrame({f"covariate {k}": base[:, k % 3] + 0.3 * k * rng.normal(size=80) for k in range(names)})
    table["constant"] = 1.0
    return correlations(table)[0]


def texture() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    clay, silt = rng.uniform(0.0, 50.0, 300), rng.uniform(0.0, 45.0, 300)
    return by_texture(clay, silt, 100.0 - clay - silt, 0.965 + 0.0003 * clay + rng.normal(0.0, 0.005, 300))[0]


def every() -> dict[str, Picture]:
    profile = depth_profiles(stocks(), "cover")
    wide = area_by_class(GRID, maps("1985-1990", "1990-1995", "1995-2000"), [4.0, 5.0, 6.0, 7.0, 8.0, 10.0])  # type: ignore[arg-type]
    found = [
        *pictures.decade_pictures(*decade_tables()),
        pictures.area_picture(wide),
        pictures.strip_picture(along(GRID, maps("0–20 cm"))),  # type: ignore[arg-type]
        pictures.strip_picture(along(GRID, maps("0–20 cm", "20–100 cm"), axis="lat"), axis="lat"),  # type: ignore[arg-type]
        pictures.biome_picture(*climates()),
        pictures.correlation_picture(matrix(8), threshold=0.95),
        pictures.group_picture(texture(), value="beta", letters=["c", "bc", "b", "a"], test="Duncan, 5 %"),
        pictures.share_picture(profile),
        pictures.profile_picture(profile, interval="fully correlated bound"),
        *pictures.series_pictures(series(), ranges(), interval="90 % interval"),
    ]
    return {picture.name: picture for picture in found}


@pytest.fixture(scope="module")
def drawn() -> dict[str, Picture]:
    return every()


def test_all_are_there_under_their_own_names(drawn: dict[str, Picture]) -> None:
    assert set(drawn) == {
        "samples_0-20cm.png",
        "samples_20-100cm.png",
        "area_by_class.png",
        "along_longitude.png",
        "along_latitude.png",
        "biomes.png",
        "correlations.png",
        "groups.png",
        "depth_shares.png",
        "depth_by_class.png",
        "series_0-20cm.png",
        "series_0-100cm.png",
    }


def test_each_fits_a_phone_and_shows_something(drawn: dict[str, Picture]) -> None:
    for name, picture in drawn.items():
        width, height = picture.size
        assert width == round(WIDTH_IN * DPI), name
        assert height < 2.2 * width, name
        pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"))
        assert 0.005 < (pixels < 250).mean() < 0.9, name


def test_words_say_what_is_shown(drawn: dict[str, Picture]) -> None:
    for name, picture in drawn.items():
        assert len(picture.alt) > 40, name
        assert len(picture.caption) > 20, name
        assert "nan" not in picture.alt.lower().split(), name
        assert "\n" not in picture.alt
    assert "1980–1989" in drawn["samples_0-20cm.png"].alt
    assert "1985–1990" in drawn["series_0-20cm.png"].alt
    assert "beside 2 published values" in drawn["series_0-20cm.png"].alt
    assert "beside 0 published values" in drawn["series_0-100cm.png"].alt
    assert "not his curves" in drawn["biomes.png"].caption
    assert "Duncan" in drawn["groups.png"].caption


def test_same_tables_same_bytes(drawn: dict[str, Picture]) -> None:
    again = pictures.strip_picture(along(GRID, maps("0–20 cm")))  # type: ignore[arg-type]
    assert again.png == drawn["along_longitude.png"].png
    assert pictures.correlation_picture(matrix(8), threshold=0.95).png == drawn["correlations.png"].png


def test_one_of_everything() -> None:
    """One decade, one map of one strip, one class, one period, one profile: nothing to compare, and still a picture."""
    table = pd.DataFrame({"year": [2001.0], "top_cm": [0], "bottom_cm": [30], "soc_stock_kg_m2": [5.0]})
    (samples,) = pictures.decade_pictures(*decade_histograms(table))
    assert "1 sample" in samples.alt
    small = GeoBox((1, 1), Affine(0.1, 0.0, 75.0, 0.0, -0.1, 45.0), "EPSG:4326")
    one = {"map": lambda _: np.ones((1, 1))}
    assert pictures.strip_picture(along(small, one)).size[0] > 0
    assert "100" in pictures.area_picture(area_by_class(small, one, [5.0])).alt
    assert pictures.profile_picture(depth_profiles(stocks(1), "cover"), interval="bound").size[0] > 0
    assert pictures.share_picture(depth_profiles(stocks(1).iloc[:1], "cover")).size[0] > 0
    assert len(pictures.series_pictures(series().iloc[:1], None, interval="bound")) == 1
    own = (Biome("mine", ((0.0, 0.0), (10.0, 0.0), (10.0, 900.0))),)
    mine = pictures.biome_picture(np.array([8.0]), np.array([100.0]), own)
    assert "mine 1" in mine.alt
    assert "Biomes as given" in mine.caption


def test_maps_without_values_and_many_classes() -> None:
    nothing = area_by_class(GRID, {"empty": lambda w: np.full(w.shape, np.nan)} | maps("full"), [4.0, 6.0])  # type: ignore[arg-type]
    assert "full" in pictures.area_picture(nothing).alt
    many = depth_profiles(stocks(12), "cover")
    assert "and 6 more classes" in pictures.share_picture(many).alt
    assert pictures.profile_picture(many, interval="bound").size[0] > 0
    assert "The first 40 of 61 are drawn" in pictures.correlation_picture(matrix(60)).caption
