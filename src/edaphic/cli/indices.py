"""Subcommand of spectral indices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edaphic.cli.app import app, listening
from edaphic.covariates.spectra.bands import SENSORS
from edaphic.covariates.spectra.coefficients import BandLines
from edaphic.covariates.spectra.composing import BareSoil
from edaphic.covariates.spectra.finding import read_coefficients
from edaphic.covariates.spectra.periods import read_months, read_period
from edaphic.covariates.spectra.quality import DEFAULT_MASK
from edaphic.covariates.spectra.scaling import Told
from edaphic.covariates.spectra.scenes import Words, read_bands
from edaphic.errors import RasterError, RunError
from edaphic.verbs import indices as verbs


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _coefficients(words: list[str]) -> dict[str, BandLines]:
    found: dict[str, BandLines] = {}
    for word in words:
        sensor, is_there, path = word.partition("=")
        if not is_there or not path or sensor not in SENSORS or sensor in found:
            raise RasterError(f"--normalise: found {word!r}; expected SENSOR=TABLE, with a sensor of {', '.join(SENSORS)}, each once")
        found[sensor] = read_coefficients(Path(path))
    return found


def _bare_soil(text: str | None) -> BareSoil | None:
    if text is None or text == "default":
        return None if text is None else BareSoil()
    try:
        limits = [float(word) for word in text.split(",")]
    except ValueError:
        limits = []
    if len(limits) not in (3, 4):
        raise RasterError(f"--bare-soil: found {text!r}; expected default, or three or four numbers such as -0.05,0.3,0.15,0.4")
    return BareSoil(*limits)


def _stacking(
    statistic: str | None,
    period: str | None,
    months: str | None,
    bands: str | None,
    least: int,
    bare_soil: str | None,
    first: str,
    memory: float,
) -> verbs.Stacking | None:
    if statistic is None:
        given = {"--period": period, "--months": months, "--band-composites": bands, "--bare-soil": bare_soil}
        alone = [option for option, value in given.items() if value is not None]
        alone += ["--min-count"] * (least != 1) + ["--first"] * (first != "indices")
        if alone:
            raise RasterError(f"{alone[0]}: found without --statistic; expected both, to make a composite")
        return None
    return verbs.Stacking(
        _words(statistic),
        tuple(read_period(word) for word in _words(period)),
        () if months is None else read_months(months),
        _words(bands),
        least,
        _bare_soil(bare_soil),
        first,  # type: ignore[arg-type]
        memory,
    )


@app.command(
    epilog="Example: edaphic indices LC08_L2SP_218074_20190114_20200829_02_T1 --indices ndvi,bsi -o indices",
)
def indices(
    scene: Annotated[
        Path,
        typer.Argument(
            metavar="SCENE",
            help="A raster of several bands, a folder with the files of scenes, or a table of scenes (.csv).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write INDEX.tif into.", show_default=False)],
    bands: Annotated[
        str | None,
        typer.Option(help="ROLE=NUMBER in a raster or ROLE=FILE[:NUMBER] in a folder, such as blue=1,red=3,nir=4.", show_default=False),
    ] = None,
    sensor: Annotated[str, typer.Option(help="tm (Landsat 4, 5), etm (7), oli (8, 9) or msi (Sentinel-2).", show_default="by names")] = "",
    names: Annotated[str | None, typer.Option("--indices", help="Such as ndvi,bsi; or all.", show_default="ndvi,bsi,evi,savi,lswi")] = None,
    level: Annotated[
        str,
        typer.Option(
            help="Of the numbers: auto, l2 (surface reflectance product), l1 (top of atmosphere), dn (as they are) or reflectance."
        ),
    ] = "auto",
    scale: Annotated[float | None, typer.Option(help="Reflectance = number x scale + offset.", show_default=False)] = None,
    offset: Annotated[float | None, typer.Option(help="See --scale.", show_default=False)] = None,
    keep_outside: Annotated[bool, typer.Option("--keep-outside", help="Keep Landsat surface reflectance below 0 and above 1.")] = False,
    qa: Annotated[
        str, typer.Option(help="Raster of quality, in place of the one that stands beside the bands.", show_default="by names")
    ] = "",
    qa_scheme: Annotated[
        str, typer.Option(help="qa_pixel, bqa, pixel_qa, scl, qa60, fmask, or mask (1 is left out).", show_default="by names")
    ] = "",
    mask: Annotated[str, typer.Option(help="Conditions that are left out; none for nothing.")] = ",".join(DEFAULT_MASK),
    printed: Annotated[bool, typer.Option("--printed", help="SAVI as the first paper prints it, 2.25 times smaller.")] = False,
    like: Annotated[Path | None, typer.Option(help="Raster whose grid is taken.", show_default="the scene's own")] = None,
    statistic: Annotated[
        str | None,
        typer.Option(
            help="Makes a composite of many scenes: median, mean, min, max, p10, max_ndvi; several with commas.", show_default=False
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            help="Years (2000-2005, both within) or days (2000-03-01/2000-05-31); several with commas.", show_default="all scenes"
        ),
    ] = None,
    months: Annotated[str | None, typer.Option(help="Months that count, such as 5-9 or 11-2.", show_default="all")] = None,
    band_composites: Annotated[
        str | None, typer.Option(help="Bands of which composites are made themselves, such as red,nir.", show_default=False)
    ] = None,
    min_count: Annotated[int, typer.Option(help="Fewest observations from which a cell gets a value.")] = 1,
    bare_soil: Annotated[
        str | None,
        typer.Option(
            help="Only observations of bare soil: default, or NDVI_LOW,NDVI_HIGH,NBR2_HIGH[,NDSII_HIGH] such as -0.05,0.3,0.15.",
            show_default=False,
        ),
    ] = None,
    first: Annotated[str, typer.Option(help="indices (statistic of indices) or bands (index of statistics).")] = "indices",
    normalise: Annotated[
        list[str] | None,
        typer.Option(help="SENSOR=TABLE: CSV with band, slope, intercept that bring its bands to another sensor.", show_default=False),
    ] = None,
    memory: Annotated[float, typer.Option(help="Memory for a composite's windows, in MB.")] = 512.0,
    compress: Annotated[str, typer.Option(help="deflate (cloud-optimised) or none (faster).")] = "deflate",
) -> None:
    """Spectral indices of a scene, or composites of many scenes."""
    told = Told(scale, offset, level, keep_outside)  # type: ignore[arg-type]
    words = Words(None if bands is None else read_bands(bands), sensor, told, qa, qa_scheme)
    wanted = verbs.Wanted(_words(names), printed, () if mask == "none" else _words(mask), _coefficients(normalise or []))
    if compress not in ("deflate", "none"):
        raise RunError(f"--compress {compress}; expected deflate or none")
    how: dict[str, Any] = {"words": words, "wanted": wanted, "like": like, "compress": compress}
    stack = _stacking(statistic, period, months, band_composites, min_count, bare_soil, first, memory)
    with listening() as listener:
        if stack is None:
            said = verbs.indices(scene, out, **how, say=listener.step)
        else:
            said = verbs.composites(scene, out, **how, stack=stack, say=listener.step)
    print(*said, sep="\n")
