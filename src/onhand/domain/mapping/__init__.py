"""Mappings: declared translations between a partner's documents and canonical events, compiled once, exact.

`compile_mapping` reads a specification (the content of a YAML file), `CompiledMapping.apply` runs it. The language is
described in docs/concepts/mapping.md; its rules are in `heads`, what is done with their values in `steps`.
"""

from onhand.domain.mapping.errors import MappingFailed, MappingInvalid, SpecMistake
from onhand.domain.mapping.mapping import CompiledMapping, Mapped, compile_mapping, read_spec
from onhand.domain.mapping.round_trip import differences, round_trips
from onhand.domain.mapping.scope import Context, LookUp

__all__ = [
    "CompiledMapping",
    "Context",
    "LookUp",
    "Mapped",
    "MappingFailed",
    "MappingInvalid",
    "SpecMistake",
    "compile_mapping",
    "differences",
    "read_spec",
    "round_trips",
]
