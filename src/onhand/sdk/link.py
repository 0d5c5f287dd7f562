"""A connector's line to its partner: the one way in which it may speak, and all that it is given from outside.

The hub makes a link for each endpoint. It knows the base address, the secret's place, the time limits and the
addresses that are allowed; a connector adds paths and bodies. Limits (rates, windows, breakers) are kept by whoever
calls the connector: a call to it is one admitted call, so it makes as few requests as its operation needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.domain.endpoint import Endpoint
from onhand.sdk.http import Answer
from onhand.sdk.secrets import Secret


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that lies with a partner: its path below the endpoint's folder, its size in bytes, its last change."""

    path: str
    size: int
    modified_at: datetime


class Files(Protocol):
    """Files with a partner, over SFTP or in a local folder. Raises the faults of `onhand.sdk.http`."""

    async def list(self, folder: str) -> list[RemoteFile]:
        """Return the files of a folder, those still being written included, in the order of their names."""

    async def read(self, path: str) -> bytes:
        """Return a file whole."""

    async def write(self, path: str, content: bytes) -> None:
        """Write a file so that it appears under its name only when it is whole."""

    async def move(self, path: str, to: str) -> None:
        """Move a file; what lies there already is replaced."""


class Link(Protocol):
    """What a connector is given for one endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint in force; its policy may change while the link lives."""

    def now(self) -> datetime:
        """The time; connectors ask no other clock."""

    def secret(self) -> Secret:
        """The endpoint's secret, read anew at each call, so that it rotates. Raises SecretMissing."""

    def secret_fields(self) -> Mapping[str, str]:
        """The members of a secret that is a JSON object of texts (user and password, say). Raises SecretMissing."""

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: object = None,
    ) -> Answer:
        """Make one request below the endpoint's base address and return the answer, whatever its status.

        `path` is appended to the base address as it stands; `json` is encoded and sets the content type. Raises
        Unreachable and NotTrusted (surely not done), AnswerLost (may have been done), AddressRefused.
        """

    def files(self) -> Files:
        """The endpoint's files: `sftp://` and `file://` base addresses have some. Raises AddressRefused."""
