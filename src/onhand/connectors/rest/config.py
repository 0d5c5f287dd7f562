"""What an endpoint's settings say: which requests a stream, an operation or a publication is made of.

`config.schema.json` is made from these types; a test holds it to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all parts: unknown members are mistakes."""


Path = Annotated[
    str, Meta(max_length=200, description="Where it lies in a JSON document: names and numbers with dots.")
]


class Request(Part, frozen=True, kw_only=True):
    """A request below the endpoint's address. `{name}` in texts is replaced by what the place of use offers."""

    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Meta(description="The HTTP method.")] = "GET"
    path: Annotated[str, Meta(max_length=1_000, description="Appended to the endpoint's base_url.")]
    query: Annotated[
        Mapping[str, str],
        Meta(description="Members of the query. One whose text becomes empty is left out."),
    ] = {}
    headers: Annotated[Mapping[str, str], Meta(description='Headers, such as `Idempotency-Key: "{key}"`.')] = {}
    body: Annotated[
        Any,
        Meta(
            description="The JSON that is sent. A text that is one placeholder becomes the value itself, a number say. "
            "Left out: the body of the command as its mapping made it."
        ),
    ] = None


class Auth(Part, frozen=True, kw_only=True):
    """How requests prove who asks. What they prove it with lies in the endpoint's secret."""

    kind: Annotated[
        Literal["none", "bearer", "basic", "header", "oauth2"],
        Meta(
            description="`bearer`: the secret is the token. `basic`: it has `user` and `password`. `header`: it "
            "stands in a header of its own. `oauth2`: client credentials, it has `client_id` and `client_secret`."
        ),
    ] = "bearer"
    header: Annotated[str, Meta(description="With `header`: the header's name.")] = "X-Api-Key"
    prefix: Annotated[str, Meta(description="With `header`: what stands before the secret.")] = ""
    token_path: Annotated[str, Meta(description="With `oauth2`: where tokens are got, below the base_url.")] = "/token"  # noqa: S105
    scope: Annotated[str, Meta(description="With `oauth2`: the scope that is asked for.")] = ""


class Cursor(Part, frozen=True, kw_only=True):
    """Which member of a thing moves the reading on: it grows with each change."""

    field: Annotated[Path, Meta(description="The member: a time of change, or a number that grows.")]
    form: Annotated[
        Literal["time", "epoch_s", "epoch_ms", "number"],
        Meta(description="`time`: RFC 3339 with a zone. `epoch_s`, `epoch_ms`: since 1970. `number`: a whole number."),
    ] = "time"
    start: Annotated[str, Meta(description="Where a first reading begins; empty: the member is left out.")] = ""
    overlap: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400_000,
            description="How far before the newest thing a new reading begins, in seconds (`number`: in numbers). It "
            "must be longer than the partner's longest transaction: what is committed late is found so.",
        ),
    ] = 300


class Paging(Part, frozen=True, kw_only=True):
    """How one answer leads to the next."""

    style: Annotated[
        Literal["none", "page", "offset", "token", "link"],
        Meta(
            description="`page`: `{page}` counts pages. `offset`: `{offset}` counts things. `token`: the answer names "
            "what `{token}` is next. `link`: the answer's Link header, rel=next (RFC 8288). `none`: one answer is all."
        ),
    ] = "none"
    first_page: Annotated[int, Meta(ge=0, le=1, description="With `page`: the number of the first page.")] = 1
    token: Annotated[Path, Meta(description="With `token`: where it lies in the answer.")] = ""
    sorted: Annotated[
        bool,
        Meta(
            description="With `page` or `offset` and a cursor: whether things come in the order of its member, "
            "the oldest first, from its value on. Then what moves while it is read cannot be skipped."
        ),
    ] = False


class Webhook(Part, frozen=True, kw_only=True):
    """How webhooks of a stream are signed. The key is the secret's `webhook_secret`."""

    scheme: Annotated[
        Literal["standard", "hmac"],
        Meta(description="`standard`: Standard Webhooks 1.0. `hmac`: HMAC-SHA256 in a header."),
    ] = "standard"
    header: Annotated[str, Meta(description="With `hmac`: the header that holds the signature.")] = "X-Signature"
    encoding: Annotated[Literal["hex", "base64"], Meta(description="With `hmac`: how it is written.")] = "hex"
    prefix: Annotated[str, Meta(description="With `hmac`: what stands before it, such as `sha256=`.")] = ""
    timestamp_header: Annotated[
        str,
        Meta(
            description="With `hmac`: the header with the time, in seconds since 1970. Empty: the partner sends none."
        ),
    ] = ""
    signed: Annotated[str, Meta(description="With `hmac`: what is signed, of `{timestamp}` and `{body}`.")] = "{body}"
    tolerance_s: Annotated[
        int, Meta(ge=5, le=86_400, description="How old, or how far ahead, its time may be, in seconds.")
    ] = 300
    items: Annotated[Path, Meta(description="Where the things lie in the body; empty: the body is one thing.")] = ""


class Stream(Part, frozen=True, kw_only=True):
    """One stream: how it is asked for, and what in the answers is one thing."""

    request: Annotated[
        Request | None,
        Meta(description="Asks for a page; offers `{cursor}`, `{limit}`, `{page}`, `{offset}`, `{token}`."),
    ] = None
    items: Annotated[Path, Meta(description="Where the list of things lies in an answer; empty: it is the answer.")] = (
        ""
    )
    key: Annotated[
        tuple[Path, ...],
        Meta(
            min_length=1,
            description="The members that tell one version of a thing: its number and its time of change, say.",
        ),
    ]
    occurred_at: Annotated[Path, Meta(description="The member with the partner's time, RFC 3339 with a zone.")] = ""
    as_of: Annotated[
        Path, Meta(description="For a snapshot: where its cut-off lies in the answer; empty: the answer's Date header.")
    ] = ""
    cursor: Annotated[
        Cursor | None, Meta(description="What moves the reading on; left out: each reading is whole.")
    ] = None
    paging: Annotated[Paging, Meta(description="How one answer leads to the next.")] = Paging()
    limit_max: Annotated[int, Meta(ge=1, le=10_000, description="The most things that a page may be asked for.")] = 100
    webhook: Annotated[
        Webhook | None, Meta(description="How webhooks of this stream are signed; left out: none are taken.")
    ] = None


Meant = Literal["delivered", "transient", "throttled", "unauthorised", "rejected", "gone", "unknown"]


class Grammar(Part, frozen=True, kw_only=True):
    """What answers mean, where a partner does not speak as everybody does."""

    statuses: Annotated[
        Mapping[str, Meant],
        Meta(description='What single statuses mean here: `"409": delivered` for what is there already.'),
    ] = {}
    error: Annotated[
        Path,
        Meta(description="A member that holds what is wrong, in answers of 200: present and not empty, it is refused."),
    ] = ""
    reason: Annotated[Path, Meta(description="Where the reason of a refusal lies, for a person.")] = ""


class Operation(Part, frozen=True, kw_only=True):
    """One operation: the request that carries it out, and one that looks whether it was carried out."""

    request: Annotated[
        Request,
        Meta(description="Carries it out; offers `{key}` and every member of the body by its path, `{order.number}`."),
    ]
    lookup: Annotated[
        Request | None,
        Meta(description="Looks whether it was done, after a lost answer, for partners that know no keys."),
    ] = None
    found: Annotated[
        Path,
        Meta(description="The member of the look-up's answer that is not empty when it was done; empty: 2xx says so."),
    ] = ""
    grammar: Annotated[Grammar, Meta(description="What its answers mean.")] = Grammar()


class Publication(Part, frozen=True, kw_only=True):
    """How numbers are told: listing by listing, or many in one request."""

    request: Annotated[
        Request,
        Meta(
            description="Offers `{listing}`, `{sku}`, `{location}`, `{quantity}`, `{last_shown}`, `{key}`; with "
            "`line`, `{lines}` in its body is the list of all lines."
        ),
    ]
    line: Annotated[
        Any, Meta(description="The JSON of one line of a batch; left out: one request for each listing.")
    ] = None
    results: Annotated[
        Path, Meta(description="Where the answer to a batch lists results; empty: its status holds for all lines.")
    ] = ""
    result_listing: Annotated[Path, Meta(description="The member of a result that names the listing.")] = "listing"
    result_error: Annotated[
        Path, Meta(description="The member of a result that holds what is wrong; absent or empty: it is done.")
    ] = "error"
    grammar: Annotated[Grammar, Meta(description="What its answers mean.")] = Grammar()


class ReadBack(Part, frozen=True, kw_only=True):
    """How the numbers that are shown are asked for."""

    request: Annotated[
        Request,
        Meta(description="Offers `{listings}`, names with commas; with `one_by_one`, `{listing}` and `{location}`."),
    ]
    one_by_one: Annotated[bool, Meta(description="Whether each listing takes a request of its own.")] = False
    items: Annotated[Path, Meta(description="Where the list lies in the answer; empty: it is the answer.")] = ""
    listing: Annotated[Path, Meta(description="The member that names the listing.")] = "listing"
    location: Annotated[Path, Meta(description="The member that names the location; empty: there are none.")] = ""
    quantity: Annotated[Path, Meta(description="The member that holds the number.")] = "quantity"


class Check(Part, frozen=True, kw_only=True):
    """The request that proves that the partner is there and knows us."""

    path: Annotated[str, Meta(max_length=1_000, description="What is asked for with GET; 2xx is fine.")] = ""
    product: Annotated[Path, Meta(description="Where the answer says what the partner is.")] = ""


class Config(Part, frozen=True, kw_only=True):
    """All settings of an endpoint with the connector `rest`."""

    auth: Annotated[Auth, Meta(description="How requests prove who asks.")] = Auth()
    check: Annotated[Check, Meta(description="How the connection is checked.")] = Check()
    streams: Annotated[Mapping[str, Stream], Meta(description="What is read or taken in, by stream.")] = {}
    operations: Annotated[Mapping[str, Operation], Meta(description="What the partner is told, by operation.")] = {}
    publish: Annotated[Publication | None, Meta(description="How `stock.publish` is told.")] = None
    read_back: Annotated[ReadBack | None, Meta(description="How shown numbers are read back.")] = None
    headers: Annotated[Mapping[str, str], Meta(description="Headers of every request.")] = {}


def read_config(settings: Mapping[str, Any]) -> Config:
    """Return settings by type."""
    return msgspec.convert(settings, Config)
