"""Webhooks by the schemes of vendors: signatures in every dress, times, and bodies that are none."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onhand.sdk.connector import Arrival, WebhookRefused
from tests.connectors.rest.partner import NOW, facing

KEY = "a-key-of-webhooks"
BODY = b'{"id": 7, "at": "2026-03-02T10:00:00Z", "price": 19.90}'
STAMP = str(int(NOW.timestamp()))


def settings(**webhook: Any) -> dict[str, Any]:
    return {"streams": {"orders": {"key": ["id", "at"], "webhook": {"scheme": "hmac", **webhook}}}}


def signature(signed: bytes, *, encoding: str = "hex") -> str:
    digest = hmac.new(KEY.encode(), signed, hashlib.sha256).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


async def hear(
    tmp_path: Path, described: dict[str, Any], headers: dict[str, str], body: bytes = BODY, **at: Any
) -> Any:
    secret = {"token": "t", "webhook_secret": KEY}
    async with facing(lambda *_: {}, described, secret=secret, folder=tmp_path) as (partner, connector):
        arrival = Arrival(path="/", headers=headers, body=body, received_at=NOW + timedelta(**at))
        try:
            return connector.arrived("orders", arrival)
        finally:
            assert partner.calls == 0


@pytest.mark.parametrize(
    ("webhook", "headers"),
    [
        ({}, {"x-signature": signature(BODY)}),
        ({"header": "X-Shop-Hmac", "encoding": "base64"}, {"x-shop-hmac": signature(BODY, encoding="base64")}),
        ({"prefix": "sha256="}, {"x-signature": "sha256=" + signature(BODY)}),
        (
            {"timestamp_header": "X-Time", "signed": "{timestamp}.{body}"},
            {"x-signature": signature(STAMP.encode() + b"." + BODY), "x-time": STAMP},
        ),
    ],
    ids=["hex", "base64", "prefix", "time"],
)
async def test_each_dress_of_a_signature(webhook: dict[str, Any], headers: dict[str, str], tmp_path: Path) -> None:
    (message,) = await hear(tmp_path, settings(**webhook), headers)
    assert message.body == BODY
    for name in headers:
        changed = {**headers, name: headers[name][:-2] + ("00" if headers[name][-2:] != "00" else "11")}
        if name != "x-time":
            with pytest.raises(WebhookRefused, match=r"does not fit") as refused:
                await hear(tmp_path, settings(**webhook), changed)
            assert refused.value.reason == "bad_signature"
        missing = {other: value for other, value in headers.items() if other != name}
        with pytest.raises(WebhookRefused) as refused:
            await hear(tmp_path, settings(**webhook), missing)
        assert refused.value.reason == "unsigned"


async def test_an_old_time_or_one_to_come_is_stale_and_one_that_was_not_signed_along_does_not_help(
    tmp_path: Path,
) -> None:
    described = settings(timestamp_header="X-Time", signed="{timestamp}.{body}", tolerance_s=60)
    headers = {"x-signature": signature(STAMP.encode() + b"." + BODY), "x-time": STAMP}
    for seconds in (-61, 61):
        with pytest.raises(WebhookRefused) as refused:
            await hear(tmp_path, described, headers, seconds=seconds)
        assert refused.value.reason == "stale"
    with pytest.raises(WebhookRefused) as refused:
        await hear(tmp_path, described, {**headers, "x-time": str(int(STAMP) + 61)}, seconds=61)
    assert refused.value.reason == "bad_signature"


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b'{"id": 7}', b"{", b"[" * 30_000])
async def test_a_signed_body_that_says_nothing_is_malformed(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(WebhookRefused) as refused:
        await hear(tmp_path, settings(), {"x-signature": signature(body)}, body=body)
    assert refused.value.reason == "malformed"


async def test_a_webhook_may_carry_many_things(tmp_path: Path) -> None:
    body = b'{"data": [' + BODY + b"," + BODY.replace(b"7", b"8") + b"]}"
    found = await hear(tmp_path, settings(items="data"), {"x-signature": signature(body)}, body=body)
    assert [each.key.split(":")[0] for each in found] == ["7", "8"]
