"""A real OpenSSH server for the tests: its own keys and configuration, on loopback, on a port that nobody else has."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import asyncssh
import pytest

from tests.docs.commands import free_port

PLACES = ("/usr/sbin/sshd", "/usr/local/sbin/sshd")


def program() -> str:
    """Return where sshd is; it is installed where that is allowed. Skips visibly where there is none."""
    found = next((place for place in PLACES if os.access(place, os.X_OK)), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # The package would start a server of its own; the variable keeps its scripts from doing so.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "openssh-server"]):
            subprocess.run(["apt-get", *command], env=quiet, check=False, capture_output=True)
        found = next((place for place in PLACES if os.access(place, os.X_OK)), None)
    if found is None:
        pytest.skip("OpenSSH's server is not installed, and it may not be installed here")
    return found


class Server:
    """One sshd with the folder that it shows; it may be stopped and started again on its port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.host_key = (folder / "host_key.pub").read_text().strip()
        self.files = folder / "files"
        self._where = program()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[bytes] | None = None

    @classmethod
    def prepare(cls, folder: Path) -> Self:
        """Make keys, and find a port."""
        (folder / "files").mkdir(parents=True)
        _make_key(folder, "host_key")
        _make_key(folder, "user_key")
        return cls(folder, free_port())

    @property
    def url(self) -> str:
        return f"sftp://127.0.0.1:{self.port}{self.files}"

    def credentials(self, **changed: str) -> str:
        """Return the secret of somebody who may log in."""
        fields = {
            "host_key": self.host_key,
            "user": getpass.getuser(),
            "private_key": (self.folder / "user_key").read_text(),
        }
        return json.dumps({**fields, **changed})

    def new_user_key(self) -> None:
        """Let only a new key of the user's be good."""
        _make_key(self.folder, "user_key")

    async def start(self, *, refused: str = "") -> None:
        """Listen; `refused` are requests of SFTP that nobody may make."""
        folder, config = self.folder, self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/user_key.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            "PasswordAuthentication yes\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
            f"ForceCommand internal-sftp{f' -P {refused}' if refused else ''}\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            self._where, "-D", "-e", "-f", str(config), stderr=asyncio.subprocess.PIPE
        )
        errors = self._process.stderr
        assert errors is not None
        async with asyncio.timeout(20):
            said = b""
            while b"Server listening" not in (line := await errors.readline()):
                said += line
                assert line, f"sshd did not start: {said.decode(errors='replace')}"
        # Its log is read on, so that it never waits for us.
        self._reading = asyncio.create_task(errors.read())

    async def stop(self) -> None:
        """End it, and all connections with it."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if self._reading is not None:
            await self._reading


def _make_key(folder: Path, name: str) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / name)
    key.write_public_key(folder / f"{name}.pub")
    (folder / name).chmod(0o600)


@asynccontextmanager
async def sshd(folder: Path) -> AsyncIterator[Server]:
    """A server that shows `folder/files`, for as long as the block runs."""
    server = Server.prepare(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def cut_line(port: int, *, after_bytes: int) -> AsyncIterator[int]:
    """A line to a port that is cut once so many bytes came back. Gives its own port."""
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
        carried = 0
        try:
            while part := await reader.read(16_384):
                carried += len(part)
                if most is not None and carried > most:
                    break
                writer.write(part)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        forth = asyncio.create_task(carry(reader, back, None))
        tasks.add(forth)
        await carry(there, writer, after_bytes)
        back.transport.abort()
        await forth

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
