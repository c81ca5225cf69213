"""Which classes differ: Duncan's new multiple range test, Tukey and Kramer's, Games and Howell's, each with letters.

Duncan's test keeps the error rate of single pairs, not of the family: with many groups it finds differences where there are none (at 5 %
and ten equal groups, in more than a third of all studies). It is here because published tables use it; Tukey's holds the rate for the
family, and Games and Howell's where groups spread unequally.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import studentized_range

from edaphic.account.drivers.groups import Array, Groups, check_spread
from edaphic.account.drivers.letters import compact_letters, descending, run_letters
from edaphic.errors import TableError

Sizes = Literal["agricolae", "kramer"]
Rule = Literal["pairwise", "protected", "runs"]
DIGITS = 12


@dataclass(frozen=True)
class Comparison:
    """What a multiple comparison says.

    ``groups``: from the largest mean, ``group``, ``n``, ``mean``, ``sd``, ``letters``. ``pairs``: ``group_a`` (of the larger mean),
    ``group_b``, ``difference``, ``se`` (of the range: root of the variance of a mean), ``span`` (means in the range, Duncan only),
    ``q``, ``df``, ``p``, ``low``, ``high``, ``differs``. ``ranges`` (Duncan only): ``span``, ``quantile``, and with one standard error
    for all pairs ``range``. ``notes``: what was assumed.
    """

    name: str
    alpha: float
    groups: pd.DataFrame
    pairs: pd.DataFrame
    ranges: pd.DataFrame
    notes: tuple[str, ...]


def duncan(groups: Groups, alpha: float = 0.05, *, sizes: Sizes = "agricolae", rule: Rule = "pairwise") -> Comparison:
    """Duncan's new multiple range test (Duncan, D. B. 1955, Multiple range and multiple F tests, Biometrics 11, 1-42).

    A pair whose means are the ends of a range of r ranked means has q = difference / s, and differs where q is at or above the quantile
    of the studentized range of r means at probability (1 - alpha)^(r - 1); so its p is 1 - P(q; r, df)^(1 / (r - 1)).

    Parameters
    ----------
    groups : Groups
    alpha : float
        Between 0 and 1.
    sizes : {"agricolae", "kramer"}
        With unequal groups: s = sqrt(MS / h) with h the harmonic mean of the sizes of all groups, as R's agricolae does; or the pair's own
        sqrt(MS / 2 (1 / n_a + 1 / n_b)) (Kramer 1956, Biometrics 12, 307-310).
    rule : {"pairwise", "protected", "runs"}
        A narrow range may pass its quantile while a wider one around it does not pass its larger one. "pairwise": each pair by its own p,
        and the letters tell just that. "protected": nothing inside a range that does not differ differs, which is what Duncan wrote; p
        stays that of the pair alone. "runs": decisions as pairwise, letters by runs down the ranked means as agricolae prints them. The
        three are the same where no such pair is; where there is one, a note names it.

    Returns
    -------
    Comparison

    Raises
    ------
    TableError
        No spread within groups; alpha, sizes or rule unknown.

    Notes
    -----
    agricolae rounds p to four digits before it compares it with alpha. Here p is not rounded, so a pair with p of 0.05004 does not differ
    at 0.05. A p exactly at alpha differs.

    Examples
    --------
    With two groups it is the t test.

    >>> from edaphic.account.drivers.groups import gather
    >>> found = duncan(gather([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], list("aaabbb")))
    >>> found.groups[["group", "letters"]].to_numpy().tolist(), round(float(found.pairs["p"][0]), 4)
    ([['b', 'a'], ['a', 'b']], 0.0213)
    """
    _check(groups, alpha, "Duncan's test")
    if sizes not in ("agricolae", "kramer"):
        raise TableError(f"Duncan's test: sizes {sizes!r}; expected agricolae or kramer")
    if rule not in ("pairwise", "protected", "runs"):
        raise TableError(f"Duncan's test: rule {rule!r}; expected pairwise, protected or runs")
    freedom, square = float(groups.freedom_within), groups.square_within / groups.freedom_within
    order = descending(groups.means)
    equal = np.ptp(groups.sizes) == 0
    harmonic = len(groups.names) / float(np.sum(1 / groups.sizes))
    quantiles = {span: duncan_quantile(span, freedom, alpha) for span in range(2, len(order) + 1)}
    rows = []
    for i, j in combinations(range(len(order)), 2):
        a, b = order[i], order[j]
        error = np.sqrt(square / harmonic) if sizes == "agricolae" or equal else _kramer(groups, square, a, b)
        apart, span = float(groups.means[a] - groups.means[b]), j - i + 1
        q = apart / error
        p = duncan_p(q, span, freedom)
        rows.append(_row(groups, a, b, error, q, freedom, p, quantiles[span] * error, p <= alpha, span))
    pairs = pd.DataFrame(rows)
    notes = list(groups.notes)
    if not equal:
        own = f"one standard error for all pairs, from the harmonic mean of all sizes ({harmonic:.6g})"
        notes.append(f"Duncan's test: groups of unequal size; {own if sizes == 'agricolae' else 'standard errors of Kramer for each pair'}")
    pairs["differs"], odd = _protected(pairs, order, groups, keep=rule != "protected")
    if odd:
        notes.append(f"Duncan's test: {odd} inside a wider range that does not; {_RULE_WORDS[rule]}")
    ranges = pd.DataFrame({"span": list(quantiles), "quantile": list(quantiles.values())})
    if sizes == "agricolae" or equal:
        ranges["range"] = ranges["quantile"] * np.sqrt(square / harmonic)
    return _comparison(f"Duncan's test ({sizes})" if not equal else "Duncan's test", alpha, groups, pairs, ranges, notes, rule == "runs")


def tukey_kramer(groups: Groups, alpha: float = 0.05) -> Comparison:
    """Tukey's honestly significant difference, with Kramer's standard errors for unequal groups.

    q = difference / sqrt(MS / 2 (1 / n_a + 1 / n_b)), against the studentized range of all k means (Tukey 1953; Kramer 1956, Biometrics
    12, 307-310; conservative for unequal groups: Hayter 1984, Annals of Statistics 12, 61-75).

    Raises
    ------
    TableError
        As for :func:`duncan`.
    """
    _check(groups, alpha, "Tukey's test")
    freedom, square, k = float(groups.freedom_within), groups.square_within / groups.freedom_within, len(groups.names)
    limit = _quantile(1 - alpha, k, freedom)
    rows = []
    for a, b in _descending_pairs(groups):
        error = _kramer(groups, square, a, b)
        q = float(groups.means[a] - groups.means[b]) / error
        p = _beyond(q, k, freedom)
        rows.append(_row(groups, a, b, error, q, freedom, p, limit * error, p <= alpha))
    return _comparison("Tukey-Kramer test", alpha, groups, pd.DataFrame(rows), pd.DataFrame(), list(groups.notes))


def games_howell(groups: Groups, alpha: float = 0.05) -> Comparison:
    """Games and Howell's test, for groups that spread unequally.

    q = difference / sqrt((s_a^2 / n_a + s_b^2 / n_b) / 2) against the studentized range of all k means, with the degrees of freedom of
    Welch for each pair (Games and Howell 1976, Journal of Educational Statistics 1, 113-125). A pair of which one group has a single
    value has no p, and no difference is claimed; so has a pair in which neither group varies. With fewer than five or six values in a
    group it is too liberal; a note says so.

    Raises
    ------
    TableError
        As for :func:`duncan`.
    """
    _check(groups, alpha, "Games-Howell test")
    notes, rows, k = list(groups.notes), [], len(groups.names)
    n, variance = groups.sizes, groups.variances
    small = [name for name, size in zip(groups.names, n, strict=True) if 1 < size < 6]
    if small:
        notes.append(f"Games-Howell test: fewer than six values, p too small: {', '.join(small)}")
    blind = 0
    for a, b in _descending_pairs(groups):
        parts = np.array([variance[a] / n[a], variance[b] / n[b]])
        total = float(parts.sum())
        if not total > 0:
            blind += 1
            rows.append(_row(groups, a, b, np.nan, np.nan, np.nan, np.nan, np.nan, False))
            continue
        own = [part**2 / (size - 1) for part, size in zip(parts, (n[a], n[b]), strict=True) if part > 0]
        freedom, error = total**2 / float(np.sum(own)), np.sqrt(total / 2)
        q = float(groups.means[a] - groups.means[b]) / error
        p = _beyond(q, k, freedom)
        rows.append(_row(groups, a, b, error, q, freedom, p, _quantile(1 - alpha, k, freedom) * error, p <= alpha))
    if blind:
        notes.append(f"Games-Howell test: {blind} pairs without a known spread, not tested; no difference is claimed for them")
    return _comparison("Games-Howell test", alpha, groups, pd.DataFrame(rows), pd.DataFrame(), notes)


def duncan_quantile(span: int, freedom: float, alpha: float) -> float:
    """Quantile of the studentized range of so many means at probability (1 - alpha)^(span - 1).

    >>> round(duncan_quantile(2, 10, 0.05), 3), round(duncan_quantile(3, 10, 0.05), 3)
    (3.151, 3.293)
    """
    # Written so that a small alpha keeps its digits.
    return _quantile(float(np.exp((span - 1) * np.log1p(-alpha))), span, freedom)


def duncan_p(q: float, span: int, freedom: float) -> float:
    """The alpha at which a range of so many means is just found to differ: 1 - P(q)^(1 / (span - 1))."""
    beyond = _beyond(q, span, freedom)
    return 1.0 if beyond >= 1 else float(-np.expm1(np.log1p(-beyond) / (span - 1)))


@lru_cache(maxsize=4096)
def _quantile(probability: float, count: int, freedom: float) -> float:
    return float(studentized_range.ppf(probability, count, freedom))


@lru_cache(maxsize=16384)
def _upper(q: float, count: int, freedom: float) -> float:
    return float(min(max(studentized_range.sf(q, count, freedom), 0.0), 1.0))


def _beyond(q: float, count: int, freedom: float) -> float:
    """Probability of a larger range; q is cut to twelve digits so that equal pairs are worked out once."""
    return 1.0 if q <= 0 else _upper(float(f"{q:.{DIGITS}g}"), count, freedom)


_RULE_WORDS = {
    "pairwise": "each pair is judged by its own p",
    "protected": "they are not taken as different, as Duncan (1955) has it",
    "runs": "letters by runs do not tell them all",
}


def _protected(pairs: pd.DataFrame, order: NDArray[np.intp], groups: Groups, *, keep: bool) -> tuple[NDArray[np.bool_], str]:
    """Decisions, kept or with those inside a range that does not differ taken back; and words on the pairs concerned."""
    place = {groups.names[g]: i for i, g in enumerate(order)}
    own = pairs["differs"].to_numpy(dtype=bool)
    ends = [(place[a], place[b]) for a, b in zip(pairs["group_a"], pairs["group_b"], strict=True)]
    same = [end for end, found in zip(ends, own, strict=True) if not found]
    inside = np.array([any(i <= a and b <= j for i, j in same) for a, b in ends], dtype=bool) & own
    names = [f"{a} and {b}" for a, b, odd in zip(pairs["group_a"], pairs["group_b"], inside, strict=True) if odd]
    words = f"{len(names)} pairs differ ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})" if names else ""
    return own if keep else own & ~inside, words


def _check(groups: Groups, alpha: float, what: str) -> None:
    if not 0 < alpha < 1:
        raise TableError(f"{what}: alpha {alpha:g}; expected a number between 0 and 1")
    check_spread(groups, what)


def _kramer(groups: Groups, square: float, a: int, b: int) -> float:
    return float(np.sqrt(square / 2 * (1 / groups.sizes[a] + 1 / groups.sizes[b])))


def _descending_pairs(groups: Groups) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in combinations(descending(groups.means), 2)]


def _row(
    groups: Groups, a: int, b: int, error: float, q: float, freedom: float, p: float, margin: float, differs: bool, span: int | None = None
) -> dict[str, object]:
    apart = float(groups.means[a] - groups.means[b])
    row: dict[str, object] = {"group_a": groups.names[a], "group_b": groups.names[b], "difference": apart, "se": float(error)}
    row |= {} if span is None else {"span": span}
    return row | {"q": q, "df": freedom, "p": p, "low": apart - margin, "high": apart + margin, "differs": bool(differs)}


def _comparison(
    name: str, alpha: float, groups: Groups, pairs: pd.DataFrame, ranges: pd.DataFrame, notes: list[str], runs: bool = False
) -> Comparison:
    place = {group: i for i, group in enumerate(groups.names)}
    apart = np.zeros((len(place), len(place)), dtype=bool)
    for a, b, differs in zip(pairs["group_a"], pairs["group_b"], pairs["differs"], strict=True):
        apart[place[a], place[b]] = apart[place[b], place[a]] = differs
    means: Array = groups.means
    letters = (run_letters if runs else compact_letters)(means, apart)
    order = descending(means)
    table = pd.DataFrame(
        {
            "group": [groups.names[i] for i in order],
            "n": groups.sizes[order].astype(np.int64),
            "mean": means[order],
            "sd": np.sqrt(groups.variances[order]),
            "letters": [letters[i] for i in order],
        }
    )
    return Comparison(name, alpha, table, pairs, ranges, tuple(notes))
