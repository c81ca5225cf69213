"""Routing against SAGA GIS 8.5.0 and GRASS GIS 8.2.1 on the Big Tujunga DEM (540 x 540 cells of 30 m).

Stored values are rounded to 3e-5. Routing alone is compared on the peer's own filled surface.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.fill import fill
from edaphic.covariates.terrain.flow import flow_area
from edaphic.covariates.terrain.local import LocalRules, local_attributes
from edaphic.covariates.terrain.wetness import ls_factor, specific_catchment_area, topographic_wetness_index

Grid = NDArray[np.floating[Any]]
CELLS = CellSizes.square(30.0, 540)
ROUNDED = 3e-5


@pytest.fixture(scope="module")
def peer(shared: Path) -> Callable[[str], Grid]:
    folder = shared / "oracles" / "terrain"
    if not folder.is_dir():
        pytest.skip("no stored results of SAGA and GRASS")

    def read(name: str) -> Grid:
        with rasterio.open(folder / f"{name}.tif") as source:
            return source.read(1, masked=True).filled(np.nan)

    return read


def angles(surface: Grid) -> tuple[Grid, Grid]:
    found = local_attributes(surface, CELLS, ["slope", "aspect"], rules=LocalRules.saga())
    return found["slope"], found["aspect"]


@pytest.mark.parametrize(
    ("surface", "name", "method"),
    [("saga_filled", "saga_flow_d8", "d8"), ("saga_filled", "saga_flow_mfd", "mfd"), ("saga_dem_sinkrem", "saga_flow_mfd_sr", "mfd")],
)
def test_flow_is_that_of_saga_in_every_cell(peer: Callable[[str], Grid], surface: str, name: str, method: Any) -> None:
    found = flow_area(peer(surface), CELLS, method=method, compat="saga")
    np.testing.assert_allclose(found, peer(name), rtol=ROUNDED)


@pytest.mark.parametrize(("name", "method"), [("saga_flow_d8", "d8"), ("saga_flow_mfd", "mfd")])
def test_other_edges_change_few_cells(peer: Callable[[str], Grid], name: str, method: Any) -> None:
    found, theirs = flow_area(peer("saga_filled"), CELLS, method=method), peer(name)
    assert np.mean(np.abs(found / theirs - 1) < 0.01) > 0.95
    if method == "d8":  # SAGA's edge passes nothing on; with MFD only what leaves over the corners of the grid is other
        assert (found >= theirs * (1 - ROUNDED)).all()
    else:
        assert np.mean(np.abs(found / theirs - 1) < ROUNDED) > 0.99


def test_fill_is_never_above_wang_and_liu(peer: Callable[[str], Grid]) -> None:
    """Wang and Liu keep the first value that reaches a cell, which may be a diagonal step; ours is the least."""
    ground, theirs = peer("dem"), peer("saga_filled")
    found = fill(ground, CELLS, min_slope_deg=0.01)
    np.testing.assert_array_equal(found > ground, theirs > ground)
    assert (found <= theirs + 2**-13).all()
    assert np.mean(found == theirs) > 0.995
    assert np.max(theirs - found) < 0.005


def test_fill_is_below_the_planar_sink_removal(peer: Callable[[str], Grid]) -> None:
    assert (fill(peer("dem"), CELLS, min_slope_deg=0.0) <= peer("saga_dem_sinkrem")).all()


def test_specific_catchment_area(peer: Callable[[str], Grid]) -> None:
    _, aspect = angles(peer("saga_filled"))
    found = specific_catchment_area(peer("saga_flow_mfd").astype(np.float64), CELLS, aspect, compat="saga")
    np.testing.assert_allclose(found, peer("saga_sca"), rtol=2 * ROUNDED)


def test_wetness_index_and_ls_factors(peer: Callable[[str], Grid]) -> None:
    slope, _ = angles(peer("saga_filled"))
    sca = peer("saga_sca").astype(np.float64)
    np.testing.assert_allclose(topographic_wetness_index(sca, slope), peer("saga_twi"), rtol=ROUNDED, atol=1e-4)
    for name, found in (
        ("moore", ls_factor(sca, slope)),
        ("desmet", ls_factor(sca, slope, method="desmet", cells=CELLS, compat="saga")),
        ("boehner", ls_factor(sca, slope, method="boehner")),
    ):
        np.testing.assert_allclose(found, peer(f"saga_ls_{name}"), rtol=3 * ROUNDED, err_msg=name)


def test_wetness_index_in_one_step(peer: Callable[[str], Grid]) -> None:
    surface = peer("saga_dem_sinkrem")
    slope, aspect = angles(surface)
    sca = specific_catchment_area(flow_area(surface, CELLS, compat="saga"), CELLS, aspect, compat="saga")
    np.testing.assert_allclose(topographic_wetness_index(sca, slope), peer("saga_twi_onestep"), rtol=ROUNDED, atol=1e-4)


def test_own_chain_has_the_medians_of_saga(peer: Callable[[str], Grid]) -> None:
    surface = fill(peer("dem"), CELLS)
    for method, name in (("d8", "saga_flow_d8"), ("mfd", "saga_flow_mfd")):
        found = flow_area(surface, CELLS, method=method)  # type: ignore[arg-type]
        assert np.median(np.log(found)) == pytest.approx(np.median(np.log(peer(name))), abs=0.02)


@pytest.mark.parametrize(("name", "asked", "together"), [("d8", {"method": "d8"}, 0.94), ("mfd", {"convergence": 5.0}, 0.96)])
def test_grass(peer: Callable[[str], Grid], name: str, asked: dict[str, Any], together: float) -> None:
    """GRASS crosses depressions by least cost where we fill them, and its convergence of 5 is a power of 5: alike on the log scale."""
    found = flow_area(fill(peer("dem"), CELLS), CELLS, **asked)
    cells = np.abs(peer(f"grass_gacc_{name}"))
    there = np.isfinite(cells) & (cells > 0)
    ours, theirs = np.log(found[there] / 900.0), np.log(cells[there])
    assert there.mean() > 0.99
    assert np.median(ours) == pytest.approx(np.median(theirs), abs=0.02)
    assert np.corrcoef(ours, theirs)[0, 1] > together
