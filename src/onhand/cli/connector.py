"""`onhand connector`: which systems can be connected, how good each connector is, and the way to a new one."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from cyclopts import App, Parameter

from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.domain.errors import NotFound, OnhandError
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk import registry
from onhand.sdk.connector import Checked, Found
from onhand.sdk.manifest import Manifest
from onhand.sdk.registry import Package
from onhand.sdk.secrets import SecretMissing
from onhand.testkit.check import COUNT
from onhand.testkit.ground import OwnServer
from onhand.testkit.quality import Quality, read_quality, write_quality
from onhand.testkit.scaffold import write_connector
from onhand.testkit.suite import run
from onhand.testkit.verdict import Report
from onhand.testkit.waivers import of_connector, read_waivers

app = App(name="connector", help="Connectors: list, show, check, and the start of a new one.")

Name: TypeAlias = Annotated[str, Parameter(name="NAME", help="The connector's name.")]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One connector as it stands in the list. `earned` is what its record says, None without one."""

    name: str
    title: str
    tier: str
    earned: str | None
    version: str
    kind: str
    streams: tuple[str, ...]
    operations: tuple[str, ...]
    partner_versions: tuple[str, ...]
    checked_on: str | None
    problem: str | None = None


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List the connectors that are installed: tier, what each can do, which partners it was run against."""
    lines = [_line(package) for package in registry.installed()]
    if as_json:
        output.emit_json(lines)
        return
    titles = ("connector", "tier", "earned", "reads", "tells", "run against", "checked")
    rows = [
        (
            each.name, each.tier if each.problem is None else "broken", each.earned,
            ", ".join(each.streams) or None, ", ".join(each.operations) or None,
            ", ".join(each.partner_versions) or None, each.checked_on,
        )
        for each in lines
    ]  # fmt: skip
    output.table(titles, rows)
    for each in lines:
        if each.problem:
            output.warn(f"{each.name}: {each.problem}")


@app.command
def show(name: Name, /, *, as_json: Json = False) -> None:
    """Show one connector: settings, secret, limits, streams, operations, and what the suite last found."""
    package = _package(name)
    manifest, quality = package.manifest, read_quality(package)
    if as_json:
        told = msgspec.to_builtins(manifest)
        output.emit_json({**told, "settings": package.config_schema, "quality": quality})
        return
    output.pairs(_pairs(manifest, quality))
    if rows := _settings(package.config_schema):
        output.say("")
        output.table(("setting", "is", "default", "means"), rows)
    if manifest.streams:
        output.say("")
        modes = ((n, ", ".join(s.modes), s.snapshot, s.description) for n, s in manifest.streams.items())
        output.table(("stream", "comes by", "snapshot", "is"), modes)
    if manifest.operations:
        output.say("")
        told_ = ((n, o.batch, o.idempotency, o.description) for n, o in manifest.operations.items())
        output.table(("operation", "batch", "repeated safely by", "is"), told_)


@app.command
def check(
    connector: Annotated[str, Parameter(name="NAME|FOLDER", help="An installed connector, or a folder with one.")],
    /,
    *,
    endpoint: Annotated[
        str | None, Parameter(help="Ask the partner of this endpoint instead: is it there, does it let us?")
    ] = None,
    only: Annotated[tuple[str, ...], Parameter(help="Run these checks only, K01 to K42.", negative="")] = (),
    write: Annotated[
        bool, Parameter(help="Write what was found into the connector's quality.toml.", negative="")
    ] = False,
    waivers: Annotated[Path | None, Parameter(help="A file of waivers that holds.")] = None,
    where: Where = HERE,
    as_json: Json = False,
) -> int:
    """Run the conformance suite on a connector and its stand-in, or ask the partner of an endpoint.

    The suite needs a database for some checks; an embedded server is started for it and removed.
    """
    package = _package(connector)
    if endpoint is not None:
        return asyncio.run(_ask(package, endpoint, where, as_json=as_json))
    waived = of_connector(read_waivers(waivers), package.name) if waivers else {}
    report = _suite(package, only=only, recording=write and not only, waivers=waived)
    if write and not only:
        write_quality(package, report, on=datetime.now(UTC).date())
    _tell(report, as_json=as_json)
    return 0 if report.ok else 1


@app.command
def new(
    name: Annotated[str, Parameter(name="NAME", help="Its name: a letter, then letters, digits and underscores.")],
    /,
    *,
    folder: Annotated[Path, Parameter(help="Where its folder is made.")] = Path(),
) -> None:
    """Write the folder of a new connector that passes the suite as a draft at once."""
    for path in write_connector(name, folder):
        output.say(str(path))
    output.say(f"Next: onhand connector check {folder / name}")


def _package(name: str) -> Package:
    """Return an installed connector, or the one in a folder. Raises UnknownConnector."""
    found = registry.installed()
    folder = Path(name)
    if name in found or not (folder / "manifest.toml").is_file():
        return found.get(name)
    folder = folder.resolve()
    sys.path.insert(0, str(folder.parent))
    importlib.invalidate_caches()
    return registry.at(folder, module=folder.name)


def _suite(package: Package, *, only: tuple[str, ...], recording: bool, waivers: Mapping[str, str]) -> Report:
    ground = OwnServer()
    try:
        return asyncio.run(run(package, ground, only=only, recording=recording, waivers=waivers))
    finally:
        ground.close()


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        told = msgspec.to_builtins(report)
        output.emit_json({**told, "earned": report.earned, "ok": report.ok, "counts": report.counts})
        return
    rows = [(v.id, v.result.replace("_", " "), v.sentence, v.detail or None) for v in report.verdicts]
    output.table(("check", "result", "sentence", "why"), rows)
    counts = ", ".join(f"{n} {result.replace('_', ' ')}" for result, n in sorted(report.counts.items()))
    whole = len(report.verdicts) == COUNT
    earned = f"Earned: {report.earned or 'nothing'}" if whole else "Only all checks together earn a tier"
    output.say(f"{counts}. Claimed: {report.claimed}. {earned}.")


async def _ask(package: Package, code: str, where: Where, *, as_json: bool) -> int:
    """Let the connector ask the partner of an endpoint of the network in force."""
    async with open_hub(where.settings()) as hub, Transport() as transport:
        await hub.flow.endpoint(code)
        endpoint = hub.network.endpoints[code]
        if endpoint.sender != package.name:
            raise NotFound(f"The endpoint '{code}' is served by '{endpoint.sender}', not by '{package.name}'.")
        made = package.make(endpoint.settings, EndpointLink(endpoint, transport))
        checked = await _checked(made.check()) if package.manifest.check else None
        fine = checked is None or checked.state == "ok"
        found = list(await made.discover()) if fine and package.manifest.discover else []
    if as_json:
        output.emit_json({"endpoint": code, "check": checked, "found": found})
    else:
        _tell_asked(checked, found)
    return 0 if fine else 1


async def _checked(asked: Any) -> Checked:
    try:
        checked: Checked = await asked
    except SecretMissing as error:
        return Checked(state="unauthorised", detail=f"{error.code}: {error.detail}")
    except OnhandError as error:
        return Checked(state="unreachable", detail=f"{error.code}: {error.detail}")
    return checked


def _tell_asked(checked: Checked | None, found: list[Found]) -> None:
    if checked is None:
        output.say("This connector has no check.")
    else:
        output.pairs(
            [("state", checked.state), ("partner", checked.partner or None), ("why", checked.detail or None),
             ("missing", ", ".join(checked.missing) or None)]
        )  # fmt: skip
    if found:
        output.say("")
        output.table(("kind", "code", "name"), [(each.kind, each.code, each.name or None) for each in found])


def _line(package: Package) -> Line:
    try:
        manifest = package.manifest
    except OnhandError as error:
        return Line(
            name=package.name, title="", tier="draft", earned=None, version="", kind="", streams=(), operations=(),
            partner_versions=(), checked_on=None, problem=error.detail,
        )  # fmt: skip
    quality = read_quality(package)
    return Line(
        name=package.name, title=manifest.title, tier=manifest.tier, earned=quality.earned if quality else None,
        version=manifest.version, kind=manifest.kind, streams=tuple(manifest.streams),
        operations=tuple(manifest.operations), partner_versions=manifest.partner_versions,
        checked_on=quality.checked_on.isoformat() if quality else None,
    )  # fmt: skip


def _pairs(manifest: Manifest, quality: Quality | None) -> list[tuple[str, object]]:
    secret = ", ".join(manifest.auth.secret_fields) or ("a text" if manifest.auth.kind != "none" else None)
    return [
        ("connector", manifest.code),
        ("title", manifest.title),
        ("is", manifest.summary),
        ("version", manifest.version),
        ("owner", manifest.owner),
        ("tier", manifest.tier),
        ("earned", f"{quality.earned}, {quality.passed} checks, {quality.checked_on}" if quality else None),
        ("run against", ", ".join(manifest.partner_versions) or None),
        ("secret", secret),
        ("who it is", manifest.auth.description or None),
        ("limits", msgspec.json.encode(manifest.limits).decode()),
        ("reads back", manifest.read_back or None),
        ("documentation", manifest.docs_url or None),
    ]


def _settings(schema: Mapping[str, Any]) -> list[tuple[object, ...]]:
    required = schema.get("required", [])
    return [
        (
            name,
            "required" if name in required else "optional",
            msgspec.json.encode(each["default"]).decode()[:40] if "default" in each else None,
            each.get("description"),
        )
        for name, each in schema.get("properties", {}).items()
    ]
