"""Where the embedded server keeps its things: one data directory with a few named places inside.

<data>/cluster/          PostgreSQL's own data directory, mode 0700, owned by the server's account
<data>/socket/           the Unix socket, where its path is short enough; else a directory under /tmp
<data>/runtime/<version> a copy of the programs, only where the server's account cannot reach the originals
<data>/*.lock            who uses the server (see `lease`)
<data>/start.log         what the last start printed
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from onhand.ops import limits

PORT = 5432  # names the socket file; no TCP port is opened
USER = "onhand"

_PLAIN = re.compile(r"^[A-Za-z0-9_./+=-]+$")  # other characters need quoting that differs between the server's readers


@dataclass(frozen=True, slots=True)
class Layout:
    """The places inside one data directory."""

    root: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "cluster"

    @property
    def start_log(self) -> Path:
        """What the last start of the server printed."""
        return self.root / "start.log"

    @property
    def socket_folder(self) -> Path:
        """The directory of the Unix socket: inside the data directory unless the path would be too long or odd."""
        folder = self.root / "socket"
        path = os.fsencode(folder / f".s.PGSQL.{PORT}")
        if len(path) <= limits.SOCKET_PATH_BYTES_MAX and _PLAIN.match(str(folder)):
            return folder
        return Path("/tmp") / f"onhand-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]}"  # noqa: S108

    @property
    def socket(self) -> Path:
        """The Unix socket itself."""
        return self.socket_folder / f".s.PGSQL.{PORT}"

    def runtime(self, version: str) -> Path:
        """Where the programs of `version` are copied to when they must be."""
        return self.root / "runtime" / version

    def dsn(self, database: str) -> str:
        """The libpq URI of `database` on this server."""
        return f"postgresql://{USER}@/{quote(database)}?host={quote(str(self.socket_folder), safe='')}&port={PORT}"

    def made_by(self) -> int | None:
        """The major version of PostgreSQL that made the cluster, or None where there is none yet."""
        try:
            return int((self.cluster / "PG_VERSION").read_text().strip())
        except (FileNotFoundError, ValueError):
            return None
