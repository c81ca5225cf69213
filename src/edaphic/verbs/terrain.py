"""``terrain``: a digital elevation model in, a folder of its attributes out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from edaphic.covariates.band import Compress
from edaphic.covariates.facts import Source
from edaphic.covariates.terrain.attributes import ATTRIBUTES, CHOICES, DEFAULT, SETS, TerrainOptions, attributes
from edaphic.covariates.terrain.dem import Dem, open_dem
from edaphic.covariates.terrain.evidence import Examined, examine
from edaphic.covariates.terrain.making import Made, make_terrain
from edaphic.errors import EdaphicError, RasterError, RunError
from edaphic.progress import Say

BYTES_A_CELL = 24
"""Of heights, surface without depressions, catchment areas and what routing keeps besides, in float64 at worst 32."""


@dataclass(frozen=True)
class DemWords:
    """What a command says of its DEM, in place of what the file says."""

    band: int = 1
    nodata: float | None = None
    z_unit: str | None = None
    scale: float | None = None


def terrain(
    dem: str,
    out: Path,
    *,
    names: Sequence[str] = DEFAULT,
    words: DemWords | None = None,
    options: TerrainOptions | None = None,
    compress: Compress = "deflate",
    say: Say,
) -> list[str]:
    """Attributes of a DEM, on its own grid.

    Parameters
    ----------
    dem : str
        Any raster that GDAL reads.
    out : Path
        Folder; made if it is missing, its other files stay.
    names : sequence of str
        Attributes, or ``default``, ``local``, ``all``.
    words : DemWords, optional
    options : TerrainOptions, optional
    compress : {"deflate", "none"}
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.

    Raises
    ------
    EdaphicError
        An attribute or a choice that is not known; a DEM that cannot be used.
    """
    words, options = words or DemWords(), options or TerrainOptions()
    wanted, unknown = attributes(names)
    faults = [f"--attributes: {word!r}; expected some of {', '.join((*SETS, *ATTRIBUTES))}" for word in unknown]
    if not (wanted or unknown):
        faults.append("--attributes: none; expected at least one, such as slope")
    faults += option_faults(options, compress)
    if faults:
        raise EdaphicError(faults)
    say(f"looking at {Path(dem).name}", 0, 1)
    opened = open_dem(Source("dem", dem, band=words.band, nodata=words.nodata, scale=words.scale), words.z_unit)
    _check_out(out, dem, wanted)
    seen = examine(opened, told=words.nodata is not None)
    _check_memory(seen.dem, wanted)
    for note in (*seen.dem.notes, *seen.doubts):
        say(f"note: {note}", 0, 0)
    made = make_terrain(seen.dem, wanted, out, options, compress=compress, say=say)
    return [_of_dem(seen), *(_of_attribute(one, seen.dem) for one in made), f"wrote       {len(made)} files in {out}"]


def option_faults(options: TerrainOptions, compress: str = "deflate") -> list[str]:
    """What is wrong with the options, in a line each.

    >>> option_faults(TerrainOptions(threads=0))
    ['--threads 0; expected at least 1']
    """
    given = {
        "method": options.rules.method,
        "edges": options.rules.edges,
        "tri": options.rules.tri,
        "compat": options.rules.compat,
        "depressions": options.depressions,
        "flow": options.flow,
        "ls": options.ls,
        "compress": compress,
    }
    found = [f"--{key} {value}; expected {_listed(CHOICES[key])}" for key, value in given.items() if value not in CHOICES[key]]
    if options.radius is not None and not (math.isfinite(options.radius) and options.radius > 0.0):
        found.append(f"--radius {options.radius:g}; expected a positive number of cells or metres")
    if not 0.0 <= options.min_slope_deg < 90.0:
        found.append(f"--min-slope {options.min_slope_deg:g}; expected degrees, 0 to less than 90")
    for key, limit in (("depth", options.breach_depth_m), ("length", options.breach_length_m)):
        if not limit >= 0.0:
            found.append(f"--breach-{key} {limit:g}; expected metres, 0 or more")
    if not (math.isfinite(options.convergence) and options.convergence > 0.0):
        found.append(f"--convergence {options.convergence:g}; expected a positive number")
    if options.threads < 1:
        found.append(f"--threads {options.threads}; expected at least 1")
    return found


def read_radius(word: str) -> tuple[float, str]:
    """A radius in cells, or in metres where the number ends in m.

    >>> read_radius("10"), read_radius("300m")
    ((10.0, 'cells'), (300.0, 'm'))
    """
    number, unit = (word.strip()[:-1], "m") if word.strip().lower().endswith("m") else (word, "cells")
    try:
        return float(number), unit
    except ValueError as error:
        raise EdaphicError(f"--radius {word}; expected a number of cells such as 10, or metres such as 300m") from error


def _listed(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _check_out(out: Path, dem: str, names: Sequence[str]) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: found a file; expected a folder")
    for name in names:
        made = out / f"{name}.tif"
        if made.exists() and Path(dem).exists() and made.samefile(dem):
            raise RunError(f"--out {out}: {made.name} there is the DEM itself; expected another folder")


def _check_memory(dem: Dem, names: Sequence[str]) -> None:
    if all(ATTRIBUTES[name].group != "flow" for name in names):
        return
    needed, there = dem.shape[0] * dem.shape[1] * BYTES_A_CELL / 1e9, psutil.virtual_memory().total / 1e9
    if needed > there:
        raise RasterError(
            f"{dem.facts.path}: attributes of flow need about {needed:,.0f} GB of memory for {dem.shape[0]:,} x {dem.shape[1]:,} cells; "
            f"this machine has {there:,.0f}: expected a smaller DEM, or --attributes local"
        )


def _of_dem(seen: Examined) -> str:
    dem = seen.dem
    rows, cols = dem.shape
    size = f"{dem.cells.dx_m[rows // 2]:.4g} x {dem.cells.dy_m[rows // 2]:.4g} m"
    where = f"{dem.facts.crs_name}{'' if dem.cells.uniform else ', in the middle'}"
    return (
        f"DEM         {Path(dem.facts.path).name}: {rows:,} x {cols:,} cells of {size} ({where}), "
        f"heights {seen.low_m:.6g} to {seen.high_m:.6g} m, {_share(rows * cols - seen.count, rows * cols)} empty"
    )


def _of_attribute(made: Made, dem: Dem) -> str:
    unit = ATTRIBUTES[made.name].unit
    return f"{made.name:<20} {'' if unit == '1' else unit + ', '}{_share(made.empty, dem.shape[0] * dem.shape[1])} empty"


def _share(part: int, whole: int) -> str:
    """A share in percent; never 0 % where there are some, nor 100 % where some are missing.

    >>> _share(0, 9), _share(1, 10**6), _share(1, 4)
    ('0 %', '<0.1 %', '25.0 %')
    """
    if not part or part == whole:
        return "100 %" if part else "0 %"
    percent = 100.0 * part / whole
    return "<0.1 %" if percent < 0.1 else f"{min(percent, 99.9):.1f} %"
