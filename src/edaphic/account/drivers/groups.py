"""Do classes differ at all: values by group, analysis of variance, Welch's, and a check of equal spread.

Values are taken as independent. Several layers of one profile are not, nor are the profiles of a cluster: give one value for each
profile, and trust no small p where profiles stand in clusters. A difference between classes is an association, not a cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution

from edaphic.errors import TableError

Array = NDArray[np.float64]
MOST_NAMED = 5
ROUNDING = 1e-12
"""Share of the largest value below which a spread is rounding, not variation."""


@dataclass(frozen=True)
class Groups:
    """Values by group.

    ``names``: in the order asked for, else of first appearance in the sorted names; ``values``: one array for each group, finite, not
    empty; ``notes``: what was left out and why.
    """

    names: tuple[str, ...]
    values: tuple[Array, ...]
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> Array:
        """Number of values of each group, shape (k,)."""
        return np.array([len(some) for some in self.values], dtype=np.float64)

    @property
    def means(self) -> Array:
        """Mean of each group, shape (k,)."""
        return np.array([float(some.mean()) for some in self.values])

    @property
    def variances(self) -> Array:
        """Variance of each group, with n - 1; NaN in groups of one. Shape (k,)."""
        return np.array([_variance(some) for some in self.values])

    @property
    def square_within(self) -> float:
        """Sum of the squares around the means of the groups."""
        return float(np.nansum(self.variances * (self.sizes - 1)))

    @property
    def freedom_within(self) -> int:
        """Values less groups."""
        return int(self.sizes.sum()) - len(self.names)


@dataclass(frozen=True)
class GroupTest:
    """One test over all groups.

    ``statistic``: F; ``freedom``: degrees of freedom between and within; ``eta2``, ``omega2``: share of the variance between groups, as
    it is in the sample and corrected for chance (NaN but for the analysis of variance); ``notes``.
    """

    name: str
    statistic: float
    freedom: tuple[float, float]
    p: float
    eta2: float = np.nan
    omega2: float = np.nan
    notes: tuple[str, ...] = ()


def gather(values: ArrayLike, groups: Iterable[object], order: Sequence[str] | None = None) -> Groups:
    """Values by group, with what cannot be used left out and told.

    Parameters
    ----------
    values : array_like (n,)
        Rows that are not finite are left out.
    groups : iterable (n,)
        Class of each value; rows without one (None, NaN, empty) are left out. Whole numbers as floats lose their ``.0``.
    order : sequence of str, optional
        Classes that are wanted, in their order. One without values is told; others than these are left out. Sorted names where left out.

    Returns
    -------
    Groups

    Raises
    ------
    TableError
        Lengths differ; a class stands twice in ``order``; fewer than two groups with values.

    Examples
    --------
    >>> found = gather([1.0, 2.0, np.nan, 4.0, 5.0], list("aaabb"))
    >>> found.names, found.means.tolist(), found.notes
    (('a', 'b'), [1.5, 4.5], ('values: 1 of 5 not finite, left out',))
    """
    numbers, labels = _numbers(values), [label_of(item) for item in np.asarray(pd.Series(list(groups)), dtype=object)]
    if numbers.ndim != 1 or len(labels) != len(numbers):
        raise TableError(f"groups: {len(labels)} names for values of shape {numbers.shape}; expected one for each value")
    if order is not None and len(set(order)) < len(order):
        raise TableError("groups: a class stands twice in the order; expected each once")
    notes = []
    bad = ~np.isfinite(numbers)
    if bad.any():
        notes.append(f"values: {bad.sum()} of {len(numbers)} not finite, left out")
    nameless = np.array([label == "" for label in labels], dtype=bool)
    if nameless.any():
        notes.append(f"groups: {nameless.sum()} of {len(numbers)} values without a class, left out")
    known = sorted({label for label in labels if label})
    names = known if order is None else [str(name) for name in order]
    if strange := [name for name in known if name not in names]:
        notes.append(f"groups: left out, as they are not in the order given: {_listed(strange)}")
    codes = np.array([names.index(label) if label in names else -1 for label in labels], dtype=np.int64)
    codes[bad] = -1
    parts = [numbers[codes == code] for code in range(len(names))]
    if empty := [name for name, part in zip(names, parts, strict=True) if not len(part)]:
        notes.append(f"groups: no values, left out: {_listed(empty)}")
    if single := [name for name, part in zip(names, parts, strict=True) if len(part) == 1]:
        notes.append(f"groups of one value, whose spread is not known: {_listed(single)}")
    if constant := [name for name, part in zip(names, parts, strict=True) if len(part) > 1 and _variance(part) == 0]:
        notes.append(f"groups whose values are all the same: {_listed(constant)}")
    kept = [(name, part) for name, part in zip(names, parts, strict=True) if len(part)]
    if len(kept) < 2:
        raise TableError(f"groups: {len(kept)} with values; expected at least two")
    return Groups(tuple(name for name, _ in kept), tuple(part for _, part in kept), tuple(notes))


def check_spread(groups: Groups, what: str) -> None:
    """Refuse groups that tell nothing of the spread within them.

    Raises
    ------
    TableError
        No group has two values, or no value differs from the mean of its group.
    """
    if groups.freedom_within < 1:
        raise TableError(f"{what}: every group has one value; expected at least one group with two or more")
    if groups.square_within == 0:
        raise TableError(f"{what}: no value differs from the others of its group; expected variation within at least one group")


def anova(groups: Groups) -> GroupTest:
    """One-way analysis of variance, which takes the spread to be the same in all groups.

    F = [sum n_i (m_i - m)^2 / (k - 1)] / [sum (x_ij - m_i)^2 / (N - k)]. Effect sizes: eta^2 = SS_between / SS_total, and omega^2 =
    (SS_between - (k - 1) MS_within) / (SS_total + MS_within) (Hays 1963, Statistics for Psychologists), which may be below zero.

    Raises
    ------
    TableError
        Nothing is known of the spread within groups (:func:`check_spread`).

    Examples
    --------
    Means 2 and 4 around 3: 6 between, 4 within on four degrees of freedom.

    >>> found = anova(gather([1.0, 2.0, 3.0, 3.0, 4.0, 5.0], list("aaabbb")))
    >>> found.statistic, found.freedom, round(found.eta2, 3), round(found.omega2, 4)
    (6.0, (1.0, 4.0), 0.6, 0.4545)
    """
    check_spread(groups, "analysis of variance")
    between, within, k = _square_between(groups), groups.square_within, len(groups.names)
    freedom = groups.freedom_within
    mean_square = within / freedom
    statistic = between / (k - 1) / mean_square
    return GroupTest(
        "one-way ANOVA", statistic, (k - 1.0, float(freedom)), float(f_distribution.sf(statistic, k - 1, freedom)),
        between / (between + within), (between - (k - 1) * mean_square) / (between + within + mean_square),
    )  # fmt: skip


def welch(groups: Groups) -> GroupTest:
    """Welch's analysis of variance, for groups of unequal spread.

    With w_i = n_i / s_i^2, W their sum, m the mean weighted by them and A = sum (1 - w_i / W)^2 / (n_i - 1): F = [sum w_i (m_i - m)^2 /
    (k - 1)] / [1 + 2 (k - 2) A / (k^2 - 1)] on k - 1 and (k^2 - 1) / (3 A) degrees of freedom (Welch 1951, Biometrika 38, 330-336).
    A group of one value, or of values that are all the same, has no weight of its own: it is left out, with a note; fewer than two
    others give NaN.

    Examples
    --------
    >>> found = welch(gather([1.0, 2.0, 3.0, 3.0, 4.0, 5.0], list("aaabbb")))
    >>> round(found.statistic, 6), [round(x, 6) for x in found.freedom]
    (6.0, [1.0, 4.0])
    """
    usable = groups.variances > 0
    notes = []
    if not usable.all():
        lost = [name for name, good in zip(groups.names, usable, strict=True) if not good]
        notes.append(f"Welch's ANOVA: without spread, left out: {_listed(lost)}")
    n, means, variances = groups.sizes[usable], groups.means[usable], groups.variances[usable]
    k = len(n)
    if k < 2:
        notes.append("Welch's ANOVA: fewer than two groups with spread, not computed")
        return GroupTest("Welch's ANOVA", np.nan, (np.nan, np.nan), np.nan, notes=tuple(notes))
    weight = n / variances
    share = weight / weight.sum()
    # From the first mean, so that a large level does not cost digits.
    apart = means - means[0]
    middle = float(share @ apart)
    slack = float(np.sum((1 - share) ** 2 / (n - 1)))
    statistic = float(weight @ (apart - middle) ** 2) / (k - 1) / (1 + 2 * (k - 2) * slack / (k**2 - 1))
    freedom = (k**2 - 1) / (3 * slack)
    p = float(f_distribution.sf(statistic, k - 1, freedom))
    return GroupTest("Welch's ANOVA", statistic, (k - 1.0, freedom), p, notes=tuple(notes))


def levene(groups: Groups, centre: Literal["median", "mean"] = "median") -> GroupTest:
    """Do the groups spread alike: an analysis of variance of the distances from the centre of each group.

    With the median it is the test of Brown and Forsythe (1974, Journal of the American Statistical Association 69, 364-367), which
    stands skewed values better than the mean of Levene (1960).

    Examples
    --------
    Distances 1, 0, 1 and 2, 0, 2: means 2/3 and 4/3.

    >>> found = levene(gather([1.0, 2.0, 3.0, 2.0, 4.0, 6.0], list("aaabbb")))
    >>> found.name, round(found.statistic, 6)
    ('Brown-Forsythe test', 0.8)
    """
    name = "Brown-Forsythe test" if centre == "median" else "Levene's test"
    middle = np.median if centre == "median" else np.mean
    away = Groups(groups.names, tuple(np.abs(part - middle(part)) for part in groups.values))
    if away.freedom_within < 1 or away.square_within == 0:
        note = f"{name}: distances from the centres do not vary within groups, not computed"
        return GroupTest(name, np.nan, (np.nan, np.nan), np.nan, notes=(note,))
    found = anova(away)
    return GroupTest(name, found.statistic, found.freedom, found.p)


def group_tests(groups: Groups) -> pd.DataFrame:
    """All tests over the groups.

    Returns
    -------
    DataFrame
        ``test``, ``statistic`` (F), ``df_between``, ``df_within``, ``p``, ``eta2``, ``omega2``, ``groups``, ``n``, ``notes``.
    """
    found = [anova(groups), welch(groups), levene(groups), levene(groups, "mean")]
    rows = [
        {
            "test": one.name, "statistic": one.statistic, "df_between": one.freedom[0], "df_within": one.freedom[1], "p": one.p,
            "eta2": one.eta2, "omega2": one.omega2, "groups": len(groups.names), "n": int(groups.sizes.sum()),
            "notes": "; ".join(one.notes),
        }
        for one in found
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _square_between(groups: Groups) -> float:
    means, sizes = groups.means, groups.sizes
    apart = means - means[0]
    middle = float(sizes @ apart / sizes.sum())
    return float(sizes @ (apart - middle) ** 2)


def _variance(values: Array) -> float:
    """Variance with n - 1; exactly 0 where values differ by rounding only, NaN for one value."""
    if len(values) < 2:
        return float("nan")
    if np.ptp(values) <= ROUNDING * np.abs(values).max():
        return 0.0
    return float(values.var(ddof=1))


def _numbers(values: ArrayLike) -> Array:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TableError("values: not all are numbers; expected numbers, NaN where there is none") from None


def label_of(item: object) -> str:
    """Name of a class: empty for none, whole numbers without a decimal point."""
    if item is None or item is pd.NA or (isinstance(item, float | np.floating) and not np.isfinite(item)):
        return ""
    if isinstance(item, float | np.floating) and float(item).is_integer():
        return str(int(item))
    return str(item).strip()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
