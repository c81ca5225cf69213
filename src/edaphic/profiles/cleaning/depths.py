"""Depths: of one horizon, and of the horizons of one profile against each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edaphic.profiles.cleaning.rules import requested, span, text
from edaphic.profiles.cleaning.worktable import Bools, Worktable

Floats = NDArray[np.float64]

# Depths such as 9.99999985 are 10 in the precision of the source that wrote them: below this no repair is worth a row.
NOISE_CM = 1e-4
# 9999 and -999 stand for "unknown" in many tables; no soil is described so far down or up.
LOWEST_CM, HIGHEST_CM = -500.0, 10000.0


def depths(work: Worktable, shift_organic: bool, last_thickness_cm: float | None) -> None:
    """Two depths for every horizon, the upper one first, none above the surface."""
    _in_range(work)
    upward = _upward(work)
    top, bottom = work.core["top_cm"], work.core["bottom_cm"]
    surface = _largest(work, ((top == 0) & ((bottom > 0) | bottom.isna())).to_numpy()) > 0
    raised = ((top <= 0) & (bottom <= 0) & (top != bottom)).to_numpy()
    work.core = work.core.assign(upward=upward, organic=upward | (raised & surface))
    _missing(work, last_thickness_cm)
    above = (work.core["organic"] | (work.core["top_cm"] < 0) | (work.core["bottom_cm"] < 0)).to_numpy()
    if shift_organic:
        # What would be moved below the range that is read is not moved.
        deep = _largest(work, work.core[["top_cm", "bottom_cm"]].to_numpy().max(axis=1)) > HIGHEST_CM + LOWEST_CM
        work.drop(above & (deep | ~work.core["organic"].to_numpy()), "above the surface")
        _shift(work)
    else:
        work.drop(above, "above the surface")
    ends = work.core[["top_cm", "bottom_cm"]].to_numpy()
    ordered = work.core.assign(top_cm=ends.min(axis=1), bottom_cm=ends.max(axis=1))
    work.note(work.core["top_cm"] > work.core["bottom_cm"], "reversed", span, ordered)
    work.core = ordered.drop(columns=["upward", "organic"])
    work.drop(work.core["top_cm"] == work.core["bottom_cm"], "zero thickness")


def without_end(work: Worktable) -> Bools:
    """Profiles (by number) with a horizon whose depth is not known: where they end is not known either."""
    ends = work.core[["top_cm", "bottom_cm"]].to_numpy()
    unknown = ~((ends >= LOWEST_CM) & (ends <= HIGHEST_CM)).all(axis=1)
    found = np.zeros(len(work.labels), dtype=np.bool_)
    found[work.core["profile"].to_numpy()[unknown]] = True
    return found


def rock(work: Worktable, endless: Bools) -> None:
    """Depth of rock of profiles that end on it: below their last horizon, be it one that cannot be used for its values."""
    if "below" not in work:
        return
    if "rock_depth_cm" not in work:
        work.full["rock_depth_cm"] = np.nan
    profile = work.core["profile"].to_numpy()
    ends = (work.values("below") == "rock").to_numpy() & np.isnan(work.values("rock_depth_cm").to_numpy(dtype=np.float64))
    unknown = ends & endless[profile]
    heads = work.heads(unknown)
    work.note(heads, "rock below a horizon without depth")
    work.put("below", work.core.index[unknown], np.full(int(unknown.sum()), "", dtype=object))
    known = ends & ~unknown
    work.put("rock_depth_cm", work.core.index[known], _largest(work, work.core["bottom_cm"].to_numpy())[known])


def rock_within(work: Worktable) -> None:
    """Depths of rock above the end of the horizons that have a value: these are soil. One without may be the rock itself."""
    if "rock_depth_cm" not in work:
        return
    stated = work.values("rock_depth_cm").to_numpy(dtype=np.float64)
    deepest = _largest(work, work.core["bottom_cm"].to_numpy())
    within = stated < deepest
    heads = work.heads(within)
    before, after = ([f"rock_depth_cm {text(float(depth))}" for depth in depths[heads]] for depths in (stated, deepest))
    work.write(work.core[heads], "rock depth above the end of the horizons", before, after)
    work.put("rock_depth_cm", work.core.index[within], deepest[within])


def _largest(work: Worktable, values: Bools | Floats) -> Floats:
    """Largest known value of each profile, for every horizon; -inf where none is known."""
    profile = work.core["profile"].to_numpy()
    largest = np.full(len(work.labels), -np.inf)
    np.maximum.at(largest, profile, np.where(np.isnan(values), -np.inf, values))
    return np.asarray(largest[profile])


def _in_range(work: Worktable) -> None:
    """Codes for unknown depths out, depths in steps of 0.01 cm."""
    ends = work.core[["top_cm", "bottom_cm"]].to_numpy()
    beyond = (ends < LOWEST_CM) | (ends > HIGHEST_CM)
    known = np.where(beyond, np.nan, ends)
    after = work.core.assign(top_cm=known[:, 0], bottom_cm=known[:, 1])
    work.note(beyond.any(axis=1), "depth outside -500 to 10000 cm", span, after)
    work.core = after
    # Adding 0 makes -0 a 0.
    rounded = np.round(known, 2) + 0.0
    after = work.core.assign(top_cm=rounded[:, 0], bottom_cm=rounded[:, 1])
    work.note((np.abs(rounded - known) > NOISE_CM).any(axis=1), "depth finer than 0.01 cm", span, after)
    work.core = after


def _upward(work: Worktable) -> Bools:
    """Horizons counted upwards from the mineral soil: 5-0 above 0-10, or 3-0 and 8-3.

    A horizon written upside down is told from them by two signs: the profile has another horizon that starts at 0 and goes
    down, and horizons written upside down reach from 0 to this one without a gap. So 5-0 alone is 0-5, and 60-50 below 0-50
    is 50-60.
    """
    top, bottom, profile = (work.core[name].to_numpy() for name in ("top_cm", "bottom_cm", "profile"))
    found = np.zeros(len(top), dtype=np.bool_)
    turned = (top > bottom) & (bottom >= 0)
    if turned.any():
        down = (top == 0) & ((bottom > 0) | np.isnan(bottom))
        rows = np.flatnonzero(turned & (_largest(work, down) > 0))
        rows = rows[np.lexsort((top[rows], bottom[rows], profile[rows]))]
        stack = pd.DataFrame({"profile": profile[rows], "top": top[rows], "bottom": bottom[rows]})
        reach = stack.groupby("profile")["top"].cummax().groupby(stack["profile"]).shift(fill_value=0.0)
        broken = (stack["bottom"] > reach).groupby(stack["profile"]).cummax()
        found[rows[~broken.to_numpy(dtype=np.bool_)]] = True
    return found


def _missing(work: Worktable, last_thickness_cm: float | None) -> None:
    """Horizons without one of the depths: the last one, the first one, any other."""
    top, bottom = work.core["top_cm"].to_numpy(), work.core["bottom_cm"].to_numpy()
    if not (np.isnan(top) | np.isnan(bottom)).any():
        return
    mineral = ~work.core["organic"].to_numpy()
    deepest = _largest(work, np.where(mineral, np.fmax(top, bottom), np.nan))
    highest = -_largest(work, np.where(mineral, -np.fmin(top, bottom), np.nan))
    last = np.isnan(bottom) & (top >= 0) & (top == deepest)
    first = np.isnan(top) & (bottom > 0) & (bottom == highest)
    fault = "last lower depth missing"
    if last_thickness_cm is None:
        lost = last
        work.note(last, fault)
    else:
        lost = np.zeros(len(last), dtype=np.bool_)
        bottom = np.where(last, np.minimum(np.round(top + last_thickness_cm, 2), HIGHEST_CM), bottom)
        after = work.core.assign(bottom_cm=bottom)
        work.note(last, fault, span, after, requested(fault))
        work.core = after
    work.note(first, "first upper depth missing")
    other = (np.isnan(top) | np.isnan(bottom)) & ~last & ~first
    work.note(other, "depth missing")
    work.core = work.core[~(lost | first | other)]


def _shift(work: Worktable) -> None:
    """Move profiles with an organic layer on top down by its height: its top is 0 then."""
    top, bottom = work.core["top_cm"].to_numpy(), work.core["bottom_cm"].to_numpy()
    organic, upward = work.core["organic"].to_numpy(), work.core["upward"].to_numpy()
    if not organic.any():
        return
    upper = np.where(upward, -np.maximum(top, bottom), np.minimum(top, bottom))
    height = _largest(work, np.where(organic, -upper, 0.0))
    lower = np.where(upward, -np.minimum(top, bottom), np.maximum(top, bottom))
    # Only organic horizons are put upright here: a reversed one below is a fault of its own.
    moved = np.round(np.column_stack([np.where(organic, upper, top), np.where(organic, lower, bottom)]) + height[:, None], 2)
    after = work.core.assign(top_cm=moved[:, 0], bottom_cm=moved[:, 1])
    fault = "above the surface"
    work.note(height > 0, fault, span, after, requested(fault))
    if "rock_depth_cm" in work:
        rock = work.values("rock_depth_cm").to_numpy()
        deeper = (height > 0) & ~np.isnan(rock)
        heads = work.heads(deeper)
        work.write(
            work.core[heads],
            fault,
            [f"rock_depth_cm {text(float(depth))}" for depth in rock[heads]],
            [f"rock_depth_cm {text(float(depth))}" for depth in (rock + height)[heads]],
            requested(fault),
        )
        work.put("rock_depth_cm", work.core.index[deeper], (rock + height)[deeper])
    work.core = after


def stack(work: Worktable) -> None:
    """What lies in another horizon goes, what overlaps is cut, what is left between stays open."""
    top, bottom, profile = (work.core[name].to_numpy() for name in ("top_cm", "bottom_cm", "profile"))
    # Of two that start together the thicker comes first, so that the inner one is found behind the outer one.
    order = np.lexsort((-bottom, top, profile))
    work.core = work.core.iloc[order]
    reach = _above(work, work.core.groupby("profile")["bottom_cm"].cummax().to_numpy())
    work.drop(work.core["bottom_cm"].to_numpy() <= reach, "nested")
    top, bottom = work.core["top_cm"].to_numpy(), work.core["bottom_cm"].to_numpy()
    above = _above(work, bottom)
    overlap = top < above
    moved = work.core.assign(top_cm=np.where(overlap, above, top))
    work.note(overlap, "overlap", span, moved)
    if "soc_stock_kg_m2" in work and overlap.any():
        share = (bottom - above)[overlap] / (bottom - top)[overlap]
        work.put("soc_stock_kg_m2", work.core.index[overlap], work.values("soc_stock_kg_m2").to_numpy()[overlap] * share)
    gap = moved["top_cm"].to_numpy() > above
    between = moved[gap].assign(top_cm=above[gap], bottom_cm=moved["top_cm"][gap])
    work.write(between, "gap", span(between))
    work.core = moved


def _above(work: Worktable, values: Floats) -> Floats:
    """Value of the horizon above in the same profile, NaN for the first."""
    profile = work.core["profile"].to_numpy()
    before = np.full(len(values), np.nan)
    before[1:] = np.where(profile[1:] == profile[:-1], values[:-1], np.nan)
    return before
