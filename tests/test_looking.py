"""Large grids: looking at masks stays quick, and says what it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from edaphic.covariates import Window
from edaphic.mapping.mask import Bedrock, Mask
from edaphic.stages import looking
from edaphic.stages.looking import LOOKED_AT, MOST, Ground, look

SIDE = 20_000
LARGE = GeoBox((SIDE, SIDE), Affine(30.0, 0.0, 0.0, 0.0, -30.0, 0.0), "EPSG:32634")
LAYERS = ((0.0, 30.0),)


@dataclass
class Counting:
    """A layer of one number whose windows are counted."""

    value: float
    name: str = "share"
    read_windows: list[Window] = field(default_factory=list)
    facts: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(classes={7: "bog"}))

    def read(self, window: Window) -> np.ndarray:
        self.read_windows.append(window)
        return np.full(window.shape, self.value, dtype=np.float32)


def test_looking_ends_where_a_cell_stays():
    layer = Counting(10.0)
    found = look(Ground(LARGE, LAYERS, masks=(Mask("a", layer, above=50.0),)))
    assert len(layer.read_windows) == LOOKED_AT and not found.whole and found.left == found.cells == LOOKED_AT * 256**2
    rows, cols = {window.row for window in layer.read_windows}, {window.col for window in layer.read_windows}
    assert len(rows) > LOOKED_AT // 2 and len(cols) > LOOKED_AT // 2
    assert np.ptp(list(rows)) > SIDE / 2 and np.ptp(list(cols)) > SIDE / 2


def test_a_large_grid_of_which_nothing_is_found_is_a_note_and_no_fault(monkeypatch):
    layer = Counting(90.0)
    found = look(Ground(LARGE, LAYERS, masks=(Mask("a", layer, above=50.0),)))
    assert len(layer.read_windows) == len(set(layer.read_windows)) == MOST and not found.whole and not found.left
    told = SimpleNamespace(
        maps=SimpleNamespace(mask={}), profiles=SimpleNamespace(layers=LAYERS), covariates=SimpleNamespace(max_gap_years=1), grid=None
    )
    monkeypatch.setattr(looking, "masks_of", lambda *_: (Mask("a", layer, above=50.0),))
    monkeypatch.setattr(looking, "bedrock_of", lambda *_: None)
    faults, notes = looking.look_at_masks(told, None, LARGE, [])
    count = f"{sum(window.height * window.width for window in layer.read_windows[:MOST]):,}"  # some lie on the edge
    expected = f"maps: region, masks and bedrock leave none of the {count} cells looked at (a removes {count}): is anything left to map?"
    assert (faults, notes) == ([], [expected])


def test_rare_classes_of_the_legend_are_not_missed_on_a_large_grid():
    ground = Ground(LARGE, LAYERS, classes=((Counting(3.0, "cover"), (7, 9)),))
    cells = f"{LOOKED_AT * 256**2:,}"
    assert looking._codes_notes(ground, look(ground)) == [
        f"maps.mask cover: no cell of the {cells} cells looked at has class 9; there is 3"
    ]


@pytest.mark.parametrize("shape", [(1, 1), (256, 256), (257, 1000), (3000, 2600)])
def test_small_grids_are_looked_at_whole(shape):
    layer = Counting(-1.0)
    found = look(Ground(GeoBox(shape, LARGE.affine, "EPSG:32634"), LAYERS, bedrock=Bedrock(layer, "cm")))
    if shape[0] <= 1000:
        assert found.whole and found.cells == shape[0] * shape[1] == found.depths["negative"] == found.left
    assert len(layer.read_windows) == len(set(layer.read_windows))
