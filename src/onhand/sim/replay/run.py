"""One replay from file to verdict: survey, a hub of one's own or yours, the run, verify, the independent checker."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from onhand.app.answers import Verification
from onhand.ops.settings import Settings
from onhand.sim import checker
from onhand.sim.api import Api
from onhand.sim.history import Recorder
from onhand.sim.house import House, house
from onhand.sim.replay import network, report
from onhand.sim.replay.accounts import Accounts
from onhand.sim.replay.engine import Replay, Step
from onhand.sim.replay.orders import Pace
from onhand.sim.replay.policy import Policy
from onhand.sim.replay.survey import Survey, survey

SKEW_NS = 2_000_000_000
"""How far the hub's clock may be from ours when it is not on this machine. Promises of a replay hold for days."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run, where to (`url` and `key`, or a hub of one's own), and what to write besides the report."""

    pace: Pace = Pace()
    limit: int | None = None
    url: str | None = None
    key: str | None = None
    history: Path | None = None
    lines: Path | None = None


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told how far it is."""

    surveyed: Callable[[Survey], None] = lambda _: None
    stepped: Callable[[Step], None] = lambda _: None
    judging: Callable[[str], None] = lambda _: None


async def replay(
    path: Path, *, policy: Policy, settings: Settings, options: Options, listener: Listener | None = None
) -> report.Report:
    """Replay a file and judge what came of it.

    Raises UnreadableFile, NetworkUnfit, UnexpectedAnswer, Unavailable and what opening the database raises.
    """
    listener = listener or Listener()
    found = survey(path, policy)
    listener.surveyed(found)
    async with AsyncExitStack() as stack:
        own: House | None = None
        if options.url is None:
            own = await stack.enter_async_context(house(settings, network.files(policy), client="replay"))
            network.check((await own.hub.networks.current()).network, policy)
        urls, key = (own.urls, own.key) if own else ([options.url or ""], options.key or "")
        history = options.history or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "history.jsonl"
        api = await stack.enter_async_context(Api(urls, key, connections=options.pace.concurrency))
        if own is None:
            await api.greet()
        accounts = stack.enter_context(Accounts(options.lines))
        with Recorder(history) as recorder:
            run = Replay(
                api, policy=policy, survey=found, recorder=recorder, accounts=accounts, pace=options.pace,
                progress=listener.stepped,
            )  # fmt: skip
            played = await run.run(path, limit=options.limit)
        listener.judging("verify")
        verification: Verification | None = await own.verify() if own else None
        listener.judging("history")
        verdict = checker.check_files(history, skew_ns=SKEW_NS)
        return report.make(
            str(path), found, played, verification=verification, history=verdict,
            history_file=str(options.history) if options.history else None, whole=options.limit is None,
        )  # fmt: skip
