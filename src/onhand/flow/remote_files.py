"""Files with partners: a folder of this machine, or one behind SFTP. What a `file` feed reads and an export writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from onhand.domain.endpoint import Endpoint
from onhand.flow.local_files import LocalFiles
from onhand.sdk.http import AddressRefused, Unreachable
from onhand.sdk.link import Files

SFTP_PORT = 22


def files_of(endpoint: Endpoint, secret: Callable[[], Mapping[str, str]]) -> Files:
    """Return the files of an endpoint. Raises Unreachable for an address that has none, AddressRefused."""
    parts = urlsplit(endpoint.base_url or "")
    if parts.scheme == "file":
        return LocalFiles(_folder(unquote(parts.path)), timeout_s=endpoint.timeout_s)
    if parts.scheme != "sftp" or parts.hostname is None:
        raise Unreachable(f"The endpoint '{endpoint.code}' has no files behind its address.")
    # asyncssh takes half a second to import, and most nodes need it never.
    from onhand.flow.sftp import SftpFiles  # noqa: PLC0415
    from onhand.flow.sftp_login import Server  # noqa: PLC0415

    server = Server(
        host=parts.hostname,
        port=parts.port or SFTP_PORT,
        folder=unquote(parts.path) or ".",
        host_key=str(endpoint.settings.get("host_key", "")),
        timeout_s=endpoint.timeout_s,
        allow_private=endpoint.allow_private_addresses,
    )
    return SftpFiles(server, secret)


def _folder(path: str) -> Path:
    folder = Path(path)
    if not folder.is_absolute() or ".." in folder.parts or "\0" in path:
        raise AddressRefused(f"{path!r} is not the absolute path of a folder.")
    return folder
