"""Clean horizons into layers: the stock of every profile in every target layer, with its coverage and its error.

The depth function runs on the carbon density of each horizon, that is content times bulk density times the share of fine earth.
Content first and bulk density afterwards, as published work often does, gives other stocks wherever content and bulk density change
together, which is nearly everywhere; it is there by name (``order="content"``), for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.errors import TableError
from edaphic.profiles.budget import PARTS, SPLINE_SHARE, SPLINE_SHARE_TOP, Errors, horizon_errors
from edaphic.profiles.cleaning.clean import concat_repairs, repair_rows
from edaphic.profiles.density.bulk_density import ORGANIC_SOC_G_KG
from edaphic.profiles.depth.soil_column import EXACT, DepthFunction, SoilColumn, column_of
from edaphic.profiles.stock import soc_density_kg_m3
from edaphic.units import CM_PER_M

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LAYER_COLUMNS = (
    "profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "soc_stock_kg_m2", "soc_density_kg_m3", "soc_g_kg",
    "coverage", "bulk_density_source", "coarse_fragments_source", "value_sd", *(f"sd_{part}_kg_m2" for part in PARTS), "depth_fit_gap",
    "organic_soil", "below", "status", "source",
)  # fmt: skip

STATUS = {
    "ok": "covered from top to bottom: integral of the depth function",
    "partial": "covered in part (at least min_coverage): mean of the observed part times the thickness of the layer",
    "no beta": "method beta: no beta function could be fitted, or the layer reaches into rock",
    "too thin": "mode paper: no centimetre of the layer has a value",
    "incomplete": "covered in part, less than min_coverage: no value",
    "uncovered": "not observed at all: no value",
}
"""What the column ``status`` of the layer table can say."""

DEFAULT_ERRORS = Errors()


def layer_table(
    horizons: pd.DataFrame,
    layers: Sequence[tuple[float, float]],
    how: DepthFunction = EXACT,
    *,
    stocks: str = "computed",
    errors: Errors = DEFAULT_ERRORS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Carbon stock of every profile in every target layer.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table with bulk density and fragments filled (:func:`edaphic.profiles.clean`, :func:`edaphic.profiles.fill`).
    layers : sequence of (top, bottom)
        Target layers in cm; they may overlap (0-30 beside 0-100).
    how : DepthFunction
    stocks : {"computed", "reported"}
        Compute every stock, or take ``soc_stock_kg_m2`` of a horizon where the source reports one.
    errors : Errors

    Returns
    -------
    layers : DataFrame
        One row per profile (in the order of ``horizons``) and layer (in the order given), columns :data:`LAYER_COLUMNS`:
        ``soc_stock_kg_m2``, its mean over the layer ``soc_density_kg_m3``, the content ``soc_g_kg`` (the stock over the mass of fine
        earth; where the source reports the stock, of a depth function of its own), observed share ``coverage``,
        ``bulk_density_source`` and ``coarse_fragments_source`` (one of the sources, "reported stock", or mixed; empty where nothing was
        observed), ``value_sd`` (standard deviation of the stock) and its six parts (:mod:`edaphic.profiles.budget`), ``depth_fit_gap``
        (largest departure of the curve from the mean of a horizon that reaches into the layer, as a share of the larger of the two),
        ``organic_soil`` (above 80 g/kg), ``below`` (what ends the profile: rock or unknown), ``status`` (:data:`STATUS`), ``source``.
        NaN where there is no value. Below rock there is no carbon, and that is an observation.
    repairs : DataFrame
        What had to be done on the way, as in :func:`edaphic.profiles.clean`.

    Raises
    ------
    TableError
        Columns missing, a layer without thickness, a choice that is unknown or out of range.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "profile_id": ["a"], "lon": [21.0], "lat": [41.0], "year": [2000.0], "top_cm": [0.0], "bottom_cm": [70.0],
    ...     "soc_g_kg": [20.0], "bulk_density_g_cm3": [1.3], "bulk_density_source": ["measured"],
    ...     "bulk_density_sd_g_cm3": [0.0], "coarse_fragments_vol_pct": [0.0], "source": ["s"], "row": [1]})
    >>> result, _ = layer_table(table, [(0, 20), (60, 100)])
    >>> result[["soc_stock_kg_m2", "coverage", "status"]].values.tolist()
    [[5.2, 1.0, 'ok'], [nan, 0.25, 'incomplete']]
    """
    faults = _faults(horizons, layers, how, stocks)
    if faults:
        raise TableError(faults)
    used, log = _usable(horizons, stocks)
    column = column_of(used, layers, how)
    first = used.iloc[np.flatnonzero(np.diff(column.code, prepend=-1))].reset_index(drop=True)
    covered, rocky = column.covered(), column.rocky()
    observed = np.minimum(covered + rocky, column.thickness)
    coverage = observed / column.thickness
    valued = (observed > 0) & (coverage >= how.min_coverage - 1e-9)

    stock = column.sum_of(used["density"].to_numpy()) if how.order == "density" else _content_first(column, used)
    if how.method == "beta":
        stock = stock * coverage  # of whole layers, where the other methods give the observed part
    fitted = np.isfinite(stock) | (covered == 0)
    valued &= fitted
    # What was not observed is taken to be like what was; metres make kg/m3 into kg/m2.
    scale = np.divide(column.thickness, observed, out=np.zeros_like(observed), where=observed > 0) / CM_PER_M
    budget = _budget(column, used, errors, np.nan_to_num(stock), covered) | {
        "coverage": np.nan_to_num(stock) * (1.0 - coverage) * errors.unobserved_share
    }
    content, known = _content(column, used, stock)
    gap = column.departure(used["density" if how.order == "density" else "soc_g_kg"].to_numpy(dtype=np.float64))
    values = {
        "top_cm": np.broadcast_to(column.tops, valued.shape),
        "bottom_cm": np.broadcast_to(column.bottoms, valued.shape),
        "soc_stock_kg_m2": np.where(valued, stock * scale, np.nan),
        "soc_density_kg_m3": np.where(valued, stock * scale * CM_PER_M / column.thickness, np.nan),
        "soc_g_kg": np.where(valued & known, content, np.nan),
        "coverage": coverage,
        "bulk_density_source": _origin(column, used, "bulk_density_source"),
        "coarse_fragments_source": _origin(column, used, "coarse_fragments_source"),
        "value_sd": np.where(valued, np.sqrt(sum(part**2 for part in budget.values())) * scale, np.nan),
        **{f"sd_{part}_kg_m2": np.where(valued, budget[part] * scale, np.nan) for part in PARTS},
        "depth_fit_gap": np.where(valued, gap, np.nan),
        "organic_soil": valued & known & (content > ORGANIC_SOC_G_KG),
        "below": np.broadcast_to(np.where(np.isfinite(column.rock), "rock", "unknown")[:, None], valued.shape),
        "status": np.select(
            [observed == 0, coverage < how.min_coverage - 1e-9, ~fitted, coverage < 1],
            ["uncovered", "incomplete", "no beta" if how.method == "beta" else "too thin", "partial"],
            "ok",
        ),
    }
    table = pd.DataFrame({name: np.ravel(array) for name, array in values.items()})
    for name in ("profile_id", "lon", "lat", "year", "source"):
        table[name] = first[name].repeat(column.tops.size).to_numpy()
    return table[list(LAYER_COLUMNS)].astype({"profile_id": "str", "source": "str"}), log


def _faults(horizons: pd.DataFrame, layers: Sequence[tuple[float, float]], how: DepthFunction, stocks: str) -> list[str]:
    needed = ["profile_id", "lon", "lat", "year", "source", "row", "top_cm", "bottom_cm", "soc_g_kg"]
    needed += ["bulk_density_g_cm3", "bulk_density_source", "bulk_density_sd_g_cm3", "coarse_fragments_vol_pct"]
    absent = [name for name in needed if name not in horizons]
    faults = [f"horizon table: no column {name}; expected a clean table with bulk density filled" for name in absent]
    faults += [
        f"layers: found {top:g}-{bottom:g} cm; expected 0 <= top < bottom" for top, bottom in layers if not 0 <= top < bottom < np.inf
    ]
    if not len(layers):
        faults.append("layers: found none; expected at least one")
    if stocks not in ("computed", "reported"):
        faults.append(f"stocks: found {stocks!r}; expected computed or reported")
    if stocks == "reported" and how.order == "content":
        faults.append("order: found content beside reported stocks, which have none; expected density")
    return faults + how.faults()


def _usable(horizons: pd.DataFrame, stocks: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Horizons with a carbon density (column ``density``, kg/m3), and a log row for each other one and each reported stock."""
    table = horizons.assign(
        **{
            name: default
            for name, default in (
                ("soc_method", ""), ("below", ""), ("rock_depth_cm", np.nan), ("coarse_fragments_sd_vol_pct", 0.0),
                ("coarse_fragments_source", "measured"),
            )
            if name not in horizons
        }
    )  # fmt: skip
    density = soc_density_kg_m3(table["soc_g_kg"], table["bulk_density_g_cm3"], table["coarse_fragments_vol_pct"])
    density = np.where(table["bulk_density_sd_g_cm3"].isna(), np.nan, density)
    reported = np.zeros(len(table), dtype=bool)
    log = []
    if stocks == "reported" and "soc_stock_kg_m2" in table:
        reported = table["soc_stock_kg_m2"].notna().to_numpy()
        metres = (table["bottom_cm"] - table["top_cm"]).to_numpy() / CM_PER_M
        given = table["soc_stock_kg_m2"].to_numpy() / metres
        was, instead = (density * metres)[reported], table["soc_stock_kg_m2"][reported]
        log.append(repair_rows(table[reported], "reported stock", was.tolist(), instead.tolist()))
        density = np.where(reported, given, density)
    table = table.assign(density=density, reported=reported, rock_cm=rock_depths(table))
    unknown = np.isnan(density)
    rows = table[unknown]
    log.append(repair_rows(rows, "bulk density or fragments missing", rows["soc_g_kg"].tolist()))
    return table[~unknown].reset_index(drop=True), concat_repairs(log)


def rock_depths(horizons: pd.DataFrame) -> Floats:
    """Depth in cm from which on there is rock, for every horizon; infinite where none is known.

    A profile that ends on rock at no stated depth ends below its last horizon, be it one without a value.
    """
    bottom = horizons["bottom_cm"].groupby(horizons["profile_id"], sort=False).transform("max").to_numpy(dtype=np.float64)
    depth = horizons["rock_depth_cm"].to_numpy(dtype=np.float64)
    # Soil was described down to the last horizon: rock cannot begin above its end.
    stated = np.where(np.isnan(depth), np.inf, np.maximum(depth, bottom))
    return np.where(np.isnan(depth) & (horizons["below"] == "rock").to_numpy(), bottom, stated)


def _content_first(column: SoilColumn, used: pd.DataFrame) -> Floats:
    """Depth function of the content, times the mean bulk density and fine earth of the layer; kg/m3 cm."""
    covered = column.covered()
    names = ("soc_g_kg", "bulk_density_g_cm3", "coarse_fragments_vol_pct")
    soc, density, stones = (used[name].to_numpy(dtype=np.float64) for name in names)
    content = column.sum_of(np.nan_to_num(soc))
    return np.divide(content * _layer_mass(column, density, stones), covered, out=np.zeros(covered.shape), where=covered > 0)


def _content(column: SoilColumn, used: pd.DataFrame, stock: Floats) -> tuple[Floats, Bools]:
    """Mean content of the observed soil of each layer, g/kg, and whether every horizon in it has one.

    Carbon over fine earth: ``stock`` (kg/m3 cm) by the mass (g/cm3 cm), so that the two columns of a row agree. Where a source reports the
    stock itself, it need not agree with its contents: then these have a depth function of their own.
    """
    soc, density = (used[name].to_numpy(dtype=np.float64) for name in ("soc_g_kg", "bulk_density_g_cm3"))
    stones = used["coarse_fragments_vol_pct"].to_numpy(dtype=np.float64)
    if column.how.order == "content":
        mass = _layer_mass(column, density, stones)
    else:
        mass = column.stepped(np.nan_to_num(density * (1.0 - stones / 100.0)))
    found = np.divide(stock, mass, out=np.full(stock.shape, np.nan), where=mass > 0)
    there = np.isfinite(soc)
    reported = used["reported"].to_numpy(dtype=bool)
    if reported.any() and there.any():
        by_source = column.stepped(reported.astype(np.float64)) > 0
        part = replace(column, code=column.code[there], top=column.top[there], bottom=column.bottom[there])
        total = part.splined(soc[there]) if column.how.method == "spline" else part.stepped(soc[there])
        covered, own = part.covered(), np.full(stock.shape, np.nan)
        own[np.unique(part.code)] = np.divide(total, covered, out=np.full(total.shape, np.nan), where=covered > 0)
        found = np.where(by_source, own, found)
    return found, np.isfinite(found) & (column.stepped((~there).astype(np.float64)) == 0)


def _layer_mass(column: SoilColumn, density: Floats, stones: Floats) -> Floats:
    """Mean density of the layer times its mean share of fine earth and its thickness, g/cm3 cm."""
    covered = column.covered()
    with np.errstate(invalid="ignore", divide="ignore"):
        mass = column.stepped(density) * (1.0 - column.stepped(stones) / covered / 100.0)
    return np.where(covered > 0, np.nan_to_num(mass), 0.0)


def _budget(column: SoilColumn, used: pd.DataFrame, errors: Errors, stock: Floats, covered: Floats) -> dict[str, Floats]:
    """Error of the integral over the observed part by part, kg/m3 cm."""
    found = horizon_errors(used, errors)
    parts: dict[str, Floats] = {}
    for part in PARTS:
        own = column.quadrature(found.independent[part]) if part in found.independent else 0.0
        common = column.stepped(found.shared[part]) if part in found.shared else 0.0
        parts[part] = np.broadcast_to(np.hypot(own, common), stock.shape)
    plain = column.stepped(used["density"].to_numpy())
    first = np.flatnonzero(np.diff(column.code, prepend=-1))
    top, bottom = column.top[first, None], column.bottom[first, None]
    cut = ((column.tops > top) & (column.tops < bottom)) | ((column.bottoms > top) & (column.bottoms < bottom))
    parts["spline"] = np.where(cut, SPLINE_SHARE_TOP, SPLINE_SHARE) * np.abs(np.where(covered > 0, stock - plain, 0.0))
    return parts


def _origin(column: SoilColumn, used: pd.DataFrame, name: str) -> NDArray[np.str_]:
    """Where the bulk densities or fragments of the horizons in each layer come from."""
    source = used[name].mask(used["reported"], "reported stock").to_numpy(dtype=object)
    kinds = sorted(set(source))
    touched = [column.stepped((source == kind).astype(np.float64)) > 0 for kind in kinds]
    several = sum(part.astype(np.int64) for part in touched) if touched else np.zeros((0, column.tops.size))
    return np.select([several > 1, *touched], ["mixed", *map(str, kinds)], "")
