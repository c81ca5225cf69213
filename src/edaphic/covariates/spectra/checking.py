"""What can be known of a composite before any of it is computed: scenes on the grid, by period, and all that they lack."""

from __future__ import annotations

from collections.abc import Sequence

from odc.geo.geobox import GeoBox

from edaphic.covariates.spectra.bands import ROLES
from edaphic.covariates.spectra.coefficients import coefficient_faults
from edaphic.covariates.spectra.composing import Composing
from edaphic.covariates.spectra.reading import ElsewhereError, OpenScene, open_scene
from edaphic.covariates.spectra.scene import Scene
from edaphic.covariates.spectra.single import possible
from edaphic.errors import RasterError


def check_composite(scenes: Sequence[Scene], grid: GeoBox, how: Composing) -> list[str]:
    """Faults of a composite that can be known before any work: names and headers are looked at, no cell is read.

    Parameters
    ----------
    scenes : sequence of Scene
    grid : GeoBox
    how : Composing

    Returns
    -------
    list of str
        A line for each: unknown bands, bands or dates that scenes lack, scenes of reflectance beside others, coefficients that are not
        those of the scenes, files that cannot be read, a period without a scene; none where all is well.

    Examples
    --------
    >>> from edaphic.covariates.spectra.indices import indices_of
    >>> check_composite([], GeoBox.from_bbox((0, 0, 1, 1), "EPSG:4326", resolution=0.5), Composing(indices_of(["ndvi"])))
    ['scenes: found none; expected some']
    """
    faults = scene_faults(scenes, how)
    if faults:
        return faults
    try:
        by_period(opened_scenes(in_order(scenes), grid, how)[0], how)
    except RasterError as error:
        return list(error.faults)
    return []


def scene_faults(scenes: Sequence[Scene], how: Composing) -> list[str]:
    """All that scenes lack, at once, and what does not fit them."""
    unknown = [role for role in how.bands if role not in ROLES]
    faults = [f"bands: found {role!r}; expected some of {', '.join(ROLES)}" for role in unknown]
    faults += [
        f"{scene.name}: no date; expected one, to know its period" for scene in scenes if scene.day is None and (how.periods or how.months)
    ]
    for scene in scenes:
        faults += possible(scene, how.indices)[1]
        faults += [f"{scene.name}: no band {role}; expected one" for role in how.roles if scene.band(role) is None and role not in unknown]
    if how.bare_soil is not None:
        faults += [
            f"{scene.name}: digital numbers; expected reflectance, to know bare soil" for scene in scenes if not scene.is_reflectance
        ]
    quantities = {band.scaling.quantity for scene in scenes for role in how.roles if (band := scene.band(role)) is not None}
    if len(quantities) > 1:
        faults.append(f"scenes: found {' and '.join(sorted(quantities))}; expected one of them for all scenes of a composite")
    names = [scene.name for scene in scenes]
    faults += [
        f"{name}: the name of {names.count(name)} scenes; expected a name for each" for name in sorted(set(names)) if names.count(name) > 1
    ]
    if not scenes:
        faults.append("scenes: found none; expected some")
    else:
        faults += coefficient_faults(how.coefficients, (scene.sensor for scene in scenes), how.roles)
    return list(dict.fromkeys(faults))


def in_order(scenes: Sequence[Scene]) -> list[Scene]:
    """Scenes in the order of their dates."""
    return sorted(scenes, key=lambda scene: (scene.day.isoformat() if scene.day else "", scene.sensor, scene.name))


def opened_scenes(scenes: Sequence[Scene], grid: GeoBox, how: Composing) -> tuple[list[OpenScene], list[str]]:
    """Scenes on the grid, without those of other months and periods, or elsewhere."""
    notes: list[str] = []
    opened: list[OpenScene] = []
    faults: list[str] = []
    for scene in scenes:
        if scene.day is not None and how.months and scene.day.month not in how.months:
            continue
        if scene.day is not None and how.periods and not any(period.holds(scene.day) for period in how.periods):
            continue
        try:
            opened.append(open_scene(scene, grid, how.roles, how.conditions, how.coefficients.get(scene.sensor)))
        except ElsewhereError:
            notes.append(f"{scene.name}: no overlap with the grid: left out")
        except RasterError as error:
            faults += error.faults
    if faults:
        raise RasterError(faults)
    if not opened:
        days = sorted(scene.day.isoformat() for scene in scenes if scene.day is not None)
        raise RasterError(
            f"scenes: none of {len(scenes)} lies in the periods, months and grid; found {days[0]} to {days[-1]}"
            if days
            else f"scenes: none of {len(scenes)} overlaps the grid; expected some"
        )
    return opened, notes


def by_period(opened: Sequence[OpenScene], how: Composing) -> list[tuple[str, list[OpenScene]]]:
    """Scenes by label of their period; a period without any scene is a fault."""
    if not how.periods:
        return [("", list(opened))]
    found = [
        (period.label, [one for one in opened if one.scene.day is not None and period.holds(one.scene.day)])
        for period in dict.fromkeys(how.periods)
    ]
    empty = [label for label, members in found if not members]
    if empty:
        raise RasterError(f"period {label}: no scene; expected some in every period" for label in empty)
    return found
