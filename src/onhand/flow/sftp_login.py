"""The way to an SFTP server: which address it has, by which key it is known, and how we log in, by nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh.public_key import get_default_public_key_algs

from onhand.flow.addresses import PinnedResolver, check_literal
from onhand.sdk.files import LoginRefused
from onhand.sdk.http import AddressRefused, NotTrusted, Unreachable

_Pinned = Sequence[Sequence[Any]]
"""Trusted keys, trusted authorities, and what else asyncssh wants to know of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the files lie, and the key by which the server is known where the settings name it."""

    host: str
    port: int
    folder: str
    host_key: str
    timeout_s: float
    allow_private: bool

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return f"sftp://{self.host}:{self.port}"


def pinned(server: Server, fields: Mapping[str, str], address: str) -> _Pinned:
    """Return the keys that the server may show, as asyncssh has them. Raises NotTrusted when none is known."""
    lines = (server.host_key or fields.get("host_key", "")).splitlines()
    try:
        if lines:
            return [asyncssh.import_public_key(line) for line in lines if line.strip()], [], [], [], [], [], []
        known = asyncssh.import_known_hosts(fields.get("known_hosts", ""))
        matched = asyncssh.match_known_hosts(known, server.host, address, server.port)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise NotTrusted(f"The host key for {server.shown} cannot be read ({type(error).__name__}).") from error
    if not (matched[0] or matched[1]):
        raise NotTrusted(f"No host key is known for {server.shown}: set host_key, or known_hosts in the secret.")
    return matched


def algorithms(keys: _Pinned) -> list[str] | str:
    """Return which kinds of host key to ask for: those pinned first, then all.

    Asking for the pinned kinds alone would let a server with another kind hang up, which looks like a server that is
    down.
    """
    if not keys[0]:
        return "default"
    wanted = [algorithm for key in keys[0] for algorithm in key.sig_algorithms]
    return [algorithm.decode() for algorithm in dict.fromkeys((*wanted, *get_default_public_key_algs()))]


def login(fields: Mapping[str, str]) -> dict[str, object]:
    """Return the options of a login by what the secret holds and by nothing else. Raises LoginRefused."""
    password, key = fields.get("password"), fields.get("private_key")
    if not fields.get("user") or not (password or key):
        raise LoginRefused("The secret names no user, or neither a password nor a private key.")
    try:
        keys = [asyncssh.import_private_key(key)] if key else None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        # The reader's own words might show parts of the key.
        raise LoginRefused(f"The private key cannot be read ({type(error).__name__}).") from None
    return {
        "username": fields["user"],
        "password": password,
        "client_keys": keys,
        "public_key_auth": key is not None,
        "password_auth": password is not None,
        "kbdint_auth": password is not None,
        "config": None,
        "agent_path": None,
        "gss_auth": False,
        "gss_kex": False,
        "gss_host": None,
        "host_based_auth": False,
        "disable_trivial_auth": True,
        "x509_trusted_certs": None,
    }


async def address_of(server: Server) -> str:
    """Return the address to connect to. Raises AddressRefused, Unreachable."""
    check_literal(server.host, allow_private=server.allow_private)
    try:
        resolver = PinnedResolver(_system_resolve, allow_private=server.allow_private)
        return (await resolver.resolve(server.host, server.port))[0]["host"]
    except AddressRefused:
        raise
    except OSError as error:
        raise Unreachable(f"{server.host} has no address ({say(error)}).") from error


async def _system_resolve(host: str, port: int) -> list[tuple[str, int]]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(address[0]), family) for family, _, _, _, address in found]


def say(error: BaseException) -> str:
    """Return what went wrong in the words of whoever noticed it."""
    return getattr(error, "reason", "") or str(error) or type(error).__name__
