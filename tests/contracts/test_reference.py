"""The reference that is generated from the contracts is complete, current, and what its readers' tools expect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from onhand.contracts.asyncapi import asyncapi_document
from onhand.contracts.docs import reference, write_reference
from onhand.contracts.registry import Contract, packaged

COMMITTED = Path(__file__).parents[2] / "docs" / "reference"
CONTRACTS = list(packaged())
DOCUMENT = asyncapi_document(packaged(), version="1.2.3")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for element in node:
            yield from references(element)


def at(pointer: str) -> Any:
    node: Any = DOCUMENT
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step]
    return node


@pytest.mark.parametrize("name", reference(packaged()))
def test_a_committed_reference_file_is_what_the_contracts_give(name: str) -> None:
    committed = (COMMITTED / name).read_text(encoding="utf-8")
    assert committed == reference(packaged())[name], "run: python -m onhand.contracts.docs docs/reference"


def test_there_is_no_page_for_a_contract_that_is_gone() -> None:
    assert {f"events/{page.name}" for page in (COMMITTED / "events").iterdir()} == {
        name for name in reference(packaged()) if name.startswith("events/")
    }


def test_writing_the_reference_removes_stale_pages_and_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "gone.md").write_text("stale")
    (tmp_path / "settings.md").write_text("not mine")
    written = write_reference(tmp_path)
    assert not (tmp_path / "events" / "gone.md").exists()
    assert (tmp_path / "settings.md").read_text() == "not mine"
    assert all(path.is_file() for path in written)
    assert len(written) == len(CONTRACTS) + 2


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.type)
def test_a_page_tells_every_member_the_owner_the_service_level_and_the_effect(contract: Contract) -> None:
    page = reference(packaged())[f"events/{contract.type}.md"]
    for name in packaged().plain_schema(contract)["properties"]:
        assert f"| `{name}` |" in page
    assert contract.owner in page
    assert contract.service_level.latency_class in page
    assert contract.ledger in page
    shown = json.loads(re.search(r"```json\n(.*?)\n```", page, re.DOTALL)[1])  # type: ignore[index]
    assert packaged().validate(contract.type, contract.version, shown) == []


def test_the_index_links_to_every_page_and_each_page_exists() -> None:
    index = reference(packaged())["events/README.md"]
    linked = set(re.findall(r"\]\(([a-z_.]+\.md)\)", index))
    assert linked == {f"{contract.type}.md" for contract in CONTRACTS}


def test_the_asyncapi_document_has_what_version_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert {operation["action"] for operation in DOCUMENT["operations"].values()} == {"send", "receive"}


def test_every_reference_of_the_asyncapi_document_leads_somewhere_inside_it() -> None:
    found = set(references(DOCUMENT))
    assert found
    assert all(pointer.startswith("#/") and at(pointer) is not None for pointer in found)


def test_nothing_stands_beside_a_reference_because_draft_7_would_not_read_it() -> None:
    def lone(node: Any) -> bool:
        if isinstance(node, dict):
            beside = "$ref" in node and isinstance(node["$ref"], str) and len(node) > 1
            return not beside and all(lone(value) for value in node.values())
        return all(lone(element) for element in node) if isinstance(node, list) else True

    assert lone(DOCUMENT)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.type)
def test_the_message_of_a_contract_accepts_and_refuses_what_the_contract_does(contract: Contract) -> None:
    message = at(f"#/components/messages/{contract.type}.v{contract.version}")
    document = {"$schema": "http://json-schema.org/draft-07/schema#", **message["payload"]}
    document["components"] = DOCUMENT["components"]
    validator = jsonschema_rs.validator_for(document, validate_formats=True)
    (shown,) = message["examples"]
    assert validator.is_valid(shown["payload"])
    assert all(validator.is_valid({**shown["payload"], "data": data}) for data in contract.valid.values())
    refused = [{**shown["payload"], "data": example.data} for example in contract.invalid.values()]
    assert not any(validator.is_valid(event) for event in refused)


def test_each_contract_is_a_message_of_exactly_one_channel() -> None:
    named = [name for channel in DOCUMENT["channels"].values() for name in channel["messages"]]
    assert sorted(named) == sorted(f"{contract.type}.v{contract.version}" for contract in CONTRACTS)
    assert "reservation.created.v1" in DOCUMENT["channels"]["promises"]["messages"]
    assert "receipt.posted.v1" in DOCUMENT["channels"]["facts"]["messages"]
