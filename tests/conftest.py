"""The ground that every test stands on: a real PostgreSQL, a fresh database a test, and failures that can be replayed.

`ONHAND_TEST_PG=wheel|system` chooses the server (default: the wheel). The server belongs to this run alone, and with
pytest-xdist to one worker: the feed of events waits for the oldest transaction of a whole server, whichever database it
is in. Its durability is off, since nothing here outlives the run: tests about durability make clusters of their own.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import pytest_asyncio
from xdist.scheduler import LoadScopeScheduling

from onhand.store.postgres import migrations
from onhand.store.postgres.driver import Database
from onhand.store.postgres.lease import Lease
from onhand.store.postgres.supervisor import Cluster
from onhand.store.postgres.supervisor import stop as stop_server

PROVIDER = os.environ.get("ONHAND_TEST_PG", "wheel")
PROFILE = os.environ.get("ONHAND_TEST_PROFILE", "fast")
_FOLDERS = Path("/tmp")
_PREFIX = f"onhand-test-{os.geteuid()}-"

# How long examples take to make says how busy the machine is, and nothing about the product.
_PATIENT: Any = {"deadline": None, "print_blob": True, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("fast", max_examples=25, **_PATIENT)
hypothesis.settings.register_profile("ci", max_examples=200, **_PATIENT)
hypothesis.settings.load_profile(PROFILE)


def pytest_report_header(config: pytest.Config) -> str:
    """Say on what this run stands, so that a log alone is enough to repeat it."""
    return f"onhand: PostgreSQL from {PROVIDER!r}, Hypothesis profile {PROFILE!r}, seed {_seed(config)}"


def pytest_configure(config: pytest.Config) -> None:
    """Fix one seed for the whole run, workers included, and print it in the header.

    The profile `ci` always tries the same examples, many of them, so that one commit has one verdict; to look for new
    ones is for everybody's daily runs.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        # What the tests start inherits it, and would hear no Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--hypothesis-seed", None) is None:
        config.option.hypothesis_seed = "2026" if PROFILE == "ci" else str(int.from_bytes(os.urandom(4), "big"))


def pytest_configure_node(node: object) -> None:  # pragma: no cover - called by pytest-xdist only
    """Give a worker the seed of the run."""
    node.workerinput["onhand_seed"] = _seed(node.config)  # type: ignore[attr-defined]


_TOGETHER = ("tests/connectors/vendure/", "tests/connectors/tryton/", "tests/connectors/files/")
"""Tests that share a real partner which is installed first: one worker has all of a folder."""


_ALONE = (
    "tests/flow/test_processes.py", "tests/proof/test_busy_facts.py", "tests/proof/test_clock_and_disk.py",
    "tests/proof/test_connected_kills.py", "tests/proof/test_connected_pains.py", "tests/proof/test_killed.py",
    "tests/proof/test_no_oversell_processes.py", "tests/proof/test_resiliency_matrix.py", "tests/sim/test_bench.py",
    "tests/sim/test_demo.py", "tests/sim/test_replay.py",
)  # fmt: skip
"""What must not share the machine's time with other tests: several processes race there, each must get its share, and
what is slow must be slow because of what the test does."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that run alone."""
    if item.nodeid.startswith(_ALONE):
        item.add_marker(pytest.mark.alone)


class _ByPartner(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out the tests of one real partner as a whole, all others one by one.

    pytest-xdist's own groups write themselves into the names of tests, which pytest has not let it do since 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Keep the tests of one real partner together where several workers share the run."""
    return _ByPartner(config, log)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """End each failure with the one command that replays it."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        command = (
            f"ONHAND_TEST_PG={PROVIDER} ONHAND_TEST_PROFILE={PROFILE} ./dev shell "
            f"pytest '{item.nodeid}' --hypothesis-seed={_seed(item.config)}"
        )
        report.sections.append(("replay", command))


def _seed(config: pytest.Config) -> str:
    handed = getattr(config, "workerinput", {}).get("onhand_seed")
    return str(handed or config.getoption("--hypothesis-seed", None))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The PostgreSQL of this run, or of this worker of it."""
    _sweep()
    folder = _FOLDERS / f"{_PREFIX}{PROVIDER}-{os.getpid()}"
    server = Cluster.open(folder, choice=PROVIDER)
    settings = server.layout.cluster / "postgresql.conf"
    settings.write_text(settings.read_text() + "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n")
    try:
        yield server
    finally:
        if server.close():
            shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(cluster: Cluster) -> str:
    """The name of a database with this release's schema, made once a run and copied for each test."""
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server, server.acquire() as session:
        await session.sql("select pg_reload_conf()")
        await session.script("create database template_onhand")
    async with await Database.connect(cluster.dsn("template_onhand"), pool_max=1) as fresh:
        await migrations.migrate(fresh)
    return "template_onhand"


@pytest.fixture
def database_name(request: pytest.FixtureRequest) -> str:
    """A name for this test's database that no other test or worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    _DATABASES.append(request.node.nodeid)
    return f"t_{worker}_{len(_DATABASES)}"


_DATABASES: list[str] = []


@pytest_asyncio.fixture
async def dsn(cluster: Cluster, template: str, database_name: str) -> AsyncIterator[str]:
    """The address of a fresh database with this release's schema, gone after the test."""
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql(f"create database {database_name} template {template} strategy file_copy")
        yield cluster.dsn(database_name)
        await server.sql(f"drop database {database_name} with (force)")


@pytest_asyncio.fixture
async def empty_dsn(cluster: Cluster, database_name: str) -> AsyncIterator[str]:
    """The address of a fresh database with nothing in it."""
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql(f"create database {database_name} strategy file_copy")
        yield cluster.dsn(database_name)
        await server.sql(f"drop database {database_name} with (force)")


@pytest_asyncio.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A connected Database with this release's schema and no rows but those that migrations put there."""
    async with await Database.connect(dsn) as connected:
        yield connected


@pytest_asyncio.fixture
async def empty_database(empty_dsn: str) -> AsyncIterator[Database]:
    """A connected Database with nothing in it."""
    async with await Database.connect(empty_dsn) as connected:
        yield connected


@pytest_asyncio.fixture
async def empty_other(cluster: Cluster, database_name: str) -> AsyncIterator[Database]:
    """A second Database, with nothing in it, beside the test's first."""
    name = f"{database_name}_other"
    async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as server:
        await server.sql(f"create database {name} strategy file_copy")
        async with await Database.connect(cluster.dsn(name)) as connected:
            yield connected
        await server.sql(f"drop database {name} with (force)")


@pytest.fixture
def data_root() -> Iterator[Path]:
    """A short, empty directory that any account can pass through: a place for a data directory of a test's own."""
    root = Path(tempfile.mkdtemp(prefix=_PREFIX))
    root.chmod(0o755)
    yield root
    for data in root.iterdir():
        stop_server(data)
    shutil.rmtree(root, ignore_errors=True)


def _sweep() -> None:
    """Remove what a killed run has left: its server runs on, but nobody holds its lease."""
    for folder in _FOLDERS.glob(f"{_PREFIX}*"):
        if folder.stat().st_uid == os.geteuid() and (folder / "users.lock").exists():
            lease = Lease(folder)
            with lease.turn():
                abandoned = lease.alone()
            if abandoned:
                stop_server(folder)
                shutil.rmtree(folder, ignore_errors=True)
