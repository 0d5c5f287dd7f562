"""The postmaster as a process: is it there, is it ready, start it, stop it.

What counts as running is decided from three facts that cannot all be stale: the pid file, a live process whose working
directory is this very cluster, and a socket that answers. A pid file alone proves nothing after a kill or a reboot.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path

from onhand.ops import limits
from onhand.store.postgres import tuning
from onhand.store.postgres.account import Account
from onhand.store.postgres.errors import ServerNotStarted, ServerNotStopped
from onhand.store.postgres.layout import PORT, Layout

_STATUS_LINE = 7  # of postmaster.pid, counted from 0: "starting", "ready", "standby" or "stopping"
_HELD_BY_ORPHANS = ("shared memory block", "is still in use", "lock file", "Address already in use", "could not bind")


class State(Enum):
    """What the postmaster of a cluster is doing."""

    DOWN = "down"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Postmaster:
    """The server process of one cluster."""

    def __init__(self, layout: Layout, account: Account) -> None:
        self._layout = layout
        self._account = account
        self._log_start = 0

    def pid(self) -> int | None:
        """The process id of the running postmaster, or None: a pid that another program has by now does not count."""
        lines = self._pid_file()
        if not lines or not lines[0].lstrip("-").isdigit():
            return None
        pid = abs(int(lines[0]))
        return pid if _works_in(pid, self._layout.cluster) else None

    def state(self) -> State:
        """What the server is doing right now."""
        answers = self._answers()
        if self.pid() is None:
            # A server in another container shares the files but not the process table: its socket still answers.
            return State.READY if answers else State.DOWN
        lines = self._pid_file()
        word = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else "starting"
        if word == "ready":
            return State.READY if answers else State.STARTING
        return State.STOPPING if word == "stopping" else State.STARTING

    def start(self, postgres: Path, *, wait_s: float = limits.SERVER_START_WAIT_S) -> None:
        """Start the server unless it runs, and wait until it is ready.

        Tries again for a few seconds while orphans of a killed server still hold its memory. Raises ServerNotStarted
        with what the server printed.
        """
        give_up = time.monotonic() + limits.SERVER_ORPHAN_WAIT_S
        while not self._settled(wait_s):
            self._forget_the_dead()
            self._launch(postgres)
            if self._settled(wait_s):
                return
            time.sleep(limits.SERVER_RETRY_S)  # also gives its last words the time to reach the log
            said = self._said()
            if not any(sign in said for sign in _HELD_BY_ORPHANS) or time.monotonic() > give_up:
                raise ServerNotStarted(f"PostgreSQL in {self._layout.cluster} gave up: {said or 'it printed nothing'}")

    def stop(self, *, wait_s: float = limits.SERVER_STOP_WAIT_S) -> bool:
        """Ask the server for a fast, clean shutdown and wait for it; False when it was not running.

        Raises ServerNotStopped after `wait_s`.
        """
        pid = self.pid()
        if pid is None and self.state() is State.READY:
            raise ServerNotStopped(
                "PostgreSQL answers but is not a process of this machine or container: stop it there."
            )
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + wait_s
        while self.pid() is not None:
            if time.monotonic() > deadline:
                raise ServerNotStopped(f"PostgreSQL (process {pid}) did not stop within {wait_s:g} s.")
            time.sleep(limits.SERVER_POLL_S)
        if self._layout.socket_folder.parent != self._layout.root:
            with suppress(OSError):
                self._layout.socket_folder.rmdir()  # nothing of ours stays in /tmp
        return True

    def _forget_the_dead(self) -> None:
        """Remove what a killed server has left, knowing by now that none runs.

        PostgreSQL trusts the numbers in these files as long as any process has them: a stranger after a reboot, or
        the dead server itself where the first process of a container does not bury its children.
        """
        folder, socket_file = self._layout.cluster, self._layout.socket
        for path in (folder / "postmaster.pid", socket_file, socket_file.with_name(f"{socket_file.name}.lock")):
            path.unlink(missing_ok=True)

    def _launch(self, postgres: Path) -> None:
        arguments = [postgres, "-D", self._layout.cluster, *tuning.command_line(self._layout.socket_folder, PORT)]
        self._log_start = _size(self._newest_log())
        log = os.open(self._layout.start_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            # The shell leaves at once, so that the server is nobody's child: it outlives us and leaves no zombie.
            told = self._account.run(
                ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            ).stdout
        finally:
            os.close(log)
        # Between the fork and the first line of postmaster.pid there is nothing to see but the process itself. What
        # stands in the log proves nothing: a backend of the killed server may write its last words there just now.
        deadline = time.monotonic() + limits.SERVER_ORPHAN_WAIT_S
        while self.pid() is None and _lives(int(told)) and time.monotonic() < deadline:
            time.sleep(limits.SERVER_POLL_S)

    def _settled(self, wait_s: float) -> bool:
        """Wait out a start or a stop under way; True when the server is ready then, False when it is down."""
        deadline = time.monotonic() + wait_s
        while (state := self.state()) in {State.STARTING, State.STOPPING}:
            if time.monotonic() > deadline:
                raise ServerNotStarted(f"PostgreSQL is still {state.value} after {wait_s:g} s: {self._said()}")
            time.sleep(limits.SERVER_POLL_S)
        return state is State.READY

    def _pid_file(self) -> list[str]:
        try:
            return (self._layout.cluster / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _answers(self) -> bool:
        """Whether a postmaster listens: it answers a request for encryption with one letter."""
        try:
            with socket.socket(socket.AF_UNIX) as wire:
                wire.settimeout(2)
                wire.connect(os.fsencode(self._layout.socket))
                wire.sendall(struct.pack("!ii", 8, 80877103))
                return wire.recv(1) in {b"N", b"S"}
        except OSError:
            return False

    def _said(self) -> str:
        """The end of what the server has printed since we launched it, in `start.log` and in its own log."""
        texts = [_read(self._layout.start_log, 0), _read(self._newest_log(), self._log_start)]
        lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-8:])[-1_500:]

    def _newest_log(self) -> Path:
        logs = sorted((self._layout.cluster / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        return logs[-1] if logs else self._layout.cluster / "log" / "none"


def _read(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(start if start <= _size(path) else 0)
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _works_in(pid: int, folder: Path) -> bool:
    """Whether `pid` is a live process whose working directory is `folder`, as a postmaster's is its cluster."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def _lives(pid: int) -> bool:
    """Whether `pid` is a process that still runs: one that ended and that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
