"""The contracts: loads them from a folder, and says whether data keep them.

A folder holds `<type>/v<n>/` with `schema.json`, `contract.toml` and `examples/`; folders without a `contract.toml`
hold schemas to which others refer. The package carries Onhand's own; an operator may keep another folder beside it.
Each schema is compiled the first time it is needed, by jsonschema-rs, in the draft that its `$schema` names, with
formats on and a regular-expression engine that cannot be made to run for ever.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import jsonschema_rs
import msgspec

from onhand.contracts import strict_json
from onhand.contracts.cloudevents import is_json
from onhand.contracts.envelope import Envelope
from onhand.contracts.errors import BrokenContract, UnknownEventType
from onhand.contracts.inlining import inline
from onhand.contracts.limits import VIOLATIONS_MAX
from onhand.contracts.violations import Violation, describe
from onhand.domain.errors import InvalidInput

T = TypeVar("T")

LATENCY_CLASSES = ("real-time", "event-driven", "near-real-time", "scheduled", "batch")


class ServiceLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How soon a fact of this type takes effect: 99 of 100 within `latency_p99_ms` of its receipt."""

    latency_class: str
    latency_p99_ms: int


class InvalidExample(msgspec.Struct, frozen=True):
    """Data that must be refused, with the place (a JSON pointer) and the keyword of the schema that refuses them."""

    pointer: str
    keyword: str
    data: Any


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One version of what an event type promises. `schema` is as written, with its references."""

    type: str
    version: int
    summary: str
    owner: str
    ledger: str
    stated_by: tuple[str, ...]
    service_level: ServiceLevel
    schema: dict[str, Any]
    valid: dict[str, Any]
    invalid: dict[str, InvalidExample]

    @property
    def title(self) -> str:
        """The schema's title, for headings."""
        return str(self.schema["title"])

    @property
    def description(self) -> str:
        """The schema's description, a sentence or two."""
        return str(self.schema["description"])


class Registry:
    """The contracts of one folder, by type and version. Raises BrokenContract when a reference leads nowhere."""

    def __init__(self, contracts: Mapping[tuple[str, int], Contract], shared: Mapping[str, dict[str, Any]]) -> None:
        self.contracts = dict(sorted(contracts.items()))
        self.shared = dict(shared)
        resolvable = {str(c.schema["$id"]): c.schema for c in contracts.values()} | self.shared
        try:
            self._schemas = jsonschema_rs.Registry(list(resolvable.items()))
        except (ValueError, jsonschema_rs.ReferencingError) as failure:
            raise BrokenContract(f"A schema refers to what is not there: {failure}") from None
        self._validators: dict[tuple[str, int], Any] = {}

    def __iter__(self) -> Iterator[Contract]:
        return iter(self.contracts.values())

    def get(self, event_type: str, version: int) -> Contract:
        """The contract. Raises UnknownEventType."""
        try:
            return self.contracts[event_type, version]
        except KeyError:
            raise _unknown(event_type, version) from None

    def validate(self, event_type: str, version: int, data: Any) -> list[Violation]:
        """What is wrong with `data` (decoded by `strict_json`); empty when it keeps the contract.

        Pointers are relative to the data; at most VIOLATIONS_MAX are told. Raises UnknownEventType.
        """
        validator = self._validators.get((event_type, version)) or self._compile(event_type, version)
        if type(data) is bytes:
            return [Violation(pointer="", keyword="type", message="must be JSON, is binary")]
        if validator.is_valid(data):
            return []
        found = []
        for error in validator.iter_errors(data):
            found.append(describe(error, data))
            if len(found) == VIOLATIONS_MAX:
                break
        return found

    def check(self, envelope: Envelope) -> list[Violation]:
        """What is wrong with the data of an event, by its own type and version. Raises UnknownEventType."""
        version = envelope.version
        if version is None:
            raise _unknown(envelope.type, envelope.dataschema)
        if envelope.datacontenttype is not None and not is_json(envelope.datacontenttype):
            return [Violation(pointer="", keyword="type", message="must be JSON, by its content type is not")]
        return self.validate(envelope.type, version, envelope.data)

    def plain_schema(self, contract: Contract) -> dict[str, Any]:
        """The contract's schema with all that it refers to written out, for readers and comparisons."""
        return inline(contract.schema, self.shared)

    def _compile(self, event_type: str, version: int) -> Any:
        validator = compile_schema(self.get(event_type, version).schema, self._schemas)
        self._validators[event_type, version] = validator
        return validator


@cache
def packaged() -> Registry:
    """The contracts that this release carries."""
    return load(resources.files("onhand.contracts") / "events")


def load(folder: Traversable) -> Registry:
    """The contracts of a folder (a `Path` or a package resource). Raises BrokenContract."""
    if not folder.is_dir():
        raise BrokenContract(f"There is no folder {folder}.")
    contracts: dict[tuple[str, int], Contract] = {}
    shared: dict[str, dict[str, Any]] = {}
    for kind in sorted(_folders(folder), key=lambda entry: entry.name):
        for home in _folders(kind):
            schema = _read(home / "schema.json", _schema)
            if (home / "contract.toml").is_file():
                contract = _contract(kind.name, home, schema)
                contracts[contract.type, contract.version] = contract
            else:
                shared[schema["$id"]] = schema
    if not contracts:
        raise BrokenContract(f"The folder {folder} holds no contract (<type>/v<n>/contract.toml).")
    return Registry(contracts, shared)


def compile_schema(schema: dict[str, Any], schemas: Any) -> Any:
    """A validator in the draft that the schema names; never reads a reference from the network."""
    try:
        return jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            ignore_unknown_formats=False,
            registry=schemas,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (ValueError, jsonschema_rs.ReferencingError) as failure:
        raise BrokenContract(f"The schema {schema.get('$id')} does not compile: {failure}") from None


class _Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `contract.toml` holds."""

    summary: str
    owner: str
    ledger: str
    stated_by: tuple[str, ...]
    service_level: ServiceLevel


def _contract(event_type: str, home: Traversable, schema: dict[str, Any]) -> Contract:
    version = home.name.removeprefix("v")
    if not version.isdecimal() or home.name == version:
        raise BrokenContract(f"{home}: a version's folder is named v1, v2, ...")
    declared = _read(home / "contract.toml", _declaration)
    if declared.service_level.latency_class not in LATENCY_CLASSES:
        raise BrokenContract(f"{home / 'contract.toml'}: latency_class is one of {', '.join(LATENCY_CLASSES)}.")
    examples = home / "examples"
    return Contract(
        type=event_type,
        version=int(version),
        schema=schema,
        valid=_examples(examples / "valid", lambda value: value),
        invalid=_examples(examples / "invalid", _invalid_example),
        **{name: getattr(declared, name) for name in _Declaration.__struct_fields__},
    )


def _schema(text: bytes) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.convert(strict_json.loads(text), dict[str, Any])
    missing = [name for name in ("$schema", "$id", "title", "description") if not isinstance(schema.get(name), str)]
    if missing:
        raise ValueError(f"the schema does not state {', '.join(missing)}")
    return schema


def _declaration(text: bytes) -> _Declaration:
    return msgspec.convert(tomllib.loads(text.decode("utf-8")), _Declaration)


def _invalid_example(value: Any) -> InvalidExample:
    return InvalidExample(pointer=value["why"]["pointer"], keyword=value["why"]["keyword"], data=value["data"])


def _examples(folder: Traversable, form: Callable[[Any], T]) -> dict[str, T]:
    if not folder.is_dir():
        return {}
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return {f.name.removesuffix(".json"): _read(f, lambda text: form(strict_json.loads(text))) for f in files}


def _read(file: Traversable, form: Callable[[bytes], T]) -> T:
    try:
        return form(file.read_bytes())
    except InvalidInput as failure:
        raise BrokenContract(f"{file}: {failure.detail}") from None
    except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as failure:
        raise BrokenContract(f"{file}: {failure}") from None


def _folders(folder: Traversable) -> list[Traversable]:
    return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_"))]


def _unknown(event_type: str, version: object) -> UnknownEventType:
    detail = f"No contract for {event_type[:100]!a}, version {ascii(version)[:100]}."
    return UnknownEventType(detail, type=event_type[:100])
