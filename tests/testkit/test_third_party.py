"""A connector in a distribution of somebody else's: found by its entry point, checked, and used by an endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from onhand.testkit.scaffold import write_connector

METADATA = "Metadata-Version: 2.1\nName: onhand-acme\nVersion: 0.1\n"
ENTRY_POINTS = "[onhand.connectors]\nacme = acme\nlost = no_such_package\n"

USE = """
import asyncio, sys
import msgspec
from acme.fake import Fake
from onhand.app.apply_network import apply_network, plan_network
from onhand.app.flow_ports import Command
from onhand.bootstrap import open_hub
from onhand.ops.settings import load
from onhand.store.network import PostgresNetworkStore
from onhand.store.postgres.driver import Database

async def main(dsn, folder):
    async with Fake(secret="a-token-of-acme") as fake:
        open(f"{folder}/secret", "w").write(fake.credentials())
        endpoint = {"system": "acme", "sender": "acme", "base_url": fake.url, "secret": f"file:{folder}/secret",
                    "settings": {"overlap_s": 60}, "allow_private_addresses": True}
        files = {"n.yaml": msgspec.yaml.encode({"systems": {"acme": {"kind": "other"}},
                                                "endpoints": {"acme": endpoint}}).decode()}
        async with await Database.connect(dsn) as database:
            store = PostgresNetworkStore(database)
            await apply_network(store, await plan_network(store, files), who="test")
        async with open_hub(load(dsn=dsn)) as hub:
            body = fake.command("order.create", 7)
            await hub.outbox.write([Command(endpoint="acme", operation="order.create", body=body)])
            async with hub.sending() as worker:
                await worker.round()
        print(await fake.happened("order.create", body, ""))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A place of packages with a distribution that brings a connector, and one whose entry point leads nowhere."""
    home = tmp_path / "site"
    home.mkdir()
    write_connector("acme", home)
    info = home / "onhand_acme-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return home


def run(site: Path, *words: str, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_it_is_listed_and_shown(site: Path) -> None:
    listed = json.loads(run(site, "-m", "onhand", "connector", "list", "--json"))
    (acme,) = [each for each in listed if each["name"] == "acme"]
    assert (acme["tier"], acme["operations"]) == ("draft", ["order.create"])
    assert "lost" not in {each["name"] for each in listed}
    shown = json.loads(run(site, "-m", "onhand", "connector", "show", "acme", "--json"))
    assert shown["settings"]["properties"]["overlap_s"]["default"] == 600
    assert "order.create" in run(site, "-m", "onhand", "connector", "show", "acme")


@pytest.mark.slow
def test_it_is_checked_by_its_name_and_asked_about_an_endpoint(site: Path) -> None:
    chosen = [word for name in ("K01", "K03", "K04", "K09", "K25") for word in ("--only", name)]
    report = json.loads(run(site, "-m", "onhand", "connector", "check", "acme", *chosen, "--json"))
    assert {each["id"]: each["result"] for each in report["verdicts"]} == dict.fromkeys(chosen[1::2], "passed")


def test_an_endpoint_sends_through_it(site: Path, dsn: str, tmp_path: Path) -> None:
    assert run(site, "-c", USE, dsn, str(tmp_path)).strip() == "1"
