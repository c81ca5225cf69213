"""docs/papers.md goes through every row of the three papers, and what it names is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from edaphic import recipe
from edaphic.errors import EdaphicError
from edaphic.stages.checking import check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "papers.md"
DATA = ROOT / "docs" / "papers_data.md"
PRINTED = ROOT / "tests" / "test_printed_numbers.py"

ROWS = {"S1.": 40, "S1.N": 15, "S1.A": 22, "S2.": 34, "S2.N": 13, "S2.A": 24, "S3.": 31, "S3.N": 15, "S3.A": 24}
"""How many rows of each kind the papers have."""

ANSWERS = {
    "done", "done, otherwise", "otherwise", "decided", "added", "as the paper", "user's data",
    "recomputed", "recomputed, in part", "needs the data", "refused", "refused, in part",
}  # fmt: skip

RECIPES = ("space-time", "beta-subsoil", "plateau-3d")


def rows() -> dict[str, list[str]]:
    """Cells of each row of the page, by its id."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| S[123]\.", line)]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    assert all(len(row) == 5 for row in cells), [row for row in cells if len(row) != 5]
    twice = [name for name, count in Counter(row[0] for row in cells).items() if count > 1]
    assert not twice
    return {row[0]: row[1:] for row in cells}


def expanded(text: str) -> set[str]:
    """Ids in a text, those of a range ("S1.14 to S1.18") included."""
    found = set(re.findall(r"S[123]\.[NA]?\d+", text))
    for kind, first, other, last in re.findall(r"(S[123]\.[NA]?)(\d+) to (S[123]\.[NA]?)(\d+)", text):
        if kind == other:
            found |= {f"{kind}{number}" for number in range(int(first), int(last) + 1)}
    return found


def test_every_row_has_an_answer() -> None:
    expected = {f"{kind}{number}" for kind, count in ROWS.items() for number in range(1, count + 1)}
    found = rows()
    assert set(found) == expected
    assert {answer for _, answer, _, _ in found.values()} <= ANSWERS
    short = [name for name, (_, _, how, where) in found.items() if not how or not where]
    assert not short


def test_rows_are_those_of_the_papers(shared: Path) -> None:
    text = (shared / "design" / "papers.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (S[123]\.[NA]?\d+) \|", text, flags=re.MULTILINE)
    assert set(told) == set(rows())
    assert len(told) == sum(ROWS.values())


@pytest.mark.parametrize("page", [PAGE, DATA], ids=["papers", "data"])
def test_what_the_pages_name_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:src|tests|docs|benchmarks)/[\w/.-]+)`", text))
    pages = set(re.findall(r"\]\(([\w-]+\.md)(?:#[\w-]+)?\)", text))
    lost = [name for name in files if not (ROOT / name).is_file()] + [name for name in pages if not (page.parent / name).is_file()]
    assert not lost
    named = set(re.findall(r"[Rr]ecipes? `([\w-]+)`", text))
    assert named and named <= set(recipe.template_names())
    assert page.stem in (ROOT / "docs" / "index.md").read_text(encoding="utf-8").split()


def test_rows_said_to_be_recomputed_are_tested() -> None:
    tested = expanded(PRINTED.read_text(encoding="utf-8"))
    said = {name for name, (_, _, _, where) in rows().items() if "tests/test_printed_numbers.py" in where}
    assert sorted(said - tested) == []
    recomputed = {name for name, (_, answer, _, _) in rows().items() if answer.startswith("recomputed")}
    assert recomputed <= said


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_lack_nothing_but_the_data(name: str, tmp_path: Path) -> None:
    """Each is sound; what `check` finds are the files that the user has to obtain, and the manifest has a place for each."""
    (tmp_path / "data" / name).mkdir(parents=True)
    path = tmp_path / f"{name}.yaml"
    path.write_text(recipe.template(name), encoding="utf-8")
    with pytest.raises(EdaphicError) as caught:
        check(path)
    faults = caught.value.faults
    other = [fault for fault in faults if not re.search(r"found no file|matches no file|no file ", fault)]
    assert not other
    text = DATA.read_text(encoding="utf-8")
    section = text[text.index(f"\n## {name}\n") :].split("\n## ", 2)[1]
    named = {match[1] for fault in faults for match in [re.search(rf"data/{name}/([\w-]+)/", fault)] if match}
    assert len(named) >= 4
    assert [folder for folder in sorted(named) if f"`{folder}/" not in section] == []
    assert f"data/{name}/" in section


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_has_a_variant_without_data(name: str) -> None:
    assert f"{name}-virtual" in recipe.template_names()
    assert f"{name}-virtual" in recipe.template(name)
    assert "docs/papers_data.md" in recipe.template(name)
