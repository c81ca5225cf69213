"""``compare``: our map and other products in, tables, maps and figures of how they agree out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from edaphic.account.maps import Layer, layer_name
from edaphic.account.products.agreement import LABEL
from edaphic.account.products.comparing import Compared, compare_products
from edaphic.account.products.opening import OpenProduct, Period, Product, common_grid, open_product, shared_inputs
from edaphic.account.products.published import beside_published, read_published
from edaphic.account.products.support import GLOBAL_BETA, METHODS, Method
from edaphic.account.totals import ClassLayer
from edaphic.covariates.facts import Source
from edaphic.covariates.grid import Window, cells_of
from edaphic.covariates.legends import read_legend
from edaphic.covariates.sources import open_layer
from edaphic.errors import EdaphicError, RasterError, RunError
from edaphic.files import write_text
from edaphic.mapping.info import Colours, MapInfo
from edaphic.mapping.write import BandWriter, publish
from edaphic.progress import Say
from edaphic.report.product_page import comparison_page
from edaphic.report.product_pictures import product_pictures, slug
from edaphic.validate.independent import overlap, score_at_points
from edaphic.verbs.compare_inputs import read_point_sets, read_products

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class CompareOptions:
    """How products are compared; see ``edaphic compare --help``."""

    layers: tuple[Layer, ...] = ()
    grid: str = "ours"
    support: str = "auto"
    beta: float = GLOBAL_BETA
    classes: str | None = None
    legend: Path | None = None
    points: tuple[str, ...] = ()
    published: Path | None = None
    inputs: tuple[str, ...] = ()
    draws: int = 1000
    seed: int = 1


@dataclass(frozen=True, eq=False)
class _Job:
    """One layer and period that is compared."""

    layer: Layer
    period: Period | None
    products: tuple[OpenProduct, ...]
    shared: Mapping[str, str]

    @property
    def when(self) -> str:
        if self.period is None:
            return ""
        first, last = self.period
        return f"{first}" if first == last else f"{first}-{last}"

    @property
    def stem(self) -> str:
        """Ending of the names of its files."""
        return f"{self.layer[0]:g}-{self.layer[1]:g}cm" + (f"_{self.when}" if self.when else "")


@dataclass(eq=False)
class _Results:
    """Tables of all jobs."""

    found: list[tuple[_Job, Compared]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self, name: str) -> pd.DataFrame:
        tables: list[pd.DataFrame] = [getattr(compared, name) for _, compared in self.found]
        return pd.concat(tables, ignore_index=True)


def compare(ours: str, others: Sequence[str], out: Path, *, options: CompareOptions | None = None, say: Say) -> list[str]:
    """Compare our map with other products.

    Parameters
    ----------
    ours : str
        ``[NAME=]PATH[:LAYER][:UNIT][:PERIOD]``, a folder of a run, or a table of layers.
    others : sequence of str
        The same; words of one NAME are layers of one product.
    out : Path
        Folder; made if it is missing, its other files stay.
    options : CompareOptions, optional
    say : callable

    Returns
    -------
    list of str
        What was found, for the screen.

    Raises
    ------
    EdaphicError
        What cannot be used; nothing is written then.
    """
    options = options or CompareOptions()
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: found a file; expected a folder")
    faults = _option_faults(options, out)
    if faults:
        raise EdaphicError(faults)
    told = read_products(ours, others, options.inputs)
    _check_names(told.products)
    grid, of = common_grid(told.products, options.grid)
    notes = [*told.notes, f"compared on the cells of {of}: {grid.height} x {grid.width}"]
    jobs, said = _jobs(told.products, told.inputs, grid, options)
    notes += said
    classes = _classes(options, grid)
    published = None if options.published is None else read_published(options.published)
    points, said = read_point_sets(options.points)
    notes += [*said, *_seen_in_training(Path(ours), points)]
    partial = out / ".compare"
    made = not out.exists()
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "maps").mkdir(parents=True)
        (partial / "figures").mkdir()
        results = _run(jobs, grid, classes, points, partial, say)
        results.notes[:0] = notes
        lines = _write(results, grid, points, published, partial, options)
        _move(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if made and out.exists() and not any(out.iterdir()):
            out.rmdir()
    for note in dict.fromkeys(results.notes):
        say(f"note: {note}", 0, 0)
    return [*lines, f"wrote       {out} ({LABEL})"]


def _seen_in_training(run: Path, points: pd.DataFrame) -> list[str]:
    """Notes on points that our model has seen, where our map is the folder of a run."""
    path = run / "profiles" / "layers.parquet"
    if not path.is_file() or not len(points):
        return []
    train = pd.read_parquet(path)
    out = []
    for name, own in points.groupby("set", sort=False):
        seen, total = len(overlap(train, own)), own["profile_id"].nunique()
        if seen:
            out.append(f"points {name}: {seen} of {total} profiles lie where the run has training profiles: no independent test of our map")
    return out


def _check_names(products: Sequence[Product]) -> None:
    """Names of products become names of files: two must not meet there."""
    seen: dict[str, str] = {}
    faults = []
    for product in products:
        other = seen.setdefault(slug(product.name).casefold(), product.name)
        if other != product.name:
            faults.append(f"{product.name} and {other}: their files would have the same names; expected another name, NAME=PATH")
    if faults:
        raise RasterError(faults)


def _option_faults(options: CompareOptions, out: Path) -> list[str]:
    faults = [f"-o {out}: the folder of a run; expected another one"] if (out / "run.json").is_file() else []
    if options.support not in METHODS:
        faults.append(f"--support {options.support}; expected one of {', '.join(METHODS)}")
    if options.grid not in ("ours", "coarsest"):
        faults.append(f"--grid {options.grid}; expected ours or coarsest")
    if not (np.isfinite(options.beta) and 0.0 < options.beta < 1.0):
        faults.append(f"--beta {options.beta:g}; expected a number between 0 and 1, such as {GLOBAL_BETA:g}")
    if options.draws < 1:
        faults.append(f"--draws {options.draws}; expected at least 1")
    if options.legend is not None and options.classes is None:
        faults.append(f"--legend {options.legend}: changes nothing; expected --classes as well")
    if len(set(options.layers)) < len(options.layers):
        faults.append("--layer: one layer twice; expected each once")
    return faults


# What is to be compared --------------------------------------------------------------------------------------------------


def _jobs(
    products: Sequence[Product], inputs: Sequence[str], grid: GeoBox, options: CompareOptions
) -> tuple[list[_Job], list[str]]:
    """A job for each layer and period of ours; products that do not reach over a layer are left out of it where others are compared."""
    ours, *others = products
    layers = options.layers or tuple(sorted({one.layer for one in ours.layers}, key=lambda layer: (layer[1], -layer[0])))
    jobs: list[_Job] = []
    notes: list[str] = []
    faults: list[str] = []
    compared: set[str] = set()
    lost: dict[str, list[str]] = {}
    for layer in layers:
        for period in ours.periods:
            try:
                own = _open(ours, grid, layer, period, options)
            except EdaphicError as error:
                faults += error.faults
                continue
            opened, shared = [], {}
            for product in others:
                for label, years in _matched(product, period):
                    try:
                        beside = _open(product, grid, layer, years, options)
                    except EdaphicError as error:
                        lost.setdefault(product.name, []).extend(error.faults)
                        continue
                    opened.append(replace(beside, name=label))
                    shared[label] = shared_inputs(product, inputs)
                    compared.add(product.name)
            if opened:
                jobs.append(_Job(layer, period, (own, *opened), shared))
    for name, said in lost.items():
        (notes if name in compared else faults).extend(f"{fault}; left out there" if name in compared else fault for fault in said)
    for product in others:
        if product.name not in compared and product.name not in lost and not faults:
            known = ", ".join(f"{own[0]}-{own[1]}" for own in product.periods if own)
            faults.append(f"{product.name}: its years {known} overlap with no period of {ours.name}; expected some that do")
        if product.note:
            notes.append(f"{product.name}: {product.note}")
    if faults:
        raise RasterError(dict.fromkeys(faults))
    return jobs, notes


def _open(product: Product, grid: GeoBox, layer: Layer, period: Period | None, options: CompareOptions) -> OpenProduct:
    method: Method = next(name for name in METHODS if name == options.support)
    return open_product(product, grid, layer, period=period, method=method, beta=options.beta)


def _matched(product: Product, period: Period | None) -> list[tuple[str, Period | None]]:
    """Names and periods of a product that stand beside a period of ours: the one that overlaps it most; without ours all of them."""
    known = [own for own in product.periods if own is not None]
    if not known:
        return [(product.name, None)]
    if period is None:
        if len(known) == 1:
            return [(product.name, known[0])]
        return [(f"{product.name} {first}" + (f"-{last}" if last != first else ""), (first, last)) for first, last in known]
    shared = [(min(last, period[1]) - max(first, period[0]), (first, last)) for first, last in known]
    most, best = max(shared, key=lambda one: one[0])
    return [(product.name, best)] if most >= 0 else []


def _classes(options: CompareOptions, grid: GeoBox) -> list[ClassLayer]:
    if options.classes is None:
        return []
    path = Path(options.classes)
    legend = {} if options.legend is None else read_legend(options.legend)
    opened = open_layer(Source(path.stem, options.classes, kind="class", classes=legend or None), grid)
    return [ClassLayer(path.stem, opened.read, dict(opened.facts.classes))]


# The work ----------------------------------------------------------------------------------------------------------------


def _run(
    jobs: Sequence[_Job], grid: GeoBox, classes: Sequence[ClassLayer], points: pd.DataFrame, partial: Path, say: Say
) -> _Results:
    results = _Results()
    cells = cells_of(grid, points["lon"].to_numpy(), points["lat"].to_numpy())
    for done, job in enumerate(jobs):
        say(f"comparing {layer_name(job.layer)} {job.when}".strip(), done, len(jobs))
        found = _compare(job, grid, classes, cells, partial)
        results.found.append((job, found))
        results.notes += found.notes
    return results


def _compare(
    job: _Job, grid: GeoBox, classes: Sequence[ClassLayer], cells: tuple[Rows, Rows], partial: Path
) -> Compared:
    """Compare one layer; its maps are written as they come, and finished."""
    infos = _infos(job)
    files = {key: partial / f"{info.name}.work" for key, info in infos.items()}
    with ExitStack() as stack:
        writers = {key: stack.enter_context(BandWriter(path, grid)) for key, path in files.items()}

        def sink(window: Window, maps: Mapping[str, NDArray[np.float64]]) -> None:
            for key, values in maps.items():
                writers[key].write(window, values)

        ours, *others = job.products
        found = compare_products(
            ours, others, grid, job.layer, period=job.when, classes=classes, cells=cells, shared=job.shared, sink=sink
        )
    for key, info in infos.items():
        publish(files[key], partial / "maps" / f"{info.name}.tif", info, grid)
    return found


def _infos(job: _Job) -> dict[str, MapInfo]:
    """What is said of each map of a job, by the key under which it comes."""
    names = [product.name for product in job.products]
    layer = layer_name(job.layer)
    tags = {"EDAPHIC_LAYER_CM": layer.removesuffix(" cm"), "EDAPHIC_PRODUCTS": ", ".join(names), "EDAPHIC_LABEL": LABEL}
    tags |= {"EDAPHIC_PERIOD": job.when} if job.when else {}

    def info(stem: str, title: str, unit: str, text: str, colours: Colours, limits: tuple[float, float] | None = None) -> MapInfo:
        return MapInfo(f"{stem}_{job.stem}", f"{title}, {layer}", unit, text, tags, job.period, colours, limits)

    cv = "Standard deviation across products (divisor n - 1) over their mean, where two products or more have a value."
    out = {
        "cv": info("cv", "coefficient of variation across products", "%", cv, "uncertainty"),
        "count": info("count", "products with a value", "1", "Products that the coefficient of variation rests on.", "sequential"),
    }
    for name in names[1:]:
        text = f"({names[0]} - {name}) / {names[0]} x 100."
        out[f"relative_difference {name}"] = info(
            f"relative_difference_{slug(name)}", f"relative difference to {name}", "%", text, "sequential", (-100.0, 100.0)
        )
    return out


# What is written ---------------------------------------------------------------------------------------------------------


def _write(
    results: _Results,
    grid: GeoBox,
    points: pd.DataFrame,
    published: pd.DataFrame | None,
    partial: Path,
    options: CompareOptions,
) -> list[str]:
    """Tables, figures and page in the folder; what is said on the screen."""
    tables = {name: results.table(name) for name in ("comparison", "pairs", "cv", "taylor", "totals")}
    if published is not None:
        tables["published"], said = beside_published(tables["totals"], published)
        results.notes += said
    if len(points):
        tables |= _scores(results, points, options)
    for name, table in tables.items():
        table.to_csv(partial / f"{name}.csv", index=False, lineterminator="\n")
    notes = list(dict.fromkeys(results.notes))
    write_text(partial / "notes.txt", "".join(f"{note}\n" for note in notes))
    samples = {job.stem: dict(found.samples) for job, found in results.found}
    pictures = product_pictures(tables, samples, partial / "maps")
    for picture in pictures:
        (partial / "figures" / picture.name).write_bytes(picture.png)
    write_text(partial / "comparison.html", comparison_page(tables, pictures, notes))
    return [_line(row) for row in tables["comparison"].to_dict("records")]


def _line(row: Mapping[object, object]) -> str:
    when = f" {row['period']}" if row["period"] else ""
    means = f"{row['mean_ours_kg_m2']:.3g} beside {row['mean_theirs_kg_m2']:.3g} kg/m2"
    return (
        f"{row['name']} {row['top_cm']:g}-{row['bottom_cm']:g} cm{when}: {row['cells']:,} common cells, r {row['pearson_r']:.2f}, "
        f"{means}; {row['explanation']}"
    )


def _scores(results: _Results, points: pd.DataFrame, options: CompareOptions) -> dict[str, pd.DataFrame]:
    """Scores of all products at each set of points, for each period; points of other layers are left out."""
    scored, apart = [], []
    for name, own in points.groupby("set", sort=False):
        told = [_scored(results, str(name), own, when, options) for when in dict.fromkeys(job.when for job, _ in results.found)]
        if not any(one is not None for one in told):
            raise RasterError(f"--points {name}: no row of a layer that is compared; expected top_cm and bottom_cm of such a layer")
        scored += [one[0] for one in told if one is not None]
        apart += [one[1] for one in told if one is not None]
    return {"points": pd.concat(scored, ignore_index=True), "point_differences": pd.concat(apart, ignore_index=True)}


def _scored(
    results: _Results, name: str, points: pd.DataFrame, when: str, options: CompareOptions
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Scores and differences of one set and period; None where no point is of a layer that is compared."""
    some = [(job, found) for job, found in results.found if job.when == when]
    layers = {job.layer for job, _ in some}
    mine = np.array([layer in layers for layer in zip(points["top_cm"], points["bottom_cm"], strict=True)], dtype=bool)
    if not mine.all():
        known = ", ".join(layer_name(layer) for layer in sorted(layers))
        results.notes.append(f"points {name}: {int((~mine).sum())} of {len(mine)} rows are of other layers than {known}; left out")
    if not mine.any():
        return None
    products = list(dict.fromkeys(product.name for job, _ in some for product in job.products))
    values = {product: np.full(len(points), np.nan) for product in products}
    for job, found in some:
        of = ((points["top_cm"] == job.layer[0]) & (points["bottom_cm"] == job.layer[1])).to_numpy()
        for product, own in found.at_points.items():
            values[product][of] = own[points.index[of]]
    kept = {product: own[mine] for product, own in values.items() if np.isfinite(own[mine]).any()}
    if not kept:
        raise RasterError(f"--points {name}: none of {int(mine.sum())} rows lies where a map has a value; expected lon and lat in degrees")
    results.notes += [f"points {name}: {product} has no value at any of them; not scored" for product in values if product not in kept]
    told = score_at_points(points[mine].reset_index(drop=True), kept, draws=options.draws, seed=options.seed)
    results.notes += [f"{name}: {note}" for note in told.notes]
    scores, differences = (table.assign(period=when) for table in (told.scores, told.differences))
    scores.insert(0, "set", name)
    differences.insert(0, "set", name)
    return scores, differences


def _move(partial: Path, out: Path) -> None:
    """Files to their places, each replacing what bore its name."""
    for path in sorted(partial.rglob("*")):
        if path.is_file():
            target = out / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
