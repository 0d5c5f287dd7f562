"""Under which account the embedded server runs: ours, or an unprivileged one when we are root.

PostgreSQL refuses to run as root, and rightly. Onhand never creates accounts; it borrows one that every Linux has.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from onhand.store.postgres.errors import DataDirUnusable

_BORROWED: Final = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account that runs the server; `drop` is True when we must change into it."""

    name: str
    uid: int
    gid: int
    drop: bool

    def run(self, command: Sequence[object], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `command` under this account, in English, away from our working directory and file descriptors."""
        identity: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drop else {}
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
        return subprocess.run(  # noqa: S603 - programs that the provider found, no shell, no input of a caller
            [str(part) for part in command],
            text=True,
            check=False,
            cwd="/",
            umask=0o077,
            stdin=subprocess.DEVNULL,
            env={**environment, "LC_ALL": "C"},
            **identity,
            **options,
        )

    def can_run(self, program: Path) -> bool:
        """Whether this account reaches and may execute `program`."""
        try:
            return self.run([program, "--version"], capture_output=True).returncode == 0
        except OSError:
            return False

    def own(self, folder: Path) -> None:
        """Make `folder` a directory that only this account (and root) may enter, creating it where needed.

        Raises DataDirUnusable when it exists and belongs to somebody else.
        """
        try:
            folder.mkdir(mode=0o700)
            if self.drop:
                os.chown(folder, self.uid, self.gid)
        except FileExistsError:
            pass
        found = folder.lstat()
        if not folder.is_dir() or folder.is_symlink() or found.st_uid != self.uid:
            raise DataDirUnusable(f"{folder} exists and does not belong to the account {self.name!r}.")
        if found.st_mode & 0o077:
            folder.chmod(0o700)


def for_server(cluster: Path) -> Account:
    """The account that runs the server of `cluster`.

    Our own; for root the one that owns the cluster, or else the first of `postgres` and `nobody` that exists. Raises
    DataDirUnusable on a machine that has neither.
    """
    if os.geteuid() != 0:
        return Account(_name(os.geteuid()), os.geteuid(), os.getegid(), drop=False)
    if cluster.is_dir() and (found := cluster.stat()).st_uid != 0:
        return Account(_name(found.st_uid), found.st_uid, found.st_gid, drop=True)
    for name in _BORROWED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, drop=True)
    raise DataDirUnusable(
        "PostgreSQL must not run as root, and this machine has neither an account 'postgres' nor 'nobody'.",
        remedy="Run Onhand as a normal user, or set ONHAND_DSN.",
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)  # a container may run under a number without a name
