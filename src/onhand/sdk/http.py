"""One request to a partner and what comes of it, as connectors see it: values, and the faults that can happen.

A fault says whether anything can have been done, because that decides what comes next. The connection itself belongs
to the hub's one transport; a connector describes requests and reads answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from onhand.domain.errors import OnhandError, Unavailable
from onhand.ops import limits


class AddressRefused(OnhandError):
    """The endpoint lies on this machine or in a private network, which its policy does not allow."""

    code = "address_refused"
    title = "This address must not be called"
    done = "No connection was made."
    remedy = "If it is meant, set allow_private_addresses for the endpoint and apply the network."


class Unreachable(Unavailable):
    """No connection came about, so that nothing was done."""

    code = "partner_unreachable"
    title = "The partner cannot be reached"
    done = "Nothing was sent."


class NotTrusted(OnhandError):
    """The partner could not prove who it is; nothing was said to it."""

    code = "partner_not_trusted"
    title = "The partner's certificate is not valid"
    done = "The connection was closed before anything was sent."
    remedy = "Have the partner's certificate renewed, or the machine trust the authority that issued it."


class AnswerLost(Unavailable):
    """The request went out and no whole answer came back: it may have been done."""

    code = "answer_lost"
    title = "The partner's answer was lost"
    done = "Whether the partner did it is not known."


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Its repr shows neither headers nor body, because secrets travel in both."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    timeout_s: float = 20.0
    allow_private_addresses: bool = False
    answer_bytes_max: int = limits.ANSWER_BYTES_MAX

    def __repr__(self) -> str:
        return f"Request({self.method} {shown(self.url)}, {len(self.body)} bytes)"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `cut` tells that the body was longer than the request allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False

    def header(self, name: str) -> str | None:
        """Return a header by its name in any case."""
        return self.headers.get(name.lower())


def shown(url: str) -> str:
    """Return an address as it may be shown: without what stands before an @, and without its query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
