"""Secrets: found where the network's files say, read anew for each use, and never shown.

The files name a place (`env:NAME`, `file:/path`), never the secret. A file that is replaced is used with the next call,
so that credentials rotate without a restart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from onhand.domain.errors import OnhandError
from onhand.ops import limits


class SecretMissing(OnhandError):
    """The place where a secret should be is empty, absent or not readable."""

    code = "secret_missing"
    title = "A secret was not found"
    remedy = "Set the variable or write the file named, readable for the account that Onhand runs under."


class Secret:
    """A secret in memory. It shows itself to nobody: not in text, not in a repr, not in an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, for the one place that uses it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def read_secret(place: str, *, environment: Mapping[str, str] | None = None) -> Secret:
    """Return what lies at a place, without blanks around it. Raises SecretMissing."""
    kind, _, name = place.partition(":")
    value = _variable(name, environment) if kind == "env" else _file(Path(name))
    if not value:
        raise SecretMissing(f"There is nothing at {place}.")
    return Secret(value)


def _variable(name: str, environment: Mapping[str, str] | None) -> str:
    return (os.environ if environment is None else environment).get(name, "").strip()


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limits.SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissing(f"The file {path} cannot be read ({type(error).__name__}).") from error
