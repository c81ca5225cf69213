"""Where the model may be applied: the share of the map inside, how good the map is inside and outside, and the maps of it."""

from __future__ import annotations

from edaphic.report import map_figures
from edaphic.report.designs import design_name, lead_of
from edaphic.report.facts import calibration, only_inside, share_of_map
from edaphic.report.folder import RunFolder, records
from edaphic.report.maps import read_image
from edaphic.report.pictures import Picture, cells_for_each, picture_of
from edaphic.report.words import count, fixed, is_known, number, percent, plural, quantity

_INSIDE, _OUTSIDE = "inside applicability", "outside applicability"


def domain_words(run: RunFolder) -> list[str]:
    """What the area of applicability is, how much of the map lies inside, and how good the map is on both sides."""
    told = run.designs.get("applicability")
    told = told if isinstance(told, dict) else {}
    threshold = run.domain.get("threshold", told.get("threshold"))
    of_map, of_cells = share_of_map(run), told.get("share_inside")
    if not (is_known(threshold) or is_known(of_map) or is_known(of_cells)):
        return []
    found = [
        "A cell is inside where its covariates, weighted by their importance, are no less like those of a profile than held-out "
        "profiles were like the rest"
        + (f": a dissimilarity index of at most {number(threshold)}." if is_known(threshold) else ".")
        + " Outside, the scores and intervals of the whole need not hold."
    ]
    which = "cells" if only_inside(run) else "mapped cells"
    parts = [f"{percent(of_map, 1)} of the {which} lie inside"] if is_known(of_map) else []
    if is_known(of_cells):
        n = told.get("cells")
        drawn = f"{plural(n, 'cell')} drawn at random" if isinstance(n, (int, float)) and is_known(n) else "the cells drawn at random"
        parts.append(f"{percent(of_cells, 1)} of {drawn}")
    if parts:
        found.append(f"{' ('.join(parts)}{')' if len(parts) > 1 else ' lie inside' if not is_known(of_map) else ''}.")
        found[-1] += " The others are left empty in maps and totals." if only_inside(run) else ""
    return [*found, *_both_sides(run)]


def _both_sides(run: RunFolder) -> list[str]:
    lead = lead_of(run, "groups")
    table = run.table("groups")
    if table is None:
        return []
    rows = {r.group: r for r in records(table[(table["design"] == lead) & (table["scale"] != "log")])}
    inside, outside = rows.get(_INSIDE), rows.get(_OUTSIDE)
    if inside is None or outside is None:
        return []
    text = (
        f"By {design_name(lead)}, the RMSE is {quantity(inside.rmse, inside.unit)} inside ({count(inside.n)} held-out observations) and "
        f"{quantity(outside.rmse, outside.unit)} outside ({count(outside.n)}), the bias {quantity(inside.bias, inside.unit)} and "
        f"{quantity(outside.bias, outside.unit)}, the MEC {fixed(inside.mec)} and {fixed(outside.mec)}."
    )
    covered = [calibration(run, lead, "coverage", group) for group in (_INSIDE, _OUTSIDE)]
    if all(is_known(value) for value in covered):
        text += f" The intervals hold {percent(covered[0], 1)} of the observations inside and {percent(covered[1], 1)} outside."
    return [text]


def domain_maps(run: RunFolder) -> list[Picture]:
    """Maps of the covariates alone: inside or outside, dissimilarity, profiles that are near. None of them shows carbon."""
    cells = cells_for_each(run)
    found = []
    for stat, draw in (("applicability", _applicability), ("dissimilarity", _dissimilarity), ("point_density", _density)):
        if stat in run.covariate_maps:
            found.append(draw(run, cells))
    return found


def _applicability(run: RunFolder, cells: int) -> Picture:
    image = read_image(run.covariate_maps["applicability"], cells)
    share = image.mean()
    which = "area, the rest of which is left empty in the other maps," if only_inside(run) else "mapped area"
    return picture_of(
        "map_applicability.png",
        map_figures.class_map(image, title="Area of applicability", names=("outside", "inside")),
        f"Map of the area of applicability: {percent(share, 1)} of the area lie inside.",
        f"Blue: inside. Orange: outside, where the covariates are unlike those of all profiles. {percent(share, 1)} of the "
        f"{which} lie inside. One map for all depths.",
    )


def _dissimilarity(run: RunFolder, cells: int) -> Picture:
    image = read_image(run.covariate_maps["dissimilarity"], cells)
    limit = run.domain.get("threshold")
    beyond = f" Above {number(limit)} a cell is outside the area of applicability." if is_known(limit) else ""
    return picture_of(
        "map_dissimilarity.png",
        map_figures.width_map(image, title="Dissimilarity index", label="dissimilarity index (0: like a profile)"),
        f"Map of the dissimilarity index: mean {number(image.mean())} over the area.",
        f"How unlike the most similar profile the covariates of a cell are; 1 is the mean distance between profiles.{beyond}",
    )


def _density(run: RunFolder, cells: int) -> Picture:
    image = read_image(run.covariate_maps["point_density"], cells)
    return picture_of(
        "map_point_density.png",
        map_figures.value_map(image, title="Profiles like the cell", label="profiles within the threshold"),
        f"Map of the number of profiles whose covariates are like those of the cell: mean {number(image.mean())}.",
        "Number of profiles whose covariates are as like those of the cell as the threshold asks: few mean that the prediction rests "
        "on few.",
    )
