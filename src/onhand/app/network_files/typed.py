"""From nodes to the types of the model: reads what is expected at each place and reports what stands there instead.

The model itself says what is expected (`msgspec.inspect`), so this module knows no key of any file. Every value that
can be read is returned even when its neighbours are wrong, because the cross-references should be checked as well.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import inspect as types

from onhand.app.network_files import yaml_tree
from onhand.app.network_files.mistakes import MISTAKES_MAX, Mistake, Position, nearest, path_text, quoted

Path: TypeAlias = tuple[str | int, ...]

_T = TypeVar("_T")

CODE_FIELD: Final = "code"
"""The field that a record gets from the key under which it stands."""


class _Missing:
    """The one value that stands for what could not be read."""


MISSING: Final = _Missing()


class Reading:
    """What reading leaves behind besides values: the mistakes, and where each path stands in the files."""

    def __init__(self, mistakes: list[Mistake], defaults: Mapping[Path, msgspec.Struct]) -> None:
        self.mistakes = mistakes
        self._at: dict[Path, Position] = {}
        self._declared: dict[str, set[str]] = {}
        self._suggestions = 0
        self._kept: dict[Path, list[int]] = {}
        self._defaults = defaults

    def report(self, *, at: Position, path: Path, found: str, expected: str, suggestion: str | None = None) -> None:
        """Add one mistake."""
        where = path_text(path)
        self.mistakes.append(Mistake(at=at, where=where, found=found, expected=expected, suggestion=suggestion))

    def at(self, path: Path) -> Position:
        """Return where a path stands: of a record its key, of a value the value, else its nearest parent's place."""
        while path and path not in self._at:
            path = path[:-1]
        return self._at[path]

    def numbered(self, path: Path, values: Iterable[_T]) -> Iterator[tuple[int, _T]]:
        """Pair the values of a list with their places in the file, which has unreadable entries as well."""
        values = tuple(values)
        places = self._kept.get(path, ())
        return zip(places if len(places) == len(values) else range(len(values)), values, strict=True)

    def stated(self, path: Path) -> bool:
        """Tell whether something stands at a path, readable or not."""
        return path in self._at

    def declared(self, section: str) -> AbstractSet[str]:
        """Return the keys of a section, those of records that could not be read included."""
        return self._declared.get(section, frozenset())

    def suggestion(self, word: str, names: Iterable[str]) -> str | None:
        """Return the nearest name, for as many mistakes as are shown: comparing words takes most of the time."""
        self._suggestions += 1
        return nearest(word, names) if self._suggestions <= MISTAKES_MAX else None

    def read(self, node: yaml_tree.Node, kind: types.Type, path: Path) -> Any:
        """Return the value of a node as the type asks for, or MISSING after reporting why not."""
        self._at.setdefault(path, node.at)
        if isinstance(kind, types.Metadata):
            title = (kind.extra_json_schema or {}).get("title")
            return self._checked(node, kind.type, path, title=title)
        return self._checked(node, kind, path, title=None)

    def _checked(self, node: yaml_tree.Node, kind: types.Type, path: Path, *, title: str | None) -> Any:
        if isinstance(kind, types.Metadata):
            return self.read(node, kind, path)
        if isinstance(kind, types.UnionType):
            return self._optional(node, kind, path)
        if isinstance(kind, types.StructType):
            return self._record(node, kind, path)
        if isinstance(kind, types.DictType):
            return self._dictionary(node, kind, path)
        if isinstance(kind, types.VarTupleType):
            return self._list(node, kind, path)
        return self._plain(node, kind, path, title=title)

    def _plain(self, node: yaml_tree.Node, kind: types.Type, path: Path, *, title: str | None) -> Any:
        if isinstance(kind, types.AnyType):
            return self._anything(node, path)
        return self._scalar(node, kind, path, title=title)

    def _optional(self, node: yaml_tree.Node, kind: types.UnionType, path: Path) -> Any:
        if isinstance(node, yaml_tree.Scalar) and node.empty:
            return None
        inner = [each for each in kind.types if not isinstance(each, types.NoneType)]
        assert len(inner) == 1, f"a union at {path} that this reader cannot tell apart"
        return self.read(node, inner[0], path)

    def _record(self, node: yaml_tree.Node, kind: types.StructType, path: Path) -> Any:
        entries = self._entries(node, path)
        if entries is None:
            return MISSING
        fields = {field.encode_name: field for field in kind.fields}
        code = path[-1] if CODE_FIELD in fields else None
        if code is not None:
            del fields[CODE_FIELD]
        values = self._fields(entries, fields, path)
        default = self._defaults.get(path)
        if default is not None:
            values = msgspec.structs.asdict(default) | values
        complete = self._complete(values, fields, path)
        if not complete:
            return MISSING
        return kind.cls(**values) if code is None else kind.cls(**{**values, CODE_FIELD: code})

    def _fields(
        self,
        entries: Iterable[tuple[yaml_tree.Scalar, yaml_tree.Node]],
        fields: Mapping[str, types.Field],
        path: Path,
    ) -> dict[str, Any]:
        """Return the values of the known keys; a wrong value is MISSING and has been reported."""
        values: dict[str, Any] = {}
        for key, node in entries:
            field = fields.get(key.text)
            if field is None:
                self.report(
                    at=key.at,
                    path=path,
                    found=f"the unknown key {quoted(key.text)}",
                    expected=f"one of {', '.join(fields)}",
                    suggestion=self.suggestion(key.text, fields),
                )
            else:
                values[field.name] = self.read(node, field.type, (*path, key.text))
        return values

    def _complete(self, values: dict[str, Any], fields: Mapping[str, types.Field], path: Path) -> bool:
        """Report required keys that are absent; drop unreadable values where a default can stand in."""
        complete = True
        for field in fields.values():
            if field.required and field.name not in values:
                key = field.encode_name
                self.report(at=self.at(path), path=path, found=f"no {quoted(key)}", expected="this key")
                complete = False
            elif values.get(field.name) is MISSING:
                del values[field.name]
                complete = complete and not field.required
        return complete

    def _dictionary(self, node: yaml_tree.Node, kind: types.DictType, path: Path) -> Any:
        entries = self._entries(node, path)
        if entries is None:
            return MISSING
        values: dict[str, Any] = {}
        for key, value_node in entries:
            self._at[(*path, key.text)] = key.at
            if len(path) == 1:
                self._declared.setdefault(str(path[0]), set()).add(key.text)
            quoted_key = yaml_tree.Scalar(at=key.at, text=key.text, plain=False)
            name = self._key(quoted_key, kind.key_type, path)
            value = self.read(value_node, kind.value_type, (*path, key.text))
            if name is not MISSING and value is not MISSING:
                values[name] = value
        return values

    def _key(self, key: yaml_tree.Scalar, kind: types.Type, path: Path) -> Any:
        title = (kind.extra_json_schema or {}).get("title") if isinstance(kind, types.Metadata) else None
        inner = kind.type if isinstance(kind, types.Metadata) else kind
        return self._scalar(key, inner, path, title=title)

    def _list(self, node: yaml_tree.Node, kind: types.VarTupleType, path: Path) -> Any:
        if isinstance(node, yaml_tree.Scalar) and node.empty:
            node = yaml_tree.Sequence(at=node.at, items=())
        if not isinstance(node, yaml_tree.Sequence):
            return self._wrong_shape(node, path, expected="a list")
        if kind.min_length is not None and len(node.items) < kind.min_length:
            self.report(at=node.at, path=path, found="an empty list", expected="at least one entry")
            return MISSING
        read = [self.read(item, kind.item_type, (*path, index)) for index, item in enumerate(node.items)]
        self._kept[path] = [index for index, value in enumerate(read) if value is not MISSING]
        values = tuple(value for value in read if value is not MISSING)
        return values if len(values) >= (kind.min_length or 0) else MISSING

    def _anything(self, node: yaml_tree.Node, path: Path) -> Any:
        """Return what a value is by its looks, where only a connector's schema knows more: JSON's own kinds.

        Plain whole numbers, `true`, `false` and nothing are what they seem; everything else is text.
        """
        self._at.setdefault(path, node.at)
        if isinstance(node, yaml_tree.Mapping):
            for key, _ in node.entries:
                self._at[(*path, key.text)] = key.at
            return {key.text: self._anything(value, (*path, key.text)) for key, value in node.entries}
        if isinstance(node, yaml_tree.Sequence):
            return [self._anything(item, (*path, index)) for index, item in enumerate(node.items)]
        if node.empty:
            return None
        if node.plain and node.text in ("true", "false"):
            return node.text == "true"
        return int(node.text) if node.plain and _WHOLE.fullmatch(node.text) else node.text

    def _entries(self, node: yaml_tree.Node, path: Path) -> tuple[tuple[yaml_tree.Scalar, yaml_tree.Node], ...] | None:
        """Return the entries of a mapping, none for nothing at all; report any other shape."""
        if isinstance(node, yaml_tree.Mapping):
            return node.entries
        if isinstance(node, yaml_tree.Scalar) and node.empty:
            return ()
        self._wrong_shape(node, path, expected="keys with values")
        return None

    def _wrong_shape(self, node: yaml_tree.Node, path: Path, *, expected: str) -> _Missing:
        self.report(at=node.at, path=path, found=_shown(node), expected=expected)
        return MISSING

    def _scalar(self, node: yaml_tree.Node, kind: types.Type, path: Path, *, title: str | None) -> Any:
        expected = title or _phrase(kind)
        if not isinstance(node, yaml_tree.Scalar) or (node.empty and not isinstance(kind, types.BoolType)):
            return self._wrong_shape(node, path, expected=expected)
        try:
            return _READERS[type(kind)](node, kind)
        except ValueError:
            self.report(
                at=node.at,
                path=path,
                found=_shown_safely(node, path),
                expected=expected,
                suggestion=self._meant(node.text, kind),
            )
            return MISSING

    def _meant(self, text: str, kind: Any) -> str | None:
        """Return what was probably meant: what other programs read as such a value, or the nearest name."""
        if isinstance(kind, types.BoolType):
            return _TRUTHS.get(text.casefold()) or self.suggestion(text, ("true", "false"))
        if isinstance(kind, types.LiteralType):
            return self.suggestion(text, map(str, kind.values))
        if isinstance(kind, types.IntType):
            bare = re.sub(r"[_,' ]", "", text)
            return bare if bare != text and bare.isdecimal() else None
        return None


def _shown_safely(node: yaml_tree.Scalar, path: Path) -> str:
    """Return what was found, but no secret that stands where its place or an address should: plans are logged."""
    if path[-1:] == ("secret",):
        return "a text that is no place"
    return "an address with credentials" if _CREDENTIALS.search(node.text) else _shown(node)


def _shown(node: yaml_tree.Node) -> str:
    if isinstance(node, yaml_tree.Sequence):
        return "a list"
    if isinstance(node, yaml_tree.Mapping):
        return "keys with values"
    if node.empty:
        return "nothing"
    return quoted(node.text) if node.plain else f"the quoted text {quoted(node.text)}"


def _text(node: yaml_tree.Scalar, kind: Any) -> str:
    if len(node.text) < (kind.min_length or 0) or len(node.text) > (kind.max_length or len(node.text)):
        raise ValueError(node.text)
    if kind.pattern is not None and re.search(kind.pattern, node.text) is None:
        raise ValueError(node.text)
    return node.text


_CREDENTIALS: Final = re.compile(r"//[^/?#\s]*@")
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def _whole_number(node: yaml_tree.Scalar, kind: Any) -> int:
    if not node.plain or _WHOLE.fullmatch(node.text) is None:
        raise ValueError(node.text)
    return int(_bounded(int(node.text), kind))


def _number(node: yaml_tree.Scalar, kind: Any) -> float:
    if not node.plain or re.fullmatch(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,15})?", node.text, re.ASCII) is None:
        raise ValueError(node.text)
    return float(_bounded(float(node.text), kind))


def _bounded(value: float, kind: Any) -> float:
    if (kind.ge is not None and value < kind.ge) or (kind.le is not None and value > kind.le):
        raise ValueError(value)
    return value


def _truth(node: yaml_tree.Scalar, kind: Any) -> bool:  # noqa: ARG001 - all readers are called alike
    if not node.plain or node.text not in ("true", "false"):
        raise ValueError(node.text)
    return node.text == "true"


def _date(node: yaml_tree.Scalar, kind: Any) -> datetime.date:  # noqa: ARG001 - all readers are called alike
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", node.text, re.ASCII) is None:
        raise ValueError(node.text)
    return datetime.date.fromisoformat(node.text)


def _choice(node: yaml_tree.Scalar, kind: Any) -> str:
    if node.text not in kind.values:
        raise ValueError(node.text)
    return node.text


_READERS: Final[Mapping[type, Callable[[yaml_tree.Scalar, Any], Any]]] = {
    types.StrType: _text,
    types.IntType: _whole_number,
    types.FloatType: _number,
    types.BoolType: _truth,
    types.DateType: _date,
    types.LiteralType: _choice,
}


def _phrase(kind: Any) -> str:
    """Return what is expected, in words."""
    match kind:
        case types.IntType() | types.FloatType():
            sort = "a whole number" if isinstance(kind, types.IntType) else "a number"
            return f"{sort} from {kind.ge} to {kind.le}" if kind.ge is not None else sort
        case types.BoolType():
            return "true or false"
        case types.DateType():
            return "a date as YYYY-MM-DD"
        case types.LiteralType():
            return f"one of {', '.join(map(str, kind.values))}"
        case types.StrType():
            bound = f" of {kind.min_length or 0} to {kind.max_length} characters" if kind.max_length else ""
            return "text" + bound
    raise AssertionError(f"no words for {kind}")


_TRUTHS: Final[Mapping[str, str]] = {
    "yes": "true", "on": "true", "y": "true", "1": "true", "no": "false", "off": "false", "n": "false", "0": "false",
}  # fmt: skip
