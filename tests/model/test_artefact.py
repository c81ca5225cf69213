"""Stored models: they come back to the bit, and what was altered, cut, forged or made by another version is refused with the reason."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from edaphic import __version__
from edaphic.errors import ModelError
from edaphic.model.answering import answer_layers
from edaphic.model.artefact import FORMAT, CovariateFacts, load, save
from edaphic.model.artefact_files import digest_of
from edaphic.model.features import Encoder
from edaphic.model.forest import Settings, train
from edaphic.model.soil import TARGETS, SoilModel
from edaphic.model.traverse import Wish
from edaphic.model.zones import ZonedModel, ask, base_of, reply_all

LAYERS = ((0.0, 30.0), (30.0, 60.0))
FACTS = {
    "wet": CovariateFacts("continuous", "mm", {}, ((1990, 1994), (1995, 1999)), -2.5, 3.25),
    "rock": CovariateFacts("class", "", {3: "granite", 7: "sand; silt"}),
}


def grown(features: int, seed: int, *, log: bool = True, bag: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, features)).astype(np.float32)
    forest = train(x, np.exp(x[:, 0] + 0.3 * rng.normal(size=60)), Settings(max(6, 4 * bag), 1.0, 3), log=log, seed=seed)
    return dataclasses.replace(forest, bag=bag)


def model_of(form: str = "3d", encoding: str = "onehot", seed: int = 1, bag: int = 0, target: str = "log_soc_density") -> SoilModel:
    means = (("rock", (1.5, 2.25)),) if encoding == "ordered" else ()
    encoder = Encoder(("wet", "rock"), (("rock", (3, 7)),), form == "3d", means, 1.75 if means else 0.0)
    forests = tuple(
        grown(len(encoder.features), seed + i, log=TARGETS[target].log, bag=bag) for i in range(1 if form == "3d" else len(LAYERS))
    )
    prior = np.array([[3.0, 1.5], [0.0, 1.0], [4.5, 2.0]]) if bag else np.empty((0, 2))
    return SoilModel(
        "m", TARGETS[target], form, LAYERS, (0.0, 60.0), encoder, forests, Settings(6, 1.0, 3), seed, {"raised": 2},
        np.array([[1.0, 0.37], [0.37, 1.0]]), prior, ("depth was learned from 60 profiles",),
    )  # fmt: skip


def zoned_of() -> ZonedModel:
    return ZonedModel("zone", ((-3, model_of(seed=5)),), model_of(), ((-3, 30), (7, 30)))


MODELS = {
    "3d": lambda: model_of(),
    "layers": lambda: model_of("layers"),
    "ordered": lambda: model_of(encoding="ordered"),
    "bags": lambda: model_of(bag=3),
    "contents": lambda: model_of(target="soc"),
    "zones": zoned_of,
}


def same(one: object, two: object) -> bool:
    """The same to the bit, all the way down."""
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(two, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


def resign(folder) -> None:
    """What somebody does who forges a model: all hashes are right again."""
    path = folder / "model.json"
    document = json.loads(path.read_text())
    document["files"]["forest.npz"] = hashlib.sha256((folder / "forest.npz").read_bytes()).hexdigest()
    path.write_text(json.dumps(document | {"sha256": digest_of(document)}))


def outcome(folder):
    """The model, or None where it was refused; in one line that can be shown."""
    try:
        return load(folder)
    except ModelError as fault:
        assert len(fault.faults) == 1 and len(fault.faults[0]) < 600
        assert fault.faults[0].encode("utf-8").decode().isprintable()
        return None


def asked(model) -> None:
    """Ask for everything that a map may ask for."""
    names = model.covariates
    cells = np.zeros((5, len(names)))
    for i in range(min(2, len(names))):
        cells[:, i] = [-1.0, 0.0, 3.0, 7.0, 1e9]
    wish = Wish((0.05, 0.5), (0.025,), "all", bool(base_of(model).forests[0].bag))
    with np.errstate(all="ignore"):
        reply_all(ask(model, cells), wish)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder for each kind of model."""
    out = {}
    for name, make in MODELS.items():
        out[name] = tmp_path_factory.mktemp(name)
        facts = FACTS | ({"zone": CovariateFacts("class")} if name == "zones" else {})
        save(make(), out[name], {"edaphic": "0", "profiles": 60}, ["a line"], facts)
    return out


@pytest.fixture
def copy(stored, tmp_path):
    def made(name: str = "3d", to: str = "copy"):
        return shutil.copytree(stored[name], tmp_path / to, dirs_exist_ok=True)

    return made


# As it was ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_to_the_bit(stored, name):
    assert same(load(stored[name]), MODELS[name]())


def test_the_same_model_makes_the_same_files(stored, tmp_path):
    save(model_of(), tmp_path, {"edaphic": "0", "profiles": 60}, ["a line"], FACTS)
    for file in ("forest.npz", "model.json", "card.md"):
        assert (tmp_path / file).read_bytes() == (stored["3d"] / file).read_bytes(), file


def test_arrays_are_plain_numbers_that_others_can_read(stored):
    with np.load(stored["bags"] / "forest.npz", allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} == {"i", "f"}
    document = json.loads((stored["bags"] / "model.json").read_text())
    assert document["format"] == FORMAT and document["parts"]["all"]["bags"] == [3]
    assert document["of_covariates"]["wet"] == {
        "kind": "continuous", "unit": "mm", "classes": [], "periods": [[1990, 1994], [1995, 1999]], "range": [-2.5, 3.25]
    }  # fmt: skip
    assert "Little bags of 3 trees" in (stored["bags"] / "card.md").read_text()


def test_other_white_space_is_the_same_model(copy, stored):
    folder = copy()
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(document))
    assert same(load(folder), model_of())


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    for change in ({"name": "../m"}, {"facts": {"raised": float("nan")}}, {"whole": (0.0, 50.0)}):
        with pytest.raises(ModelError):
            save(dataclasses.replace(model_of(), **change), tmp_path, {})
    assert not (tmp_path / "model.json").exists()


def test_signs_that_no_screen_shows_do_not_get_into_a_model(tmp_path):
    save(model_of(), tmp_path, {}, (), FACTS | {"rock": CovariateFacts("class", "\x1b[2J", {3: "a\x00b", 7: "x" * 9999})})
    load(tmp_path)
    told = json.loads((tmp_path / "model.json").read_text())["of_covariates"]["rock"]
    assert told["unit"] == " [2J" and told["classes"][0] == [3, "a b"] and len(told["classes"][1][1]) == 500


# By accident -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["forest.npz", "model.json"])
def test_any_byte_that_flips_is_noticed(copy, file):
    folder = copy("bags")
    path, true, model = folder / file, (folder / file).read_bytes(), model_of(bag=3)
    rng = np.random.default_rng(1)
    refused = 0
    for place in rng.integers(0, len(true), 200):
        spoilt = bytearray(true)
        spoilt[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        found = outcome(folder)
        refused += found is None
        assert found is None or same(found, model), place
    assert refused > 150 if file == "model.json" else refused == 200  # between the keys of a document there is room


@pytest.mark.parametrize("file", ["forest.npz", "model.json"])
def test_a_file_cut_anywhere_is_refused(copy, file):
    folder = copy()
    path, true = folder / file, (folder / file).read_bytes()
    for length in [0, 1, 2, 10, *np.random.default_rng(2).integers(0, len(true) - 2, 80), len(true) - 2]:
        path.write_bytes(true[:length])
        assert outcome(folder) is None, length
    path.write_bytes(true + b"x")
    assert outcome(folder) is None


def leaves(part, way=()):
    """Every value of a document, by the way to it."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in inner:
        yield (*way, key), value
        yield from leaves(value, (*way, key))


def changed(document, way, value):
    out = json.loads(json.dumps(document))
    place = out
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    return out


def test_any_value_that_changes_in_the_document_is_noticed(copy):
    folder = copy("zones")
    path, true = folder / "model.json", json.loads((folder / "model.json").read_text())
    number = 0
    for way, value in leaves(true):
        other = value + 1 if type(value) in (int, float) else "other" if value != "other" else "another"
        path.write_text(json.dumps(changed(true, way, other)))
        assert outcome(folder) is None, way
        number += 1
    assert number > 100


def test_keys_in_another_order_or_twice_are_noticed(copy):
    folder = copy()
    path = folder / "model.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(document.items()))))
    assert outcome(folder) is None
    path.write_text(json.dumps(document)[:-1] + ', "name": "m"}')
    with pytest.raises(ModelError, match="the key 'name' twice"):
        load(folder)


@pytest.mark.parametrize("file", ["forest.npz", "model.json"])
def test_files_of_two_models_do_not_go_together(copy, stored, file):
    folder = copy()
    shutil.copy(stored["bags"] / file, folder / file)
    assert outcome(folder) is None


# Versions ----------------------------------------------------------------------------------------------------------------


def with_format(folder, number) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": number}))


def test_a_newer_format_asks_for_a_newer_edaphic(copy):
    folder = copy()
    with_format(folder, FORMAT + 1)
    with pytest.raises(ModelError, match=rf"format {FORMAT + 1}; this is Edaphic {__version__}, which reads {FORMAT}: expected a newer"):
        load(folder)


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_format_asks_for_the_model_anew(copy, number):
    folder = copy()
    with_format(folder, number)
    with pytest.raises(ModelError, match=rf"format {number}, made by an older version .*edaphic run --fresh"):
        load(folder)


@pytest.mark.parametrize("number", [None, "3", 3.0, True, [3], {}, 10**400])
def test_an_odd_format_is_refused(copy, number):
    folder = copy()
    with_format(folder, number)
    assert outcome(folder) is None


def test_an_altered_card_is_refused_and_one_that_no_hash_is_told_of_is_not(copy):
    folder = copy()
    card, path = folder / "card.md", folder / "model.json"
    text = card.read_text()
    card.write_text(text.replace("Training rows", "Rows"))
    with pytest.raises(ModelError, match=r"card\.md: altered or cut short"):
        load(folder)
    card.unlink()
    with pytest.raises(ModelError, match=r"card\.md: not a readable model"):
        load(folder)
    document = json.loads(path.read_text())
    del document["files"]["card.md"]  # as in folders from before the card had a hash
    path.write_text(json.dumps(document | {"sha256": digest_of(document)}))
    assert same(load(folder), MODELS["3d"]())


# On purpose: all hashes are right ------------------------------------------------------------------------------------------

NASTY = (
    None, True, -1, 0, 2, 10**6, 2**63, 10**300, -1.5, 1e308, "", "x", "../../x", "/etc/passwd", "a\\..\\b", "\x1b[2J", "\ud800",
    "x" * 10**5, [], [[]], {}, {"a": 1}, [None], [1, 2, 3, 4], ["wet"], [[3, 3]],
)  # fmt: skip


def test_a_forged_document_is_refused_or_a_model_that_can_be_asked(copy):
    folder = copy("zones")
    path, true = folder / "model.json", json.loads((folder / "model.json").read_text())
    rng = np.random.default_rng(3)
    places = [way for way, _ in leaves(true) if way[0] not in ("sha256", "files", "format")]
    tries = [(way, NASTY[i]) for way in places for i in rng.choice(len(NASTY), 4, replace=False)]
    refused = 0
    for way, value in tries:
        document = changed(true, way, value)
        document["sha256"] = digest_of(document)
        path.write_text(json.dumps(document))
        found = outcome(folder)
        refused += found is None
        if found is not None:
            asked(found)
    assert len(tries) > 400 and refused > 0.8 * len(tries)


@pytest.mark.parametrize("way", [("parts", "all", "encoder"), ("settings",), (), ("parts", "all"), ("of_covariates", "wet")])
def test_a_forged_document_without_one_of_its_keys_is_refused(copy, way):
    folder = copy("zones")
    path, true = folder / "model.json", json.loads((folder / "model.json").read_text())
    place = true
    for key in way:
        place = place[key]
    for key in [key for key in place if key not in ("sha256", "files", "format")]:
        document = json.loads(json.dumps(true))
        spoilt = document
        for step in way:
            spoilt = spoilt[step]
        del spoilt[key]
        document["sha256"] = digest_of(document)
        path.write_text(json.dumps(document))
        assert outcome(folder) is None, key


def test_too_few_little_bags_are_refused(tmp_path):
    """12 trees: four bags of three tell how they scatter, two of six do not."""
    model = model_of(bag=3)
    forests = tuple(dataclasses.replace(forest, bag=6) for forest in model.forests)
    save(dataclasses.replace(model, forests=forests), tmp_path, {})
    with pytest.raises(ModelError, match="12 trees in bags of 6"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 50_000,
        "",
        "null",
        "[]",
        "3",
        "{}",
        '{"format": 3}',
        '{"format": 3, "a": NaN}',
        '{"format": 3, "a": Infinity}',
        '{"format": 3, "a": 1e999}',
        '{"format": 3, "a": ' + "9" * 10_000 + "}",
        '{"format": 3, "a": ' + "[" * 30 + "]" * 30 + "}",
        "\x00",
        "\ufeff{}",
    ],
)
def test_documents_that_are_none_are_refused(copy, text):
    folder = copy()
    (folder / "model.json").write_text(text)
    assert outcome(folder) is None


def test_documents_of_other_encodings_and_of_great_size_are_refused(copy):
    folder = copy()
    path = folder / "model.json"
    path.write_bytes(path.read_text().encode("utf-16"))
    assert outcome(folder) is None
    with path.open("wb") as file:
        file.truncate(2**27)
    with pytest.raises(ModelError, match="more than 64 MB"):
        load(folder)


@pytest.mark.parametrize("bad", ["../../etc/x", "/x", "..", "a/../b", "~x", "a\\..\\b", "a\nb", "\x1b[31m"])
def test_names_that_lead_out_of_a_folder_are_refused(copy, bad):
    folder = copy()
    path = folder / "model.json"
    document = json.loads(path.read_text().replace('"wet"', json.dumps(bad)))
    path.write_text(json.dumps(document | {"sha256": digest_of(document)}))
    assert outcome(folder) is None


def write_arrays(folder, arrays, **how) -> None:
    np.savez(folder / "forest.npz", **arrays, **how)
    resign(folder)


def spoilt_arrays(array):
    """One array in many wrong forms, and what each is."""
    yield "shorter", array[:-1]
    yield "longer", np.append(array, array[-1:])
    yield "empty", array[:0]
    yield "reversed", array[::-1].copy()
    yield "two axes", array[None]
    yield "no axis", array.reshape(-1)[0]
    yield "another type", array.astype("<f2" if array.dtype.kind == "f" else "<i2")
    yield "other bytes", array.astype(array.dtype.newbyteorder(">"))
    yield "complex", array.astype(complex)
    yield "text", array.astype(str)
    for value in (-1, -2, 0, 1, 5, 2**31 - 1, -(2**31)):
        for place in (0, array.size // 2, array.size - 1):
            out = array.copy()
            out.reshape(-1)[place] = value
            yield f"{value} at {place}", out
    if array.dtype.kind == "f":
        for value in (np.nan, np.inf, -np.inf, 1e38):
            out = array.copy()
            out.reshape(-1)[array.size // 3] = value
            yield str(value), out


def test_forged_arrays_are_refused_or_a_model_that_can_be_asked(copy):
    folder = copy("bags")
    with np.load(folder / "forest.npz") as archive:
        true = dict(archive)
    model, tries, refused = model_of(bag=3), 0, {}
    for name, array in true.items():
        for what, spoilt in spoilt_arrays(array):
            write_arrays(folder, true | {name: spoilt})
            found = outcome(folder)
            if found is None:
                refused[name] = refused.get(name, 0) + 1
            elif not same(found, model):
                asked(found)
            tries += 1
            if what in ("nan", "inf", "-inf", "complex", "text", "shorter", "another type", "other bytes", "two axes", "no axis"):
                assert found is None, (name, what)
    assert tries > 400 and set(refused) == set(true)


@pytest.mark.parametrize(
    ("name", "place", "value", "why"),
    [
        ("left", 0, 10**6, "lead outside"),
        ("left", 0, 0, "lead outside"),  # a circle
        ("right", 0, -5, "lead outside"),
        ("feature", 0, 99, "lead outside"),
        ("feature", 0, -2, "lead outside"),
        ("member_rank", 0, 60, "lead outside"),
        ("roots", 1, -1, "lead outside"),
        ("leaf_start", 1, 0, "lead outside"),
        ("threshold", 0, np.nan, "thresholds that are no numbers"),
        ("leaf_mean", 0, np.inf, "means that are no numbers"),
        ("values", 0, 1e9, "not in ascending order"),
        ("member_share", 0, 0.9, "do not add up"),
    ],
)
def test_the_reason_is_told(copy, name, place, value, why):
    folder = copy()
    with np.load(folder / "forest.npz") as archive:
        arrays = dict(archive)
    arrays[f"all_0_{name}"][place] = value
    write_arrays(folder, arrays)
    with pytest.raises(ModelError, match=why):
        load(folder)


def test_two_parents_and_branches_into_other_trees_are_refused(copy):
    folder = copy()
    with np.load(folder / "forest.npz") as archive:
        true = {name: archive[name] for name in archive.files}
    left, right, roots = (true[f"all_0_{name}"] for name in ("left", "right", "roots"))
    twice = right.copy()
    twice[0] = left[0]
    write_arrays(folder, true | {"all_0_right": twice})
    with pytest.raises(ModelError, match="hang on none or on several"):
        load(folder)
    beyond = right.copy()
    beyond[0] = roots[1] + 1
    write_arrays(folder, true | {"all_0_right": beyond})
    with pytest.raises(ModelError, match="another tree"):
        load(folder)


def archive_of(members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data, how in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=how)
    return out.getvalue()


def npy(header: str, data: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    text = header.encode("latin1") + b" \n"
    return magic + len(text).to_bytes(2, "little") + text + data


FORGED = {
    "negative shape": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }"),
    "huge shape": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (9999999999999999,), }"),
    "product that overflows": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }"),
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"cos\nsystem\n(S'true'\ntR."),
    "structure": npy("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (1,), }", bytes(8)),
    "code in the header": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (__import__('os').getpid(),), }"),
    "deep header": npy("(" * 9000),
    "minus signs": npy("-" * 9000 + "1"),
    "other version": npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", bytes(8), b"\x93NUMPY\x02\x00"),
    "columns first": npy("{'descr': '<i8', 'fortran_order': True, 'shape': (1,), }", bytes(8)),
    "no header": b"\x93NUMPY",
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "nothing": b"",
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_arrays_of_odd_headers_are_refused_and_nothing_runs(copy, what):
    folder = copy()
    with zipfile.ZipFile(folder / "forest.npz") as archive:
        members = [(name, archive.read(name), zipfile.ZIP_STORED) for name in archive.namelist()]
    (folder / "forest.npz").write_bytes(archive_of([(members[0][0], FORGED[what], zipfile.ZIP_STORED), *members[1:]]))
    resign(folder)
    assert outcome(folder) is None


def test_forged_archives_are_refused(copy):
    folder = copy()
    path = folder / "forest.npz"
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name), zipfile.ZIP_STORED) for name in archive.namelist()]
    first = members[0]
    forged = {
        "compressed": archive_of([(first[0], first[1], zipfile.ZIP_DEFLATED), *members[1:]]),
        "bomb": archive_of([(first[0], bytes(10**8), zipfile.ZIP_DEFLATED), *members[1:]]),
        "one more": archive_of([*members, ("more.npy", b"", zipfile.ZIP_STORED)]),
        "one less": archive_of(members[1:]),
        "a path": archive_of([("../x.npy", first[1], zipfile.ZIP_STORED), *members[1:]]),
        "no archive": b"PK" + bytes(100),
        "empty": b"",
        "larger than the file": _declared_larger(path.read_bytes()),
    }
    with pytest.warns(UserWarning, match="Duplicate"):
        forged["twice"] = archive_of([*members, first])
    for what, data in forged.items():
        path.write_bytes(data)
        resign(folder)
        assert outcome(folder) is None, what


def _declared_larger(data: bytes) -> bytes:
    """The directory of an archive says that its first member has a thousand million bytes."""
    out = bytearray(data)
    at = data.index(b"PK\x01\x02")
    out[at + 20 : at + 28] = (10**9).to_bytes(4, "little") * 2
    return bytes(out)


@pytest.mark.parametrize("file", ["forest.npz", "model.json"])
def test_links_devices_and_folders_are_no_files_of_a_model(copy, tmp_path, file):
    folder = copy()
    elsewhere = tmp_path / "elsewhere"
    (folder / file).rename(elsewhere)
    assert outcome(folder) is None
    (folder / file).symlink_to(elsewhere)
    with pytest.raises(ModelError, match="a link"):
        load(folder)
    (folder / file).unlink()
    os.mkfifo(folder / file)
    with pytest.raises(ModelError, match="no plain file"):
        load(folder)
    (folder / file).unlink()
    (folder / file).mkdir()
    assert outcome(folder) is None


def test_a_folder_that_is_none_is_one_line(tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        assert outcome(folder) is None


def test_a_loaded_model_answers_as_the_one_that_was_saved(stored):
    model, again = model_of(bag=3), load(stored["bags"])
    cells = np.array([[0.1, 3.0], [-0.4, 7.0], [2.0, 9.0]])
    wish = Wish((0.05, 0.95), (), "all", True)
    one, two = (answer_layers(m, m.encoder.transform(cells), wish) for m in (model, again))
    assert same(one, two)
