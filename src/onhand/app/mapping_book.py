"""Which mapping holds for a stream or an operation: the operator's own if the network has one, or the connector's.

A mapping is compiled once and kept by what it says, so that a changed network or a new release of a connector is
noticed by itself. Its fingerprint goes into the history of each message that was mapped with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from onhand.app.mapping_files import read_mapping
from onhand.domain.errors import NotFound
from onhand.domain.mapping import CompiledMapping, compile_mapping
from onhand.domain.network import Network
from onhand.sdk.registry import Package


class NoMapping(NotFound):
    """Neither the network nor the connector has a mapping of that name."""

    code = "no_mapping"
    title = "There is no such mapping"
    remedy = "Write it under 'mappings:' in the network's files, or correct the name."


class Chosen(msgspec.Struct, frozen=True):
    """A mapping, compiled, with what tells it from every other: its name and the digest of its text."""

    mapping: CompiledMapping
    name: str
    fingerprint: str


class MappingBook:
    """The compiled mappings of one process."""

    def __init__(self) -> None:
        self._packaged: dict[str, tuple[str, Mapping[str, CompiledMapping]]] = {}
        self._own: dict[str, tuple[str, CompiledMapping]] = {}

    def choose(self, network: Network, package: Package | None, *, name: str) -> Chosen:
        """Return the mapping of that name. Raises NoMapping, and what compiling raises for one that is not valid."""
        if name in network.mappings:
            return self._declared(network.mappings[name], name)
        if package is not None:
            digest, found = self._of(package)
            if name in found:
                return Chosen(found[name], f"{package.name}/{name}", digest)
        where = "the network" if package is None else f"the network or the connector {package.name!r}"
        raise NoMapping(f"There is no mapping {name!r} in {where}.", mapping=name)

    def _declared(self, spec: Any, name: str) -> Chosen:
        digest = _digest(msgspec.json.encode(spec))
        known = self._own.get(name)
        if known is None or known[0] != digest:
            known = self._own[name] = (digest, compile_mapping(spec, name=name))
        return Chosen(known[1], name, digest)

    def _of(self, package: Package) -> tuple[str, Mapping[str, CompiledMapping]]:
        known = self._packaged.get(package.name)
        if known is None:
            text = package.text("mapping.yaml")
            read = read_mapping(text, file=f"{package.name}/mapping.yaml")
            known = self._packaged[package.name] = (_digest(text.encode()), read)
        return known


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
