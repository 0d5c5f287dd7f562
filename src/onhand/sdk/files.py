"""What can go wrong with a partner's files beyond the faults of every call, and which paths there are.

Each fault is a kind of one that connectors know already, so that a connector which does not name it treats it well: a
refused login is about our credentials, a file that is not there was not touched.
"""

from __future__ import annotations

from typing import Final

from onhand.ops import limits
from onhand.sdk.http import AddressRefused, NotTrusted, Unreachable


class LoginRefused(NotTrusted):
    """The partner was who it should be, and did not accept our credentials."""

    code = "partner_login_refused"
    title = "The partner did not accept the login"
    done = "No file was touched."
    remedy = "Compare user, password and key with what the partner has; the secret is read anew at each try."


class AccessRefused(NotTrusted):
    """The login was accepted, and this account may not do that with this file or folder."""

    code = "partner_access_refused"
    title = "The account may not do this"
    done = "The file was left as it was."
    remedy = "Have the account be given the right to read, write and rename in the folders of the endpoint's settings."


class FileMissing(Unreachable):
    """The file or folder is not there, or no longer: another node, or the partner, was faster."""

    code = "file_missing"
    title = "There is no such file"
    done = "Nothing was touched."
    remedy = "Compare the folders in the endpoint's settings with those that the partner has."


class FileTooLarge(AccessRefused):
    """The file is larger than what is taken into memory at once."""

    code = "file_too_large"
    title = "The file is too large"
    done = "It was left where it lies."
    remedy = "Have it sent in parts."


def parts_of(path: str) -> tuple[str, ...]:
    """Return the names that a path below the endpoint's folder is made of; '' and '.' are the folder itself.

    Raises AddressRefused for a path that leads elsewhere or that no file can have.
    """
    names = tuple(name for name in path.split("/") if name not in {"", "."})
    if path.startswith("/") or ".." in names or any(c in path for c in _NEVER) or len(path) > limits.FILE_PATH_MAX:
        raise AddressRefused(f"{path[:200]!r} is not a path below the endpoint's folder.")
    return names


_NEVER: Final = "\0\r\n\\"
