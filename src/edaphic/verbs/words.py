"""What the words of a command mean: layers, columns with their units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edaphic.errors import TableError
from edaphic.profiles import BASES, ROLES, UNITLESS, Column
from edaphic.profiles.reading.columns import WITH_BASIS
from edaphic.recipe import DEPTHS, layer_text, read_layer
from edaphic.units import units_of

PRESETS = {name: ",".join(map(layer_text, layers)) for name, layers in DEPTHS.items()}
"""Layers by name: GlobalSoilMap; the global soil organic carbon map; the default depth of inventories."""


def read_layers(words: str) -> list[tuple[float, float]]:
    """Depth layers in cm.

    >>> read_layers("0-30, 30-100")
    [(0.0, 30.0), (30.0, 100.0)]
    >>> read_layers("gsm")[-1]
    (100.0, 200.0)
    """
    parts = [part.strip() for part in PRESETS.get(words.strip(), words).split(",")]
    layers = [read_layer(part) for part in parts]
    faults = [
        f"--layers: found {part!r}; expected layers in cm such as 0-30,30-100, or one of {', '.join(PRESETS)}"
        for part, layer in zip(parts, layers, strict=True)
        if layer is None
    ]
    if faults:
        raise TableError(faults)
    return [layer for layer in layers if layer is not None]


def read_columns(words: Iterable[str], site_id: str | None = None) -> dict[str, Column]:
    """Columns from ``ROLE=COLUMN[:UNIT[:BASIS]]`` or ``ROLE==VALUE[:UNIT]``; of organic matter its share of carbon in place of a basis.

    ``site_id`` is the column of the table of sites that holds the labels of profiles, where it has another name there.

    >>> read_columns(["soc=OC:%", "top==0:cm", "profile_id=id"])["soc"]
    Column(column='OC', unit='%', value=None, to_carbon=None, basis=None, site_column=None, censored_at=None, ignore=False)
    >>> read_columns(["bulk_density=BD:g/cm3:whole_soil"])["bulk_density"].basis
    'whole_soil'
    >>> read_columns(["organic_matter=Humus:%:0.5"])["organic_matter"].to_carbon
    0.5
    """
    columns: dict[str, Column] = {}
    faults: list[str] = []
    for word in words:
        role, is_there, rest = word.partition("=")
        role = role.strip()
        if not is_there or not rest or role not in ROLES:
            faults.append(f"--column: found {word!r}; expected ROLE=COLUMN[:UNIT], with a role of {', '.join(ROLES)}")
            continue
        if role in columns:
            faults.append(f"--column {word!r}: found the role {role} a second time; expected each once")
            continue
        constant = rest.startswith("=")
        name, unit, basis = _parts(role, rest.removeprefix("="))
        share = None
        if role == "organic_matter" and basis is not None:
            share, basis = float(basis), None
        if not constant:
            columns[role] = Column(column=name, unit=unit, basis=basis, to_carbon=share)
            continue
        value = _constant(role, name)
        if value is None:
            faults.append(f"--column {word!r}: found the constant {name!r}; expected a number")
        columns[role] = Column(value=value, unit=unit, basis=basis, to_carbon=share)
    if site_id is not None:
        label = columns.get("profile_id")
        if label is None or label.column is None:
            faults.append(f"--site-id {site_id}: found no column of profile_id; expected --column profile_id=COLUMN as well")
        else:
            columns["profile_id"] = replace(label, site_column=site_id)
    if faults:
        raise TableError(faults)
    return columns


def _parts(role: str, text: str) -> tuple[str, str | None, str | None]:
    """Column, unit and basis (or share of carbon): names may hold colons, so they are parted from the right."""
    if ROLES[role] in UNITLESS:
        return text, None, None
    head, _, tail = text.rpartition(":")
    name, colon, unit = head.rpartition(":")
    # What is no unit or no basis is kept as one: the message about it is better than one about an unknown column.
    if colon and (tail in BASES or (role in WITH_BASIS and unit in units_of(ROLES[role]))):
        return name, unit, tail
    if colon and role == "organic_matter" and unit in units_of("soc") and _constant(role, tail) is not None:
        return name, unit, tail
    return (head, tail, None) if head else (text, None, None)


def _constant(role: str, text: str) -> float | str | None:
    if ROLES[role] == "text":
        return text
    try:
        return float(text)
    except ValueError:
        return None
