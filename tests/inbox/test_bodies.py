"""Bodies become documents: exact, by their content type, and none of them dangerous."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.app.inbox_bodies import BodyNotRead, decode
from onhand.app.inbox_receive import stored_key, without_secrets
from onhand.domain.errors import InvalidInput

LAUGHS = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>'
FILE = b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>'
PARAMETER = b'<!DOCTYPE l [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x"> %a;]><l/>'


@pytest.mark.parametrize(
    ("body", "content_type", "document"),
    [
        (b'{"price": 0.1, "n": 12.0}', "application/json", {"price": Decimal("0.1"), "n": 12}),
        (b'[{"a": 1}]', "application/vnd.api+json; charset=utf-8", [{"a": 1}]),
        (b' {"a": 1}', "application/octet-stream", {"a": 1}),
        (b"\xef\xbb\xbf<a>1</a>", "", {"a": "1"}),
        (b"<a>1</a>", "text/xml; charset=utf-8", {"a": "1"}),
        (b'<o no="7"><l>a</l><l>b</l><x/></o>', "application/xml", {"o": {"@no": "7", "l": ["a", "b"], "x": ""}}),
        (b'<n:o xmlns:n="urn:x" n:i="1">t<n:l/></n:o>', "x/soap+xml", {"o": {"@i": "1", "l": "", "#text": "t"}}),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><a>\xe4</a>', "application/xml", {"a": "\u00e4"}),
        (b"<a><![CDATA[1 < 2]]></a>", "application/xml", {"a": "1 < 2"}),
        (b"a=1&b=&a=%C3%A4", "application/x-www-form-urlencoded", {"a": ["1", "\u00e4"], "b": ""}),
        (b"", "application/x-www-form-urlencoded", {}),
        (b"caf\xe9", "text/plain; charset=latin-1", "caf\u00e9"),
        (b"ISA*00*", "", "ISA*00*"),
    ],
)  # fmt: skip
def test_a_body_is_read_as_what_it_says_it_is(body: bytes, content_type: str, document: Any) -> None:
    assert decode(body, content_type) == document


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (LAUGHS, "application/xml"),
        (FILE, "text/xml"),
        (PARAMETER, ""),
        (b"<!DOCTYPE a><a/>", "application/xml"),
        (b"<a>" * 200 + b"</a>" * 200, "application/xml"),
        (b"<a><b></a>", "application/xml"),
        (b"<a/><b/>", "application/xml"),
        (b"", "application/xml"),
        (b"<a>&undefined;</a>", "application/xml"),
        (b"<a>\x00</a>", "application/xml"),
        (b"\xff\xfe", "text/plain"),
        (b"a\x00b", "text/plain"),
        (b"x", "text/plain; charset=no-such-thing"),
        (b"a", "application/x-www-form-urlencoded"),
        (b"&".join([b"a=1"] * 20_000), "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_dangerous_or_no_such_thing_is_not_read(body: bytes, content_type: str) -> None:
    with pytest.raises(BodyNotRead):
        decode(body, content_type)


@given(body=st.binary(max_size=200), content_type=st.sampled_from(["", "application/json", "text/xml", "text/plain"]))
def test_no_body_does_worse_than_not_being_read(body: bytes, content_type: str) -> None:
    with suppress(InvalidInput):
        decode(body, content_type)


@given(key=st.text(max_size=600))
def test_any_key_can_be_kept_and_keys_stay_apart(key: str) -> None:
    kept = stored_key(key)
    assert kept.isprintable()
    assert 0 < len(kept) <= 500
    assert stored_key(key + "x") != kept


def test_no_header_with_a_credential_is_kept() -> None:
    told = {"authorization": "Basic x", "x-shop-hmac-sha256": "y", "cookie": "z", "x-api-key": "k", "webhook-id": "m1"}
    assert without_secrets({**told, "x-vendor-token": "t", "user-agent": "a\0b"}) == {
        "webhook-id": "m1", "user-agent": "ab",
    }  # fmt: skip
