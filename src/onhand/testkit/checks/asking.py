"""K07, K08, K14: what a connector's own check tells apart, how its credentials rotate, and how it opens and closes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from onhand.sdk.connector import Checked, Connector
from onhand.sdk.manifest import Manifest
from onhand.sdk.partner import NotPlayed
from onhand.testkit import reading
from onhand.testkit.check import Broken, check, expect, polled, talks
from onhand.testkit.stage import Scene, Stage
from onhand.testkit.telling import all_delivered, tellings

OPEN_S_MAX = 5.0


def _checks(manifest: Manifest) -> str:
    return "" if manifest.check else "it claims no check"


@check(7, guards="'It does not work' as the whole diagnosis.", when=_checks)
async def check_tells_apart(stage: Stage) -> None:
    """Its check tells unreachable, unauthorised and under-privileged apart."""
    async with stage.scene() as scene:
        await _finds(scene.connector(), "ok")
        if "under_privilege" not in scene.partner.without:
            await scene.partner.under_privilege()
            found = await _finds(scene.connector(), "under_privileged")
            expect(found.missing, but="it does not say what is missing")
            await scene.partner.under_privilege(False)
        if scene.partner.credentials():
            scene.write_secret(_other(scene.partner.credentials()))
            await _finds(scene.connector(), "unauthorised")
            scene.write_secret()
        await _finds(scene.connector(), "ok")
        await scene.partner.stop()
        await _finds(scene.connector(timeout_s=2.0), "unreachable")


def _other(credentials: str) -> str:
    """Return credentials of the same form that nobody accepts: of an object, every member with another ending."""
    try:
        members = msgspec.json.decode(credentials, type=dict[str, str])
    except msgspec.DecodeError:
        return _ending_else(credentials)
    return msgspec.json.encode({name: _ending_else(value) for name, value in members.items()}).decode()


def _ending_else(text: str) -> str:
    keep = len(text) * 2 // 3
    return text[:keep] + "".join("a" if c in "bB" else "b" if c.isalnum() else c for c in text[keep:])


async def _finds(connector: Connector, state: str) -> Checked:
    found = await connector.check()
    expect(found.state == state, but=f"where it should say {state!r} it says {found.state!r}: {found.detail}")
    expect(state == "ok" or found.detail, but=f"{state}: no word for a person")
    return found


@check(8, guards="A night shift that restarts servers because a password was changed.", when=talks)
async def credentials_rotate(stage: Stage) -> None:
    """Credentials rotate without a restart."""
    async with stage.scene() as scene:
        scene.needs("rotate_secret")
        connector = scene.connector()
        await _uses(scene, connector)
        try:
            await scene.partner.rotate_secret()
        except NotPlayed as error:
            raise Broken("the stand-in must play 'rotate_secret', or say in `without` why it cannot") from error
        scene.write_secret()
        # A token that was got with the old secret may fail once; the next call must use the new one.
        try:
            await _uses(scene, connector)
        except Broken:
            await _uses(scene, connector)


async def _uses(scene: Scene, connector: Connector) -> None:
    """Use the connector for whatever it can do."""
    for stream in polled(scene.manifest)[:1]:
        outcome = await reading.failure(connector, stream)
        expect(outcome is None, but=f"reading {stream} fails: {outcome}")
    if scene.manifest.check:
        await _finds(connector, "ok")
    for telling in tellings(scene)[:1] if scene.manifest.operations else []:
        things = await telling.things(1, first=int(time.monotonic_ns() % 10**9))
        all_delivered(await telling.tell(connector, things), telling.name)


@check(14, guards="A worker that grows until it is killed.")
async def opens_and_closes(stage: Stage) -> None:
    """It opens and closes in time and leaves nothing behind: no task, no connection."""
    before_tasks, before_sockets = _tasks(), _sockets()
    began = time.monotonic()
    async with stage.scene() as scene:
        link = scene.link()
        made = stage.package.make(link.endpoint.settings, link)
        expect(not link.answers, but="it calls the partner while it is being made")
        expect(_tasks() - before_tasks <= _server_tasks(scene), but="it starts a task while it is being made")
        if stage.manifest.check:
            await made.check()
        if stage.manifest.operations or stage.manifest.streams:
            await _uses(scene, made)
        idle = {task for task in _tasks() - before_tasks if _of(task, stage)}
        expect(not idle, but=f"a task of its own is left after its calls have ended: {_names(idle)}")
        del made
    expect(
        time.monotonic() - began < OPEN_S_MAX * 4, but=f"opening, one use and closing took over {OPEN_S_MAX * 4:g} s"
    )
    for _ in range(20):
        await asyncio.sleep(0.01)
        if not (_tasks() - before_tasks) and _sockets() <= before_sockets:
            return
    left = _tasks() - before_tasks
    expect(not left, but=f"tasks are left after closing: {_names(left)}")
    expect(_sockets() <= before_sockets, but="connections are left open after closing")


def _tasks() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if not task.done()}


def _server_tasks(scene: Scene) -> set[asyncio.Task[object]]:
    """Return the tasks of the stand-in itself: those whose code is not the connector's."""
    return {task for task in _tasks() if not _within(task, scene.package.folder)}


def _of(task: asyncio.Task[object], stage: Stage) -> bool:
    return _within(task, stage.package.folder)


def _within(task: asyncio.Task[object], folder: Path) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    name = str(getattr(code, "co_filename", ""))
    return name.startswith(str(folder)) and not name.endswith("fake.py")


def _names(tasks: set[asyncio.Task[object]]) -> str:
    return ", ".join(sorted(str(getattr(task.get_coro(), "__qualname__", task.get_name())) for task in tasks))


def _sockets() -> int:
    """Return how many sockets this process holds open; 0 where the system does not tell."""
    found = 0
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            found += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue
    return found
