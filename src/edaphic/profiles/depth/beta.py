"""The beta depth function: how the stock of carbon gathers with depth, in one number for each profile.

    Y(d) = 1 - beta^d

is the share of the stock that lies above depth d in cm (Gale and Grigal 1987, Canadian Journal of Forest Research 17:
829-834; Jobbagy and Jackson 2000, Ecological Applications 10: 423-436). A lower beta is a steeper decline. The ratio of two
cumulative stocks does not depend on what Y is a share of, and is all that extrapolation needs:

    X(deep) / X(shallow) = (1 - beta^deep) / (1 - beta^shallow)

At beta = 1 this is deep / shallow, carbon spread evenly; above 1 carbon rises with depth. Both are kept: the formulas are
smooth there, and to leave such profiles out, or to cap them, selects on the outcome and biases stocks down.

Everything is computed with L = ln(beta) and ``expm1``, so that nothing is lost near beta = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.compiled import kernel
from edaphic.errors import TableError

Floats = NDArray[np.float64]
Method = Literal["ratio", "truncated", "log_linear"]

METHODS = {
    "ratio": "beta solves X(deep)/X(shallow) = (1 - beta^deep)/(1 - beta^shallow): stocks come out as they went in",
    "truncated": "least squares of (1 - beta^d)/(1 - beta^deep) on X(d)/X(deep): the shape of the whole curve",
    "log_linear": "ln(1 - X(d)/X(deep)) = d ln(beta), least squares through the origin: offered to show its bias",
}
"""How beta can be fitted."""

REASONS = {
    "too few layers": "fewer than min_layers measured horizons",
    "not observed to depth": "a cumulative stock is missing at or above the deep depth",
    "stock not positive": "a cumulative stock that the fit needs is zero or negative",
    "not increasing": "the cumulative stock falls with depth, or nothing lies below the shallow depth (log_linear: between the last two)",
}
"""Why a profile can have no beta."""

_SATURATED = 40.0
"""exp(-40) is below the last bit of 1: beyond it the curve does not change."""

_ALMOST_ZERO = 2.0**-1000


@dataclass(frozen=True)
class BetaFit:
    """What was fitted to n profiles.

    Attributes
    ----------
    beta : float array (n,)
        NaN where nothing can be fitted.
    rmse : float array (n,)
        Root mean square of ``(1 - beta^d)/(1 - beta^deep) - X(d)/X(deep)`` over the given depths above ``deep``, as a share of
        the stock above ``deep``. The same curve is judged whatever the method.
    above_one : bool array (n,)
        beta > 1: carbon per cm rises with depth.
    reason : str array (n,)
        Empty, or a key of :data:`REASONS`.
    """

    beta: Floats
    rmse: Floats
    above_one: NDArray[np.bool_]
    reason: NDArray[np.str_]


def fit(
    depths_cm: ArrayLike,
    cumulative: ArrayLike,
    *,
    method: Method = "ratio",
    shallow_cm: float = 20.0,
    deep_cm: float = 100.0,
    n_layers: ArrayLike | None = None,
    min_layers: int = 4,
) -> BetaFit:
    """Fit beta to cumulative stocks.

    Parameters
    ----------
    depths_cm : float array (m,)
        Depths, positive and ascending, ``deep_cm`` among them (for ``ratio`` also ``shallow_cm``). Depths below ``deep_cm``
        are not looked at.
    cumulative : float array (n, m)
        Stock from the surface to each depth, any unit; NaN where not observed.
    method : {"ratio", "truncated", "log_linear"}
        See :data:`METHODS`. ``log_linear`` leaves the deepest point out, for Y = 1 there and its logarithm is infinite; that
        the share is taken of the stock above ``deep_cm`` and not of all of it makes its beta too low.
    shallow_cm, deep_cm : float
        Depths of the ratio; stocks are shares of the one above ``deep_cm``.
    n_layers : int array (n,), optional
        Measured horizons above ``deep_cm`` (:func:`measured_layers`). Without it nothing is known of them and none is refused:
        five layers of a spline do not say how many samples they rest on.
    min_layers : int
        A profile with fewer gets no beta.

    Returns
    -------
    BetaFit

    Raises
    ------
    TableError
        Unknown method; depths, shapes or counts that do not fit; infinite stocks.

    Notes
    -----
    ``ratio``: with r = X(deep)/X(shallow), ``ln(r - 1)`` is a rising function of L whose slope stays between the smaller and the
    larger of shallow and deep - shallow, and which bends to one side only. Newton's method therefore converges from L = 0
    whatever r is. ``truncated``: each depth alone has an exact L, all minima of the sum of squares lie between the lowest
    and the highest of them; the interval is scanned and the zero of the derivative enclosed.

    Examples
    --------
    Twice the depth: r - 1 = beta^20 by hand. Even carbon is beta = 1.

    >>> fit([20, 40], [[3.0, 4.5], [2.0, 4.0]], deep_cm=40).beta == np.array([0.5 ** (1 / 20), 1.0])
    array([ True,  True])
    >>> fit([20, 100], [[2.0, 2.0]]).reason.tolist()
    ['not increasing']
    """
    depths, stocks, counts = _checked(depths_cm, cumulative, method, shallow_cm, deep_cm, n_layers, min_layers)
    used = depths <= deep_cm
    depths, stocks = depths[used], np.ascontiguousarray(stocks[:, used])
    shallow = int(np.searchsorted(depths, shallow_cm)) if method == "ratio" else 0
    reason = _reasons(stocks, method, shallow, counts < min_layers)
    usable = reason == ""
    log_beta = np.full(len(stocks), np.nan)
    if method == "ratio":
        pair = stocks[usable][:, [shallow, -1]]
        log_beta[usable] = _solve_ratios(pair[:, 0], pair[:, 1], depths[shallow], depths[-1])
    elif method == "truncated":
        log_beta[usable] = _fit_truncated(stocks[usable], depths)
    else:
        above = stocks[usable]
        # 1 - Y from the difference: Y itself has lost the digits where little carbon is left below.
        rest = np.log((above[:, -1:] - above[:, :-1]) / above[:, -1:])
        log_beta[usable] = (rest * depths[:-1]).sum(axis=1) / (depths[:-1] ** 2).sum()
    share = np.divide(stocks, stocks[:, -1:], out=np.full(stocks.shape, np.nan), where=usable[:, None])
    error = _between(log_beta[:, None], 0.0, depths[:-1], 0.0, depths[-1]) - share[:, :-1]
    beta = np.exp(log_beta)
    return BetaFit(beta, np.sqrt((error**2).mean(axis=1)), beta > 1.0, reason)


def cumulative(beta: ArrayLike, depth_cm: float, *, known_stock: ArrayLike, known_depth_cm: float = 20.0) -> NDArray[np.floating]:
    """Stock from the surface to a depth, from the known stock above another.

    X(d) = X(d0) (1 - beta^d) / (1 - beta^d0).

    Parameters
    ----------
    beta : float array, any shape
        Above 0; NaN stays NaN. Values of 1 and above are no special case.
    depth_cm : float
        0 or more.
    known_stock : float array, shape that broadcasts with ``beta``
        Stock from 0 to ``known_depth_cm``, any unit; NaN stays NaN. Columns of tables are matched by position.
    known_depth_cm : float
        Above 0.

    Returns
    -------
    ndarray
        Unit of ``known_stock``; float32 where both inputs are, computed in double precision.

    Raises
    ------
    TableError
        beta not above 0, negative or infinite stock (a nodata value that was not masked), depths that make no sense.

    Notes
    -----
    Per cell or profile only: beta and stock vary together, and the formula of the means is not the mean of the formula.

    Examples
    --------
    With 0.5^(1/20) every 20 cm hold half of those above: 8 + 4 + 2 + 1 + 0.5.

    >>> cumulative([0.5 ** (1 / 20), 1.0], 100, known_stock=8.0).round(9)
    array([15.5, 40. ])
    """
    (stock,) = layers_by_difference(beta, known_stock, [(0.0, depth_cm)], known_depth_cm=known_depth_cm)
    return np.asarray(stock)


def layers_by_difference(
    beta: ArrayLike, known_stock: ArrayLike, layers: ArrayLike, *, known_depth_cm: float = 20.0
) -> NDArray[np.floating]:
    """Stocks of layers: cumulative stock to the bottom less that to the top.

    The difference is taken in closed form, ``X(d0) beta^top (1 - beta^(bottom - top)) / (1 - beta^d0)``: the subtraction of two
    nearly equal stocks would cost the digits of thin, deep layers. Layers still add up to :func:`cumulative`.

    Parameters
    ----------
    beta, known_stock : float arrays
        As in :func:`cumulative`.
    layers : (k, 2)
        Top and bottom in cm, 0 <= top <= bottom.
    known_depth_cm : float

    Returns
    -------
    ndarray (k, *shape)
        One array for each layer.

    Raises
    ------
    TableError
        As in :func:`cumulative`.

    Examples
    --------
    >>> layers_by_difference(0.5 ** (1 / 20), 8.0, [(20, 40), (40, 60), (60, 80), (80, 100)]).round(9)
    array([4. , 2. , 1. , 0.5])
    """
    stock = np.asarray(known_stock)
    bad = int(((stock < 0) | np.isinf(stock)).sum())
    faults = [f"known_stock: found {bad} values negative or infinite; expected 0 or more, NaN where there is none"] if bad else []
    log_beta, known, wanted = _logarithm(beta, (0.0, known_depth_cm), layers, faults)
    out = np.empty((len(wanted), *np.broadcast_shapes(log_beta.shape, stock.shape)), dtype=_kind(beta, known_stock))
    for i, (top, bottom) in enumerate(wanted):
        out[i] = stock * _between(log_beta, top, bottom, *known)
    return out


def depth_factor(beta: ArrayLike, from_layer: tuple[float, float], to_layer: tuple[float, float]) -> NDArray[np.floating]:
    """Stock of one layer over the stock of another.

    Parameters
    ----------
    beta : float array, any shape
        Above 0; NaN stays NaN.
    from_layer, to_layer : (top_cm, bottom_cm)
        The layer whose stock is known, which must have a thickness, and the one that is wanted.

    Returns
    -------
    ndarray
        Factor for the stock of ``from_layer``; float32 where beta is.

    Raises
    ------
    TableError
        beta not above 0, layers that make no sense.

    Examples
    --------
    0-30 cm to 0-20 cm with the global beta of Jobbagy and Jackson (2000), and the share of 0-100 cm that lies below 20 cm.

    >>> round(float(depth_factor(0.9786, (0, 30), (0, 20))), 3), round(float(depth_factor(0.9786, (0, 100), (20, 100))), 3)
    (0.736, 0.603)
    """
    log_beta, known, wanted = _logarithm(beta, from_layer, [to_layer], [])
    return np.asarray(_between(log_beta, *wanted[0], *known), dtype=_kind(beta))


def share_below(beta: ArrayLike, depth_cm: float, deep_cm: float = 100.0) -> NDArray[np.floating]:
    """Share of the stock above ``deep_cm`` that lies below ``depth_cm``: (beta^depth - beta^deep) / (1 - beta^deep).

    >>> share_below([0.5 ** (1 / 20), 1.0], 20, 40).round(12)
    array([0.33333333, 0.5       ])
    """
    return depth_factor(beta, (0.0, deep_cm), (depth_cm, deep_cm))


def measured_layers(horizons: pd.DataFrame, within_cm: float = 100.0) -> pd.Series:
    """Measured horizons that begin above a depth, for each profile; the ``n_layers`` of :func:`beta_table`.

    Parameters
    ----------
    horizons : DataFrame
        Horizon table: ``profile_id, top_cm, soc_g_kg``.
    within_cm : float

    Returns
    -------
    Series of int, by profile_id in the order of the table

    Raises
    ------
    TableError
        Columns missing.

    Examples
    --------
    >>> table = pd.DataFrame({"profile_id": ["a", "a", "a"], "top_cm": [0, 30, 100], "soc_g_kg": [9.0, 4.0, 2.0]})
    >>> measured_layers(table).to_dict()
    {'a': 2}
    """
    _need(horizons, ("profile_id", "top_cm", "soc_g_kg"), "horizon table")
    counted = (horizons["top_cm"] < within_cm) & horizons["soc_g_kg"].notna()
    return counted.groupby(horizons["profile_id"], sort=False).sum().astype(np.int64).rename("n_layers")


def beta_table(
    layers: pd.DataFrame,
    *,
    method: Method = "ratio",
    shallow_cm: float = 20.0,
    deep_cm: float = 100.0,
    n_layers: pd.Series | None = None,
    min_layers: int = 4,
) -> pd.DataFrame:
    """beta of every profile of a layer table.

    Parameters
    ----------
    layers : DataFrame
        ``profile_id, top_cm, bottom_cm, soc_stock_kg_m2, coverage``: layers that join one another from the surface down, the same
        for all profiles, each at most once. A layer that was not wholly observed counts as missing, even where it has a
        value: the part made up for it would decide beta.
    method, shallow_cm, deep_cm, min_layers
        As in :func:`fit`.
    n_layers : Series, optional
        Measured horizons by profile_id (:func:`measured_layers`).

    Returns
    -------
    DataFrame
        One row per profile, in the order of the table: ``profile_id, beta, rmse, above_one, reason, method``.

    Raises
    ------
    TableError
        Columns missing, layers that overlap or leave gaps, a layer twice, a profile without a count, and the faults of
        :func:`fit`.

    Examples
    --------
    >>> table = pd.DataFrame({"profile_id": ["a", "a"], "top_cm": [0, 20], "bottom_cm": [20, 40],
    ...     "soc_stock_kg_m2": [3.0, 1.5], "coverage": [1.0, 1.0]})
    >>> beta_table(table, deep_cm=40).round(4).values.tolist()
    [['a', 0.9659, 0.0, False, '', 'ratio']]
    """
    _need(layers, ("profile_id", "top_cm", "bottom_cm", "soc_stock_kg_m2", "coverage"), "layer table")
    bounds = layers[["top_cm", "bottom_cm"]].drop_duplicates().sort_values(["top_cm", "bottom_cm"]).to_numpy(dtype=np.float64)
    bottoms = bounds[:, 1]
    faults = []
    if not np.array_equal(bounds[:, 0], np.append(0.0, bottoms[:-1])[: len(bottoms)]):
        found = ", ".join(f"{top:g}-{bottom:g}" for top, bottom in bounds)
        faults.append(f"layer table: found layers {found} cm; expected layers that join one another from 0 down")
    code, names = pd.factorize(layers["profile_id"])
    twice = int(layers.duplicated(["profile_id", "top_cm", "bottom_cm"]).sum())
    if twice:
        faults.append(f"layer table: found {twice} layers more than once in a profile; expected each at most once")
    unknown = pd.Index(names).difference(n_layers.index) if n_layers is not None else []
    if len(unknown):
        faults.append(f"n_layers: found none for {len(unknown)} profiles ({unknown[0]}); expected a count for each")
    if n_layers is not None and n_layers.index.has_duplicates:
        faults.append("n_layers: found a profile more than once; expected each once")
    if faults:
        raise TableError(faults)
    stock = np.full((len(names), len(bottoms)), np.nan)
    whole = layers["coverage"].to_numpy(dtype=np.float64) >= 1.0 - 1e-9
    place = np.searchsorted(bottoms, layers["bottom_cm"].to_numpy(dtype=np.float64))
    stock[code, place] = np.where(whole, layers["soc_stock_kg_m2"].to_numpy(dtype=np.float64), np.nan)
    fitted = fit(
        bottoms,
        np.cumsum(stock, axis=1),
        method=method,
        shallow_cm=shallow_cm,
        deep_cm=deep_cm,
        n_layers=None if n_layers is None else n_layers.reindex(names).to_numpy(),
        min_layers=min_layers,
    )
    columns = {"beta": fitted.beta, "rmse": fitted.rmse, "above_one": fitted.above_one, "reason": fitted.reason.astype(object)}
    return pd.DataFrame({"profile_id": names, **columns, "method": method}).astype({"profile_id": "str", "reason": "str", "method": "str"})


def _between(log_beta: Floats, top: ArrayLike, bottom: ArrayLike, known_top: float, known_bottom: float) -> Floats:
    """Stock of one layer over that of another, smooth in L = 0 and without overflow on the way."""
    # A power of two as small as that stands for 0: powers of beta are 1, and their differences in proportion to the depths, exactly.
    L = np.where(log_beta == 0.0, _ALMOST_ZERO, log_beta)
    u, h = np.asarray(top), np.asarray(bottom) - np.asarray(top)
    known = known_bottom - known_top
    # beta^h - 1 = beta^h (1 - beta^-h): written with the power below 1, whichever of the two that is.
    shift = (u - known_top) * L + np.maximum(L, 0.0) * (h - known)
    share: Floats = np.exp(shift) * (np.expm1(-np.abs(L) * h) / np.expm1(-np.abs(L) * known))
    return share


@kernel
def _log_mean_power(x):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """ln((e^x - 1) / x), 0 at x = 0."""
    if x == 0.0:
        return 0.0
    size = abs(x)
    return max(x, 0.0) + np.log(-np.expm1(-size) / size)


@kernel
def _slope(x):  # type: ignore[no-untyped-def]
    """Derivative of the above: 1 / (1 - e^-x) - 1 / x, from 0 to 1, 1/2 at x = 0."""
    size = abs(x)
    if size < 1e-2:
        return 0.5 + x / 12.0 - x * x * x / 720.0
    rising = -1.0 / np.expm1(-size) - 1.0 / size
    return rising if x > 0.0 else 1.0 - rising


@kernel
def _solve_ratio(first, rest, shallow, deep):  # type: ignore[no-untyped-def]
    """L for the stock above shallow and the rest of it down to deep."""
    below = deep - shallow
    target = np.log((rest * shallow) / (first * below))
    L = 0.0
    # Convergence is quadratic; 100 is out of reach, it only keeps the loop finite.
    for _ in range(100):
        error = shallow * L + _log_mean_power(below * L) - _log_mean_power(shallow * L) - target
        move = error / (shallow * (1.0 - _slope(shallow * L)) + below * _slope(below * L))
        L -= move
        if abs(move) <= 1e-17 + 2e-16 * abs(L):
            break
    return L


@kernel
def _solve_ratios(first, total, shallow, deep):  # type: ignore[no-untyped-def]
    out = np.empty(first.shape[0])
    for i in range(first.shape[0]):
        out[i] = _solve_ratio(first[i], total[i] - first[i], shallow, deep)
    return out


@kernel
def _descent(L, share, depths):  # type: ignore[no-untyped-def]
    """Sum of squares of the truncated curve, and half its derivative with respect to L."""
    deep = depths[-1]
    whole = _log_mean_power(deep * L)
    whole_slope = deep * _slope(deep * L)
    squares, descent = 0.0, 0.0
    for j in range(depths.shape[0] - 1):
        d = depths[j]
        curve = d / deep * np.exp(_log_mean_power(d * L) - whole)
        error = curve - share[j]
        squares += error * error
        descent += error * curve * (d * _slope(d * L) - whole_slope)
    return squares, descent


@kernel
def _fit_truncated(stocks, depths):  # type: ignore[no-untyped-def]
    n, m = stocks.shape
    scan = 16
    out = np.empty(n)
    share = np.empty(m)
    for i in range(n):
        low, high = np.inf, -np.inf
        for j in range(m - 1):
            share[j] = stocks[i, j] / stocks[i, m - 1]
            rest = stocks[i, m - 1] - stocks[i, j]
            alone = -np.inf
            if rest > 0.0:
                alone = _solve_ratio(stocks[i, j], rest, depths[j], depths[m - 1])
            alone = min(max(alone, -_SATURATED / depths[0]), _SATURATED / (depths[m - 1] - depths[m - 2]))
            low, high = min(low, alone), max(high, alone)
        best, lowest = 0, np.inf
        for k in range(scan + 1):
            squares = _descent(low + (high - low) * k / scan, share, depths)[0]
            if squares < lowest:
                best, lowest = k, squares
        a = low + (high - low) * max(best - 1, 0) / scan
        b = low + (high - low) * min(best + 1, scan) / scan
        out[i] = _zero(a, b, share, depths)
    return out


@kernel
def _zero(a, b, share, depths):  # type: ignore[no-untyped-def]
    """Where the derivative goes from below to above 0; one of the ends where it does not."""
    if _descent(a, share, depths)[1] >= 0.0:
        return a
    if _descent(b, share, depths)[1] <= 0.0:
        return b
    middle = 0.5 * (a + b)
    while a < middle < b:
        if _descent(middle, share, depths)[1] < 0.0:
            a = middle
        else:
            b = middle
        middle = 0.5 * (a + b)
    return middle


def _reasons(stocks: Floats, method: str, shallow: int, few: NDArray[np.bool_]) -> NDArray[np.str_]:
    """Why each profile cannot be fitted, empty where it can."""
    first, deep = stocks[:, shallow], stocks[:, -1]
    falling = (np.diff(stocks, axis=1) < 0).any(axis=1) | (deep <= first)
    if method == "log_linear":
        falling |= deep <= stocks[:, -2]
    return np.select(
        [few, np.isnan(stocks).any(axis=1), (first <= 0) | (deep <= 0), falling],
        ["too few layers", "not observed to depth", "stock not positive", "not increasing"],
        "",
    )


def _checked(
    depths_cm: ArrayLike,
    cumulative: ArrayLike,
    method: str,
    shallow_cm: float,
    deep_cm: float,
    n_layers: ArrayLike | None,
    min_layers: int,
) -> tuple[Floats, Floats, Floats]:
    """Depths, stocks and counts, or all that is wrong with them."""
    depths, stocks = np.asarray(depths_cm, dtype=np.float64), np.asarray(cumulative, dtype=np.float64)
    counts = np.full(stocks.shape[:1], np.inf) if n_layers is None else np.asarray(n_layers, dtype=np.float64)
    faults = []
    if method not in METHODS:
        faults.append(f"method: found {method!r}; expected one of {', '.join(METHODS)}")
    if depths.ndim != 1 or depths.size < 2 or not (np.diff(np.append(0.0, depths)) > 0).all() or not np.isfinite(depths).all():
        faults.append(f"depths_cm: found {depths.tolist()}; expected two or more, above 0 and ascending")
    if stocks.shape != (*stocks.shape[:1], depths.size) or stocks.ndim != 2:
        faults.append(f"cumulative: found shape {stocks.shape}; expected (n, {depths.size})")
    if counts.shape != stocks.shape[:1] or np.isnan(counts).any():
        faults.append(f"n_layers: found shape {counts.shape}, {int(np.isnan(counts).sum())} missing; expected one count for each profile")
    if not shallow_cm < deep_cm:
        faults.append(f"depths: found {shallow_cm:g} and {deep_cm:g} cm; expected shallow above deep")
    needed = (shallow_cm, deep_cm) if method == "ratio" else (deep_cm,)
    faults += [f"depths_cm: found no {depth:g} cm; expected it among them" for depth in needed if depth not in depths]
    if method != "ratio" and depths.size and depths.flat[0] >= deep_cm:
        faults.append(f"depths_cm: found none above {deep_cm:g} cm; expected one at least")
    infinite = int(np.isinf(stocks).sum())
    if infinite:
        faults.append(f"cumulative: found {infinite} infinite values; expected numbers, NaN where not observed")
    if not min_layers >= 1:
        faults.append(f"min_layers: found {min_layers}; expected 1 or more")
    if faults:
        raise TableError(faults)
    return depths, stocks, counts


def _need(table: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    """Refuse a table without these columns."""
    absent = [column for column in columns if column not in table]
    if absent:
        raise TableError([f"{name}: no column {column}; expected it" for column in absent])


def _logarithm(beta: ArrayLike, known: tuple[float, float], layers: ArrayLike, faults: list[str]) -> tuple[Floats, Floats, Floats]:
    """ln(beta), the known layer and those wanted (k, 2), or all that is wrong with them and was found before."""
    values, wanted = np.asarray(beta, dtype=np.float64), np.asarray(layers, dtype=np.float64)
    bad = int(((values <= 0) | np.isinf(values)).sum())
    if bad:
        faults.append(f"beta: found {bad} values not above 0 or infinite; expected above 0, NaN where there is none")
    if not 0 <= known[0] < known[1] < np.inf:
        faults.append(f"known layer: found {known[0]:g}-{known[1]:g} cm; expected 0 <= top < bottom")
    if wanted.ndim != 2 or wanted.shape[1] != 2:
        faults.append(f"layers: found shape {wanted.shape}; expected (k, 2), top and bottom in cm")
    else:
        wrong = [layer for layer in wanted if not 0 <= layer[0] <= layer[1] < np.inf]
        faults += [f"layers: found {top:g}-{bottom:g} cm; expected 0 <= top <= bottom" for top, bottom in wrong]
    if faults:
        raise TableError(faults)
    return np.log(values), np.asarray(known, dtype=np.float64), wanted


def _kind(*values: ArrayLike) -> np.dtype:
    """float32 where every array is (plain numbers do not count), else float64."""
    arrays = [np.asarray(value).dtype for value in values if not isinstance(value, (int, float)) or isinstance(value, np.floating)]
    return np.dtype(np.float32) if arrays and all(kind == np.float32 for kind in arrays) else np.dtype(np.float64)
