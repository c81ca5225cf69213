"""The mass-preserving spline as it was published and is mostly run: the steps of the R package mpspline2 0.1.9.

For work that has to be repeated as it was. The fit weights every layer the same and multiplies the smoothing by the number of layers;
the curve is read at the upper edge of each whole centimetre, cut to ``[vlow, vhigh]`` and averaged, over whatever part of an interval
was observed. So the mean of an interval is that of its observed part, the sum of a steep profile is a little too high, and what
is cut off below ``vlow`` is mass made up. :mod:`edaphic.profiles.depth.spline` does without these.

Written from the documentation and the stored output of the package, not from its code. Two things that it does are not copied, because they
are slips and not steps: a profile of one layer is read at the wrong centimetres (here: the value of the layer where it was
observed), and where the lowest depth is not a whole number the last centimetre asked for is filled with a value from
higher up (here: nothing, as for every other depth below the profile).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.compiled import kernel
from edaphic.errors import TableError
from edaphic.profiles.depth.spline_kernels import at, fit_profiles

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.object_]

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "value missing": "layer dropped",
        "first upper depth missing": "set to 0 cm",
        "last lower depth missing": "set to the upper depth + 10 cm",
        "depth missing": "profile refused",
        "negative depth": "layer dropped",
        "zero thickness": "layer dropped",
        "upper depth below lower depth": "layer dropped",
        "overlap": "profile refused",
    }
)
"""What is looked for, in this order, and what is done about it."""

STATUS: Mapping[str, str] = MappingProxyType(
    {
        "ok": "splined",
        "one layer": "not splined: the value of the layer where it was observed",
        "no values": "no layer is left",
        "depth missing": "a depth is missing that is not the first upper or the last lower one",
        "overlap": "layers overlap",
    }
)
"""What the status of a profile can be."""


@dataclass(frozen=True)
class PaperResult:
    """Result of :func:`harmonise_paper`.

    Attributes
    ----------
    profile_ids : object array (n_profiles,)
        In the order in which they first appear, refused ones included.
    tops, bottoms : float array (n_layers,)
        The intervals in cm.
    means : float array (n_profiles, n_layers)
        NaN where no centimetre was observed.
    layers : DataFrame
        The layers that were used: ``profile_id, row, upper_cm, lower_cm, value, s_bar``; row is the 1-based row of the input.
    rmse, rmse_iqr : float array (n_profiles,)
        Root mean square of ``value - s_bar``, and the same over the interquartile range of the values (type 7); NaN where not splined.
    status : object array (n_profiles,)
        One of :data:`STATUS`.
    repairs : DataFrame
        ``profile_id, row, fault, action, before, after``, one row for each thing done.
    points : float array (n_profiles, n_cm) or None
        Values at 0, 1, 2 ... cm, cut to the limits; None where not asked for.
    """

    profile_ids: Names
    tops: Floats
    bottoms: Floats
    means: Floats
    layers: pd.DataFrame
    rmse: Floats
    rmse_iqr: Floats
    status: Names
    repairs: pd.DataFrame
    points: Floats | None


def harmonise_paper(
    profile_id: ArrayLike,
    upper: ArrayLike,
    lower: ArrayLike,
    value: ArrayLike,
    bounds: Sequence[float] | Sequence[tuple[float, float]] | Floats,
    lam: float = 0.1,
    vlow: float = 0.0,
    vhigh: float = 1000.0,
    *,
    points: bool = False,
) -> PaperResult:
    """Means over depth intervals as the usual programs compute them.

    Parameters
    ----------
    profile_id : array (n,)
        Profile of each layer; the layers of a profile need not be in order, nor beside each other.
    upper, lower : float array (n,)
        Depths in cm; NaN where missing.
    value : float array (n,)
        NaN where missing.
    bounds : sequence of float, or of (top, bottom)
        Limits of intervals that touch, or the intervals themselves, in cm, from 0 downwards.
    lam : float
        Smoothing; it is multiplied by the number of layers of the profile.
    vlow, vhigh : float
        Every centimetre is cut to this range before averaging.
    points : bool
        Return the values of the single centimetres too.

    Returns
    -------
    PaperResult

    Raises
    ------
    TableError
        Arrays of different length or with text, a profile without name, bounds not increasing, limits out of order.

    Notes
    -----
    Bishop et al. (1999), Geoderma 91: 27-45; Malone et al. (2009), Geoderma 154: 138-152; fitted means are
    ``(I + 6 n lam Q' R^-1 Q)^-1 y``. A centimetre k counts where ``top of the first layer <= k < bottom of the last``, whole
    centimetres of the bottom only; gaps between layers count, along the straight line that joins them.

    Examples
    --------
    Two layers of 2 cm, no smoothing: w = -2 / 8, so the curve is 3.5 at 0, 3.125 at 1, 2 at 2 and 0.875 at 3 cm.

    >>> result = harmonise_paper(["a", "a"], [0, 2], [2, 4], [3.0, 1.0], [0, 2, 4], lam=0)
    >>> result.means.tolist(), result.status.tolist()
    ([[3.3125, 1.4375]], ['ok'])
    """
    tops, bottoms = _intervals(bounds)
    table, names = _table(profile_id, upper, lower, value)
    if not (np.isfinite(lam) and lam >= 0 and vlow <= vhigh):
        raise TableError(f"spline: lam {lam}, vlow {vlow}, vhigh {vhigh}; expected lam of 0 or more, vlow not above vhigh")
    used, status, repairs = _repaired(table, names)
    code = used["code"].to_numpy(dtype=np.int64)
    owner, start, count = np.unique(code, return_index=True, return_counts=True)
    status[owner[count == 1]] = "one layer"
    arrays = _Curves(owner, start.astype(np.int64), (start + count).astype(np.int64), used, lam)
    means = np.full((names.size, tops.size), np.nan)
    _means(arrays.start, arrays.end, owner, *arrays.curve, tops, bottoms, vlow, vhigh, means)
    rmse, rmse_iqr = np.full(names.size, np.nan), np.full(names.size, np.nan)
    _errors(arrays.start, arrays.end, owner, arrays.value, arrays.s_bar, rmse, rmse_iqr)
    every = None
    if points:
        edges = np.arange(int(np.ceil(bottoms.max())), dtype=np.float64)
        every = np.full((names.size, edges.size), np.nan)
        _means(arrays.start, arrays.end, owner, *arrays.curve, edges, edges + 1.0, vlow, vhigh, every)
    layers = pd.DataFrame(
        {"profile_id": names[code], "row": used["row"], "upper_cm": used["upper"], "lower_cm": used["lower"], "value": used["value"]}
    ).assign(s_bar=arrays.s_bar)
    return PaperResult(names, tops, bottoms, means, layers.reset_index(drop=True), rmse, rmse_iqr, status, repairs, every)


class _Curves:
    """The fitted curves of the profiles that were not refused."""

    def __init__(self, owner: Ints, start: Ints, end: Ints, used: pd.DataFrame, lam: float) -> None:
        self.start, self.end = start, end
        top, bottom, self.value = (np.require(used[name], np.float64, ["C", "W"]) for name in ("upper", "lower", "value"))
        self.s_bar, slope, curvature = np.zeros(top.size), np.zeros(top.size), np.zeros(top.size)
        unused = np.zeros(owner.size, dtype=np.bool_), np.zeros(owner.size)
        fit_profiles(start, end, top, bottom, self.value, float(lam), False, False, self.s_bar, slope, curvature, *unused)
        self.curve = (top, bottom, self.s_bar, slope, curvature)


def _intervals(bounds: Sequence[float] | Sequence[tuple[float, float]] | Floats) -> tuple[Floats, Floats]:
    edges = np.asarray(bounds, dtype=np.float64)
    if edges.ndim == 1:
        edges = np.column_stack([edges[:-1], edges[1:]]) if edges.size > 1 else np.empty((0, 2))
    if edges.ndim != 2 or edges.shape[1] != 2 or not len(edges) or not ((edges[:, 0] >= 0) & (edges[:, 1] > edges[:, 0])).all():
        raise TableError("layers: bounds that do not increase, or start above 0; expected increasing depths in cm or pairs of top < bottom")
    return np.require(edges[:, 0], requirements=["C", "W"]), np.require(edges[:, 1], requirements=["C", "W"])


def _table(profile_id: ArrayLike, upper: ArrayLike, lower: ArrayLike, value: ArrayLike) -> tuple[pd.DataFrame, Names]:
    """Rows by profile, in their own order within it; names of the profiles as they first appear."""
    ids = pd.Series(np.asarray(profile_id, dtype=object))
    try:
        numbers = {name: np.asarray(array, dtype=np.float64) for name, array in (("upper", upper), ("lower", lower), ("value", value))}
    except (TypeError, ValueError) as error:
        raise TableError(f"spline: {error}; expected numbers in upper, lower and value") from error
    if any(array.shape != (ids.size,) for array in numbers.values()):
        shapes = ", ".join(str(array.shape) for array in numbers.values())
        raise TableError(f"spline: found {ids.size} profile names beside arrays of shape {shapes}; expected four of (n,)")
    infinite = sum(int(np.isinf(array).sum()) for array in numbers.values())
    if infinite or ids.isna().any():
        raise TableError(f"spline: {infinite} infinite numbers, {int(ids.isna().sum())} rows without profile; expected none")
    codes, names = pd.factorize(ids.astype(str))
    table = pd.DataFrame({"code": codes.astype(np.int64), **numbers, "row": np.arange(1, ids.size + 1)})
    return table.sort_values("code", kind="stable").reset_index(drop=True), np.asarray(names, dtype=object)


def _repaired(table: pd.DataFrame, names: Names) -> tuple[pd.DataFrame, Names, pd.DataFrame]:
    """Usable layers in order of depth, status of each profile, repairs."""
    log: list[pd.DataFrame] = []
    status = np.full(names.size, "no values", dtype=object)

    def note(rows: pd.DataFrame, fault: str, after: str | pd.Series = "") -> None:
        before = rows["upper"].map("{:.10g}".format).astype("str") + "-" + rows["lower"].map("{:.10g} cm".format).astype("str")
        found = pd.DataFrame({"profile_id": names[rows["code"].to_numpy()], "row": rows["row"], "fault": fault, "action": FAULTS[fault]})
        log.append(found.assign(before=before, after=after))

    def drop(rows: pd.DataFrame, bad: pd.Series, fault: str) -> pd.DataFrame:
        note(rows[bad], fault)
        return rows[~bad].reset_index(drop=True)

    def refuse(rows: pd.DataFrame, bad: pd.Series, fault: str) -> pd.DataFrame:
        note(rows[bad], fault)
        lost = rows.loc[bad, "code"].unique()
        status[lost] = fault
        return rows[~rows["code"].isin(lost)].reset_index(drop=True)

    table = drop(table, table["value"].isna(), "value missing")
    open_top = table["upper"].isna() & ~table["code"].duplicated()
    note(table[open_top], "first upper depth missing", "0 cm")
    table["upper"] = table["upper"].mask(open_top, 0.0)
    open_end = table["lower"].isna() & ~table["code"].duplicated(keep="last") & table["upper"].notna()
    ends = table["upper"] + 10.0
    note(table[open_end], "last lower depth missing", ends[open_end].map("{:.10g} cm".format))
    table["lower"] = table["lower"].mask(open_end, ends)
    table = refuse(table, table["upper"].isna() | table["lower"].isna(), "depth missing")
    table = drop(table, (table["upper"] < 0) | (table["lower"] < 0), "negative depth")
    table = drop(table, table["upper"] == table["lower"], "zero thickness")
    table = drop(table, table["upper"] > table["lower"], "upper depth below lower depth")
    table = table.sort_values(["code", "upper"], kind="stable").reset_index(drop=True)
    table = refuse(table, table["upper"] < table.groupby("code")["lower"].shift(), "overlap")
    status[table["code"].unique()] = "ok"
    return table, status, pd.concat(log, ignore_index=True)


@kernel
def _means(
    start: Ints, end: Ints, owner: Ints, top: Floats, bottom: Floats, s_bar: Floats, slope: Floats, curvature: Floats,
    upper: Floats, lower: Floats, vlow: float, vhigh: float, found: Floats,
) -> None:  # fmt: skip
    """Mean of the cut values at the whole centimetres of each interval that were observed."""
    for p in range(start.size):
        first, last = start[p], end[p] - 1
        deepest = np.floor(bottom[last])
        for k in range(upper.size):
            total, count, i = 0.0, 0, first
            z = max(np.ceil(upper[k]), np.ceil(top[first]))
            while z < lower[k] and z < deepest:
                while i < last and top[i + 1] <= z:
                    i += 1
                h = bottom[i] - top[i]
                if z <= bottom[i]:
                    value = at(s_bar[i], slope[i], curvature[i], h, z - top[i])
                else:
                    begins = at(s_bar[i], slope[i], curvature[i], h, h)
                    ends = at(s_bar[i + 1], slope[i + 1], curvature[i + 1], bottom[i + 1] - top[i + 1], 0.0)
                    value = begins + (ends - begins) * ((z - bottom[i]) / (top[i + 1] - bottom[i]))
                total += min(max(value, vlow), vhigh)
                count += 1
                z += 1.0
            if count > 0:
                found[owner[p], k] = total / count


@kernel
def _errors(start: Ints, end: Ints, owner: Ints, value: Floats, s_bar: Floats, rmse: Floats, rmse_iqr: Floats) -> None:
    """RMSE of the fitted means, and over the interquartile range of the values; profiles of one layer have none."""
    for p in range(start.size):
        first, n = start[p], end[p] - start[p]
        if n < 2:
            continue
        total = 0.0
        for i in range(first, end[p]):
            total += (value[i] - s_bar[i]) ** 2
        rmse[owner[p]] = np.sqrt(total / n)
        ordered = np.sort(value[first : end[p]])
        spread = 0.0
        for share, sign in ((0.75, 1.0), (0.25, -1.0)):
            place = share * (n - 1)
            low = int(np.floor(place))
            high = min(low + 1, n - 1)
            spread += sign * (ordered[low] + (place - low) * (ordered[high] - ordered[low]))
        if spread > 0.0:
            rmse_iqr[owner[p]] = rmse[owner[p]] / spread
        elif rmse[owner[p]] > 0.0:
            rmse_iqr[owner[p]] = np.inf
