"""The kit catches what it claims: each broken connector fails where it must, and nowhere else among the bystanders."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from onhand.store.postgres.supervisor import Cluster
from onhand.testkit.check import CHECKS, COUNT
from onhand.testkit.ground import Server
from onhand.testkit.stage import Stage
from onhand.testkit.suite import run, run_one
from onhand.testkit.tiers import DEMANDS
from tests.testkit.broken import BROKEN, NOT_SEEN_BROKEN, Break, sound

BYSTANDERS = frozenset({"K01", "K03", "K05", "K25", "K39", "K41"})


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.name)
async def test_each_broken_connector_is_caught(broken: Break, tmp_path: Path, cluster: Cluster, template: str) -> None:
    package = broken.package(tmp_path)
    ground = Server(cluster.dsn, template)
    found = {}
    for name in sorted(broken.caught | BYSTANDERS):
        stage = Stage(package, None, ground, recording=True)
        found[name] = await run_one(CHECKS[name], stage)
    failed = {name for name, verdict in found.items() if verdict.result == "failed"}
    assert failed == broken.caught, {name: (each.result, each.detail) for name, each in found.items()}


@pytest.mark.slow
async def test_the_sound_connector_passes_everything(tmp_path: Path, cluster: Cluster, template: str) -> None:
    report = await run(sound(tmp_path), Server(cluster.dsn, template), recording=True)
    assert [(each.id, each.detail) for each in report.verdicts if each.result == "failed"] == []
    assert report.earned == "gold"
    assert len(report.verdicts) == COUNT


def test_every_check_but_a_few_is_seen_to_catch_something() -> None:
    caught = {name for each in BROKEN for name in each.caught}
    assert set(CHECKS) - caught == NOT_SEEN_BROKEN


def test_each_tier_demands_all_that_the_one_below_demands() -> None:
    tiers = list(DEMANDS.values())
    assert all(lower < upper for lower, upper in pairwise(tiers))
    assert DEMANDS["gold"] == set(CHECKS)


def test_there_are_as_many_checks_as_are_promised() -> None:
    assert sorted(CHECKS) == [f"K{number:02d}" for number in range(1, COUNT + 1)]
    assert all(each.sentence and each.guards for each in CHECKS.values())
