"""What a file is called: which names can be used, what makes its message one and the same, how a name travels."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote

from onhand.connectors.files.settings import Settings
from onhand.sdk import AddressRefused, RemoteFile
from onhand.sdk.files import parts_of

_TYPES: Final = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_NAME: Final = "; name*=UTF-8''"


def is_usable(name: str) -> bool:
    """Tell whether a name can be asked for and written down: no control characters, no backslash, valid UTF-8."""
    try:
        return bool(name.encode()) and parts_of(name) == (name,)
    except (UnicodeEncodeError, AddressRefused):
        return False


def name_of(file: RemoteFile) -> str:
    """Return a file's name without its folder."""
    return file.path.rpartition("/")[2]


def key_of(name: str, modified_at: datetime, content: bytes) -> str:
    """Return the key of a file: the same file read again has the same, the next one of that name another."""
    at = modified_at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{name}@{at}#{hashlib.sha256(content).hexdigest()[:24]}"


def content_type_of(name: str, settings: Settings) -> str:
    """Return the content type of a file with its name."""
    return f"{_TYPES[settings.format]}{_NAME}{quote(name, safe='')}"


def name_in(content_type: str) -> str:
    """Return the name of the file in a content type; 'file' where there is none."""
    return unquote(content_type.partition(_NAME)[2]) or "file"


def away(name: str, stamp: str) -> str:
    """Return what a file is called where it is moved to: file systems take 255 bytes, markers and reasons included."""
    if len(name.encode()) <= _AWAY_BYTES_MAX:
        return f"{stamp}-{name}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{stamp}-{name.encode()[:_AWAY_BYTES_MAX].decode(errors='ignore')}~{digest}"


_AWAY_BYTES_MAX: Final = 180
