"""What is wrong with a file, told so that whoever made it finds the place: row, column, reason."""

from __future__ import annotations

from typing import Any

from onhand.domain.errors import InvalidInput
from onhand.ops import limits


class FileUnreadable(InvalidInput):
    """A file is not what the endpoint's settings say; `mistakes` are the first of them, each with its place."""

    code = "file_unreadable"
    title = "The file is not what its settings declare"
    done = "No row of it was applied; the file is kept as it came."
    remedy = "Have the file mended and sent again, or correct the endpoint's settings and replay it."


class Mistakes:
    """Gathers mistakes and ends the reading once there are enough of them to see what is wrong."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[dict[str, Any]] = []

    def add(self, reason: str, *, row: int | None = None, column: str | None = None) -> None:
        """Note a mistake. Raises FileUnreadable when it is the last one that is looked for."""
        self._found.append({"row": row, "column": column, "reason": reason})
        if len(self._found) >= limits.FILE_MISTAKES_MAX:
            raise self.error()

    def __bool__(self) -> bool:
        return bool(self._found)

    def end(self) -> None:
        """Raise FileUnreadable if there were any."""
        if self._found:
            raise self.error()

    def error(self) -> FileUnreadable:
        """Return the error that tells them all."""
        told = "; ".join(_told(each) for each in self._found)
        return FileUnreadable(f"{self._file}: {told}."[:4_000], file=self._file, mistakes=self._found)


def _told(mistake: dict[str, Any]) -> str:
    places = [
        f"row {mistake['row']}" if mistake["row"] else "",
        f"column {mistake['column']!r}" if mistake["column"] else "",
    ]
    place = ", ".join(filter(None, places))
    return f"{place}: {mistake['reason']}" if place else str(mistake["reason"])
