"""The connector of files: reads those that are dropped in a folder, moves them away, and writes exports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from onhand.connectors.files import folder, names, writing
from onhand.connectors.files.decoding import decode
from onhand.connectors.files.mistakes import FileUnreadable
from onhand.connectors.files.settings import read_settings
from onhand.connectors.files.values import converter
from onhand.domain.errors import OnhandError
from onhand.ops import limits
from onhand.sdk import (
    AddressRefused,
    AnswerLost,
    Checked,
    Connector,
    Files,
    Found,
    Link,
    Message,
    NotClaimed,
    NotTrusted,
    Outcome,
    Outgoing,
    Page,
    ReadFailed,
    Rejected,
    RemoteFile,
    SecretMissing,
    StockUpdate,
    Unreachable,
)
from onhand.sdk.files import AccessRefused, FileMissing, FileTooLarge
from onhand.sdk.registry import SettingsInvalid

_PROBE = ".onhand-check"
_FOUND_MAX = 1_000


class FilesConnector(Connector):
    """Files with declared columns, in a folder or behind SFTP."""

    def __init__(self, config: Mapping[str, Any], link: Link) -> None:
        super().__init__(config, link)
        self._held: Files | None = None
        self._settings = read_settings(config)
        try:
            for column in self._settings.columns:
                converter(column, self._settings)
        except (ZoneInfoNotFoundError, re.error, ValueError) as error:
            raise SettingsInvalid(f"{link.endpoint.code}: timezone or a column's formats: {error}.") from error

    async def check(self) -> Checked:
        """Look into the folder, and write a hidden file where those that were read go."""
        try:
            files = self.link.files()  # a login of its own, with the secret as it is now
            await files.list("")
        except AccessRefused as fault:
            return Checked(state="under_privileged", detail=fault.detail, missing=("read the endpoint's folder",))
        except (NotTrusted, SecretMissing) as fault:
            return Checked(state="unauthorised", detail=fault.detail)
        except (Unreachable, AnswerLost, AddressRefused) as fault:
            return Checked(state="unreachable", detail=fault.detail)
        faults = [
            each
            for each in [await self._may_read(files), *[await self._may_write(files, to) for to in self._ours]]
            if each
        ]
        if faults:
            missing = tuple(what for what, _ in faults)
            return Checked(state="under_privileged", detail="; ".join(why for _, why in faults), missing=missing)
        return Checked(state="ok", partner=(self.link.endpoint.base_url or "").partition(":")[0])

    def _files(self) -> Files:
        """Return the endpoint's files, the same each time: calls that overlap share a login, which ends by itself."""
        if self._held is None:
            self._held = self.link.files()
        return self._held

    @property
    def _ours(self) -> list[str]:
        return [each for each in (self._settings.done, self._settings.failed) if each]

    async def _may_read(self, files: Files) -> tuple[str, str] | None:
        try:
            await files.list(self._settings.folder)
        except OnhandError as fault:
            return f"read {self._settings.folder}", fault.detail
        return None

    async def _may_write(self, files: Files, to: str) -> tuple[str, str] | None:
        try:
            await files.write(f"{to}/{_PROBE}", b"")
        except OnhandError as fault:
            return f"write to {to}", fault.detail
        return None

    async def discover(self) -> Sequence[Found]:
        """Return the files that lie in the folder."""
        listed = await self._files().list(self._settings.folder)
        return [
            Found(
                kind="other",
                code=names.name_of(file),
                facts={"bytes": str(file.size), "modified_at": file.modified_at.isoformat()},
            )
            for file in listed[:_FOUND_MAX]
        ]

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        """Return whole files that were not read yet, oldest first; each is one message, byte for byte."""
        if stream != "rows":
            raise NotClaimed(f"This connector reads no stream {stream!r}.")
        files, now = self._files(), self.link.now()
        listed = await files.list(self._settings.folder)
        ready, remembered = folder.look(listed, folder.read_cursor(cursor), self._settings, now)
        read: list[tuple[RemoteFile, bytes | None]] = []
        messages: list[Message] = []
        left_alone = [
            f"{names.name_of(file)!r} is a name that cannot be used; have it renamed."
            for file in listed
            if not names.is_usable(names.name_of(file))
        ]
        size = 0
        left, limit = list(ready), 1 if self._settings.whole_stock else limit
        while left and len(messages) < limit and (not messages or size + left[0].size <= limits.FILE_PAGE_BYTES_MAX):
            file = left.pop(0)
            try:
                content = await self._content(files, file)
            except FileTooLarge as fault:
                left_alone.append(fault.detail)
                continue
            if content is not None:
                size += len(content)
                read.append((file, content))
                messages.append(self._message(file, content))
        if read:
            # What was written to between the listing and its reading comes under its new time, and only then.
            there = {file.path: file for file in await files.list(self._settings.folder)}
            same = [there.get(file.path, file) == file for file, _ in read]
            read = [each for each, ok in zip(read, same, strict=True) if ok]
            messages = [each for each, ok in zip(messages, same, strict=True) if ok]
        if left_alone and not messages and not left:
            # The others pass it; once it is alone, somebody has to hear of it.
            raise ReadFailed(Rejected(reason=left_alone[0], detail=left_alone[0]))
        remembered = folder.marked_read(remembered, [file for file, _ in read], now)
        cursor = folder.write_cursor(remembered)
        if self._settings.whole_stock and messages:
            # A statement is whole with its page, so the next file, another statement, has to wait for the next read.
            return Page(messages=tuple(messages), cursor=cursor, snapshot_as_of=messages[0].occurred_at)
        return Page(messages=tuple(messages), cursor=cursor, more=bool(left))

    async def _content(self, files: Files, file: RemoteFile) -> bytes | None:
        """Return a file's content; None if it was moved away or written to meanwhile."""
        if file.size > limits.FILE_BYTES_MAX:
            raise FileTooLarge(f"{file.path!r} holds {file.size} bytes, more than {limits.FILE_BYTES_MAX}.")
        try:
            content = await files.read(file.path)
        except FileMissing:
            return None
        return content if len(content) == file.size else None

    def _message(self, file: RemoteFile, content: bytes) -> Message:
        name = names.name_of(file)
        return Message(
            key=names.key_of(name, file.modified_at, content),
            body=content,
            content_type=names.content_type_of(name, self._settings),
            occurred_at=file.modified_at,
        )

    async def stored(self, stream: str, messages: Sequence[Message]) -> None:  # noqa: ARG002 - there is one
        """Move what was stored to `done`; what these settings cannot read to `failed`, with its reason beside it."""
        if not self._settings.done or not messages:
            return
        files = self._files()
        reasons = [await self._unreadable(message) for message in messages]  # takes long: before the look at the folder
        listed = {names.name_of(file): file for file in await files.list(self._settings.folder)}
        failed: OnhandError | None = None
        for message, reason in zip(messages, reasons, strict=True):
            name = names.name_in(message.content_type)
            file = listed.get(name)
            if file is not None and (file.size, file.modified_at) == (len(message.body), message.occurred_at):
                try:
                    await self._move(files, file, name, reason)
                except OnhandError as fault:  # one that cannot be moved keeps no other
                    failed = fault
        if failed is not None:
            raise failed

    async def _move(self, files: Files, file: RemoteFile, name: str, reason: str) -> None:
        """Move a file away, its marker first: alone, a marker would vouch for the next file of that name."""
        to = f"{self._settings.failed if reason else self._settings.done}/{names.away(name, _stamp(self.link.now()))}"
        suffix = self._settings.complete.suffix
        try:
            if self._settings.complete.when == "marker":
                with suppress(FileMissing):
                    await files.move(file.path + suffix, to + suffix)
            await files.move(file.path, to)
        except FileMissing:
            return  # another node was faster
        if reason:
            await files.write(f"{to}.reason.txt", f"{reason}\n".encode())

    async def _unreadable(self, message: Message) -> str:
        """Return why a file cannot be read, where files that cannot have a folder of their own."""
        if not self._settings.failed:
            return ""
        try:
            await asyncio.to_thread(self.decode, "rows", message.body, message.content_type)
        except FileUnreadable as error:
            return error.detail
        return ""

    def decode(self, stream: str, body: bytes, content_type: str) -> object:  # noqa: ARG002 - there is one stream
        """Return a file as a document of typed rows. Raises FileUnreadable."""
        return decode(body, self._settings, names.name_in(content_type))

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Write one file for each command: its body is `{"rows": [...]}` by our names of the export's columns."""
        if operation != "file.write":
            raise NotClaimed(f"This connector has no operation {operation!r}.")
        return [await writing.write(self._files(), self._settings.export, command) for command in commands]

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        """Write one file with all numbers; its name follows from the key, so that a repetition replaces it."""
        return await writing.publish(self._files(), self._settings.export, updates, key=key)


def _stamp(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%S.%fZ}"
