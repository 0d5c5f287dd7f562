"""Which connectors are installed: the hub's own and those of other distributions, found by their entry points.

A distribution adds a connector by an entry point in the group `onhand.connectors` that names its package:

    [project.entry-points."onhand.connectors"]
    acme = "onhand_acme"

The package holds `manifest.toml`, `config.schema.json`, `mapping.yaml` and a module `connector` with a subclass of
`Connector`. Nothing of a package is imported before its connector is used.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec

from onhand.domain.errors import InvalidInput, NotFound, OnhandError
from onhand.sdk.connector import Connector
from onhand.sdk.link import Link
from onhand.sdk.manifest import Manifest, read_manifest

GROUP: Final = "onhand.connectors"


class ConnectorBroken(OnhandError):
    """A connector is installed but cannot be used."""

    code = "connector_broken"
    title = "The connector cannot be used"
    remedy = "'onhand connector check' tells what is wrong with it."


class UnknownConnector(NotFound):
    """No connector of that name is installed."""

    code = "unknown_connector"
    title = "There is no such connector"
    remedy = "'onhand connector list' shows those that are installed."


class SettingsInvalid(InvalidInput):
    """The settings of an endpoint are not what its connector's schema asks for."""

    code = "settings_invalid"
    title = "The endpoint's settings are not valid"
    remedy = "Correct them in the network's files; the connector's page lists every setting."


class Package:
    """One installed connector, by its folder."""

    def __init__(self, name: str, folder: Path, module: str) -> None:
        self.name = name
        self.folder = folder
        self.module = module

    @cached_property
    def manifest(self) -> Manifest:
        """What it claims. Raises ManifestInvalid."""
        return read_manifest(self.text("manifest.toml"), where=f"{self.name}/manifest.toml")

    @cached_property
    def config_schema(self) -> dict[str, Any]:
        """The JSON Schema of its settings. Raises ConnectorBroken."""
        try:
            schema: dict[str, Any] = msgspec.json.decode(self.text("config.schema.json"), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ConnectorBroken(f"{self.name}/config.schema.json: {error}.") from error
        return schema

    @cached_property
    def connector(self) -> type[Connector]:
        """Its class, imported now. Raises ConnectorBroken."""
        try:
            module = importlib.import_module(f"{self.module}.connector")
        except ImportError as error:
            raise ConnectorBroken(f"{self.module}.connector cannot be imported: {error}.") from error
        classes = [
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, Connector) and each.__module__ == module.__name__
        ]
        if len(classes) != 1:
            raise ConnectorBroken(f"{self.module}.connector holds {len(classes)} subclasses of Connector, not one.")
        classes[0].manifest = self.manifest
        return classes[0]

    def text(self, file: str) -> str:
        """Return a file of its folder. Raises ConnectorBroken."""
        try:
            return (self.folder / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConnectorBroken(f"{self.name}/{file} cannot be read ({type(error).__name__}).") from error

    def check_settings(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is wrong with an endpoint's settings, each with its place; none is fine."""
        validator = jsonschema_rs.validator_for(self.config_schema, validate_formats=True)
        errors = validator.iter_errors(msgspec.to_builtins(dict(settings)))
        return tuple(f"{'/'.join(map(str, error.instance_path)) or 'settings'}: {error.message}" for error in errors)

    def make(self, settings: Mapping[str, Any], link: Link) -> Connector:
        """Return a connector for an endpoint. Raises SettingsInvalid, ConnectorBroken."""
        mistakes = self.check_settings(settings)
        if mistakes:
            raise SettingsInvalid(f"{link.endpoint.code}: {'; '.join(mistakes)}.", mistakes=list(mistakes))
        return self.connector(settings, link)


class Registry:
    """Every installed connector by name."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self._packages = packages

    def __iter__(self) -> Iterator[Package]:
        return iter(self._packages[name] for name in sorted(self._packages))

    def __contains__(self, name: object) -> bool:
        return name in self._packages

    def get(self, name: str) -> Package:
        """Return a connector by its name. Raises UnknownConnector."""
        try:
            return self._packages[name]
        except KeyError:
            known = ", ".join(sorted(self._packages)) or "none"
            raise UnknownConnector(f"No connector {name!r} is installed; there are: {known}.") from None


def installed() -> Registry:
    """Return the connectors that this environment holds. An entry point that leads nowhere is left out."""
    found = (_package(point) for point in entry_points(group=GROUP))
    return Registry({package.name: package for package in found if package is not None})


def at(folder: Path, *, module: str) -> Package:
    """Return the connector in a folder, whose package is imported as `module`: one that is being written."""
    return Package(folder.name, folder, module)


def _package(point: EntryPoint) -> Package | None:
    spec = importlib.util.find_spec(point.value)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Package(point.name, Path(next(iter(spec.submodule_search_locations))), point.value)
