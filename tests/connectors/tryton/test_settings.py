"""A time zone that is none is a mistake in the settings, and the feed says so."""

from __future__ import annotations

import pytest

from onhand.domain.endpoint import Endpoint
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk.registry import SettingsInvalid, installed


async def test_a_time_zone_that_is_none() -> None:
    settings = {"database": "d", "timezone": "Europe/Vienn"}
    endpoint = Endpoint(code="t", system="t", sender="tryton", base_url="https://t.example", settings=settings)
    package = installed().get("tryton")
    with pytest.raises(SettingsInvalid):
        package.make(settings, EndpointLink(endpoint, Transport()))
