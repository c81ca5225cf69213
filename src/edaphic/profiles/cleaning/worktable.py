"""The table that the repairs work on: few columns of numbers, profiles as whole numbers, and the log.

A repair touches depths, places and years often and the other columns seldom. So the former are kept apart (``core``) and
the latter are taken along once, at the end: a table of a million horizons is not copied for each rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edaphic.errors import TableError
from edaphic.profiles.cleaning.rules import concat_repairs, repair_rows, span

REQUIRED = ("profile_id", "lon", "lat", "top_cm", "bottom_cm", "soc_g_kg")
COLUMNS = (
    "profile_id", "lon", "lat", "year", "top_cm", "bottom_cm", "soc_g_kg", "bulk_density_g_cm3",
    "coarse_fragments_vol_pct", "source", "row",
)  # fmt: skip
OPTIONAL_NUMBERS = (
    "clay_pct", "silt_pct", "sand_pct", "ph_h2o", "total_n_g_kg", "coarse_fragments_mass_pct", "bulk_density_reported_g_cm3",
    "soc_stock_kg_m2", "position_error_m", "weight", "rock_depth_cm",
)  # fmt: skip
OPTIONAL_TEXTS = ("bulk_density_basis", "coarse_fragments_class", "soc_method", "below")
OPTIONAL = (*OPTIONAL_NUMBERS, *OPTIONAL_TEXTS)

CORE = ("row", "lon", "lat", "year", "top_cm", "bottom_cm", "soc_g_kg")

Bools = NDArray[np.bool_]
Codes = NDArray[np.int64]
Describe = Callable[[pd.DataFrame], Sequence[object]]


class Worktable:
    """A horizon table under repair.

    Attributes
    ----------
    core : DataFrame
        Horizons still there: :data:`CORE`, ``profile`` (number of the profile) and ``origin`` (number of the source). The
        index is the place in ``full``.
    full : DataFrame
        All columns of all horizons, by source and row.
    labels : ndarray of str
        Label of each profile number.
    """

    def __init__(self, horizons: pd.DataFrame) -> None:
        self.full = _canonical(horizons)
        profile, labels = pd.factorize(self.full["profile_id"])
        origin, sources = pd.factorize(self.full["source"])
        self.core = self.full[list(CORE)].assign(profile=profile.astype(np.int64), origin=origin.astype(np.int64))
        self.labels = np.asarray(labels, dtype=object)
        self.sources = np.asarray(sources, dtype=object)
        self._log: list[pd.DataFrame] = []

    def __contains__(self, name: str) -> bool:
        return name in self.full

    def values(self, name: str) -> pd.Series:
        """A column of the horizons still there."""
        return self.core[name] if name in self.core else self.full[name].take(self.core.index.to_numpy())

    def put(self, name: str, rows: pd.Index, values: ArrayLike) -> None:
        """Write values of some horizons."""
        if name in self.core:
            self.core.loc[rows, name] = np.asarray(values)
        elif pd.api.types.is_numeric_dtype(self.full[name]):
            numbers = self.full[name].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
            numbers[rows] = np.asarray(values, dtype=np.float64)
            self.full[name] = numbers
        else:
            self.full.loc[rows, name] = np.asarray(values, dtype=object)

    def first(self, known: Bools) -> Codes:
        """Number of the first row of ``core`` in each profile that is ``known``, -1 where there is none."""
        found = np.full(len(self.labels), -1, dtype=np.int64)
        rows = np.flatnonzero(known)[::-1]
        # The last of several assignments to one place counts: from the end on, that is the first row.
        found[self.core["profile"].to_numpy()[rows]] = rows
        return found

    def heads(self, bad: Bools) -> Bools:
        """The first bad row of each profile."""
        first = self.first(bad)
        heads = np.zeros(len(bad), dtype=np.bool_)
        heads[first[first >= 0]] = True
        return heads

    def note(self, bad: ArrayLike, fault: str, told: Describe = span, after: pd.DataFrame | None = None, action: str | None = None) -> None:
        """One row of the log for each horizon that is ``bad``, as ``told`` describes it.

        ``after`` is ``core`` as repaired, with the same rows.
        """
        chosen = np.asarray(bad, dtype=np.bool_)
        if chosen.any():
            rows = self.core[chosen]
            changed = None if after is None else told(after[chosen])
            self.write(rows, fault, told(rows), changed, action)

    def write(
        self,
        rows: pd.DataFrame,
        fault: str,
        before: Sequence[object] | None,
        after: Sequence[object] | None = None,
        action: str | None = None,
    ) -> None:
        """Rows of the log in words of the caller."""
        if len(rows):
            named = pd.DataFrame({"profile_id": self.labels[rows["profile"]], "row": rows["row"].to_numpy()})
            self._log.append(repair_rows(named, fault, before, after, action=action))

    def drop(self, bad: ArrayLike, fault: str, told: Describe = span) -> None:
        """Note the bad horizons and leave them out."""
        chosen = np.asarray(bad, dtype=np.bool_)
        if chosen.any():
            self.note(chosen, fault, told)
            self.core = self.core[~chosen]

    def rename(self, apart: Codes, several: Bools, label: Callable[[pd.DataFrame], list[str]], fault: str) -> None:
        """Part profiles into one for each value of ``apart`` where there are ``several``; ``label`` makes the new names."""
        if not several.any():
            return
        profile = self.core["profile"].to_numpy()
        pairs = np.where(several, (profile + 1) * (apart.max() + 1) + apart, -profile - 1)
        new, first = _numbered(pairs)
        heads = self.core.iloc[first]
        labels = self.labels[heads["profile"]].copy()
        renamed = several[first]
        labels[renamed] = label(heads[renamed])
        taken = pd.Series(labels)[pd.Series(labels).duplicated()]
        if len(taken):
            raise TableError(
                [f"horizon table: profile_id {name!r} stands for two profiles ({fault}); expected another label" for name in taken]
            )
        self.write(heads[renamed], fault, self.labels[heads["profile"][renamed]].tolist(), labels[renamed].tolist())
        self.core, self.labels = self.core.assign(profile=new), labels

    def result(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Horizons by profile in the order of their first rows, then by depth; and the log."""
        rank = np.full(len(self.labels), len(self.full), dtype=np.int64)
        np.minimum.at(rank, self.core["profile"].to_numpy(), self.core.index.to_numpy())
        order = np.lexsort((self.core["top_cm"].to_numpy(), rank[self.core["profile"]]))
        core = self.core.iloc[order]
        ids = pd.array(self.labels, dtype="str").take(core["profile"].to_numpy())
        rest = self.full.drop(columns=["profile_id", *CORE]).take(core.index.to_numpy())
        table = rest.assign(profile_id=ids, **{name: core[name] for name in CORE}).reset_index(drop=True)
        return table[list(self.full.columns)], concat_repairs(self._log)


def _numbered(keys: Codes) -> tuple[Codes, Codes]:
    """Number of each key by first appearance, and the rows where keys first appear."""
    codes = pd.factorize(keys)[0].astype(np.int64)
    first = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return codes, first


def _canonical(horizons: pd.DataFrame) -> pd.DataFrame:
    """Table with every canonical column, typed, sorted by source and row."""
    required = [name for name in REQUIRED if name != "soc_g_kg" or "soc_stock_kg_m2" not in horizons]
    missing = [name for name in required if name not in horizons.columns]
    if missing:
        raise TableError(
            f"horizon table: no column {', '.join(missing)}; expected {', '.join(REQUIRED)} beside "
            f"{', '.join(map(str, horizons.columns[:20]))}"
        )
    table = horizons.reset_index(drop=True)
    if "row" not in table:
        table["row"] = np.arange(1, len(table) + 1)
    if "source" not in table:
        table["source"] = ""
    faults = [fault for name in (*COLUMNS, *OPTIONAL_NUMBERS) if (fault := _typed(table, name))]
    if not pd.api.types.is_numeric_dtype(table["row"]) or table["row"].isna().any():
        faults.append("horizon table: column row has text or missing values; expected the number of the source row")
    if faults:
        raise TableError(faults)
    table["row"] = table["row"].astype("int64")
    table["profile_id"] = table["profile_id"].astype("str")
    for name in ("source", *OPTIONAL_TEXTS):
        if name in table:
            table[name] = table[name].astype("str").fillna("")
    rest = [name for name in table.columns if name not in COLUMNS]
    return _sorted(table[[*COLUMNS, *rest]])


def _typed(table: pd.DataFrame, name: str) -> str:
    """Make a column of numbers one; a fault where it holds text."""
    if name in ("profile_id", "source", "row"):
        return ""
    if name not in table:
        if name in COLUMNS:
            table[name] = np.nan
        return ""
    try:
        table[name] = table[name].astype("float64")
    except (TypeError, ValueError):
        return f"horizon table: column {name} holds text; expected numbers"
    return ""


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """By source and row; several horizons of one row (a wide table has them) by label, depths and all else."""
    origin = pd.factorize(table["source"], sort=True)[0]
    row = table["row"].to_numpy()
    order = np.lexsort((row, origin))
    again = (np.diff(origin[order]) == 0) & (np.diff(row[order]) == 0)
    if again.any():
        keys = dict.fromkeys(["source", "row", "profile_id", "top_cm", "bottom_cm", *COLUMNS, *OPTIONAL])
        return table.sort_values([name for name in keys if name in table], kind="stable").reset_index(drop=True)
    if (np.diff(order) == 1).all():
        return table
    return table.take(order).reset_index(drop=True)
