"""Files behind SFTP, on a server whose host key is known beforehand.

The name is resolved once, every address is judged, and the connection goes to one of those very addresses. Nothing of
the surroundings counts: no `~/.ssh`, no agent, no configuration. A server whose key was not pinned is told nothing.

One object holds one connection for as long as it is used and a moment longer: many files in a row pay for one login.
"""

from __future__ import annotations

import asyncio
import posixpath
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import asyncssh

from onhand.flow.sftp_login import Server, address_of, algorithms, login, pinned, say
from onhand.ops import limits
from onhand.sdk.files import AccessRefused, FileMissing, FileTooLarge, LoginRefused, parts_of
from onhand.sdk.http import AnswerLost, NotTrusted, Unreachable
from onhand.sdk.link import RemoteFile


class SftpFiles:
    """The Files of `onhand.sdk.link` over SFTP.

    `secret` gives `user` and `password` or `private_key` (one without a passphrase: it lies in a secret's place), and
    `host_key` or `known_hosts` where the endpoint's settings name no host key.
    """

    def __init__(self, server: Server, secret: Callable[[], Mapping[str, str]]) -> None:
        self._server = server
        self._secret = secret
        self._turn = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._users = 0
        self._closing: asyncio.TimerHandle | None = None

    async def list(self, folder: str) -> list[RemoteFile]:
        """Return the plain files of a folder; links are none."""
        names, where = parts_of(folder), self._path(folder)
        async with self._session(folder) as client:
            found = [
                RemoteFile(
                    path="/".join((*names, str(entry.filename))),
                    size=entry.attrs.size or 0,
                    modified_at=_instant(entry.attrs),
                )
                async for entry in client.scandir(where)
                if stat.S_ISREG(entry.attrs.permissions or 0)
            ]
        return sorted(found, key=lambda file: file.path)

    async def read(self, path: str) -> bytes:
        """Return a file whole. Raises FileMissing, FileTooLarge."""
        parts: list[bytes] = []
        size, where = 0, self._path(path)
        async with self._session(path) as client, client.open(where, "rb") as file:
            while part := await file.read(limits.FILE_PART_BYTES):
                assert isinstance(part, bytes)
                parts.append(part)
                size += len(part)
                if size > limits.FILE_BYTES_MAX:
                    raise FileTooLarge(f"{path!r} holds more than {limits.FILE_BYTES_MAX} bytes.")
        return b"".join(parts)

    async def write(self, path: str, content: bytes) -> None:
        """Write a file under another name, and give it its own once all of it is there."""
        where = self._path(path)
        folder, name = posixpath.split(where)
        hidden = posixpath.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
        async with self._session(path) as client:
            try:
                try:
                    await _written(client, hidden, content)
                except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                    await _made(client, folder)
                    await _written(client, hidden, content)
                await _renamed(client, hidden, where)
            except asyncssh.SFTPError:
                with suppress(asyncssh.Error, OSError):
                    await client.remove(hidden)
                raise

    async def move(self, path: str, to: str) -> None:
        """Move a file; its new folder is made where it is missing. Raises FileMissing."""
        old, new = self._path(path), self._path(to)
        async with self._session(path) as client:
            try:
                await _renamed(client, old, new)
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                await client.lstat(old)
                await _made(client, posixpath.dirname(new))
                await _renamed(client, old, new)

    def _path(self, path: str) -> str:
        return posixpath.join(self._server.folder, *parts_of(path))

    @asynccontextmanager
    async def _session(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """Give the connection for one operation, within the time limit and with its faults told as ours."""
        self._users += 1
        try:
            async with self._faults(path), asyncio.timeout(self._server.timeout_s):
                async with self._turn:
                    client = self._client or await self._open()
                yield client
        except (AnswerLost, Unreachable, NotTrusted) as fault:
            if not isinstance(fault, FileMissing | AccessRefused):
                self._drop()
            raise
        finally:
            self._users -= 1
            self._close_soon()

    async def _open(self) -> asyncssh.SFTPClient:
        server, fields = self._server, self._secret()
        address = await address_of(server)
        keys = pinned(server, fields, address)
        asyncssh.set_log_level("WARNING")
        try:
            self._connection = await asyncssh.connect(
                address,
                server.port,
                known_hosts=keys,
                server_host_key_algs=algorithms(keys),
                connect_timeout=min(server.timeout_s, limits.TRANSPORT_CONNECT_S_MAX),
                keepalive_interval=limits.SFTP_KEEPALIVE_S,
                **login(fields),
            )
            self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise NotTrusted(f"{server.shown} did not show the host key that is pinned ({error.reason}).") from error
        except asyncssh.PermissionDenied as error:
            raise LoginRefused(f"{server.shown} did not accept the login.") from error
        except (asyncssh.Error, OSError) as error:
            raise Unreachable(f"{server.shown} cannot be reached ({say(error)}).") from error
        return self._client

    @asynccontextmanager
    async def _faults(self, path: str) -> AsyncIterator[None]:
        where = f"{path!r} at {self._server.shown}"
        try:
            yield
        except TimeoutError as error:
            if self._client is None:
                raise Unreachable(f"{self._server.shown} cannot be reached (TimeoutError).") from error
            raise AnswerLost(f"{where}: no whole answer in {self._server.timeout_s:g} s.") from error
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise FileMissing(f"{where} is not there.") from error
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect) as error:
            raise AccessRefused(f"{where}: permission denied.") from error
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, OSError) as error:
            raise AnswerLost(f"{where}: the connection was lost ({say(error)}).") from error
        except asyncssh.SFTPError as error:
            # The server answered, and says that it was not done.
            raise Unreachable(f"{where}: the server says {say(error)!r}.") from error
        except asyncssh.Error as error:
            raise AnswerLost(f"{where}: {say(error)}.") from error

    def _close_soon(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(limits.SFTP_IDLE_S, self._close_idle)

    def _close_idle(self) -> None:
        if self._users == 0:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()


async def _written(client: asyncssh.SFTPClient, path: str, content: bytes) -> None:
    async with client.open(path, "xb") as file:
        await file.write(content)


async def _made(client: asyncssh.SFTPClient, folder: str) -> None:
    """Make a folder that is missing; the one above it is the partner's to make."""
    if not await client.exists(folder):
        try:
            await client.mkdir(folder)
        except asyncssh.SFTPError:
            if not await client.exists(folder):  # another node was faster
                raise


async def _renamed(client: asyncssh.SFTPClient, old: str, new: str) -> None:
    """Rename, replacing what lies there: in one step where the server can, as OpenSSH does; else in two."""
    try:
        await client.posix_rename(old, new)
    except asyncssh.SFTPOpUnsupported:
        with suppress(asyncssh.SFTPNoSuchFile):
            await client.remove(new)
        await client.rename(old, new)


def _instant(attrs: asyncssh.SFTPAttrs) -> datetime:
    return datetime.fromtimestamp(attrs.mtime or 0, tz=UTC).replace(microsecond=(attrs.mtime_ns or 0) // 1_000)
