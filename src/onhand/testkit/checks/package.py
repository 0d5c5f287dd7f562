"""K01 to K05: what a connector's folder says of itself, and whether that is true before anybody is asked anything."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from onhand.contracts.registry import packaged
from onhand.domain.errors import OnhandError
from onhand.sdk import registry
from onhand.sdk.connector import Connector, NotClaimed
from onhand.sdk.manifest import Manifest
from onhand.testkit.by_command import by_command
from onhand.testkit.check import Broken, NotApplicable, check, expect, talks
from onhand.testkit.stage import CODE, Stage
from onhand.testkit.telling import PUBLISH

VERSION = re.compile(r"^[0-9]+(\.[0-9]+)*([-+.][0-9A-Za-z.-]+)?\Z")


@check(1, guards="A claim that nobody can read or hold.")
async def manifest_is_valid(stage: Stage) -> None:
    """The manifest is valid and names only what exists."""
    try:
        manifest = stage.manifest
    except OnhandError as error:
        raise Broken(error.detail) from error
    expect(manifest.code == stage.package.name, but=f"code {manifest.code!r}, but installed as {stage.package.name!r}")
    expect(VERSION.match(manifest.version), but=f"version {manifest.version!r} is no version")
    for name in ("title", "owner", "summary"):
        expect(getattr(manifest, name).strip(), but=f"{name} is empty")
    known = {contract.type for contract in packaged()}
    for name, stream in manifest.streams.items():
        unknown = set(stream.events) - known
        expect(not unknown, but=f"stream {name}: there is no event type {', '.join(sorted(unknown))}")
    named = {each.mapping for each in manifest.streams.values()}
    named |= {each.mapping for each in manifest.operations.values() if each.mapping}
    missing = named - _mappings(stage) if named else set()
    expect(not missing, but=f"mapping.yaml has no mapping {', '.join(sorted(missing))}")


def _mappings(stage: Stage) -> set[str]:
    """Return the names of the mappings, as `onhand mapping` knows them."""
    from onhand.testkit.mapping import names  # noqa: PLC0415 - a broken file is this check's finding

    return names(stage.package)


_IMPORT: Final = """
import os, sys, threading
import onhand.sdk, onhand.sdk.fake
folder, module = sys.argv[1], sys.argv[2]
found = []

def where():
    frame = sys._getframe(2)
    while frame and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename.startswith("<frozen")
                     or frame.f_code.co_filename.endswith((os.sep + "os.py", "_collections_abc.py"))):
        frame = frame.f_back
    return frame.f_code.co_filename if frame else ""

def hear(event, args):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.putenv"):
        found.append(f"{event} at import")
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        found.append(f"a file is written at import: {args[0]}")

class Environment(type(os.environ)):
    def __getitem__(self, name):
        if where().startswith(folder):
            found.append(f"the variable {name} is read at import")
        return super().__getitem__(name)

os.environ.__class__ = Environment
before = threading.active_count()
sys.addaudithook(hear)
sys.path[:0] = sys.argv[3:]
__import__(module + ".connector")
if threading.active_count() != before:
    found.append("a thread was started at import")
sys.stdout.write("\\n".join(found))
sys.stdout.flush()
os._exit(0)  # threads that it started are not waited for
"""


@check(2, guards="A hub that hangs at start.")
async def import_is_quiet(stage: Stage) -> None:
    """Importing it does nothing: no sockets, threads, files, processes, variables."""
    roots = [path for path in sys.path if path]
    command = [sys.executable, "-B", "-c", _IMPORT, str(stage.package.folder), stage.package.module, *roots]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    expect(done.returncode == 0, but=f"it cannot be imported: {done.stderr.strip().splitlines()[-1:]}")
    expect(not done.stdout.strip(), but=done.stdout.strip())


@check(3, guards="A capability that exists on paper.")
async def claims_are_true(stage: Stage) -> None:
    """What it claims it implements, and what it implements it claims."""
    connector, manifest = stage.package.connector, stage.manifest
    for method, claimed in _claims(manifest).items():
        here = getattr(connector, method) is not getattr(Connector, method)
        expect(here or not claimed, but=f"the manifest claims what needs `{method}`, which is not there")
        expect(claimed or not here, but=f"`{method}` is there, and nothing in the manifest claims it")
    async with stage.scene() as scene:
        made = scene.connector()
        for claimed, asked in (
            (_claims(manifest)["read"], made.read("no.such.stream", None, limit=1)),
            (_claims(manifest)["send"], made.send("no.such.operation", ())),
        ):
            refused = await _refuses(asked)
            expect(refused or not claimed, but="what it does not claim by name it must refuse with NotClaimed")
        for call, name in ((made.check, "check"), (made.discover, "discover")):
            if _claims(manifest)[name]:
                try:
                    await call()
                except NotClaimed as error:
                    raise Broken(f"it claims `{name}` and refuses it") from error


def _claims(manifest: Manifest) -> Mapping[str, bool]:
    modes = {mode for stream in manifest.streams.values() for mode in stream.modes}
    return {
        "check": manifest.check,
        "discover": manifest.discover,
        "read": bool(modes & {"poll", "file"}),
        "arrived": "webhook" in modes,
        "send": bool(set(manifest.operations) - {PUBLISH}),
        "publish": PUBLISH in manifest.operations,
        "ticket": any(each.answers_later for each in manifest.operations.values()),
        "read_back": manifest.read_back > 0,
    }


async def _refuses(asked: Any) -> bool:
    try:
        await asked
    except NotClaimed:
        return True
    except (OnhandError, LookupError):
        return False
    return False


@check(4, guards="An operator who has to read code.", when=talks)
async def command_line_works(stage: Stage) -> None:
    """show, check and discover work from the command line."""
    if stage.package.name not in registry.installed():
        raise NotApplicable("it is not installed: the command line finds connectors by their entry points")
    async with stage.scene() as scene, stage.ground.database() as dsn:
        shown, asked = await by_command(scene, dsn)
    expect(shown.get("code") == stage.manifest.code, but="'onhand connector show --json' does not show its manifest")
    if stage.manifest.check:
        state = (asked.get("check") or {}).get("state")
        expect(state == "ok", but=f"'onhand connector check --endpoint {CODE}' says {asked}")
    if stage.manifest.discover:
        expect(isinstance(asked.get("found"), list), but=f"discovery gives no list: {asked}")


@check(5, guards="A misspelt setting that nobody notices.")
async def settings_are_described(stage: Stage) -> None:
    """Its settings are described whole, and an unknown one is refused."""
    package = stage.package
    try:
        schema = package.config_schema
    except OnhandError as error:
        raise Broken(error.detail) from error
    for place, each in _objects(schema, "settings"):
        closed = each.get("additionalProperties") is False or isinstance(each.get("additionalProperties"), dict)
        expect(
            closed or "$ref" in each, but=f"{place}: says neither which members there are nor that there are no others"
        )
        for name, about in each.get("properties", {}).items():
            expect(about.get("description"), but=f"{place}.{name} is not described")
            expect(
                not _SECRETIVE.search(name), but=f"{place}.{name}: a secret belongs into the endpoint's secret place"
            )
    async with stage.scene() as scene:
        settings = scene.partner.settings()
    mistakes = package.check_settings(settings)
    expect(not mistakes, but=f"the stand-in's own settings are not valid: {mistakes[:1]}")
    expect(package.check_settings({**settings, "no_such_setting": 1}), but="an unknown setting is not refused")
    for name in schema.get("required", []):
        without = {key: value for key, value in settings.items() if key != name}
        expect(package.check_settings(without), but=f"the required setting {name} can be left out")


_SECRETIVE = re.compile(r"^(password|secret|api_key|private_key|access_token|client_secret)$")


def _objects(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every schema of an object within a schema, with its place."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "properties" in schema:
            yield place, schema
        for name, each in schema.items():
            if name != "examples":
                yield from _objects(each, f"{place}.{name}")
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _objects(each, f"{place}[{number}]")


def as_text(value: object) -> str:
    """Return a value as JSON, for comparisons."""
    return msgspec.json.encode(value, order="sorted").decode()
