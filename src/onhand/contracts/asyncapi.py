"""Describes the events as an AsyncAPI 3 document, generated from the contracts, for the tools that read such documents.

Payload schemas are written as AsyncAPI's own schema objects (a superset of JSON Schema draft 7): our contracts use only
keywords that mean the same there, once what stands beside a reference has moved into an `allOf`.
"""

from __future__ import annotations

from typing import Any, Final

from onhand.contracts.cloudevents import STRUCTURED
from onhand.contracts.registry import Contract, Registry

ASYNCAPI_VERSION: Final = "3.0.0"
HUB: Final = "onhand"


def asyncapi_document(registry: Registry, *, version: str) -> dict[str, Any]:
    """The document for all contracts of the registry; `version` is that of the product."""
    contracts = list(registry)
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Onhand events",
            "version": version,
            "description": "The facts that Onhand takes in and gives out, as CloudEvents 1.0.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": STRUCTURED,
        "channels": {
            "facts": _channel(
                address="/v1/events",
                summary="Facts that systems state. POST one event or a batch of them.",
                contracts=[contract for contract in contracts if not _is_ours(contract)],
            ),
            "promises": _channel(
                address=None,
                summary="What Onhand itself decides. The address is that of the subscription.",
                contracts=[contract for contract in contracts if _is_ours(contract)],
            ),
        },
        "operations": {
            "takeFacts": _operation("receive", "facts", "Onhand takes in facts."),
            "tellPromises": _operation("send", "promises", "Onhand tells what it promised."),
        },
        "components": {
            "messages": {_key(contract): _message(contract) for contract in contracts},
            "schemas": _shared_schemas(registry) | {_key(contract): _payload(contract) for contract in contracts},
            "messageTraits": {"cloudEvent": _envelope()},
        },
    }


def _is_ours(contract: Contract) -> bool:
    return contract.stated_by == (HUB,)


def _key(contract: Contract) -> str:
    return f"{contract.type}.v{contract.version}"


def _channel(*, address: str | None, summary: str, contracts: list[Contract]) -> dict[str, Any]:
    messages = {_key(contract): {"$ref": f"#/components/messages/{_key(contract)}"} for contract in contracts}
    return {"address": address, "summary": summary, "messages": messages}


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _message(contract: Contract) -> dict[str, Any]:
    level = contract.service_level
    name, data = next(iter(contract.valid.items()))
    return {
        "name": contract.type,
        "title": contract.title,
        "summary": contract.summary,
        "description": f"{contract.description}\n\nEffect on the ledger: {contract.ledger}",
        "contentType": STRUCTURED,
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "description": "Unique for its source; a repeat changes nothing."},
                "source": {"type": "string", "description": "The system that states the fact."},
                "type": {"const": contract.type},
                "time": {"type": "string", "format": "date-time", "description": "When it was true in the world."},
                "subject": {"type": "string"},
                "datacontenttype": {"type": "string"},
                "dataschema": {"type": "string", "description": f"Ends in /{contract.type}/{contract.version}."},
                "data": {"$ref": f"#/components/schemas/{_key(contract)}"},
            },
        },
        "examples": [{"name": name, "payload": _example(contract, data)}],
        "x-owner": contract.owner,
        "x-stated-by": list(contract.stated_by),
        "x-latency-class": level.latency_class,
        "x-latency-p99-ms": level.latency_p99_ms,
    }


def _example(contract: Contract, data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "example-1",
        "source": contract.stated_by[0],
        "type": contract.type,
        "time": "2026-03-01T09:30:00+01:00",
        "dataschema": contract.schema["$id"],
        "data": data,
    }


def _envelope() -> dict[str, Any]:
    return {"tags": [{"name": "CloudEvents 1.0"}], "externalDocs": {"url": "https://cloudevents.io"}}


def _shared_schemas(registry: Registry) -> dict[str, Any]:
    """The pieces that contracts share, under their own names; contracts' names hold a dot, so none can collide."""
    return {
        name: _portable(schema)
        for document in registry.shared.values()
        for name, schema in document.get("$defs", {}).items()
    }


def _payload(contract: Contract) -> Any:
    plain = {name: value for name, value in contract.schema.items() if name not in {"$schema", "$id", "$defs"}}
    return _portable(plain)


def _portable(node: Any) -> Any:
    """A schema whose references lead into this document, with nothing beside them (draft 7 would not read it)."""
    if isinstance(node, list):
        return [_portable(element) for element in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    rest = {name: _portable(value) for name, value in node.items() if name != "$ref"}
    if not isinstance(reference, str):
        return rest
    moved = {"$ref": f"#/components/schemas/{reference.rpartition('/')[2]}"}
    return {"allOf": [moved], **rest} if rest else moved
