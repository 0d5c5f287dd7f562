"""A stand-in for a partner with a folder: drops files as it should, by renaming, and reads what is written for it."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Self

import msgspec

from onhand.connectors.files.export import COLUMNS
from onhand.connectors.files.names import key_of
from onhand.sdk.partner import Listing, Part, Partner

_COLUMNS = [
    {"name": "sku", "required": True},
    {"name": "location", "required": True},
    {"name": "quantity", "from": "Qty", "type": "integer", "required": True},
    {"name": "counted_at", "from": "Counted", "type": "datetime", "required": True},
]


class Fake(Partner):
    """A folder of this machine. `drop` puts a file there; `sheets` are the files that were written for it."""

    without: ClassVar[dict[Part, str]] = {
        "webhook": "files are fetched, never sent",
        "faults": "a folder gives no answers that could be sick; tests cut the line of a real SFTP server instead",
        "toxics": "a local folder crosses no network; the suite runs on a real SFTP server besides",
        "under_privilege": "the suite may run as root, who may do everything in a local folder",
        "rotate_secret": "a local folder needs no secret",
        "drift": "what the partner does with a file after it fetched it is not seen",
    }

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.broken = []
        self.root = Path()
        self._random = Random(seed)  # noqa: S311 - figures for a stage, no secrets
        self._dropped = 0
        self._at = datetime(2026, 3, 1, tzinfo=UTC)
        self._away: Path | None = None
        self._read_at: object = None
        self._texts: list[str] = []

    async def start(self, *, port: int = 0) -> Self:
        """Be there; a folder has no port."""
        del port
        if self._away is not None:
            self._away.rename(self.root)
            self._away = None
        else:
            self.root = Path(tempfile.mkdtemp(prefix="onhand-files-"))
            (self.root / "incoming").mkdir()
        self.url = f"file://{self.root}"
        return self

    async def stop(self) -> None:
        """Be gone, as a disk that is not mounted; the files stay."""
        if self._away is None:
            self._away = self.root.with_name(f"{self.root.name}.away")
            self.root.rename(self._away)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._away is not None:
            shutil.rmtree(self._away, ignore_errors=True)

    def settings(self) -> dict[str, Any]:
        """Files stay where they lie, so that a second reading finds them again."""
        return {"folder": "incoming", "pattern": "*.csv", "columns": _COLUMNS}

    def drop(self, name: str, content: bytes, *, at: datetime | None = None) -> str:
        """Put a file into the folder as a careful partner does; return the key of its message."""
        self._at += timedelta(seconds=1)
        modified = at or self._at
        hidden = self.root / "incoming" / f".{name}.part"
        hidden.write_bytes(content)
        os.utime(hidden, (modified.timestamp(), modified.timestamp()))
        hidden.rename(hidden.with_name(name))
        return key_of(name, modified, content)

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Drop so many files."""
        del stream
        return [self._drop_next() for _ in range(count)]

    async def change(self, stream: str) -> str:
        """Drop the first file again with other numbers."""
        del stream
        return self.drop("stock-00001.csv", self._content())

    async def late(self, stream: str) -> str:
        """Drop a file that bears an old time, as one that was long under way."""
        del stream
        return self._drop_next(at=datetime(2026, 1, 1, tzinfo=UTC))

    async def keys(self, stream: str) -> Sequence[str]:
        """Return the keys of the files that lie there."""
        del stream
        found = []
        for path in sorted((self.root / "incoming").glob("*.csv")):
            modified = datetime.fromtimestamp(int(path.stat().st_mtime), tz=UTC)
            found.append(key_of(path.name, modified, path.read_bytes()))
        return found

    def command(self, operation: str, number: int) -> str:
        """Return rows of an export."""
        del operation
        return msgspec.json.encode(
            {"rows": [{"listing": f"L-{number}", "sku": f"A-{number}", "quantity": number}]}
        ).decode()

    def poison(self, operation: str) -> str:
        """Return a row that a spreadsheet would take for a formula."""
        del operation
        return msgspec.json.encode({"rows": [{"listing": "=1+1", "quantity": 1}]}).decode()

    async def happened(self, operation: str, body: str, key: str) -> int:
        """Return how many files hold what a command tells: the rows themselves say which it is."""
        del operation, key
        wanted = ",".join(str(msgspec.json.decode(body)["rows"][0].get(name, "")) for name in COLUMNS)
        return sum(f"\n{wanted}\n" in content for content in self._written())

    async def listings(self, count: int) -> Sequence[Listing]:
        """A folder takes any listing."""
        return [Listing(listing=f"L-{number}", sku=f"A-{number}") for number in range(1, count + 1)]

    def unknown_listing(self) -> Listing:
        """A listing whose name no export carries."""
        return Listing(listing="=1+1", sku="A-0")

    async def shown(self, listing: Listing) -> int | None:
        """Return the last number that was written for a listing."""
        told = [row["quantity"] for sheet in self.sheets() for row in sheet if row["listing"] == listing.listing]
        return int(told[-1]) if told else None

    def sheets(self) -> list[list[dict[str, str]]]:
        """Return the files that were written for the partner, row by row, in the order in which they came."""
        return [list(csv.DictReader(io.StringIO(content, newline=""))) for content in self._written()]

    def _written(self) -> list[str]:
        folder = self.root / "outgoing"
        if not folder.exists():
            return []
        # Each write makes a new file under another name first, so these tell whether anything was written since.
        state = (folder.stat().st_mtime_ns, frozenset((entry.name, entry.inode()) for entry in os.scandir(folder)))
        if state != self._read_at:
            paths = [path for path in folder.glob("*.csv") if not path.name.startswith(".")]
            paths.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
            self._read_at, self._texts = state, [path.read_text() for path in paths]
        return self._texts

    def _drop_next(self, *, at: datetime | None = None) -> str:
        self._dropped += 1
        return self.drop(f"stock-{self._dropped:05}.csv", self._content(), at=at)

    def _content(self) -> bytes:
        counted = (self._at - timedelta(minutes=5)).isoformat()
        lines = [f"A-{n},central,{self._random.randrange(500)},{counted}" for n in range(1, 4)]
        return "\r\n".join(["sku,location,Qty,Counted", *lines, ""]).encode()
