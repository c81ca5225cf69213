"""``edaphic terrain``: files as promised, the same in any tiling, and calls that are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from edaphic.covariates.terrain import breach, fill, flow, wetness
from edaphic.covariates.terrain.attributes import ATTRIBUTES, CHOICES, DEFAULT, TerrainOptions
from edaphic.covariates.terrain.cells import CellSizes
from edaphic.covariates.terrain.focal import disc_of_cells, position_in_disc
from edaphic.covariates.terrain.local import LOCAL, LocalRules, local_attributes
from edaphic.errors import RasterError
from edaphic.verbs import terrain as verbs

Command = Callable[..., tuple[int, str, str]]
UTM = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0)


@pytest.fixture
def command(command, monkeypatch, tmp_path) -> Command:
    monkeypatch.chdir(tmp_path)
    return partial(command, "terrain")


def _land(rows: int = 40, cols: int = 50, seed: int = 3) -> NDArray[np.float32]:
    """Hills with some noise and a lake without heights."""
    rng = np.random.default_rng(seed)
    row, col = np.indices((rows, cols))
    z = 300 + 40 * np.sin(row / 9.0) + 30 * np.cos(col / 7.0) + 0.2 * col + rng.normal(0, 0.5, (rows, cols))
    z[rows // 3 : rows // 3 + 4, cols // 2 : cols // 2 + 5] = np.nan
    return z.astype(np.float32)


def _write(z: NDArray[np.generic], name: str = "dem.tif", transform: Affine = UTM, crs: str = "EPSG:32634", unit: str = "m") -> Path:
    how = {"driver": "GTiff", "height": z.shape[0], "width": z.shape[1], "count": 1, "dtype": z.dtype, "crs": crs, "transform": transform}
    with rasterio.open(name, "w", nodata=np.nan if z.dtype.kind == "f" else None, **how) as file:
        file.write(z, 1)
        file.units = (unit,)
    return Path(name)


def _read(path: str | Path) -> NDArray[np.float32]:
    with rasterio.open(path) as file:
        values: NDArray[np.float32] = file.read(1)
    return values


def test_files_as_promised(command: Command) -> None:
    z = _land()
    _write(z)
    status, screen, told = command("dem.tif", "-a", "all", "-o", "out")
    assert status == 0, told
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(f"{name}.tif" for name in ATTRIBUTES)
    assert "40 x 50 cells of 10 x 10 m (EPSG:32634)" in screen and "1.0 % empty" in screen
    for name, attribute in ATTRIBUTES.items():
        with rasterio.open(f"out/{name}.tif") as file:
            assert (file.dtypes, file.units) == (("float32",), (attribute.unit,))
            assert np.isnan(file.nodata)
            assert (file.transform, file.crs.to_epsg(), file.shape) == (UTM, 32634, (40, 50))
            assert file.tags()["UNIT"] == attribute.unit
            assert file.tags()["SOURCE"] == "dem.tif"
            assert file.descriptions == (attribute.meaning,)
            empty = np.isnan(file.read(1))
        assert empty[np.isnan(z)].all(), name
        assert not empty[~np.isnan(z)].any(), name


def test_default_attributes(command: Command) -> None:
    _write(_land())
    assert command("dem.tif", "-o", "out")[0] == 0
    assert {path.stem for path in Path("out").iterdir()} == set(DEFAULT)


def test_windows_change_nothing(command: Command) -> None:
    """A DEM of several windows in both directions, against the whole at once, to the bit."""
    z = _land(600, 1100)
    _write(z)
    assert command("dem.tif", "-a", "local", "--compress", "none", "-o", "out", "--threads", "2")[0] == 0
    whole = local_attributes(z, CellSizes.square(10.0, 600), LOCAL)
    for name in LOCAL:
        np.testing.assert_array_equal(_read(f"out/{name}.tif"), whole[name])
    assert command("dem.tif", "-a", "tpi", "--radius", "70", "--threads", "1", "-o", "disc")[0] == 0
    np.testing.assert_array_equal(_read("disc/tpi.tif"), position_in_disc(z, disc_of_cells(600, 70)))


def test_packing_and_threads_change_nothing(command: Command) -> None:
    _write(_land())
    assert command("dem.tif", "-o", "a", "--compress", "none", "--threads", "1")[0] == 0
    assert command("dem.tif", "-o", "b", "--compress", "deflate", "--threads", "3")[0] == 0
    for name in DEFAULT:
        np.testing.assert_array_equal(_read(f"a/{name}.tif"), _read(f"b/{name}.tif"))


def test_flow_is_that_of_the_whole(command: Command) -> None:
    z = _land(530, 60)
    _write(z)
    assert command("dem.tif", "-a", "filled,flow_mfd,flow_d8,sca,twi,spi,ls", "-o", "out")[0] == 0
    cells = CellSizes.square(10.0, 530)
    filled = fill.fill(z, cells, min_slope_deg=0.01)
    area = flow.flow_area(filled, cells, method="mfd", convergence=1.1)
    local = local_attributes(filled, cells, ["slope", "aspect"])
    sca = wetness.specific_catchment_area(area, cells)
    expected = {
        "filled": filled,
        "flow_mfd": area,
        "flow_d8": flow.flow_area(filled, cells, method="d8"),
        "sca": sca,
        "twi": wetness.topographic_wetness_index(sca, local["slope"]),
        "spi": wetness.stream_power_index(sca, local["slope"]),
        "ls": wetness.ls_factor(sca, local["slope"]),
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(_read(f"out/{name}.tif"), values.astype(np.float32))


def test_what_breaching_leaves_is_filled(command: Command) -> None:
    z = _land()
    z[8, 8] -= 30.0
    _write(z)
    assert command("dem.tif", "-a", "filled", "--depressions", "breach", "--breach-depth", "1.5", "-o", "out")[0] == 0
    cells = CellSizes.square(10.0, 40)
    expected = fill.fill(breach.breach(z, cells, max_depth_m=1.5), cells)
    np.testing.assert_array_equal(_read("out/filled.tif"), expected)
    assert (expected < z).any() and (expected > z).any()


@pytest.mark.parametrize(
    ("options", "attribute"),
    [
        (("--method", "horn"), "slope"),
        (("--method", "evans"), "profile_curvature"),
        (("--edges", "empty"), "slope"),
        (("--tri", "wilson"), "tri"),
        (("--compat", "saga"), "plan_curvature"),
        (("--compat", "saga"), "tri"),
        (("--radius", "3"), "tpi"),
        (("--radius", "30m", "--without-centre"), "tpi"),
        (("--depressions", "none"), "twi"),
        (("--depressions", "breach"), "filled"),
        (("--min-slope", "1"), "twi"),
        (("--flow", "d8"), "sca"),
        (("--convergence", "4"), "flow_mfd"),
        (("--ls", "desmet"), "ls"),
        (("--z-unit", "ft"), "slope"),
        (("--scale", "2"), "slope"),
    ],
)
def test_each_of_these_changes_the_attribute(command: Command, options: tuple[str, ...], attribute: str) -> None:
    _write(_land())
    assert command("dem.tif", "-a", attribute, "-o", "out")[0] == 0
    before = _read(f"out/{attribute}.tif")
    status, _, told = command("dem.tif", "-a", attribute, "-o", "out", *options)
    assert status == 0, told
    after = _read(f"out/{attribute}.tif")
    assert not np.array_equal(before, after, equal_nan=True)


def test_files_say_how_they_were_made(command: Command) -> None:
    _write(_land())
    assert command("dem.tif", "-a", "tri,tpi,twi,plan_curvature", "--compat", "saga", "--radius", "50m", "-o", "out")[0] == 0
    with rasterio.open("out/tpi.tif") as file:
        assert file.tags()["FORMULA"] == "z - mean of a disc of radius 50 m"
    with rasterio.open("out/tri.tif") as file:
        assert "over the 9 cells" in file.tags()["FORMULA"]
    with rasterio.open("out/twi.tif") as file:
        tags = file.tags()
        assert (tags["FLOW"], tags["CONVERGENCE"], tags["DEPRESSIONS"], tags["COMPAT"]) == ("mfd", "1.1", "fill", "saga")
    with rasterio.open("out/plan_curvature.tif") as file:
        assert "half of r and t" in file.tags()["FORMULA"]


def test_degrees_are_metres_on_the_ground(command: Command) -> None:
    """A plane that falls 1 m in 10 to the south, in degrees at 60 north."""
    size = 1 / 3600
    z = np.repeat(500 - 0.1 * 30.95 * np.arange(30.0)[:, None], 20, axis=1)
    _write(z.astype("float32"), transform=Affine(size, 0, 10, 0, -size, 60), crs="EPSG:4326")
    assert command("dem.tif", "-a", "slope,aspect", "-o", "out")[0] == 0
    assert _read("out/slope.tif") == pytest.approx(np.degrees(np.arctan(0.1)), rel=1e-3)
    assert _read("out/aspect.tif") == pytest.approx(180.0)


def test_rows_from_the_south(command: Command) -> None:
    z = _land()
    _write(z)
    _write(z[::-1], "south_up.tif", Affine(10.0, 0, 500000, 0, 10.0, 4600000 - 400))
    assert command("dem.tif", "-a", "aspect", "-o", "a")[0] == 0
    status, _, told = command("south_up.tif", "-a", "aspect", "-o", "b")
    assert status == 0 and "note: the file has its rows from the south" in told
    np.testing.assert_array_equal(_read("a/aspect.tif"), _read("b/aspect.tif"))
    with rasterio.open("b/aspect.tif") as file:
        assert file.transform == UTM


def test_a_number_without_a_tag_is_left_out_and_told(command: Command) -> None:
    z = np.where(np.isnan(_land()), -9999, np.round(_land())).astype("int16")
    _write(z)
    status, screen, told = command("dem.tif", "-a", "slope", "-o", "out")
    assert status == 0
    assert "note: 20 cells hold -9999" in told
    assert "slope                degree, 1.0 % empty" in screen
    assert np.nanmax(_read("out/slope.tif")) < 60
    assert command("dem.tif", "-a", "slope", "--nodata", "-9999", "-o", "told")[0] == 0
    np.testing.assert_array_equal(_read("out/slope.tif"), _read("told/slope.tif"))


def test_other_names(command: Command) -> None:
    _write(_land())
    assert command("dem.tif", "-a", "Plan-Curvature, wetness", "-o", "out")[0] == 0
    assert {path.name for path in Path("out").iterdir()} == {"plan_curvature.tif", "twi.tif"}


def test_the_folder_keeps_what_it_has(command: Command) -> None:
    _write(_land())
    Path("out").mkdir()
    Path("out/notes.txt").write_text("mine")
    Path("out/slope.tif").write_text("old")
    assert command("dem.tif", "-a", "slope", "-o", "out")[0] == 0
    assert Path("out/notes.txt").read_text() == "mine"
    assert _read("out/slope.tif").shape == (40, 50)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-a", "slope,colour"), "--attributes: 'colour'"),
        (("-a", " "), "--attributes: none"),
        (("--radius", "far"), "--radius far"),
        (("--radius", "-3"), "--radius -3"),
        (("--radius", "2m", "-a", "tpi"), "no other cell"),
        (("--method", "guess"), "--method guess"),
        (("--edges", "soft"), "--edges soft"),
        (("--tri", "saturn"), "--tri saturn"),
        (("--compat", "arc"), "--compat arc"),
        (("--depressions", "dig"), "--depressions dig"),
        (("--flow", "uphill"), "--flow uphill"),
        (("--ls", "usle"), "--ls usle"),
        (("--convergence", "0"), "--convergence 0"),
        (("--min-slope", "90"), "--min-slope 90"),
        (("--threads", "0"), "--threads 0"),
        (("--breach-depth", "-1"), "--breach-depth -1"),
        (("--compress", "zip"), "--compress zip"),
        (("--z-unit", "ell"), "--z-unit ell"),
        (("--band", "2"), "no band 2"),
        (("--scale", "0"), "scale 0"),
        (("--z-unit", "km"), "--z-unit ft, dm, cm"),
    ],
)
def test_options_that_are_refused(command: Command, options: tuple[str, ...], words: str) -> None:
    _write(_land())
    status, screen, told = command("dem.tif", "-o", "out", *options)
    faults = [line for line in told.splitlines() if line.startswith("edaphic: ")]
    assert (status, screen, len(faults)) == (2, "", 1), told
    assert words in faults[0] and "expected" in faults[0]
    assert not any(Path("out").glob("*")) if Path("out").exists() else True


def test_faults_are_told_together(command: Command) -> None:
    _write(_land())
    status, _, told = command("dem.tif", "-a", "colour", "--method", "guess", "--threads", "0", "-o", "out")
    assert status == 2 and sum(line.startswith("edaphic: ") for line in told.splitlines()) == 3


def test_dems_that_are_refused(command: Command) -> None:
    _write(np.full((5, 5), np.nan, dtype="float32"), "empty.tif")
    _write(_land(), "degrees.tif", Affine(0.001, 0, 20, 0, -0.001, 40))
    Path("text.tif").write_text("no raster")
    for name in ("empty.tif", "degrees.tif", "text.tif", "missing.tif"):
        status, screen, told = command(name, "-o", "out")
        assert (status, screen) == (2, ""), name
        assert "Traceback" not in told and not Path("out").exists()


def test_places_that_are_refused(command: Command) -> None:
    Path("out").mkdir()
    _write(_land(), "out/elevation.tif")
    before = Path("out/elevation.tif").read_bytes()
    status, _, told = command("out/elevation.tif", "-a", "elevation,slope", "-o", "out")
    assert status == 2 and "is the DEM itself" in told
    assert Path("out/elevation.tif").read_bytes() == before
    assert command("out/elevation.tif", "-a", "slope", "-o", "out")[0] == 0
    Path("file").write_text("")
    status, _, told = command("out/elevation.tif", "-a", "slope", "-o", "file")
    assert status == 2 and "found a file" in told


def test_help_has_an_example(command: Command) -> None:
    status, screen, _ = command("--help")
    assert status == 0 and "Example: edaphic terrain" in screen


def test_choices_are_those_of_the_types() -> None:
    for key in ("method", "edges", "tri", "compat"):
        for choice in CHOICES[key]:
            rules = LocalRules(**{key: choice})  # type: ignore[arg-type]
            local_attributes(np.zeros((2, 2)), CellSizes.square(1.0, 2), ["slope", "tri"], rules=rules)


@pytest.mark.parametrize(
    ("name", "stored", "scale"),
    [
        ("plan_curvature", "cplan_zt", 1.0),
        ("profile_curvature", "cprof_zt", 1.0),
        ("slope", "slope_zt", np.pi / 180),
        ("tri", "tri_sq1", 1.0),
    ],
)
def test_saga_by_the_command_line(command: Command, shared: Path, name: str, stored: str, scale: float) -> None:
    folder = shared / "oracles" / "terrain"
    assert command(folder / "dem.tif", "-a", name, "--compat", "saga", "-o", "out")[0] == 0
    np.testing.assert_allclose(_read(f"out/{name}.tif") * scale, _read(folder / f"saga_{stored}.tif"), rtol=3.1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("attribute", "options", "words"),
    [
        ("slope", ("--radius", "10"), "--radius: changes nothing in slope; expected tpi"),
        ("tpi", ("--without-centre",), "expected --radius"),
        ("twi", ("--breach-depth", "5"), "--breach-depth: changes nothing in twi; expected --depressions breach"),
        ("twi", ("--breach-length", "5"), "--breach-length: changes nothing in twi; expected --depressions breach"),
        ("twi", ("--depressions", "none", "--min-slope", "0.1"), "--min-slope: changes nothing in twi; expected --depressions"),
        ("flow_d8", ("--flow", "d8"), "--flow: changes nothing in flow_d8"),
        ("flow_d8", ("--convergence", "1.1"), "--convergence: changes nothing in flow_d8"),
        ("sca", ("--flow", "d8", "--convergence", "3"), "--convergence: changes nothing in sca; expected flow_mfd"),
        ("twi", ("--ls", "moore"), "--ls: changes nothing in twi; expected ls"),
        ("slope", ("--depressions", "fill"), "--depressions: changes nothing in slope; expected an attribute of flow"),
        ("slope", ("--tri", "wilson"), "--tri: changes nothing in slope; expected tri"),
        ("tpi", ("--method", "horn"), "--method: changes nothing in tpi"),
        ("twi", ("--edges", "empty"), "--edges: changes nothing in twi"),
    ],
)
def test_options_without_effect_are_refused(command: Command, attribute: str, options: tuple[str, ...], words: str) -> None:
    _write(_land())
    status, screen, told = command("dem.tif", "-a", attribute, "-o", "out", *options)
    faults = [line for line in told.splitlines() if line.startswith("edaphic: ")]
    assert (status, screen, len(faults)) == (2, "", 1), told
    assert words in faults[0] and not Path("out").exists()


def test_options_without_effect_are_told_where_the_defaults_are_not_known(command: Command) -> None:
    _write(_land())
    told: list[str] = []
    options = TerrainOptions(radius=3, ls="desmet")
    verbs.terrain("dem.tif", Path("out"), names=["slope"], options=options, say=lambda text, done, total: told.append(text))
    notes = [text for text in told if "changes nothing" in text]
    assert [note.split(":")[1].strip() for note in notes] == ["--radius", "--ls"]


def test_memory_is_looked_at_before_the_heights(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file of 40,000 million cells; no height of it is read."""
    how = {"driver": "GTiff", "height": 200_000, "width": 200_000, "count": 1, "dtype": "uint8", "crs": "EPSG:32634", "transform": UTM}
    with rasterio.open("huge.tif", "w", tiled=True, blockxsize=8192, blockysize=8192, SPARSE_OK=True, BIGTIFF="YES", **how):
        pass
    monkeypatch.setattr(verbs, "examine", lambda *words, **more: pytest.fail("heights were read"))
    status, _, told = command("huge.tif", "-a", "twi", "-o", "out")
    assert status == 2 and "need about 960 GB of memory" in told and not Path("out").exists()


@pytest.mark.parametrize("radius", ["51", "501m", "30000"])
def test_a_disc_wider_than_the_dem(command: Command, radius: str) -> None:
    _write(_land())
    status, _, told = command("dem.tif", "-a", "tpi", "--radius", radius, "-o", "out")
    assert status == 2 and "wider than the DEM, whose longer side is 50 cells (500 m)" in told
    assert not Path("out").exists()


def test_the_radius_is_told_in_metres(command: Command) -> None:
    _write(_land())
    status, screen, told = command("dem.tif", "-a", "tpi", "--radius", "5", "-o", "out")
    assert status == 0 and "a disc of radius 5 cells (50 m)" in screen and "longer side" not in told
    status, screen, told = command("dem.tif", "-a", "tpi", "--radius", "30", "-o", "out")
    assert status == 0 and "note: a radius of 30 cells (300 m) is 60 % of the longer side of the DEM; metres are written with an m" in told
    status, screen, told = command("dem.tif", "-a", "tpi", "--radius", "300m", "-o", "out")
    assert status == 0 and "a disc of radius 300 m" in screen and "note: a radius of 300 m is 60 %" in told


def test_a_fault_before_work_starts_makes_no_folder(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that comes while the heights are looked at, or a disc that holds no other cell."""
    _write(_land())
    assert command("dem.tif", "-a", "tpi", "--radius", "2m", "-o", "out")[0] == 2
    assert not Path("out").exists()

    def broken(*words: object, **more: object) -> None:
        raise RasterError("dem.tif: rows 0 to 3 cannot be read; expected a whole file")

    monkeypatch.setattr(verbs, "examine", broken)
    assert command("dem.tif", "-a", "twi", "-o", "out")[0] == 2
    assert not Path("out").exists()


def test_water_leaves_over_the_edge(command: Command) -> None:
    """A plane that falls to the south-west, steepest to the corner: with D8 a cell more for each step down, on the edge as inside."""
    row, column = np.indices((40, 50))
    _write((500.0 + 3.0 * column - 3.0 * row).astype("float32"))
    assert command("dem.tif", "-a", "flow_d8,flow_mfd", "-o", "out")[0] == 0
    np.testing.assert_array_equal(_read("out/flow_d8.tif"), 100.0 * np.minimum(row + 1, 50 - column))
    spread = _read("out/flow_mfd.tif")
    assert spread[25, 0] == pytest.approx(spread[25, 5], rel=0.01) and spread[:, 0].max() < 1.05 * spread[:, 5].max()


def test_slope_length_of_the_uppermost_cell(command: Command) -> None:
    """A plane that falls to the south-east: nothing drains into its first cell, whose length is its side over the contour width."""
    row, column = np.indices((12, 12))
    _write((1000.0 - row - column).astype("float64"))
    assert command("dem.tif", "-a", "ls", "--ls", "desmet", "-o", "out")[0] == 0
    tangent = 0.1 * np.sqrt(2.0)
    sine = tangent / np.sqrt(1.0 + tangent**2)
    b = (sine / 0.0896) / (3.0 * sine**0.8 + 0.56)
    by_hand = (10.0 / (np.sqrt(2.0) * 22.13)) ** (b / (1.0 + b)) * (16.8 * sine - 0.5)
    assert _read("out/ls.tif")[0, 0] == pytest.approx(by_hand, rel=1e-5)
    assert by_hand == pytest.approx(0.968, abs=0.001)
