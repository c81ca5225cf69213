"""What the numbers of a run do not say, in plain words, drawn from the facts of that run."""

from __future__ import annotations

from collections.abc import Iterable

from edaphic.report.budget import PART_WORDS, largest_part
from edaphic.report.choosing import beaten_by, derived, zones_beaten
from edaphic.report.density import assumed_share, density_error, estimated_share, organic_choices
from edaphic.report.designs import calibrated_by, design_name, designs_of, headline_of, lead_of, speaks_for_map
from edaphic.report.evidence import notes
from edaphic.report.facts import (
    Target,
    calibration,
    counted,
    depth_words,
    has_bounds,
    interval_of,
    metric,
    only_inside,
    outside_box,
    share_inside,
    without_covariates,
)
from edaphic.report.folder import RunFolder
from edaphic.report.words import count, fixed, is_known, layer_text, listing, number, percent, plural

_SMALL_GAP = 0.03
_SMALL_WIDENING = 0.02
_MANY_UNREACHED = 0.25
_SMALL_CHOICE = 0.01


def limits(run: RunFolder, target: Target) -> list[str]:
    """Sentences on the limits, only those that the run's files support.

    Parameters
    ----------
    run : RunFolder
    target : Target

    Returns
    -------
    list of str
    """
    parts: tuple[Iterable[str], ...] = (
        _totals(run),
        _support(run),
        _transfer(run),
        _calibrated_by(run),
        _selection(run),
        _derived(run),
        _beaten(run),
        _zones(run),
        _applicability(run),
        _observed_in_part(run),
        _density(run, target),
        _budget(run, target),
        _organic(run, target),
        _time(run),
        _dropped(run),
        _references(run),
        _depth(run),
        notes(run),
    )
    return [sentence for part in parts for sentence in part]


def _totals(run: RunFolder) -> Iterable[str]:
    rows = run.table("stocks")
    if rows is not None and "modelled_low_Tg" in rows and rows["modelled_low_Tg"].notna().any():
        yield (
            "The interval of a total holds errors that are alike nearby, of soils and of the trend. Errors that all profiles share (a "
            "laboratory method, the bulk density rule) are not in it."
        )
    elif has_bounds(run):
        yield (
            "The two bounds of a total are limiting cases, not a modelled error: how far errors of neighbouring cells "
            "go together was not modelled. Errors that all profiles share (a laboratory method, the bulk density rule) "
            "are in neither."
        )


def _support(run: RunFolder) -> Iterable[str]:
    if any(stat.startswith("q") for layer in run.maps for stat in layer.paths):
        yield (
            f"The {percent(interval_of(run))} intervals of the maps hold for a single profile dug in a cell, not for "
            "the mean of the cell, which varies less."
        )


def _transfer(run: RunFolder) -> Iterable[str]:
    by_profile, by_block = metric(run, "profile", "mec"), metric(run, "block", "mec")
    if not (is_known(by_profile) and is_known(by_block)):
        names = [design_name(name) for name in designs_of(run, "metrics")]
        if len(names) == 1:
            yield f"The evidence rests on one kind of hold-out ({names[0]}); under another it could be better or worse."
        return
    gap, both = by_profile - by_block, f"{fixed(by_block)} against {fixed(by_profile)}"
    if gap > _SMALL_GAP:
        yield (
            f"Held-out blocks of land are predicted worse than held-out profiles (MEC {both}): part of the profile "
            f"figure is owed to near neighbours. {_far(run, by_block)}"
        )
    else:
        how = "better than" if gap < -_SMALL_GAP else "about as well as"
        yield (
            f"Held-out blocks are predicted {how} held-out profiles (MEC {both}). "
            "Places farther from all profiles than a block is wide were not tested by blocks."
        )
        by_map = metric(run, "knndm", "mec")
        if is_known(by_map) and by_map < by_block - _SMALL_GAP:
            yield f"Blocks are the easier test here: at the distances of the map's cells (kNNDM) the MEC is {fixed(by_map)}."
    if by_block <= 0.0:
        yield "Away from sampled land the map does no better than the mean of the profiles."


def _far(run: RunFolder, by_block: float) -> str:
    """What to expect far from profiles: the lower of the two figures that ask for distance."""
    by_map = metric(run, "knndm", "mec")
    if is_known(by_map) and by_map < by_block:
        return (
            f"Far from any profile expect no more than the kNNDM figure ({fixed(by_map)}), which is lower still: blocks are the easier "
            "test here."
        )
    return (
        f"Far from any profile expect no more than the block figure ({fixed(by_block)}); it is a test of transfer, not the accuracy of "
        "the map."
    )


def _calibrated_by(run: RunFolder) -> Iterable[str]:
    """Coverage is told for each design with its own adjustment; the maps carry that of one design only."""
    used = calibrated_by(run)
    ours, by_block = (calibration(run, name, "mean_width") for name in (used, "block"))
    if used != "block" and is_known(ours) and is_known(by_block) and by_block / ours - 1.0 > _SMALL_WIDENING:
        yield (
            f"The intervals of the maps carry the adjustment of the {design_name(used)} design. In the block design they had to "
            f"be {percent(by_block / ours - 1.0)} wider to hold: far from profiles those of the maps are too narrow."
        )
    headline = headline_of(run)
    if used and speaks_for_map(headline) and used != headline:
        yield (
            f"The headline is by {design_name(headline)}, but the intervals of the maps were adjusted by {design_name(used)}: they "
            "promise what that design asks."
        )


def _selection(run: RunFolder) -> Iterable[str]:
    screened, tuned = run.table("selection") is not None, run.table("tuning") is not None
    if run.table("naive") is not None or run.table("choices") is not None:
        return  # Chosen anew in each fold.
    if screened or tuned:
        what = listing(
            [
                text
                for text, done in (("covariates were screened", screened), ("the settings of the model chosen", tuned))
                if done
            ]
        )
        yield (
            f"The {what} with the same profiles that the evidence comes from, not anew in each fold (nested); the "
            "evidence is a little too good by that."
        )


def _derived(run: RunFolder) -> Iterable[str]:
    names = list(derived(run))
    if names:
        yield (
            f"Made of carbon, or measured together with it: {listing(names)}. Such a covariate carries the map where carbon was measured "
            "and says little elsewhere; model.screen.target_derived: drop leaves it out."
        )


def _beaten(run: RunFolder) -> Iterable[str]:
    names = beaten_by(run)
    if names:
        yield f"The forest does not win everywhere: better beyond chance are {listing(names)}."


def _zones(run: RunFolder) -> Iterable[str]:
    layers = zones_beaten(run)
    if layers:
        yield (
            f"One model for all is better beyond chance than a model for each zone in {listing(layers)}; the maps use zones nevertheless, "
            "as the recipe says."
        )


def _applicability(run: RunFolder) -> Iterable[str]:
    share = share_inside(run)
    if is_known(share) and share < 1.0 and only_inside(run):
        yield (
            f"{percent(1.0 - share, 1)} of the cells lie outside the area of applicability and are left empty: the totals leave out "
            "their carbon."
        )
    elif is_known(share) and share < 1.0:
        yield (
            f"{percent(1.0 - share, 1)} of the map lies outside the area of applicability: its covariates are unlike those of all "
            "profiles, and the scores of the whole say little about it."
        )
    table = run.table("out_of_fold")
    if table is None:
        return
    design = lead_of(run, "out_of_fold")
    inside = [value for value in table.loc[table["design"] == design, "in_applicability"] if isinstance(value, bool)]
    if inside:
        outside = 1.0 - sum(inside) / len(inside)
        yield (
            f"{percent(outside, 1)} of the held-out observations lie outside the model's area of applicability "
            "(covariates unlike those it was trained with)."
        )
    elif "applicability" not in run.covariate_maps:
        yield "The maps do not mark where the covariates are unlike those of all profiles (area of applicability)."


def _observed_in_part(run: RunFolder) -> Iterable[str]:
    layers = run.summary.get("layers")
    unreached: list[str] = []
    unused: list[str] = []
    stretched: list[str] = []
    for entry in layers if isinstance(layers, list) else []:
        numbers = [entry.get(name) for name in ("top_cm", "bottom_cm", "complete", "partial", "none")]
        if not all(is_known(value) for value in numbers):
            continue
        top, bottom, wholly, in_part, not_at_all = (float(value) for value in numbers)
        if not_at_all > _MANY_UNREACHED * (wholly + in_part + not_at_all):
            total = plural(wholly + in_part + not_at_all, "profile")
            unreached.append(f"{layer_text(top, bottom)} by {count(not_at_all)} of {total}")
        if in_part > 0.0:
            kept = _stretched(run, (top, bottom), wholly, in_part, entry.get("valued"))
            for n, part in ((kept, stretched), (in_part - kept, unused)):
                part += [f"{layer_text(top, bottom)} in {plural(n, 'profile')}"] if n > 0 else []
    if unreached:
        yield f"Not reached: {listing(unreached)}. These layers rest on the other, deeper profiles."
    if unused:
        yield f"Observed only in part, and so not used: {listing(unused)}."
    if stretched:
        yield f"Observed only in part, the observed part standing for the whole layer: {listing(stretched)}."
    table = run.table("layers")
    unfitted = 0 if table is None else table.loc[table["status"] == "no beta", "profile_id"].nunique()
    if unfitted:
        yield f"No beta function could be fitted to {plural(unfitted, 'profile')}, which give no stocks."


def _stretched(run: RunFolder, layer: tuple[float, float], wholly: float, in_part: float, valued: object) -> float:
    """Profiles whose observed part stands for the layer: by the status of the layer table, else from the counts."""
    table = run.table("layers")
    if table is not None:
        here = table.loc[(table["top_cm"] == layer[0]) & (table["bottom_cm"] == layer[1]), "status"]
        if here.isin(["partial", "incomplete"]).any():
            return min(in_part, float((here == "partial").sum()))
    if not isinstance(valued, (int, float)) or not is_known(valued):
        return in_part
    return min(in_part, max(0.0, float(valued) - wholly))


def _density(run: RunFolder, target: Target) -> Iterable[str]:
    if target.name == "SOC content":
        return
    estimated = estimated_share(run)
    if is_known(estimated) and estimated > 0.0:
        error = density_error(run)
        size = f", with an error of about {number(error, 2)} g/cm³ (sd)" if is_known(error) else ""
        yield (
            f"Bulk density is estimated, not measured, in {percent(estimated)} of the horizons{size}. The held-out "
            "values that the map is judged by are made with it too, so the evidence does not show this error."
        )
    assumed = assumed_share(run)
    if is_known(assumed) and assumed > 0.0:
        value = counted(run, "coarse_fragments", "assumed_vol_pct")
        text = f" ({number(value, 2)} % of the volume)" if is_known(value) else ""
        yield f"Coarse fragments are assumed{text} in {percent(assumed)} of the horizons; stonier soils hold less."


def _budget(run: RunFolder, target: Target) -> Iterable[str]:
    largest = largest_part(run)
    if largest is not None and target.name != "SOC content":
        part, share = largest
        yield (
            f"The largest part of the error of a profile's stock is {PART_WORDS[part]}: on average {percent(share)} of its "
            "variance in a layer."
        )


def _organic(run: RunFolder, target: Target) -> Iterable[str]:
    ratios = [row["ratio"] for row in organic_choices(run)[1:] if is_known(row.get("ratio"))]
    if ratios and max(abs(ratio - 1.0) for ratio in ratios) >= _SMALL_CHOICE and target.name != "SOC content":
        yield (
            f"Other choices of the bulk density of organic horizons would give {fixed(min(1.0, *ratios))} to "
            f"{fixed(max(1.0, *ratios))} times their carbon."
        )
    table = run.table("layers")
    if table is None:
        return
    organic = table.loc[[value is True for value in table["organic_soil"]], "profile_id"].nunique()
    if organic:
        yield (
            f"Organic layers (above 8 % carbon) are in {plural(organic, 'profile')} of "
            f"{count(float(table['profile_id'].nunique()))}; figures for all soils together say little about them."
        )


def _time(run: RunFolder) -> Iterable[str]:
    table = run.table("layers")
    if table is None or any(layer.period for layer in run.maps):
        return
    years = table.groupby("profile_id", sort=False)["year"].first()
    known = years.dropna()
    if known.empty:
        yield "The maps have no date: the profiles carry no year, and all are used as if taken at one time."
        return
    missing = len(years) - len(known)
    also = f" ({plural(missing, 'profile')} without a year)" if missing else ""
    first, last = int(known.min()), int(known.max())
    when = f"from {first} to {last}" if last > first else f"from {first}"
    yield f"The maps show no change: profiles {when}{also} are used as if all were taken at one time."


def _dropped(run: RunFolder) -> Iterable[str]:
    beyond = outside_box(run)
    if beyond:
        yield f"{plural(beyond, 'profile')} outside the bounding box of the recipe {'was' if beyond == 1 else 'were'} left out, as it asks."
    dropped = sum(without_covariates(run).values())
    if dropped:
        yield f"{plural(dropped, 'profile')} could not be used for want of covariate values at their place."


def _references(run: RunFolder) -> Iterable[str]:
    if run.table("comparison") is not None:
        yield "The reference maps are models too: agreement with them is no proof, and disagreement no error."


def _depth(run: RunFolder) -> Iterable[str]:
    if not run.layers:
        return
    bottom = max(bottom for _, bottom in run.layers)
    yield f"Carbon below {bottom:g} cm is not counted; the maps speak of {depth_words(run)} only."
