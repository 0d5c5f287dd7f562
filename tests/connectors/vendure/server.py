"""A real Vendure for tests: installed once into a folder of its own, started with its database in memory.

The folder is `.dev/vendure` in the checkout, or what `ONHAND_TEST_VENDURE` names; it is filled by npm at the first use
(some 160 MB) and kept. Its second part is the database as it stands after the first start, so that later starts
create no tables. Whoever has no Node, or no registry within reach, gets `Missing` with the reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("ONHAND_TEST_VENDURE", Path(__file__).parents[3] / ".dev" / "vendure"))
PACKAGE = {
    "name": "onhand-test-vendure",
    "private": True,
    # sql.js is SQLite compiled to WebAssembly: nothing to build, and no file to share between two servers.
    "dependencies": {"@vendure/core": "3.7.3", "sql.js": "1.13.0"},
}
PASSWORD = "of a database in memory"  # noqa: S105
INSTALL_S_MAX = 240
START_S_MAX = 90


class Missing(Exception):
    """There is no Vendure here and none can be had; the reason stands in the words."""


class Server:
    """One running Vendure. Its administrator is `superadmin` with `PASSWORD`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._turn = threading.Lock()
        self.port: int = 0

    @classmethod
    def start(cls) -> Self:
        """Install what is missing, start, and return once it listens. Raises Missing."""
        folder = _install()
        with _alone(ROOT / "start.lock"):
            seeded = (folder / "seed.sqlite").exists()
            server = cls._run(folder)
            if not seeded:
                server.tell("save")
        return server

    @classmethod
    def _run(cls, folder: Path) -> Self:
        environment = {
            **os.environ,
            "VENDURE_PASSWORD": PASSWORD,
            "VENDURE_SEED": str(folder / "seed.sqlite"),
            "VENDURE_DISABLE_TELEMETRY": "true",
            "NODE_ENV": "production",
        }
        log = (folder / "server.log").open("w")
        process = subprocess.Popen(
            ["node", str(folder / "server.js")], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()
        server = cls(process)
        try:
            server.port = int(server._hear(START_S_MAX)["port"])
        except (EOFError, TimeoutError) as error:
            server.stop()
            words = (folder / "server.log").read_text()[-2_000:]
            raise RuntimeError(f"Vendure did not start ({error!r}): {words}") from error
        return server

    def tell(self, what: str, **given: Any) -> dict[str, Any]:
        """Have the server do something that its API cannot, and return what it says of it."""
        with self._turn:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"do": what, **given}) + "\n")
            self._process.stdin.flush()
            return self._hear(30)

    def _hear(self, within_s: float) -> dict[str, Any]:
        """Return the next line of JSON; other words are Vendure's own."""
        assert self._process.stdout is not None
        until = time.monotonic() + within_s
        while True:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(f"nothing said within {within_s:g} s")
            line = self._process.stdout.readline()
            if not line:
                raise EOFError("it ended")
            if line.startswith("{"):
                said: dict[str, Any] = json.loads(line)
                return said

    def stop(self) -> None:
        """End it. Nothing is kept: its database was in memory."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _install() -> Path:
    """Return the folder of an installed Vendure. A change of versions or of server.js makes a new one."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("Node or npm is not on this machine")
    package = json.dumps(PACKAGE, indent=2)
    mark = hashlib.sha256((package + PASSWORD).encode()).hexdigest()[:10]
    folder = ROOT / mark
    with _alone(ROOT / "install.lock"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "package.json").write_text(package)
            _npm_install(folder)
            (folder / "complete").touch()
        shutil.copyfile(HERE / "server.js", folder / "server.js")
    return folder


def _npm_install(folder: Path) -> None:
    command = [
        "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--omit=dev",
        "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=30000",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm did not install Vendure within {INSTALL_S_MAX} s") from None
    if done.returncode != 0:
        raise Missing(f"npm could not install Vendure: {' '.join(done.stderr.split())[:200]}")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes: workers of one run, and runs beside each other, share the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
