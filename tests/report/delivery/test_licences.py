"""Licences: what a text names, which two cannot be met at once, and what all of them mean together."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

from edaphic.report.delivery.licences import conflict, fitting, licence_of, too_free
from edaphic.report.delivery.rollup import Input, roll_up, text_of, verdict
from edaphic.report.delivery.tags import told_by_file

SPDX = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-3.0-IGO", "CC-BY-NC-SA-4.0"]
SPDX += ["CC-BY-ND-4.0"]
SPDX += [
    "CC-BY-NC-ND-4.0",
    "ODbL-1.0",
    "ODC-By-1.0",
    "PDDL-1.0",
    "etalab-2.0",
    "OGL-UK-3.0",
    "GPL-3.0",
    "MIT",
    "Apache-2.0",
    "DL-DE-BY-2.0",
]


@pytest.mark.parametrize("name", SPDX)
def test_identifiers_are_themselves(name: str) -> None:
    for spelled in (name, name.lower(), name.replace("-", " "), f"  {name} "):
        assert licence_of(spelled).known, spelled
        assert licence_of(spelled).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC-BY", "CC-BY"),
        ("cc by nc-sa v3.0 IGO", "CC-BY-NC-SA-3.0-IGO"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International License", "CC-BY-NC-SA-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0", "CC-BY-NC-ND-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/igo/legalcode", "CC-BY-NC-SA-3.0-IGO"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)", "CC-BY-4.0"),
        ("Licensed under CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("Open Data Commons Open Database License", "ODbL-1.0"),
        ("public domain", "public domain"),
    ],
)
def test_names_as_people_write_them(text: str, name: str) -> None:
    assert (licence_of(text).name, licence_of(text).known) == (name, True)


@pytest.mark.parametrize(
    "text",
    [
        "ask the ministry",
        "CC BY 4.0 but not for commercial use",
        "not CC BY 4.0",
        "CC BY-SA-ND 4.0",
        "CC BY or CC BY-NC",
        "free for research",
        "CC BY 4.0 (https://creativecommons.org/licenses/by-nc/4.0/)",
        "BYOD",
    ],
)
def test_what_is_not_understood_as_a_whole_is_kept_and_unknown(text: str) -> None:
    found = licence_of(text)
    assert (found.name, found.known, found.may_be_shared, found.obligations) == (text, False, False, ())


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    found = licence_of(text)
    assert found.known or found.name in (" ".join(text.split()), "not stated")


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", True),
        ("CC-BY-SA-4.0", "ODbL-1.0", True),
        ("CC-BY-SA-4.0", "CC-BY-NC-4.0", True),  # one has to allow commercial use, the other forbids it
        ("ODbL-1.0", "CC-BY-NC-4.0", True),
        ("CC-BY-SA-1.0", "CC-BY-SA-4.0", True),  # 1.0 has no word on later versions
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0", False),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", False),
        ("CC-BY-SA-4.0", "GPL-3.0", False),  # declared compatible, one way
        ("CC-BY-4.0", "ODbL-1.0", False),
        ("CC0-1.0", "CC-BY-NC-SA-4.0", False),
        ("CC-BY-SA-4.0", "ask", False),  # of what is unknown nothing is said
    ],
)
def test_pairs(one: str, other: str, apart: bool) -> None:
    assert bool(conflict(licence_of(one), licence_of(other))) is apart
    assert bool(conflict(licence_of(other), licence_of(one))) is apart


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["CC0-1.0", "PDDL-1.0"], "CC0-1.0"),
        (["CC0-1.0", "OGL-UK-3.0"], "CC-BY-4.0"),
        (["CC-BY-4.0", "CC-BY-NC-3.0"], "CC-BY-NC-4.0"),
        (["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"], "CC-BY-NC-SA-4.0"),
        (["CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-4.0"], "CC-BY-SA-4.0"),
        (["CC-BY-SA-4.0", "GPL-3.0"], "GPL-3.0"),
        (["CC-BY-ND-4.0"], ""),
        (["all rights reserved", "CC0"], ""),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], ""),
    ],
)
def test_the_common_licence_does_not_depend_on_the_order(names: list[str], expected: str) -> None:
    assert {fitting(tuple(licence_of(name) for name in order)) for order in permutations(names)} == {expected}


@given(st.lists(st.sampled_from(SPDX), min_size=1, max_size=5))
def test_nothing_stands_against_the_common_licence(names: list[str]) -> None:
    known = tuple(licence_of(name) for name in names)
    common = fitting(known)
    assert not common or too_free(licence_of(common), known) == []


def test_too_free_a_licence_is_told() -> None:
    inputs = tuple(licence_of(name) for name in ("CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0"))
    assert [line.split()[0] for line in too_free(licence_of("CC-BY-4.0"), inputs)] == ["CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0"]
    assert "CC-BY-4.0 asks that its source is named" in too_free(licence_of("CC0"), (licence_of("CC-BY-4.0"),))[0]
    assert too_free(licence_of("CC-BY-SA-4.0"), (licence_of("GPL-3.0"),)) != []  # the other way round it is allowed


def test_the_roll_up_names_pairs_blocks_and_what_is_open() -> None:
    inputs = [
        Input("profiles", "survey", "a.csv", "CC BY-SA 4.0", "Someone 2020", "recipe"),
        Input("covariate", "ndvi", "b.tif", "CC-BY-NC-SA-4.0"),
        Input("covariate", "dem", "c.tif"),
        Input("covariate", "geology", "d.tif", "ask us | please"),
        Input("mask", "ice", "e.tif", "CC-BY-ND-4.0"),
        Input("product", "older", "f.tif", "all rights reserved", used_for="tables"),
    ]
    found = roll_up(inputs, "CC-BY-4.0")
    assert found.obligations == ("attribution", "share-alike", "non-commercial", "no derivatives")
    assert [pair[:2] for pair in found.pairs] == [("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0")]
    assert (found.blocking, found.open, found.fitting) == (("CC-BY-ND-4.0",), ("dem", "geology"), "")
    assert found.beside == ("older (all rights reserved): no redistribution",)
    assert found.table["known"].tolist() == ["yes", "yes", "not stated", "unknown", "yes", "yes"]
    text = text_of(found, "test")
    assert "ask us \\| please (unknown here)" in text and "no legal advice" in text
    assert "No licence for the outputs meets all known licences of the inputs." in verdict(found)


def test_the_verdict_on_sound_inputs() -> None:
    said = verdict(roll_up([Input("profiles", "a", "a.csv", "CC0"), Input("covariate", "b", "b.tif", "CC BY 4.0")], "CC-BY-SA-4.0"))
    assert "The least restrictive common licence for the outputs: CC-BY-4.0." in said
    assert said[-1] == "Asked for by the recipe: CC-BY-SA-4.0; nothing in the known licences stands against it."
    unknown = verdict(roll_up([Input("profiles", "a", "a.csv", "CC0")], "my own terms"))
    assert "'my own terms' is no licence known here: it was not held against those of the inputs" in unknown[-1]


def _raster(path: Path, **tags: str) -> Path:
    profile = {"driver": "GTiff", "width": 2, "height": 2, "count": 1, "dtype": "float32", "crs": "EPSG:3035"}
    with rasterio.open(path, "w", **profile, transform=from_origin(0, 0, 1, 1)) as file:
        file.write(np.ones((1, 2, 2), np.float32))
        file.update_tags(**tags)
    return path


def test_licences_stand_in_tags_and_items(tmp_path: Path) -> None:
    tagged = _raster(tmp_path / "a.tif", LICENSE="CC BY 4.0", citation="A 2020")
    assert told_by_file(tagged) == ("CC BY 4.0", "A 2020")
    assert told_by_file(_raster(tmp_path / "c.tif", TIFFTAG_COPYRIGHT="(c) B")) == ("(c) B", "")
    beside = _raster(tmp_path / "b.tif")
    item = {"type": "Feature", "properties": {"license": "CC-BY-SA-4.0", "sci:doi": "10.5/x"}}
    (tmp_path / "b.json").write_text(json.dumps(item))
    assert told_by_file(beside) == told_by_file(tmp_path / "b.json") == ("CC-BY-SA-4.0", "10.5/x")
    linked = {"type": "Feature", "properties": {"license": "other"}, "links": [{"rel": "license", "href": "https://x.org/terms"}]}
    (tmp_path / "d.json").write_text(json.dumps(linked))
    assert told_by_file(tmp_path / "d.json") == ("https://x.org/terms", "")


def test_files_that_tell_nothing_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").write_text("[1]")
    assert {told_by_file(tmp_path / name) for name in ("a.csv", "b.json", "c.json", "missing.tif")} == {("", "")}
    assert told_by_file(_raster(tmp_path / "plain.tif")) == ("", "")
