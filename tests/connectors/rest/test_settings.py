"""The settings: their schema is what the code reads, and mistakes in them are named before anything is called."""

from __future__ import annotations

import json

import msgspec

from onhand.connectors.rest.config import Config
from onhand.sdk.registry import installed


def test_the_schema_in_the_folder_is_made_from_the_types() -> None:
    (_,), parts = msgspec.json.schema_components((Config,), ref_template="#/$defs/{name}")
    whole = parts.pop("Config")
    expected = {
        "$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "title": "Settings of a REST endpoint",
        "$defs": dict(sorted(parts.items())),
    }  # fmt: skip
    package = installed().get("rest")
    assert json.loads(package.text("config.schema.json")) == json.loads(json.dumps(expected))


def test_mistakes_are_named_with_their_place() -> None:
    package = installed().get("rest")
    wrong = {"streams": {"orders": {"request": {"path": "/o", "qery": {}}, "key": []}}, "auth": {"kind": "magic"}}
    found = " ".join(package.check_settings(wrong))
    for place in ("streams/orders/request", "streams/orders/key", "auth/kind"):
        assert place in found
