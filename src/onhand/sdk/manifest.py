"""The manifest of a connector: who answers for it, what it can do, and what it is known to need.

It is read from `manifest.toml` in the connector's folder and checked here. What it claims, the conformance suite tests;
what it does not claim, the hub never asks for.
"""

from __future__ import annotations

import tomllib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from onhand.domain.endpoint import Limits
from onhand.domain.errors import OnhandError
from onhand.domain.network import SystemKind

Tier = Literal["draft", "bronze", "silver", "gold"]
TIERS: tuple[Tier, ...] = ("draft", "bronze", "silver", "gold")

Idempotency = Literal["key", "lookup", "state", "none"]
"""How a repetition is harmless: the partner knows our `key`, we `lookup` first, the `state` is absolute; or not."""


class ManifestInvalid(OnhandError):
    """A connector's manifest cannot be read."""

    code = "manifest_invalid"
    title = "The connector's manifest is not valid"
    remedy = "Correct manifest.toml; 'onhand connector check' names every mistake."


class Stream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that a partner tells: by being asked (`poll`), by itself (`webhook`), or as files."""

    modes: Annotated[tuple[Literal["poll", "webhook", "file"], ...], Meta(min_length=1)]
    mapping: str
    """The name of its mapping in `mapping.yaml`."""
    events: tuple[str, ...] = ()
    """The event types that the mapping gives."""
    snapshot: bool = False
    """Whether it states everything as of a cut-off, rather than what is new."""
    description: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that a partner can be told."""

    idempotency: Idempotency
    mapping: str | None = None
    """The name of the mapping that makes its body; None: the body is taken as it is."""
    batch: Annotated[int, Meta(ge=1, le=100_000)] = 1
    """The most commands that one call can carry."""
    compare_and_set: bool = False
    answers_later: bool = False
    description: str = ""


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the secret is: a text, or a JSON object with these fields; and how it is used, in words."""

    kind: Literal["none", "bearer", "basic", "hmac", "oauth2", "session", "key", "file"]
    secret_fields: tuple[str, ...] = ()
    description: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `manifest.toml` says."""

    code: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
    title: str
    kind: SystemKind
    owner: str
    version: str
    summary: str
    tier: Tier = "draft"
    partner_versions: tuple[str, ...] = ()
    """The partner's products and versions that it was run against."""
    auth: Auth
    check: bool = True
    discover: bool = False
    read_back: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """The most listings that one read-back can ask for; 0: it cannot."""
    files: bool = False
    """Whether it works on files (`sftp://`, `file://`) rather than over HTTP."""
    limits: Limits = Limits()
    """What the vendor allows, as far as it is published: what an endpoint should state at most."""
    streams: dict[str, Stream] = {}
    operations: dict[str, Operation] = {}
    docs_url: str = ""


def read_manifest(text: str, *, where: str) -> Manifest:
    """Return what a `manifest.toml` says. Raises ManifestInvalid with the place of the first mistake."""
    try:
        return msgspec.convert(tomllib.loads(text), Manifest)
    except tomllib.TOMLDecodeError as error:
        raise ManifestInvalid(f"{where}: {error}.") from error
    except msgspec.ValidationError as error:
        raise ManifestInvalid(f"{where}: {error}.") from error
