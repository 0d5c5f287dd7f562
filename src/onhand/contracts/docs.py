"""Writes the reference pages of the events from the contracts, so that the pages cannot say anything else.

`python -m onhand.contracts.docs docs/reference` writes `events/*.md` and `asyncapi.json`; a test holds the committed
files to what this module gives.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onhand import __version__
from onhand.contracts import strict_json
from onhand.contracts.asyncapi import asyncapi_document
from onhand.contracts.registry import Contract, Registry, packaged


def reference(registry: Registry) -> dict[str, str]:
    """The text of each reference file, by its path below `docs/reference`."""
    pages = {f"events/{_page(contract)}": _event_page(contract, registry) for contract in registry}
    document = asyncapi_document(registry, version=__version__)
    return {"events/README.md": _index(registry), **pages, "asyncapi.json": _pretty(document) + "\n"}


def write_reference(folder: Path) -> list[Path]:
    """Write the reference files below `folder` and remove pages of contracts that are gone; the paths written."""
    texts = reference(packaged())
    (folder / "events").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "events").glob("*.md"):
        if f"events/{stale.name}" not in texts:
            stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


_GENERATED = "<!-- Generated from the contracts by `python -m onhand.contracts.docs docs/reference`; edit those. -->\n"
_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " elements"),
)
_COLUMNS = "| Member | | Type | Meaning |\n| --- | --- | --- | --- |\n"


def _page(contract: Contract) -> str:
    return f"{contract.type}.md" if contract.version == 1 else f"{contract.type}.v{contract.version}.md"


def _index(registry: Registry) -> str:
    rows = "".join(
        f"| [`{c.type}`]({_page(c)}) | {c.version} | {c.summary} | {c.owner} | {c.service_level.latency_class} |\n"
        for c in registry
    )
    return (
        f"{_GENERATED}\n# Events\n\n"
        "Every fact that Onhand takes in or gives out. How events travel and how contracts change is told in\n"
        "[Events and contracts](../../concepts/events-and-contracts.md); the same for machines is\n"
        "[asyncapi.json](../asyncapi.json).\n\n"
        f"| Type | Version | Says | Owner | Latency class |\n| --- | --- | --- | --- | --- |\n{rows}"
    )


def _event_page(contract: Contract, registry: Registry) -> str:
    level = contract.service_level
    name, data = next(iter(contract.valid.items()))
    fields = "".join(_rows(registry.plain_schema(contract), ""))
    refused = "".join(_refused(contract))
    return (
        f"{_GENERATED}\n# `{contract.type}`\n\n**{contract.title}.** {contract.description}\n\n"
        f"| | |\n| --- | --- |\n"
        f"| Version | {contract.version} (`{contract.schema['$id']}`) |\n"
        f"| Effect on the ledger | {contract.ledger} |\n"
        f"| Usually stated by | {', '.join(contract.stated_by)} |\n"
        f"| Owner | {contract.owner} |\n"
        f"| Service level | {level.latency_class}: 99 of 100 take effect within {_duration(level.latency_p99_ms)} |\n\n"
        f"## Data\n\n{_COLUMNS}{fields}\nOther members are allowed and kept.\n\n"
        f"## Example\n\nThe data of the example `{name}`:\n\n```json\n{_pretty(data)}\n```\n\n"
        f"## Refused\n\nAmong the examples that must be refused:\n\n"
        f"| Example | Where | Rule |\n| --- | --- | --- |\n{refused}"
    )


def _rows(schema: dict[str, Any], prefix: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        need = "required" if name in required else ""
        yield f"| `{path}` | {need} | {_type(member)} | {_meaning(member)} |\n"
        inner = member.get("items", member)
        yield from _rows(inner, f"{path}[]." if "items" in member else f"{path}.")


def _refused(contract: Contract) -> Iterator[str]:
    for name, example in contract.invalid.items():
        yield f"| {name.replace('-', ' ')} | `{example.pointer or '(the whole)'}` | `{example.keyword}` |\n"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    kinds = kind if isinstance(kind, str) else " or ".join(kind)
    bounds = "".join(_bounds(schema))
    return f"{schema.get('format', kinds)}{bounds}"


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    units = (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " elements"),
    )
    for low, high, unit in units:
        if low in schema and high in schema:
            yield f", {schema[low]} to {schema[high]}{unit}"
        elif high in schema:
            yield f", at most {schema[high]}{unit}"
        elif low in schema:
            yield f", at least {schema[low]}{unit}"


def _meaning(schema: dict[str, Any]) -> str:
    text = str(schema.get("description", "")).replace("|", "\\|").replace("\n", " ")
    return f"{text} Default: `{json.dumps(schema['default']).strip(chr(34))}`." if "default" in schema else text


def _duration(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    if rest:
        return f"{milliseconds} ms"
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


def _pretty(value: Any) -> str:
    return json.dumps(json.loads(strict_json.dumps(value)), indent=2, ensure_ascii=False)


if __name__ == "__main__":
    write_reference(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
