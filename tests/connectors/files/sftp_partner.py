"""The partner of the suite behind a real OpenSSH server: the stand-in's folder, reached over SFTP."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Self

from onhand.connectors.files.fake import Fake
from onhand.sdk.partner import Part
from tests.connectors.files.sshd import Server


class SftpPartner(Fake):
    """A partner whose folder is shown by sshd. What nobody may do there, sshd itself refuses."""

    without: ClassVar[dict[Part, str]] = {
        "webhook": "files are fetched, never sent",
        "faults": "a real server is well; bad networks stand between it and us instead",
        "drift": "what the partner does with a file after it fetched it is not seen",
    }

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._server: Server | None = None
        self._port = 0

    async def start(self, *, port: int = 0) -> Self:
        """Let sshd show the folder, on the port that it had before."""
        if self._server is None:
            self._server = Server.prepare(Path(tempfile.mkdtemp(prefix="onhand-sshd-")) / "sshd")
            self.root = self._server.files
            (self.root / "incoming").mkdir()
        await self._server.start()
        self.url = self._server.url
        return self

    async def stop(self) -> None:
        """End sshd; the files stay."""
        if self._server is not None:
            await self._server.stop()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._server is not None:
            shutil.rmtree(self._server.folder.parent, ignore_errors=True)

    def settings(self) -> dict[str, Any]:
        """The stand-in's, with the server's key."""
        assert self._server is not None
        return {**super().settings(), "host_key": self._server.host_key}

    def credentials(self) -> str:
        """Return user and private key."""
        assert self._server is not None
        return self._server.credentials(host_key="")

    async def rotate_secret(self) -> None:
        """Know another key of the user's from now on."""
        assert self._server is not None
        self._server.new_user_key()

    async def under_privilege(self, on: bool = True) -> None:
        """Let the account log in and see no folder."""
        assert self._server is not None
        await self._server.stop()
        await self._server.start(refused="opendir,readdir" if on else "")
