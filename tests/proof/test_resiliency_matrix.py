"""P6 and P7 as a matrix: each built-in connector, sick in every way, times each thing that the hub does.

Rows and columns are those of the page in the docs. All sicknesses of a partner happen in one world, made when the first
of its cells asks; each cell then looks at what was seen of its own, and fails alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from onhand.cli.reference import resiliency
from onhand.sdk.registry import installed
from onhand.store.postgres.driver import Database
from onhand.store.postgres.supervisor import Cluster
from tests.proof.matrix import Seen, lived
from tests.proof.matrix_partners import COMMANDS, FAULTS, STREAMS

Lives = Callable[[str], dict[str, Seen]]

PARTNERS = [package.name for package in resiliency.packages()]
CELLS = [
    pytest.param(each, id=each.id, marks=pytest.mark.xdist_group(f"matrix-{each.partner}"))
    for each in resiliency.cells() if each.tested
]  # fmt: skip
"""The cells of one partner go to one worker, so that each partner lives once."""


@pytest.fixture(scope="module")
def lives(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """What was seen of a partner that has lived through everything; each lives once."""
    begun: set[str] = set()
    known: dict[str, dict[str, Seen]] = {}

    def life(connector: str) -> dict[str, Seen]:
        if connector not in known:
            assert connector not in begun, f"the life of {connector} ended early: its first cell says of what"
            begun.add(connector)
            known[connector] = asyncio.run(_life(cluster, template, connector, tmp_path_factory.mktemp(connector)))
        return known[connector]

    return life


async def _life(cluster: Cluster, template: str, connector: str, folder: Path) -> dict[str, Seen]:
    name = f"matrix_{connector}_{folder.parent.name.rpartition('-')[2]}"
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql(f"create database {name} template {template} strategy file_copy")
        try:
            return await lived(cluster.dsn(name), connector, folder)
        finally:
            await server.sql(f"drop database {name} with (force)")


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_a_sick_partner_hurts_only_itself_and_comes_back(cell: resiliency.Cell, lives: Lives) -> None:
    seen = lives(cell.partner)[cell.capability]
    assert set(seen.found) == {each.name for each in resiliency.sicknesses(installed().get(cell.partner).manifest)}
    assert seen.found == seen.wanted


def test_the_matrix_knows_every_connector_and_plays_every_sickness() -> None:
    """A connector that is new is in the matrix, or this says that it is missing."""
    assert set(PARTNERS) == set(STREAMS) == set(COMMANDS)
    assert {each.name for each in resiliency.SICKNESSES} == {"down", *FAULTS}
    for name, stream in STREAMS.items():
        manifest = installed().get(name).manifest
        assert stream in manifest.streams
        assert COMMANDS[name] in manifest.operations


def test_what_has_no_test_says_why() -> None:
    untested = [each for each in resiliency.cells() if not each.tested]
    assert {each.id for each in untested} == {"tryton-own_numbers"}
    assert all(each.words in resiliency.page() for each in untested)
    assert all(f"`{each.name}`" in resiliency.page() for each in (*resiliency.CAPABILITIES, *resiliency.SICKNESSES))
