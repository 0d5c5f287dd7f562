"""API keys: make, list, rotate, revoke. Secrets are shown once, at the moment they are made."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.answers import KeyRow
from onhand.app.identity import Scope
from onhand.app.keys import KeyEnded, KeyNotFound
from onhand.http.call import Call, Reply
from onhand.http.fields import Code, Instant, instant
from onhand.http.operation import Answer, NoBody, answer, operation
from onhand.http.quarantine import number

DAY_S = 86_400


class KeyForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose key, and what it may do."""

    client: Annotated[Code, Meta(description="The client; its request ids are its own whichever key it uses.")]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=20)]
    expires_at: Instant | None = None


class RotateForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the old secret works on."""

    overlap_s: Annotated[int, Meta(ge=0, le=30 * DAY_S, description="Seconds that the old key goes on to work.")] = (
        DAY_S
    )


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secret, which is shown this one time."""

    key: KeyRow
    secret: str


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """All keys, without their secrets."""

    rows: tuple[KeyRow, ...]


KEY = {"id": 3, "client": "web-shop", "prefix": "7f3a90b1c2d3", "scopes": ["promises:write", "stock:read"],
       "created_at": "2026-11-23T07:00:00Z"}  # fmt: skip
NEW = {"key": KEY, "secret": "ohk_7f3a90b1c2d3_shown-this-one-time"}


@operation(
    "POST", "/v1/keys", id="create_key", tag="Keys", scope="admin", lane="promises", body=KeyForm,
    body_example={"client": "web-shop", "scopes": ["promises:write", "stock:read"]},
    answers={201: Answer(meaning="The key, and its secret this one time.", type=NewKey, example=NEW)},
)  # fmt: skip
async def create(call: Call, _query: Any, form: KeyForm) -> Reply:
    """Make a key."""
    row, secret = await call.hub.keys.create(
        client=form.client, scopes=form.scopes, expires_at=instant(form.expires_at, "/expires_at")
    )
    return answer({"key": row, "secret": secret}, status=201)


@operation(
    "GET", "/v1/keys", id="list_keys", tag="Keys", scope="admin", lane="promises",
    answers={200: Answer(meaning="All keys.", type=KeyList, example={"rows": [KEY]})},
)  # fmt: skip
async def list_keys(call: Call, _query: Any, _body: None) -> Reply:
    """List keys."""
    return answer({"rows": list(await call.hub.keys.list())})


@operation(
    "POST", "/v1/keys/{id}/rotate", id="rotate_key", tag="Keys", scope="admin", lane="promises", body=RotateForm,
    body_required=False, body_example={"overlap_s": 3600}, path_example={"id": 3}, errors=(KeyNotFound, KeyEnded),
    answers={201: Answer(meaning="The new key, and its secret this one time.", type=NewKey, example=NEW)},
)  # fmt: skip
async def rotate(call: Call, _query: Any, form: RotateForm) -> Reply:
    """Replace a key by a new one.

    Same client and scopes. The old one goes on to work for a while, so that nothing stops while the new one is rolled
    out.
    """
    row, secret = await call.hub.keys.rotate(number(call), overlap_s=form.overlap_s)
    return answer({"key": row, "secret": secret}, status=201)


@operation(
    "POST", "/v1/keys/{id}/revoke", id="revoke_key", tag="Keys", scope="admin", lane="promises", body=NoBody,
    body_example={}, body_required=False, path_example={"id": 3}, errors=(KeyNotFound,),
    answers={200: Answer(meaning="The key, revoked.", type=KeyRow,
                         example={**KEY, "revoked_at": "2026-11-23T09:00:00Z"})},
)  # fmt: skip
async def revoke(call: Call, _query: Any, _form: NoBody) -> Reply:
    """Revoke a key.

    It stops working within seconds on every node.
    """
    return answer(await call.hub.keys.revoke(number(call)))
