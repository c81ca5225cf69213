"""Local terrain attributes against stored results of SAGA 8.5.0, GRASS 8.2.1 and gdaldem 3.6.2, cell by cell.

The results were stored with eight bits of their mantissa cleared: they are right to 3e-5 of their value.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.focal import disc_of_metres, position_in_disc
from edaphic.covariates.terrain.local import LocalRules, local_attributes

Array = NDArray[np.float64]
STORED = 3.1e-5
SAGA = LocalRules.saga()
SAGA_CASES = [
    ("slope", "saga_slope_zt", SAGA),
    ("general_curvature", "saga_cgene_zt", SAGA),
    ("profile_curvature", "saga_cprof_zt", SAGA),
    ("plan_curvature", "saga_cplan_zt", SAGA),
    ("tangential_curvature", "saga_ctang_zt", SAGA),
    ("tri", "saga_tri_sq1", SAGA),
    ("slope", "saga_slope_horn", LocalRules(method="horn", compat="saga")),
    ("profile_curvature", "saga_cprof_ev", LocalRules(method="evans", compat="saga")),
]
GDAL_CASES = [("tri", "gdaldem_tri_wilson"), ("tpi", "gdaldem_tpi"), ("roughness", "gdaldem_roughness")]


@lru_cache
def _read(path: Path) -> Array:
    with rasterio.open(path) as file:
        values = file.read(1).astype(float)
        values[values == file.nodata] = np.nan
    return values


def _compare(ours: NDArray[np.float32], theirs: Array, scale: float = 1.0, atol: float = 1e-9) -> None:
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours * scale, theirs, rtol=STORED, atol=atol)


@pytest.mark.parametrize("name, stored, rules", SAGA_CASES)
def test_saga(shared: Path, name: str, stored: str, rules: LocalRules) -> None:
    folder = shared / "oracles" / "terrain"
    z = _read(folder / "dem.tif")
    found = local_attributes(z, CellSizes.square(30.0, len(z)), [name], rules=rules)[name]
    _compare(found, _read(folder / f"{stored}.tif"), np.pi / 180 if name == "slope" else 1.0)


def test_aspect_of_saga(shared: Path) -> None:
    folder = shared / "oracles" / "terrain"
    z, theirs = _read(folder / "dem.tif"), _read(folder / "saga_aspect_zt.tif")
    ours = local_attributes(z, CellSizes.square(30.0, len(z)), ["aspect"])["aspect"]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    away = np.abs(np.radians(ours) - theirs)
    assert np.nanmax(np.minimum(away, 2 * np.pi - away)) < STORED * 2 * np.pi


@pytest.mark.parametrize("name, stored", GDAL_CASES)
def test_gdaldem(shared: Path, name: str, stored: str) -> None:
    folder = shared / "oracles" / "terrain"
    z = _read(folder / "dem.tif")
    rules = LocalRules(tri="wilson", edges="empty")
    found = local_attributes(z, CellSizes.square(30.0, len(z)), [name], rules=rules)[name]
    _compare(found, _read(folder / f"{stored}.tif"))


def test_profile_curvature_of_grass_is_that_of_the_textbook(shared: Path) -> None:
    """Full second derivatives; only where there is no slope at all GRASS has 0."""
    folder = shared / "oracles" / "terrain"
    z, theirs = _read(folder / "dem.tif"), _read(folder / "grass_gpcurv.tif")
    found = local_attributes(
        z, CellSizes.square(30.0, len(z)), ["profile_curvature", "slope"], rules=LocalRules(method="horn", edges="empty")
    )
    level = found["slope"] == 0.0
    assert 0 < level.sum() < 10
    assert (theirs[level] == 0.0).all()
    _compare(np.where(level, 0.0, found["profile_curvature"]), theirs)


def test_position_in_a_disc_of_saga(shared: Path) -> None:
    """300 m around cells of 30 m, the cell itself counted, cut at the edge."""
    folder = shared / "oracles" / "terrain"
    z = _read(folder / "dem.tif")
    _compare(position_in_disc(z, disc_of_metres(CellSizes.square(30.0, len(z)), 300.0)), _read(folder / "saga_tpi_0_300.tif"), atol=1e-3)


@pytest.mark.parametrize("name, band", [("slope", 1), ("plan_curvature", 2), ("profile_curvature", 3)])
def test_ecuador_has_the_curvatures_of_the_textbook(shared: Path, name: str, band: int) -> None:
    """Attributes that came with a DEM of 10 m cells: full second derivatives, edges extended."""
    with rasterio.open(shared / "data" / "dem_samples" / "ecuador_10m" / "ta.tif") as file:
        z, theirs = file.read(4), file.read(band)
    found = local_attributes(z, CellSizes.square(10.0, len(z)), [name])[name]
    np.testing.assert_allclose(found, theirs, rtol=1e-6, atol=1e-9)
