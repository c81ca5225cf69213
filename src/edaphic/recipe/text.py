"""YAML text <-> plain values, with the line of every key.

YAML 1.2 core rules decide what a plain word is: only ``true`` and ``false`` are truth values (``no``, ``on`` and ``y``
stay text), only decimal, ``0x`` and ``0o`` numbers are numbers (``1e-3`` is one; ``12:30``, ``2010-01-31`` stay text).
Nothing but text, numbers, truth values, lists and mappings is made, whatever tag the text asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from edaphic.recipe.faults import Fault, Loc, shown

DEEPEST = 30
"""Levels of nesting; a recipe needs seven."""

LARGEST = 100_000
"""Values in a recipe, each use of an anchor counted: a few lines of nested anchors could ask for billions."""

_WORDS: dict[str, tuple[str, str]] = {
    "null": (r"^(?:~|null|Null|NULL|)$", "~nN"),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "int": (r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+.0123456789",
    ),
}


class RecipeLoader(yaml.SafeLoader):
    """Safe loader with the plain words of YAML 1.2, to a limited depth."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {DEEPEST} levels of nesting", problem_mark=self.get_mark())
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class RecipeDumper(yaml.SafeDumper):
    """Safe dumper that quotes every text that YAML 1.1 or 1.2 would take for something else; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.Node:
        # PyYAML's own choice of quotes loses line separators such as U+0085
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


RecipeDumper.add_representer(str, RecipeDumper.represent_text)


for _kind, (_pattern, _first) in _WORDS.items():
    for _class in (RecipeLoader, RecipeDumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), [*_first, ""] if _kind == "null" else list(_first)
        )


@dataclass(frozen=True)
class Document:
    """Plain values of a YAML text, the line (from 1) of each key, and what is wrong so far."""

    values: Any
    lines: dict[Loc, int]
    faults: list[Fault]

    def line(self, loc: Loc) -> int:
        """Line of a key, or of the nearest key above it."""
        return next((self.lines[loc[:depth]] for depth in range(len(loc), 0, -1) if loc[:depth] in self.lines), 1)


def read_text(text: str) -> Document:
    """Plain values of a YAML text. Text that is no YAML gives the value None and one fault.

    >>> read_text("a: {b: no}\\nc: [0-30, 1e-3]").values
    {'a': {'b': 'no'}, 'c': ['0-30', 0.001]}
    >>> read_text("a: 1\\nb: 2\\na: 3").faults
    [Fault(loc=('a',), found='this key a second time (first on line 1)', expected='each key once', line=3)]
    """
    builder = _Builder()
    try:
        node = yaml.compose(text, Loader=RecipeLoader)
        values = None if node is None else builder.value(node, ())
    except yaml.YAMLError as error:
        return Document(None, {}, [_syntax_fault(error, text)])
    return Document(values, builder.lines, builder.faults)


def write_text(values: dict[str, Any]) -> str:
    """YAML of plain values, in their order.

    >>> write_text({"unit": "%", "layers": ["0-30"], "name": "no", "a": {"b": [{"c": 1}]}}).splitlines()
    ["unit: '%'", 'layers: [0-30]', "name: 'no'", 'a:', '  b:', '  - {c: 1}']
    """
    return str(
        yaml.dump(values, Dumper=RecipeDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    )


@dataclass
class _Builder:
    """Walks the nodes of a YAML text and keeps lines and faults."""

    lines: dict[Loc, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    count: int = 0
    open_nodes: list[yaml.Node] = field(default_factory=list)

    def value(self, node: yaml.Node, loc: Loc) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(loc, line)
        self.count += 1
        if self.count > LARGEST:
            raise yaml.MarkedYAMLError(problem=f"more than {LARGEST} values", problem_mark=node.start_mark)
        if any(node is outer for outer in self.open_nodes):
            self.faults.append(Fault(loc, "an anchor that contains itself", "plain values", line))
            return None
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        self.open_nodes.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and kind == "map":
                return self.mapping(node, loc)
            if isinstance(node, yaml.SequenceNode) and kind == "seq":
                return [self.value(entry, (*loc, position)) for position, entry in enumerate(node.value)]
            if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
                return _SCALARS[kind](node.value)
        except (ValueError, KeyError):
            self.faults.append(Fault(loc, shown(node.value), f"a value that fits its tag !!{kind}", line))
            return None
        finally:
            self.open_nodes.pop()
        self.faults.append(
            Fault(loc, f"the tag {kind if kind.startswith('!') else f'!!{kind}'}", "a plain value without a tag", line)
        )
        return None

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(Fault(loc, "a list or mapping as key", "a key that is one word", line))
                continue
            key = self.value(key_node, (*loc, "[key]"))
            del self.lines[(*loc, "[key]")]
            inner = (*loc, key)
            if key in values:
                self.faults.append(
                    Fault(inner, f"this key a second time (first on line {self.lines[inner]})", "each key once", line)
                )
                continue
            self.lines[inner] = line
            values[key] = self.value(value_node, inner)
        return values


def _int(text: str) -> int:
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def _float(text: str) -> float:
    special = text.lower().lstrip("+-") in (".inf", ".nan")
    return float(text.lower().replace(".", "")) if special else float(text)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": _int,
    "float": _float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "null": lambda text: None,
}


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    """One line for text that is no YAML, with what people most often mean."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, int(error.position)) + 1
        return Fault((), f"the character U+{int(error.character):04X}", "printable text", line)
    if not isinstance(error, yaml.MarkedYAMLError):
        return Fault((), str(error), "YAML text", 1)
    mark = error.problem_mark or error.context_mark
    line = 1 if mark is None else mark.line + 1
    problem = error.problem or "text that is no YAML"
    start = re.search(r"found character '(.+)' that cannot start", problem)
    if start is not None and start[1] in ("\\t", "\t"):
        return Fault((), "a tab", "spaces to indent", line)
    if start is not None:
        return Fault((), f"a value that starts with {start[1]}", "quotes around it", line)
    if "alias" in f"{error.context} {problem}":
        return Fault((), "a value that starts with * or &", "quotes around it", line)
    if problem.startswith("mapping values"):
        expected = "one key on a line, indented like its neighbours, and quotes around text with ': '"
        return Fault((), "a second ': '", expected, line)
    problem = f"{error.context}, {problem}" if problem.startswith("but ") else problem
    wanted = re.match(r"expected (.*?),? but (?:found|got) (.*)", problem)
    if wanted is not None:
        return Fault((), wanted[2], wanted[1], line)
    return Fault((), problem.removeprefix("found "), "YAML text (key: value, indented with spaces)", line)
