"""Each rule that cleaning applies: a table, what becomes of it, and what the log says. The documentation shows the same rules."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edaphic.profiles.cleaning.clean import clean, repair_rows
from edaphic.profiles.cleaning.rules import ON_REQUEST, RULE_GROUPS, RULES, requested

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAN = np.nan


@dataclass(frozen=True)
class Case:
    """Rows of (profile, top, bottom, soc), other columns and options; then what the log and the table must say."""

    fault: str
    rows: list[tuple[Any, ...]]
    log: list[tuple[Any, ...]]
    kept: list[tuple[Any, ...]]
    columns: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    on_request: bool = False

    def table(self) -> pd.DataFrame:
        table = pd.DataFrame(self.rows, columns=["profile_id", "top_cm", "bottom_cm", "soc_g_kg"])
        return table.assign(**{"lon": 21.0, "lat": 41.0, **self.columns})


A = [("a", 0, 20, 9.0)]
TWO = [("a", 0, 20, 9.0), ("a", 20, 40, 4.0)]
WHOLE = [("a", 0, 20), ("a", 20, 40)]


def place_case(fault: str, lon: float, lat: float, before: str, after: str = "", **options: Any) -> Case:
    return Case(fault, A, [("a", 1, before, after)], [("a", 0, 20)] if after else [], {"lon": lon, "lat": lat}, options)


def kept_case(fault: str, lon: float, lat: float, before: str) -> Case:
    """Where places are not needed, the profile stays without one."""
    return Case(fault, A, [("a", 1, before, "")], [("a", 0, 20)], {"lon": lon, "lat": lat}, {"need_places": False}, on_request=True)


def value_case(fault: str, name: str, value: float) -> Case:
    return Case(fault, A, [("a", 1, f"{name} {value:g}", "")], [("a", 0, 20)], {name: value})


BOX = (20.0, 40.0, 23.0, 43.0)
CASES = [
    Case("profile_id missing", [("", 0, 20, 9.0), *A], [("", 1, "0-20 cm", "")], [("a", 0, 20)]),
    Case(
        "same profile_id in several sources", [*A, *A], [("a", 1, "a", "s:a"), ("a", 1, "a", "t:a")],
        [("s:a", 0, 20), ("t:a", 0, 20)], {"source": ["s", "t"], "row": [1, 1]},
    ),
    Case(
        "longitudes 0 to 360", [("a", 0, 20, 9.0), ("a", 20, 40, 9.0), ("b", 0, 20, 9.0)], [("a", 1, "200, 41", "-160, 41")],
        [*WHOLE, ("b", 0, 20)], {"lon": [200.0, 200.0, 21.0]},
    ),
    place_case("coordinates swapped", 41.0, 121.0, "41, 121", "121, 41"),
    place_case("coordinates swapped", 41.0, 21.0, "41, 21", "21, 41", bounding_box=BOX),
    place_case("coordinates missing", NAN, 41.0, ", 41"),
    place_case("coordinates 0, 0", 0.0, 0.0, "0, 0"),
    place_case("coordinates like metres", 535000.0, 4620000.0, "535000, 4620000"),
    place_case("coordinates outside -180 to 180, -90 to 90", -200.0, 41.0, "-200, 41"),
    place_case("coordinates outside -180 to 180, -90 to 90", np.inf, 41.0, "inf, 41"),
    place_case("coordinates outside the bounding box", 25.0, 41.0, "25, 41", bounding_box=BOX),
    Case(
        "coordinates missing", [*A, ("b", 0, 20, 9.0)], [("b", 2, ", 41", "")], [("a", 0, 20), ("b", 0, 20)], {"lon": [21.0, NAN]},
        {"need_places": False}, on_request=True,
    ),
    Case(
        "rock below a horizon without depth", [*A, ("a", 20, NAN, 4.0)], [("a", 1, "0-20 cm", "")], [("a", 0, 20)], {"below": "rock"},
    ),
    Case(
        "rock depth above the end of the horizons", [*A, ("a", 20, 40, 4.0)],
        [("a", 1, "rock_depth_cm 25", "rock_depth_cm 40")], [("a", 0, 20), ("a", 20, 40)], {"rock_depth_cm": 25.0},
    ),
    Case(
        "rock depth above the end of the horizons", [*A, ("a", 20, 40, 4.0), ("a", 40, 60, NAN)],
        [("a", 1, "rock_depth_cm 25", "rock_depth_cm 40")], [("a", 0, 20), ("a", 20, 40)], {"rock_depth_cm": 25.0},
    ),
    kept_case("coordinates 0, 0", 0.0, 0.0, "0, 0"),
    kept_case("coordinates like metres", 535000.0, 4620000.0, "535000, 4620000"),
    kept_case("coordinates outside -180 to 180, -90 to 90", -200.0, 41.0, "-200, 41"),
    Case("several coordinates", TWO, [("a", 2, "22, 41", "21, 41")], WHOLE, {"lon": [21.0, 22.0]}),
    Case("several coordinates", TWO, [("a", 2, "0, 0", "21, 41")], WHOLE, {"lon": [21.0, 0.0], "lat": [41.0, 0.0]}),
    Case("year outside 1800 to 2100", A, [("a", 1, "1066", "")], [("a", 0, 20)], {"year": 1066.0}),
    Case(
        "several years", [*A, *A], [("a", 1, "a", "a@1990"), ("a", 2, "a", "a@2010")], [("a@1990", 0, 20), ("a@2010", 0, 20)],
        {"year": [1990.0, 2010.0]},
    ),
    value_case("weight negative or infinite", "weight", -1.0),
    value_case("position error negative or infinite", "position_error_m", -30.0),
    value_case("rock depth negative or infinite", "rock_depth_cm", -5.0),
    Case(
        "several values in one profile", TWO, [("a", 2, "rock_depth_cm 90", "rock_depth_cm 80")], WHOLE, {"rock_depth_cm": [80.0, 90.0]}
    ),
    Case("several values in one profile", TWO, [("a", 2, "below unknown", "below rock")], WHOLE, {"below": ["rock", "unknown"]}),
    Case("missing in part of the profile", TWO, [("a", 1, "weight missing", "weight 2")], WHOLE, {"weight": [NAN, 2.0]}),
    Case("missing in part of the profile", TWO, [("a", 2, "year missing", "year 1990")], WHOLE, {"year": [1990.0, NAN]}),
    Case("missing in part of the profile", TWO, [("a", 2, "lon, lat missing", "lon, lat 21, 41")], WHOLE, {"lon": [21.0, NAN]}),
    Case("depth outside -500 to 10000 cm", [*A, ("a", -9999, 40, 4.0)], [("a", 2, "-9999-40 cm", "?-40 cm")], [("a", 0, 20)]),
    Case("depth outside -500 to 10000 cm", [*A, ("a", 20, np.inf, 4.0)], [("a", 2, "20-inf cm", "20-? cm")], [("a", 0, 20)]),
    Case("depth finer than 0.01 cm", [("a", 0, 20.126, 9.0)], [("a", 1, "0-20.126 cm", "0-20.13 cm")], [("a", 0, 20.13)]),
    Case("last lower depth missing", [*A, ("a", 20, NAN, 4.0)], [("a", 2, "20-? cm", "")], [("a", 0, 20)]),
    Case(
        "last lower depth missing", [*A, ("a", 20, NAN, 4.0)], [("a", 2, "20-? cm", "20-30 cm")], [("a", 0, 20), ("a", 20, 30)],
        options={"last_thickness_cm": 10.0}, on_request=True,
    ),
    Case("first upper depth missing", [("a", NAN, 20, 9.0), ("a", 20, 40, 4.0)], [("a", 1, "?-20 cm", "")], [("a", 20, 40)]),
    Case("depth missing", [*TWO, ("a", 10, NAN, 4.0)], [("a", 3, "10-? cm", "")], WHOLE),
    Case("above the surface", [("a", -5, 0, 300.0), *A], [("a", 1, "-5-0 cm", "")], [("a", 0, 20)]),
    Case(
        "above the surface", [("a", -5, 0, 300.0), *A], [("a", 1, "-5-0 cm", "0-5 cm"), ("a", 2, "0-20 cm", "5-25 cm")],
        [("a", 0, 5), ("a", 5, 25)], options={"shift_organic": True}, on_request=True,
    ),
    Case("reversed", [("a", 20, 0, 9.0)], [("a", 1, "20-0 cm", "0-20 cm")], [("a", 0, 20)]),
    Case("zero thickness", [("a", 20, 20, 9.0), *A], [("a", 1, "20-20 cm", "")], [("a", 0, 20)]),
    value_case("reported stock negative or infinite", "soc_stock_kg_m2", -1.0),
    value_case("reported stock negative or infinite", "soc_stock_kg_m2", np.inf),
    Case("soc missing", [*A, ("a", 20, 40, NAN)], [("a", 2, "20-40 cm", "")], [("a", 0, 20)], {"bulk_density_g_cm3": 1.2}),
    Case("soc missing, stock reported", [("a", 0, 20, NAN)], [("a", 1, "0-20 cm", "")], [("a", 0, 20)], {"soc_stock_kg_m2": 5.0}),
    Case("soc outside 0 to 600 g/kg", [*A, ("a", 20, 40, 601.0)], [("a", 2, "601", "")], [("a", 0, 20)]),
    Case("soc outside 0 to 600 g/kg", [*A, ("a", 20, 40, -1.0)], [("a", 2, "-1", "")], [("a", 0, 20)]),
    value_case("bulk density outside 0.02 to 2.65 g/cm3", "bulk_density_g_cm3", 2.66),
    value_case("bulk density outside 0.02 to 2.65 g/cm3", "bulk_density_g_cm3", np.inf),
    value_case("bulk density outside 0.02 to 2.65 g/cm3", "bulk_density_reported_g_cm3", 0.0),
    value_case("coarse fragments outside 0 to 100 %", "coarse_fragments_vol_pct", 104.0),
    value_case("coarse fragments outside 0 to 100 %", "coarse_fragments_mass_pct", -1.0),
    value_case("texture outside 0 to 100 %", "clay_pct", 130.0),
    value_case("pH outside 0 to 14", "ph_h2o", 65.0),
    value_case("total nitrogen outside 0 to 100 g/kg", "total_n_g_kg", -0.1),
    Case("horizon repeated", [*A, *A], [("a", 2, "0-20 cm", "")], [("a", 0, 20)]),
    Case(
        "same depths, other bulk density basis", [*A, *A], [("a", 1, "1.2 g/cm3 fine_earth", ""), ("a", 2, "1.4 g/cm3 whole_soil", "")],
        [("a", 0, 20)], {"bulk_density_g_cm3": [1.2, 1.4], "bulk_density_basis": ["fine_earth", "whole_soil"]},
    ),
    Case(
        "same depths, other values", [*A, ("a", 0, 20, 11.0)],
        [("a", 1, "0-20 cm: soc 9 g/kg", "0-20 cm: soc 10 g/kg"), ("a", 2, "0-20 cm: soc 11 g/kg", "0-20 cm: soc 10 g/kg")],
        [("a", 0, 20)],
    ),
    Case("nested", [("a", 0, 40, 9.0), ("a", 10, 20, 4.0)], [("a", 2, "10-20 cm", "")], [("a", 0, 40)]),
    Case("nested", [*A, ("a", 0, 40, 4.0)], [("a", 1, "0-20 cm", "")], [("a", 0, 40)]),
    Case("overlap", [*A, ("a", 15, 40, 4.0)], [("a", 2, "15-40 cm", "20-40 cm")], WHOLE),
    Case("gap", [*A, ("a", 30, 40, 4.0)], [("a", 2, "20-30 cm", "")], [("a", 0, 20), ("a", 30, 40)]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{number}: {case.fault}" for number, case in enumerate(CASES)])
def test_each_rule(case: Case) -> None:
    table, log = clean(case.table(), **case.options)
    found = log[log.fault == case.fault]
    assert found[["profile_id", "row", "before", "after"]].to_numpy().tolist() == [list(row) for row in case.log]
    done = requested(case.fault) if case.on_request else RULES[case.fault].split(ON_REQUEST)[0]
    assert set(found.action) == {done}
    assert list(zip(table.profile_id, table.top_cm, table.bottom_cm, strict=True)) == case.kept


def test_every_rule_of_cleaning_has_a_case() -> None:
    elsewhere = ("while reading", "one property alone", "after cleaning")
    applied = [fault for where, rules in RULE_GROUPS.items() if where not in elsewhere for fault in rules]
    assert {case.fault for case in CASES} == set(applied)
    both = {fault for fault in applied if ON_REQUEST in RULES[fault]}
    assert {case.fault for case in CASES if case.on_request} == both


def test_the_values_that_are_set_missing_are_missing() -> None:
    for case in CASES:
        if RULES[case.fault] == "set missing" and case.fault != "year outside 1800 to 2100":
            name = next(iter(case.columns))
            assert clean(case.table())[0][name].isna().all(), name


def test_rules_are_stated_once() -> None:
    assert len(RULES) == sum(len(rules) for rules in RULE_GROUPS.values())
    assert list(RULES) == [fault for rules in RULE_GROUPS.values() for fault in rules]


def test_another_action_is_written_as_it_was_done() -> None:
    rows = pd.DataFrame({"profile_id": ["a"], "row": [1]})
    assert repair_rows(rows, "above the surface").action.tolist() == ["horizon dropped"]
    assert repair_rows(rows, "soc method corrected", action="multiplied by 1.3").action.tolist() == ["multiplied by 1.3"]
    with pytest.raises(KeyError):
        repair_rows(rows, "no such fault")


# --- the documentation ----------------------------------------------------------------------------------------------


def test_the_documentation_shows_each_rule() -> None:
    """In the text itself, so that it is there without a build."""
    spec = importlib.util.spec_from_file_location("docs_conf", DOCS / "conf.py")
    assert spec is not None and spec.loader is not None
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    assert conf.rules_table() in (DOCS / "cleaning.md").read_text(encoding="utf-8"), "python docs/conf.py prints the table for cleaning.md"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in conf.rules_table().splitlines()[2:]]
    assert [tuple(row[1:]) for row in rows] == list(RULES.items())
    assert [row[0] for row in rows if row[0]] == list(RULE_GROUPS)


def markdown_table(text: str, heading: str) -> pd.DataFrame:
    """The first table below a line of text."""
    lines = text[text.index(heading) :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    table = [line.strip("|").split("|") for line in lines[start:][: [*map(str.strip, lines[start:]), ""].index("")]]
    rows = "\n".join(";".join(cell.strip() for cell in row) for number, row in enumerate(table) if number != 1)
    return pd.read_csv(StringIO(rows), sep=";")


def test_the_example_of_the_documentation_is_what_the_code_does() -> None:
    text = (DOCS / "cleaning.md").read_text(encoding="utf-8")
    _, log = clean(markdown_table(text, "An invented profile"))
    told = markdown_table(text, "Its log").fillna("")
    assert told.astype(str).to_numpy().tolist() == log.astype(str).to_numpy().tolist()
    assert list(told.columns) == list(log.columns)
