"""Stocks of organic carbon: of one horizon, and of target layers of whole profiles.

The depth function is fitted to the carbon density of each horizon, content x bulk density x (1 - fragments), and
integrated over the layer. Splining the content first and multiplying by a mean bulk density afterwards is biased
wherever content and bulk density change together, which is nearly everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError, UnitError
from edaphic.profiles.bulk_density import ORGANIC_SOC_G_KG
from edaphic.profiles.clean import RULES, concat_repairs, repair_rows
from edaphic.profiles.spline import COVER_DECIMALS, SplineFit, fit, integrate, step
from edaphic.units import CM_PER_M, mass_to_volume_pct, to_internal

Floats = NDArray[np.float64]

LAYER_COLUMNS = (
    "profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "soc_stock_kg_m2", "soc_density_kg_m3", "soc_g_kg",
    "coverage", "bulk_density_source", "value_sd", "organic_soil", "below", "status", "source",
)  # fmt: skip

STATUS = {
    "ok": "covered from top to bottom, integral of the spline",
    "partial": "covered in part (at least min_coverage): mean of the observed part times the thickness of the layer",
    "weighted": "spline not positive somewhere in this profile: thickness-weighted mean of the horizons instead",
    "incomplete": "covered in part, less than min_coverage: no value",
    "uncovered": "not observed at all: no value",
}
"""What the column ``status`` of the layer table can say."""


def soc_density_kg_m3(
    soc_g_kg: ArrayLike, bulk_density_g_cm3: ArrayLike, coarse_fragments_vol_pct: ArrayLike
) -> Floats:
    """Organic carbon in a volume of soil, stones included.

    >>> soc_density_kg_m3([20.0], [1.3], [50.0])
    array([13.])
    """
    fine = 1.0 - np.asarray(coarse_fragments_vol_pct, dtype=np.float64) / 100.0
    return np.asarray(soc_g_kg, dtype=np.float64) * np.asarray(bulk_density_g_cm3, dtype=np.float64) * fine


def soc_stock_kg_m2(
    soc: ArrayLike,
    bulk_density: ArrayLike,
    thickness: ArrayLike,
    coarse_fragments: ArrayLike,
    *,
    soc_unit: str | None,
    bulk_density_unit: str | None,
    thickness_unit: str | None,
    coarse_fragments_unit: str | None = "vol%",
) -> Floats:
    """Stock of organic carbon of a horizon, from numbers with their units.

    Parameters
    ----------
    soc, bulk_density, thickness, coarse_fragments : array_like, shapes that broadcast
        Organic carbon in fine earth, bulk density of the fine earth, thickness, share of coarse fragments.
    soc_unit, bulk_density_unit, thickness_unit, coarse_fragments_unit : str
        See :func:`edaphic.units.units_of`. Fragments by mass are converted with the density of quartz.

    Returns
    -------
    ndarray
        kg/m2.

    Raises
    ------
    UnitError
        A unit is missing or unknown; all of them are named.

    Examples
    --------
    2 % of carbon, 1.3 g/cm3, 20 cm: 0.02 x 1300 kg/m3 x 0.2 m.

    >>> soc_stock_kg_m2([2.0], 1.3, 20.0, 0.0, soc_unit="%", bulk_density_unit="g/cm3", thickness_unit="cm").round(12)
    array([5.2])
    """
    given = (
        ("soc", soc, "soc", soc_unit),
        ("bulk_density", bulk_density, "bulk_density", bulk_density_unit),
        ("thickness", thickness, "depth", thickness_unit),
        ("coarse_fragments", coarse_fragments, "coarse_fragments", coarse_fragments_unit),
    )
    faults: list[str] = []
    internal: list[Floats] = []
    for name, values, quantity, unit in given:
        try:
            internal.append(to_internal(values, quantity, unit, name))
        except UnitError as error:
            faults.extend(error.faults)
    if faults:
        raise UnitError(faults)
    content, density, thickness_cm, fragments = internal
    if str(coarse_fragments_unit).startswith("mass"):
        fragments = mass_to_volume_pct(fragments, density)
    return soc_density_kg_m3(content, density, fragments) * thickness_cm / CM_PER_M


def layer_table(
    horizons: pd.DataFrame,
    layers: Sequence[tuple[float, float]],
    *,
    lam: float = 0.1,
    min_coverage: float = 1.0,
    max_gap_cm: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Carbon stock of every profile in every target layer.

    Parameters
    ----------
    horizons : DataFrame
        Clean horizon table with bulk density and fragments filled
        (:func:`edaphic.profiles.clean`, :func:`edaphic.profiles.fill`).
    layers : sequence of (top, bottom)
        Target layers in cm; they may overlap (0-30 beside 0-100).
    lam : float
        Smoothing of the spline.
    min_coverage : float
        Share of a layer, above 0 up to 1, that must be observed for it to get a value.
    max_gap_cm : float
        Gaps up to this width count as observed.

    Returns
    -------
    layers : DataFrame
        One row per profile (in the order of ``horizons``) and layer (in the order given), columns
        :data:`LAYER_COLUMNS`: ``soc_stock_kg_m2``, its mean over the layer ``soc_density_kg_m3``, the content
        ``soc_g_kg`` from a spline of its own, observed share ``coverage``, ``bulk_density_source`` (measured,
        pedotransfer, mixed; empty where nothing was observed), ``value_sd`` (standard deviation of the stock due to
        estimated bulk densities, whose errors are taken as fully correlated within a profile), ``organic_soil``
        (above 80 g/kg), ``below`` (what ends the profile: unknown), ``status`` (:data:`STATUS`), ``source``. NaN
        where there is no value.
    repairs : DataFrame
        What had to be done on the way, as in :func:`edaphic.profiles.clean`.

    Raises
    ------
    TableError
        Columns missing, a layer without thickness, ``min_coverage`` outside (0, 1].

    Notes
    -----
    The integral is additive: 0-30, 30-60 and 60-100 cm add up to 0-100 cm. To keep that, a profile whose spline is not
    positive in one of the layers takes the thickness-weighted mean in all of them.

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
    depths, used, log = _prepared(horizons, layers, lam, min_coverage, max_gap_cm)
    first = used[~used["profile_id"].duplicated()].reset_index(drop=True)
    soc, fragments = used["soc_g_kg"], used["coarse_fragments_vol_pct"]
    covered = depths.covered()
    thickness = np.round(depths.bottoms - depths.tops, COVER_DECIMALS)
    coverage = covered / thickness
    valued = (covered > 0) & (coverage >= min_coverage - 1e-9)

    density, weighted = _mean_density(depths, soc_density_kg_m3(soc, used["bulk_density_g_cm3"], fragments), valued)
    error = soc_density_kg_m3(soc, used["bulk_density_sd_g_cm3"], fragments)
    # The curve is linear in the values: the error that all horizons share goes through the same operator.
    sd = np.abs(np.where(weighted[:, None], depths.stepped(error), depths.smooth(error)))
    content, flat = _mean_density(depths, soc.to_numpy(dtype=np.float64), valued)
    log += [
        repair_rows(first[weighted], "spline not positive", ["carbon density"] * int(weighted.sum())),
        repair_rows(first[flat & ~weighted], "spline not positive", ["carbon content"] * int((flat & ~weighted).sum())),
    ]
    status = np.select(
        [covered == 0, ~valued, np.broadcast_to(weighted[:, None], valued.shape), coverage < 1],
        ["uncovered", "incomplete", "weighted", "partial"],
        "ok",
    )
    metres = thickness / CM_PER_M
    values = {
        "top_cm": np.broadcast_to(depths.tops, valued.shape),
        "bottom_cm": np.broadcast_to(depths.bottoms, valued.shape),
        "soc_stock_kg_m2": np.where(valued, density * metres, np.nan),
        "soc_density_kg_m3": np.where(valued, density, np.nan),
        "soc_g_kg": np.where(valued, content, np.nan),
        "coverage": coverage,
        "bulk_density_source": depths.origin((used["bulk_density_source"] == "measured").to_numpy()),
        "value_sd": np.where(valued, sd * metres, np.nan),
        "organic_soil": valued & (content > ORGANIC_SOC_G_KG),
        "below": np.full(valued.shape, "unknown"),
        "status": status,
    }
    table = pd.DataFrame({name: np.ravel(array) for name, array in values.items()})
    for name in ("profile_id", "lon", "lat", "year", "source"):
        table[name] = first[name].repeat(depths.tops.size).to_numpy()
    return table[list(LAYER_COLUMNS)].astype({"profile_id": "str", "source": "str"}), concat_repairs(log)


@dataclass(frozen=True)
class _Depths:
    """Horizons of all profiles and the layers that are wanted."""

    code: NDArray[np.int64]
    top: Floats
    bottom: Floats
    tops: Floats
    bottoms: Floats
    lam: float
    max_gap_cm: float

    def covered(self) -> Floats:
        """Observed thickness, cm, (n_profiles, n_layers)."""
        return integrate(step(self.code, self.top, self.bottom, self.top), self.tops, self.bottoms, self.max_gap_cm)[1]

    def smooth(self, values: Floats) -> Floats:
        """Mean of the spline over the observed part of each layer, NaN where there is none."""
        return self._mean(fit(self.code, self.top, self.bottom, values, self.lam))

    def stepped(self, values: Floats) -> Floats:
        """Thickness-weighted mean over the observed part of each layer."""
        return self._mean(step(self.code, self.top, self.bottom, values))

    def _mean(self, curve: SplineFit) -> Floats:
        integral, covered = integrate(curve, self.tops, self.bottoms, self.max_gap_cm)
        mean: Floats = np.divide(integral, covered, out=np.full(integral.shape, np.nan), where=covered > 0)
        return mean

    def origin(self, measured: NDArray[np.bool_]) -> NDArray[np.str_]:
        """Where the bulk densities of the horizons in each layer come from."""
        touched = []
        for kind in (measured, ~measured):
            one = step(self.code, self.top, self.bottom, kind.astype(np.float64))
            touched.append(integrate(one, self.tops, self.bottoms, self.max_gap_cm)[0] > 0)
        return np.select([touched[0] & touched[1], touched[0], touched[1]], ["mixed", "measured", "pedotransfer"], "")


def _prepared(
    horizons: pd.DataFrame, layers: Sequence[tuple[float, float]], lam: float, min_coverage: float, max_gap_cm: float
) -> tuple[_Depths, pd.DataFrame, list[pd.DataFrame]]:
    """Checked input: depths, the horizons that can be used, and a row for each that cannot."""
    needed = ["profile_id", "lon", "lat", "year", "source", "row", "top_cm", "bottom_cm", "soc_g_kg"]
    needed += ["bulk_density_g_cm3", "bulk_density_source", "bulk_density_sd_g_cm3", "coarse_fragments_vol_pct"]
    absent = [name for name in needed if name not in horizons]
    faults = [f"horizon table: no column {name}; expected a clean table with bulk density filled" for name in absent]
    faults += [
        f"layers: found {top:g}-{bottom:g} cm; expected 0 <= top < bottom"
        for top, bottom in layers
        if not 0 <= top < bottom < np.inf
    ]
    if not layers:
        faults.append("layers: found none; expected at least one")
    if not 0 < min_coverage <= 1:
        faults.append(f"min_coverage: found {min_coverage}; expected above 0 up to 1")
    if not max_gap_cm >= 0:
        faults.append(f"max_gap_cm: found {max_gap_cm}; expected 0 or more")
    if faults:
        raise TableError(faults)
    unknown = horizons[["bulk_density_g_cm3", "bulk_density_sd_g_cm3", "coarse_fragments_vol_pct"]].isna().any(axis=1)
    used = horizons[~unknown].reset_index(drop=True)
    bounds = np.asarray(layers, dtype=np.float64)
    depths = _Depths(
        code=pd.factorize(used["profile_id"])[0].astype(np.int64),
        top=used["top_cm"].to_numpy(dtype=np.float64),
        bottom=used["bottom_cm"].to_numpy(dtype=np.float64),
        tops=bounds[:, 0],
        bottoms=bounds[:, 1],
        lam=lam,
        max_gap_cm=max_gap_cm,
    )
    rows = horizons[unknown]
    return depths, used, [repair_rows(rows, "bulk density or fragments missing", rows["soc_g_kg"].tolist())]


def _mean_density(depths: _Depths, values: Floats, valued: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Means of the spline, or of the horizons for profiles whose spline is not positive where a value is wanted."""
    smooth, stepped = depths.smooth(values), depths.stepped(values)
    flat = (valued & (smooth <= 0) & (smooth != stepped)).any(axis=1)
    return np.where(flat[:, None], stepped, smooth), flat


def summary(
    horizons_read: pd.DataFrame,
    horizons: pd.DataFrame,
    layers: pd.DataFrame,
    repairs: pd.DataFrame,
    filled: Mapping[str, Any],
    points_without_covariates: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Counts of the whole way from raw tables to layers, ready for JSON.

    Parameters
    ----------
    horizons_read, horizons : DataFrame
        Horizon tables before and after cleaning.
    layers : DataFrame
        From :func:`layer_table`.
    repairs : DataFrame
        All repair logs, one under the other.
    filled : mapping
        Summary of :func:`edaphic.profiles.fill`.
    points_without_covariates : mapping, optional
        Number of profiles for each reason why they have no covariates.

    Returns
    -------
    dict
        ``profiles_read, horizons_read, profiles_kept, horizons_kept, repairs, bulk_density, coarse_fragments, layers,
        points_without_covariates``. A layer is ``complete`` where all of it was observed, ``partial`` where some was,
        else ``none``; ``valued`` counts those with a stock.
    """
    counts = repairs["fault"].value_counts()
    return {
        "profiles_read": int(horizons_read["profile_id"].nunique()),
        "horizons_read": len(horizons_read),
        "profiles_kept": int(horizons["profile_id"].nunique()),
        "horizons_kept": len(horizons),
        "repairs": {
            fault: {"action": action, "count": int(counts[fault])} for fault, action in RULES.items() if fault in counts
        },
        **filled,
        "layers": [_coverage_counts(rows) for _, rows in layers.groupby(["top_cm", "bottom_cm"], sort=False)],
        "points_without_covariates": dict(points_without_covariates or {}),
    }


def _coverage_counts(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "top_cm": float(rows["top_cm"].iloc[0]),
        "bottom_cm": float(rows["bottom_cm"].iloc[0]),
        "complete": int((rows["coverage"] == 1).sum()),
        "partial": int(rows["coverage"].between(0, 1, inclusive="neither").sum()),
        "none": int((rows["coverage"] == 0).sum()),
        "valued": int(rows["soc_stock_kg_m2"].notna().sum()),
    }
