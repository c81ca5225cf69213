"""Coefficients that bring one sensor to another: as a table, from a table, and onto an image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.covariates.facts import Source
from edaphic.covariates.grid import grid_like
from edaphic.covariates.made import MadeLayer, making
from edaphic.covariates.sensors.bootstrap import fit_bootstrap
from edaphic.covariates.sensors.line import Line, apply
from edaphic.covariates.sensors.major_axis import How, fit
from edaphic.covariates.sensors.pairs import Pairs
from edaphic.covariates.sources import check_sources, open_layer
from edaphic.covariates.window import windows
from edaphic.errors import RasterError, TableError
from edaphic.progress import Say

COLUMNS = (
    "band", "slope", "intercept", "slope_low", "slope_high", "intercept_low", "intercept_high", "correlation", "count", "method",
    "from_sensor", "to_sensor", "angle_deg", "groups", "dropped", "intervals", "confidence", "note",
)  # fmt: skip
"""Of the table of coefficients."""


def lines_of(pairs: Sequence[Pairs], how: How | None = None, *, samples: int = 1000, seed: int = 0) -> dict[str, Line]:
    """A line for each band.

    Parameters
    ----------
    pairs : sequence of Pairs
    how : How, optional
    samples : int
        Bootstrap samples of groups of pairs; 0 for the parametric limits, which take pairs for independent.
    seed : int
        Every band draws the same groups where it has the same ones.

    Returns
    -------
    dict of str to Line, in the order of the pairs; a line that there is none of has its reason.

    Examples
    --------
    >>> group = np.arange(4)
    >>> lines = lines_of([Pairs("red", np.array([0.0, 1, 2, 3]), np.array([1.0, 3, 5, 7]), group, "pair", 4)], samples=0)
    >>> lines["red"].slope, lines["red"].intercept
    (2.0, 1.0)
    """
    how = how or How()
    lines = {}
    for one in pairs:
        line = fit_bootstrap(one.x, one.y, how, groups=one.group, samples=samples, seed=seed) if samples else fit(one.x, one.y, how)
        lines[one.band] = line
    return lines


def faults_of(lines: Mapping[str, Line], pairs: Sequence[Pairs], where: str) -> list[str]:
    """Bands without a line, each with the reason and what was screened.

    Examples
    --------
    >>> lines = {"red": fit([1, 1, 1], [1, 2, 3])}
    >>> faults_of(lines, [Pairs("red", np.ones(3), np.ones(3), np.arange(3), "pair", 5, {"saturated": 2})], "a.tif, b.tif")
    ['a.tif, b.tif: band red: no variance in the other: all 3 pairs have 1 (2 saturated were left out); expected pairs that tell a line']
    """
    faults = []
    for one in pairs:
        line = lines[one.band]
        if math.isfinite(line.slope):
            continue
        gone = ", ".join(f"{count:,} {reason}" for reason, count in one.dropped.items())
        reason = line.reason.replace("in x:", "in the other:").replace("in y:", "in the reference:")
        faults.append(f"{where}: band {one.band}: {reason}{f' ({gone} were left out)' if gone else ''}; expected pairs that tell a line")
    return faults


def coefficients(
    lines: Mapping[str, Line], pairs: Sequence[Pairs] = (), *, from_sensor: str = "other", to_sensor: str = "reference"
) -> pd.DataFrame:
    """The table of coefficients: a row for each band.

    Returns
    -------
    DataFrame
        band, slope, intercept, slope_low, slope_high, intercept_low, intercept_high, correlation, count (of pairs), method, from_sensor,
        to_sensor, angle_deg, groups (that were drawn), dropped (pairs that were screened or clipped), intervals (bootstrap or parametric),
        confidence, note. Value as ``to_sensor`` sees it = slope x value of ``from_sensor`` + intercept.
    """
    known = {one.band: one for one in pairs}
    rows = []
    for band, line in lines.items():
        one = known.get(band)
        rows.append(
            {
                "band": band,
                **{name: getattr(line, name) for name in COLUMNS[1:10]},
                "from_sensor": from_sensor,
                "to_sensor": to_sensor,
                "angle_deg": line.angle_deg,
                "groups": 0 if one is None else len(np.unique(one.group)),
                "dropped": line.dropped + (0 if one is None else sum(one.dropped.values())),
                "intervals": line.intervals,
                "confidence": line.confidence,
                "note": "; ".join(part for part in (line.reason, *line.notes) if part),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def inverted(lines: Mapping[str, Line]) -> dict[str, Line]:
    """The lines from reference to other."""
    return {band: line.inverse() for band, line in lines.items()}


def is_coefficients(columns: Sequence[str]) -> bool:
    """Whether a table with these columns is one of coefficients.

    >>> is_coefficients(["band", "slope", "intercept", "count"]), is_coefficients(["blue_other", "blue_reference"])
    (True, False)
    """
    return {"band", "slope", "intercept"} <= set(columns)


def read_lines(table: pd.DataFrame, name: str) -> tuple[dict[str, Line], tuple[str, str]]:
    """Lines and the sensors they go from and to, from a table of coefficients: of this program or any with band, slope, intercept.

    Raises
    ------
    TableError
        A band that is named twice, or a slope or intercept that is no number.
    """
    faults, lines = [], {}
    for number, row in enumerate(table.to_dict("records"), start=1):
        band = str(row["band"])
        values: dict[str, float] = {}
        for key in ("slope", "intercept", "slope_low", "slope_high", "intercept_low", "intercept_high", "correlation"):
            value = pd.to_numeric(row.get(key, math.nan), errors="coerce")
            values[key] = float(value)
            if key in ("slope", "intercept") and not math.isfinite(values[key]):
                faults.append(f"{name}: row {number}: band {band}: found {key} {row[key]!r}; expected a number")
        if band in lines:
            faults.append(f"{name}: row {number}: band {band} a second time; expected each once")
        count = pd.to_numeric(row.get("count", 0), errors="coerce")
        line = Line(str(row.get("method", "given")), values["slope"], values["intercept"], correlation=values["correlation"])
        lines[band] = replace(
            line,
            slope_low=values["slope_low"],
            slope_high=values["slope_high"],
            intercept_low=values["intercept_low"],
            intercept_high=values["intercept_high"],
            count=int(count) if math.isfinite(count) else 0,
        )
    if faults or not lines:
        raise TableError(faults or f"{name}: no row; expected one for each band")
    first = table.iloc[0]
    return lines, (str(first.get("from_sensor", "other")), str(first.get("to_sensor", "reference")))


def swapped(lines: Mapping[str, Line]) -> dict[str, Line]:
    """As :func:`inverted`, for lines that were read: limits of the intercept do not follow from a table, and are missing."""
    return {band: replace(line.inverse(), intercept_low=math.nan, intercept_high=math.nan) for band, line in lines.items()}


def normalise_image(
    sources: Mapping[str, Source],
    lines: Mapping[str, Line],
    folder: Path,
    *,
    tags: Mapping[str, str] | None = None,
    say: Say | None = None,
) -> list[Path]:
    """Bring an image of one sensor to the other: ``folder/BAND.tif`` on the grid of its first band.

    Parameters
    ----------
    sources : mapping of band to Source
        Bands of the image, in the unit in which the lines were fitted.
    lines : mapping of band to Line
    folder : Path
    tags : mapping of str to str, optional
        What else each file says of itself.
    say : callable, optional

    Returns
    -------
    list of Path

    Raises
    ------
    RasterError
        A band without a line, or a file that cannot be read or written. Then nothing is written.
    GridError
        The image has no grid that can be used.
    """
    known = ", ".join(lines)
    missing = [f"{source.path}: band {band}: no line for it; found {known}" for band, source in sources.items() if band not in lines]
    if missing:
        raise RasterError(missing)
    grid = grid_like(next(iter(sources.values())).path)
    faults = check_sources(list(sources.values()), grid)
    if faults:
        raise RasterError(faults)
    layers = {band: open_layer(source, grid) for band, source in sources.items()}
    made = [
        MadeLayer(
            band,
            layer.facts.unit or "1",
            f"{band}, normalised as {lines[band].slope:.9g} x value + {lines[band].intercept:.9g}",
            {"SLOPE": repr(lines[band].slope), "INTERCEPT": repr(lines[band].intercept), **(tags or {})},
        )
        for band, layer in layers.items()
    ]
    parts = windows(grid, 512)
    with making(folder, grid, made) as writers:
        for number, window in enumerate(parts):
            if say is not None:
                say("normalising", number, len(parts))
            for band, layer in layers.items():
                line = lines[band]
                with np.errstate(over="ignore"):
                    values = apply(layer.read(window), line.slope, line.intercept).astype(np.float32)
                writers[band].write(window, np.where(np.isfinite(values), values, np.float32(np.nan)))
    return [folder / f"{band}.tif" for band in layers]
