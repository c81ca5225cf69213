"""How good the map is and whether its intervals hold, in words that need no statistics: two cards of the answer."""

from __future__ import annotations

from dataclasses import dataclass

from edaphic.report.designs import (
    calibrated_by,
    design_name,
    designs_of,
    headline_of,
    headline_reason,
    judged,
    words_of,
)
from edaphic.report.facts import calibration, evidence_name, interval_of, metric, single_layers
from edaphic.report.folder import RunFolder, records
from edaphic.report.others import estimates, probability_set
from edaphic.report.tables import PageTable
from edaphic.report.words import (
    NO_BREAK_SPACE,
    capital,
    count,
    decimals_for,
    fixed,
    is_known,
    layer_text,
    listing,
    percent,
    unit_text,
    with_interval,
)

_ON_THE_MARK = 0.03


@dataclass(frozen=True)
class Card:
    """One question of the answer: the figure that answers it, sentences, and perhaps a small table."""

    title: str
    figure: str
    sentences: tuple[str, ...]
    table: PageTable | None = None


def skill(run: RunFolder) -> Card | None:
    """The headline first and why it is that, then what the other designs answer."""
    designs = [name for name in designs_of(run, "metrics") if is_known(metric(run, name, "mec"))]
    drawn = probability_set(run)
    title = "How good is it? (MEC)"
    if not designs and not drawn:
        return None
    if drawn:
        figure, sentences = _by_draw(run, drawn)
    elif headline_of(run) in designs:
        figure, sentences = _by_headline(run, headline_of(run))
    else:
        figure = " · ".join(f"{design_name(name)}{NO_BREAK_SPACE}{fixed(metric(run, name, 'mec'))}" for name in designs)
        return Card(title, figure, tuple([*(_explained(run, design) for design in designs), *_beside(run, designs)]))
    # The estimate by the draw is of one layer at a time, the other scores are of all together.
    over = " over all layers" if drawn else ""
    reason = headline_reason(run)
    sentences += [f"Why this figure? {capital(reason)}."] if reason else []
    sentences += [
        f"{capital(_by(name))}, MEC {fixed(metric(run, name, 'mec'))}{over}: {words_of(name).answers}."
        for name in designs
        if name != headline_of(run)
    ]
    return Card(title, figure, tuple([*sentences, *_beside(run, designs)]))


def _by(design: str) -> str:
    return f"by {design_name(design)}"


def _by_headline(run: RunFolder, design: str) -> tuple[str, list[str]]:
    figure = f"{fixed(metric(run, design, 'mec'))} {_by(design)}".replace(" ", NO_BREAK_SPACE)
    rmse, low, high = (metric(run, design, "rmse" + end) for end in ("", "_low", "_high"))
    unit = _unit(run)
    sentences = [_explained(run, design)]
    if is_known(rmse):
        shown = f"{with_interval(rmse, low, high, decimals_for(rmse))}{NO_BREAK_SPACE}{unit}".rstrip(NO_BREAK_SPACE)
        sentences.append(f"Its error (RMSE) is {shown}.")
    return figure, sentences


def _unit(run: RunFolder) -> str:
    units = {r.unit for r in records(run.table("metrics")) if r.scale != "log" and r.unit}
    return unit_text(units.pop()) if len(units) == 1 else ""


def _by_draw(run: RunFolder, name: str) -> tuple[str, list[str]]:
    """The estimate that rests on the draw of the sites: of the whole depth where there is one, then of the layers."""
    rows = estimates(run, name)
    first, found = next(iter(rows.items()))
    mec, rmse = found.get("mec"), found.get("rmse")
    figure = f"{fixed(mec.estimate)} in {layer_text(*first)}".replace(" ", NO_BREAK_SPACE) if mec is not None else ""
    parts = []
    if mec is not None:
        parts.append(f"MEC {with_interval(mec.estimate, mec.low, mec.high)}")
    if rmse is not None:
        shown = with_interval(rmse.estimate, rmse.low, rmse.high, decimals_for(rmse.estimate))
        parts.append(f"RMSE {shown}{NO_BREAK_SPACE}{unit_text(rmse.unit)}".rstrip(NO_BREAK_SPACE))
    sites = next(iter(found.values())).sites
    sentences = [
        f"Over the area in {layer_text(*first)}, estimated from {count(sites)} sites of {name} that were drawn at random: "
        f"{listing(parts)}, with 95 % confidence intervals."
    ]
    others = [f"{fixed(r['mec'].estimate)} in {layer_text(*layer)}" for layer, r in rows.items() if layer != first and "mec" in r]
    return figure, sentences + ([f"The MEC is {listing(others)}."] if others else [])


def _beside(run: RunFolder, designs: list[str]) -> list[str]:
    """What depth alone would explain, the whole depth, and what MEC means."""
    sentences = []
    lead = next(iter(designs), "")
    alone = metric(run, lead, "mec_layer_mean")
    if is_known(alone) and len(single_layers(run)) > 1:
        sentences.append(f"Knowing the depth alone, without any map, would explain {_share(alone)}.")
    whole = run.whole
    if whole is not None and len(run.layers) > 1:
        shown = [name for name in judged(run, "metrics") if name in designs]
        parts = [(name, metric(run, name, "mec", evidence_name(run, whole))) for name in shown]
        known = [f"{fixed(value)} ({design_name(name)})" for name, value in parts if is_known(value)]
        if known:
            sentences.append(f"For the sum over {layer_text(*whole)} the MEC is {listing(known)}.")
    sentences.append("MEC is the share of variance explained: 1 is perfect, 0 no better than the mean, below 0 worse.")
    return sentences


def _explained(run: RunFolder, design: str) -> str:
    mec = metric(run, design, "mec")
    low, high = metric(run, design, "mec_low"), metric(run, design, "mec_high")
    interval = f" (MEC {with_interval(mec, low, high)})"
    words = words_of(design)
    start = f"With {words.left_out}, " if words.name else f"In the {design} design, "
    if mec <= 0.0:
        return f"{start}the map does no better than the plain mean{interval}."
    return f"{start}the map explains {_share(mec)} of the variance{interval}."


def _share(mec: float) -> str:
    return percent(mec) if mec > 0.0 else "nothing"


def coverage(run: RunFolder) -> Card | None:
    """Share of held-out observations inside their interval, in the designs that are judged."""
    known = [(name, calibration(run, name, "coverage")) for name in judged(run, "calibration")]
    known = [(name, value) for name, value in known if is_known(value)]
    if not known:
        return None
    nominal = interval_of(run)
    figure = " · ".join(f"{design_name(name)}{NO_BREAK_SPACE}{percent(value, 1)}" for name, value in known)
    sentence = (
        f"Share of held-out observations inside their {percent(nominal)} interval; it should be {percent(nominal)}."
    )
    used = calibrated_by(run)
    carried = (f"The maps carry the intervals as adjusted by {design_name(used)}.",) if used else ()
    words = (sentence, *(_width_words(*item, nominal) for item in known), *carried)
    return Card("Do the intervals hold?", figure, words)


def _width_words(design: str, coverage: float, nominal: float) -> str:
    """What a coverage means for the reader of an interval.

    >>> _width_words("block", 0.82, 0.9)
    'By block: too narrow, more lies outside than they say.'
    """
    if abs(coverage - nominal) <= _ON_THE_MARK:
        return f"By {design_name(design)}: on the mark, on average over all layers."
    if coverage < nominal:
        return f"By {design_name(design)}: too narrow, more lies outside than they say."
    return f"By {design_name(design)}: wider than they need to be."
