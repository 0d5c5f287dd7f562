"""Files in a folder of this machine, from which no path and no symbolic link leads out.

Every name of a path is opened below the folder before it, without following links, so that nothing can be put in the
way between a check and its use. The folder itself is the operator's and may be a link.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from onhand.ops import limits
from onhand.sdk.files import AccessRefused, FileMissing, FileTooLarge, parts_of
from onhand.sdk.http import AddressRefused, AnswerLost, Unreachable
from onhand.sdk.link import RemoteFile

_THREADS = ThreadPoolExecutor(8, thread_name_prefix="files")
"""Threads of their own: those that wait for a dead disk must not be those that resolve names and map messages."""

_T = TypeVar("_T")
_Files = list[RemoteFile]
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class LocalFiles:
    """The Files of `onhand.sdk.link` in a local folder."""

    def __init__(self, root: Path, *, timeout_s: float) -> None:
        self._root = root
        self._timeout_s = timeout_s

    async def list(self, folder: str) -> list[RemoteFile]:
        """Return the plain files of a folder; links, pipes and the like are none."""
        return await self._done(lambda: self._list(folder), folder)

    async def read(self, path: str) -> bytes:
        """Return a file whole. Raises FileMissing, FileTooLarge."""
        return await self._done(lambda: self._read(path), path)

    async def write(self, path: str, content: bytes) -> None:
        """Write a file under another name, and give it its own once it is on the disk."""
        await self._done(lambda: self._write(path, content), path)

    async def move(self, path: str, to: str) -> None:
        """Move a file; folders on the way are made. Raises FileMissing."""
        await self._done(lambda: self._move(path, to), path)

    async def _done(self, work: Callable[[], _T], path: str) -> _T:
        """Work in a thread, because a folder may lie on a network's disk that does not answer."""
        with _faults(path):
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(_THREADS, work)

    def _list(self, folder: str) -> _Files:
        names = parts_of(folder)
        with self._folder(names) as fd, os.scandir(fd) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return sorted(
            (
                RemoteFile(path="/".join((*names, name)), size=is_.st_size, modified_at=_instant(is_.st_mtime_ns))
                for name, is_ in found
                if stat.S_ISREG(is_.st_mode)
            ),
            key=lambda file: file.path,
        )

    def _read(self, path: str) -> bytes:
        *above, name = _file(path)
        with self._folder(tuple(above)) as folder:
            # Without O_NONBLOCK a pipe of that name would hold us until somebody writes to it.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise AddressRefused(f"{path!r} is not a plain file.")
                content = file.read(limits.FILE_BYTES_MAX + 1)
        if len(content) > limits.FILE_BYTES_MAX:
            raise FileTooLarge(f"{path!r} holds more than {limits.FILE_BYTES_MAX} bytes.")
        return content

    def _write(self, path: str, content: bytes) -> None:
        *above, name = _file(path)
        hidden = f".{name}.{secrets.token_hex(6)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._folder(tuple(above), make=True) as folder:
            try:
                with os.fdopen(os.open(hidden, flags, 0o640, dir_fd=folder), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(hidden, dir_fd=folder)
                raise
            os.fsync(folder)

    def _move(self, path: str, to: str) -> None:
        *above, name = _file(path)
        *above_new, name_new = _file(to)
        with self._folder(tuple(above)) as old, self._folder(tuple(above_new), make=True) as new:
            os.rename(name, name_new, src_dir_fd=old, dst_dir_fd=new)
            os.fsync(new)

    @contextmanager
    def _folder(self, names: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """Open a folder below the root, name by name; with `make` those that are missing are made."""
        fd = os.open(self._root, _FOLDER)
        try:
            for name in names:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o750, dir_fd=fd)
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


def _file(path: str) -> tuple[str, ...]:
    names = parts_of(path)
    if not names:
        raise AddressRefused("The endpoint's folder itself is not a file.")
    return names


@contextmanager
def _faults(path: str) -> Iterator[None]:
    """Turn what the system says into our faults."""
    try:
        yield
    except TimeoutError as error:
        raise AnswerLost(f"{path!r}: the disk did not answer in time.") from error
    except FileNotFoundError as error:
        raise FileMissing(f"{path!r} is not there.") from error
    except PermissionError as error:
        raise AccessRefused(f"{path!r}: permission denied.") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise AddressRefused(f"{path!r} leads through a link, or through something that is no folder.") from error
        raise Unreachable(f"{path!r}: {error.strerror or type(error).__name__}.") from error


def _instant(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 1_000_000_000, tz=UTC).replace(microsecond=ns % 1_000_000_000 // 1_000)
