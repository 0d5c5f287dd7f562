"""The webhook sender and the grammar of answers: signed by the standard, and every status one of the six kinds."""

from __future__ import annotations

import base64
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from onhand.app.flow_ports import Call, Outgoing
from onhand.domain.endpoint import Endpoint
from onhand.domain.outcome import Gone, Outcome, Rejected, Transient
from onhand.flow import webhook
from onhand.flow.transport import Transport
from onhand.flow.webhook import WebhookSender
from onhand.sdk import signing
from onhand.sdk.answers import outcome_of_answer, retry_after_s
from onhand.sdk.http import Answer
from onhand.sdk.secrets import Secret, SecretMissing, read_secret
from tests.flow.partner_process import HttpPartner, partner_on_a_socket

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[HttpPartner]:
    async with partner_on_a_socket() as partner:
        yield partner


def call(url: str, *, body: str = '{"n": 1}', key: str = "k1", **policy: object) -> Call:
    fields = {"code": "hook", "system": "shop", "base_url": url, "allow_private_addresses": True, **policy}
    command = Outgoing(
        id=1, lane="normal", operation="stock", ordering_key=None, idempotency_key=key, limit_key=None, body=body,
        cause="", created_at=NOW, deadline_at=NOW, tries=1, attempts=0, verify=False,
    )  # fmt: skip
    return Call(id=1, endpoint=msgspec.convert(fields, Endpoint), probe=False, commands=(command,))


async def send(to: Call) -> Outcome:
    async with Transport() as transport:
        (outcome,) = await WebhookSender(transport, clock=lambda: NOW).send(to)
    return outcome


async def test_the_receiver_can_tell_who_spoke_what_and_whether_it_heard_it_before(
    receiver: HttpPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", KEY)
    outcome = await send(call(f"{receiver.url}/{{operation}}", secret="env:HOOK"))  # noqa: S106 - a place, not a secret
    assert (outcome.kind, outcome.status) == ("delivered", 200)
    (headers,), (body,) = receiver.headers, receiver.bodies
    assert headers["webhook-id"] == "k1"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    at, signatures = headers["webhook-timestamp"], f"v1,bm9uc2Vuc2U= {headers['webhook-signature']}"

    def verified(
        key: bytes = bytes(range(32)),
        *,
        message_id: str = "k1",
        timestamp: str = at,
        said: bytes = body,
        signed: str = signatures,
    ) -> bool:
        return signing.verify(key, message_id=message_id, timestamp=timestamp, body=said, signatures=signed)

    assert verified()
    assert not verified(message_id="k2")
    assert not verified(timestamp="1")
    assert not verified(said=body + b" ")
    assert not verified(signed="v1,")
    assert not verified(bytes(32))


def test_the_signature_is_that_of_the_specifications_own_example() -> None:
    """The example of the Standard Webhooks reference libraries."""
    key = signing.key_of(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    signature = signing.sign(
        key, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp="1614265330", body=b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("key", ["order.17", "ä", "a b", "x" * 300 + ".", "a\nb"])
def test_a_key_becomes_an_id_that_headers_can_carry_and_stays_itself(key: str) -> None:
    found = webhook.message_id_of(key)
    assert found.isascii()
    assert "." not in found
    assert "\n" not in found
    assert found == webhook.message_id_of(key) != webhook.message_id_of(key + "'")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode(), KEY[6:]])
async def test_a_secret_that_is_none_stops_the_endpoint_and_never_shows(
    receiver: HttpPartner, tmp_path: Path, secret: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)
    outcome = await send(call(receiver.url, secret=f"file:{file}"))
    assert outcome.kind == "unauthorised"
    assert receiver.bodies == []
    assert len(secret) < 8 or secret not in outcome.detail


async def test_a_secret_that_is_replaced_is_used_with_the_next_call(receiver: HttpPartner, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for number, fill in enumerate((b"a", b"b")):
        file.write_text("whsec_" + base64.b64encode(fill * 32).decode() + "\n")
        await send(call(receiver.url, key=f"k{number}", secret=f"file:{file}"))
        headers = receiver.headers[-1]
        assert signing.verify(
            fill * 32, message_id=f"k{number}", timestamp=headers["webhook-timestamp"], body=receiver.bodies[-1],
            signatures=headers["webhook-signature"],
        )  # fmt: skip


def test_a_secret_shows_itself_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "s3cret")
    secret = read_secret("env:HOOK")
    assert secret.reveal() == "s3cret"
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(SecretMissing, match="env:NOWHERE"):
        read_secret("env:NOWHERE")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "delivered"), (202, "delivered"), (204, "delivered"), (301, "transient"), (302, "transient"),
        (400, "rejected"), (401, "unauthorised"), (402, "rejected"), (403, "unauthorised"), (404, "gone"),
        (405, "rejected"), (407, "unauthorised"), (408, "transient"), (409, "transient"), (410, "gone"),
        (413, "rejected"), (422, "rejected"), (425, "transient"), (429, "throttled"), (500, "unknown"),
        (501, "transient"), (502, "unknown"), (503, "transient"), (504, "unknown"), (599, "transient"),
    ],
)  # fmt: skip
def test_the_grammar_of_statuses(status: int, kind: str) -> None:
    assert outcome_of_answer(Answer(status=status, headers={}, body=b""), now=NOW).kind == kind


def test_every_status_is_one_of_the_kinds() -> None:
    for status in itertools.chain(range(200, 600)):
        assert outcome_of_answer(Answer(status=status, headers={}, body=b"\xff\x00"), now=NOW).kind


def test_a_problem_names_its_reason_and_its_field() -> None:
    body = msgspec.json.encode({"title": "Bad", "detail": "no such size", "errors": [{"pointer": "/size"}]})
    outcome = outcome_of_answer(Answer(status=422, headers={}, body=body), now=NOW)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.field) == ("no such size", "/size")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"errors": "no"}', b'{"detail": 5, "errors": [5]}', b"\x00{"])
def test_a_hostile_body_is_still_a_refusal(body: bytes) -> None:
    assert outcome_of_answer(Answer(status=400, headers={}, body=body), now=NOW).kind == "rejected"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 0), ("-5", 0), ("1.5", 1.5), ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
     ("Mon, 23 Nov 2026 11:00:00 GMT", 0), ("soon", None), ("nan", None), ("inf", None), ("", None), (None, None)],
)  # fmt: skip
def test_a_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text, now=NOW) == seconds


async def test_a_wrong_address_is_about_the_endpoint_not_about_the_message(receiver: HttpPartner) -> None:
    receiver.sick = 404
    assert isinstance(await send(call(receiver.url)), Transient)
    receiver.sick = 410
    outcome = await send(call(receiver.url))
    assert isinstance(outcome, Gone)
    assert outcome.endpoint


async def test_a_private_address_that_the_policy_does_not_allow_is_not_called(receiver: HttpPartner) -> None:
    outcome = await send(call(receiver.url, allow_private_addresses=False))
    assert (outcome.kind, receiver.heard) == ("unauthorised", {})
