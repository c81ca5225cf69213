"""Subcommands of soil profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from edaphic.cli.app import app, listening
from edaphic.errors import EdaphicError
from edaphic.profiles import DepthFunction
from edaphic.profiles.property import PAPER_ALONE
from edaphic.verbs import profiles as verbs
from edaphic.verbs.words import read_columns, read_layers

Table = Annotated[
    str,
    typer.Argument(
        metavar="HORIZONS", help="Table of horizons: CSV (also .gz), Parquet, GeoPackage, a database table.", show_default=False
    ),
]
Layers = Annotated[str | None, typer.Option(help="Layers in cm, such as 0-30,30-100.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Table to write: .csv, .csv.gz or .parquet.", show_default=False)]
Sites = Annotated[str | None, typer.Option(help="Table of sites, joined by profile_id.", show_default=False)]
SiteId = Annotated[
    str | None, typer.Option(help="Column of the sites that holds the profile_id, where it has another name.", show_default=False)
]
Crs = Annotated[str | None, typer.Option(help="Coordinate system of x and y.", show_default=False)]
Vocabulary = Annotated[
    str | None, typer.Option(help="Whose names the columns bear: edaphic, wosis, nrcs, israd, gsif, openlandmap.", show_default="found out")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "-c",
        help="ROLE=COLUMN[:UNIT[:BASIS]], or ROLE==VALUE[:UNIT] for a constant; as often as needed. "
        "organic_matter=COLUMN:UNIT:SHARE states its share of carbon.",
        show_default=False,
    ),
]
Ignore = Annotated[list[str] | None, typer.Option(help="Role that is not read although the table has it.", show_default=False)]
Method = Annotated[str, typer.Option(help="spline, weighted (mean of the horizons) or beta.")]
Mode = Annotated[str, typer.Option(help="Of the spline: exact, or paper (as the R package mpspline2; in harmonise without cleaning).")]
Lam = Annotated[float, typer.Option(help="Smoothness of the spline; 0 follows the horizons where a smooth positive curve can.")]
Coverage = Annotated[float, typer.Option(help="Share of a layer that must be observed.")]
Gap = Annotated[float, typer.Option(help="Widest gap between horizons, in cm, that counts as observed.")]
Shift = Annotated[bool, typer.Option("--shift-organic", help="Count depths from the top of organic layers above 0.")]


def given_words(context: typer.Context) -> dict[str, str]:
    """Options that were written on the command line, by parameter: how they are written."""
    words = {}
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and not source.name.startswith("DEFAULT") and parameter.opts[0].startswith("-"):
            words[str(parameter.name)] = parameter.opts[0]
    return words


def unused(given: Mapping[str, str], names: Sequence[str], beside: str, expected: str) -> list[str]:
    """Fault of options that would do nothing, or none."""
    found = [given[name] for name in names if name in given]
    return [f"{beside}: found {', '.join(found)} beside it; expected {expected}"] if found else []


def curve_faults(given: Mapping[str, str], method: str) -> list[str]:
    """Options of the spline beside a method that has no use for them."""
    spline = {"weighted": ("mode", "lam"), "beta": ("mode",)}.get(method, ())
    return unused(given, spline, f"--method {method}", "none: they are of the spline")


def _site_faults(given: Mapping[str, str]) -> list[str]:
    return unused(given, ("site_id",), "no --sites", "--sites as well") if "sites" not in given else []


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise EdaphicError(faults)


@app.command(
    epilog="Example: edaphic harmonise horizons.csv --value clay --layers 0-20,20-100 -c top=upper:cm -c bottom=lower:cm -o out.csv"
)
def harmonise(
    context: typer.Context,
    horizons: Table,
    value: Annotated[str, typer.Option(help="Column of numbers to bring to the layers, in any unit.", show_default=False)],
    layers: Annotated[str, typer.Option(help="Layers in cm, such as 0-20,20-100.", show_default=False)],
    out: Out,
    method: Method = "spline",
    mode: Mode = "exact",
    lam: Lam = 0.1,
    min_coverage: Coverage = 1.0,
    max_gap_cm: Gap = 0.0,
    negative: Annotated[bool, typer.Option("--negative", help="The property may be negative: the spline is not held at zero.")] = False,
    sites: Sites = None,
    site_id: SiteId = None,
    crs: Crs = None,
    vocabulary: Vocabulary = None,
    column: Columns = None,
    ignore: Ignore = None,
    shift_organic: Shift = False,
) -> None:
    """Bring one property of horizons to depth layers."""
    given = given_words(context)
    faults = curve_faults(given, method)
    if method == "spline" and mode == "paper":
        faults += unused(given, ("min_coverage", "max_gap_cm", "shift_organic"), "--mode paper", PAPER_ALONE.removeprefix("expected "))
    _refuse(faults + _site_faults(given))
    with listening() as listener:
        said = verbs.harmonise(
            horizons,
            value,
            read_layers(layers),
            out,
            how=DepthFunction(method, mode, "density", lam, min_coverage, max_gap_cm),
            negative=negative,
            table=verbs.TableWords(sites, crs, vocabulary, read_columns(column or [], site_id), tuple(ignore or ())),
            shift_organic=shift_organic,
            say=listener.step,
        )
    print(*said, sep="\n")


@app.command(
    epilog="Example: edaphic stock horizons.csv --layers 0-30,30-100 -c soc=OC:% -c bulk_density=BD:g/cm3:fine_earth -o stocks.csv"
)
def stock(
    context: typer.Context,
    horizons: Annotated[
        str,
        typer.Argument(
            metavar="HORIZONS", help="Table of horizons, or a recipe (.yaml) whose profiles section says everything.", show_default=False
        ),
    ],
    out: Out,
    layers: Layers = None,
    esm: Annotated[
        str | None,
        typer.Option(
            help="Equivalent soil mass, not fixed depth: a table of reference masses, profile:ID, mean or minimum.", show_default=False
        ),
    ] = None,
    method: Method = "spline",
    mode: Mode = "exact",
    lam: Lam = 0.1,
    min_coverage: Coverage = 1.0,
    max_gap_cm: Gap = 0.0,
    bulk_density: Annotated[
        str, typer.Option(help="Sources of bulk density in their order: measured, reported, pedotransfer, gap_filling.")
    ] = "measured,reported,pedotransfer",
    pedotransfer: Annotated[str, typer.Option(help="Rule that estimates missing bulk density, or best.")] = "manrique_jones_1991",
    missing_fragments: Annotated[
        float | None, typer.Option(help="Coarse fragments (vol%) that are assumed where none are known.", show_default="the table's median")
    ] = None,
    reported: Annotated[bool, typer.Option("--reported", help="Take the stock that the source reports where there is one.")] = False,
    keep_duplicates: Annotated[bool, typer.Option("--keep-duplicates", help="Do not merge profiles that occur twice.")] = False,
    copies_within_source: Annotated[
        bool, typer.Option("--copies-within-source", help="Merge profiles of one table only where they are copies, not just alike.")
    ] = False,
    sites: Sites = None,
    site_id: SiteId = None,
    crs: Crs = None,
    vocabulary: Vocabulary = None,
    column: Columns = None,
    ignore: Ignore = None,
    shift_organic: Shift = False,
) -> None:
    """Stocks of soil organic carbon of profiles, for fixed depths or equivalent soil mass."""
    given = given_words(context)
    if horizons.lower().endswith(verbs.RECIPES):
        rest = [name for name in given if name not in ("out", "layers", "esm")]
        _refuse(unused(given, rest, horizons, "--out, --layers and --esm alone: the recipe says everything else"))
    else:
        sources = [source.strip() for source in bulk_density.split(",")]
        faults = curve_faults(given, method) + _site_faults(given)
        if "pedotransfer" not in sources:
            faults += unused(given, ("pedotransfer",), f"--bulk-density {bulk_density}", "pedotransfer among the sources, or no rule")
        if keep_duplicates:
            faults += unused(given, ("copies_within_source",), "--keep-duplicates", "one of the two")
        _refuse(faults)
    table = verbs.TableWords(sites, crs, vocabulary, read_columns(column or [], site_id), tuple(ignore or ()))
    section = {
        "cleaning": {"shift_organic": shift_organic},
        "duplicates": {"merge": not keep_duplicates, "copies_within_source": copies_within_source},
        "stocks": "reported" if reported else "computed",
        "depth": {"method": method, "mode": mode, "lam": lam, "min_coverage": min_coverage, "max_gap_cm": max_gap_cm},
        "bulk_density": [source.strip() for source in bulk_density.split(",")],
        "pedotransfer": pedotransfer,
        "missing_fragments_vol_pct": missing_fragments,
    }
    with listening() as listener:
        said = verbs.stock(
            horizons, out, layers=None if layers is None else read_layers(layers), section=section, table=table, esm=esm, say=listener.step
        )
    print(*said, sep="\n")
