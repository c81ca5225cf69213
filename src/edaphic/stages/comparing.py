"""Other products beside our maps: brought to our depths, unit and cells, compared with each other and with what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from odc.geo.geobox import GeoBox

from edaphic.account import ClassLayer
from edaphic.account.maps import Layer, layer_name
from edaphic.account.products.comparing import Compared, compare_products
from edaphic.account.products.opening import Band, OpenProduct, Product, ProductLayer, open_product, shared_inputs
from edaphic.account.products.published import beside_published, read_published
from edaphic.account.products.support import GLOBAL_BETA, depth_support
from edaphic.covariates import TimedStack
from edaphic.errors import EdaphicError, RasterError
from edaphic.mapping.info import MapInfo
from edaphic.mapping.names import MapKey, Period
from edaphic.mapping.several import several
from edaphic.mapping.style import dressed
from edaphic.model.soil import interval_name
from edaphic.recipe import OtherProduct, Recipe, read_layer, resolve, whole_layer
from edaphic.report.product_pictures import slug
from edaphic.stages.covering import map_periods
from edaphic.stages.divisions import divisions_of
from edaphic.stages.job import Job, covariates_of
from edaphic.stages.maps import tags_of
from edaphic.stages.totals import period_name

OURS = "this map"
LIMIT = 200_000


def write_products(job: Job, grid: GeoBox, stack: TimedStack | None, work: Path) -> None:
    """Tables and maps of all products that the recipe names, layer by layer."""
    told = job.recipe.account.products
    if not told:
        return
    found: list[Compared] = []
    notes: list[str] = []
    for period in _periods(job, told):
        own = [product for product in told if (product.period or _last(job)) == period]
        for layer in job.accounted[2]:
            job.say(f"products of {layer_name(layer)}", 0, 1)
            ours = _ours(job, grid, layer, period)
            others, left = _others(job, own, grid, layer)
            notes += left
            if others:
                divisions = [by for by in divisions_of(job, grid, stack, period) if isinstance(by, ClassLayer)]
                made = _compare(job, ours, others, grid, layer, period, divisions, work / "maps" / "products")
                found.append(made)
                notes += [note for one in (ours, *others) for note in one.notes]
                notes += made.notes
    if not found:
        raise RasterError([f"account.products: none reaches a layer that is mapped; {left}" for left in dict.fromkeys(notes)])
    tables = work / "tables"
    for name in ("comparison", "pairs", "taylor", "totals", "cv"):
        pd.concat([getattr(one, name) for one in found], ignore_index=True).to_csv(
            tables / f"product_{name}.csv", index=False, lineterminator="\n"
        )
    samples = pd.concat([_sample(one) for one in found], ignore_index=True)
    samples.to_parquet(tables / "product_samples.parquet", index=False)
    for note in dict.fromkeys(notes):
        job.say(f"note: {note}", 0, 1)


def check_products(told: Recipe, recipe_path: Path) -> list[str]:
    """Products that reach no layer that is mapped, and published tables that cannot be read."""
    below = told.maps.subsoil
    whole = whole_layer(told)
    layers = below.intervals if below is not None else (*told.profiles.layers, *([whole] if whole else []))
    faults = []
    for product in told.account.products:
        own = [layer for name in product.layers if (layer := read_layer(name)) is not None]
        reached, why = 0, ""
        for layer in layers:
            try:
                depth_support(own, layer, method=product.support, beta=product.beta or GLOBAL_BETA, name=product.name)
                reached += 1
            except EdaphicError as fault:
                why = fault.faults[0]
        if not reached:
            faults.append(f"account.products {product.name}: none of our layers can be made of its layers; {why}")
    slugs = [slug(product.name) for product in told.account.products]
    faults += [
        f"account.products {product.name}: its maps would be called {own!r}, as those of another; expected other letters or digits"
        for product, own in zip(told.account.products, slugs, strict=True)
        if slugs.count(own) > 1
    ]
    if told.account.published is not None:
        path = resolve(told, recipe_path, told.account.published)
        try:
            read_published(path)
        except EdaphicError as fault:
            faults += [f"account.published: {line}" for line in fault.faults]
    return faults


def _sample(one: Compared) -> pd.DataFrame:
    """Values of cells for scatter plots, long."""
    parts = []
    layer = one.comparison.iloc[0]
    for name, values in one.samples.items():
        parts.append(pd.DataFrame({"product": name, "ours": values[0], "theirs": values[1]}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["product", "ours", "theirs"])
    return table.assign(top_cm=layer["top_cm"], bottom_cm=layer["bottom_cm"], period=layer["period"])


def _last(job: Job) -> Period | None:
    return map_periods(job)[-1]


def _periods(job: Job, told: Sequence[OtherProduct]) -> list[Period | None]:
    asked = {product.period or _last(job) for product in told}
    return [period for period in map_periods(job) if period in asked] or [_last(job)]


def _ours(job: Job, grid: GeoBox, layer: Layer, period: Period | None) -> OpenProduct:
    quantity, unit, _ = job.accounted
    path = job.out / "maps" / f"{quantity}_{MapKey('mean', layer, period).name}.tif"
    return open_product(Product(OURS, (ProductLayer(layer, Band(path, unit)),)), grid, layer)


def _others(job: Job, told: Sequence[OtherProduct], grid: GeoBox, layer: Layer) -> tuple[list[OpenProduct], list[str]]:
    """Products that reach a layer, and why others do not."""
    found, notes = [], []
    for product in told:
        layers = []
        for name, path in product.layers.items():
            own = read_layer(name)
            assert own is not None  # the recipe has read it
            layers.append(ProductLayer(own, Band(job.path(path), product.unit)))
        one = Product(product.name, tuple(layers), tuple(product.uses or ()), product.note or "")
        try:
            found.append(open_product(one, grid, layer, method=product.support, beta=product.beta or GLOBAL_BETA))
        except EdaphicError as fault:
            notes += [f"account.products {product.name}: {layer_name(layer)}: {line}" for line in fault.faults]
    return found, notes


def _compare(
    job: Job,
    ours: OpenProduct,
    others: Sequence[OpenProduct],
    grid: GeoBox,
    layer: Layer,
    period: Period | None,
    divisions: Sequence[ClassLayer],
    folder: Path,
) -> Compared:
    inputs = [text for entry in covariates_of(job) for text in (entry.source.name, Path(str(entry.source.path)).stem)]
    inputs += [source.name for source in job.recipe.profiles.sources if source.name]
    inputs = list(dict.fromkeys(inputs))
    told = {product.name: product for product in job.recipe.account.products}
    shared = {one.name: shared_inputs(Product(one.name, (), tuple(told[one.name].uses or ())), inputs) for one in others}
    infos = {"cv": _info(job, layer, period, "cv", "", "coefficient of variation over products", "%", "cv")}
    infos["count"] = _info(job, layer, period, "count", "", "number of products", "1", "count")
    for one in others:
        stat, words = "relative_difference", f"relative difference to {one.name}"
        infos[f"{stat} {one.name}"] = _info(job, layer, period, stat, one.name, words, "%", stat)
    with several(folder, grid, infos, encoding=job.recipe.maps.encoding, threads=job.workers) as maps:

        return compare_products(
            ours, others, grid, layer, period=period_name(period), classes=divisions, shared=shared, sink=maps.write, limit=LIMIT
        )


def _info(job: Job, layer: Layer, period: Period | None, stat: str, other: str, title: str, unit: str, look: str) -> MapInfo:
    between = f"_{slug(other)}" if other else ""
    when = f"_{period_name(period)}" if period is not None else ""
    text = f"Soil organic carbon stock, {interval_name(layer)} cm, {title}"
    return dressed(
        MapInfo(
            name=f"{stat}{between}_{interval_name(layer)}cm{when}",
            title=text,
            unit=unit,
            description=f"{job.recipe.name}: {text[0].lower()}{text[1:]}, {unit}. Agreement of products, not their accuracy.",
            tags=tags_of(job, "account") | {"EDAPHIC_STATISTIC": stat, "EDAPHIC_LAYER_CM": interval_name(layer)},
            period=period,
        ),
        look,
    )


def write_published(job: Job, work: Path) -> None:
    """Published totals beside ours."""
    if job.recipe.account.published is None:
        return
    published = read_published(job.path(job.recipe.account.published))
    stocks = pd.read_csv(work / "tables" / "stocks.csv", dtype={"class": str, "period": str}, keep_default_na=False, na_values=[""])
    stocks = stocks.fillna({"class": "", "class_name": "", "period": ""})
    totals = stocks.assign(product=OURS, rows="own")
    table, notes = beside_published(totals, published)
    table.to_csv(work / "tables" / "published.csv", index=False, lineterminator="\n")
    for note in notes:
        job.say(f"note: {note}", 0, 1)
