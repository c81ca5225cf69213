"""The answer first: how much carbon, how sure, how good the map is; in words that need no statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edaphic.report.facts import (
    DESIGN_WORDS,
    Target,
    calibration,
    designs_of,
    evidence_name,
    has_bounds,
    interval_of,
    metric,
    single_layers,
    stock_rows,
    whole_stock,
)
from edaphic.report.folder import RunFolder, records
from edaphic.report.tables import PageTable
from edaphic.report.words import (
    NO_BREAK_SPACE,
    bounds,
    digits_apart,
    fixed,
    is_known,
    layer_text,
    listing,
    number,
    percent,
    quantity,
    with_interval,
)

Layer = tuple[float, float]


@dataclass(frozen=True)
class Card:
    """One question of the answer: the figure that answers it, sentences, and perhaps a small table."""

    title: str
    figure: str
    sentences: tuple[str, ...]
    table: PageTable | None = None


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
    cards = [_total(run), _by_layer(run, target, means), _skill(run), _coverage(run)]
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
    if has_bounds(run):
        sentences += [
            f"{percent(interval_of(run))} bounds if the errors of the cells were independent: {bounds(*inner)} Tg; "
            f"if they were fully correlated: {bounds(*outer)} Tg.",
            "Unless something that all profiles share is wrong, the true uncertainty lies between these two.",
        ]
    return Card("Total carbon", mass_text(whole["total_Tg"], digits_apart(*inner)), tuple(sentences))


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


def _skill(run: RunFolder) -> Card | None:
    designs = [name for name in designs_of(run.table("metrics")) if is_known(metric(run, name, "mec"))]
    if not designs:
        return None
    figure = " · ".join(f"{name}{NO_BREAK_SPACE}{fixed(metric(run, name, 'mec'))}" for name in designs)
    sentences = [_explained(run, design) for design in designs]
    alone = metric(run, designs[0], "mec_layer_mean")
    if is_known(alone) and len(single_layers(run)) > 1:
        sentences.append(f"Knowing the depth alone, without any map, would explain {_share(alone)}.")
    whole = run.whole
    if whole is not None and len(run.layers) > 1:
        parts = [(name, metric(run, name, "mec", evidence_name(run, whole))) for name in designs]
        known = [f"{fixed(value)} ({name})" for name, value in parts if is_known(value)]
        if known:
            sentences.append(f"For the sum over {layer_text(*whole)} the MEC is {listing(known)}.")
    sentences.append("MEC is the share of variance explained: 1 is perfect, 0 no better than the mean, below 0 worse.")
    return Card("How good is it? (MEC)", figure, tuple(sentences))


def _explained(run: RunFolder, design: str) -> str:
    mec = metric(run, design, "mec")
    low, high = metric(run, design, "mec_low"), metric(run, design, "mec_high")
    interval = f" (MEC {with_interval(mec, low, high)})"
    start = f"With {DESIGN_WORDS[design]}, " if design in DESIGN_WORDS else f"In the {design} design, "
    if mec <= 0.0:
        return f"{start}the map does no better than the plain mean{interval}."
    return f"{start}the map explains {_share(mec)} of the variance{interval}."


def _share(mec: float) -> str:
    return percent(mec) if mec > 0.0 else "nothing"


def _coverage(run: RunFolder) -> Card | None:
    known = [(name, calibration(run, name, "coverage")) for name in designs_of(run.table("calibration"))]
    known = [(name, value) for name, value in known if is_known(value)]
    if not known:
        return None
    nominal = interval_of(run)
    figure = " · ".join(f"{name}{NO_BREAK_SPACE}{percent(value, 1)}" for name, value in known)
    sentence = (
        f"Share of held-out observations inside their {percent(nominal)} interval; it should be {percent(nominal)}."
    )
    used = run.setting("evidence", "calibrate") or run.designs.get("calibrated_by")
    carried = (f"The maps carry the intervals as adjusted by {used}.",) if isinstance(used, str) else ()
    words = (sentence, *(_width_words(*item, nominal) for item in known), *carried)
    return Card("Do the intervals hold?", figure, words)


def _width_words(design: str, coverage: float, nominal: float) -> str:
    """What a coverage means for the reader of an interval.

    >>> _width_words("block", 0.82, 0.9)
    'By block: too narrow, more lies outside than they say.'
    """
    if abs(coverage - nominal) <= 0.03:
        return f"By {design}: on the mark, on average over all layers."
    if coverage < nominal:
        return f"By {design}: too narrow, more lies outside than they say."
    return f"By {design}: wider than they need to be."


def title_of(run: RunFolder) -> str:
    """Title of the page: the recipe's report title, else its name, else the folder's name."""
    for value in (run.setting("report", "title"), run.setting("name"), run.run.get("name")):
        if isinstance(value, str) and value.strip():
            return value.strip()
    return run.path.resolve().name
