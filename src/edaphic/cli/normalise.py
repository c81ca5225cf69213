"""Subcommand of sensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edaphic.cli.app import app, listening
from edaphic.covariates.sensors import QA_BITS, How, Screen
from edaphic.errors import EdaphicError, RunError
from edaphic.verbs import normalise as verbs


def read_bands(option: str, words: str | None) -> dict[str, str] | None:
    """Bands by name.

    >>> read_bands("--bands", "blue=1, red=*_B3.TIF")
    {'blue': '1', 'red': '*_B3.TIF'}
    """
    if words is None:
        return None
    found: dict[str, str] = {}
    for part in words.split(","):
        name, is_there, word = (piece.strip() for piece in part.partition("="))
        if not is_there or not name or not word or name in found:
            raise RunError(f"{option}: found {part.strip()!r}; expected NAME=BAND for each, such as blue=1,green=2, each name once")
        if not name.replace("_", "").replace("-", "").isalnum():
            raise RunError(f"{option}: found the name {name!r}; expected letters, digits, - and _")
        found[name] = word
    return found


def read_numbers(option: str, words: str | None, most: int = 2) -> tuple[float | None, ...]:
    """One number for all, or one for each.

    >>> read_numbers("--scale", "0.0001"), read_numbers("--scale", "1,0.5"), read_numbers("--scale", None)
    ((0.0001, 0.0001), (1.0, 0.5), (None, None))
    """
    if words is None:
        return (None,) * most
    try:
        numbers = [float(word) for word in words.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, most):
        raise RunError(f"{option}: found {words!r}; expected a number, or {most} with a comma between them")
    return tuple(numbers * most if len(numbers) == 1 else numbers)


def _saturated(words: str) -> float | str | None:
    if words in ("auto", "none"):
        return "auto" if words == "auto" else None
    return read_numbers("--saturated", words, 1)[0]


def _valid(words: str | None) -> tuple[float | None, float | None]:
    if words is None:
        return None, None
    if words.count(",") != 1:
        raise RunError(f"--valid: found {words!r}; expected two numbers, such as 0,1")
    low, high = read_numbers("--valid", words)
    return low, high


def _bits(words: str) -> tuple[int, ...]:
    parts = [word.strip() for word in words.split(",") if word.strip()]
    if not all(part.isascii() and part.isdigit() and int(part) < 24 for part in parts):
        raise RunError(f"--qa-bits: found {words!r}; expected bits from 0 to 23, such as 0,3,4")
    return tuple(int(part) for part in parts)


def _checked(option: str, least: int, number: int | None) -> None:
    if number is not None and number < least:
        raise RunError(f"{option}: found {number}; expected {least} or more")


@app.command(epilog="Example: edaphic normalise etm.tif tm.tif --bands blue=1,green=2,red=3,nir=4 --from TM --to ETM+ -o tm_to_etm.csv")
def normalise(
    reference: Annotated[
        Path,
        typer.Argument(
            help="Raster, folder of rasters, or table by pixel and date; or, alone, a table of pairs or of coefficients.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Table to write: .csv or .parquet; a figure goes beside it.", show_default=False)
    ],
    other: Annotated[Path | None, typer.Argument(help="What is to be brought to the reference.", show_default=False)] = None,
    bands: Annotated[
        str | None, typer.Option(help="NAME=BAND,...: number, file name, pattern or column.", show_default="all in their order")
    ] = None,
    other_bands: Annotated[str | None, typer.Option(help="The same of the other, where it differs.", show_default=False)] = None,
    method: Annotated[str, typer.Option(help="ma (major axis), sma (standard major axis), rma (ranged) or ols (least squares).")] = "ma",
    error_ratio: Annotated[float, typer.Option(help="Of ma: variance of errors of the reference over that of the other.")] = 1.0,
    clip: Annotated[
        float | None, typer.Option(help="Leave out pairs farther from the line than so many standard deviations.", show_default="none")
    ] = None,
    sample: Annotated[int, typer.Option(help="Most pairs of a band, drawn at random.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    bootstrap: Annotated[int, typer.Option(help="Bootstrap samples; 0 for limits by formula.")] = 1000,
    confidence: Annotated[float, typer.Option(help="Of the limits.")] = 0.95,
    valid: Annotated[str | None, typer.Option(help="LOW,HIGH: values beyond do not count.", show_default=False)] = None,
    max_difference: Annotated[
        float | None, typer.Option(help="Leave out pairs that differ by more in any band: the place has changed.", show_default=False)
    ] = None,
    saturated: Annotated[str, typer.Option(help="Number of saturated cells in rasters; auto: 255 of 8, 65535 of 16 bits; none.")] = "auto",
    nodata: Annotated[
        str | None, typer.Option(help="Number that is no value: one, or REFERENCE,OTHER.", show_default="of the file")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="One, or REFERENCE,OTHER.", show_default="of the file")] = None,
    offset: Annotated[str | None, typer.Option(help="One, or REFERENCE,OTHER.", show_default="of the file")] = None,
    qa_reference: Annotated[Path | None, typer.Option(help="QA_PIXEL raster of the reference.", show_default=False)] = None,
    qa_other: Annotated[Path | None, typer.Option(help="QA_PIXEL raster of the other.", show_default=False)] = None,
    qa_bits: Annotated[str, typer.Option(help="Bits that rule a cell out.")] = ",".join(map(str, QA_BITS)),
    block: Annotated[
        int | None, typer.Option(help="Cells along a block; blocks are drawn, not cells.", show_default="about 100 blocks")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column of tables: rows that belong together.", show_default="pair of dates, of two tables")
    ] = None,
    pixel: Annotated[str, typer.Option(help="Column of two tables.")] = "pixel",
    date: Annotated[str, typer.Option(help="Column of two tables.")] = "date",
    days: Annotated[int, typer.Option(help="Most days between the two of a pair, of two tables.")] = 8,
    from_sensor: Annotated[str, typer.Option("--from", help="Name of the other in the table.")] = "other",
    to_sensor: Annotated[str, typer.Option("--to", help="Name of the reference in the table.")] = "reference",
    invert: Annotated[bool, typer.Option("--invert", help="From the reference to the other.")] = False,
    apply: Annotated[Path | None, typer.Option(help="Image to normalise, a raster or folder like the other.", show_default=False)] = None,
    image_out: Annotated[Path | None, typer.Option(help="Folder for the image.", show_default="NAME_image")] = None,
    no_figure: Annotated[bool, typer.Option("--no-figure", help="No figure.")] = False,
) -> None:
    """Coefficients that bring one sensor to another, by major axes of what both saw."""
    for option, least, number in (("--sample", 3, sample), ("--bootstrap", 0, bootstrap), ("--days", 0, days), ("--block", 1, block)):
        _checked(option, least, number)
    _checked("--seed", 0, seed)
    if image_out is not None and apply is None:
        raise RunError("--image-out: found without --apply; expected both")
    low, high = _valid(valid)
    try:
        chosen: Any = method
        how = How(chosen, error_ratio=error_ratio, confidence=confidence, clip=clip)
        screen = Screen(low, high, max_difference)
    except ValueError as error:
        raise EdaphicError(f"normalise: {error}") from error
    pairs_of_two: dict[str, Any] = {
        word: read_numbers(f"--{word}", given) for word, given in (("nodata", nodata), ("scale", scale), ("offset", offset))
    }
    with listening() as listener:
        said = verbs.normalise(
            reference,
            other,
            out,
            bands=read_bands("--bands", bands),
            other_bands=read_bands("--other-bands", other_bands),
            fitting=verbs.Fitting(how, screen, sample, seed, bootstrap),
            rasters=verbs.RasterWords(
                **pairs_of_two, saturated=_saturated(saturated), block=block, qa=(qa_reference, qa_other), qa_bits=_bits(qa_bits)
            ),
            tables=verbs.TableWords(group, pixel, date, days),
            sensors=(from_sensor, to_sensor),
            invert=invert,
            image=None if apply is None else verbs.Image(apply, image_out),
            figure=not no_figure,
            say=listener.step,
        )
    print(*said, sep="\n")
