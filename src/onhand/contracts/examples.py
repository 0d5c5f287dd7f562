"""Holds the examples of the contracts to what they claim: each valid one passes, each invalid one fails as stated."""

from __future__ import annotations

from collections.abc import Iterator

from onhand.contracts.registry import Contract, Registry


def broken_examples(registry: Registry) -> list[str]:
    """One sentence for each example, or lack of one, that is not as it should be; empty when all is well."""
    return [finding for contract in registry for finding in _findings(contract, registry)]


def _findings(contract: Contract, registry: Registry) -> Iterator[str]:
    place = f"{contract.type} v{contract.version}"
    if not contract.valid or not contract.invalid:
        yield f"{place}: needs at least one valid and one invalid example"
    for name, data in contract.valid.items():
        for violation in registry.validate(contract.type, contract.version, data):
            yield f"{place}: valid/{name} is refused at '{violation.pointer}': {violation.message}"
    for name, example in contract.invalid.items():
        violations = registry.validate(contract.type, contract.version, example.data)
        reasons = [(violation.pointer, violation.keyword) for violation in violations]
        if not reasons:
            yield f"{place}: invalid/{name} is accepted"
        elif set(reasons) != {(example.pointer, example.keyword)}:
            yield f"{place}: invalid/{name} should fail on {example.keyword} at '{example.pointer}', got {reasons}"
