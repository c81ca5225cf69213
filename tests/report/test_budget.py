"""The error of the profiles' stocks: its parts by layer, the largest of them, and what was set beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles.budget import PARTS
from edaphic.report import build_report
from edaphic.report.budget import PART_NAMES, PART_WORDS, defaults_words, error_budget, largest_part, profile_facts
from edaphic.report.facts import target_of
from edaphic.report.folder import RunFolder
from edaphic.report.limits import limits

Make = Callable[..., RunFolder]


def row(profile: str, top: float, bottom: float, stock: float = 4.0, **parts: float) -> dict[str, Any]:
    sds = {part: parts.get(part, 0.0) for part in PARTS}
    found = {"profile_id": profile, "top_cm": top, "bottom_cm": bottom, "soc_stock_kg_m2": stock, "year": 2000.0}
    found |= {f"sd_{part}_kg_m2": sd for part, sd in sds.items()}
    return found | {"value_sd": float(np.sqrt(sum(sd**2 for sd in sds.values())))}


def test_every_part_has_a_name() -> None:
    assert set(PART_NAMES) == set(PART_WORDS) == set(PARTS)


def test_shares_of_the_variance(run_with: Make) -> None:
    """3-4-5 gives 36 % and 64 %; the second profile is all method: 18 %, 82 % on average."""
    layers = [row("a", 0, 30, soc=3.0, method=4.0), row("b", 0, 30, stock=6.0, method=1.0), row("c", 0, 30, stock=np.nan, spline=9.0)]
    run = run_with(layers=layers)
    table = error_budget(run, target_of(run))
    assert table is not None and len(table.rows) == 1
    assert [cell.replace("\u00a0", " ") for cell in table.rows[0]] == [
        "0–30 cm", "2", "5.00", "3.00", "18 %", "82 %", "0 %", "0 %", "0 %", "0 %",
    ]  # fmt: skip
    assert largest_part(run) == ("method", pytest.approx(0.82))
    said = " ".join(limits(run, target_of(run))).replace("\u00a0", " ")
    assert "largest part of the error of a profile's stock is what the laboratory method" in said and "82 %" in said


def test_the_layer_that_holds_the_others_counts_once(run_with: Make) -> None:
    layers = [row("a", 0, 30, spline=1.0), row("a", 30, 100, spline=1.0), row("a", 0, 100, bulk_density=1.0)]
    run = run_with(layers=layers)
    assert largest_part(run) == ("spline", 1.0)
    assert largest_part(run_with(layers=layers[2:])) == ("bulk_density", 1.0)


def test_older_runs_tell_no_parts(run_with: Make) -> None:
    run = run_with(layers=[{"profile_id": "a", "top_cm": 0.0, "bottom_cm": 30.0, "soc_stock_kg_m2": 4.0, "value_sd": 0.5}])
    assert error_budget(run, target_of(run)) is None and largest_part(run) is None
    assert not profile_facts(run) and "largest part" not in " ".join(limits(run, target_of(run)))


def test_what_was_set_is_named_with_the_recipes_shares(run_with: Make) -> None:
    errors = {"soc_share": 0.07, "method_share": {"walkley_black": 0.3}, "unobserved_share": 0.4}
    fragments = {"assumed": 4, "sd": {"assumed": {"checked_against": "ISRIC-WISE"}}}
    summary = {"bulk_density": {"measured": 9, "pedotransfer": 9, "measured_sd_share": 0.06, "checked_against": "this table"}}
    run = run_with(recipe={"profiles": {"errors": errors}}, summary=summary | {"coarse_fragments": fragments})
    said = " ".join(defaults_words(run)).replace("\u00a0", " ")
    for part in ("the laboratory (7 %", "5 % to 30 %", "10 % where it is unknown", "bulk density (6 %)", "(40 % of its estimate)"):
        assert part in said
    assert "found on the profiles of this run and ISRIC-WISE" in said and "reported stocks" not in said
    reported = run_with(recipe={"profiles": {"stocks": "reported"}})
    assert "reported stocks (15 %, under method)" in " ".join(defaults_words(reported)).replace("\u00a0", " ")


def test_duplicates_and_rock(run_with: Make) -> None:
    layers = [row("a", 0, 30) | {"below": "rock"}, row("a", 30, 60) | {"below": "rock"}, row("b", 0, 30) | {"below": "unknown"}]
    said = dict(profile_facts(run_with(layers=layers, summary={"duplicates": 3})))
    assert said["Rock"].startswith("1 of 2 profiles ends on rock")
    assert said["Duplicates"].startswith("3 profiles merged") and "profiles/duplicates.csv" in said["Duplicates"]
    none = dict(profile_facts(run_with(layers=layers[2:], summary={"duplicates": 0})))
    assert "No profile was found twice" in none["Duplicates"] and "No profile is known to end on rock" in none["Rock"]
    off = run_with(recipe={"profiles": {"duplicates": {"merge": False}}}, summary={"duplicates": 0})
    assert "Not looked for" in dict(profile_facts(off))["Duplicates"]


def test_status_tells_what_was_used(run_with: Make) -> None:
    layers = [
        row(name, 0, 30) | {"status": status} for name, status in zip("abcd", ("ok", "partial", "incomplete", "no beta"), strict=True)
    ]
    counts = {"top_cm": 0.0, "bottom_cm": 30.0, "complete": 2, "partial": 2, "none": 0, "valued": 2}
    run = run_with(layers=layers, summary={"layers": [counts]})
    said = " ".join(limits(run, target_of(run))).replace("\u00a0", " ")
    assert "not used: 0–30 cm in 1 profile." in said and "whole layer: 0–30 cm in 1 profile." in said
    assert "No beta function could be fitted to 1 profile" in said


@pytest.mark.usefixtures("undrawn")
def test_a_page_of_a_run_and_of_an_older_one(fake_run: Callable[..., Any]) -> None:
    run = fake_run(shape=(8, 9), profiles=50)
    html = build_report(run.folder).read_text(encoding="utf-8")
    for text in ("How sure the stocks of the profiles are", "Against ours", "4 of 50 profiles end on rock", "2 profiles merged"):
        assert text in html
    path = run.folder / "profiles" / "layers.parquet"
    table = pd.read_parquet(path)
    table.drop(columns=[name for name in table if name.startswith("sd_")] + ["below", "value_sd"]).to_parquet(path)
    (run.folder / "profiles" / "summary.json").write_text('{"bulk_density": {"measured": 1, "pedotransfer": 3}}')
    html = build_report(run.folder).read_text(encoding="utf-8")
    assert "How sure the stocks" not in html and "end on rock" not in html and "merged" not in html and "Against ours" not in html
    assert "Bulk density is estimated, not measured, in 75" in html
