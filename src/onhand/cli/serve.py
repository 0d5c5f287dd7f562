"""`onhand serve`: run the API on the database, one process or several."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Annotated, Any, Literal

import msgspec
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number

from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.domain.errors import InvalidInput
from onhand.http.settings import HttpSettings, from_environ
from onhand.ops.logging import configure_logging


def serve(
    *,
    where: Where = HERE,
    host: Annotated[str | None, Parameter(help="The address to listen on. [env: ONHAND_HTTP_HOST]")] = None,
    port: Annotated[
        int | None,
        Parameter(help="The port; 0 takes a free one. [env: ONHAND_HTTP_PORT]", validator=Number(gte=0, lte=65_535)),
    ] = None,
    workers: Annotated[int, Parameter(help="Processes that share the address: one for each core.")] = 1,
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Parameter(help="The least that is logged.")] = (
        "info"
    ),
    listen_fd: Annotated[int | None, Parameter(show=False)] = None,
    json: Json = False,
) -> None:
    """Serve the API until Ctrl-C or SIGTERM; what is in flight is finished first."""
    if not 1 <= workers <= 256:
        raise InvalidInput("The number of workers is from 1 to 256.")
    configure_logging(level=log_level)
    given = {"host": host, "port": port}
    http = msgspec.structs.replace(from_environ(os.environ), **{n: v for n, v in given.items() if v is not None})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if workers > 1:
            runner.run(_many(where, http, workers, log_level=log_level, json=json))
        else:
            runner.run(_one(where, http, listen_fd, json=json))


async def _one(where: Where, http: HttpSettings, listen_fd: int | None, *, json: bool) -> None:
    from onhand.bootstrap import open_hub  # noqa: PLC0415 - a parent of workers needs none of it
    from onhand.http.app import build_app  # noqa: PLC0415
    from onhand.http.server import serve as run  # noqa: PLC0415
    from onhand.ops.memory import settle  # noqa: PLC0415

    listener = None if listen_fd is None else socket.socket(fileno=listen_fd)
    async with open_hub(where.settings(), maintain=True, work=True, application="onhand serve") as hub:
        app = build_app(hub, http)
        settle()
        await run(app, http, started=None if listener else _announcing(json=json), listener=listener)


async def _many(where: Where, http: HttpSettings, workers: int, *, log_level: str, json: bool) -> None:
    from onhand.http.workers import serve_many  # noqa: PLC0415
    from onhand.store.postgres.opening import opened  # noqa: PLC0415

    settings = where.settings()
    # Not as an argument: a DSN may hold a password, and arguments are seen by everybody on the machine.
    environment = os.environ | ({"ONHAND_DSN": settings.dsn} if settings.dsn else {})
    arguments = ["--log-level", log_level]
    if where.data_dir is not None:
        arguments += ["--data-dir", str(where.data_dir)]
    # Held by the parent as well, so that an embedded server does not stop while the last worker is being replaced.
    async with opened(settings, application="onhand serve"):
        await serve_many(
            http, workers=workers, arguments=arguments, environment=environment, started=_announcing(json=json)
        )


def _announcing(*, json: bool) -> Any:
    def announce(url: str) -> None:
        if json:
            sys.stdout.write(msgspec.json.encode({"url": url}).decode() + "\n")
        else:
            output.say(f"Onhand serves at {url} (API description: {url}/docs). Stop it with Ctrl-C.")
        sys.stdout.flush()

    return announce
