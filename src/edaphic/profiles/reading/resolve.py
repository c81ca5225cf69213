"""Which column each role comes from: as stated, by the geometry, by canonical name, or by the aliases of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edaphic.profiles.reading.aliases import NO_SCHEMA, SCHEMAS, find_all, recognise
from edaphic.profiles.reading.columns import (
    CANONICAL,
    PLACES,
    ROLES,
    WITH_BASIS,
    Column,
    Tables,
    fault_of,
    names_of,
    unsure,
)

_CANONICAL_UNIT = {
    "depth": "cm", "soc": "g/kg", "bulk_density": "g/cm3", "coarse_fragments": "vol%", "texture": "%", "soc_stock": "kg/m2",
    "length": "m",
}  # fmt: skip
# A role that stands for another: where one is named, the canonical column or the alias of the other is not looked for.
_INSTEAD = {
    "soc": ("organic_matter",), "organic_matter": ("soc",), "soc_stock": ("soc_density",), "soc_density": ("soc_stock",),
    "lon": ("x", "y", "plus_code"), "lat": ("x", "y", "plus_code"), "plus_code": ("lon", "lat", "x", "y"),
}  # fmt: skip
_ONE_OF_TWO = (
    ("soc", "organic_matter"), ("x", "lon"), ("y", "lat"), ("plus_code", "x"), ("plus_code", "lon"), ("soc_stock", "soc_density"),
)  # fmt: skip
_CARBON = ("soc", "organic_matter", "total_carbon", "soc_stock", "soc_density")
_REQUIRED_PLACES = (("lon", "x", "plus_code"), ("lat", "y", "plus_code"))

@dataclass
class Resolution:
    """Column or columns of every role that has one; of several the first with a number counts, row by row."""

    roles: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    schema: str = NO_SCHEMA

    def take(self, role: str, columns: tuple[Column, ...], origin: str) -> None:
        """Settle a role."""
        self.roles[role], self.origins[role] = columns, origin


def resolve(tables: Tables, columns: Mapping[str, Column], schema: str | None = None, places: bool | None = True) -> Resolution:
    """Column of every role that has one, and all faults of the mapping.

    Roles that are not named are taken from the geometry of the file, from columns of canonical name, and from the aliases of the
    schema that the table follows, in this order.

    Parameters
    ----------
    tables : Tables
    columns : mapping of role to Column
    schema : str, optional
        A key of :data:`edaphic.profiles.reading.aliases.SCHEMAS`, or "wosis" for either of its layouts; "edaphic" for no alias; None
        finds out.
    places : bool or None
        Whether coordinates are asked for; None takes them where they are there.

    Examples
    --------
    >>> import pandas as pd
    >>> tables = Tables(pd.DataFrame({"top_cm": [0], "SOC": [2]}), None, "a.csv", "")
    >>> found = resolve(tables, {"soc": Column("SOC")})
    >>> sorted(found.roles), found.faults[0]
    (['top'], 'a.csv: columns.soc: found no unit; expected one of the units g/kg, %, dg/kg, mg/g, mg/kg')
    """
    found = Resolution()
    sure = _find_schema(tables, columns, schema, found)
    by_row = _stated_by_row(columns)
    for role, given in columns.items():
        column = _completed(tables, found.schema, role, given)
        if fault := fault_of(tables, role, column, by_row):
            found.faults.append(f"{tables.name}: columns.{role}: {fault}")
        elif not column.ignore:
            found.take(role, (column,), "as stated")
    for pair in _ONE_OF_TWO:
        if all(role in columns and not columns[role].ignore for role in pair):
            found.faults.append(f"{tables.name}: columns: found both {pair[0]} and {pair[1]}; expected one of the two")
    if tables.crs() is not None and not set(columns) & set(PLACES):
        for role in ("x", "y"):
            found.take(role, (Column(role),), "from the geometry")
    _take_canonical(tables, columns, found)
    _take_aliases(tables, columns, found)
    _settle_carbon(tables, columns, found)
    if not places:
        there = all(set(roles) & set(found.roles) for roles in _REQUIRED_PLACES)
        for role in PLACES if places is False or not there else ():
            found.roles.pop(role, None)
    if not sure:
        return found  # what is missing depends on the schema
    required = (("top",), ("bottom",), _CARBON, *(_REQUIRED_PLACES if places else ()))
    required = required if tables.sites is None and places else (("profile_id",), *required)
    found.faults += [
        f"{tables.name}: no column for {' or '.join(roles)}; expected columns.{roles[0]} or a column "
        f"{CANONICAL[roles[0]]}; {tables.described()}"
        for roles in required
        if not any(role in found.roles or (role in columns and not columns[role].ignore) for role in roles)
    ]
    return found


def _stated_by_row(columns: Mapping[str, Column]) -> bool:
    """Whether a column tells the basis of the bulk density of each row."""
    return "bulk_density_basis" in columns and not columns["bulk_density_basis"].ignore


def _find_schema(tables: Tables, columns: Mapping[str, Column], schema: str | None, found: Resolution) -> bool:
    """Which aliases count: the schema that is stated, else the only one that the table can follow. False where that is open."""
    fitting = recognise(map(str, tables.horizons.columns), tables.name)
    if schema is not None:
        layouts = [key for key in SCHEMAS if key == schema or key.startswith(f"{schema}_")]
        if schema != NO_SCHEMA and not layouts:
            known = ", ".join([*SCHEMAS, NO_SCHEMA])
            found.faults.append(f"{tables.name}: found schema {schema!r}; expected one of {known}")
        elif layouts:
            found.schema = next((key for key in layouts if key in fitting), layouts[0])
        return True
    if len(fitting) == 1:
        found.schema = fitting[0]
    elif fitting and not _complete(columns):
        found.faults.append(
            f"{tables.name}: found names for depth and carbon of the schemas {' and '.join(fitting)}, which differ in their units; "
            f"expected schema: {' or schema: '.join(fitting)}, or columns for top, bottom and soc"
        )
        return False
    elif fitting:
        found.notes.append(f"schema: edaphic, because the names could be of {' or '.join(fitting)}")
    return True


def _complete(columns: Mapping[str, Column]) -> bool:
    """Whether depth and carbon are all stated, so that no alias is needed."""
    return {"top", "bottom"} <= set(columns) and bool({*_CARBON} & set(columns))


def _completed(tables: Tables, schema: str, role: str, column: Column) -> Column:
    """The column with the unit and basis that the schema or its canonical name gives it, where none is stated."""
    if column.column is None:
        return column
    name = " ".join(column.column.split())
    column = replace(column, column=name)
    if schema != NO_SCHEMA:
        for alias in SCHEMAS[schema].columns.get(role, ()):
            if find_all(alias.column, names_of(tables)) == name:
                column = replace(column, unit=column.unit or alias.unit, basis=column.basis or alias.basis)
    if role in WITH_BASIS and name == CANONICAL[role]:
        column = replace(column, basis=column.basis or "fine_earth")
    return column


def _take_canonical(tables: Tables, columns: Mapping[str, Column], found: Resolution) -> None:
    """Columns of canonical name for the roles that are not named."""
    named = _named(columns, found)
    for role, name in CANONICAL.items():
        if role in columns or role in named or named & set(_INSTEAD.get(role, ())) or not tables.holder(role, name):
            continue
        if role == "bulk_density_basis" and "bulk_density" in columns:
            continue
        unit, basis = _CANONICAL_UNIT.get(ROLES[role]), "fine_earth" if role in WITH_BASIS else None
        found.take(role, (Column(name, unit=unit, basis=basis),), "by its canonical name")
    mass = "coarse_fragments_mass_pct"
    if "coarse_fragments" not in {*columns, *found.roles} and tables.holder("coarse_fragments", mass):
        found.take("coarse_fragments", (Column(mass, unit="mass%"),), "by its canonical name")


def _take_aliases(tables: Tables, columns: Mapping[str, Column], found: Resolution) -> None:
    """Columns of the schema for the roles that have none yet."""
    if found.schema == NO_SCHEMA:
        return
    known = SCHEMAS[found.schema]
    found.notes.insert(0, f"schema: {found.schema} ({known.title}; {known.source})")
    named = _named(columns, found)
    for role, aliases in known.columns.items():
        if role in columns or role in found.roles or named & set(_INSTEAD.get(role, ())):
            continue
        there = [(name, alias) for alias in aliases if (name := find_all(alias.column, names_of(tables))) and tables.holder(role, name)]
        if not there:
            continue
        # Bulk densities of several kinds complete each other, each with its own basis.
        sure = [pair for pair in there if not unsure(role, pair[1].unit, pair[1].basis)]
        chosen = sure if role == "bulk_density" else sorted(sure, key=lambda pair: not _filled(tables, role, pair[0]))[:1]
        if not chosen:
            name, alias = there[0]
            fault = fault_of(tables, role, Column(name, unit=alias.unit, basis=alias.basis), _stated_by_row(columns))
            if fault:
                found.faults.append(
                    f"{tables.name}: columns.{role}: {name!r} of schema {found.schema}: {fault} ({alias.note}), or this role among those "
                    "to ignore"
                )
                continue
            chosen = [(name, alias)]
        taken = tuple(Column(n, unit=a.unit, basis=a.basis, censored_at=a.censored_at) for n, a in chosen)
        notes = [f"{n}: {a.note}" for n, a in chosen if a.note]
        others = [name for name, _ in there if name not in {n for n, _ in chosen}]
        notes += [f"not read though there: {', '.join(others)}"] if others else []
        found.take(role, taken, f"of schema {found.schema}" + (f" ({'; '.join(notes)})" if notes else ""))
        named.add(role)


def _settle_carbon(tables: Tables, columns: Mapping[str, Column], found: Resolution) -> None:
    """Total carbon is of use only with its inorganic part."""
    if "total_carbon" not in found.roles or {"inorganic_carbon", "carbonate"} & set(found.roles):
        return
    if "total_carbon" in columns:
        found.faults.append(
            f"{tables.name}: columns.total_carbon: found no inorganic_carbon or carbonate; expected one of them, or "
            "columns.soc where the soils hold no carbonate"
        )
    else:
        found.notes.append(f"total_carbon: {found.roles['total_carbon'][0].column!r} not read, because there is no inorganic part")
        del found.roles["total_carbon"]


def _named(columns: Mapping[str, Column], found: Resolution) -> set[str]:
    """Roles that are settled, or stated though with a fault; not those to ignore."""
    return {role for role, column in columns.items() if not column.ignore} | set(found.roles)


def _filled(tables: Tables, role: str, name: str) -> bool:
    """Whether a column holds anything."""
    table = tables.table(tables.holder(role, name) or "horizons")
    return name not in table or bool(table[name].notna().any())
