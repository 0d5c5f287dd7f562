"""Asks the command line about a connector, in processes of their own, as an operator does."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import msgspec

from onhand.app.apply_network import apply_network, plan_network
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database
from onhand.testkit.check import Broken
from onhand.testkit.stage import CODE, Scene

TIMEOUT_S = 60


async def by_command(scene: Scene, dsn: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `onhand connector show` and `onhand connector check --endpoint` print, as JSON."""
    await _apply(scene, dsn)
    name = scene.package.name
    shown = await _run("show", name, "--json")
    asked = await _run("check", name, "--endpoint", CODE, "--dsn", dsn, "--json")
    return shown, asked


async def _apply(scene: Scene, dsn: str) -> None:
    endpoint = msgspec.to_builtins(scene.endpoint())
    named = {"system", "base_url", "sender", "settings", "secret", "allow_private_addresses", "timeout_s"}
    document = {
        "systems": {endpoint["system"]: {"kind": "other", "owner": "kit"}},
        "endpoints": {CODE: {name: endpoint[name] for name in named if endpoint[name] is not None}},
    }
    async with await Database.connect(dsn) as database:
        store = PostgresNetworkStore(database)
        files = {"kit.yaml": msgspec.yaml.encode(document).decode()}
        await apply_network(store, await plan_network(store, files), who="kit")


async def _run(*words: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "onhand", "connector", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    try:
        out, told = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.communicate()  # `wait` alone waits for ever while output is there that nobody reads
        raise Broken(f"'onhand connector {' '.join(words[:2])}' does not end within {TIMEOUT_S} s") from None
    try:
        return msgspec.json.decode(out, type=dict[str, Any])
    except msgspec.DecodeError as error:
        said = told.decode(errors="replace").strip()[-300:]
        raise Broken(f"'onhand connector {' '.join(words[:2])}' ends with {process.returncode}: {said}") from error
