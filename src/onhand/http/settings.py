"""What an operator can set about the HTTP API; everything has a default that is right for a first node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from onhand.http import limits
from onhand.ops.settings import BadSetting

PREFIX = "ONHAND_HTTP_"


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one node's HTTP side; each can be given as ONHAND_HTTP_<NAME> in the environment."""

    host: Annotated[str, Meta(min_length=1, description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="The port to listen on; 0 takes a free one.")] = 8480
    rate_per_s: Annotated[
        float,
        Meta(ge=0, description="Requests a second that one client may make on this node; 0 for no limit."),
    ] = 20_000.0
    rate_burst: Annotated[
        int, Meta(ge=1, description="Requests that one client may make at once, after a quiet time.")
    ] = 40_000
    analytics_in_flight_max: Annotated[
        int, Meta(ge=1, description="Requests in flight at which listings and logs are refused.")
    ] = limits.ANALYTICS_IN_FLIGHT_MAX
    feeds_in_flight_max: Annotated[int, Meta(ge=1, description="Requests in flight at which facts are refused.")] = (
        limits.FEEDS_IN_FLIGHT_MAX
    )
    reads_in_flight_max: Annotated[
        int, Meta(ge=1, description="Requests in flight at which reads of stock are refused.")
    ] = limits.READS_IN_FLIGHT_MAX
    bodies_bytes_max: Annotated[
        int, Meta(ge=1, description="Bytes of feeds' bodies that the node holds at a time.")
    ] = limits.BODIES_BYTES_MAX
    body_timeout_s: Annotated[float, Meta(gt=0, description="Seconds in which a body must have arrived.")] = (
        limits.BODY_TIMEOUT_S
    )
    head_timeout_s: Annotated[float, Meta(gt=0, description="Seconds in which a head must have arrived.")] = (
        limits.HEAD_TIMEOUT_S
    )
    drain_s: Annotated[float, Meta(ge=0, description="Seconds that a stopping node waits for what is in flight.")] = (
        limits.DRAIN_S_MAX
    )
    access_log: Annotated[
        Literal["all", "errors", "off"],
        Meta(description="Which requests are logged; `errors` are status 500 and up, and slow ones."),
    ] = "errors"
    metrics_open: Annotated[
        bool, Meta(description="Whether /metrics is readable without a key; otherwise it needs the scope `admin`.")
    ] = True


def from_environ(environ: Mapping[str, str]) -> HttpSettings:
    """The settings that the environment gives. Raises BadSetting, also for an unknown ONHAND_HTTP_ name."""
    given: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)
    }
    unknown = sorted(given.keys() - set(HttpSettings.__struct_fields__))
    if unknown:
        name = PREFIX + unknown[0].upper()
        raise BadSetting(f"There is no setting {name}.", variable=name)
    for name, value in given.items():
        try:
            msgspec.convert({name: value}, HttpSettings, strict=False)
        except msgspec.ValidationError as failure:
            reason = str(failure).partition(" - at ")[0]
            variable = PREFIX + name.upper()
            raise BadSetting(f"{variable} is {value[:60]!r}: {reason}.", variable=variable) from None
    return msgspec.convert(given, HttpSettings, strict=False)
