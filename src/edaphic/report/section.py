"""A section of the page as data: blocks in the order in which they are read, so that one template lays all of them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edaphic.report.pictures import Picture
from edaphic.report.tables import PageTable

MOST_ROWS = 60
"""Rows of a table on the page; the file has all of them."""


@dataclass(frozen=True)
class Block:
    """One part of a section: a heading, sentences, terms with their words, a table, or pictures side by side.

    Of all but ``folded`` and ``note`` one is given. ``folded``: the summary under which the block is hidden until it is asked for.
    ``note``: whether the sentences are small.
    """

    heading: str = ""
    sentences: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    table: PageTable | None = None
    pictures: tuple[Picture, ...] = ()
    folded: str = ""
    note: bool = False


@dataclass(frozen=True)
class Section:
    """A section: its anchor, its title, a short name for the list of contents, and what it holds."""

    name: str
    title: str
    short: str
    blocks: tuple[Block, ...]

    @property
    def pictures(self) -> list[Picture]:
        """All pictures of the section, in order."""
        return [picture for block in self.blocks for picture in block.pictures]


def heading(text: str) -> Block:
    """A heading within a section."""
    return Block(heading=text)


def says(*sentences: str, note: bool = False) -> list[Block]:
    """Sentences, a paragraph each; none where there is nothing to say."""
    known = tuple(sentence for sentence in sentences if sentence)
    return [Block(sentences=known, note=note)] if known else []


def shows(pictures: Iterable[Picture], folded: str = "") -> list[Block]:
    """Pictures side by side; none where there are none."""
    known = tuple(pictures)
    return [Block(pictures=known, folded=folded)] if known else []


def lists(table: PageTable | None, folded: str = "", whole: str = "") -> list[Block]:
    """A table; of a long one the first rows, and a note that ``whole`` (a file) has all of them."""
    if table is None or not table.rows:
        return []
    if len(table.rows) <= MOST_ROWS:
        return [Block(table=table, folded=folded)]
    strong = frozenset(place for place in table.strong if place < MOST_ROWS)
    cut = PageTable(table.caption, table.columns, table.rows[:MOST_ROWS], table.left, strong)
    left = f"The first {MOST_ROWS} of {len(table.rows):,} rows" + (f"; all of them are in {whole}." if whole else ".")
    return [Block(table=cut, folded=folded), *says(left, note=True)]


def section(name: str, title: str, short: str, blocks: Sequence[Block]) -> Section | None:
    """A section, or None where it would hold nothing but headings and words."""
    there = any(block.table is not None or block.pictures or block.terms for block in blocks)
    return Section(name, title, short, tuple(blocks)) if there else None
