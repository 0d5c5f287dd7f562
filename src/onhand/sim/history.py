"""What was asked of the hub and what it answered: the only thing that the independent checker may read.

One entry is one *attempt*: a call that was sent at one moment and answered at another, or never (a lost connection, a
killed node). The same id may be asked again; the checker puts the attempts together. Nothing here is read from the
hub's tables: a hub that lied consistently in its own tables would still be found out.

Times are nanoseconds of one machine's wall clock. Several processes of that machine may write histories that are
checked together.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec

Stock = tuple[str, str, int]
"""SKU, location code ('' where the history does not tell places apart), quantity in base units (signed)."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op", gc=False):
    """One attempt. `id` is what makes attempts one and the same; `answered_ns` is None for an unknown outcome."""

    id: str
    sent_ns: int
    answered_ns: int | None = None


class Fact(Entry, frozen=True, kw_only=True, tag="fact"):
    """A fact that was sent: what it adds to and takes from the sellable stock.

    `outcome` is the hub's word (applied, duplicate, quarantined, rejected, or an error's code). `reservation` names the
    promise that goods left for; its claims shrink with them.
    """

    stock: tuple[Stock, ...]
    outcome: str | None = None
    reservation: str | None = None


class Granted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="granted", gc=False):
    """A promise as answered. `lines` is (line id, granted) and `sources` says where it comes from."""

    reservation: str
    state: str
    lines: tuple[tuple[str, int], ...]
    sources: tuple[Stock, ...]
    expires_ns: int | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="refused", gc=False):
    """A refusal: `code` is `insufficient_stock`, or the error for a request that could not be judged at all."""

    code: str


class Reserve(Entry, frozen=True, kw_only=True, tag="reserve"):
    """A request for a promise. `lines` is (line id, SKU, quantity); `body` is equal for requests that mean the same.

    `keep` is how much the channel's policy may hold back of each item at each place; None says that the history does
    not know, and then refusals are counted but not judged. `places` are the locations that the channel sells from.
    """

    body: str
    lines: tuple[tuple[str, str, int], ...]
    keep: int | None = None
    places: tuple[str, ...] = ()
    answer: Granted | Refused | None = None


class Release(Entry, frozen=True, kw_only=True, tag="release"):
    """Giving back all that a reservation still holds. `outcome` is `released` or an error's code."""

    reservation: str
    outcome: str | None = None


class Extend(Entry, frozen=True, kw_only=True, tag="extend"):
    """A new deadline. `outcome` is `extended` or an error's code."""

    reservation: str
    expires_ns: int
    outcome: str | None = None


class Level(Entry, frozen=True, kw_only=True, tag="level"):
    """A reading of what lies on the shelf (promised or not), as the API shows it."""

    stock: tuple[Stock, ...]


AnyEntry = Fact | Reserve | Release | Extend | Level

INSUFFICIENT: Final = "insufficient_stock"

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[AnyEntry]] = msgspec.json.Decoder(AnyEntry)


def now_ns() -> int:
    """The wall clock in nanoseconds."""
    return time.time_ns()


class Recorder:
    """Writes entries to a file, one JSON object a line (gzip when the name ends in .gz), and counts them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._file: IO[bytes] = _open(path, "wb")

    def write(self, entry: AnyEntry) -> None:
        """Append one attempt."""
        self._file.write(_ENCODER.encode(entry) + b"\n")
        self.written += 1

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.close()


def read_history(*paths: Path) -> Iterator[AnyEntry]:
    """Yield the entries of histories, one file after the other. A last line cut off by a kill is left out."""
    for path in paths:
        with _open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield _DECODER.decode(line)


def _open(path: Path, mode: str) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, mode, compresslevel=1)  # type: ignore[return-value]
    return path.open(mode)
