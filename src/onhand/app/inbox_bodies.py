"""Bodies become documents: JSON with exact numbers, XML without its dangers, forms, and plain text.

A document is what a mapping speaks about: objects, lists, texts, exact numbers. XML becomes objects: an element's
attributes are members with an `@`, its elements members by their names (a list where one comes more than once), its
text, beside others, the member `#text`; names lose their namespaces. Entities and document types are refused: they are
how a few bytes become gigabytes, or somebody else's file.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl
from xml.parsers import expat

from onhand.contracts import strict_json
from onhand.domain.errors import InvalidInput
from onhand.ops import limits


class BodyNotRead(InvalidInput):
    """The body of a message cannot be read as what its content type says."""

    code = "body_not_read"
    title = "The message cannot be read"
    remedy = "Compare it with what the partner meant to send: 'onhand inbox show N --body' prints it as it came."


def decode(body: bytes, content_type: str) -> Any:
    """Return a body as a document. Raises BodyNotRead, and what strict JSON raises."""
    kind, charset = _kind(body, content_type)
    if kind == "json":
        return strict_json.loads(body)
    if kind == "xml":
        return xml_document(body)
    text = _text(body, charset)
    if kind == "form":
        return _form(text)
    return text


def _kind(body: bytes, content_type: str) -> tuple[str, str]:
    """Return how a body is read. What says nothing of itself is read as what it begins like."""
    media, _, parameters = content_type.lower().partition(";")
    media, charset = media.strip(), "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value:
            charset = value.strip('"')
    if media.endswith(("/json", "+json")):
        return "json", charset
    if media.endswith(("/xml", "+xml")):
        return "xml", charset
    if media == "application/x-www-form-urlencoded":
        return "form", charset
    if media.startswith("text/"):
        return "text", charset
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"{": "json", b"[": "json", b"<": "xml"}.get(start, "text"), charset


def _text(body: bytes, charset: str) -> str:
    try:
        text = body.decode(charset)
    except (UnicodeError, LookupError) as error:
        raise BodyNotRead(f"The body is no text in {charset[:40]!r}.") from error
    if "\0" in text:
        raise BodyNotRead("The text holds a NUL character.")
    return text


def _form(text: str) -> dict[str, Any]:
    """Return a form's fields; a field that comes more than once is a list."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=10_000)
    except ValueError as error:
        raise BodyNotRead(f"The body is no form: {error}.") from error
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _add(fields, name, value)
    return fields


def xml_document(body: bytes) -> Any:
    """Return an XML document as objects. Raises BodyNotRead."""
    building = _Building()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = building.start
    parser.EndElementHandler = building.end
    parser.CharacterDataHandler = building.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise BodyNotRead(f"The body is no XML: {error}.") from error
    except (LookupError, ValueError) as error:
        raise BodyNotRead(f"The body is XML in an encoding that is not read: {error}.") from error
    return building.root


def _refuse(*_: object) -> NoReturn:
    raise BodyNotRead("The XML has a document type or an entity, which is not read.")


_TEXT: Final = "#text"


class _Building:
    """What is known of an XML document while it is read."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) >= limits.XML_DEPTH_MAX:
            raise BodyNotRead(f"The XML is nested more than {limits.XML_DEPTH_MAX} deep.")
        if self._elements > limits.XML_ELEMENTS_MAX:
            raise BodyNotRead(f"The XML has more than {limits.XML_ELEMENTS_MAX} elements.")
        members = {f"@{_local(key)}": value for key, value in attributes.items()}
        self._open.append((_local(name), members, []))

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def end(self, _name: str) -> None:
        name, members, texts = self._open.pop()
        text = "".join(texts).strip()
        if members and text:
            members[_TEXT] = text
        above = self._open[-1][1] if self._open else self.root
        _add(above, name, members or text)


def _add(members: dict[str, Any], name: str, value: Any) -> None:
    if name not in members:
        members[name] = value
    elif isinstance(members[name], list):
        members[name].append(value)
    else:
        members[name] = [members[name], value]


def _local(name: str) -> str:
    return name.rpartition("}")[2]
