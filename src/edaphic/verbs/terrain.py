"""``terrain``: a digital elevation model in, a folder of its attributes out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edaphic.covariates.band import Compress
from edaphic.covariates.facts import Source
from edaphic.covariates.terrain.attributes import ATTRIBUTES, CHOICES, DEFAULT, DERIVED, SETS, TerrainOptions, attributes
from edaphic.covariates.terrain.dem import Dem, open_dem
from edaphic.covariates.terrain.evidence import Examined, examine
from edaphic.covariates.terrain.limits import check_memory, check_radius, radius_sizes
from edaphic.covariates.terrain.making import WITH_SLOPE, Made, make_terrain
from edaphic.errors import EdaphicError, RunError
from edaphic.progress import Say


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
    given: Mapping[str, str] | None = None,
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
    given : mapping of str to str, optional
        Options that the user wrote, by parameter of the command: how they are written. One of them that changes nothing is a fault.
        Without it those are told that are not the default.
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.

    Raises
    ------
    EdaphicError
        An attribute or a choice that is not known; an option without effect; a DEM that cannot be used.
    """
    words, options = words or DemWords(), options or TerrainOptions()
    wanted, unknown = attributes(names)
    faults = [f"--attributes: {word!r}; expected some of {', '.join((*SETS, *ATTRIBUTES))}" for word in unknown]
    if not (wanted or unknown):
        faults.append("--attributes: none; expected at least one, such as slope")
    faults += option_faults(options, compress)
    idle = [] if faults else idle_options(wanted, options, _changed(options) if given is None else given)
    if faults or (idle and given is not None):
        raise EdaphicError([*faults, *idle])
    say(f"looking at {Path(dem).name}", 0, 1)
    opened = open_dem(Source("dem", dem, band=words.band, nodata=words.nodata, scale=words.scale), words.z_unit)
    _check_out(out, dem, wanted)
    check_memory(opened, wanted)
    wide = check_radius(opened, wanted, options)
    seen = examine(opened, told=words.nodata is not None)
    for note in (*seen.dem.notes, *seen.doubts, *wide, *idle):
        say(f"note: {note}", 0, 0)
    made = make_terrain(seen.dem, wanted, out, options, compress=compress, say=say)
    return [_of_dem(seen), *(_of_attribute(one, seen.dem, options) for one in made), f"wrote       {len(made)} files in {out}"]


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


def idle_options(names: Sequence[str], options: TerrainOptions, given: Mapping[str, str]) -> list[str]:
    """Options that were given and change nothing, in a line each.

    ``--compat`` is none of them: what SAGA computes as we do has SAGA's numbers.

    >>> idle_options(["slope"], TerrainOptions(radius=10), {"radius": "--radius"})
    ['--radius: changes nothing in slope; expected tpi among the attributes']
    """
    wanted = set(names)
    routed = {name for name in wanted if ATTRIBUTES[name].group == "flow"}
    follows = bool(wanted & set(WITH_SLOPE))
    derived = {*DERIVED, "twi", "spi", "ls", *(("sca",) if options.rules.compat == "saga" else ())}
    near = {name for name in wanted if ATTRIBUTES[name].group == "local"} - ({"tpi"} if options.radius is not None else set())
    disc = "tpi among the attributes"
    of_flow = "an attribute of flow, such as twi"
    breaching = "--depressions breach" if routed else of_flow
    spreading = follows and options.flow == "mfd"
    needs = {
        "radius": ("tpi" in wanted, disc),
        "without_centre": ("tpi" in wanted and options.radius is not None, f"{disc}, and --radius" if "tpi" not in wanted else "--radius"),
        "method": (bool(wanted & derived), "slope, aspect, a curvature or an index of flow"),
        "edges": (bool(near), "a local attribute, such as slope"),
        "tri": ("tri" in wanted, "tri among the attributes"),
        "depressions": (bool(routed), of_flow),
        "min_slope": (bool(routed) and options.depressions != "none", "--depressions fill or breach" if routed else of_flow),
        "breach_depth": (bool(routed) and options.depressions == "breach", breaching),
        "breach_length": (bool(routed) and options.depressions == "breach", breaching),
        "flow": (follows, f"{_listed(WITH_SLOPE)} among the attributes"),
        "convergence": ("flow_mfd" in wanted or spreading, "flow_mfd, or --flow mfd" if follows else "flow_mfd, sca, twi, spi or ls"),
        "ls": ("ls" in wanted, "ls among the attributes"),
    }
    idle = {key: expected for key, (used, expected) in needs.items() if key in given and not used}
    return [f"{given[key]}: changes nothing in {', '.join(names)}; expected {expected}" for key, expected in idle.items()]


def _changed(options: TerrainOptions) -> dict[str, str]:
    """Options that are not the default, as the command has them."""
    usual = TerrainOptions()
    pairs = {
        "radius": (options.radius, usual.radius),
        "without_centre": (options.centre, usual.centre),
        "method": (options.rules.method, usual.rules.method),
        "edges": (options.rules.edges, usual.rules.edges),
        "tri": (options.rules.tri, "saga" if options.rules.compat == "saga" else usual.rules.tri),
        "depressions": (options.depressions, usual.depressions),
        "min_slope": (options.min_slope_deg, usual.min_slope_deg),
        "breach_depth": (options.breach_depth_m, usual.breach_depth_m),
        "breach_length": (options.breach_length_m, usual.breach_length_m),
        "flow": (options.flow, usual.flow),
        "convergence": (options.convergence, usual.convergence),
        "ls": (options.ls, usual.ls),
    }
    return {key: f"--{key.replace('_', '-')}" for key, (has, was) in pairs.items() if has != was}


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


def _of_dem(seen: Examined) -> str:
    dem = seen.dem
    rows, cols = dem.shape
    size = f"{dem.cells.dx_m[rows // 2]:.4g} x {dem.cells.dy_m[rows // 2]:.4g} m"
    where = f"{dem.facts.crs_name}{'' if dem.cells.uniform else ', in the middle'}"
    return (
        f"DEM         {Path(dem.facts.path).name}: {rows:,} x {cols:,} cells of {size} ({where}), "
        f"heights {seen.low_m:.6g} to {seen.high_m:.6g} m, {_share(rows * cols - seen.count, rows * cols)} empty"
    )


def _of_attribute(made: Made, dem: Dem, options: TerrainOptions) -> str:
    unit = ATTRIBUTES[made.name].unit
    disc = f", {_of_disc(dem, options)}" if made.name == "tpi" and options.radius is not None else ""
    return f"{made.name:<20} {'' if unit == '1' else unit + ', '}{_share(made.empty, dem.shape[0] * dem.shape[1])} empty{disc}"


def _of_disc(dem: Dem, options: TerrainOptions) -> str:
    """The radius in metres on the ground, and in cells where it was counted in them."""
    down, across = (f"{size:,.5g}" for size in radius_sizes(dem.cells, options))
    if options.radius_unit == "m":
        return f"a disc of radius {down} m"
    sizes = down if down == across else f"{across} x {down}"
    return f"a disc of radius {options.radius:g} cells ({sizes} m)"


def _share(part: int, whole: int) -> str:
    """A share in percent; never 0 % where there are some, nor 100 % where some are missing.

    >>> _share(0, 9), _share(1, 10**6), _share(1, 4)
    ('0 %', '<0.1 %', '25.0 %')
    """
    if not part or part == whole:
        return "100 %" if part else "0 %"
    percent = 100.0 * part / whole
    return "<0.1 %" if percent < 0.1 else f"{min(percent, 99.9):.1f} %"
