"""As much of GraphQL as the stand-in needs: documents are read, and answers hold exactly what was asked for.

Values that are selected from are plain: dicts with `__typename` where a union is meant, lists, and functions of the
arguments for fields that take some. A field that a value does not have is refused as a GraphQL server refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

_TOKEN = re.compile(
    r'"(?P<text>(?:[^"\\]|\\.)*)"|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>\$?[A-Za-z_]\w*)|(?P<mark>\.\.\.|[{}()\[\]:!=@])'
)


class NotUnderstood(Exception):
    """The document is not one that a server of this dialect understands."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that is handed in beside the document."""

    name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A field that is asked for, or (with `on`) what is asked for of values of one type."""

    name: str
    alias: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inner: tuple[Selection, ...] = ()
    on: str | None = None

    def given(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with their values."""
        return {name: _value(value, variables) for name, value in self.arguments.items()}


@dataclass(frozen=True, slots=True)
class Operation:
    """A document: what it does, and the fields that it begins with."""

    kind: Literal["query", "mutation"]
    fields: tuple[Selection, ...]


def parse(document: str) -> Operation:
    """Return what a document asks for. Raises NotUnderstood."""
    return _Reader(document).operation()


def project(value: Any, selections: Sequence[Selection], variables: Mapping[str, Any]) -> Any:
    """Return of a value what was selected. Raises NotUnderstood for a field that it does not have."""
    if isinstance(value, list):
        return [project(one, selections, variables) for one in value]
    if not isinstance(value, dict) or not selections:
        return value
    chosen: dict[str, Any] = {}
    for selection in selections:
        if selection.on is not None:
            if _is_a(value, selection.on):
                chosen |= project(value, selection.inner, variables)
        elif selection.name not in value:
            raise NotUnderstood(f'Cannot query field "{selection.name}".')
        else:
            found = value[selection.name]
            found = found(**selection.given(variables)) if callable(found) else found
            chosen[selection.alias] = project(found, selection.inner, variables)
    return chosen


def _is_a(value: Mapping[str, Any], kind: str) -> bool:
    return value.get("__typename") == kind or (kind == "ErrorResult" and "errorCode" in value)


def _value(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, Variable):
        return variables.get(value.name)
    if isinstance(value, dict):
        return {name: _value(one, variables) for name, one in value.items()}
    return [_value(one, variables) for one in value] if isinstance(value, list) else value


class _Reader:
    """Reads one document, token by token."""

    def __init__(self, document: str) -> None:
        self._tokens = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in _TOKEN.finditer(document)]
        self._at = 0

    def operation(self) -> Operation:
        kind: Literal["query", "mutation"] = "query"
        if self._peek() != "{":
            kind = "mutation" if self._take() == "mutation" else "query"
            while self._peek() != "{":
                self._take_balanced()
        return Operation(kind, self._selections())

    def _selections(self) -> tuple[Selection, ...]:
        self._expect("{")
        found = []
        while self._peek() != "}":
            found.append(self._selection())
        self._expect("}")
        return tuple(found)

    def _selection(self) -> Selection:
        name = self._take()
        if name == "...":
            self._expect("on")
            kind = self._take()
            return Selection(name, name, inner=self._selections(), on=kind)
        alias = name
        if self._peek() == ":":
            self._expect(":")
            name = self._take()
        arguments = self._object("(", ")") if self._peek() == "(" else {}
        inner = self._selections() if self._peek() == "{" else ()
        return Selection(name, alias, arguments, inner)

    def _object(self, begin: str, end: str) -> dict[str, Any]:
        self._expect(begin)
        found: dict[str, Any] = {}
        while self._peek() != end:
            name = self._take()
            self._expect(":")
            found[name] = self._literal()
        self._expect(end)
        return found

    def _literal(self) -> Any:
        kind, text = self._tokens[self._at]
        if text == "{" and kind == "mark":
            return self._object("{", "}")
        self._at += 1
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "mark":
            return self._list()
        if kind == "name" and text.startswith("$"):
            return Variable(text[1:])
        return {"true": True, "false": False, "null": None}.get(text, text) if kind == "name" else text

    def _list(self) -> list[Any]:
        found = []
        while self._peek() != "]":
            found.append(self._literal())
        self._expect("]")
        return found

    def _take_balanced(self) -> None:
        if self._take() == "(":
            while self._take() != ")":
                pass

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            raise NotUnderstood("Syntax Error: Unexpected <EOF>.")
        return self._tokens[self._at][1]

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._take()
        if found != token:
            raise NotUnderstood(f'Syntax Error: Expected "{token}", found "{found}".')
