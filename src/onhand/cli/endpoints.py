"""`onhand endpoints`: which partner can be called, which cannot and why, and the switches for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter

from onhand.app.operate_flow import EndpointView, LimitLeft, OperateFlow
from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.network import By, user
from onhand.cli.options import HERE, Json, Where

app = App(name="endpoints", help="Addresses of partners: list, show, pause, resume, reset a breaker.")

Code: TypeAlias = Annotated[str, Parameter(name="CODE", help="The endpoint's code.")]
Reason: TypeAlias = Annotated[str, Parameter(name=("--reason", "-m"), help="Why; shown to everybody who looks.")]


@app.command(name="list")
async def list_(*, where: Where = HERE, as_json: Json = False) -> None:
    """List the endpoints: what each can do now, what waits for it, what needs a person."""
    async with flow_of(where) as flow:
        found = await flow.endpoints()
    if as_json:
        output.emit_json(found)
        return
    rows = [
        (v.code, v.status, _until(v.until), v.why or None, v.unfinished, v.in_flight, v.dead, when(v.oldest_at))
        for v in found
    ]
    output.table(("endpoint", "status", "until", "why", "waiting", "in flight", "dead", "oldest due"), rows)


@app.command
async def show(code: Code, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Show one endpoint: breaker, limits left, windows, and what people did to it."""
    async with flow_of(where) as flow:
        found, actions = await flow.endpoint(code), await flow.actions(code)
    if as_json:
        output.emit_json({"endpoint": found, "actions": actions})
        return
    output.pairs(_pairs(found))
    if actions:
        output.say("")
        rows = [(when(a.at), a.who, a.action, a.commands or None, a.reason or None) for a in actions]
        output.table(("at", "who", "did", "commands", "why"), rows)


@app.command
async def pause(
    code: Code, /, *, reason: Reason = "", by: By = None, where: Where = HERE, as_json: Json = False
) -> None:
    """Send nothing to an endpoint until somebody resumes it. What is in flight ends by itself."""
    async with flow_of(where) as flow:
        done = await flow.pause(code, who=by or user(), reason=reason)
    _tell(done, f"{code} is paused.", f"{code} was paused already.", as_json=as_json)


@app.command
async def resume(code: Code, /, *, by: By = None, where: Where = HERE, as_json: Json = False) -> None:
    """Send to an endpoint again."""
    async with flow_of(where) as flow:
        done = await flow.resume(code, who=by or user())
    _tell(done, f"{code} is in use again.", f"{code} was not paused.", as_json=as_json)


@app.command(name="reset-breaker")
async def reset_breaker(code: Code, /, *, by: By = None, where: Where = HERE, as_json: Json = False) -> None:
    """Close an endpoint's breaker now, instead of waiting for the next probe."""
    async with flow_of(where) as flow:
        done = await flow.reset_breaker(code, who=by or user())
    _tell(done, f"The breaker of {code} is closed.", f"The breaker of {code} was closed already.", as_json=as_json)


@asynccontextmanager
async def flow_of(where: Where) -> AsyncIterator[OperateFlow]:
    """The use cases on the database that the options name."""
    async with open_hub(where.settings()) as hub:
        yield hub.flow


def when(at: datetime | None) -> str | None:
    """An instant to the second, as lists show it."""
    return None if at is None else at.strftime("%Y-%m-%d %H:%M:%S %Z")


def _until(at: datetime | None) -> str | None:
    return when(at)


def _tell(done: bool, yes: str, no: str, *, as_json: bool) -> None:
    if as_json:
        output.emit_json({"changed": done})
    else:
        output.say(yes if done else no)


def _pairs(found: EndpointView) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("endpoint", found.code),
        ("system", found.system),
        ("status", found.status),
        ("until", when(found.until)),
        ("why", found.why or None),
        ("breaker", found.breaker),
        ("calls left now", _left(found.left)),
        ("next window", when(found.next_window)),
        ("waiting", found.unfinished),
        ("in flight", found.in_flight),
        ("dead letters", found.dead),
        ("oldest due", when(found.oldest_at)),
    ]
    if found.quota is not None:
        rows.insert(7, (f"left of {found.quota}", _left(found.quota_left)))
    return rows


def _left(left: LimitLeft | None) -> object:
    if left is None or left.calls >= 1_000_000:
        return "as many as there are"
    return left.calls or f"none until {when(left.back_at)} ({left.limit})"
