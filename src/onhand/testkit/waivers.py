"""Waivers: checks that a connector may fail for now, in one file, each with its reason. The file may only shrink.

A waiver for a check that passes is itself a failure: it has done its time.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from onhand.domain.errors import InvalidInput

FILE: Final = "waivers.toml"


class WaiversInvalid(InvalidInput):
    """The file of waivers cannot be read."""

    code = "waivers_invalid"
    title = "The file of waivers is not valid"
    remedy = "Each [[waiver]] has connector, check, reason and owner."


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One check that one connector may fail for now."""

    connector: str
    check: Annotated[str, Meta(pattern=r"^K[0-9]{2}\Z")]
    reason: Annotated[str, Meta(min_length=10)]
    owner: Annotated[str, Meta(min_length=1)]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    waiver: tuple[Waiver, ...] = ()


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """Return all waivers of a file. Raises WaiversInvalid."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).waiver
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise WaiversInvalid(f"{path}: {error}.") from error
    pairs = [(each.connector, each.check) for each in found]
    if len(set(pairs)) != len(pairs):
        raise WaiversInvalid(f"{path}: the same check of the same connector is waived twice.")
    return found


def of_connector(waivers: tuple[Waiver, ...], connector: str) -> Mapping[str, str]:
    """Return the reasons by check for one connector."""
    return {each.check: each.reason for each in waivers if each.connector == connector}


def near(file: Path) -> Path | None:
    """Return the file of waivers that holds for a test file: in its folder or in one of the two above."""
    return next((folder / FILE for folder in list(file.parents)[:3] if (folder / FILE).is_file()), None)
