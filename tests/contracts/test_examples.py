"""Each contract is complete, and its examples do what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from onhand.contracts.examples import broken_examples
from onhand.contracts.registry import LATENCY_CLASSES, Contract, packaged

TYPES = [
    "item.upserted",
    "item.status_changed",
    "receipt.posted",
    "putaway.confirmed",
    "pick.confirmed",
    "pack.confirmed",
    "shipment.confirmed",
    "transfer.shipped",
    "transfer.received",
    "return.received",
    "adjustment.posted",
    "count.posted",
    "status.changed",
    "kit.assembled",
    "kit.broken",
    "reservation.created",
    "reservation.extended",
    "reservation.released",
    "reservation.expired",
    "reservation.fulfilled",
    "allocation.created",
    "allocation.released",
    "order.accepted",
    "order.changed",
    "order.cancelled",
    "purchase_order.placed",
    "purchase_order.acknowledged",
    "asn.received",
    "supply.changed",
    "price.changed",
    "customer.upserted",
]

CONTRACTS = list(packaged())
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def name_of(contract: Contract) -> str:
    return f"{contract.type}-v{contract.version}"


def valid_examples() -> Iterator[object]:
    for contract in CONTRACTS:
        for name, data in contract.valid.items():
            yield pytest.param(contract, data, id=f"{contract.type}-{name}")


def invalid_examples() -> Iterator[object]:
    for contract in CONTRACTS:
        for name, example in contract.invalid.items():
            yield pytest.param(contract, example, id=f"{contract.type}-{name}")


def test_every_event_type_of_the_design_has_its_first_version() -> None:
    assert sorted(contract.type for contract in CONTRACTS if contract.version == 1) == sorted(TYPES)


@pytest.mark.parametrize(("contract", "data"), list(valid_examples()))
def test_a_valid_example_passes(contract: Contract, data: object) -> None:
    assert packaged().validate(contract.type, contract.version, data) == []


@pytest.mark.parametrize(("contract", "example"), list(invalid_examples()))
def test_an_invalid_example_fails_at_the_stated_place_for_the_stated_reason_and_no_other(contract, example) -> None:  # type: ignore[no-untyped-def]
    violations = packaged().validate(contract.type, contract.version, example.data)
    assert {(violation.pointer, violation.keyword) for violation in violations} == {(example.pointer, example.keyword)}


@pytest.mark.parametrize("contract", CONTRACTS, ids=name_of)
def test_a_contract_shows_its_least_form_a_fuller_one_and_what_it_refuses(contract: Contract) -> None:
    assert len(contract.valid) >= 1
    assert len(contract.invalid) >= 2
    required = set(packaged().plain_schema(contract)["required"])
    assert any(set(data) == required for data in contract.valid.values())


@pytest.mark.parametrize("contract", CONTRACTS, ids=name_of)
def test_a_contract_names_its_schema_its_owner_and_its_service_level(contract: Contract) -> None:
    assert contract.schema["$schema"] == DRAFT
    assert contract.schema["$id"] == f"urn:onhand:event/{contract.type}/{contract.version}"
    assert re.fullmatch(r"[a-z-]+", contract.owner)
    assert contract.service_level.latency_class in LATENCY_CLASSES
    assert contract.service_level.latency_p99_ms > 0
    assert contract.stated_by
    assert contract.ledger.endswith(".")


@pytest.mark.parametrize("contract", CONTRACTS, ids=name_of)
def test_every_member_of_a_contract_is_described_and_every_text_number_and_list_is_bounded(contract: Contract) -> None:
    def look(schema: dict[str, object], path: str) -> Iterator[str]:
        if "$schema" not in schema and not schema.get("description"):
            yield f"{path} has no description"
        kind = schema.get("type")
        bounds = {"string": ("maxLength", "format", "enum", "pattern"), "array": ("maxItems",), "integer": ("maximum",)}
        if isinstance(kind, str) and kind in bounds and not any(keyword in schema for keyword in bounds[kind]):
            yield f"{path} is not bounded"
        properties = schema.get("properties", {})
        assert isinstance(properties, dict)
        for name, member in properties.items():
            yield from look(member, f"{path}/{name}")
        if isinstance(schema.get("items"), dict):
            yield from look(schema["items"], f"{path}[]")  # type: ignore[arg-type]

    assert list(look(packaged().plain_schema(contract), contract.type)) == []


def test_the_release_s_own_examples_are_all_in_order() -> None:
    assert broken_examples(packaged()) == []
