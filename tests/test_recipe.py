"""The recipe: faults with their lines, all at once; defaults written out; files named by it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic import recipe as recipes
from edaphic.covariates import source as covariate_source
from edaphic.covariates.climate.model import Elevation
from edaphic.covariates.climate.tables import ALIASES
from edaphic.covariates.terrain.attributes import ATTRIBUTES
from edaphic.covariates.terrain.attributes import CHOICES as TERRAIN_CHOICES
from edaphic.errors import RecipeError
from edaphic.profiles.density.bulk_density import DENSITY_SOURCES, FRAGMENT_SOURCES, PEDOTRANSFER
from edaphic.profiles.reading.columns import ROLES, UNITLESS
from edaphic.recipe import Recipe, dump, load, parse, schema, template, template_names
from edaphic.units import METRES, ORGANIC_MATTER_TO_CARBON, units_of

SMALL = """\
edaphic: 1
name: small
grid: {like: covs/dem.tif}
profiles:
  sources:
    - horizons: horizons.csv
      columns:
        profile_id: id
        soc: {column: OC, unit: "%"}
  layers: [0-30, 30-60]
covariates:
  layers:
    - path: covs/dem.tif
"""


def faults_of(text: str) -> list[str]:
    """Faults of a recipe, without the file's name."""
    with pytest.raises(RecipeError) as error:
        parse(text)
    assert all(fault.startswith("recipe.yaml:") and "\n" not in fault for fault in error.value.faults)
    return [fault.removeprefix("recipe.yaml:") for fault in error.value.faults]


def with_changes(*changes: tuple[str, str], more: str = "") -> str:
    """The small recipe with texts replaced, and more keys at its end."""
    text = SMALL
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text + more


# --- Reading


def test_a_small_recipe_gets_every_default() -> None:
    small = parse(SMALL)
    assert small.grid == recipes.GridLike(like="covs/dem.tif")
    assert small.profiles.layers == ((0.0, 30.0), (30.0, 60.0))
    assert small.profiles.bulk_density == ("measured", "reported", "pedotransfer")
    assert small.profiles.sources[0].columns.given() == {
        "profile_id": recipes.Column(column="id"),
        "soc": recipes.Column(column="OC", unit="%"),
    }
    assert (small.seed, small.root, small.profiles.depth.lam) == (0, ".", 0.1)
    assert (small.model.target, small.model.form, small.model.forest.trees) == ("log_soc_density", "3d", 500)
    assert small.evidence.all_designs == ("profile", "block", "knndm")
    assert small.maps.stats == ("mean", "q05", "q95", "spread", "applicability", "dissimilarity")


def test_a_section_without_keys_is_its_default() -> None:
    text = with_changes(more="model:\n  forest:  # trees: 20\naccount:\n")
    assert parse(text) == parse(SMALL)


@pytest.mark.parametrize("word", ["no", "on", "y", "yes", "off", "012:30", "12:30", "2010-01-31", "1_000", "<<", "="])
def test_words_that_other_yaml_readers_turn_into_something_else_stay_text(word: str) -> None:
    assert parse(with_changes(("name: small", f"name: {word}"))).name == word


def test_numbers_may_have_an_exponent_without_a_dot() -> None:
    assert parse(with_changes(more="evidence: {block_km: 1e1, same_place_m: 5}\n")).evidence.block_km == 10.0


def test_numbers_with_a_leading_zero_are_decimal() -> None:
    assert parse(with_changes(more="seed: 010\n")).seed == 10


def test_layers_may_have_spaces_and_decimals() -> None:
    layers = parse(with_changes(("[0-30, 30-60]", "[0 - 7.5, 7.5-30, 60-100]"))).profiles.layers
    assert layers == ((0.0, 7.5), (7.5, 30.0), (60.0, 100.0))


def test_organic_matter_gets_its_share_of_carbon() -> None:
    text = with_changes(("soc: {column: OC,", "organic_matter: {column: OM,"))
    column = parse(text).profiles.sources[0].columns.organic_matter
    assert column is not None
    assert column.to_carbon == ORGANIC_MATTER_TO_CARBON
    told = parse(text.replace('unit: "%"', 'unit: "%", to_carbon: 0.5')).profiles.sources[0].columns.organic_matter
    assert told is not None
    assert told.to_carbon == 0.5


def test_a_constant_stands_for_a_column() -> None:
    text = with_changes(
        ("profile_id: id", "profile_id: id\n        top: {value: 0, unit: cm}\n        year: {value: 2010}")
    )
    columns = parse(text).profiles.sources[0].columns
    assert columns.top == recipes.Column(value=0.0, unit="cm")
    assert columns.year == recipes.Column(value=2010.0)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("{like: a.tif}", recipes.GridLike(like="a.tif")),
        ("{region: a.gpkg, resolution: 90}", recipes.GridRegion(region="a.gpkg", resolution=(90.0, 90.0))),
        (
            "{crs: EPSG:32634, resolution: [90, 100], bounds: [0, 0, 900, 1000]}",
            recipes.GridBounds(crs="EPSG:32634", resolution=(90.0, 100.0), bounds=(0.0, 0.0, 900.0, 1000.0)),
        ),
    ],
)
def test_three_kinds_of_grid(grid: str, expected: object) -> None:
    assert parse(with_changes(("{like: covs/dem.tif}", grid))).grid == expected


def test_anchors_may_be_used() -> None:
    text = with_changes(("- horizons: horizons.csv", "- &first {horizons: a.csv}\n    - *first\n    - horizons: b.csv"))
    assert [source.horizons for source in parse(text).profiles.sources] == ["a.csv", "a.csv", "b.csv"]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load(path) == parse(SMALL)


# --- Faults


def test_all_faults_are_found_at_once_with_their_lines() -> None:
    text = """\
edaphic: 1
name: faulty
sede: 7
grid: {like: dem.tif}
profiles:
  sources:
    - horizons: horizons.csv
      columns:
        soc: {column: OC}
  layers:
    - 0-30
    - 20-60
covariates:
  layers:
    - {path: dem.tif, kind: classes}
model:
  forest:
    trees: many
evidence: {folds: 1}
account:
  compare:
    - {name: old, path: old.tif, layer: 0-25, unit: kg}
"""
    places = [": ".join(fault.split(": ")[:2]) for fault in faults_of(text)]
    assert places == [
        "3: sede",
        "9: profiles.sources[0].columns.soc.unit",
        "12: profiles.layers[1]",
        "15: covariates.layers[0].kind",
        "18: model.forest.trees",
        "19: evidence.folds",
        "22: account.compare[0].unit",
    ]


def test_a_fault_says_what_was_found_and_what_is_expected() -> None:
    assert faults_of(with_changes(more="evidence:\n  folds: 1\n")) == [
        "15: evidence.folds: found 1; expected a number of at least 2"
    ]


@pytest.mark.parametrize(
    ("forest", "expected"),
    [
        ("{little_bags: 1}", "1 with 500 trees"),
        ("{trees: 100, little_bags: 30}", "30 with 100 trees"),
        ("{trees: 100, little_bags: 20}", "20 with 100 trees"),
        ("{little_bags: 10}, tune: {over: [trees]}", "beside tune.over: trees"),
    ],
)
def test_little_bags_need_trees_to_fill_them(forest: str, expected: str) -> None:
    found = faults_of(with_changes(more=f"model: {{forest: {forest}}}\n"))
    assert len(found) == 1 and f"model.forest.little_bags: found {expected}" in found[0]


def test_little_bags_that_fit() -> None:
    assert parse(with_changes(more="model: {forest: {little_bags: 10}, tune: {over: [max_features]}}\n")).model.forest.little_bags == 10
    assert parse(SMALL).model.forest.little_bags == 0


def test_misspelt_keys_and_words_get_a_suggestion() -> None:
    found = faults_of(with_changes(more="model: {forest: {tree: 5}, target: log_soc_stok}\nevidnce: {}\n"))
    assert len(found) == 3
    assert "found 'log_soc_stok'; expected 'soc_stock'" in found[0]
    assert found[0].endswith("(did you mean 'log_soc_stock'?)")
    assert found[1].endswith(
        "found an unknown key; expected one of trees, min_samples_leaf, max_features, max_depth, split, engine, little_bags (did you mean "
        "'trees'?)"
    )
    assert found[2].startswith("15: evidnce: ")
    assert found[2].endswith("(did you mean 'evidence'?)")


@pytest.mark.parametrize("role", [role for role, quantity in ROLES.items() if quantity not in UNITLESS])
def test_a_quantity_needs_its_unit(role: str) -> None:
    units = ", ".join(units_of(ROLES[role]))
    for spelled in ("OC", "{column: OC}", "{value: 1}", "{column: OC, unit: furlong}"):
        (fault,) = faults_of(with_changes(('soc: {column: OC, unit: "%"}', f"{role}: {spelled}")))
        assert fault.startswith(f"9: profiles.sources[0].columns.{role}")
        assert f"a unit, one of {units}" in fault


@pytest.mark.parametrize("role", [role for role, quantity in ROLES.items() if quantity in UNITLESS])
def test_a_role_without_unit_takes_none(role: str) -> None:
    pair = {"x": "y: Y", "y": "x: X", "lon": "lat: Y", "lat": "lon: X"}.get(role, "top: {column: t, unit: cm}")
    text = with_changes(("profile_id: id", f"{role}: X\n        {pair}"))
    assert parse(text).profiles.sources[0].columns.given()[role] == recipes.Column(column="X")
    (fault,) = faults_of(text.replace(f"{role}: X\n", f"{role}: {{column: X, unit: m}}\n"))
    also = ", or excel_serial" if role == "year" else ""
    assert fault == f"8: profiles.sources[0].columns.{role}.unit: found 'm'; expected no unit: this column has none{also}"


@pytest.mark.parametrize(
    ("columns", "where", "what"),
    [
        ('organic_matter: {column: OM, unit: "%"}', "organic_matter", "found both soc and organic_matter"),
        ("x: X", "x", "found this coordinate alone"),
        ("lat: X", "lat", "found this coordinate alone"),
        ("top: 5", "top", "expected {column: ..., unit: ...}"),
        ("top: {column: t, value: 0, unit: cm}", "top", "found both column and value"),
        ("top: {unit: cm}", "top", "found neither column nor value"),
        ("top: {value: deep, unit: cm}", "top.value", "expected a number in cm"),
        ("top: {column: t, unit: cm, to_carbon: 0.5}", "top.to_carbon", "expected this key only for organic_matter"),
        ("year: {value: .nan}", "year.value", "expected a number or text"),
        ("depth: D", "depth", "found an unknown key"),
    ],
)
def test_faults_of_columns(columns: str, where: str, what: str) -> None:
    (fault,) = faults_of(with_changes(("profile_id: id", columns)))
    assert f": profiles.sources[0].columns.{where}: " in fault
    assert what in fault


def test_faults_between_keys_are_found_beside_faulty_values() -> None:
    text = with_changes(("profile_id: id", "profile_id: 5\n        organic_matter: {column: OM, unit: g}"))
    assert [fault.split(": ")[1].rsplit(".", 2)[-1] for fault in faults_of(text)] == [
        "profile_id",
        "unit",
        "organic_matter",
    ]


@pytest.mark.parametrize(
    ("layers", "line", "where"),
    [
        ("[]", 10, "profiles.layers"),
        ("0-30", 10, "profiles.layers"),
        ("[30-0]", 10, "profiles.layers[0]"),
        ("[0-0]", 10, "profiles.layers[0]"),
        ("[-10-0]", 10, "profiles.layers[0]"),
        ("[0-30, topsoil]", 10, "profiles.layers[1]"),
        ("[0-30, [30, 60]]", 10, "profiles.layers[1]"),
        ("[30-60, 0-30]", 10, "profiles.layers[1]"),
        ("[0-30, 0-30]", 10, "profiles.layers[1]"),
        ("\n    - 0-30\n    - 30-60\n    - 50-90", 13, "profiles.layers[2]"),
    ],
)
def test_faults_of_layers(layers: str, line: int, where: str) -> None:
    (fault,) = faults_of(with_changes(("[0-30, 30-60]", layers)))
    assert fault.startswith(f"{line}: {where}: found ")


@pytest.mark.parametrize(
    ("grid", "where"),
    [
        ("{}", "grid"),
        ("dem.tif", "grid"),
        ("", "grid"),
        ("{like: a.tif, region: b.gpkg}", "grid"),
        ("{like: a.tif, crs: EPSG:4326}", "grid.crs"),
        ("{like: 5}", "grid.like"),
        ("{crs: EPSG:4326, resolution: 1}", "grid.bounds"),
        ("{region: b.gpkg}", "grid.resolution"),
        ("{region: b.gpkg, resolution: 0}", "grid.resolution"),
        ("{region: b.gpkg, resolution: [5, -5]}", "grid.resolution[1]"),
        ("{region: b.gpkg, resolution: [1, 2, 3]}", "grid.resolution"),
        ("{crs: EPSG:4326, resolution: 1, bounds: [5, 0, 1, 9]}", "grid.bounds"),
    ],
)
def test_faults_of_the_grid(grid: str, where: str) -> None:
    (fault,) = faults_of(with_changes(("{like: covs/dem.tif}", grid)))
    assert fault.startswith(f"3: {where}: found ")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("model: {name: ../away}", "model.name"),
        ("model: {screen: {correlation: 1.5}}", "model.screen.correlation"),
        ("model: {forest: {max_features: 0}}", "model.forest.max_features"),
        ("model: {forest: {trees: 5.5}}", "model.forest.trees"),
        ("model: {forest: {trees: true}}", "model.forest.trees"),
        ("seed: -1", "seed"),
        ("seed: '7'", "seed"),
        ("evidence: {designs: [blocks]}", "evidence.designs[0]"),
        ("evidence: {designs: [profile, profile]}", "evidence.designs[1]"),
        ("evidence: {designs: [profile], calibrate: random}", "evidence.calibrate"),
        ("evidence: {interval: 0.8}", "evidence.interval"),
        ("evidence: {interval: .inf}", "evidence.interval"),
        ("maps: {stats: [q05]}", "maps.stats"),
        ("maps: {stats: mean}", "maps.stats"),
        ("maps: {period: [2010, 2000]}", "maps.period"),
        ("maps: {mask: {dem: [1]}}", "maps.mask.dem"),
        ("maps: {mask: {lakes: [1]}}", "maps.mask.lakes"),
        ("account: {by: [dem]}", "account.by[0]"),
        ("account: {by: [5]}", "account.by[0]"),
        ("account: {by: [{name: a, path: b.gpkg}]}", "account.by[0].column"),
        ("account: {by: [{name: a, path: b.tif, classes: {}}]}", "account.by[0].classes"),
        ("account: {by: [{name: a, path: b.tif, classes: {'1': x}}]}", "account.by[0].classes.1"),
        ("account: {truth: [{path: a.tif, layer: 60-90, unit: kg/m2}]}", "account.truth[0].layer"),
        ("account: {truth: [{path: a.tif, layer: 0-30, unit: g/kg}]}", "account.truth[0].unit"),
        ("report: {title: 7}", "report.title"),
        ("1: 2", "[1]"),
    ],
)
def test_faults_of_later_sections(more: str, where: str) -> None:
    (fault,) = faults_of(with_changes(more=f"{more}\n"))
    assert fault.startswith(f"14: {where}: found ")


@pytest.mark.parametrize(
    ("layer", "where"),
    [
        ("{path: 'covs/*.tif', name: all}", "name"),
        ("{path: a.tif, classes: {1: x}}", "classes"),
        ("{path: a.tif, kind: class, scale: 2}", "scale"),
        ("{path: a.tif, scale: 0}", "scale"),
        ("{path: a.tif, band: 0}", "band"),
        ("{name: a}", "path"),
    ],
)
def test_faults_of_covariates(layer: str, where: str) -> None:
    (fault,) = faults_of(with_changes(("- path: covs/dem.tif", f"- path: b.tif\n    - {layer}")))
    assert fault.startswith(f"14: covariates.layers[1].{where}: found ")


def test_two_covariates_of_one_name_are_a_fault() -> None:
    (fault,) = faults_of(with_changes(("- path: covs/dem.tif", "- path: a/dem.tif\n    - path: b/dem.tif")))
    assert fault.startswith("14: covariates.layers[1]: found a second covariate named 'dem'")


def test_the_whole_may_be_compared_where_layers_touch() -> None:
    more = "account: {truth: [{path: a.tif, layer: 0-60, unit: t/ha}]}\n"
    assert parse(with_changes(more=more)).account.truth[0].layer == (0.0, 60.0)
    (fault,) = faults_of(with_changes(("30-60", "40-60"), more=more))
    assert fault.startswith("14: account.truth[0].layer: found '0-60'; expected one of the mapped layers 0-30, 40-60")


def test_classes_may_come_from_a_pattern() -> None:
    more = "account: {by: [cover]}\n"
    pattern = ("- path: covs/dem.tif", "- {path: covs/*.tif, kind: class}")
    assert parse(with_changes(pattern, more=more)).account.by == ("cover",)
    (fault,) = faults_of(with_changes((pattern[0], "- path: covs/*.tif"), more=more))
    assert "found 'cover', which no layer of kind class is called" in fault  # whether there is such a file, the pattern does not tell
    (fault,) = faults_of(with_changes((pattern[0], pattern[1] + "\n  exclude: [cov*]"), more=more))
    assert "found 'cover', which is excluded" in fault


def test_a_name_of_no_kind_and_an_excluded_one() -> None:
    more = "".join(f"\n    - {{path: covs/{name}.tif, kind: class}}" for name in ("cover", "zone"))
    layers = ("- path: covs/dem.tif", f"- path: covs/dem.tif{more}")
    (fault,) = faults_of(with_changes(layers, more="account: {by: [dem]}\n"))
    assert "found 'dem', which is continuous; expected a covariate of kind class, one of cover, zone" in fault
    excluded = (layers[0], layers[1] + "\n  exclude: [cover]")
    (fault,) = faults_of(with_changes(excluded, more="account: {by: [cover]}\n"))
    assert fault.endswith("found 'cover', which is excluded; expected a covariate of kind class, one of zone")


@pytest.mark.parametrize("patterns", ["['*']", "[dem, cover]", "['**', dem]"])
def test_nothing_is_left_comes_before_what_follows_from_it(patterns: str) -> None:
    layers = ("- path: covs/dem.tif", f"- path: covs/dem.tif\n    - {{path: covs/cover.tif, kind: class}}\n  exclude: {patterns}")
    (fault,) = faults_of(with_changes(layers, more="maps: {mask: {cover: [1]}}\naccount: {by: [cover]}\n"))
    assert "covariates.exclude: found that no covariate is left; expected at least one covariate" in fault


# --- Text that is no recipe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: found nothing; expected a recipe"),
        ("# only a comment\n", "1: found nothing; expected a recipe"),
        ("- a\n- b\n", "1: found a list of 2; expected keys with values"),
        ("just text", "1: found 'just text'; expected keys with values"),
        ("name: x\nprofiles:\n\tsources: []\n", "3: found a tab; expected spaces to indent"),
        ("name: x\nunit: %\n", "2: found a value that starts with %; expected quotes around it"),
        ("name: x\npath: *.tif\n", "2: found a value that starts with * or &; expected quotes around it"),
        ("name: a: b\n", "1: found a second ': '; expected one key on a line"),
        ("name: [a\nb: 1\n", "2: found ':'; expected ',' or ']'"),
        ("a: 1\n--- \nb: 2\n", "2: found another document; expected a single document in the stream"),
        ("name: \x07\n", "1: found the character U+0007; expected printable text"),
        ("a: " + "[" * 500, "1: found more than 30 levels of nesting"),
    ],
)
def test_text_that_is_no_recipe_gives_one_line(text: str, expected: str) -> None:
    (fault,) = faults_of(text)
    assert fault.startswith(expected)


def test_a_key_may_stand_there_once() -> None:
    found = faults_of(with_changes(more="seed: 1\nmodel: {form: 3d, form: layers}\nseed: 2\n"))
    assert found == [
        "15: model.form: found this key a second time (first on line 15); expected each key once",
        "16: seed: found this key a second time (first on line 14); expected each key once",
    ]


def test_nested_anchors_cannot_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    (fault,) = faults_of("\n".join(lines))
    assert re.match(r"\d+: found more than 100000 values", fault)


def test_an_anchor_cannot_hold_itself() -> None:
    assert any("found an anchor that contains itself" in fault for fault in faults_of("name: &a [*a]\n"))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!mine", "!!binary", "!!set"]
)
def test_tags_make_nothing(tag: str, tmp_path: Path) -> None:
    mark = tmp_path / "made"
    found = faults_of(with_changes(("name: small", f"name: {tag} ['touch {mark}']")))
    assert found == [f"2: name: found the tag {tag}; expected a plain value without a tag"]
    assert not mark.exists()


def test_tags_of_plain_values_are_taken_at_their_word() -> None:
    assert parse(with_changes(("name: small", "name: !!str 7"))).name == "7"
    assert faults_of(with_changes(more="seed: !!int seven\n")) == [
        "14: seed: found 'seven'; expected a value that fits its tag !!int"
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no readable file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(RecipeError, match="no readable file"):
        load(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"name: x\nplace: \xe9\n")
    with pytest.raises(RecipeError, match=r"^recipe.yaml:2: found bytes that are no UTF-8"):
        load(path)


def test_a_recipe_made_in_python_obeys_the_same_rules() -> None:
    values: dict[str, Any] = yaml.safe_load(SMALL)
    assert Recipe.model_validate(values) == parse(SMALL)
    with pytest.raises(pydantic.ValidationError, match="mapped layers"):
        Recipe.model_validate(
            values | {"account": {"truth": [{"path": "a.tif", "layer": (0.0, 10.0), "unit": "kg/m2"}]}}
        )


# --- Writing


def test_recipes_are_frozen() -> None:
    small = parse(SMALL)
    with pytest.raises(pydantic.ValidationError):
        small.seed = 5  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError):
        small.model.forest.trees = 5  # type: ignore[misc]
    assert isinstance(small.profiles.sources, tuple)


def test_every_default_is_written_out() -> None:
    written = yaml.safe_load(dump(parse(SMALL)))
    assert list(written) == list(Recipe.model_fields)
    for section in ("model", "evidence", "maps", "account", "deliver", "report", "profiles", "covariates"):
        assert set(written[section]) == set(getattr(recipes, section.capitalize()).model_fields)
    assert written["profiles"]["layers"] == ["0-30", "30-60"]
    assert written["profiles"]["sources"][0]["columns"] == {"profile_id": "id", "soc": {"column": "OC", "unit": "%"}}
    assert written["grid"] == {"like": "covs/dem.tif"}


text = st.text(min_size=1, max_size=12)
number = st.floats(0.001, 1000)
column = st.one_of(
    st.builds(lambda name: {"column": name, "unit": "g/kg"}, text),
    st.builds(lambda value: {"value": value, "unit": "%"}, st.floats(-1e6, 1e6)),
)
depths = st.lists(st.integers(0, 40), min_size=2, max_size=6, unique=True).map(sorted)
grid = st.one_of(
    st.fixed_dictionaries({"like": text}),
    st.fixed_dictionaries({"region": text, "resolution": number}, optional={"crs": text}),
    st.builds(
        lambda crs, cell: {"crs": crs, "resolution": [cell, 2 * cell], "bounds": [-cell, 0, cell, cell]}, text, number
    ),
)


@settings(max_examples=40, deadline=None)
@given(
    name=text,
    seed=st.integers(0, 2**32 - 1),
    grid=grid,
    role=st.sampled_from(["soc", "organic_matter", "total_n"]),
    column=column,
    profile=text,
    depths=depths,
    step=st.sampled_from([1, 0.1, 2.5, 1e-7, 1 / 3]),
    lam=st.floats(0, 10),
    classes=st.dictionaries(st.integers(-5, 300), text, max_size=3),
    note=st.none() | st.text(max_size=30),
    stats=st.permutations(["mean", "q05", "q50", "q95", "spread"]),
)
def test_what_is_written_reads_back_equal(
    name: str,
    seed: int,
    grid: dict[str, Any],
    role: str,
    column: dict[str, Any],
    profile: str,
    depths: list[int],
    step: float,
    lam: float,
    classes: dict[int, str],
    note: str | None,
    stats: list[str],
) -> None:
    layers = [(top * step, bottom * step) for top, bottom in pairwise(depths)]
    made = Recipe.model_validate(
        {
            "edaphic": 1,
            "name": name,
            "seed": seed,
            "grid": grid,
            "profiles": {
                "sources": [{"horizons": name, "columns": {role: column, "profile_id": profile}}],
                "layers": layers,
                "depth": {"lam": lam},
            },
            "covariates": {"layers": [{"path": "a.tif", "kind": "class", "classes": classes, "unit": note}]},
            "maps": {"stats": stats, "mask": {"a": [1, 2]}},
            "account": {"compare": [{"name": name, "path": "b", "layer": layers[0], "unit": "t/ha", "note": note}]},
        }
    )
    assert parse(dump(made)) == made
    assert dump(parse(dump(made))) == dump(made)


# --- Layers, paths and files


@pytest.mark.parametrize(
    ("layers", "whole"),
    [
        ("[0-30, 30-60, 60-100]", (0.0, 100.0)),
        ("[0-30, 40-60]", None),
        ("[0-30]", None),
        ("[10-20, 20-25]", (10.0, 25.0)),
    ],
)
def test_the_whole_is_the_union_of_touching_layers(layers: str, whole: tuple[float, float] | None) -> None:
    assert recipes.whole_layer(parse(with_changes(("[0-30, 30-60]", layers)))) == whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recipe folder beside a data folder with three covariates and a table."""
    for name in ("covs/dem.tif", "covs/cover.tif", "covs/[x] slope.tif", "horizons.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "recipes").mkdir()
    return tmp_path


def written(folder: Path, *changes: tuple[str, str], more: str = "") -> tuple[Recipe, Path]:
    path = folder / "recipes" / "recipe.yaml"
    path.write_text(with_changes(*changes, more="root: ../data\n" + more))
    return load(path), path


def test_paths_start_from_root(folder: Path) -> None:
    small, path = written(folder)
    assert recipes.resolve(small, path, "horizons.csv").resolve() == folder / "data" / "horizons.csv"
    assert recipes.resolve(small, path, "/elsewhere/a.tif") == Path("/elsewhere/a.tif")
    assert recipes.resolve(small, path, "~/a.tif") == Path.home() / "a.tif"


def test_patterns_become_files_and_entries_of_their_own_win(folder: Path) -> None:
    small, path = written(
        folder,
        ("- path: covs/dem.tif", "- path: covs/*.tif\n    - {path: ../data/covs/cover.tif, kind: class, name: land}"),
    )
    layers = recipes.covariate_layers(small, path)
    assert [(layer.name, layer.kind) for layer in layers] == [
        ("[x] slope", "continuous"),
        ("dem", "continuous"),
        ("land", "class"),
    ]
    assert all(Path(layer.path).is_file() for layer in layers)
    assert recipes.check_files(small, path) == []


def test_excluded_covariates_are_left_out(folder: Path) -> None:
    small, path = written(folder, ("- path: covs/dem.tif", "- path: covs/*.tif\n  exclude: ['[[]x*', cover]"))
    assert [layer.name for layer in recipes.covariate_layers(small, path)] == ["dem"]


def test_missing_files_are_found_at_once_with_their_lines(folder: Path) -> None:
    small, path = written(
        folder,
        ("horizons: horizons.csv", "horizons: h.csv\n      sites: s.csv"),
        ("- path: covs/dem.tif", "- path: covs/*.tif\n    - path: climate/*.tif\n  exclude: [slope]"),
        more="account:\n  by:\n    - {name: d, path: d.gpkg, column: n}\n",
    )
    places = [": ".join(fault.split(": ")[:2]) for fault in recipes.check_files(small, path)]
    assert places == [
        "recipe.yaml:6: profiles.sources[0].horizons",
        "recipe.yaml:7: profiles.sources[0].sites",
        "recipe.yaml:15: covariates.layers[1].path",
        "recipe.yaml:16: covariates.exclude[0]",
        "recipe.yaml:20: account.by[0].path",
    ]
    with pytest.raises(RecipeError) as error:
        recipes.covariate_layers(small, path)
    assert len(error.value.faults) == 2


def test_a_missing_root_is_one_fault(folder: Path) -> None:
    small, path = written(folder)
    (fault,) = recipes.check_files(small.model_copy(update={"root": "nowhere"}), path)
    assert fault.startswith("recipe.yaml:14: root: found no folder ")


def test_files_of_one_name_are_a_fault(folder: Path) -> None:
    (folder / "data" / "more").mkdir()
    (folder / "data" / "more" / "dem.tif").touch()
    small, path = written(folder, ("- path: covs/dem.tif", "- path: covs/*.tif\n    - path: more/*.tif"))
    (fault,) = recipes.check_files(small, path)
    assert fault.startswith("recipe.yaml:14: covariates.layers[1].path: found a second covariate named 'dem'")


def test_a_class_that_no_file_of_a_pattern_bears_is_a_fault(folder: Path) -> None:
    small, path = written(
        folder, ("- path: covs/dem.tif", "- {path: covs/*.tif, kind: class}"), more="maps: {mask: {sea: [1]}}"
    )
    (fault,) = recipes.check_files(small, path)
    assert fault.startswith("recipe.yaml:15: maps.mask.sea: found 'sea', which is no covariate")


# --- Recipes that ship


def test_recipes_that_ship() -> None:
    assert {"demo", "edgeroi", "macedonia", "start"} <= set(template_names())
    with pytest.raises(RecipeError, match="did you mean 'macedonia'"):
        template("macedona")


@pytest.mark.parametrize("name", template_names())
def test_each_recipe_that_ships_loads_and_reads_back(name: str) -> None:
    shipped = parse(template(name), f"{name}.yaml")
    assert parse(dump(shipped)) == shipped
    assert template(name).startswith("# ")


def test_the_start_recipe_names_every_key_with_its_default() -> None:
    """Whoever edits it sees all keys; what it sets after the covariates is what would be anyway."""
    start = parse(template("start"))
    for key in ("model", "evidence", "maps", "account", "drivers", "deliver", "report"):
        assert getattr(start, key) == type(getattr(start, key))()
    assert start.profiles.depth == recipes.Depth()
    words = set(re.findall(r"\w+", template("start")))
    sections = [getattr(recipes, name) for name in recipes.__all__]
    models = [model for model in sections if isinstance(model, type) and issubclass(model, pydantic.BaseModel)]
    assert {key for model in models for key in model.model_fields} <= words


@pytest.mark.parametrize("name", ["macedonia", "edgeroi"])
def test_recipes_of_real_data_find_their_files(name: str, shared: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(template(name).replace("root: .", f"root: {shared / 'data' / name}"))
    shipped = load(path)
    assert recipes.check_files(shipped, path) == []
    assert len(recipes.covariate_layers(shipped, path)) == {"macedonia": 172, "edgeroi": 18}[name]


# --- What is spelled twice, and the schema


def test_choices_are_those_of_the_functions_behind_them() -> None:
    assert set(get_args(recipes.Pedotransfer)) == {"best", *(name for name in PEDOTRANSFER if "organic" not in name)}
    assert get_args(recipes.BulkDensitySource) == DENSITY_SOURCES
    assert get_args(recipes.FragmentsSource) == FRAGMENT_SOURCES
    assert list(recipes.Columns.model_fields) == list(ROLES)


def accepts(value: Any, rule: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a JSON schema accepts a value: the part of the standard that the recipe's schema uses."""
    if "$ref" in rule:
        return accepts(value, root["$defs"][rule["$ref"].rsplit("/", 1)[1]], root)
    known = {"anyOf", "oneOf", "const", "enum", "type", "properties", "additionalProperties", "required", "items"}
    known |= {"prefixItems", "minItems", "maxItems", "minLength", "pattern", "minimum", "maximum", "exclusiveMinimum"}
    known |= {
        "minProperties",
        "exclusiveMaximum",
        "title",
        "description",
        "default",
        "examples",
        "$defs",
        "$schema",
        "propertyNames",
    }
    assert set(rule) <= known
    kinds = {"string": str, "array": list, "object": dict, "boolean": bool, "null": type(None), "integer": int}
    wanted = [rule["type"]] if isinstance(rule.get("type"), str) else rule.get("type", [])
    right = [type(value) in (int, float) if kind == "number" else type(value) is kinds[kind] for kind in wanted]
    checks = [any(right) or not wanted]
    checks += [any(accepts(value, option, root) for option in rule[key]) for key in ("anyOf", "oneOf") if key in rule]
    checks += [value == rule["const"]] if "const" in rule else []
    checks += [value in rule["enum"]] if "enum" in rule else []
    if isinstance(value, dict):
        others = rule.get("additionalProperties", True)
        properties = rule.get("properties", {})
        checks += [set(rule.get("required", [])) <= set(value), len(value) >= rule.get("minProperties", 0)]
        checks += [accepts(entry, properties[key], root) for key, entry in value.items() if key in properties]
        rest = [entry for key, entry in value.items() if key not in properties]
        checks += [others if isinstance(others, bool) else accepts(entry, others, root) for entry in rest]
    if isinstance(value, list):
        items = [*rule.get("prefixItems", []), *[rule.get("items", {})] * len(value)]
        checks += [rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value))]
        checks += [accepts(entry, item, root) for entry, item in zip(value, items, strict=False)]
    if isinstance(value, str):
        checks += [len(value) >= rule.get("minLength", 0), re.search(rule.get("pattern", ""), value) is not None]
    if type(value) in (int, float):
        checks += [value >= rule.get("minimum", value), value <= rule.get("maximum", value)]
        checks += ["exclusiveMinimum" not in rule or value > rule["exclusiveMinimum"]]
        checks += ["exclusiveMaximum" not in rule or value < rule["exclusiveMaximum"]]
    return all(checks)


@pytest.mark.parametrize("name", template_names())
def test_the_schema_accepts_the_recipes_that_ship(name: str) -> None:
    rules = schema()
    assert accepts(yaml.safe_load(template(name)), rules, rules)
    assert accepts(yaml.safe_load(dump(parse(template(name)))), rules, rules)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("sede",), 7),
        (("seed",), "7"),
        (("grid",), {"like": "a.tif", "crs": "EPSG:4326"}),
        (("grid",), {"region": "a.gpkg"}),
        (("profiles", "layers"), ["30"]),
        (("profiles", "layers"), []),
        (("profiles", "sources", 0, "columns", "soc"), "OC"),
        (("profiles", "sources", 0, "columns", "soc"), {"column": "OC", "unit": "pct"}),
        (("profiles", "sources", 0, "columns", "year"), {"column": "Y", "unit": "a"}),
        (("profiles", "depth"), {"lam": -1}),
        (("model",), {"target": "carbon"}),
        (("evidence",), {"folds": 1}),
        (("account",), {"compare": [{"name": "a", "path": "b", "layer": "0-30", "unit": "kg"}]}),
        (("account",), {"by": [{"name": "a", "path": "b"}]}),
    ],
)
def test_the_schema_refuses_what_the_recipe_refuses(keys: tuple[str | int, ...], value: object) -> None:
    values: Any = yaml.safe_load(SMALL)
    rules = schema()
    assert accepts(values, rules, rules)
    inner = values
    for key in keys[:-1]:
        inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
    inner[keys[-1]] = value
    assert not accepts(values, rules, rules)
    with pytest.raises(RecipeError):
        parse(yaml.safe_dump(values))


def test_every_key_explains_itself_in_one_sentence() -> None:
    rules = schema()
    sections = [rules, *(entry for entry in rules["$defs"].values() if "properties" in entry)]
    keys = [words for section in sections for words in section["properties"].values()]
    said = [
        (rules["$defs"][words["$ref"].split("/")[-1]] | words if "$ref" in words else words)["description"]
        for words in keys
    ]
    assert len(said) > 80
    assert all(isinstance(words, str) and re.fullmatch(r"[A-Zp].*\.", words) for words in said)
    assert rules["title"] == "Edaphic recipe"


def test_choices_of_what_is_made_are_those_of_the_rooms() -> None:
    fields = recipes.Terrain.model_fields
    options = {"method": "method", "tri": "tri", "compat": "compat", "depressions": "depressions", "flow": "flow", "ls": "ls"}
    for key, choice in options.items():
        spelt = get_args(fields[key].annotation)
        assert set(get_args(spelt[0]) or spelt) == set(TERRAIN_CHOICES[choice])
    assert set(get_args(get_args(fields["attributes"].annotation)[0])) == set(ATTRIBUTES)
    layer = recipes.CovariateLayer.model_fields
    assert set(get_args(layer["resampling"].annotation)) == set(get_args(covariate_source.Wanted))
    assert set(get_args(get_args(layer["measure"].annotation)[0])) == set(get_args(covariate_source.Measure))
    climate = recipes.Climate.model_fields
    assert set(get_args(climate["elevation"].annotation)) == set(get_args(Elevation))
    assert set(get_args(get_args(climate["dem_unit"].annotation)[0])) <= set(METRES)
    assert set(recipes.Climate.model_fields["columns"].annotation.__args__[0].__args__) - {"elevation_m", "station_id"} <= set(ALIASES)
