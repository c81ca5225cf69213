"""The licences of all inputs of a run, what they ask for together, and what that means for what was made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from edaphic.report.delivery.licences import NOT_STATED, Licence, conflicts, fitting, licence_of, too_free

NOTE = (
    "This list sorts inputs by what their licences are commonly read to ask for. It is no legal advice. Whether a map that was learnt from "
    "data is a work made from them in the sense of a licence, and whether a licence covers facts at all, differs by licence and country; "
    "here every input is counted as if it were."
)


@dataclass(frozen=True)
class Input:
    """Something that a run read.

    Parameters
    ----------
    kind : str
        profiles, covariate, elevation model, stations, product ...
    name : str
    path : str
        As the recipe names it.
    licence, citation : str
        As stated; empty where they are not.
    stated_in : str
        Where: "recipe", "recipe, deliver.licences", "file", or empty.
    used_for : {"maps", "tables"}
        Whether the maps are made with it, or only tables and scores.
    """

    kind: str
    name: str
    path: str
    licence: str = ""
    citation: str = ""
    stated_in: str = ""
    used_for: str = "maps"


@dataclass(frozen=True)
class RollUp:
    """All inputs with their licences, and the verdict on the maps, which counts what they are made with.

    ``table``: one row for each input. ``obligations``: of all known licences together. ``pairs``: licences that cannot be met at once, and
    why. ``blocking``: licences that do not let works made from the data be passed on. ``open``: inputs whose licence is unknown or not
    stated. ``fitting``: the least restrictive common licence for the maps as far as licences are known; empty where there is none.
    ``against``: what stands against the licence that the recipe asks for. ``beside``: what inputs of tables and scores alone ask for beyond
    that.
    """

    table: pd.DataFrame
    obligations: tuple[str, ...]
    pairs: tuple[tuple[str, str, str], ...]
    blocking: tuple[str, ...]
    open: tuple[str, ...]
    fitting: str
    asked: str
    against: tuple[str, ...]
    beside: tuple[str, ...] = ()


def roll_up(inputs: Sequence[Input], asked: str | None = None) -> RollUp:
    """Sort the inputs of a run by what their licences ask for.

    Parameters
    ----------
    inputs : sequence of Input
    asked : str, optional
        Licence that the outputs are to be published under.

    Examples
    --------
    >>> found = roll_up([Input("profiles", "a", "a.csv", "CC BY-SA 4.0"), Input("covariate", "b", "b.tif", "CC-BY-NC-SA-4.0")])
    >>> found.obligations, found.pairs[0][:2], found.fitting
    (('attribution', 'share-alike', 'non-commercial'), ('CC-BY-SA-4.0', 'CC-BY-NC-SA-4.0'), '')
    """
    licences = tuple(licence_of(entry.licence) for entry in inputs)
    of_maps = [(entry, one) for entry, one in zip(inputs, licences, strict=True) if entry.used_for == "maps"]
    known = tuple(one for _, one in of_maps if one.known)
    order = ("attribution", "share-alike", "non-commercial", "no derivatives", "no redistribution")
    told = {word for one in known for word in one.obligations}
    wanted = None if asked is None else licence_of(asked)
    return RollUp(
        _table(inputs, licences),
        tuple(word for word in order if word in told),
        tuple((one.name, other.name, why) for one, other, why in conflicts(known)),
        tuple(dict.fromkeys(one.name for one in known if one.no_derivatives or one.no_sharing)),
        tuple(entry.name for entry, one in of_maps if not one.known),
        fitting(known) if known else "",
        "" if wanted is None else wanted.name,
        () if wanted is None else _against(wanted, known),
        _beside(inputs, licences, told),
    )


def _beside(inputs: Sequence[Input], licences: Sequence[Licence], told: set[str]) -> tuple[str, ...]:
    """What inputs of tables ask for and those of the maps do not."""
    return tuple(
        f"{entry.name} ({one.name}): {', '.join(more)}"
        for entry, one in zip(inputs, licences, strict=True)
        if entry.used_for != "maps" and one.known and (more := [word for word in one.obligations if word not in told])
    )


def _against(wanted: Licence, known: tuple[Licence, ...]) -> tuple[str, ...]:
    if not wanted.known:
        return (f"{wanted.name!r} is no licence known here: it was not held against those of the inputs",)
    return tuple(too_free(wanted, known))


def _table(inputs: Sequence[Input], licences: Sequence[Licence]) -> pd.DataFrame:
    columns = ["kind", "name", "path", "used_for", "licence", "known", "obligations", "stated", "stated_in", "citation"]
    rows = [
        (
            entry.kind,
            entry.name,
            entry.path,
            entry.used_for,
            one.name,
            "yes" if one.known else "not stated" if one.name == NOT_STATED else "unknown",
            ", ".join(one.obligations),
            entry.licence,
            entry.stated_in,
            entry.citation,
        )
        for entry, one in zip(inputs, licences, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def text_of(found: RollUp, title: str) -> str:
    """The roll-up as a page in Markdown."""
    lines = [f"# Licences of the inputs: {title}", "", NOTE, "", "## What they mean for the maps", ""]
    lines += [f"- {line}" for line in verdict(found)]
    lines += ["", "## Inputs", "", "| input | kind | used for | licence | asks for | citation |", "|---|---|---|---|---|---|"]
    for row in found.table.itertuples():
        licence = f"{row.licence} (unknown here)" if row.known == "unknown" else row.licence
        asks = row.obligations or ("not known" if row.known != "yes" else "nothing")
        cells = [row.name, row.kind, row.used_for, licence, asks, row.citation or "not stated"]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def verdict(found: RollUp) -> list[str]:
    """What the licences mean for the outputs, one sentence for each point."""
    said = [f"Asked for by known licences together: {', '.join(found.obligations) or 'nothing'}."]
    said += [f"Cannot be met at once: {one} and {other}: {why}." for one, other, why in found.pairs]
    said += [f"{name}: works made from the data may not be passed on without leave." for name in found.blocking]
    if found.open:
        named = ", ".join(found.open[:8]) + (f" and {len(found.open) - 8} more" if len(found.open) > 8 else "")
        count = len(found.open)
        verb = "input has" if count == 1 else "inputs have"
        said.append(f"{count} {verb} no licence that is known here: {named}. What these ask for is open.")
    if found.pairs or found.blocking:
        said.append("No licence for the outputs meets all known licences of the inputs.")
    elif found.fitting:
        so_far = " as far as licences are known" if found.open else ""
        said.append(f"The least restrictive common licence for the outputs{so_far}: {found.fitting}.")
    if "ODbL-1.0" in set(found.table["licence"]):
        said.append("ODbL: whether a map is a derived database (same licence) or a produced work (a notice) has to be judged.")
    if found.asked and not found.against:
        said.append(f"Asked for by the recipe: {found.asked}; nothing in the known licences stands against it.")
    said += [f"Asked for by the recipe: {found.asked}. Against it: {line}." for line in found.against]
    if found.beside:
        said.append(f"Tables and scores also rest on inputs that ask for more: {'; '.join(found.beside)}.")
    if not found.asked:
        said.append("The recipe names no licence for the outputs (deliver.licence).")
    return said
