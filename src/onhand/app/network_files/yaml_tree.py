"""YAML as a tree of nodes that know where they stand, and nothing more: no tags, no types, no aliases.

What a scalar means is decided later by what is expected at its place, so the guesses of YAML 1.1 (`NO` is false,
`010` is eight, `12:30` is 750, `2024-01-01` is a date) never happen. Anchors, aliases, merge keys and tags are
refused: a file then says in each line what holds there, and cannot blow up when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from onhand.app.network_files.mistakes import Mistake, Position, quoted

FILE_CHARACTERS_MAX = 2_000_000
"""Some fifty thousand ring-fences. A larger file is not a network, or should be several."""

DEPTH_MAX = 16
"""A network nests five deep."""

NODES_MAX = 100_000
"""Values of a file with shared parts, each use counted: an alias of aliases must not fill the memory."""

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as it is written; `plain` when it stands without quotes."""

    at: Position
    text: str
    plain: bool

    @property
    def empty(self) -> bool:
        """Whether nothing, `~` or `null` stands here."""
        return self.plain and self.text in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    at: Position
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order of the file; no key occurs twice."""

    at: Position
    entries: tuple[tuple[Scalar, Node], ...]


Node: TypeAlias = Scalar | Sequence | Mapping


class _Refused(Exception):
    """Reading this file cannot go on."""

    def __init__(self, at: Position, found: str, expected: str) -> None:
        super().__init__(found)
        self.mistake = Mistake(at=at, where="", found=found, expected=expected)


def parse(*, file: str, text: str, mistakes: list[Mistake], shared: bool = False) -> Node | None:
    """Return the tree of one file, None when it is empty or cannot be read; add what is wrong to `mistakes`.

    With `shared`, a part may be named by an anchor and stand again where its alias does, as mappings need it.
    """
    if len(text) > FILE_CHARACTERS_MAX:
        expected = f"at most {FILE_CHARACTERS_MAX} characters a file"
        mistakes.append(Mistake(at=Position(file), where="", found=f"{len(text)} characters", expected=expected))
        return None
    if (unreadable := _unreadable(file, text)) is not None:
        mistakes.append(unreadable)
        return None
    try:
        return _Composer(file=file, text=text, mistakes=mistakes, shared=shared).document()
    except _Refused as refused:
        mistakes.append(refused.mistake)
    except yaml.MarkedYAMLError as error:
        mistakes.append(_syntax_mistake(file, error))
    except yaml.YAMLError as error:
        mistakes.append(Mistake(at=Position(file), where="", found=_first_line(str(error)), expected="YAML"))
    return None


def _unreadable(file: str, text: str) -> Mistake | None:
    """Return the mistake of a character that no text holds: control characters, halves of surrogate pairs."""
    match = _NOT_TEXT.search(text)
    if match is None:
        return None
    before = text[: match.start()]
    at = Position(file, before.count("\n") + 1, match.start() - (before.rfind("\n") + 1) + 1)
    return Mistake(at=at, where="", found=f"the character U+{ord(match[0]):04X}", expected="text")


def _syntax_mistake(file: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    at = Position(file) if mark is None else Position(file, mark.line + 1, mark.column + 1)
    problem = " ".join(part for part in (error.context, error.problem) if part)
    return Mistake(at=at, where="", found=f"a mistake of syntax ({_first_line(problem)})", expected="YAML")


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


class _Composer:
    """Turns the parser's events into nodes; one object a file."""

    def __init__(self, *, file: str, text: str, mistakes: list[Mistake], shared: bool) -> None:
        self._file = file
        self._shared = shared
        self._parts: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_Loader))
        self._mistakes = mistakes

    def document(self) -> Node | None:
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Refused(self._at(event), "a second document ('---')", "one document a file")
            elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent, yaml.AliasEvent)):
                root = self._node(event, depth=1)
        return root

    def _node(self, event: Any, *, depth: int) -> Node:
        if not self._shared:
            return self._new_node(event, depth=depth)
        if isinstance(event, yaml.AliasEvent):
            return self._again(event)
        before = self._nodes
        node = self._new_node(event, depth=depth)
        self._count(event, 1)
        if event.anchor is not None:
            self._parts[event.anchor] = (node, self._nodes - before)
        return node

    def _again(self, event: Any) -> Node:
        """Return the part that an alias stands for; it must be complete, so nothing can hold itself."""
        if event.anchor not in self._parts:
            raise _Refused(self._at(event), f"the alias '*{event.anchor}'", f"'&{event.anchor}' further up")
        node, size = self._parts[event.anchor]
        self._count(event, size)
        return node

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > NODES_MAX:
            raise _Refused(self._at(event), f"more than {NODES_MAX} values, aliases written out", "fewer")

    def _new_node(self, event: Any, *, depth: int) -> Node:
        at = self._at(event)
        if depth > DEPTH_MAX:
            raise _Refused(at, f"nesting more than {DEPTH_MAX} deep", "a network, which nests five deep")
        self._refuse_shortcuts(event)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(at=at, text=event.value, plain=not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(at=at, items=tuple(self._items(depth=depth)))
        return Mapping(at=at, entries=tuple(self._entries(depth=depth)))

    def _items(self, *, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth=depth + 1)

    def _entries(self, *, depth: int) -> Iterator[tuple[Scalar, Node]]:
        first: dict[str, Position] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            value = self._node(next(self._events), depth=depth + 1)
            if not isinstance(key, Scalar):
                self._report(key.at, "a list or mapping as a key", "a name")
            elif key.plain and key.text == "<<":
                self._report(key.at, "a merge key ('<<')", "every key written out")
            elif key.text in first:
                expected = f"each key once; it stands at line {first[key.text].line} already"
                self._report(key.at, f"the key {quoted(key.text)} again", expected)
            else:
                first[key.text] = key.at
                yield key, value

    def _refuse_shortcuts(self, event: Any) -> None:
        """Report what makes one place of a file speak for another; an alias ends the reading of the file."""
        at = self._at(event)
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(at, f"an alias ('*{event.anchor}')", "the value written out")
        if event.anchor is not None and not self._shared:
            self._report(at, f"an anchor ('&{event.anchor}')", "a value without an anchor")
        if event.tag is not None:
            self._report(at, f"a tag ({quoted(event.tag)})", "a value without a tag")

    def _report(self, at: Position, found: str, expected: str) -> None:
        self._mistakes.append(Mistake(at=at, where="", found=found, expected=expected))

    def _at(self, event: Any) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
