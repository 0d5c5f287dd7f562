"""Small folders of contracts, written for one test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onhand.contracts.registry import Registry, load

DRAFT = "https://json-schema.org/draft/2020-12/schema"

DECLARATION = """
summary = "A box was moved."
owner = "tests"
ledger = "None."
stated_by = ["wms"]

[service_level]
latency_class = "batch"
latency_p99_ms = {latency_p99_ms}
"""

BOX: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "label": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"},
        "made": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "maker": {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string"}}},
    },
}


def write_contract(
    folder: Path,
    schema: dict[str, Any],
    *,
    event_type: str = "box.moved",
    version: int = 1,
    valid: dict[str, Any] | None = None,
    invalid: dict[str, Any] | None = None,
    latency_p99_ms: int = 1000,
) -> Path:
    """A folder with one contract more; what `schema` leaves out of the head is filled in."""
    home = folder / event_type / f"v{version}"
    (home / "examples" / "valid").mkdir(parents=True)
    (home / "examples" / "invalid").mkdir()
    head = {"$schema": DRAFT, "$id": f"urn:test:{event_type}/{version}", "title": "Box", "description": "A box."}
    (home / "schema.json").write_text(json.dumps(head | schema))
    (home / "contract.toml").write_text(DECLARATION.format(latency_p99_ms=latency_p99_ms))
    for name, data in (valid or {}).items():
        (home / "examples" / "valid" / f"{name}.json").write_text(json.dumps(data))
    for name, data in (invalid or {}).items():
        (home / "examples" / "invalid" / f"{name}.json").write_text(json.dumps(data))
    return folder


def registry_of(folder: Path, schema: dict[str, Any], **more: Any) -> Registry:
    """The registry of a folder that holds this one contract."""
    return load(write_contract(folder, schema, **more))
