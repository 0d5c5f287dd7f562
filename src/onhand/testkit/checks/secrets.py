"""K06: a secret is seen by nobody, whatever goes wrong."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime

import structlog

from onhand.domain.errors import OnhandError
from onhand.sdk.connector import Connector
from onhand.sdk.fake import FakePartner, Fault
from onhand.testkit.check import NotApplicable, check, expect, heard, no_accident, polled, talks
from onhand.testkit.hubs import HandClock, kit_hub
from onhand.testkit.stage import Scene, Stage
from onhand.testkit.telling import Telling


@check(6, guards="A password in a ticket.", when=talks, limit_s=120)
async def no_secret_shows(stage: Stage) -> None:
    """No secret in a log, a repr, an error, an audit entry or a dead letter."""
    shown: list[tuple[str, str]] = []
    async with stage.scene() as scene:
        if not scene.secrets():
            raise NotApplicable("its partner needs no secret")
        async with _listening(shown):
            for fault in (None, 400, 401, 403, 422, 429, 500, "garbage", "refuse"):
                _sicken(scene, fault)
                await _use_all(scene, scene.connector(timeout_s=2.0), shown)
                _heal(scene)
            await _through_a_hub(stage, scene, shown)
            await scene.partner.stop()
            await _use_all(scene, scene.connector(timeout_s=2.0), shown)
        for secret in scene.secrets():
            for place, text in shown:
                expect(secret not in text, but=f"the secret shows in {place}")


def _sicken(scene: Scene, fault: object) -> None:
    if isinstance(scene.partner, FakePartner) and fault is not None and "faults" not in scene.partner.without:
        if isinstance(fault, int):
            scene.partner.sicken(Fault(kind="status", status=fault, times=None, body=scene.partner.refusal()))
        else:
            scene.partner.sicken(Fault(kind="garbage" if fault == "garbage" else "refuse", times=None))


def _heal(scene: Scene) -> None:
    if isinstance(scene.partner, FakePartner):
        scene.partner.heal()


async def _use_all(scene: Scene, connector: Connector, shown: list[tuple[str, str]]) -> None:
    """Do everything that the connector can do, and keep all that it says on the way."""
    manifest = scene.manifest
    asked: list[tuple[str, Callable[[], Awaitable[object]]]] = [("check", connector.check)] if manifest.check else []
    asked += [("discover", connector.discover)] if manifest.discover else []
    for name, ask in asked:
        await _keep(shown, name, ask())
    for stream in polled(manifest):
        await _keep(shown, f"reading {stream}", connector.read(stream, None, limit=2))
    for stream in heard(manifest) if "webhook" not in scene.partner.without else []:
        for kind in ("good", "bad", "stale"):
            arrival = scene.partner.webhook(stream, kind, now=datetime.now(UTC))
            try:
                shown.append((f"a webhook of {stream}", repr(connector.arrived(stream, arrival))))
            except OnhandError as error:
                shown.append((f"a webhook of {stream}", _all_of(error)))
    for name in manifest.operations:
        telling = Telling(scene, name)
        try:
            things = await telling.things(1, first=900)
        except OSError:
            continue
        shown.append((f"telling {name}", repr(await telling.tell(connector, things))))
    shown.append(("the connector's repr", f"{connector!r} {connector}"))


async def _keep(shown: list[tuple[str, str]], name: str, asked: Awaitable[object]) -> None:
    try:
        with no_accident(name):
            shown.append((name, repr(await asked)))
    except OnhandError as error:
        shown.append((f"the error of {name}", _all_of(error)))


def _all_of(error: OnhandError) -> str:
    """Return everything that an error tells, its traceback and what lies behind it included."""
    told = f"{error!r} {error} {error.detail} {error.facts} {error.advice}"
    return told + "".join(traceback.format_exception(error))


@asynccontextmanager
async def _listening(shown: list[tuple[str, str]]) -> AsyncIterator[None]:
    """Keep what is logged and printed while the block runs."""
    stream, out = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(stream)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with structlog.testing.capture_logs() as logged, redirect_stdout(out), redirect_stderr(out):
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    shown += [("the log", stream.getvalue()), ("the log", repr(logged)), ("what it prints", out.getvalue())]


async def _through_a_hub(stage: Stage, scene: Scene, shown: list[tuple[str, str]]) -> None:
    """Tell through a hub what is delivered, refused and lost, then look at all that was written down."""
    names = [name for name, each in stage.manifest.operations.items() if each.idempotency != "none"]
    if not names:
        return
    clock = HandClock()
    telling = Telling(scene, names[0])
    async with kit_hub(stage, scene, telling, clock) as hub:
        await hub.apply(retry={"attempts_max": 2})
        await hub.write(await telling.things(3, first=950))
        _sicken(scene, 401)
        await hub.worker().round()
        _heal(scene)
        clock.forward(600)
        _sicken(scene, 422)
        await hub.drain(step_s=300)
        _heal(scene)
        shown.append(("what the database holds", await hub.everything()))
