"""How good the map is and whether its intervals hold, in words that need no statistics: two cards of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edaphic.report.designs import (
    calibrated_by,
    design_name,
    designs_of,
    headline_of,
    headline_reason,
    judged,
    lead_of,
    words_of,
)
from edaphic.report.facts import calibration, evidence_name, interval_of, metric, natural, only_inside, share_inside, single_layers
from edaphic.report.folder import RunFolder, records
from edaphic.report.intervals import worst
from edaphic.report.others import estimates, probability_set
from edaphic.report.tables import PageTable
from edaphic.report.words import (
    NO_BREAK_SPACE,
    capital,
    count,
    decimals_for,
    fixed,
    group_text,
    is_known,
    layer_text,
    listing,
    percent,
    unit_text,
    with_interval,
)

_ON_THE_MARK = 0.03
_LEAST_INSIDE = 0.8
_CLUSTERED = "; too good where profiles are clustered"


@dataclass(frozen=True)
class Card:
    """One question of the answer: the figure that answers it, sentences, and perhaps a small table."""

    title: str
    figure: str
    sentences: tuple[str, ...]
    table: PageTable | None = None


@dataclass(frozen=True)
class LayerScore:
    """MEC of one layer with its 95 % interval (NaN where not known)."""

    name: str
    mec: float
    low: float
    high: float

    @property
    def without_skill(self) -> bool:
        """Whether the interval (else the MEC itself) reaches 0 or below: no better than the mean of the layer, as far as can be told."""
        return (self.low if is_known(self.low) else self.mec) <= 0.0

    def words(self) -> str:
        """The MEC and its interval."""
        return with_interval(self.mec, self.low, self.high)


def layer_scores(run: RunFolder, design: str) -> list[LayerScore]:
    """MEC of each single layer in one design, without that of the whole depth."""
    table = run.table("metrics")
    if table is None:
        return []
    rows = natural(table)
    rows = rows[(rows["design"] == design) & rows["layer"].str.endswith(" cm") & rows["mec"].notna()]
    mapped = {f"{top:g}-{bottom:g} cm" for top, bottom in single_layers(run)}
    single = [r for r in records(rows) if (r.layer in mapped if mapped else not r.layer.startswith("whole "))]
    return [LayerScore(group_text(r.layer), r.mec, r.mec_low, r.mec_high) for r in single]


def _layer_words(scores: list[LayerScore], *, listed: bool = False) -> list[str]:
    """The layers one by one, and those in which no skill is shown."""
    found = []
    if len(scores) > 1 and not listed:
        found.append(f"By layer: {', '.join(f'{score.name} {score.words()}' for score in scores)}.")
    none = [score.name for score in scores if score.without_skill]
    if none:
        where = "In every layer" if len(none) == len(scores) > 1 else f"In {listing(none)}"
        found.append(
            f"{where} no skill is shown: the MEC or its interval reaches 0 or below, the mean of the layer may do as well as the map."
        )
    return found


def _reservations(run: RunFolder) -> list[str]:
    """What the figure does not reach: cells farther from profiles than any test, cells outside the area of applicability."""
    told = run.designs.get("notes")
    lines = told.get("knndm") if isinstance(told, Mapping) else None
    nearer = [str(line) for line in lines if "nearer to training places" in str(line)] if isinstance(lines, list) else []
    found = [f"{line.strip().rstrip('.')}." for line in nearer]
    share = share_inside(run)
    if is_known(share) and share < _LEAST_INSIDE:
        if only_inside(run):
            found.append(f"Only {percent(share)} of the cells lie inside the area of applicability; the rest is left empty.")
        else:
            found.append(f"Only {percent(share)} of the map lies inside the area of applicability; the figures say little about the rest.")
    return found


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
        sentences += _layer_words(layer_scores(run, headline_of(run)))
    else:
        figure = " · ".join(f"{design_name(name)}{NO_BREAK_SPACE}{fixed(metric(run, name, 'mec'))}" for name in designs)
        lead = lead_of(run, "metrics")
        layers = _layer_words(layer_scores(run, lead))
        told = [f"{capital(_by(lead))}, {text[0].lower()}{text[1:]}" for text in layers] if len(designs) > 1 else layers
        explained = [_explained(run, design) for design in designs]
        return Card(title, figure, tuple([*explained, *told, *_reservations(run), *_beside(run, designs)]))
    sentences += _reservations(run)
    # The estimate by the draw is of one layer at a time, the other scores are of all together.
    over = " over all layers" if drawn else ""
    reason = headline_reason(run)
    sentences += [f"Why this figure? {capital(reason)}."] if reason else []
    sentences += [
        f"{capital(_by(name))}, MEC {fixed(metric(run, name, 'mec'))}{over}: {_answers(run, name)}."
        for name in designs
        if name != headline_of(run)
    ]
    return Card(title, figure, tuple([*sentences, *_beside(run, designs)]))


def _answers(run: RunFolder, design: str) -> str:
    """What a score answers, as far as the figures of this run bear it out."""
    words = words_of(design).answers
    here, by_map = metric(run, design, "mec"), metric(run, "knndm", "mec")
    if not (is_known(here) and is_known(by_map)):
        return words
    if words.endswith(_CLUSTERED) and here < by_map:
        return f"{words.removesuffix(_CLUSTERED)}; here no better than by kNNDM"
    if design == "block" and here > by_map:
        return f"{words}; here an easier test than the distances of the map (kNNDM)"
    return words


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
    sentences += [f"The MEC is {listing(others)}."] if others else []
    single = {layer: r["mec"] for layer, r in rows.items() if "mec" in r and (layer != run.whole or len(rows) == 1)}
    scores = [LayerScore(layer_text(*layer), r.estimate, r.low, r.high) for layer, r in single.items()]
    return figure, sentences + _layer_words(scores, listed=True)


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
    words = (sentence, *(_width_words(run, *item, nominal) for item in known), *carried)
    return Card("Do the intervals hold?", figure, words)


def _width_words(run: RunFolder, design: str, coverage: float, nominal: float) -> str:
    """What a coverage means for the reader of an interval, and where it is off beyond chance."""
    off = worst(run, design)
    where = f" Worst beyond chance: {listing([item.words() for item in off.values()])}." if off else ""
    start = f"By {design_name(design)}: "
    if coverage < nominal - _ON_THE_MARK:
        return f"{start}too narrow, more lies outside than they say.{where}"
    if coverage > nominal + _ON_THE_MARK:
        return f"{start}wider than they need to be.{where}"
    if off:
        return f"{start}right on average over all layers, but not everywhere.{where}"
    table = run.table("calibration")
    judged_by_group = table is not None and bool(table.loc[table["design"] == design, "coverage_low"].notna().any())
    return f"{start}on the mark, {'in all layers and groups as far as can be told' if judged_by_group else 'on average over all layers'}."
