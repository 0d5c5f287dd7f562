"""The configuration in force and its history, to be read; it is changed with `onhand apply`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from onhand.app.ports_network import NetworkVersion, VersionLine
from onhand.domain.errors import NotFound
from onhand.http.call import Call, Reply
from onhand.http.errors import InvalidParameter
from onhand.http.fields import Limit
from onhand.http.limits import PAGE_DEFAULT
from onhand.http.operation import Answer, answer, operation


class VersionFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which versions to list."""

    before: Annotated[int, Meta(ge=1, le=2**31 - 1, description="Only versions with a smaller number.")] | None = None
    limit: Limit = PAGE_DEFAULT


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Versions, the newest first; `next` is the `before` of the next page."""

    rows: tuple[VersionLine, ...]
    next: str | None = None


LINE = {"version": 4, "applied_at": "2026-11-20T10:00:00Z", "applied_by": "ada", "message": "Open the Graz store",
        "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}  # fmt: skip
VERSION = {**LINE, "files": {"locations.yaml": "locations: ..."}, "network": {"locations": {}}}


@operation(
    "GET", "/v1/network", id="get_network", tag="Network", scope="stock:read", lane="reads", errors=(NotFound,),
    answers={200: Answer(meaning="The version in force.", type=NetworkVersion, example=VERSION)},
)  # fmt: skip
async def current(call: Call, _query: Any, _body: None) -> Reply:
    """Show the network in force: the files as they were applied, and what they mean."""
    found = await call.hub.networks.current()
    if found is None:
        raise NotFound("No network is in force yet.", remedy="'onhand init' writes one, 'onhand apply' makes it so.")
    return answer(found)


@operation(
    "GET", "/v1/network/versions", id="list_network_versions", tag="Network", scope="stock:read", lane="analytics",
    query=VersionFilter,
    answers={200: Answer(meaning="One page.", type=VersionPage, example={"rows": [LINE], "next": None})},
)  # fmt: skip
async def versions(call: Call, where: VersionFilter, _body: None) -> Reply:
    """List the versions of the network, the newest first."""
    rows = list(await call.hub.networks.versions(before=where.before, limit=where.limit))
    more = len(rows) == where.limit and rows[-1].version > 1
    return answer({"rows": rows, "next": str(rows[-1].version) if more else None})


@operation(
    "GET", "/v1/network/versions/{number}", id="get_network_version", tag="Network", scope="stock:read",
    lane="analytics", path_example={"number": 4}, errors=(NotFound,),
    answers={200: Answer(meaning="The version.", type=NetworkVersion, example=VERSION)},
)  # fmt: skip
async def version(call: Call, _query: Any, _body: None) -> Reply:
    """Show one version of the network."""
    text = call.path["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidParameter("The parameter 'number' is a whole number.", parameter="number")
    return answer(await call.hub.networks.show(int(text)))
