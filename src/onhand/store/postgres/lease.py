"""Who uses an embedded server, told by file locks: the kernel drops them when a process dies, however it dies.

`turn` is held for the moment in which one process starts or stops the server. `users` is held, shared, by every
process for as long as it uses the server: whoever can take it alone is the last. There is nothing that could be stale.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onhand.ops import limits
from onhand.store.postgres.errors import DatabaseBusy, DataDirUnusable


class Lease:
    """The claim of this process on the server of one data directory."""

    def __init__(self, folder: Path) -> None:
        self._turn = folder / "turn.lock"
        self._users = folder / "users.lock"
        self._held: int | None = None

    @contextmanager
    def turn(self, *, wait_s: float = limits.SERVER_TURN_WAIT_S) -> Iterator[None]:
        """Hold the right to start or stop the server. Raises DatabaseBusy when another process keeps it too long."""
        handle = _open(self._turn)
        try:
            deadline = time.monotonic() + wait_s
            while not _locked(handle, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise DatabaseBusy(f"Another process has been starting or stopping the server for {wait_s:g} s.")
                time.sleep(limits.SERVER_POLL_S)
            yield
        finally:
            os.close(handle)

    def join(self) -> None:
        """Become a user of the server. Call it while holding the turn."""
        assert self._held is None, "joined twice"
        self._held = _open(self._users)
        fcntl.flock(self._held, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Stop being a user."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def alone(self) -> bool:
        """Whether no other process uses the server. Meaningful only while holding the turn."""
        handle = self._held if self._held is not None else _open(self._users)
        try:
            return _locked(handle, fcntl.LOCK_EX)
        finally:
            if handle != self._held:
                os.close(handle)
            else:
                fcntl.flock(handle, fcntl.LOCK_SH)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DataDirUnusable(f"{path} cannot be opened: {error.strerror}.") from error


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
