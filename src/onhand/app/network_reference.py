"""Writes the reference page of the network's files from the model, so that no key can go undocumented.

`python -m onhand.app.network_reference docs/reference` writes `network.md`; a test holds the committed page to it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect as types

from onhand.domain.codes import CODE_FORM
from onhand.domain.endpoint import Breaker, Buffer, Cost, Daily, Lane, Limits, Rate, Retry, Sliding, Window
from onhand.domain.feed import Statement
from onhand.domain.network import CANONICAL_STATUSES, VIRTUAL_LOCATIONS, Network, QuantityRules
from onhand.domain.publishing import Fallback, Margins, Publishing

PAGE: Final = "network.md"

_HEAD: Final = """\
# The network's files

<!-- Generated from the model by `python -m onhand.app.network_reference docs/reference`; edit that. -->

A network is a folder of YAML files (`*.yaml`, `*.yml`, subfolders included, hidden files left out). Each file holds
sections; any section may stand in any file, also in several, and each code stands once. The
[guide](../guides/network.md) shows how to work with them; `onhand init` writes a commented example.

**How YAML is read.** What a value means is decided by the key, never guessed from how it looks: `country: NO` is
Norway, `sku: 007` and `sku: 1_000` are those very texts. A whole number is plain digits (`1_000`, `010`, `1e3` and
`"5"` are refused), a truth is `true` or `false` (`yes` and `on` are refused), a date is `YYYY-MM-DD`. Repeated keys,
unknown keys, anchors, aliases, merge keys (`<<`) and tags are refused. Nothing (`~`, `null` or an empty value) is an
empty section, list or mapping, or stands for *none* where that is allowed.

**Codes** name things for ever: letters, digits, `.`, `_` and `-`, at most 64, the first a letter or digit; upper and
lower case differ.
"""

_INTRODUCTIONS: Final = {
    "systems": "By code. `onhand` is the hub's own code and cannot be used.",
    "locations": f"By code. These exist by themselves and cannot be declared: {', '.join(VIRTUAL_LOCATIONS)}.",
    "location_groups": "By code, which no location may have.",
    "statuses": "By code. These exist by themselves and may be declared to translate or change them: "
    + ", ".join(f"{code} (sellable)" if status.sellable else code for code, status in CANONICAL_STATUSES.items())
    + ".",
    "channels": "By code.",
    "channel_groups": "By code, which no channel may have.",
    "ring_fences": "A list. There is one entry for a group, SKU and location. Ring-fences stand for a channel or for "
    "its group, not for both.",
    "authority": "For an event type, a family (`order.*`) or all (`*`), the systems that may state it. The most exact "
    "entry decides. With no entry that fits, any system that is declared may state the type; an empty list means "
    "nobody. What another system states is quarantined. `reservation.*` is the hub's own and cannot be given away.",
    "units": "By code. Units of single items come with the items and need no entry here.",
    "endpoints": "By code. The [guide](../guides/endpoints.md) shows how to write a vendor's limits.",
    "quotas": "By code.",
    "feeds": "By code, which is the last part of a webhook's address. The [guide](../guides/inbox.md) shows how "
    "to say what its numbers mean.",
    "mappings": "By code; each is a mapping as a connector's `mapping.yaml` holds them, for feeds that name it.",
    "items_policy": "Keys with values.",
    "policies": "Keys with values.",
}


_RECORDS: Final[dict[type[msgspec.Struct], str]] = {
    QuantityRules: "Quantity rules",
    Limits: "Limits",
    Rate: "Rate",
    Sliding: "Sliding window",
    Cost: "Cost",
    Daily: "Daily cap",
    Retry: "Retry",
    Breaker: "Breaker",
    Window: "Maintenance window",
    Buffer: "Buffer",
    Lane: "Lane",
    Statement: "Statement",
    Publishing: "Publishing",
    Margins: "Margins",
    Fallback: "Fallback",
}
"""What stands inside sections and has a table of its own."""


def reference_page() -> str:
    """Return the whole page as Markdown."""
    sections = (part for field in _fields(Network) for part in _section(field))
    records = (part for cls, title in _RECORDS.items() for part in _record(title, cls))
    return "\n".join([_HEAD, *sections, *records]).rstrip() + "\n"


def _section(field: types.Field) -> Iterator[str]:
    yield f"## {field.encode_name}\n"
    inner = _inner(field.type)
    introduction = _INTRODUCTIONS[field.encode_name]
    if isinstance(inner, types.StructType):
        yield f"{_purpose(inner.cls)}\n\n{introduction}\n"
        yield from _table(inner.cls)
    else:
        yield f"{introduction}\n"


def _record(title: str, cls: type[msgspec.Struct]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{_purpose(cls)}\n"
    yield from _table(cls)


def _purpose(cls: type[Any]) -> str:
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def _table(cls: type[msgspec.Struct]) -> Iterator[str]:
    yield "| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |"
    for field in _fields(cls):
        if field.encode_name != "code":
            meaning = (getattr(field.type, "extra_json_schema", None) or {})["description"]
            yield f"| `{field.encode_name}` | {_form(field.type)} | {_default(field)} | {meaning} |"
    yield ""


def _fields(cls: type[msgspec.Struct]) -> tuple[types.Field, ...]:
    found = types.type_info(cls)
    assert isinstance(found, types.StructType)
    return found.fields


def _inner(kind: types.Type) -> types.Type:
    """Return the type of a section's entries."""
    if isinstance(kind, types.DictType):
        return kind.value_type
    return kind.item_type if isinstance(kind, types.VarTupleType) else kind


def _form(kind: Any) -> str:
    """Return the form of a value in words."""
    if isinstance(kind, types.Metadata):
        title = (kind.extra_json_schema or {}).get("title")
        return "a code" if title == CODE_FORM else title or _form(kind.type)
    return _FORMS[type(kind)](kind)


def _number(kind: Any) -> str:
    return f"a {'whole ' * isinstance(kind, types.IntType)}number from {kind.ge} to {kind.le}"


_FORMS: Final[dict[type, Callable[[Any], str]]] = {
    types.UnionType: lambda kind: " or ".join(_form(each) for each in kind.types if type(each) is not types.NoneType),
    types.VarTupleType: lambda kind: f"a list: {_form(kind.item_type)}",
    types.DictType: lambda kind: f"a mapping to {_form(kind.value_type)}",
    types.StructType: lambda kind: "[{}](#{})".format(
        _RECORDS[kind.cls].lower(), _RECORDS[kind.cls].lower().replace(" ", "-")
    ),
    types.LiteralType: lambda kind: ", ".join(f"`{value}`" for value in kind.values),
    types.IntType: _number,
    types.FloatType: _number,
    types.BoolType: lambda _: "`true` or `false`",
    types.DateType: lambda _: "a date",
    types.StrType: lambda _: "text",
    types.AnyType: lambda _: "anything",
}


def _default(field: types.Field) -> str:
    if field.required:
        return "*required*"
    value = field.default
    if value in (None, "", ()) or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, msgspec.Struct):
        return ""
    return f"`{', '.join(value)}`" if isinstance(value, tuple) else f"`{value}`"


if __name__ == "__main__":
    Path(sys.argv[1], PAGE).write_text(reference_page(), encoding="utf-8")
