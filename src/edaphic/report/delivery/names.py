"""What is known of a finished map by its file, and the names it can be given."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter

import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from edaphic.errors import RasterError

QUANTITIES = ("soc_stock", "soc_density", "soc", "beta")
"""Quantities that names of maps begin with, the longest first."""

_STAT = (
    r"mean|se|spread|tree_se|(?:tree_|mc_)?q\d{2,3}|mc_mean|mc_sd|mc_relative_width|p_above_\d+(?:\.\d+)?|applicability|dissimilarity"
    r"|point_density|p_increase|relative_difference|difference|change|slope|cv|count|sd"
)
_TAIL = re.compile(
    rf"(?P<head>.+?)_(?P<stat>{_STAT})_(?P<top>\d+(?:\.\d+)?)-(?P<bottom>\d+(?:\.\d+)?)cm(?:_(?P<from>\d{{1,4}})-(?P<to>\d{{1,4}}))?"
)
_QUANTILE = re.compile(r"(?:tree_|mc_)?q(\d{2,3})")


@dataclass(frozen=True)
class MapFile:
    """A finished map: its file, and the fields that a pattern of names may have, those that it has."""

    path: Path
    unit: str
    title: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the map in the run."""
        return self.path.stem


def map_file(path: Path, words: Mapping[str, str], version: str, instead: Mapping[str, str] | None = None) -> MapFile:
    """What is known of a map by its name, its tags, its grid and the STAC item beside it.

    Parameters
    ----------
    path : Path
    words : mapping of str to str
        Fields that the user gives.
    version : str
        Of Edaphic.
    instead : mapping of str to str, optional
        Words in place of what fields would become.

    Raises
    ------
    RasterError
        It cannot be opened.
    """
    try:
        with rasterio.open(path) as dataset:
            tags, unit = dataset.tags(), dataset.units[0] or ""
            shape, transform, crs = dataset.shape, dataset.transform, dataset.crs
    except RasterioError as error:
        raise RasterError(f"{path}: no readable map ({error}); expected a finished map of the run") from error
    fields = {"name": path.stem, "unit": _word(unit) if unit not in ("", "1") else "1", "version": f"v{version}"}
    fields |= named_fields(path.stem) | _years(path, tags)
    fields |= of_grid(GeoBox(shape, transform, crs.to_wkt()))
    return MapFile(path, unit, tags.get("TITLE", path.stem), replaced(fields, instead or {}) | dict(words))


def replaced(fields: Mapping[str, str], instead: Mapping[str, str]) -> dict[str, str]:
    """Fields with words of the user in place of what they would become; the name of the map stays.

    >>> replaced({"name": "forest", "ecosystem": "forest"}, {"forest": "FL"})
    {'name': 'forest', 'ecosystem': 'FL'}
    """
    return {key: value if key == "name" else instead.get(value, value) for key, value in fields.items()}


def of_grid(grid: GeoBox) -> dict[str, str]:
    """Fields that the grid of a map tells: size of a cell, and the coordinate system where it has a code."""
    if grid.crs is None:
        return {}
    unit = grid.crs.proj.axis_info[0].unit_conversion_factor if grid.crs.projected else 1.0
    told = {"resolution": resolution(math.hypot(grid.affine.a, grid.affine.d), bool(grid.crs.geographic), unit)}
    code = grid.crs.to_epsg()
    return told if code is None else told | {"epsg": str(code), "crs": f"epsg.{code}"}


def named_fields(name: str) -> dict[str, str]:
    """Fields that the name of a map tells.

    >>> told = named_fields("beta_cropland_mean_0-100cm_1985-1990")
    >>> told["quantity"], told["ecosystem"], told["stat"], told["code"], told["depth"], told["period"]
    ('beta', 'cropland', 'mean', 'm', '0-100', '1985-1990')
    >>> named_fields("elevation")
    {}
    """
    found = _TAIL.fullmatch(name)
    if found is None:
        return {}
    top, bottom, stat = found["top"], found["bottom"], found["stat"]
    head = found["head"]
    quantity = next((own for own in QUANTITIES if head == own or head.startswith(f"{own}_")), head)
    told = {"quantity": quantity, "stat": stat, "code": code_of(stat), "depth": f"{top}-{bottom}", "top": top, "bottom": bottom}
    told["thickness"] = f"{float(bottom) - float(top):g}"
    if head != quantity:
        told["ecosystem"] = head.removeprefix(f"{quantity}_")
    if found["from"]:
        told |= _of_period(int(found["from"]), int(found["to"]))
    return told


def code_of(stat: str) -> str:
    """A statistic as OpenLandMap writes it, without the sign that parts fields.

    >>> [code_of(stat) for stat in ("mean", "mc_sd", "q05", "q975", "p_above_5")]
    ['m', 'sd', 'p05', 'p975', 'p.above.5']
    """
    quantile = _QUANTILE.fullmatch(stat)
    if quantile is not None:
        return f"p{quantile[1]}"
    return {"mean": "m", "mc_mean": "m", "mc_sd": "sd", "sd": "sd"}.get(stat, stat.replace("_", "."))


def resolution(size: float, geographic: bool, metres: float = 1.0) -> str:
    """Size of a cell as a word.

    >>> resolution(250.0, False), resolution(1000.0, False), resolution(1 / 120, True), resolution(0.25, True)
    ('250m', '1km', '30s', '0.25d')
    """
    if not geographic:
        size *= metres
        return f"{size / 1000:g}km" if size >= 1000 and math.isclose(size / 100, round(size / 100)) else f"{size:.6g}m"
    seconds = size * 3600
    near = round(seconds)
    return f"{near}s" if 1 <= near < 60 and math.isclose(seconds, near, rel_tol=1e-6) else f"{size:.7g}d"


def _word(unit: str) -> str:
    """A unit as part of a name: kg/m2 is kg.m2."""
    return re.sub(r"[^A-Za-z0-9+-]+", ".", unit).strip(".")


def _of_period(first: int, last: int) -> dict[str, str]:
    return {
        "from": f"{first:04d}",
        "to": f"{last:04d}",
        "period": f"{first:04d}-{last:04d}",
        "begin": f"{first:04d}0101",
        "end": f"{last:04d}1231",
    }


def _years(path: Path, tags: Mapping[str, str]) -> dict[str, str]:
    """Years that a map stands for, by its tag or by its STAC item; nothing where they are not known."""
    said = tags.get("EDAPHIC_PERIOD", "")
    if not said:
        try:
            said = str(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["properties"]["edaphic:period"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}
    found = re.fullmatch(r"(\d{1,4})-(\d{1,4})", said)
    return {} if found is None else _of_period(int(found[1]), int(found[2]))


def filled(pattern: str, fields: Mapping[str, str]) -> str:
    """A pattern with its fields filled in.

    Raises
    ------
    KeyError
        A field that is not given.

    Examples
    --------
    >>> filled("{ecosystem}_{depth}_SOCD", {"ecosystem": "CL", "depth": "20-40"})
    'CL_20-40_SOCD'
    """
    return "".join(text + ("" if name is None else fields[name]) for text, name, _, _ in Formatter().parse(pattern))


def lacking(pattern: str, fields: Mapping[str, str]) -> list[str]:
    """Fields of a pattern that are not given, in their order.

    >>> lacking("{ecosystem}_{stat}", {"stat": "mean"})
    ['ecosystem']
    """
    names = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    return [name for name in dict.fromkeys(names) if name not in fields]


def clashes(named: Iterable[tuple[str, str]]) -> list[str]:
    """Faults of names that two files would get, whatever the case of letters.

    Parameters
    ----------
    named : iterable of (what, name)

    Examples
    --------
    >>> clashes([("a", "X"), ("b", "x"), ("c", "y")])
    ["b: the name 'x', which a gets too; expected a pattern that tells them apart"]
    """
    first: dict[str, str] = {}
    faults = []
    for what, name in named:
        if name.lower() in first:
            faults.append(f"{what}: the name {name!r}, which {first[name.lower()]} gets too; expected a pattern that tells them apart")
        first.setdefault(name.lower(), what)
    return faults
