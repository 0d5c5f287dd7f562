"""A real Tryton for tests: installed into an environment of its own, started on loopback, gone at the end.

Tryton is GPL: it is no dependency, and nothing of ours imports it. It runs as a process that is spoken to over HTTP,
in a virtual environment under `.dev/tryton/`. The environment and a database with a small company in it are made once
and kept; each server gets a copy. A database of Tryton's on SQLite is a file, so that a copy costs milliseconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

from tests.connectors.tryton import rpc, seed

PACKAGES = ("trytond~=8.2.0", "trytond-sale~=8.2.0", "trytond-purchase~=8.2.0", "trytond-stock~=8.2.0")
MODULES = ("sale", "purchase")
DATABASE = "trade"
_HERE = Path(__file__).resolve()
_REPOSITORY = _HERE.parents[3]
_CACHE = _REPOSITORY / ".dev" / "tryton"
_INSTALL_S_MAX = 240
_INIT_S_MAX = 300
_START_S_MAX = 60


class NotInstallable(Exception):
    """No Tryton can be had here, and why."""


class Server:
    """One running Tryton with a database of its own."""

    def __init__(self, programs: Path, folder: Path, port: int, databases: Sequence[str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.databases = list(databases)
        self.log = folder / "log"
        config = folder / "trytond.conf"
        config.write_text(_config(folder, port))
        with self.log.open("wb") as log:
            command: list[str | Path] = [programs / "trytond", "-c", config, "-d", *databases]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment(), cwd=folder)

    def wait(self) -> None:
        """Wait until the server answers. Raises NotInstallable with the end of its log when it does not."""
        deadline = time.monotonic() + _START_S_MAX
        while True:
            try:
                rpc.Desk(self.url, self.databases[0], *seed.ADMIN)
            except (URLError, ConnectionError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise NotInstallable(f"Tryton did not start: {self.log.read_text()[-500:]}") from None
                self._give_it_time()
            else:
                return

    def _give_it_time(self) -> None:
        """Wait for a moment, or for the end of the process: no signal tells that a server listens."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.1)

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(databases: Sequence[str] = (DATABASE,)) -> Iterator[Server]:
    """A server with fresh copies of the company, one for each database. Raises NotInstallable.

    Databases that come later cannot be used: Tryton 8.2 lets nobody into one that it has not loaded at its start.
    """
    programs, template = prepared()
    folder = Path(tempfile.mkdtemp(prefix="onhand-tryton-"))
    try:
        for database in databases:
            shutil.copy(template, folder / f"{database}.sqlite")
        with _serving(programs, folder, databases) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepared() -> tuple[Path, Path]:
    """Return where Tryton's programs and the template of its database lie; make them once. Raises NotInstallable."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        programs = _installed()
        template = _CACHE / f"template-{_digest(*PACKAGES, *MODULES, _text('seed.py'), _text('rpc.py'))}.sqlite"
        if not template.exists():
            for old in _CACHE.glob("template-*.sqlite"):
                old.unlink()
            _make_template(programs, template)
    return programs, template


def _installed() -> Path:
    environment = _CACHE / f"env-{_digest(*PACKAGES, sys.version)}"
    programs = environment / "bin"
    if (environment / "complete").exists():
        return programs
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, with_pip=False)
    uv = _REPOSITORY / ".dev" / "uv" / "bin" / "uv"
    if not uv.exists():
        raise NotInstallable("uv is not there: './dev setup' fetches it")
    command: list[str | Path] = [uv, "pip", "install", "-q", "--python", programs / "python", *PACKAGES]
    _run(
        command, env={**os.environ, "UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1")}, within_s=_INSTALL_S_MAX
    )
    (environment / "complete").touch()
    return programs


def _make_template(programs: Path, template: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="onhand-tryton-"))
    try:
        database = folder / f"{DATABASE}.sqlite"
        database.touch()
        (folder / "trytond.conf").write_text(_config(folder, 0))
        (folder / "password").write_text(seed.ADMIN[1])
        command: list[str | Path] = [
            programs / "trytond-admin", "-c", folder / "trytond.conf", "-d", DATABASE, "--email", "admin@example.com",
            "-u", *MODULES, "--activate-dependencies",
        ]  # fmt: skip
        _run(command, env={**_environment(), "TRYTONPASSFILE": str(folder / "password")}, within_s=_INIT_S_MAX)
        with _serving(programs, folder) as server:
            seed.found(rpc.Desk(server.url, DATABASE, *seed.ADMIN))
        _compact(database)
        shutil.copy(database, template.with_suffix(".part"))
        template.with_suffix(".part").rename(template)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(programs: Path, folder: Path, databases: Sequence[str] = (DATABASE,)) -> Iterator[Server]:
    server = Server(programs, folder, _free_port(), databases)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def _config(folder: Path, port: int) -> str:
    return (
        f"[database]\nuri = sqlite://\npath = {folder}\nlist = False\n"
        f"[web]\nlisten = 127.0.0.1:{port}\nroot = {folder}/www\n"
        "[session]\nmax_attempt = 1000\nmax_attempt_ip_network = 1000\n"
    )


def _compact(database: Path) -> None:
    """Take SQLite's log of writes into the file, so that the file alone is the database."""
    with sqlite3.connect(database) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()


def _run(command: Sequence[str | Path], *, env: dict[str, str], within_s: float) -> None:
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired:
        raise NotInstallable(f"{command[0]} took longer than {within_s:.0f} s") from None
    if done.returncode:
        raise NotInstallable(f"{command[0]} failed: {done.stderr.strip()[-500:]}")


def _environment() -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("TRYTON")}, "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _text(file: str) -> str:
    return (_HERE.parent / file).read_text()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
