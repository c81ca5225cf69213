"""The answer first: how much carbon, how sure, how good the map is; in words that need no statistics."""

from __future__ import annotations

from collections.abc import Mapping

from edaphic.report.facts import BOUNDS_LEVEL, Target, has_bounds, stock_rows, whole_stock
from edaphic.report.folder import RunFolder, records
from edaphic.report.map_words import lead_words
from edaphic.report.skill import Card, coverage, skill
from edaphic.report.tables import PageTable
from edaphic.report.words import bounds, digits_apart, fixed, is_known, layer_text, number, percent, quantity

Layer = tuple[float, float]


def answer(run: RunFolder, target: Target, means: Mapping[Layer, float]) -> list[Card]:
    """The cards at the top of the page.

    Parameters
    ----------
    run : RunFolder
    target : Target
    means : mapping of layer to float
        Mean of each map, for layers that the stock table does not give.

    Returns
    -------
    list of Card, only those that the run can answer.
    """
    cards = [_total(run), _by_layer(run, target, means), skill(run), coverage(run)]
    return [card for card in cards if card is not None]


def _total(run: RunFolder) -> Card | None:
    rows = stock_rows(run)
    if rows is None:
        return None
    whole = whole_stock(run)
    if whole is None:
        totals = [f"{layer_text(r.top_cm, r.bottom_cm)}: {quantity(r.total_Tg, 'Tg')}" for r in records(rows)]
        text = "The run has no total over all layers together."
        text += " The bounds of each layer are in the stock table." if has_bounds(run) else ""
        return Card("Total carbon", "; ".join(totals), (text,))
    depth = layer_text(whole["top_cm"], whole["bottom_cm"])
    where = f" under {quantity(whole['area_km2'], 'km2')}" if is_known(whole["area_km2"]) else ""
    inner = whole["independent_low_Tg"], whole["independent_high_Tg"]
    outer = whole["fully_correlated_low_Tg"], whole["fully_correlated_high_Tg"]
    sentences = [f"Organic carbon in {depth}{where}. 1 Tg is a million tonnes."]
    modelled = whole.get("modelled_low_Tg"), whole.get("modelled_high_Tg")
    if is_known(modelled[0]) and is_known(modelled[1]):
        sentences += [
            f"{percent(BOUNDS_LEVEL)} interval, from errors that are alike nearby: {bounds(*modelled)} Tg. If the errors of the cells were "
            f"independent: {bounds(*inner)} Tg; if they were fully correlated: {bounds(*outer)} Tg."
        ]
    elif has_bounds(run):
        sentences += [
            f"{percent(BOUNDS_LEVEL)} bounds if the errors of the cells were independent: {bounds(*inner)} Tg; "
            f"if they were fully correlated: {bounds(*outer)} Tg.",
            "Unless something that all profiles share is wrong, the true uncertainty lies between these two.",
        ]
    return Card("Total carbon", mass_text(whole["total_Tg"], digits_apart(*inner)), tuple([*sentences, *filter(None, [lead_words(run)])]))


def mass_text(total_tg: float, digits: int = 3) -> str:
    """A mass of carbon, in Pg as well where it is large.

    >>> mass_text(93.44).replace("\u00a0", " "), mass_text(5234.0).replace("\u00a0", " ")
    ('93.4 Tg C', '5,234 Tg C (5.23 Pg C)')
    """
    text = quantity(total_tg, "Tg C", digits)
    return (
        f"{text} ({quantity(total_tg / 1000.0, 'Pg C', digits)})" if is_known(total_tg) and total_tg >= 1000.0 else text
    )


def _by_layer(run: RunFolder, target: Target, means: Mapping[Layer, float]) -> Card | None:
    rows = stock_rows(run)
    if rows is not None:
        body = [
            [layer_text(r.top_cm, r.bottom_cm), number(r.mean_kg_m2), fixed(10.0 * r.mean_kg_m2, 1), number(r.total_Tg)]
            for r in records(rows)
        ]
        table = PageTable("", ("Layer", "kg/m²", "t/ha", "Tg"), tuple(map(tuple, body)))
        return Card("Mean stock by layer", "", _topmost(run), table)
    if not means:
        return None
    values = tuple((layer_text(*layer), number(mean)) for layer, mean in means.items())
    unit = f" ({target.unit})" if target.unit else ""
    return Card(
        f"Mean {target.name} by layer",
        "",
        ("Means over the mapped area.",),
        PageTable("", ("Layer", f"Mean{unit}"), values),
    )


def _topmost(run: RunFolder) -> tuple[str, ...]:
    """How much of the whole lies in the uppermost layer."""
    rows, whole = stock_rows(run), whole_stock(run)
    if rows is None or whole is None or len(rows) < 2 or not whole["total_Tg"] > 0.0:
        return ()
    top = rows.iloc[0]
    share = percent(float(top["total_Tg"]) / float(whole["total_Tg"]))
    return (f"{share} of the carbon lies in {layer_text(float(top['top_cm']), float(top['bottom_cm']))}.",)


def title_of(run: RunFolder) -> str:
    """Title of the page: the recipe's report title, else its name, else the folder's name."""
    for value in (run.setting("report", "title"), run.setting("name"), run.run.get("name")):
        if isinstance(value, str) and value.strip():
            return value.strip()
    return run.path.resolve().name
