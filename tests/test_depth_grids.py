"""Rasters of bulk density and fragments by depth, before the work starts: their values are shown, another unit is noted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

from edaphic.errors import EdaphicError
from edaphic.run import check


def with_grid(tiny: Any, folder: Path, unit: str, *, value: float = 130.0, fragments: bool = False) -> Path:
    """The tiny recipe with a constant raster for bulk density, or for fragments, in two layers."""
    path = tiny.copy(folder / "input")
    told = yaml.safe_load(path.read_text())
    like = path.parent / told["grid"]["like"]
    with rasterio.open(like) as file:
        profile = file.profile | {"dtype": "float32", "nodata": -1.0, "count": 1}
        shape = file.shape
    for name in ("a.tif", "b.tif"):
        with rasterio.open(path.parent / name, "w", **profile) as out:
            out.write(np.full(shape, value, dtype=np.float32), 1)
    layers = {"layers": {"0-30": "a.tif", "30-60": "b.tif"}, "unit": unit}
    if fragments:
        told["profiles"] |= {"coarse_fragments": ["grid", "assumed"], "coarse_fragments_grid": layers}
    else:
        told["profiles"] |= {"bulk_density": ["grid", "pedotransfer"], "bulk_density_grid": layers | {"basis": "fine_earth"}}
    path.write_text(yaml.safe_dump(told))
    return path


def test_check_shows_the_values_of_a_grid_and_is_quiet_when_they_fit(tiny: Any, tmp_path: Path) -> None:
    size = check(with_grid(tiny, tmp_path, "cg/cm3"))[1]
    (line,) = [line for line in size.values if line.startswith("bulk density of the grid")]
    assert line.startswith("bulk density of the grid: 5 % 1.3, median 1.3, 95 % 1.3 g/cm3 (")
    assert not [note for note in size.notes if "grid" in note]


def test_check_notes_a_grid_that_is_ten_times_off(tiny: Any, tmp_path: Path) -> None:
    size = check(with_grid(tiny, tmp_path, "kg/m3"))[1]
    (note,) = [note for note in size.notes if note.startswith("bulk_density_grid")]
    assert "is kg/m3 the unit? cg/cm3 (kg/m3 x 10) would fit" in note
    assert any("median 0.13, 95 % 0.13 g/cm3" in line for line in size.values)


@pytest.mark.parametrize(
    ("unit", "fragments", "words"),
    [
        ("g/cm3", False, "outside 0.02 to 2.65 g/cm3 (all: 130 to 130 g/cm3, read as g/cm3); expected none; cg/cm3 (kg/m3 x 10) would fit"),
        ("stone", False, "unit 'stone' for bulk_density; expected one of g/cm3"),
        ("vol%", True, "outside 0 to 100 vol%"),
        ("mass%", True, "profiles.coarse_fragments_grid: unit 'mass%'; expected rasters by volume, in vol% or vol_fraction"),
    ],
)
def test_check_refuses_what_cannot_be(tiny: Any, tmp_path: Path, unit: str, fragments: bool, words: str) -> None:
    with pytest.raises(EdaphicError) as caught:
        check(with_grid(tiny, tmp_path, unit, fragments=fragments))
    assert len(caught.value.faults) == 1 and words in caught.value.faults[0]


def test_stock_says_the_same(tiny: Any, tmp_path: Path, command: Any) -> None:
    path = with_grid(tiny, tmp_path, "kg/m3")
    status, screen, _ = command("stock", path, "--out", tmp_path / "out.csv")
    assert status == 0
    assert "values      bulk density of the grid: 5 % 0.13" in screen and "note        bulk_density_grid: half of its values" in screen


def test_a_raster_that_cannot_be_read_is_a_line_of_its_own(tiny: Any, tmp_path: Path) -> None:
    path = with_grid(tiny, tmp_path, "cg/cm3")
    (path.parent / "b.tif").write_bytes(b"no raster")
    with pytest.raises(EdaphicError) as caught:
        check(path)
    assert len(caught.value.faults) == 1 and "profiles.bulk_density_grid: grid: " in caught.value.faults[0]
