"""Reads JSON without believing it: what two readers could understand differently is refused, not guessed.

Refused: duplicate member names, NUL characters, numbers that no exact column holds, deep nesting, text that is not
UTF-8, and everything that RFC 8259 does not allow (NaN, comments, trailing commas). Numbers come out exact: `12.0` and
`1.2e1` as the int 12, `12.5` as a `Decimal`, nothing ever as a binary float.

The one thing a maintainer must know is why this is cheap. msgspec decodes at the speed of C but keeps the last of two
equal names without a word. Instead of parsing again in Python, the decoded value is written back (also in C) and the
colons of both texts are counted: each member costs one colon, colons inside strings are copied as they are, so a text
with more colons than its own echo has lost members. An escaped colon would blur that, so texts that hold one take the
slow path. The other checks work the same way: a scan in C over the bytes says "certainly fine" for nearly every
document, and only the rest is walked value by value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Context, Decimal
from typing import Any, NoReturn

import msgspec

from onhand.contracts.limits import JSON_DEPTH_MAX, JSON_NUMBER_DIGITS_MAX
from onhand.domain.errors import InvalidInput


class MalformedJson(InvalidInput):
    """The bytes are not JSON; `offset` says at which byte reading stopped, when that is known."""

    code = "malformed_json"
    title = "This is not JSON"
    remedy = "Send one JSON document (RFC 8259) in UTF-8, without comments, NaN or trailing commas."


class InvalidUtf8(InvalidInput):
    """The bytes are not UTF-8; `offset` is the first byte that is not."""

    code = "invalid_utf8"
    title = "The text is not UTF-8"
    remedy = "Encode the document in UTF-8; a file in Latin-1 or Windows-1252 must be converted."


class DuplicateKey(InvalidInput):
    """An object names the same member twice; `pointer` leads to the member."""

    code = "duplicate_key"
    title = "A member is named twice"
    remedy = "Send each member once; readers differ in which of two they believe."


class NumberOutOfRange(InvalidInput):
    """A number is too large or too fine to be kept exactly; `pointer` leads to it when it is known."""

    code = "number_out_of_range"
    title = "A number is out of range"
    remedy = f"Send numbers of at most {JSON_NUMBER_DIGITS_MAX} digits before the point and as many behind it."


class TooDeep(InvalidInput):
    """Objects and arrays are nested too deeply."""

    code = "too_deep"
    title = "The document is nested too deeply"
    remedy = f"Nest at most {JSON_DEPTH_MAX} levels."


class ForbiddenCharacter(InvalidInput):
    """A string holds a NUL character, which databases and C programs cannot keep; `pointer` leads to it."""

    code = "forbidden_character"
    title = "A character is not allowed"
    remedy = "Remove the NUL character."


class TooMany(InvalidInput):
    """An array has more elements than are taken at once."""

    code = "too_many"
    title = "Too many at once"
    remedy = "Send them in several parts."


_BOUND = 10**JSON_NUMBER_DIGITS_MAX
_LITERAL_LENGTH_MAX = 3 * JSON_NUMBER_DIGITS_MAX
_EXPONENT_LENGTH_MAX = len("e+999")
_UNROUNDED = Context(prec=_LITERAL_LENGTH_MAX)
_ONE_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * (JSON_NUMBER_DIGITS_MAX + 1)
_OFFSET = re.compile(r"\(byte (\d+)\)$")


def loads(body: bytes | bytearray | memoryview) -> Any:
    """The value of one JSON document.

    Raises MalformedJson, InvalidUtf8, DuplicateKey, NumberOutOfRange, TooDeep, ForbiddenCharacter.
    """
    text = bytes(body)
    return _load(text, odd=_is_odd(text))


def load_elements(body: bytes | bytearray | memoryview, *, elements_max: int) -> Iterator[Any]:
    """The elements of one JSON array; in the place of one that `loads` would refuse stands its error.

    So one bad element does not take the others with it. Raises as `loads` does when the array itself cannot be read,
    TooMany when it has more than `elements_max`.
    """
    text = bytes(body)
    try:
        elements = _split(text)
    except msgspec.ValidationError:
        raise MalformedJson("Reading stopped at byte 0: the document is not an array.", offset=0) from None
    except (ValueError, RecursionError) as failure:
        _explain(text, failure)
    if len(elements) > elements_max:
        raise TooMany(f"The array has {len(elements)} elements; at most {elements_max} are taken.")
    odd = _is_odd(text)
    return (_load_or_failure(bytes(element), odd=odd) for element in elements)


def dumps(value: Any) -> bytes:
    """Compact JSON; a Decimal is written as a number."""
    return _encode(value)


def canonical(value: Any) -> bytes:
    """The one spelling of a value that `loads` gave: sorted members, no white space, numbers in their shortest form."""
    return _encode_sorted(value)


def pointer(path: tuple[str | int, ...] | list[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


class _OutOfRange(Exception):
    """A float literal that is too large or too fine."""


def _exact(literal: str) -> int | Decimal:
    """A float literal as an exact number, in its one shortest form."""
    # The lengths come first: the digits of 1e999999999 would fill the memory, those of a long literal the clock.
    exponent_at = max(literal.find("e"), literal.find("E"))
    if len(literal) > _LITERAL_LENGTH_MAX or (exponent_at > 0 and len(literal) - exponent_at > _EXPONENT_LENGTH_MAX):
        raise _OutOfRange(literal)
    # The default context would round to 28 digits here, without a word.
    number = Decimal(literal).normalize(_UNROUNDED)
    if not number:
        return 0
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) + exponent > JSON_NUMBER_DIGITS_MAX or exponent < -JSON_NUMBER_DIGITS_MAX:
        raise _OutOfRange(literal)
    return int(number) if exponent >= 0 else Decimal((sign, digits, exponent))


_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode: Callable[[bytes], Any] = msgspec.json.Decoder(float_hook=_exact).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_encode_sorted = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


def _is_odd(text: bytes) -> bool:
    """Whether a text may hold a NUL, an escaped colon or a long number; a scan in C that is nearly always "no"."""
    return b"\\u0000" in text or b"\\u003" in text or _LONG_NUMBER in text.translate(_ONE_DIGIT)


def _load(text: bytes, *, odd: bool) -> Any:
    try:
        value = _decode(text)
    except (ValueError, RecursionError, _OutOfRange) as failure:
        _explain(text, failure)
    # Depth cannot exceed the number of opening brackets, and most documents have fewer of them than levels allowed.
    if text.count(b"{") + text.count(b"[") > JSON_DEPTH_MAX:
        _refuse_deep(value)
    if text.count(b":") != _encode(value).count(b":") or (odd and b"\\u003" in text):
        _refuse_duplicates(text)
    if odd:
        _refuse_odd(value)
    return value


def _load_or_failure(text: bytes, *, odd: bool) -> Any:
    try:
        return _load(text, odd=odd)
    except InvalidInput as failure:
        return failure


def _refuse_deep(value: Any) -> None:
    level = [value]
    for _ in range(JSON_DEPTH_MAX):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise TooDeep(f"The document nests deeper than {JSON_DEPTH_MAX} levels.")


def _children(node: Any) -> list[Any]:
    if type(node) is dict:
        return [child for child in node.values() if type(child) is dict or type(child) is list]
    return [child for child in node if type(child) is dict or type(child) is list] if type(node) is list else []


class _Twice(dict[str, Any]):
    """An object that named a member twice, kept apart until the way to it is known."""


def _refuse_duplicates(text: bytes) -> None:
    for path, node in _walk(json.loads(text, object_pairs_hook=_members, parse_int=str, parse_float=str)):
        if type(node) is _Twice:
            where = pointer([*path, node["name"]])
            raise DuplicateKey(f"The member {_short(where)} is there twice.", pointer=where[:500])


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return _Twice(name=name)
        seen.add(name)
    raise AssertionError("fewer members than pairs, and yet no name twice")


def _refuse_odd(value: Any) -> None:
    for path, node in _walk(value):
        if type(node) is str and "\x00" in node:
            where = pointer(path)
            raise ForbiddenCharacter(f"The string at {_short(where)} holds a NUL character.", pointer=where[:500])
        # Only whole numbers are looked at: the literals with a point or an exponent went through _exact.
        if type(node) is int and not -_BOUND < node < _BOUND:
            where = pointer(path)
            raise NumberOutOfRange(f"The number at {_short(where)} has too many digits.", pointer=where[:500])


def _walk(value: Any) -> Iterator[tuple[list[str | int], Any]]:
    """Every value and every member name with its path; safe because depth is bounded by now."""
    stack: list[tuple[list[str | int], Any]] = [([], value)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if isinstance(node, dict):
            stack.extend(([*path, name], child) for name, child in node.items())
            stack.extend((path, name) for name in node)
        elif isinstance(node, list):
            stack.extend(([*path, index], child) for index, child in enumerate(node))


def _explain(text: bytes, failure: Exception) -> NoReturn:
    """Turn the decoder's complaint into the typed error that names the place."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as broken:
        raise InvalidUtf8(f"Byte {broken.start} is not UTF-8.", offset=broken.start) from None
    if isinstance(failure, RecursionError):
        raise TooDeep(f"The document nests deeper than {JSON_DEPTH_MAX} levels.") from None
    if isinstance(failure, _OutOfRange):
        raise NumberOutOfRange(f"The number {_short(str(failure))} is too large or too fine.") from None
    if "out of range" in str(failure):
        raise NumberOutOfRange("A whole number has too many digits.") from None
    found = _OFFSET.search(str(failure))
    offset = int(found[1]) if found else len(text)
    what = _OFFSET.sub("", str(failure)).removeprefix("JSON is malformed: ").strip().lower()
    raise MalformedJson(f"Reading stopped at byte {offset}: {what}.", offset=offset) from None


def _short(text: str) -> str:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return json.dumps(shown, ensure_ascii=False)
