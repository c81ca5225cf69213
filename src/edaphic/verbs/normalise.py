"""``normalise``: what two sensors saw of the same places in, coefficients that bring one to the other out, on request an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from edaphic.covariates.facts import Source
from edaphic.covariates.sensors import (
    QA_BITS,
    How,
    Line,
    Mask,
    Pairs,
    Screen,
    coefficients,
    faults_of,
    fill_doubts,
    inverted,
    is_coefficients,
    lines_of,
    normalise_image,
    raster_pairs,
    read_lines,
    series_pairs,
    swapped,
    table_pairs,
    thinned,
)
from edaphic.covariates.sensors.bands import band_sources
from edaphic.errors import RasterError, RunError, TableError
from edaphic.files import replacing
from edaphic.progress import Say
from edaphic.report.sensor_figure import Panel, sensor_panels
from edaphic.report.style import png_bytes
from edaphic.verbs.profiles import check_out, write_tables

Bands = Mapping[str, str]

TABLES = (".csv", ".csv.gz", ".parquet")

STEEP = 3.0
"""Slopes beyond this, or below its reciprocal, are no difference of sensors but one of units."""


@dataclass(frozen=True)
class Fitting:
    """How the lines are fitted, and with what limits."""

    how: How = field(default_factory=How)
    screen: Screen = field(default_factory=Screen)
    sample: int = 10_000
    seed: int = 0
    bootstrap: int = 1000


@dataclass(frozen=True)
class RasterWords:
    """What a command says of its rasters: of each pair the first number is for the reference, the second for the other."""

    nodata: tuple[float | None, float | None] = (None, None)
    scale: tuple[float | None, float | None] = (None, None)
    offset: tuple[float | None, float | None] = (None, None)
    saturated: float | str | None = "auto"
    block: int | None = None
    qa: tuple[Path | None, Path | None] = (None, None)
    qa_bits: tuple[int, ...] = QA_BITS


@dataclass(frozen=True)
class TableWords:
    """What a command says of its tables."""

    group: str | None = None
    pixel: str = "pixel"
    date: str = "date"
    days: int = 8


@dataclass(frozen=True)
class Image:
    """An image to be normalised, and the folder that it goes to."""

    path: Path
    folder: Path | None = None


def normalise(
    reference: Path,
    other: Path | None,
    out: Path,
    *,
    bands: Bands | None = None,
    other_bands: Bands | None = None,
    fitting: Fitting | None = None,
    rasters: RasterWords | None = None,
    tables: TableWords | None = None,
    sensors: tuple[str, str] = ("other", "reference"),
    invert: bool = False,
    image: Image | None = None,
    figure: bool = True,
    say: Say = lambda text, done, total: None,
) -> list[str]:
    """Coefficients that bring one sensor to another.

    Parameters
    ----------
    reference : Path
        Raster, folder of rasters of one band, long table; or a table of pairs, or of coefficients, where there is no other.
    other : Path, optional
        What is to be brought to the reference, of the same kind.
    out : Path
        Table of coefficients to write; the figure goes beside it as ``NAME.png``.
    bands, other_bands : mapping of band to word, optional
        Of the reference, and of the other where its bands are called otherwise.
    fitting : Fitting, optional
    rasters : RasterWords, optional
    tables : TableWords, optional
    sensors : (from, to)
        Names of other and reference in the table.
    invert : bool
        The other way: from reference to other.
    image : Image, optional
    figure : bool
    say : callable

    Returns
    -------
    list of str
        What was done, for the screen.
    """
    fitting, rasters, tables = fitting or Fitting(), rasters or RasterWords(), tables or TableWords()
    check_out(out, [reference, other], beside=())
    if image is not None:
        image = Image(image.path, image.folder or out.with_name(f"{_stem(out)}_image"))
    notes: list[str] = []
    given = _given_lines(reference, other)
    pairs: list[Pairs] = []
    if tables.group is not None and (given is not None or not _is_table(reference)):
        found = "a table of coefficients" if given is not None else "rasters, whose groups are blocks (--block)"
        raise RunError(f"--group {tables.group}: found beside {found}; expected tables of pairs, or by pixel and date")
    if given is not None:
        lines, sensors = given
        lines = swapped(lines) if invert else lines
    else:
        pairs, notes = _pairs(reference, other, bands, other_bands, fitting, rasters, tables, say)
        lines = _lines(pairs, fitting, " and ".join(str(path) for path in (reference, other) if path is not None), say)
        lines = inverted(lines) if invert else lines
    start, end = sensors[::-1] if invert else sensors
    unable = [f"--invert: band {band}: {line.reason}; expected a slope" for band, line in lines.items() if not np.isfinite(line.slope)]
    if unable:
        raise TableError(unable)
    table = coefficients(lines, pairs, from_sensor=start, to_sensor=end)
    picture = png_bytes(sensor_panels(_panels(lines, pairs, (start, end), invert))) if figure and pairs else None
    written = _write_image(image, lines, bands if invert or other_bands is None else other_bands, rasters, invert, (start, end), say)
    written += _write(out, table, picture)
    said = [f"{start} to {end}: value as {end} sees it = slope x value of {start} + intercept"]
    said += [_line_text(band, line) for band, line in lines.items()]
    said += [f"note: {note}" for note in [*notes, *_band_notes(lines, pairs, fitting.how.error_ratio)]]
    return said + [f"wrote       {path}" for path in written]


def _given_lines(reference: Path, other: Path | None) -> tuple[dict[str, Line], tuple[str, str]] | None:
    """Lines of a table of coefficients, where there is such a one and nothing else."""
    if other is not None or not _is_table(reference):
        return None
    table = read_table(reference)
    return read_lines(table, str(reference)) if is_coefficients([str(column) for column in table.columns]) else None


def _pairs(
    reference: Path,
    other: Path | None,
    bands: Bands | None,
    other_bands: Bands | None,
    fitting: Fitting,
    rasters: RasterWords,
    tables: TableWords,
    say: Say,
) -> tuple[list[Pairs], list[str]]:
    if other is None:
        if not _is_table(reference):
            raise RunError(f"{reference}: found no second image; expected REFERENCE and OTHER, or a table of pairs")
        pairs = table_pairs(
            read_table(reference),
            _pair_columns(bands, other_bands, reference),
            group=tables.group,
            screen=fitting.screen,
            name=str(reference),
        )
        return [thinned(one, fitting.sample, fitting.seed) for one in pairs], []
    if _is_table(reference) != _is_table(other):
        raise RunError(f"{reference}, {other}: found a table and a raster; expected two of one kind")
    if _is_table(reference):
        pairs = _series(reference, other, bands, other_bands, fitting.screen, tables)
        return [thinned(one, fitting.sample, fitting.seed) for one in pairs], []
    return raster_pairs(
        _matched(reference, other, bands, other_bands, rasters),
        sample=fitting.sample,
        seed=fitting.seed,
        screen=fitting.screen,
        masks=[
            Mask(Source(f"{word} qa", path, kind="class"), bits=rasters.qa_bits)
            for word, path in zip(("reference", "other"), rasters.qa, strict=True)
            if path is not None
        ],
        saturated=rasters.saturated,
        block=rasters.block,
        say=say,
    )


def _pair_columns(bands: Bands | None, other_bands: Bands | None, path: Path) -> dict[str, tuple[str, str]] | None:
    if bands is None:
        return None
    if other_bands is None or set(other_bands) != set(bands):
        raise TableError(
            f"{path}: --bands names columns of the reference; expected --other-bands with the columns of the other, same names"
        )
    return {band: (column, other_bands[band]) for band, column in bands.items()}


def _series(reference: Path, other: Path, bands: Bands | None, other_bands: Bands | None, screen: Screen, words: TableWords) -> list[Pairs]:
    """Two long tables, their columns called as the bands are."""
    one, two = read_table(reference), read_table(other)
    if bands is None:
        keys = {words.pixel, words.date, words.group}
        shared = [
            str(name) for name in one.columns if name in two.columns and name not in keys and pd.api.types.is_numeric_dtype(one[name])
        ]
        bands = {name: name for name in shared}
        if not bands:
            raise TableError(f"{reference}, {other}: found no column of numbers that both have; expected the bands, or --bands")
    two_bands = bands if other_bands is None else other_bands
    _same_names(bands, two_bands)
    renamed = []
    for table, columns, path in ((one, bands, reference), (two, two_bands, other)):
        missing = [column for column in columns.values() if column not in table.columns]
        if missing:
            raise TableError(f"{path}: no column {', '.join(missing)}; found {', '.join(map(str, table.columns))}")
        keys_kept = {key: table[key] for key in (words.pixel, words.date, words.group) if key is not None and key in table.columns}
        renamed.append(pd.DataFrame(keys_kept | {band: table[column] for band, column in columns.items()}))
    return series_pairs(
        renamed[0],
        renamed[1],
        list(bands),
        pixel=words.pixel,
        date=words.date,
        max_days=words.days,
        group=words.group,
        screen=screen,
        names=(str(reference), str(other)),
    )


def _matched(
    reference: Path, other: Path, bands: Bands | None, other_bands: Bands | None, words: RasterWords
) -> dict[str, tuple[Source, Source]]:
    """Bands of both rasters by name; by their order where none are named."""
    one, two = (
        band_sources(path, wanted, role=role, nodata=words.nodata[k], scale=words.scale[k], offset=words.offset[k])
        for k, (path, wanted, role) in enumerate(
            ((reference, bands, "reference"), (other, bands if other_bands is None else other_bands, "other"))
        )
    )
    if bands is not None or other_bands is not None:
        _same_names(bands or one, other_bands or two)
        return {band: (one[band], two[band]) for band in one}
    if len(one) != len(two):
        raise RasterError(f"{reference} has {_count(len(one))}, {other} {_count(len(two))}; expected as many in the same order, or --bands")
    return {band: (source, two_source) for (band, source), two_source in zip(one.items(), two.values(), strict=True)}


def _count(bands: int) -> str:
    return f"{bands} band" if bands == 1 else f"{bands} bands"


def _same_names(bands: Mapping[str, object], other_bands: Mapping[str, object]) -> None:
    apart = sorted(set(bands) ^ set(other_bands))
    if apart:
        raise RunError(f"--bands, --other-bands: found {', '.join(apart)} in one of them only; expected the same bands in both")


def _lines(pairs: Sequence[Pairs], fitting: Fitting, where: str, say: Say) -> dict[str, Line]:
    say("fitting lines", 0, 1)
    lines = lines_of(pairs, fitting.how, samples=fitting.bootstrap, seed=fitting.seed)
    faults = faults_of(lines, pairs, where)
    if faults:
        raise TableError(faults)
    return lines


def _panels(lines: Mapping[str, Line], pairs: Sequence[Pairs], sensors: tuple[str, str], invert: bool) -> list[Panel]:
    return [
        Panel(
            one.band,
            one.y if invert else one.x,
            one.x if invert else one.y,
            lines[one.band].slope,
            lines[one.band].intercept,
            lines[one.band].correlation,
            *sensors,
        )
        for one in pairs
    ]


def _write_image(
    image: Image | None,
    lines: Mapping[str, Line],
    bands: Bands | None,
    words: RasterWords,
    invert: bool,
    sensors: tuple[str, str],
    say: Say,
) -> list[Path]:
    if image is None:
        return []
    assert image.folder is not None
    k = 0 if invert else 1
    sources = band_sources(image.path, bands, role="image", nodata=words.nodata[k], scale=words.scale[k], offset=words.offset[k])
    if bands is None:
        if len(sources) != len(lines):
            raise RasterError(
                f"{image.path} has {_count(len(sources))} for {len(lines)} lines; expected as many in the same order, or --bands"
            )
        sources = dict(zip(lines, sources.values(), strict=True))
    if image.folder.resolve() == (image.path if image.path.is_dir() else image.path.parent).resolve():
        raise RunError(f"--image-out {image.folder}: found the folder of the image; expected another")
    return normalise_image(sources, lines, image.folder, tags={"FROM_SENSOR": sensors[0], "TO_SENSOR": sensors[1]}, say=say)


def _write(out: Path, table: pd.DataFrame, picture: bytes | None) -> list[Path]:
    if picture is None:
        return write_tables(out, table, {})
    path = out.with_name(f"{_stem(out)}.png")
    with replacing(path) as beside:
        beside[path].write_bytes(picture)
        written = write_tables(out, table, {})
    return [*written, path]


def _line_text(band: str, line: Line) -> str:
    def with_limits(value: float, low: float, high: float) -> str:
        return f"{value:.5g} [{low:.5g}, {high:.5g}]" if np.isfinite(low) else f"{value:.5g}"

    return (
        f"{band:<11} slope {with_limits(line.slope, line.slope_low, line.slope_high)}, "
        f"intercept {with_limits(line.intercept, line.intercept_low, line.intercept_high)}, r {line.correlation:.3f}, {line.count:,} pairs"
    )


def _band_notes(lines: Mapping[str, Line], pairs: Sequence[Pairs], error_ratio: float) -> list[str]:
    notes = []
    for one in pairs:
        gone = ", ".join(f"{count:,} {reason}" for reason, count in one.dropped.items())
        notes += [f"{one.band}: {one.seen:,} pairs seen, left out: {gone}"] if gone else []
    notes += [f"{doubt} See --nodata, --saturated, --valid" for doubt in fill_doubts(pairs)]
    whole = max((one.seen - sum(one.dropped.values()) for one in pairs), default=0)
    drawn = max((len(one.x) for one in pairs), default=0)
    if drawn < whole:
        notes.append(f"{drawn:,} pairs of a band were drawn at random of {whole:,} (--sample)")
    bootstrapped = any(line.intervals == "bootstrap" for line in lines.values())
    if pairs and bootstrapped:
        groups = min(len(np.unique(one.group)) for one in pairs)
        notes.append(f"limits by drawing groups of pairs, each a {pairs[0].grouped_by}: {groups:,} groups or more")
        if pairs[0].grouped_by == "pair":
            notes.append("each pair counts as independent of the others; name a --group (date, scene, site) where it is not")
    elif pairs and any(line.intervals == "parametric" for line in lines.values()):
        notes.append("limits by formula, as if all pairs were independent: of pixels they are too narrow")
    strange = [band for band, line in lines.items() if pairs and line.method == "ma" and not 1 / STEEP < abs(line.slope) < STEEP]
    if strange and error_ratio == 1.0:
        notes.append(
            f"{', '.join(strange)}: a slope far from 1: the numbers seem to be in different units, while the major axis takes errors "
            "to be alike in both; expected one unit (--scale, --offset), another --error-ratio, or --method sma"
        )
    said = [(band, text) for band, line in lines.items() for text in (line.reason, *line.notes) if text]
    for text in dict.fromkeys(text for _, text in said):
        notes.append(f"{', '.join(band for band, other in said if other == text)}: {text}")
    return notes


def _is_table(path: Path) -> bool:
    return path.name.lower().endswith(TABLES)


def _stem(out: Path) -> str:
    return out.name[: -len(next(ending for ending in TABLES if out.name.lower().endswith(ending)))]


def read_table(path: Path) -> pd.DataFrame:
    """A table of pairs, of a time series, or of coefficients."""
    if not path.is_file():
        raise TableError(f"{path}: no such file; expected a table")
    try:
        table = pd.read_parquet(path) if path.name.lower().endswith(".parquet") else pd.read_csv(path)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a table with a row of names") from error
    if not len(table):
        raise TableError(f"{path}: found no row; expected a table of pairs")
    return table
